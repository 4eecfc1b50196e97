#include "server/serve_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    /* What POSIX lets a pipe take in one piece. */
    BUFFER_OCTETS = 4096,
    FLUSH_MS = 1000,
};

struct serve_log {
    halo_loop *loop;
    int fd;
    halo_timer *timer; /* runs while something is in the buffer */
    size_t len;
    char buffer[BUFFER_OCTETS];
};

/* ---- lines ----------------------------------------------------------------------------- */

static char *put_escaped(char *out, halo_bytes text, size_t max)
{
    static const char digits[] = "0123456789abcdef";
    size_t shown = text.len < max ? text.len : max;

    for (size_t i = 0; i < shown; i++) {
        unsigned char octet = (unsigned char)text.data[i];

        if (octet < 0x20 || octet >= 0x7f || octet == '"' || octet == '\\') {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = digits[octet >> 4];
            *out++ = digits[octet & 15];
        } else {
            *out++ = (char)octet;
        }
    }
    if (shown < text.len) {
        memcpy(out, "...", 3);
        out += 3;
    }
    return out;
}

static char *put_address(char *out, const char *address)
{
    size_t len = strnlen(address, 127);

    memcpy(out, len > 0 ? address : "-", len > 0 ? len : 1);
    return out + (len > 0 ? len : 1);
}

static char *put_time(char *out, int64_t now)
{
    *out++ = ' ';
    *out++ = '[';
    serve_date_format_log(out, now);
    out += SERVE_LOG_DATE_LEN;
    *out++ = ']';
    *out++ = ' ';
    return out;
}

size_t serve_log_format(char *out, const struct serve_log_entry *entry, int64_t now,
                        uint64_t end_ns, uint64_t octets)
{
    uint64_t micros = (end_ns - entry->start_ns) / 1000;
    char *at = put_time(put_address(out, entry->address), now);

    *at++ = '"';
    at = put_escaped(at, entry->method, SERVE_LOG_METHOD_MAX);
    *at++ = ' ';
    at = put_escaped(at, entry->path, SERVE_LOG_PATH_MAX);
    at += sprintf(at, "\" %d %llu %llu.%03llu", entry->status, (unsigned long long)octets,
                  (unsigned long long)(micros / 1000), (unsigned long long)(micros % 1000));
    return (size_t)(at - out);
}

/* ---- the buffer ------------------------------------------------------------------------ */

/* A log that cannot be written is no reason to stop serving: the lines are lost. */
static void flush(struct serve_log *log)
{
    size_t at = 0;

    while (at < log->len) {
        ssize_t written = write(log->fd, log->buffer + at, log->len - at);

        if (written < 0 && errno != EINTR) {
            break;
        }
        at += written > 0 ? (size_t)written : 0;
    }
    log->len = 0;
}

static void on_timer(halo_timer *timer, void *ctx)
{
    struct serve_log *log = ctx;

    (void)timer;
    log->timer = NULL;
    flush(log);
}

static void add_line(struct serve_log *log, const char *line, size_t len)
{
    if (BUFFER_OCTETS - log->len < len + 1) {
        flush(log);
    }
    memcpy(log->buffer + log->len, line, len);
    log->buffer[log->len + len] = '\n';
    log->len += len + 1;
    if (log->timer != NULL) {
        return;
    }
    if (halo_timer_start(&log->timer, log->loop, FLUSH_MS, 0, on_timer, log) == 0) {
        halo_timer_unref(log->timer);
    } else {
        flush(log);
    }
}

void serve_log_response(struct serve_log *log, struct serve_clock *clock,
                        const struct serve_log_entry *entry, uint64_t octets)
{
    uint64_t now_ns = halo_loop_now_ns(log->loop);
    char line[SERVE_LOG_LINE_MAX];

    serve_clock_update(clock, now_ns);
    add_line(log, line, serve_log_format(line, entry, clock->now, now_ns, octets));
}

void serve_log_error(struct serve_log *log, struct serve_clock *clock, const char *address,
                     const char *reason)
{
    char line[SERVE_LOG_LINE_MAX];
    char *at;

    serve_clock_update(clock, halo_loop_now_ns(log->loop));
    at = put_time(put_address(line, address), clock->now);
    at += snprintf(at, SERVE_LOG_PATH_MAX, "error: %s", reason);
    add_line(log, line, strnlen(line, (size_t)(at - line)));
}

/* ---- life ------------------------------------------------------------------------------ */

struct serve_log *serve_log_new(halo_loop *loop, int fd)
{
    struct serve_log *log = calloc(1, sizeof(*log));

    if (log != NULL) {
        log->loop = loop;
        log->fd = fd;
    }
    return log;
}

void serve_log_free(struct serve_log *log)
{
    if (log->timer != NULL) {
        halo_timer_stop(log->timer);
    }
    flush(log);
    free(log);
}
