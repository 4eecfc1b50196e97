/*
 * The real ring.
 */
#include "core/io/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What is copied between the kernel's structs and ours must be the same. */
_Static_assert(sizeof(struct ring_completion) == sizeof(struct io_uring_cqe), "completion");
_Static_assert(offsetof(struct ring_completion, user_data) ==
                       offsetof(struct io_uring_cqe, user_data) &&
                   offsetof(struct ring_completion, result) == offsetof(struct io_uring_cqe, res) &&
                   offsetof(struct ring_completion, flags) == offsetof(struct io_uring_cqe, flags),
               "completion");
_Static_assert(
    sizeof(struct ring_buffer_entry) == sizeof(struct io_uring_buf) &&
        offsetof(struct ring_buffer_entry, address) == offsetof(struct io_uring_buf, addr) &&
        offsetof(struct ring_buffer_entry, length) == offsetof(struct io_uring_buf, len) &&
        offsetof(struct ring_buffer_entry, id) == offsetof(struct io_uring_buf, bid) &&
        offsetof(struct ring_buffer_entry, tail) == offsetof(struct io_uring_buf_ring, tail),
    "buffer entry");
_Static_assert((int)RING_BUFFER == (int)IORING_CQE_F_BUFFER &&
                   (int)RING_MORE == (int)IORING_CQE_F_MORE &&
                   (int)RING_NOTIFICATION == (int)IORING_CQE_F_NOTIF &&
                   (int)RING_BUFFER_SHIFT == (int)IORING_CQE_BUFFER_SHIFT,
               "completion flags");

struct ring_uring {
    struct ring ring;
    struct io_uring uring;
};

static struct ring_uring *uring_of(struct ring *ring)
{
    return HALO_CONTAINER(ring, struct ring_uring, ring);
}

int uring_init(struct io_uring *uring, uint32_t entries, uint32_t completion_entries)
{
    /*
     * SINGLE_ISSUER and DEFER_TASKRUN (6.0, 6.1): completions happen only inside our own enter, on
     * this thread, and never interrupt it. SUBMIT_ALL: one bad request does not hold up those
     * behind it. TASKRUN_FLAG tells user space that completions are pending; some kernels refuse it
     * together with the others.
     */
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_TASKRUN_FLAG,
        .cq_entries = completion_entries,
    };
    struct io_uring_params again = params;
    const uint32_t needed = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                            IORING_FEAT_FAST_POLL | IORING_FEAT_CQE_SKIP;
    unsigned int workers[2] = { 4, 4 };
    int error = io_uring_queue_init_params(entries, uring, &params);

    if (error == -EINVAL) {
        again.flags &= ~(uint32_t)IORING_SETUP_TASKRUN_FLAG;
        params = again;
        error = io_uring_queue_init_params(entries, uring, &params);
    }
    if (error != 0) {
        return error;
    }
    if ((params.features & needed) != needed) {
        io_uring_queue_exit(uring);
        return -EINVAL;
    }
    /* File reads that miss the page cache may go to worker threads; a few are enough. */
    (void)io_uring_register_iowq_max_workers(uring, workers);
    return 0;
}

static int ring_setup(struct ring *ring, const struct ring_options *options)
{
    struct ring_uring *self = uring_of(ring);
    int error = ring_probe(&ring->capabilities);

    if (error == 0) {
        error = uring_init(&self->uring, options->entries, options->completion_entries);
    }
    if (error != 0) {
        return error;
    }
    ring->room = io_uring_sq_space_left(&self->uring);
    ring->entries = ring->room;
    return 0;
}

static void ring_exit(struct ring *ring)
{
    io_uring_queue_exit(&uring_of(ring)->uring);
    ring->room = 0;
}

static void ring_free(struct ring *ring)
{
    free(uring_of(ring));
}

/* A registered ring descriptor saves the reference counting of the descriptor table in every
 * enter. */
static void ring_attach(struct ring *ring)
{
    (void)io_uring_register_ring_fd(&uring_of(ring)->uring);
}

static void ring_detach(struct ring *ring)
{
    /* Registered, it would keep the ring alive in this thread when another one exits it. */
    (void)io_uring_unregister_ring_fd(&uring_of(ring)->uring);
}

static void prepare_receive(struct io_uring_sqe *sqe, const struct ring_request *request)
{
    io_uring_prep_recv(sqe, request->fd, NULL, 0, 0);
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = request->group;
    if ((request->flags & RING_MULTISHOT) != 0) {
        sqe->ioprio |= IORING_RECV_MULTISHOT;
        sqe->file_index = request->budget; /* optlen, 6.17 */
    }
}

/* MSG_WAITALL: the kernel itself goes on after a short write. */
enum { SEND_FLAGS = MSG_WAITALL | MSG_NOSIGNAL };

void uring_prepare(struct io_uring_sqe *sqe, const struct ring_request *request)
{
    switch ((enum ring_opcode)request->opcode) {
    case RING_RECV:
        prepare_receive(sqe, request);
        break;
    case RING_SEND:
        io_uring_prep_send(sqe, request->fd, request->address, request->length, SEND_FLAGS);
        if ((request->flags & RING_VECTORIZED) != 0) {
            sqe->ioprio |= URING_SEND_VECTORIZED;
        }
        break;
    case RING_SENDMSG:
        io_uring_prep_sendmsg(sqe, request->fd, request->address, SEND_FLAGS);
        break;
    case RING_SENDMSG_ZERO_COPY:
        io_uring_prep_sendmsg_zc(sqe, request->fd, request->address, SEND_FLAGS);
        sqe->ioprio |= URING_SEND_REPORT_USAGE;
        break;
    case RING_ACCEPT:
        io_uring_prep_accept(sqe, request->fd, NULL, NULL, SOCK_CLOEXEC);
        if ((request->flags & RING_MULTISHOT) != 0) {
            sqe->ioprio |= IORING_ACCEPT_MULTISHOT;
        }
        break;
    case RING_CONNECT:
        io_uring_prep_connect(sqe, request->fd, request->address, request->length);
        break;
    case RING_READ:
        io_uring_prep_read(sqe, request->fd, (void *)(uintptr_t)request->address, request->length,
                           request->offset);
        break;
    case RING_POLL_IN:
        io_uring_prep_poll_add(sqe, request->fd, POLLIN);
        break;
    case RING_CLOSE:
        io_uring_prep_close(sqe, request->fd);
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        break;
    case RING_CANCEL:
        /* By user_data: a hash lookup. By descriptor the kernel would search everything that is
         * armed. */
        io_uring_prep_cancel64(sqe, request->target, 0);
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        break;
    case RING_CANCEL_ALL:
        io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
        break;
    }
    sqe->user_data = request->user_data;
}

