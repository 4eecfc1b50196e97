/*
 * A session that is played with octets and judged by what must hold whatever they are: its events
 * come in a legal order, what it sends are legal frames whose header blocks decode, no credit is
 * lost, and at its end each stream's close was told once and nothing is left.
 *
 * Lighter than the fake peer of tests/lib, so that millions of sessions can be played.
 */
#ifndef HALO_TESTS_CONFORM_PLAY_H
#define HALO_TESTS_CONFORM_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <halo/session.h>

#include "core/proto/session.h"
#include "frames.h"
#include "test_memory.h"

/* Streams up to this number are looked at one by one. */
enum { PLAY_IDS = 1024 };

enum play_life { LIFE_NEW, LIFE_MESSAGE, LIFE_ENDED, LIFE_CLOSED };

struct play {
    halo_session *session;
    struct test_memory memory;
    struct wire log; /* events, a line each; DATA pieces that follow each other are one */
    struct wire out; /* all that was sent */
    uint64_t now_ns;
    /* Called behind each event. */
    void (*app)(struct play *play, const struct halo_event *event);
    void *ctx;

    /* Streams that the application knows, and those whose close it was told. */
    uint32_t made;
    uint32_t closed;
    bool session_closed;
    uint8_t lives[PLAY_IDS]; /* enum play_life, by number */

    struct {
        bool pending, end;
        uint32_t id;
        size_t len;
        uint32_t hash;
    } data;
};

/* Makes the session; windows are fixed. `options` may change the options, or be NULL. */
void play_begin(struct play *play, int role, void (*options)(struct halo_session_options *options));
/* The opening of the peer: preface and SETTINGS, with ENABLE_PUSH as it is by default, and the
 * ACK of ours. Log and output begin behind it. */
void play_open(struct play *play);
/* Hands in octets by pieces of this size (0: all at once), polling behind each. */
void play_feed(struct play *play, const uint8_t *octets, size_t len, size_t piece);
void play_poll(struct play *play);
void play_pull(struct play *play);
/* Pulls and polls until nothing moves. */
void play_settle(struct play *play);
/* A request of a client under test; counts the stream. */
halo_stream *play_request(struct play *play, const char *method, unsigned flags);

/* What was sent so far are legal frames in a legal order. `code` gets the code of the last GOAWAY,
 * or -1; `reset` the code of the last RST_STREAM of stream `id`, or -1. */
struct play_heard {
    int goaway;
    int reset;
    int resets; /* of stream `id` */
    size_t frames;
};
struct play_heard play_hear(const struct play *play, uint32_t id);
/* The session's windows and credit add up. */
void play_check_credit(const struct play *play);
/* The peer's end (`error` NULL: an orderly one); all streams are told; nothing is held. Frees the
 * session, but not yet memory that slices hold. */
void play_end(struct play *play, const struct halo_error *error);
/* Nothing is left. Frees log and output. */
void play_free(struct play *play);

/* Two plays had the same events and sent the same octets, WINDOW_UPDATE apart, whose number
 * depends on how the input is cut. */
bool play_same(const struct play *one, const struct play *other);

#endif
