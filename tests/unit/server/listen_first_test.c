/*
 * What a server without TLS does before its client has said anything: it listens first, for a moment. Over real
 * sockets, with a client whose octets are written by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/base.h"
#include "frames.h"
#include "server/server.h"

enum {
    TICK_MS = 1,
    TICKS_MAX = 5000, /* then something does not end */
    HOLD_MS = 20,     /* LISTEN_FIRST_NS of worker.c */
};

struct talk {
    halo_loop *loop;
    halo_server *server;
    int fd;
    bool close_when_accepted;
    bool closing;
    uint32_t ticks;
    uint32_t accepted;
    uint32_t sessions;
    uint64_t accepted_ns;
    uint64_t session_ns;
    uint8_t in[4096];
    size_t len;
    uint32_t segments; /* that brought it */
    bool ended;
    bool (*done)(const struct talk *talk);
};

static int on_connection(const char *address, void *user_data)
{
    struct talk *talk = user_data;

    (void)address;
    talk->accepted++;
    talk->accepted_ns = halo_loop_now_ns(talk->loop);
    if (talk->close_when_accepted) {
        talk->closing = true;
        halo_server_close(talk->server); /* a post: it comes behind the accept */
    }
    return 0;
}

static void on_session(halo_session *session, void *user_data)
{
    struct talk *talk = user_data;

    (void)session;
    talk->sessions++;
    talk->session_ns = halo_loop_now_ns(talk->loop);
}

/* Segments with octets. */
static uint32_t segments_received(const struct talk *talk)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof(info);

    assert_int_equal(getsockopt(talk->fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_data_segs_in;
}

static void on_tick(halo_timer *timer, void *ctx)
{
    struct talk *talk = ctx;
    ssize_t len = recv(talk->fd, talk->in + talk->len, sizeof(talk->in) - talk->len, MSG_DONTWAIT);

    if (len > 0) {
        talk->len += (size_t)len;
    }
    talk->ended |= len == 0;
    assert_true(++talk->ticks < TICKS_MAX);
    if (talk->done(talk)) {
        talk->segments = segments_received(talk);
        halo_timer_stop(timer);
        shutdown(talk->fd, SHUT_WR);
        if (!talk->closing) {
            halo_server_close(talk->server);
        }
    }
}

static void talk_open(struct talk *talk, uint32_t defer_accept_s)
{
    struct halo_server_options options;

    *talk = (struct talk){ .fd = -1 };
    assert_int_equal(halo_loop_new(&talk->loop, NULL), 0);
    halo_server_options_init(&options);
    assert_int_equal(options.defer_accept_s, 0);
    options.defer_accept_s = defer_accept_s;
    options.on_connection = on_connection;
    options.on_session = on_session;
    options.user_data = talk;
    assert_int_equal(halo_server_new(&talk->server, talk->loop, &options), 0);
    assert_int_equal(halo_server_listen(talk->server, "127.0.0.1:0", NULL), 0);
    assert_int_equal(halo_server_start(talk->server), 0);
}

static void talk_connect(struct talk *talk)
{
    struct io_address *address = &talk->server->listeners[0].address;

    talk->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(talk->fd >= 0);
    assert_int_equal(connect(talk->fd, &address->any, address->len), 0);
}

static void talk_run(struct talk *talk, bool (*done)(const struct talk *talk))
{
    talk->done = done;
    assert_int_equal(halo_timer_start(NULL, talk->loop, TICK_MS, TICK_MS, on_tick, talk), 0);
    assert_int_equal(halo_loop_run(talk->loop), 0);
}

static void talk_close(struct talk *talk)
{
    if (talk->fd >= 0) {
        close(talk->fd);
    }
    halo_server_free(talk->server);
    halo_loop_free(talk->loop);
}

static void say_request(struct talk *talk)
{
    struct wire wire = { 0 };
    static const uint8_t block[] = { 0x82, 0x86, 0x84, 0x41, 0x01, 'a' }; /* GET http / a */

    put_preface(&wire);
    put_settings(&wire, 0);
    put_frame(&wire, T_HEADERS, F_END_HEADERS | F_END_STREAM, 1, block, sizeof(block));
    assert_int_equal(write(talk->fd, wire.data, wire.len), wire.len);
    wire_free(&wire);
}

/* Is there a whole frame of the type? */
static bool has_frame(const struct talk *talk, uint8_t type)
{
    size_t at = 0;

    while (at + 9 <= talk->len) {
        const uint8_t *header = talk->in + at;
        size_t len = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];

        at += 9 + len;
        if (at <= talk->len && header[3] == type) {
            return true;
        }
    }
    return false;
}

