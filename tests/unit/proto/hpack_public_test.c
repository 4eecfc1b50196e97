/* <halo/hpack.h>: HPACK without a session. What the codec itself does is tested in tests/unit/hpack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/hpack.h>
#include <halo/names.h>

#include "core/base/base.h"
#include "test_memory.h"

#define FIELD(name_text, value_text)                                                               \
    {                                                                                              \
        .name = HALO_LIT(name_text), .value = HALO_LIT(value_text)                                 \
    }

static const halo_header response[] = {
    FIELD(":status", "200"),
    FIELD("server", "halo"),
    FIELD("x-first", "a value that is not in any table"),
};

struct ends {
    halo_hpack_encoder *encoder;
    halo_hpack_decoder *decoder;
};

static struct ends make_ends(const struct halo_hpack_encoder_options *encoder,
                             const struct halo_hpack_decoder_options *decoder)
{
    struct ends ends;

    assert_int_equal(halo_hpack_encoder_new(&ends.encoder, encoder), 0);
    assert_int_equal(halo_hpack_decoder_new(&ends.decoder, decoder), 0);
    return ends;
}

static void free_ends(struct ends *ends)
{
    halo_hpack_encoder_free(ends->encoder);
    halo_hpack_decoder_free(ends->decoder);
}

static void expect_list(const halo_header *list, size_t count, const halo_header *fields,
                        size_t expected)
{
    assert_int_equal(count, expected);
    for (size_t i = 0; i < count; i++) {
        assert_true(halo_bytes_equal(list[i].name, fields[i].name));
        assert_true(halo_bytes_equal(list[i].value, fields[i].value));
        assert_int_equal(list[i].token, halo_name_token(fields[i].name));
    }
}

static size_t encode(halo_hpack_encoder *encoder, const halo_header *fields, size_t count,
                     uint8_t *block, size_t size)
{
    size_t len;

    assert_int_equal(halo_hpack_encode(encoder, fields, count, block, size, &len), 0);
    assert_true(len <= halo_hpack_encode_bound(fields, count));
    return len;
}

static void round_trip(void **state)
{
    struct ends ends = make_ends(NULL, NULL);
    size_t first_len = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        uint8_t block[256];
        size_t count;
        halo_header *list;
        size_t len = encode(ends.encoder, response, 3, block, sizeof(block));

        assert_int_equal(halo_hpack_decode(ends.decoder, block, len, 1, &list, &count), 0);
        expect_list(list, count, response, 3);
        assert_string_equal(halo_hpack_decoder_reason(ends.decoder), "");
        assert_int_equal(halo_hpack_encoder_table_size(ends.encoder),
                         halo_hpack_decoder_table_size(ends.decoder));
        first_len = i == 0 ? len : first_len;
        assert_true(i < 2 || len == 3); /* all three are in a table by now */
    }
    assert_true(first_len > 20);
    free_ends(&ends);
    halo_hpack_encoder_free(NULL);
    halo_hpack_decoder_free(NULL);
}

/* In every number of fragments, the empty ones too. */
static void fragments(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 60; piece++) {
        struct ends ends = make_ends(NULL, NULL);

        for (int i = 0; i < 2; i++) {
            uint8_t block[256];
            size_t len = encode(ends.encoder, response, 3, block, sizeof(block));
            size_t count = 9;
            halo_header *list;

            assert_int_equal(halo_hpack_decode(ends.decoder, NULL, 0, 0, &list, &count), 0);
            for (size_t at = 0; at < len; at += piece) {
                size_t part = min_size(piece, len - at);

                assert_int_equal(
                    halo_hpack_decode(ends.decoder, block + at, part, 0, &list, &count), 0);
                assert_int_equal(count, 0);
            }
            memset(block, 0, sizeof(block)); /* the fragments were copied */
            assert_int_equal(halo_hpack_decode(ends.decoder, NULL, 0, 1, &list, &count), 0);
            expect_list(list, count, response, 3);
        }
        free_ends(&ends);
    }
}

