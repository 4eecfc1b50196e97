/*
 * Frames of the session, read as a client of HTTP/2 would read them: header blocks are gathered and
 * decoded, DATA goes on at once, and what is about the connection is remembered.
 */
#include "server/http1.h"

enum { PULL_PIECES = 16 };

void http1_frames_free(struct http1 *http1)
{
    memory_free(http1->memory, http1->frames.block);
    http1->frames.block = NULL;
    http1->frames.block_len = 0;
    http1->frames.block_cap = 0;
}

/* ---- header blocks --------------------------------------------------------------------- */

static bool gather_block(struct http1 *http1, const uint8_t *data, uint32_t len)
{
    struct http1_frames *frames = &http1->frames;

    if (frames->block_len + len > frames->block_cap) {
        uint32_t cap = max_u32(frames->block_len + len, frames->block_cap * 2);
        uint8_t *block = memory_resize(http1->memory, frames->block, cap);

        if (block == NULL) {
            return false;
        }
        frames->block = block;
        frames->block_cap = cap;
    }
    memcpy(frames->block + frames->block_len, data, len);
    frames->block_len += len;
    return true;
}

/* A list that any block of `len` octets fits in. An octet is at most a field, of which the static
 * table's longest has 60 octets as RFC 9113 6.5.2 counts; a literal has at most 8/5 octets for one
 * (RFC 7541 appendix B). */
static bool list_for(struct http1 *http1, struct hpack_list *list, size_t len)
{
    *list = (struct hpack_list){
        .fields_cap = (uint32_t)len,
        .size_max = (uint32_t)len * 64,
        .fields_hard = UINT32_MAX,
        .size_hard = UINT32_MAX,
        .string_max = (uint32_t)len * 2 + 64,
    };
    list->scratch_cap = HPACK_SCRATCH_SIZE(list->size_max, list->string_max);
    list->fields = memory_alloc(http1->memory, len * sizeof(*list->fields));
    list->scratch = memory_alloc(http1->memory, list->scratch_cap);
    return list->fields != NULL && list->scratch != NULL;
}

static void block_complete(struct http1 *http1)
{
    struct http1_frames *frames = &http1->frames;
    struct hpack_list list = { 0 };
    size_t consumed = 0;

    if (frames->block_len > 0 && list_for(http1, &list, frames->block_len)) {
        enum hpack_result result;

        hpack_decode_begin(&http1->decoder, &list);
        result =
            hpack_decode(&http1->decoder, &list, frames->block, frames->block_len, true, &consumed);
        HALO_ASSERT(result == HPACK_OK && !list.dropped); /* it is our own encoder's */
        if (frames->stream_id == http1->exchange.stream_id) {
            http1_write_headers(http1, list.fields, list.count, frames->block_ends_stream);
        }
    } else {
        http1->out.failed = true;
    }
    memory_free(http1->memory, list.fields);
    memory_free(http1->memory, list.scratch);
    http1_frames_free(http1);
}

/* ---- frames ---------------------------------------------------------------------------- */

static void on_payload(struct http1 *http1, const uint8_t *data, uint32_t len)
{
    struct http1_frames *frames = &http1->frames;

    switch (frames->type) {
    case FRAME_DATA:
        http1->credit += len;
        if (frames->stream_id == http1->exchange.stream_id) {
            http1->exchange.credit += len;
            http1_write_data(http1, data, len);
        }
        break;
    case FRAME_HEADERS:
    case FRAME_CONTINUATION:
        if (!gather_block(http1, data, len)) {
            http1->out.failed = true;
        }
        break;
    case FRAME_RST_STREAM:
    case FRAME_PING:
        len = min_u32(len, sizeof(frames->small) - frames->small_len);
        memcpy(frames->small + frames->small_len, data, len);
        frames->small_len += (uint8_t)len;
        break;
    default:
        break;
    }
}

static void on_frame_end(struct http1 *http1)
{
    struct http1_frames *frames = &http1->frames;
    bool current = frames->stream_id == http1->exchange.stream_id;

    switch (frames->type) {
    case FRAME_DATA:
        if ((frames->flags & FLAG_END_STREAM) != 0 && current) {
            http1_write_end(http1);
        }
        break;
    case FRAME_HEADERS:
    case FRAME_CONTINUATION:
        if ((frames->flags & FLAG_END_HEADERS) != 0) {
            block_complete(http1);
        }
        break;
    case FRAME_RST_STREAM:
        if (current) {
            http1->reset = true;
            http1->reset_code = load_u32(frames->small);
        }
        break;
    case FRAME_SETTINGS:
        http1->settings_owed += (frames->flags & FLAG_ACK) == 0 ? 1 : 0;
        break;
    case FRAME_PING:
        if ((frames->flags & FLAG_ACK) == 0 && http1->pings_owed < HTTP1_PINGS) {
            memcpy(http1->pings[http1->pings_owed++], frames->small, 8);
        }
        break;
    default:
        break;
    }
    frames->in_payload = false;
    frames->gathered = 0;
}

static void on_frame_begin(struct http1 *http1)
{
    struct http1_frames *frames = &http1->frames;
    struct frame frame = frame_header_load(frames->head);
    bool may_pad = frame.type == FRAME_DATA || frame.type == FRAME_HEADERS;

    frames->type = frame.type;
    frames->flags = frame.flags;
    frames->stream_id = frame.stream_id;
    frames->left = frame.len;
    frames->padding = 0;
    frames->small_len = 0;
    frames->in_payload = true;
    frames->padded = may_pad && (frame.flags & FLAG_PADDED) != 0;
    if (frame.type == FRAME_HEADERS) {
        frames->block_ends_stream = (frame.flags & FLAG_END_STREAM) != 0;
    }
}

/* Reads as much as one step can; returns how much that was. */
static size_t read_step(struct http1 *http1, const uint8_t *data, size_t len)
{
    struct http1_frames *frames = &http1->frames;
    uint32_t part;

    if (!frames->in_payload) {
        part = (uint32_t)min_size(len, (size_t)FRAME_HEADER_LEN - frames->gathered);
        memcpy(frames->head + frames->gathered, data, part);
        frames->gathered += (uint8_t)part;
        if (frames->gathered == FRAME_HEADER_LEN) {
            on_frame_begin(http1);
        }
    } else if (frames->padded) {
        part = 1;
        frames->padded = false;
        frames->padding = *data;
        frames->left -= 1 + frames->padding;
    } else if (frames->left > 0) {
        part = (uint32_t)min_size(len, frames->left);
        frames->left -= part;
        on_payload(http1, data, part);
    } else {
        part = (uint32_t)min_size(len, frames->padding);
        frames->padding -= part;
    }
    if (frames->in_payload && !frames->padded && frames->left == 0 && frames->padding == 0) {
        on_frame_end(http1);
    }
    return part;
}

void http1_read_output(struct http1 *http1, size_t limit)
{
    struct iovec iov[PULL_PIECES];

    while (http1->out.len < limit && !http1->out.failed) {
        int count = halo_session_pull(http1->session, iov, PULL_PIECES, limit);
        size_t all = 0;

        if (count == 0) {
            return;
        }
        for (int i = 0; i < count; i++) {
            const uint8_t *data = iov[i].iov_base;
            size_t len = iov[i].iov_len;

            all += len;
            while (len > 0) {
                size_t part = read_step(http1, data, len);

                data += part;
                len -= part;
            }
        }
        halo_session_sent(http1->session, all);
    }
}
