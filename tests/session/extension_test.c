/*
 * Frames beyond RFC 9113: ALTSVC (RFC 7838), ORIGIN (RFC 8336), the application's own. Rows of
 * Node's surface: E13, E14, F12, F13, F14, O22, P08, C07, Y01.
 */
#include "fake_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/proto/limits.h"

enum { T_OWN = 0xee };

static void over_tls(struct halo_session_options *options)
{
    options->encrypted = 1;
    options->server_name = halo_str("Example.ORG");
    options->server_port = 8443;
}

static void few_origins(struct halo_session_options *options)
{
    over_tls(options);
    options->limits.origins = 3;
}

static void few_octets(struct halo_session_options *options)
{
    over_tls(options);
    options->limits.origin_octets = (uint32_t)strlen("https://example.org:8443https://abhttps://c");
}

static void own_types(struct halo_session_options *options)
{
    static const uint8_t types[] = { T_OWN, 0xff, 0x0b };

    options->frame_types = types;
    options->frame_type_count = sizeof(types);
    options->limits.extension_payload = 1000;
}

static halo_stream *open_stream(struct fake_peer *peer)
{
    peer_open(peer);
    if (peer->scenario->role == HALO_CLIENT) {
        peer_request(peer, "GET", HALO_END_STREAM);
    } else {
        put_get(&peer->in, 1);
    }
    peer_go(peer);
    skip_output(peer);
    skip_log(peer);
    return peer_stream(peer, 1);
}

/* ---- ALTSVC ------------------------------------------------------------------------------ */

static void test_E13_Y01_session_altsvc_received(struct fake_peer *peer)
{
    open_stream(peer);
    put_altsvc(&peer->in, 0, "https://example.org", "h2=\":81\"; ma=5, h3=\":82\"");
    put_altsvc(&peer->in, 1, "", "clear");
    put_altsvc(&peer->in, 1, "", "");
    /* RFC 7838 section 4: these are ignored. */
    put_altsvc(&peer->in, 0, "", "h2=\":81\"");
    put_altsvc(&peer->in, 1, "https://example.org", "h2=\":81\"");
    put_altsvc(&peer->in, 3, "", "h2=\":81\""); /* idle */
    put_altsvc(&peer->in, 2, "", "h2=\":81\"");
    peer_go(peer);
    expect_log(peer, "ALTSVC 0 origin=https://example.org value=h2=\":81\"; ma=5, h3=\":82\"\n"
                     "ALTSVC 1 origin= value=clear\nALTSVC 1 origin= value=\n");
    put_ok(&peer->in, 1, F_END_STREAM);
    put_altsvc(&peer->in, 1, "", "late");
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\n");
    expect_alive(peer);
}

static void altsvc_too_short(struct fake_peer *peer)
{
    static const struct {
        const char *payload;
        size_t len;
    } cases[] = { { "", 0 }, { "\0", 1 }, { "\0\1", 2 }, { "\0\5abcd", 6 }, { "\xff\xff", 2 } };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        open_stream(peer);
        put_frame(&peer->in, T_ALTSVC, 0, 0, cases[i].payload, cases[i].len);
        peer_go(peer);
        expect_dead(peer, HALO_FRAME_SIZE_ERROR);
        peer_restart(peer);
    }
}

/* They cost the budget of frames without use: at the limit, and one more. */
static void altsvc_flood(struct fake_peer *peer)
{
    open_stream(peer);
    for (int i = 0; i < LIMIT_GLITCHES; i++) {
        put_altsvc(&peer->in, 0, "https://a", "clear");
    }
    peer_go(peer);
    expect_alive(peer);
    put_altsvc(&peer->in, 0, "https://a", "clear");
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* A server ignores both, also what is malformed. */
static void servers_ignore_them(struct fake_peer *peer)
{
    open_stream(peer);
    put_altsvc(&peer->in, 0, "https://example.org", "clear");
    put_altsvc(&peer->in, 1, "", "clear");
    put_frame(&peer->in, T_ALTSVC, 0, 0, "", 0);
    put_origin(&peer->in, "https://example.org", NULL);
    put_frame(&peer->in, T_ORIGIN, 0, 0, "\1", 1);
    peer_go(peer);
    expect_log(peer, "");
    expect_alive(peer);
}

static int altsvc(struct fake_peer *peer, uint32_t id, const char *origin, const char *value)
{
    return halo_session_altsvc(peer->session, id, halo_str(origin), halo_str(value));
}

static void expect_payload(struct fake_peer *peer, uint8_t type, uint32_t id, const char *payload,
                           size_t len)
{
    struct heard_frame heard;

    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, type);
    assert_int_equal(heard.frame.flags, 0);
    assert_int_equal(heard.frame.stream_id, id);
    assert_int_equal(heard.frame.len, len);
    assert_memory_equal(heard.payload, payload, len);
}

