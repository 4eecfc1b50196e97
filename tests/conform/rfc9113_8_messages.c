/* RFC 9113 section 8: requests, responses, trailers. */
#include "conform.h"

/* ---- 8.1 ------------------------------------------------------------------------------- */

static void test_server_8_1_second_headers_without_end(struct fake_peer *peer)
{
    put_data(&peer->in, 1, 0, 4);
    put_fields(&peer->in, 1, 0, "x-test", "ok", NULL);
}

static void test_client_8_1_second_headers_without_end(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, 0);
    put_fields(&peer->in, 1, 0, "x-test", "ok", NULL);
}

static void test_client_8_1_information_with_end(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "100", NULL);
}

/* RFC 9113 8.1: a whole response, and the rest of the request is not wanted. */
static void test_client_8_1_reset_behind_a_whole_response(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, F_END_STREAM);
    put_rst_stream(&peer->in, 1, HALO_NO_ERROR);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\n");
}

/* ---- 8.2 ------------------------------------------------------------------------------- */

static void test_server_8_2_upper_case_name(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "X-TEST", "ok");
}

static void test_server_8_2_1_forbidden_octets_in_a_name(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "x test", "ok");
}

static void test_server_8_2_1_colon_within_a_name(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "x:test", "ok");
}

static void test_server_8_2_1_empty_name(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "", "ok");
}

static void test_server_8_2_1_line_end_in_a_value(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "x-test", "a\r\nb: c");
}

static void test_server_8_2_1_space_around_a_value(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "x-test", " ok");
}

static void test_client_8_2_1_line_end_in_a_value(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "200", "x-test", "a\nb", NULL);
}

static void test_server_8_2_2_connection_specific(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "connection", "keep-alive");
}

static void test_server_8_2_2_te_other_than_trailers(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "te", "trailers, deflate;q=0.5");
}

static void test_server_8_2_2_te_trailers(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "te", "trailers");
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_server_8_2_2_transfer_encoding(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "transfer-encoding", "chunked");
}

static void test_client_8_2_2_connection_specific(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "200", "keep-alive", "5", NULL);
}

/* TE is for requests: not in a response, an interim one, or trailers. */
static void test_client_8_2_2_te_in_a_response(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "200", "te", "trailers", NULL);
}

static void test_client_8_2_2_te_in_an_interim_response(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":status", "103", "te", "trailers", NULL);
}

static void test_client_8_2_2_te_in_trailers(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":status", "200", NULL);
    put_fields(&peer->in, 1, F_END_STREAM, "te", "trailers", NULL);
}

static void test_server_8_2_2_te_in_trailers(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, "te", "trailers", NULL);
}

/* ---- 8.3 ------------------------------------------------------------------------------- */

static void test_server_8_3_unknown_pseudo_field(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, ":test", "ok");
}

static void test_server_8_3_pseudo_field_of_responses(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, ":status", "200");
}

static void test_server_8_3_pseudo_field_in_trailers(struct fake_peer *peer)
{
    put_data(&peer->in, 1, 0, 4);
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", NULL);
}

static void test_server_8_3_pseudo_field_behind_regular(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":scheme", "https", "x-test", "ok",
               ":path", "/", ":authority", "example.org", NULL);
}

static void test_client_8_3_pseudo_field_of_requests(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "200", ":path", "/", NULL);
}

static void test_server_8_3_1_empty_path(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "",
               ":authority", "example.org", NULL);
}

static void test_server_8_3_1_no_method(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":scheme", "https", ":path", "/", ":authority",
               "example.org", NULL);
}

static void test_server_8_3_1_no_scheme(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":path", "/", ":authority",
               "example.org", NULL);
}

static void test_server_8_3_1_no_path(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":scheme", "https", ":authority",
               "example.org", NULL);
}

static void test_server_8_3_1_method_twice(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, ":method", "GET");
}

static void test_server_8_3_1_scheme_twice(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, ":scheme", "https");
}

static void test_server_8_3_1_path_twice(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, ":path", "/");
}

static void test_server_8_3_1_authority_twice(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, ":authority", "example.org");
}

static void test_server_8_3_1_authority_with_userinfo(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "user@example.org", NULL);
}

static void test_server_8_3_1_host_other_than_authority(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "host", "elsewhere.org");
}

static void test_server_8_3_1_asterisk_for_options(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "OPTIONS", ":scheme", "https", ":path", "*",
               ":authority", "example.org", NULL);
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_client_8_3_2_no_status(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, "x-test", "ok", NULL);
}

static void test_client_8_3_2_status_twice(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "200", ":status", "200", NULL);
}

static void test_client_8_3_2_status_of_two_digits(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "20", NULL);
}

/* ---- 8.1.1 ----------------------------------------------------------------------------- */

static void put_post_of_length(struct fake_peer *peer, const char *length)
{
    put_fields(&peer->in, 1, 0, ":method", "POST", ":scheme", "https", ":path", "/", ":authority",
               "example.org", "content-length", length, NULL);
}

