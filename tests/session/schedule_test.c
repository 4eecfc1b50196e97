/* Whose DATA goes first: RFC 9218 section 10, and that nobody waits for what he does not need. */
#include "fake_peer.h"

#include "core/proto/limits.h"

enum { FRAME_MAX = 16384 };

static char body[20 * FRAME_MAX];

/* Requests up to `last`, not answered; windows that are no hindrance. */
static void open_requests(struct fake_peer *peer, uint32_t last)
{
    peer_open_with(peer, 4, 1 << 24);
    put_window_update(&peer->in, 0, 1 << 24);
    for (uint32_t id = 1; id <= last; id += 2) {
        put_get(&peer->in, id);
    }
    peer_go(peer);
}

/* A response of so many full frames. */
static void respond_frames(struct fake_peer *peer, uint32_t id, size_t frames)
{
    halo_stream *stream = peer_stream(peer, id);

    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(
        halo_stream_write_borrow(stream, body, frames * FRAME_MAX, HALO_END_STREAM, NULL, NULL), 0);
}

static void prioritize(struct fake_peer *peer, uint32_t id, uint8_t urgency, uint8_t incremental)
{
    struct halo_priority priority = { urgency, incremental };

    assert_int_equal(halo_stream_set_priority(peer_stream(peer, id), &priority), 0);
}

/* The streams of the DATA frames since the last look, one digit each. */
#define expect_order(peer, order) check_order(peer, order, __FILE__, __LINE__)
static void check_order(struct fake_peer *peer, const char *order, const char *file, int line)
{
    struct heard_frame heard;
    char found[256];
    size_t len = 0;

    while (peer_next_frame(peer, &heard)) {
        if (heard.frame.type == T_DATA) {
            assert_true(len < sizeof(found) - 1);
            found[len++] = (char)('0' + heard.frame.stream_id);
        }
    }
    found[len] = '\0';
    _assert_string_equal(found, order, file, line);
}

static void lower_urgency_first(struct fake_peer *peer)
{
    open_requests(peer, 9);
    prioritize(peer, 1, 7, 0);
    prioritize(peer, 5, 0, 1);
    prioritize(peer, 7, 2, 1);
    prioritize(peer, 9, 0, 1);
    for (uint32_t id = 1; id <= 9; id += 2) {
        respond_frames(peer, id, 2);
    }
    peer_go(peer);
    expect_order(peer, "5959"
                       "77"
                       "33"
                       "11");
}

/* Not incremental: the order is that of the numbers, not that of the answers. */
static void one_after_the_other(struct fake_peer *peer)
{
    open_requests(peer, 7);
    respond_frames(peer, 5, 3);
    respond_frames(peer, 1, 2);
    respond_frames(peer, 7, 1);
    respond_frames(peer, 3, 2);
    peer_go(peer);
    expect_order(peer, "11335557");
}

static void incremental_in_turns(struct fake_peer *peer)
{
    open_requests(peer, 5);
    for (uint32_t id = 1; id <= 5; id += 2) {
        prioritize(peer, id, 3, 1);
        respond_frames(peer, id, id == 3 ? 1 : 3);
    }
    peer_go(peer);
    expect_order(peer, "1351515");
}

/* In one urgency the line and the round alternate. */
static void both_kinds_in_one_urgency(struct fake_peer *peer)
{
    open_requests(peer, 9);
    prioritize(peer, 3, 3, 1);
    prioritize(peer, 5, 3, 1);
    prioritize(peer, 9, 3, 1);
    for (uint32_t id = 1; id <= 9; id += 2) {
        respond_frames(peer, id, 2);
    }
    peer_go(peer);
    expect_order(peer, "1315"
                       "7973"
                       "59");
}

/* A small piece is in the output at once when nothing has to go before it, and waits for its turn
 * otherwise: order does not depend on size. */
