/* Windows that are given in drops: no frame for each of them, no waiting for ever, and no harm to who is
 * only slow or small. Time is virtual. */
#include "fake_peer.h"

#include "core/proto/limits.h"

enum { MEGABYTE = 1024 * 1024 };

static char body[10 * MEGABYTE];

static halo_stream *respond_with(struct fake_peer *peer, uint32_t id, size_t len)
{
    halo_stream *stream = peer_stream(peer, id);

    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write_borrow(stream, body, len, HALO_END_STREAM, NULL, NULL), 0);
    return stream;
}

struct count {
    size_t frames;
    size_t octets;
    size_t smallest;
    bool reset;
    bool end;
};

/* What came of one stream (0: of all) since the last look. */
static struct count count_data(struct fake_peer *peer, uint32_t id)
{
    struct count count = { .smallest = SIZE_MAX };
    struct heard_frame heard;

    while (peer_next_frame(peer, &heard)) {
        if (id != 0 && heard.frame.stream_id != id) {
            continue;
        }
        if (heard.frame.type == T_DATA) {
            count.frames++;
            count.octets += heard.frame.len;
            count.smallest = heard.frame.len < count.smallest ? heard.frame.len : count.smallest;
            count.end |= (heard.frame.flags & F_END_STREAM) != 0;
        }
        count.reset |= heard.frame.type == T_RST_STREAM;
    }
    return count;
}

/* Scorecard row 40, A4.1, CVE-2019-9511: a window of 1, and an octet more in every round. */
static void dribbled_windows(struct fake_peer *peer)
{
    enum { STREAMS = 100, ROUNDS_A_SECOND = 2 };
    int seconds = 0;

    peer_open_with(peer, 4, 1);
    for (uint32_t i = 0; i < STREAMS; i++) {
        put_get(&peer->in, 1 + 2 * i);
    }
    peer_go(peer);
    for (uint32_t i = 0; i < STREAMS; i++) {
        respond_with(peer, 1 + 2 * i, sizeof(body));
    }
    peer_go(peer);
    skip_output(peer);
    for (; seconds < 40; seconds++) {
        struct count count;

        for (int round = 0; round < ROUNDS_A_SECOND; round++) {
            for (uint32_t i = 0; i < STREAMS; i++) {
                put_window_update(&peer->in, 1 + 2 * i, 1);
            }
            peer_go(peer);
            peer_wait(peer, 1000 / ROUNDS_A_SECOND);
        }
        count = count_data(peer, 0);
        assert_true(count.frames <= STREAMS);
        if (count.reset) {
            break;
        }
    }
    skip_log(peer);
    assert_in_range(seconds, 28, 35);
    peer_wait(peer, 5000);
    skip_log(peer);
    for (uint32_t i = 0; i < STREAMS; i++) {
        assert_null(peer->streams[i]);
    }
    expect_alive(peer);
}

/* The same with the window of the connection. */
static void dribbled_connection_window(struct fake_peer *peer)
{
    int seconds = 0;

    peer_open_with(peer, 4, 1 << 24);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, sizeof(body));
    peer_go(peer);
    assert_int_equal(count_data(peer, 1).octets, 65535);
    for (; seconds < 40; seconds++) {
        struct count count;

        for (int round = 0; round < 4; round++) {
            put_window_update(&peer->in, 0, 10);
            peer_go(peer);
            assert_int_equal(halo_session_wants_send(peer->session), 0); /* no spinning */
            peer_wait(peer, 250);
        }
        count = count_data(peer, 1);
        assert_true(count.frames <= (seconds == 0 ? 2 : 1)); /* at 0 s, and at 1 s */
        if (count.reset) {
            break;
        }
    }
    skip_log(peer);
    assert_in_range(seconds, 29, 35);
    expect_alive(peer);
}

