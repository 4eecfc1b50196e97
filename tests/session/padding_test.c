/* Padding of what is sent. RFC 9113 6.1, 6.2; Node: paddingStrategy. */
#include "fake_peer.h"

#include <string.h>

static void aligned(struct halo_session_options *options)
{
    options->padding = HALO_PADDING_CALLBACK;
}

static void most(struct halo_session_options *options)
{
    options->padding = HALO_PADDING_MAX;
}

/* The next frame, which must be of this type; returns its payload without padding. */
static size_t padded_frame(struct fake_peer *peer, uint8_t type, size_t *padding)
{
    struct heard_frame heard;

    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, type);
    *padding = 0;
    if ((heard.frame.flags & F_PADDED) == 0) {
        return heard.frame.len;
    }
    *padding = 1u + heard.payload[0];
    assert_true(*padding <= heard.frame.len);
    for (size_t i = 1; i < *padding; i++) {
        assert_int_equal(heard.payload[heard.frame.len - i], 0);
    }
    return heard.frame.len - *padding;
}

static int read_source(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    size_t *left = ctx;

    *len = *left < cap ? *left : cap;
    memset(out, 's', *len);
    *left -= *len;
    *end = *left == 0;
    return 0;
}

static void no_done(void *ctx)
{
    (void)ctx;
}

/* Small writes, large ones, borrowed ones, sources, empty ends: each length to a multiple of 8. */
static void test_O07_O08_O10_Q03_session_padding_aligned(struct fake_peer *peer)
{
    static char body[3000];
    size_t padding;

    peer_open(peer);
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t id = 1 + 2 * i;
        size_t len = i < 10 ? i : 2000 + i;

        put_get(&peer->in, id);
        peer_go(peer);
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, NULL, 0), 0);
        assert_int_equal(halo_stream_write_borrow(peer_stream(peer, id), body, len, HALO_END_STREAM,
                                                  no_done, NULL),
                         0);
        peer_go(peer);
        assert_int_equal((padded_frame(peer, T_HEADERS, &padding) + padding + 9) % 8, 0);
        assert_int_equal(padded_frame(peer, T_DATA, &padding), len);
        assert_int_equal((len + padding + 9) % 8, 0);
        assert_true(padding < 8);
        expect_nothing(peer);
    }
}

static void test_O08_session_padding_of_a_source(struct fake_peer *peer)
{
    size_t left = 5001;
    struct halo_source source = { .read = read_source, .ctx = &left };
    size_t got = 0;
    size_t padding;

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_set_source(peer_stream(peer, 1), &source, 0), 0);
    peer_go(peer);
    padded_frame(peer, T_HEADERS, &padding);
    while (got < 5001) {
        size_t len = padded_frame(peer, T_DATA, &padding);

        assert_int_equal((len + padding + 9) % 8, 0);
        got += len;
    }
    assert_int_equal(got, 5001);
    expect_nothing(peer);
}

/* The windows bound the padding, and it is taken from them. */
static void test_O08_session_padding_within_the_windows(struct fake_peer *peer)
{
    struct halo_stream_info info;
    size_t padding;

    peer_open_with(peer, 4, 10); /* INITIAL_WINDOW_SIZE */
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "12345678", 8, 0), 0);
    peer_go(peer);
    padded_frame(peer, T_HEADERS, &padding);
    assert_int_equal(padded_frame(peer, T_DATA, &padding), 8); /* 9 + 8 + 7 would be aligned */
    assert_int_equal(padding, 2);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.remote_window, 0);
    assert_int_equal(info.octets_sent, 8);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 3), "1234567890", 10, 0), 0);
    peer_go(peer);
    padded_frame(peer, T_HEADERS, &padding);
    assert_int_equal(padded_frame(peer, T_DATA, &padding), 10);
    assert_int_equal(padding, 0);
}

static void test_O09_session_padding_max(struct fake_peer *peer)
{
    static char body[40000];
    struct halo_session_info info;
    size_t padding;
    size_t all = 0;

    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "x", 1, 0), 0);
    peer_go(peer);
    padded_frame(peer, T_HEADERS, &padding);
    assert_int_equal(padding, 256);
    assert_int_equal(padded_frame(peer, T_DATA, &padding), 1);
    assert_int_equal(padding, 256);
    halo_session_get_info(peer->session, &info);
    assert_int_equal(info.remote_window, 65535 - 257);
    /* Frames that are full have no room left. */
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), body, sizeof(body), HALO_END_STREAM),
                     0);
    peer_go(peer);
    while (all < sizeof(body)) {
        size_t len = padded_frame(peer, T_DATA, &padding);

        all += len;
        assert_true(len + padding <= 16384);
        assert_int_equal(padding, all < sizeof(body) ? 0 : 256);
    }
}

static void test_O07_session_no_padding_by_default(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "x", 1, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_frame(peer, T_HEADERS, F_END_HEADERS, 1, 1);
    expect_data(peer, 1, F_END_STREAM, 1);
}

static void test_O07_K01_session_padding_of_requests_and_trailers(struct fake_peer *peer)
{
    halo_header sum = test_field("x-sum", "12");
    halo_headers trailers = { .fields = &sum, .count = 1 };
    halo_stream *stream;
    size_t padding;

    peer_open(peer);
    stream = peer_request(peer, "POST", 0);
    assert_int_equal(halo_stream_trailers(stream, &trailers), 0);
    peer_go(peer);
    assert_int_equal((padded_frame(peer, T_HEADERS, &padding) + padding + 9) % 8, 0);
    assert_int_equal((padded_frame(peer, T_HEADERS, &padding) + padding + 9) % 8, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_WITH(test_O07_O08_O10_Q03_session_padding_aligned, aligned),
        SERVER_WITH(test_O08_session_padding_of_a_source, aligned),
        SERVER_WITH(test_O08_session_padding_within_the_windows, aligned),
        SERVER_WITH(test_O09_session_padding_max, most),
        SERVER(test_O07_session_no_padding_by_default),
        CLIENT_WITH(test_O07_K01_session_padding_of_requests_and_trailers, aligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
