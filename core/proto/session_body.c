/*
 * Calls that send bodies. Small octets that nothing holds back go into the output in the call;
 * everything else waits in the stream as blocks, which the scheduler takes from (session_output.c).
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"

enum {
    /* Up to this a waiting write gets memory of its own size; chunks are for more. */
    COPY_SMALL_MAX = 2048,
};

__attribute__((noinline)) static void drop_writes(struct halo_stream *stream)
{
    struct slab *blocks = &stream->session->env->blocks;
    struct halo_source source = stream->source;

    stream->source = (struct halo_source){ 0 };
    stream->buffered = 0;
    while (stream->write_first != NULL) {
        struct write_block *block = stream->write_first;

        stream->write_first = block->next;
        write_block_unref(blocks, block);
    }
    stream->write_last = NULL;
    if (source.read != NULL && source.done != NULL) {
        source.done(source.ctx);
    }
}

void stream_drop_writes(struct halo_stream *stream)
{
    if (stream->write_first != NULL || stream->source.read != NULL) {
        drop_writes(stream);
    }
}

/* A response to HEAD has no body: what is written for it goes nowhere (RFC 9110 9.3.2). */
static bool is_dropped(const struct halo_stream *stream)
{
    const uint32_t looked_at = STREAM_HEAD | STREAM_HEADERS_SENT | STREAM_LOCAL;

    return (stream->flags & looked_at) == (STREAM_HEAD | STREAM_HEADERS_SENT);
}

/* May body octets be written now? */
static int check_write(const struct halo_stream *stream, size_t len)
{
    const uint32_t ended = STREAM_END_QUEUED | STREAM_TRAILERS_QUEUED;
    const uint32_t hindered = ended | STREAM_NO_PAYLOAD | STREAM_CLOSED;

    if (HALO_LIKELY((stream->flags & hindered) == 0 && stream->send_half == HALF_BODY &&
                    stream->source.read == NULL)) {
        return 0;
    }
    if ((stream->flags & STREAM_NO_PAYLOAD) != 0 && len > 0) {
        return HALO_E_PAYLOAD_FORBIDDEN;
    }
    if ((stream->flags & STREAM_CLOSED) != 0) {
        return HALO_E_INVALID_STREAM;
    }
    if ((stream->flags & ended) != 0 || stream->send_half == HALF_DONE ||
        stream->source.read != NULL) {
        return HALO_E_WRITE_AFTER_END;
    }
    if (stream->send_half == HALF_HEADERS && (stream->flags & STREAM_WAITING) == 0) {
        return HALO_E_WRONG_STATE; /* the response headers come first */
    }
    return 0;
}

static void queue_block(struct halo_stream *stream, struct write_block *block)
{
    block->next = NULL;
    if (stream->write_last != NULL) {
        stream->write_last->next = block;
    } else {
        stream->write_first = block;
    }
    stream->write_last = block;
    stream->buffered += block->len;
}

static struct write_block *new_block(struct halo_stream *stream, const void *data, size_t len,
                                     enum write_block_kind kind)
{
    struct write_block *block = slab_take(&stream->session->env->blocks);

    if (block != NULL) {
        *block = (struct write_block){ .data = data, .len = len, .refs = 1, .kind = (uint8_t)kind };
    }
    return block;
}

static bool write_now(struct halo_stream *stream, const void *data, size_t len, unsigned flags)
{
    return (flags & HALO_WAIT_FOR_TRAILERS) == 0 &&
           stream_write_now(stream, data, len, (flags & HALO_END_STREAM) != 0);
}

/* What was queued is ended with `flags`, and goes to the scheduler. */
static void finish_write(struct halo_stream *stream, unsigned flags)
{
    if ((flags & (HALO_END_STREAM | HALO_WAIT_FOR_TRAILERS)) != 0) {
        stream->flags |= STREAM_END_QUEUED;
        stream->flags |= (flags & HALO_WAIT_FOR_TRAILERS) != 0 ? STREAM_WAIT_TRAILERS : 0;
    }
    if (stream->buffered >= stream->session->config->stream_low_water) {
        stream->flags |= STREAM_ABOVE_LOW_WATER;
    }
    stream_schedule(stream);
}

