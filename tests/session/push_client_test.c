/* RFC 9113 section 8.4: what a client is promised. Rows of Node's surface: C03, C05, K03, L03, N06. */
#include "fake_peer.h"

#include <stdio.h>

#include "core/proto/limits.h"

#define PROMISED ":method=GET :scheme=https :path=/ :authority=example.org\n"

static void with_push(struct halo_session_options *options)
{
    options->settings.enable_push = 1;
    options->encrypted = 1;
}

static void cleartext(struct halo_session_options *options)
{
    options->settings.enable_push = 1;
}

static void any_origin(struct halo_session_options *options)
{
    with_push(options);
    options->push_origin = HALO_PUSH_ANY_ORIGIN;
}

static void three_reserved(struct halo_session_options *options)
{
    with_push(options);
    options->max_reserved_remote_streams = 3;
}

static void no_reserved(struct halo_session_options *options)
{
    with_push(options);
    options->max_reserved_remote_streams = 0;
}

static void two_streams(struct halo_session_options *options)
{
    with_push(options);
    options->settings.max_concurrent_streams = 2;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS);
}

static void open_request(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    skip_output(peer);
}

static uint32_t state_of(const halo_stream *stream)
{
    struct halo_stream_info info;

    halo_stream_get_info(stream, &info);
    return info.state;
}

static uint32_t open_streams(struct fake_peer *peer)
{
    struct halo_session_info info;

    halo_session_get_info(peer->session, &info);
    return info.open_streams;
}

static void test_C03_C05_L03_N06_session_pushed_response(struct fake_peer *peer)
{
    halo_stream *pushed;

    open_request(peer);
    put_promise(&peer->in, 1, 2);
    peer_go(peer);
    expect_log(peer, "ON 1 PUSH 2 " PROMISED);
    pushed = peer_stream(peer, 2);
    assert_int_equal(state_of(pushed), HALO_STATE_RESERVED_REMOTE);
    assert_int_equal(open_streams(peer), 1);
    assert_int_equal(halo_stream_headers(pushed).count, 0);
    assert_int_equal(halo_stream_promise(pushed).count, 4);
    assert_int_equal(halo_stream_respond(pushed, 200, NULL, 0), HALO_E_WRONG_STATE);
    assert_int_equal(halo_stream_inform(pushed, 103, NULL), HALO_E_WRONG_STATE);
    assert_int_not_equal(halo_stream_write(pushed, "x", 1, 0), 0);
    assert_int_not_equal(halo_stream_trailers(pushed, NULL), 0);
    put_fields(&peer->in, 2, 0, ":status", "200", NULL);
    put_ok(&peer->in, 1, F_END_STREAM); /* the parent may end before */
    put_data_padded(&peer->in, 2, 0, 1000, 20);
    peer_go(peer);
    assert_int_equal(state_of(pushed), HALO_STATE_HALF_CLOSED_LOCAL);
    assert_int_equal(open_streams(peer), 1);
    assert_int_equal(halo_stream_headers(pushed).count, 1);
    for (int i = 0; i < 10; i++) {
        put_data(&peer->in, 2, 0, 10000); /* beyond the window: credit is returned */
    }
    put_window_update(&peer->in, 2, 10);
    put_fields(&peer->in, 2, F_END_STREAM, "x-end", "yes", NULL);
    peer_go(peer);
    expect_log(peer, "RESPONSE 2 status=200 :status=200\nRESPONSE 1 status=200 END :status=200\n"
                     "CLOSED 1\nDATA 2 len=101000\nTRAILERS 2 END x-end=yes\nCLOSED 2\n");
    expect_nothing(peer);
    assert_int_equal(open_streams(peer), 0);
}

static void push_of_HEAD(struct fake_peer *peer)
{
    open_request(peer);
    put_promise_of(&peer->in, 1, 2, ":method", "HEAD", ":scheme", "https", ":path", "/",
                   ":authority", "EXAMPLE.org:443", "content-length", "0", NULL);
    put_fields(&peer->in, 2, F_END_STREAM, ":status", "200", "content-length", "1000", NULL);
    peer_go(peer);
    expect_log(peer, "ON 1 PUSH 2 :method=HEAD :scheme=https :path=/ :authority=EXAMPLE.org:443 "
                     "content-length=0\nRESPONSE 2 status=200 END :status=200 "
                     "content-length=1000\nCLOSED 2\n");
}

