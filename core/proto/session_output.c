/*
 * Building output. Control frames and header blocks are in the output already, in the order of the
 * calls; DATA is put into frames here, as late as possible, within three bounds: the stream's
 * window, the connection's window, and what the driver asks for. So priorities stay effective and
 * memory is not filled with frames that the socket cannot take.
 *
 * Order of streams (RFC 9218): lower urgency first; within one, streams one after the other, those
 * that are incremental in turns.
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"

enum {
    /* One DATA frame: full TLS records, and other streams get their turn. */
    DATA_FRAME_MAX = 16384,
};

/* ---- who may send ---------------------------------------------------------------------- */

static bool has_data(const struct halo_stream *stream)
{
    return stream->write_first != NULL ||
           (stream->source.read != NULL && (stream->flags & STREAM_SOURCE_IDLE) == 0);
}

/* Nothing but the end is left to be sent. */
static bool has_end_only(const struct halo_stream *stream)
{
    return stream->write_first == NULL && stream->source.read == NULL &&
           (stream->flags & STREAM_END_QUEUED) != 0 && stream->send_half == HALF_BODY;
}

/* The list of blocked streams is in the order of their waits: first who has waited longest. */
static void put_in_blocked(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    struct list_link *place = session->blocked.next;

    stall_begin(&stream->stall, session->now_ns, stream->octets_sent);
    if (stream->stall.since_ns == session->now_ns) {
        place = &session->blocked;
    }
    while (place != &session->blocked &&
           LIST_ITEM(place, struct halo_stream, queue)->stall.since_ns <= stream->stall.since_ns) {
        place = place->next;
    }
    list_remove(&stream->queue);
    list_insert_before(place, &stream->queue);
    stream->flags |= STREAM_BLOCKED;
}

static void put_in_ready(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    list_remove(&stream->queue);
    list_push_back(&session->ready[stream->urgency], &stream->queue);
    session->ready_mask |= (uint8_t)(1u << stream->urgency);
    stream->flags &= ~(uint32_t)STREAM_BLOCKED;
}

void stream_schedule(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    bool blocked = (stream->flags & STREAM_BLOCKED) != 0;

    if ((stream->flags & (STREAM_CLOSED | STREAM_WAITING)) != 0 || stream->send_half != HALF_BODY) {
        return;
    }
    if (!has_data(stream) && !has_end_only(stream)) {
        return;
    }
    if (has_data(stream) && stream_send_window(stream) <= 0) {
        if (!blocked) {
            put_in_blocked(stream);
        }
        return;
    }
    if (blocked || !list_linked(&stream->queue)) {
        put_in_ready(stream);
        if (session->send_window <= 0) {
            stall_begin(&session->stall, session->now_ns, session->data_sent);
        }
        session_wake(session);
    }
}

static struct halo_stream *next_ready(struct halo_session *session)
{
    while (session->ready_mask != 0) {
        int urgency = __builtin_ctz(session->ready_mask);
        struct list_link *link = list_first(&session->ready[urgency]);

        if (link != NULL) {
            return LIST_ITEM(link, struct halo_stream, queue);
        }
        session->ready_mask &= (uint8_t) ~(1u << urgency);
    }
    return NULL;
}

/* The initial window of the peer grew: blocked streams look again, once a build and not once a
 * frame. */
static void recheck_blocked(struct halo_session *session)
{
    struct list_link blocked;
    struct list_link *link;

    session->recheck_blocked = false;
    list_init(&blocked);
    list_append_all(&blocked, &session->blocked);
    while ((link = list_pop_front(&blocked)) != NULL) {
        struct halo_stream *stream = LIST_ITEM(link, struct halo_stream, queue);

        stream->flags &= ~(uint32_t)STREAM_BLOCKED;
        stream_schedule(stream);
    }
}

/* ---- DATA frames ----------------------------------------------------------------------- */

static void count_data(struct halo_stream *stream, uint32_t len)
{
    struct halo_session *session = stream->session;

    stream->send_credit -= len;
    session->send_window -= len;
    session->data_sent += len;
    stream->octets_sent += len;
    session->abuse.data_frames_sent++;
}

