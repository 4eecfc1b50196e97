/*
 * What a session consists of: the reader of input, settings on their way, windows, lists, counts.
 * What is done with it is in session.h.
 *
 * Many sessions are idle, and all are hot: what only some need is allocated when they need it.
 */
#ifndef HALO_CORE_PROTO_SESSION_STATE_H
#define HALO_CORE_PROTO_SESSION_STATE_H

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

/* What a session needs only while it has streams: taken with the first, given back when a poll finds
 * none left, so that idle sessions share few of them, which stay in cache. */
struct session_lines {
    /* By urgency, something to send and window for it: one after the other, and in turns. Those of
     * an urgency are not even initialised while its bit in ready_mask is not set. */
    struct list_link ready[8];
    struct list_link turns[8];
    struct list_link blocked; /* something to send, no window of the stream */
    struct list_link waiting; /* client: requests without a number */
    struct list_link bodies;  /* server: those whose body is awaited */
    struct list_link unsent;  /* streams with octets in the output, by their end */
    struct halo_stream *buckets[STREAM_STORE_MIN];
};

/* What is said by options and never changes: the sessions of one server share it. */
struct session_config {
    uint32_t refs;                  /* sessions, and the env */
    uint32_t stream_window_max;     /* 0: fixed */
    uint32_t window_update_percent; /* of a window that is worth a WINDOW_UPDATE */
    uint32_t stream_low_water;
    uint32_t reserved_max;
    struct {
        uint32_t settings_ack_ms, header_block_ms, idle_ms, stall_ms, body_ms, goaway_ms, drain_ms;
    } timeouts;
    struct halo_limits limits;
    struct halo_settings settings; /* our first SETTINGS */
    uint32_t custom_count;         /* settings of the peer that the application knows */
    uint16_t custom_ids[HALO_CUSTOM_SETTINGS_MAX];
};

/* The part of struct halo_settings that every session needs. */
struct known_settings {
    uint32_t present;
    uint32_t header_table_size;
    uint32_t enable_push;
    uint32_t max_concurrent_streams;
    uint32_t initial_window_size;
    uint32_t max_frame_size;
    uint32_t max_header_list_size;
    uint32_t enable_connect_protocol;
    uint32_t no_rfc7540_priorities;
};
_Static_assert(sizeof(struct known_settings) == offsetof(struct halo_settings, custom),
               "the first members of struct halo_settings");

/* The settings whole, with custom ones: for who looks at them. */
struct settings_views {
    struct halo_settings local;
    struct halo_settings remote;
};

/* What all sessions of one thread share: memory, slabs, and the place where header blocks are
 * decoded to, which is only used between two polls. */
struct proto_env {
    struct memory *memory;
    struct slab sessions;
    struct slab lines; /* of struct session_lines */
    struct slab streams;
    struct slab blocks;
    struct slab rings;             /* of an output's first segments */
    struct session_lines no_lines; /* of all sessions without streams: nothing is put into it */
    struct session_config *config; /* of the latest session; NULL: none so far */
    struct halo_settings settings; /* what the event at hand tells of the peer's */
    struct hpack_list list;
    /* Whose repeated block the list holds; NULL: something else. */
    const struct halo_session *list_of;
};

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

/* The latest request, when its block was short and changed nothing in the table. The same octets
 * mean the same fields as long as the table has not changed: what was checked then need not be
 * again. As long as what browsers send of fields that are all indexed. */
struct repeated_block {
    uint8_t octets[32];
    uint8_t len;  /* 0: none */
    bool borrows; /* the list points into the block's octets: it has to be decoded again */
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

/* A PING of the application that was not answered yet. */
struct sent_ping {
    uint8_t payload[8];
    uint64_t sent_ns;
};

/* Receive windows that grow (session_window.c). */
struct window_tuning {
    uint32_t connection_max; /* 0: fixed */
    uint32_t connection_start;
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

/* Frames by type of sessions that live long. */
struct frame_totals {
    uint64_t received[HALO_FRAME_COUNTS];
    uint64_t sent[HALO_FRAME_COUNTS];
};

/* So many octets in one direction, and the counts of frames are added to the totals. */
#define FRAMES_FOLD_OCTETS (UINT64_C(1) << 31)

/* What is to be told about the session itself. */
enum own_note {
    OWN_NOTE_TIMEOUT = 1u << 0,
};

struct halo_session {
    struct proto_env *env;
    struct session_config *config;
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
    /* Fields up to which responses take the short way; -1 with padding or keep_sent. */
    int64_t short_way_max;

    uint64_t now_ns;
    void *user_data;

    /* Streams. */
    struct list_link streams;    /* all of them */
    struct list_link notify;     /* with something to tell */
    struct list_link own_note;   /* in notify: own_notes are to be told */
    struct session_lines *lines; /* env->no_lines without streams */
    uint8_t ready_mask;          /* bit per urgency that may have ready streams */
    uint8_t turns_mask;          /* bit per urgency where one of `turns` goes next */
    uint32_t waiting_count;
    uint64_t no_streams_ns; /* client: when the server last began to allow no streams */
    uint32_t open_remote;   /* streams the peer opened, until their close was told */
    uint32_t open_local;
    uint32_t reserved_streams; /* pushed, without a response yet: count apart (5.1.2) */
    uint32_t streams_max;      /* what our settings allow the peer, from the first frame on */
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
    struct priority_state *priorities; /* NULL until something is to be kept */
    uint32_t headers_priority_id;      /* the HEADERS with a priority part that came last, */
    uint8_t headers_priority[5];       /* and that (RFC 7540) */

    /* Settings. */
    struct known_settings local; /* acknowledged */
    struct known_settings remote;
    struct settings_views *views; /* NULL: nobody has looked, and none has custom ones */
    struct pending_settings *pending_first;
    struct pending_settings **pending_last;
    uint32_t pending_count;

    struct open_block block;
    struct repeated_block repeated;
    struct abuse abuse;
    uint32_t replies_queued; /* answers that were built and not all sent */
    uint64_t replies_end;    /* what octets_sent is when they are */
    uint64_t octets_sent;

    struct sent_ping *pings; /* of ours, oldest first; NULL: none is out */
    uint32_t pings_count;

    /* Deadlines; UINT64_MAX: none. */
    uint64_t preface_deadline_ns;
    uint64_t idle_deadline_ns;
    uint64_t goaway_deadline_ns; /* second step of the graceful end */
    uint64_t drain_deadline_ns;

    /* Silence that is to be told. */
    uint64_t activity_ns; /* octets came or went */
    uint64_t told_ns;     /* the activity whose silence was told */
    uint64_t timeout_ns;  /* 0: none */
    struct stream_timers timers;

    struct halo_error error; /* why the session ended; status 0: in order */

    /* Since they were last added to the totals: no frame is shorter than its header, so within
     * FRAMES_FOLD_OCTETS they cannot overflow. */
    uint32_t frames_received_by_type[HALO_FRAME_COUNTS];
    uint32_t frames_sent_by_type[HALO_FRAME_COUNTS];
    struct frame_totals *frame_totals; /* NULL: none yet */
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

#endif
