/* RFC 9113 section 6.8: GOAWAY from either side, and the graceful end in two steps. */
#include "fake_peer.h"

#include <string.h>

#include "core/proto/limits.h"

/* ---- ours ------------------------------------------------------------------------------------------ */

static void server_closes_in_two_steps(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    skip_log(peer);
    halo_session_close(peer->session);
    halo_session_close(peer->session); /* once is enough */
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, 0x7fffffff);
    expect_frame(peer, T_PING, 0, 0, 8);
    expect_nothing(peer);
    put_get(&peer->in, 3); /* was under way: taken up */
    put_ping(&peer->in, F_ACK, "halodrn\0");
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, 3);
    expect_log(peer, "REQUEST 3 END :method=GET :scheme=https :path=/ :authority=example.org\n");
    put_post(&peer->in, 5); /* the peer knows: ignored, but its octets are credited */
    put_data(&peer->in, 5, 0, 1000);
    put_window_update(&peer->in, 5, 10);
    put_rst_stream(&peer->in, 5, HALO_CANCEL);
    peer_go(peer);
    expect_log(peer, "");
    expect_nothing(peer);
    halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_log(peer, "CLOSED 1\n");
    halo_stream_respond(peer_stream(peer, 3), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    expect_log(peer, "CLOSED 3\nSESSION_CLOSED\n");
}

static void second_step_by_time(struct fake_peer *peer)
{
    peer_open(peer);
    halo_session_close(peer->session);
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, 0x7fffffff);
    expect_frame(peer, T_PING, 0, 0, 8);
    peer_wait(peer, LIMIT_GOAWAY_MS - 1);
    expect_nothing(peer);
    peer_wait(peer, 1);
    expect_goaway(peer, HALO_NO_ERROR, 0);
    expect_log(peer, "SESSION_CLOSED\n");
}

static void drain_timeout(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    skip_log(peer);
    halo_session_close(peer->session);
    peer_wait(peer, LIMIT_DRAIN_MS - 1);
    expect_log(peer, "");
    skip_output(peer);
    peer_wait(peer, 1);
    expect_goaway(peer, HALO_NO_ERROR, 1);
    expect_log(peer, "CLOSED 1 TIMEOUT NO_ERROR origin=2 processed=0\n"
                     "SESSION_CLOSED TIMEOUT NO_ERROR origin=2 processed=0\n");
}

static void client_closes(struct fake_peer *peer)
{
    struct halo_request request = { .authority = HALO_LIT("a") };
    halo_stream *stream;

    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    halo_session_close(peer->session);
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream),
                     HALO_E_GOAWAY_SESSION);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_goaway(peer, HALO_NO_ERROR, 0);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\nSESSION_CLOSED\n");
}

static void destroy(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_post(&peer->in, 3);
    peer_go(peer);
    skip_log(peer);
    halo_session_destroy(peer->session, HALO_ENHANCE_YOUR_CALM);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    assert_true(halo_session_is_closed(peer->session));
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0),
                     HALO_E_INVALID_STREAM);
    peer_go(peer);
    expect_goaway(peer, HALO_ENHANCE_YOUR_CALM, 3);
    expect_log(peer, "CLOSED 1 SESSION_ERROR ENHANCE_YOUR_CALM origin=1 processed=0\n"
                     "CLOSED 3 SESSION_ERROR ENHANCE_YOUR_CALM origin=1 processed=0\n"
                     "SESSION_CLOSED SESSION_ERROR ENHANCE_YOUR_CALM origin=1 processed=0\n");
}

/* The last stream of a later GOAWAY is never higher than that of an earlier one. */
static void last_stream_never_grows(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_post(&peer->in, 3);
    peer_go(peer);
    assert_int_equal(halo_session_goaway(peer->session, HALO_NO_ERROR, 1, "debug", 5), 0);
    halo_session_close(peer->session);
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, 1);
    expect_goaway(peer, HALO_NO_ERROR, 1);
    expect_frame(peer, T_PING, 0, 0, 8);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, 1);
}

static void goaway_by_call(struct fake_peer *peer)
{
    char debug[16400];

    memset(debug, 'd', sizeof(debug));
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_session_goaway(peer->session, HALO_INTERNAL_ERROR, 0, debug, 16376), 0);
    assert_int_equal(halo_session_goaway(peer->session, 0, 0, debug, 16377),
                     HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_session_goaway(peer->session, 0, 0x80000000, NULL, 0),
                     HALO_E_INVALID_ARGUMENT);
    peer_go(peer);
    expect_goaway(peer, HALO_INTERNAL_ERROR, 1);
    halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL); /* it goes on */
    expect_alive(peer);
}

/* ---- theirs ------------------------------------------------------------------------------------------- */

static void skip_requests(struct fake_peer *peer, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        expect_headers(peer, 1 + 2 * i, F_END_STREAM, NULL);
    }
}

