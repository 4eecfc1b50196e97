/*
 * A server and a client on one loop whose sessions and streams write down everything that they tell, each
 * side in a log of its own. What a test wants done is done in hooks.
 */
#ifndef HALO_TESTS_TELL_FIXTURE_H
#define HALO_TESTS_TELL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halo/halo.h>

#include "core/base/base.h"
#include "core/io/loop.h"

struct duo;

/* What one end said so far, a line a callback. */
struct side {
    struct duo *duo;
    char log[4096];
    size_t len;
    bool quiet;    /* DATA is counted only */
    size_t octets; /* of DATA */
    /* Hooks; NULL: nothing. */
    void (*on_push)(struct side *side, halo_stream *pushed);
    void (*on_session_timeout)(struct side *side, halo_session *session);
    void (*on_writable)(struct side *side, halo_stream *stream);
    void (*on_stream_timeout)(struct side *side, halo_stream *stream);
    void (*on_extension_frame)(struct side *side, halo_session *session);
    void (*on_ping_ack)(struct side *side, halo_session *session);
};

struct duo {
    halo_loop *loop;
    halo_server *server;
    halo_client *client;
    struct halo_server_options server_options; /* changed before duo_start() */
    struct halo_client_options client_options;
    halo_tls_context *server_tls; /* NULL: none; borrowed */
    struct side at_server;
    struct side at_client;
    char url[128];
    bool client_closed;
    bool stay_open; /* the client is not closed when its last request is */
    int requests_open;
    /* The request at the server; NULL: 200 and no body. */
    void (*on_request)(struct duo *duo, halo_stream *stream);
    void (*on_server_session)(struct duo *duo, halo_session *session);
    void (*on_connect)(struct duo *duo, halo_session *session);
};

void duo_init(struct duo *duo);
/* Server and client are made; requests may be made from now on. */
void duo_start(struct duo *duo);
halo_stream *duo_request(struct duo *duo, const char *path);
/* Runs until both have ended, and frees everything. The client closes after its last request. */
void duo_run(struct duo *duo);

/* The callbacks that write the log; their user_data is the side. */
extern const struct halo_stream_callbacks side_stream;
extern const struct halo_session_callbacks side_session;

/* The lines of the log that begin with `word`, all of them and in order. */
#define expect_lines(side, word, text) side_expect_lines(side, word, text, __FILE__, __LINE__)
void side_expect_lines(struct side *side, const char *word, const char *text, const char *file,
                       int line);

#endif
