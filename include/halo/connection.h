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
    /* Our SETTINGS hold. Node: 'localSettings'. */
    void (*on_settings_ack)(halo_session *session, void *user_data);
    /* A PING of the peer, answered already. Node: 'ping'. */
    void (*on_ping)(halo_session *session, const uint8_t payload[8], void *user_data);
    /* The answer to halo_session_ping(). */
    void (*on_ping_ack)(halo_session *session, const uint8_t payload[8], uint64_t round_trip_ns,
                        void *user_data);
    /* GOAWAY of the peer; `debug_data` is borrowed. Node: 'goaway'. */
    void (*on_goaway)(halo_session *session, uint32_t code, uint32_t last_stream_id,
                      const uint8_t *debug_data, size_t debug_len, void *user_data);
    /* The end of the session and its connection, once and last; all its streams were told before.
     * `error` NULL: in order. Node: 'error', 'close'. */
    void (*on_close)(halo_session *session, const struct halo_error *error, void *user_data);
};

HALO_API void halo_session_set_callbacks(halo_session *session,
                                         const struct halo_session_callbacks *callbacks,
                                         void *user_data);

/* The loop that drives the session; NULL for sessions that stand alone. */
HALO_API halo_loop *halo_session_loop(const halo_session *session);
/* "h2" over TLS, "h2c" without; "http/1.1" for a connection of the server's option allow_http1 that
 * does not speak HTTP/2, with or without TLS and ALPN; NULL for sessions that stand alone or are not connected yet. Node:
 * alpnProtocol. */
HALO_API const char *halo_session_alpn(const halo_session *session);
/* "2.0"; "1.1" or "1.0" for HTTP/1 (the server's option allow_http1): that of the request at hand, of
 * which there is one at a time. Static. Node: httpVersion. */
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

#ifdef __cplusplus
}
#endif
#endif
