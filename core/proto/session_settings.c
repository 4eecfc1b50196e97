/*
 * SETTINGS (RFC 9113 section 6.5): ours, in the order of their acknowledgements, and the peer's,
 * which are checked whole before any of them is applied.
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

static bool has(const struct halo_settings *settings, uint32_t identifier)
{
    return (settings->present & HALO_SETTINGS_BIT(identifier)) != 0;
}

/* ---- the settings whole ---------------------------------------------------------------- */

static void views_update(const struct halo_session *session)
{
    struct settings_views *views = session->views;

    if (views != NULL) {
        memcpy(&views->local, &session->local, sizeof(session->local));
        memcpy(&views->remote, &session->remote, sizeof(session->remote));
    }
}

/* From now on they are kept whole. NULL when memory is out. */
static struct settings_views *views_of(struct halo_session *session)
{
    if (session->views == NULL) {
        session->views = memory_zalloc(session->env->memory, sizeof(*session->views));
        views_update(session);
    }
    return session->views;
}

/* Those in `known`, which have no custom ones, until the next event. */
static const struct halo_settings *view_briefly(const struct halo_session *session,
                                                const struct known_settings *known)
{
    struct halo_settings *settings = &session->env->settings;

    *settings = (struct halo_settings){ 0 };
    memcpy(settings, known, sizeof(*known));
    return settings;
}

const struct halo_settings *halo_session_local_settings(const halo_session *session)
{
    /* The first look changes nothing that can be seen. */
    const struct settings_views *views = views_of((halo_session *)(uintptr_t)session);

    return views != NULL ? &views->local : view_briefly(session, &session->local);
}

const struct halo_settings *halo_session_remote_settings(const halo_session *session)
{
    const struct settings_views *views = views_of((halo_session *)(uintptr_t)session);

    return views != NULL ? &views->remote : view_briefly(session, &session->remote);
}

/* ---- ours ------------------------------------------------------------------------------ */

int session_write_settings(struct halo_session *session, const struct halo_settings *settings)
{
    uint8_t payload[6 * (8 + HALO_CUSTOM_SETTINGS_MAX)];
    struct pending_settings *pending;
    uint8_t *frame;
    size_t len;

    HALO_TRY(halo_settings_pack(settings, payload, sizeof(payload), &len));
    pending = memory_alloc(session->env->memory, sizeof(*pending));
    if (pending == NULL) {
        return HALO_E_NOMEM;
    }
    frame = frame_reserve(session, (uint32_t)len, FRAME_SETTINGS, 0, 0);
    if (frame == NULL) {
        memory_free(session->env->memory, pending);
        return HALO_E_NOMEM;
    }
    memcpy(frame + FRAME_HEADER_LEN, payload, len);
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + len);
    pending->settings = *settings;
    pending->deadline_ns = session_after_ms(session, session->config->timeouts.settings_ack_ms);
    pending->sent_ns = session->now_ns;
    pending->asked = false;
    pending->next = NULL;
    if (has(settings, HALO_SETTINGS_ENABLE_PUSH)) {
        session->push_wanted = settings->enable_push != 0;
        session_update_keeping(session);
    }
    *session->pending_last = pending;
    session->pending_last = &pending->next;
    session->pending_count++;
    session_wake(session);
    return 0;
}

int session_check_settings(int role, const struct halo_settings *settings)
{
    /* RFC 9113 6.5.2: a server must not send 1. */
    if (role == HALO_SERVER && has(settings, HALO_SETTINGS_ENABLE_PUSH) &&
        settings->enable_push != 0) {
        return HALO_E_INVALID_SETTING_VALUE;
    }
    if (has(settings, HALO_SETTINGS_HEADER_TABLE_SIZE) &&
        settings->header_table_size > LIMIT_DECODER_TABLE_MAX) {
        return HALO_E_INVALID_SETTING_VALUE;
    }
    return halo_settings_check(settings);
}

