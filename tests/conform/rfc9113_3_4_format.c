/* RFC 9113 sections 3.4 (preface), 4 (frame format, size, header compression) and 5.5
 * (extensions). */
#include "conform.h"

/* ---- 3.4 ------------------------------------------------------------------------------- */

static void test_server_3_4_preface(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, 0);
    put_settings_ack(&peer->in);
    peer_go(peer);
    expect_opening(peer);
    expect_log(peer, "SETTINGS\nSETTINGS_ACK\n");
}

static void test_server_3_4_invalid_preface(struct fake_peer *peer)
{
    wire_text(&peer->in, "INVALID CONNECTION PREFACE\r\n\r\n");
}

static void test_server_3_4_preface_without_settings(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_ping(&peer->in, 0, "too soon");
}

static void test_server_3_4_settings_ack_is_no_preface(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings_ack(&peer->in);
}

/* A client need not wait for the server's SETTINGS. */
static void test_server_3_4_request_with_the_preface(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, 0);
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_opening(peer);
    expect_answer(peer, 1);
}

static void test_client_3_4_preface(struct fake_peer *peer)
{
    struct heard_frame heard;

    peer_go(peer);
    assert_true(peer->out.len > 24);
    assert_memory_equal(peer->out.data, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_SETTINGS);
    put_settings(&peer->in, 0);
    peer_go(peer);
    expect_settings_ack(peer);
}

static void test_client_3_4_first_frame_is_not_settings(struct fake_peer *peer)
{
    put_ping(&peer->in, 0, "too soon");
}

/* "HTT" is a length far beyond any limit, too; but an invalid preface is PROTOCOL_ERROR. */
static void test_client_3_4_answer_of_http1(struct fake_peer *peer)
{
    wire_text(&peer->in, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

/* ---- 4.1 ------------------------------------------------------------------------------- */

static void test_server_4_1_unknown_type(struct fake_peer *peer)
{
    put_frame(&peer->in, 0xff, 0, 0, "12345678", 8);
    put_ping(&peer->in, 0, "answer!!");
    peer_go(peer);
    expect_frame(peer, T_PING, F_ACK, 0, 8);
}

static void test_server_4_1_undefined_flags(struct fake_peer *peer)
{
    put_ping(&peer->in, 0xfe, "answer!!");
    peer_go(peer);
    expect_frame(peer, T_PING, F_ACK, 0, 8);
}

static void test_server_4_1_reserved_bit(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PING, 0, 0x80000000, "answer!!", 8);
    peer_go(peer);
    expect_frame(peer, T_PING, F_ACK, 0, 8);
}

static void test_server_4_1_reserved_bit_of_a_stream(struct fake_peer *peer)
{
    put_get(&peer->in, 0x80000001);
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_client_4_1_unknown_type(struct fake_peer *peer)
{
    test_server_4_1_unknown_type(peer);
}

static void test_client_4_1_undefined_flags(struct fake_peer *peer)
{
    test_server_4_1_undefined_flags(peer);
}

static void test_client_4_1_reserved_bit(struct fake_peer *peer)
{
    test_server_4_1_reserved_bit(peer);
}

/* ---- 4.2 ------------------------------------------------------------------------------- */

static void test_server_4_2_data_of_16384_octets(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, F_END_STREAM, 16384);
    peer_go(peer);
    skip_log(peer);
    expect_answer(peer, 1);
}

static void test_server_4_2_data_too_large(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, F_END_STREAM, 16385);
}

static void test_server_4_2_headers_too_large(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    while (block.len <= 16384) {
        field(&block, "x-filling", "eight by eight by eight by eight by eight by eight by eight");
    }
    put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
}

/* The limit counts for every type, also those that nobody knows. */
static void test_server_4_2_unknown_frame_too_large(struct fake_peer *peer)
{
    put_frame_header(&peer->in, 16385, 0xee, 0, 0);
    wire_fill(&peer->in, 0, 16385);
}

static void test_client_4_2_data_of_16384_octets(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, 0);
    put_data(&peer->in, 1, F_END_STREAM, 16384);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 :status=200\nDATA 1 len=16384 END\nCLOSED 1\n");
}

static void test_client_4_2_data_too_large(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, 0);
    put_data(&peer->in, 1, F_END_STREAM, 16385);
}

static void test_client_4_2_headers_too_large(struct fake_peer *peer)
{
    put_frame_header(&peer->in, 16385, T_HEADERS, F_END_HEADERS, 1);
    wire_fill(&peer->in, 0x88, 16385);
}

/* ---- 4.3 ------------------------------------------------------------------------------- */

/* A literal with incremental indexing whose octets end within the name. */
static const uint8_t broken_block[] = { 0x40, 0x0a, 'c', 'u', 's', 't' };

static void test_server_4_3_invalid_block(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1, broken_block,
              sizeof(broken_block));
}

static void test_server_4_3_priority_within_a_block(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_headers(&peer->in, 1, F_END_STREAM, &block);
    put_priority(&peer->in, 1, 0, 10);
    put_continuation(&peer->in, 1, F_END_HEADERS, "", 0);
    wire_free(&block);
}

