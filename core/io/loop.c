#include "core/io/loop.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/options.h"
#include "core/io/sock.h"

enum {
    /* Requests prepared in one turn beyond which it enters the kernel twice; small stays hot in
     * cache. */
    SUBMISSION_ENTRIES = 256,
    COMPLETION_ENTRIES_MIN = 8192,
    COMPLETION_ENTRIES_MAX = 65536,
    /* A deferred call may defer again; one that never stops must not stop the loop. */
    DEFERRED_ROUNDS_MAX = 16,
    FLUSHES_MAX = 100,
};

/* A timer this close is waited for by a fresh clock: the turn's own work has taken some of the
 * time. */
static const uint64_t NEAR_NS = 10 * 1000 * 1000;

static const uint64_t FREE_TIMEOUT_NS = UINT64_C(5) * 1000 * 1000 * 1000;
static const int64_t FREE_STEP_NS = 100 * 1000 * 1000;

/* ---- making a loop --------------------------------------------------------------------- */

void halo_loop_options_init_sized(struct halo_loop_options *options, size_t struct_size)
{
    const struct halo_loop_options defaults = {
        .struct_size = struct_size,
        .receive_buffer_size = 8192,
        .receive_buffers = 128,
        .receive_buffers_max = 4096,
    };

    options_fill(options, struct_size, &defaults, sizeof(defaults));
}

