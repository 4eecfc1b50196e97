/*
 * Memory of one thread: the application's allocator, slabs of small objects, and a pool of output
 * chunks. Everything made on one loop (or by one sans-I/O session) shares one `struct memory`, so
 * objects are reused last-in-first-out and stay hot in cache. Not thread-safe, on purpose.
 *
 * memory_alloc and slab_take may return NULL; callers turn that into HALO_E_NOMEM or close the
 * connection. What is freed is kept for reuse, within bounds, so that a connection that has warmed
 * up asks the allocator for nothing; memory_fini gives everything back and asserts that nothing is
 * in use. Under AddressSanitizer spare memory is poisoned, so that late use is found.
 */
#ifndef HALO_CORE_BASE_MEMORY_H
#define HALO_CORE_BASE_MEMORY_H

#include "core/base/base.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_IS_CHECKED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_IS_CHECKED 1
#endif
#if defined(MEMORY_IS_CHECKED)
#include <sanitizer/asan_interface.h>
#define MEMORY_POISON(at, len)   ASAN_POISON_MEMORY_REGION((at), (len))
#define MEMORY_UNPOISON(at, len) ASAN_UNPOISON_MEMORY_REGION((at), (len))
#else
#define MEMORY_POISON(at, len)   ((void)(at), (void)(len))
#define MEMORY_UNPOISON(at, len) ((void)(at), (void)(len))
#endif

/* Room in an output chunk: one TLS record's plaintext with frame headers fits, and so does a batch
 * of 32 small responses. */
enum { CHUNK_SIZE = 16 * 1024 + 512 };

/* Chunks kept for reuse when nobody needs them; beyond they go back to the allocator. */
enum { CHUNKS_SPARE_MAX = 64 };

/* Pieces up to this size are kept when they are freed; longer ones are rare. Sizes are rounded up
 * to 64 octets up to 1 KiB, to 256 up to 4 KiB, to 1 KiB above. */
enum {
    PIECE_KEPT_MAX = 16 * 1024,
    PIECE_CLASSES = 16 + 12 + 12,
};

/* Octets of freed pieces that are kept: enough for the lists of a thousand streams. Tests set 0, so
 * that every request for memory gets to the allocator, which may fail it. */
extern size_t memory_spare_max;

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

/* Blocks that a slab without objects in use may keep: of streams, 1,024. */
#define SLAB_BLOCKS_KEPT 32

/* Objects of one size, cut from larger blocks. */
struct slab {
    struct memory *memory;
    struct slab_object *free;
    void *blocks; /* every block begins with a pointer to the next */
    uint32_t object_size;
    uint32_t objects_per_block;
    uint32_t in_use;
    uint32_t num_blocks;
};

struct memory {
    halo_allocator allocator;
    struct chunk *chunks; /* spare chunks, last-in-first-out */
    uint32_t chunks_spare;
    uint32_t chunks_in_use;
    struct slab_object *pieces[PIECE_CLASSES]; /* spare ones by size */
    size_t spare;                              /* octets of them */
    size_t live;                               /* pieces in use */
    size_t allocations; /* what the allocator was asked for, for tests and statistics */
};

/* `allocator` NULL or all zero: malloc, realloc, free. */
void memory_init(struct memory *memory, const halo_allocator *allocator);
void memory_fini(struct memory *memory);

void *memory_alloc(struct memory *memory, size_t size) HALO_MUST_USE;
void *memory_zalloc(struct memory *memory, size_t size) HALO_MUST_USE;
void *memory_resize(struct memory *memory, void *old, size_t size) HALO_MUST_USE;
void memory_release(struct memory *memory, void *pointer);

/* A piece that may be in use for longer than `memory`: it does not belong to it any more and is
 * freed with memory_release_orphan(), by the same allocator. */
void memory_orphan(struct memory *memory);
void memory_release_orphan(const halo_allocator *allocator, void *pointer);

static inline void memory_free(struct memory *memory, void *pointer)
{
    if (pointer != NULL) {
        memory_release(memory, pointer);
    }
}

void slab_init(struct slab *slab, struct memory *memory, size_t object_size,
               uint32_t objects_per_block);
void slab_fini(struct slab *slab);
/* When no object is in use, and the slab has grown beyond SLAB_BLOCKS_KEPT: gives all blocks back. For
 * moments after which the slab may not be needed in its size again. */
void slab_trim(struct slab *slab);
void *slab_take_slow(struct slab *slab) HALO_MUST_USE;

static inline void *slab_take(struct slab *slab)
{
    struct slab_object *object = slab->free;

    if (HALO_UNLIKELY(object == NULL)) {
        return slab_take_slow(slab);
    }
    MEMORY_UNPOISON(object, slab->object_size);
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
    MEMORY_POISON(object, slab->object_size);
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
