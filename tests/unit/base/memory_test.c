/* Slabs, chunks, slices, lists, octets of the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/error.h>

#include "core/base/list.h"
#include "core/base/memory.h"
#include "core/base/slice.h"
#include "core/base/wire.h"
#include "test_memory.h"

static void the_applications_allocator_is_used(void **state)
{
    struct test_memory counting;
    struct memory memory;
    char *piece;

    (void)state;
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    piece = memory_zalloc(&memory, 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(piece[i], 0);
    }
    strcpy(piece, "kept");
    piece = memory_resize(&memory, piece, 100000);
    assert_string_equal(piece, "kept");
    assert_int_equal(memory.live, 1);
    counting.fail_at = counting.calls + 1;
    counting.fail_after = true;
    assert_null(memory_resize(&memory, piece, 200000));
    assert_null(memory_alloc(&memory, 1));
    assert_null(memory_zalloc(&memory, 1));
    assert_null(memory_resize(&memory, NULL, 1));
    assert_null(chunk_take(&memory));
    assert_string_equal(piece, "kept");
    memory_free(&memory, piece);
    memory_free(&memory, NULL);
    assert_int_equal(memory.live, 0);
    memory_fini(&memory);
    assert_int_equal(counting.live, 0);
}

/* Pieces of one size are asked for once. */
static void freed_pieces_are_reused(void **state)
{
    struct test_memory counting;
    struct memory memory;
    void *pieces[100];
    size_t calls = 0;

    (void)state;
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 100; i++) {
            size_t size = i * 41;

            pieces[i] = memory_alloc(&memory, size);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            memset(pieces[i], (int)i, size);
        }
        for (size_t i = 0; i < 100; i++) {
            size_t size = i * 41;

            for (size_t at = 0; at < size; at += 31) {
                assert_int_equal(((uint8_t *)pieces[i])[at], (uint8_t)i);
            }
            if (i % 4 == 0) { /* within its room, then to another size */
                void *same = memory_resize(&memory, pieces[i], size + (size % 64 == 0 ? 0 : 1));
                pieces[i] = memory_resize(&memory, same, size + 300);
                assert_true(size == 0 || *(uint8_t *)pieces[i] == (uint8_t)i);
            }
        }
        assert_int_equal(memory.live, 100);
        for (size_t i = 0; i < 100; i++) {
            memory_free(&memory, pieces[i]);
        }
        assert_true(round < 2 || counting.calls == calls);
        calls = counting.calls;
    }
    assert_true(memory.spare <= memory_spare_max);
    memory_fini(&memory);
    assert_int_equal(counting.live, 0);
}

/* The same few sizes over and over: the allocator is not asked again, and bounds hold. */
static void spare_pieces_are_bounded(void **state)
{
    struct test_memory counting;
    struct memory memory;
    void *pieces[300];
    size_t calls;

    (void)state;
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    pieces[0] = memory_alloc(&memory, 700);
    memory_free(&memory, pieces[0]);
    calls = counting.calls;
    for (size_t size = 641; size <= 704; size++) {
        assert_ptr_equal(memory_alloc(&memory, size), pieces[0]);
        memory_free(&memory, pieces[0]);
    }
    assert_int_equal(counting.calls, calls);
    for (size_t i = 0; i < 300; i++) {
        pieces[i] = memory_alloc(&memory, 16384);
    }
    for (size_t i = 0; i < 300; i++) {
        memory_free(&memory, pieces[i]);
    }
    assert_true(memory.spare <= memory_spare_max);
    assert_true(memory.spare > memory_spare_max - 16384);
    pieces[0] = memory_alloc(&memory, 100000); /* too long to be kept */
    memory_free(&memory, pieces[0]);
    assert_true(memory.spare <= memory_spare_max);
    memory_fini(&memory);
    assert_int_equal(counting.live, 0);
}

/* A piece that outlives its memory. */
static void orphans_are_freed_alone(void **state)
{
    struct test_memory counting;
    struct memory memory;
    void *piece;

    (void)state;
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    piece = memory_alloc(&memory, 100);
    memory_orphan(&memory);
    memory_fini(&memory);
    assert_int_equal(counting.live, 1);
    memory_release_orphan(&counting.allocator, piece);
    assert_int_equal(counting.live, 0);
}

static void slabs_reuse_the_latest(void **state)
{
    struct test_memory counting;
    struct memory memory;
    struct slab slab;
    void *objects[10];
    size_t calls;

    (void)state;
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    slab_init(&slab, &memory, 24, 4);
    for (int i = 0; i < 10; i++) {
        objects[i] = slab_take(&slab);
        assert_int_equal((uintptr_t)objects[i] % 16, 0);
        memset(objects[i], i, 24);
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(*(uint8_t *)objects[i], i); /* none overlaps another */
    }
    assert_int_equal(counting.calls, 3);
    slab_give(&slab, objects[3]);
    slab_give(&slab, objects[7]);
    assert_ptr_equal(slab_take(&slab), objects[7]);
    assert_ptr_equal(slab_take(&slab), objects[3]);
    calls = counting.calls;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 10; i++) {
            slab_give(&slab, objects[i]);
        }
        for (int i = 0; i < 10; i++) {
            objects[i] = slab_take(&slab);
        }
    }
    assert_int_equal(counting.calls, calls); /* warm: no allocation */
    for (int i = 0; i < 10; i++) {
        slab_give(&slab, objects[i]);
    }
    slab_fini(&slab);
    memory_fini(&memory);
    assert_int_equal(counting.live, 0);
}

