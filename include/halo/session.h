/*
 * The session: one HTTP/2 connection as a pure machine. Octets come in, events come out; calls go
 * in, octets come out. It does no I/O, reads no clock and has no globals, so it can be driven by
 * any loop, by a simulator or by a test. The server and the client of halo are written on this
 * header alone.
 *
 *     halo_session_recv(session, octets, len, now_ns);
 *     while (halo_session_poll(session, &event)) { ... calls on session and event.stream ... }
 *     n = halo_session_pull(session, iov, max, limit);   send;   halo_session_sent(session, sent);
 *     wake up at halo_session_next_timeout(session) and call halo_session_tick(session, now_ns)
 *
 * User code runs between two events, never inside a parse: every call of this header and of
 * <halo/stream.h> is allowed there. What an event points to is valid until the next poll of the
 * session.
 */
#ifndef HALO_SESSION_H
#define HALO_SESSION_H

#include <sys/uio.h>

#include <halo/error.h>
#include <halo/header.h>
#include <halo/priority.h>
#include <halo/settings.h>
#include <halo/stream.h>
#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum halo_role {
    HALO_SERVER = 0,
    HALO_CLIENT = 1,
};

/* How much padding HEADERS and DATA frames get (RFC 9113 sections 6.1, 6.2). Node:
 * PADDING_STRATEGY_*. */
enum halo_padding {
    HALO_PADDING_NONE = 0,
    /* The whole frame, its 9 octets of header included, is a multiple of 8 octets long. */
    HALO_PADDING_ALIGNED = 1,
    /* 256 octets a frame, the most there is. */
    HALO_PADDING_MAX = 2,
    HALO_PADDING_CALLBACK = HALO_PADDING_ALIGNED, /* since Node 13 */
};

/* What a peer may make us hold or do. Each has a default with its reason in core/proto/limits.h; 0
 * is a value like any other ("none allowed"). The comment names Node's option where there is
 * one. */
struct halo_limits {
    /* Header blocks that are received. */
    uint32_t header_list_size;      /* octets, 32 more a field; 36864, client 65536 */
    uint32_t header_fields;         /* and 256 cookies; 128, client 256; at least 4, client 1.
                                     * maxHeaderListPairs */
    uint32_t header_string;         /* octets of one name or value; 16384. A cookie's value may be
                                     * as long as header_list_size allows */
    uint32_t header_block;          /* encoded octets; 65536 */
    uint32_t continuation_frames;   /* per block; 8 */
    uint32_t information_responses; /* 1xx per stream, client; 16 */
    /* Frames. */
    uint32_t settings_entries;  /* per SETTINGS frame; 32, at least 1. maxSettings */
    uint32_t queued_replies;    /* ACKs and RST_STREAM that wait to be sent; 64 */
    uint32_t outstanding_pings; /* ours, unanswered, at most 10; 10. maxOutstandingPings */
    uint32_t pending_settings;  /* ours, unacknowledged; 10 */
    /* What we send. */
    uint32_t encoder_table_size; /* octets; 4096. maxDeflateDynamicTableSize */
    uint32_t send_block;         /* encoded octets; 65536. maxSendHeaderBlockLength */
    uint32_t requests_queued;    /* client: requests that wait for a place; 4096 */
    /* Budgets: a burst, and the refill per second where there is one. */
    uint32_t resets;            /* RST_STREAM of the peer (client: on streams that are gone); 256.
                                 * streamResetBurst */
    uint32_t resets_per_second; /* 33, and one a completed stream. streamResetRate */
    uint32_t faults;            /* resets that the peer makes us send; 64 */
    uint32_t invalid_frames;    /* of those, in the session's life; 1000. maxSessionInvalidFrames */
    uint32_t refused_streams;   /* 128, one back a completed stream. maxSessionRejectedStreams */
    uint32_t pings;             /* PING frames; 200, and one a DATA frame that we sent */
    uint32_t pings_per_second;  /* 10 */
    uint32_t settings_frames;   /* 20 */
    uint32_t settings_per_second; /* 1 */
    uint32_t glitches;            /* frames without use (unknown, ...); 1000, one back a stream */
    uint32_t glitches_per_second; /* 33 */
    /* Extensions. */
    uint32_t extension_payload; /* octets of a frame of frame_types; 16384 */
    uint32_t origins;           /* client: in the origin set; 128 */
    uint32_t origin_octets;     /* client: of their text in all; 16384 */
};

