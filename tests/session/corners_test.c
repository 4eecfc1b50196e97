/* What no other test comes to: long names in mixed case, the last number of a promise, windows that
 * have grown when SETTINGS would take them beyond their maximum. */
#include "fake_peer.h"

#include "core/proto/limits.h"

/* ---- names in mixed case --------------------------------------------------------------- */

/* Longer than each name that halo knows: no rule is about it, and it goes out in lower case. */
static void long_names_in_mixed_case(struct fake_peer *peer)
{
    halo_header list[] = {
        test_field("X-A-Name-Longer-Than-32-Octets-Has", "1"),
        test_field("X-A-Name-That-Is-Longer-Than-40-Octets-Is-One", "2"),
        test_field("X-A-Name-That-Is-Longer-Than-40-Octets-Is-One", "3"),
        test_field("Server", "halo"),
    };
    halo_headers headers = { .fields = list, .count = HALO_ARRAY_LEN(list) };

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, &headers, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM,
                   ":status: 200\n"
                   "x-a-name-longer-than-32-octets-has: 1\n"
                   "x-a-name-that-is-longer-than-40-octets-is-one: 2\n"
                   "x-a-name-that-is-longer-than-40-octets-is-one: 3\n"
                   "server: halo\n");
}

/* ---- origins --------------------------------------------------------------------------- */

/* As long as "http" and "https", and neither. */
static void schemes_of_the_same_length(struct fake_peer *peer)
{
    static const char *const origins[] = { "httq://example.org", "gopher://example.org",
                                           "httpx://example.org", "ftps://example.org" };
    const halo_bytes value = HALO_LIT("h2=\":1\"");

    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(origins); i++) {
        assert_int_equal(halo_session_altsvc(peer->session, 0, halo_str(origins[i]), value),
                         HALO_E_ALTSVC_INVALID_ORIGIN);
    }
    expect_nothing(peer);
    assert_int_equal(
        halo_session_altsvc(peer->session, 0, (halo_bytes)HALO_LIT("HTTP://example.org"), value),
        0);
    peer_go(peer);
    expect_frame(peer, T_ALTSVC, 0, 0, 2 + 18 + value.len);
}

/* ---- windows that have grown ----------------------------------------------------------- */

static void growing(struct halo_session_options *options)
{
    options->stream_receive_window_max = LIMIT_STREAM_WINDOW_MAX;
}

static int set_initial_window(struct fake_peer *peer, uint32_t octets)
{
    struct halo_settings settings;

    halo_settings_default(&settings);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    settings.initial_window_size = octets;
    return halo_session_settings(peer->session, &settings);
}

/* RFC 9113 6.9.2: SETTINGS move each stream's window; none may pass 2^31 - 1. */
static void settings_beyond_a_grown_window(struct fake_peer *peer)
{
    struct halo_stream_info info;
    uint32_t grown;

    peer_open(peer);
    put_post(&peer->in, 1);
    for (int i = 0; i < 8; i++) {
        put_data(&peer->in, 1, 0, 16000);
        peer_go(peer);
    }
    halo_stream_get_info(peer_stream(peer, 1), &info);
    grown = (uint32_t)info.effective_local_window - 65535;
    assert_true(grown > 0);
    skip_output(peer);
    skip_log(peer);
    assert_int_equal(set_initial_window(peer, 0x7fffffff), HALO_E_INVALID_SETTING_VALUE);
    assert_int_equal(set_initial_window(peer, 0x7fffffff - grown + 1),
                     HALO_E_INVALID_SETTING_VALUE);
    peer_go(peer);
    expect_nothing(peer);
    assert_int_equal(set_initial_window(peer, 0x7fffffff - grown), 0);
    put_settings_ack(&peer->in);
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 6);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.effective_local_window, 0x7fffffff);
}

/* ---- promises -------------------------------------------------------------------------- */

static const char promised_text[] =
    ":method: GET\n:scheme: https\n:path: /\n:authority: example.org\n";

