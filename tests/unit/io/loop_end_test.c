/*
 * The loop and other threads; what freeing it does to what is open on it.
 */
#include "io_fixture.h"

#include <pthread.h>
#include <sys/wait.h>

#include "scripted_ring.h"

static char trace[256];

static void note(const char *what)
{
    strcat(trace, what);
}

static int start(void **state)
{
    (void)state;
    trace[0] = '\0';
    return 0;
}

static void *failing_alloc(size_t size, void *ctx)
{
    int *left = ctx;

    return (*left)-- > 0 ? malloc(size) : NULL;
}

static void *failing_resize(void *memory, size_t size, void *ctx)
{
    int *left = ctx;

    return (*left)-- > 0 ? realloc(memory, size) : NULL;
}

static void plain_release(void *memory, void *ctx)
{
    (void)ctx;
    free(memory);
}

static void stop_loop(halo_timer *timer, void *ctx)
{
    (void)timer;
    note("s");
    halo_loop_stop(ctx);
}

static void timer_a(halo_timer *timer, void *ctx)
{
    (void)timer;
    (void)ctx;
    note("a");
}

static void timer_b(halo_timer *timer, void *ctx)
{
    (void)timer;
    (void)ctx;
    note("b");
}

/* ---- posts ---- */

enum { THREADS = 4, POSTS = 20000 };

struct poster {
    pthread_t thread;
    struct halo_loop *loop;
    int next; /* the number that must come next */
    int *total;
};

struct numbered {
    struct poster *poster;
    int number;
};

static void numbered_call(void *ctx)
{
    struct numbered *numbered = ctx;

    assert_int_equal(numbered->number, numbered->poster->next);
    numbered->poster->next++;
    if (++*numbered->poster->total == THREADS * POSTS) {
        halo_loop_stop(numbered->poster->loop);
    }
    free(numbered);
}

static void *post_many(void *ctx)
{
    struct poster *poster = ctx;

    for (int i = 0; i < POSTS; i++) {
        struct numbered *numbered = malloc(sizeof(*numbered));

        *numbered = (struct numbered){ poster, i };
        if (halo_loop_post(poster->loop, numbered_call, numbered) != 0) {
            abort();
        }
        if (i % 1000 == 0) {
            sched_yield(); /* the loop may fall asleep */
        }
    }
    return NULL;
}

static void test_loop_posts_of_many_threads_keep_their_order(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct poster posters[THREADS];
    int total = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){ .loop = loop, .total = &total };
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    fixture_run(loop);
    assert_int_equal(total, THREADS * POSTS);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
    }
    halo_loop_free(loop);
}

/* Ping-pong with another thread: each post finds the loop asleep, or about to be. */
struct ping {
    struct halo_loop *loop;
    int pipe[2];
    int rounds;
};

static void pong(void *ctx)
{
    struct ping *ping = ctx;

    assert_int_equal(write(ping->pipe[1], "x", 1), 1);
}

static void *ping_thread(void *ctx)
{
    struct ping *ping = ctx;
    char octet;

    for (int i = 0; i < ping->rounds; i++) {
        if (halo_loop_post(ping->loop, pong, ping) != 0 || read(ping->pipe[0], &octet, 1) != 1) {
            abort();
        }
    }
    halo_loop_stop(ping->loop);
    return NULL;
}

static void test_loop_post_wakes_a_sleeping_loop(void **state)
{
    struct ping ping = { .loop = fixture_loop(8, 8), .rounds = 3000 };
    pthread_t thread;

    (void)state;
    assert_int_equal(pipe(ping.pipe), 0);
    assert_int_equal(pthread_create(&thread, NULL, ping_thread, &ping), 0);
    fixture_run(ping.loop);
    pthread_join(thread, NULL);
    close(ping.pipe[0]);
    close(ping.pipe[1]);
    halo_loop_free(ping.loop);
}

/* What is posted may be the loop's last work: it is freed while the poster is hardly out of the
 * call. */
static void last_work(void *ctx)
{
    loop_unref(ctx);
}

static void *run_and_free(void *ctx)
{
    struct halo_loop *loop = ctx;
    int status = halo_loop_run(loop);

    halo_loop_free(loop);
    return status == 0 ? ctx : NULL;
}

