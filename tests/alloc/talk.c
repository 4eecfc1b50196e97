#include "talk.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/base.h"
#include "core/base/memory.h"

static uint8_t body[100000];

const uint8_t *talk_body(void)
{
    return body;
}

bool talk_judge(struct talk *talk, int status, const char *file, int line)
{
    bool excused = talk->memory.failed &&
                   (status == HALO_E_NOMEM || status == HALO_E_INVALID_STREAM ||
                    status == HALO_E_INVALID_SESSION || status == HALO_E_GOAWAY_SESSION);

    if (status != 0 && !excused) {
        print_error("%s:%d: %s\n", file, line, halo_status_name(status));
        fail();
    }
    return status == 0;
}

/* ---- events ---------------------------------------------------------------------------- */

void talk_opened(struct talk *talk, halo_stream *stream)
{
    assert_true(talk->opened < TALK_STREAMS_MAX);
    talk->streams[talk->opened] = stream;
    halo_stream_set_user_data(stream, (void *)(uintptr_t)(talk->opened + 1));
    talk->opened++;
}

static void on_event(struct talk *talk, const struct halo_event *event)
{
    size_t n = 0;

    assert_false(talk->over);
    if (event->type == HALO_EVENT_REQUEST || event->type == HALO_EVENT_PUSH) {
        talk_opened(talk, event->stream);
    }
    if (event->stream != NULL) {
        n = (size_t)(uintptr_t)halo_stream_user_data(event->stream);
        assert_in_range(n, 1, talk->opened);
        assert_ptr_equal(talk->streams[n - 1], event->stream);
    }
    switch (event->type) {
    case HALO_EVENT_DATA:
        if (talk->keeps && talk->kept_count < TALK_KEPT_MAX && event->u.data.len > 0 &&
            talk_took(talk, halo_session_keep_data(talk->session, &talk->kept[talk->kept_count]))) {
            talk->kept_count++;
        }
        break;
    case HALO_EVENT_STREAM_CLOSED:
        talk->streams[n - 1] = NULL;
        talk->closed++;
        break;
    case HALO_EVENT_PING:
        talk->pong = true;
        break;
    case HALO_EVENT_SESSION_CLOSED:
        talk->over = true;
        assert_int_equal(talk->closed, talk->opened);
        if (event->u.closed != NULL && event->u.closed->status != HALO_E_TIMEOUT) {
            assert_true(talk->memory.failed);
            assert_int_equal(event->u.closed->status, HALO_E_NOMEM);
            assert_int_equal(event->u.closed->origin, HALO_ORIGIN_SYSTEM);
        }
        break;
    default:
        break;
    }
    if (talk->app != NULL) {
        talk->app(talk, event);
    }
}

static void poll_all(struct talk *talk)
{
    struct halo_event event;

    for (int polls = 0; halo_session_poll(talk->session, &event) != 0; polls++) {
        assert_true(polls < 10000);
        on_event(talk, &event);
    }
}

void talk_go(struct talk *talk, size_t piece)
{
    struct iovec iov[8];
    int count;

    for (size_t at = 0; at < talk->in.len; at += piece) {
        size_t len = min_size(piece, talk->in.len - at);
        uint8_t *octets = malloc(len);

        assert_non_null(octets);
        memcpy(octets, talk->in.data + at, len);
        assert_int_equal(halo_session_recv(talk->session, octets, len, talk->now_ns), 0);
        poll_all(talk);
        free(octets);
    }
    talk->in.len = 0;
    poll_all(talk);
    while ((count = halo_session_pull(talk->session, iov, 8, 1 << 20)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            len += iov[i].iov_len;
        }
        halo_session_sent(talk->session, len);
        poll_all(talk);
    }
    poll_all(talk);
}

void talk_wait(struct talk *talk, uint32_t milliseconds)
{
    talk->now_ns += (uint64_t)milliseconds * 1000000u;
    halo_session_tick(talk->session, talk->now_ns);
    talk_go(talk, 1000);
}

/* ---- calls ----------------------------------------------------------------------------- */

halo_stream *talk_stream(struct talk *talk, uint32_t n)
{
    return n < talk->opened ? talk->streams[n] : NULL;
}

