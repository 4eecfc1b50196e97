/*
 * HTTP/1.1 for peers without HTTP/2 (RFC 9112): a translator between the octets of HTTP/1.1 and the
 * frames of a session of the server's role, whose peer it plays. Streams, calls and callbacks are
 * those of the session, so an application sees no difference but the version.
 *
 *     octets -> section (head, trailers) -> request -> HEADERS --\
 *            -> body framing -------------------------> DATA ----> session -> callbacks
 *     octets <- out <- response <- HEADERS, DATA, RST_STREAM ... <- session
 *
 *   http1.c           the machine: one exchange after the other, errors, deadlines
 *   http1_input.c     what the client sends, from the octets that wait to the request
 *   http1_section.c   gathers a head or a trailer section and checks every octet of it
 *   http1_request.c   what a head means; fields as HTTP/2 has them
 *   http1_confirm.c   llhttp's opinion of the same octets: it must be ours
 *   http1_body.c      where a body begins and ends
 *   http1_frames.c    frames for the session
 *   http1_output.c    frames of the session
 *   http1_response.c  responses as HTTP/1.1 has them
 *   http1_status.c    status lines, and responses that no application made
 *   http1_conn.c      the machine as the protocol of a connection; which protocol is it?
 *
 * The machine does no I/O and reads no clock. User code runs in `dispatch` alone.
 */
#ifndef HALO_SERVER_HTTP1_H
#define HALO_SERVER_HTTP1_H

#include "core/proto/session.h"

/* ---- limits ---------------------------------------------------------------------------- */

enum {
    /* Empty lines in front of a request line (RFC 9112 2.2: at least one). */
    HTTP1_EMPTY_LINES = 2,
    /* Method, blanks and version around a request target. */
    HTTP1_REQUEST_LINE_EXTRA = 64,
    /* The size of a chunk in hexadecimal digits: more than any body has. */
    HTTP1_CHUNK_DIGITS = 15,
    /* Chunk extensions of one body, which nobody reads (Node: 16 KiB). */
    HTTP1_CHUNK_EXTENSIONS = 16 * 1024,
    /* Input that came while the connection was being told to stop: some rings of buffers. */
    HTTP1_INPUT_MAX = 16 * 1024 * 1024,
    /* Octets of responses that wait; beyond, the session is not asked for more. */
    HTTP1_OUT_MAX = 128 * 1024,
    /* The last stream identifiers are kept free: the connection is closed in time. */
    HTTP1_LAST_STREAM = LIMIT_STREAM_ID_MAX - 16,
    /* How much of what the session sends is credited at once. Its output is held back by not
     * asking for it, so windows are wide open. */
    HTTP1_CREDIT_STEP = 1 << 30,
    /* PINGs of the application that wait for our answer. */
    HTTP1_PINGS = LIMIT_OUTSTANDING_PINGS + 1,
};

/* ---- a head or a trailer section (http1_section.c) ------------------------------------- */

enum section_state {
    SECTION_BEFORE, /* in front of the request line */
    SECTION_BEFORE_LF,
    SECTION_REQUEST_LINE,
    SECTION_LF,   /* of any line but the last */
    SECTION_LINE, /* at the beginning of a field, or of the empty line */
    SECTION_NAME,
    SECTION_VALUE,
    SECTION_END_LF,
    SECTION_COMPLETE,
};

/* The octets of a section, from the first of the request line (trailers: of the first field) to
 * the LF of the empty line. */
struct http1_section {
    uint8_t *octets;
    uint32_t len;
    uint32_t cap;
    uint32_t request_line; /* its length with CRLF */
    uint32_t fields;       /* lines that are fields */
    uint32_t line_start;
    uint8_t state; /* enum section_state */
    uint8_t empty_lines;
    bool trailers;
};

/* What a section may hold. */
struct http1_section_limits {
    uint32_t request_line;
    uint32_t octets; /* of all fields */
    uint32_t fields;
};

/* Results of parts that read: go on, done, or the status of an error response. */
enum {
    HTTP1_MORE = 0,
    HTTP1_COMPLETE = 1,
    HTTP1_NO_MEMORY = 2,
};

void http1_section_begin(struct http1_section *section, bool trailers);
/* Takes octets up to the end of the section. *taken: how many. Returns HTTP1_MORE, HTTP1_COMPLETE,
 * HTTP1_NO_MEMORY, or 400, 414, 431. */
int http1_section_take(struct http1_section *section, struct memory *memory,
                       const struct http1_section_limits *limits, const uint8_t *data, size_t len,
                       size_t *taken);
/* The field lines as names (as they came) and values without the blanks around them; fields[]
 * holds section->fields of them. */
void http1_section_fields(const struct http1_section *section, halo_header *fields);
void http1_section_free(struct http1_section *section, struct memory *memory);

/* A character of a token (RFC 9110 5.6.2)? */
bool http1_is_token(uint8_t octet);

