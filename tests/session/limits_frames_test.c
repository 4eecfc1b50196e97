/* The limits of frames, streams and calls (docs/limits.md), each at its edge. */
#include "limit_rows.h"

#include "core/proto/limits.h"

/* ---- frames -------------------------------------------------------------------------------------------- */

/* Reads what has come every now and then, so that only the budget counts. */
static void go_now_and_then(struct fake_peer *peer, uint32_t i)
{
    if (i % 50 == 49) {
        peer_go(peer);
    }
}

static void reach_pings(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_ping(&peer->in, 0, "flooding");
        go_now_and_then(peer, i);
    }
    peer_go(peer);
}

static void change_pings(struct halo_session_options *options, uint32_t value)
{
    options->limits.pings = value;
}

/* Each DATA frame that was sent gives a PING back. */
static void reach_pings_with_data(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    for (uint32_t i = 0; i < LIMIT_PINGS; i++) {
        put_ping(&peer->in, 0, "spending");
        go_now_and_then(peer, i);
    }
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(halo_stream_write(peer_stream(peer, 1), "x", 1, 0), 0);
        peer_go(peer);
    }
    for (uint32_t i = 0; i < n; i++) {
        put_ping(&peer->in, 0, "measured");
    }
    peer_go(peer);
}

static void reach_settings(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer); /* the first */
    for (uint32_t i = 1; i < n; i++) {
        put_settings(&peer->in, 0);
    }
    peer_go(peer);
}

static void change_settings(struct halo_session_options *options, uint32_t value)
{
    options->limits.settings_frames = value;
}

static void reach_entries(struct fake_peer *peer, uint32_t n)
{
    struct wire payload = { 0 };

    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        wire_octets(&payload, "\x00\x04\x00\x00\xff\xff", 6);
    }
    put_frame(&peer->in, T_SETTINGS, 0, 0, payload.data, payload.len);
    peer_go(peer);
    wire_free(&payload);
}

static void change_entries(struct halo_session_options *options, uint32_t value)
{
    options->limits.settings_entries = value;
}

static void put_unknown(struct fake_peer *peer, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        put_frame(&peer->in, 0xee, 0, 0, NULL, 0);
    }
    peer_go(peer);
}

static void reach_unknown(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    put_unknown(peer, n);
}

/* Streams give some back. */
static void reach_unknown_with_streams(struct fake_peer *peer, uint32_t n)
{
    peer->app = app_respond;
    peer_open(peer);
    put_unknown(peer, LIMIT_GLITCHES);
    for (uint32_t id = 1; id < 2 * 50; id += 2) {
        put_get(&peer->in, id);
    }
    peer_go(peer);
    put_unknown(peer, n);
}

static void change_glitches(struct halo_session_options *options, uint32_t value)
{
    options->limits.glitches = value;
}

static void reach_goaways(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    if (peer->scenario->role == HALO_SERVER) {
        put_post(&peer->in, 1);
    } else {
        peer_request(peer, "POST", 0);
    }
    peer_go(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_goaway(&peer->in, 1, HALO_NO_ERROR, "");
    }
    peer_go(peer);
}

static void reach_empty_data(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    if (peer->scenario->role == HALO_SERVER) {
        put_post(&peer->in, 1);
    } else {
        peer_request(peer, "GET", HALO_END_STREAM);
        put_ok(&peer->in, 1, 0);
    }
    for (uint32_t i = 0; i < n; i++) {
        put_data(&peer->in, 1, 0, 0);
    }
    peer_go(peer);
}

static void reach_window_updates(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_window_update(&peer->in, 0, 1);
    }
    peer_go(peer);
}

static void reach_priorities(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_priority(&peer->in, 1 + 2 * i, 0, 7);
    }
    peer_go(peer);
}

static void reach_priority_updates(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_priority_update(&peer->in, 1 + 2 * (i % 64), "u=1");
    }
    peer_go(peer);
}

/* ---- streams ------------------------------------------------------------------------------------------- */

static void reach_resets(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_post(&peer->in, 1 + 2 * i);
        put_rst_stream(&peer->in, 1 + 2 * i, HALO_CANCEL);
    }
    peer_go(peer);
}

