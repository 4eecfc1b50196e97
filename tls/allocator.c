#include "tls/allocator.h"

#include <stdlib.h>

#include "tls/tls.h"
#include "tls/wolfssl.h"

#if HALO_TLS_PRIVATE_WOLFSSL

#if defined(__SANITIZE_ADDRESS__)
#define ALLOCATOR_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ALLOCATOR_POISON 1
#endif
#endif
#ifdef ALLOCATOR_POISON
#include <sanitizer/asan_interface.h>
#endif

/*
 * Classes of sizes, fine enough that the blocks of an idle connection (4.7 KiB in 13 pieces with
 * 5.9.2) are rounded up by a few percent only. Buffers of records take one of three sizes.
 *
 *   up to   256: every 16      up to  1024: every 64      up to  4096: every 256      4608, 17408
 */
enum {
    TINY_MAX = 256,
    SMALL_MAX = 1024,
    MEDIUM_MAX = 4096,
    RECORD_TINY_SIZE = 512,
    RECORD_SMALL_SIZE = 4096 + 512,
    RECORD_LARGE_SIZE = 16384 + 1024,

    FIRST_SMALL = TINY_MAX / 16,
    CLASS_RECORD_TINY = FIRST_SMALL + (RECORD_TINY_SIZE - TINY_MAX) / 64 - 1,
    FIRST_MEDIUM = FIRST_SMALL + (SMALL_MAX - TINY_MAX) / 64,
    CLASS_RECORD_SMALL = FIRST_MEDIUM + (MEDIUM_MAX - SMALL_MAX) / 256,
    CLASS_RECORD_LARGE,
    NUM_CLASSES,
    CLASS_NONE = NUM_CLASSES, /* larger: asked from malloc, and given back to it */
};

/* What a thread keeps of one class: this many octets, and four blocks in any case. */
enum { SPARE_OCTETS = 8 * 1024, SPARE_BLOCKS = 4 };

/* In front of every block; 16 octets, so that blocks are aligned like malloc's. */
struct block {
    union {
        struct block *next; /* in the cache */
        size_t size;        /* in use: as asked for */
    };
    uint32_t class_index;
    uint32_t magic;
};
_Static_assert(sizeof(struct block) == TLS_HEAP_HEADER, "blocks are aligned to 16 octets");

/* In use: catches pointers that are not ours, and double frees. */
enum { BLOCK_MAGIC = 0x68616c6f };

struct thread_heap {
    struct block *spare[NUM_CLASSES];
    uint32_t num_spare[NUM_CLASSES];

    bool records;

    size_t fail_in; /* 0: never */
    bool fail_forever;
    struct tls_heap figures;
};

static _Thread_local struct thread_heap heap;

static uint32_t class_of(size_t size)
{
    if (heap.records && size <= RECORD_LARGE_SIZE) {
        return size <= RECORD_TINY_SIZE    ? CLASS_RECORD_TINY
               : size <= RECORD_SMALL_SIZE ? CLASS_RECORD_SMALL
                                           : CLASS_RECORD_LARGE;
    }
    if (size <= TINY_MAX) {
        return size == 0 ? 0 : (uint32_t)(size - 1) / 16;
    }
    if (size <= SMALL_MAX) {
        return FIRST_SMALL + (uint32_t)(size - TINY_MAX - 1) / 64;
    }
    if (size <= MEDIUM_MAX) {
        return FIRST_MEDIUM + (uint32_t)(size - SMALL_MAX - 1) / 256;
    }
    if (size <= RECORD_SMALL_SIZE) {
        return CLASS_RECORD_SMALL;
    }
    return size <= RECORD_LARGE_SIZE ? CLASS_RECORD_LARGE : CLASS_NONE;
}

static size_t size_of_class(uint32_t class_index)
{
    if (class_index < FIRST_SMALL) {
        return 16 * ((size_t)class_index + 1);
    }
    if (class_index < FIRST_MEDIUM) {
        return TINY_MAX + 64 * ((size_t)class_index - FIRST_SMALL + 1);
    }
    if (class_index < CLASS_RECORD_SMALL) {
        return SMALL_MAX + 256 * ((size_t)class_index - FIRST_MEDIUM + 1);
    }
    return class_index == CLASS_RECORD_SMALL ? RECORD_SMALL_SIZE : RECORD_LARGE_SIZE;
}

static bool cache_is_full(uint32_t class_index)
{
    size_t count = heap.num_spare[class_index];

    return count >= SPARE_BLOCKS && count * size_of_class(class_index) >= SPARE_OCTETS;
}

static bool told_to_fail(void)
{
    if (HALO_LIKELY(heap.fail_in == 0)) {
        return false;
    }
    if (--heap.fail_in > 0) {
        return false;
    }
    heap.fail_in = heap.fail_forever ? 1 : 0;
    return true;
}

