/* How often body octets are copied on each path, as docs/ARCHITECTURE.md promises. */
#include "fake_peer.h"

#include "core/proto/limits.h"

enum { BODY = 3 * 16384 };

static char octets[BODY];

static uint64_t copied_out(struct fake_peer *peer)
{
    struct halo_session_info info;

    halo_session_get_info(peer->session, &info);
    return info.octets_copied_out;
}

static uint64_t copied_in(struct fake_peer *peer)
{
    struct halo_session_info info;

    halo_session_get_info(peer->session, &info);
    return info.octets_copied_in;
}

static halo_stream *answered(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    return peer_stream(peer, 1);
}

static void borrowed_memory_is_not_copied(struct fake_peer *peer)
{
    peer_open(peer);
    assert_int_equal(
        halo_stream_write_borrow(answered(peer), octets, BODY, HALO_END_STREAM, NULL, NULL), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_body(peer, 1, F_END_STREAM, BODY);
    assert_int_equal(copied_out(peer), 0);
}

static void slices_are_not_copied(struct fake_peer *peer)
{
    halo_slice slice;

    peer_open(peer);
    assert_int_equal(halo_slice_copy(&slice, octets, BODY), 0);
    assert_int_equal(halo_stream_write_slice(answered(peer), &slice, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_body(peer, 1, F_END_STREAM, BODY);
    assert_int_equal(copied_out(peer), 0);
}

/* Once; the ends of chunks that fall into one frame with the next are copied next to its header. */
static void copied_writes_are_copied_once(struct fake_peer *peer)
{
    peer_open(peer);
    assert_int_equal(halo_stream_write(answered(peer), octets, BODY, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_body(peer, 1, F_END_STREAM, BODY);
    assert_true(copied_out(peer) >= BODY);
    assert_true(copied_out(peer) <= BODY + 2 * LIMIT_DATA_INLINE);
}

static void small_bodies_are_copied_once(struct fake_peer *peer)
{
    peer_open(peer);
    assert_int_equal(halo_stream_write_borrow(answered(peer), octets, LIMIT_DATA_INLINE,
                                              HALO_END_STREAM, NULL, NULL),
                     0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_body(peer, 1, F_END_STREAM, LIMIT_DATA_INLINE);
    assert_int_equal(copied_out(peer), LIMIT_DATA_INLINE);
}

static void received_bodies_are_not_copied(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 16384);
    put_data(&peer->in, 1, F_END_STREAM, 16384);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(copied_in(peer), 0);
}

static void paused_bodies_are_copied_once(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, F_END_STREAM, 16384);
    peer_go(peer);
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(copied_in(peer), 16384);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(borrowed_memory_is_not_copied),  SERVER(slices_are_not_copied),
        SERVER(copied_writes_are_copied_once),  SERVER(small_bodies_are_copied_once),
        SERVER(received_bodies_are_not_copied), SERVER(paused_bodies_are_copied_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
