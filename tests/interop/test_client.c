/*
 * The client that tests send to other servers: many requests at once, trailers, 1xx, cancels and uploads,
 * on the public headers alone. halo-get does what users do; this does what they seldom do.
 *
 *   test_client [option...] URL
 *     --cacert FILE      trust these certificates
 *     --count N          requests in all, on each connection (default 1)
 *     --sequence         one after the other instead of all at once
 *     --connections N    as many connections at once (default 1)
 *     --method M         default GET, or POST with a body
 *     --body N           N octets of the pattern as body, from a source
 *     --trailers         with x-sum and x-more behind the body
 *     --expect           the body goes when 100 has come
 *     --field NAME=VALUE another field; repeatable
 *     --cancel-after N   cancel each request when N octets have come, and make one last whole one
 *     --text             print bodies
 *     --trace            a line on stderr for each frame
 *     --report           "received" when the first octets of a body have come
 *
 * Prints what comes ("information", "status", "trailer", "body SHA LENGTH", for the first few requests) and last "N
 * complete, N cancelled, N failed". Status 0 when nothing failed.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halo/halo.h>

#include "pattern.h"
#include "sha256.h"

enum {
    FIELDS_MAX = 64,
    /* Of more requests only the sums are of interest. */
    TELL_MAX = 10,
};

struct plan {
    const char *url;
    const char *ca_file;
    const char *method;
    uint64_t body;
    uint64_t cancel_after;
    uint32_t count;
    uint32_t connections;
    bool sequence;
    bool trailers;
    bool expect;
    bool has_body;
    bool text;
    bool report;
    bool trace;
    halo_header fields[FIELDS_MAX];
    size_t field_count;
};

static struct plan plan = { .count = 1, .connections = 1 };
static uint32_t complete;
static uint32_t cancelled;
static uint32_t failed;

struct peer {
    halo_client *client;
    uint32_t started;
    uint32_t ended;
    bool last_made; /* the whole request after the cancelled ones */
};

struct transfer {
    struct peer *peer;
    struct sha256 hash;
    uint64_t sent;
    uint64_t received;
    int status;
    bool tell;
    bool whole;
    bool cancelled;
};

static void start_transfer(struct peer *peer);

static void die(const char *what, const char *why)
{
    fprintf(stderr, "test_client: %s: %s\n", what, why);
    exit(2);
}

static void check(const char *what, int status)
{
    if (status != 0) {
        die(what, halo_status_text(status));
    }
}

/* ---- what is sent ----------------------------------------------------------------------- */

static int read_body(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct transfer *transfer = ctx;
    uint64_t left = plan.body - transfer->sent;
    size_t part = cap < PATTERN_RUN ? cap : PATTERN_RUN;

    part = left < part ? (size_t)left : part;
    memcpy(out, pattern_at(transfer->sent), part);
    transfer->sent += part;
    *len = part;
    *end = transfer->sent == plan.body;
    return 0;
}

static void send_body(halo_stream *stream, struct transfer *transfer)
{
    const struct halo_source source = { .read = read_body, .ctx = transfer };

    check("body",
          halo_stream_set_source(stream, &source, plan.trailers ? HALO_WAIT_FOR_TRAILERS : 0));
}

static void on_want_trailers(halo_stream *stream, void *user_data)
{
    const halo_header fields[] = {
        { HALO_LIT("x-sum"), HALO_LIT("abc"), 0, 0, 0 },
        { HALO_LIT("x-more"), HALO_LIT("d e f"), 0, 0, 0 },
    };
    const halo_headers trailers = { .fields = fields, .count = 2 };

    (void)user_data;
    check("trailers", halo_stream_trailers(stream, &trailers));
}

/* ---- what comes ------------------------------------------------------------------------- */

static void print_fields(const char *what, halo_header_list list)
{
    for (size_t i = 0; i < list.count; i++) {
        const halo_header *one = &list.fields[i];

        printf("%s %.*s: %.*s\n", what, (int)one->name.len, one->name.data, (int)one->value.len,
               one->value.data);
    }
}

static void on_information(halo_stream *stream, int status, halo_header_list headers,
                           void *user_data)
{
    struct transfer *transfer = user_data;

    if (transfer->tell) {
        printf("information %d\n", status);
        print_fields("information", headers);
    }
    if (status == 100 && plan.expect) {
        send_body(stream, transfer);
    }
}

