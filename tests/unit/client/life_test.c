/* Connections that do not come up, or break; and every way in which a client ends. */
#include "client_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- not coming up --------------------------------------------------------------------- */

static void expect_not_processed(const struct exchange *exchange, int error)
{
    assert_int_equal(exchange->closes, 1);
    assert_int_equal(exchange->error, error);
    assert_int_equal(exchange->processed, HALO_PROCESSED_NO);
    assert_int_equal(exchange->status, 0);
}

static void test_life_refused(void **state)
{
    struct world world;
    struct exchange one = { 0 };
    struct exchange two = { 0 };
    char expected[128];

    (void)state;
    world_init_alone(&world);
    snprintf(world.address, sizeof(world.address), "127.0.0.1:%u", (unsigned int)dead_port());
    snprintf(world.url, sizeof(world.url), "http://%s/", world.address);
    snprintf(expected, sizeof(expected), "connection to %s refused", world.address);
    world_connect(&world);
    world_request(&world, &one, "GET", "/", HALO_END_STREAM);
    world_request(&world, &two, "POST", "/", 0);
    assert_int_equal(halo_stream_write(two.stream, "body", 4, 0), 0);
    world_run(&world);
    assert_int_equal(world.connects, 0);
    assert_int_equal(world.error, HALO_E_CONNECT);
    assert_int_equal(world.system_errno, ECONNREFUSED);
    assert_string_equal(world.reason, expected);
    assert_string_equal(one.reason, expected);
    expect_not_processed(&one, HALO_E_CONNECT);
    expect_not_processed(&two, HALO_E_CONNECT);
    world_fini(&world);
}

static void test_life_connect_timeout(void **state)
{
    struct world world;
    struct exchange exchange = { 0 };
    struct deaf deaf;

    (void)state;
    deaf_init(&deaf, true);
    world_init_alone(&world);
    snprintf(world.url, sizeof(world.url), "http://%s/", deaf.address);
    world.options.connect_timeout_ms = 100;
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.error, HALO_E_TIMEOUT);
    assert_non_null(strstr(world.reason, "within 100 ms"));
    expect_not_processed(&exchange, HALO_E_TIMEOUT);
    world_fini(&world);
    deaf_fini(&deaf);
}

static void test_life_name_not_found(void **state)
{
    struct world world;
    struct exchange exchange = { 0 };

    (void)state;
    world_init_alone(&world);
    world.options.url = "http://halo.invalid/";
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.error, HALO_E_RESOLVE);
    assert_non_null(strstr(world.reason, "host name halo.invalid not found"));
    expect_not_processed(&exchange, HALO_E_RESOLVE);
    world_fini(&world);
}

/* Somebody else's protocol: the connection comes up and is closed at once. */
static void test_life_silent_server(void **state)
{
    struct world world;
    struct exchange exchange = { 0 };
    struct deaf deaf;

    (void)state;
    deaf_init(&deaf, false);
    world_init_alone(&world);
    snprintf(world.url, sizeof(world.url), "http://%s/", deaf.address);
    world.options.session.preface_timeout_ms = 100;
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.connects, 1);
    assert_int_equal(world.error, HALO_E_TIMEOUT);
    assert_int_equal(exchange.error, HALO_E_TIMEOUT);
    world_fini(&world);
    deaf_fini(&deaf);
}

/* ---- breaking -------------------------------------------------------------------------- */

static void test_life_server_breaks(void **state)
{
    struct world world;
    struct exchange exchange = { 0 };
    struct exchange other = { 0 };

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &other, "GET", "/never", HALO_END_STREAM);
    world_request(&world, &exchange, "GET", "/break", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.error, HALO_E_SESSION_ERROR);
    assert_int_equal(exchange.error, HALO_E_SESSION_ERROR);
    assert_int_equal(exchange.code, HALO_ENHANCE_YOUR_CALM);
    assert_int_equal(exchange.ends, 0);
    assert_int_equal(other.closes, 1);
    world_fini(&world);
}

/* A server that answers a part, on a thread with plain sockets, and goes. */
struct rude {
    int fd;
    bool reset;
};

static void *be_rude(void *ctx)
{
    /* SETTINGS; HEADERS of stream 1, :status 200; DATA of 4 octets without END_STREAM */
    static const uint8_t frames[] = {
        0, 0, 0, 4, 0, 0, 0, 0, 0,                      /* SETTINGS */
        0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88,                /* HEADERS */
        0, 0, 4, 0, 0, 0, 0, 0, 1, 'p',  'a', 'r', 't', /* DATA */
    };
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct rude *rude = ctx;
    uint8_t buffer[4096];
    size_t len = 0;
    int fd = accept(rude->fd, NULL, NULL);

    /* The preface, SETTINGS, WINDOW_UPDATE and the request: more than 60 octets. */
    while (len < 60) {
        ssize_t got = read(fd, buffer, sizeof(buffer));

        if (got <= 0) {
            break;
        }
        len += (size_t)got;
    }
    if (write(fd, frames, sizeof(frames)) != (ssize_t)sizeof(frames)) {
        abort();
    }
    if (rude->reset) {
        usleep(300 * 1000); /* a reset throws away what was not read yet */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    } else {
        shutdown(fd, SHUT_WR);
        while (read(fd, buffer, sizeof(buffer)) > 0) {
        }
    }
    close(fd);
    return NULL;
}

