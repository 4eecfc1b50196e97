/*
 * The simulator: one seed is one run. Two sessions of halo, or one and an adversary, talk over a
 * link whose octets are split, delayed and lost; what the applications do, when time passes, and
 * which allocations fail is drawn from the seed alone, so that every run can be had again.
 *
 *   main.c        arguments, seeds, what a failure prints
 *   run.c         one run: chaos, then health, then the end and the sums
 *   link.c        octets between the two ends; polling
 *   rules.c       what may be on the wire: an own parser and own sums, nothing of halo's
 *   plan.c        what an exchange consists of: both ends know it and compare
 *   sender.c      applications that send: headers, bodies in every way, trailers
 *   app.c         applications that receive: events against the model
 *   acts.c        what applications do unasked
 *   extras.c      frames beside the exchanges, priorities, time-outs: said, and heard in order
 *   sums.c        whose turn it is, what is held, what was counted
 *   adversary.c   a peer that writes frames, some of them good
 *   sim_memory.c  an allocator that counts and fails
 */
#ifndef HALO_TESTS_SIM_H
#define HALO_TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <halo/session.h>

#include "frames.h"

enum {
    EXCHANGES_MAX = 100,
    WIRE_STREAMS_MAX = 512, /* the rules know ids below that */
    KEPT_MAX = 48,
    SAID_MAX = 64,
    PRIORITIES_MAX = 8,
    FRAMES_SHOWN = 40,
    SCAN_PAYLOAD = 512,
    FIELDS_MAX = 20,
};

struct run;
struct endpoint;

/* ---- main.c ---------------------------------------------------------------------------- */

/* Something is wrong: prints it with seed, step and the last frames; ends the run. */
__attribute__((noreturn, format(printf, 2, 3))) void sim_fail(struct run *run, const char *format,
                                                              ...);
__attribute__((format(printf, 2, 3))) void sim_trace(struct run *run, const char *format, ...);

/* ---- sim_memory.c ---------------------------------------------------------------------- */

struct sim_memory {
    halo_allocator allocator;
    struct run *run;
    uint64_t live;
    uint64_t octets;
    uint64_t octets_max;
    uint64_t calls;
    uint64_t fail_at;     /* the call that fails; 0: none */
    uint32_t fail_one_in; /* 0: none */
    bool failed;
};

void sim_memory_init(struct sim_memory *memory, struct run *run);

/* ---- plan.c: what an exchange consists of ---------------------------------------------- */

enum part { PART_REQUEST, PART_INFORMATION, PART_RESPONSE, PART_UP_TRAILERS, PART_DOWN_TRAILERS };
enum way { WAY_WRITE, WAY_BORROW, WAY_SLICE, WAY_SOURCE, WAY_MIXED, WAYS };

/* A list of fields with the memory of its texts. */
struct field_list {
    halo_header fields[FIELDS_MAX];
    size_t count;
    char text[40000];
    size_t used;
};

struct sender {
    uint64_t total;
    uint64_t sent;
    uint8_t way;
    bool trailers;
    bool wait;       /* trailers are sent when halo asks for them */
    bool begun;      /* header block sent */
    bool end_called; /* waits to be asked */
    bool asked;
    bool done; /* everything was handed to halo */
    bool busy; /* a write is being made: callbacks keep out */
    bool source_live;
    bool source_idle;
};

/* One end's half of an exchange, as its application has seen it. */
struct side {
    halo_stream *stream; /* NULL: none, or closed */
    bool opened;
    bool closed;
    bool headers_seen; /* client: the final response */
    bool ended;        /* END_STREAM was told */
    bool trailers_seen;
    bool paused;
    bool answer_later; /* server: nothing was sent yet */
    bool reset_by_app;
    bool ready; /* client: READY was told */
    bool waited;
    bool timed_out; /* STREAM_TIMEOUT is owed or was told */
    uint32_t reset_code;
    uint32_t timeout_ms;
    uint64_t silent_from_ns;
    /* When it was passed over: octets of others of its urgency that went since. */
    uint64_t passed_octets;
    uint64_t sent_before;
    uint32_t rivals; /* the most of them meanwhile */
    uint8_t urgency_before;
    bool incremental_before;
    bool wanted_turn;
    uint32_t informations;
    uint64_t received;
    uint64_t unconsumed;
    struct sender sender;
};

struct exchange {
    uint32_t number;
    uint64_t seed;
    bool head;
    bool pushed;
    bool repeated;       /* the same request as others, and one of a few responses */
    bool priority_fixed; /* the server's application has chosen */
    uint32_t stream_id;  /* client: the number, when the stream is gone */
    struct halo_priority priorities[PRIORITIES_MAX]; /* that the client said */
    uint32_t priority_count;
    bool priority_field;
    uint16_t status;
    uint32_t informations;
    bool up_length, down_length; /* a content-length field */
    bool up_trailers, down_trailers;
    uint64_t up_len, down_len;
    struct side client, server;
};

