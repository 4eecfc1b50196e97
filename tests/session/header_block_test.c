/* RFC 9113 section 4.3, 6.2, 6.10 and 8.2: header blocks, whole and in parts, and their limits. */
#include "fake_peer.h"

#include <stdlib.h>
#include <string.h>

#include "core/proto/limits.h"

static void request_fields(struct wire *block)
{
    fields(block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
}

/* HEADERS with the first `at` octets of the block, CONTINUATION with pieces of `piece` octets. */
static void put_split(struct fake_peer *peer, uint32_t id, const struct wire *block, size_t at,
                      size_t piece)
{
    put_frame(&peer->in, T_HEADERS, at == block->len ? F_END_STREAM | F_END_HEADERS : F_END_STREAM,
              id, block->data, at);
    while (at < block->len) {
        size_t len = piece < block->len - at ? piece : block->len - at;

        put_continuation(&peer->in, id, at + len == block->len ? F_END_HEADERS : 0u,
                         block->data + at, len);
        at += len;
    }
}

static void block_split_anywhere(struct fake_peer *peer)
{
    struct wire block = { 0 };
    uint32_t id = 1;

    peer->app = app_respond;
    peer_open(peer);
    request_fields(&block);
    for (size_t at = 0; at <= block.len; at += 3) {
        put_split(peer, id, &block, at, 10);
        peer_go(peer);
        expect_headers(peer, id, F_END_STREAM, ":status: 200\n");
        expect_nothing(peer);
        id += 2;
    }
    wire_free(&block);
}

static void block_with_padding_and_priority(struct fake_peer *peer)
{
    static const unsigned flags[] = { F_PADDED, F_PRIORITY, F_PADDED | F_PRIORITY };
    struct wire block = { 0 };

    peer->app = app_respond;
    peer_open(peer);
    request_fields(&block);
    for (size_t i = 0; i < 3; i++) {
        put_headers_full(&peer->in, 1 + 2 * (uint32_t)i, flags[i] | F_END_HEADERS | F_END_STREAM,
                         &block, (uint8_t)(i * 127), 0x80000000);
        peer_go(peer);
        expect_headers(peer, 1 + 2 * (uint32_t)i, F_END_STREAM, ":status: 200\n");
    }
    expect_alive(peer);
    wire_free(&block);
}

static void headers_of_bad_form(struct fake_peer *peer)
{
    static const struct {
        unsigned flags;
        const char *payload;
        size_t len;
        uint32_t id;
        uint32_t code;
    } cases[] = {
        { F_PADDED, "", 0, 1, HALO_FRAME_SIZE_ERROR },
        { F_PADDED, "\1", 1, 1, HALO_PROTOCOL_ERROR },
        { F_PADDED, "\5\0\0\0\0", 5, 1, HALO_PROTOCOL_ERROR },
        { F_PRIORITY, "\0\0\0\0", 4, 1, HALO_FRAME_SIZE_ERROR },
        { F_PRIORITY, "\0\0\0\1\0", 5, 1, HALO_PROTOCOL_ERROR }, /* depends on itself */
        { F_PRIORITY, "\x80\0\0\1\0", 5, 1, HALO_PROTOCOL_ERROR },
        { F_PADDED | F_PRIORITY, "\1\0\0\0\0\0", 6, 1, HALO_PROTOCOL_ERROR },
        { F_PADDED | F_PRIORITY, "\0\0\0\0\0", 5, 1, HALO_FRAME_SIZE_ERROR },
        { 0, "", 0, 0, HALO_PROTOCOL_ERROR },
        { 0, "\xff\xff\xff\xff\xff", 5, 1, HALO_COMPRESSION_ERROR },
        { 0, "\x80", 1, 1, HALO_COMPRESSION_ERROR },             /* index 0 */
        { 0, "\xc6", 1, 1, HALO_COMPRESSION_ERROR },             /* index 70 */
        { 0, "\x40", 1, 1, HALO_COMPRESSION_ERROR },             /* ends within a field */
        { 0, "\x3f\xe2\x1f", 3, 1, HALO_COMPRESSION_ERROR },     /* table of 4097 octets */
        { 0, "\x82\x20", 2, 1, HALO_COMPRESSION_ERROR },         /* size update behind a field */
        { 0, "\x00\x81\xff\x00", 4, 1, HALO_COMPRESSION_ERROR }, /* padding of 8 bits */
        { 0, "\x00\x84\xff\xff\xff\xff\x00", 7, 1, HALO_COMPRESSION_ERROR }, /* EOS */
        { 0, "\x00\x82\x1f\x00\x00", 5, 1, HALO_COMPRESSION_ERROR },         /* padding of zeros */
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        peer_open(peer);
        put_frame(&peer->in, T_HEADERS, cases[i].flags | F_END_HEADERS | F_END_STREAM, cases[i].id,
                  cases[i].payload, cases[i].len);
        peer_go(peer);
        expect_dead(peer, cases[i].code);
        peer_restart(peer);
    }
}

/* RFC 9113 6.10: nothing may come between the frames of a block. */
static void block_is_interrupted(struct fake_peer *peer)
{
    for (unsigned type = 0; type <= 12; type++) {
        uint32_t id = type == T_SETTINGS || type == T_PING || type == T_GOAWAY ? 0 : 1;
        size_t len = type == T_PRIORITY                   ? 5
                     : type == T_PING || type == T_GOAWAY ? 8
                     : type == T_SETTINGS                 ? 0
                                                          : 4;

        peer_open(peer);
        put_frame(&peer->in, T_HEADERS, 0, 1, "\x82", 1);
        put_frame(&peer->in, (uint8_t)type, 0, type == T_CONTINUATION ? 3 : id, "\0\0\0\1\0\0\0\0",
                  len);
        peer_go(peer);
        expect_dead(peer, HALO_PROTOCOL_ERROR);
        peer_restart(peer);
    }
}

static void continuation_without_a_block(struct fake_peer *peer)
{
    for (int i = 0; i < 3; i++) {
        peer_open(peer);
        if (i == 1) {
            put_get(&peer->in, 1); /* has ended */
        } else if (i == 2) {
            put_frame(&peer->in, T_HEADERS, 0, 1, "\x82\x87\x84", 3);
            put_continuation(&peer->in, 1, F_END_HEADERS, "\x41\x01\x61", 3);
            put_data(&peer->in, 1, 0, 1);
        }
        put_continuation(&peer->in, 1, F_END_HEADERS, "\x82", 1);
        peer_go(peer);
        expect_dead(peer, HALO_PROTOCOL_ERROR);
        peer_restart(peer);
    }
}

/* ---- limits ---------------------------------------------------------------------------------------- */

static void continuations_limit(struct fake_peer *peer)
{
    for (int over = 0; over < 2; over++) {
        struct wire block = { 0 };

        peer->app = app_respond;
        peer_open(peer);
        request_fields(&block);
        put_frame(&peer->in, T_HEADERS, F_END_STREAM, 1, block.data, 5);
        for (int i = 0; i < LIMIT_CONTINUATION_FRAMES - 1 + over; i++) {
            put_continuation(&peer->in, 1, 0, block.data + 5 + i, 1);
        }
        put_continuation(&peer->in, 1, F_END_HEADERS,
                         block.data + 5 + LIMIT_CONTINUATION_FRAMES - 1 + over,
                         block.len - 5 - LIMIT_CONTINUATION_FRAMES + 1 - (size_t)over);
        peer_go(peer);
        if (over) {
            expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        } else {
            expect_headers(peer, 1, F_END_STREAM, ":status: 200\n");
        }
        wire_free(&block);
        peer_restart(peer);
    }
}

static void empty_continuations_limit(struct fake_peer *peer)
{
    for (int count = LIMIT_CONTINUATION_EMPTY; count <= LIMIT_CONTINUATION_EMPTY + 1; count++) {
        struct wire block = { 0 };

        peer_open(peer);
        request_fields(&block);
        put_frame(&peer->in, T_HEADERS, F_END_STREAM, 1, NULL, 0);
        for (int i = 0; i < count; i++) {
            put_continuation(&peer->in, 1, 0, NULL, 0);
        }
        put_continuation(&peer->in, 1, F_END_HEADERS, block.data, block.len);
        peer_go(peer);
        if (count > LIMIT_CONTINUATION_EMPTY) {
            expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        } else {
            expect_alive(peer);
        }
        wire_free(&block);
        peer_restart(peer);
    }
}

static void many_continuations(struct halo_session_options *options)
{
    options->limits.continuation_frames = 300;
}

static void continuations_limit_large(struct fake_peer *peer)
{
    peer_open(peer);
    put_frame(&peer->in, T_HEADERS, F_END_STREAM, 1, "\x82", 1);
    for (int i = 0; i < 301; i++) {
        put_continuation(&peer->in, 1, 0, "\x82", 1);
    }
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* A field of `len` octets of value: list size 32 + 1 + len. */
static void big_field(struct wire *block, size_t len)
{
    char *value = malloc(len + 1);

    memset(value, 'v', len);
    field_octets(block, "x", 1, value, len);
    free(value);
}

static void small_limits(struct halo_session_options *options)
{
    options->limits.header_list_size = 1000;
    options->limits.header_fields = 10;
    options->limits.header_string = 500;
    options->limits.header_block = 3000;
    options->settings.max_frame_size = 100000;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_FRAME_SIZE);
}

/* :method GET :scheme https :path / :authority a: list size 42 + 44 + 38 + 43 = 167 */
static void list_size_limit(struct fake_peer *peer)
{
    static const size_t sizes[] = { 999, 1000, 1001, 1999, 2000, 2001 };

    peer->app = app_respond;
    for (size_t i = 0; i < HALO_ARRAY_LEN(sizes); i++) {
        struct wire block = { 0 };
        size_t left = sizes[i] - 167;

        peer_open(peer);
        request_fields(&block);
        while (left > 500) {
            big_field(&block, 400);
            left -= 433;
        }
        big_field(&block, left - 33);
        put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
        peer_go(peer);
        if (sizes[i] <= 1000) {
            expect_headers(peer, 1, F_END_STREAM, ":status: 200\n");
        } else if (sizes[i] <= 2000) {
            expect_rst(peer, 1, HALO_ENHANCE_YOUR_CALM);
            expect_alive(peer);
        } else {
            expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        }
        wire_free(&block);
        peer_restart(peer);
    }
}

static void fields_and_string_limits(struct fake_peer *peer)
{
    peer->app = app_respond;
    peer_open(peer);
    for (uint32_t i = 0; i < 4; i++) {
        struct wire block = { 0 };
        uint32_t id = 1 + 2 * i;

        request_fields(&block);
        if (i < 2) {
            for (uint32_t count = 4; count < 10 + i; count++) {
                field(&block, "f", "");
            }
        } else {
            big_field(&block, 498 + i); /* 500, 501 */
        }
        for (int crumb = 0; crumb < 2; crumb++) {
            field(&block, "cookie", "c"); /* counted apart */
        }
        put_headers(&peer->in, id, F_END_STREAM | F_END_HEADERS, &block);
        peer_go(peer);
        if (i % 2 == 0) {
            expect_headers(peer, id, F_END_STREAM, ":status: 200\n");
        } else {
            expect_rst(peer, id, HALO_ENHANCE_YOUR_CALM);
        }
        wire_free(&block);
    }
    expect_alive(peer);
}

static void small_block(struct halo_session_options *options)
{
    options->limits.header_block = 3000;
    options->settings.max_frame_size = 100000;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_FRAME_SIZE);
}

