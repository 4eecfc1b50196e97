/*
 * Sessions that run on a loop: the callbacks of their streams, and what is known of their
 * connection.
 *
 * Sessions and streams of a server or client are driven by the loop; everything of <halo/session.h>
 * that is called "calls" and everything of <halo/stream.h> works on them, but recv, poll, pull,
 * sent, tick and free, which are the loop's. Callbacks run on the loop's thread, between two
 * frames, never inside a call of yours; all calls are allowed in them. What they lead to goes out
 * when the batch ends.
 *
 * Order for one stream: [on_information ...] on_response, on_data ..., on_trailers, on_end,
 * on_close. on_close comes exactly once and last; after it has returned the handle is gone.
 */
#ifndef HALO_CONNECTION_H
#define HALO_CONNECTION_H

#include <halo/error.h>
#include <halo/header.h>
#include <halo/loop.h>
#include <halo/priority.h>
#include <halo/session.h>
#include <halo/stream.h>
#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a stream tells. Any member may be NULL. `user_data` is that of the stream
 * (halo_stream_set_user_data, or the argument of the request). The struct is not copied: it is
 * usually static const. */
struct halo_stream_callbacks {
    /* Client: the final response. Fields are borrowed during the callback; later
     * halo_stream_headers() has them. `flags`: HALO_END_STREAM when there is no body. Node:
     * 'response'. */
    void (*on_response)(halo_stream *stream, int status, halo_header_list headers, unsigned flags,
                        void *user_data);
    /* Client: a 1xx response. Borrowed. Node: 'continue', 'headers'. */
    void (*on_information)(halo_stream *stream, int status, halo_header_list headers,
                           void *user_data);
    /* Body octets, borrowed; halo_session_keep_data() keeps them. Without this callback bodies are
     * dropped and credited. Node: 'data'. */
    void (*on_data)(halo_stream *stream, const uint8_t *data, size_t len, void *user_data);
    /* Trailers, borrowed. Node: 'trailers'. */
    void (*on_trailers)(halo_stream *stream, halo_header_list trailers, void *user_data);
    /* The peer has sent everything: after the last of the above. Node: 'end'. */
    void (*on_end)(halo_stream *stream, void *user_data);
    /* What is buffered fell below the low-water mark. Node: 'drain'. */
    void (*on_writable)(halo_stream *stream, void *user_data);
    /* The body went out with HALO_WAIT_FOR_TRAILERS: send trailers or end. NULL: halo ends. Node:
     * 'wantTrailers'. */
    void (*on_want_trailers)(halo_stream *stream, void *user_data);
    /* Client: a request that waited got its number. Node: 'ready'. */
    void (*on_ready)(halo_stream *stream, void *user_data);
    /* The end, once. `error` NULL: both sides finished in order. Node: 'aborted', 'error',
     * 'close'. */
    void (*on_close)(halo_stream *stream, const struct halo_error *error, void *user_data);
    /* Nothing moved for the time of halo_stream_set_timeout(). Nothing is closed by that; who wants
     * it says halo_stream_reset(stream, HALO_CANCEL). Node: 'timeout'. */
    void (*on_timeout)(halo_stream *stream, void *user_data);
    /* A block that waited its turn (trailers, a queued request) cannot be sent: the frame's type,
     * and HALO_E_HEADER_BLOCK_TOO_LONG. on_close follows. Node: 'frameError'. */
    void (*on_frame_error)(halo_stream *stream, uint8_t frame_type, int status, void *user_data);
};

/* Sets what the stream tells from now on. NULL: nothing. */
HALO_API void halo_stream_set_callbacks(halo_stream *stream,
                                        const struct halo_stream_callbacks *callbacks,
                                        void *user_data);

/* What a session tells; `user_data` is the session's (halo_session_set_user_data). Any member may
 * be NULL. The struct is not copied. */
