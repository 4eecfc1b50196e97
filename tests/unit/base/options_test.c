/* Structs of options, of callers that know fewer or more members, and ones never initialized. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <halo/halo.h>

#include "core/base/options.h"

struct options {
    size_t struct_size;
    uint32_t first;
    uint32_t second;
};

static const struct options defaults = { .struct_size = 77, .first = 1, .second = 2 };

static void filling_stays_within_the_callers_struct(void **state)
{
    struct {
        struct options known;
        uint32_t newer;
        uint32_t behind;
    } caller;

    (void)state;
    memset(&caller, 0xff, sizeof(caller));
    options_fill(&caller, offsetof(struct options, second), &defaults, sizeof(defaults));
    assert_int_equal(caller.known.first, 1);
    assert_int_equal(caller.known.second, UINT32_MAX);
    options_fill(&caller, sizeof(struct options) + 4, &defaults, sizeof(defaults));
    assert_int_equal(caller.known.second, 2);
    assert_int_equal(caller.newer, 0);
    assert_int_equal(caller.behind, UINT32_MAX);
}

static void taking_keeps_what_the_caller_does_not_know(void **state)
{
    struct options caller = { .first = 8, .second = 9 };
    struct options all = defaults;

    (void)state;
    assert_int_equal(options_take(&all, sizeof(all), &caller), HALO_E_INVALID_ARGUMENT);
    assert_memory_equal(&all, &defaults, sizeof(all));
    caller.struct_size = offsetof(struct options, second);
    assert_int_equal(options_take(&all, sizeof(all), &caller), 0);
    assert_int_equal(all.first, 8);
    assert_int_equal(all.second, 2);
    caller.struct_size = sizeof(all) + 100; /* newer: what we do not know is not read */
    assert_int_equal(options_take(&all, sizeof(all), &caller), 0);
    assert_int_equal(all.second, 9);
}

/* Callbacks set in a struct that *_init never saw must not be lost in silence. */
static void options_that_were_not_initialized_are_refused(void **state)
{
    struct halo_server_options server_options = { .workers = 0 };
    struct halo_client_options client_options = { .url = "http://127.0.0.1:1" };
    struct halo_session_options session_options = { .role = HALO_SERVER };
    struct halo_memory_bound bound;
    halo_session *session;
    halo_server *server;
    halo_client *client;
    halo_loop *loop;

    (void)state;
    assert_int_equal(halo_session_new(&session, &session_options, 0), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_session_memory_bound(&session_options, &bound), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_loop_new(&loop, NULL), 0);
    assert_int_equal(halo_server_new(&server, loop, &server_options), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_client_connect(&client, loop, &client_options), HALO_E_INVALID_ARGUMENT);
    halo_server_options_init(&server_options);
    server_options.session = session_options;
    assert_int_equal(halo_server_new(&server, loop, &server_options), HALO_E_INVALID_ARGUMENT);
    halo_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filling_stays_within_the_callers_struct),
        cmocka_unit_test(taking_keeps_what_the_caller_does_not_know),
        cmocka_unit_test(options_that_were_not_initialized_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