/* The limit of octets holds for a block in one frame, in two, and however these arrive. */
static void block_size_limit(struct fake_peer *peer)
{
    for (int i = 0; i < 4; i++) {
        struct wire block = { 0 };
        bool over = i % 2 != 0;

        peer->app = app_respond;
        put_preface(&peer->in);
        put_settings(&peer->in, 0);
        put_settings_ack(&peer->in);
        peer_go(peer);
        skip_output(peer);
        request_fields(&block);
        big_field(&block, 3000 - block.len - 6 + (over ? 1 : 0)); /* 6: 00 01 x 7f .. .. */
        assert_int_equal(block.len, over ? 3001 : 3000);
        put_split(peer, 1, &block, i < 2 ? block.len : 1000, 3000);
        peer_go(peer);
        if (over) {
            expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        } else {
            expect_headers(peer, 1, F_END_STREAM, ":status: 200\n");
        }
        wire_free(&block);
        peer_restart(peer);
    }
}

/* Frames that carry nothing we keep are not gathered without bound, whole or in pieces. */
static void control_frame_size_limit(struct fake_peer *peer)
{
    for (size_t len = LIMIT_CONTROL_PAYLOAD; len <= LIMIT_CONTROL_PAYLOAD + 1; len++) {
        put_preface(&peer->in);
        put_settings(&peer->in, 0);
        put_settings_ack(&peer->in);
        peer_go(peer);
        put_frame_header(&peer->in, (uint32_t)len, T_GOAWAY, 0, 0);
        wire_fill(&peer->in, 0, len);
        peer_go(peer);
        if (len > LIMIT_CONTROL_PAYLOAD) {
            expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        } else {
            skip_log(peer);
            skip_output(peer);
            assert_true(peer->session->goaway_received);
        }
        peer_restart(peer);
    }
}

