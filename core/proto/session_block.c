/*
 * Header blocks (RFC 9113 4.3): HEADERS and its CONTINUATION frames, decoded as one, and what the
 * list then means for its stream.
 *
 * A block in one frame is decoded where it lies. One in several frames is gathered first (at most
 * limits.header_block octets), so memory is held in the measure of what the peer has sent, and a
 * half block costs no decoding. Every block is decoded, also those of streams that are refused or
 * gone: the dynamic table must follow (4.3).
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

void session_block_drop(struct halo_session *session)
{
    memory_free(session->env->memory, session->block.octets);
    session->block = (struct open_block){ .deadline_ns = UINT64_MAX };
}

/* ---- decoding -------------------------------------------------------------------------- */

static void list_set_limits(const struct halo_session *session, struct hpack_list *list)
{
    const struct halo_limits *limits = &session->config->limits;

    list->size_max = limits->header_list_size;
    list->size_hard = (uint32_t)min_u64(UINT32_MAX, (uint64_t)limits->header_list_size *
                                                        LIMIT_HEADER_HARD_FACTOR);
    list->fields_hard = max_u32(LIMIT_HEADER_FIELDS_HARD, limits->header_fields);
    list->string_max = limits_longest_string(limits);
}

static const struct fault *grow_table(struct halo_session *session, struct hpack_table *table)
{
    size_t size = hpack_table_room_wanted(table);
    void *memory = memory_alloc(session->env->memory, size);

    if (memory == NULL) {
        return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
    }
    memory_free(session->env->memory, hpack_table_move(table, memory, size));
    return NULL;
}

/* Option strict_field_whitespace is off: white space at the ends of a value says nothing. */
static void allow_whitespace(struct hpack_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        list->fields[i].flags &= (uint16_t)~HPACK_FIELD_VALUE_SPACE;
    }
}

/* A name, or the value of any field but a cookie, is longer than the limit. */
static __attribute__((noinline, cold)) bool has_long_string(const struct hpack_list *list,
                                                            uint32_t len_max)
{
    for (size_t i = 0; i < list->count; i++) {
        const halo_header *field = &list->fields[i];

        if (field->name.len > len_max ||
            (field->value.len > len_max && field->token != HALO_NAME_COOKIE)) {
            return true;
        }
    }
    return false;
}

const struct fault *session_decode(struct halo_session *session, const uint8_t *block, size_t len)
{
    struct hpack_decoder *decoder = &session->decoder;
    struct hpack_list *list = &session->env->list;

    session->env->list_of = NULL;
    list_set_limits(session, list);
    hpack_decode_begin(decoder, list);
    for (;;) {
        size_t consumed = 0;
        enum hpack_result result = hpack_decode(decoder, list, block, len, true, &consumed);

        block += consumed;
        len -= consumed;
        switch (result) {
        case HPACK_OK:
            if (HALO_UNLIKELY(session->loose_whitespace)) {
                allow_whitespace(list);
            }
            if (HALO_UNLIKELY(list->size > session->config->limits.header_string) &&
                has_long_string(list, session->config->limits.header_string)) {
                list->dropped = true;
            }
            return NULL;
        case HPACK_ROOM:
            FAULT_TRY(grow_table(session, &decoder->table));
            break;
        case HPACK_OVER_LIMIT:
            return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "header list far beyond the limits");
        default:
            return CONNECTION_FAULT(HALO_COMPRESSION_ERROR, "header block cannot be decoded");
        }
    }
}

/* ---- requests that come again ---------------------------------------------------------- */

static bool is_repeated(const struct halo_session *session, const uint8_t *block, size_t len)
{
    const struct repeated_block *repeated = &session->repeated;
    const struct hpack_decoder *decoder = &session->decoder;

    return len == repeated->len && len > 0 && repeated->inserted == decoder->table.inserted &&
           repeated->entries == decoder->table.count && !decoder->is_update_due &&
           memcmp(block, repeated->octets, len) == 0;
}

static bool points_into(halo_bytes text, const uint8_t *block, size_t len)
{
    uintptr_t at = (uintptr_t)text.data;

    return at >= (uintptr_t)block && at < (uintptr_t)block + len;
}

