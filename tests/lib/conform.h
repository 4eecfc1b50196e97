/*
 * Cases of conformance: what a peer sends, and what a session must make of it. Each is played as
 * a scenario (fake_peer.h), so with its input whole, octet by octet and in pieces, and every run
 * must end the same way.
 *
 * A row names what the RFC asks for and what halo does: where the RFC has a stream error, halo
 * may end the connection with the same code (RFC 9113 5.4.1 lets it; docs/ARCHITECTURE.md says
 * where halo does). Where the RFC has a connection error, nothing less is enough.
 */
#ifndef HALO_TESTS_CONFORM_H
#define HALO_TESTS_CONFORM_H

#include "fake_peer.h"

enum conform_outcome {
    ACCEPTED_,         /* no error; the case says itself what must have come */
    STREAM_ERROR_,     /* RST_STREAM, and the connection goes on */
    CONNECTION_ERROR_, /* GOAWAY, and nothing after it */
};

enum conform_before {
    /* Preface and SETTINGS are exchanged; a client has sent GET with END_STREAM on stream 1. */
    OPENED = 0,
    NOTHING, /* not even that */
    POSTED,  /* client: POST on stream 1 whose body is not over; server: the same from the peer */
};

struct conform_case {
    struct scenario scenario; /* first: the way back from fake_peer.scenario */
    const char *name;
    void (*play)(struct fake_peer *peer);
    enum conform_before before;
    bool answers; /* requests are answered 200 without a body */
    enum conform_outcome rfc;
    enum conform_outcome halo;
    uint32_t code;
    uint32_t stream_id;
    uint32_t reset_first; /* RST_STREAM of this stream precedes GOAWAY */
    const void *data;     /* what tells cases of one play apart; for conform_data() */
};

/* What a row says after the name. */
#define ACCEPTED .rfc = ACCEPTED_, .halo = ACCEPTED_
#define CONNECTION_ERROR(code_)                                                                    \
    .rfc = CONNECTION_ERROR_, .halo = CONNECTION_ERROR_, .code = HALO_##code_
#define STREAM_ERROR(id_, code_)                                                                   \
    .rfc = STREAM_ERROR_, .halo = STREAM_ERROR_, .stream_id = (id_), .code = HALO_##code_
/* The RFC has a stream error, halo makes it one of the connection. */
#define STREAM_ERROR_THAT_ENDS(code_)                                                              \
    .rfc = STREAM_ERROR_, .halo = CONNECTION_ERROR_, .code = HALO_##code_
/* The RFC lets it pass; halo ends the connection, since honest peers do not do it. */
#define REFUSED_BY_CHOICE(code_) .rfc = ACCEPTED_, .halo = CONNECTION_ERROR_, .code = HALO_##code_

#define CONFORM_CASE(role_, test_, ...)                                                            \
    {                                                                                              \
        .scenario = { .run = conform_play, .role = (role_) }, .name = #test_, .play = (test_),     \
        __VA_ARGS__                                                                                \
    }
/* A case whose play others share: `data_` is what it makes of it. */
#define CONFORM_ROW(test_, play_, data_, ...)                                                      \
    {                                                                                              \
        .scenario = { .run = conform_play, .role = HALO_SERVER }, .name = #test_, .play = (play_), \
        .data = (data_), __VA_ARGS__                                                               \
    }
#define SERVER_CASE(test_, ...) CONFORM_CASE(HALO_SERVER, test_, __VA_ARGS__)
#define CLIENT_CASE(test_, ...) CONFORM_CASE(HALO_CLIENT, test_, __VA_ARGS__)

struct conform_group {
    const char *name;
    const struct conform_case *cases;
    size_t count;
};
#define CONFORM_GROUP(group_, name_, cases_)                                                       \
    const struct conform_group group_ = { (name_), (cases_), HALO_ARRAY_LEN(cases_) }

/* The `data` of the case that is played. */
const void *conform_data(const struct fake_peer *peer);
/* The run of each scenario. */
void conform_play(struct fake_peer *peer);
/* Runs a group; returns the number of cases that failed. */
int conform_run(const struct conform_group *group);

void put_request_block(struct wire *block);
/* HEADERS of GET / with one more field, END_STREAM. */
void put_get_with(struct wire *wire, uint32_t id, const char *name, const char *value);
/* Ends what was said so far, which must be nothing but SETTINGS and their ACK. */
void expect_opening(struct fake_peer *peer);
/* The answer to a request (conform_case.answers). */
void expect_answer(struct fake_peer *peer, uint32_t id);

#endif
