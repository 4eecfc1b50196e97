/* The client's requests: what is sent, what waits for a place, what is refused. RFC 9113 5.1.1, 5.1.2, 8.3.1. */
#include "fake_peer.h"

#include <string.h>

#include "core/proto/limits.h"

enum {
    CHECKED_FIELDS = LIMIT_SHORT_WAY + 1, /* one more than are copied */
};

static int done_count;

static void count_done(void *ctx)
{
    (void)ctx;
    done_count++;
}

static void requests_wait_for_a_place(struct fake_peer *peer)
{
    halo_stream *third;
    struct halo_session_info info;

    peer_open_with(peer, 3, 2);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    third = peer_request(peer, "GET", HALO_END_STREAM);
    assert_int_equal(halo_stream_id(third), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    expect_nothing(peer);
    halo_session_get_info(peer->session, &info);
    assert_int_equal(info.waiting_requests, 1);
    assert_int_equal(info.open_streams, 2);
    put_ok(&peer->in, 3, F_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 5, F_END_STREAM,
                   ":method: GET\n:scheme: https\n:path: /\n:authority: example.org\n");
    expect_log(peer, "RESPONSE 3 status=200 END :status=200\nCLOSED 3\nREADY 5\n");
    assert_int_equal(halo_stream_id(third), 5);
}

/* SETTINGS may raise the limit, or lower it below what is open. */
static void limit_changes(struct fake_peer *peer)
{
    peer_open_with(peer, 3, 1);
    for (int i = 0; i < 4; i++) {
        peer_request(peer, "GET", HALO_END_STREAM);
    }
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    put_settings(&peer->in, 3, 3, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    expect_headers(peer, 5, F_END_STREAM, NULL);
    put_settings(&peer->in, 3, 0, 0);
    put_ok(&peer->in, 1, F_END_STREAM);
    put_ok(&peer->in, 3, F_END_STREAM);
    put_ok(&peer->in, 5, F_END_STREAM);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_nothing(peer);
    put_settings(&peer->in, 3, UINT32_MAX, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_headers(peer, 7, F_END_STREAM, NULL);
}

static void before_settings_a_hundred_are_assumed(struct fake_peer *peer)
{
    for (int i = 0; i < LIMIT_PEER_STREAMS_ASSUMED + 1; i++) {
        peer_request(peer, "GET", HALO_END_STREAM);
    }
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 12);
    for (uint32_t i = 0; i < LIMIT_PEER_STREAMS_ASSUMED; i++) {
        expect_headers(peer, 1 + 2 * i, F_END_STREAM, NULL);
    }
    expect_nothing(peer);
    put_settings(&peer->in, 0); /* no limit is said: there is none */
    peer_go(peer);
    expect_settings_ack(peer);
    expect_headers(peer, 201, F_END_STREAM, NULL);
}

/* Bodies and trailers of a request that waits go with it. */
static void waiting_requests_with_bodies(struct fake_peer *peer)
{
    static char body[30000];
    halo_header sum = test_field("X-Sum", "7");
    halo_headers trailers = { .fields = &sum, .count = 1 };
    halo_stream *stream[6];

    done_count = 0;
    peer_open_with(peer, 3, 0);
    for (int i = 0; i < 6; i++) {
        stream[i] =
            peer_request(peer, "POST", i == 4 ? HALO_END_STREAM | HALO_WAIT_FOR_TRAILERS : 0);
    }
    assert_int_equal(halo_stream_write(stream[0], "hello", 5, 0), 0);
    assert_int_equal(halo_stream_end(stream[0]), 0);
    assert_int_equal(halo_stream_trailers(stream[1], &trailers), 0); /* and no body */
    assert_int_equal(halo_stream_write_borrow(stream[2], body, 30000, 0, count_done, NULL), 0);
    assert_int_equal(halo_stream_trailers(stream[2], &trailers), 0);
    assert_int_equal(halo_stream_end(stream[3]), 0);
    assert_int_equal(halo_stream_write_borrow(stream[5], body, 30000, 0, count_done, NULL), 0);
    assert_int_equal(halo_stream_reset(stream[5], HALO_CANCEL), 0);
    assert_int_equal(done_count, 1);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "CLOSED 0 STREAM_CANCEL CANCEL origin=1 processed=1\n");
    put_settings(&peer->in, 3, 100, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_headers(peer, 3, 0, NULL);
    expect_headers(peer, 3, F_END_STREAM, "x-sum: 7\n");
    expect_headers(peer, 5, 0, NULL);
    expect_headers(peer, 7, F_END_STREAM, NULL);
    expect_headers(peer, 9, F_END_STREAM, NULL); /* END_STREAM wins */
    expect_data(peer, 1, F_END_STREAM, 5);
    expect_body(peer, 5, 0, 30000);
    expect_headers(peer, 5, F_END_STREAM, "x-sum: 7\n");
    expect_nothing(peer);
    assert_int_equal(done_count, 2);
}

static void queue_small(struct halo_session_options *options)
{
    options->limits.requests_queued = 2;
}

static void queue_has_a_limit(struct fake_peer *peer)
{
    struct halo_request request = { .authority = HALO_LIT("a") };
    halo_stream *stream;

    peer_open_with(peer, 3, 0);
    peer_request(peer, "GET", 0);
    peer_request(peer, "GET", 0);
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream), HALO_E_LIMIT);
}

