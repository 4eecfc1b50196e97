/* RFC 9113 sections 6.5 to 6.9 and 7: the frames of the connection, flow control, error codes. */
#include "conform.h"

/* ---- 6.5 SETTINGS ---------------------------------------------------------------------- */

static void test_server_6_5_ack_with_payload(struct fake_peer *peer)
{
    put_frame(&peer->in, T_SETTINGS, F_ACK, 0, "\0", 1);
}

static void test_server_6_5_settings_on_a_stream(struct fake_peer *peer)
{
    put_frame(&peer->in, T_SETTINGS, 0, 1, "\0\x03\0\0\0\x64", 6);
}

static void test_server_6_5_settings_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_SETTINGS, 0, 0, "\0\x03\0", 3);
}

static void test_client_6_5_ack_with_payload(struct fake_peer *peer)
{
    put_frame(&peer->in, T_SETTINGS, F_ACK, 0, "\0", 1);
}

static void test_client_6_5_settings_on_a_stream(struct fake_peer *peer)
{
    put_frame(&peer->in, T_SETTINGS, 0, 1, "\0\x03\0\0\0\x64", 6);
}

static void test_client_6_5_settings_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_SETTINGS, 0, 0, "\0\x03\0", 3);
}

/* ---- 6.5.2 ----------------------------------------------------------------------------- */

static void test_server_6_5_2_enable_push_of_2(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_ENABLE_PUSH, 2u, 0);
}

static void test_server_6_5_2_initial_window_too_large(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000u, 0);
}

static void test_server_6_5_2_max_frame_size_too_small(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_MAX_FRAME_SIZE, 16383u, 0);
}

static void test_server_6_5_2_max_frame_size_too_large(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_MAX_FRAME_SIZE, 16777216u, 0);
}

static void test_server_6_5_2_unknown_identifier(struct fake_peer *peer)
{
    put_settings(&peer->in, 0xff, 1u, 0);
    put_ping(&peer->in, 0, "answer!!");
    peer_go(peer);
    expect_settings_ack(peer);
    expect_frame(peer, T_PING, F_ACK, 0, 8);
}

/* The edges themselves are good. */
static void test_server_6_5_2_values_at_the_limits(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_ENABLE_PUSH, 0u, HALO_SETTINGS_INITIAL_WINDOW_SIZE,
                 0x7fffffffu, HALO_SETTINGS_MAX_FRAME_SIZE, 16777215u,
                 HALO_SETTINGS_HEADER_TABLE_SIZE, 0xffffffffu, HALO_SETTINGS_MAX_HEADER_LIST_SIZE,
                 0u, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 0u, 0);
    put_settings(&peer->in, HALO_SETTINGS_MAX_FRAME_SIZE, 16384u, HALO_SETTINGS_HEADER_TABLE_SIZE,
                 0u, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0u, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_settings_ack(peer);
}

/* A server must not allow push to itself; a client may not hear 1 from one. */
static void test_client_6_5_2_enable_push_of_1(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_ENABLE_PUSH, 1u, 0);
}

static void test_client_6_5_2_enable_push_of_2(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_ENABLE_PUSH, 2u, 0);
}

static void test_client_6_5_2_initial_window_too_large(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000u, 0);
}

static void test_client_6_5_2_max_frame_size_too_small(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_MAX_FRAME_SIZE, 16383u, 0);
}

static void test_client_6_5_2_max_frame_size_too_large(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_MAX_FRAME_SIZE, 16777216u, 0);
}

/* ---- 6.5.3 ----------------------------------------------------------------------------- */

static void respond_with_octets(struct fake_peer *peer, size_t len)
{
    static const char body[100];

    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), body, len, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
}

/* Values are processed in their order: the last one counts. */
static void test_server_6_5_3_value_given_twice(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 100u,
                 HALO_SETTINGS_INITIAL_WINDOW_SIZE, 1u, 0);
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_settings_ack(peer);
    respond_with_octets(peer, 10);
    expect_data(peer, 1, 0, 1);
    expect_nothing(peer);
}