/* The default: ENABLE_PUSH 0. Acknowledged, a promise ends the connection; before, it is refused. */
static void push_is_off(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    put_promise(&peer->in, 1, 2);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
    peer_restart(peer);
    put_settings(&peer->in, 0);
    peer_go(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    skip_output(peer);
    skip_log(peer);
    put_promise(&peer->in, 1, 2);
    put_fields(&peer->in, 2, 0, ":status", "200", NULL);
    put_data(&peer->in, 2, F_END_STREAM, 1000);
    peer_go(peer);
    expect_rst(peer, 2, HALO_REFUSED_STREAM);
    expect_log(peer, "");
    put_settings_ack(&peer->in);
    put_promise(&peer->in, 1, 4);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

static void expect_refused(struct fake_peer *peer, uint32_t id, const char *status)
{
    char expected[200];

    (void)snprintf(expected, sizeof(expected),
                   "ON 1 PUSH %u " PROMISED "CLOSED %u %s REFUSED_STREAM origin=2 processed=0\n",
                   id, id, status);
    expect_log(peer, expected);
}

/* RFC 9113 6.5.3: what we send about concurrent streams holds for the server from its ACK on. Before,
 * its responses beyond our limit are refused one by one, however many, and that is nobody's error. */
static void limit_that_is_not_acknowledged(struct fake_peer *peer)
{
    struct halo_settings settings = {
        .present = HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS),
        .max_concurrent_streams = 1,
    };
    const uint32_t refused = LIMIT_REFUSED_STREAMS + 10;
    uint32_t id = 4;

    open_request(peer);
    put_promise(&peer->in, 1, 2);
    put_fields(&peer->in, 2, 0, ":status", "200", NULL);
    peer_go(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 6);
    for (uint32_t i = 0; i < refused; i++, id += 2) {
        skip_log(peer);
        put_promise(&peer->in, 1, id);
        put_fields(&peer->in, id, 0, ":status", "103", NULL);
        put_data(&peer->in, id, F_END_STREAM, 10); /* was under way */
        peer_go(peer);
        expect_rst(peer, id, HALO_REFUSED_STREAM);
        expect_refused(peer, id, "LIMIT");
    }
    put_settings_ack(&peer->in);
    peer_go(peer);
    skip_log(peer);
    put_promise(&peer->in, 1, id);
    put_fields(&peer->in, id, 0, ":status", "200", NULL);
    peer_go(peer);
    expect_rst(peer, id, HALO_REFUSED_STREAM);
    expect_refused(peer, id, "PROTOCOL");
    expect_alive(peer);
}

/* Switched off and on while the connection lives. */
static void push_is_switched(struct fake_peer *peer)
{
    struct halo_settings settings = { .present = HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH) };

    open_request(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    put_promise(&peer->in, 1, 2);
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 6);
    expect_rst(peer, 2, HALO_REFUSED_STREAM);
    put_settings_ack(&peer->in);
    peer_go(peer);
    settings.enable_push = 1;
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    put_settings_ack(&peer->in);
    peer_request(peer, "GET", HALO_END_STREAM); /* 3 */
    peer_go(peer);
    skip_log(peer);
    put_promise(&peer->in, 3, 4);
    peer_go(peer);
    expect_log(peer, "ON 3 PUSH 4 " PROMISED);
    put_promise(&peer->in, 3, 2); /* not above the one that was refused */
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

/* Numbers and parents that no promise may have: RFC 9113 6.6, 8.4. */
static void promises_that_end_the_connection(struct fake_peer *peer)
{
    static const struct {
        uint32_t parent;
        uint32_t promised;
        bool fine;
    } cases[] = {
        { 1, 6, true },  { 1, 0x80000006, true }, { 1, 0x7ffffffe, true },
        { 1, 4, false }, { 1, 2, false },         { 1, 0, false },
        { 1, 7, false }, { 1, 1, false },         { 2, 6, false }, /* a pushed one */
        { 3, 6, false },                                           /* has ended */
        { 5, 6, true },                                            /* reset by us: refused */
        { 7, 6, false },                                           /* reset by the server */
        { 9, 6, false },                                           /* idle */
        { 6, 8, false },                                           /* idle, the server's */
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        halo_stream *third;

        open_request(peer);
        peer_request(peer, "GET", HALO_END_STREAM);
        third = peer_request(peer, "GET", HALO_END_STREAM);
        peer_request(peer, "GET", HALO_END_STREAM);
        put_promise(&peer->in, 1, 4);
        put_ok(&peer->in, 3, F_END_STREAM);
        put_rst_stream(&peer->in, 7, HALO_CANCEL);
        peer_go(peer);
        halo_stream_reset(third, HALO_CANCEL);
        peer_go(peer);
        skip_output(peer);
        put_promise(&peer->in, cases[i].parent, cases[i].promised);
        peer_go(peer);
        if (!cases[i].fine) {
            expect_dead(peer, HALO_PROTOCOL_ERROR);
        } else {
            if (cases[i].parent == 5) {
                expect_rst(peer, 6, HALO_REFUSED_STREAM);
            }
            expect_alive(peer);
        }
        peer_restart(peer);
    }
}

static void frames_of_bad_form(struct fake_peer *peer)
{
    static const struct {
        uint8_t flags;
        const char *payload;
        size_t len;
        uint32_t code;
    } cases[] = {
        { F_END_HEADERS, "\0\0\0", 3, HALO_FRAME_SIZE_ERROR },
        { F_END_HEADERS | F_PADDED, "\0\0\0\0", 4, HALO_FRAME_SIZE_ERROR },
        { F_END_HEADERS | F_PADDED, "\1\0\0\0\2", 5, HALO_PROTOCOL_ERROR },
        { F_END_HEADERS | F_PADDED, "\2\0\0\0\2\x82", 6, HALO_PROTOCOL_ERROR },
        { F_END_HEADERS, "\0\0\0\2\xff", 5, HALO_COMPRESSION_ERROR },
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        open_request(peer);
        put_frame(&peer->in, T_PUSH_PROMISE, cases[i].flags, 1, cases[i].payload, cases[i].len);
        peer_go(peer);
        expect_dead(peer, cases[i].code);
        peer_restart(peer);
    }
}

/* What a promised request must not be: the stream is reset, nobody hears of it, and what the server
 * sends on it is dropped. */
static void promises_that_are_malformed(struct fake_peer *peer)
{
    static const char *const cases[][8] = {
        { ":method", "POST" },
        { ":method", "OPTIONS" },
        { ":method", "get" },
        { ":authority", "other.example" },
        { ":authority", "example.org:444" },
        { ":authority", "user@example.org" },
        { ":scheme", "http" },
        { ":scheme", "ftp" },
        { ":path", "x" },
        { "content-length", "1" },
        { "transfer-encoding", "chunked" },
        { "x y", "1" },
        { ":status", "200" },
        { ":path", "" },
    };

    open_request(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        static const char *const plain[][2] = {
            { ":method", "GET" },
            { ":scheme", "https" },
            { ":path", "/" },
            { ":authority", "example.org" },
        };
        uint32_t id = 2 + 2 * (uint32_t)i;
        struct wire block = { 0 };
        bool replaced = false;

        for (size_t j = 0; j < 4; j++) {
            bool same = strcmp(plain[j][0], cases[i][0]) == 0;

            field(&block, plain[j][0], same ? cases[i][1] : plain[j][1]);
            replaced |= same;
        }
        if (!replaced) {
            field(&block, cases[i][0], cases[i][1]);
        }
        put_push_promise(&peer->in, 1, F_END_HEADERS, id, &block);
        put_fields(&peer->in, id, 0, ":status", "200", NULL);
        put_data(&peer->in, id, F_END_STREAM, 100);
        wire_free(&block);
        peer_go(peer);
        expect_rst(peer, id, HALO_PROTOCOL_ERROR);
    }
    put_promise_of(&peer->in, 1, 100, ":method", "GET", ":scheme", "https", ":path", "/", "host",
                   "example.org", NULL);
    peer_go(peer);
    expect_rst(peer, 100, HALO_PROTOCOL_ERROR);
    expect_log(peer, "");
    put_promise(&peer->in, 1, 102);
    peer_go(peer);
    expect_log(peer, "ON 1 PUSH 102 " PROMISED);
}

/* curl: https is never taken over cleartext, whatever the application allows; http is. */
static void test_trap_T32_no_https_over_cleartext(struct fake_peer *peer)
{
    struct halo_request request = { .scheme = HALO_LIT("http"), .authority = HALO_LIT("a:80") };
    halo_stream *stream;

    open_request(peer); /* https, as behind something that ends TLS */
    put_promise(&peer->in, 1, 2);
    peer_go(peer);
    expect_rst(peer, 2, HALO_PROTOCOL_ERROR);
    expect_log(peer, "");
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    put_promise_of(&peer->in, 3, 4, ":method", "GET", ":scheme", "http", ":path", "/", ":authority",
                   "A", NULL);
    peer_go(peer);
    expect_log(peer, "ON 3 PUSH 4 :method=GET :scheme=http :path=/ :authority=A\n");
}

static void little_memory(struct halo_session_options *options)
{
    with_push(options);
    options->memory_soft = 20000;
}

/* Lists of promises are the peer's, and count as what it makes us hold. */
static void promises_count_as_memory(struct fake_peer *peer)
{
    static char value[8001];
    uint64_t before;

    memset(value, 'x', sizeof(value) - 1);
    open_request(peer);
    before = halo_session_memory(peer->session);
    for (uint32_t id = 2; id <= 8; id += 2) {
        put_promise_of(&peer->in, 1, id, ":method", "GET", ":scheme", "https", ":path", "/",
                       ":authority", "example.org", "x", value, NULL);
        peer_go(peer);
    }
    assert_true(halo_session_memory(peer->session) > before + 3 * 8000);
    expect_rst(peer, 8, HALO_REFUSED_STREAM); /* above the soft limit */
    assert_int_equal(halo_stream_reset(peer_stream(peer, 2), HALO_CANCEL), 0);
    assert_int_equal(halo_stream_reset(peer_stream(peer, 4), HALO_CANCEL), 0);
    peer_go(peer);
    assert_true(halo_session_memory(peer->session) < before + 2 * 8000 + 1000);
    skip_output(peer);
    skip_log(peer);
    put_promise(&peer->in, 1, 10);
    peer_go(peer);
    expect_log(peer, "ON 1 PUSH 10 " PROMISED);
}

static void cleartext_any_origin(struct halo_session_options *options)
{
    any_origin(options);
    options->encrypted = 0;
}

static void the_application_decides(struct fake_peer *peer)
{
    open_request(peer);
    put_promise_of(&peer->in, 1, 2, ":method", "GET", ":scheme", "https", ":path", "/",
                   ":authority", "other.example", NULL);
    peer_go(peer);
    expect_log(peer, "ON 1 PUSH 2 :method=GET :scheme=https :path=/ :authority=other.example\n");
    assert_int_equal(halo_stream_reset(peer_stream(peer, 2), HALO_CANCEL), 0);
    put_fields(&peer->in, 2, 0, ":status", "200", NULL);
    put_data(&peer->in, 2, F_END_STREAM, 1000);
    peer_go(peer);
    expect_rst(peer, 2, HALO_CANCEL);
    expect_log(peer, "CLOSED 2 STREAM_CANCEL CANCEL origin=1 processed=0\n");
    expect_alive(peer);
}

static void refuse_in_handler(struct fake_peer *peer, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_PUSH) {
        assert_int_equal(halo_stream_reset(event->stream, HALO_REFUSED_STREAM), 0);
    }
    (void)peer;
}

