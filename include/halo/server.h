/*
 * The server: listeners, workers, sessions, and responses from files.
 *
 * A server listens on any number of addresses, each with or without TLS. With workers = 0 it runs
 * on the caller's loop. With N workers it starts N threads, each with a loop and sockets of its own
 * on the same addresses (SO_REUSEPORT); callbacks then run on those threads at the same time, each
 * session staying on one.
 *
 * Hello world:
 *
 *     static void on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
 *                           void *user_data)
 *     {
 *         halo_stream_respond(stream, 200, NULL, 0);
 *         halo_stream_write(stream, "Hello, world\n", 13, HALO_END_STREAM);
 *     }
 *     ...
 *     halo_server_options_init(&options);
 *     options.on_stream = on_stream;
 *     halo_loop_new(&loop, NULL);
 *     halo_server_new(&server, loop, &options);
 *     halo_server_listen(server, "127.0.0.1:8080", NULL);
 *     halo_server_start(server);
 *     halo_loop_run(loop);
 */
#ifndef HALO_SERVER_H
#define HALO_SERVER_H

#include <halo/connection.h>
#include <halo/loop.h>
#include <halo/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

struct halo_server_options {
    size_t struct_size;
    /* Threads of their own: 0 (default) runs on the loop given to halo_server_new; at most 1024. */
    uint32_t workers;
    /* With workers: hand each accepted connection to the worker with the fewest, instead of leaving
     * the choice to the kernel's hash. For few and long connections. Default 0. */
    uint32_t balance;
    /* Open connections per worker at most; further ones wait in the kernel. Default 65536, cut to
     * what RLIMIT_NOFILE allows. */
    uint32_t max_connections;
    /* Milliseconds for the TLS handshake; default 10000. 0: no limit. */
    uint32_t handshake_timeout_ms;
    /* Milliseconds in which the peer must take some octets when there are any to send; default
     * 30000. 0: no limit. */
    uint32_t send_timeout_ms;
    /* Pending connections of each listener; default 4096, cut by net.core.somaxconn. */
    uint32_t backlog;
    /* Seconds for which the kernel keeps a connection over TCP to itself while its client says
     * nothing (TCP_DEFER_ACCEPT). Clients of HTTP/2 and of TLS speak first (RFC 9113 3.4), and are
     * then taken together with what they say, which saves a fifth of what a new connection costs
     * without TLS. One that waits for the server's SETTINGS gets them when the time is over; and
     * one that is silent when the server closes learns of it only when it speaks. Default 0: off;
     * halo-serve has 1. */
    uint32_t defer_accept_s;
    /* Not 0: peers without HTTP/2 are served HTTP/1.1 and HTTP/1.0, through the same callbacks and
     * calls. Over TLS, ALPN then offers "http/1.1" beside "h2", whatever the context says, and a
     * client that offers nothing at all gets HTTP/1.1; without TLS the first octets decide.
     *   - One request of a connection is served after the other; a request that is pipelined waits.
     *   - Its session is one of HTTP/2 inside: limits and deadlines of `session` hold, Host is
     *     :authority, connection-specific fields are not handed on, on_frame shows the frames that
     *     stand for the messages. halo_session_http_version() tells which it is.
     *   - 1xx are sent to HTTP/1.1 clients; to one with "expect: 100-continue" 100 is sent by
     *     itself when the stream has an on_data callback and is not paused.
     *   - Content is sent by its content-length, else in chunks (HTTP/1.0: until the end of the
     *     connection); trailers follow chunks alone. halo_stream_reset() closes the connection.
     *   - CONNECT is answered 501, Upgrade is ignored.
     * Default 0. HALO_E_NOT_SUPPORTED from halo_server_new() in builds without it (meson option
     * http1). Node: allowHTTP1. */
    uint32_t allow_http1;
    /* Options of every session. Role, allocator, user_data and on_frame are the server's business:
     * on_frame is passed on, the others are set by it. */
    struct halo_session_options session;
    /* Loops of the workers (workers > 0). */
    struct halo_loop_options loop;

    /* A request. `headers` is borrowed during the callback (later: halo_stream_headers). `flags`:
     * HALO_END_STREAM when it has no body. Respond now or later; to read the body or learn of the
     * end, set callbacks with halo_stream_set_callbacks(). NULL: every request is answered 404.
     * Node: 'stream', 'request'. */
    void (*on_stream)(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data);
    /* A session came up (after the TLS handshake). Node: 'session'. */
    void (*on_session)(halo_session *session, void *user_data);
    /* A connection was accepted; return 0 to take it, anything else to close it. `address` is the
     * peer's as text. Node: 'connection'. */
    int (*on_connection)(const char *address, void *user_data);
    /* A connection ended before it became a session (TLS failed, not HTTP/2), or a session ended
     * with an error. For logs; `address` is the peer's. Node: 'tlsClientError', 'sessionError',
     * 'unknownProtocol'. */
    void (*on_error)(const char *address, const struct halo_error *error, void *user_data);
    /* On the worker's thread, before its first and after its last callback. `worker` counts from
     * 0. */
    void (*on_worker_start)(halo_server *server, uint32_t worker, halo_loop *loop, void *user_data);
    void (*on_worker_stop)(halo_server *server, uint32_t worker, halo_loop *loop, void *user_data);
    /* The server is closed: its last callback, on the loop given to halo_server_new. Frees
     * nothing. */
    void (*on_close)(halo_server *server, void *user_data);
    void *user_data;
};

