/* Clients over TLS. Certificates are those of the TLS tests. */
#include "../tls/support.h"
#include "client_fixture.h"

#include <unistd.h>

static struct tls_heap heap_now(void)
{
    struct tls_heap heap;

    tls_heap_read(&heap);
    return heap;
}

/* A server with certificate `name`, and a client by `tls`, given away; NULL: the default. */
static void init(struct world *world, const char *name, halo_tls_context *tls,
                 void (*change)(struct halo_tls_options *options))
{
    halo_tls_context *server = server_context(name, change);

    world_init(world, "127.0.0.1", server);
    halo_tls_context_free(server);
    world->options.tls = tls;
}

static void connect_and_give(struct world *world)
{
    world_connect(world);
    halo_tls_context_free(world->options.tls); /* the client has a reference of its own */
}

static void check_facts(struct world *world)
{
    halo_session *session = halo_client_session(world->client);
    struct halo_tls_info info;

    assert_string_equal(halo_session_alpn(session), "h2");
    assert_int_equal(halo_session_encrypted(session), 1);
    assert_int_equal(halo_session_tls_info(session, &info), 0);
    assert_string_equal(info.version, "TLSv1.3");
}

static void test_tls_get(void **state)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };
    struct exchange large = { .on_close = close_when_done };

    (void)state;
    init(&world, "server", client_context(NULL), NULL);
    world.on_connect = check_facts;
    connect_and_give(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_request(&world, &large, "GET", "/large", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.connects, 1);
    assert_int_equal(world.error, 0);
    assert_string_equal(exchange.body, "hello");
    assert_int_equal(large.body_len, LARGE_BODY);
    world_fini(&world);
}

