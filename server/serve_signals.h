/*
 * SIGTERM and SIGINT: the first closes the server, which finishes what is under way; the second
 * ends it at once.
 *
 * The signals are blocked everywhere and waited for by a thread of their own, since a server may be
 * closed from any thread but not from a signal handler.
 */
#ifndef HALO_SERVER_SERVE_SIGNALS_H
#define HALO_SERVER_SERVE_SIGNALS_H

#include <pthread.h>
#include <stdbool.h>

#include <halo/server.h>

struct serve_signals {
    pthread_t thread;
    halo_server *server;
    int ending; /* atomic */
    int forced; /* atomic: the second signal came */
};

/* Blocks the signals; before any thread is made. */
void serve_signals_block(void);
/* False when there can be no thread. */
bool serve_signals_start(struct serve_signals *signals, halo_server *server);
/* After the server's on_close, and before it is freed. Returns whether it was ended by force. */
bool serve_signals_stop(struct serve_signals *signals);

#endif
