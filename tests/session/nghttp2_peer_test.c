/*
 * Sessions of halo and of libnghttp2 back to back in memory, in both roles: requests and responses with
 * bodies, trailers and informational responses, resets from both sides, windows and settings that
 * change, PING, octets that travel in random pieces. Every octet of every body is checked, every
 * exchange must end as it should on both ends, and neither session may find fault with the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halo/session.h>

#include <nghttp2/nghttp2.h>

#include "core/base/base.h"

enum {
    CONNECTIONS = 40,
    EXCHANGES = 100, /* of a connection */
    AT_ONCE = 40,
    ROUNDS_MAX = 200000,
};

/* One request and its response, as both ends see it. */
struct half {
    size_t len; /* of the body */
    size_t sent;
    size_t got;
    bool has_trailers;
    bool trailers_got;
    bool ended; /* END_STREAM arrived */
};

struct exchange {
    uint32_t id;
    struct half request;
    struct half response;
    bool informs;
    bool informed;
    bool started;
    bool answered;    /* by the server */
    bool was_reset;   /* by one of the two, on purpose */
    int closed;       /* how many ends told so */
    int32_t foreign;  /* stream of nghttp2, 0: none */
    halo_stream *own; /* NULL: none */
};

struct pair {
    uint64_t random;
    int role; /* of halo */
    halo_session *own;
    nghttp2_session *foreign;
    uint64_t now_ns;
    struct exchange exchanges[EXCHANGES];
    size_t started;
    size_t over;
    size_t resets;
    size_t mistakes; /* resets of nghttp2's own */
    size_t octets;   /* of bodies */
};

static uint32_t below(struct pair *pair, uint32_t limit)
{
    uint64_t mixed = pair->random += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(((mixed ^ mixed >> 31) >> 32) * limit >> 32);
}

static bool server_is_own(const struct pair *pair)
{
    return pair->role == HALO_SERVER;
}

/* ---- bodies ---------------------------------------------------------------------------- */

static uint8_t octet_of(const struct exchange *exchange, const struct half *half, size_t at)
{
    size_t salt = exchange->id * 31 + (half == &exchange->request ? 7 : 0);

    return (uint8_t)((at * 131 + (at >> 8) * 17 + salt) & 0xff);
}

static void fill(const struct exchange *exchange, struct half *half, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = octet_of(exchange, half, half->sent + i);
    }
    half->sent += len;
}

static void check_body(struct pair *pair, const struct exchange *exchange, struct half *half,
                       const uint8_t *data, size_t len)
{
    assert_true(half->got + len <= half->len);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(data[i], octet_of(exchange, half, half->got + i));
    }
    half->got += len;
    pair->octets += len;
}

static void check_end(struct half *half)
{
    assert_false(half->ended);
    assert_int_equal(half->got, half->len);
    assert_int_equal(half->trailers_got, half->has_trailers);
    half->ended = true;
}

/* One end says that its stream is over: it has sent all of one half and got all of the other. */
static void check_closed(struct pair *pair, struct exchange *exchange, bool at_server,
                         uint32_t code)
{
    struct half *received = at_server ? &exchange->request : &exchange->response;
    struct half *sent = at_server ? &exchange->response : &exchange->request;

    if (!exchange->was_reset) {
        assert_int_equal(code, 0);
        assert_true(received->ended);
        assert_int_equal(sent->sent, sent->len);
        assert_true(at_server || exchange->informed == exchange->informs);
    }
    exchange->closed++;
    assert_true(exchange->closed <= 2);
    pair->over += exchange->closed == 2;
}

static struct exchange *exchange_of(struct pair *pair, const char *text, size_t len)
{
    char number[12] = "";

    assert_true(len > 0 && len < sizeof(number));
    memcpy(number, text, len);
    assert_true((size_t)atoi(number) < EXCHANGES);
    return &pair->exchanges[atoi(number)];
}

/* ---- halo's end ------------------------------------------------------------------------ */

static const halo_header own_trailers[] = {
    { .name = HALO_LIT("x-checksum"), .value = HALO_LIT("0123456789abcdef") },
};

struct own_source {
    struct pair *pair;
    struct exchange *exchange;
    struct half *half;
};

static int read_source(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct own_source *source = ctx;
    size_t left = source->half->len - source->half->sent;

    *len = min_size(min_size(cap, left), 1 + below(source->pair, 20000));
    fill(source->exchange, source->half, out, *len);
    *end = *len == left;
    return 0;
}