/* Did we ever say so? */
static bool connect_protocol_enabled(const struct halo_session *session)
{
    const struct pending_settings *pending = session->pending_first;

    while (pending != NULL && !(has(&pending->settings, HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL) &&
                                pending->settings.enable_connect_protocol != 0)) {
        pending = pending->next;
    }
    return session->local.enable_connect_protocol != 0 || pending != NULL;
}

int halo_session_settings(halo_session *session, const struct halo_settings *settings)
{
    if (session->state >= SESSION_ENDING) {
        return HALO_E_INVALID_SESSION;
    }
    HALO_TRY(session_check_settings(session->role, settings));
    /* RFC 9218 2.1: fixed by the first SETTINGS. */
    if (has(settings, HALO_SETTINGS_NO_RFC7540_PRIORITIES) &&
        settings->no_rfc7540_priorities != session->config->settings.no_rfc7540_priorities) {
        return HALO_E_INVALID_SETTING_VALUE;
    }
    if (session->pending_count >= session->config->limits.pending_settings) {
        return HALO_E_MAX_PENDING_SETTINGS_ACK;
    }
    if (has(settings, HALO_SETTINGS_INITIAL_WINDOW_SIZE) &&
        !session_windows_allow(session, settings->initial_window_size)) {
        return HALO_E_INVALID_SETTING_VALUE;
    }
    /* RFC 8441 section 3: what was allowed cannot be taken back. */
    if (has(settings, HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL) &&
        settings->enable_connect_protocol == 0 && connect_protocol_enabled(session)) {
        return HALO_E_INVALID_SETTING_VALUE;
    }
    HALO_TRY(session_write_settings(session, settings));
    HALO_CONTAINER(session->pending_last, struct pending_settings, next)->asked = true;
    if ((settings->present & HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS)) != 0) {
        session->streams_max = settings->max_concurrent_streams;
    }
    return 0;
}

/* Our oldest SETTINGS are not under way any more; the event tells which they were. */
static void take_pending(struct halo_session *session, struct halo_event *event)
{
    struct pending_settings *pending = session->pending_first;

    session->pending_first = pending->next;
    if (session->pending_first == NULL) {
        session->pending_last = &session->pending_first;
    }
    session->pending_count--;
    session_spend(session, pending);
    event->u.settings.settings = &pending->settings;
    event->u.settings.duration_ns = session->now_ns - pending->sent_ns;
}

/* Our oldest SETTINGS hold from now on (6.5.3). */
static const struct fault *on_settings_ack(struct halo_session *session, struct halo_event *event)
{
    struct pending_settings *pending = session->pending_first;
    struct known_settings *local = &session->local;
    const struct halo_settings *sent;

    if (pending == NULL) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "SETTINGS acknowledged that were not sent");
    }
    sent = &pending->settings;
    session_round_trip(session, pending->sent_ns, false);
    if (has(sent, HALO_SETTINGS_HEADER_TABLE_SIZE)) {
        local->header_table_size = sent->header_table_size;
        hpack_decoder_set_max(&session->decoder, sent->header_table_size);
    }
    if (has(sent, HALO_SETTINGS_ENABLE_PUSH)) {
        local->enable_push = sent->enable_push;
    }
    if (has(sent, HALO_SETTINGS_MAX_CONCURRENT_STREAMS)) {
        local->max_concurrent_streams = sent->max_concurrent_streams;
    }
    if (has(sent, HALO_SETTINGS_INITIAL_WINDOW_SIZE)) {
        session_resize_streams(session, sent->initial_window_size);
    }
    if (has(sent, HALO_SETTINGS_MAX_FRAME_SIZE)) {
        local->max_frame_size = sent->max_frame_size;
    }
    if (has(sent, HALO_SETTINGS_MAX_HEADER_LIST_SIZE)) {
        local->max_header_list_size = sent->max_header_list_size;
    }
    if (has(sent, HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL)) {
        local->enable_connect_protocol = sent->enable_connect_protocol;
    }
    if (has(sent, HALO_SETTINGS_NO_RFC7540_PRIORITIES)) {
        local->no_rfc7540_priorities = sent->no_rfc7540_priorities;
    }
    if (sent->custom_count > 0) {
        struct settings_views *views = views_of(session);

        if (views == NULL) {
            return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
        }
        memcpy(views->local.custom, sent->custom, sizeof(views->local.custom));
        views->local.custom_count = sent->custom_count;
    }
    local->present |= sent->present;
    views_update(session);
    take_pending(session, event);
    event->type = HALO_EVENT_SETTINGS_ACK;
    return NULL;
}

