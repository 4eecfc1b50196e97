/* RFC 6454 section 4 and 6.2, RFC 5952: origins in their one form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/proto/origin.h"

/* The text in memory of its own size, so that reading beyond it is found. */
static bool parse(const char *text, size_t len, bool url, struct origin *origin)
{
    char *copy = malloc(len + 1);
    char *tight = copy + 1; /* ends where the memory ends */
    bool found;

    assert_non_null(copy);
    memcpy(tight, text, len);
    found = url ? origin_of_url((halo_bytes){ tight, len }, origin)
                : origin_parse((halo_bytes){ tight, len }, origin);
    free(copy);
    return found;
}

static void expect_origin(const char *text, bool url, const char *wanted)
{
    struct origin origin;
    bool found = parse(text, strlen(text), url, &origin);

    if (wanted == NULL) {
        if (found) {
            fail_msg("%s is taken for %.*s", text, (int)origin.len, origin.text);
        }
        return;
    }
    if (!found || origin.len != strlen(wanted) || memcmp(origin.text, wanted, origin.len) != 0) {
        fail_msg("%s gives %.*s where %s is expected", text, found ? (int)origin.len : 4,
                 found ? origin.text : "none", wanted);
    }
}

static void schemes_names_and_ports(void **state)
{
    static const char *const cases[][2] = {
        { "https://example.org", "https://example.org" },
        { "http://example.org", "http://example.org" },
        { "HTTPS://EXAMPLE.Org", "https://example.org" },
        { "https://example.org:443", "https://example.org" },
        { "https://example.org:0443", "https://example.org" },
        { "https://example.org:", "https://example.org" },
        { "http://example.org:80", "http://example.org" },
        { "https://example.org:80", "https://example.org:80" },
        { "http://example.org:443", "http://example.org:443" },
        { "https://example.org:1", "https://example.org:1" },
        { "https://example.org:65535", "https://example.org:65535" },
        { "https://example.org:8443", "https://example.org:8443" },
        { "https://xn--bcher-kva.example", "https://xn--bcher-kva.example" },
        { "https://a_b.example.", "https://a_b.example." },
        { "https://192.0.2.1:8080", "https://192.0.2.1:8080" },
        { "https://example.org:0", NULL },
        { "https://example.org:65536", NULL },
        { "https://example.org:4294967739", NULL },
        { "https://example.org:99999999999999999999", NULL },
        { "https://example.org:44a", NULL },
        { "https://example.org:-1", NULL },
        { "https://example.org: 1", NULL },
        { "https://a:1:2", NULL },
        { "https://", NULL },
        { "https://:443", NULL },
        { "https:/example.org", NULL },
        { "https:example.org", NULL },
        { "https", NULL },
        { "", NULL },
        { "//example.org", NULL },
        { "://example.org", NULL },
        { "example.org", NULL },
        { "null", NULL },
        { "ftp://example.org", NULL },
        { "ws://example.org", NULL },
        { "httpss://example.org", NULL },
        { " https://example.org", NULL },
        { "https://example.org ", NULL },
        { "https://user@example.org", NULL },
        { "https://user:word@example.org", NULL },
        { "https://exa mple.org", NULL },
        { "https://exa%6dple.org", NULL },
        { "https://b\xc3\xbc"
          "cher.example",
          NULL },
        { "https://example.org\\", NULL },
        { "https://*.example.org", NULL },
    };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        expect_origin(cases[i][0], false, cases[i][1]);
        expect_origin(cases[i][0], true, cases[i][1]);
    }
}

static void only_urls_have_something_behind(void **state)
{
    static const char *const urls[] = { "https://example.org/", "https://example.org:443/a?b#c",
                                        "https://example.org?q=:1@x", "https://example.org#f" };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(urls); i++) {
        expect_origin(urls[i], true, "https://example.org");
        expect_origin(urls[i], false, NULL);
    }
}

