/*
 * Every series of three frames of the peer, in every state of a stream, in both roles: 16 kinds of
 * frames, 12 states of a server's stream and 13 of a client's. Each series is played whole and octet by octet,
 * which must not differ, and judged by play.h. For all states but the last few the outcome is
 * predicted by a small model that knows the RFC and halo's choices, and nothing of the library.
 */
#include "play.h"

#include <string.h>

#include "core/base/base.h"

enum kind {
    K_HEADERS,      /* a request, or a response; no END_STREAM */
    K_HEADERS_END,  /* ... with END_STREAM */
    K_TRAILERS,     /* END_STREAM, a plain field */
    K_HEADERS_OPEN, /* half the block of K_HEADERS, without END_HEADERS */
    K_CONTINUATION, /* the other half */
    K_DATA,
    K_DATA_END,
    K_RST_STREAM,
    K_WINDOW_UPDATE,
    K_PRIORITY,
    K_SETTINGS,
    K_PING,
    K_GOAWAY,
    K_PUSH_PROMISE,
    K_UNKNOWN,
    K_NEXT, /* HEADERS, END_STREAM, on the next stream of a client */
    KIND_COUNT,
};

enum state {
    IDLE,
    OPEN,
    OPEN_ANSWERED,
    HALF_CLOSED_LOCAL,
    HALF_CLOSED_REMOTE,
    HALF_CLOSED_ANSWERED, /* a server's body that waits for windows, a client's response that has begun */
    CLOSED,
    RESET_BY_US,
    RESET_BY_PEER,
    PAUSED,   /* with octets that are held */
    RESERVED, /* a pushed stream */
    DRAINING,
    WAITING, /* client: the request has no number yet */
    STATE_COUNT,
};

static const uint32_t state_counts[2] = { WAITING, STATE_COUNT };

/* ---- the model ------------------------------------------------------------------------- */

enum life { M_IDLE, M_LIVE, M_CLOSED, M_RESET, M_SKIPPED };
enum model_half { M_HEADERS, M_BODY, M_DONE };

struct model {
    int role;
    enum life life;
    enum model_half recv, send;
    bool block_open;
    bool going; /* the peer said GOAWAY */
    bool next_used;
    bool dead;
    int goaway; /* code of ours; -1: none */
    int reset;  /* code of our last RST_STREAM for the stream; -1: none */
    int resets;
};

static void die(struct model *model, int code)
{
    model->dead = true;
    model->goaway = code;
}

static void go_if_done(struct model *model)
{
    if (model->recv == M_DONE && model->send == M_DONE && model->life == M_LIVE) {
        model->life = M_CLOSED;
    }
    if (model->going && model->life != M_LIVE) {
        die(model, HALO_NO_ERROR);
    }
}

static void stream_error(struct model *model, int code)
{
    model->life = M_RESET;
    model->reset = code;
    model->resets++;
    go_if_done(model);
}

static void model_block(struct model *model, enum kind kind)
{
    bool opens = model->role == HALO_SERVER ? model->life == M_IDLE
                                            : model->life == M_LIVE && model->recv == M_HEADERS;

    if (opens && kind == K_TRAILERS) { /* without pseudo-header fields */
        stream_error(model, HALO_PROTOCOL_ERROR);
    } else if (opens) {
        model->life = M_LIVE;
        model->recv = kind == K_HEADERS_END ? M_DONE : M_BODY;
        go_if_done(model);
    } else if (model->life == M_IDLE || model->life == M_SKIPPED) {
        die(model, HALO_PROTOCOL_ERROR); /* 5.1, 5.1.1 */
    } else if (model->life == M_RESET) {
        return;
    } else if (model->life == M_CLOSED || model->recv == M_DONE) {
        die(model, HALO_STREAM_CLOSED);
    } else if (kind != K_TRAILERS) { /* pseudo-header fields, or no END_STREAM: 8.1 */
        stream_error(model, HALO_PROTOCOL_ERROR);
    } else {
        model->recv = M_DONE;
        go_if_done(model);
    }
}

