/*
 * A server that behaves well and badly on request, for the test of halo-get. Prints its URL, and
 * runs until stdin ends.
 *
 *   /echo            the body that came; x-method, x-length (content-length), x-authority
 *   /hints           103 with a link, then 200 with trailers
 *   /slow/MS/LEN     after MS milliseconds, LEN octets of the first digit of MS
 *   /status/N        an answer with that status
 *   /short           a body that is shorter than its content-length
 *   /reset           a part of a body, then RST_STREAM
 *   /break           a part of a body, then the connection ends with an error
 *   /goaway          an answer, and the session takes no more requests
 *   /refuse          says that the request was not taken up, every other time
 *   /never           no answer
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <halo/halo.h>

static halo_server *server;
static bool refused;

static const struct halo_stream_callbacks no_callbacks;

static void echo_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    (void)user_data;
    halo_stream_write(stream, data, len, 0);
    /* Bounded memory: as much comes as the peer has read of the echo. */
    if (halo_stream_buffered(stream) > 256 * 1024) {
        halo_stream_pause(stream);
    }
}

static void echo_writable(halo_stream *stream, void *user_data)
{
    (void)user_data;
    halo_stream_resume(stream);
}

static void echo_end(halo_stream *stream, void *user_data)
{
    (void)user_data;
    halo_stream_end(stream);
}

static const struct halo_stream_callbacks echo_callbacks = {
    .on_data = echo_data,
    .on_writable = echo_writable,
    .on_end = echo_end,
};

static void echo(halo_stream *stream, halo_header_list headers, unsigned flags)
{
    halo_header fields[3] = {
        { .name = HALO_LIT("x-method") },
        { .name = HALO_LIT("x-length") },
        { .name = HALO_LIT("x-authority") },
    };
    const halo_headers response = { NULL, fields, 3 };

    halo_header_find_token(headers, HALO_NAME_METHOD, &fields[0].value);
    halo_header_find_token(headers, HALO_NAME_CONTENT_LENGTH, &fields[1].value);
    halo_header_find_token(headers, HALO_NAME_AUTHORITY, &fields[2].value);
    halo_stream_set_callbacks(stream, &echo_callbacks, NULL);
    halo_stream_respond(stream, 200, &response, flags & HALO_END_STREAM);
}

static void hints(halo_stream *stream)
{
    const halo_header link = { .name = HALO_LIT("link"), .value = HALO_LIT("</a>") };
    const halo_header sum = { .name = HALO_LIT("x-sum"), .value = HALO_LIT("1") };
    const halo_headers early = { NULL, &link, 1 };
    const halo_headers trailers = { NULL, &sum, 1 };

    halo_stream_inform(stream, 103, &early);
    halo_stream_respond(stream, 200, NULL, 0);
    halo_stream_write(stream, "body\n", 5, 0);
    halo_stream_trailers(stream, &trailers);
}

struct slow {
    halo_stream *stream;
    size_t len;
    char letter;
};

static void slow_due(halo_timer *timer, void *ctx)
{
    struct slow *slow = ctx;
    char *body = malloc(slow->len);

    (void)timer;
    if (slow->stream != NULL) {
        memset(body, slow->letter, slow->len);
        halo_stream_set_user_data(slow->stream, NULL);
        halo_stream_respond(slow->stream, 200, NULL, 0);
        halo_stream_write(slow->stream, body, slow->len, HALO_END_STREAM);
    }
    free(body);
    free(slow);
}

/* The client is gone before the answer is due. */
static void slow_closed(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    struct slow *slow = user_data;

    (void)stream;
    (void)error;
    if (slow != NULL) {
        slow->stream = NULL;
    }
}

static const struct halo_stream_callbacks slow_callbacks = { .on_close = slow_closed };

