/*
 * The internal door to TLS: how server and client get a transport (core/conn/transport.h).
 *
 * A transport belongs to one thread. It may be made for every accepted connection at once: the
 * costly part of its state comes into being only when a complete and valid ClientHello has arrived.
 */
#ifndef HALO_TLS_TLS_H
#define HALO_TLS_TLS_H

#include <halo/tls.h>

#include "core/conn/transport.h"

/* Makes a transport in the role of `context`, of which it takes a reference of its own.
 *   server_name  clients: the host of the URL, a name or an IP literal without brackets. Names are
 *                sent as SNI, and the certificate must be for them. Copied. Servers: NULL.
 *   now_ns       a clock that the caller keeps up to date (the loop's time in nanoseconds), for
 *                the size of records after a pause and for the rate of key updates. It must
 *                outlive the transport. NULL: time stands still.
 * A client's first flight is in output() at once. Returns NULL when memory is out, or when halo was
 * built without TLS (then no context exists either). What else goes wrong is told by the
 * transport's state. */
struct transport *tls_transport_new(struct memory *memory, halo_tls_context *context,
                                    const char *server_name, const uint64_t *now_ns) HALO_MUST_USE;

/* Servers, before the first octets come: protocols that are accepted beside those of the context
 * (HALO_TLS_ALPN_*). */
void tls_transport_allow(struct transport *transport, uint32_t alpn);

/* Facts about a connection, for getters. Valid as long as the transport. */
struct tls_facts {
    const char *version;         /* "TLSv1.3", "" before the handshake is done */
    const char *cipher;          /* "TLS_AES_128_GCM_SHA256", "" before */
    const char *server_name;     /* what the client asked for (SNI), "" for none */
    halo_bytes peer_certificate; /* DER; empty when there is none or it is not kept */
};
void tls_transport_facts(const struct transport *transport, struct tls_facts *facts);

/* Gives back what the TLS library caches for this thread. To be called at the end of each thread
 * that used transports; threads that forget it are cleaned up after when they end. */
void tls_thread_exit(void);

/* What a transport holds at most, the library's part of it included; and what a thread keeps for
 * all of them. 0 in a build without TLS. */
uint64_t tls_transport_memory_bound(void);
uint64_t tls_thread_memory_bound(void);

/* What halo's allocator puts in front of each block of the TLS library. */
enum { TLS_HEAP_HEADER = 16 };

/* What this thread has done through halo's allocator for the TLS library: for tests and
 * statistics. All 0 with -Dwolfssl=system. */
struct tls_heap {
    size_t live;        /* octets allocated, as asked for, less those freed */
    size_t blocks;      /* the same in blocks */
    size_t allocations; /* calls */
    size_t mallocs;     /* of those, what the cache could not serve */
    size_t cached;      /* octets in the cache */
    size_t taken;       /* octets that the C library gave, without headers: blocks are rounded up */
    size_t peak;        /* most octets in use at a time, rounded up and with headers */
};
void tls_heap_read(struct tls_heap *heap);

/* What is in use now, as `peak` counts it. */
static inline size_t tls_heap_in_use(const struct tls_heap *heap)
{
    return heap->taken - heap->cached + heap->blocks * TLS_HEAP_HEADER;
}

/* Tests: the peak begins anew. */
void tls_heap_forget_peak(void);

/* Tests: the n-th allocation of the TLS library from now on fails (1: the next), and all after it
 * when `forever`. 0: none. This thread only. */
void tls_heap_fail(size_t n, bool forever);

#endif