void stream_sent_end(struct halo_stream *stream)
{
    stream->flags &= ~(uint32_t)STREAM_END_QUEUED;
    list_remove(&stream->queue);
    stream_close_if_done(stream);
}

bool stream_write_now(struct halo_stream *stream, const void *data, size_t len, bool end)
{
    struct halo_session *session = stream->session;
    uint8_t *frame;

    if (len > LIMIT_DATA_INLINE || stream->write_first != NULL || stream->source.read != NULL ||
        stream->send_half != HALF_BODY || (end && (stream->flags & STREAM_WAIT_TRAILERS) != 0)) {
        return false;
    }
    if (len > 0 &&
        ((int64_t)len > stream_send_window(stream) || (int64_t)len > session->send_window ||
         session->output.len >= LIMIT_OUTPUT_SOFT)) {
        return false;
    }
    if (HALO_UNLIKELY(len == 0 && !end)) {
        return true; /* nothing to say */
    }
    frame =
        frame_reserve(session, (uint32_t)len, FRAME_DATA, end ? FLAG_END_STREAM : 0, stream->id);
    if (frame == NULL) {
        return false;
    }
    memcpy(frame + FRAME_HEADER_LEN, data, len);
    session->copied_out += len;
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + len);
    count_data(stream, (uint32_t)len);
    stream_advance(stream, false, end ? INPUT_DATA_END : INPUT_DATA);
    if (end) {
        stream_sent_end(stream);
    }
    session_wake(session);
    return true;
}

/* What one DATA frame of this stream may carry now. */
static uint32_t data_room(const struct halo_stream *stream)
{
    const struct halo_session *session = stream->session;
    int64_t room = min_u32(session->remote.max_frame_size, DATA_FRAME_MAX);

    room = stream_send_window(stream) < room ? stream_send_window(stream) : room;
    room = session->send_window < room ? session->send_window : room;
    return room > 0 ? (uint32_t)room : 0;
}

/* Is the stream's last octet among the first `len` that are queued, and does END_STREAM go with
 * it? */
static bool ends_with(const struct halo_stream *stream, size_t len)
{
    return len == stream->buffered && stream->source.read == NULL &&
           (stream->flags & STREAM_END_QUEUED) != 0 &&
           (stream->flags & (STREAM_TRAILERS_QUEUED | STREAM_WAIT_TRAILERS)) == 0;
}

/* Moves `len` octets of the queue into the output: small pieces are copied, others referenced.
 * Returns the blocks that are used up; letting go of them may call the application, so that comes
 * last. */
static struct write_block *move_blocks(struct halo_stream *stream, size_t len)
{
    struct halo_session *session = stream->session;
    struct write_block *spent = NULL;
    struct write_block **spent_last = &spent;

    stream->buffered -= len;
    while (len > 0) {
        struct write_block *block = stream->write_first;
        size_t part = min_size(block->len, len);

        if (part <= LIMIT_DATA_INLINE) {
            output_copy(&session->output, block->data, part);
            session->copied_out += part;
        } else {
            output_block(&session->output, block, part);
        }
        block->data += part;
        block->len -= part;
        len -= part;
        if (block->len == 0) {
            stream->write_first = block->next;
            if (stream->write_first == NULL) {
                stream->write_last = NULL;
            }
            block->next = NULL;
            *spent_last = block;
            spent_last = &block->next;
        }
    }
    return spent;
}

static void emit_blocks(struct halo_stream *stream, uint32_t room)
{
    struct halo_session *session = stream->session;
    uint32_t len = (uint32_t)min_size(room, stream->buffered);
    bool end = ends_with(stream, len);
    uint8_t *frame = frame_reserve(session, 0, FRAME_DATA, end ? FLAG_END_STREAM : 0, stream->id);
    struct write_block *spent;

    if (frame == NULL) {
        return;
    }
    store_u24(frame, len);
    frame_commit(session, frame, frame + FRAME_HEADER_LEN);
    count_data(stream, len);
    stream_advance(stream, false, end ? INPUT_DATA_END : INPUT_DATA);
    spent = move_blocks(stream, len);
    while (spent != NULL) {
        struct write_block *block = spent;

        spent = block->next;
        write_block_unref(&session->env->blocks, block);
    }
}

