/*
 * RFC 9113 8.4, 6.6, and the reserved states of 5.1: promises, and frames on what was promised.
 * What a client makes of promises; what a server promises, and lets its client say about it.
 */
#include "conform.h"

static void with_push(struct halo_session_options *options)
{
    options->settings.enable_push = 1;
    options->encrypted = 1;
}

#define PUSH_CASE(test_, ...) CLIENT_CASE(test_, __VA_ARGS__, .scenario.options = with_push)

/* ---- the client: PUSH_PROMISE (6.6) ---------------------------------------------------- */

static void test_client_6_6_promise_and_response(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_ok(&peer->in, 2, 0);
    put_data(&peer->in, 2, F_END_STREAM, 4);
    peer_go(peer);
    expect_log(peer, "ON 1 PUSH 2 :method=GET :scheme=https :path=/ :authority=example.org\n"
                     "RESPONSE 2 status=200 :status=200\nDATA 2 len=4 END\nCLOSED 2\n");
    expect_nothing(peer);
}

/* END_STREAM and others mean nothing here, R of the promised number neither. */
static void test_client_6_6_unused_flags(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_push_promise(&peer->in, 1, F_END_HEADERS | F_END_STREAM | F_PRIORITY, 0x80000002, &block);
    wire_free(&block);
    put_ok(&peer->in, 2, F_END_STREAM);
    put_ok(&peer->in, 1, F_END_STREAM);
}

static void test_client_6_6_on_stream_0(struct fake_peer *peer)
{
    put_promise(&peer->in, 0, 2);
}

static void test_client_6_6_on_an_idle_stream(struct fake_peer *peer)
{
    put_promise(&peer->in, 3, 2);
}

static void test_client_6_6_on_a_stream_that_has_ended(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, F_END_STREAM);
    put_promise(&peer->in, 1, 2);
}

/* Half-closed by the server alone: our POST goes on. */
static void test_client_6_6_on_a_stream_half_closed_by_the_server(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, F_END_STREAM);
    put_promise(&peer->in, 1, 2);
}

static void test_client_6_6_on_a_stream_that_is_open(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_ok(&peer->in, 1, 0);
    put_promise(&peer->in, 1, 4);
    put_ok(&peer->in, 2, F_END_STREAM);
    put_ok(&peer->in, 4, F_END_STREAM);
}

static void test_client_6_6_on_a_promised_stream(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_promise(&peer->in, 2, 4);
}

/* Under way when we reset its stream: the promised one is there, and refused. */
static void test_client_6_6_on_a_stream_that_we_reset(struct fake_peer *peer)
{
    halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
    peer_go(peer);
    skip_output(peer);
    put_promise(&peer->in, 1, 2);
    put_ok(&peer->in, 2, 0);
    put_data(&peer->in, 2, F_END_STREAM, 100);
}

static void test_client_6_6_promise_of_0(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 0);
}

static void test_client_6_6_promise_of_an_odd_number(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 3);
}

static void test_client_6_6_promise_of_a_number_used_before(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 4);
    put_promise(&peer->in, 1, 4);
}

static void test_client_6_6_promise_of_a_smaller_number(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 4);
    put_promise(&peer->in, 1, 2);
}

static void test_client_6_6_too_short(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PUSH_PROMISE, F_END_HEADERS, 1, "\0\0\0", 3);
}

static void test_client_6_6_padded_and_too_short(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PUSH_PROMISE, F_END_HEADERS | F_PADDED, 1, "\0\0\0\0", 4);
}

static void test_client_6_6_invalid_pad_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PUSH_PROMISE, F_END_HEADERS | F_PADDED, 1, "\x02\0\0\0\x02\x82", 6);
}

static void test_client_6_6_invalid_block(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PUSH_PROMISE, F_END_HEADERS, 1, "\0\0\0\x02\xff", 5);
}

static void test_client_6_6_continuation(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_frame_header(&peer->in, 4 + 9, T_PUSH_PROMISE, 0, 1);
    wire_u32(&peer->in, 2);
    wire_octets(&peer->in, block.data, 9);
    put_continuation(&peer->in, 1, F_END_HEADERS, block.data + 9, block.len - 9);
    wire_free(&block);
    put_ok(&peer->in, 2, F_END_STREAM);
}

static void test_client_6_6_other_frame_behind_it(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PUSH_PROMISE, 0, 1, "\0\0\0\x02\x82", 5);
    put_ping(&peer->in, 0, "too soon");
}

static void test_client_6_6_continuation_of_the_promised_stream(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PUSH_PROMISE, 0, 1, "\0\0\0\x02\x82", 5);
    put_continuation(&peer->in, 2, F_END_HEADERS, "", 0);
}

static void test_client_8_4_1_clients_do_not_promise(struct fake_peer *peer)
{
    struct halo_request request = { .path = HALO_LIT("/"), .authority = HALO_LIT("example.org") };
    halo_stream *pushed = NULL;

    assert_int_equal(halo_stream_push(peer_stream(peer, 1), &request, NULL, &pushed),
                     HALO_E_WRONG_STATE);
    peer_go(peer);
    expect_nothing(peer);
}

