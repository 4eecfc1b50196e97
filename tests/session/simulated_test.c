/* What the simulator (tests/sim) found, each as a short scenario. */
#include "fake_peer.h"

#include "core/proto/limits.h"

static void small_window(struct halo_session_options *options)
{
    options->settings.initial_window_size = 100;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
}

/* RFC 9113 6.9.1: an empty DATA frame with END_STREAM may be sent without any window, also when
 * our SETTINGS have made that negative. */
static void empty_end_in_negative_window(struct fake_peer *peer)
{
    struct halo_settings settings = { .initial_window_size = 10 };

    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 90);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, 0, 40);
    peer_go(peer);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_go(peer);
    put_settings_ack(&peer->in);
    put_data(&peer->in, 1, F_END_STREAM, 0);
    peer_go(peer);
    skip_log(peer);
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    expect_log(peer, "DATA 1 len=40 END\n");
    expect_alive(peer);
}

/* A header block in several frames of which nobody is told, again and again: that memory is counted
 * when the session is freed. */
static void long_blocks_without_an_event(struct fake_peer *peer)
{
    struct wire block = { 0 };

    fields(&block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_session_goaway(peer->session, HALO_NO_ERROR, 1, NULL, 0); /* later ones are ignored */
    for (uint32_t id = 3; id <= 9; id += 2) {
        put_frame(&peer->in, T_HEADERS, F_END_STREAM, id, block.data, 5);
        put_continuation(&peer->in, id, F_END_HEADERS, block.data + 5, block.len - 5);
    }
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
    expect_alive(peer);
    wire_free(&block);
}

/* A stream whose body waits for a paused application is closed on the wire when both sides have
 * ended: RFC 9113 5.1 allows no RST_STREAM then, not even a polite one. */
static void polite_reset_of_closed_stream(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, F_END_STREAM, 100);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    skip_log(peer);
    assert_int_equal(halo_stream_reset(peer_stream(peer, 1), HALO_NO_ERROR), 0);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "CLOSED 1\n");
}

/* Memory was out while frames were made, and polling finds it: all streams are told before the
 * session is. */
static void streams_end_before_their_session(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    skip_log(peer);
    peer->session->output.failed = true;
    peer_poll(peer);
    expect_log(peer, "CLOSED 1 NOMEM INTERNAL_ERROR origin=4 processed=0\n"
                     "CLOSED 3 NOMEM INTERNAL_ERROR origin=4 processed=0\n"
                     "SESSION_CLOSED NOMEM INTERNAL_ERROR origin=4 processed=0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_WITH(empty_end_in_negative_window, small_window),
        SERVER(long_blocks_without_an_event),
        SERVER(polite_reset_of_closed_stream),
        SERVER(streams_end_before_their_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
