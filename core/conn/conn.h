/*
 * One connection: a socket, perhaps TLS, and a protocol, and the pump between them.
 *
 *     received octets -> [transport.feed, read] -> protocol.receive -> callbacks
 *     end of the batch: protocol.dispatch, protocol.pull -> [transport.write, output] -> one send
 *     send completed  -> sent -> what waits next
 *
 * The protocol is an HTTP/2 session (conn_session.c); whatever else speaks over a connection takes
 * its place behind the same few functions.
 *
 * A connection has one life and one end:
 *
 *     [CONNECTING ->] HANDSHAKE -> OPEN -> FLUSHING -> LINGERING -> CLOSING -> gone
 *
 *   CONNECTING a client's: there is no socket yet, but its session takes requests already
 *   HANDSHAKE  TLS is not through yet, or a server listens first: there is no protocol yet
 *   OPEN       octets go both ways
 *   FLUSHING   the protocol is over: what it left is sent, then close_notify and the socket's end
 *   LINGERING  our end is sent; input is dropped until the peer's end, so that it can read our last
 *              words before the socket is closed under it
 *   CLOSING    operations are called off; when the last has completed the descriptor is closed, the
 *              owner is told, and the memory is freed
 */
#ifndef HALO_CORE_CONN_CONN_H
#define HALO_CORE_CONN_CONN_H

#include <halo/connection.h>

#include "core/conn/transport.h"
#include "core/io/loop.h"
#include "core/io/sock.h"
#include "core/proto/session.h"

enum {
    /* What is built for one send, and encrypted ahead: enough to keep the socket busy, little
     * enough to keep priorities effective and a stalled peer cheap. */
    CONN_SEND_TARGET = IO_SEND_OCTETS_MAX,
    /* A send of fewer octets is not held up for those that follow: nobody waits for their sake. */
    CONN_FOLLOWED_MIN = 16 * 1024,
    /* Slices that the application may hold of one connection where they were received: each may
     * keep a whole buffer from its ring, or a block of plaintext, be it an octet long. Beyond,
     * what is held is copied: so one slow reader cannot empty the ring for all, and a peer cannot
     * make an octet cost a buffer more than so often. */
    CONN_HELD_BUFFERS_MAX = 8,
};

/* Connections, and sessions, that memory is taken for at a time. */
enum { CONN_SLAB = 16 };

enum conn_phase {
    CONN_CONNECTING,
    CONN_HANDSHAKE,
    CONN_OPEN,
    CONN_FLUSHING,
    CONN_LINGERING,
    CONN_CLOSING,
};

struct conn;

struct protocol_ops {
    /* Takes the slice and tells the user what it means. */
    void (*receive)(struct conn *conn, halo_slice *slice);
    /* No more will come. `error` NULL: an orderly end. */
    void (*receive_end)(struct conn *conn, const struct halo_error *error);
    /* Tells the user what calls and time have led to. */
    void (*dispatch)(struct conn *conn);
    int (*pull)(struct conn *conn, struct iovec *iov, int max, size_t limit);
    void (*sent)(struct conn *conn, size_t len);
    bool (*wants_receive)(const struct conn *conn);
    /* Received buffers that the user holds on to. */
    uint32_t (*held)(const struct conn *conn);
    uint64_t (*next_timeout)(const struct conn *conn);
    void (*tick)(struct conn *conn, uint64_t now_ns);
    /* Everything was told; conn->error says why. */
    bool (*over)(const struct conn *conn);
    /* The last call: tells the user of the end and frees the machine. */
    void (*close)(struct conn *conn);
};

/* Who has connections: a worker of a server, a client. */
struct conn_owner {
    /* The connection is ready, after the TLS handshake. Without a protocol it needs one now:
     * conn_set_session(). */
    void (*on_open)(struct conn *conn);
    /* A stream that the peer opened. */
    void (*on_stream)(struct conn *conn, halo_stream *stream, halo_header_list headers,
                      unsigned flags);
    /* The connection is gone; conn->error says why. Called after the protocol's close, and last. */
    void (*on_closed)(struct conn *conn);
};

/* What another module keeps with a connection. `leave` is called once, when the connection goes:
 * after the end of its streams and of its protocol was told. */
struct conn_guest {
    void (*leave)(struct conn_guest *guest);
    uint32_t announced; /* streams that will have octets to send without the peer doing anything */
    bool scarce;        /* what is sent is to come back at once: no sends without a copy */
};

/* The peer's address. One of a UNIX socket takes much room, and hardly ever has a name: it is
 * elsewhere. */
struct conn_peer {
    union {
        struct sockaddr_in6 ip; /* IPv4, too */
        struct io_address *local;
    };
    socklen_t len; /* 0: empty */
    bool is_local;
};

struct conn_options {
    uint64_t handshake_timeout_ns; /* 0: none */
    uint64_t send_timeout_ns;      /* 0: none */
    /* Without TLS: how long the first octets of the peer are waited for before on_open, which then
     * answers them with one send; 0: on_open comes with conn_start(). */
    uint64_t listen_first_ns;
};

