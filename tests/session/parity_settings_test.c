/* Rows of Node's settings object, settings() and ping(), as a session keeps them. */
#include "fake_peer.h"

#include <string.h>

#define BIT(name) HALO_SETTINGS_BIT(HALO_SETTINGS_##name)

static uint64_t duration_ns;
static uint32_t acked_table_size;

static void look(struct fake_peer *peer, const struct halo_event *event)
{
    (void)peer;
    if (event->type == HALO_EVENT_SETTINGS_ACK) {
        duration_ns = event->u.settings.duration_ns;
        acked_table_size = event->u.settings.settings->header_table_size;
    }
}

static void test_E07_F10_P06_P09_G11_session_settings_hold_with_their_ack(struct fake_peer *peer)
{
    struct halo_settings settings = { .present = BIT(HEADER_TABLE_SIZE), .header_table_size = 777 };
    struct halo_session_info info;

    peer->app = look;
    peer_open(peer);
    assert_false(halo_session_settings_pending(peer->session));
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    settings.header_table_size = 888;
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 6);
    expect_frame(peer, T_SETTINGS, 0, 0, 6);
    assert_true(halo_session_settings_pending(peer->session));
    halo_session_get_info(peer->session, &info);
    assert_int_equal(info.pending_settings, 2);
    assert_int_equal(halo_session_local_settings(peer->session)->header_table_size, 4096);
    peer_wait(peer, 25);
    put_settings_ack(&peer->in);
    peer_go(peer);
    expect_log(peer, "SETTINGS_ACK\n");
    assert_int_equal(duration_ns, 25000000);
    assert_int_equal(acked_table_size, 777);
    assert_int_equal(halo_session_local_settings(peer->session)->header_table_size, 777);
    put_settings_ack(&peer->in);
    peer_go(peer);
    assert_int_equal(halo_session_local_settings(peer->session)->header_table_size, 888);
    assert_false(halo_session_settings_pending(peer->session));
    skip_log(peer);
}

static void test_F06_F11_session_what_is_not_answered_is_cancelled(struct fake_peer *peer)
{
    struct halo_settings settings = { .present = BIT(INITIAL_WINDOW_SIZE),
                                      .initial_window_size = 70000 };

    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    skip_log(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"first..."), 0);
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"second.."), 0);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    peer_go(peer);
    expect_log(peer, "CLOSED 1 STREAM_CANCEL NO_ERROR origin=1 processed=0\n"
                     "SETTINGS_CANCEL present=10\nPING_CANCEL first...\nPING_CANCEL second..\n"
                     "SESSION_CLOSED\n");
    skip_output(peer);
}

/* The SETTINGS that open the connection are halo's own: nobody waits for them. */
static void test_F11_session_opening_settings_are_not_cancelled(struct fake_peer *peer)
{
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    peer_go(peer);
    expect_log(peer, "SESSION_CLOSED\n");
    skip_output(peer);
}

static void test_F11_session_ten_settings_may_be_pending(struct fake_peer *peer)
{
    struct halo_settings settings = { .present = BIT(MAX_FRAME_SIZE), .max_frame_size = 16384 };

    peer_open(peer);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    }
    assert_int_equal(halo_session_settings(peer->session, &settings),
                     HALO_E_MAX_PENDING_SETTINGS_ACK);
    peer_go(peer);
    skip_output(peer);
}

static void test_F04_F05_E08_O05_session_pings(struct fake_peer *peer)
{
    struct heard_frame heard;

    peer_open(peer);
    peer->now_ns = 0x0102030405060708;
    put_ping(&peer->in, 0, "question");
    peer_go(peer);
    expect_log(peer, "PING question\n");
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.flags, F_ACK);
    assert_memory_equal(heard.payload, "question", 8);
    assert_int_equal(halo_session_ping(peer->session, NULL), 0);
    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_memory_equal(heard.payload, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    for (int i = 1; i < 10; i++) {
        assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"payload."), 0);
    }
    assert_int_equal(halo_session_ping(peer->session, NULL), HALO_E_PING_CANCEL);
    peer_go(peer);
    skip_output(peer);
}

