/*
 * Requests: their pseudo-header fields, their numbers, and those that wait for a place because the
 * peer allows no more streams (RFC 9113 5.1.2).
 */
#include "core/proto/block_parts.h"
#include "core/proto/message.h"
#include "core/proto/session_extension.h"

static int check_session_for_request(const struct halo_session *session)
{
    if (session->role != HALO_CLIENT) {
        return HALO_E_WRONG_STATE;
    }
    if (session->state >= SESSION_ENDING) {
        return HALO_E_INVALID_SESSION;
    }
    if (session->state == SESSION_DRAINING || session->goaway_received) {
        return HALO_E_GOAWAY_SESSION;
    }
    if (session->next_local_id + 2 * session->waiting_count > LIMIT_STREAM_ID_MAX) {
        return HALO_E_OUT_OF_STREAMS;
    }
    return session->waiting_count >= session->config->limits.requests_queued ? HALO_E_LIMIT : 0;
}

static void add_pseudo(halo_header *fields, size_t *count, uint16_t token, halo_bytes value)
{
    fields[(*count)++] = (halo_header){
        .name = halo_name_text(token),
        .value = value,
        .token = token,
        .flags = hpack_value_flags(value),
    };
}

/* Fills in the defaults and writes the pseudo-header fields in the order servers know best. */
static int request_pseudo(const struct halo_session *session, const struct halo_request *request,
                          halo_header *fields, size_t *count, bool *head)
{
    halo_bytes get = HALO_LIT("GET");
    halo_bytes https = HALO_LIT("https");
    halo_bytes slash = HALO_LIT("/");
    halo_bytes connect = HALO_LIT("CONNECT");
    halo_bytes some_host = HALO_LIT("x");
    halo_bytes method = request->method.len > 0 ? request->method : get;
    bool is_connect = halo_bytes_equal(method, connect) != 0;
    bool extended = request->protocol.len > 0;
    struct message_limits limits = { .fields = 8, .extended_connect = true };
    struct message message;
    size_t checked;

    *count = 0;
    add_pseudo(fields, count, HALO_NAME_METHOD, method);
    if (is_connect && request->authority.len == 0) {
        return HALO_E_CONNECT_AUTHORITY;
    }
    if (is_connect && !extended) {
        if (request->path.len > 0 || request->scheme.len > 0) {
            return request->path.len > 0 ? HALO_E_CONNECT_PATH : HALO_E_CONNECT_SCHEME;
        }
    } else {
        add_pseudo(fields, count, HALO_NAME_SCHEME,
                   request->scheme.len > 0 ? request->scheme : https);
        add_pseudo(fields, count, HALO_NAME_PATH, request->path.len > 0 ? request->path : slash);
    }
    if (request->authority.len > 0) {
        add_pseudo(fields, count, HALO_NAME_AUTHORITY, request->authority);
    }
    if (extended) {
        if (!is_connect || session->remote.enable_connect_protocol == 0) {
            return HALO_E_CONNECT_PROTOCOL;
        }
        add_pseudo(fields, count, HALO_NAME_PROTOCOL, request->protocol);
    }
    checked = *count;
    if (request->authority.len == 0) {
        add_pseudo(fields, &checked, HALO_NAME_AUTHORITY,
                   some_host); /* one may be in a host field */
    }
    if (message_check_request(fields, checked, &limits, &message) != NULL) {
        return HALO_E_INVALID_HEADER_VALUE;
    }
    for (size_t i = 0; i < *count; i++) {
        if (fields[i].flags != 0) {
            return HALO_E_INVALID_HEADER_VALUE;
        }
    }
    *head = method.len == 4 && memcmp(method.data, "HEAD", 4) == 0;
    return 0;
}

