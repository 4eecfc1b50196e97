/*
 * Tunnels: CONNECT (RFC 9113 section 8.5) and extended CONNECT (RFC 8441). And what comes before a
 * final response. Rows of Node's surface: N01 to N05, C01, C06, V01, RS28, RS33.
 */
#include "fake_peer.h"

static void enabled(struct halo_session_options *options)
{
    options->settings.enable_connect_protocol = 1;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL);
}

static void put_websocket(struct fake_peer *peer, uint32_t id)
{
    put_fields(&peer->in, id, 0, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
               ":path", "/chat", ":authority", "example.org", NULL);
}

/* ---- server ------------------------------------------------------------------------------ */

static void test_N01_session_connect_server(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":authority", "example.org:443", NULL);
    put_data(&peer->in, 1, 0, 100);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 :method=CONNECT :authority=example.org:443\nDATA 1 len=100\n");
    stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(stream, "tunnel", 6, 0), 0);
    put_data(&peer->in, 1, 0, 50);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_data(peer, 1, 0, 6);
    expect_log(peer, "DATA 1 len=50\n");
    halo_stream_reset(stream, HALO_CONNECT_ERROR); /* the upstream failed */
    peer_go(peer);
    expect_rst(peer, 1, HALO_CONNECT_ERROR);
    expect_alive(peer);
}

/* RFC 9113 8.5: no frames but DATA and stream management on a connected stream. */
static void no_trailers_in_a_tunnel(struct fake_peer *peer)
{
    peer_open(peer);
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":authority", "example.org:443", NULL);
    put_websocket(peer, 3);
    peer_go(peer);
    skip_log(peer);
    for (uint32_t id = 1; id <= 3; id += 2) {
        put_data(&peer->in, id, 0, 10);
        put_window_update(&peer->in, id, 10);
        put_priority(&peer->in, id, 0, 1);
        put_fields(&peer->in, id, F_END_STREAM, "x", "y", NULL);
        peer_go(peer);
        expect_rst(peer, id, HALO_PROTOCOL_ERROR);
    }
    expect_alive(peer);
}

static void test_N03_session_extended_connect_server(struct fake_peer *peer)
{
    peer_go(peer);
    skip_output(peer);
    peer_open(peer);
    put_websocket(peer, 1);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 :method=CONNECT :protocol=websocket :scheme=https :path=/chat "
                     ":authority=example.org\n");
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    put_data(&peer->in, 1, F_END_STREAM, 5);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_log(peer, "DATA 1 len=5 END\n");
}

/* haproxy: :protocol only with CONNECT, and only when we enabled it; before our SETTINGS were
 * acknowledged, too, since the client has read them by then. */
static void test_trap_T04_N05_protocol_needs_connect(struct fake_peer *peer)
{
    peer_open(peer);
    put_fields(&peer->in, 1, 0, ":method", "GET", ":protocol", "websocket", ":scheme", "https",
               ":path", "/chat", ":authority", "example.org", NULL);
    put_fields(&peer->in, 3, 0, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
               ":authority", "example.org", NULL);
    put_fields(&peer->in, 5, 0, ":method", "CONNECT", ":protocol", "websocket", ":path", "/",
               ":authority", "example.org", NULL);
    put_fields(&peer->in, 7, 0, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
               ":path", "/", NULL);
    put_fields(&peer->in, 9, 0, ":method", "CONNECT", ":scheme", "https", ":path", "/",
               ":authority", "example.org", NULL); /* plain CONNECT has none of these */
    peer_go(peer);
    for (uint32_t id = 1; id <= 9; id += 2) {
        expect_rst(peer, id, HALO_PROTOCOL_ERROR);
    }
    expect_log(peer, "");
    expect_alive(peer);
}

static void test_trap_T04_N05_protocol_before_our_ack(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, 0); /* clients need not send the setting */
    put_websocket(peer, 1);
    peer_go(peer);
    expect_log(peer, "SETTINGS\nREQUEST 1 :method=CONNECT :protocol=websocket :scheme=https "
                     ":path=/chat :authority=example.org\n");
}

