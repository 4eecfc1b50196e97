/* wolfSSL's side of the accelerator: the callback, and what is left to wolfSSL itself. */
#include "tls/accel.h"

#include <wolfssl/wolfcrypt/aes.h>

#include "tls/accel_cipher.h"
#include "tls/limits.h"

#ifndef WOLF_CRYPTO_CB
#error "this wolfSSL is built without crypto callbacks: configure with -Daccel=none"
#endif

/* Written once, by tls_accel_install(). */
static const struct accel_cipher *installed;
static const char *off = "";

/* ---- the callback ---------------------------------------------------------------------- */

/* Short records are quicker without, and other than TLS' own parameters never come. */
static bool is_ours(const Aes *aes, word32 len, word32 iv_len, word32 tag_len)
{
    return len >= TLS_ACCEL_RECORD_MIN && (aes->keylen == 16 || aes->keylen == 32) &&
           iv_len == ACCEL_IV_LEN && tag_len == ACCEL_TAG_LEN;
}

static int seal(const struct accel_cipher *cipher, wc_CryptoInfo *info)
{
    const Aes *aes = info->cipher.aesgcm_enc.aes;
    struct accel_message message = {
        .key = (const uint8_t *)aes->devKey,
        .key_len = (size_t)aes->keylen,
        .iv = info->cipher.aesgcm_enc.iv,
        .aad = info->cipher.aesgcm_enc.authIn,
        .aad_len = info->cipher.aesgcm_enc.authInSz,
        .in = info->cipher.aesgcm_enc.in,
        .out = info->cipher.aesgcm_enc.out,
        .len = info->cipher.aesgcm_enc.sz,
    };

    if (!is_ours(aes, info->cipher.aesgcm_enc.sz, info->cipher.aesgcm_enc.ivSz,
                 info->cipher.aesgcm_enc.authTagSz)) {
        return CRYPTOCB_UNAVAILABLE;
    }
    cipher->seal(&message, info->cipher.aesgcm_enc.authTag);
    return 0;
}

static int open_record(const struct accel_cipher *cipher, wc_CryptoInfo *info)
{
    const Aes *aes = info->cipher.aesgcm_dec.aes;
    struct accel_message message = {
        .key = (const uint8_t *)aes->devKey,
        .key_len = (size_t)aes->keylen,
        .iv = info->cipher.aesgcm_dec.iv,
        .aad = info->cipher.aesgcm_dec.authIn,
        .aad_len = info->cipher.aesgcm_dec.authInSz,
        .in = info->cipher.aesgcm_dec.in,
        .out = info->cipher.aesgcm_dec.out,
        .len = info->cipher.aesgcm_dec.sz,
    };

    if (!is_ours(aes, info->cipher.aesgcm_dec.sz, info->cipher.aesgcm_dec.ivSz,
                 info->cipher.aesgcm_dec.authTagSz)) {
        return CRYPTOCB_UNAVAILABLE;
    }
    return cipher->open(&message, info->cipher.aesgcm_dec.authTag) ? 0 : AES_GCM_AUTH_E;
}

int tls_accel_call(int device, wc_CryptoInfo *info, void *cipher)
{
    (void)device;
    if (info->algo_type != WC_ALGO_TYPE_CIPHER || info->cipher.type != WC_CIPHER_AES_GCM) {
        return CRYPTOCB_UNAVAILABLE;
    }
    return info->cipher.enc != 0 ? seal(cipher, info) : open_record(cipher, info);
}

/* ---- starting -------------------------------------------------------------------------- */

void tls_accel_install(void)
{
    const struct accel_cipher *cipher = accel_ipsec_mb(&off);

    if (cipher == NULL) {
        return;
    }
    if (!accel_self_test(cipher)) {
        off = "ipsec-mb is not used: it gives wrong answers in its self-test.";
        return;
    }
    if (wc_CryptoCb_RegisterDevice(TLS_ACCEL_DEVICE, tls_accel_call, (void *)(uintptr_t)cipher) !=
        0) {
        off = "ipsec-mb is not used: wolfSSL takes no more crypto callbacks.";
        return;
    }
    installed = cipher;
}

void tls_accel_attach(WOLFSSL_CTX *wolf)
{
    if (installed != NULL) {
        /* Fails without a context only. */
        (void)wolfSSL_CTX_SetDevId(wolf, TLS_ACCEL_DEVICE);
    }
}

const struct accel_cipher *tls_accel_for(size_t len)
{
    return len >= TLS_ACCEL_RECORD_MIN ? installed : NULL;
}

void tls_accel_replace(const struct accel_cipher *cipher)
{
    installed = installed != NULL ? cipher : NULL;
}

const char *tls_accel_name(void)
{
    return installed == NULL ? "" : installed->name;
}

const char *tls_accel_off(void)
{
    return off;
}
