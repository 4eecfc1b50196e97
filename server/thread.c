/*
 * Workers on threads of their own: each makes its loop, runs it until its last connection is gone,
 * and says so to the server's loop.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "server/server.h"
#include "tls/tls.h"

static void say_started(struct server_worker *worker, int status, const char *error)
{
    struct halo_server *server = worker->server;

    pthread_mutex_lock(&server->mutex);
    if (!worker->started) {
        worker->started = true;
        worker->start_status = status;
        snprintf(worker->start_error, sizeof(worker->start_error), "%s", error);
        pthread_cond_broadcast(&server->started);
    }
    pthread_mutex_unlock(&server->mutex);
}

/* The loop runs: its first turn makes this call. */
static void on_running(void *ctx)
{
    struct server_worker *worker = ctx;
    const struct halo_server_options *options = &worker->server->options;

    if (options->on_worker_start != NULL) {
        options->on_worker_start(worker->server, worker->index, worker->loop, options->user_data);
    }
    say_started(worker, 0, "");
}

static void *run_worker(void *argument)
{
    struct server_worker *worker = argument;
    struct halo_server *server = worker->server;
    char error[512] = "";
    int status;

    status = worker_open(worker, error, sizeof(error));
    if (status == 0) {
        status = halo_loop_post(worker->loop, on_running, worker);
    }
    if (status == 0) {
        status = halo_loop_run(worker->loop);
        snprintf(error, sizeof(error), "%s", halo_loop_error(worker->loop));
    }
    if (status == 0 && server->options.on_worker_stop != NULL) {
        server->options.on_worker_stop(server, worker->index, worker->loop,
                                       server->options.user_data);
    }
    say_started(worker, status, error[0] != '\0' ? error : halo_status_text(status));
    halo_loop_free(worker->loop);
    worker->loop = NULL;
    tls_thread_exit();
    if (status == 0) {
        server_worker_done(worker);
    }
    return NULL;
}

/* halo's threads take no signals: those are the application's. */
static int create_thread(struct server_worker *worker)
{
    sigset_t all;
    sigset_t before;
    int status;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&worker->thread, NULL, run_worker, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

int worker_start_thread(struct server_worker *worker)
{
    struct halo_server *server = worker->server;
    int status = halo_loop_new(&worker->loop, &server->options.loop);

    if (status != 0) {
        return status;
    }
    worker->has_thread = true;
    status = create_thread(worker);
    if (status != 0) {
        halo_loop_free(worker->loop);
        worker->loop = NULL;
        snprintf(server->error, sizeof(server->error), "cannot start worker %u: %s", worker->index,
                 strerror(status));
        return HALO_E_IO;
    }
    pthread_mutex_lock(&server->mutex);
    while (!worker->started) {
        pthread_cond_wait(&server->started, &server->mutex);
    }
    pthread_mutex_unlock(&server->mutex);
    if (worker->start_status != 0) {
        snprintf(server->error, sizeof(server->error), "worker %u: %s", worker->index,
                 worker->start_error);
        pthread_join(worker->thread, NULL);
        worker_fini(worker);
    }
    return worker->start_status;
}

void worker_join(struct server_worker *worker)
{
    if (worker->has_thread) {
        pthread_join(worker->thread, NULL);
    }
}
