#include "core/proto/output.h"

void output_init(struct output *output, struct slab *blocks, struct slab *rings)
{
    *output = (struct output){ .blocks = blocks, .rings = rings };
}

static void give_ring(struct output *output)
{
    if (output->segments_cap == OUTPUT_SEGMENTS_MIN) {
        slab_give(output->rings, output->segments);
    } else {
        memory_free(output->blocks->memory, output->segments);
    }
    output->segments = NULL;
    output->segments_cap = 0;
}

void output_fini(struct output *output)
{
    output->described = 0;
    output_clear(output);
}

void write_block_unref(struct slab *blocks, struct write_block *block)
{
    struct write_block last = *block;

    HALO_ASSERT(block->refs > 0);
    if (--block->refs > 0) {
        return;
    }
    /* The block is given back first: done() is the user's and may write again. */
    if (last.kind == BLOCK_CHUNK) {
        chunk_unref(blocks->memory, last.owner.chunk);
        slab_give(blocks, block);
    } else if (last.kind == BLOCK_MEMORY) {
        memory_free(blocks->memory, last.owner.memory);
        slab_give(blocks, block);
    } else if (last.kind == BLOCK_BUFFER) {
        slab_give(blocks, block);
        buffer_unref(last.owner.buffer);
    } else {
        slab_give(blocks, block);
        if (last.owner.borrowed.done != NULL) {
            last.owner.borrowed.done(last.owner.borrowed.ctx);
        }
    }
}

static struct segment *segment_at(const struct output *output, uint32_t index)
{
    return &output->segments[(output->first + index) & (output->segments_cap - 1)];
}

/* Without a tail all ways to write come by output_reserve_slow(). */
void output_fail(struct output *output)
{
    output->failed = true;
    if (output->tail != NULL) {
        chunk_unref(output->blocks->memory, output->tail);
        output->tail = NULL;
    }
}

static bool grow_segments(struct output *output)
{
    uint32_t cap = output->segments_cap == 0 ? OUTPUT_SEGMENTS_MIN : output->segments_cap * 2;
    struct segment *segments = output->segments_cap == 0
                                   ? slab_take(output->rings)
                                   : memory_alloc(output->blocks->memory, cap * sizeof(*segments));

    if (segments == NULL) {
        output_fail(output);
        return false;
    }
    for (uint32_t i = 0; i < output->count; i++) {
        segments[i] = *segment_at(output, i);
    }
    if (output->segments != NULL) {
        give_ring(output);
    }
    output->segments = segments;
    output->segments_cap = cap;
    output->first = 0;
    return true;
}

static struct segment *add_segment(struct output *output, const uint8_t *data, size_t len)
{
    struct segment *segment;

    if (output->failed || (output->count == output->segments_cap && !grow_segments(output))) {
        return NULL;
    }
    segment = segment_at(output, output->count++);
    *segment = (struct segment){ .data = data, .len = len };
    output->len += len;
    return segment;
}

uint8_t *output_reserve_slow(struct output *output, size_t len)
{
    struct chunk *chunk;

    HALO_ASSERT(len <= CHUNK_ROOM);
    chunk = output->failed ? NULL : chunk_take(output->blocks->memory);
    if (chunk == NULL) {
        output_fail(output);
        return NULL;
    }
    if (output->tail != NULL) {
        chunk_unref(output->blocks->memory, output->tail);
    }
    output->tail = chunk; /* chunk_take's reference is the tail's */
    return chunk->data;
}

void output_commit_slow(struct output *output, uint8_t *start, size_t len)
{
    struct chunk *tail = output->tail;
    struct segment *segment;

    if (len == 0 || output->failed) {
        return;
    }
    HALO_ASSERT(tail != NULL && start == tail->data + tail->used);
    segment = add_segment(output, start, len);
    if (segment == NULL) {
        return;
    }
    segment->chunk = tail;
    tail->refs++;
    tail->used += (uint32_t)len;
}

void output_copy(struct output *output, const void *data, size_t len)
{
    const uint8_t *from = data;

    while (len > 0) {
        struct chunk *tail = output->tail;
        size_t room = tail == NULL ? 0 : CHUNK_ROOM - tail->used;
        size_t part = min_size(len, room > 0 ? room : CHUNK_ROOM);
        uint8_t *out = output_reserve(output, part);

        if (out == NULL) {
            return;
        }
        memcpy(out, from, part);
        output_commit(output, out, out + part);
        from += part;
        len -= part;
    }
}

