/*
 * Honest traffic that no limit may touch (scorecard rows 19, 35, 43): who cancels much, reads slowly, waits long,
 * measures with PINGs, sends many cookies or small frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <halo/session.h>

#include "core/base/base.h"
#include "core/proto/limits.h"
#include "frames.h"

enum { STREAMS = 256 };

struct client {
    halo_session *session;
    uint64_t now_ns;
    struct wire in;
    bool answers; /* requests are answered as they come */
    bool pauses;
    halo_stream *streams[STREAMS]; /* open ones, by number */
    uint64_t requests, completed, data_received, data_sent;
    size_t fields;
    bool ended;
};

static halo_stream **place(struct client *client, uint32_t id)
{
    return &client->streams[id / 2 % STREAMS];
}

static void handle(struct client *client, const struct halo_event *event)
{
    switch (event->type) {
    case HALO_EVENT_REQUEST:
        *place(client, event->stream_id) = event->stream;
        client->requests++;
        client->fields = event->u.headers.count;
        if (client->pauses) {
            halo_stream_pause(event->stream);
        }
        if (client->answers) {
            assert_int_equal(halo_stream_respond(event->stream, 200, NULL, HALO_END_STREAM), 0);
        }
        break;
    case HALO_EVENT_DATA:
        client->data_received += event->u.data.len;
        break;
    case HALO_EVENT_STREAM_CLOSED:
        *place(client, event->stream_id) = NULL;
        client->completed += event->u.closed == NULL;
        break;
    case HALO_EVENT_SESSION_CLOSED:
        client->ended = true;
        break;
    default:
        break;
    }
}

/* Octets of DATA payload among whole frames. */
static uint64_t data_of(const uint8_t *at, const uint8_t *end)
{
    uint64_t len = 0;

    for (; at + 9 <= end; at += 9 + ((uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2])) {
        len += at[3] == T_DATA ? (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2] : 0;
    }
    return len;
}

static void poll_all(struct client *client)
{
    struct halo_event event;

    while (halo_session_poll(client->session, &event) != 0) {
        handle(client, &event);
    }
}