static void vanish(bool reset, int error)
{
    struct world world;
    struct exchange exchange = { 0 };
    struct exchange posted = { 0 };
    static char body[60000];
    struct deaf deaf;
    struct rude rude = { .reset = reset };
    pthread_t thread;

    deaf_init(&deaf, false);
    rude.fd = deaf.fd;
    assert_int_equal(pthread_create(&thread, NULL, be_rude, &rude), 0);
    world_init_alone(&world);
    snprintf(world.url, sizeof(world.url), "http://%s/", deaf.address);
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_request(&world, &posted, "POST", "/", 0);
    assert_int_equal(halo_stream_write_borrow(posted.stream, body, sizeof(body), 0, NULL, NULL), 0);
    world_run(&world);
    pthread_join(thread, NULL);
    assert_int_equal(exchange.status, 200);
    assert_string_equal(exchange.body, "part");
    assert_int_equal(exchange.ends, 0);
    assert_int_equal(exchange.error, error);
    assert_int_equal(world.error, error);
    world_fini(&world);
    deaf_fini(&deaf);
}

static void test_life_server_ends(void **state)
{
    (void)state;
    vanish(false, HALO_E_EOF);
}

static void test_life_server_resets(void **state)
{
    (void)state;
    vanish(true, HALO_E_IO);
}

static void refused_now(struct exchange *exchange)
{
    struct halo_request request = { .path = HALO_LIT("/") };
    halo_stream *stream;

    assert_int_equal(halo_client_request(exchange->world->client, &request, HALO_END_STREAM, NULL,
                                         NULL, &stream),
                     HALO_E_GOAWAY_SESSION);
}

/* The server goes away: what is open finishes, then the client ends by itself, in order. */
static void test_life_goaway(void **state)
{
    struct world world;
    struct exchange large = { .on_close = refused_now };
    struct exchange goaway = { 0 };

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &large, "GET", "/large", HALO_END_STREAM);
    world_request(&world, &goaway, "GET", "/goaway", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.error, 0);
    assert_int_equal(large.body_len, LARGE_BODY);
    assert_int_equal(large.error, 0);
    assert_int_equal(goaway.error, 0);
    world_fini(&world);
}

/* ---- ending ---------------------------------------------------------------------------- */

static void destroy_in_response(struct exchange *exchange)
{
    halo_client_destroy(exchange->world->client, HALO_CANCEL);
}

static void test_life_destroy(void **state)
{
    struct world world;
    struct exchange exchange = { .on_response = destroy_in_response };
    struct exchange other = { 0 };

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &other, "GET", "/never", HALO_END_STREAM);
    world_request(&world, &exchange, "GET", "/large", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.error, HALO_E_SESSION_ERROR);
    assert_int_equal(exchange.closes, 1);
    assert_int_equal(exchange.ends, 0);
    assert_int_equal(other.closes, 1);
    assert_int_equal(other.error, HALO_E_SESSION_ERROR);
    world_fini(&world);
}

/* At once, before anything happened. `url` decides how far connecting would have come. */
static void destroy_while_connecting(const char *url, bool free_it)
{
    struct world world;
    struct exchange exchange = { 0 };

    world_init_alone(&world);
    world.options.url = url;
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    if (free_it) {
        world.free_client_late = true; /* halo frees it behind on_close */
        halo_client_free(world.client);
    } else {
        halo_client_destroy(world.client, HALO_NO_ERROR);
    }
    assert_int_equal(world.closes, 0); /* told later, never inside the call */
    world_run(&world);
    assert_int_equal(world.connects, 0);
    assert_int_equal(world.error, 0);
    expect_not_processed(&exchange, HALO_E_STREAM_CANCEL);
    world_fini(&world);
}

static void test_life_destroy_while_resolving(void **state)
{
    (void)state;
    destroy_while_connecting("http://halo.invalid/", false);
    destroy_while_connecting("http://halo.invalid/", true);
}

static void test_life_destroy_while_dialing(void **state)
{
    struct deaf deaf;
    char url[96];

    (void)state;
    deaf_init(&deaf, true);
    snprintf(url, sizeof(url), "http://%s/", deaf.address);
    destroy_while_connecting(url, false);
    destroy_while_connecting(url, true);
    deaf_fini(&deaf);
}

