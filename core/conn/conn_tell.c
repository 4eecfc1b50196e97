/*
 * Events that are no stream's everyday life become callbacks of <halo/connection.h>: those of the
 * session, and the rare ones of streams.
 */
#include "core/conn/conn.h"

/* ---- streams --------------------------------------------------------------------------- */

/* Node: 'stream' of a client session. Without anybody who takes it, the server is told not to
 * bother (RFC 9113 8.4.2). */
static void tell_push(const struct halo_session_callbacks *callbacks,
                      const struct halo_event *event, void *user_data)
{
    halo_header_list request = { event->u.push.fields, event->u.push.count };

    if (callbacks == NULL || callbacks->on_push == NULL) {
        halo_stream_reset(event->stream, HALO_REFUSED_STREAM);
        return;
    }
    callbacks->on_push(event->stream, event->u.push.parent, request, user_data);
}

static void tell_frame_error(const struct halo_event *event)
{
    halo_stream *stream = event->stream;

    if (stream->callbacks != NULL && stream->callbacks->on_frame_error != NULL) {
        stream->callbacks->on_frame_error(stream, event->u.frame_error.type,
                                          event->u.frame_error.status, stream->user_data);
    }
}

static void tell_stream_timeout(halo_stream *stream)
{
    if (stream->callbacks != NULL && stream->callbacks->on_timeout != NULL) {
        stream->callbacks->on_timeout(stream, stream->user_data);
    }
}

/* ---- sessions -------------------------------------------------------------------------- */

static void tell_answers(struct halo_session *session, const struct halo_event *event)
{
    const struct halo_session_callbacks *callbacks = session->callbacks;
    void *user_data = session->user_data;

    switch (event->type) {
    case HALO_EVENT_SETTINGS_ACK:
        if (callbacks->on_settings_ack != NULL) {
            callbacks->on_settings_ack(session, event->u.settings.settings,
                                       event->u.settings.duration_ns, user_data);
        }
        break;
    case HALO_EVENT_SETTINGS_CANCEL:
        if (callbacks->on_settings_cancel != NULL) {
            callbacks->on_settings_cancel(session, event->u.settings.settings,
                                          event->u.settings.duration_ns, user_data);
        }
        break;
    case HALO_EVENT_PING_ACK:
        if (callbacks->on_ping_ack != NULL) {
            callbacks->on_ping_ack(session, event->u.ping.payload, event->u.ping.round_trip_ns,
                                   user_data);
        }
        break;
    case HALO_EVENT_PING_CANCEL:
        if (callbacks->on_ping_cancel != NULL) {
            callbacks->on_ping_cancel(session, event->u.ping.payload, event->u.ping.round_trip_ns,
                                      user_data);
        }
        break;
    default:
        break;
    }
}

static void tell_extension(struct halo_session *session, const struct halo_event *event)
{
    const struct halo_session_callbacks *callbacks = session->callbacks;
    void *user_data = session->user_data;

    switch (event->type) {
    case HALO_EVENT_ALTSVC:
        if (callbacks->on_altsvc != NULL) {
            callbacks->on_altsvc(session, event->u.altsvc.stream_id, event->u.altsvc.origin,
                                 event->u.altsvc.value, user_data);
        }
        break;
    case HALO_EVENT_ORIGIN:
        if (callbacks->on_origin != NULL) {
            callbacks->on_origin(session, event->u.origin.origins, event->u.origin.count,
                                 user_data);
        }
        break;
    case HALO_EVENT_FRAME:
        if (callbacks->on_extension_frame != NULL) {
            callbacks->on_extension_frame(session, event->u.frame.type, event->u.frame.flags,
                                          event->u.frame.stream_id, event->u.frame.payload,
                                          event->u.frame.len, user_data);
        }
        break;
    case HALO_EVENT_PRIORITY:
        if (callbacks->on_priority != NULL) {
            callbacks->on_priority(session, event->stream_id, &event->u.dependency, user_data);
        }
        break;
    case HALO_EVENT_PRIORITY_UPDATE:
        if (callbacks->on_priority_update != NULL) {
            callbacks->on_priority_update(session, event->stream_id, &event->u.priority, user_data);
        }
        break;
    default:
        tell_answers(session, event);
        break;
    }
}

static void tell_connection(struct halo_session *session, const struct halo_event *event)
{
    const struct halo_session_callbacks *callbacks = session->callbacks;
    void *user_data = session->user_data;

    switch (event->type) {
    case HALO_EVENT_SETTINGS:
        if (callbacks->on_settings != NULL) {
            callbacks->on_settings(session, user_data);
        }
        break;
    case HALO_EVENT_PING:
        if (callbacks->on_ping != NULL) {
            callbacks->on_ping(session, event->u.ping.payload, user_data);
        }
        break;
    case HALO_EVENT_GOAWAY:
        if (callbacks->on_goaway != NULL) {
            callbacks->on_goaway(session, event->u.goaway.code, event->u.goaway.last_stream_id,
                                 event->u.goaway.debug_data, event->u.goaway.debug_len, user_data);
        }
        break;
    case HALO_EVENT_TIMEOUT:
        if (callbacks->on_timeout != NULL) {
            callbacks->on_timeout(session, user_data);
        }
        break;
    default:
        tell_extension(session, event);
        break;
    }
}

void conn_tell_session(struct conn *conn, const struct halo_event *event)
{
    struct halo_session *session = conn->session;

    switch (event->type) {
    case HALO_EVENT_SESSION_CLOSED:
        conn->over_told = true;
        if (event->u.closed != NULL) {
            conn->error = *event->u.closed;
        }
        break;
    case HALO_EVENT_PUSH:
        tell_push(session->callbacks, event, session->user_data);
        break;
    case HALO_EVENT_FRAME_ERROR:
        tell_frame_error(event);
        break;
    case HALO_EVENT_STREAM_TIMEOUT:
        tell_stream_timeout(event->stream);
        break;
    default:
        if (session->callbacks != NULL) {
            tell_connection(session, event);
        }
        break;
    }
}
