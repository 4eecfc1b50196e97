/*
 * Sockets in memory, for the scripted ring: pairs with a buffer each way, ends, resets, listeners
 * with a queue.
 */
#ifndef HALO_TESTS_SCRIPTED_SOCKETS_H
#define HALO_TESTS_SCRIPTED_SOCKETS_H

#include "core/base/base.h"

enum {
    FAKE_FD_FIRST = 1 << 24, /* numbers of sockets begin here, where no real descriptor is */
    FAKE_SOCKETS_MAX = 4096,
    FAKE_BACKLOG_MAX = 256,
};

struct fake_socket {
    bool open;
    bool broken;   /* reset by the other side */
    bool in_end;   /* nothing more will come in */
    bool out_end;  /* nothing more may be sent */
    int peer;      /* its number; -1: none */
    uint16_t port; /* of a listener */
    uint32_t num_waiting;
    int waiting[FAKE_BACKLOG_MAX]; /* a listener's connections, near side */
    uint8_t *in;
    size_t in_len;
};

struct fake_sockets {
    struct fake_socket *all;
    uint32_t count;
    uint32_t num_open;
    uint32_t buffer_size; /* octets that a socket takes before its sender must wait */
};

void fake_sockets_init(struct fake_sockets *sockets, uint32_t buffer_size);
void fake_sockets_fini(struct fake_sockets *sockets);

int fake_socket_new(struct fake_sockets *sockets);
/* The open socket of that number. */
struct fake_socket *fake_socket_of(struct fake_sockets *sockets, int fd);
/* The other end; NULL when it is gone. */
struct fake_socket *fake_socket_peer(struct fake_sockets *sockets, struct fake_socket *socket);
void fake_socket_join(struct fake_sockets *sockets, int a, int b);
/* The connection breaks for whoever is at this end. */
void fake_socket_break(struct fake_socket *socket);
void fake_socket_shutdown(struct fake_sockets *sockets, int fd, int how);
/* The peer sees an end; a reset, when octets were unread or `reset` is set. */
void fake_socket_close(struct fake_sockets *sockets, int fd, bool reset);

/* Octets out of the socket's buffer, and into it; how many were there, or had room. */
size_t fake_socket_take(struct fake_socket *socket, void *octets, size_t len);
size_t fake_socket_put(struct fake_sockets *sockets, struct fake_socket *socket, const void *octets,
                       size_t len);

/* NULL when nobody listens there. */
struct fake_socket *fake_listener_of(struct fake_sockets *sockets, uint16_t port);
/* A new connection in the listener's queue, whose far side is `far`. False when the queue is
 * full. */
bool fake_listener_add(struct fake_sockets *sockets, struct fake_socket *listener, int far);
/* The oldest connection of the queue; -1 when there is none. */
int fake_listener_take(struct fake_socket *listener);

#endif
