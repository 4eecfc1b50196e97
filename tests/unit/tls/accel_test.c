/*
 * The accelerator (tls/accel.h): the cipher with wolfSSL's own as an oracle, what the callback leaves to
 * wolfSSL, and connections that use it. Where the processor cannot do it, it is only checked that this is
 * said and that connections work.
 */
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tls/accel.h"
#include "tls/accel_cipher.h"
#include "tls/limits.h"
#include "tls/records.h"
#include "tls/transport.h"

#include <wolfssl/wolfcrypt/aes.h>

static const struct accel_cipher *cipher; /* NULL: it is off here */

#define NEEDS_ACCELERATOR()                                                                        \
    do {                                                                                           \
        if (cipher == NULL) {                                                                      \
            print_message("%s\n", halo_tls_accelerator_off());                                     \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static uint32_t seed = 1;

static void fill(uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        octets[i] = (uint8_t)(seed >> 24);
    }
}

/* ---- the cipher -------------------------------------------------------------------------- */

enum {
    LEN_MAX = TLS_RECORD_MAX + 256, /* of TLS 1.2 */
    AAD_MAX = 20,
    GUARD = 64,
};

/* A message, and what wolfSSL makes of it. */
struct sample {
    uint8_t key[32];
    uint8_t iv[ACCEL_IV_LEN];
    uint8_t aad[AAD_MAX];
    uint8_t plain[LEN_MAX];
    uint8_t sealed[LEN_MAX];
    uint8_t tag[ACCEL_TAG_LEN];
    uint8_t out[LEN_MAX + GUARD];
    struct accel_message message; /* of `plain` to `out` */
};

static void sample_make(struct sample *sample, size_t key_len, size_t aad_len, size_t len)
{
    Aes aes;

    fill(sample->key, sizeof(sample->key));
    fill(sample->iv, sizeof(sample->iv));
    fill(sample->aad, sizeof(sample->aad));
    fill(sample->plain, len);
    sample->message = (struct accel_message){
        .key = sample->key,
        .key_len = key_len,
        .iv = sample->iv,
        .aad = sample->aad,
        .aad_len = aad_len,
        .in = sample->plain,
        .out = sample->out,
        .len = len,
    };
    assert_int_equal(wc_AesInit(&aes, NULL, INVALID_DEVID), 0);
    assert_int_equal(wc_AesGcmSetKey(&aes, sample->key, (word32)key_len), 0);
    assert_int_equal(wc_AesGcmEncrypt(&aes, sample->sealed, sample->plain, (word32)len, sample->iv,
                                      ACCEL_IV_LEN, sample->tag, ACCEL_TAG_LEN, sample->aad,
                                      (word32)aad_len),
                     0);
    wc_AesFree(&aes);
}

static void expect_guard(const struct sample *sample)
{
    for (size_t i = 0; i < GUARD; i++) {
        assert_int_equal(sample->out[sample->message.len + i], 0xa5);
    }
}

static void both_ways(struct sample *sample)
{
    size_t len = sample->message.len;
    uint8_t tag[ACCEL_TAG_LEN];

    memset(sample->out, 0xa5, len + GUARD);
    cipher->seal(&sample->message, tag);
    assert_memory_equal(sample->out, sample->sealed, len);
    assert_memory_equal(tag, sample->tag, sizeof(tag));
    expect_guard(sample);

    /* In place. */
    sample->message.in = sample->out;
    assert_true(cipher->open(&sample->message, sample->tag));
    assert_memory_equal(sample->out, sample->plain, len);
    cipher->seal(&sample->message, tag);
    assert_memory_equal(sample->out, sample->sealed, len);
    assert_memory_equal(tag, sample->tag, sizeof(tag));
    expect_guard(sample);

    sample->message.in = sample->sealed;
    assert_true(cipher->open(&sample->message, sample->tag));
    assert_memory_equal(sample->out, sample->plain, len);
    expect_guard(sample);
}

static void cipher_is_that_of_wolfssl(void **state)
{
    static const size_t aad_lens[] = { 5, 13, 0, AAD_MAX }; /* TLS 1.3, TLS 1.2, others */
    static const size_t around[] = { 512,  768,  1024,           TLS_ACCEL_RECORD_MIN,
                                     4096, 8192, TLS_RECORD_MAX, TLS_RECORD_MAX + 200 };
    struct sample *sample;

    (void)state;
    NEEDS_ACCELERATOR();
    sample = malloc(sizeof(*sample));
    assert_non_null(sample);
    for (size_t key_len = 16; key_len <= 32; key_len += 16) {
        for (size_t len = 0; len <= 300; len++) {
            sample_make(sample, key_len, aad_lens[len % 4], len);
            both_ways(sample);
        }
        for (size_t i = 0; i < HALO_ARRAY_LEN(around); i++) {
            for (size_t len = around[i] - 20; len <= around[i] + 20; len++) {
                sample_make(sample, key_len, aad_lens[len % 2], len);
                both_ways(sample);
            }
        }
    }
    free(sample);
}

static void expect_refused(struct sample *sample)
{
    static const uint8_t zeros[LEN_MAX];

    memset(sample->out, 0xa5, sample->message.len);
    assert_false(cipher->open(&sample->message, sample->tag));
    assert_memory_equal(sample->out, zeros, sample->message.len);
}

/* Every octet that is covered, one after the other. */
static void expect_each_counts(struct sample *sample, uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        octets[i] ^= (uint8_t)(1U << i % 8);
        expect_refused(sample);
        octets[i] ^= (uint8_t)(1U << i % 8);
    }
    assert_true(cipher->open(&sample->message, sample->tag));
}

