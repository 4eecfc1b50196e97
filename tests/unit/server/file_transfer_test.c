/* File responses under way: pipes and sockets, ends before the end, many streams at once. */
#include "file_answer.h"

#include <sys/socket.h>

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
    struct served *served = served_new(answer_request, NULL);
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
    struct served *served = served_new(answer_request, NULL);
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

/* The server's application was told of the end, and the descriptor has been let go of. */
static bool is_over(struct served *served)
{
    (void)served;
    return answer.closes > 0 && (answer.options.close_fd == 0 || fcntl(answer.fd, F_GETFD) == -1);
}

/* A read of a pipe is under way, for ever. */
static void end_with_read_under_way(bool close_fd, void (*end)(struct served *served))
{
    struct served *served = served_new(answer_request, NULL);
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
    served_run(served, is_over);
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
    struct served *served = served_new(answer_request, NULL);
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

static bool has_body(struct served *served)
{
    return served->fetched[0].len > 0;
}

static void test_file_client_vanishes_in_the_middle(void **state)
{
    const struct served_options options = { .stream_window = 1000000 };
    struct served *served = served_new(answer_request, &options);
    struct fetched *fetched = served_request(served, "GET", "/");

    (void)state;
    answer.fd = file_of(5000000);
    answer.options.close_fd = 1;
    served->hold_credit = true;
    served_run(served, has_body);
    assert_true(fetched->len > 0);
    served_vanish(served);
    served_run(served, is_over);
    assert_int_equal(answer.closes, 1);
    assert_int_not_equal(answer.close_status, 0);
    check_fd_closed(answer.fd);
    served_free(served);
}

/* ---- many streams -------------------------------------------------------------------------- */

static void test_file_same_descriptor_for_several(void **state)
{
    struct served *served = served_new(answer_request, NULL);

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
    struct served *served = served_new(answer_request, &options);

    (void)state;
    answer.fd = file_of(150000);
    served->hold_credit = true;
    for (int i = 0; i < 100; i++) {
        served_request(served, "GET", "/");
    }
    served_run(served, has_headers);
    served_run_turns(served, 200);
    assert_int_equal(served->chunks_peak, 8); /* all asked at once */
    served->hold_credit = false;
    served_flush(served);
    served_run_all(served);
    for (int i = 0; i < 100; i++) {
        check_body(&served->fetched[i], 0, 150000);
    }
    assert_true(served->chunks_peak <= 8);
    close(answer.fd);
    served_free(served);
}

static bool all_stalled(struct served *served)
{
    for (uint32_t i = 0; i < served->num_fetched; i++) {
        if (served->fetched[i].len < 20000) {
            return false;
        }
    }
    return true;
}

static bool last_is_closed(struct served *served)
{
    return served->fetched[served->num_fetched - 1].closed;
}

static void test_file_stalled_streams_do_not_starve_others(void **state)
{
    const struct served_options options = { .stream_window = 20000 };
    struct served *served = served_new(answer_request, &options);

    (void)state;
    answer.fd = file_of(100000);
    served->hold_credit = true;
    for (int i = 0; i < 60; i++) {
        served_request(served, "GET", "/");
    }
    served_run(served, all_stalled);
    served_run_turns(served, 20);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(served->fetched[i].len, 20000);
    }
    /* What they have received is not given back; the one that follows is read as it comes. */
    served->hold_credit = false;
    for (int i = 0; i < 60; i++) {
        served->fetched[i].unconsumed = 0;
    }
    served_request(served, "GET", "/");
    served_run(served, last_is_closed);
    check_body(&served->fetched[60], 0, 100000);
    assert_false(served->fetched[0].closed);
    served_vanish(served);
    served_run_turns(served, 10);
    close(answer.fd);
    served_free(served);
}

/* ---- packets that are not full ------------------------------------------------------------- */

static const struct conn *server_conn;
static bool was_corked;

static bool saw_corked(struct served *served)
{
    if (answer.stream != NULL && server_conn == NULL) {
        server_conn = answer.stream->session->driver;
    }
    was_corked = was_corked || (server_conn != NULL && server_conn->sender.corked);
    return was_corked && served->fetched[0].len > 300000;
}

static bool first_is_closed(struct served *served)
{
    (void)saw_corked(served);
    return served->fetched[0].closed != 0;
}

static bool is_over_anyhow(struct served *served)
{
    (void)served;
    return answer.closes > 0;
}

static bool window_is_used(struct served *served)
{
    return served->fetched[0].len == 400001;
}

static struct served *corked_new(int fd, const struct served_options *options)
{
    struct served *served = served_new(answer_request, options);

    server_conn = NULL;
    was_corked = false;
    answer.stream = NULL;
    answer.fd = fd;
    served_request(served, "GET", "/");
    return served;
}

