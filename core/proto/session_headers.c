/*
 * Calls that send header blocks: responses, informational responses, requests, trailers.
 *
 * Everything is checked before the encoder is touched, so an error leaves no trace. A block is
 * encoded once, straight into the output, when its place on the wire is fixed: in the call, or, for
 * requests that wait and trailers behind a body, when their turn comes; those keep a copy of the
 * fields until then.
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"
#include "core/proto/message.h"
#include "core/proto/padding.h"
#include "core/proto/session_extension.h"

/* The parts of one block, in order. */
struct block_parts {
    const halo_header *pseudo;
    size_t pseudo_count;
    const halo_header *prepared;
    size_t prepared_count;
    uint64_t prepared_identity;
    size_t prepared_bound;
    const halo_header *fields;
    size_t fields_count;
};

enum {
    /* A plain list up to this is copied with what the check finds out about its names; a longer one
     * is used as it is, and the encoder finds out again. */
    CHECKED_MAX = LIMIT_SHORT_WAY,
};

/* Splits the user's headers into parts and checks the plain ones. `checked` is room for CHECKED_MAX
 * fields. *mixed: names to be put in lower case. */
static int take_parts(const struct halo_session *session, struct block_parts *parts,
                      const halo_headers *headers, halo_header *checked, bool *mixed)
{
    *mixed = false;
    if (headers == NULL) {
        return 0;
    }
    if (headers->set != NULL) {
        parts->prepared = halo_header_set_fields(headers->set, &parts->prepared_count);
        parts->prepared_identity = header_set_identity(headers->set);
        parts->prepared_bound = header_set_bound(headers->set);
    }
    if (headers->count == 0) {
        return 0;
    }
    if (headers->count > CHECKED_MAX) {
        checked = NULL;
    }
    parts->fields = checked != NULL ? checked : headers->fields;
    parts->fields_count = headers->count;
    HALO_TRY(message_check_sent(checked, headers->fields, headers->count, mixed));
    return message_repeats_single(parts->fields, parts->fields_count, checked != NULL && !*mixed) &&
                   !session->loose_single_value
               ? HALO_E_HEADER_SINGLE_VALUE
               : 0;
}

/* All parts as one list, names in lower case. */
static struct kept_list *keep_parts(struct memory *memory, const struct block_parts *parts)
{
    size_t count = parts->pseudo_count + parts->prepared_count + parts->fields_count;
    halo_header *joined = memory_alloc(memory, (count + 1) * sizeof(halo_header));
    struct kept_list *list;
    size_t at = 0;

    if (joined == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < parts->pseudo_count; i++) {
        joined[at++] = parts->pseudo[i];
    }
    for (size_t i = 0; i < parts->prepared_count; i++) {
        joined[at++] = parts->prepared[i];
    }
    for (size_t i = 0; i < parts->fields_count; i++) {
        joined[at++] = parts->fields[i];
    }
    list = kept_list_new(memory, joined, count);
    memory_free(memory, joined);
    if (list == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        char *name = (char *)(uintptr_t)list->fields[i].name.data;

        for (size_t j = 0; j < list->fields[i].name.len; j++) {
            name[j] = name[j] >= 'A' && name[j] <= 'Z' ? (char)(name[j] | 0x20) : name[j];
        }
    }
    return list;
}

/* ---- encoding -------------------------------------------------------------------------- */

static size_t parts_bound(const struct block_parts *parts)
{
    return hpack_encode_bound(parts->pseudo, parts->pseudo_count) + parts->prepared_bound +
           hpack_encode_bound(parts->fields, parts->fields_count);
}

static uint8_t *encode_parts(struct hpack_encoder *encoder, uint8_t *out,
                             const struct block_parts *parts)
{
    out = hpack_encode(encoder, out, true, parts->pseudo, parts->pseudo_count);
    if (parts->prepared_count > 0) {
        out = hpack_encode_prepared(encoder, out, false, parts->prepared, parts->prepared_count,
                                    parts->prepared_identity);
    }
    if (parts->fields_count > 0) {
        out = hpack_encode(encoder, out, false, parts->fields, parts->fields_count);
    }
    return out;
}

