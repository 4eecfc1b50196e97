/* Responses from regular files: what is sent, and what is refused. */
#include "file_answer.h"

/* ---- regular files ------------------------------------------------------------------------- */

static void fetch_part(uint64_t size, int64_t offset, int64_t length, uint64_t from, uint64_t len)
{
    struct served *served = served_new(answer_request, NULL);
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
    struct served *served = served_new(answer_request, NULL);
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
    struct served *served = served_new(answer_request, &options);
    struct fetched *fetched = served_request(served, "GET", "/");

    (void)state;
    answer.fd = file_of(200000);
    answer.options.close_fd = 1;
    served_run_all(served);
    check_body(fetched, 0, 200000);
    check_fd_closed(answer.fd);
    assert_int_equal(answer.write_while, HALO_E_WRITE_AFTER_END);
    assert_int_equal(served->chunks_peak, 1);
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
        struct served *served = served_new(answer_request, NULL);
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
    struct served *served = served_new(answer_request, NULL);
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
    struct served *served = served_new(answer_request, NULL);
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
        struct served *served = served_new(answer_request, NULL);
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
static void test_file_becomes_shorter(void **state)
{
    const struct served_options options = { .stream_window = 65535 };
    struct served *served = served_new(answer_request, &options);
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
    struct served *served = served_new(answer_request, NULL);
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
    struct served *served = served_new(answer_request, NULL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_file_sizes, answer_setup),
        cmocka_unit_test_setup(test_file_parts, answer_setup),
        cmocka_unit_test_setup(test_file_without_options, answer_setup),
        cmocka_unit_test_setup(test_file_through_a_small_window, answer_setup),
        cmocka_unit_test_setup(test_file_content_length_of_the_application, answer_setup),
        cmocka_unit_test_setup(test_file_many_fields, answer_setup),
        cmocka_unit_test_setup(test_file_head, answer_setup),
        cmocka_unit_test_setup(test_file_trailers, answer_setup),
        cmocka_unit_test_setup(test_file_becomes_shorter, answer_setup),
        cmocka_unit_test_setup(test_file_refused, answer_setup),
        cmocka_unit_test_setup(test_file_bad_headers, answer_setup),
        cmocka_unit_test_setup(test_file_session_without_a_loop, answer_setup),
        cmocka_unit_test_setup(test_file_by_path, answer_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
