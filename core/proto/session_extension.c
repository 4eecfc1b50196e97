/*
 * Frames of types beyond RFC 9113: which are looked at, ALTSVC (RFC 7838 section 4), and the
 * application's own. All others are ignored (RFC 9113 5.5) within the budget for frames without
 * use. None of them may come within a header block (6.10); the reader sees to that.
 */
#include "core/proto/session_extension.h"

#include "core/proto/limits.h"

enum {
    /* An origin and a value in one frame of the smallest SETTINGS_MAX_FRAME_SIZE (Node: 16382). */
    ALTSVC_MAX = LIMIT_FRAME_SIZE_MIN - 2,
};

/* Types that have a meaning to halo, or are about to have one in RFC 9113's own range. */
static bool is_known_type(uint8_t type)
{
    return type < FRAME_TYPE_COUNT || type == FRAME_ALTSVC || type == FRAME_ORIGIN ||
           type == FRAME_PRIORITY_UPDATE;
}

static bool is_own_type(const struct session_extension *extension, uint8_t type)
{
    return extension != NULL && (extension->frame_types[type / 32] >> type % 32 & 1u) != 0;
}

/* ---- making and freeing ---------------------------------------------------------------- */

int session_check_extension(const struct halo_session_options *options)
{
    if (options->push_origin > HALO_PUSH_ANY_ORIGIN ||
        (options->frame_type_count > 0 && options->frame_types == NULL)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    for (size_t i = 0; i < options->frame_type_count; i++) {
        if (is_known_type(options->frame_types[i])) {
            return HALO_E_INVALID_ARGUMENT;
        }
    }
    return 0;
}

int session_extension_new(struct halo_session *session, const struct halo_session_options *options)
{
    bool has_origins = session->role == HALO_CLIENT && session->encrypted;

    if (has_origins || options->frame_type_count > 0) {
        session->extension = memory_zalloc(session->env->memory, sizeof(*session->extension));
        if (session->extension == NULL) {
            return HALO_E_NOMEM;
        }
    }
    session_update_keeping(session);
    for (size_t i = 0; i < options->frame_type_count; i++) {
        uint8_t type = options->frame_types[i];

        session->extension->frame_types[type / 32] |= 1u << type % 32;
    }
    return has_origins ? origin_set_init(session, options) : 0;
}

void session_extension_free(struct halo_session *session)
{
    if (session->extension != NULL) {
        origin_set_fini(session);
        memory_free(session->env->memory, session->extension);
        session->extension = NULL;
    }
}

void session_update_keeping(struct halo_session *session)
{
    session->keep_requests =
        session->role == HALO_CLIENT &&
        (session->push_wanted || (session->encrypted && session->extension != NULL));
}

/* ---- receiving ------------------------------------------------------------------------- */

bool session_wants_extension(const struct halo_session *session, const struct frame *frame)
{
    bool is_client = session->role == HALO_CLIENT;

    if (is_own_type(session->extension, frame->type) || frame->type == FRAME_PRIORITY_UPDATE) {
        return true;
    }
    if (frame->len > LIMIT_CONTROL_PAYLOAD) {
        return false;
    }
    switch (frame->type) {
    case FRAME_ALTSVC: /* RFC 7838 section 4: a server ignores it */
        return is_client;
    case FRAME_ORIGIN: /* RFC 8336 2.2: on stream 0, without flags that it may get a meaning for */
        return is_client && session->encrypted && frame->stream_id == 0 && (frame->flags & 15) == 0;
    default:
        return false;
    }
}

const struct fault *session_check_extension_len(const struct halo_session *session,
                                                const struct frame *frame)
{
    return frame->len > session->config->limits.extension_payload &&
                   is_own_type(session->extension, frame->type)
               ? CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "extension frame too long")
               : NULL;
}

/* RFC 7838 section 4: on stream 0 an origin is needed, on others there must be none; what is
 * otherwise is ignored, and so is what is said of a request that is over. */
static const struct fault *on_altsvc(struct halo_session *session, const struct frame *frame,
                                     const uint8_t *payload, struct halo_event *event)
{
    uint32_t origin_len = frame->len >= 2 ? load_u16(payload) : 0;
    struct halo_stream *stream;

    FAULT_TRY(session_useless_frame(session));
    if (frame->len < 2 || origin_len > frame->len - 2) { /* RFC 9113 4.2 */
        return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "ALTSVC shorter than what is in it");
    }
    if ((frame->stream_id == 0) != (origin_len > 0)) {
        return NULL;
    }
    if (frame->stream_id != 0 &&
        session_lookup(session, frame->stream_id, &stream) != LOOKUP_FOUND) {
        return NULL;
    }
    event->type = HALO_EVENT_ALTSVC;
    event->u.altsvc.stream_id = frame->stream_id;
    event->u.altsvc.origin = (halo_bytes){ (const char *)payload + 2, origin_len };
    event->u.altsvc.value =
        (halo_bytes){ (const char *)payload + 2 + origin_len, frame->len - 2 - origin_len };
    return NULL;
}