/* Of a server: on a stream that is gone. */
static void reach_resets_of_nothing(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    peer_go(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_rst_stream(&peer->in, 1, HALO_CANCEL);
    }
    peer_go(peer);
}

static void change_resets(struct halo_session_options *options, uint32_t value)
{
    options->limits.resets = value;
}

static void reach_faults(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        if (peer->scenario->role == HALO_SERVER) {
            put_fields(&peer->in, 1 + 2 * i, F_END_STREAM, ":method", "GET", "UPPER", "x", NULL);
        } else {
            peer_request(peer, "GET", HALO_END_STREAM);
            put_fields(&peer->in, 1 + 2 * i, F_END_STREAM, "UPPER", "x", NULL);
        }
        go_now_and_then(peer, i);
    }
    peer_go(peer);
}

static void change_faults(struct halo_session_options *options, uint32_t value)
{
    options->limits.faults = value;
}

static void many_faults(struct halo_session_options *options)
{
    options->limits.faults = 5000;
}

static void change_invalid(struct halo_session_options *options, uint32_t value)
{
    options->limits.invalid_frames = value;
}

static void reach_streams(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_post(&peer->in, 1 + 2 * i);
        go_now_and_then(peer, i);
    }
    peer_go(peer);
}

static void change_streams(struct halo_session_options *options, uint32_t value)
{
    options->settings.max_concurrent_streams = value;
}

static void reach_refused(struct fake_peer *peer, uint32_t n)
{
    reach_streams(peer, LIMIT_CONCURRENT_STREAMS);
    for (uint32_t i = 0; i < n; i++) {
        put_get(&peer->in, 1 + 2 * (LIMIT_CONCURRENT_STREAMS + i));
        go_now_and_then(peer, i);
    }
    peer_go(peer);
}

static void change_refused(struct halo_session_options *options, uint32_t value)
{
    options->limits.refused_streams = value;
}

static void reach_informations(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    for (uint32_t i = 0; i < n; i++) {
        put_fields(&peer->in, 1, 0, ":status", "103", NULL);
    }
    peer_go(peer);
}

static void change_informations(struct halo_session_options *options, uint32_t value)
{
    options->limits.information_responses = value;
}

static void with_push(struct halo_session_options *options)
{
    options->settings.enable_push = 1;
    options->encrypted = 1; /* pushes of https are taken only then */
    options->limits.glitches = 5000;
}

static void reach_reserved(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_promise(&peer->in, 1, 2 + 2 * i);
        go_now_and_then(peer, i);
    }
    peer_go(peer);
}

static void change_reserved(struct halo_session_options *options, uint32_t value)
{
    options->max_reserved_remote_streams = value;
}

/* ---- answers that are not read --------------------------------------------------------------------------- */

static void no_ping_limit(struct halo_session_options *options)
{
    options->limits.pings = 100000;
}

static void reach_replies(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        put_ping(&peer->in, 0, "answered");
    }
    assert_int_equal(halo_session_recv(peer->session, peer->in.data, peer->in.len, peer->now_ns),
                     0);
    peer_poll(peer);
    peer->in.len = 0;
}

static void reach_replies_and_read(struct fake_peer *peer, uint32_t n)
{
    reach_replies(peer, n);
    peer_go(peer);
}

static void change_replies(struct halo_session_options *options, uint32_t value)
{
    options->limits.queued_replies = value;
}

/* ---- calls --------------------------------------------------------------------------------------------- */

static void reach_own_pings(struct fake_peer *peer, uint32_t n)
{
    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(peer->counter, 0);
        peer->counter = halo_session_ping(peer->session, NULL);
    }
    peer_go(peer);
}

static void change_own_pings(struct halo_session_options *options, uint32_t value)
{
    options->limits.outstanding_pings = value;
}

static void reach_own_settings(struct fake_peer *peer, uint32_t n)
{
    struct halo_settings settings = { 0 };

    peer_open(peer);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(peer->counter, 0);
        peer->counter = halo_session_settings(peer->session, &settings);
    }
    peer_go(peer);
}

