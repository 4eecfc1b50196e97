/* Keys of TLS 1.3 records: against the trace of RFC 8448, and what is left of a key that failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tls/record_key.h"

/* ---- RFC 8448 section 3 ------------------------------------------------------------------ */

static const uint8_t client_secret[32] = {
    0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d, 0xc0, 0x5a, 0xf8, 0x88, 0x9b, 0xce, 0x65, 0x52,
    0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf, 0x00, 0x87, 0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5,
};
static const uint8_t client_key[16] = {
    0x17, 0x42, 0x2d, 0xda, 0x59, 0x6e, 0xd5, 0xd9, 0xac, 0xd8, 0x90, 0xe3, 0xc6, 0x3f, 0x50, 0x51,
};
static const uint8_t client_iv[12] = {
    0x5b, 0x78, 0x92, 0x3d, 0xee, 0x08, 0x57, 0x90, 0x33, 0xe5, 0x23, 0xd9,
};
static const uint8_t client_record[72] = {
    0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94, 0xd0, 0xaf, 0xfa,
    0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea, 0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc,
    0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8, 0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20,
    0x44, 0x1e, 0x2b, 0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
    0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4,
};

static void make(struct record_key *key, uint16_t suite)
{
    const struct record_suite *found = record_suite_find(suite);

    assert_non_null(found);
    *key = (struct record_key){ 0 };
    memcpy(key->secret, client_secret, sizeof(client_secret));
    assert_int_equal(record_key_make(key, found), 0);
}

/* The record of 50 octets, 0 to 49. */
static void record_of_the_rfc(void **state)
{
    struct record_key key;
    uint8_t record[sizeof(client_record)];
    uint8_t text[51];

    (void)state;
    make(&key, 0x1301);
    assert_memory_equal(key.nonce, client_iv, sizeof(client_iv));
    memcpy(record, client_record, 5);
    for (uint8_t i = 0; i < 50; i++) {
        record[5 + i] = i;
    }
    record[55] = 23;
    assert_int_equal(record_key_seal(&key, record, record + 5, 51), 0);
    assert_memory_equal(record, client_record, sizeof(record));
    assert_int_equal(key.sequence, 1);
    /* The same again is another record. */
    assert_int_equal(record_key_seal(&key, client_record, record + 5, 51), 0);
    assert_memory_not_equal(record + 5, client_record + 5, 67);
    record_key_wipe(&key);

    make(&key, 0x1301);
    assert_int_equal(record_key_open(&key, client_record, client_record + 5, 67, text), 0);
    for (uint8_t i = 0; i < 50; i++) {
        assert_int_equal(text[i], i);
    }
    assert_int_equal(text[50], 23);
    /* Once. */
    assert_int_not_equal(record_key_open(&key, client_record, client_record + 5, 67, text), 0);
    record_key_wipe(&key);
}

/* The key of the trace, by wolfCrypt itself: another nonce or other additional data would show. */
static void key_of_the_rfc(void **state)
{
    uint8_t text[51];
    Aes aes;

    (void)state;
    assert_int_equal(wc_AesInit(&aes, NULL, INVALID_DEVID), 0);
    assert_int_equal(wc_AesGcmSetKey(&aes, client_key, sizeof(client_key)), 0);
    assert_int_equal(wc_AesGcmDecrypt(&aes, text, client_record + 5, 51, client_iv, 12,
                                      client_record + 56, 16, client_record, 5),
                     0);
    assert_int_equal(text[50], 23);
    wc_AesFree(&aes);
}

/* ---- any ----------------------------------------------------------------------------------- */

static const uint16_t numbers[] = { 0x1301, 0x1302, 0x1303 };

static void suites_that_are_known(void **state)
{
    (void)state;
    for (uint32_t number = 0; number <= 0xffff; number++) {
        bool known = number >= 0x1301 && number <= 0x1303;

        assert_true((record_suite_find((uint16_t)number) != NULL) == known);
    }
}

/* RFC 8446 section 5.3: nonces differ in the last octets, for all 64 bits of the number. */
static void numbers_are_of_64_bits(void **state)
{
    static const uint64_t sequences[] = {
        1, 255, 256, 65535, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX / 3
    };
    const uint8_t header[5] = { 23, 3, 3, 0, 19 };

    (void)state;
    for (size_t suite = 0; suite < HALO_ARRAY_LEN(numbers); suite++) {
        for (size_t i = 0; i < HALO_ARRAY_LEN(sequences); i++) {
            uint8_t text[19] = { 'a', 'b', 23 };
            uint8_t out[3];
            struct record_key one;
            struct record_key two;

            make(&one, numbers[suite]);
            make(&two, numbers[suite]);
            one.sequence = two.sequence = sequences[i];
            assert_int_equal(record_key_seal(&one, header, text, 3), 0);
            for (int bit = 0; bit < 64; bit++) {
                two.sequence = sequences[i] ^ (UINT64_C(1) << bit);
                assert_int_not_equal(record_key_open(&two, header, text, 19, out), 0);
            }
            two.sequence = sequences[i];
            assert_int_equal(record_key_open(&two, header, text, 19, out), 0);
            assert_memory_equal(out, "ab\x17", 3);
            record_key_wipe(&one);
            record_key_wipe(&two);
        }
    }
}

