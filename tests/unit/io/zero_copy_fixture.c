#include "zero_copy_fixture.h"

#include <sys/mman.h>

#include <halo/server.h>

uint32_t world_random(struct world *world, uint32_t limit)
{
    return (uint32_t)((scripted_random(world->ring) >> 33) % limit);
}

uint64_t world_held(const struct world *world)
{
    return conn_env_of(world->loop)->zero_copy_octets;
}

static enum world_body kind_of(const struct world *world, uint32_t id)
{
    return world->only_files ? BODY_FILE : (enum world_body)(id / 2 % BODY_KINDS);
}

/* What tells bodies apart; but there is one file. */
static uint32_t number_of(const struct world *world, uint32_t id)
{
    return kind_of(world, id) != BODY_FILE ? id : 0;
}

static uint8_t octet_at(uint32_t number, uint64_t at)
{
    uint8_t octet = (uint8_t)(at * 131 + (at >> 8) * 7 + (at >> 16) + number * 29);

    return octet != 0xDD ? octet : 0;
}

/* ---- the server's bodies --------------------------------------------------------------- */

struct body {
    struct world *world;
    size_t len;
    size_t at; /* of a source */
    uint32_t id;
    uint8_t data[];
};

static void body_back(void *ctx)
{
    struct body *body = ctx;

    body->world->lent--;
    memset(body->data, 0xDD, body->len);
    free(body);
}

static int read_body(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct body *body = ctx;

    *len = min_size(cap, body->len - body->at);
    memcpy(out, body->data + body->at, *len);
    body->at += *len;
    *end = body->at == body->len;
    return 0;
}

static void respond_file(struct world *world, halo_stream *stream, size_t len)
{
    const struct halo_file_options options = { .length = (int64_t)len };

    assert_true(len <= WORLD_FILE_LEN);
    assert_int_equal(halo_stream_respond_fd(stream, 200, NULL, world->file, &options), 0);
}

static struct body *make_body(struct world *world, halo_stream *stream, size_t len)
{
    struct body *body = malloc(sizeof(*body) + len);

    *body = (struct body){ .world = world, .len = len, .id = halo_stream_id(stream) };
    for (size_t i = 0; i < len; i++) {
        body->data[i] = octet_at(body->id, i);
    }
    world->lent++;
    return body;
}

static void respond(struct world *world, halo_stream *stream, size_t len)
{
    struct body *body = make_body(world, stream, len);
    halo_slice slice;

    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    switch (kind_of(world, body->id)) {
    case BODY_BORROWED:
        assert_int_equal(
            halo_stream_write_borrow(stream, body->data, len, HALO_END_STREAM, body_back, body), 0);
        return;
    case BODY_COPIED:
        assert_int_equal(halo_stream_write(stream, body->data, len, HALO_END_STREAM), 0);
        body_back(body);
        return;
    case BODY_SLICE:
        assert_int_equal(halo_slice_wrap(&slice, body->data, len, body_back, body), 0);
        assert_int_equal(halo_stream_write_slice(stream, &slice, HALO_END_STREAM), 0);
        return;
    default:
        break;
    }
    assert_int_equal(
        halo_stream_set_source(
            stream, &(struct halo_source){ .read = read_body, .done = body_back, .ctx = body }, 0),
        0);
}

static void on_stream(struct conn *conn, halo_stream *stream, halo_header_list headers,
                      unsigned flags)
{
    struct world *world = ((struct world_link *)conn->owner_data)->world;
    size_t len = world->body_min;

    (void)headers;
    (void)flags;
    if (world->body_max > len) {
        len += world_random(world, (uint32_t)(world->body_max - len));
    }
    if (kind_of(world, halo_stream_id(stream)) == BODY_FILE) {
        respond_file(world, stream, len);
    } else {
        respond(world, stream, len);
    }
}

static void on_open(struct conn *conn)
{
    struct halo_session_options options;
    struct halo_session *session;

    halo_session_options_init(&options, HALO_SERVER);
    options.limits.resets = UINT32_MAX / 2;
    options.limits.resets_per_second = UINT32_MAX / 2;
    options.limits.glitches = UINT32_MAX / 2;
    options.idle_timeout_ms = 0;
    assert_int_equal(session_new_in(&session, &conn_env_of(conn->loop)->proto, &options,
                                    loop_now_ns(conn->loop)),
                     0);
    conn_set_session(conn, session);
}

