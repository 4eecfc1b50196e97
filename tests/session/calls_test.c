/* Calls at the wrong time, by the wrong role or with the wrong arguments: an error and nothing else. */
#include "fake_peer.h"

#include <stdio.h>
#include <string.h>

#include "core/proto/limits.h"

static void count_done(void *ctx)
{
    struct fake_peer *peer = ctx;

    peer->counter++;
}

static int read_nothing(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    (void)ctx;
    (void)out;
    (void)cap;
    *len = 0;
    *end = 1;
    return 0;
}

static void getters(struct fake_peer *peer)
{
    int mark;

    peer_open(peer);
    assert_int_equal(halo_session_role(peer->session), HALO_SERVER);
    halo_session_set_user_data(peer->session, &mark);
    assert_ptr_equal(halo_session_user_data(peer->session), &mark);
    put_get(&peer->in, 1);
    put_post(&peer->in, 3);
    peer_go(peer);
    assert_int_equal(halo_stream_end_after_headers(peer_stream(peer, 1)), 1);
    assert_int_equal(halo_stream_end_after_headers(peer_stream(peer, 3)), 0);
    assert_int_equal(halo_stream_headers(peer_stream(peer, 1)).count, 4);
    halo_session_set_user_data(peer->session, peer);
}

/* What a client cannot do on the streams it opened, and a server on those of the peer. */
static void client_does_not_respond(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    stream = peer_request(peer, "GET", 0);
    assert_int_not_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_not_equal(halo_stream_inform(stream, 103, NULL), 0);
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), 0);
    assert_int_equal(halo_stream_trailers(stream, NULL), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_write(stream, "a", 1, 0), HALO_E_INVALID_STREAM);
}

static void server_streams_that_are_closed(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_trailers(stream, NULL), HALO_E_TRAILERS_NOT_READY);
    assert_int_equal(halo_stream_consume(stream, 1), HALO_E_WRONG_STATE); /* no manual credit */
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), 0);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_inform(stream, 103, NULL), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), HALO_E_INVALID_STREAM);
}

static void sources(struct fake_peer *peer)
{
    struct halo_source source = { .done = count_done, .ctx = peer };

    peer_open(peer);
    put_fields(&peer->in, 1, F_END_HEADERS | F_END_STREAM, ":method", "HEAD", ":scheme", "https",
               ":path", "/", ":authority", "a", NULL);
    put_get(&peer->in, 3);
    peer_go(peer);
    skip_log(peer);
    peer->counter = 0;
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 3), &source, 0),
                     HALO_E_INVALID_ARGUMENT); /* nothing to read with */
    assert_int_equal(peer->counter, 0);
    source.read = read_nothing;
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 1), &source, 0), 0);
    assert_int_equal(peer->counter, 1); /* HEAD: done with at once */
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 3), &source, 0), 0);
    peer_go(peer);
    assert_int_equal(peer->counter, 2);
    expect_log(peer, "CLOSED 1\nCLOSED 3\n");
}

/* The session is over: nothing can be asked of it. */
static void calls_behind_the_end(struct fake_peer *peer)
{
    struct halo_settings settings;
    struct halo_request request = { .authority = HALO_LIT("a") };
    halo_stream *stream;

    peer_open(peer);
    halo_settings_default(&settings);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    peer_go(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SESSION);
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream),
                     peer->scenario->role == HALO_CLIENT ? HALO_E_INVALID_SESSION
                                                         : HALO_E_WRONG_STATE);
    halo_session_destroy(peer->session, HALO_CANCEL);
    halo_session_tick(peer->session, peer->now_ns + 1);
    assert_int_equal(halo_session_is_closed(peer->session), 1);
}

static void options_out_of_range(void **state)
{
    static const uint32_t windows[] = { 65534, 0x80000000u };
    struct halo_session_options options;
    halo_session *session;

    (void)state;
    halo_session_options_init(&options, HALO_CLIENT);
    options.role = 2;
    assert_int_equal(halo_session_new(&session, &options, 1), HALO_E_INVALID_ARGUMENT);
    for (size_t i = 0; i < 2; i++) {
        halo_session_options_init(&options, HALO_CLIENT);
        options.connection_window_size = windows[i];
        assert_int_equal(halo_session_new(&session, &options, 1), HALO_E_INVALID_ARGUMENT);
    }
}

/* Settings of ours that come later than the first ones, and hold when they are acknowledged. */
static void later_settings(struct fake_peer *peer)
{
    struct halo_settings settings;

    peer_open(peer);
    halo_settings_default(&settings);
    settings.enable_connect_protocol = 1;
    settings.max_concurrent_streams = 1;
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL) |
                       HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 12);
    put_settings_ack(&peer->in);
    peer_go(peer);
    assert_int_equal(halo_session_local_settings(peer->session)->enable_connect_protocol, 1);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    expect_rst(peer, 3, HALO_REFUSED_STREAM);
}

