#include "io_fixture.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

enum { ACCEPTED_MAX = 128 };

struct listener {
    struct io_acceptor acceptor;
    struct halo_loop *loop;
    struct io_address address;
    int fd;
    int accepted[ACCEPTED_MAX];
    uint32_t num_accepted;
    uint32_t stop_at;
    uint32_t ends;
    int errors;
    int last_error;
    bool stop_in_callback;
    bool drain;
    bool pause_in_callback;
    bool resume_in_callback;
};

static void on_accepted(struct io_acceptor *acceptor, int fd)
{
    struct listener *listener = HALO_CONTAINER(acceptor, struct listener, acceptor);

    assert_true(listener->num_accepted < ACCEPTED_MAX);
    listener->accepted[listener->num_accepted++] = fd;
    if (listener->stop_in_callback) {
        assert_false(io_acceptor_stop(acceptor, listener->drain));
    }
    if (listener->pause_in_callback) {
        io_acceptor_pause(acceptor);
    }
    if (listener->resume_in_callback) {
        io_acceptor_resume(acceptor);
    }
    if (listener->num_accepted == listener->stop_at) {
        halo_loop_stop(listener->loop);
    }
}

static void on_accept_end(struct io_acceptor *acceptor)
{
    struct listener *listener = HALO_CONTAINER(acceptor, struct listener, acceptor);

    assert_true(io_acceptor_idle(acceptor));
    listener->ends++;
    halo_loop_stop(listener->loop);
}

static void on_accept_error(struct io_acceptor *acceptor, int error)
{
    struct listener *listener = HALO_CONTAINER(acceptor, struct listener, acceptor);

    listener->errors++;
    listener->last_error = error;
    halo_loop_stop(listener->loop);
}

static void listener_open(struct listener *listener, struct halo_loop *loop)
{
    *listener = (struct listener){ .loop = loop };
    assert_int_equal(io_address_parse(&listener->address, "127.0.0.1:0"), 0);
    listener->fd = io_listen(loop, &listener->address, NULL);
    assert_true(listener->fd >= 0);
    assert_int_equal(io_address_local(&listener->address, listener->fd), 0);
    io_acceptor_init(&listener->acceptor, loop, listener->fd, on_accepted, on_accept_end);
    listener->acceptor.on_accept_error = on_accept_error;
}

static void listener_close(struct listener *listener)
{
    if (!io_acceptor_stop(&listener->acceptor, false)) {
        fixture_run(listener->loop);
        assert_int_equal(listener->ends, 1);
    }
    io_close_now(listener->loop, listener->fd);
    for (uint32_t i = 0; i < listener->num_accepted; i++) {
        io_close(listener->loop, listener->accepted[i]);
    }
}

/* A client that connects with a plain call; the kernel completes it without the listener's
 * doing. */
static int client_connect(struct listener *listener)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, &listener->address.any, listener->address.len), 0);
    return fd;
}

/* Accepted ones get through; one that was reset does not. */
static bool client_is_alive(int fd)
{
    char octet;
    ssize_t len = recv(fd, &octet, 1, MSG_DONTWAIT);

    return len > 0 || (len < 0 && errno == EAGAIN);
}

