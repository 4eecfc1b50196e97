/* The halves of a stream, the table of streams by number, windows, buckets, and remembered resets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/proto/abuse.h"
#include "core/proto/limits.h"
#include "core/proto/session.h"
#include "test_memory.h"

static void what_may_follow_what(void **state)
{
    enum { NO = -1 };
    static const int wanted[3][INPUT_COUNT] = {
        { HALF_HEADERS, HALF_BODY, HALF_DONE, NO, NO, NO, HALF_DONE },
        { NO, NO, NO, HALF_BODY, HALF_DONE, HALF_DONE, HALF_DONE },
        { NO, NO, NO, NO, NO, NO, HALF_DONE },
    };

    (void)state;
    for (unsigned half = 0; half < 3; half++) {
        for (unsigned input = 0; input < INPUT_COUNT; input++) {
            for (int receiving = 0; receiving < 2; receiving++) {
                struct halo_stream stream = { .recv_half = HALF_BODY, .send_half = HALF_BODY };
                uint8_t *moved = receiving ? &stream.recv_half : &stream.send_half;
                uint8_t *other = receiving ? &stream.send_half : &stream.recv_half;
                bool allowed;

                *moved = (uint8_t)half;
                allowed = stream_advance(&stream, receiving != 0, (enum half_input)input);
                assert_int_equal(allowed, wanted[half][input] != NO);
                assert_int_equal(*moved, allowed ? wanted[half][input] : (int)half);
                assert_int_equal(*other, input == INPUT_RESET ? HALF_DONE : HALF_BODY);
            }
        }
    }
}

static void states_of_the_rfc(void **state)
{
    static const uint32_t wanted[3][3] = {
        { HALO_STATE_OPEN, HALO_STATE_OPEN, HALO_STATE_HALF_CLOSED_LOCAL },
        { HALO_STATE_OPEN, HALO_STATE_OPEN, HALO_STATE_HALF_CLOSED_LOCAL },
        { HALO_STATE_HALF_CLOSED_REMOTE, HALO_STATE_HALF_CLOSED_REMOTE, HALO_STATE_CLOSED },
    };

    (void)state;
    for (unsigned recv = 0; recv < 3; recv++) {
        for (unsigned send = 0; send < 3; send++) {
            struct halo_stream stream = { .recv_half = (uint8_t)recv, .send_half = (uint8_t)send };

            assert_int_equal(stream_state(&stream), wanted[recv][send]);
            stream.flags = STREAM_CLOSED;
            assert_int_equal(stream_state(&stream), HALO_STATE_CLOSED);
        }
    }
}

/* Both sides' numbers, gaps, and numbers that fall on one place. */
static void store_finds_what_was_added(void **state)
{
    enum { COUNT = 1000 };
    static struct halo_stream streams[COUNT];
    struct test_memory counting;
    struct memory memory;
    struct stream_store store;

    (void)state;
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    stream_store_init(&store);
    assert_null(stream_store_find(&store, 1));
    for (uint32_t i = 0; i < COUNT; i++) {
        streams[i].id = i < 500 ? 1 + i : 1 + i * 4096; /* the second half collides */
        assert_true(stream_store_add(&store, &memory, &streams[i]));
    }
    assert_int_equal(store.count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_ptr_equal(stream_store_find(&store, streams[i].id), &streams[i]);
    }
    assert_null(stream_store_find(&store, 501));
    assert_null(stream_store_find(&store, 0x7fffffff));
    for (uint32_t i = 0; i < COUNT; i += 2) {
        stream_store_remove(&store, &streams[i]);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_ptr_equal(stream_store_find(&store, streams[i].id), i % 2 == 0 ? NULL : &streams[i]);
    }
    for (uint32_t i = 1; i < COUNT; i += 2) {
        stream_store_remove(&store, &streams[i]);
    }
    counting.fail_at = counting.calls + 1;
    counting.fail_after = true;
    for (uint32_t i = 0; i <= store.mask; i++) { /* full, but not beyond */
        streams[i % COUNT].id = i;
        store.count++;
    }
    assert_false(stream_store_add(&store, &memory, &streams[0]));
    store.count = 0;
    stream_store_fini(&store, &memory);
    memory_fini(&memory);
    assert_int_equal(counting.live, 0);
}

