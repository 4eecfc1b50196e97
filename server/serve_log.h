/*
 * The access log: one line for each response, written to a descriptor when its stream has ended.
 *
 *     127.0.0.1:50412 [06/Nov/1994:08:49:37 +0000] "GET /index.html" 200 13 0.123
 *     address         time                          method path      status octets milliseconds
 *
 * Lines are gathered and written after a second or when 4 KiB have come together, whole lines at a
 * time: so those of several workers do not mix in a pipe. Octets that could disturb a terminal or a
 * parser are written as \xHH.
 */
#ifndef HALO_SERVER_SERVE_LOG_H
#define HALO_SERVER_SERVE_LOG_H

#include <halo/loop.h>

#include "server/serve_clock.h"

struct serve_log;

/* One response. `address` must stay until serve_log_end(). */
struct serve_log_entry {
    const char *address;
    uint64_t start_ns;
    int status;
    halo_bytes method;
    halo_bytes path;
};

/* NULL when memory is out. */
struct serve_log *serve_log_new(halo_loop *loop, int fd);
/* Writes what is left. */
void serve_log_free(struct serve_log *log);

void serve_log_response(struct serve_log *log, struct serve_clock *clock,
                        const struct serve_log_entry *entry, uint64_t octets);
/* What went wrong with a connection: "address: reason". */
void serve_log_error(struct serve_log *log, struct serve_clock *clock, const char *address,
                     const char *reason);

/* Writes a line without its end to out, at most SERVE_LOG_LINE_MAX octets; returns its length. */
enum {
    SERVE_LOG_METHOD_MAX = 32, /* octets of a method and a path that are shown */
    SERVE_LOG_PATH_MAX = 512,
    SERVE_LOG_LINE_MAX = 2560,
};
size_t serve_log_format(char *out, const struct serve_log_entry *entry, int64_t now,
                        uint64_t end_ns, uint64_t octets);

#endif