static void answer_slowly(halo_stream *stream, const char *numbers)
{
    struct slow *slow = malloc(sizeof(*slow));
    unsigned ms = 0;
    unsigned len = 0;

    sscanf(numbers, "%u/%u", &ms, &len);
    *slow = (struct slow){ .stream = stream, .len = len, .letter = *numbers };
    halo_stream_set_callbacks(stream, &slow_callbacks, slow);
    if (halo_timer_start(NULL, halo_session_loop(halo_stream_session(stream)), ms, 0, slow_due,
                         slow) != 0) {
        abort();
    }
}

static void misbehave(halo_stream *stream, const char *how)
{
    const halo_header length = { .name = HALO_LIT("content-length"), .value = HALO_LIT("100") };
    const halo_headers fields = { NULL, &length, strcmp(how, "/short") == 0 };
    halo_session *session = halo_stream_session(stream);

    if (strcmp(how, "/refuse") == 0 && (refused = !refused)) {
        halo_session_goaway(session, HALO_NO_ERROR, halo_stream_id(stream) - 2, NULL, 0);
        return;
    }
    halo_stream_respond(stream, 200, &fields, 0);
    halo_stream_write(stream, "part\n", 5, strcmp(how, "/reset") == 0 ? 0 : HALO_END_STREAM);
    if (strcmp(how, "/reset") == 0) {
        halo_stream_reset(stream, HALO_INTERNAL_ERROR);
    } else if (strcmp(how, "/goaway") == 0) {
        halo_session_close(session);
    }
}

static void on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data)
{
    halo_bytes path = { 0 };
    char text[256];

    (void)user_data;
    halo_stream_set_callbacks(stream, &no_callbacks, NULL);
    halo_header_find_token(headers, HALO_NAME_PATH, &path);
    snprintf(text, sizeof(text), "%.*s", (int)path.len, path.data);
    if (strcmp(text, "/echo") == 0) {
        echo(stream, headers, flags);
    } else if (strcmp(text, "/hints") == 0) {
        hints(stream);
    } else if (strncmp(text, "/slow/", 6) == 0) {
        answer_slowly(stream, text + 6);
    } else if (strncmp(text, "/status/", 8) == 0) {
        halo_stream_respond(stream, atoi(text + 8), NULL, HALO_END_STREAM);
    } else if (strcmp(text, "/break") == 0) {
        halo_stream_respond(stream, 200, NULL, 0);
        halo_session_destroy(halo_stream_session(stream), HALO_ENHANCE_YOUR_CALM);
    } else if (strcmp(text, "/never") != 0) {
        misbehave(stream, text);
    }
}

static void look_at_stdin(halo_timer *timer, void *ctx)
{
    struct pollfd end = { .fd = STDIN_FILENO, .events = POLLIN };

    (void)ctx;
    if (poll(&end, 1, 0) != 0) {
        halo_timer_stop(timer);
        halo_server_destroy(server);
    }
}

int main(int argc, char **argv)
{
    struct halo_server_options options;
    halo_timer *timer;
    halo_loop *loop;
    char address[64];

    halo_server_options_init(&options);
    options.on_stream = on_stream;
    if (halo_loop_new(&loop, NULL) != 0 || halo_server_new(&server, loop, &options) != 0 ||
        halo_timer_start(&timer, loop, 100, 100, look_at_stdin, NULL) != 0) {
        return 1;
    }
    if (halo_server_listen(server, argc > 1 ? argv[1] : "127.0.0.1:0", NULL) != 0 ||
        halo_server_address(server, 0, address, sizeof(address)) != 0 ||
        halo_server_start(server) != 0) {
        fprintf(stderr, "%s\n", halo_server_error(server));
        return 1;
    }
    printf("http://%s\n", address);
    fflush(stdout);
    if (halo_loop_run(loop) != 0) {
        fprintf(stderr, "%s\n", halo_loop_error(loop));
        return 1;
    }
    halo_server_free(server);
    halo_loop_free(loop);
    return 0;
}