/* Client: which promised requests (RFC 9113 8.4) are told of. All others are refused. */
enum halo_push_origin {
    /* Those of the origin of the request that they come with. */
    HALO_PUSH_SAME_ORIGIN = 0,
    /* All: the application decides at HALO_EVENT_PUSH whether the server is authoritative for the
     * promised :authority (RFC 9113 10.1), and resets the stream otherwise. */
    HALO_PUSH_ANY_ORIGIN = 1,
};

struct halo_session_options {
    size_t struct_size;
    uint32_t role; /* enum halo_role; set by halo_session_options_init */

    /* The SETTINGS that open the connection. The defaults of halo are set: see limits.h. */
    struct halo_settings settings;
    struct halo_limits limits;

    /* Receive window of the whole connection in octets, 65535 ... 2^31-1; default 1 MiB. That of a
     * stream is settings.initial_window_size, default 65535 (64 KiB). */
    uint32_t connection_window_size;
    /* Windows start with these sizes and grow fourfold while the peer uses them up within a round
     * trip and the application keeps up with reading, up to so many octets; defaults 1 MiB for a
     * stream, 4 MiB for the connection, at most 2^31-1. 0, or not more than the start: the windows
     * are fixed. halo measures the round trip by its SETTINGS and, while windows grow, by a PING of
     * its own now and then, of which the application sees nothing. */
    uint32_t stream_receive_window_max;
    uint32_t connection_receive_window_max;
    /* How much of a window must have been given back before a WINDOW_UPDATE is sent, in percent of
     * its size, 0 ... 100; default 50. 0: with every release. 256 KiB are always enough. Peers that
     * count WINDOW_UPDATE frames (RFC 9113 10.5) end connections with too many, so those for less
     * than half a window are never more than two for each DATA frame received, and wait for the
     * end of a frame that is still coming in. What is held back goes with the next release. */
    uint32_t window_update_percent;
    /* Credit is returned only by halo_stream_consume(); default 0: when slices are released. */
    uint32_t manual_credit;
    /* What the peer may make the session hold beside the body octets that its windows allow, in
     * octets. Above the first (default 1 MiB), new streams of the peer are refused with
     * REFUSED_STREAM; above the second (4 MiB), the connection ends with ENHANCE_YOUR_CALM. While
     * bodies and the rest together are more than half the second, windows do not grow, and act as
     * if they had their first size. Held bodies alone refuse and end nothing: what was granted is
     * no offence. Node: maxSessionMemory, which resets refused streams with ENHANCE_YOUR_CALM;
     * REFUSED_STREAM tells the peer that a retry is safe (RFC 9113 8.7). */
    uint32_t memory_soft;
    uint32_t memory_hard;
    /* Client: how many streams the peer is assumed to allow before its SETTINGS come; default 100.
     * Node: peerMaxConcurrentStreams. */
    uint32_t peer_max_concurrent_streams;
    /* Tell HALO_EVENT_PRIORITY and HALO_EVENT_PRIORITY_UPDATE; default 0. */
    uint32_t priority_events;
    /* Client, with settings.enable_push 1: how many pushed streams may wait for their response.
     * Those beyond are answered REFUSED_STREAM; default 200. Node: maxReservedRemoteStreams. */
    uint32_t max_reserved_remote_streams;
    uint32_t push_origin; /* client: enum halo_push_origin; default HALO_PUSH_SAME_ORIGIN */
    /* Client: the octets travel over TLS, to this host (as in SNI; or the text of an address) and
     * this port: the origin that the session starts with. Without `encrypted`, ORIGIN frames are
     * ignored, and pushes of https are refused. server_name is copied;
     * one that is no host gives no origin. */
    uint32_t encrypted;     /* default 0 */
    halo_bytes server_name; /* default: empty, no origin is known */
    uint32_t server_port;   /* default 443 */
    /* Types of frames that halo does not know and the application wants to see as HALO_EVENT_FRAME;
     * copied. Not 0 ... 9, ALTSVC (0xa), ORIGIN (0xc), PRIORITY_UPDATE (0x10). Frames of other
     * unknown types are ignored (RFC 9113 5.5). */
    const uint8_t *frame_types;
    size_t frame_type_count;
    /* Body octets buffered in a stream below which HALO_EVENT_WRITABLE is told; default 65536. */
    uint32_t stream_low_water;

