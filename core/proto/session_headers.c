/*
 * Calls that send header blocks: responses, informational responses, trailers.
 *
 * Everything is checked before the encoder is touched, so an error leaves no trace. A block is
 * encoded once, straight into the output, when its place on the wire is fixed: in the call, or, for
 * requests that wait and trailers behind a body, when their turn comes; those keep a copy of the
 * fields until then.
 */
#include "core/proto/block_parts.h"
#include "core/proto/message.h"
#include "core/proto/session_extension.h"

/* ---- responses ------------------------------------------------------------------------- */

static void status_digits(int status, char digits[3])
{
    digits[0] = (char)('0' + status / 100);
    digits[1] = (char)('0' + status / 10 % 10);
    digits[2] = (char)('0' + status % 10);
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
    unsigned notes;

    HALO_TRY(message_check_sent(checked, fields, count, &notes));
    if (notes != 0 || bound > LIMIT_FRAME_SIZE_MIN || bound > session->config->limits.send_block ||
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
                             const char digits[3], const halo_headers *headers)
{
    struct hpack_encoder *encoder = &session->encoder;
    uint8_t *frame = output_reserve(&session->output, REPEATED_ROOM);
    uint8_t *out;
    size_t done;

    if (HALO_UNLIKELY((int64_t)headers->count > session->short_way_max || frame == NULL)) {
        return frame == NULL ? HALO_E_NOMEM : HALO_E_AGAIN;
    }
    out = hpack_encode_repeated_status(encoder, frame + FRAME_HEADER_LEN, digits);
    if (HALO_UNLIKELY(out == NULL)) {
        return HALO_E_AGAIN;
    }
    if (headers->set != NULL) {
        out = hpack_encode_kept(encoder, out, header_set_identity(headers->set));
        if (HALO_UNLIKELY(out == NULL)) {
            return HALO_E_AGAIN;
        }
    }
    if (headers->count > 0) {
        out = hpack_encode_repeated(encoder, out, headers->fields, headers->count, &done);
        if (done < headers->count) {
            HALO_TRY(encode_rest(session, frame, &out, headers, done));
        }
    }
    frame_header_store(frame, (uint32_t)(out - frame) - FRAME_HEADER_LEN, FRAME_HEADERS,
                       FLAG_END_HEADERS | (end_stream ? FLAG_END_STREAM : 0), stream_id);
    session_count_sent(session, FRAME_HEADERS);
    frame_commit(session, frame, out);
    parts_written(session);
    return 0;
}

static __attribute__((noinline)) int write_long_way(struct halo_stream *stream,
                                                    enum sent_block kind, bool end_stream,
                                                    const char digits[3],
                                                    const halo_headers *headers)
{
    struct halo_session *session = stream->session;
    const halo_header pseudo = { .name = HALO_LIT(":status"),
                                 .token = HALO_NAME_STATUS,
                                 .value = { digits, 3 } };
    halo_header checked[CHECKED_MAX];
    struct block_parts parts = { .pseudo = &pseudo, .pseudo_count = 1 };
    unsigned notes;

    HALO_TRY(parts_take(session, &parts, headers, checked, &notes));
    if ((notes & HEADER_HAS_TE) != 0) { /* RFC 9113 8.2.2: in requests only */
        return HALO_E_INVALID_CONNECTION_HEADERS;
    }
    HALO_TRY(parts_write(session, stream->id, end_stream, &parts, notes));
    if (session->keep_sent) {
        parts_keep_sent(stream, kind, &parts);
    }
    return 0;
}

static int write_response(struct halo_stream *stream, int status, const halo_headers *headers,
                          bool end)
{
    static const halo_headers none = { 0 };
    char digits[3];
    int result;

    status_digits(status, digits);
    headers = headers != NULL ? headers : &none;
    result = write_like_before(stream->session, stream->id, end, digits, headers);
    if (HALO_UNLIKELY(result == HALO_E_AGAIN)) {
        result = write_long_way(stream, status < 200 ? SENT_INFORMATION : SENT_HEADERS, end, digits,
                                headers);
    }
    return result;
}

/* The response to a CONNECT or to what was promised is in the output. */
static void after_rare_response(struct halo_stream *stream, int status)
{
    if ((stream->flags & STREAM_RESERVED) != 0) {
        push_open(stream);
    } else if (status / 100 != 2) {
        stream->flags &= ~(uint32_t)STREAM_CONNECT; /* turned down: no tunnel */
    }
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
    if (HALO_UNLIKELY((stream->flags & (STREAM_RESERVED | STREAM_CONNECT)) != 0)) {
        after_rare_response(stream, status);
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
    unsigned notes;

    if ((stream->flags & (STREAM_HEAD | STREAM_LOCAL | STREAM_HEADERS_SENT)) ==
        (STREAM_HEAD | STREAM_HEADERS_SENT)) {
        return 0;
    }
    HALO_TRY(check_trailers(stream));
    HALO_TRY(parts_take(stream->session, &parts, headers, checked, &notes));
    if ((notes & HEADER_HAS_TE) != 0) {
        return HALO_E_INVALID_CONNECTION_HEADERS;
    }
    /* RFC 9113 8.5: nothing but DATA. A list without fields is the end alone. */
    if ((stream->flags & STREAM_CONNECT) != 0 && parts.prepared_count + parts.fields_count > 0) {
        return HALO_E_WRONG_STATE;
    }
    if (parts_bound(&parts) > stream->session->config->limits.send_block) {
        return HALO_E_HEADER_BLOCK_TOO_LONG;
    }
    stream->trailers = parts_keep(stream->session->env->memory, &parts);
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
    status = parts_write_list(session, stream->id, true, fields);
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
