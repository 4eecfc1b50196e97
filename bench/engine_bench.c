/*
 * The engine alone: a server session without sockets, beside libnghttp2 doing the same work.
 *
 *     engine_bench halo|halo-set|halo-set-all|nghttp2 BATCHES [BATCHES-BEFORE]
 *
 * A client (libnghttp2's) puts 32 requests into one piece of octets, the server under test takes it
 * in, answers each request with status 200, five fields and 13 octets, and hands out what there is to
 * send; the client takes that in and checks every response. Client and checks run in between and are
 * not counted: callgrind collects only between measure_begin() and measure_end(), and so does the
 * clock. The first batches (BATCHES-BEFORE, default 64) warm up tables, slabs and caches; with
 * valgrind's --instr-atstart=no they run at nearly full speed.
 *
 *   halo          the five fields as a plain list
 *   halo-set      four of them as a prepared header set, and date as a plain field
 *   halo-set-all  all of them as a prepared header set, which a server makes anew when the date changes
 *   nghttp2       names and values without copies (NGHTTP2_NV_FLAG_NO_COPY_*), its fastest way
 *
 * Prints: requests measured, nanoseconds per request, octets in and out per request.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nghttp2/nghttp2.h>
#include <valgrind/callgrind.h>

#include <halo/halo.h>

enum {
    BATCH = 32,
    WARM_UP_BATCHES = 64,
    BATCHES_MAX = 10 * 1000 * 1000, /* counters of 32 bits do for twice of them */
    PIECE_MAX = 64 * 1024,
    BODY_LEN = 13,
    RESPONSE_FIELDS = 5,
    WINDOW = (1 << 30) - 1, /* what h2load offers */
};

static const uint8_t body[BODY_LEN + 1] = "Hello, world\n";

struct field {
    const char *name;
    const char *value;
};

/* Those of h2load, in its order. */
static const struct field request_fields[] = {
    { ":path", "/" },
    { ":scheme", "http" },
    { ":authority", "127.0.0.1:8080" },
    { ":method", "GET" },
    { "user-agent", "h2load nghttp2/1.52.0" },
};

static const struct field response_fields[RESPONSE_FIELDS] = {
    { "content-type", "text/html; charset=utf-8" },       { "content-length", "13" },
    { "last-modified", "Tue, 04 Oct 2022 12:00:00 GMT" }, { "etag", "\"633c1e40-d\"" },
    { "date", "Sat, 22 Nov 2025 18:00:00 GMT" },
};

static void require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "engine_bench: %s\n", what);
        exit(1);
    }
}

/* ---- what is counted ------------------------------------------------------------------------ */

static uint64_t measured_ns;
static uint64_t began_ns;
static uint64_t clock_ns_now;

static uint64_t clock_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void measure_begin(int counted)
{
    began_ns = clock_ns();
    clock_ns_now = began_ns;
    if (counted) {
        CALLGRIND_TOGGLE_COLLECT;
    }
}

static void measure_end(int counted)
{
    if (counted) {
        CALLGRIND_TOGGLE_COLLECT;
        measured_ns += clock_ns() - began_ns;
    }
}

/* ---- octets on their way ---------------------------------------------------------------------- */

struct piece {
    size_t len;
    uint8_t octets[PIECE_MAX];
};

static void piece_add(struct piece *piece, const void *octets, size_t len)
{
    require(len <= PIECE_MAX - piece->len, "a piece is too long");
    memcpy(piece->octets + piece->len, octets, len);
    piece->len += len;
}

static nghttp2_nv field_nv(const struct field *field)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)field->name,
        .value = (uint8_t *)(uintptr_t)field->value,
        .namelen = strlen(field->name),
        .valuelen = strlen(field->value),
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

/* ---- the client, which checks ----------------------------------------------------------------- */

struct client {
    nghttp2_session *session;
    nghttp2_nv request[5];
    uint32_t fields;    /* of responses, :status among them */
    uint64_t octets;    /* of bodies */
    uint32_t responses; /* complete ones */
};

static int client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                         void *user_data)
{
    struct client *client = user_data;
    const struct field status = { ":status", "200" };
    const struct field *wanted = &status;

    (void)session;
    (void)frame;
    (void)flags;
    if (client->fields % (RESPONSE_FIELDS + 1) != 0) {
        wanted = &response_fields[client->fields % (RESPONSE_FIELDS + 1) - 1];
    }
    require(name_len == strlen(wanted->name) && memcmp(name, wanted->name, name_len) == 0 &&
                value_len == strlen(wanted->value) && memcmp(value, wanted->value, value_len) == 0,
            "a response has other fields than it should");
    client->fields++;
    return 0;
}