    /* Padding of the frames we send, enum halo_padding; default none. It is bounded by the windows
     * and the frame size: where they leave no room there is less, and no alignment. Blocks that
     * need CONTINUATION get none. Node: paddingStrategy. */
    uint32_t padding;
    /* Received fields whose value begins or ends with white space are malformed (RFC 9113 section
     * 8.2.1); 0 lets them through as they came. Default 1. Node:
     * strictFieldWhitespaceValidation. */
    uint32_t strict_field_whitespace;
    /* Sending the same single-value field (halo_header_is_single) twice in the plain fields of a
     * list is refused with HALO_E_HEADER_SINGLE_VALUE. Default 1. Node: strictSingleValueFields. */
    uint32_t strict_single_value_fields;
    /* Keep what was sent, for halo_stream_sent_headers() and its kin; default 0. */
    uint32_t keep_sent_headers;
    /* Identifiers of settings unknown to halo whose values are kept in `custom` of the peer's
     * settings. Node: remoteCustomSettings. */
    uint16_t remote_custom_ids[HALO_CUSTOM_SETTINGS_MAX];
    uint32_t remote_custom_count;
    /* Node's pair for RST_STREAM of the peer: takes the place of limits.resets and
     * limits.resets_per_second when both are above 0. Default 0. */
    uint32_t stream_reset_burst;
    uint32_t stream_reset_rate;
    /* Silence of so many milliseconds is told by HALO_EVENT_TIMEOUT; default 0: never. See
     * halo_session_set_timeout(). */
    uint32_t timeout_ms;

    /* Deadlines in milliseconds; 0 switches one off. */
    uint32_t preface_timeout_ms;      /* preface and first SETTINGS of the peer; 10000 */
    uint32_t settings_ack_timeout_ms; /* 10000; then SETTINGS_TIMEOUT */
    uint32_t header_block_timeout_ms; /* from HEADERS to END_HEADERS; 10000 */
    uint32_t idle_timeout_ms; /* no streams; server 60000, client 0. Control frames do not count */
    /* Data ready, and no window of the peer; 30000; then CANCEL. Client: requests wait, and the
     * server's SETTINGS_MAX_CONCURRENT_STREAMS is 0; then HALO_E_TIMEOUT. */
    uint32_t stall_timeout_ms;
    /* Server: the body of a request that is not answered yet has to come, at 240 octets a second on
     * average over this time; 30000; then CANCEL. Not while the application pauses the stream or
     * gives no credit, and not for CONNECT. */
    uint32_t body_timeout_ms;
    uint32_t goaway_timeout_ms; /* graceful close: from the first GOAWAY to the second; 1000 */
    uint32_t drain_timeout_ms;  /* graceful close: until open streams are cut off; 30000 */

    /* Memory; all zero: malloc. Copied. */
    halo_allocator allocator;
    /* Called for every frame sent and received, with one line of text. NULL: no cost. */
    void (*on_frame)(halo_session *session, int sent, const char *line, void *user_data);
    void *user_data; /* first value of halo_session_user_data */
};

/* Sets the defaults for a role. Call it on every options struct before setting members. */
#define halo_session_options_init(options, role)                                                   \
    halo_session_options_init_sized((options), (role), sizeof(struct halo_session_options))
HALO_API void halo_session_options_init_sized(struct halo_session_options *options, int role,
                                              size_t struct_size);

/* Puts the defaults that Node documents in the place of halo's, for what a Node option or setting
 * has a name for: the settings of http2.getDefaultSettings(), maxSettings, maxHeaderListPairs,
 * maxSessionInvalidFrames, maxSessionRejectedStreams, streamResetBurst and Rate, no idle timeout, a
 * connection window of 65535. What protects the protocol and has no name in Node stays. */
HALO_API void halo_session_options_node_defaults(struct halo_session_options *options);

/* Makes a session. `options` are copied; `now_ns` is the time in nanoseconds on any clock that does
 * not go back, the same in all calls. Its preface and SETTINGS are ready to be pulled at once.
 * Returns 0, HALO_E_NOMEM, HALO_E_INVALID_ARGUMENT (options out of range or not initialized),
 * HALO_E_INVALID_SETTING_VALUE, HALO_E_TOO_MANY_CUSTOM_SETTINGS. */
HALO_API int halo_session_new(halo_session **session, const struct halo_session_options *options,
                              uint64_t now_ns) HALO_MUST_USE;
/* Frees the session and all its streams; events that were not polled are not told. Slices of
 * received data that are still held stay valid. */
HALO_API void halo_session_free(halo_session *session);

/* ---- events ---------------------------------------------------------------------------- */

