/*
 * AES-GCM of another library in place of wolfSSL's (-Daccel=ipsec-mb), for records that are long
 * enough to gain by it. Those of TLS 1.3 ask for it (record_key.c); for the others wolfSSL hands
 * the cipher out through its crypto callbacks, and goes on by itself wherever the answer is
 * CRYPTOCB_UNAVAILABLE. Nothing but speed depends on this.
 */
#ifndef HALO_TLS_ACCEL_H
#define HALO_TLS_ACCEL_H

#include "tls/accel_cipher.h"
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

/* For a message of so many octets; NULL: wolfCrypt's cipher is the one to use. */
const struct accel_cipher *tls_accel_for(size_t len);

/* Tests: this one is given from now on, as long as there is one at all. */
void tls_accel_replace(const struct accel_cipher *cipher);
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

static inline const struct accel_cipher *tls_accel_for(size_t len)
{
    (void)len;
    return NULL;
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
