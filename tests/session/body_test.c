/* Bodies: what the application writes, in every way there is, and what it gets, paused or kept. */
#include "fake_peer.h"

#include <stdlib.h>
#include <string.h>

#include "core/proto/limits.h"

static char octets[300000];

static void count_done(void *ctx)
{
    (*(int *)ctx)++;
}

static halo_stream *answered(struct fake_peer *peer, uint32_t id, unsigned flags)
{
    put_get(&peer->in, id);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, flags), 0);
    return peer_stream(peer, id);
}

/* ---- borrowed, counted, copied ----------------------------------------------------------------- */

static void borrowed_is_done_once_it_is_sent(struct fake_peer *peer)
{
    halo_stream *stream;
    int done = 0;

    peer_open(peer);
    stream = answered(peer, 1, 0);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 100, 0, count_done, &done), 0);
    assert_int_equal(done, 1); /* small: copied */
    assert_int_equal(
        halo_stream_write_borrow(stream, octets, 50000, HALO_END_STREAM, count_done, &done), 0);
    assert_int_equal(done, 1);
    assert_int_equal(halo_stream_buffered(stream), 50000);
    peer_go(peer);
    assert_int_equal(done, 2);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 100);
    expect_body(peer, 1, F_END_STREAM, 50000);
}

/* However a stream or a session ends, done is called exactly once. */
static void borrowed_is_done_in_every_ending(struct fake_peer *peer)
{
    for (int ending = 0; ending < 7; ending++) {
        halo_stream *stream;
        int done = 0;

        peer_open(peer);
        stream = answered(peer, 1, 0);
        assert_int_equal(halo_stream_write_borrow(stream, octets, 100000, 0, count_done, &done), 0);
        assert_int_equal(halo_stream_write_borrow(stream, octets, 100, 0, count_done, &done), 0);
        if (ending > 0) {
            peer_go(peer); /* a part is sent, the rest waits for the window */
        }
        skip_output(peer);
        switch (ending) {
        case 0:
        case 1:
            halo_stream_reset(stream, HALO_CANCEL);
            break;
        case 2:
            put_rst_stream(&peer->in, 1, HALO_CANCEL);
            break;
        case 3:
            halo_session_destroy(peer->session, HALO_NO_ERROR);
            break;
        case 4:
            halo_session_recv_end(peer->session, NULL);
            break;
        case 5:
            put_window_update(&peer->in, 0, 0); /* a fault */
            break;
        default:
            break; /* freed as it is */
        }
        if (ending < 6) {
            peer_go(peer);
            assert_int_equal(done, 2);
        }
        peer_restart(peer);
        assert_int_equal(done, 2);
    }
}

/* Nothing to send is no reason to wait. */
static void empty_writes(struct fake_peer *peer)
{
    halo_stream *stream;
    halo_slice slice;
    int done = 0;

    peer_open(peer);
    stream = answered(peer, 1, 0);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 0, 0, count_done, &done), 0);
    assert_int_equal(done, 1);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 5000, 0, count_done, &done), 0);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 0, 0, count_done, &done), 0);
    assert_int_equal(halo_slice_wrap(&slice, octets, 0, count_done, &done), 0);
    assert_int_equal(halo_stream_write_slice(stream, &slice, 0), 0);
    assert_int_equal(halo_stream_write(stream, NULL, 0, 0), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 5000);
    expect_nothing(peer);
    assert_int_equal(done, 4);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 5000, 0, NULL, NULL), 0);
    assert_int_equal(
        halo_stream_write_borrow(stream, octets, 0, HALO_END_STREAM, count_done, &done), 0);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 5000);
    expect_nothing(peer);
    assert_int_equal(done, 5);
}

