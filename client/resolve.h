/*
 * Host names to addresses, by the platform's resolver on a helper thread.
 *
 * getaddrinfo() blocks and cannot be called off, so lookups run on threads of their own, at most
 * RESOLVE_THREADS_MAX of them in the process; others wait in line. A lookup that nobody wants any
 * more is forgotten by its loop at once, which may then go away; the thread frees it when it
 * returns.
 */
#ifndef HALO_CLIENT_RESOLVE_H
#define HALO_CLIENT_RESOLVE_H

#include <halo/error.h>

#include "core/io/address.h"

struct halo_loop;
struct resolve_lookup;

enum {
    /* A client tries no more addresses than that. */
    RESOLVE_ADDRESSES_MAX = 16,
    /* A name server that does not answer holds a thread for half a minute. */
    RESOLVE_THREADS_MAX = 8,
    RESOLVE_WAITING_MAX = 1024,
};

struct resolve_result {
    int error;        /* 0, or an EAI_* of getaddrinfo */
    int system_errno; /* with EAI_SYSTEM */
    uint32_t count;
    struct io_address addresses[RESOLVE_ADDRESSES_MAX];
};

/* Looks up `host` (copied); `done` is called from a later turn of the loop, unless resolve_cancel()
 * comes before. Returns 0, HALO_E_NOMEM, or HALO_E_LIMIT when too many lookups wait. The loop is
 * not kept running. */
int resolve_start(struct resolve_lookup **lookup, struct halo_loop *loop, const char *host,
                  uint16_t port, void (*done)(void *ctx, const struct resolve_result *result),
                  void *ctx) HALO_MUST_USE;
/* `done` will not be called. Not after it was. */
void resolve_cancel(struct resolve_lookup *lookup);

/* A result in words: "host name example.invalid not found". */
void resolve_explain(char *out, size_t size, const char *host, const struct resolve_result *result);

#endif