void stream_finish_source(struct halo_stream *stream)
{
    struct halo_source source = stream->source;

    stream->source = (struct halo_source){ 0 };
    stream->flags |= STREAM_END_QUEUED;
    if (source.done != NULL) {
        source.done(source.ctx);
    }
}

/* Lets the source write its octets straight behind the frame header. */
static void emit_source(struct halo_stream *stream, uint32_t room)
{
    struct halo_session *session = stream->session;
    uint32_t cap = (uint32_t)min_size(room, CHUNK_ROOM - FRAME_HEADER_LEN);
    uint8_t *frame = output_reserve(&session->output, FRAME_HEADER_LEN + (size_t)cap);
    size_t len = 0;
    int at_end = 0;
    int status;
    bool end;

    if (frame == NULL) {
        return;
    }
    status = stream->source.read(stream->source.ctx, frame + FRAME_HEADER_LEN, cap, &len, &at_end);
    HALO_ASSERT(len <= cap);
    if (status == HALO_E_AGAIN) {
        stream->flags |= STREAM_SOURCE_IDLE;
        return;
    }
    if (status != 0) {
        stream_reset(stream, HALO_INTERNAL_ERROR, status, HALO_ORIGIN_LOCAL,
                     "the body could not be read");
        return;
    }
    end = at_end != 0 && stream->buffered == 0 &&
          (stream->flags & (STREAM_TRAILERS_QUEUED | STREAM_WAIT_TRAILERS)) == 0;
    if (len > 0 || end) {
        frame_header_store(frame, (uint32_t)len, FRAME_DATA, end ? FLAG_END_STREAM : 0, stream->id);
        frame_commit(session, frame, frame + FRAME_HEADER_LEN + len);
        count_data(stream, (uint32_t)len);
        stream_advance(stream, false, end ? INPUT_DATA_END : INPUT_DATA);
    }
    if (at_end != 0) {
        stream_finish_source(stream); /* last: its done() may call us, and write */
    }
}

/* The stream's queue ran empty, or its window did: where does it stand now? */
static void after_emit(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    if ((stream->flags & STREAM_CLOSED) != 0) {
        return;
    }
    if ((stream->flags & STREAM_ABOVE_LOW_WATER) != 0 &&
        stream->buffered < session->stream_low_water) {
        stream->flags &= ~(uint32_t)STREAM_ABOVE_LOW_WATER;
        stream_note(stream, NOTE_WRITABLE);
    }
    if (stream->send_half == HALF_DONE) {
        stream_sent_end(stream);
        return;
    }
    if (has_data(stream)) {
        if (stream_send_window(stream) <= 0) {
            list_remove(&stream->queue);
            stream_schedule(stream);
        } else if ((stream->flags & STREAM_INCREMENTAL) != 0) {
            put_in_ready(stream);
        }
        return;
    }
    list_remove(&stream->queue);
    stream->stall.since_ns = 0; /* it waits for the application now */
    if (stream->write_first != NULL || stream->source.read != NULL) {
        return; /* the source is idle */
    }
    if ((stream->flags & STREAM_TRAILERS_QUEUED) != 0) {
        stream_write_trailers(stream);
    } else if ((stream->flags & STREAM_WAIT_TRAILERS) != 0 &&
               (stream->flags & STREAM_END_QUEUED) != 0 &&
               (stream->flags & STREAM_TRAILERS_ASKED) == 0) {
        stream->flags |= STREAM_TRAILERS_ASKED;
        stream_note(stream, NOTE_WANT_TRAILERS);
    }
}

/* One turn of a stream: one DATA frame. Returns false when nothing more can be sent for now. */
static bool emit(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    if (has_end_only(stream)) {
        if ((stream->flags & STREAM_WAIT_TRAILERS) == 0 && !stream_write_now(stream, "", 0, true)) {
            return false;
        }
    } else if (stream_send_window(stream) <= 0) {
        list_remove(&stream->queue); /* SETTINGS took the window back: not even an empty frame */
        stream_schedule(stream);
        return true;
    } else if (session->send_window <= 0) {
        return false;
    } else if (stream->write_first != NULL) {
        emit_blocks(stream, data_room(stream));
    } else {
        emit_source(stream, data_room(stream));
    }
    after_emit(stream);
    return !session->output.failed;
}

