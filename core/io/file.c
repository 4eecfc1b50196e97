#include "core/io/file.h"

#include <errno.h>

#include "core/io/loop.h"

static void read_done(struct io_op *op, int result, uint32_t flags);

void io_read_init(struct io_read *read, struct halo_loop *loop,
                  void (*on_read)(struct io_read *read, int result))
{
    *read = (struct io_read){ .loop = loop, .on_read = on_read, .fd = -1 };
    io_op_init(&read->op, read_done);
}

static void submit(struct io_read *read)
{
    struct ring_request request = {
        .opcode = RING_READ,
        .fd = read->fd,
        .address = read->memory,
        .length = read->length,
        .offset = read->offset,
    };

    if (read->polling) {
        request = (struct ring_request){ .opcode = RING_POLL_IN, .fd = read->fd };
    }
    io_op_submit(read->loop, &read->op, &request);
}

static void read_done(struct io_op *op, int result, uint32_t flags)
{
    struct io_read *read = HALO_CONTAINER(op, struct io_read, op);

    HALO_ASSERT((flags & RING_MORE) == 0);
    if (read->cancelled || read->loop->closing) {
        /* What a poll answered is not octets; those of a read are. */
        read->on_read(read,
                      read->polling || result == -EAGAIN || result == -EINTR ? -ECANCELED : result);
        return;
    }
    /* Older kernels answer -EAGAIN for a non-blocking descriptor, where they wait for a blocking
     * one. */
    if (result == -EAGAIN || (read->polling && result >= 0)) {
        read->polling = !read->polling;
        submit(read);
        return;
    }
    if (result == -EINTR) {
        submit(read);
        return;
    }
    read->on_read(read, result);
}

void io_read_start(struct io_read *read, int fd, void *memory, uint32_t length, uint64_t offset)
{
    HALO_ASSERT(io_read_idle(read));
    read->fd = fd;
    read->memory = memory;
    read->length = length;
    read->offset = offset;
    read->cancelled = false;
    read->polling = false;
    submit(read);
}

void io_read_cancel(struct io_read *read)
{
    if (!io_read_idle(read)) {
        read->cancelled = true;
        io_op_cancel(read->loop, &read->op);
    }
}