static void test_server_8_1_1_content_length_and_data(struct fake_peer *peer)
{
    put_post_of_length(peer, "1");
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_server_8_1_1_content_length_and_several_data(struct fake_peer *peer)
{
    put_post_of_length(peer, "1");
    put_data(&peer->in, 1, 0, 4);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_server_8_1_1_content_length_without_data(struct fake_peer *peer)
{
    put_get_with(&peer->in, 1, "content-length", "1");
}

static void test_server_8_1_1_content_length_and_trailers(struct fake_peer *peer)
{
    put_post_of_length(peer, "5");
    put_data(&peer->in, 1, 0, 4);
    put_fields(&peer->in, 1, F_END_STREAM, "x-test", "ok", NULL);
}

static void test_client_8_1_1_content_length_and_data(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":status", "200", "content-length", "1", NULL);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

/* ---- 8.4, 8.5, 8.6 --------------------------------------------------------------------- */

static void test_server_8_4_push_promise(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_push_promise(&peer->in, 1, F_END_HEADERS, 2, &block);
    wire_free(&block);
}

/* A client of halo says SETTINGS_ENABLE_PUSH 0 unless it is told otherwise. */
static void test_client_8_4_push_promise_not_allowed(struct fake_peer *peer)
{
    test_server_8_4_push_promise(peer);
}

static void test_server_8_5_connect(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":authority", "example.org:443", NULL);
    put_data(&peer->in, 1, 0, 4);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 :method=CONNECT :authority=example.org:443\nDATA 1 len=4\n");
}

static void test_server_8_5_connect_with_path(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":scheme", "https", ":path", "/",
               ":authority", "example.org:443", NULL);
}

static void test_server_8_5_connect_without_authority(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", NULL);
}

/* A tunnel carries DATA, and ends with END_STREAM on one or with RST_STREAM. */
static void test_server_8_5_headers_on_a_tunnel(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":authority", "example.org:443", NULL);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    put_data(&peer->in, 1, 0, 4);
    put_fields(&peer->in, 1, F_END_STREAM, "x-test", "ok", NULL);
}

static void test_server_8_5_end_of_a_tunnel(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":authority", "example.org:443", NULL);
    put_data(&peer->in, 1, F_END_STREAM, 4);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 :method=CONNECT :authority=example.org:443\nDATA 1 len=4 END\n");
}

/* Opens a tunnel on stream 3. */
static void open_tunnel(struct fake_peer *peer, const char *status)
{
    peer_request(peer, "CONNECT", 0);
    peer_go(peer);
    skip_output(peer);
    put_fields(&peer->in, 3, 0, ":status", status, NULL);
    put_data(&peer->in, 3, 0, 4);
    put_fields(&peer->in, 3, F_END_STREAM, "x-test", "ok", NULL);
}

static void test_client_8_5_headers_on_a_tunnel(struct fake_peer *peer)
{
    open_tunnel(peer, "200");
}

/* A CONNECT that is refused is answered like any request. */
static void test_client_8_5_trailers_of_a_refusal(struct fake_peer *peer)
{
    open_tunnel(peer, "403");
    peer_go(peer);
    expect_log(peer, "RESPONSE 3 status=403 :status=403\nDATA 3 len=4\n"
                     "TRAILERS 3 END x-test=ok\n");
}

static void test_client_8_6_status_101(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":status", "101", NULL);
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_8_1_second_headers_without_end, STREAM_ERROR(1, PROTOCOL_ERROR),
                .before = POSTED),
    CLIENT_CASE(test_client_8_1_second_headers_without_end, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_1_information_with_end, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_1_reset_behind_a_whole_response, ACCEPTED, .before = POSTED),

    SERVER_CASE(test_server_8_2_upper_case_name, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_2_1_forbidden_octets_in_a_name, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_2_1_colon_within_a_name, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_2_1_empty_name, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_2_1_line_end_in_a_value, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_2_1_space_around_a_value, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_2_1_line_end_in_a_value, STREAM_ERROR(1, PROTOCOL_ERROR),
                .before = POSTED),
    SERVER_CASE(test_server_8_2_2_connection_specific, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_2_2_te_other_than_trailers, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_2_2_te_trailers, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_8_2_2_transfer_encoding, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_2_2_te_in_a_response, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_2_2_te_in_an_interim_response, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_2_2_te_in_trailers, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_2_2_te_in_trailers, STREAM_ERROR(1, PROTOCOL_ERROR),
                .before = POSTED),
    CLIENT_CASE(test_client_8_2_2_connection_specific, STREAM_ERROR(1, PROTOCOL_ERROR)),

    SERVER_CASE(test_server_8_3_unknown_pseudo_field, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_pseudo_field_of_responses, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_pseudo_field_in_trailers, STREAM_ERROR(1, PROTOCOL_ERROR),
                .before = POSTED),
    SERVER_CASE(test_server_8_3_pseudo_field_behind_regular, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_3_pseudo_field_of_requests, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_empty_path, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_no_method, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_no_scheme, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_no_path, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_method_twice, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_scheme_twice, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_path_twice, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_authority_twice, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_authority_with_userinfo, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_host_other_than_authority, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_3_1_asterisk_for_options, ACCEPTED, .answers = true),
    CLIENT_CASE(test_client_8_3_2_no_status, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_3_2_status_twice, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_3_2_status_of_two_digits, STREAM_ERROR(1, PROTOCOL_ERROR)),

    SERVER_CASE(test_server_8_1_1_content_length_and_data, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_1_1_content_length_and_several_data, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_1_1_content_length_without_data, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_1_1_content_length_and_trailers, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_1_1_content_length_and_data, STREAM_ERROR(1, PROTOCOL_ERROR)),

    SERVER_CASE(test_server_8_4_push_promise, CONNECTION_ERROR(PROTOCOL_ERROR), .before = POSTED),
    CLIENT_CASE(test_client_8_4_push_promise_not_allowed, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_5_connect, ACCEPTED),
    SERVER_CASE(test_server_8_5_connect_with_path, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_5_connect_without_authority, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_5_headers_on_a_tunnel, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8_5_end_of_a_tunnel, ACCEPTED),
    CLIENT_CASE(test_client_8_5_headers_on_a_tunnel, STREAM_ERROR(3, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8_5_trailers_of_a_refusal, ACCEPTED),
    CLIENT_CASE(test_client_8_6_status_101, STREAM_ERROR(1, PROTOCOL_ERROR)),
};

CONFORM_GROUP(group_rfc9113_8_messages, "rfc9113_8_messages", cases);
