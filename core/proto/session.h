/*
 * The session's private face: what the files session_*.c share. The public one is <halo/session.h>.
 *
 *   session.c          making, options, freeing, getters
 *   session_fault.c    the one sink of faults; closing of streams and of the session
 *   session_recv.c     octets in: preface, frame headers, gathering, the order of events
 *   session_frames.c   one handler per frame type
 *   session_block.c    header blocks: HEADERS + CONTINUATION, HPACK, what a list means
 *   session_headers.c  calls that send responses and trailers
 *   session_request.c  calls that send requests, and those that wait
 *   session_body.c     calls that send bodies
 *   session_receive.c  received bodies handed out, held
 *   session_window.c   receive windows: credit, growth, the round trip
 *   session_memory.c   what the session holds, and its budget
 *   session_output.c   pull and sent: DATA by the scheduler, late
 *   session_progress.c request bodies that do not come
 *   session_waiting.c  requests while the server allows no streams
 *   session_schedule.c whose turn it is; what waits for windows, and for how long
 *   session_priority.c priorities: fields, frames
 *   session_settings.c SETTINGS, ours and the peer's
 *   session_control.c  PING, GOAWAY, graceful end, deadlines
 *   session_push.c, session_extension.c, session_origin.c: see session_extension.h
 *   session_options.c  Node's defaults, minima, switches
 *   session_timers.c   silence of the session and of streams that is to be told
 *   session_stats.c    what the session and its streams did
 *   session_sent.c     blocks that were sent, for who wants them kept
 *
 * One rule keeps it simple: nothing in here calls user code except done callbacks of borrowed
 * memory and sources, both from the output side, and the frame trace.
 */
#ifndef HALO_CORE_PROTO_SESSION_H
#define HALO_CORE_PROTO_SESSION_H

#include <halo/session.h>

#include "core/base/header.h"
#include "core/proto/abuse.h"
#include "core/proto/fault.h"
#include "core/proto/flow.h"
#include "core/proto/frame.h"
#include "core/proto/message.h"
#include "core/proto/output.h"
#include "core/proto/priority.h"
#include "core/proto/stream.h"
#include "hpack/hpack.h"

/* What all sessions of one thread share: memory, slabs, and the place where header blocks are
 * decoded to, which is only used between two polls. */
struct proto_env {
    struct memory *memory;
    struct slab streams;
    struct slab blocks;
    struct hpack_list list;
    /* Whose repeated block the list holds; NULL: something else. */
    const struct halo_session *list_of;
};

int proto_env_init(struct proto_env *env, struct memory *memory);
void proto_env_fini(struct proto_env *env);

/* Where the reader of input stands. */
enum read_mode {
    READ_PREFACE, /* server: the 24 octets of the client's preface */
    READ_FRAME_HEADER,
    READ_PAYLOAD,    /* gathering a payload that came in pieces */
    READ_PAD_LENGTH, /* the first octet of a padded DATA frame */
    READ_DATA,
    READ_SKIP, /* padding, frames that are ignored */
};

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    halo_slice slice; /* keeps at ... end alive when it has an owner */
    uint64_t bytes_received;
    struct frame frame;
    uint32_t left;     /* payload octets of `frame` not yet read */
    uint32_t padding;  /* of a DATA frame, still to be skipped after its data */
    uint32_t gathered; /* octets of the preface, the frame header, or the payload at hand */
    uint8_t mode;
    bool stop;                       /* the input's end was told */
    struct halo_stream *data_stream; /* READ_DATA: who gets it */
    uint8_t *payload;                /* READ_PAYLOAD: memory of payload_size octets */
    uint32_t payload_size;
    uint8_t head[PREFACE_LEN];
};

/* A header block that has not ended: HEADERS or CONTINUATION without END_HEADERS (RFC 9113 4.3). */
struct open_block {
    uint32_t stream_id;   /* 0: none is open */
    uint32_t promised_id; /* of PUSH_PROMISE; 0: HEADERS */
    uint8_t flags;        /* END_STREAM of its HEADERS */
    uint32_t continuations;
    uint32_t empty_continuations;
    uint8_t *octets;
    uint32_t len;
    uint32_t cap;
    uint64_t deadline_ns;
};

/* The latest request, when its block was short and of indexed fields only. The same octets mean the
 * same fields as long as the table has not changed: what was checked then need not be again. */