static void send_own_body(struct pair *pair, struct exchange *exchange, struct half *half)
{
    halo_headers trailers = { .fields = own_trailers, .count = 1 };
    unsigned end = half->has_trailers ? 0 : HALO_END_STREAM;

    if (below(pair, 2) == 0) {
        struct own_source *context = malloc(sizeof(*context));
        struct halo_source source = { read_source, free, context };

        assert_non_null(context);
        *context = (struct own_source){ pair, exchange, half };
        assert_int_equal(
            halo_stream_set_source(exchange->own, &source, end != 0 ? 0 : HALO_WAIT_FOR_TRAILERS),
            0);
        return;
    }
    while (half->sent < half->len) {
        size_t len = min_size(half->len - half->sent, 1 + below(pair, 30000));
        bool last = half->sent + len == half->len;
        uint8_t *piece = malloc(len);

        assert_non_null(piece);
        fill(exchange, half, piece, len);
        if (below(pair, 2) == 0) {
            assert_int_equal(halo_stream_write(exchange->own, piece, len, last ? end : 0), 0);
            free(piece);
        } else {
            assert_int_equal(
                halo_stream_write_borrow(exchange->own, piece, len, last ? end : 0, free, piece),
                0);
        }
    }
    if (half->has_trailers) {
        assert_int_equal(halo_stream_trailers(exchange->own, &trailers), 0);
    } else if (half->len == 0) {
        assert_int_equal(halo_stream_end(exchange->own), 0);
    }
}

static void own_respond(struct pair *pair, struct exchange *exchange)
{
    const halo_header fields[] = {
        { .name = HALO_LIT("server"), .value = HALO_LIT("halo") },
        { .name = HALO_LIT("content-type"), .value = HALO_LIT("application/octet-stream") },
    };
    halo_headers headers = { .fields = fields, .count = below(pair, 3) };

    if (exchange->informs) {
        assert_int_equal(halo_stream_inform(exchange->own, 103, &headers), 0);
    }
    exchange->answered = true;
    assert_int_equal(halo_stream_respond(exchange->own, 200, &headers, 0), 0);
    send_own_body(pair, exchange, &exchange->response);
}

static void own_request(struct pair *pair, struct exchange *exchange)
{
    char number[12];
    halo_header fields[] = {
        { .name = HALO_LIT("x-id") },
        { .name = HALO_LIT("user-agent"), .value = HALO_LIT("halo") },
    };
    struct halo_request request = {
        .method = HALO_LIT("POST"),
        .authority = HALO_LIT("example.org"),
        .headers = { .fields = fields, .count = 2 },
    };

    snprintf(number, sizeof(number), "%u", (unsigned)exchange->id);
    fields[0].value = halo_str(number);
    assert_int_equal(halo_session_request(pair->own, &request, 0, exchange, &exchange->own), 0);
    send_own_body(pair, exchange, &exchange->request);
}

static void on_own_headers(struct pair *pair, const struct halo_event *event)
{
    struct exchange *exchange = halo_stream_user_data(event->stream);
    halo_header_list list = { event->u.headers.fields, event->u.headers.count };
    halo_bytes value;

    switch (event->type) {
    case HALO_EVENT_REQUEST:
        assert_int_equal(halo_header_find(list, halo_str("x-id"), &value), 1);
        exchange = exchange_of(pair, value.data, value.len);
        halo_stream_set_user_data(event->stream, exchange);
        exchange->own = event->stream;
        if (below(pair, 2) == 0) {
            own_respond(pair, exchange);
        }
        break;
    case HALO_EVENT_INFORMATION:
        assert_int_equal(event->u.headers.status, 103);
        exchange->informed = true;
        break;
    case HALO_EVENT_RESPONSE:
        assert_int_equal(event->u.headers.status, 200);
        break;
    default:
        assert_int_equal(halo_header_find(list, halo_str("x-checksum"), &value), 1);
        (server_is_own(pair) ? &exchange->request : &exchange->response)->trailers_got = true;
        break;
    }
}