static void small_pieces_wait_for_their_turn(struct fake_peer *peer)
{
    static const struct {
        struct halo_priority ready; /* of stream 3, which has two frames that wait */
        struct halo_priority small;
        uint32_t id; /* of the stream that writes 10 octets */
        const char *order;
    } cases[] = {
        { { 2, 0 }, { 3, 0 }, 1, "331" }, /* more urgent */
        { { 2, 1 }, { 3, 0 }, 1, "331" }, /* ... in turns */
        { { 3, 0 }, { 2, 0 }, 5, "533" }, /* less urgent */
        { { 3, 0 }, { 3, 0 }, 5, "335" }, /* earlier */
        { { 3, 0 }, { 3, 0 }, 1, "133" }, /* later */
        { { 3, 1 }, { 3, 1 }, 1, "313" }, /* in turns: it comes at the end of the round */
        { { 3, 1 }, { 3, 0 }, 5, "533" }, /* the line goes first ... */
        { { 3, 0 }, { 3, 1 }, 1, "313" }, /* ... and then the round */
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        open_requests(peer, 5);
        prioritize(peer, 3, cases[i].ready.urgency, cases[i].ready.incremental);
        prioritize(peer, cases[i].id, cases[i].small.urgency, cases[i].small.incremental);
        assert_int_equal(halo_stream_respond(peer_stream(peer, cases[i].id), 200, NULL, 0), 0);
        respond_frames(peer, 3, 2);
        assert_int_equal(halo_stream_write(peer_stream(peer, cases[i].id), body, 10, 0), 0);
        peer_go(peer);
        expect_order(peer, cases[i].order);
        peer_restart(peer);
    }
}

/* Small pieces of one kind take turns with frames of the other. */
static void small_pieces_take_turns(struct fake_peer *peer)
{
    open_requests(peer, 3);
    prioritize(peer, 1, 3, 1);
    respond_frames(peer, 1, 3);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 3), body, 10, 0), 0); /* its turn */
    assert_int_equal(halo_stream_buffered(peer_stream(peer, 3)), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 3), body, 10, 0), 0); /* not any more */
    assert_int_equal(halo_stream_buffered(peer_stream(peer, 3)), 10);
    peer_go(peer);
    expect_order(peer, "31311");
}

/* Takes at most `limit` octets, as a socket would. */
static void pull_some(struct fake_peer *peer, size_t limit)
{
    struct iovec iov[64];
    int count = halo_session_pull(peer->session, iov, 64, limit);
    size_t len = 0;

    for (int i = 0; i < count; i++) {
        wire_octets(&peer->out, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    halo_session_sent(peer->session, len);
}

/* Batches do not begin anew: who was served last is last in the next, too. */
static void turns_go_on_across_batches(struct fake_peer *peer)
{
    open_requests(peer, 5);
    for (uint32_t id = 1; id <= 5; id += 2) {
        prioritize(peer, id, 3, 1);
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, 0), 0);
    }
    peer_go(peer);
    skip_output(peer);
    for (uint32_t id = 1; id <= 5; id += 2) {
        assert_int_equal(
            halo_stream_write_borrow(peer_stream(peer, id), body, 4 * FRAME_MAX, 0, NULL, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        pull_some(peer, 2 * (FRAME_MAX + 9));
    }
    expect_order(peer, "13"
                       "51"
                       "35"
                       "13");
    pull_some(peer, FRAME_MAX + 9);
    peer_go(peer);
    expect_order(peer, "5"
                       "135");
    /* One with nothing to send for a while comes last in the round. */
    for (uint32_t id = 5; id >= 1 && id <= 5; id -= 2) {
        assert_int_equal(
            halo_stream_write_borrow(peer_stream(peer, id), body, 2 * FRAME_MAX, 0, NULL, NULL), 0);
        pull_some(peer, 1);
    }
    peer_go(peer);
    expect_order(peer, "553131");
}

/* A change takes effect for what is in line already. */
static void priority_changes_in_line(struct fake_peer *peer)
{
    open_requests(peer, 5);
    for (uint32_t id = 1; id <= 5; id += 2) {
        respond_frames(peer, id, 2);
    }
    put_priority_update(&peer->in, 5, "u=1");
    put_priority_update(&peer->in, 1, "u=6, i");
    peer_go(peer);
    expect_order(peer, "553311");
}

/* ---- nobody is in the way --------------------------------------------------------------------------- */

struct fits_and_starts {
    int has;
    int end;
};

static int read_some(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct fits_and_starts *source = ctx;

    if (source->has == 0 && !source->end) {
        *len = 0;
        return HALO_E_AGAIN;
    }
    *len = source->has < (int)cap ? (size_t)source->has : cap;
    memset(out, 's', *len);
    source->has -= (int)*len;
    *end = source->end && source->has == 0;
    return 0;
}

static void idle_sources_do_not_block(struct fake_peer *peer)
{
    struct fits_and_starts state = { .has = 0 };
    struct halo_source source = { .read = read_some, .ctx = &state };

    open_requests(peer, 3);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 1), &source, 0), 0);
    respond_frames(peer, 3, 2);
    peer_go(peer);
    expect_order(peer, "33");
    state.has = 10;
    state.end = 1;
    halo_stream_resume_source(peer_stream(peer, 1));
    peer_go(peer);
    expect_order(peer, "1");
}

