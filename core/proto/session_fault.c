/*
 * The one place where broken rules, resets and ends take effect: a fault becomes RST_STREAM or
 * GOAWAY, a stream is closed, the session ends.
 *
 * Closing a stream has one path: stream_close() takes it out of everything that could still act on
 * it and leaves a note; the next polls tell the note; the poll after that frees the stream. Nothing
 * is freed while code that knows the stream is running.
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

void session_write_reset(struct halo_session *session, uint32_t stream_id, uint32_t code)
{
    uint8_t *frame = frame_reserve(session, 4, FRAME_RST_STREAM, 0, stream_id);

    if (frame == NULL) {
        return;
    }
    store_u32(frame + FRAME_HEADER_LEN, code);
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + 4);
    session_count_reply(session);
    session_count_reset(session, true, code);
    reset_memory_add(&session->resets_sent, session->env->memory, stream_id);
}

void session_fault(struct halo_session *session, const struct fault *fault, uint32_t stream_id,
                   struct halo_stream *stream)
{
    static const struct fault too_many = { FAULT_CONNECTION, 0, 0, HALO_ENHANCE_YOUR_CALM,
                                           "too many streams that had to be reset" };
    int status = HALO_E_PROTOCOL;

    if (fault->scope == FAULT_STREAM && !fault->innocent) {
        if (++session->invalid_frames > session->config->limits.invalid_frames) {
            status = HALO_E_TOO_MANY_INVALID_FRAMES;
            fault = &too_many;
        } else if (!bucket_take(&session->abuse.faults, session->now_ns)) {
            fault = &too_many;
        }
    }
    if (fault->scope == FAULT_CONNECTION) {
        struct halo_error error = {
            .status = status,
            .code = fault->code,
            .origin = HALO_ORIGIN_LIBRARY,
            .reason = fault->reason,
        };

        if (fault->code == HALO_INTERNAL_ERROR) { /* nobody's fault: there is no memory */
            session_out_of_memory(session);
        } else {
            session_end(session, &error, true);
        }
    } else if (stream != NULL) {
        if (fault->innocent && fault->status != 0) {
            status = fault->status;
        }
        stream_reset(stream, fault->code, status, HALO_ORIGIN_LIBRARY, fault->reason);
    } else {
        session_write_reset(session, stream_id, fault->code);
    }
}

/* ---- streams --------------------------------------------------------------------------- */

struct halo_stream *stream_new(struct halo_session *session, bool local)
{
    struct halo_stream *stream;

    if (HALO_UNLIKELY(session->store.buckets == NULL) && !session_take_lines(session)) {
        return NULL;
    }
    stream = slab_take_zeroed(&session->env->streams);
    if (stream == NULL) {
        return NULL;
    }
    stream->session = session;
    stream->start_ns = session->now_ns;
    stream->flags = local ? STREAM_LOCAL : 0;
    stream->urgency = HALO_URGENCY_DEFAULT;
    stream->content_left = -1;
    stream->reset_code = -1;
    stream->receive.size = (int32_t)session->local.initial_window_size;
    stream->waits.since_ns = session->now_ns;
    list_init(&stream->queue);
    list_init(&stream->notify);
    list_push_back(&session->streams, &stream->all);
    session->streams_opened++;
    return stream;
}

void stream_undo(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    if (stream_store_find(&session->store, stream->id) == stream) {
        stream_store_remove(&session->store, stream);
    }
    list_remove(&stream->all);
    session->streams_opened--;
    memory_free(session->env->memory, stream->request);
    slab_give(&session->env->streams, stream);
    session_idle_update(session);
}

void stream_note(struct halo_stream *stream, uint8_t note)
{
    stream->notes |= note;
    if (!list_linked(&stream->notify)) {
        list_push_back(&stream->session->notify, &stream->notify);
        session_wake(stream->session);
    }
}

static void stream_unqueue(struct halo_stream *stream)
{
    if ((stream->flags & STREAM_WAITING) != 0) {
        stream->session->waiting_count--;
    }
    stream->flags &= ~(uint32_t)(STREAM_WAITING | STREAM_BLOCKED);
    list_remove(&stream->queue);
}

/* Was the request processed (RFC 9113 6.8, 8.7)? "No" is said only when that is sure: the peer said
 * so, or its header block cannot have left and will not, since the connection is gone. (A reset by
 * the application is sent behind the request.) */
