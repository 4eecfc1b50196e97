#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/io/timers.h"

enum { TIMERS_MAX = 500 };

static const uint64_t MS = 1000000;

struct test_timer {
    struct timer timer;
    uint64_t expired_at;
    uint32_t count;
    struct test_timer *victim; /* cleared when this one expires */
    uint64_t victim_deadline;  /* not 0: moved there instead */
};

static struct timers wheel;
static uint64_t now;
static struct test_timer *order[TIMERS_MAX];
static uint32_t num_expired;

static void expired(struct timer *timer)
{
    struct test_timer *self = HALO_CONTAINER(timer, struct test_timer, timer);

    assert_false(timer_armed(timer));
    assert_true(timer->deadline_ns <= now);
    self->expired_at = now;
    self->count++;
    order[num_expired++ % TIMERS_MAX] = self;
    if (self->victim != NULL && self->victim_deadline != 0) {
        timer_set(&wheel, &self->victim->timer, self->victim_deadline);
    } else if (self->victim != NULL) {
        timer_clear(&wheel, &self->victim->timer);
    }
}

static void init(struct test_timer *timer)
{
    *timer = (struct test_timer){ 0 };
    timer_init(&timer->timer, expired);
}

static int start(void **state)
{
    (void)state;
    now = 123456789012345;
    num_expired = 0;
    timers_init(&wheel, now);
    return 0;
}

/* Lets time pass the way the loop does: from wake-up to wake-up. Returns how many there were. */
static uint32_t pass_until(uint64_t end)
{
    uint32_t wakes = 0;

    while (timers_next_ns(&wheel) <= end) {
        now = timers_next_ns(&wheel) > now ? timers_next_ns(&wheel) : now;
        (void)timers_expire(&wheel, now);
        wakes++;
    }
    now = end;
    (void)timers_expire(&wheel, now);
    return wakes;
}

static void test_timers_empty(void **state)
{
    (void)state;
    assert_true(timers_next_ns(&wheel) == TIMER_NEVER);
    assert_int_equal(timers_expire(&wheel, now + 1000 * MS), 0);
}

static void test_timers_expire_in_order_and_never_early(void **state)
{
    static const uint64_t delays_ms[] = { 50, 1, 7000, 3, 600, 3600000, 0, 86400000, 20 };
    static const int expected[] = { 6, 1, 3, 8, 0, 4, 2, 5, 7 };
    struct test_timer timers[9];
    uint64_t start_ns = now;

    (void)state;
    for (int i = 0; i < 9; i++) {
        init(&timers[i]);
        timer_set(&wheel, &timers[i].timer, now + delays_ms[i] * MS + 17);
    }
    assert_int_equal(wheel.armed, 9);
    pass_until(start_ns + 100000000 * MS);
    assert_int_equal(num_expired, 9);
    for (int i = 0; i < 9; i++) {
        uint64_t deadline = start_ns + delays_ms[expected[i]] * MS + 17;

        assert_ptr_equal(order[i], &timers[expected[i]]);
        assert_true(order[i]->expired_at >= deadline);
        assert_true(order[i]->expired_at < deadline + TIMER_TICK_NS);
    }
    assert_int_equal(wheel.armed, 0);
    assert_true(timers_next_ns(&wheel) == TIMER_NEVER);
}

static void test_timers_past_deadline_is_due_at_once(void **state)
{
    struct test_timer timer;

    (void)state;
    init(&timer);
    (void)timers_expire(&wheel, now);
    timer_set(&wheel, &timer.timer, now - 5);
    assert_true(timers_next_ns(&wheel) <= now);
    assert_int_equal(timers_expire(&wheel, now), 1);
    timer_set(&wheel, &timer.timer, 0);
    assert_int_equal(timers_expire(&wheel, now), 1);
    timer_set(&wheel, &timer.timer, now);
    assert_int_equal(timers_expire(&wheel, now), 1);
}

static void test_timers_moving_later_costs_no_wake_before_the_old_place(void **state)
{
    struct test_timer timer;
    uint64_t first = now + 10 * MS;
    uint64_t place;

    (void)state;
    init(&timer);
    timer_set(&wheel, &timer.timer, first);
    place = timers_next_ns(&wheel);
    for (int i = 1; i <= 1000; i++) {
        timer_set(&wheel, &timer.timer, first + (uint64_t)i * 1000 * MS);
        assert_true(timers_next_ns(&wheel) == place); /* only the deadline was stored */
    }
    now = first + MS;
    assert_int_equal(timers_expire(&wheel, now), 0);
    assert_true(timer_armed(&timer.timer));
    assert_true(timers_next_ns(&wheel) > now);
    /* A million milliseconds are a few levels up: a few wake-ups, each nearer. */
    assert_true(pass_until(first + 1000 * 1000 * MS + MS) <= TIMER_LEVELS);
    assert_int_equal(timer.count, 1);
    assert_true(timer.expired_at >= first + 1000 * 1000 * MS);
    assert_true(timer.expired_at < first + 1000 * 1000 * MS + TIMER_TICK_NS);
}

static void test_timers_moving_earlier(void **state)
{
    struct test_timer timer;

    (void)state;
    init(&timer);
    timer_set(&wheel, &timer.timer, now + 100000 * MS);
    timer_set(&wheel, &timer.timer, now + 5 * MS);
    assert_int_equal(wheel.armed, 1);
    assert_true(timers_next_ns(&wheel) < now + 6 * MS);
    pass_until(now + 5 * MS + TIMER_TICK_NS);
    assert_int_equal(timer.count, 1);
}