static void empty_block(void **state)
{
    struct ends ends = make_ends(NULL, NULL);
    size_t count;
    halo_header *list;

    (void)state;
    assert_int_equal(halo_hpack_decode(ends.decoder, NULL, 0, 1, &list, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(halo_hpack_decode(ends.decoder, NULL, 0, 0, &list, &count), 0);
    assert_int_equal(halo_hpack_decode(ends.decoder, NULL, 0, 1, &list, &count), 0);
    assert_int_equal(count, 0);
    free_ends(&ends);
}

static void never_indexed(void **state)
{
    const halo_header secret = { .name = HALO_LIT("x-key"),
                                 .value = HALO_LIT("secret"),
                                 .flags = HALO_HEADER_NEVER_INDEX };
    struct ends ends = make_ends(NULL, NULL);
    uint8_t block[256];
    size_t len = encode(ends.encoder, &secret, 1, block, sizeof(block));
    size_t count;
    halo_header *list;

    (void)state;
    assert_int_equal(block[0], 0x10);
    assert_int_equal(halo_hpack_decode(ends.decoder, block, len, 1, &list, &count), 0);
    assert_int_equal(list[0].flags & HALO_HEADER_NEVER_INDEX, HALO_HEADER_NEVER_INDEX);
    assert_int_equal(halo_hpack_decoder_table_size(ends.decoder), 0);
    free_ends(&ends);
}

/* The smallest of the sizes and the last one are told, and never more than the cap (RFC 7541 4.2). */
static void table_sizes(void **state)
{
    struct halo_hpack_encoder_options options;
    struct ends ends;
    uint8_t block[256];
    size_t count;
    halo_header *list;

    (void)state;
    halo_hpack_encoder_options_init(&options);
    options.table_size_cap = 200;
    ends = make_ends(&options, NULL);
    assert_int_equal(encode(ends.encoder, response, 1, block, sizeof(block)), 4);
    assert_memory_equal(block, "\x3f\xa9\x01\x88", 4); /* 200 */
    assert_int_equal(halo_hpack_decode(ends.decoder, block, 4, 1, &list, &count), 0);
    halo_hpack_encoder_set_table_size(ends.encoder, 30);
    halo_hpack_encoder_set_table_size(ends.encoder, 4096);
    assert_int_equal(encode(ends.encoder, response, 1, block, sizeof(block)), 4 + 1);
    assert_memory_equal(block, "\x3e\x3f\xa9\x01\x88", 5); /* 30, 200 */
    assert_int_equal(halo_hpack_decode(ends.decoder, block, 5, 1, &list, &count), 0);
    assert_int_equal(encode(ends.encoder, response, 1, block, sizeof(block)), 1);

    assert_int_equal(halo_hpack_decoder_set_table_size(ends.decoder, 100), 0);
    assert_int_equal(halo_hpack_decode(ends.decoder, block, 1, 1, &list, &count), HALO_E_PROTOCOL);
    assert_true(strlen(halo_hpack_decoder_reason(ends.decoder)) > 0);
    free_ends(&ends);
}

static void argument_errors(void **state)
{
    struct halo_hpack_decoder_options options;
    struct halo_hpack_encoder_options encoder_options = { .struct_size = 0 };
    struct ends ends = make_ends(NULL, NULL);
    halo_hpack_encoder *encoder;
    halo_hpack_decoder *decoder;
    halo_header bad = FIELD("a", "b");
    uint8_t block[256];
    size_t len;
    size_t bound = halo_hpack_encode_bound(response, 3);
    size_t count;
    halo_header *list;

    (void)state;
    assert_true(bound <= sizeof(block));
    assert_int_equal(halo_hpack_encode(ends.encoder, response, 3, block, bound - 1, &len),
                     HALO_E_LIMIT);
    assert_int_equal(len, 0);
    bad.token = HALO_NAME_COUNT;
    assert_int_equal(halo_hpack_encode(ends.encoder, &bad, 1, block, sizeof(block), &len),
                     HALO_E_INVALID_ARGUMENT);
    bad = (halo_header){ .name = { "", (size_t)1 << 31 } };
    assert_int_equal(halo_hpack_encode(ends.encoder, &bad, 1, block, sizeof(block), &len),
                     HALO_E_INVALID_ARGUMENT);
    bad = (halo_header){ .value = { "", (size_t)1 << 31 } };
    assert_int_equal(halo_hpack_encode(ends.encoder, &bad, 1, block, sizeof(block), &len),
                     HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_hpack_encoder_table_size(ends.encoder), 0);
    /* After all this the next block is the first one. */
    len = encode(ends.encoder, response, 3, block, bound);
    assert_int_equal(halo_hpack_decode(ends.decoder, block, len, 1, &list, &count), 0);

    assert_int_equal(halo_hpack_decoder_set_table_size(ends.decoder, 1 << 20), 0);
    assert_int_equal(halo_hpack_decoder_set_table_size(ends.decoder, (1 << 20) + 1),
                     HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_hpack_decode(ends.decoder, block, 1, 0, &list, &count), 0);
    assert_int_equal(halo_hpack_decoder_set_table_size(ends.decoder, 4096), HALO_E_WRONG_STATE);
    free_ends(&ends);

    halo_hpack_decoder_options_init(&options);
    options.fields = 0;
    assert_int_equal(halo_hpack_decoder_new(&decoder, &options), HALO_E_INVALID_ARGUMENT);
    options.fields = options.fields_hard + 1;
    assert_int_equal(halo_hpack_decoder_new(&decoder, &options), HALO_E_INVALID_ARGUMENT);
    halo_hpack_decoder_options_init(&options);
    options.list_size = options.list_size_hard + 1;
    assert_int_equal(halo_hpack_decoder_new(&decoder, &options), HALO_E_INVALID_ARGUMENT);
    halo_hpack_decoder_options_init(&options);
    options.table_size = (1 << 20) + 1;
    assert_int_equal(halo_hpack_decoder_new(&decoder, &options), HALO_E_INVALID_ARGUMENT);
    halo_hpack_decoder_options_init(&options);
    options.string = (1 << 30) + 1;
    assert_int_equal(halo_hpack_decoder_new(&decoder, &options), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_hpack_encoder_new(&encoder, &encoder_options), HALO_E_INVALID_ARGUMENT);
    options.struct_size = 0;
    assert_int_equal(halo_hpack_decoder_new(&decoder, &options), HALO_E_INVALID_ARGUMENT);
}

/* Beyond a soft limit a part of the list is given, and the next block is decoded as if nothing had
 * been. */
static void soft_limits(void **state)
{
    struct halo_hpack_decoder_options options[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        halo_hpack_decoder_options_init(&options[i]);
    }
    options[0].fields = 2;
    options[1].list_size = 100;
    options[2].string = 20;
    for (size_t i = 0; i < 3; i++) {
        struct ends ends = make_ends(NULL, &options[i]);
        uint8_t block[256];
        size_t count;
        halo_header *list;
        size_t len = encode(ends.encoder, response, 3, block, sizeof(block));

        assert_int_equal(halo_hpack_decode(ends.decoder, block, len, 1, &list, &count),
                         HALO_E_HEADER_BLOCK_TOO_LONG);
        expect_list(list, count, response, 2);
        assert_string_equal(halo_hpack_decoder_reason(ends.decoder),
                            "header list beyond the limits");
        assert_int_equal(halo_hpack_encoder_table_size(ends.encoder),
                         halo_hpack_decoder_table_size(ends.decoder));
        len = encode(ends.encoder, response, 2, block, sizeof(block));
        assert_int_equal(halo_hpack_decode(ends.decoder, block, len, 1, &list, &count), 0);
        expect_list(list, count, response, 2);
        free_ends(&ends);
    }
}

static void expect_final(halo_hpack_decoder *decoder, int status)
{
    size_t count = 7;
    halo_header *list;

    assert_true(strlen(halo_hpack_decoder_reason(decoder)) > 0);
    assert_int_equal(halo_hpack_decode(decoder, "\x88", 1, 1, &list, &count), status);
    assert_int_equal(count, 0);
    assert_true(strlen(halo_hpack_decoder_reason(decoder)) > 0);
    halo_hpack_decoder_free(decoder);
}

static void final_errors(void **state)
{
    struct halo_hpack_decoder_options options;
    halo_hpack_decoder *decoder;
    size_t count;
    halo_header *list;

    (void)state;
    assert_int_equal(halo_hpack_decoder_new(&decoder, NULL), 0);
    assert_int_equal(halo_hpack_decode(decoder, "\xff", 1, 1, &list, &count), HALO_E_PROTOCOL);
    expect_final(decoder, HALO_E_PROTOCOL);

    halo_hpack_decoder_options_init(&options);
    options.fields = options.fields_hard = 2;
    assert_int_equal(halo_hpack_decoder_new(&decoder, &options), 0);
    assert_int_equal(halo_hpack_decode(decoder, "\x88\x88\x88", 3, 1, &list, &count), HALO_E_LIMIT);
    expect_final(decoder, HALO_E_LIMIT);

    halo_hpack_decoder_options_init(&options);
    options.block = 4;
    assert_int_equal(halo_hpack_decoder_new(&decoder, &options), 0);
    assert_int_equal(halo_hpack_decode(decoder, "\x88\x88\x88\x88", 4, 1, &list, &count), 0);
    assert_int_equal(count, 4);
    assert_int_equal(halo_hpack_decode(decoder, "\x88\x88\x88\x88", 4, 0, &list, &count), 0);
    assert_int_equal(halo_hpack_decode(decoder, "\x88", 1, 0, &list, &count), HALO_E_LIMIT);
    expect_final(decoder, HALO_E_LIMIT);
}

/* Each allocation fails once: an error or a smaller table, never a leak. */
static void memory_that_fails(void **state)
{
    bool failed = true;

    (void)state;
    for (size_t fail_at = 1; failed; fail_at++) {
        struct halo_hpack_encoder_options encoder_options;
        struct halo_hpack_decoder_options decoder_options;
        struct test_memory memory;
        halo_hpack_encoder *encoder = NULL;
        halo_hpack_decoder *decoder = NULL;
        uint8_t block[256];
        size_t len;
        size_t count;
        halo_header *list;

        test_memory_init(&memory);
        memory.fail_at = fail_at;
        halo_hpack_encoder_options_init(&encoder_options);
        halo_hpack_decoder_options_init(&decoder_options);
        encoder_options.allocator = decoder_options.allocator = memory.allocator;
        if (halo_hpack_encoder_new(&encoder, &encoder_options) == 0 &&
            halo_hpack_decoder_new(&decoder, &decoder_options) == 0) {
            int status = 0;

            for (int i = 0; i < 3 && status == 0; i++) {
                len = encode(encoder, response, 3, block, sizeof(block));
                status = halo_hpack_decode(decoder, block, 1, 0, &list, &count);
                if (status == 0) {
                    status = halo_hpack_decode(decoder, block + 1, len - 1, 1, &list, &count);
                }
                assert_true(status == 0 || (memory.failed && status == HALO_E_NOMEM));
            }
        } else {
            assert_true(memory.failed);
        }
        failed = memory.failed;
        halo_hpack_encoder_free(encoder);
        halo_hpack_decoder_free(decoder);
        assert_int_equal(memory.live, 0);
        assert_true(failed || fail_at > 5);
    }
}

/* RFC 7541 C.4.1. */
static void huffman(void **state)
{
    static const char text[] = "www.example.com";
    static const uint8_t code[] = "\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    uint8_t out[32];
    size_t len;

    (void)state;
    assert_int_equal(halo_huffman_encoded_len(text, 15), 12);
    assert_int_equal(halo_huffman_encode(out, 19, text, 15, &len), HALO_E_LIMIT);
    assert_int_equal(halo_huffman_encode(out, 20, text, 15, &len), 0);
    assert_int_equal(len, 12);
    assert_memory_equal(out, code, 12);
    assert_int_equal(halo_huffman_decode(out, 15, code, 12, &len), 0);
    assert_int_equal(len, 15);
    assert_memory_equal(out, text, 15);
    assert_int_equal(halo_huffman_decode(out, 14, code, 12, &len), HALO_E_LIMIT);
    assert_int_equal(halo_huffman_decode(out, 32, "\xff\xff\xff\xff", 4, &len), HALO_E_PROTOCOL);
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),        cmocka_unit_test(fragments),
        cmocka_unit_test(empty_block),       cmocka_unit_test(never_indexed),
        cmocka_unit_test(table_sizes),       cmocka_unit_test(argument_errors),
        cmocka_unit_test(soft_limits),       cmocka_unit_test(final_errors),
        cmocka_unit_test(memory_that_fails), cmocka_unit_test(huffman),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
