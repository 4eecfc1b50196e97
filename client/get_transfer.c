/* One transfer of halo-get: the request, and what comes back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/get.h"

/* A request that was not taken up is made again; that often it is made at all. */
enum { TRIES_MAX = 2 };

/* ---- the response ---------------------------------------------------------------------- */

static void write_text(struct get_transfer *transfer, const char *text, size_t len)
{
    get_output_write(transfer->get->outputs, transfer->index, text, len);
}

static void write_fields(struct get_transfer *transfer, halo_header_list list)
{
    for (size_t i = 0; i < list.count; i++) {
        const halo_header *field = &list.fields[i];

        if (field->name.len > 0 && field->name.data[0] == ':') {
            continue;
        }
        write_text(transfer, field->name.data, field->name.len);
        write_text(transfer, ": ", 2);
        write_text(transfer, field->value.data, field->value.len);
        write_text(transfer, "\n", 1);
    }
}

static void write_head(struct get_transfer *transfer, int status, halo_header_list list)
{
    char line[32];

    get_trace_fields(transfer->connection, false, list.fields, list.count);
    if (transfer->get->options.include) {
        write_text(transfer, line, (size_t)snprintf(line, sizeof(line), "HTTP/2 %d\n", status));
        write_fields(transfer, list);
        write_text(transfer, "\n", 1);
    }
}

static void on_information(halo_stream *stream, int status, halo_header_list headers,
                           void *user_data)
{
    (void)stream;
    write_head(user_data, status, headers);
}

static void on_response(halo_stream *stream, int status, halo_header_list headers, unsigned flags,
                        void *user_data)
{
    struct get_transfer *transfer = user_data;

    (void)stream;
    (void)flags;
    transfer->responded = true;
    get_outputs_begin(transfer->get->outputs);
    write_head(transfer, status, headers);
}

static void on_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    struct get_transfer *transfer = user_data;

    get_output_write(transfer->get->outputs, transfer->index, data, len);
    if (get_outputs_broken(transfer->get->outputs)) {
        (void)halo_stream_reset(stream, HALO_CANCEL);
    }
}

static void on_trailers(halo_stream *stream, halo_header_list trailers, void *user_data)
{
    struct get_transfer *transfer = user_data;

    (void)stream;
    get_trace_fields(transfer->connection, false, trailers.fields, trailers.count);
    if (transfer->get->options.include) {
        write_text(transfer, "\n", 1);
        write_fields(transfer, trailers);
    }
}

static void on_end(halo_stream *stream, void *user_data)
{
    struct get_transfer *transfer = user_data;

    (void)stream;
    transfer->ended = true;
}

/* ---- the end --------------------------------------------------------------------------- */

/* The server has not taken the request up (it is going away, or too busy), and we can send the body
 * once more. */
static bool may_try_again(const struct get_transfer *transfer, const struct halo_error *error)
{
    return error != NULL && error->processed == HALO_PROCESSED_NO &&
           error->code == HALO_REFUSED_STREAM && transfer->tries < TRIES_MAX &&
           !transfer->get->body.sent && !transfer->timed_out && !transfer->get->ending;
}

static void explain(const struct get_transfer *transfer, const struct halo_error *error, char *out,
                    size_t size)
{
    const char *reason = error->reason[0] != '\0' ? error->reason : halo_status_text(error->status);

    if (transfer->timed_out) {
        snprintf(out, size, "not complete within %g seconds (--max-time)",
                 transfer->get->options.max_time_ms / 1000.0);
    } else if (transfer->failure[0] != '\0') {
        snprintf(out, size, "%s", transfer->failure);
    } else if (error->code != HALO_NO_ERROR) {
        snprintf(out, size, "%s (%s)", reason, halo_code_name(error->code));
    } else {
        snprintf(out, size, "%s", reason);
    }
}

static void finish(struct get_transfer *transfer, const char *why)
{
    if (transfer->timer != NULL) {
        halo_timer_stop(transfer->timer);
        transfer->timer = NULL;
    }
    transfer->stream = NULL;
    get_transfer_done(transfer, why);
}

static void on_close(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    struct get_transfer *transfer = user_data;
    char why[512];

    (void)stream;
    if (may_try_again(transfer, error)) {
        get_trace_note(transfer->connection, "not processed by the server: trying again");
        transfer->stream = NULL;
        get_transfer_start(transfer);
    } else if (transfer->ended) {
        finish(transfer, NULL); /* what happens to the rest of our body does not matter any more */
    } else if (error != NULL) {
        explain(transfer, error, why, sizeof(why));
        finish(transfer, why);
    } else {
        finish(transfer, "the server ended the stream before the response was complete");
    }
}

static void on_max_time(halo_timer *timer, void *ctx)
{
    struct get_transfer *transfer = ctx;

    (void)timer;
    transfer->timer = NULL; /* a one-shot timer is freed */
    transfer->timed_out = true;
    get_transfer_cancel(transfer);
}

void get_transfer_cancel(struct get_transfer *transfer)
{
    if (transfer->stream != NULL) {
        (void)halo_stream_reset(transfer->stream, HALO_CANCEL);
    }
}

/* ---- the request ----------------------------------------------------------------------- */