bool session_tell_cancelled(struct halo_session *session, struct halo_event *event)
{
    while (session->pending_first != NULL) {
        bool asked = session->pending_first->asked;

        take_pending(session, event);
        if (asked) {
            event->type = HALO_EVENT_SETTINGS_CANCEL;
            return true;
        }
    }
    if (session->pings_count == 0) {
        return false;
    }
    memcpy(event->u.ping.payload, session->pings[0].payload, 8);
    event->u.ping.round_trip_ns = session->now_ns - session->pings[0].sent_ns;
    session_drop_pings(session, 1);
    event->type = HALO_EVENT_PING_CANCEL;
    return true;
}

/* One entry of the peer's SETTINGS. All were checked before the first is applied. */
static const struct fault *check_setting(const struct halo_session *session, uint16_t id,
                                         uint32_t value)
{
    switch (id) {
    case HALO_SETTINGS_ENABLE_PUSH:
        if (value > 1 || (value == 1 && session->role == HALO_CLIENT)) {
            return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "invalid SETTINGS_ENABLE_PUSH");
        }
        break;
    case HALO_SETTINGS_INITIAL_WINDOW_SIZE:
        if (value > LIMIT_WINDOW_MAX) {
            return CONNECTION_FAULT(HALO_FLOW_CONTROL_ERROR,
                                    "invalid SETTINGS_INITIAL_WINDOW_SIZE");
        }
        break;
    case HALO_SETTINGS_MAX_FRAME_SIZE:
        if (value < LIMIT_FRAME_SIZE_MIN || value > LIMIT_FRAME_SIZE_MAX) {
            return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "invalid SETTINGS_MAX_FRAME_SIZE");
        }
        break;
    case HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL: /* RFC 8441 section 3: never back to 0 */
        if (value > 1 || (value == 0 && session->remote.enable_connect_protocol != 0)) {
            return CONNECTION_FAULT(HALO_PROTOCOL_ERROR,
                                    "invalid SETTINGS_ENABLE_CONNECT_PROTOCOL");
        }
        break;
    case HALO_SETTINGS_NO_RFC7540_PRIORITIES: /* RFC 9218 2.1: fixed by the first SETTINGS */
        if (value > 1 ||
            (session->remote_settings_seen && value != session->remote.no_rfc7540_priorities)) {
            return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "invalid SETTINGS_NO_RFC7540_PRIORITIES");
        }
        break;
    default:
        break;
    }
    return NULL;
}

/* RFC 9113 6.9.2: no stream's window may pass the maximum. Streams keep the difference to the
 * initial size, so they need a look only when that grows. */
static const struct fault *check_windows(const struct halo_session *session, uint32_t initial)
{
    const struct list_link *link;

    if (initial <= session->remote.initial_window_size) {
        return NULL;
    }
    for (link = session->streams.next; link != &session->streams; link = link->next) {
        const struct halo_stream *stream = HALO_CONTAINER((uintptr_t)link, struct halo_stream, all);

        /* What we have ended needs no window; the peer may have forgotten the stream. */
        if (stream->send_half != HALF_DONE &&
            (int64_t)initial + stream->send_credit > LIMIT_WINDOW_MAX) {
            return CONNECTION_FAULT(HALO_FLOW_CONTROL_ERROR, "SETTINGS overflow a stream's window");
        }
    }
    return NULL;
}

