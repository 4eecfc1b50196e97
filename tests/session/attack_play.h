/*
 * Attacks as recipes: what the attacker sends, what the application does meanwhile, and what it may cost. Played
 * by attacks_test.c, which checks the bounds, and by bench/attacks.sh, which counts instructions.
 */
#ifndef HALO_TESTS_ATTACK_PLAY_H
#define HALO_TESTS_ATTACK_PLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <halo/session.h>

#include "frames.h"

/* What the application does with requests. */
enum handler {
    HANDLER_SILENT, /* works on them for ever */
    HANDLER_ANSWER, /* 200 without a body */
    HANDLER_BODY,   /* a body of 10 MiB */
    HANDLER_PAUSE,  /* does not read their body */
    HANDLER_RESET,  /* refuses them */
};

struct attack {
    const char *name; /* as in docs/scorecard.md */
    /* Behind preface, SETTINGS and ACK, and not counted. NULL: nothing. */
    void (*begin)(struct wire *wire);
    /* The attack's frame number i (or the few that belong together). */
    void (*frame)(struct wire *wire, uint32_t i);
    uint32_t frames;                 /* sent at most */
    uint8_t handler;                 /* enum handler */
    bool unread;                     /* the attacker does not read */
    uint32_t setting, setting_value; /* of the attacker's SETTINGS; 0: none */
    uint32_t step_ms;                /* between frames */

    /* Bounds. */
    uint32_t ends_within; /* frames; 0: the session outlives them all */
    bool stops;           /* ... or reading stops there */
    uint32_t code;        /* of GOAWAY */
    uint32_t handlers;    /* requests that reach the application, at most */
    bool all_cut;         /* no request is left in the end */
    size_t memory;        /* octets beyond those before the attack; 0: 128 KiB */
    double octets_out;    /* for each that came in; 0: 1.5 */
};

extern const struct attack attacks[];
extern const size_t attack_count;

struct attack_cost {
    uint32_t frames; /* handled until the end, the stop, or all */
    bool ended, stopped;
    uint32_t code;
    uint32_t handlers;
    uint32_t most_handlers; /* at once */
    uint32_t running;       /* in the end */
    size_t memory;          /* most, beyond those before the attack */
    size_t left;            /* pieces of memory after the session was freed: none */
    size_t session_memory;  /* most that halo_session_memory() said */
    uint64_t octets_in, octets_out;
};

void attack_play(const struct attack *attack, struct attack_cost *cost);

#endif
