/*
 * What the programs of bench/micro.sh share. Each does one job many times, counts only what lies between
 * micro_begin() and micro_end(), by callgrind when it runs under that (--collect-atstart=no) and by the
 * clock, and prints with micro_print() what micro.py reads.
 */
#ifndef HALO_BENCH_MICRO_H
#define HALO_BENCH_MICRO_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <valgrind/callgrind.h>

static uint64_t micro_ns;
static uint64_t micro_began_ns;

static inline uint64_t micro_clock_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline void micro_begin(void)
{
    micro_began_ns = micro_clock_ns();
    CALLGRIND_TOGGLE_COLLECT;
}

static inline void micro_end(void)
{
    CALLGRIND_TOGGLE_COLLECT;
    micro_ns += micro_clock_ns() - micro_began_ns;
}

static inline void micro_require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

/* "units nanoseconds octets-copied"; the last is 0 where copies are not counted. */
static inline void micro_print(uint64_t units, uint64_t copied)
{
    printf("%llu %llu %llu\n", (unsigned long long)units, (unsigned long long)micro_ns,
           (unsigned long long)copied);
}

#endif