static bool power_of_two(uint32_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

int loop_options_read(struct halo_loop_options *out, const struct halo_loop_options *given)
{
    halo_loop_options_init(out);
    if (given != NULL) {
        HALO_TRY(options_take(out, sizeof(*out), given));
    }
    if (!power_of_two(out->receive_buffer_size) || out->receive_buffer_size < 4096 ||
        out->receive_buffer_size > 16384 || !power_of_two(out->receive_buffers) ||
        !power_of_two(out->receive_buffers_max) ||
        out->receive_buffers > out->receive_buffers_max || out->receive_buffers_max > 32768 ||
        (out->zero_copy_min != 0 && (out->zero_copy_min < IO_ZERO_COPY_OCTETS_MIN ||
                                     out->zero_copy_min > IO_SEND_OCTETS_MAX))) {
        return HALO_E_INVALID_ARGUMENT;
    }
    return 0;
}

uint64_t loop_memory_bound(const struct halo_loop_options *options)
{
    return sizeof(struct halo_loop) +
           bufring_memory_bound(options->receive_buffer_size, options->receive_buffers_max) +
           io_send_slots_size();
}

static void loop_init(struct halo_loop *loop, const struct halo_loop_options *options)
{
    list_init(&loop->deferred);
    list_init(&loop->handles);
    list_init(&loop->public_timers);
    loop->failed_tail = &loop->failed;
    loop->wake_fd = -1;
    loop->zero_copy_min = options->zero_copy_min;
    bufring_init(&loop->bufring, loop, options->receive_buffer_size, options->receive_buffers,
                 options->receive_buffers_max);
    loop_update_clock(loop);
    timers_init(&loop->timers, loop->now_ns);
}

int loop_new_with_ring(struct halo_loop **out, const struct halo_loop_options *given,
                       struct ring *ring)
{
    struct halo_loop_options options;
    struct memory memory;
    struct halo_loop *loop = NULL;
    int status = loop_options_read(&options, given);

    *out = NULL;
    if (ring == NULL) {
        ring = ring_uring_new();
    }
    if (status == 0 && ring == NULL) {
        status = HALO_E_NOMEM;
    }
    if (status == 0) {
        memory_init(&memory, &options.allocator);
        loop = memory_zalloc(&memory, sizeof(*loop));
        status = loop != NULL ? 0 : HALO_E_NOMEM;
    }
    if (status != 0) {
        if (ring != NULL) {
            ring->ops->free(ring);
        }
        return status;
    }
    loop->memory = memory;
    loop->ring = ring;
    loop_init(loop, &options);
    *out = loop;
    return 0;
}

int halo_loop_new(halo_loop **loop, const struct halo_loop_options *options)
{
    return loop_new_with_ring(loop, options, NULL);
}

uint64_t halo_loop_now_ns(const halo_loop *loop)
{
    return loop->now_ns;
}

const char *halo_loop_error(const halo_loop *loop)
{
    return loop->error;
}

void loop_handle_add(struct halo_loop *loop, struct loop_handle *handle,
                     void (*abort)(struct loop_handle *handle))
{
    handle->abort = abort;
    list_push_back(&loop->handles, &handle->link);
}

void loop_handle_remove(struct loop_handle *handle)
{
    list_remove(&handle->link);
}

void loop_update_clock(struct halo_loop *loop)
{
    loop->now_ns = loop->ring->ops->clock_ns(loop->ring);
}

/* ---- the ring -------------------------------------------------------------------------- */

static uint32_t completion_entries(const struct bufring *bufring)
{
    uint32_t wanted = max_u32(COMPLETION_ENTRIES_MIN, 4 * bufring->count_max);

    return min_u32(wanted, COMPLETION_ENTRIES_MAX);
}

static void ring_failed(struct halo_loop *loop, int error)
{
    struct ring_environment environment;

    ring_environment_read(&environment);
    ring_explain(loop->error, sizeof(loop->error), error, &environment);
}

/* Gives the kernel's side back. Nothing may be in flight and no buffer out. */
static void close_ring(struct halo_loop *loop)
{
    /* Threads whose call has ended the run may not have left it yet: a moment, and rarely that. */
    while (__atomic_load_n(&loop->visitors, __ATOMIC_SEQ_CST) != 0) {
        sched_yield();
    }
    if (!loop->ring_ready) {
        return;
    }
    bufring_close(&loop->bufring);
    loop->ring->ops->exit(loop->ring);
    loop->ring_ready = false;
    close(loop->wake_fd);
    loop->wake_fd = -1;
}

/* Makes the ring on the calling thread, which owns it from now on. */
static int open_ring(struct halo_loop *loop)
{
    const struct ring_options options = {
        .entries = SUBMISSION_ENTRIES,
        .completion_entries = completion_entries(&loop->bufring),
    };
    int error;

    if (loop->send_slots == NULL) {
        HALO_TRY(io_send_slots_new(loop));
    }
    loop->wake_fd = eventfd(0, EFD_CLOEXEC); /* blocking: its read waits in the kernel */
    if (loop->wake_fd < 0) {
        ring_failed(loop, -errno);
        return HALO_E_IO_URING;
    }
    error = loop->ring->ops->setup(loop->ring, &options);
    if (error == 0) {
        error = bufring_open(&loop->bufring);
        if (error != 0) {
            loop->ring->ops->exit(loop->ring);
        }
    }
    if (error != 0) {
        ring_failed(loop, error);
        close(loop->wake_fd);
        loop->wake_fd = -1;
        return HALO_E_IO_URING;
    }
    loop->ring_ready = true;
    loop->thread = gettid();
    return 0;
}

/* The ring must be this thread's. One that is idle can be made anew here. */
static int take_ring(struct halo_loop *loop)
{
    if (loop->ring_ready && loop->thread != gettid()) {
        if (loop->ledger.operations > 0 || loop->ledger.buffers > 0) {
            snprintf(loop->error, sizeof(loop->error),
                     "The loop was run by another thread before and still has operations there: "
                     "run it on the same thread.");
            return HALO_E_WRONG_STATE;
        }
        close_ring(loop);
    }
    return loop->ring_ready ? 0 : open_ring(loop);
}

/* ---- waking ---------------------------------------------------------------------------- */

static void arm_wake(struct halo_loop *loop)
{
    struct ring_request request = {
        .opcode = RING_READ,
        .fd = loop->wake_fd,
        .address = &loop->wake_count,
        .length = sizeof(loop->wake_count),
        .offset = RING_NO_OFFSET,
    };

    io_op_submit(loop, &loop->wake_op, &request);
}

static void wake_done(struct io_op *op, int result, uint32_t flags)
{
    struct halo_loop *loop = HALO_CONTAINER(op, struct halo_loop, wake_op);

    (void)result;
    (void)flags;
    if (loop->running && !loop->closing) {
        arm_wake(loop);
    }
}

static bool has_mail(const struct halo_loop *loop)
{
    return __atomic_load_n(&loop->mailbox, __ATOMIC_SEQ_CST) != NULL;
}

static bool stop_wanted(const struct halo_loop *loop)
{
    return __atomic_load_n(&loop->stop, __ATOMIC_SEQ_CST) != 0;
}

void loop_wake(struct halo_loop *loop)
{
    const uint64_t one = 1;

    /* Only who finds it asleep wakes it: one write for many posts. */
    if (__atomic_exchange_n(&loop->sleeping, 0, __ATOMIC_SEQ_CST) != 0) {
        while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
}

void halo_loop_stop(halo_loop *loop)
{
    loop_enter_visitor(loop);
    __atomic_store_n(&loop->stop, 1, __ATOMIC_SEQ_CST);
    loop_wake(loop);
    loop_leave_visitor(loop);
}

/* ---- one turn -------------------------------------------------------------------------- */

/* How long the enter may wait. */
static int64_t wait_time(struct halo_loop *loop, int64_t timeout_ns)
{
    uint64_t next = timers_next_ns(&loop->timers);
    uint64_t now = loop->now_ns;

    if (timeout_ns == 0 || loop->failed != NULL || loop->cancels != NULL ||
        !list_empty(&loop->deferred)) {
        return 0;
    }
    if (next == TIMER_NEVER) {
        return timeout_ns;
    }
    if (next > now && next - now < NEAR_NS) {
        now = loop->ring->ops->clock_ns(loop->ring);
    }
    if (next <= now) {
        return 0;
    }
    next = min_u64(next - now, INT64_MAX);
    return timeout_ns > 0 ? (int64_t)min_u64(next, (uint64_t)timeout_ns) : (int64_t)next;
}

static int enter(struct halo_loop *loop, int64_t timeout_ns)
{
    struct ring *ring = loop->ring;
    int error;

    if (timeout_ns != 0) {
        /* First say that we sleep, then look: who posts does it the other way round. */
        __atomic_store_n(&loop->sleeping, 1, __ATOMIC_SEQ_CST);
        if (has_mail(loop) || stop_wanted(loop)) {
            timeout_ns = 0;
        }
    }
    error = ring->ops->submit_and_wait(ring, 1, timeout_ns);
    __atomic_store_n(&loop->sleeping, 0, __ATOMIC_RELAXED);
    io_op_submitted(loop);
    return error;
}

static void handle_completions(struct halo_loop *loop)
{
    struct ring_completion batch[LOOP_BATCH];
    struct ring *ring = loop->ring;
    uint32_t count;

    /* They are copied out first: callbacks may submit, which needs room in the queue. What such a
     * submit completes waits for the next turn, so this ends. */
    do {
        count = ring->ops->reap(ring, batch, LOOP_BATCH);
        for (uint32_t i = 0; i < count; i++) {
            /* Without an operation: a cancel that came too late, or a failed close. */
            if (batch[i].user_data != 0) {
                io_op_complete(loop, (struct io_op *)(uintptr_t)batch[i].user_data, batch[i].result,
                               batch[i].flags);
            }
        }
    } while (count == LOOP_BATCH);
}

static void call_deferred(struct halo_loop *loop)
{
    struct list_link round;
    struct list_link *link;

    for (int i = 0; i < DEFERRED_ROUNDS_MAX && !list_empty(&loop->deferred); i++) {
        list_init(&round);
        list_append_all(&round, &loop->deferred);
        while ((link = list_pop_front(&round)) != NULL) {
            struct loop_deferred *deferred = LIST_ITEM(link, struct loop_deferred, link);

            deferred->call(deferred);
        }
    }
}

int loop_turn(struct halo_loop *loop, int64_t timeout_ns)
{
    if (loop->ring_ready) {
        if (HALO_UNLIKELY(loop->cancels != NULL)) {
            io_op_retry_cancels(loop);
        }
        HALO_TRY(enter(loop, wait_time(loop, timeout_ns)));
    }
    loop_update_clock(loop);

    if (loop->ring_ready) {
        handle_completions(loop);
    }
    if (HALO_UNLIKELY(loop->failed != NULL)) {
        io_op_tell_failed(loop);
    }
    timers_expire(&loop->timers, loop->now_ns);
    if (has_mail(loop)) {
        loop_open_mail(loop);
    }
    call_deferred(loop);
    io_receivers_feed(loop, bufring_commit(&loop->bufring));
    return 0;
}

/* ---- running --------------------------------------------------------------------------- */

static bool has_work(const struct halo_loop *loop)
{
    return loop->refs > 0 || has_mail(loop) || !list_empty(&loop->deferred);
}

/* Submits all that is prepared, although the kernel may be short of memory for a while. */
static void flush_all(struct halo_loop *loop)
{
    for (int i = 0; i < FLUSHES_MAX && loop->ring->room != loop->ring->entries; i++) {
        io_op_flush(loop);
    }
}

/*
 * The end of a run. What is prepared still goes out (a close, for one). When only the read of the
 * wake descriptor is left in the kernel, it is taken back, so that an idle loop can be freed, or
 * run again, by any thread.
 */
static int settle(struct halo_loop *loop)
{
    flush_all(loop);
    if (loop->ledger.operations == 1 && !io_op_idle(&loop->wake_op)) {
        io_op_cancel(loop, &loop->wake_op);
        while (loop->ledger.operations == 1) {
            io_op_retry_cancels(loop);
            HALO_TRY(loop->ring->ops->submit_and_wait(loop->ring, 1, -1));
            handle_completions(loop);
        }
    }
    return 0;
}

int halo_loop_run(halo_loop *loop)
{
    int error = 0;

    if (loop->running || loop->closing) {
        snprintf(loop->error, sizeof(loop->error), "The loop runs already, or is being freed.");
        return HALO_E_WRONG_STATE;
    }
    loop->error[0] = '\0';
    HALO_TRY(take_ring(loop));
    loop->ring->ops->attach(loop->ring);
    loop->running = true;
    loop_update_clock(loop);
    if (io_op_idle(&loop->wake_op)) {
        io_op_init(&loop->wake_op, wake_done);
        arm_wake(loop);
    }
    io_op_submit_early(loop);
    io_receivers_feed(loop, bufring_commit(&loop->bufring));

    while (error == 0 && has_work(loop) && !stop_wanted(loop)) {
        error = loop_turn(loop, -1);
    }
    __atomic_store_n(&loop->stop, 0, __ATOMIC_SEQ_CST);
    loop->running = false;
    if (error == 0) {
        error = settle(loop);
    }
    loop->ring->ops->detach(loop->ring);
    if (error != 0) {
        snprintf(loop->error, sizeof(loop->error), "The ring failed: %s.", strerrordesc_np(-error));
        return HALO_E_IO;
    }
    return 0;
}

/* ---- freeing --------------------------------------------------------------------------- */

static bool has_leftovers(const struct halo_loop *loop)
{
    return loop->ledger.operations > 0 || loop->failed != NULL || has_mail(loop) ||
           !list_empty(&loop->deferred) || !list_empty(&loop->handles);
}

static void abort_handles(struct halo_loop *loop)
{
    struct list_link *link;

    while ((link = list_pop_front(&loop->handles)) != NULL) {
        struct loop_handle *handle = LIST_ITEM(link, struct loop_handle, link);

        handle->abort(handle);
    }
}

/* Ends everything that is under way. False when something does not end. */
static bool end_all(struct halo_loop *loop)
{
    const struct ring_request cancel_all = { .opcode = RING_CANCEL_ALL };
    uint64_t deadline = loop->ring->ops->clock_ns(loop->ring) + FREE_TIMEOUT_NS;

    abort_handles(loop);
    io_op_cancel_early(loop);
    if (loop->ring_ready && loop->thread != gettid()) {
        if (loop->ledger.operations > 0 || loop->ledger.buffers > 0) {
            return false; /* only the ring's own thread can wait for what is in it */
        }
        close_ring(loop);
    }
    io_op_cancel(loop, &loop->wake_op);
    /* The first turn ends what its owners have called off; what is left has no owner who cares. */
    for (bool first = true; has_leftovers(loop); first = false) {
        if (!first && loop->ledger.operations > 0 && io_op_make_room(loop)) {
            loop->ring->ops->prepare(loop->ring, &cancel_all);
        }
        if (loop_turn(loop, FREE_STEP_NS) != 0 ||
            loop->ring->ops->clock_ns(loop->ring) >= deadline) {
            return !has_leftovers(loop);
        }
        abort_handles(loop); /* made since, by a connection that was just accepted */
    }
    return true;
}

void halo_loop_free(halo_loop *loop)
{
    struct memory memory;

    if (loop == NULL) {
        return;
    }
    HALO_ASSERT(!loop->running);
    loop->closing = true;
    if (!end_all(loop) || loop->ledger.buffers > 0) {
        /* Memory that the kernel or the application still uses must not be freed. */
        fprintf(
            stderr,
            "halo_loop_free: %u operations do not end and %u received slices were not released; "
            "the loop's memory is left behind\n",
            loop->ledger.operations, loop->ledger.buffers);
        return;
    }
    loop_free_timers(loop);
    if (loop->file_env.free != NULL) {
        loop->file_env.free(loop, loop->file_env.data);
    }
    if (loop->tls_env.free != NULL) {
        loop->tls_env.free(loop, loop->tls_env.data);
    }
    if (loop->proto_env.free != NULL) {
        loop->proto_env.free(loop, loop->proto_env.data);
    }
    if (loop->ring_ready) {
        flush_all(loop);
    }
    close_ring(loop);
    loop->ring->ops->free(loop->ring);
    HALO_ASSERT(loop->ledger.descriptors == 0);
    HALO_ASSERT(loop->ledger.timers == 0);

    memory_free(&loop->memory, loop->send_slots);
    memory = loop->memory;
    memory_free(&memory, loop);
    memory_fini(&memory);
}
