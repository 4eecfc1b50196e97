#include "core/io/timers.h"

/*
 * A tick has 8 groups of 6 bits. A timer lies at the level of the highest group in which its tick
 * differs from the current one, in the slot that this group of its tick names. So all occupied
 * slots of a level lie ahead of the current one, and those of a lower level come before those of a
 * higher one: the next slot is the lowest bit of the lowest level that has any. When the clock
 * reaches a slot of a higher level, its timers spread over the lower ones.
 */

enum { TIMER_SLOT_MASK = TIMER_SLOTS - 1 };

static const uint64_t TICK_LAST = UINT64_MAX >> TIMER_TICK_BITS;

void timers_init(struct timers *timers, uint64_t now_ns)
{
    *timers = (struct timers){ .now_ns = now_ns, .tick = now_ns >> TIMER_TICK_BITS };
    for (int level = 0; level < TIMER_LEVELS; level++) {
        for (int slot = 0; slot < TIMER_SLOTS; slot++) {
            list_init(&timers->slots[level][slot]);
        }
    }
}

/* The first tick that begins at or after the deadline; the current one when it has come already. */
static uint64_t tick_of_deadline(const struct timers *timers, uint64_t deadline_ns)
{
    uint64_t tick = deadline_ns >> TIMER_TICK_BITS;

    if (deadline_ns <= timers->now_ns) {
        return timers->tick;
    }
    if ((deadline_ns & (TIMER_TICK_NS - 1)) != 0 && tick < TICK_LAST) {
        tick++;
    }
    return max_u64(tick, timers->tick);
}

/* The tick at which a slot comes up. */
static uint64_t slot_tick(const struct timers *timers, int level, int slot)
{
    uint64_t above = timers->tick >> ((level + 1) * TIMER_SLOT_BITS);

    return (above << TIMER_SLOT_BITS | (uint64_t)slot) << (level * TIMER_SLOT_BITS);
}

static void timer_insert(struct timers *timers, struct timer *timer)
{
    uint64_t tick = tick_of_deadline(timers, timer->deadline_ns);
    uint64_t difference = tick ^ timers->tick;
    int level;
    int slot;

    level = (63 - __builtin_clzll(difference | TIMER_SLOT_MASK)) / TIMER_SLOT_BITS;
    slot = (int)(tick >> (level * TIMER_SLOT_BITS)) & TIMER_SLOT_MASK;
    HALO_ASSERT(level < TIMER_LEVELS);

    timer->place = slot_tick(timers, level, slot);
    timers->occupied[level] |= UINT64_C(1) << slot;
    list_push_back(&timers->slots[level][slot], &timer->link);
    timers->armed++;
}

/* Takes the timer out of its slot, and the slot's bit back when it was the last one there. */
static void timer_remove(struct timers *timers, struct timer *timer)
{
    struct list_link *head = timer->link.next;
    size_t offset = (size_t)((uintptr_t)head - (uintptr_t)timers->slots);

    HALO_ASSERT(timers->armed > 0);
    timers->armed--;
    /* Alone in its list, it has the head on both sides. The head may also be that of
     * timers_expire(). */
    if (head == timer->link.prev && offset < sizeof(timers->slots)) {
        size_t index = offset / sizeof(struct list_link);

        timers->occupied[index / TIMER_SLOTS] &= ~(UINT64_C(1) << (index % TIMER_SLOTS));
    }
    list_remove(&timer->link);
}

void timer_set(struct timers *timers, struct timer *timer, uint64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
    if (timer_armed(timer)) {
        if (tick_of_deadline(timers, deadline_ns) >= timer->place) {
            return;
        }
        timer_remove(timers, timer);
    }
    timer_insert(timers, timer);
}

void timer_clear(struct timers *timers, struct timer *timer)
{
    if (timer_armed(timer)) {
        timer_remove(timers, timer);
    }
}

/* The next occupied slot; false when there is none. */
static bool next_slot(const struct timers *timers, int *level, int *slot)
{
    for (int i = 0; i < TIMER_LEVELS; i++) {
        if (timers->occupied[i] != 0) {
            *level = i;
            *slot = __builtin_ctzll(timers->occupied[i]);
            return true;
        }
    }
    return false;
}

uint64_t timers_next_ns(const struct timers *timers)
{
    int level;
    int slot;

    if (!next_slot(timers, &level, &slot)) {
        return TIMER_NEVER;
    }
    return slot_tick(timers, level, slot) << TIMER_TICK_BITS;
}

/* Moves the timers of a slot that has come up to where they belong now: `due`, or a later slot. */
static void spread_slot(struct timers *timers, int level, int slot, uint64_t now_ns,
                        struct list_link *due)
{
    struct list_link list;
    struct list_link *link;

    list_init(&list);
    list_append_all(&list, &timers->slots[level][slot]);
    timers->occupied[level] &= ~(UINT64_C(1) << slot);
    while ((link = list_pop_front(&list)) != NULL) {
        struct timer *timer = LIST_ITEM(link, struct timer, link);

        if (timer->deadline_ns <= now_ns) {
            list_push_back(due, link);
        } else {
            timers->armed--;
            timer_insert(timers, timer);
        }
    }
}

uint32_t timers_expire(struct timers *timers, uint64_t now_ns)
{
    uint64_t now_tick = now_ns >> TIMER_TICK_BITS;
    struct list_link due;
    struct list_link *link;
    uint32_t expired = 0;
    int level;
    int slot;

    list_init(&due);
    timers->now_ns = now_ns;
    while (next_slot(timers, &level, &slot)) {
        uint64_t tick = slot_tick(timers, level, slot);

        if (tick > now_tick) {
            break;
        }
        timers->tick = max_u64(timers->tick, tick);
        spread_slot(timers, level, slot, now_ns, &due);
    }
    timers->tick = max_u64(timers->tick, now_tick);

    /* A callback may clear or move any timer, also one that waits in `due`. */
    while ((link = list_first(&due)) != NULL) {
        struct timer *timer = LIST_ITEM(link, struct timer, link);

        list_remove(link);
        timers->armed--;
        if (timer->deadline_ns > now_ns) {
            timer_insert(timers, timer);
        } else {
            expired++;
            timer->expired(timer);
        }
    }
    return expired;
}
