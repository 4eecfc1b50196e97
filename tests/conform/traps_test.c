/* Traps that other implementations fell into, one test each: those of frames and header fields. */
#include "conform.h"

#include <stdio.h>

#include "core/base/base.h"
#include "core/proto/limits.h"

static void many_faults(struct halo_session_options *options)
{
    options->limits.faults = 1000000;
}

/* T02: the reserved bit of an increment and of a last stream is no part of the number. */
static void test_trap_T02_reserved_bits(struct fake_peer *peer)
{
    struct halo_session_info info;

    peer_open(peer);
    put_window_update(&peer->in, 0, 0x80000000u | 100);
    peer_go(peer);
    halo_session_get_info(peer->session, &info);
    assert_int_equal(info.remote_window, 65535 + 100);
    put_goaway(&peer->in, 0x80000005, HALO_NO_ERROR, "");
    peer_go(peer);
    expect_log(peer, "GOAWAY NO_ERROR last=5 debug=\nSESSION_CLOSED\n");
    peer_restart(peer);
    peer_open(peer);
    put_window_update(&peer->in, 0, 0x80000000u); /* 0 with the bit is still 0 */
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

/* T03: HEADERS with the PRIORITY flag and less than 5 octets; the exclusive bit is no part of the
 * stream's number. */
static void test_trap_T03_short_priority(struct fake_peer *peer)
{
    struct wire block = { 0 };

    for (size_t len = 0; len < 10; len++) {
        static const uint8_t payload[] = { 4, 0, 0, 0, 0, 15, 0, 0, 0, 0 };
        bool padded = len > 5; /* pad length, and then too little */

        peer_open(peer);
        put_frame(&peer->in, T_HEADERS,
                  F_END_HEADERS | F_END_STREAM | F_PRIORITY | (padded ? F_PADDED : 0u), 1, payload,
                  padded ? len - 5 : len);
        peer_go(peer);
        if (len == 5) {
            expect_rst(peer, 1, HALO_PROTOCOL_ERROR); /* a block of nothing */
            expect_alive(peer);
        } else {
            expect_dead(peer, HALO_FRAME_SIZE_ERROR);
        }
        peer_restart(peer);
    }
    peer->app = app_respond;
    peer_open(peer);
    put_request_block(&block);
    put_headers_full(&peer->in, 3, F_END_HEADERS | F_END_STREAM | F_PRIORITY, &block, 0,
                     0x80000001);
    wire_free(&block);
    peer_go(peer);
    expect_answer(peer, 3);
    peer->app = NULL;
}

/* T05: pseudo-header fields behind regular ones, known or unknown, in every place. */
static void test_trap_T05_pseudo_out_of_order(struct fake_peer *peer)
{
    static const char *const regular[][2] = {
        { "x", "y" }, { "host", "example.org" }, { "cookie", "a" }, { "accept", "x" }
    };
    static const char *const pseudo[][2] = { { ":method", "GET" },
                                             { ":scheme", "https" },
                                             { ":path", "/" },
                                             { ":authority", "example.org" } };
    uint32_t id = 1;

    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(regular); i++) {
        for (size_t at = 0; at < 4; at++, id += 2) {
            struct wire block = { 0 };

            for (size_t k = 0; k < 4; k++) {
                if (k == at) {
                    field(&block, regular[i][0], regular[i][1]);
                }
                field(&block, pseudo[k][0], pseudo[k][1]);
            }
            put_headers(&peer->in, id, F_END_HEADERS | F_END_STREAM, &block);
            wire_free(&block);
            peer_go(peer);
            expect_rst(peer, id, HALO_PROTOCOL_ERROR);
            expect_log(peer, "");
        }
    }
}

