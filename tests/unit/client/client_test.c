/* Connections that come up, and requests on them. */
#include "client_fixture.h"

#include <unistd.h>

#include "client/client.h"

static void test_client_options(void **state)
{
    struct halo_client_options options;
    halo_client *client;
    halo_loop *loop;

    (void)state;
    halo_client_options_init(&options);
    assert_int_equal(options.connect_timeout_ms, 10000);
    assert_int_equal(options.handshake_timeout_ms, 10000);
    assert_int_equal(options.send_timeout_ms, 30000);
    assert_int_equal(options.session.role, HALO_CLIENT);
    assert_int_equal(halo_loop_new(&loop, NULL), 0);
    assert_int_equal(halo_client_connect(&client, loop, &options), HALO_E_INVALID_ARGUMENT);
    options.url = "ftp://127.0.0.1/";
    assert_int_equal(halo_client_connect(&client, loop, &options), HALO_E_UNSUPPORTED_PROTOCOL);
    assert_null(client);
    options.url = "http://127.0.0.1:x/";
    assert_int_equal(halo_client_connect(&client, loop, &options), HALO_E_BAD_AUTHORITY);
    options.url = "http://127.0.0.1/ ";
    assert_int_equal(halo_client_connect(&client, loop, &options), HALO_E_INVALID_ARGUMENT);
    options.url = "http://127.0.0.1/";
    options.connect_to = "localhost:80";
    assert_int_equal(halo_client_connect(&client, loop, &options), HALO_E_INVALID_ARGUMENT);
    options.connect_to = NULL;
    options.session.settings.max_frame_size = 1;
    options.session.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_FRAME_SIZE);
    assert_int_equal(halo_client_connect(&client, loop, &options), HALO_E_INVALID_SETTING_VALUE);
    options.struct_size = 4;
    assert_int_equal(halo_client_connect(&client, loop, &options), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_loop_run(loop), 0); /* nothing is left that keeps it running */
    halo_loop_free(loop);
    halo_client_free(NULL);
}

static void get(const char *host)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };

    world_init(&world, host, NULL);
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.connects, 1);
    assert_int_equal(world.error, 0);
    assert_int_equal(exchange.status, 200);
    assert_string_equal(exchange.body, "hello");
    assert_int_equal(exchange.ends, 1);
    assert_int_equal(exchange.closes, 1);
    assert_int_equal(exchange.error, 0);
    world_fini(&world);
}

static void test_client_get(void **state)
{
    (void)state;
    get("127.0.0.1");
}

static void test_client_get_ipv6(void **state)
{
    (void)state;
    get("[::1]");
}

static void test_client_get_unix(void **state)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "unix:/tmp/halo-client-test-%d", (int)getpid());
    world_init_alone(&world);
    snprintf(world.url, sizeof(world.url), "http://example.test/");
    world.options.connect_to = path;
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.error, HALO_E_CONNECT); /* nobody listens there */
    assert_non_null(strstr(world.reason, "there is no such socket"));
    world_fini(&world);
}

static void test_client_get_from_a_unix_listener(void **state)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "unix:/tmp/halo-listener-test-%d", (int)getpid());
    world_init_alone(&world);
    world_serve(&world, path, NULL);
    assert_string_equal(world.address, path);
    snprintf(world.url, sizeof(world.url), "http://example.test/");
    world.options.connect_to = path;
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    unlink(path + strlen("unix:"));
    assert_int_equal(exchange.status, 200);
    assert_string_equal(exchange.body, "hello");
    world_fini(&world);
}

/* What the URL leaves to the request, and what the request leaves to the URL. */
static void test_client_request_defaults(void **state)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };
    halo_headers none = { 0 };
    struct halo_request request = { .method = HALO_LIT("CONNECT"), .headers = none };
    halo_stream *stream;

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    assert_int_equal(halo_client_request(world.client, &request, 0, NULL, NULL, &stream),
                     HALO_E_CONNECT_AUTHORITY);
    world_request(&world, &exchange, "GET", "?x=1", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(exchange.status, 200);
    world_fini(&world);
}

