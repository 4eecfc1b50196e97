#include "io_fixture.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

struct connection {
    struct io_connector connector;
    struct halo_loop *loop;
    int calls;
    int result;
    bool again; /* starts the next one in the callback */
    struct io_address again_address;
};

static void on_connected(struct io_connector *connector, int result)
{
    struct connection *connection = HALO_CONTAINER(connector, struct connection, connector);

    assert_true(io_connector_idle(connector));
    connection->calls++;
    connection->result = result;
    if (connection->again) {
        connection->again = false;
        io_connector_start(connector, &connection->again_address, NULL);
        return;
    }
    halo_loop_stop(connection->loop);
}

static void connection_init(struct connection *connection, struct halo_loop *loop)
{
    *connection = (struct connection){ .loop = loop };
    io_connector_init(&connection->connector, loop, on_connected);
}

/* A listening socket of the test. */
static int listen_on(struct io_address *address, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(io_address_parse(address, "127.0.0.1:0"), 0);
    assert_int_equal(bind(fd, &address->any, address->len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(io_address_local(address, fd), 0);
    return fd;
}

static void test_connect_success(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct connection connection;
    struct io_connect_options options = { .timeout_ns = UINT64_C(5000000000) };
    struct io_address address;
    struct io_address peer;
    char text[2][IO_ADDRESS_TEXT_MAX];
    int listener = listen_on(&address, 5);
    int on = 0;
    socklen_t len = sizeof(on);

    (void)state;
    connection_init(&connection, loop);
    assert_int_equal(io_address_parse(&options.local, "127.0.0.2:0"), 0);
    io_connector_start(&connection.connector, &address, &options); /* before the ring */
    fixture_run(loop);
    assert_int_equal(connection.calls, 1);
    assert_true(connection.result >= 0);
    assert_false(timer_armed(&connection.connector.timeout));
    assert_int_equal(io_address_peer(&peer, connection.result), 0);
    assert_string_equal(io_address_format(&peer, text[0]), io_address_format(&address, text[1]));
    assert_int_equal(io_address_local(&peer, connection.result), 0);
    assert_non_null(strstr(io_address_format(&peer, text[0]), "127.0.0.2:"));
    assert_int_equal(getsockopt(connection.result, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_not_equal(on, 0);
    assert_int_equal(fcntl(connection.result, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(loop->ledger.descriptors, 1);
    io_close(loop, connection.result);
    close(listener);
    halo_loop_free(loop);
}

static void test_connect_refused(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct connection connection;
    struct io_address address;
    int listener = listen_on(&address, 5);

    (void)state;
    close(listener);
    connection_init(&connection, loop);
    connection.again = true;
    connection.again_address = address;
    io_connector_start(&connection.connector, &address, NULL);
    fixture_run(loop);
    assert_int_equal(connection.calls, 2);
    assert_int_equal(connection.result, -ECONNREFUSED);
    assert_int_equal(loop->ledger.descriptors, 0);
    halo_loop_free(loop);
}

/* A listener whose queue is full answers no SYN. */
static int fill_queue(const struct io_address *address, int *fillers, int count)
{
    int filled = 0;

    for (int i = 0; i < count; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], &address->any, address->len);
        filled++;
    }
    return filled;
}

static void test_connect_timeout(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct connection connection;
    struct io_connect_options options = { .timeout_ns = 30 * 1000 * 1000 };
    struct io_address address;
    int listener = listen_on(&address, 0);
    int fillers[4];
    uint64_t since;

    (void)state;
    fill_queue(&address, fillers, 4);
    connection_init(&connection, loop);
    since = loop_now_ns(loop);
    io_connector_start(&connection.connector, &address, &options);
    fixture_run(loop);
    assert_int_equal(connection.result, -ETIMEDOUT);
    assert_true(loop_now_ns(loop) - since >= options.timeout_ns);
    assert_int_equal(loop->ledger.descriptors, 0);
    for (int i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(listener);
    halo_loop_free(loop);
}

static void test_connect_cancel(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct connection connection;
    struct io_connect_options options = { .timeout_ns = UINT64_C(5000000000) };
    struct io_address address;
    int listener = listen_on(&address, 0);
    int fillers[4];

    (void)state;
    fill_queue(&address, fillers, 4);
    connection_init(&connection, loop);
    assert_true(io_connector_cancel(&connection.connector));
    /* While it waits for the ring, ... */
    io_connector_start(&connection.connector, &address, &options);
    assert_false(io_connector_cancel(&connection.connector));
    fixture_run(loop);
    assert_int_equal(connection.calls, 1);
    assert_int_equal(connection.result, -ECANCELED);
    /* ... and in the kernel. */
    io_connector_start(&connection.connector, &address, &options);
    fixture_run_turns(loop, 2);
    assert_int_equal(connection.calls, 1);
    assert_false(io_connector_cancel(&connection.connector));
    fixture_run(loop);
    assert_int_equal(connection.calls, 2);
    assert_int_equal(connection.result, -ECANCELED);
    assert_false(timer_armed(&connection.connector.timeout));
    assert_int_equal(loop->ledger.descriptors, 0);
    for (int i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(listener);
    halo_loop_free(loop);
}

static void test_connect_cancel_after_success_closes(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct connection connection;
    struct io_address address;
    int listener = listen_on(&address, 5);

    (void)state;
    fixture_run_turns(loop, 1);
    connection_init(&connection, loop);
    io_connector_start(&connection.connector, &address, NULL);
    /* Loopback connects within the enter that submits it; the completion is not handled yet. */
    io_op_flush(loop);
    assert_false(io_connector_cancel(&connection.connector));
    fixture_run(loop);
    assert_int_equal(connection.result, -ECANCELED);
    assert_int_equal(loop->ledger.descriptors, 0);
    close(listener);
    halo_loop_free(loop);
}

static void test_connect_without_descriptors(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct connection connection;
    struct io_address address;
    int listener = listen_on(&address, 5);
    struct rlimit before;
    struct rlimit none;
    int highest;

    (void)state;
    fixture_run_turns(loop, 1);
    connection_init(&connection, loop);
    highest = dup(listener);
    close(highest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)highest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    io_connector_start(&connection.connector, &address, NULL);
    assert_int_equal(connection.calls, 0); /* told by the callback, in a turn */
    fixture_run(loop);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(connection.calls, 1);
    assert_int_equal(connection.result, -EMFILE);
    close(listener);
    halo_loop_free(loop);
}

static void test_connect_from_a_foreign_address(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct connection connection;
    struct io_connect_options options = { 0 };
    struct io_address address;
    int listener = listen_on(&address, 5);

    (void)state;
    connection_init(&connection, loop);
    assert_int_equal(io_address_parse(&options.local, "192.0.2.1:0"), 0);
    io_connector_start(&connection.connector, &address, &options);
    fixture_run(loop);
    assert_int_equal(connection.result, -EADDRNOTAVAIL);
    assert_int_equal(loop->ledger.descriptors, 0);
    close(listener);
    halo_loop_free(loop);
}

static void test_connect_loop_is_freed_under_it(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct connection connection;
    struct io_address address;
    int listener = listen_on(&address, 0);
    int fillers[4];

    (void)state;
    fill_queue(&address, fillers, 4);
    connection_init(&connection, loop);
    io_connector_start(&connection.connector, &address, NULL);
    fixture_run_turns(loop, 2);
    halo_loop_free(loop);
    assert_int_equal(connection.calls, 1);
    assert_int_equal(connection.result, -ECANCELED);
    for (int i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect_success),
        cmocka_unit_test(test_connect_refused),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_connect_cancel),
        cmocka_unit_test(test_connect_cancel_after_success_closes),
        cmocka_unit_test(test_connect_without_descriptors),
        cmocka_unit_test(test_connect_from_a_foreign_address),
        cmocka_unit_test(test_connect_loop_is_freed_under_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
