/* Traps that other implementations fell into, one test each: limits, ends and wake-ups. */
#include "conform.h"

#include "core/base/base.h"
#include "core/proto/limits.h"

/* ---- limits ---------------------------------------------------------------------------- */

static void small_lists(struct halo_session_options *options)
{
    options->limits.header_list_size = 1000;
}

/* A request whose list is about `len` octets too long, and which leaves something in the table. */
static void put_long_request(struct fake_peer *peer, uint32_t id, size_t len, const char *kept)
{
    struct wire block = { 0 };

    put_request_block(&block);
    while (len >= 100) {
        field(&block, "x-filling", "sixty octets sixty octets sixty octets sixty octets sixty oc");
        len -= 100;
    }
    field_indexed(&block, "x-kept", kept);
    put_headers(&peer->in, id, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
}

/* T13: a list beyond the limit costs its request, one far beyond the connection; the table
 * follows. */
static void test_trap_T13_header_list_limits(struct fake_peer *peer)
{
    struct wire block = { 0 };

    peer_open(peer);
    put_long_request(peer, 1, 1200, "first");
    peer_go(peer);
    expect_rst(peer, 1, HALO_ENHANCE_YOUR_CALM);
    expect_log(peer, "");
    put_request_block(&block);
    field_at(&block, 62);
    put_headers(&peer->in, 3, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
    peer_go(peer);
    expect_log(peer, "REQUEST 3 END :method=GET :scheme=https :path=/ :authority=example.org "
                     "x-kept=first\n");
    put_long_request(peer, 5, 2400, "second");
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* T14: what a list would hold is counted before anything is stored: one octet a field, 40 in
 * memory. */
static void test_trap_T14_counted_before_stored(struct fake_peer *peer)
{
    static const struct {
        const char *name;
        int count;
        int outcome; /* 0: taken, 1: RST_STREAM, 2: GOAWAY */
    } cases[] = {
        { "a", 20, 0 },
        { "a", LIMIT_HEADER_FIELDS, 1 },
        { "a", LIMIT_HEADER_FIELDS_HARD, 2 },
        { "a", 16000, 2 },
        { "cookie", LIMIT_COOKIE_CRUMBS, 0 },
        { "cookie", LIMIT_COOKIE_CRUMBS + 1, 1 },
        { "cookie", LIMIT_HEADER_FIELDS_HARD, 2 },
        { "cookie", 16000, 2 },
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        struct wire block = { 0 };

        peer_open(peer);
        peer->app = app_respond;
        put_request_block(&block);
        field_indexed(&block, cases[i].name, "");
        for (int k = 1; k < cases[i].count; k++) {
            field_at(&block, 62);
        }
        put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
        wire_free(&block);
        peer_go(peer);
        if (cases[i].outcome == 0) {
            expect_answer(peer, 1);
        } else if (cases[i].outcome == 1) {
            expect_rst(peer, 1, HALO_ENHANCE_YOUR_CALM);
            expect_alive(peer);
        } else {
            expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        }
        peer->app = NULL;
        peer_restart(peer);
    }
}

/* ---- ends ------------------------------------------------------------------------------ */

/* T15: RST_STREAM behind END_STREAM does not take away what came before. */
static void test_trap_T15_reset_behind_the_end(struct fake_peer *peer)
{
    static const uint32_t codes[] = { HALO_NO_ERROR, HALO_CANCEL };

    for (size_t i = 0; i < 2; i++) {
        peer_open(peer);
        peer_request(peer, "POST", 0);
        put_ok(&peer->in, 1, 0);
        peer_go(peer);
        skip_log(peer);
        halo_stream_pause(peer_stream(peer, 1));
        put_data(&peer->in, 1, F_END_STREAM, 1000);
        put_rst_stream(&peer->in, 1, codes[i]);
        peer_go(peer);
        expect_log(peer, "");
        halo_stream_resume(peer_stream(peer, 1));
        peer_go(peer);
        expect_log(peer, i == 0 ? "DATA 1 len=1000 END\nCLOSED 1\n"
                                : "DATA 1 len=1000 END\nCLOSED 1 STREAM_ERROR CANCEL origin=3 "
                                  "processed=2\n");
        peer_restart(peer);
    }
}

/* T16: NO_ERROR behind a whole response is no error; a server that needs no more says it so. */
static void test_trap_T16_no_error_is_no_error(struct fake_peer *peer)
{
    if (peer->scenario->role == HALO_CLIENT) {
        peer_open(peer);
        peer_request(peer, "POST", 0);
        put_ok(&peer->in, 1, F_END_STREAM);
        put_rst_stream(&peer->in, 1, HALO_NO_ERROR);
        peer_go(peer);
        expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\n");
        return;
    }
    peer->app = app_respond;
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
    assert_int_equal(halo_stream_reset(peer_stream(peer, 1), HALO_NO_ERROR), 0);
    peer_go(peer);
    expect_rst(peer, 1, HALO_NO_ERROR);
    put_data(&peer->in, 1, F_END_STREAM, 100); /* under way */
    peer_go(peer);
    expect_nothing(peer);
    expect_alive(peer);
    peer->app = NULL;
}

/* T17: a client that goes away still wants its answers. */
static void test_trap_T17_goaway_leaves_requests(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    put_post(&peer->in, 3);
    put_goaway(&peer->in, 0, HALO_NO_ERROR, "");
    put_data(&peer->in, 3, F_END_STREAM, 10);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 END :method=GET :scheme=https :path=/ :authority=example.org\n"
                     "REQUEST 3 :method=POST :scheme=https :path=/ :authority=example.org\n"
                     "GOAWAY NO_ERROR last=0 debug=\nDATA 3 len=10 END\n");
    for (uint32_t id = 1; id <= 3; id += 2) {
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, HALO_END_STREAM), 0);
    }
    peer_go(peer);
    expect_answer(peer, 1);
    expect_answer(peer, 3);
    expect_log(peer, "CLOSED 1\nCLOSED 3\nSESSION_CLOSED\n");
}

