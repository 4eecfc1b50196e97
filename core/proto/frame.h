/*
 * Frames (RFC 9113 sections 4 and 6): types, flags, and one table of the rules that can be checked
 * from the frame header alone. Handlers may rely on every rule of the table.
 */
#ifndef HALO_CORE_PROTO_FRAME_H
#define HALO_CORE_PROTO_FRAME_H

#include "core/base/wire.h"
#include "core/proto/fault.h"

enum { FRAME_HEADER_LEN = 9 };

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" /* RFC 9113 3.4 */
enum { PREFACE_LEN = sizeof(PREFACE) - 1 };

enum frame_type {
    FRAME_DATA = 0x0,
    FRAME_HEADERS = 0x1,
    FRAME_PRIORITY = 0x2,
    FRAME_RST_STREAM = 0x3,
    FRAME_SETTINGS = 0x4,
    FRAME_PUSH_PROMISE = 0x5,
    FRAME_PING = 0x6,
    FRAME_GOAWAY = 0x7,
    FRAME_WINDOW_UPDATE = 0x8,
    FRAME_CONTINUATION = 0x9,
    FRAME_TYPE_COUNT,
};

/* Frames of extensions, which have no place in the rules table: a mistake in them is ignored as far
 * as their RFCs say so. */
enum frame_extension_type {
    FRAME_ALTSVC = 0xa,           /* RFC 7838 section 4 */
    FRAME_ORIGIN = 0xc,           /* RFC 8336 section 2 */
    FRAME_PRIORITY_UPDATE = 0x10, /* RFC 9218 section 7.1; see session_priority.c */
};

enum frame_flag {
    FLAG_END_STREAM = 0x1,
    FLAG_ACK = 0x1,
    FLAG_END_HEADERS = 0x4,
    FLAG_PADDED = 0x8,
    FLAG_PRIORITY = 0x20,
};

/* A frame header as it came. The reserved bit of the stream identifier is dropped (4.1). */
struct frame {
    uint32_t len;
    uint32_t stream_id;
    uint8_t type;
    uint8_t flags;
};

static inline struct frame frame_header_load(const uint8_t *in)
{
    return (struct frame){
        .len = load_u24(in),
        .type = in[3],
        .flags = in[4],
        .stream_id = load_u32(in + 5) & 0x7fffffff,
    };
}

static inline uint8_t *frame_header_store(uint8_t *out, uint32_t len, uint8_t type, uint8_t flags,
                                          uint32_t stream_id)
{
    store_u24(out, len);
    out[3] = type;
    out[4] = flags;
    store_u32(out + 5, stream_id);
    return out + FRAME_HEADER_LEN;
}

/* Checks what the table says of this frame; `size_max` is our acknowledged
 * SETTINGS_MAX_FRAME_SIZE. */
const struct fault *frame_check(const struct frame *frame, uint32_t size_max);

/* "HEADERS" and so on; "UNKNOWN" for types outside the table. */
const char *frame_type_name(uint8_t type);

/* One line of text for a trace: with what the payload says as far as it is at hand. Returns the
 * length. */
size_t frame_describe(char *out, size_t size, const struct frame *frame, const uint8_t *payload,
                      size_t payload_len);

#endif