static void slices_are_taken(struct fake_peer *peer)
{
    halo_stream *stream;
    halo_slice slice;
    int done = 0;

    peer_open(peer);
    stream = answered(peer, 1, 0);
    for (size_t len = 10; len <= 20000; len += 19990) {
        assert_int_equal(halo_slice_wrap(&slice, octets, len, count_done, &done), 0);
        assert_int_equal(halo_stream_write_slice(stream, &slice, 0), 0);
        assert_null(slice.owner);
    }
    slice = (halo_slice){ .data = (const uint8_t *)"static", .len = 6 };
    assert_int_equal(halo_stream_write_slice(stream, &slice, HALO_END_STREAM), 0);
    peer_go(peer);
    assert_int_equal(done, 2);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 10);
    expect_body(peer, 1, F_END_STREAM, 20006);
    /* Taken on failure, too. */
    assert_int_equal(halo_slice_wrap(&slice, octets, 10, count_done, &done), 0);
    stream = answered(peer, 3, HALO_END_STREAM);
    assert_int_equal(halo_stream_write_slice(stream, &slice, 0), HALO_E_INVALID_STREAM);
    assert_int_equal(done, 3);
}

/* Octets come out as they went in, whatever their size and whatever the windows do. */
static void copied_writes_of_all_sizes(struct fake_peer *peer)
{
    static const size_t sizes[] = { 1,    1023,  1024,  1025,  2047, 2048,
                                    2049, 16383, 16384, 16385, 40000 };
    struct heard_frame heard;
    struct wire wanted = { 0 };
    struct wire got = { 0 };
    halo_stream *stream;

    for (size_t i = 0; i < sizeof(octets); i++) {
        octets[i] = (char)(i * 7 + i / 251);
    }
    peer_open_with(peer, 4, 3000);
    stream = answered(peer, 1, 0);
    for (size_t i = 0; i < HALO_ARRAY_LEN(sizes); i++) {
        assert_int_equal(halo_stream_write(stream, octets + i, sizes[i], 0), 0);
        wire_octets(&wanted, octets + i, sizes[i]);
        if (i == 4) {
            peer_go(peer);
        }
    }
    assert_int_equal(halo_stream_end(stream), 0);
    for (int i = 0; i < 200; i++) {
        put_window_update(&peer->in, 0, 777);
        put_window_update(&peer->in, 1, 777);
        peer_go(peer);
    }
    while (peer_next_frame(peer, &heard)) {
        if (heard.frame.type == T_DATA) {
            wire_octets(&got, heard.payload, heard.frame.len);
        }
    }
    assert_int_equal(got.len, wanted.len);
    assert_memory_equal(got.data, wanted.data, wanted.len);
    wire_free(&got);
    wire_free(&wanted);
}

/* A write that fails for want of memory leaves nothing behind: what is written next follows what was before. */
static void failed_write_leaves_nothing(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open_with(peer, 4, 0);
    stream = answered(peer, 1, 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    for (size_t before = 0; before < 2; before++) {
        size_t buffered = halo_stream_buffered(stream);

        for (size_t n = 1; n <= 3; n++) {
            peer->memory.fail_at = peer->memory.calls + n;
            if (halo_stream_write(stream, octets, 100000 * n, 0) == 0) {
                fail_msg("needed fewer than %zu allocations", n);
            }
            assert_int_equal(halo_stream_buffered(stream), buffered);
        }
        peer->memory.fail_at = 0;
        assert_int_equal(halo_stream_write(stream, octets, 20000, 0), 0);
    }
    assert_int_equal(halo_stream_end(stream), 0);
    put_window_update(&peer->in, 1, 100000);
    peer_go(peer);
    expect_body(peer, 1, F_END_STREAM, 40000);
}

/* done() is the application's: it may do anything to the stream that it was called for. */
static struct fake_peer *done_peer;

static void reset_when_done(void *ctx)
{
    (*(int *)ctx)++;
    halo_stream_reset(done_peer->last_stream, HALO_CANCEL);
}

static void done_may_reset_the_stream(struct fake_peer *peer)
{
    halo_stream *stream;
    int done = 0;

    done_peer = peer;
    peer_open(peer);
    stream = answered(peer, 1, 0);
    /* The first piece is small enough to be copied when the frame is built; more of the frame follows it. */
    assert_int_equal(halo_stream_write_borrow(stream, octets, 1500, 0, count_done, &done), 0);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 10, 0, reset_when_done, &done), 0);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 9000, 0, count_done, &done), 0);
    peer_go(peer);
    assert_int_equal(done, 3);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 10510);
    expect_rst(peer, 1, HALO_CANCEL);
}

/* ---- low water ------------------------------------------------------------------------------------ */

