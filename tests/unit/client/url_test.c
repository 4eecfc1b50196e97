/* URLs: what is read, and what is refused. */
#include "client_fixture.h"

struct good {
    const char *text;
    const char *scheme;
    const char *authority;
    const char *host;
    unsigned port;
    const char *path;
};

static void equal(halo_bytes actual, const char *expected, const char *text, const char *what)
{
    if (halo_bytes_equal(actual, halo_str(expected)) == 0) {
        fail_msg("%s of %s is '%.*s', not '%s'", what, text, (int)actual.len, actual.data,
                 expected);
    }
}

static void test_url_good(void **state)
{
    static const struct good table[] = {
        { "http://a", "http", "a", "a", 80, "/" },
        { "https://a", "https", "a", "a", 443, "/" },
        { "HTTPS://Example.ORG/A", "https", "Example.ORG", "Example.ORG", 443, "/A" },
        { "http://a:8080/x?y=1#z", "http", "a:8080", "a", 8080, "/x?y=1" },
        { "http://a:/x", "http", "a", "a", 80, "/x" },
        { "http://a:80", "http", "a:80", "a", 80, "/" },
        { "http://a:65535", "http", "a:65535", "a", 65535, "/" },
        { "http://a:00080", "http", "a:00080", "a", 80, "/" },
        { "http://a#z", "http", "a", "a", 80, "/" },
        { "http://a?q", "http", "a", "a", 80, "?q" },
        { "http://a?q=/", "http", "a", "a", 80, "?q=/" },
        { "http://a/?", "http", "a", "a", 80, "/?" },
        { "http://127.0.0.1:1/", "http", "127.0.0.1:1", "127.0.0.1", 1, "/" },
        { "http://[::1]/", "http", "[::1]", "::1", 80, "/" },
        { "http://[2001:db8::1]:8443/p", "http", "[2001:db8::1]:8443", "2001:db8::1", 8443, "/p" },
        { "http://[::ffff:1.2.3.4]", "http", "[::ffff:1.2.3.4]", "::ffff:1.2.3.4", 80, "/" },
        { "http://user:pass@host:1/", "http", "host:1", "host", 1, "/" },
        { "http://a@b@host/", "http", "host", "host", 80, "/" },
        { "http://host/@x", "http", "host", "host", 80, "/@x" },
        { "http://a.b-c_d~e.f./", "http", "a.b-c_d~e.f.", "a.b-c_d~e.f.", 80, "/" },
        { "http://1.2.3.4.example/", "http", "1.2.3.4.example", "1.2.3.4.example", 80, "/" },
        { "http://xn--bcher-kva.example/", "http", "xn--bcher-kva.example", "xn--bcher-kva.example",
          80, "/" },
        { "http://a/%20%00b", "http", "a", "a", 80, "/%20%00b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct good *good = &table[i];
        struct halo_url url;

        if (halo_url_parse(&url, good->text) != 0) {
            fail_msg("%s is refused", good->text);
        }
        equal(url.scheme, good->scheme, good->text, "scheme");
        equal(url.authority, good->authority, good->text, "authority");
        equal(url.host, good->host, good->text, "host");
        equal(url.path, good->path, good->text, "path");
        assert_int_equal(url.port, good->port);
    }
}

struct bad {
    int status;
    const char *text;
};

static void test_url_bad(void **state)
{
    static const struct bad table[] = {
        { HALO_E_UNSUPPORTED_PROTOCOL, "" },
        { HALO_E_UNSUPPORTED_PROTOCOL, "example.org" },
        { HALO_E_UNSUPPORTED_PROTOCOL, "ftp://a/" },
        { HALO_E_UNSUPPORTED_PROTOCOL, "http:/a" },
        { HALO_E_UNSUPPORTED_PROTOCOL, "https:a" },
        { HALO_E_UNSUPPORTED_PROTOCOL, " http://a" },
        { HALO_E_UNSUPPORTED_PROTOCOL, "httpx://a" },
        { HALO_E_BAD_AUTHORITY, "http://" },
        { HALO_E_BAD_AUTHORITY, "http:///x" },
        { HALO_E_BAD_AUTHORITY, "http://:80/" },
        { HALO_E_BAD_AUTHORITY, "http://user@/" },
        { HALO_E_BAD_AUTHORITY, "http://a:0/" },
        { HALO_E_BAD_AUTHORITY, "http://a:65536/" },
        { HALO_E_BAD_AUTHORITY, "http://a:99999999999/" },
        { HALO_E_BAD_AUTHORITY, "http://a:8a/" },
        { HALO_E_BAD_AUTHORITY, "http://a:+80/" },
        { HALO_E_BAD_AUTHORITY, "http://a:80:80/" },
        { HALO_E_BAD_AUTHORITY, "http://::1/" },
        { HALO_E_BAD_AUTHORITY, "http://[::1/" },
        { HALO_E_BAD_AUTHORITY, "http://[]/" },
        { HALO_E_BAD_AUTHORITY, "http://[::1]x/" },
        { HALO_E_BAD_AUTHORITY, "http://[::1]80/" },
        { HALO_E_BAD_AUTHORITY, "http://[1.2.3.4]/" },
        { HALO_E_BAD_AUTHORITY, "http://[fe80::1%25eth0]/" },
        { HALO_E_BAD_AUTHORITY, "http://[v1.x]/" },
        { HALO_E_BAD_AUTHORITY, "http://a..b/" },
        { HALO_E_BAD_AUTHORITY, "http://.a/" },
        { HALO_E_BAD_AUTHORITY, "http://./" },
        { HALO_E_BAD_AUTHORITY, "http://a%41/" },
        { HALO_E_BAD_AUTHORITY, "http://a\\b/" },
        { HALO_E_BAD_AUTHORITY, "http://a,b/" },
        { HALO_E_BAD_AUTHORITY, "http://1.2.3/" },
        { HALO_E_BAD_AUTHORITY, "http://1.2.3.4.5/" },
        { HALO_E_BAD_AUTHORITY, "http://256.1.1.1/" },
        { HALO_E_BAD_AUTHORITY, "http://2130706433/" },
        { HALO_E_BAD_AUTHORITY, "http://127.0.0.0x1/" },
        { HALO_E_BAD_AUTHORITY, "http://127.0.0.1./" },
        { HALO_E_INVALID_ARGUMENT, "http://a/b c" },
        { HALO_E_INVALID_ARGUMENT, "http://a b/" },
        { HALO_E_INVALID_ARGUMENT, "http://a/\t" },
        { HALO_E_INVALID_ARGUMENT, "http://a/\r\nx: y" },
        { HALO_E_INVALID_ARGUMENT, "http://a/\x7f" },
        { HALO_E_INVALID_ARGUMENT, "http://b\xc3\xbc/" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct halo_url url;
        int status = halo_url_parse(&url, table[i].text);

        if (status != table[i].status) {
            fail_msg("'%s': %s, not %s", table[i].text, halo_status_name(status),
                     halo_status_name(table[i].status));
        }
    }
}

/* Names have at most 253 octets, labels 63. */
static void test_url_lengths(void **state)
{
    char text[512] = "http://";
    struct halo_url url;

    (void)state;
    memset(text + 7, 'a', 63);
    assert_int_equal(halo_url_parse(&url, text), 0);
    memset(text + 7, 'a', 64);
    assert_int_equal(halo_url_parse(&url, text), HALO_E_BAD_AUTHORITY);
    for (size_t i = 0; i < 253; i++) {
        text[7 + i] = i % 64 == 63 ? '.' : 'a';
    }
    assert_int_equal(halo_url_parse(&url, text), 0);
    assert_int_equal(url.host.len, 253);
    text[7 + 253] = 'a';
    assert_int_equal(halo_url_parse(&url, text), HALO_E_BAD_AUTHORITY);
    text[7 + 253] = '.';
    assert_int_equal(halo_url_parse(&url, text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_good),
        cmocka_unit_test(test_url_bad),
        cmocka_unit_test(test_url_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
