/* The queue of received slices, against a plain string of octets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tls/input_queue.h"

static uint32_t seed = 7;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)seed * below) >> 32);
}

struct model {
    uint8_t octets[100000];
    size_t read;
    size_t written;
};

static void push_some(struct input_queue *queue, struct memory *memory, struct model *model)
{
    size_t len = any(4) == 0 ? 0 : any(60);
    halo_slice slice;

    for (size_t i = 0; i < len; i++) {
        model->octets[model->written + i] = (uint8_t)any(256);
    }
    assert_int_equal(halo_slice_copy(&slice, model->octets + model->written, len), 0);
    model->written += len;
    assert_true(input_queue_push(queue, memory, &slice));
    assert_null(slice.owner);
}

static void read_some(struct input_queue *queue, struct model *model)
{
    uint8_t out[200];
    size_t want = any(sizeof(out));
    size_t n = input_queue_read(queue, out, want);

    assert_int_equal(n, min_size(want, model->written - model->read));
    assert_memory_equal(out, model->octets + model->read, n);
    model->read += n;
}

static void skip_some(struct input_queue *queue, struct model *model)
{
    halo_slice front = input_queue_peek(queue);
    size_t n = front.len == 0 ? 0 : any((uint32_t)front.len + 1);

    assert_memory_equal(front.data, model->octets + model->read, front.len);
    input_queue_skip(queue, n);
    model->read += n;
}

static void octets_come_out_in_order(void **state)
{
    static struct model model;

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct input_queue queue;
        struct memory memory;
        /* Sometimes more is pushed than read, sometimes less. */
        uint32_t pushes = 20 + any(60);

        memory_init(&memory, NULL);
        input_queue_init(&queue);
        model.read = 0;
        model.written = 0;
        for (int step = 0; step < 1500; step++) {
            if (any(100) < pushes) {
                push_some(&queue, &memory, &model);
            } else if (any(2) == 0) {
                read_some(&queue, &model);
            } else if (!input_queue_empty(&queue)) {
                skip_some(&queue, &model);
            }
            assert_int_equal(input_queue_empty(&queue), model.read == model.written);
        }
        input_queue_clear(&queue, &memory);
        assert_true(input_queue_empty(&queue));
        memory_fini(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(octets_come_out_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
