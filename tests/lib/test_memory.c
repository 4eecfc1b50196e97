#include "test_memory.h"

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

static void *test_alloc(size_t size, void *ctx)
{
    struct test_memory *memory = ctx;
    void *piece = is_to_fail(memory) ? NULL : malloc(size);

    if (piece != NULL) {
        memset(piece, 0xa5, size); /* nobody may count on zeros */
        memory->live++;
    }
    return piece;
}

static void *test_resize(void *old, size_t size, void *ctx)
{
    struct test_memory *memory = ctx;

    return is_to_fail(memory) ? NULL : realloc(old, size);
}

static void test_release(void *piece, void *ctx)
{
    struct test_memory *memory = ctx;

    memory->live--;
    free(piece);
}

void test_memory_init(struct test_memory *memory)
{
    *memory = (struct test_memory){
        .allocator = { test_alloc, test_resize, test_release, memory },
    };
}
