#include <errno.h>

#include "core/io/loop.h"
#include "core/io/sock.h"

enum {
    BACKOFF_MIN_MS = 10,
    BACKOFF_MAX_MS = 100,
    /* Connections taken from the queue of a listener that is about to be closed; more than any
     * backlog. */
    DRAIN_MAX = 65536,
};

static void acceptor_done(struct io_op *op, int result, uint32_t flags);
static void backoff_over(struct timer *timer);

void io_acceptor_init(struct io_acceptor *acceptor, struct halo_loop *loop, int fd,
                      void (*on_accepted)(struct io_acceptor *acceptor, int fd),
                      void (*on_accept_end)(struct io_acceptor *acceptor))
{
    *acceptor = (struct io_acceptor){
        .loop = loop,
        .on_accepted = on_accepted,
        .on_accept_end = on_accept_end,
        .fd = fd,
        .multishot = true,
    };
    io_op_init(&acceptor->op, acceptor_done);
    timer_init(&acceptor->backoff, backoff_over);
}

static void arm(struct io_acceptor *acceptor)
{
    struct halo_loop *loop = acceptor->loop;
    struct ring_request request = { .opcode = RING_ACCEPT, .fd = acceptor->fd };

    HALO_ASSERT(acceptor->state == IO_ACCEPTOR_RUNNING);
    HALO_ASSERT(!timer_armed(&acceptor->backoff));
    /* The capabilities are not known before there is a ring: then the first one is single-shot. */
    if (acceptor->multishot && loop->ring->capabilities.accept_multishot) {
        request.flags = RING_MULTISHOT;
    }
    io_op_submit(loop, &acceptor->op, &request);
}

/* ---- errors ---------------------------------------------------------------------------- */

static void back_off(struct io_acceptor *acceptor, int error)
{
    acceptor->backoff_ms =
        min_u32(max_u32(acceptor->backoff_ms * 2, BACKOFF_MIN_MS), BACKOFF_MAX_MS);
    if (acceptor->on_accept_error != NULL) {
        acceptor->in_callback = true;
        acceptor->on_accept_error(acceptor, error);
        acceptor->in_callback = false;
    }
    if (acceptor->state == IO_ACCEPTOR_RUNNING) {
        loop_timer_set(acceptor->loop, &acceptor->backoff,
                       (uint64_t)acceptor->backoff_ms * 1000000);
    }
}

static void backoff_over(struct timer *timer)
{
    struct io_acceptor *acceptor = HALO_CONTAINER(timer, struct io_acceptor, backoff);

    if (acceptor->state == IO_ACCEPTOR_RUNNING && io_op_idle(&acceptor->op)) {
        arm(acceptor);
    }
}

static void accept_failed(struct io_acceptor *acceptor, int error)
{
    switch (error) {
    case -ECANCELED:
    case -EAGAIN:
    case -EINTR:
        return;
    /* The connection died in the queue; accept(2) asks to treat these like "again". */
    case -ECONNABORTED:
    case -EPERM:
    case -EPROTO:
    case -ENOPROTOOPT:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -ENONET:
        return;
    /* Out of descriptors or memory: it would fail again at once. */
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOBUFS:
        back_off(acceptor, error);
        return;
    default:
        /* A kernel or sandbox that cannot do multishot, or a socket that does not listen: go on
         * with care. */
        acceptor->multishot = false;
        back_off(acceptor, error);
        return;
    }
}

/* ---- completions ----------------------------------------------------------------------- */

static void hand_out(struct io_acceptor *acceptor, int fd)
{
    io_fd_opened(acceptor->loop, fd);
    acceptor->backoff_ms = 0;
    if (acceptor->state == IO_ACCEPTOR_STOPPING && !acceptor->drain) {
        io_set_reset_on_close(fd);
        io_close(acceptor->loop, fd);
        return;
    }
    acceptor->in_callback = true;
    acceptor->on_accepted(acceptor, fd);
    acceptor->in_callback = false;
}

/* The acceptor may be freed in here. */
static void finish(struct io_acceptor *acceptor)
{
    struct ring *ring = acceptor->loop->ring;

    for (int i = 0; acceptor->drain && i < DRAIN_MAX; i++) {
        int fd = ring->ops->accept_now(ring, acceptor->fd);

        if (fd == -ECONNABORTED || fd == -EINTR) {
            continue;
        }
        if (fd < 0) {
            break;
        }
        hand_out(acceptor, fd);
    }
    acceptor->state = IO_ACCEPTOR_IDLE;
    acceptor->on_accept_end(acceptor);
}

static void acceptor_done(struct io_op *op, int result, uint32_t flags)
{
    struct io_acceptor *acceptor = HALO_CONTAINER(op, struct io_acceptor, op);

    if (result >= 0) {
        hand_out(acceptor, result);
    } else if (acceptor->state != IO_ACCEPTOR_STOPPING) {
        accept_failed(acceptor, result);
    }
    if ((flags & RING_MORE) != 0) {
        return;
    }
    if (acceptor->loop->closing) {
        timer_clear(&acceptor->loop->timers, &acceptor->backoff);
        acceptor->drain = false;
        finish(acceptor);
    } else if (acceptor->state == IO_ACCEPTOR_STOPPING) {
        finish(acceptor);
    } else if (acceptor->state == IO_ACCEPTOR_RUNNING && !timer_armed(&acceptor->backoff)) {
        arm(acceptor);
    }
}

/* ---- calls ----------------------------------------------------------------------------- */

void io_acceptor_start(struct io_acceptor *acceptor)
{
    HALO_ASSERT(acceptor->state == IO_ACCEPTOR_IDLE);
    acceptor->state = IO_ACCEPTOR_RUNNING;
    arm(acceptor);
}

void io_acceptor_pause(struct io_acceptor *acceptor)
{
    if (acceptor->state != IO_ACCEPTOR_RUNNING) {
        return;
    }
    acceptor->state = IO_ACCEPTOR_PAUSED;
    loop_timer_clear(acceptor->loop, &acceptor->backoff);
    io_op_cancel(acceptor->loop, &acceptor->op);
}

void io_acceptor_resume(struct io_acceptor *acceptor)
{
    if (acceptor->state != IO_ACCEPTOR_PAUSED) {
        return;
    }
    acceptor->state = IO_ACCEPTOR_RUNNING;
    /* Otherwise the end of the operation, or of the callback, arms it. */
    if (io_op_idle(&acceptor->op) && !acceptor->in_callback) {
        arm(acceptor);
    }
}

bool io_acceptor_stop(struct io_acceptor *acceptor, bool drain)
{
    if (acceptor->state == IO_ACCEPTOR_IDLE) {
        return true;
    }
    loop_timer_clear(acceptor->loop, &acceptor->backoff);
    acceptor->drain = drain;
    if (acceptor->state == IO_ACCEPTOR_STOPPING) {
        return false;
    }
    acceptor->state = IO_ACCEPTOR_STOPPING;
    if (acceptor->in_callback) {
        io_op_cancel(acceptor->loop,
                     &acceptor->op); /* does nothing when it has ended: acceptor_done goes on */
        return false;
    }
    if (io_op_idle(&acceptor->op)) {
        if (!drain) {
            acceptor->state = IO_ACCEPTOR_IDLE;
            return true;
        }
        /* Callbacks come from the loop's turn only. */
        io_op_fail(acceptor->loop, &acceptor->op, -ECANCELED);
        return false;
    }
    io_op_cancel(acceptor->loop, &acceptor->op);
    return false;
}
