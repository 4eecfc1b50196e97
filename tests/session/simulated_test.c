/* What the simulator (tests/sim) found, each as a short scenario. */
#include "fake_peer.h"

#include <string.h>

#include "core/proto/limits.h"

static void small_window(struct halo_session_options *options)
{
    options->settings.initial_window_size = 100;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
}

/* RFC 9113 6.9.1: an empty DATA frame with END_STREAM may be sent without any window, also when
 * our SETTINGS have made that negative. */
static void empty_end_in_negative_window(struct fake_peer *peer)
{
    struct halo_settings settings = { .initial_window_size = 10 };

    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 90);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, 0, 40);
    peer_go(peer);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_go(peer);
    put_settings_ack(&peer->in);
    put_data(&peer->in, 1, F_END_STREAM, 0);
    peer_go(peer);
    skip_log(peer);
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    expect_log(peer, "DATA 1 len=40 END\n");
    expect_alive(peer);
}

/* A header block in several frames of which nobody is told, again and again: that memory is counted
 * when the session is freed. */
static void long_blocks_without_an_event(struct fake_peer *peer)
{
    struct wire block = { 0 };

    fields(&block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_session_goaway(peer->session, HALO_NO_ERROR, 1, NULL, 0); /* later ones are ignored */
    for (uint32_t id = 3; id <= 9; id += 2) {
        put_frame(&peer->in, T_HEADERS, F_END_STREAM, id, block.data, 5);
        put_continuation(&peer->in, id, F_END_HEADERS, block.data + 5, block.len - 5);
    }
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
    expect_alive(peer);
    wire_free(&block);
}

/* A stream whose body waits for a paused application is closed on the wire when both sides have
 * ended: RFC 9113 5.1 allows no RST_STREAM then, not even a polite one. */
static void polite_reset_of_closed_stream(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, F_END_STREAM, 100);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    skip_log(peer);
    assert_int_equal(halo_stream_reset(peer_stream(peer, 1), HALO_NO_ERROR), 0);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "CLOSED 1\n");
}

/* Memory was out while frames were made, and polling finds it: all streams are told before the
 * session is. */
static void streams_end_before_their_session(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    skip_log(peer);
    peer->session->output.failed = true;
    peer_poll(peer);
    expect_log(peer, "CLOSED 1 NOMEM INTERNAL_ERROR origin=4 processed=0\n"
                     "CLOSED 3 NOMEM INTERNAL_ERROR origin=4 processed=0\n"
                     "SESSION_CLOSED NOMEM INTERNAL_ERROR origin=4 processed=0\n");
}

/* Frames of an output: does one come inside a header block? */
static bool is_block_interrupted(const uint8_t *octets, size_t len)
{
    bool open = false;

    while (len >= 9) {
        size_t frame = 9 + ((size_t)octets[0] << 16 | (size_t)octets[1] << 8 | octets[2]);

        if (open && octets[3] != T_CONTINUATION) {
            return true;
        }
        if (octets[3] == T_HEADERS || octets[3] == T_CONTINUATION) {
            open = (octets[4] & F_END_HEADERS) == 0;
        }
        if (frame > len) {
            return false;
        }
        octets += frame;
        len -= frame;
    }
    return false;
}

/* A header block of two frames for which the n-th allocation fails, and a call behind it. */
static bool answer_short_of_memory(size_t n)
{
    static char value[3000];
    struct halo_session_options options;
    struct test_memory memory;
    struct wire in = { 0 };
    halo_session *session;
    struct halo_event event;
    halo_header list[7];
    halo_headers headers = { .fields = list, .count = 7 };
    struct iovec iov;
    int status = 1;

    memset(value, '~', sizeof(value));
    for (size_t i = 0; i < 7; i++) {
        list[i] = (halo_header){ .name = HALO_LIT("x"), .value = { value, sizeof(value) } };
    }
    test_memory_init(&memory);
    halo_session_options_init(&options, HALO_SERVER);
    options.allocator = memory.allocator;
    assert_int_equal(halo_session_new(&session, &options, 1000), 0);
    put_preface(&in);
    put_settings(&in, 0);
    put_get(&in, 1);
    assert_int_equal(halo_session_recv(session, in.data, in.len, 1000), 0);
    while (halo_session_poll(session, &event) != 0) {
        if (event.type == HALO_EVENT_REQUEST) {
            memory.fail_at = memory.calls + n;
            status = halo_stream_respond(event.stream, 200, &headers, 0);
            (void)halo_session_set_window(session, 2000000);
            memory.fail_at = 0;
        }
    }
    assert_true(status == 0 || status == HALO_E_NOMEM);
    while (halo_session_pull(session, &iov, 1, 1 << 20) > 0) {
        wire_octets(&in, iov.iov_base, iov.iov_len);
        halo_session_sent(session, iov.iov_len);
    }
    halo_session_free(session);
    assert_int_equal(memory.live, 0);
    assert_true(in.len > 0);
    in.len -= 24; /* the input lies before the output: a preface, then frames of either side */
    assert_false(is_block_interrupted(in.data + 24, in.len));
    wire_free(&in);
    return memory.failed;
}

