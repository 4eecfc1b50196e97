#include "core/base/memory.h"

#include <stdlib.h>

static void *system_alloc(size_t size, void *ctx)
{
    (void)ctx;
    return malloc(size);
}

static void *system_resize(void *old, size_t size, void *ctx)
{
    (void)ctx;
    return realloc(old, size);
}

static void system_release(void *pointer, void *ctx)
{
    (void)ctx;
    free(pointer);
}

void memory_init(struct memory *memory, const halo_allocator *allocator)
{
    *memory = (struct memory){ 0 };
    if (allocator != NULL && allocator->alloc != NULL) {
        memory->allocator = *allocator;
    } else {
        memory->allocator = (halo_allocator){ system_alloc, system_resize, system_release, NULL };
    }
}

void memory_fini(struct memory *memory)
{
    HALO_ASSERT(memory->chunks_in_use == 0);
    while (memory->chunks != NULL) {
        struct chunk *chunk = memory->chunks;

        memory->chunks = chunk->next;
        memory_free(memory, chunk);
    }
    HALO_ASSERT(memory->live == 0);
}

void *memory_alloc(struct memory *memory, size_t size)
{
    void *pointer = memory->allocator.alloc(size, memory->allocator.ctx);

    if (pointer != NULL) {
        memory->allocations++;
        memory->live++;
    }
    return pointer;
}

void *memory_zalloc(struct memory *memory, size_t size)
{
    void *pointer = memory_alloc(memory, size);

    if (pointer != NULL) {
        memset(pointer, 0, size);
    }
    return pointer;
}

void *memory_resize(struct memory *memory, void *old, size_t size)
{
    void *pointer;

    if (old == NULL) {
        return memory_alloc(memory, size);
    }
    pointer = memory->allocator.resize(old, size, memory->allocator.ctx);
    if (pointer != NULL) {
        memory->allocations++;
    }
    return pointer;
}

void memory_release(struct memory *memory, void *pointer)
{
    HALO_ASSERT(memory->live > 0);
    memory->live--;
    memory->allocator.release(pointer, memory->allocator.ctx);
}

void slab_init(struct slab *slab, struct memory *memory, size_t object_size,
               uint32_t objects_per_block)
{
    HALO_ASSERT(object_size >= sizeof(struct slab_object) && objects_per_block > 0);
    *slab = (struct slab){
        .memory = memory,
        .object_size = (uint32_t)((object_size + 15) & ~(size_t)15),
        .objects_per_block = objects_per_block,
    };
}

void slab_fini(struct slab *slab)
{
    HALO_ASSERT(slab->in_use == 0);
    while (slab->blocks != NULL) {
        void *block = slab->blocks;

        memcpy(&slab->blocks, block, sizeof(void *));
        memory_free(slab->memory, block);
    }
    slab->free = NULL;
}

void *slab_take_slow(struct slab *slab)
{
    /* 16 octets in front hold the chain of blocks and keep the objects aligned. */
    uint8_t *block =
        memory_alloc(slab->memory, 16 + (size_t)slab->object_size * slab->objects_per_block);

    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &slab->blocks, sizeof(void *));
    slab->blocks = block;
    for (uint32_t i = slab->objects_per_block; i > 0; i--) {
        struct slab_object *object = (void *)(block + 16 + (size_t)slab->object_size * (i - 1));

        object->next = slab->free;
        slab->free = object;
    }
    return slab_take(slab);
}

struct chunk *chunk_take(struct memory *memory)
{
    struct chunk *chunk = memory->chunks;

    if (HALO_LIKELY(chunk != NULL)) {
        memory->chunks = chunk->next;
        memory->chunks_spare--;
    } else {
        chunk = memory_alloc(memory, sizeof(*chunk));
        if (chunk == NULL) {
            return NULL;
        }
    }
    memory->chunks_in_use++;
    chunk->next = NULL;
    chunk->refs = 1;
    chunk->used = 0;
    return chunk;
}

void chunk_give(struct memory *memory, struct chunk *chunk)
{
    HALO_ASSERT(memory->chunks_in_use > 0);
    memory->chunks_in_use--;
    if (memory->chunks_spare >= CHUNKS_SPARE_MAX) {
        memory_free(memory, chunk);
        return;
    }
    chunk->next = memory->chunks;
    memory->chunks = chunk;
    memory->chunks_spare++;
}
