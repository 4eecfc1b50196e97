/*
 * Large sends of a connection without TLS, without a copy in the kernel: the option zero_copy_min.
 *
 *     send_next -> hold what is sent -> one send, with an operation of its own
 *     result       the session counts it as sent, and gives its references back
 *     released     those that were held go: now borrowed memory, slices and chunks come home
 *
 * The next send goes out after the result. What is held is counted against a limit of the connection
 * and one of the loop; beyond, sends copy. The connection is not gone before the last is released.
 *
 * TLS is left out: its records would be held as well as the plaintext of those to come.
 */
#include <errno.h>
#include <sys/socket.h>

#include "core/conn/conn.h"

enum {
    /* Memory of one connection that waits for its peer: as much as halo holds of what it receives
     * from one that does not read (memory_soft). */
    CONNECTION_HELD_MAX = 1024 * 1024,
    /* Of all connections of a loop: 64 peers that acknowledge nothing. Loops share no memory, so
     * neither this. */
    LOOP_HELD_MAX = 64 * 1024 * 1024,
    /* So many in a row for which the kernel made a copy after all: it always will. */
    COPIED_MAX = 8,
    /* More may not be locked at the moment; then it is tried again. */
    REFUSED_MS = 1000,
    /* The peer has to acknowledge in this time. */
    RELEASE_MS = 30000,
    /* The same where the connection is broken, or its owner in a hurry. */
    RELEASE_HURRY_MS = 100,
};

struct zero_copy_send {
    struct io_zero_copy io;
    struct conn *conn;
    struct list_link link; /* in conn_zero_copy.sends */
    uint64_t deadline_ns;
    size_t octets; /* of memory that it holds */
    int count;
    bool accepted;
    struct output_held held[IO_SEND_PIECES_MAX];
};

struct conn_zero_copy {
    struct conn *conn;
    struct list_link sends; /* not released, the oldest first */
    size_t octets;
    uint32_t copied; /* in a row */
    struct timer timer;
    bool ending;
    uint64_t ending_since_ns;
};

static uint64_t ms(uint32_t count)
{
    return (uint64_t)count * 1000000u;
}

size_t conn_zero_copy_send_size(void)
{
    return sizeof(struct zero_copy_send);
}

void conn_zero_copy_memory_bound(uint32_t min, struct halo_memory_bound *bound)
{
    const uint64_t objects = sizeof(struct conn_zero_copy) +
                             CONNECTION_HELD_MAX / (uint64_t)min * sizeof(struct zero_copy_send);

    bound->output += CONNECTION_HELD_MAX;
    bound->connection += objects;
    bound->total += CONNECTION_HELD_MAX + objects;
    bound->shared += (uint64_t)SLAB_BLOCKS_KEPT * CONN_SLAB * sizeof(struct zero_copy_send);
}

/* ---- who does not let go in time ------------------------------------------------------- */

static uint64_t deadline_of(const struct conn_zero_copy *zero_copy)
{
    const struct conn *conn = zero_copy->conn;
    uint64_t deadline = LIST_ITEM(zero_copy->sends.next, struct zero_copy_send, link)->deadline_ns;

    if (zero_copy->ending && (conn->broken || conn->hurried)) {
        return min_u64(deadline, zero_copy->ending_since_ns + ms(RELEASE_HURRY_MS));
    }
    return deadline;
}

static void arm_timer(struct conn_zero_copy *zero_copy)
{
    uint64_t deadline = deadline_of(zero_copy);

    if (!timer_armed(&zero_copy->timer) || zero_copy->timer.deadline_ns > deadline) {
        timer_set(&zero_copy->conn->loop->timers, &zero_copy->timer, deadline);
    }
}

static void on_timer(struct timer *timer)
{
    struct conn_zero_copy *zero_copy = HALO_CONTAINER(timer, struct conn_zero_copy, timer);
    struct conn *conn = zero_copy->conn;
    const struct halo_error late = {
        .status = HALO_E_TIMEOUT,
        .origin = HALO_ORIGIN_LIBRARY,
        .reason = "the peer does not acknowledge what it is sent",
    };

    if (list_empty(&zero_copy->sends)) {
        return;
    }
    if (loop_now_ns(conn->loop) < deadline_of(zero_copy)) {
        arm_timer(zero_copy);
        return;
    }
    if (conn->phase < CONN_CLOSING) {
        conn_abort(conn, &late);
    }
    conn_wake(conn);
}

bool conn_zero_copy_over(struct conn *conn)
{
    struct conn_zero_copy *zero_copy = conn->zero_copy;

    if (list_empty(&zero_copy->sends)) {
        return true;
    }
    if (conn->fd < 0) {
        return false; /* it was reset: they are on their way */
    }
    if (!zero_copy->ending) {
        zero_copy->ending = true;
        zero_copy->ending_since_ns = loop_now_ns(conn->loop);
        (void)io_shutdown(conn->loop, conn->fd, SHUT_RDWR); /* for the peer it is closed */
    }
    if (loop_now_ns(conn->loop) < deadline_of(zero_copy)) {
        arm_timer(zero_copy);
        return false;
    }
    /* What was not acknowledged keeps the octets in use, after a shutdown and after a close, for as
     * long as the peer likes. A reset drops it. */
    io_set_reset_on_close(conn->fd);
    io_close(conn->loop, conn->fd);
    conn->fd = -1;
    return false;
}

