/* RFC 9113 section 5.2 and 6.9: flow control in both directions. */
#include "fake_peer.h"

#include "core/proto/limits.h"

static char body[200000];

/* A response with a body that lives for ever. */
static halo_stream *respond_with(struct fake_peer *peer, uint32_t id, size_t len)
{
    halo_stream *stream = peer_stream(peer, id);

    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write_borrow(stream, body, len, HALO_END_STREAM, NULL, NULL), 0);
    return stream;
}

/* ---- sending ---------------------------------------------------------------------------------- */

static void data_stops_at_the_windows(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 100000);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    for (int i = 0; i < 3; i++) {
        expect_data(peer, 1, 0, 16384);
    }
    expect_data(peer, 1, 0, 16383);
    expect_nothing(peer);
    put_window_update(&peer->in, 1, 10000); /* the connection has none */
    peer_go(peer);
    expect_nothing(peer);
    put_window_update(&peer->in, 0, 5);
    peer_go(peer);
    expect_data(peer, 1, 0, 5);
    put_window_update(&peer->in, 0, 100000);
    peer_go(peer);
    expect_data(peer, 1, 0, 9995);
    expect_nothing(peer);
    put_window_update(&peer->in, 1, 100000);
    peer_go(peer);
    expect_body(peer, 1, F_END_STREAM, 24465);
    expect_nothing(peer);
}

/* RFC 9113 6.9.2: 65535 octets are out when the initial size falls to 0; what comes then is exact. */
static void negative_window(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open(peer);
    put_window_update(&peer->in, 0, 1000000);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 65540);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_body(peer, 1, 0, 65535);
    put_settings(&peer->in, 4, 0, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.remote_window, -65535);
    put_window_update(&peer->in, 1, 65534);
    peer_go(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.remote_window, -1);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    expect_nothing(peer);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    expect_data(peer, 1, 0, 1);
    put_settings(&peer->in, 4, 2, 0); /* the difference counts: window 2 */
    peer_go(peer);
    expect_settings_ack(peer);
    expect_nothing(peer); /* so little goes out once a second */
    peer_wait(peer, LIMIT_DATA_HOLD_MS);
    expect_data(peer, 1, 0, 2);
    put_settings(&peer->in, 4, 1, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    put_window_update(&peer->in, 1, 2);
    peer_go(peer);
    peer_wait(peer, LIMIT_DATA_HOLD_MS);
    expect_data(peer, 1, 0, 1);
    put_window_update(&peer->in, 1, 0x7ffffffe);
    peer_go(peer);
    expect_data(peer, 1, F_END_STREAM, 1);
}

