/*
 * A connection of a server on a real loop, without listener and TLS, and a client at the other end of a socket
 * pair: halo's own sans-I/O session, driven by hand, which keeps what it received of each stream.
 */
#ifndef HALO_TESTS_SERVED_H
#define HALO_TESTS_SERVED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <halo/server.h>

#include "core/conn/conn.h"

enum {
    SERVED_STREAMS_MAX = 160,
    /* Allocations of about this size are chunks of file senders: 124 KiB and what belongs to them. */
    SERVED_CHUNK_MIN = 124 * 1024,
    SERVED_CHUNK_MAX = SERVED_CHUNK_MIN + 512,
};

/* One request as the client sees it. */
struct fetched {
    halo_stream *stream; /* NULL: closed */
    int status;
    int64_t content_length; /* -1: none */
    uint8_t *body;
    size_t len;
    size_t unconsumed; /* of these, no credit was given back for */
    bool ended;        /* END_STREAM came */
    bool trailers;     /* trailers came */
    bool closed;
    int error;     /* HALO_E_* of its end */
    uint32_t code; /* of RST_STREAM */
};

struct served {
    struct halo_loop *loop;
    struct conn *conn; /* NULL: gone */
    /* The server's side: answers each request. */
    void (*on_stream)(struct served *served, halo_stream *stream);
    const char *path; /* of the request at hand */

    halo_session *client;
    int client_fd;
    struct io_receiver receiver;
    bool client_ended;
    bool hold_credit; /* the client gives no credit back */
    struct fetched fetched[SERVED_STREAMS_MAX];
    uint32_t num_fetched;

    /* Allocations of chunks, now and at most. */
    int chunks;
    int chunks_peak;
    int fail_chunks; /* > 0: that many chunks are refused */
    int fail_in;     /* > 0: the so-manyth allocation from now on is refused; then 0 */

    bool (*done)(struct served *served); /* what the run waits for */
    struct loop_posted turn;
    void *ctx; /* the test's */
};

struct served_options {
    uint32_t stream_window;     /* 0: 1 MiB */
    uint32_t connection_window; /* 0: 16 MiB */
};

struct served *served_new(void (*on_stream)(struct served *served, halo_stream *stream),
                          const struct served_options *options);
/* Closes what is open; the loop's ledger is empty then, or it aborts. */
void served_free(struct served *served);

/* Sends a request; the result appears in what is returned. */
struct fetched *served_request(struct served *served, const char *method, const char *path);
/* Sends what the client has to say, and credit unless that is held. */
void served_flush(struct served *served);
/* Runs the loop until `done` says so; at most ten seconds. */
void served_run(struct served *served, bool (*done)(struct served *served));
/* Runs until every request is closed at the client. */
void served_run_all(struct served *served);
/* Runs a few turns. */
void served_run_turns(struct served *served, int count);
/* The client's end of the connection goes away. */
void served_vanish(struct served *served);

/* Octet `at` of the content that tests write into files. */
static inline uint8_t served_octet(uint64_t at)
{
    return (uint8_t)(at * 131 + (at >> 8) * 7 + (at >> 16));
}

#endif
