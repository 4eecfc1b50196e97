/*
 * Where a stream's time goes: from its beginning to its end it waits for exactly one thing at any
 * moment, which is what keeps its next octet from the socket. As long as octets of it are in the
 * output (STREAM_UNSENT) that is the socket; else it is the stream's present enum wait. The clock is the session's, which stands still within a batch, so what is done at once
 * costs a comparison.
 */
#ifndef HALO_CORE_PROTO_WAITS_H
#define HALO_CORE_PROTO_WAITS_H

#include "core/base/base.h"

enum wait {
    WAIT_APPLICATION,       /* nothing to send */
    WAIT_STREAM_WINDOW,     /* of the peer */
    WAIT_CONNECTION_WINDOW, /* of the peer */
    WAIT_PLACE,             /* the peer's limit of concurrent streams */
    WAIT_TURN,              /* other streams go first */
    WAIT_SOCKET,            /* first in line, and the output is full */
    WAIT_PEER,              /* our half is done */
    WAIT_COUNT,
};

struct waits {
    uint64_t since_ns;  /* of the present one */
    uint64_t window_ns; /* the session's clock of its window then: struct window_clock */
    uint64_t spent_ns[WAIT_COUNT];
};

/* How long the window of the connection has held back ready streams, all in all. What was added
 * while a stream was ready is what it waited for the window, and not for its turn. */
struct window_clock {
    uint64_t spent_ns;
    uint64_t since_ns; /* 0: it does not at present */
};

static inline uint64_t window_clock_read(const struct window_clock *clock, uint64_t now_ns)
{
    return clock->spent_ns + (clock->since_ns != 0 ? now_ns - clock->since_ns : 0);
}

static inline void window_clock_set(struct window_clock *clock, bool runs, uint64_t now_ns)
{
    if (runs == (clock->since_ns != 0)) {
        return;
    }
    clock->spent_ns = window_clock_read(clock, now_ns);
    clock->since_ns = runs ? max_u64(now_ns, 1) : 0;
}

#endif