/* ---- copied ---------------------------------------------------------------------------- */

/* Adds to the end of the last block when that is a chunk of ours with room. Returns what it
 * took. */
static size_t extend_last(struct halo_stream *stream, const uint8_t *data, size_t len)
{
    struct write_block *last = stream->write_last;
    struct chunk *chunk;
    size_t part;

    if (last == NULL || last->kind != BLOCK_CHUNK) {
        return 0;
    }
    chunk = last->owner.chunk;
    part = min_size(len, CHUNK_ROOM - chunk->used);
    memcpy(chunk->data + chunk->used, data, part);
    chunk->used += (uint32_t)part;
    last->len += part;
    stream->buffered += part;
    return part;
}

static bool queue_small(struct halo_stream *stream, const uint8_t *data, size_t len)
{
    struct memory *memory = stream->session->env->memory;
    void *copy = memory_alloc(memory, len);
    struct write_block *block;

    if (copy == NULL) {
        return false;
    }
    memcpy(copy, data, len);
    block = new_block(stream, copy, len, BLOCK_MEMORY);
    if (block == NULL) {
        memory_free(memory, copy);
        return false;
    }
    block->owner.memory = copy;
    queue_block(stream, block);
    return true;
}

static bool queue_in_chunks(struct halo_stream *stream, const uint8_t *data, size_t len)
{
    struct memory *memory = stream->session->env->memory;

    while (len > 0) {
        size_t part = extend_last(stream, data, len);

        if (part == 0) {
            struct chunk *chunk = chunk_take(memory);
            struct write_block *block;

            if (chunk == NULL) {
                return false;
            }
            block = new_block(stream, chunk->data, 0, BLOCK_CHUNK);
            if (block == NULL) {
                chunk_unref(memory, chunk);
                return false;
            }
            block->owner.chunk = chunk;
            queue_block(stream, block);
        }
        data += part;
        len -= part;
    }
    return true;
}

/* Takes back what was queued behind `last` (NULL: all), and what `last` grew by since it was `len`
 * long. */
static void unqueue(struct halo_stream *stream, struct write_block *last, size_t len)
{
    struct write_block *block = last != NULL ? last->next : stream->write_first;

    if (last != NULL && last->len > len) {
        last->owner.chunk->used -= (uint32_t)(last->len - len);
        stream->buffered -= last->len - len;
        last->len = len;
    }
    if (last != NULL) {
        last->next = NULL;
    } else {
        stream->write_first = NULL;
    }
    stream->write_last = last;
    while (block != NULL) {
        struct write_block *next = block->next;

        stream->buffered -= block->len;
        write_block_unref(&stream->session->env->blocks, block);
        block = next;
    }
}

/* All of it or, when memory is out, nothing: a body with a hole would be worse than none. */
static bool queue_copy(struct halo_stream *stream, const uint8_t *data, size_t len)
{
    struct write_block *last = stream->write_last;
    size_t last_len = last != NULL ? last->len : 0;

    if (stream->write_first == NULL && len <= COPY_SMALL_MAX) {
        return queue_small(stream, data, len);
    }
    if (!queue_in_chunks(stream, data, len)) {
        unqueue(stream, last, last_len);
        return false;
    }
    return true;
}

int halo_stream_write(halo_stream *stream, const void *data, size_t len, unsigned flags)
{
    if (is_dropped(stream)) {
        return 0;
    }
    HALO_TRY(check_write(stream, len));
    if (HALO_LIKELY(write_now(stream, data, len, flags))) {
        return 0;
    }
    stream->session->copied_out += len;
    if (len > 0 && !queue_copy(stream, data, len)) {
        return HALO_E_NOMEM;
    }
    finish_write(stream, flags);
    return 0;
}

/* ---- borrowed and counted -------------------------------------------------------------- */