static void on_own_event(struct pair *pair, const struct halo_event *event)
{
    struct exchange *exchange = event->stream != NULL ? halo_stream_user_data(event->stream) : NULL;
    halo_headers trailers = { .fields = own_trailers, .count = 1 };

    switch (event->type) {
    case HALO_EVENT_REQUEST:
    case HALO_EVENT_RESPONSE:
    case HALO_EVENT_INFORMATION:
    case HALO_EVENT_TRAILERS:
        on_own_headers(pair, event);
        exchange = halo_stream_user_data(event->stream);
        break;
    case HALO_EVENT_DATA:
        check_body(pair, exchange, server_is_own(pair) ? &exchange->request : &exchange->response,
                   event->u.data.data, event->u.data.len);
        break;
    case HALO_EVENT_WANT_TRAILERS:
        assert_int_equal(halo_stream_trailers(event->stream, &trailers), 0);
        return;
    case HALO_EVENT_STREAM_CLOSED:
        check_closed(pair, exchange, server_is_own(pair),
                     event->u.closed != NULL ? event->u.closed->code : 0);
        exchange->own = NULL;
        return;
    case HALO_EVENT_GOAWAY:
    case HALO_EVENT_SESSION_CLOSED:
        fail_msg("halo's session ended: %s",
                 event->type == HALO_EVENT_SESSION_CLOSED && event->u.closed != NULL
                     ? event->u.closed->reason
                     : "GOAWAY");
        return;
    default:
        return;
    }
    if ((event->flags & HALO_END_STREAM) != 0) {
        check_end(server_is_own(pair) ? &exchange->request : &exchange->response);
        if (server_is_own(pair) && !exchange->answered && !halo_stream_is_closed(event->stream)) {
            own_respond(pair, exchange);
        }
    }
}

static void poll_own(struct pair *pair)
{
    struct halo_event event;

    while (halo_session_poll(pair->own, &event) != 0) {
        on_own_event(pair, &event);
    }
}

/* ---- nghttp2's end --------------------------------------------------------------------- */

static nghttp2_nv foreign_field(const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                         NGHTTP2_NV_FLAG_NONE };
}

/* The half that nghttp2 sends. */
static struct half *foreign_half(const struct pair *pair, struct exchange *exchange)
{
    return server_is_own(pair) ? &exchange->request : &exchange->response;
}

static ssize_t read_foreign_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t cap,
                                 uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    struct pair *pair = user_data;
    struct exchange *exchange = source->ptr;
    struct half *half = foreign_half(pair, exchange);
    size_t len = min_size(min_size(cap, half->len - half->sent), 1 + below(pair, 20000));

    fill(exchange, half, out, len);
    if (half->sent == half->len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (half->has_trailers) {
            nghttp2_nv field = foreign_field("x-checksum", "abc");

            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            assert_int_equal(nghttp2_submit_trailer(session, id, &field, 1), 0);
        }
    }
    return (ssize_t)len;
}

static void foreign_respond(struct pair *pair, struct exchange *exchange)
{
    nghttp2_nv fields[] = { foreign_field(":status", "200"), foreign_field("server", "nghttp2") };
    nghttp2_nv early = foreign_field(":status", "103");
    nghttp2_data_provider provider = { .source = { .ptr = exchange },
                                       .read_callback = read_foreign_body };

    if (exchange->informs) {
        assert_int_equal(nghttp2_submit_headers(pair->foreign, NGHTTP2_FLAG_NONE, exchange->foreign,
                                                NULL, &early, 1, NULL),
                         0);
    }
    exchange->answered = true;
    assert_int_equal(
        nghttp2_submit_response(pair->foreign, exchange->foreign, fields, 2, &provider), 0);
}

static void foreign_request(struct pair *pair, struct exchange *exchange)
{
    char number[12];
    nghttp2_data_provider provider = { .source = { .ptr = exchange },
                                       .read_callback = read_foreign_body };

    snprintf(number, sizeof(number), "%u", (unsigned)exchange->id);
    {
        nghttp2_nv fields[] = {
            foreign_field(":method", "POST"),
            foreign_field(":scheme", "https"),
            foreign_field(":authority", "example.org"),
            foreign_field(":path", "/"),
            foreign_field("x-id", number),
        };

        exchange->foreign =
            nghttp2_submit_request(pair->foreign, NULL, fields, 5, &provider, exchange);
        assert_true(exchange->foreign > 0);
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    struct pair *pair = user_data;
    struct exchange *exchange;

    (void)flags;
    if (name_len == 4 && memcmp(name, "x-id", 4) == 0) {
        exchange = exchange_of(pair, (const char *)value, value_len);
        exchange->foreign = frame->hd.stream_id;
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
    }
    exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (name_len == 10 && memcmp(name, "x-checksum", 10) == 0) {
        (server_is_own(pair) ? &exchange->response : &exchange->request)->trailers_got = true;
    }
    if (name_len == 7 && memcmp(name, ":status", 7) == 0 && memcmp(value, "103", 3) == 0) {
        exchange->informed = true;
    }
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                    size_t len, void *user_data)
{
    struct pair *pair = user_data;
    struct exchange *exchange = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    check_body(pair, exchange, server_is_own(pair) ? &exchange->response : &exchange->request, data,
               len);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct pair *pair = user_data;
    struct exchange *exchange;

    assert_int_not_equal(frame->hd.type, NGHTTP2_GOAWAY);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!server_is_own(pair) && !exchange->answered && below(pair, 3) == 0) {
        foreign_respond(pair, exchange);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        check_end(server_is_own(pair) ? &exchange->response : &exchange->request);
        if (!server_is_own(pair) && !exchange->answered) {
            foreign_respond(pair, exchange);
        }
    }
    return 0;
}

