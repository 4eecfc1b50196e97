/*
 * One operation of the kernel, embedded in whatever it works for: no operation allocates.
 *
 * An operation belongs to the kernel from op_submit() until its final completion has been handed to
 * `done`. Until then neither the struct, nor the memory that the operation reads or writes, may be
 * freed or moved, whether it was cancelled or not: a cancelled operation still completes, with
 * -ECANCELED or with what it had done already. The pointer itself is the operation's user_data;
 * that is safe because of this rule, and no generation is needed.
 *
 * `done` never runs inside op_submit() or op_cancel(), only from the loop's turn. It may submit the
 * same operation again, or free its owner when the completion was final.
 *
 * Code outside core/io uses the objects built on top of this: io_receiver, io_sender, io_acceptor,
 * io_connector (core/io/sock.h) and io_read (core/io/file.h).
 */
#ifndef HALO_CORE_IO_OP_H
#define HALO_CORE_IO_OP_H

#include "core/base/base.h"

struct halo_loop;
struct ring_request;
struct io_op;

/* `result`: octets or a descriptor, or a negative errno. `flags`: RING_MORE when more completions
 * of this operation follow, RING_BUFFER and the buffer's number when a provided buffer was used. */
typedef void io_op_done(struct io_op *op, int result, uint32_t flags);

enum io_op_state {
    IO_OP_IDLE = 0,
    IO_OP_WAITING = 1,    /* accepted before the ring was made; submitted when it is */
    IO_OP_IN_KERNEL = 2,  /* submitted, or about to be with the turn's enter */
    IO_OP_CANCELLING = 3, /* in the kernel, and a cancel request is on its way */
    IO_OP_FAILED = 4,     /* never reached the kernel; `done` will be told why in the next batch */
};

struct io_op {
    io_op_done *done;
    struct io_op *next; /* link of the loop's lists of failed operations and of cancels to repeat */
    int result;         /* of an operation that failed before the kernel saw it */
    uint8_t state;      /* enum io_op_state */
};

static inline void io_op_init(struct io_op *op, io_op_done *done)
{
    *op = (struct io_op){ .done = done };
}

/* No completion will come: the operation may be submitted, and its owner may be freed. */
static inline bool io_op_idle(const struct io_op *op)
{
    return op->state == IO_OP_IDLE;
}

/* Hands the operation to the kernel with the turn's next enter. Cannot fail: when the kernel has no
 * room for it, `done` is called in the next batch, with the errno. The request's user_data is set
 * here; the memory it points to must stay as it is until the enter, or longer where ring.h says
 * so. */
void io_op_submit(struct halo_loop *loop, struct io_op *op, struct ring_request *request);

/* Asks the kernel to give the operation up. `done` is still called, once, and last. Cancelling an
 * idle operation, or one that is being cancelled, does nothing. */
void io_op_cancel(struct halo_loop *loop, struct io_op *op);

/* ---- for core/io ----------------------------------------------------------------------- */

/* Ends an idle operation without the kernel: `done` is called with `error` in the next batch. */
void io_op_fail(struct halo_loop *loop, struct io_op *op, int error);
/* Submits what is prepared, without waiting. */
void io_op_flush(struct halo_loop *loop);
/* Requests were submitted: the iovecs of those that are gone are not needed any more. */
void io_op_submitted(struct halo_loop *loop);
/* Makes sure that the ring takes one more request, by submitting when it is full. False when the
 * kernel has no memory for requests at this moment. */
bool io_op_make_room(struct halo_loop *loop);
/* What was submitted before the loop's ring was made: hands it to the ring, or calls it off. */
void io_op_submit_early(struct halo_loop *loop);
void io_op_cancel_early(struct halo_loop *loop);
void io_op_retry_cancels(struct halo_loop *loop);
void io_op_complete(struct halo_loop *loop, struct io_op *op, int result, uint32_t flags);
void io_op_tell_failed(struct halo_loop *loop);

#endif
