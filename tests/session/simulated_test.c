/* What the simulator (tests/sim) found, each as a short scenario. */
#include "fake_peer.h"

#include "core/proto/limits.h"

static void small_window(struct halo_session_options *options)
{
    options->settings.initial_window_size = 100;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
}

/* RFC 9113 6.9.1: an empty DATA frame with END_STREAM may be sent without any window, also when
 * our SETTINGS have made that negative. */
static void empty_end_in_negative_window(struct fake_peer *peer)
{
    struct halo_settings settings = { .initial_window_size = 10 };

    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 90);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, 0, 40);
    peer_go(peer);
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    peer_go(peer);
    put_settings_ack(&peer->in);
    put_data(&peer->in, 1, F_END_STREAM, 0);
    peer_go(peer);
    skip_log(peer);
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    expect_log(peer, "DATA 1 len=40 END\n");
    expect_alive(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_WITH(empty_end_in_negative_window, small_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