/* An answer to the second of two PINGs, before the first one's. */
static void pings_out_of_order(struct fake_peer *peer)
{
    peer_open(peer);
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"one     "), 0);
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"two     "), 0);
    peer_go(peer);
    expect_frame(peer, T_PING, 0, 0, 8);
    expect_frame(peer, T_PING, 0, 0, 8);
    skip_log(peer);
    put_ping(&peer->in, F_ACK, "two     ");
    put_ping(&peer->in, F_ACK, "one     ");
    peer_go(peer);
    peer_flush_log(peer);
    skip_log(peer);
    expect_nothing(peer);
    put_ping(&peer->in, F_ACK, "one     "); /* asked by nobody */
    peer_go(peer);
}

static void goaway_flood(struct fake_peer *peer)
{
    peer_open(peer);
    for (int i = 0; i < 1100; i++) {
        put_goaway(&peer->in, 0, HALO_NO_ERROR, "");
    }
    peer_go(peer);
    skip_log(peer);
    assert_int_equal(halo_session_is_closed(peer->session), 1);
}

/* Whatever the state of a stream, its calls answer; after the close with one error. */
static void calls_on_a_closed_stream(struct fake_peer *peer)
{
    const struct halo_priority priority = { 1, 1 };
    const struct halo_dependency dependency = { 0, HALO_WEIGHT_DEFAULT, 0 };
    halo_stream *stream;

    peer_open(peer);
    stream = peer_request(peer, "GET", 0);
    assert_int_equal(halo_stream_set_timeout(stream, 0), 0); /* there is none */
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), 0);
    assert_int_equal(halo_stream_set_priority(stream, &priority), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_set_dependency(stream, &dependency, 0), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_set_timeout(stream, 1000), HALO_E_INVALID_STREAM);
}

static void client_does_not_push(struct fake_peer *peer)
{
    const struct halo_request request = { .authority = HALO_LIT("a") };
    halo_stream *pushed = NULL;

    peer_open(peer);
    assert_int_equal(halo_stream_push(peer_request(peer, "GET", 0), &request, NULL, &pushed),
                     HALO_E_WRONG_STATE);
    assert_null(pushed);
}

static void waiting_request_is_idle(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open_with(peer, 3, 0); /* SETTINGS_MAX_CONCURRENT_STREAMS */
    halo_stream_get_info(peer_request(peer, "GET", HALO_END_STREAM), &info);
    assert_int_equal(info.state, HALO_STATE_IDLE);
}

static void trailers_once(struct fake_peer *peer)
{
    halo_header field = test_field("x-sum", "1");
    halo_headers headers = { .fields = &field, .count = 1 };
    static const char octets[70000];
    halo_stream *stream;

    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 70000, HALO_END_STREAM, NULL, NULL),
                     0);
    assert_int_equal(halo_stream_trailers(stream, &headers), HALO_E_WRITE_AFTER_END);
    stream = peer_stream(peer, 3);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write_borrow(stream, octets, 70000, 0, NULL, NULL), 0);
    assert_int_equal(halo_stream_trailers(stream, &headers), 0);
    assert_int_equal(halo_stream_trailers(stream, &headers), HALO_E_TRAILERS_ALREADY_SENT);
    assert_int_equal(halo_stream_write(stream, "a", 1, 0), HALO_E_WRITE_AFTER_END);
}

/* A list that would not fit into limits.send_block is refused by the call, and nothing was sent. */
static void lists_that_are_too_long(struct fake_peer *peer)
{
    static char value[70000];
    halo_header field;
    struct halo_request request = { .authority = HALO_LIT("a"),
                                    .headers = { .fields = &field, .count = 1 } };
    halo_stream *stream;

    memset(value, 'v', sizeof(value) - 1);
    field = test_field("x-long", value);
    peer_open(peer);
    stream = peer_request(peer, "POST", 0);
    assert_int_equal(halo_stream_trailers(stream, &request.headers), HALO_E_HEADER_BLOCK_TOO_LONG);
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream),
                     HALO_E_HEADER_BLOCK_TOO_LONG);
    skip_output(peer);
    expect_alive(peer);
}

/* Each status of the static table, and its neighbours. */
static void statuses(struct fake_peer *peer)
{
    static const int all[] = { 200, 204, 206, 304, 400, 404, 500, 201, 207, 401, 501 };
    uint32_t id = 1;

    peer_open(peer);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++, id += 2) {
        char text[32];

        put_get(&peer->in, id);
        peer_go(peer);
        snprintf(text, sizeof(text), ":status: %d\n", all[i]);
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), all[i], NULL, HALO_END_STREAM),
                         0);
        peer_go(peer);
        expect_headers(peer, id, F_END_STREAM, text);
    }
}

/* More informational responses than are kept: they are sent, and the first ones can be asked for. */
static void keep_sent(struct halo_session_options *options)
{
    options->keep_sent_headers = 1;
}

static void many_informational_responses(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_sent_headers(stream).count, 0);
    for (int i = 0; i < LIMIT_INFORMATION_RESPONSES + 1; i++) {
        assert_int_equal(halo_stream_inform(stream, 103, NULL), 0);
    }
    assert_int_equal(halo_stream_sent_information(stream, LIMIT_INFORMATION_RESPONSES - 1).count,
                     1);
    assert_int_equal(halo_stream_sent_information(stream, LIMIT_INFORMATION_RESPONSES).count, 0);
    assert_int_equal(halo_stream_sent_trailers(stream).count, 0);
    peer_go(peer);
    for (int i = 0; i < LIMIT_INFORMATION_RESPONSES + 1; i++) {
        expect_headers(peer, 1, 0, ":status: 103\n");
    }
}

