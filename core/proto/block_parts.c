#include "core/proto/block_parts.h"

#include "core/base/ascii.h"
#include "core/proto/message.h"
#include "core/proto/padding.h"

/* Splits the user's headers into parts and checks the plain ones. `checked` is room for CHECKED_MAX
 * fields. *notes: what enum header_note says of them. */
int parts_take(const struct halo_session *session, struct block_parts *parts,
               const halo_headers *headers, halo_header *checked, unsigned *notes)
{
    unsigned prepared = 0;

    *notes = 0;
    if (headers == NULL) {
        return 0;
    }
    if (headers->set != NULL) {
        parts->prepared = halo_header_set_fields(headers->set, &parts->prepared_count);
        parts->prepared_identity = header_set_identity(headers->set);
        parts->prepared_bound = header_set_bound(headers->set);
        prepared = header_set_notes(headers->set);
        *notes = prepared;
    }
    if (headers->count == 0) {
        return 0;
    }
    if (headers->count > CHECKED_MAX) {
        checked = NULL;
    }
    parts->fields = checked != NULL ? checked : headers->fields;
    parts->fields_count = headers->count;
    HALO_TRY(message_check_sent(checked, headers->fields, headers->count, notes));
    *notes |= prepared;
    return message_repeats_single(parts->fields, parts->fields_count,
                                  checked != NULL && (*notes & HEADER_MIXED_CASE) == 0) &&
                   !session->loose_single_value
               ? HALO_E_HEADER_SINGLE_VALUE
               : 0;
}

/* All parts as one list, names in lower case. */
struct kept_list *parts_keep(struct memory *memory, const struct block_parts *parts)
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

        ascii_copy_lower(name, name, list->fields[i].name.len);
    }
    return list;
}

/* ---- encoding -------------------------------------------------------------------------- */

size_t parts_bound(const struct block_parts *parts)
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
void parts_written(struct halo_session *session)
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

    if (HALO_UNLIKELY(bound > session->config->limits.send_block)) {
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
    parts_written(session);
    return 0;
}

int parts_write_list(struct halo_session *session, uint32_t stream_id, bool end_stream,
                     const struct kept_list *list)
{
    struct block_parts parts = { .fields = list->fields, .fields_count = list->count };

    return write_block(session, stream_id, end_stream, &parts);
}

/* Encodes now, with names in lower case if need be. */
int parts_write(struct halo_session *session, uint32_t stream_id, bool end_stream,
                const struct block_parts *parts, unsigned notes)
{
    struct kept_list *list;
    int status;

    if (HALO_LIKELY((notes & HEADER_MIXED_CASE) == 0)) {
        return write_block(session, stream_id, end_stream, parts);
    }
    list = parts_keep(session->env->memory, parts);
    if (list == NULL) {
        return HALO_E_NOMEM;
    }
    status = parts_write_list(session, stream_id, end_stream, list);
    memory_free(session->env->memory, list);
    return status;
}

/* Option keep_sent_headers. */
void parts_keep_sent(struct halo_stream *stream, enum sent_block kind,
                     const struct block_parts *parts)
{
    stream_keep_sent(stream, kind, parts_keep(stream->session->env->memory, parts));
}

int session_write_promise(struct halo_session *session, uint32_t stream_id, uint32_t promised_id,
                          const struct kept_list *fields)
{
    struct block_parts parts = { .fields = fields->fields, .fields_count = fields->count };

    HALO_TRY(write_long_block(session, stream_id, 0, promised_id, &parts, parts_bound(&parts)));
    parts_written(session);
    return 0;
}