static void on_own_frame(const struct frame *frame, const uint8_t *payload,
                         struct halo_event *event)
{
    event->type = HALO_EVENT_FRAME;
    event->u.frame.type = frame->type;
    event->u.frame.flags = frame->flags;
    event->u.frame.stream_id = frame->stream_id;
    event->u.frame.payload = payload;
    event->u.frame.len = frame->len;
}

const struct fault *session_extension_frame(struct halo_session *session, const struct frame *frame,
                                            const uint8_t *payload, struct halo_event *event)
{
    switch (frame->type) {
    case FRAME_ALTSVC:
        return on_altsvc(session, frame, payload, event);
    case FRAME_ORIGIN:
        return session_origin_frame(session, frame, payload, event);
    default:
        on_own_frame(frame, payload, event);
        return NULL;
    }
}

/* ---- sending --------------------------------------------------------------------------- */

/* Text of visible ASCII, spaces and tabs (Node: ERR_INVALID_CHAR otherwise). */
static bool is_text(halo_bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        char octet = value.data[i];

        if (octet != '\t' && (octet < 0x20 || octet >= 0x7f)) {
            return false;
        }
    }
    return value.len > 0;
}

static int check_altsvc_stream(const struct halo_session *session, uint32_t stream_id)
{
    struct halo_stream *stream;

    if (stream_id > LIMIT_STREAM_ID_MAX) {
        return HALO_E_INVALID_STREAM;
    }
    return session_lookup(session, stream_id, &stream) == LOOKUP_FOUND ? 0 : HALO_E_INVALID_STREAM;
}

int halo_session_altsvc(halo_session *session, uint32_t stream_id, halo_bytes origin,
                        halo_bytes value)
{
    struct origin parsed = { .len = 0 };
    uint8_t *frame;
    uint32_t len;

    if (session->role != HALO_SERVER) {
        return HALO_E_WRONG_STATE;
    }
    if (session->state >= SESSION_ENDING) {
        return HALO_E_INVALID_SESSION;
    }
    if ((stream_id == 0) != (origin.len > 0)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (origin.len > 0 && !origin_of_url(origin, &parsed)) {
        return HALO_E_ALTSVC_INVALID_ORIGIN;
    }
    if (value.len > ALTSVC_MAX || parsed.len + value.len > ALTSVC_MAX) {
        return HALO_E_ALTSVC_LENGTH;
    }
    if (!is_text(value)) {
        return HALO_E_INVALID_HEADER_VALUE;
    }
    if (stream_id != 0) {
        HALO_TRY(check_altsvc_stream(session, stream_id));
    }
    len = (uint32_t)(2 + parsed.len + value.len);
    frame = frame_reserve(session, len, FRAME_ALTSVC, 0, stream_id);
    if (frame == NULL) {
        return HALO_E_NOMEM;
    }
    store_u16(frame + FRAME_HEADER_LEN, parsed.len);
    memcpy(frame + FRAME_HEADER_LEN + 2, parsed.text, parsed.len);
    memcpy(frame + FRAME_HEADER_LEN + 2 + parsed.len, value.data, value.len);
    frame_commit(session, frame, frame + FRAME_HEADER_LEN + len);
    session_wake(session);
    return 0;
}

static int check_own_frame(const struct halo_session *session, uint8_t type, uint32_t stream_id,
                           size_t len)
{
    struct halo_stream *stream;

    if (session->state >= SESSION_ENDING) {
        return HALO_E_INVALID_SESSION;
    }
    if (is_known_type(type)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (stream_id > LIMIT_STREAM_ID_MAX ||
        (stream_id != 0 && session_lookup(session, stream_id, &stream) == LOOKUP_IDLE)) {
        return HALO_E_INVALID_STREAM;
    }
    if (len > session->remote.max_frame_size) {
        return HALO_E_LIMIT;
    }
    return session->output.len >= LIMIT_OUTPUT_SOFT ? HALO_E_AGAIN : 0;
}

int halo_session_send_frame(halo_session *session, uint8_t type, uint8_t flags, uint32_t stream_id,
                            const void *payload, size_t len)
{
    uint8_t *frame;

    HALO_TRY(check_own_frame(session, type, stream_id, len));
    frame = frame_reserve(session, 0, type, flags, stream_id);
    if (frame == NULL) {
        return HALO_E_NOMEM;
    }
    store_u24(frame, (uint32_t)len);
    frame_commit(session, frame, frame + FRAME_HEADER_LEN);
    output_copy(&session->output, payload, len);
    session_wake(session);
    return session->output.failed ? HALO_E_NOMEM : 0;
}