/* The name is the URL's, wherever the connection goes to; a dot at its end is not part of it. */
static void test_tls_name(void **state)
{
    static const struct {
        const char *host;
        int error;
    } table[] = {
        { "halo.test", 0 },
        { "halo.test.", 0 },
        { "HALO.test", 0 },
        { "sub.wild.test", 0 },
        { "127.0.0.1", 0 },
        { "[::1]", 0 },
        { "elsewhere.test", HALO_E_TLS_CERTIFICATE },
        { "127.0.0.2", HALO_E_TLS_CERTIFICATE },
        { "[::2]", HALO_E_TLS_CERTIFICATE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct world world;
        struct exchange exchange = { .on_close = close_when_done };

        init(&world, "server", client_context(NULL), NULL);
        snprintf(world.url, sizeof(world.url), "https://%s/", table[i].host);
        world.options.connect_to = world.address;
        connect_and_give(&world);
        world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
        world_run(&world);
        if (exchange.error != table[i].error) {
            fail_msg("%s: %s %s", table[i].host, halo_status_name(exchange.error), exchange.reason);
        }
        world_fini(&world);
    }
}

static void expect_failed(struct world *world, int error)
{
    struct exchange exchange = { 0 };

    connect_and_give(world);
    world_request(world, &exchange, "GET", "/", HALO_END_STREAM);
    world_run(world);
    assert_int_equal(world->connects, 0);
    assert_int_equal(world->error, error);
    assert_true(strlen(world->reason) > 10);
    assert_int_equal(exchange.error, error);
    assert_string_equal(exchange.reason, world->reason);
    assert_int_equal(exchange.processed, HALO_PROCESSED_NO);
    world_fini(world);
}

static void test_tls_not_trusted(void **state)
{
    struct world world;

    (void)state;
    init(&world, "self", client_context(NULL), NULL);
    expect_failed(&world, HALO_E_TLS_CERTIFICATE);
    init(&world, "expired", client_context(NULL), NULL);
    expect_failed(&world, HALO_E_TLS_CERTIFICATE);
}

static void only_http1(struct halo_tls_options *options)
{
    options->alpn = HALO_TLS_ALPN_HTTP1;
}

static void offer_http1(struct halo_tls_options *options)
{
    options->alpn = HALO_TLS_ALPN_H2 | HALO_TLS_ALPN_HTTP1;
}

/* The server speaks HTTP/1.1 only. A client that offers both learns it after the handshake. */
static void test_tls_alpn(void **state)
{
    struct world world;

    (void)state;
    init(&world, "server", client_context(NULL), only_http1);
    expect_failed(&world, HALO_E_ALPN);
    init(&world, "server", client_context(offer_http1), only_http1);
    expect_failed(&world, HALO_E_ALPN);
}

static void test_tls_not_spoken(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    snprintf(world.url, sizeof(world.url), "https://%s/", world.address);
    world.options.tls = client_context(NULL);
    expect_failed(&world, HALO_E_TLS);
}

static void test_tls_timeout(void **state)
{
    struct world world;
    struct deaf deaf;

    (void)state;
    deaf_init(&deaf, false);
    world_init_alone(&world);
    snprintf(world.url, sizeof(world.url), "https://%s/", deaf.address);
    world.options.tls = client_context(NULL);
    world.options.handshake_timeout_ms = 100;
    expect_failed(&world, HALO_E_TIMEOUT);
    deaf_fini(&deaf);
}

static void destroy_by_timer(halo_timer *timer, void *ctx)
{
    struct world *world = ctx;

    (void)timer;
    halo_client_destroy(world->client, HALO_NO_ERROR);
}

static void free_loop_by_stop(halo_timer *timer, void *ctx)
{
    struct world *world = ctx;

    (void)timer;
    halo_loop_stop(world->loop);
}

/* In the middle of the handshake, with a server that says nothing. */
static void test_tls_destroy_in_handshake(void **state)
{
    struct world world;
    struct exchange exchange = { 0 };
    struct deaf deaf;

    (void)state;
    deaf_init(&deaf, false);
    for (int i = 0; i < 2; i++) {
        exchange = (struct exchange){ 0 };
        world_init_alone(&world);
        snprintf(world.url, sizeof(world.url), "https://%s/", deaf.address);
        world.options.tls = client_context(NULL);
        connect_and_give(&world);
        world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
        assert_int_equal(halo_timer_start(NULL, world.loop, 50, 0,
                                          i == 0 ? destroy_by_timer : free_loop_by_stop, &world),
                         0);
        if (i == 0) {
            world_run(&world);
            assert_int_equal(world.error, 0);
            world_fini(&world);
        } else {
            assert_int_equal(halo_loop_run(world.loop), 0);
            halo_loop_free(world.loop);
            assert_int_equal(world.error, HALO_E_CANCELLED);
        }
        assert_int_equal(exchange.closes, 1);
        assert_int_equal(exchange.processed, HALO_PROCESSED_NO);
    }
    deaf_fini(&deaf);
}

/* Clients that are given no context share one, as long as there are any. */
static void test_tls_default_context(void **state)
{
    size_t before = heap_now().live;
    struct world world;
    struct world other;
    struct exchange one = { 0 };
    struct exchange two = { 0 };

    (void)state;
    init(&world, "server", NULL, NULL);
    init(&other, "server", NULL, NULL);
    setenv("SSL_CERT_FILE", certificate_path("ca.pem"), 1); /* the system's certificates */
    world_connect(&world);
    unsetenv("SSL_CERT_FILE");
    world_connect(&other); /* has the same */
    one.on_close = close_when_done;
    two.on_close = close_when_done;
    world_request(&world, &one, "GET", "/", HALO_END_STREAM);
    world_request(&other, &two, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(one.status, 200);
    world_run(&other);
    assert_int_equal(two.status, 200);
    world_fini(&world);
    world_fini(&other);
    assert_int_equal(heap_now().live, before);
}

static void test_tls_options(void **state)
{
    struct world world;
    halo_tls_context *server = server_context("server", NULL);

    (void)state;
    world_init_alone(&world);
    world.options.url = "https://halo.test/";
    world.options.tls = server;
    assert_int_equal(halo_client_connect(&world.client, world.loop, &world.options),
                     HALO_E_INVALID_ARGUMENT);
    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    world.options.tls = NULL;
    assert_true(halo_client_connect(&world.client, world.loop, &world.options) < 0);
    unsetenv("SSL_CERT_FILE");
    world_fini(&world);
    halo_tls_context_free(server);
}

static void test_tls_server_with_a_clients_context(void **state)
{
    halo_tls_context *tls = client_context(NULL);
    struct halo_server_options options;
    halo_server *server;
    halo_loop *loop;

    (void)state;
    assert_int_equal(halo_loop_new(&loop, NULL), 0);
    halo_server_options_init(&options);
    assert_int_equal(halo_server_new(&server, loop, &options), 0);
    assert_int_equal(halo_server_listen(server, "127.0.0.1:0", tls), HALO_E_INVALID_ARGUMENT);
    assert_non_null(strstr(halo_server_error(server), "HALO_TLS_SERVER"));
    assert_int_equal(halo_server_start(server), HALO_E_WRONG_STATE); /* nothing to listen on */
    halo_server_free(server);
    halo_loop_free(loop);
    halo_tls_context_free(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_get),
        cmocka_unit_test(test_tls_name),
        cmocka_unit_test(test_tls_not_trusted),
        cmocka_unit_test(test_tls_alpn),
        cmocka_unit_test(test_tls_not_spoken),
        cmocka_unit_test(test_tls_timeout),
        cmocka_unit_test(test_tls_destroy_in_handshake),
        cmocka_unit_test(test_tls_default_context),
        cmocka_unit_test(test_tls_options),
        cmocka_unit_test(test_tls_server_with_a_clients_context),
    };

    return cmocka_run_group_tests(tests, certificates_make, certificates_remove);
}
