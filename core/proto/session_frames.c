/*
 * One handler per frame type, for what the rules table (frame.c) lets through. A handler returns
 * NULL or the fault it found; it may fill in one event.
 *
 * Where the RFC leaves the choice between a stream and a connection error, a peer that makes us
 * reset streams loses the connection: resets that a peer provokes cost more than they cost it
 * (docs/ARCHITECTURE.md, "Choices the RFC leaves to us").
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

bool session_is_local_id(const struct halo_session *session, uint32_t stream_id)
{
    return (stream_id & 1u) == (session->role == HALO_CLIENT ? 1u : 0u);
}

enum stream_lookup session_lookup(const struct halo_session *session, uint32_t stream_id,
                                  struct halo_stream **stream)
{
    bool local = session_is_local_id(session, stream_id);

    *stream = NULL;
    if (local ? stream_id >= session->next_local_id : stream_id > session->last_remote_id) {
        return LOOKUP_IDLE;
    }
    *stream = stream_store_find(&session->store, stream_id);
    if (HALO_LIKELY(*stream != NULL)) {
        return LOOKUP_FOUND;
    }
    if (!local && stream_id > session->goaway_local_id) {
        return LOOKUP_RESET; /* RFC 9113 6.8: what is above our GOAWAY is ignored */
    }
    return reset_memory_has(&session->resets_sent, stream_id) ? LOOKUP_RESET : LOOKUP_CLOSED;
}

const struct fault *session_useless_frame(struct halo_session *session)
{
    return session_take_glitch(session)
               ? NULL
               : CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many frames without use");
}

/* ---- DATA (RFC 9113 6.1) --------------------------------------------------------------- */

/* What content-length says about this frame, before any of it is handed out (RFC 9113 8.1.1). */
static const struct fault *check_content_length(struct halo_stream *stream, uint32_t data_len,
                                                bool end)
{
    if (stream->content_left < 0) {
        return NULL;
    }
    if (data_len > stream->content_left || (end && data_len != stream->content_left)) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "body does not match content-length");
    }
    stream->content_left -= data_len;
    return NULL;
}

static const struct fault *check_data_stream(struct halo_session *session,
                                             struct halo_stream *stream, uint32_t data_len)
{
    const struct frame *frame = &session->reader.frame;
    bool end = (frame->flags & FLAG_END_STREAM) != 0;

    if (HALO_UNLIKELY(stream->recv_half == HALF_DONE)) {
        return (stream->flags & STREAM_RESERVED) != 0
                   ? CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "DATA on a stream that we promised")
                   : CONNECTION_FAULT(HALO_STREAM_CLOSED, "DATA after END_STREAM");
    }
    if (HALO_UNLIKELY(stream->recv_half == HALF_HEADERS)) {
        return (stream->flags & STREAM_RESERVED) != 0 /* RFC 9113 5.1: reserved (remote) */
                   ? CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "DATA on a promised stream")
                   : STREAM_FAULT(HALO_PROTOCOL_ERROR, "DATA before the header block");
    }
    /* An empty frame needs no window, and ours may be negative (RFC 9113 6.9.1, 6.9.2). */
    if ((int64_t)session->local.initial_window_size + stream->receive.available <
            (int64_t)frame->len &&
        frame->len > 0) {
        return CONNECTION_FAULT(HALO_FLOW_CONTROL_ERROR, "DATA beyond the stream's window");
    }
    stream->receive.available -= (int32_t)frame->len;
    if (data_len == 0 && !end && ++session->abuse.empty_frames > LIMIT_EMPTY_FRAMES) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many empty DATA frames");
    }
    return check_content_length(stream, data_len, end);
}

/* The frame's header and pad length are read: takes its octets from the windows and decides who
 * gets the data. */
const struct fault *session_data_begin(struct halo_session *session)
{
    struct reader *reader = &session->reader;
    const struct frame *frame = &reader->frame;
    uint32_t data_len = reader->left - reader->padding;
    uint32_t overhead = frame->len - data_len; /* padding and its length octet (6.1) */
    struct halo_stream *stream;
    const struct fault *fault = NULL;

    reader->mode = READ_DATA;
    if ((int64_t)session->receive.available < (int64_t)frame->len) {
        return CONNECTION_FAULT(HALO_FLOW_CONTROL_ERROR, "DATA beyond the connection's window");
    }
    session->receive.available -= (int32_t)frame->len;
    switch (session_lookup(session, frame->stream_id, &stream)) {
    case LOOKUP_FOUND:
        fault = check_data_stream(session, stream, data_len);
        break;
    case LOOKUP_IDLE:
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "DATA on an idle stream");
    case LOOKUP_CLOSED:
        return CONNECTION_FAULT(HALO_STREAM_CLOSED, "DATA on a closed stream");
    default:
        break; /* under way when we reset the stream: credited, not looked at */
    }
    if (stream == NULL || fault != NULL) {
        reader->mode = reader->left > 0 ? READ_SKIP : READ_FRAME_HEADER;
        session_credit(session, NULL, frame->len);
        return fault;
    }
    if (overhead > 0) {
        session_credit(session, stream, overhead);
    }
    reader->data_stream = stream;
    if (HALO_UNLIKELY(session_is_round_over(session, stream))) {
        session_round_over(session, stream);
    }
    return NULL;
}