struct repeated_block {
    uint8_t octets[16];
    uint8_t len; /* 0: none */
    uint32_t inserted;
    uint32_t entries;
    struct message message;
};

/* What the event polled last lent to the user; settled by the next poll. */
enum lent {
    LENT_NOTHING,
    LENT_LIST,         /* the stream's opening list: copied when the stream lives on */
    LENT_PASSING_LIST, /* 1xx, trailers: gone with the next poll */
    LENT_DATA,         /* octets of the input: credited */
    LENT_HELD,         /* octets gathered while paused */
    LENT_STREAM,       /* a closed stream: freed */
};

enum session_state {
    SESSION_OPEN,
    SESSION_DRAINING, /* graceful: no new streams, open ones finish */
    SESSION_ENDING,   /* the end is decided; streams are being told */
    SESSION_OVER,     /* SESSION_CLOSED was told */
};

/* Settings of ours on their way, in the order of their ACKs. */
struct pending_settings {
    struct halo_settings settings;
    uint64_t deadline_ns;
    uint64_t sent_ns;
    bool asked; /* by the application, who is told when the ACK does not come */
    struct pending_settings *next;
};

/* Receive windows that grow (session_window.c). */
struct window_tuning {
    uint32_t stream_max; /* 0: fixed */
    uint32_t connection_max;
    uint32_t connection_start;
    uint32_t percent;       /* of a window that is worth a WINDOW_UPDATE */
    uint64_t early_updates; /* sent for less than half a window */
    uint64_t round_trip_ns; /* 0: not known */
    uint64_t measured_ns;
    uint64_t ping_sent_ns;
    bool measured; /* by a PING, at measured_ns */
    bool ping_out; /* a PING of halo's own is unanswered */
    uint8_t ping_number;
};

/* What the peer makes the session hold (session_memory.c). */
struct session_memory {
    uint64_t bodies;   /* octets of received bodies that are held, each within a window */
    uint64_t overhead; /* what is held beside them */
    uint32_t soft;     /* of overhead and output */
    uint32_t hard;     /* of overhead */
    bool pressed;      /* so much is held that windows act as at their start */
};

/* Streams with a timeout, a heap by the earliest moment they can be due (session_timers.c). */
struct stream_timer {
    uint64_t due_ns;
    struct halo_stream *stream;
};

struct stream_timers {
    struct stream_timer *heap;
    uint32_t count;
    uint32_t cap;
};

/* RST_STREAM by code. */
struct reset_counts {
    uint64_t received[HALO_CODE_COUNTS];
    uint64_t sent[HALO_CODE_COUNTS];
};

/* What is to be told about the session itself. */
enum own_note {
    OWN_NOTE_TIMEOUT = 1u << 0,
};

struct halo_session {
    struct proto_env *env;
    struct reader reader;
    struct hpack_decoder decoder;
    struct hpack_encoder encoder;
    struct output output;
    struct stream_store store;

    uint8_t role;      /* enum halo_role */
    uint8_t state;     /* enum session_state */
    uint8_t lent;      /* enum lent */
    bool lent_kept;    /* halo_session_keep_data() made a slice of what is lent */
    bool credit_given; /* LENT_DATA: keep_data or manual credit took over */
    bool remote_settings_seen;
    bool goaway_sent_final;
    bool goaway_received;
    bool closing; /* halo_session_close() was called */
    bool manual_credit;
    bool recheck_blocked; /* windows grew, or time has come: blocked streams may go on */
    bool priority_events;
    bool push_wanted;    /* client: SETTINGS_ENABLE_PUSH as we sent it last */
    bool keep_requests;  /* client: what was requested is needed later, for pushes or for 421 */
    bool encrypted;      /* the octets travel over TLS: what the application says */
    uint8_t push_origin; /* enum halo_push_origin */
    /* Options that hardly anybody sets. */
    uint8_t padding; /* enum halo_padding */
    bool loose_whitespace;
    bool loose_single_value;
    bool keep_sent;
    uint8_t own_notes; /* enum own_note */
    uint8_t custom_count;
    uint16_t custom_ids[HALO_CUSTOM_SETTINGS_MAX];
    /* Fields up to which responses take the short way; -1 with padding or keep_sent. */
    int64_t short_way_max;

    uint64_t now_ns;
    void *user_data;

