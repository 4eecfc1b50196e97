/* RFC 7838 (ALTSVC) and RFC 8336 (ORIGIN): where the frames must be ignored. */
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

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_7838_4_altsvc_is_ignored, ACCEPTED, .before = POSTED),
    CLIENT_CASE(test_client_7838_4_altsvc_is_ignored, ACCEPTED),
    SERVER_CASE(test_server_8336_2_origin_is_ignored, ACCEPTED, .before = POSTED),
    CLIENT_CASE(test_client_8336_2_origin_is_ignored, ACCEPTED),
};

CONFORM_GROUP(group_extensions, "extensions", cases);
