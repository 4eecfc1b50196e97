/*
 * Octets in, events out. halo_session_poll() first settles what the last event lent, then tells
 * what is noted about streams, then reads on: one frame, or one piece of a DATA frame, at a time.
 *
 * A frame that lies whole in the input is handled where it is. What came in pieces is gathered:
 * frame headers in the reader, payloads in memory of their size, DATA not at all.
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

/* ---- input ----------------------------------------------------------------------------- */

int halo_session_recv(halo_session *session, const void *data, size_t len, uint64_t now_ns)
{
    struct reader *reader = &session->reader;

    /* The last event may point into what would be let go of here. */
    if (reader->at != reader->end || session->lent != LENT_NOTHING) {
        return HALO_E_WRONG_STATE;
    }
    halo_slice_release(&reader->slice);
    reader->at = data;
    reader->end = reader->at + len;
    session_count_octets(session, reader->bytes_received, reader->bytes_received + len);
    reader->bytes_received += len;
    session->now_ns = max_u64(session->now_ns, now_ns);
    session->activity_ns = session->now_ns;
    return 0;
}

int halo_session_recv_slice(halo_session *session, halo_slice *slice, uint64_t now_ns)
{
    halo_slice taken = *slice;
    int status;

    *slice = (halo_slice){ 0 };
    status = halo_session_recv(session, taken.data, taken.len, now_ns);
    if (status != 0) {
        halo_slice_release(&taken);
        return status;
    }
    session->reader.slice = taken;
    return 0;
}

/* All input was worked off, or is not wanted any more. */
static void drop_input(struct reader *reader)
{
    reader->at = reader->end;
    halo_slice_release(&reader->slice);
}

/* Copies input into `to` until it holds `wanted` octets. Returns whether it does. */
static bool gather(struct reader *reader, uint8_t *to, uint32_t wanted)
{
    size_t part = min_size(wanted - reader->gathered, (size_t)(reader->end - reader->at));

    memcpy(to + reader->gathered, reader->at, part);
    reader->gathered += (uint32_t)part;
    reader->at += part;
    return reader->gathered == wanted;
}

/* RFC 9113 3.4: anything else than the preface is a connection error. Looked at octet by octet, so
 * that a client of another protocol is told at once. */
static const struct fault *read_preface(struct halo_session *session)
{
    struct reader *reader = &session->reader;
    uint32_t before = reader->gathered;
    bool whole = gather(reader, reader->head, PREFACE_LEN);

    if (memcmp(reader->head + before, &PREFACE[before], reader->gathered - before) != 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "not an HTTP/2 connection preface");
    }
    if (whole) {
        reader->gathered = 0;
        reader->mode = READ_FRAME_HEADER;
    }
    return NULL;
}

static void skip(struct reader *reader, uint32_t len)
{
    reader->left = len;
    reader->mode = len > 0 ? READ_SKIP : READ_FRAME_HEADER;
}

/* What frames may come now, beyond what each says by itself. */
static const struct fault *check_order(const struct halo_session *session,
                                       const struct frame *frame)
{
    /* RFC 9113 3.4: the preface of either side ends with SETTINGS. */
    if (HALO_UNLIKELY(!session->remote_settings_seen) &&
        (frame->type != FRAME_SETTINGS || (frame->flags & FLAG_ACK) != 0)) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "first frame is not SETTINGS");
    }
    /* RFC 9113 6.10: nothing may come between the frames of a header block. */
    if (HALO_UNLIKELY(session->block.stream_id != 0) &&
        (frame->type != FRAME_CONTINUATION || frame->stream_id != session->block.stream_id)) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "header block interrupted by another frame");
    }
    if (frame->type == FRAME_CONTINUATION && session->block.stream_id == 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "CONTINUATION without a header block");
    }
    return NULL;
}

/* Frames that may have to be gathered are bounded, also when they happen to come whole. */
static const struct fault *check_payload_len(const struct halo_session *session,
                                             const struct frame *frame)
{
    /* Pad length, padding, priority and promised stream are not part of the block (6.2, 6.6). */
    const uint32_t around_block = 1 + 255 + 5;

    if (HALO_UNLIKELY(frame->type >= FRAME_TYPE_COUNT)) {
        return session_check_extension_len(session, frame);
    }
    if (frame->type != FRAME_HEADERS && frame->type != FRAME_CONTINUATION &&
        frame->type != FRAME_PUSH_PROMISE) {
        return frame->len > LIMIT_CONTROL_PAYLOAD
                   ? CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "control frame too long")
                   : NULL;
    }
    return frame->len > (uint64_t)session->config->limits.header_block + around_block
               ? CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "header block too long")
               : NULL;
}

