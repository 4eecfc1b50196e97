#include "core/io/op.h"

#include <errno.h>

#include "core/io/loop.h"

/*
 * Where an operation can be besides the kernel:
 *   early     submitted before the loop's ring was made; io_op_submit_early() submits it when it is
 *   failed    the kernel had no room for it, or it was called off before the kernel saw it: `done`
 *             is told in the next batch, like for any other
 *   cancels   in the kernel, but the request to cancel it found no room: asked again in the next
 *             turn
 */

struct loop_early {
    struct loop_early *next;
    struct io_op *op;
    struct ring_request request;
};

void io_op_fail(struct halo_loop *loop, struct io_op *op, int error)
{
    HALO_ASSERT(op->state == IO_OP_IDLE);
    HALO_ASSERT(error < 0);
    op->state = IO_OP_FAILED;
    op->result = error;
    op->next = NULL;
    *loop->failed_tail = op;
    loop->failed_tail = &op->next;
}

void io_op_flush(struct halo_loop *loop)
{
    /* An error cannot be helped here: without memory for requests the queue stays as full as it
     * is. */
    (void)loop->ring->ops->submit(loop->ring);
    io_op_submitted(loop);
}

void io_op_submitted(struct halo_loop *loop)
{
    if (HALO_LIKELY(loop->ring->room == loop->ring->entries)) {
        loop->send_slots_used = 0;
    }
}

bool io_op_make_room(struct halo_loop *loop)
{
    if (HALO_UNLIKELY(loop->ring->room == 0)) {
        io_op_flush(loop);
    }
    return loop->ring->room > 0;
}

static void submit_later(struct halo_loop *loop, struct io_op *op,
                         const struct ring_request *request)
{
    struct loop_early *early = memory_alloc(&loop->memory, sizeof(*early));
    struct loop_early **tail = &loop->early;

    if (early == NULL) {
        io_op_fail(loop, op, -ENOMEM);
        return;
    }
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *early = (struct loop_early){ .op = op, .request = *request };
    *tail = early;
    op->state = IO_OP_WAITING;
}

void io_op_submit(struct halo_loop *loop, struct io_op *op, struct ring_request *request)
{
    HALO_ASSERT(op->state == IO_OP_IDLE && op->done != NULL);
    request->user_data = (uintptr_t)op;
    if (HALO_UNLIKELY(loop->closing)) {
        io_op_fail(loop, op, -ECANCELED);
        return;
    }
    if (HALO_UNLIKELY(!loop->ring_ready)) {
        submit_later(loop, op, request);
        return;
    }
    if (HALO_UNLIKELY(!io_op_make_room(loop))) {
        io_op_fail(loop, op, -ENOMEM);
        return;
    }
    op->state = IO_OP_IN_KERNEL;
    loop->ledger.operations++;
    loop->ring->ops->prepare(loop->ring, request);
}

void io_op_submit_early(struct halo_loop *loop)
{
    struct loop_early *early;

    while ((early = loop->early) != NULL) {
        struct io_op *op = early->op;
        struct ring_request request = early->request;

        loop->early = early->next;
        memory_free(&loop->memory, early);
        op->state = IO_OP_IDLE;
        io_op_submit(loop, op, &request);
    }
}

/* Calls off an operation that waits for the ring. */
static void cancel_early(struct halo_loop *loop, struct io_op *op)
{
    struct loop_early **place = &loop->early;
    struct loop_early *early;

    while (*place != NULL && (*place)->op != op) {
        place = &(*place)->next;
    }
    early = *place;
    HALO_ASSERT(early != NULL);
    *place = early->next;
    memory_free(&loop->memory, early);
    op->state = IO_OP_IDLE;
    io_op_fail(loop, op, -ECANCELED);
}

void io_op_cancel_early(struct halo_loop *loop)
{
    while (loop->early != NULL) {
        cancel_early(loop, loop->early->op);
    }
}

static bool try_cancel(struct halo_loop *loop, struct io_op *op)
{
    const struct ring_request request = {
        .opcode = RING_CANCEL,
        .target = (uintptr_t)op,
    };

    if (!io_op_make_room(loop)) {
        return false;
    }
    loop->ring->ops->prepare(loop->ring, &request);
    return true;
}

void io_op_cancel(struct halo_loop *loop, struct io_op *op)
{
    if (op->state == IO_OP_WAITING) {
        cancel_early(loop, op);
        return;
    }
    if (op->state != IO_OP_IN_KERNEL) {
        return;
    }
    op->state = IO_OP_CANCELLING;
    if (HALO_UNLIKELY(!try_cancel(loop, op))) {
        op->next = loop->cancels;
        loop->cancels = op;
    }
}

void io_op_retry_cancels(struct halo_loop *loop)
{
    while (loop->cancels != NULL && try_cancel(loop, loop->cancels)) {
        loop->cancels = loop->cancels->next;
    }
}

/* An operation that ends need not be cancelled any more. */
static void forget_cancel(struct halo_loop *loop, struct io_op *op)
{
    struct io_op **place = &loop->cancels;

    while (*place != NULL && *place != op) {
        place = &(*place)->next;
    }
    if (*place != NULL) {
        *place = op->next;
    }
}

void io_op_complete(struct halo_loop *loop, struct io_op *op, int result, uint32_t flags)
{
    HALO_ASSERT(op->state == IO_OP_IN_KERNEL || op->state == IO_OP_CANCELLING);
    if ((flags & RING_MORE) == 0) {
        if (HALO_UNLIKELY(loop->cancels != NULL)) {
            forget_cancel(loop, op);
        }
        HALO_ASSERT(loop->ledger.operations > 0);
        loop->ledger.operations--;
        op->state = IO_OP_IDLE;
    }
    op->done(op, result, flags);
}

void io_op_tell_failed(struct halo_loop *loop)
{
    struct io_op *op = loop->failed;

    /* What fails while these are told waits for the next batch. */
    loop->failed = NULL;
    loop->failed_tail = &loop->failed;
    while (op != NULL) {
        struct io_op *next = op->next;

        op->state = IO_OP_IDLE;
        op->done(op, op->result, 0);
        op = next;
    }
}
