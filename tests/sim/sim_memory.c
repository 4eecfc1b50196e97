/* An allocator that counts pieces and octets and fails by number or by chance. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum {
    PIECE_HEAD = 16, /* the size of a piece lies before it */
    OCTETS_MAX = 24 * 1024 * 1024,
};

static bool is_to_fail(struct sim_memory *memory)
{
    memory->calls++;
    if (memory->calls == memory->fail_at ||
        (memory->fail_one_in != 0 && sim_below(memory->run, memory->fail_one_in) == 0)) {
        memory->failed = true;
        return true;
    }
    return false;
}

static void *note(struct sim_memory *memory, uint8_t *piece, size_t size)
{
    memcpy(piece, &size, sizeof(size));
    memory->octets += size;
    if (memory->octets > memory->octets_max) {
        memory->octets_max = memory->octets;
        if (memory->octets > OCTETS_MAX) {
            sim_fail(memory->run, "a session holds %llu octets of memory",
                     (unsigned long long)memory->octets);
        }
    }
    return piece + PIECE_HEAD;
}

static void *sim_alloc(size_t size, void *ctx)
{
    struct sim_memory *memory = ctx;
    uint8_t *piece = is_to_fail(memory) ? NULL : malloc(PIECE_HEAD + size);

    if (piece == NULL) {
        return NULL;
    }
    memset(piece + PIECE_HEAD, 0xa5, size < 512 ? size : 512); /* nobody may count on zeros */
    memory->live++;
    return note(memory, piece, size);
}

static size_t size_of(const uint8_t *piece)
{
    size_t size;

    memcpy(&size, piece, sizeof(size));
    return size;
}

static void *sim_resize(void *old, size_t size, void *ctx)
{
    struct sim_memory *memory = ctx;
    uint8_t *piece;

    if (old == NULL) {
        return sim_alloc(size, ctx);
    }
    if (is_to_fail(memory)) {
        return NULL;
    }
    piece = (uint8_t *)old - PIECE_HEAD;
    memory->octets -= size_of(piece);
    piece = realloc(piece, PIECE_HEAD + size);
    return piece != NULL ? note(memory, piece, size) : NULL;
}

static void sim_release(void *old, void *ctx)
{
    struct sim_memory *memory = ctx;
    uint8_t *piece = (uint8_t *)old - PIECE_HEAD;

    memory->live--;
    memory->octets -= size_of(piece);
    free(piece);
}

void sim_memory_init(struct sim_memory *memory, struct run *run)
{
    *memory = (struct sim_memory){
        .allocator = { sim_alloc, sim_resize, sim_release, memory },
        .run = run,
    };
}
