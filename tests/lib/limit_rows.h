/*
 * Limits as a table: what is done n times (or with n octets, or for n milliseconds), how far that passes, and
 * what happens beyond. Each row is played with the defaults and with one value changed by option, each at
 * one below the limit, at the limit, and one beyond, as scenarios of fake_peer.h.
 */
#ifndef HALO_TESTS_LIMIT_ROWS_H
#define HALO_TESTS_LIMIT_ROWS_H

#include "fake_peer.h"

enum limit_outcome {
    PASSES, /* no reset, no end */
    RESETS, /* RST_STREAM with the row's code; the connection lives on */
    ENDS,   /* GOAWAY with the row's code, and the session's end for that reason */
    FAILS,  /* the call says row->code (a status) and nothing is sent for it */
    STOPS,  /* no more input is wanted */
};

struct limit_row {
    const char *name;
    int role;
    /* Does it `n` times; for FAILS the result of the last call goes to peer->counter. */
    void (*reach)(struct fake_peer *peer, uint32_t n);
    uint32_t limit; /* the last that passes */
    uint8_t beyond; /* enum limit_outcome */
    uint8_t within; /* the same for what is within */
    int code;
    int code_within; /* of RESETS within; default 0: `code` */
    /* Another limit by option; NULL: it has none. */
    void (*change)(struct halo_session_options *options, uint32_t value);
    uint32_t value;         /* of the option */
    uint32_t changed_limit; /* the last that passes then */
    /* Takes other limits out of the way, in both cases. */
    void (*prepare)(struct halo_session_options *options);
};

/* Returns how many failed. */
int limit_rows_run(const char *name, const struct limit_row *rows, size_t count);

#endif
