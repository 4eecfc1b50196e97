#include "tell_fixture.h"

/* ---- the log --------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void say(struct side *side, const char *format, ...)
{
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(side->log + side->len, sizeof(side->log) - side->len, format, arguments);
    va_end(arguments);
    assert_true(len > 0 && (size_t)len < sizeof(side->log) - side->len);
    side->len += (size_t)len;
}

void side_expect_lines(struct side *side, const char *word, const char *text, const char *file,
                       int line)
{
    char found[sizeof(side->log)];
    size_t len = 0;
    size_t word_len = strlen(word);
    const char *at = side->log;

    while (*at != '\0') {
        size_t line_len = (size_t)(strchr(at, '\n') - at) + 1;

        if (strncmp(at, word, word_len) == 0 && (at[word_len] == ' ' || at[word_len] == '\n')) {
            memcpy(found + len, at, line_len);
            len += line_len;
        }
        at += line_len;
    }
    found[len] = '\0';
    if (strcmp(found, text) != 0) {
        fprintf(stderr, "%s:%d: expected\n%sbut the log was\n%s", file, line, text, side->log);
    }
    assert_string_equal(found, text);
}

static const char *error_text(const struct halo_error *error)
{
    static char text[128];

    if (error == NULL) {
        return "in order";
    }
    snprintf(text, sizeof(text), "%s %u", halo_status_name(error->status), error->code);
    return text;
}

/* ---- streams --------------------------------------------------------------------------- */

static void on_information(halo_stream *stream, int status, halo_header_list headers, void *ctx)
{
    (void)headers;
    say(ctx, "information %u %d\n", halo_stream_id(stream), status);
}

static void on_response(halo_stream *stream, int status, halo_header_list headers, unsigned flags,
                        void *ctx)
{
    (void)headers;
    say(ctx, "response %u %d%s\n", halo_stream_id(stream), status,
        (flags & HALO_END_STREAM) != 0 ? " END" : "");
}

static void on_data(halo_stream *stream, const uint8_t *data, size_t len, void *ctx)
{
    struct side *side = ctx;

    side->octets += len;
    if (!side->quiet) {
        say(side, "data %u %.*s\n", halo_stream_id(stream), (int)len, (const char *)data);
    }
}

static void on_end(halo_stream *stream, void *ctx)
{
    say(ctx, "end %u\n", halo_stream_id(stream));
}

static void on_ready(halo_stream *stream, void *ctx)
{
    say(ctx, "ready %u\n", halo_stream_id(stream));
}

static void on_writable(halo_stream *stream, void *ctx)
{
    struct side *side = ctx;

    say(side, "writable %u\n", halo_stream_id(stream));
    if (side->on_writable != NULL) {
        side->on_writable(side, stream);
    }
}

static void on_stream_timeout(halo_stream *stream, void *ctx)
{
    struct side *side = ctx;

    say(side, "stream_timeout %u\n", halo_stream_id(stream));
    if (side->on_stream_timeout != NULL) {
        side->on_stream_timeout(side, stream);
    }
}

static void on_frame_error(halo_stream *stream, uint8_t type, int status, void *ctx)
{
    say(ctx, "frame_error %u %u %s\n", halo_stream_id(stream), type, halo_status_name(status));
}

static void on_stream_close(halo_stream *stream, const struct halo_error *error, void *ctx)
{
    struct side *side = ctx;
    struct duo *duo = side->duo;

    say(side, "close %u %s\n", halo_stream_id(stream), error_text(error));
    if (side != &duo->at_client || halo_stream_promise(stream).count > 0) {
        return;
    }
    duo->requests_open--;
    if (duo->requests_open == 0 && !duo->stay_open) {
        halo_client_close(duo->client);
    }
}

const struct halo_stream_callbacks side_stream = {
    .on_information = on_information,
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_ready = on_ready,
    .on_writable = on_writable,
    .on_close = on_stream_close,
    .on_timeout = on_stream_timeout,
    .on_frame_error = on_frame_error,
};

/* ---- sessions -------------------------------------------------------------------------- */

static void say_settings(struct side *side, const char *what, const struct halo_settings *settings,
                         uint64_t duration_ns)
{
    say(side, "%s window=%u%s\n", what, settings->initial_window_size,
        duration_ns > 0 && duration_ns < UINT64_C(10000000000) ? "" : " at no time");
}

