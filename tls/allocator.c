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
 * Classes by what wolfSSL asks for (measured with 5.9.2, TLS 1.3 server with a P-256 certificate):
 * the record classes serve the buffers for one received and one sent record; the others what a handshake takes
 * and gives back. Beyond the last class malloc is asked.
 */
struct size_class {
    uint32_t size;
    uint32_t spare_max; /* blocks kept by a thread */
};

static const struct size_class classes[] = {
    { 128, 64 }, { 512, 32 }, { 2048, 16 }, { 4608, 16 }, { 17408, 8 },
};
enum { NUM_CLASSES = HALO_ARRAY_LEN(classes), CLASS_NONE = NUM_CLASSES };

/* In front of every block; 16 octets, so that blocks are aligned like malloc's. */
struct block {
    union {
        struct block *next; /* in the cache */
        size_t size;        /* in use: as asked for */
    };
    uint32_t class_index;
    uint32_t magic;
};
_Static_assert(sizeof(struct block) == 16, "blocks are aligned to 16 octets");

/* In use: catches pointers that are not ours, and double frees. */
enum { BLOCK_MAGIC = 0x68616c6f };

struct thread_heap {
    struct block *spare[NUM_CLASSES];
    uint32_t num_spare[NUM_CLASSES];

    uint8_t *lent;
    size_t lent_size; /* 0 once the place is taken */

    size_t fail_in; /* 0: never */
    bool fail_forever;
    struct tls_heap figures;
};

static _Thread_local struct thread_heap heap;

static uint32_t class_of(size_t size)
{
    for (uint32_t i = 0; i < NUM_CLASSES; i++) {
        if (size <= classes[i].size) {
            return i;
        }
    }
    return CLASS_NONE;
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
    __asan_poison_memory_region(block + 1, classes[block->class_index].size);
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

static void *heap_alloc(size_t size)
{
    uint32_t class_index;
    struct block *block;

    if (size == heap.lent_size && heap.lent_size != 0) {
        heap.lent_size = 0;
        return heap.lent;
    }
    if (told_to_fail()) {
        return NULL;
    }
    class_index = class_of(size);
    block = class_index == CLASS_NONE ? NULL : heap.spare[class_index];
    if (block != NULL) {
        heap.spare[class_index] = block->next;
        heap.num_spare[class_index]--;
        heap.figures.cached -= classes[class_index].size;
    } else {
        size_t room = class_index == CLASS_NONE ? size : classes[class_index].size;

        if (room > SIZE_MAX - sizeof(*block)) {
            return NULL;
        }
        block = malloc(sizeof(*block) + room);
        if (block == NULL) {
            return NULL;
        }
        heap.figures.mallocs++;
        if (class_index != CLASS_NONE) {
            block->class_index = class_index;
            hide(block);
        }
    }
    block->size = size;
    block->class_index = class_index;
    block->magic = BLOCK_MAGIC;
    reveal(block, size);
    heap.figures.live += size;
    heap.figures.blocks++;
    heap.figures.allocations++;
    return block + 1;
}

static void heap_free(void *pointer)
{
    struct block *block = pointer;
    uint32_t class_index;

    if (pointer == NULL || pointer == heap.lent) {
        return;
    }
    block--;
    HALO_ASSERT(block->magic == BLOCK_MAGIC);
    block->magic = 0;
    class_index = block->class_index;
    heap.figures.live -= block->size;
    heap.figures.blocks--;
    if (class_index == CLASS_NONE ||
        heap.num_spare[class_index] == classes[class_index].spare_max) {
        free(block);
        return;
    }
    hide(block);
    block->next = heap.spare[class_index];
    heap.spare[class_index] = block;
    heap.num_spare[class_index]++;
    heap.figures.cached += classes[class_index].size;
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

void tls_allocator_lend(uint8_t *place, size_t size)
{
    HALO_ASSERT(heap.lent == NULL && size > 0);
    heap.lent = place;
    heap.lent_size = size;
}

bool tls_allocator_take_back(void)
{
    bool used = heap.lent_size == 0;

    HALO_ASSERT(heap.lent != NULL);
    heap.lent = NULL;
    heap.lent_size = 0;
    heap.figures.in_place += used;
    return used;
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
    heap.figures.cached = 0;
}

void tls_heap_read(struct tls_heap *out)
{
    *out = heap.figures;
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

void tls_allocator_lend(uint8_t *place, size_t size)
{
    (void)place;
    (void)size;
}

bool tls_allocator_take_back(void)
{
    return false;
}

void tls_allocator_thread_exit(void)
{
}

void tls_heap_read(struct tls_heap *out)
{
    *out = (struct tls_heap){ 0 };
}

void tls_heap_fail(size_t n, bool forever)
{
    (void)n;
    (void)forever;
}

#endif
