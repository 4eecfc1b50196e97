/* What request paths mean to halo-serve, and above all what they must never mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/serve_path.h"
#include "server/serve_types.h"

struct good {
    const char *request;
    const char *text;
    bool is_directory;
    const char *query;
};

struct bad {
    const char *request;
    int status;
};

static void test_serve_path_good(void **state)
{
    static const struct good cases[] = {
        { "/", "", true, "" },
        { "/a", "a", false, "" },
        { "/a/", "a", true, "" },
        { "/a/b.html", "a/b.html", false, "" },
        { "//a///b//", "a/b", true, "" },
        { "/a?x=1", "a", false, "?x=1" },
        { "/?", "", true, "?" },
        { "/a/?x=/../y", "a", true, "?x=/../y" },
        { "/a%20b", "a b", false, "" },
        { "/%41%6a%6A", "Ajj", false, "" },
        { "/%3f%23%25", "?#%", false, "" },
        { "/a..b/c.", "a..b/c.", false, "" },
        { "/caf%C3%A9", "caf\xc3\xa9", false, "" },
        { "/caf\xc3\xa9", "caf\xc3\xa9", false, "" },
        { "/.well-known/acme-challenge/x", ".well-known/acme-challenge/x", false, "" },
        { "/.well-known", ".well-known", false, "" },
        { "//.well-known/", ".well-known", true, "" },
        { "/a:b;c=d&e@f", "a:b;c=d&e@f", false, "" },
    };
    struct serve_path path;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct good *good = &cases[i];

        assert_int_equal(serve_path_parse(&path, halo_str(good->request)), 0);
        assert_string_equal(path.text, good->text);
        assert_int_equal(path.len, strlen(good->text));
        assert_int_equal(path.is_directory, good->is_directory);
        assert_int_equal(path.query.len, strlen(good->query));
        assert_memory_equal(path.query.data != NULL ? path.query.data : "", good->query,
                            path.query.len);
    }
}

static void test_serve_path_traversal_is_refused(void **state)
{
    static const struct bad cases[] = {
        { "", 400 },
        { "*", 400 },
        { "a", 400 },
        { "http://a/b", 400 },
        { "/..", 404 },
        { "/../", 404 },
        { "/../etc/passwd", 404 },
        { "/a/../b", 404 },
        { "/a/..", 404 },
        { "/a/../..", 404 },
        { "/./a", 404 },
        { "/a/.", 404 },
        { "/a/./b", 404 },
        { "/%2e%2e/etc/passwd", 404 },
        { "/%2E%2E/", 404 },
        { "/.%2e/x", 404 },
        { "/%2e./x", 404 },
        { "/..%2fetc/passwd", 404 },
        { "/..%2Fetc", 404 },
        { "/a%2fb", 404 },
        { "/a%2f..%2f..%2fb", 404 },
        { "/..\\etc", 404 },
        { "/a\\..\\b", 404 },
        { "/%5c..%5cetc", 404 },
        { "/a%5Cb", 404 },
        { "//../x", 404 },
        { "/...", 404 },
        { "/.git/config", 404 },
        { "/a/.htaccess", 404 },
        { "/.well-known2", 404 },
        { "/.well-known%2f..", 404 },
        { "/.well-known/..", 404 },
        { "/.well-known/.hidden", 404 },
        { "/a/.well-known", 404 },
        { "/%00", 400 },
        { "/a%00.html", 400 },
        { "/a%0ab", 400 },
        { "/a%7f", 400 },
        { "/a\x01", 400 },
        { "/%", 400 },
        { "/%4", 400 },
        { "/%zz", 400 },
        { "/%4g", 400 },
        { "/a%", 400 },
        { "/%%34%31", 400 },
        /* Decoded once, not twice: the file is called "%2e%2e". */
        { "/%252e%252e/x", 0 },
        { "/a%252fb", 0 },
    };
    struct serve_path path;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = serve_path_parse(&path, halo_str(cases[i].request));

        if (status != cases[i].status) {
            fail_msg("%s: %d, not %d", cases[i].request, status, cases[i].status);
        }
    }
}

/* Whatever octets come, what is let through stays beneath the root. */
static void test_serve_path_random_octets(void **state)
{
    static const char alphabet[] = "/.%2eE5cCfFab0\\?\x7f\x80";
    static const char *const forbidden[] = { "//", "/.", "\\" };
    struct serve_path path;
    char request[24];
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 300000; round++) {
        size_t len = 0;

        request[len++] = '/';
        seed = seed * 1103515245 + 12345;
        for (unsigned left = seed >> 16 & 15; left > 0; left--) {
            seed = seed * 1103515245 + 12345;
            request[len++] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
        }
        if (serve_path_parse(&path, (halo_bytes){ request, len }) != 0) {
            continue;
        }
        assert_int_equal(strlen(path.text), path.len);
        assert_true(path.text[0] != '/' && path.text[0] != '.');
        for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
            assert_null(strstr(path.text, forbidden[i]));
        }
        assert_true(path.len == 0 || path.text[path.len - 1] != '/');
    }
}