static void header_block_timeout(struct fake_peer *peer)
{
    peer_open(peer);
    put_frame(&peer->in, T_HEADERS, 0, 1, "\x82", 1);
    peer_go(peer);
    for (int i = 0; i < 5; i++) { /* more of it does not help */
        peer_wait(peer, LIMIT_HEADER_BLOCK_MS / 5 - (i == 4));
        put_continuation(&peer->in, 1, 0, "\x87", 1);
        peer_go(peer);
    }
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_goaway(peer, HALO_ENHANCE_YOUR_CALM, 0);
    expect_log(peer, "SESSION_CLOSED TIMEOUT ENHANCE_YOUR_CALM origin=2 processed=0\n");
}

/* ---- the table stays in step ----------------------------------------------------------------------- */

/* Blocks of streams that are refused, malformed, too large or gone add to the table as others do. */
static void table_follows_every_block(struct fake_peer *peer)
{
    struct wire block = { 0 };

    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
    field_indexed(&block, "x-a", "of a stream that was reset"); /* then 62 */
    put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
    block.len = 0;
    field_indexed(&block, "BAD", "malformed");
    request_fields(&block);
    put_headers(&peer->in, 3, F_END_STREAM | F_END_HEADERS, &block);
    block.len = 0;
    request_fields(&block);
    for (int i = 0; i < 200; i++) {
        field(&block, "f", "");
    }
    field_indexed(&block, "x-b", "of a list that is too long");
    put_headers(&peer->in, 5, F_END_STREAM | F_END_HEADERS, &block);
    peer_go(peer);
    skip_log(peer);
    skip_output(peer);
    block.len = 0;
    request_fields(&block);
    field_at(&block, 62);
    field_at(&block, 64);
    put_headers(&peer->in, 7, F_END_STREAM | F_END_HEADERS, &block);
    peer_go(peer);
    expect_log(peer, "REQUEST 7 END :method=GET :scheme=https :path=/ :authority=a "
                     "x-b=of a list that is too long x-a=of a stream that was reset\n");
    wire_free(&block);
}