/* When the send that was under way is through. */
static bool all_is_pushed(struct served *served)
{
    (void)served;
    return !server_conn->sender.corked && io_sender_idle(&server_conn->sender);
}

static void corked_free(struct served *served)
{
    assert_non_null(server_conn);
    assert_int_equal(server_conn->files->announced, 0);
    served_run(served, all_is_pushed);
    close(answer.fd);
    served_free(served);
}

/* While more of a file follows at once, and not behind its end. */
static void test_file_corked_while_it_goes_on(void **state)
{
    struct served *served = corked_new(file_of(2000000), NULL);

    (void)state;
    served_run(served, saw_corked);
    served_run(served, first_is_closed);
    check_body(&served->fetched[0], 0, 2000000);
    corked_free(served);
}

/* Nor behind a stream that ends before its end. */
static void test_file_not_corked_after_a_reset(void **state)
{
    struct served *served = corked_new(file_of(20000000), NULL);

    (void)state;
    served_run(served, saw_corked);
    halo_stream_reset(served->fetched[0].stream, HALO_CANCEL);
    served_flush(served);
    served_run(served, is_over_anyhow);
    corked_free(served);
}

/* The only chunk is in a send that the socket has not taken yet, and the next read waits for it. */
static bool waits_for_chunk(struct served *served)
{
    const int small = 4096;

    if (!saw_corked(served)) {
        return false;
    }
    setsockopt(server_conn->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    return server_conn->files->announced == 1 && !io_sender_idle(&server_conn->sender);
}

static void test_file_not_corked_after_a_reset_between_reads(void **state)
{
    struct served *served = corked_new(file_of(20000000), NULL);

    (void)state;
    served_run(served, waits_for_chunk);
    halo_stream_reset(answer.stream, HALO_CANCEL);
    assert_int_equal(server_conn->files->announced, 0);
    served_run(served, is_over_anyhow);
    corked_free(served);
}

/* The peer may wait for the last octet that its window takes before it gives more. */
static void test_file_not_corked_without_window(void **state)
{
    const struct served_options options = { .stream_window = 400001 };
    struct served *served = corked_new(file_of(2000000), &options);

    (void)state;
    served->hold_credit = true;
    served_run(served, saw_corked);
    served_run(served, window_is_used);
    served_run_turns(served, 5);
    assert_false(server_conn->sender.corked);
    served->hold_credit = false;
    served_flush(served);
    served_run(served, first_is_closed);
    corked_free(served);
}

static void test_file_no_memory(void **state)
{
    struct served *served = served_new(answer_request, NULL);
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

/* Whichever allocation of the server fails: the request ends, and nothing is left behind. */
static void test_file_no_memory_anywhere(void **state)
{
    const struct served_options options = { .stream_window = 200000 };
    bool failed = true;

    (void)state;
    for (int n = 1; failed; n++) {
        struct served *served = served_new(answer_request, &options);

        answer.closes = 0;
        answer.fd = file_of(300000);
        answer.options.close_fd = 1;
        served_run_turns(served, 5); /* SETTINGS and the first allocations are through */
        served_request(served, "GET", "/");
        served->fail_in = n;
        served_run_all(served);
        failed = served->fail_in == 0;
        assert_true(failed || served->fetched[0].ended);
        served_free(served);
        if (fcntl(answer.fd, F_GETFD) != -1) { /* the request was refused before it was answered */
            assert_int_equal(answer.closes, 0);
            close(answer.fd);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_file_pipe, answer_setup),
        cmocka_unit_test_setup(test_file_socket, answer_setup),
        cmocka_unit_test_setup(test_file_pipe_with_trailers, answer_setup),
        cmocka_unit_test_setup(test_file_read_under_way, answer_setup),
        cmocka_unit_test_setup(test_file_loop_is_freed, answer_setup),
        cmocka_unit_test_setup(test_file_client_vanishes_in_the_middle, answer_setup),
        cmocka_unit_test_setup(test_file_same_descriptor_for_several, answer_setup),
        cmocka_unit_test_setup(test_file_budget, answer_setup),
        cmocka_unit_test_setup(test_file_stalled_streams_do_not_starve_others, answer_setup),
        cmocka_unit_test_setup(test_file_corked_while_it_goes_on, answer_setup),
        cmocka_unit_test_setup(test_file_not_corked_after_a_reset, answer_setup),
        cmocka_unit_test_setup(test_file_not_corked_after_a_reset_between_reads, answer_setup),
        cmocka_unit_test_setup(test_file_not_corked_without_window, answer_setup),
        cmocka_unit_test_setup(test_file_no_memory, answer_setup),
        cmocka_unit_test_setup(test_file_no_memory_anywhere, answer_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