/* Once nothing is in use, a slab that was large for a while does not stay so. */
static void slabs_that_grew_give_back(void **state)
{
    enum { FEW = 4 * SLAB_BLOCKS_KEPT, MANY = FEW + 1 };
    struct test_memory counting;
    struct memory memory;
    struct slab slab;
    const size_t spare_max = memory_spare_max;
    void *objects[MANY];

    (void)state;
    memory_spare_max = 0; /* what is freed goes back at once */
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    slab_init(&slab, &memory, 24, 4);
    for (int count = FEW; count <= MANY; count++) {
        for (int i = 0; i < count; i++) {
            objects[i] = slab_take(&slab);
        }
        slab_trim(&slab); /* not while they are in use */
        memset(objects[0], 1, 24);
        assert_int_equal(counting.live, count == FEW ? SLAB_BLOCKS_KEPT : SLAB_BLOCKS_KEPT + 1);
        for (int i = 0; i < count; i++) {
            slab_give(&slab, objects[i]);
        }
        slab_trim(&slab);
        assert_int_equal(counting.live, count == FEW ? SLAB_BLOCKS_KEPT : 0);
    }
    objects[0] = slab_take(&slab);
    memset(objects[0], 1, 24);
    slab_give(&slab, objects[0]);
    slab_fini(&slab);
    memory_fini(&memory);
    assert_int_equal(counting.live, 0);
    memory_spare_max = spare_max;
}

static void spare_chunks_have_a_limit(void **state)
{
    struct test_memory counting;
    struct memory memory;
    struct chunk *chunks[CHUNKS_SPARE_MAX + 5];

    (void)state;
    test_memory_init(&counting);
    memory_init(&memory, &counting.allocator);
    for (size_t i = 0; i < HALO_ARRAY_LEN(chunks); i++) {
        chunks[i] = chunk_take(&memory);
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(chunks); i++) {
        chunks[i]->refs++;
        chunk_unref(&memory, chunks[i]);
        chunk_unref(&memory, chunks[i]);
    }
    assert_int_equal(counting.live, CHUNKS_SPARE_MAX);
    assert_int_equal(memory.chunks_in_use, 0);
    memory_fini(&memory);
    assert_int_equal(counting.live, 0);
}

static void count_done(void *ctx)
{
    (*(int *)ctx)++;
}

static void slices_are_counted(void **state)
{
    halo_slice slice;
    halo_slice copy;
    halo_slice more;
    char text[] = "octets";
    int done = 0;

    (void)state;
    assert_int_equal(halo_slice_wrap(&slice, text, 6, count_done, &done), 0);
    more = halo_slice_ref(slice);
    halo_slice_release(&slice);
    assert_int_equal(done, 0);
    assert_null(slice.data);
    halo_slice_release(&slice); /* empty: nothing */
    assert_int_equal(done, 0);
    halo_slice_release(&more);
    assert_int_equal(done, 1);
    assert_int_equal(halo_slice_copy(&copy, text, 6), 0);
    text[0] = '?';
    assert_memory_equal(copy.data, "octets", 6);
    halo_slice_release(&copy);
    assert_int_equal(halo_slice_copy(&copy, NULL, 0), 0);
    halo_slice_release(&copy);
    slice = (halo_slice){ .data = (const uint8_t *)text, .len = 6 };
    more = halo_slice_ref(slice); /* borrowed octets have no count */
    halo_slice_release(&more);
    halo_slice_release(&slice);
}

static void lists(void **state)
{
    struct list_link head, other, links[4];

    (void)state;
    list_init(&head);
    list_init(&other);
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    for (int i = 0; i < 4; i++) {
        list_init(&links[i]);
        assert_false(list_linked(&links[i]));
    }
    list_push_back(&head, &links[1]);
    list_push_front(&head, &links[0]);
    list_insert_before(&head, &links[2]);
    list_push_back(&other, &links[3]);
    list_append_all(&head, &other);
    list_append_all(&head, &other);
    assert_true(list_empty(&other));
    list_remove(&links[1]);
    list_remove(&links[1]);
    assert_ptr_equal(list_pop_front(&head), &links[0]);
    assert_ptr_equal(list_first(&head), &links[2]);
    assert_ptr_equal(list_pop_front(&head), &links[2]);
    assert_ptr_equal(list_pop_front(&head), &links[3]);
    assert_true(list_empty(&head));
}

static void wire_integers(void **state)
{
    uint8_t octets[5] = { 0 };

    (void)state;
    store_u16(octets + 1, 0x1234); /* not aligned */
    assert_memory_equal(octets, "\0\x12\x34\0\0", 5);
    assert_int_equal(load_u16(octets + 1), 0x1234);
    store_u24(octets + 1, 0xfedcba);
    assert_memory_equal(octets, "\0\xfe\xdc\xba\0", 5);
    assert_int_equal(load_u24(octets + 1), 0xfedcba);
    store_u32(octets + 1, 0xfedcba98);
    assert_memory_equal(octets, "\0\xfe\xdc\xba\x98", 5);
    assert_int_equal(load_u32(octets + 1), 0xfedcba98);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_applications_allocator_is_used),
        cmocka_unit_test(freed_pieces_are_reused),
        cmocka_unit_test(spare_pieces_are_bounded),
        cmocka_unit_test(orphans_are_freed_alone),
        cmocka_unit_test(slabs_reuse_the_latest),
        cmocka_unit_test(slabs_that_grew_give_back),
        cmocka_unit_test(spare_chunks_have_a_limit),
        cmocka_unit_test(slices_are_counted),
        cmocka_unit_test(lists),
        cmocka_unit_test(wire_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
