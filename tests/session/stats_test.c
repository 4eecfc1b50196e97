/* What sessions and streams say they did. Node: PerformanceEntry of type http2. */
#include "fake_peer.h"

#include <string.h>

static struct halo_stream_stats closed_stream;
static struct halo_session_stats closed_session;

static void look(struct fake_peer *peer, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_STREAM_CLOSED) {
        halo_stream_get_stats(event->stream, &closed_stream);
    } else if (event->type == HALO_EVENT_SESSION_CLOSED) {
        halo_session_get_stats(peer->session, &closed_session);
    }
}

static void test_Z01_Z02_Z03_Z04_Z05_Z06_Z15_session_stream_stats_of_a_client(
    struct fake_peer *peer)
{
    uint64_t start_ns;

    peer->app = look;
    peer_open(peer);
    peer_wait(peer, 7);
    start_ns = peer->now_ns;
    peer_request(peer, "POST", 0);
    peer_go(peer);
    peer_wait(peer, 5);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "12345", 5, HALO_END_STREAM), 0);
    peer_go(peer);
    peer_wait(peer, 10);
    put_ok(&peer->in, 1, 0);
    peer_go(peer);
    peer_wait(peer, 20);
    put_data_padded(&peer->in, 1, 0, 100, 9);
    peer_go(peer);
    peer_wait(peer, 40);
    put_data(&peer->in, 1, F_END_STREAM, 11);
    peer_go(peer);
    assert_int_equal(closed_stream.id, 1);
    assert_int_equal(closed_stream.start_ns, start_ns);
    assert_int_equal(closed_stream.duration_ns, 75000000);
    assert_int_equal(closed_stream.bytes_read, 111);
    assert_int_equal(closed_stream.bytes_written, 5);
    assert_int_equal(closed_stream.time_to_first_byte_sent_ns, 5000000);
    assert_int_equal(closed_stream.time_to_first_header_ns, 15000000);
    assert_int_equal(closed_stream.time_to_first_byte_ns, 35000000);
    skip_output(peer);
}

static void test_Z04_Z05_Z06_session_stream_stats_of_what_did_not_happen(struct fake_peer *peer)
{
    struct halo_stream_stats stats;
    halo_stream *stream;

    peer->app = look;
    peer_open(peer);
    stream = peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    halo_stream_get_stats(stream, &stats);
    assert_int_equal(stats.time_to_first_header_ns, -1);
    assert_int_equal(stats.time_to_first_byte_ns, -1);
    assert_int_equal(stats.time_to_first_byte_sent_ns, -1);
    assert_int_equal(stats.bytes_read, 0);
    skip_output(peer);
}

