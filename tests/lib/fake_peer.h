/*
 * The other end of a session under test: speaks frames, hears frames, and keeps count of both.
 *
 * A scenario is a function that talks to a session through a peer: it writes frames to peer->in, lets them be
 * read with peer_go(), makes calls on the session, and says what must have come out. scenario_test() plays
 * it several times: the input whole, one octet at a time, in pieces, as counted slices; the output
 * pulled whole and in bits. Every run must give the same events and the same octets.
 *
 * Two things depend on how the input is cut and are made comparable: pieces of DATA are one line of the log
 * when nothing came between them, and WINDOW_UPDATE frames are added up. peer_finish() checks that no credit was lost.
 */
#ifndef HALO_TESTS_FAKE_PEER_H
#define HALO_TESTS_FAKE_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <halo/session.h>

#include "core/proto/session.h"
#include "frames.h"
#include "hpack/hpack.h"
#include "test_memory.h"

enum {
    PEER_STREAMS_MAX = 2048,
    SERVER_LAST_ID_MAX = 0x7fffffff,
};

/* How the octets travel. */
struct travel {
    size_t piece;      /* octets handed in at once; 0: all */
    bool slices;       /* handed in as counted slices */
    size_t pull_limit; /* octets pulled at once */
    int pull_pieces;   /* iovecs pulled at once */
};

struct fake_peer;

struct scenario {
    void (*run)(struct fake_peer *peer);
    void (*options)(struct halo_session_options *options); /* NULL: the defaults */
    int role;                                              /* of the session under test */
};

struct fake_peer {
    const struct scenario *scenario;
    struct travel travel;
    halo_session *session;
    struct test_memory memory;
    uint64_t now_ns;

    struct wire in;  /* to be handed in by the next peer_go() */
    struct wire out; /* all that this session has sent */
    size_t heard;    /* of out: frames that were looked at */
    struct wire log; /* events, a line each */
    size_t log_read;
    /* What is compared between runs: the events, and the output without WINDOW_UPDATE, of all sessions. */
    struct wire all_events;
    struct wire all_output;

    /* Called for each event, after it was written to the log. */
    void (*app)(struct fake_peer *peer, const struct halo_event *event);
    void *ctx;
    int counter; /* for the scenario's use */
    /* Called when the session was freed and before memory is counted; credit may be outstanding then. */
    void (*after_free)(struct fake_peer *peer);

    /* DATA pieces of one stream, not yet written to the log. */
    struct {
        bool pending, end;
        uint32_t id;
        size_t len;
        uint32_t hash;
    } data;

    /* Windows as this peer sees them: what it may still send. Counted from the frames alone. */
    int64_t connection_window;
    uint64_t updates_heard;

    halo_stream *streams[PEER_STREAMS_MAX]; /* by id / 2; NULL: none, or closed */
    halo_stream *last_stream;               /* of the latest event that had one */

    struct hpack_decoder decoder;
    struct hpack_list list;
    struct wire headers; /* the block heard last, "name: value\n" */
};

/* ---- running ------------------------------------------------------------------------------------ */

void scenario_test(void **state); /* the state is a struct scenario */

#define SCENARIO(role_, function, options_)                                                        \
    {                                                                                              \
#function, scenario_test, NULL, NULL, &(struct scenario)                                   \
        {                                                                                          \
            .run = (function), .options = (options_), .role = (role_)                              \
        }                                                                                          \
    }
#define SERVER(function)               SCENARIO(HALO_SERVER, function, NULL)
#define CLIENT(function)               SCENARIO(HALO_CLIENT, function, NULL)
#define SERVER_WITH(function, options) SCENARIO(HALO_SERVER, function, options)
#define CLIENT_WITH(function, options) SCENARIO(HALO_CLIENT, function, options)

