/*
 * Server push (RFC 9113 8.4), in both roles.
 *
 * The server promises at once, so that the promise is before whatever refers to it, and answers
 * when it likes. The client checks a promise like a request, and refuses by itself what it cannot
 * want: promises after it said SETTINGS_ENABLE_PUSH 0, beyond max_reserved_remote_streams, while it
 * holds too much memory, with a parent that was reset. A refused promise is decoded all the same (4.3), and takes one token of
 * the budget for frames without use.
 */
#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

/* ---- counting (RFC 9113 5.1.2) --------------------------------------------------------- */

int push_check_open(const struct halo_stream *stream)
{
    const struct halo_session *session = stream->session;

    if ((stream->flags & STREAM_CLOSED) != 0) {
        return HALO_E_INVALID_STREAM;
    }
    if (session->role == HALO_CLIENT) {
        return HALO_E_WRONG_STATE;
    }
    /* The client may have lowered its limit since the promise was made. */
    return session->open_local >= session->remote.max_concurrent_streams ? HALO_E_LIMIT : 0;
}

static uint32_t *open_count(struct halo_session *session)
{
    return session->role == HALO_SERVER ? &session->open_local : &session->open_remote;
}

void push_open(struct halo_stream *stream)
{
    stream->flags &= ~(uint32_t)STREAM_RESERVED;
    stream->session->reserved_streams--;
    ++*open_count(stream->session);
}

void push_uncount(struct halo_stream *stream)
{
    if ((stream->flags & STREAM_RESERVED) != 0) {
        stream->session->reserved_streams--;
    } else {
        --*open_count(stream->session);
    }
}

/* A stream whose request is a promise: that half is done. NULL: memory was out. */
static struct halo_stream *new_pushed(struct halo_session *session, uint32_t id, bool head)
{
    struct halo_stream *stream = stream_new(session, false);

    if (stream == NULL) {
        return NULL;
    }
    stream->id = id;
    if (!stream_store_add(&session->store, session->env->memory, stream)) {
        stream_undo(stream);
        return NULL;
    }
    stream_window_init(stream);
    stream->flags |= STREAM_PUSHED | STREAM_RESERVED | (head ? STREAM_HEAD : 0);
    session->reserved_streams++;
    session->idle_deadline_ns = UINT64_MAX;
    stream_advance(stream, session->role == HALO_SERVER, INPUT_HEADERS_END);
    return stream;
}

/* ---- the server promises --------------------------------------------------------------- */

static int check_push(const struct halo_stream *parent)
{
    const struct halo_session *session = parent->session;

    if (session->role != HALO_SERVER) {
        return HALO_E_WRONG_STATE;
    }
    if (session->state >= SESSION_ENDING) {
        return HALO_E_INVALID_SESSION;
    }
    if (session->remote.enable_push == 0) {
        return HALO_E_PUSH_DISABLED;
    }
    if ((parent->flags & STREAM_PUSHED) != 0) { /* RFC 9113 8.4: on streams of the client only */
        return HALO_E_NESTED_PUSH;
    }
    if ((parent->flags & STREAM_CLOSED) != 0 || parent->send_half == HALF_DONE) {
        return HALO_E_INVALID_STREAM; /* 6.6: open, or half-closed by the client */
    }
    if (session->state != SESSION_OPEN || session->goaway_received) {
        return HALO_E_GOAWAY_SESSION;
    }
    if (session->next_local_id > LIMIT_STREAM_ID_MAX) {
        return HALO_E_OUT_OF_STREAMS;
    }
    /* Reserved streams do not count for the peer, but each of them is going to. */
    return (uint64_t)session->open_local + session->reserved_streams >=
                   session->remote.max_concurrent_streams
               ? HALO_E_LIMIT
               : 0;
}

static bool find(halo_header_list list, uint16_t token, halo_bytes *value)
{
    return halo_header_find_token(list, token, value) != 0 && value->len > 0;
}

/* The parent's scheme and authority where the request has none. */
static int complete_request(const struct halo_stream *parent, const struct halo_request *request,
                            struct halo_request *full)
{
    static const halo_bytes get = HALO_LIT("GET");
    static const halo_bytes head = HALO_LIT("HEAD");
    halo_header_list list = halo_stream_headers(parent);

    *full = *request;
    if (full->method.len == 0) {
        full->method = get;
    }
    /* 8.4: safe and cacheable (RFC 9110 9.2.3: POST is not safe, OPTIONS not cacheable). */
    if ((halo_bytes_equal(full->method, get) == 0 && halo_bytes_equal(full->method, head) == 0) ||
        full->protocol.len > 0) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (full->scheme.len == 0) {
        (void)find(list, HALO_NAME_SCHEME, &full->scheme);
    }
    if (full->authority.len == 0 && !find(list, HALO_NAME_AUTHORITY, &full->authority) &&
        !find(list, HALO_NAME_HOST, &full->authority)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    return 0;
}

/* 8.4: a promised request has no content. */
static bool has_content(const struct kept_list *fields)
{
    static const halo_bytes name = HALO_LIT("content-length");
    static const halo_bytes zero = HALO_LIT("0");

    for (size_t i = 0; i < fields->count; i++) {
        if (halo_bytes_equal(fields->fields[i].name, name) != 0 &&
            halo_bytes_equal(fields->fields[i].value, zero) == 0) {
            return true;
        }
    }
    return false;
}

static int promise(struct halo_stream *parent, struct kept_list *fields, bool head,
                   struct halo_stream **pushed)
{
    struct halo_session *session = parent->session;
    struct halo_stream *stream;
    int status;