static void test_trap_T04_N05_protocol_not_enabled(struct fake_peer *peer)
{
    peer_open_with(peer, 8, 1); /* what the client says about it does not count */
    put_websocket(peer, 1);
    peer_go(peer);
    expect_rst(peer, 1, HALO_PROTOCOL_ERROR);
    expect_alive(peer);
}

/* ---- client ------------------------------------------------------------------------------ */

static int websocket(struct fake_peer *peer, const char *method, halo_stream **stream)
{
    struct halo_request request = { .method = halo_str(method),
                                    .protocol = HALO_LIT("websocket"),
                                    .path = HALO_LIT("/chat"),
                                    .authority = HALO_LIT("example.org") };
    int status = halo_session_request(peer->session, &request, 0, NULL, stream);

    if (status == 0) {
        peer->streams[halo_stream_id(*stream) / 2] = *stream;
    }
    return status;
}

static void test_N04_session_extended_connect_client(struct fake_peer *peer)
{
    halo_stream *stream;

    assert_int_equal(websocket(peer, "CONNECT", &stream), HALO_E_CONNECT_PROTOCOL);
    peer_open(peer);
    assert_int_equal(websocket(peer, "CONNECT", &stream), HALO_E_CONNECT_PROTOCOL);
    put_settings(&peer->in, 8, 1, 0);
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
    assert_int_equal(websocket(peer, "GET", &stream), HALO_E_CONNECT_PROTOCOL);
    assert_int_equal(websocket(peer, "CONNECT", &stream), 0);
    assert_int_equal(halo_stream_write(stream, "frame", 5, 0), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0,
                   ":method: CONNECT\n:scheme: https\n:path: /chat\n:authority: example.org\n"
                   ":protocol: websocket\n");
    expect_data(peer, 1, 0, 5);
    /* RFC 9110 9.3.6: content-length means nothing in a 2xx to CONNECT. */
    put_fields(&peer->in, 1, 0, ":status", "200", "content-length", "3", NULL);
    put_data(&peer->in, 1, 0, 100);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 :status=200 content-length=3\nDATA 1 len=100\n");
    put_fields(&peer->in, 1, F_END_STREAM, "x", "y", NULL);
    peer_go(peer);
    expect_rst(peer, 1, HALO_PROTOCOL_ERROR);
    expect_alive(peer);
    put_settings(&peer->in, 8, 0, 0); /* RFC 8441 section 3: cannot be taken back */
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

static void test_N02_session_connect_client(struct fake_peer *peer)
{
    struct halo_request request = { .method = HALO_LIT("CONNECT"),
                                    .authority = HALO_LIT("example.org:443") };
    halo_stream *stream;

    peer_open(peer);
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":method: CONNECT\n:authority: example.org:443\n");
    /* Turned down: a response like any other, whose length counts and which may have trailers. */
    put_fields(&peer->in, 1, 0, ":status", "403", "content-length", "3", NULL);
    put_data(&peer->in, 1, 0, 3);
    put_fields(&peer->in, 1, F_END_STREAM, "x", "y", NULL);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=403 :status=403 content-length=3\nDATA 1 len=3\n"
                     "TRAILERS 1 END x=y\n");
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream), 0);
    put_fields(&peer->in, 3, 0, ":status", "502", "content-length", "3", NULL);
    put_data(&peer->in, 3, 0, 4);
    peer_go(peer);
    skip_log(peer);
    expect_headers(peer, 3, 0, NULL);
    expect_rst(peer, 3, HALO_PROTOCOL_ERROR);
}

/* ---- before the final response -------------------------------------------------------------- */

