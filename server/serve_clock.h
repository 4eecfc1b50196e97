/*
 * The time as responses need it: the date changes once a second, and reading the clock of the loop,
 * which has been read anyway, is enough to know when.
 */
#ifndef HALO_SERVER_SERVE_CLOCK_H
#define HALO_SERVER_SERVE_CLOCK_H

#include <stdint.h>

#include "server/serve_date.h"

struct serve_clock {
    uint64_t next_ns; /* on the loop's clock: the next second begins */
    uint32_t second;  /* a number that changes with it */
    int64_t now;      /* seconds since 1970 */
    char date[SERVE_DATE_LEN];
};

/* Reads the time anew. */
void serve_clock_read(struct serve_clock *clock, uint64_t loop_now_ns);

/* Call it before `clock` is looked at. */
static inline void serve_clock_update(struct serve_clock *clock, uint64_t loop_now_ns)
{
    if (__builtin_expect(loop_now_ns >= clock->next_ns, 0)) {
        serve_clock_read(clock, loop_now_ns);
    }
}

static inline halo_bytes serve_clock_date(const struct serve_clock *clock)
{
    return (halo_bytes){ clock->date, SERVE_DATE_LEN };
}

#endif