static void change_own_settings(struct halo_session_options *options, uint32_t value)
{
    options->limits.pending_settings = value;
}

static void reach_waiting(struct fake_peer *peer, uint32_t n)
{
    struct halo_request request = { .authority = HALO_LIT("example.org") };
    halo_stream *stream;

    peer_open_with(peer, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    for (uint32_t i = 0; i < n + 1; i++) {
        assert_int_equal(peer->counter, 0);
        peer->counter =
            halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream);
    }
    peer_go(peer);
}

static void change_waiting(struct halo_session_options *options, uint32_t value)
{
    options->limits.requests_queued = value;
}

static void reach_assumed(struct fake_peer *peer, uint32_t n)
{
    uint32_t sent = 0;

    for (uint32_t i = 0; i < n; i++) {
        sent += halo_stream_id(peer_request(peer, "GET", HALO_END_STREAM)) != 0;
    }
    peer->counter = sent == n ? 0 : 1;
    peer_go(peer);
}

static void change_assumed(struct halo_session_options *options, uint32_t value)
{
    options->peer_max_concurrent_streams = value;
}

/* ---- the table ------------------------------------------------------------------------------------------ */

#define CALM       .beyond = ENDS, .code = HALO_ENHANCE_YOUR_CALM
#define WITH(f, v) .change = (f), .value = (v), .changed_limit = (v)

