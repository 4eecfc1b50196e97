/*
 * Frames as text, one line each, for traces:
 *
 *     HEADERS stream=1 len=30 flags=END_STREAM|END_HEADERS
 *     SETTINGS len=12 MAX_CONCURRENT_STREAMS=128 MAX_HEADER_LIST_SIZE=36864
 *     PUSH_PROMISE stream=1 len=34 flags=END_HEADERS promised=2
 *     ALTSVC len=31 origin="https://example.org" value="h2=":81""
 *     ORIGIN len=21 origin="https://example.org"
 */
#include "core/proto/frame.h"

#include <halo/settings.h>

struct text {
    char *at;
    char *end; /* the place of the terminating zero at the latest */
};

static void put(struct text *text, const char *words)
{
    while (*words != '\0' && text->at < text->end) {
        *text->at++ = *words++;
    }
}

static void put_number(struct text *text, uint32_t number)
{
    char digits[11];
    char *at = digits + sizeof(digits) - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(text, at);
}

static void put_hex(struct text *text, const uint8_t *octets, size_t len)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        char pair[3] = { hex[octets[i] >> 4], hex[octets[i] & 15], '\0' };

        put(text, pair);
    }
}

static void put_field(struct text *text, const char *name, uint32_t number)
{
    put(text, " ");
    put(text, name);
    put(text, "=");
    put_number(text, number);
}

static void put_flags(struct text *text, const struct frame *frame)
{
    static const struct {
        uint8_t type;
        uint8_t flag;
        const char *name;
    } names[] = {
        { FRAME_DATA, FLAG_END_STREAM, "END_STREAM" },
        { FRAME_DATA, FLAG_PADDED, "PADDED" },
        { FRAME_HEADERS, FLAG_END_STREAM, "END_STREAM" },
        { FRAME_HEADERS, FLAG_END_HEADERS, "END_HEADERS" },
        { FRAME_HEADERS, FLAG_PADDED, "PADDED" },
        { FRAME_HEADERS, FLAG_PRIORITY, "PRIORITY" },
        { FRAME_SETTINGS, FLAG_ACK, "ACK" },
        { FRAME_PUSH_PROMISE, FLAG_END_HEADERS, "END_HEADERS" },
        { FRAME_PUSH_PROMISE, FLAG_PADDED, "PADDED" },
        { FRAME_PING, FLAG_ACK, "ACK" },
        { FRAME_CONTINUATION, FLAG_END_HEADERS, "END_HEADERS" },
    };
    const char *before = " flags=";

    for (size_t i = 0; i < HALO_ARRAY_LEN(names); i++) {
        if (names[i].type == frame->type && (frame->flags & names[i].flag) != 0) {
            put(text, before);
            put(text, names[i].name);
            before = "|";
        }
    }
}

static const char *setting_name(uint16_t identifier)
{
    switch (identifier) {
    case HALO_SETTINGS_HEADER_TABLE_SIZE:
        return "HEADER_TABLE_SIZE";
    case HALO_SETTINGS_ENABLE_PUSH:
        return "ENABLE_PUSH";
    case HALO_SETTINGS_MAX_CONCURRENT_STREAMS:
        return "MAX_CONCURRENT_STREAMS";
    case HALO_SETTINGS_INITIAL_WINDOW_SIZE:
        return "INITIAL_WINDOW_SIZE";
    case HALO_SETTINGS_MAX_FRAME_SIZE:
        return "MAX_FRAME_SIZE";
    case HALO_SETTINGS_MAX_HEADER_LIST_SIZE:
        return "MAX_HEADER_LIST_SIZE";
    case HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL:
        return "ENABLE_CONNECT_PROTOCOL";
    case HALO_SETTINGS_NO_RFC7540_PRIORITIES:
        return "NO_RFC7540_PRIORITIES";
    default:
        return NULL;
    }
}

static void put_settings(struct text *text, const uint8_t *payload, size_t len)
{
    for (size_t at = 0; at + 6 <= len; at += 6) {
        uint16_t identifier = load_u16(payload + at);
        const char *name = setting_name(identifier);

        if (name != NULL) {
            put_field(text, name, load_u32(payload + at + 2));
        } else {
            put_field(text, "setting", identifier);
            put_field(text, "value", load_u32(payload + at + 2));
        }
    }
}