static void test_E09_P07_G13_session_remote_settings(struct fake_peer *peer)
{
    const struct halo_settings *remote = halo_session_remote_settings(peer->session);

    peer_open_with(peer, HALO_SETTINGS_MAX_HEADER_LIST_SIZE, 12345);
    assert_int_equal(remote->max_header_list_size, 12345);
    assert_int_equal(remote->present, BIT(MAX_HEADER_LIST_SIZE));
    assert_int_equal(remote->initial_window_size, 65535);
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 99, 0);
    peer_go(peer);
    expect_log(peer, "SETTINGS\n");
    assert_int_equal(remote->initial_window_size, 99);
    assert_int_equal(remote->max_header_list_size, 12345);
    skip_output(peer);
}

static void wants_custom(struct halo_session_options *options)
{
    options->remote_custom_ids[0] = 0x1234;
    options->remote_custom_ids[1] = 0xffff;
    options->remote_custom_count = 2;
}

static void test_O16_G09_session_custom_settings_of_the_peer(struct fake_peer *peer)
{
    const struct halo_settings *remote = halo_session_remote_settings(peer->session);

    peer_open_with(peer, 0x4321, 5);
    assert_int_equal(remote->custom_count, 0);
    put_settings(&peer->in, 0xffff, UINT32_MAX, 0x4321, 6, 0x1234, 7, 0xffff, 8, 0);
    peer_go(peer);
    assert_int_equal(remote->custom_count, 2);
    assert_int_equal(remote->custom[0].id, 0xffff);
    assert_int_equal(remote->custom[0].value, 8);
    assert_int_equal(remote->custom[1].id, 0x1234);
    assert_int_equal(remote->custom[1].value, 7);
    skip_log(peer);
    skip_output(peer);
}

static void test_G09_session_custom_settings_of_ours(struct fake_peer *peer)
{
    struct halo_settings settings = { .custom = { { 0x5555, 9 } }, .custom_count = 1 };
    struct heard_frame heard;

    peer_open(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.len, 6);
    assert_memory_equal(heard.payload, "\x55\x55\x00\x00\x00\x09", 6);
    put_settings_ack(&peer->in);
    peer_go(peer);
    assert_int_equal(halo_session_local_settings(peer->session)->custom[0].value, 9);
    settings = (struct halo_settings){ .custom_count = 11 };
    assert_int_equal(halo_session_settings(peer->session, &settings),
                     HALO_E_TOO_MANY_CUSTOM_SETTINGS);
    settings = (struct halo_settings){ .custom = { { 0, 9 } }, .custom_count = 1 };
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
    skip_log(peer);
}

static void test_G03_G04_G12_X01_session_settings_out_of_range(struct fake_peer *peer)
{
    static const struct halo_settings bad[] = {
        { .present = BIT(INITIAL_WINDOW_SIZE), .initial_window_size = 0x80000000u },
        { .present = BIT(MAX_FRAME_SIZE), .max_frame_size = 16383 },
        { .present = BIT(MAX_FRAME_SIZE), .max_frame_size = 16777216 },
        { .present = BIT(ENABLE_PUSH), .enable_push = 2 },
        { .present = BIT(ENABLE_CONNECT_PROTOCOL), .enable_connect_protocol = 2 },
    };

    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        assert_int_equal(halo_session_settings(peer->session, &bad[i]),
                         HALO_E_INVALID_SETTING_VALUE);
    }
    peer_go(peer);
    expect_nothing(peer);
    assert_false(halo_session_settings_pending(peer->session));
}