/* Literals that are not Huffman-coded are where they were received. */
static bool list_borrows(const struct hpack_list *list, const uint8_t *block, size_t len)
{
    for (size_t i = 0; i < list->count; i++) {
        if (points_into(list->fields[i].name, block, len) ||
            points_into(list->fields[i].value, block, len)) {
            return true;
        }
    }
    return false;
}

/* The list was decoded from this block, before which the table had so many insertions, and is a
 * good request. A block that inserts something is never found again, for that number has changed.
 * One that begins with a size update may be: nothing was decoded since that could undo it. */
static void remember_block(struct halo_session *session, const uint8_t *block, size_t len,
                           uint32_t inserted, const struct message *message)
{
    struct repeated_block *repeated = &session->repeated;
    const struct hpack_list *list = &session->env->list;

    repeated->len = 0;
    if (len > sizeof(repeated->octets)) {
        return;
    }
    memcpy(repeated->octets, block, len);
    repeated->len = (uint8_t)len;
    repeated->borrows = len != list->count && list_borrows(list, block, len);
    repeated->inserted = inserted;
    repeated->entries = session->decoder.table.count;
    repeated->message = *message;
    if (!repeated->borrows) {
        session->env->list_of = session;
    }
}

/* ---- what a list means ----------------------------------------------------------------- */

static void fill_event(struct halo_session *session, struct halo_event *event, uint16_t type,
                       struct halo_stream *stream, bool end, int status)
{
    event->type = type;
    event->flags = end ? HALO_END_STREAM : 0;
    event->stream = stream;
    event->stream_id = stream->id;
    event->u.headers.fields = session->env->list.fields;
    event->u.headers.count = session->env->list.count;
    event->u.headers.status = status;
    session->lent =
        type == HALO_EVENT_REQUEST || type == HALO_EVENT_RESPONSE ? LENT_LIST : LENT_PASSING_LIST;
    session->lent_stream = stream;
}

struct message_limits session_message_limits(const struct halo_session *session)
{
    return (struct message_limits){
        .fields = session->config->limits.header_fields,
        .extended_connect = session->config->settings.enable_connect_protocol != 0 ||
                            session->local.enable_connect_protocol != 0,
    };
}

static const struct fault *check_dropped(const struct hpack_list *list)
{
    return list->dropped ? STREAM_FAULT(HALO_ENHANCE_YOUR_CALM, "header list beyond the limits")
                         : NULL;
}

const struct fault *session_refuse(struct halo_session *session)
{
    if (++session->abuse.refused > session->config->limits.refused_streams) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many streams beyond the limit");
    }
    if (session_memory_short(session)) {
        return FAULT_OF(FAULT_STREAM, 1, HALO_REFUSED_STREAM, "the session holds too much memory");
    }
    return FAULT_OF(FAULT_STREAM, 1, HALO_REFUSED_STREAM, "too many concurrent streams");
}

/* Not inlined: it would cost every request registers. */
static __attribute__((noinline)) const struct fault *no_room(struct halo_stream *stream)
{
    stream_undo(stream);
    return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
}

/* The first header block of a stream that the client opens. */
static const struct fault *on_request(struct halo_session *session, uint32_t stream_id, bool end,
                                      const struct message *message, struct halo_event *event)
{
    struct halo_stream *stream;

    if (end && message->content_length > 0) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "content-length without a body");
    }
    stream = stream_new(session, false);
    if (stream == NULL) {
        return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
    }
    stream->id = stream_id;
    if (HALO_UNLIKELY(!stream_store_add(&session->store, session->env->memory, stream))) {
        return no_room(stream);
    }
    session->open_remote++;
    session->last_accepted_id = stream_id;
    session->idle_deadline_ns = UINT64_MAX;
    stream->flags |= (message->head ? STREAM_HEAD : 0) | (message->connect ? STREAM_CONNECT : 0) |
                     (end ? STREAM_END_AFTER_HEADERS : 0);
    stream->content_left = message->connect ? -1 : message->content_length;
    if (HALO_UNLIKELY(message->priority || session->priorities != NULL)) {
        stream_take_priority(stream, message->priority);
    }
    stream_advance(stream, true, end ? INPUT_HEADERS_END : INPUT_HEADERS);
    if (!end) {
        stream_window_init(stream);
        if (!message->connect) {
            stream_watch_body(stream);
        }
    }
    fill_event(session, event, HALO_EVENT_REQUEST, stream, end, 0);
    return NULL;
}

