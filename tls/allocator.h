/*
 * The heap of wolfSSL, when wolfSSL is halo's own: a cache of freed blocks for each thread, so that
 * handshakes, and the records of TLS 1.2, hardly need malloc once a thread is warm.
 *
 * Blocks may be freed by another thread than the one that took them; they go into that one's cache.
 * The cache is bounded, and given back when the thread ends.
 *
 * With -Dwolfssl=system the application may use wolfSSL too: then its allocator is left alone,
 * all figures are 0.
 */
#ifndef HALO_TLS_ALLOCATOR_H
#define HALO_TLS_ALLOCATOR_H

#include "core/base/base.h"

/* Makes wolfSSL allocate here. Before wolfSSL_Init, once. */
void tls_allocator_install(void);

/* Between the two calls this thread's allocations are the buffers of records, which live for one
 * record: they are rounded up to few sizes, so that every size has been seen soon. */
void tls_allocator_records_begin(void);
void tls_allocator_records_end(void);

/* Octets that the cache of a thread keeps at most. */
size_t tls_allocator_spare_max(void);

/* Empties this thread's cache. */
void tls_allocator_thread_exit(void);

#endif
