/*
 * Timers (core/io/timers.h), for bench/micro.sh:
 *
 *     timers_bench add|later|sooner|cancel|expire ROUNDS
 *
 * A round has 10 000 timers with deadlines from 1 ms to 60 s, as those of 10 000 connections.
 *
 *   add      arms all of them
 *   later    moves each armed one to a later deadline, as every request does with its idle timer
 *   sooner   moves each armed one to an earlier deadline
 *   cancel   disarms all of them
 *   expire   lets time pass in steps of a millisecond until all have expired: what the wheel moves about
 *            meanwhile is part of it
 */
#include <string.h>

#include "bench/micro/micro.h"
#include "core/io/timers.h"

enum { TIMERS = 10000 };

static const uint64_t MS = 1000000;

static struct timers wheel;
static struct timer timers[TIMERS];
static uint64_t now_ns;
static uint32_t expired_count;

static void on_expired(struct timer *timer)
{
    (void)timer;
    expired_count++;
}

/* The same deadlines in every run and round. */
static uint64_t next_delay(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return MS + (*state >> 33) % (60000 * MS);
}

static void add_all(uint64_t more_ns)
{
    uint64_t state = 1;

    for (int i = 0; i < TIMERS; i++) {
        timer_set(&wheel, &timers[i], now_ns + more_ns + next_delay(&state));
    }
}

static void cancel_all(void)
{
    for (int i = 0; i < TIMERS; i++) {
        timer_clear(&wheel, &timers[i]);
    }
}

static void expire_all(void)
{
    while (wheel.armed > 0) {
        now_ns += MS;
        (void)timers_expire(&wheel, now_ns);
    }
}

static void run(const char *job)
{
    if (strcmp(job, "add") == 0) {
        micro_begin();
        add_all(0);
        micro_end();
        cancel_all();
    } else if (strcmp(job, "later") == 0) {
        add_all(0);
        micro_begin();
        add_all(1000 * MS);
        micro_end();
        cancel_all();
    } else if (strcmp(job, "sooner") == 0) {
        add_all(1000 * MS);
        micro_begin();
        add_all(0);
        micro_end();
        cancel_all();
    } else if (strcmp(job, "cancel") == 0) {
        add_all(0);
        micro_begin();
        cancel_all();
        micro_end();
    } else {
        uint32_t before = expired_count;

        add_all(0);
        micro_begin();
        expire_all();
        micro_end();
        micro_require(expired_count - before == TIMERS, "timers_bench: not all have expired");
    }
    micro_require(wheel.armed == 0, "timers_bench: a timer is left");
}

int main(int argc, char **argv)
{
    static const char *const jobs[] = { "add", "later", "sooner", "cancel", "expire" };
    uint64_t rounds = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    int known = 0;

    for (size_t i = 0; argc == 3 && i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        known |= strcmp(argv[1], jobs[i]) == 0;
    }
    if (rounds == 0 || !known) {
        fprintf(stderr, "usage: timers_bench add|later|sooner|cancel|expire ROUNDS\n");
        return 2;
    }
    now_ns = 3600 * 1000 * MS;
    timers_init(&wheel, now_ns);
    for (int i = 0; i < TIMERS; i++) {
        timer_init(&timers[i], on_expired);
    }
    for (uint64_t round = 0; round < rounds; round++) {
        run(argv[1]);
    }
    micro_print(rounds * TIMERS, 0);
    return 0;
}