struct halo_session_callbacks {
    /* SETTINGS of the peer came. Node: 'remoteSettings'. */
    void (*on_settings)(halo_session *session, void *user_data);
    /* Our SETTINGS hold: which (`present` says what was sent), and how long the answer took. The
     * first are those that open the connection. Borrowed. Node: 'localSettings', callback of
     * settings(). */
    void (*on_settings_ack)(halo_session *session, const struct halo_settings *settings,
                            uint64_t duration_ns, void *user_data);
    /* The session ended before SETTINGS of halo_session_settings() were acknowledged. Before
     * on_close. Node: ERR_HTTP2_SETTINGS_CANCEL. */
    void (*on_settings_cancel)(halo_session *session, const struct halo_settings *settings,
                               uint64_t waited_ns, void *user_data);
    /* A PING of the peer, answered already. Node: 'ping'. */
    void (*on_ping)(halo_session *session, const uint8_t payload[8], void *user_data);
    /* The answer to halo_session_ping(). Node: callback of ping(). */
    void (*on_ping_ack)(halo_session *session, const uint8_t payload[8], uint64_t round_trip_ns,
                        void *user_data);
    /* The session ended before the answer to halo_session_ping() came. Before on_close. Node:
     * ERR_HTTP2_PING_CANCEL. */
    void (*on_ping_cancel)(halo_session *session, const uint8_t payload[8], uint64_t waited_ns,
                           void *user_data);
    /* GOAWAY of the peer; `debug_data` is borrowed. Node: 'goaway'. */
    void (*on_goaway)(halo_session *session, uint32_t code, uint32_t last_stream_id,
                      const uint8_t *debug_data, size_t debug_len, void *user_data);
    /* The end of the session and its connection, once and last; all its streams were told before.
     * `error` NULL: in order. Node: 'error', 'close'. */
    void (*on_close)(halo_session *session, const struct halo_error *error, void *user_data);
    /* No octet was received or sent for the time of halo_session_set_timeout() or the option
     * timeout_ms. Nothing is closed by that. Node: 'timeout'. */
    void (*on_timeout)(halo_session *session, void *user_data);
    /* Client, with settings.enable_push 1: the server promises a response to `request` (borrowed;
     * later halo_stream_promise() has it), which comes with that to `parent`. Set the callbacks of
     * `pushed` here: on_response, on_data ... on_close come there. To say no:
     * halo_stream_reset(pushed, HALO_CANCEL). NULL: all pushes are refused. The session is
     * halo_stream_session(pushed). Node: 'stream' of a client session. */
    void (*on_push)(halo_stream *pushed, halo_stream *parent, halo_header_list request,
                    void *user_data);
    /* Client: the server names alternative services (RFC 7838): for the origin of the request
     * `stream_id`, or with 0 for `origin`, as it was sent. `value` is not checked:
     * halo_altsvc_check() does. Borrowed. Node: 'altsvc'. */
    void (*on_altsvc)(halo_session *session, uint32_t stream_id, halo_bytes origin,
                      halo_bytes value, void *user_data);
    /* Client over TLS: the server named these origins, which are in the session's origin set now
     * (RFC 8336; halo_session_origin_at()). Borrowed. Node: 'origin'. */
    void (*on_origin)(halo_session *session, const halo_bytes *origins, size_t count,
                      void *user_data);
    /* A frame of a type of the option frame_types. `payload` is borrowed. */
    void (*on_extension_frame)(halo_session *session, uint8_t type, uint8_t flags,
                               uint32_t stream_id, const uint8_t *payload, size_t len,
                               void *user_data);
    /* With the option priority_events: PRIORITY of the peer, or that part of a request's HEADERS.
     * Deprecated; nothing follows from it. The stream need not exist. Node: 'priority'. */
    void (*on_priority)(halo_session *session, uint32_t stream_id,
                        const struct halo_dependency *dependency, void *user_data);
    /* Server, with the option priority_events: PRIORITY_UPDATE of the client (RFC 9218), which is
     * followed already. The stream need not have come yet. */
    void (*on_priority_update)(halo_session *session, uint32_t stream_id,
                               const struct halo_priority *priority, void *user_data);
};

/* Sets what the session tells from now on. NULL: nothing. */
HALO_API void halo_session_set_callbacks(halo_session *session,
                                         const struct halo_session_callbacks *callbacks,
                                         void *user_data);

/* The loop that drives the session; NULL for sessions that stand alone. */
HALO_API halo_loop *halo_session_loop(const halo_session *session);
/* "h2" over TLS, "h2c" without; "http/1.1" for a connection of the server's option allow_http1 that
 * does not speak HTTP/2, with or without TLS and ALPN; NULL for sessions that stand alone or are
 * not connected yet. Node: alpnProtocol. */
HALO_API const char *halo_session_alpn(const halo_session *session);
/* "2.0"; "1.1" or "1.0" for HTTP/1 (the server's option allow_http1): that of the request at hand,
 * of which there is one at a time. Static. Node: httpVersion. */
HALO_API const char *halo_session_http_version(const halo_session *session);
/* 1 over TLS, else 0. Node: encrypted. */
HALO_API int halo_session_encrypted(const halo_session *session);
/* "192.0.2.1:443" or "[2001:db8::1]:443" of the peer and of our end, as text of at most `size`
 * octets with its zero. Returns 0, HALO_E_SOCKET_UNBOUND when there is no socket,
 * HALO_E_INVALID_ARGUMENT when `size` is below 64. */
HALO_API int halo_session_peer_address(const halo_session *session, char *text, size_t size);
HALO_API int halo_session_local_address(const halo_session *session, char *text, size_t size);

/* Facts about the TLS connection; valid as long as the session. */
struct halo_tls_info {
    const char *version;         /* "TLSv1.3" */
    const char *cipher;          /* "TLS_AES_128_GCM_SHA256" */
    const char *server_name;     /* SNI; "" for none */
    halo_bytes peer_certificate; /* DER; empty for none */
};
/* Returns 0, or HALO_E_NO_TLS when the session is not encrypted. */
HALO_API int halo_session_tls_info(const halo_session *session, struct halo_tls_info *info);

/* What one connection of a server or client can hold at worst, in octets, whatever its peer does:
 * halo_session_memory_bound() of `session` (whose role says whether it is a server's), and the
 * connection around it. `loop` are the options of its loop, NULL for the defaults; `tls` is 1 over
 * TLS, else 0. `windows` and `total` are the two figures that matter: the credit that the peer is
 * given at most, and the memory that it can take.
 *
 * On top comes what the application asks for: what it sends, files that it responds with (64 KiB
 * each while they are sent), slices that it keeps although their credit was given back
 * (manual_credit); with allow_http1 and a peer that speaks HTTP/1, the section that is gathered, and
 * what is on its way through the translation. What the kernel holds for
 * the socket is the system's. The TLS library's share is measured, with a reserve
 * (tls/limits.h); of a library that is not halo's own (-Dwolfssl=system) it is an estimate.
 *
 * Returns 0, or HALO_E_INVALID_ARGUMENT (options out of range); HALO_E_NO_TLS with `tls` in a build
 * without it. */
HALO_API int halo_connection_memory_bound(const struct halo_session_options *session,
                                          const struct halo_loop_options *loop, int tls,
                                          struct halo_memory_bound *bound);

#ifdef __cplusplus
}
#endif
#endif