/* The body that a final response promises: none for HEAD, 204 and 304 whatever content-length says
 * (RFC 9110 6.4.1, 8.6). */
static int64_t response_body(const struct halo_stream *stream, const struct message *message)
{
    if ((stream->flags & (STREAM_HEAD)) != 0 || message->status == 204 || message->status == 304) {
        return 0;
    }
    if ((stream->flags & STREAM_CONNECT) != 0) {
        return -1;
    }
    return message->content_length;
}

static const struct fault *on_response(struct halo_session *session, struct halo_stream *stream,
                                       bool end, struct halo_event *event)
{
    const struct hpack_list *list = &session->env->list;
    struct message_limits limits = session_message_limits(session);
    struct message message;

    FAULT_TRY(check_dropped(list));
    FAULT_TRY(message_check_response(list->fields, list->count, &limits, &message));
    if (message.status < 200) {
        if (end) {
            return STREAM_FAULT(HALO_PROTOCOL_ERROR, "informational response with END_STREAM");
        }
        if (++stream->information_responses > session->config->limits.information_responses) {
            return STREAM_FAULT(HALO_PROTOCOL_ERROR, "too many informational responses");
        }
        fill_event(session, event, HALO_EVENT_INFORMATION, stream, false, message.status);
        return NULL;
    }
    if (HALO_UNLIKELY((stream->flags & STREAM_CONNECT) != 0 && message.status / 100 != 2)) {
        stream->flags &= ~(uint32_t)STREAM_CONNECT; /* turned down: a response like any other */
    }
    if (HALO_UNLIKELY(message.status == 421)) {
        session_misdirected(stream);
    }
    stream->content_left = response_body(stream, &message);
    if (end && stream->content_left > 0) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "content-length without a body");
    }
    stream->flags |= end ? STREAM_END_AFTER_HEADERS : 0;
    stream_advance(stream, true, end ? INPUT_HEADERS_END : INPUT_HEADERS);
    fill_event(session, event, HALO_EVENT_RESPONSE, stream, end, message.status);
    return NULL;
}

static const struct fault *on_trailers(struct halo_session *session, struct halo_stream *stream,
                                       bool end, struct halo_event *event)
{
    const struct hpack_list *list = &session->env->list;

    if (!end) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "second header block without END_STREAM");
    }
    if (HALO_UNLIKELY((stream->flags & STREAM_CONNECT) != 0)) { /* RFC 9113 8.5 */
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "HEADERS on a connected stream");
    }
    FAULT_TRY(check_dropped(list));
    FAULT_TRY(message_check_trailers(list->fields, list->count));
    if (stream->content_left > 0) {
        return STREAM_FAULT(HALO_PROTOCOL_ERROR, "body shorter than content-length");
    }
    stream_advance(stream, true, INPUT_TRAILERS);
    if ((stream->flags & STREAM_PAUSED) != 0 || stream->held != NULL) {
        if (!stream_hold_trailers(stream, list->fields, list->count)) {
            session_out_of_memory(session);
        }
        return NULL;
    }
    fill_event(session, event, HALO_EVENT_TRAILERS, stream, true, 0);
    return NULL;
}

static const struct fault *on_block_of_stream(struct halo_session *session,
                                              struct halo_stream *stream, bool end,
                                              struct halo_event *event)
{
    if (HALO_UNLIKELY((stream->flags & STREAM_RESERVED) != 0)) {
        FAULT_TRY(push_headers_received(stream));
    }
    stream->activity_ns = session->now_ns;
    if (stream->first_header_ns == 0) {
        stream->first_header_ns = session->now_ns + 1;
    }
    switch (stream->recv_half) {
    case HALF_DONE:
        return CONNECTION_FAULT(HALO_STREAM_CLOSED, "HEADERS after END_STREAM");
    case HALF_BODY:
        return on_trailers(session, stream, end, event);
    default:
        return on_response(session, stream, end, event);
    }
}

