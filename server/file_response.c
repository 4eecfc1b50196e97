/*
 * Responses from files: what is checked before anything is sent, and the headers. The body is
 * file_sender.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/ascii.h"
#include "core/conn/conn.h"
#include "server/file_sender.h"

enum {
    /* Plain fields up to this are copied on the stack to add content-length to them. */
    FIELDS_ON_STACK = 16,
    /* close_fd of a descriptor that the application never sees. */
    OPENED_HERE = 2,
};

/* ---- checks ---------------------------------------------------------------------------- */

/* What of the file is to be sent. Looks at the descriptor, changes nothing. */
static int examine(struct file_body *body, const struct halo_file_options *options)
{
    struct stat info;
    uint64_t size;

    if (options->offset < 0 || options->length < -1) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (fstat(body->fd, &info) != 0) {
        return HALO_E_FILE;
    }
    if (S_ISDIR(info.st_mode)) {
        return HALO_E_SEND_FILE;
    }
    body->is_regular = S_ISREG(info.st_mode);
    if (!body->is_regular) {
        body->left = UINT64_MAX;
        return options->offset > 0 || options->length >= 0 ? HALO_E_SEND_FILE_NOSEEK : 0;
    }
    size = (uint64_t)info.st_size;
    body->offset = (uint64_t)options->offset;
    body->left = size > body->offset ? size - body->offset : 0;
    if (options->length >= 0) {
        body->left = min_u64(body->left, (uint64_t)options->length);
    }
    return 0;
}

static int check_stream(const halo_stream *stream, int status)
{
    if ((stream->flags & STREAM_CLOSED) != 0) {
        return HALO_E_INVALID_STREAM;
    }
    if (status == 204 || status == 205 || status == 304) {
        return HALO_E_PAYLOAD_FORBIDDEN;
    }
    /* A session that stands alone has no loop that could read. */
    return stream->session->driver == NULL ? HALO_E_SOCKET_UNBOUND : 0;
}

/* ---- headers --------------------------------------------------------------------------- */

static bool is_content_length(const halo_header *field)
{
    return field->token == HALO_NAME_CONTENT_LENGTH ||
           ascii_equal(field->name, (halo_bytes)HALO_LIT("content-length"));
}

static bool has_content_length(const halo_headers *headers)
{
    size_t count = 0;
    const halo_header *fields =
        headers->set != NULL ? halo_header_set_fields(headers->set, &count) : NULL;

    for (size_t i = 0; i < count; i++) {
        if (is_content_length(&fields[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < headers->count; i++) {
        if (is_content_length(&headers->fields[i])) {
            return true;
        }
    }
    return false;
}

static int respond_with_length(halo_stream *stream, int status, const halo_headers *headers,
                               uint64_t length, unsigned flags)
{
    struct memory *memory = stream->session->env->memory;
    halo_header on_stack[FIELDS_ON_STACK + 1];
    halo_header *fields = on_stack;
    halo_headers all = { .set = headers->set, .fields = fields, .count = headers->count + 1 };
    char digits[24];
    int result;

    if (headers->count > FIELDS_ON_STACK) {
        fields = memory_alloc(memory, all.count * sizeof(*fields));
        if (fields == NULL) {
            return HALO_E_NOMEM;
        }
        all.fields = fields;
    }
    if (headers->count > 0) {
        memcpy(fields, headers->fields, headers->count * sizeof(*fields));
    }
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)length);
    fields[headers->count] = (halo_header){
        .name = HALO_LIT("content-length"),
        .value = halo_str(digits),
    };
    result = halo_stream_respond(stream, status, &all, flags);
    if (fields != on_stack) {
        memory_free(memory, fields);
    }
    return result;
}

static int send_headers(halo_stream *stream, int status, const halo_headers *headers,
                        const struct file_body *body, unsigned flags)
{
    static const halo_headers none = { 0 };

    if (headers == NULL) {
        headers = &none;
    }
    if (!body->is_regular || has_content_length(headers)) {
        return halo_stream_respond(stream, status, headers, flags);
    }
    return respond_with_length(stream, status, headers, body->left, flags);
}

/* ---- the response ---------------------------------------------------------------------- */

/* Nothing is to be read. */
static int respond_empty(halo_stream *stream, int status, const halo_headers *headers,
                         const struct file_body *body, unsigned flags)
{
    bool trailers = (flags & HALO_WAIT_FOR_TRAILERS) != 0;
    bool head = (stream->flags & STREAM_HEAD) != 0;

    HALO_TRY(send_headers(stream, status, headers, body, trailers ? 0 : HALO_END_STREAM));
    return trailers && !head ? halo_stream_write(stream, "", 0, HALO_WAIT_FOR_TRAILERS) : 0;
}

/* On success `body->fd` has found its owner; else it is still the caller's. */
static int respond(halo_stream *stream, int status, const halo_headers *headers,
                   struct file_body *body, const struct halo_file_options *options)
{
    struct file_sender *sender;
    int result;

    HALO_TRY(check_stream(stream, status));
    HALO_TRY(examine(body, options));
    if (options->close_fd == OPENED_HERE && body->is_regular) {
        fcntl(body->fd, F_SETFL,
              O_RDONLY); /* some file systems answer "again" for ever otherwise */
    }
    if (body->left == 0 || (stream->flags & STREAM_HEAD) != 0) {
        HALO_TRY(respond_empty(stream, status, headers, body, options->flags));
        if (body->close_fd) {
            close(body->fd);
        }
        return 0;
    }
    HALO_TRY(file_sender_new(&sender, stream, body));
    result = send_headers(stream, status, headers, body, 0);
    if (result != 0) {
        file_sender_free(sender);
        return result;
    }
    if (body->close_fd) {
        io_fd_opened(halo_session_loop(stream->session), body->fd);
    }
    file_sender_start(sender, options->flags & HALO_WAIT_FOR_TRAILERS);
    return 0;
}

int halo_stream_respond_fd(halo_stream *stream, int status, const halo_headers *headers, int fd,
                           const struct halo_file_options *options)
{
    static const struct halo_file_options defaults = { .length = -1 };
    struct file_body body = { .fd = fd };
    int result;

    if (options == NULL) {
        options = &defaults;
    }
    body.close_fd = options->close_fd != 0;
    result = respond(stream, status, headers, &body, options);
    if (result != 0 && body.close_fd && fd >= 0) {
        int saved = errno;

        close(fd);
        errno = saved;
    }
    return result;
}

int halo_stream_respond_file(halo_stream *stream, int status, const halo_headers *headers,
                             const char *path, const struct halo_file_options *options)
{
    struct halo_file_options own = { .length = -1 };
    int fd;

    if (options != NULL) {
        own = *options;
    }
    own.close_fd = OPENED_HERE;
    HALO_TRY(check_stream(stream, status));
    /* Without O_NONBLOCK the open of a FIFO would stop the loop until somebody writes to it. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return HALO_E_FILE;
    }
    return halo_stream_respond_fd(stream, status, headers, fd, &own);
}
