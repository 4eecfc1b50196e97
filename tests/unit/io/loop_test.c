#include "io_fixture.h"

static char trace[256];

static void note(const char *what)
{
    strcat(trace, what);
}

static int start(void **state)
{
    (void)state;
    trace[0] = '\0';
    return 0;
}

/* ---- options ---- */

static void test_loop_options_are_checked(void **state)
{
    struct halo_loop_options options;
    struct halo_loop *loop;

    (void)state;
    halo_loop_options_init(&options);
    assert_int_equal(options.receive_buffer_size, 8192);
    assert_int_equal(options.receive_buffers, 128);
    assert_int_equal(options.receive_buffers_max, 4096);
    options.receive_buffer_size = 5000;
    assert_int_equal(halo_loop_new(&loop, &options), HALO_E_INVALID_ARGUMENT);
    assert_null(loop);
    halo_loop_options_init(&options);
    options.receive_buffers = 8192;
    assert_int_equal(halo_loop_new(&loop, &options), HALO_E_INVALID_ARGUMENT);
    halo_loop_options_init(&options);
    options.receive_buffers = 0;
    assert_int_equal(halo_loop_new(&loop, &options), HALO_E_INVALID_ARGUMENT);
    halo_loop_options_init(&options);
    options.struct_size = 0;
    assert_int_equal(halo_loop_new(&loop, &options), HALO_E_INVALID_ARGUMENT);
    /* A caller that knows fewer members. */
    memset(&options, 0xff, sizeof(options));
    halo_loop_options_init_sized(&options, offsetof(struct halo_loop_options, receive_buffers));
    assert_int_equal(options.receive_buffer_size, 8192);
    assert_int_equal(options.receive_buffers, 0xffffffff);
    assert_int_equal(halo_loop_new(&loop, &options), 0);
    assert_int_equal(loop->bufring.count_min, 128);
    halo_loop_free(loop);
    halo_loop_free(NULL);
}

static void *failing_alloc(size_t size, void *ctx)
{
    int *left = ctx;

    return (*left)-- > 0 ? malloc(size) : NULL;
}

static void *failing_resize(void *memory, size_t size, void *ctx)
{
    int *left = ctx;

    return (*left)-- > 0 ? realloc(memory, size) : NULL;
}

static void plain_release(void *memory, void *ctx)
{
    (void)ctx;
    free(memory);
}

static void test_loop_without_memory(void **state)
{
    struct halo_loop_options options;
    struct halo_loop *loop;
    int left = 0;
    int status = HALO_E_NOMEM;

    (void)state;
    halo_loop_options_init(&options);
    options.allocator = (halo_allocator){ failing_alloc, failing_resize, plain_release, &left };
    for (int allowed = 0; status != 0; allowed++) {
        left = allowed;
        assert_true(allowed < 10);
        status = halo_loop_new(&loop, &options);
        if (status != 0) {
            assert_int_equal(status, HALO_E_NOMEM);
            continue;
        }
        status = halo_loop_run(loop);
        assert_true(status == 0 || status == HALO_E_NOMEM || status == HALO_E_IO_URING);
        halo_loop_free(loop);
    }
}

/* ---- running and stopping ---- */

static void test_loop_with_nothing_to_do_returns(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);

    (void)state;
    assert_int_equal(halo_loop_run(loop), 0);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_int_equal(loop->ledger.operations, 0);
    assert_string_equal(halo_loop_error(loop), "");
    halo_loop_free(loop);
}

static void run_nested(void *ctx)
{
    assert_int_equal(halo_loop_run(ctx), HALO_E_WRONG_STATE);
    note("n");
}

static void test_loop_does_not_run_within_itself(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);

    (void)state;
    assert_int_equal(halo_loop_post(loop, run_nested, loop), 0);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_string_equal(trace, "n");
    halo_loop_free(loop);
}

static void stop_loop(halo_timer *timer, void *ctx)
{
    (void)timer;
    note("s");
    halo_loop_stop(ctx);
}

static void test_loop_runs_while_referenced(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);

    (void)state;
    loop_ref(loop);
    assert_int_equal(halo_timer_start(NULL, loop, 5, 0, stop_loop, loop), 0);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_string_equal(trace, "s");
    loop_unref(loop);
    assert_int_equal(halo_loop_run(loop), 0);
    halo_loop_free(loop);
}

static void test_loop_stop_before_run_is_not_lost(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);

    (void)state;
    loop_ref(loop);
    halo_loop_stop(loop);
    assert_int_equal(halo_loop_run(loop), 0);
    loop_unref(loop);
    halo_loop_free(loop);
}

/* ---- timers ---- */

static void timer_a(halo_timer *timer, void *ctx)
{
    (void)timer;
    (void)ctx;
    note("a");
}

static void timer_b(halo_timer *timer, void *ctx)
{
    (void)timer;
    (void)ctx;
    note("b");
}

static int beats;

static void beat(halo_timer *timer, void *ctx)
{
    (void)ctx;
    note("r");
    if (++beats == 3) {
        halo_timer_stop(timer);
    }
}

static void test_loop_timers_keep_it_running(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    uint64_t before = halo_loop_now_ns(loop);

    (void)state;
    assert_int_equal(halo_timer_start(NULL, loop, 20, 0, timer_b, NULL), 0);
    assert_int_equal(halo_timer_start(NULL, loop, 10, 0, timer_a, NULL), 0);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_string_equal(trace, "ab");
    assert_true(halo_loop_now_ns(loop) - before >= 20000000);
    assert_int_equal(loop->ledger.timers, 0);
    halo_loop_free(loop);
}

