#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "core/base/options.h"

enum {
    WORKERS_MAX = 1024,
    CONNECTIONS_MAX = 65536,
    DESCRIPTORS_SPARE = 64, /* files, the loop's own, what the application has open */
    HANDSHAKE_MS = 10000,
    SEND_MS = 30000,
    BACKLOG = 4096,
};

/* ---- options --------------------------------------------------------------------------- */

void halo_server_options_init_sized(struct halo_server_options *options, size_t struct_size)
{
    struct halo_server_options all = {
        .struct_size = struct_size,
        .max_connections = CONNECTIONS_MAX,
        .handshake_timeout_ms = HANDSHAKE_MS,
        .send_timeout_ms = SEND_MS,
        .backlog = BACKLOG,
    };

    halo_session_options_init(&all.session, HALO_SERVER);
    halo_loop_options_init(&all.loop);
    options_fill(options, struct_size, &all, sizeof(all));
}

/* Never more connections than descriptors, so that accepting stops before it fails. */
static uint32_t connection_limit(uint32_t asked)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur > 2 * DESCRIPTORS_SPARE) {
        return (uint32_t)min_u64(asked, limit.rlim_cur - DESCRIPTORS_SPARE);
    }
    return asked;
}

/* ---- making ---------------------------------------------------------------------------- */

/* A session with these options must be possible: found out now, not with the first connection. */
static int check_session_options(const struct halo_session_options *options)
{
    halo_session *trial;
    int status;

    if (options->role != HALO_SERVER) {
        return HALO_E_INVALID_ARGUMENT;
    }
    status = halo_session_new(&trial, options, 0);
    if (status == 0) {
        halo_session_free(trial);
    }
    return status;
}

/* Sessions are made from them later: a list of the caller's may be gone by then. */
static void keep_frame_types(struct halo_server *server)
{
    struct halo_session_options *session = &server->options.session;
    size_t count = 0;

    for (uint32_t type = 0; type < HALO_ARRAY_LEN(server->frame_types); type++) {
        if (session->frame_type_count > 0 &&
            memchr(session->frame_types, (int)type, session->frame_type_count) != NULL) {
            server->frame_types[count++] = (uint8_t)type;
        }
    }
    session->frame_types = server->frame_types;
    session->frame_type_count = count;
}

int halo_server_new(halo_server **server, halo_loop *loop,
                    const struct halo_server_options *options)
{
    struct halo_server_options all;
    struct halo_server *made;

    if (loop == NULL || options == NULL) {
        return HALO_E_INVALID_ARGUMENT;
    }
    halo_server_options_init(&all);
    HALO_TRY(options_take(&all, sizeof(all), options));
    all.max_connections = connection_limit(all.max_connections);
    all.session.allocator = (halo_allocator){ 0 };
    if (all.workers > WORKERS_MAX || all.max_connections == 0) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (!HALO_HAVE_HTTP1 && all.allow_http1 != 0) {
        return HALO_E_NOT_SUPPORTED;
    }
    HALO_TRY(check_session_options(&all.session));
    made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return HALO_E_NOMEM;
    }
    made->loop = loop;
    made->options = all;
    keep_frame_types(made);
    HALO_ASSERT(pthread_mutex_init(&made->mutex, NULL) == 0);
    HALO_ASSERT(pthread_cond_init(&made->started, NULL) == 0);
    *server = made;
    return 0;
}

void halo_server_free(halo_server *server)
{
    if (server == NULL) {
        return;
    }
    HALO_ASSERT(!server->running); /* after on_close only */
    for (uint32_t i = 0; i < server->num_listeners; i++) {
        if (server->listeners[i].fd >= 0) {
            io_close_now(server->loop, server->listeners[i].fd);
        }
        halo_tls_context_free(server->listeners[i].tls);
    }
    free(server->listeners);
    free(server->workers);
    pthread_mutex_destroy(&server->mutex);
    pthread_cond_destroy(&server->started);
    free(server);
}

const char *halo_server_error(const halo_server *server)
{
    return server->error;
}

uint32_t halo_server_connections(const halo_server *server)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < server->num_workers; i++) {
        sum += __atomic_load_n(&server->workers[i].connections, __ATOMIC_RELAXED);
    }
    return sum;
}

/* ---- start and end --------------------------------------------------------------------- */

static void tell_closed(struct halo_server *server)
{
    server->running = false;
    server->closed = true;
    loop_unref(server->loop);
    if (server->options.on_close != NULL) {
        server->options.on_close(server, server->options.user_data); /* may free it */
    }
}

/* On the server's loop. */
static void worker_gone(struct loop_posted *posted)
{
    struct server_worker *worker = HALO_CONTAINER(posted, struct server_worker, exit_post);
    struct halo_server *server = worker->server;

    worker_join(worker);
    worker_fini(worker);
    if (--server->workers_left == 0 && server->running) {
        tell_closed(server);
    }
}

void server_worker_done(struct server_worker *worker)
{
    /* Also a worker of the same loop comes this way: its last callback is then behind it. */
    loop_post(worker->server->loop, &worker->exit_post, worker_gone);
}

static int start_worker(struct server_worker *worker)
{
    struct halo_server *server = worker->server;

    if (server->options.workers > 0) {
        return worker_start_thread(worker);
    }
    worker->loop = server->loop;
    return worker_open(worker, server->error, sizeof(server->error));
}

int halo_server_start(halo_server *server)
{
    uint32_t wanted = server->options.workers > 0 ? server->options.workers : 1;

    if (server->workers != NULL || server->num_listeners == 0) {
        return HALO_E_WRONG_STATE;
    }
    server->workers = calloc(wanted, sizeof(*server->workers));
    if (server->workers == NULL) {
        return HALO_E_NOMEM;
    }
    server->num_workers = wanted;
    server->running = true;
    loop_ref(server->loop);
    for (uint32_t i = 0; i < wanted; i++) {
        struct server_worker *worker = &server->workers[i];
        int status;

        worker->server = server;
        worker->index = i;
        list_init(&worker->conns);
        status = start_worker(worker);
        if (status != 0) {
            server->num_workers = i;
            if (i == 0) {
                server->running = false;
                loop_unref(server->loop);
            } else {
                halo_server_destroy(server);
            }
            return status;
        }
        server->workers_left++;
    }
    return 0;
}

static void close_worker(struct loop_posted *posted)
{
    worker_close(HALO_CONTAINER(posted, struct server_worker, close_post), false);
}

static void destroy_worker(struct loop_posted *posted)
{
    worker_close(HALO_CONTAINER(posted, struct server_worker, destroy_post), true);
}

/* The lock keeps a worker's loop from going away under the post: one that is done takes no
 * orders. */
static void post_to(struct server_worker *worker, struct loop_posted *posted,
                    void (*call)(struct loop_posted *posted))
{
    struct halo_server *server = worker->server;

    pthread_mutex_lock(&server->mutex);
    if (!worker->done) {
        loop_post(worker->loop, posted, call);
    }
    pthread_mutex_unlock(&server->mutex);
}

void halo_server_close(halo_server *server)
{
    if (__atomic_exchange_n(&server->close_asked, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    for (uint32_t i = 0; i < server->num_workers; i++) {
        post_to(&server->workers[i], &server->workers[i].close_post, close_worker);
    }
}

void halo_server_destroy(halo_server *server)
{
    if (__atomic_exchange_n(&server->destroy_asked, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    for (uint32_t i = 0; i < server->num_workers; i++) {
        post_to(&server->workers[i], &server->workers[i].destroy_post, destroy_worker);
    }
}