    /* Streams. */
    struct list_link streams;  /* all of them */
    struct list_link notify;   /* with something to tell */
    struct list_link own_note; /* in notify: own_notes are to be told */
    /* By urgency, something to send and window for it: one after the other, and in turns. */
    struct list_link ready[8];
    struct list_link turns[8];
    struct list_link blocked; /* something to send, no window of the stream */
    struct list_link waiting; /* client: requests without a number */
    struct list_link bodies;  /* server: those whose body is awaited */
    uint8_t ready_mask;       /* bit per urgency that may have ready streams */
    uint8_t turns_mask;       /* bit per urgency where one of `turns` goes next */
    uint32_t waiting_count;
    uint64_t no_streams_ns; /* client: when the server last began to allow no streams */
    uint32_t open_remote;   /* streams the peer opened, until their close was told */
    uint32_t open_local;
    uint32_t reserved_streams; /* pushed, without a response yet: count apart (5.1.2) */
    uint32_t reserved_max;
    uint32_t next_local_id;
    uint32_t last_remote_id; /* highest the peer used */
    uint32_t skipped_from;   /* the latest gap in its numbers: these it can never use */
    uint32_t skipped_to;
    uint32_t last_accepted_id; /* highest of those that reached the application */
    uint32_t goaway_local_id;  /* last id of the GOAWAY we sent; max: none */
    uint32_t goaway_remote_id; /* last id of the GOAWAY we got; max: none */
    struct reset_memory resets_sent;
    struct halo_stream *lent_stream;
    uint32_t lent_len;
    const uint8_t *lent_data;
    uint8_t *spent_payload; /* what the last event may point to: freed by settle */
    uint8_t *spent_block;
    struct list_link kept; /* slices of received data that the application holds */
    uint32_t kept_count;

    /* Windows of the connection. */
    struct receive_window receive;
    struct window_tuning tuning;
    struct session_memory memory;
    int64_t send_window;
    struct stall stall;        /* of send_window */
    uint64_t data_sent;        /* octets of DATA payload */
    uint64_t small_ns;         /* as that of a stream: since this window left room for no more */
    uint64_t hold_deadline_ns; /* when DATA that is held back goes out; UINT64_MAX: none is */
    struct window_clock window_clock;
    uint32_t socket_waiter;            /* the first in line, which the socket keeps; 0: none */
    struct list_link unsent;           /* streams with octets in the output, by their end */
    struct priority_state *priorities; /* NULL until something is to be kept */
    uint32_t headers_priority_id;      /* the HEADERS with a priority part that came last, */
    uint8_t headers_priority[5];       /* and that (RFC 7540) */

    /* Settings. */
    struct halo_settings local; /* acknowledged */
    struct halo_settings remote;
    struct halo_settings initial; /* what our first SETTINGS say; limits hold from the start */
    struct pending_settings *pending_first;
    struct pending_settings **pending_last;
    uint32_t pending_count;

    struct open_block block;
    struct repeated_block repeated;
    struct halo_limits limits;
    struct abuse abuse;
    uint32_t replies_queued; /* answers that were built and not all sent */
    uint64_t replies_end;    /* what octets_sent is when they are */
    uint64_t octets_sent;

    /* PINGs of ours, oldest first. */
    struct {
        uint8_t payload[8];
        uint64_t sent_ns;
    } pings[LIMIT_OUTSTANDING_PINGS];
    uint32_t pings_count;

    /* Deadlines; UINT64_MAX: none. */
    uint64_t preface_deadline_ns;
    uint64_t idle_deadline_ns;
    uint64_t goaway_deadline_ns; /* second step of the graceful end */
    uint64_t drain_deadline_ns;
    struct {
        uint32_t settings_ack_ms, header_block_ms, idle_ms, stall_ms, body_ms, goaway_ms, drain_ms;
    } timeouts;
    uint32_t stream_low_water;

    /* Silence that is to be told. */
    uint64_t activity_ns; /* octets came or went */
    uint64_t told_ns;     /* the activity whose silence was told */
    uint64_t timeout_ns;  /* 0: none */
    struct stream_timers timers;

    struct halo_error error; /* why the session ended; status 0: in order */

    uint64_t frames_received_by_type[HALO_FRAME_COUNTS];
    uint64_t frames_sent_by_type[HALO_FRAME_COUNTS];
    uint64_t streams_opened;
    uint64_t stream_time_ns; /* of those that have ended, added up */
    uint64_t start_ns;
    uint64_t end_ns;
    int64_t ping_rtt_ns; /* -1: none */
    uint32_t invalid_frames;
    struct reset_counts *resets; /* NULL: none yet */
    uint64_t copied_in;          /* body octets that halo copied, see docs/ARCHITECTURE.md */
    uint64_t copied_out;

