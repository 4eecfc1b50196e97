/* The table of frame rules, exhaustively, and frames as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/proto/frame.h"
#include "core/proto/limits.h"

/* RFC 9113 section 6, said once more in another way. */
static uint32_t wanted_code(uint8_t type, uint32_t len, uint32_t id, uint32_t size_max)
{
    if (len > size_max) {
        return HALO_FRAME_SIZE_ERROR;
    }
    switch (type) {
    case FRAME_PRIORITY:
        return len != 5 ? HALO_FRAME_SIZE_ERROR : id == 0 ? HALO_PROTOCOL_ERROR : HALO_NO_ERROR;
    case FRAME_RST_STREAM:
        return len != 4 ? HALO_FRAME_SIZE_ERROR : id == 0 ? HALO_PROTOCOL_ERROR : HALO_NO_ERROR;
    case FRAME_SETTINGS:
        return id != 0 ? HALO_PROTOCOL_ERROR : HALO_NO_ERROR;
    case FRAME_PING:
        return len != 8 ? HALO_FRAME_SIZE_ERROR : id != 0 ? HALO_PROTOCOL_ERROR : HALO_NO_ERROR;
    case FRAME_GOAWAY:
        return len < 8 ? HALO_FRAME_SIZE_ERROR : id != 0 ? HALO_PROTOCOL_ERROR : HALO_NO_ERROR;
    case FRAME_WINDOW_UPDATE:
        return len != 4 ? HALO_FRAME_SIZE_ERROR : HALO_NO_ERROR;
    case FRAME_PUSH_PROMISE:
        return len < 4 ? HALO_FRAME_SIZE_ERROR : id == 0 ? HALO_PROTOCOL_ERROR : HALO_NO_ERROR;
    case FRAME_DATA:
    case FRAME_HEADERS:
    case FRAME_CONTINUATION:
        return id == 0 ? HALO_PROTOCOL_ERROR : HALO_NO_ERROR;
    default:
        return HALO_NO_ERROR;
    }
}

static void rules_of_all_types(void **state)
{
    static const uint32_t lens[] = {
        0, 1, 3, 4, 5, 6, 7, 8, 9, 16383, 16384, 16385, 100000, 100001
    };
    static const uint32_t ids[] = { 0, 1, 2, 0x7fffffff };

    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        for (size_t l = 0; l < HALO_ARRAY_LEN(lens); l++) {
            for (size_t i = 0; i < HALO_ARRAY_LEN(ids); i++) {
                for (uint32_t size_max = 16384; size_max <= 100000; size_max += 100000 - 16384) {
                    struct frame frame = { lens[l], ids[i], (uint8_t)type, 0 };
                    const struct fault *fault = frame_check(&frame, size_max);
                    uint32_t code = fault == NULL ? HALO_NO_ERROR : fault->code;

                    assert_int_equal(code, wanted_code((uint8_t)type, lens[l], ids[i], size_max));
                    assert_true(fault == NULL || fault->scope == FAULT_CONNECTION);
                }
            }
        }
    }
}

static void header_is_loaded_and_stored(void **state)
{
    uint8_t octets[9];
    struct frame frame;

    (void)state;
    assert_ptr_equal(frame_header_store(octets, 0x123456, 0x78, 0x9a, 0x7bcdef01), octets + 9);
    assert_memory_equal(octets, "\x12\x34\x56\x78\x9a\x7b\xcd\xef\x01", 9);
    frame = frame_header_load((const uint8_t *)"\xff\xff\xff\x09\xfe\xff\xff\xff\xff");
    assert_int_equal(frame.len, 0xffffff);
    assert_int_equal(frame.type, 9);
    assert_int_equal(frame.flags, 0xfe);
    assert_int_equal(frame.stream_id, 0x7fffffff);
}