/* ---- what a request may be ----------------------------------------------------------------------- */

static void request_arguments(struct fake_peer *peer)
{
    static const struct {
        const char *method, *scheme, *authority, *path, *protocol;
        int status;
    } cases[] = {
        { "", "", "a", "", "", 0 },
        { "GET", "https", "a", "/x?y", "", 0 },
        { "OPTIONS", "https", "a", "*", "", 0 },
        { "M-SEARCH", "https", "a", "/", "", 0 },
        { "CONNECT", "", "a:443", "", "", 0 },
        { "CONNECT", "", "", "", "", HALO_E_CONNECT_AUTHORITY },
        { "CONNECT", "https", "a", "", "", HALO_E_CONNECT_SCHEME },
        { "CONNECT", "", "a", "/", "", HALO_E_CONNECT_PATH },
        { "CONNECT", "", "a", "/", "websocket", HALO_E_CONNECT_PROTOCOL },
        { "GET", "", "a", "/", "websocket", HALO_E_CONNECT_PROTOCOL },
        { "G ET", "", "a", "/", "", HALO_E_INVALID_HEADER_VALUE },
        { "GET", "", "a", "x", "", HALO_E_INVALID_HEADER_VALUE },
        { "GET", "", "a", "/ x", "", HALO_E_INVALID_HEADER_VALUE },
        { "GET", "", "a", "/\r\nx: y", "", HALO_E_INVALID_HEADER_VALUE },
        { "GET", "", "u@a", "/", "", HALO_E_INVALID_HEADER_VALUE },
        { "GET", "ht tp", "a", "/", "", HALO_E_INVALID_HEADER_VALUE },
        /* Without an authority (a host field may be among the others) the rest is checked as well. */
        { "GET", "", "", "/", "", 0 },
        { "G ET", "", "", "/", "", HALO_E_INVALID_HEADER_VALUE },
        { "GET", "", "", "/ x", "", HALO_E_INVALID_HEADER_VALUE },
        { "GET", "h:", "", "/", "", HALO_E_INVALID_HEADER_VALUE },
    };
    uint32_t id = 1;

    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        struct halo_request request = {
            .method = halo_str(cases[i].method),
            .scheme = halo_str(cases[i].scheme),
            .authority = halo_str(cases[i].authority),
            .path = halo_str(cases[i].path),
            .protocol = halo_str(cases[i].protocol),
        };
        halo_stream *stream;

        assert_int_equal(
            halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
            cases[i].status);
        peer_go(peer);
        if (cases[i].status == 0) {
            expect_headers(peer, id, F_END_STREAM, NULL);
            id += 2;
        }
        expect_nothing(peer);
    }
    assert_int_equal(peer->session->next_local_id, id); /* refused ones cost no number */
}

static void extended_connect(struct fake_peer *peer)
{
    struct halo_request request = {
        .method = HALO_LIT("CONNECT"),
        .authority = HALO_LIT("a"),
        .path = HALO_LIT("/chat"),
        .protocol = HALO_LIT("websocket"),
    };
    halo_stream *stream;

    peer_open_with(peer, 8, 1);
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0,
                   ":method: CONNECT\n:scheme: https\n:path: /chat\n:authority: a\n"
                   ":protocol: websocket\n");
    put_ok(&peer->in, 1, 0);
    put_data(&peer->in, 1, 0, 5);
    peer_go(peer);
    assert_int_equal(halo_stream_write(stream, "frame", 5, 0), 0);
    peer_go(peer);
    expect_data(peer, 1, 0, 5);
}

/* RFC 9113 8.5: content-length means nothing in a tunnel. */
static void connect_tunnel(struct fake_peer *peer)
{
    struct halo_request request = { .method = HALO_LIT("CONNECT"), .authority = HALO_LIT("a:1") };
    halo_stream *stream;

    peer_open(peer);
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":method: CONNECT\n:authority: a:1\n");
    put_fields(&peer->in, 1, 0, ":status", "200", "content-length", "3", NULL);
    put_data(&peer->in, 1, 0, 100);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 :status=200 content-length=3\nDATA 1 len=100\n");
}

