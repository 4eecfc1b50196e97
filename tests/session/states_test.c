/* RFC 9113 section 5.1: which frame may come in which state of a stream, and section 5.1.1, 5.1.2: numbers. */
#include "fake_peer.h"

#include "core/proto/limits.h"

/* Brings stream 1 of a server into a state. */
enum state {
    IDLE,
    OPEN,
    HALF_CLOSED_REMOTE, /* the client has sent END_STREAM */
    HALF_CLOSED_LOCAL,  /* we have */
    CLOSED_BY_END,
    CLOSED_BY_THEIR_RESET,
    CLOSED_BY_OUR_RESET,
    SKIPPED, /* a later number was used first */
    STATE_COUNT,
};

static void bring_into(struct fake_peer *peer, enum state state)
{
    peer_open(peer);
    switch (state) {
    case IDLE:
        break;
    case HALF_CLOSED_REMOTE:
    case CLOSED_BY_END:
        put_get(&peer->in, 1);
        break;
    case SKIPPED:
        put_post(&peer->in, 5);
        break;
    default:
        put_post(&peer->in, 1);
        break;
    }
    peer_go(peer);
    if (state == CLOSED_BY_END || state == HALF_CLOSED_LOCAL) {
        halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
    } else if (state == CLOSED_BY_OUR_RESET) {
        halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
    } else if (state == CLOSED_BY_THEIR_RESET) {
        put_rst_stream(&peer->in, 1, HALO_CANCEL);
    }
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
}

enum {
    FINE = -1,         /* nothing comes of it */
    STREAM_CODE = 100, /* added to a code: RST_STREAM */
    KINDS = 9,
};

