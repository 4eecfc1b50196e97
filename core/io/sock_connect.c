#include <errno.h>
#include <netinet/tcp.h>

#include "core/io/loop.h"
#include "core/io/sock.h"

static void connector_done(struct io_op *op, int result, uint32_t flags);
static void connect_timed_out(struct timer *timer);

void io_connector_init(struct io_connector *connector, struct halo_loop *loop,
                       void (*on_connected)(struct io_connector *connector, int result))
{
    *connector = (struct io_connector){ .loop = loop, .on_connected = on_connected, .fd = -1 };
    io_op_init(&connector->op, connector_done);
    timer_init(&connector->timeout, connect_timed_out);
}

static void connect_timed_out(struct timer *timer)
{
    struct io_connector *connector = HALO_CONTAINER(timer, struct io_connector, timeout);

    if (connector->reason == 0) {
        connector->reason = -ETIMEDOUT;
    }
    io_op_cancel(connector->loop, &connector->op);
}

/* The connector may be freed in here. */
static void connector_done(struct io_op *op, int result, uint32_t flags)
{
    struct io_connector *connector = HALO_CONTAINER(op, struct io_connector, op);
    int fd = connector->fd;

    HALO_ASSERT((flags & RING_MORE) == 0);
    loop_timer_clear(connector->loop, &connector->timeout);
    connector->fd = -1;
    /* A connection that was established before the timeout's cancel came is welcome; one that
     * nobody wants any more is not. */
    if (result >= 0 && connector->reason != -ECANCELED) {
        connector->on_connected(connector, fd);
        return;
    }
    if (fd >= 0) {
        io_close(connector->loop, fd);
    }
    connector->on_connected(connector, connector->reason != 0 ? connector->reason : result);
}

/* Makes the socket. 0 or a negative errno. */
static int open_socket(struct io_connector *connector, const struct io_connect_options *options)
{
    struct halo_loop *loop = connector->loop;
    int family = connector->address.any.sa_family;
    int fd = loop->ring->ops->socket(loop->ring, family);
    int on = 1;

    if (fd < 0) {
        return fd;
    }
    io_fd_opened(loop, fd);
    connector->fd = fd;
    if (family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (options != NULL && options->local.len != 0 &&
        bind(fd, &options->local.any, options->local.len) != 0) {
        return -errno;
    }
    return 0;
}

void io_connector_start(struct io_connector *connector, const struct io_address *address,
                        const struct io_connect_options *options)
{
    struct ring_request request = { .opcode = RING_CONNECT };

    HALO_ASSERT(io_connector_idle(connector));
    connector->address = *address;
    connector->reason = open_socket(connector, options);
    if (connector->reason != 0) {
        io_op_fail(connector->loop, &connector->op, connector->reason);
        return;
    }
    if (options != NULL && options->timeout_ns != 0) {
        loop_timer_set(connector->loop, &connector->timeout, options->timeout_ns);
    }
    request.fd = connector->fd;
    request.address = &connector->address.any;
    request.length = connector->address.len;
    io_op_submit(connector->loop, &connector->op, &request);
}

bool io_connector_cancel(struct io_connector *connector)
{
    if (io_connector_idle(connector)) {
        return true;
    }
    if (connector->reason == 0 || connector->reason == -ETIMEDOUT) {
        connector->reason = -ECANCELED;
    }
    io_op_cancel(connector->loop, &connector->op);
    return false;
}