static void test_V01_RS28_RS33_session_informational(struct fake_peer *peer)
{
    halo_header link = test_field("Link", "</style.css>; rel=preload");
    halo_headers headers = { .fields = &link, .count = 1 };
    halo_stream *stream;

    peer_open(peer);
    put_fields(&peer->in, 1, 0, ":method", "POST", ":scheme", "https", ":path", "/", ":authority",
               "a", "expect", "100-continue", NULL);
    peer_go(peer);
    skip_log(peer);
    stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_inform(stream, 101, NULL), HALO_E_STATUS_101);
    assert_int_equal(halo_stream_inform(stream, 99, NULL), HALO_E_INVALID_INFO_STATUS);
    assert_int_equal(halo_stream_inform(stream, 200, NULL), HALO_E_INVALID_INFO_STATUS);
    assert_int_equal(halo_stream_inform(stream, 100, NULL), 0);
    assert_int_equal(halo_stream_inform(stream, 103, &headers), 0);
    assert_int_equal(halo_stream_inform(stream, 199, NULL), 0);
    assert_int_equal(halo_stream_headers_sent(stream), 0);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_inform(stream, 100, NULL), HALO_E_HEADERS_AFTER_RESPOND);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 100\n");
    expect_headers(peer, 1, 0, ":status: 103\nlink: </style.css>; rel=preload\n");
    expect_headers(peer, 1, 0, ":status: 199\n");
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\n");
}

static void test_C01_C06_session_continue(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    stream = peer_request(peer, "POST", 0);
    peer_go(peer);
    skip_output(peer);
    put_fields(&peer->in, 1, 0, ":status", "100", NULL);
    put_fields(&peer->in, 1, 0, ":status", "103", "link", "<a>", NULL);
    peer_go(peer);
    expect_log(peer, "INFORMATION 1 status=100 :status=100\n"
                     "INFORMATION 1 status=103 :status=103 link=<a>\n");
    assert_int_equal(halo_stream_headers(stream).count, 0); /* none of them is the answer */
    assert_int_equal(halo_stream_write(stream, "body", 4, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 4);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\n");
}

/* RFC 9113 8.5: on a tunnel there is only DATA. What was turned down is no tunnel. */
static void trailers_of_a_server(struct fake_peer *peer)
{
    halo_header list = test_field("x-end", "1");
    halo_headers headers = { .fields = &list, .count = 1 };

    peer_open(peer);
    for (uint32_t id = 1; id <= 9; id += 4) {
        put_fields(&peer->in, id, 0, ":method", "CONNECT", ":authority", "a:1", NULL);
    }
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_WAIT_FOR_TRAILERS),
                     0);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 1), &headers), HALO_E_WRONG_STATE);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 1), NULL), 0); /* just the end */
    assert_int_equal(halo_stream_respond(peer_stream(peer, 5), 201, NULL, 0), 0);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 5), &headers), HALO_E_WRONG_STATE);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 9), 404, NULL, 0), 0);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 9), &headers), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_data(peer, 1, F_END_STREAM, 0);
    expect_headers(peer, 5, 0, ":status: 201\n");
    expect_headers(peer, 9, 0, ":status: 404\n");
    expect_headers(peer, 9, F_END_STREAM, "x-end: 1\n");
    expect_nothing(peer);
}

static void trailers_of_a_client(struct fake_peer *peer)
{
    struct halo_request request = { .method = HALO_LIT("CONNECT"), .authority = HALO_LIT("a:1") };
    halo_header list = test_field("x-end", "1");
    halo_headers headers = { .fields = &list, .count = 1 };
    halo_stream *stream;

    peer_open(peer);
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream), 0);
    assert_int_equal(halo_stream_trailers(stream, &headers), HALO_E_WRONG_STATE);
    put_ok(&peer->in, 1, 0);
    peer_go(peer);
    assert_int_equal(halo_stream_trailers(stream, &headers), HALO_E_WRONG_STATE);
    expect_headers(peer, 1, 0, NULL);
    expect_nothing(peer);
    assert_int_equal(halo_stream_end(stream), 0);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(trailers_of_a_server),
        CLIENT(trailers_of_a_client),
        SERVER(test_N01_session_connect_server),
        SERVER_WITH(no_trailers_in_a_tunnel, enabled),
        SERVER_WITH(test_N03_session_extended_connect_server, enabled),
        SERVER_WITH(test_trap_T04_N05_protocol_needs_connect, enabled),
        SERVER_WITH(test_trap_T04_N05_protocol_before_our_ack, enabled),
        SERVER(test_trap_T04_N05_protocol_not_enabled),
        CLIENT(test_N04_session_extended_connect_client),
        CLIENT(test_N02_session_connect_client),
        SERVER(test_V01_RS28_RS33_session_informational),
        CLIENT(test_C01_C06_session_continue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