static void changes_are_noticed(void **state)
{
    static const size_t lens[] = { 0, 1, 15, 16, 61, 1000, TLS_ACCEL_RECORD_MIN };
    struct sample *sample;

    (void)state;
    NEEDS_ACCELERATOR();
    sample = malloc(sizeof(*sample));
    assert_non_null(sample);
    for (size_t i = 0; i < HALO_ARRAY_LEN(lens); i++) {
        sample_make(sample, i % 2 == 0 ? 16 : 32, 5, lens[i]);
        sample->message.in = sample->sealed;
        expect_each_counts(sample, sample->sealed, lens[i]);
        expect_each_counts(sample, sample->tag, sizeof(sample->tag));
        expect_each_counts(sample, sample->iv, sizeof(sample->iv));
        expect_each_counts(sample, sample->aad, 5);
        expect_each_counts(sample, sample->key, sample->message.key_len);
    }
    free(sample);
}

/* ---- the self-test ----------------------------------------------------------------------- */

static bool open_anything(const struct accel_message *message, const uint8_t *tag)
{
    (void)cipher->open(message, tag);
    return true;
}

static bool open_nothing(const struct accel_message *message, const uint8_t *tag)
{
    (void)cipher->open(message, tag);
    return false;
}

/* Its answer is right, but a forged plaintext is handed out. */
static bool open_unchecked(const struct accel_message *message, const uint8_t *tag)
{
    if (cipher->open(message, tag)) {
        return true;
    }
    memset(message->out, 1, message->len);
    return false;
}

/* Compares fifteen octets of the tag: the last one is taken as it is. */
static bool open_nearly(const struct accel_message *message, const uint8_t *tag)
{
    uint8_t changed[ACCEL_TAG_LEN];

    if (cipher->open(message, tag)) {
        return true;
    }
    /* In place there is nothing left to be tried again. */
    for (unsigned last = 0; last < 256 && message->in != message->out; last++) {
        memcpy(changed, tag, sizeof(changed));
        changed[15] = (uint8_t)last;
        if (cipher->open(message, changed)) {
            return true;
        }
    }
    return false;
}

static void seal_wrong_octet(const struct accel_message *message, uint8_t *tag)
{
    cipher->seal(message, tag);
    message->out[message->len - 1] ^= 1;
}

static void seal_wrong_tag(const struct accel_message *message, uint8_t *tag)
{
    cipher->seal(message, tag);
    tag[15] ^= 0x80;
}