/* The window goes while data is ready: nothing may be sent, not even an empty frame. */
static void window_taken_back_from_ready_data(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    respond_with(peer, 1, 2000);
    respond_with(peer, 3, 2000);
    put_settings(&peer->in, 4, 0, 0); /* read before anything is pulled */
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_headers(peer, 3, 0, NULL);
    expect_settings_ack(peer);
    expect_nothing(peer);
    put_settings(&peer->in, 4, 3000, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_data(peer, 1, F_END_STREAM, 2000);
    expect_data(peer, 3, F_END_STREAM, 2000);
}

static void window_overflow_of_connection(struct fake_peer *peer)
{
    peer_open(peer);
    put_window_update(&peer->in, 0, 0x7fffffff - 65535);
    peer_go(peer);
    expect_alive(peer);
    put_window_update(&peer->in, 0, 1);
    peer_go(peer);
    expect_dead(peer, HALO_FLOW_CONTROL_ERROR);
}

static void window_overflow_of_stream(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    put_window_update(&peer->in, 1, 0x7fffffff - 65535);
    peer_go(peer);
    expect_alive(peer);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    expect_rst(peer, 1, HALO_FLOW_CONTROL_ERROR); /* 6.9.1 asks for it */
    expect_dead(peer, HALO_FLOW_CONTROL_ERROR);
}

/* RFC 9113 6.9.2: also when SETTINGS push a window over, by a little or by much. */
static void window_overflow_by_settings(struct fake_peer *peer)
{
    static const uint32_t sizes[] = { 65536, 70000, 0x7fffffff };

    for (size_t i = 0; i < HALO_ARRAY_LEN(sizes); i++) {
        peer_open(peer);
        put_get(&peer->in, 1);
        put_window_update(&peer->in, 1, 0x7fffffff - 65535);
        put_settings(&peer->in, 4, 65535, 0);
        peer_go(peer);
        expect_alive(peer);
        put_settings(&peer->in, 4, sizes[i], 0);
        peer_go(peer);
        expect_dead(peer, HALO_FLOW_CONTROL_ERROR);
        peer_restart(peer);
    }
}

static void window_updates_of_bad_form(struct fake_peer *peer)
{
    static const struct {
        uint32_t id;
        uint32_t increment;
        size_t len;
        int code; /* -1: fine */
    } cases[] = {
        { 0, 0, 4, HALO_PROTOCOL_ERROR },
        { 1, 0, 4, HALO_PROTOCOL_ERROR },
        { 3, 1, 4, HALO_PROTOCOL_ERROR },
        { 2, 1, 4, HALO_PROTOCOL_ERROR },
        { 0, 1, 3, HALO_FRAME_SIZE_ERROR },
        { 1, 1, 5, HALO_FRAME_SIZE_ERROR },
        { 1, 0x80000001, 4, -1 }, /* the reserved bit is ignored */
        { 1, 0x80000000, 4, HALO_PROTOCOL_ERROR },
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        peer_open(peer);
        put_get(&peer->in, 1);
        put_frame_header(&peer->in, (uint32_t)cases[i].len, T_WINDOW_UPDATE, 0, cases[i].id);
        wire_u32(&peer->in, cases[i].increment);
        wire_octet(&peer->in, 0);
        peer->in.len -= 5 - cases[i].len;
        peer_go(peer);
        if (cases[i].code < 0) {
            expect_alive(peer);
        } else {
            expect_dead(peer, (uint32_t)cases[i].code);
        }
        peer_restart(peer);
    }
}

/* ---- receiving ---------------------------------------------------------------------------------- */

/* Sends `len` octets of DATA in frames of at most 10000. */
static void upload(struct fake_peer *peer, uint32_t id, size_t len)
{
    while (len > 0) {
        size_t part = len < 10000 ? len : 10000;

        put_data(&peer->in, id, 0, part);
        peer_go(peer);
        skip_output(peer);
        len -= part;
    }
}

static void credit_returns_at_half(struct fake_peer *peer)
{
    uint64_t updates;

    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    updates = peer->updates_heard;
    upload(peer, 1, 30000);
    assert_int_equal(peer->updates_heard, updates);
    upload(peer, 1, 10000);
    assert_int_equal(peer->updates_heard, updates + 1); /* of the stream; the connection's is far */
    for (int i = 0; i < 10; i++) {
        upload(peer, 1, 60000);
    }
    expect_alive(peer);
}

static void small_window(struct halo_session_options *options)
{
    options->settings.initial_window_size = 1000;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
}

/* A stream that was opened before our SETTINGS held must still get credit for the smaller window. */
static void credit_of_streams_older_than_our_settings(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, 0);
    put_post(&peer->in, 1);
    put_settings_ack(&peer->in);
    peer_go(peer);
    skip_output(peer);
    for (int i = 0; i < 10; i++) {
        put_data(&peer->in, 1, 0, 500);
        put_data(&peer->in, 1, 0, 500);
        peer_go(peer);
        expect_nothing(peer);
    }
    expect_alive(peer);
}

/* The window shrinks when much credit is collected already: it is not forgotten. */
static void credit_when_our_window_shrinks(struct fake_peer *peer)
{
    struct halo_settings settings = {
        .present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE),
        .initial_window_size = 30000,
    };

    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 16000);
    put_data(&peer->in, 1, 0, 14000); /* window 35535, 30000 not returned: less than half */
    peer_go(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    put_settings_ack(&peer->in); /* window 0 unless the credit comes now */
    peer_go(peer);
    skip_output(peer);
    put_data(&peer->in, 1, 0, 15000);
    put_data(&peer->in, 1, 0, 15000);
    peer_go(peer);
    expect_alive(peer);
}

static void window_of_stream_exceeded(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, 0);
    put_settings_ack(&peer->in);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 1));
    put_data(&peer->in, 1, 0, 500);
    put_data_padded(&peer->in, 1, 0, 244, 255); /* 500 with padding and its length: all of it */
    peer_go(peer);
    expect_alive(peer); /* the padding's credit waits for half the window */
    put_data(&peer->in, 1, 0, 1);
    peer_go(peer);
    expect_dead(peer, HALO_FLOW_CONTROL_ERROR);
}

static void connection_window_minimal(struct halo_session_options *options)
{
    options->connection_window_size = 65535;
}

static void window_of_connection_exceeded(struct fake_peer *peer)
{
    peer_open(peer);
    for (uint32_t id = 1; id <= 9; id += 2) {
        put_post(&peer->in, id);
        peer_go(peer);
        halo_stream_pause(peer_stream(peer, id));
        put_data(&peer->in, id, 0, 13107);
        peer_go(peer);
    }
    expect_alive(peer);
    put_data(&peer->in, 9, 0, 1);
    peer_go(peer);
    expect_dead(peer, HALO_FLOW_CONTROL_ERROR);
}

