/*
 * Rules of frames that are the same for both roles.
 */
#include "sweep.h"

static bool on_connection_only(uint8_t type)
{
    return type == T_SETTINGS || type == T_PING || type == T_GOAWAY;
}

static bool length_is_wrong(const struct sweep_step *step)
{
    switch (step->type) {
    case T_PRIORITY:
        return step->len != 5;
    case T_RST_STREAM:
    case T_WINDOW_UPDATE:
        return step->len != 4;
    case T_PING:
        return step->len != 8;
    case T_GOAWAY:
        return step->len < 8;
    case T_PUSH_PROMISE:
        return step->len < 4;
    default:
        return false;
    }
}

int sweep_predict_any(const struct sweep_step *step)
{
    if (step->type == T_CONTINUATION) {
        return HALO_PROTOCOL_ERROR; /* no block is open */
    }
    if (step->len > 16384) {
        return HALO_FRAME_SIZE_ERROR;
    }
    if (step->type > T_CONTINUATION) {
        return SWEEP_FINE;
    }
    if (length_is_wrong(step)) {
        return HALO_FRAME_SIZE_ERROR;
    }
    if (step->type != T_WINDOW_UPDATE && on_connection_only(step->type) != (step->state == 0)) {
        return HALO_PROTOCOL_ERROR;
    }
    return SWEEP_FINE;
}

/* The block is octets of 0: three of them are a field without name and value; other numbers end
 * within one. Without an octet it is a list of nothing. */
int sweep_predict_block(const struct sweep_step *step, uint32_t *len)
{
    *len = step->len;
    if ((step->flags & F_PADDED) != 0) {
        if (*len < 1) {
            return HALO_FRAME_SIZE_ERROR;
        }
        --*len; /* pad length 0 */
    }
    if ((step->flags & F_PRIORITY) != 0) {
        if (*len < 5) {
            return HALO_FRAME_SIZE_ERROR;
        }
        *len -= 5; /* depends on stream 0 */
    }
    if ((step->flags & F_END_HEADERS) == 0) {
        return SWEEP_FINE; /* a block that goes on: nothing is said of it yet */
    }
    if (*len / 3 > 1024) {
        return HALO_ENHANCE_YOUR_CALM;
    }
    return *len % 3 != 0 ? HALO_COMPRESSION_ERROR : SWEEP_FINE;
}

int sweep_predict_settings(const struct sweep_step *step)
{
    if ((step->flags & F_ACK) != 0) {
        return step->len == 0 ? HALO_PROTOCOL_ERROR : HALO_FRAME_SIZE_ERROR; /* none is pending */
    }
    return step->len % 6 == 0 ? SWEEP_FINE : HALO_FRAME_SIZE_ERROR;
}
