/*
 * The client: one connection to one origin, any number of requests on it at once.
 *
 * Connecting resolves the host name on a helper thread, tries the addresses of both families in
 * turn (a second attempt starts when the first has not succeeded within 250 ms), and does the TLS
 * handshake. Requests may be made before that is done: they wait.
 *
 *     halo_client_options_init(&options);
 *     options.url = "https://example.org/";
 *     options.on_connect = on_connect;
 *     halo_client_connect(&client, loop, &options);
 *     halo_client_request(client, &request, HALO_END_STREAM, &callbacks, user_data, &stream);
 *     halo_loop_run(loop);
 */
#ifndef HALO_CLIENT_H
#define HALO_CLIENT_H

#include <halo/connection.h>
#include <halo/loop.h>
#include <halo/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The parts of an http or https URL; runs point into its text. */
struct halo_url {
    halo_bytes scheme;    /* "http" or "https" */
    halo_bytes authority; /* host with port as written, without userinfo */
    halo_bytes host;      /* without brackets */
    uint16_t port;        /* 80 or 443 when none is written */
    halo_bytes path;      /* with query, without fragment; "/" when both are empty. Begins with '?'
                           * when only the path is: a request puts the '/' before it */
};
/* Takes a URL apart. Strict: hosts are names of letters, digits and "-._~", dotted IPv4 addresses,
 * or IPv6 addresses in brackets, and not percent-encoded. Returns 0, HALO_E_UNSUPPORTED_PROTOCOL,
 * HALO_E_BAD_AUTHORITY, or HALO_E_INVALID_ARGUMENT for an octet that no URL has (a space, a control
 * octet, one that is not ASCII). Node: connect()'s authority. */
HALO_API int halo_url_parse(struct halo_url *url, const char *text);

struct halo_client_options {
    size_t struct_size;
    /* Where to: "http://127.0.0.1:8080" (h2c with prior knowledge) or "https://example.org". Path,
     * query, fragment and userinfo are ignored. Borrowed for the call. */
    const char *url;
    /* For https: a client context, of which a reference is taken. NULL: one that trusts the
     * system's certificates is made. */
    halo_tls_context *tls;
    /* Connect to this address instead of the URL's host ("192.0.2.1:443", "[::1]:8443",
     * "unix:/run/x.sock"); NULL: resolve the host. */
    const char *connect_to;
    /* Milliseconds for resolving and connecting, and for TLS; default 10000 each. 0: no limit. */
    uint32_t connect_timeout_ms;
    uint32_t handshake_timeout_ms;
    /* Milliseconds in which the peer must take some octets when there are any to send; default
     * 30000. 0: no limit. */
    uint32_t send_timeout_ms;
    /* Options of the session. Role and allocator are set by the client, and user_data, which
     * on_frame gets, is the one below. Its deadlines count from when the connection is up. */
    struct halo_session_options session;

    /* The connection is up, TLS included; `session` is valid until on_close. Node: 'connect'. */
    void (*on_connect)(halo_client *client, halo_session *session, void *user_data);
    /* The end, once and last, after all streams were told. `error` NULL: in order. Before the
     * connection is up: HALO_E_RESOLVE, HALO_E_CONNECT, HALO_E_TIMEOUT, HALO_E_TLS,
     * HALO_E_TLS_CERTIFICATE, HALO_E_ALPN; requests were not processed then. Free the client here
     * or later. Node: 'error', 'close'. */
    void (*on_close)(halo_client *client, const struct halo_error *error, void *user_data);
    void *user_data;
};

/* Sets the defaults. Call it on every options struct before setting members. */
#define halo_client_options_init(options)                                                          \
    halo_client_options_init_sized((options), sizeof(struct halo_client_options))
HALO_API void halo_client_options_init_sized(struct halo_client_options *options,
                                             size_t struct_size);

/* Starts to connect. Returns 0, HALO_E_UNSUPPORTED_PROTOCOL, HALO_E_BAD_AUTHORITY, HALO_E_NO_TLS,
 * HALO_E_NOMEM, HALO_E_INVALID_ARGUMENT (options out of range or not initialized),
 * HALO_E_INVALID_SETTING_VALUE, HALO_E_LIMIT (a thousand names wait to be resolved), or why the
 * default context cannot be made (see halo_tls_context_new()). Calls nothing; what fails later is
 * told by on_close. */
HALO_API int halo_client_connect(halo_client **client, halo_loop *loop,
                                 const struct halo_client_options *options) HALO_MUST_USE;

/* Makes a request. Scheme and authority that are empty are the URL's, but for CONNECT. Before the
 * connection is up the request is copied and waits; *stream is valid at once. Body and trailers are
 * sent with the calls of <halo/stream.h>, also before the connection is up. `callbacks` is not
 * copied (see halo_stream_set_callbacks()); NULL: nothing is told. Errors as
 * halo_session_request(). Node: request(). */
HALO_API int halo_client_request(halo_client *client, const struct halo_request *request,
                                 unsigned flags, const struct halo_stream_callbacks *callbacks,
                                 void *user_data, halo_stream **stream);

/* The session; its streams can be opened before the connection is up. NULL from on_close on. */
HALO_API halo_session *halo_client_session(const halo_client *client);

/* Graceful end: open requests finish, then on_close; while connecting, too. Node: close(). */
HALO_API void halo_client_close(halo_client *client);
/* Immediate end with this code; also while connecting. Node: destroy(). */
HALO_API void halo_client_destroy(halo_client *client, uint32_t code);
/* Frees the client after on_close; from within it, too. Earlier it is destroyed first, and freed
 * behind its on_close. */
HALO_API void halo_client_free(halo_client *client);

#ifdef __cplusplus
}
#endif
#endif
