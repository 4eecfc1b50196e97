/* Constants by name, beside Node's own where it is installed; the errors of Node's codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halo/constants.h>
#include <halo/error.h>
#include <halo/names.h>
#include <halo/session.h>

static void expect_number(const char *name, int64_t number)
{
    struct halo_constant constant;

    if (halo_constant_by_name(name, &constant) != 1) {
        fail_msg("no constant %s", name);
    }
    assert_null(constant.text.data);
    assert_int_equal(constant.number, number);
}

static void expect_text(const char *name, const char *text)
{
    struct halo_constant constant;

    if (halo_constant_by_name(name, &constant) != 1 || constant.text.data == NULL) {
        fail_msg("no constant %s", name);
    }
    assert_int_equal(constant.text.len, strlen(text));
    assert_memory_equal(constant.text.data, text, constant.text.len);
}

static void test_M08_Q01_Q02_Q03_Q04_Q05_Q06_Q07_Q11_session_numbers(void **state)
{
    struct halo_constant constant;

    (void)state;
    expect_number("NGHTTP2_NO_ERROR", 0);
    expect_number("NGHTTP2_REFUSED_STREAM", 7);
    expect_number("NGHTTP2_SETTINGS_TIMEOUT", 4);
    expect_number("NGHTTP2_HTTP_1_1_REQUIRED", 13);
    expect_number("NGHTTP2_SESSION_CLIENT", 1);
    expect_number("PADDING_STRATEGY_MAX", 2);
    expect_number("PADDING_STRATEGY_CALLBACK", 1);
    expect_number("NGHTTP2_STREAM_STATE_CLOSED", 7);
    expect_number("NGHTTP2_FLAG_PRIORITY", 0x20);
    expect_number("NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL", 8);
    expect_number("NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES", 9);
    expect_number("MAX_MAX_FRAME_SIZE", 16777215);
    expect_number("MIN_MAX_FRAME_SIZE", 16384);
    expect_number("MAX_INITIAL_WINDOW_SIZE", 2147483647);
    expect_number("NGHTTP2_DEFAULT_WEIGHT", 16);
    expect_number("NGHTTP2_HCAT_HEADERS", 3);
    assert_int_equal(halo_constant_by_name("NGHTTP2_NO_SUCH", &constant), 0);
    assert_int_equal(halo_constant_by_name("HTTP_STATUS_", &constant), 0);
    assert_int_equal(halo_constant_by_name("", &constant), 0);
}

static void test_Q08_Q09_Q10_session_names_methods_statuses(void **state)
{
    (void)state;
    expect_text("HTTP2_HEADER_ACCEPT", "accept");
    expect_text("HTTP2_HEADER_STATUS", ":status");
    expect_text("HTTP2_METHOD_GET", "GET");
    expect_text("HTTP2_METHOD_VERSION_CONTROL", "VERSION-CONTROL");
    expect_number("HTTP_STATUS_OK", 200);
    expect_number("HTTP_STATUS_NETWORK_AUTHENTICATION_REQUIRED", 511);
    assert_string_equal(halo_http_status_text(404), "Not Found");
    assert_null(halo_http_status_text(299));
    assert_int_equal(halo_method_find(halo_str("PATCH")), HALO_METHOD_PATCH);
    assert_int_equal(halo_method_find(halo_str("patch")), HALO_METHOD_UNKNOWN);
    assert_int_equal(halo_method_find(halo_str("")), HALO_METHOD_UNKNOWN);
    assert_int_equal(halo_method_text(HALO_METHOD_COUNT).len, 0);
    assert_int_equal(HALO_METHOD_COUNT - 1, 39);
}

/* Every constant of the Node that is installed, "name number" or "name=text" a line. */
static void test_M08_Q01_Q08_Q09_Q10_session_constants_of_node(void **state)
{
    FILE *node = popen("node -e \"const c=require('http2').constants;for(const k in c)"
                       "console.log(typeof c[k]=='number'?k+' '+c[k]:k+'='+c[k])\" 2>/dev/null",
                       "r");
    char line[200];
    size_t count = 0;

    (void)state;
    assert_non_null(node);
    while (fgets(line, sizeof(line), node) != NULL) {
        size_t name_len = strcspn(line, " =");
        char kind = line[name_len];
        char *value = line + name_len + 1;

        line[name_len] = '\0';
        value[strcspn(value, "\n")] = '\0';
        /* Codes of the library that Node is built on, not of HTTP. */
        if (strncmp(line, "NGHTTP2_ERR_", 12) == 0 || strncmp(line, "NGHTTP2_NV_", 11) == 0) {
            continue;
        }
        count++;
        if (kind == ' ') {
            expect_number(line, strtoll(value, NULL, 10));
        } else {
            expect_text(line, value);
        }
    }
    if (pclose(node) != 0 || count == 0) {
        skip();
    }
    assert_true(count > 200);
}

