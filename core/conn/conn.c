#include "core/conn/conn.h"

static void on_received(struct io_receiver *receiver, halo_slice *slice);
static void on_receive_end(struct io_receiver *receiver, int error);
static void on_sent(struct io_sender *sender, int result);
static void on_flush(struct loop_deferred *deferred);
static void on_timer(struct timer *timer);

/* ---- making ---------------------------------------------------------------------------- */

static void free_env(struct halo_loop *loop, void *data)
{
    struct conn_env *env = data;

    slab_fini(&env->zero_copy_sends);
    slab_fini(&env->conns);
    proto_env_fini(&env->proto);
    memory_free(&loop->memory, env);
}

struct conn_env *conn_env_of(struct halo_loop *loop)
{
    struct conn_env *env = loop->proto_env.data;

    if (HALO_LIKELY(env != NULL)) {
        return env;
    }
    env = memory_zalloc(&loop->memory, sizeof(*env));
    if (env == NULL) {
        return NULL;
    }
    if (proto_env_init(&env->proto, &loop->memory, CONN_SLAB) != 0) {
        memory_free(&loop->memory, env);
        return NULL;
    }
    slab_init(&env->conns, &loop->memory, sizeof(struct conn), CONN_SLAB);
    slab_init(&env->zero_copy_sends, &loop->memory, conn_zero_copy_send_size(), CONN_SLAB);
    loop->proto_env.data = env;
    loop->proto_env.free = free_env;
    return env;
}

struct conn *conn_new(struct halo_loop *loop, int fd, struct transport *transport,
                      const struct conn_owner *owner, void *owner_data,
                      const struct conn_options *options)
{
    struct conn_env *env = conn_env_of(loop);
    struct conn *conn = env != NULL ? slab_take(&env->conns) : NULL;

    if (conn == NULL) {
        if (transport != NULL) {
            transport->ops->free(transport);
        }
        if (fd >= 0) {
            io_close(loop, fd);
        }
        return NULL;
    }
    *conn = (struct conn){
        .loop = loop,
        .fd = -1,
        .owner = owner,
        .owner_data = owner_data,
        .phase = CONN_CONNECTING,
        .phase_deadline_ns = UINT64_MAX,
        .send_deadline_ns = UINT64_MAX,
        .send_timeout_ns = options->send_timeout_ns,
    };
    io_receiver_init(&conn->receiver, loop, -1, on_received, on_receive_end);
    io_sender_init(&conn->sender, loop, -1, on_sent);
    loop_deferred_init(&conn->flush, on_flush);
    timer_init(&conn->timer, on_timer);
    list_init(&conn->owned);
    if (fd >= 0) {
        conn_attach(conn, fd, transport, options);
    }
    return conn;
}

void conn_attach(struct conn *conn, int fd, struct transport *transport,
                 const struct conn_options *options)
{
    HALO_ASSERT(conn->phase == CONN_CONNECTING && fd >= 0);
    conn->fd = fd;
    conn->receiver.fd = fd;
    conn->sender.fd = fd;
    conn->transport = transport;
    conn->zero_copy_min = transport == NULL ? conn->loop->zero_copy_min : 0;
    conn->phase = CONN_HANDSHAKE;
    if (transport != NULL && options->handshake_timeout_ns > 0) {
        conn->phase_deadline_ns = loop_now_ns(conn->loop) + options->handshake_timeout_ns;
    } else if (transport == NULL && options->listen_first_ns > 0) {
        conn->phase_deadline_ns = loop_now_ns(conn->loop) + options->listen_first_ns;
    }
}

static void open_protocol(struct conn *conn)
{
    conn->phase = CONN_OPEN;
    conn->phase_deadline_ns = UINT64_MAX;
    conn->owner->on_open(conn);
}

void conn_open(struct conn *conn)
{
    if (conn->phase == CONN_HANDSHAKE && conn->transport == NULL) {
        loop_timer_clear(conn->loop, &conn->timer);
        open_protocol(conn);
    }
}

void conn_start(struct conn *conn)
{
    if (conn->phase_deadline_ns == UINT64_MAX) {
        conn_open(conn);
    }
    io_receiver_start(&conn->receiver);
    conn_wake(conn);
}

static void wake_conn(struct halo_session *session)
{
    conn_wake(session->driver);
}

void conn_set_session(struct conn *conn, struct halo_session *session)
{
    HALO_ASSERT(conn->phase <= CONN_OPEN && conn->protocol == NULL);
    conn->session = session;
    conn->protocol = &session_protocol;
    conn->http_version = "2.0";
    session->driver = conn;
    session->wake = wake_conn;
    conn_wake(conn);
}

/* ---- receiving ------------------------------------------------------------------------- */

static void transport_failed(struct conn *conn)
{
    const struct transport *transport = conn->transport;

    if (conn->protocol != NULL) {
        conn->protocol->receive_end(conn, &transport->error);
        conn->protocol->dispatch(conn);
    } else {
        conn->error = transport->error;
    }
    conn_begin_end(conn, false); /* the alert still goes out */
}

