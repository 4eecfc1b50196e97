/*
 * The application of the target session_frames, and what its session sends. done() and read() come while
 * halo is in the middle of something, and call it, too.
 */
#include "frames_program.h"

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
void program_send(struct program *program, size_t limit)
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
    halo_slice *slot = &program->kept[program_next(program) % KEPT_MAX];

    halo_slice_release(slot);
    if (event->u.data.len > 0) {
        (void)!halo_session_keep_data(program->session, slot);
    }
}

void program_poll(struct program *program)
{
    struct halo_event event;

    while (halo_session_poll(program->session, &event) != 0) {
        HALO_ASSERT(!program->closed);
        switch (event.type) {
        case HALO_EVENT_REQUEST:
        case HALO_EVENT_PUSH:
            add_stream(program, event.stream);
            break;
        case HALO_EVENT_DATA:
            if (program_next(program) % 4 == 0) {
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

/* done() comes while halo is in the middle of something, and may do what it likes. */
static void act_in_done(struct program *program)
{
    uint32_t what = program_next(program) % 32;
    halo_stream *stream = what > 27 ? program_pick_stream(program) : NULL;

    if (what == 27) {
        halo_session_recv_end(program->session, NULL);
    } else if (stream != NULL && what == 28) {
        (void)halo_stream_reset(stream, HALO_CANCEL);
    } else if (stream != NULL && what == 29) {
        (void)halo_stream_write(stream, "from done", 9, program_next(program) % 2);
    } else if (stream != NULL && what == 30) {
        (void)halo_stream_end(stream);
    } else if (what == 31) {
        halo_session_destroy(program->session, program_next(program) % 16);
    }
}

static void done(void *ctx)
{
    struct program *program = ctx;

    program->given_back++;
    if (!program->freeing && program->depth < DEPTH_MAX) {
        program->depth++;
        act_in_done(program);
        program->depth--;
    }
}

static int read_source(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct program *program = ctx;
    uint32_t what = program_next(program);

    *len = min_size(cap, what % 8 == 0 ? 0 : what * 16);
    memset(out, 'x', *len);
    *end = what % 4 == 1;
    if (what % 16 == 8 && program->streams_count > 0) {
        halo_stream_resume_source(program->streams[what / 16 % program->streams_count]);
    }
    if (what == 192) {
        return 0; /* nothing at all */
    }
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
    unsigned flags = program_next(program) % 2 != 0 ? HALO_END_STREAM : 0;
    struct halo_source source = { read_source, done, program };
    halo_slice slice;

    switch (program_next(program) % 4) {
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

static void push(struct program *program, halo_stream *parent)
{
    static const halo_bytes methods[] = { HALO_LIT("GET"), HALO_LIT("HEAD"), HALO_LIT("POST") };
    struct halo_request made = {
        .method = methods[program_next(program) % 3],
        .authority = HALO_LIT("a"),
        .headers = { .fields = plain_fields, .count = program_next(program) % 4 },
    };
    halo_stream *pushed;

    if (halo_stream_push(parent, &made, NULL, &pushed) == 0) {
        HALO_ASSERT(halo_stream_id(pushed) % 2 == 0 && halo_stream_id(pushed) > 0);
        add_stream(program, pushed);
    }
}

static void prioritize(struct program *program, halo_stream *stream)
{
    uint32_t what = program_next(program);
    struct halo_priority priority = { (uint8_t)(what % 9), what / 16 % 2 };
    struct halo_dependency dependency = { what % 8, (uint16_t)PICK(program, 0, 1, 16, 256, 257),
                                          what / 8 % 2 };
    struct halo_stream_info info;

    if (what >= 128) {
        (void)halo_stream_set_dependency(stream, &dependency, what / 64 % 2);
    } else if (halo_stream_set_priority(stream, &priority) == 0) {
        halo_stream_get_info(stream, &info);
        HALO_ASSERT(info.urgency == priority.urgency && info.incremental == priority.incremental);
    }
}

/* What is kept can be read, whenever. */
static void check_lists(const halo_stream *stream)
{
    halo_header_list lists[] = {
        halo_stream_headers(stream),
        halo_stream_promise(stream),
        halo_stream_sent_headers(stream),
        halo_stream_sent_trailers(stream),
        halo_stream_sent_information(stream, 0),
    };
    size_t octets = 0;

    for (size_t i = 0; i < HALO_ARRAY_LEN(lists); i++) {
        for (size_t k = 0; k < lists[i].count; k++) {
            octets += lists[i].fields[k].name.len + lists[i].fields[k].value.len;
            HALO_ASSERT(memchr(lists[i].fields[k].name.data, '\0', lists[i].fields[k].name.len) ==
                        NULL);
        }
    }
    HALO_ASSERT(octets < 1 << 20);
}

void program_act_on_stream(struct program *program, halo_stream *stream)
{
    halo_headers headers = { .fields = plain_fields, .count = program_next(program) % 6 };
    struct halo_stream_info info;

    switch (program_next(program) % 18) {
    case 0:
        (void)halo_stream_respond(stream, (int)PICK(program, 200, 204, 304, 404, 101, 599),
                                  &headers, program_next(program) % 4);
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
        (void)halo_stream_reset(stream, program_next(program) % 16);
        break;
    case 6:
        halo_stream_pause(stream);
        break;
    case 7:
        halo_stream_resume(stream);
        break;
    case 8:
        (void)halo_stream_consume(stream, program_next(program) * 64);
        break;
    case 9:
        halo_stream_resume_source(stream);
        break;
    case 10:
        (void)halo_stream_inform(stream, (int)PICK(program, 100, 103, 101, 200), &headers);
        break;
    case 11:
    case 12:
        push(program, stream);
        break;
    case 13:
        prioritize(program, stream);
        break;
    case 14:
        (void)halo_stream_set_timeout(stream, PICK(program, 0, 1, 1000, 60000));
        break;
    case 15:
        (void)halo_session_altsvc(
            program->session, halo_stream_id(stream), (halo_bytes){ 0 },
            halo_str(program_next(program) % 2 != 0 ? "clear" : "h2=\":80\"\n"));
        break;
    case 16:
        check_lists(stream);
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
        .method = methods[program_next(program) % 4],
        .authority = HALO_LIT("a"),
        .headers = { .fields = plain_fields, .count = program_next(program) % 4 },
    };
    halo_stream *stream;

    if (program->streams_count < STREAMS_MAX &&
        halo_session_request(program->session, &made, program_next(program) % 2, NULL, &stream) ==
            0) {
        add_stream(program, stream);
    }
}

static void name_origins(struct program *program)
{
    static const halo_bytes origins[] = { HALO_LIT("https://example.org"),
                                          HALO_LIT("https://[::1]:8443/x"), HALO_LIT("http://a"),
                                          HALO_LIT("none") };
    uint32_t what = program_next(program);

    if (what % 2 == 0) {
        (void)halo_session_origin(program->session, origins + what / 2 % 4,
                                  what / 8 % (5 - what / 2 % 4));
    } else {
        (void)halo_session_altsvc(program->session, 0, origins[what / 2 % 4],
                                  halo_str("h2=\":80\""));
    }
}

void program_act_on_session(struct program *program)
{
    static const uint8_t octets[16385];
    struct halo_settings settings;

    halo_settings_default(&settings);
    switch (program_next(program) % 20) {
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
        settings.enable_push = settings.header_table_size % 3 == 0;
        settings.present = program_next(program) & 0x16;
        (void)halo_session_settings(program->session, &settings);
        break;
    case 5:
        (void)halo_session_set_window(program->session, PICK(program, 65535, 100000, 0x7fffffff));
        break;
    case 6:
        if (program_next(program) % 8 == 0) {
            halo_session_close(program->session);
        }
        break;
    case 7:
        if (program_next(program) % 8 == 0) {
            halo_session_destroy(program->session, program_next(program) % 16);
        }
        break;
    case 8:
        (void)halo_session_goaway(program->session, HALO_NO_ERROR, program_next(program) % 8, "why",
                                  3);
        break;
    case 9:
        halo_slice_release(&program->kept[program_next(program) % KEPT_MAX]);
        break;
    case 10:
        program->now_ns += (uint64_t)PICK(program, 1, 1000, 15000, 70000) * 1000000u;
        halo_session_tick(program->session, program->now_ns);
        break;
    case 11:
        if (program_next(program) % 8 == 0) {
            halo_session_recv_end(program->session, NULL);
        }
        break;
    case 12:
        (void)halo_session_send_frame(program->session, (uint8_t)PICK(program, 200, 11, 255, 10, 0),
                                      (uint8_t)program_next(program), PICK(program, 0, 1, 2, 3, 99),
                                      octets, PICK(program, 0, 1, 100, 16384, 16385));
        break;
    case 13:
        name_origins(program);
        break;
    case 14:
        halo_session_set_timeout(program->session, PICK(program, 0, 1, 1000, 60000));
        break;
    default:
        program_send(program, PICK(program, 1, 9, 100, 16384, 65536));
        break;
    }
}