static void test_server_6_5_3_ack(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0u, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_nothing(peer);
}

static void test_server_6_5_3_ack_of_nothing(struct fake_peer *peer)
{
    put_settings_ack(&peer->in);
}

static void test_client_6_5_3_ack(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0u, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_nothing(peer);
}

/* ---- 6.7 PING -------------------------------------------------------------------------- */

static void expect_pong(struct fake_peer *peer, const char *payload)
{
    struct heard_frame heard;

    put_ping(&peer->in, 0, payload);
    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_PING);
    assert_int_equal(heard.frame.flags, F_ACK);
    assert_int_equal(heard.frame.stream_id, 0);
    assert_memory_equal(heard.payload, payload, 8);
}

static void test_server_6_7_ping(struct fake_peer *peer)
{
    expect_pong(peer, "any octe");
}

static void test_server_6_7_ping_ack_is_not_answered(struct fake_peer *peer)
{
    put_ping(&peer->in, F_ACK, "invalid!");
    peer_go(peer);
    expect_nothing(peer);
    expect_pong(peer, "valid!!!");
}

static void test_server_6_7_ping_on_a_stream(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PING, 0, 1, "12345678", 8);
}

static void test_server_6_7_ping_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PING, 0, 0, "123456", 6);
}

static void test_client_6_7_ping(struct fake_peer *peer)
{
    expect_pong(peer, "any octe");
}

static void test_client_6_7_ping_ack_is_not_answered(struct fake_peer *peer)
{
    test_server_6_7_ping_ack_is_not_answered(peer);
}

static void test_client_6_7_ping_on_a_stream(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PING, 0, 1, "12345678", 8);
}

static void test_client_6_7_ping_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PING, 0, 0, "123456", 6);
}

/* ---- 6.8 GOAWAY ------------------------------------------------------------------------ */

static void test_server_6_8_goaway_on_a_stream(struct fake_peer *peer)
{
    put_frame(&peer->in, T_GOAWAY, 0, 1, "\0\0\0\0\0\0\0\0", 8);
}

static void test_server_6_8_goaway_too_short(struct fake_peer *peer)
{
    put_frame(&peer->in, T_GOAWAY, 0, 0, "\0\0\0\0\0\0\0", 7);
}

static void test_client_6_8_goaway_on_a_stream(struct fake_peer *peer)
{
    put_frame(&peer->in, T_GOAWAY, 0, 1, "\0\0\0\0\0\0\0\0", 8);
}

static void test_client_6_8_goaway_that_grows(struct fake_peer *peer)
{
    put_goaway(&peer->in, 1, HALO_NO_ERROR, "");
    put_goaway(&peer->in, 3, HALO_NO_ERROR, "");
}

/* ---- 6.9 WINDOW_UPDATE ----------------------------------------------------------------- */

static void test_server_6_9_increment_0_of_the_connection(struct fake_peer *peer)
{
    put_window_update(&peer->in, 0, 0);
}

static void test_server_6_9_increment_0_of_a_stream(struct fake_peer *peer)
{
    put_window_update(&peer->in, 1, 0);
}

static void test_server_6_9_window_update_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_WINDOW_UPDATE, 0, 0, "\0\0\x01", 3);
}

static void test_client_6_9_increment_0_of_the_connection(struct fake_peer *peer)
{
    put_window_update(&peer->in, 0, 0);
}

static void test_client_6_9_increment_0_of_a_stream(struct fake_peer *peer)
{
    put_window_update(&peer->in, 1, 0);
}

static void test_client_6_9_window_update_of_a_wrong_length(struct fake_peer *peer)
{
    put_frame(&peer->in, T_WINDOW_UPDATE, 0, 0, "\0\0\x01", 3);
}

/* ---- 6.9.1 and 6.9.2 ------------------------------------------------------------------- */

