/*
 * The routes of the test server:
 *
 *   /                 a line of text
 *   /echo             the request body back, copied, pausing the sender when too much is buffered
 *   /echo-slice       the same by reference: credit goes back to the peer as the octets are sent
 *   /hash             SHA-256 and length of the request body
 *   /bytes/N          N octets of the pattern, from a source
 *   /borrow/N         the same by borrowed writes
 *   /later/N          the same from a source that says "later" again and again
 *   /trailers         the request body and trailers; each request trailer comes back as echo-NAME
 *   /info             103, 103, then 200
 *   /status/NNN       that status without a body
 *   /slow/MS          answers after a while
 *   /reset/CODE       RST_STREAM instead of an answer
 *   /headers          the request fields as text
 *   /close            answers, and ends the session gracefully
 *   /quit             answers, and ends the server gracefully
 *   /stats            what the server has counted
 *
 * Any request with "expect: 100-continue" gets a 100 first.
 */
#include "routes.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "sha256.h"

enum {
    /* Echo: the sender is paused above this. */
    ECHO_BUFFERED_MAX = 256 * 1024,
    BORROW_CHUNK = 128 * 1024,
    BORROW_BUFFERED_MAX = 512 * 1024,
    TRAILERS_MAX = 16,
    LATER_MS = 1,
};

/* One request. It lives until the stream was closed and halo has given back what it was lent. */
struct exchange {
    halo_stream *stream;
    unsigned holds;
    bool paused;
    bool resting; /* /later: nothing to give until the timer */
    halo_timer *timer;
    struct sha256 hash;
    uint64_t received;
    uint64_t offset; /* of a generated body: sent so far, and all */
    uint64_t length;
    char *body; /* gathered text */
    size_t body_len;
    char *trailer_text[TRAILERS_MAX]; /* name and value after each other */
    halo_header trailers[TRAILERS_MAX];
    size_t trailer_count;
};

static atomic_uint sessions_open;
static atomic_uint streams_open;
static atomic_uint streams_peak;
static atomic_uint streams_total;
static atomic_uint streams_failed;
static bool report_ends;
static bool echo_all;
static halo_server *routes_server;

void routes_set_server(halo_server *server)
{
    routes_server = server;
}

void routes_report_ends(bool report)
{
    report_ends = report;
}

void routes_echo_all(bool echo)
{
    echo_all = echo;
}

/* Without memory there is nothing to test. */
static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* Calls that must work here unless the stream was closed meanwhile, of which on_close tells. */
static void check(const char *what, int status)
{
    if (status != 0 && status != HALO_E_INVALID_STREAM) {
        printf("unexpected: %s: %s\n", what, halo_status_name(status));
        fflush(stdout);
    }
}

static void let_go(struct exchange *exchange)
{
    if (--exchange->holds > 0) {
        return;
    }
    for (size_t i = 0; i < exchange->trailer_count; i++) {
        free(exchange->trailer_text[i]);
    }
    free(exchange->body);
    free(exchange);
}

static void release_hold(void *ctx)
{
    let_go(ctx);
}

static void on_close(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    struct exchange *exchange = user_data;

    atomic_fetch_sub(&streams_open, 1);
    if (error != NULL) {
        atomic_fetch_add(&streams_failed, 1);
        if (report_ends) {
            printf("stream %" PRIu32 " failed: %s %s: %s\n", halo_stream_id(stream),
                   halo_status_name(error->status), halo_code_name(error->code), error->reason);
            fflush(stdout);
        }
    }
    if (exchange->timer != NULL) {
        halo_timer_stop(exchange->timer);
        exchange->timer = NULL;
    }
    exchange->stream = NULL;
    let_go(exchange);
}

static halo_header field(const char *name, const char *value)
{
    return (halo_header){ .name = halo_str(name), .value = halo_str(value) };
}

static void answer(halo_stream *stream, int status, const char *text, size_t len)
{
    char length[24];
    halo_header fields[] = { field("content-type", "text/plain"), field("content-length", "") };
    const halo_headers headers = { .fields = fields, .count = 2 };

    snprintf(length, sizeof(length), "%zu", len);
    fields[1].value = halo_str(length);
    check("respond", halo_stream_respond(stream, status, &headers, 0));
    if (!halo_stream_is_head(stream)) {
        check("write", halo_stream_write(stream, text, len, HALO_END_STREAM));
    }
}

static void answer_text(halo_stream *stream, int status, const char *text)
{
    answer(stream, status, text, strlen(text));
}

/* ---- bodies that come ------------------------------------------------------------------- */

static void echo_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    struct exchange *exchange = user_data;

    check("echo", halo_stream_write(stream, data, len, 0));
    if (halo_stream_buffered(stream) > ECHO_BUFFERED_MAX && !exchange->paused) {
        exchange->paused = true;
        halo_stream_pause(stream);
    }
}