    /* Called when the session has something to send or to tell that its driver does not know of:
     * the connection then pumps at the end of the batch. NULL for sessions that are driven by
     * hand. */
    void (*wake)(struct halo_session *session);
    void *driver; /* whose session it is (core/conn) */
    const struct halo_session_callbacks *callbacks;

    void (*on_frame)(struct halo_session *session, int sent, const char *line, void *user_data);

    struct session_extension *extension; /* NULL: none was asked for (session_extension.h) */

    struct memory *own_memory; /* of a session that stands alone */
};

/* A session whose memory is that of `env`: halo_session_new without a memory of its own. */
int session_new_in(struct halo_session **session, struct proto_env *env,
                   const struct halo_session_options *options, uint64_t now_ns);

static inline void session_wake(struct halo_session *session)
{
    if (session->wake != NULL) {
        session->wake(session);
    }
}

/* Something is to be told about the session itself. */
static inline void session_note(struct halo_session *session, uint8_t note)
{
    session->own_notes |= note;
    if (!list_linked(&session->own_note)) {
        list_push_back(&session->notify, &session->own_note);
        session_wake(session);
    }
}

/* Memory that the event at hand points to: freed by the next poll. */
static inline void session_spend(struct halo_session *session, void *memory)
{
    memory_free(session->env->memory, session->spent_payload);
    session->spent_payload = memory;
}

/* ---- session_options.c, session_timers.c, session_stats.c, session_sent.c -------------- */

int session_check_options(const struct halo_session_options *options);
void session_apply_options(struct halo_session *session,
                           const struct halo_session_options *options);

/* When the next silence may have to be told; UINT64_MAX: none. */
uint64_t session_silence_deadline(const struct halo_session *session);
void session_tell_silence(struct halo_session *session);
void stream_timer_remove(struct halo_stream *stream);

uint64_t session_frames_received(const struct halo_session *session);
uint64_t session_frames_sent(const struct halo_session *session);
void session_count_reset(struct halo_session *session, bool sent, uint32_t code);

static inline uint32_t frame_count_slot(uint8_t type)
{
    return min_u32(type, HALO_FRAME_COUNTS - 1);
}

/* Types are constants where frames are made, so this is one instruction. Whoever makes a frame
 * without frame_reserve() calls it. */
static inline void session_count_sent(struct halo_session *session, uint8_t type)
{
    session->frames_sent_by_type[frame_count_slot(type)]++;
}

enum sent_block {
    SENT_HEADERS,
    SENT_INFORMATION,
    SENT_TRAILERS,
};
/* Takes the list, NULL too. */
void stream_keep_sent(struct halo_stream *stream, enum sent_block kind, struct kept_list *list);
void stream_drop_sent(struct halo_stream *stream);

/* ---- session_fault.c ------------------------------------------------------------------- */

/* The sink: RST_STREAM and the stream's end, or GOAWAY and the session's. `stream_id` is that of
 * the frame (0: none), `stream` its stream when there is one. */
void session_fault(struct halo_session *session, const struct fault *fault, uint32_t stream_id,
                   struct halo_stream *stream);
/* Ends the session: every stream is told, then SESSION_CLOSED. `goaway` with error->code goes out
 * first. `error` status 0: in order. */
void session_end(struct halo_session *session, const struct halo_error *error, bool goaway);
/* Memory was out. */
void session_out_of_memory(struct halo_session *session);
/* A draining session without streams ends. */
void session_end_if_drained(struct halo_session *session);

struct halo_stream *stream_new(struct halo_session *session, bool local);
/* Takes back a stream of which nobody was told: it was never opened. What the caller has counted
 * (open and reserved streams, numbers of ours) the caller takes back. */
void stream_undo(struct halo_stream *stream);
/* The stream's end: drops its queues, remembers why, tells. */
void stream_close(struct halo_stream *stream, const struct halo_error *error);
/* Sends RST_STREAM (when the stream has a number and the peer needs it) and closes. */
void stream_reset(struct halo_stream *stream, uint32_t code, int status, uint8_t origin,
                  const char *reason);
