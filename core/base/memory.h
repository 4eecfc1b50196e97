/*
 * Memory of one thread: the application's allocator, slabs of small objects, and a pool of output
 * chunks. Everything made on one loop (or by one sans-I/O session) shares one `struct memory`, so
 * objects are reused last-in-first-out and stay hot in cache. Not thread-safe, on purpose.
 *
 * memory_alloc and slab_take may return NULL; callers turn that into HALO_E_NOMEM or close the
 * connection. Freed slab objects are kept for reuse; memory_fini gives everything back and
 * asserts that nothing is in use.
 */
#ifndef HALO_CORE_BASE_MEMORY_H
#define HALO_CORE_BASE_MEMORY_H

#include "core/base/base.h"

/* Room in an output chunk: one TLS record's plaintext with frame headers fits, and so does a batch
 * of 32 small responses. */
enum { CHUNK_SIZE = 16 * 1024 + 512 };

/* Chunks kept for reuse when nobody needs them; beyond they go back to the allocator. */
enum { CHUNKS_SPARE_MAX = 64 };

/* A piece of output memory, referenced by the segments that point into it. */
struct chunk {
    struct chunk *next; /* in the pool or in an owner's list */
    uint32_t refs;
    uint32_t used; /* octets filled from the front */
    uint8_t data[CHUNK_SIZE - 16];
};

struct slab_object {
    struct slab_object *next;
};

struct memory;

/* Objects of one size, cut from larger blocks. */
struct slab {
    struct memory *memory;
    struct slab_object *free;
    void *blocks; /* every block begins with a pointer to the next */
    uint32_t object_size;
    uint32_t objects_per_block;
    uint32_t in_use;
};

struct memory {
    halo_allocator allocator;
    struct chunk *chunks; /* spare chunks, last-in-first-out */
    uint32_t chunks_spare;
    uint32_t chunks_in_use;
    size_t allocations; /* calls of alloc that gave memory, for tests and statistics */
    size_t live;        /* of those, not yet released */
};

/* `allocator` NULL or all zero: malloc, realloc, free. */
void memory_init(struct memory *memory, const halo_allocator *allocator);
void memory_fini(struct memory *memory);

void *memory_alloc(struct memory *memory, size_t size) HALO_MUST_USE;
void *memory_zalloc(struct memory *memory, size_t size) HALO_MUST_USE;
void *memory_resize(struct memory *memory, void *old, size_t size) HALO_MUST_USE;
void memory_release(struct memory *memory, void *pointer);

static inline void memory_free(struct memory *memory, void *pointer)
{
    if (pointer != NULL) {
        memory_release(memory, pointer);
    }
}

void slab_init(struct slab *slab, struct memory *memory, size_t object_size,
               uint32_t objects_per_block);
void slab_fini(struct slab *slab);
void *slab_take_slow(struct slab *slab) HALO_MUST_USE;

static inline void *slab_take(struct slab *slab)
{
    struct slab_object *object = slab->free;

    if (HALO_UNLIKELY(object == NULL)) {
        return slab_take_slow(slab);
    }
    slab->free = object->next;
    slab->in_use++;
    return object;
}

/* An object of zeros. The size is the slab's and no constant on purpose: one of this magnitude
 * becomes a "rep stos", which takes longer to start than the library's memset takes to finish. */
static inline void *slab_take_zeroed(struct slab *slab)
{
    void *object = slab_take(slab);

    return object != NULL ? memset(object, 0, slab->object_size) : NULL;
}

static inline void slab_give(struct slab *slab, void *pointer)
{
    struct slab_object *object = pointer;

    HALO_ASSERT(slab->in_use > 0);
    object->next = slab->free;
    slab->free = object;
    slab->in_use--;
}

/* A chunk with one reference and used = 0; NULL when memory is out. */
struct chunk *chunk_take(struct memory *memory) HALO_MUST_USE;
void chunk_give(struct memory *memory, struct chunk *chunk);

static inline void chunk_unref(struct memory *memory, struct chunk *chunk)
{
    HALO_ASSERT(chunk->refs > 0);
    if (--chunk->refs == 0) {
        chunk_give(memory, chunk);
    }
}

#endif
