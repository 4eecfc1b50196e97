/* RFC 7838 (ALTSVC) and RFC 8336 (ORIGIN): what is told of them, and where they must be ignored. */
#include "conform.h"

/* An origin and a value on a stream: the origin has no place there. */
static void put_bad_altsvc(struct fake_peer *peer)
{
    put_frame(&peer->in, T_ALTSVC, 0, 1, "\0\x09http://a/h2=\":1\"", 19);
    put_frame(&peer->in, T_ALTSVC, 0, 0, "\0\0h2=\":1\"", 9);
}

static void put_bad_origin(struct fake_peer *peer)
{
    put_frame(&peer->in, T_ORIGIN, 0, 1, "\0\x09https://a", 11);
}

static void test_server_7838_4_altsvc_is_ignored(struct fake_peer *peer)
{
    put_bad_altsvc(peer);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "");
}

static void test_client_7838_4_altsvc_is_ignored(struct fake_peer *peer)
{
    put_bad_altsvc(peer);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "");
}

static void test_server_8336_2_origin_is_ignored(struct fake_peer *peer)
{
    put_bad_origin(peer);
    put_frame(&peer->in, T_ORIGIN, 0, 0, "\0\x09https://a", 11);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "");
}

static void test_client_8336_2_origin_is_ignored(struct fake_peer *peer)
{
    put_bad_origin(peer);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "");
}

/* ---- ALTSVC (RFC 7838 section 4) ------------------------------------------------------- */

static void test_client_7838_4_on_stream_0(struct fake_peer *peer)
{
    put_altsvc(&peer->in, 0, "https://example.org", "h2=\":81\"");
    peer_go(peer);
    expect_log(peer, "ALTSVC 0 origin=https://example.org value=h2=\":81\"\n");
}

static void test_client_7838_4_on_a_stream(struct fake_peer *peer)
{
    put_altsvc(&peer->in, 1, "", "clear");
    peer_go(peer);
    expect_log(peer, "ALTSVC 1 origin= value=clear\n");
}

static void test_client_7838_4_on_stream_0_without_origin(struct fake_peer *peer)
{
    put_altsvc(&peer->in, 0, "", "clear");
    peer_go(peer);
    expect_log(peer, "");
}

static void test_client_7838_4_on_a_stream_with_origin(struct fake_peer *peer)
{
    put_altsvc(&peer->in, 1, "https://example.org", "clear");
    peer_go(peer);
    expect_log(peer, "");
}

/* The flags of the frame mean nothing. */
static void test_client_7838_4_flags(struct fake_peer *peer)
{
    put_frame(&peer->in, T_ALTSVC, 0xff, 1, "\0\0clear", 7);
    peer_go(peer);
    expect_log(peer, "ALTSVC 1 origin= value=clear\n");
}

static void test_client_7838_4_origin_runs_over_the_end(struct fake_peer *peer)
{
    put_frame(&peer->in, T_ALTSVC, 0, 0, "\0\x09https://", 10);
}

static void test_client_7838_4_too_short(struct fake_peer *peer)
{
    put_frame(&peer->in, T_ALTSVC, 0, 0, "\0", 1);
}

static void test_server_7838_4_is_sent(struct fake_peer *peer)
{
    assert_int_equal(halo_session_altsvc(peer->session, 1, halo_str(""), halo_str("clear")), 0);
    assert_int_equal(
        halo_session_altsvc(peer->session, 0, halo_str("https://a"), halo_str("clear")), 0);
    /* Neither, both, a stream that is not there. */
    assert_int_equal(halo_session_altsvc(peer->session, 0, halo_str(""), halo_str("clear")),
                     HALO_E_INVALID_ARGUMENT);
    assert_int_equal(
        halo_session_altsvc(peer->session, 1, halo_str("https://a"), halo_str("clear")),
        HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_session_altsvc(peer->session, 3, halo_str(""), halo_str("clear")),
                     HALO_E_INVALID_STREAM);
    peer_go(peer);
    expect_frame(peer, T_ALTSVC, 0, 1, 7);
    expect_frame(peer, T_ALTSVC, 0, 0, 16);
    expect_nothing(peer);
}

static void test_client_7838_3_field_is_handed_out(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "200", "alt-svc", "h2=\":81\"", NULL);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200 alt-svc=h2=\":81\"\nCLOSED 1\n");
}

/* ---- ORIGIN (RFC 8336 section 2) ------------------------------------------------------- */

static void over_tls(struct halo_session_options *options)
{
    options->encrypted = 1;
    options->server_name = halo_str("example.org");
    options->server_port = 443;
}

#define TLS_CASE(test_, ...) CLIENT_CASE(test_, __VA_ARGS__, .scenario.options = over_tls)

static void test_client_8336_2_3_origin_set(struct fake_peer *peer)
{
    assert_int_equal(halo_session_origin_count(peer->session), 1); /* that of the connection */
    put_origin(&peer->in, "https://a", "https://b", NULL);
    put_origin(&peer->in, "https://a", "https://c", NULL);
    peer_go(peer);
    expect_log(peer, "ORIGIN https://a https://b\nORIGIN https://a https://c\n");
    assert_int_equal(halo_session_origin_count(peer->session), 4);
}

