/*
 * Whole conversations in which the n-th allocation fails, for every n: nothing crashes, nothing leaks, done() is
 * called exactly once, and each stream that was told of is told to be closed when the session ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/session.h>

#include "core/base/memory.h"
#include "core/proto/session.h"
#include "frames.h"
#include "test_memory.h"

struct talk {
    halo_session *session;
    struct test_memory memory;
    int role;
    int writes; /* borrowed writes that were accepted */
    int done;
    int opened;
    int closed;
    bool over;
    halo_slice kept[64];
    size_t kept_count;
};

static char body[40000];

static void count_done(void *ctx)
{
    (*(int *)ctx)++;
}

static void answer(struct talk *talk, halo_stream *stream)
{
    halo_header list[] = {
        { .name = HALO_LIT("X-Mixed"), .value = HALO_LIT("value of some length") },
        { .name = HALO_LIT("x-other"), .value = HALO_LIT("other") },
    };
    halo_headers headers = { .fields = list, .count = 2 };

    if (halo_stream_respond(stream, 200, &headers, 0) != 0) {
        return;
    }
    if (halo_stream_write(stream, body, 3000, 0) == 0) {
        (void)halo_stream_write(stream, body, 20000, 0);
    }
    if (halo_stream_write_borrow(stream, body, 40000, 0, count_done, &talk->done) == 0) {
        talk->writes++;
    }
    (void)halo_stream_trailers(stream, &headers);
}

/* Promises the answer of a second request, behind its own. */
static void push(struct talk *talk, halo_stream *parent)
{
    halo_header list = { .name = HALO_LIT("X-Mixed"), .value = HALO_LIT("value of some length") };
    struct halo_request request = { .path = HALO_LIT("/pushed"),
                                    .headers = { .fields = &list, .count = 1 } };
    halo_stream *pushed;

    if (halo_stream_push(parent, &request, NULL, &pushed) == 0) {
        talk->opened++;
        answer(talk, pushed);
    }
}

static void on_event(struct talk *talk, const struct halo_event *event)
{
    switch (event->type) {
    case HALO_EVENT_REQUEST:
        talk->opened++;
        if (event->stream_id == 5) {
            push(talk, event->stream);
        }
        if (event->stream_id == 3) {
            halo_stream_pause(event->stream);
        } else {
            answer(talk, event->stream);
        }
        break;
    case HALO_EVENT_PUSH:
        talk->opened++;
        break;
    case HALO_EVENT_DATA:
        if (event->u.data.len > 0 && talk->kept_count < HALO_ARRAY_LEN(talk->kept) &&
            halo_session_keep_data(talk->session, &talk->kept[talk->kept_count]) == 0) {
            talk->kept_count++;
        }
        break;
    case HALO_EVENT_STREAM_CLOSED:
        talk->closed++;
        break;
    case HALO_EVENT_SESSION_CLOSED:
        talk->over = true;
        break;
    default:
        break;
    }
}

static void turn(struct talk *talk, struct wire *in, size_t piece)
{
    struct halo_event event;
    struct iovec iov[8];
    int count;

    for (size_t at = 0; at < in->len; at += piece) {
        size_t len = piece < in->len - at ? piece : in->len - at;

        assert_int_equal(halo_session_recv(talk->session, in->data + at, len, 1000), 0);
        while (halo_session_poll(talk->session, &event) != 0) {
            on_event(talk, &event);
        }
    }
    in->len = 0;
    while ((count = halo_session_pull(talk->session, iov, 8, 1 << 20)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            len += iov[i].iov_len;
        }
        halo_session_sent(talk->session, len);
        while (halo_session_poll(talk->session, &event) != 0) {
            on_event(talk, &event);
        }
    }
    while (halo_session_poll(talk->session, &event) != 0) {
        on_event(talk, &event);
    }
}