static void writable_after_the_low_water_mark(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    stream = answered(peer, 1, 0);
    assert_int_equal(
        halo_stream_write_borrow(stream, octets, LIMIT_STREAM_LOW_WATER - 1, 0, NULL, NULL), 0);
    skip_log(peer);
    peer_go(peer);
    expect_log(peer, "");
    assert_int_equal(halo_stream_write_borrow(stream, octets, 100000, 0, NULL, NULL), 0);
    peer_go(peer);
    expect_log(peer, "");
    put_window_update(&peer->in, 0, 200000);
    put_window_update(&peer->in, 1, 34464);
    peer_go(peer);
    expect_log(peer, ""); /* 65536 left, one more than below the mark */
    assert_int_equal(halo_stream_buffered(stream), 65536);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    expect_log(peer, "WRITABLE 1\n");
    put_window_update(&peer->in, 1, 100000);
    peer_go(peer);
    expect_log(peer, "");
}

/* ---- sources ---------------------------------------------------------------------------------------- */

struct test_source {
    size_t left;
    int later; /* says "later" so many times */
    int fail;  /* a status to fail with when half is through */
    size_t half;
    int done;
    bool end_apart; /* the end comes in a call of its own */
};

static int read_source(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct test_source *source = ctx;

    assert_true(cap > 0);
    if (source->later > 0) {
        source->later--;
        return HALO_E_AGAIN;
    }
    if (source->fail != 0 && source->left <= source->half) {
        return source->fail;
    }
    *len = source->left < cap ? source->left : cap;
    memset(out, 's', *len);
    *end = *len == source->left && (!source->end_apart || *len == 0);
    source->left -= *len;
    return 0;
}

static void done_source(void *ctx)
{
    struct test_source *source = ctx;

    source->done++;
}

static void source_is_read_to_its_end(struct fake_peer *peer)
{
    struct test_source state = { .left = 60000 };
    struct halo_source source = { read_source, done_source, &state };
    halo_stream *stream;

    for (int apart = 0; apart < 2; apart++) {
        uint32_t id = apart == 0 ? 1 : 3;

        state = (struct test_source){ .left = 30000, .later = 1, .end_apart = apart != 0 };
        peer_open(peer);
        stream = answered(peer, id, 0);
        assert_int_equal(halo_stream_write(stream, "first", 5, 0), 0);
        assert_int_equal(halo_stream_set_source(stream, &source, 0), 0);
        assert_int_equal(halo_stream_write(stream, "x", 1, 0), HALO_E_WRITE_AFTER_END);
        assert_int_equal(halo_stream_trailers(stream, NULL), HALO_E_TRAILERS_NOT_READY);
        peer_go(peer);
        expect_headers(peer, id, 0, NULL);
        expect_data(peer, id, 0, 5);
        expect_nothing(peer);
        halo_stream_resume_source(stream);
        peer_go(peer);
        expect_data(peer, id, 0, 16384);
        expect_data(peer, id, apart ? 0 : F_END_STREAM, 13616);
        if (apart) {
            expect_data(peer, id, F_END_STREAM, 0);
        }
        assert_int_equal(state.done, 1);
        peer_restart(peer);
    }
}

static void source_fails(struct fake_peer *peer)
{
    struct test_source state = { .left = 40000, .half = 30000, .fail = HALO_E_IO };
    struct halo_source source = { read_source, done_source, &state };
    halo_stream *stream;

    peer_open(peer);
    stream = answered(peer, 1, 0);
    assert_int_equal(halo_stream_set_source(stream, &source, 0), 0);
    skip_log(peer);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 16384);
    expect_rst(peer, 1, HALO_INTERNAL_ERROR);
    expect_log(peer, "CLOSED 1 IO INTERNAL_ERROR origin=1 processed=0\n");
    assert_int_equal(state.done, 1);
}

/* done() of a source may write: frames must not get mixed up. */
static void ping_when_done(void *ctx)
{
    done_source(ctx);
    assert_int_equal(halo_session_ping(done_peer->session, (const uint8_t *)"fromdone"), 0);
}

static void done_of_a_source_may_write(struct fake_peer *peer)
{
    struct test_source state = { .left = 5000 };
    struct halo_source source = { read_source, ping_when_done, &state };
    halo_stream *stream;

    done_peer = peer;
    peer_open(peer);
    stream = answered(peer, 1, 0);
    assert_int_equal(halo_stream_set_source(stream, &source, 0), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, F_END_STREAM, 5000);
    expect_frame(peer, T_PING, 0, 0, 8);
    assert_int_equal(state.done, 1);
}

