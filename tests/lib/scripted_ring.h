/*
 * A ring without a kernel: plays what the kernel would do, in an order and with mishaps drawn from
 * a seed. Octets move between sockets in memory, and time is its own: it advances when the loop
 * waits.
 *
 * It is stricter than the kernel. It stops the program when a descriptor is closed while an
 * operation is under way on it, when the ring is left with operations in it, and when a buffer is
 * given back twice; it overwrites buffers that come back, so that whoever still reads them sees it;
 * it reads iovecs in the enter that submits them, not earlier. A loop that would wait for ever for
 * nothing gets -EDEADLK.
 *
 * Socket numbers begin at FAKE_FD_FIRST, where no real descriptor is. Other descriptors are
 * real.
 */
#ifndef HALO_TESTS_SCRIPTED_RING_H
#define HALO_TESTS_SCRIPTED_RING_H

#include "core/io/ring.h"
#include "scripted_sockets.h"
#include "scripted_zero_copy.h"

/* How often, of 1000 occasions. */
struct scripted_faults {
    uint16_t delay;         /* an operation that could go on waits for a later step */
    uint16_t short_octets;  /* fewer octets than there are, or than there is room for */
    uint16_t again;         /* -EAGAIN: receive, send, read */
    uint16_t no_buffers;    /* -ENOBUFS although there are buffers */
    uint16_t end_multishot; /* the last completion of a multishot, without an error */
    uint16_t reset;         /* the connection breaks: -ECONNRESET, -EPIPE */
    uint16_t accept_error;  /* -EMFILE, -ENFILE, -ENOMEM, -ECONNABORTED, -EINVAL */
    uint16_t
        cancel_late; /* a cancel finds its operation running: -EALREADY, and it ends by itself */
    uint16_t submit_error; /* submit without waiting: -EAGAIN, and nothing is submitted */
};

struct scripted_options {
    uint64_t seed;
    uint32_t entries;       /* of the submission queue; 0: 64 */
    uint32_t socket_buffer; /* octets that a socket takes before its sender must wait; 0: 4096 */
    struct ring_capabilities capabilities;
    struct scripted_faults faults;
    int setup_error;   /* negative errno of setup */
    int buffers_error; /* negative errno of every registration after the first group */
    /* Called at the begin of every submit_and_wait: the peers do their part. Answers whether
     * something was done, or is still to be done: otherwise a wait without end is a deadlock. */
    bool (*step)(struct ring *ring, void *ctx);
    void *ctx;
};

struct ring *scripted_ring_new(const struct scripted_options *options);

/* A connection: `fd` for the loop, `peer` for the test. */
void scripted_pair(struct ring *ring, int *fd, int *peer);
/* A listening socket that connects to 127.0.0.1:port reach. */
int scripted_listener(struct ring *ring, uint16_t port);
/* Connects to a listener of the loop. Returns the peer; -1 when nobody listens there. */
int scripted_connect(struct ring *ring, uint16_t port);
/* A connection that the loop has made to the listener; -1 when there is none. Returns the peer. */
int scripted_accept(struct ring *ring, int listener);
/* As a peer: how many octets were taken, or were there. */
size_t scripted_write(struct ring *ring, int peer, const void *octets, size_t len);
size_t scripted_read(struct ring *ring, int peer, void *octets, size_t len);
/* The peer sends no more. */
void scripted_finish(struct ring *ring, int peer);
/* The peer closes: with unread octets, or `reset`, the other side sees a reset. */
void scripted_close(struct ring *ring, int peer, bool reset);
/* Has the other side of the peer sent its end, or broken off? What was sent before may still be
 * read. */
bool scripted_ended(struct ring *ring, int peer);
/* Time that passes while a callback works. */
void scripted_pass_ns(struct ring *ring, uint64_t ns);
/* From now on. */
void scripted_set_faults(struct ring *ring, const struct scripted_faults *faults);
void scripted_set_zero_copy(struct ring *ring, const struct scripted_zero_copy *how);
/* Sends without a copy that have their result and not their notification; and all there were. */
uint32_t scripted_notes_waiting(const struct ring *ring);
uint64_t scripted_zero_copy_sends(const struct ring *ring);
/* Drops an operation from the ring; the test has completed it by itself. */
void scripted_forget(struct ring *ring, const void *operation);
/* Sockets that nobody has closed. */
uint32_t scripted_open_sockets(const struct ring *ring);
/* Operations in the ring. */
uint32_t scripted_in_flight(const struct ring *ring);
uint64_t scripted_random(struct ring *ring);

#endif