/* nghttp2 makes its window of a stream smaller while a WINDOW_UPDATE for it is queued, and when that
 * is sent, finds more received than the window has and resets the stream, though nothing came
 * meanwhile (its session_after_frame_sent1()). */
static bool is_reset_by_mistake(nghttp2_session *session, int32_t id, uint32_t code)
{
    return code == NGHTTP2_FLOW_CONTROL_ERROR &&
           nghttp2_session_get_stream_effective_recv_data_length(session, id) >
               nghttp2_session_get_stream_effective_local_window_size(session, id);
}

static int on_foreign_close(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct exchange *exchange = nghttp2_session_get_stream_user_data(session, id);
    struct pair *pair = user_data;

    if (exchange != NULL) {
        exchange->foreign = 0;
        if (is_reset_by_mistake(session, id, code)) {
            exchange->was_reset = true;
            pair->mistakes++;
        }
        check_closed(pair, exchange, !server_is_own(pair), code);
    }
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int code,
                      void *user_data)
{
    (void)session;
    (void)user_data;
    fail_msg("nghttp2 does not like a frame of type %d: %s", frame->hd.type,
             nghttp2_strerror(code));
    return 0;
}

/* ---- the pair -------------------------------------------------------------------------- */

static void make_pair(struct pair *pair, int role, uint64_t seed)
{
    nghttp2_session_callbacks *callbacks;
    struct halo_session_options options;
    nghttp2_settings_entry entries[3];

    *pair = (struct pair){ .random = seed, .role = role, .now_ns = 1 };
    halo_session_options_init(&options, role);
    options.settings.initial_window_size = 1000 + below(pair, 100000);
    options.settings.max_frame_size = 16384 + below(pair, 3) * 10000;
    options.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE) |
                                HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_FRAME_SIZE);
    options.connection_window_size = 65535 + below(pair, 200000);
    assert_int_equal(halo_session_new(&pair->own, &options, pair->now_ns), 0);

    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_foreign_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    assert_int_equal(role == HALO_SERVER
                         ? nghttp2_session_client_new(&pair->foreign, callbacks, pair)
                         : nghttp2_session_server_new(&pair->foreign, callbacks, pair),
                     0);
    nghttp2_session_callbacks_del(callbacks);
    entries[0] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                           1000 + below(pair, 100000) };
    entries[1] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, below(pair, 6000) };
    entries[2] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100 };
    assert_int_equal(nghttp2_submit_settings(pair->foreign, NGHTTP2_FLAG_NONE, entries, 3), 0);
    for (uint32_t i = 0; i < EXCHANGES; i++) {
        struct exchange *exchange = &pair->exchanges[i];

        exchange->id = i;
        exchange->request.len = below(pair, 3) == 0 ? 0 : below(pair, 1u << below(pair, 18));
        exchange->response.len = below(pair, 4) == 0 ? 0 : below(pair, 1u << below(pair, 18));
        exchange->request.has_trailers = below(pair, 4) == 0;
        exchange->response.has_trailers = below(pair, 4) == 0;
        exchange->informs = below(pair, 6) == 0;
    }
}

static void start_exchange(struct pair *pair)
{
    struct exchange *exchange = &pair->exchanges[pair->started++];

    exchange->started = true;
    if (server_is_own(pair)) {
        foreign_request(pair, exchange);
    } else {
        own_request(pair, exchange);
    }
}

