/*
 * Connections of a server that sends without a copy, over the scripted ring, and clients at their
 * other ends: halo's own sans-I/O sessions. Each response has a body of one of five kinds, whose
 * memory is overwritten as soon as halo gives it back; what arrives is compared octet by octet, and
 * the ring looks at what was sent once more when its notification comes.
 */
#ifndef HALO_TESTS_ZERO_COPY_FIXTURE_H
#define HALO_TESTS_ZERO_COPY_FIXTURE_H

#include "io_fixture.h"

#include "core/conn/conn.h"
#include "scripted_ring.h"

enum { WORLD_CONNECTIONS_MAX = 80, WORLD_STREAMS = 16, WORLD_FILE_LEN = 8 * 1024 * 1024 };

enum world_body { BODY_BORROWED, BODY_COPIED, BODY_SLICE, BODY_SOURCE, BODY_FILE, BODY_KINDS };

struct world;

struct world_link {
    struct world *world;
    struct conn *conn; /* NULL: gone */
    int peer;
    halo_session *client;
    uint32_t requests;
    bool left; /* the client has ended it */
    bool closed_seen;
    int status; /* of the connection's end */
};

struct world {
    struct halo_loop *loop;
    struct ring *ring;
    struct loop_handle handle;
    int file; /* WORLD_FILE_LEN octets, for bodies */
    struct world_link links[WORLD_CONNECTIONS_MAX];
    uint32_t num_links;
    /* What the clients do. */
    uint32_t at_once;  /* requests of each connection */
    uint64_t requests; /* that are still to be made */
    size_t body_min, body_max;
    uint32_t reset_of_1000; /* how often a frame of DATA is answered by a reset, of either side */
    bool stalled;           /* they do not read */
    bool only_files;        /* are responded with */
    bool (*over)(struct world *world);
    /* What has happened. */
    uint64_t resets;
    uint64_t completed;
    uint64_t octets;
    uint64_t lent; /* bodies that the application has not back */
};

struct world_options {
    uint64_t seed;
    uint32_t zero_copy_min; /* 0: 16384 */
    uint32_t socket_buffer; /* 0: 1 MiB */
    struct scripted_faults faults;
    struct scripted_zero_copy zero_copy;
    bool unable; /* the kernel does not know such sends */
};

void world_open(struct world *world, const struct world_options *options, uint32_t connections);
/* Runs until `over` says so at the begin of a wait. */
void world_run(struct world *world, bool (*over)(struct world *world));
/* All requests were made, and all their streams are closed. */
bool world_is_quiet(struct world *world);
/* The clients end their connections; runs until the server's ends are gone, too. */
void world_leave(struct world *world);
/* Everything must have come back. */
void world_close(struct world *world);
uint32_t world_random(struct world *world, uint32_t limit);
uint64_t world_held(const struct world *world);

#endif