enum halo_event_type {
    HALO_EVENT_NONE = 0,
    /* Server: a request; u.headers. */
    HALO_EVENT_REQUEST = 1,
    /* Client: the final response; u.headers. */
    HALO_EVENT_RESPONSE = 2,
    /* Client: a 1xx response, any number of times; u.headers. */
    HALO_EVENT_INFORMATION = 3,
    /* Trailers; u.headers. The receiving half is done. */
    HALO_EVENT_TRAILERS = 4,
    /* Body octets; u.data. May be empty when only END_STREAM came. */
    HALO_EVENT_DATA = 5,
    /* The last event of a stream; u.closed. The handle is valid until the next poll. */
    HALO_EVENT_STREAM_CLOSED = 6,
    /* The body was sent and HALO_WAIT_FOR_TRAILERS was asked for: send trailers, or end. */
    HALO_EVENT_WANT_TRAILERS = 7,
    /* What is buffered fell below the low-water mark after it had been above. */
    HALO_EVENT_WRITABLE = 8,
    /* Client: a queued request got its number and was sent. Node: 'ready'. */
    HALO_EVENT_READY = 9,
    /* Client: the server promises a response; u.push. `stream` is the pushed stream: RESPONSE, DATA
     * and so on follow on it. halo_stream_reset(stream, HALO_CANCEL), or HALO_REFUSED_STREAM, says
     * no to it. A response beyond our MAX_CONCURRENT_STREAMS is refused when it begins: the stream
     * ends with HALO_E_LIMIT, or with HALO_E_PROTOCOL when the server had acknowledged that limit.
     * Node: 'stream' of a client session. */
    HALO_EVENT_PUSH = 10,
    /* A block that waited its turn (trailers, a queued request) cannot be sent; u.frame_error. The
     * stream's close follows. Node: 'frameError'. */
    HALO_EVENT_FRAME_ERROR = 14,
    /* Nothing moved on the stream for the time of halo_stream_set_timeout(). Nothing is closed by
     * that. Node: 'timeout'. */
    HALO_EVENT_STREAM_TIMEOUT = 15,
    /* SETTINGS of the peer were applied; u.settings. Node: 'remoteSettings'. */
    HALO_EVENT_SETTINGS = 16,
    /* Our SETTINGS were acknowledged and hold now; u.settings says which and how long it took.
     * Node: 'localSettings', callback of settings(). */
    HALO_EVENT_SETTINGS_ACK = 17,
    /* PING of the peer, answered already; u.ping. */
    HALO_EVENT_PING = 18,
    /* Answer to our PING; u.ping with the round trip. */
    HALO_EVENT_PING_ACK = 19,
    /* GOAWAY of the peer; u.goaway. */
    HALO_EVENT_GOAWAY = 20,
    /* The session is over: all streams were told before; u.closed. Pull what is left, then free. */
    HALO_EVENT_SESSION_CLOSED = 21,
    /* PRIORITY of the peer, or that part of a request's HEADERS (after its REQUEST event);
     * u.dependency. `stream` is NULL when it has not come yet, or is gone; stream_id tells.
     * Deprecated: nothing follows from it. Node: 'priority'. */
    HALO_EVENT_PRIORITY = 32,
    /* Server: PRIORITY_UPDATE of the client, with a value that can be read; u.priority. `stream` as
     * with PRIORITY. */
    HALO_EVENT_PRIORITY_UPDATE = 33,
    /* Client: the server names alternative services (RFC 7838); u.altsvc. Node: 'altsvc'. */
    HALO_EVENT_ALTSVC = 22,
    /* Client over TLS: the server named origins, which are in the session's origin set now
     * (RFC 8336); u.origin. Node: 'origin'. */
    HALO_EVENT_ORIGIN = 23,
    /* A frame of a type that was asked for with frame_types; u.frame. */
    HALO_EVENT_FRAME = 24,
    /* No octet was received or sent for the time of halo_session_set_timeout(). Nothing is closed
     * by that. Node: 'timeout'. */
    HALO_EVENT_TIMEOUT = 27,
    /* The session ended before the answer to a PING of ours came; u.ping with its payload. Before
     * SESSION_CLOSED. Node: ERR_HTTP2_PING_CANCEL. */
    HALO_EVENT_PING_CANCEL = 25,
    /* ... before SETTINGS of halo_session_settings() were acknowledged; u.settings. Node:
     * ERR_HTTP2_SETTINGS_CANCEL. */
    HALO_EVENT_SETTINGS_CANCEL = 26,
};

