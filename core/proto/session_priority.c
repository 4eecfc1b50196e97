/*
 * Priorities of streams: the field of a request, PRIORITY_UPDATE (RFC 9218 section 7.1), and the
 * PRIORITY of RFC 7540, which is only counted and told (RFC 9113 section 5.3.2).
 *
 * The latest signal of the client counts, until the server's application says something. What
 * cannot be parsed is no signal (RFC 9218 section 4 and 7 allow that, and others do it).
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"

static const struct halo_priority default_priority = { .urgency = HALO_URGENCY_DEFAULT };

/* ---- state of sessions whose peer sends such frames ------------------------------------ */

/* So many frames, and more with each stream. */
struct frame_budget {
    struct bucket bucket;
    uint64_t streams_seen;
    uint32_t per_stream;
};

struct kept_update {
    uint32_t stream_id;
    struct halo_priority priority;
};

struct priority_state {
    struct frame_budget priorities;
    struct frame_budget updates;
    /* Of streams that have not come yet, the oldest first (RFC 9218 7). */
    struct kept_update kept[LIMIT_PRIORITY_UPDATES_KEPT];
    uint32_t kept_count;
};

static void budget_init(struct frame_budget *budget, const struct halo_session *session,
                        uint32_t burst, uint32_t per_stream)
{
    *budget = (struct frame_budget){
        .bucket = { .tokens = burst,
                    .burst = burst,
                    .per_second = LIMIT_PRIORITY_REFILL_PER_SECOND,
                    .refilled_ns = session->now_ns },
        .per_stream = per_stream,
    };
}

/* What streams give is kept for those that are open; of the others, a burst at most. */
static bool budget_take(struct frame_budget *budget, const struct halo_session *session)
{
    uint64_t given = (session->streams_opened - budget->streams_seen) * budget->per_stream;
    uint64_t open = (uint64_t)session->open_remote + session->open_local;
    uint64_t most = budget->bucket.burst + open * budget->per_stream;

    budget->streams_seen = session->streams_opened;
    budget->bucket.tokens =
        (uint32_t)min_u64(UINT32_MAX, min_u64(most, budget->bucket.tokens + given));
    return bucket_take(&budget->bucket, session->now_ns);
}

int session_priorities_new(struct halo_session *session)
{
    struct priority_state *state =
        memory_zalloc(session->env->memory, sizeof(struct priority_state));

    if (state == NULL) {
        return HALO_E_NOMEM;
    }
    budget_init(&state->priorities, session, LIMIT_PRIORITIES, LIMIT_PRIORITIES_PER_STREAM);
    budget_init(&state->updates, session, LIMIT_PRIORITY_UPDATES,
                LIMIT_PRIORITY_UPDATES_PER_STREAM);
    session->priorities = state;
    return 0;
}

/* The state, made with the first frame; NULL when memory is out. */
static struct priority_state *state_of(struct halo_session *session)
{
    return session->priorities != NULL || session_priorities_new(session) == 0 ? session->priorities
                                                                               : NULL;
}

static struct halo_dependency read_dependency(const uint8_t *octets)
{
    uint32_t word = load_u32(octets);

    return (struct halo_dependency){
        .stream_id = word & 0x7fffffff,
        .weight = (uint16_t)(octets[4] + 1),
        .exclusive = (uint8_t)(word >> 31),
    };
}

/* Kept so that zero is the default. */
static void note_weight(struct halo_stream *stream, uint16_t weight)
{
    stream->weight_change = (uint8_t)((weight - 1) ^ (HALO_WEIGHT_DEFAULT - 1));
}

/* ---- what a client asks for ------------------------------------------------------------ */

static void take_signal(struct halo_stream *stream, const struct halo_priority *priority)
{
    if ((stream->flags & STREAM_PRIORITY_FIXED) == 0) {
        stream_prioritize(stream, priority);
    }
}

/* Several fields are one dictionary, the last member of a name counting (RFC 8941 4.2). */
static void read_fields(struct halo_stream *stream, const struct hpack_list *list)
{
    struct halo_priority priority = default_priority;

    for (size_t i = 0; i < list->count; i++) {
        if (list->fields[i].token == HALO_NAME_PRIORITY &&
            halo_priority_parse(&priority, list->fields[i].value) != 0) {
            return;
        }
    }
    stream_prioritize(stream, &priority);
}

/* ---- PRIORITY_UPDATE ------------------------------------------------------------------- */

static void forget_kept(struct priority_state *state, uint32_t i)
{
    state->kept_count--;
    memmove(&state->kept[i], &state->kept[i + 1], (state->kept_count - i) * sizeof(state->kept[0]));
}