static int try_push(halo_stream *parent, const char *authority, halo_stream **pushed)
{
    struct halo_request request = { .path = HALO_LIT("/"), .authority = halo_str(authority) };

    return halo_stream_push(parent, &request, NULL, pushed);
}

/* RFC 9113 5.1.1: a server's numbers are even, and 2^31 - 2 is the last. */
static void numbers_of_promises_run_out(struct fake_peer *peer)
{
    halo_stream *pushed = NULL;

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    peer->session->next_local_id = 0x7ffffffe;
    assert_int_equal(try_push(peer_stream(peer, 1), "", &pushed), 0);
    peer_go(peer);
    expect_promise(peer, 1, 0x7ffffffe, promised_text);
    assert_int_equal(halo_stream_respond(pushed, 200, NULL, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 0x7ffffffe, F_END_STREAM, ":status: 200\n");
    assert_int_equal(try_push(peer_stream(peer, 1), "", &pushed), HALO_E_OUT_OF_STREAMS);
    expect_nothing(peer);
}

/* A scheme of which halo does not know that it has an authority. */
static void push_for_a_request_without_authority(struct fake_peer *peer)
{
    halo_stream *pushed = NULL;

    peer_open(peer);
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":scheme", "urn", ":path", "a:b",
               NULL);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 END :method=GET :scheme=urn :path=a:b\n");
    assert_int_equal(try_push(peer_stream(peer, 1), "", &pushed), HALO_E_INVALID_ARGUMENT);
    peer_go(peer);
    expect_nothing(peer);
    assert_int_equal(try_push(peer_stream(peer, 1), "example.org", &pushed), 0);
    peer_go(peer);
}

static void over_tls(struct halo_session_options *options)
{
    options->encrypted = 1;
    options->server_name = (halo_bytes)HALO_LIT("example.org");
}

static void promise_for_a_request_made_before(struct fake_peer *peer)
{
    struct halo_settings settings;

    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    halo_settings_default(&settings);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
    settings.enable_push = 1;
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_request(peer, "GET", HALO_END_STREAM);
    put_settings_ack(&peer->in);
    peer_go(peer);
    skip_output(peer);
    skip_log(peer);
    put_promise(&peer->in, 1, 2); /* what stream 1 asked for was not kept */
    put_promise(&peer->in, 3, 4);
    peer_go(peer);
    expect_rst(peer, 2, HALO_REFUSED_STREAM);
    expect_log(peer, "ON 3 PUSH 4 :method=GET :scheme=https :path=/ :authority=example.org\n");
}

static void with_push(struct halo_session_options *options)
{
    over_tls(options);
    options->settings.enable_push = 1;
}

/* RFC 9113 5.1.1: there is no number behind the last. */
static void last_number_of_a_promise(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    skip_output(peer);
    put_promise(&peer->in, 1, 0x7ffffffe);
    put_ok(&peer->in, 0x7ffffffe, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "ON 1 PUSH 2147483646 :method=GET :scheme=https :path=/ "
                     ":authority=example.org\n"
                     "RESPONSE 2147483646 status=200 END :status=200\n"
                     "CLOSED 2147483646\n");
    expect_nothing(peer);
    put_promise(&peer->in, 1, 0x7fffffff); /* one of ours */
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

/* ---- blocks and frames beyond a limit that is smaller than a frame --------------------- */

static void short_blocks(struct halo_session_options *options)
{
    with_push(options);
    options->limits.header_block = 100;
}

static void short_strings(struct halo_session_options *options)
{
    with_push(options);
    options->limits.header_string = 20;
}

static void put_long_promise(struct wire *wire, size_t len)
{
    char path[1000] = "/";

    memset(path + 1, 'p', len);
    path[1 + len] = '\0';
    put_promise_of(wire, 1, 2, ":method", "GET", ":scheme", "https", ":path", path, ":authority",
                   "example.org", NULL);
}

static void promise_beyond_the_limits(struct fake_peer *peer)
{
    for (size_t len = 200; len <= 600; len += 400) { /* beyond with what surrounds a block, too */
        peer_open(peer);
        peer_request(peer, "GET", HALO_END_STREAM);
        peer_go(peer);
        put_long_promise(&peer->in, len);
        peer_go(peer);
        expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        peer_restart(peer);
    }
}

/* The list is dropped, the table is kept, and the connection goes on. */
static void promise_with_a_long_string(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    skip_output(peer);
    put_long_promise(&peer->in, 50);
    peer_go(peer);
    expect_rst(peer, 2, HALO_ENHANCE_YOUR_CALM);
    expect_log(peer, "");
    expect_alive(peer);
}

static void large_frames(struct halo_session_options *options)
{
    options->settings.max_frame_size = 32768;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_FRAME_SIZE);
}

