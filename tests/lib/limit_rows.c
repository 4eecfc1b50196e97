#include "limit_rows.h"

#include <stdio.h>
#include <stdlib.h>

struct limit_scenario {
    struct scenario scenario;
    const struct limit_row *row;
    bool changed;
    char name[96];
};

static const struct limit_scenario *scenario_of(const struct fake_peer *peer)
{
    return (const struct limit_scenario *)(const void *)peer->scenario;
}

/* What the session has sent since the beginning of a case. */
struct heard {
    bool goaway, reset;
    uint32_t goaway_code, reset_code;
};

static struct heard hear(struct fake_peer *peer)
{
    struct heard_frame frame;
    struct heard heard = { 0 };

    while (peer_next_frame(peer, &frame)) {
        if (frame.frame.type == T_GOAWAY) {
            heard.goaway = true;
            heard.goaway_code = load_u32(frame.payload + 4);
        } else if (frame.frame.type == T_RST_STREAM) {
            heard.reset = true;
            heard.reset_code = load_u32(frame.payload);
        }
    }
    return heard;
}

static void check(struct fake_peer *peer, uint8_t outcome, int code)
{
    bool stopped = halo_session_wants_recv(peer->session) == 0;
    struct heard heard = hear(peer);

    switch (outcome) {
    case ENDS:
        assert_true(heard.goaway);
        assert_int_equal(heard.goaway_code, code);
        assert_int_equal(peer->session->error.code, code);
        assert_true(halo_session_is_closed(peer->session));
        return;
    case RESETS:
        assert_true(heard.reset);
        assert_int_equal(heard.reset_code, code);
        break;
    case FAILS:
        assert_int_equal(peer->counter, code);
        assert_false(heard.reset);
        break;
    case STOPS:
        assert_true(stopped);
        break;
    default:
        assert_int_equal(peer->counter, 0);
        assert_false(stopped);
        assert_false(heard.reset);
    }
    assert_false(heard.goaway);
    assert_true(peer->session->state < SESSION_ENDING);
}

static void play(struct fake_peer *peer)
{
    const struct limit_scenario *scenario = scenario_of(peer);
    const struct limit_row *row = scenario->row;
    uint32_t limit = scenario->changed ? row->changed_limit : row->limit;

    for (uint32_t n = limit - 1; n <= limit + 1; n++) {
        bool beyond = n > limit;

        peer->counter = 0;
        row->reach(peer, n);
        check(peer, beyond ? row->beyond : row->within,
              beyond || row->code_within == 0 ? row->code : row->code_within);
        if (!beyond) {
            peer_restart(peer);
        }
    }
}

static void set_options(struct halo_session_options *options)
{
    const struct limit_scenario *scenario = scenario_of(options->user_data);

    if (scenario->row->prepare != NULL) {
        scenario->row->prepare(options);
    }
    if (scenario->changed) {
        scenario->row->change(options, scenario->row->value);
    }
}

int limit_rows_run(const char *name, const struct limit_row *rows, size_t count)
{
    struct limit_scenario *scenarios = calloc(2 * count, sizeof(*scenarios));
    struct CMUnitTest *tests = calloc(2 * count, sizeof(*tests));
    size_t used = 0;
    int failed;

    if (scenarios == NULL || tests == NULL) {
        free(scenarios);
        free(tests);
        return 1;
    }
    for (size_t i = 0; i < 2 * count; i++) {
        struct limit_scenario *made = &scenarios[used];

        if (i % 2 == 1 && rows[i / 2].change == NULL) {
            continue;
        }
        made->scenario =
            (struct scenario){ .run = play, .options = set_options, .role = rows[i / 2].role };
        made->row = &rows[i / 2];
        made->changed = i % 2 == 1;
        (void)snprintf(made->name, sizeof(made->name), "%s, %s, %s", made->row->name,
                       made->row->role == HALO_SERVER ? "server" : "client",
                       made->changed ? "changed" : "default");
        tests[used++] = (struct CMUnitTest){ made->name, scenario_test, NULL, NULL, made };
    }
    failed = _cmocka_run_group_tests(name, tests, used, NULL, NULL);
    free(scenarios);
    free(tests);
    return failed;
}
