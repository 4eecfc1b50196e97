/*
 * Every limit of the protocol engine, with its reason. Options can change those that have a member
 * in struct halo_limits or halo_session_options; the others are properties of the design.
 *
 * A soft limit fails one request, a hard one closes the connection with ENHANCE_YOUR_CALM unless
 * the RFC names another code. No limit is refreshed by a frame that makes no progress.
 */
#ifndef HALO_CORE_PROTO_LIMITS_H
#define HALO_CORE_PROTO_LIMITS_H

/* ---- what the RFC fixes ---------------------------------------------------------------- */

#define LIMIT_WINDOW_MAX     0x7fffffff  /* RFC 9113 6.9.1 */
#define LIMIT_WINDOW_DEFAULT 65535       /* RFC 9113 6.9.2 */
#define LIMIT_FRAME_SIZE_MIN 16384       /* RFC 9113 6.5.2 */
#define LIMIT_FRAME_SIZE_MAX 16777215    /* RFC 9113 6.5.2 */
#define LIMIT_STREAM_ID_MAX  0x7fffffffu /* RFC 9113 5.1.1 */

/* ---- what a peer may open -------------------------------------------------------------- */

/* (Streams of a connection: as many as there are numbers, 2^30; the last one brings GOAWAY.) */
/* Streams at once that our server allows: nginx and Jetty say 128, most others 100. Enforced from
 * the first frame on, whether or not our SETTINGS were acknowledged. */
#define LIMIT_CONCURRENT_STREAMS 128
/* Streams refused before the connection is closed; each completed stream gives one back. A peer
 * that never read our SETTINGS gets 128 chances. */
#define LIMIT_REFUSED_STREAMS 128
/* Streams a client assumes to be allowed before the server's SETTINGS (Go and Node: 100). */
#define LIMIT_PEER_STREAMS_ASSUMED 100
/* Requests of our own that may wait for a place. Each holds a stream and a copy of its fields. */
#define LIMIT_REQUESTS_QUEUED 4096
/* Streams that a server promised and has not begun to answer (Node, nghttp2: 200). They do not count
 * as concurrent streams (RFC 9113 5.1.2), so they need a limit of their own. */
#define LIMIT_RESERVED_STREAMS 200
/* Our own resets that are remembered, so that frames already under way are ignored and not taken
 * for errors. A client that cancels a thousand downloads at once is honest. */
#define LIMIT_RESETS_REMEMBERED 1024

/* ---- header blocks --------------------------------------------------------------------- */

/* Decoded list, as RFC 9113 6.5.2 counts it: 32 KiB of text (nginx, Kestrel, Traffic Server) and
 * the 32 octets of 128 fields. Twice that is hostile. */
#define LIMIT_HEADER_LIST_SIZE        36864
#define LIMIT_HEADER_LIST_SIZE_CLIENT 65536 /* servers send more: Set-Cookie, content policies */
#define LIMIT_HEADER_HARD_FACTOR      2
/* Fields: browsers send 20 to 40; Node, Envoy, Apache and h2o stop at 100 to 128. Cookies come in
 * crumbs (RFC 9113 8.2.3) and get a number of their own. 1024 is hostile: a field that costs the
 * peer one octet costs us forty. */
#define LIMIT_HEADER_FIELDS        128
#define LIMIT_HEADER_FIELDS_CLIENT 256
#define LIMIT_COOKIE_CRUMBS        256
#define LIMIT_HEADER_FIELDS_HARD   1024
/* One name or value: twice what nginx, Apache and Varnish allow, half of Traffic Server. Names have
 * no shorter limit: an octet of a name costs what one of a value does, and both count in the list. */
#define LIMIT_HEADER_STRING 16384 /* the value of a cookie: the whole list */
/* Encoded block: more than any list within the limits above needs. */
#define LIMIT_HEADER_BLOCK 65536
/* CONTINUATION frames of one block (nghttp2: 8): the block limit fits in five full ones. */
#define LIMIT_CONTINUATION_FRAMES 8
/* Empty ones among them have no use at all. */
#define LIMIT_CONTINUATION_EMPTY 2
/* 1xx of one stream. No limit of their octets in all: each keeps to the limits of lists, and is
 * gone before the next is decoded. */
#define LIMIT_INFORMATION_RESPONSES 16
/* Trailers: a handful of checksums and status fields. No limit of their octets (Tomcat: 8 KiB) but
 * that of lists: the details of a gRPC error come here, and may be longer. */