static void echo_writable(halo_stream *stream, void *user_data)
{
    struct exchange *exchange = user_data;

    if (exchange->paused) {
        exchange->paused = false;
        halo_stream_resume(stream);
    }
}

static void echo_slice_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    halo_slice slice;

    (void)data;
    (void)len;
    (void)user_data;
    check("keep_data", halo_session_keep_data(halo_stream_session(stream), &slice));
    check("write_slice", halo_stream_write_slice(stream, &slice, 0));
}

static void echo_end(halo_stream *stream, void *user_data)
{
    (void)user_data;
    check("end", halo_stream_end(stream));
}

static void hash_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    struct exchange *exchange = user_data;

    (void)stream;
    sha256_add(&exchange->hash, data, len);
    exchange->received += len;
}

static void hash_end(halo_stream *stream, void *user_data)
{
    struct exchange *exchange = user_data;
    char hex[SHA256_HEX_SIZE];
    char text[128];

    sha256_hex(&exchange->hash, hex);
    snprintf(text, sizeof(text), "%s %" PRIu64 "\n", hex, exchange->received);
    answer_text(stream, 200, text);
}

static void gather_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    struct exchange *exchange = user_data;

    (void)stream;
    exchange->body = must(realloc(exchange->body, exchange->body_len + len));
    memcpy(exchange->body + exchange->body_len, data, len);
    exchange->body_len += len;
}

static void gather_trailers(halo_stream *stream, halo_header_list list, void *user_data)
{
    struct exchange *exchange = user_data;

    (void)stream;
    for (size_t i = 0; i < list.count && exchange->trailer_count < TRAILERS_MAX - 1; i++) {
        const halo_bytes name = list.fields[i].name;
        const halo_bytes value = list.fields[i].value;
        size_t name_len = strlen("echo-") + name.len;
        char *text = must(malloc(name_len + value.len + 1));

        memcpy(text, "echo-", strlen("echo-"));
        memcpy(text + strlen("echo-"), name.data, name.len);
        memcpy(text + name_len, value.data, value.len);
        exchange->trailer_text[exchange->trailer_count] = text;
        exchange->trailers[exchange->trailer_count++] = (halo_header){
            .name = { text, name_len },
            .value = { text + name_len, value.len },
        };
    }
}

static void trailers_end(halo_stream *stream, void *user_data)
{
    struct exchange *exchange = user_data;
    const halo_header announced = field("trailer", "body-octets");
    const halo_headers response = { .fields = &announced, .count = 1 };
    halo_headers trailers;
    char octets[24];

    snprintf(octets, sizeof(octets), "%zu", exchange->body_len);
    exchange->trailer_text[exchange->trailer_count] = NULL;
    exchange->trailers[exchange->trailer_count++] = field("body-octets", octets);
    trailers = (halo_headers){ .fields = exchange->trailers, .count = exchange->trailer_count };
    check("respond", halo_stream_respond(stream, 200, &response, 0));
    if (exchange->body_len > 0) {
        check("write", halo_stream_write(stream, exchange->body, exchange->body_len, 0));
    }
    check("trailers", halo_stream_trailers(stream, &trailers));
}

static const struct halo_stream_callbacks echo_callbacks = {
    .on_data = echo_data,
    .on_writable = echo_writable,
    .on_end = echo_end,
    .on_close = on_close,
};
static const struct halo_stream_callbacks echo_slice_callbacks = {
    .on_data = echo_slice_data,
    .on_end = echo_end,
    .on_close = on_close,
};
static const struct halo_stream_callbacks hash_callbacks = {
    .on_data = hash_data,
    .on_end = hash_end,
    .on_close = on_close,
};
static const struct halo_stream_callbacks trailers_callbacks = {
    .on_data = gather_data,
    .on_trailers = gather_trailers,
    .on_end = trailers_end,
    .on_close = on_close,
};
static const struct halo_stream_callbacks plain_callbacks = { .on_close = on_close };

/* Requests without a body have their end already; on_end comes nevertheless, after on_stream. */
static void take_body(struct exchange *exchange, const struct halo_stream_callbacks *callbacks)
{
    halo_stream_set_callbacks(exchange->stream, callbacks, exchange);
}

static void begin_echo(struct exchange *exchange, const struct halo_stream_callbacks *callbacks)
{
    check("respond", halo_stream_respond(exchange->stream, 200, NULL, 0));
    take_body(exchange, callbacks);
}

/* ---- bodies that go --------------------------------------------------------------------- */

