#include "test_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_to_fail(struct test_memory *memory)
{
    memory->calls++;
    if (memory->fail_at == 0 || memory->calls < memory->fail_at ||
        (memory->calls > memory->fail_at && !memory->fail_after)) {
        return false;
    }
    memory->failed = true;
    return true;
}

/* Each piece lies behind its size; 16 octets keep it aligned. */
enum { HEAD = 16 };

static void count_octets(struct test_memory *memory, size_t less, size_t more)
{
    memory->octets += more - less;
    if (memory->octets > memory->octets_peak) {
        memory->octets_peak = memory->octets;
    }
}

static void *test_alloc(size_t size, void *ctx)
{
    struct test_memory *memory = ctx;
    uint8_t *piece = is_to_fail(memory) ? NULL : malloc(HEAD + size);

    if (piece == NULL) {
        return NULL;
    }
    memcpy(piece, &size, sizeof(size));
    memset(piece + HEAD, 0xa5, size); /* nobody may count on zeros */
    memory->live++;
    count_octets(memory, 0, size);
    return piece + HEAD;
}

static void *test_resize(void *old, size_t size, void *ctx)
{
    struct test_memory *memory = ctx;
    uint8_t *piece;
    size_t old_size = 0;

    if (is_to_fail(memory)) {
        return NULL;
    }
    if (old == NULL) {
        memory->live++;
    } else {
        memcpy(&old_size, (uint8_t *)old - HEAD, sizeof(old_size));
    }
    piece = realloc(old != NULL ? (uint8_t *)old - HEAD : NULL, HEAD + size);
    if (piece == NULL) {
        return NULL;
    }
    memcpy(piece, &size, sizeof(size));
    count_octets(memory, old_size, size);
    return piece + HEAD;
}

static void test_release(void *piece, void *ctx)
{
    struct test_memory *memory = ctx;
    size_t size;

    if (piece == NULL) {
        return;
    }
    memcpy(&size, (uint8_t *)piece - HEAD, sizeof(size));
    memory->live--;
    count_octets(memory, size, 0);
    free((uint8_t *)piece - HEAD);
}

void test_memory_init(struct test_memory *memory)
{
    *memory = (struct test_memory){
        .allocator = { test_alloc, test_resize, test_release, memory },
    };
}
