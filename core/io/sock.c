#include "core/io/sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "core/io/loop.h"

void io_fd_opened(struct halo_loop *loop, int fd)
{
    HALO_ASSERT(fd >= 0);
    loop->ledger.descriptors++;
}

void io_fd_closed(struct halo_loop *loop, int fd)
{
    HALO_ASSERT(fd >= 0 && loop->ledger.descriptors > 0);
    loop->ledger.descriptors--;
}

void io_close_now(struct halo_loop *loop, int fd)
{
    io_fd_closed(loop, fd);
    loop->ring->ops->close_now(loop->ring, fd);
}

void io_close(struct halo_loop *loop, int fd)
{
    const struct ring_request request = { .opcode = RING_CLOSE, .fd = fd };

    if (!loop->ring_ready || !io_op_make_room(loop)) {
        io_close_now(loop, fd);
        return;
    }
    io_fd_closed(loop, fd);
    loop->ring->ops->prepare(loop->ring, &request);
}

int io_shutdown(struct halo_loop *loop, int fd, int how)
{
    return loop->ring->ops->shutdown(loop->ring, fd, how);
}

void io_set_reset_on_close(int fd)
{
    const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* ---- listening ------------------------------------------------------------------------- */

static int set_option(int fd, int level, int option, uint32_t value)
{
    const int number = (int)value;

    return setsockopt(fd, level, option, &number, sizeof(number)) == 0 ? 0 : -errno;
}

/* Sets an option whose zero means "leave it". */
static int set_given(int fd, int level, int option, uint32_t value)
{
    return value != 0 ? set_option(fd, level, option, value) : 0;
}

/* What accepted sockets inherit, so that no call per connection is needed. */
static int set_tcp_options(int fd, const struct io_listen_options *options)
{
    if (!options->delay) {
        HALO_TRY(set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1));
    }
    if (options->keep_alive) {
        HALO_TRY(set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1));
        HALO_TRY(set_given(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keep_alive_idle_s));
        HALO_TRY(set_given(fd, IPPROTO_TCP, TCP_KEEPINTVL, options->keep_alive_interval_s));
        HALO_TRY(set_given(fd, IPPROTO_TCP, TCP_KEEPCNT, options->keep_alive_count));
    }
    HALO_TRY(set_given(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout_ms));
    HALO_TRY(set_given(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, options->not_sent_lowat));
    HALO_TRY(set_given(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, options->defer_accept_s));
    return 0;
}

static int set_listen_options(int fd, int family, const struct io_listen_options *options)
{
    HALO_TRY(set_given(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer));
    HALO_TRY(set_given(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer));
    if (family == AF_UNIX) {
        return 0;
    }
    /* A port whose old connections are in TIME_WAIT may be listened on again. */
    HALO_TRY(set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1));
    if (options->reuse_port) {
        HALO_TRY(set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1));
    }
    if (family == AF_INET6) {
        HALO_TRY(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only));
    }
    return set_tcp_options(fd, options);
}

int io_listen(struct halo_loop *loop, const struct io_address *address,
              const struct io_listen_options *options)
{
    static const struct io_listen_options defaults = { 0 };
    int family = address->any.sa_family;
    int backlog;
    int error;
    int fd;

    if (options == NULL) {
        options = &defaults;
    }
    backlog = options->backlog != 0 ? (int)min_u32(options->backlog, INT32_MAX) : 4096;
    /* Blocking: operations wait for readiness by themselves, and reads of a non-blocking descriptor
     * would not. */
    fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    error = set_listen_options(fd, family, options);
    if (error == 0 && (bind(fd, &address->any, address->len) != 0 || listen(fd, backlog) != 0)) {
        error = -errno;
    }
    if (error != 0) {
        close(fd);
        return error;
    }
    io_fd_opened(loop, fd);
    return fd;
}
