#include "client_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the server ------------------------------------------------------------------------ */

static const struct halo_stream_callbacks no_callbacks;

static bool path_is(halo_header_list headers, const char *path)
{
    halo_bytes value;

    return halo_header_find_token(headers, HALO_NAME_PATH, &value) != 0 &&
           halo_bytes_equal(value, halo_str(path)) != 0;
}

static void echo_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    (void)user_data;
    halo_stream_write(stream, data, len, 0);
}

static void echo_trailers(halo_stream *stream, halo_header_list trailers, void *user_data)
{
    const halo_headers headers = { NULL, trailers.fields, trailers.count };

    (void)user_data;
    halo_stream_trailers(stream, &headers);
}

static void echo_end(halo_stream *stream, void *user_data)
{
    (void)user_data;
    halo_stream_end(stream); /* does nothing behind trailers */
}

static const struct halo_stream_callbacks echo_callbacks = {
    .on_data = echo_data,
    .on_trailers = echo_trailers,
    .on_end = echo_end,
};

static void send_large(halo_stream *stream)
{
    static char block[LARGE_BODY];

    memset(block, 'x', sizeof(block));
    halo_stream_write_borrow(stream, block, sizeof(block), HALO_END_STREAM, NULL, NULL);
}

static void hello(halo_stream *stream)
{
    halo_stream_respond(stream, 200, NULL, 0);
    halo_stream_write(stream, "hello", 5, HALO_END_STREAM);
}

static void on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data)
{
    (void)flags;
    (void)user_data;
    halo_stream_set_callbacks(stream, &no_callbacks, NULL);
    if (path_is(headers, "/never")) {
        return;
    }
    if (path_is(headers, "/hints")) {
        halo_stream_inform(stream, 103, NULL);
    }
    if (path_is(headers, "/") || path_is(headers, "/hints") || path_is(headers, "/?x=1")) {
        hello(stream);
    } else if (path_is(headers, "/goaway")) {
        hello(stream);
        halo_session_close(halo_stream_session(stream));
    } else if (path_is(headers, "/echo")) {
        halo_stream_set_callbacks(stream, &echo_callbacks, NULL);
        halo_stream_respond(stream, 200, NULL, 0);
    } else if (path_is(headers, "/large")) {
        halo_stream_respond(stream, 200, NULL, 0);
        send_large(stream);
    } else if (path_is(headers, "/part") || path_is(headers, "/break")) {
        halo_stream_respond(stream, 200, NULL, 0);
        halo_stream_write(stream, "part", 4, 0);
        if (path_is(headers, "/break")) {
            halo_session_destroy(halo_stream_session(stream), HALO_ENHANCE_YOUR_CALM);
        }
    } else {
        halo_stream_respond(stream, 404, NULL, HALO_END_STREAM);
    }
}

/* ---- the client ------------------------------------------------------------------------ */

static void note_error(const struct halo_error *error, int *status, char *reason, size_t size)
{
    *status = error != NULL ? error->status : 0;
    snprintf(reason, size, "%s", error != NULL ? error->reason : "");
}

static void on_connect(halo_client *client, halo_session *session, void *user_data)
{
    struct world *world = user_data;

    assert_ptr_equal(client, world->client);
    assert_ptr_equal(session, halo_client_session(client));
    assert_ptr_equal(halo_session_loop(session), world->loop);
    world->connects++;
    if (world->on_connect != NULL) {
        world->on_connect(world);
    }
}

static void on_close(halo_client *client, const struct halo_error *error, void *user_data)
{
    struct world *world = user_data;

    assert_ptr_equal(client, world->client);
    assert_int_equal(world->exchanges_open, 0); /* streams are told first */
    assert_null(halo_client_session(client));
    note_error(error, &world->error, world->reason, sizeof(world->reason));
    world->system_errno = error != NULL ? error->system_errno : 0;
    world->closes++;
    if (!world->free_client_late) {
        world->client = NULL;
        halo_client_free(client);
    }
    if (world->destroy_server && world->server != NULL) {
        halo_server_destroy(world->server);
    }
}

static void on_information(halo_stream *stream, int status, halo_header_list headers,
                           void *user_data)
{
    struct exchange *exchange = user_data;

    (void)stream;
    (void)headers;
    exchange->information = status;
}

static void on_response(halo_stream *stream, int status, halo_header_list headers, unsigned flags,
                        void *user_data)
{
    struct exchange *exchange = user_data;

    (void)headers;
    (void)flags;
    assert_ptr_equal(stream, exchange->stream);
    exchange->status = status;
    if (exchange->on_response != NULL) {
        exchange->on_response(exchange);
    }
}

static void on_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    struct exchange *exchange = user_data;
    size_t room = sizeof(exchange->body) - 1;

    (void)stream;
    if (exchange->body_len < room) {
        size_t part = len < room - exchange->body_len ? len : room - exchange->body_len;

        memcpy(exchange->body + exchange->body_len, data, part);
    }
    exchange->body_len += len;
}

static void on_trailers(halo_stream *stream, halo_header_list trailers, void *user_data)
{
    struct exchange *exchange = user_data;

    (void)stream;
    exchange->num_trailers += trailers.count;
}

static void on_end(halo_stream *stream, void *user_data)
{
    struct exchange *exchange = user_data;

    (void)stream;
    exchange->ends++;
}

