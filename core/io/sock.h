/*
 * Sockets: receive, send, accept, connect, and the calls around them.
 *
 * The objects below are embedded in their owner and hold one operation each. Common rules:
 *   - Callbacks run from the loop's turn, never inside a call of this header.
 *   - A callback that ends an operation is the last thing that touches the object: it may start it
 *     again or free it. Which callbacks end something is said at each.
 *   - stop and cancel answer true when nothing is under way: then no callback follows and the
 *     object may be freed. When they answer false, the ending callback follows.
 *   - An object does not close its descriptor (but for a connector that fails). The owner does,
 *     with io_close(), when all objects on it are idle: closed earlier, it stays open in the kernel
 *     and its peer sees no end.
 */
#ifndef HALO_CORE_IO_SOCK_H
#define HALO_CORE_IO_SOCK_H

#include <sys/uio.h>

#include "core/base/list.h"
#include "core/io/address.h"
#include "core/io/op.h"
#include "core/io/timers.h"

struct bufring_group;
struct halo_loop;

/* ---- receive --------------------------------------------------------------------------- */

/* Octets that one connection may receive before the others get their turn, where the kernel can
 * limit it (6.17); eight buffers of 8 KiB. On older kernels 32 buffers (6.8 and later) or all there
 * are. */
enum { IO_RECEIVE_BUDGET = 64 * 1024 };

/*
 * A stream of slices from a socket.
 *
 *   start -> on_received ... on_received -> on_receive_end
 *   pause: takes effect in the kernel with the turn's next enter. Until then on_received may still
 *          bring what was completed when pause was called (at most what lies in the completion
 *          queue), and on_receive_end may come. While paused, nothing is noticed: no data, no end,
 *          no error of the socket.
 *   stop:  no on_received any more; octets that still come are dropped.
 */
struct io_receiver {
    struct io_op op;
    struct halo_loop *loop;
    struct bufring_group *group; /* the one it is armed on */
    struct list_link starved;    /* in bufring.starved */
    /* Takes the slice: the callback (or whoever it gives it to) releases it. */
    void (*on_received)(struct io_receiver *receiver, halo_slice *slice);
    /* Ends it. 0: the peer has sent its end; else a negative errno, -ECANCELED after stop. */
    void (*on_receive_end)(struct io_receiver *receiver, int error);
    int fd;
    /* Set it before start when the socket is not TCP (AF_UNIX): there a multishot receive of
     * kernels before 2026 may miss the end. With TCP it may only miss a reset right behind octets,
     * which the next send finds. */
    bool is_local;
    bool started;
    bool paused;
    bool stopping;
    bool in_callback;
};

void io_receiver_init(struct io_receiver *receiver, struct halo_loop *loop, int fd,
                      void (*on_received)(struct io_receiver *receiver, halo_slice *slice),
                      void (*on_receive_end)(struct io_receiver *receiver, int error));
void io_receiver_start(struct io_receiver *receiver);
void io_receiver_pause(struct io_receiver *receiver);
void io_receiver_resume(struct io_receiver *receiver);
bool io_receiver_stop(struct io_receiver *receiver);

/* Nothing is under way and nothing will be called. True before start, after on_receive_end began,
 * and after a stop that answered true. A paused receiver may be idle in the kernel but is not idle
 * here. */
static inline bool io_receiver_idle(const struct io_receiver *receiver)
{
    return !receiver->started;
}

/* ---- send ------------------------------------------------------------------------------ */

/* Pieces of one send. Up to eight cost nothing extra; before 6.10 the kernel allocates for more. */
enum { IO_SEND_PIECES_MAX = 16 };

/* Advice for who builds a send: the kernel reports no progress before all of it is accepted, so a
 * write-stall timer makes sense only when one send is not too much. */
enum { IO_SEND_OCTETS_MAX = 128 * 1024 };

/* A smaller send costs less with the copy than with the notification that saves it. */
enum { IO_ZERO_COPY_OCTETS_MIN = 16 * 1024 };

struct io_zero_copy;

/* One send at a time: two in flight on one socket can be reordered by the kernel. */
struct io_sender {
    struct io_op op;
    struct halo_loop *loop;
    struct io_zero_copy *zero_copy; /* the one that is under way; NULL: none */
    /* Ends the send. `result`: octets that were accepted, may be fewer than asked for, also 0 (the
     * kernel said "again"): the owner sends the rest. Or a negative errno: -EPIPE, -ECONNRESET,
     * -ECANCELED ... */
    void (*on_sent)(struct io_sender *sender, int result);
    int fd;
    bool corked; /* by io_sender_cork() */
};