/* Both halves are done: closes cleanly. */
void stream_close_if_done(struct halo_stream *stream);
/* A block that had waited for its turn cannot be sent: tells it and closes the stream. */
void stream_frame_error(struct halo_stream *stream, int status);
/* Frees a closed stream whose close was told. */
void stream_free(struct halo_stream *stream);
void stream_note(struct halo_stream *stream, uint8_t note);
/* Writes RST_STREAM and remembers it. */
void session_write_reset(struct halo_session *session, uint32_t stream_id, uint32_t code);

/* ---- session_recv.c, session_frames.c, session_block.c --------------------------------- */

const struct fault *session_frame(struct halo_session *session, const struct frame *frame,
                                  const uint8_t *payload, struct halo_event *event);
const struct fault *session_data_begin(struct halo_session *session);
const struct fault *session_headers_frame(struct halo_session *session, const struct frame *frame,
                                          const uint8_t *payload, struct halo_event *event);
const struct fault *session_continuation(struct halo_session *session, const struct frame *frame,
                                         const uint8_t *payload, struct halo_event *event);
void session_block_drop(struct halo_session *session);
/* A frame that is of no use takes from the budget for these. */
const struct fault *session_useless_frame(struct halo_session *session);
/* Decodes a whole header block into env->list. */
const struct fault *session_decode(struct halo_session *session, const uint8_t *block, size_t len);
/* A header block that begins and goes on in CONTINUATION frames. */
const struct fault *session_block_open(struct halo_session *session, const struct frame *frame,
                                       uint32_t promised_id, const uint8_t *fragment, uint32_t len);
/* Refuses a stream before anything was done for it: the peer may send it again (RFC 9113 8.7). */
const struct fault *session_refuse(struct halo_session *session);
/* What the application set as limits of messages it receives. */
struct message_limits session_message_limits(const struct halo_session *session);

enum stream_lookup {
    LOOKUP_FOUND,
    LOOKUP_IDLE,  /* never used */
    LOOKUP_RESET, /* we reset it a moment ago: what comes was under way */
    LOOKUP_CLOSED,
};
enum stream_lookup session_lookup(const struct halo_session *session, uint32_t stream_id,
                                  struct halo_stream **stream);
bool session_is_local_id(const struct halo_session *session, uint32_t stream_id);

/* ---- session_window.c ------------------------------------------------------------------ */

void session_window_init(struct halo_session *session, const struct halo_session_options *options);
/* Sets the size of the connection's window. */
void session_set_window(struct halo_session *session, uint32_t octets);
void stream_window_init(struct halo_stream *stream);
/* Our SETTINGS_INITIAL_WINDOW_SIZE holds. */
void session_resize_streams(struct halo_session *session, uint32_t size);
/* No stream's window would pass the maximum with this initial size (RFC 9113 6.9.2). */
bool session_windows_allow(const struct halo_session *session, uint32_t initial_window_size);
/* Octets of DATA are done with: credit to the connection and, while the peer may still send on it,
 * to the stream (NULL: gone). */
void session_credit(struct halo_session *session, struct halo_stream *stream, uint32_t len);
/* Less is held: credit that was not given meanwhile. */
void session_credit_flush(struct halo_session *session);
/* DATA has ended what was being measured of a window: perhaps it grows. */
void session_round_over(struct halo_session *session, struct halo_stream *stream);
/* SETTINGS or PING of ours were answered. `exact`: by the answer to a PING. */
void session_round_trip(struct halo_session *session, uint64_t sent_ns, bool exact);
/* PING ACK: is it the answer to one of halo's own? */
bool session_round_trip_ack(struct halo_session *session, const uint8_t *payload);

static inline bool session_is_round_over(const struct halo_session *session,
                                         const struct halo_stream *stream)
{
    return stream->receive.available < stream->receive.round_end ||
           session->receive.available < session->receive.round_end;
}

/* A frame without use. Streams give some back: Chrome may send a frame of a reserved type with each
 * request. False: too many. */
static inline bool session_take_glitch(struct halo_session *session)
{
    struct abuse *abuse = &session->abuse;

    return bucket_take_worked(&abuse->glitches, &abuse->glitches_seen, session->streams_opened,
                              session->now_ns);
}

/* ---- session_memory.c ------------------------------------------------------------------ */

/* The figures grew, or fell. */
void session_memory_grew(struct halo_session *session);
void session_memory_fell(struct halo_session *session);

static inline void session_memory_check(struct halo_session *session)
{
    const struct session_memory *memory = &session->memory;

    if (HALO_UNLIKELY(memory->bodies + memory->overhead > memory->hard / 2)) {
        session_memory_grew(session);
    }
}

