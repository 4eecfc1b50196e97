/*
 * A session of either role against frames that are nearly right. The input is a program: each octet
 * chooses a frame of the peer, with details that may be wrong, or something that the application
 * does, also from within done() and read(). So calls and frames meet in orders that plain octets
 * rarely reach.
 *
 * Checked: what the session sends are frames, their header blocks decode; `done` is called once for
 * each borrow; each stream's end is told once; no memory is left.
 */
#include "frames_program.h"
#include "test_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the peer -------------------------------------------------------------------------- */

/* A number of a stream: one that is, the next one, or one that should not be. */
static uint32_t pick_id(struct program *program)
{
    uint32_t what = program_next(program);

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
    uint32_t what = program_next(program);
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
        fields[count++] = peer_fields[program_next(program) % HALO_ARRAY_LEN(peer_fields)];
    }
    HALO_ASSERT(halo_hpack_encode(program->encoder, fields, count, out, PAYLOAD_MAX, &len) == 0);
    return len;
}

/* A promised request: the block of a request, whoever sends it. */
static size_t make_promise(struct program *program, uint8_t *out)
{
    size_t len;

    if (program_next(program) % 4 == 0) {
        return make_block(program, out);
    }
    HALO_ASSERT(halo_hpack_encode(program->encoder, peer_fields, 4, out, PAYLOAD_MAX, &len) == 0);
    return len;
}

static size_t put_text(uint8_t *out, const char *text)
{
    memcpy(out, text, strlen(text));
    return strlen(text);
}

static size_t make_settings(struct program *program, uint8_t *out)
{
    size_t count = program_next(program) % 4;

    for (size_t i = 0; i < count; i++) {
        uint32_t id = program_next(program) % 12;
        uint32_t value = PICK(program, 0, 1, 2, 100, 4096, 16384, 65535, 65536, 100000, 0x7fffffff,
                              0x80000000u, 0xffffffffu);

        store_u16(out + 6 * i, (uint16_t)id);
        store_u32(out + 6 * i + 2, value);
        if (id == 5 && value >= 16384 && value <= 0xffffff) {
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
        return 4 + make_promise(program, out + 4);
    case FRAME_PRIORITY:
        store_u32(out, pick_id(program));
        return 5;
    case FRAME_RST_STREAM:
        store_u32(out, program_next(program) % 16);
        return 4;
    case FRAME_SETTINGS:
        return (frame->flags & FLAG_ACK) != 0 ? 0 : make_settings(program, out);
    case FRAME_PING:
        return 8;
    case FRAME_GOAWAY:
        store_u32(out, PICK(program, 0, 1, 3, 5, 0x7fffffff));
        store_u32(out + 4, program_next(program) % 16);
        return 8;
    case FRAME_WINDOW_UPDATE:
        store_u32(out, PICK(program, 0, 1, 1000, 65535, 100000, 0x7fffffff, 0x80000001u));
        return 4;
    case FRAME_CONTINUATION:
        return 0;
    case FRAME_PRIORITY_UPDATE:
        store_u32(out, pick_id(program));
        return 4 + put_text(out + 4, program_next(program) % 2 != 0 ? "u=1, i" : "u=7");
    case FRAME_ALTSVC:
        store_u16(out, (uint16_t)PICK(program, 0, 9, 9, 13, 1000));
        return 2 + put_text(out + 2, "https://ah2=\":80\"");
    case FRAME_ORIGIN:
        store_u16(out, (uint16_t)PICK(program, 9, 9, 0, 10));
        return 2 + put_text(out + 2, "https://a") + (program_next(program) % 8 == 0 ? 1 : 0);
    default:
        return len;
    }
}

static void receive(struct program *program, const uint8_t *octets, size_t len)
{
    size_t cut = program_next(program) % 8 == 0 ? program_next(program) : len;

    for (size_t piece; len > 0; octets += piece, len -= piece) {
        piece = min_size(len, max_size(cut, 1));
        HALO_ASSERT(halo_session_recv(program->session, octets, piece, program->now_ns) == 0);
        program_poll(program);
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
    uint32_t wrong = program_next(program); /* now and then a detail is */
    struct frame frame = { .type = (uint8_t)PICK(program, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 5, 6, 7, 8,
                                                 8, 9, 10, 12, 16, 200) };
    size_t len;

    switch (frame.type) {
    case FRAME_SETTINGS:
    case FRAME_PING:
    case FRAME_GOAWAY:
    case FRAME_PRIORITY_UPDATE:
    case FRAME_ORIGIN:
        break;
    default:
        frame.stream_id = pick_id(program);
        break;
    }
    frame.flags = (uint8_t)(program_next(program) & (FLAG_END_STREAM | FLAG_ACK));
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
        frame.flags ^= (uint8_t)program_next(program);
    } else if (wrong == 254) {
        len = min_size(program_next(program), PAYLOAD_MAX);
    } else if (wrong == 253) {
        payload[program_next(program)] ^= (uint8_t)program_next(program);
    } else if (wrong == 252) {
        frame.stream_id ^= program_next(program);
    }
    receive_frame(program, &frame, octets, len);
}

/* ---- the run --------------------------------------------------------------------------- */

/* What is off by default. */
static void extend(struct program *program, struct halo_session_options *options)
{
    static const uint8_t frame_types[] = { 200, 11 };
    uint32_t what = program_next(program);

    options->padding = what % 4 == 3 ? 0 : what % 4;
    options->priority_events = what >> 2 & 1;
    options->keep_sent_headers = what >> 3 & 1;
    options->encrypted = what >> 4 & 1;
    options->server_name = halo_str("a");
    options->push_origin = what >> 5 & 1;
    options->max_reserved_remote_streams = (what & 64) != 0 ? 2 : 200;
    options->frame_types = frame_types;
    options->frame_type_count = what >> 7 & 1 ? 2 : 0;
    if (program->role == HALO_CLIENT) {
        options->settings.enable_push = 1;
        options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
    }
}

static bool start(struct program *program, struct test_memory *memory)
{
    uint32_t what = program_next(program);
    struct halo_session_options options;

    program->role = (int)(what & 1);
    program->next_id = 1;
    program->now_ns = 1;
    program->frame_max = 16384;
    halo_session_options_init(&options, program->role);
    options.manual_credit = what >> 1 & 1;
    options.connection_window_size = (what & 4) != 0 ? 65535 : 1 << 20;
    options.stream_low_water = (what & 8) != 0 ? 1000 : 65536;
    memory->fail_at = (what & 16) != 0 ? program_next(program) : 0;
    memory->fail_after = (what & 32) != 0;
    options.allocator = memory->allocator;
    if ((what & 64) != 0) {
        extend(program, &options);
    }
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
    program->freeing = true;
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
        uint32_t what = program_next(&program);
        halo_stream *stream = what % 4 == 1 ? program_pick_stream(&program) : NULL;

        if (what % 4 >= 2) {
            send_frame(&program);
        } else if (stream != NULL) {
            program_act_on_stream(&program, stream);
        } else {
            program_act_on_session(&program);
        }
        program_poll(&program);
    }
    for (int i = 0; i < 4; i++) {
        program_send(&program, 65536);
    }
    finish(&program);
    HALO_ASSERT(memory.live == 0);
    return 0;
}
