#include "io_fixture.h"

#include <fcntl.h>
#include <sys/inotify.h>

struct reading {
    struct io_read read;
    struct halo_loop *loop;
    uint8_t octets[70000];
    int calls;
    int result;
    bool stop;
};

static void on_read(struct io_read *read, int result)
{
    struct reading *reading = HALO_CONTAINER(read, struct reading, read);

    assert_true(io_read_idle(read));
    reading->calls++;
    reading->result = result;
    if (reading->stop) {
        halo_loop_stop(reading->loop);
    }
}

static struct reading *reading_new(struct halo_loop *loop)
{
    struct reading *reading = calloc(1, sizeof(*reading));

    reading->loop = loop;
    reading->stop = true;
    io_read_init(&reading->read, loop, on_read);
    return reading;
}

static int file_of(uint32_t len)
{
    char path[] = "/tmp/halo_file_XXXXXX";
    uint8_t *octets = malloc(len);
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    fixture_fill(octets, len, 0);
    assert_int_equal(write(fd, octets, len), len);
    free(octets);
    return fd;
}

static void test_file_read_at_offsets_to_the_end(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reading *reading = reading_new(loop);
    uint32_t offset = 0;
    int fd = file_of(150000);

    (void)state;
    while (offset < 150000) {
        io_read_start(&reading->read, fd, reading->octets, sizeof(reading->octets), offset);
        assert_false(io_read_idle(&reading->read));
        fixture_run(loop);
        assert_int_equal(reading->result, min_u32(70000, 150000 - offset));
        fixture_check(reading->octets, (size_t)reading->result, offset);
        offset += (uint32_t)reading->result;
    }
    io_read_start(&reading->read, fd, reading->octets, 10, offset);
    fixture_run(loop);
    assert_int_equal(reading->result, 0);
    io_read_cancel(&reading->read); /* nothing to cancel */
    close(fd);
    free(reading);
    halo_loop_free(loop);
}

static void test_file_many_reads_at_once(void **state)
{
    enum { READS = 40 };
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reading *readings[READS];
    int fd = file_of(READS * 1000);

    (void)state;
    for (uint32_t i = 0; i < READS; i++) {
        readings[i] = reading_new(loop);
        readings[i]->stop = false;
        io_read_start(&readings[i]->read, fd, readings[i]->octets, 1000, i * 1000);
    }
    for (uint32_t i = 0; i < READS; i++) {
        while (readings[i]->calls == 0) {
            fixture_run_turns(loop, 1);
        }
        assert_int_equal(readings[i]->result, 1000);
        fixture_check(readings[i]->octets, 1000, i * 1000);
        free(readings[i]);
    }
    close(fd);
    halo_loop_free(loop);
}

static void test_file_errors(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reading *reading = reading_new(loop);
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    io_read_start(&reading->read, directory, reading->octets, 10, 0);
    fixture_run(loop);
    assert_int_equal(reading->result, -EISDIR);
    close(directory);
    io_read_start(&reading->read, directory, reading->octets, 10, 0);
    fixture_run(loop);
    assert_int_equal(reading->result, -EBADF);
    free(reading);
    halo_loop_free(loop);
}

static void read_pipe(bool non_blocking)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reading *reading = reading_new(loop);
    int fds[2];

    assert_int_equal(pipe2(fds, non_blocking ? O_NONBLOCK : 0), 0);
    io_read_start(&reading->read, fds[0], reading->octets, 100, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 5);
    assert_int_equal(reading->calls, 0); /* waits for octets */
    assert_int_equal(write(fds[1], "hello", 5), 5);
    fixture_run(loop);
    assert_int_equal(reading->result, 5);
    assert_memory_equal(reading->octets, "hello", 5);

    /* Called off while it waits. */
    io_read_start(&reading->read, fds[0], reading->octets, 100, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 5);
    assert_int_equal(reading->calls, 1);
    io_read_cancel(&reading->read);
    io_read_cancel(&reading->read);
    fixture_run(loop);
    assert_int_equal(reading->calls, 2);
    assert_int_equal(reading->result, -ECANCELED);

    /* Called off before the kernel has seen it. */
    io_read_start(&reading->read, fds[0], reading->octets, 100, IO_READ_NO_OFFSET);
    io_read_cancel(&reading->read);
    fixture_run(loop);
    assert_int_equal(reading->result, -ECANCELED);

    io_read_start(&reading->read, fds[0], reading->octets, 100, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 3);
    close(fds[1]);
    fixture_run(loop);
    assert_int_equal(reading->result, 0);
    close(fds[0]);
    free(reading);
    halo_loop_free(loop);
}

static void test_file_pipe(void **state)
{
    (void)state;
    read_pipe(false);
}

static void test_file_pipe_that_does_not_block(void **state)
{
    (void)state;
    read_pipe(true);
}

/* Older kernels answer -EAGAIN here; newer ones poll by themselves. */
static void test_file_descriptor_that_must_be_polled(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reading *reading = reading_new(loop);
    char directory[] = "/tmp/halo_notify_XXXXXX";
    char path[64];
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_true(inotify_add_watch(fd, directory, IN_CREATE) >= 0);
    io_read_start(&reading->read, fd, reading->octets, 1000, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 5);
    assert_int_equal(reading->calls, 0);
    snprintf(path, sizeof(path), "%s/f", directory);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    fixture_run(loop);
    assert_true(reading->result >= (int)sizeof(struct inotify_event));

    io_read_start(&reading->read, fd, reading->octets, 1000, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 5);
    io_read_cancel(&reading->read);
    fixture_run(loop);
    assert_int_equal(reading->result, -ECANCELED);
    unlink(path);
    rmdir(directory);
    close(fd);
    free(reading);
    halo_loop_free(loop);
}

static void test_file_loop_is_freed_under_it(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reading *blocking = reading_new(loop);
    struct reading *polling = reading_new(loop);
    int fds[2];
    int others[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pipe2(others, O_NONBLOCK), 0);
    io_read_start(&blocking->read, fds[0], blocking->octets, 100, IO_READ_NO_OFFSET);
    io_read_start(&polling->read, others[0], polling->octets, 100, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 3);
    halo_loop_free(loop);
    assert_int_equal(blocking->result, -ECANCELED);
    assert_int_equal(polling->result, -ECANCELED);
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(others[i]);
    }
    free(blocking);
    free(polling);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_read_at_offsets_to_the_end),
        cmocka_unit_test(test_file_many_reads_at_once),
        cmocka_unit_test(test_file_errors),
        cmocka_unit_test(test_file_pipe),
        cmocka_unit_test(test_file_pipe_that_does_not_block),
        cmocka_unit_test(test_file_descriptor_that_must_be_polled),
        cmocka_unit_test(test_file_loop_is_freed_under_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