/* A kibibyte is worth a frame, and so is what is left of the body. */
static void credit_is_gathered(struct fake_peer *peer)
{
    uint64_t deadline;

    peer_open_with(peer, 4, 2000);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 2000 + 100 + 1024 + 50);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 2000);
    put_window_update(&peer->in, 1, 100); /* the first goes: there may be no second */
    peer_go(peer);
    expect_data(peer, 1, 0, 100);
    for (int i = 0; i < 10; i++) {
        put_window_update(&peer->in, 1, 100);
        peer_go(peer);
        expect_nothing(peer);
        assert_int_equal(halo_session_wants_send(peer->session), 0);
    }
    deadline = halo_session_next_timeout(peer->session);
    assert_int_equal(deadline, peer->now_ns + LIMIT_DATA_HOLD_MS * 1000000ull);
    put_window_update(&peer->in, 1, 24);
    peer_go(peer);
    expect_data(peer, 1, 0, 1024);
    put_window_update(&peer->in, 1, 49);
    peer_go(peer);
    expect_nothing(peer);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 50);
}

/* What is held back goes out after a second, and then the next after another one. */
static void held_back_for_a_second(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 2000);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 10000);
    peer_go(peer);
    skip_output(peer);
    put_window_update(&peer->in, 1, 100);
    peer_go(peer);
    expect_data(peer, 1, 0, 100);
    for (int i = 0; i < 3; i++) {
        put_window_update(&peer->in, 1, 500);
        peer_go(peer);
        peer_wait(peer, LIMIT_DATA_HOLD_MS - 1);
        expect_nothing(peer);
        peer_wait(peer, 1);
        expect_data(peer, 1, 0, 500);
    }
}

/* A stream that is held back is in nobody's way. */
static void others_go_on(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 2000);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    respond_with(peer, 1, 10000);
    respond_with(peer, 3, 10000);
    peer_go(peer);
    skip_output(peer);
    put_window_update(&peer->in, 1, 100);
    peer_go(peer);
    skip_output(peer);
    put_window_update(&peer->in, 1, 100);
    put_window_update(&peer->in, 3, 3000);
    peer_go(peer);
    expect_data(peer, 3, 0, 3000);
    expect_nothing(peer);
}

/* Small writes are small for another reason than the window. */
static void small_writes_are_not_held_back(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 100);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    peer_go(peer);
    skip_output(peer);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(halo_stream_write(peer_stream(peer, 1), "event", 5, 0), 0);
        peer_go(peer);
        expect_data(peer, 1, 0, 5);
    }
    for (int i = 0; i < 20; i++) { /* the window is used up; 5 octets are all there is */
        assert_int_equal(halo_stream_write(peer_stream(peer, 1), "event", 5, 0), 0);
        put_window_update(&peer->in, 1, 5);
        peer_go(peer);
        expect_data(peer, 1, 0, 5);
    }
}

/* A device with a window of less than a kibibyte gets it full, as fast as it gives it back. */
static void small_windows_work(struct fake_peer *peer)
{
    static const uint32_t windows[] = { 64, 128, 500, 1023 };

    for (size_t i = 0; i < HALO_ARRAY_LEN(windows); i++) {
        struct count count;
        size_t octets = 0;

        peer_open_with(peer, 4, windows[i]);
        put_get(&peer->in, 1);
        peer_go(peer);
        respond_with(peer, 1, 20000);
        peer_go(peer);
        count = count_data(peer, 1);
        while (!count.end) {
            assert_int_equal(count.octets, windows[i]);
            octets += count.octets;
            put_window_update(&peer->in, 1, windows[i]);
            put_window_update(&peer->in, 0, windows[i]);
            peer_go(peer);
            count = count_data(peer, 1);
        }
        assert_int_equal(octets + count.octets, 20000);
        peer_restart(peer);
    }
}

/* Below that it is a frame a second; small answers still arrive. */
static void tiny_windows_work_for_little(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 10);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 50);
    peer_go(peer);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(count_data(peer, 1).octets, 10);
        put_window_update(&peer->in, 1, 10);
        peer_wait(peer, LIMIT_DATA_HOLD_MS);
    }
    assert_true(count_data(peer, 1).end);
}

