/*
 * What ring_uring.c and ring_probe.c share: the two files that include liburing.h. Flags that
 * liburing 2.3 does not know yet are defined here; they are all per request, so an older library
 * need not know them.
 */
#ifndef HALO_CORE_IO_URING_H
#define HALO_CORE_IO_URING_H

#include <liburing.h>

#include "core/io/ring.h"

/* IORING_SEND_VECTORIZED, 6.17: a send whose address is an iovec array. */
enum { URING_SEND_VECTORIZED = 1u << 5 };
/* IORING_SEND_ZC_REPORT_USAGE, 6.2: the notification says whether the octets were copied. */
enum { URING_SEND_REPORT_USAGE = 1u << 3 };

/* Makes a ring with halo's flags. 0 or a negative errno. */
int uring_init(struct io_uring *uring, uint32_t entries, uint32_t completion_entries);

/* Translates a request. */
void uring_prepare(struct io_uring_sqe *sqe, const struct ring_request *request);

int uring_register_buffers(struct io_uring *uring, uint16_t group,
                           struct ring_buffer_entry *entries, uint32_t count);

#endif
