/*
 * Every frame to a client that allows push: its states, and what it makes of frames in them.
 */
#include "sweep.h"

enum {
    ON_0,
    IDLE,
    OPEN,        /* POST without its end; nothing has come */
    HALF_LOCAL,  /* GET; the response's fields have come, its end has not */
    HALF_REMOTE, /* POST without its end; the whole response has come */
    CLOSED,      /* GET and the whole response */
    RESET_SENT,
    RESET_RECEIVED,
    RESERVED, /* stream 2, promised with the GET on stream 1 */
    STATE_COUNT,
};

/* ---- the prediction -------------------------------------------------------------------- */

static int predict_data(const struct sweep_step *step)
{
    if ((step->flags & F_PADDED) != 0 && step->len == 0) {
        return HALO_FRAME_SIZE_ERROR;
    }
    switch (step->state) {
    case IDLE:
    case RESERVED:
        return HALO_PROTOCOL_ERROR;
    case OPEN: /* before the response's fields */
        return SWEEP_STREAM + HALO_PROTOCOL_ERROR;
    case HALF_LOCAL:
    case RESET_SENT:
        return SWEEP_FINE;
    default:
        return HALO_STREAM_CLOSED;
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
    case IDLE: /* a server opens no stream without a promise */
        return HALO_PROTOCOL_ERROR;
    case OPEN:
    case RESERVED: /* no :status */
        return SWEEP_STREAM + HALO_PROTOCOL_ERROR;
    case HALF_LOCAL: /* trailers, which may be empty but not without END_STREAM */
        if (len == 0 && (step->flags & F_END_STREAM) != 0) {
            return SWEEP_FINE;
        }
        return SWEEP_STREAM + HALO_PROTOCOL_ERROR;
    case RESET_SENT:
        return SWEEP_FINE;
    default:
        return HALO_STREAM_CLOSED;
    }
}

/* Lengths of entries that are 0: an odd number of octets is none of them. Flags may get a meaning
 * (RFC 8336 2.1). */
static int predict_origin(const struct sweep_step *step)
{
    return step->state == ON_0 && (step->flags & 15) == 0 && step->len % 2 != 0
               ? HALO_FRAME_SIZE_ERROR
               : SWEEP_FINE;
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
    case T_PUSH_PROMISE: /* of stream 0 */
        return (step->flags & F_PADDED) != 0 && step->len < 5 ? HALO_FRAME_SIZE_ERROR
                                                              : HALO_PROTOCOL_ERROR;
    case T_WINDOW_UPDATE:   /* an increment of 0 */
    case T_PRIORITY_UPDATE: /* clients send it (RFC 9218 7.1) */
        return HALO_PROTOCOL_ERROR;
    case T_GOAWAY: /* of no error; nothing is open, so it is answered, and that is all */
        return HALO_NO_ERROR;
    case T_ALTSVC: /* an origin of 0 octets: on stream 0 ignored, elsewhere told */
        return step->len < 2 ? HALO_FRAME_SIZE_ERROR : SWEEP_FINE;
    case T_ORIGIN:
        return predict_origin(step);
    default: /* PRIORITY, PING, and what nobody knows */
        return SWEEP_FINE;
    }
}

/* ---- the states ------------------------------------------------------------------------ */

static void options(struct halo_session_options *options)
{
    options->settings.enable_push = 1;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
    options->encrypted = 1; /* so that ORIGIN means something */
}

static uint32_t stream_id(int state)
{
    return state == ON_0 ? 0 : state == RESERVED ? 2 : 1;
}

static void prepare(halo_session *session, int state)
{
    bool body = state == OPEN || state == HALF_REMOTE || state == RESET_SENT;
    struct halo_request request = { .authority = HALO_LIT("example.org") };
    halo_stream *stream;

    if (state == ON_0 || state == IDLE) {
        return;
    }
    if (body) {
        request.method = halo_str("POST");
    }
    assert_int_equal(
        halo_session_request(session, &request, body ? 0 : HALO_END_STREAM, NULL, &stream), 0);
}

static void opening(struct wire *in, int state)
{
    put_settings(in, 0);
    put_settings_ack(in);
    switch (state) {
    case HALF_LOCAL:
        put_ok(in, 1, 0);
        break;
    case RESET_SENT: /* after the response's fields, on_event() resets */
        put_ok(in, 1, 0);
        break;
    case HALF_REMOTE:
    case CLOSED:
        put_ok(in, 1, F_END_STREAM);
        break;
    case RESET_RECEIVED:
        put_rst_stream(in, 1, HALO_CANCEL);
        break;
    case RESERVED:
        put_promise(in, 1, 2);
        break;
    default:
        break;
    }
}

static void on_event(const struct halo_event *event, int state)
{
    if (event->type == HALO_EVENT_RESPONSE && state == RESET_SENT) {
        assert_int_equal(halo_stream_reset(event->stream, HALO_CANCEL), 0);
    }
}

const struct sweep_role sweep_client = {
    .role = HALO_CLIENT,
    .states = STATE_COUNT,
    .predict = predict,
    .options = options,
    .stream_id = stream_id,
    .prepare = prepare,
    .opening = opening,
    .on_event = on_event,
};
