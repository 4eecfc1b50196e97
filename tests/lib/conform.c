#include "conform.h"

#include <stdlib.h>

#include "core/base/base.h"

/* ---- parts of cases -------------------------------------------------------------------- */

void put_request_block(struct wire *block)
{
    fields(block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "example.org",
           NULL);
}

void put_get_with(struct wire *wire, uint32_t id, const char *name, const char *value)
{
    put_fields(wire, id, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "example.org", name, value, NULL);
}

void expect_opening(struct fake_peer *peer)
{
    struct heard_frame heard;

    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_SETTINGS);
    assert_int_equal(heard.frame.flags, 0);
    assert_int_equal(heard.frame.stream_id, 0);
    expect_settings_ack(peer);
}

void expect_answer(struct fake_peer *peer, uint32_t id)
{
    expect_headers(peer, id, F_END_STREAM, ":status: 200\n");
}

/* ---- playing --------------------------------------------------------------------------- */

static const struct conform_case *case_of(const struct fake_peer *peer)
{
    return (const struct conform_case *)(const void *)peer->scenario;
}

const void *conform_data(const struct fake_peer *peer)
{
    return case_of(peer)->data;
}

static void begin(struct fake_peer *peer, const struct conform_case *played)
{
    peer->app = played->answers ? app_respond : NULL;
    if (played->before == NOTHING) {
        return;
    }
    peer_open(peer);
    if (peer->scenario->role == HALO_CLIENT) {
        peer_request(peer, played->before == POSTED ? "POST" : "GET",
                     played->before == POSTED ? 0 : HALO_END_STREAM);
    } else if (played->before == POSTED) {
        put_post(&peer->in, 1);
    }
    peer_go(peer);
    skip_output(peer);
    skip_log(peer);
}

/* Nothing of the session's output that is left is an error. */
static void check_accepted(struct fake_peer *peer)
{
    struct heard_frame heard;

    while (peer_next_frame(peer, &heard)) {
        if (heard.frame.type == T_RST_STREAM || heard.frame.type == T_GOAWAY) {
            print_error("%s where no error is due\n", frame_type_name(heard.frame.type));
            fail();
        }
    }
    expect_alive(peer);
}

void conform_play(struct fake_peer *peer)
{
    const struct conform_case *played = case_of(peer);

    assert_true(played->halo >= played->rfc); /* never less than the RFC asks for */
    begin(peer, played);
    played->play(peer);
    peer_go(peer);
    switch (played->halo) {
    case STREAM_ERROR_:
        expect_rst(peer, played->stream_id, played->code);
        expect_nothing(peer);
        expect_alive(peer);
        break;
    case CONNECTION_ERROR_:
        if (played->reset_first != 0) {
            expect_rst(peer, played->reset_first, played->code);
        }
        expect_dead(peer, played->code);
        /* What comes afterwards changes nothing. */
        put_ping(&peer->in, 0, "too late");
        peer_go(peer);
        expect_nothing(peer);
        expect_log(peer, "");
        break;
    default:
        check_accepted(peer);
        break;
    }
}

int conform_run(const struct conform_group *group)
{
    struct CMUnitTest *tests = calloc(group->count, sizeof(*tests));
    int failed;

    assert_non_null(tests);
    for (size_t i = 0; i < group->count; i++) {
        tests[i].name = group->cases[i].name;
        tests[i].test_func = scenario_test;
        tests[i].initial_state = (void *)(uintptr_t)&group->cases[i].scenario;
    }
    failed = _cmocka_run_group_tests(group->name, tests, group->count, NULL, NULL);
    free(tests);
    return failed;
}
