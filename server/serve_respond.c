#include "server/serve_respond.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/serve_conditions.h"
#include "server/serve_types.h"
#include "server/serve_worker.h"

struct request {
    halo_bytes method;
    halo_bytes path;
    bool is_head;
    bool is_conditional;
    struct serve_conditions conditions; /* if is_conditional */
};

/* A response whose end is waited for, to be logged. */
struct record {
    struct serve_log_entry entry;
    struct serve_file *file; /* its descriptor is being read; NULL: none is */
    char text[];             /* method and path */
};

enum { ADDRESS_MAX = 128 };

/* ---- requests -------------------------------------------------------------------------- */

/* Few requests have conditions: those are not even cleared for the others. */
static void keep_condition(struct request *request, halo_bytes *condition, halo_bytes value)
{
    if (!request->is_conditional) {
        request->is_conditional = true;
        request->conditions = (struct serve_conditions){ 0 };
    }
    *condition = value;
}

static void read_request(struct request *request, halo_header_list headers)
{
    struct serve_conditions *conditions = &request->conditions;

    request->method = request->path = (halo_bytes){ 0 };
    request->is_head = request->is_conditional = false;
    for (size_t i = 0; i < headers.count; i++) {
        const halo_header *field = &headers.fields[i];
        halo_bytes *wanted = NULL;

        switch (field->token) {
        case HALO_NAME_METHOD:
            request->method = field->value;
            continue;
        case HALO_NAME_PATH:
            request->path = field->value;
            continue;
        case HALO_NAME_IF_MATCH:
            wanted = &conditions->if_match;
            break;
        case HALO_NAME_IF_NONE_MATCH:
            wanted = &conditions->if_none_match;
            break;
        case HALO_NAME_IF_MODIFIED_SINCE:
            wanted = &conditions->if_modified_since;
            break;
        case HALO_NAME_IF_UNMODIFIED_SINCE:
            wanted = &conditions->if_unmodified_since;
            break;
        case HALO_NAME_IF_RANGE:
            wanted = &conditions->if_range;
            break;
        case HALO_NAME_RANGE:
            wanted = &conditions->range;
            break;
        default:
            continue;
        }
        keep_condition(request, wanted, field->value);
    }
}

static bool is_method(const struct request *request, const char *name, size_t len)
{
    return request->method.len == len && memcmp(request->method.data, name, len) == 0;
}

/* ---- responses without a file ---------------------------------------------------------- */

/* What cannot be sent because memory is out must not leave the client waiting. */
static void end_if_failed(halo_stream *stream, int result)
{
    if (result != 0) {
        halo_stream_reset(stream, HALO_INTERNAL_ERROR);
    }
}