static void test_loop_freed_behind_the_last_post(void **state)
{
    (void)state;
    for (int i = 0; i < 500; i++) {
        struct halo_loop *loop = fixture_loop(8, 8);
        pthread_t thread;
        void *result;

        loop_ref(loop);
        assert_int_equal(pthread_create(&thread, NULL, run_and_free, loop), 0);
        if (i % 2 == 0) {
            sched_yield();
        }
        assert_int_equal(halo_loop_post(loop, last_work, loop), 0);
        pthread_join(thread, &result);
        assert_non_null(result);
    }
}

static void post_again(void *ctx)
{
    struct halo_loop *loop = ctx;

    note("q");
    if (strlen(trace) < 3) {
        assert_int_equal(halo_loop_post(loop, post_again, loop), 0);
    }
}

static void test_loop_posted_calls_keep_it_running(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);

    (void)state;
    assert_int_equal(halo_loop_post(loop, post_again, loop), 0);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_string_equal(trace, "qqq");
    halo_loop_free(loop);
}

static void note_call(void *ctx)
{
    note(ctx);
}

static void test_loop_free_makes_waiting_calls(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    char one[] = "1";
    char two[] = "2";

    (void)state;
    assert_int_equal(halo_loop_post(loop, note_call, one), 0);
    assert_int_equal(halo_loop_post(loop, note_call, two), 0);
    halo_loop_free(loop);
    assert_string_equal(trace, "12");
}

/* ---- threads that run it ---- */

static void *run_thread(void *ctx)
{
    return halo_loop_run(ctx) == 0 ? ctx : NULL;
}

static void test_loop_idle_may_be_run_and_freed_by_another_thread(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);

    (void)state;
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        void *result;

        assert_int_equal(halo_timer_start(NULL, loop, 1, 0, timer_a, NULL), 0);
        assert_int_equal(pthread_create(&thread, NULL, run_thread, loop), 0);
        pthread_join(thread, &result);
        assert_ptr_equal(result, loop);
    }
    assert_string_equal(trace, "aaa");
    assert_int_equal(halo_loop_run(loop), 0);
    halo_loop_free(loop);
}

/* A loop freed by a thread that has a running loop of its own must not disturb that. */
static void free_other(void *ctx)
{
    halo_loop_free(ctx);
}

static void test_loop_freed_inside_another_loop(void **state)
{
    struct halo_loop *mine = fixture_loop(8, 8);
    struct halo_loop *other = fixture_loop(8, 8);
    pthread_t thread;
    void *result;

    (void)state;
    assert_int_equal(halo_timer_start(NULL, other, 1, 0, timer_a, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_thread, other), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, other);
    assert_int_equal(halo_loop_post(mine, free_other, other), 0);
    assert_int_equal(halo_timer_start(NULL, mine, 5, 0, timer_b, NULL), 0);
    assert_int_equal(halo_loop_run(mine), 0);
    assert_string_equal(trace, "ab");
    halo_loop_free(mine);
}

static void on_read(struct io_read *read, int result)
{
    (void)read;
    note(result == -ECANCELED ? "c" : "?");
}

static void *run_with_a_read(void *ctx)
{
    return halo_loop_run(ctx) == 0 ? ctx : NULL;
}

static void test_loop_with_operations_stays_on_its_thread(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct io_read read;
    char octet;
    int fds[2];
    pthread_t thread;
    void *result;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    io_read_init(&read, loop, on_read);
    io_read_start(&read, fds[0], &octet, 1, IO_READ_NO_OFFSET);
    loop_ref(loop);
    assert_int_equal(halo_timer_start(NULL, loop, 1, 0, stop_loop, loop), 0);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_int_equal(loop->ledger.operations, 2); /* and the wake */
    assert_int_equal(pthread_create(&thread, NULL, run_with_a_read, loop), 0);
    pthread_join(thread, &result);
    assert_null(result);
    assert_non_null(strstr(halo_loop_error(loop), "same thread"));
    halo_loop_free(loop);
    assert_string_equal(trace, "sc");
    close(fds[0]);
    close(fds[1]);
}

/* ---- freeing with things open ---- */

struct open_handle {
    struct loop_handle handle;
    struct io_read read;
    struct halo_loop *loop;
};

static void handle_abort(struct loop_handle *handle)
{
    struct open_handle *self = HALO_CONTAINER(handle, struct open_handle, handle);

    note("h");
    io_read_cancel(&self->read);
}