struct halo_event {
    uint16_t type;  /* enum halo_event_type; ignore types you do not know */
    uint16_t flags; /* HALO_END_STREAM: the peer sends nothing more on this stream */
    uint32_t stream_id;
    halo_stream *stream; /* NULL for events of the session */
    union {
        struct {
            const halo_header *fields; /* pseudo-header fields first */
            size_t count;
            int status; /* responses: the status, else 0 */
        } headers;
        /* The octets are borrowed. To hold them longer, halo_session_keep_data() makes a slice of
         * them (then credit returns when that is released). Otherwise they are done with at the
         * next poll. */
        struct {
            const uint8_t *data;
            size_t len;
        } data;
        struct {
            uint8_t payload[8];
            uint64_t round_trip_ns; /* PING_CANCEL: how long it waited */
        } ping;
        struct {
            const struct halo_settings *settings; /* SETTINGS: the peer's now; else: what we sent */
            uint64_t duration_ns;                 /* from sending to the answer, or to the end */
        } settings;
        struct {
            uint8_t type; /* of the frame */
            int status;   /* HALO_E_HEADER_BLOCK_TOO_LONG */
        } frame_error;
        struct {
            uint32_t code;
            uint32_t last_stream_id;
            const uint8_t *debug_data;
            size_t debug_len;
        } goaway;
        struct {
            const halo_header *fields; /* the promised request: halo_stream_promise() keeps it */
            size_t count;
            halo_stream *parent; /* the request that it comes with */
        } push;
        struct {
            uint32_t stream_id; /* 0: `origin` says for whom; else the origin of that request */
            halo_bytes origin;  /* as it was sent; empty with a stream_id */
            halo_bytes value;   /* like that of an Alt-Svc field; not checked */
        } altsvc;
        struct {
            const halo_bytes *origins; /* "https://example.org", "https://[::1]:8443" */
            size_t count;
        } origin;
        struct {
            uint8_t type;
            uint8_t flags;
            uint32_t stream_id;
            const uint8_t *payload;
            size_t len;
        } frame;
        const struct halo_error *closed; /* NULL: a clean end */
        struct halo_dependency dependency;
        struct halo_priority priority;
    } u;
};

/* Hands in octets that the peer sent. They are borrowed until halo_session_poll() has returned 0:
 * keeping data copies it. Everything handed in before must have been polled. Returns 0 or
 * HALO_E_WRONG_STATE. */
HALO_API int halo_session_recv(halo_session *session, const void *data, size_t len,
                               uint64_t now_ns);
/* The same with a counted slice, which is taken, on failure too: keeping data is a reference, not a
 * copy. */
HALO_API int halo_session_recv_slice(halo_session *session, halo_slice *slice, uint64_t now_ns);
/* The peer will send no more octets (the socket's end), or the connection broke: `error` says how,
 * NULL is an orderly end. Open streams are closed with it. */
HALO_API void halo_session_recv_end(halo_session *session, const struct halo_error *error);

/* Gives the next event. Returns 1 and *event, or 0 when there is none until more is received, a
 * call is made, or time passes. */
HALO_API int halo_session_poll(halo_session *session, struct halo_event *event);

/* Makes a counted slice of the octets of the DATA event that was polled last. Returns 0,
 * HALO_E_NOMEM, HALO_E_WRONG_STATE. The credit for these octets goes back to the peer when the
 * slice is released (or by halo_stream_consume() with manual_credit). */
HALO_API int halo_session_keep_data(halo_session *session, halo_slice *slice) HALO_MUST_USE;

/* ---- output ---------------------------------------------------------------------------- */

/* Builds what can be sent now, up to about `limit` octets of it, and describes it in iov[0..max).
 * Returns the number of pieces, 0 for nothing to send. The octets stay where they are until
 * halo_session_sent(). A second pull without that describes the same octets and perhaps more. */
HALO_API int halo_session_pull(halo_session *session, struct iovec *iov, int max, size_t limit);
/* The first `len` octets of what was pulled were sent. Releases what they pointed to (done
 * callbacks run in here). */
HALO_API void halo_session_sent(halo_session *session, size_t len);
/* Is there anything to pull? */
HALO_API int halo_session_wants_send(halo_session *session);
/* 0 while halo wants to see no more input since too many answers wait to be sent: stop reading
 * until the output has drained. */
HALO_API int halo_session_wants_recv(const halo_session *session);

/* ---- time ------------------------------------------------------------------------------ */

/* When halo_session_tick() is to be called next, on the clock of now_ns; UINT64_MAX: never. */
HALO_API uint64_t halo_session_next_timeout(const halo_session *session);
/* It is `now_ns`: does what is due. Poll and pull afterwards. Too early or too often does no
 * harm. */
