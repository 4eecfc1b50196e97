/*
 * What a connection needs from TLS: octets of the socket in, plaintext out, plaintext in, octets
 * for the socket out. No I/O happens behind this interface; a transport is a machine between two
 * pairs of queues. A connection without TLS has no transport: its octets go straight to the
 * protocol.
 *
 * The connection drives it like this:
 *   received octets  -> feed(); then read() until it gives nothing
 *   protocol output  -> write() pieces while room() allows; then output() gives what to send
 *   send completed   -> sent()
 *   end              -> shutdown() once (queues close_notify), output is flushed, then free()
 */
#ifndef HALO_CORE_CONN_TRANSPORT_H
#define HALO_CORE_CONN_TRANSPORT_H

#include <sys/uio.h>

#include <halo/error.h>

#include "core/base/memory.h"
#include "core/base/slice.h"

enum transport_state {
    TRANSPORT_HANDSHAKE, /* read() and write() move no plaintext yet */
    TRANSPORT_OPEN,
    TRANSPORT_CLOSED, /* the peer's close_notify was read: no more plaintext will come */
    TRANSPORT_FAILED, /* transport->error says why; output() may still hold the alert */
};

struct transport;

struct transport_ops {
    /* Takes the slice in any case. Work happens in read(). */
    void (*feed)(struct transport *transport, halo_slice *in);
    /* The socket's end was read. Afterwards read() ends in TRANSPORT_CLOSED after close_notify,
     * else in TRANSPORT_FAILED with HALO_E_EOF (truncation). */
    void (*feed_end)(struct transport *transport);
    /* Goes on with the handshake, or gives the next plaintext as a counted slice, which the caller
     * releases. *out is empty when all input was worked off. May add to the output (handshake,
     * alerts). */
    enum transport_state (*read)(struct transport *transport, halo_slice *out);
    /* Encrypts octets of iov[0..count) in order, at most `max` of them, as full records where it
     * can. Returns how many were taken; less than asked only when memory is out (then the state is
     * TRANSPORT_FAILED) or the state is not TRANSPORT_OPEN. */
    size_t (*write)(struct transport *transport, const struct iovec *iov, int count, size_t max);
    /* What is to be sent to the socket: fills up to `max` pieces, returns how many. They stay valid
     * until sent() has said so. */
    int (*output)(struct transport *transport, struct iovec *iov, int max);
    /* The first `len` octets of the output were sent. */
    void (*sent)(struct transport *transport, size_t len);
    /* Queues close_notify, once; nothing is written afterwards. */
    void (*shutdown)(struct transport *transport);
    /* Gives back what an idle connection does not need. */
    void (*idle)(struct transport *transport);
    void (*free)(struct transport *transport);
};

struct transport {
    const struct transport_ops *ops;
    struct memory *memory;
    enum transport_state state;
    size_t output_len; /* octets waiting in output() */
    const char *alpn;  /* after the handshake: "h2", "http/1.1", or "" when none was negotiated */
    struct halo_error error; /* with TRANSPORT_FAILED */
    char reason[160];        /* error.reason points here when the text is made */
};

#endif
