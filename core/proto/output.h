/*
 * Octets on their way out of a session, in wire order: frame headers and small payloads in chunks,
 * larger payloads where they already are. A queue of segments describes them; neighbours in one
 * chunk are one segment, so a batch of small responses goes out as a single piece.
 *
 * What is in the queue will be sent (unless the connection breaks): a segment holds a reference to
 * what it points to until output_sent() has passed it.
 */
#ifndef HALO_CORE_PROTO_OUTPUT_H
#define HALO_CORE_PROTO_OUTPUT_H

#include <sys/uio.h>

#include "core/base/memory.h"
#include "core/base/slice.h"

/* Body octets of the application, queued in a stream or under way in the output. Whoever points to
 * them (the stream's queue, each segment) holds a reference. */
struct write_block {
    struct write_block *next; /* in the stream's queue */
    const uint8_t *data;
    size_t len; /* not yet framed */
    uint32_t refs;
    uint8_t kind; /* enum write_block_kind */
    union {
        struct chunk *chunk;
        struct halo_buffer *buffer;
        struct {
            void (*done)(void *ctx);
            void *ctx;
        } borrowed;
        void *memory;
    } owner;
};

enum write_block_kind {
    BLOCK_CHUNK,    /* copied into a chunk */
    BLOCK_MEMORY,   /* copied into memory of its own */
    BLOCK_BUFFER,   /* a counted slice */
    BLOCK_BORROWED, /* the caller's memory, done() at the end */
};

struct segment {
    const uint8_t *data;
    size_t len;
    struct chunk *chunk; /* one of these two holds the octets */
    struct write_block *block;
};

struct output {
    struct slab *blocks;      /* of struct write_block */
    struct slab *rings;       /* of OUTPUT_SEGMENTS_MIN segments */
    struct chunk *tail;       /* where the next frame header goes; NULL: none yet */
    struct segment *segments; /* a ring of segments_cap entries; NULL while the output is empty */
    uint32_t segments_cap;    /* a power of two */
    uint32_t first;
    uint32_t count;
    size_t len;       /* octets in all segments */
    size_t described; /* of those, handed out by output_describe(): a send may be reading them */
    bool failed;      /* it may end within a frame: nothing can follow */
};

/* Segments of a ring as it is at first. */
enum { OUTPUT_SEGMENTS_MIN = 4 };

void output_init(struct output *output, struct slab *blocks, struct slab *rings);
void output_fini(struct output *output);
/* What is in the output may end within a frame or a header block from now on: nothing may follow. */
void output_fail(struct output *output);

/* Room for `len` octets in one piece (at most CHUNK_ROOM), to be filled from the returned pointer
 * and settled by output_commit(). NULL when memory is out; then `failed` is set. */
uint8_t *output_reserve_slow(struct output *output, size_t len);
void output_commit_slow(struct output *output, uint8_t *start, size_t len);

enum { CHUNK_ROOM = sizeof(((struct chunk *)0)->data) };

static inline uint8_t *output_reserve(struct output *output, size_t len)
{
    struct chunk *tail = output->tail;

    if (HALO_LIKELY(tail != NULL && CHUNK_ROOM - tail->used >= len)) {
        return tail->data + tail->used;
    }
    return output_reserve_slow(output, len);
}

/* The reserved octets from `start` to `end` are part of the output now. */
static inline void output_commit(struct output *output, uint8_t *start, const uint8_t *end)
{
    size_t len = (size_t)(end - start);

    if (HALO_LIKELY(output->count > 0)) {
        struct segment *last =
            &output->segments[(output->first + output->count - 1) & (output->segments_cap - 1)];

        if (last->chunk == output->tail && last->data + last->len == start) {
            last->len += len;
            output->tail->used += (uint32_t)len;
            output->len += len;
            return;
        }
    }
    output_commit_slow(output, start, len);
}

/* Appends octets by copying, in as many pieces as it takes. */
void output_copy(struct output *output, const void *data, size_t len);
/* Appends the first `len` octets of a block, with a reference of its own. */
void output_block(struct output *output, struct write_block *block, size_t len);

/* Describes the first octets in at most `max` pieces and `limit` octets. Returns the number of
 * pieces. What was described stays where it is until output_sent(): a send may be reading it. */
int output_describe(struct output *output, struct iovec *iov, int max, size_t limit);
/* The first `len` octets were sent: drops them. */
void output_sent(struct output *output, size_t len);
/*
 * A send that does not copy reads the octets for longer than until output_sent(): who makes one holds
 * what it was described. `held` gets a reference for each of the first `count` pieces. Returns the
 * octets of memory that stay for their sake.
 */
struct output_held {
    struct chunk *chunk; /* one of these two */
    struct write_block *block;
};
size_t output_hold(const struct output *output, struct output_held *held, int count);
/* Gives the references back, also when the output is gone; `blocks` are the ones that it had. May
 * call the user. */
void output_let_go(struct slab *blocks, const struct output_held *held, int count);

/* Forgets everything that was not even described. */
void output_clear(struct output *output);

/* ---- blocks ---------------------------------------------------------------------------- */

void write_block_unref(struct slab *blocks, struct write_block *block);

#endif