static void on_stream_close(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    struct exchange *exchange = user_data;

    assert_ptr_equal(stream, exchange->stream);
    exchange->stream = NULL;
    exchange->closes++;
    note_error(error, &exchange->error, exchange->reason, sizeof(exchange->reason));
    exchange->processed = error != NULL ? error->processed : HALO_PROCESSED_UNKNOWN;
    exchange->code = error != NULL ? error->code : 0;
    exchange->world->exchanges_open--;
    if (exchange->on_close != NULL) {
        exchange->on_close(exchange);
    }
}

static const struct halo_stream_callbacks callbacks = {
    .on_information = on_information,
    .on_response = on_response,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_end = on_end,
    .on_close = on_stream_close,
};

void close_when_done(struct exchange *exchange)
{
    if (exchange->world->exchanges_open == 0) {
        halo_client_close(exchange->world->client);
    }
}

void world_request(struct world *world, struct exchange *exchange, const char *method,
                   const char *path, unsigned flags)
{
    struct halo_request request = { .method = halo_str(method), .path = halo_str(path) };

    exchange->world = world;
    assert_int_equal(halo_client_request(world->client, &request, flags, &callbacks, exchange,
                                         &exchange->stream),
                     0);
    world->exchanges_open++;
}

/* ---- the world ------------------------------------------------------------------------- */

void world_init_alone(struct world *world)
{
    *world = (struct world){ 0 };
    assert_int_equal(halo_loop_new(&world->loop, NULL), 0);
    halo_client_options_init(&world->options);
    world->options.on_connect = on_connect;
    world->options.on_close = on_close;
    world->options.user_data = world;
}

void world_serve(struct world *world, const char *address, halo_tls_context *tls)
{
    struct halo_server_options options;

    halo_server_options_init(&options);
    options.on_stream = on_stream;
    assert_int_equal(halo_server_new(&world->server, world->loop, &options), 0);
    assert_int_equal(halo_server_listen(world->server, address, tls), 0);
    assert_int_equal(halo_server_address(world->server, 0, world->address, sizeof(world->address)),
                     0);
    assert_int_equal(halo_server_start(world->server), 0);
}

void world_init(struct world *world, const char *host, halo_tls_context *tls)
{
    char any_port[64];

    world_init_alone(world);
    snprintf(any_port, sizeof(any_port), "%s:0", host);
    world_serve(world, any_port, tls);
    snprintf(world->url, sizeof(world->url), "%s://%s/", tls != NULL ? "https" : "http",
             world->address);
}

void world_connect(struct world *world)
{
    if (world->options.url == NULL) {
        world->options.url = world->url;
    }
    assert_int_equal(halo_client_connect(&world->client, world->loop, &world->options), 0);
    assert_non_null(halo_client_session(world->client));
}

static void too_long(halo_timer *timer, void *ctx)
{
    (void)timer;
    (void)ctx;
    fprintf(stderr, "the test waits for ever\n");
    abort();
}

void world_run(struct world *world)
{
    halo_timer *watchdog;
    int status;

    world->destroy_server = true;
    assert_int_equal(halo_timer_start(&watchdog, world->loop, 15000, 0, too_long, NULL), 0);
    halo_timer_unref(watchdog);
    if (world->closes > 0 && world->server != NULL) {
        halo_server_destroy(world->server);
    }
    status = halo_loop_run(world->loop);
    if (status != 0) {
        fail_msg("halo_loop_run: %d %s", status, halo_loop_error(world->loop));
    }
    halo_timer_stop(watchdog);
    assert_int_equal(world->closes, 1);
}

void world_fini(struct world *world)
{
    assert_int_equal(world->loop->ledger.operations, 0);
    assert_int_equal(world->loop->ledger.buffers, 0);
    assert_int_equal(world->loop->ledger.descriptors, 0);
    assert_int_equal(world->loop->refs, 0);
    assert_true(list_empty(&world->loop->handles));
    if (world->server != NULL) {
        halo_server_free(world->server);
    }
    halo_loop_free(world->loop);
}

/* ---- peers that do not answer ---------------------------------------------------------- */

static int listening(struct sockaddr_in *address, int backlog)
{
    socklen_t len = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = (struct sockaddr_in){ .sin_family = AF_INET };
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
    if (backlog >= 0) {
        assert_int_equal(listen(fd, backlog), 0);
    }
    return fd;
}

void deaf_init(struct deaf *deaf, bool full)
{
    struct sockaddr_in address;

    memset(deaf->fillers, -1, sizeof(deaf->fillers));
    deaf->fd = listening(&address, full ? 0 : 16);
    snprintf(deaf->address, sizeof(deaf->address), "127.0.0.1:%u",
             (unsigned int)ntohs(address.sin_port));
    /* A queue of none takes one or two; to the others the kernel says nothing. */
    for (size_t i = 0; full && i < sizeof(deaf->fillers) / sizeof(int); i++) {
        deaf->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(deaf->fillers[i], (struct sockaddr *)&address, sizeof(address));
    }
}

void deaf_fini(struct deaf *deaf)
{
    for (size_t i = 0; i < sizeof(deaf->fillers) / sizeof(int); i++) {
        if (deaf->fillers[i] >= 0) {
            close(deaf->fillers[i]);
        }
    }
    close(deaf->fd);
}

uint16_t dead_port(void)
{
    struct sockaddr_in address;
    int fd = listening(&address, -1); /* bound, and not listening: refused */

    /* Given back: the kernel hands out others before this one comes again. */
    close(fd);
    return ntohs(address.sin_port);
}