static void model_data(struct model *model, bool end)
{
    if (model->life == M_IDLE) {
        die(model, HALO_PROTOCOL_ERROR);
    } else if (model->life == M_RESET) {
        return;
    } else if (model->life != M_LIVE || model->recv == M_DONE) {
        die(model, HALO_STREAM_CLOSED);
    } else if (model->recv == M_HEADERS) {
        stream_error(model, HALO_PROTOCOL_ERROR);
    } else if (end) {
        model->recv = M_DONE;
        go_if_done(model);
    }
}

/* The next stream is answered at once, so it is closed when the next frame comes. */
static void model_next(struct model *model)
{
    if (model->role == HALO_CLIENT) {
        die(model, HALO_PROTOCOL_ERROR); /* it was not asked for */
    } else if (model->next_used) {
        die(model, HALO_STREAM_CLOSED);
    } else {
        model->next_used = true;
        model->life = model->life == M_IDLE ? M_SKIPPED : model->life;
        go_if_done(model);
    }
}

static void model_frame(struct model *model, enum kind kind)
{
    if (model->dead) {
        return;
    }
    if (model->block_open != (kind == K_CONTINUATION)) { /* 6.10 */
        die(model, HALO_PROTOCOL_ERROR);
        return;
    }
    switch (kind) {
    case K_CONTINUATION:
        model->block_open = false;
        model_block(model, K_HEADERS);
        break;
    case K_HEADERS_OPEN:
        model->block_open = true;
        break;
    case K_HEADERS:
    case K_HEADERS_END:
    case K_TRAILERS:
        model_block(model, kind);
        break;
    case K_DATA:
    case K_DATA_END:
        model_data(model, kind == K_DATA_END);
        break;
    case K_RST_STREAM:
        if (model->life == M_IDLE) {
            die(model, HALO_PROTOCOL_ERROR);
        } else if (model->life == M_LIVE) {
            model->life = M_CLOSED;
            go_if_done(model);
        }
        break;
    case K_WINDOW_UPDATE:
        if (model->life == M_IDLE) {
            die(model, HALO_PROTOCOL_ERROR);
        }
        break;
    case K_GOAWAY:
        model->going = true;
        go_if_done(model);
        break;
    case K_PUSH_PROMISE: /* a client's offence, or switched off */
        die(model, HALO_PROTOCOL_ERROR);
        break;
    case K_NEXT:
        model_next(model);
        break;
    default: /* PRIORITY, SETTINGS, PING, unknown */
        break;
    }
}

static struct model model_of(int role, enum state state)
{
    static const struct {
        enum life life;
        enum model_half recv, send;
    } rows[2][PAUSED + 1] = {
        [HALO_SERVER] = {
            [IDLE] = { M_IDLE, M_HEADERS, M_HEADERS },
            [OPEN] = { M_LIVE, M_BODY, M_HEADERS },
            [OPEN_ANSWERED] = { M_LIVE, M_BODY, M_BODY },
            [HALF_CLOSED_LOCAL] = { M_LIVE, M_BODY, M_DONE },
            [HALF_CLOSED_REMOTE] = { M_LIVE, M_DONE, M_HEADERS },
            [HALF_CLOSED_ANSWERED] = { M_LIVE, M_DONE, M_BODY },
            [CLOSED] = { M_CLOSED, M_DONE, M_DONE },
            [RESET_BY_US] = { M_RESET, M_DONE, M_DONE },
            [RESET_BY_PEER] = { M_CLOSED, M_DONE, M_DONE },
            [PAUSED] = { M_LIVE, M_BODY, M_HEADERS },
        },
        [HALO_CLIENT] = {
            [IDLE] = { M_IDLE, M_HEADERS, M_HEADERS },
            [OPEN] = { M_LIVE, M_HEADERS, M_BODY },
            [OPEN_ANSWERED] = { M_LIVE, M_BODY, M_BODY },
            [HALF_CLOSED_LOCAL] = { M_LIVE, M_HEADERS, M_DONE },
            [HALF_CLOSED_REMOTE] = { M_LIVE, M_DONE, M_BODY },
            [HALF_CLOSED_ANSWERED] = { M_LIVE, M_BODY, M_DONE },
            [CLOSED] = { M_CLOSED, M_DONE, M_DONE },
            [RESET_BY_US] = { M_RESET, M_DONE, M_DONE },
            [RESET_BY_PEER] = { M_CLOSED, M_DONE, M_DONE },
            [PAUSED] = { M_LIVE, M_BODY, M_DONE },
        },
    };

