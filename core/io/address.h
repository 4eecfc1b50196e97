/*
 * Socket addresses and their text. Numeric only: names are resolved elsewhere.
 */
#ifndef HALO_CORE_IO_ADDRESS_H
#define HALO_CORE_IO_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/base.h"

struct io_address {
    socklen_t len; /* 0: empty */
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un local;
    };
};

/* Room for the text of any address. */
enum { IO_ADDRESS_TEXT_MAX = 128 };

/* "127.0.0.1:8080", "[::1]:0", "[fe80::1%eth0]:443" (a scope is an interface's name or number),
 * "unix:/run/x.sock". 0 or HALO_E_INVALID_ARGUMENT. */
int io_address_parse(struct io_address *out, const char *text) HALO_MUST_USE;
/* From an address without brackets and port ("127.0.0.1", "::1") and a port. The same results. */
int io_address_from_ip(struct io_address *out, const char *ip, uint16_t port) HALO_MUST_USE;
/* The text that io_address_parse() reads; "" for an empty address. Returns `out`. */
const char *io_address_format(const struct io_address *address, char out[IO_ADDRESS_TEXT_MAX]);
/* The port in host order; 0 when there is none. */
uint16_t io_address_port(const struct io_address *address);
/* The address of this end, or of the peer, of a socket. 0 or a negative errno. */
int io_address_local(struct io_address *out, int fd) HALO_MUST_USE;
int io_address_peer(struct io_address *out, int fd) HALO_MUST_USE;

#endif