static int source_read(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct exchange *exchange = ctx;
    uint64_t left = exchange->length - exchange->offset;
    size_t part = cap < PATTERN_RUN ? cap : PATTERN_RUN;

    part = left < part ? (size_t)left : part;
    memcpy(out, pattern_at(exchange->offset), part);
    exchange->offset += part;
    *len = part;
    *end = exchange->offset == exchange->length;
    return 0;
}

/* The timer runs in both states, so that the source is resumed early, late and in between. */
static int later_read(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct exchange *exchange = ctx;

    exchange->resting = !exchange->resting;
    if (exchange->resting) {
        *len = 0;
        return HALO_E_AGAIN;
    }
    return source_read(ctx, out, cap, len, end);
}

static void later_wake(halo_timer *timer, void *ctx)
{
    struct exchange *exchange = ctx;

    (void)timer;
    halo_stream_resume_source(exchange->stream);
}

/* 0 when that is all: the answer has no body, or it was refused. */
static bool respond_length(struct exchange *exchange)
{
    char length[24];
    halo_header fields[] = { field("content-length", "") };
    const halo_headers headers = { .fields = fields, .count = 1 };

    snprintf(length, sizeof(length), "%" PRIu64, exchange->length);
    fields[0].value = halo_str(length);
    check("respond", halo_stream_respond(exchange->stream, 200, &headers, 0));
    return !halo_stream_is_head(exchange->stream);
}

static void begin_source(struct exchange *exchange, bool later)
{
    struct halo_source source = {
        .read = later ? later_read : source_read,
        .done = release_hold,
        .ctx = exchange,
    };
    halo_loop *loop = halo_session_loop(halo_stream_session(exchange->stream));

    if (!respond_length(exchange)) {
        return;
    }
    exchange->holds++;
    check("set_source", halo_stream_set_source(exchange->stream, &source, 0));
    if (later) {
        check("timer",
              halo_timer_start(&exchange->timer, loop, LATER_MS, LATER_MS, later_wake, exchange));
    }
}

static void borrow_more(halo_stream *stream, void *user_data)
{
    struct exchange *exchange = user_data;

    while (exchange->offset < exchange->length &&
           halo_stream_buffered(stream) < BORROW_BUFFERED_MAX) {
        uint64_t left = exchange->length - exchange->offset;
        size_t part = left < BORROW_CHUNK ? (size_t)left : BORROW_CHUNK;
        const uint8_t *data = pattern_at(exchange->offset);
        int status;

        exchange->offset += part;
        exchange->holds++;
        status = halo_stream_write_borrow(
            stream, data, part, exchange->offset == exchange->length ? HALO_END_STREAM : 0,
            release_hold, exchange);
        if (status != 0) {
            check("write_borrow", status);
            let_go(exchange);
            return;
        }
    }
}

static const struct halo_stream_callbacks borrow_callbacks = {
    .on_writable = borrow_more,
    .on_close = on_close,
};

static void begin_borrow(struct exchange *exchange)
{
    take_body(exchange, &borrow_callbacks);
    if (!respond_length(exchange)) {
        return;
    }
    if (exchange->length == 0) {
        check("end", halo_stream_end(exchange->stream));
    } else {
        borrow_more(exchange->stream, exchange);
    }
}

/* ---- the rest --------------------------------------------------------------------------- */

static void begin_info(struct exchange *exchange)
{
    const halo_header hints[] = {
        field("link", "</style.css>; rel=preload; as=style"),
        field("link", "</code.js>; rel=preload; as=script"),
    };

    for (size_t i = 0; i < 2; i++) {
        const halo_headers headers = { .fields = &hints[i], .count = 1 };

        check("inform", halo_stream_inform(exchange->stream, 103, &headers));
    }
    answer_text(exchange->stream, 200, "hinted\n");
}

static void begin_status(struct exchange *exchange, int status)
{
    int result = halo_stream_respond(exchange->stream, status, NULL, HALO_END_STREAM);

    if (result != 0) {
        answer_text(exchange->stream, 400, halo_status_text(result));
    }
}

static void slow_answer(halo_timer *timer, void *ctx)
{
    struct exchange *exchange = ctx;

    (void)timer;
    exchange->timer = NULL;
    answer_text(exchange->stream, 200, "slow\n");
}

static void begin_slow(struct exchange *exchange, uint64_t delay_ms)
{
    halo_loop *loop = halo_session_loop(halo_stream_session(exchange->stream));

    check("timer", halo_timer_start(&exchange->timer, loop, delay_ms, 0, slow_answer, exchange));
}

static void begin_headers(struct exchange *exchange, halo_header_list list)
{
    for (size_t i = 0; i < list.count; i++) {
        const halo_header *one = &list.fields[i];

        gather_data(NULL, (const uint8_t *)one->name.data, one->name.len, exchange);
        gather_data(NULL, (const uint8_t *)": ", 2, exchange);
        gather_data(NULL, (const uint8_t *)one->value.data, one->value.len, exchange);
        gather_data(NULL, (const uint8_t *)"\n", 1, exchange);
    }
    answer(exchange->stream, 200, exchange->body, exchange->body_len);
}

