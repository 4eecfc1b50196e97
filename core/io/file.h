/*
 * Reading files and pipes: one read at a time into the caller's memory.
 *
 * Page-cached data is copied inside the turn's enter; what must come from the disk, from one of
 * the kernel's worker threads. Neither blocks the loop.
 */
#ifndef HALO_CORE_IO_FILE_H
#define HALO_CORE_IO_FILE_H

#include "core/io/op.h"
#include "core/io/ring.h"

/* The offset for what cannot seek: pipes, sockets, terminals. */
#define IO_READ_NO_OFFSET RING_NO_OFFSET

/* From io_read_start() until `on_read`, the struct and the memory belong to the kernel. */
struct io_read {
    struct io_op op;
    struct halo_loop *loop;
    /* `result`: octets read, may be fewer than asked for; 0 at the end of the file; a negative
     * errno, -ECANCELED after io_read_cancel(). The struct may be used again or freed here. */
    void (*on_read)(struct io_read *read, int result);
    int fd;
    uint32_t length;
    void *memory;
    uint64_t offset;
    bool cancelled;
    bool polling; /* the descriptor is non-blocking and was empty: waiting until it can be read */
};

void io_read_init(struct io_read *read, struct halo_loop *loop,
                  void (*on_read)(struct io_read *read, int result));

/* Starts a read. Only when none is under way. The descriptor stays the caller's, and open until
 * `on_read`; it may be blocking or not. */
void io_read_start(struct io_read *read, int fd, void *memory, uint32_t length, uint64_t offset);

/* Gives the read up. `on_read` is still called, and may still report octets; a read that is copying
 * from the disk runs to its end. Does nothing when no read is under way. */
void io_read_cancel(struct io_read *read);

static inline bool io_read_idle(const struct io_read *read)
{
    return io_op_idle(&read->op);
}

#endif
