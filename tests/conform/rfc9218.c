/* RFC 9218: the setting, and PRIORITY_UPDATE where it is an error and where nothing comes of it. */
#include "conform.h"

static void no_old_priorities(struct halo_session_options *options)
{
    options->settings.no_rfc7540_priorities = 1;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_NO_RFC7540_PRIORITIES);
}

static void test_server_9218_2_1_value_of_2(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, HALO_SETTINGS_NO_RFC7540_PRIORITIES, 2u, 0);
}

static void test_server_9218_2_1_changed_later(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_NO_RFC7540_PRIORITIES, 1u, 0);
}

static void test_server_9218_2_1_said_again(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_NO_RFC7540_PRIORITIES, 0u, 0);
    peer_go(peer);
    expect_settings_ack(peer);
}

static void test_server_9218_2_1_1_old_signals(struct fake_peer *peer)
{
    put_priority(&peer->in, 1, 0, 255);
    put_get(&peer->in, 1);
    put_priority(&peer->in, 1, 0x80000000, 0);
    peer_go(peer);
    expect_answer(peer, 1);
}

/* A stream that is closed, or in use: nothing comes of the frame but a change of order. */
static void test_server_9218_7_1_on_a_closed_stream(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
    put_frame(&peer->in, T_PRIORITY_UPDATE, 0, 0, "\0\0\0\x01u=1,i", 9);
    peer_go(peer);
    expect_nothing(peer);
}

static void test_server_9218_7_1_on_a_stream(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PRIORITY_UPDATE, 0, 1, "\0\0\0\x01u=1", 7);
}

static void test_server_9218_7_1_for_stream_0(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PRIORITY_UPDATE, 0, 0, "\0\0\0\0u=1", 7);
}

static void test_server_9218_7_1_too_short(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PRIORITY_UPDATE, 0, 0, "\0\0\0", 3);
}

static void test_server_9218_7_1_for_an_idle_push(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PRIORITY_UPDATE, 0, 0, "\0\0\0\x02u=1", 7);
}

static void test_client_9218_7_1_from_a_server(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PRIORITY_UPDATE, 0, 0, "\0\0\0\x01u=1", 7);
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_9218_2_1_value_of_2, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = NOTHING),
    SERVER_CASE(test_server_9218_2_1_changed_later, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_9218_2_1_said_again, ACCEPTED),
    SERVER_CASE(test_server_9218_2_1_1_old_signals, ACCEPTED, .answers = true,
                .scenario.options = no_old_priorities),
    SERVER_CASE(test_server_9218_7_1_on_a_closed_stream, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_9218_7_1_on_a_stream, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = POSTED),
    SERVER_CASE(test_server_9218_7_1_for_stream_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
    SERVER_CASE(test_server_9218_7_1_too_short, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    SERVER_CASE(test_server_9218_7_1_for_an_idle_push, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_9218_7_1_from_a_server, CONNECTION_ERROR(PROTOCOL_ERROR)),
};

CONFORM_GROUP(group_rfc9218, "rfc9218", cases);