static void test_accept_many(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct listener listener;
    int clients[100];
    int on = 0;
    socklen_t len = sizeof(on);

    (void)state;
    listener_open(&listener, loop);
    io_acceptor_start(&listener.acceptor); /* before the ring */
    for (int i = 0; i < 100; i++) {
        clients[i] = client_connect(&listener);
    }
    listener.stop_at = 100;
    fixture_run(loop);
    for (int i = 0; i < 100; i++) {
        close(clients[i]);
    }
    assert_int_equal(loop->ledger.descriptors, 101);
    /* Inherited from the listener; close-on-exec; blocking. */
    assert_int_equal(getsockopt(listener.accepted[0], IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_not_equal(on, 0);
    assert_int_equal(fcntl(listener.accepted[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(listener.accepted[0], F_GETFL) & O_NONBLOCK, 0);
    listener_close(&listener);
    halo_loop_free(loop);
}

static void test_accept_single_shot(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct listener listener;
    int clients[10];

    (void)state;
    fixture_run_turns(loop, 1);
    loop->ring->capabilities.accept_multishot = false;
    listener_open(&listener, loop);
    listener.pause_in_callback = true;
    listener.resume_in_callback = true;
    io_acceptor_start(&listener.acceptor);
    for (int i = 0; i < 10; i++) {
        clients[i] = client_connect(&listener);
    }
    listener.stop_at = 10;
    fixture_run(loop);
    for (int i = 0; i < 10; i++) {
        close(clients[i]);
    }
    listener_close(&listener);
    halo_loop_free(loop);
}

static void test_accept_stop_with_drain_hands_out_the_queue(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct listener listener;
    int clients[20];

    (void)state;
    listener_open(&listener, loop);
    io_acceptor_start(&listener.acceptor);
    fixture_run_turns(loop, 2);
    io_acceptor_pause(&listener.acceptor);
    fixture_run_turns(loop, 2);
    for (int i = 0; i < 20; i++) {
        clients[i] = client_connect(&listener);
    }
    fixture_run_turns(loop, 2);
    assert_int_equal(listener.num_accepted, 0);
    assert_false(io_acceptor_stop(&listener.acceptor, true));
    assert_int_equal(listener.num_accepted, 0); /* not inside the call */
    fixture_run(loop);
    assert_int_equal(listener.ends, 1);
    assert_int_equal(listener.num_accepted, 20);
    assert_int_equal(fcntl(listener.fd, F_GETFL) & O_NONBLOCK, 0);
    io_close_now(loop, listener.fd);
    for (int i = 0; i < 20; i++) {
        assert_true(client_is_alive(clients[i]));
        close(clients[i]);
        io_close(loop, listener.accepted[i]);
    }
    halo_loop_free(loop);
}

static void test_accept_stop_while_running_drains_too(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct listener listener;
    int clients[20];

    (void)state;
    listener_open(&listener, loop);
    io_acceptor_start(&listener.acceptor);
    listener.stop_in_callback = true;
    listener.drain = true;
    for (int i = 0; i < 20; i++) {
        clients[i] = client_connect(&listener);
    }
    fixture_run(loop);
    assert_int_equal(listener.ends, 1);
    assert_int_equal(listener.num_accepted, 20);
    for (int i = 0; i < 20; i++) {
        assert_true(client_is_alive(clients[i]));
        close(clients[i]);
    }
    listener_close(&listener);
    halo_loop_free(loop);
}

static void test_accept_stop_without_drain_resets(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct listener listener;
    int clients[5];

    (void)state;
    listener_open(&listener, loop);
    assert_true(io_acceptor_stop(&listener.acceptor, false)); /* never started */
    fixture_run_turns(loop, 1);
    io_acceptor_start(&listener.acceptor);
    fixture_run_turns(loop, 2);
    listener.stop_in_callback = true; /* more are accepted already when the first is handed out */
    for (int i = 0; i < 5; i++) {
        clients[i] = client_connect(&listener);
    }
    fixture_run(loop);
    assert_int_equal(listener.ends, 1);
    assert_int_equal(listener.num_accepted, 1);
    io_close_now(loop, listener.fd);
    fixture_run_turns(loop, 1);
    assert_int_equal(loop->ledger.descriptors, 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(client_is_alive(clients[i]), i == 0);
        close(clients[i]);
    }
    io_close(loop, listener.accepted[0]);
    halo_loop_free(loop);
}

static void test_accept_pause_and_resume(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct listener listener;
    int clients[3];

    (void)state;
    listener_open(&listener, loop);
    io_acceptor_start(&listener.acceptor);
    listener.pause_in_callback = true;
    clients[0] = client_connect(&listener);
    listener.stop_at = 1;
    fixture_run(loop);
    fixture_run_turns(loop, 3);
    clients[1] = client_connect(&listener);
    clients[2] = client_connect(&listener);
    fixture_run_turns(loop, 5);
    assert_int_equal(listener.num_accepted, 1);

    listener.pause_in_callback = false;
    io_acceptor_resume(&listener.acceptor);
    io_acceptor_pause(&listener.acceptor);
    io_acceptor_resume(&listener.acceptor);
    listener.stop_at = 3;
    fixture_run(loop);
    for (int i = 0; i < 3; i++) {
        close(clients[i]);
    }
    io_acceptor_pause(&listener.acceptor);
    fixture_run_turns(loop, 3);
    assert_true(io_acceptor_stop(&listener.acceptor, false)); /* paused: at once */
    listener_close(&listener);
    halo_loop_free(loop);
}

static void test_accept_backs_off_without_descriptors(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct listener listener;
    struct rlimit before;
    struct rlimit none;
    uint64_t since;
    int clients[2];
    int highest;

    (void)state;
    listener_open(&listener, loop);
    io_acceptor_start(&listener.acceptor);
    fixture_run_turns(loop, 2);
    clients[0] = client_connect(&listener);
    clients[1] = client_connect(&listener);
    highest = dup(clients[1]);
    close(highest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)highest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);

    fixture_run(loop);
    assert_int_equal(listener.last_error, -EMFILE);
    assert_int_equal(listener.acceptor.backoff_ms, 10);
    since = loop_now_ns(loop);
    fixture_run(loop);
    assert_int_equal(listener.errors, 2);
    assert_true(loop_now_ns(loop) - since >= 10000000); /* not before 10 ms */
    assert_int_equal(listener.acceptor.backoff_ms, 20);

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    listener.stop_at = 2;
    fixture_run(loop);
    assert_int_equal(listener.acceptor.backoff_ms, 0);
    close(clients[0]);
    close(clients[1]);
    listener_close(&listener);
    halo_loop_free(loop);
}

static void test_accept_on_what_does_not_listen(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct listener listener;

    (void)state;
    listener_open(&listener, loop);
    listener.acceptor.fd = socket(AF_INET, SOCK_STREAM, 0);
    io_acceptor_start(&listener.acceptor);
    fixture_run(loop);
    assert_int_equal(listener.last_error, -EINVAL);
    assert_false(listener.acceptor.multishot);
    fixture_run(loop); /* tries again, later */
    assert_int_equal(listener.errors, 2);
    close(listener.acceptor.fd);
    listener.acceptor.fd = listener.fd;
    listener_close(&listener);
    halo_loop_free(loop);
}

static void test_accept_loop_is_freed_under_it(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct listener listener;

    (void)state;
    listener_open(&listener, loop);
    io_acceptor_start(&listener.acceptor);
    fixture_run_turns(loop, 2);
    io_fd_closed(loop, listener.fd);
    halo_loop_free(loop);
    assert_int_equal(listener.ends, 1);
    close(listener.fd);
}

/* ---- listening ---- */

static uint32_t option(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return (uint32_t)value;
}

static void test_listen_options(void **state)
{
    const struct io_listen_options options = {
        .backlog = 5,
        .reuse_port = true,
        .keep_alive = true,
        .keep_alive_idle_s = 33,
        .keep_alive_interval_s = 44,
        .keep_alive_count = 5,
        .user_timeout_ms = 6666,
        .not_sent_lowat = 77777,
    };
    struct halo_loop *loop = fixture_loop(8, 8);
    struct io_address address;
    int first;
    int second;

    (void)state;
    assert_int_equal(io_address_parse(&address, "127.0.0.1:0"), 0);
    first = io_listen(loop, &address, &options);
    assert_true(first >= 0);
    assert_int_equal(io_address_local(&address, first), 0);
    assert_int_not_equal(io_address_port(&address), 0);
    assert_int_equal(option(first, SOL_SOCKET, SO_REUSEADDR), 1);
    assert_int_equal(option(first, SOL_SOCKET, SO_REUSEPORT), 1);
    assert_int_equal(option(first, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(first, IPPROTO_TCP, TCP_KEEPIDLE), 33);
    assert_int_equal(option(first, IPPROTO_TCP, TCP_KEEPINTVL), 44);
    assert_int_equal(option(first, IPPROTO_TCP, TCP_KEEPCNT), 5);
    assert_int_equal(option(first, IPPROTO_TCP, TCP_USER_TIMEOUT), 6666);
    assert_int_equal(option(first, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 77777);
    assert_int_not_equal(option(first, IPPROTO_TCP, TCP_NODELAY), 0);
    second = io_listen(loop, &address, &options); /* the same port */
    assert_true(second >= 0);
    assert_int_equal(io_listen(loop, &address, NULL), -EADDRINUSE);
    assert_int_equal(loop->ledger.descriptors, 2);
    io_close_now(loop, first);
    io_close_now(loop, second);
    first = io_listen(loop, &address, &(struct io_listen_options){ .delay = true });
    assert_true(first >= 0);
    assert_int_equal(option(first, IPPROTO_TCP, TCP_NODELAY), 0);
    io_close_now(loop, first);
    halo_loop_free(loop);
}

static void test_listen_unix(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct io_address address;
    char directory[] = "/tmp/halo_accept_XXXXXX";
    char path[64];
    char text[IO_ADDRESS_TEXT_MAX];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "unix:%s/s", directory);
    assert_int_equal(io_address_parse(&address, path), 0);
    fd = io_listen(loop, &address, NULL);
    assert_true(fd >= 0);
    assert_int_equal(io_address_local(&address, fd), 0);
    assert_string_equal(io_address_format(&address, text), path);
    assert_int_equal(io_listen(loop, &address, NULL), -EADDRINUSE);
    io_close_now(loop, fd);
    unlink(path + 5);
    rmdir(directory);
    halo_loop_free(loop);
}

static void test_listen_ipv6_only(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct io_address address;
    int fd;

    (void)state;
    assert_int_equal(io_address_parse(&address, "[::]:0"), 0);
    fd = io_listen(loop, &address, NULL);
    if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) {
        print_message("no IPv6 here\n");
        halo_loop_free(loop);
        return;
    }
    assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
    io_close_now(loop, fd);
    fd = io_listen(loop, &address, &(struct io_listen_options){ .ipv6_only = true });
    assert_true(fd >= 0);
    assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    io_close_now(loop, fd);
    halo_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_many),
        cmocka_unit_test(test_accept_single_shot),
        cmocka_unit_test(test_accept_stop_with_drain_hands_out_the_queue),
        cmocka_unit_test(test_accept_stop_while_running_drains_too),
        cmocka_unit_test(test_accept_stop_without_drain_resets),
        cmocka_unit_test(test_accept_pause_and_resume),
        cmocka_unit_test(test_accept_backs_off_without_descriptors),
        cmocka_unit_test(test_accept_on_what_does_not_listen),
        cmocka_unit_test(test_accept_loop_is_freed_under_it),
        cmocka_unit_test(test_listen_options),
        cmocka_unit_test(test_listen_unix),
        cmocka_unit_test(test_listen_ipv6_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