/* Gathers a payload that is not whole in the input. */
static const struct fault *begin_payload(struct halo_session *session)
{
    struct reader *reader = &session->reader;
    const struct frame *frame = &reader->frame;

    reader->payload = memory_alloc(session->env->memory, frame->len);
    if (reader->payload == NULL) {
        return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
    }
    reader->payload_size = frame->len;
    reader->mode = READ_PAYLOAD;
    return NULL;
}

static const struct fault *ignore_frame(struct halo_session *session)
{
    struct reader *reader = &session->reader;

    if (!session_take_glitch(session)) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many frames of unknown types");
    }
    skip(reader, reader->frame.len);
    return NULL;
}

static void trace_received(struct halo_session *session, const struct frame *frame,
                           const uint8_t *payload, size_t len)
{
    char line[256];

    frame_describe(line, sizeof(line), frame, payload, len);
    session->on_frame(session, 0, line, session->user_data);
}

void session_trace_sent(struct halo_session *session, const uint8_t *frame, size_t len)
{
    struct frame header = frame_header_load(frame);
    char line[256];

    frame_describe(line, sizeof(line), &header, frame + FRAME_HEADER_LEN, len - FRAME_HEADER_LEN);
    session->on_frame(session, 1, line, session->user_data);
}

static const struct fault *read_frame_header(struct halo_session *session, struct halo_event *event)
{
    struct reader *reader = &session->reader;
    size_t at_hand = (size_t)(reader->end - reader->at);

    if (HALO_LIKELY(reader->gathered == 0 && at_hand >= FRAME_HEADER_LEN)) {
        reader->frame = frame_header_load(reader->at);
        reader->at += FRAME_HEADER_LEN;
        at_hand -= FRAME_HEADER_LEN;
    } else {
        if (!gather(reader, reader->head, FRAME_HEADER_LEN)) {
            return NULL;
        }
        reader->gathered = 0;
        reader->frame = frame_header_load(reader->head);
        at_hand = (size_t)(reader->end - reader->at);
    }
    if (HALO_UNLIKELY(session->on_frame != NULL)) {
        trace_received(session, &reader->frame, reader->at, min_size(at_hand, reader->frame.len));
    }
    /* The order first: what is no HTTP/2 at all is told so, and not that its frame is too large
     * (3.4). */
    FAULT_TRY(check_order(session, &reader->frame));
    FAULT_TRY(frame_check(&reader->frame, session->local.max_frame_size));
    if (reader->frame.type == FRAME_DATA) {
        session->frames_received_by_type[FRAME_DATA]++;
        reader->left = reader->frame.len;
        if ((reader->frame.flags & FLAG_PADDED) != 0) {
            if (reader->frame.len == 0) {
                return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "padded DATA without pad length");
            }
            reader->mode = READ_PAD_LENGTH;
            return NULL;
        }
        reader->padding = 0;
        return session_data_begin(session);
    }
    if (HALO_UNLIKELY(reader->frame.type >= FRAME_TYPE_COUNT)) {
        session->frames_received_by_type[frame_count_slot(reader->frame.type)]++;
        if (!session_wants_extension(session, &reader->frame)) {
            return ignore_frame(session);
        }
    } else {
        session->frames_received_by_type[reader->frame.type]++;
    }
    FAULT_TRY(check_payload_len(session, &reader->frame));
    if (HALO_LIKELY(at_hand >= reader->frame.len)) {
        const uint8_t *payload = reader->at;

        reader->at += reader->frame.len;
        return session_frame(session, &reader->frame, payload, event);
    }
    return begin_payload(session);
}

static const struct fault *read_payload(struct halo_session *session, struct halo_event *event)
{
    struct reader *reader = &session->reader;

    if (!gather(reader, reader->payload, reader->payload_size)) {
        return NULL;
    }
    session->spent_payload = reader->payload;
    reader->payload = NULL;
    reader->gathered = 0;
    reader->mode = READ_FRAME_HEADER;
    return session_frame(session, &reader->frame, session->spent_payload, event);
}

