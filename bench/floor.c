/*
 * The floor: what a request costs when there is no protocol, only a TCP socket and io_uring.
 *
 *     floor serve                                 listens on a free port of 127.0.0.1 and prints it
 *     floor load PORT CONNECTIONS DEPTH REQUESTS  is its client
 *     floor connect PORT REQUESTS BURST           is one with a new connection for each request
 *     floor serve-file FILE                       answers with a whole file; see floor_file.c
 *     floor load-file PORT REQUESTS FILE_LEN      is its client
 *
 * A request is 64 octets and so is its answer. The server takes what a multishot receive brings and sends
 * as much back in one send. The client keeps DEPTH requests in flight on every connection: it
 * writes all of them at once and goes on when all answers have come, as a multiplexing client does. "connect"
 * opens BURST connections every tenth of a second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

#include "bench/floor.h"

enum {
    REQUEST_LEN = FLOOR_REQUEST_LEN,
    DEPTH_MAX = 256,
    CONNECTIONS_MAX = 4096,
    QUEUE_LEN = 4096,
    BUFFERS = 1024, /* a power of two */
    BUFFER_LEN = 4096,
    BUFFER_GROUP = 0,
    OUT_LEN = 2 * REQUEST_LEN * DEPTH_MAX,
};

void floor_require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
}

