/* What the application may do from within done() and read(): halo is in the middle of sending then. */
#include "fake_peer.h"

#include <string.h>

static char octets[100000];
static struct fake_peer *the_peer;

static halo_stream *answered(struct fake_peer *peer, uint32_t id)
{
    put_get(&peer->in, id);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, 0), 0);
    return peer_stream(peer, id);
}

/* ---- done() ------------------------------------------------------------------------------------- */

static void count_done(void *ctx)
{
    (*(int *)ctx)++;
}

static void connection_ends(void *ctx)
{
    count_done(ctx);
    halo_session_recv_end(the_peer->session, NULL);
}

/* A driver that learns from the application that the connection is gone: the octets that were sent in
 * one go are several segments, and the first of them to be let go ends the session. */
static void connection_ends_in_done(struct fake_peer *peer)
{
    halo_stream *stream;
    struct iovec iov[64];
    size_t len = 0;
    int done = 0;
    int count;

    the_peer = peer;
    peer_open(peer);
    stream = answered(peer, 1);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 5000, 0, connection_ends, &done), 0);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 6000, 0, connection_ends, &done), 0);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 30000, 0, connection_ends, &done), 0);
    count = halo_session_pull(peer->session, iov, 64, 65536);
    assert_true(count >= 4);
    for (int i = 0; i < count; i++) {
        len += iov[i].iov_len;
    }
    halo_session_sent(peer->session, len - 10);
    assert_int_equal(done, 2); /* the third is under way yet */
    count = halo_session_pull(peer->session, iov, 64, 65536);
    assert_int_equal(count, 1);
    assert_int_equal(iov[0].iov_len, 10);
    halo_session_sent(peer->session, 10);
    assert_int_equal(done, 3);
    assert_int_equal(halo_session_wants_send(peer->session), 0);
    peer_go(peer);
    assert_int_equal(done, 3);
}

/* The same while the output is cleared, where the end comes a second time. A frame of three pieces is
 * built, and the driver was told of one and a half: they stay, the third goes. */
static void connection_ends_while_it_ends(struct fake_peer *peer)
{
    halo_stream *stream;
    struct iovec iov[64];
    size_t left = 0;
    int done = 0;
    int count;

    the_peer = peer;
    peer_open(peer);
    stream = answered(peer, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(halo_stream_write_borrow(stream, octets, 5000, 0, connection_ends, &done),
                         0);
    }
    assert_true(halo_session_pull(peer->session, iov, 64, 7000) > 0);
    assert_int_equal(done, 0);
    halo_session_recv_end(peer->session, NULL);
    assert_int_equal(done, 1);
    count = halo_session_pull(peer->session, iov, 64, 65536);
    for (int i = 0; i < count; i++) {
        left += iov[i].iov_len;
    }
    assert_int_equal(left, 7000);
    halo_session_sent(peer->session, left);
    assert_int_equal(done, 3);
    peer_go(peer);
}

static void reset_other(void *ctx)
{
    halo_stream *other = ctx;

    assert_int_equal(halo_stream_reset(other, HALO_CANCEL), 0);
}

/* A frame of which a part was sent loses its rest at the end of the connection. What done() makes
 * halo send after that must not come in its place. */
