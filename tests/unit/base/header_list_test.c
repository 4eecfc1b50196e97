/* Received header lists as Node's headers object shows them, and base64url. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/error.h>
#include <halo/header.h>
#include <halo/settings.h>

static halo_header made(const char *name, const char *value, uint16_t flags)
{
    halo_header field = { .name = halo_str(name), .value = halo_str(value), .flags = flags };

    field.token = halo_name_token(field.name);
    return field;
}

static void expect_merged(halo_header_list list, const char *name, const char *wanted)
{
    char out[100];
    size_t len;

    assert_int_equal(halo_header_merged(list, halo_str(name), out, sizeof(out), &len), 1);
    assert_int_equal(len, strlen(wanted));
    assert_memory_equal(out, wanted, len);
    assert_int_equal(halo_header_merged(list, halo_str(name), out, len - 1, &len), HALO_E_LIMIT);
    assert_int_equal(len, strlen(wanted));
}

static void test_H03_H04_H05_H06_H07_H08_session_merged_lists(void **state)
{
    const halo_header fields[] = {
        made(":status", "204", 0),   made("etag", "first", 0),    made("cookie", "a=1", 0),
        made("set-cookie", "s1", 0), made("x-mine", "one", 0),    made("etag", "second", 0),
        made("cookie", "b=2", 0),    made("set-cookie", "s2", 0), made("x-mine", "two", 0),
        made("vary", "a", 0),        made("vary", "b", 0),
    };
    halo_header_list list = { fields, sizeof(fields) / sizeof(fields[0]) };
    halo_bytes value;
    size_t at = 0;
    size_t len;

    (void)state;
    assert_int_equal(halo_header_status(list), 204);
    expect_merged(list, "etag", "first");
    expect_merged(list, "cookie", "a=1; b=2");
    expect_merged(list, "x-mine", "one, two");
    expect_merged(list, "vary", "a, b");
    expect_merged(list, "set-cookie", "s1");
    assert_int_equal(halo_header_merged(list, halo_str("none"), NULL, 0, &len), 0);
    assert_int_equal(halo_header_count(list, halo_str("set-cookie")), 2);
    assert_int_equal(halo_header_next(list, halo_str("set-cookie"), &at, &value), 1);
    assert_memory_equal(value.data, "s1", 2);
    assert_int_equal(halo_header_next(list, halo_str("set-cookie"), &at, &value), 1);
    assert_memory_equal(value.data, "s2", 2);
    assert_int_equal(halo_header_next(list, halo_str("set-cookie"), &at, &value), 0);
}

static void test_H04_session_forty_names_have_one_value(void **state)
{
    static const char *const names[] = {
        ":status",
        ":method",
        ":authority",
        ":scheme",
        ":path",
        ":protocol",
        "age",
        "authorization",
        "access-control-allow-credentials",
        "access-control-max-age",
        "access-control-request-method",
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-md5",
        "content-range",
        "content-type",
        "date",
        "dnt",
        "etag",
        "expires",
        "from",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "last-modified",
        "location",
        "max-forwards",
        "proxy-authorization",
        "range",
        "referer",
        "retry-after",
        "tk",
        "upgrade-insecure-requests",
        "user-agent",
        "x-content-type-options",
    };
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(halo_header_is_single(halo_name_token(halo_str(names[i]))), 1);
    }
    for (uint16_t token = 0; token < 200; token++) {
        count += (size_t)halo_header_is_single(token);
    }
    assert_int_equal(count, 40);
}

static void test_H20_M14_session_sensitive_names(void **state)
{
    const halo_header fields[] = {
        made("a", "1", 0),
        made("b", "2", HALO_HEADER_NEVER_INDEX),
        made("c", "3", HALO_HEADER_NO_INDEX),
        made("d", "4", HALO_HEADER_NEVER_INDEX),
    };
    halo_header_list list = { fields, 4 };
    halo_bytes name;
    size_t at = 0;

    (void)state;
    assert_int_equal(halo_header_next_sensitive(list, &at, &name), 1);
    assert_memory_equal(name.data, "b", 1);
    assert_int_equal(halo_header_next_sensitive(list, &at, &name), 1);
    assert_memory_equal(name.data, "d", 1);
    assert_int_equal(halo_header_next_sensitive(list, &at, &name), 0);
}

static void test_M10_M11_M12_session_packed_settings_in_base64url(void **state)
{
    struct halo_settings settings = { .present = HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH) };
    uint8_t packed[60];
    char text[80];
    size_t len;
    size_t text_len;

    (void)state;
    assert_int_equal(halo_settings_pack(&settings, packed, sizeof(packed), &len), 0);
    assert_int_equal(halo_base64url_encode(text, sizeof(text), packed, len, &text_len), 0);
    assert_int_equal(text_len, 8);
    assert_memory_equal(text, "AAIAAAAA", 8); /* Node's example */
    assert_int_equal(halo_base64url_decode(packed, sizeof(packed), text, text_len, &len), 0);
    assert_int_equal(halo_settings_unpack(&settings, packed, len), 0);
    assert_int_equal(settings.present, HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH));
    assert_int_equal(settings.enable_push, 0);
    assert_int_equal(halo_settings_unpack(&settings, packed, 5), HALO_E_PACKED_SETTINGS_LENGTH);
}

static void test_M10_session_base64url(void **state)
{
    /* RFC 4648 section 10, and the two digits of its own. */
    static const char *const pairs[][2] = {
        { "", "" },
        { "f", "Zg" },
        { "fo", "Zm8" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg" },
        { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" },
        { "\xfb\xff", "-_8" },
    };
    static const char *const bad[] = { "A", "Zh", "Zm9", "Zg==", "Zm+v", "Z m9" };
    char out[20];
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        size_t in_len = strlen(pairs[i][0]);
        size_t text_len = strlen(pairs[i][1]);

        assert_int_equal(halo_base64url_encode(out, sizeof(out), pairs[i][0], in_len, &len), 0);
        assert_int_equal(len, text_len);
        assert_memory_equal(out, pairs[i][1], len);
        assert_int_equal(halo_base64url_decode(out, sizeof(out), pairs[i][1], text_len, &len), 0);
        assert_int_equal(len, in_len);
        assert_memory_equal(out, pairs[i][0], len);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(halo_base64url_decode(out, sizeof(out), bad[i], strlen(bad[i]), &len),
                         HALO_E_INVALID_ARGUMENT);
    }
    assert_int_equal(halo_base64url_encode(out, 3, "foo", 3, &len), HALO_E_LIMIT);
    assert_int_equal(halo_base64url_decode(out, 2, "Zm9v", 4, &len), HALO_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_H03_H04_H05_H06_H07_H08_session_merged_lists),
        cmocka_unit_test(test_H04_session_forty_names_have_one_value),
        cmocka_unit_test(test_H20_M14_session_sensitive_names),
        cmocka_unit_test(test_M10_M11_M12_session_packed_settings_in_base64url),
        cmocka_unit_test(test_M10_session_base64url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
