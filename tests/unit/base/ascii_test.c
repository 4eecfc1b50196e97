/* Classes of octets and comparison without case, over all 256 octets: the locale has no say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/ascii.h"

static const char digits[] = "0123456789";
static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char small[] = "abcdefghijklmnopqrstuvwxyz";

/* The place of an octet in a list, or -1. */
static int place(const char *list, char octet)
{
    const char *found = octet != '\0' ? strchr(list, octet) : NULL;

    return found != NULL ? (int)(found - list) : -1;
}

static void every_octet_has_its_class(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        char octet = (char)(unsigned char)i;
        bool capital = place(capitals, octet) >= 0;
        int hex = place("0123456789abcdef", octet);

        assert_int_equal(ascii_is_digit(octet), place(digits, octet) >= 0);
        assert_int_equal(ascii_is_upper(octet), capital);
        assert_int_equal(ascii_is_letter(octet), capital || place(small, octet) >= 0);
        assert_int_equal(ascii_lower(octet), capital ? small[place(capitals, octet)] : octet);
        assert_int_equal(ascii_hex_value(octet), hex >= 0 ? hex : place("0123456789ABCDEF", octet));
    }
}

/* Each pair of octets: equal are the same ones and the two cases of a letter, nothing else. */
static void octets_are_equal_but_for_case(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        for (int j = 0; j < 256; j++) {
            char a = (char)(unsigned char)i;
            char b = (char)(unsigned char)j;
            int letter = place(capitals, a) >= 0 ? place(capitals, a) : place(small, a);
            bool same = letter >= 0 && (b == capitals[letter] || b == small[letter]);

            assert_int_equal(ascii_equal((halo_bytes){ &a, 1 }, (halo_bytes){ &b, 1 }),
                             i == j || same);
        }
    }
}

static void texts_are_equal_as_a_whole(void **state)
{
    const halo_bytes none = { NULL, 0 };

    (void)state;
    assert_true(ascii_equal(none, none));
    assert_true(ascii_equal(halo_str("Example.ORG"), halo_str("eXAMPLE.org")));
    assert_false(ascii_equal(halo_str("example.org"), halo_str("example.or")));
    assert_false(ascii_equal(halo_str("example.org"), halo_str("example.orh")));
    /* A zero is an octet like any other, and no end. */
    assert_false(ascii_equal((halo_bytes){ "a\0b", 3 }, (halo_bytes){ "a\0c", 3 }));
}

static void decimals_are_digits_alone(void **state)
{
    static const char *const wrong[] = {
        "", "+1", "-1", " 1", "1 ", "1,1", "0x1", "1a", "9/", "9:", "1000000000000000000"
    };
    uint64_t value = 7;

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(wrong); i++) {
        assert_false(ascii_decimal(halo_str(wrong[i]), &value));
        assert_int_equal(value, 7);
    }
    assert_true(ascii_decimal(halo_str("0"), &value));
    assert_int_equal(value, 0);
    assert_true(ascii_decimal(halo_str("0042"), &value));
    assert_int_equal(value, 42);
    assert_true(ascii_decimal(halo_str("999999999999999999"), &value));
    assert_int_equal(value, UINT64_C(999999999999999999));
}

static void copies_in_place_too(void **state)
{
    char text[] = "X-Mixed_[\\]Case";
    char other[sizeof(text)] = "";

    (void)state;
    ascii_copy_lower(other, text, sizeof(text));
    assert_string_equal(other, "x-mixed_[\\]case");
    ascii_copy_lower(text, text, 3);
    assert_string_equal(text, "x-mixed_[\\]Case");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_octet_has_its_class),
        cmocka_unit_test(octets_are_equal_but_for_case),
        cmocka_unit_test(texts_are_equal_as_a_whole),
        cmocka_unit_test(decimals_are_digits_alone),
        cmocka_unit_test(copies_in_place_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