#define LIMIT_TRAILER_FIELDS 32
/* Dynamic tables (all peers: 4096). A peer that offers our encoder more does not get it. */
#define LIMIT_DECODER_TABLE     4096
#define LIMIT_DECODER_TABLE_MAX (1024 * 1024)
#define LIMIT_ENCODER_TABLE     4096
/* Plain fields of a response up to which it is looked for what is the same as in the last one. */
#define LIMIT_SHORT_WAY 16
/* A block that we send. */
#define LIMIT_SEND_BLOCK 65536

/* ---- frames ---------------------------------------------------------------------------- */

/* Entries of one SETTINGS frame (nghttp2, Node: 32). */
#define LIMIT_SETTINGS_ENTRIES 32
/* Control frames other than header blocks are gathered whole; longer ones carry nothing we keep. */
#define LIMIT_CONTROL_PAYLOAD 16384
/* Answers that wait to be sent before we stop reading, and before we give up: a peer that makes us
 * answer but does not read gets TCP's back-pressure. */
#define LIMIT_QUEUED_REPLIES      64
#define LIMIT_QUEUED_REPLIES_HARD 1000
#define LIMIT_OUTSTANDING_PINGS   10
/* Frames of types that the application asked for are gathered whole, too. */
#define LIMIT_EXTENSION_PAYLOAD 16384
/* Origins of a server (RFC 8336): one frame's worth of text, more of them than a certificate
 * names. */
#define LIMIT_ORIGINS          128
#define LIMIT_ORIGIN_OCTETS    16384
#define LIMIT_PENDING_SETTINGS 10

/* ---- rates: tokens in a burst, refill a second ----------------------------------------- */

/* RST_STREAM of the peer: one back for each completed response, so that cancelling clients never
 * see it. A server's resets count only on streams that are gone: each of the others ends a request
 * that we made (nghttp2 limits clients only, too). */
#define LIMIT_RESETS 256
/* A map that is dragged cancels most of its images, page after page (nghttp2, Node: 33). */
#define LIMIT_RESETS_PER_SECOND 33
/* Stream errors that the peer provokes; no refill but by completed streams. Apache stops at 8,
 * lighttpd at 5. */
#define LIMIT_FAULTS 64
/* ... over the session's life, whatever was completed meanwhile (Node: 1000). */
#define LIMIT_INVALID_FRAMES 1000
/* Each DATA frame that we sent gives one back: receivers that measure their bandwidth send a PING a
 * round trip while a body comes (gRPC for Go and Java: up to 1000 a second). gRPC's own rule counts
 * only PINGs without DATA between them. */
#define LIMIT_PINGS               200
#define LIMIT_PINGS_PER_SECOND    10
#define LIMIT_SETTINGS            20
#define LIMIT_SETTINGS_PER_SECOND 1
/* Frames without use: unknown types, repeated GOAWAY, ALTSVC and ORIGIN. Each stream gives one back:
 * Chrome may send a frame of a reserved type with each request. There is no graceful step before
 * the end (HAProxy at 75 %): with this refill nobody comes near who does not mean to. */
#define LIMIT_GLITCHES            1000
#define LIMIT_GLITCHES_PER_SECOND 33
/* PRIORITY frames (RFC 7540), which change nothing here: Firefox sends six for its groups, and some
 * per stream. PRIORITY_UPDATE frames: browsers send one when an image comes into sight. Each stream
 * gives so many back. */
#define LIMIT_PRIORITIES                  256
#define LIMIT_PRIORITIES_PER_STREAM       16
#define LIMIT_PRIORITY_UPDATES            256
#define LIMIT_PRIORITY_UPDATES_PER_STREAM 4
#define LIMIT_PRIORITY_REFILL_PER_SECOND  1
/* PRIORITY_UPDATE frames kept for streams that have not come yet; the oldest goes. */
#define LIMIT_PRIORITY_UPDATES_KEPT 16
/* WINDOW_UPDATE frames beyond 5 + 2 x (streams + 10 x DATA frames sent) + this (Envoy's
 * formula). */
#define LIMIT_WINDOW_UPDATES_SLACK 256
/* Empty DATA frames without END_STREAM over the connection's life, given back by completed
 * streams. No number of consecutive ones (Envoy 1, Netty 2): applications flush with them. */
#define LIMIT_EMPTY_FRAMES 100

/* ---- what Node documents, where it differs from halo or may come to ----------------------- */

#define NODE_HEADER_LIST_SIZE  65535
#define NODE_HEADER_LIST_PAIRS 128
#define NODE_SETTINGS          32
#define NODE_OUTSTANDING_PINGS 10
#define NODE_SEND_BLOCK        65536
#define NODE_INVALID_FRAMES    1000
#define NODE_REJECTED_STREAMS  100
#define NODE_RESET_BURST       1000
#define NODE_RESET_RATE        33
#define NODE_PEER_STREAMS      100
#define NODE_SESSION_MEMORY    10000000
#define NODE_RESERVED_STREAMS  200