static void calls_behind_a_frame_cut_by_the_end(struct fake_peer *peer)
{
    halo_stream *first;
    halo_stream *second;
    halo_stream *third;
    static const uint8_t fault[] = { 0, 0, 4, T_WINDOW_UPDATE, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct halo_event event;
    struct iovec iov[64];
    int done = 0;

    the_peer = peer;
    peer_open(peer);
    first = answered(peer, 1);
    second = answered(peer, 3);
    third = answered(peer, 5);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(halo_session_ping(peer->session, NULL), 0);
    assert_int_equal(halo_stream_write_borrow(first, octets, 5000, 0, connection_ends, &done), 0);
    assert_int_equal(halo_stream_write_borrow(second, octets, 5000, 0, reset_other, third), 0);
    assert_int_equal(halo_session_pull(peer->session, iov, 64, 5), 1);
    assert_int_equal(iov[0].iov_len, 5);
    halo_session_sent(peer->session, 5);
    /* A fault: the streams end one after the other. */
    assert_int_equal(halo_session_recv(peer->session, fault, sizeof(fault), peer->now_ns), 0);
    assert_int_equal(halo_session_poll(peer->session, &event), 1);
    assert_int_equal(done, 1);
    assert_int_equal(halo_session_pull(peer->session, iov, 64, 65536), 0);
    peer_go(peer);
}

/* ---- read() ------------------------------------------------------------------------------------- */

struct lazy {
    halo_stream *stream;
    int calls;
    int nothing;   /* so many calls give nothing */
    int status;    /* ... and return this */
    bool resumes;  /* ... and say that there is something before they return */
    int with_data; /* so many calls resume and give an octet */
};

static int read_lazily(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct lazy *lazy = ctx;

    assert_true(cap > 0);
    assert_true(++lazy->calls < 100); /* the loop that builds output must not hang here */
    *end = 0;
    *len = 0;
    if (lazy->with_data > 0) {
        lazy->with_data--;
        halo_stream_resume_source(lazy->stream);
        out[(*len)++] = 'd';
        return 0;
    }
    if (lazy->nothing > 0) {
        lazy->nothing--;
        if (lazy->resumes) {
            halo_stream_resume_source(lazy->stream);
        }
        return lazy->status;
    }
    out[(*len)++] = 'x';
    *end = 1;
    return 0;
}

/* Neither octets, nor the end, nor an error: that is "later". */
static void source_without_anything(struct fake_peer *peer)
{
    struct lazy state = { .nothing = 2, .status = 0 };
    struct halo_source source = { read_lazily, NULL, &state };
    halo_stream *stream;

    peer_open(peer);
    stream = answered(peer, 1);
    assert_int_equal(halo_stream_set_source(stream, &source, 0), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_nothing(peer);
    assert_int_equal(state.calls, 1);
    halo_stream_resume_source(stream);
    peer_go(peer);
    expect_nothing(peer);
    assert_int_equal(state.calls, 2);
    halo_stream_resume_source(stream);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 1);
    assert_int_equal(state.calls, 3);
}

/* What came between the look and the answer is not lost. */
static void source_resumed_within_read(struct fake_peer *peer)
{
    for (int status = 0; status >= HALO_E_AGAIN; status += HALO_E_AGAIN) {
        for (int incremental = 0; incremental < 2; incremental++) {
            struct lazy state = { .nothing = 3, .status = status, .resumes = true };
            struct halo_source source = { read_lazily, NULL, &state };
            struct halo_priority priority = { 3, (uint8_t)incremental };

            peer_open(peer);
            state.stream = answered(peer, 1);
            assert_int_equal(halo_stream_set_priority(state.stream, &priority), 0);
            assert_int_equal(halo_stream_write(state.stream, "first", 5, 0), 0);
            assert_int_equal(halo_stream_set_source(state.stream, &source, 0), 0);
            peer_go(peer);
            expect_headers(peer, 1, 0, NULL);
            expect_data(peer, 1, 0, 5);
            expect_data(peer, 1, F_END_STREAM, 1);
            assert_int_equal(state.calls, 4);
            peer_restart(peer);
        }
    }
}

/* A batch of output asks such a source once, and the others get their turn; then the session wants to
 * send, so that there is another batch. */
static void source_that_always_resumes(struct fake_peer *peer)
{
    struct lazy state = { .nothing = 50, .status = HALO_E_AGAIN, .resumes = true };
    struct halo_source source = { read_lazily, NULL, &state };
    struct iovec iov[8];
    halo_stream *other;

    peer_open(peer);
    state.stream = answered(peer, 1);
    other = answered(peer, 3);
    assert_int_equal(halo_stream_set_source(state.stream, &source, 0), 0);
    assert_int_equal(halo_stream_write_borrow(other, octets, 5000, HALO_END_STREAM, NULL, NULL), 0);
    assert_true(halo_session_pull(peer->session, iov, 8, 65536) > 0);
    assert_int_equal(state.calls, 1);
    assert_int_equal(halo_session_wants_send(peer->session), 1);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_headers(peer, 3, 0, NULL);
    expect_data(peer, 3, F_END_STREAM, 5000);
    expect_data(peer, 1, F_END_STREAM, 1);
    assert_int_equal(state.calls, 51);
}

/* Said with octets at hand, it says nothing about the next call. */
static void source_resumed_with_data(struct fake_peer *peer)
{
    struct lazy state = { .with_data = 2, .nothing = 1, .status = HALO_E_AGAIN };
    struct halo_source source = { read_lazily, NULL, &state };

    peer_open(peer);
    state.stream = answered(peer, 1);
    assert_int_equal(halo_stream_set_source(state.stream, &source, 0), 0);
    halo_stream_resume_source(state.stream); /* not idle: no news either */
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 1);
    expect_data(peer, 1, 0, 1);
    expect_nothing(peer);
    assert_int_equal(state.calls, 3);
    halo_stream_resume_source(state.stream);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 1);
}

/* Slices that arrive while the source is being asked are sent, and it is asked again behind them. */
static int read_by_slice(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct lazy *lazy = ctx;
    halo_slice slice;

    (void)out;
    (void)cap;
    (void)len;
    (void)end;
    assert_true(++lazy->calls < 100);
    assert_int_equal(halo_slice_copy(&slice, octets, 3000), 0);
    assert_int_equal(stream_source_slice(lazy->stream, &slice, lazy->calls == 3), 0);
    return HALO_E_AGAIN;
}

static void source_gives_slices_within_read(struct fake_peer *peer)
{
    struct lazy state = { 0 };
    struct halo_source source = { read_by_slice, NULL, &state };

    peer_open(peer);
    state.stream = answered(peer, 1);
    assert_int_equal(halo_stream_set_source(state.stream, &source, 0), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 3000);
    expect_data(peer, 1, 0, 3000);
    expect_data(peer, 1, F_END_STREAM, 3000);
    assert_int_equal(state.calls, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(connection_ends_in_done),
        SERVER(connection_ends_while_it_ends),
        SERVER(calls_behind_a_frame_cut_by_the_end),
        SERVER(source_without_anything),
        SERVER(source_resumed_within_read),
        SERVER(source_that_always_resumes),
        SERVER(source_resumed_with_data),
        SERVER(source_gives_slices_within_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