/* ---- RST_STREAM (6.4) ------------------------------------------------------------------ */

static const struct fault *on_reset(struct halo_session *session, const struct frame *frame,
                                    const uint8_t *payload)
{
    struct halo_error error = {
        .status = HALO_E_STREAM_ERROR,
        .code = load_u32(payload),
        .origin = HALO_ORIGIN_REMOTE,
        .reason = "the peer reset the stream",
    };
    struct halo_stream *stream;

    if (session_lookup(session, frame->stream_id, &stream) == LOOKUP_IDLE) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "RST_STREAM on an idle stream");
    }
    if (session->role == HALO_SERVER && session_is_local_id(session, frame->stream_id)) {
        FAULT_TRY(push_refused(session, stream));
    } else if ((session->role == HALO_SERVER || stream == NULL) &&
               !bucket_take(&session->abuse.resets, session->now_ns)) {
        /* A server may turn down each of our requests: it has read them, and we pay for our own. */
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many streams reset");
    }
    if (stream == NULL) {
        return NULL;
    }
    session_count_reset(session, false, error.code);
    stream->flags |= STREAM_RESET_RECEIVED;
    stream->reset_code = error.code;
    /* RFC 9113 8.1: NO_ERROR behind a complete response only says that the rest of the request is
     * not needed. */
    if (error.code == HALO_NO_ERROR && stream->recv_half == HALF_DONE &&
        (stream->flags & STREAM_LOCAL) != 0) {
        error.status = 0;
        stream_advance(stream, true, INPUT_RESET);
    }
    stream_close(stream, &error);
    return NULL;
}

/* ---- WINDOW_UPDATE (6.9) --------------------------------------------------------------- */

static const struct fault *window_of_connection(struct halo_session *session, uint32_t increment)
{
    if (increment == 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "WINDOW_UPDATE with increment 0");
    }
    if (session->send_window + increment > LIMIT_WINDOW_MAX) {
        return CONNECTION_FAULT(HALO_FLOW_CONTROL_ERROR, "window of the connection overflows");
    }
    session->send_window += increment;
    session_wake(session);
    return NULL;
}

static const struct fault *on_window_update(struct halo_session *session, const struct frame *frame,
                                            const uint8_t *payload)
{
    uint32_t increment = load_u32(payload) & 0x7fffffff;
    struct abuse *abuse = &session->abuse;
    struct halo_stream *stream;

    if (++abuse->window_updates > 5 + 2 * (session->streams_opened + 10 * abuse->data_frames_sent) +
                                      LIMIT_WINDOW_UPDATES_SLACK) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many WINDOW_UPDATE frames");
    }
    if (frame->stream_id == 0) {
        return window_of_connection(session, increment);
    }
    if (session_lookup(session, frame->stream_id, &stream) == LOOKUP_IDLE) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
    }
    if (increment == 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "WINDOW_UPDATE with increment 0");
    }
    if (stream == NULL || stream_done(stream)) {
        return NULL; /* RFC 9113 5.1: may come for a while after the stream has closed */
    }
    if (HALO_UNLIKELY((stream->flags & STREAM_RESERVED) != 0 && session->role == HALO_CLIENT)) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR,
                                "WINDOW_UPDATE on a promised stream"); /* 5.1 */
    }
    if (stream_send_window(stream) + increment > LIMIT_WINDOW_MAX) {
        /* The RST_STREAM that the RFC asks for (6.9.1) goes first. */
        session_write_reset(session, frame->stream_id, HALO_FLOW_CONTROL_ERROR);
        return CONNECTION_FAULT(HALO_FLOW_CONTROL_ERROR, "window of a stream overflows");
    }
    stream->send_credit += increment;
    stream_schedule(stream);
    return NULL;
}

/* ---- dispatch -------------------------------------------------------------------------- */

const struct fault *session_frame(struct halo_session *session, const struct frame *frame,
                                  const uint8_t *payload, struct halo_event *event)
{
    switch (frame->type) {
    case FRAME_HEADERS:
        return session_headers_frame(session, frame, payload, event);
    case FRAME_CONTINUATION:
        return session_continuation(session, frame, payload, event);
    case FRAME_WINDOW_UPDATE:
        return on_window_update(session, frame, payload);
    case FRAME_RST_STREAM:
        return on_reset(session, frame, payload);
    case FRAME_SETTINGS:
        return session_settings_frame(session, frame, payload, event);
    case FRAME_PING:
        return session_ping_frame(session, frame, payload, event);
    case FRAME_GOAWAY:
        return session_goaway_frame(session, frame, payload, event);
    case FRAME_PRIORITY:
        return session_priority_frame(session, frame, payload, event);
    case FRAME_PRIORITY_UPDATE:
        return session_priority_update_frame(session, frame, payload, event);
    case FRAME_PUSH_PROMISE:
        return session_promise_frame(session, frame, payload, event);
    default:
        return session_extension_frame(session, frame, payload, event);
    }
}