/* RFC 9113 5.1.1: with the last number, a client needs a new connection. It is told, but where the
 * application wants no time between two GOAWAYs: the end would come before this stream. */
static void end_of_numbers(struct halo_session *session, uint32_t stream_id)
{
    if (stream_id == LIMIT_STREAM_ID_MAX && session->config->timeouts.goaway_ms > 0) {
        halo_session_close(session);
    }
}

/* The peer may open a stream with this number: it must be of its kind and above all before (RFC
 * 9113 5.1.1). *wanted: false when the stream is to be ignored. */
static const struct fault *take_number(struct halo_session *session, uint32_t stream_id,
                                       bool *wanted)
{
    if (session->role == HALO_CLIENT || (stream_id & 1u) == 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "HEADERS on a stream the peer cannot open");
    }
    if (HALO_UNLIKELY(stream_id - session->last_remote_id > 2)) {
        session->skipped_from = session->last_remote_id + 1;
        session->skipped_to = stream_id - 1;
    }
    session->last_remote_id = stream_id;
    *wanted = true;
    if (HALO_UNLIKELY(stream_id >= session->goaway_local_id)) {
        *wanted = stream_id == session->goaway_local_id; /* RFC 9113 6.8: the peer knows */
        end_of_numbers(session, stream_id);
    }
    return NULL;
}

static const struct fault *on_new_stream(struct halo_session *session, uint32_t stream_id, bool end,
                                         const uint8_t *block, size_t len, struct halo_event *event)
{
    const struct hpack_list *list = &session->env->list;
    uint32_t inserted = session->decoder.table.inserted;
    bool repeated = is_repeated(session, block, len);
    bool wanted;

    if (!repeated || session->env->list_of != session) {
        FAULT_TRY(session_decode(session, block, len));
        if (repeated && !session->repeated.borrows) {
            session->env->list_of = session;
        }
    }
    FAULT_TRY(take_number(session, stream_id, &wanted));
    if (HALO_UNLIKELY(!wanted)) {
        return NULL;
    }
    if (HALO_UNLIKELY(session->open_remote >= session->streams_max ||
                      session_memory_short(session))) {
        return session_refuse(session);
    }
    if (!repeated) {
        struct message_limits limits = session_message_limits(session);
        struct message message;

        FAULT_TRY(check_dropped(list));
        FAULT_TRY(message_check_request(list->fields, list->count, &limits, &message));
        remember_block(session, block, len, inserted, &message);
        return on_request(session, stream_id, end, &message, event);
    }
    return on_request(session, stream_id, end, &session->repeated.message, event);
}

static const struct fault *on_block(struct halo_session *session, uint32_t stream_id, bool end,
                                    const uint8_t *block, size_t len, struct halo_event *event)
{
    struct halo_stream *stream;
    enum stream_lookup lookup = session_lookup(session, stream_id, &stream);

    if (HALO_LIKELY(lookup == LOOKUP_IDLE)) {
        return on_new_stream(session, stream_id, end, block, len, event);
    }
    FAULT_TRY(session_decode(session, block, len));
    switch (lookup) {
    case LOOKUP_FOUND:
        return on_block_of_stream(session, stream, end, event);
    case LOOKUP_RESET:
        return NULL;
    default:
        /* RFC 9113 5.1.1: a number that is lower than those before, and was never used. Older gaps
         * are not remembered: there it is taken for one that was used, which ends the same way. */
        if (stream_id >= session->skipped_from && stream_id <= session->skipped_to) {
            return CONNECTION_FAULT(HALO_PROTOCOL_ERROR,
                                    "HEADERS on a number that was passed over");
        }
        return CONNECTION_FAULT(HALO_STREAM_CLOSED, "HEADERS on a closed stream");
    }
}

/* ---- frames ---------------------------------------------------------------------------- */