void conn_zero_copy_free(struct conn *conn)
{
    HALO_ASSERT(list_empty(&conn->zero_copy->sends) && conn->zero_copy->octets == 0);
    loop_timer_clear(conn->loop, &conn->zero_copy->timer);
    memory_free(&conn->loop->memory, conn->zero_copy);
    conn->zero_copy = NULL;
}

/* ---- one send -------------------------------------------------------------------------- */

/* The kernel does not want to do without a copy: nothing was sent, and the connection goes on. */
static bool is_refusal(struct conn *conn, int result)
{
    struct conn_env *env = conn_env_of(conn->loop);

    switch (result) {
    case -ENOMEM: /* RLIMIT_MEMLOCK, for one */
    case -ENOBUFS:
        env->zero_copy_again_ns = loop_now_ns(conn->loop) + ms(REFUSED_MS);
        return true;
    case -EOPNOTSUPP: /* a UNIX socket, for one */
        conn->zero_copy_min = 0;
        return true;
    case -EINVAL:
        env->zero_copy_again_ns = UINT64_MAX;
        return true;
    default:
        return false;
    }
}

static void on_result(struct io_zero_copy *io, int result)
{
    struct zero_copy_send *send = HALO_CONTAINER(io, struct zero_copy_send, io);
    struct conn *conn = send->conn;

    if (HALO_UNLIKELY(result < 0) && is_refusal(conn, result)) {
        result = 0;
    }
    send->accepted = result > 0;
    conn->sender.on_sent(&conn->sender, result);
}

static void note_use(struct conn *conn, bool copied)
{
    struct conn_zero_copy *zero_copy = conn->zero_copy;

    zero_copy->copied = copied ? zero_copy->copied + 1 : 0;
    if (zero_copy->copied == COPIED_MAX) {
        conn->zero_copy_min = 0;
    }
}

static void on_released(struct io_zero_copy *io, bool copied)
{
    struct zero_copy_send *send = HALO_CONTAINER(io, struct zero_copy_send, io);
    struct conn *conn = send->conn;
    struct conn_env *env = conn_env_of(conn->loop);

    list_remove(&send->link);
    conn->zero_copy->octets -= send->octets;
    env->zero_copy_octets -= send->octets;
    if (send->accepted) {
        note_use(conn, copied);
    }
    conn_wake(conn); /* its end may wait for this; there it is freed, and not before */
    output_let_go(&env->proto.blocks, send->held, send->count);
    slab_give(&env->zero_copy_sends, send);
    slab_trim(&env->zero_copy_sends);
}

/* Is this one of the connections, and of the moments, for it? */
static bool is_possible(struct conn *conn)
{
    const struct conn_env *env = conn_env_of(conn->loop);

    if (conn->protocol != &session_protocol || !conn->loop->ring->capabilities.send_zero_copy) {
        conn->zero_copy_min = 0;
        return false;
    }
    return loop_now_ns(conn->loop) >= env->zero_copy_again_ns &&
           (conn->files == NULL || !conn->files->scarce);
}

static struct conn_zero_copy *zero_copy_of(struct conn *conn)
{
    struct conn_zero_copy *zero_copy = conn->zero_copy;

    if (HALO_LIKELY(zero_copy != NULL)) {
        return zero_copy;
    }
    zero_copy = memory_zalloc(&conn->loop->memory, sizeof(*zero_copy));
    if (zero_copy != NULL) {
        zero_copy->conn = conn;
        list_init(&zero_copy->sends);
        timer_init(&zero_copy->timer, on_timer);
        conn->zero_copy = zero_copy;
    }
    return zero_copy;
}

/* A send that holds the pieces; NULL beyond the limits. */
static struct zero_copy_send *make_send(struct conn *conn, int count)
{
    struct conn_env *env = conn_env_of(conn->loop);
    struct conn_zero_copy *zero_copy = zero_copy_of(conn);
    struct zero_copy_send *send = zero_copy != NULL ? slab_take(&env->zero_copy_sends) : NULL;

    if (send == NULL) {
        return NULL;
    }
    io_zero_copy_init(&send->io, on_result, on_released);
    list_init(&send->link);
    send->conn = conn;
    send->deadline_ns = loop_now_ns(conn->loop) + ms(RELEASE_MS);
    send->accepted = false;
    send->count = count;
    send->octets = output_hold(&conn->session->output, send->held, count);
    if (zero_copy->octets + send->octets > CONNECTION_HELD_MAX ||
        env->zero_copy_octets + send->octets > LOOP_HELD_MAX) {
        output_let_go(&env->proto.blocks, send->held, count); /* the output has them, too */
        slab_give(&env->zero_copy_sends, send);
        return NULL;
    }
    return send;
}

bool conn_zero_copy_send(struct conn *conn, const struct iovec *iov, int count)
{
    struct conn_zero_copy *zero_copy;
    struct zero_copy_send *send;
    size_t len = 0;

    for (int i = 0; i < count; i++) {
        len += iov[i].iov_len;
    }
    if (len < conn->zero_copy_min || !is_possible(conn)) {
        return false;
    }
    send = make_send(conn, count);
    if (send == NULL) {
        return false;
    }
    zero_copy = conn->zero_copy;
    zero_copy->octets += send->octets;
    conn_env_of(conn->loop)->zero_copy_octets += send->octets;
    list_push_back(&zero_copy->sends, &send->link);
    arm_timer(zero_copy);
    io_sender_send_zero_copy(&conn->sender, &send->io, iov, count);
    return true;
}