/* Each frame in each state of a server's stream. Codes are those of GOAWAY. */
static const int outcomes[STATE_COUNT][7] = {
    /* clang-format off */
    /*  DATA                  HEADERS (trailers)    PRIORITY RST_STREAM           PUSH_PROMISE         WINDOW_UPDATE        unknown */
    [IDLE] =
        {HALO_PROTOCOL_ERROR, STREAM_CODE + HALO_PROTOCOL_ERROR, FINE, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR, FINE},
    [OPEN] =
        {FINE,                FINE,                 FINE,    FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    [HALF_CLOSED_REMOTE] =
        {HALO_STREAM_CLOSED,  HALO_STREAM_CLOSED,   FINE,    FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    [HALF_CLOSED_LOCAL] =
        {FINE,                FINE,                 FINE,    FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    [CLOSED_BY_END] =
        {HALO_STREAM_CLOSED,  HALO_STREAM_CLOSED,   FINE,    FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    [CLOSED_BY_THEIR_RESET] =
        {HALO_STREAM_CLOSED,  HALO_STREAM_CLOSED,   FINE,    FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    [CLOSED_BY_OUR_RESET] =
        {FINE,                FINE,                 FINE,    FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    [SKIPPED] =
        {HALO_STREAM_CLOSED,  HALO_PROTOCOL_ERROR,  FINE,    FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    /* clang-format on */
};

static void put_kind(struct fake_peer *peer, size_t kind)
{
    struct wire block = { 0 };

    switch (kind) {
    case 0:
        put_data(&peer->in, 1, 0, 10);
        break;
    case 1:
        put_fields(&peer->in, 1, F_END_STREAM, "x", "y", NULL);
        break;
    case 2:
        put_priority(&peer->in, 1, 0, 1);
        break;
    case 3:
        put_rst_stream(&peer->in, 1, HALO_CANCEL);
        break;
    case 4:
        field_at(&block, 2);
        put_push_promise(&peer->in, 1, F_END_HEADERS, 2, &block);
        break;
    case 5:
        put_window_update(&peer->in, 1, 10);
        break;
    case 6:
        put_frame(&peer->in, 0xee, 0xff, 1, "whatever", 8);
        break;
    case 7:
        put_altsvc(&peer->in, 1, "", "clear");
        break;
    default:
        put_frame(&peer->in, T_ORIGIN, 0, 1, "\0\1x", 3); /* on a stream it means nothing */
        break;
    }
    wire_free(&block);
}

static void each_frame_in_each_state(struct fake_peer *peer)
{
    for (int state = 0; state < STATE_COUNT; state++) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            int outcome = kind < 7 ? outcomes[state][kind] : FINE; /* ALTSVC, ORIGIN */

            bring_into(peer, (enum state)state);
            put_kind(peer, kind);
            peer_go(peer);
            if (outcome >= STREAM_CODE) {
                expect_rst(peer, 1, (uint32_t)(outcome - STREAM_CODE));
                expect_alive(peer);
            } else if (outcome >= 0) {
                expect_dead(peer, (uint32_t)outcome);
            } else {
                expect_nothing(peer);
                expect_alive(peer);
            }
            peer_restart(peer);
        }
    }
}

/* ---- the same for a client ------------------------------------------------------------------------------ */

static void with_push(struct halo_session_options *options)
{
    options->settings.enable_push = 1;
    options->push_origin = HALO_PUSH_ANY_ORIGIN;
    options->encrypted = 1;
}

static void bring_client_into(struct fake_peer *peer, enum state state)
{
    halo_stream *stream = NULL;

    peer_open(peer);
    if (state != IDLE) {
        bool end = state == HALF_CLOSED_LOCAL || state == CLOSED_BY_END;

        stream = peer_request(peer, "POST", end ? HALO_END_STREAM : 0);
    }
    peer_go(peer);
    if (state == HALF_CLOSED_REMOTE || state == CLOSED_BY_END) {
        put_ok(&peer->in, 1, F_END_STREAM);
    } else if (state == CLOSED_BY_OUR_RESET) {
        halo_stream_reset(stream, HALO_CANCEL);
    } else if (state == CLOSED_BY_THEIR_RESET) {
        put_rst_stream(&peer->in, 1, HALO_CANCEL);
    }
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
}

/* DATA, HEADERS (a response), PRIORITY, RST_STREAM, PUSH_PROMISE, WINDOW_UPDATE, unknown. */
static const int client_outcomes[SKIPPED][7] = {
    /* clang-format off */
    [IDLE] =
        {HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR, FINE, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR, FINE},
    [OPEN] =
        {STREAM_CODE + HALO_PROTOCOL_ERROR, FINE,  FINE, FINE,                FINE,                FINE,                FINE},
    [HALF_CLOSED_REMOTE] =
        {HALO_STREAM_CLOSED,  HALO_STREAM_CLOSED,  FINE, FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    [HALF_CLOSED_LOCAL] =
        {STREAM_CODE + HALO_PROTOCOL_ERROR, FINE,  FINE, FINE,                FINE,                FINE,                FINE},
    [CLOSED_BY_END] =
        {HALO_STREAM_CLOSED,  HALO_STREAM_CLOSED,  FINE, FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    [CLOSED_BY_THEIR_RESET] =
        {HALO_STREAM_CLOSED,  HALO_STREAM_CLOSED,  FINE, FINE,                HALO_PROTOCOL_ERROR, FINE,                FINE},
    [CLOSED_BY_OUR_RESET] = /* PUSH_PROMISE: the promised stream is refused */
        {FINE,                FINE,                FINE, FINE,                FINE,                FINE,                FINE},
    /* clang-format on */
};

static void each_frame_in_each_state_of_a_client(struct fake_peer *peer)
{
    for (int state = 0; state < SKIPPED; state++) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            int outcome = kind < 7 ? client_outcomes[state][kind] : FINE;

            bring_client_into(peer, (enum state)state);
            if (kind == 1) {
                put_ok(&peer->in, 1, F_END_STREAM);
            } else if (kind == 4) {
                put_promise(&peer->in, 1, 2);
            } else {
                put_kind(peer, kind);
            }
            peer_go(peer);
            if (outcome >= STREAM_CODE) {
                expect_rst(peer, 1, (uint32_t)(outcome - STREAM_CODE));
                expect_alive(peer);
            } else if (outcome >= 0) {
                expect_dead(peer, (uint32_t)outcome);
            } else {
                if (kind == 4 && state == CLOSED_BY_OUR_RESET) {
                    expect_rst(peer, 2, HALO_REFUSED_STREAM);
                }
                expect_nothing(peer);
                expect_alive(peer);
            }
            peer_restart(peer);
        }
    }
}

/* ---- numbers ------------------------------------------------------------------------------------------ */

static void numbers_of_new_streams(struct fake_peer *peer)
{
    static const struct {
        uint32_t first;
        uint32_t second; /* 0: none */
        int code;
    } cases[] = {
        { 1, 3, FINE },
        { 1, 0x7fffffff, FINE },
        { 0x80000001, 3, FINE }, /* the reserved bit is ignored */
        { 2, 0, HALO_PROTOCOL_ERROR },
        { 0, 0, HALO_PROTOCOL_ERROR },
        { 1, 4, HALO_PROTOCOL_ERROR },
        { 5, 3, HALO_PROTOCOL_ERROR },
        { 3, 1, HALO_PROTOCOL_ERROR },
        { 5, 5, HALO_STREAM_CLOSED },
        { 0x7fffffff, 1, HALO_PROTOCOL_ERROR },
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        peer->app = app_respond;
        peer_open(peer);
        put_get(&peer->in, cases[i].first);
        if (cases[i].second != 0) {
            put_get(&peer->in, cases[i].second);
        }
        peer_go(peer);
        if (cases[i].code < 0) {
            expect_alive(peer);
        } else {
            expect_dead(peer, (uint32_t)cases[i].code);
        }
        peer_restart(peer);
    }
}

/* A stream that was used and closed between two gaps is closed, not skipped. */
static void closed_is_not_skipped(struct fake_peer *peer)
{
    peer->app = app_respond;
    peer_open(peer);
    put_get(&peer->in, 7);
    put_get(&peer->in, 9);
    put_get(&peer->in, 7);
    peer_go(peer);
    expect_dead(peer, HALO_STREAM_CLOSED);
}

/* ---- how many ------------------------------------------------------------------------------------------- */

static void three_streams(struct halo_session_options *options)
{
    options->settings.max_concurrent_streams = 3;
}

/* From the first frame on, whether or not our SETTINGS were acknowledged. */
static void concurrency_limit(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, 0);
    for (uint32_t id = 1; id <= 9; id += 2) {
        put_get(&peer->in, id);
    }
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 18);
    expect_settings_ack(peer);
    expect_rst(peer, 7, HALO_REFUSED_STREAM);
    expect_rst(peer, 9, HALO_REFUSED_STREAM);
    put_data(&peer->in, 9, F_END_STREAM, 100); /* it did not know */
    peer_go(peer);
    expect_alive(peer);
    halo_stream_respond(peer_stream(peer, 3), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    skip_log(peer);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    put_get(&peer->in, 11);
    put_get(&peer->in, 13);
    peer_go(peer);
    expect_rst(peer, 13, HALO_REFUSED_STREAM);
    expect_log(peer, "REQUEST 11 END :method=GET :scheme=https :path=/ :authority=example.org\n");
}

/* A slot is free once the stream's close was told, not when the peer has reset it (rapid reset). */
static void slots_are_freed_by_our_close(struct fake_peer *peer)
{
    struct halo_session_info info;

    peer_open(peer);
    for (uint32_t id = 1; id <= 99; id += 2) {
        put_get(&peer->in, id);
        put_rst_stream(&peer->in, id, HALO_CANCEL);
    }
    peer_go(peer);
    halo_session_get_info(peer->session, &info);
    assert_int_equal(info.open_streams, 0);
    assert_int_equal(info.streams_opened, 50);
    expect_alive(peer);
}

static void no_streams_allowed(struct halo_session_options *options)
{
    options->settings.max_concurrent_streams = 0;
}

static void no_streams(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_rst(peer, 1, HALO_REFUSED_STREAM);
    expect_alive(peer);
}

/* ---- what getters say -------------------------------------------------------------------------------------- */

static void states_by_name(struct fake_peer *peer)
{
    struct halo_stream_info info;
    halo_stream *stream;

    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    stream = peer_stream(peer, 1);
    halo_stream_get_info(stream, &info);
    assert_int_equal(info.state, HALO_STATE_OPEN);
    assert_int_equal(info.reset_code, -1);
    assert_int_equal(info.local_window, 65535);
    put_data(&peer->in, 1, F_END_STREAM, 10);
    peer_go(peer);
    halo_stream_get_info(stream, &info);
    assert_int_equal(info.state, HALO_STATE_HALF_CLOSED_REMOTE);
    assert_int_equal(info.octets_received, 10);
    put_post(&peer->in, 3);
    peer_go(peer);
    stream = peer_stream(peer, 3);
    halo_stream_respond(stream, 200, NULL, HALO_END_STREAM);
    halo_stream_get_info(stream, &info);
    assert_int_equal(info.state, HALO_STATE_HALF_CLOSED_LOCAL);
    halo_stream_reset(stream, HALO_NO_ERROR);
    halo_stream_get_info(stream, &info);
    assert_int_equal(info.state, HALO_STATE_CLOSED);
    assert_int_equal(info.reset_code, HALO_NO_ERROR);
    skip_log(peer);
    peer_go(peer);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    expect_rst(peer, 3, HALO_NO_ERROR);
    expect_log(peer, "CLOSED 3\n"); /* in order: RFC 9113 8.1 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(each_frame_in_each_state),
        CLIENT_WITH(each_frame_in_each_state_of_a_client, with_push),
        SERVER(numbers_of_new_streams),
        SERVER(closed_is_not_skipped),
        SERVER_WITH(concurrency_limit, three_streams),
        SERVER(slots_are_freed_by_our_close),
        SERVER_WITH(no_streams, no_streams_allowed),
        SERVER(states_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
