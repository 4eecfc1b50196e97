/* RFC 9113 sections 6.1 to 6.4 and 6.10: the frames of streams. */
#include "conform.h"

/* ---- 6.1 DATA -------------------------------------------------------------------------- */

static void test_server_6_1_data_on_stream_0(struct fake_peer *peer)
{
    put_data(&peer->in, 0, F_END_STREAM, 4);
}

static void test_server_6_1_data_on_a_closed_stream(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_server_6_1_invalid_pad_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_DATA, F_PADDED | F_END_STREAM, 1, "\x05test", 5);
}

static void test_server_6_1_padding_without_its_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_DATA, F_PADDED | F_END_STREAM, 1, "", 0);
}

/* Padding may be all that there is. */
static void test_server_6_1_nothing_but_padding(struct fake_peer *peer)
{
    put_frame(&peer->in, T_DATA, F_PADDED | F_END_STREAM, 1, "\x04\0\0\0\0", 5);
    peer_go(peer);
    expect_log(peer, "DATA 1 len=0 END\n");
}

/* "MUST be set to zero"; a receiver may verify, and halo does not: it could not tell the peer
 * anything of use. */
static void test_server_6_1_padding_of_other_octets(struct fake_peer *peer)
{
    put_frame(&peer->in, T_DATA, F_PADDED | F_END_STREAM, 1, "\x04okjunk", 7);
    peer_go(peer);
    expect_log(peer, "DATA 1 len=2 END\n");
}

static void test_client_6_1_data_on_stream_0(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, 0);
    put_data(&peer->in, 0, F_END_STREAM, 4);
}

static void test_client_6_1_data_on_a_closed_stream(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_client_6_1_invalid_pad_length(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, 0);
    put_frame(&peer->in, T_DATA, F_PADDED | F_END_STREAM, 1, "\x05test", 5);
}

static void test_client_6_1_data_before_headers(struct fake_peer *peer)
{
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

/* ---- 6.2 HEADERS ----------------------------------------------------------------------- */

static void put_unfinished_headers(struct fake_peer *peer, uint32_t id)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_headers(&peer->in, id, F_END_STREAM, &block);
    wire_free(&block);
}

static void test_server_6_2_priority_instead_of_continuation(struct fake_peer *peer)
{
    put_unfinished_headers(peer, 1);
    put_priority(&peer->in, 1, 0, 255);
}

static void test_server_6_2_headers_of_another_stream(struct fake_peer *peer)
{
    put_unfinished_headers(peer, 1);
    put_get(&peer->in, 3);
}

static void test_server_6_2_headers_on_stream_0(struct fake_peer *peer)
{
    put_get(&peer->in, 0);
}

static void test_server_6_2_invalid_pad_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_PADDED | F_END_STREAM | F_END_HEADERS, 1, "\x04\x82\x87\x84",
              4);
}

static void test_server_6_2_padding_without_its_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_PADDED | F_END_STREAM | F_END_HEADERS, 1, "", 0);
}

static void test_server_6_2_too_short_for_priority(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_PRIORITY | F_END_STREAM | F_END_HEADERS, 1, "\0\0\0\0", 4);
}

/* An empty block is a list of nothing: a request without its fields. */
static void test_server_6_2_empty_block(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1, "", 0);
}

static void put_unfinished_response(struct fake_peer *peer, unsigned flags)
{
    put_frame(&peer->in, T_HEADERS, flags, 1, "\x88", 1);
}

static void test_client_6_2_priority_instead_of_continuation(struct fake_peer *peer)
{
    put_unfinished_response(peer, 0);
    put_priority(&peer->in, 1, 0, 255);
}

static void test_client_6_2_headers_on_stream_0(struct fake_peer *peer)
{
    put_ok(&peer->in, 0, F_END_STREAM);
}

static void test_client_6_2_invalid_pad_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_PADDED | F_END_STREAM | F_END_HEADERS, 1, "\x02\x88", 2);
}

/* ---- 6.3 PRIORITY ---------------------------------------------------------------------- */

static void test_server_6_3_priority_on_stream_0(struct fake_peer *peer)
{
    put_priority(&peer->in, 0, 1, 255);
}

static void test_server_6_3_priority_of_a_wrong_length(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_frame(&peer->in, T_PRIORITY, 0, 1, "\x80\0\0\x01", 4);
}

static void test_client_6_3_priority_on_stream_0(struct fake_peer *peer)
{
    put_priority(&peer->in, 0, 1, 255);
}

static void test_client_6_3_priority_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PRIORITY, 0, 1, "\x80\0\0\x01", 4);
}

/* ---- 6.4 RST_STREAM -------------------------------------------------------------------- */

static void test_server_6_4_rst_stream_on_stream_0(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 0, HALO_CANCEL);
}

static void test_server_6_4_rst_stream_on_idle(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
}

static void test_server_6_4_rst_stream_of_a_wrong_length(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    put_frame(&peer->in, T_RST_STREAM, 0, 1, "\0\0\0", 3);
}

static void test_client_6_4_rst_stream_on_stream_0(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 0, HALO_CANCEL);
}

static void test_client_6_4_rst_stream_on_idle(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 3, HALO_CANCEL);
}

static void test_client_6_4_rst_stream_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_RST_STREAM, 0, 1, "\0\0\0", 3);
}

/* ---- 6.10 CONTINUATION ----------------------------------------------------------------- */

