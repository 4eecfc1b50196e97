#include "served.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- memory that is counted ---------------------------------------------------------------- */

struct piece {
    size_t size;
    size_t padding;
};

static bool is_chunk(size_t size)
{
    return size >= SERVED_CHUNK_MIN && size <= SERVED_CHUNK_MAX;
}

static void *counted_alloc(size_t size, void *ctx)
{
    struct served *served = ctx;
    struct piece *piece;

    if (served->fail_in > 0 && --served->fail_in == 0) {
        return NULL;
    }
    if (is_chunk(size)) {
        if (served->fail_chunks > 0) {
            served->fail_chunks--;
            return NULL;
        }
        served->chunks++;
        served->chunks_peak =
            served->chunks > served->chunks_peak ? served->chunks : served->chunks_peak;
    }
    piece = malloc(sizeof(*piece) + size);
    piece->size = size;
    return piece + 1;
}

static void counted_release(void *pointer, void *ctx)
{
    struct served *served = ctx;
    struct piece *piece = (struct piece *)pointer - 1;

    if (pointer != NULL) {
        served->chunks -= is_chunk(piece->size) ? 1 : 0;
        free(piece);
    }
}

static void *counted_resize(void *old, size_t size, void *ctx)
{
    struct piece *piece = (struct piece *)old - 1;
    void *pointer = counted_alloc(size, ctx);

    if (pointer == NULL) {
        return NULL;
    }
    memcpy(pointer, old, piece->size < size ? piece->size : size);
    counted_release(old, ctx);
    return pointer;
}

/* ---- the server's side --------------------------------------------------------------------- */

static void on_open(struct conn *conn)
{
    struct halo_session_options options;
    struct halo_session *session;

    halo_session_options_init(&options, HALO_SERVER);
    options.settings.max_concurrent_streams = SERVED_STREAMS_MAX;
    assert_int_equal(session_new_in(&session, &conn_env_of(conn->loop)->proto, &options,
                                    loop_now_ns(conn->loop)),
                     0);
    conn_set_session(conn, session);
}

static void on_stream(struct conn *conn, halo_stream *stream, halo_header_list headers,
                      unsigned flags)
{
    struct served *served = conn->owner_data;
    halo_bytes value;
    char path[256];

    (void)flags;
    assert_int_equal(halo_header_find_token(headers, HALO_NAME_PATH, &value), 1);
    snprintf(path, sizeof(path), "%.*s", (int)value.len, value.data);
    served->path = path;
    served->on_stream(served, stream);
    served->path = NULL;
}

static void on_closed(struct conn *conn)
{
    struct served *served = conn->owner_data;

    served->conn = NULL;
}

static const struct conn_owner owner = {
    .on_open = on_open,
    .on_stream = on_stream,
    .on_closed = on_closed,
};

/* ---- the client's side --------------------------------------------------------------------- */

static void take_headers(struct fetched *fetched, const struct halo_event *event)
{
    halo_header_list list = { event->u.headers.fields, event->u.headers.count };
    halo_bytes value;

    fetched->status = event->u.headers.status;
    if (halo_header_find_token(list, HALO_NAME_CONTENT_LENGTH, &value) != 0) {
        fetched->content_length = strtoll(value.data, NULL, 10);
    }
}

static void take_data(struct fetched *fetched, const struct halo_event *event)
{
    size_t len = event->u.data.len;

    fetched->body = realloc(fetched->body, fetched->len + len + 1);
    memcpy(fetched->body + fetched->len, event->u.data.data, len);
    fetched->len += len;
    fetched->unconsumed += len;
}

/* Gives back the credit for all that was received. */
static void give_credit(struct served *served)
{
    for (uint32_t i = 0; i < served->num_fetched; i++) {
        struct fetched *fetched = &served->fetched[i];

        if (fetched->stream != NULL && fetched->unconsumed > 0) {
            assert_int_equal(halo_stream_consume(fetched->stream, fetched->unconsumed), 0);
            fetched->unconsumed = 0;
        }
    }
}

static void take_close(struct fetched *fetched, const struct halo_event *event)
{
    fetched->closed = true;
    fetched->stream = NULL;
    if (event->u.closed != NULL) {
        fetched->error = event->u.closed->status;
        fetched->code = event->u.closed->code;
    }
}

static void poll_client(struct served *served)
{
    struct halo_event event;

    while (halo_session_poll(served->client, &event) != 0) {
        struct fetched *fetched = event.stream != NULL ? halo_stream_user_data(event.stream) : NULL;

        if (fetched == NULL) {
            continue;
        }
        if (event.type == HALO_EVENT_RESPONSE) {
            take_headers(fetched, &event);
        } else if (event.type == HALO_EVENT_DATA) {
            take_data(fetched, &event);
        } else if (event.type == HALO_EVENT_TRAILERS) {
            fetched->trailers = true;
        } else if (event.type == HALO_EVENT_STREAM_CLOSED) {
            take_close(fetched, &event);
            continue;
        }
        fetched->ended |= (event.flags & HALO_END_STREAM) != 0;
    }
}

void served_flush(struct served *served)
{
    struct iovec iov[8];
    int count;

    if (!served->hold_credit) {
        give_credit(served);
    }
    while ((count = halo_session_pull(served->client, iov, 8, 65536)) > 0) {
        ssize_t written = writev(served->client_fd, iov, count);

        if (written < 0) {
            assert_true(errno == EPIPE || errno == ECONNRESET);
            return;
        }
        halo_session_sent(served->client, (size_t)written);
    }
}

