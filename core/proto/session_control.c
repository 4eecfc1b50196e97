/*
 * The connection's own business: PING, GOAWAY and the graceful end, deadlines.
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

const struct fault *session_count_answer(struct halo_session *session)
{
    session_count_reply(session);
    return session->replies_queued > LIMIT_QUEUED_REPLIES_HARD
               ? CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "answers are not read")
               : NULL;
}

/* ---- PING (6.7) ------------------------------------------------------------------------ */

bool session_write_ping(struct halo_session *session, const uint8_t *payload, uint8_t flags)
{
    uint8_t *frame = frame_reserve(session, 8, FRAME_PING, flags, 0);

    if (frame == NULL) {
        return false;
    }
    memcpy(frame + FRAME_HEADER_LEN, payload, 8);
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + 8);
    session_wake(session);
    return true;
}

void session_drop_pings(struct halo_session *session, uint32_t count)
{
    session->pings_count -= count;
    memmove(session->pings, session->pings + count,
            session->pings_count * sizeof(session->pings[0]));
    if (session->pings_count == 0) {
        memory_free(session->env->memory, session->pings);
        session->pings = NULL;
    }
}

/* The answer may be to any of ours; those before it are taken as lost. */
static void on_ping_ack(struct halo_session *session, const uint8_t *payload,
                        struct halo_event *event)
{
    uint32_t i = 0;

    while (i < session->pings_count && memcmp(session->pings[i].payload, payload, 8) != 0) {
        i++;
    }
    if (i == session->pings_count) {
        return; /* not ours: harmless */
    }
    session_round_trip(session, session->pings[i].sent_ns, true);
    event->type = HALO_EVENT_PING_ACK;
    memcpy(event->u.ping.payload, payload, 8);
    event->u.ping.round_trip_ns = session->now_ns - session->pings[i].sent_ns;
    session->ping_rtt_ns = (int64_t)event->u.ping.round_trip_ns;
    session_drop_pings(session, i + 1);
}

static const uint8_t drain_ping[8] = { 'h', 'a', 'l', 'o', 'd', 'r', 'n', 0 };

const struct fault *session_ping_frame(struct halo_session *session, const struct frame *frame,
                                       const uint8_t *payload, struct halo_event *event)
{
    if ((frame->flags & FLAG_ACK) != 0) {
        if (session_round_trip_ack(session, payload)) {
            return NULL;
        }
        if (session->goaway_deadline_ns != UINT64_MAX && memcmp(payload, drain_ping, 8) == 0) {
            session->goaway_deadline_ns = session->now_ns; /* the round trip is over */
            halo_session_tick(session, session->now_ns);
            return NULL;
        }
        on_ping_ack(session, payload, event);
        return NULL;
    }
    if (!bucket_take_worked(&session->abuse.pings, &session->abuse.pings_seen,
                            session->abuse.data_frames_sent, session->now_ns)) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many PINGs");
    }
    session_write_ping(session, payload, FLAG_ACK);
    FAULT_TRY(session_count_answer(session));
    event->type = HALO_EVENT_PING;
    memcpy(event->u.ping.payload, payload, 8);
    event->u.ping.round_trip_ns = 0;
    return NULL;
}

int halo_session_ping(halo_session *session, const uint8_t payload[8])
{
    uint8_t time[8];

    if (session->state >= SESSION_ENDING) {
        return HALO_E_INVALID_SESSION;
    }
    if (session->pings_count >=
        min_u32(session->config->limits.outstanding_pings, LIMIT_OUTSTANDING_PINGS)) {
        return HALO_E_PING_CANCEL;
    }
    for (size_t i = 0; i < 8; i++) {
        time[i] = (uint8_t)(session->now_ns >> (8 * i));
    }
    payload = payload != NULL ? payload : time;
    if (session->pings == NULL) {
        session->pings =
            memory_alloc(session->env->memory, LIMIT_OUTSTANDING_PINGS * sizeof(session->pings[0]));
    }
    if (session->pings == NULL || !session_write_ping(session, payload, 0)) {
        return HALO_E_NOMEM;
    }
    memcpy(session->pings[session->pings_count].payload, payload, 8);
    session->pings[session->pings_count].sent_ns = session->now_ns;
    session->pings_count++;
    return 0;
}