/* The encoder left an insertion out since its table is small: the next one will find room. */
static void grow_encoder_table(struct halo_session *session)
{
    struct hpack_table *table = &session->encoder.table;
    size_t size = hpack_table_room_wanted(table);
    void *memory = memory_alloc(session->env->memory, size);

    session->encoder.wants_room = false;
    if (memory != NULL) {
        memory_free(session->env->memory, hpack_table_move(table, memory, size));
    }
}

/* A block is in the output. */
static void after_block(struct halo_session *session)
{
    if (HALO_UNLIKELY(session->encoder.wants_room)) {
        grow_encoder_table(session);
    }
    session_wake(session);
}

/* HEADERS of a block that fits in one frame, with padding (6.2). */
static void write_padded(struct halo_session *session, uint32_t stream_id, uint8_t flags,
                         const uint8_t *block, uint32_t len)
{
    uint32_t room = min_u32(session->remote.max_frame_size, LIMIT_FRAME_SIZE_MIN);
    uint32_t padding = padding_for(session->padding, len, room);
    uint8_t *frame = frame_reserve(session, len + padding, FRAME_HEADERS,
                                   (uint8_t)(flags | FLAG_END_HEADERS), stream_id);
    uint8_t *end;

    if (frame == NULL) {
        return;
    }
    memcpy(frame + FRAME_HEADER_LEN, block, len);
    end = frame + FRAME_HEADER_LEN + len;
    if (padding > 0) {
        end = padding_put(frame, len, padding);
    }
    frame_commit(session, frame, end);
}

/* A block larger than a frame: HEADERS and CONTINUATION (RFC 9113 6.10), or a promise:
 * PUSH_PROMISE, where the promised stream's number goes in front (6.6); promised_id 0: HEADERS. Or
 * one that gets padding, whose length is known behind the encoding. */
static int write_long_block(struct halo_session *session, uint32_t stream_id, uint8_t flags,
                            uint32_t promised_id, const struct block_parts *parts, size_t bound)
{
    uint8_t *block = memory_alloc(session->env->memory, bound + 4);
    uint8_t type = promised_id != 0 ? FRAME_PUSH_PROMISE : FRAME_HEADERS;
    const uint8_t *at = block;
    const uint8_t *end;

    if (block == NULL) {
        return HALO_E_NOMEM;
    }
    if (promised_id != 0) {
        store_u32(block, promised_id);
    }
    end = encode_parts(&session->encoder, block + (promised_id != 0 ? 4 : 0), parts);
    if (session->padding != HALO_PADDING_NONE && promised_id == 0 &&
        end - block <= LIMIT_FRAME_SIZE_MIN) {
        write_padded(session, stream_id, flags, block, (uint32_t)(end - block));
        at = end;
    }
    while (at < end) {
        uint32_t len = (uint32_t)min_size(
            (size_t)(end - at), min_u32(session->remote.max_frame_size, LIMIT_FRAME_SIZE_MIN));
        uint8_t last = at + len == end ? FLAG_END_HEADERS : 0;
        uint8_t *frame = frame_reserve(session, len, type, (uint8_t)(flags | last), stream_id);

        if (frame == NULL) {
            break; /* output.failed: the connection ends, so the table does not matter any more */
        }
        memcpy(frame + FRAME_HEADER_LEN, at, len);
        frame_commit(session, frame, frame + FRAME_HEADER_LEN + len);
        at += len;
        type = FRAME_CONTINUATION;
        flags = 0; /* END_STREAM belongs to HEADERS alone */
    }
    memory_free(session->env->memory, block);
    return session->output.failed ? HALO_E_NOMEM : 0;
}

static int write_block(struct halo_session *session, uint32_t stream_id, bool end_stream,
                       const struct block_parts *parts)
{
    size_t bound = parts_bound(parts);
    uint8_t flags = end_stream ? FLAG_END_STREAM : 0;
    uint8_t *frame;
    uint8_t *end;

    if (HALO_UNLIKELY(bound > session->limits.send_block)) {
        return HALO_E_HEADER_BLOCK_TOO_LONG;
    }
    if (HALO_UNLIKELY(bound > LIMIT_FRAME_SIZE_MIN || session->padding != HALO_PADDING_NONE)) {
        HALO_TRY(write_long_block(session, stream_id, flags, 0, parts, bound));
    } else {
        frame = output_reserve(&session->output, FRAME_HEADER_LEN + bound);
        if (frame == NULL) {
            return HALO_E_NOMEM;
        }
        end = encode_parts(&session->encoder, frame + FRAME_HEADER_LEN, parts);
        frame_header_store(frame, (uint32_t)(end - frame) - FRAME_HEADER_LEN, FRAME_HEADERS,
                           flags | FLAG_END_HEADERS, stream_id);
        session_count_sent(session, FRAME_HEADERS);
        frame_commit(session, frame, end);
    }
    after_block(session);
    return 0;
}