static void frames_as_text(void **state)
{
    static const struct {
        struct frame frame;
        const char *payload;
        size_t len;
        const char *text;
    } cases[] = {
        { { 30, 1, FRAME_HEADERS, 0x5 },
          "",
          0,
          "HEADERS stream=1 len=30 flags=END_STREAM|END_HEADERS" },
        { { 0, 7, FRAME_DATA, 0x9 }, "", 0, "DATA stream=7 len=0 flags=END_STREAM|PADDED" },
        { { 12, 0, FRAME_SETTINGS, 0 },
          "\0\3\0\0\0\x80\x12\x34\0\0\0\1",
          12,
          "SETTINGS len=12 MAX_CONCURRENT_STREAMS=128 setting=4660 value=1" },
        { { 0, 0, FRAME_SETTINGS, 1 }, "", 0, "SETTINGS len=0 flags=ACK" },
        { { 12, 0, FRAME_SETTINGS, 0 },
          "\0\3\0\0\0\x80\x12",
          7,
          "SETTINGS len=12 MAX_CONCURRENT_STREAMS=128" },
        { { 18, 0, FRAME_SETTINGS, 0 },
          "\0\1\0\0\0\1\0\5\0\0\0\2\0\x8\0\0\0\1",
          18,
          "SETTINGS len=18 HEADER_TABLE_SIZE=1 MAX_FRAME_SIZE=2 ENABLE_CONNECT_PROTOCOL=1" },
        { { 8, 0, FRAME_PING, 1 },
          "\0\1\2\3\xfc\xfd\xfe\xff",
          8,
          "PING len=8 flags=ACK payload=00010203fcfdfeff" },
        { { 12, 0, FRAME_GOAWAY, 0 },
          "\0\0\0\5\0\0\0\1no\n\"",
          12,
          "GOAWAY len=12 last_stream=5 code=PROTOCOL_ERROR debug=\"no.\"\"" },
        { { 4, 3, FRAME_RST_STREAM, 0 }, "\0\0\0\x8", 4, "RST_STREAM stream=3 len=4 code=CANCEL" },
        { { 4, 3, FRAME_RST_STREAM, 0 }, "\0\0", 2, "RST_STREAM stream=3 len=4" },
        { { 4, 0, FRAME_WINDOW_UPDATE, 0 },
          "\xff\xff\xff\xff",
          4,
          "WINDOW_UPDATE len=4 increment=2147483647" },
        { { 4, 0, 0xee, 0xff }, "", 0, "UNKNOWN type=238 len=4" },
        { { 30, 1, FRAME_PUSH_PROMISE, 0x4 },
          "\x80\0\0\2\x82",
          5,
          "PUSH_PROMISE stream=1 len=30 flags=END_HEADERS promised=2" },
        { { 30, 1, FRAME_PUSH_PROMISE, 0x8 },
          "\7\0\0\0\4\x82",
          6,
          "PUSH_PROMISE stream=1 len=30 flags=PADDED promised=4" },
        { { 30, 1, FRAME_PUSH_PROMISE, 0x8 },
          "\7\0\0\0",
          4,
          "PUSH_PROMISE stream=1 len=30 flags=PADDED" },
        { { 16, 0, FRAME_ALTSVC, 0 },
          "\0\5http:h2=\":81\"",
          15,
          "ALTSVC len=16 origin=\"http:\" value=\"h2=\":81\"\"" },
        { { 7, 3, FRAME_ALTSVC, 0 }, "\0\0clear", 7, "ALTSVC stream=3 len=7 value=\"clear\"" },
        { { 7, 3, FRAME_ALTSVC, 0 },
          "\xff\xff"
          "clear",
          7,
          "ALTSVC stream=3 len=7 origin=\"clear\" value=\"\"" },
        { { 7, 3, FRAME_ALTSVC, 0 }, "\0", 1, "ALTSVC stream=3 len=7" },
        { { 9, 0, FRAME_ORIGIN, 0 },
          "\0\1a\0\0\0\2b\n",
          9,
          "ORIGIN len=9 origin=\"a\" origin=\"\" origin=\"b.\"" },
        { { 9, 0, FRAME_ORIGIN, 0 }, "\0\7a\0", 4, "ORIGIN len=9 origin=\"a.\"" },
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        size_t len = frame_describe(text, sizeof(text), &cases[i].frame,
                                    (const uint8_t *)cases[i].payload, cases[i].len);

        assert_string_equal(text, cases[i].text);
        assert_int_equal(len, strlen(text));
        for (size_t size = 1; size < sizeof(text); size++) { /* cut, never overrun */
            memset(text, '#', sizeof(text));
            len = frame_describe(text, size, &cases[i].frame, (const uint8_t *)cases[i].payload,
                                 cases[i].len);
            assert_true(len < size);
            assert_int_equal(text[len], 0);
            assert_int_equal(text[size], '#');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_all_types),
        cmocka_unit_test(header_is_loaded_and_stored),
        cmocka_unit_test(frames_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
