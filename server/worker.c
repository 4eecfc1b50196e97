/*
 * One loop's part of a server: it accepts, owns its connections, and ends when it is told to and
 * the last of them is gone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http1.h"
#include "server/server.h"
#include "tls/tls.h"

/*
 * The client's preface, and mostly its first request, follow the connection at once (RFC 9113 3.4).
 * So the session is made when they are there: until then a connection costs no memory for one, and
 * SETTINGS and the first response go out in one send. Who waits for our SETTINGS first, which it
 * should not, gets them after so long.
 */
static const uint64_t LISTEN_FIRST_NS = 20 * 1000 * 1000;

/* ---- connections ----------------------------------------------------------------------- */

static struct server_worker *worker_of(const struct conn *conn)
{
    return conn->owner_data;
}

static void pause_accepting(struct server_worker *worker, bool pause)
{
    if (worker->paused == pause || worker->closing) {
        return;
    }
    worker->paused = pause;
    for (uint32_t i = 0; i < worker->server->num_listeners; i++) {
        if (pause) {
            io_acceptor_pause(&worker->acceptors[i]);
        } else {
            io_acceptor_resume(&worker->acceptors[i]);
        }
    }
}

static void count_connection(struct server_worker *worker, int difference)
{
    /* Other workers add to it when they hand a connection over. */
    uint32_t count =
        __atomic_add_fetch(&worker->connections, (uint32_t)difference, __ATOMIC_RELAXED);
    uint32_t limit = worker->server->options.max_connections;

    if (count >= limit) {
        pause_accepting(worker, true);
    } else if (worker->paused && count < limit - limit / 16) {
        pause_accepting(worker, false); /* some room first, so that it does not flutter */
    }
}

/* From here on nobody hands this worker a connection; one that is on its way is waited for. */
static bool mark_done(struct server_worker *worker)
{
    struct halo_server *server = worker->server;

    pthread_mutex_lock(&server->mutex);
    worker->done = __atomic_load_n(&worker->connections, __ATOMIC_RELAXED) == 0;
    pthread_mutex_unlock(&server->mutex);
    return worker->done;
}

/* A worker that closes is done with its last connection and its last listening socket. */
static void check_done(struct server_worker *worker)
{
    if (!worker->closing || worker->done || !list_empty(&worker->conns)) {
        return;
    }
    for (uint32_t i = 0; i < worker->server->num_listeners; i++) {
        if (!io_acceptor_idle(&worker->acceptors[i])) {
            return;
        }
    }
    if (!mark_done(worker)) {
        return;
    }
    loop_handle_remove(&worker->handle);
    loop_unref(worker->loop);
    if (!worker->has_thread) {
        server_worker_done(worker);
    }
}

/* The session can be used: it is known what the peer speaks. */
static void tell_session(struct conn *conn)
{
    const struct halo_server_options *options = &worker_of(conn)->server->options;

    if (options->on_session != NULL) {
        options->on_session(conn->session, options->user_data);
    }
    if (worker_of(conn)->closing) { /* came in while the listeners were being drained */
        halo_session_close(conn->session);
    }
}

#if HALO_HAVE_HTTP1

/* ALPN has decided, or the first octets will. */
static int start_protocol(struct conn *conn, struct halo_session *session)
{
    if (worker_of(conn)->server->options.allow_http1 != 0 &&
        (conn->transport == NULL || strcmp(conn->transport->alpn, "h2") != 0)) {
        return http1_conn_start(conn, session, conn->transport == NULL, tell_session);
    }
    conn_set_session(conn, session);
    tell_session(conn);
    return 0;
}

#else

static int start_protocol(struct conn *conn, struct halo_session *session)
{
    conn_set_session(conn, session);
    tell_session(conn);
    return 0;
}

#endif

static void on_open(struct conn *conn)
{
    struct server_worker *worker = worker_of(conn);
    const struct halo_server_options *options = &worker->server->options;
    struct halo_error refused = { .status = HALO_E_ALPN, .origin = HALO_ORIGIN_REMOTE };
    struct conn_env *env = conn_env_of(conn->loop);
    struct halo_session *session;
    int status;

    if (conn->transport != NULL && options->allow_http1 == 0 &&
        strcmp(conn->transport->alpn, "h2") != 0) {
        refused.reason = "the client did not ask for HTTP/2 (ALPN h2)";
        conn_refuse(conn, &refused);
        return;
    }
    status = session_new_in(&session, &env->proto, &options->session, loop_now_ns(conn->loop));
    if (status == 0) {
        status = start_protocol(conn, session);
    }
    if (status != 0) {
        refused = (struct halo_error){ .status = status,
                                       .origin = HALO_ORIGIN_SYSTEM,
                                       .reason = "out of memory" };
        conn_refuse(conn, &refused);
    }
}

static void on_stream(struct conn *conn, halo_stream *stream, halo_header_list headers,
                      unsigned flags)
{
    const struct halo_server_options *options = &worker_of(conn)->server->options;

    if (options->on_stream != NULL) {
        options->on_stream(stream, headers, flags, options->user_data);
    } else {
        halo_stream_respond(stream, 404, NULL, HALO_END_STREAM);
    }
}

