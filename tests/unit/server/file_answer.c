#include "file_answer.h"

#include <sys/mman.h>

struct file_answer answer;

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

void answer_request(struct served *served, halo_stream *stream)
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

int answer_setup(void **state)
{
    (void)state;
    memset(&answer, 0, sizeof(answer));
    answer.status = 200;
    answer.fd = -1;
    answer.options.length = -1;
    return 0;
}

int file_of(uint64_t len)
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

void check_body(const struct fetched *fetched, uint64_t from, uint64_t len)
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

void check_fd_closed(int fd)
{
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
}

bool has_headers(struct served *served)
{
    return served->fetched[0].status != 0;
}