static int write_kept(struct halo_session *session, uint32_t stream_id, bool end_stream,
                      const struct kept_list *list)
{
    struct block_parts parts = { .fields = list->fields, .fields_count = list->count };

    return write_block(session, stream_id, end_stream, &parts);
}

/* Encodes now, with names in lower case if need be. */
static int write_parts(struct halo_session *session, uint32_t stream_id, bool end_stream,
                       const struct block_parts *parts, bool mixed)
{
    struct kept_list *list;
    int status;

    if (HALO_LIKELY(!mixed)) {
        return write_block(session, stream_id, end_stream, parts);
    }
    list = keep_parts(session->env->memory, parts);
    if (list == NULL) {
        return HALO_E_NOMEM;
    }
    status = write_kept(session, stream_id, end_stream, list);
    memory_free(session->env->memory, list);
    return status;
}

/* Option keep_sent_headers. */
static void keep_sent(struct halo_stream *stream, enum sent_block kind,
                      const struct block_parts *parts)
{
    stream_keep_sent(stream, kind, keep_parts(stream->session->env->memory, parts));
}

/* ---- responses ------------------------------------------------------------------------- */

static halo_header status_field(int status, char digits[3])
{
    halo_header field = { .name = HALO_LIT(":status"), .token = HALO_NAME_STATUS };

    digits[0] = (char)('0' + status / 100);
    digits[1] = (char)('0' + status / 10 % 10);
    digits[2] = (char)('0' + status % 10);
    field.value = (halo_bytes){ digits, 3 };
    return field;
}

static int check_respond(const struct halo_stream *stream, int status)
{
    if (HALO_UNLIKELY((stream->flags & (STREAM_CLOSED | STREAM_RESERVED | STREAM_LOCAL)) != 0)) {
        HALO_TRY(push_check_open(stream));
    }
    if (stream->send_half != HALF_HEADERS) {
        return HALO_E_HEADERS_SENT;
    }
    if (status == 101) {
        return HALO_E_STATUS_101;
    }
    return status < 200 || status > 599 ? HALO_E_STATUS_INVALID : 0;
}

enum {
    /* Octets that fields like those before can take: an index for each, and a prepared set. */
    REPEATED_ROOM = FRAME_HEADER_LEN + 1 + HPACK_PREPARED_MAX + CHECKED_MAX,
};

/* The fields behind the first new one: checked, then encoded. The frame begins at `start` and has
 * got as far as `out`. HALO_E_AGAIN: not here. */
static int encode_rest(struct halo_session *session, const uint8_t *start, uint8_t **out,
                       const halo_headers *headers, size_t done)
{
    const halo_header *fields = headers->fields + done;
    size_t count = headers->count - done;
    halo_header checked[CHECKED_MAX];
    size_t bound = (size_t)(*out - start) + hpack_encode_bound(fields, count);
    bool mixed;

    HALO_TRY(message_check_sent(checked, fields, count, &mixed));
    if (mixed || bound > LIMIT_FRAME_SIZE_MIN || bound > session->limits.send_block ||
        output_reserve(&session->output, bound) != start) {
        return HALO_E_AGAIN;
    }
    if (!session->loose_single_value &&
        (message_repeats_single(checked, count, true) ||
         message_repeats_before(headers->fields, done, checked, count))) {
        return HALO_E_HEADER_SINGLE_VALUE;
    }
    *out = hpack_encode(&session->encoder, *out, false, checked, count);
    return 0;
}

/* Responses are much like those before. What is the same as in the last block was checked then, so
 * only what is new is looked at. Nothing is changed before that is done. Returns 0, an error of the
 * new fields, or HALO_E_AGAIN when the block has to be written the long way. */
