/* Responses from files, pipes and sockets, through a real loop. */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the next request is answered with, and what came of it. */
static struct {
    int status;
    const halo_headers *headers;
    int fd;
    struct halo_file_options options;
    bool no_options;
    const char *path; /* respond_file */
    int result;
    int result_errno;
    int closes; /* on_close calls */
    int close_status;
    int close_errno;
    int wants;       /* on_want_trailers calls */
    int write_while; /* result of a write while the file is sent */
    halo_stream *stream;
} answer;

static void on_close(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    (void)stream;
    (void)user_data;
    answer.closes++;
    answer.close_status = error != NULL ? error->status : 0;
    answer.close_errno = error != NULL ? error->system_errno : 0;
}

static void on_want_trailers(halo_stream *stream, void *user_data)
{
    const halo_header field = { .name = HALO_LIT("checksum"), .value = HALO_LIT("42") };
    const halo_headers trailers = { .fields = &field, .count = 1 };

    (void)user_data;
    answer.wants++;
    assert_int_equal(halo_stream_trailers(stream, &trailers), 0);
}

static const struct halo_stream_callbacks callbacks = {
    .on_close = on_close,
    .on_want_trailers = on_want_trailers,
};

static void respond(struct served *served, halo_stream *stream)
{
    const struct halo_file_options *options = answer.no_options ? NULL : &answer.options;

    (void)served;
    halo_stream_set_callbacks(stream, &callbacks, NULL);
    answer.stream = stream;
    answer.result =
        answer.path != NULL
            ? halo_stream_respond_file(stream, answer.status, answer.headers, answer.path, options)
            : halo_stream_respond_fd(stream, answer.status, answer.headers, answer.fd, options);
    answer.result_errno = errno;
    if (answer.result == 0) {
        answer.write_while = halo_stream_write(stream, "x", 1, 0);
    } else if (halo_stream_headers_sent(stream) == 0) {
        assert_int_equal(halo_stream_respond(stream, 500, NULL, HALO_END_STREAM), 0);
    }
}

static int setup(void **state)
{
    (void)state;
    memset(&answer, 0, sizeof(answer));
    answer.status = 200;
    answer.fd = -1;
    answer.options.length = -1;
    return 0;
}

static int file_of(uint64_t len)
{
    int fd = memfd_create("content", MFD_CLOEXEC);
    uint8_t octets[8192];

    assert_true(fd >= 0);
    for (uint64_t at = 0; at < len;) {
        size_t part = len - at < sizeof(octets) ? (size_t)(len - at) : sizeof(octets);

        for (size_t i = 0; i < part; i++) {
            octets[i] = served_octet(at + i);
        }
        assert_int_equal(write(fd, octets, part), part);
        at += part;
    }
    return fd;
}

static void check_body(const struct fetched *fetched, uint64_t from, uint64_t len)
{
    assert_int_equal(fetched->len, len);
    for (uint64_t i = 0; i < len; i++) {
        if (fetched->body[i] != served_octet(from + i)) {
            fail_msg("octet %llu differs", (unsigned long long)i);
        }
    }
    assert_true(fetched->ended);
    assert_true(fetched->closed);
    assert_int_equal(fetched->error, 0);
}

static void check_fd_closed(int fd)
{
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
}

/* ---- regular files ------------------------------------------------------------------------- */

static void fetch_part(uint64_t size, int64_t offset, int64_t length, uint64_t from, uint64_t len)
{
    struct served *served = served_new(respond, NULL);
    struct fetched *fetched = served_request(served, "GET", "/");

    answer.closes = 0;
    answer.fd = file_of(size);
    answer.options = (struct halo_file_options){ .offset = offset, .length = length };
    served_run_all(served);
    assert_int_equal(answer.result, 0);
    assert_int_equal(fetched->status, 200);
    assert_int_equal(fetched->content_length, len);
    check_body(fetched, from, len);
    assert_int_equal(answer.closes, 1);
    assert_int_equal(answer.close_status, 0);
    assert_int_equal(close(answer.fd), 0); /* it is still ours */
    served_free(served);
}

