/* RFC 9113 section 5: states of streams, numbers, concurrency, dependencies, errors. */
#include "conform.h"

#include "core/proto/limits.h"

/* ---- 5.1, idle ------------------------------------------------------------------------- */

static void test_server_5_1_idle_data(struct fake_peer *peer)
{
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_server_5_1_idle_rst_stream(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
}

static void test_server_5_1_idle_window_update(struct fake_peer *peer)
{
    put_window_update(&peer->in, 1, 100);
}

static void test_server_5_1_idle_continuation(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_continuation(&peer->in, 1, F_END_HEADERS, block.data, block.len);
    wire_free(&block);
}

static void test_client_5_1_idle_data(struct fake_peer *peer)
{
    put_data(&peer->in, 3, F_END_STREAM, 4);
}

static void test_client_5_1_idle_rst_stream(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 3, HALO_CANCEL);
}

static void test_client_5_1_idle_window_update(struct fake_peer *peer)
{
    put_window_update(&peer->in, 3, 100);
}

static void test_client_5_1_idle_continuation(struct fake_peer *peer)
{
    put_continuation(&peer->in, 3, F_END_HEADERS, "\x88", 1);
}

/* ---- 5.1, half-closed (remote) --------------------------------------------------------- */

static void test_server_5_1_half_closed_data(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_server_5_1_half_closed_headers(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_get(&peer->in, 1);
}

static void test_server_5_1_half_closed_continuation(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_continuation(&peer->in, 1, F_END_HEADERS, "", 0);
}

/* The server has ended its half: the request goes on. */
static void test_server_5_1_half_closed_local(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
    put_data(&peer->in, 1, 0, 10);
    put_window_update(&peer->in, 1, 10);
    put_priority(&peer->in, 1, 0, 10);
    put_fields(&peer->in, 1, F_END_STREAM, "x-trailer", "yes", NULL);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 :method=POST :scheme=https :path=/ :authority=example.org\n"
                     "DATA 1 len=10\nTRAILERS 1 END x-trailer=yes\nCLOSED 1\n");
}

static void test_client_5_1_half_closed_data(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, F_END_STREAM);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_client_5_1_half_closed_headers(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, F_END_STREAM);
    put_ok(&peer->in, 1, F_END_STREAM);
}

static void test_client_5_1_half_closed_continuation(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, F_END_STREAM);
    put_continuation(&peer->in, 1, F_END_HEADERS, "", 0);
}

/* ---- 5.1, closed ----------------------------------------------------------------------- */

