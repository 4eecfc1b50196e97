/*
 * Streams: one request and its response. The same calls serve both roles and both doors (the
 * sans-I/O session and the loop-driven server and client).
 *
 * A stream handle is valid until its close was told (HALO_EVENT_STREAM_CLOSED, on_close) and that
 * call or the following poll has returned. Between a reset and then, calls that send answer
 * HALO_E_INVALID_STREAM and getters still work. All calls belong to the thread of the session.
 *
 * Sending never blocks and never writes to a socket inside the call: frames are built when the
 * batch ends. What flow control or the socket cannot take yet waits in the stream;
 * halo_stream_buffered() tells how much, and HALO_EVENT_WRITABLE (on_writable) when it has fallen
 * below the low-water mark.
 */
#ifndef HALO_STREAM_H
#define HALO_STREAM_H

#include <halo/error.h>
#include <halo/header.h>
#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of calls that send. */
enum {
    /* Nothing follows: the stream's sending half is closed with this. */
    HALO_END_STREAM = 1u << 0,
    /* After the last DATA, ask for trailers (HALO_EVENT_WANT_TRAILERS) instead of closing.
     * Node: waitForTrailers. */
    HALO_WAIT_FOR_TRAILERS = 1u << 1,
};

/* Server: sends the final response header block. `status` 200 ... 599 (101 does not exist in
 * HTTP/2). Statuses 204, 205 and 304, and responses to HEAD, end the stream at once; what is
 * written afterwards is dropped for HEAD and refused otherwise (HALO_E_PAYLOAD_FORBIDDEN).
 * `headers` may be NULL. `flags`: HALO_END_STREAM when there is no body, HALO_WAIT_FOR_TRAILERS.
 * Everything is checked before anything is sent. Returns 0, HALO_E_INVALID_STREAM,
 * HALO_E_WRONG_STATE (a client), HALO_E_HEADERS_SENT, HALO_E_STATUS_101, HALO_E_STATUS_INVALID,
 * HALO_E_INVALID_HEADER_NAME, HALO_E_INVALID_HEADER_VALUE, HALO_E_INVALID_CONNECTION_HEADERS,
 * HALO_E_PSEUDOHEADER_NOT_ALLOWED, HALO_E_HEADER_SINGLE_VALUE, HALO_E_HEADER_BLOCK_TOO_LONG,
 * HALO_E_NOMEM. Node: respond(). */
HALO_API int halo_stream_respond(halo_stream *stream, int status, const halo_headers *headers,
                                 unsigned flags);

/* Server: sends an informational response, `status` 100 ... 199 but not 101, any number of times
 * before the final one. Errors as above, and HALO_E_HEADERS_AFTER_RESPOND,
 * HALO_E_INVALID_INFO_STATUS. Node: additionalHeaders(), writeContinue(), writeEarlyHints(). */
HALO_API int halo_stream_inform(halo_stream *stream, int status, const halo_headers *headers);

/* Server: promises the response to a request that the client will make (RFC 9113 8.4), and gives
 * the stream to send it on with the usual calls: respond, write ... PUSH_PROMISE is sent at once;
 * what refers to the pushed resource is written afterwards, so that the client does not ask for it.
 * `parent` is a request of the client that is not ended yet. `request`: GET or HEAD; scheme and
 * authority are the parent's when empty, path is "/"; fields are copied. HEAD has no body. The
 * client may refuse with a reset. Returns 0 and *pushed, or HALO_E_PUSH_DISABLED,
 * HALO_E_NESTED_PUSH, HALO_E_INVALID_STREAM, HALO_E_GOAWAY_SESSION, HALO_E_INVALID_SESSION,
 * HALO_E_OUT_OF_STREAMS, HALO_E_LIMIT (the client's limit of concurrent streams, which promised
 * ones count for here), HALO_E_WRONG_STATE (a client), HALO_E_INVALID_ARGUMENT (another method, a
 * content-length, :protocol, or no authority), HALO_E_NOMEM, and the header errors of
 * halo_stream_respond(). Responding to it is refused with HALO_E_LIMIT while the client has lowered
 * its limit. Node: pushStream(), createPushResponse(). */
