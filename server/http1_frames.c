/*
 * Frames for the session: what a client of HTTP/2 would send. The session checks them as it checks
 * any peer's, so its limits and its view of a message hold for HTTP/1.1, too.
 *
 * Neither side compresses: our table for the session has no room, and ours is not used.
 */
#include "server/http1.h"

enum { FRAME_PAYLOAD = LIMIT_FRAME_SIZE_MIN };

static void feed(struct http1 *http1, const void *data, size_t len)
{
    int status = halo_session_recv(http1->session, data, len, http1->now_ns);

    HALO_ASSERT(status == 0); /* everything before was polled */
    http1->dispatch(http1);
}

static void feed_frame(struct http1 *http1, uint8_t type, uint8_t flags, uint32_t stream_id,
                       const void *payload, uint32_t len)
{
    uint8_t head[FRAME_HEADER_LEN];

    frame_header_store(head, len, type, flags, stream_id);
    feed(http1, head, sizeof(head));
    if (len > 0) {
        feed(http1, payload, len);
    }
}

static void feed_credit(struct http1 *http1, uint32_t stream_id, uint64_t credit)
{
    uint8_t increment[4];

    store_u32(increment, (uint32_t)credit);
    feed_frame(http1, FRAME_WINDOW_UPDATE, 0, stream_id, increment, sizeof(increment));
}

static uint8_t *put_setting(uint8_t *out, uint16_t identifier, uint32_t value)
{
    store_u16(out, identifier);
    store_u32(out + 2, value);
    return out + 6;
}

void http1_feed_opening(struct http1 *http1)
{
    uint8_t settings[3 * 6];
    uint8_t *at = settings;

    at = put_setting(at, HALO_SETTINGS_HEADER_TABLE_SIZE, 0);
    at = put_setting(at, HALO_SETTINGS_ENABLE_PUSH, 0);
    at = put_setting(at, HALO_SETTINGS_INITIAL_WINDOW_SIZE, LIMIT_WINDOW_MAX);
    feed(http1, PREFACE, PREFACE_LEN);
    feed_frame(http1, FRAME_SETTINGS, 0, 0, settings, (uint32_t)(at - settings));
    feed_credit(http1, 0, LIMIT_WINDOW_MAX - LIMIT_WINDOW_DEFAULT);
}

void http1_feed_owed(struct http1 *http1)
{
    struct http1_exchange *exchange = &http1->exchange;

    while (http1->settings_owed > 0) {
        http1->settings_owed--;
        feed_frame(http1, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
    }
    while (http1->pings_owed > 0) {
        uint8_t payload[8];

        memcpy(payload, http1->pings[0], 8);
        http1->pings_owed--;
        memmove(http1->pings[0], http1->pings[1], 8 * http1->pings_owed);
        feed_frame(http1, FRAME_PING, FLAG_ACK, 0, payload, 8);
    }
    if (http1->credit >= HTTP1_CREDIT_STEP) {
        uint64_t credit = http1->credit;

        http1->credit = 0;
        feed_credit(http1, 0, credit);
    }
    if (exchange->credit >= HTTP1_CREDIT_STEP && !exchange->complete) {
        uint64_t credit = exchange->credit;

        exchange->credit = 0;
        feed_credit(http1, exchange->stream_id, credit);
    }
}

/* ---- requests -------------------------------------------------------------------------- */

static void feed_block(struct http1 *http1, const uint8_t *block, size_t len, bool end)
{
    uint8_t type = FRAME_HEADERS;
    uint8_t flags = end ? FLAG_END_STREAM : 0;

    do {
        uint32_t part = (uint32_t)min_size(len, FRAME_PAYLOAD);

        flags |= part == len ? FLAG_END_HEADERS : 0;
        feed_frame(http1, type, flags, http1->exchange.stream_id, block, part);
        block += part;
        len -= part;
        type = FRAME_CONTINUATION;
        flags = 0;
    } while (len > 0);
}

int http1_feed_headers(struct http1 *http1, const halo_header *fields, size_t count, bool end)
{
    const struct halo_limits *limits = &http1->session->config->limits;
    size_t frames = (size_t)limits->continuation_frames + 1;
    uint8_t *block = memory_alloc(http1->memory, hpack_encode_bound(fields, count));
    size_t len;

    if (block == NULL) {
        return HTTP1_NO_MEMORY;
    }
    len = (size_t)(hpack_encode(&http1->encoder, block, true, fields, count) - block);
    if (len > limits->header_block || len > frames * FRAME_PAYLOAD) {
        memory_free(http1->memory, block);
        return 431;
    }
    feed_block(http1, block, len, end);
    memory_free(http1->memory, block);
    return 0;
}

size_t http1_window(const struct http1 *http1)
{
    const struct halo_session *session = http1->session;
    const struct halo_stream *stream =
        stream_store_find(&session->store, http1->exchange.stream_id);
    int64_t window = session->receive.available;

    if (stream != NULL) {
        int64_t own = (int64_t)stream->receive.available + session->local.initial_window_size;

        window = own < window ? own : window;
    }
    return window > 0 ? (size_t)window : 0;
}

void http1_feed_data(struct http1 *http1, halo_slice *slice, bool end)
{
    uint8_t head[FRAME_HEADER_LEN];
    int status;

    frame_header_store(head, (uint32_t)slice->len, FRAME_DATA, end ? FLAG_END_STREAM : 0,
                       http1->exchange.stream_id);
    feed(http1, head, sizeof(head));
    if (slice->len == 0) {
        return;
    }
    status = halo_session_recv_slice(http1->session, slice, http1->now_ns);
    HALO_ASSERT(status == 0);
    http1->dispatch(http1);
}