/* An ALTSVC frame that holds more than one is ever going to need is one without use. */
static void extension_frame_beyond_the_limit(struct fake_peer *peer)
{
    static char value[16385];

    memset(value, 'v', sizeof(value) - 1);
    peer_open(peer);
    put_altsvc(&peer->in, 0, "https://example.org", value);
    peer_go(peer);
    expect_log(peer, "");
    put_altsvc(&peer->in, 0, "https://example.org", "clear");
    peer_go(peer);
    expect_log(peer, "ALTSVC 0 origin=https://example.org value=clear\n");
}

/* ---- responses ------------------------------------------------------------------------- */

/* RFC 9113 8.2.2: te is for requests, and trailers are none. */
static void te_outside_of_requests(struct fake_peer *peer)
{
    peer_open(peer);
    for (uint32_t id = 1; id <= 3; id += 2) {
        peer_request(peer, "GET", HALO_END_STREAM);
    }
    peer_go(peer);
    skip_output(peer);
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "200", "te", "trailers", NULL);
    put_ok(&peer->in, 3, 0);
    put_fields(&peer->in, 3, F_END_STREAM, "te", "trailers", NULL);
    peer_go(peer);
    expect_rst(peer, 1, HALO_PROTOCOL_ERROR);
    expect_rst(peer, 3, HALO_PROTOCOL_ERROR);
    expect_nothing(peer);
}

/* No trailers after all, said before the body could go out: it ends with END_STREAM. */
static void end_instead_of_trailers_while_the_body_waits(struct fake_peer *peer)
{
    static const char body[2000];

    peer_open_with(peer, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_WAIT_FOR_TRAILERS),
                     0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), body, sizeof(body), HALO_END_STREAM),
                     0);
    assert_int_equal(halo_stream_end(peer_stream(peer, 1)), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_nothing(peer);
    skip_log(peer);
    put_window_update(&peer->in, 1, 2000);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 2000);
    expect_log(peer, "CLOSED 1\n");
}

/* RFC 8336 2.3: there is no origin to be taken out of the set. */
static void misdirected_without_an_origin(struct fake_peer *peer)
{
    struct halo_request request = { .scheme = HALO_LIT("urn"), .path = HALO_LIT("a:b") };
    bool encrypted = peer->session->encrypted;
    halo_stream *stream = NULL;

    peer_open(peer);
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    peer_go(peer);
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "421", NULL);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=421 END :status=421\nCLOSED 1\n");
    assert_int_equal(halo_session_origin_count(peer->session), encrypted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(long_names_in_mixed_case),
        SERVER(schemes_of_the_same_length),
        SERVER_WITH(settings_beyond_a_grown_window, growing),
        SERVER(numbers_of_promises_run_out),
        SERVER(push_for_a_request_without_authority),
        CLIENT_WITH(promise_for_a_request_made_before, over_tls),
        CLIENT_WITH(last_number_of_a_promise, with_push),
        CLIENT_WITH(promise_beyond_the_limits, short_blocks),
        CLIENT_WITH(promise_with_a_long_string, short_strings),
        CLIENT_WITH(extension_frame_beyond_the_limit, large_frames),
        CLIENT(te_outside_of_requests),
        SERVER(end_instead_of_trailers_while_the_body_waits),
        CLIENT(misdirected_without_an_origin),
        CLIENT_WITH(misdirected_without_an_origin, with_push),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