static void kept_lists(void **state)
{
    char name[] = "name";
    char value[] = "value";
    halo_header list[] = {
        { .name = { name, 4 },
          .value = { value, 5 },
          .token = 3,
          .hash = 7,
          .flags = HALO_HEADER_NEVER_INDEX },
        { .name = { name, 1 }, .value = { NULL, 0 } },
    };
    struct memory memory;
    struct kept_list *kept;

    (void)state;
    memory_init(&memory, NULL);
    kept = kept_list_new(&memory, list, 2);
    name[0] = value[0] = '?';
    assert_int_equal(kept->count, 2);
    assert_memory_equal(kept->fields[0].name.data, "name", 4);
    assert_memory_equal(kept->fields[0].value.data, "value", 5);
    assert_int_equal(kept->fields[0].token, 3);
    assert_int_equal(kept->fields[0].flags, HALO_HEADER_NEVER_INDEX);
    assert_int_equal(kept->fields[1].value.len, 0);
    memory_free(&memory, kept);
    kept = kept_list_new(&memory, NULL, 0);
    assert_int_equal(kept->count, 0);
    memory_free(&memory, kept);
    memory_fini(&memory);
}

/* ---- windows ----------------------------------------------------------------------------------------- */

static void credit_is_collected(void **state)
{
    struct receive_window window = { .size = 100, .batch = 50 };

    (void)state;
    assert_false(receive_window_return(&window, 49));
    assert_int_equal(window.unreturned, 49);
    assert_true(receive_window_return(&window, 1));
    assert_int_equal(window.unreturned, 50);
    window.unreturned = 0;
    assert_false(receive_window_return(&window, 0));
    window.withheld = 30;
    assert_false(receive_window_return(&window, 20));
    assert_int_equal(window.withheld, 10);
    assert_true(receive_window_return(&window, 60));
    assert_int_equal(window.withheld, 0);
    assert_int_equal(window.unreturned, 50);
    window.unreturned = 0;
    window.batch = 1; /* everything at once */
    assert_false(receive_window_return(&window, 0));
    assert_true(receive_window_return(&window, 1));
}

static void waits_for_windows(void **state)
{
    struct stall stall = { 0 };
    const uint64_t second = 1000000000u;

    (void)state;
    stall_begin(&stall, 5 * second, 1000);
    assert_int_equal(stall.since_ns, 5 * second);
    stall_begin(&stall, 15 * second, 1000 + 10 * LIMIT_STALL_RATE - 1); /* too little */
    assert_int_equal(stall.since_ns, 5 * second);
    stall_begin(&stall, 15 * second, 1000 + 10 * LIMIT_STALL_RATE);
    assert_int_equal(stall.since_ns, 15 * second);
}

/* ---- budgets --------------------------------------------------------------------------------------------- */

static void buckets(void **state)
{
    struct halo_limits limits = { .pings = 3, .pings_per_second = 2, .resets = 2 };
    struct abuse abuse;
    const uint64_t second = 1000000000u;

    (void)state;
    abuse_init(&abuse, &limits, 7 * second);
    assert_false(bucket_take(&abuse.settings, 8 * second)); /* 0 is none at all */
    for (int i = 0; i < 3; i++) {
        assert_true(bucket_take(&abuse.pings, 7 * second));
    }
    assert_false(bucket_take(&abuse.pings, 7 * second));
    assert_false(bucket_take(&abuse.pings, 7 * second + second / 2 - 1));
    assert_true(bucket_take(&abuse.pings, 7 * second + second / 2));
    assert_false(bucket_take(&abuse.pings, 7 * second + second / 2));
    assert_true(bucket_take(&abuse.pings, 8 * second));
    assert_false(bucket_take(&abuse.pings, 7 * second)); /* time does not go back */
    for (int i = 0; i < 3; i++) { /* not more than the burst, however long it was */
        assert_true(bucket_take(&abuse.pings, UINT64_MAX / 2));
    }
    assert_false(bucket_take(&abuse.pings, UINT64_MAX / 2));
    assert_true(bucket_take(&abuse.resets, 0));
    assert_true(bucket_take(&abuse.resets, 0));
    assert_false(bucket_take(&abuse.resets, UINT64_MAX)); /* no refill by time */
    abuse_stream_completed(&abuse);
    assert_true(bucket_take(&abuse.resets, 0));
    assert_false(bucket_take(&abuse.resets, 0));
    abuse_stream_completed(&abuse);
    abuse_stream_completed(&abuse);
    abuse_stream_completed(&abuse);
    assert_int_equal(abuse.resets.tokens, 2);
    assert_int_equal(abuse.refused, 0);
}

