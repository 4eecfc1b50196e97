/* Receive windows: the traps that others fell into, what Node shows of windows, halo's own PINGs, batched credit. */
#include "fake_peer.h"

#include "core/proto/limits.h"

/* ---- traps ------------------------------------------------------------------------------------ */

/* Padding and its length octet are credited to both windows: on an open stream, one that is gone, on the error path. */
static void test_trap_T01_session_padding_is_credited(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open(peer);
    put_post(&peer->in, 1);
    for (int i = 0; i < 100; i++) {
        put_data_padded(&peer->in, 1, 0, 1, 255); /* 257 of the window, 1 of the body */
    }
    peer_go(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.octets_received, 100);
    for (int i = 0; i < 1000; i++) { /* many times the stream's window */
        put_data_padded(&peer->in, 1, 0, 1, 255);
    }
    peer_go(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_in_range(info.local_window, 65535 - 32767 - 257, 65535);
    halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
    for (int i = 0; i < 5000; i++) { /* the stream is gone: more than the connection's window */
        put_data_padded(&peer->in, 1, 0, 0, 255);
    }
    put_fields(&peer->in, 3, 0, ":method", "POST", ":scheme", "https", ":path", "/", ":authority",
               "a", "content-length", "1", NULL);
    put_data_padded(&peer->in, 3, 0, 5000, 255); /* a fault of the stream */
    peer_go(peer);
    expect_alive(peer); /* peer_stop() adds up the connection's window */
}

/* Our initial window changes while a DATA frame is half read: the frame was sent under the old one. */
static void test_trap_T21_session_window_changes_within_a_frame(struct fake_peer *peer)
{
    struct halo_settings settings = {
        .present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE),
        .initial_window_size = 20000,
    };
    struct wire rest = { 0 };
    struct halo_stream_info info;

    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    put_data(&peer->in, 1, 0, 16384);
    wire_octets(&rest, peer->in.data + 5000, peer->in.len - 5000);
    peer->in.len = 5000;
    peer_go(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    assert_int_equal(halo_session_set_window(peer->session, 100000), 0);
    peer_go(peer);
    skip_output(peer);
    halo_stream_pause(peer_stream(peer, 1));
    wire_octets(&peer->in, rest.data, rest.len);
    put_settings_ack(&peer->in);
    peer_go(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.effective_local_window, 20000);
    assert_in_range(info.local_window, 20000 - 16384, 20000);
    wire_free(&rest);
    halo_stream_resume(peer_stream(peer, 1));
    expect_alive(peer);
}

static void tiny_window(struct halo_session_options *options)
{
    options->settings.initial_window_size = 100;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
}

/* A window smaller than the default holds from the ACK on, not from when we sent it. */
static void test_trap_T22_session_window_holds_from_the_ack(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, 0);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 16384);
    peer_go(peer);
    assert_int_equal(halo_session_is_closed(peer->session), 0);
    put_settings_ack(&peer->in);
    put_post(&peer->in, 3);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 3));
    put_data(&peer->in, 3, 0, 100);
    peer_go(peer);
    expect_alive(peer);
    put_data(&peer->in, 3, 0, 1);
    peer_go(peer);
    expect_dead(peer, HALO_FLOW_CONTROL_ERROR);
}

/* The peer's initial window falls by all of its range with octets sent, also on a stream that has sent its end. */
static void test_trap_T23_session_send_windows_go_negative(struct fake_peer *peer)
{
    static char body[1000];
    struct halo_stream_info info;

    peer_open_with(peer, 4, 0x7fffffff);
    put_post(&peer->in, 1);
    put_post(&peer->in, 3);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), body, 1000, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 3), body, 1000, 0), 0);
    peer_go(peer);
    skip_output(peer);
    put_settings(&peer->in, 4, 0, 0);
    peer_go(peer);
    for (uint32_t id = 1; id <= 3; id += 2) {
        halo_stream_get_info(peer_stream(peer, id), &info);
        assert_int_equal(info.remote_window, -1000);
    }
    expect_settings_ack(peer);
    put_window_update(&peer->in, 1, 0x7fffffff); /* half-closed: allowed, and of no use */
    put_settings(&peer->in, 4, 1000, 0);
    put_settings(&peer->in, 4, 0, 0);
    put_window_update(&peer->in, 3, 1001);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_settings_ack(peer);
    assert_int_equal(halo_stream_write(peer_stream(peer, 3), body, 1000, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_data(peer, 3, 0, 1);
    expect_nothing(peer);
    expect_alive(peer);
}

/* Responses that wait for window do not stop the reading: the WINDOW_UPDATE would never be seen. */
static void test_trap_T26_session_reads_on_while_responses_wait(struct fake_peer *peer)
{
    static char body[100000];

    peer_open_with(peer, 4, 0);
    for (uint32_t id = 1; id < 201; id += 2) {
        put_get(&peer->in, id);
        peer_go(peer);
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, 0), 0);
        assert_int_equal(
            halo_stream_write_borrow(peer_stream(peer, id), body, 600, HALO_END_STREAM, NULL, NULL),
            0);
    }
    peer_go(peer);
    assert_int_equal(halo_session_wants_recv(peer->session), 1);
    skip_output(peer);
    for (uint32_t id = 1; id < 201; id += 2) {
        put_window_update(&peer->in, id, 600);
        peer_go(peer);
        expect_data(peer, id, F_END_STREAM, 600);
    }
}