struct conn {
    struct halo_loop *loop;
    const struct conn_owner *owner;
    void *owner_data;
    struct list_link owned;              /* the owner's list */
    struct transport *transport;         /* NULL: no TLS */
    const struct protocol_ops *protocol; /* NULL: none yet */
    void *protocol_data;                 /* of a protocol that is not the session's own */
    const char *http_version;            /* "2.0", or what is spoken instead */
    struct halo_session *session;
    struct conn_guest *files;         /* file responses; NULL: none so far */
    struct conn_zero_copy *zero_copy; /* sends without a copy; NULL: none so far */
    int fd;
    uint8_t phase; /* enum conn_phase */
    bool receive_ended;
    bool receive_paused;
    bool broken;    /* the socket failed: nothing can be sent */
    bool shut_down; /* close_notify was queued */
    bool over_told; /* SESSION_CLOSED was dispatched */
    bool hurried;   /* the end may not wait for the peer */
    struct io_receiver receiver;
    struct io_sender sender;
    struct loop_deferred flush;
    struct timer timer;
    uint64_t phase_deadline_ns; /* of the handshake, of lingering */
    uint64_t send_deadline_ns;
    uint64_t send_timeout_ns;
    uint32_t linger_left;   /* octets that may still come while lingering */
    uint32_t zero_copy_min; /* octets of a send from which on it does not copy; 0: never */
    struct halo_error error;
    struct conn_peer peer; /* where the owner wants it; else empty */
};

/* What all connections of a loop share; made with the first. NULL when memory is out. */
struct conn_env {
    struct proto_env proto;
    struct slab conns;
    struct slab zero_copy_sends;
    uint64_t zero_copy_octets;   /* that they hold */
    uint64_t zero_copy_again_ns; /* not before: the kernel has refused one */
};
struct conn_env *conn_env_of(struct halo_loop *loop);

/* Takes the descriptor and the transport (on failure too: NULL is returned when memory is out).
 * Then conn_start(). With -1 for the descriptor it is connecting: conn_attach() or conn_abort() is
 * to follow, and until then it tells what calls on its session lead to. */
struct conn *conn_new(struct halo_loop *loop, int fd, struct transport *transport,
                      const struct conn_owner *owner, void *owner_data,
                      const struct conn_options *options);
/* The socket of a connecting connection, and its transport, if any: both are taken. Then
 * conn_start(). */
void conn_attach(struct conn *conn, int fd, struct transport *transport,
                 const struct conn_options *options);
void conn_start(struct conn *conn);
/* Does not listen first any longer: on_open comes in here, if that was all it waited for. */
void conn_open(struct conn *conn);
/* Keeps the address; one of a UNIX socket not when memory is out. */
void conn_set_peer(struct conn *conn, const struct io_address *address);
void conn_get_peer(const struct conn *conn, struct io_address *address);
/* Gives the connection its session, which is taken: in on_open or before. */
void conn_set_session(struct conn *conn, struct halo_session *session);
/* Ends the connection at once: no more octets in either direction but an alert. */
void conn_abort(struct conn *conn, const struct halo_error *error);
/* The owner wants the connection gone: once it is over, what is left to be said gets a moment,
 * whether the peer reads it or not. */
void conn_hurry(struct conn *conn);
/* Ends a connection that is of no use, in on_open: what TLS has to say is said. */
void conn_refuse(struct conn *conn, const struct halo_error *error);

/* ---- between the files of this directory ----------------------------------------------- */

/* Has the pump run at the end of the batch. */
static inline void conn_wake(struct conn *conn)
{
    loop_defer(conn->loop, &conn->flush);
}

/* Goes on with the end when the phase allows. Frees the connection in the end: the last call. */
void conn_advance_end(struct conn *conn);
/* From here on only the end matters. `broken`: nothing can be sent any more. */
void conn_begin_end(struct conn *conn, bool broken);
void conn_drop_input(struct conn *conn, size_t len);

/* Sends the pieces, which the session has just described, without a copy. False: a send that copies
 * is to be made. */
bool conn_zero_copy_send(struct conn *conn, const struct iovec *iov, int count);
/* Nothing else is under way: has the kernel let go of all that was sent without a copy? Else it is
 * made to, in time, and the connection is woken then. */
bool conn_zero_copy_over(struct conn *conn);
void conn_zero_copy_free(struct conn *conn);
size_t conn_zero_copy_send_size(void);
/* Adds what a connection holds for it, with that option. */
void conn_zero_copy_memory_bound(uint32_t min, struct halo_memory_bound *bound);

/* May what the connection sends stay in use until the peer has acknowledged it? */
static inline bool conn_sends_zero_copy(const struct conn *conn)
{
    return conn->zero_copy_min != 0;
}

/* Tells what the session's event means, be it of the session or a rare one of a stream. */
void conn_tell_session(struct conn *conn, const struct halo_event *event);

/* Is it time to copy what is held, given that so many slices are held already? */
static inline bool conn_holds_many(const struct conn *conn, uint32_t held)
{
    return HALO_UNLIKELY(held > 0) && (held >= CONN_HELD_BUFFERS_MAX ||
                                       (conn->transport == NULL && bufring_scarce(conn->loop)));
}

extern const struct protocol_ops session_protocol;

/* ---- memory (conn_memory.c) ------------------------------------------------------------ */

/* Adds what a connection holds beside its session and what TLS does; and in `shared`, what its loop holds
 * for all. 0 or HALO_E_INVALID_ARGUMENT. `options` NULL: the defaults. */
int conn_memory_bound(const struct halo_loop_options *options, bool tls,
                      struct halo_memory_bound *bound) HALO_MUST_USE;

#endif
