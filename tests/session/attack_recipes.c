#include "attack_play.h"

#include <halo/settings.h>

#include "core/base/base.h"
#include "core/proto/limits.h"

/* ---- control frames -------------------------------------------------------------------------------------- */

static void ping(struct wire *wire, uint32_t i)
{
    (void)i;
    put_ping(wire, 0, "flooding");
}

static void settings(struct wire *wire, uint32_t i)
{
    (void)i;
    put_settings(wire, 0);
}

static void gets(struct wire *wire)
{
    for (uint32_t id = 1; id < 2 * 100; id += 2) {
        put_get(wire, id);
    }
}

static void window_toggle(struct wire *wire, uint32_t i)
{
    put_settings(wire, HALO_SETTINGS_INITIAL_WINDOW_SIZE, i % 2 == 0 ? 65535u : 0u, 0);
}

static void large_settings(struct wire *wire, uint32_t i)
{
    (void)i;
    put_frame_header(wire, 2400 * 6, T_SETTINGS, 0, 0);
    for (uint32_t entry = 0; entry < 2400; entry++) {
        wire_octets(wire, "\x00\x04\x00\x00\xff\xff", 6);
    }
}

static void malformed(struct wire *wire, uint32_t i)
{
    put_fields(wire, 1 + 2 * i, 0, "UPPER", "x", NULL);
}

static void post(struct wire *wire)
{
    put_post(wire, 1);
}

static void empty_data(struct wire *wire, uint32_t i)
{
    (void)i;
    put_data(wire, 1, 0, 0);
}

static void padded_data(struct wire *wire, uint32_t i)
{
    (void)i;
    put_data_padded(wire, 1, 0, 0, 255);
}

static void small_data(struct wire *wire, uint32_t i)
{
    (void)i;
    put_data(wire, 1, 0, 1);
}

static void window_update(struct wire *wire, uint32_t i)
{
    (void)i;
    put_window_update(wire, 0, 1);
}

static void window_update_of_streams(struct wire *wire, uint32_t i)
{
    put_window_update(wire, 1 + 2 * (i % 100), 1);
}

static void priority(struct wire *wire, uint32_t i)
{
    put_priority(wire, 1 + 2 * (i % 100), 201 + 2 * i, 9);
}

static void priority_update(struct wire *wire, uint32_t i)
{
    put_priority_update(wire, 1 + 2 * i, "u=7");
}

static void unknown(struct wire *wire, uint32_t i)
{
    (void)i;
    put_frame(wire, 0xee, 0, 0, NULL, 0);
}

static void unknown_large(struct wire *wire, uint32_t i)
{
    put_frame_header(wire, 16384, (uint8_t)(0x11 + i % 16), 0, 0);
    wire_fill(wire, 0, 16384);
}

static void promise(struct wire *wire, uint32_t i)
{
    put_promise(wire, 1, 2 + 2 * i);
}

static void goaway(struct wire *wire, uint32_t i)
{
    (void)i;
    put_frame_header(wire, 16384, T_GOAWAY, 0, 0);
    wire_fill(wire, 0, 16384);
}

/* ---- streams --------------------------------------------------------------------------------------------- */

static void rapid_reset(struct wire *wire, uint32_t i)
{
    put_get(wire, 1 + 2 * i);
    put_rst_stream(wire, 1 + 2 * i, HALO_CANCEL);
}

static void rapid_reset_split(struct wire *wire, uint32_t i)
{
    put_frame(wire, T_HEADERS, F_END_STREAM, 1 + 2 * i, "\x82", 1);
    put_continuation(wire, 1 + 2 * i, F_END_HEADERS, "\x84\x87\x41\x01x", 5);
    put_rst_stream(wire, 1 + 2 * i, HALO_CANCEL);
}

static void reset_in_batches(struct wire *wire, uint32_t i)
{
    for (uint32_t id = 1 + 256 * i; id < 1 + 256 * (i + 1); id += 2) {
        put_get(wire, id);
    }
    for (uint32_t id = 1 + 256 * i; id < 1 + 256 * (i + 1); id += 2) {
        put_rst_stream(wire, id, HALO_CANCEL);
    }
}

static void get(struct wire *wire)
{
    put_get(wire, 1);
}

static void made_you_reset_1(struct wire *wire, uint32_t i)
{
    (void)i;
    put_window_update(wire, 1, 0);
}

static void made_you_reset_2(struct wire *wire, uint32_t i)
{
    (void)i;
    put_frame(wire, T_PRIORITY, 0, 1, "\0\0\0\0", 4);
}

static void made_you_reset_3(struct wire *wire, uint32_t i)
{
    (void)i;
    put_priority(wire, 1, 1, 0);
}

static void made_you_reset_4(struct wire *wire, uint32_t i)
{
    (void)i;
    put_window_update(wire, 1, 0x7fffffff);
}

