/*
 * Nothing is allocated per request on a connection that has warmed up: two sessions back to back,
 * whose allocators count. Every round does what requests do: bodies both ways by every way of
 * writing, trailers, informational responses, paused streams, slices that are held, long header
 * blocks, resets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/session.h>

#include "test_memory.h"

enum {
    WARM_UP_ROUNDS = 300, /* and resets_sent is full */
    ROUNDS = 300,
    BODY_LEN = 100000,
    HELD_MAX = 64,
    PIECE = 9000, /* handed over at once: frames come in pieces */
};

struct end {
    halo_session *session;
    struct test_memory memory;
    halo_slice held[HELD_MAX];
    size_t held_count;
};

struct pair {
    struct end client;
    struct end server;
    uint64_t now_ns;
    unsigned answered;
    unsigned failed;
    unsigned started;
};

static char body[BODY_LEN];
static char long_value[12000];

/* ---- what the ends do -------------------------------------------------------------------------- */

enum kind {
    KIND_PLAIN,
    KIND_COPY,
    KIND_BORROW,
    KIND_SOURCE,
    KIND_TRAILERS,
    KIND_PAUSE,
    KIND_HOLD,
    KIND_LONG_FIELD,
    KIND_RESET,
    KIND_COUNT,
};

static int source_read(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    size_t *left = ctx;

    *len = *left < cap ? *left : cap;
    memset(out, 's', *len);
    *left -= *len;
    *end = *left == 0;
    return 0;
}

static size_t source_left;

static void send_body(halo_stream *stream, enum kind kind)
{
    const halo_header sum = { .name = HALO_LIT("x-sum"), .value = HALO_LIT("42") };
    const halo_headers trailers = { .fields = &sum, .count = 1 };
    struct halo_source source = { .read = source_read, .ctx = &source_left };

    switch (kind) {
    case KIND_COPY:
    case KIND_PAUSE:
    case KIND_HOLD:
        assert_int_equal(halo_stream_write(stream, body, 30000, HALO_END_STREAM), 0);
        break;
    case KIND_BORROW:
        assert_int_equal(
            halo_stream_write_borrow(stream, body, BODY_LEN, HALO_END_STREAM, NULL, NULL), 0);
        break;
    case KIND_SOURCE:
        source_left = BODY_LEN;
        assert_int_equal(halo_stream_set_source(stream, &source, 0), 0);
        break;
    case KIND_TRAILERS:
        assert_int_equal(halo_stream_write(stream, body, 3000, 0), 0);
        assert_int_equal(halo_stream_trailers(stream, &trailers), 0);
        break;
    case KIND_RESET:
        assert_int_equal(halo_stream_write(stream, body, 20000, 0), 0);
        break;
    default:
        assert_int_equal(halo_stream_end(stream), 0);
        break;
    }
}

static void respond(halo_stream *stream, enum kind kind)
{
    halo_header fields[2] = {
        { .name = HALO_LIT("server"), .value = HALO_LIT("halo") },
        { .name = HALO_LIT("x-long"), .value = { long_value, sizeof(long_value) } },
    };
    halo_headers headers = { .fields = fields, .count = kind == KIND_LONG_FIELD ? 2 : 1 };

    assert_int_equal(halo_stream_inform(stream, 103, NULL), 0);
    assert_int_equal(halo_stream_respond(stream, 200, &headers, 0), 0);
    send_body(stream, kind == KIND_RESET ? KIND_PLAIN : kind);
}

static void hold(struct end *end)
{
    if (end->held_count < HELD_MAX &&
        halo_session_keep_data(end->session, &end->held[end->held_count]) == 0) {
        end->held_count++;
    }
}

static void release_held(struct end *end)
{
    while (end->held_count > 0) {
        halo_slice_release(&end->held[--end->held_count]);
    }
}

static enum kind kind_of(const halo_stream *stream)
{
    return (enum kind)(uintptr_t)halo_stream_user_data(stream);
}

static void on_server_event(struct pair *pair, const struct halo_event *event)
{
    halo_stream *stream = event->stream;
    halo_bytes text;

    switch (event->type) {
    case HALO_EVENT_REQUEST:
        text = event->u.headers.fields[2].value; /* :path */
        halo_stream_set_user_data(stream, (void *)(uintptr_t)(text.data[1] - 'a'));
        if (kind_of(stream) == KIND_PAUSE) {
            halo_stream_pause(stream);
        }
        break;
    case HALO_EVENT_DATA:
        if (kind_of(stream) == KIND_HOLD) {
            hold(&pair->server);
        }
        break;
    default:
        break;
    }
    if ((event->flags & HALO_END_STREAM) != 0) {
        respond(stream, kind_of(stream));
    }
}