static void test_server_5_1_closed_by_reset_data(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_server_5_1_closed_by_reset_headers(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    put_get(&peer->in, 1);
}

static void test_server_5_1_closed_by_reset_continuation(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    put_continuation(&peer->in, 1, F_END_HEADERS, "", 0);
}

static void test_server_5_1_closed_data(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_server_5_1_closed_headers(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
    put_get(&peer->in, 1);
}

static void test_server_5_1_closed_continuation(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
    put_continuation(&peer->in, 1, F_END_HEADERS, "", 0);
}

/* Both may be under way when a stream ends. */
static void test_server_5_1_closed_window_update_and_reset(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
    put_window_update(&peer->in, 1, 100);
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    put_priority(&peer->in, 1, 0, 10);
}

/* What was under way when we reset a stream is no error, and its credit comes back. */
static void test_server_5_1_frames_behind_our_reset(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
    peer_go(peer);
    expect_rst(peer, 1, HALO_CANCEL);
    put_data(&peer->in, 1, 0, 1000);
    put_fields(&peer->in, 1, F_END_STREAM, "x-trailer", "yes", NULL);
    peer_go(peer);
}

static void test_client_5_1_closed_by_reset_data(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_client_5_1_closed_by_reset_headers(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    put_ok(&peer->in, 1, F_END_STREAM);
}

static void test_client_5_1_closed_by_reset_continuation(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    put_continuation(&peer->in, 1, F_END_HEADERS, "", 0);
}

static void test_client_5_1_closed_data(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    put_data(&peer->in, 1, F_END_STREAM, 4);
}

static void test_client_5_1_closed_headers(struct fake_peer *peer)
{
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    put_ok(&peer->in, 1, F_END_STREAM);
}

/* ---- 5.1.1 ----------------------------------------------------------------------------- */

static void test_server_5_1_1_even_number(struct fake_peer *peer)
{
    put_get(&peer->in, 2);
}

static void test_server_5_1_1_smaller_number(struct fake_peer *peer)
{
    put_get(&peer->in, 5);
    put_get(&peer->in, 3);
}

static void test_server_5_1_1_number_used_again(struct fake_peer *peer)
{
    put_get(&peer->in, 3);
    peer_go(peer);
    expect_answer(peer, 3);
    put_get(&peer->in, 3);
}

static void test_server_5_1_1_last_number(struct fake_peer *peer)
{
    put_get(&peer->in, 0x7fffffff);
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, 0x7fffffff); /* a new connection is needed for more */
    expect_frame(peer, T_PING, 0, 0, 8);
    expect_answer(peer, 0x7fffffff);
}

static void test_client_5_1_1_server_opens_a_stream(struct fake_peer *peer)
{
    put_ok(&peer->in, 2, F_END_STREAM);
}

static void test_client_5_1_1_server_opens_a_stream_of_ours(struct fake_peer *peer)
{
    put_ok(&peer->in, 3, F_END_STREAM);
}

/* 1, 7 and 13 are used: 9 and 11 are the latest gap, 3 and 5 an older one. A number that was passed
 * over is closed from then on. Which numbers of older gaps were used cannot be told without a list
 * of all of them, so HEADERS there are what they are on any closed stream. */
static void put_gaps(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_get(&peer->in, 7);
    put_get(&peer->in, 13);
    peer_go(peer);
    expect_answer(peer, 1);
    expect_answer(peer, 7);
    expect_answer(peer, 13);
}

static void test_server_5_1_1_headers_in_the_latest_gap(struct fake_peer *peer)
{
    put_gaps(peer);
    put_get(&peer->in, 9);
}

static void test_server_5_1_1_headers_in_an_older_gap(struct fake_peer *peer)
{
    put_gaps(peer);
    put_get(&peer->in, 5);
}

static void test_server_5_1_1_data_in_the_latest_gap(struct fake_peer *peer)
{
    put_gaps(peer);
    put_data(&peer->in, 11, 0, 1);
}

static void test_server_5_1_1_data_in_an_older_gap(struct fake_peer *peer)
{
    put_gaps(peer);
    put_data(&peer->in, 3, 0, 1);
}

/* What may come for a while on a closed stream does no harm on one that was passed over. */
static void test_server_5_1_1_late_frames_in_gaps(struct fake_peer *peer)
{
    put_gaps(peer);
    for (uint32_t id = 3; id <= 11; id += 8) {
        put_window_update(&peer->in, id, 1);
        put_rst_stream(&peer->in, id, HALO_CANCEL);
        put_priority(&peer->in, id, 0, 1);
    }
    peer_go(peer);
    expect_nothing(peer);
}

/* ---- 5.1.2 ----------------------------------------------------------------------------- */

static void test_server_5_1_2_too_many_streams(struct fake_peer *peer)
{
    for (uint32_t i = 0; i <= LIMIT_CONCURRENT_STREAMS; i++) {
        put_get(&peer->in, 2 * i + 1);
    }
}

/* ---- 5.3 ------------------------------------------------------------------------------- */

/* RFC 7540 5.3.1 calls it a stream error; RFC 9113 5.3.2 does not say any more. */
static void test_server_5_3_1_headers_depend_on_themselves(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_headers_full(&peer->in, 1, F_END_STREAM | F_END_HEADERS | F_PRIORITY, &block, 0, 1);
    wire_free(&block);
}

static void test_server_5_3_1_priority_depends_on_itself(struct fake_peer *peer)
{
    put_priority(&peer->in, 2, 2, 255);
}

static void test_server_5_3_1_exclusively_on_itself(struct fake_peer *peer)
{
    put_priority(&peer->in, 3, 0x80000003, 255);
}

/* ---- 5.4 ------------------------------------------------------------------------------- */

/* GOAWAY goes out, with the last stream that was taken up, and the session is over. */
static void test_server_5_4_1_goaway_before_the_end(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_frame(&peer->in, T_PING, 0, 1, "on 1????", 8);
    peer_go(peer);
    expect_goaway(peer, HALO_PROTOCOL_ERROR, 1);
    expect_nothing(peer);
    assert_true(halo_session_is_closed(peer->session));
    peer->heard = 0; /* for the check of the outcome */
}

static void test_server_5_4_1_ping_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PING, 0, 0, "1234", 4);
}

/* RST_STREAM is not answered with RST_STREAM. */
static void test_server_5_4_2_reset_is_not_answered(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 1, HALO_INTERNAL_ERROR);
    peer_go(peer);
    expect_nothing(peer);
}