void output_block(struct output *output, struct write_block *block, size_t len)
{
    struct segment *segment = add_segment(output, block->data, len);

    HALO_ASSERT(len <= block->len);
    if (segment == NULL) {
        return;
    }
    segment->block = block;
    block->refs++;
}

int output_describe(struct output *output, struct iovec *iov, int max, size_t limit)
{
    size_t described = 0;
    int count = 0;

    for (uint32_t i = 0; i < output->count && count < max && limit > 0; i++) {
        const struct segment *segment = segment_at(output, i);
        size_t len = min_size(segment->len, limit);

        iov[count++] =
            (struct iovec){ .iov_base = (void *)(uintptr_t)segment->data, .iov_len = len };
        limit -= len;
        described += len;
    }
    output->described = max_size(output->described, described);
    return count;
}

static void release_segment(struct output *output, struct segment segment)
{
    if (segment.chunk != NULL) {
        chunk_unref(output->blocks->memory, segment.chunk);
    } else {
        write_block_unref(output->blocks, segment.block);
    }
}

/* An idle connection holds no chunk and no segments. */
static void release_empty(struct output *output)
{
    if (output->count > 0) {
        return;
    }
    if (output->tail != NULL) {
        struct chunk *tail = output->tail;

        output->tail = NULL;
        chunk_unref(output->blocks->memory, tail);
    }
    if (output->segments != NULL) {
        give_ring(output);
    }
}

/* The user's done() may end the session, which clears what is not under way: `rest`, the octets
 * that were sent and not taken out yet, stay counted meanwhile. */
static void release_sent_block(struct output *output, struct write_block *block, size_t rest)
{
    output->len += rest;
    output->described += rest;
    write_block_unref(output->blocks, block);
    output->len -= rest;
    output->described -= rest;
}

void output_sent(struct output *output, size_t len)
{
    HALO_ASSERT(len <= output->len);
    output->len -= len;
    output->described -= min_size(output->described, len);
    while (len > 0) {
        struct segment *segment = segment_at(output, 0);

        if (len < segment->len) {
            segment->data += len;
            segment->len -= len;
            return;
        }
        len -= segment->len;
        /* Taken out first: releasing may call the user, who may write. */
        struct segment done = *segment;

        output->first = (output->first + 1) & (output->segments_cap - 1);
        output->count--;
        if (HALO_LIKELY(done.chunk != NULL)) {
            chunk_unref(output->blocks->memory, done.chunk);
        } else {
            release_sent_block(output, done.block, len);
        }
    }
    release_empty(output);
}

size_t output_hold(const struct output *output, struct output_held *held, int count)
{
    const struct chunk *last = NULL;
    size_t octets = 0;

    HALO_ASSERT(count >= 0 && (uint32_t)count <= output->count);
    for (int i = 0; i < count; i++) {
        const struct segment *segment = segment_at(output, (uint32_t)i);

        held[i] = (struct output_held){ .chunk = segment->chunk, .block = segment->block };
        if (segment->chunk == NULL) {
            segment->block->refs++;
            octets += segment->len;
            continue;
        }
        segment->chunk->refs++;
        if (segment->chunk != last) { /* frame headers of one send lie in one chunk, mostly */
            last = segment->chunk;
            octets += sizeof(*last);
        }
    }
    return octets;
}

void output_let_go(struct slab *blocks, const struct output_held *held, int count)
{
    for (int i = 0; i < count; i++) {
        if (held[i].chunk != NULL) {
            chunk_unref(blocks->memory, held[i].chunk);
        } else {
            write_block_unref(blocks, held[i].block);
        }
    }
}

void output_clear(struct output *output)
{
    size_t kept = 0;
    uint32_t num_kept = 0;

    while (num_kept < output->count && kept < output->described) {
        kept += segment_at(output, num_kept++)->len;
    }
    if (kept > output->described) { /* it grew since it was described */
        segment_at(output, num_kept - 1)->len -= kept - output->described;
        output->len -= kept - output->described;
    }
    while (output->count > num_kept) { /* last: releasing may call the user, and come here again */
        struct segment last = *segment_at(output, output->count - 1);

        output->len -= last.len;
        output->count--;
        release_segment(output, last);
    }
    release_empty(output);
}
