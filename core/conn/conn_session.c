/*
 * The HTTP/2 session as the protocol of a connection: its events become the callbacks of
 * <halo/connection.h>. What streams tell all the time is here, the rest in conn_tell.c.
 */
#include "core/conn/conn.h"

/* ---- events ---------------------------------------------------------------------------- */

static halo_header_list event_list(const struct halo_event *event)
{
    return (halo_header_list){ event->u.headers.fields, event->u.headers.count };
}

static void tell_end(halo_stream *stream)
{
    const struct halo_stream_callbacks *callbacks = stream->callbacks;

    if (callbacks != NULL && callbacks->on_end != NULL) {
        callbacks->on_end(stream, stream->user_data);
    }
}

/* A body that nobody reads is dropped and credited, also behind a complete response, as Node does.
 * Who wants to save the peer the rest says halo_stream_reset(stream, HALO_NO_ERROR) (RFC 9113
 * 8.1). */
static void tell_data(const struct halo_event *event)
{
    halo_stream *stream = event->stream;
    const struct halo_stream_callbacks *callbacks = stream->callbacks;

    if (event->u.data.len > 0 && callbacks != NULL && callbacks->on_data != NULL) {
        callbacks->on_data(stream, event->u.data.data, event->u.data.len, stream->user_data);
    }
}

static void tell_stream(struct conn *conn, const struct halo_event *event)
{
    halo_stream *stream = event->stream;
    const struct halo_stream_callbacks *callbacks = stream->callbacks;
    void *user_data = stream->user_data;

    switch (event->type) {
    case HALO_EVENT_REQUEST:
        conn->owner->on_stream(conn, stream, event_list(event), event->flags);
        break;
    case HALO_EVENT_DATA:
        tell_data(event);
        break;
    case HALO_EVENT_RESPONSE:
        if (callbacks != NULL && callbacks->on_response != NULL) {
            callbacks->on_response(stream, event->u.headers.status, event_list(event), event->flags,
                                   user_data);
        }
        break;
    case HALO_EVENT_INFORMATION:
        if (callbacks != NULL && callbacks->on_information != NULL) {
            callbacks->on_information(stream, event->u.headers.status, event_list(event),
                                      user_data);
        }
        break;
    case HALO_EVENT_TRAILERS:
        if (callbacks != NULL && callbacks->on_trailers != NULL) {
            callbacks->on_trailers(stream, event_list(event), user_data);
        }
        break;
    case HALO_EVENT_WRITABLE:
        if (callbacks != NULL && callbacks->on_writable != NULL) {
            callbacks->on_writable(stream, user_data);
        }
        break;
    case HALO_EVENT_READY:
        if (callbacks != NULL && callbacks->on_ready != NULL) {
            callbacks->on_ready(stream, user_data);
        }
        break;
    case HALO_EVENT_WANT_TRAILERS:
        if (callbacks != NULL && callbacks->on_want_trailers != NULL) {
            callbacks->on_want_trailers(stream, user_data);
        } else {
            halo_stream_end(stream);
        }
        break;
    case HALO_EVENT_STREAM_CLOSED:
        if (callbacks != NULL && callbacks->on_close != NULL) {
            callbacks->on_close(stream, event->u.closed, user_data);
        }
        return;
    default:
        conn_tell_session(conn, event);
        return;
    }
    if ((event->flags & HALO_END_STREAM) != 0) {
        tell_end(stream);
    }
}

/* ---- the protocol ---------------------------------------------------------------------- */

static void session_dispatch(struct conn *conn)
{
    struct halo_event event;

    conn->session->now_ns = loop_now_ns(conn->loop);
    while (halo_session_poll(conn->session, &event) != 0) {
        if (event.stream != NULL) {
            tell_stream(conn, &event);
        } else {
            conn_tell_session(conn, &event);
        }
    }
}

/* The octets are lent, not given: what the application keeps of them is copied. */
__attribute__((noinline)) static void receive_lent(struct conn *conn, halo_slice *slice)
{
    int status = halo_session_recv(conn->session, slice->data, slice->len, loop_now_ns(conn->loop));

    HALO_ASSERT(status == 0);
    session_dispatch(conn);
    halo_slice_release(slice);
}

static void session_receive(struct conn *conn, halo_slice *slice)
{
    int status;

    if (conn_holds_many(conn, conn->session->kept_count)) {
        receive_lent(conn, slice);
        return;
    }
    status = halo_session_recv_slice(conn->session, slice, loop_now_ns(conn->loop));
    HALO_ASSERT(status == 0); /* everything before was polled */
    session_dispatch(conn);
}

static void session_receive_end(struct conn *conn, const struct halo_error *error)
{
    halo_session_recv_end(conn->session, error);
    conn_wake(conn);
}

static int session_pull(struct conn *conn, struct iovec *iov, int max, size_t limit)
{
    return halo_session_pull(conn->session, iov, max, limit);
}

static void session_sent(struct conn *conn, size_t len)
{
    conn->session->now_ns = loop_now_ns(conn->loop);
    halo_session_sent(conn->session, len);
}

static bool session_wants_receive(const struct conn *conn)
{
    return halo_session_wants_recv(conn->session) != 0;
}

static uint32_t session_held(const struct conn *conn)
{
    return conn->session->kept_count;
}

static uint64_t session_next_timeout(const struct conn *conn)
{
    return halo_session_next_timeout(conn->session);
}

static void session_tick(struct conn *conn, uint64_t now_ns)
{
    halo_session_tick(conn->session, now_ns);
}

static bool session_over(const struct conn *conn)
{
    return conn->over_told;
}

static void session_close(struct conn *conn)
{
    struct halo_session *session = conn->session;

    if (session->callbacks != NULL && session->callbacks->on_close != NULL) {
        session->callbacks->on_close(session, conn->error.status != 0 ? &conn->error : NULL,
                                     session->user_data);
    }
    conn->session = NULL;
    conn->protocol = NULL;
    session->driver = NULL;
    halo_session_free(session);
}

const struct protocol_ops session_protocol = {
    .receive = session_receive,
    .receive_end = session_receive_end,
    .dispatch = session_dispatch,
    .pull = session_pull,
    .sent = session_sent,
    .wants_receive = session_wants_receive,
    .held = session_held,
    .next_timeout = session_next_timeout,
    .tick = session_tick,
    .over = session_over,
    .close = session_close,
};