/* T33: whatever is asked for while a session ends, and after, is answered. */
static void ask_everything(struct fake_peer *peer, const struct halo_event *event)
{
    struct halo_session_info session_info;
    struct halo_stream_info stream_info;
    halo_header_list list;

    halo_session_get_info(peer->session, &session_info);
    assert_true(session_info.open_streams <= 3);
    (void)halo_session_next_timeout(peer->session);
    (void)halo_session_is_closed(peer->session);
    (void)halo_session_local_settings(peer->session);
    (void)halo_session_wants_recv(peer->session);
    if (event->stream != NULL) {
        halo_stream_get_info(event->stream, &stream_info);
        list = halo_stream_headers(event->stream);
        assert_true(list.count == 0 || list.fields != NULL);
        (void)halo_stream_buffered(event->stream);
        if (event->type == HALO_EVENT_STREAM_CLOSED) {
            assert_int_equal(stream_info.state, HALO_STATE_CLOSED);
            assert_int_equal(halo_stream_write(event->stream, "x", 1, 0), HALO_E_INVALID_STREAM);
            assert_int_equal(halo_stream_reset(event->stream, HALO_CANCEL), HALO_E_INVALID_STREAM);
        }
    }
    if (event->type == HALO_EVENT_SESSION_CLOSED) {
        struct halo_settings settings;

        halo_settings_default(&settings);
        assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SESSION);
        assert_int_equal(halo_session_ping(peer->session, NULL), HALO_E_INVALID_SESSION);
        assert_int_equal(halo_session_goaway(peer->session, 0, 0, NULL, 0), HALO_E_INVALID_SESSION);
        halo_session_close(peer->session);
        halo_session_destroy(peer->session, HALO_CANCEL);
    }
}

static void test_trap_T33_questions_during_the_end(struct fake_peer *peer)
{
    for (int way = 0; way < 4; way++) {
        peer_open(peer);
        peer->app = ask_everything;
        put_post(&peer->in, 1);
        put_get(&peer->in, 3);
        put_post(&peer->in, 5);
        put_data(&peer->in, 5, 0, 100);
        peer_go(peer);
        skip_log(peer);
        assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, NULL, 0), 0);
        switch (way) {
        case 0:
            halo_session_destroy(peer->session, HALO_INTERNAL_ERROR);
            break;
        case 1:
            put_ping(&peer->in, 0, "12345678");
            peer->in.data[3] = T_CONTINUATION; /* out of order */
            break;
        case 2:
            halo_session_recv_end(peer->session, NULL);
            break;
        default:
            halo_session_close(peer->session);
            peer_wait(peer, LIMIT_GOAWAY_MS + LIMIT_DRAIN_MS);
            break;
        }
        peer_go(peer);
        peer_flush_log(peer);
        assert_true(peer->log.len > peer->log_read);
        assert_int_equal(halo_session_is_closed(peer->session), 1);
        assert_int_equal(halo_session_next_timeout(peer->session), UINT64_MAX);
        peer->app = NULL;
        peer_restart(peer);
    }
}

