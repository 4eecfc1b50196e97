/* Rules of header lists: RFC 9113 section 8, tables of good and bad lists, and every octet everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/base.h"
#include "core/proto/limits.h"
#include "core/proto/message.h"
#include "hpack/hpack.h"

enum { FIELDS_MAX = 400 };

struct list {
    halo_header fields[FIELDS_MAX];
    size_t count;
};

/* A field as the decoder hands it out. */
static void add_octets(struct list *list, halo_bytes name, halo_bytes value)
{
    assert_true(list->count < FIELDS_MAX);
    list->fields[list->count++] = (halo_header){
        .name = name,
        .value = value,
        .token = halo_name_token(name),
        .hash = hpack_field_hash(name, value),
        .flags = hpack_name_flags(name) | hpack_value_flags(value),
    };
}

static void add(struct list *list, const char *name, const char *value)
{
    add_octets(list, halo_str(name), halo_str(value));
}

/* "name=value;name=value;..." */
static struct list parse(const char *text)
{
    struct list list = { .count = 0 };

    while (*text != '\0') {
        const char *equals = strchr(text + 1, '=');
        const char *end = strchr(equals, ';');

        add_octets(&list, (halo_bytes){ text, (size_t)(equals - text) },
                   (halo_bytes){ equals + 1, (size_t)(end - equals - 1) });
        text = end + 1;
    }
    return list;
}

static const struct fault *check_request(const struct list *list, bool extended,
                                         struct message *message)
{
    struct message_limits limits = { .fields = 128, .extended_connect = extended };

    return message_check_request(list->fields, list->count, &limits, message);
}

#define GET ":method=GET;:scheme=https;:path=/;:authority=a;"

static void good_requests(void **state)
{
    static const char *const lists[] = {
        GET,
        ":path=/;:authority=a;:method=GET;:scheme=http;",
        ":method=GET;:scheme=https;:path=/;host=a;",
        GET "host=a;",
        GET "host=A;",
        GET "te=trailers;",
        GET "content-length=0;",
        GET "content-length=999999999999999999;",
        GET "cookie=a;cookie=b;",
        GET "x=;",
        GET "x=a b\tc;",
        ":method=OPTIONS;:scheme=https;:path=*;:authority=a;",
        ":method=GET;:scheme=https;:path=/a?b=/../#;:authority=[::1]:8080;",
        ":method=GET;:scheme=ftp+x-1.0;:path=anything;:authority=a;",
        ":method=M-SEARCH!#$%&'*+.^_`|~09;:scheme=https;:path=/;:authority=a;",
        ":method=CONNECT;:authority=a:443;",
    };
    struct message message;

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(lists); i++) {
        struct list list = parse(lists[i]);

        assert_null(check_request(&list, false, &message));
    }
    assert_true(message.connect);
    assert_false(message.extended_connect);
}

