/* The command line of halo-serve: what is understood, and that every mistake is explained. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/serve_options.h"

enum { ARGUMENTS_MAX = 160 };

static struct serve_options options;
static char error[512];

/* Splits at blanks. */
static enum serve_options_result parse(const char *line)
{
    static char text[4096];
    char *argv[ARGUMENTS_MAX];
    int argc = 0;

    assert_true(strlen(line) < sizeof(text));
    strcpy(text, line);
    for (char *at = strtok(text, " "); at != NULL; at = strtok(NULL, " ")) {
        argv[argc++] = at;
    }
    error[0] = '\0';
    return serve_options_parse(&options, argc, argv, error, sizeof(error));
}

static void check_wrong(const char *line, const char *part)
{
    if (parse(line) != SERVE_OPTIONS_WRONG || strstr(error, part) == NULL) {
        fail_msg("%s: \"%s\" does not say \"%s\"", line, error, part);
    }
}

static void test_serve_options_all(void **state)
{
    (void)state;
    assert_int_equal(parse("serve --root dir --listen 127.0.0.1:0"), SERVE_OPTIONS_OK);
    assert_string_equal(options.root, "dir");
    assert_int_equal(options.num_listeners, 1);
    assert_string_equal(options.listeners[0].address, "127.0.0.1:0");
    assert_false(options.listeners[0].tls);
    assert_int_equal(options.workers, 1);
    assert_int_equal(options.max_streams, 0);
    assert_false(options.quiet);
    assert_false(options.balance);

    assert_int_equal(parse("serve --quiet --workers 4 --max-streams=1000 --balance --listen :1 "
                           "--listen=[::1]:2 --root=/a=b"),
                     SERVE_OPTIONS_OK);
    assert_string_equal(options.root, "/a=b");
    assert_int_equal(options.num_listeners, 2);
    assert_string_equal(options.listeners[1].address, "[::1]:2");
    assert_int_equal(options.workers, 4);
    assert_int_equal(options.max_streams, 1000);
    assert_true(options.quiet);
    assert_true(options.balance);

    assert_int_equal(options.zero_copy_min, 0);

    assert_int_equal(parse("serve --root d --listen :1 --zero-copy 16384"), SERVE_OPTIONS_OK);
    assert_int_equal(options.zero_copy_min, 16384);
    assert_int_equal(parse("serve --root d --listen :1 --zero-copy=131072"), SERVE_OPTIONS_OK);
    assert_int_equal(options.zero_copy_min, 131072);
    assert_int_equal(parse("serve --help"), SERVE_OPTIONS_HELP);
    assert_int_equal(parse("serve -h"), SERVE_OPTIONS_HELP);
    assert_int_equal(parse("serve --version"), SERVE_OPTIONS_VERSION);
}

static void check_pair(uint32_t listener, const char *certificate, const char *key)
{
    assert_true(options.listeners[listener].tls);
    assert_string_equal(options.listeners[listener].certificate, certificate);
    assert_string_equal(options.listeners[listener].key, key);
}

static void test_serve_options_certificates(void **state)
{
    (void)state;
    assert_int_equal(parse("serve --root d --listen-tls :1 --cert c --key k"), SERVE_OPTIONS_OK);
    check_pair(0, "c", "k");
    /* Before it, too. */
    assert_int_equal(parse("serve --cert c --key k --root d --listen-tls :1 --listen-tls :2"),
                     SERVE_OPTIONS_OK);
    check_pair(0, "c", "k");
    check_pair(1, "c", "k");
    /* Each its own; others in between do not matter. */
    assert_int_equal(parse("serve --root d --listen-tls :1 --cert c1 --key k1 --listen-tls :2 "
                           "--listen :3 --key k2 --cert c2"),
                     SERVE_OPTIONS_OK);
    check_pair(0, "c1", "k1");
    check_pair(1, "c2", "k2");
    assert_false(options.listeners[2].tls);
    /* Those without have the first. */
    assert_int_equal(parse("serve --root d --listen-tls :1 --listen-tls :2 --cert c --key k "
                           "--listen-tls :3 --cert c3 --key k3 --listen-tls :4"),
                     SERVE_OPTIONS_OK);
    check_pair(0, "c", "k");
    check_pair(1, "c", "k");
    check_pair(2, "c3", "k3");
    check_pair(3, "c", "k");

    check_wrong("serve --root d --listen-tls :1", "--listen-tls :1 has no certificate: add --cert");
    check_wrong("serve --root d --listen-tls :1 --cert c", "has no private key: add --key");
    check_wrong("serve --root d --listen-tls :1 --key k", "has no certificate");
    /* Half a pair is not completed with another's half. */
    check_wrong("serve --root d --cert c --key k --listen-tls :1 --cert c1", "no private key");
    check_wrong("serve --root d --listen-tls :1 --cert c --cert d --key k", "given already as c");
    check_wrong("serve --root d --listen :1 --cert c --key k", "are for --listen-tls");
}

static void test_serve_options_mistakes(void **state)
{
    static char many[ARGUMENTS_MAX * 16];

    (void)state;
    check_wrong("serve", "--root DIR");
    check_wrong("serve --root d", "--listen 127.0.0.1:8080");
    check_wrong("serve --listen :1", "--root DIR");
    check_wrong("serve --root", "--root needs a value");
    check_wrong("serve --root --listen :1", "--root needs a value");
    check_wrong("serve --root= --listen :1", "--root needs a value");
    check_wrong("serve --root a --root b --listen :1", "given twice");
    check_wrong("serve --root d --listen", "--listen needs a value");
    check_wrong("serve --root d --listen :1 --workers", "--workers needs a value");
    check_wrong("serve --root d --listen :1 --workers 0", "from 1 to 1024");
    check_wrong("serve --root d --listen :1 --workers 1025", "from 1 to 1024");
    check_wrong("serve --root d --listen :1 --workers -1", "from 1 to 1024");
    check_wrong("serve --root d --listen :1 --workers 4x", "from 1 to 1024");
    check_wrong("serve --root d --listen :1 --workers=", "needs a value");
    check_wrong("serve --root d --listen :1 --max-streams many", "--max-streams must be a number");
    check_wrong("serve --root d --listen :1 --max-streams 99999999999999999999", "from 1 to");
    check_wrong("serve --root d --listen :1 --zero-copy 16383", "from 16384 to 131072");
    check_wrong("serve --root d --listen :1 --zero-copy 131073", "from 16384 to 131072");
    check_wrong("serve --root d --listen :1 --quiet=yes", "--quiet takes no value");
    check_wrong("serve --root d --listen :1 --port 80", "unknown option --port");
    check_wrong("serve --root d --listen :1 -v", "unknown option -v");
    check_wrong("serve --root d --listen :1 public", "\"public\"");
    strcpy(many, "serve --root d");
    for (int i = 0; i <= SERVE_LISTENERS_MAX; i++) {
        strcat(many, " --listen :1");
    }
    check_wrong(many, "too many addresses");
    /* An error text that does not fit is cut. */
    memset(many, 'x', sizeof(many) - 1);
    memcpy(many, "serve --", 8);
    check_wrong(many, "unknown option");
    assert_int_equal(strlen(error), sizeof(error) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_options_all),
        cmocka_unit_test(test_serve_options_certificates),
        cmocka_unit_test(test_serve_options_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
