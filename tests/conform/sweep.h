/*
 * Every frame: 256 types, 256 flags, 7 lengths, in each state that a stream of the peer's other end
 * can be in, against what the RFC and halo's choices predict from the frame's header alone.
 * Payloads are octets of 0, so that they mean one thing for each type.
 *
 * The prediction is written down apart from the library, as a table of rules in the order of the
 * RFC: one for sessions of a server, one for those of a client.
 */
#ifndef HALO_TESTS_SWEEP_H
#define HALO_TESTS_SWEEP_H

#include "conform.h"

enum {
    /* No answer; otherwise the code of GOAWAY, or that of RST_STREAM and this. */
    SWEEP_FINE = -1,
    SWEEP_STREAM = 100,
    SWEEP_STATES_MAX = 9,
};

struct sweep_step {
    int state; /* of the role's; 0: the frame is on stream 0 */
    uint8_t type;
    uint8_t flags;
    uint32_t len;
};

struct sweep_role {
    int role; /* of the session under test */
    int states;
    int (*predict)(const struct sweep_step *step);
    void (*options)(struct halo_session_options *options);
    uint32_t (*stream_id)(int state);
    /* Calls that are made before the peer says anything. */
    void (*prepare)(halo_session *session, int state);
    /* What the peer says to get into the state. */
    void (*opening)(struct wire *in, int state);
    void (*on_event)(const struct halo_event *event, int state);
};

extern const struct sweep_role sweep_server;
extern const struct sweep_role sweep_client;

/* ---- rules that are the same for both (sweep_rules.c) ------------------------------------------- */

/* What is wrong with the frame whatever the state is; SWEEP_FINE: nothing, on with the rules of its
 * type. */
int sweep_predict_any(const struct sweep_step *step);
/* The octets of a header block in HEADERS, in *len; the code of the connection's end, or
 * SWEEP_FINE. */
int sweep_predict_block(const struct sweep_step *step, uint32_t *len);
int sweep_predict_settings(const struct sweep_step *step);

#endif