static void on_closed(struct conn *conn)
{
    struct server_worker *worker = worker_of(conn);
    const struct halo_server_options *options = &worker->server->options;

    if (conn->error.status != 0 && options->on_error != NULL) {
        char text[IO_ADDRESS_TEXT_MAX];
        struct io_address peer;

        conn_get_peer(conn, &peer);
        io_address_format(&peer, text);
        options->on_error(text, &conn->error, options->user_data);
    }
    list_remove(&conn->owned);
    count_connection(worker, -1);
    check_done(worker);
}

static const struct conn_owner worker_owner = {
    .on_open = on_open,
    .on_stream = on_stream,
    .on_closed = on_closed,
};

static void take_connection(struct server_worker *worker, int fd, uint32_t listener)
{
    const struct halo_server_options *options = &worker->server->options;
    halo_tls_context *tls = worker->server->listeners[listener].tls;
    struct conn_options conn_options = {
        .handshake_timeout_ns = (uint64_t)options->handshake_timeout_ms * 1000000u,
        .send_timeout_ns = (uint64_t)options->send_timeout_ms * 1000000u,
        .listen_first_ns = worker->closing ? 0 : LISTEN_FIRST_NS,
    };
    struct transport *transport = NULL;
    struct io_address peer = { 0 };
    struct conn *conn;

    if (options->on_connection != NULL || options->on_error != NULL) {
        char text[IO_ADDRESS_TEXT_MAX];

        if (io_address_peer(&peer, fd) != 0) {
            peer = (struct io_address){ 0 }; /* gone already: the first operation will say so */
        }
        if (options->on_connection != NULL &&
            options->on_connection(io_address_format(&peer, text), options->user_data) != 0) {
            io_close(worker->loop, fd);
            return;
        }
    }
    if (tls != NULL) {
        transport = tls_transport_new(&worker->loop->memory, tls, NULL, &worker->loop->now_ns);
        if (transport == NULL) {
            io_close(worker->loop, fd);
            return;
        }
        if (options->allow_http1 != 0) {
            tls_transport_allow(transport, HALO_TLS_ALPN_HTTP1);
        }
    }
    conn = conn_new(worker->loop, fd, transport, &worker_owner, worker, &conn_options);
    if (conn == NULL) {
        return;
    }
    conn_set_peer(conn, &peer);
    conn->receiver.is_local = worker->server->listeners[listener].address.any.sa_family == AF_UNIX;
    list_push_back(&worker->conns, &conn->owned);
    count_connection(worker, 1);
    conn_start(conn);
}

/* ---- handing connections to the least busy worker -------------------------------------- */

struct handed_over {
    struct loop_posted posted;
    struct server_worker *worker;
    uint32_t listener;
    int fd;
};

static void on_handed_over(struct loop_posted *posted)
{
    struct handed_over *handed = HALO_CONTAINER(posted, struct handed_over, posted);
    struct server_worker *worker = handed->worker;
    uint32_t listener = handed->listener;
    int fd = handed->fd;

    free(handed);
    io_fd_opened(worker->loop, fd);
    if (worker->aborting) {
        io_close_now(worker->loop, fd);
    } else {
        take_connection(worker, fd, listener);
    }
    count_connection(worker, -1); /* the sender's reservation */
    check_done(worker);
}

static struct server_worker *least_busy(struct server_worker *worker)
{
    struct halo_server *server = worker->server;
    struct server_worker *least = worker;
    uint32_t fewest = __atomic_load_n(&worker->connections, __ATOMIC_RELAXED);

    for (uint32_t i = 0; i < server->num_workers; i++) {
        uint32_t count = __atomic_load_n(&server->workers[i].connections, __ATOMIC_RELAXED);

        if (count < fewest) {
            least = &server->workers[i];
            fewest = count;
        }
    }
    return least;
}

/* Gives the connection to another worker if one has fewer. False: it stays here. */
static bool hand_over(struct server_worker *worker, int fd, uint32_t listener)
{
    struct server_worker *least = least_busy(worker);
    struct handed_over *handed;

    if (least == worker || worker->closing) {
        return false;
    }
    handed = malloc(sizeof(*handed));
    if (handed == NULL) {
        return false;
    }
    *handed = (struct handed_over){ .worker = least, .listener = listener, .fd = fd };
    /* The lock keeps the other worker's loop from going away under the post. */
    pthread_mutex_lock(&worker->server->mutex);
    if (least->done) {
        pthread_mutex_unlock(&worker->server->mutex);
        free(handed);
        return false;
    }
    io_fd_closed(worker->loop, fd);
    __atomic_fetch_add(&least->connections, 1, __ATOMIC_RELAXED);
    loop_post(least->loop, &handed->posted, on_handed_over);
    pthread_mutex_unlock(&worker->server->mutex);
    return true;
}

/* ---- accepting ------------------------------------------------------------------------- */

