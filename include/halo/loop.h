/*
 * The event loop: one io_uring, run by one thread.
 *
 * All handles made on a loop (servers, clients, sessions, streams, timers) belong to the thread
 * that runs it and are used only there. From other threads, halo_loop_post() and halo_loop_stop()
 * are the only calls allowed, and those of a server that say "any thread". The ring is made inside
 * halo_loop_run() by the thread that calls it; what is asked for before (listeners, connects,
 * reads) starts then. As long as something is open on the loop, it stays with that thread: run and
 * free it there. With nothing open, another thread may take it over.
 */
#ifndef HALO_LOOP_H
#define HALO_LOOP_H

#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct halo_loop_options {
    size_t struct_size;
    /* Size of one receive buffer in octets: 4096, 8192 (default) or 16384. */
    uint32_t receive_buffer_size;
    /* Receive buffers at the start; doubles by itself when connections find the ring empty, up to
     * receive_buffers_max. Powers of two; defaults 128 and 4096. Cost: count x size octets. */
    uint32_t receive_buffers;
    uint32_t receive_buffers_max;
    /* Not 0: connections of HTTP/2 without TLS have sends of so many octets and more done without a copy
     * (SEND_ZC), from 16384 to 131072. What was sent then stays where it is until the peer has
     * acknowledged it: the calls that tell that octets are not needed any more (the `done` of
     * borrowed ones, the release of slices) come so much later, and a connection holds up to 1 MiB
     * more, all of the loop 64 MiB; beyond, sends copy. A peer that acknowledges nothing for 30
     * seconds is disconnected (HALO_E_TIMEOUT). Where it cannot be had, or nothing is gained, halo
     * copies as before: kernels before 6.2, more held than RLIMIT_MEMLOCK allows all processes of the user
     * together (without CAP_IPC_LOCK), UNIX sockets, network devices for which the kernel copies all
     * the same (loopback, veth: there it costs more than it saves). Default 0: off. For large bodies
     * over a real network card; measure before you use it. */
    uint32_t zero_copy_min;
    /* Memory for everything that is made on the loop; all zero: malloc. Copied. */
    halo_allocator allocator;
};

/* Sets the defaults. Call it on every options struct before setting members. */
#define halo_loop_options_init(options)                                                            \
    halo_loop_options_init_sized((options), sizeof(struct halo_loop_options))
HALO_API void halo_loop_options_init_sized(struct halo_loop_options *options, size_t struct_size);

/* Makes a loop. `options` may be NULL: the defaults. Returns 0 and *loop, or HALO_E_NOMEM or
 * HALO_E_INVALID_ARGUMENT. */
HALO_API int halo_loop_new(halo_loop **loop, const struct halo_loop_options *options) HALO_MUST_USE;

/* Runs the loop on the calling thread until halo_loop_stop(), or until no referenced handle, no
 * timer and no posted call is left. May be called again after it returned, but not from within a
 * callback. Returns 0; or, with the reason in halo_loop_error():
 *   HALO_E_IO_URING     the kernel gives no ring; the text names the likely cause and the remedy
 *   HALO_E_IO           the ring broke while it was used
 *   HALO_E_WRONG_STATE  it runs already, or has things open on another thread
 *   HALO_E_NOMEM */
HALO_API int halo_loop_run(halo_loop *loop) HALO_MUST_USE;

/* Why halo_loop_run() failed: sentences for the user, owned by the loop; "" when it did not. */
HALO_API const char *halo_loop_error(const halo_loop *loop);

/* Makes halo_loop_run() return after the callbacks of the current turn; when it does not run, the
 * next run returns at once. Any thread; also from a signal handler. */
HALO_API void halo_loop_stop(halo_loop *loop);

/* Calls call(ctx) on the loop's thread in one of its next turns, in the order of posting. Any
 * thread, before halo_loop_run() too. Returns 0 or HALO_E_NOMEM. A call that is still waiting when
 * the loop is freed is made then, by halo_loop_free(). */
HALO_API int halo_loop_post(halo_loop *loop, void (*call)(void *ctx), void *ctx) HALO_MUST_USE;

/* Frees the loop. All handles made on it must be closed: their on_close has returned. Anything
 * still open is closed at once, without a graceful end; timers are freed and not called. Not from
 * within a callback of the loop. When received slices were not given back, or an operation of the
 * kernel does not end within five seconds, it says so on standard error and leaves the loop's
 * memory behind, for it is still in use. */
HALO_API void halo_loop_free(halo_loop *loop);

/* The time of the loop: nanoseconds of the monotonic clock, read once a turn. */
HALO_API uint64_t halo_loop_now_ns(const halo_loop *loop);

/* Starts a timer: calls call(timer, ctx) once after delay_ms, then, when repeat_ms is not 0, every
 * repeat_ms. A one-shot timer is freed after its call; *timer may be NULL when it need not be
 * stopped. A timer keeps the loop running unless unref'ed. The delay counts from
 * halo_loop_now_ns(), or from this call when the loop does not run; it is never cut short, and
 * exceeded by 66 us at most, and by what the loop is busy with. A repeated timer keeps its beat:
 * calls that were missed are left out. Returns 0 or HALO_E_NOMEM. */
HALO_API int halo_timer_start(halo_timer **timer, halo_loop *loop, uint64_t delay_ms,
                              uint64_t repeat_ms, void (*call)(halo_timer *timer, void *ctx),
                              void *ctx) HALO_MUST_USE;
/* Stops and frees the timer; its call is not made any more. Allowed inside its own call. */
HALO_API void halo_timer_stop(halo_timer *timer);
/* Whether the timer keeps the loop running; it does at the start. */
HALO_API void halo_timer_ref(halo_timer *timer);
HALO_API void halo_timer_unref(halo_timer *timer);

#ifdef __cplusplus
}
#endif
#endif