static void refused_in_the_handler(struct fake_peer *peer)
{
    peer->app = refuse_in_handler;
    open_request(peer);
    put_promise(&peer->in, 1, 2);
    put_fields(&peer->in, 2, F_END_STREAM, ":status", "200", NULL);
    peer_go(peer);
    expect_rst(peer, 2, HALO_REFUSED_STREAM);
    expect_log(peer, "ON 1 PUSH 2 " PROMISED
                     "CLOSED 2 STREAM_CANCEL REFUSED_STREAM origin=1 processed=0\n");
    expect_alive(peer);
}

/* RFC 9113 5.1.2: promised streams count apart; at the limit and one more. */
static void test_K03_session_reserved_streams(struct fake_peer *peer)
{
    open_request(peer);
    for (uint32_t id = 2; id <= 8; id += 2) {
        put_promise(&peer->in, 1, id);
    }
    peer_go(peer);
    expect_rst(peer, 8, HALO_REFUSED_STREAM);
    expect_log(peer, "ON 1 PUSH 2 " PROMISED "ON 1 PUSH 4 " PROMISED "ON 1 PUSH 6 " PROMISED);
    put_fields(&peer->in, 2, 0, ":status", "103", NULL); /* that one is open now */
    put_promise(&peer->in, 1, 10);
    put_promise(&peer->in, 1, 12);
    peer_go(peer);
    expect_rst(peer, 12, HALO_REFUSED_STREAM);
    put_rst_stream(&peer->in, 4, HALO_CANCEL);
    peer_go(peer);
    put_promise(&peer->in, 1, 14);
    put_promise(&peer->in, 1, 16);
    peer_go(peer);
    expect_rst(peer, 16, HALO_REFUSED_STREAM);
    expect_alive(peer);
}

