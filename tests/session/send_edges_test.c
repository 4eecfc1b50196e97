/*
 * What is sent at the edges of sizes: bodies of 0 to 2^31 + 1 octets, header values of 2^14 to 2^22,
 * every size of frames that a peer may allow. What comes out goes through a reader of frames that
 * knows nothing of the library; bodies are counted and not stored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <halo/session.h>

#include "core/base/base.h"
#include "frames.h"
#include "hpack/hpack.h"

enum {
    VALUE_MAX = 1 << 22,
    BLOCK_MAX = 2 * VALUE_MAX,
};

static uint8_t octets[(1 << 24) + 1];

/* ---- the reader ------------------------------------------------------------------------ */

struct reader {
    uint32_t frame_max;
    uint8_t head[9];
    size_t head_len;
    uint32_t left; /* of the payload */
    /* Of the stream that is looked at, 1. */
    uint64_t body;
    uint32_t hash_errors; /* octets that are not as they were written */
    size_t data_frames;
    size_t largest;
    bool ended;
    bool block_open;
    size_t blocks;
    size_t block_frames;
    struct wire block; /* the latest */
};

static uint32_t head_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void begin_frame(struct reader *reader)
{
    const uint8_t *head = reader->head;
    uint8_t type = head[3];
    uint8_t flags = head[4];

    reader->left = head_u32(head) >> 8;
    assert_true(reader->left <= reader->frame_max);
    reader->largest = max_size(reader->largest, reader->left);
    assert_int_equal(reader->block_open, type == T_CONTINUATION); /* nothing in between */
    switch (type) {
    case T_DATA:
        assert_int_equal(head_u32(head + 5), 1);
        assert_int_equal(flags & ~F_END_STREAM, 0);
        assert_true(reader->blocks > 0 && !reader->ended);
        assert_true(reader->left > 0 || (flags & F_END_STREAM) != 0);
        reader->data_frames++;
        reader->ended = (flags & F_END_STREAM) != 0;
        break;
    case T_HEADERS:
        reader->block.len = 0;
        reader->block_frames = 0;
        reader->blocks++;
        assert_false(reader->ended);
        assert_int_equal(flags & ~(F_END_STREAM | F_END_HEADERS), 0);
        reader->ended = (flags & F_END_STREAM) != 0;
        break;
    case T_CONTINUATION:
        assert_int_equal(flags & ~F_END_HEADERS, 0);
        assert_true(reader->left > 0);
        break;
    default: /* SETTINGS, its ACK, WINDOW_UPDATE */
        assert_true(type == T_SETTINGS || type == T_WINDOW_UPDATE);
        break;
    }
    if (type == T_HEADERS || type == T_CONTINUATION) {
        assert_int_equal(head_u32(head + 5), 1);
        reader->block_frames++;
        reader->block_open = (flags & F_END_HEADERS) == 0;
    }
}

static void read_payload(struct reader *reader, const uint8_t *at, size_t len)
{
    uint8_t type = reader->head[3];

    if (type == T_DATA) {
        size_t from = (size_t)(reader->body % 251);
        size_t part;

        /* The octets of all bodies repeat after 251, which no frame does. */
        for (size_t done = 0; done < len; done += part) {
            part = min_size(len - done, (1u << 20) - from);
            reader->hash_errors += memcmp(at + done, octets + from, part) != 0;
            from = (from + part) % 251;
        }
        reader->body += len;
    } else if (type == T_HEADERS || type == T_CONTINUATION) {
        wire_octets(&reader->block, at, len);
    }
}

static void read_octets(struct reader *reader, const uint8_t *at, size_t len)
{
    while (len > 0) {
        size_t part;

        if (reader->left > 0) {
            part = min_size(len, reader->left);
            read_payload(reader, at, part);
            reader->left -= (uint32_t)part;
        } else {
            part = min_size(len, sizeof(reader->head) - reader->head_len);
            memcpy(reader->head + reader->head_len, at, part);
            reader->head_len += part;
            if (reader->head_len == sizeof(reader->head)) {
                reader->head_len = 0;
                begin_frame(reader);
            }
        }
        at += part;
        len -= part;
    }
}