static void test_G02_session_server_cannot_enable_push(struct fake_peer *peer)
{
    struct halo_settings settings = { .present = BIT(ENABLE_PUSH), .enable_push = 1 };

    peer_open(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
}

static void test_G08_session_connect_protocol_cannot_be_disabled(struct fake_peer *peer)
{
    struct halo_settings settings = { .present = BIT(ENABLE_CONNECT_PROTOCOL) };

    peer_open(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0); /* it never was enabled */
    settings.enable_connect_protocol = 1;
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    settings.enable_connect_protocol = 0;
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
    put_settings_ack(&peer->in);
    put_settings_ack(&peer->in);
    peer_go(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
    skip_output(peer);
    skip_log(peer);
}

static void test_G08_G14_session_bad_settings_of_the_peer(struct fake_peer *peer)
{
    static const struct {
        uint32_t id, value, code;
    } bad[] = {
        { HALO_SETTINGS_ENABLE_PUSH, 2, HALO_PROTOCOL_ERROR },
        { HALO_SETTINGS_MAX_FRAME_SIZE, 16383, HALO_PROTOCOL_ERROR },
        { HALO_SETTINGS_MAX_FRAME_SIZE, 16777216, HALO_PROTOCOL_ERROR },
        { HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000u, HALO_FLOW_CONTROL_ERROR },
        { HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL, 2, HALO_PROTOCOL_ERROR },
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        peer_open(peer);
        put_settings(&peer->in, bad[i].id, bad[i].value, 0);
        peer_go(peer);
        expect_dead(peer, bad[i].code);
        peer_restart(peer);
    }
    peer_open(peer);
    put_settings(&peer->in, HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1, 0);
    put_settings(&peer->in, HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL, 0, 0);
    peer_go(peer);
    skip_output(peer);
    assert_true(halo_session_is_destroyed(peer->session));
    peer_restart(peer);
    peer_open(peer);
    put_frame(&peer->in, T_SETTINGS, F_ACK, 0, "123456", 6);
    peer_go(peer);
    expect_dead(peer, HALO_FRAME_SIZE_ERROR);
}

static void three_entries(struct halo_session_options *options)
{
    options->limits.settings_entries = 3;
}

static void no_entries(struct halo_session_options *options)
{
    options->limits.settings_entries = 0; /* at least 1 */
}

static void test_O02_session_max_settings(struct fake_peer *peer)
{
    peer_open(peer);
    put_settings(&peer->in, 4, 1, 4, 2, 4, 3, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    put_settings(&peer->in, 4, 1, 4, 2, 4, 3, 4, 4, 0);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

static void test_O02_session_max_settings_is_at_least_one(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 1);
    put_settings(&peer->in, 4, 1, 4, 2, 0);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

static void test_G15_session_initial_window_changes_open_streams(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open_with(peer, 4, 100);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "1234567890", 10, 0), 0);
    put_settings(&peer->in, 4, 3, 0);
    peer_go(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.remote_window, -7);
    skip_output(peer);
    skip_log(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(test_E07_F10_P06_P09_G11_session_settings_hold_with_their_ack),
        SERVER(test_F06_F11_session_what_is_not_answered_is_cancelled),
        SERVER(test_F11_session_opening_settings_are_not_cancelled),
        SERVER(test_F11_session_ten_settings_may_be_pending),
        SERVER(test_F04_F05_E08_O05_session_pings),
        SERVER(test_E09_P07_G13_session_remote_settings),
        SERVER_WITH(test_O16_G09_session_custom_settings_of_the_peer, wants_custom),
        SERVER(test_G09_session_custom_settings_of_ours),
        CLIENT(test_G03_G04_G12_X01_session_settings_out_of_range),
        SERVER(test_G02_session_server_cannot_enable_push),
        SERVER(test_G08_session_connect_protocol_cannot_be_disabled),
        SERVER(test_G08_G14_session_bad_settings_of_the_peer),
        SERVER_WITH(test_O02_session_max_settings, three_entries),
        SERVER_WITH(test_O02_session_max_settings_is_at_least_one, no_entries),
        SERVER(test_G15_session_initial_window_changes_open_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