static void source_stays_with_the_window(struct fake_peer *peer)
{
    struct test_source state = { .left = 70000 };
    struct halo_source source = { read_source, done_source, &state };
    halo_stream *stream;

    peer_open(peer);
    stream = answered(peer, 1, 0);
    assert_int_equal(halo_stream_set_source(stream, &source, HALO_WAIT_FOR_TRAILERS), 0);
    skip_log(peer);
    peer_go(peer);
    assert_int_equal(state.left, 4465);
    put_window_update(&peer->in, 0, 1);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    assert_int_equal(state.left, 4464);
    put_window_update(&peer->in, 0, 10000);
    put_window_update(&peer->in, 1, 10000);
    peer_go(peer);
    expect_log(peer, "WANT_TRAILERS 1\n");
    skip_output(peer);
    halo_stream_end(stream);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 0);
    assert_int_equal(state.done, 1);
}

/* ---- trailers ----------------------------------------------------------------------------------------- */

static void wait_for_trailers(struct fake_peer *peer)
{
    halo_header sum = test_field("X-Sum", "7");
    halo_headers trailers = { .fields = &sum, .count = 1 };
    halo_stream *stream;

    peer_open(peer);
    for (uint32_t id = 1; id <= 11; id += 2) {
        stream = answered(peer, id, HALO_WAIT_FOR_TRAILERS);
        skip_log(peer);
        if (id != 5) {
            assert_int_equal(halo_stream_write(stream, octets, id == 9 ? 5000 : 10, 0), 0);
        }
        assert_int_equal(halo_stream_end(stream), 0);
        assert_int_equal(halo_stream_write(stream, "x", 1, 0), HALO_E_WRITE_AFTER_END);
        peer_go(peer);
        skip_output(peer);
        peer_flush_log(peer);
        assert_int_equal(halo_stream_is_closed(stream), 0);
        if (id == 3) {
            assert_int_equal(halo_stream_end(stream), 0); /* none after all */
        } else if (id == 7) {
            assert_int_equal(halo_stream_trailers(stream, NULL), 0); /* none, said otherwise */
        } else {
            assert_int_equal(halo_stream_trailers(stream, &trailers), 0);
            assert_int_equal(halo_stream_trailers(stream, &trailers), HALO_E_TRAILERS_ALREADY_SENT);
        }
        peer_go(peer);
        if (id == 3 || id == 7) {
            expect_data(peer, id, F_END_STREAM, 0);
        } else {
            expect_headers(peer, id, F_END_STREAM, "x-sum: 7\n");
        }
        expect_nothing(peer);
    }
}

/* Trailers wait for a body that waits for its window. */
static void trailers_behind_a_body(struct fake_peer *peer)
{
    halo_header sum = test_field("x-sum", "7");
    halo_headers trailers = { .fields = &sum, .count = 1 };
    halo_stream *stream;

    peer_open_with(peer, 4, 1000);
    stream = answered(peer, 1, 0);
    assert_int_equal(halo_stream_write(stream, octets, 3000, 0), 0);
    assert_int_equal(halo_stream_trailers(stream, &trailers), 0);
    assert_int_equal(halo_stream_end(stream), HALO_E_WRITE_AFTER_END);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 1000);
    expect_nothing(peer);
    put_window_update(&peer->in, 1, 2000);
    peer_go(peer);
    expect_data(peer, 1, 0, 2000);
    expect_headers(peer, 1, F_END_STREAM, "x-sum: 7\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(borrowed_is_done_once_it_is_sent),
        SERVER(borrowed_is_done_in_every_ending),
        SERVER(empty_writes),
        SERVER(slices_are_taken),
        SERVER(copied_writes_of_all_sizes),
        SERVER(failed_write_leaves_nothing),
        SERVER(done_may_reset_the_stream),
        SERVER(writable_after_the_low_water_mark),
        SERVER(source_is_read_to_its_end),
        SERVER(source_fails),
        SERVER(done_of_a_source_may_write),
        SERVER(source_stays_with_the_window),
        SERVER(wait_for_trailers),
        SERVER(trailers_behind_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
