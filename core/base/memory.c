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

/* ---- pieces of any size -------------------------------------------------------------- */

/* In front of every piece. */
struct piece {
    size_t size;   /* octets behind this */
    size_t unused; /* keeps what follows aligned as malloc's */
};

size_t memory_spare_max = 1024 * 1024;

static struct piece *piece_of(void *pointer)
{
    return (struct piece *)pointer - 1;
}

/* The size a piece gets. */
static size_t round_up(size_t size)
{
    size_t step = size <= 1024 ? 64 : size <= 4096 ? 256 : 1024;

    if (size > PIECE_KEPT_MAX) {
        return size;
    }
    return size == 0 ? step : (size + step - 1) & ~(step - 1);
}

/* Where spare pieces of a rounded size are. */
static size_t class_of(size_t size)
{
    if (size <= 1024) {
        return size / 64 - 1;
    }
    return size <= 4096 ? 16 + (size - 1024) / 256 - 1 : 28 + (size - 4096) / 1024 - 1;
}

static struct piece *take_spare(struct memory *memory, size_t size)
{
    struct slab_object **spare = &memory->pieces[class_of(size)];
    struct slab_object *object = *spare;

    if (object == NULL) {
        return NULL;
    }
    MEMORY_UNPOISON(object, size);
    *spare = object->next;
    memory->spare -= size;
    return piece_of(object);
}

void *memory_alloc(struct memory *memory, size_t size)
{
    struct piece *piece = NULL;

    size = round_up(size);
    if (size <= PIECE_KEPT_MAX) {
        piece = take_spare(memory, size);
    }
    if (piece == NULL) {
        if (size > SIZE_MAX / 2) {
            return NULL;
        }
        piece = memory->allocator.alloc(sizeof(*piece) + size, memory->allocator.ctx);
        if (piece == NULL) {
            return NULL;
        }
        piece->size = size;
        memory->allocations++;
    }
    memory->live++;
    return piece + 1;
}

void *memory_zalloc(struct memory *memory, size_t size)
{
    void *pointer = memory_alloc(memory, size);

    if (pointer != NULL) {
        memset(pointer, 0, size);
    }
    return pointer;
}

void memory_release(struct memory *memory, void *pointer)
{
    struct piece *piece = piece_of(pointer);
    struct slab_object *object = pointer;
    size_t size = piece->size;

    HALO_ASSERT(memory->live > 0);
    memory->live--;
    if (size > PIECE_KEPT_MAX || memory->spare + size > memory_spare_max) {
        memory->allocator.release(piece, memory->allocator.ctx);
        return;
    }
    object->next = memory->pieces[class_of(size)];
    memory->pieces[class_of(size)] = object;
    memory->spare += size;
    MEMORY_POISON(object, size);
}

void *memory_resize(struct memory *memory, void *old, size_t size)
{
    struct piece *piece;
    void *pointer;

    if (old == NULL) {
        return memory_alloc(memory, size);
    }
    piece = piece_of(old);
    size = round_up(size);
    if (size == piece->size) {
        return old;
    }
    if (size > PIECE_KEPT_MAX && piece->size > PIECE_KEPT_MAX && size <= SIZE_MAX / 2) {
        piece = memory->allocator.resize(piece, sizeof(*piece) + size, memory->allocator.ctx);
        if (piece == NULL) {
            return NULL;
        }
        piece->size = size;
        memory->allocations++;
        return piece + 1;
    }
    pointer = memory_alloc(memory, size);
    if (pointer != NULL) {
        memcpy(pointer, old, size < piece->size ? size : piece->size);
        memory_release(memory, old);
    }
    return pointer;
}

void memory_orphan(struct memory *memory)
{
    HALO_ASSERT(memory->live > 0);
    memory->live--;
}

void memory_release_orphan(const halo_allocator *allocator, void *pointer)
{
    allocator->release(piece_of(pointer), allocator->ctx);
}

void memory_fini(struct memory *memory)
{
    HALO_ASSERT(memory->chunks_in_use == 0);
    while (memory->chunks != NULL) {
        struct chunk *chunk = memory->chunks;

        memory->chunks = chunk->next;
        memory->allocator.release(chunk, memory->allocator.ctx);
    }
    HALO_ASSERT(memory->live == 0);
    for (size_t i = 0; i < PIECE_CLASSES; i++) {
        while (memory->pieces[i] != NULL) {
            struct slab_object *object = memory->pieces[i];

            MEMORY_UNPOISON(object, sizeof(*object));
            memory->pieces[i] = object->next;
            memory->allocator.release(piece_of(object), memory->allocator.ctx);
        }
    }
}

/* ---- objects of one size ------------------------------------------------------------- */

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

static void give_blocks(struct slab *slab)
{
    HALO_ASSERT(slab->in_use == 0);
    while (slab->blocks != NULL) {
        void *block = slab->blocks;

        memcpy(&slab->blocks, block, sizeof(void *));
        MEMORY_UNPOISON(block, 16 + (size_t)slab->object_size * slab->objects_per_block);
        memory_free(slab->memory, block);
    }
    slab->free = NULL;
    slab->num_blocks = 0;
}

void slab_fini(struct slab *slab)
{
    give_blocks(slab);
}

void slab_trim(struct slab *slab)
{
    if (slab->in_use == 0 && slab->num_blocks > SLAB_BLOCKS_KEPT) {
        give_blocks(slab);
    }
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
    slab->num_blocks++;
    for (uint32_t i = slab->objects_per_block; i > 0; i--) {
        struct slab_object *object = (void *)(block + 16 + (size_t)slab->object_size * (i - 1));

        object->next = slab->free;
        slab->free = object;
        MEMORY_POISON(object, slab->object_size);
    }
    return slab_take(slab);
}

/* ---- output chunks ------------------------------------------------------------------- */

struct chunk *chunk_take(struct memory *memory)
{
    struct chunk *chunk = memory->chunks;

    if (HALO_LIKELY(chunk != NULL)) {
        memory->chunks = chunk->next;
        memory->chunks_spare--;
    } else {
        chunk = memory->allocator.alloc(sizeof(*chunk), memory->allocator.ctx);
        if (chunk == NULL) {
            return NULL;
        }
        memory->allocations++;
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
        memory->allocator.release(chunk, memory->allocator.ctx);
        return;
    }
    chunk->next = memory->chunks;
    memory->chunks = chunk;
    memory->chunks_spare++;
}
