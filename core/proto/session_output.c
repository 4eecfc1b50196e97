/*
 * Building output. Control frames and header blocks are in the output already, in the order of the
 * calls; DATA is put into frames here, as late as possible, within three bounds: the stream's
 * window, the connection's window, and what the driver asks for. So priorities stay effective and
 * memory is not filled with frames that the socket cannot take. Whose turn it is says
 * session_schedule.c.
 */
#include "core/proto/schedule.h"

#include "core/proto/limits.h"
#include "core/proto/padding.h"

enum {
    /* One DATA frame: full TLS records, and other streams get their turn. */
    DATA_FRAME_MAX = 16384,
};

/* ---- DATA frames ----------------------------------------------------------------------- */

static inline void count_data(struct halo_session *session, struct halo_stream *stream,
                              uint32_t len)
{
    stream->send_credit -= len;
    session->send_window -= len;
    session->data_sent += len;
    stream->activity_ns = session->now_ns;
    if (stream->octets_sent == 0) {
        stream->first_sent_ns = session->now_ns;
    }
    stream->octets_sent += len;
    session->abuse.data_frames_sent++;
}

void stream_sent_end(struct halo_stream *stream)
{
    stream->flags &= ~(uint32_t)STREAM_END_QUEUED;
    list_remove(&stream->queue);
    stream_close_if_done(stream);
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

/* Padding is under flow control as data is (RFC 9113 6.1). */
static void count_padding(struct halo_stream *stream, uint32_t padding)
{
    stream->send_credit -= padding;
    stream->session->send_window -= padding;
}

/* Pads the DATA frame of `len` octets that stands at `frame`, which is not committed yet. */
static uint8_t *pad_data(struct halo_stream *stream, uint8_t *frame, uint32_t len, uint32_t cap)
{
    uint32_t room = min_u32(data_room(stream), cap);
    uint32_t padding = padding_for(stream->session->padding, len, room);

    if (padding == 0) {
        return frame + FRAME_HEADER_LEN + len;
    }
    count_padding(stream, padding);
    return padding_put(frame, len, padding);
}

/* A small DATA frame with its padding. */
static __attribute__((noinline, cold)) bool write_padded(struct halo_stream *stream,
                                                         const void *data, size_t len, bool end)
{
    struct halo_session *session = stream->session;
    uint8_t *frame = output_reserve(&session->output, FRAME_HEADER_LEN + len + PADDING_MAX);

    if (frame == NULL) {
        return false;
    }
    frame_header_store(frame, (uint32_t)len, FRAME_DATA, end ? FLAG_END_STREAM : 0, stream->id);
    memcpy(frame + FRAME_HEADER_LEN, data, len);
    session_count_sent(session, FRAME_DATA);
    frame_commit(session, frame, pad_data(stream, frame, (uint32_t)len, UINT32_MAX));
    return true;
}

static inline bool write_plain(struct halo_session *session, const struct halo_stream *stream,
                               const void *data, size_t len, bool end)
{
    uint8_t *frame =
        frame_reserve(session, (uint32_t)len, FRAME_DATA, end ? FLAG_END_STREAM : 0, stream->id);

    if (frame == NULL) {
        return false;
    }
    memcpy(frame + FRAME_HEADER_LEN, data, len);
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + len);
    return true;
}

