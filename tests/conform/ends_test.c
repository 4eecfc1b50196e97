/*
 * The peer's end after each octet of a long conversation, in both roles: as an orderly end and as an
 * error of the transport, with the input at once and with all output sent in between. Whatever was
 * under way: each stream's close is told once, each `done` is called once, and nothing is left.
 *
 * The conversations use all there is: bodies in every way, sources, borrowed memory, kept slices,
 * paused streams, trailers, pushes, resets, split header blocks, PING and SETTINGS both ways.
 */
#include "play.h"

#include <string.h>

#include "core/base/base.h"

enum {
    ROUNDS = 8,  /* of a script: about 30 events each */
    SLICES = 16, /* that the application holds over the session's end */
};

struct application {
    struct wire order; /* types and streams of events, in their order, without DATA */
    size_t events;
    int borrowed, borrows_done;
    int sources, sources_done;
    halo_slice slices[SLICES];
    int slice_count;
    int requests;
};

static char memory_lent[3000];

/* ---- what the application does --------------------------------------------------------- */

static void borrow_done(void *ctx)
{
    ((struct application *)ctx)->borrows_done++;
}

static void source_done(void *ctx)
{
    ((struct application *)ctx)->sources_done++;
}

static int source_read(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    (void)ctx;
    *len = min_size(cap, 2000);
    memset(out, 's', *len);
    *end = *len == 2000;
    return 0;
}

/* A body, in one of the ways there are. */
static void send_body(struct application *app, halo_stream *stream, uint32_t way)
{
    struct halo_source source = { .read = source_read, .done = source_done, .ctx = app };
    halo_header field = { .name = HALO_LIT("x-sum"), .value = HALO_LIT("5") };
    halo_headers trailers = { .fields = &field, .count = 1 };
    halo_slice slice;

    switch (way % 5) {
    case 0:
        assert_int_equal(halo_stream_write(stream, "hello", 5, HALO_END_STREAM), 0);
        break;
    case 1:
        app->borrowed++;
        assert_int_equal(halo_stream_write_borrow(stream, memory_lent, sizeof(memory_lent),
                                                  HALO_END_STREAM, borrow_done, app),
                         0);
        break;
    case 2:
        app->sources++;
        assert_int_equal(halo_stream_set_source(stream, &source, 0), 0);
        break;
    case 3:
        assert_int_equal(halo_slice_copy(&slice, memory_lent, 2000), 0);
        assert_int_equal(halo_stream_write_slice(stream, &slice, 0), 0);
        assert_int_equal(halo_stream_trailers(stream, &trailers), 0);
        break;
    default:
        assert_int_equal(halo_stream_write(stream, memory_lent, 3000, HALO_WAIT_FOR_TRAILERS), 0);
        break; /* its end stays out */
    }
}

static void push(struct play *play, halo_stream *parent)
{
    const struct halo_request request = { .path = HALO_LIT("/style.css") };
    struct application *app = play->ctx;
    halo_stream *pushed;

    assert_int_equal(halo_stream_push(parent, &request, NULL, &pushed), 0);
    play->made++;
    if (halo_stream_id(pushed) % 8 != 6) {
        assert_int_equal(halo_stream_respond(pushed, 200, NULL, 0), 0);
        send_body(app, pushed, halo_stream_id(pushed) / 2);
    }
}

static void on_request(struct play *play, halo_stream *stream, uint32_t turn)
{
    struct application *app = play->ctx;

    switch (turn % 10) {
    case 5: /* not answered */
        break;
    case 6:
        halo_stream_pause(stream);
        break;
    case 7:
        assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), 0);
        break;
    case 8:
        push(play, stream);
        assert_int_equal(halo_stream_respond(stream, 204, NULL, HALO_END_STREAM), 0);
        break;
    case 9:
        assert_int_equal(halo_stream_set_timeout(stream, 1000), 0);
        (void)halo_session_ping(play->session, (const uint8_t *)"ourping!");
        break;
    default:
        assert_int_equal(halo_stream_inform(stream, 103, NULL), 0);
        assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
        send_body(app, stream, turn);
        break;
    }
}

static void request(struct play *play)
{
    struct application *app = play->ctx;
    int turn = app->requests++;
    bool body = turn % 8 == 3;
    halo_stream *stream = play_request(play, body ? "POST" : "GET", body ? 0 : HALO_END_STREAM);

    if (body) {
        send_body(app, stream, (uint32_t)turn / 8);
    }
    if (turn % 8 == 6) {
        halo_stream_pause(stream);
    }
}