/* Works off what TLS has in hand: the handshake, then plaintext. */
static void pump_transport(struct conn *conn)
{
    struct transport *transport = conn->transport;

    for (;;) {
        halo_slice plain = { 0 };
        enum transport_state state = transport->ops->read(transport, &plain);

        if (state == TRANSPORT_OPEN && conn->phase == CONN_HANDSHAKE) {
            open_protocol(conn);
        }
        if (plain.len > 0 && conn->phase == CONN_OPEN && conn->protocol != NULL) {
            conn->protocol->receive(conn, &plain);
            continue;
        }
        if (plain.owner != NULL) {
            halo_slice_release(&plain);
            continue; /* nobody wants it any more */
        }
        if (state == TRANSPORT_FAILED && conn->phase < CONN_FLUSHING) {
            transport_failed(conn);
        } else if (state == TRANSPORT_CLOSED && conn->phase == CONN_OPEN &&
                   conn->protocol != NULL) {
            conn->protocol->receive_end(conn, NULL);
        }
        return;
    }
}

/* Octets that the protocol may keep must not be all of the ring's. (A session copies what is kept
 * of them, and nothing else: conn_session.c.) */
static void protect_ring(struct conn *conn, halo_slice *slice)
{
    if (HALO_UNLIKELY(conn->protocol != &session_protocol) &&
        conn_holds_many(conn, conn->protocol->held(conn))) {
        if (bufring_copy_out(conn->loop, slice) ==
            0) { /* without memory they stay where they are */
            conn->session->copied_in += slice->len;
        }
    }
}

/* The first octets of a connection that listens first. False when nobody wants them. */
__attribute__((noinline)) static bool open_for_octets(struct conn *conn)
{
    conn_open(conn);
    return conn->protocol != NULL;
}

static void on_received(struct io_receiver *receiver, halo_slice *slice)
{
    struct conn *conn = HALO_CONTAINER(receiver, struct conn, receiver);

    conn_wake(conn);
    if (HALO_UNLIKELY(conn->phase >= CONN_FLUSHING)) {
        conn_drop_input(conn, slice->len);
        halo_slice_release(slice);
        return;
    }
    if (conn->transport != NULL) {
        conn->transport->ops->feed(conn->transport, slice);
        pump_transport(conn);
    } else if (HALO_LIKELY(conn->protocol != NULL) || open_for_octets(conn)) {
        protect_ring(conn, slice);
        conn->protocol->receive(conn, slice);
    } else {
        halo_slice_release(slice);
    }
}

static void socket_error(struct halo_error *error, int system_errno, const char *reason)
{
    *error = (struct halo_error){
        .status = HALO_E_IO,
        .origin = HALO_ORIGIN_SYSTEM,
        .system_errno = system_errno,
        .reason = reason,
    };
}

static void on_receive_end(struct io_receiver *receiver, int error)
{
    struct conn *conn = HALO_CONTAINER(receiver, struct conn, receiver);
    struct halo_error lost;

    conn->receive_ended = true;
    conn_wake(conn);
    if (conn->phase >= CONN_FLUSHING) {
        return;
    }
    if (error != 0) {
        socket_error(&lost, -error, "the connection was lost");
        conn_abort(conn, &lost);
        return;
    }
    if (conn->transport != NULL) {
        conn->transport->ops->feed_end(conn->transport);
        pump_transport(conn);
        return;
    }
    if (conn->protocol != NULL) {
        conn->protocol->receive_end(conn, NULL);
    } else {
        conn_begin_end(conn, true);
    }
}

/* ---- sending --------------------------------------------------------------------------- */

/* Encrypts what the protocol has to say, up to the target. */
static void fill_transport(struct conn *conn)
{
    struct transport *transport = conn->transport;

    while (transport->output_len < CONN_SEND_TARGET && transport->state == TRANSPORT_OPEN &&
           conn->protocol != NULL) {
        struct iovec iov[IO_SEND_PIECES_MAX];
        size_t limit = CONN_SEND_TARGET - transport->output_len;
        int count = conn->protocol->pull(conn, iov, IO_SEND_PIECES_MAX, limit);
        size_t taken;

        if (count == 0) {
            return;
        }
        taken = transport->ops->write(transport, iov, count, limit);
        if (taken == 0) {
            return;
        }
        conn->protocol->sent(conn, taken);
    }
}

static size_t total_len(const struct iovec *iov, int count)
{
    size_t len = 0;

    for (int i = 0; i < count; i++) {
        len += iov[i].iov_len;
    }
    return len;
}

/* Is the next send as good as there, whatever the peer does? Then TCP need not send packets that
 * are not full. Large ones cost hardly more than small ones, and over the loopback every send would
 * end with a small one. */