/* ---- a request (http1_request.c) ------------------------------------------------------- */

enum body_kind {
    BODY_NONE,
    BODY_LENGTH,
    BODY_CHUNKED,
};

struct http1_request {
    uint8_t minor;     /* HTTP/1.minor */
    uint8_t body;      /* enum body_kind */
    bool head;         /* the method is HEAD */
    bool keep_alive;   /* the client wants the connection to stay */
    bool expects;      /* expect: 100-continue */
    uint64_t length;   /* BODY_LENGTH */
    halo_header *list; /* as HTTP/2 has it; the memory is the caller's */
    size_t count;
};

enum { HTTP1_PSEUDO_FIELDS = 4 };

/* Reads a complete head. `list` has room for section->fields + HTTP1_PSEUDO_FIELDS, and `fields`
 * for section->fields; names are put in lower case where they lie. `authority` is for HTTP/1.0
 * requests without Host. Returns 0 or the status of the error response; *reason says why. */
int http1_request_read(struct http1_section *section, halo_header *fields, halo_header *list,
                       bool secure, halo_bytes authority, struct http1_request *request,
                       const char **reason);
/* The same for trailers: list[] gets section->fields. */
int http1_trailers_read(struct http1_section *section, halo_header *list, const char **reason);

/* ---- llhttp (http1_confirm.c) ---------------------------------------------------------- */

/* Does llhttp take the section, and find in it what we found? `request` NULL: trailers. */
bool http1_confirm(const struct http1_section *section, const halo_header *fields,
                   const struct http1_request *request);

/* ---- a body (http1_body.c) ------------------------------------------------------------- */

enum body_state {
    BODY_DATA, /* `left` octets */
    BODY_DATA_CR,
    BODY_DATA_LF,
    BODY_SIZE, /* of a chunk */
    BODY_EXTENSION,
    BODY_SIZE_LF,
    BODY_END, /* behind the last octet, or the line of the last chunk: trailers follow */
};

struct http1_body {
    uint64_t left;
    uint32_t extensions; /* octets of chunk extensions so far */
    uint8_t kind;        /* enum body_kind */
    uint8_t state;       /* enum body_state */
    uint8_t digits;
};

void http1_body_begin(struct http1_body *body, const struct http1_request *request);
/* Takes framing in front of the next octets of content, which the caller takes from `left`. */
int http1_body_take(struct http1_body *body, const uint8_t *data, size_t len, size_t *taken);
/* The caller took octets of content. */
void http1_body_took(struct http1_body *body, size_t len);

/* ---- the machine ----------------------------------------------------------------------- */

enum http1_state {
    HTTP1_HEAD,
    HTTP1_BODY,
    HTTP1_TRAILERS,
    HTTP1_ANSWER, /* the request is complete; its answer is not */
    HTTP1_DONE,   /* nothing more is read */
};

/* How the body of a response is sent. */
enum response_framing {
    RESPONSE_NO_BODY,
    RESPONSE_LENGTH,
    RESPONSE_CHUNKED,
    RESPONSE_UNTIL_CLOSE,
};

struct http1_input {
    struct http1_input *next;
    halo_slice slice;
    size_t at;
};

/* One request and its response. */
struct http1_exchange {
    uint32_t stream_id; /* 0: not opened yet */
    uint8_t minor;
    uint8_t framing; /* enum response_framing */
    bool head;       /* the method is HEAD */
    bool keep_alive; /* the connection stays */
    bool expects;    /* the client waits for 100 */
    bool answered;   /* the final head was written */
    bool complete;   /* the whole response was */
    uint64_t left;   /* RESPONSE_LENGTH */
    uint64_t credit; /* octets of DATA that no WINDOW_UPDATE was sent for */
};

/* Reads the frames of the session. */
struct http1_frames {
    uint8_t head[FRAME_HEADER_LEN];
    uint8_t gathered;
    uint8_t type;
    uint8_t flags;
    bool in_payload;
    bool padded; /* the pad length is still to come */
    uint8_t small_len;
    uint8_t small[8]; /* payload of RST_STREAM, PING */
    uint32_t left;    /* payload octets to come, without padding */
    uint32_t padding;
    uint32_t stream_id;
    uint8_t *block; /* a header block */
    uint32_t block_len;
    uint32_t block_cap;
    bool block_ends_stream;
};

struct http1 {
    struct memory *memory;
    struct halo_session *session;
    /* Polls the session until it has nothing more to tell. */
    void (*dispatch)(struct http1 *http1);
    /* Our own address as text, for HTTP/1.0 requests without Host. */
    void (*local_authority)(struct http1 *http1, char *text, size_t size);
    void *driver;
    uint64_t now_ns;

    uint8_t state; /* enum http1_state */
    bool secure;
    bool input_ended; /* no more octets will come */
    bool muted;       /* what the session says is of no interest any more */
    bool reset;       /* the stream was reset */
    uint32_t reset_code;
    uint32_t last_id;     /* of the latest request */
    const char **version; /* where its version is to be told; NULL: nowhere */