static uint8_t processed(const struct halo_stream *stream, const struct halo_error *error)
{
    const struct halo_session *session = stream->session;

    if ((stream->flags & STREAM_LOCAL) == 0 || error->status == 0) {
        return HALO_PROCESSED_UNKNOWN;
    }
    if (stream->recv_half != HALF_HEADERS || stream->information_responses > 0) {
        return HALO_PROCESSED_YES;
    }
    if (stream->id == 0 || stream->id > session->goaway_remote_id) {
        return HALO_PROCESSED_NO;
    }
    if (session->reader.stop &&
        stream->request_end > session->octets_sent + session->output.described) {
        return HALO_PROCESSED_NO;
    }
    return error->origin == HALO_ORIGIN_REMOTE && error->code == HALO_REFUSED_STREAM
               ? HALO_PROCESSED_NO
               : HALO_PROCESSED_UNKNOWN;
}

void stream_close(struct halo_stream *stream, const struct halo_error *error)
{
    struct halo_session *session = stream->session;

    HALO_ASSERT((stream->flags & STREAM_CLOSED) == 0);
    stream->error = *error;
    stream->error.processed = processed(stream, error);
    if (error->status != 0) {
        if (stream->send_half != HALF_DONE &&
            (stream->flags & (STREAM_END_QUEUED | STREAM_TRAILERS_QUEUED)) == 0) {
            stream->flags |= STREAM_ABORTED;
        }
        stream_advance(stream, true, INPUT_RESET);
    }
    if (HALO_UNLIKELY(stream->waits.since_ns != session->now_ns)) {
        stream_charge_wait(stream);
    }
    stream->flags |= STREAM_CLOSED;
    stream_unqueue(stream);
    stream_drop_writes(stream);
    stream_forget_body(stream);
    if (stream->id != 0) {
        stream_store_remove(&session->store, stream);
    }
    if (session->reader.data_stream == stream) {
        session->reader.data_stream = NULL;
    }
    /* What came before the peer's reset is still handed out (Node: pending data is delivered). */
    if (stream->held != NULL && error->origin == HALO_ORIGIN_REMOTE) {
        return;
    }
    stream_drop_held(stream);
    stream_note(stream, NOTE_CLOSED);
}

void stream_close_if_done(struct halo_stream *stream)
{
    static const struct halo_error in_order = { .reason = "" };

    if (stream_done(stream) && (stream->flags & STREAM_CLOSED) == 0 && stream->held == NULL) {
        abuse_stream_completed(&stream->session->abuse);
        stream_close(stream, &in_order);
    } else if (stream->send_half == HALF_DONE) {
        stream_wait(stream, WAIT_PEER);
        stream_note_unsent(stream);
    }
}

void stream_reset(struct halo_stream *stream, uint32_t code, int status, uint8_t origin,
                  const char *reason)
{
    struct halo_error error = {
        .status = status, .code = code, .origin = origin, .reason = reason
    };

    if (stream->id != 0 && !stream_done(stream)) {
        session_write_reset(stream->session, stream->id, code);
        stream->flags |= STREAM_RESET_SENT;
    }
    stream->reset_code = code;
    stream_close(stream, &error);
    session_wake(stream->session);
}

void stream_frame_error(struct halo_stream *stream, int status)
{
    if ((stream->flags & STREAM_CLOSED) == 0) {
        stream_reset(stream, HALO_INTERNAL_ERROR, status, HALO_ORIGIN_LOCAL,
                     "a header block that waited cannot be sent");
        stream_note(stream, NOTE_FRAME_ERROR);
    }
}

static void stream_drop_extras(struct halo_stream *stream)
{
    if ((stream->flags & STREAM_EXTRAS) != 0) {
        stream_timer_remove(stream);
        stream_drop_sent(stream);
    }
    if ((stream->flags & STREAM_UNSENT) != 0) {
        list_remove(&stream->unsent);
    }
}

void stream_free(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    HALO_ASSERT((stream->flags & STREAM_CLOSED) != 0);
    if (HALO_LIKELY((stream->flags & (STREAM_PUSHED | STREAM_LOCAL)) == 0)) {
        session->open_remote--;
    } else if ((stream->flags & STREAM_PUSHED) != 0) {
        push_uncount(stream);
    } else if (stream->id != 0) {
        session->open_local--;
    }
    session->stream_time_ns += session->now_ns - stream->start_ns;
    if (HALO_UNLIKELY((stream->flags & (STREAM_EXTRAS | STREAM_UNSENT)) != 0)) {
        stream_drop_extras(stream);
    }
    stream_drop_held(stream);
    session_drop_list(session, stream->headers);
    if (HALO_UNLIKELY((stream->flags & STREAM_PUSHED) != 0)) {
        session_drop_list(session, stream->request); /* the peer's, charged */
    } else {
        memory_free(session->env->memory, stream->request);
    }
    memory_free(session->env->memory, stream->trailers);
    list_remove(&stream->notify);
    list_remove(&stream->all);
    slab_give(&session->env->streams, stream);
    if (session->waiting_count > 0) {
        session_start_waiting(session);
    }
    if (list_empty(&session->streams)) {
        session_idle_update(session);
        session_end_if_drained(session);
    }
}