int halo_stream_write_borrow(halo_stream *stream, const void *data, size_t len, unsigned flags,
                             void (*done)(void *ctx), void *ctx)
{
    struct write_block *block;

    if (!is_dropped(stream)) {
        HALO_TRY(check_write(stream, len));
    }
    /* A block without octets would never be used up. */
    if (is_dropped(stream) || len == 0 || write_now(stream, data, len, flags)) {
        if (len == 0) {
            HALO_TRY(halo_stream_write(stream, "", 0, flags));
        }
        if (done != NULL) {
            done(ctx);
        }
        return 0;
    }
    block = new_block(stream, data, len, BLOCK_BORROWED);
    if (block == NULL) {
        return HALO_E_NOMEM;
    }
    block->owner.borrowed.done = done;
    block->owner.borrowed.ctx = ctx;
    queue_block(stream, block);
    finish_write(stream, flags);
    return 0;
}

int halo_stream_write_slice(halo_stream *stream, halo_slice *slice, unsigned flags)
{
    halo_slice taken = *slice;
    struct write_block *block = NULL;
    int status;

    *slice = (halo_slice){ 0 };
    if (is_dropped(stream) || taken.owner == NULL || taken.len == 0) {
        /* Without an owner the octets are the caller's: they are copied. */
        status = halo_stream_write(stream, taken.data, taken.len, flags);
        halo_slice_release(&taken);
        return status;
    }
    status = check_write(stream, taken.len);
    if (status != 0 || write_now(stream, taken.data, taken.len, flags)) {
        halo_slice_release(&taken);
        return status;
    }
    block = new_block(stream, taken.data, taken.len, BLOCK_BUFFER);
    if (block == NULL) {
        halo_slice_release(&taken);
        return HALO_E_NOMEM;
    }
    block->owner.buffer = taken.owner;
    queue_block(stream, block);
    finish_write(stream, flags);
    return 0;
}

/* ---- sources, and the end -------------------------------------------------------------- */

int halo_stream_set_source(halo_stream *stream, const struct halo_source *source, unsigned flags)
{
    if (is_dropped(stream)) {
        if (source->done != NULL) {
            source->done(source->ctx);
        }
        return 0;
    }
    HALO_TRY(check_write(stream, 1));
    if (source->read == NULL) {
        return HALO_E_INVALID_ARGUMENT;
    }
    stream->source = *source;
    stream->flags &= ~(uint32_t)STREAM_SOURCE_IDLE;
    stream->flags |= (flags & HALO_WAIT_FOR_TRAILERS) != 0 ? STREAM_WAIT_TRAILERS : 0;
    stream_schedule(stream);
    return 0;
}

/* A source that is not idle may be in its read(), and about to say "later". */
static void wake_source(struct halo_stream *stream)
{
    stream->flags |= (stream->flags & STREAM_SOURCE_IDLE) == 0 ? STREAM_SOURCE_RESUMED : 0;
    stream->flags &= ~(uint32_t)STREAM_SOURCE_IDLE;
    stream_schedule(stream);
}

void halo_stream_resume_source(halo_stream *stream)
{
    if (stream->source.read != NULL) {
        wake_source(stream);
    }
}

int stream_source_slice(struct halo_stream *stream, halo_slice *slice, bool end)
{
    halo_slice taken = *slice;

    HALO_ASSERT(stream->source.read != NULL && (taken.len == 0 || taken.owner != NULL));
    *slice = (halo_slice){ 0 };
    if (taken.len > 0) {
        struct write_block *block = new_block(stream, taken.data, taken.len, BLOCK_BUFFER);

        if (block == NULL) {
            halo_slice_release(&taken);
            return HALO_E_NOMEM;
        }
        block->owner.buffer = taken.owner;
        queue_block(stream, block);
    } else {
        halo_slice_release(&taken);
    }
    if (end) {
        stream_finish_source(stream);
    }
    wake_source(stream);
    return 0;
}

int halo_stream_end(halo_stream *stream)
{
    const uint32_t asked = STREAM_WAIT_TRAILERS | STREAM_END_QUEUED;

    /* Asked for trailers, the application has none. */
    if ((stream->flags & asked) == asked && (stream->flags & STREAM_CLOSED) == 0) {
        stream->flags &= ~(uint32_t)STREAM_WAIT_TRAILERS;
        if (!stream_write_now(stream, "", 0, true)) {
            stream_schedule(stream);
        }
        return 0;
    }
    return halo_stream_write(stream, "", 0, HALO_END_STREAM);
}