static void streams_without_window_do_not_block(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 0);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    put_window_update(&peer->in, 3, 2 * FRAME_MAX);
    peer_go(peer);
    prioritize(peer, 1, 0, 0);
    respond_frames(peer, 1, 2);
    respond_frames(peer, 3, 2);
    peer_go(peer);
    expect_order(peer, "33");
    put_window_update(&peer->in, 1, 2 * FRAME_MAX - 1); /* the connection has 1 more than that */
    peer_go(peer);
    expect_order(peer, "11");
}

/* The connection has no window, and a body waits for it. */
static void without_connection_window(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 1 << 20);
    for (uint32_t id = 1; id <= 7; id += 2) {
        put_get(&peer->in, id);
    }
    peer_go(peer);
    for (uint32_t id = 3; id <= 7; id += 2) {
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, 0), 0);
    }
    prioritize(peer, 1, 0, 0);
    respond_frames(peer, 1, 5);
    peer_go(peer);
    expect_order(peer, "1111");
}

/* What needs no window does not wait for it: the question for trailers, trailers, the end. */
static void ends_do_not_wait_for_the_connection_window(struct fake_peer *peer)
{
    struct fits_and_starts state = { .has = 0 };
    struct halo_source source = { .read = read_some, .ctx = &state };
    halo_header checksum = test_field("checksum", "0");
    halo_headers trailers = { .fields = &checksum, .count = 1 };
    halo_slice nothing = { 0 };

    without_connection_window(peer);
    skip_log(peer);
    assert_int_equal(
        halo_stream_write(peer_stream(peer, 3), "", 0, HALO_END_STREAM | HALO_WAIT_FOR_TRAILERS),
        0);
    peer_go(peer);
    expect_log(peer, "WANT_TRAILERS 3\n");
    put_window_update(&peer->in, 3, 1); /* which is no second question */
    peer_go(peer);
    expect_log(peer, "");
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 3), &trailers), 0);
    peer_go(peer);
    expect_headers(peer, 3, F_END_STREAM, "checksum: 0\n");

    assert_int_equal(halo_stream_end(peer_stream(peer, 5)), 0);
    peer_go(peer);
    expect_data(peer, 5, F_END_STREAM, 0);

    /* A source that is in line and then says that nothing more comes. */
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 7), &source, 0), 0);
    peer_go(peer);
    expect_nothing(peer);
    assert_int_equal(stream_source_slice(peer_stream(peer, 7), &nothing, true), 0);
    peer_go(peer);
    expect_data(peer, 7, F_END_STREAM, 0);
    put_window_update(&peer->in, 0, 1 << 20);
    peer_go(peer);
    expect_body(peer, 1, F_END_STREAM, 5 * FRAME_MAX - 65535);
}