static void keep(struct play *play)
{
    struct application *app = play->ctx;

    if (app->slice_count < SLICES) {
        assert_int_equal(halo_session_keep_data(play->session, &app->slices[app->slice_count++]),
                         0);
    }
}

static void on_event(struct play *play, const struct halo_event *event)
{
    struct application *app = play->ctx;

    app->events++;
    if (event->type != HALO_EVENT_DATA) {
        wire_octet(&app->order, (uint8_t)event->type);
        wire_u32(&app->order, event->stream_id);
    }
    switch (event->type) {
    case HALO_EVENT_REQUEST:
        on_request(play, event->stream, event->stream_id / 2);
        break;
    case HALO_EVENT_RESPONSE:
        if (app->requests < ROUNDS * 8 && event->stream_id % 2 != 0) {
            request(play);
        }
        break;
    case HALO_EVENT_DATA:
        if (event->stream_id % 3 == 0) {
            keep(play);
        }
        break;
    case HALO_EVENT_PUSH:
        if (event->stream_id % 8 == 4) {
            assert_int_equal(halo_stream_reset(event->stream, HALO_CANCEL), 0);
        }
        break;
    default:
        break;
    }
}

/* ---- what the peer says ---------------------------------------------------------------- */

/* A header block in three frames. */
static void put_split(struct wire *wire, uint32_t id, const struct wire *block)
{
    put_frame(wire, T_HEADERS, F_END_STREAM, id, block->data, 3);
    put_continuation(wire, id, 0, block->data + 3, 4);
    put_continuation(wire, id, F_END_HEADERS, block->data + 7, block->len - 7);
}

static void put_round_of_control(struct wire *wire, uint32_t id)
{
    put_ping(wire, 0, "theirpng");
    put_window_update(wire, 0, 1000);
    put_window_update(wire, id, 100);
    put_frame(wire, 0xbe, 0, 0, "ignored", 7);
    put_settings(wire, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 1000 + id, 0);
}

static void put_server_round(struct wire *wire, uint32_t id)
{
    struct wire block = { 0 };

    for (int i = 0; i < 5; i++, id += 2) {
        put_get(wire, id);
    }
    put_post(wire, id);
    put_data(wire, id, 0, 40);
    put_data_padded(wire, id, F_END_STREAM, 30, 20);
    id += 2;
    put_post(wire, id); /* it may be paused */
    put_data(wire, id, 0, 100);
    put_fields(wire, id, F_END_STREAM, "x-sum", "1", NULL);
    id += 2;
    put_post(wire, id);
    put_data(wire, id, 0, 3);
    put_rst_stream(wire, id, HALO_CANCEL);
    id += 2;
    field_at(&block, 2);
    field_at(&block, 4);
    field_at(&block, 7);
    field_indexed(&block, ":authority", "example.org");
    field_indexed(&block, "x-round", "a value for the table");
    put_split(wire, id, &block);
    put_priority_update(wire, id, "u=1");
    put_round_of_control(wire, id);
    id += 2;
    put_post(wire, id);
    put_data(wire, id, 0, 10); /* and nothing more */
    wire_free(&block);
}

static void put_client_round(struct wire *wire, uint32_t id, uint32_t promised)
{
    struct wire block = { 0 };

    put_fields(wire, id, 0, ":status", "103", "link", "</style.css>", NULL);
    put_ok(wire, id, F_END_STREAM);
    put_ok(wire, id + 2, 0);
    put_data(wire, id + 2, 0, 50);
    put_fields(wire, id + 2, F_END_STREAM, "x-sum", "1", NULL);
    put_promise(wire, id + 4, promised);
    put_promise(wire, id + 4, promised + 2);
    put_ok(wire, id + 4, F_END_STREAM);
    put_ok(wire, promised, 0);
    put_data(wire, promised, F_END_STREAM, 33);
    put_ok(wire, id + 6, F_END_STREAM); /* the request has a body */
    field_at(&block, 8);
    field_indexed(&block, "server", "a value for the table");
    put_split(wire, id + 8, &block);
    put_rst_stream(wire, id + 10, HALO_REFUSED_STREAM);
    put_ok(wire, id + 12, 0); /* paused */
    put_data(wire, id + 12, 0, 90);
    put_data_padded(wire, id + 12, F_END_STREAM, 7, 90);
    put_ok(wire, id + 14, 0);
    put_data(wire, id + 14, F_END_STREAM, 1);
    put_round_of_control(wire, id);
    wire_free(&block);
}

