/*
 * Frames in, for bench/micro.sh:
 *
 *     frame_bench header|data-1k|data-16k ROUNDS
 *
 *   header    the header is read and checked against the table of rules: all types in turn, no session
 *   data-...  a server session takes a DATA frame of so many octets and hands out its octets; what
 *             flow control answers is part of it
 */
#include <string.h>

#include <halo/halo.h>

#include "bench/micro/micro.h"
#include "core/proto/frame.h"

enum {
    HEADERS_IN_PIECE = 64,
    PIECES = 64,
    FRAME_MAX = 16384,
    OUT_PIECES = 8,
    WARM_UP_ROUNDS = 256,
    ROUND_NS = 1000, /* between two frames */
};

/* ---- headers --------------------------------------------------------------------------- */

static void fill_headers(uint8_t *out)
{
    static const struct frame kinds[] = {
        { .type = FRAME_HEADERS, .len = 60, .flags = FLAG_END_HEADERS, .stream_id = 1 },
        { .type = FRAME_DATA, .len = 13, .flags = FLAG_END_STREAM, .stream_id = 1 },
        { .type = FRAME_WINDOW_UPDATE, .len = 4, .stream_id = 0 },
        { .type = FRAME_DATA, .len = FRAME_MAX, .stream_id = 3 },
        { .type = FRAME_SETTINGS, .len = 18 },
        { .type = FRAME_PING, .len = 8 },
        { .type = FRAME_RST_STREAM, .len = 4, .stream_id = 5 },
        { .type = FRAME_PRIORITY, .len = 5, .stream_id = 7 },
    };

    for (uint32_t i = 0; i < HEADERS_IN_PIECE; i++) {
        const struct frame *kind = &kinds[i % (sizeof(kinds) / sizeof(kinds[0]))];

        out = frame_header_store(out, kind->len, kind->type, kind->flags, kind->stream_id);
    }
}

static void bench_headers(uint64_t rounds)
{
    uint8_t piece[HEADERS_IN_PIECE * FRAME_HEADER_LEN];
    uint32_t faults = 0;
    uint64_t octets = 0;

    fill_headers(piece);
    for (uint64_t round = 0; round < rounds; round += PIECES) {
        micro_begin();
        for (int i = 0; i < PIECES; i++) {
            for (size_t at = 0; at < sizeof(piece); at += FRAME_HEADER_LEN) {
                const struct frame frame = frame_header_load(piece + at);

                faults += frame_check(&frame, FRAME_MAX) != NULL;
                octets += frame.len;
            }
        }
        micro_end();
    }
    micro_require(faults == 0 && octets > 0, "frame_bench: a header was refused");
    micro_print((rounds + PIECES - 1) / PIECES * PIECES * HEADERS_IN_PIECE, 0);
}

/* ---- DATA ------------------------------------------------------------------------------ */

enum { WINDOW = 1024 * 1024, STREAM_ID = 1 };

struct upload {
    halo_session *session;
    uint64_t now_ns;
    uint64_t octets;    /* handed out */
    int64_t windows[2]; /* of the connection and of the stream, as the client sees them */
};

/* Octets in, events, octets out, as a driver does it. What goes out stays valid until it is sent. */
static int exchange(struct upload *upload, const uint8_t *in, size_t len, struct iovec *out)
{
    struct halo_event event;

    upload->now_ns += ROUND_NS;
    halo_session_recv(upload->session, in, len, upload->now_ns);
    while (halo_session_poll(upload->session, &event)) {
        if (event.type == HALO_EVENT_DATA) {
            upload->octets += event.u.data.len;
        }
    }
    return halo_session_pull(upload->session, out, OUT_PIECES, SIZE_MAX);
}