/* Keeps what is requested with the stream, when somebody will ask. */
static int keep_request(struct halo_stream *stream, const struct block_parts *parts)
{
    struct halo_session *session = stream->session;
    const halo_header *fields = parts->pseudo_count > 0 ? parts->pseudo : parts->fields;
    size_t count = parts->pseudo_count > 0 ? parts->pseudo_count : parts->fields_count;

    if (!session_will_ask(session, fields, count)) {
        return 0;
    }
    stream->request = parts_keep(session->env->memory, parts);
    return stream->request != NULL ? 0 : HALO_E_NOMEM;
}

/* Gives the stream its number and writes its request. */
static int start_request(struct halo_stream *stream, const struct block_parts *parts, bool end,
                         unsigned notes)
{
    struct halo_session *session = stream->session;

    if (HALO_UNLIKELY(session->keep_requests)) {
        HALO_TRY(keep_request(stream, parts));
    }
    stream->id = session->next_local_id;
    if (!stream_store_add(&session->store, session->env->memory, stream)) {
        stream->id = 0;
        return HALO_E_NOMEM;
    }
    session->next_local_id += 2;
    session->open_local++;
    session->idle_deadline_ns = UINT64_MAX;
    HALO_TRY(parts_write(session, stream->id, end, parts, notes));
    stream->request_end = session->octets_sent + session->output.len;
    stream->flags |= STREAM_HEADERS_SENT;
    stream->activity_ns = session->now_ns;
    if (HALO_UNLIKELY(session->keep_sent)) {
        parts_keep_sent(stream, SENT_HEADERS, parts);
    }
    stream_advance(stream, false, end ? INPUT_HEADERS_END : INPUT_HEADERS);
    stream_wait(stream, end ? WAIT_PEER : WAIT_APPLICATION);
    return 0;
}

static int queue_request(struct halo_stream *stream, const struct block_parts *parts, bool end)
{
    struct halo_session *session = stream->session;

    stream->request = parts_keep(session->env->memory, parts);
    if (stream->request == NULL) {
        return HALO_E_NOMEM;
    }
    stream->flags |= STREAM_WAITING | (end ? STREAM_END_QUEUED : 0);
    stream_wait(stream, WAIT_PLACE);
    list_push_back(&session->lines->waiting, &stream->queue);
    session->waiting_count++;
    return 0;
}

/* Gives the number back that start_request() gave. */
static void undo_number(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    if (stream->id != 0) {
        stream_store_remove(&session->store, stream);
        session->next_local_id -= 2;
        session->open_local--;
        stream->id = 0;
    }
}

/* RFC 9113 8.3.1: a host beside :authority says the same. */
static int check_host(const struct block_parts *parts)
{
    for (size_t i = 0; i < parts->pseudo_count; i++) {
        const halo_header *field = &parts->pseudo[i];

        if (field->token == HALO_NAME_AUTHORITY &&
            (!message_hosts_agree(field->value, parts->prepared, parts->prepared_count) ||
             !message_hosts_agree(field->value, parts->fields, parts->fields_count))) {
            return HALO_E_INVALID_HEADER_VALUE;
        }
    }
    return 0;
}

int session_compose_request(struct halo_session *session, const struct halo_request *request,
                            struct kept_list **fields, bool *head)
{
    halo_header pseudo[5];
    halo_header checked[CHECKED_MAX];
    struct block_parts parts = { .pseudo = pseudo };
    unsigned notes;

    HALO_TRY(request_pseudo(session, request, pseudo, &parts.pseudo_count, head));
    HALO_TRY(parts_take(session, &parts, &request->headers, checked, &notes));
    if (HALO_UNLIKELY((notes & HEADER_HAS_HOST) != 0)) {
        HALO_TRY(check_host(&parts));
    }
    if (parts_bound(&parts) > session->config->limits.send_block) {
        return HALO_E_HEADER_BLOCK_TOO_LONG;
    }
    *fields = parts_keep(session->env->memory, &parts);
    return *fields != NULL ? 0 : HALO_E_NOMEM;
}

/* CONNECT has two pseudo-header fields and its extended form all five; other requests have three or
 * four. */