/* What -v shows is what is sent: so nothing of the URL is left for halo to complete. */
bool get_transfer_init(struct get_transfer *transfer, struct get *get, size_t index)
{
    struct halo_url *url = &transfer->url;
    uint16_t usual;

    transfer->get = get;
    transfer->index = index;
    transfer->url_text = get->options.urls[index];
    if (halo_url_parse(url, transfer->url_text) != 0) {
        return false; /* it was checked with the options */
    }
    usual = url->scheme.len == 5 ? 443 : 80;
    transfer->authority = url->authority;
    if (url->port == usual) { /* goes without saying (RFC 9110 4.2.3) */
        transfer->authority.len = url->host.len + (url->authority.data[0] == '[' ? 2 : 0);
    }
    if (url->path.data[0] == '?') {
        transfer->path = malloc(url->path.len + 2);
        if (transfer->path == NULL) {
            return false;
        }
        transfer->path[0] = '/';
        memcpy(transfer->path + 1, url->path.data, url->path.len);
        transfer->path[url->path.len + 1] = '\0';
        url->path = halo_str(transfer->path);
    }
    return true;
}

void get_transfer_fini(struct get_transfer *transfer)
{
    free(transfer->path);
}

static const struct halo_stream_callbacks callbacks = {
    .on_response = on_response,
    .on_information = on_information,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_end = on_end,
    .on_close = on_close,
};

enum { FIELDS_OF_OURS = 3 };

/* Fields that halo-get adds unless -H gives them. */
static size_t own_fields(const struct get *get, halo_header *fields, char *digits, size_t size)
{
    static const halo_bytes user_agent = HALO_LIT("user-agent");
    static const halo_bytes agent = HALO_LIT("halo-get/" HALO_VERSION_STRING);
    static const halo_bytes accept = HALO_LIT("accept");
    static const halo_bytes anything = HALO_LIT("*/*");
    static const halo_bytes content_length = HALO_LIT("content-length");
    size_t count = 0;

    if (!get_options_has(&get->options, user_agent)) {
        fields[count++] = (halo_header){ .name = user_agent, .value = agent };
    }
    if (!get_options_has(&get->options, accept)) {
        fields[count++] = (halo_header){ .name = accept, .value = anything };
    }
    if (get->body.exists && get->body.size >= 0 &&
        !get_options_has(&get->options, content_length)) {
        snprintf(digits, size, "%lld", (long long)get->body.size);
        fields[count++] = (halo_header){ .name = content_length,
                                         .value = halo_str(digits),
                                         .flags = HALO_HEADER_NO_INDEX };
    }
    return count;
}

static void trace_request(const struct get_transfer *transfer, const struct halo_request *request)
{
    const halo_header pseudo[] = {
        { .name = HALO_LIT(":method"), .value = request->method },
        { .name = HALO_LIT(":scheme"), .value = request->scheme },
        { .name = HALO_LIT(":path"), .value = request->path },
        { .name = HALO_LIT(":authority"), .value = request->authority },
    };

    get_trace_fields(transfer->connection, true, pseudo, sizeof(pseudo) / sizeof(pseudo[0]));
    get_trace_fields(transfer->connection, true, request->headers.fields, request->headers.count);
}

/* Makes the request on the transfer's connection, with `fields` as room for FIELDS_OF_OURS more
 * than the options have. 0 or HALO_E_*. */
static int make_request(struct get_transfer *transfer, halo_header *fields)
{
    struct get *get = transfer->get;
    const struct get_options *options = &get->options;
    char digits[24];
    size_t own = own_fields(get, fields, digits, sizeof(digits));
    bool empty = !get->body.exists || get->body.size == 0;
    struct halo_request request = {
        .scheme = transfer->url.scheme,
        .path = transfer->url.path,
        .authority = options->host.len > 0 ? options->host : transfer->authority,
        .headers = { .fields = fields, .count = own + options->num_headers },
    };
    int status;

    request.method = halo_str(get->body.exists ? "POST" : "GET");
    if (options->method != NULL) {
        request.method = halo_str(options->method);
    }
    memcpy(fields + own, options->headers, options->num_headers * sizeof(fields[0]));
    status =
        halo_client_request(transfer->connection->client, &request, empty ? HALO_END_STREAM : 0,
                            &callbacks, transfer, &transfer->stream);
    if (status == 0) {
        trace_request(transfer, &request);
    }
    return status;
}

/* The connection takes no requests any more, though it looked good. */
static bool is_stale(int status)
{
    return status == HALO_E_GOAWAY_SESSION || status == HALO_E_INVALID_SESSION ||
           status == HALO_E_OUT_OF_STREAMS;
}

static int request_somewhere(struct get_transfer *transfer)
{
    size_t room = FIELDS_OF_OURS + transfer->get->options.num_headers;
    halo_header *fields = calloc(room, sizeof(halo_header));
    int status = fields != NULL ? 0 : HALO_E_NOMEM;

    for (int i = 0; i < 2 && fields != NULL; i++) {
        status = get_connection_find(&transfer->connection, transfer->get, transfer, i > 0);
        if (status != 0) {
            break;
        }
        status = make_request(transfer, fields);
        if (!is_stale(status)) {
            break;
        }
    }
    free(fields);
    return status;
}

void get_transfer_start(struct get_transfer *transfer)
{
    struct get *get = transfer->get;
    int status;

    transfer->tries++;
    status = request_somewhere(transfer);
    if (status != 0) {
        finish(transfer, halo_status_text(status));
        return;
    }
    if (get->options.max_time_ms > 0 && transfer->timer == NULL) {
        status = halo_timer_start(&transfer->timer, get->loop, get->options.max_time_ms, 0,
                                  on_max_time, transfer);
    }
    if (status == 0 && get->body.exists && get->body.size != 0) {
        status = get_body_send(&get->body, get->loop, transfer->stream, transfer->failure,
                               sizeof(transfer->failure));
    }
    if (status != 0) {
        snprintf(transfer->failure, sizeof(transfer->failure), "%s", halo_status_text(status));
        get_transfer_cancel(transfer);
    }
}