/* Is wrong only where a library has other code. */
static void seal_long_wrong(const struct accel_message *message, uint8_t *tag)
{
    cipher->seal(message, tag);
    tag[0] ^= message->len > 1000 ? 1 : 0;
}

static void seal_256_wrong(const struct accel_message *message, uint8_t *tag)
{
    cipher->seal(message, tag);
    tag[0] ^= message->key_len == 32 ? 1 : 0;
}

static void self_test_finds_faults(void **state)
{
    (void)state;
    NEEDS_ACCELERATOR();
    const struct accel_cipher broken[] = {
        { "opens anything", cipher->seal, open_anything },
        { "opens nothing", cipher->seal, open_nothing },
        { "hands out forgeries", cipher->seal, open_unchecked },
        { "compares too little", cipher->seal, open_nearly },
        { "wrong ciphertext", seal_wrong_octet, cipher->open },
        { "wrong tag", seal_wrong_tag, cipher->open },
        { "wrong when long", seal_long_wrong, cipher->open },
        { "wrong AES-256", seal_256_wrong, cipher->open },
    };

    assert_true(accel_self_test(cipher));
    for (size_t i = 0; i < HALO_ARRAY_LEN(broken); i++) {
        if (accel_self_test(&broken[i])) {
            fail_msg("not found: %s", broken[i].name);
        }
    }
}

/* ---- connections ------------------------------------------------------------------------- */

/* What was asked for on this thread: by wolfSSL (TLS 1.2) or by our own records (TLS 1.3). */
static _Thread_local struct {
    size_t records;  /* done by the accelerator */
    size_t left;     /* records of AES-GCM that were left to wolfSSL */
    size_t longest;  /* of those */
    size_t shortest; /* of the others */
    size_t refused;
} asked;

static void asked_reset(void)
{
    memset(&asked, 0, sizeof(asked));
    asked.shortest = SIZE_MAX;
}

static int count(int device, wc_CryptoInfo *info, void *ctx)
{
    int status = tls_accel_call(device, info, ctx);
    size_t len;

    if (info->algo_type != WC_ALGO_TYPE_CIPHER || info->cipher.type != WC_CIPHER_AES_GCM) {
        assert_int_equal(status, CRYPTOCB_UNAVAILABLE);
        return status;
    }
    len = info->cipher.enc != 0 ? info->cipher.aesgcm_enc.sz : info->cipher.aesgcm_dec.sz;
    if (status == CRYPTOCB_UNAVAILABLE) {
        asked.left++;
        asked.longest = max_size(asked.longest, len);
        return status;
    }
    asked.records += status == 0;
    asked.refused += status == AES_GCM_AUTH_E;
    asked.shortest = min_size(asked.shortest, len);
    return status;
}

/* The records of TLS 1.3 get this one. */
static void count_seal(const struct accel_message *message, uint8_t *tag)
{
    asked.records++;
    asked.shortest = min_size(asked.shortest, message->len);
    cipher->seal(message, tag);
}

static bool count_open(const struct accel_message *message, const uint8_t *tag)
{
    bool good = cipher->open(message, tag);

    asked.records += good;
    asked.refused += !good;
    asked.shortest = min_size(asked.shortest, message->len);
    return good;
}

static void aes_128(struct halo_tls_options *options)
{
    options->ciphers = "TLS13-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256";
}

static void aes_256(struct halo_tls_options *options)
{
    options->ciphers = "TLS13-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384";
}

static void aes_128_in_tls12(struct halo_tls_options *options)
{
    aes_128(options);
    only_tls12(options);
}

static void aes_256_in_tls12(struct halo_tls_options *options)
{
    aes_256(options);
    only_tls12(options);
}

static void (*const kinds[])(struct halo_tls_options *options) = {
    aes_128,
    aes_256,
    aes_128_in_tls12,
    aes_256_in_tls12,
};
enum { KINDS = HALO_ARRAY_LEN(kinds) };

