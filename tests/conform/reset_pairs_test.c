/*
 * HEADERS and RST_STREAM in one segment, 100,000 times on one connection: whatever the application
 * does with the request, nothing is left of it, and memory does not grow.
 */
#include "play.h"

#include "core/base/base.h"

enum { PAIRS = 100000 };

static void allow_resets(struct halo_session_options *options)
{
    options->limits.resets = UINT32_MAX;
}

/* Answers in all ways: not at all, with headers, with a body that is queued, by a reset of its own,
 * by a pause. */
static void answer_in_turn(struct play *play, const struct halo_event *event)
{
    static const char body[5000];
    uint32_t *turn = play->ctx;

    if (event->type != HALO_EVENT_REQUEST) {
        return;
    }
    switch ((*turn)++ % 5) {
    case 0:
        break;
    case 1:
        assert_int_equal(halo_stream_respond(event->stream, 200, NULL, HALO_END_STREAM), 0);
        break;
    case 2:
        assert_int_equal(halo_stream_respond(event->stream, 200, NULL, 0), 0);
        assert_int_equal(halo_stream_write(event->stream, body, sizeof(body), HALO_END_STREAM), 0);
        break;
    case 3:
        assert_int_equal(halo_stream_reset(event->stream, HALO_CANCEL), 0);
        break;
    default:
        halo_stream_pause(event->stream);
        break;
    }
}

/* Events without the limit on numbers that check_event() has. */
static void poll_pairs(struct play *play)
{
    struct halo_event event;

    while (halo_session_poll(play->session, &event) != 0) {
        play->made += event.type == HALO_EVENT_REQUEST;
        play->closed += event.type == HALO_EVENT_STREAM_CLOSED;
        assert_int_not_equal(event.type, HALO_EVENT_SESSION_CLOSED);
        answer_in_turn(play, &event);
    }
}

static void play_pairs(uint32_t per_segment, unsigned flags)
{
    struct wire in = { 0 };
    struct play play;
    uint32_t turn = 0;
    size_t settled = 0;

    play_begin(&play, HALO_SERVER, allow_resets);
    play_open(&play);
    play.ctx = &turn;
    for (uint32_t pair = 0; pair < PAIRS; pair += per_segment) {
        in.len = 0;
        for (uint32_t i = 0; i < per_segment; i++) {
            put_fields(&in, 2 * (pair + i) + 1, flags, ":method", "POST", ":scheme", "https",
                       ":path", "/", ":authority", "example.org", NULL);
            put_rst_stream(&in, 2 * (pair + i) + 1, HALO_CANCEL);
        }
        assert_int_equal(halo_session_recv(play.session, in.data, in.len, play.now_ns), 0);
        poll_pairs(&play);
        play_pull(&play);
        poll_pairs(&play);
        play.out.len = 0;
        assert_int_equal(play.session->open_remote, 0);
        assert_int_equal(play.session->store.count, 0);
        assert_int_equal(play.session->memory.overhead, 0);
        settled = pair <= 2000 ? play.memory.octets : settled;
        assert_true(play.memory.octets <= settled);
    }
    assert_int_equal(play.made, PAIRS);
    assert_int_equal(play.closed, PAIRS);
    assert_int_equal(play.session->receive.available, play.session->receive.size);
    play_end(&play, NULL);
    play_free(&play);
    wire_free(&in);
}

static void test_C22_headers_and_reset_in_one_segment(void **unused)
{
    (void)unused;
    play_pairs(1, F_END_STREAM);
    play_pairs(1, 0);
    play_pairs(100, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C22_headers_and_reset_in_one_segment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