static uint32_t listener_index(const struct io_acceptor *acceptor, struct server_worker **worker)
{
    struct server_worker *owner = acceptor->owner;

    *worker = owner;
    return (uint32_t)(acceptor - owner->acceptors);
}

static void on_accepted(struct io_acceptor *acceptor, int fd)
{
    struct server_worker *worker;
    uint32_t listener = listener_index(acceptor, &worker);

    if (worker->aborting) {
        io_close(worker->loop, fd);
        return;
    }
    if (worker->server->options.balance != 0 && hand_over(worker, fd, listener)) {
        return;
    }
    take_connection(worker, fd, listener);
}

static void on_accept_end(struct io_acceptor *acceptor)
{
    struct server_worker *worker;

    listener_index(acceptor, &worker);
    io_close_now(worker->loop, acceptor->fd);
    check_done(worker);
}

static void on_accept_error(struct io_acceptor *acceptor, int error)
{
    struct server_worker *worker;
    const struct halo_server_options *options;
    struct halo_error failed = {
        .status = HALO_E_IO,
        .origin = HALO_ORIGIN_SYSTEM,
        .system_errno = -error,
        .reason = "a connection could not be accepted; trying again shortly",
    };

    listener_index(acceptor, &worker);
    options = &worker->server->options;
    if (options->on_error != NULL) {
        options->on_error("", &failed, options->user_data);
    }
}

/* ---- life ------------------------------------------------------------------------------ */

static void on_abort(struct loop_handle *handle)
{
    worker_close(HALO_CONTAINER(handle, struct server_worker, handle), true);
}

/* The first worker takes the socket that halo_server_listen bound, the others bind their own. */
static int listening_socket(struct server_worker *worker, struct listener *listener, char *error,
                            size_t error_size)
{
    struct halo_server *server = worker->server;
    int fd = listener->fd;

    if (fd >= 0) {
        listener->fd = -1;
        if (worker->loop != server->loop) {
            io_fd_closed(server->loop, fd);
            io_fd_opened(worker->loop, fd);
        }
        return fd;
    }
    fd = listener_open(server, worker->loop, &listener->address);
    if (fd < 0) {
        char text[IO_ADDRESS_TEXT_MAX];

        snprintf(error, error_size, "worker %u cannot listen on %s: %s", worker->index,
                 io_address_format(&listener->address, text), strerror(-fd));
    }
    return fd;
}

int worker_open(struct server_worker *worker, char *error, size_t error_size)
{
    struct halo_server *server = worker->server;

    worker->acceptors = calloc(server->num_listeners, sizeof(*worker->acceptors));
    if (worker->acceptors == NULL) {
        return HALO_E_NOMEM;
    }
    for (uint32_t i = 0; i < server->num_listeners; i++) {
        int fd = listening_socket(worker, &server->listeners[i], error, error_size);

        if (fd < 0) {
            while (i > 0) {
                io_close_now(worker->loop, worker->acceptors[--i].fd);
            }
            worker_fini(worker);
            return HALO_E_IO;
        }
        io_acceptor_init(&worker->acceptors[i], worker->loop, fd, on_accepted, on_accept_end);
        worker->acceptors[i].owner = worker;
        worker->acceptors[i].on_accept_error = on_accept_error;
    }
    for (uint32_t i = 0; i < server->num_listeners; i++) {
        io_acceptor_start(&worker->acceptors[i]);
    }
    loop_ref(worker->loop);
    loop_handle_add(worker->loop, &worker->handle, on_abort);
    return 0;
}

static void end_connection(struct conn *conn, bool abort)
{
    static const struct halo_error closed = { .reason = "" };

    if (!abort) {
        conn_open(conn); /* its first request may be on its way */
    }
    if (conn->session != NULL && conn->phase == CONN_OPEN) {
        if (abort) {
            halo_session_destroy(conn->session, HALO_NO_ERROR);
            conn_hurry(conn);
        } else {
            halo_session_close(conn->session);
        }
    } else if (conn->phase == CONN_HANDSHAKE || abort) {
        conn_abort(conn, &closed);
    }
    conn_wake(conn);
}

void worker_close(struct server_worker *worker, bool abort)
{
    bool first = !worker->closing;
    struct list_link *link;
    struct list_link *next;

    if (worker->done || (worker->aborting && abort)) {
        return;
    }
    worker->closing = true;
    worker->aborting |= abort;
    for (uint32_t i = 0; first && i < worker->server->num_listeners; i++) {
        struct io_acceptor *acceptor = &worker->acceptors[i];

        if (io_acceptor_stop(acceptor, !abort)) {
            io_close_now(worker->loop, acceptor->fd);
        }
    }
    for (link = worker->conns.next; link != &worker->conns; link = next) {
        next = link->next;
        end_connection(LIST_ITEM(link, struct conn, owned), abort);
    }
    check_done(worker);
}

void worker_fini(struct server_worker *worker)
{
    free(worker->acceptors);
    worker->acceptors = NULL;
}
