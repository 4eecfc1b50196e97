/*
 * The floor of a large file: for each 64 octets one client at a time gets all octets of a file, which
 * is read piece by piece through io_uring, each piece sent in one send.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <liburing.h>

#include "bench/floor.h"

/* Two of them stay in the second-level cache. */
enum { PIECE_LEN = 128 * 1024 };

static char piece[PIECE_LEN];

/* Submits what was prepared and returns its result. */
static int run(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;
    int result;

    floor_require(io_uring_submit_and_wait(ring, 1) >= 0, "submit");
    floor_require(io_uring_peek_cqe(ring, &cqe) == 0, "completion");
    result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return result;
}

static int receive_request(struct io_uring *ring, int fd)
{
    char request[FLOOR_REQUEST_LEN];

    io_uring_prep_recv(io_uring_get_sqe(ring), fd, request, sizeof(request), MSG_WAITALL);
    return run(ring) == FLOOR_REQUEST_LEN;
}

static int send_file(struct io_uring *ring, int fd, int file, off_t file_len)
{
    off_t offset = 0;

    while (offset < file_len) {
        int len;

        io_uring_prep_read(io_uring_get_sqe(ring), file, piece, PIECE_LEN, (uint64_t)offset);
        len = run(ring);
        floor_require(len > 0, "read");
        io_uring_prep_send(io_uring_get_sqe(ring), fd, piece, (size_t)len,
                           MSG_WAITALL | MSG_NOSIGNAL);
        if (run(ring) != len) {
            return 0; /* the client has left */
        }
        offset += len;
    }
    return 1;
}

void floor_serve_file(const char *path)
{
    struct io_uring_params params = { .flags =
                                          IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
    struct io_uring ring;
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int listener = floor_listen("file");
    int status = io_uring_queue_init_params(8, &ring, &params);

    errno = -status;
    floor_require(status == 0, "io_uring");
    floor_require(file >= 0 && fstat(file, &about) == 0, path);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        floor_require(fd >= 0, "accept");
        while (receive_request(&ring, fd) && send_file(&ring, fd, file, about.st_size)) {
        }
        close(fd);
    }
}

int floor_load_file(int port, long requests, long long file_len)
{
    static char in[256 * 1024];
    const char request[FLOOR_REQUEST_LEN] = { 0 };
    int fd = floor_connect(port);

    while (requests-- > 0) {
        long long left = file_len;

        floor_require(send(fd, request, sizeof(request), MSG_NOSIGNAL) == sizeof(request), "send");
        while (left > 0) {
            ssize_t len = recv(fd, in, sizeof(in), 0);

            floor_require(len > 0 && len <= left, "the server closed");
            left -= len;
        }
    }
    close(fd);
    return 0;
}
