/* Request bodies that come slowly, or not at all: scorecard row 47, and who must not be cut off. */
#include "fake_peer.h"

#include "core/proto/limits.h"

#define CUT "CLOSED 1 TIMEOUT CANCEL origin=2 processed=0\n"

static void open_post(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    skip_log(peer);
}

/* `len` octets every `ms`, for `seconds`; stops when the stream is gone. */
static void drip(struct fake_peer *peer, size_t len, uint64_t ms, uint64_t seconds)
{
    for (uint64_t at = 0; at < seconds * 1000 && peer->streams[0] != NULL; at += ms) {
        put_data(&peer->in, 1, 0, len);
        peer_go(peer);
        peer_wait(peer, ms);
    }
}

static void body_that_never_comes(struct fake_peer *peer)
{
    open_post(peer);
    peer_wait(peer, LIMIT_BODY_MS - 1);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, CUT);
    expect_alive(peer);
}

/* An octet every 29 seconds is no progress, nor are empty frames. */
static void body_that_drips(struct fake_peer *peer)
{
    open_post(peer);
    put_data(&peer->in, 1, 0, 10000); /* a good beginning counts once */
    peer_go(peer);
    peer_wait(peer, LIMIT_BODY_MS);
    peer_flush_log(peer);
    skip_log(peer);
    put_data(&peer->in, 1, 0, 1);
    put_data(&peer->in, 1, 0, 0);
    peer_go(peer);
    peer_wait(peer, LIMIT_BODY_MS - 1000);
    put_data(&peer->in, 1, 0, 1);
    peer_go(peer);
    peer_flush_log(peer);
    skip_log(peer);
    peer_wait(peer, 1000);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, CUT);
}

static void limit_of_the_rate(struct fake_peer *peer)
{
    open_post(peer);
    drip(peer, LIMIT_BODY_RATE - 1, 1000, 100);
    expect_rst(peer, 1, HALO_CANCEL);
    peer_flush_log(peer);
    skip_log(peer);
    peer_restart(peer);
    open_post(peer);
    drip(peer, LIMIT_BODY_RATE, 1000, 200);
    assert_non_null(peer->streams[0]);
    peer_flush_log(peer);
    skip_log(peer);
    expect_alive(peer);
}

/* The application is what everybody waits for: it has paused the stream. */
static void paused_stream_is_not_cut(struct fake_peer *peer)
{
    open_post(peer);
    halo_stream_pause(peer_stream(peer, 1));
    peer_wait(peer, 10 * LIMIT_BODY_MS);
    expect_nothing(peer);
    halo_stream_resume(peer_stream(peer, 1));
    peer_wait(peer, LIMIT_BODY_MS);
    expect_rst(peer, 1, HALO_CANCEL); /* its turn began at the last look */
    expect_log(peer, CUT);
}

/* It gives no credit: the client cannot send. */
static void manual(struct halo_session_options *options)
{
    options->manual_credit = 1;
    options->stall_timeout_ms = 0;
}

static void without_credit_nobody_is_cut(struct fake_peer *peer)
{
    open_post(peer);
    for (int i = 0; i < 4; i++) {
        put_data(&peer->in, 1, 0, i < 3 ? 16384 : 16383);
    }
    peer_go(peer);
    peer_wait(peer, 5 * LIMIT_BODY_MS);
    expect_nothing(peer);
    peer_flush_log(peer);
    skip_log(peer);
    assert_int_equal(halo_stream_consume(peer_stream(peer, 1), 65535), 0);
    peer_wait(peer, 2 * LIMIT_BODY_MS);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, CUT);
}

/* Once there is an answer the two talk as they like: long polls, streams of events both ways. */
static void answered_requests_may_be_silent(struct fake_peer *peer)
{
    open_post(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    peer_wait(peer, 20 * LIMIT_BODY_MS);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_nothing(peer);
    assert_non_null(peer->streams[0]);
}

/* So does a tunnel, and a request without a body is the handler's to answer when it likes. */
static void others_may_be_silent(struct fake_peer *peer)
{
    peer_open(peer);
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":authority", "example.org:443", NULL);
    put_get(&peer->in, 3);
    put_post(&peer->in, 5);
    put_data(&peer->in, 5, F_END_STREAM, 10);
    peer_go(peer);
    peer_wait(peer, 20 * LIMIT_BODY_MS);
    expect_nothing(peer);
    peer_flush_log(peer);
    skip_log(peer);
    expect_alive(peer);
}

static void switched_off(struct halo_session_options *options)
{
    options->body_timeout_ms = 0;
}

static void no_limit(struct fake_peer *peer)
{
    open_post(peer);
    peer_wait(peer, 20 * LIMIT_BODY_MS);
    expect_nothing(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(body_that_never_comes),
        SERVER(body_that_drips),
        SERVER(limit_of_the_rate),
        SERVER(paused_stream_is_not_cut),
        SERVER_WITH(without_credit_nobody_is_cut, manual),
        SERVER(answered_requests_may_be_silent),
        SERVER(others_may_be_silent),
        SERVER_WITH(no_limit, switched_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
