/*
 * AES-GCM of another library in place of wolfSSL's (-Daccel=ipsec-mb), for records that are long
 * enough to gain by it. wolfSSL hands the cipher out through its crypto callbacks and goes on by
 * itself wherever the answer is CRYPTOCB_UNAVAILABLE; so nothing but speed depends on this.
 */
#ifndef HALO_TLS_ACCEL_H
#define HALO_TLS_ACCEL_H

#include "tls/wolfssl.h"

#if HALO_TLS_ACCEL

#include <wolfssl/wolfcrypt/cryptocb.h>

/* wolfSSL's name for the device that the callback stands for: "halo". */
enum { TLS_ACCEL_DEVICE = 0x68616c6f };

/* Once a process, when wolfSSL has started: tests the accelerator and, when that went well, makes
 * it known to wolfSSL. */
void tls_accel_install(void);

/* Before anything else is done with a new context: its connections use the accelerator, if there is
 * one. */
void tls_accel_attach(WOLFSSL_CTX *wolf);

/* After tls_accel_install(): "ipsec-mb 1.3.0", or "" when it is off; and why it is off, as a
 * sentence, or "". Static. */
const char *tls_accel_name(void);
const char *tls_accel_off(void);

/* What wolfSSL calls; `cipher` is a const struct accel_cipher. Here for tests. */
int tls_accel_call(int device, wc_CryptoInfo *info, void *cipher);

#else

static inline void tls_accel_install(void)
{
}

static inline void tls_accel_attach(WOLFSSL_CTX *wolf)
{
    (void)wolf;
}

static inline const char *tls_accel_name(void)
{
    return "";
}

static inline const char *tls_accel_off(void)
{
    return "";
}

#endif
#endif
