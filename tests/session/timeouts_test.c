/* Silence that is told: setTimeout of sessions and streams. */
#include "fake_peer.h"

#include <stdio.h>

static void half_a_second(struct halo_session_options *options)
{
    options->timeout_ms = 500;
    options->idle_timeout_ms = 0;
}

static void test_E11_F09_session_timeout_is_told_once_for_each_silence(struct fake_peer *peer)
{
    peer_open(peer);
    peer_wait(peer, 499);
    expect_log(peer, "");
    assert_int_equal(halo_session_next_timeout(peer->session), peer->now_ns + 1000000);
    peer_wait(peer, 1);
    expect_log(peer, "TIMEOUT\n");
    peer_wait(peer, 3000);
    expect_log(peer, "");
    expect_nothing(peer);
    assert_false(halo_session_is_closed(peer->session));
    put_ping(&peer->in, 0, "abcdefgh"); /* activity: the silence begins anew */
    peer_go(peer);
    expect_log(peer, "PING abcdefgh\n");
    peer_wait(peer, 499);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_log(peer, "TIMEOUT\n");
    skip_output(peer);
}

static void test_F09_session_timeout_is_set_and_switched_off(struct fake_peer *peer)
{
    peer_open(peer);
    peer_wait(peer, 400);
    halo_session_set_timeout(peer->session, 1000);
    peer_wait(peer, 999);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_log(peer, "TIMEOUT\n");
    halo_session_set_timeout(peer->session, 1000);
    halo_session_set_timeout(peer->session, 0);
    peer_wait(peer, 5000);
    expect_log(peer, "");
    assert_int_equal(halo_session_next_timeout(peer->session), UINT64_MAX);
}

static void test_T06_T24_session_stream_timeout(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_post(&peer->in, 3);
    peer_go(peer);
    skip_log(peer);
    assert_int_equal(halo_stream_set_timeout(peer_stream(peer, 1), 300), 0);
    peer_wait(peer, 200);
    put_data(&peer->in, 1, 0, 10);
    peer_go(peer);
    skip_log(peer);
    peer_wait(peer, 299);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_log(peer, "STREAM_TIMEOUT 1\n");
    peer_wait(peer, 2000);
    expect_log(peer, ""); /* once */
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    peer_go(peer);
    skip_output(peer);
    peer_wait(peer, 150);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "x", 1, 0), 0);
    peer_go(peer);
    skip_output(peer);
    peer_wait(peer, 299);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_log(peer, "STREAM_TIMEOUT 1\n");
    expect_nothing(peer);
    halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL); /* what a handler does */
    peer_go(peer);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, "CLOSED 1 STREAM_CANCEL CANCEL origin=1 processed=0\n");
    peer_wait(peer, 1000);
    expect_log(peer, "");
}

/* Many streams, each with its own time; some end before it. */
static void test_T24_session_many_streams_with_timeouts(struct fake_peer *peer)
{
    enum { STREAMS = 100 };
    char wanted[64];

    peer_open(peer);
    for (uint32_t i = 0; i < STREAMS; i++) {
        put_post(&peer->in, 1 + 2 * i);
    }
    peer_go(peer);
    skip_log(peer);
    for (uint32_t i = 0; i < STREAMS; i++) {
        uint32_t timeout_ms = 100 + i * 37 % STREAMS; /* all different */

        assert_int_equal(halo_stream_set_timeout(peer_stream(peer, 1 + 2 * i), timeout_ms), 0);
    }
    for (uint32_t i = 0; i < STREAMS; i += 2) {
        halo_stream_reset(peer_stream(peer, 1 + 2 * i), HALO_CANCEL);
    }
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
    peer_wait(peer, 99);
    for (uint32_t ms = 100; ms < 100 + STREAMS; ms++) {
        uint32_t at = 0;

        while (100 + at * 37 % STREAMS != ms) {
            at++;
        }
        peer_wait(peer, 1);
        snprintf(wanted, sizeof(wanted), "STREAM_TIMEOUT %u\n", 1 + 2 * at);
        expect_log(peer, at % 2 == 0 ? "" : wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_WITH(test_E11_F09_session_timeout_is_told_once_for_each_silence, half_a_second),
        SERVER_WITH(test_F09_session_timeout_is_set_and_switched_off, half_a_second),
        SERVER(test_T06_T24_session_stream_timeout),
        SERVER(test_T24_session_many_streams_with_timeouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
