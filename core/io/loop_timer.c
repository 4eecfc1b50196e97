/*
 * The timers of <halo/loop.h>.
 */
#include "core/io/loop.h"

struct halo_timer {
    struct timer timer;
    struct list_link link; /* in loop.public_timers */
    struct halo_loop *loop;
    void (*call)(halo_timer *timer, void *ctx);
    void *ctx;
    uint64_t repeat_ns;
    bool referenced;
    bool calling; /* its call is being made: freed afterwards */
    bool stopped;
};

/* Later is never; keeps sums of times within 64 bits. */
static const uint64_t DELAY_MAX_MS = UINT64_C(1) << 40;

static uint64_t ns_of_ms(uint64_t ms)
{
    return min_u64(ms, DELAY_MAX_MS) * 1000000;
}

static void timer_free(halo_timer *timer)
{
    struct halo_loop *loop = timer->loop;

    timer_clear(&loop->timers, &timer->timer);
    halo_timer_unref(timer);
    list_remove(&timer->link);
    HALO_ASSERT(loop->ledger.timers > 0);
    loop->ledger.timers--;
    memory_free(&loop->memory, timer);
}

/* The next call of a repeated timer: on its beat, beats that were missed are left out. */
static uint64_t next_beat(const halo_timer *timer)
{
    uint64_t now = timer->loop->now_ns;
    uint64_t missed = (now - timer->timer.deadline_ns) / timer->repeat_ns;

    return timer->timer.deadline_ns + (missed + 1) * timer->repeat_ns;
}

static void public_timer_expired(struct timer *expired)
{
    halo_timer *timer = HALO_CONTAINER(expired, halo_timer, timer);

    if (timer->loop->closing) {
        return; /* freed with the loop, and not called any more */
    }
    if (timer->repeat_ns != 0) {
        timer_set(&timer->loop->timers, expired, next_beat(timer));
    }
    timer->calling = true;
    timer->call(timer, timer->ctx);
    timer->calling = false;
    if (timer->stopped || timer->repeat_ns == 0) {
        timer_free(timer);
    }
}

int halo_timer_start(halo_timer **out, halo_loop *loop, uint64_t delay_ms, uint64_t repeat_ms,
                     void (*call)(halo_timer *timer, void *ctx), void *ctx)
{
    halo_timer *timer = memory_zalloc(&loop->memory, sizeof(*timer));

    if (out != NULL) {
        *out = timer;
    }
    if (timer == NULL) {
        return HALO_E_NOMEM;
    }
    timer->loop = loop;
    timer->call = call;
    timer->ctx = ctx;
    timer->repeat_ns = ns_of_ms(repeat_ms);
    timer_init(&timer->timer, public_timer_expired);
    list_push_back(&loop->public_timers, &timer->link);
    loop->ledger.timers++;
    halo_timer_ref(timer);
    loop_timer_set(loop, &timer->timer, ns_of_ms(delay_ms));
    return 0;
}

void halo_timer_stop(halo_timer *timer)
{
    if (!timer->calling) {
        timer_free(timer);
        return;
    }
    timer->stopped = true;
    timer_clear(&timer->loop->timers, &timer->timer);
    halo_timer_unref(timer);
}

void halo_timer_ref(halo_timer *timer)
{
    if (!timer->referenced) {
        timer->referenced = true;
        loop_ref(timer->loop);
    }
}

void halo_timer_unref(halo_timer *timer)
{
    if (timer->referenced) {
        timer->referenced = false;
        loop_unref(timer->loop);
    }
}

void loop_free_timers(struct halo_loop *loop)
{
    struct list_link *link;

    while ((link = list_first(&loop->public_timers)) != NULL) {
        timer_free(LIST_ITEM(link, halo_timer, link));
    }
}