static void on_client_event(struct pair *pair, const struct halo_event *event)
{
    switch (event->type) {
    case HALO_EVENT_DATA:
        if (kind_of(event->stream) == KIND_HOLD) {
            hold(&pair->client);
        }
        break;
    case HALO_EVENT_STREAM_CLOSED:
        pair->answered += event->u.closed == NULL;
        pair->failed += event->u.closed != NULL;
        break;
    default:
        break;
    }
}

/* ---- between them ------------------------------------------------------------------------------ */

static bool carry(struct pair *pair, struct end *from, struct end *to,
                  void (*on_event)(struct pair *pair, const struct halo_event *event))
{
    uint8_t piece[PIECE];
    struct halo_event event;
    struct iovec iov[8];
    size_t len = 0;
    bool told = false;
    int count = halo_session_pull(from->session, iov, 8, sizeof(piece));

    for (int i = 0; i < count; i++) {
        size_t part = iov[i].iov_len < sizeof(piece) - len ? iov[i].iov_len : sizeof(piece) - len;

        memcpy(piece + len, iov[i].iov_base, part);
        len += part;
    }
    if (len > 0) {
        halo_session_sent(from->session, len);
        assert_int_equal(halo_session_recv(to->session, piece, len, pair->now_ns), 0);
    }
    while (halo_session_poll(to->session, &event)) {
        on_event(pair, &event);
        told = true;
    }
    return len > 0 || told;
}

static void run(struct pair *pair)
{
    bool busy = true;

    while (busy) {
        busy = carry(pair, &pair->client, &pair->server, on_server_event);
        busy |= carry(pair, &pair->server, &pair->client, on_client_event);
    }
}

static void start(struct pair *pair, enum kind kind, halo_stream **stream)
{
    char path[2] = { '/', (char)('a' + kind) };
    struct halo_request request = { .authority = HALO_LIT("example.org"), .path = { path, 2 } };
    halo_header field = { .name = HALO_LIT("x-long"), .value = { long_value, sizeof(long_value) } };

    if (kind == KIND_LONG_FIELD) {
        request.headers = (halo_headers){ .fields = &field, .count = 1 };
    }
    assert_int_equal(
        halo_session_request(pair->client.session, &request, 0, (void *)(uintptr_t)kind, stream),
        0);
    send_body(*stream, kind);
    pair->started++;
}

/* The server's twin of a client's stream: found by the event of its request. */
static halo_stream *paused_stream;

static void on_server_event_paused(struct pair *pair, const struct halo_event *event)
{
    on_server_event(pair, event);
    if (event->type == HALO_EVENT_REQUEST && kind_of(event->stream) == KIND_PAUSE) {
        paused_stream = event->stream;
    }
}

static void one_round(struct pair *pair)
{
    halo_stream *streams[KIND_COUNT];

    pair->now_ns += 1000000000u;
    for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
        start(pair, kind, &streams[kind]);
    }
    for (int i = 0; i < 40; i++) {
        carry(pair, &pair->client, &pair->server, on_server_event_paused);
        carry(pair, &pair->server, &pair->client, on_client_event);
    }
    run(pair);
    assert_int_equal(halo_stream_reset(streams[KIND_RESET], HALO_CANCEL), 0);
    run(pair);
    halo_stream_resume(paused_stream);
    run(pair);
    release_held(&pair->client);
    release_held(&pair->server);
    run(pair);
}

static void open_end(struct end *end, int role, uint64_t now_ns)
{
    struct halo_session_options options;

    halo_session_options_init(&options, role);
    test_memory_init(&end->memory);
    options.allocator = end->memory.allocator;
    options.idle_timeout_ms = 0;
    assert_int_equal(halo_session_new(&end->session, &options, now_ns), 0);
}

static void test_session_allocates_nothing_per_request(void **state)
{
    struct pair pair = { .now_ns = 1 };
    size_t client_calls = 0;
    size_t server_calls = 0;

    (void)state;
    memset(body, 'b', sizeof(body));
    memset(long_value, '#', sizeof(long_value));
    open_end(&pair.client, HALO_CLIENT, pair.now_ns);
    open_end(&pair.server, HALO_SERVER, pair.now_ns);
    for (unsigned round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
        if (round == WARM_UP_ROUNDS) {
            client_calls = pair.client.memory.calls;
            server_calls = pair.server.memory.calls;
        }
        one_round(&pair);
    }
    assert_int_equal(pair.answered + pair.failed, pair.started);
    assert_int_equal(pair.failed, WARM_UP_ROUNDS + ROUNDS); /* those that were reset */
    assert_int_equal(pair.client.memory.calls, client_calls);
    assert_int_equal(pair.server.memory.calls, server_calls);
    halo_session_free(pair.client.session);
    halo_session_free(pair.server.session);
    assert_int_equal(pair.client.memory.live, 0);
    assert_int_equal(pair.server.memory.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_allocates_nothing_per_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
