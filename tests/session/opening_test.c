/* RFC 9113 section 3.4 and 6.5: how a connection begins. */
#include "fake_peer.h"

#include <string.h>

#include "core/proto/limits.h"

static void server_says_settings_at_once(struct fake_peer *peer)
{
    peer_go(peer);
    /* MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE, NO_RFC7540_PRIORITIES */
    expect_frame(peer, T_SETTINGS, 0, 0, 18);
    expect_nothing(peer);
    assert_int_equal(peer->connection_window, LIMIT_CONNECTION_WINDOW);
    expect_log(peer, "");
    put_preface(&peer->in);
    put_settings(&peer->in, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_log(peer, "SETTINGS\n");
    put_settings_ack(&peer->in);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "SETTINGS_ACK\n");
}

static void client_says_preface_at_once(struct fake_peer *peer)
{
    peer_go(peer);
    assert_memory_equal(peer->out.data, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    expect_frame(peer, T_SETTINGS, 0, 0, 12); /* ENABLE_PUSH, MAX_HEADER_LIST_SIZE */
    expect_nothing(peer);
    put_settings(&peer->in, 3, 10, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_log(peer, "SETTINGS\n");
    assert_int_equal(halo_session_remote_settings(peer->session)->max_concurrent_streams, 10);
}

/* Each octet of the preface counts, and what is wrong is told at once. */
static void preface_is_wrong_at_each_octet(struct fake_peer *peer)
{
    for (size_t i = 0; i < 24; i++) {
        put_preface(&peer->in);
        put_settings(&peer->in, 0);
        peer->in.data[i] ^= 0x20;
        peer->in.len = i + 1;
        peer_go(peer);
        expect_dead(peer, HALO_PROTOCOL_ERROR);
        peer_restart(peer);
    }
}

static void http1_is_turned_away(struct fake_peer *peer)
{
    wire_text(&peer->in, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

static void first_frame_must_be_settings(struct fake_peer *peer)
{
    for (unsigned type = 0; type < 12; type++) {
        if (type == T_SETTINGS) {
            continue;
        }
        if (peer->scenario->role == HALO_SERVER) {
            put_preface(&peer->in);
        }
        put_frame(&peer->in, (uint8_t)type, 0, type >= T_PING && type != T_CONTINUATION ? 0 : 1,
                  "\0\0\0\1\0\0\0\1",
                  type == T_PRIORITY                   ? 5
                  : type == T_PING || type == T_GOAWAY ? 8
                                                       : 4);
        peer_go(peer);
        expect_dead(peer, HALO_PROTOCOL_ERROR);
        peer_restart(peer);
    }
}

static void first_settings_must_not_be_ack(struct fake_peer *peer)
{
    if (peer->scenario->role == HALO_SERVER) {
        put_preface(&peer->in);
    }
    put_settings_ack(&peer->in);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

/* ---- RFC 9113 6.5.2: values ------------------------------------------------------------------ */

static void settings_values(struct fake_peer *peer)
{
    static const struct {
        uint16_t id;
        uint32_t value;
        int code; /* -1: fine */
    } cases[] = {
        { 1, 0, -1 },
        { 1, 4096, -1 },
        { 1, UINT32_MAX, -1 },
        { 2, 0, -1 },
        { 2, 1, -1 },
        { 2, 2, HALO_PROTOCOL_ERROR },
        { 2, UINT32_MAX, HALO_PROTOCOL_ERROR },
        { 3, 0, -1 },
        { 3, UINT32_MAX, -1 },
        { 4, 0, -1 },
        { 4, 0x7fffffff, -1 },
        { 4, 0x80000000, HALO_FLOW_CONTROL_ERROR },
        { 4, UINT32_MAX, HALO_FLOW_CONTROL_ERROR },
        { 5, 0, HALO_PROTOCOL_ERROR },
        { 5, 16383, HALO_PROTOCOL_ERROR },
        { 5, 16384, -1 },
        { 5, 16777215, -1 },
        { 5, 16777216, HALO_PROTOCOL_ERROR },
        { 6, 0, -1 },
        { 6, UINT32_MAX, -1 },
        { 7, 77, -1 },
        { 8, 0, -1 },
        { 8, 1, -1 },
        { 8, 2, HALO_PROTOCOL_ERROR },
        { 9, 0, -1 },
        { 9, 1, -1 },
        { 9, 2, HALO_PROTOCOL_ERROR },
        { 0xabcd, 5, -1 },
        { 0xffff, UINT32_MAX, -1 },
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        int code = cases[i].code;

        if (cases[i].id == 2 && cases[i].value == 1 && peer->scenario->role == HALO_CLIENT) {
            code = HALO_PROTOCOL_ERROR; /* a server must not send 1 */
        }
        if (peer->scenario->role == HALO_SERVER) {
            put_preface(&peer->in);
        }
        put_settings(&peer->in, cases[i].id, cases[i].value, 0);
        peer_go(peer);
        if (code < 0) {
            expect_alive(peer);
        } else {
            expect_dead(peer, (uint32_t)code);
        }
        peer_restart(peer);
    }
}

/* RFC 8441 section 3, RFC 9218 section 2.1: what must not change later. */
static void settings_that_must_not_change(struct fake_peer *peer)
{
    peer_open_with(peer, 8, 1);
    put_settings(&peer->in, 8, 1, 0);
    peer_go(peer);
    expect_alive(peer);
    put_settings(&peer->in, 8, 0, 0);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
    peer_restart(peer);

    peer_open_with(peer, 9, 0);
    put_settings(&peer->in, 9, 0, 0);
    peer_go(peer);
    expect_alive(peer);
    put_settings(&peer->in, 9, 1, 0);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

/* A frame with one wrong entry changes nothing, wherever that is. */
static void settings_are_checked_before_they_are_applied(struct fake_peer *peer)
{
    peer_open(peer);
    put_settings(&peer->in, 4, 1000, 5, 1, 0);
    peer_go(peer);
    assert_int_equal(halo_session_remote_settings(peer->session)->initial_window_size, 65535);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

static void settings_repeated_in_one_frame(struct fake_peer *peer)
{
    peer_open(peer);
    put_settings(&peer->in, 4, 1000, 4, 2000, 4, 3000, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    assert_int_equal(halo_session_remote_settings(peer->session)->initial_window_size, 3000);
}

static void settings_frames_of_bad_form(struct fake_peer *peer)
{
    static const struct {
        uint8_t flags;
        uint32_t id;
        size_t len;
        uint32_t code;
    } cases[] = {
        { F_ACK, 0, 6, HALO_FRAME_SIZE_ERROR }, { F_ACK, 0, 1, HALO_FRAME_SIZE_ERROR },
        { 0, 0, 3, HALO_FRAME_SIZE_ERROR },     { 0, 0, 7, HALO_FRAME_SIZE_ERROR },
        { 0, 1, 6, HALO_PROTOCOL_ERROR },       { F_ACK, 1, 0, HALO_PROTOCOL_ERROR },
        { F_ACK, 0, 0, HALO_PROTOCOL_ERROR }, /* more ACKs than SETTINGS */
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        peer_open(peer);
        put_frame(&peer->in, T_SETTINGS, cases[i].flags, cases[i].id, "\0\3\0\0\0\5\0",
                  cases[i].len);
        peer_go(peer);
        expect_dead(peer, cases[i].code);
        peer_restart(peer);
    }
}

static void settings_entries_limit(struct fake_peer *peer)
{
    uint8_t payload[33 * 6] = { 0 };

    for (size_t i = 0; i < 33; i++) {
        payload[i * 6] = 0x77;
    }
    peer_open(peer);
    put_frame(&peer->in, T_SETTINGS, 0, 0, payload, 32 * 6);
    peer_go(peer);
    expect_alive(peer);
    put_frame(&peer->in, T_SETTINGS, 0, 0, payload, 33 * 6);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* ---- RFC 9113 6.5.3: our own SETTINGS ------------------------------------------------------- */

static void own_settings_hold_after_their_ack(struct fake_peer *peer)
{
    struct halo_settings settings = { 0 };

    peer_open(peer);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    settings.initial_window_size = 100;
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    settings.initial_window_size = 200;
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 6);
    expect_frame(peer, T_SETTINGS, 0, 0, 6);
    assert_int_equal(halo_session_local_settings(peer->session)->initial_window_size, 65535);
    put_settings_ack(&peer->in);
    peer_go(peer);
    expect_log(peer, "SETTINGS_ACK\n");
    assert_int_equal(halo_session_local_settings(peer->session)->initial_window_size, 100);
    put_settings_ack(&peer->in);
    peer_go(peer);
    expect_log(peer, "SETTINGS_ACK\n");
    assert_int_equal(halo_session_local_settings(peer->session)->initial_window_size, 200);
}

static void own_settings_pending_limit(struct fake_peer *peer)
{
    struct halo_settings settings = { 0 };

    peer_open(peer);
    for (int i = 0; i < LIMIT_PENDING_SETTINGS; i++) {
        assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    }
    assert_int_equal(halo_session_settings(peer->session, &settings),
                     HALO_E_MAX_PENDING_SETTINGS_ACK);
    put_settings_ack(&peer->in);
    peer_go(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
}

/* What our role may not say, and what we cannot live with, is refused by the call. */
static void own_settings_that_are_refused(struct fake_peer *peer)
{
    struct halo_settings settings = { 0 };

    peer_open(peer);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_FRAME_SIZE);
    settings.max_frame_size = 16383;
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
    settings.enable_push = 1;
    assert_int_equal(halo_session_settings(peer->session, &settings),
                     peer->scenario->role == HALO_SERVER ? HALO_E_INVALID_SETTING_VALUE : 0);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE);
    settings.header_table_size = UINT32_MAX;
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
}

/* ---- deadlines -------------------------------------------------------------------------------------- */

static void preface_timeout(struct fake_peer *peer)
{
    put_preface(&peer->in);
    peer->in.len = peer->scenario->role == HALO_SERVER ? 23 : 0;
    peer_go(peer);
    peer_wait(peer, LIMIT_PREFACE_MS - 1);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_log(peer, "SESSION_CLOSED TIMEOUT PROTOCOL_ERROR origin=2 processed=0\n");
    assert_true(halo_session_next_timeout(peer->session) == UINT64_MAX);
}

static void settings_ack_timeout(struct fake_peer *peer)
{
    if (peer->scenario->role == HALO_SERVER) {
        put_preface(&peer->in);
    }
    put_settings(&peer->in, 0);
    peer_go(peer);
    skip_log(peer);
    peer_wait(peer, LIMIT_SETTINGS_ACK_MS - 1);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_log(peer, "SESSION_CLOSED TIMEOUT SETTINGS_TIMEOUT origin=2 processed=0\n");
}

static void idle_timeout(struct fake_peer *peer)
{
    peer->app = app_respond;
    peer_open(peer);
    peer_wait(peer, 50000);
    put_get(&peer->in, 1);
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
    /* Control frames do not keep a connection. */
    for (int i = 0; i < 5; i++) {
        peer_wait(peer, 10000);
        put_ping(&peer->in, 0, "awake???");
        peer_go(peer);
    }
    peer_wait(peer, 9999);
    skip_log(peer);
    skip_output(peer);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_goaway(peer, HALO_NO_ERROR, 1);
    expect_log(peer, "SESSION_CLOSED\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(server_says_settings_at_once),
        CLIENT(client_says_preface_at_once),
        SERVER(preface_is_wrong_at_each_octet),
        SERVER(http1_is_turned_away),
        SERVER(first_frame_must_be_settings),
        CLIENT(first_frame_must_be_settings),
        SERVER(first_settings_must_not_be_ack),
        CLIENT(first_settings_must_not_be_ack),
        SERVER(settings_values),
        CLIENT(settings_values),
        SERVER(settings_that_must_not_change),
        CLIENT(settings_that_must_not_change),
        SERVER(settings_are_checked_before_they_are_applied),
        SERVER(settings_repeated_in_one_frame),
        SERVER(settings_frames_of_bad_form),
        CLIENT(settings_frames_of_bad_form),
        SERVER(settings_entries_limit),
        SERVER(own_settings_hold_after_their_ack),
        SERVER(own_settings_pending_limit),
        SERVER(own_settings_that_are_refused),
        CLIENT(own_settings_that_are_refused),
        SERVER(preface_timeout),
        CLIENT(preface_timeout),
        SERVER(settings_ack_timeout),
        CLIENT(settings_ack_timeout),
        SERVER(idle_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
