/*
 * Request bodies that do not come. A server that waits for one holds a stream and what the handler
 * has set up for it; a client that sends an octet now and then could hold them for hours. So until
 * the request is answered its body has to make progress, measured in octets and not in frames.
 *
 * Only while the client could send: not while the application pauses the stream or gives no credit,
 * and not for CONNECT, whose data are a conversation.
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"

struct body_watch {
    struct list_link link; /* session->lines->bodies, by due_ns, since all wait equally long */
    struct halo_stream *stream;
    uint64_t due_ns;
    uint64_t octets; /* that had come when the wait began */
};

static void begin_wait(struct halo_session *session, struct body_watch *watch)
{
    watch->due_ns = session->now_ns + (uint64_t)session->config->timeouts.body_ms * 1000000u;
    watch->octets = watch->stream->octets_received;
    list_push_back(&session->lines->bodies, &watch->link);
}

void stream_watch_body(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    struct body_watch *watch;

    if (session->config->timeouts.body_ms == 0) {
        return;
    }
    watch = memory_alloc(session->env->memory, sizeof(*watch));
    if (watch == NULL) {
        return; /* then this one is not watched, which is the lesser evil */
    }
    *watch = (struct body_watch){ .stream = stream };
    stream->body_watch = watch;
    begin_wait(session, watch);
}

void stream_forget_body(struct halo_stream *stream)
{
    struct body_watch *watch = stream->body_watch;

    if (watch != NULL) {
        stream->body_watch = NULL;
        list_remove(&watch->link);
        memory_free(stream->session->env->memory, watch);
    }
}

uint64_t session_body_deadline(const struct halo_session *session)
{
    if (list_empty(&session->lines->bodies)) {
        return UINT64_MAX;
    }
    return HALO_CONTAINER((uintptr_t)session->lines->bodies.next, struct body_watch, link)->due_ns;
}

/* Is it the client that everybody waits for? */
static bool is_clients_turn(const struct halo_stream *stream)
{
    const struct halo_session *session = stream->session;

    return (stream->flags & STREAM_PAUSED) == 0 && stream->held == NULL &&
           stream->receive.available + (int64_t)session->local.initial_window_size > 0 &&
           session->receive.available > 0;
}

static bool has_progressed(const struct halo_stream *stream, const struct body_watch *watch)
{
    uint64_t needed = (uint64_t)LIMIT_BODY_RATE * stream->session->config->timeouts.body_ms / 1000;

    return stream->octets_received - watch->octets >= max_u64(needed, 1);
}

void session_check_bodies(struct halo_session *session)
{
    while (session_body_deadline(session) <= session->now_ns) {
        struct body_watch *watch = LIST_ITEM(session->lines->bodies.next, struct body_watch, link);
        struct halo_stream *stream = watch->stream;

        list_remove(&watch->link);
        if (stream->recv_half == HALF_DONE || stream->send_half != HALF_HEADERS) {
            stream_forget_body(stream);
        } else if (!is_clients_turn(stream) || has_progressed(stream, watch)) {
            begin_wait(session, watch);
        } else {
            stream_reset(stream, HALO_CANCEL, HALO_E_TIMEOUT, HALO_ORIGIN_LIBRARY,
                         "the request's body came too slowly");
        }
    }
}