static const struct fault *gather_block(struct halo_session *session, const uint8_t *fragment,
                                        uint32_t len)
{
    struct open_block *block = &session->block;

    if (block->len + len > session->config->limits.header_block) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "header block too long");
    }
    if (block->len + len > block->cap) {
        uint32_t cap = max_u32(block->len + len,
                               min_u32(block->cap * 2, session->config->limits.header_block));
        uint8_t *octets = memory_resize(session->env->memory, block->octets, cap);

        if (octets == NULL) {
            return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
        }
        block->octets = octets;
        block->cap = cap;
    }
    if (len > 0) {
        memcpy(block->octets + block->len, fragment, len);
        block->len += len;
    }
    return NULL;
}

/* The field block fragment of a HEADERS frame: without padding and priority (RFC 9113 6.2). */
static const struct fault *find_fragment(struct halo_session *session, const struct frame *frame,
                                         const uint8_t **fragment, uint32_t *len)
{
    uint32_t padding = 0;

    if ((frame->flags & FLAG_PADDED) != 0) {
        if (*len < 1) {
            return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "padded HEADERS without pad length");
        }
        padding = **fragment;
        *fragment += 1;
        *len -= 1;
    }
    if ((frame->flags & FLAG_PRIORITY) != 0) {
        if (*len < 5) {
            return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "HEADERS too short for its priority");
        }
        if ((load_u32(*fragment) & 0x7fffffff) == frame->stream_id) {
            return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "stream depends on itself");
        }
        session->headers_priority_id = frame->stream_id;
        memcpy(session->headers_priority, *fragment, 5);
        *fragment += 5;
        *len -= 5;
    }
    if (padding > *len) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "padding as long as the frame");
    }
    *len -= padding;
    return NULL;
}

const struct fault *session_headers_frame(struct halo_session *session, const struct frame *frame,
                                          const uint8_t *payload, struct halo_event *event)
{
    const uint8_t *fragment = payload;
    uint32_t len = frame->len;
    bool end = (frame->flags & FLAG_END_STREAM) != 0;

    FAULT_TRY(find_fragment(session, frame, &fragment, &len));
    if (HALO_LIKELY((frame->flags & FLAG_END_HEADERS) != 0)) {
        if (len > session->config->limits.header_block) {
            return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "header block too long");
        }
        return on_block(session, frame->stream_id, end, fragment, len, event);
    }
    return session_block_open(session, frame, 0, fragment, len);
}

const struct fault *session_block_open(struct halo_session *session, const struct frame *frame,
                                       uint32_t promised_id, const uint8_t *fragment, uint32_t len)
{
    session->block.stream_id = frame->stream_id;
    session->block.promised_id = promised_id;
    session->block.flags = frame->flags;
    session->block.deadline_ns =
        session_after_ms(session, session->config->timeouts.header_block_ms);
    return gather_block(session, fragment, len);
}

const struct fault *session_continuation(struct halo_session *session, const struct frame *frame,
                                         const uint8_t *payload, struct halo_event *event)
{
    static const uint8_t nothing[1]; /* the octets of a block that has none: NULL has no end */
    struct open_block *block = &session->block;
    const uint8_t *octets;
    const struct fault *fault;

    block->continuations++;
    block->empty_continuations += frame->len == 0;
    if (block->continuations > session->config->limits.continuation_frames ||
        block->empty_continuations > LIMIT_CONTINUATION_EMPTY) {
        return CONNECTION_FAULT(HALO_ENHANCE_YOUR_CALM, "too many CONTINUATION frames");
    }
    FAULT_TRY(gather_block(session, payload, frame->len));
    if ((frame->flags & FLAG_END_HEADERS) == 0) {
        return NULL;
    }
    octets = block->octets != NULL ? block->octets : nothing;
    /* The event may point into the block: it is freed when the event is settled. */
    if (HALO_UNLIKELY(block->promised_id != 0)) {
        fault = session_promise_block(session, block->stream_id, block->promised_id, octets,
                                      block->len, event);
    } else {
        fault = on_block(session, frame->stream_id, (block->flags & FLAG_END_STREAM) != 0, octets,
                         block->len, event);
    }
    session->spent_block = block->octets;
    block->octets = NULL;
    session_block_drop(session);
    return fault;
}
