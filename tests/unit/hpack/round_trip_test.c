/*
 * Random lists, many blocks on one connection, table sizes that change: the encoder's blocks are
 * decoded by the decoder and by the reference, and the reference's by the decoder. Lists, flags
 * and tables must be the same after every block. Damaged blocks must be judged alike.
 */
#include "reference.h"
#include "support.h"

enum {
    POOL = 40,
};

/* Lists are drawn from a pool, so that fields repeat; now and then the pool changes. */
struct pool {
    struct reference_list fields;
};

static size_t random_text(struct test_random *random, char *text, size_t max)
{
    static const char octets[] = "abcdefghijklmnopqrstuvwxyz0123456789 -./:=?&%_ABCXYZ\x01\xff";
    size_t len = test_random_below(random, (uint32_t)max);
    for (size_t i = 0; i < len; i++) {
        text[i] = octets[test_random_below(random, sizeof(octets) - 1)];
    }
    return len;
}

static void add_random_field(struct reference_list *list, struct test_random *random)
{
    char name[64];
    char value[3000];
    halo_bytes known =
        halo_name_text((uint16_t)(1 + test_random_below(random, HALO_NAME_COUNT - 1)));
    size_t name_len = known.len;
    memcpy(name, known.data, known.len);
    if (test_random_below(random, 2) == 0) {
        name_len = random_text(random, name, test_random_below(random, 8) == 0 ? 64 : 4);
    }
    size_t max = test_random_below(random, 100) == 0 ? sizeof(value)
                 : test_random_below(random, 4) == 0 ? 200
                                                     : 30;
    size_t value_len = random_text(random, value, max);
    if (test_random_below(random, 8) == 0) {
        value_len = 0;
    }
    reference_list_add(list, name, name_len, value, value_len, test_random_below(random, 10) == 0);
}

static void change_pool(struct pool *pool, struct test_random *random)
{
    reference_list_free(&pool->fields);
    for (int i = 0; i < POOL; i++) {
        add_random_field(&pool->fields, random);
    }
}

static struct reference_list draw_list(const struct pool *pool, struct test_random *random)
{
    struct reference_list list = { NULL, 0 };
    uint32_t count = test_random_below(random, 20);
    for (uint32_t i = 0; i < count; i++) {
        const struct reference_field *field = &pool->fields.fields[test_random_below(random, POOL)];
        if (test_random_below(random, 5) == 0) {
            add_random_field(&list, random);
        } else {
            reference_list_add(&list, field->name.data, field->name.len, field->value.data,
                               field->value.len, field->is_never_indexed);
        }
    }
    return list;
}

static void make_headers(const struct reference_list *list, struct test_random *random,
                         halo_header *fields)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct reference_field *field = &list->fields[i];
        fields[i] = (halo_header){
            .name = { (const char *)field->name.data, field->name.len },
            .value = { (const char *)field->value.data, field->value.len },
            .flags = field->is_never_indexed ? HALO_HEADER_NEVER_INDEX : 0,
        };
        if (test_random_below(random, 2) == 0) {
            fields[i].token = halo_name_token(fields[i].name);
        }
        if (test_random_below(random, 2) == 0) {
            fields[i].hash = hpack_field_hash(fields[i].name, fields[i].value);
        }
        if (!field->is_never_indexed && test_random_below(random, 20) == 0) {
            fields[i].flags = HALO_HEADER_NO_INDEX;
        }
    }
}

/* Secrets come out as never indexed, whether the caller says so or not. */
static void mark_secrets(struct reference_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct reference_field *field = &list->fields[i];
        uint16_t token =
            halo_name_token((halo_bytes){ (const char *)field->name.data, field->name.len });
        if (token == HALO_NAME_AUTHORIZATION || token == HALO_NAME_PROXY_AUTHORIZATION ||
            ((token == HALO_NAME_COOKIE || token == HALO_NAME_SET_COOKIE) &&
             field->value.len < 20)) {
            field->is_never_indexed = true;
        }
    }
}

static size_t random_ends(struct test_random *random, size_t len, size_t *ends, size_t max)
{
    size_t count = test_random_below(random, 3) == 0 ? test_random_below(random, (uint32_t)max) : 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        at += test_random_below(random, (uint32_t)(len - at) + 1);
        ends[i] = at;
    }
    return count;
}

static uint32_t random_setting(struct test_random *random)
{
    static const uint32_t settings[] = { 0,   1,    31,   32,   33,   64,   100,  200,
                                         500, 1000, 2000, 4096, 4096, 4096, 8192, 65536 };
    return settings[test_random_below(random, COUNT_OF(settings))];
}