void plan_exchange(struct run *run, struct exchange *exchange);
/* May the response have a body? */
bool plan_has_body(const struct exchange *exchange);
/* The fields of a part. `sent`: as the application writes them, which may be in mixed case. */
void plan_fields(const struct exchange *exchange, enum part part, bool sent,
                 struct field_list *list);
const uint8_t *plan_body(const struct exchange *exchange, bool up, uint64_t offset);

/* ---- rules.c --------------------------------------------------------------------------- */

struct scanned {
    uint32_t len;
    uint32_t id;
    uint8_t type;
    uint8_t flags;
    uint64_t at; /* number of its first octet in this direction */
    uint8_t payload[SCAN_PAYLOAD];
};

struct scanner {
    uint32_t preface_left;
    uint32_t have;
    uint32_t got; /* of the payload */
    uint64_t position;
    uint8_t head[9];
    struct scanned frame;
};

void scan(struct scanner *scanner, const uint8_t *octets, size_t len,
          void (*on_frame)(struct endpoint *end, const struct scanned *frame),
          struct endpoint *end);

struct wire_stream {
    int64_t credit; /* WINDOW_UPDATE that came less DATA that went */
    bool known;
    bool sent_end, sent_reset;
    bool got_end, got_reset, got_refused;
    bool headers_sent;
    bool block_sent;     /* to its last frame */
    uint64_t got_end_at; /* what this end builds from this octet on, it builds knowing */
    uint64_t got_reset_at;
};

/* About what one end sends. */
struct rules {
    bool off; /* the adversary broke the connection: nothing more is to be learnt */
    bool opened;
    bool goaway_sent, goaway_got;
    bool goaway_got_new;
    bool got_block_end; /* END_STREAM of the header block that comes in */
    uint32_t goaway_sent_last;
    uint32_t goaway_got_last;
    uint64_t goaway_got_at;
    uint32_t block_id;
    uint32_t last_opened;
    int64_t window;
    int64_t initial;              /* that of the SETTINGS acknowledged last */
    int64_t initial_waiting[128]; /* -1: not in this SETTINGS frame */
    uint32_t settings_got, settings_acked;
    uint32_t settings_sent, acks_got;
    uint8_t pings[1024][8];
    uint32_t pings_got, pings_acked;
    uint64_t frames_sent[HALO_FRAME_COUNTS];
    uint64_t frames_got;
    uint32_t fresh[64]; /* streams that ended in what was delivered just now */
    uint32_t fresh_count;
    struct wire_stream streams[WIRE_STREAMS_MAX];
};

void rules_init(struct rules *rules);
/* The end sent this frame: is that allowed? */
void rules_sent(struct endpoint *end, const struct scanned *frame);
/* The end was given this frame. */
void rules_delivered(struct endpoint *end, const struct scanned *frame);
/* What was delivered is worked off: what is built from here on knows of it. */
void rules_settled(struct endpoint *end);

/* ---- link.c ---------------------------------------------------------------------------- */

struct pipe {
    uint8_t *octets;
    size_t len, cap, at;
    uint32_t stalled; /* steps */
    bool finished;    /* no more octets will come */
};

struct kept {
    halo_slice slice;
    struct exchange *exchange; /* NULL: unknown */
    uint64_t offset;
    uint64_t sum;
};

/* A frame of an extension, as it was said. */
struct said {
    uint8_t type;
    uint8_t flags;
    uint32_t stream_id;
    uint32_t draw;
    size_t len;
};

struct endpoint {
    struct run *run;
    const char *name;
    int role;
    halo_session *session;
    struct sim_memory memory;
    struct endpoint *peer;
    struct pipe out; /* what was sent and not yet delivered */
    struct scanner sent_scanner;
    struct scanner got_scanner; /* of what comes in */
    struct rules rules;
    uint64_t octets_sent;

    bool over;  /* SESSION_CLOSED was told */
    bool ended; /* recv_end was called */
    bool freed;
    bool manual_credit;
    bool handling; /* an event is being handled, or a callback runs */
    bool closing;
    int over_status;
    uint32_t over_code;
    uint32_t owed; /* done callbacks that are to come */
    uint32_t settings_calls, settings_acks, settings_events;
    uint32_t settings_cancels, ping_cancels;
    uint32_t ping_calls, ping_acks, resets;
    uint32_t initial_now;
    bool encrypted; /* client */
    bool wants_frames;
    bool keep_sent;
    struct said said[SAID_MAX];
    uint32_t said_count;
    uint32_t heard_count;    /* of what the peer said */
    uint64_t session_now_ns; /* the time that the session knows */
    uint64_t activity_ns;
    uint32_t timeout_ms;
    bool silence_told;
    uint64_t bound;       /* of memory, in octets */
    uint64_t window_most; /* the largest that the application set */
    struct kept kept[KEPT_MAX];
    uint32_t kept_count;
};