/* ---- scorecard rows 42, 43, 47 --------------------------------------------------------------------------------- */

/* Row 42: no window at all, and an octet each 1, 10, 50 s. */
static void zero_window_and_drips(struct fake_peer *peer)
{
    static const int every[] = { 0, 1, 10, 50 };

    for (size_t i = 0; i < HALO_ARRAY_LEN(every); i++) {
        int seconds = 0;

        peer_open_with(peer, 4, 0);
        put_get(&peer->in, 1);
        peer_go(peer);
        respond_with(peer, 1, MEGABYTE);
        peer_go(peer);
        while (peer->streams[0] != NULL && seconds < 60) {
            peer_wait(peer, 1000);
            seconds++;
            if (every[i] != 0 && seconds % every[i] == 0) {
                put_window_update(&peer->in, 1, 1);
                peer_go(peer);
            }
        }
        assert_in_range(seconds, 30, 35);
        assert_true(count_data(peer, 1).reset);
        skip_log(peer);
        peer_restart(peer);
    }
}

static int read_nothing(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    (void)ctx;
    (void)out;
    (void)cap;
    (void)end;
    *len = 0;
    return HALO_E_AGAIN;
}

/* Row 43: a stream of events that is silent for ten minutes with its window open. */
static void silent_streams_stay(struct fake_peer *peer)
{
    struct halo_source source = { .read = read_nothing };

    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 3), &source, 0), 0);
    for (int i = 0; i < 600; i++) {
        peer_wait(peer, 1000);
    }
    skip_output(peer);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "event", 5, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 5);
    assert_non_null(peer->streams[1]);
}

/* Row 43: a slow honest reader, 2 KB/s of 1 MiB, however it gives its credit back. */
static void slow_readers_are_never_cut(struct fake_peer *peer)
{
    static const struct {
        uint32_t window;
        uint32_t step; /* octets read before credit is given */
    } cases[] = { { 65535, 32768 }, { 65535, 2000 }, { 65535, 100 },
                  { 4096, 2048 },   { 2000, 1000 },  { 1000, 250 } };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        size_t octets = 0;
        size_t read = 0;
        size_t credited = 0;
        bool end = false;

        peer_open_with(peer, 4, cases[i].window);
        put_get(&peer->in, 1);
        peer_go(peer);
        respond_with(peer, 1, MEGABYTE);
        peer_go(peer);
        for (int tick = 0; tick < 4 * 700 && !end; tick++) {
            struct count count = count_data(peer, 1);

            assert_false(count.reset);
            octets += count.octets;
            end = count.end;
            read = read + 500 < octets ? read + 500 : octets;
            if (read - credited >= cases[i].step) {
                put_window_update(&peer->in, 1, (uint32_t)(read - credited));
                put_window_update(&peer->in, 0, (uint32_t)(read - credited));
                credited = read;
            }
            peer_wait(peer, 250);
        }
        assert_true(end);
        assert_int_equal(octets, MEGABYTE);
        skip_log(peer);
        peer_restart(peer);
    }
}

/* Row 47, the sending side of it: PINGs are no headway, and do not keep a stalled stream. */
static void pings_are_no_headway(struct fake_peer *peer)
{
    int seconds = 0;

    peer_open_with(peer, 4, 0);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, MEGABYTE);
    peer_go(peer);
    while (peer->streams[0] != NULL && seconds < 60) {
        put_ping(&peer->in, 0, "are you?");
        peer_wait(peer, 1000);
        seconds++;
    }
    skip_log(peer);
    assert_in_range(seconds, 30, 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(dribbled_windows),
        SERVER(dribbled_connection_window),
        SERVER(credit_is_gathered),
        SERVER(held_back_for_a_second),
        SERVER(others_go_on),
        SERVER(small_writes_are_not_held_back),
        SERVER(small_windows_work),
        SERVER(tiny_windows_work_for_little),
        SERVER(zero_window_and_drips),
        SERVER(silent_streams_stay),
        SERVER(slow_readers_are_never_cut),
        SERVER(pings_are_no_headway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
