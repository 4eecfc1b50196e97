/* The queue of octets on their way out: segments, chunks, references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/proto/output.h"
#include "test_memory.h"

struct world {
    struct test_memory counting;
    struct memory memory;
    struct slab blocks;
    struct slab rings;
    struct output output;
};

static void world_init(struct world *world)
{
    test_memory_init(&world->counting);
    memory_init(&world->memory, &world->counting.allocator);
    slab_init(&world->blocks, &world->memory, sizeof(struct write_block), 4);
    slab_init(&world->rings, &world->memory, OUTPUT_SEGMENTS_MIN * sizeof(struct segment), 4);
    output_init(&world->output, &world->blocks, &world->rings);
}

static void world_fini(struct world *world)
{
    output_fini(&world->output);
    slab_fini(&world->blocks);
    slab_fini(&world->rings);
    memory_fini(&world->memory);
    assert_int_equal(world->counting.live, 0);
}

static void count_done(void *ctx)
{
    (*(int *)ctx)++;
}

static struct write_block *borrowed(struct world *world, const void *data, size_t len, int *done)
{
    struct write_block *block = slab_take(&world->blocks);

    *block = (struct write_block){ .data = data, .len = len, .refs = 1, .kind = BLOCK_BORROWED };
    block->owner.borrowed.done = count_done;
    block->owner.borrowed.ctx = done;
    return block;
}

/* All that is in the queue, taken `limit` octets at a time in `max` pieces. */
static size_t drain(struct output *output, uint8_t *to, int max, size_t limit)
{
    struct iovec iov[8];
    size_t total = 0;
    int count;

    while ((count = output_describe(output, iov, max, limit)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            memcpy(to + total + len, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        assert_true(len <= limit && count <= max);
        output_sent(output, len);
        total += len;
    }
    assert_int_equal(output->len, 0);
    return total;
}

static void neighbours_are_one_piece(void **state)
{
    struct world world;
    struct iovec iov[4];

    (void)state;
    world_init(&world);
    for (int i = 0; i < 100; i++) {
        uint8_t *out = output_reserve(&world.output, 50);

        memset(out, i, 20);
        output_commit(&world.output, out, out + 20); /* less than was reserved */
    }
    assert_int_equal(world.output.len, 2000);
    assert_int_equal(output_describe(&world.output, iov, 4, SIZE_MAX), 1);
    assert_int_equal(iov[0].iov_len, 2000);
    assert_int_equal(output_describe(&world.output, iov, 4, 7), 1);
    assert_int_equal(iov[0].iov_len, 7);
    assert_int_equal(output_describe(&world.output, iov, 0, 7), 0);
    assert_int_equal(output_describe(&world.output, iov, 4, 0), 0);
    output_sent(&world.output, 1999);
    assert_int_equal(output_describe(&world.output, iov, 4, 100), 1);
    assert_int_equal(*(uint8_t *)iov[0].iov_base, 99);
    output_sent(&world.output, 1);
    assert_null(world.output.tail); /* an idle connection holds no chunk */
    world_fini(&world);
}

/* Copies and references in turn, through more chunks and segments than fit at first, in every way of taking. */
static void order_is_kept(void **state)
{
    static uint8_t data[100000], wanted[1000000], got[1000000];
    static const size_t limits[] = { 1, 7, 16893, 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 31 + i / 253);
    }
    for (size_t l = 0; l < HALO_ARRAY_LEN(limits); l++) {
        struct world world;
        size_t total = 0;
        int done = 0;

        world_init(&world);
        for (size_t i = 0; i < 20; i++) {
            size_t len = (i * 4099) % 35000;
            struct write_block *block = borrowed(&world, data + i, 2000, &done);

            output_copy(&world.output, data + i, len);
            memcpy(wanted + total, data + i, len);
            output_block(&world.output, block, 1500); /* in two parts */
            block->data += 1500;
            block->len -= 1500;
            output_block(&world.output, block, 500);
            memcpy(wanted + total + len, data + i, 2000);
            total += len + 2000;
            write_block_unref(&world.blocks, block);
        }
        assert_int_equal(world.output.len, total);
        assert_int_equal(done, 0);
        assert_int_equal(drain(&world.output, got, l == 1 ? 1 : 8, limits[l]), total);
        assert_memory_equal(got, wanted, total);
        assert_int_equal(done, 20);
        world_fini(&world);
    }
}

static void done_comes_when_the_last_octet_is_sent(void **state)
{
    struct world world;
    struct write_block *block;
    int done = 0;

    (void)state;
    world_init(&world);
    block = borrowed(&world, "0123456789", 10, &done);
    output_block(&world.output, block, 10);
    write_block_unref(&world.blocks, block);
    output_copy(&world.output, "behind", 6);
    output_sent(&world.output, 9);
    assert_int_equal(done, 0);
    output_sent(&world.output, 1);
    assert_int_equal(done, 1);
    block = borrowed(&world, "0123456789", 10, &done);
    output_block(&world.output, block, 10);
    write_block_unref(&world.blocks, block);
    output_sent(&world.output, 8);
    output_clear(&world.output);
    assert_int_equal(done, 2);
    assert_int_equal(world.output.len, 0);
    world_fini(&world);
}

static void every_kind_of_block_is_released(void **state)
{
    struct world world;
    struct write_block *block;
    struct chunk *chunk;
    halo_slice slice;
    int done = 0;

    (void)state;
    world_init(&world);
    block = slab_take(&world.blocks);
    *block = (struct write_block){ .refs = 2, .kind = BLOCK_MEMORY };
    block->owner.memory = memory_alloc(&world.memory, 10);
    write_block_unref(&world.blocks, block);
    write_block_unref(&world.blocks, block);
    chunk = chunk_take(&world.memory);
    block = slab_take(&world.blocks);
    *block = (struct write_block){ .refs = 1, .kind = BLOCK_CHUNK };
    block->owner.chunk = chunk;
    write_block_unref(&world.blocks, block);
    assert_int_equal(world.memory.chunks_in_use, 0);
    assert_int_equal(halo_slice_wrap(&slice, "x", 1, count_done, &done), 0);
    block = slab_take(&world.blocks);
    *block = (struct write_block){ .refs = 1, .kind = BLOCK_BUFFER };
    block->owner.buffer = slice.owner;
    write_block_unref(&world.blocks, block);
    assert_int_equal(done, 1);
    assert_int_equal(world.blocks.in_use, 0);
    world_fini(&world);
}

static void memory_is_out(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    world.counting.fail_at = 1;
    assert_null(output_reserve(&world.output, 10));
    assert_true(world.output.failed);
    /* There is memory again; but what would follow a piece of a frame is no frame. */
    output_copy(&world.output, "hello", 5);
    assert_null(output_reserve(&world.output, 10));
    assert_int_equal(world.output.len, 0);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_are_one_piece),
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(done_comes_when_the_last_octet_is_sent),
        cmocka_unit_test(every_kind_of_block_is_released),
        cmocka_unit_test(memory_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