/* The session holds more. It may end in here: streams are closed then, and drop what they hold. */
static inline void session_charge(struct halo_session *session, uint64_t bodies, uint64_t overhead)
{
    session->memory.bodies += bodies;
    session->memory.overhead += overhead;
    session_memory_check(session);
}

static inline void session_uncharge(struct halo_session *session, uint64_t bodies,
                                    uint64_t overhead)
{
    struct session_memory *memory = &session->memory;

    HALO_ASSERT(memory->bodies >= bodies && memory->overhead >= overhead);
    memory->bodies -= bodies;
    memory->overhead -= overhead;
    if (HALO_UNLIKELY(memory->pressed)) {
        session_memory_fell(session);
    }
}

/* New streams of the peer are to be refused. */
static inline bool session_memory_short(const struct halo_session *session)
{
    return session->memory.overhead + session->output.len > session->memory.soft;
}

static inline void session_drop_list(struct halo_session *session, struct kept_list *list)
{
    if (list != NULL) {
        session_uncharge(session, 0, list->size);
        memory_free(session->env->memory, list);
    }
}

/* ---- session_receive.c, session_body.c ------------------------------------------------- */

/* Octets of a body are handed out with the next event. */
void session_lend_data(struct halo_session *session, struct halo_stream *stream,
                       const uint8_t *data, uint32_t len);
/* The application has had `len` octets: credit. */
void session_done_with(struct halo_session *session, struct halo_stream *stream, uint32_t len);
/* The session goes: held slices live on without it. */
void session_orphan_kept(struct halo_session *session);
/* Gathers octets for a paused stream. */
bool stream_hold(struct halo_stream *stream, const uint8_t *data, size_t len, bool end);
/* Gathers trailers for a paused stream. */
bool stream_hold_trailers(struct halo_stream *stream, const halo_header *fields, size_t count);
/* Tells the next thing that was held; false when nothing is left. */
bool stream_take_held(struct halo_stream *stream, struct halo_event *event);
void stream_drop_held(struct halo_stream *stream);
void stream_settle_held(struct halo_stream *stream);
void stream_drop_writes(struct halo_stream *stream);
/* For sources inside halo that answer HALO_E_AGAIN and get their octets by themselves: octets that
 * have come, sent without a copy, before the source is asked again. `end`: these were the last (the
 * slice may be empty). The slice is taken. 0 or HALO_E_NOMEM. */
int stream_source_slice(struct halo_stream *stream, halo_slice *slice, bool end);

/* ---- session_headers.c, session_request.c, block_parts.c ------------------------------- */

/* Gives numbers to waiting requests while the peer allows more streams. */
void session_start_waiting(struct halo_session *session);
/* A request with its defaults, checked, as a list to be sent. *head: its method is HEAD. Returns 0,
 * or what halo_session_request() says. */
int session_compose_request(struct halo_session *session, const struct halo_request *request,
                            struct kept_list **fields, bool *head);
/* Writes PUSH_PROMISE and its CONTINUATION frames. Returns 0 or HALO_E_NOMEM. */
int session_write_promise(struct halo_session *session, uint32_t stream_id, uint32_t promised_id,
                          const struct kept_list *fields);
/* Encodes queued trailers of a stream whose body is through. */
void stream_write_trailers(struct halo_stream *stream);

/* ---- session_output.c, session_schedule.c ---------------------------------------------- */

/* The stream has something to send, or its window grew: puts it where the scheduler finds it. A
 * stream of which nothing but the end is left is not in line: that is settled here. */
void stream_schedule(struct halo_stream *stream);
/* Puts DATA of one small piece into the output right away when nothing has to wait, and when no
 * stream that is in line goes before it. */
bool stream_write_now(struct halo_stream *stream, const void *data, size_t len, bool end);
/* END_STREAM went out in a frame that is in the output. */
void stream_sent_end(struct halo_stream *stream);
/* The stream's source has given everything: the end is queued behind it. */
void stream_finish_source(struct halo_stream *stream);
/* The stream's place in line changes. */
void stream_prioritize(struct halo_stream *stream, const struct halo_priority *priority);

/* When the peer has given no window for too long, or held back DATA goes out; UINT64_MAX: not in
 * sight. */