static void no_delay(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int floor_connect(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    floor_require(fd >= 0 && fd < CONNECTIONS_MAX, "socket");
    floor_require(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    no_delay(fd);
    return fd;
}

int floor_listen(const char *kind)
{
    struct sockaddr_in address = loopback(0);
    socklen_t address_len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    floor_require(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    floor_require(listen(listener, 4096) == 0, "listen");
    getsockname(listener, (struct sockaddr *)&address, &address_len);
    printf("listening %s 127.0.0.1:%d\n", kind, ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

/* ---- the server ------------------------------------------------------------------------ */

enum operation {
    ACCEPT,
    RECEIVE,
    SEND,
};

struct connection {
    int fd;
    int sending;
    unsigned waiting; /* octets of out[] that are not being sent yet */
    unsigned half;    /* out[half] is filled, the other one is being sent */
    char out[2][OUT_LEN];
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *buffer_memory;
static struct connection *connections[CONNECTIONS_MAX];

static struct io_uring_sqe *next_sqe(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    floor_require(sqe != NULL, "submission queue");
    return sqe;
}

static void tag(struct io_uring_sqe *sqe, enum operation operation, int fd)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)operation << 32 | (uint32_t)fd);
}

static void arm_accept(int listener)
{
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
    tag(sqe, ACCEPT, listener);
}

static void arm_receive(int fd)
{
    struct io_uring_sqe *sqe = next_sqe();

    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    tag(sqe, RECEIVE, fd);
}

static void send_waiting(struct connection *connection)
{
    struct io_uring_sqe *sqe;

    if (connection->sending || connection->waiting == 0) {
        return;
    }
    sqe = next_sqe();
    io_uring_prep_send(sqe, connection->fd, connection->out[connection->half], connection->waiting,
                       MSG_WAITALL | MSG_NOSIGNAL);
    tag(sqe, SEND, connection->fd);
    connection->half ^= 1;
    connection->waiting = 0;
    connection->sending = 1;
}

static void give_buffer(unsigned id)
{
    io_uring_buf_ring_add(buffers, buffer_memory + (size_t)id * BUFFER_LEN, BUFFER_LEN,
                          (unsigned short)id, BUFFERS - 1, 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void close_connection(int fd)
{
    /* A send under way still points into it; what is lost then is only memory. */
    if (!connections[fd]->sending) {
        free(connections[fd]);
    }
    connections[fd] = NULL;
    close(fd);
}

static void on_accept(const struct io_uring_cqe *cqe, int listener)
{
    int fd = cqe->res;

    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        arm_accept(listener);
    }
    if (fd < 0) {
        return;
    }
    floor_require(fd < CONNECTIONS_MAX, "too many connections");
    connections[fd] = malloc(sizeof(struct connection));
    floor_require(connections[fd] != NULL, "memory");
    /* The octets behind need not be zero: clearing them would cost more than a request. */
    memset(connections[fd], 0, offsetof(struct connection, out));
    connections[fd]->fd = fd;
    no_delay(fd);
    arm_receive(fd);
}

static void on_receive(const struct io_uring_cqe *cqe, int fd)
{
    struct connection *connection = connections[fd];

    if (cqe->res > 0) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

        floor_require(connection->waiting + (unsigned)cqe->res <= OUT_LEN,
                      "the client sends too much");
        memcpy(connection->out[connection->half] + connection->waiting,
               buffer_memory + (size_t)id * BUFFER_LEN, (size_t)cqe->res);
        connection->waiting += (unsigned)cqe->res;
        give_buffer(id);
        send_waiting(connection);
    } else if (cqe->res != -ENOBUFS) {
        close_connection(fd);
        return;
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        arm_receive(fd);
    }
}

static void on_send(int fd)
{
    if (connections[fd] != NULL) {
        connections[fd]->sending = 0;
        send_waiting(connections[fd]);
    }
}

static void set_up_ring(void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 4 * QUEUE_LEN,
    };
    struct io_uring_buf_reg registration = { .ring_entries = BUFFERS, .bgid = BUFFER_GROUP };
    int status = io_uring_queue_init_params(QUEUE_LEN, &ring, &params);

    errno = -status;
    floor_require(status == 0, "io_uring");
    buffers = mmap(NULL, BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                   MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    buffer_memory = malloc((size_t)BUFFERS * BUFFER_LEN);
    floor_require(buffers != MAP_FAILED && buffer_memory != NULL, "memory");
    registration.ring_addr = (uint64_t)(uintptr_t)buffers;
    status = io_uring_register_buf_ring(&ring, &registration, 0);
    errno = -status;
    floor_require(status == 0, "buffer ring");
    io_uring_buf_ring_init(buffers);
    for (unsigned i = 0; i < BUFFERS; i++) {
        give_buffer(i);
    }
}

__attribute__((noreturn)) static void serve(void)
{
    int listener = floor_listen("floor");

    set_up_ring();
    arm_accept(listener);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned seen = 0;

        io_uring_submit_and_wait(&ring, 1);
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            uint64_t data = io_uring_cqe_get_data64(cqe);
            int fd = (int)(uint32_t)data;

            switch ((enum operation)(data >> 32)) {
            case ACCEPT:
                on_accept(cqe, fd);
                break;
            case RECEIVE:
                on_receive(cqe, fd);
                break;
            case SEND:
                on_send(fd);
                break;
            }
            seen++;
        }
        io_uring_cq_advance(&ring, seen);
    }
}

/* ---- the client ------------------------------------------------------------------------------ */

static void send_batch(int fd, const char *octets, size_t len)
{
    floor_require(send(fd, octets, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

static int load(int port, int count, int depth, long requests)
{
    static char out[REQUEST_LEN * DEPTH_MAX];
    static char in[REQUEST_LEN * DEPTH_MAX];
    static size_t received[CONNECTIONS_MAX];
    size_t batch_len = (size_t)depth * REQUEST_LEN;
    int poller = epoll_create1(0);
    int open = count;
    long batches = requests / depth;

    for (int i = 0; i < count; i++) {
        int fd = floor_connect(port);
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        send_batch(fd, out, batch_len);
        batches--;
    }
    while (open > 0) {
        struct epoll_event events[256];
        int ready = epoll_wait(poller, events, 256, 10000);

        floor_require(ready > 0, "no answer for ten seconds");
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            ssize_t len = recv(fd, in, sizeof(in), 0);

            floor_require(len > 0, "the server closed");
            received[fd] += (size_t)len;
            if (received[fd] < batch_len) {
                continue;
            }
            received[fd] = 0;
            if (batches-- > 0) {
                send_batch(fd, out, batch_len);
            } else {
                close(fd);
                open--;
            }
        }
    }
    return 0;
}

/* Each connection is left when its answer is there, as h2load's are. */
static int load_connections(int port, long requests, int burst)
{
    static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
    char octets[REQUEST_LEN] = { 0 };
    int fds[CONNECTIONS_MAX];

    while (requests > 0) {
        int count = requests < burst ? (int)requests : burst;

        for (int i = 0; i < count; i++) {
            fds[i] = floor_connect(port);
            send_batch(fds[i], octets, REQUEST_LEN);
        }
        for (int i = 0; i < count; i++) {
            floor_require(recv(fds[i], octets, REQUEST_LEN, MSG_WAITALL) == REQUEST_LEN,
                          "the server closed");
            close(fds[i]);
        }
        requests -= count;
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int run_load(int port, int count, int depth, long requests)
{
    if (count < 1 || count > CONNECTIONS_MAX - 64 || depth < 1 || depth > DEPTH_MAX) {
        fprintf(stderr, "floor: at most %d connections and %d requests at once\n",
                CONNECTIONS_MAX - 64, DEPTH_MAX);
        return 2;
    }
    return load(port, count, depth, requests);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(what, "serve") == 0) {
        serve();
    }
    if (argc == 3 && strcmp(what, "serve-file") == 0) {
        floor_serve_file(argv[2]);
    }
    if (argc == 6 && strcmp(what, "load") == 0) {
        return run_load(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atol(argv[5]));
    }
    if (argc == 5 && strcmp(what, "connect") == 0 && atoi(argv[4]) >= 1 &&
        atoi(argv[4]) <= CONNECTIONS_MAX - 64) {
        return load_connections(atoi(argv[2]), atol(argv[3]), atoi(argv[4]));
    }
    if (argc == 5 && strcmp(what, "load-file") == 0) {
        return floor_load_file(atoi(argv[2]), atol(argv[3]), atoll(argv[4]));
    }
    fprintf(stderr, "usage: floor serve | load PORT CONNECTIONS DEPTH REQUESTS | connect PORT "
                    "REQUESTS BURST |\n"
                    "             serve-file FILE | load-file PORT REQUESTS FILE_LEN\n");
    return 2;
}