static void talk_as_server(struct talk *talk, struct wire *in)
{
    struct wire block = { 0 };

    put_preface(in);
    put_settings(in, 4, 30000, 0);
    put_settings_ack(in);
    turn(talk, in, 1000);
    for (uint32_t id = 1; id <= 41; id += 2) { /* the table of streams grows */
        put_post(in, id);
        put_data(in, id, 0, id == 3 ? 8000 : 100);
    }
    turn(talk, in, 700);
    fields(&block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
    for (int i = 0; i < 20; i++) {
        field_indexed(&block, "x-some-field-of-mine", "a value that takes its place in the table");
    }
    put_frame(in, T_HEADERS, F_END_STREAM, 43, block.data, 100);
    put_continuation(in, 43, F_END_HEADERS, block.data + 100, block.len - 100);
    put_fields(in, 3, F_END_STREAM, "x-end", "yes", NULL);
    put_fields(in, 5, F_END_STREAM, "x-end", "yes", NULL);
    put_rst_stream(in, 7, HALO_CANCEL);
    put_window_update(in, 0, 1000000);
    turn(talk, in, 64);
    for (uint32_t id = 1; id <= 41; id += 2) {
        put_window_update(in, id, 100000);
    }
    turn(talk, in, 1000);
    halo_session_close(talk->session);
    put_goaway(in, 0, HALO_NO_ERROR, "bye");
    turn(talk, in, 1000);
    wire_free(&block);
}

static void talk_as_client(struct talk *talk, struct wire *in)
{
    struct halo_request request = { .method = HALO_LIT("POST"), .authority = HALO_LIT("a") };
    halo_header header = { .name = HALO_LIT("X-Name"), .value = HALO_LIT("a value of mine") };
    halo_stream *streams[6] = { 0 };

    request.headers = (halo_headers){ .fields = &header, .count = 1 };
    put_settings(in, 3, 3, 0);
    put_settings_ack(in);
    turn(talk, in, 1000);
    for (int i = 0; i < 6; i++) { /* three of them wait */
        if (halo_session_request(talk->session, &request, 0, NULL, &streams[i]) != 0) {
            continue;
        }
        talk->opened++;
        if (halo_stream_write_borrow(streams[i], body, 2000, 0, count_done, &talk->done) == 0) {
            talk->writes++;
        }
        (void)halo_stream_trailers(streams[i], &request.headers);
    }
    turn(talk, in, 1000);
    put_origin(in, "https://a", "https://b", "https://c", "https://d", "https://e", NULL);
    put_altsvc(in, 1, "", "clear");
    for (uint32_t id = 2; id <= 6; id += 2) {
        put_promise_of(in, 1, id, ":method", "GET", ":scheme", "https", ":path", "/", ":authority",
                       "a", NULL);
    }
    put_fields(in, 4, 0, ":status", "200", NULL);
    put_data(in, 4, F_END_STREAM, 50);
    turn(talk, in, 20);
    for (uint32_t id = 1; id <= 11; id += 2) {
        put_fields(in, id, 0, ":status", id == 5 ? "421" : "200", "x", "y", NULL);
        put_data(in, id, F_END_STREAM, 50);
        turn(talk, in, 30);
    }
    (void)halo_session_ping(talk->session, NULL);
    put_settings(in, 1, 0, 0);
    put_settings(in, 1, 8192, 0);
    turn(talk, in, 1000);
}

/* One conversation. Returns whether an allocation failed. */
static bool run(int role, size_t fail_at, bool fail_after)
{
    struct halo_session_options options;
    struct talk talk = { .role = role };
    struct wire in = { 0 };

    test_memory_init(&talk.memory);
    talk.memory.fail_at = fail_at;
    talk.memory.fail_after = fail_after;
    halo_session_options_init(&options, role);
    options.allocator = talk.memory.allocator;
    options.settings.enable_push = role == HALO_CLIENT;
    options.encrypted = 1;
    options.server_name = halo_str("a");
    options.frame_types = (const uint8_t *)"\xee";
    options.frame_type_count = 1;
    if (halo_session_new(&talk.session, &options, 1000) != 0) {
        assert_true(talk.memory.failed);
        assert_int_equal(talk.memory.live, 0);
        return true;
    }
    if (role == HALO_SERVER) {
        talk_as_server(&talk, &in);
    } else {
        talk_as_client(&talk, &in);
    }
    if (talk.over) {
        assert_int_equal(talk.closed, talk.opened);
    }
    halo_session_free(talk.session);
    assert_int_equal(talk.done, talk.writes);
    for (size_t i = 0; i < talk.kept_count; i++) {
        halo_slice_release(&talk.kept[i]);
    }
    assert_int_equal(talk.memory.live, 0);
    wire_free(&in);
    return talk.memory.failed;
}

static void server_survives_each_failure(void **state)
{
    (void)state;
    for (size_t n = 1; run(HALO_SERVER, n, false); n++) {
        assert_true(n < 2000);
    }
    for (size_t n = 1; run(HALO_SERVER, n, true); n++) {
        assert_true(n < 2000);
    }
}

static void client_survives_each_failure(void **state)
{
    (void)state;
    for (size_t n = 1; run(HALO_CLIENT, n, false); n++) {
        assert_true(n < 2000);
    }
    for (size_t n = 1; run(HALO_CLIENT, n, true); n++) {
        assert_true(n < 2000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_survives_each_failure),
        cmocka_unit_test(client_survives_each_failure),
    };
    memory_spare_max = 0; /* every request for memory may fail */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