static void test_server_6_10_two_continuations(struct fake_peer *peer)
{
    put_unfinished_headers(peer, 1);
    put_continuation(&peer->in, 1, 0, "\x00\x01x\x01y", 5);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01y\x01z", 5);
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_server_6_10_other_frame_behind_continuation(struct fake_peer *peer)
{
    put_unfinished_headers(peer, 1);
    put_continuation(&peer->in, 1, 0, "\x00\x01x\x01y", 5);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_server_6_10_continuation_on_stream_0(struct fake_peer *peer)
{
    put_unfinished_headers(peer, 1);
    put_continuation(&peer->in, 0, F_END_HEADERS, "\x00\x01x\x01y", 5);
}

static void test_server_6_10_continuation_of_another_stream(struct fake_peer *peer)
{
    put_unfinished_headers(peer, 1);
    put_continuation(&peer->in, 3, F_END_HEADERS, "\x00\x01x\x01y", 5);
}

static void test_server_6_10_continuation_behind_end_headers(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01x\x01y", 5);
}

static void test_server_6_10_continuation_behind_the_last(struct fake_peer *peer)
{
    put_unfinished_headers(peer, 1);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01x\x01y", 5);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01x\x01y", 5);
}

static void test_server_6_10_continuation_behind_data(struct fake_peer *peer)
{
    put_data(&peer->in, 1, 0, 4);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01x\x01y", 5);
}

static void test_client_6_10_two_continuations(struct fake_peer *peer)
{
    put_unfinished_response(peer, F_END_STREAM);
    put_continuation(&peer->in, 1, 0, "\x00\x01x\x01y", 5);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01y\x01z", 5);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200 x=y y=z\nCLOSED 1\n");
}

static void test_client_6_10_other_frame_behind_continuation(struct fake_peer *peer)
{
    put_unfinished_response(peer, 0);
    put_continuation(&peer->in, 1, 0, "\x00\x01x\x01y", 5);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_client_6_10_continuation_on_stream_0(struct fake_peer *peer)
{
    put_unfinished_response(peer, 0);
    put_continuation(&peer->in, 0, F_END_HEADERS, "\x00\x01x\x01y", 5);
}

static void test_client_6_10_continuation_behind_end_headers(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, 0);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01x\x01y", 5);
}

static void test_client_6_10_continuation_behind_the_last(struct fake_peer *peer)
{
    put_unfinished_response(peer, 0);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01x\x01y", 5);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01x\x01y", 5);
}

static void test_client_6_10_continuation_behind_data(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, 0);
    put_data(&peer->in, 1, 0, 4);
    put_continuation(&peer->in, 1, F_END_HEADERS, "\x00\x01x\x01y", 5);
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_6_1_data_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_1_data_on_a_closed_stream, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED),
                .answers = true),
    SERVER_CASE(test_server_6_1_invalid_pad_length, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = POSTED),
    SERVER_CASE(test_server_6_1_padding_without_its_length,
                STREAM_ERROR_THAT_ENDS(FRAME_SIZE_ERROR), .before = POSTED),
    SERVER_CASE(test_server_6_1_nothing_but_padding, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_6_1_padding_of_other_octets, ACCEPTED, .before = POSTED),
    CLIENT_CASE(test_client_6_1_data_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_1_data_on_a_closed_stream, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED)),
    CLIENT_CASE(test_client_6_1_invalid_pad_length, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_1_data_before_headers, STREAM_ERROR(1, PROTOCOL_ERROR)),

    SERVER_CASE(test_server_6_2_priority_instead_of_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_2_headers_of_another_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_2_headers_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_2_invalid_pad_length, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_2_padding_without_its_length, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    SERVER_CASE(test_server_6_2_too_short_for_priority, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    SERVER_CASE(test_server_6_2_empty_block, STREAM_ERROR(1, PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_2_priority_instead_of_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_2_headers_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_2_invalid_pad_length, CONNECTION_ERROR(PROTOCOL_ERROR)),

    SERVER_CASE(test_server_6_3_priority_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_3_priority_of_a_wrong_length,
                STREAM_ERROR_THAT_ENDS(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_6_3_priority_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_3_priority_of_a_wrong_length,
                STREAM_ERROR_THAT_ENDS(FRAME_SIZE_ERROR)),

    SERVER_CASE(test_server_6_4_rst_stream_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_4_rst_stream_on_idle, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_4_rst_stream_of_a_wrong_length, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_6_4_rst_stream_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_4_rst_stream_on_idle, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_4_rst_stream_of_a_wrong_length, CONNECTION_ERROR(FRAME_SIZE_ERROR)),

    SERVER_CASE(test_server_6_10_two_continuations, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_6_10_other_frame_behind_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_10_continuation_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_10_continuation_of_another_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_10_continuation_behind_end_headers, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_10_continuation_behind_the_last, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_10_continuation_behind_data, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = POSTED),
    CLIENT_CASE(test_client_6_10_two_continuations, ACCEPTED),
    CLIENT_CASE(test_client_6_10_other_frame_behind_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_10_continuation_on_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_10_continuation_behind_end_headers, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_10_continuation_behind_the_last, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_10_continuation_behind_data, CONNECTION_ERROR(PROTOCOL_ERROR)),
};

CONFORM_GROUP(group_rfc9113_6_streams, "rfc9113_6_streams", cases);