static bool all_zero(const void *at, size_t len)
{
    const uint8_t *octets = at;

    for (size_t i = 0; i < len; i++) {
        if (octets[i] != 0) {
            return false;
        }
    }
    return true;
}

static void expect_no_key(struct record_key *key)
{
    const uint8_t header[5] = { 23, 3, 3, 0, 19 };
    uint8_t text[19] = { 'a', 'b', 23 };
    uint8_t out[3];

    assert_int_not_equal(record_key_seal(key, header, text, 3), 0);
    assert_memory_equal(text, "ab\x17", 3);
    assert_true(all_zero(text + 3, 16));
    assert_int_not_equal(record_key_open(key, header, text, 19, out), 0);
}

static void wiped_keys_are_none(void **state)
{
    (void)state;
    for (size_t suite = 0; suite < HALO_ARRAY_LEN(numbers); suite++) {
        struct record_key key;

        make(&key, numbers[suite]);
        record_key_wipe(&key);
        assert_true(all_zero(&key, sizeof(key)));
        expect_no_key(&key);
    }
}

/* Whatever fails, at its beginning or in its middle: there is no key, and above all not the old one
 * with numbers from 0. */
static void keys_that_fail_are_none(void **state)
{
    (void)state;
    for (size_t suite = 0; suite < HALO_ARRAY_LEN(numbers); suite++) {
        const struct record_suite *good = record_suite_find(numbers[suite]);
        struct record_suite bad[2] = { *good, *good };
        size_t count = good->cipher == RECORD_AES_GCM ? 2 : 1;

        bad[0].hash = WC_HASH_TYPE_NONE;
        bad[1].key_len = 17;
        for (size_t i = 0; i < count; i++) {
            struct record_key key;

            make(&key, numbers[suite]);
            assert_int_not_equal(record_key_update(&key, &bad[i]), 0);
            assert_true(all_zero(key.secret, sizeof(key.secret)));
            expect_no_key(&key);
            record_key_wipe(&key);

            memset(&key, 0, sizeof(key));
            memcpy(key.secret, client_secret, sizeof(client_secret));
            assert_int_not_equal(record_key_make(&key, &bad[i]), 0);
            expect_no_key(&key);
            record_key_wipe(&key);
        }
    }
}

/* Each generation has numbers from 0, and another key and secret. */
static void generations_differ(void **state)
{
    const uint8_t header[5] = { 23, 3, 3, 0, 19 };

    (void)state;
    for (size_t suite = 0; suite < HALO_ARRAY_LEN(numbers); suite++) {
        const struct record_suite *found = record_suite_find(numbers[suite]);
        struct record_key old;
        struct record_key new;
        uint8_t text[19] = { 'a', 'b', 23 };
        uint8_t out[3];

        make(&old, numbers[suite]);
        make(&new, numbers[suite]);
        for (int i = 0; i < 5; i++) {
            new.sequence = 9;
            assert_int_equal(record_key_update(&new, found), 0);
            assert_int_equal(new.sequence, 0);
            assert_memory_not_equal(new.secret, old.secret, found->secret_len);
            assert_memory_not_equal(new.nonce, old.nonce, RECORD_NONCE);
            memcpy(text, "ab\x17", 3);
            assert_int_equal(record_key_seal(&new, header, text, 3), 0);
            old.sequence = 0;
            assert_int_not_equal(record_key_open(&old, header, text, 19, out), 0);
            assert_int_equal(record_key_update(&old, found), 0);
            assert_int_equal(record_key_open(&old, header, text, 19, out), 0);
        }
        record_key_wipe(&old);
        record_key_wipe(&new);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_of_the_rfc),     cmocka_unit_test(key_of_the_rfc),
        cmocka_unit_test(suites_that_are_known), cmocka_unit_test(numbers_are_of_64_bits),
        cmocka_unit_test(wiped_keys_are_none),   cmocka_unit_test(keys_that_fail_are_none),
        cmocka_unit_test(generations_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
