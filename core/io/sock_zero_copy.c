#include <errno.h>

#include "core/io/loop.h"
#include "core/io/sock.h"

/*
 * A request completes twice: with its result, which has RING_MORE, and with RING_NOTIFICATION when
 * the kernel has let go of the octets. One that failed early completes once, without RING_MORE; but
 * a result that is an error may be followed by a notification as well. So only the flags count.
 */
static void zero_copy_done(struct io_op *op, int result, uint32_t flags)
{
    struct io_zero_copy *send = HALO_CONTAINER(op, struct io_zero_copy, op);
    struct io_sender *sender = send->sender;

    if ((flags & RING_NOTIFICATION) != 0) {
        HALO_ASSERT(sender == NULL && (flags & RING_MORE) == 0);
        send->on_released(send, ((uint32_t)result & RING_WAS_COPIED) != 0);
        return;
    }
    HALO_ASSERT(sender != NULL && sender->zero_copy == send);
    send->sender = NULL;
    sender->zero_copy = NULL;
    send->on_sent(send, io_send_result(sender->loop, result));
    if ((flags & RING_MORE) == 0) {
        send->on_released(send, false);
    }
}

void io_zero_copy_init(struct io_zero_copy *send,
                       void (*on_sent)(struct io_zero_copy *send, int result),
                       void (*on_released)(struct io_zero_copy *send, bool copied))
{
    *send = (struct io_zero_copy){ .on_sent = on_sent, .on_released = on_released };
    io_op_init(&send->op, zero_copy_done);
}

void io_sender_send_zero_copy(struct io_sender *sender, struct io_zero_copy *send,
                              const struct iovec *pieces, int num_pieces)
{
    struct halo_loop *loop = sender->loop;
    struct ring_request request = { .opcode = RING_SENDMSG_ZERO_COPY, .fd = sender->fd };

    HALO_ASSERT(io_sender_idle(sender) && io_op_idle(&send->op));
    HALO_ASSERT(num_pieces > 0 && num_pieces <= IO_SEND_PIECES_MAX);
    HALO_ASSERT(loop->closing || (loop->ring_ready && loop->ring->capabilities.send_zero_copy));
    sender->zero_copy = send;
    send->sender = sender;
    if (!loop->closing) {
        request.address = io_send_slot(loop, pieces, num_pieces);
        if (request.address == NULL) {
            io_op_fail(loop, &send->op, -ENOMEM);
            return;
        }
    }
    io_op_submit(loop, &send->op, &request);
}