void io_sender_init(struct io_sender *sender, struct halo_loop *loop, int fd,
                    void (*on_sent)(struct io_sender *sender, int result));
/* Sends the pieces in order. The array is copied; the octets stay as they are until on_sent. Only
 * when none is under way, and not before the loop runs: connections that exist earlier send from a
 * deferred call. */
void io_sender_send(struct io_sender *sender, const struct iovec *pieces, int num_pieces);
/* Between sends. On: what comes next is as good as there, and packets that the sends until then do
 * not fill wait for it (at most 200 ms). Off: they go out. Calls the kernel when that changes. */
void io_sender_cork(struct io_sender *sender, bool on);
/* Gives up a send that is under way; on_sent follows and tells what was accepted until then. */
bool io_sender_cancel(struct io_sender *sender);

static inline bool io_sender_idle(const struct io_sender *sender)
{
    return io_op_idle(&sender->op) && sender->zero_copy == NULL;
}

/*
 * A send whose octets the kernel does not copy: it reads them where they are until the peer has
 * acknowledged them, long after the sender may send again. So each has an operation of its own,
 * which the owner keeps, with the octets, until on_released. That may be after a second or never
 * while the peer does not read; calling the send off does not change it, the end of the socket
 * does. They may be released in any order.
 */
struct io_zero_copy {
    struct io_op op;
    struct io_sender *sender; /* NULL: it has its result */
    /* Ends the send as the sender's on_sent does. Also -ENOMEM, -ENOBUFS: the user may not lock
     * more memory (RLIMIT_MEMLOCK). -EOPNOTSUPP: the socket cannot. */
    void (*on_sent)(struct io_zero_copy *send, int result);
    /* After on_sent, last, whatever the result was: the octets are not read any more. `copied`: the
     * kernel made a copy after all. */
    void (*on_released)(struct io_zero_copy *send, bool copied);
};

void io_zero_copy_init(struct io_zero_copy *send,
                       void (*on_sent)(struct io_zero_copy *send, int result),
                       void (*on_released)(struct io_zero_copy *send, bool copied));
/* io_sender_send() in that way; where ring.h's send_zero_copy says that it can be done. Until
 * on_sent the sender is not idle, and its cancel calls this send off. */
void io_sender_send_zero_copy(struct io_sender *sender, struct io_zero_copy *send,
                              const struct iovec *pieces, int num_pieces);

/* ---- accept ---------------------------------------------------------------------------- */

enum io_acceptor_state {
    IO_ACCEPTOR_IDLE = 0,
    IO_ACCEPTOR_RUNNING = 1,
    IO_ACCEPTOR_PAUSED = 2,
    IO_ACCEPTOR_STOPPING = 3,
};

/*
 * Accepts connections of a listening socket. Accepted descriptors are close-on-exec, blocking, and
 * have the TCP options of the listener. When descriptors or memory run out it backs off, 10 ms at
 * first and then longer, up to 100 ms, and goes on.
 */
struct io_acceptor {
    struct io_op op;
    struct halo_loop *loop;
    struct timer backoff;
    /* Takes the descriptor; it is counted as open by halo. */
    void (*on_accepted)(struct io_acceptor *acceptor, int fd);
    /* For the log; may be NULL. The acceptor goes on by itself. */
    void (*on_accept_error)(struct io_acceptor *acceptor, int error);
    /* Ends it, after io_acceptor_stop(). The owner closes the listening socket now. */
    void (*on_accept_end)(struct io_acceptor *acceptor);
    void *owner; /* the owner's */
    int fd;
    uint32_t backoff_ms;
    uint8_t state; /* enum io_acceptor_state */
    bool drain;
    bool multishot;
    bool in_callback;
};

void io_acceptor_init(struct io_acceptor *acceptor, struct halo_loop *loop, int fd,
                      void (*on_accepted)(struct io_acceptor *acceptor, int fd),
                      void (*on_accept_end)(struct io_acceptor *acceptor));
void io_acceptor_start(struct io_acceptor *acceptor);
/* At the limit of connections: leaves further ones in the kernel's queue. Those accepted already
 * are still handed out. */
void io_acceptor_pause(struct io_acceptor *acceptor);
void io_acceptor_resume(struct io_acceptor *acceptor);
/* Stops for good. With `drain`, connections that the kernel has already established in its queue
 * are handed out before the end, for closing the listening socket would reset them; without, they
 * and late ones are reset. */
bool io_acceptor_stop(struct io_acceptor *acceptor, bool drain);