/* A slice is taken on failure, too: what was handed in before is not polled yet. */
static void slice_at_the_wrong_time(struct fake_peer *peer)
{
    static const uint8_t ping[17] = { 0, 0, 8, T_PING };
    halo_slice slice;

    peer_open(peer);
    assert_int_equal(halo_session_recv(peer->session, ping, sizeof(ping), peer->now_ns), 0);
    assert_int_equal(halo_slice_copy(&slice, ping, sizeof(ping)), 0);
    assert_int_equal(halo_session_recv_slice(peer->session, &slice, peer->now_ns),
                     HALO_E_WRONG_STATE);
    assert_null(slice.owner);
    peer_go(peer);
    expect_frame(peer, T_PING, F_ACK, 0, 8);
    expect_nothing(peer);
    skip_log(peer);
}

static void stats_of_open_streams(struct fake_peer *peer)
{
    struct halo_session_stats stats;

    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    peer_wait(peer, 100);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM), 0);
    peer_go(peer);
    halo_session_get_stats(peer->session, &stats);
    assert_int_equal(stats.stream_count, 2);
    assert_int_equal(stats.stream_average_duration_ns, 100000000); /* of the one that ended */
    skip_output(peer);
    skip_log(peer);
}

/* The host of another length differs, and one that differs in case alone does not. */
static void host_beside_authority(struct fake_peer *peer)
{
    peer_open(peer);
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "a", "host", "ab", NULL);
    put_fields(&peer->in, 3, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "aZ", "host", "Az", NULL);
    peer_go(peer);
    expect_rst(peer, 1, HALO_PROTOCOL_ERROR);
    expect_nothing(peer);
    assert_non_null(peer_stream(peer, 3));
    skip_log(peer);
}

/* ---- the trace ------------------------------------------------------------------------- */

static void look_for_update(halo_session *session, int sent, const char *line, void *user_data)
{
    struct fake_peer *peer = user_data;

    (void)session;
    if (sent == 0 && strstr(line, "PRIORITY_UPDATE") != NULL) {
        assert_non_null(strstr(line, "PRIORITY_UPDATE len=10"));
        /* Payload that is not all there yet is not shown. */
        if (peer->travel.piece == 0) {
            assert_non_null(strstr(line, " prioritized=1 value=\"u=1, i\""));
        }
        peer->counter++;
    }
}

static void traced(struct halo_session_options *options)
{
    options->on_frame = look_for_update;
}

static void priority_update_in_the_trace(struct fake_peer *peer)
{
    peer_open(peer);
    peer->counter = 0;
    put_get(&peer->in, 1);
    put_priority_update(&peer->in, 1, "u=1, i");
    peer_go(peer);
    assert_int_equal(peer->counter, 1);
}

/* What a session can hold: a client's streams are its own, and a table of its own size counts. */
static void bounds(void **state)
{
    struct halo_session_options options;
    struct halo_memory_bound bound;
    struct halo_memory_bound more;

    (void)state;
    halo_session_options_init(&options, HALO_CLIENT);
    assert_int_equal(halo_session_memory_bound(&options, &bound), 0);
    options.settings.max_concurrent_streams = 5000;
    options.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS);
    assert_int_equal(halo_session_memory_bound(&options, &more), 0);
    assert_true(more.streams == bound.streams);
    options.settings.header_table_size = 100000;
    options.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE);
    assert_int_equal(halo_session_memory_bound(&options, &more), 0);
    assert_true(more.tables >= bound.tables + 100000 - 4096);
    halo_session_options_init(&options, HALO_SERVER);
    assert_int_equal(halo_session_memory_bound(&options, &bound), 0);
    options.settings.present &= ~HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS);
    assert_int_equal(halo_session_memory_bound(&options, &more), 0);
    assert_true(more.streams > bound.streams * 1000); /* as many as there are numbers */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(getters),
        CLIENT(client_does_not_respond),
        SERVER(server_streams_that_are_closed),
        SERVER(sources),
        SERVER(calls_behind_the_end),
        CLIENT(calls_behind_the_end),
        cmocka_unit_test(options_out_of_range),
        SERVER(later_settings),
        SERVER(pings_out_of_order),
        SERVER(goaway_flood),
        CLIENT(calls_on_a_closed_stream),
        CLIENT(client_does_not_push),
        CLIENT(waiting_request_is_idle),
        SERVER(trailers_once),
        CLIENT(lists_that_are_too_long),
        SERVER(statuses),
        SERVER_WITH(many_informational_responses, keep_sent),
        SERVER_WITH(priority_update_in_the_trace, traced),
        SERVER(slice_at_the_wrong_time),
        SERVER(stats_of_open_streams),
        SERVER(host_beside_authority),
        cmocka_unit_test(bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