static void test_F12_F13_session_altsvc_sent(struct fake_peer *peer)
{
    static char text[16384];

    open_stream(peer);
    assert_int_equal(altsvc(peer, 0, "HTTPS://example.org:443/x", "h2=\":81\""), 0);
    assert_int_equal(altsvc(peer, 1, "", "clear"), 0);
    peer_go(peer);
    expect_payload(peer, T_ALTSVC, 0, "\0\x13https://example.orgh2=\":81\"", 29);
    expect_payload(peer, T_ALTSVC, 1, "\0\0clear", 7);
    assert_int_equal(altsvc(peer, 0, "null", "clear"), HALO_E_ALTSVC_INVALID_ORIGIN);
    assert_int_equal(altsvc(peer, 0, "ftp://a", "clear"), HALO_E_ALTSVC_INVALID_ORIGIN);
    assert_int_equal(altsvc(peer, 0, "", "clear"), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(altsvc(peer, 1, "https://a", "clear"), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(altsvc(peer, 3, "", "clear"), HALO_E_INVALID_STREAM);
    assert_int_equal(altsvc(peer, 2, "", "clear"), HALO_E_INVALID_STREAM);
    assert_int_equal(altsvc(peer, 0x80000001, "", "clear"), HALO_E_INVALID_STREAM);
    assert_int_equal(altsvc(peer, 1, "", ""), HALO_E_INVALID_HEADER_VALUE);
    assert_int_equal(altsvc(peer, 1, "", "a\nb"), HALO_E_INVALID_HEADER_VALUE);
    assert_int_equal(altsvc(peer, 1, "", "\xc3\xbc"), HALO_E_INVALID_HEADER_VALUE);
    memset(text, 'a', sizeof(text));
    text[16383] = '\0';
    assert_int_equal(altsvc(peer, 1, "", text), HALO_E_ALTSVC_LENGTH);
    text[16382 - 8] = '\0';
    assert_int_equal(altsvc(peer, 0, "https://a", text), HALO_E_ALTSVC_LENGTH);
    text[16382 - 9] = '\0';
    expect_nothing(peer);
    assert_int_equal(altsvc(peer, 0, "https://a", text), 0);
    peer_go(peer);
    expect_frame(peer, T_ALTSVC, 0, 0, 16384);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    assert_int_equal(altsvc(peer, 1, "", "clear"), HALO_E_INVALID_SESSION);
}

/* ---- ORIGIN ------------------------------------------------------------------------------ */

static void expect_set(struct fake_peer *peer, const char *wanted)
{
    struct wire text = { 0 };

    for (size_t i = 0; i < halo_session_origin_count(peer->session); i++) {
        halo_bytes origin = halo_session_origin_at(peer->session, i);

        wire_octets(&text, origin.data, origin.len);
        wire_text(&text, " ");
    }
    wire_octet(&text, 0);
    assert_string_equal((const char *)text.data, wanted);
    assert_int_equal(
        halo_session_origin_at(peer->session, halo_session_origin_count(peer->session)).len, 0);
    wire_free(&text);
}

static void test_E14_P08_session_origin_set(struct fake_peer *peer)
{
    open_stream(peer);
    expect_set(peer, "https://example.org:8443 ");
    put_origin(&peer->in, "https://a", "HTTPS://B:443", "https://a", "null", "", "https://a/x",
               "https://[2001:db8:0::1]:1", "https://example.org:8443", NULL);
    peer_go(peer);
    expect_log(peer, "ORIGIN https://a https://b https://a https://[2001:db8::1]:1 "
                     "https://example.org:8443\n");
    expect_set(peer, "https://example.org:8443 https://a https://b https://[2001:db8::1]:1 ");
    put_origin(&peer->in, NULL);
    put_origin(&peer->in, "x", NULL);
    put_origin(&peer->in, "http://c", NULL);
    peer_go(peer);
    expect_log(peer, "ORIGIN\nORIGIN\nORIGIN http://c\n");
    assert_int_equal(halo_session_origin_count(peer->session), 5);
    /* RFC 8336 2.2: on another stream, or with flags, it is ignored. */
    put_frame(&peer->in, T_ORIGIN, 0, 1, "\0\11https://d", 11);
    for (unsigned flag = 1; flag <= 8; flag <<= 1) {
        put_frame(&peer->in, T_ORIGIN, flag, 0, "\0\11https://d", 11);
    }
    peer_go(peer);
    expect_log(peer, "");
    put_frame(&peer->in, T_ORIGIN, 0xf0, 0, "\0\11https://d", 11);
    peer_go(peer);
    expect_log(peer, "ORIGIN https://d\n");
}

static void origin_too_short(struct fake_peer *peer)
{
    static const struct {
        const char *payload;
        size_t len;
    } cases[] = { { "\0", 1 }, { "\0\1", 2 }, { "\0\11https://", 10 }, { "\0\1x\0", 4 } };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        open_stream(peer);
        put_frame(&peer->in, T_ORIGIN, 0, 0, cases[i].payload, cases[i].len);
        peer_go(peer);
        expect_dead(peer, HALO_FRAME_SIZE_ERROR);
        peer_restart(peer);
    }
}

static void origin_over_cleartext(struct fake_peer *peer)
{
    open_stream(peer);
    put_origin(&peer->in, "https://a", NULL);
    peer_go(peer);
    expect_log(peer, "");
    assert_int_equal(halo_session_origin_count(peer->session), 0);
    expect_alive(peer);
}

/* The set is full with three: what is beyond is not told. */
static void origins_are_bounded(struct fake_peer *peer)
{
    open_stream(peer);
    put_origin(&peer->in, "https://a", "https://b", "https://c", "https://a", NULL);
    put_origin(&peer->in, "https://d", "https://b", NULL);
    peer_go(peer);
    expect_log(peer, "ORIGIN https://a https://b https://a\nORIGIN https://b\n");
    expect_set(peer, "https://example.org:8443 https://a https://b ");
}

/* One octet too much, and just enough. */
static void octets_of_origins_are_bounded(struct fake_peer *peer)
{
    open_stream(peer);
    put_origin(&peer->in, "https://ab", "https://cd", "https://c", "https://d", NULL);
    peer_go(peer);
    expect_log(peer, "ORIGIN https://ab https://c\n");
    expect_set(peer, "https://example.org:8443 https://ab https://c ");
}

static uint32_t request_of(struct fake_peer *peer, const char *authority)
{
    struct halo_request request = { .authority = halo_str(authority) };
    halo_stream *stream;

    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    return halo_stream_id(stream);
}

static void test_C07_P08_session_421_removes_origin(struct fake_peer *peer)
{
    static const char *const authorities[] = { "b:443", "nowhere", "example.org:8443" };
    static const char *const sets[] = {
        "https://example.org:8443 https://a https://c ",
        "https://example.org:8443 https://a https://c ",
        "https://a https://c ",
    };

    open_stream(peer);
    put_origin(&peer->in, "https://a", "https://b", "https://c", NULL);
    peer_go(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(sets); i++) {
        uint32_t id = request_of(peer, authorities[i]);

        put_fields(&peer->in, id, F_END_STREAM, ":status", "421", NULL);
        peer_go(peer);
        expect_set(peer, sets[i]);
    }
    put_fields(&peer->in, request_of(peer, "a"), F_END_STREAM, ":status", "420", NULL);
    put_fields(&peer->in, request_of(peer, "example.org:8443"), F_END_STREAM, ":status", "421",
               NULL); /* gone already */
    peer_go(peer);
    expect_set(peer, "https://a https://c ");
}

static int send_origins(struct fake_peer *peer, const char *first, const char *second)
{
    halo_bytes origins[] = { halo_str(first), halo_str(second) };

    return halo_session_origin(peer->session, origins, second[0] != '\0' ? 2 : 1);
}

static void test_F14_O22_session_origin_sent(struct fake_peer *peer)
{
    halo_bytes long_one = HALO_LIT("https://0123456789012345678901234567890123456789.example");
    halo_bytes origins[300];

    open_stream(peer);
    assert_int_equal(send_origins(peer, "https://Example.org/x", "https://a:8443"), 0);
    assert_int_equal(halo_session_origin(peer->session, NULL, 0), 0);
    peer_go(peer);
    expect_payload(peer, T_ORIGIN, 0, "\0\x13https://example.org\0\x0ehttps://a:8443", 37);
    expect_payload(peer, T_ORIGIN, 0, "", 0);
    assert_int_equal(send_origins(peer, "https://a", "null"), HALO_E_INVALID_ORIGIN);
    assert_int_equal(send_origins(peer, "a", ""), HALO_E_INVALID_ORIGIN);
    for (size_t i = 0; i < 300; i++) {
        origins[i] = long_one;
    }
    assert_int_equal(long_one.len + 2, 58);
    expect_nothing(peer);
    assert_int_equal(halo_session_origin(peer->session, origins, 283), HALO_E_ORIGIN_LENGTH);
    assert_int_equal(halo_session_origin(peer->session, origins, 282), 0); /* 16356 */
    origins[281] = halo_str("https://a"); /* 11: 16309; 75 are left */
    origins[282] = halo_str("https://"
                            "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij.abcd");
    assert_int_equal(origins[282].len + 2, 75);
    assert_int_equal(halo_session_origin(peer->session, origins, 283), 0);
    peer_go(peer);
    expect_frame(peer, T_ORIGIN, 0, 0, 16356);
    expect_frame(peer, T_ORIGIN, 0, 0, 16384);
    origins[283] = halo_str("https://a");
    assert_int_equal(halo_session_origin(peer->session, origins, 284), HALO_E_ORIGIN_LENGTH);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    assert_int_equal(halo_session_origin(peer->session, NULL, 0), HALO_E_INVALID_SESSION);
}

static void clients_send_neither(struct fake_peer *peer)
{
    open_stream(peer);
    assert_int_equal(altsvc(peer, 1, "", "clear"), HALO_E_WRONG_STATE);
    assert_int_equal(send_origins(peer, "https://a", ""), HALO_E_WRONG_STATE);
    expect_nothing(peer);
}

/* ---- the application's own ------------------------------------------------------------------ */

static void own_frames_received(struct fake_peer *peer)
{
    static char text[1001];

    memset(text, 'x', sizeof(text));
    open_stream(peer);
    put_frame(&peer->in, T_OWN, 0xff, 0, "hello", 5);
    put_frame(&peer->in, 0xff, 0, 1, "", 0);
    put_frame(&peer->in, 0x0b, 1, 0x7fffffff, "idle", 4);
    put_frame(&peer->in, 0xed, 0, 0, "not asked for", 13);
    put_frame(&peer->in, T_OWN, 0, 0, text, 1000);
    peer_go(peer);
    expect_log(peer, "FRAME type=238 flags=255 stream=0 len=5 hello\n"
                     "FRAME type=255 flags=0 stream=1 len=0 \n"
                     "FRAME type=11 flags=1 stream=2147483647 len=4 idle\n"
                     "FRAME type=238 flags=0 stream=0 len=1000 "
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
    for (int i = 0; i < 2 * LIMIT_GLITCHES; i++) { /* no abuse: the application wants them */
        put_frame(&peer->in, T_OWN, 0, 0, "", 0);
    }
    peer_go(peer);
    expect_alive(peer);
    put_frame(&peer->in, 0xed, 0, 0, text, 1001);
    peer_go(peer);
    expect_alive(peer);
    put_frame(&peer->in, T_OWN, 0, 0, text, 1001);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* RFC 9113 6.10: never between the frames of a header block. */
static void own_frame_in_a_header_block(struct fake_peer *peer)
{
    peer_open(peer);
    put_frame(&peer->in, T_HEADERS, 0, 1, "\x82", 1);
    put_frame(&peer->in, T_OWN, 0, 0, "hello", 5);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

static void own_frames_sent(struct fake_peer *peer)
{
    static const uint8_t known[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, T_ALTSVC, T_ORIGIN, 0x10 };
    static char text[20001];
    struct heard_frame heard;

    open_stream(peer);
    for (size_t i = 0; i < sizeof(known); i++) {
        assert_int_equal(halo_session_send_frame(peer->session, known[i], 0, 0, "x", 1),
                         HALO_E_INVALID_ARGUMENT);
    }
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0, 99, "x", 1),
                     HALO_E_INVALID_STREAM);
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0, 0x80000000, "x", 1),
                     HALO_E_INVALID_STREAM);
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0, 0, text, 16385),
                     HALO_E_LIMIT);
    expect_nothing(peer);
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0xff, 1, "hello", 5), 0);
    assert_int_equal(halo_session_send_frame(peer->session, 0xfe, 0, 0, NULL, 0), 0);
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0, 0, text, 16384), 0);
    put_settings(&peer->in, 5, 20000, 0);
    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_OWN);
    assert_int_equal(heard.frame.flags, 0xff);
    assert_int_equal(heard.frame.stream_id, 1);
    assert_int_equal(heard.frame.len, 5);
    assert_memory_equal(heard.payload, "hello", 5);
    expect_frame(peer, 0xfe, 0, 0, 0);
    expect_frame(peer, T_OWN, 0, 0, 16384);
    expect_settings_ack(peer);
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0, 0, text, 20001),
                     HALO_E_LIMIT);
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0, 0, text, 20000), 0);
    while (halo_session_send_frame(peer->session, T_OWN, 0, 0, text, 20000) == 0) {
        peer->counter++;
    }
    assert_int_equal(peer->counter, LIMIT_OUTPUT_SOFT / 20009); /* and the first: then it is full */
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0, 0, "x", 1), HALO_E_AGAIN);
    peer_go(peer);
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0, 0, "x", 1), 0);
    expect_alive(peer);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    assert_int_equal(halo_session_send_frame(peer->session, T_OWN, 0, 0, "x", 1),
                     HALO_E_INVALID_SESSION);
}