static void on_settings_ack(halo_session *session, const struct halo_settings *settings,
                            uint64_t duration_ns, void *ctx)
{
    (void)session;
    say_settings(ctx, "settings_ack", settings, duration_ns);
}

static void on_settings_cancel(halo_session *session, const struct halo_settings *settings,
                               uint64_t waited_ns, void *ctx)
{
    (void)session;
    say_settings(ctx, "settings_cancel", settings, waited_ns + 1);
}

static void on_settings(halo_session *session, void *ctx)
{
    say(ctx, "settings window=%u\n", halo_session_remote_settings(session)->initial_window_size);
}

static void on_ping(halo_session *session, const uint8_t payload[8], void *ctx)
{
    (void)session;
    say(ctx, "ping %.8s\n", (const char *)payload);
}

static void on_ping_ack(halo_session *session, const uint8_t payload[8], uint64_t round_trip_ns,
                        void *ctx)
{
    struct side *side = ctx;

    say(side, "ping_ack %.8s%s\n", (const char *)payload, round_trip_ns > 0 ? "" : " at no time");
    if (side->on_ping_ack != NULL) {
        side->on_ping_ack(side, session);
    }
}

static void on_ping_cancel(halo_session *session, const uint8_t payload[8], uint64_t waited_ns,
                           void *ctx)
{
    (void)session;
    (void)waited_ns;
    say(ctx, "ping_cancel %.8s\n", (const char *)payload);
}

static void on_goaway(halo_session *session, uint32_t code, uint32_t last_stream_id,
                      const uint8_t *debug_data, size_t debug_len, void *ctx)
{
    (void)session;
    say(ctx, "goaway %u last=%u %.*s\n", code, last_stream_id, (int)debug_len,
        (const char *)debug_data);
}

static void on_session_timeout(halo_session *session, void *ctx)
{
    struct side *side = ctx;

    say(side, "session_timeout\n");
    if (side->on_session_timeout != NULL) {
        side->on_session_timeout(side, session);
    }
}

static void on_session_close(halo_session *session, const struct halo_error *error, void *ctx)
{
    (void)session;
    say(ctx, "session_close %s\n", error_text(error));
}

static void on_push(halo_stream *pushed, halo_stream *parent, halo_header_list request, void *ctx)
{
    struct side *side = ctx;
    halo_bytes path = { 0 };

    halo_header_find_token(request, HALO_NAME_PATH, &path);
    say(side, "push %u of %u %.*s\n", halo_stream_id(pushed), halo_stream_id(parent), (int)path.len,
        path.data);
    halo_stream_set_callbacks(pushed, &side_stream, side);
    if (side->on_push != NULL) {
        side->on_push(side, pushed);
    }
}

static void on_altsvc(halo_session *session, uint32_t stream_id, halo_bytes origin,
                      halo_bytes value, void *ctx)
{
    (void)session;
    say(ctx, "altsvc %u <%.*s> %.*s%s\n", stream_id, (int)origin.len, origin.data, (int)value.len,
        value.data, halo_altsvc_check(value, NULL) == 0 ? "" : " which is none");
}

static void on_origin(halo_session *session, const halo_bytes *origins, size_t count, void *ctx)
{
    say(ctx, "origin %zu of %zu\n", count, halo_session_origin_count(session));
    for (size_t i = 0; i < count; i++) {
        say(ctx, "origin %.*s\n", (int)origins[i].len, origins[i].data);
    }
}

static void on_extension_frame(halo_session *session, uint8_t type, uint8_t flags,
                               uint32_t stream_id, const uint8_t *payload, size_t len, void *ctx)
{
    struct side *side = ctx;

    say(side, "frame type=%u flags=%u stream=%u %.*s\n", type, flags, stream_id, (int)len,
        (const char *)payload);
    if (side->on_extension_frame != NULL) {
        side->on_extension_frame(side, session);
    }
}

static void on_priority(halo_session *session, uint32_t stream_id,
                        const struct halo_dependency *dependency, void *ctx)
{
    (void)session;
    say(ctx, "priority %u on %u weight=%u exclusive=%u\n", stream_id, dependency->stream_id,
        dependency->weight, dependency->exclusive);
}

static void on_priority_update(halo_session *session, uint32_t stream_id,
                               const struct halo_priority *priority, void *ctx)
{
    (void)session;
    say(ctx, "priority_update %u u=%u i=%u\n", stream_id, priority->urgency, priority->incremental);
}