static void addresses(void **state)
{
    static const char *const cases[][2] = {
        { "[::]", "[::]" },
        { "[::1]", "[::1]" },
        { "[1::]", "[1::]" },
        { "[2001:DB8::1]", "[2001:db8::1]" },
        { "[2001:db8:0:0:0:0:0:1]", "[2001:db8::1]" },
        { "[2001:0db8:0000:0000:0000:0000:0000:0001]", "[2001:db8::1]" },
        { "[1:0:0:2:0:0:0:3]", "[1:0:0:2::3]" },
        { "[1:0:0:2:0:0:3:4]", "[1::2:0:0:3:4]" },    /* the first of equals */
        { "[1:0:2:3:4:5:6:7]", "[1:0:2:3:4:5:6:7]" }, /* one group is not shortened */
        { "[1::2:3:4:5:6:7]", "[1:0:2:3:4:5:6:7]" },
        { "[0:0:1:2:3:4:5:6]", "[::1:2:3:4:5:6]" },
        { "[1:2:3:4:5:6:0:0]", "[1:2:3:4:5:6::]" },
        { "[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7:0]" },
        { "[::2:3:4:5:6:7:8]", "[0:2:3:4:5:6:7:8]" },
        { "[::ffff:192.0.2.1]", "[::ffff:c000:201]" },
        { "[1:2:3:4:5:6:255.255.255.255]", "[1:2:3:4:5:6:ffff:ffff]" },
        { "[64:ff9b::0.0.0.0]", "[64:ff9b::]" },
        { "[]", NULL },
        { "[", NULL },
        { "]", NULL },
        { "[:]", NULL },
        { "[:::]", NULL },
        { "[:1]", NULL },
        { "[1:]", NULL },
        { "[1::2:]", NULL },
        { "[1:::2]", NULL },
        { "[1::2::3]", NULL },
        { "[::1::]", NULL },
        { "[1:2:3:4:5:6:7]", NULL },
        { "[1:2:3:4:5:6:7:8:9]", NULL },
        { "[1:2:3:4:5:6:7:8::]", NULL },
        { "[1:2:3:4::5:6:7:8]", NULL },
        { "[12345::]", NULL },
        { "[g::]", NULL },
        { "[::1%25eth0]", NULL },
        { "[::1", NULL },
        { "::1", NULL },
        { "[::1]x", NULL },
        { "[::256.0.0.1]", NULL },
        { "[::1.2.3]", NULL },
        { "[::1.2.3.4.5]", NULL },
        { "[::01.2.3.4]", NULL },
        { "[::1.2.3.4:1]", NULL },
        { "[1:2:3:4:5:6:7:1.2.3.4]", NULL },
        { "[v1.fe]", NULL },
    };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        char text[80] = "https://";
        char wanted[80] = "https://";

        strcat(text, cases[i][0]);
        strcat(wanted, cases[i][1] != NULL ? cases[i][1] : "");
        expect_origin(text, false, cases[i][1] != NULL ? wanted : NULL);
        strcat(text, ":8443");
        strcat(wanted, ":8443");
        expect_origin(text, false, cases[i][1] != NULL ? wanted : NULL);
    }
}

/* A name of 255 octets with the longest port is the longest origin; one more is none. */
static void the_longest_host(void **state)
{
    char text[300] = "https://";
    struct origin origin;

    (void)state;
    memset(text + 8, 'A', 256);
    memcpy(text + 8 + 255, ":65535", 7);
    assert_true(parse(text, strlen(text), false, &origin));
    assert_int_equal(origin.len, ORIGIN_TEXT_MAX);
    memset(text + 8, 'A', 256);
    memcpy(text + 8 + 256, ":65535", 7);
    assert_false(parse(text, strlen(text), false, &origin));
}

/* Each octet in each place of a host: no other than these. */
static void each_octet_of_a_name(void **state)
{
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    (void)state;
    for (int octet = 0; octet < 256; octet++) {
        for (size_t at = 0; at < 3; at++) {
            char text[] = "https://xyz";
            bool wanted = octet != 0 && strchr(allowed, octet) != NULL;
            struct origin origin;

            if (octet == ':' && at == 2) {
                continue; /* an empty port */
            }
            text[8 + at] = (char)octet;
            assert_int_equal(parse(text, 11, false, &origin), wanted);
        }
    }
}

/* Every beginning and every text with one octet changed: an answer, and one that reads as itself. */
static void what_is_written_reads_back(void **state)
{
    static const char text[] = "https://[2001:db8:0:0::192.0.2.1]:8443/x";
    struct origin origin;
    struct origin again;

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        for (int octet = 0; octet < 256; octet++) {
            char changed[sizeof(text)];

            memcpy(changed, text, sizeof(text));
            if (len > 0) {
                changed[len - 1] = (char)octet;
            }
            if (parse(changed, len, true, &origin)) {
                assert_true(origin_parse(origin_text(&origin), &again));
                assert_true(origin_equal(&origin, &again));
            }
        }
    }
}

static void requests_and_hosts(void **state)
{
    halo_bytes https = HALO_LIT("https");
    halo_bytes http = HALO_LIT("http");
    struct origin a;
    struct origin b;

    (void)state;
    assert_true(origin_of_request(https, halo_str("Example.ORG:443"), &a));
    assert_true(origin_of_host(https, halo_str("example.org"), 443, &b));
    assert_true(origin_equal(&a, &b));
    assert_true(origin_of_host(https, halo_str("example.org"), 444, &b));
    assert_false(origin_equal(&a, &b));
    assert_true(origin_of_host(http, halo_str("example.org"), 443, &b));
    assert_false(origin_equal(&a, &b));
    assert_true(origin_of_request(https, halo_str("[2001:db8::1]:443"), &a));
    assert_true(origin_of_host(https, halo_str("2001:DB8::1"), 443, &b));
    assert_true(origin_equal(&a, &b));
    assert_true(origin_of_host(https, halo_str("[2001:db8::1]"), 443, &b));
    assert_true(origin_equal(&a, &b));
    assert_false(origin_of_host(https, halo_str("example.org"), 0, &b));
    assert_false(origin_of_host(https, halo_str("example.org"), 65536, &b));
    assert_false(origin_of_host(https, halo_str("example.org:443"), 443, &b));
    assert_false(origin_of_host(https, halo_str(""), 443, &b));
    assert_false(origin_of_request(halo_str(""), halo_str("example.org"), &b));
    assert_false(origin_of_request(https, halo_str(""), &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_names_and_ports),
        cmocka_unit_test(only_urls_have_something_behind),
        cmocka_unit_test(addresses),
        cmocka_unit_test(the_longest_host),
        cmocka_unit_test(each_octet_of_a_name),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(requests_and_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