uint64_t session_output_deadline(const struct halo_session *session);
/* Does that for which the time has come: stalled streams are cancelled. */
void session_output_tick(struct halo_session *session);

/* Charges the time since the last change to what the stream has waited for. */
void stream_charge_wait(struct halo_stream *stream);
/* The stream's latest frame was put at the end of the output: until the socket has taken it, the
 * stream waits for that. */
void stream_note_unsent(struct halo_stream *stream);
/* The socket has taken octets: streams of which it has all. */
void session_unsent_taken(struct halo_session *session);

/* From now on the stream waits for this. */
static inline void stream_wait(struct halo_stream *stream, enum wait wait)
{
    if (HALO_UNLIKELY(stream->waits.since_ns != stream->session->now_ns)) {
        stream_charge_wait(stream);
    }
    stream->wait = (uint8_t)wait;
}

static inline int64_t stream_send_window(const struct halo_stream *stream)
{
    return (int64_t)stream->session->remote.initial_window_size + stream->send_credit;
}

/* ---- session_progress.c ---------------------------------------------------------------- */

/* The stream's body is to come. */
void stream_watch_body(struct halo_stream *stream);
void stream_forget_body(struct halo_stream *stream);
uint64_t session_body_deadline(const struct halo_session *session);
/* Cancels the requests whose body came too slowly. */
void session_check_bodies(struct halo_session *session);

/* ---- session_waiting.c ----------------------------------------------------------------- */

uint64_t session_waiting_deadline(const struct halo_session *session);
/* Fails the requests that waited too long for the server to allow a stream. */
void session_check_waiting(struct halo_session *session);

/* ---- session_settings.c, session_control.c --------------------------------------------- */

/* A moment so much later than now; timeout 0: never. */
static inline uint64_t session_after_ms(const struct halo_session *session, uint32_t timeout_ms)
{
    return timeout_ms == 0 ? UINT64_MAX : session->now_ns + (uint64_t)timeout_ms * 1000000u;
}
/* The frame that was committed last is an answer; a fault when nobody reads them. */
const struct fault *session_count_answer(struct halo_session *session);

const struct fault *session_settings_frame(struct halo_session *session, const struct frame *frame,
                                           const uint8_t *payload, struct halo_event *event);
const struct fault *session_ping_frame(struct halo_session *session, const struct frame *frame,
                                       const uint8_t *payload, struct halo_event *event);
const struct fault *session_goaway_frame(struct halo_session *session, const struct frame *frame,
                                         const uint8_t *payload, struct halo_event *event);
bool session_write_ping(struct halo_session *session, const uint8_t *payload, uint8_t flags);
/* May this role send these settings? Returns 0 or HALO_E_INVALID_SETTING_VALUE. */
int session_check_settings(int role, const struct halo_settings *settings);
int session_write_settings(struct halo_session *session, const struct halo_settings *settings);
void session_write_goaway(struct halo_session *session, uint32_t last_stream_id, uint32_t code,
                          const void *debug_data, size_t debug_len);
/* The session is ending: tells the next PING or SETTINGS of ours that will not be answered. */
bool session_tell_cancelled(struct halo_session *session, struct halo_event *event);
/* Streams came or went: starts or stops the idle deadline. */
void session_idle_update(struct halo_session *session);

/* ---- frames out ------------------------------------------------------------------------ */

/* Room for a frame of `len` payload octets with its header written; *payload is where it goes. The
 * frame is settled by frame_commit(). NULL when memory is out. */
static inline uint8_t *frame_reserve(struct halo_session *session, uint32_t len, uint8_t type,
                                     uint8_t flags, uint32_t stream_id)
{
    uint8_t *out = output_reserve(&session->output, FRAME_HEADER_LEN + (size_t)len);

    if (HALO_LIKELY(out != NULL)) {
        frame_header_store(out, len, type, flags, stream_id);
        session_count_sent(session, type);
    }
    return out;
}

void session_trace_sent(struct halo_session *session, const uint8_t *frame, size_t len);

/* The frame that was committed last answers one of the peer. */
static inline void session_count_reply(struct halo_session *session)
{
    session->replies_queued++;
    session->replies_end = session->octets_sent + session->output.len;
}

static inline void frame_commit(struct halo_session *session, uint8_t *start, const uint8_t *end)
{
    output_commit(&session->output, start, end);
    if (HALO_UNLIKELY(session->on_frame != NULL)) {
        session_trace_sent(session, start, (size_t)(end - start));
    }
}

#endif
