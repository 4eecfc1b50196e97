/*
 * What the kernel can do, found by doing it on a ring of its own. Takes less than a millisecond,
 * once per process. Only faults that show under load, and so cannot be tried, are told by the
 * kernel's release.
 */
#include "core/io/uring.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    PROBE_GROUP = 1,
    PROBE_BUFFERS = 8,
    PROBE_BUFFER_SIZE = 64,
    PROBE_PAGE = 4096,
    PROBE_COMPLETIONS = 16,
    /* Everything that is tried completes inside our own enter; nothing else has to run for it. */
    PROBE_WAIT_NS = 5 * 1000 * 1000,
};

struct probe {
    struct io_uring uring;
    uint8_t *memory; /* a page for the buffer ring, then the buffers */
    int sockets[2];
    struct ring_completion completions[PROBE_COMPLETIONS];
    uint32_t num_completions;
};

bool ring_release_accept_bug(const char *release)
{
    unsigned int major = 0;
    unsigned int minor = 0;
    unsigned int patch = 0;

    if (sscanf(release, "%u.%u.%u", &major, &minor, &patch) < 2 || major != 6) {
        return false;
    }
    return (minor >= 2 && minor <= 5) || (minor == 6 && patch <= 16) || (minor == 7 && patch <= 4);
}

/* Submits one request. */
static void probe_submit(struct probe *probe, const struct ring_request *request)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&probe->uring);

    HALO_ASSERT(sqe != NULL);
    uring_prepare(sqe, request);
    (void)io_uring_submit(&probe->uring);
}

/* Gathers what completes until `count` completions are there or nothing comes any more. */
static void probe_wait(struct probe *probe, uint32_t count)
{
    struct __kernel_timespec wait = { .tv_nsec = PROBE_WAIT_NS };
    struct io_uring_cqe *cqe;

    HALO_ASSERT(count <= PROBE_COMPLETIONS);
    probe->num_completions = 0;
    while (probe->num_completions < count) {
        int error = io_uring_submit_and_wait_timeout(&probe->uring, &cqe, 1, &wait, NULL);

        if (error == -EINTR) {
            continue;
        }
        if (io_uring_peek_cqe(&probe->uring, &cqe) != 0) {
            return;
        }
        memcpy(&probe->completions[probe->num_completions], cqe, sizeof(probe->completions[0]));
        probe->num_completions++;
        io_uring_cqe_seen(&probe->uring, cqe);
        if ((probe->completions[probe->num_completions - 1].flags & RING_MORE) == 0) {
            return;
        }
    }
}

/* The opcodes of the floor. */
static int probe_opcodes(struct probe *probe)
{
    static const int needed[] = {
        IORING_OP_RECV,     IORING_OP_SEND,         IORING_OP_SENDMSG,
        IORING_OP_ACCEPT,   IORING_OP_CONNECT,      IORING_OP_READ,
        IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_CLOSE,
    };
    struct io_uring_probe *supported = io_uring_get_probe_ring(&probe->uring);
    int error = 0;

    if (supported == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(needed); i++) {
        if (!io_uring_opcode_supported(supported, needed[i])) {
            error = -EINVAL;
        }
    }
    io_uring_free_probe(supported);
    return error;
}

static int probe_buffers(struct probe *probe)
{
    struct ring_buffer_entry *entries = (void *)probe->memory;
    int error = uring_register_buffers(&probe->uring, PROBE_GROUP, entries, PROBE_BUFFERS);

    if (error != 0) {
        return error;
    }
    for (uint16_t i = 0; i < PROBE_BUFFERS; i++) {
        entries[i].address = (uintptr_t)(probe->memory + PROBE_PAGE + i * PROBE_BUFFER_SIZE);
        entries[i].length = PROBE_BUFFER_SIZE;
        entries[i].id = i;
    }
    __atomic_store_n(&entries[0].tail, PROBE_BUFFERS, __ATOMIC_RELEASE);
    return 0;
}

/* A budget of two buffers must end the receive after two, although octets for a third are there. */
static bool probe_budget(struct probe *probe)
{
    const struct ring_request receive = {
        .opcode = RING_RECV,
        .flags = RING_MULTISHOT,
        .group = PROBE_GROUP,
        .fd = probe->sockets[0],
        .budget = 2 * PROBE_BUFFER_SIZE,
        .user_data = 1,
    };
    char octets[3 * PROBE_BUFFER_SIZE] = { 0 };

    if (write(probe->sockets[1], octets, sizeof(octets)) != (ssize_t)sizeof(octets)) {
        return false;
    }
    probe_submit(probe, &receive);
    probe_wait(probe, 2);
    return probe->num_completions == 2 && probe->completions[0].result == PROBE_BUFFER_SIZE &&
           (probe->completions[0].flags & RING_MORE) != 0 &&
           probe->completions[1].result == PROBE_BUFFER_SIZE &&
           (probe->completions[1].flags & RING_MORE) == 0;
}

