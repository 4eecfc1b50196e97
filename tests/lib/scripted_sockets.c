#include "scripted_sockets.h"

#include <stdlib.h>
#include <sys/socket.h>

void fake_sockets_init(struct fake_sockets *sockets, uint32_t buffer_size)
{
    *sockets = (struct fake_sockets){ .buffer_size = buffer_size };
    sockets->all = calloc(FAKE_SOCKETS_MAX, sizeof(sockets->all[0]));
    HALO_ASSERT(sockets->all != NULL);
}

void fake_sockets_fini(struct fake_sockets *sockets)
{
    for (uint32_t i = 0; i < sockets->count; i++) {
        free(sockets->all[i].in);
    }
    free(sockets->all);
}

int fake_socket_new(struct fake_sockets *sockets)
{
    struct fake_socket *socket;

    HALO_ASSERT(sockets->count < FAKE_SOCKETS_MAX);
    socket = &sockets->all[sockets->count];
    *socket = (struct fake_socket){ .open = true, .peer = -1 };
    socket->in = malloc(sockets->buffer_size);
    HALO_ASSERT(socket->in != NULL);
    sockets->num_open++;
    return FAKE_FD_FIRST + (int)sockets->count++;
}

struct fake_socket *fake_socket_of(struct fake_sockets *sockets, int fd)
{
    int index = fd - FAKE_FD_FIRST;

    HALO_ASSERT(index >= 0 && (uint32_t)index < sockets->count);
    HALO_ASSERT(sockets->all[index].open);
    return &sockets->all[index];
}

struct fake_socket *fake_socket_peer(struct fake_sockets *sockets, struct fake_socket *socket)
{
    return socket->peer >= 0 ? fake_socket_of(sockets, socket->peer) : NULL;
}

void fake_socket_join(struct fake_sockets *sockets, int a, int b)
{
    fake_socket_of(sockets, a)->peer = b;
    fake_socket_of(sockets, b)->peer = a;
}

void fake_socket_break(struct fake_socket *socket)
{
    socket->broken = true;
    socket->in_end = true;
    socket->out_end = true;
    socket->in_len = 0;
}

void fake_socket_shutdown(struct fake_sockets *sockets, int fd, int how)
{
    struct fake_socket *socket = fake_socket_of(sockets, fd);
    struct fake_socket *peer = fake_socket_peer(sockets, socket);

    if (how != SHUT_RD) {
        socket->out_end = true;
        if (peer != NULL) {
            peer->in_end = true;
        }
    }
    if (how != SHUT_WR) {
        socket->in_end = true;
    }
}

void fake_socket_close(struct fake_sockets *sockets, int fd, bool reset)
{
    struct fake_socket *socket = fake_socket_of(sockets, fd);
    struct fake_socket *peer = fake_socket_peer(sockets, socket);

    for (uint32_t i = 0; i < socket->num_waiting; i++) {
        fake_socket_close(sockets, socket->waiting[i], true);
    }
    if (peer != NULL) {
        if (reset || socket->in_len > 0) {
            fake_socket_break(peer);
        }
        peer->in_end = true;
        peer->peer = -1;
    }
    socket->open = false;
    free(socket->in);
    socket->in = NULL;
    sockets->num_open--;
}

size_t fake_socket_take(struct fake_socket *socket, void *octets, size_t len)
{
    size_t taken = min_size(len, socket->in_len);

    memcpy(octets, socket->in, taken);
    memmove(socket->in, socket->in + taken, socket->in_len - taken);
    socket->in_len -= taken;
    return taken;
}

size_t fake_socket_put(struct fake_sockets *sockets, struct fake_socket *socket, const void *octets,
                       size_t len)
{
    size_t put = min_size(len, sockets->buffer_size - socket->in_len);

    memcpy(socket->in + socket->in_len, octets, put);
    socket->in_len += put;
    return put;
}

struct fake_socket *fake_listener_of(struct fake_sockets *sockets, uint16_t port)
{
    for (uint32_t i = 0; i < sockets->count; i++) {
        if (sockets->all[i].open && sockets->all[i].port == port) {
            return &sockets->all[i];
        }
    }
    return NULL;
}

bool fake_listener_add(struct fake_sockets *sockets, struct fake_socket *listener, int far)
{
    int near;

    if (listener->num_waiting == FAKE_BACKLOG_MAX) {
        return false;
    }
    near = fake_socket_new(sockets);
    fake_socket_join(sockets, near, far);
    listener->waiting[listener->num_waiting++] = near;
    return true;
}

int fake_listener_take(struct fake_socket *listener)
{
    int fd;

    if (listener->num_waiting == 0) {
        return -1;
    }
    fd = listener->waiting[0];
    listener->num_waiting--;
    memmove(&listener->waiting[0], &listener->waiting[1],
            listener->num_waiting * sizeof(listener->waiting[0]));
    return fd;
}