static void hide(struct block *block)
{
#ifdef ALLOCATOR_POISON
    __asan_poison_memory_region(block + 1, size_of_class(block->class_index));
#else
    (void)block;
#endif
}

static void reveal(struct block *block, size_t size)
{
#ifdef ALLOCATOR_POISON
    __asan_unpoison_memory_region(block + 1, size);
#else
    (void)block;
    (void)size;
#endif
}

/* A block of the cache, or a new one; NULL: no memory. */
static struct block *take_block(uint32_t class_index, size_t size)
{
    struct block *block = class_index == CLASS_NONE ? NULL : heap.spare[class_index];

    if (block != NULL) {
        heap.spare[class_index] = block->next;
        heap.num_spare[class_index]--;
        heap.figures.cached -= size_of_class(class_index);
        return block;
    }
    if (class_index != CLASS_NONE) {
        size = size_of_class(class_index);
    }
    if (size > SIZE_MAX - sizeof(*block)) {
        return NULL;
    }
    block = malloc(sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    heap.figures.mallocs++;
    heap.figures.taken += size;
    block->class_index = class_index;
    if (class_index != CLASS_NONE) {
        hide(block);
    }
    return block;
}

static void *heap_alloc(size_t size)
{
    struct block *block;

    if (told_to_fail()) {
        return NULL;
    }
    block = take_block(class_of(size), size);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    block->magic = BLOCK_MAGIC;
    reveal(block, size);
    heap.figures.live += size;
    heap.figures.blocks++;
    heap.figures.allocations++;
    heap.figures.peak = max_size(heap.figures.peak, tls_heap_in_use(&heap.figures));
    return block + 1;
}

static void heap_free(void *pointer)
{
    struct block *block = pointer;
    uint32_t class_index;

    if (pointer == NULL) {
        return;
    }
    block--;
    HALO_ASSERT(block->magic == BLOCK_MAGIC);
    block->magic = 0;
    class_index = block->class_index;
    heap.figures.live -= block->size;
    heap.figures.blocks--;
    if (class_index == CLASS_NONE || cache_is_full(class_index)) {
        heap.figures.taken -= class_index == CLASS_NONE ? block->size : size_of_class(class_index);
        free(block);
        return;
    }
    hide(block);
    block->next = heap.spare[class_index];
    heap.spare[class_index] = block;
    heap.num_spare[class_index]++;
    heap.figures.cached += size_of_class(class_index);
}

static void *heap_resize(void *pointer, size_t size)
{
    struct block *block = pointer;
    void *fresh = heap_alloc(size);

    if (fresh == NULL || pointer == NULL) {
        return fresh;
    }
    block--;
    HALO_ASSERT(block->magic == BLOCK_MAGIC);
    memcpy(fresh, pointer, min_size(block->size, size));
    heap_free(pointer);
    return fresh;
}

void tls_allocator_install(void)
{
    (void)wolfSSL_SetAllocators(heap_alloc, heap_free, heap_resize);
}

void tls_allocator_records_begin(void)
{
    heap.records = true;
}

void tls_allocator_records_end(void)
{
    heap.records = false;
}

size_t tls_allocator_spare_max(void)
{
    size_t all = 0;

    for (uint32_t i = 0; i < NUM_CLASSES; i++) {
        size_t size = size_of_class(i);
        size_t count = max_size(SPARE_BLOCKS, (SPARE_OCTETS + size - 1) / size);

        all += count * (size + sizeof(struct block));
    }
    return all;
}

void tls_allocator_thread_exit(void)
{
    for (uint32_t i = 0; i < NUM_CLASSES; i++) {
        while (heap.spare[i] != NULL) {
            struct block *block = heap.spare[i];

            heap.spare[i] = block->next;
            free(block);
        }
        heap.num_spare[i] = 0;
    }
    heap.figures.taken -= heap.figures.cached;
    heap.figures.cached = 0;
}

void tls_heap_read(struct tls_heap *out)
{
    *out = heap.figures;
}

void tls_heap_forget_peak(void)
{
    heap.figures.peak = tls_heap_in_use(&heap.figures);
}

void tls_heap_fail(size_t n, bool forever)
{
    heap.fail_in = n;
    heap.fail_forever = forever;
}

#else

void tls_allocator_install(void)
{
}

void tls_allocator_records_begin(void)
{
}

void tls_allocator_records_end(void)
{
}

size_t tls_allocator_spare_max(void)
{
    return 0;
}

void tls_allocator_thread_exit(void)
{
}

void tls_heap_read(struct tls_heap *out)
{
    *out = (struct tls_heap){ 0 };
}

void tls_heap_forget_peak(void)
{
}

void tls_heap_fail(size_t n, bool forever)
{
    (void)n;
    (void)forever;
}

#endif