static void on_client_received(struct io_receiver *receiver, halo_slice *slice)
{
    struct served *served = HALO_CONTAINER(receiver, struct served, receiver);

    assert_int_equal(halo_session_recv(served->client, slice->data, slice->len, 0), 0);
    poll_client(served);
    halo_slice_release(slice);
    served_flush(served);
}

static void on_client_end(struct io_receiver *receiver, int error)
{
    struct served *served = HALO_CONTAINER(receiver, struct served, receiver);

    (void)error;
    served->client_ended = true;
    halo_session_recv_end(served->client, NULL);
    poll_client(served);
}

static void new_client(struct served *served, const struct served_options *options)
{
    struct halo_session_options client;

    halo_session_options_init(&client, HALO_CLIENT);
    client.peer_max_concurrent_streams = SERVED_STREAMS_MAX;
    client.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    client.settings.initial_window_size =
        options->stream_window != 0 ? options->stream_window : 1024 * 1024;
    client.connection_window_size =
        options->connection_window != 0 ? options->connection_window : 16 * 1024 * 1024;
    client.manual_credit = 1;
    assert_int_equal(halo_session_new(&served->client, &client, 0), 0);
}

struct fetched *served_request(struct served *served, const char *method, const char *path)
{
    struct fetched *fetched = &served->fetched[served->num_fetched++];
    struct halo_request request = {
        .method = halo_str(method),
        .scheme = HALO_LIT("http"),
        .authority = HALO_LIT("localhost"),
        .path = halo_str(path),
    };

    assert_true(served->num_fetched <= SERVED_STREAMS_MAX);
    fetched->content_length = -1;
    assert_int_equal(
        halo_session_request(served->client, &request, HALO_END_STREAM, fetched, &fetched->stream),
        0);
    served_flush(served);
    return fetched;
}

/* ---- running ------------------------------------------------------------------------------- */

static void too_long(halo_timer *timer, void *ctx)
{
    (void)timer;
    (void)ctx;
    fprintf(stderr, "the test waits for ever\n");
    abort();
}

static void look(struct loop_posted *posted)
{
    struct served *served = HALO_CONTAINER(posted, struct served, turn);

    if (served->done(served)) {
        halo_loop_stop(served->loop);
    } else {
        loop_post(served->loop, &served->turn, look);
    }
}

void served_run(struct served *served, bool (*done)(struct served *served))
{
    int fail_in = served->fail_in;
    halo_timer *watchdog;

    served->done = done;
    served->fail_in = 0; /* the watchdog is not under test */
    assert_int_equal(halo_timer_start(&watchdog, served->loop, 10000, 0, too_long, NULL), 0);
    served->fail_in = fail_in;
    loop_post(served->loop, &served->turn, look);
    if (halo_loop_run(served->loop) != 0) {
        fail_msg("%s", halo_loop_error(served->loop));
    }
    halo_timer_stop(watchdog);
}

static bool all_closed(struct served *served)
{
    for (uint32_t i = 0; i < served->num_fetched; i++) {
        if (!served->fetched[i].closed) {
            return false;
        }
    }
    return true;
}

void served_run_all(struct served *served)
{
    served_run(served, all_closed);
}

static int turns_left;

static bool turn_over(struct served *served)
{
    (void)served;
    return --turns_left <= 0;
}

void served_run_turns(struct served *served, int count)
{
    turns_left = count;
    served_run(served, turn_over);
}

void served_vanish(struct served *served)
{
    shutdown(served->client_fd, SHUT_RDWR);
}

struct served *served_new(void (*handler)(struct served *served, halo_stream *stream),
                          const struct served_options *options)
{
    static const struct served_options defaults = { 0 };
    static const struct conn_options none = { 0 };
    struct served *served = calloc(1, sizeof(*served));
    struct halo_loop_options loop;
    int fds[2];

    halo_loop_options_init(&loop);
    loop.receive_buffer_size = 16384;
    loop.allocator = (halo_allocator){ counted_alloc, counted_resize, counted_release, served };
    assert_int_equal(halo_loop_new(&served->loop, &loop), 0);
    served->on_stream = handler;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    io_fd_opened(served->loop, fds[0]);
    io_fd_opened(served->loop, fds[1]);
    served->client_fd = fds[1];
    new_client(served, options != NULL ? options : &defaults);
    io_receiver_init(&served->receiver, served->loop, fds[1], on_client_received, on_client_end);
    io_receiver_start(&served->receiver);
    served->conn = conn_new(served->loop, fds[0], NULL, &owner, served, &none);
    assert_non_null(served->conn);
    conn_start(served->conn);
    return served;
}

static bool everything_gone(struct served *served)
{
    return served->conn == NULL && served->client_ended;
}

void served_free(struct served *served)
{
    served_vanish(served);
    served_run(served, everything_gone);
    io_close(served->loop, served->client_fd);
    halo_session_free(served->client);
    halo_loop_free(served->loop);
    assert_int_equal(served->chunks, 0);
    for (uint32_t i = 0; i < served->num_fetched; i++) {
        free(served->fetched[i].body);
    }
    free(served);
}