static struct accel_cipher counting;
static halo_tls_context *server;
static halo_tls_context *clients[KINDS];

static int contexts_make(void **state)
{
    const char *why;

    if (certificates_make(state) != 0) {
        return -1;
    }
    server = server_context("server", NULL);
    for (size_t i = 0; i < KINDS; i++) {
        clients[i] = client_context(kinds[i]);
    }
    if (halo_tls_accelerator()[0] != '\0') {
        cipher = accel_ipsec_mb(&why);
        /* The same device with another callback. */
        if (cipher == NULL ||
            wc_CryptoCb_RegisterDevice(TLS_ACCEL_DEVICE, count, (void *)(uintptr_t)cipher) != 0) {
            return -1;
        }
        counting = *cipher;
        counting.seal = count_seal;
        counting.open = count_open;
        tls_accel_replace(&counting);
    }
    return 0;
}

static int contexts_free(void **state)
{
    halo_tls_context_free(server);
    for (size_t i = 0; i < KINDS; i++) {
        halo_tls_context_free(clients[i]);
    }
    return certificates_remove(state);
}

static void send_and_expect(struct pair *pair, struct end *from, struct end *to,
                            const uint8_t *octets, size_t len)
{
    end_write(from, octets, len);
    pair_run(pair);
    end_expect(to, octets, len);
}

static void accelerator_is_named(void **state)
{
    (void)state;
    /* One of the two. */
    assert_int_equal(halo_tls_accelerator()[0] == '\0', halo_tls_accelerator_off()[0] != '\0');
    if (cipher != NULL) {
        assert_string_equal(halo_tls_accelerator(), cipher->name);
    } else {
        /* The one good reason. */
        assert_non_null(strstr(halo_tls_accelerator_off(), "this processor lacks"));
    }
}

static void connections_use_it(void **state)
{
    enum { LEN = 256 * 1024 };
    uint8_t *octets = malloc(LEN);

    (void)state;
    assert_non_null(octets);
    fill(octets, LEN);
    for (size_t i = 0; i < KINDS; i++) {
        struct pair pair;

        asked_reset();
        pair_init(&pair, server, clients[i], "localhost");
        pair_open(&pair);
        for (size_t len = 1; len <= LEN; len *= 2) {
            send_and_expect(&pair, &pair.client, &pair.server, octets, len);
            send_and_expect(&pair, &pair.server, &pair.client, octets, len);
        }
        /* What is long is done by it, at both ends, and what is short is not. */
        if (cipher != NULL) {
            assert_true(asked.records > 4 * LEN / TLS_RECORD_MAX);
            assert_int_equal(asked.records % 2, 0);
            assert_true(i < 2 || asked.left > 0);
            assert_true(asked.longest < TLS_ACCEL_RECORD_MIN);
            assert_true(asked.shortest >= TLS_ACCEL_RECORD_MIN);
            assert_int_equal(asked.refused, 0);
        }
        pair_free(&pair);
    }
    free(octets);
}

/* Each size of record around the border between the two. */
static void border_is_crossed(void **state)
{
    uint8_t octets[TLS_ACCEL_RECORD_MIN + 40];

    (void)state;
    fill(octets, sizeof(octets));
    for (size_t i = 0; i < KINDS; i++) {
        struct pair pair;

        pair_init(&pair, server, clients[i], "localhost");
        pair_open(&pair);
        for (size_t len = TLS_ACCEL_RECORD_MIN - 40; len <= sizeof(octets); len++) {
            send_and_expect(&pair, &pair.server, &pair.client, octets, len);
        }
        pair_free(&pair);
    }
}

static void keys_change(void **state)
{
    uint8_t octets[20000];
    struct pair pair;

    (void)state;
    fill(octets, sizeof(octets));
    for (size_t i = 0; i < 2; i++) {
        pair_init(&pair, server, clients[i], "localhost");
        pair_open(&pair);
        for (int round = 0; round < 12; round++) {
            struct end *end = round % 2 == 0 ? &pair.client : &pair.server;

            assert_true(tls_records_update(tls_of(end->transport), true));
            send_and_expect(&pair, &pair.client, &pair.server, octets, sizeof(octets));
            send_and_expect(&pair, &pair.server, &pair.client, octets, sizeof(octets));
            pair.now_ns += TLS_KEY_UPDATES_NS;
        }
        pair_free(&pair);
    }
}

