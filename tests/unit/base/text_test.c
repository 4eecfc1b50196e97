/* Names of errors, header lists and prepared sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/error.h>
#include <halo/header.h>

#include "core/base/base.h"
#include "core/base/header.h"

static void every_status_has_a_name_and_a_text(void **state)
{
    static const int all[] = {
#define NUMBER(name, number, text) -(number),
        HALO_ERROR_TABLE(NUMBER)
#undef NUMBER
    };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(all); i++) {
        assert_int_equal(strncmp(halo_status_name(all[i]), "HALO_E_", 7), 0);
        assert_string_not_equal(halo_status_name(all[i]), "HALO_E_UNKNOWN");
        assert_string_not_equal(halo_status_text(all[i]), "unknown error");
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(all[i], all[j]);
        }
    }
    assert_string_equal(halo_status_name(0), "HALO_OK");
    assert_string_equal(halo_status_name(HALO_E_NOMEM), "HALO_E_NOMEM");
    assert_string_equal(halo_status_name(-9999), "HALO_E_UNKNOWN");
    assert_string_equal(halo_status_name(1), "HALO_E_UNKNOWN");
    assert_string_equal(halo_status_text(HALO_E_NOMEM), "out of memory");
    assert_string_equal(halo_status_text(-9999), "unknown error");
}

static void codes(void **state)
{
    (void)state;
    assert_string_equal(halo_code_name(0), "NO_ERROR");
    assert_string_equal(halo_code_name(0xd), "HTTP_1_1_REQUIRED");
    assert_string_equal(halo_code_name(0xe), "UNKNOWN");
    assert_string_equal(halo_code_name(UINT32_MAX), "UNKNOWN");
    assert_int_equal(HALO_ENHANCE_YOUR_CALM, 0xb);
    assert_int_equal(HALO_COMPRESSION_ERROR, 0x9);
}

static void lists_are_searched(void **state)
{
    halo_header fields[] = {
        { .name = HALO_LIT("a"), .value = HALO_LIT("1") },
        { .name = HALO_LIT("te"), .value = HALO_LIT("2"), .token = HALO_NAME_TE },
        { .name = HALO_LIT("a"), .value = HALO_LIT("3") },
    };
    halo_header_list list = { fields, 3 };
    halo_bytes value;

    (void)state;
    assert_int_equal(halo_header_find(list, halo_str("a"), &value), 1);
    assert_int_equal(value.data[0], '1'); /* the first */
    assert_int_equal(halo_header_find(list, halo_str("A"), &value), 0);
    assert_int_equal(halo_header_find(list, halo_str(""), &value), 0);
    assert_int_equal(halo_header_find_token(list, HALO_NAME_TE, &value), 1);
    assert_int_equal(value.data[0], '2');
    assert_int_equal(halo_header_find_token(list, HALO_NAME_UNKNOWN, &value), 0);
    assert_int_equal(halo_header_find_token(list, HALO_NAME_HOST, &value), 0);
}

static void sets_are_checked_and_put_in_lower_case(void **state)
{
    halo_header fields[] = {
        { .name = HALO_LIT("Content-Type"), .value = HALO_LIT("Text/Plain") },
        { .name = HALO_LIT("x-b"), .value = HALO_LIT(""), .flags = 0xffff },
    };
    static const struct {
        const char *name;
        const char *value;
        int status;
    } bad[] = {
        { "", "x", HALO_E_INVALID_HEADER_NAME },
        { "a b", "x", HALO_E_INVALID_HEADER_NAME },
        { "a", "x\n", HALO_E_INVALID_HEADER_VALUE },
        { "a", " x", HALO_E_INVALID_HEADER_VALUE },
        { "Connection", "x", HALO_E_INVALID_CONNECTION_HEADERS },
        { "te", "x", HALO_E_INVALID_CONNECTION_HEADERS },
        { ":path", "/", HALO_E_PSEUDOHEADER_NOT_ALLOWED },
        { ":x", "/", HALO_E_PSEUDOHEADER_NOT_ALLOWED },
    };
    const halo_header *made;
    halo_header_set *set;
    halo_header_set *other;
    size_t count;

    (void)state;
    assert_int_equal(halo_header_set_new(&set, fields, 2), 0);
    made = halo_header_set_fields(set, &count);
    assert_int_equal(count, 2);
    assert_memory_equal(made[0].name.data, "content-type", 12);
    assert_memory_equal(made[0].value.data, "Text/Plain", 10);
    assert_int_equal(made[0].token, HALO_NAME_CONTENT_TYPE);
    assert_int_not_equal(made[0].hash, 0);
    assert_int_equal(made[1].flags, HALO_HEADER_NEVER_INDEX | HALO_HEADER_NO_INDEX);
    assert_int_equal(halo_header_set_new(&other, fields, 0), 0);
    assert_true(header_set_identity(set) != header_set_identity(other));
    halo_header_set_free(other);
    halo_header_set_free(set);
    halo_header_set_free(NULL);
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        halo_header field = { .name = halo_str(bad[i].name), .value = halo_str(bad[i].value) };

        assert_int_equal(halo_header_set_new(&set, &field, 1), bad[i].status);
    }
}

static void names_and_values(void **state)
{
    (void)state;
    assert_int_equal(halo_header_name_ok(halo_str("x-name")), 1);
    assert_int_equal(halo_header_name_ok(halo_str("X-Name")), 0);
    assert_int_equal(halo_header_name_ok(halo_str(":path")), 0);
    assert_int_equal(halo_header_name_ok(halo_str("")), 0);
    assert_int_equal(halo_header_value_ok(halo_str("")), 1);
    assert_int_equal(halo_header_value_ok(halo_str("a b")), 1);
    assert_int_equal(halo_header_value_ok(halo_str("a ")), 0);
    assert_int_equal(halo_header_value_ok((halo_bytes){ "a\0b", 3 }), 0);
    assert_int_equal(halo_str(NULL).len, 0);
    assert_int_equal(halo_bytes_equal(halo_str(NULL), halo_str("")), 1);
    assert_int_equal(halo_bytes_equal(halo_str("a"), halo_str("b")), 0);
    assert_int_equal(halo_bytes_equal(halo_str("a"), halo_str("ab")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_and_a_text),
        cmocka_unit_test(codes),
        cmocka_unit_test(lists_are_searched),
        cmocka_unit_test(sets_are_checked_and_put_in_lower_case),
        cmocka_unit_test(names_and_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