static const char *phrase_of(int status)
{
    switch (status) {
    case 301:
        return "Moved Permanently";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 412:
        return "Precondition Failed";
    case 414:
        return "URI Too Long";
    case 416:
        return "Range Not Satisfiable";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

/* A line of text, and one more field when its name is not empty. */
static int send_status(struct serve_worker *worker, halo_stream *stream, int status,
                       halo_header extra)
{
    char text[64];
    char length[8];
    size_t text_len = (size_t)snprintf(text, sizeof(text), "%d %s\n", status, phrase_of(status));
    size_t digits = (size_t)snprintf(length, sizeof(length), "%zu", text_len);
    const halo_header fields[] = {
        { .name = HALO_LIT("content-type"), .value = HALO_LIT("text/plain; charset=utf-8") },
        { .name = HALO_LIT("content-length"), .value = { length, digits } },
        { .name = HALO_LIT("date"), .value = serve_clock_date(&worker->clock) },
        extra,
    };
    const halo_headers headers = { .fields = fields, .count = extra.name.len > 0 ? 4 : 3 };
    int result = halo_stream_respond(stream, status, &headers, 0);

    if (result == 0) {
        result = halo_stream_write(stream, text, text_len, HALO_END_STREAM);
    }
    end_if_failed(stream, result);
    return status;
}

static int send_redirect(struct serve_worker *worker, halo_stream *stream)
{
    halo_header location = { .name = HALO_LIT("location") };
    char *text = malloc(SERVE_LOCATION_MAX);
    size_t len = text != NULL ? serve_path_location(&worker->path, text, SERVE_LOCATION_MAX) : 0;
    int status = 301;

    location.value = (halo_bytes){ text, len };
    if (len > 0) {
        send_status(worker, stream, status, location);
    } else {
        status = send_status(worker, stream, text != NULL ? 414 : 503, (halo_header){ 0 });
    }
    free(text);
    return status;
}

static int send_problem(struct serve_worker *worker, halo_stream *stream, int status)
{
    const halo_header allow = { .name = HALO_LIT("allow"), .value = HALO_LIT("GET, HEAD") };

    if (status == 301) {
        return send_redirect(worker, stream);
    }
    return send_status(worker, stream, status, status == 405 ? allow : (halo_header){ 0 });
}

/* ---- files ----------------------------------------------------------------------------- */

static void unref_file(void *ctx)
{
    serve_file_unref(ctx);
}

/* `length` octets from `first` on; the headers say so already. */
static void send_body(halo_stream *stream, int status, const halo_headers *headers,
                      struct serve_file *file, uint64_t first, uint64_t length, bool is_head)
{
    int result;

    if (length == 0 || is_head) {
        end_if_failed(stream, halo_stream_respond(stream, status, headers, HALO_END_STREAM));
        return;
    }
    if (file->body == NULL) {
        const struct halo_file_options options = {
            .offset = (int64_t)first,
            .length = (int64_t)length,
        };

        end_if_failed(stream, halo_stream_respond_fd(stream, status, headers, file->fd, &options));
        return;
    }
    result = halo_stream_respond(stream, status, headers, 0);
    if (result == 0) {
        serve_file_ref(file);
        result = halo_stream_write_borrow(stream, file->body + first, (size_t)length,
                                          HALO_END_STREAM, unref_file, file);
        if (result != 0) {
            serve_file_unref(file);
        }
    }
    end_if_failed(stream, result);
}

static void send_not_modified(struct serve_worker *worker, halo_stream *stream,
                              const struct serve_file *file)
{
    const halo_header fields[] = {
        { .name = HALO_LIT("etag"), .value = { file->etag, file->etag_len } },
        { .name = HALO_LIT("last-modified"), .value = { file->modified_text, SERVE_DATE_LEN } },
        { .name = HALO_LIT("date"), .value = serve_clock_date(&worker->clock) },
    };
    const halo_headers headers = { .fields = fields, .count = 3 };

    end_if_failed(stream, halo_stream_respond(stream, 304, &headers, HALO_END_STREAM));
}

static void send_range(struct serve_worker *worker, halo_stream *stream, struct serve_file *file,
                       uint64_t first, uint64_t length)
{
    char range[80];
    char digits[24];
    int range_len =
        snprintf(range, sizeof(range), "bytes %llu-%llu/%llu", (unsigned long long)first,
                 (unsigned long long)(first + length - 1), (unsigned long long)file->size);
    int digits_len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)length);
    const halo_header fields[] = {
        { .name = HALO_LIT("content-type"), .value = serve_content_type(file->relative) },
        { .name = HALO_LIT("content-length"), .value = { digits, (size_t)digits_len } },
        { .name = HALO_LIT("content-range"), .value = { range, (size_t)range_len } },
        { .name = HALO_LIT("last-modified"), .value = { file->modified_text, SERVE_DATE_LEN } },
        { .name = HALO_LIT("etag"), .value = { file->etag, file->etag_len } },
        { .name = HALO_LIT("date"), .value = serve_clock_date(&worker->clock) },
    };
    const halo_headers headers = { .fields = fields, .count = 6 };

    send_body(stream, 206, &headers, file, first, length, false);
}

static int send_unsatisfiable(struct serve_worker *worker, halo_stream *stream,
                              const struct serve_file *file)
{
    char range[40];
    int len = snprintf(range, sizeof(range), "bytes */%llu", (unsigned long long)file->size);
    halo_header field = { .name = HALO_LIT("content-range"), .value = { range, (size_t)len } };

    return send_status(worker, stream, 416, field);
}

static int send_whole(halo_stream *stream, struct serve_file *file, bool is_head)
{
    const halo_headers headers = { .set = file->set };

    send_body(stream, 200, &headers, file, 0, file->size, is_head);
    return 200;
}

/* A request with conditions, or for a part. Returns the status. */
static int send_conditional(struct serve_worker *worker, halo_stream *stream,
                            const struct request *request, struct serve_file *file)
{
    const struct serve_validators validators = {
        .etag = { file->etag, file->etag_len },
        .modified = file->modified,
        .now = worker->clock.now,
    };
    int status = serve_conditions_check(&request->conditions, &validators);
    uint64_t first = 0;
    uint64_t length = 0;

    if (status == 304) {
        send_not_modified(worker, stream, file);
        return status;
    }
    if (status != 0) {
        return send_problem(worker, stream, status);
    }
    if (!request->is_head) {
        switch (serve_range(&request->conditions, &validators, file->size, &first, &length)) {
        case SERVE_RANGE_ONE:
            send_range(worker, stream, file, first, length);
            return 206;
        case SERVE_RANGE_UNSATISFIABLE:
            return send_unsatisfiable(worker, stream, file);
        case SERVE_RANGE_NONE:
            break;
        }
    }
    return send_whole(stream, file, request->is_head);
}

