#include <errno.h>

#include "core/io/loop.h"
#include "core/io/sock.h"

static void receiver_done(struct io_op *op, int result, uint32_t flags);

void io_receiver_init(struct io_receiver *receiver, struct halo_loop *loop, int fd,
                      void (*on_received)(struct io_receiver *receiver, halo_slice *slice),
                      void (*on_receive_end)(struct io_receiver *receiver, int error))
{
    *receiver = (struct io_receiver){
        .loop = loop,
        .on_received = on_received,
        .on_receive_end = on_receive_end,
        .fd = fd,
    };
    io_op_init(&receiver->op, receiver_done);
    list_init(&receiver->starved);
}

/* ---- waiting for buffers --------------------------------------------------------------- */

static void starve(struct io_receiver *receiver)
{
    struct bufring *bufring = &receiver->loop->bufring;

    HALO_ASSERT(!list_linked(&receiver->starved));
    list_push_back(&bufring->starved, &receiver->starved);
    bufring->num_starved++;
}

static void leave_starved(struct io_receiver *receiver)
{
    if (list_linked(&receiver->starved)) {
        list_remove(&receiver->starved);
        receiver->loop->bufring.num_starved--;
    }
}

/*
 * The kernel tries first and polls then. IORING_RECVSEND_POLL_FIRST would save the attempt on a
 * socket that has nothing yet, and -ENOBUFS on such a one when the ring happens to be empty; but
 * armed with it where octets and an end are there already, a multishot receive brings the octets
 * and never the end (seen on 6.18 with AF_UNIX, and with TCP when the end is a reset).
 */
static void arm(struct io_receiver *receiver)
{
    struct halo_loop *loop = receiver->loop;
    struct ring_request request = {
        .opcode = RING_RECV,
        .fd = receiver->fd,
    };

    HALO_ASSERT(receiver->started && !receiver->paused && !receiver->stopping);
    if (HALO_UNLIKELY(loop->bufring.current == NULL)) {
        starve(receiver); /* the loop does not run yet */
        return;
    }
    if (loop->ring->capabilities.receive_multishot &&
        (loop->ring->capabilities.receive_end || !receiver->is_local)) {
        request.flags = RING_MULTISHOT;
        request.budget = loop->ring->capabilities.receive_budget ? IO_RECEIVE_BUDGET : 0;
    }
    receiver->group = bufring_arm(&loop->bufring);
    request.group = receiver->group->id;
    io_op_submit(loop, &receiver->op, &request);
}

void io_receivers_feed(struct halo_loop *loop, uint32_t count)
{
    while (count > 0) {
        struct list_link *link = list_first(&loop->bufring.starved);
        struct io_receiver *receiver;

        if (link == NULL) {
            return;
        }
        receiver = LIST_ITEM(link, struct io_receiver, starved);
        leave_starved(receiver);
        arm(receiver);
        count--;
    }
}

/* ---- completions ----------------------------------------------------------------------- */

/* The receiver may be freed in here. */
static void end(struct io_receiver *receiver, int error)
{
    leave_starved(receiver);
    receiver->started = false;
    receiver->stopping = false;
    receiver->on_receive_end(receiver, error);
}

/* A receive operation has ended, and its octets were handed out: what now? */
static void operation_ended(struct io_receiver *receiver, struct bufring_group *group, int result)
{
    struct bufring *bufring = &receiver->loop->bufring;

    if (receiver->stopping || receiver->loop->closing) {
        end(receiver, -ECANCELED);
        return;
    }
    switch (result) {
    case 0:
        end(receiver, 0);
        return;
    case -ENOBUFS:
        if (receiver->paused) {
            return;
        }
        if (group == bufring->current) {
            bufring->num_exhausted++;
            starve(receiver);
            return;
        }
        break;       /* the set has grown meanwhile */
    case -ECANCELED: /* paused, and perhaps resumed since */
    case -EAGAIN:    /* polled in vain too often: 128 times, 6.1 and later */
    case -EINTR:
        break;
    default:
        if (result < 0) {
            end(receiver, result);
            return;
        }
        break; /* the budget is spent, or the completion queue was full, or it was single-shot */
    }
    if (!receiver->paused) {
        arm(receiver);
    }
}

static void receiver_done(struct io_op *op, int result, uint32_t flags)
{
    struct io_receiver *receiver = HALO_CONTAINER(op, struct io_receiver, op);
    struct bufring_group *group = receiver->group;
    halo_slice slice = { 0 };

    if ((flags & RING_BUFFER) != 0) {
        slice = bufring_take(group, flags >> RING_BUFFER_SHIFT, result > 0 ? (size_t)result : 0);
    }
    if ((flags & RING_MORE) == 0) {
        bufring_disarm(group);
        receiver->group = NULL;
    }
    if (slice.len > 0 && !receiver->stopping) {
        receiver->in_callback = true;
        receiver->on_received(receiver, &slice);
        receiver->in_callback = false;
    } else {
        halo_slice_release(&slice);
    }
    if ((flags & RING_MORE) == 0) {
        operation_ended(receiver, group, result);
    }
}

/* ---- calls ----------------------------------------------------------------------------- */

void io_receiver_start(struct io_receiver *receiver)
{
    HALO_ASSERT(!receiver->started);
    receiver->started = true;
    if (!receiver->paused) {
        arm(receiver);
    }
}

void io_receiver_pause(struct io_receiver *receiver)
{
    if (receiver->paused) {
        return;
    }
    receiver->paused = true;
    leave_starved(receiver);
    io_op_cancel(receiver->loop, &receiver->op);
}

void io_receiver_resume(struct io_receiver *receiver)
{
    if (!receiver->paused) {
        return;
    }
    receiver->paused = false;
    /* Otherwise the end of the operation, or of the callback, arms it. */
    if (receiver->started && !receiver->stopping && !receiver->in_callback &&
        io_op_idle(&receiver->op)) {
        arm(receiver);
    }
}

bool io_receiver_stop(struct io_receiver *receiver)
{
    if (!receiver->started) {
        return true;
    }
    leave_starved(receiver);
    if (io_op_idle(&receiver->op) && !receiver->in_callback) {
        receiver->started = false;
        receiver->stopping = false;
        return true;
    }
    receiver->stopping = true;
    io_op_cancel(receiver->loop, &receiver->op);
    return false;
}