HALO_API void halo_session_tick(halo_session *session, uint64_t now_ns);

/* Tells HALO_EVENT_TIMEOUT when for `timeout_ms` milliseconds no octet was received or sent, once
 * for each time of silence; 0 switches it off. The silence begins now. Node: setTimeout(). */
HALO_API void halo_session_set_timeout(halo_session *session, uint32_t timeout_ms);

/* ---- calls ----------------------------------------------------------------------------- */

/* A request to be made. Empty members take the defaults: method GET, scheme https, path "/". */
struct halo_request {
    halo_bytes method;
    halo_bytes scheme;
    halo_bytes authority;
    halo_bytes path;
    halo_bytes protocol; /* extended CONNECT (RFC 8441), else empty */
    halo_headers headers;
    /* RFC 9218: sent as the field `priority`, without members that have their default value. NULL:
     * the default, and no field. Orders request bodies, too. */
    const struct halo_priority *priority;
    /* Deprecated, RFC 7540: as halo_stream_set_dependency() right after the request. NULL: none. */
    const struct halo_dependency *dependency;
};

/* Client: opens a request, which is borrowed for the call. `flags`: HALO_END_STREAM when there is
 * no body. `user_data` is that of the stream. When the peer's limit of
 * concurrent streams is reached, the request is copied and waits, and HALO_EVENT_READY tells when
 * it went out. Returns 0 and *stream, or HALO_E_WRONG_STATE (a server), HALO_E_INVALID_SESSION,
 * HALO_E_GOAWAY_SESSION, HALO_E_OUT_OF_STREAMS, HALO_E_LIMIT (too many waiting),
 * HALO_E_CONNECT_AUTHORITY, _PATH, _SCHEME, _PROTOCOL, HALO_E_INVALID_ARGUMENT (a priority or
 * weight out of range), HALO_E_STREAM_SELF_DEPENDENCY, HALO_E_NOMEM, HALO_E_INVALID_HEADER_VALUE
 * for a field `host` that is not the same as `authority` (RFC 9113 8.3.1), and the header errors of
 * halo_stream_respond(). Node: request(). */
HALO_API int halo_session_request(halo_session *session, const struct halo_request *request,
                                  unsigned flags, void *user_data, halo_stream **stream);

/* Sends SETTINGS; they hold once HALO_EVENT_SETTINGS_ACK comes. enable_connect_protocol cannot be
 * taken back and no_rfc7540_priorities not be changed (HALO_E_INVALID_SETTING_VALUE). `settings` is
 * borrowed for the call. Returns 0, HALO_E_MAX_PENDING_SETTINGS_ACK, HALO_E_INVALID_SETTING_VALUE,
 * HALO_E_TOO_MANY_CUSTOM_SETTINGS, HALO_E_INVALID_SESSION, HALO_E_NOMEM. Node: settings(). */
HALO_API int halo_session_settings(halo_session *session, const struct halo_settings *settings);
/* Sends PING. `payload` is copied; NULL: the time, little-endian. Returns 0, HALO_E_PING_CANCEL
 * when too many are outstanding, HALO_E_INVALID_SESSION, HALO_E_NOMEM. Node: ping(). */
HALO_API int halo_session_ping(halo_session *session, const uint8_t payload[8]);
/* Sends GOAWAY and goes on. last_stream_id 0: the last one that was taken up; it never grows from
 * one GOAWAY to the next (RFC 9113 6.8). `debug_data` is copied, 16376 octets at most. Returns 0,
 * HALO_E_INVALID_ARGUMENT (longer, or an identifier above 2^31-1), HALO_E_INVALID_SESSION. Node:
 * goaway(). */
HALO_API int halo_session_goaway(halo_session *session, uint32_t code, uint32_t last_stream_id,
                                 const void *debug_data, size_t debug_len);
/* Graceful end: GOAWAY that still lets requests under way come in, a second one after the round
 * trip, open streams finish (at most drain_timeout_ms), then HALO_EVENT_SESSION_CLOSED. A client
 * just stops making requests and says GOAWAY. Node: close(). */
HALO_API void halo_session_close(halo_session *session);
/* Immediate end: GOAWAY with `code`, all streams are closed. Node: destroy(). */
HALO_API void halo_session_destroy(halo_session *session, uint32_t code);
/* The same for a reason of the application's own, which SESSION_CLOSED and the streams' ends carry.
 * GOAWAY has error->code, or INTERNAL_ERROR when that is NO_ERROR; error->status 0 becomes
 * HALO_E_SESSION_ERROR; error->reason must live as long as the session. Node: destroy(error). */
