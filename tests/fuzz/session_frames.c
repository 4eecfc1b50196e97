/*
 * A session of either role against frames that are nearly right. The input is a program: each octet
 * chooses a frame of the peer, with details that may be wrong, or something that the application
 * does. So calls and frames meet in orders that plain octets rarely reach.
 *
 * Checked: what the session sends are frames, their header blocks decode; `done` is called once for
 * each borrow; each stream's end is told once; no memory is left.
 */
#include <stdlib.h>

#include <halo/hpack.h>

#include "core/base/base.h"
#include "core/proto/frame.h"
#include "session_fuzz.h"
#include "test_memory.h"

enum { PAYLOAD_MAX = 20000, STREAMS_MAX = 64, STEPS_MAX = 400, KEPT_MAX = 16, OUTPUT_MAX = 70000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct program {
    const uint8_t *at;
    const uint8_t *end;
    halo_session *session;
    halo_hpack_encoder *encoder; /* the peer's */
    halo_hpack_decoder *decoder;
    int role;
    uint64_t now_ns;
    uint32_t next_id; /* that the peer would open next */
    halo_stream *streams[STREAMS_MAX];
    size_t streams_count;
    halo_slice kept[KEPT_MAX];
    size_t borrowed;
    size_t given_back;
    bool closed;
    /* What the session sent, as far as it is not a whole frame yet. */
    uint8_t output[OUTPUT_MAX];
    size_t output_len;
    bool seen_preface;
    uint32_t block_of; /* stream of the header block that is not complete */
    uint32_t frame_max;
};

static uint32_t next(struct program *program)
{
    return program->at < program->end ? *program->at++ : 0;
}

/* One of a few numbers, the last octet of the choice left over. */
static uint32_t pick(struct program *program, const uint32_t *numbers, size_t count)
{
    return numbers[next(program) % count];
}
#define PICK(program, ...)                                                                         \
    pick((program), (const uint32_t[]){ __VA_ARGS__ },                                             \
         sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static halo_stream *pick_stream(struct program *program)
{
    uint32_t number = next(program);

    return program->streams_count > 0 ? program->streams[number % program->streams_count] : NULL;
}

/* ---- what the session sends ------------------------------------------------------------ */

static void check_block(struct program *program, const struct frame *frame, const uint8_t *payload)
{
    halo_header *list;
    size_t count;
    bool last = (frame->flags & FLAG_END_HEADERS) != 0;
    size_t skip = frame->type == FRAME_PUSH_PROMISE ? 4 : 0;
    size_t len = frame->len;

    HALO_ASSERT(program->block_of == (frame->type == FRAME_CONTINUATION ? frame->stream_id : 0));
    if ((frame->flags & FLAG_PADDED) != 0 && frame->type != FRAME_CONTINUATION) {
        HALO_ASSERT(len > 0 && payload[0] < len);
        len -= payload[0];
        skip++;
    }
    HALO_ASSERT(len >= skip);
    program->block_of = last ? 0 : frame->stream_id;
    HALO_ASSERT(
        halo_hpack_decode(program->decoder, payload + skip, len - skip, last, &list, &count) == 0);
}

static void check_frame(struct program *program, const struct frame *frame, const uint8_t *payload)
{
    HALO_ASSERT(frame_check(frame, program->frame_max) == NULL);
    if (frame->type == FRAME_HEADERS || frame->type == FRAME_CONTINUATION ||
        frame->type == FRAME_PUSH_PROMISE) {
        check_block(program, frame, payload);
    } else {
        HALO_ASSERT(program->block_of == 0);
    }
    if (frame->type == FRAME_SETTINGS) {
        HALO_ASSERT(frame->len % 6 == 0);
    }
}

static void check_output(struct program *program)
{
    size_t at = 0;

    if (program->role == HALO_CLIENT && !program->seen_preface) {
        if (program->output_len < PREFACE_LEN) {
            return;
        }
        HALO_ASSERT(memcmp(program->output, PREFACE, PREFACE_LEN) == 0);
        program->seen_preface = true;
        at = PREFACE_LEN;
    }
    while (program->output_len - at >= FRAME_HEADER_LEN) {
        struct frame frame = frame_header_load(program->output + at);

        HALO_ASSERT(frame.len <= program->frame_max);
        if (program->output_len - at - FRAME_HEADER_LEN < frame.len) {
            break;
        }
        check_frame(program, &frame, program->output + at + FRAME_HEADER_LEN);
        at += FRAME_HEADER_LEN + frame.len;
    }
    program->output_len -= at;
    memmove(program->output, program->output + at, program->output_len);
}

/* Sends, at most so much. */
static void send(struct program *program, size_t limit)
{
    struct iovec iov[8];
    int count = halo_session_pull(program->session, iov, 8, limit);
    size_t sent = 0;

    for (int i = 0; i < count && sent < limit; i++) {
        size_t len = min_size(iov[i].iov_len, limit - sent);

        len = min_size(len, OUTPUT_MAX - program->output_len);
        memcpy(program->output + program->output_len, iov[i].iov_base, len);
        program->output_len += len;
        sent += len;
        if (program->output_len == OUTPUT_MAX) {
            break;
        }
    }
    halo_session_sent(program->session, sent);
    check_output(program);
}

/* ---- the application ------------------------------------------------------------------- */

static void add_stream(struct program *program, halo_stream *stream)
{
    if (program->streams_count < STREAMS_MAX) {
        program->streams[program->streams_count++] = stream;
    } else {
        (void)halo_stream_reset(stream, HALO_CANCEL);
    }
}

static void forget_stream(struct program *program, halo_stream *stream)
{
    for (size_t i = 0; i < program->streams_count; i++) {
        if (program->streams[i] == stream) {
            program->streams[i] = program->streams[--program->streams_count];
            return;
        }
    }
}

static void keep(struct program *program, const struct halo_event *event)
{
    halo_slice *slot = &program->kept[next(program) % KEPT_MAX];

    halo_slice_release(slot);
    if (event->u.data.len > 0) {
        (void)!halo_session_keep_data(program->session, slot);
    }
}

static void poll(struct program *program)
{
    struct halo_event event;

    while (halo_session_poll(program->session, &event) != 0) {
        HALO_ASSERT(!program->closed);
        switch (event.type) {
        case HALO_EVENT_REQUEST:
            add_stream(program, event.stream);
            break;
        case HALO_EVENT_DATA:
            if (next(program) % 4 == 0) {
                keep(program, &event);
            }
            break;
        case HALO_EVENT_STREAM_CLOSED:
            forget_stream(program, event.stream);
            break;
        case HALO_EVENT_SESSION_CLOSED:
            program->closed = true;
            break;
        default:
            break;
        }
    }
}

static void done(void *ctx)
{
    struct program *program = ctx;

    program->given_back++;
}

static int read_source(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct program *program = ctx;
    uint32_t what = next(program);

    *len = min_size(cap, what % 8 == 0 ? 0 : what * 16);
    memset(out, 'x', *len);
    *end = what % 4 == 1;
    return *len == 0 && *end == 0 ? HALO_E_AGAIN : what == 255 ? HALO_E_FILE : 0;
}

static const halo_header plain_fields[] = {
    { .name = HALO_LIT("x-fuzz"), .value = HALO_LIT("yes") },
    { .name = HALO_LIT("Content-Type"), .value = HALO_LIT("text/plain") },
    { .name = HALO_LIT("cookie"), .value = HALO_LIT("a=b"), .flags = HALO_HEADER_NEVER_INDEX },
    { .name = HALO_LIT("content-length"), .value = HALO_LIT("5") },
    { .name = HALO_LIT("te"), .value = HALO_LIT("gzip") },
};

static void send_body(struct program *program, halo_stream *stream)
{
    static const char body[40000];
    size_t len = PICK(program, 0, 1, 5, 1000, 1025, 16384, 16385, 40000);
    unsigned flags = next(program) % 2 != 0 ? HALO_END_STREAM : 0;
    struct halo_source source = { read_source, done, program };
    halo_slice slice;

    switch (next(program) % 4) {
    case 0:
        (void)halo_stream_write(stream, body, len, flags);
        break;
    case 1:
        program->borrowed += halo_stream_write_borrow(stream, body, len, flags, done, program) == 0;
        break;
    case 2:
        if (halo_slice_copy(&slice, body, len) == 0) {
            (void)halo_stream_write_slice(stream, &slice, flags);
        }
        break;
    default:
        program->borrowed +=
            halo_stream_set_source(stream, &source, flags != 0 ? HALO_WAIT_FOR_TRAILERS : 0) == 0;
        break;
    }
}

static void act_on_stream(struct program *program, halo_stream *stream)
{
    halo_headers headers = { .fields = plain_fields, .count = next(program) % 6 };
    struct halo_stream_info info;

    switch (next(program) % 12) {
    case 0:
        (void)halo_stream_respond(stream, (int)PICK(program, 200, 204, 304, 404, 101, 599),
                                  &headers, next(program) % 4);
        break;
    case 1:
    case 2:
        send_body(program, stream);
        break;
    case 3:
        (void)halo_stream_end(stream);
        break;
    case 4:
        (void)halo_stream_trailers(stream, &headers);
        break;
    case 5:
        (void)halo_stream_reset(stream, next(program) % 16);
        break;
    case 6:
        halo_stream_pause(stream);
        break;
    case 7:
        halo_stream_resume(stream);
        break;
    case 8:
        (void)halo_stream_consume(stream, next(program) * 64);
        break;
    case 9:
        halo_stream_resume_source(stream);
        break;
    case 10:
        (void)halo_stream_inform(stream, (int)PICK(program, 100, 103, 101, 200), &headers);
        break;
    default:
        halo_stream_get_info(stream, &info);
        HALO_ASSERT(info.local_window <= INT32_MAX && info.remote_window <= INT32_MAX);
        break;
    }
}

static void request(struct program *program)
{
    static const halo_bytes methods[] = { HALO_LIT("GET"), HALO_LIT("HEAD"), HALO_LIT("POST"),
                                          HALO_LIT("CONNECT") };
    struct halo_request made = {
        .method = methods[next(program) % 4],
        .authority = HALO_LIT("a"),
        .headers = { .fields = plain_fields, .count = next(program) % 4 },
    };
    halo_stream *stream;

    if (program->streams_count < STREAMS_MAX &&
        halo_session_request(program->session, &made, next(program) % 2, NULL, &stream) == 0) {
        add_stream(program, stream);
    }
}

static void act_on_session(struct program *program)
{
    struct halo_settings settings;

    halo_settings_default(&settings);
    switch (next(program) % 16) {
    case 0:
    case 1:
    case 2:
        request(program);
        break;
    case 3:
        (void)halo_session_ping(program->session, NULL);
        break;
    case 4:
        settings.initial_window_size = PICK(program, 0, 1, 65535, 0x7fffffff, 100000);
        settings.header_table_size = PICK(program, 0, 100, 4096, 65536);
        settings.present = next(program) & 0x12;
        (void)halo_session_settings(program->session, &settings);
        break;
    case 5:
        (void)halo_session_set_window(program->session, PICK(program, 65535, 100000, 0x7fffffff));
        break;
    case 6:
        if (next(program) % 8 == 0) {
            halo_session_close(program->session);
        }
        break;
    case 7:
        if (next(program) % 8 == 0) {
            halo_session_destroy(program->session, next(program) % 16);
        }
        break;
    case 8:
        (void)halo_session_goaway(program->session, HALO_NO_ERROR, next(program) % 8, "why", 3);
        break;
    case 9:
        halo_slice_release(&program->kept[next(program) % KEPT_MAX]);
        break;
    case 10:
        program->now_ns += (uint64_t)PICK(program, 1, 1000, 15000, 70000) * 1000000u;
        halo_session_tick(program->session, program->now_ns);
        break;
    case 11:
        if (next(program) % 8 == 0) {
            halo_session_recv_end(program->session, NULL);
        }
        break;
    default:
        send(program, PICK(program, 1, 9, 100, 16384, 65536));
        break;
    }
}

/* ---- the peer -------------------------------------------------------------------------- */

/* A number of a stream: one that is, the next one, or one that should not be. */
static uint32_t pick_id(struct program *program)
{
    uint32_t what = next(program);

    if (what % 8 < 5 && program->streams_count > 0) {
        return halo_stream_id(program->streams[what / 8 % program->streams_count]);
    }
    switch (what % 8) {
    case 5:
        return what / 8;
    case 6:
        return 0;
    default:
        return program->next_id;
    }
}

static const halo_header peer_fields[] = {
    { .name = HALO_LIT(":method"), .value = HALO_LIT("GET") },
    { .name = HALO_LIT(":scheme"), .value = HALO_LIT("https") },
    { .name = HALO_LIT(":path"), .value = HALO_LIT("/") },
    { .name = HALO_LIT(":authority"), .value = HALO_LIT("a") },
    { .name = HALO_LIT(":status"), .value = HALO_LIT("200") },
    { .name = HALO_LIT(":status"), .value = HALO_LIT("103") },
    { .name = HALO_LIT(":method"), .value = HALO_LIT("CONNECT") },
    { .name = HALO_LIT(":method"), .value = HALO_LIT("HEAD") },
    { .name = HALO_LIT(":protocol"), .value = HALO_LIT("websocket") },
    { .name = HALO_LIT("content-length"), .value = HALO_LIT("5") },
    { .name = HALO_LIT("content-length"), .value = HALO_LIT("0") },
    { .name = HALO_LIT("cookie"), .value = HALO_LIT("a=b") },
    { .name = HALO_LIT("te"), .value = HALO_LIT("trailers") },
    { .name = HALO_LIT("connection"), .value = HALO_LIT("close") },
    { .name = HALO_LIT("X-Upper"), .value = HALO_LIT("1") },
    { .name = HALO_LIT("x-bad"), .value = HALO_LIT("a\nb") },
    { .name = HALO_LIT("priority"), .value = HALO_LIT("u=1, i") },
    { .name = HALO_LIT("x-long"),
      .value = HALO_LIT("a value that takes more room than the others do") },
};

/* A header block: mostly a good message, then a few fields of any kind. */
static size_t make_block(struct program *program, uint8_t *out)
{
    halo_header fields[4 + 32];
    uint32_t what = next(program);
    size_t count = 0;
    size_t more = what / 4 % 32;
    size_t len;

    if (what % 4 != 3) {
        size_t from = program->role == HALO_SERVER ? 0 : 4;
        size_t to = program->role == HALO_SERVER ? 4 : 5;

        while (from < to) {
            fields[count++] = peer_fields[from++];
        }
    }
    for (; more > 0; more--) {
        fields[count++] = peer_fields[next(program) % HALO_ARRAY_LEN(peer_fields)];
    }
    HALO_ASSERT(halo_hpack_encode(program->encoder, fields, count, out, PAYLOAD_MAX, &len) == 0);
    return len;
}

static size_t make_settings(struct program *program, uint8_t *out)
{
    size_t count = next(program) % 4;

    for (size_t i = 0; i < count; i++) {
        uint32_t id = next(program) % 12;
        uint32_t value = PICK(program, 0, 1, 2, 100, 4096, 16384, 65535, 65536, 100000, 0x7fffffff,
                              0x80000000u, 0xffffffffu);

        store_u16(out + 6 * i, (uint16_t)id);
        store_u32(out + 6 * i + 2, value);
        if (id == 5 && value >= 16384 && value <= 65536) {
            program->frame_max = max_u32(program->frame_max, value);
        }
    }
    return 6 * count;
}

/* Fills in the payload; returns its length. */
static size_t make_payload(struct program *program, struct frame *frame, uint8_t *out)
{
    size_t len = PICK(program, 0, 1, 4, 5, 8, 100, 1000, 16384);

    switch (frame->type) {
    case FRAME_HEADERS:
        if (frame->stream_id == program->next_id && program->role == HALO_SERVER) {
            program->next_id += 2;
        }
        return make_block(program, out);
    case FRAME_PUSH_PROMISE:
        store_u32(out, PICK(program, 2, 4, 6, 8, 3, 0));
        return 4 + make_block(program, out + 4);
    case FRAME_PRIORITY:
        store_u32(out, pick_id(program));
        return 5;
    case FRAME_RST_STREAM:
        store_u32(out, next(program) % 16);
        return 4;
    case FRAME_SETTINGS:
        return (frame->flags & FLAG_ACK) != 0 ? 0 : make_settings(program, out);
    case FRAME_PING:
        return 8;
    case FRAME_GOAWAY:
        store_u32(out, PICK(program, 0, 1, 3, 5, 0x7fffffff));
        store_u32(out + 4, next(program) % 16);
        return 8;
    case FRAME_WINDOW_UPDATE:
        store_u32(out, PICK(program, 0, 1, 1000, 65535, 100000, 0x7fffffff, 0x80000001u));
        return 4;
    case FRAME_CONTINUATION:
        return 0;
    default:
        return len;
    }
}

static void receive(struct program *program, const uint8_t *octets, size_t len)
{
    size_t cut = next(program) % 8 == 0 ? next(program) : len;

    for (size_t piece; len > 0; octets += piece, len -= piece) {
        piece = min_size(len, max_size(cut, 1));
        HALO_ASSERT(halo_session_recv(program->session, octets, piece, program->now_ns) == 0);
        poll(program);
    }
}

static void receive_frame(struct program *program, const struct frame *frame, uint8_t *octets,
                          size_t len)
{
    frame_header_store(octets, (uint32_t)len, frame->type, frame->flags, frame->stream_id);
    receive(program, octets, FRAME_HEADER_LEN + len);
}

/* One frame, or a header block in several. */
static void send_frame(struct program *program)
{
    uint8_t octets[FRAME_HEADER_LEN + PAYLOAD_MAX] = { 0 };
    uint8_t *payload = octets + FRAME_HEADER_LEN;
    uint32_t wrong = next(program); /* now and then a detail is */
    struct frame frame = { .type = (uint8_t)PICK(program, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8,
                                                 9, 10, 16, 200) };
    size_t len;

    switch (frame.type) {
    case FRAME_SETTINGS:
    case FRAME_PING:
    case FRAME_GOAWAY:
        break;
    default:
        frame.stream_id = pick_id(program);
        break;
    }
    frame.flags = (uint8_t)(next(program) & (FLAG_END_STREAM | FLAG_ACK));
    len = make_payload(program, &frame, payload);
    if (frame.type == FRAME_HEADERS || frame.type == FRAME_PUSH_PROMISE) {
        if (wrong % 16 == 7 && len > 3) {
            receive_frame(program, &frame, octets, len / 2);
            memmove(payload, payload + len / 2, len - len / 2);
            len -= len / 2;
            frame.type = FRAME_CONTINUATION;
            frame.flags = 0;
        }
        frame.flags |= FLAG_END_HEADERS;
    }
    if (wrong % 16 == 6 && frame.type <= FRAME_HEADERS) { /* padded */
        memmove(payload + 1, payload, len);
        payload[0] = (uint8_t)(wrong >> 4);
        memset(payload + 1 + len, 0, payload[0]);
        len += 1u + payload[0];
        frame.flags |= FLAG_PADDED;
    }
    if (wrong == 255) {
        frame.flags ^= (uint8_t)next(program);
    } else if (wrong == 254) {
        len = min_size(next(program), PAYLOAD_MAX);
    } else if (wrong == 253) {
        payload[next(program)] ^= (uint8_t)next(program);
    } else if (wrong == 252) {
        frame.stream_id ^= next(program);
    }
    receive_frame(program, &frame, octets, len);
}

/* ---- the run --------------------------------------------------------------------------- */

static bool start(struct program *program, struct test_memory *memory)
{
    uint32_t what = next(program);
    struct halo_session_options options;

    program->role = (int)(what & 1);
    program->next_id = 1;
    program->now_ns = 1;
    program->frame_max = 16384;
    halo_session_options_init(&options, program->role);
    options.manual_credit = what >> 1 & 1;
    options.connection_window_size = (what & 4) != 0 ? 65535 : 1 << 20;
    options.stream_low_water = (what & 8) != 0 ? 1000 : 65536;
    memory->fail_at = (what & 16) != 0 ? next(program) : 0;
    memory->fail_after = (what & 32) != 0;
    options.allocator = memory->allocator;
    if (halo_session_new(&program->session, &options, program->now_ns) != 0) {
        HALO_ASSERT(memory->failed);
        return false;
    }
    HALO_ASSERT(halo_hpack_encoder_new(&program->encoder, NULL) == 0);
    HALO_ASSERT(halo_hpack_decoder_new(&program->decoder, NULL) == 0);
    return true;
}

static void finish(struct program *program)
{
    for (size_t i = 0; i < KEPT_MAX / 2; i++) {
        halo_slice_release(&program->kept[i]); /* before the session goes, and behind it */
    }
    halo_session_free(program->session);
    for (size_t i = 0; i < KEPT_MAX; i++) {
        halo_slice_release(&program->kept[i]);
    }
    HALO_ASSERT(program->borrowed == program->given_back);
    halo_hpack_encoder_free(program->encoder);
    halo_hpack_decoder_free(program->decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct program program;
    static uint8_t opening[] = PREFACE "\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";
    struct test_memory memory;
    size_t skip;

    program = (struct program){ .at = data, .end = data + size };
    test_memory_init(&memory);
    if (!start(&program, &memory)) {
        HALO_ASSERT(memory.live == 0);
        return 0;
    }
    skip = program.role == HALO_CLIENT ? PREFACE_LEN : 0;
    receive(&program, opening + skip, sizeof(opening) - 1 - skip);
    for (int steps = 0; steps < STEPS_MAX && program.at < program.end && !program.closed; steps++) {
        uint32_t what = next(&program);
        halo_stream *stream = what % 4 == 1 ? pick_stream(&program) : NULL;

        if (what % 4 >= 2) {
            send_frame(&program);
        } else if (stream != NULL) {
            act_on_stream(&program, stream);
        } else {
            act_on_session(&program);
        }
        poll(&program);
    }
    for (int i = 0; i < 4; i++) {
        send(&program, 65536);
    }
    finish(&program);
    HALO_ASSERT(memory.live == 0);
    return 0;
}