static void on_response(halo_stream *stream, int status, halo_header_list headers, unsigned flags,
                        void *user_data)
{
    struct transfer *transfer = user_data;

    (void)stream;
    (void)flags;
    transfer->status = status;
    if (transfer->tell) {
        printf("status %d\n", status);
        print_fields("field", headers);
    }
}

static void on_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    struct transfer *transfer = user_data;

    if (plan.report && transfer->received == 0) {
        printf("received\n");
        fflush(stdout);
    }
    sha256_add(&transfer->hash, data, len);
    transfer->received += len;
    if (plan.text) {
        fwrite(data, 1, len, stdout);
    }
    if (plan.cancel_after > 0 && !transfer->whole && transfer->received >= plan.cancel_after) {
        transfer->cancelled = true;
        check("cancel", halo_stream_reset(stream, HALO_CANCEL));
    }
}

static void on_trailers(halo_stream *stream, halo_header_list trailers, void *user_data)
{
    struct transfer *transfer = user_data;

    (void)stream;
    if (transfer->tell) {
        print_fields("trailer", trailers);
    }
}

static void print_end(struct transfer *transfer, const struct halo_error *error)
{
    char hex[SHA256_HEX_SIZE];

    if (error != NULL && !transfer->cancelled) {
        printf("error %s %s processed=%d: %s\n", halo_status_name(error->status),
               halo_code_name(error->code), error->processed, error->reason);
    } else if (error == NULL) {
        sha256_hex(&transfer->hash, hex);
        printf("body %s %" PRIu64 "\n", hex, transfer->received);
    }
}

static void on_close(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    struct transfer *transfer = user_data;
    struct peer *peer = transfer->peer;

    (void)stream;
    complete += error == NULL;
    cancelled += error != NULL && transfer->cancelled;
    failed += error != NULL && !transfer->cancelled;
    if (transfer->tell) {
        print_end(transfer, error);
    }
    free(transfer);
    peer->ended++;
    if (plan.sequence && peer->started < plan.count) {
        start_transfer(peer);
    } else if (peer->ended == peer->started && plan.cancel_after > 0 && !peer->last_made) {
        peer->last_made = true;
        start_transfer(peer);
    } else if (peer->ended == peer->started) {
        halo_client_close(peer->client);
    }
}

static const struct halo_stream_callbacks callbacks = {
    .on_response = on_response,
    .on_information = on_information,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_want_trailers = on_want_trailers,
    .on_close = on_close,
};

/* ---- requests and connections ----------------------------------------------------------- */

static void start_transfer(struct peer *peer)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    struct halo_request request = { 0 };
    struct halo_url url;
    halo_stream *stream;
    int status;

    if (transfer == NULL) {
        die("start", "out of memory");
    }
    check(plan.url, halo_url_parse(&url, plan.url));
    transfer->peer = peer;
    transfer->tell = peer->started < TELL_MAX && plan.connections == 1;
    transfer->whole = peer->last_made;
    sha256_init(&transfer->hash);
    /* The request after the cancelled ones must not be as long as they were. */
    request.path = peer->last_made ? halo_str("/") : url.path;
    request.method = halo_str(plan.method != NULL ? plan.method : plan.has_body ? "POST" : "GET");
    request.headers = (halo_headers){ .fields = plan.fields, .count = plan.field_count };
    peer->started++;
    status = halo_client_request(peer->client, &request, plan.has_body ? 0 : HALO_END_STREAM,
                                 &callbacks, transfer, &stream);
    if (status != 0) {
        /* Between the end of the connection and its on_close: as failed as a stream that broke. */
        printf("request refused: %s\n", halo_status_name(status));
        failed++;
        peer->ended++;
        free(transfer);
        halo_client_close(peer->client);
        return;
    }
    if (plan.has_body && !plan.expect) {
        send_body(stream, transfer);
    }
}

static void trace(halo_session *session, int sent, const char *line, void *user_data)
{
    (void)user_data;
    fprintf(stderr, "%p %s %s\n", (void *)session, sent ? "->" : "<-", line);
}