static int client_data(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                       const uint8_t *data, size_t len, void *user_data)
{
    struct client *client = user_data;

    (void)session;
    (void)flags;
    (void)stream_id;
    require(len == BODY_LEN && memcmp(data, body, BODY_LEN) == 0, "a response has another body");
    client->octets += len;
    return 0;
}

static int client_closed(nghttp2_session *session, int32_t stream_id, uint32_t code,
                         void *user_data)
{
    struct client *client = user_data;

    (void)session;
    (void)stream_id;
    require(code == NGHTTP2_NO_ERROR, "a stream was reset");
    client->responses++;
    return 0;
}

static void client_init(struct client *client)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
    };
    nghttp2_session_callbacks *callbacks;

    *client = (struct client){ 0 };
    for (size_t i = 0; i < 5; i++) {
        client->request[i] = field_nv(&request_fields[i]);
    }
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_closed);
    nghttp2_session_client_new(&client->session, callbacks, client);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

static void client_requests(struct client *client, struct piece *out)
{
    const uint8_t *octets;
    ssize_t len;

    for (int i = 0; i < BATCH; i++) {
        nghttp2_submit_request(client->session, NULL, client->request, 5, NULL, NULL);
    }
    out->len = 0;
    while ((len = nghttp2_session_mem_send(client->session, &octets)) > 0) {
        piece_add(out, octets, (size_t)len);
    }
}

static void client_responses(struct client *client, const struct piece *in)
{
    uint32_t before = client->responses;
    ssize_t len = nghttp2_session_mem_recv(client->session, in->octets, in->len);

    require(len == (ssize_t)in->len, "the client does not understand the server");
    require(client->responses == before + BATCH, "not every request was answered");
    require(client->fields == client->responses * (RESPONSE_FIELDS + 1), "a field is missing");
    require(client->octets == (uint64_t)client->responses * BODY_LEN, "a body is missing");
}

/* ---- halo ------------------------------------------------------------------------------------- */

struct halo_server_side {
    halo_session *session;
    halo_header_set *set;
    halo_header fields[RESPONSE_FIELDS];
    halo_headers headers;
};

static void halo_start(struct halo_server_side *server, size_t prepared)
{
    struct halo_session_options options;

    for (size_t i = 0; i < RESPONSE_FIELDS; i++) {
        server->fields[i] = (halo_header){ .name = halo_str(response_fields[i].name),
                                           .value = halo_str(response_fields[i].value) };
    }
    server->headers = (halo_headers){ .fields = server->fields, .count = RESPONSE_FIELDS };
    if (prepared > 0) {
        require(halo_header_set_new(&server->set, server->fields, prepared) == 0, "no set");
        server->headers =
            (halo_headers){ server->set, &server->fields[prepared], RESPONSE_FIELDS - prepared };
    }
    halo_session_options_init(&options, HALO_SERVER);
    require(halo_session_new(&server->session, &options, clock_ns()) == 0, "no session");
}

static void halo_answer(struct halo_server_side *server, halo_stream *stream)
{
    require(halo_stream_respond(stream, 200, &server->headers, 0) == 0 &&
                halo_stream_write(stream, body, BODY_LEN, HALO_END_STREAM) == 0,
            "halo refused a response");
}

/* The driver's part as core/conn does it: in, events, out. The octets stay halo's until sent(). */
static void halo_serve(void *state, const struct piece *in, struct piece *out, int counted)
{
    struct halo_server_side *server = state;
    struct halo_event event;
    struct iovec iov[8];
    int count;

    measure_begin(counted);
    halo_session_recv(server->session, in->octets, in->len, clock_ns_now);
    while (halo_session_poll(server->session, &event)) {
        if (event.type == HALO_EVENT_REQUEST) {
            halo_answer(server, event.stream);
        }
    }
    count = halo_session_pull(server->session, iov, 8, SIZE_MAX);
    measure_end(counted);
    out->len = 0;
    for (int i = 0; i < count; i++) {
        piece_add(out, iov[i].iov_base, iov[i].iov_len);
    }
    measure_begin(counted);
    halo_session_sent(server->session, out->len);
    measure_end(counted);
}