static void test_timers_clear(void **state)
{
    struct test_timer timers[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        init(&timers[i]);
        timer_set(&wheel, &timers[i].timer, now + 5 * MS);
    }
    timer_clear(&wheel, &timers[1].timer);
    assert_false(timer_armed(&timers[1].timer));
    timer_clear(&wheel, &timers[1].timer);
    timer_clear(&wheel, &timers[0].timer);
    timer_clear(&wheel, &timers[2].timer);
    assert_int_equal(wheel.armed, 0);
    /* No wake-up is left behind. */
    assert_true(timers_next_ns(&wheel) == TIMER_NEVER);
    pass_until(now + 100 * MS);
    assert_int_equal(num_expired, 0);
}

static void test_timers_callback_clears_and_moves_others_that_are_due(void **state)
{
    struct test_timer timers[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        init(&timers[i]);
        timer_set(&wheel, &timers[i].timer, now + 5 * MS);
    }
    timers[0].victim = &timers[1];
    timers[2].victim = &timers[3];
    timers[2].victim_deadline = now + 50 * MS;
    now += 6 * MS;
    assert_int_equal(timers_expire(&wheel, now), 2);
    assert_int_equal(timers[1].count, 0);
    assert_int_equal(timers[3].count, 0);
    assert_true(timer_armed(&timers[3].timer));
    assert_int_equal(wheel.armed, 1);
    pass_until(now + 100 * MS);
    assert_int_equal(timers[3].count, 1);
    assert_int_equal(timers[1].count, 0);
}

static void rearm(struct timer *timer)
{
    expired(timer);
    timer_set(&wheel, timer, now);
}

static void test_timers_armed_again_in_its_call_waits_for_the_next(void **state)
{
    struct test_timer timer;

    (void)state;
    init(&timer);
    timer.timer.expired = rearm;
    timer_set(&wheel, &timer.timer, now);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(timers_expire(&wheel, now), 1);
        assert_int_equal(timer.count, i);
    }
}

static void test_timers_far_deadlines(void **state)
{
    struct test_timer timers[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        init(&timers[i]);
    }
    timer_set(&wheel, &timers[0].timer, UINT64_MAX);
    timer_set(&wheel, &timers[1].timer, UINT64_MAX - 1);
    timer_set(&wheel, &timers[2].timer, UINT64_C(1) << 62);
    pass_until((UINT64_C(1) << 62) + TIMER_TICK_NS);
    assert_int_equal(timers[2].count, 1);
    assert_int_equal(num_expired, 1);
    now = UINT64_MAX;
    (void)timers_expire(&wheel, now);
    assert_int_equal(num_expired, 3);
}

static uint64_t random_state = 88172645463325252;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

/* Random arming, moving, clearing and passing of time, against a plain table of deadlines. */
static void test_timers_model(void **state)
{
    static struct test_timer timers[TIMERS_MAX];
    static uint64_t deadlines[TIMERS_MAX]; /* 0: not armed */
    static const uint64_t ranges[] = { 100 * 1000, MS,          50 * MS,
                                       5000 * MS,  500000 * MS, 50000000 * MS };

    (void)state;
    for (int i = 0; i < TIMERS_MAX; i++) {
        init(&timers[i]);
        deadlines[i] = 0;
    }
    for (int step = 0; step < 300000; step++) {
        uint64_t i = random_below(TIMERS_MAX);
        uint64_t what = random_below(100);

        if (what < 55) {
            deadlines[i] = now + 1 + random_below(ranges[random_below(HALO_ARRAY_LEN(ranges))]);
            timer_set(&wheel, &timers[i].timer, deadlines[i]);
        } else if (what < 70) {
            deadlines[i] = 0;
            timer_clear(&wheel, &timers[i].timer);
        } else {
            uint64_t next = timers_next_ns(&wheel);
            uint32_t before = num_expired;
            uint32_t count;

            now = what < 90 && next != TIMER_NEVER ? (next > now ? next : now)
                                                   : now + random_below(20 * MS);
            count = timers_expire(&wheel, now);
            assert_int_equal(count, num_expired - before);
            for (int k = 0; k < TIMERS_MAX; k++) {
                bool was_due = deadlines[k] != 0 && timers[k].count > 0;

                if (was_due) {
                    assert_true(deadlines[k] <= now);
                    deadlines[k] = 0;
                }
                timers[k].count = 0;
                /* Nothing that is due by more than a tick was left. */
                assert_true(deadlines[k] == 0 || deadlines[k] + TIMER_TICK_NS > now);
                assert_true((deadlines[k] != 0) == timer_armed(&timers[k].timer));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_timers_empty, start),
        cmocka_unit_test_setup(test_timers_expire_in_order_and_never_early, start),
        cmocka_unit_test_setup(test_timers_past_deadline_is_due_at_once, start),
        cmocka_unit_test_setup(test_timers_moving_later_costs_no_wake_before_the_old_place, start),
        cmocka_unit_test_setup(test_timers_moving_earlier, start),
        cmocka_unit_test_setup(test_timers_clear, start),
        cmocka_unit_test_setup(test_timers_callback_clears_and_moves_others_that_are_due, start),
        cmocka_unit_test_setup(test_timers_armed_again_in_its_call_waits_for_the_next, start),
        cmocka_unit_test_setup(test_timers_far_deadlines, start),
        cmocka_unit_test_setup(test_timers_model, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
