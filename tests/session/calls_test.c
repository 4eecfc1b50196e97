/* Calls at the wrong time, by the wrong role or with the wrong arguments: an error and nothing else. */
#include "fake_peer.h"

#include <string.h>

static void count_done(void *ctx)
{
    struct fake_peer *peer = ctx;

    peer->counter++;
}

static int read_nothing(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    (void)ctx;
    (void)out;
    (void)cap;
    *len = 0;
    *end = 1;
    return 0;
}

static void getters(struct fake_peer *peer)
{
    int mark;

    peer_open(peer);
    assert_int_equal(halo_session_role(peer->session), HALO_SERVER);
    halo_session_set_user_data(peer->session, &mark);
    assert_ptr_equal(halo_session_user_data(peer->session), &mark);
    put_get(&peer->in, 1);
    put_post(&peer->in, 3);
    peer_go(peer);
    assert_int_equal(halo_stream_end_after_headers(peer_stream(peer, 1)), 1);
    assert_int_equal(halo_stream_end_after_headers(peer_stream(peer, 3)), 0);
    assert_int_equal(halo_stream_headers(peer_stream(peer, 1)).count, 4);
    halo_session_set_user_data(peer->session, peer);
}

/* What a client cannot do on the streams it opened, and a server on those of the peer. */
static void client_does_not_respond(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    stream = peer_request(peer, "GET", 0);
    assert_int_not_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_not_equal(halo_stream_inform(stream, 103, NULL), 0);
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), 0);
    assert_int_equal(halo_stream_trailers(stream, NULL), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_write(stream, "a", 1, 0), HALO_E_INVALID_STREAM);
}

static void server_streams_that_are_closed(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_trailers(stream, NULL), HALO_E_TRAILERS_NOT_READY);
    assert_int_equal(halo_stream_consume(stream, 1), HALO_E_WRONG_STATE); /* no manual credit */
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), 0);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_inform(stream, 103, NULL), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), HALO_E_INVALID_STREAM);
}

static void sources(struct fake_peer *peer)
{
    struct halo_source source = { .done = count_done, .ctx = peer };

    peer_open(peer);
    put_fields(&peer->in, 1, F_END_HEADERS | F_END_STREAM, ":method", "HEAD", ":scheme", "https",
               ":path", "/", ":authority", "a", NULL);
    put_get(&peer->in, 3);
    peer_go(peer);
    skip_log(peer);
    peer->counter = 0;
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 3), &source, 0),
                     HALO_E_INVALID_ARGUMENT); /* nothing to read with */
    assert_int_equal(peer->counter, 0);
    source.read = read_nothing;
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 1), &source, 0), 0);
    assert_int_equal(peer->counter, 1); /* HEAD: done with at once */
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 3), &source, 0), 0);
    peer_go(peer);
    assert_int_equal(peer->counter, 2);
    expect_log(peer, "CLOSED 1\nCLOSED 3\n");
}

/* The session is over: nothing can be asked of it. */
static void calls_behind_the_end(struct fake_peer *peer)
{
    struct halo_settings settings;
    struct halo_request request = { .authority = HALO_LIT("a") };
    halo_stream *stream;

    peer_open(peer);
    halo_settings_default(&settings);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    peer_go(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SESSION);
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream),
                     peer->scenario->role == HALO_CLIENT ? HALO_E_INVALID_SESSION
                                                         : HALO_E_WRONG_STATE);
    halo_session_destroy(peer->session, HALO_CANCEL);
    halo_session_tick(peer->session, peer->now_ns + 1);
    assert_int_equal(halo_session_is_closed(peer->session), 1);
}

static void options_out_of_range(void **state)
{
    static const uint32_t windows[] = { 65534, 0x80000000u };
    struct halo_session_options options;
    halo_session *session;

    (void)state;
    halo_session_options_init(&options, HALO_CLIENT);
    options.role = 2;
    assert_int_equal(halo_session_new(&session, &options, 1), HALO_E_INVALID_ARGUMENT);
    for (size_t i = 0; i < 2; i++) {
        halo_session_options_init(&options, HALO_CLIENT);
        options.connection_window_size = windows[i];
        assert_int_equal(halo_session_new(&session, &options, 1), HALO_E_INVALID_ARGUMENT);
    }
}

/* Settings of ours that come later than the first ones, and hold when they are acknowledged. */
static void later_settings(struct fake_peer *peer)
{
    struct halo_settings settings;

    peer_open(peer);
    halo_settings_default(&settings);
    settings.enable_connect_protocol = 1;
    settings.max_concurrent_streams = 1;
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL) |
                       HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 12);
    put_settings_ack(&peer->in);
    peer_go(peer);
    assert_int_equal(halo_session_local_settings(peer->session)->enable_connect_protocol, 1);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    expect_rst(peer, 3, HALO_REFUSED_STREAM);
}

/* An answer to the second of two PINGs, before the first one's. */
static void pings_out_of_order(struct fake_peer *peer)
{
    peer_open(peer);
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"one     "), 0);
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"two     "), 0);
    peer_go(peer);
    expect_frame(peer, T_PING, 0, 0, 8);
    expect_frame(peer, T_PING, 0, 0, 8);
    skip_log(peer);
    put_ping(&peer->in, F_ACK, "two     ");
    put_ping(&peer->in, F_ACK, "one     ");
    peer_go(peer);
    peer_flush_log(peer);
    skip_log(peer);
    expect_nothing(peer);
    put_ping(&peer->in, F_ACK, "one     "); /* asked by nobody */
    peer_go(peer);
}

static void goaway_flood(struct fake_peer *peer)
{
    peer_open(peer);
    for (int i = 0; i < 1100; i++) {
        put_goaway(&peer->in, 0, HALO_NO_ERROR, "");
    }
    peer_go(peer);
    skip_log(peer);
    assert_int_equal(halo_session_is_closed(peer->session), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(getters),
        CLIENT(client_does_not_respond),
        SERVER(server_streams_that_are_closed),
        SERVER(sources),
        SERVER(calls_behind_the_end),
        CLIENT(calls_behind_the_end),
        cmocka_unit_test(options_out_of_range),
        SERVER(later_settings),
        SERVER(pings_out_of_order),
        SERVER(goaway_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