static const struct fault *keep_update(struct halo_session *session, uint32_t stream_id,
                                       const struct halo_priority *priority)
{
    struct priority_state *state = session->priorities;

    for (uint32_t i = 0; i < state->kept_count; i++) {
        if (state->kept[i].stream_id == stream_id) {
            forget_kept(state, i);
            break;
        }
    }
    /* RFC 9218 7.1: together with the open ones they must be within the limit. */
    if ((uint64_t)state->kept_count + session->open_remote >=
        session->local.max_concurrent_streams) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "more streams prioritized than allowed");
    }
    if (state->kept_count == LIMIT_PRIORITY_UPDATES_KEPT) {
        forget_kept(state, 0);
    }
    state->kept[state->kept_count++] =
        (struct kept_update){ .stream_id = stream_id, .priority = *priority };
    return NULL;
}

/* The stream has come. Those with lower numbers cannot come any more (RFC 9113 5.1.1). */
static void take_kept(struct halo_stream *stream, struct priority_state *state)
{
    uint32_t i = 0;

    while (i < state->kept_count) {
        if (state->kept[i].stream_id == stream->id) {
            take_signal(stream, &state->kept[i].priority);
        }
        if (state->kept[i].stream_id <= stream->id) {
            forget_kept(state, i);
        } else {
            i++;
        }
    }
}

void stream_take_priority(struct halo_stream *stream, bool has_field)
{
    struct halo_session *session = stream->session;

    if (has_field) {
        read_fields(stream, &session->env->list);
    }
    if (session->priorities != NULL) {
        take_kept(stream, session->priorities);
    }
    if (session->priority_events && session->headers_priority_id == stream->id) {
        note_weight(stream, read_dependency(session->headers_priority).weight);
        stream_note(stream, NOTE_PRIORITY);
    }
}

static const struct fault *check_update(struct halo_session *session, const struct frame *frame)
{
    if (session->role == HALO_CLIENT) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "PRIORITY_UPDATE from a server");
    }
    if (frame->stream_id != 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "connection frame on a stream");
    }
    if (frame->len < 4) {
        return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "PRIORITY_UPDATE too short");
    }
    if (state_of(session) == NULL) {
        return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
    }
    return budget_take(&session->priorities->updates, session)
               ? NULL
               : CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many PRIORITY_UPDATE frames");
}

const struct fault *session_priority_update_frame(struct halo_session *session,
                                                  const struct frame *frame, const uint8_t *payload,
                                                  struct halo_event *event)
{
    struct halo_priority priority = default_priority; /* what is left out has its default (7) */
    struct halo_stream *stream;
    enum stream_lookup found;
    halo_bytes value;
    uint32_t stream_id;

    FAULT_TRY(check_update(session, frame));
    stream_id = load_u32(payload) & 0x7fffffff;
    if (stream_id == 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "PRIORITY_UPDATE for stream 0");
    }
    found = session_lookup(session, stream_id, &stream);
    if (found == LOOKUP_IDLE && session_is_local_id(session, stream_id)) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "PRIORITY_UPDATE for an idle push");
    }
    value = (halo_bytes){ (const char *)payload + 4, frame->len - 4 };
    if (halo_priority_parse(&priority, value) != 0) {
        return NULL;
    }
    if (found == LOOKUP_IDLE) {
        FAULT_TRY(keep_update(session, stream_id, &priority));
    } else if (stream != NULL) {
        take_signal(stream, &priority);
    }
    if (session->priority_events) {
        event->type = HALO_EVENT_PRIORITY_UPDATE;
        event->stream = stream;
        event->stream_id = stream_id;
        event->u.priority = priority;
    }
    return NULL;
}

/* ---- PRIORITY (RFC 9113 6.3) ----------------------------------------------------------- */

const struct fault *session_priority_frame(struct halo_session *session, const struct frame *frame,
                                           const uint8_t *payload, struct halo_event *event)
{
    struct halo_dependency dependency = read_dependency(payload);
    struct halo_stream *stream;

    if (dependency.stream_id == frame->stream_id) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "stream depends on itself");
    }
    if (state_of(session) == NULL) {
        return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
    }
    if (!budget_take(&session->priorities->priorities, session)) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many PRIORITY frames");
    }
    if (!session->priority_events) {
        return NULL;
    }
    session_lookup(session, frame->stream_id, &stream);
    if (stream != NULL) {
        note_weight(stream, dependency.weight);
    }
    event->type = HALO_EVENT_PRIORITY;
    event->stream = stream;
    event->stream_id = frame->stream_id;
    event->u.dependency = dependency;
    return NULL;
}

void stream_tell_priority(struct halo_stream *stream, struct halo_event *event)
{
    event->type = HALO_EVENT_PRIORITY;
    event->u.dependency = read_dependency(stream->session->headers_priority);
}

/* ---- calls ----------------------------------------------------------------------------- */

/* RFC 9218 2.1.1: a server that keeps to RFC 7540 has no use for the frame; before its SETTINGS
 * nobody knows. */