/* ---- wake-ups -------------------------------------------------------------------------- */

static void expect_reset_or_wake(struct fake_peer *peer)
{
    /* Stream 1 has the whole window; its end leaves the rest of the connection's to stream 3. */
    halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
    peer_go(peer);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_nothing(peer); /* the window is used up for all */
    put_window_update(&peer->in, 0, 1000);
    peer_go(peer);
    expect_data(peer, 3, 0, 1000);
    put_window_update(&peer->in, 0, 100000);
    peer_go(peer);
    expect_body(peer, 3, F_END_STREAM, 49000);
    expect_log(peer, "WRITABLE 1\nCLOSED 1 STREAM_CANCEL CANCEL origin=1 processed=0\nCLOSED 3\n");
}

/* T20: trailers behind data that waits; a stream that waits behind one that we reset. (Reading on
 * when the output has drained: tests/session/floods_test.c.) */
static void test_trap_T20_wake_ups(struct fake_peer *peer)
{
    static const char body[100000];
    halo_header header = test_field("x-sum", "1");
    halo_headers trailers = { .fields = &header, .count = 1 };

    peer_open_with(peer, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 10);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), body, 20, 0), 0);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 1), &trailers), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_data(peer, 1, 0, 10);
    expect_nothing(peer);
    put_window_update(&peer->in, 1, 10);
    peer_go(peer);
    expect_data(peer, 1, 0, 10);
    expect_headers(peer, 1, F_END_STREAM, "x-sum: 1\n");
    peer_restart(peer);

    peer_open_with(peer, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 1000000);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    skip_log(peer);
    for (uint32_t id = 1; id <= 3; id += 2) {
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, 0), 0);
    }
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), body, sizeof(body), HALO_END_STREAM),
                     0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_headers(peer, 3, 0, ":status: 200\n");
    expect_body(peer, 1, 0, 65535);
    assert_int_equal(halo_stream_write(peer_stream(peer, 3), body, 50000, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_reset_or_wake(peer);
}

/* T27: a client's connection on which PING and SETTINGS came while it was idle takes requests. */
static void test_trap_T27_idle_connection_is_usable(struct fake_peer *peer)
{
    peer_open(peer);
    for (int i = 0; i < 10; i++) {
        put_ping(&peer->in, 0, "are you?");
        put_settings(&peer->in, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 100u + (uint32_t)i, 0);
        put_window_update(&peer->in, 0, 1000);
        peer_wait(peer, 60000);
    }
    skip_output(peer);
    skip_log(peer);
    assert_int_equal(halo_session_is_closed(peer->session), 0);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\n");
}

/* T29: preface, SETTINGS and the first request are there to be sent at once. */
static void test_trap_T29_request_with_the_preface(struct fake_peer *peer)
{
    struct iovec iov[8];
    size_t len = 0;
    int count;

    peer_request(peer, "GET", HALO_END_STREAM);
    count = halo_session_pull(peer->session, iov, 8, 1 << 20);
    assert_int_equal(count, 1); /* one piece, so one packet */
    len = iov[0].iov_len;
    assert_true(len > 24 + 9 + 9);
    peer_go(peer);
    assert_int_equal(peer->out.len, len);
    {
        struct heard_frame heard;

        assert_true(peer_next_frame(peer, &heard));
        assert_int_equal(heard.frame.type, T_SETTINGS);
    }
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_nothing(peer);
    put_settings(&peer->in, 0);
    put_settings_ack(&peer->in);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "SETTINGS\nSETTINGS_ACK\nRESPONSE 1 status=200 END :status=200\nCLOSED 1\n");
}

/* T24: the socket takes 0, 1, 2, ... octets of what was pulled: what is left is described again, in
 * order, nothing twice. */
