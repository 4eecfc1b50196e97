/*
 * Every frame to a server: its states, and what it makes of frames in them.
 */
#include "sweep.h"

enum { ON_0, IDLE, OPEN, HALF_CLOSED, CLOSED, RESET, STATE_COUNT };

/* ---- the prediction -------------------------------------------------------------------- */

static int predict_data(const struct sweep_step *step)
{
    if ((step->flags & F_PADDED) != 0 && step->len == 0) {
        return HALO_FRAME_SIZE_ERROR;
    }
    switch (step->state) {
    case IDLE:
        return HALO_PROTOCOL_ERROR;
    case HALF_CLOSED:
    case CLOSED:
        return HALO_STREAM_CLOSED;
    default:
        return SWEEP_FINE;
    }
}

static int predict_headers(const struct sweep_step *step)
{
    uint32_t len;
    int wrong = sweep_predict_block(step, &len);

    if (wrong != SWEEP_FINE || (step->flags & F_END_HEADERS) == 0) {
        return wrong;
    }
    switch (step->state) {
    case HALF_CLOSED:
    case CLOSED:
        return HALO_STREAM_CLOSED;
    case RESET:
        return SWEEP_FINE;
    case OPEN: /* trailers, which may be empty but not without END_STREAM */
        if (len == 0 && (step->flags & F_END_STREAM) != 0) {
            return SWEEP_FINE;
        }
        return SWEEP_STREAM + HALO_PROTOCOL_ERROR;
    default:
        return SWEEP_STREAM + HALO_PROTOCOL_ERROR;
    }
}

static int predict(const struct sweep_step *step)
{
    int wrong = sweep_predict_any(step);

    if (wrong != SWEEP_FINE) {
        return wrong;
    }
    switch (step->type) {
    case T_DATA:
        return predict_data(step);
    case T_HEADERS:
        return predict_headers(step);
    case T_RST_STREAM:
        return step->state == IDLE ? HALO_PROTOCOL_ERROR : SWEEP_FINE;
    case T_SETTINGS:
        return sweep_predict_settings(step);
    case T_PUSH_PROMISE:
    case T_WINDOW_UPDATE: /* an increment of 0 */
        return HALO_PROTOCOL_ERROR;
    case T_GOAWAY: /* of no error; nothing is open, so it is answered, and that is all */
        return HALO_NO_ERROR;
    case T_PRIORITY_UPDATE: /* for stream 0 */
        return step->state == ON_0 && step->len < 4 ? HALO_FRAME_SIZE_ERROR : HALO_PROTOCOL_ERROR;
    default: /* PRIORITY, PING, and what nobody knows */
        return SWEEP_FINE;
    }
}

/* ---- the states ------------------------------------------------------------------------ */

static uint32_t stream_id(int state)
{
    return state == ON_0 ? 0 : 1;
}

static void opening(struct wire *in, int state)
{
    put_preface(in);
    put_settings(in, 0);
    put_settings_ack(in);
    if (state == OPEN || state == RESET) {
        put_post(in, 1);
    } else if (state == HALF_CLOSED || state == CLOSED) {
        put_get(in, 1);
    }
}

static void on_event(const struct halo_event *event, int state)
{
    if (event->type == HALO_EVENT_REQUEST && state == CLOSED) {
        assert_int_equal(halo_stream_respond(event->stream, 200, NULL, HALO_END_STREAM), 0);
    } else if (event->type == HALO_EVENT_REQUEST && state == RESET) {
        assert_int_equal(halo_stream_reset(event->stream, HALO_CANCEL), 0);
    }
}

const struct sweep_role sweep_server = {
    .role = HALO_SERVER,
    .states = STATE_COUNT,
    .predict = predict,
    .stream_id = stream_id,
    .opening = opening,
    .on_event = on_event,
};