static void pull_all(halo_session *session, struct reader *reader)
{
    struct halo_event event;
    struct iovec iov[64];
    int count;

    while ((count = halo_session_pull(session, iov, 64, 1 << 20)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            read_octets(reader, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        halo_session_sent(session, len);
    }
    while (halo_session_poll(session, &event) != 0) {
        if (event.type == HALO_EVENT_STREAM_CLOSED) {
            assert_null(event.u.closed);
        } else {
            assert_int_equal(event.type, HALO_EVENT_WRITABLE);
        }
    }
}

/* ---- a server with a request ----------------------------------------------------------- */

static uint32_t send_block;

static void feed(halo_session *session, const struct wire *wire, halo_stream **stream)
{
    struct halo_event event;

    assert_int_equal(halo_session_recv(session, wire->data, wire->len, 1), 0);
    while (halo_session_poll(session, &event) != 0) {
        if (event.type == HALO_EVENT_REQUEST) {
            *stream = event.stream;
        }
    }
}

/* All windows are wide open. */
static halo_session *begin(struct reader *reader, uint32_t frame_max, halo_stream **stream)
{
    struct halo_session_options options;
    struct wire in = { 0 };
    halo_session *session;

    memset(reader, 0, sizeof(*reader));
    reader->frame_max = frame_max;
    halo_session_options_init(&options, HALO_SERVER);
    options.limits.send_block = send_block;
    assert_int_equal(halo_session_new(&session, &options, 1), 0);
    put_preface(&in);
    put_settings(&in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0x7fffffff, HALO_SETTINGS_MAX_FRAME_SIZE,
                 frame_max, 0);
    put_settings_ack(&in);
    put_window_update(&in, 0, 0x7fffffff - 65535);
    put_get(&in, 1);
    feed(session, &in, stream);
    wire_free(&in);
    return session;
}

static void end(halo_session *session, struct reader *reader)
{
    assert_int_equal(reader->left, 0);
    assert_int_equal(reader->head_len, 0);
    assert_false(reader->block_open);
    assert_int_equal(reader->hash_errors, 0);
    wire_free(&reader->block);
    halo_session_free(session);
}

/* ---- bodies ---------------------------------------------------------------------------- */

struct source {
    uint64_t at;
    uint64_t len;
};

static int source_read(void *ctx, uint8_t *out, size_t cap, size_t *len, int *at_end)
{
    struct source *source = ctx;

    *len = (size_t)min_u64(cap, source->len - source->at);
    memcpy(out, octets + source->at % 251, *len);
    source->at += *len;
    *at_end = source->at == source->len;
    return 0;
}

static void send_body(halo_stream *stream, int way, struct source *source)
{
    struct halo_source from = { .read = source_read, .ctx = source };
    size_t len = (size_t)source->len;
    halo_slice slice;

    switch (way) {
    case 0:
        assert_int_equal(halo_stream_write(stream, octets, len, HALO_END_STREAM), 0);
        break;
    case 1:
        assert_int_equal(halo_stream_write_borrow(stream, octets, len, HALO_END_STREAM, NULL, NULL),
                         0);
        break;
    case 2:
        assert_int_equal(halo_slice_copy(&slice, octets, len), 0);
        assert_int_equal(halo_stream_write_slice(stream, &slice, HALO_END_STREAM), 0);
        break;
    default:
        assert_int_equal(halo_stream_set_source(stream, &from, 0), 0);
        break;
    }
}

static void test_scorecard_07_session_body_sizes(void **state)
{
    static const uint32_t sizes[] = {
        0, 1, (1 << 14) - 1, 1 << 14, (1 << 14) + 1, (1 << 24) - 1, 1 << 24, (1 << 24) + 1
    };
    static const uint32_t frames[] = { 1 << 14, (1 << 14) + 1, 1 << 20, (1 << 24) - 1 };

    (void)state;
    for (size_t frame = 0; frame < HALO_ARRAY_LEN(frames); frame++) {
        for (size_t size = 0; size < HALO_ARRAY_LEN(sizes); size++) {
            for (int way = 0; way < 4; way++) {
                struct source source = { .len = sizes[size] };
                halo_stream *stream = NULL;
                struct reader reader;
                halo_session *session = begin(&reader, frames[frame], &stream);

                assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
                send_body(stream, way, &source);
                pull_all(session, &reader);
                assert_int_equal(reader.body, sizes[size]);
                assert_true(reader.ended);
                end(session, &reader);
            }
        }
    }
}

static void test_scorecard_07_session_body_beyond_2_31(void **state)
{
    struct source source = { .len = (UINT64_C(1) << 31) + 1 };
    halo_stream *stream = NULL;
    struct wire more = { 0 };
    struct reader reader;
    halo_session *session;

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    source.at = UINT64_C(1) << 30; /* half of it */
#endif
    session = begin(&reader, 1 << 14, &stream);
    reader.body = source.at;
    put_window_update(&more, 0, 1000);
    put_window_update(&more, 1, 1000);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    send_body(stream, 3, &source);
    pull_all(session, &reader);
    if (source.at != source.len) { /* both windows are used up: 2^31 - 1 */
        struct halo_stream_info info;

        assert_int_equal(reader.body, 0x7fffffff);
        assert_false(reader.ended);
        halo_stream_get_info(stream, &info);
        assert_int_equal(info.octets_sent, 0x7fffffff);
        assert_int_equal(info.remote_window, 0);
        feed(session, &more, &stream);
        pull_all(session, &reader);
    }
    assert_true(reader.body == source.len);
    assert_true(reader.ended);
    end(session, &reader);
    wire_free(&more);
}

/* ---- header values --------------------------------------------------------------------- */

/* The block's only field that is no pseudo-header field has this value. */
static void check_block(const struct reader *reader, struct hpack_decoder *decoder,
                        const char *value, size_t len)
{
    struct hpack_list list = {
        .fields = calloc(8, sizeof(halo_header)),
        .fields_cap = 8,
        .size_max = BLOCK_MAX,
        .fields_hard = 8,
        .size_hard = BLOCK_MAX,
        .string_max = BLOCK_MAX,
        .scratch = malloc(HPACK_SCRATCH_SIZE(BLOCK_MAX, BLOCK_MAX)),
        .scratch_cap = HPACK_SCRATCH_SIZE(BLOCK_MAX, BLOCK_MAX),
    };
    const halo_header *last;
    enum hpack_result result;
    size_t at = 0;

    hpack_decode_begin(decoder, &list);
    do {
        size_t consumed = 0;

        result = hpack_decode(decoder, &list, reader->block.data + at, reader->block.len - at, true,
                              &consumed);
        at += consumed;
        if (result == HPACK_ROOM) {
            size_t room = hpack_table_room_wanted(&decoder->table);

            free(hpack_table_move(&decoder->table, malloc(room), room));
        }
    } while (result == HPACK_ROOM);
    assert_int_equal(result, HPACK_OK);
    assert_true(list.count >= 1);
    last = &list.fields[list.count - 1];
    assert_int_equal(last->value.len, len);
    assert_int_equal(memcmp(last->value.data, value, len), 0);
    free(list.scratch);
    free(list.fields);
}

/* The value in the response and in the trailers, with a short response in front so that the table
 * is not empty. */
static void send_value(const char *value, size_t len, uint32_t frame_max)
{
    halo_header field = { .name = HALO_LIT("x-long"), .value = { value, len } };
    halo_headers headers = { .fields = &field, .count = 1 };
    struct hpack_decoder decoder;
    halo_stream *stream = NULL;
    struct reader reader;
    halo_session *session = begin(&reader, frame_max, &stream);

    hpack_decoder_init(&decoder, HPACK_TABLE_SIZE_DEFAULT);
    assert_int_equal(halo_stream_respond(stream, 200, &headers, 0), 0);
    pull_all(session, &reader);
    check_block(&reader, &decoder, value, len);
    assert_true(reader.block_frames >= (reader.block.len + 16383) / 16384);
    assert_int_equal(halo_stream_trailers(stream, &headers), 0);
    pull_all(session, &reader);
    assert_int_equal(reader.blocks, 2);
    assert_true(reader.ended);
    check_block(&reader, &decoder, value, len);
    free(hpack_table_memory(&decoder.table));
    end(session, &reader);
}

/* Octets that Huffman code makes short, and those that stay as they are. */
static char *value_of(char octet)
{
    char *value = malloc(VALUE_MAX);

    assert_non_null(value);
    memset(value, octet, VALUE_MAX);
    return value;
}

static void test_scorecard_07_session_header_values(void **state)
{
    static const uint32_t sizes[] = { (1 << 14) - 1, 1 << 14,       (1 << 14) + 1, (1 << 21) - 1,
                                      1 << 21,       (1 << 21) + 1, 1 << 22 };
    static const uint32_t frames[] = { 1 << 14, (1 << 24) - 1 };
    char *values[] = { value_of('a'), value_of('|') };

    (void)state;
    send_block = BLOCK_MAX;
    for (size_t size = 0; size < HALO_ARRAY_LEN(sizes); size++) {
        for (size_t frame = 0; frame < HALO_ARRAY_LEN(frames); frame++) {
            send_value(values[0], sizes[size], frames[frame]);
            send_value(values[1], sizes[size], frames[frame]);
        }
    }
    send_block = 65536;
    free(values[0]);
    free(values[1]);
}

/* Blocks of every length around the ends of the first and the second frame. */
static void test_scorecard_07_session_blocks_at_the_ends_of_frames(void **state)
{
    char *value = value_of('|');

    (void)state;
    for (size_t len = 16384 - 40; len < 16384 + 10; len++) {
        send_value(value, len, 1 << 14);
        send_value(value, len + 16384, 1 << 14);
    }
    free(value);
}

/* Beyond the limit: an error of the call, before the first octet; the stream goes on. */
static void refuse_value(const char *value, size_t len)
{
    halo_header field = { .name = HALO_LIT("x-long"), .value = { value, len } };
    halo_headers headers = { .fields = &field, .count = 1 };
    halo_stream *stream = NULL;
    struct reader reader;
    halo_session *session = begin(&reader, 1 << 14, &stream);

    pull_all(session, &reader);
    assert_int_equal(halo_stream_inform(stream, 103, &headers), HALO_E_HEADER_BLOCK_TOO_LONG);
    assert_int_equal(halo_stream_respond(stream, 200, &headers, 0), HALO_E_HEADER_BLOCK_TOO_LONG);
    assert_int_equal(halo_session_wants_send(session), 0);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    pull_all(session, &reader);
    assert_int_equal(halo_stream_trailers(stream, &headers), HALO_E_HEADER_BLOCK_TOO_LONG);
    assert_int_equal(halo_session_wants_send(session), 0);
    assert_int_equal(reader.blocks, 1);
    assert_int_equal(halo_stream_end(stream), 0);
    pull_all(session, &reader);
    assert_true(reader.ended);
    end(session, &reader);
}

static void refuse_request(const char *value, size_t len)
{
    halo_header field = { .name = HALO_LIT("x-long"), .value = { value, len } };
    struct halo_request request = { .authority = HALO_LIT("example.org"),
                                    .headers = { .fields = &field, .count = 1 } };
    struct halo_session_options options;
    halo_stream *stream = NULL;
    struct iovec iov[8];
    halo_session *session;
    size_t sent;
    int count;

    halo_session_options_init(&options, HALO_CLIENT);
    assert_int_equal(halo_session_new(&session, &options, 1), 0);
    while ((count = halo_session_pull(session, iov, 8, 1 << 20)) > 0) {
        sent = 0;
        for (int i = 0; i < count; i++) {
            sent += iov[i].iov_len;
        }
        halo_session_sent(session, sent);
    }
    assert_int_equal(halo_session_request(session, &request, HALO_END_STREAM, NULL, &stream),
                     HALO_E_HEADER_BLOCK_TOO_LONG);
    assert_int_equal(halo_session_wants_send(session), 0);
    halo_session_free(session);
}

static void test_scorecard_07_session_header_values_beyond_the_limit(void **state)
{
    static const uint32_t sizes[] = { 65536 * 2, (1 << 21) - 1, 1 << 21, (1 << 21) + 1, 1 << 22 };
    char *value = value_of('|');

    (void)state;
    for (size_t size = 0; size < HALO_ARRAY_LEN(sizes); size++) {
        refuse_value(value, sizes[size]);
        refuse_request(value, sizes[size]);
    }
    free(value);
}

/* Around the limit each length is sent or refused; none that is sent is beyond it. */
static void test_scorecard_07_session_around_the_limit(void **state)
{
    char *value = value_of('|');
    size_t longest = 0;

    (void)state;
    for (size_t len = 65536 - 256; len < 65536 + 80; len++) {
        halo_header field = { .name = HALO_LIT("x-long"), .value = { value, len } };
        halo_headers headers = { .fields = &field, .count = 1 };
        halo_stream *stream = NULL;
        struct reader reader;
        halo_session *session = begin(&reader, 1 << 14, &stream);
        int status = halo_stream_respond(stream, 200, &headers, HALO_END_STREAM);

        assert_true(status == 0 || status == HALO_E_HEADER_BLOCK_TOO_LONG);
        pull_all(session, &reader);
        assert_int_equal(reader.blocks, status == 0);
        assert_true(reader.block.len <= 65536);
        longest = status == 0 ? len : longest;
        assert_true(status != 0 || longest == len);
        end(session, &reader);
    }
    assert_true(longest > 65536 - 256 && longest < 65536);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scorecard_07_session_body_sizes),
        cmocka_unit_test(test_scorecard_07_session_body_beyond_2_31),
        cmocka_unit_test(test_scorecard_07_session_header_values),
        cmocka_unit_test(test_scorecard_07_session_blocks_at_the_ends_of_frames),
        cmocka_unit_test(test_scorecard_07_session_header_values_beyond_the_limit),
        cmocka_unit_test(test_scorecard_07_session_around_the_limit),
    };

    for (size_t i = 0; i < sizeof(octets); i++) {
        octets[i] = (uint8_t)(i % 251);
    }
    send_block = 65536;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