HALO_API void halo_session_destroy_error(halo_session *session, const struct halo_error *error);
/* Sets the receive window of the whole connection (the total, not a difference), which keeps this
 * size from then on. A smaller one takes effect by credit that is not given back. Returns 0,
 * HALO_E_INVALID_ARGUMENT (above 2^31-1), HALO_E_INVALID_SESSION. Node: setLocalWindowSize(). */
HALO_API int halo_session_set_window(halo_session *session, uint32_t octets);

/* Server: names alternative services (RFC 7838 section 4): for the origin of the request
 * `stream_id` (then `origin` is empty), or with stream_id 0 for `origin`, a URL of which the origin
 * counts. `value` is like that of an Alt-Svc field, for example `h2=":8000"; ma=60` or `clear`;
 * only its octets are checked. Origin and value take 16382 octets at most. Returns 0,
 * HALO_E_ALTSVC_INVALID_ORIGIN, HALO_E_ALTSVC_LENGTH, HALO_E_INVALID_HEADER_VALUE (not ASCII text,
 * or empty), HALO_E_INVALID_STREAM, HALO_E_INVALID_ARGUMENT (both, or neither, of stream and
 * origin), HALO_E_WRONG_STATE (a client), HALO_E_INVALID_SESSION, HALO_E_NOMEM. Node: altsvc(). */
HALO_API int halo_session_altsvc(halo_session *session, uint32_t stream_id, halo_bytes origin,
                                 halo_bytes value);
/* Server: says for which origins, besides the one the client asked for, this connection is
 * authoritative (RFC 8336). Each is a URL of http or https, of which the origin counts. None: an
 * empty frame, which says "no others". Each origin takes its octets and 2 more, 16384 in all.
 * Returns 0, HALO_E_INVALID_ORIGIN, HALO_E_ORIGIN_LENGTH, HALO_E_WRONG_STATE (a client),
 * HALO_E_INVALID_SESSION, HALO_E_NOMEM. Node: origin(). */
HALO_API int halo_session_origin(halo_session *session, const halo_bytes *origins, size_t count);
/* The origin set (RFC 8336 2.3): origins that the server said it is authoritative for; the first is
 * that of server_name and server_port, until a response with status 421 takes it out. A client must
 * still check the certificate for each (2.4). 0 for servers and without TLS. Node: originSet. */
HALO_API size_t halo_session_origin_count(const halo_session *session);
/* One of them; the empty run from `count` on. Valid until the next poll. */
HALO_API halo_bytes halo_session_origin_at(const halo_session *session, size_t index);

/* Sends a frame of a type that halo does not know: not 0 ... 9, ALTSVC, ORIGIN, PRIORITY_UPDATE.
 * It goes out in the order of the calls, never within a header block; peers ignore types that they
 * do not know, and it is not flow-controlled. `stream_id` is 0 or that of a stream that was opened;
 * `payload` is copied and at most the peer's SETTINGS_MAX_FRAME_SIZE. Returns 0,
 * HALO_E_INVALID_ARGUMENT (the type), HALO_E_INVALID_STREAM, HALO_E_LIMIT (too long), HALO_E_AGAIN
 * (the output is full: go on when it was sent), HALO_E_INVALID_SESSION, HALO_E_NOMEM. */
HALO_API int halo_session_send_frame(halo_session *session, uint8_t type, uint8_t flags,
                                     uint32_t stream_id, const void *payload, size_t len);

HALO_API void halo_session_set_user_data(halo_session *session, void *user_data);
HALO_API void *halo_session_user_data(const halo_session *session);
HALO_API int halo_session_role(const halo_session *session);
/* Current settings: ours as acknowledged, the peer's as received. */
HALO_API const struct halo_settings *halo_session_local_settings(const halo_session *session);
HALO_API const struct halo_settings *halo_session_remote_settings(const halo_session *session);
/* The session ended or is ending: requests are refused. */
HALO_API int halo_session_is_closed(const halo_session *session);

/* The session is over or about to be: its streams are being told. Node: destroyed. */
HALO_API int halo_session_is_destroyed(const halo_session *session);
/* SETTINGS of ours wait for their acknowledgement. Node: pendingSettingsAck. */
HALO_API int halo_session_settings_pending(const halo_session *session);