static void on_closed(struct conn *conn)
{
    struct world_link *link = conn->owner_data;

    link->status = conn->error.status;
    link->conn = NULL;
    loop_unref(conn->loop);
}

static const struct conn_owner owner = {
    .on_open = on_open,
    .on_stream = on_stream,
    .on_closed = on_closed,
};

/* ---- the clients ----------------------------------------------------------------------- */

static void take_data(struct world_link *link, const struct halo_event *event)
{
    struct world *world = link->world;
    uintptr_t at = (uintptr_t)halo_stream_user_data(event->stream);
    uint32_t id = halo_stream_id(event->stream);
    uint32_t number = number_of(world, id);

    for (size_t i = 0; i < event->u.data.len; i++) {
        if (event->u.data.data[i] != octet_at(number, at + i)) {
            fail_msg("octet %zu of stream %u is %02x", (size_t)at + i, id, event->u.data.data[i]);
        }
    }
    world->octets += event->u.data.len;
    halo_stream_set_user_data(event->stream, (void *)(at + event->u.data.len));
    if ((event->flags & HALO_END_STREAM) != 0) {
        world->completed++;
    } else if (world->reset_of_1000 > 0 && world_random(world, 1000) < world->reset_of_1000) {
        struct halo_session *session = link->conn != NULL ? link->conn->session : NULL;
        halo_stream *own = session != NULL ? stream_store_find(&session->store, id) : NULL;

        world->resets++;
        if (own != NULL && world_random(world, 2) == 0) {
            halo_stream_reset(own, HALO_INTERNAL_ERROR);
        } else {
            halo_stream_reset(event->stream, HALO_CANCEL);
        }
    }
}

