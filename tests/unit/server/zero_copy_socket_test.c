/*
 * Sends without a copy by the kernel itself, over the loopback: there it copies in the end, but
 * holds what is not acknowledged as over any other device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/conn/conn.h"
#include "server/server.h"

enum {
    BODY = 8 * 1024 * 1024,
    WINDOW = 1 << 30,
    TICK_MS = 1,
    TICKS_MAX = 5000, /* then something does not end */
    NOBODY = 65534,
};

struct talk {
    halo_loop *loop;
    halo_server *server;
    halo_session *client;
    int fd;
    uint32_t ticks;
    uint32_t lent; /* bodies that have not come back */
    bool stalled;  /* the client does not read */
    bool little;   /* 64 KiB may be locked, when the first request comes */
    bool closed;
    size_t received;
    bool ended;
    uint64_t held_max; /* octets, of all connections */
    bool refused;      /* for want of memory */
    uint64_t quiet_ms;
    uint64_t begin_ns, end_ns; /* of the server's end */
};

static uint8_t body[BODY];

static void body_back(void *ctx)
{
    struct talk *talk = ctx;

    talk->lent--;
}

static void on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data)
{
    const struct rlimit little = { 65536, 65536 };
    struct talk *talk = user_data;

    (void)headers;
    (void)flags;
    /* Not before: since 6.14 the ring itself is counted as locked memory. */
    assert_true(!talk->little || setrlimit(RLIMIT_MEMLOCK, &little) == 0);
    talk->lent++;
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write_borrow(stream, body, BODY, HALO_END_STREAM, body_back, talk),
                     0);
}

static void on_close(halo_server *server, void *user_data)
{
    struct talk *talk = user_data;

    (void)server;
    talk->closed = true;
    talk->end_ns = talk->loop->ring->ops->clock_ns(talk->loop->ring);
}

/* ---- the client ------------------------------------------------------------------------ */