/* ---- GOAWAY (6.8) and the graceful end ------------------------------------------------- */

void session_write_goaway(struct halo_session *session, uint32_t last_stream_id, uint32_t code,
                          const void *debug_data, size_t debug_len)
{
    uint32_t len = (uint32_t)(8 + min_size(debug_len, LIMIT_FRAME_SIZE_MIN - 8));
    uint8_t *frame = frame_reserve(session, len, FRAME_GOAWAY, 0, 0);

    if (frame == NULL) {
        return;
    }
    last_stream_id = min_u32(last_stream_id, session->goaway_local_id); /* 6.8: it never grows */
    store_u32(frame + FRAME_HEADER_LEN, last_stream_id);
    store_u32(frame + FRAME_HEADER_LEN + 4, code);
    if (len > 8) {
        memcpy(frame + FRAME_HEADER_LEN + 8, debug_data, len - 8);
    }
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + len);
    session->goaway_local_id = last_stream_id;
    session_wake(session);
}

int halo_session_goaway(halo_session *session, uint32_t code, uint32_t last_stream_id,
                        const void *debug_data, size_t debug_len)
{
    if (session->state >= SESSION_ENDING) {
        return HALO_E_INVALID_SESSION;
    }
    if (debug_len > LIMIT_FRAME_SIZE_MIN - 8 || last_stream_id > LIMIT_STREAM_ID_MAX) {
        return HALO_E_INVALID_ARGUMENT;
    }
    session_write_goaway(session, last_stream_id != 0 ? last_stream_id : session->last_accepted_id,
                         code, debug_data, debug_len);
    return 0;
}

/* The peer gives up on the connection: so do we (Node: ERR_HTTP2_SESSION_ERROR). */
static void end_by_goaway(struct halo_session *session, uint32_t code)
{
    struct halo_error error = {
        .status = HALO_E_SESSION_ERROR,
        .code = code,
        .origin = HALO_ORIGIN_REMOTE,
        .reason = "the peer ended the connection with an error",
    };

    session_end(session, &error, false);
}

const struct fault *session_goaway_frame(struct halo_session *session, const struct frame *frame,
                                         const uint8_t *payload, struct halo_event *event)
{
    uint32_t last_id = load_u32(payload) & 0x7fffffff;
    uint32_t code = load_u32(payload + 4);
    struct halo_error error = {
        .status = HALO_E_GOAWAY_SESSION,
        .code = HALO_REFUSED_STREAM,
        .origin = HALO_ORIGIN_REMOTE,
        .reason = "not taken up by the peer, which is going away",
    };
    struct list_link *link;
    struct list_link *next;

    if (last_id > session->goaway_remote_id) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "GOAWAY with a growing last stream");
    }
    if (session->goaway_received && !session_take_glitch(session)) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many GOAWAYs");
    }
    session->goaway_received = true;
    session->goaway_remote_id = last_id;
    event->type = HALO_EVENT_GOAWAY;
    event->u.goaway.code = code;
    event->u.goaway.last_stream_id = last_id;
    event->u.goaway.debug_data = payload + 8;
    event->u.goaway.debug_len = frame->len - 8;
    for (link = session->streams.next; link != &session->streams; link = next) {
        struct halo_stream *stream = LIST_ITEM(link, struct halo_stream, all);
        bool refused =
            stream->id == 0 || (session_is_local_id(session, stream->id) && stream->id > last_id);

        next = link->next;
        if (refused && (stream->flags & STREAM_CLOSED) == 0) {
            stream_close(stream, &error);
        }
    }
    if (code != HALO_NO_ERROR) {
        end_by_goaway(session, code);
        return NULL;
    }
    if (session->state == SESSION_OPEN) {
        session->state = SESSION_DRAINING;
        session->goaway_sent_final = true; /* no second step is due: ours comes with the end */
    }
    session_end_if_drained(session);
    return NULL;
}

