/*
 * Connecting to one of several addresses (RFC 8305).
 *
 * The addresses are tried in their order, but with the families in turn. Each attempt has a head
 * start over the next, of DIAL_HEAD_START_MS or until it fails. The first that succeeds wins; the
 * others are called off.
 *
 * A dial lives by itself: it keeps the loop running until its last operation is done, and frees
 * itself then.
 */
#ifndef HALO_CLIENT_DIAL_H
#define HALO_CLIENT_DIAL_H

#include <halo/error.h>

#include "client/resolve.h"
#include "core/io/sock.h"

struct dial;

enum {
    DIAL_HEAD_START_MS = 250, /* RFC 8305 section 5 */
    DIAL_TEXT_SIZE = 384,
};

/* How it ended. */
struct dial_result {
    int fd;                        /* the connected socket, which is taken; -1: none */
    int system_errno;              /* without one: why the first attempt failed */
    const char *reason;            /* ... and all of it as a sentence */
    const struct io_address *peer; /* of the socket */
};

/* `host` is for sentences, copied. `done` is called once, from a later turn of the loop, unless
 * dial_cancel() comes before. Returns 0 or HALO_E_NOMEM. */
int dial_start(struct dial **dial, struct halo_loop *loop, const char *host,
               const struct io_address *addresses, uint32_t count,
               void (*done)(void *ctx, const struct dial_result *result), void *ctx) HALO_MUST_USE;
/* `done` will not be called. Not after it was. */
void dial_cancel(struct dial *dial);

#endif