/* By turns, so that each record has another key than the one before. */
static void connections_take_turns(void **state)
{
    enum { PAIRS = 40 };
    static struct pair pairs[PAIRS];
    uint8_t octets[5000];

    (void)state;
    for (size_t i = 0; i < PAIRS; i++) {
        pair_init(&pairs[i], server, clients[i % KINDS], "localhost");
        pair_open(&pairs[i]);
    }
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < PAIRS; i++) {
            fill(octets, sizeof(octets));
            end_write(&pairs[i].server, octets, sizeof(octets));
            send_and_expect(&pairs[i], &pairs[i].client, &pairs[i].server, octets, sizeof(octets));
            end_expect(&pairs[i].client, octets, sizeof(octets));
        }
    }
    for (size_t i = 0; i < PAIRS; i++) {
        pair_free(&pairs[i]);
    }
}

static void forged_records_end(void **state)
{
    uint8_t plain[4000];

    (void)state;
    fill(plain, sizeof(plain));
    for (size_t i = 0; i < KINDS; i++) {
        static const size_t places[] = { 5, 13, 600, 3999, 4012 };

        for (size_t at = 0; at < HALO_ARRAY_LEN(places); at++) {
            struct pair pair;
            uint8_t *octets;
            size_t len;

            pair_init(&pair, server, clients[i], "localhost");
            pair_open(&pair);
            asked_reset();
            end_write(&pair.client, plain, sizeof(plain));
            octets = end_take_output(&pair.client, &len);
            assert_true(len > 4012 && len < 4050);
            octets[places[at]] ^= 0x10;
            end_feed(&pair, &pair.server, octets, len);
            free(octets);
            assert_int_equal(pair.server.state, TRANSPORT_FAILED);
            assert_int_equal(pair.server.received_len, 0);
            assert_int_equal(asked.refused, cipher != NULL ? 1 : 0);
            /* The client is told why. */
            pair_move(&pair, &pair.server, &pair.client);
            end_expect_failure(&pair.client, HALO_E_TLS, "bad record");
            pair_free(&pair);
        }
    }
}

static void *exchange(void *ctx)
{
    enum { LEN = 100000, ROUNDS = 20 };
    halo_tls_context *client = ctx;
    uint8_t *octets = malloc(LEN);
    struct pair pair;

    assert_non_null(octets);
    for (size_t i = 0; i < LEN; i++) {
        octets[i] = (uint8_t)(i * 31 + (i >> 9));
    }
    asked_reset();
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    for (int round = 0; round < ROUNDS; round++) {
        send_and_expect(&pair, &pair.client, &pair.server, octets, LEN);
        send_and_expect(&pair, &pair.server, &pair.client, octets, LEN);
    }
    pair_free(&pair);
    free(octets);
    tls_thread_exit();
    return (void *)(uintptr_t)asked.records;
}

static void threads_do_not_meet(void **state)
{
    pthread_t threads[2];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, exchange, clients[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        void *records;

        assert_int_equal(pthread_join(threads[i], &records), 0);
        if (cipher != NULL) {
            assert_true((uintptr_t)records > 20 * 2 * 2 * 6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accelerator_is_named), cmocka_unit_test(cipher_is_that_of_wolfssl),
        cmocka_unit_test(changes_are_noticed),  cmocka_unit_test(self_test_finds_faults),
        cmocka_unit_test(connections_use_it),   cmocka_unit_test(border_is_crossed),
        cmocka_unit_test(keys_change),          cmocka_unit_test(connections_take_turns),
        cmocka_unit_test(forged_records_end),   cmocka_unit_test(threads_do_not_meet),
    };

    return cmocka_run_group_tests(tests, contexts_make, contexts_free);
}
