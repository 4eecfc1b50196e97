/*
 * The one way a connection ends (see the phases in conn.h). Whatever the cause, the protocol is
 * told first, so that every stream and then the session get their last callback; memory goes only
 * when the kernel has let go of the last operation.
 */
#include <sys/socket.h>

#include "core/conn/conn.h"

enum {
    /* After our end was sent: time and octets for the peer to read it and to send its own. */
    LINGER_MS = 2000,
    LINGER_OCTETS = 64 * 1024,
    /* Flushing, and lingering, of a connection whose owner is in a hurry. */
    HURRY_MS = 100,
};

void conn_drop_input(struct conn *conn, size_t len)
{
    if (conn->phase == CONN_LINGERING) {
        if (len >= conn->linger_left) {
            conn->phase_deadline_ns = loop_now_ns(conn->loop); /* enough is enough */
            conn->linger_left = 0;
        } else {
            conn->linger_left -= (uint32_t)len;
        }
    }
}

void conn_hurry(struct conn *conn)
{
    conn->hurried = true;
    conn_wake(conn);
}

static uint64_t after_ms(const struct conn *conn, uint32_t ms)
{
    return loop_now_ns(conn->loop) + (uint64_t)ms * 1000000u;
}

void conn_begin_end(struct conn *conn, bool broken)
{
    conn->broken |= broken || conn->phase == CONN_CONNECTING;
    if (conn->phase < CONN_FLUSHING) {
        conn->phase = CONN_FLUSHING;
        conn->phase_deadline_ns = conn->hurried ? after_ms(conn, HURRY_MS) : UINT64_MAX;
    }
    conn_wake(conn);
}

/* Tells the protocol of the error, or keeps it where there is none yet. */
static void tell_error(struct conn *conn, const struct halo_error *error)
{
    if (conn->protocol != NULL) {
        conn->protocol->receive_end(conn, error);
        conn->protocol->dispatch(conn);
    } else {
        conn->error = *error;
    }
}

void conn_abort(struct conn *conn, const struct halo_error *error)
{
    if (conn->phase < CONN_FLUSHING) {
        tell_error(conn, error);
    }
    conn_begin_end(conn, true);
    conn->phase = CONN_CLOSING;
}

void conn_refuse(struct conn *conn, const struct halo_error *error)
{
    tell_error(conn, error);
    conn_begin_end(conn, false);
}

/* Is everything sent that is to be sent? Says close_notify on the way. */
static bool flushed(struct conn *conn)
{
    if (conn->broken) {
        return true;
    }
    if (!io_sender_idle(&conn->sender)) {
        return false;
    }
    if (conn->transport == NULL) {
        return true; /* send_next() found nothing more */
    }
    if (!conn->shut_down) {
        conn->shut_down = true;
        conn->transport->ops->shutdown(conn->transport);
        if (conn->transport->output_len > 0) {
            conn_wake(conn);
            return false;
        }
    }
    return conn->transport->output_len == 0;
}

static void begin_linger(struct conn *conn)
{
    conn->phase = CONN_LINGERING;
    conn->linger_left = LINGER_OCTETS;
    conn->phase_deadline_ns = after_ms(conn, conn->hurried ? HURRY_MS : LINGER_MS);
    if (io_shutdown(conn->loop, conn->fd, SHUT_WR) != 0) {
        conn->receive_ended = true; /* the peer is gone */
    }
    loop_timer_clear(conn->loop, &conn->timer);
    timer_set(&conn->loop->timers, &conn->timer, conn->phase_deadline_ns);
}

/* Nothing is under way any more. */
static void finish(struct conn *conn)
{
    struct halo_loop *loop = conn->loop;
    struct conn_env *env = conn_env_of(loop);

    loop_timer_clear(loop, &conn->timer);
    loop_defer_cancel(&conn->flush);
    if (conn->protocol != NULL) {
        conn->protocol->close(conn); /* the user may still ask for addresses */
    }
    if (conn->files != NULL) {
        conn->files->leave(conn->files);
    }
    if (conn->fd >= 0) {
        io_close(loop, conn->fd);
        conn->fd = -1;
    }
    if (conn->zero_copy != NULL) {
        conn_zero_copy_free(conn);
    }
    conn->owner->on_closed(conn);
    /* Last: the text of conn->error may lie in it. */
    if (conn->transport != NULL) {
        conn->transport->ops->free(conn->transport);
    }
    if (conn->peer.is_local) {
        memory_free(&loop->memory, conn->peer.local);
    }
    slab_give(&env->conns, conn);
}

void conn_advance_end(struct conn *conn)
{
    if (conn->phase == CONN_FLUSHING && flushed(conn)) {
        /* Behind the peer's end there is nothing to wait for: the close sends ours. */
        if (conn->broken || conn->receive_ended) {
            conn->phase = CONN_CLOSING;
        } else {
            begin_linger(conn);
        }
    }
    if (conn->phase == CONN_LINGERING &&
        (conn->receive_ended || loop_now_ns(conn->loop) >= conn->phase_deadline_ns)) {
        conn->phase = CONN_CLOSING;
    }
    if (conn->phase != CONN_CLOSING) {
        return;
    }
    if (!conn->receive_ended && !io_receiver_idle(&conn->receiver)) {
        io_receiver_stop(&conn->receiver);
    }
    if (!io_sender_idle(&conn->sender)) {
        io_sender_cancel(&conn->sender);
        return; /* on_sent follows */
    }
    if (io_receiver_idle(&conn->receiver) &&
        (HALO_LIKELY(conn->zero_copy == NULL) || conn_zero_copy_over(conn))) {
        finish(conn);
    }
}