static void numbers_run_out(struct fake_peer *peer)
{
    struct halo_request request = { .authority = HALO_LIT("a") };
    halo_stream *stream;

    peer_open(peer);
    peer->session->next_local_id = 0x7ffffffd; /* as after 2^30 requests */
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    assert_int_equal(halo_stream_id(stream), 0x7fffffff);
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     HALO_E_OUT_OF_STREAMS);
    peer_go(peer);
    expect_headers(peer, 0x7ffffffd, F_END_STREAM, NULL);
    expect_headers(peer, 0x7fffffff, F_END_STREAM, NULL);
    put_ok(&peer->in, 0x7fffffff, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "RESPONSE 2147483647 status=200 END :status=200\nCLOSED 2147483647\n");
}

/* ---- resets ------------------------------------------------------------------------------------------ */

static void resets_both_ways(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    stream = peer_request(peer, "POST", 0);
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL); /* what is encoded is sent */
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, "CLOSED 1 STREAM_CANCEL CANCEL origin=1 processed=0\n");
    put_ok(&peer->in, 1, 0); /* under way: ignored */
    put_data(&peer->in, 1, F_END_STREAM, 100);
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    put_window_update(&peer->in, 1, 100);
    peer_go(peer);
    expect_log(peer, "");
    peer_request(peer, "POST", 0);
    put_rst_stream(&peer->in, 3, HALO_REFUSED_STREAM);
    peer_request(peer, "POST", 0);
    put_ok(&peer->in, 5, 0);
    put_rst_stream(&peer->in, 5, 0x12345678);
    peer_go(peer);
    expect_log(peer, "CLOSED 3 STREAM_ERROR REFUSED_STREAM origin=3 processed=1\n"
                     "RESPONSE 5 status=200 :status=200\n"
                     "CLOSED 5 STREAM_ERROR UNKNOWN origin=3 processed=2\n");
    expect_headers(peer, 3, 0, NULL);
    expect_headers(peer, 5, 0, NULL);
    expect_nothing(peer); /* a reset is never answered by one */
}

/* RFC 9113 8.1: NO_ERROR behind a whole response only says that the request's rest is not needed. */
static void no_error_after_a_whole_response(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "POST", 0);
    put_ok(&peer->in, 1, F_END_STREAM);
    put_rst_stream(&peer->in, 1, HALO_NO_ERROR);
    peer_request(peer, "POST", 0);
    put_ok(&peer->in, 3, 0);
    put_rst_stream(&peer->in, 3, HALO_NO_ERROR); /* not whole: an error */
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\n"
                     "RESPONSE 3 status=200 :status=200\n"
                     "CLOSED 3 STREAM_ERROR NO_ERROR origin=3 processed=2\n");
}

/* RFC 9113 8.3.1: clients must not send a host that differs from :authority. */
static void host_beside_authority(struct fake_peer *peer)
{
    static const struct {
        const char *name, *authority, *host;
        int status;
    } cases[] = {
        { "host", "example.org", "example.org", 0 },
        { "Host", "example.org", "EXAMPLE.org", 0 },
        { "host", "", "example.org", 0 },
        { "host", "example.org", "example.com", HALO_E_INVALID_HEADER_VALUE },
        { "Host", "example.org", "example.org:443", HALO_E_INVALID_HEADER_VALUE },
        { "host", "example.org", "", HALO_E_INVALID_HEADER_VALUE },
        { "x-host", "example.org", "example.com", 0 },
    };
    halo_header list[CHECKED_FIELDS];
    uint32_t id = 1;

    peer_open(peer);
    /* Alone, behind so many others that the list is used as it is, and in a prepared set. */
    for (size_t i = 0; i < 3 * HALO_ARRAY_LEN(cases); i++) {
        const char *authority = cases[i / 3].authority;
        struct halo_request request = { .authority = halo_str(authority) };
        size_t count = i % 3 == 1 ? CHECKED_FIELDS : 1;
        halo_header_set *set = NULL;
        halo_stream *stream;

        for (size_t j = 0; j < count; j++) {
            list[j] = test_field("x-other", "1");
        }
        list[count - 1] = test_field(cases[i / 3].name, cases[i / 3].host);
        if (i % 3 == 2) {
            assert_int_equal(halo_header_set_new(&set, list, 1), 0);
            request.headers.set = set;
        } else {
            request.headers.fields = list;
            request.headers.count = count;
        }
        assert_int_equal(
            halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
            cases[i / 3].status);
        peer_go(peer);
        if (cases[i / 3].status == 0) {
            expect_headers(peer, id, F_END_STREAM, NULL);
            id += 2;
        }
        expect_nothing(peer);
        halo_header_set_free(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT(host_beside_authority),
        CLIENT(requests_wait_for_a_place),
        CLIENT(limit_changes),
        CLIENT(before_settings_a_hundred_are_assumed),
        CLIENT(waiting_requests_with_bodies),
        CLIENT_WITH(queue_has_a_limit, queue_small),
        CLIENT(request_arguments),
        CLIENT(extended_connect),
        CLIENT(connect_tunnel),
        CLIENT(numbers_run_out),
        CLIENT(resets_both_ways),
        CLIENT(no_error_after_a_whole_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
