/* Received bodies that the application does not want now, or wants for longer: pause, resume, keep. */
#include "fake_peer.h"

#include <string.h>

#include "core/proto/limits.h"

static void paused_data_is_held_and_told_later(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    skip_log(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, 0, 16384);
    put_data(&peer->in, 1, 0, 16384);
    put_data_padded(&peer->in, 1, 0, 100, 20);
    put_fields(&peer->in, 1, F_END_STREAM, "x-sum", "1", NULL);
    peer_go(peer);
    expect_log(peer, "");
    skip_output(peer);
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    expect_log(peer, "DATA 1 len=32868\nTRAILERS 1 END x-sum=1\n");
    halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    expect_log(peer, "CLOSED 1\n");
}

static void end_behind_held_data(struct fake_peer *peer)
{
    peer_open(peer);
    for (uint32_t id = 1; id <= 3; id += 2) {
        put_post(&peer->in, id);
        peer_go(peer);
        skip_log(peer);
        halo_stream_pause(peer_stream(peer, id));
        put_data(&peer->in, id, id == 1 ? F_END_STREAM : 0, 100);
        if (id == 3) {
            put_data(&peer->in, id, F_END_STREAM, 0);
        }
        peer_go(peer);
        halo_stream_respond(peer_stream(peer, id), 200, NULL, HALO_END_STREAM);
        peer_go(peer);
        expect_log(peer, ""); /* not closed: there is something to tell */
        halo_stream_resume(peer_stream(peer, id));
        peer_go(peer);
        expect_log(peer,
                   id == 1 ? "DATA 1 len=100 END\nCLOSED 1\n" : "DATA 3 len=100 END\nCLOSED 3\n");
    }
}

/* Nothing is told while paused, and nothing about one thing gets into the event of another. */
static void resumed_and_paused_again(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, 0, 100);
    peer_go(peer);
    skip_log(peer);
    halo_stream_resume(peer_stream(peer, 1));
    halo_stream_pause(peer_stream(peer, 1));
    put_settings(&peer->in, 0); /* an event of the session follows: no stream in it */
    peer_go(peer);
    expect_log(peer, "SETTINGS\n");
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    expect_log(peer, "DATA 1 len=100\n");
}

/* Data that the peer sent before it reset the stream is handed out; then comes the end. */
static void reset_behind_held_data(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, 0, 100);
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    peer_go(peer);
    skip_log(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0),
                     HALO_E_INVALID_STREAM);
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    expect_log(peer, "DATA 1 len=100\nCLOSED 1 STREAM_ERROR CANCEL origin=3 processed=0\n");
}

/* ... also when the session ends before the application wants it. */
static void session_ends_with_held_data(struct fake_peer *peer)
{
    for (int reset = 0; reset < 2; reset++) {
        peer_open(peer);
        put_post(&peer->in, 1);
        peer_go(peer);
        skip_log(peer);
        halo_stream_pause(peer_stream(peer, 1));
        put_data(&peer->in, 1, 0, 100);
        if (reset) {
            put_rst_stream(&peer->in, 1, HALO_CANCEL);
        }
        peer_go(peer);
        halo_session_destroy(peer->session, HALO_NO_ERROR);
        peer_go(peer);
        expect_log(
            peer, reset ? "CLOSED 1 STREAM_ERROR CANCEL origin=3 processed=0\nSESSION_CLOSED\n"
                        : "CLOSED 1 STREAM_CANCEL NO_ERROR origin=1 processed=0\nSESSION_CLOSED\n");
        peer_restart(peer);
    }
}

