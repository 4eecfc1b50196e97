/*
 * The Huffman code, against the reference decoder, which goes bit by bit.
 */
#include "reference.h"
#include "support.h"

#include "hpack/huffman.h"

struct bits {
    uint8_t octets[4096];
    size_t count;
};

static void put_bits(struct bits *bits, uint32_t code, uint32_t count)
{
    while (count-- > 0) {
        if (bits->count % 8 == 0) {
            bits->octets[bits->count / 8] = 0;
        }
        bits->octets[bits->count / 8] |= (uint8_t)((code >> count & 1) << (7 - bits->count % 8));
        bits->count++;
    }
}

/* Both decoders agree, whatever room there is. */
static void compare_decoders(const uint8_t *in, size_t len)
{
    uint8_t expected[4096];
    int64_t count = reference_huffman_decode(expected, in, len);
    struct test_octets copy = test_octets_copy(in, len);
    assert_int_equal(hpack_huffman_decoded_len(copy.data, len), count);
    size_t caps[] = { count < 0 ? 4096 : (size_t)count, 2 * len, 4096 };
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        if (count >= 0 && (size_t)count > caps[i]) {
            continue;
        }
        uint8_t *out = malloc(caps[i] + 1);
        out[caps[i]] = 0x5a;
        bool is_too_long;
        int64_t got = hpack_huffman_decode(out, caps[i], copy.data, len, &is_too_long);
        assert_int_equal(out[caps[i]], 0x5a);
        if (count >= 0 || !is_too_long) {
            assert_false(is_too_long);
            assert_int_equal(got, count);
        }
        if (got > 0) {
            assert_memory_equal(out, expected, (size_t)got);
        }
        free(out);
    }
    if (count > 0) {
        uint8_t *out = malloc((size_t)count);
        bool is_too_long;
        assert_int_equal(hpack_huffman_decode(out, (size_t)count - 1, copy.data, len, &is_too_long),
                         -1);
        assert_true(is_too_long);
        free(out);
    }
    test_octets_free(&copy);
}

static void round_trip(const uint8_t *in, size_t len)
{
    size_t coded_len = hpack_huffman_encoded_len(in, len);
    struct test_octets copy = test_octets_copy(in, len);
    uint8_t *coded = malloc(coded_len + HPACK_HUFFMAN_SLACK);
    assert_ptr_equal(hpack_huffman_encode(coded, copy.data, len), coded + coded_len);

    struct bits bits = { .count = 0 };
    for (size_t i = 0; i < len; i++) {
        put_bits(&bits, reference_code(in[i]), reference_length(in[i]));
    }
    while (bits.count % 8 != 0) {
        put_bits(&bits, 1, 1);
    }
    assert_int_equal(bits.count / 8, coded_len);
    assert_memory_equal(coded, bits.octets, coded_len);
    compare_decoders(coded, coded_len);

    uint8_t *shorter = malloc(len + HPACK_HUFFMAN_OVERRUN);
    uint8_t *end = hpack_huffman_encode_shorter(shorter, copy.data, len);
    if (coded_len < len) {
        assert_ptr_equal(end, shorter + coded_len);
        assert_memory_equal(shorter, coded, coded_len);
    } else {
        assert_null(end);
    }
    free(shorter);
    free(coded);
    test_octets_free(&copy);
}

static void test_huffman_octets(void **state)
{
    (void)state;
    round_trip((const uint8_t *)"", 0);
    for (uint32_t first = 0; first < 256; first++) {
        uint8_t run[40];
        memset(run, (int)first, sizeof(run));
        for (size_t len = 1; len <= sizeof(run); len++) {
            round_trip(run, len);
        }
        for (uint32_t second = 0; second < 256; second++) {
            uint8_t pair[2] = { (uint8_t)first, (uint8_t)second };
            round_trip(pair, 2);
        }
    }
}

static void test_huffman_random(void **state)
{
    (void)state;
    static const char text[] = "abcdefghijklmnopqrstuvwxyz0123456789 -./:=?&%_ABCXYZ";
    struct test_random random = { 1 };
    for (int round = 0; round < 20000; round++) {
        uint8_t in[300];
        size_t len = test_random_below(&random, round % 10 == 0 ? sizeof(in) : 40);
        uint32_t binary = test_random_below(&random, 4) == 0 ? 256 : test_random_below(&random, 4);
        for (size_t i = 0; i < len; i++) {
            in[i] = test_random_below(&random, 256) < binary
                        ? (uint8_t)test_random_next(&random)
                        : (uint8_t)text[test_random_below(&random, sizeof(text) - 1)];
        }
        round_trip(in, len);
    }
}