    struct http1_input *input;
    struct http1_input **input_last;
    size_t input_octets;
    uint32_t input_slices;

    struct http1_section section;
    struct http1_body body;
    struct http1_exchange exchange;
    struct hpack_encoder encoder;
    struct hpack_decoder decoder;
    struct http1_frames frames;

    /* Frames that are owed to the session. */
    uint32_t settings_owed;
    uint32_t pings_owed;
    uint8_t pings[HTTP1_PINGS][8];
    uint64_t credit; /* of the connection */

    struct output out;
    struct stall stall;
    uint64_t octets_sent;
    uint64_t section_deadline_ns; /* of the head or the trailers that have begun; else UINT64_MAX */
    uint64_t rest_deadline_ns;    /* of the rest of a request that was answered */
};

/* Starts the exchange of frames: both sides' SETTINGS are through when it returns. */
int http1_init(struct http1 *http1, struct halo_session *session);
void http1_fini(struct http1 *http1);

/* Octets of the peer; the slice is taken. */
void http1_receive(struct http1 *http1, halo_slice *slice);
/* The peer sends no more, but may read on. */
void http1_receive_end(struct http1 *http1);
/* The connection is lost (NULL: was closed). */
void http1_lost(struct http1 *http1, const struct halo_error *error);
/* No new requests: the session is going away. */
bool http1_is_draining(const struct http1 *http1);
/* Goes on with whatever can go on; to be called after events of the session, too. */
void http1_advance(struct http1 *http1);
int http1_pull(struct http1 *http1, struct iovec *iov, int max, size_t limit);
void http1_sent(struct http1 *http1, size_t len);
bool http1_wants_receive(const struct http1 *http1);
uint64_t http1_next_timeout(const struct http1 *http1);
/* Returns whether the peer has not read for too long: the connection is to be aborted. */
bool http1_tick(struct http1 *http1);

/* Answers with an error and ends the session. `status` 0: without a response. */
void http1_fail(struct http1 *http1, int status, const char *reason);
/* The same for the result of a part that reads; memory may be what is short. */
void http1_fail_with(struct http1 *http1, int result, const char *reason);
void http1_out_of_memory(struct http1 *http1);
/* Ends the session in order. */
void http1_finish(struct http1 *http1);

/* The time that is so long from now; UINT64_MAX, which never comes, for 0. */
static inline uint64_t http1_after_ms(const struct http1 *http1, uint32_t ms)
{
    return ms == 0 ? UINT64_MAX : http1->now_ns + (uint64_t)ms * 1000000u;
}

/* ---- http1_input.c --------------------------------------------------------------------- */

/* Puts the slice, which is taken, behind the others. Returns false when memory is short. */
bool http1_put_input(struct http1 *http1, halo_slice *slice);
void http1_drop_input(struct http1 *http1);
/* Forgets the exchange: what comes next is a request line. */
void http1_begin_head(struct http1 *http1);
/* Takes the next piece of what has come. Returns whether there may be more to do. */
bool http1_step(struct http1 *http1);

/* ---- http1_frames.c -------------------------------------------------------------------- */

/* Hands a request to the session: HEADERS and CONTINUATION. Returns 0, HTTP1_NO_MEMORY, or 431. */
int http1_feed_headers(struct http1 *http1, const halo_header *fields, size_t count, bool end);
/* Content: a slice, which is taken; at most one frame's worth. */
void http1_feed_data(struct http1 *http1, halo_slice *slice, bool end);
/* What the session may be sent of content now. */
size_t http1_window(const struct http1 *http1);
void http1_feed_opening(struct http1 *http1);
/* Acknowledgements and credit that are owed. */
void http1_feed_owed(struct http1 *http1);

/* ---- http1_output.c, http1_response.c, http1_status.c ---------------------------------- */

/* Reads what the session has to send, and translates it. */
void http1_read_output(struct http1 *http1, size_t limit);
void http1_frames_free(struct http1 *http1);

/* A header block of the current stream. */
void http1_write_headers(struct http1 *http1, const halo_header *fields, size_t count, bool end);
void http1_write_data(struct http1 *http1, const uint8_t *data, size_t len);
void http1_write_end(struct http1 *http1);
void http1_write_continue(struct http1 *http1);

void http1_write_status_line(struct output *out, int status);
/* A whole response without content, behind which the connection is closed. */
void http1_write_error(struct output *out, int status);

/* ---- http1_conn.c ---------------------------------------------------------------------- */

struct conn;

/* Gives the connection its session, which is taken, and HTTP/1.1, or with `sniff` the protocol that
 * the first octets are of. `ready` is called when it is known, before anything else is told.
 * Returns 0 or HALO_E_NOMEM; then the session is freed. */
int http1_conn_start(struct conn *conn, struct halo_session *session, bool sniff,
                     void (*ready)(struct conn *conn));

#endif