/* What was written goes to the server, and what it says is read. */
static void go(struct client *client)
{
    struct iovec iov[64];
    struct wire out = { 0 };
    int count;

    assert_int_equal(
        halo_session_recv(client->session, client->in.data, client->in.len, client->now_ns), 0);
    poll_all(client);
    client->in.len = 0;
    while ((count = halo_session_pull(client->session, iov, 64, 1 << 20)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            wire_octets(&out, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        halo_session_sent(client->session, len);
        poll_all(client);
    }
    client->data_sent += out.len > 0 ? data_of(out.data, out.data + out.len) : 0;
    wire_free(&out);
    assert_false(client->ended);
}

static void wait_ms(struct client *client, uint64_t ms)
{
    client->now_ns += ms * 1000000;
    halo_session_tick(client->session, client->now_ns);
    go(client);
}

static void begin(struct client *client, uint32_t window)
{
    struct halo_session_options options;

    *client = (struct client){ .now_ns = 1000000 };
    halo_session_options_init(&options, HALO_SERVER);
    assert_int_equal(halo_session_new(&client->session, &options, client->now_ns), 0);
    put_preface(&client->in);
    put_settings(&client->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, window, 0);
    put_settings_ack(&client->in);
    go(client);
}

static void end(struct client *client)
{
    go(client);
    assert_int_equal(halo_session_is_closed(client->session), 0);
    halo_session_free(client->session);
    wire_free(&client->in);
}

/* ---- 19: cancelling ---------------------------------------------------------------------------------------- */

/* 10,000 calls a second for a minute, of which each twentieth is cancelled before its answer. */
static void test_scorecard_19_session_calls_cancelled(void **state)
{
    struct client client;
    uint32_t id = 1;

    (void)state;
    begin(&client, 65535);
    for (uint32_t ms = 0; ms < 60000; ms++) {
        uint32_t first = id;

        for (int i = 0; i < 10; i++, id += 2) {
            put_get(&client.in, id);
        }
        go(&client);
        for (uint32_t at = first; at < id; at += 2) {
            if (at / 2 % 20 == 7) {
                put_rst_stream(&client.in, at, HALO_CANCEL);
            } else {
                assert_int_equal(
                    halo_stream_respond(*place(&client, at), 200, NULL, HALO_END_STREAM), 0);
            }
        }
        wait_ms(&client, 1);
    }
    assert_int_equal(client.requests, 600000);
    assert_int_equal(client.completed, 570000);
    end(&client);
}

/* Pages of 100 images, each left after 4 seconds when 20 were there: all others are cancelled at once. */
static void test_scorecard_19_session_pages_left(void **state)
{
    struct client client;
    uint32_t id = 1;

    (void)state;
    begin(&client, 65535);
    for (int page = 0; page < 50; page++) {
        uint32_t first = id;

        for (int i = 0; i < 100; i++, id += 2) {
            put_get(&client.in, id);
        }
        wait_ms(&client, 2000);
        for (uint32_t at = first; at < first + 40; at += 2) {
            assert_int_equal(halo_stream_respond(*place(&client, at), 200, NULL, HALO_END_STREAM),
                             0);
        }
        go(&client);
        for (uint32_t at = first + 40; at < id; at += 2) {
            put_rst_stream(&client.in, at, HALO_CANCEL);
        }
        wait_ms(&client, 2000);
    }
    end(&client);
}

/* ---- 35: large requests -------------------------------------------------------------------------------------- */

/* 100,000 requests with 200 cookies each, of the dynamic table where they fit. */
static void test_scorecard_35_session_cookies_in_crumbs(void **state)
{
    struct client client;
    struct wire block = { 0 };

    (void)state;
    begin(&client, 65535);
    client.answers = true;
    for (uint32_t i = 0; i < 100000; i++) {
        block.len = 0;
        wire_octets(&block, "\x82\x84\x87\x01\x01x", 6); /* :authority stays out of the table */
        if (i == 0) {
            field_indexed(&block, "cookie", "crumb=0123456789");
        }
        wire_fill(&block, 0xbe, i == 0 ? 199 : 200);
        put_headers(&client.in, 1 + 2 * i, F_END_STREAM | F_END_HEADERS, &block);
        if (i % 100 == 99) {
            go(&client);
        }
    }
    go(&client);
    assert_int_equal(client.completed, 100000);
    assert_int_equal(client.fields, 204);
    wire_free(&block);
    end(&client);
}

static void test_scorecard_35_session_cookies_and_fields(void **state)
{
    struct client client;
    struct wire block = { 0 };
    char name[32];

    (void)state;
    begin(&client, 65535);
    client.answers = true;
    wire_octets(&block, "\x82\x84\x87\x41\x01x", 6);
    for (int i = 0; i < 60; i++) {
        (void)snprintf(name, sizeof(name), "field-%d", i);
        field(&block, name, "some value of an ordinary length");
    }
    for (int i = 0; i < 100; i++) {
        field(&block, "cookie", "a=0123456789012345678901234567890123456789");
    }
    put_headers(&client.in, 1, F_END_STREAM | F_END_HEADERS, &block);
    go(&client);
    assert_int_equal(client.completed, 1);
    wire_free(&block);
    end(&client);
}

/* Clients send a cookie as they were given it, most of them in crumbs, some in one piece. */
static void test_scorecard_35_session_long_cookie(void **state)
{
    static const size_t crumbs[] = { 1, 10, 100 };
    char value[30 * 1024];
    struct client client;

    (void)state;
    memset(value, 'c', sizeof(value));
    for (size_t i = 0; i < HALO_ARRAY_LEN(crumbs); i++) {
        struct wire block = { 0 };
        size_t len = sizeof(value) / crumbs[i];

        begin(&client, 65535);
        client.answers = true;
        wire_octets(&block, "\x82\x84\x87\x41\x01x", 6);
        for (size_t at = 0; at + len <= sizeof(value); at += len) {
            field_octets(&block, "cookie", 6, value, len);
        }
        assert_true(block.len > 30000);
        put_frame(&client.in, T_HEADERS, F_END_STREAM, 1, block.data, 16384);
        put_continuation(&client.in, 1, F_END_HEADERS, block.data + 16384, block.len - 16384);
        go(&client);
        assert_int_equal(client.completed, 1);
        wire_free(&block);
        end(&client);
    }
}

/* ---- 43: slow, and long --------------------------------------------------------------------------------------- */

static int give_zeros(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end_)
{
    size_t *left = ctx;

    *len = cap < *left ? cap : *left;
    memset(out, 0, *len);
    *left -= *len;
    *end_ = *left == 0;
    return 0;
}

static void give_body(struct client *client, uint32_t id, size_t *len)
{
    struct halo_source source = { .read = give_zeros, .ctx = len };
    halo_stream *stream = *place(client, id);

    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_set_source(stream, &source, 0), 0);
}

/* 1 MiB at 2 KB a second: credit in one piece a second, or by 100 octets. */
static void read_slowly(uint32_t piece, uint32_t every_ms)
{
    struct client client;
    size_t body = 1 << 20;

    begin(&client, 2048);
    put_get(&client.in, 1);
    put_window_update(&client.in, 0, 1 << 21);
    go(&client);
    give_body(&client, 1, &body);
    for (uint32_t ms = 0; ms < 700 * 1000 && client.completed == 0; ms += every_ms) {
        put_window_update(&client.in, 1, piece);
        wait_ms(&client, every_ms);
    }
    assert_int_equal(client.completed, 1);
    assert_int_equal(client.data_sent, 1 << 20);
    end(&client);
}

static void test_scorecard_43_session_slow_reader(void **state)
{
    (void)state;
    read_slowly(2000, 1000);
}

static void test_scorecard_43_session_slow_reader_in_small_steps(void **state)
{
    (void)state;
    read_slowly(500, 250);
}

/* Requests that are answered after ten minutes, and events that come once a minute. */
static void test_scorecard_43_session_long_polls(void **state)
{
    struct client client;

    (void)state;
    begin(&client, 65535);
    put_get(&client.in, 1);
    put_get(&client.in, 3);
    put_post(&client.in, 5);
    put_data(&client.in, 5, F_END_STREAM, 10);
    go(&client);
    assert_int_equal(halo_stream_respond(*place(&client, 3), 200, NULL, 0), 0);
    for (int minute = 0; minute < 10; minute++) {
        for (int i = 0; i < 6; i++) {
            put_ping(&client.in, 0, "alive ok");
            wait_ms(&client, 10000);
        }
        assert_int_equal(halo_stream_write(*place(&client, 3), "data: x\n\n", 9, 0), 0);
    }
    assert_int_equal(halo_stream_respond(*place(&client, 1), 200, NULL, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_respond(*place(&client, 5), 200, NULL, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_end(*place(&client, 3)), 0);
    go(&client);
    assert_int_equal(client.completed, 3);
    end(&client);
}

/* A receiver that measures its bandwidth: a PING a round trip while a body comes, 1000 a second. */
static void test_scorecard_43_session_pings_that_measure(void **state)
{
    struct client client;
    size_t body = 60 << 20;
    uint64_t given = 0;

    (void)state;
    begin(&client, 65535);
    put_get(&client.in, 1);
    go(&client);
    give_body(&client, 1, &body);
    go(&client);
    while (client.completed == 0) {
        uint32_t credit = (uint32_t)(client.data_sent - given);

        assert_int_not_equal(credit, 0);
        given += credit;
        put_window_update(&client.in, 0, credit);
        put_window_update(&client.in, 1, credit);
        put_ping(&client.in, 0, "measured");
        wait_ms(&client, 1);
    }
    assert_int_equal(client.data_sent, 60 << 20);
    end(&client);
}

/* A request with a frame of a reserved type each (RFC 9113 5.5), 2000 of them in a second. */
static void test_scorecard_16_session_reserved_frames_with_requests(void **state)
{
    struct client client;

    (void)state;
    begin(&client, 65535);
    client.answers = true;
    for (uint32_t id = 1; id < 2 * 20000; id += 2) {
        put_get(&client.in, id);
        put_frame(&client.in, 0x0b + 0x1f * 3, 0, id, "grease", 6);
        go(&client);
    }
    assert_int_equal(client.completed, 20000);
    end(&client);
}

/* An upload in frames of 10 octets, read or not yet. */
static void upload_in_small_frames(bool pauses)
{
    struct client client;

    begin(&client, 65535);
    client.pauses = pauses;
    put_post(&client.in, 1);
    for (int i = 0; i < 6500; i++) {
        put_data(&client.in, 1, 0, 10);
        go(&client);
        assert_true(halo_session_memory(client.session) < 256 * 1024);
    }
    if (pauses) {
        assert_int_equal(client.data_received, 0);
        halo_stream_resume(*place(&client, 1));
        go(&client);
    }
    put_data(&client.in, 1, F_END_STREAM, 10);
    go(&client);
    assert_int_equal(client.data_received, 65010);
    end(&client);
}

static void test_scorecard_13_session_small_frames(void **state)
{
    (void)state;
    upload_in_small_frames(false);
    upload_in_small_frames(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scorecard_19_session_calls_cancelled),
        cmocka_unit_test(test_scorecard_19_session_pages_left),
        cmocka_unit_test(test_scorecard_35_session_cookies_in_crumbs),
        cmocka_unit_test(test_scorecard_35_session_cookies_and_fields),
        cmocka_unit_test(test_scorecard_35_session_long_cookie),
        cmocka_unit_test(test_scorecard_43_session_slow_reader),
        cmocka_unit_test(test_scorecard_43_session_slow_reader_in_small_steps),
        cmocka_unit_test(test_scorecard_43_session_long_polls),
        cmocka_unit_test(test_scorecard_43_session_pings_that_measure),
        cmocka_unit_test(test_scorecard_16_session_reserved_frames_with_requests),
        cmocka_unit_test(test_scorecard_13_session_small_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