const struct halo_session_callbacks side_session = {
    .on_settings = on_settings,
    .on_settings_ack = on_settings_ack,
    .on_settings_cancel = on_settings_cancel,
    .on_ping = on_ping,
    .on_ping_ack = on_ping_ack,
    .on_ping_cancel = on_ping_cancel,
    .on_goaway = on_goaway,
    .on_close = on_session_close,
    .on_timeout = on_session_timeout,
    .on_push = on_push,
    .on_altsvc = on_altsvc,
    .on_origin = on_origin,
    .on_extension_frame = on_extension_frame,
    .on_priority = on_priority,
    .on_priority_update = on_priority_update,
};

/* ---- the duo -------------------------------------------------------------------------- */

static void on_server_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                             void *ctx)
{
    struct duo *duo = ctx;

    (void)headers;
    (void)flags;
    halo_stream_set_callbacks(stream, &side_stream, &duo->at_server);
    if (duo->on_request != NULL) {
        duo->on_request(duo, stream);
    } else {
        assert_int_equal(halo_stream_respond(stream, 200, NULL, HALO_END_STREAM), 0);
    }
}

static void on_server_session(halo_session *session, void *ctx)
{
    struct duo *duo = ctx;

    halo_session_set_callbacks(session, &side_session, &duo->at_server);
    if (duo->on_server_session != NULL) {
        duo->on_server_session(duo, session);
    }
}

static void on_connect(halo_client *client, halo_session *session, void *ctx)
{
    struct duo *duo = ctx;

    assert_ptr_equal(client, duo->client);
    if (duo->on_connect != NULL) {
        duo->on_connect(duo, session);
    }
}

static void on_client_close(halo_client *client, const struct halo_error *error, void *ctx)
{
    struct duo *duo = ctx;

    (void)error;
    duo->client_closed = true;
    duo->client = NULL;
    halo_client_free(client);
    halo_server_close(duo->server);
}

void duo_init(struct duo *duo)
{
    *duo = (struct duo){ 0 };
    duo->at_server.duo = duo;
    duo->at_client.duo = duo;
    assert_int_equal(halo_loop_new(&duo->loop, NULL), 0);
    halo_server_options_init(&duo->server_options);
    duo->server_options.on_stream = on_server_stream;
    duo->server_options.on_session = on_server_session;
    duo->server_options.user_data = duo;
    halo_client_options_init(&duo->client_options);
    duo->client_options.on_connect = on_connect;
    duo->client_options.on_close = on_client_close;
    duo->client_options.user_data = duo;
}

void duo_start(struct duo *duo)
{
    char address[64];

    assert_int_equal(halo_server_new(&duo->server, duo->loop, &duo->server_options), 0);
    assert_int_equal(halo_server_listen(duo->server, "127.0.0.1:0", duo->server_tls), 0);
    assert_int_equal(halo_server_address(duo->server, 0, address, sizeof(address)), 0);
    assert_int_equal(halo_server_start(duo->server), 0);
    snprintf(duo->url, sizeof(duo->url), "%s://%s/", duo->server_tls != NULL ? "https" : "http",
             address);
    duo->client_options.url = duo->url;
    assert_int_equal(halo_client_connect(&duo->client, duo->loop, &duo->client_options), 0);
    halo_session_set_callbacks(halo_client_session(duo->client), &side_session, &duo->at_client);
}

halo_stream *duo_request(struct duo *duo, const char *path)
{
    struct halo_request request = { .path = halo_str(path) };
    halo_stream *stream;

    assert_int_equal(halo_client_request(duo->client, &request, HALO_END_STREAM, &side_stream,
                                         &duo->at_client, &stream),
                     0);
    duo->requests_open++;
    return stream;
}

static void too_long(halo_timer *timer, void *ctx)
{
    (void)timer;
    (void)ctx;
    fprintf(stderr, "the test waits for ever\n");
    abort();
}

void duo_run(struct duo *duo)
{
    halo_timer *watchdog;

    assert_int_equal(halo_timer_start(&watchdog, duo->loop, 15000, 0, too_long, NULL), 0);
    halo_timer_unref(watchdog);
    assert_int_equal(halo_loop_run(duo->loop), 0);
    halo_timer_stop(watchdog);
    assert_true(duo->client_closed);
    assert_int_equal(duo->loop->ledger.operations, 0);
    assert_int_equal(duo->loop->ledger.descriptors, 0);
    halo_server_free(duo->server);
    halo_loop_free(duo->loop);
}