struct halo_request;
HALO_API int halo_stream_push(halo_stream *parent, const struct halo_request *request,
                              void *user_data, halo_stream **pushed);

/* Sends body octets, copied. `flags`: HALO_END_STREAM, or HALO_WAIT_FOR_TRAILERS when these are the
 * last octets and trailers follow. `len` 0 with a flag only ends. A server responds first
 * (HALO_E_WRONG_STATE otherwise). Returns 0, HALO_E_INVALID_STREAM, HALO_E_WRITE_AFTER_END,
 * HALO_E_PAYLOAD_FORBIDDEN, HALO_E_NOMEM (nothing was written). */
HALO_API int halo_stream_write(halo_stream *stream, const void *data, size_t len, unsigned flags);

/* Sends body octets without a copy (small ones are copied where that is cheaper). The memory must
 * stay unchanged until done(ctx) is called, exactly once, also when the stream is reset or the
 * session ends; perhaps within this call. When the call fails, `done` is not called at all. It may
 * be NULL for memory that lives for ever. Flags and errors as halo_stream_write(). */
HALO_API int halo_stream_write_borrow(halo_stream *stream, const void *data, size_t len,
                                      unsigned flags, void (*done)(void *ctx), void *ctx);

/* Sends a counted slice without a copy; the reference is taken, on failure too, and *slice emptied.
 * The octets of a slice without an owner are copied. Flags and errors as halo_stream_write(). */
HALO_API int halo_stream_write_slice(halo_stream *stream, halo_slice *slice, unsigned flags);

/* A body that is read when it can be sent. */
struct halo_source {
    /* Writes up to `cap` octets to `out`, sets *len, and *end to 1 when these are the last. Returns
     * 0; HALO_E_AGAIN with *len 0 when there is nothing now: halo asks again after
     * halo_stream_resume_source(), which may come before this returns (another batch of output asks
     * then). 0 with neither octets nor the end is taken for HALO_E_AGAIN. Any other error resets
     * the stream with INTERNAL_ERROR. Called while output is built: of halo it may call only
     * halo_stream_resume_source and getters. */
    int (*read)(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end);
    /* Called exactly once when the source is not needed any more. May be NULL. */
    void (*done)(void *ctx);
    void *ctx;
};

/* Sends what the source gives after everything written so far, then ends the stream (or asks for
 * trailers with HALO_WAIT_FOR_TRAILERS, the one flag there is). The struct is copied. Nothing can
 * be written afterwards. Returns 0, HALO_E_INVALID_ARGUMENT (`read` is NULL), and the errors of
 * halo_stream_write(); when it fails, `done` is not called. */
HALO_API int halo_stream_set_source(halo_stream *stream, const struct halo_source *source,
                                    unsigned flags);
/* The source has something again. Does nothing for streams without a source. */
HALO_API void halo_stream_resume_source(halo_stream *stream);

/* Ends the sending half after everything written so far; after HALO_EVENT_WANT_TRAILERS, without
 * trailers. Errors as halo_stream_write(). */
HALO_API int halo_stream_end(halo_stream *stream);

/* Sends trailers after everything written so far and ends the sending half (RFC 9113 section 8.1).
 * Allowed instead of an end, and after HALO_EVENT_WANT_TRAILERS. Checked now, encoded when their
 * turn comes; the fields are copied. Returns also HALO_E_TRAILERS_NOT_READY (before the response
 * headers, or while a source is being sent), HALO_E_TRAILERS_ALREADY_SENT, and HALO_E_WRONG_STATE
 * on a tunnel (RFC 9113 8.5: CONNECT that was not turned down), where only an empty list is
 * allowed, which is the end. Node: sendTrailers(). */