static int write_like_before(struct halo_session *session, uint32_t stream_id, bool end_stream,
                             const halo_header *pseudo, const halo_headers *headers)
{
    struct hpack_encoder *encoder = &session->encoder;
    uint8_t *frame = output_reserve(&session->output, REPEATED_ROOM);
    uint8_t *out;
    size_t done;

    if (HALO_UNLIKELY((int64_t)headers->count > session->short_way_max || frame == NULL)) {
        return frame == NULL ? HALO_E_NOMEM : HALO_E_AGAIN;
    }
    out = hpack_encode_repeated(encoder, frame + FRAME_HEADER_LEN, true, pseudo, 1, &done);
    if (HALO_UNLIKELY(done == 0)) {
        return HALO_E_AGAIN;
    }
    if (headers->set != NULL) {
        out = hpack_encode_kept(encoder, out, header_set_identity(headers->set));
        if (HALO_UNLIKELY(out == NULL)) {
            return HALO_E_AGAIN;
        }
    }
    if (headers->count > 0) {
        out = hpack_encode_repeated(encoder, out, false, headers->fields, headers->count, &done);
        if (done < headers->count) {
            HALO_TRY(encode_rest(session, frame, &out, headers, done));
        }
    }
    frame_header_store(frame, (uint32_t)(out - frame) - FRAME_HEADER_LEN, FRAME_HEADERS,
                       FLAG_END_HEADERS | (end_stream ? FLAG_END_STREAM : 0), stream_id);
    session_count_sent(session, FRAME_HEADERS);
    frame_commit(session, frame, out);
    after_block(session);
    return 0;
}

static __attribute__((noinline)) int write_long_way(struct halo_stream *stream,
                                                    enum sent_block kind, bool end_stream,
                                                    const halo_header *pseudo,
                                                    const halo_headers *headers)
{
    struct halo_session *session = stream->session;
    halo_header checked[CHECKED_MAX];
    struct block_parts parts = { .pseudo = pseudo, .pseudo_count = 1 };
    bool mixed;

    HALO_TRY(take_parts(session, &parts, headers, checked, &mixed));
    HALO_TRY(write_parts(session, stream->id, end_stream, &parts, mixed));
    if (session->keep_sent) {
        keep_sent(stream, kind, &parts);
    }
    return 0;
}

static int write_response(struct halo_stream *stream, int status, const halo_headers *headers,
                          bool end)
{
    static const halo_headers none = { 0 };
    char digits[3];
    halo_header pseudo = status_field(status, digits);
    int result;

    headers = headers != NULL ? headers : &none;
    result = write_like_before(stream->session, stream->id, end, &pseudo, headers);
    if (HALO_UNLIKELY(result == HALO_E_AGAIN)) {
        result = write_long_way(stream, status < 200 ? SENT_INFORMATION : SENT_HEADERS, end,
                                &pseudo, headers);
    }
    return result;
}

int halo_stream_respond(halo_stream *stream, int status, const halo_headers *headers,
                        unsigned flags)
{
    bool no_payload = status == 204 || status == 205 || status == 304;
    bool end = (flags & HALO_END_STREAM) != 0 || no_payload || (stream->flags & STREAM_HEAD) != 0;

    HALO_TRY(check_respond(stream, status));
    HALO_TRY(write_response(stream, status, headers, end));
    stream->activity_ns = stream->session->now_ns;
    stream->flags |= STREAM_HEADERS_SENT | (no_payload ? STREAM_NO_PAYLOAD : 0);
    stream_advance(stream, false, end ? INPUT_HEADERS_END : INPUT_HEADERS);
    if (HALO_UNLIKELY((stream->flags & STREAM_RESERVED) != 0)) {
        push_open(stream);
    }
    if (end) {
        stream_sent_end(stream);
    } else if ((flags & HALO_WAIT_FOR_TRAILERS) != 0) {
        stream->flags |= STREAM_WAIT_TRAILERS;
    }
    return 0;
}

