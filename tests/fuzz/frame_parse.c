/* Frame headers, the table of rules, and the trace, against any octets. */
#include "core/base/base.h"
#include "core/proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is passed on to handlers is what they rely on (RFC 9113 section 6). */
static void check_accepted(const struct frame *frame, uint32_t size_max)
{
    static const uint32_t least[FRAME_TYPE_COUNT] = {
        [FRAME_PRIORITY] = 5, [FRAME_RST_STREAM] = 4,    [FRAME_PING] = 8,
        [FRAME_GOAWAY] = 8,   [FRAME_WINDOW_UPDATE] = 4,
    };

    HALO_ASSERT(frame->len <= size_max);
    if (frame->type >= FRAME_TYPE_COUNT) {
        return;
    }
    HALO_ASSERT(frame->len >= least[frame->type]);
    switch (frame->type) {
    case FRAME_DATA:
    case FRAME_HEADERS:
    case FRAME_PRIORITY:
    case FRAME_RST_STREAM:
    case FRAME_PUSH_PROMISE:
    case FRAME_CONTINUATION:
        HALO_ASSERT(frame->stream_id != 0);
        break;
    case FRAME_SETTINGS:
    case FRAME_GOAWAY:
        HALO_ASSERT(frame->stream_id == 0);
        break;
    case FRAME_PING:
        HALO_ASSERT(frame->len == 8 && frame->stream_id == 0);
        break;
    default:
        HALO_ASSERT(frame->len == 4);
        break;
    }
}

static void describe(const struct frame *frame, const uint8_t *payload, size_t len, size_t room)
{
    char text[256];
    size_t written;

    memset(text, 0x5a, sizeof(text));
    written = frame_describe(text, room, frame, payload, len);
    HALO_ASSERT(written < room && strnlen(text, room) <= written);
    for (size_t i = 0; i < written; i++) {
        /* What a peer chose cannot end a line of the log. */
        HALO_ASSERT((uint8_t)text[i] >= ' ' && text[i] != 0x7f);
    }
    for (size_t i = room; i < sizeof(text); i++) {
        HALO_ASSERT(text[i] == 0x5a);
    }
}

/* The first octet is the room of a line, the rest a frame header and its payload, or a part of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t copy[FRAME_HEADER_LEN];
    const struct fault *fault;
    struct frame frame;
    size_t room;

    if (size < 1 + FRAME_HEADER_LEN) {
        return 0;
    }
    room = 1 + (size_t)data[0];
    frame = frame_header_load(data + 1);
    frame_header_store(copy, frame.len, frame.type, frame.flags, frame.stream_id);
    HALO_ASSERT(memcmp(copy, data + 1, 5) == 0 && memcmp(copy + 6, data + 7, 3) == 0);
    HALO_ASSERT(copy[5] == (data[6] & 0x7f));
    HALO_ASSERT(frame_type_name(frame.type) != NULL);
    data += 1 + FRAME_HEADER_LEN;
    size -= 1 + FRAME_HEADER_LEN;
    for (uint32_t size_max = 16384; size_max <= 16777215; size_max = size_max * 2 + 1) {
        fault = frame_check(&frame, size_max);
        if (fault == NULL) {
            check_accepted(&frame, size_max);
        } else {
            HALO_ASSERT(fault->code != HALO_NO_ERROR && fault->reason[0] != '\0');
        }
    }
    describe(&frame, data, min_size(size, frame.len), room);
    return 0;
}
