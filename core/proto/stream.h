/*
 * A stream (RFC 9113 section 5.1). Its life is two halves, one for each direction:
 *
 *        idle/waiting --> HEADERS --> BODY --> DONE          (each half by itself)
 *
 *   HEADERS  the first header block of this direction is still to come (1xx do not change that)
 *   BODY     DATA may follow, then perhaps trailers
 *   DONE     END_STREAM went by, or this direction never existed (a pushed stream)
 *
 * The states of the RFC follow from the pair: open is neither DONE, half-closed one DONE, closed
 * both. A reset puts both halves to DONE at once. stream_advance() is the only code that writes the
 * halves.
 */
#ifndef HALO_CORE_PROTO_STREAM_H
#define HALO_CORE_PROTO_STREAM_H

#include <halo/stream.h>

#include "core/base/list.h"
#include "core/proto/fault.h"
#include "core/proto/flow.h"
#include "core/proto/output.h"
#include "core/proto/waits.h"

enum half {
    HALF_HEADERS,
    HALF_BODY,
    HALF_DONE,
};

/* What may happen in a direction. */
enum half_input {
    INPUT_INFORMATION, /* 1xx */
    INPUT_HEADERS,     /* the request, or the final response */
    INPUT_HEADERS_END, /* ... with END_STREAM */
    INPUT_DATA,
    INPUT_DATA_END,
    INPUT_TRAILERS, /* always with END_STREAM */
    INPUT_RESET,
    INPUT_COUNT,
};

/* Which inputs a half allows, and where they lead. HALF_NONE: not allowed. */
enum { HALF_NONE = 0xff };
extern const uint8_t stream_half_table[HALF_DONE + 1][INPUT_COUNT];

enum stream_flag {
    STREAM_HEAD = 1u << 0,            /* request method HEAD: the response has no body */
    STREAM_CONNECT = 1u << 1,         /* CONNECT that was not turned down: just octets (8.5) */
    STREAM_PAUSED = 1u << 2,          /* the application wants no DATA now */
    STREAM_END_QUEUED = 1u << 3,      /* END_STREAM follows the last octet of the queue */
    STREAM_TRAILERS_QUEUED = 1u << 4, /* ... as a trailer block */
    STREAM_WAIT_TRAILERS = 1u << 5,   /* ... but the application is asked for trailers first */
    STREAM_ABOVE_LOW_WATER = 1u << 6, /* WRITABLE is owed when the queue has drained */
    STREAM_HEADERS_SENT = 1u << 7,    /* final response headers went out */
    STREAM_END_AFTER_HEADERS = 1u << 8,
    STREAM_LOCAL = 1u << 9,           /* we opened it, with a request of ours */
    STREAM_NO_PAYLOAD = 1u << 10,     /* 204, 205, 304: writing is refused */
    STREAM_TRAILERS_ASKED = 1u << 11, /* WANT_TRAILERS was told */
    STREAM_BLOCKED = 1u << 12,        /* in the session's list of streams without window */
    STREAM_CLOSED = 1u << 13,         /* both halves done or reset: only the close is to be told */
    STREAM_SOURCE_IDLE = 1u << 14,    /* the source said "later" */
    STREAM_INCREMENTAL = 1u << 15,    /* RFC 9218 */
    STREAM_RESET_SENT = 1u << 16,
    STREAM_RESET_RECEIVED = 1u << 17,
    STREAM_WAITING = 1u << 18,        /* client: no number yet */
    STREAM_PUSHED = 1u << 19,         /* promised by the server (8.4); never STREAM_LOCAL */
    STREAM_RESERVED = 1u << 20,       /* ... and its response has not begun */
    STREAM_UNSENT = 1u << 21,         /* in session->unsent */
    STREAM_PRIORITY_FIXED = 1u << 24, /* server: the application chose; the peer has no say */
    STREAM_PRIORITY_LATE = 1u << 25,  /* client: changed while the request waits */
    STREAM_SOURCE_RESUMED = 1u << 26, /* ... and "again" while it was being asked */
    STREAM_EXTRAS = 1u << 27,         /* has a timeout, or sent headers that are kept */
    STREAM_ABORTED = 1u << 28,        /* closed by an error before our half had been ended */
};

/* What is still to be told about a stream, in this order. */
enum stream_note {
    NOTE_READY = 1u << 0,
    NOTE_HELD = 1u << 1, /* DATA, trailers or the end that came while the stream was paused */
    NOTE_WRITABLE = 1u << 2,
    NOTE_WANT_TRAILERS = 1u << 3,
    NOTE_PRIORITY = 1u << 4, /* of a HEADERS frame (RFC 7540) */
    NOTE_TIMEOUT = 1u << 5,
    NOTE_FRAME_ERROR = 1u << 6, /* a block that waited was too long; error->status says */
    NOTE_CLOSED = 1u << 7,      /* last */
};

/* Body octets that came while the stream was paused. */
struct held_data;
/* A request's body that is awaited. */
struct body_watch;