/* ---- the session ----------------------------------------------------------------------- */

/* The peer closed the stream, and what came before waited for the application, which will not get
 * it any more: even a clean end is none now. */
static void lose_held(struct halo_stream *stream, const struct halo_error *error)
{
    if (stream->error.status == 0) {
        stream->error = *error;
        stream->error.processed = processed(stream, error);
    }
    stream_drop_held(stream);
    stream_note(stream, NOTE_CLOSED);
}

void session_end(struct halo_session *session, const struct halo_error *error, bool goaway)
{
    struct list_link *link;
    struct list_link *next;

    if (session->state >= SESSION_ENDING) {
        return;
    }
    session->state = SESSION_ENDING;
    session->error = *error;
    session->end_ns = session->now_ns;
    if (goaway) {
        size_t reason_len = error->reason != NULL ? strlen(error->reason) : 0;

        session_write_goaway(session, session->last_accepted_id, error->code, error->reason,
                             reason_len);
    }
    for (link = session->streams.next; link != &session->streams; link = next) {
        struct halo_stream *stream = LIST_ITEM(link, struct halo_stream, all);
        struct halo_error stream_error = *error;

        next = link->next;
        if (stream_error.status == 0) {
            stream_error.status = stream->id == 0 ? HALO_E_GOAWAY_SESSION : HALO_E_STREAM_CANCEL;
            stream_error.reason = "the session was closed";
        }
        if ((stream->flags & STREAM_CLOSED) != 0) {
            if (stream->held != NULL) { /* paused for good: its end is told now */
                lose_held(stream, &stream_error);
            }
            continue;
        }
        stream_drop_held(stream);
        stream_close(stream, &stream_error);
    }
    session_block_drop(session);
    session_wake(session);
}

void session_out_of_memory(struct halo_session *session)
{
    static const struct halo_error error = {
        .status = HALO_E_NOMEM,
        .code = HALO_INTERNAL_ERROR,
        .origin = HALO_ORIGIN_SYSTEM,
        .reason = "out of memory",
    };

    /* Output that failed ends within a frame: what followed would be taken for its payload. */
    session_end(session, &error, !session->output.failed);
}

void session_end_if_drained(struct halo_session *session)
{
    static const struct halo_error in_order = { .reason = "" };

    /* A server says its last word first: the peer must know which requests were taken up. One that
     * is going away itself is told as well, unless it was (RFC 9113 6.8). */
    if (session->state == SESSION_DRAINING && list_empty(&session->streams) &&
        session->goaway_sent_final) {
        session_end(session, &in_order, session->goaway_local_id == LIMIT_STREAM_ID_MAX);
    }
}

void halo_session_destroy(halo_session *session, uint32_t code)
{
    struct halo_error error = {
        .status = code == HALO_NO_ERROR ? 0 : HALO_E_SESSION_ERROR,
        .code = code,
        .origin = HALO_ORIGIN_LOCAL,
        .reason = code == HALO_NO_ERROR ? "" : "the session was destroyed",
    };

    session_end(session, &error, true);
}

void halo_session_destroy_error(halo_session *session, const struct halo_error *error)
{
    struct halo_error own = *error;

    own.status = own.status != 0 ? own.status : HALO_E_SESSION_ERROR;
    own.code = own.code != HALO_NO_ERROR ? own.code : HALO_INTERNAL_ERROR;
    own.origin = HALO_ORIGIN_LOCAL;
    own.reason = own.reason != NULL ? own.reason : "the session was destroyed";
    session_end(session, &own, true);
}

void halo_session_recv_end(halo_session *session, const struct halo_error *error)
{
    struct halo_error closed = {
        .status = HALO_E_EOF,
        .origin = HALO_ORIGIN_REMOTE,
        .reason = "the peer closed the connection",
    };

    session->reader.stop = true;
    if (error != NULL) {
        closed = *error;
    }
    /* The peer just went (over TLS perhaps without close_notify), and nothing was lost. */
    if (closed.status == HALO_E_EOF && list_empty(&session->streams) &&
        session->block.stream_id == 0) {
        closed.status = 0;
    }
    /* A frame of which a part was sent loses the rest: what done() of a body may write on its way
     * would be taken for that. */
    output_fail(&session->output);
    session_end(session, &closed, false);
    output_clear(&session->output);
}