int halo_stream_inform(halo_stream *stream, int status, const halo_headers *headers)
{
    if ((stream->flags & (STREAM_CLOSED | STREAM_RESERVED)) != 0) {
        HALO_TRY(push_check_open(stream));
    }
    if (stream->session->role == HALO_CLIENT) {
        return HALO_E_WRONG_STATE;
    }
    if (stream->send_half != HALF_HEADERS) {
        return HALO_E_HEADERS_AFTER_RESPOND;
    }
    if (status == 101) {
        return HALO_E_STATUS_101;
    }
    if (status < 100 || status > 199) {
        return HALO_E_INVALID_INFO_STATUS;
    }
    HALO_TRY(write_response(stream, status, headers, false));
    if ((stream->flags & STREAM_RESERVED) != 0) {
        push_open(stream);
    }
    stream->activity_ns = stream->session->now_ns;
    return 0;
}

/* ---- trailers -------------------------------------------------------------------------- */

static int check_trailers(const struct halo_stream *stream)
{
    if ((stream->flags & STREAM_TRAILERS_QUEUED) != 0) {
        return HALO_E_TRAILERS_ALREADY_SENT;
    }
    if ((stream->flags & STREAM_CLOSED) != 0) {
        return HALO_E_INVALID_STREAM;
    }
    if (stream->send_half == HALF_DONE) {
        return HALO_E_TRAILERS_ALREADY_SENT;
    }
    if ((stream->flags & STREAM_END_QUEUED) != 0 && (stream->flags & STREAM_WAIT_TRAILERS) == 0) {
        return HALO_E_WRITE_AFTER_END;
    }
    if (stream->source.read != NULL ||
        (stream->send_half == HALF_HEADERS && (stream->flags & STREAM_WAITING) == 0)) {
        return HALO_E_TRAILERS_NOT_READY;
    }
    return 0;
}

int halo_stream_trailers(halo_stream *stream, const halo_headers *headers)
{
    halo_header checked[CHECKED_MAX];
    struct block_parts parts = { 0 };
    bool mixed;

    if ((stream->flags & (STREAM_HEAD | STREAM_LOCAL | STREAM_HEADERS_SENT)) ==
        (STREAM_HEAD | STREAM_HEADERS_SENT)) {
        return 0;
    }
    HALO_TRY(check_trailers(stream));
    HALO_TRY(take_parts(stream->session, &parts, headers, checked, &mixed));
    if (parts_bound(&parts) > stream->session->limits.send_block) {
        return HALO_E_HEADER_BLOCK_TOO_LONG;
    }
    stream->trailers = keep_parts(stream->session->env->memory, &parts);
    if (stream->trailers == NULL) {
        return HALO_E_NOMEM;
    }
    stream->flags &= ~(uint32_t)STREAM_WAIT_TRAILERS;
    stream->flags |= STREAM_TRAILERS_QUEUED;
    if (stream->write_first == NULL && (stream->flags & STREAM_WAITING) == 0) {
        stream_write_trailers(stream);
    }
    return 0;
}

/* The rare ends of sending trailers. Returns what is to be freed. */
static struct kept_list *after_trailers(struct halo_stream *stream, struct kept_list *fields,
                                        int status)
{
    if (status == HALO_E_HEADER_BLOCK_TOO_LONG) {
        stream_frame_error(stream, status);
    } else if (status != 0) {
        session_out_of_memory(stream->session);
    } else {
        stream_keep_sent(stream, SENT_TRAILERS, fields);
        return NULL;
    }
    return fields;
}

void stream_write_trailers(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    struct kept_list *fields = stream->trailers;
    bool empty = fields->count == 0;
    int status;

    stream->trailers = NULL;
    if (empty) { /* a block without fields would be legal and useless: just the end */
        memory_free(session->env->memory, fields);
        stream->flags &= ~(uint32_t)STREAM_TRAILERS_QUEUED;
        stream->flags |= STREAM_END_QUEUED;
        if (!stream_write_now(stream, "", 0, true)) {
            stream_schedule(stream);
        }
        return;
    }
    status = write_kept(session, stream->id, true, fields);
    if (HALO_UNLIKELY(status != 0 || session->keep_sent)) {
        fields = after_trailers(stream, fields, status);
    }
    memory_free(session->env->memory, fields);
    if (status != 0) {
        return;
    }
    stream->activity_ns = session->now_ns;
    stream_advance(stream, false, INPUT_TRAILERS);
    stream_sent_end(stream);
}