/* Shrinking withholds credit; growing again first gives up withholding. */
static void connection_window_changes(struct fake_peer *peer)
{
    peer_open(peer);
    assert_int_equal(peer->connection_window, LIMIT_CONNECTION_WINDOW);
    assert_int_equal(halo_session_set_window(peer->session, 100000), 0);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->connection_window, LIMIT_CONNECTION_WINDOW);
    assert_int_equal(halo_session_set_window(peer->session, 0x7fffffff), 0);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->connection_window, 0x7fffffff); /* and not beyond, which is an error */
    assert_int_equal(halo_session_set_window(peer->session, 65535), 0);
    assert_int_equal(halo_session_set_window(peer->session, 0x7fffffff), 0);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->connection_window, 0x7fffffff);
    assert_int_equal(halo_session_set_window(peer->session, 0x80000000u), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_session_set_window(peer->session, 100000), 0);
    put_post(&peer->in, 1);
    upload(peer, 1, 300000);
}

static void connection_window_shrinks_for_good(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    upload(peer, 1, 60000);
    assert_int_equal(halo_session_set_window(peer->session, 100000), 0);
    for (int i = 0; i < 40; i++) {
        upload(peer, 1, 50000);
    }
    skip_output(peer);
    assert_in_range(peer->connection_window, 50000, 100000);
}

/* DATA that nobody gets is credited, every path: A4.8 of the catalogue. */
static void credit_of_discarded_data(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
    for (int i = 0; i < 200; i++) { /* under way when the stream was reset */
        put_data_padded(&peer->in, 1, 0, 10000, 255);
        peer_go(peer);
    }
    put_fields(&peer->in, 3, 0, ":method", "POST", ":scheme", "https", ":path", "/", ":authority",
               "a", "content-length", "3", NULL);
    put_data_padded(&peer->in, 3, 0, 10000, 7); /* too long: reset by us */
    put_data(&peer->in, 3, F_END_STREAM, 5000);
    put_post(&peer->in, 5);
    put_data(&peer->in, 5, 0, 5000);
    peer_go(peer);
    halo_stream_pause(peer_stream(peer, 5));
    put_data(&peer->in, 5, 0, 5000);
    peer_go(peer);
    halo_stream_reset(peer_stream(peer, 5), HALO_CANCEL); /* with held data */
    put_post(&peer->in, 7);
    put_data(&peer->in, 7, 0, 5000);
    put_rst_stream(&peer->in, 7, HALO_CANCEL);
    peer_go(peer);
    expect_alive(peer);
}

/* The handler resets the stream in the middle of a frame. */
static void app_reset_on_data(struct fake_peer *peer, const struct halo_event *event)
{
    (void)peer;
    if (event->type == HALO_EVENT_DATA && !halo_stream_is_closed(event->stream)) {
        halo_stream_reset(event->stream, HALO_CANCEL);
    }
}

static void reset_within_a_frame(struct fake_peer *peer)
{
    peer_open(peer);
    peer->app = app_reset_on_data;
    put_post(&peer->in, 1);
    put_data_padded(&peer->in, 1, 0, 10000, 100);
    put_data(&peer->in, 1, F_END_STREAM, 100);
    peer_go(peer);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_nothing(peer);
    peer->log.len = peer->log_read; /* how much was told depends on the pieces */
    peer->data.pending = false;
    expect_alive(peer);
}

/* ---- manual credit ------------------------------------------------------------------------------- */

static void manual(struct halo_session_options *options)
{
    options->manual_credit = 1;
    options->connection_window_size = 65535;
}

static void manual_credit(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 16384);
    put_data(&peer->in, 1, 0, 16384);
    put_data(&peer->in, 1, 0, 16384);
    put_data(&peer->in, 1, 0, 16383);
    peer_go(peer);
    stream = peer_stream(peer, 1);
    skip_output(peer);
    assert_int_equal(peer->connection_window, 0);
    assert_int_equal(halo_stream_consume(stream, 65536), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_stream_consume(stream, 32766), 0);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->connection_window, 0);
    assert_int_equal(halo_stream_consume(stream, 1), 0);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->connection_window, 32767);
    /* What was not consumed comes back to the connection with the stream's end. */
    halo_stream_reset(stream, HALO_CANCEL);
    peer_go(peer);
    skip_output(peer);
}

/* Kept slices and manual credit: consuming and releasing may come in either order. */
static void app_keep_slice(struct fake_peer *peer, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_DATA) {
        halo_slice *slices = peer->ctx;

        assert_true(peer->counter < 100);
        assert_int_equal(halo_session_keep_data(peer->session, &slices[peer->counter]), 0);
        assert_int_equal(slices[peer->counter].len, event->u.data.len);
        peer->counter++;
    }
}