/* ---- the end of a response ------------------------------------------------------------- */

static void on_file_sent(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    (void)stream;
    (void)error;
    serve_file_unref(user_data);
}

static void on_logged_end(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    struct serve_worker *worker = serve_this_worker;
    struct record *record = user_data;
    struct halo_stream_info info;

    (void)error;
    halo_stream_get_info(stream, &info);
    serve_log_response(worker->log, &worker->clock, &record->entry, info.octets_sent);
    if (record->file != NULL) {
        serve_file_unref(record->file);
    }
    free(record);
}

/* Keeps the file while it is read, and what the log line needs. */
static void await_end(struct serve_worker *worker, halo_stream *stream,
                      const struct request *request, int status, struct serve_file *file)
{
    static const struct halo_stream_callbacks sending = { .on_close = on_file_sent };
    static const struct halo_stream_callbacks logging = { .on_close = on_logged_end };
    const char *address = halo_session_user_data(halo_stream_session(stream));
    struct record *record = NULL;

    if (file != NULL && file->fd < 0) {
        file = NULL; /* what is in memory was borrowed for itself */
    }
    if (file != NULL) {
        serve_file_ref(file);
    }
    if (worker->log != NULL) {
        record = malloc(sizeof(*record) + request->method.len + request->path.len);
    }
    if (record == NULL) {
        if (file != NULL) {
            halo_stream_set_callbacks(stream, &sending, file);
        }
        return;
    }
    memcpy(record->text, request->method.data, request->method.len);
    memcpy(record->text + request->method.len, request->path.data, request->path.len);
    record->file = file;
    record->entry = (struct serve_log_entry){
        .address = address != NULL ? address : "",
        .start_ns = halo_loop_now_ns(worker->loop),
        .status = status,
        .method = { record->text, request->method.len },
        .path = { record->text + request->method.len, request->path.len },
    };
    halo_stream_set_callbacks(stream, &logging, record);
}

/* ---- callbacks ------------------------------------------------------------------------- */

/* Without threads of its own the server tells of no worker: it is made with the first request. */
static struct serve_worker *this_worker(const halo_stream *stream, const struct serve_site *site)
{
    if (serve_this_worker == NULL &&
        !serve_worker_start(site, halo_session_loop(halo_stream_session(stream)))) {
        return NULL;
    }
    return serve_this_worker;
}

void serve_on_stream(halo_stream *stream, halo_header_list headers, unsigned flags, void *user_data)
{
    struct serve_worker *worker = this_worker(stream, user_data);
    struct serve_file *file = NULL;
    struct request request;
    int status = 0;

    (void)flags; /* bodies of requests are of no interest: the library drops them */
    if (worker == NULL) {
        halo_stream_reset(stream, HALO_REFUSED_STREAM);
        return;
    }
    serve_clock_update(&worker->clock, halo_loop_now_ns(worker->loop));
    read_request(&request, headers);
    if (!is_method(&request, "GET", 3)) {
        request.is_head = is_method(&request, "HEAD", 4);
        status = request.is_head ? 0 : 405;
    }
    if (status == 0) {
        status = serve_cache_get(worker->cache, request.path, &worker->path, &file);
    }
    if (status != 0) {
        send_problem(worker, stream, status);
    } else if (request.is_conditional) {
        status = send_conditional(worker, stream, &request, file);
    } else {
        status = send_whole(stream, file, request.is_head);
    }
    if (worker->log != NULL || (file != NULL && file->fd >= 0)) {
        await_end(worker, stream, &request, status, file);
    }
}

static void on_session_closed(halo_session *session, const struct halo_error *error,
                              void *user_data)
{
    (void)session;
    (void)error;
    free(user_data);
}

void serve_on_session(halo_session *session, void *user_data)
{
    static const struct halo_session_callbacks callbacks = { .on_close = on_session_closed };
    char *address = malloc(ADDRESS_MAX);

    (void)user_data;
    if (address == NULL) {
        return;
    }
    if (halo_session_peer_address(session, address, ADDRESS_MAX) != 0) {
        address[0] = '\0';
    }
    halo_session_set_callbacks(session, &callbacks, address);
}

void serve_on_error(const char *address, const struct halo_error *error, void *user_data)
{
    (void)user_data;
    /* A client that leaves is no news, nor is one that could not be told why it was cut off. */
    if (serve_this_worker != NULL && error->status != HALO_E_EOF) {
        serve_log_error(serve_this_worker->log, &serve_this_worker->clock, address, error->reason);
    }
}