static void test_loop_free_aborts_handles_and_waits_for_their_operations(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct open_handle open = { .loop = loop };
    halo_timer *timer;
    char octet;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    loop_handle_add(loop, &open.handle, handle_abort);
    io_read_init(&open.read, loop, on_read);
    io_read_start(&open.read, fds[0], &octet, 1, IO_READ_NO_OFFSET);
    assert_int_equal(halo_timer_start(&timer, loop, 0, 0, timer_a, NULL), 0);
    halo_timer_unref(timer);
    fixture_run_turns(loop, 1);
    trace[0] = '\0';
    assert_int_equal(halo_timer_start(&timer, loop, 0, 0, timer_b, NULL), 0);
    halo_loop_free(loop); /* without the timer's call */
    assert_string_equal(trace, "hc");
    close(fds[0]);
    close(fds[1]);
}

/* A timer that comes due while the loop is being freed is not called any more. */
static void test_loop_free_does_not_call_timers(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct open_handle open = { .loop = loop };
    uint64_t until;
    char octet;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    loop_handle_add(loop, &open.handle, handle_abort);
    io_read_init(&open.read, loop, on_read);
    io_read_start(&open.read, fds[0], &octet, 1, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 1);
    assert_int_equal(halo_timer_start(NULL, loop, 0, 0, timer_b, NULL), 0);
    assert_int_equal(halo_timer_start(NULL, loop, 0, 1, timer_b, NULL), 0);
    until = timers_next_ns(&loop->timers);
    while (loop->ring->ops->clock_ns(loop->ring) < until) {
    }
    halo_loop_free(loop);
    assert_string_equal(trace, "hc");
    close(fds[0]);
    close(fds[1]);
}

static void free_env(struct halo_loop *loop, void *data)
{
    assert_non_null(loop->ring);
    note(data);
}

static void test_loop_free_frees_what_modules_keep_on_it(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    char proto[] = "P";
    char tls[] = "T";
    char file[] = "F";

    (void)state;
    loop->proto_env = (struct loop_env){ proto, free_env };
    loop->tls_env = (struct loop_env){ tls, free_env };
    loop->file_env = (struct loop_env){ file, free_env };
    halo_loop_free(loop);
    assert_string_equal(trace, "FTP");
}

/* ---- loops that cannot be freed: their memory stays, which is reported ---- */

/* Runs `child` in a process of its own, where leaks are nobody's concern; what it writes to stderr
 * comes back. */
static void in_child(void (*child)(void), char *said, size_t size)
{
    int fds[2];
    int status;
    size_t len = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        child();
        fflush(stderr);
        _exit(0);
    }
    close(fds[1]);
    while ((got = read(fds[0], said + len, size - 1 - len)) > 0) {
        len += (size_t)got;
    }
    said[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *free_on_thread(void *ctx)
{
    halo_loop_free(ctx);
    return NULL;
}

static void free_on_the_wrong_thread(void)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    static struct io_read read;
    static char octet;
    pthread_t thread;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    io_read_init(&read, loop, on_read);
    io_read_start(&read, fds[0], &octet, 1, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 1);
    assert_int_equal(pthread_create(&thread, NULL, free_on_thread, loop), 0);
    pthread_join(thread, NULL);
    assert_int_equal(read.op.state, IO_OP_IN_KERNEL);
}

static halo_slice kept;

static void keep_slice(struct io_receiver *receiver, halo_slice *slice)
{
    kept = *slice;
    halo_loop_stop(receiver->loop);
}

static void ignore_end(struct io_receiver *receiver, int error)
{
    (void)receiver;
    (void)error;
}

static void free_with_a_slice_held(void)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct io_receiver receiver;
    int fds[2];

    fixture_pair(loop, fds);
    io_receiver_init(&receiver, loop, fds[0], keep_slice, ignore_end);
    io_receiver_start(&receiver);
    assert_int_equal(write(fds[1], "kept", 4), 4);
    fixture_run(loop);
    halo_loop_free(loop);
    assert_memory_equal(kept.data, "kept", 4);
    halo_slice_release(&kept); /* still harmless */
}

static void free_with_an_operation_that_does_not_end(void)
{
    const struct scripted_options options = {
        .seed = 1,
        .faults = { .cancel_late = 1000, .delay = 1000 },
    };
    struct halo_loop *loop;
    static struct io_read read;
    static char octet;
    int fds[2];

    assert_int_equal(loop_new_with_ring(&loop, NULL, scripted_ring_new(&options)), 0);
    assert_int_equal(pipe(fds), 0);
    io_read_init(&read, loop, on_read);
    io_read_start(&read, fds[0], &octet, 1, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 1);
    halo_loop_free(loop);
    assert_string_equal(trace, "");
}

