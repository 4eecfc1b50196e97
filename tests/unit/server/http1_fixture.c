#include "http1_fixture.h"

struct halo_session_options h1_options;

int h1_setup(void **state)
{
    (void)state;
    halo_session_options_init(&h1_options, HALO_SERVER);
    return 0;
}

static void put(struct text *text, const void *data, size_t len)
{
    text->data = realloc(text->data, text->len + len + 1);
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

static void put_text(struct text *text, const char *data)
{
    put(text, data, strlen(data));
}

static void put_fields(struct text *text, const halo_header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(text, fields[i].name.data, fields[i].name.len);
        put_text(text, "=");
        put(text, fields[i].value.data, fields[i].value.len);
        put_text(text, i + 1 < count ? " " : "\n");
    }
}

/* ---- the application ------------------------------------------------------------------------- */

static void on_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    (void)stream;
    (void)data;
    (void)len;
    (void)user_data;
}

static const struct halo_stream_callbacks reader = { .on_data = on_data };

halo_headers h1_field(halo_header *field, const char *name, const char *value)
{
    *field = (halo_header){ .name = halo_str(name), .value = halo_str(value) };
    return (halo_headers){ .fields = field, .count = 1 };
}

/* An application whose call fails gives the request up. */
static void check(halo_stream *stream, int status)
{
    if (status != 0 && status != HALO_E_INVALID_STREAM) {
        assert_int_equal(status, HALO_E_NOMEM);
        halo_stream_reset(stream, HALO_INTERNAL_ERROR);
    }
}

/* "/" is answered at once, "/echo" with what comes; everything else waits for the test. */
static void answer(struct h1 *h1, const struct halo_event *event)
{
    halo_header_list list = { event->u.headers.fields, event->u.headers.count };
    halo_bytes path = { 0 };
    halo_header field;
    halo_headers headers = h1_field(&field, "content-length", "2");

    halo_header_find_token(list, HALO_NAME_PATH, &path);
    halo_stream_set_callbacks(event->stream, &reader, NULL);
    if (h1->by_hand) {
        return;
    }
    if (path.len == 5 && memcmp(path.data, "/echo", 5) == 0) {
        check(event->stream, halo_stream_respond(event->stream, 200, NULL, 0));
        if ((event->flags & HALO_END_STREAM) != 0) {
            check(event->stream, halo_stream_end(event->stream));
        }
    } else {
        check(event->stream, halo_stream_respond(event->stream, 200, &headers, 0));
        if (!halo_stream_is_head(event->stream)) {
            check(event->stream, halo_stream_write(event->stream, "ok", 2, HALO_END_STREAM));
        }
    }
}

static bool echoes(const struct h1 *h1, const halo_stream *stream)
{
    halo_bytes path = { 0 };

    halo_header_find_token(halo_stream_headers(stream), HALO_NAME_PATH, &path);
    return !h1->by_hand && path.len == 5 && memcmp(path.data, "/echo", 5) == 0;
}

static void on_content(struct h1 *h1, const struct halo_event *event)
{
    if (!h1->quiet) {
        put(&h1->log, event->u.data.data, event->u.data.len);
    }
    if (echoes(h1, event->stream)) {
        check(event->stream, halo_stream_write(event->stream, event->u.data.data, event->u.data.len,
                                               event->flags & HALO_END_STREAM));
    }
    if ((event->flags & HALO_END_STREAM) != 0) {
        put_text(&h1->log, ".\n");
    }
}

static void on_event(struct h1 *h1, const struct halo_event *event)
{
    halo_headers trailers;

    switch (event->type) {
    case HALO_EVENT_REQUEST:
        h1->requests++;
        h1->stream = event->stream;
        put_fields(&h1->log, event->u.headers.fields, event->u.headers.count);
        answer(h1, event);
        break;
    case HALO_EVENT_DATA:
        on_content(h1, event);
        break;
    case HALO_EVENT_TRAILERS:
        put_text(&h1->log, "+ ");
        put_fields(&h1->log, event->u.headers.fields, event->u.headers.count);
        if (echoes(h1, event->stream)) {
            trailers = (halo_headers){ .fields = event->u.headers.fields,
                                       .count = event->u.headers.count };
            check(event->stream, halo_stream_trailers(event->stream, &trailers));
        }
        break;
    case HALO_EVENT_STREAM_CLOSED:
        put_text(&h1->log, event->u.closed != NULL ? "failed\n" : "");
        h1->stream = h1->stream == event->stream ? NULL : h1->stream;
        break;
    case HALO_EVENT_SESSION_CLOSED:
        h1->over = true;
        h1->error = event->u.closed != NULL ? event->u.closed->status : 0;
        break;
    default:
        break;
    }
}

static void dispatch(struct http1 *http1)
{
    struct h1 *h1 = http1->driver;
    struct halo_event event;

    while (halo_session_poll(http1->session, &event) != 0) {
        on_event(h1, &event);
    }
}