    if (has_content(fields)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    stream = new_pushed(session, session->next_local_id, head);
    if (stream == NULL) {
        return HALO_E_NOMEM;
    }
    status = session_write_promise(session, parent->id, stream->id, fields);
    if (status != 0) {
        session->reserved_streams--;
        stream_undo(stream);
        return status;
    }
    session->next_local_id += 2;
    stream->headers = fields;
    session_charge(session, 0, fields->size);
    *pushed = stream;
    return 0;
}

int halo_stream_push(halo_stream *parent, const struct halo_request *request, void *user_data,
                     halo_stream **pushed)
{
    struct halo_session *session = parent->session;
    struct halo_request full;
    struct kept_list *fields;
    bool head;
    int status;

    HALO_TRY(check_push(parent));
    HALO_TRY(complete_request(parent, request, &full));
    HALO_TRY(session_compose_request(session, &full, &fields, &head));
    status = promise(parent, fields, head, pushed);
    if (status != 0) {
        memory_free(session->env->memory, fields);
        return status;
    }
    (*pushed)->user_data = user_data;
    return 0;
}

/* A client that has what was promised says so with RST_STREAM, as often as we promise: that costs
 * it nothing from the budget for resets. On streams that are gone it has no use. */
const struct fault *push_refused(struct halo_session *session, const struct halo_stream *stream)
{
    return stream != NULL ? NULL : session_useless_frame(session);
}

/* ---- the client is promised ------------------------------------------------------------ */

/* RFC 9113 6.6: the number must be one that the server has not used, and the parent a request of
 * ours that the server has not ended. One that we reset may still get promises (5.1). */
static const struct fault *check_numbers(const struct halo_session *session, uint32_t stream_id,
                                         uint32_t promised_id)
{
    struct halo_stream *parent;
    enum stream_lookup lookup;

    if (promised_id == 0 || session_is_local_id(session, promised_id) ||
        promised_id <= session->last_remote_id) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "promise of a stream that cannot be opened");
    }
    if (!session_is_local_id(session, stream_id)) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "promise on a stream that we did not open");
    }
    lookup = session_lookup(session, stream_id, &parent);
    if (lookup != LOOKUP_RESET && (lookup != LOOKUP_FOUND || parent->recv_half == HALF_DONE)) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "promise on a stream that is not open");
    }
    return NULL;
}

const struct fault *session_promise_frame(struct halo_session *session, const struct frame *frame,
                                          const uint8_t *payload, struct halo_event *event)
{
    uint32_t len = frame->len;
    uint32_t padding = 0;
    uint32_t promised_id;

    if (session->role != HALO_CLIENT || session->local.enable_push == 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "PUSH_PROMISE, which was not allowed");
    }
    if ((frame->flags & FLAG_PADDED) != 0) {
        padding = *payload++;
        len--;
    }
    if (len < 4) {
        return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "PUSH_PROMISE without a promised stream");
    }
    promised_id = load_u32(payload) & 0x7fffffff;
    payload += 4;
    len -= 4;
    if (padding > len) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "padding as long as the frame");
    }
    len -= padding;
    FAULT_TRY(check_numbers(session, frame->stream_id, promised_id));
    if (promised_id - session->last_remote_id > 2) {
        session->skipped_from = session->last_remote_id + 1;
        session->skipped_to = promised_id - 1;
    }
    session->last_remote_id = promised_id;
    if ((frame->flags & FLAG_END_HEADERS) == 0) {
        return session_block_open(session, frame, promised_id, payload, len);
    }
    if (len > session->config->limits.header_block) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "header block too long");
    }
    return session_promise_block(session, frame->stream_id, promised_id, payload, len, event);
}

/* A promise that we do not want, and the server could not know. */
static const struct fault *refuse_push(struct halo_session *session)
{
    if (!session_take_glitch(session)) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many promises refused");
    }
    return FAULT_OF(FAULT_STREAM, 1, HALO_REFUSED_STREAM, "promise refused");
}

/* Is the server authoritative for what it promises (RFC 9113 8.4, 10.1)? Never for https over
 * cleartext. */