static void server_goes_away(struct fake_peer *peer)
{
    struct halo_request request = { .authority = HALO_LIT("a") };
    halo_stream *stream;

    peer_open_with(peer, 3, 2);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM); /* waits */
    peer_go(peer);
    put_goaway(&peer->in, 0x7fffffff, HALO_NO_ERROR, "soon");
    peer_go(peer);
    expect_log(peer, "GOAWAY NO_ERROR last=2147483647 debug=soon\n"
                     "CLOSED 0 GOAWAY_SESSION REFUSED_STREAM origin=3 processed=1\n");
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream),
                     HALO_E_GOAWAY_SESSION);
    put_goaway(&peer->in, 1, HALO_NO_ERROR, "");
    peer_go(peer);
    expect_log(peer, "GOAWAY NO_ERROR last=1 debug=\n"
                     "CLOSED 3 GOAWAY_SESSION REFUSED_STREAM origin=3 processed=1\n");
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\nSESSION_CLOSED\n");
    skip_requests(peer, 2);
    expect_goaway(peer, HALO_NO_ERROR, 0); /* RFC 9113 6.8: we say so, too */
    expect_nothing(peer);
}

static void server_goes_away_in_error(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    put_goaway(&peer->in, 1, HALO_ENHANCE_YOUR_CALM, "too much");
    peer_go(peer);
    expect_log(peer, "GOAWAY ENHANCE_YOUR_CALM last=1 debug=too much\n"
                     "CLOSED 3 GOAWAY_SESSION REFUSED_STREAM origin=3 processed=1\n"
                     "CLOSED 1 SESSION_ERROR ENHANCE_YOUR_CALM origin=3 processed=0\n"
                     "SESSION_CLOSED SESSION_ERROR ENHANCE_YOUR_CALM origin=3 processed=0\n");
    skip_output(peer);
}

static void goaway_that_grows(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    put_goaway(&peer->in, 1, HALO_NO_ERROR, "");
    put_goaway(&peer->in, 3, HALO_NO_ERROR, "");
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

static void client_goes_away(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    put_goaway(&peer->in, 0, HALO_NO_ERROR, "");
    peer_go(peer);
    skip_log(peer);
    halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_goaway(peer, HALO_NO_ERROR, 1);
    expect_nothing(peer);
    expect_log(peer, "CLOSED 1\nSESSION_CLOSED\n");
}

/* RFC 9113 6.8: GOAWAY is answered with one of our own behind the last stream, whatever was said
 * before; but nothing is said twice. */
static void goaway_on_both_sides(struct fake_peer *peer)
{
    peer_open(peer); /* nothing is open */
    put_goaway(&peer->in, 0, HALO_NO_ERROR, "");
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, 0);
    expect_nothing(peer);
    peer_restart(peer);
    for (int said = 0; said < 2; said++) {
        peer_open(peer);
        put_get(&peer->in, 1);
        peer_go(peer);
        if (said == 0) { /* exactly: that was it */
            assert_int_equal(halo_session_goaway(peer->session, HALO_NO_ERROR, 1, NULL, 0), 0);
            peer_go(peer);
            expect_goaway(peer, HALO_NO_ERROR, 1);
        } else { /* only that there will be an end */
            assert_int_equal(
                halo_session_goaway(peer->session, HALO_NO_ERROR, SERVER_LAST_ID_MAX, NULL, 0), 0);
            peer_go(peer);
            expect_goaway(peer, HALO_NO_ERROR, SERVER_LAST_ID_MAX);
        }
        put_goaway(&peer->in, 0, HALO_NO_ERROR, "");
        peer_go(peer);
        expect_nothing(peer);
        halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
        peer_go(peer);
        expect_headers(peer, 1, F_END_STREAM, NULL);
        if (said == 1) {
            expect_goaway(peer, HALO_NO_ERROR, 1);
        }
        expect_nothing(peer);
        peer_restart(peer);
    }
}

/* Both at once: the second step of our own end is the only GOAWAY that follows. */
static void goaway_during_our_end(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    halo_session_close(peer->session);
    put_goaway(&peer->in, 0, HALO_NO_ERROR, "");
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, SERVER_LAST_ID_MAX);
    expect_frame(peer, T_PING, 0, 0, 8);
    halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_nothing(peer);
    peer_wait(peer, 1000);
    expect_goaway(peer, HALO_NO_ERROR, 1);
    expect_nothing(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(server_closes_in_two_steps),
        SERVER(second_step_by_time),
        SERVER(drain_timeout),
        CLIENT(client_closes),
        SERVER(destroy),
        SERVER(last_stream_never_grows),
        SERVER(goaway_by_call),
        CLIENT(server_goes_away),
        CLIENT(server_goes_away_in_error),
        CLIENT(goaway_that_grows),
        SERVER(client_goes_away),
        SERVER(goaway_on_both_sides),
        SERVER(goaway_during_our_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