static bool make_request(struct world_link *link)
{
    const struct halo_request request = {
        .method = HALO_LIT("GET"),
        .scheme = HALO_LIT("http"),
        .authority = HALO_LIT("localhost"),
        .path = HALO_LIT("/"),
    };
    struct halo_session_info info;
    halo_stream *stream;

    halo_session_get_info(link->client, &info);
    if (link->left || link->world->requests == 0 ||
        info.open_streams + info.waiting_requests >= link->world->at_once) {
        return false;
    }
    link->world->requests--;
    assert_int_equal(halo_session_request(link->client, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    return true;
}

static bool client_reads(struct world_link *link)
{
    static uint8_t octets[65536];
    struct halo_event event;
    size_t len = scripted_read(link->world->ring, link->peer, octets, sizeof(octets));

    if (len == 0) {
        return false;
    }
    assert_int_equal(halo_session_recv(link->client, octets, len, link->world->loop->now_ns), 0);
    while (halo_session_poll(link->client, &event) != 0) {
        if (event.type == HALO_EVENT_DATA) {
            take_data(link, &event);
        }
    }
    return true;
}

static bool client_writes(struct world_link *link)
{
    struct iovec iov;
    size_t sent;

    if (halo_session_pull(link->client, &iov, 1, 65536) != 1) {
        return false;
    }
    sent = scripted_write(link->world->ring, link->peer, iov.iov_base, iov.iov_len);
    halo_session_sent(link->client, sent);
    return sent > 0;
}

static bool step(struct ring *ring, void *ctx)
{
    struct world *world = ctx;
    bool busy = false;

    (void)ring;
    for (uint32_t i = 0; i < world->num_links; i++) {
        struct world_link *link = &world->links[i];

        if (link->peer < 0) {
            continue;
        }
        link->closed_seen |= scripted_ended(world->ring, link->peer);
        busy |= !world->stalled && client_reads(link);
        while (make_request(link)) {
            busy = true;
        }
        busy |= client_writes(link);
    }
    if (world->over != NULL && world->over(world)) {
        halo_loop_stop(world->loop);
        return true;
    }
    return busy;
}

bool world_is_quiet(struct world *world)
{
    for (uint32_t i = 0; i < world->num_links; i++) {
        struct halo_session_info info;

        halo_session_get_info(world->links[i].client, &info);
        if (info.open_streams + info.waiting_requests > 0) {
            return false;
        }
    }
    return world->requests == 0;
}

static void abort_all(struct loop_handle *handle)
{
    const struct halo_error error = { .status = HALO_E_IO, .origin = HALO_ORIGIN_LOCAL };
    struct world *world = HALO_CONTAINER(handle, struct world, handle);

    for (uint32_t i = 0; i < world->num_links; i++) {
        if (world->links[i].conn != NULL) {
            conn_abort(world->links[i].conn, &error);
        }
    }
}

/* ---- the world ------------------------------------------------------------------------- */

static void add_link(struct world *world)
{
    static const struct conn_options none = { 0 };
    struct world_link *link = &world->links[world->num_links++];
    struct halo_session_options client;
    int fd;

    link->world = world;
    halo_session_options_init(&client, HALO_CLIENT);
    client.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    client.settings.initial_window_size = 1 << 30;
    client.connection_window_size = 1 << 30;
    client.limits.resets = UINT32_MAX / 2;
    client.limits.glitches = UINT32_MAX / 2;
    client.idle_timeout_ms = 0;
    assert_int_equal(halo_session_new(&link->client, &client, world->loop->now_ns), 0);
    scripted_pair(world->ring, &fd, &link->peer);
    io_fd_opened(world->loop, fd);
    link->conn = conn_new(world->loop, fd, NULL, &owner, link, &none);
    assert_non_null(link->conn);
    loop_ref(world->loop);
    conn_start(link->conn);
}

static int make_file(void)
{
    uint8_t *octets = malloc(WORLD_FILE_LEN);
    int file = memfd_create("body", MFD_CLOEXEC);

    for (uint64_t i = 0; i < WORLD_FILE_LEN; i++) {
        octets[i] = octet_at(0, i);
    }
    assert_int_equal(write(file, octets, WORLD_FILE_LEN), WORLD_FILE_LEN);
    free(octets);
    return file;
}

void world_open(struct world *world, const struct world_options *options, uint32_t connections)
{
    struct scripted_options scripted = {
        .seed = options->seed,
        .entries = 256,
        .socket_buffer = options->socket_buffer != 0 ? options->socket_buffer : 1024 * 1024,
        .capabilities = { .receive_multishot = true,
                          .receive_end = true,
                          .send_vectorized = options->seed % 2 == 0,
                          .send_zero_copy = !options->unable },
        .faults = options->faults,
        .step = step,
        .ctx = world,
    };
    struct halo_loop_options loop;

    static int file;

    if (file == 0) {
        file = make_file(); /* of all worlds */
    }
    *world = (struct world){ .at_once = 1, .file = file };
    halo_loop_options_init(&loop);
    loop.zero_copy_min = options->zero_copy_min != 0 ? options->zero_copy_min : 16384;
    world->ring = scripted_ring_new(&scripted);
    scripted_set_zero_copy(world->ring, &options->zero_copy);
    assert_int_equal(loop_new_with_ring(&world->loop, &loop, world->ring), 0);
    loop_handle_add(world->loop, &world->handle, abort_all);
    for (uint32_t i = 0; i < connections; i++) {
        add_link(world);
    }
}

void world_run(struct world *world, bool (*over)(struct world *world))
{
    int status;

    world->over = over;
    status = halo_loop_run(world->loop);
    if (status != 0) {
        fail_msg("%d %s", status, halo_loop_error(world->loop));
    }
    world->over = NULL;
}

void world_leave(struct world *world)
{
    for (uint32_t i = 0; i < world->num_links; i++) {
        world->links[i].left = true;
        if (world->links[i].peer >= 0) {
            scripted_finish(world->ring, world->links[i].peer);
        }
    }
    world_run(world, NULL);
}

/* A read may last longer than the connection that it was for. What is left is the loop's own. */
static bool reads_are_done(struct world *world)
{
    return world->loop->ledger.operations <= 1;
}

void world_close(struct world *world)
{
    loop_ref(world->loop);
    world_run(world, reads_are_done);
    loop_unref(world->loop);
    assert_int_equal(world_held(world), 0);
    for (uint32_t i = 0; i < world->num_links; i++) {
        assert_null(world->links[i].conn);
        if (world->links[i].peer >= 0) {
            scripted_close(world->ring, world->links[i].peer, false);
        }
        halo_session_free(world->links[i].client);
    }
    assert_int_equal(world->lent, 0);
    assert_int_equal(scripted_notes_waiting(world->ring), 0);
    assert_int_equal(world->loop->ledger.operations, 0);
    assert_int_equal(world->loop->ledger.descriptors, 0);
    assert_int_equal(world->loop->memory.chunks_in_use, 0);
    assert_int_equal(scripted_open_sockets(world->ring), 0);
    loop_handle_remove(&world->handle);
    halo_loop_free(world->loop);
}
