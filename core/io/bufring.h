/*
 * Receive buffers: a ring of buffers that the kernel takes from as octets arrive, so that idle
 * connections hold none. One set per loop, shared by all its sockets.
 *
 * A buffer is out from the completion that used it until the last slice of it was released; then it
 * goes back to the kernel, at the end of the batch. Release may come much later, when somebody
 * holds the octets: that is why holders are bounded (core/conn) and must copy when buffers get
 * scarce (bufring_copy_out).
 *
 * The set starts small. When receivers find it empty, a group of twice the size is registered and
 * receivers move over when they are armed next; the old group goes when the last receiver has left
 * it and its last buffer is home. At the largest size, receivers that find nothing wait in a queue
 * until half of the buffers are back.
 */
#ifndef HALO_CORE_IO_BUFRING_H
#define HALO_CORE_IO_BUFRING_H

#include "core/base/list.h"
#include "core/base/slice.h"
#include "core/io/ring.h"

struct halo_loop;
struct bufring_group;

struct bufring_slot {
    struct halo_buffer buffer;
    struct bufring_group *group;
    uint32_t id;
};

/* One registered ring of buffers. */
struct bufring_group {
    struct list_link link; /* in bufring.groups */
    struct bufring *bufring;
    struct ring_buffer_entry *entries; /* shared with the kernel */
    uint8_t *octets;                   /* count * size */
    struct bufring_slot *slots;
    uint32_t count;     /* a power of two */
    uint32_t out;       /* buffers that are not with the kernel, nor waiting to go back to it */
    uint32_t returned;  /* written into the ring behind the tail, not shown to the kernel yet */
    uint32_t receivers; /* receive operations armed on it */
    uint16_t tail;
    uint16_t id;
};

struct bufring {
    struct halo_loop *loop;
    struct list_link groups;       /* the newest last */
    struct bufring_group *current; /* the one that is armed from */
    struct list_link starved;      /* io_receivers waiting for buffers, first come first served */
    uint32_t num_starved;
    uint32_t num_exhausted; /* receivers that found the current group empty in this batch */
    uint32_t size;          /* octets of a buffer */
    uint32_t count_min;     /* of the first group */
    uint32_t count_max;
    uint16_t next_id;
    bool dirty; /* some group has returned buffers, or may be freed */
};

/* ---- for those who get received slices ------------------------------------------------- */

/* Is the slice part of a receive buffer (and not of a copy)? */
bool bufring_owns(const halo_slice *slice);

/* Less than half of the buffers are with the kernel: who wants to hold received octets must copy
 * them out (bufring_copy_out), or nobody will receive any more. */
bool bufring_scarce(const struct halo_loop *loop);

/* Replaces the slice by a copy of its octets in the loop's memory and lets go of the receive
 * buffer. 0, or HALO_E_NOMEM: then the slice is unchanged. Slices of other memory are left
 * alone. */
int bufring_copy_out(struct halo_loop *loop, halo_slice *slice) HALO_MUST_USE;

/* ---- for core/io ----------------------------------------------------------------------- */

/* Octets of all groups at most: sizes double, so those that are not free yet are as much as the
 * last. */
uint64_t bufring_memory_bound(uint32_t size, uint32_t count_max);

void bufring_init(struct bufring *bufring, struct halo_loop *loop, uint32_t size, uint32_t count,
                  uint32_t count_max);
/* Registers the first group with the loop's ring. 0 or a negative errno. */
int bufring_open(struct bufring *bufring) HALO_MUST_USE;
/* Unregisters and frees all groups. All buffers must be home. */
void bufring_close(struct bufring *bufring);

/* A receive operation is about to be armed on the current group, or has ended. */
struct bufring_group *bufring_arm(struct bufring *bufring);
void bufring_disarm(struct bufring_group *group);

/* The slice of a completion with RING_BUFFER: `len` octets of buffer `id`, with one reference. */
halo_slice bufring_take(struct bufring_group *group, uint32_t id, size_t len);

/* End of the batch: shows returned buffers to the kernel, grows the set when receivers starve,
 * frees old groups. Returns how many starved receivers may be armed now. */
uint32_t bufring_commit(struct bufring *bufring);

#endif