/* In any order, each number that is told is found, and no other; of the latest, hardly one is lost. */
static void remembered_resets_in_disorder(void **state)
{
    static bool told[8192];
    struct test_memory counting;
    struct memory memory;
    struct reset_memory resets = { 0 };
    uint32_t latest[3000];
    uint32_t seed = 12345;

    (void)state;
    memory_spare_max = 0;
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    memset(told, 0, sizeof(told));
    for (uint32_t i = 0; i < HALO_ARRAY_LEN(latest); i++) {
        do {
            seed = seed * 1664525 + 1013904223;
            latest[i] = seed >> 19;
        } while (latest[i] == 0 || told[latest[i]]);
        told[latest[i]] = true;
        reset_memory_add(&resets, &memory, latest[i]);
        for (uint32_t back = 0; back < 1000 - 32 && back <= i; back += 7) {
            assert_true(reset_memory_has(&resets, latest[i - back]));
        }
        if (i % 100 == 99) {
            uint32_t found = 0;

            for (uint32_t id = 1; id < HALO_ARRAY_LEN(told); id++) {
                assert_true(told[id] || !reset_memory_has(&resets, id));
                found += reset_memory_has(&resets, id);
            }
            assert_int_equal(found, min_u32(i + 1, LIMIT_RESETS_REMEMBERED));
        }
    }
    memory_free(&memory, resets.ids);
    memory_fini(&memory);
    assert_int_equal(counting.live, 0);
}

static void remembered_resets(void **state)
{
    struct test_memory counting;
    struct memory memory;
    struct reset_memory resets = { 0 };

    (void)state;
    memory_spare_max = 0;
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    assert_false(reset_memory_has(&resets, 1));
    for (uint32_t i = 0; i < 3000; i++) {
        reset_memory_add(&resets, &memory, 1 + 2 * i);
        assert_true(reset_memory_has(&resets, 1 + 2 * i));
        assert_true(i < 100 || reset_memory_has(&resets, 1 + 2 * (i - 100)));
    }
    assert_int_equal(resets.cap, LIMIT_RESETS_REMEMBERED);
    assert_true(reset_memory_has(&resets, 1 + 2 * (3000 - LIMIT_RESETS_REMEMBERED)));
    assert_false(reset_memory_has(&resets, 1 + 2 * (3000 - LIMIT_RESETS_REMEMBERED - 1)));
    memory_free(&memory, resets.ids);
    resets = (struct reset_memory){ 0 };
    counting.fail_at = counting.calls + 1;
    reset_memory_add(&resets, &memory, 1); /* forgotten */
    assert_false(reset_memory_has(&resets, 1));
    memory_fini(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_follow_what),
        cmocka_unit_test(states_of_the_rfc),
        cmocka_unit_test(store_finds_what_was_added),
        cmocka_unit_test(kept_lists),
        cmocka_unit_test(credit_is_collected),
        cmocka_unit_test(waits_for_windows),
        cmocka_unit_test(buckets),
        cmocka_unit_test(remembered_resets),
        cmocka_unit_test(remembered_resets_in_disorder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
