/* What a transport can hold at worst. */
#include "core/conn/conn.h"
#include "tls/allocator.h"
#include "tls/limits.h"
#include "tls/records.h"
#include "tls/tls.h"
#include "tls/transport.h"

/* The ClientHello while its memory is moved, the name in it, and the peer's certificate. */
static uint64_t handshake_bound(void)
{
    return HELLO_MEMORY_MAX + 256 + TLS_HANDSHAKE_OCTETS_MAX;
}

/* Blocks that the application holds a part of, and the one that is being filled. */
static uint64_t plaintext_bound(void)
{
    return ((uint64_t)CONN_HELD_BUFFERS_MAX + 1) * sizeof(struct chunk);
}

/* Records up to the target of a send. Each may leave as much of its chunk empty as it has octets
 * itself, since it lies in one piece. Behind that: a flight of ours with its certificates, answers
 * to key updates, an alert, close_notify; and the chunk that a record is gathered in, to be sent or
 * as it comes. */
static uint64_t output_bound(void)
{
    return 2 * ((uint64_t)CONN_SEND_TARGET + TLS_RECORD_MAX) + TLS_FLIGHT_MAX +
           3 * sizeof(struct chunk);
}

/* The ring of slices that wait to be read. One at a time is fed, and read before the next. */
static uint64_t queue_bound(void)
{
    return 8 * sizeof(halo_slice);
}

uint64_t tls_transport_memory_bound(void)
{
    return sizeof(struct tls_transport) + sizeof(struct tls_records) + handshake_bound() +
           plaintext_bound() + output_bound() + queue_bound() + TLS_LIBRARY_MEMORY_MAX;
}

uint64_t tls_thread_memory_bound(void)
{
    return tls_allocator_spare_max();
}