/* ---- the client: what is promised (8.4.1) ---------------------------------------------- */

#define PROMISE(peer, ...) put_promise_of(&(peer)->in, 1, 2, __VA_ARGS__, NULL)

static void test_client_8_4_promise_of_POST(struct fake_peer *peer)
{
    PROMISE(peer, ":method", "POST", ":scheme", "https", ":path", "/", ":authority", "example.org");
}

static void test_client_8_4_promise_with_content(struct fake_peer *peer)
{
    PROMISE(peer, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "example.org",
            "content-length", "4");
}

static void test_client_8_4_promise_of_another_origin(struct fake_peer *peer)
{
    PROMISE(peer, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "example.com");
}

static void test_client_8_4_promise_without_authority(struct fake_peer *peer)
{
    PROMISE(peer, ":method", "GET", ":scheme", "https", ":path", "/");
}

static void test_client_8_4_1_promise_without_method(struct fake_peer *peer)
{
    PROMISE(peer, ":scheme", "https", ":path", "/", ":authority", "example.org");
}

static void test_client_8_4_1_promise_without_path(struct fake_peer *peer)
{
    PROMISE(peer, ":method", "GET", ":scheme", "https", ":authority", "example.org");
}

static void test_client_8_4_1_promise_with_status(struct fake_peer *peer)
{
    PROMISE(peer, ":status", "200");
}

static void test_client_8_4_1_promise_with_a_connection_field(struct fake_peer *peer)
{
    PROMISE(peer, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "example.org",
            "connection", "close");
}

static void test_client_8_4_2_malformed_response(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_fields(&peer->in, 2, F_END_STREAM, "x-test", "ok", NULL);
}

/* ---- the client: reserved (remote) (5.1) ----------------------------------------------- */

static void test_client_5_1_reserved_data(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_data(&peer->in, 2, 0, 1);
}

static void test_client_5_1_reserved_window_update(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_window_update(&peer->in, 2, 1);
}

static void test_client_5_1_reserved_continuation(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_continuation(&peer->in, 2, F_END_HEADERS, "", 0);
}

static void test_client_5_1_reserved_priority_and_reset(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_priority(&peer->in, 2, 0, 1);
    put_rst_stream(&peer->in, 2, HALO_CANCEL);
}

/* All that we say on it is RST_STREAM. */
static void test_client_5_1_reserved_is_cancelled(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    peer_go(peer);
    expect_nothing(peer);
    assert_int_equal(halo_stream_reset(peer_stream(peer, 2), HALO_CANCEL), 0);
    put_ok(&peer->in, 2, 0);
    put_data(&peer->in, 2, F_END_STREAM, 4);
}

static void test_client_5_1_headers_on_a_stream_not_promised(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_ok(&peer->in, 4, F_END_STREAM);
}

static void test_client_5_1_pushed_data_behind_the_end(struct fake_peer *peer)
{
    put_promise(&peer->in, 1, 2);
    put_ok(&peer->in, 2, F_END_STREAM);
    put_data(&peer->in, 2, 0, 1);
}

/* ---- the server promises --------------------------------------------------------------- */

/* A request on 1, answered with a promise of 2, of which the client has heard. */
static halo_stream *push(struct fake_peer *peer)
{
    struct halo_request request = { .path = HALO_LIT("/style.css") };
    halo_stream *pushed = NULL;

    assert_int_equal(halo_stream_push(peer_stream(peer, 1), &request, NULL, &pushed), 0);
    peer_go(peer);
    expect_promise(peer, 1, 2,
                   ":method: GET\n:scheme: https\n:path: /style.css\n:authority: example.org\n");
    return pushed;
}