static const struct fault *check_origin(struct halo_session *session,
                                        const struct halo_stream *parent)
{
    static const halo_bytes https = HALO_LIT("https");
    halo_header_list list = { session->env->list.fields, session->env->list.count };
    halo_bytes scheme = { 0 };
    halo_bytes authority;
    struct origin promised;
    struct origin requested;

    if (!find(list, HALO_NAME_AUTHORITY, &authority)) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "promise without :authority");
    }
    (void)find(list, HALO_NAME_SCHEME, &scheme);
    if (!session->encrypted && halo_bytes_equal(scheme, https) != 0) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "promise of https over cleartext");
    }
    if (session->push_origin == HALO_PUSH_ANY_ORIGIN) {
        return NULL;
    }
    if (parent->request == NULL) { /* requested while we did not want pushes */
        return refuse_push(session);
    }
    if (!origin_of_list(list.fields, list.count, &promised) ||
        !origin_of_list(parent->request->fields, parent->request->count, &requested) ||
        !origin_equal(&promised, &requested)) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "promise of another origin");
    }
    return NULL;
}

static const struct fault *check_promise(struct halo_session *session,
                                         const struct halo_stream *parent, struct message *message)
{
    static const halo_bytes get = HALO_LIT("GET");
    const struct hpack_list *list = &session->env->list;
    struct message_limits limits = session_message_limits(session);
    halo_bytes method = { 0 };

    if (list->dropped) {
        return STREAM_FAULT(HALO_ENHANCE_YOUR_CALM, "header list beyond the limits");
    }
    FAULT_TRY(message_check_request(list->fields, list->count, &limits, message));
    (void)find((halo_header_list){ list->fields, list->count }, HALO_NAME_METHOD, &method);
    if (!message->head && halo_bytes_equal(method, get) == 0) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "promise of a method that is not GET or HEAD");
    }
    if (message->content_length > 0) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "promise of a request with content");
    }
    return check_origin(session, parent);
}

static const struct fault *accept_promise(struct halo_session *session, struct halo_stream *parent,
                                          uint32_t promised_id, struct halo_event *event)
{
    const struct hpack_list *list = &session->env->list;
    struct kept_list *fields;
    struct halo_stream *stream;
    struct message message;

    /* SETTINGS_ENABLE_PUSH 0 is under way, not acknowledged: the server did nothing wrong. */
    if (parent == NULL || !session->push_wanted ||
        session->reserved_streams >= session->config->reserved_max ||
        session_memory_short(session)) {
        return refuse_push(session);
    }
    FAULT_TRY(check_promise(session, parent, &message));
    fields = kept_list_new(session->env->memory, list->fields, list->count);
    stream = fields != NULL ? new_pushed(session, promised_id, message.head) : NULL;
    if (stream == NULL) {
        memory_free(session->env->memory, fields);
        return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
    }
    stream->request = fields;
    session->last_accepted_id = promised_id;
    event->type = HALO_EVENT_PUSH;
    event->stream = stream;
    event->stream_id = promised_id;
    event->u.push.fields = fields->fields;
    event->u.push.count = fields->count;
    event->u.push.parent = parent;
    session_charge(session, 0, fields->size); /* last: it may end the session */
    return NULL;
}

const struct fault *session_promise_block(struct halo_session *session, uint32_t stream_id,
                                          uint32_t promised_id, const uint8_t *block, size_t len,
                                          struct halo_event *event)
{
    struct halo_stream *parent;
    const struct fault *fault;

    FAULT_TRY(session_decode(session, block, len));
    if (promised_id > session->goaway_local_id) {
        return NULL; /* RFC 9113 6.8: ignored, the peer knows from our GOAWAY */
    }
    session_lookup(session, stream_id, &parent); /* it may have been reset within the block */
    fault = accept_promise(session, parent, promised_id, event);
    if (fault == NULL || fault->scope == FAULT_CONNECTION) {
        return fault;
    }
    session_fault(session, fault, promised_id, NULL); /* of the promised stream, not the frame's */
    return NULL;
}

/* One response too many for our limit of streams. As long as the limit is not acknowledged, the
 * server cannot know of it (RFC 9113 6.5.3) and has done nothing wrong. */
static const struct fault *refuse_response(struct halo_session *session)
{
    if (session->open_remote >= session->local.max_concurrent_streams) {
        return session_refuse(session);
    }
    FAULT_TRY(session_useless_frame(session));
    return FAULT_WITH_STATUS(FAULT_STREAM, 1, HALO_E_LIMIT, HALO_REFUSED_STREAM,
                             "a limit that the server does not know yet");
}

const struct fault *push_headers_received(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    if (session->role == HALO_SERVER) { /* RFC 9113 5.1: reserved (local) */
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "HEADERS on a stream that we promised");
    }
    if (session->open_remote >= session->streams_max) {
        return refuse_response(session);
    }
    push_open(stream); /* at the first HEADERS, be it a 1xx */
    return NULL;
}

/* ---- getters --------------------------------------------------------------------------- */

halo_header_list halo_stream_promise(const halo_stream *stream)
{
    const struct kept_list *list =
        stream->session->role == HALO_SERVER ? stream->headers : stream->request;

    return (stream->flags & STREAM_PUSHED) != 0 ? (halo_header_list){ list->fields, list->count }
                                                : (halo_header_list){ 0 };
}

int halo_stream_push_allowed(const halo_stream *stream)
{
    return stream->session->role == HALO_SERVER && stream->session->remote.enable_push != 0;
}