static void made_you_reset_5(struct wire *wire, uint32_t i)
{
    (void)i;
    put_fields(wire, 1, F_END_STREAM, "x", "y", NULL);
}

static void made_you_reset_6(struct wire *wire, uint32_t i)
{
    (void)i;
    put_data(wire, 1, 0, 1);
}

static void one_get(struct wire *wire, uint32_t i)
{
    put_get(wire, 1 + 2 * i);
}

/* A request that the application resets, and frames that were under way. */
static void frames_after_reset(struct wire *wire, uint32_t i)
{
    uint32_t id = 1 + 2 * i;

    put_post(wire, id);
    put_data(wire, id, 0, 100);
    put_window_update(wire, id, 1);
    put_fields(wire, id, F_END_STREAM, "x", "y", NULL);
}

/* ---- header blocks ----------------------------------------------------------------------------------------- */

static void open_block(struct wire *wire)
{
    put_frame(wire, T_HEADERS, F_END_STREAM, 1, "\x82", 1);
}

static void continuation(struct wire *wire, uint32_t i)
{
    (void)i;
    put_frame_header(wire, 16384, T_CONTINUATION, 0, 1);
    wire_fill(wire, 0x10, 16384);
}

static void empty_continuation(struct wire *wire, uint32_t i)
{
    (void)i;
    put_continuation(wire, 1, 0, NULL, 0);
}

static void continuation_dribble(struct wire *wire, uint32_t i)
{
    (void)i;
    put_continuation(wire, 1, 0, "x", 1);
}