static void options_are_checked(void **state)
{
    struct halo_session_options options;
    halo_session *session;

    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        uint8_t octet = (uint8_t)type;
        bool known = type < 10 || type == T_ALTSVC || type == T_ORIGIN || type == 0x10;

        halo_session_options_init(&options, HALO_SERVER);
        options.frame_types = &octet;
        options.frame_type_count = 1;
        assert_int_equal(halo_session_new(&session, &options, 1),
                         known ? HALO_E_INVALID_ARGUMENT : 0);
        if (!known) {
            halo_session_free(session);
        }
    }
    halo_session_options_init(&options, HALO_CLIENT);
    options.push_origin = 2;
    assert_int_equal(halo_session_new(&session, &options, 1), HALO_E_INVALID_ARGUMENT);
    options.push_origin = 0;
    options.encrypted = 1;
    options.server_name = halo_str("no host");
    assert_int_equal(halo_session_new(&session, &options, 1), 0);
    assert_int_equal(halo_session_origin_count(session), 0);
    halo_session_free(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT(test_E13_Y01_session_altsvc_received),
        CLIENT(altsvc_too_short),
        CLIENT(altsvc_flood),
        SERVER(servers_ignore_them),
        SERVER(test_F12_F13_session_altsvc_sent),
        CLIENT_WITH(test_E14_P08_session_origin_set, over_tls),
        CLIENT_WITH(origin_too_short, over_tls),
        CLIENT(origin_over_cleartext),
        CLIENT_WITH(origins_are_bounded, few_origins),
        CLIENT_WITH(octets_of_origins_are_bounded, few_octets),
        CLIENT_WITH(test_C07_P08_session_421_removes_origin, over_tls),
        SERVER(test_F14_O22_session_origin_sent),
        CLIENT(clients_send_neither),
        SERVER_WITH(own_frames_received, own_types),
        CLIENT_WITH(own_frames_received, own_types),
        SERVER_WITH(own_frame_in_a_header_block, own_types),
        SERVER(own_frames_sent),
        CLIENT(own_frames_sent),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