/* Sets the defaults. Call it on every options struct before setting members. */
#define halo_server_options_init(options)                                                          \
    halo_server_options_init_sized((options), sizeof(struct halo_server_options))
HALO_API void halo_server_options_init_sized(struct halo_server_options *options,
                                             size_t struct_size);

/* Makes a server. `loop` runs it, or with workers just tells on_close; it must outlive the server.
 * Options are copied. Returns 0, HALO_E_NOMEM, HALO_E_INVALID_ARGUMENT (options out of range or not
 * initialized), HALO_E_INVALID_SETTING_VALUE, HALO_E_NOT_SUPPORTED (allow_http1 in a build without
 * HTTP/1.1). */
HALO_API int halo_server_new(halo_server **server, halo_loop *loop,
                             const struct halo_server_options *options) HALO_MUST_USE;

/* Adds an address: "127.0.0.1:8080", "[::1]:8443", ":8080" and "*:8080" for all addresses, port 0
 * for any free one, "unix:/run/x.sock" (no file of that name may be there, and one worker at most).
 * `tls` NULL: HTTP/2 without TLS and with prior knowledge (h2c); else a server context, of which a
 * reference is taken. The address is bound at once, connections are accepted from halo_server_start
 * on. Returns 0, HALO_E_INVALID_ARGUMENT (cannot be parsed, or a client's context), HALO_E_IO (see
 * halo_server_error and errno), HALO_E_NOMEM, HALO_E_WRONG_STATE after start. Node: listen(). */
HALO_API int halo_server_listen(halo_server *server, const char *address, halo_tls_context *tls);

/* The address that the index-th listen call got, counted from 0, with its real port, as text of at
 * most `size` octets with its zero. Returns 0, or HALO_E_INVALID_ARGUMENT when there was no such
 * call or `size` is too small. Node: address(). */
HALO_API int halo_server_address(const halo_server *server, uint32_t index, char *text,
                                 size_t size);

/* Accepts connections from now on; starts the workers and waits until each of them runs. Returns 0,
 * HALO_E_IO_URING or HALO_E_IO (see halo_server_error), HALO_E_NOMEM, HALO_E_WRONG_STATE (started
 * before, or nothing to listen on). When a worker fails after others have started, they are ended:
 * on_close tells it. */
HALO_API int halo_server_start(halo_server *server);

/* Sentences about what failed last; "" when nothing did. */
HALO_API const char *halo_server_error(const halo_server *server);

/* Graceful end: no new connections; every session says GOAWAY, its open streams finish, at most the
 * session's drain_timeout_ms; then on_close. After halo_server_start() only. Any thread. Node:
 * close(). */
HALO_API void halo_server_close(halo_server *server);
/* Immediate end: sessions are destroyed, then on_close; also while closing gracefully. After
 * halo_server_start() only. Any thread. */
HALO_API void halo_server_destroy(halo_server *server);
/* Frees the server after on_close, from within it too, or one that was never started. NULL is
 * allowed. */
HALO_API void halo_server_free(halo_server *server);

/* Open connections, all workers. Any thread. */
HALO_API uint32_t halo_server_connections(const halo_server *server);

/* ---- files ----------------------------------------------------------------------------- */

/* What is to be sent of a file. All zero but `length` = -1: all of it. */
struct halo_file_options {
    int64_t offset; /* octets; HALO_E_SEND_FILE_NOSEEK for what cannot seek */
    int64_t length; /* octets, -1: to the end */
    unsigned flags; /* HALO_WAIT_FOR_TRAILERS */
    int close_fd;   /* halo closes the descriptor when it is done with it, on failure too */
};

/* Server: sends headers and then what `fd` gives: a regular file, or a pipe or socket until its
 * end. content-length is added for regular files when `headers` has none. Read errors reset the
 * stream with INTERNAL_ERROR. The descriptor must stay open until the stream's on_close, unless
 * close_fd is set; positions are halo's own, so it may be used for several streams at once.
 * `options` may be NULL: all of it. Errors: those of halo_stream_respond(), HALO_E_SEND_FILE (a
 * directory), HALO_E_SEND_FILE_NOSEEK, HALO_E_PAYLOAD_FORBIDDEN (204, 205, 304), HALO_E_FILE (no
 * descriptor), HALO_E_INVALID_ARGUMENT (`offset` or `length`), HALO_E_SOCKET_UNBOUND (a session
 * without a loop). Node: respondWithFD(). */
HALO_API int halo_stream_respond_fd(halo_stream *stream, int status, const halo_headers *headers,
                                    int fd, const struct halo_file_options *options);
/* The same with a path, opened now. HALO_E_FILE when it cannot be opened (errno says why); nothing
 * was sent then. Node: respondWithFile(). */
HALO_API int halo_stream_respond_file(halo_stream *stream, int status, const halo_headers *headers,
                                      const char *path, const struct halo_file_options *options);

#ifdef __cplusplus
}
#endif
#endif