/* Node: session.state. */
struct halo_session_info {
    int64_t local_window;  /* octets the peer may still send */
    int64_t remote_window; /* octets we may still send */
    uint32_t next_stream_id;
    uint32_t last_remote_stream_id; /* highest stream of the peer that was taken up */
    uint32_t open_streams;
    uint32_t waiting_requests;
    size_t output_octets;   /* built and not yet sent */
    uint32_t output_pieces; /* in which they lie. Node: outboundQueueSize */
    uint32_t encoder_table_octets;
    uint32_t decoder_table_octets;
    uint64_t frames_received;
    uint64_t frames_sent;
    uint64_t streams_opened;
    uint32_t pending_settings; /* ours, unacknowledged */
    /* Body octets that halo copied once more than the path needs (docs/ARCHITECTURE.md, copies). */
    uint64_t octets_copied_in;
    uint64_t octets_copied_out;
    /* Size of the connection's receive window, and how much of it was received and not given back
     * yet. Node: effectiveLocalWindowSize, effectiveRecvDataLength. */
    int64_t effective_local_window;
    int64_t effective_received_octets;
    uint64_t round_trip_ns;    /* to the peer and back, as halo last measured it; 0: not known */
    uint64_t body_octets_held; /* received, and held by halo or in slices of the application */
    uint64_t memory;           /* halo_session_memory() */
};
HALO_API void halo_session_get_info(const halo_session *session, struct halo_session_info *info);

/* ---- memory ---------------------------------------------------------------------------- */

/* What the session holds now, in octets: itself, its streams, held bodies (a slice shorter than 256
 * octets counts as that), kept header lists, header blocks that are not complete, dynamic tables,
 * output that is not sent, unanswered PINGs and SETTINGS. Bodies that the application has written
 * and that wait in a stream do not count: halo_stream_buffered() tells them. */
HALO_API uint64_t halo_session_memory(const halo_session *session);

/* What one connection can hold at worst, in octets, whatever its peer does. What the application
 * itself asks for comes on top: bodies and header lists that it sends, slices that it keeps when it
 * has given their credit back already (manual_credit). */
struct halo_memory_bound {
    uint64_t windows; /* credit: body octets that the peer may send, all of them held */
    uint64_t held;    /* memory of held bodies and header lists: `windows` is in it */
    uint64_t tables;  /* dynamic tables, both */
    uint64_t headers; /* header blocks and control frames that are gathered */
    uint64_t output;
    uint64_t streams; /* their objects */
    uint64_t session; /* its object, PINGs, SETTINGS, streams that were reset */
    /* The next three are 0 for a session alone: halo_connection_memory_bound() (halo/connection.h)
     * fills them in. */
    uint64_t connection;      /* its object: socket, operations under way, timers */
    uint64_t receive_buffers; /* received octets that are held where the kernel put them */
    uint64_t tls;             /* handshake, keys, plaintext that is held, records to be sent */
    uint64_t total;           /* of all above but `windows` */
    /* Once for all sessions of a thread (or for a session that stands alone), not in total: where
     * header lists are decoded to, and spare memory; of a connection also the loop with all its
     * receive buffers, and spare memory of TLS. */
    uint64_t shared;
};
/* Computes that for sessions with these options. Returns 0, or HALO_E_INVALID_ARGUMENT. */
HALO_API int halo_session_memory_bound(const struct halo_session_options *options,
                                       struct halo_memory_bound *bound);
/* Frames by type: RFC 9113's ten, 0xa ALTSVC, 0xc ORIGIN, and all others in the last. */
enum { HALO_FRAME_COUNTS = 14 };
/* Error codes 0x0 ... 0xd, and all others in the last. */
enum { HALO_CODE_COUNTS = 15 };

/* What the session did in its life, valid at any time, in SESSION_CLOSED too. Node: the
 * PerformanceEntry "Http2Session". */
struct halo_session_stats {
    uint32_t type; /* enum halo_role */
    uint64_t start_ns;
    uint64_t duration_ns; /* until now, or the end */
    uint64_t bytes_read;
    uint64_t bytes_written;
    uint64_t frames_received;
    uint64_t frames_sent;
    uint64_t frames_received_by_type[HALO_FRAME_COUNTS];
    uint64_t frames_sent_by_type[HALO_FRAME_COUNTS];
    uint32_t max_concurrent_streams; /* most at once */
    uint64_t stream_count;
    uint64_t stream_average_duration_ns; /* of those that have ended */
    int64_t ping_rtt_ns;                 /* of the latest PING that was answered; -1: none */
    /* RST_STREAM by error code. */
    uint64_t resets_received[HALO_CODE_COUNTS];
    uint64_t resets_sent[HALO_CODE_COUNTS];
};
HALO_API void halo_session_get_stats(const halo_session *session, struct halo_session_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
