#include "tls/record_key.h"

#include <string.h>

#include <wolfssl/wolfcrypt/kdf.h>

#include "core/base/wire.h"
#include "tls/accel.h"

/* RFC 8446 appendix B.4. */
static const struct record_suite suites[] = {
    { 0x1301, RECORD_AES_GCM, 16, 32, WC_SHA256 },
    { 0x1302, RECORD_AES_GCM, 32, 48, WC_SHA384 },
    { 0x1303, RECORD_CHACHA20_POLY1305, 32, 32, WC_SHA256 },
};

const struct record_suite *record_suite_find(uint16_t number)
{
    for (size_t i = 0; i < HALO_ARRAY_LEN(suites); i++) {
        if (suites[i].number == number) {
            return &suites[i];
        }
    }
    return NULL;
}

/* ---- keys ------------------------------------------------------------------------------ */

/* HKDF-Expand-Label(secret, label, "", len): RFC 8446 section 7.1. */
static int expand(const struct record_key *key, const struct record_suite *suite, const char *label,
                  uint8_t *out, size_t len)
{
    static const uint8_t protocol[] = "tls13 ";

    return wc_Tls13_HKDF_Expand_Label(out, (word32)len, key->secret, suite->secret_len, protocol,
                                      sizeof(protocol) - 1, (const uint8_t *)label,
                                      (word32)strlen(label), NULL, 0, suite->hash);
}

int record_key_make(struct record_key *key, const struct record_suite *suite)
{
    int error = expand(key, suite, "key", key->octets, suite->key_len);

    if (error == 0) {
        error = expand(key, suite, "iv", key->nonce, sizeof(key->nonce));
    }
    if (error == 0 && suite->cipher == RECORD_AES_GCM) {
        error = wc_AesInit(&key->aes, NULL, INVALID_DEVID);
        key->has_aes = error == 0;
    }
    if (error == 0 && suite->cipher == RECORD_AES_GCM) {
        error = wc_AesGcmSetKey(&key->aes, key->octets, suite->key_len);
    }
    if (error != 0) {
        record_key_wipe(key);
        return error;
    }
    key->cipher = suite->cipher;
    key->len = suite->key_len;
    key->sequence = 0;
    return 0;
}

static void drop_key(struct record_key *key)
{
    if (key->has_aes) {
        wc_AesFree(&key->aes);
        key->has_aes = false;
    }
}

int record_key_update(struct record_key *key, const struct record_suite *suite)
{
    uint8_t next[RECORD_SECRET_MAX];
    int error = expand(key, suite, "traffic upd", next, suite->secret_len);

    drop_key(key);
    if (error == 0) {
        memcpy(key->secret, next, suite->secret_len);
        error = record_key_make(key, suite);
    } else {
        record_key_wipe(key);
    }
    explicit_bzero(next, sizeof(next));
    return error;
}

void record_key_wipe(struct record_key *key)
{
    drop_key(key);
    explicit_bzero(key, sizeof(*key));
}

/* ---- records --------------------------------------------------------------------------- */

/* RFC 8446 section 5.3: the record's number, in the last octets of the nonce. */
static void next_nonce(struct record_key *key, uint8_t nonce[RECORD_NONCE])
{
    memcpy(nonce, key->nonce, 4);
    store_u64(nonce + 4, load_u64(key->nonce + 4) ^ key->sequence);
    key->sequence++;
}

static struct accel_message message_for(const struct record_key *key, const uint8_t *nonce,
                                        const uint8_t *header, const uint8_t *in, uint8_t *out,
                                        size_t len)
{
    return (struct accel_message){
        .key = key->octets,
        .key_len = key->len,
        .iv = nonce,
        .aad = header,
        .aad_len = RECORD_HEADER,
        .in = in,
        .out = out,
        .len = len,
    };
}

static int seal_aes(struct record_key *key, const uint8_t *nonce, const uint8_t *header,
                    uint8_t *text, size_t len)
{
    const struct accel_cipher *accelerator = tls_accel_for(len);

    if (accelerator != NULL) {
        struct accel_message message = message_for(key, nonce, header, text, text, len);

        accelerator->seal(&message, text + len);
        return 0;
    }
    return wc_AesGcmEncrypt(&key->aes, text, text, (word32)len, nonce, RECORD_NONCE, text + len,
                            RECORD_TAG, header, RECORD_HEADER);
}

int record_key_seal(struct record_key *key, const uint8_t header[RECORD_HEADER], uint8_t *text,
                    size_t len)
{
    uint8_t nonce[RECORD_NONCE];

    next_nonce(key, nonce);
    if (HALO_LIKELY(key->cipher == RECORD_AES_GCM)) {
        return seal_aes(key, nonce, header, text, len);
    }
    if (key->cipher == RECORD_CHACHA20_POLY1305) {
        return wc_ChaCha20Poly1305_Encrypt(key->octets, nonce, header, RECORD_HEADER, text,
                                           (word32)len, text, text + len);
    }
    return MISSING_KEY;
}

static int open_aes(struct record_key *key, const uint8_t *nonce, const uint8_t *header,
                    const uint8_t *text, size_t len, uint8_t *out)
{
    const struct accel_cipher *accelerator = tls_accel_for(len);

    if (accelerator != NULL) {
        struct accel_message message = message_for(key, nonce, header, text, out, len);

        return accelerator->open(&message, text + len) ? 0 : AES_GCM_AUTH_E;
    }
    return wc_AesGcmDecrypt(&key->aes, out, text, (word32)len, nonce, RECORD_NONCE, text + len,
                            RECORD_TAG, header, RECORD_HEADER);
}

int record_key_open(struct record_key *key, const uint8_t header[RECORD_HEADER],
                    const uint8_t *text, size_t len, uint8_t *out)
{
    uint8_t nonce[RECORD_NONCE];

    HALO_ASSERT(len >= RECORD_TAG);
    len -= RECORD_TAG;
    next_nonce(key, nonce);
    if (HALO_LIKELY(key->cipher == RECORD_AES_GCM)) {
        return open_aes(key, nonce, header, text, len, out);
    }
    if (key->cipher == RECORD_CHACHA20_POLY1305) {
        return wc_ChaCha20Poly1305_Decrypt(key->octets, nonce, header, RECORD_HEADER, text,
                                           (word32)len, text + len, out);
    }
    return MISSING_KEY;
}
