/*
 * Padding of HEADERS and DATA (RFC 9113 sections 6.1, 6.2) by the strategies of Node.
 */
#ifndef HALO_CORE_PROTO_PADDING_H
#define HALO_CORE_PROTO_PADDING_H

#include <halo/session.h>

#include "core/proto/frame.h"

enum {
    /* The octet that tells the length, and the most that it can tell. */
    PADDING_MAX = 1 + 255,
};

/* How many octets a frame of `len` octets of payload gets more, the length octet included; with
 * them the payload is at most `room` long. */
static inline uint32_t padding_for(uint8_t strategy, uint32_t len, uint32_t room)
{
    uint32_t left = room > len ? room - len : 0;
    uint32_t beyond = (FRAME_HEADER_LEN + len) % 8;

    switch (strategy) {
    case HALO_PADDING_MAX:
        return left < PADDING_MAX ? left : PADDING_MAX;
    case HALO_PADDING_ALIGNED:
        if (beyond == 0) {
            return 0;
        }
        return left < 8 - beyond ? left : 8 - beyond;
    default:
        return 0;
    }
}

/* Makes a padded frame of one whose header and payload of `len` octets stand at `frame`, with room
 * for `padding` (not 0) octets behind. Returns its end. */
static inline uint8_t *padding_put(uint8_t *frame, uint32_t len, uint32_t padding)
{
    uint8_t *payload = frame + FRAME_HEADER_LEN;

    memmove(payload + 1, payload, len);
    payload[0] = (uint8_t)(padding - 1);
    memset(payload + 1 + len, 0, padding - 1);
    store_u24(frame, len + padding);
    frame[4] |= FLAG_PADDED;
    return payload + len + padding;
}

#endif
