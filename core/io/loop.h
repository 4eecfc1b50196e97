/*
 * The loop behind <halo/loop.h>, as the rest of halo sees it.
 *
 * One turn:
 *
 *   enter        one system call: submit what was prepared, wait until something completes, the
 *                next timer is due or another thread posts
 *   clock        read once; loop_now_ns() all turn long
 *   completions  each is handed to its operation's `done`
 *   timers       those that are due
 *   posted       calls of other threads
 *   deferred     once per loop_deferred: here connections build and send, so whatever happened to a
 *                connection in this turn goes out in one send
 *   buffers      receive buffers that came home go back to the kernel, starved receivers are armed
 *
 * User code runs inside the middle four and may call everything but halo_loop_run() and
 * halo_loop_free(). Nothing of halo calls back synchronously: operations only prepare, and what
 * they lead to comes in a later turn.
 */
#ifndef HALO_CORE_IO_LOOP_H
#define HALO_CORE_IO_LOOP_H

#include <halo/error.h>
#include <halo/loop.h>

#include "core/base/list.h"
#include "core/base/memory.h"
#include "core/io/bufring.h"
#include "core/io/op.h"
#include "core/io/ring.h"
#include "core/io/timers.h"

/* What must be nothing when a loop whose handles are all closed is freed. */
struct loop_ledger {
    uint32_t operations;  /* in the kernel, or about to be */
    uint32_t buffers;     /* receive buffers, and copies of them, that somebody holds */
    uint32_t descriptors; /* opened by halo, or given to it */
    uint32_t timers;      /* public timers */
};

/* Work to be done once, at the end of the completion batch. */
struct loop_deferred {
    struct list_link link;
    void (*call)(struct loop_deferred *deferred);
};

/* A call from another thread, in memory of the caller, which is free again when `call` begins. */
struct loop_posted {
    struct loop_posted *next;
    void (*call)(struct loop_posted *posted);
};

/* Something with a life of its own on the loop (server, client, session): closed by
 * halo_loop_free() if it is still there. */
struct loop_handle {
    struct list_link link;
    /* Close at once, without a graceful end. The handle removes itself, now or when its operations
     * are done. */
    void (*abort)(struct loop_handle *handle);
};

/* A place where a module keeps what all its objects on a loop share (scratch memory, caches). */
struct loop_env {
    void *data;
    void (*free)(struct halo_loop *loop, void *data); /* called by halo_loop_free(), last */
};

/* Completions that are moved out of the ring at a time. */
enum { LOOP_BATCH = 128 };

/* Sends of several pieces that are prepared before an enter must come between: that many pass their
 * iovecs through memory of the loop, so that idle connections need none of their own. */
enum { LOOP_SEND_SLOTS = 64 };

struct loop_early;
struct loop_send_slot;

struct halo_loop {
    uint64_t now_ns;
    struct ring *ring;
    struct memory memory; /* of everything that lives on the loop */
    struct timers timers;
    struct list_link deferred;
    struct bufring bufring;
    struct loop_ledger ledger;

    uint32_t refs; /* handles and timers that keep halo_loop_run() going */
    uint32_t send_slots_used;
    struct loop_send_slot *send_slots; /* iovecs of sends that were not submitted yet */
    struct io_op *failed; /* operations that never reached the kernel; told in the next batch */
    struct io_op **failed_tail;
    struct io_op *cancels;    /* operations whose cancel found no room in the ring */
    struct loop_early *early; /* operations submitted before there was a ring */
    struct list_link handles;
    struct list_link public_timers;
    struct loop_env proto_env; /* core/conn's */
    struct loop_env tls_env;   /* tls/'s */
    struct loop_env file_env;  /* server/'s file responses */

    bool ring_ready; /* the kernel's ring exists; it belongs to `thread` */
    bool running;
    bool closing;           /* in halo_loop_free(): nothing new is started */
    int thread;             /* id of the thread that made the ring */
    uint32_t zero_copy_min; /* of halo_loop_options */
    char error[512];

    /* Shared with other threads. */
    struct loop_posted *mailbox; /* atomic; the newest first */
    uint32_t sleeping;           /* atomic; the loop waits, or is about to: wake it */
    uint32_t stop;               /* atomic */
    uint32_t visitors; /* atomic; threads that are inside loop_post() or halo_loop_stop() */
    int wake_fd;
    struct io_op wake_op;
    uint64_t wake_count;
};