static const struct fault *read_pad_length(struct halo_session *session)
{
    struct reader *reader = &session->reader;

    reader->padding = *reader->at++;
    reader->left--;
    if (reader->padding > reader->left) { /* RFC 9113 6.1 */
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "padding as long as the frame");
    }
    return session_data_begin(session);
}

/* Hands out what is at hand of a DATA frame's payload. */
static void read_data(struct halo_session *session, struct halo_event *event)
{
    struct reader *reader = &session->reader;
    struct halo_stream *stream = reader->data_stream;
    uint32_t data_left = reader->left - reader->padding;
    uint32_t len = (uint32_t)min_size(data_left, (size_t)(reader->end - reader->at));
    const uint8_t *data = reader->at;
    bool end = len == data_left && (reader->frame.flags & FLAG_END_STREAM) != 0;

    reader->at += len;
    reader->left -= len;
    if (len == data_left) {
        skip(reader, reader->padding);
        reader->data_stream = NULL;
    }
    if (HALO_UNLIKELY(stream == NULL)) { /* closed meanwhile */
        session_credit(session, NULL, len);
        return;
    }
    if (HALO_UNLIKELY(len == 0 && !end)) {
        return; /* nothing to tell */
    }
    stream->activity_ns = session->now_ns;
    if (stream->octets_received == 0) {
        stream->first_received_ns = session->now_ns;
    }
    stream->octets_received += len;
    if (end) {
        stream_advance(stream, true, INPUT_DATA_END);
    }
    if (HALO_UNLIKELY((stream->flags & STREAM_PAUSED) != 0 || stream->held != NULL)) {
        if (!stream_hold(stream, data, len, end)) {
            session_out_of_memory(session);
        }
        return;
    }
    event->type = HALO_EVENT_DATA;
    event->flags = end ? HALO_END_STREAM : 0;
    event->stream = stream;
    event->stream_id = stream->id;
    event->u.data.data = data;
    event->u.data.len = len;
    session->lent = LENT_DATA;
    session_lend_data(session, stream, data, len);
}

static void read_skip(struct reader *reader)
{
    uint32_t part = (uint32_t)min_size(reader->left, (size_t)(reader->end - reader->at));

    reader->at += part;
    skip(reader, reader->left - part);
}

/* One step of reading. Returns whether there was anything to do. */
static bool read_step(struct halo_session *session, struct halo_event *event)
{
    struct reader *reader = &session->reader;
    const struct fault *fault = NULL;
    bool data_end = reader->mode == READ_DATA && reader->left == reader->padding;

    if (reader->at == reader->end && !data_end) {
        return false;
    }
    switch (reader->mode) {
    case READ_FRAME_HEADER:
        fault = read_frame_header(session, event);
        break;
    case READ_DATA:
        read_data(session, event);
        break;
    case READ_PREFACE:
        fault = read_preface(session);
        break;
    case READ_PAYLOAD:
        fault = read_payload(session, event);
        break;
    case READ_PAD_LENGTH:
        fault = read_pad_length(session);
        break;
    default:
        read_skip(reader);
        break;
    }
    if (HALO_UNLIKELY(fault != NULL)) {
        struct halo_stream *stream = NULL;

        session_lookup(session, reader->frame.stream_id, &stream);
        session_fault(session, fault, reader->frame.stream_id, stream);
    }
    return true;
}

/* ---- events ---------------------------------------------------------------------------- */

/* The handler has returned without ending the stream: the list must outlive the scratch area. */
static void keep_list(struct halo_session *session, struct halo_stream *stream)
{
    const struct hpack_list *list = &session->env->list;

    if (stream->headers != NULL) {
        return;
    }
    stream->headers = kept_list_new(session->env->memory, list->fields, list->count);
    if (stream->headers == NULL) {
        session_out_of_memory(session);
        return;
    }
    session_charge(session, 0, stream->headers->size);
}

/* Takes back what the last event lent. */
static void settle(struct halo_session *session)
{
    struct halo_stream *stream = session->lent_stream;
    uint8_t lent = session->lent;

    session->lent = LENT_NOTHING;
    session->lent_stream = NULL;
    switch (lent) {
    case LENT_LIST:
        if ((stream->flags & STREAM_CLOSED) == 0) { /* not answered at once */
            keep_list(session, stream);
            stream_close_if_done(stream);
        }
        break;
    case LENT_PASSING_LIST:
        stream_close_if_done(stream);
        break;
    case LENT_DATA:
        if (!session->credit_given) {
            session_done_with(session, stream, session->lent_len);
        }
        stream_close_if_done(stream);
        break;
    case LENT_HELD:
        stream_settle_held(stream);
        break;
    case LENT_STREAM:
        stream_free(stream);
        break;
    default:
        break;
    }
    if (HALO_UNLIKELY(session->spent_payload != NULL || session->spent_block != NULL)) {
        memory_free(session->env->memory, session->spent_payload);
        memory_free(session->env->memory, session->spent_block);
        session->spent_payload = NULL;
        session->spent_block = NULL;
    }
}

