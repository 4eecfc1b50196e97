/*
 * What the TLS tests share: certificates made by the openssl command in a directory of their own,
 * contexts from them, and a client transport against a server transport in memory.
 */
#ifndef HALO_TESTS_TLS_SUPPORT_H
#define HALO_TESTS_TLS_SUPPORT_H

/* cmocka wants these in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <halo/error.h>
#include <halo/tls.h>

#include "core/conn/transport.h"
#include "tls/tls.h"

/* ---- certificates ---- */

/* Makes the directory and everything in it; once for a test program (a group setup). */
int certificates_make(void **state);
int certificates_remove(void **state);

/* The path of a file in the directory ("ca.pem", "server.key"); valid until eight more calls.
 *
 *   ca, other-ca      authorities (P-256)
 *   server            for localhost, halo.test, *.wild.test, single, 127.0.0.1 and ::1 (P-256)
 *   rsa, weak         the same with RSA 2048 and RSA 1024
 *   ed25519           the same with Ed25519
 *   expired, future   the same, out of date
 *   self              the same, self-signed
 *   client            the same, but for client authentication
 *   other             for elsewhere.test and 192.0.2.1
 *   leaf, chain       signed by an intermediate authority, which chain.pem holds as well
 *   locked, locked128, old         encrypted keys (passphrase "sesame"), the last in an old form
 *   both, parameters, pkcs1        other forms of server.key and rsa.key
 */
const char *certificate_path(const char *name);
/* Runs a shell command in the directory; the test fails when it does. */
void certificates_run(const char *command);

/* Whether the library is the release that halo is made for; older ones miss some mistakes and send
 * fewer alerts. */
bool library_is_recent(void);

/* ---- contexts ---- */

/* A server's with certificate NAME.pem and NAME.key; a client's that trusts ca.pem. `change` may be
 * NULL. */
halo_tls_context *server_context(const char *name,
                                 void (*change)(struct halo_tls_options *options));
halo_tls_context *client_context(void (*change)(struct halo_tls_options *options));

void only_tls12(struct halo_tls_options *options);
void only_tls13(struct halo_tls_options *options);

/* ---- pairs ---- */

struct end {
    struct transport *transport;
    uint8_t *received; /* plaintext */
    size_t received_len;
    size_t received_room;
    enum transport_state state; /* what read() said last */
};

struct pair {
    struct memory memory;
    uint64_t now_ns;
    struct end client;
    struct end server;
    /* How octets are handed over: at most `cut` at a time (0: all at once). Every feed gets a copy
     * of its own, of exactly that size, so that a sanitizer sees what is read beyond it. */
    size_t cut;
};

void pair_init(struct pair *pair, halo_tls_context *server, halo_tls_context *client,
               const char *server_name);
/* Frees both ends and checks that no memory is left. */
void pair_free(struct pair *pair);

/* Feeds octets and reads what comes of them. */
void end_feed(struct pair *pair, struct end *end, const void *data, size_t len);
/* Reads until nothing comes any more. */
void end_read(struct pair *pair, struct end *end);
/* Takes everything out of the output; the caller frees it. */
uint8_t *end_take_output(struct end *end, size_t *len);
/* Moves all output of `from` to `to`. */
void pair_move(struct pair *pair, struct end *from, struct end *to);
/* Moves octets to and fro until both ends are quiet. */
void pair_run(struct pair *pair);
/* Runs the handshake, and checks that it comes to its end. */
void pair_open(struct pair *pair);
/* Writes all octets as one piece. */
void end_write(struct end *end, const void *data, size_t len);
/* What was received, and forgets it. */
void end_expect(struct end *end, const void *data, size_t len);

/* Checks that an end has failed with this status, and that its sentence contains `text`. */
void end_expect_failure(const struct end *end, int status, const char *text);

#endif