/* The clock of the turn. */
static inline uint64_t loop_now_ns(const struct halo_loop *loop)
{
    return loop->now_ns;
}

/* Reads the clock; every turn does. */
void loop_update_clock(struct halo_loop *loop);

/* A handle keeps the loop running from loop_ref to loop_unref. */
static inline void loop_ref(struct halo_loop *loop)
{
    loop->refs++;
}

static inline void loop_unref(struct halo_loop *loop)
{
    HALO_ASSERT(loop->refs > 0);
    loop->refs--;
}

static inline void loop_deferred_init(struct loop_deferred *deferred,
                                      void (*call)(struct loop_deferred *deferred))
{
    list_init(&deferred->link);
    deferred->call = call;
}

/* Has `call` made once, at the end of the completion batch and before the next enter; deferring it
 * again before that changes nothing. Deferred from within a deferred call, it is still made in the
 * same turn. */
static inline void loop_defer(struct halo_loop *loop, struct loop_deferred *deferred)
{
    if (!list_linked(&deferred->link)) {
        list_push_back(&loop->deferred, &deferred->link);
    }
}

/* Takes it back; needed before its memory is freed. */
static inline void loop_defer_cancel(struct loop_deferred *deferred)
{
    list_remove(&deferred->link);
}

/* Internal timers do not keep the loop running; the handle they belong to does. */
static inline void loop_timer_set(struct halo_loop *loop, struct timer *timer, uint64_t delay_ns)
{
    if (HALO_UNLIKELY(!loop->running)) {
        loop_update_clock(loop); /* there was no turn lately */
    }
    timer_set(&loop->timers, timer, loop->now_ns + delay_ns);
}

static inline void loop_timer_clear(struct halo_loop *loop, struct timer *timer)
{
    timer_clear(&loop->timers, timer);
}

/* halo_loop_post() without an allocation: cannot fail. Any thread. */
void loop_post(struct halo_loop *loop, struct loop_posted *posted,
               void (*call)(struct loop_posted *posted));

void loop_handle_add(struct halo_loop *loop, struct loop_handle *handle,
                     void (*abort)(struct loop_handle *handle));
void loop_handle_remove(struct loop_handle *handle);

/* True in halo_loop_free(): operations that are submitted now end with -ECANCELED. */
static inline bool loop_closing(const struct halo_loop *loop)
{
    return loop->closing;
}

/* ---- for core/io and tests ------------------------------------------------------------- */

/* The options with defaults for what is not given (all, when `given` is NULL). 0 or
 * HALO_E_INVALID_ARGUMENT. */
int loop_options_read(struct halo_loop_options *out,
                      const struct halo_loop_options *given) HALO_MUST_USE;
/* What the loop itself holds at most, receive buffers included, but what the kernel has for its
 * rings. */
uint64_t loop_memory_bound(const struct halo_loop_options *options);

/* halo_loop_new() with another ring, which is taken. NULL: the real one. */
int loop_new_with_ring(struct halo_loop **out, const struct halo_loop_options *options,
                       struct ring *ring) HALO_MUST_USE;

/* One turn of at most timeout_ns (negative: until something happens). 0 or a negative errno that
 * ends the loop. */
int loop_turn(struct halo_loop *loop, int64_t timeout_ns) HALO_MUST_USE;

/* Around what another thread does with the loop: until it has left, the loop is not freed. */
static inline void loop_enter_visitor(struct halo_loop *loop)
{
    __atomic_fetch_add(&loop->visitors, 1, __ATOMIC_SEQ_CST);
}

static inline void loop_leave_visitor(struct halo_loop *loop)
{
    __atomic_fetch_sub(&loop->visitors, 1, __ATOMIC_SEQ_CST);
}

/* Ends the wait of a sleeping loop. Any thread. */
void loop_wake(struct halo_loop *loop);
/* Makes the calls of the mailbox. */
void loop_open_mail(struct halo_loop *loop);
/* Frees the public timers without calling them. */
void loop_free_timers(struct halo_loop *loop);

#endif
