/*
 * What halo-get sends (-d): text of the command line, or a file of any size, which is read as fast
 * as the peer takes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/get.h"

/* How often a pipe is asked whether there is something; halo's loop must not wait in a read. */
enum { PIPE_POLL_MS = 5 };

/* One transfer's way through a file. */
struct reader {
    struct get_body *body;
    halo_stream *stream;
    int64_t at;
    char *failure;
    size_t failure_size;
};

/* ---- opening --------------------------------------------------------------------------- */

int get_body_open(struct get_body *body, const struct get_options *options)
{
    struct stat facts;

    *body = (struct get_body){ .fd = -1, .exists = options->data != NULL };
    if (options->data == NULL || options->data[0] != '@') {
        body->text = halo_str(options->data);
        body->size = (int64_t)body->text.len;
        return 0;
    }
    body->name = options->data + 1;
    if (*body->name == '\0') {
        get_say("option -d: the file name behind '@' is missing; '@-' is stdin");
        return EXIT_USAGE;
    }
    if (strcmp(body->name, "-") == 0) {
        body->name = "stdin";
        body->fd = STDIN_FILENO;
    } else {
        body->fd = open(body->name, O_RDONLY | O_CLOEXEC);
    }
    if (body->fd < 0 || fstat(body->fd, &facts) != 0) {
        get_say("option -d: %s cannot be read: %s", body->name, strerror(errno));
        return EXIT_USAGE;
    }
    if (S_ISDIR(facts.st_mode)) {
        get_say("option -d: %s is a directory; give a file", body->name);
        return EXIT_USAGE;
    }
    body->size = -1;
    if (S_ISREG(facts.st_mode)) {
        body->start = lseek(body->fd, 0, SEEK_CUR);
        body->start = body->start > 0 ? body->start : 0;
        body->size = facts.st_size > body->start ? facts.st_size - body->start : 0;
    } else if (options->num_urls > 1) {
        get_say("option -d: %s can be read only once, but %zu URLs are given; use a file",
                body->name, options->num_urls);
        return EXIT_USAGE;
    }
    return 0;
}

void get_body_close(struct get_body *body)
{
    if (body->timer != NULL) {
        halo_timer_stop(body->timer);
        body->timer = NULL;
    }
    if (body->fd > STDIN_FILENO) {
        close(body->fd);
    }
    body->fd = -1;
}

/* ---- reading --------------------------------------------------------------------------- */

static int fail(struct reader *reader, const char *why)
{
    snprintf(reader->failure, reader->failure_size, "%s %s", reader->body->name, why);
    return HALO_E_FILE;
}

static int read_file(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct reader *reader = ctx;
    int64_t left = reader->body->size - reader->at;
    size_t wanted = (int64_t)cap < left ? cap : (size_t)left;
    ssize_t got = pread(reader->body->fd, out, wanted, reader->body->start + reader->at);

    if (got < 0) {
        return fail(reader, strerror(errno));
    }
    if (got == 0 && left > 0) {
        return fail(reader, "became shorter while it was sent");
    }
    reader->at += got;
    *len = (size_t)got;
    *end = reader->at == reader->body->size;
    return 0;
}

static int read_pipe(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct reader *reader = ctx;
    struct pollfd ready = { .fd = reader->body->fd, .events = POLLIN };
    ssize_t got;

    if (poll(&ready, 1, 0) == 0) {
        reader->body->waiting = reader->stream;
        *len = 0;
        return HALO_E_AGAIN;
    }
    reader->body->sent = true;
    got = read(reader->body->fd, out, cap);
    if (got < 0) {
        return fail(reader, strerror(errno));
    }
    *len = (size_t)got;
    *end = got == 0;
    return 0;
}

static void on_done(void *ctx)
{
    struct reader *reader = ctx;

    reader->body->waiting = NULL;
    free(reader);
}

static void on_poll_time(halo_timer *timer, void *ctx)
{
    struct get_body *body = ctx;
    halo_stream *stream = body->waiting;

    (void)timer;
    if (stream != NULL) {
        body->waiting = NULL;
        halo_stream_resume_source(stream);
    }
}

/* ---- sending --------------------------------------------------------------------------- */

static int start_polling(struct get_body *body, halo_loop *loop)
{
    int status = 0;

    if (body->timer == NULL) {
        status =
            halo_timer_start(&body->timer, loop, PIPE_POLL_MS, PIPE_POLL_MS, on_poll_time, body);
    }
    if (status == 0) {
        halo_timer_unref(body->timer);
    }
    return status;
}

int get_body_send(struct get_body *body, halo_loop *loop, halo_stream *stream, char *failure,
                  size_t failure_size)
{
    struct halo_source source = { .read = read_file, .done = on_done };
    struct reader *reader;
    int status = 0;

    if (body->fd < 0) {
        return halo_stream_write_borrow(stream, body->text.data, body->text.len, HALO_END_STREAM,
                                        NULL, NULL);
    }
    reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return HALO_E_NOMEM;
    }
    *reader = (struct reader){
        .body = body, .stream = stream, .failure = failure, .failure_size = failure_size
    };
    source.ctx = reader;
    if (body->size < 0) {
        source.read = read_pipe;
        status = start_polling(body, loop);
    }
    if (status == 0) {
        status = halo_stream_set_source(stream, &source, 0);
    }
    if (status != 0) {
        free(reader);
    }
    return status;
}