/* RFC 9113 6.8: a first GOAWAY that refuses nothing, so that requests under way come in, and after
 * a round trip a second with the last stream that was taken up. A client refuses only pushes. */
void halo_session_close(halo_session *session)
{
    if (session->closing || session->state >= SESSION_ENDING) {
        return;
    }
    session->closing = true;
    session->state = SESSION_DRAINING;
    session->drain_deadline_ns = session_after_ms(session, session->config->timeouts.drain_ms);
    if (session->role == HALO_CLIENT || session->config->timeouts.goaway_ms == 0) {
        session_write_goaway(session, session->last_accepted_id, HALO_NO_ERROR, NULL, 0);
        session->goaway_sent_final = true;
        session_end_if_drained(session);
        return;
    }
    session->goaway_sent_final = false;
    session_write_goaway(session, LIMIT_STREAM_ID_MAX, HALO_NO_ERROR, NULL, 0);
    session_write_ping(session, drain_ping, 0);
    session->goaway_deadline_ns = session_after_ms(session, session->config->timeouts.goaway_ms);
}

/* ---- deadlines ------------------------------------------------------------------------- */

void session_idle_update(struct halo_session *session)
{
    if (list_empty(&session->streams)) {
        session->idle_deadline_ns = session_after_ms(session, session->config->timeouts.idle_ms);
    }
}

static uint64_t settings_deadline(const struct halo_session *session)
{
    return session->pending_first != NULL ? session->pending_first->deadline_ns : UINT64_MAX;
}

uint64_t halo_session_next_timeout(const halo_session *session)
{
    uint64_t next = session->preface_deadline_ns;

    if (session->state >= SESSION_ENDING) {
        return UINT64_MAX;
    }
    next = min_u64(next, session->idle_deadline_ns);
    next = min_u64(next, session->block.deadline_ns);
    next = min_u64(next, session->goaway_deadline_ns);
    next = min_u64(next, session->drain_deadline_ns);
    next = min_u64(next, settings_deadline(session));
    next = min_u64(next, session_body_deadline(session));
    next = min_u64(next, session_silence_deadline(session));
    next = min_u64(next, session_waiting_deadline(session));
    return min_u64(next, session_output_deadline(session));
}

static void time_out(struct halo_session *session, uint32_t code, const char *reason)
{
    struct halo_error error = {
        .status = HALO_E_TIMEOUT,
        .code = code,
        .origin = HALO_ORIGIN_LIBRARY,
        .reason = reason,
    };

    session_end(session, &error, true);
}

void halo_session_tick(halo_session *session, uint64_t now_ns)
{
    static const struct halo_error in_order = { .reason = "" };

    session->now_ns = max_u64(session->now_ns, now_ns);
    now_ns = session->now_ns;
    if (session->state >= SESSION_ENDING) {
        return;
    }
    if (now_ns >= session->preface_deadline_ns) {
        time_out(session, HALO_PROTOCOL_ERROR, "no HTTP/2 preface in time");
    } else if (now_ns >= settings_deadline(session)) {
        time_out(session, HALO_SETTINGS_TIMEOUT, "SETTINGS not acknowledged in time");
    } else if (now_ns >= session->block.deadline_ns) {
        time_out(session, HALO_ENHANCE_YOUR_CALM, "header block not complete in time");
    } else if (now_ns >= session->drain_deadline_ns) {
        time_out(session, HALO_NO_ERROR, "open streams did not finish in time");
    } else if (now_ns >= session->idle_deadline_ns) {
        session_end(session, &in_order, true);
    }
    if (session->state < SESSION_ENDING && now_ns >= session->goaway_deadline_ns) {
        session->goaway_deadline_ns = UINT64_MAX;
        session_write_goaway(session, session->last_accepted_id, HALO_NO_ERROR, NULL, 0);
        session->goaway_sent_final = true;
        session_end_if_drained(session);
    }
    session_output_tick(session);
    session_check_bodies(session);
    session_check_waiting(session);
    session_tell_silence(session);
}