static void encoder_to_decoder(uint64_t seed, int num_blocks)
{
    struct test_random random = { seed };
    struct hpack_encoder encoder;
    struct hpack_decoder decoder;
    struct reference reference;
    struct pool pool = { { NULL, 0 } };
    struct test_list *list = test_list_new(1 << 20, 1 << 16);
    hpack_encoder_init(&encoder, 4096);
    hpack_decoder_init(&decoder, 4096);
    reference_init(&reference, 4096);
    for (int block_number = 0; block_number < num_blocks; block_number++) {
        if (block_number % 50 == 0) {
            change_pool(&pool, &random);
        }
        for (uint32_t i = test_random_below(&random, 40) == 0 ? test_random_below(&random, 4) : 0;
             i > 0; i--) {
            uint32_t setting = random_setting(&random);
            hpack_decoder_set_max(&decoder, setting);
            hpack_encoder_set_max(&encoder, setting);
            reference.setting = setting;
        }
        struct reference_list wanted = draw_list(&pool, &random);
        halo_header fields[32];
        make_headers(&wanted, &random, fields);
        mark_secrets(&wanted);
        struct test_octets block = test_encode(&encoder, fields, wanted.count);
        size_t ends[8];
        size_t num_ends = random_ends(&random, block.len, ends, COUNT_OF(ends));
        assert_int_equal(test_decode_parts(&decoder, list, block, ends, num_ends), HPACK_OK);
        reference_expect_list(&wanted, list);

        struct reference_list got = { NULL, 0 };
        assert_true(reference_decode(&reference, block, &got));
        reference_expect_list(&got, list);
        reference_expect_table(&reference, &decoder.table);
        reference_expect_table(&reference, &encoder.table);
        reference_list_free(&got);
        reference_list_free(&wanted);
        test_octets_free(&block);
    }
    reference_list_free(&pool.fields);
    reference_free(&reference);
    test_table_free(&decoder.table);
    test_table_free(&encoder.table);
    test_list_free(list);
}

static void test_encoder_to_decoder(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        encoder_to_decoder(seed, 400);
    }
}

/* Decodes a block that may be damaged; true: it was good. */
static bool judge_block(struct reference *reference, struct hpack_decoder *decoder,
                        struct test_list *list, struct test_octets block,
                        struct test_random *random)
{
    size_t ends[8];
    size_t num_ends = random_ends(random, block.len, ends, COUNT_OF(ends));
    enum hpack_result result = test_decode_parts(decoder, list, block, ends, num_ends);
    struct reference_list got = { NULL, 0 };
    bool is_good = reference_decode(reference, block, &got);
    assert_int_equal(result, is_good ? HPACK_OK : HPACK_BROKEN);
    if (is_good) {
        reference_expect_list(&got, list);
        reference_expect_table(reference, &decoder->table);
    }
    reference_list_free(&got);
    return is_good;
}

/* The reference as the peer's encoder; after `damage_at` blocks every block has an octet changed,
 * until the decoder has had enough. */
static void reference_to_decoder(uint64_t seed, int num_blocks, int damage_at, uint32_t setting)
{
    struct test_random random = { seed };
    struct hpack_decoder decoder;
    struct reference encoder;
    struct reference reference;
    struct pool pool = { { NULL, 0 } };
    struct test_list *list = test_list_new(1 << 20, 1 << 16);
    hpack_decoder_init(&decoder, setting);
    reference_init(&encoder, 4096);
    reference_init(&reference, 4096);
    encoder.setting = reference.setting = setting;
    bool is_good = true;
    for (int number = 0; number < num_blocks && is_good; number++) {
        if (number % 50 == 0) {
            change_pool(&pool, &random);
        }
        struct reference_list wanted = draw_list(&pool, &random);
        uint32_t updates = test_random_below(&random, 20) == 0 ? 1 + (uint32_t)number % 2 : 0;
        if (number == 0 && setting < 4096) {
            updates = 1;
        }
        struct test_octets block = reference_encode(&encoder, &random, &wanted, updates);
        if (number >= damage_at && block.len > 0) {
            block.data[test_random_below(&random, (uint32_t)block.len)] ^=
                (uint8_t)(1u << test_random_below(&random, 8));
        }
        is_good = judge_block(&reference, &decoder, list, block, &random);
        assert_true(is_good || number >= damage_at);
        if (is_good && number < damage_at) {
            reference_expect_list(&wanted, list);
        }
        reference_list_free(&wanted);
        test_octets_free(&block);
    }
    reference_list_free(&pool.fields);
    reference_free(&encoder);
    reference_free(&reference);
    test_table_free(&decoder.table);
    test_list_free(list);
}

static void test_reference_to_decoder(void **state)
{
    (void)state;
    static const uint32_t settings[] = { 0, 40, 100, 300, 1000, 4096, 4096, 10000, 65536 };
    for (uint64_t seed = 1; seed <= 18; seed++) {
        reference_to_decoder(seed, 300, 300, settings[seed % COUNT_OF(settings)]);
    }
}

static void test_damaged_blocks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        reference_to_decoder(seed, 40, (int)(seed % 10), seed % 3 == 0 ? 200 : 4096);
    }
}

static void test_garbage(void **state)
{
    (void)state;
    struct test_random random = { 9 };
    struct test_list *list = test_list_new(1 << 20, 1 << 16);
    for (int round = 0; round < 20000; round++) {
        struct hpack_decoder decoder;
        struct reference reference;
        hpack_decoder_init(&decoder, 4096);
        reference_init(&reference, 4096);
        bool is_good = true;
        for (int i = 0; i < 4 && is_good; i++) {
            uint8_t octets[40];
            size_t len = test_random_below(&random, sizeof(octets));
            for (size_t at = 0; at < len; at++) {
                /* Mostly octets that begin something valid, with short strings. */
                uint8_t octet = (uint8_t)test_random_next(&random);
                octets[at] = test_random_below(&random, 3) == 0 ? octet & 0xc7 : octet;
            }
            struct test_octets block = test_octets_copy(octets, len);
            is_good = judge_block(&reference, &decoder, list, block, &random);
            test_octets_free(&block);
        }
        reference_free(&reference);
        test_table_free(&decoder.table);
    }
    test_list_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoder_to_decoder),
        cmocka_unit_test(test_reference_to_decoder),
        cmocka_unit_test(test_damaged_blocks),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
