#include "session_fuzz.h"

#include <stdlib.h>
#include <string.h>

#define PREFACE        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define EMPTY_SETTINGS "\0\0\0\4\0\0\0\0\0"
#define SETTINGS_ACK   "\0\0\0\4\1\0\0\0\0"

static void respond(halo_stream *stream)
{
    const halo_header fields[] = { { .name = HALO_LIT("x-fuzz"), .value = HALO_LIT("yes") } };
    const halo_headers headers = { .fields = fields, .count = 1 };
    static const char body[5000];

    (void)halo_stream_respond(stream, 200, &headers, 0);
    (void)halo_stream_write(stream, body, halo_stream_id(stream) % 4 == 1 ? 13 : sizeof(body),
                            HALO_END_STREAM);
}

/* A different reaction for each kind of stream, so that resets, pauses and late answers meet whatever
 * comes next. */
static void handle(const struct halo_event *event)
{
    halo_stream *stream = event->stream;

    switch (event->type) {
    case HALO_EVENT_REQUEST:
        if (event->stream_id % 16 == 5) {
            (void)halo_stream_reset(stream, HALO_CANCEL);
        } else if (event->stream_id % 16 == 7) {
            halo_stream_pause(stream);
        } else if (event->stream_id % 16 != 9) {
            respond(stream);
        }
        break;
    case HALO_EVENT_DATA:
        if ((event->flags & HALO_END_STREAM) != 0 && halo_stream_headers(stream).count > 0 &&
            event->stream_id % 16 == 9) {
            respond(stream);
        }
        break;
    case HALO_EVENT_WANT_TRAILERS:
        (void)halo_stream_end(stream);
        break;
    default:
        break;
    }
}

static void pump(halo_session *session)
{
    struct halo_event event;
    struct iovec iov[8];
    int count;

    while (halo_session_poll(session, &event) != 0) {
        handle(&event);
    }
    while ((count = halo_session_pull(session, iov, 8, 16384)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            len += iov[i].iov_len;
        }
        halo_session_sent(session, len);
    }
    while (halo_session_poll(session, &event) != 0) {
        handle(&event);
    }
}

static void feed(halo_session *session, const void *data, size_t len, uint64_t now_ns)
{
    if (halo_session_recv(session, data, len, now_ns) != 0) {
        abort(); /* everything before was polled */
    }
    pump(session);
}

static void make_requests(halo_session *session)
{
    const struct halo_request request = { .authority = HALO_LIT("example.org") };
    halo_stream *stream;

    for (int i = 0; i < 4; i++) {
        (void)halo_session_request(session, &request, i % 2 == 0 ? HALO_END_STREAM : 0, NULL,
                                   &stream);
    }
}

int session_fuzz(int role, const uint8_t *data, size_t size)
{
    struct halo_session_options options;
    halo_session *session;
    uint64_t now_ns = 1;
    size_t piece;

    if (size < 1) {
        return 0;
    }
    halo_session_options_init(&options, role);
    if (halo_session_new(&session, &options, now_ns) != 0) {
        abort();
    }
    if (role == HALO_CLIENT) {
        make_requests(session);
    } else {
        feed(session, PREFACE, sizeof(PREFACE) - 1, now_ns);
    }
    feed(session, EMPTY_SETTINGS SETTINGS_ACK, 18, now_ns);
    piece = data[0] == 0 ? size : data[0];
    for (size_t at = 1; at < size; at += piece) {
        now_ns += 1000000;
        feed(session, data + at, at + piece <= size ? piece : size - at, now_ns);
        halo_session_tick(session, now_ns);
    }
    if (size % 2 == 0) {
        halo_session_recv_end(session, NULL);
        pump(session);
    }
    halo_session_free(session);
    return 0;
}