static void test_K03_session_no_reserved_streams(struct fake_peer *peer)
{
    open_request(peer);
    for (uint32_t i = 1; i <= LIMIT_GLITCHES; i++) {
        put_promise(&peer->in, 1, 2 * i);
        peer_go(peer);
        expect_rst(peer, 2 * i, HALO_REFUSED_STREAM);
    }
    put_promise(&peer->in, 1, 2 * LIMIT_GLITCHES + 2);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* h2#936: a promised stream counts as open once, from its first HEADERS on, be it a 1xx. */
static void test_trap_T19_informational_counts_once(struct fake_peer *peer)
{
    open_request(peer);
    for (uint32_t id = 2; id <= 6; id += 2) {
        put_promise(&peer->in, 1, id);
    }
    put_fields(&peer->in, 2, 0, ":status", "103", NULL);
    put_fields(&peer->in, 2, 0, ":status", "103", NULL);
    put_fields(&peer->in, 2, 0, ":status", "200", NULL);
    peer_go(peer);
    assert_int_equal(open_streams(peer), 2);
    put_fields(&peer->in, 4, 0, ":status", "200", NULL);
    peer_go(peer);
    assert_int_equal(open_streams(peer), 3);
    expect_nothing(peer);
    skip_log(peer);
    put_fields(&peer->in, 6, 0, ":status", "103", NULL); /* the third of two */
    peer_go(peer);
    expect_rst(peer, 6, HALO_REFUSED_STREAM);
    expect_log(peer, "CLOSED 6 PROTOCOL REFUSED_STREAM origin=2 processed=0\n");
    put_data(&peer->in, 2, F_END_STREAM, 10);
    put_promise(&peer->in, 1, 8);
    put_fields(&peer->in, 8, 0, ":status", "200", NULL);
    peer_go(peer);
    assert_int_equal(open_streams(peer), 3);
    expect_nothing(peer);
}

/* RFC 9113 5.1: reserved (remote) and after. */
static void frames_on_pushed_streams(struct fake_peer *peer)
{
    static const struct {
        uint8_t type;
        int reserved;
        int open;
        int closed; /* after END_STREAM */
    } cases[] = {
        { T_DATA, HALO_PROTOCOL_ERROR, -1, HALO_STREAM_CLOSED },
        { T_HEADERS, -1, -1, HALO_STREAM_CLOSED },
        { T_PRIORITY, -1, -1, -1 },
        { T_RST_STREAM, -1, -1, -1 },
        { T_PUSH_PROMISE, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR },
        { T_WINDOW_UPDATE, HALO_PROTOCOL_ERROR, -1, -1 },
        { T_CONTINUATION, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR },
        { T_ALTSVC, -1, -1, -1 },
        { T_ORIGIN, -1, -1, -1 },
        { 0xee, -1, -1, -1 },
    };

    for (size_t i = 0; i < 3 * HALO_ARRAY_LEN(cases); i++) {
        int outcome = i % 3 == 0   ? cases[i / 3].reserved
                      : i % 3 == 1 ? cases[i / 3].open
                                   : cases[i / 3].closed;

        open_request(peer);
        put_promise(&peer->in, 1, 2);
        if (i % 3 > 0) {
            put_ok(&peer->in, 2, i % 3 == 2 ? F_END_STREAM : 0);
        }
        switch (cases[i / 3].type) {
        case T_DATA:
            put_data(&peer->in, 2, 0, 10);
            break;
        case T_HEADERS:
            put_ok(&peer->in, 2, F_END_STREAM);
            break;
        case T_PUSH_PROMISE:
            put_promise(&peer->in, 2, 4);
            break;
        case T_PRIORITY:
            put_priority(&peer->in, 2, 0, 1);
            break;
        case T_ALTSVC:
            put_altsvc(&peer->in, 2, "", "clear");
            break;
        default:
            put_frame(&peer->in, cases[i / 3].type, 0, 2, "\0\0\0\12", 4);
            break;
        }
        peer_go(peer);
        if (outcome < 0) {
            expect_alive(peer);
        } else {
            expect_dead(peer, (uint32_t)outcome);
        }
        peer_restart(peer);
    }
    /* Numbers that were never promised. */
    open_request(peer);
    put_promise(&peer->in, 1, 6);
    put_ok(&peer->in, 4, F_END_STREAM);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
    peer_restart(peer);
    open_request(peer);
    put_ok(&peer->in, 2, F_END_STREAM);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

/* A promise in several frames: decoded as one, refused or not; the table follows. */
static void promise_with_continuation(struct fake_peer *peer)
{
    struct wire block = { 0 };

    for (int refused = 0; refused < 2; refused++) {
        open_request(peer);
        block.len = 0;
        fields(&block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority",
               "example.org", NULL);
        field_indexed(&block, "x-table", "in it");
        put_frame_header(&peer->in, 4 + 10, T_PUSH_PROMISE, 0, 1);
        wire_u32(&peer->in, 2);
        wire_octets(&peer->in, block.data, 10);
        peer_go(peer);
        if (refused != 0) {
            halo_stream_reset(peer_stream(peer, 0), HALO_CANCEL);
            peer_go(peer);
            expect_rst(peer, 1, HALO_CANCEL);
        }
        put_continuation(&peer->in, 1, 0, block.data + 10, 10);
        put_continuation(&peer->in, 1, F_END_HEADERS, block.data + 20, block.len - 20);
        peer_go(peer);
        if (refused != 0) {
            expect_rst(peer, 2, HALO_REFUSED_STREAM);
        } else {
            skip_log(peer);
            block.len = 0;
            field(&block, ":status", "200");
            field_at(&block, 62);
            put_headers(&peer->in, 2, F_END_HEADERS | F_END_STREAM, &block);
            peer_go(peer);
            expect_log(peer, "RESPONSE 2 status=200 END :status=200 x-table=in it\nCLOSED 2\n");
        }
        expect_alive(peer);
        peer_restart(peer);
    }
    /* Interrupted by another frame. */
    open_request(peer);
    put_frame(&peer->in, T_PUSH_PROMISE, 0, 1, "\0\0\0\2\x82", 5);
    put_ping(&peer->in, 0, "whatever");
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
    wire_free(&block);
}

/* RFC 9113 6.8: our GOAWAY names the last promise that was told of; later ones are ignored. */
static void our_goaway(struct fake_peer *peer)
{
    open_request(peer);
    put_promise(&peer->in, 1, 2);
    peer_go(peer);
    halo_session_close(peer->session);
    put_promise(&peer->in, 1, 4);
    put_ok(&peer->in, 4, 0);
    put_data(&peer->in, 4, F_END_STREAM, 1000);
    put_ok(&peer->in, 2, F_END_STREAM);
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, 2);
    expect_nothing(peer);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "ON 1 PUSH 2 " PROMISED "RESPONSE 2 status=200 END :status=200\nCLOSED 2\n"
                     "RESPONSE 1 status=200 END :status=200\nCLOSED 1\nSESSION_CLOSED\n");
}