static void build(struct halo_session *session, size_t limit)
{
    struct halo_stream *stream;

    if (HALO_UNLIKELY(session->recheck_blocked)) {
        recheck_blocked(session);
    }
    limit = min_size(limit, LIMIT_OUTPUT_SOFT);
    while (session->output.len < limit && (stream = next_ready(session)) != NULL) {
        if (!emit(stream)) {
            break;
        }
    }
    if (next_ready(session) == NULL) {
        session->stall.since_ns = 0;
    } else if (session->send_window <= 0) {
        stall_begin(&session->stall, session->now_ns, session->data_sent);
    }
}

/* ---- peers that give no window --------------------------------------------------------- */

static uint64_t stall_end(const struct halo_session *session, const struct stall *stall)
{
    return stall->since_ns + (uint64_t)session->timeouts.stall_ms * 1000000u;
}

uint64_t session_stall_deadline(const struct halo_session *session)
{
    uint64_t deadline = UINT64_MAX;

    if (session->timeouts.stall_ms == 0) {
        return deadline;
    }
    if (session->stall.since_ns != 0 && session->send_window <= 0) {
        deadline = stall_end(session, &session->stall);
    }
    if (!list_empty(&session->blocked)) {
        const struct halo_stream *stream =
            HALO_CONTAINER((uintptr_t)session->blocked.next, struct halo_stream, queue);

        deadline = min_u64(deadline, stall_end(session, &stream->stall));
    }
    return deadline;
}

static void reset_stalled(struct halo_stream *stream)
{
    stream_reset(stream, HALO_CANCEL, HALO_E_TIMEOUT, HALO_ORIGIN_LIBRARY,
                 "the peer gave no window");
}

/* All that waited for the window of the connection. */
static void reset_ready(struct halo_session *session)
{
    struct list_link ready;
    struct list_link *link;

    session->stall.since_ns = 0;
    list_init(&ready);
    for (size_t i = 0; i < HALO_ARRAY_LEN(session->ready); i++) {
        list_append_all(&ready, &session->ready[i]);
    }
    while ((link = list_pop_front(&ready)) != NULL) {
        struct halo_stream *stream = LIST_ITEM(link, struct halo_stream, queue);

        if (has_data(stream)) {
            reset_stalled(stream);
        } else {
            put_in_ready(stream);
        }
    }
}

void session_reset_stalled(struct halo_session *session)
{
    if (session_stall_deadline(session) > session->now_ns) {
        return;
    }
    if (session->stall.since_ns != 0 && session->send_window <= 0 &&
        stall_end(session, &session->stall) <= session->now_ns) {
        reset_ready(session);
    }
    while (session_stall_deadline(session) <= session->now_ns) {
        reset_stalled(LIST_ITEM(session->blocked.next, struct halo_stream, queue));
    }
}

/* ---- the door -------------------------------------------------------------------------- */

int halo_session_pull(halo_session *session, struct iovec *iov, int max, size_t limit)
{
    if (HALO_LIKELY(session->state < SESSION_ENDING)) {
        build(session, limit);
    }
    if (HALO_UNLIKELY(session->output.failed)) {
        session_out_of_memory(session);
    }
    return output_describe(&session->output, iov, max, limit);
}

void halo_session_sent(halo_session *session, size_t len)
{
    session->octets_sent += len;
    if (session->octets_sent >= session->replies_end) {
        session->replies_queued = 0;
    }
    output_sent(&session->output, len);
}

int halo_session_wants_send(halo_session *session)
{
    if (session->output.len > 0) {
        return 1;
    }
    if (session->state >= SESSION_ENDING) {
        return 0;
    }
    return session->recheck_blocked || (session->send_window > 0 && next_ready(session) != NULL);
}

int halo_session_wants_recv(const halo_session *session)
{
    return session->replies_queued < session->limits.queued_replies;
}