static void test_client_authority(void **state)
{
    static const char *const table[][2] = {
        { "http://a.test:80/", "a.test" },        { "http://a.test/", "a.test" },
        { "http://a.test:8080/", "a.test:8080" }, { "http://[::1]:80/", "[::1]" },
        { "http://[::1]:81/", "[::1]:81" },       { "http://user@a.test/", "a.test" },
        { "http://a.test:443/", "a.test:443" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct world world;

        world_init_alone(&world);
        world.options.url = table[i][0];
        world.options.connect_to = "127.0.0.1:9";
        world_connect(&world);
        if (halo_bytes_equal(world.client->authority, halo_str(table[i][1])) == 0) {
            fail_msg("%s: %.*s", table[i][0], (int)world.client->authority.len,
                     world.client->authority.data);
        }
        halo_client_destroy(world.client, HALO_NO_ERROR);
        world_run(&world);
        world_fini(&world);
    }
}

static void test_client_echo(void **state)
{
    static char body[100 * 1000];
    const halo_header trailer = { .name = HALO_LIT("x-sum"), .value = HALO_LIT("42") };
    const halo_headers trailers = { .fields = &trailer, .count = 1 };
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };

    (void)state;
    memset(body, 'b', sizeof(body));
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &exchange, "POST", "/echo", 0);
    /* All before the connection is up, and more than the windows take. */
    assert_int_equal(halo_stream_write(exchange.stream, body, sizeof(body), 0), 0);
    assert_int_equal(halo_stream_write(exchange.stream, body, sizeof(body), 0), 0);
    assert_int_equal(halo_stream_trailers(exchange.stream, &trailers), 0);
    world_run(&world);
    assert_int_equal(exchange.status, 200);
    assert_int_equal(exchange.body_len, 2 * sizeof(body));
    assert_int_equal(exchange.num_trailers, 1);
    assert_int_equal(exchange.error, 0);
    world_fini(&world);
}

static void test_client_large(void **state)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/large", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(exchange.body_len, LARGE_BODY);
    assert_int_equal(exchange.error, 0);
    world_fini(&world);
}

static void test_client_information(void **state)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/hints", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(exchange.information, 103);
    assert_int_equal(exchange.status, 200);
    world_fini(&world);
}

/* More requests than the server takes at once, and than are assumed before its SETTINGS come. */
static void test_client_many(void **state)
{
    enum { COUNT = 1000 };
    static struct exchange exchanges[COUNT];
    struct world world;

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    for (size_t i = 0; i < COUNT; i++) {
        exchanges[i] = (struct exchange){ .on_close = close_when_done };
        world_request(&world, &exchanges[i], "GET", i % 2 == 0 ? "/" : "/nowhere", HALO_END_STREAM);
    }
    world_run(&world);
    assert_int_equal(world.error, 0);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(exchanges[i].status, i % 2 == 0 ? 200 : 404);
        assert_int_equal(exchanges[i].closes, 1);
        assert_int_equal(exchanges[i].error, 0);
    }
    world_fini(&world);
}

/* One after the other on one connection, each made in a callback of the one before. */
struct chain {
    struct exchange exchange;
    int left;
};

static void next_in_chain(struct exchange *exchange)
{
    struct chain *chain = (struct chain *)(void *)exchange;
    struct world *world = exchange->world;

    assert_int_equal(exchange->status, 200);
    assert_int_equal(exchange->error, 0);
    if (chain->left-- == 0) {
        halo_client_close(world->client);
        return;
    }
    *exchange = (struct exchange){ .on_close = next_in_chain };
    world_request(world, exchange, "GET", "/", HALO_END_STREAM);
}