static bool is_connect(const struct block_parts *parts)
{
    return parts->pseudo_count == 2 || parts->pseudo_count == 5;
}

int halo_session_request(halo_session *session, const struct halo_request *request, unsigned flags,
                         void *user_data, halo_stream **stream)
{
    halo_header pseudo[6]; /* and the field priority */
    char priority_text[HALO_PRIORITY_TEXT_MAX];
    halo_header checked[CHECKED_MAX];
    struct block_parts parts = { .pseudo = pseudo };
    bool end = (flags & HALO_END_STREAM) != 0;
    struct halo_stream *made;
    unsigned notes;
    bool head;
    bool connect;
    int status;

    HALO_TRY(check_session_for_request(session));
    HALO_TRY(request_pseudo(session, request, pseudo, &parts.pseudo_count, &head));
    connect = is_connect(&parts);
    HALO_TRY(
        session_request_priority(session, request, pseudo, &parts.pseudo_count, priority_text));
    HALO_TRY(parts_take(session, &parts, &request->headers, checked, &notes));
    if (HALO_UNLIKELY((notes & HEADER_HAS_HOST) != 0)) {
        HALO_TRY(check_host(&parts));
    }
    if (parts_bound(&parts) > session->config->limits.send_block) {
        return HALO_E_HEADER_BLOCK_TOO_LONG;
    }
    made = stream_new(session, true);
    if (made == NULL) {
        return HALO_E_NOMEM;
    }
    stream_window_init(made);
    made->user_data = user_data;
    made->flags |= (head ? STREAM_HEAD : 0) | (connect ? STREAM_CONNECT : 0) |
                   ((flags & HALO_WAIT_FOR_TRAILERS) != 0 && !end ? STREAM_WAIT_TRAILERS : 0);
    if (session->waiting_count > 0 ||
        session->open_local >= session->remote.max_concurrent_streams) {
        status = queue_request(made, &parts, end);
    } else {
        status = start_request(made, &parts, end, notes);
    }
    if (status != 0) {
        undo_number(made); /* a request that could not be made leaves nothing behind */
        stream_undo(made);
        return status;
    }
    if (HALO_UNLIKELY(request->priority != NULL || request->dependency != NULL)) {
        stream_requested_priority(made, request);
    }
    *stream = made;
    return 0;
}

/* A waiting request whose turn has come. Its body, if any, is queued behind it. */
static void start_waiting(struct halo_session *session, struct halo_stream *stream)
{
    struct kept_list *fields = stream->request;
    struct block_parts parts = { .fields = fields->fields, .fields_count = fields->count };
    bool trailers = (stream->flags & STREAM_TRAILERS_QUEUED) != 0;
    bool end = (stream->flags & STREAM_END_QUEUED) != 0 && stream->write_first == NULL &&
               stream->source.read == NULL && !trailers &&
               (stream->flags & STREAM_WAIT_TRAILERS) == 0;
    int status;

    list_remove(&stream->queue);
    stream->flags &= ~(uint32_t)STREAM_WAITING;
    session->waiting_count--;
    stream->request = NULL;
    status = start_request(stream, &parts, end, 0);
    if (status == HALO_E_HEADER_BLOCK_TOO_LONG) {
        undo_number(stream);
        stream_frame_error(stream, status);
    } else if (status != 0) {
        session_out_of_memory(session);
    } else {
        stream_note(stream, NOTE_READY);
        stream_send_late_priority(stream);
        if (trailers && stream->write_first == NULL && stream->source.read == NULL) {
            stream_write_trailers(stream);
        }
        stream_schedule(stream);
    }
    memory_free(session->env->memory, fields);
}

void session_start_waiting(struct halo_session *session)
{
    while (session->waiting_count > 0 && session->state < SESSION_ENDING &&
           session->open_local < session->remote.max_concurrent_streams) {
        start_waiting(session, LIST_ITEM(session->lines->waiting.next, struct halo_stream, queue));
    }
}
