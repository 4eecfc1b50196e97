/*
 * What the tests of core/io share: cmocka, a loop that is freed with an empty ledger, and runs that
 * end when a condition is met, or fail after ten seconds.
 */
#ifndef HALO_TESTS_IO_FIXTURE_H
#define HALO_TESTS_IO_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/io/file.h"
#include "core/io/loop.h"
#include "core/io/sock.h"

static inline struct halo_loop *fixture_loop(uint32_t buffers, uint32_t buffers_max)
{
    struct halo_loop_options options;
    struct halo_loop *loop;

    halo_loop_options_init(&options);
    options.receive_buffers = buffers;
    options.receive_buffers_max = buffers_max;
    options.receive_buffer_size = 4096;
    assert_int_equal(halo_loop_new(&loop, &options), 0);
    return loop;
}

static inline void fixture_too_long(halo_timer *timer, void *ctx)
{
    (void)timer;
    (void)ctx;
    fprintf(stderr, "the test waits for ever\n");
    abort();
}

/* Runs until halo_loop_stop(). */
static inline void fixture_run(struct halo_loop *loop)
{
    halo_timer *watchdog;
    uint64_t begin_ns = loop->ring->ops->clock_ns(loop->ring);
    int status;

    loop_ref(loop);
    assert_int_equal(halo_timer_start(&watchdog, loop, 10000, 0, fixture_too_long, NULL), 0);
    status = halo_loop_run(loop);
    if (status != 0) {
        fail_msg("halo_loop_run: %d %s", status, halo_loop_error(loop));
    }
    halo_timer_stop(watchdog);
    loop_unref(loop);
    /* Nor may the watchdog have woken a loop that had something to do. */
    assert_true(loop_now_ns(loop) - begin_ns < UINT64_C(9900000000));
}

/* Makes a run end at the end of a turn, after `turns` more turns. For "nothing must happen
 * meanwhile". */
struct fixture_turns {
    struct loop_posted posted;
    struct halo_loop *loop;
    int left;
};

static inline void fixture_turn_over(struct loop_posted *posted)
{
    struct fixture_turns *turns = HALO_CONTAINER(posted, struct fixture_turns, posted);

    if (--turns->left <= 0) {
        halo_loop_stop(turns->loop);
        return;
    }
    loop_post(turns->loop, posted, fixture_turn_over);
}

static inline void fixture_run_turns(struct halo_loop *loop, int count)
{
    struct fixture_turns turns = { .loop = loop, .left = count };

    loop_post(loop, &turns.posted, fixture_turn_over);
    fixture_run(loop);
}

/* Two connected stream sockets, counted as open by halo. */
static inline void fixture_pair(struct halo_loop *loop, int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    io_fd_opened(loop, fds[0]);
    io_fd_opened(loop, fds[1]);
}

static inline void fixture_fill(uint8_t *octets, size_t len, uint32_t from)
{
    for (size_t i = 0; i < len; i++) {
        octets[i] = (uint8_t)((from + i) * 131 + ((from + i) >> 8));
    }
}

static inline void fixture_check(const uint8_t *octets, size_t len, uint32_t from)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t expected = (uint8_t)((from + i) * 131 + ((from + i) >> 8));

        if (octets[i] != expected) {
            fail_msg("octet %zu is %02x, not %02x", from + i, octets[i], expected);
        }
    }
}

#endif
