/*
 * The ring: the narrow door to the kernel. All that halo asks of the kernel while it runs goes
 * through one table of functions, so that tests can put a scripted ring behind it which permutes,
 * shortens, delays and fails completions. The real one is ring_uring.c, the only file that includes
 * liburing.h.
 *
 * The second half of the table is plain system calls that act on the same sockets, and the clock: a
 * scripted ring has to play those too.
 */
#ifndef HALO_CORE_IO_RING_H
#define HALO_CORE_IO_RING_H

#include "core/base/base.h"

enum ring_opcode {
    RING_RECV = 0, /* buffer group; RING_MULTISHOT, budget */
    RING_SEND =
        1, /* address, length; RING_VECTORIZED: address is an iovec array, length its count */
    RING_SENDMSG = 2, /* address is a struct msghdr */
    RING_ACCEPT = 3,  /* RING_MULTISHOT */
    RING_CONNECT = 4, /* address, length: the peer's address; stays valid until the completion */
    RING_READ = 5, /* address, length, offset (RING_NO_OFFSET: pipes); valid until the completion */
    RING_POLL_IN = 6, /* completes when the descriptor can be read */
    RING_CLOSE = 7,   /* posts a completion only when it fails */
    RING_CANCEL = 8,  /* target: the user_data to cancel; posts a completion only when it fails */
    RING_CANCEL_ALL = 9,         /* everything in the ring; the same */
    RING_SENDMSG_ZERO_COPY = 10, /* as RING_SENDMSG, but the octets stay valid until the request's
                                  * last completion */
};

/* Flags of a request. */
enum {
    RING_MULTISHOT = 1u << 0,
    RING_VECTORIZED = 1u << 1,
};

#define RING_NO_OFFSET UINT64_MAX

/* One request. Zeroed members are "not used". What `address` points to is octets that stay valid
 * until the completion, but for iovec arrays and msghdrs: the kernel copies those in the enter that
 * submits them (IORING_FEAT_SUBMIT_STABLE, 5.5). */
struct ring_request {
    uint8_t opcode; /* enum ring_opcode */
    uint8_t flags;
    uint16_t group; /* of provided buffers */
    int fd;
    const void *address;
    uint32_t length;
    uint32_t budget; /* RING_RECV, multishot: end after so many octets; 0: never */
    uint64_t offset; /* RING_READ */
    uint64_t target; /* RING_CANCEL */
    uint64_t user_data;
};

/* Flags of a completion; the same bits as IORING_CQE_F_*. */
enum {
    RING_BUFFER = 1u << 0, /* flags >> RING_BUFFER_SHIFT is the buffer's number in its group */
    RING_MORE = 1u << 1,   /* more completions of this request follow */
    RING_NOTIFICATION = 1u << 3, /* RING_SENDMSG_ZERO_COPY: the octets are not read any more */
};
enum { RING_BUFFER_SHIFT = 16 };

/* In the result of a RING_NOTIFICATION: the kernel has copied the octets after all. */
#define RING_WAS_COPIED (1u << 31)

/* The same layout as struct io_uring_cqe. */
struct ring_completion {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
};

/* An entry of a provided-buffer ring; the same layout as struct io_uring_buf. The ring's tail lies
 * in the `tail` of the first entry. */
struct ring_buffer_entry {
    uint64_t address;
    uint32_t length;
    uint16_t id;
    uint16_t tail;
};

/* What the kernel can do beyond the floor of 6.1; found by doing it, once per process. */
struct ring_capabilities {
    /* 6.0; else one request per completion. */
    bool receive_multishot;
    /* 6.17: a multishot receive ends by itself after `budget` octets. */
    bool receive_budget;
    /* 2026: a multishot receive notices an end that comes right behind octets, also when the socket
     * is not TCP, or the end is a reset (liburing issue 1549). */
    bool receive_end;
    /* 5.19, but not on kernels that hand out false descriptors; see ring_release_accept_bug(). */
    bool accept_multishot;
    /* 6.17: iovec arrays without a msghdr. */
    bool send_vectorized;
    /* 6.2: sends without a copy that tell whether there was one (6.1 does not tell). */
    bool send_zero_copy;
};

