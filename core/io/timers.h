/*
 * Timers: a hierarchical wheel of intrusive lists. Pure: time is an argument.
 *
 * Arming never allocates and never fails; arming, moving and clearing take constant time. Deadlines
 * are kept exactly, and a timer never expires before its deadline; it expires at most one tick
 * (TIMER_TICK_NS, 65.5 us) late, plus what the loop was busy with.
 *
 * Moving a deadline later is one store: the timer stays where it is in the wheel, and when that
 * place comes up it is put where it now belongs. Idle timers, which every request moves, cost
 * nothing that way.
 */
#ifndef HALO_CORE_IO_TIMERS_H
#define HALO_CORE_IO_TIMERS_H

#include "core/base/list.h"

enum {
    TIMER_TICK_BITS = 16,
    TIMER_SLOT_BITS = 6,
    TIMER_SLOTS = 1 << TIMER_SLOT_BITS,
    TIMER_LEVELS = 8, /* 16 + 8 * 6 = 64 bits: every deadline has its place */
};

#define TIMER_TICK_NS (UINT64_C(1) << TIMER_TICK_BITS)
#define TIMER_NEVER   UINT64_MAX

struct timer {
    struct list_link link;
    uint64_t deadline_ns;
    uint64_t place; /* the tick at which the wheel will look at it */
    void (*expired)(
        struct timer *timer); /* the timer is not armed any more; it may be armed again or freed */
};

struct timers {
    uint64_t now_ns; /* of the last timers_expire() */
    uint64_t tick;   /* all earlier ticks are over */
    uint32_t armed;
    uint64_t occupied[TIMER_LEVELS]; /* a bit per slot that holds timers */
    struct list_link slots[TIMER_LEVELS][TIMER_SLOTS];
};

void timers_init(struct timers *timers, uint64_t now_ns);

static inline void timer_init(struct timer *timer, void (*expired)(struct timer *timer))
{
    *timer = (struct timer){ .expired = expired };
    list_init(&timer->link);
}

static inline bool timer_armed(const struct timer *timer)
{
    return list_linked(&timer->link);
}

/* Arms the timer, or moves it. A deadline in the past expires in the next timers_expire(). */
void timer_set(struct timers *timers, struct timer *timer, uint64_t deadline_ns);
/* Disarms the timer, if it is armed. */
void timer_clear(struct timers *timers, struct timer *timer);

/* When timers_expire() should be called next: no timer expires earlier. It may have nothing to do
 * then but to move timers closer. TIMER_NEVER when none is armed. */
uint64_t timers_next_ns(const struct timers *timers);

/* Calls `expired` of every timer whose deadline has come; earlier ticks first. Timers that are
 * armed meanwhile with a deadline that has come too wait for the next call. Returns how many
 * expired. */
uint32_t timers_expire(struct timers *timers, uint64_t now_ns);

#endif
