/* <halo/check.h>: which rule each list breaks, by name. The rules themselves: message_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/check.h>
#include <halo/header.h>
#include <halo/names.h>

#include "core/base/base.h"

enum { FIELDS_MAX = 400 };

struct list {
    halo_header fields[FIELDS_MAX];
    size_t count;
};

/* "name=value;name=value;..." with nothing but names and values in the fields. */
static void parse(struct list *list, const char *text)
{
    while (*text != '\0') {
        const char *equals = strchr(text + 1, '=');
        const char *end = strchr(equals, ';');

        assert_true(list->count < FIELDS_MAX);
        list->fields[list->count++] = (halo_header){
            .name = { text, (size_t)(equals - text) },
            .value = { equals + 1, (size_t)(end - equals - 1) },
        };
        text = end + 1;
    }
}

struct expected {
    const char *list;
    int status;
};

#define GET ":method=GET;:scheme=https;:path=/;:authority=a;"

static const struct expected requests[] = {
    { GET "te=trailers;x=;", 0 },
    { ":method=CONNECT;:authority=a;", 0 },
    { "", HALO_E_PROTOCOL },
    { GET "X=;", HALO_E_INVALID_HEADER_NAME },
    { GET "x=a\rb;", HALO_E_INVALID_HEADER_VALUE },
    { GET "x= b;", HALO_E_INVALID_HEADER_VALUE },
    { ":method=GET;:scheme=https;:path=/ ;:authority=a;", HALO_E_INVALID_HEADER_VALUE },
    { GET "connection=close;", HALO_E_INVALID_CONNECTION_HEADERS },
    { GET "te=gzip;", HALO_E_INVALID_CONNECTION_HEADERS },
    { GET ":x=;", HALO_E_INVALID_PSEUDOHEADER },
    { GET "x=;:path=/;", HALO_E_PSEUDOHEADER_NOT_ALLOWED },
    { GET ":status=200;", HALO_E_PSEUDOHEADER_NOT_ALLOWED },
    { GET ":path=/;", HALO_E_HEADER_SINGLE_VALUE },
    { GET "host=a;host=a;", HALO_E_HEADER_SINGLE_VALUE },
    { GET "host=b;", HALO_E_BAD_AUTHORITY },
    { ":method=GET;:scheme=https;:path=/;", HALO_E_BAD_AUTHORITY },
    { ":method=GET;:scheme=https;:path=/;host=a@b;", HALO_E_BAD_AUTHORITY },
    { ":method=GET;:scheme=https;:path=/;:authority=a/b;", HALO_E_BAD_AUTHORITY },
    { GET "content-length=x;", HALO_E_CONTENT_LENGTH },
    { GET "content-length=1;content-length=1;", HALO_E_CONTENT_LENGTH },
    { ":method=CONNECT;", HALO_E_CONNECT_AUTHORITY },
    { ":method=CONNECT;:authority=a;:path=/;", HALO_E_CONNECT_PATH },
    { ":method=CONNECT;:authority=a;:scheme=https;", HALO_E_CONNECT_SCHEME },
    { GET ":protocol=websocket;", HALO_E_CONNECT_PROTOCOL },
    { ":method=CONNECT;:authority=a;:scheme=https;:path=/;:protocol=websocket;",
      HALO_E_CONNECT_PROTOCOL },
    { ":method=GET;:scheme=1;:path=/;:authority=a;", HALO_E_PROTOCOL },
    { ":method=GET;:scheme=https;:path=a;:authority=a;", HALO_E_PROTOCOL },
    { ":method=G T;:scheme=https;:path=/;:authority=a;", HALO_E_PROTOCOL },
};

static const struct expected responses[] = {
    { ":status=200;server=halo;", 0 },
    { ":status=103;link=a;", 0 },
    { "", HALO_E_PROTOCOL },
    { ":status=101;", HALO_E_STATUS_101 },
    { ":status=20;", HALO_E_STATUS_INVALID },
    { ":status=2x0;", HALO_E_STATUS_INVALID },
    { ":status=200;:path=/;", HALO_E_PSEUDOHEADER_NOT_ALLOWED },
    { ":status=200;upgrade=a;", HALO_E_INVALID_CONNECTION_HEADERS },
};

static const struct expected trailers[] = {
    { "", 0 },
    { "x-checksum=1;", 0 },
    { ":status=200;", HALO_E_PSEUDOHEADER_NOT_ALLOWED },
    { "content-length=1;", HALO_E_CONTENT_LENGTH },
    { "a b=;", HALO_E_INVALID_HEADER_NAME },
};

static void expect(const char *text, int status, int expected, const char *reason)
{
    if (status != expected || (*reason == '\0') != (expected == 0)) {
        fail_msg("%s: %s (%s), not %s", text, halo_status_name(status), reason,
                 halo_status_name(expected));
    }
}

