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
#include <sys/resource.h>
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
    int result; /* of the operation under way; INT_MIN: none yet */
    int ended;
};

enum { TAG_NOTED = BLOCKS_MAX };

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
    sqe->user_data = TAG_NOTED;
    work(giver, 0);
    if (giver->result < (int)giver->size) {
        *offset = 0;
        return;
    }
    *offset += giver->size;
}

static void send_block(struct giver *giver, int fd, unsigned block, int zero)
{
    unsigned done = 0;

    while (done < giver->size) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&giver->ring);
        const char *from = giver->blocks + (size_t)block * giver->size + done;

        if (zero) {
            io_uring_prep_send_zc(sqe, fd, from, giver->size - done, MSG_WAITALL | MSG_NOSIGNAL,
                                  REPORT_USAGE);
        } else {
            io_uring_prep_send(sqe, fd, from, giver->size - done, MSG_WAITALL | MSG_NOSIGNAL);
        }
        sqe->user_data = block;
        work(giver, 0);
        errno = giver->result < 0 ? -giver->result : 0;
        require(giver->result > 0, "send");
        done += (unsigned)giver->result;
        require(done == giver->size, "short send");
    }
}

static int give(char **argv)
{
    static struct giver giver;
    struct sockaddr_in to = address_of(argv[0], argv[1]);
    int zero = strcmp(argv[2], "zero") == 0;
    int file = strcmp(argv[3], "memory") == 0 ? -1 : open(argv[3], O_RDONLY);
    unsigned long long left = strtoull(argv[5], NULL, 10) << 20;
    unsigned long long offset = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    unsigned block = 0;
    long long begin_us;
    long long cpu_us;
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    };

    giver.size = (unsigned)atoi(argv[4]);
    require(giver.size > 0 && giver.size <= BLOCK_MAX, "size");
    giver.count = zero ? HELD_MAX / giver.size : 1;
    giver.count = giver.count < 1 ? 1 : giver.count > BLOCKS_MAX ? BLOCKS_MAX : giver.count;
    giver.blocks = aligned_alloc(4096, ((size_t)giver.count * giver.size + 4095) & ~(size_t)4095);
    require(giver.blocks != NULL, "memory");
    memset(giver.blocks, 'x', (size_t)giver.count * giver.size);
    errno = -io_uring_queue_init_params(256, &giver.ring, &params);
    require(errno == 0, "io_uring");
    require(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    begin_us = clock_us();
    cpu_us = own_cpu_us();
    while (left > 0) {
        if (giver.num_held == giver.count) {
            work(&giver, 1);
        }
        if (file < 0) {
            /* The same octets again: nobody writes into them. */
            block = zero ? (block + 1) % giver.count : 0;
        } else {
            for (block = 0; giver.held[block]; block++) {
            }
            fill(&giver, file, block, &offset);
        }
        while (giver.held[block]) {
            block = (block + 1) % giver.count;
        }
        send_block(&giver, fd, block, zero);
        left -= left < giver.size ? left : giver.size;
    }
    shutdown(fd, SHUT_WR);
    while (giver.num_held > 0) {
        unsigned before = giver.count;

        giver.count = giver.num_held; /* wait for one more */
        work(&giver, 1);
        giver.count = before;
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