/* The server's GOAWAY is about our requests, not about its promises (trap 17). */
static void their_goaway(struct fake_peer *peer)
{
    open_request(peer);
    put_promise(&peer->in, 1, 4);
    put_goaway(&peer->in, 1, HALO_NO_ERROR, "");
    put_ok(&peer->in, 4, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "ON 1 PUSH 4 " PROMISED "GOAWAY NO_ERROR last=1 debug=\n"
                     "RESPONSE 4 status=200 END :status=200\nCLOSED 4\n");
}

/* A pushed body that nobody reads: held within its window, then given. */
static void paused_push(struct fake_peer *peer)
{
    open_request(peer);
    put_promise(&peer->in, 1, 2);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 2));
    put_ok(&peer->in, 2, 0);
    put_data(&peer->in, 2, 0, 16384);
    put_data(&peer->in, 2, F_END_STREAM, 16384);
    peer_go(peer);
    skip_log(peer);
    halo_stream_resume(peer_stream(peer, 2));
    peer_go(peer);
    expect_log(peer, "DATA 2 len=32768 END\nCLOSED 2\n");
    put_promise(&peer->in, 1, 4);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 4));
    put_ok(&peer->in, 4, 0);
    for (int i = 0; i < 3; i++) {
        put_data(&peer->in, 4, 0, 16384);
    }
    put_data(&peer->in, 4, 0, 16383);
    peer_go(peer);
    put_data(&peer->in, 4, 0, 1); /* beyond its window */
    peer_go(peer);
    expect_dead(peer, HALO_FLOW_CONTROL_ERROR);
}