static bool has_response(const struct talk *talk)
{
    return has_frame(talk, T_HEADERS);
}

static bool said_anything(const struct talk *talk)
{
    return talk->len > 0;
}

static bool has_ended(const struct talk *talk)
{
    return talk->ended;
}

/* ---- what comes first -------------------------------------------------------------------------- */

/* SETTINGS, their acknowledgement and the response leave in one send. */
static void one_send(uint32_t defer_accept_s)
{
    struct talk talk;

    talk_open(&talk, defer_accept_s);
    talk_connect(&talk);
    say_request(&talk);
    talk_run(&talk, has_response);
    assert_int_equal(talk.segments, 1);
    assert_int_equal(talk.in[3], T_SETTINGS); /* RFC 9113 3.4: the first frame */
    assert_int_equal(talk.sessions, 1);
    assert_true(talk.session_ns - talk.accepted_ns < (uint64_t)HOLD_MS * 1000000);
    talk_close(&talk);
}

static void test_server_first_send_has_settings_and_response(void **state)
{
    (void)state;
    one_send(0);
    one_send(1);
}

/* A client that waits for the server's SETTINGS gets them, though not at once. */
static void test_server_speaks_to_who_waits(void **state)
{
    struct talk talk;

    (void)state;
    talk_open(&talk, 0);
    talk_connect(&talk);
    talk_run(&talk, said_anything);
    assert_int_equal(talk.sessions, 1);
    assert_true(talk.session_ns - talk.accepted_ns >= (uint64_t)HOLD_MS * 1000000);
    assert_true(has_frame(&talk, T_SETTINGS));
    talk_close(&talk);
}

/* Who connects and leaves without a word costs no session. */
static void test_server_without_octets_makes_no_session(void **state)
{
    struct talk talk;

    (void)state;
    talk_open(&talk, 0);
    talk_connect(&talk);
    assert_int_equal(shutdown(talk.fd, SHUT_WR), 0);
    talk_run(&talk, has_ended);
    assert_int_equal(talk.accepted, 1);
    assert_int_equal(talk.sessions, 0);
    assert_int_equal(talk.len, 0);
    talk_close(&talk);
}

/* A request may be on its way when the server closes: GOAWAY, and no reset. */
static void test_server_close_tells_who_said_nothing(void **state)
{
    struct talk talk;

    (void)state;
    talk_open(&talk, 0);
    talk.close_when_accepted = true;
    talk_connect(&talk);
    talk_run(&talk, has_ended);
    assert_int_equal(talk.sessions, 1);
    assert_true(has_frame(&talk, T_SETTINGS));
    assert_true(has_frame(&talk, T_GOAWAY));
    talk_close(&talk);
}

/* ---- the kernel's part --------------------------------------------------------------------------- */

static int deferred_s(uint32_t asked)
{
    struct talk talk;
    int value = -1;
    socklen_t len = sizeof(value);

    talk_open(&talk, asked);
    assert_int_equal(getsockopt(talk.server->workers[0].acceptors[0].fd, IPPROTO_TCP,
                                TCP_DEFER_ACCEPT, &value, &len),
                     0);
    halo_server_close(talk.server);
    assert_int_equal(halo_loop_run(talk.loop), 0);
    talk_close(&talk);
    return value;
}

static void test_server_defer_accept_option(void **state)
{
    (void)state;
    assert_int_equal(deferred_s(0), 0);
    assert_true(deferred_s(1) >= 1);
    assert_true(deferred_s(10) >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_first_send_has_settings_and_response),
        cmocka_unit_test(test_server_speaks_to_who_waits),
        cmocka_unit_test(test_server_without_octets_makes_no_session),
        cmocka_unit_test(test_server_close_tells_who_said_nothing),
        cmocka_unit_test(test_server_defer_accept_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