/* Octets of the peer between quotes: what is not visible is a dot, and 80 of them are enough. */
static void put_quoted(struct text *text, const uint8_t *octets, size_t len)
{
    put(text, "\"");
    for (size_t i = 0; i < len && i < 80; i++) {
        char octet[2] = { octets[i] >= 0x20 && octets[i] < 0x7f ? (char)octets[i] : '.', '\0' };

        put(text, octet);
    }
    put(text, "\"");
}

static void put_altsvc(struct text *text, const uint8_t *payload, size_t len)
{
    size_t origin_len = min_size(load_u16(payload), len - 2);

    if (origin_len > 0) {
        put(text, " origin=");
        put_quoted(text, payload + 2, origin_len);
    }
    put(text, " value=");
    put_quoted(text, payload + 2 + origin_len, len - 2 - origin_len);
}

static void put_origins(struct text *text, const uint8_t *payload, size_t len)
{
    for (size_t at = 0; at + 2 <= len;) {
        size_t entry_len = min_size(load_u16(payload + at), len - at - 2);

        put(text, " origin=");
        put_quoted(text, payload + at + 2, entry_len);
        at += 2 + entry_len;
    }
}

static void put_promise(struct text *text, const struct frame *frame, const uint8_t *payload,
                        size_t len)
{
    size_t at = (frame->flags & FLAG_PADDED) != 0 ? 1 : 0;

    if (len >= at + 4) {
        put_field(text, "promised", load_u32(payload + at) & 0x7fffffff);
    }
}

static void put_goaway(struct text *text, const uint8_t *payload, size_t len)
{
    put_field(text, "last_stream", load_u32(payload) & 0x7fffffff);
    put(text, " code=");
    put(text, halo_code_name(load_u32(payload + 4)));
    if (len > 8) {
        put(text, " debug=");
        put_quoted(text, payload + 8, len - 8);
    }
}

static void put_payload(struct text *text, const struct frame *frame, const uint8_t *payload,
                        size_t len)
{
    switch (frame->type) {
    case FRAME_SETTINGS:
        put_settings(text, payload, len);
        break;
    case FRAME_WINDOW_UPDATE:
        if (len >= 4) {
            put_field(text, "increment", load_u32(payload) & 0x7fffffff);
        }
        break;
    case FRAME_RST_STREAM:
        if (len >= 4) {
            put(text, " code=");
            put(text, halo_code_name(load_u32(payload)));
        }
        break;
    case FRAME_PING:
        put(text, " payload=");
        put_hex(text, payload, len < 8 ? len : 8);
        break;
    case FRAME_PRIORITY_UPDATE:
        if (len >= 4) {
            put_field(text, "prioritized", load_u32(payload) & 0x7fffffff);
            put(text, " value=");
            put_quoted(text, payload + 4, len - 4);
        }
        break;
    case FRAME_GOAWAY:
        if (len >= 8) {
            put_goaway(text, payload, len);
        }
        break;
    case FRAME_PUSH_PROMISE:
        put_promise(text, frame, payload, len);
        break;
    case FRAME_ALTSVC:
        if (len >= 2) {
            put_altsvc(text, payload, len);
        }
        break;
    case FRAME_ORIGIN:
        put_origins(text, payload, len);
        break;
    default:
        break;
    }
}

size_t frame_describe(char *out, size_t size, const struct frame *frame, const uint8_t *payload,
                      size_t payload_len)
{
    struct text text = { out, out + size - 1 };

    put(&text, frame_type_name(frame->type));
    if (frame->type >= FRAME_TYPE_COUNT && frame->type != FRAME_ALTSVC &&
        frame->type != FRAME_ORIGIN && frame->type != FRAME_PRIORITY_UPDATE) {
        put_field(&text, "type", frame->type);
    }
    if (frame->stream_id != 0) {
        put_field(&text, "stream", frame->stream_id);
    }
    put_field(&text, "len", frame->len);
    put_flags(&text, frame);
    put_payload(&text, frame, payload, payload_len);
    *text.at = '\0';
    return (size_t)(text.at - out);
}