/* The handler ends the stream or the session while it reads what was held: that stays readable. */
static void app_end_and_read(struct fake_peer *peer, const struct halo_event *event)
{
    uint32_t sum = 0;

    if (event->type != HALO_EVENT_DATA && event->type != HALO_EVENT_TRAILERS) {
        return;
    }
    if (peer->counter / 2 % 2 == 0) {
        halo_stream_reset(event->stream, HALO_CANCEL);
    } else {
        halo_session_destroy(peer->session, HALO_CANCEL);
    }
    halo_session_goaway(peer->session, HALO_NO_ERROR, 0, "overwrite", 9);
    if (event->type == HALO_EVENT_DATA) {
        for (size_t i = 0; i < event->u.data.len; i++) {
            assert_int_equal(event->u.data.data[i], 'a' + i % 26);
        }
    } else {
        for (size_t i = 0; i < event->u.headers.count; i++) {
            sum += (uint8_t)event->u.headers.fields[i].value.data[0];
        }
        assert_int_equal(sum, 'v');
    }
}

static void handler_ends_what_it_reads(struct fake_peer *peer)
{
    for (peer->counter = 0; peer->counter < 4; peer->counter++) {
        peer->app = app_end_and_read;
        peer_open(peer);
        put_post(&peer->in, 1);
        peer_go(peer);
        halo_stream_pause(peer_stream(peer, 1));
        if (peer->counter % 2 == 0) {
            put_data(&peer->in, 1, 0, 615 * 26); /* the letters go on in the next frame */
            put_data(&peer->in, 1, 0, 615 * 26);
        }
        put_fields(&peer->in, 1, F_END_STREAM, "x", "value", NULL);
        peer_go(peer);
        halo_stream_resume(peer_stream(peer, 1));
        peer_go(peer);
        peer->app = NULL;
        peer_restart(peer);
    }
}

/* ---- kept slices ------------------------------------------------------------------------------------- */

struct kept {
    halo_slice slices[40000];
    size_t count;
    size_t len;
};

static void app_keep(struct fake_peer *peer, const struct halo_event *event)
{
    struct kept *kept = peer->ctx;

    if (event->type == HALO_EVENT_DATA && event->u.data.len > 0) {
        halo_slice *slice = &kept->slices[kept->count++];

        assert_true(kept->count < HALO_ARRAY_LEN(kept->slices));
        assert_int_equal(halo_session_keep_data(peer->session, slice), 0);
        assert_int_equal(slice->len, event->u.data.len);
        assert_memory_equal(slice->data, event->u.data.data, slice->len);
        kept->len += slice->len;
        assert_int_equal(halo_session_keep_data(peer->session, slice), HALO_E_WRONG_STATE);
    }
}

static void release_kept(struct kept *kept)
{
    for (size_t i = 0; i < kept->count; i++) {
        assert_in_range(kept->slices[i].data[0], 'a', 'z');
        halo_slice_release(&kept->slices[i]);
        halo_slice_release(&kept->slices[i]);
    }
    kept->count = 0;
    kept->len = 0;
}

static struct kept kept_data;

static void release_after_session(struct fake_peer *peer)
{
    (void)peer;
    release_kept(&kept_data);
}

static void small_connection_window(struct halo_session_options *options)
{
    options->connection_window_size = 65535;
    options->memory_hard = 64 << 20; /* slices of one octet are charged with 256 */
}

static void memory_for_short_slices(struct halo_session_options *options)
{
    options->memory_hard = 64 << 20;
}

/* Credit comes when slices are released: with the stream open, ended, reset, and after the session. */
static void kept_data_is_credited_on_release(struct fake_peer *peer)
{
    peer->ctx = &kept_data;
    for (int ending = 0; ending < 4; ending++) {
        peer->app = app_keep;
        peer_open(peer);
        put_post(&peer->in, 1);
        for (int i = 0; i < 4; i++) {
            put_data(&peer->in, 1, i == 3 && ending == 1 ? F_END_STREAM : 0u, 8192);
        }
        peer_go(peer);
        assert_int_equal(kept_data.len, 32768);
        skip_output(peer);
        assert_int_equal(peer->connection_window, 65535 - 32768);
        if (ending == 2) {
            halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
            peer_go(peer);
        }
        if (ending == 3) {
            peer->app = NULL;
            peer->after_free = release_after_session; /* readable, and there is nobody to credit */
            peer_restart(peer);
            continue;
        }
        release_kept(&kept_data);
        peer_go(peer);
        skip_output(peer);
        assert_in_range(peer->connection_window, 65535 - 32767, 65535);
        peer->app = NULL;
        peer_restart(peer);
    }
}