/* ---- what Node shows of windows ------------------------------------------------------------------ */

static void test_P13_P14_P16_P18_session_window_state(struct fake_peer *peer)
{
    struct halo_session_info info;

    peer_open(peer);
    put_window_update(&peer->in, 0, 1000);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 10000);
    peer_go(peer);
    halo_session_get_info(peer->session, &info);
    assert_int_equal(info.effective_local_window, LIMIT_CONNECTION_WINDOW);
    assert_int_equal(info.effective_received_octets, 10000);
    assert_int_equal(info.local_window, LIMIT_CONNECTION_WINDOW - 10000);
    assert_int_equal(info.remote_window, 65535 + 1000);
    expect_alive(peer);
}

/* The total, not a difference; a smaller one takes effect by credit that does not come. */
static void test_F08_session_set_window_is_the_total(struct fake_peer *peer)
{
    struct halo_session_info info;

    peer_open(peer);
    assert_int_equal(halo_session_set_window(peer->session, 2000000), 0);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->connection_window, 2000000);
    assert_int_equal(halo_session_set_window(peer->session, 70000), 0);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->connection_window, 2000000);
    halo_session_get_info(peer->session, &info);
    assert_int_equal(info.effective_local_window, 70000);
    assert_int_equal(halo_session_set_window(peer->session, 0x80000000u), HALO_E_INVALID_ARGUMENT);
}

static void test_T25_T32_session_stream_window_state(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    for (int i = 0; i < 4; i++) {
        put_data(&peer->in, 1, 0, 16000);
    }
    peer_go(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.local_window, 65535 - 64000); /* paused: no credit */
    assert_int_equal(info.effective_local_window, 65535);
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_in_range(info.local_window, 65535 - 32767, 65535);
    skip_output(peer);
}

/* ---- batched credit ------------------------------------------------------------------------------- */

static void credit_at_once(struct halo_session_options *options)
{
    options->window_update_percent = 0;
}

static void each_release_is_told(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open(peer);
    put_post(&peer->in, 1);
    for (int i = 0; i < 10; i++) {
        put_data(&peer->in, 1, 0, 100);
        peer_go(peer);
        skip_output(peer);
        assert_int_equal(peer->connection_window, LIMIT_CONNECTION_WINDOW);
        halo_stream_get_info(peer_stream(peer, 1), &info);
        assert_int_equal(info.local_window, 65535);
    }
}

/* What a strict peer lets us send, without any slack (Envoy's formula). */
static void check_updates(struct fake_peer *peer, uint64_t streams, uint64_t data_frames)
{
    assert_in_range(peer->updates_heard, 1, 2 * data_frames);
    assert_in_range(peer->updates_heard, 1, 5 + 2 * (streams + 10 * data_frames));
}

/* However a frame is cut on its way, it is credited as a whole. */
static void pieces_of_a_frame_are_credited_together(struct fake_peer *peer)
{
    peer_open(peer);
    peer->updates_heard = 0;
    put_post(&peer->in, 1);
    for (int i = 0; i < 4; i++) {
        put_data(&peer->in, 1, 0, 400);
    }
    peer_go(peer);
    skip_output(peer);
    check_updates(peer, 1, 4);
    assert_int_equal(peer->connection_window, LIMIT_CONNECTION_WINDOW);
    put_data_padded(&peer->in, 1, 0, 1000, 200);
    peer_go(peer);
    skip_output(peer);
    check_updates(peer, 1, 5);
    assert_int_equal(peer->connection_window, LIMIT_CONNECTION_WINDOW);
}

static void octets_by_hand(struct halo_session_options *options)
{
    credit_at_once(options);
    options->manual_credit = 1;
    options->connection_window_size = 65535;
}

/* An application that takes octet by octet does not make a peer count a WINDOW_UPDATE for each; and
 * all the peer was withheld comes back in the end. */