static void test_loop_that_cannot_be_freed_is_left_behind(void **state)
{
    char said[1000];

    (void)state;
    in_child(free_on_the_wrong_thread, said, sizeof(said));
    assert_non_null(strstr(said, "operations do not end"));
    in_child(free_with_a_slice_held, said, sizeof(said));
    assert_non_null(strstr(said, "1 received slices were not released"));
    in_child(free_with_an_operation_that_does_not_end, said, sizeof(said));
    assert_non_null(strstr(said, "2 operations do not end"));
}

/* ---- out of memory ---- */

static void test_loop_objects_without_memory(void **state)
{
    struct halo_loop_options options;
    struct halo_loop *loop;
    struct io_read read;
    halo_timer *timer;
    char octet;
    int left = 1000;

    (void)state;
    halo_loop_options_init(&options);
    options.allocator = (halo_allocator){ failing_alloc, failing_resize, plain_release, &left };
    assert_int_equal(halo_loop_new(&loop, &options), 0);
    left = 0;
    assert_int_equal(halo_timer_start(&timer, loop, 1, 0, timer_a, NULL), HALO_E_NOMEM);
    assert_null(timer);
    /* Submitted before the ring is there, it must be kept somewhere. */
    io_read_init(&read, loop, on_read);
    io_read_start(&read, STDIN_FILENO, &octet, 1, 0);
    left = 1000;
    fixture_run_turns(loop, 2);
    assert_string_equal(trace, "?"); /* -ENOMEM */
    assert_int_equal(loop->ledger.timers, 0);
    halo_loop_free(loop);
}

/* A handle that comes to life while the others are being closed. */
static void second_abort(struct loop_handle *handle)
{
    (void)handle;
    note("2");
}

static struct loop_handle second_handle;

static void on_read_make_handle(struct io_read *read, int result)
{
    on_read(read, result);
    loop_handle_add(read->loop, &second_handle, second_abort);
}

static void test_loop_free_aborts_handles_that_come_late(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct open_handle open = { .loop = loop };
    char octet;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    loop_handle_add(loop, &open.handle, handle_abort);
    io_read_init(&open.read, loop, on_read_make_handle);
    io_read_start(&open.read, fds[0], &octet, 1, IO_READ_NO_OFFSET);
    fixture_run_turns(loop, 1);
    halo_loop_free(loop);
    assert_string_equal(trace, "hc2");
    close(fds[0]);
    close(fds[1]);
}

static void test_loop_free_before_it_ever_ran(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct io_read read;
    char octet;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    io_read_init(&read, loop, on_read);
    io_read_start(&read, fds[0], &octet, 1, IO_READ_NO_OFFSET);
    halo_loop_free(loop);
    assert_string_equal(trace, "c");
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_loop_posts_of_many_threads_keep_their_order, start),
        cmocka_unit_test_setup(test_loop_post_wakes_a_sleeping_loop, start),
        cmocka_unit_test_setup(test_loop_freed_behind_the_last_post, start),
        cmocka_unit_test_setup(test_loop_posted_calls_keep_it_running, start),
        cmocka_unit_test_setup(test_loop_free_makes_waiting_calls, start),
        cmocka_unit_test_setup(test_loop_idle_may_be_run_and_freed_by_another_thread, start),
        cmocka_unit_test_setup(test_loop_freed_inside_another_loop, start),
        cmocka_unit_test_setup(test_loop_with_operations_stays_on_its_thread, start),
        cmocka_unit_test_setup(test_loop_free_aborts_handles_and_waits_for_their_operations, start),
        cmocka_unit_test_setup(test_loop_free_before_it_ever_ran, start),
        cmocka_unit_test_setup(test_loop_free_does_not_call_timers, start),
        cmocka_unit_test_setup(test_loop_free_aborts_handles_that_come_late, start),
        cmocka_unit_test_setup(test_loop_free_frees_what_modules_keep_on_it, start),
        cmocka_unit_test_setup(test_loop_that_cannot_be_freed_is_left_behind, start),
        cmocka_unit_test_setup(test_loop_objects_without_memory, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