    return (struct model){
        .role = role,
        .life = rows[role][state].life,
        .recv = rows[role][state].recv,
        .send = rows[role][state].send,
        .goaway = -1,
        .reset = state == RESET_BY_US ? HALO_CANCEL : -1,
        .resets = state == RESET_BY_US,
    };
}

/* Reserved, draining, waiting: what follows depends on more than the model knows. A paused stream
 * lives on until what is held was told, which only matters to a session that waits for its end. */
static bool is_predicted(enum state state, const enum kind series[3])
{
    if (state == PAUSED) {
        return series[0] != K_GOAWAY && series[1] != K_GOAWAY && series[2] != K_GOAWAY;
    }
    return state < PAUSED;
}

/* ---- frames ---------------------------------------------------------------------------- */

/* What any message of the peer begins with. */
static void put_message(struct wire *wire, int role, uint32_t id, unsigned flags, bool half)
{
    struct wire block = { 0 };
    size_t at = 0;
    size_t len;

    if (role == HALO_SERVER) {
        fields(&block, ":method", "POST", ":scheme", "https", ":path", "/", ":authority",
               "example.org", NULL);
    } else {
        fields(&block, ":status", "200", "server", "test", NULL);
    }
    len = block.len;
    if (half) {
        at = (flags & F_END_HEADERS) != 0 ? 5 : 0;
        len = (flags & F_END_HEADERS) != 0 ? block.len : 5;
    }
    put_frame(wire, at > 0 ? T_CONTINUATION : T_HEADERS, flags, id, block.data + at, len - at);
    wire_free(&block);
}

static void put_kind(struct wire *wire, int role, enum kind kind, uint32_t id)
{
    switch (kind) {
    case K_HEADERS:
        put_message(wire, role, id, F_END_HEADERS, false);
        break;
    case K_HEADERS_END:
        put_message(wire, role, id, F_END_HEADERS | F_END_STREAM, false);
        break;
    case K_TRAILERS:
        put_fields(wire, id, F_END_STREAM, "x-sum", "1", NULL);
        break;
    case K_HEADERS_OPEN:
        put_message(wire, role, id, 0, true);
        break;
    case K_CONTINUATION:
        put_message(wire, role, id, F_END_HEADERS, true);
        break;
    case K_DATA:
        put_data(wire, id, 0, 10);
        break;
    case K_DATA_END:
        put_data_padded(wire, id, F_END_STREAM, 5, 3);
        break;
    case K_RST_STREAM:
        put_rst_stream(wire, id, HALO_CANCEL);
        break;
    case K_WINDOW_UPDATE:
        put_window_update(wire, id, 1000);
        break;
    case K_PRIORITY:
        put_priority(wire, id, 0, 7);
        break;
    case K_SETTINGS:
        put_settings(wire, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 100000, 0);
        break;
    case K_PING:
        put_ping(wire, 0, "12345678");
        break;
    case K_GOAWAY:
        put_goaway(wire, role == HALO_CLIENT ? 1 : 0, HALO_NO_ERROR, "bye");
        break;
    case K_PUSH_PROMISE:
        put_promise(wire, id, 2);
        break;
    case K_UNKNOWN:
        put_frame(wire, 0xbe, 0xff, id, "what?", 5);
        break;
    default:
        put_message(wire, role, 3, F_END_HEADERS | F_END_STREAM, false);
        break;
    }
}