static inline bool io_acceptor_idle(const struct io_acceptor *acceptor)
{
    return acceptor->state == IO_ACCEPTOR_IDLE;
}

/* ---- connect --------------------------------------------------------------------------- */

struct io_connect_options {
    struct io_address local; /* address to connect from; empty: the kernel chooses */
    uint64_t timeout_ns;     /* 0: the kernel's own, about two minutes */
};

struct io_connector {
    struct io_op op;
    struct halo_loop *loop;
    struct timer timeout;
    /* Ends it. `result`: the connected descriptor, which is taken; or a negative errno: -ETIMEDOUT,
     * -ECONNREFUSED, -ECANCELED ... */
    void (*on_connected)(struct io_connector *connector, int result);
    struct io_address address;
    int fd;
    int reason; /* why it was given up: a timeout, a cancel, no socket; else 0 */
};

void io_connector_init(struct io_connector *connector, struct halo_loop *loop,
                       void (*on_connected)(struct io_connector *connector, int result));
/* `options` may be NULL. Everything that goes wrong is told by on_connected. The socket gets
 * TCP_NODELAY. */
void io_connector_start(struct io_connector *connector, const struct io_address *address,
                        const struct io_connect_options *options);
bool io_connector_cancel(struct io_connector *connector);

static inline bool io_connector_idle(const struct io_connector *connector)
{
    return io_op_idle(&connector->op);
}

/* ---- calls ----------------------------------------------------------------------------- */

/* Options of a listening socket; accepted sockets inherit those of TCP. Zero means the kernel's
 * default, unless said otherwise. */
struct io_listen_options {
    uint32_t backlog; /* 0: 4096, cut by net.core.somaxconn */
    bool reuse_port;  /* SO_REUSEPORT: several workers listen on one port */
    bool ipv6_only;   /* else [::] takes IPv4 too */
    bool delay;       /* leaves Nagle's algorithm on; off by default */
    bool keep_alive;  /* SO_KEEPALIVE */
    uint32_t keep_alive_idle_s;
    uint32_t keep_alive_interval_s;
    uint32_t keep_alive_count;
    uint32_t user_timeout_ms; /* TCP_USER_TIMEOUT: unacknowledged data ends the connection */
    uint32_t not_sent_lowat;  /* TCP_NOTSENT_LOWAT, octets */
    uint32_t defer_accept_s;  /* TCP_DEFER_ACCEPT: accept when octets are there, or so late */
    uint32_t send_buffer;     /* SO_SNDBUF, octets */
    uint32_t receive_buffer;  /* SO_RCVBUF, octets */
};

/* Makes a listening socket, counted as open by halo. `address` is TCP or a UNIX path; port 0 lets
 * the kernel choose. Returns the descriptor or a negative errno. */
int io_listen(struct halo_loop *loop, const struct io_address *address,
              const struct io_listen_options *options) HALO_MUST_USE;

/* Ends directions of a connection (SHUT_WR, SHUT_RDWR). SHUT_RDWR makes operations under way
 * complete. A system call: the io_uring operation would always go through a worker thread. 0 or a
 * negative errno. */
int io_shutdown(struct halo_loop *loop, int fd, int how);

/* Closing resets the connection instead of ending it; what is unsent is dropped. */
void io_set_reset_on_close(int fd);

/* Closes a descriptor that is counted as open by halo. Nothing may be under way on it. It happens
 * with the next enter, which saves a system call; io_close_now: at once, so that a listener's
 * address is free when it returns. */
void io_close(struct halo_loop *loop, int fd);
void io_close_now(struct halo_loop *loop, int fd);

/* A descriptor came into halo's hands by other ways (a file that was opened, a socket that the user
 * gave), or left them: the ledger of descriptors. io_listen, accept and connect count theirs,
 * io_close uncounts. */
void io_fd_opened(struct halo_loop *loop, int fd);
void io_fd_closed(struct halo_loop *loop, int fd);

/* ---- for core/io ----------------------------------------------------------------------- */

/* Arms up to `count` of the receivers that wait for buffers. */
void io_receivers_feed(struct halo_loop *loop, uint32_t count);
/* Makes the loop's memory for iovecs. 0 or HALO_E_NOMEM. */
int io_send_slots_new(struct halo_loop *loop) HALO_MUST_USE;
size_t io_send_slots_size(void);
/* Copies the pieces to where they stay until the enter, as a msghdr. NULL when there is no place for
 * them. */
struct msghdr *io_send_slot(struct halo_loop *loop, const struct iovec *pieces, int num_pieces);
/* What an owner is told of a result. */
int io_send_result(const struct halo_loop *loop, int result);

#endif
