/*
 * halo-get: what its files share. It is an application like any other: of halo it knows only the
 * public headers.
 *
 *   halo_get.c     the program: start, order of transfers, exit status
 *   get_options.c  the command line
 *   get_url.c      one connection per origin
 *   get_transfer.c one request and its response
 *   get_body.c     what is sent (-d)
 *   get_output.c   where bodies go, whole and in order
 *   get_trace.c    -v
 */
#ifndef HALO_CLIENT_GET_H
#define HALO_CLIENT_GET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <halo/halo.h>

enum {
    EXIT_INCOMPLETE = 1, /* a transfer was not complete, or its output could not be written */
    EXIT_USAGE = 2,
};

/* Transfers of --parallel that are under way at once; each costs a stream and some memory. */
enum { TRANSFERS_MAX = 512 };

/* "halo-get: " and the message, as one line on stderr. */
void get_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- options --------------------------------------------------------------------------- */

struct get_options {
    const char **urls;
    size_t num_urls;
    const char *output; /* NULL: stdout */
    const char *method; /* NULL: GET, or POST with data */
    const char *data;   /* as given; NULL: none */
    const char *ca_file;
    bool include;
    bool verbose;
    bool insecure;
    bool parallel;
    uint32_t connect_timeout_ms; /* 0: halo's default */
    uint32_t max_time_ms;        /* 0: none */
    halo_header *headers;        /* of -H, names in lower case; without host */
    size_t num_headers;
    halo_bytes host; /* of -H 'host: ...'; empty: the URL's */
};

/* Reads the command line. Returns -1 to go on, or the exit status after having said why. */
int get_options_read(struct get_options *options, int argc, char **argv);
void get_options_free(struct get_options *options);
/* Is there a -H of this name? */
bool get_options_has(const struct get_options *options, halo_bytes name);

/* ---- what is sent ---------------------------------------------------------------------- */

struct get_body {
    halo_bytes text;
    const char *name; /* of the file */
    int fd;           /* -1: text */
    int64_t start;    /* where the file begins: stdin may have been read from */
    int64_t size;     /* octets; -1: unknown until its end */
    bool exists;
    bool sent; /* some of a body that can be read only once is gone */

    /* A pipe, which only one transfer can send. */
    halo_stream *waiting; /* for something to read */
    halo_timer *timer;
};

/* Opens what -d names. 0, or EXIT_USAGE after having said why. */
int get_body_open(struct get_body *body, const struct get_options *options);
void get_body_close(struct get_body *body);
/* Gives the body to the stream, which then ends it. `failure` gets a sentence when it cannot be
 * read. */
int get_body_send(struct get_body *body, halo_loop *loop, halo_stream *stream, char *failure,
                  size_t failure_size);

/* ---- where bodies go ------------------------------------------------------------------- */

struct get_outputs;

/* All outputs: one after the other to stdout, or the only one to a file. 0, or the exit status
 * after having said why. */
int get_outputs_open(struct get_outputs **outputs, const char *file, size_t count);
/* Ends them; true when everything was written. */
bool get_outputs_close(struct get_outputs *outputs);
/* Writing has failed, and it was said why: nothing that comes makes sense any more. */
bool get_outputs_broken(const struct get_outputs *outputs);
/* A response has begun: the file's old content goes. */
void get_outputs_begin(struct get_outputs *outputs);
void get_output_write(struct get_outputs *outputs, size_t index, const void *data, size_t len);
/* Nothing more comes for this one: the next has its turn. */
void get_output_end(struct get_outputs *outputs, size_t index);

/* ---- transfers ------------------------------------------------------------------------- */

struct get;
struct get_connection;

struct get_transfer {
    struct get *get;
    const char *url_text;
    struct halo_url url;
    halo_bytes authority; /* for the request */
    char *path;           /* a path that had to be completed; NULL: the URL's is whole */
    size_t index;
    struct get_connection *connection;
    halo_stream *stream; /* NULL: not under way */
    halo_timer *timer;   /* --max-time */
    unsigned tries;
    bool responded;
    bool ended; /* the response is complete */
    bool timed_out;
    char failure[256]; /* why, when halo-get itself is the cause */
};

/* Takes the URL apart; false when memory is out. */
bool get_transfer_init(struct get_transfer *transfer, struct get *get, size_t index);
void get_transfer_fini(struct get_transfer *transfer);
/* Starts it. What comes of it is told by get_transfer_done(). */
void get_transfer_start(struct get_transfer *transfer);
/* Ends it with what has come so far. */
void get_transfer_cancel(struct get_transfer *transfer);

/* ---- connections ----------------------------------------------------------------------- */

struct get_connection {
    struct get_connection *next;
    struct get *get;
    halo_client *client; /* NULL: closed */
    const struct halo_url *url;
    unsigned number;
};

/* The open connection to the URL's origin, or a new one. `fresh`: a new one in any case. 0 or
 * HALO_E_*. */
int get_connection_find(struct get_connection **connection, struct get *get,
                        const struct get_transfer *transfer, bool fresh);
void get_connections_close(struct get *get);
void get_connections_free(struct get *get);

/* ---- the whole ------------------------------------------------------------------------- */

struct get {
    struct get_options options;
    struct get_body body;
    struct get_outputs *outputs;
    halo_tls_context *tls;
    halo_loop *loop;
    struct get_connection *connections;
    unsigned num_connections;
    struct get_transfer *transfers;
    size_t num_started;
    size_t num_done;
    bool failed; /* some transfer was not complete */
    bool ending;
};

/* `why` NULL: it was complete. */
void get_transfer_done(struct get_transfer *transfer, const char *why);

/* ---- -v -------------------------------------------------------------------------------- */

void get_trace_frame(halo_session *session, int sent, const char *line, void *user_data);
void get_trace_note(const struct get_connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void get_trace_fields(const struct get_connection *connection, bool sent, const halo_header *fields,
                      size_t count);
void get_trace_connected(const struct get_connection *connection, halo_session *session);

#endif
