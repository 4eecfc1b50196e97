/* RFC 9113 section 4.1, 4.2, 5.5 and 6: the form of frames, in both roles. */
#include "fake_peer.h"

static void frames_of_bad_form(struct fake_peer *peer)
{
    static const struct {
        uint8_t type;
        uint8_t flags;
        uint32_t id;
        size_t len;
        uint32_t code;
    } cases[] = {
        { T_DATA, 0, 0, 1, HALO_PROTOCOL_ERROR },
        { T_DATA, F_PADDED, 1, 0, HALO_FRAME_SIZE_ERROR },
        { T_HEADERS, F_END_HEADERS, 0, 1, HALO_PROTOCOL_ERROR },
        { T_PRIORITY, 0, 0, 5, HALO_PROTOCOL_ERROR },
        { T_PRIORITY, 0, 1, 4, HALO_FRAME_SIZE_ERROR },
        { T_PRIORITY, 0, 1, 6, HALO_FRAME_SIZE_ERROR },
        { T_RST_STREAM, 0, 0, 4, HALO_PROTOCOL_ERROR },
        { T_RST_STREAM, 0, 1, 3, HALO_FRAME_SIZE_ERROR },
        { T_RST_STREAM, 0, 1, 5, HALO_FRAME_SIZE_ERROR },
        { T_PING, 0, 1, 8, HALO_PROTOCOL_ERROR },
        { T_PING, 0, 0, 7, HALO_FRAME_SIZE_ERROR },
        { T_PING, F_ACK, 0, 9, HALO_FRAME_SIZE_ERROR },
        { T_GOAWAY, 0, 1, 8, HALO_PROTOCOL_ERROR },
        { T_GOAWAY, 0, 0, 7, HALO_FRAME_SIZE_ERROR },
        { T_CONTINUATION, 0, 0, 1, HALO_PROTOCOL_ERROR },
        { T_PUSH_PROMISE, 0, 0, 5, HALO_PROTOCOL_ERROR },
        { T_PUSH_PROMISE, 0, 1, 3, HALO_FRAME_SIZE_ERROR },
        { T_PUSH_PROMISE, F_END_HEADERS, 1, 5, HALO_PROTOCOL_ERROR }, /* 8.4 */
    };
    static const char zeros[16];

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        peer_open(peer);
        put_frame(&peer->in, cases[i].type, cases[i].flags, cases[i].id, zeros, cases[i].len);
        peer_go(peer);
        expect_dead(peer, cases[i].code);
        peer_restart(peer);
    }
}

/* RFC 9113 4.2: the size that we announced, and one more. */
static void frame_size_limit(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 16384);
    peer_go(peer);
    expect_alive(peer);
    put_data(&peer->in, 1, 0, 16385);
    peer_go(peer);
    expect_dead(peer, HALO_FRAME_SIZE_ERROR);
    for (unsigned type = T_DATA; type < 16; type++) {
        peer_restart(peer);
        peer_open(peer);
        put_frame_header(&peer->in, 16385, (uint8_t)type, 0, 1);
        peer_go(peer);
        /* CONTINUATION is out of place here, which comes before its size. */
        expect_dead(peer, type == T_CONTINUATION ? HALO_PROTOCOL_ERROR : HALO_FRAME_SIZE_ERROR);
    }
}

static void large_frames(struct halo_session_options *options)
{
    options->settings.max_frame_size = 40000;
    options->settings.initial_window_size = 100000;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_FRAME_SIZE) |
                                 HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
}

static void larger_frames_after_the_ack(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, 0);
    put_post(&peer->in, 1);
    put_settings_ack(&peer->in);
    put_data(&peer->in, 1, 0, 40000);
    peer_go(peer);
    expect_alive(peer);
    put_data(&peer->in, 1, 0, 40001);
    peer_go(peer);
    expect_dead(peer, HALO_FRAME_SIZE_ERROR);
}