static void test_trap_T24_short_writes(struct fake_peer *peer)
{
    static const char body[20000] = "x";
    size_t taken = 0;

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), body, 5000, 0), 0);
    assert_int_equal(halo_stream_write_borrow(peer_stream(peer, 1), body, sizeof(body),
                                              HALO_END_STREAM, NULL, NULL),
                     0);
    for (size_t step = 0;; step++) {
        struct iovec iov[8];
        int count = halo_session_pull(peer->session, iov, 8, 1 << 20);
        size_t left = step;

        for (int i = 0; i < count && left > 0; i++) {
            size_t len = iov[i].iov_len < left ? iov[i].iov_len : left;

            wire_octets(&peer->out, iov[i].iov_base, len);
            left -= len;
        }
        if (count == 0) {
            break;
        }
        halo_session_sent(peer->session, step - left);
        taken += step - left;
    }
    assert_int_equal(taken, peer->out.len - peer->heard);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_body(peer, 1, F_END_STREAM, 25000);
    expect_nothing(peer);
    skip_log(peer);
}

/* T28: a connection that is to end, by whoever said so, takes no request any more, and says so
 * before one is lost. */
static void test_trap_T28_no_requests_on_a_draining_connection(struct fake_peer *peer)
{
    struct halo_request request = { .authority = HALO_LIT("example.org") };
    halo_stream *stream;

    for (int way = 0; way < 4; way++) {
        peer_open(peer);
        peer_request(peer, "GET", HALO_END_STREAM);
        peer_go(peer);
        skip_output(peer);
        if (way == 0) {
            put_goaway(&peer->in, SERVER_LAST_ID_MAX, HALO_NO_ERROR, "");
        } else if (way == 1) {
            put_goaway(&peer->in, 1, HALO_INTERNAL_ERROR, "");
        } else if (way == 2) {
            halo_session_close(peer->session);
        } else {
            halo_session_recv_end(peer->session, NULL);
        }
        peer_go(peer);
        skip_output(peer);
        skip_log(peer);
        assert_int_equal(
            halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
            way % 2 == 0 ? HALO_E_GOAWAY_SESSION : HALO_E_INVALID_SESSION);
        peer_go(peer);
        expect_nothing(peer);
        peer_restart(peer);
    }
}

static void own_settings(struct halo_session_options *options)
{
    options->settings.initial_window_size = 100000;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    options->settings.max_frame_size = 20000;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_FRAME_SIZE);
}

static bool says(const struct heard_frame *heard, uint16_t id, uint32_t value)
{
    for (uint32_t at = 0; at + 6 <= heard->frame.len; at += 6) {
        if (load_u16(heard->payload + at) == id) {
            return load_u32(heard->payload + at + 2) == value;
        }
    }
    return false;
}

/* T34: the settings asked for are what goes out first, and the peer's limit of streams holds for
 * requests made before it came. */
static void test_trap_T34_initial_settings(struct fake_peer *peer)
{
    struct heard_frame heard;

    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_SETTINGS);
    assert_true(says(&heard, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 100000));
    assert_true(says(&heard, HALO_SETTINGS_MAX_FRAME_SIZE, 20000));
    put_settings(&peer->in, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 1u, 0);
    put_settings_ack(&peer->in);
    peer_go(peer);
    skip_output(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_nothing(peer);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    expect_nothing(peer);
    skip_log(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_WITH(test_trap_T13_header_list_limits, small_lists),
        SERVER(test_trap_T14_counted_before_stored),
        CLIENT(test_trap_T15_reset_behind_the_end),
        CLIENT(test_trap_T16_no_error_is_no_error),
        SERVER(test_trap_T16_no_error_is_no_error),
        SERVER(test_trap_T17_goaway_leaves_requests),
        SERVER(test_trap_T20_wake_ups),
        SERVER(test_trap_T24_short_writes),
        CLIENT(test_trap_T27_idle_connection_is_usable),
        CLIENT(test_trap_T28_no_requests_on_a_draining_connection),
        CLIENT(test_trap_T29_request_with_the_preface),
        SERVER(test_trap_T33_questions_during_the_end),
        CLIENT_WITH(test_trap_T34_initial_settings, own_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