static void test_Z07_Z08_Z09_Z10_Z12_Z13_Z14_Z15_session_stats(struct fake_peer *peer)
{
    struct halo_session_stats stats;
    size_t in;

    peer->app = look;
    peer_open(peer);
    halo_session_get_stats(peer->session, &stats);
    in = (size_t)stats.bytes_read;
    assert_int_equal(in, 24 + 9 + 9);
    assert_int_equal(stats.frames_received, 2);
    assert_int_equal(stats.ping_rtt_ns, -1);
    assert_int_equal(stats.bytes_written, peer->out.len);
    put_post(&peer->in, 1);
    put_post(&peer->in, 3);
    put_post(&peer->in, 5);
    in += peer->in.len;
    peer_go(peer);
    peer_wait(peer, 10);
    for (uint32_t id = 1; id <= 5; id += 2) {
        put_rst_stream(&peer->in, id, id == 5 ? 77777 : HALO_CANCEL);
        in += 13;
        peer_go(peer);
        peer_wait(peer, 10);
    }
    put_get(&peer->in, 7);
    in += peer->in.len;
    peer_go(peer);
    halo_stream_reset(peer_stream(peer, 7), HALO_REFUSED_STREAM);
    peer_go(peer);
    put_frame(&peer->in, 0x77, 0, 0, "", 0); /* of a type that nobody knows */
    in += 9;
    peer_wait(peer, 60);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    peer_go(peer);
    stats = closed_session;
    assert_int_equal(stats.type, HALO_SERVER);
    assert_int_equal(stats.start_ns, 1000000);
    assert_int_equal(stats.duration_ns, 100000000);
    assert_int_equal(stats.bytes_read, in);
    assert_int_equal(stats.frames_received_by_type[T_HEADERS], 4);
    assert_int_equal(stats.frames_received_by_type[T_RST_STREAM], 3);
    assert_int_equal(stats.frames_received_by_type[T_SETTINGS], 2);
    assert_int_equal(stats.frames_received_by_type[HALO_FRAME_COUNTS - 1], 1);
    assert_int_equal(stats.frames_received, 10);
    assert_int_equal(stats.frames_sent_by_type[T_SETTINGS], 2);
    assert_int_equal(stats.frames_sent_by_type[T_RST_STREAM], 1);
    assert_int_equal(stats.frames_sent_by_type[T_GOAWAY], 1);
    assert_int_equal(stats.max_concurrent_streams, 3);
    assert_int_equal(stats.stream_count, 4);
    assert_int_equal(stats.stream_average_duration_ns, (10 + 20 + 30 + 0) * 1000000 / 4);
    assert_int_equal(stats.resets_received[HALO_CANCEL], 2);
    assert_int_equal(stats.resets_received[HALO_CODE_COUNTS - 1], 1);
    assert_int_equal(stats.resets_sent[HALO_REFUSED_STREAM], 1);
    halo_session_get_stats(peer->session, &stats);
    assert_int_equal(stats.bytes_written, peer->out.len);
    skip_output(peer);
    skip_log(peer);
}

static void test_Z11_session_ping_round_trip(struct fake_peer *peer)
{
    struct halo_session_stats stats;

    peer_open(peer);
    assert_int_equal(halo_session_ping(peer->session, (const uint8_t *)"12345678"), 0);
    peer_go(peer);
    peer_wait(peer, 12);
    put_ping(&peer->in, F_ACK, "12345678");
    peer_go(peer);
    halo_session_get_stats(peer->session, &stats);
    assert_int_equal(stats.ping_rtt_ns, 12000000);
    skip_output(peer);
    skip_log(peer);
}

/* Frames are counted in 32 bits; what passes 2^31 octets is added up in 64. */
static void frames_beyond_the_counters(struct fake_peer *peer)
{
    struct halo_session *session = peer->session;
    struct halo_session_stats stats;

    peer_open(peer);
    session->frames_received_by_type[T_PING] = UINT32_MAX;
    session->reader.bytes_received = FRAMES_FOLD_OCTETS - 1;
    put_ping(&peer->in, 0, "12345678");
    peer_go(peer);
    session->frames_sent_by_type[T_PING] = UINT32_MAX - 1;
    session->octets_sent = FRAMES_FOLD_OCTETS - 1;
    for (size_t i = 0; i < 2; i++) {
        put_ping(&peer->in, 0, "12345678");
        peer_go(peer);
    }
    halo_session_get_stats(session, &stats);
    assert_int_equal(stats.frames_received_by_type[T_PING], (uint64_t)UINT32_MAX + 3);
    assert_int_equal(stats.frames_sent_by_type[T_PING], (uint64_t)UINT32_MAX + 1);
    assert_int_equal(stats.frames_received, (uint64_t)UINT32_MAX + 3 + 2);
    skip_output(peer);
    skip_log(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT(test_Z01_Z02_Z03_Z04_Z05_Z06_Z15_session_stream_stats_of_a_client),
        CLIENT(test_Z04_Z05_Z06_session_stream_stats_of_what_did_not_happen),
        SERVER(test_Z07_Z08_Z09_Z10_Z12_Z13_Z14_Z15_session_stats),
        SERVER(test_Z11_session_ping_round_trip),
        SERVER(frames_beyond_the_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