/* RFC 9113 6.1: padding may take all of the frame but its length octet, and no more. */
static void data_padding(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_data_padded(&peer->in, 1, 0, 0, 0);
    put_data_padded(&peer->in, 1, 0, 0, 255);
    put_data_padded(&peer->in, 1, 0, 5, 0);
    put_data_padded(&peer->in, 1, 0, 5, 255);
    peer_go(peer);
    expect_log(
        peer,
        "REQUEST 1 :method=POST :scheme=https :path=/ :authority=example.org\nDATA 1 len=10\n");
    put_frame(&peer->in, T_DATA, F_PADDED, 1, "\5\0\0\0\0", 5);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

/* RFC 9113 4.1, 5.5: what is not known is ignored: types, flags, the reserved bit, anywhere. */
static void unknown_things_are_ignored(struct fake_peer *peer)
{
    peer->app = app_respond;
    peer_open(peer);
    for (unsigned type = 10; type < 256; type++) {
        if (type == T_PRIORITY_UPDATE) {
            continue;
        }
        put_frame(&peer->in, (uint8_t)type, type & 0xff, type % 3, "payload", type % 8);
    }
    put_frame(&peer->in, T_PING, 0xfe, 0x80000000, "flagged!", 8);
    put_frame(&peer->in, T_SETTINGS, 0xfe, 0x80000000, NULL, 0);
    put_frame(&peer->in, T_WINDOW_UPDATE, 0xff, 0, "\x80\0\0\1", 4);
    put_fields(&peer->in, 0x80000001, 0xd2 | F_END_STREAM, ":method", "GET", ":scheme", "https",
               ":path", "/", ":authority", "a", NULL);
    put_rst_stream(&peer->in, 1, 0xffffffff);
    put_frame(&peer->in, T_PRIORITY, 0xff, 77, "\0\0\0\0\0", 5);
    peer_go(peer);
    expect_frame(peer, T_PING, F_ACK, 0, 8);
    expect_settings_ack(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\n");
    expect_alive(peer);
}

/* ---- PING (6.7) --------------------------------------------------------------------------------------- */

static void pings(struct fake_peer *peer)
{
    peer_open(peer);
    put_ping(&peer->in, 0, "abcdefgh");
    peer_go(peer);
    expect_frame(peer, T_PING, F_ACK, 0, 8);
    expect_log(peer, "PING abcdefgh\n");
    assert_memory_equal(peer->out.data + peer->out.len - 8, "abcdefgh", 8);
    put_ping(&peer->in, F_ACK, "unasked!"); /* harmless */
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "");
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"ping one"), 0);
    peer_wait(peer, 3);
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"ping two"), 0);
    peer_go(peer);
    expect_frame(peer, T_PING, 0, 0, 8);
    expect_frame(peer, T_PING, 0, 0, 8);
    peer_wait(peer, 4);
    put_ping(&peer->in, F_ACK, "ping one");
    put_ping(&peer->in, F_ACK, "ping two");
    peer_go(peer);
    expect_log(peer, "PING_ACK ping one 7000000\nPING_ACK ping two 4000000\n");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(halo_session_ping(peer->session, NULL), 0);
    }
    assert_int_equal(halo_session_ping(peer->session, NULL), HALO_E_PING_CANCEL);
}

/* After the end, input is discarded and nothing is told. */
static void input_after_the_end(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_window_update(&peer->in, 0, 0); /* the end */
    put_data(&peer->in, 1, F_END_STREAM, 10);
    put_get(&peer->in, 3);
    put_ping(&peer->in, 0, "ignored!");
    peer_go(peer);
    expect_log(peer, "REQUEST 1 :method=POST :scheme=https :path=/ :authority=example.org\n"
                     "CLOSED 1 PROTOCOL PROTOCOL_ERROR origin=2 processed=0\n"
                     "SESSION_CLOSED PROTOCOL PROTOCOL_ERROR origin=2 processed=0\n");
    expect_goaway(peer, HALO_PROTOCOL_ERROR, 1);
    expect_nothing(peer);
    assert_int_equal(halo_session_ping(peer->session, NULL), HALO_E_INVALID_SESSION);
    assert_int_equal(halo_session_goaway(peer->session, 0, 0, NULL, 0), HALO_E_INVALID_SESSION);
}

/* The peer's end in the middle of everything: told as lost, unless nothing was. */
static void end_of_input(struct fake_peer *peer)
{
    for (int i = 0; i < 4; i++) {
        peer_open(peer);
        if (i == 1) {
            put_post(&peer->in, 1);
        } else if (i == 2) {
            put_frame(&peer->in, T_HEADERS, 0, 1, "\x82", 1);
        } else if (i == 3) {
            put_post(&peer->in, 1);
            put_frame_header(&peer->in, 100, T_DATA, F_END_STREAM, 1);
        }
        peer_go(peer);
        skip_log(peer);
        halo_session_recv_end(peer->session, NULL);
        peer_go(peer);
        expect_log(peer, i == 0   ? "SESSION_CLOSED\n"
                         : i == 2 ? "SESSION_CLOSED EOF NO_ERROR origin=3 processed=0\n"
                                  : "CLOSED 1 EOF NO_ERROR origin=3 processed=0\n"
                                    "SESSION_CLOSED EOF NO_ERROR origin=3 processed=0\n");
        peer_restart(peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(frames_of_bad_form),
        CLIENT(frames_of_bad_form),
        SERVER(frame_size_limit),
        SERVER_WITH(larger_frames_after_the_ack, large_frames),
        SERVER(data_padding),
        SERVER(unknown_things_are_ignored),
        SERVER(pings),
        CLIENT(pings),
        SERVER(input_after_the_end),
        SERVER(end_of_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