/* A setting that the application knows. There is room: as many as it asked for, each once. */
static const struct fault *apply_custom(struct halo_session *session, uint16_t id, uint32_t value)
{
    struct settings_views *views;
    struct halo_settings *remote;
    bool wanted = false;
    uint32_t at = 0;

    for (uint32_t i = 0; i < session->config->custom_count; i++) {
        wanted |= session->config->custom_ids[i] == id;
    }
    if (!wanted) {
        return NULL;
    }
    views = views_of(session);
    if (views == NULL) {
        return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
    }
    remote = &views->remote;
    while (at < remote->custom_count && remote->custom[at].id != id) {
        at++;
    }
    remote->custom[at] = (struct halo_custom_setting){ .id = id, .value = value };
    remote->custom_count = max_u32(remote->custom_count, at + 1);
    return NULL;
}

static const struct fault *apply_setting(struct halo_session *session, uint16_t id, uint32_t value)
{
    struct known_settings *remote = &session->remote;

    switch (id) {
    case HALO_SETTINGS_HEADER_TABLE_SIZE:
        remote->header_table_size = value;
        hpack_encoder_set_max(&session->encoder,
                              min_u32(value, session->config->limits.encoder_table_size));
        break;
    case HALO_SETTINGS_ENABLE_PUSH:
        remote->enable_push = value;
        break;
    case HALO_SETTINGS_MAX_CONCURRENT_STREAMS:
        if (value == 0 && remote->max_concurrent_streams > 0) {
            session->no_streams_ns = session->now_ns;
        }
        remote->max_concurrent_streams = value;
        break;
    case HALO_SETTINGS_INITIAL_WINDOW_SIZE:
        FAULT_TRY(check_windows(session, value));
        session->recheck_blocked |= value > remote->initial_window_size;
        remote->initial_window_size = value;
        break;
    case HALO_SETTINGS_MAX_FRAME_SIZE:
        remote->max_frame_size = value;
        break;
    case HALO_SETTINGS_MAX_HEADER_LIST_SIZE: /* advice: finished work is never thrown away */
        remote->max_header_list_size = value;
        break;
    case HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL:
        remote->enable_connect_protocol = value;
        break;
    case HALO_SETTINGS_NO_RFC7540_PRIORITIES:
        remote->no_rfc7540_priorities = value;
        break;
    default: /* RFC 9113 6.5.2: unknown ones are ignored, but for who asked for them */
        if (HALO_UNLIKELY(session->config->custom_count > 0)) {
            return apply_custom(session, id, value);
        }
        return NULL;
    }
    remote->present |= HALO_SETTINGS_BIT(id);
    return NULL;
}

const struct fault *session_settings_frame(struct halo_session *session, const struct frame *frame,
                                           const uint8_t *payload, struct halo_event *event)
{
    uint8_t *ack;
    bool first = !session->remote_settings_seen;

    if ((frame->flags & FLAG_ACK) != 0) {
        return frame->len == 0
                   ? on_settings_ack(session, event)
                   : CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "SETTINGS ACK with payload");
    }
    if (frame->len % 6 != 0) {
        return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "SETTINGS not a multiple of 6 octets");
    }
    if (frame->len / 6 > session->config->limits.settings_entries ||
        !bucket_take(&session->abuse.settings, session->now_ns)) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many SETTINGS");
    }
    for (uint32_t at = 0; at < frame->len; at += 6) {
        FAULT_TRY(check_setting(session, load_u16(payload + at), load_u32(payload + at + 2)));
    }
    if (first) {
        session->remote_settings_seen = true;
        session->preface_deadline_ns = UINT64_MAX;
        session->remote.max_concurrent_streams = UINT32_MAX; /* unless it says otherwise */
    }
    for (uint32_t at = 0; at < frame->len; at += 6) {
        FAULT_TRY(apply_setting(session, load_u16(payload + at), load_u32(payload + at + 2)));
    }
    ack = frame_reserve(session, 0, FRAME_SETTINGS, FLAG_ACK, 0);
    if (ack != NULL) {
        frame_commit(session, ack, ack + FRAME_HEADER_LEN);
    }
    FAULT_TRY(session_count_answer(session));
    session_start_waiting(session);
    session_wake(session);
    event->type = HALO_EVENT_SETTINGS;
    views_update(session);
    event->u.settings.settings =
        session->views != NULL ? &session->views->remote : view_briefly(session, &session->remote);
    event->u.settings.duration_ns = 0;
    return NULL;
}