static void test_serve_path_length(void **state)
{
    static char request[3 * SERVE_PATH_MAX + 8];
    static struct serve_path path;

    (void)state;
    memset(request, 'a', sizeof(request));
    request[0] = '/';
    assert_int_equal(serve_path_parse(&path, (halo_bytes){ request, SERVE_PATH_MAX + 1 }), 0);
    assert_int_equal(path.len, SERVE_PATH_MAX);
    assert_false(serve_path_add_index(&path));
    assert_int_equal(serve_path_parse(&path, (halo_bytes){ request, SERVE_PATH_MAX + 2 }), 414);
    request[SERVE_PATH_MAX + 1] = '/';
    assert_int_equal(serve_path_parse(&path, (halo_bytes){ request, SERVE_PATH_MAX + 3 }), 414);
    assert_int_equal(serve_path_parse(&path, (halo_bytes){ request, SERVE_PATH_MAX - 10 }), 0);
    assert_true(serve_path_add_index(&path));
    assert_int_equal(path.len, SERVE_PATH_MAX);
}

static void test_serve_path_index(void **state)
{
    struct serve_path path;

    (void)state;
    assert_int_equal(serve_path_parse(&path, halo_str("/")), 0);
    assert_true(serve_path_add_index(&path));
    assert_string_equal(path.text, "index.html");
    assert_int_equal(serve_path_parse(&path, halo_str("/a/b/")), 0);
    assert_true(serve_path_add_index(&path));
    assert_string_equal(path.text, "a/b/index.html");
    assert_int_equal(path.len, strlen(path.text));
}

static void test_serve_path_location(void **state)
{
    static const struct {
        const char *request;
        const char *location;
    } cases[] = {
        { "/a", "/a/" },
        { "/a/b?x=%20", "/a/b/?x=%20" },
        /* A browser takes "//host" for another host. */
        { "//example.org", "/example.org/" },
        { "///example.org/%2525", "/example.org/%2525/" },
        { "/a%20b%22", "/a%20b%22/" },
        { "/caf\xc3\xa9", "/caf%C3%A9/" },
        { "/", "/" },
    };
    struct serve_path path;
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len;

        assert_int_equal(serve_path_parse(&path, halo_str(cases[i].request)), 0);
        len = serve_path_location(&path, out, sizeof(out));
        assert_int_equal(len, strlen(cases[i].location));
        assert_memory_equal(out, cases[i].location, len);
    }
    assert_int_equal(serve_path_parse(&path, halo_str("/abc?query")), 0);
    assert_int_equal(serve_path_location(&path, out, 10), 0);
}

static void test_serve_content_types(void **state)
{
    static const struct {
        const char *path;
        const char *type;
    } cases[] = {
        { "index.html", "text/html; charset=utf-8" },
        { "a/b/INDEX.HTM", "text/html; charset=utf-8" },
        { "a.css", "text/css; charset=utf-8" },
        { "a.js", "text/javascript; charset=utf-8" },
        { "a.json", "application/json" },
        { "a.min.js.map", "application/json" },
        { "a.svg", "image/svg+xml" },
        { "a.Png", "image/png" },
        { "a.woff2", "font/woff2" },
        { "a.wasm", "application/wasm" },
        { "a.3gp", "video/3gpp" },
        { "a.zst", "application/zstd" },
        { "a.txt", "text/plain; charset=utf-8" },
        { "a.tar.gz", "application/gzip" },
        { "a", "application/octet-stream" },
        { "a.", "application/octet-stream" },
        { "html", "application/octet-stream" },
        { ".html", "application/octet-stream" },
        { "a.html/b", "application/octet-stream" },
        { "a.unknown", "application/octet-stream" },
        { "a.averyveryverylongextension", "application/octet-stream" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        halo_bytes type = serve_content_type(cases[i].path);

        assert_int_equal(type.len, strlen(cases[i].type));
        assert_memory_equal(type.data, cases[i].type, type.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_path_good),
        cmocka_unit_test(test_serve_path_traversal_is_refused),
        cmocka_unit_test(test_serve_path_random_octets),
        cmocka_unit_test(test_serve_path_length),
        cmocka_unit_test(test_serve_path_index),
        cmocka_unit_test(test_serve_path_location),
        cmocka_unit_test(test_serve_content_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