static bool update_is_useful(const struct halo_stream *stream)
{
    const struct halo_session *session = stream->session;

    return stream->recv_half != HALF_DONE &&
           (!session->remote_settings_seen || session->remote.no_rfc7540_priorities != 0);
}

static int write_update(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    struct halo_priority priority = {
        .urgency = stream->urgency,
        .incremental = (stream->flags & STREAM_INCREMENTAL) != 0,
    };
    char text[HALO_PRIORITY_TEXT_MAX];
    size_t len = halo_priority_format(&priority, text);
    uint8_t *frame = frame_reserve(session, (uint32_t)(4 + len), FRAME_PRIORITY_UPDATE, 0, 0);

    if (frame == NULL) {
        return HALO_E_NOMEM;
    }
    store_u32(frame + FRAME_HEADER_LEN, stream->id);
    memcpy(frame + FRAME_HEADER_LEN + 4, text, len);
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + 4 + len);
    session_wake(session);
    return 0;
}

int halo_stream_set_priority(halo_stream *stream, const struct halo_priority *priority)
{
    bool incremental = (stream->flags & STREAM_INCREMENTAL) != 0;
    bool same = stream->urgency == priority->urgency && incremental == (priority->incremental != 0);

    if ((stream->flags & STREAM_CLOSED) != 0) {
        return HALO_E_INVALID_STREAM;
    }
    if (priority->urgency > HALO_URGENCY_LOWEST) {
        return HALO_E_INVALID_ARGUMENT;
    }
    stream_prioritize(stream, priority);
    if (stream->session->role == HALO_SERVER) {
        stream->flags |= STREAM_PRIORITY_FIXED;
        return 0;
    }
    if (same) {
        return 0;
    }
    if ((stream->flags & STREAM_WAITING) != 0) {
        stream->flags |= STREAM_PRIORITY_LATE;
        return 0;
    }
    return update_is_useful(stream) ? write_update(stream) : 0;
}

void stream_send_late_priority(struct halo_stream *stream)
{
    if ((stream->flags & STREAM_PRIORITY_LATE) != 0) {
        stream->flags &= ~(uint32_t)STREAM_PRIORITY_LATE;
        if (update_is_useful(stream)) {
            write_update(stream);
        }
    }
}

static int check_dependency(const struct halo_dependency *dependency, uint32_t stream_id)
{
    if (dependency->weight < HALO_WEIGHT_MIN || dependency->weight > HALO_WEIGHT_MAX ||
        dependency->stream_id > LIMIT_STREAM_ID_MAX) {
        return HALO_E_INVALID_ARGUMENT;
    }
    return dependency->stream_id == stream_id && stream_id != 0 ? HALO_E_STREAM_SELF_DEPENDENCY : 0;
}

int halo_stream_set_dependency(halo_stream *stream, const struct halo_dependency *dependency,
                               int silent)
{
    struct halo_session *session = stream->session;
    uint8_t *frame;

    if ((stream->flags & STREAM_CLOSED) != 0) {
        return HALO_E_INVALID_STREAM;
    }
    HALO_TRY(check_dependency(dependency, stream->id));
    note_weight(stream, dependency->weight);
    if (silent != 0 || session->role == HALO_SERVER || stream->id == 0 ||
        session->remote.no_rfc7540_priorities != 0) {
        return 0;
    }
    frame = frame_reserve(session, 5, FRAME_PRIORITY, 0, stream->id);
    if (frame == NULL) {
        return HALO_E_NOMEM;
    }
    store_u32(frame + FRAME_HEADER_LEN,
              dependency->stream_id | (dependency->exclusive != 0 ? 0x80000000u : 0));
    frame[FRAME_HEADER_LEN + 4] = (uint8_t)(dependency->weight - 1);
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + 5);
    session_wake(session);
    return 0;
}

int session_request_priority(const struct halo_session *session, const struct halo_request *request,
                             halo_header *fields, size_t *count, char *text)
{
    if (HALO_UNLIKELY(request->dependency != NULL)) {
        HALO_TRY(check_dependency(request->dependency,
                                  session->next_local_id + 2 * session->waiting_count));
    }
    if (HALO_UNLIKELY(request->priority != NULL)) {
        size_t len = halo_priority_format(request->priority, text);

        if (request->priority->urgency > HALO_URGENCY_LOWEST) {
            return HALO_E_INVALID_ARGUMENT;
        }
        if (len > 0) {
            fields[(*count)++] = (halo_header){
                .name = halo_name_text(HALO_NAME_PRIORITY),
                .value = { text, len },
                .token = HALO_NAME_PRIORITY,
            };
        }
    }
    return 0;
}

void stream_requested_priority(struct halo_stream *stream, const struct halo_request *request)
{
    if (request->priority != NULL) {
        stream_prioritize(stream, request->priority);
    }
    if (request->dependency != NULL) {
        halo_stream_set_dependency(stream, request->dependency, 0);
    }
}
