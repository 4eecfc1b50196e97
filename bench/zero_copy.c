/*
 * What a send without a copy is worth, with nothing around it: one TCP connection and io_uring.
 *
 *     zero_copy take ADDRESS PORT             listens, and reads what comes until it ends
 *     zero_copy give ADDRESS PORT WAY FROM SIZE MIB
 *
 * WAY is "copy" (a send) or "zero" (a send without a copy); FROM is "memory" (the same octets again
 * and again, as of a cache) or a file that is read into the block that is sent next. One send of
 * SIZE octets is under way at a time, as in halo. A block that was sent without a copy is used again
 * when its notification has come; at most HELD_MAX octets wait for theirs, then it waits. Both print
 * what the processor did for them; bench/zero_copy.sh makes two network namespaces and runs them in
 * turn.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

enum {
    HELD_MAX = 1024 * 1024,
    BLOCKS_MAX = 256,
    BLOCK_MAX = 1024 * 1024,
    READ_LEN = 256 * 1024,
};

/* Kernels since 6.2; liburing 2.3 does not know them. */
#define REPORT_USAGE (1U << 3)
#define USAGE_COPIED (1U << 31)

static void require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "zero_copy: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
    struct sockaddr_in out = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

    require(inet_pton(AF_INET, address, &out.sin_addr) == 1, "address");
    return out;
}

static long long clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static long long own_cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- take ------------------------------------------------------------------------------ */

static int take(const char *address, const char *port)
{
    static char octets[READ_LEN];
    struct sockaddr_in at = address_of(address, port);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    int fd;
    ssize_t len;
    unsigned long long total = 0;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    require(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
    require(listen(listener, 1) == 0, "listen");
    printf("ready\n");
    fflush(stdout);
    fd = accept(listener, NULL, NULL);
    require(fd >= 0, "accept");
    while ((len = recv(fd, octets, sizeof(octets), 0)) > 0) {
        total += (unsigned long long)len;
    }
    printf("took_mib=%llu cpu_us=%lld\n", total >> 20, own_cpu_us());
    return 0;
}

/* ---- give ------------------------------------------------------------------------------ */

struct giver {
    struct io_uring ring;
    char *blocks;
    char held[BLOCKS_MAX];
    unsigned count; /* of blocks */
    unsigned size;
    unsigned num_held;
    unsigned long long notified;
    unsigned long long copied;
    int result; /* of the operation that has ended last */
    int ended;
};

/* Takes completions until the operation under way has its own, or (when none is) until a block is
 * free. */
static void work(struct giver *giver, int for_block)
{
    giver->ended = 0;
    while (for_block ? giver->num_held == giver->count : !giver->ended) {
        struct io_uring_cqe *cqe;

        require(io_uring_submit_and_wait(&giver->ring, 1) >= 0, "io_uring");
        while (io_uring_peek_cqe(&giver->ring, &cqe) == 0) {
            unsigned long long block = cqe->user_data;

            if ((cqe->flags & IORING_CQE_F_NOTIF) != 0) {
                giver->notified++;
                giver->copied += ((unsigned)cqe->res & USAGE_COPIED) != 0;
                giver->held[block] = 0;
                giver->num_held--;
            } else {
                giver->result = cqe->res;
                giver->ended = 1;
                if ((cqe->flags & IORING_CQE_F_MORE) != 0) {
                    giver->held[block] = 1;
                    giver->num_held++;
                }
            }
            io_uring_cqe_seen(&giver->ring, cqe);
        }
    }
}

static void fill(struct giver *giver, int file, unsigned block, unsigned long long *offset)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&giver->ring);

    io_uring_prep_read(sqe, file, giver->blocks + (size_t)block * giver->size, giver->size,
                       *offset);
    sqe->user_data = block;
    work(giver, 0);
    /* At the end of the file the rest of the block is what it was. */
    *offset = giver->result < (int)giver->size ? 0 : *offset + giver->size;
}

static void send_block(struct giver *giver, int fd, unsigned block, int zero)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&giver->ring);
    const char *from = giver->blocks + (size_t)block * giver->size;

    if (zero) {
        io_uring_prep_send_zc(sqe, fd, from, giver->size, MSG_WAITALL | MSG_NOSIGNAL, REPORT_USAGE);
    } else {
        io_uring_prep_send(sqe, fd, from, giver->size, MSG_WAITALL | MSG_NOSIGNAL);
    }
    sqe->user_data = block;
    work(giver, 0);
    errno = giver->result < 0 ? -giver->result : 0;
    require(giver->result == (int)giver->size, "send");
}

/* A block that nobody reads. In memory the octets stay the same, and one after the other has its
 * turn, as the files of a cache; from a file the first is taken, which is in the processor's cache. */
static unsigned take_block(struct giver *giver, unsigned last, int in_turn)
{
    unsigned block = in_turn ? (last + 1) % giver->count : 0;

    if (giver->num_held == giver->count) {
        work(giver, 1);
    }
    while (giver->held[block]) {
        block = (block + 1) % giver->count;
    }
    return block;
}

static void set_up(struct giver *giver, unsigned size, int zero)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    };

    require(size > 0 && size <= BLOCK_MAX, "size");
    giver->size = size;
    giver->count = zero ? HELD_MAX / size : 1;
    giver->count = giver->count < BLOCKS_MAX ? giver->count : BLOCKS_MAX;
    giver->blocks = aligned_alloc(4096, ((size_t)giver->count * size + 4095) & ~(size_t)4095);
    require(giver->blocks != NULL, "memory");
    memset(giver->blocks, 'x', (size_t)giver->count * size);
    errno = -io_uring_queue_init_params(256, &giver->ring, &params);
    require(errno == 0, "io_uring");
}

static int connect_to(const char *address, const char *port)
{
    struct sockaddr_in to = address_of(address, port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    require(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static int give(char **argv)
{
    static struct giver giver;
    int fd = connect_to(argv[0], argv[1]);
    int zero = strcmp(argv[2], "zero") == 0;
    int file = strcmp(argv[3], "memory") == 0 ? -1 : open(argv[3], O_RDONLY);
    unsigned long long left = strtoull(argv[5], NULL, 10) << 20;
    unsigned long long offset = 0;
    unsigned block = 0;
    long long begin_us;
    long long cpu_us;

    set_up(&giver, (unsigned)atoi(argv[4]), zero);
    begin_us = clock_us();
    cpu_us = own_cpu_us();
    while (left > 0) {
        block = take_block(&giver, block, file < 0);
        if (file >= 0) {
            fill(&giver, file, block, &offset);
        }
        send_block(&giver, fd, block, zero);
        left -= left < giver.size ? left : giver.size;
    }
    shutdown(fd, SHUT_WR);
    while (giver.num_held > 0) {
        giver.count = giver.num_held; /* waits for one more */
        work(&giver, 1);
    }
    printf("cpu_us=%lld wall_us=%lld notified=%llu copied=%llu\n", own_cpu_us() - cpu_us,
           clock_us() - begin_us, giver.notified, giver.copied);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "take") == 0) {
        return take(argv[2], argv[3]);
    }
    if (argc == 8 && strcmp(argv[1], "give") == 0) {
        return give(argv + 2);
    }
    fprintf(stderr, "usage: zero_copy take ADDRESS PORT |\n"
                    "       zero_copy give ADDRESS PORT copy|zero memory|FILE SIZE MIB\n");
    return 2;
}