static void local_authority(struct http1 *http1, char *text, size_t size)
{
    (void)http1;
    snprintf(text, size, "192.0.2.1:80");
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void *test_alloc(size_t size, void *ctx)
{
    struct h1 *h1 = ctx;

    return h1->fail_in > 0 && --h1->fail_in == 0 ? NULL : malloc(size);
}

static void *test_resize(void *memory, size_t size, void *ctx)
{
    struct h1 *h1 = ctx;

    return h1->fail_in > 0 && --h1->fail_in == 0 ? NULL : realloc(memory, size);
}

static void test_release(void *memory, void *ctx)
{
    (void)ctx;
    free(memory);
}

/* ---- driving --------------------------------------------------------------------------------- */

struct h1 *h1_new_failing(int fail_in)
{
    struct h1 *h1 = calloc(1, sizeof(*h1));

    h1->fail_in = fail_in;
    h1_options.allocator = (halo_allocator){ test_alloc, test_resize, test_release, h1 };
    if (halo_session_new(&h1->session, &h1_options, 1) != 0) {
        h1->session = NULL;
    } else {
        h1->http1.driver = h1;
        h1->http1.dispatch = dispatch;
        h1->http1.local_authority = local_authority;
        h1->http1.now_ns = 1;
        if (http1_init(&h1->http1, h1->session) == 0) {
            put_text(&h1->out, "");
            put_text(&h1->log, "");
            return h1;
        }
        http1_fini(&h1->http1);
    }
    halo_session_free(h1->session);
    free(h1);
    return NULL;
}

struct h1 *h1_new(void)
{
    struct h1 *h1 = h1_new_failing(0);

    assert_non_null(h1);
    return h1;
}

void h1_free(struct h1 *h1)
{
    http1_fini(&h1->http1);
    halo_session_free(h1->session); /* asserts that no memory is left */
    free(h1->out.data);
    free(h1->log.data);
    free(h1);
}

void h1_run(struct h1 *h1)
{
    size_t before;

    do {
        struct iovec iov[8];
        int count;

        dispatch(&h1->http1);
        http1_advance(&h1->http1);
        dispatch(&h1->http1);
        before = h1->out.len;
        count = http1_pull(&h1->http1, iov, 8, 65536);
        for (int i = 0; i < count; i++) {
            size_t len = iov[i].iov_len;

            put(&h1->out, iov[i].iov_base, len);
        }
        http1_sent(&h1->http1, h1->out.len - before);
        dispatch(&h1->http1);
        http1_advance(&h1->http1);
        dispatch(&h1->http1);
    } while (h1->out.len > before || h1->http1.out.len > 0);
}

void h1_send_only(struct h1 *h1, const char *octets, size_t len)
{
    halo_slice slice;

    assert_int_equal(halo_slice_copy(&slice, octets, len), 0);
    http1_receive(&h1->http1, &slice);
}

void h1_send(struct h1 *h1, const char *octets, size_t len)
{
    h1_send_only(h1, octets, len);
    h1_run(h1);
}

void h1_say(struct h1 *h1, const char *text)
{
    h1_send(h1, text, strlen(text));
}

void h1_wait_ms(struct h1 *h1, uint32_t ms)
{
    h1->http1.now_ns += (uint64_t)ms * 1000000u;
    halo_session_tick(h1->session, h1->http1.now_ns);
    http1_tick(&h1->http1);
    h1_run(h1);
}

int h1_status(const struct h1 *h1)
{
    return h1->out.len > 12 ? atoi(h1->out.data + 9) : 0;
}

void h1_expect(struct h1 *h1, const char *out)
{
    assert_string_equal(h1->out.data, out);
    h1->out.len = 0;
    h1->out.data[0] = '\0';
}

void h1_expect_log(struct h1 *h1, const char *log)
{
    assert_string_equal(h1->log.data, log);
    h1->log.len = 0;
    h1->log.data[0] = '\0';
}

struct h1 *h1_ask(const char *method, int minor)
{
    struct h1 *h1 = h1_new();
    char request[64];

    h1->by_hand = true;
    snprintf(request, sizeof(request), "%s / HTTP/1.%d\r\nHost: a\r\n\r\n", method, minor);
    h1_say(h1, request);
    assert_non_null(h1->stream);
    h1_expect(h1, "");
    return h1;
}

void h1_respond(struct h1 *h1, int status, const char *length, const char *body)
{
    halo_header field;
    halo_headers headers = h1_field(&field, "content-length", length != NULL ? length : "");

    assert_int_equal(halo_stream_respond(h1->stream, status, length != NULL ? &headers : NULL, 0),
                     0);
    if (body != NULL && h1->stream != NULL) {
        halo_stream_write(h1->stream, body, strlen(body), HALO_END_STREAM);
    }
    h1_run(h1);
}