static void test_file_sizes(void **state)
{
    static const uint64_t sizes[] = { 0,     1,     1024,  1025,   16384,  65535,
                                      65536, 65537, 70000, 131072, 131073, 3000000 };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fetch_part(sizes[i], 0, -1, 0, sizes[i]);
    }
}

static void test_file_parts(void **state)
{
    (void)state;
    fetch_part(200000, 100, -1, 100, 199900);
    fetch_part(200000, 100, 70000, 100, 70000);
    fetch_part(200000, 199999, -1, 199999, 1);
    fetch_part(200000, 0, 0, 0, 0);
    fetch_part(200000, 200000, -1, 0, 0);
    fetch_part(200000, 300000, 5, 0, 0);
    fetch_part(200000, 150000, 100000, 150000, 50000);
    fetch_part(200000, 0, INT64_MAX, 0, 200000);
}

static void test_file_without_options(void **state)
{
    struct served *served = served_new(respond, NULL);
    struct fetched *fetched = served_request(served, "GET", "/");

    (void)state;
    answer.fd = file_of(100000);
    answer.no_options = true;
    served_run_all(served);
    check_body(fetched, 0, 100000);
    assert_int_equal(close(answer.fd), 0);
    served_free(served);
}

/* The window is far smaller than a chunk. */
static void test_file_through_a_small_window(void **state)
{
    const struct served_options options = { .stream_window = 3000, .connection_window = 65535 };
    struct served *served = served_new(respond, &options);
    struct fetched *fetched = served_request(served, "GET", "/");

    (void)state;
    answer.fd = file_of(200000);
    answer.options.close_fd = 1;
    served_run_all(served);
    check_body(fetched, 0, 200000);
    check_fd_closed(answer.fd);
    assert_int_equal(answer.write_while, HALO_E_WRITE_AFTER_END);
    assert_true(served->chunks_peak <= 2);
    served_free(served);
}

static void test_file_content_length_of_the_application(void **state)
{
    static const halo_header mixed = { .name = HALO_LIT("Content-Length"), .value = HALO_LIT("7") };
    const halo_headers plain = { .fields = &mixed, .count = 1 };
    halo_headers prepared = { 0 };
    halo_header_set *set;

    (void)state;
    assert_int_equal(halo_header_set_new(&set, &mixed, 1), 0);
    prepared.set = set;
    for (int i = 0; i < 2; i++) {
        struct served *served = served_new(respond, NULL);
        struct fetched *fetched = served_request(served, "GET", "/");

        answer.headers = i == 0 ? &plain : &prepared;
        answer.fd = file_of(7);
        answer.options.close_fd = 1;
        served_run_all(served);
        assert_int_equal(fetched->content_length, 7);
        check_body(fetched, 0, 7);
        check_fd_closed(answer.fd);
        served_free(served);
    }
    halo_header_set_free(set);
}

/* More fields than are copied on the stack, and a set beside them. */
static void test_file_many_fields(void **state)
{
    const halo_header extra = { .name = HALO_LIT("server"), .value = HALO_LIT("test") };
    struct served *served = served_new(respond, NULL);
    struct fetched *fetched = served_request(served, "GET", "/");
    halo_header fields[40];
    halo_headers headers = { .fields = fields, .count = 40 };
    halo_header_set *set;

    (void)state;
    assert_int_equal(halo_header_set_new(&set, &extra, 1), 0);
    headers.set = set;
    for (int i = 0; i < 40; i++) {
        fields[i] = (halo_header){ .name = HALO_LIT("x-field"), .value = HALO_LIT("value") };
    }
    answer.headers = &headers;
    answer.fd = file_of(5);
    answer.options.close_fd = 1;
    served_run_all(served);
    assert_int_equal(fetched->content_length, 5);
    check_body(fetched, 0, 5);
    halo_header_set_free(set);
    served_free(served);
}