/* The client's windows, out of what the server says; frames do not cross pieces here. */
static void read_windows(struct upload *upload, const struct iovec *out, int count)
{
    for (int i = 0; i < count; i++) {
        const uint8_t *at = out[i].iov_base;
        const uint8_t *end = at + out[i].iov_len;

        while (end - at >= FRAME_HEADER_LEN) {
            const struct frame frame = frame_header_load(at);

            micro_require(frame.type == FRAME_SETTINGS || frame.type == FRAME_WINDOW_UPDATE,
                          "frame_bench: the session refuses the upload");
            if (frame.type == FRAME_WINDOW_UPDATE) {
                upload->windows[frame.stream_id != 0] += load_u32(at + FRAME_HEADER_LEN);
            }
            at += FRAME_HEADER_LEN + frame.len;
        }
        micro_require(at == end, "frame_bench: a frame is cut");
    }
}

static size_t sum(const struct iovec *out, int count)
{
    size_t len = 0;

    for (int i = 0; i < count; i++) {
        len += out[i].iov_len;
    }
    return len;
}

/* Preface, SETTINGS and their answer, and a POST to / whose body is to come. */
static void start_upload(struct upload *upload)
{
    static const uint8_t block[] = { 0x83, 0x86, 0x84, 0x01, 4, 'h', 'o', 's', 't' };
    struct halo_session_options options;
    struct iovec out[OUT_PIECES];
    uint8_t in[128];
    uint8_t *at = in;
    int count;

    halo_session_options_init(&options, HALO_SERVER);
    options.settings.initial_window_size = WINDOW;
    options.connection_window_size = WINDOW;
    options.stream_receive_window_max = 0;
    options.connection_receive_window_max = 0;
    *upload = (struct upload){ .now_ns = 1, .windows = { 65535, WINDOW } };
    micro_require(halo_session_new(&upload->session, &options, upload->now_ns) == 0, "no session");
    memcpy(at, PREFACE, PREFACE_LEN);
    at = frame_header_store(at + PREFACE_LEN, 0, FRAME_SETTINGS, 0, 0);
    at = frame_header_store(at, 0, FRAME_SETTINGS, FLAG_ACK, 0);
    at = frame_header_store(at, sizeof(block), FRAME_HEADERS, FLAG_END_HEADERS, STREAM_ID);
    memcpy(at, block, sizeof(block));
    at += sizeof(block);
    count = exchange(upload, in, (size_t)(at - in), out);
    read_windows(upload, out, count);
    halo_session_sent(upload->session, sum(out, count));
}

static void bench_data(uint32_t len, uint64_t rounds)
{
    static uint8_t frame[FRAME_HEADER_LEN + FRAME_MAX];
    struct iovec out[OUT_PIECES];
    struct upload upload;

    start_upload(&upload);
    frame_header_store(frame, len, FRAME_DATA, 0, STREAM_ID);
    for (uint64_t round = 0; round < rounds + WARM_UP_ROUNDS; round++) {
        int counted = round >= WARM_UP_ROUNDS;
        int count;

        micro_require(upload.windows[0] >= len && upload.windows[1] >= len,
                      "frame_bench: no window");
        upload.windows[0] -= len;
        upload.windows[1] -= len;
        if (counted) {
            micro_begin();
        }
        count = exchange(&upload, frame, FRAME_HEADER_LEN + (size_t)len, out);
        if (counted) {
            micro_end();
        }
        read_windows(&upload, out, count);
        if (count > 0) {
            halo_session_sent(upload.session, sum(out, count));
        }
    }
    micro_require(upload.octets == (rounds + WARM_UP_ROUNDS) * len, "frame_bench: octets are lost");
    micro_print(rounds, 0);
    halo_session_free(upload.session);
}

int main(int argc, char **argv)
{
    uint64_t rounds = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;

    if (rounds > 0 && strcmp(argv[1], "header") == 0) {
        bench_headers(rounds);
    } else if (rounds > 0 && strcmp(argv[1], "data-1k") == 0) {
        bench_data(1024, rounds);
    } else if (rounds > 0 && strcmp(argv[1], "data-16k") == 0) {
        bench_data(FRAME_MAX, rounds);
    } else {
        fprintf(stderr, "usage: frame_bench header|data-1k|data-16k ROUNDS\n");
        return 2;
    }
    return 0;
}