/* No window of the connection is kept for a stream that has nothing to send. */
static void nothing_is_reserved(struct fake_peer *peer)
{
    open_requests(peer, 3);
    prioritize(peer, 1, 0, 0);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    peer_restart(peer);
    peer_open_with(peer, 4, 1 << 20);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    prioritize(peer, 1, 0, 0);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    respond_frames(peer, 3, 4);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->session->send_window, 0);
}

/* ---- where the time goes --------------------------------------------------------------------------------- */

static void check_stalls(const halo_stream *stream, const struct halo_stream_stalls *expected)
{
    struct halo_stream_stalls stalls;
    const uint64_t ms = 1000000;

    halo_stream_get_stalls(stream, &stalls);
    assert_int_equal(stalls.application_ns, expected->application_ns * ms);
    assert_int_equal(stalls.stream_window_ns, expected->stream_window_ns * ms);
    assert_int_equal(stalls.connection_window_ns, expected->connection_window_ns * ms);
    assert_int_equal(stalls.place_ns, expected->place_ns * ms);
    assert_int_equal(stalls.turn_ns, expected->turn_ns * ms);
    assert_int_equal(stalls.socket_ns, expected->socket_ns * ms);
    assert_int_equal(stalls.peer_ns, expected->peer_ns * ms);
}

static void app_check_at_close(struct fake_peer *peer, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_STREAM_CLOSED && peer->ctx != NULL) {
        check_stalls(event->stream, peer->ctx);
        peer->counter++;
    }
}

static void stalls_at_windows(struct fake_peer *peer)
{
    struct halo_stream_stalls stalls = { 0 };

    peer->app = app_check_at_close;
    peer_open_with(peer, 4, 10000);
    put_post(&peer->in, 1);
    peer_go(peer);
    peer_wait(peer, 5);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    peer_wait(peer, 6);
    stalls.application_ns = 11;
    check_stalls(peer_stream(peer, 1), &stalls);
    assert_int_equal(
        halo_stream_write_borrow(peer_stream(peer, 1), body, 100000, HALO_END_STREAM, NULL, NULL),
        0);
    peer_go(peer);
    peer_wait(peer, 70);
    stalls.stream_window_ns = 70;
    check_stalls(peer_stream(peer, 1), &stalls);
    put_window_update(&peer->in, 1, 200000); /* the connection has 55535 left */
    peer_go(peer);
    peer_wait(peer, 300);
    stalls.connection_window_ns = 300;
    check_stalls(peer_stream(peer, 1), &stalls);
    put_window_update(&peer->in, 0, 200000);
    peer_go(peer);
    peer_wait(peer, 4);
    stalls.peer_ns = 4;
    check_stalls(peer_stream(peer, 1), &stalls);
    put_data(&peer->in, 1, F_END_STREAM, 0);
    peer->ctx = &stalls;
    peer_go(peer);
    assert_int_equal(peer->counter, 1);
    peer->counter = 0;
}

/* First in line is who waits for the socket; the others wait for him. */
static void stalls_at_socket_and_turn(struct fake_peer *peer)
{
    struct halo_stream_stalls first = { .socket_ns = 50 };
    struct halo_stream_stalls second = { .turn_ns = 50 };

    open_requests(peer, 3);
    respond_frames(peer, 1, 8);
    respond_frames(peer, 3, 8);
    pull_some(peer, 2 * FRAME_MAX);
    peer->now_ns += 50 * 1000000;
    halo_session_tick(peer->session, peer->now_ns);
    check_stalls(peer_stream(peer, 1), &first);
    check_stalls(peer_stream(peer, 3), &second);
    prioritize(peer, 3, 0, 0); /* and now the other way round */
    pull_some(peer, 2 * FRAME_MAX);
    peer->now_ns += 3 * 1000000;
    halo_session_tick(peer->session, peer->now_ns);
    first.turn_ns = 3;
    second.socket_ns = 3;
    check_stalls(peer_stream(peer, 1), &first);
    check_stalls(peer_stream(peer, 3), &second);
    peer_go(peer);
}