static void lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(requests); i++) {
        struct list list = { .count = 0 };
        const char *reason = NULL;
        int status;

        parse(&list, requests[i].list);
        status = halo_check_request(list.fields, list.count, 0, &reason);
        expect(requests[i].list, status, requests[i].status, reason);
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(responses); i++) {
        struct list list = { .count = 0 };
        const char *reason = NULL;
        int status;

        parse(&list, responses[i].list);
        status = halo_check_response(list.fields, list.count, &reason);
        expect(responses[i].list, status, responses[i].status, reason);
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(trailers); i++) {
        struct list list = { .count = 0 };
        const char *reason = NULL;
        int status;

        parse(&list, trailers[i].list);
        status = halo_check_trailers(list.fields, list.count, &reason);
        expect(trailers[i].list, status, trailers[i].status, reason);
    }
}

static void extended_connect(void **state)
{
    struct list list = { .count = 0 };

    (void)state;
    parse(&list, ":method=CONNECT;:authority=a;:scheme=https;:path=/;:protocol=websocket;");
    assert_int_equal(halo_check_request(list.fields, list.count, HALO_CHECK_EXTENDED_CONNECT, NULL),
                     0);
    assert_int_equal(halo_check_request(list.fields, 4, HALO_CHECK_EXTENDED_CONNECT, NULL),
                     HALO_E_CONNECT_SCHEME);
}

/* Numbers that other rules do not see; a wrong token or flag in the fields does not matter. */
static void counts(void **state)
{
    static struct list list;

    (void)state;
    parse(&list, GET);
    for (int i = 0; i < 300; i++) {
        parse(&list, "x=;");
    }
    assert_int_equal(halo_check_request(list.fields, list.count, 0, NULL), 0);
    for (size_t i = 4; i < list.count; i++) {
        list.fields[i].name = (halo_bytes)HALO_LIT("cookie");
        list.fields[i].flags = 0xff00 | HALO_HEADER_NEVER_INDEX;
        list.fields[i].token = HALO_NAME_TE;
    }
    assert_int_equal(halo_check_request(list.fields, list.count, 0, NULL), HALO_E_LIMIT);
    assert_int_equal(halo_check_request(list.fields, 4 + 256, 0, NULL), 0);
    assert_int_equal(list.fields[4].token, HALO_NAME_COOKIE);
    assert_int_equal(list.fields[4].flags, HALO_HEADER_NEVER_INDEX);
    for (size_t i = 0; i < list.count; i++) {
        list.fields[i].name = (halo_bytes)HALO_LIT("x");
    }
    assert_int_equal(halo_check_trailers(list.fields, 32, NULL), 0);
    assert_int_equal(halo_check_trailers(list.fields, 33, NULL), HALO_E_LIMIT);
}

/* Does RFC 9110 5.6.2 (tchar), without capitals, have this octet? Written as the RFC has it. */
static bool is_token_octet(int octet)
{
    return octet != 0 &&
           strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz", octet) != NULL;
}

static void every_octet(void **state)
{
    (void)state;
    for (int octet = 0; octet < 256; octet++) {
        char text[] = { 'a', (char)octet, 'a' };
        bool bad_value = (octet < 0x20 && octet != '\t') || octet == 0x7f;

        assert_int_equal(halo_check_header_name((halo_bytes){ text, 3 }, NULL),
                         is_token_octet(octet) ? 0 : HALO_E_INVALID_HEADER_NAME);
        assert_int_equal(halo_check_header_value((halo_bytes){ text, 3 }, NULL),
                         bad_value ? HALO_E_INVALID_HEADER_VALUE : 0);
    }
}

static void names_and_values(void **state)
{
    const char *reason;

    (void)state;
    assert_int_equal(halo_check_header_name(halo_str("x-a"), &reason), 0);
    assert_string_equal(reason, "");
    assert_int_equal(halo_check_header_name(halo_str("te"), NULL), 0);
    assert_int_equal(halo_check_header_name(halo_str(":path"), NULL), 0);
    assert_int_equal(halo_check_header_name(halo_str(":paths"), NULL), HALO_E_INVALID_PSEUDOHEADER);
    assert_int_equal(halo_check_header_name(halo_str(""), NULL), HALO_E_INVALID_HEADER_NAME);
    assert_int_equal(halo_check_header_name(halo_str(":"), NULL), HALO_E_INVALID_HEADER_NAME);
    assert_int_equal(halo_check_header_name(halo_str("upgrade"), NULL),
                     HALO_E_INVALID_CONNECTION_HEADERS);
    assert_int_equal(halo_check_header_name(halo_str("X"), &reason), HALO_E_INVALID_HEADER_NAME);
    assert_non_null(strstr(reason, "upper-case"));
    assert_int_equal(halo_check_header_value(halo_str(""), &reason), 0);
    assert_string_equal(reason, "");
    assert_int_equal(halo_check_header_value(halo_str("a "), &reason), HALO_E_INVALID_HEADER_VALUE);
    assert_non_null(strstr(reason, "white space"));
    assert_int_equal(halo_check_header_value(halo_str("\ta"), NULL), HALO_E_INVALID_HEADER_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),       cmocka_unit_test(extended_connect), cmocka_unit_test(counts),
        cmocka_unit_test(every_octet), cmocka_unit_test(names_and_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