/* What was held for a paused stream can be kept as well. */
static void held_data_can_be_kept(struct fake_peer *peer)
{
    peer->ctx = &kept_data;
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, 0, 16000);
    put_data(&peer->in, 1, F_END_STREAM, 16000);
    peer_go(peer);
    peer->app = app_keep;
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    assert_int_equal(kept_data.len, 32000);
    release_kept(&kept_data);
    peer->app = NULL;
}

static void app_keep_what_is_no_data(struct fake_peer *peer, const struct halo_event *event)
{
    halo_slice slice;

    if (event->type != HALO_EVENT_DATA) {
        assert_int_equal(halo_session_keep_data(peer->session, &slice), HALO_E_WRONG_STATE);
    }
}

static void only_data_can_be_kept(struct fake_peer *peer)
{
    halo_slice slice;

    peer->app = app_keep_what_is_no_data;
    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 10);
    put_fields(&peer->in, 1, F_END_STREAM, "x", "y", NULL);
    peer_go(peer);
    put_post(&peer->in, 3);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 3));
    put_fields(&peer->in, 3, F_END_STREAM, "x", "y", NULL);
    peer_go(peer);
    halo_stream_resume(peer_stream(peer, 3));
    peer_go(peer);
    assert_int_equal(halo_session_keep_data(peer->session, &slice), HALO_E_WRONG_STATE);
}

/* New input while the last event still lends from the old one is refused. */
static void input_waits_for_the_last_event(struct fake_peer *peer)
{
    struct halo_event event;
    struct wire in = { 0 };
    halo_stream *stream;

    peer_open(peer);
    put_get(&in, 1);
    assert_int_equal(halo_session_recv(peer->session, in.data, in.len, peer->now_ns), 0);
    assert_int_equal(halo_session_poll(peer->session, &event), 1);
    assert_int_equal(event.type, HALO_EVENT_REQUEST);
    stream = event.stream;
    assert_int_equal(halo_session_recv(peer->session, "x", 1, peer->now_ns), HALO_E_WRONG_STATE);
    assert_int_equal(halo_session_poll(peer->session, &event), 0);
    assert_int_equal(halo_session_recv(peer->session, "", 0, peer->now_ns), 0);
    assert_int_equal(halo_stream_headers(stream).count, 4);
    wire_free(&in);
}

/* Both halves are done, and what came waits for the application: for the peer the stream is closed,
 * and WINDOW_UPDATE on it is ignored whatever it says (RFC 9113 5.1). */
static void window_update_behind_the_end(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 0x7fffffff);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, F_END_STREAM, 100);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM), 0);
    peer_go(peer);
    skip_output(peer);
    skip_log(peer);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    assert_false(halo_session_is_closed(peer->session));
    expect_nothing(peer);
    halo_stream_resume(peer_stream(peer, 1));
    peer_go(peer);
    expect_log(peer, "DATA 1 len=100 END\nCLOSED 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(paused_data_is_held_and_told_later),
        SERVER(end_behind_held_data),
        SERVER(resumed_and_paused_again),
        SERVER(reset_behind_held_data),
        SERVER(session_ends_with_held_data),
        SERVER(handler_ends_what_it_reads),
        SERVER_WITH(kept_data_is_credited_on_release, small_connection_window),
        SERVER_WITH(held_data_can_be_kept, memory_for_short_slices),
        SERVER(only_data_can_be_kept),
        SERVER(window_update_behind_the_end),
        SERVER(input_waits_for_the_last_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
