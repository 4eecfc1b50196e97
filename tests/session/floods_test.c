/* What a peer may do without use: each budget at its limit and one beyond, and what gives it back. */
#include "fake_peer.h"

#include "core/proto/limits.h"

/* Sends `put` so many times; every answer is read, so that only the budget counts. */
static void repeat(struct fake_peer *peer, void (*put)(struct wire *wire), int times)
{
    for (int i = 0; i < times; i++) {
        put(&peer->in);
        if (i % 50 == 49) {
            peer_go(peer);
        }
    }
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
}

static void expect_still_alive(struct fake_peer *peer)
{
    assert_false(halo_session_is_closed(peer->session));
}

static void one_ping(struct wire *wire)
{
    put_ping(wire, 0, "flooding");
}

static void ping_flood(struct fake_peer *peer)
{
    peer_open(peer);
    repeat(peer, one_ping, LIMIT_PINGS);
    expect_still_alive(peer);
    peer_wait(peer, 1000);
    repeat(peer, one_ping, LIMIT_PINGS_PER_SECOND);
    expect_still_alive(peer);
    one_ping(&peer->in);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

static void one_settings(struct wire *wire)
{
    put_settings(wire, 0);
}

static void settings_flood(struct fake_peer *peer)
{
    peer_open(peer); /* one */
    repeat(peer, one_settings, LIMIT_SETTINGS - 1);
    expect_still_alive(peer);
    peer_wait(peer, 2000);
    repeat(peer, one_settings, 2 * LIMIT_SETTINGS_PER_SECOND);
    expect_still_alive(peer);
    one_settings(&peer->in);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

static void one_unknown(struct wire *wire)
{
    put_frame(wire, 0x42, 0, 0, "?", 1);
}

static void glitch_flood(struct fake_peer *peer)
{
    peer_open(peer);
    repeat(peer, one_unknown, LIMIT_GLITCHES);
    expect_still_alive(peer);
    peer_wait(peer, 1000);
    repeat(peer, one_unknown, LIMIT_GLITCHES_PER_SECOND);
    expect_still_alive(peer);
    one_unknown(&peer->in);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

static void one_empty_data(struct wire *wire)
{
    put_data(wire, 1, 0, 0);
}

static void one_padded_data(struct wire *wire)
{
    put_data_padded(wire, 1, 0, 0, 255);
}

static void empty_data_flood(struct fake_peer *peer)
{
    for (int padded = 0; padded < 2; padded++) {
        peer_open(peer);
        put_post(&peer->in, 1);
        repeat(peer, padded ? one_padded_data : one_empty_data, LIMIT_EMPTY_FRAMES);
        expect_still_alive(peer);
        one_empty_data(&peer->in);
        peer_go(peer);
        expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        peer_restart(peer);
    }
}

static void one_window_update(struct wire *wire)
{
    put_window_update(wire, 0, 1);
}

static void window_update_flood(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    repeat(peer, one_window_update, 5 + 2 + LIMIT_WINDOW_UPDATES_SLACK);
    expect_still_alive(peer);
    one_window_update(&peer->in);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* Whoever is sent DATA may say more. */
static void window_updates_for_data(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0);
    for (int i = 0; i < 50; i++) {
        halo_stream_write(peer_stream(peer, 1), "x", 1, 0);
    }
    repeat(peer, one_window_update, 5 + 2 * (1 + 10 * 50) + LIMIT_WINDOW_UPDATES_SLACK);
    expect_still_alive(peer);
    one_window_update(&peer->in);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* ---- resets --------------------------------------------------------------------------------------------- */

/* A2.1: requests that are reset at once. */
static void rapid_reset(struct fake_peer *peer)
{
    uint32_t id = 1;

    peer_open(peer);
    for (int i = 0; i < LIMIT_RESETS; i++, id += 2) {
        put_get(&peer->in, id);
        put_rst_stream(&peer->in, id, HALO_CANCEL);
    }
    peer_go(peer);
    skip_log(peer);
    expect_still_alive(peer);
    peer_wait(peer, 1000);
    for (int i = 0; i < LIMIT_RESETS_PER_SECOND; i++, id += 2) {
        put_get(&peer->in, id);
        put_rst_stream(&peer->in, id, HALO_CANCEL);
    }
    peer_go(peer);
    skip_log(peer);
    expect_still_alive(peer);
    put_get(&peer->in, id);
    put_rst_stream(&peer->in, id, HALO_CANCEL);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* A client that cancels half of its requests and takes the others never sees the limit. */
static void app_respond_odd(struct fake_peer *peer, const struct halo_event *event)
{
    (void)peer;
    if (event->type == HALO_EVENT_REQUEST && event->stream_id % 4 == 1) {
        halo_stream_respond(event->stream, 200, NULL, HALO_END_STREAM);
    }
}

static void honest_cancelling(struct fake_peer *peer)
{
    peer->app = app_respond_odd;
    peer_open(peer);
    for (uint32_t id = 1; id < 2400; id += 2) {
        put_get(&peer->in, id);
        if (id % 4 == 3) {
            put_rst_stream(&peer->in, id, HALO_CANCEL);
        }
        if (id % 100 == 99) {
            peer_go(peer);
        }
    }
    peer_go(peer);
    expect_still_alive(peer);
    expect_alive(peer);
}

static void put_bad_request(struct wire *wire, uint32_t id)
{
    put_fields(wire, id, F_END_STREAM, ":method", "GET", "UPPER", "x", NULL);
}

/* A1.4: malformed requests make us send resets. */
static void faults_flood(struct fake_peer *peer)
{
    uint32_t id = 1;

    peer_open(peer);
    for (int i = 0; i < LIMIT_FAULTS; i++, id += 2) {
        put_bad_request(&peer->in, id);
    }
    peer_go(peer);
    for (uint32_t reset = 1; reset < id; reset += 2) {
        expect_rst(peer, reset, HALO_PROTOCOL_ERROR);
    }
    expect_still_alive(peer);
    peer_wait(peer, 100); /* no refill by time */
    put_bad_request(&peer->in, id);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

static void one_stream(struct halo_session_options *options)
{
    options->settings.max_concurrent_streams = 1;
}

static void refused_flood(struct fake_peer *peer)
{
    uint32_t id = 3;

    peer_open(peer);
    put_post(&peer->in, 1);
    for (int i = 0; i < LIMIT_REFUSED_STREAMS; i++, id += 2) {
        put_get(&peer->in, id);
        if (i % 30 == 0) {
            peer_go(peer);
        }
    }
    peer_go(peer);
    skip_output(peer);
    expect_still_alive(peer);
    put_get(&peer->in, id);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* A2.3, MadeYouReset: whatever would make us reset a stream of a request that runs costs the connection. */
static void made_you_reset(struct fake_peer *peer)
{
    for (int primitive = 0; primitive < 6; primitive++) {
        static const uint32_t codes[] = { HALO_PROTOCOL_ERROR, HALO_FRAME_SIZE_ERROR,
                                          HALO_PROTOCOL_ERROR, HALO_FLOW_CONTROL_ERROR,
                                          HALO_STREAM_CLOSED,  HALO_STREAM_CLOSED };

        peer_open(peer);
        put_get(&peer->in, 1);
        switch (primitive) {
        case 0:
            put_window_update(&peer->in, 1, 0);
            break;
        case 1:
            put_frame(&peer->in, T_PRIORITY, 0, 1, "\0\0\0\0", 4);
            break;
        case 2:
            put_priority(&peer->in, 1, 1, 0);
            break;
        case 3:
            put_window_update(&peer->in, 1, 0x7fffffff);
            break;
        case 4:
            put_fields(&peer->in, 1, F_END_STREAM, "x", "y", NULL);
            break;
        default:
            put_data(&peer->in, 1, 0, 1);
            break;
        }
        peer_go(peer);
        expect_dead(peer, codes[primitive]);
        peer_restart(peer);
    }
}

/* ---- answers that are not read ---------------------------------------------------------------------------- */

static void no_ping_limit(struct halo_session_options *options)
{
    options->limits.pings = 100000;
}

/* Feeds without pulling. */
static void feed_unread(struct fake_peer *peer)
{
    assert_int_equal(halo_session_recv(peer->session, peer->in.data, peer->in.len, peer->now_ns),
                     0);
    peer_poll(peer);
    peer->in.len = 0;
}

static void unread_answers_stop_reading(struct fake_peer *peer)
{
    struct iovec iov[4];

    peer_open(peer);
    for (int i = 0; i < LIMIT_QUEUED_REPLIES; i++) {
        assert_int_equal(halo_session_wants_recv(peer->session), 1);
        one_ping(&peer->in);
        feed_unread(peer);
    }
    assert_int_equal(halo_session_wants_recv(peer->session), 0);
    /* What is read is done with, also while other output goes on behind it. */
    assert_int_equal(halo_session_ping(peer->session, NULL), 0);
    assert_true(halo_session_pull(peer->session, iov, 4, 64 * 17) > 0);
    halo_session_sent(peer->session, 64 * 17 - 1);
    assert_int_equal(halo_session_wants_recv(peer->session), 0);
    halo_session_sent(peer->session, 1);
    assert_int_equal(halo_session_wants_recv(peer->session), 1);
}

static void unread_answers_end_the_connection(struct fake_peer *peer)
{
    peer_open(peer);
    for (int i = 0; i < LIMIT_QUEUED_REPLIES_HARD; i++) {
        one_ping(&peer->in);
    }
    feed_unread(peer);
    expect_still_alive(peer);
    one_ping(&peer->in);
    feed_unread(peer);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(ping_flood),
        CLIENT(ping_flood),
        SERVER(settings_flood),
        SERVER(glitch_flood),
        SERVER(empty_data_flood),
        SERVER(window_update_flood),
        SERVER(window_updates_for_data),
        SERVER(rapid_reset),
        SERVER(honest_cancelling),
        SERVER(faults_flood),
        SERVER_WITH(refused_flood, one_stream),
        SERVER(made_you_reset),
        SERVER_WITH(unread_answers_stop_reading, no_ping_limit),
        SERVER_WITH(unread_answers_end_the_connection, no_ping_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