static void test_server_4_3_headers_within_a_block(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_headers(&peer->in, 1, F_END_STREAM, &block);
    put_headers(&peer->in, 3, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
}

/* The blocks of streams that are refused or gone are decoded: the table must follow. */
static void test_server_4_3_block_of_a_malformed_request(struct fake_peer *peer)
{
    struct wire block = { 0 };

    field(&block, "BAD", "name");
    field_indexed(&block, "x-kept", "in the table");
    put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
    block.len = 0;
    put_request_block(&block);
    field_at(&block, 62);
    put_headers(&peer->in, 3, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
    peer_go(peer);
    expect_log(peer, "REQUEST 3 END :method=GET :scheme=https :path=/ :authority=example.org "
                     "x-kept=in the table\n");
}

static void test_client_4_3_invalid_block(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_END_HEADERS, 1, broken_block, sizeof(broken_block));
}

/* ---- 5.5 ------------------------------------------------------------------------------- */

static void test_server_5_5_unknown_frame(struct fake_peer *peer)
{
    put_frame(&peer->in, 0x16, 0xff, 0, "whatever", 8);
    put_frame(&peer->in, 0x16, 0xff, 1, "whatever", 8); /* on an idle stream, too */
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_server_5_5_unknown_frame_within_a_block(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_headers(&peer->in, 1, F_END_STREAM, &block);
    put_frame(&peer->in, 0x16, 0, 0, "whatever", 8);
    put_continuation(&peer->in, 1, F_END_HEADERS, "", 0);
    wire_free(&block);
}

static void test_server_5_5_unknown_setting(struct fake_peer *peer)
{
    put_settings(&peer->in, 0xff, 1u, 0xfefe, 0xffffffffu, 0);
    peer_go(peer);
    expect_settings_ack(peer);
}

static void test_client_5_5_unknown_frame(struct fake_peer *peer)
{
    put_frame(&peer->in, 0x16, 0xff, 1, "whatever", 8);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\n");
}

static void test_client_5_5_unknown_frame_within_a_block(struct fake_peer *peer)
{
    struct wire block = { 0 };

    field(&block, ":status", "200");
    put_headers(&peer->in, 1, F_END_STREAM, &block);
    put_frame(&peer->in, 0x16, 0, 0, "whatever", 8);
    put_continuation(&peer->in, 1, F_END_HEADERS, "", 0);
    wire_free(&block);
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_3_4_preface, ACCEPTED, .before = NOTHING),
    SERVER_CASE(test_server_3_4_invalid_preface, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = NOTHING),
    SERVER_CASE(test_server_3_4_preface_without_settings, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = NOTHING),
    SERVER_CASE(test_server_3_4_settings_ack_is_no_preface, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = NOTHING),
    SERVER_CASE(test_server_3_4_request_with_the_preface, ACCEPTED, .before = NOTHING,
                .answers = true),
    CLIENT_CASE(test_client_3_4_preface, ACCEPTED, .before = NOTHING),
    CLIENT_CASE(test_client_3_4_first_frame_is_not_settings, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = NOTHING),
    CLIENT_CASE(test_client_3_4_answer_of_http1, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = NOTHING),

    SERVER_CASE(test_server_4_1_unknown_type, ACCEPTED),
    SERVER_CASE(test_server_4_1_undefined_flags, ACCEPTED),
    SERVER_CASE(test_server_4_1_reserved_bit, ACCEPTED),
    SERVER_CASE(test_server_4_1_reserved_bit_of_a_stream, ACCEPTED, .answers = true),
    CLIENT_CASE(test_client_4_1_unknown_type, ACCEPTED),
    CLIENT_CASE(test_client_4_1_undefined_flags, ACCEPTED),
    CLIENT_CASE(test_client_4_1_reserved_bit, ACCEPTED),

    SERVER_CASE(test_server_4_2_data_of_16384_octets, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_4_2_data_too_large, STREAM_ERROR_THAT_ENDS(FRAME_SIZE_ERROR)),
    SERVER_CASE(test_server_4_2_headers_too_large, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    SERVER_CASE(test_server_4_2_unknown_frame_too_large, STREAM_ERROR_THAT_ENDS(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_4_2_data_of_16384_octets, ACCEPTED),
    CLIENT_CASE(test_client_4_2_data_too_large, STREAM_ERROR_THAT_ENDS(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_4_2_headers_too_large, CONNECTION_ERROR(FRAME_SIZE_ERROR)),

    SERVER_CASE(test_server_4_3_invalid_block, CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_4_3_priority_within_a_block, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_4_3_headers_within_a_block, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_4_3_block_of_a_malformed_request, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_4_3_invalid_block, CONNECTION_ERROR(COMPRESSION_ERROR)),

    SERVER_CASE(test_server_5_5_unknown_frame, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_5_5_unknown_frame_within_a_block, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_5_unknown_setting, ACCEPTED),
    CLIENT_CASE(test_client_5_5_unknown_frame, ACCEPTED),
    CLIENT_CASE(test_client_5_5_unknown_frame_within_a_block, CONNECTION_ERROR(PROTOCOL_ERROR)),
};

CONFORM_GROUP(group_rfc9113_3_4_format, "rfc9113_3_4_format", cases);