static void test_server_6_9_1_window_of_one_octet(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 1u, 0);
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_settings_ack(peer);
    respond_with_octets(peer, 2);
    expect_data(peer, 1, 0, 1);
    expect_nothing(peer);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 1);
}

static void test_server_6_9_1_window_of_the_connection_overflows(struct fake_peer *peer)
{
    put_window_update(&peer->in, 0, 0x7fffffff);
    put_window_update(&peer->in, 0, 0x7fffffff);
}

/* RST_STREAM as the RFC has it, and then GOAWAY. */
static void test_server_6_9_1_window_of_a_stream_overflows(struct fake_peer *peer)
{
    put_window_update(&peer->in, 1, 0x7fffffff);
    put_window_update(&peer->in, 1, 0x7fffffff);
}

static void test_server_6_9_1_data_beyond_our_window(struct fake_peer *peer)
{
    halo_stream_pause(peer_stream(peer, 1)); /* so that no credit comes back */
    for (int i = 0; i < 4; i++) {
        put_data(&peer->in, 1, 0, 16384);
    }
}

static void test_client_6_9_1_window_of_the_connection_overflows(struct fake_peer *peer)
{
    put_window_update(&peer->in, 0, 0x7fffffff);
    put_window_update(&peer->in, 0, 0x7fffffff);
}

static void test_client_6_9_1_window_of_a_stream_overflows(struct fake_peer *peer)
{
    put_window_update(&peer->in, 1, 0x7fffffff);
    put_window_update(&peer->in, 1, 0x7fffffff);
}

static void test_server_6_9_2_window_changes_behind_headers(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0u, 0);
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_settings_ack(peer);
    respond_with_octets(peer, 1);
    expect_nothing(peer);
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 1u, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_data(peer, 1, F_END_STREAM, 1);
}

static void test_server_6_9_2_window_below_0(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 3u, 0);
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_settings_ack(peer);
    respond_with_octets(peer, 4);
    expect_data(peer, 1, 0, 3);
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 2u, 0); /* -1 */
    put_window_update(&peer->in, 1, 1);                                /* 0 */
    peer_go(peer);
    expect_settings_ack(peer);
    expect_nothing(peer);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 1);
}

static void test_server_6_9_2_initial_window_too_large(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0xffffffffu, 0);
}

/* 65535 + 1 + (2^31-1 - 65535) */
static void test_server_6_9_2_settings_overflow_a_window(struct fake_peer *peer)
{
    put_window_update(&peer->in, 1, 1);
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0x7fffffffu, 0);
}

/* ---- 7 --------------------------------------------------------------------------------- */

static void test_server_7_goaway_with_an_unknown_code(struct fake_peer *peer)
{
    put_goaway(&peer->in, 0, 0xff, "");
    peer_go(peer);
    skip_log(peer);
    expect_nothing(peer); /* the peer gave up on the connection; that is no error of ours to tell */
    assert_true(halo_session_is_closed(peer->session));
    peer_restart(peer);
    peer_open(peer);
}

