/* RFC 8441: extended CONNECT. */
#include "conform.h"

static void enabled(struct halo_session_options *options)
{
    options->settings.enable_connect_protocol = 1;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL);
}

static void put_websocket(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
               ":path", "/chat", ":authority", "example.org", "sec-websocket-version", "13", NULL);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 :method=CONNECT :protocol=websocket :scheme=https :path=/chat "
                     ":authority=example.org sec-websocket-version=13\n");
}

static void test_server_8441_4_websocket(struct fake_peer *peer)
{
    put_websocket(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
}

static void test_server_8441_5_octets_both_ways(struct fake_peer *peer)
{
    test_server_8441_4_websocket(peer);
    put_data(&peer->in, 1, 0, 100);
    peer_go(peer);
    expect_log(peer, "DATA 1 len=100\n");
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "hello", 5, 0), 0);
    peer_go(peer);
    expect_data(peer, 1, 0, 5);
    put_data(&peer->in, 1, F_END_STREAM, 3);
    peer_go(peer);
    expect_log(peer, "DATA 1 len=3 END\n");
    assert_int_equal(halo_stream_end(peer_stream(peer, 1)), 0);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 0);
    expect_log(peer, "CLOSED 1\n");
}

static void test_server_8441_4_protocol_without_connect(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":protocol", "websocket", ":scheme",
               "https", ":path", "/", ":authority", "example.org", NULL);
}

static void test_server_8441_4_not_enabled(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
               ":path", "/", ":authority", "example.org", NULL);
}

static void test_server_8441_4_without_scheme_or_path(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
               ":authority", "example.org", NULL);
    peer_go(peer);
    expect_rst(peer, 1, HALO_PROTOCOL_ERROR);
    put_fields(&peer->in, 3, 0, ":method", "CONNECT", ":protocol", "websocket", ":path", "/",
               ":authority", "example.org", NULL);
}

static void test_server_8441_4_without_authority(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https",
               ":path", "/", NULL);
}

static void test_client_8441_3_value_of_2(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL, 2u, 0);
}

static void test_client_8441_3_never_back_to_0(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1u, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    put_settings(&peer->in, HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL, 0u, 0);
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_8441_4_websocket, ACCEPTED, .scenario.options = enabled),
    SERVER_CASE(test_server_8441_5_octets_both_ways, ACCEPTED, .scenario.options = enabled),
    SERVER_CASE(test_server_8441_4_protocol_without_connect, STREAM_ERROR(1, PROTOCOL_ERROR),
                .scenario.options = enabled),
    SERVER_CASE(test_server_8441_4_not_enabled, STREAM_ERROR(1, PROTOCOL_ERROR)),
    SERVER_CASE(test_server_8441_4_without_scheme_or_path, STREAM_ERROR(3, PROTOCOL_ERROR),
                .scenario.options = enabled),
    SERVER_CASE(test_server_8441_4_without_authority, STREAM_ERROR(1, PROTOCOL_ERROR),
                .scenario.options = enabled),
    CLIENT_CASE(test_client_8441_3_value_of_2, CONNECTION_ERROR(PROTOCOL_ERROR)),
    CLIENT_CASE(test_client_8441_3_never_back_to_0, CONNECTION_ERROR(PROTOCOL_ERROR)),
};

CONFORM_GROUP(group_rfc8441, "rfc8441", cases);
