/*
 * What allocates by malloc itself: header sets and slices, under a malloc that fails. And HPACK,
 * which allocates nothing: it asks for room, and goes on when it gets none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/error.h>
#include <halo/header.h>

#include "hpack/hpack.h"

static uint32_t calls_left = UINT32_MAX; /* of malloc, until one fails */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return calls_left-- == 0 ? NULL : __real_malloc(size);
}

static const halo_header list[] = {
    { .name = HALO_LIT("X-Mixed"), .value = HALO_LIT("value") },
    { .name = HALO_LIT("server"), .value = HALO_LIT("test") },
};

static void header_sets(void **state)
{
    uint32_t n;

    (void)state;
    for (n = 0;; n++) {
        halo_header_set *set = NULL;
        int status;

        calls_left = n;
        status = halo_header_set_new(&set, list, 2);
        calls_left = UINT32_MAX;
        if (status == 0) {
            size_t count;

            assert_memory_equal(halo_header_set_fields(set, &count)[0].name.data, "x-mixed", 7);
            assert_int_equal(count, 2);
            halo_header_set_free(set);
            break;
        }
        assert_int_equal(status, HALO_E_NOMEM);
        assert_null(set);
    }
    assert_true(n > 0);
}

static void count_release(void *ctx)
{
    (*(int *)ctx)++;
}

static void slices(void **state)
{
    halo_slice slice = { 0 };
    int released = 0;

    (void)state;
    calls_left = 0;
    assert_int_equal(halo_slice_copy(&slice, "abc", 3), HALO_E_NOMEM);
    calls_left = 0;
    assert_int_equal(halo_slice_wrap(&slice, "abc", 3, count_release, &released), HALO_E_NOMEM);
    calls_left = UINT32_MAX;
    assert_int_equal(released, 0);
    assert_int_equal(halo_slice_wrap(&slice, "abc", 3, count_release, &released), 0);
    halo_slice_release(&slice);
    assert_int_equal(released, 1);
}

/* An encoder whose table never gets memory sends literals, and a decoder reads them. */
static void encoder_without_room(void **state)
{
    static uint8_t scratch[20000];
    static halo_header fields[16];
    struct hpack_encoder encoder;
    struct hpack_decoder decoder;
    struct hpack_list decoded = {
        .fields = fields,
        .fields_cap = 16,
        .size_max = 10000,
        .fields_hard = 100,
        .size_hard = 20000,
        .string_max = 1000,
        .scratch = scratch,
        .scratch_cap = sizeof(scratch),
    };
    halo_header sent = { .name = HALO_LIT("x-name"), .value = HALO_LIT("a value for the table") };
    uint8_t block[1000];

    (void)state;
    hpack_encoder_init(&encoder, 4096);
    hpack_decoder_init(&decoder, 4096);
    for (int i = 0; i < 5; i++) {
        uint8_t *end;
        size_t consumed = 0;

        assert_true(hpack_encode_bound(&sent, 1) <= sizeof(block));
        end = hpack_encode(&encoder, block, true, &sent, 1);
        hpack_decode_begin(&decoder, &decoded);
        assert_int_equal(
            hpack_decode(&decoder, &decoded, block, (size_t)(end - block), true, &consumed),
            HPACK_OK);
        assert_int_equal(decoded.count, 1);
        assert_true(halo_bytes_equal(decoded.fields[0].value, sent.value));
    }
    assert_null(hpack_table_memory(&encoder.table));
    assert_true(encoder.wants_room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_sets),
        cmocka_unit_test(slices),
        cmocka_unit_test(encoder_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