/* A request that waited for its place has an origin, too. */
static void promise_on_a_request_that_waited(struct fake_peer *peer)
{
    peer_open_with(peer, 3, 1);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    skip_log(peer);
    put_promise(&peer->in, 3, 2);
    peer_go(peer);
    expect_log(peer, "ON 3 PUSH 2 " PROMISED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_WITH(test_C03_C05_L03_N06_session_pushed_response, with_push),
        CLIENT_WITH(push_of_HEAD, with_push),
        CLIENT(push_is_off),
        CLIENT_WITH(push_is_switched, with_push),
        CLIENT_WITH(promises_that_end_the_connection, with_push),
        CLIENT_WITH(frames_of_bad_form, with_push),
        CLIENT_WITH(promises_that_are_malformed, with_push),
        CLIENT_WITH(test_trap_T32_no_https_over_cleartext, cleartext),
        CLIENT_WITH(test_trap_T32_no_https_over_cleartext, cleartext_any_origin),
        CLIENT_WITH(the_application_decides, any_origin),
        CLIENT_WITH(refused_in_the_handler, with_push),
        CLIENT_WITH(promises_count_as_memory, little_memory),
        CLIENT_WITH(test_K03_session_reserved_streams, three_reserved),
        CLIENT_WITH(test_K03_session_no_reserved_streams, no_reserved),
        CLIENT_WITH(test_trap_T19_informational_counts_once, two_streams),
        CLIENT_WITH(frames_on_pushed_streams, with_push),
        CLIENT_WITH(promise_with_continuation, with_push),
        CLIENT_WITH(our_goaway, with_push),
        CLIENT_WITH(their_goaway, with_push),
        CLIENT_WITH(paused_push, with_push),
        CLIENT_WITH(limit_that_is_not_acknowledged, with_push),
        CLIENT_WITH(promise_on_a_request_that_waited, with_push),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