/* ---- the states ------------------------------------------------------------------------ */

static enum state at;

static void app(struct play *play, const struct halo_event *event)
{
    static const uint8_t body[70000];
    const struct halo_request push = { .path = HALO_LIT("/pushed") };
    halo_stream *stream = event->stream;
    halo_stream *pushed;

    if (event->type == HALO_EVENT_REQUEST && event->stream_id != 1) {
        assert_int_equal(halo_stream_respond(stream, 200, NULL, HALO_END_STREAM), 0);
        return;
    }
    if (play->ctx != NULL ||
        (event->type != HALO_EVENT_REQUEST && event->type != HALO_EVENT_RESPONSE)) {
        return; /* the state is reached */
    }
    switch (at) {
    case OPEN_ANSWERED:
        assert_true(event->type == HALO_EVENT_RESPONSE ||
                    halo_stream_respond(stream, 200, NULL, 0) == 0);
        break;
    case HALF_CLOSED_LOCAL:
    case CLOSED:
        assert_true(event->type == HALO_EVENT_RESPONSE ||
                    halo_stream_respond(stream, 200, NULL, HALO_END_STREAM) == 0);
        break;
    case HALF_CLOSED_ANSWERED:
        if (event->type == HALO_EVENT_REQUEST) {
            assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
            assert_int_equal(halo_stream_write(stream, body, sizeof(body), HALO_END_STREAM), 0);
        }
        break;
    case RESET_BY_US:
        assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), 0);
        break;
    case PAUSED:
        halo_stream_pause(stream);
        break;
    case RESERVED:
        if (event->type == HALO_EVENT_REQUEST) {
            assert_int_equal(halo_stream_push(stream, &push, NULL, &pushed), 0);
            play->made++;
        }
        break;
    case DRAINING:
        halo_session_close(play->session);
        break;
    default:
        break;
    }
}

static void want_push(struct halo_session_options *options)
{
    options->settings.enable_push = 1;
    options->encrypted = 1; /* the promises are of https */
    options->server_name = (halo_bytes)HALO_LIT("example.org");
}

/* What the peer sends to bring the stream into its state. */
static void put_state(struct wire *wire, int role, enum state state)
{
    bool server = role == HALO_SERVER;

    switch (state) {
    case IDLE:
    case WAITING:
        return;
    case HALF_CLOSED_REMOTE:
    case CLOSED:
        put_message(wire, role, 1, F_END_HEADERS | F_END_STREAM, false);
        return;
    case HALF_CLOSED_ANSWERED:
        put_message(wire, role, 1, F_END_HEADERS | (server ? F_END_STREAM : 0), false);
        return;
    case OPEN:
    case HALF_CLOSED_LOCAL:
        if (server) {
            put_message(wire, role, 1, F_END_HEADERS, false);
        }
        return;
    case RESERVED:
        if (!server) {
            put_promise(wire, 1, 2);
            return;
        }
        break;
    default:
        break;
    }
    put_message(wire, role, 1, F_END_HEADERS, false);
    if (state == RESET_BY_PEER) {
        put_rst_stream(wire, 1, HALO_CANCEL);
    } else if (state == PAUSED) {
        put_data(wire, 1, 0, 300);
    }
}

static void reach(struct play *play, int role, enum state state)
{
    static struct wire inputs[2][STATE_COUNT];
    static struct wire no_streams;
    struct wire *in = &inputs[role][state];

    at = state;
    play_begin(play, role, role == HALO_CLIENT && state == RESERVED ? want_push : NULL);
    play->app = app;
    play_open(play);
    if (role == HALO_CLIENT && state == WAITING) {
        if (no_streams.len == 0) {
            put_settings(&no_streams, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 0, 0);
        }
        play_feed(play, no_streams.data, no_streams.len, 0);
    }
    if (role == HALO_CLIENT && state != IDLE) {
        bool ends = state != OPEN && state != OPEN_ANSWERED && state != HALF_CLOSED_REMOTE;

        (void)play_request(play, ends ? "GET" : "POST", ends ? HALO_END_STREAM : 0);
    }
    if (in->len == 0) {
        put_state(in, role, state);
    }
    play_feed(play, in->data, in->len, 0);
    play_settle(play);
    assert_int_equal(play->session->reserved_streams, state == RESERVED);
    play->ctx = play;
}

