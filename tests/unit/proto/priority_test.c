/* The value of the field `priority`: RFC 9218 section 4, in the syntax of RFC 8941. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <halo/error.h>
#include <halo/priority.h>

/* Reads the text from memory of its own size. */
static int parse(struct halo_priority *priority, const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    int status;

    assert_non_null(copy);
    memcpy(copy + 1, text, len);
    status = halo_priority_parse(priority, (halo_bytes){ copy + 1, len });
    free(copy);
    return status;
}

static void values(void **state)
{
    static const struct {
        const char *text;
        uint8_t urgency; /* before: 3, and not incremental */
        uint8_t incremental;
    } cases[] = {
        { "", 3, 0 },
        { "   ", 3, 0 },
        { "u=0", 0, 0 },
        { "u=7", 7, 0 },
        { "i", 3, 1 },
        { "i=?1", 3, 1 },
        { "i=?0", 3, 0 },
        { "u=5, i", 5, 1 },
        { "i,u=5", 5, 1 },
        { "  u=5\t,\t i  ", 5, 1 },
        { "u=1,u=2", 2, 0 }, /* the last counts */
        { "u=1,u=9", 3, 0 }, /* also when it means nothing */
        { "i, i=?0", 3, 0 },
        { "u=8", 3, 0 }, /* out of range: ignored */
        { "u=-1, i", 3, 1 },
        { "u=999999999999999, i", 3, 1 },
        { "u=-0", 0, 0 },
        { "u=007", 7, 0 },
        { "u=1.0, i", 3, 1 }, /* wrong types: ignored */
        { "u=123456789012.123", 3, 0 },
        { "u, i=1", 3, 0 },
        { "u=\"1\", i=yes", 3, 0 },
        { "u=:AQ==:, i", 3, 1 },
        { "u=::", 3, 0 },
        { "u=(1), i=(?1 ?0)", 3, 0 },
        { "u=(), i", 3, 1 },
        { "u=(  1  2;a=1;b \"x\";c=?0 tok );d, i", 3, 1 },
        { "u=1;a;b=2; c=\"x\";d=:Zg==:;*e=1.5;f=*t/k:n, i;x=?1", 1, 1 },
        { "a, b=1, *c=?0, d-e_f.g*=\"\\\"\\\\\", u=2", 2, 0 }, /* unknown members */
        { "u1=5, ui, U_is_no_key_but_this_is=1, i", 3, 1 },
        { "i;q=9, u=6", 6, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct halo_priority priority = { .urgency = 3 };
        int expected = strstr(cases[i].text, "U_is") != NULL ? HALO_E_INVALID_ARGUMENT : 0;

        assert_int_equal(parse(&priority, cases[i].text, strlen(cases[i].text)), expected);
        if (expected == 0) {
            assert_int_equal(priority.urgency, cases[i].urgency);
            assert_int_equal(priority.incremental, cases[i].incremental);
        }
    }
}

/* No dictionary: nothing of it counts, what stood before the fault neither. */
static void no_dictionaries(void **state)
{
    static const char *const texts[] = {
        "u=1,",
        "u=1, ",
        ",u=1",
        "u=1,,i",
        "u=",
        "u=1 i",
        "U=1",
        "=1",
        "u =1",
        "u= 1",
        "1",
        "\tu=1",
        "u=1\t",
        "u=--1",
        "u=-",
        "u=+1",
        "u=1.",
        "u=.5",
        "u=1.2345",
        "u=1.2.3",
        "u=1x",
        "u=1234567890123456",
        "u=1234567890123.1",
        "i=?",
        "i=?2",
        "i=?10",
        "i=true?x=\"",
        "a=\"",
        "a=\"\\",
        "a=\"\\n\"",
        "a=\"\x7f\"",
        "a=\"\xc3\xa9\"",
        "a=:",
        "a=:AQ",
        "a=:A Q:",
        "a=(",
        "a=(1",
        "a=(1,2)",
        "a=(1\"x\")",
        "a=(1 2",
        "a=(1;)",
        "u=1;",
        "u=1;A",
        "u=1;a=",
        "u=1 ;a",
        "u=1;a=()",
        "u=1\n",
        "u=1, \xff",
        "u=1, i=\x01",
        "a=@",
        "u=1, a=(()",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct halo_priority priority = { .urgency = 6, .incremental = 1 };
        bool tab_at_end =
            strcmp(texts[i], "u=1\t") == 0; /* blanks there are read as before a comma */

        assert_int_equal(parse(&priority, texts[i], strlen(texts[i])),
                         tab_at_end ? 0 : HALO_E_INVALID_ARGUMENT);
        if (!tab_at_end) {
            assert_int_equal(priority.urgency, 6);
            assert_int_equal(priority.incremental, 1);
        }
    }
}

static void zeros_are_no_end(void **state)
{
    struct halo_priority priority = { .urgency = 3 };

    (void)state;
    assert_int_equal(parse(&priority, "u=1\0", 4), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(parse(&priority, "a=b\0, u=1", 9), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_priority_parse(&priority, (halo_bytes){ NULL, 0 }), 0);
    assert_int_equal(priority.urgency, 3);
}

/* What is written is what is read, and the default is nothing. */
static void formats(void **state)
{
    static const char *const texts[8][2] = {
        { "u=0", "u=0, i" }, { "u=1", "u=1, i" }, { "u=2", "u=2, i" }, { "", "i" },
        { "u=4", "u=4, i" }, { "u=5", "u=5, i" }, { "u=6", "u=6, i" }, { "u=7", "u=7, i" },
    };

    (void)state;
    for (uint8_t urgency = 0; urgency < 9; urgency++) {
        for (uint8_t incremental = 0; incremental < 2; incremental++) {
            struct halo_priority priority = { urgency, incremental };
            struct halo_priority again = { .urgency = HALO_URGENCY_DEFAULT };
            const char *expected = texts[urgency < 7 ? urgency : 7][incremental];
            char text[HALO_PRIORITY_TEXT_MAX];
            size_t len = halo_priority_format(&priority, text);

            assert_int_equal(len, strlen(expected));
            assert_memory_equal(text, expected, len);
            assert_int_equal(parse(&again, text, len), 0);
            assert_int_equal(again.urgency, urgency < 7 ? urgency : 7);
            assert_int_equal(again.incremental, incremental);
        }
    }
}

/* Node: http2.constants. */
static void test_Q07_unit_weight_constants(void **state)
{
    (void)state;
    assert_int_equal(HALO_WEIGHT_DEFAULT, 16); /* NGHTTP2_DEFAULT_WEIGHT */
    assert_int_equal(HALO_WEIGHT_MIN, 1);
    assert_int_equal(HALO_WEIGHT_MAX, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(no_dictionaries),
        cmocka_unit_test(zeros_are_no_end),
        cmocka_unit_test(formats),
        cmocka_unit_test(test_Q07_unit_weight_constants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