static const char *const bad_request_lists[] = {
    ":scheme=https;:path=/;:authority=a;",
    ":method=GET;:path=/;:authority=a;",
    ":method=GET;:scheme=https;:authority=a;",
    ":method=GET;:scheme=https;:path=/;",
    GET ":method=GET;",
    GET ":path=/;",
    GET ":authority=a;",
    GET ":scheme=https;",
    GET ":status=200;",
    GET ":protocol=websocket;",
    GET "x=y;:path=/;",
    "x=y;" GET,
    ":a=b;" GET,
    ":authorit=a;" GET,
    ":authoritys=a;" GET,
    ":=a;" GET,
    ":Path=/;" GET,
    GET ":x=y;",
    GET "X=y;",
    GET "x y=z;",
    GET "x:=z;",
    GET "x= y;",
    GET "x=y ;",
    GET "x=y\t;",
    GET "connection=close;",
    GET "keep-alive=1;",
    GET "proxy-connection=x;",
    GET "transfer-encoding=chunked;",
    GET "upgrade=h2c;",
    GET "te=gzip;",
    GET "te=;",
    GET "te=trailers, gzip;",
    GET "host=b;",
    GET "host=a;host=a;",
    GET "host=;",
    GET "content-length=1;content-length=1;",
    GET "content-length=1;content-length=2;",
    GET "content-length=;",
    GET "content-length=+1;",
    GET "content-length=-1;",
    GET "content-length=1,1;",
    GET "content-length=0x1;",
    GET "content-length=1000000000000000000;",
    GET "content-length=18446744073709551616;",
    ":method=;:scheme=https;:path=/;:authority=a;",
    ":method=G T;:scheme=https;:path=/;:authority=a;",
    ":method=:GET;:scheme=https;:path=/;:authority=a;",
    ":method=GET;:scheme=;:path=/;:authority=a;",
    ":method=GET;:scheme=1http;:path=/;:authority=a;",
    ":method=GET;:scheme=http://evil/?;:path=/;:authority=a;",
    ":method=GET;:scheme=https;:path=;:authority=a;",
    ":method=GET;:scheme=https;:path=x;:authority=a;",
    ":method=GET;:scheme=https;:path=*;:authority=a;",
    ":method=GET;:scheme=HTTP;:path=x;:authority=a;",
    ":method=GET;:scheme=Https;:path=*;:authority=a;",
    ":method=GET;:scheme=https;:path=/ x;:authority=a;",
    ":method=GET;:scheme=https;:path=/;:authority=;",
    ":method=GET;:scheme=https;:path=/;:authority=u@a;",
    ":method=GET;:scheme=https;:path=/;:authority=a/b;",
    ":method=GET;:scheme=https;:path=/;:authority=a?b;",
    ":method=GET;:scheme=https;:path=/;:authority=a#b;",
    ":method=GET;:scheme=https;:path=/;:authority=a\\b;",
    ":method=GET;:scheme=https;:path=/;:authority=a b;",
    ":method=GET;:scheme=https;:path=/;host=u@a;",
    ":method=CONNECT;",
    ":method=CONNECT;host=a;",
    ":method=CONNECT;:authority=a;:path=/;",
    ":method=CONNECT;:authority=a;:scheme=https;",
    ":method=CONNECT;:authority=a;:scheme=https;:path=/;:protocol=websocket;",
    "",
};

static void bad_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad_request_lists); i++) {
        struct list list = parse(bad_request_lists[i]);
        struct message message;
        const struct fault *fault = check_request(&list, false, &message);

        if (fault == NULL) {
            fail_msg("taken for good: %s", bad_request_lists[i]);
        }
        assert_int_equal(fault->code, HALO_PROTOCOL_ERROR);
        assert_int_equal(fault->scope, FAULT_STREAM);
    }
}

/* RFC 8441 section 4. */
static void extended_connect(void **state)
{
    struct list good =
        parse(":method=CONNECT;:protocol=websocket;:scheme=https;:path=/chat;:authority=a;");
    struct list no_path = parse(":method=CONNECT;:protocol=websocket;:scheme=https;:authority=a;");
    struct list no_scheme = parse(":method=CONNECT;:protocol=websocket;:path=/;:authority=a;");
    struct list other = parse(GET ":protocol=websocket;");
    struct message message;

    (void)state;
    assert_null(check_request(&good, true, &message));
    assert_true(message.extended_connect);
    assert_non_null(check_request(&good, false, &message));
    assert_non_null(check_request(&no_path, true, &message));
    assert_non_null(check_request(&no_scheme, true, &message));
    assert_non_null(check_request(&other, true, &message));
}

static void responses(void **state)
{
    static const char *const good[] = { ":status=200;", ":status=100;", ":status=999;",
                                        ":status=204;content-length=5;" };
    static const char *const bad[] = {
        "",
        "x=y;",
        ":status=;",
        ":status=20;",
        ":status=2000;",
        ":status=099;",
        ":status=2x0;",
        ":status= 20;",
        ":status=+20;",
        ":status=101;",
        ":status=200;:status=200;",
        ":status=200;:path=/;",
        "x=y;:status=200;",
        ":method=GET;:status=200;",
        ":status=200;connection=x;",
        ":status=200;te=gzip;",
        ":status=200;content-length=1;content-length=1;",
        ":status=200;Set-Cookie=x;",
    };
    struct message_limits limits = { .fields = 256 };
    struct message message;

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(good); i++) {
        struct list list = parse(good[i]);

        assert_null(message_check_response(list.fields, list.count, &limits, &message));
    }
    assert_int_equal(message.status, 204);
    assert_int_equal(message.content_length, 5);
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        struct list list = parse(bad[i]);

        if (message_check_response(list.fields, list.count, &limits, &message) == NULL) {
            fail_msg("taken for good: %s", bad[i]);
        }
    }
}

