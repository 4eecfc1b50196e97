/* The deadlines of a session (docs/limits.md), each at its millisecond. */
#include "limit_rows.h"

#include "core/proto/limits.h"

static void reach_preface(struct fake_peer *peer, uint32_t ms)
{
    peer_go(peer);
    peer_wait(peer, ms);
}

static void change_preface(struct halo_session_options *options, uint32_t ms)
{
    options->preface_timeout_ms = ms;
}

static void patient(struct halo_session_options *options)
{
    options->settings_ack_timeout_ms = 0;
}

static void reach_settings_ack(struct fake_peer *peer, uint32_t ms)
{
    if (peer->scenario->role == HALO_SERVER) {
        put_preface(&peer->in);
    }
    put_settings(&peer->in, 0);
    peer_go(peer);
    put_ping(&peer->in, 0, "distract"); /* other frames do not help */
    peer_wait(peer, ms / 2);
    peer_wait(peer, ms - ms / 2);
}

static void change_settings_ack(struct halo_session_options *options, uint32_t ms)
{
    options->settings_ack_timeout_ms = ms;
}

static void reach_header_block(struct fake_peer *peer, uint32_t ms)
{
    peer_open(peer);
    if (peer->scenario->role == HALO_CLIENT) {
        peer_request(peer, "GET", HALO_END_STREAM);
    }
    put_frame(&peer->in, T_HEADERS, 0, 1, "\x88", 1);
    peer_go(peer);
    peer_wait(peer, ms / 2);
    put_continuation(&peer->in, 1, 0, "\x88", 1);
    peer_go(peer);
    peer_wait(peer, ms - ms / 2);
}

static void change_header_block(struct halo_session_options *options, uint32_t ms)
{
    options->header_block_timeout_ms = ms;
}

/* From the beginning when no request ever came, else from the end of the last stream. */
static void reach_idle_at_first(struct fake_peer *peer, uint32_t ms)
{
    peer_open(peer);
    peer_wait(peer, ms / 2);
    put_ping(&peer->in, 0, "distract");
    peer_wait(peer, ms - ms / 2);
}

static void reach_idle(struct fake_peer *peer, uint32_t ms)
{
    peer->app = app_respond;
    peer_open(peer);
    peer_wait(peer, ms / 2);
    if (peer->scenario->role == HALO_SERVER) {
        put_get(&peer->in, 1);
    } else {
        peer_request(peer, "GET", HALO_END_STREAM);
        put_ok(&peer->in, 1, F_END_STREAM);
        peer->app = NULL;
    }
    peer_go(peer);
    peer_wait(peer, ms);
}

static void change_idle(struct halo_session_options *options, uint32_t ms)
{
    options->idle_timeout_ms = ms;
}

static void idle_of_clients(struct halo_session_options *options)
{
    options->idle_timeout_ms =
        options->role == HALO_CLIENT ? LIMIT_IDLE_MS : options->idle_timeout_ms;
}

/* Something to send, and no window; a drip of an octet is no progress. */
static void reach_stall(struct fake_peer *peer, uint32_t ms)
{
    halo_stream *stream;

    peer_open_with(peer, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    if (peer->scenario->role == HALO_SERVER) {
        put_get(&peer->in, 1);
        peer_go(peer);
        stream = peer_stream(peer, 1);
        assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    } else {
        stream = peer_request(peer, "POST", 0);
    }
    assert_int_equal(halo_stream_write(stream, "waits", 5, HALO_END_STREAM), 0);
    peer_go(peer);
    peer_wait(peer, ms / 2);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    peer_wait(peer, ms - ms / 2);
}

static void change_stall(struct halo_session_options *options, uint32_t ms)
{
    options->stall_timeout_ms = ms;
}

static void reach_body(struct fake_peer *peer, uint32_t ms)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    put_data(&peer->in, 1, 0, 1);
    peer_wait(peer, ms);
}

static void change_body(struct halo_session_options *options, uint32_t ms)
{
    options->body_timeout_ms = ms;
}

/* Requests wait, and the server allows no streams. */
static void app_note_timeout(struct fake_peer *peer, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_STREAM_CLOSED && event->u.closed != NULL) {
        peer->counter = event->u.closed->status;
        assert_int_equal(event->u.closed->processed, HALO_PROCESSED_NO);
    }
}

static void reach_no_streams(struct fake_peer *peer, uint32_t ms)
{
    peer->app = app_note_timeout;
    peer_open_with(peer, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 0);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_wait(peer, ms);
}

/* Time that a request waited for its turn before does not count. */
static void reach_no_streams_late(struct fake_peer *peer, uint32_t ms)
{
    peer->app = app_note_timeout;
    peer_open_with(peer, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_wait(peer, 100000);
    put_settings(&peer->in, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 0, 0);
    peer_go(peer);
    put_settings(&peer->in, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 0, 0); /* says nothing new */
    peer_wait(peer, ms / 2);
    peer_wait(peer, ms - ms / 2);
}

/* ---- the table ----------------------------------------------------------------------------------------- */

#define ENDS_WITH(code_) .beyond = ENDS, .code = (code_)
#define WITH(f, v)       .change = (f), .value = (v), .changed_limit = (v)-1
#define BOTH(name, reach, ms, ...)                                                                 \
    { name, HALO_SERVER, reach, (ms)-1, __VA_ARGS__ },                                             \
    {                                                                                              \
        name, HALO_CLIENT, reach, (ms)-1, __VA_ARGS__                                              \
    }

static const struct limit_row rows[] = {
    BOTH("preface", reach_preface, LIMIT_PREFACE_MS, ENDS_WITH(HALO_PROTOCOL_ERROR),
         WITH(change_preface, 500), .prepare = patient),
    BOTH("SETTINGS ACK", reach_settings_ack, LIMIT_SETTINGS_ACK_MS,
         ENDS_WITH(HALO_SETTINGS_TIMEOUT), WITH(change_settings_ack, 500)),
    BOTH("header block", reach_header_block, LIMIT_HEADER_BLOCK_MS,
         ENDS_WITH(HALO_ENHANCE_YOUR_CALM), WITH(change_header_block, 500)),
    BOTH("first request", reach_idle_at_first, LIMIT_IDLE_MS, ENDS_WITH(HALO_NO_ERROR),
         WITH(change_idle, 500), .prepare = idle_of_clients),
    BOTH("idle", reach_idle, LIMIT_IDLE_MS, ENDS_WITH(HALO_NO_ERROR), WITH(change_idle, 500),
         .prepare = idle_of_clients),
    BOTH("stall", reach_stall, LIMIT_STALL_MS, .beyond = RESETS, .code = HALO_CANCEL,
         WITH(change_stall, 500)),
    { "body", HALO_SERVER, reach_body, LIMIT_BODY_MS - 1, .beyond = RESETS, .code = HALO_CANCEL,
      WITH(change_body, 500) },
    { "no streams", HALO_CLIENT, reach_no_streams, LIMIT_STALL_MS - 1, .beyond = FAILS,
      .code = HALO_E_TIMEOUT, WITH(change_stall, 500) },
    { "no streams, later", HALO_CLIENT, reach_no_streams_late, LIMIT_STALL_MS - 1, .beyond = FAILS,
      .code = HALO_E_TIMEOUT, WITH(change_stall, 500) },
};

int main(void)
{
    return limit_rows_run("deadlines", rows, HALO_ARRAY_LEN(rows));
}