bool stream_write_now(struct halo_stream *stream, const void *data, size_t len, bool end)
{
    struct halo_session *session = stream->session;

    if (len > LIMIT_DATA_INLINE || stream->write_first != NULL || stream->source.read != NULL ||
        stream->send_half != HALF_BODY || (end && (stream->flags & STREAM_WAIT_TRAILERS) != 0)) {
        return false;
    }
    if (len > 0 &&
        ((int64_t)len > stream_send_window(stream) || (int64_t)len > session->send_window ||
         session->output.len >= LIMIT_OUTPUT_SOFT ||
         (HALO_UNLIKELY(session->ready_mask != 0) && !schedule_take_turn(stream)))) {
        return false;
    }
    if (HALO_UNLIKELY(len == 0 && !end)) {
        return true; /* nothing to say */
    }
    if (HALO_UNLIKELY(session->padding != HALO_PADDING_NONE)
            ? !write_padded(stream, data, len, end)
            : !write_plain(session, stream, data, len, end)) {
        return false;
    }
    session->copied_out += len;
    count_data(session, stream, (uint32_t)len);
    if (HALO_LIKELY(end)) {
        stream_advance(stream, false, INPUT_DATA_END);
        stream_sent_end(stream);
    } else {
        stream_advance(stream, false, INPUT_DATA);
        stream_note_unsent(stream);
    }
    session_wake(session);
    return true;
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

static const uint8_t zeros[PADDING_MAX];

static void emit_blocks(struct halo_stream *stream, uint32_t room)
{
    struct halo_session *session = stream->session;
    uint32_t len = (uint32_t)min_size(room, stream->buffered);
    uint32_t padding = padding_for(session->padding, len, room);
    uint32_t pad_length = padding > 0; /* the octet that tells it stands in front of the data */
    uint8_t flags = (uint8_t)((pad_length != 0 ? FLAG_PADDED : 0) |
                              (ends_with(stream, len) ? FLAG_END_STREAM : 0));
    uint8_t *frame = frame_reserve(session, pad_length, FRAME_DATA, flags, stream->id);
    struct write_block *spent;

    if (frame == NULL) {
        return;
    }
    store_u24(frame, len + padding);
    if (HALO_UNLIKELY(padding > 0)) {
        frame[FRAME_HEADER_LEN] = (uint8_t)(padding - 1);
    }
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + pad_length);
    count_data(session, stream, len);
    stream_advance(stream, false, (flags & FLAG_END_STREAM) != 0 ? INPUT_DATA_END : INPUT_DATA);
    spent = move_blocks(stream, len);
    if (HALO_UNLIKELY(padding > 0)) {
        count_padding(stream, padding);
        output_copy(&session->output, zeros, padding - 1);
    }
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
    stream->flags &= ~(uint32_t)STREAM_SOURCE_RESUMED;
    status = stream->source.read(stream->source.ctx, frame + FRAME_HEADER_LEN, cap, &len, &at_end);
    HALO_ASSERT(len <= cap);
    /* Nothing is nothing, even when it is called a success: asking at once would never end. */
    if (status == HALO_E_AGAIN || (status == 0 && len == 0 && at_end == 0)) {
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
        uint8_t *frame_end = frame + FRAME_HEADER_LEN + len;

        session_count_sent(session, FRAME_DATA);
        frame_header_store(frame, (uint32_t)len, FRAME_DATA, end ? FLAG_END_STREAM : 0, stream->id);
        if (HALO_UNLIKELY(session->padding != HALO_PADDING_NONE)) {
            frame_end = pad_data(stream, frame, (uint32_t)len, cap);
        }
        frame_commit(session, frame, frame_end);
        count_data(session, stream, (uint32_t)len);
        stream_advance(stream, false, end ? INPUT_DATA_END : INPUT_DATA);
    }
    if (at_end != 0) {
        stream_finish_source(stream); /* last: its done() may call us, and write */
    }
}

/* The stream's queue may have run empty: what then? */
static void after_emit(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    if ((stream->flags & STREAM_CLOSED) != 0) {
        return;
    }
    if ((stream->flags & STREAM_ABOVE_LOW_WATER) != 0 &&
        stream->buffered < session->config->stream_low_water) {
        stream->flags &= ~(uint32_t)STREAM_ABOVE_LOW_WATER;
        stream_note(stream, NOTE_WRITABLE);
    }
    if (stream->send_half == HALF_DONE) {
        stream_sent_end(stream);
        return;
    }
    if (schedule_has_data(stream)) {
        return;
    }
    list_remove(&stream->queue);
    stream_wait(stream, WAIT_APPLICATION);
    stream->stall.since_ns = 0;
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
    uint64_t before = session->data_sent;
    uint32_t room;

    if (HALO_UNLIKELY(schedule_stream_holds(stream))) {
        list_remove(&stream->queue); /* SETTINGS took the window back: not even an empty frame */
        stream_schedule(stream);
        return true;
    }
    if (HALO_UNLIKELY(schedule_connection_holds(stream))) {
        return false;
    }
    room = data_room(stream);
    if (HALO_UNLIKELY(room < LIMIT_DATA_MIN)) {
        schedule_note_small(stream, room);
    }
    if (stream->write_first != NULL) {
        emit_blocks(stream, room);
    } else {
        emit_source(stream, room);
    }
    after_emit(stream);
    schedule_had_turn(stream);
    if ((stream->flags & STREAM_CLOSED) == 0 && session->data_sent != before) {
        stream_note_unsent(stream);
    }
    return !session->output.failed;
}

static void build(struct halo_session *session, size_t limit)
{
    struct halo_stream *stream;

    schedule_begin(session);
    limit = min_size(limit, LIMIT_OUTPUT_SOFT);
    while (session->output.len < limit && (stream = schedule_next(session)) != NULL) {
        if (!emit(stream)) {
            break;
        }
    }
    schedule_settle(session);
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
    session_count_octets(session, session->octets_sent, session->octets_sent + len);
    session->octets_sent += len;
    session->activity_ns = session->now_ns;
    if (session->octets_sent >= session->replies_end) {
        session->replies_queued = 0;
    }
    output_sent(&session->output, len);
    if (!list_empty(&session->lines->unsent)) {
        session_unsent_taken(session);
    }
}

int halo_session_wants_send(halo_session *session)
{
    const struct halo_stream *first;

    if (session->output.len > 0) {
        return 1;
    }
    if (session->state >= SESSION_ENDING) {
        return 0;
    }
    if (session->recheck_blocked) {
        return 1;
    }
    first = schedule_next(session);
    return first != NULL && !schedule_connection_holds(first);
}

bool session_goes_on(struct halo_session *session)
{
    const struct halo_stream *first;

    if (session->output.len > session->output.described) {
        return true;
    }
    first = session->ready_mask != 0 ? schedule_next(session) : NULL;
    return first != NULL && !schedule_connection_holds(first);
}

int halo_session_wants_recv(const halo_session *session)
{
    return session->replies_queued < session->config->limits.queued_replies;
}