halo_stream *talk_request(struct talk *talk, const char *method, const halo_headers *headers,
                          unsigned flags)
{
    struct halo_request request = { .method = halo_str(method), .authority = HALO_LIT("a") };
    halo_stream *stream;

    if (headers != NULL) {
        request.headers = *headers;
    }
    if (!talk_took(talk, halo_session_request(talk->session, &request, flags, NULL, &stream))) {
        return NULL;
    }
    talk_opened(talk, stream);
    return stream;
}

static void count_done(void *ctx)
{
    ((struct talk *)ctx)->done++;
}

void talk_borrow(struct talk *talk, halo_stream *stream, size_t len, unsigned flags)
{
    if (stream != NULL &&
        talk_took(talk, halo_stream_write_borrow(stream, body, len, flags, count_done, talk))) {
        talk->accepted++;
    }
}

void talk_slice(struct talk *talk, halo_stream *stream, size_t len, unsigned flags)
{
    halo_slice slice;

    if (stream == NULL) {
        return;
    }
    assert_int_equal(halo_slice_wrap(&slice, body, len, count_done, talk), 0);
    talk->accepted++; /* the reference is taken, on failure too */
    (void)talk_took(talk, halo_stream_write_slice(stream, &slice, flags));
    assert_null(slice.owner);
}

/* Octets, "later", octets ... */
static int read_source(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct talk *talk = ctx;

    talk->source_idle = !talk->source_idle;
    if (talk->source_idle) {
        return HALO_E_AGAIN;
    }
    *len = min_size(cap, talk->source_left);
    memcpy(out, body, *len);
    talk->source_left -= (uint32_t)*len;
    *end = talk->source_left == 0;
    return 0;
}

void talk_source(struct talk *talk, halo_stream *stream, uint32_t len, unsigned flags)
{
    struct halo_source source = { read_source, count_done, talk };

    talk->source_left = len;
    talk->source_idle = false;
    if (stream != NULL && talk_took(talk, halo_stream_set_source(stream, &source, flags))) {
        talk->accepted++;
    }
}

void talk_release(struct talk *talk)
{
    while (talk->kept_count > 0) {
        halo_slice_release(&talk->kept[--talk->kept_count]);
    }
}

/* ---- running --------------------------------------------------------------------------- */

/* A connection that was not closed must still work. */
static void expect_alive_or_over(struct talk *talk)
{
    talk->memory.fail_at = 0;
    if (!talk->over) {
        talk->pong = false;
        put_ping(&talk->in, 0, "are you?");
        talk_go(talk, 1000);
        assert_true(talk->pong || talk->over);
    }
}

/* One conversation. Returns whether an allocation failed. */
static bool talk_once(const struct talk_case *talk_case, size_t fail_at, bool fail_after)
{
    struct halo_session_options options;
    struct talk talk = { .role = talk_case->role, .now_ns = 1000 };
    int status;

    test_memory_init(&talk.memory);
    talk.memory.fail_at = fail_at;
    talk.memory.fail_after = fail_after;
    halo_session_options_init(&options, talk_case->role);
    if (talk_case->options != NULL) {
        talk_case->options(&options);
    }
    options.allocator = talk.memory.allocator;
    status = halo_session_new(&talk.session, &options, 1000);
    if (status != 0) {
        assert_int_equal(status, HALO_E_NOMEM);
        assert_true(talk.memory.failed);
        assert_int_equal(talk.memory.live, 0);
        return true;
    }
    if (talk.role == HALO_SERVER) {
        put_preface(&talk.in);
    }
    talk_case->run(&talk);
    expect_alive_or_over(&talk);
    if (fail_at % 2 == 0) { /* slices may outlive their session */
        talk_release(&talk);
    }
    halo_session_free(talk.session);
    assert_int_equal(talk.done, talk.accepted);
    talk_release(&talk);
    assert_int_equal(talk.memory.live, 0);
    wire_free(&talk.in);
    return talk.memory.failed;
}

void talk_test(void **state)
{
    const struct talk_case *talk_case = *state;
    size_t n = 0;

    memory_spare_max = 0; /* every request for memory may fail */
    for (n = 1; talk_once(talk_case, n, false); n++) {
        assert_true(n < 3000);
    }
    assert_true(n > 5); /* something was allocated */
    for (n = 1; talk_once(talk_case, n, true); n++) {
        assert_true(n < 3000);
    }
}