static void test_client_sequence(void **state)
{
    struct world world;
    struct chain chain = { .exchange = { .on_close = next_in_chain }, .left = 2000 };

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &chain.exchange, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.connects, 1);
    assert_int_equal(chain.left, -1);
    world_fini(&world);
}

static void reset_in_response(struct exchange *exchange)
{
    assert_int_equal(halo_stream_reset(exchange->stream, HALO_CANCEL), 0);
}

static void test_client_cancel(void **state)
{
    struct world world;
    struct exchange large = { .on_response = reset_in_response, .on_close = close_when_done };
    struct exchange early = { .on_close = close_when_done };
    struct exchange good = { .on_close = close_when_done };

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world_connect(&world);
    world_request(&world, &large, "GET", "/large", HALO_END_STREAM);
    world_request(&world, &early, "GET", "/never", HALO_END_STREAM);
    world_request(&world, &good, "GET", "/", HALO_END_STREAM);
    assert_int_equal(halo_stream_reset(early.stream, HALO_CANCEL), 0);
    assert_int_equal(early.closes, 0); /* told later, never inside the call */
    world_run(&world);
    assert_int_equal(large.error, HALO_E_STREAM_CANCEL);
    assert_int_equal(early.error, HALO_E_STREAM_CANCEL);
    assert_int_equal(early.processed, HALO_PROCESSED_NO);
    assert_int_equal(good.status, 200);
    assert_int_equal(good.error, 0);
    world_fini(&world);
}

/* A client says what it is connected to, and not before it is. */
static void check_facts(struct world *world)
{
    halo_session *session = halo_client_session(world->client);
    char text[64];

    assert_string_equal(halo_session_alpn(session), "h2c");
    assert_int_equal(halo_session_encrypted(session), 0);
    assert_int_equal(halo_session_peer_address(session, text, sizeof(text)), 0);
    assert_string_equal(text, world->address);
    assert_int_equal(halo_session_local_address(session, text, sizeof(text)), 0);
}

static void test_client_facts(void **state)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };
    halo_session *session;
    char text[64];

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world.on_connect = check_facts;
    world_connect(&world);
    session = halo_client_session(world.client);
    assert_ptr_equal(halo_session_loop(session), world.loop);
    assert_null(halo_session_alpn(session));
    assert_int_equal(halo_session_peer_address(session, text, sizeof(text)), HALO_E_SOCKET_UNBOUND);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    world_run(&world);
    assert_int_equal(world.connects, 1);
    world_fini(&world);
}

/* Deadlines of the session count from the connection: here it takes longer than they are. */
static void test_client_deadlines(void **state)
{
    struct world world;
    struct exchange exchange = { .on_close = close_when_done };

    (void)state;
    world_init(&world, "127.0.0.1", NULL);
    world.options.session.preface_timeout_ms = 500;
    world.options.session.settings_ack_timeout_ms = 500;
    world.options.session.idle_timeout_ms = 500;
    world_connect(&world);
    world_request(&world, &exchange, "GET", "/", HALO_END_STREAM);
    usleep(700 * 1000);
    world_run(&world);
    assert_int_equal(exchange.status, 200);
    assert_int_equal(world.error, 0);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_options),
        cmocka_unit_test(test_client_get),
        cmocka_unit_test(test_client_get_ipv6),
        cmocka_unit_test(test_client_get_unix),
        cmocka_unit_test(test_client_get_from_a_unix_listener),
        cmocka_unit_test(test_client_request_defaults),
        cmocka_unit_test(test_client_authority),
        cmocka_unit_test(test_client_echo),
        cmocka_unit_test(test_client_large),
        cmocka_unit_test(test_client_information),
        cmocka_unit_test(test_client_many),
        cmocka_unit_test(test_client_sequence),
        cmocka_unit_test(test_client_cancel),
        cmocka_unit_test(test_client_facts),
        cmocka_unit_test(test_client_deadlines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