/* Random octets are mostly invalid; both decoders must say so. */
static void test_huffman_garbage(void **state)
{
    (void)state;
    struct test_random random = { 2 };
    for (int round = 0; round < 100000; round++) {
        uint8_t in[24];
        size_t len = test_random_below(&random, sizeof(in)) + 1;
        uint64_t ones = test_random_below(&random, 3) == 0 ? test_random_next(&random) : 0;
        for (size_t i = 0; i < len; i++) {
            in[i] = (uint8_t)(test_random_next(&random) | (ones >> (i % 8 * 8)));
        }
        compare_decoders(in, len);
    }
}

/* Every string of up to two octets, and every third octet behind each symbol. */
static void test_huffman_all_tails(void **state)
{
    (void)state;
    for (uint32_t tail = 0; tail < 0x10000; tail++) {
        uint8_t in[2] = { (uint8_t)(tail >> 8), (uint8_t)tail };
        compare_decoders(in, 2);
        compare_decoders(in + 1, 1);
    }
    for (uint32_t symbol = 0; symbol < REFERENCE_SYMBOLS; symbol++) {
        for (uint32_t tail = 0; tail < 1u << 9; tail++) {
            for (uint32_t before = 0; before < 9; before += 4) {
                struct bits bits = { .count = 0 };
                for (uint32_t i = 0; i < before; i++) {
                    put_bits(&bits, reference_code('a'), reference_length('a'));
                }
                put_bits(&bits, reference_code(symbol), reference_length(symbol));
                put_bits(&bits, tail, 9);
                compare_decoders(bits.octets, bits.count / 8);
            }
        }
    }
}

/* Padding of 0 to 31 bits, with each one of them cleared in turn. */
static void test_huffman_padding(void **state)
{
    (void)state;
    for (uint32_t symbols = 0; symbols < 24; symbols++) {
        for (uint32_t octets = 0; octets <= 3; octets++) {
            struct bits bits = { .count = 0 };
            for (uint32_t i = 0; i < symbols; i++) {
                put_bits(&bits, reference_code('0'), reference_length('0'));
            }
            size_t from = bits.count;
            while (bits.count % 8 != 0 || bits.count < from + 8 * (size_t)octets) {
                put_bits(&bits, 1, 1);
            }
            uint8_t out[64];
            bool is_too_long;
            int64_t got =
                hpack_huffman_decode(out, sizeof(out), bits.octets, bits.count / 8, &is_too_long);
            assert_int_equal(got, bits.count - from <= 7 ? (int64_t)symbols : -1);
            assert_false(is_too_long);
            for (size_t bit = from; bit < bits.count; bit++) {
                struct bits broken = bits;
                broken.octets[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
                compare_decoders(broken.octets, broken.count / 8);
            }
        }
    }
}

static void test_huffman_end_of_string(void **state)
{
    (void)state;
    for (uint32_t symbols = 0; symbols < 40; symbols++) {
        struct bits bits = { .count = 0 };
        for (uint32_t i = 0; i < symbols; i++) {
            put_bits(&bits, reference_code('x'), reference_length('x'));
        }
        put_bits(&bits, reference_code(REFERENCE_EOS), reference_length(REFERENCE_EOS));
        for (uint32_t i = 0; i < 3; i++) {
            put_bits(&bits, reference_code('0'), reference_length('0'));
        }
        while (bits.count % 8 != 0) {
            put_bits(&bits, 1, 1);
        }
        uint8_t out[128];
        bool is_too_long;
        assert_int_equal(
            hpack_huffman_decode(out, sizeof(out), bits.octets, bits.count / 8, &is_too_long), -1);
        assert_false(is_too_long);
        assert_int_equal(hpack_huffman_decoded_len(bits.octets, bits.count / 8), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_huffman_octets),  cmocka_unit_test(test_huffman_random),
        cmocka_unit_test(test_huffman_garbage), cmocka_unit_test(test_huffman_all_tails),
        cmocka_unit_test(test_huffman_padding), cmocka_unit_test(test_huffman_end_of_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