static void test_loop_timer_repeats_and_stops_in_its_call(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    uint64_t before = halo_loop_now_ns(loop);
    halo_timer *timer;

    (void)state;
    beats = 0;
    assert_int_equal(halo_timer_start(&timer, loop, 0, 2, beat, NULL), 0);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_string_equal(trace, "rrr");
    assert_true(halo_loop_now_ns(loop) - before >= 4000000);
    assert_int_equal(loop->ledger.timers, 0);
    halo_loop_free(loop);
}

static void test_loop_timer_stopped_is_not_called(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    halo_timer *timer;

    (void)state;
    assert_int_equal(halo_timer_start(&timer, loop, 1, 0, timer_b, NULL), 0);
    assert_int_equal(halo_timer_start(NULL, loop, 3, 0, timer_a, NULL), 0);
    halo_timer_stop(timer);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_string_equal(trace, "a");
    halo_loop_free(loop);
}

static void test_loop_timer_unref_does_not_keep_it_running(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    halo_timer *timer;

    (void)state;
    assert_int_equal(halo_timer_start(&timer, loop, 1000000, 1000000, timer_a, NULL), 0);
    halo_timer_unref(timer);
    halo_timer_unref(timer);
    assert_int_equal(halo_loop_run(loop), 0);
    halo_timer_ref(timer);
    halo_timer_ref(timer);
    assert_int_equal(loop->refs, 1);
    halo_timer_unref(timer);
    assert_string_equal(trace, "");
    halo_loop_free(loop); /* frees the timer */
}

static void test_loop_timer_with_a_huge_delay(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    halo_timer *timer;

    (void)state;
    assert_int_equal(halo_timer_start(&timer, loop, UINT64_MAX, UINT64_MAX, timer_a, NULL), 0);
    fixture_run_turns(loop, 3);
    halo_timer_stop(timer);
    assert_string_equal(trace, "");
    halo_loop_free(loop);
}

/* ---- deferred calls ---- */

struct deferring {
    struct loop_deferred deferred;
    struct halo_loop *loop;
    struct deferring *other;
    const char *name;
    int again;
};

static void note_post(void *ctx)
{
    note(ctx);
}

static void deferred_call(struct loop_deferred *deferred)
{
    struct deferring *self = HALO_CONTAINER(deferred, struct deferring, deferred);
    static char next_turn[] = "+";

    note(self->name);
    if (self->other != NULL) {
        assert_int_equal(halo_loop_post(self->loop, note_post, next_turn), 0);
        loop_defer(self->loop, &self->other->deferred);
    }
    if (self->again-- > 0) {
        loop_defer(self->loop, deferred);
    }
}

static void defer_three_times(void *ctx)
{
    struct deferring *self = ctx;

    note("p");
    loop_defer(self->loop, &self->deferred);
    loop_defer(self->loop, &self->deferred);
    loop_defer(self->loop, &self->deferred);
}

static void test_loop_defer_is_called_once_after_the_batch(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct deferring a = { .loop = loop, .name = "A" };
    struct deferring b = { .loop = loop, .name = "B" };
    struct deferring c = { .loop = loop, .name = "C" };

    (void)state;
    loop_deferred_init(&a.deferred, deferred_call);
    loop_deferred_init(&b.deferred, deferred_call);
    loop_deferred_init(&c.deferred, deferred_call);
    a.other = &b;
    loop_defer(loop, &c.deferred);
    loop_defer_cancel(&c.deferred);
    loop_defer_cancel(&c.deferred);
    assert_int_equal(halo_loop_post(loop, defer_three_times, &a), 0);
    assert_int_equal(halo_loop_post(loop, defer_three_times, &a), 0);
    assert_int_equal(halo_loop_run(loop), 0);
    /* B was deferred by A, in the same turn. */
    assert_string_equal(trace, "ppAB+");
    halo_loop_free(loop);
}

static void test_loop_defer_without_end_does_not_stop_the_loop(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct deferring a = { .loop = loop, .name = "", .again = 1000000 };

    (void)state;
    loop_deferred_init(&a.deferred, deferred_call);
    loop_defer(loop, &a.deferred);
    fixture_run_turns(loop, 5);
    assert_in_range(a.again, 1000000 - 200, 1000000 - 5);
    loop_defer_cancel(&a.deferred);
    halo_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_loop_options_are_checked, start),
        cmocka_unit_test_setup(test_loop_without_memory, start),
        cmocka_unit_test_setup(test_loop_with_nothing_to_do_returns, start),
        cmocka_unit_test_setup(test_loop_does_not_run_within_itself, start),
        cmocka_unit_test_setup(test_loop_runs_while_referenced, start),
        cmocka_unit_test_setup(test_loop_stop_before_run_is_not_lost, start),
        cmocka_unit_test_setup(test_loop_timers_keep_it_running, start),
        cmocka_unit_test_setup(test_loop_timer_repeats_and_stops_in_its_call, start),
        cmocka_unit_test_setup(test_loop_timer_stopped_is_not_called, start),
        cmocka_unit_test_setup(test_loop_timer_unref_does_not_keep_it_running, start),
        cmocka_unit_test_setup(test_loop_timer_with_a_huge_delay, start),
        cmocka_unit_test_setup(test_loop_defer_is_called_once_after_the_batch, start),
        cmocka_unit_test_setup(test_loop_defer_without_end_does_not_stop_the_loop, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
