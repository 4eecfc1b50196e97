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

/* What is sent on the two streams, in order: the first number of each DATA frame. */
static void expect_order(struct fake_peer *peer, const uint32_t *ids, size_t count)
{
    struct heard_frame heard;
    size_t at = 0;

    while (peer_next_frame(peer, &heard)) {
        if (heard.frame.type == T_DATA) {
            assert_true(at < count);
            assert_int_equal(heard.frame.stream_id, ids[at++]);
        }
    }
    assert_int_equal(at, count);
}

/* Two requests with these fields, answered with two frames of DATA each at once. */
static void answer_two(struct fake_peer *peer, const char *first, const char *second)
{
    static const char body[32768];

    put_get_with(&peer->in, 1, "priority", first);
    put_get_with(&peer->in, 5, "priority", second);
    peer_go(peer);
    for (uint32_t id = 1; id <= 5; id += 4) {
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, 0), 0);
        assert_int_equal(halo_stream_write_borrow(peer_stream(peer, id), body, 32767,
                                                  HALO_END_STREAM, NULL, NULL),
                         0);
    }
    peer_go(peer);
}

static void test_server_9218_4_1_urgency(struct fake_peer *peer)
{
    answer_two(peer, "u=5", "u=1");
    expect_order(peer, (const uint32_t[]){ 5, 5, 1, 1 }, 4);
}

/* 3 is what no field says: less urgent than 2, more than 4. */
static void test_server_9218_4_1_default(struct fake_peer *peer)
{
    answer_two(peer, "x", "u=2");
    expect_order(peer, (const uint32_t[]){ 5, 5, 1, 1 }, 4);
}

static void test_server_9218_4_2_incremental(struct fake_peer *peer)
{
    answer_two(peer, "i", "i");
    expect_order(peer, (const uint32_t[]){ 1, 5, 1, 5 }, 4);
}

static void test_server_9218_4_2_default(struct fake_peer *peer)
{
    answer_two(peer, "u=3", "u=3");
    expect_order(peer, (const uint32_t[]){ 1, 1, 5, 5 }, 4);
}

/* Out of range, of a wrong type, unknown: each as if it were not there. */
static void test_server_9218_4_invalid_parameters(struct fake_peer *peer)
{
    answer_two(peer, "u=8, i=1, x=y", "u=-1, i=?0, u=2");
    expect_order(peer, (const uint32_t[]){ 5, 5, 1, 1 }, 4);
}

/* The frame, before the request, is what counts. */
static void test_server_9218_7_1_before_the_request(struct fake_peer *peer)
{
    put_priority_update(&peer->in, 5, "u=0");
    answer_two(peer, "u=3", "u=7");
    expect_order(peer, (const uint32_t[]){ 5, 5, 1, 1 }, 4);
}

static void test_server_9218_7_1_value_that_is_malformed(struct fake_peer *peer)
{
    put_priority_update(&peer->in, 1, "u=,,");
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_server_9218_7_1_flags(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_frame(&peer->in, T_PRIORITY_UPDATE, 0xff, 0, "\x80\0\0\x01u=1", 7); /* R is set, too */
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_client_9218_7_1_on_a_stream(struct fake_peer *peer)
{
    put_frame(&peer->in, T_PRIORITY_UPDATE, 0, 1, "\0\0\0\x01u=1", 7);
}

static void test_client_9218_2_1_value_of_2(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_NO_RFC7540_PRIORITIES, 2u, 0);
}

static void test_client_9218_2_1_changed_later(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_NO_RFC7540_PRIORITIES, 1u, 0);
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
    SERVER_CASE(test_server_9218_4_1_urgency, ACCEPTED),
    SERVER_CASE(test_server_9218_4_1_default, ACCEPTED),
    SERVER_CASE(test_server_9218_4_2_incremental, ACCEPTED),
    SERVER_CASE(test_server_9218_4_2_default, ACCEPTED),
    SERVER_CASE(test_server_9218_4_invalid_parameters, ACCEPTED),
    SERVER_CASE(test_server_9218_7_1_before_the_request, ACCEPTED),
    SERVER_CASE(test_server_9218_7_1_value_that_is_malformed, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_9218_7_1_flags, ACCEPTED, .answers = true),
    CLIENT_CASE(test_client_9218_7_1_on_a_stream, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_9218_2_1_value_of_2, CONNECTION_ERROR(PROTOCOL_ERROR),
                .before = NOTHING),
    CLIENT_CASE(test_client_9218_2_1_changed_later, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_9218_7_1_from_a_server, CONNECTION_ERROR(PROTOCOL_ERROR)),
};

CONFORM_GROUP(group_rfc9218, "rfc9218", cases);