/* Ends the session of the peer, with all checks, and makes the next one. */
void peer_restart(struct fake_peer *peer);
/* Preface and empty SETTINGS of the peer, its ACK; the log and output of this are taken as read. */
void peer_open(struct fake_peer *peer);
/* The same with SETTINGS: pairs of identifier and value, ended by 0. */
void peer_open_with(struct fake_peer *peer, uint32_t identifier, uint32_t value);
/* Hands in peer->in, polls and pulls until nothing moves any more. */
void peer_go(struct fake_peer *peer);
/* Polls only; pulls only. */
void peer_poll(struct fake_peer *peer);
void peer_pull(struct fake_peer *peer);
/* Time goes by. */
void peer_wait(struct fake_peer *peer, uint64_t ms);
/* An event handler that answers every request with 200 and no body. */
void app_respond(struct fake_peer *peer, const struct halo_event *event);
halo_stream *peer_stream(struct fake_peer *peer, uint32_t id);
/* Opens GET (or `method`) requests of a client. */
halo_stream *peer_request(struct fake_peer *peer, const char *method, unsigned flags);

/* ---- what must have happened ---------------------------------------------------------------------- */

struct heard_frame {
    struct frame frame;
    const uint8_t *payload;
};
/* The next frame that is no WINDOW_UPDATE; false when there is none. */
bool peer_next_frame(struct fake_peer *peer, struct heard_frame *heard);

#define expect_frame(peer, type, flags, id, len)                                                   \
    peer_expect_frame(peer, type, flags, id, len, __FILE__, __LINE__)
/* HEADERS (and CONTINUATION) of this stream with END_STREAM or not; text: "name: value\n" a field. */
#define expect_headers(peer, id, flags, text)                                                      \
    peer_expect_headers(peer, id, flags, text, __FILE__, __LINE__)
/* PUSH_PROMISE (and CONTINUATION) on stream `id`, of `promised`. */
#define expect_promise(peer, id, promised, text)                                                   \
    peer_expect_promise(peer, id, promised, text, __FILE__, __LINE__)
#define expect_data(peer, id, flags, len)                                                          \
    peer_expect_frame(peer, T_DATA, flags, id, len, __FILE__, __LINE__)
/* DATA frames of one stream up to `len` octets in all; the last with `flags`. */
#define expect_body(peer, id, flags, len) peer_expect_body(peer, id, flags, len, __FILE__, __LINE__)
#define expect_rst(peer, id, code)        peer_expect_rst(peer, id, code, __FILE__, __LINE__)
#define expect_goaway(peer, code, last_id)                                                         \
    peer_expect_goaway(peer, code, last_id, __FILE__, __LINE__)
#define expect_settings_ack(peer)                                                                  \
    peer_expect_frame(peer, T_SETTINGS, F_ACK, 0, 0, __FILE__, __LINE__)
#define expect_nothing(peer) peer_expect_nothing(peer, __FILE__, __LINE__)
/* The events since the last look, as text. */
#define expect_log(peer, text) peer_expect_log(peer, text, __FILE__, __LINE__)
/* A GOAWAY with this code, and the session's end for that reason; nothing else is said of events. */
#define expect_dead(peer, code) peer_expect_dead(peer, code, __FILE__, __LINE__)
/* The connection still answers PING. Log and output up to then are dropped. */
#define expect_alive(peer) peer_expect_alive(peer, __FILE__, __LINE__)

void peer_expect_frame(struct fake_peer *peer, uint8_t type, uint8_t flags, uint32_t id, size_t len,
                       const char *file, int line);
void peer_expect_headers(struct fake_peer *peer, uint32_t id, uint8_t flags, const char *text,
                         const char *file, int line);
void peer_expect_promise(struct fake_peer *peer, uint32_t id, uint32_t promised, const char *text,
                         const char *file, int line);
void peer_expect_body(struct fake_peer *peer, uint32_t id, uint8_t flags, size_t len,
                      const char *file, int line);
void peer_expect_rst(struct fake_peer *peer, uint32_t id, uint32_t code, const char *file,
                     int line);
void peer_expect_goaway(struct fake_peer *peer, uint32_t code, uint32_t last_id, const char *file,
                        int line);
void peer_expect_nothing(struct fake_peer *peer, const char *file, int line);
void peer_expect_log(struct fake_peer *peer, const char *text, const char *file, int line);
void peer_expect_dead(struct fake_peer *peer, uint32_t code, const char *file, int line);
void peer_expect_alive(struct fake_peer *peer, const char *file, int line);
/* Events of DATA that are not in the log yet belong to it now. */
void peer_flush_log(struct fake_peer *peer);
/* Takes the log, or the output, up to here as read. */
void skip_log(struct fake_peer *peer);
void skip_output(struct fake_peer *peer);

halo_header test_field(const char *name, const char *value);

#endif