static void octets_consumed_one_by_one(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open(peer);
    peer->updates_heard = 0;
    for (uint32_t id = 1; id <= 5; id += 2) {
        put_post(&peer->in, id);
        put_data(&peer->in, id, 0, 10000);
    }
    peer_go(peer);
    for (int i = 0; i < 10000; i++) {
        for (uint32_t id = 1; id <= 5; id += 2) {
            assert_int_equal(halo_stream_consume(peer_stream(peer, id), 1), 0);
        }
        if (i % 1000 == 0) {
            peer_go(peer);
        }
    }
    peer_go(peer);
    skip_output(peer);
    check_updates(peer, 3, 3);
    put_data(&peer->in, 1, 0, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_consume(peer_stream(peer, 1), 1), 0);
    peer_go(peer);
    skip_output(peer);
    check_updates(peer, 3, 4);
    assert_int_equal(peer->connection_window, 65535);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.local_window, 65535);
}

static void credit_late(struct halo_session_options *options)
{
    options->window_update_percent = 90;
    options->connection_window_size = 65535;
}

static void credit_comes_at_nine_tenths(struct fake_peer *peer)
{
    uint64_t updates;

    peer_open(peer);
    updates = peer->updates_heard;
    put_post(&peer->in, 1);
    for (int i = 0; i < 58; i++) {
        put_data(&peer->in, 1, 0, 1000);
    }
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->updates_heard, updates);
    put_data(&peer->in, 1, 0, 1000);
    peer_go(peer);
    skip_output(peer);
    assert_true(peer->updates_heard > updates);
    assert_int_equal(halo_session_is_closed(peer->session), 0);
}

/* ---- halo's own PINGs -------------------------------------------------------------------------------- */

static void growing(struct halo_session_options *options)
{
    options->stream_receive_window_max = LIMIT_STREAM_WINDOW_MAX;
    options->connection_receive_window_max = LIMIT_CONNECTION_WINDOW_MAX;
    options->limits.outstanding_pings = 1;
}

/* One PING while a window could grow; it is neither told nor counted, and there are few. */
static void own_ping_is_not_the_applications(struct fake_peer *peer)
{
    struct heard_frame heard;
    struct halo_session_info info;

    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 16000);
    put_data(&peer->in, 1, 0, 16000);
    peer_go(peer);
    expect_nothing(peer); /* less than half of the window: nobody asks how long the way is */
    peer_wait(peer, 10);
    put_data(&peer->in, 1, 0, 16000);
    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_PING);
    assert_int_equal(heard.frame.flags, 0);
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"of theirs"), 0);
    skip_log(peer);
    peer_wait(peer, 5);
    put_ping(&peer->in, F_ACK, (const char *)heard.payload);
    peer_go(peer);
    expect_log(peer, ""); /* no event */
    halo_session_get_info(peer->session, &info);
    assert_true(info.round_trip_ns > 0 && info.round_trip_ns <= 5000000);
    assert_int_equal(halo_session_ping(peer->session, NULL), HALO_E_PING_CANCEL);
    put_ping(&peer->in, F_ACK, "of their");
    peer_go(peer);
    skip_log(peer);
    expect_frame(peer, T_PING, 0, 0, 8);
    for (int i = 0; i < 90; i++) { /* 9 s of slow upload: measured once is enough */
        peer_wait(peer, 100);
        put_data(&peer->in, 1, 0, 10000);
        peer_go(peer);
    }
    expect_nothing(peer);
    for (int i = 0; i < 10; i++) {
        peer_wait(peer, 200);
        put_data(&peer->in, 1, 0, 10000);
        peer_go(peer);
    }
    expect_frame(peer, T_PING, 0, 0, 8); /* the next one, and only one while it is not answered */
    expect_nothing(peer);
}

/* A body whose length is known does not need a larger window than that. */
static void no_growth_for_what_is_known_to_end(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open(peer);
    put_fields(&peer->in, 1, 0, ":method", "POST", ":scheme", "https", ":path", "/", ":authority",
               "a", "content-length", "60000", NULL);
    for (int i = 0; i < 4; i++) {
        put_data(&peer->in, 1, 0, 12000);
    }
    peer_go(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.effective_local_window, 65535);
    skip_output(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(test_trap_T01_session_padding_is_credited),
        SERVER(test_trap_T21_session_window_changes_within_a_frame),
        SERVER_WITH(test_trap_T22_session_window_holds_from_the_ack, tiny_window),
        SERVER(test_trap_T23_session_send_windows_go_negative),
        SERVER(test_trap_T26_session_reads_on_while_responses_wait),
        SERVER(test_P13_P14_P16_P18_session_window_state),
        SERVER(test_F08_session_set_window_is_the_total),
        SERVER(test_T25_T32_session_stream_window_state),
        SERVER_WITH(each_release_is_told, credit_at_once),
        SERVER_WITH(pieces_of_a_frame_are_credited_together, credit_at_once),
        SERVER_WITH(octets_consumed_one_by_one, octets_by_hand),
        SERVER_WITH(credit_comes_at_nine_tenths, credit_late),
        SERVER_WITH(own_ping_is_not_the_applications, growing),
        SERVER_WITH(no_growth_for_what_is_known_to_end, growing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
