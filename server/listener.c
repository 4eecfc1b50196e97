/* Addresses to listen on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/server.h"

enum {
    /* Unsent octets in the kernel beyond which a socket does not count as writable: what is not in
     * the kernel can still be overtaken by something more urgent. */
    NOT_SENT_LOWAT = 128 * 1024,
};

int listener_open(struct halo_server *server, struct halo_loop *loop,
                  const struct io_address *address)
{
    struct io_listen_options options = {
        .backlog = server->options.backlog,
        .reuse_port = server->options.workers > 1,
        .not_sent_lowat = NOT_SENT_LOWAT,
        .defer_accept_s = server->options.defer_accept_s,
    };

    return io_listen(loop, address, &options);
}

/* "*:80" and ":80": every address, IPv4 too where the system has IPv6. */
static int parse(struct io_address *address, const char *text)
{
    char any[32];

    if (text[0] == '*' && text[1] == ':') {
        text++;
    }
    if (text[0] != ':') {
        return io_address_parse(address, text);
    }
    if (strlen(text) > 6) {
        return HALO_E_INVALID_ARGUMENT;
    }
    snprintf(any, sizeof(any), "[::]%s", text);
    return io_address_parse(address, any);
}

static bool is_any(const char *text)
{
    return text[0] == ':' || (text[0] == '*' && text[1] == ':');
}

static int open_any(struct halo_server *server, struct io_address *address, const char *text)
{
    int fd = listener_open(server, server->loop, address);

    if (fd == -EAFNOSUPPORT && is_any(text)) { /* a system without IPv6 */
        HALO_TRY(io_address_from_ip(address, "0.0.0.0", io_address_port(address)));
        fd = listener_open(server, server->loop, address);
    }
    return fd;
}

static int listen_failed(struct halo_server *server, const char *text, int error)
{
    const char *advice = error == EADDRINUSE ? "; is another server running there?"
                         : error == EACCES   ? "; ports below 1024 need a privilege"
                                             : "";

    snprintf(server->error, sizeof(server->error), "cannot listen on %s: %s%s", text,
             strerror(error), advice);
    errno = error;
    return HALO_E_IO;
}

int halo_server_listen(halo_server *server, const char *address, halo_tls_context *tls)
{
    struct listener listener = { .fd = -1 };
    struct listener *more;

    if (server->workers != NULL) {
        return HALO_E_WRONG_STATE;
    }
    if (tls != NULL && halo_tls_context_role(tls) != HALO_TLS_SERVER) {
        snprintf(server->error, sizeof(server->error),
                 "%s: the TLS context is a client's; give one of the role HALO_TLS_SERVER",
                 address);
        return HALO_E_INVALID_ARGUMENT;
    }
    if (parse(&listener.address, address) != 0) {
        snprintf(server->error, sizeof(server->error),
                 "%s is not an address: give ADDRESS:PORT, for example 127.0.0.1:8080 or "
                 "[::1]:8080",
                 address);
        return HALO_E_INVALID_ARGUMENT;
    }
    more = realloc(server->listeners, (server->num_listeners + 1) * sizeof(*more));
    if (more == NULL) {
        return HALO_E_NOMEM;
    }
    server->listeners = more;
    listener.fd = open_any(server, &listener.address, address);
    if (listener.fd < 0) {
        return listen_failed(server, address, -listener.fd);
    }
    /* The real port, which further workers bind too. */
    if (io_address_local(&listener.address, listener.fd) != 0) {
        io_close_now(server->loop, listener.fd);
        return listen_failed(server, address, EINVAL);
    }
    listener.tls = tls != NULL ? halo_tls_context_ref(tls) : NULL;
    server->listeners[server->num_listeners++] = listener;
    return 0;
}

int halo_server_address(const halo_server *server, uint32_t index, char *text, size_t size)
{
    char full[IO_ADDRESS_TEXT_MAX];

    if (index >= server->num_listeners) {
        return HALO_E_INVALID_ARGUMENT;
    }
    io_address_format(&server->listeners[index].address, full);
    if (strlen(full) + 1 > size) {
        return HALO_E_INVALID_ARGUMENT;
    }
    memcpy(text, full, strlen(full) + 1);
    return 0;
}