struct halo_stream {
    struct halo_stream *next_in_bucket; /* stream_store */
    uint32_t id;
    uint32_t flags;    /* enum stream_flag */
    uint8_t recv_half; /* enum half */
    uint8_t send_half;
    uint8_t notes;   /* enum stream_note */
    uint8_t urgency; /* RFC 9218 */
    uint16_t information_responses;
    uint8_t weight_change; /* RFC 7540: the weight's octet, XOR that of the default */
    uint8_t wait;          /* enum wait */
    struct halo_session *session;
    void *user_data;
    const struct halo_stream_callbacks *callbacks; /* of a stream on a loop (core/conn) */

    struct list_link all;    /* session->streams */
    struct list_link queue;  /* of the scheduler: ready, blocked or waiting; else by itself */
    struct list_link notify; /* session->notify */

    /* Receiving. */
    struct receive_window receive;
    uint32_t unconsumed;  /* manual credit: handed out, not consumed yet */
    int64_t content_left; /* octets that content-length still promises; -1: none given */

    /* Sending. The window is session->remote initial size + send_credit. */
    int64_t send_credit;
    struct write_block *write_first;
    struct write_block *write_last;
    size_t buffered;

    uint64_t octets_sent;
    uint64_t octets_received;
    struct stall stall;   /* of its window */
    uint64_t request_end; /* ours: session->octets_sent when its header block has left */
    uint64_t small_ns;    /* when DATA went out that was too small to be worth a frame; 0: never */
    struct waits waits;
    struct list_link unsent; /* STREAM_UNSENT: session->unsent; else not set */
    uint64_t unsent_end;     /* what session->octets_sent is when the socket has all of it */

    /* Moments, on the clock of the session. */
    uint64_t start_ns;
    uint64_t activity_ns;       /* the latest frame in either direction */
    uint64_t first_received_ns; /* of DATA, when octets_received > 0 */
    uint64_t first_sent_ns;     /* of DATA, when octets_sent > 0 */
    uint64_t first_header_ns;   /* client: the moment and 1; 0: none yet */
    uint64_t told_ns;           /* the activity whose silence was told (session_timers.c) */
    uint32_t timeout_ms;
    uint32_t timer_place;     /* in the session's heap of timers, from 1; 0: no timeout */
    struct sent_blocks *sent; /* option keep_sent_headers (session_sent.c) */

    struct halo_source source; /* read == NULL: none */
    struct kept_list *headers; /* copy of the opening list (or the response's) */
    struct kept_list *request; /* client: of a request that waits; as promised; see keep_requests */
    struct kept_list *trailers; /* trailers that wait for the end of the body */
    struct held_data *held;     /* gathered while paused */
    struct body_watch *body_watch;

    int64_t reset_code;      /* -1: none */
    struct halo_error error; /* why it was closed; status 0: cleanly */
};

/* Is `input` allowed in this half, and if so, move on. The same table serves what the peer sends
 * and what the application sends. Returns false when the input is not allowed; nothing changes
 * then. */
static inline bool stream_advance(struct halo_stream *stream, bool receiving, enum half_input input)
{
    uint8_t *half = receiving ? &stream->recv_half : &stream->send_half;
    uint8_t next = stream_half_table[*half][input];

    if (HALO_UNLIKELY(next == HALF_NONE)) {
        return false;
    }
    *half = next;
    if (input == INPUT_RESET) {
        stream->recv_half = HALF_DONE;
        stream->send_half = HALF_DONE;
    }
    return true;
}

/* enum halo_stream_state of the pair. */
uint32_t stream_state(const struct halo_stream *stream);

static inline bool stream_done(const struct halo_stream *stream)
{
    return stream->recv_half == HALF_DONE && stream->send_half == HALF_DONE;
}

/* ---- header lists that outlive the call ------------------------------------------------ */

/* A copy of a header list in one piece of memory: fields, then their octets. */
struct kept_list {
    size_t count;
    size_t size; /* of this piece of memory */
    halo_header fields[];
};

struct kept_list *kept_list_new(struct memory *memory, const halo_header *fields, size_t count);

/* ---- streams by number ----------------------------------------------------------------- */

/* Numbers of one side are sequential, so a power-of-two table indexed by id / 2 has hardly a
 * collision; what there is hangs in a chain. Both sides share it. */
struct stream_store {
    struct halo_stream **buckets;
    uint32_t mask; /* buckets - 1 */
    bool is_lent;  /* the buckets are those of stream_store_lend() */
    uint32_t count;
    uint32_t count_max; /* highest it ever was */
};

/* Buckets that a table is made with. */
enum { STREAM_STORE_MIN = 16 };

void stream_store_init(struct stream_store *store);
/* An empty store without buckets uses these, which hold NULL, as long as they are enough: until
 * stream_store_fini(). */
void stream_store_lend(struct stream_store *store, struct halo_stream *buckets[STREAM_STORE_MIN]);
/* The store is empty: it has no buckets then, as at first. */
void stream_store_fini(struct stream_store *store, struct memory *memory);
bool stream_store_add(struct stream_store *store, struct memory *memory,
                      struct halo_stream *stream);
void stream_store_remove(struct stream_store *store, struct halo_stream *stream);

static inline struct halo_stream *stream_store_find(const struct stream_store *store, uint32_t id)
{
    struct halo_stream *stream;

    if (store->count == 0) {
        return NULL;
    }
    stream = store->buckets[(id >> 1) & store->mask];
    while (stream != NULL && stream->id != id) {
        stream = stream->next_in_bucket;
    }
    return stream;
}

#endif