static void reset_one(struct pair *pair)
{
    struct exchange *exchange = &pair->exchanges[below(pair, (uint32_t)pair->started)];

    /* A request that only waits to be sent, at either end, is over without the other having known. */
    if (exchange->own == NULL || exchange->foreign == 0 || exchange->was_reset ||
        halo_stream_is_closed(exchange->own)) {
        return;
    }
    exchange->was_reset = true;
    pair->resets++;
    if (below(pair, 2) == 0) {
        assert_int_equal(halo_stream_reset(exchange->own, HALO_CANCEL), 0);
    } else {
        assert_int_equal(nghttp2_submit_rst_stream(pair->foreign, NGHTTP2_FLAG_NONE,
                                                   exchange->foreign, NGHTTP2_CANCEL),
                         0);
    }
}

static void disturb(struct pair *pair)
{
    nghttp2_settings_entry entries[2] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 100 + below(pair, 200000) },
        { NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, below(pair, 6000) },
    };
    struct halo_settings settings;

    switch (below(pair, 100)) {
    case 0: /* the budget of SETTINGS is 20 and one a second */
        if (below(pair, 4) == 0) {
            assert_int_equal(nghttp2_submit_settings(pair->foreign, NGHTTP2_FLAG_NONE, entries, 2),
                             0);
        }
        break;
    case 1:
        halo_settings_default(&settings);
        settings.initial_window_size = 100 + below(pair, 200000);
        settings.header_table_size = below(pair, 6000);
        settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE) |
                           HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE);
        (void)halo_session_settings(pair->own, &settings);
        break;
    case 2:
        (void)halo_session_ping(pair->own, NULL);
        break;
    case 3:
        assert_int_equal(nghttp2_submit_ping(pair->foreign, NGHTTP2_FLAG_NONE, NULL), 0);
        break;
    case 4:
        assert_int_equal(halo_session_set_window(pair->own, 65535 + below(pair, 200000)), 0);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
        if (pair->started > 0) {
            reset_one(pair);
        }
        break;
    default:
        break;
    }
}

static void own_to_foreign(struct pair *pair)
{
    struct iovec iov[8];
    size_t limit = 1 + below(pair, 1u << below(pair, 17));
    int count = halo_session_pull(pair->own, iov, 8, limit);
    size_t sent = 0;

    for (int i = 0; i < count && sent < limit; i++) {
        size_t len = min_size(iov[i].iov_len, limit - sent);
        ssize_t taken = nghttp2_session_mem_recv(pair->foreign, iov[i].iov_base, len);

        assert_int_equal(taken, len);
        sent += len;
    }
    halo_session_sent(pair->own, sent);
}

static void foreign_to_own(struct pair *pair)
{
    const uint8_t *data;
    ssize_t len = nghttp2_session_mem_send(pair->foreign, &data);

    assert_true(len >= 0);
    while (len > 0) {
        size_t piece = min_size((size_t)len, 1 + below(pair, 1u << below(pair, 15)));

        assert_int_equal(halo_session_recv(pair->own, data, piece, pair->now_ns), 0);
        poll_own(pair);
        data += piece;
        len -= (ssize_t)piece;
    }
}

static void run(int role, uint64_t seed, size_t *octets, size_t *resets)
{
    static struct pair pair;
    int rounds = 0;

    make_pair(&pair, role, seed);
    while (pair.over < EXCHANGES) {
        assert_true(++rounds < ROUNDS_MAX);
        if (pair.started < EXCHANGES && pair.started - pair.over < AT_ONCE &&
            below(&pair, 2) == 0) {
            start_exchange(&pair);
        }
        disturb(&pair);
        own_to_foreign(&pair);
        poll_own(&pair);
        foreign_to_own(&pair);
        poll_own(&pair);
        pair.now_ns += 20000000;
        halo_session_tick(pair.own, pair.now_ns);
        poll_own(&pair);
    }
    *octets += pair.octets;
    *resets += pair.resets;
    assert_true(pair.mistakes <= 3);
    nghttp2_session_del(pair.foreign);
    halo_session_free(pair.own);
}

static void run_all(int role)
{
    size_t octets = 0;
    size_t resets = 0;

    for (uint64_t seed = 1; seed <= CONNECTIONS; seed++) {
        run(role, seed * 977 + (uint64_t)role, &octets, &resets);
    }
    print_message("%d exchanges, %zu octets of bodies, %zu resets\n", CONNECTIONS * EXCHANGES,
                  octets, resets);
    assert_true(octets > 10000000 && resets > 100);
}

static void test_server_against_nghttp2_client(void **state)
{
    (void)state;
    run_all(HALO_SERVER);
}

static void test_client_against_nghttp2_server(void **state)
{
    (void)state;
    run_all(HALO_CLIENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_against_nghttp2_client),
        cmocka_unit_test(test_client_against_nghttp2_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