static void trailers(void **state)
{
    static const char *const bad[] = { ":path=/;",          ":status=200;",
                                       "x=y;:x=y;",         "X=y;",
                                       "content-length=1;", "connection=x;",
                                       "te=gzip;",          "transfer-encoding=chunked;" };
    struct list list = parse("x=y;");

    (void)state;
    while (list.count < LIMIT_TRAILER_FIELDS) {
        add(&list, "x", "y");
    }
    assert_null(message_check_trailers(list.fields, list.count));
    add(&list, "x", "y");
    assert_non_null(message_check_trailers(list.fields, list.count));
    assert_null(message_check_trailers(NULL, 0));
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        list = parse(bad[i]);
        assert_non_null(message_check_trailers(list.fields, list.count));
    }
}

static void limits_of_fields_and_cookies(void **state)
{
    struct list list = parse(GET);
    struct message message;

    (void)state;
    while (list.count < 128) {
        add(&list, "x", "y");
    }
    assert_null(check_request(&list, false, &message));
    for (int i = 0; i < LIMIT_COOKIE_CRUMBS; i++) {
        add(&list, "cookie", "c");
    }
    assert_null(check_request(&list, false, &message));
    add(&list, "cookie", "c");
    assert_int_equal(check_request(&list, false, &message)->code, HALO_ENHANCE_YOUR_CALM);
    list.count = 128;
    add(&list, "x", "y");
    assert_int_equal(check_request(&list, false, &message)->code, HALO_ENHANCE_YOUR_CALM);
}

/* ---- all 256 octets ------------------------------------------------------------------------------------- */

static bool is_in(unsigned octet, const char *set)
{
    return octet != 0 && strchr(set, (int)octet) != NULL;
}

static bool is_alnum(unsigned octet)
{
    return (octet >= '0' && octet <= '9') || (octet >= 'a' && octet <= 'z') ||
           (octet >= 'A' && octet <= 'Z');
}

static bool is_token(unsigned octet)
{
    return is_alnum(octet) || is_in(octet, "!#$%&'*+-.^_`|~");
}

/* Where an octet is tried, in the middle of a value that is fine otherwise, and whether it is allowed there. */
static bool request_with(const char *where, unsigned octet)
{
    static const char *const names[] = { ":method", ":scheme", ":path", ":authority", "x" };
    static const char *const values[] = { "GET", "https", "/path", "host", "value" };
    struct list list = { .count = 0 };
    struct message message;
    char changed[8];

    for (size_t i = 0; i < 5; i++) {
        if (strcmp(names[i], where) == 0) {
            size_t len = strlen(values[i]);

            memcpy(changed, values[i], len);
            changed[2] = (char)octet;
            add_octets(&list, halo_str(names[i]), (halo_bytes){ changed, len });
        } else if (strcmp(names[i], "x") == 0 && strcmp(where, "name") == 0) {
            changed[0] = 'x';
            changed[1] = (char)octet;
            add_octets(&list, (halo_bytes){ changed, 2 }, halo_str("y"));
        } else {
            add(&list, names[i], values[i]);
        }
    }
    return check_request(&list, false, &message) == NULL;
}

static void every_octet(void **state)
{
    (void)state;
    for (unsigned octet = 0; octet < 256; octet++) {
        bool control = octet < 0x20 || octet == 0x7f;
        bool upper = octet >= 'A' && octet <= 'Z';
        char status[3] = { '2', (char)octet, '0' };
        struct message_limits limits = { .fields = 10 };
        struct message message;
        struct list response = { .count = 0 };

        assert_int_equal(request_with("name", octet), is_token(octet) && !upper);
        assert_int_equal(request_with("x", octet), !control || octet == '\t');
        assert_int_equal(request_with(":method", octet), is_token(octet));
        assert_int_equal(request_with(":scheme", octet), is_alnum(octet) || is_in(octet, "+-."));
        assert_int_equal(request_with(":path", octet), !control && octet != ' ');
        assert_int_equal(request_with(":authority", octet),
                         !control && octet != ' ' && !is_in(octet, "@/?#\\"));
        add_octets(&response, halo_str(":status"), (halo_bytes){ status, 3 });
        assert_int_equal(message_check_response(response.fields, 1, &limits, &message) == NULL,
                         octet >= '0' && octet <= '9');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests),    cmocka_unit_test(bad_requests),
        cmocka_unit_test(extended_connect), cmocka_unit_test(responses),
        cmocka_unit_test(trailers),         cmocka_unit_test(limits_of_fields_and_cookies),
        cmocka_unit_test(every_octet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