static void stalls_of_clients(struct fake_peer *peer)
{
    struct halo_stream_stalls stalls = { .peer_ns = 20 };
    halo_stream *first;
    halo_stream *second;

    peer->app = app_check_at_close;
    peer_open_with(peer, 3, 1);
    first = peer_request(peer, "GET", HALO_END_STREAM);
    second = peer_request(peer, "POST", 0);
    peer_go(peer);
    peer_wait(peer, 20);
    check_stalls(first, &stalls);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer->ctx = &stalls;
    peer_go(peer);
    assert_int_equal(peer->counter, 1);
    peer->counter = 0;
    peer->ctx = NULL;
    peer_wait(peer, 3);
    stalls = (struct halo_stream_stalls){ .place_ns = 20, .application_ns = 3 };
    check_stalls(second, &stalls);
    assert_int_equal(halo_stream_end(second), 0);
    peer_go(peer); /* taken */
    peer_wait(peer, 9);
    stalls.peer_ns = 9;
    check_stalls(second, &stalls);
}

/* The clock goes on, and nothing else happens. */
static void pass_ms(struct fake_peer *peer, uint64_t ms)
{
    peer->now_ns += ms * 1000000;
    halo_session_tick(peer->session, peer->now_ns);
}

/* What was built counts until the socket has taken it, whatever waits behind. */
static void stalls_of_octets_in_the_output(struct fake_peer *peer)
{
    struct halo_stream_stalls stalls = { 0 };
    struct iovec iov[64];
    halo_stream *stream;

    peer_open_with(peer, 4, 20000);
    put_post(&peer->in, 1);
    peer_go(peer);
    stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    peer_go(peer);
    assert_int_equal(halo_stream_write(stream, body, 100, 0), 0); /* goes to the output at once */
    pass_ms(peer, 7);
    stalls.socket_ns = 7;
    check_stalls(stream, &stalls);
    pull_some(peer, 50);
    pass_ms(peer, 1);
    stalls.socket_ns = 8;
    check_stalls(stream, &stalls);
    pull_some(peer, 1000);
    pass_ms(peer, 20); /* all taken, and nothing to send */
    stalls.application_ns = 20;
    check_stalls(stream, &stalls);
    assert_int_equal(halo_stream_write(stream, body, 30000, HALO_END_STREAM), 0);
    assert_true(halo_session_pull(peer->session, iov, 64, SIZE_MAX) > 0);
    pass_ms(peer, 300); /* the window is used up, but what it let through is not taken */
    stalls.socket_ns += 300;
    check_stalls(stream, &stalls);
    pull_some(peer, SIZE_MAX);
    pass_ms(peer, 4);
    stalls.stream_window_ns = 4;
    check_stalls(stream, &stalls);
    put_window_update(&peer->in, 1, 20000);
    halo_session_recv(peer->session, peer->in.data, peer->in.len, peer->now_ns);
    peer->in.len = 0;
    peer_poll(peer);
    assert_true(halo_session_pull(peer->session, iov, 64, SIZE_MAX) > 0);
    pass_ms(peer, 50); /* END_STREAM is in a frame; the peer does not know */
    stalls.socket_ns += 50;
    check_stalls(stream, &stalls);
    pull_some(peer, 10109 - 1); /* all but the last octet of frame and frame header */
    check_stalls(stream, &stalls);
    pull_some(peer, SIZE_MAX);
    pass_ms(peer, 6000);
    stalls.peer_ns = 6000;
    check_stalls(stream, &stalls);
}

/* Every stream's time, whatever happened: no moment is missing, and none is counted twice. */
static uint64_t sum_of_stalls(const halo_stream *stream)
{
    struct halo_stream_stalls stalls;

    halo_stream_get_stalls(stream, &stalls);
    return stalls.application_ns + stalls.stream_window_ns + stalls.connection_window_ns +
           stalls.place_ns + stalls.turn_ns + stalls.socket_ns + stalls.peer_ns;
}

