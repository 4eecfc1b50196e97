/* What an accelerator is: AES-GCM as TLS uses it, and the test that it must pass. Knows nothing of
 * wolfSSL. */
#ifndef HALO_TLS_ACCEL_CIPHER_H
#define HALO_TLS_ACCEL_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ACCEL_IV_LEN = 12,
    ACCEL_TAG_LEN = 16,
};

/* One record. `out` is `in`, or does not overlap it. */
struct accel_message {
    const uint8_t *key;
    size_t key_len; /* 16 or 32 */
    const uint8_t *iv;
    const uint8_t *aad;
    size_t aad_len;
    const uint8_t *in;
    uint8_t *out;
    size_t len; /* of both */
};

/* Any thread; no state is kept between calls, and nothing of a key is left behind by one. */
struct accel_cipher {
    const char *name;
    void (*seal)(const struct accel_message *message, uint8_t *tag);
    /* Compares the tag in constant time. False when it is wrong: `out` is zeros then. */
    bool (*open)(const struct accel_message *message, const uint8_t *tag);
};

/* Intel's library, or NULL when it cannot be used here; `why` is then a sentence. Not for two
 * threads at once. */
const struct accel_cipher *accel_ipsec_mb(const char **why);

/* Known answers: both lengths of keys, short and long messages, in place and not, wrong tags. */
bool accel_self_test(const struct accel_cipher *cipher);

#endif
