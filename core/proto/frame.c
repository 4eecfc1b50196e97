#include "core/proto/frame.h"

#include "core/proto/limits.h"

enum stream_rule {
    ON_STREAM,     /* identifier must not be 0 */
    ON_CONNECTION, /* identifier must be 0 */
    ON_EITHER,
};

#define ANY_LEN LIMIT_FRAME_SIZE_MAX

/* Lengths are those of the payload without padding rules; a frame outside them is FRAME_SIZE_ERROR,
 * always for the connection: either the RFC says so, or it lets us choose, and a peer that cannot
 * frame is not worth a stream's reset (see docs/ARCHITECTURE.md, "resets that a peer provokes"). */
static const struct frame_rule {
    const char *name;
    uint32_t len_min;
    uint32_t len_max;
    uint8_t stream;
} frame_rules[FRAME_TYPE_COUNT] = {
    /* clang-format off */
    /*                        name             min  max        stream                section */
    [FRAME_DATA]          = {"DATA",           0,   ANY_LEN,   ON_STREAM},        /* 6.1  */
    [FRAME_HEADERS]       = {"HEADERS",        0,   ANY_LEN,   ON_STREAM},        /* 6.2  */
    [FRAME_PRIORITY]      = {"PRIORITY",       5,   5,         ON_STREAM},        /* 6.3  */
    [FRAME_RST_STREAM]    = {"RST_STREAM",     4,   4,         ON_STREAM},        /* 6.4  */
    [FRAME_SETTINGS]      = {"SETTINGS",       0,   ANY_LEN,   ON_CONNECTION},    /* 6.5  */
    [FRAME_PUSH_PROMISE]  = {"PUSH_PROMISE",   4,   ANY_LEN,   ON_STREAM},        /* 6.6  */
    [FRAME_PING]          = {"PING",           8,   8,         ON_CONNECTION},    /* 6.7  */
    [FRAME_GOAWAY]        = {"GOAWAY",         8,   ANY_LEN,   ON_CONNECTION},    /* 6.8  */
    [FRAME_WINDOW_UPDATE] = {"WINDOW_UPDATE",  4,   4,         ON_EITHER},        /* 6.9  */
    [FRAME_CONTINUATION]  = {"CONTINUATION",   0,   ANY_LEN,   ON_STREAM},        /* 6.10 */
    /* clang-format on */
};

const struct fault *frame_check(const struct frame *frame, uint32_t size_max)
{
    const struct frame_rule *rule;

    if (frame->len > size_max) {
        return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "frame larger than SETTINGS_MAX_FRAME_SIZE");
    }
    if (frame->type >= FRAME_TYPE_COUNT) {
        return NULL; /* unknown types are ignored (5.5) */
    }
    rule = &frame_rules[frame->type];
    if (frame->len < rule->len_min || frame->len > rule->len_max) {
        return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "frame payload of a wrong length");
    }
    if (rule->stream == ON_STREAM && frame->stream_id == 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "frame needs a stream identifier");
    }
    if (rule->stream == ON_CONNECTION && frame->stream_id != 0) {
        return CONNECTION_FAULT(HALO_PROTOCOL_ERROR, "connection frame on a stream");
    }
    return NULL;
}

const char *frame_type_name(uint8_t type)
{
    switch (type) {
    case FRAME_ALTSVC:
        return "ALTSVC";
    case FRAME_ORIGIN:
        return "ORIGIN";
    case FRAME_PRIORITY_UPDATE:
        return "PRIORITY_UPDATE";
    default:
        return type < FRAME_TYPE_COUNT ? frame_rules[type].name : "UNKNOWN";
    }
}