/* ---- the walk -------------------------------------------------------------------------- */

static void resume_all(struct play *play)
{
    struct list_link *link;

    for (link = play->session->streams.next; link != &play->session->streams; link = link->next) {
        halo_stream_resume(LIST_ITEM(link, struct halo_stream, all));
    }
    play_settle(play);
}

static struct play_heard play_series(struct play *play, int role, enum state state,
                                     const struct wire *in, size_t piece)
{
    struct play_heard heard;

    reach(play, role, state);
    play_feed(play, in->data, in->len, piece);
    play_settle(play);
    play_check_credit(play);
    resume_all(play);
    play_check_credit(play);
    heard = play_hear(play, state == RESERVED ? 2 : 1);
    assert_true(halo_session_is_closed(play->session) || heard.goaway <= 0);
    play_end(play, NULL);
    return heard;
}

static void check_prediction(int role, enum state state, const enum kind series[3],
                             const struct play_heard *heard)
{
    struct model model;

    if (!is_predicted(state, series)) {
        return;
    }
    model = model_of(role, state);
    for (int i = 0; i < 3; i++) {
        model_frame(&model, series[i]);
    }
    if (heard->goaway != model.goaway || heard->reset != model.reset ||
        heard->resets != model.resets) {
        fail_msg("role %d state %u series %u %u %u: GOAWAY %d, RST_STREAM %d (%d), not %d, %d (%d)",
                 role, state, series[0], series[1], series[2], heard->goaway, heard->reset,
                 heard->resets, model.goaway, model.reset, model.resets);
    }
}

static bool is_left_out(enum state state, const enum kind series[3])
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return (series[0] + 3 * series[1] + 5 * series[2] + state) % 8 != 0;
#else
    (void)state;
    (void)series;
    return false;
#endif
}

static void walk(int role, enum state state)
{
    uint32_t id = state == RESERVED ? 2 : 1;
    struct wire in = { 0 };

    for (unsigned i = 0; i < KIND_COUNT * KIND_COUNT * KIND_COUNT; i++) {
        const enum kind series[3] = { i / (KIND_COUNT * KIND_COUNT), i / KIND_COUNT % KIND_COUNT,
                                      i % KIND_COUNT };
        struct play whole;
        struct play octets;
        struct play_heard heard;

        if (is_left_out(state, series)) {
            continue;
        }
        in.len = 0;
        for (int frame = 0; frame < 3; frame++) {
            put_kind(&in, role, series[frame], id);
        }
        heard = play_series(&whole, role, state, &in, 0);
        (void)play_series(&octets, role, state, &in, 1);
        if (!play_same(&whole, &octets)) {
            fail_msg("role %d state %u series %u %u %u: octet by octet is not as whole", role,
                     state, series[0], series[1], series[2]);
        }
        check_prediction(role, state, series, &heard);
        play_free(&whole);
        play_free(&octets);
    }
    wire_free(&in);
}

static void test_C22_three_frames_to_a_server(void **unused)
{
    (void)unused;
    for (unsigned state = 0; state < state_counts[HALO_SERVER]; state++) {
        walk(HALO_SERVER, (enum state)state);
    }
}

static void test_C22_three_frames_to_a_client(void **unused)
{
    (void)unused;
    for (unsigned state = 0; state < state_counts[HALO_CLIENT]; state++) {
        walk(HALO_CLIENT, (enum state)state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C22_three_frames_to_a_server),
        cmocka_unit_test(test_C22_three_frames_to_a_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