static void client_connect(struct talk *talk)
{
    const struct io_address *address = &talk->server->listeners[0].address;
    const struct halo_request request = {
        .method = HALO_LIT("GET"),
        .scheme = HALO_LIT("http"),
        .authority = HALO_LIT("localhost"),
        .path = HALO_LIT("/"),
    };
    struct halo_session_options options;
    halo_stream *stream;
    struct iovec iov;

    halo_session_options_init(&options, HALO_CLIENT);
    options.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    options.settings.initial_window_size = WINDOW;
    options.connection_window_size = WINDOW;
    assert_int_equal(halo_session_new(&talk->client, &options, 0), 0);
    assert_int_equal(halo_session_request(talk->client, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    talk->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(talk->fd, &address->any, address->len), 0);
    while (halo_session_pull(talk->client, &iov, 1, 65536) == 1) {
        assert_int_equal(write(talk->fd, iov.iov_base, iov.iov_len), iov.iov_len);
        halo_session_sent(talk->client, iov.iov_len);
    }
}

static void client_reads(struct talk *talk)
{
    static uint8_t octets[65536];
    struct halo_event event;
    ssize_t len;

    while ((len = recv(talk->fd, octets, sizeof(octets), MSG_DONTWAIT)) > 0) {
        assert_int_equal(halo_session_recv(talk->client, octets, (size_t)len, 0), 0);
        while (halo_session_poll(talk->client, &event) != 0) {
            if (event.type == HALO_EVENT_DATA) {
                assert_true(talk->received + event.u.data.len <= BODY);
                assert_memory_equal(event.u.data.data, body + talk->received, event.u.data.len);
                talk->received += event.u.data.len;
            }
            talk->ended |= (event.flags & HALO_END_STREAM) != 0;
        }
    }
}

/* ---- running --------------------------------------------------------------------------- */

static void begin_end(struct talk *talk)
{
    talk->begin_ns = talk->loop->ring->ops->clock_ns(talk->loop->ring);
    if (talk->stalled) {
        halo_server_destroy(talk->server);
    } else {
        halo_server_close(talk->server);
    }
}

static void on_tick(halo_timer *timer, void *ctx)
{
    struct talk *talk = ctx;
    const struct conn_env *env = conn_env_of(talk->loop);

    assert_true(++talk->ticks < TICKS_MAX);
    talk->refused |= env->zero_copy_again_ns != 0;
    talk->quiet_ms = env->zero_copy_octets > talk->held_max ? 0 : talk->quiet_ms + TICK_MS;
    talk->held_max = max_u64(talk->held_max, env->zero_copy_octets);
    if (!talk->stalled) {
        client_reads(talk);
    }
    if (talk->stalled ? talk->held_max > 0 && talk->quiet_ms >= 100 : talk->ended) {
        halo_timer_stop(timer);
        if (!talk->stalled) {
            shutdown(talk->fd, SHUT_WR);
        }
        begin_end(talk);
    }
}

static void talk_run(struct talk *talk, bool stalled, bool little)
{
    struct halo_server_options options;
    struct halo_loop_options loop;

    for (size_t i = 0; i < BODY; i++) {
        body[i] = (uint8_t)(i * 131 + (i >> 8) * 7 + (i >> 16));
    }
    *talk = (struct talk){ .stalled = stalled, .little = little };
    halo_loop_options_init(&loop);
    loop.zero_copy_min = IO_ZERO_COPY_OCTETS_MIN;
    assert_int_equal(halo_loop_new(&talk->loop, &loop), 0);
    halo_server_options_init(&options);
    options.on_stream = on_stream;
    options.on_close = on_close;
    options.user_data = talk;
    assert_int_equal(halo_server_new(&talk->server, talk->loop, &options), 0);
    assert_int_equal(halo_server_listen(talk->server, "127.0.0.1:0", NULL), 0);
    assert_int_equal(halo_server_start(talk->server), 0);
    client_connect(talk);
    assert_int_equal(halo_timer_start(NULL, talk->loop, TICK_MS, TICK_MS, on_tick, talk), 0);
    if (halo_loop_run(talk->loop) != 0) {
        fail_msg("%s", halo_loop_error(talk->loop));
    }
    assert_true(talk->closed);
    assert_int_equal(talk->lent, 0);
    assert_int_equal(conn_env_of(talk->loop)->zero_copy_octets, 0);
    close(talk->fd);
    halo_session_free(talk->client);
    halo_server_free(talk->server);
}

static bool is_able(const struct talk *talk)
{
    return talk->loop->ring->capabilities.send_zero_copy;
}

/* ---- the tests ------------------------------------------------------------------------- */

static void test_scorecard_56_zero_copy_over_loopback(void **state)
{
    struct talk talk;

    (void)state;
    talk_run(&talk, false, false);
    assert_int_equal(talk.received, BODY);
    assert_false(talk.refused);
    halo_loop_free(talk.loop);
}

/* The kernel has the octets as long as the peer does not acknowledge them, through the end of the
 * connection: a reset gets them back. */
static void test_scorecard_56_zero_copy_to_a_peer_that_does_not_read(void **state)
{
    struct talk talk;

    (void)state;
    talk_run(&talk, true, false);
    if (is_able(&talk)) {
        assert_true(talk.held_max > 0 && talk.held_max <= 1024 * 1024);
        assert_in_range((talk.end_ns - talk.begin_ns) / 1000000, 90, 2000);
    }
    halo_loop_free(talk.loop);
}

/* In a process that may lock 64 KiB. */
static int run_with_little_memory(void)
{
    struct talk talk;

    /* Root may lock what it likes. */
    if (geteuid() == 0 &&
        (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0)) {
        return 2;
    }
    talk_run(&talk, false, true);
    if (talk.received != BODY || (is_able(&talk) && !talk.refused)) {
        return 1;
    }
    halo_loop_free(talk.loop);
    return 0;
}

static void test_scorecard_56_zero_copy_without_locked_memory(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        _exit(run_with_little_memory());
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: the others leave threads and rings behind that a child should not have. */
        cmocka_unit_test(test_scorecard_56_zero_copy_without_locked_memory),
        cmocka_unit_test(test_scorecard_56_zero_copy_over_loopback),
        cmocka_unit_test(test_scorecard_56_zero_copy_to_a_peer_that_does_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