static const struct limit_row rows[] = {
    { "pings", HALO_SERVER, reach_pings, LIMIT_PINGS, CALM, WITH(change_pings, 5) },
    { "pings", HALO_CLIENT, reach_pings, LIMIT_PINGS, CALM, WITH(change_pings, 5) },
    { "pings given back by DATA", HALO_SERVER, reach_pings_with_data, 20, CALM },
    { "SETTINGS", HALO_SERVER, reach_settings, LIMIT_SETTINGS, CALM, WITH(change_settings, 3) },
    { "SETTINGS", HALO_CLIENT, reach_settings, LIMIT_SETTINGS, CALM, WITH(change_settings, 3) },
    { "entries", HALO_SERVER, reach_entries, LIMIT_SETTINGS_ENTRIES, CALM,
      WITH(change_entries, 4) },
    { "entries", HALO_CLIENT, reach_entries, LIMIT_SETTINGS_ENTRIES, CALM,
      WITH(change_entries, 4) },
    { "unknown", HALO_SERVER, reach_unknown, LIMIT_GLITCHES, CALM, WITH(change_glitches, 7) },
    { "unknown", HALO_CLIENT, reach_unknown, LIMIT_GLITCHES, CALM, WITH(change_glitches, 7) },
    { "unknown given back by streams", HALO_SERVER, reach_unknown_with_streams, 50, CALM },
    { "GOAWAYs", HALO_SERVER, reach_goaways, LIMIT_GLITCHES + 1, CALM, .change = change_glitches,
      .value = 6, .changed_limit = 7 },
    { "GOAWAYs", HALO_CLIENT, reach_goaways, LIMIT_GLITCHES + 1, CALM, .change = change_glitches,
      .value = 6, .changed_limit = 7 },
    { "empty DATA", HALO_SERVER, reach_empty_data, LIMIT_EMPTY_FRAMES, CALM },
    { "empty DATA", HALO_CLIENT, reach_empty_data, LIMIT_EMPTY_FRAMES, CALM },
    { "WINDOW_UPDATE", HALO_SERVER, reach_window_updates, 5 + LIMIT_WINDOW_UPDATES_SLACK, CALM },
    { "WINDOW_UPDATE", HALO_CLIENT, reach_window_updates, 5 + LIMIT_WINDOW_UPDATES_SLACK, CALM },
    { "PRIORITY", HALO_SERVER, reach_priorities, LIMIT_PRIORITIES, CALM },
    { "PRIORITY_UPDATE", HALO_SERVER, reach_priority_updates, LIMIT_PRIORITY_UPDATES, CALM },

    { "resets", HALO_SERVER, reach_resets, LIMIT_RESETS, CALM, WITH(change_resets, 3) },
    { "resets", HALO_CLIENT, reach_resets_of_nothing, LIMIT_RESETS, CALM, WITH(change_resets, 3) },
    { "faults", HALO_SERVER, reach_faults, LIMIT_FAULTS, CALM, .within = RESETS,
      .code_within = HALO_PROTOCOL_ERROR, WITH(change_faults, 2) },
    { "faults", HALO_CLIENT, reach_faults, LIMIT_FAULTS, CALM, .within = RESETS,
      .code_within = HALO_PROTOCOL_ERROR, WITH(change_faults, 2) },
    { "invalid frames", HALO_SERVER, reach_faults, LIMIT_INVALID_FRAMES, CALM, .within = RESETS,
      .code_within = HALO_PROTOCOL_ERROR, WITH(change_invalid, 3), .prepare = many_faults },
    { "streams", HALO_SERVER, reach_streams, LIMIT_CONCURRENT_STREAMS, .beyond = RESETS,
      .code = HALO_REFUSED_STREAM, WITH(change_streams, 3) },
    { "refused", HALO_SERVER, reach_refused, LIMIT_REFUSED_STREAMS, CALM, .within = RESETS,
      .code_within = HALO_REFUSED_STREAM, WITH(change_refused, 2) },
    { "1xx", HALO_CLIENT, reach_informations, LIMIT_INFORMATION_RESPONSES, .beyond = RESETS,
      .code = HALO_PROTOCOL_ERROR, WITH(change_informations, 2) },
    { "reserved", HALO_CLIENT, reach_reserved, LIMIT_RESERVED_STREAMS, .beyond = RESETS,
      .code = HALO_REFUSED_STREAM, WITH(change_reserved, 3), .prepare = with_push },

    { "replies", HALO_SERVER, reach_replies, LIMIT_QUEUED_REPLIES - 1, .beyond = STOPS,
      .change = change_replies, .value = 4, .changed_limit = 3, .prepare = no_ping_limit },
    { "replies", HALO_CLIENT, reach_replies, LIMIT_QUEUED_REPLIES - 1, .beyond = STOPS,
      .change = change_replies, .value = 4, .changed_limit = 3, .prepare = no_ping_limit },
    { "replies, hard", HALO_SERVER, reach_replies_and_read, LIMIT_QUEUED_REPLIES_HARD, CALM,
      .prepare = no_ping_limit },
    { "replies, hard", HALO_CLIENT, reach_replies_and_read, LIMIT_QUEUED_REPLIES_HARD, CALM,
      .prepare = no_ping_limit },

    { "own pings", HALO_SERVER, reach_own_pings, LIMIT_OUTSTANDING_PINGS, .beyond = FAILS,
      .code = HALO_E_PING_CANCEL, WITH(change_own_pings, 3) },
    { "own pings", HALO_CLIENT, reach_own_pings, LIMIT_OUTSTANDING_PINGS, .beyond = FAILS,
      .code = HALO_E_PING_CANCEL, WITH(change_own_pings, 3) },
    { "own SETTINGS", HALO_SERVER, reach_own_settings, LIMIT_PENDING_SETTINGS, .beyond = FAILS,
      .code = HALO_E_MAX_PENDING_SETTINGS_ACK, WITH(change_own_settings, 2) },
    { "own SETTINGS", HALO_CLIENT, reach_own_settings, LIMIT_PENDING_SETTINGS, .beyond = FAILS,
      .code = HALO_E_MAX_PENDING_SETTINGS_ACK, WITH(change_own_settings, 2) },
    { "waiting requests", HALO_CLIENT, reach_waiting, LIMIT_REQUESTS_QUEUED, .beyond = FAILS,
      .code = HALO_E_LIMIT, WITH(change_waiting, 3) },
    { "streams assumed", HALO_CLIENT, reach_assumed, LIMIT_PEER_STREAMS_ASSUMED, .beyond = FAILS,
      .code = 1, WITH(change_assumed, 3) },
};

int main(void)
{
    return limit_rows_run("limits of frames, streams and calls", rows, HALO_ARRAY_LEN(rows));
}