void link_pull(struct endpoint *end);
void link_deliver(struct endpoint *end);
void link_tick(struct endpoint *end);
void link_poll(struct endpoint *end);
/* The connection breaks: what is under way is lost. */
void link_break(struct run *run);
/* The streams' handles are about to go. */
void link_note_numbers(struct endpoint *end);
void link_free_session(struct endpoint *end);
void pipe_add(struct pipe *pipe, const void *octets, size_t len);

/* ---- sender.c -------------------------------------------------------------------------- */

void sender_request(struct endpoint *end);
void sender_answer(struct endpoint *end, struct exchange *exchange);
void sender_step(struct endpoint *end, struct exchange *exchange);
/* Judges what a call on a stream said. True when it did what it was to do. */
bool sender_took(struct endpoint *end, struct exchange *exchange, int status, const char *call);
void sender_reset(struct endpoint *end, struct exchange *exchange, uint32_t code);
void sender_push(struct endpoint *end, struct exchange *parent);

/* ---- app.c, acts.c --------------------------------------------------------------------- */

void app_event(struct endpoint *end, const struct halo_event *event);
void app_release(struct endpoint *end, uint32_t index);
void acts_step(struct endpoint *end);
/* Does everything that is still owed. */
void acts_behave(struct endpoint *end);
void acts_settings(struct endpoint *end, bool generous);

/* ---- extras.c -------------------------------------------------------------------------- */

enum { OWN_FRAME = 0xf0 };

void extras_options(struct endpoint *end, struct halo_session_options *options);
void extras_act(struct endpoint *end);
void extras_stream_act(struct endpoint *end, struct exchange *exchange);
/* True: the event was one of those that are dealt with here. */
bool extras_event(struct endpoint *end, const struct halo_event *event);
/* A priority that goes with a request, perhaps. */
const struct halo_priority *extras_priority(struct run *run, struct exchange *exchange);
void extras_check_priority(struct endpoint *end, const struct halo_event *event,
                           const struct exchange *exchange);
/* Everything that was said on a link that held was heard. */
void extras_check_heard(struct run *run);

/* ---- sums.c ---------------------------------------------------------------------------- */

void sums_before_pull(struct endpoint *end);
void sums_after_pull(struct endpoint *end);
void sums_check(struct endpoint *end);
void sums_check_end(struct endpoint *end);
void sums_check_sent_headers(struct endpoint *end, const struct halo_event *event,
                             const struct exchange *exchange);

/* ---- adversary.c ----------------------------------------------------------------------- */

struct adversary {
    uint32_t next_id;   /* as a client */
    uint32_t seen_id;   /* as a server: highest stream of the client */
    uint32_t pushed_id; /* ... of its own */
    uint32_t mischief;  /* percent of the frames that are bad */
    bool quiet;
};

void adversary_open(struct run *run);
void adversary_step(struct run *run);

/* ---- run.c ----------------------------------------------------------------------------- */

struct shown_frame {
    const char *name;
    bool sent;
    uint32_t step;
    struct scanned frame;
};

struct run {
    uint64_t seed;
    uint64_t random;
    uint32_t step, steps;
    bool trace;
    uint64_t now_ns;

    /* What this run is like. */
    bool with_adversary;
    bool memory_fails;
    bool time_jumps;
    bool small_pieces;
    bool calls_in_done;
    bool memory_tight; /* budgets that honest peers exceed */
    bool repeats;      /* many requests are alike */
    bool healthy;      /* chaos is over */
    bool broken;       /* the connection was cut, or a session freed */
    uint32_t busy;     /* percent: how much the applications do */
    uint32_t rarely;   /* acts per one that may end the connection */
    uint32_t requests_wanted;

    struct endpoint client, server;
    struct endpoint *subject; /* with an adversary: the session of halo */
    struct adversary adversary;
    struct exchange exchanges[EXCHANGES_MAX];
    uint32_t exchange_count;
    struct field_list list;
    struct field_list expected;
    halo_header_set *set;
    struct shown_frame shown[FRAMES_SHOWN];
    uint32_t shown_count;
};

void run_seed(struct run *run);
void run_clean(struct run *run);

uint64_t sim_random(struct run *run);
/* 0 ... n-1 */
uint32_t sim_below(struct run *run, uint32_t n);
bool sim_percent(struct run *run, uint32_t percent);

static inline struct side *side_of(const struct endpoint *end, struct exchange *exchange)
{
    return end->role == HALO_CLIENT ? &exchange->client : &exchange->server;
}

#endif
