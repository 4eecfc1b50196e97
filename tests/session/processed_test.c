/*
 * The truth about requests that failed: processed says "no" only when the peer cannot have seen the
 * request or says that it did nothing (RFC 9113 6.8, 8.7), "yes" when it answered, else "unknown".
 */
#include "fake_peer.h"

#include <halo/error.h>

enum { UNKNOWN = HALO_PROCESSED_UNKNOWN, NO = HALO_PROCESSED_NO, YES = HALO_PROCESSED_YES };

/* What was told at each stream's end, by number. */
static int told[64];

static void app_note(struct fake_peer *peer, const struct halo_event *event)
{
    (void)peer;
    if (event->type == HALO_EVENT_STREAM_CLOSED && event->stream_id < 64) {
        told[event->stream_id] = event->u.closed != NULL ? event->u.closed->processed : -1;
    }
}

static void begin(struct fake_peer *peer)
{
    peer->app = app_note;
    for (int i = 0; i < 64; i++) {
        told[i] = -2;
    }
    peer_open(peer);
}

static void request(struct fake_peer *peer)
{
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
}

static void refused_by_the_peer(struct fake_peer *peer)
{
    begin(peer);
    for (int i = 0; i < 4; i++) {
        request(peer);
    }
    put_rst_stream(&peer->in, 1, HALO_REFUSED_STREAM);
    put_rst_stream(&peer->in, 3, HALO_CANCEL);
    put_fields(&peer->in, 5, 0, ":status", "103", NULL);
    put_rst_stream(&peer->in, 5, HALO_REFUSED_STREAM);
    put_ok(&peer->in, 7, 0);
    put_rst_stream(&peer->in, 7, HALO_INTERNAL_ERROR);
    peer_go(peer);
    assert_int_equal(told[1], NO);
    assert_int_equal(told[3], UNKNOWN);
    assert_int_equal(told[5], YES);
    assert_int_equal(told[7], YES);
    skip_log(peer);
    skip_output(peer);
}

static void above_the_last_stream(struct fake_peer *peer)
{
    begin(peer);
    for (int i = 0; i < 3; i++) {
        request(peer);
    }
    put_goaway(&peer->in, 3, HALO_INTERNAL_ERROR, "");
    peer_go(peer);
    assert_int_equal(told[1], UNKNOWN);
    assert_int_equal(told[3], UNKNOWN);
    assert_int_equal(told[5], NO);
    skip_log(peer);
    skip_output(peer);
}

/* The connection breaks: what was in the output and not even described cannot have left. */
static void never_left(struct fake_peer *peer)
{
    struct iovec iov[8];
    size_t len = 0;
    int count;

    begin(peer);
    request(peer);
    skip_output(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    count = halo_session_pull(peer->session, iov, 8, SIZE_MAX);
    for (int i = 0; i < count; i++) {
        len += iov[i].iov_len;
    }
    peer_request(peer, "GET", HALO_END_STREAM);
    halo_session_recv_end(peer->session, NULL);
    peer_poll(peer);
    assert_int_equal(told[1], UNKNOWN);
    assert_int_equal(told[3], UNKNOWN); /* a send may be under way */
    assert_int_equal(told[5], NO);
    halo_session_sent(peer->session, len);
    assert_int_equal(halo_session_pull(peer->session, iov, 8, SIZE_MAX), 0); /* so it is */
    skip_log(peer);
}

/* When the application gives up, what is in the output is still sent. */
static void destroyed_before_it_left(struct fake_peer *peer)
{
    begin(peer);
    request(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    peer_poll(peer);
    assert_int_equal(told[1], UNKNOWN);
    assert_int_equal(told[3], UNKNOWN);
    skip_log(peer);
    skip_output(peer);
}

/* Requests that wait for a place, whatever ends them. */
static void waiting_for_a_place(struct fake_peer *peer)
{
    peer->app = app_note;
    told[0] = told[1] = -2;
    peer_open_with(peer, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    request(peer);
    request(peer);
    halo_session_recv_end(peer->session, NULL);
    peer_poll(peer);
    assert_int_equal(told[0], NO);
    assert_int_equal(told[1], UNKNOWN);
    skip_log(peer);
    skip_output(peer);
}

static void complete_in_order(struct fake_peer *peer)
{
    begin(peer);
    request(peer);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    assert_int_equal(told[1], -1);
    skip_log(peer);
    skip_output(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT(refused_by_the_peer),      CLIENT(above_the_last_stream), CLIENT(never_left),
        CLIENT(destroyed_before_it_left), CLIENT(waiting_for_a_place),   CLIENT(complete_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