static void check_sums(struct fake_peer *peer, uint64_t start_ns)
{
    for (uint32_t id = 1; id <= 7; id += 2) {
        assert_int_equal(sum_of_stalls(peer_stream(peer, id)), peer->now_ns - start_ns);
    }
}

/* Four streams that have octets without an end, at a socket that takes bits of odd sizes, with
 * windows that close and open. */
static void stalls_add_up(struct fake_peer *peer)
{
    struct halo_stream_stalls first;
    uint64_t start_ns;

    peer_open_with(peer, 4, 100000);
    start_ns = peer->now_ns;
    for (uint32_t id = 1; id <= 7; id += 2) {
        put_post(&peer->in, id);
    }
    peer_go(peer);
    prioritize(peer, 5, 3, 1);
    prioritize(peer, 7, 1, 1);
    for (uint32_t id = 1; id <= 7; id += 2) {
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, 0), 0);
        pass_ms(peer, id);
    }
    for (uint32_t step = 0; step < 400; step++) {
        uint32_t id = 1 + 2 * (step % 4);

        if (step % 3 == 0) {
            assert_int_equal(
                halo_stream_write(peer_stream(peer, id), body, step * 37 % 9000 + 1, 0), 0);
        }
        if (step % 23 == 0) {
            put_window_update(&peer->in, step % 2 == 0 ? 0 : id, 30000);
            halo_session_recv(peer->session, peer->in.data, peer->in.len, peer->now_ns);
            peer->in.len = 0;
            peer_poll(peer);
        }
        pull_some(peer, step * 911 % 5000 + 1);
        pass_ms(peer, step % 5);
        check_sums(peer, start_ns);
    }
    halo_stream_get_stalls(peer_stream(peer, 1), &first);
    assert_true(first.socket_ns > 0 && first.turn_ns > 0 && first.application_ns > 0);
    assert_true(first.connection_window_ns > 0);
}

/* ---- calls from within a turn ---------------------------------------------------------- */

struct writer {
    halo_stream *stream;
    int calls;
};

static void write_more(void *ctx)
{
    struct writer *writer = ctx;

    writer->calls++;
    assert_int_equal(halo_stream_write(writer->stream, body, 500, 0), 0);
}

/* done() runs when the frame that used the window up is built, and what it writes has to wait. The
 * stream then waits once, and is found when there is window again. */
static void writing_in_done_without_window(struct fake_peer *peer)
{
    struct writer writer = { 0 };

    peer_open_with(peer, 4, 1900);
    put_get(&peer->in, 1);
    peer_go(peer);
    writer.stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_respond(writer.stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write_borrow(writer.stream, body, 2000, 0, write_more, &writer),
                     0);
    peer_go(peer);
    assert_int_equal(writer.calls, 0);
    put_window_update(&peer->in, 1, 100);
    peer_go(peer);
    assert_int_equal(writer.calls, 1);
    expect_order(peer, "11");
    put_settings(&peer->in, 4, 5000, 0);
    peer_go(peer);
    expect_order(peer, "1");
    assert_int_equal(halo_stream_buffered(writer.stream), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(lower_urgency_first),
        SERVER(one_after_the_other),
        SERVER(incremental_in_turns),
        SERVER(both_kinds_in_one_urgency),
        SERVER(small_pieces_wait_for_their_turn),
        SERVER(small_pieces_take_turns),
        SERVER(turns_go_on_across_batches),
        SERVER(priority_changes_in_line),
        SERVER(idle_sources_do_not_block),
        SERVER(streams_without_window_do_not_block),
        SERVER(ends_do_not_wait_for_the_connection_window),
        SERVER(nothing_is_reserved),
        SERVER(writing_in_done_without_window),
        SERVER(stalls_at_windows),
        SERVER(stalls_at_socket_and_turn),
        CLIENT(stalls_of_clients),
        SERVER(stalls_of_octets_in_the_output),
        SERVER(stalls_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