/* What was freed goes back to the system first: who asks may look at the process's memory next. */
static void begin_stats(struct exchange *exchange)
{
    char text[256];

    malloc_trim(0);
    snprintf(text, sizeof(text), "sessions %u\nstreams %u\npeak %u\ntotal %u\nfailed %u\n",
             sessions_open, streams_open, streams_peak, streams_total, streams_failed);
    answer_text(exchange->stream, 200, text);
}

/* Does the path begin with `prefix`? Then *number is what follows. */
static bool numbered(const char *path, const char *prefix, uint64_t *number)
{
    size_t len = strlen(prefix);

    if (strncmp(path, prefix, len) != 0) {
        return false;
    }
    *number = strtoull(path + len, NULL, 10);
    return true;
}

static void route(struct exchange *exchange, const char *path, halo_header_list headers)
{
    halo_stream *stream = exchange->stream;
    uint64_t number;

    if (echo_all) {
        begin_echo(exchange, &echo_callbacks);
    } else if (numbered(path, "/bytes/", &exchange->length)) {
        begin_source(exchange, false);
    } else if (numbered(path, "/later/", &exchange->length)) {
        begin_source(exchange, true);
    } else if (numbered(path, "/borrow/", &exchange->length)) {
        begin_borrow(exchange);
    } else if (numbered(path, "/status/", &number)) {
        begin_status(exchange, (int)number);
    } else if (numbered(path, "/slow/", &number)) {
        begin_slow(exchange, number);
    } else if (numbered(path, "/reset/", &number)) {
        check("reset", halo_stream_reset(stream, (uint32_t)number));
    } else if (strcmp(path, "/echo") == 0) {
        begin_echo(exchange, &echo_callbacks);
    } else if (strcmp(path, "/echo-slice") == 0) {
        begin_echo(exchange, &echo_slice_callbacks);
    } else if (strcmp(path, "/hash") == 0) {
        sha256_init(&exchange->hash);
        take_body(exchange, &hash_callbacks);
    } else if (strcmp(path, "/trailers") == 0) {
        take_body(exchange, &trailers_callbacks);
    } else if (strcmp(path, "/info") == 0) {
        begin_info(exchange);
    } else if (strcmp(path, "/headers") == 0) {
        begin_headers(exchange, headers);
    } else if (strcmp(path, "/stats") == 0) {
        begin_stats(exchange);
    } else if (strcmp(path, "/close") == 0) {
        answer_text(stream, 200, "closing\n");
        halo_session_close(halo_stream_session(stream));
    } else if (strcmp(path, "/quit") == 0) {
        answer_text(stream, 200, "quitting\n");
        halo_server_close(routes_server);
    } else if (strcmp(path, "/") == 0) {
        answer_text(stream, 200, "halo test server\n");
    } else {
        answer_text(stream, 404, "not found\n");
    }
}

static void count_stream(void)
{
    unsigned open = atomic_fetch_add(&streams_open, 1) + 1;
    unsigned peak = streams_peak;

    atomic_fetch_add(&streams_total, 1);
    while (open > peak && !atomic_compare_exchange_weak(&streams_peak, &peak, open)) {
    }
}

void routes_on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data)
{
    struct exchange *exchange = must(calloc(1, sizeof(*exchange)));
    halo_bytes value = { 0 };
    char path[256];

    (void)flags;
    (void)user_data;
    count_stream();
    exchange->stream = stream;
    exchange->holds = 1;
    halo_stream_set_callbacks(stream, &plain_callbacks, exchange);
    if (halo_header_find_token(headers, HALO_NAME_EXPECT, &value) != 0 &&
        halo_bytes_equal(value, halo_str("100-continue"))) {
        check("continue", halo_stream_inform(stream, 100, NULL));
    }
    value = (halo_bytes){ 0 };
    (void)halo_header_find_token(headers, HALO_NAME_PATH, &value);
    snprintf(path, sizeof(path), "%.*s", (int)value.len, value.data != NULL ? value.data : "");
    path[strcspn(path, "?")] = '\0';
    route(exchange, path, headers);
}

static void session_closed(halo_session *session, const struct halo_error *error, void *user_data)
{
    (void)session;
    (void)error;
    (void)user_data;
    atomic_fetch_sub(&sessions_open, 1);
}

void routes_on_session(halo_session *session, void *user_data)
{
    static const struct halo_session_callbacks callbacks = { .on_close = session_closed };

    (void)user_data;
    atomic_fetch_add(&sessions_open, 1);
    halo_session_set_callbacks(session, &callbacks, NULL);
}