/* When memory is out within a header block, nothing may be written behind the piece of it. */
static void block_cut_short_by_memory(void **state)
{
    (void)state;
    for (size_t n = 1; answer_short_of_memory(n); n++) {
        assert_true(n < 50);
    }
}

/* A session that has ended says nothing more, not even about its window. */
static void no_window_for_the_dead(struct fake_peer *peer)
{
    peer_open(peer);
    halo_session_destroy(peer->session, HALO_CANCEL);
    assert_int_equal(halo_session_set_window(peer->session, 2000000), HALO_E_INVALID_SESSION);
    peer_go(peer);
    expect_goaway(peer, HALO_CANCEL, 0);
    expect_nothing(peer);
}

/* The response was whole, and the peer has let go of the request with NO_ERROR; but the application,
 * which had paused, never got it: that is no clean end. */
static void held_response_is_lost_with_its_session(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    stream = peer_request(peer, "POST", 0);
    put_ok(&peer->in, 1, 0);
    peer_go(peer);
    halo_stream_pause(stream);
    put_data(&peer->in, 1, F_END_STREAM, 100);
    put_rst_stream(&peer->in, 1, HALO_NO_ERROR);
    peer_go(peer);
    skip_log(peer);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    peer_go(peer);
    expect_log(peer, "CLOSED 1 STREAM_CANCEL NO_ERROR origin=1 processed=2\nSESSION_CLOSED\n");
}

/* RFC 8441 section 3 and RFC 9218 2.1: a peer ends the connection over these, so they are not
 * sent. */
static void settings_that_bind(struct fake_peer *peer)
{
    struct halo_settings settings = { .enable_connect_protocol = 1 };

    peer_open(peer);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    settings.enable_connect_protocol = 0; /* not acknowledged yet, and said all the same */
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
    put_settings_ack(&peer->in);
    peer_go(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_NO_RFC7540_PRIORITIES);
    settings.no_rfc7540_priorities = 0; /* the first ones of a server say 1 */
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
    settings.no_rfc7540_priorities = 1;
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
}

/* Being asked for trailers takes no octet: a connection without window does not delay it. */
static void trailers_need_no_window(struct fake_peer *peer)
{
    static char body[70000];

    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    put_window_update(&peer->in, 1, 1000000);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(
        halo_stream_write_borrow(peer_stream(peer, 1), body, sizeof(body), 0, NULL, NULL), 0);
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, NULL, HALO_WAIT_FOR_TRAILERS),
                     0);
    assert_int_equal(halo_stream_end(peer_stream(peer, 3)), 0);
    peer_go(peer);
    expect_log(peer, "WANT_TRAILERS 3\n");
    assert_int_equal(halo_stream_end(peer_stream(peer, 3)), 0);
    peer_go(peer);
    expect_headers(peer, 3, 0, NULL);
    expect_data(peer, 3, F_END_STREAM, 0);
}

/* A response waits for a paused application; the peer is done with the stream and does not think of
 * its window any more when it changes the initial one. */
static void settings_and_streams_that_ended(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    stream = peer_request(peer, "GET", HALO_END_STREAM);
    put_window_update(&peer->in, 1, 1000);
    put_ok(&peer->in, 1, 0);
    peer_go(peer);
    halo_stream_pause(stream);
    put_data(&peer->in, 1, F_END_STREAM, 10);
    put_settings(&peer->in, 4, 0x7fffffff, 0);
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
    expect_alive(peer);
    halo_stream_resume(stream);
    peer_go(peer);
    expect_log(peer, "DATA 1 len=10 END\nCLOSED 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_WITH(empty_end_in_negative_window, small_window),
        SERVER(long_blocks_without_an_event),
        SERVER(polite_reset_of_closed_stream),
        SERVER(streams_end_before_their_session),
        cmocka_unit_test(block_cut_short_by_memory),
        SERVER(no_window_for_the_dead),
        CLIENT(held_response_is_lost_with_its_session),
        SERVER(settings_that_bind),
        SERVER(trailers_need_no_window),
        CLIENT(settings_and_streams_that_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