static void destroy_by_timer(halo_timer *timer, void *ctx)
{
    struct world *world = ctx;

    (void)timer;
    halo_client_destroy(world->client, HALO_NO_ERROR);
}

static void test_life_destroy_in_the_kernel(void **state)
{
    struct world world;
    struct exchange exchange = { 0 };
    struct deaf deaf;

    (void)state;
    deaf_init(&deaf, true);
    world_init_alone(&world);
    snprintf(world.url, sizeof(world.url), "http://%s/", deaf.address);
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    assert_int_equal(halo_timer_start(NULL, world.loop, 50, 0, destroy_by_timer, &world), 0);
    world_run(&world);
    expect_not_processed(&exchange, HALO_E_STREAM_CANCEL);
    world_fini(&world);
    deaf_fini(&deaf);
}

/* Graceful, before there is a connection: without requests it just ends, else they are made. */
static void test_life_close_while_connecting(void **state)
{
    struct world world;
    struct exchange exchange = { 0 };
    struct halo_request request = { 0 };
    halo_stream *stream;

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    halo_client_close(world.client);
    world_run(&world);
    assert_int_equal(world.connects, 0);
    assert_int_equal(world.error, 0);
    world_fini(&world);

    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    halo_client_close(world.client);
    assert_int_equal(
        halo_client_request(world.client, &request, HALO_END_STREAM, NULL, NULL, &stream),
        HALO_E_GOAWAY_SESSION);
    world_run(&world);
    assert_int_equal(exchange.status, 200);
    assert_int_equal(exchange.error, 0);
    assert_int_equal(world.error, 0);
    world_fini(&world);
}

/* Calls between on_close and free do nothing. */
static void test_life_free_late(void **state)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };
    struct halo_request request = { 0 };
    halo_stream *stream;
    halo_client *client;

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world.free_client_late = true;
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    client = world.client;
    assert_null(halo_client_session(client));
    halo_client_close(client);
    halo_client_destroy(client, HALO_CANCEL);
    assert_int_equal(halo_client_request(client, &request, HALO_END_STREAM, NULL, NULL, &stream),
                     HALO_E_INVALID_SESSION);
    world_fini(&world);
    halo_client_free(client); /* after its loop */
}

static void stop_loop(struct exchange *exchange)
{
    halo_loop_stop(exchange->world->loop);
}

/* The loop goes first: it ends the client, also in the middle of a send. */
static void loop_freed(bool run)
{
    struct world world;
    struct exchange exchange = { .on_response = stop_loop };
    struct exchange posted = { 0 };
    static char body[60000];

    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/part", HALO_END_STREAM);
    world_request(&world, &posted, "POST", "/never", 0);
    assert_int_equal(halo_stream_write_borrow(posted.stream, body, sizeof(body), 0, NULL, NULL), 0);
    if (run) {
        assert_int_equal(halo_loop_run(world.loop), 0);
        assert_int_equal(exchange.closes, 0);
    }
    halo_loop_free(world.loop);
    halo_server_free(world.server);
    assert_int_equal(exchange.closes, 1);
    assert_int_equal(exchange.error, HALO_E_CANCELLED);
    assert_int_equal(world.closes, 1);
    assert_int_equal(world.error, HALO_E_CANCELLED);
}

static void test_life_loop_freed(void **state)
{
    (void)state;
    loop_freed(false);
    loop_freed(true);
}

static void test_life_loop_freed_while_resolving(void **state)
{
    struct world world;
    struct exchange exchange = { 0 };

    (void)state;
    world_init_alone(&world);
    world.options.url = "http://halo.invalid/";
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    halo_loop_free(world.loop);
    assert_int_equal(world.closes, 1);
    expect_not_processed(&exchange, HALO_E_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_refused),
        cmocka_unit_test(test_life_connect_timeout),
        cmocka_unit_test(test_life_name_not_found),
        cmocka_unit_test(test_life_silent_server),
        cmocka_unit_test(test_life_server_breaks),
        cmocka_unit_test(test_life_server_ends),
        cmocka_unit_test(test_life_server_resets),
        cmocka_unit_test(test_life_goaway),
        cmocka_unit_test(test_life_destroy),
        cmocka_unit_test(test_life_destroy_while_resolving),
        cmocka_unit_test(test_life_destroy_while_dialing),
        cmocka_unit_test(test_life_destroy_in_the_kernel),
        cmocka_unit_test(test_life_close_while_connecting),
        cmocka_unit_test(test_life_free_late),
        cmocka_unit_test(test_life_loop_freed),
        cmocka_unit_test(test_life_loop_freed_while_resolving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