static void test_client_8336_2_3_empty_frame(struct fake_peer *peer)
{
    put_origin(&peer->in, NULL);
    peer_go(peer);
    expect_log(peer, "ORIGIN\n");
    assert_int_equal(halo_session_origin_count(peer->session), 1);
}

static void test_client_8336_2_2_entries_that_are_no_origins(struct fake_peer *peer)
{
    put_origin(&peer->in, "", "null", "a", "https://a/path", "https://b", NULL);
    peer_go(peer);
    expect_log(peer, "ORIGIN https://b\n");
}

/* 0x1, 0x2, 0x4 and 0x8 may change the meaning one day: the frame is ignored. The others do not
 * matter. */
static void test_client_8336_2_2_flags(struct fake_peer *peer)
{
    for (unsigned flags = 1; flags < 256; flags++) {
        if ((flags & 15) != 0) {
            put_frame(&peer->in, T_ORIGIN, flags, 0, "\0\x09https://a", 11);
        }
    }
    peer_go(peer);
    expect_log(peer, "");
    for (unsigned flags = 0x10; flags < 0x100; flags += 0x10) {
        put_frame(&peer->in, T_ORIGIN, flags, 0, "\0\x09https://a", 11);
        peer_go(peer);
        expect_log(peer, "ORIGIN https://a\n");
    }
}

static void test_client_8336_2_2_not_on_a_stream(struct fake_peer *peer)
{
    put_bad_origin(peer);
    peer_go(peer);
    expect_log(peer, "");
    assert_int_equal(halo_session_origin_count(peer->session), 1);
}

/* Only with "h2": never over cleartext. */
static void test_client_8336_2_2_not_over_cleartext(struct fake_peer *peer)
{
    put_origin(&peer->in, "https://a", NULL);
    peer_go(peer);
    expect_log(peer, "");
    assert_int_equal(halo_session_origin_count(peer->session), 0);
}

static void test_client_8336_2_1_entry_runs_over_the_end(struct fake_peer *peer)
{
    put_frame(&peer->in, T_ORIGIN, 0, 0, "\0\x0ahttps://a", 11);
}

static void test_client_8336_2_3_misdirected(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":status", "421", NULL);
    peer_go(peer);
    assert_int_equal(halo_session_origin_count(peer->session), 0);
}

static void test_server_8336_2_1_is_sent(struct fake_peer *peer)
{
    halo_bytes origins[] = { halo_str("https://a/x"), halo_str("https://B:8443") };

    assert_int_equal(halo_session_origin(peer->session, origins, 2), 0);
    origins[1] = halo_str("null");
    assert_int_equal(halo_session_origin(peer->session, origins, 2), HALO_E_INVALID_ORIGIN);
    peer_go(peer);
    expect_frame(peer, T_ORIGIN, 0, 0, 11 + 16);
    expect_nothing(peer);
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_7838_4_altsvc_is_ignored, ACCEPTED, .before = POSTED),
    CLIENT_CASE(test_client_7838_4_altsvc_is_ignored, ACCEPTED),
    SERVER_CASE(test_server_8336_2_origin_is_ignored, ACCEPTED, .before = POSTED),
    CLIENT_CASE(test_client_8336_2_origin_is_ignored, ACCEPTED),

    CLIENT_CASE(test_client_7838_4_on_stream_0, ACCEPTED),
    CLIENT_CASE(test_client_7838_4_on_a_stream, ACCEPTED),
    CLIENT_CASE(test_client_7838_4_on_stream_0_without_origin, ACCEPTED),
    CLIENT_CASE(test_client_7838_4_on_a_stream_with_origin, ACCEPTED),
    CLIENT_CASE(test_client_7838_4_flags, ACCEPTED),
    CLIENT_CASE(test_client_7838_4_origin_runs_over_the_end, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    CLIENT_CASE(test_client_7838_4_too_short, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    SERVER_CASE(test_server_7838_4_is_sent, ACCEPTED, .before = POSTED),
    CLIENT_CASE(test_client_7838_3_field_is_handed_out, ACCEPTED),

    TLS_CASE(test_client_8336_2_3_origin_set, ACCEPTED),
    TLS_CASE(test_client_8336_2_3_empty_frame, ACCEPTED),
    TLS_CASE(test_client_8336_2_2_entries_that_are_no_origins, ACCEPTED),
    TLS_CASE(test_client_8336_2_2_flags, ACCEPTED),
    TLS_CASE(test_client_8336_2_2_not_on_a_stream, ACCEPTED),
    CLIENT_CASE(test_client_8336_2_2_not_over_cleartext, ACCEPTED),
    TLS_CASE(test_client_8336_2_1_entry_runs_over_the_end, CONNECTION_ERROR(FRAME_SIZE_ERROR)),
    TLS_CASE(test_client_8336_2_3_misdirected, ACCEPTED),
    SERVER_CASE(test_server_8336_2_1_is_sent, ACCEPTED),
};

CONFORM_GROUP(group_extensions, "extensions", cases);
