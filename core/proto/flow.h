/*
 * Flow-control windows (RFC 9113 section 5.2, 6.9).
 *
 * A stream's window is kept as the difference to the connection-wide initial window size, so that a
 * SETTINGS_INITIAL_WINDOW_SIZE changes all streams in one step (6.9.2). All sums are done in 64 bits.
 *
 * Receiving: every octet of DATA payload, padding included, is taken from the window when the frame's
 * header is read (`available` falls) and given back when it is done with. To save frames, credit is collected
 * in `unreturned` and sent when it reaches half the window.
 *
 *     window 65535:  DATA 16384 arrives  -> available 49151
 *                    app releases it     -> unreturned 16384 (less than half: nothing sent)
 *                    two more, released  -> unreturned 49152 -> WINDOW_UPDATE(49152), available 65535
 */
#ifndef HALO_CORE_PROTO_FLOW_H
#define HALO_CORE_PROTO_FLOW_H

#include "core/proto/limits.h"
#include "core/base/base.h"

struct receive_window {
    int32_t size;        /* what we want the peer to be able to send */
    int32_t available;   /* what it may send now; for a stream: less the acknowledged initial size */
    uint32_t unreturned; /* done with, credit not sent yet */
    uint32_t withheld;   /* the window shrank: so much credit is not given back */
};

/* Octets were done with. Returns the increment of the WINDOW_UPDATE that is due, or 0. */
static inline uint32_t receive_window_return(struct receive_window *window, uint32_t len)
{
    uint32_t credit;

    if (HALO_UNLIKELY(window->withheld > 0)) {
        uint32_t kept = min_u32(len, window->withheld);

        window->withheld -= kept;
        len -= kept;
    }
    credit = window->unreturned + len;
    if (credit < (uint32_t)window->size / 2 || credit == 0) {
        window->unreturned = credit;
        return 0;
    }
    window->unreturned = 0;
    window->available += (int32_t)credit;
    return credit;
}

#endif