/* The reason phrases of http.STATUS_CODES, which HTTP/1.1 sends, too. */
static void test_Q10_session_phrases_of_node(void **state)
{
    FILE *node = popen("node -e \"const c=require('http').STATUS_CODES;for(const k in c)"
                       "console.log(k+' '+c[k])\" 2>/dev/null",
                       "r");
    char line[200];
    size_t count = 0;

    (void)state;
    assert_non_null(node);
    while (fgets(line, sizeof(line), node) != NULL) {
        const char *phrase = halo_http_status_text(atoi(line));

        line[strcspn(line, "\n")] = '\0';
        assert_non_null(phrase);
        assert_string_equal(phrase, line + 4);
        count++;
    }
    if (pclose(node) != 0 || count == 0) {
        skip();
    }
    assert_true(count > 60);
}

static void test_X06_X07_M07_session_each_code_of_node_has_an_error(void **state)
{
    static const int errors[] = {
        HALO_E_ALTSVC_INVALID_ORIGIN,
        HALO_E_ALTSVC_LENGTH,
        HALO_E_CONNECT_AUTHORITY,
        HALO_E_CONNECT_PATH,
        HALO_E_CONNECT_SCHEME,
        HALO_E_PROTOCOL, /* ERR_HTTP2_ERROR */
        HALO_E_GOAWAY_SESSION,
        HALO_E_HEADERS_AFTER_RESPOND,
        HALO_E_HEADERS_SENT,
        HALO_E_HEADER_SINGLE_VALUE,
        HALO_E_INFO_STATUS_NOT_ALLOWED,
        HALO_E_INVALID_CONNECTION_HEADERS,
        HALO_E_INVALID_HEADER_VALUE,
        HALO_E_INVALID_INFO_STATUS,
        HALO_E_INVALID_ORIGIN,
        HALO_E_PACKED_SETTINGS_LENGTH,
        HALO_E_INVALID_PSEUDOHEADER,
        HALO_E_INVALID_SESSION,
        HALO_E_INVALID_SETTING_VALUE,
        HALO_E_INVALID_STREAM,
        HALO_E_MAX_PENDING_SETTINGS_ACK,
        HALO_E_NESTED_PUSH,
        HALO_E_NOMEM,
        HALO_E_NO_SOCKET_MANIPULATION,
        HALO_E_ORIGIN_LENGTH,
        HALO_E_OUT_OF_STREAMS,
        HALO_E_PAYLOAD_FORBIDDEN,
        HALO_E_PING_CANCEL,
        HALO_E_PING_LENGTH,
        HALO_E_PSEUDOHEADER_NOT_ALLOWED,
        HALO_E_PUSH_DISABLED,
        HALO_E_SEND_FILE,
        HALO_E_SEND_FILE_NOSEEK,
        HALO_E_SESSION_ERROR,
        HALO_E_SETTINGS_CANCEL,
        HALO_E_SOCKET_BOUND,
        HALO_E_SOCKET_UNBOUND,
        HALO_E_STATUS_101,
        HALO_E_STATUS_INVALID,
        HALO_E_STREAM_CANCEL,
        HALO_E_STREAM_ERROR,
        HALO_E_STREAM_SELF_DEPENDENCY,
        HALO_E_TOO_MANY_CUSTOM_SETTINGS,
        HALO_E_TOO_MANY_INVALID_FRAMES,
        HALO_E_TRAILERS_ALREADY_SENT,
        HALO_E_TRAILERS_NOT_READY,
        HALO_E_UNSUPPORTED_PROTOCOL,
        HALO_E_WRITE_AFTER_END,
        HALO_E_CANCELLED,          /* AbortError */
        HALO_E_INVALID_ARGUMENT,   /* ERR_INVALID_ARG_TYPE */
        HALO_E_INVALID_HEADER_NAME /* TypeError */
    };
    size_t count = sizeof(errors) / sizeof(errors[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_true(errors[i] < 0);
        assert_string_not_equal(halo_status_name(errors[i]), "HALO_E_UNKNOWN");
        assert_string_not_equal(halo_status_text(errors[i]), "unknown error");
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(errors[i], errors[j]);
        }
    }
}

static void test_X08_X09_session_code_names(void **state)
{
    (void)state;
    assert_string_equal(halo_code_name(0), "NO_ERROR");
    assert_string_equal(halo_code_name(0xd), "HTTP_1_1_REQUIRED");
    assert_string_equal(halo_code_name(0xe), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_M08_Q01_Q02_Q03_Q04_Q05_Q06_Q07_Q11_session_numbers),
        cmocka_unit_test(test_Q08_Q09_Q10_session_names_methods_statuses),
        cmocka_unit_test(test_M08_Q01_Q08_Q09_Q10_session_constants_of_node),
        cmocka_unit_test(test_Q10_session_phrases_of_node),
        cmocka_unit_test(test_X06_X07_M07_session_each_code_of_node_has_an_error),
        cmocka_unit_test(test_X08_X09_session_code_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
