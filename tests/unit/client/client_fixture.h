/*
 * What the tests of the client share: a loop with a server and a client on it, requests that note
 * what comes back, and an end that finds nothing left behind.
 *
 * Paths that the server knows:
 *   /              200, "hello"
 *   /echo          200 and the body that came; its trailers come back as trailers
 *   /large         200, LARGE_BODY octets of 'x'
 *   /hints         103, then as /
 *   /never         nothing
 *   /part          200 and a part of a body, then nothing
 *   /goaway        200, "hello", and the server closes the session gracefully
 *   /break         200 and a part of a body, then the session is destroyed with ENHANCE_YOUR_CALM
 */
#ifndef HALO_TESTS_CLIENT_FIXTURE_H
#define HALO_TESTS_CLIENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halo/halo.h>

#include "core/io/loop.h"

enum { LARGE_BODY = 3 * 1024 * 1024 };

struct world;

/* One request, and what came of it. */
struct exchange {
    struct world *world;
    halo_stream *stream; /* NULL: closed */
    int information;     /* the last 1xx status */
    int status;
    size_t body_len;
    char body[64]; /* its beginning */
    size_t num_trailers;
    int ends;
    int closes;
    int error; /* status of the error; 0: none */
    uint8_t processed;
    uint32_t code;
    char reason[256];
    void (*on_close)(struct exchange *exchange);
    void (*on_response)(struct exchange *exchange);
};

struct world {
    halo_loop *loop;
    halo_server *server;
    char address[64]; /* of the server */
    char url[96];
    halo_client *client;
    struct halo_client_options options;
    int connects;
    int closes;
    int exchanges_open;
    int error; /* of on_close */
    int system_errno;
    char reason[512];
    bool destroy_server; /* when the client has closed; set by world_run() */
    bool free_client_late;
    void (*on_connect)(struct world *world);
};

/* Makes loop and server. `host`: "127.0.0.1" or "[::1]". `tls` may be NULL. */
void world_init(struct world *world, const char *host, halo_tls_context *tls);
/* The server of a world that was made alone. */
void world_serve(struct world *world, const char *address, halo_tls_context *tls);
/* A loop and no server; world->url is for the test to set. */
void world_init_alone(struct world *world);
/* Connects by world->options, whose url is set unless the test has set it. */
void world_connect(struct world *world);
/* A request of the given method and path; checks that it can be made. */
void world_request(struct world *world, struct exchange *exchange, const char *method,
                   const char *path, unsigned flags);
/* Runs until the client has closed, and the server after it. */
void world_run(struct world *world);
/* Checks that nothing is left, and frees. */
void world_fini(struct world *world);

/* Ends the client gracefully as soon as no exchange is open. */
void close_when_done(struct exchange *exchange);

/* A listening socket on 127.0.0.1 that accepts nothing. `full`: its queue is full, so connecting to
 * it hangs. */
struct deaf {
    int fd;
    int fillers[8];
    char address[64];
};
void deaf_init(struct deaf *deaf, bool full);
void deaf_fini(struct deaf *deaf);
/* A port of 127.0.0.1 where nobody listens. */
uint16_t dead_port(void);

#endif