/* T06: the first and last letters, and what lies next to them. */
static void test_trap_T06_letters_at_the_ends(struct fake_peer *peer)
{
    static const struct {
        const char *name;
        bool good;
    } cases[] = {
        { "xA", false }, { "xZ", false }, { "A", false },     { "Z", false },
        { "x@", false }, { "x[", false }, { "xa", true },     { "xz", true },
        { "x`", true },  { "x{", false }, { "x0", true },     { "x9", true },
        { "x/", false }, { "x:", false }, { "x~", true },     { "x\x7f", false },
        { "x!", true },  { "x ", false }, { "x\x80", false }, { "x\xff", false },
    };
    uint32_t id = 1;

    peer->app = app_respond;
    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++, id += 2) {
        put_get_with(&peer->in, id, cases[i].name, "v");
        peer_go(peer);
        if (cases[i].good) {
            expect_answer(peer, id);
        } else {
            expect_rst(peer, id, HALO_PROTOCOL_ERROR);
        }
        expect_nothing(peer);
    }
    peer->app = NULL;
}

/* T07: what has no place in an authority, in :authority and in host alike. */
static void test_trap_T07_forbidden_in_authority(struct fake_peer *peer)
{
    static const char *const bad[] = {
        "a@b", "@", "a/b", "a?b", "a#b", "a\\b", "a b", "a\tb", "a\rb", "a\nb", "a\x7f", "",
    };
    uint32_t id = 1;

    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        static const char *const names[] = { ":authority", "host" };

        for (size_t k = 0; k < 2; k++, id += 2) {
            put_fields(&peer->in, id, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path",
                       "/", names[k], bad[i], NULL);
            peer_go(peer);
            expect_rst(peer, id, HALO_PROTOCOL_ERROR);
            expect_log(peer, "");
        }
    }
}

/* T08: white space around values and empty names, as they are and in the code of RFC 7541. */
static void test_trap_T08_space_and_empty_names(struct fake_peer *peer)
{
    static const struct {
        const char *octets;
        size_t len;
        bool good;
    } cases[] = {
        { "\x00\x01x\x02 v", 6, false },   { "\x00\x01x\x02v ", 6, false },
        { "\x00\x01x\x02\tv", 6, false },  { "\x00\x01x\x02v\t", 6, false },
        { "\x00\x01x\x01 ", 5, false },    { "\x00\x01x\x00", 4, true }, /* empty values are fine */
        { "\x00\x01x\x03v v", 7, true },   { "\x00\x00\x01v", 4, false }, /* no name */
        { "\x00\x80\x01v", 4, false },                                    /* no name, coded */
        { "\x40\x00\x00", 3, false },      /* no name and no value, into the table */
        { "\x40\x80\x80", 3, false },      /* the same, coded */
        { "\x00\x01x\x81\x53", 5, false }, /* " " coded: 010100, and ones */
        { "\x00\x01x\x80", 4, true },      /* an empty value, coded */
    };
    uint32_t id = 1;

    peer->app = app_respond;
    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++, id += 2) {
        struct wire block = { 0 };

        put_request_block(&block);
        wire_octets(&block, cases[i].octets, cases[i].len);
        put_headers(&peer->in, id, F_END_STREAM | F_END_HEADERS, &block);
        wire_free(&block);
        peer_go(peer);
        if (cases[i].good) {
            expect_answer(peer, id);
        } else {
            expect_rst(peer, id, HALO_PROTOCOL_ERROR);
        }
        expect_nothing(peer);
    }
    peer->app = NULL;
}

