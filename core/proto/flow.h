/*
 * Flow-control windows (RFC 9113 section 5.2, 6.9).
 *
 * A stream's window is kept as the difference to the connection-wide initial window size, so that a
 * SETTINGS_INITIAL_WINDOW_SIZE changes all streams in one step (6.9.2). All sums are done in 64
 * bits.
 *
 * Receiving: every octet of DATA payload, padding included, is taken from the window when the
 * frame's header is read (`available` falls) and given back when it is done with. To save frames,
 * credit is collected in `unreturned` and sent when it reaches half the window.
 *
 *     window 65535:  DATA 16384 arrives  -> available 49151
 *                    app releases it     -> unreturned 16384 (less than half: nothing sent)
 *                    two more, released  -> unreturned 49152: WINDOW_UPDATE, available 65535
 *
 * So at every moment, for the connection and for each stream,
 *
 *     size + withheld = available + unreturned + octets that are not done with
 *
 * Windows that are used up within a round trip grow: session_window.c.
 */
#ifndef HALO_CORE_PROTO_FLOW_H
#define HALO_CORE_PROTO_FLOW_H

#include "core/proto/limits.h"
#include "core/base/base.h"

struct receive_window {
    int32_t size;      /* what we want the peer to be able to send */
    int32_t available; /* what it may send now; for a stream: less the acknowledged initial size */
    uint32_t unreturned; /* done with, credit not sent yet */
    uint32_t withheld;   /* the window shrank: so much credit is not given back */
    uint32_t batch;      /* so much unreturned credit is worth a WINDOW_UPDATE */
    /* Growing: the measurement ends when `available` falls below this. */
    int32_t round_end;
    uint64_t round_start_ns; /* 0: not one octet has come */
};

/* Nothing is measured. */
#define ROUND_NONE INT32_MIN

/* Data is ready and the peer gives no window for it. */
struct stall {
    uint64_t since_ns; /* 0: no */
    uint64_t octets;   /* that had been sent then */
};

/* The window is used up again: a new wait begins only when the peer has taken enough meanwhile. */
static inline void stall_begin(struct stall *stall, uint64_t now_ns, uint64_t octets)
{
    uint64_t waited_ms = (now_ns - stall->since_ns) / 1000000u;

    if (stall->since_ns == 0 || (octets - stall->octets) * 1000 >= waited_ms * LIMIT_STALL_RATE) {
        stall->since_ns = max_u64(now_ns, 1);
        stall->octets = octets;
    }
}

/* Octets were done with. Is a WINDOW_UPDATE due? */
static inline bool receive_window_return(struct receive_window *window, uint32_t len)
{
    if (HALO_UNLIKELY(window->withheld > 0)) {
        uint32_t kept = min_u32(len, window->withheld);

        window->withheld -= kept;
        len -= kept;
    }
    window->unreturned += len;
    return window->unreturned >= window->batch;
}

#endif
