/*
 * Memory that runs out: every allocation of a client's life fails once, and once for good. Whatever
 * comes of it, everybody is told, nothing is left, and nothing crashes.
 *
 * The server is on a thread of its own, with a loop and memory of its own.
 */
#include "core/base/memory.h"
#include "client_fixture.h"

#include "test_memory.h"

struct peer {
    halo_loop *loop; /* of the server's thread */
    halo_server *server;
    char url[96];
};

static void on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data)
{
    static char body[40000];

    (void)headers;
    (void)flags;
    (void)user_data;
    halo_stream_respond(stream, 200, NULL, 0);
    halo_stream_write_borrow(stream, body, sizeof(body), HALO_END_STREAM, NULL, NULL);
}

static int start_server(void **state)
{
    static struct peer peer;
    struct halo_server_options options;
    char address[64];

    halo_server_options_init(&options);
    options.workers = 1;
    options.on_stream = on_stream;
    if (halo_loop_new(&peer.loop, NULL) != 0 ||
        halo_server_new(&peer.server, peer.loop, &options) != 0 ||
        halo_server_listen(peer.server, "127.0.0.1:0", NULL) != 0 ||
        halo_server_address(peer.server, 0, address, sizeof(address)) != 0 ||
        halo_server_start(peer.server) != 0) {
        return -1;
    }
    snprintf(peer.url, sizeof(peer.url), "http://%s/", address);
    *state = &peer;
    return 0;
}

static int stop_server(void **state)
{
    struct peer *peer = *state;

    halo_server_destroy(peer->server);
    if (halo_loop_run(peer->loop) != 0) {
        return -1;
    }
    halo_server_free(peer->server);
    halo_loop_free(peer->loop);
    return 0;
}

/* ---- the client ------------------------------------------------------------------------ */

struct run {
    halo_client *client;
    int streams_made;
    int streams_closed;
    int closes;
    bool good; /* the first response came whole */
};

static void on_end(halo_stream *stream, void *user_data)
{
    struct run *run = user_data;

    (void)stream;
    run->good = true;
}

static void on_stream_close(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    struct run *run = user_data;

    (void)stream;
    (void)error;
    if (++run->streams_closed == run->streams_made) {
        halo_client_close(run->client);
    }
}

static const struct halo_stream_callbacks callbacks = {
    .on_end = on_end,
    .on_close = on_stream_close,
};

static void on_close(halo_client *client, const struct halo_error *error, void *user_data)
{
    struct run *run = user_data;

    (void)error;
    assert_int_equal(run->streams_closed, run->streams_made);
    run->closes++;
    halo_client_free(client);
}

static void request(struct run *run, const char *method)
{
    const halo_header field = { .name = HALO_LIT("X-Mixed"), .value = HALO_LIT("value") };
    const struct halo_request request = {
        .method = halo_str(method),
        .path = HALO_LIT("?query"),
        .headers = { .fields = &field, .count = 1 },
    };
    bool body = strcmp(method, "POST") == 0;
    halo_stream *stream;

    if (halo_client_request(run->client, &request, body ? 0 : HALO_END_STREAM, &callbacks, run,
                            &stream) != 0) {
        return;
    }
    run->streams_made++;
    if (body) {
        static char text[30000];

        if (halo_stream_write(stream, text, sizeof(text), 0) != 0 || halo_stream_end(stream) != 0) {
            halo_stream_reset(stream, HALO_CANCEL);
        }
    }
}

/* Plays it once. Returns false when there was an allocation that failed. */
static bool play(const struct peer *peer, size_t fail_at, bool fail_after)
{
    struct test_memory memory;
    struct halo_loop_options loop_options;
    struct halo_client_options options;
    struct run run = { 0 };
    halo_loop *loop;

    test_memory_init(&memory);
    memory.fail_at = fail_at;
    memory.fail_after = fail_after;
    halo_loop_options_init(&loop_options);
    loop_options.allocator = memory.allocator;
    if (halo_loop_new(&loop, &loop_options) != 0) {
        assert_int_equal(memory.live, 0);
        return false;
    }
    halo_client_options_init(&options);
    options.url = peer->url;
    options.on_close = on_close;
    options.user_data = &run;
    options.session.peer_max_concurrent_streams = 2;
    if (halo_client_connect(&run.client, loop, &options) == 0) {
        for (int i = 0; i < 4; i++) {
            request(&run, i == 1 ? "POST" : "GET");
        }
        if (run.streams_made == 0) {
            halo_client_close(run.client);
        }
        if (halo_loop_run(loop) == 0) {
            assert_int_equal(run.closes, 1);
        }
    }
    halo_loop_free(loop);
    assert_int_equal(memory.live, 0);
    assert_true(memory.failed || run.good);
    return !memory.failed;
}

static void test_memory_each(void **state)
{
    size_t n = 1;

    while (!play(*state, n, false)) {
        n++;
    }
    assert_true(n > 20);
}

static void test_memory_all(void **state)
{
    size_t n = 1;

    while (!play(*state, n, true)) {
        n++;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_each),
        cmocka_unit_test(test_memory_all),
    };

    memory_spare_max = 0; /* every request for memory may fail */
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