static void test_file_head(void **state)
{
    struct served *served = served_new(respond, NULL);
    struct fetched *fetched = served_request(served, "HEAD", "/");

    (void)state;
    answer.fd = file_of(200000);
    answer.options.close_fd = 1;
    answer.options.flags = HALO_WAIT_FOR_TRAILERS;
    served_run_all(served);
    assert_int_equal(answer.result, 0);
    assert_int_equal(fetched->status, 200);
    assert_int_equal(fetched->content_length, 200000);
    assert_int_equal(fetched->len, 0);
    assert_int_equal(fetched->error, 0);
    assert_int_equal(served->chunks_peak, 0); /* nothing was read */
    check_fd_closed(answer.fd);
    served_free(served);
}

static void test_file_trailers(void **state)
{
    static const uint64_t sizes[] = { 0, 10, 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct served *served = served_new(respond, NULL);
        struct fetched *fetched = served_request(served, "GET", "/");

        answer.wants = 0;
        answer.fd = file_of(sizes[i]);
        answer.options.flags = HALO_WAIT_FOR_TRAILERS;
        answer.options.close_fd = 1;
        served_run_all(served);
        check_body(fetched, 0, sizes[i]);
        assert_true(fetched->trailers);
        assert_int_equal(answer.wants, 1);
        check_fd_closed(answer.fd);
        served_free(served);
    }
}

/* The file is cut off while it is being sent. */
static bool has_headers(struct served *served)
{
    return served->fetched[0].status != 0;
}

static void test_file_becomes_shorter(void **state)
{
    const struct served_options options = { .stream_window = 65535 };
    struct served *served = served_new(respond, &options);
    struct fetched *fetched = served_request(served, "GET", "/");
    int copy;

    (void)state;
    answer.fd = file_of(1000000);
    answer.options.close_fd = 1;
    copy = dup(answer.fd);
    served->hold_credit = true;
    served_run(served, has_headers);
    assert_int_equal(ftruncate(copy, 100000), 0);
    served->hold_credit = false;
    served_run_turns(served, 10);
    halo_stream_consume(fetched->stream, fetched->len);
    served_flush(served);
    served_run_all(served);
    assert_int_equal(fetched->code, HALO_INTERNAL_ERROR);
    assert_false(fetched->ended);
    assert_int_equal(fetched->len, 100000);
    assert_int_equal(answer.closes, 1);
    assert_int_equal(answer.close_status, HALO_E_FILE);
    check_fd_closed(answer.fd);
    close(copy);
    served_free(served);
}

/* ---- what cannot be sent ------------------------------------------------------------------- */

static void check_refused(int expected)
{
    struct served *served = served_new(respond, NULL);
    struct fetched *fetched = served_request(served, "GET", "/");

    served_run_all(served);
    assert_int_equal(answer.result, expected);
    assert_int_equal(fetched->status, 500); /* nothing had been sent */
    served_free(served);
}

static void test_file_refused(void **state)
{
    static const int statuses[] = { 204, 205, 304 };
    int ends[2];

    (void)state;
    answer.fd = open("/", O_RDONLY | O_DIRECTORY);
    check_refused(HALO_E_SEND_FILE);
    answer.options.close_fd = 1;
    check_refused(HALO_E_SEND_FILE);
    check_fd_closed(answer.fd);

    answer.fd = -1;
    check_refused(HALO_E_FILE);
    assert_int_equal(answer.result_errno, EBADF);

    answer.options.close_fd = 0;
    answer.fd = file_of(10);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        answer.status = statuses[i];
        check_refused(HALO_E_PAYLOAD_FORBIDDEN);
    }
    answer.status = 600;
    check_refused(HALO_E_STATUS_INVALID);
    answer.status = 101;
    check_refused(HALO_E_STATUS_101);
    answer.status = 200;
    answer.options.offset = -1;
    check_refused(HALO_E_INVALID_ARGUMENT);
    answer.options = (struct halo_file_options){ .length = -2 };
    check_refused(HALO_E_INVALID_ARGUMENT);
    close(answer.fd);

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    answer.fd = ends[0];
    answer.options = (struct halo_file_options){ .offset = 1, .length = -1 };
    check_refused(HALO_E_SEND_FILE_NOSEEK);
    answer.options = (struct halo_file_options){ .offset = 0, .length = 0 };
    check_refused(HALO_E_SEND_FILE_NOSEEK);
    answer.options.close_fd = 1;
    check_refused(HALO_E_SEND_FILE_NOSEEK);
    check_fd_closed(ends[0]);
    close(ends[1]);
}