/* ---- libnghttp2 ------------------------------------------------------------------------------- */

struct nghttp2_side {
    nghttp2_session *session;
    nghttp2_nv response[RESPONSE_FIELDS + 1];
};

static ssize_t nghttp2_body(nghttp2_session *session, int32_t stream_id, uint8_t *out, size_t cap,
                            uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)stream_id;
    (void)cap;
    (void)source;
    (void)user_data;
    memcpy(out, body, BODY_LEN);
    *flags = NGHTTP2_DATA_FLAG_EOF;
    return BODY_LEN;
}

static int nghttp2_frame_received(nghttp2_session *session, const nghttp2_frame *frame,
                                  void *user_data)
{
    struct nghttp2_side *server = user_data;
    const nghttp2_data_provider provider = { .read_callback = nghttp2_body };

    if (frame->hd.type == NGHTTP2_HEADERS) {
        require(nghttp2_submit_response(session, frame->hd.stream_id, server->response,
                                        RESPONSE_FIELDS + 1, &provider) == 0,
                "libnghttp2 refused a response");
    }
    return 0;
}

static int nghttp2_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                         size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                         void *user_data)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)user_data;
    return 0;
}

static void nghttp2_start(struct nghttp2_side *server)
{
    const struct field status = { ":status", "200" };
    const nghttp2_settings_entry settings = { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 128 };
    nghttp2_session_callbacks *callbacks;

    server->response[0] = field_nv(&status);
    for (size_t i = 0; i < RESPONSE_FIELDS; i++) {
        server->response[i + 1] = field_nv(&response_fields[i]);
    }
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, nghttp2_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, nghttp2_frame_received);
    nghttp2_session_server_new(&server->session, callbacks, server);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(server->session, NGHTTP2_FLAG_NONE, &settings, 1);
}

/* What mem_send hands out is valid until its next call: the copy is part of using it. */
static void nghttp2_serve(void *state, const struct piece *in, struct piece *out, int counted)
{
    struct nghttp2_side *server = state;
    const uint8_t *octets;
    ssize_t len;

    out->len = 0;
    measure_begin(counted);
    len = nghttp2_session_mem_recv(server->session, in->octets, in->len);
    require(len == (ssize_t)in->len, "libnghttp2 does not understand the client");
    while ((len = nghttp2_session_mem_send(server->session, &octets)) > 0) {
        piece_add(out, octets, (size_t)len);
    }
    measure_end(counted);
}

/* ---- the run ------------------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
    static struct piece in;
    static struct piece out;
    struct halo_server_side halo = { 0 };
    struct nghttp2_side nghttp2 = { 0 };
    void (*serve)(void *, const struct piece *, struct piece *, int) = halo_serve;
    void *state = &halo;
    struct client client;
    int batches;
    int before;

    if (argc < 3 || argc > 4 || (batches = atoi(argv[2])) < 1 ||
        (before = argc == 4 ? atoi(argv[3]) : WARM_UP_BATCHES) < 1 || before > BATCHES_MAX ||
        batches > BATCHES_MAX) {
        fprintf(stderr,
                "usage: engine_bench halo|halo-set|halo-set-all|nghttp2 BATCHES [BEFORE]\n");
        return 2;
    }
    if (strcmp(argv[1], "nghttp2") == 0) {
        nghttp2_start(&nghttp2);
        serve = nghttp2_serve;
        state = &nghttp2;
    } else if (strcmp(argv[1], "halo-set") == 0) {
        halo_start(&halo, RESPONSE_FIELDS - 1);
    } else {
        halo_start(&halo, strcmp(argv[1], "halo-set-all") == 0 ? RESPONSE_FIELDS : 0);
    }
    client_init(&client);
    for (int i = 0; i < before + batches; i++) {
        if (i == before) {
            CALLGRIND_START_INSTRUMENTATION;
        }
        client_requests(&client, &in);
        serve(state, &in, &out, i >= before);
        client_responses(&client, &out);
    }
    printf("%d %.1f %.1f %.1f\n", batches * BATCH, (double)measured_ns / ((double)batches * BATCH),
           (double)in.len / BATCH, (double)out.len / BATCH);
    nghttp2_session_del(client.session);
    nghttp2_session_del(nghttp2.session);
    halo_session_free(halo.session);
    halo_header_set_free(halo.set);
    return 0;
}