struct ring_options {
    uint32_t entries;            /* of the submission queue */
    uint32_t completion_entries; /* of the completion queue */
};

struct ring;

struct ring_ops {
    /* Makes the kernel's ring, for the calling thread only. 0 or a negative errno. */
    int (*setup)(struct ring *ring, const struct ring_options *options);
    /* Gives the kernel's ring back; setup may be called again. Nothing may be in flight. */
    void (*exit)(struct ring *ring);
    /* Frees the object itself. */
    void (*free)(struct ring *ring);
    /* The calling thread begins, or ends, to run the ring for a while: what is registered per
     * thread (the ring's descriptor) must be gone when another thread exits the ring. */
    void (*attach)(struct ring *ring);
    void (*detach)(struct ring *ring);
    /* Writes the request into the submission queue. Only while ring->room is not 0. */
    void (*prepare)(struct ring *ring, const struct ring_request *request);
    /* Submits what is prepared and does not wait; what completes by that alone is in the completion
     * queue then. 0, or a negative errno when not all of it could be submitted. */
    int (*submit)(struct ring *ring);
    /* Submits what is prepared and waits for `count` completions, at most timeout_ns: 0 only lets
     * pending ones happen, negative waits for ever. One system call. 0, also after the timeout or a
     * signal and when the kernel asks to come again; or a negative errno: the ring is unusable. */
    int (*submit_and_wait)(struct ring *ring, uint32_t count, int64_t timeout_ns);
    /* Moves up to `max` completions out of the completion queue; advances the queue once. */
    uint32_t (*reap)(struct ring *ring, struct ring_completion *out, uint32_t max);
    /* Buffer groups: `entries` has room for `count`, a power of two. 0 or a negative errno. */
    int (*buffers_register)(struct ring *ring, uint16_t group, struct ring_buffer_entry *entries,
                            uint32_t count);
    int (*buffers_unregister)(struct ring *ring, uint16_t group);

    /* Plain system calls; clock_ns, socket and close_now also before setup. */
    uint64_t (*clock_ns)(struct ring *ring);
    int (*socket)(struct ring *ring, int family);        /* a stream socket, close-on-exec */
    int (*shutdown)(struct ring *ring, int fd, int how); /* 0 or a negative errno */
    int (*accept_now)(struct ring *ring, int fd); /* a descriptor, -EAGAIN when nobody waits, ... */
    void (*close_now)(struct ring *ring, int fd);
};

struct ring {
    const struct ring_ops *ops;
    uint32_t entries;                      /* of the submission queue; set by setup */
    uint32_t room;                         /* requests that prepare still takes before a submit */
    struct ring_capabilities capabilities; /* set by setup */
};

/* The real ring, not set up yet; NULL when memory is out. */
struct ring *ring_uring_new(void);

/* Tries out what the kernel can do, on a ring of its own; the first call that succeeds answers for
 * the whole process. 0 or the negative errno of what failed. */
int ring_probe(struct ring_capabilities *capabilities);

/* Does this kernel's multishot accept hand out false descriptors when the completion queue is under
 * pressure? (6.2 to 6.6.16 and 6.7.0 to 6.7.4; liburing issue 1062) */
bool ring_release_accept_bug(const char *release);

/* ---- why there is no ring -------------------------------------------------------------- */

/* What the explanation looks at besides the errno. */
struct ring_environment {
    int disabled;        /* /proc/sys/kernel/io_uring_disabled (6.6); -1 when it cannot be read */
    char release[64];    /* the kernel's release, from uname */
    uint64_t open_files; /* RLIMIT_NOFILE */
};

void ring_environment_read(struct ring_environment *environment);
/* Cause and remedy of setup's error, as one message for the user. */
void ring_explain(char *out, size_t size, int error, const struct ring_environment *environment);

#endif
