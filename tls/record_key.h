/*
 * One direction of TLS 1.3 after the handshake: the traffic secret, the key made of it, and the
 * number of the next record (RFC 8446 sections 5.2, 5.3 and 7). The ciphers are wolfCrypt's.
 */
#ifndef HALO_TLS_RECORD_KEY_H
#define HALO_TLS_RECORD_KEY_H

#include "core/base/base.h"
#include "tls/wolfssl.h"

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

enum {
    RECORD_HEADER = 5,
    RECORD_TAG = 16,
    RECORD_NONCE = 12,
    RECORD_SECRET_MAX = 48,
};

enum record_cipher {
    RECORD_NO_KEY, /* never made, or its making failed: neither seals nor opens */
    RECORD_AES_GCM,
    RECORD_CHACHA20_POLY1305,
};

/* What a cipher suite means for keys; see record_suite_find(). */
struct record_suite {
    uint16_t number; /* of the registry */
    uint8_t cipher;  /* enum record_cipher */
    uint8_t key_len;
    uint8_t secret_len; /* as long as the hash */
    int hash;           /* wolfCrypt's */
};

struct record_key {
    Aes aes; /* of RECORD_AES_GCM */
    uint8_t octets[32];
    uint8_t len;
    uint64_t sequence; /* of the next record */
    uint8_t nonce[RECORD_NONCE];
    uint8_t cipher; /* enum record_cipher */
    bool has_aes;   /* wolfCrypt is to free it */
    uint8_t secret[RECORD_SECRET_MAX];
};

/* NULL: a suite that is not known here. */
const struct record_suite *record_suite_find(uint16_t number);

/* The first key of `secret`, which is there already. 0 or wolfCrypt's error: there is no key then. */
int record_key_make(struct record_key *key, const struct record_suite *suite) HALO_MUST_USE;
/* The next generation (RFC 8446 section 7.2). 0 or wolfCrypt's error: then there is no key any more,
 * neither the new one nor the old one, whose numbers might be used twice. */
int record_key_update(struct record_key *key, const struct record_suite *suite) HALO_MUST_USE;
/* Leaves nothing of it in memory. */
void record_key_wipe(struct record_key *key);

/* Encrypts `len` octets where they are and writes the tag behind them; `header` is the record's. 0
 * or wolfCrypt's error; its number is used up in any case. */
int record_key_seal(struct record_key *key, const uint8_t header[RECORD_HEADER], uint8_t *text,
                    size_t len) HALO_MUST_USE;
/* Decrypts `len` octets, the tag among them, to `out`, which has room for them without the tag. 0
 * or wolfCrypt's error: the record is not the peer's, and what is at `out` means nothing. */
int record_key_open(struct record_key *key, const uint8_t header[RECORD_HEADER],
                    const uint8_t *text, size_t len, uint8_t *out) HALO_MUST_USE;

#endif