static void test_client_5_4_1_goaway_before_the_end(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PING, 0, 1, "on 1????", 8);
    peer_go(peer);
    expect_goaway(peer, HALO_PROTOCOL_ERROR, 0);
    expect_nothing(peer);
    assert_true(halo_session_is_closed(peer->session));
    peer->heard = 0;
}

static void test_client_5_4_1_ping_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PING, 0, 0, "1234", 4);
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_5_1_idle_data, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_1_idle_rst_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_1_idle_window_update, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_1_idle_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_5_1_idle_data, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_5_1_idle_rst_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_5_1_idle_window_update, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_5_1_idle_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),

    SERVER_CASE(test_server_5_1_half_closed_data, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED)),
    SERVER_CASE(test_server_5_1_half_closed_headers, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED)),
    SERVER_CASE(test_server_5_1_half_closed_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_1_half_closed_local, ACCEPTED, .answers = true),
    CLIENT_CASE(test_client_5_1_half_closed_data, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED),
                .before = POSTED),
    CLIENT_CASE(test_client_5_1_half_closed_headers, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED),
                .before = POSTED),
    CLIENT_CASE(test_client_5_1_half_closed_continuation, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = POSTED),

    SERVER_CASE(test_server_5_1_closed_by_reset_data, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED)),
    SERVER_CASE(test_server_5_1_closed_by_reset_headers, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED)),
    SERVER_CASE(test_server_5_1_closed_by_reset_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_1_closed_data, CONNECTION_ERROR(STREAM_CLOSED), .answers = true),
    SERVER_CASE(test_server_5_1_closed_headers, CONNECTION_ERROR(STREAM_CLOSED), .answers = true),
    SERVER_CASE(test_server_5_1_closed_continuation, CONNECTION_ERROR(PROTOCOL_ERROR),
                .answers = true),
    SERVER_CASE(test_server_5_1_closed_window_update_and_reset, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_5_1_frames_behind_our_reset, ACCEPTED),
    CLIENT_CASE(test_client_5_1_closed_by_reset_data, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED)),
    CLIENT_CASE(test_client_5_1_closed_by_reset_headers, STREAM_ERROR_THAT_ENDS(STREAM_CLOSED)),
    CLIENT_CASE(test_client_5_1_closed_by_reset_continuation, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_5_1_closed_data, CONNECTION_ERROR(STREAM_CLOSED)),
    CLIENT_CASE(test_client_5_1_closed_headers, CONNECTION_ERROR(STREAM_CLOSED)),

    SERVER_CASE(test_server_5_1_1_even_number, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_1_1_smaller_number, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_1_1_number_used_again, CONNECTION_ERROR(STREAM_CLOSED),
                .answers = true),
    SERVER_CASE(test_server_5_1_1_headers_in_the_latest_gap, CONNECTION_ERROR(PROTOCOL_ERROR),
                .answers = true),
    SERVER_CASE(test_server_5_1_1_headers_in_an_older_gap, CONNECTION_ERROR(STREAM_CLOSED),
                .answers = true),
    SERVER_CASE(test_server_5_1_1_data_in_the_latest_gap, CONNECTION_ERROR(STREAM_CLOSED),
                .answers = true),
    SERVER_CASE(test_server_5_1_1_data_in_an_older_gap, CONNECTION_ERROR(STREAM_CLOSED),
                .answers = true),
    SERVER_CASE(test_server_5_1_1_late_frames_in_gaps, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_5_1_1_last_number, ACCEPTED, .answers = true),
    CLIENT_CASE(test_client_5_1_1_server_opens_a_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_5_1_1_server_opens_a_stream_of_ours, CONNECTION_ERROR(PROTOCOL_ERROR)),

    SERVER_CASE(test_server_5_1_2_too_many_streams,
                STREAM_ERROR(2 * LIMIT_CONCURRENT_STREAMS + 1, REFUSED_STREAM)),

    SERVER_CASE(test_server_5_3_1_headers_depend_on_themselves,
                STREAM_ERROR_THAT_ENDS(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_3_1_priority_depends_on_itself,
                STREAM_ERROR_THAT_ENDS(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_3_1_exclusively_on_itself, STREAM_ERROR_THAT_ENDS(PROTOCOL_ERROR)),

    SERVER_CASE(test_server_5_4_1_goaway_before_the_end, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_5_4_1_ping_of_a_wrong_length, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    SERVER_CASE(test_server_5_4_2_reset_is_not_answered, ACCEPTED, .before = POSTED),
    CLIENT_CASE(test_client_5_4_1_goaway_before_the_end, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_5_4_1_ping_of_a_wrong_length, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
};

CONFORM_GROUP(group_rfc9113_5_states, "rfc9113_5_states", cases);