HALO_API int halo_stream_trailers(halo_stream *stream, const halo_headers *headers);

/* Ends the stream at once with RST_STREAM: both halves, whatever was queued is dropped. `code` is
 * an HTTP/2 error code (HALO_CANCEL, HALO_NO_ERROR after a complete response, ...). The close is
 * told later. Returns 0 or HALO_E_INVALID_STREAM. Node: close(code). */
HALO_API int halo_stream_reset(halo_stream *stream, uint32_t code);

/* Flow control of receiving. Paused: halo hands out no more DATA of this stream and returns no
 * credit, so that the peer stops when its window is used up; what is under way is kept. */
HALO_API void halo_stream_pause(halo_stream *stream);
HALO_API void halo_stream_resume(halo_stream *stream);
/* Manual credit (option manual_credit): `len` octets of received body are done with. Returns 0,
 * HALO_E_WRONG_STATE without that option, HALO_E_INVALID_ARGUMENT for more than was received and
 * not consumed yet. */
HALO_API int halo_stream_consume(halo_stream *stream, size_t len);

/* Tells HALO_EVENT_STREAM_TIMEOUT when for `timeout_ms` milliseconds nothing of this stream was
 * received or sent, again after each such time that follows on activity; 0 switches it off. The
 * stream stays open: a typical handler resets it with HALO_CANCEL. Returns 0,
 * HALO_E_INVALID_STREAM, HALO_E_NOMEM. Node: setTimeout(). */
HALO_API int halo_stream_set_timeout(halo_stream *stream, uint32_t timeout_ms);

/* ---- getters: work until the close was told -------------------------------------------- */

/* The stream's number; 0 while a request waits for a place. */
HALO_API uint32_t halo_stream_id(const halo_stream *stream);
HALO_API halo_session *halo_stream_session(const halo_stream *stream);
HALO_API void halo_stream_set_user_data(halo_stream *stream, void *user_data);
HALO_API void *halo_stream_user_data(const halo_stream *stream);
/* Octets of body that were written and not yet put into frames. Node: bufferSize. */
HALO_API size_t halo_stream_buffered(const halo_stream *stream);
/* The header list that opened the stream (server: request) or answered it (client: response); kept
 * for the life of the stream. Empty before it has come. */
HALO_API halo_header_list halo_stream_headers(const halo_stream *stream);
/* The request that a pushed stream answers, in both roles; kept for the life of the stream. Empty
 * for other streams. */
HALO_API halo_header_list halo_stream_promise(const halo_stream *stream);
/* Server: may be pushed on this connection: the client's SETTINGS_ENABLE_PUSH. Node:
 * pushAllowed. */
HALO_API int halo_stream_push_allowed(const halo_stream *stream);
/* Received END_STREAM on its first header block: there is no body. Node: endAfterHeaders. */
HALO_API int halo_stream_end_after_headers(const halo_stream *stream);
/* Server: the request is HEAD, the response has no body. */
HALO_API int halo_stream_is_head(const halo_stream *stream);
/* Final response headers were sent. Node: headersSent. */
HALO_API int halo_stream_headers_sent(const halo_stream *stream);
/* Both halves are done or the stream was reset; only the close is still to be told. */
HALO_API int halo_stream_is_closed(const halo_stream *stream);

/* The request waits for its number. Node: pending. */
HALO_API int halo_stream_is_pending(const halo_stream *stream);
/* The stream was closed by an error or a reset while our half had not been ended. Node: aborted. */
HALO_API int halo_stream_is_aborted(const halo_stream *stream);
/* The code of the RST_STREAM that was sent or received; HALO_NO_ERROR for a stream that ended in
 * order; -1 while it has not ended. Node: rstCode. */
HALO_API int64_t halo_stream_reset_code(const halo_stream *stream);

/* What was sent, kept with the session's option keep_sent_headers: the response or request, its
 * trailers, and informational responses by index from 0. Empty lists without that option or where
 * there is none. Node: sentHeaders, sentTrailers, sentInfoHeaders. */