int halo_stream_reset(halo_stream *stream, uint32_t code)
{
    if ((stream->flags & STREAM_CLOSED) != 0) {
        return HALO_E_INVALID_STREAM;
    }
    /* NO_ERROR behind a whole response is the polite end of a request that is not needed any more
     * (RFC 9113 8.1): nothing failed. */
    if (code == HALO_NO_ERROR && stream->send_half == HALF_DONE) {
        static const struct halo_error in_order = { .reason = "" };

        if (!stream_done(stream)) { /* else it is closed, and octets wait for the application */
            session_write_reset(stream->session, stream->id, code);
            stream->flags |= STREAM_RESET_SENT;
        }
        stream->reset_code = code;
        stream_advance(stream, true, INPUT_RESET);
        stream_close(stream, &in_order);
        return 0;
    }
    stream_reset(stream, code, HALO_E_STREAM_CANCEL, HALO_ORIGIN_LOCAL, "reset by the application");
    return 0;
}

/* ---- getters --------------------------------------------------------------------------- */

uint32_t halo_stream_id(const halo_stream *stream)
{
    return stream->id;
}

halo_session *halo_stream_session(const halo_stream *stream)
{
    return stream->session;
}

void halo_stream_set_user_data(halo_stream *stream, void *user_data)
{
    stream->user_data = user_data;
}

void *halo_stream_user_data(const halo_stream *stream)
{
    return stream->user_data;
}

size_t halo_stream_buffered(const halo_stream *stream)
{
    return stream->buffered;
}

halo_header_list halo_stream_headers(const halo_stream *stream)
{
    const struct halo_session *session = stream->session;

    if (stream->headers != NULL) {
        return (halo_header_list){ stream->headers->fields, stream->headers->count };
    }
    if (session->lent == LENT_LIST && session->lent_stream == stream) {
        return (halo_header_list){ session->env->list.fields, session->env->list.count };
    }
    return (halo_header_list){ 0 };
}

int halo_stream_end_after_headers(const halo_stream *stream)
{
    return (stream->flags & STREAM_END_AFTER_HEADERS) != 0;
}

int halo_stream_is_head(const halo_stream *stream)
{
    return (stream->flags & STREAM_HEAD) != 0;
}

int halo_stream_headers_sent(const halo_stream *stream)
{
    return (stream->flags & STREAM_HEADERS_SENT) != 0;
}

int halo_stream_is_closed(const halo_stream *stream)
{
    return (stream->flags & STREAM_CLOSED) != 0;
}

int halo_stream_is_pending(const halo_stream *stream)
{
    return stream->id == 0;
}

int halo_stream_is_aborted(const halo_stream *stream)
{
    return (stream->flags & STREAM_ABORTED) != 0;
}

int64_t halo_stream_reset_code(const halo_stream *stream)
{
    if (stream->reset_code >= 0) {
        return stream->reset_code;
    }
    return (stream->flags & STREAM_CLOSED) != 0 ? (int64_t)stream->error.code : -1;
}

void halo_stream_get_info(const halo_stream *stream, struct halo_stream_info *info)
{
    *info = (struct halo_stream_info){
        .state = stream_state(stream),
        .local_window =
            (int64_t)stream->session->local.initial_window_size + stream->receive.available,
        .remote_window = stream_send_window(stream),
        .effective_local_window = stream->receive.size,
        .reset_code = stream->reset_code,
        .octets_sent = stream->octets_sent,
        .octets_received = stream->octets_received,
        .local_closed = stream->send_half == HALF_DONE,
        .remote_closed = stream->recv_half == HALF_DONE,
        .urgency = stream->urgency,
        .incremental = (stream->flags & STREAM_INCREMENTAL) != 0,
        .weight = (uint16_t)((stream->weight_change ^ (HALO_WEIGHT_DEFAULT - 1)) + 1),
    };
}