/* T09: connection-specific fields in trailers that are sent, and that are received. */
static void test_trap_T09_connection_fields_in_trailers(struct fake_peer *peer)
{
    static const char *const names[] = { "connection",        "Connection",       "keep-alive",
                                         "proxy-connection",  "upgrade",          "http2-settings",
                                         "transfer-encoding", "Transfer-Encoding" };
    uint32_t id = 3;

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    for (size_t i = 0; i < HALO_ARRAY_LEN(names); i++) {
        halo_header header = test_field(names[i], "x");
        halo_headers headers = { .fields = &header, .count = 1 };

        assert_int_equal(halo_stream_trailers(peer_stream(peer, 1), &headers),
                         HALO_E_INVALID_CONNECTION_HEADERS);
    }
    assert_int_equal(halo_stream_end(peer_stream(peer, 1)), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_data(peer, 1, F_END_STREAM, 0);
    for (size_t i = 0; i < HALO_ARRAY_LEN(names); i++, id += 2) {
        put_post(&peer->in, id);
        put_fields(&peer->in, id, F_END_STREAM, names[i], "x", NULL);
        peer_go(peer);
        expect_rst(peer, id, HALO_PROTOCOL_ERROR);
    }
    skip_log(peer);
}

/* T10: a body is promised and HEADERS end the stream; it ends too early with DATA, with trailers.
 * */
static void test_trap_T10_body_missing_or_short(struct fake_peer *peer)
{
    peer_open(peer);
    for (uint32_t end = 0; end < 4; end++) {
        uint32_t id = 1 + 2 * end;

        put_fields(&peer->in, id, end == 0 ? F_END_STREAM : 0u, ":method", "POST", ":scheme",
                   "https", ":path", "/", ":authority", "a", "content-length", "10", NULL);
        if (end == 1) {
            put_data(&peer->in, id, F_END_STREAM, 9);
        } else if (end == 2) {
            put_data(&peer->in, id, 0, 9);
            put_fields(&peer->in, id, F_END_STREAM, "x", "y", NULL);
        } else if (end == 3) {
            put_fields(&peer->in, id, F_END_STREAM, "x", "y", NULL);
        }
        peer_go(peer);
        expect_rst(peer, id, HALO_PROTOCOL_ERROR);
        skip_log(peer);
    }
}

/* T11: integers of HPACK that overflow 32 or 64 bits, or do not end. */
static void test_trap_T11_long_integers(struct fake_peer *peer)
{
    static const struct {
        const char *octets;
        size_t len;
        uint32_t code;
    } cases[] = {
        { "\xff\x80\x80\x80\x80\x10", 6, HALO_COMPRESSION_ERROR },                      /* 2^32 + */
        { "\xff\xff\xff\xff\xff\x0f", 6, HALO_COMPRESSION_ERROR },                      /* 2^32 */
        { "\xff\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 11, HALO_COMPRESSION_ERROR }, /* 2^64 */
        { "\xff\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 13, HALO_COMPRESSION_ERROR },
        { "\xff\x80", 2, HALO_COMPRESSION_ERROR },
        { "\x7f\xff\xff\xff\xff\xff\x01\x01v", 9, HALO_COMPRESSION_ERROR },
        { "\x3f\xff\xff\xff\xff\xff\xff\x01", 8, HALO_COMPRESSION_ERROR }, /* a table size */
        { "\x00\x7f\xff\xff\xff\xff\xff\xff\x01", 9, HALO_COMPRESSION_ERROR },
        { "\x00\x01x\xff\x80\x80\x80\x80\x80\x80\x80\x80\x01", 13, HALO_COMPRESSION_ERROR },
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        peer_open(peer);
        put_frame(&peer->in, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1, cases[i].octets,
                  cases[i].len);
        peer_go(peer);
        expect_dead(peer, cases[i].code);
        peer_restart(peer);
    }
}

/* T12: a peer that offers a table of 4 GiB gets one of 4 KiB, and is told that. */
static void test_trap_T12_encoder_table_is_capped(struct fake_peer *peer)
{
    struct halo_session_info info;
    struct heard_frame heard;

    peer_open_with(peer, HALO_SETTINGS_HEADER_TABLE_SIZE, 0xffffffffu);
    for (uint32_t id = 1; id < 400; id += 2) {
        char value[64];
        halo_header header;
        halo_headers headers = { .fields = &header, .count = 1 };

        snprintf(value, sizeof(value), "a value that is new each time, number %u", id);
        header = test_field("x-new", value);
        put_get(&peer->in, id);
        peer_go(peer);
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, &headers, HALO_END_STREAM),
                         0);
        peer_go(peer);
        assert_true(peer_next_frame(peer, &heard));
        assert_int_equal(heard.frame.type, T_HEADERS);
        halo_session_get_info(peer->session, &info);
        assert_true(info.encoder_table_octets <= 4096);
    }
}

/* T30: a block cut anywhere, also within a coded string and within an integer. */
static void test_trap_T30_block_cut_anywhere(struct fake_peer *peer)
{
    static const uint8_t coded[] = {
        /* RFC 7541 C.4.1: :method GET, :scheme http, :path /, :authority www.example.com (coded) */
        0x82,
        0x86,
        0x84,
        0x41,
        0x8c,
        0xf1,
        0xe3,
        0xc2,
        0xe5,
        0xf2,
        0x3a,
        0x6b,
        0xa0,
        0xab,
        0x90,
        0xf4,
        0xff,
        /* x with a value of 200 octets: a length of three octets */
        0x00,
        0x01,
        'x',
        0x7f,
        0x49,
    };
    struct wire block = { 0 };
    uint32_t id = 1;

    peer->app = app_respond;
    peer_open(peer);
    wire_octets(&block, coded, sizeof(coded));
    wire_fill(&block, 'v', 200);
    for (size_t at = 0; at <= sizeof(coded); at++, id += 2) {
        put_frame(&peer->in, T_HEADERS, F_END_STREAM, id, block.data, at);
        put_continuation(&peer->in, id, 0, block.data + at, 1);
        put_continuation(&peer->in, id, F_END_HEADERS, block.data + at + 1, block.len - at - 1);
        peer_go(peer);
        expect_answer(peer, id);
        expect_nothing(peer);
    }
    wire_free(&block);
    peer->app = NULL;
}

/* T25: CONTINUATION is counted by the frame, also when it is empty. */
static void test_trap_T25_empty_continuations(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    for (size_t empty = LIMIT_CONTINUATION_EMPTY; empty <= LIMIT_CONTINUATION_EMPTY + 1; empty++) {
        peer_open(peer);
        put_headers(&peer->in, 1, F_END_STREAM, &block);
        for (size_t i = 0; i < empty; i++) {
            put_continuation(&peer->in, 1, 0, "", 0);
        }
        peer_go(peer);
        if (empty > LIMIT_CONTINUATION_EMPTY) {
            expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        } else {
            expect_nothing(peer);
            expect_log(peer, "");
        }
        peer_restart(peer);
    }
    wire_free(&block);
}

/* T31: an increment of 0 is an error of the connection in each state, but for streams that never
 * were. */
static void test_trap_T31_increment_of_0(struct fake_peer *peer)
{
    for (int state = 0; state < 4; state++) {
        peer_open(peer);
        if (state < 3) {
            put_get(&peer->in, 1);
        }
        if (state == 1) {
            peer_go(peer);
            halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
        } else if (state == 2) {
            peer_go(peer);
            halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
        }
        put_window_update(&peer->in, 1, 0);
        peer_go(peer);
        expect_dead(peer, HALO_PROTOCOL_ERROR);
        peer_restart(peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT(test_trap_T02_reserved_bits),
        SERVER(test_trap_T03_short_priority),
        SERVER(test_trap_T05_pseudo_out_of_order),
        SERVER_WITH(test_trap_T06_letters_at_the_ends, many_faults),
        SERVER_WITH(test_trap_T07_forbidden_in_authority, many_faults),
        SERVER_WITH(test_trap_T08_space_and_empty_names, many_faults),
        SERVER(test_trap_T09_connection_fields_in_trailers),
        SERVER(test_trap_T10_body_missing_or_short),
        SERVER(test_trap_T11_long_integers),
        SERVER(test_trap_T12_encoder_table_is_capped),
        SERVER(test_trap_T25_empty_continuations),
        SERVER(test_trap_T30_block_cut_anywhere),
        SERVER(test_trap_T31_increment_of_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
