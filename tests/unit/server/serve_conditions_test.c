/* Dates, conditional requests, ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/serve_conditions.h"
#include "server/serve_date.h"
#include "server/serve_log.h"

/* ---- dates --------------------------------------------------------------------------------- */

static const int64_t EXAMPLE = 784111777; /* the date of RFC 9110 section 5.6.7 */
static const int64_t NOW = 1700000000;

static void check_date(int64_t seconds, const char *expected)
{
    char text[SERVE_DATE_LEN + 1] = "";

    serve_date_format(text, seconds);
    assert_string_equal(text, expected);
}

static void test_serve_date_format(void **state)
{
    char text[SERVE_LOG_DATE_LEN + 1] = "";

    (void)state;
    check_date(EXAMPLE, "Sun, 06 Nov 1994 08:49:37 GMT");
    check_date(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_date(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    check_date(4102444799, "Thu, 31 Dec 2099 23:59:59 GMT");
    check_date(4107542400, "Mon, 01 Mar 2100 00:00:00 GMT");
    check_date(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
    serve_date_format_log(text, EXAMPLE);
    assert_string_equal(text, "06/Nov/1994:08:49:37 +0000");
}

/* The C library's calendar agrees, and what was written can be read. */
static void test_serve_date_against_the_library(void **state)
{
    (void)state;
    for (int64_t seconds = -30000000000; seconds < 200000000000; seconds += 86399 * 37) {
        char ours[SERVE_DATE_LEN + 1] = "";
        char theirs[64];
        time_t time = (time_t)seconds;
        struct tm broken;
        int64_t back = 1;

        serve_date_format(ours, seconds);
        strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&time, &broken));
        assert_string_equal(ours, theirs);
        assert_true(serve_date_parse(halo_str(ours), NOW, &back));
        assert_true(back == seconds);
    }
}

static void test_serve_date_parse(void **state)
{
    static const char *const good[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    static const char *const bad[] = {
        "",
        "Sun",
        "Sun,",
        "yesterday",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 2023 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "784111777",
    };
    int64_t seconds = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(serve_date_parse(halo_str(good[i]), NOW, &seconds));
        assert_true(seconds == EXAMPLE);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (serve_date_parse(halo_str(bad[i]), NOW, &seconds)) {
            fail_msg("\"%s\" was taken for a date", bad[i]);
        }
    }
    assert_false(serve_date_parse((halo_bytes){ NULL, 0 }, NOW, &seconds));
    /* Two digits: not more than 50 years ahead (now is 2023). */
    assert_true(serve_date_parse(halo_str("Sunday, 06-Nov-73 08:49:37 GMT"), NOW, &seconds));
    assert_true(seconds > NOW);
    assert_true(serve_date_parse(halo_str("Sunday, 06-Nov-74 08:49:37 GMT"), NOW, &seconds));
    assert_true(seconds < NOW);
    /* A leap second. */
    assert_true(serve_date_parse(halo_str("Sat, 31 Dec 2016 23:59:60 GMT"), NOW, &seconds));
    assert_true(seconds == 1483228800);
}

/* ---- conditions ---------------------------------------------------------------------------- */

static const struct serve_validators validators = {
    .etag = HALO_LIT("\"abc\""),
    .modified = 784111777,
    .now = 1700000000,
};

static int none_match(const char *list)
{
    struct serve_conditions conditions = { .if_none_match = halo_str(list) };

    return serve_conditions_check(&conditions, &validators);
}

static int match(const char *list)
{
    struct serve_conditions conditions = { .if_match = halo_str(list) };

    return serve_conditions_check(&conditions, &validators);
}

static void test_serve_conditions_etags(void **state)
{
    (void)state;
    assert_int_equal(none_match("\"abc\""), 304);
    assert_int_equal(none_match("W/\"abc\""), 304);
    assert_int_equal(none_match("*"), 304);
    assert_int_equal(none_match("\"x\", \"abc\""), 304);
    assert_int_equal(none_match("\"x\",\"abc\",\"y\""), 304);
    assert_int_equal(none_match("W/\"x\" ,\tW/\"abc\""), 304);
    assert_int_equal(none_match("\"x\""), 0);
    assert_int_equal(none_match("\"ABC\""), 0);
    assert_int_equal(none_match("abc"), 0);
    assert_int_equal(none_match("\"abc"), 0);
    assert_int_equal(none_match("\"abcd\""), 0);
    assert_int_equal(none_match("\"a,\"abc\""), 0);
    assert_int_equal(none_match("W/"), 0);
    assert_int_equal(none_match("\""), 0);
    assert_int_equal(none_match(""), 0);
    assert_int_equal(none_match(","), 0);

    assert_int_equal(match("\"abc\""), 0);
    assert_int_equal(match("*"), 0);
    assert_int_equal(match("W/\"abc\""), 412); /* weak ones never match strongly */
    assert_int_equal(match("\"x\""), 412);
    assert_int_equal(match(""), 412);
}

static void test_serve_conditions_dates(void **state)
{
    struct serve_conditions conditions = { 0 };

    (void)state;
    assert_int_equal(serve_conditions_check(&conditions, &validators), 0);
    conditions.if_modified_since = halo_str("Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(serve_conditions_check(&conditions, &validators), 304);
    conditions.if_modified_since = halo_str("Sun, 06 Nov 1994 08:49:38 GMT");
    assert_int_equal(serve_conditions_check(&conditions, &validators), 304);
    conditions.if_modified_since = halo_str("Sun, 06 Nov 1994 08:49:36 GMT");
    assert_int_equal(serve_conditions_check(&conditions, &validators), 0);
    conditions.if_modified_since = halo_str("not a date");
    assert_int_equal(serve_conditions_check(&conditions, &validators), 0);
    /* If-None-Match makes it meaningless. */
    conditions.if_modified_since = halo_str("Sun, 06 Nov 1994 08:49:37 GMT");
    conditions.if_none_match = halo_str("\"x\"");
    assert_int_equal(serve_conditions_check(&conditions, &validators), 0);

    conditions = (struct serve_conditions){ 0 };
    conditions.if_unmodified_since = halo_str("Sun, 06 Nov 1994 08:49:36 GMT");
    assert_int_equal(serve_conditions_check(&conditions, &validators), 412);
    conditions.if_unmodified_since = halo_str("Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(serve_conditions_check(&conditions, &validators), 0);
    conditions.if_unmodified_since = halo_str("?");
    assert_int_equal(serve_conditions_check(&conditions, &validators), 0);
    /* If-Match makes it meaningless. */
    conditions.if_unmodified_since = halo_str("Sun, 06 Nov 1994 08:49:36 GMT");
    conditions.if_match = halo_str("\"abc\"");
    assert_int_equal(serve_conditions_check(&conditions, &validators), 0);
}

/* ---- ranges -------------------------------------------------------------------------------- */

static void check_range(const char *text, uint64_t size, enum serve_range_result expected,
                        uint64_t first, uint64_t length)
{
    struct serve_conditions conditions = { .range = halo_str(text) };
    uint64_t got_first = 0;
    uint64_t got_length = 0;
    enum serve_range_result result =
        serve_range(&conditions, &validators, size, &got_first, &got_length);

    if (result != expected || got_first != first || got_length != length) {
        fail_msg("%s of %llu: %d %llu %llu", text, (unsigned long long)size, (int)result,
                 (unsigned long long)got_first, (unsigned long long)got_length);
    }
}

static void test_serve_ranges(void **state)
{
    (void)state;
    check_range("bytes=0-0", 10, SERVE_RANGE_ONE, 0, 1);
    check_range("bytes=0-9", 10, SERVE_RANGE_ONE, 0, 10);
    check_range("bytes=0-10", 10, SERVE_RANGE_ONE, 0, 10);
    check_range("bytes=9-", 10, SERVE_RANGE_ONE, 9, 1);
    check_range("bytes=2-5", 10, SERVE_RANGE_ONE, 2, 4);
    check_range("BYTES=2-5", 10, SERVE_RANGE_ONE, 2, 4);
    check_range("bytes= 2-5 ", 10, SERVE_RANGE_ONE, 2, 4);
    check_range("bytes=-3", 10, SERVE_RANGE_ONE, 7, 3);
    check_range("bytes=-10", 10, SERVE_RANGE_ONE, 0, 10);
    check_range("bytes=-11", 10, SERVE_RANGE_ONE, 0, 10);
    check_range("bytes=0-99999999999999999999999", 10, SERVE_RANGE_ONE, 0, 10);
    check_range("bytes=-99999999999999999999999", 10, SERVE_RANGE_ONE, 0, 10);
    check_range("bytes=5000000000-5000000001", 6000000000, SERVE_RANGE_ONE, 5000000000, 2);

    check_range("bytes=10-", 10, SERVE_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=10-20", 10, SERVE_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=99999999999999999999999-", 10, SERVE_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=-0", 10, SERVE_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=0-", 0, SERVE_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=-1", 0, SERVE_RANGE_UNSATISFIABLE, 0, 0);

    check_range("bytes=5-2", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("bytes=0-1,3-4", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("bytes=-", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("bytes=", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("bytes", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("bytes=a-b", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("bytes=1-b", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("bytes=0x1-2", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("bytes=--5", 10, SERVE_RANGE_NONE, 0, 0);
    check_range("lines=1-2", 10, SERVE_RANGE_NONE, 0, 0);
}

static void check_if_range(const char *text, enum serve_range_result expected)
{
    struct serve_conditions conditions = {
        .range = HALO_LIT("bytes=0-0"),
        .if_range = halo_str(text),
    };
    uint64_t first;
    uint64_t length;

    assert_int_equal(serve_range(&conditions, &validators, 10, &first, &length), expected);
}

static void test_serve_if_range(void **state)
{
    (void)state;
    check_if_range("\"abc\"", SERVE_RANGE_ONE);
    check_if_range("\"abd\"", SERVE_RANGE_NONE);
    check_if_range("W/\"abc\"", SERVE_RANGE_NONE);
    check_if_range("Sun, 06 Nov 1994 08:49:37 GMT", SERVE_RANGE_ONE);
    check_if_range("Sun, 06 Nov 1994 08:49:38 GMT", SERVE_RANGE_NONE);
    check_if_range("Sun, 06 Nov 1994 08:49:36 GMT", SERVE_RANGE_NONE);
    check_if_range("nonsense", SERVE_RANGE_NONE);
    check_if_range("", SERVE_RANGE_NONE);
}

/* ---- log lines ----------------------------------------------------------------------------- */

static void test_serve_log_lines(void **state)
{
    struct serve_log_entry entry = {
        .address = "127.0.0.1:50412",
        .start_ns = 1000000,
        .status = 200,
        .method = HALO_LIT("GET"),
        .path = HALO_LIT("/a\"b\\c\x01\xff?q"),
    };
    static char longest[5000];
    char line[SERVE_LOG_LINE_MAX + 1];
    size_t len;

    (void)state;
    len = serve_log_format(line, &entry, EXAMPLE, 13345678, 42);
    line[len] = '\0';
    assert_string_equal(line, "127.0.0.1:50412 [06/Nov/1994:08:49:37 +0000] "
                              "\"GET /a\\x22b\\x5cc\\x01\\xff?q\" 200 42 12.345");
    /* The longest of everything, all to be escaped, has room. */
    memset(longest, '"', sizeof(longest) - 1);
    entry = (struct serve_log_entry){
        .address = longest,
        .status = INT32_MIN,
        .method = { longest, sizeof(longest) - 1 },
        .path = { longest, sizeof(longest) - 1 },
    };
    len = serve_log_format(line, &entry, EXAMPLE, UINT64_MAX, UINT64_MAX);
    assert_true(len < SERVE_LOG_LINE_MAX);
    line[len] = '\0';
    assert_non_null(strstr(line, "..."));
    entry =
        (struct serve_log_entry){ .address = "", .method = HALO_LIT("M"), .path = HALO_LIT("*") };
    len = serve_log_format(line, &entry, 0, 0, 0);
    line[len] = '\0';
    assert_string_equal(line, "- [01/Jan/1970:00:00:00 +0000] \"M *\" 0 0 0.000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_date_format),
        cmocka_unit_test(test_serve_date_against_the_library),
        cmocka_unit_test(test_serve_date_parse),
        cmocka_unit_test(test_serve_conditions_etags),
        cmocka_unit_test(test_serve_conditions_dates),
        cmocka_unit_test(test_serve_ranges),
        cmocka_unit_test(test_serve_if_range),
        cmocka_unit_test(test_serve_log_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