static bool is_followed(const struct conn *conn, const struct iovec *iov, int count)
{
    size_t len = total_len(iov, count);

    if (HALO_LIKELY(len < CONN_FOLLOWED_MIN) || conn->phase != CONN_OPEN ||
        conn->protocol != &session_protocol) {
        return false;
    }
    return (conn->transport != NULL && conn->transport->output_len > len) ||
           (conn->files != NULL && conn->files->announced > 0) || session_goes_on(conn->session);
}

/* One send at a time; everything that is ready goes into it. */
static void send_next(struct conn *conn)
{
    struct iovec iov[IO_SEND_PIECES_MAX];
    int count = 0;

    if (!io_sender_idle(&conn->sender) || conn->broken || conn->phase >= CONN_LINGERING ||
        conn->phase == CONN_CONNECTING) {
        return;
    }
    if (conn->transport != NULL) {
        fill_transport(conn);
        count = conn->transport->ops->output(conn->transport, iov, IO_SEND_PIECES_MAX);
    } else if (conn->protocol != NULL) {
        count = conn->protocol->pull(conn, iov, IO_SEND_PIECES_MAX, CONN_SEND_TARGET);
    }
    if (count == 0) {
        conn->send_deadline_ns = UINT64_MAX;
        io_sender_cork(&conn->sender, false);
        return;
    }
    io_sender_cork(&conn->sender, is_followed(conn, iov, count));
    if (conn->send_timeout_ns > 0) {
        conn->send_deadline_ns = loop_now_ns(conn->loop) + conn->send_timeout_ns;
    }
    if (HALO_UNLIKELY(conn->zero_copy_min != 0) && conn_zero_copy_send(conn, iov, count)) {
        return;
    }
    io_sender_send(&conn->sender, iov, count);
}

static void on_sent(struct io_sender *sender, int result)
{
    struct conn *conn = HALO_CONTAINER(sender, struct conn, sender);
    struct halo_error lost;

    conn_wake(conn);
    if (result < 0) {
        if (conn->phase < CONN_LINGERING) {
            socket_error(&lost, -result, "the connection was lost");
            conn_abort(conn, &lost);
        }
        return;
    }
    if (conn->transport != NULL) {
        conn->transport->ops->sent(conn->transport, (size_t)result);
    } else if (conn->protocol != NULL) {
        conn->protocol->sent(conn, (size_t)result);
    }
}

/* ---- the end of the batch -------------------------------------------------------------- */

/* Reading stops while answers are not read by the peer: TCP then holds it back. */
static void control_receiving(struct conn *conn)
{
    bool wanted =
        conn->phase != CONN_OPEN || conn->protocol == NULL || conn->protocol->wants_receive(conn);

    if (wanted == conn->receive_paused && !conn->receive_ended && conn->phase < CONN_CLOSING) {
        conn->receive_paused = !wanted;
        if (wanted) {
            io_receiver_resume(&conn->receiver);
        } else {
            io_receiver_pause(&conn->receiver);
        }
    }
}

/* A timer that is armed for an earlier time is left alone: it looks again when it goes off. */
static void arm_timer(struct conn *conn)
{
    uint64_t deadline = min_u64(conn->phase_deadline_ns, conn->send_deadline_ns);

    if (conn->phase == CONN_OPEN && conn->protocol != NULL) {
        deadline = min_u64(deadline, conn->protocol->next_timeout(conn));
    }
    if (deadline == UINT64_MAX ||
        (timer_armed(&conn->timer) && conn->timer.deadline_ns <= deadline)) {
        return;
    }
    timer_set(&conn->loop->timers, &conn->timer, deadline);
}

static void on_flush(struct loop_deferred *deferred)
{
    struct conn *conn = HALO_CONTAINER(deferred, struct conn, flush);

    if (conn->phase <= CONN_OPEN && conn->protocol != NULL) {
        conn->protocol->dispatch(conn);
        if (HALO_UNLIKELY(conn->protocol->over(conn))) {
            conn_begin_end(conn, false);
        }
    }
    send_next(conn);
    control_receiving(conn);
    arm_timer(conn);
    if (HALO_UNLIKELY(conn->phase >= CONN_FLUSHING)) {
        conn_advance_end(conn); /* may free it */
    }
}

static void on_timer(struct timer *timer)
{
    struct conn *conn = HALO_CONTAINER(timer, struct conn, timer);
    uint64_t now_ns = loop_now_ns(conn->loop);
    struct halo_error late = { .status = HALO_E_TIMEOUT, .origin = HALO_ORIGIN_LIBRARY };

    if (now_ns >= conn->phase_deadline_ns && conn->phase == CONN_HANDSHAKE &&
        conn->transport == NULL) {
        conn_open(conn); /* the peer waits for us */
    } else if (now_ns >= conn->phase_deadline_ns) {
        late.reason = "TLS handshake not complete in time";
        conn_abort(conn, &late);
    } else if (now_ns >= conn->send_deadline_ns) {
        late.reason = "the peer does not read what it is sent";
        conn_abort(conn, &late);
    } else if (conn->phase == CONN_OPEN && conn->protocol != NULL) {
        conn->protocol->tick(conn, now_ns);
    }
    conn_wake(conn);
}