static void test_server_6_6_promise_and_response(struct fake_peer *peer)
{
    halo_stream *pushed = push(peer);

    assert_int_equal(halo_stream_respond(pushed, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(pushed, "body", 4, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 2, 0, ":status: 200\n");
    expect_data(peer, 2, F_END_STREAM, 4);
}

static void test_server_6_6_not_when_it_is_off(struct fake_peer *peer)
{
    struct halo_request request = { .path = HALO_LIT("/") };
    halo_stream *pushed = NULL;

    put_settings(&peer->in, HALO_SETTINGS_ENABLE_PUSH, 0u, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    assert_int_equal(halo_stream_push(peer_stream(peer, 1), &request, NULL, &pushed),
                     HALO_E_PUSH_DISABLED);
    expect_nothing(peer);
}

static void test_server_5_1_reserved_data(struct fake_peer *peer)
{
    (void)push(peer);
    put_data(&peer->in, 2, 0, 1);
}

static void test_server_5_1_reserved_headers(struct fake_peer *peer)
{
    (void)push(peer);
    put_get(&peer->in, 2);
}

static void test_server_5_1_reserved_frames_that_may_come(struct fake_peer *peer)
{
    halo_stream *pushed = push(peer);

    put_window_update(&peer->in, 2, 1);
    put_priority(&peer->in, 2, 0, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(pushed, 200, NULL, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_answer(peer, 2);
}

/* DATA before the response is not sent: reserved (local) knows HEADERS and RST_STREAM. */
static void test_server_5_1_reserved_sends_no_data(struct fake_peer *peer)
{
    halo_stream *pushed = push(peer);

    assert_int_equal(halo_stream_write(pushed, "x", 1, 0), HALO_E_WRONG_STATE);
    assert_int_equal(halo_stream_trailers(pushed, NULL), HALO_E_TRAILERS_NOT_READY);
    peer_go(peer);
    expect_nothing(peer);
    assert_int_equal(halo_stream_reset(pushed, HALO_CANCEL), 0);
}

static void test_server_5_1_reserved_refused(struct fake_peer *peer)
{
    (void)push(peer);
    put_rst_stream(&peer->in, 2, HALO_REFUSED_STREAM);
    peer_go(peer);
    expect_nothing(peer);
}

static const struct conform_case cases[] = {
    PUSH_CASE(test_client_6_6_promise_and_response, ACCEPTED),
    PUSH_CASE(test_client_6_6_unused_flags, ACCEPTED),
    PUSH_CASE(test_client_6_6_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_on_an_idle_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_on_a_stream_that_has_ended, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_on_a_stream_half_closed_by_the_server,
              CONNECTION_ERROR(PROTOCOL_ERROR), .before = POSTED),
    PUSH_CASE(test_client_6_6_on_a_stream_that_is_open, ACCEPTED, .before = POSTED),
    PUSH_CASE(test_client_6_6_on_a_promised_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_on_a_stream_that_we_reset, STREAM_ERROR(2, REFUSED_STREAM)),
    PUSH_CASE(test_client_6_6_promise_of_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_promise_of_an_odd_number, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_promise_of_a_number_used_before, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_promise_of_a_smaller_number, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_too_short, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    PUSH_CASE(test_client_6_6_padded_and_too_short, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    PUSH_CASE(test_client_6_6_invalid_pad_length, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_invalid_block, CONNECTION_ERROR(COMPRESSION_ERROR)),
    PUSH_CASE(test_client_6_6_continuation, ACCEPTED),
    PUSH_CASE(test_client_6_6_other_frame_behind_it, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_6_6_continuation_of_the_promised_stream,
              CONNECTION_ERROR(PROTOCOL_ERROR)),

    PUSH_CASE(test_client_8_4_1_clients_do_not_promise, ACCEPTED),
    PUSH_CASE(test_client_8_4_promise_of_POST, STREAM_ERROR(2, PROTOCOL_ERROR)),
    PUSH_CASE(test_client_8_4_promise_with_content, STREAM_ERROR(2, PROTOCOL_ERROR)),
    PUSH_CASE(test_client_8_4_promise_of_another_origin, STREAM_ERROR(2, PROTOCOL_ERROR)),
    PUSH_CASE(test_client_8_4_promise_without_authority, STREAM_ERROR(2, PROTOCOL_ERROR)),
    PUSH_CASE(test_client_8_4_1_promise_without_method, STREAM_ERROR(2, PROTOCOL_ERROR)),
    PUSH_CASE(test_client_8_4_1_promise_without_path, STREAM_ERROR(2, PROTOCOL_ERROR)),
    PUSH_CASE(test_client_8_4_1_promise_with_status, STREAM_ERROR(2, PROTOCOL_ERROR)),
    PUSH_CASE(test_client_8_4_1_promise_with_a_connection_field, STREAM_ERROR(2, PROTOCOL_ERROR)),
    PUSH_CASE(test_client_8_4_2_malformed_response, STREAM_ERROR(2, PROTOCOL_ERROR)),

    PUSH_CASE(test_client_5_1_reserved_data, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_5_1_reserved_window_update, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_5_1_reserved_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_5_1_reserved_priority_and_reset, ACCEPTED),
    PUSH_CASE(test_client_5_1_reserved_is_cancelled, STREAM_ERROR(2, CANCEL)),
    PUSH_CASE(test_client_5_1_headers_on_a_stream_not_promised, CONNECTION_ERROR(PROTOCOL_ERROR)),
    PUSH_CASE(test_client_5_1_pushed_data_behind_the_end, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED)),

    SERVER_CASE(test_server_6_6_promise_and_response, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_6_6_not_when_it_is_off, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_5_1_reserved_data, CONNECTION_ERROR(PROTOCOL_ERROR), .before = POSTED),
    SERVER_CASE(test_server_5_1_reserved_headers, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = POSTED),
    SERVER_CASE(test_server_5_1_reserved_frames_that_may_come, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_5_1_reserved_sends_no_data, STREAM_ERROR(2, CANCEL), .before = POSTED),
    SERVER_CASE(test_server_5_1_reserved_refused, ACCEPTED, .before = POSTED),
};

CONFORM_GROUP(group_rfc9113_8_push, "rfc9113_8_push", cases);