/* A request, a field that goes to the table, and `count` times its index. */
static void bomb(struct wire *wire, uint32_t id, const char *name, size_t value_len, uint32_t count)
{
    static char value[4096];
    struct wire block = { 0 };

    for (size_t i = 0; i < value_len; i++) {
        value[i] = 'x';
    }
    value[value_len] = 0;
    wire_octets(&block, "\x82\x84\x87\x41\x01x", 6);
    field_indexed(&block, name, value);
    wire_fill(&block, 0xbe, count);
    put_headers(wire, id, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
}

static void hpack_bomb(struct wire *wire, uint32_t i)
{
    bomb(wire, 1 + 2 * i, "a", 4063, 12000);
}

/* Kept just within the hard limit: each is decoded, and reset. */
static void hpack_bomb_soft(struct wire *wire, uint32_t i)
{
    bomb(wire, 1 + 2 * i, "a", 4000, 15);
}

static void http2_bomb(struct wire *wire, uint32_t i)
{
    bomb(wire, 1 + 2 * i, "a", 0, 16000);
}

/* As much as is allowed, and the application keeps it. */
static void http2_bomb_small(struct wire *wire, uint32_t i)
{
    bomb(wire, 1 + 2 * i, "a", 0, 120);
}

static void cookie_bomb(struct wire *wire, uint32_t i)
{
    bomb(wire, 1 + 2 * i, "cookie", 0, 4091);
}

static void cookie_bomb_small(struct wire *wire, uint32_t i)
{
    bomb(wire, 1 + 2 * i, "cookie", 0, 255);
}

static void empty_names(struct wire *wire, uint32_t i)
{
    struct wire block = { 0 };

    wire_octets(&block, "\x82\x84\x87\x41\x01x", 6);
    for (int at = 0; at < 100; at++) {
        field(&block, "", "");
    }
    put_headers(wire, 1 + 2 * i, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
}

static void long_integer(struct wire *wire, uint32_t i)
{
    put_frame(wire, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1 + 2 * i,
              "\x7f\xff\xff\xff\xff\xff\xff\xff\x0f", 9);
}

static void bad_huffman(struct wire *wire, uint32_t i)
{
    put_frame(wire, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1 + 2 * i,
              "\x00\x84\xff\xff\xff\xff\x00", 7);
}

static void size_updates(struct wire *wire, uint32_t i)
{
    put_frame_header(wire, 16384, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1 + 2 * i);
    wire_fill(wire, 0x20, 16384);
}

/* Two in each block: the table is emptied each time. */
static void size_updates_allowed(struct wire *wire, uint32_t i)
{
    put_frame(wire, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1 + 2 * i,
              "\x20\x3f\xe1\x1f\x82\x84\x87\x41\x01x", 10);
}

static void table_flips(struct wire *wire, uint32_t i)
{
    put_settings(wire, HALO_SETTINGS_HEADER_TABLE_SIZE, i % 2 == 0 ? 0xffffffffu : 0u, 0);
}

/* ---- flow control ------------------------------------------------------------------------------------------- */

static void wide_open(struct wire *wire)
{
    put_window_update(wire, 0, 0x7fffffff - 65535);
    gets(wire);
}

static void nothing(struct wire *wire, uint32_t i)
{
    (void)i;
    (void)wire;
}

static void window_overflow(struct wire *wire, uint32_t i)
{
    (void)i;
    put_window_update(wire, 0, 0x7fffffff);
}

static void too_much_data(struct wire *wire, uint32_t i)
{
    (void)i;
    put_data(wire, 1, 0, 16384);
}

/* ---- the table ---------------------------------------------------------------------------------------------- */

#define ENDS(n)  .frames = 4 * (n) + 100, .ends_within = (n), .code = HALO_ENHANCE_YOUR_CALM
#define DIES(c)  .frames = 10, .ends_within = 1, .code = (c)
#define KIB      *1024
#define WINDOW_0 .setting = HALO_SETTINGS_INITIAL_WINDOW_SIZE, .setting_value = 0

const struct attack attacks[] = {
    { "A1.1a PING", NULL, ping, ENDS(LIMIT_PINGS + 1), .memory = 1 KIB },
    { "A1.1b PING, not reading", NULL, ping, .frames = 100000, .unread = true,
      .ends_within = LIMIT_QUEUED_REPLIES, .stops = true, .memory = 16 KIB },
    { "A1.2a SETTINGS", NULL, settings, ENDS(LIMIT_SETTINGS), .memory = 1 KIB },
    { "A1.2b SETTINGS, window toggles", gets, window_toggle, ENDS(LIMIT_SETTINGS),
      .handlers = 100 },
    { "A1.3 SETTINGS of 2400 entries", NULL, large_settings, ENDS(1), .memory = 32 KIB },
    { "A1.4 malformed requests", NULL, malformed, ENDS(LIMIT_FAULTS + 1), .memory = 8 KIB },
    { "A1.5a empty DATA", post, empty_data, ENDS(LIMIT_EMPTY_FRAMES + 1), .handlers = 1,
      .memory = 20 KIB },
    { "A1.5b padding only", post, padded_data, ENDS(LIMIT_EMPTY_FRAMES + 1), .handlers = 1,
      .memory = 20 KIB },
    { "A1.6 DATA of one octet, not read", post, small_data, .frames = 65535,
      .handler = HANDLER_PAUSE, .handlers = 1, .memory = 128 KIB },
    { "A1.7a WINDOW_UPDATE", NULL, window_update, ENDS(6 + LIMIT_WINDOW_UPDATES_SLACK),
      .memory = 1 KIB },
    { "A1.7b WINDOW_UPDATE of 100 streams", gets, window_update_of_streams, WINDOW_0,
      ENDS(6 + 200 + 20 * 100 + LIMIT_WINDOW_UPDATES_SLACK), .handler = HANDLER_BODY,
      .handlers = 100 },
    { "A1.8 PRIORITY", gets, priority, ENDS(LIMIT_PRIORITIES + 16 * 100 + 1), .handlers = 100 },
    { "A1.9 PRIORITY_UPDATE", NULL, priority_update, ENDS(LIMIT_PRIORITY_UPDATES + 1),
      .memory = 4 KIB },
    { "A1.10a unknown frames", NULL, unknown, ENDS(LIMIT_GLITCHES + 1), .memory = 1 KIB },
    { "A1.10b unknown frames of 16 KiB", NULL, unknown_large, ENDS(LIMIT_GLITCHES + 1),
      .memory = 1 KIB },
    { "A1.11 PUSH_PROMISE", get, promise, DIES(HALO_PROTOCOL_ERROR), .handlers = 1,
      .memory = 20 KIB },
    { "A1.12 GOAWAY of 16 KiB", get, goaway, ENDS(LIMIT_GLITCHES + 2), .handlers = 1,
      .memory = 32 KIB },

    { "A2.1 rapid reset", NULL, rapid_reset, ENDS(LIMIT_RESETS + 1), .handlers = LIMIT_RESETS + 1 },
    { "A2.2a resets in batches", NULL, reset_in_batches, ENDS(3), .handlers = LIMIT_RESETS + 128 },
    { "A2.2b rapid reset, 66 a second", NULL, rapid_reset, ENDS(3 * LIMIT_RESETS), .step_ms = 15,
      .handlers = 3 * LIMIT_RESETS },
    { "A2.2c rapid reset, split blocks", NULL, rapid_reset_split, ENDS(LIMIT_RESETS + 1),
      .handlers = LIMIT_RESETS + 1 },
    { "A2.3.1 MadeYouReset", get, made_you_reset_1, DIES(HALO_PROTOCOL_ERROR), .handlers = 1,
      .octets_out = 10 },
    { "A2.3.2 MadeYouReset", get, made_you_reset_2, DIES(HALO_FRAME_SIZE_ERROR), .handlers = 1,
      .octets_out = 10 },
    { "A2.3.3 MadeYouReset", get, made_you_reset_3, DIES(HALO_PROTOCOL_ERROR), .handlers = 1,
      .octets_out = 10 },
    { "A2.3.4 MadeYouReset", get, made_you_reset_4, DIES(HALO_FLOW_CONTROL_ERROR), .handlers = 1,
      .octets_out = 10 },
    { "A2.3.5 MadeYouReset", get, made_you_reset_5, DIES(HALO_STREAM_CLOSED), .handlers = 1,
      .octets_out = 10 },
    { "A2.3.6 MadeYouReset", get, made_you_reset_6, DIES(HALO_STREAM_CLOSED), .handlers = 1,
      .octets_out = 10 },
    { "A2.4 tiny MAX_HEADER_LIST_SIZE", NULL, one_get, .frames = 1000, .handler = HANDLER_ANSWER,
      .setting = HALO_SETTINGS_MAX_HEADER_LIST_SIZE, .setting_value = 1, .handlers = 1000 },
    { "A2.5 HEADERS and RST at once", NULL, rapid_reset, .frames = 1, .handlers = 1,
      .memory = 40 KIB },
    { "A2.6 frames after our reset", NULL, frames_after_reset, .frames = 2000,
      .handler = HANDLER_RESET, .handlers = 2000 },

    { "A3.1 CONTINUATION of 16 KiB", open_block, continuation,
      ENDS(LIMIT_CONTINUATION_FRAMES + 1) },
    { "A3.2a empty CONTINUATION", open_block, empty_continuation,
      ENDS(LIMIT_CONTINUATION_EMPTY + 1), .octets_out = 4 },
    { "A3.2b CONTINUATION of one octet", open_block, continuation_dribble,
      ENDS(LIMIT_CONTINUATION_FRAMES + 1) },
    { "A3.3a HPACK bomb", NULL, hpack_bomb, ENDS(1), .memory = 256 KIB },
    { "A3.3b HPACK bomb below the hard limit", NULL, hpack_bomb_soft, ENDS(LIMIT_FAULTS + 1),
      .memory = 256 KIB },
    { "A3.4a HTTP/2 bomb", NULL, http2_bomb, ENDS(1), WINDOW_0, .memory = 256 KIB },
    { "A3.4b HTTP/2 bomb within the limits", NULL, http2_bomb_small, .frames = 128, WINDOW_0,
      .handler = HANDLER_BODY, .handlers = 128, .memory = 2048 KIB },
    { "A3.4c cookies", NULL, cookie_bomb, ENDS(1), WINDOW_0, .memory = 256 KIB },
    { "A3.4d cookies within the limits", NULL, cookie_bomb_small, .frames = 128, WINDOW_0,
      .handler = HANDLER_BODY, .handlers = 128, .memory = 2048 KIB },
    { "A3.5 empty names", NULL, empty_names, ENDS(LIMIT_FAULTS + 1), .memory = 256 KIB },
    { "A3.6 long integers", NULL, long_integer, DIES(HALO_COMPRESSION_ERROR), .octets_out = 5 },
    { "A3.7 Huffman padding", NULL, bad_huffman, DIES(HALO_COMPRESSION_ERROR), .octets_out = 5 },
    { "A3.8a size updates", NULL, size_updates, DIES(HALO_COMPRESSION_ERROR) },
    { "A3.8b size updates, two a block", NULL, size_updates_allowed, .frames = 2000,
      .handler = HANDLER_ANSWER, .handlers = 2000 },
    { "A3.8c table flips", NULL, table_flips, ENDS(LIMIT_SETTINGS), .memory = 8 KIB },

    { "A4.1 data dribble", gets, window_update_of_streams, ENDS(20000),
      .setting = HALO_SETTINGS_INITIAL_WINDOW_SIZE, .setting_value = 1, .handler = HANDLER_BODY,
      .handlers = 100, .memory = 512 KIB, .octets_out = 2 },
    { "A4.2 nothing is read of 100 bodies", wide_open, nothing, .frames = 100,
      .handler = HANDLER_BODY, .unread = true, .setting = HALO_SETTINGS_INITIAL_WINDOW_SIZE,
      .setting_value = 0x7fffffff, .handlers = 100, .memory = 512 KIB },
    { "A4.4 window drip", gets, window_update_of_streams, .frames = 40, .step_ms = 1000, WINDOW_0,
      .handler = HANDLER_BODY, .handlers = 100, .all_cut = true, .octets_out = 4 },
    { "A4.5 window overflow", NULL, window_overflow, DIES(HALO_FLOW_CONTROL_ERROR),
      .octets_out = 5 },
    { "A4.7 more than our window", post, too_much_data, .frames = 10, .ends_within = 4,
      .code = HALO_FLOW_CONTROL_ERROR, .handler = HANDLER_PAUSE, .handlers = 1, .memory = 128 KIB },
};
const size_t attack_count = HALO_ARRAY_LEN(attacks);