static void ring_prepare(struct ring *ring, const struct ring_request *request)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring_of(ring)->uring);

    HALO_ASSERT(sqe != NULL);
    ring->room--;
    uring_prepare(sqe, request);
}

static int ring_submit(struct ring *ring)
{
    struct ring_uring *self = uring_of(ring);
    int result = io_uring_submit(&self->uring);

    ring->room = io_uring_sq_space_left(&self->uring);
    if (result < 0) {
        return result;
    }
    return io_uring_sq_ready(&self->uring) == 0 ? 0 : -EAGAIN;
}

static int ring_submit_and_wait(struct ring *ring, uint32_t count, int64_t timeout_ns)
{
    struct ring_uring *self = uring_of(ring);
    struct io_uring_cqe *first;
    struct __kernel_timespec timeout = {
        .tv_sec = timeout_ns / 1000000000,
        .tv_nsec = timeout_ns % 1000000000,
    };
    int result;

    /* Each of these enters the kernel once, and lets pending completions happen; the second would
     * not when a submit in between has brought some already. */
    if (timeout_ns == 0 || io_uring_cq_ready(&self->uring) >= count) {
        result = io_uring_submit_and_get_events(&self->uring);
    } else {
        result = io_uring_submit_and_wait_timeout(&self->uring, &first, count,
                                                  timeout_ns < 0 ? NULL : &timeout, NULL);
    }
    ring->room = io_uring_sq_space_left(&self->uring);
    /*
     * ETIME: the timeout. EINTR: a signal. EBUSY: completions overflowed their queue and come once
     * it is reaped. EAGAIN: no memory for requests at this moment; what was not submitted stays in
     * the queue.
     */
    if (result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
        result == -EAGAIN) {
        return 0;
    }
    return result;
}

static uint32_t ring_reap(struct ring *ring, struct ring_completion *out, uint32_t max)
{
    struct io_uring *uring = &uring_of(ring)->uring;
    uint32_t ready = io_uring_cq_ready(uring);
    uint32_t count = min_u32(ready, max);
    uint32_t head = *uring->cq.khead;
    uint32_t mask = *uring->cq.kring_mask;

    for (uint32_t i = 0; i < count; i++) {
        memcpy(&out[i], &uring->cq.cqes[(head + i) & mask], sizeof(out[i]));
    }
    io_uring_cq_advance(uring, count);
    return count;
}

int uring_register_buffers(struct io_uring *uring, uint16_t group,
                           struct ring_buffer_entry *entries, uint32_t count)
{
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)entries,
        .ring_entries = count,
        .bgid = group,
    };

    return io_uring_register_buf_ring(uring, &registration, 0);
}

static int ring_buffers_register(struct ring *ring, uint16_t group,
                                 struct ring_buffer_entry *entries, uint32_t count)
{
    return uring_register_buffers(&uring_of(ring)->uring, group, entries, count);
}

static int ring_buffers_unregister(struct ring *ring, uint16_t group)
{
    return io_uring_unregister_buf_ring(&uring_of(ring)->uring, group);
}

/* ---- plain system calls ---------------------------------------------------------------- */

static uint64_t ring_clock_ns(struct ring *ring)
{
    struct timespec now;

    (void)ring;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int ring_socket(struct ring *ring, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)ring;
    return fd >= 0 ? fd : -errno;
}

static int ring_shutdown(struct ring *ring, int fd, int how)
{
    (void)ring;
    return shutdown(fd, how) == 0 ? 0 : -errno;
}

static int ring_accept_now(struct ring *ring, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int accepted;
    int error;

    (void)ring;
    /* accept4 has no "do not wait" of its own; the listener must not block while we ask. */
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return -errno;
    }
    accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    error = errno;
    (void)fcntl(fd, F_SETFL, flags);
    return accepted >= 0 ? accepted : -error;
}

static void ring_close_now(struct ring *ring, int fd)
{
    (void)ring;
    /* EINTR included: the descriptor is gone when close returns. */
    (void)close(fd);
}

static const struct ring_ops uring_ops = {
    .setup = ring_setup,
    .exit = ring_exit,
    .free = ring_free,
    .attach = ring_attach,
    .detach = ring_detach,
    .prepare = ring_prepare,
    .submit = ring_submit,
    .submit_and_wait = ring_submit_and_wait,
    .reap = ring_reap,
    .buffers_register = ring_buffers_register,
    .buffers_unregister = ring_buffers_unregister,
    .clock_ns = ring_clock_ns,
    .socket = ring_socket,
    .shutdown = ring_shutdown,
    .accept_now = ring_accept_now,
    .close_now = ring_close_now,
};

struct ring *ring_uring_new(void)
{
    struct ring_uring *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        return NULL;
    }
    self->ring.ops = &uring_ops;
    return &self->ring;
}
