/*
 * Integers with a prefix: every prefix, values around each change of length, limits.
 */
#include "support.h"

#include "hpack/integer.h"

/* Independent of the code: RFC 7541 section 5.1's pseudo-code. */
static size_t encode_simply(uint8_t *out, unsigned prefix_bits, uint64_t value)
{
    uint64_t max = (UINT64_C(1) << prefix_bits) - 1;
    if (value < max) {
        out[0] = (uint8_t)value;
        return 1;
    }
    out[0] = (uint8_t)max;
    value -= max;
    size_t len = 1;
    for (; value >= 128; value /= 128) {
        out[len++] = (uint8_t)(value % 128 + 128);
    }
    out[len++] = (uint8_t)value;
    return len;
}

static void check_value(unsigned prefix_bits, uint64_t value)
{
    uint8_t simple[16];
    uint8_t octets[16];
    size_t len = encode_simply(simple, prefix_bits, value);
    unsigned kind = 0xffu & ~((1u << prefix_bits) - 1);
    assert_int_equal(hpack_integer_encode(octets, kind, prefix_bits, value) - octets, len);
    assert_int_equal(octets[0], simple[0] | kind);
    assert_memory_equal(octets + 1, simple + 1, len - 1);

    struct test_octets copy = test_octets_copy(octets, len);
    const uint8_t *at = copy.data;
    uint32_t got = 77;
    enum hpack_integer result = hpack_integer_decode(&at, copy.data + len, prefix_bits, &got);
    assert_int_equal(result, value <= UINT32_MAX ? HPACK_INTEGER_DONE : HPACK_INTEGER_BAD);
    if (value <= UINT32_MAX) {
        assert_int_equal(got, value);
        assert_ptr_equal(at, copy.data + len);
    }
    for (size_t part = 1; part < len && part < HPACK_INTEGER_OCTETS; part++) {
        at = copy.data;
        assert_int_equal(hpack_integer_decode(&at, copy.data + part, prefix_bits, &got),
                         HPACK_INTEGER_MORE);
    }
    test_octets_free(&copy);
}

static void test_integer_boundaries(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits <= 8; bits++) {
        uint64_t max = (UINT64_C(1) << bits) - 1;
        for (uint64_t value = 0; value < 70000; value++) {
            check_value(bits, value);
        }
        /* The values at which one more octet is needed, and the largest ones. */
        for (unsigned octets = 1; octets <= 5; octets++) {
            uint64_t edge = max + (UINT64_C(1) << 7 * octets);
            for (uint64_t value = edge - 3; value < edge + 3; value++) {
                check_value(bits, value);
            }
        }
        for (uint64_t value = UINT32_MAX - 300; value < UINT64_C(300) + UINT32_MAX; value++) {
            check_value(bits, value);
        }
    }
}

static enum hpack_integer decode_hex(const char *hex, unsigned bits, uint32_t *value)
{
    struct test_octets octets = test_octets_hex(hex);
    const uint8_t *at = octets.data;
    enum hpack_integer result = hpack_integer_decode(&at, octets.data + octets.len, bits, value);
    test_octets_free(&octets);
    return result;
}

static void test_integer_examples(void **state)
{
    (void)state;
    uint32_t value;
    assert_int_equal(decode_hex("0a", 5, &value), HPACK_INTEGER_DONE); /* RFC 7541 C.1.1 */
    assert_int_equal(value, 10);
    assert_int_equal(decode_hex("1f9a0a", 5, &value), HPACK_INTEGER_DONE); /* C.1.2 */
    assert_int_equal(value, 1337);
    assert_int_equal(decode_hex("2a", 8, &value), HPACK_INTEGER_DONE); /* C.1.3 */
    assert_int_equal(value, 42);
}

static void test_integer_limits(void **state)
{
    (void)state;
    uint32_t value;
    /* 2^32 - 1 with a prefix of 7 bits, and one more. */
    assert_int_equal(decode_hex("7f80ffffff0f", 7, &value), HPACK_INTEGER_DONE);
    assert_int_equal(value, UINT32_MAX);
    assert_int_equal(decode_hex("7f81ffffff0f", 7, &value), HPACK_INTEGER_BAD);
    assert_int_equal(decode_hex("7fffffffff7f", 7, &value), HPACK_INTEGER_BAD);
    assert_int_equal(decode_hex("7fffffffffff0f", 7, &value), HPACK_INTEGER_BAD);
    assert_int_equal(decode_hex("7fffffffffffffffff0f", 7, &value), HPACK_INTEGER_BAD);
    /* Zero padding: up to six octets in all. */
    assert_int_equal(decode_hex("7f00", 7, &value), HPACK_INTEGER_DONE);
    assert_int_equal(value, 127);
    assert_int_equal(decode_hex("7f8080808000", 7, &value), HPACK_INTEGER_DONE);
    assert_int_equal(value, 127);
    assert_int_equal(decode_hex("7f808080808000", 7, &value), HPACK_INTEGER_BAD);
    /* Too long is told before the rest is there. */
    assert_int_equal(decode_hex("7f8080808080", 7, &value), HPACK_INTEGER_BAD);
    assert_int_equal(decode_hex("7f80808080", 7, &value), HPACK_INTEGER_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integer_boundaries),
        cmocka_unit_test(test_integer_examples),
        cmocka_unit_test(test_integer_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