/* Ours: a table size that the peer lowers is obeyed (the test's decoder would be broken otherwise). */
static void encoder_table_follows_the_peer(struct fake_peer *peer)
{
    static const uint32_t sizes[] = { 4096, 0, 100, 65536, 200, 4096 };
    halo_header list[] = { test_field("x-first", "some value"),
                           test_field("x-second", "another value") };
    halo_headers headers = { .fields = list, .count = 2 };
    uint32_t id = 1;

    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(sizes); i++) {
        put_settings(&peer->in, 1, sizes[i], 0);
        peer_go(peer);
        expect_settings_ack(peer);
        hpack_decoder_set_max(&peer->decoder, sizes[i]);
        for (int again = 0; again < 4; again++) {
            put_get(&peer->in, id);
            peer_go(peer);
            assert_int_equal(
                halo_stream_respond(peer_stream(peer, id), 200, &headers, HALO_END_STREAM), 0);
            peer_go(peer);
            expect_headers(peer, id, F_END_STREAM,
                           ":status: 200\nx-first: some value\nx-second: another value\n");
            id += 2;
        }
    }
}

/* A block larger than a frame goes out as HEADERS and CONTINUATION, with END_STREAM on the first. */
static void large_blocks_are_sent(struct fake_peer *peer)
{
    static char values[4][13000];
    halo_header list[4];
    halo_headers headers = { .fields = list, .count = 3 };
    struct heard_frame heard;

    for (int i = 0; i < 4; i++) {
        memset(values[i], 'A' + i * 3, sizeof(values[i]) - 1);
        list[i] = test_field("x-large", values[i]);
    }
    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, &headers, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    assert_int_equal(peer->headers.len, 13 + 3 * (9 + 12999 + 1));
    headers.count = 4;
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, &headers, HALO_END_STREAM), 0);
    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_HEADERS);
    assert_int_equal(heard.frame.flags, F_END_STREAM);
    assert_int_equal(heard.frame.len, 16384);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_CONTINUATION);
    while (peer_next_frame(peer, &heard)) {
        assert_int_equal(heard.frame.type, T_CONTINUATION);
    }
    assert_int_equal(heard.frame.flags, F_END_HEADERS);
}

static void block_that_is_too_large_to_send(struct fake_peer *peer)
{
    static char value[70000];
    halo_header list = { .name = HALO_LIT("x"), .value = { value, sizeof(value) } };
    halo_headers headers = { .fields = &list, .count = 1 };

    memset(value, 'x', sizeof(value));
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, &headers, 0),
                     HALO_E_HEADER_BLOCK_TOO_LONG);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 500, NULL, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 500\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(block_split_anywhere),
        SERVER(block_with_padding_and_priority),
        SERVER(headers_of_bad_form),
        SERVER(block_is_interrupted),
        SERVER(continuation_without_a_block),
        SERVER(continuations_limit),
        SERVER(empty_continuations_limit),
        SERVER_WITH(continuations_limit_large, many_continuations),
        SERVER_WITH(list_size_limit, small_limits),
        SERVER_WITH(fields_and_string_limits, small_limits),
        SERVER_WITH(block_size_limit, small_block),
        SERVER_WITH(control_frame_size_limit, small_block),
        SERVER(header_block_timeout),
        SERVER(table_follows_every_block),
        SERVER(encoder_table_follows_the_peer),
        SERVER(large_blocks_are_sent),
        SERVER(block_that_is_too_large_to_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