HALO_API halo_header_list halo_stream_sent_headers(const halo_stream *stream);
HALO_API halo_header_list halo_stream_sent_trailers(const halo_stream *stream);
HALO_API halo_header_list halo_stream_sent_information(const halo_stream *stream, size_t index);

enum halo_stream_state {
    HALO_STATE_IDLE = 1,
    HALO_STATE_OPEN = 2,
    HALO_STATE_RESERVED_LOCAL = 3,
    HALO_STATE_RESERVED_REMOTE = 4,
    HALO_STATE_HALF_CLOSED_LOCAL = 5,
    HALO_STATE_HALF_CLOSED_REMOTE = 6,
    HALO_STATE_CLOSED = 7,
};

/* Node: stream.state and a few properties. */
struct halo_stream_info {
    uint32_t state;                 /* enum halo_stream_state */
    int64_t local_window;           /* octets the peer may still send on the stream */
    int64_t remote_window;          /* octets we may still send on the stream */
    int64_t effective_local_window; /* size of its receive window, what it has grown to */
    int64_t reset_code;             /* code of RST_STREAM sent or received, -1: none */
    uint64_t octets_sent;           /* body octets put into frames */
    uint64_t octets_received;
    uint8_t local_closed;  /* our half is closed. Node: localClose */
    uint8_t remote_closed; /* the peer's half is. Node: remoteClose */
    uint8_t urgency;       /* RFC 9218: 0 ... 7, 3 is the default */
    uint8_t incremental;   /* RFC 9218 */
    /* RFC 7540, deprecated: what halo_stream_set_dependency() or, with priority_events, the peer
     * said last. Node: state.weight. No tree is kept: state.sumDependencyWeight is always 0. */
    uint16_t weight;
};
HALO_API void halo_stream_get_info(const halo_stream *stream, struct halo_stream_info *info);

/* What the sending half of a stream has waited for since the stream began, in nanoseconds of the
 * session's clock. At any moment it is the one thing that keeps the stream's next body octet (or its
 * end) from being taken by the socket: halo_session_sent(). So all of them add up to the stream's
 * age, and what is charged from the first write until the last octet was taken adds up to that time,
 * application_ns being the moments in between when there was nothing to send. Octets that are in
 * frames and were not taken wait for the socket, whatever those behind them will wait for. In the
 * stream's STREAM_CLOSED event (on_close) the figures are final: a stream that is closed while its
 * last octets are in the output is not followed any further. Header blocks before the end are not
 * looked at. */
struct halo_stream_stalls {
    uint64_t application_ns;       /* the application had given nothing to send */
    uint64_t stream_window_ns;     /* the peer gave no window for the stream */
    uint64_t connection_window_ns; /* the peer gave no window for the connection */
    uint64_t place_ns;             /* client: the peer's limit of concurrent streams */
    uint64_t turn_ns;              /* streams that go first had something to send */
    uint64_t socket_ns;            /* octets in frames, or first in line: the socket took no more */
    uint64_t peer_ns;              /* our half was done and taken, the peer's was not */
};
HALO_API void halo_stream_get_stalls(const halo_stream *stream, struct halo_stream_stalls *stalls);

/* What the stream did, valid until its close was told. Times count from start_ns, when it was made;
 * -1: it did not happen. Node: the PerformanceEntry "Http2Stream". */
struct halo_stream_stats {
    uint32_t id;
    uint64_t start_ns; /* on the clock of now_ns */
    uint64_t duration_ns;
    uint64_t bytes_read; /* of DATA, without padding */
    uint64_t bytes_written;
    int64_t time_to_first_header_ns;    /* the first header block received */
    int64_t time_to_first_byte_ns;      /* the first DATA received */
    int64_t time_to_first_byte_sent_ns; /* the first DATA put into a frame */
};
HALO_API void halo_stream_get_stats(const halo_stream *stream, struct halo_stream_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