/* ---- flow control ---------------------------------------------------------------------- */

#define LIMIT_STREAM_WINDOW 65535
/* Several uploads at once must not wait for each other's credit. */
#define LIMIT_CONNECTION_WINDOW (1024 * 1024)
/* Windows that are used up within a round trip grow to this: 84 Mbit/s for one stream at 100 ms, 335
 * for a connection. A quarter of the connection's for a stream: one that is not read
 * leaves three quarters to the others. */
#define LIMIT_STREAM_WINDOW_MAX     (1024 * 1024)
#define LIMIT_CONNECTION_WINDOW_MAX (4 * 1024 * 1024)
/* A step: 64 KiB to 1 MiB in two round trips, to 16 MiB in four. TCP itself doubles in one. */
#define LIMIT_WINDOW_GROWTH 4
/* WINDOW_UPDATE is sent when half the window was given back: a peer that is waiting gets on, and
 * two small frames a window cost nothing. */
#define LIMIT_WINDOW_UPDATE_PERCENT 50
/* ... or so much of a large one: half of 1 MiB at 100 ms and 1 Gbit/s would cost 4 % of the rate,
 * and windows would have to be twice as large as what is on the way. */
#define LIMIT_WINDOW_UPDATE_OCTETS (256 * 1024)
/* A round trip is measured anew when the last measurement is older than this, and only for a window
 * that could grow: at most six PINGs a minute, each behind DATA of the peer (Traffic Server allows
 * 60; gRPC counts those that no DATA came before). */
#define LIMIT_ROUND_TRIP_FRESH_MS 10000
/* Slices shorter than this are charged as this much when held: bookkeeping costs, too. */
#define LIMIT_HELD_CHARGE_MIN 256
/* (No budget of small DATA beside that: what is charged counts against the session's memory, and
 * short pieces of a paused stream are gathered in place.) */

/* ---- memory of a session --------------------------------------------------------------- */

/* What a session holds beside the octets that its windows let the peer send: kept header lists,
 * the cost of small slices, half empty chunks. Honest sessions hold some ten KiB; 128 requests at
 * the limits of header lists are 5 MiB. Above the first new streams are refused, above the second
 * the connection ends. Node: maxSessionMemory, 10 MB. */
#define LIMIT_MEMORY_SOFT (1024 * 1024)
#define LIMIT_MEMORY_HARD (4 * 1024 * 1024)

/* ---- output ---------------------------------------------------------------------------- */

/* DATA up to this is copied next to its frame header: cheaper than one more piece in the send. */
#define LIMIT_DATA_INLINE 1024
/* Built and not yet sent: beyond, nothing more is built (h2o aims at 80 KiB). Late building keeps
 * priorities effective. */
#define LIMIT_OUTPUT_SOFT (256 * 1024)
/* Do not dribble: DATA shorter than this is held back while the window is the only reason, but not
 * longer than LIMIT_DATA_HOLD_MS. A peer whose windows are smaller by its SETTINGS gets what they
 * hold, down to LIMIT_DATA_MIN_SMALL: with windows of an octet it would be all frame headers. */
#define LIMIT_DATA_MIN         1024
#define LIMIT_DATA_MIN_SMALL   64
#define LIMIT_STREAM_LOW_WATER 65536

/* ---- time, in milliseconds ------------------------------------------------------------- */

/* The session does not know when the TLS handshake was over: half of this would do behind one. */
#define LIMIT_PREFACE_MS      10000
#define LIMIT_SETTINGS_ACK_MS 10000
#define LIMIT_HEADER_BLOCK_MS 10000
/* Also until the first request: browsers connect ahead, and a shorter time for those only makes
 * them connect twice. */
#define LIMIT_IDLE_MS      60000
#define LIMIT_STALL_MS     30000
#define LIMIT_GOAWAY_MS    1000
#define LIMIT_DRAIN_MS     30000
#define LIMIT_DATA_HOLD_MS 1000
/* Octets a second that a peer must take for its window not to count as stalled (Kestrel: 240). An
 * octet now and then would hold a response for hours. */
#define LIMIT_STALL_RATE 240
/* A request that is not answered yet must bring so many octets of its body a second (Kestrel: 240),
 * looked at after so long. */
#define LIMIT_BODY_RATE 240
#define LIMIT_BODY_MS   30000

#endif