static void test_server_7_rst_stream_with_an_unknown_code(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 1, 0xff);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "CLOSED 1 STREAM_ERROR UNKNOWN origin=3 processed=0\n");
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_6_5_ack_with_payload, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    SERVER_CASE(test_server_6_5_settings_on_a_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_5_settings_of_a_wrong_length, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_6_5_ack_with_payload, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_6_5_settings_on_a_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_5_settings_of_a_wrong_length, CONNECTION_ERROR(FRAME_SIZE_ERROR)),

    SERVER_CASE(test_server_6_5_2_enable_push_of_2, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_5_2_initial_window_too_large, CONNECTION_ERROR(FLOW_CONTROL_ERROR)),
    SERVER_CASE(test_server_6_5_2_max_frame_size_too_small, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_5_2_max_frame_size_too_large, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_5_2_unknown_identifier, ACCEPTED),
    SERVER_CASE(test_server_6_5_2_values_at_the_limits, ACCEPTED),
    CLIENT_CASE(test_client_6_5_2_enable_push_of_1, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_5_2_enable_push_of_2, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_5_2_initial_window_too_large, CONNECTION_ERROR(FLOW_CONTROL_ERROR)),
    CLIENT_CASE(test_client_6_5_2_max_frame_size_too_small, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_5_2_max_frame_size_too_large, CONNECTION_ERROR(PROTOCOL_ERROR)),

    SERVER_CASE(test_server_6_5_3_value_given_twice, ACCEPTED),
    SERVER_CASE(test_server_6_5_3_ack, ACCEPTED),
    SERVER_CASE(test_server_6_5_3_ack_of_nothing, REFUSED_BY_CHOICE(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_5_3_ack, ACCEPTED),

    SERVER_CASE(test_server_6_7_ping, ACCEPTED),
    SERVER_CASE(test_server_6_7_ping_ack_is_not_answered, ACCEPTED),
    SERVER_CASE(test_server_6_7_ping_on_a_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_7_ping_of_a_wrong_length, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_6_7_ping, ACCEPTED),
    CLIENT_CASE(test_client_6_7_ping_ack_is_not_answered, ACCEPTED),
    CLIENT_CASE(test_client_6_7_ping_on_a_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_7_ping_of_a_wrong_length, CONNECTION_ERROR(FRAME_SIZE_ERROR)),

    SERVER_CASE(test_server_6_8_goaway_on_a_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_8_goaway_too_short, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_6_8_goaway_on_a_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_8_goaway_that_grows, REFUSED_BY_CHOICE(PROTOCOL_ERROR)),

    SERVER_CASE(test_server_6_9_increment_0_of_the_connection, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_6_9_increment_0_of_a_stream, STREAM_ERROR_THAT_ENDS(PROTOCOL_ERROR),
                .before = POSTED),
    SERVER_CASE(test_server_6_9_window_update_of_a_wrong_length,
                CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_6_9_increment_0_of_the_connection, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_9_increment_0_of_a_stream, STREAM_ERROR_THAT_ENDS(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_6_9_window_update_of_a_wrong_length,
                CONNECTION_ERROR(FRAME_SIZE_ERROR)),

    SERVER_CASE(test_server_6_9_1_window_of_one_octet, ACCEPTED),
    SERVER_CASE(test_server_6_9_1_window_of_the_connection_overflows,
                CONNECTION_ERROR(FLOW_CONTROL_ERROR)),
    SERVER_CASE(test_server_6_9_1_window_of_a_stream_overflows,
                STREAM_ERROR_THAT_ENDS(FLOW_CONTROL_ERROR), .before = POSTED, .reset_first = 1),
    SERVER_CASE(test_server_6_9_1_data_beyond_our_window,
                STREAM_ERROR_THAT_ENDS(FLOW_CONTROL_ERROR), .before = POSTED),
    CLIENT_CASE(test_client_6_9_1_window_of_the_connection_overflows,
                CONNECTION_ERROR(FLOW_CONTROL_ERROR)),
    CLIENT_CASE(test_client_6_9_1_window_of_a_stream_overflows,
                STREAM_ERROR_THAT_ENDS(FLOW_CONTROL_ERROR), .before = POSTED, .reset_first = 1),

    SERVER_CASE(test_server_6_9_2_window_changes_behind_headers, ACCEPTED),
    SERVER_CASE(test_server_6_9_2_window_below_0, ACCEPTED),
    SERVER_CASE(test_server_6_9_2_initial_window_too_large, CONNECTION_ERROR(FLOW_CONTROL_ERROR)),
    SERVER_CASE(test_server_6_9_2_settings_overflow_a_window, CONNECTION_ERROR(FLOW_CONTROL_ERROR),
                .before = POSTED),

    SERVER_CASE(test_server_7_goaway_with_an_unknown_code, ACCEPTED),
    SERVER_CASE(test_server_7_rst_stream_with_an_unknown_code, ACCEPTED, .before = POSTED),
};

CONFORM_GROUP(group_rfc9113_6_connection, "rfc9113_6_connection", cases);
