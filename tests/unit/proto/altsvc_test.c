/* halo_altsvc_check(): the grammar of RFC 7838 section 3. Row F13 of Node's surface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/check.h>

#include "core/base/base.h"

static const char *const good[] = {
    "clear",
    "h2=\":8000\"",
    "h2=\"alt.example.com:8000\", h2=\":443\"",
    "h2=\"alt.example.com:443\"; ma=2592000;persist=1,h3-25=\":1\"\t;\tma=0",
    "w%3Dx%3Ay#z=\":8000\"",
    "x%25y=\":65535\"",
    "h2=\"[2001:db8::1]:443\"",
    "h2=\"192.0.2.1:443\"",
    "h2=\":1\"; v=\"a \\\" quote, and ; more\"; other=token",
    "h2=\":1\"; ma=\"60\"",
};

static const char *const bad[] = {
    "",
    "Clear",
    "clear, h2=\":1\"",
    "h2",
    "h2=",
    "h2=:443",
    "h2=\"443\"",
    "h2=\":\"",
    "h2=\":0\"",
    "h2=\":65536\"",
    "h2=\":100000\"",
    "h2=\"alt.example.com\"",
    "h2=\"alt example.com:1\"",
    "h2=\"user@example.com:1\"",
    "h2=\"2001:db8::1:443\"",
    "h2=\":1",
    "h2=\":1\\",
    "h2 =\":1\"",
    "h2= \":1\"",
    "h%2=\":1\"",
    "w%3d=\":1\"",
    "x%=\":1\"",
    "=\":1\"",
    "h2=\":1\",",
    "h2=\":1\",,h3=\":1\"",
    "h2=\":1\" h3=\":1\"",
    "h2=\":1\";",
    "h2=\":1\"; ma",
    "h2=\":1\"; ma=",
    "h2=\":1\"; ma=x",
    "h2=\":1\"; ma=\"\"",
    "h2=\":1\"; ma=-1",
    "h2=\":1\"; persist=0",
    "h2=\":1\"; x=\"a\x7f\"",
    "h2=\":1\"; x=\"a\nb\"",
    "h2=\":1\"; x=\"\xc3\xa4\"",
};

static void test_F13_session_altsvc_check(void **state)
{
    const char *reason;

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(good); i++) {
        if (halo_altsvc_check(halo_str(good[i]), &reason) != 0) {
            fail_msg("%s: %s", good[i], reason);
        }
        assert_string_equal(reason, "");
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        if (halo_altsvc_check(halo_str(bad[i]), &reason) != HALO_E_INVALID_HEADER_VALUE) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_true(strlen(reason) > 0);
    }
    assert_int_equal(halo_altsvc_check(halo_str("clear"), NULL), 0);
}

/* Nothing is read beyond the end, wherever that is. */
static void test_F13_session_altsvc_check_cut(void **state)
{
    static const char value[] = "h2=\"[2001:db8::1]:443\"; ma=\"60\\\"\"; persist=1, w%3D=\":8\"";

    (void)state;
    for (size_t len = 0; len < sizeof(value); len++) {
        char *cut = test_malloc(len);

        memcpy(cut, value, len);
        (void)halo_altsvc_check((halo_bytes){ cut, len }, NULL);
        test_free(cut);
    }
    assert_int_equal(halo_altsvc_check((halo_bytes){ value, 4 }, NULL),
                     HALO_E_INVALID_HEADER_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F13_session_altsvc_check),
        cmocka_unit_test(test_F13_session_altsvc_check_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