static void client_closed(halo_client *client, const struct halo_error *error, void *user_data)
{
    struct peer *peer = user_data;

    if (error != NULL) {
        printf("connection failed: %s: %s\n", halo_status_name(error->status), error->reason);
        failed += peer->ended == peer->started;
    }
    halo_client_free(client);
}

static void connect_peer(halo_loop *loop, struct peer *peer, halo_tls_context *tls)
{
    struct halo_client_options options;

    halo_client_options_init(&options);
    options.url = plan.url;
    options.tls = tls;
    options.on_close = client_closed;
    if (plan.trace) {
        options.session.on_frame = trace;
    }
    options.user_data = peer;
    check("connect", halo_client_connect(&peer->client, loop, &options));
    do {
        start_transfer(peer);
    } while (!plan.sequence && peer->started < plan.count);
}

static halo_tls_context *make_tls(void)
{
    struct halo_tls_options options;
    halo_tls_context *context;
    char why[256];

    halo_tls_options_init(&options);
    options.role = HALO_TLS_CLIENT;
    options.ca_file = plan.ca_file;
    if (halo_tls_context_new(&context, &options, why, sizeof(why)) != 0) {
        die("TLS", why);
    }
    return context;
}

/* ---- options ---------------------------------------------------------------------------- */

static void add_field(char *text)
{
    char *equals = strchr(text, '=');

    if (equals == NULL || plan.field_count == FIELDS_MAX) {
        die(text, "not a field, or too many");
    }
    *equals = '\0';
    plan.fields[plan.field_count++] = (halo_header){
        .name = halo_str(text),
        .value = halo_str(equals + 1),
    };
}

static bool read_switch(const char *name)
{
    static const struct {
        const char *name;
        bool *value;
    } switches[] = {
        { "--sequence", &plan.sequence }, { "--trailers", &plan.trailers },
        { "--expect", &plan.expect },     { "--text", &plan.text },
        { "--report", &plan.report },     { "--trace", &plan.trace },
    };

    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        if (strcmp(name, switches[i].name) == 0) {
            *switches[i].value = true;
            return true;
        }
    }
    return false;
}

static void read_option(const char *name, char *value)
{
    if (strcmp(name, "--cacert") == 0) {
        plan.ca_file = value;
    } else if (strcmp(name, "--method") == 0) {
        plan.method = value;
    } else if (strcmp(name, "--count") == 0) {
        plan.count = (uint32_t)atoi(value);
    } else if (strcmp(name, "--connections") == 0) {
        plan.connections = (uint32_t)atoi(value);
    } else if (strcmp(name, "--body") == 0) {
        plan.body = strtoull(value, NULL, 10);
        plan.has_body = true;
    } else if (strcmp(name, "--cancel-after") == 0) {
        plan.cancel_after = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--field") == 0) {
        add_field(value);
    } else {
        die(name, "unknown option");
    }
}

static void read_options(int argc, char **argv)
{
    int i;

    for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (read_switch(argv[i])) {
            continue;
        }
        if (i + 1 == argc) {
            die(argv[i], "without its argument");
        }
        read_option(argv[i], argv[i + 1]);
        i++;
    }
    if (i + 1 != argc) {
        die("usage", "test_client [option...] URL");
    }
    plan.url = argv[i];
    if (plan.expect) {
        static char expect[] = "expect=100-continue";

        add_field(expect);
    }
}

int main(int argc, char **argv)
{
    halo_tls_context *tls = NULL;
    struct peer *peers;
    halo_loop *loop;

    pattern_init();
    read_options(argc, argv);
    if (plan.ca_file != NULL) {
        tls = make_tls();
    }
    peers = calloc(plan.connections, sizeof(*peers));
    if (peers == NULL) {
        die("start", "out of memory");
    }
    check("loop", halo_loop_new(&loop, NULL));
    for (uint32_t i = 0; i < plan.connections; i++) {
        connect_peer(loop, &peers[i], tls);
    }
    halo_tls_context_free(tls);
    if (halo_loop_run(loop) != 0) {
        die("loop", halo_loop_error(loop));
    }
    halo_loop_free(loop);
    free(peers);
    printf("%" PRIu32 " complete, %" PRIu32 " cancelled, %" PRIu32 " failed\n", complete, cancelled,
           failed);
    return failed > 0 ? 1 : 0;
}