static void manual_credit_of_kept_slices(struct fake_peer *peer)
{
    halo_slice slices[100] = { 0 };

    peer_open(peer);
    peer->app = app_keep_slice;
    peer->ctx = slices;
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 40);
    put_data(&peer->in, 1, 0, 40);
    peer_go(peer);
    assert_int_equal(halo_stream_consume(peer_stream(peer, 1), 80), 0);
    for (int i = 0; i < peer->counter; i++) {
        halo_slice_release(&slices[i]);
    }
    assert_int_equal(halo_stream_consume(peer_stream(peer, 1), 1), HALO_E_INVALID_ARGUMENT);
}

/* Octets may be consumed while their event is being handled. */
static void app_consume_at_once(struct fake_peer *peer, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_DATA) {
        assert_int_equal(halo_stream_consume(event->stream, event->u.data.len + 1),
                         HALO_E_INVALID_ARGUMENT);
        assert_int_equal(halo_stream_consume(event->stream, event->u.data.len), 0);
        peer->counter += (int)event->u.data.len;
    }
}

static void manual_credit_in_the_event(struct fake_peer *peer)
{
    peer_open(peer);
    peer->app = app_consume_at_once;
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 16384);
    put_data(&peer->in, 1, 0, 16384);
    peer_go(peer);
    skip_output(peer);
    assert_int_equal(peer->counter, 32768);
    assert_true(peer->connection_window > 65535 - 32768); /* half the window came back */
}

/* ---- stalls ------------------------------------------------------------------------------------------ */

static void stalled_stream_is_cancelled(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 10);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 1000);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 10);
    skip_log(peer);
    peer_wait(peer, LIMIT_STALL_MS - 1);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, "CLOSED 1 TIMEOUT CANCEL origin=2 processed=0\n");
}

/* A4.4: an octet now and then is no progress. */
static void dripping_window_does_not_help(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 10);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 1000);
    peer_go(peer);
    for (int i = 0; i < 29; i++) {
        peer_wait(peer, 1000);
        put_window_update(&peer->in, 1, 1);
        peer_go(peer);
    }
    skip_output(peer);
    skip_log(peer);
    peer_wait(peer, 1001);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, "CLOSED 1 TIMEOUT CANCEL origin=2 processed=0\n");
}

/* The one that dripped has waited longer than one that stalled after it, and is cancelled first. */
static void older_stall_goes_first(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 10);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 1000);
    peer_go(peer);
    peer_wait(peer, 10000);
    put_get(&peer->in, 3);
    peer_go(peer);
    respond_with(peer, 3, 1000);
    peer_go(peer);
    peer_wait(peer, 5000);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    skip_output(peer);
    skip_log(peer);
    peer_wait(peer, 15001);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, "CLOSED 1 TIMEOUT CANCEL origin=2 processed=0\n");
    expect_nothing(peer);
    peer_wait(peer, 10000);
    expect_rst(peer, 3, HALO_CANCEL);
}

/* A slow reader that makes headway stays. */
static void slow_window_is_enough(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 300);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 30000);
    peer_go(peer);
    for (int i = 0; i < 80; i++) {
        peer_wait(peer, 1000);
        put_window_update(&peer->in, 1, 300);
        peer_go(peer);
    }
    skip_output(peer);
    assert_non_null(peer->streams[0]);
    expect_alive(peer);
}

/* The connection's window counts as the stream's does. */
static void stalled_connection(struct fake_peer *peer)
{
    peer_open_with(peer, 4, 100000);
    put_get(&peer->in, 1);
    peer_go(peer);
    respond_with(peer, 1, 100000);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_body(peer, 1, 0, 65535);
    skip_log(peer);
    peer_wait(peer, LIMIT_STALL_MS - 1);
    expect_log(peer, "");
    peer_wait(peer, 1);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, "CLOSED 1 TIMEOUT CANCEL origin=2 processed=0\n");
    expect_alive(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(data_stops_at_the_windows),
        SERVER(negative_window),
        SERVER(window_taken_back_from_ready_data),
        SERVER(window_overflow_of_connection),
        SERVER(window_overflow_of_stream),
        SERVER(window_overflow_by_settings),
        SERVER(window_updates_of_bad_form),
        SERVER(credit_returns_at_half),
        SERVER_WITH(credit_of_streams_older_than_our_settings, small_window),
        SERVER(credit_when_our_window_shrinks),
        SERVER_WITH(window_of_stream_exceeded, small_window),
        SERVER_WITH(window_of_connection_exceeded, connection_window_minimal),
        SERVER(connection_window_changes),
        SERVER(connection_window_shrinks_for_good),
        SERVER(credit_of_discarded_data),
        SERVER(reset_within_a_frame),
        SERVER_WITH(manual_credit, manual),
        SERVER_WITH(manual_credit_of_kept_slices, manual),
        SERVER_WITH(manual_credit_in_the_event, manual),
        SERVER(stalled_stream_is_cancelled),
        SERVER(dripping_window_does_not_help),
        SERVER(older_stall_goes_first),
        SERVER(slow_window_is_enough),
        SERVER(stalled_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
