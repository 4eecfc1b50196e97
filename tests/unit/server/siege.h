/*
 * A server on a real loop and attackers on real sockets in a thread of their own, and how much memory the
 * connections hold at most: what the loop's allocator gave, the receive buffers that are out, and what the TLS
 * library took. Spare memory does not count.
 *
 * Attacks are the recipes of tests/session, and others of the same form. All connections do the same, in turn.
 */
#ifndef HALO_TESTS_SIEGE_H
#define HALO_TESTS_SIEGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <halo/server.h>

#include "../../session/attack_play.h"

/* Connections of an attack. */
enum { SIEGE_CONNECTIONS = 8 };

/* Beside those of enum handler: the body of stream 1 is kept, octet by octet, others are dropped; the same with
 * a response of 10 MiB. */
enum { HANDLER_KEEP = 100, HANDLER_KEEP_BODY };

struct siege {
    struct attack attack;
    halo_tls_context *server, *client; /* NULL: h2c */
    /* Instead of the attack: octets that are sent as they are, before any handshake. */
    void (*raw)(struct wire *wire, uint32_t i);
    bool hello_only; /* over TLS: the ClientHello, and nothing more */
    void (*options)(struct halo_server_options *options);
};

struct siege_result {
    struct halo_memory_bound bound;
    uint64_t most;   /* octets of one connection */
    uint64_t slices; /* that the application kept, all connections */
    uint64_t slice_octets;
    uint32_t opened;   /* sessions that came up */
    uint32_t requests; /* that reached the application */
};

/* Plays it; afterwards nothing is left, or it fails. */
void siege_play(const struct siege *siege, struct siege_result *result);

#endif