/* Tells what is noted about the session itself. */
static bool take_own_note(struct halo_session *session, struct halo_event *event)
{
    list_remove(&session->own_note);
    session->own_notes = 0;
    event->type = HALO_EVENT_TIMEOUT; /* the only one there is */
    return session->state < SESSION_ENDING;
}

/* Tells the next thing noted about a stream. */
static bool take_note(struct halo_session *session, struct halo_event *event)
{
    struct halo_stream *stream;
    uint8_t note;

    if (HALO_UNLIKELY(session->notify.next == &session->own_note)) {
        return take_own_note(session, event);
    }
    stream = LIST_ITEM(session->notify.next, struct halo_stream, notify);
    note = (uint8_t)(stream->notes & -stream->notes);

    stream->notes ^= note;
    if (stream->notes == 0) {
        list_remove(&stream->notify);
    }
    event->stream = stream;
    event->stream_id = stream->id;
    switch (note) {
    case NOTE_CLOSED:
        event->type = HALO_EVENT_STREAM_CLOSED;
        event->u.closed = stream->error.status != 0 ? &stream->error : NULL;
        session->lent = LENT_STREAM;
        session->lent_stream = stream;
        return true;
    case NOTE_HELD:
        return stream_take_held(stream, event);
    case NOTE_PRIORITY:
        stream_tell_priority(stream, event);
        return true;
    case NOTE_READY:
        event->type = HALO_EVENT_READY;
        return true;
    case NOTE_WRITABLE:
        event->type = HALO_EVENT_WRITABLE;
        return true;
    case NOTE_WANT_TRAILERS:
        event->type = HALO_EVENT_WANT_TRAILERS;
        return true;
    case NOTE_TIMEOUT: /* it may have been closed since */
        event->type = HALO_EVENT_STREAM_TIMEOUT;
        return (stream->flags & STREAM_CLOSED) == 0;
    case NOTE_FRAME_ERROR:
        event->type = HALO_EVENT_FRAME_ERROR;
        event->u.frame_error.type = FRAME_HEADERS;
        event->u.frame_error.status = stream->error.status;
        return true;
    default:
        return false;
    }
}

/* The session's own last word, when all streams have had theirs. */
static bool tell_end(struct halo_session *session, struct halo_event *event)
{
    if (session->state != SESSION_ENDING) {
        return false;
    }
    if (HALO_UNLIKELY(session_tell_cancelled(session, event))) {
        return true;
    }
    session->state = SESSION_OVER;
    event->type = HALO_EVENT_SESSION_CLOSED;
    event->u.closed = session->error.status != 0 ? &session->error : NULL;
    return true;
}

int halo_session_poll(halo_session *session, struct halo_event *event)
{
    event->type = HALO_EVENT_NONE;
    event->flags = 0;
    event->stream_id = 0;
    event->stream = NULL;
    settle(session);
    for (;;) {
        if (!list_empty(&session->notify)) {
            if (take_note(session, event)) {
                return 1;
            }
            event->type = HALO_EVENT_NONE;
            event->stream_id = 0;
            event->stream = NULL;
            continue;
        }
        if (HALO_UNLIKELY(session->output.failed) && session->state < SESSION_ENDING) {
            session_out_of_memory(session);
            continue; /* the streams are told first */
        }
        if (HALO_UNLIKELY(session->state >= SESSION_ENDING)) {
            drop_input(&session->reader);
            return tell_end(session, event);
        }
        if (!read_step(session, event)) {
            break;
        }
        if (event->type != HALO_EVENT_NONE) {
            return 1;
        }
        /* A frame without an event may have gathered a payload, or ended a block. */
        if (HALO_UNLIKELY(session->spent_payload != NULL || session->spent_block != NULL)) {
            settle(session);
        }
    }
    halo_slice_release(&session->reader.slice);
    if (list_empty(&session->streams)) {
        session_give_lines(session);
    }
    return 0;
}
