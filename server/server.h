/*
 * The server's private face.
 *
 *   server.c    options, making, start and end of the whole
 *   listener.c  addresses and their sockets
 *   worker.c    one loop's part: accepting, its connections, its end
 *   thread.c    workers on threads of their own
 *
 * With workers = 0 there is one worker, on the caller's loop. Workers share nothing but what is
 * read-only after the start (options, addresses, TLS contexts) and the count of their connections.
 */
#ifndef HALO_SERVER_SERVER_H
#define HALO_SERVER_SERVER_H

#include <pthread.h>

#include <halo/server.h>

#include "core/conn/conn.h"

/* One listen call. */
struct listener {
    struct io_address address; /* with its real port */
    halo_tls_context *tls;     /* NULL: none; one reference */
    int fd; /* bound by halo_server_listen, for the first worker; -1: given away */
};

struct server_worker {
    struct halo_server *server;
    struct halo_loop *loop;
    uint32_t index;
    uint32_t connections;          /* atomic for writers on this thread, readers anywhere */
    struct io_acceptor *acceptors; /* one per listener */
    struct list_link conns;        /* struct conn by `owned` */
    struct loop_handle handle;
    bool closing;
    bool aborting;
    bool paused; /* at the limit of connections */
    bool done;
    struct loop_posted close_post; /* the order to close, from any thread */
    struct loop_posted destroy_post;
    struct loop_posted exit_post; /* to the server's loop: this worker is gone */

    /* Workers on threads. */
    pthread_t thread;
    bool has_thread;
    int start_status; /* 0, or why the loop does not run */
    bool started;
    char start_error[512];
};

struct halo_server {
    struct halo_loop *loop; /* of the one who made it */
    struct halo_server_options options;
    uint8_t frame_types[256]; /* those of options.session */
    struct listener *listeners;
    uint32_t num_listeners;
    struct server_worker *workers;
    uint32_t num_workers;
    uint32_t workers_left; /* not gone yet; on the server's loop */
    bool running;          /* started, on_close not told yet */
    bool closed;
    uint32_t close_asked;   /* atomic */
    uint32_t destroy_asked; /* atomic */
    pthread_mutex_t mutex;  /* of the two below */
    pthread_cond_t started;
    char error[640];
};

/* ---- listener.c ------------------------------------------------------------------------ */

/* Binds and listens; the socket's descriptor is counted in `loop`. Returns it, or a negative
 * errno. */
int listener_open(struct halo_server *server, struct halo_loop *loop,
                  const struct io_address *address);

/* ---- worker.c -------------------------------------------------------------------------- */

/* Opens the worker's sockets and accepts from its loop's next turn on. 0 or HALO_E_*; server->error
 * or `error` has the sentence. */
int worker_open(struct server_worker *worker, char *error, size_t error_size);
/* Graceful end, or immediate. On the worker's thread. */
void worker_close(struct server_worker *worker, bool abort);
/* Frees what worker_open made. */
void worker_fini(struct server_worker *worker);

/* ---- thread.c -------------------------------------------------------------------------- */

/* Starts the thread and waits until its loop runs. */
int worker_start_thread(struct server_worker *worker);
/* Waits for a thread that is ending. */
void worker_join(struct server_worker *worker);

/* ---- server.c -------------------------------------------------------------------------- */

/* The worker has no connections and no sockets any more. On its thread. */
void server_worker_done(struct server_worker *worker);

#endif