/* ---- requests -------------------------------------------------------------------------- */

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
    return session->waiting_count >= session->limits.requests_queued ? HALO_E_LIMIT : 0;
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
    stream->request = keep_parts(session->env->memory, parts);
    return stream->request != NULL ? 0 : HALO_E_NOMEM;
}

/* Gives the stream its number and writes its request. */
static int start_request(struct halo_stream *stream, const struct block_parts *parts, bool end,
                         bool mixed)
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
    HALO_TRY(write_parts(session, stream->id, end, parts, mixed));
    stream->request_end = session->octets_sent + session->output.len;
    stream->flags |= STREAM_HEADERS_SENT;
    stream->activity_ns = session->now_ns;
    if (HALO_UNLIKELY(session->keep_sent)) {
        keep_sent(stream, SENT_HEADERS, parts);
    }
    stream_advance(stream, false, end ? INPUT_HEADERS_END : INPUT_HEADERS);
    stream_wait(stream, end ? WAIT_PEER : WAIT_APPLICATION);
    return 0;
}

static int queue_request(struct halo_stream *stream, const struct block_parts *parts, bool end)
{
    struct halo_session *session = stream->session;

    stream->request = keep_parts(session->env->memory, parts);
    if (stream->request == NULL) {
        return HALO_E_NOMEM;
    }
    stream->flags |= STREAM_WAITING | (end ? STREAM_END_QUEUED : 0);
    stream_wait(stream, WAIT_PLACE);
    list_push_back(&session->waiting, &stream->queue);
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

/* A request that could not be made leaves nothing behind: neither a number nor an event. */
static void undo_request(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    undo_number(stream);
    memory_free(session->env->memory, stream->request);
    list_remove(&stream->all);
    session->streams_opened--;
    slab_give(&session->env->streams, stream);
    session_idle_update(session);
}

int session_compose_request(struct halo_session *session, const struct halo_request *request,
                            struct kept_list **fields, bool *head)
{
    halo_header pseudo[5];
    halo_header checked[CHECKED_MAX];
    struct block_parts parts = { .pseudo = pseudo };
    bool mixed;

    HALO_TRY(request_pseudo(session, request, pseudo, &parts.pseudo_count, head));
    HALO_TRY(take_parts(session, &parts, &request->headers, checked, &mixed));
    if (parts_bound(&parts) > session->limits.send_block) {
        return HALO_E_HEADER_BLOCK_TOO_LONG;
    }
    *fields = keep_parts(session->env->memory, &parts);
    return *fields != NULL ? 0 : HALO_E_NOMEM;
}

int session_write_promise(struct halo_session *session, uint32_t stream_id, uint32_t promised_id,
                          const struct kept_list *fields)
{
    struct block_parts parts = { .fields = fields->fields, .fields_count = fields->count };

    HALO_TRY(write_long_block(session, stream_id, 0, promised_id, &parts, parts_bound(&parts)));
    after_block(session);
    return 0;
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
    bool mixed;
    bool head;
    bool connect;
    int status;

    HALO_TRY(check_session_for_request(session));
    HALO_TRY(request_pseudo(session, request, pseudo, &parts.pseudo_count, &head));
    connect = is_connect(&parts);
    HALO_TRY(
        session_request_priority(session, request, pseudo, &parts.pseudo_count, priority_text));
    HALO_TRY(take_parts(session, &parts, &request->headers, checked, &mixed));
    if (parts_bound(&parts) > session->limits.send_block) {
        return HALO_E_HEADER_BLOCK_TOO_LONG;
    }
    made = stream_new(session, true);
    if (made == NULL) {
        return HALO_E_NOMEM;
    }
    made->user_data = user_data;
    made->flags |= (head ? STREAM_HEAD : 0) | (connect ? STREAM_CONNECT : 0) |
                   ((flags & HALO_WAIT_FOR_TRAILERS) != 0 && !end ? STREAM_WAIT_TRAILERS : 0);
    if (session->waiting_count > 0 ||
        session->open_local >= session->remote.max_concurrent_streams) {
        status = queue_request(made, &parts, end);
    } else {
        status = start_request(made, &parts, end, mixed);
    }
    if (status != 0) {
        undo_request(made);
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
    status = start_request(stream, &parts, end, false);
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
        start_waiting(session, LIST_ITEM(session->waiting.next, struct halo_stream, queue));
    }
}