static void put_script(struct wire *wire, int role)
{
    put_settings(wire, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 30, 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        if (role == HALO_SERVER) {
            put_server_round(wire, 1 + 20 * i);
        } else {
            put_client_round(wire, 1 + 16 * i, 2 + 4 * i);
        }
    }
    put_goaway(wire, role == HALO_CLIENT ? 0x7fffffff : 0, HALO_NO_ERROR, "bye");
}

/* ---- the end after each octet ---------------------------------------------------------- */

static void want_push(struct halo_session_options *options)
{
    options->settings.enable_push = 1;
    options->encrypted = 1; /* the promises are of https */
    options->server_name = (halo_bytes)HALO_LIT("example.org");
    options->limits.resets = 1000;
}

static const struct halo_error broken = {
    .status = HALO_E_SESSION_ERROR,
    .code = HALO_INTERNAL_ERROR,
    .origin = HALO_ORIGIN_SYSTEM,
    .reason = "connection reset by peer",
};

struct way {
    const struct halo_error *error;
    size_t piece; /* octets between two times that all is sent; 0: nothing is, before the end */
    bool last_sent;
};

static void begin(struct play *play, struct application *app, int role)
{
    memset(app, 0, sizeof(*app));
    play_begin(play, role, role == HALO_CLIENT ? want_push : NULL);
    play->app = on_event;
    play->ctx = app;
    play_open(play);
    app->order.len = 0;
    app->events = 0;
    if (role == HALO_CLIENT) {
        for (int i = 0; i < 20; i++) {
            request(play);
        }
        (void)halo_session_ping(play->session, NULL);
    }
}

static void converse(struct play *play, const struct wire *script, size_t len,
                     const struct way *way)
{
    size_t part;

    for (size_t at = 0; at < len; at += part) {
        part = way->piece == 0 ? len : min_size(way->piece, len - at);
        play_feed(play, script->data + at, part, 0);
        if (way->piece != 0) {
            play_settle(play);
        }
    }
    if (way->last_sent) {
        play_settle(play);
    }
}

static void end(struct play *play, struct application *app, const struct way *way)
{
    if (play->session->state < SESSION_ENDING && app->slice_count == 0) {
        play_check_credit(play);
    }
    (void)play_hear(play, 0);
    play_end(play, way->error);
    assert_int_equal(app->borrowed, app->borrows_done);
    assert_int_equal(app->sources, app->sources_done);
    for (int i = 0; i < app->slice_count; i++) {
        halo_slice_release(&app->slices[i]);
    }
    play_free(play);
}

static void end_everywhere(int role, const struct way *way)
{
    struct wire script = { 0 };
    struct application whole;
    struct application app;
    struct play play;
    size_t step = 1;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    step = 7;
#endif
    put_script(&script, role);
    begin(&play, &whole, role);
    converse(&play, &script, script.len, way);
    /* Nothing in the script is an error. */
    assert_int_equal(play.session->error.status, 0);
    end(&play, &whole, way);
    print_message("%zu octets, %zu events\n", script.len, whole.events);
    assert_true(whole.events >= 200);
    for (size_t len = 0; len < script.len; len += step) {
        begin(&play, &app, role);
        converse(&play, &script, len, way);
        if (way->piece == 0 && !way->last_sent) { /* the same as without an end, up to here */
            assert_true(app.order.len <= whole.order.len);
            assert_memory_equal(app.order.data, whole.order.data, app.order.len);
        }
        end(&play, &app, way);
        wire_free(&app.order);
    }
    wire_free(&whole.order);
    wire_free(&script);
}

static const struct way ways[] = {
    { .error = NULL },
    { .error = &broken, .last_sent = true },
    { .error = NULL, .piece = 97 },
    { .error = &broken, .piece = 41, .last_sent = true },
};

static void test_C24_end_after_each_octet_to_a_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(ways); i++) {
        end_everywhere(HALO_SERVER, &ways[i]);
    }
}

static void test_C24_end_after_each_octet_to_a_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(ways); i++) {
        end_everywhere(HALO_CLIENT, &ways[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C24_end_after_each_octet_to_a_server),
        cmocka_unit_test(test_C24_end_after_each_octet_to_a_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