static void test_file_bad_headers(void **state)
{
    const halo_header bad = { .name = HALO_LIT("x"), .value = HALO_LIT("a\nb") };
    const halo_headers headers = { .fields = &bad, .count = 1 };

    (void)state;
    answer.headers = &headers;
    answer.fd = file_of(10);
    answer.options.close_fd = 1;
    check_refused(HALO_E_INVALID_HEADER_VALUE);
    check_fd_closed(answer.fd);
}

static void test_file_session_without_a_loop(void **state)
{
    struct halo_session_options options;
    struct halo_event event;
    halo_session *client;
    halo_session *server;
    halo_stream *stream = NULL;
    struct halo_request request = { .scheme = HALO_LIT("http"), .authority = HALO_LIT("a") };
    struct iovec iov[8];
    uint8_t octets[4096];
    size_t len = 0;
    int count;

    (void)state;
    halo_session_options_init(&options, HALO_CLIENT);
    assert_int_equal(halo_session_new(&client, &options, 0), 0);
    halo_session_options_init(&options, HALO_SERVER);
    assert_int_equal(halo_session_new(&server, &options, 0), 0);
    assert_int_equal(halo_session_request(client, &request, HALO_END_STREAM, NULL, &stream), 0);
    count = halo_session_pull(client, iov, 8, sizeof(octets));
    for (int i = 0; i < count; i++) {
        memcpy(octets + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    halo_session_recv(server, octets, len, 0);
    while (halo_session_poll(server, &event) != 0) {
        if (event.type == HALO_EVENT_REQUEST) {
            assert_int_equal(halo_stream_respond_file(event.stream, 200, NULL, "/dev/null", NULL),
                             HALO_E_SOCKET_UNBOUND);
        }
    }
    halo_session_free(client);
    halo_session_free(server);
}

/* ---- paths --------------------------------------------------------------------------------- */

static void test_file_by_path(void **state)
{
    char path[] = "/tmp/halo_response_XXXXXX";
    struct served *served = served_new(respond, NULL);
    struct fetched *fetched = served_request(served, "GET", "/");
    uint8_t octets[1000];
    int fd = mkstemp(path);

    (void)state;
    for (size_t i = 0; i < sizeof(octets); i++) {
        octets[i] = served_octet(i);
    }
    assert_int_equal(write(fd, octets, sizeof(octets)), sizeof(octets));
    close(fd);
    answer.path = path;
    answer.options.offset = 10;
    served_run_all(served);
    assert_int_equal(fetched->content_length, 990);
    check_body(fetched, 10, 990);
    served_free(served); /* asserts that no descriptor is left */
    unlink(path);

    answer.path = path;
    check_refused(HALO_E_FILE);
    assert_int_equal(answer.result_errno, ENOENT);
    answer.path = "/";
    answer.options.offset = 0;
    check_refused(HALO_E_SEND_FILE);
    answer.path = "/dev/null";
    answer.options.offset = 5;
    check_refused(HALO_E_SEND_FILE_NOSEEK);
}

/* ---- pipes and sockets --------------------------------------------------------------------- */

static void put(int fd, uint64_t from, size_t len)
{
    uint8_t octets[4096];

    assert_true(len <= sizeof(octets));
    for (size_t i = 0; i < len; i++) {
        octets[i] = served_octet(from + i);
    }
    assert_int_equal(write(fd, octets, len), len);
}

static size_t wanted_len;

static bool body_came(struct served *served)
{
    return served->fetched[0].len == wanted_len;
}

static void feed_in_pieces(int from, int to)
{
    struct served *served = served_new(respond, NULL);
    struct fetched *fetched = served_request(served, "GET", "/");

    answer.fd = from;
    answer.options.close_fd = 1;
    served_run(served, has_headers);
    assert_int_equal(fetched->content_length, -1);
    wanted_len = 0;
    for (int i = 0; i < 50; i++) {
        put(to, wanted_len, (size_t)(1 + i * 80));
        wanted_len += (size_t)(1 + i * 80);
        served_run(served, body_came);
    }
    served_run_turns(served, 3); /* a read waits for more */
    assert_false(fetched->ended);
    close(to);
    served_run_all(served);
    check_body(fetched, 0, wanted_len);
    check_fd_closed(from);
    served_free(served);
}

static void test_file_pipe(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    feed_in_pieces(ends[0], ends[1]);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    feed_in_pieces(ends[0], ends[1]);
}

static void test_file_socket(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    feed_in_pieces(ends[0], ends[1]);
}

static void test_file_pipe_with_trailers(void **state)
{
    struct served *served = served_new(respond, NULL);
    struct fetched *fetched = served_request(served, "GET", "/");
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    put(ends[1], 0, 100);
    close(ends[1]);
    answer.fd = ends[0];
    answer.options.flags = HALO_WAIT_FOR_TRAILERS;
    served_run_all(served);
    check_body(fetched, 0, 100);
    assert_true(fetched->trailers);
    assert_int_equal(close(ends[0]), 0);
    served_free(served);
}

/* ---- ends before the end ------------------------------------------------------------------- */

/* A read of a pipe is under way, for ever. */
static void end_with_read_under_way(bool close_fd, void (*end)(struct served *served))
{
    struct served *served = served_new(respond, NULL);
    int ends[2];

    answer.closes = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    answer.fd = ends[0];
    answer.options.close_fd = close_fd;
    served_request(served, "GET", "/");
    served_run(served, has_headers);
    served_run_turns(served, 2);
    assert_int_equal(served->chunks, 1);
    end(served);
    served_run_turns(served, 5);
    assert_int_equal(answer.closes, 1);
    if (close_fd) {
        check_fd_closed(ends[0]);
    } else {
        assert_int_equal(close(ends[0]), 0);
    }
    close(ends[1]);
    served_free(served);
}

static void end_by_client(struct served *served)
{
    halo_stream_reset(served->fetched[0].stream, HALO_CANCEL);
    served_flush(served);
}

static void end_by_server(struct served *served)
{
    (void)served;
    halo_stream_reset(answer.stream, HALO_CANCEL);
}

static void test_file_read_under_way(void **state)
{
    (void)state;
    for (int close_fd = 0; close_fd <= 1; close_fd++) {
        end_with_read_under_way(close_fd != 0, end_by_client);
        end_with_read_under_way(close_fd != 0, end_by_server);
        end_with_read_under_way(close_fd != 0, served_vanish);
    }
}

/* The loop is freed with all of it still there. */
static void test_file_loop_is_freed(void **state)
{
    struct served *served = served_new(respond, NULL);
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    answer.fd = ends[0];
    answer.options.close_fd = 1;
    served_request(served, "GET", "/");
    served_run(served, has_headers);
    served_run_turns(served, 2);
    served_vanish(served);
    served_free(served);
    check_fd_closed(ends[0]);
    close(ends[1]);
}

static void test_file_client_vanishes_in_the_middle(void **state)
{
    const struct served_options options = { .stream_window = 1000000 };
    struct served *served = served_new(respond, &options);
    struct fetched *fetched = served_request(served, "GET", "/");

    (void)state;
    answer.fd = file_of(5000000);
    answer.options.close_fd = 1;
    served->hold_credit = true;
    served_run(served, has_headers);
    served_run_turns(served, 30);
    assert_true(fetched->len > 0);
    served_vanish(served);
    served_run_turns(served, 10);
    assert_int_equal(answer.closes, 1);
    assert_int_not_equal(answer.close_status, 0);
    check_fd_closed(answer.fd);
    served_free(served);
}

/* ---- many streams -------------------------------------------------------------------------- */

static void test_file_same_descriptor_for_several(void **state)
{
    struct served *served = served_new(respond, NULL);

    (void)state;
    answer.fd = file_of(300000);
    for (int i = 0; i < 8; i++) {
        served_request(served, "GET", "/");
    }
    served_run_all(served);
    for (int i = 0; i < 8; i++) {
        check_body(&served->fetched[i], 0, 300000);
    }
    close(answer.fd);
    served_free(served);
}

/* Streams that are held back by their own windows hold nothing, so that others are not held back by them; what
 * the connection's window holds back is bounded. */
static void test_file_budget(void **state)
{
    const struct served_options options = { .stream_window = 200000, .connection_window = 65535 };
    struct served *served = served_new(respond, &options);

    (void)state;
    answer.fd = file_of(150000);
    served->hold_credit = true;
    for (int i = 0; i < 100; i++) {
        served_request(served, "GET", "/");
    }
    served_run(served, has_headers);
    served_run_turns(served, 200);
    assert_true(served->chunks_peak <= 16);
    served->hold_credit = false;
    for (int i = 0; i < 100; i++) {
        if (served->fetched[i].len > 0) {
            halo_stream_consume(served->fetched[i].stream, served->fetched[i].len);
        }
    }
    served_flush(served);
    served_run_all(served);
    for (int i = 0; i < 100; i++) {
        check_body(&served->fetched[i], 0, 150000);
    }
    assert_true(served->chunks_peak <= 16);
    close(answer.fd);
    served_free(served);
}

static bool last_is_closed(struct served *served)
{
    return served->fetched[served->num_fetched - 1].closed;
}

static void test_file_stalled_streams_do_not_starve_others(void **state)
{
    const struct served_options options = { .stream_window = 20000 };
    struct served *served = served_new(respond, &options);

    (void)state;
    answer.fd = file_of(100000);
    served->hold_credit = true;
    for (int i = 0; i < 60; i++) {
        served_request(served, "GET", "/");
    }
    served_run(served, has_headers);
    served_run_turns(served, 300);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(served->fetched[i].len, 20000);
    }
    served->hold_credit = false;
    served_request(served, "GET", "/");
    served_run(served, last_is_closed);
    check_body(&served->fetched[60], 0, 100000);
    assert_false(served->fetched[0].closed);
    served_vanish(served);
    served_run_turns(served, 10);
    close(answer.fd);
    served_free(served);
}

static void test_file_no_memory(void **state)
{
    struct served *served = served_new(respond, NULL);
    struct fetched *first = served_request(served, "GET", "/");
    struct fetched *second;

    (void)state;
    answer.fd = file_of(100000);
    answer.options.close_fd = 1;
    served->fail_chunks = 1;
    served_run_all(served);
    assert_int_equal(first->code, HALO_INTERNAL_ERROR);
    check_fd_closed(answer.fd);
    answer.fd = file_of(100000);
    second = served_request(served, "GET", "/");
    served_run_all(served);
    check_body(second, 0, 100000); /* the connection lives on */
    served_free(served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_file_sizes, setup),
        cmocka_unit_test_setup(test_file_parts, setup),
        cmocka_unit_test_setup(test_file_without_options, setup),
        cmocka_unit_test_setup(test_file_through_a_small_window, setup),
        cmocka_unit_test_setup(test_file_content_length_of_the_application, setup),
        cmocka_unit_test_setup(test_file_many_fields, setup),
        cmocka_unit_test_setup(test_file_head, setup),
        cmocka_unit_test_setup(test_file_trailers, setup),
        cmocka_unit_test_setup(test_file_becomes_shorter, setup),
        cmocka_unit_test_setup(test_file_refused, setup),
        cmocka_unit_test_setup(test_file_bad_headers, setup),
        cmocka_unit_test_setup(test_file_session_without_a_loop, setup),
        cmocka_unit_test_setup(test_file_by_path, setup),
        cmocka_unit_test_setup(test_file_pipe, setup),
        cmocka_unit_test_setup(test_file_socket, setup),
        cmocka_unit_test_setup(test_file_pipe_with_trailers, setup),
        cmocka_unit_test_setup(test_file_read_under_way, setup),
        cmocka_unit_test_setup(test_file_loop_is_freed, setup),
        cmocka_unit_test_setup(test_file_client_vanishes_in_the_middle, setup),
        cmocka_unit_test_setup(test_file_same_descriptor_for_several, setup),
        cmocka_unit_test_setup(test_file_budget, setup),
        cmocka_unit_test_setup(test_file_stalled_streams_do_not_starve_others, setup),
        cmocka_unit_test_setup(test_file_no_memory, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