/* Octets and an end that come together, while the receive waits: two completions. */
static void probe_multishot(struct probe *probe, struct ring_capabilities *out)
{
    const struct ring_request receive = {
        .opcode = RING_RECV,
        .flags = RING_MULTISHOT,
        .group = PROBE_GROUP,
        .fd = probe->sockets[0],
        .user_data = 2,
    };
    char octets[PROBE_BUFFER_SIZE];

    while (recv(probe->sockets[0], octets, sizeof(octets), MSG_DONTWAIT) > 0) {
    }
    probe_submit(probe, &receive);
    if (write(probe->sockets[1], "x", 1) != 1 || shutdown(probe->sockets[1], SHUT_WR) != 0) {
        return;
    }
    probe_wait(probe, 2);
    out->receive_multishot = probe->num_completions >= 1 && probe->completions[0].result == 1 &&
                             (probe->completions[0].flags & RING_MORE) != 0;
    out->receive_end =
        out->receive_multishot && probe->num_completions == 2 && probe->completions[1].result == 0;
}

static bool probe_vectorized(struct probe *probe)
{
    char text[] = "abcde";
    struct iovec pieces[2] = { { text, 2 }, { text + 2, 3 } };
    const struct ring_request send = {
        .opcode = RING_SEND,
        .flags = RING_VECTORIZED,
        .fd = probe->sockets[0],
        .address = pieces,
        .length = 2,
        .user_data = 3,
    };
    char octets[8];

    probe_submit(probe, &send);
    probe_wait(probe, 1);
    return probe->num_completions == 1 && probe->completions[0].result == 5 &&
           recv(probe->sockets[1], octets, sizeof(octets), MSG_DONTWAIT) == 5 &&
           memcmp(octets, text, 5) == 0;
}

/* A kernel that knows such sends refuses one over a UNIX socket, after it has read the request; one
 * that does not know them, or that cannot tell whether it copied, refuses the request. */
static bool probe_zero_copy(struct probe *probe)
{
    char text[] = "abcde";
    struct iovec piece = { text, 5 };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    const struct ring_request send = {
        .opcode = RING_SENDMSG_ZERO_COPY,
        .fd = probe->sockets[0],
        .address = &message,
        .user_data = 4,
    };

    probe_submit(probe, &send);
    probe_wait(probe, 2);
    return probe->num_completions >= 1 && probe->completions[0].result == -EOPNOTSUPP;
}

static int probe_all(struct probe *probe, struct ring_capabilities *out)
{
    struct utsname name;

    HALO_TRY(probe_opcodes(probe));
    HALO_TRY(probe_buffers(probe));
    out->receive_budget = probe_budget(probe);
    out->send_vectorized = probe_vectorized(probe);
    out->send_zero_copy = probe_zero_copy(probe);
    probe_multishot(probe, out); /* last: it uses the sockets up */
    out->accept_multishot = uname(&name) != 0 || !ring_release_accept_bug(name.release);
    return 0;
}

static int probe_run(struct ring_capabilities *out)
{
    struct probe probe = { .memory = MAP_FAILED };
    int error = uring_init(&probe.uring, 8, PROBE_COMPLETIONS);

    if (error != 0) {
        return error;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, probe.sockets) != 0) {
        error = -errno;
        io_uring_queue_exit(&probe.uring);
        return error;
    }
    probe.memory =
        mmap(NULL, 2 * PROBE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    error = probe.memory == MAP_FAILED ? -ENOMEM : probe_all(&probe, out);

    /* The end of the socket ends what is still armed, so that nothing refers to the memory any
     * more. */
    (void)shutdown(probe.sockets[0], SHUT_RDWR);
    close(probe.sockets[0]);
    close(probe.sockets[1]);
    io_uring_queue_exit(&probe.uring);
    if (probe.memory != MAP_FAILED) {
        munmap(probe.memory, 2 * PROBE_PAGE);
    }
    return error;
}

int ring_probe(struct ring_capabilities *capabilities)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct ring_capabilities known;
    static bool done;
    int error = 0;

    pthread_mutex_lock(&lock);
    if (!done) {
        error = probe_run(&known);
        done = error == 0;
    }
    *capabilities = known;
    pthread_mutex_unlock(&lock);
    return error;
}
