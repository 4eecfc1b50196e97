#include "fake_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making and ending ----------------------------------------------------------------------------- */

static void list_memory_init(struct fake_peer *peer)
{
    enum { SIZE = 256 * 1024, STRING = 128 * 1024, COUNT = 4096 };

    peer->list = (struct hpack_list){
        .fields = calloc(COUNT, sizeof(halo_header)),
        .fields_cap = COUNT,
        .size_max = SIZE,
        .fields_hard = COUNT,
        .size_hard = SIZE * 2,
        .string_max = STRING,
        .scratch = malloc(HPACK_SCRATCH_SIZE(SIZE, STRING)),
        .scratch_cap = HPACK_SCRATCH_SIZE(SIZE, STRING),
    };
}

static void peer_start(struct fake_peer *peer)
{
    struct halo_session_options options;

    test_memory_init(&peer->memory);
    halo_session_options_init(&options, peer->scenario->role);
    options.allocator = peer->memory.allocator;
    options.user_data = peer;
    /* Windows stay as they are unless a scenario is about their growth. */
    options.stream_receive_window_max = 0;
    options.connection_receive_window_max = 0;
    if (peer->scenario->options != NULL) {
        peer->scenario->options(&options);
    }
    peer->now_ns = 1000000;
    peer->connection_window = 65535;
    peer->updates_heard = 0;
    hpack_decoder_init(&peer->decoder, HPACK_TABLE_SIZE_DEFAULT);
    assert_int_equal(halo_session_new(&peer->session, &options, peer->now_ns), 0);
}

/* Nothing that the peer sent is unaccounted for: its window, plus the credit that is due, is the window it was given. */
static void check_credit(struct fake_peer *peer)
{
    const struct halo_session *session = peer->session;
    const struct receive_window *window = &session->receive;
    const struct list_link *link;

    if (session->state >= SESSION_ENDING || peer->after_free != NULL) {
        return;
    }
    assert_int_equal(peer->connection_window, window->available);
    assert_int_equal((int64_t)window->available + window->unreturned,
                     (int64_t)window->size + window->withheld);
    for (link = session->streams.next; link != &session->streams; link = link->next) {
        const struct halo_stream *stream = HALO_CONTAINER((uintptr_t)link, struct halo_stream, all);

        if (stream->recv_half != HALF_DONE && stream->id != 0) {
            assert_int_equal((int64_t)stream->receive.available + stream->receive.unreturned,
                             (int64_t)stream->receive.size -
                                 (int64_t)session->local.initial_window_size);
        }
    }
}

static void peer_stop(struct fake_peer *peer)
{
    peer_go(peer);
    skip_output(peer);
    skip_log(peer);
    check_credit(peer);
    halo_session_free(peer->session);
    if (peer->after_free != NULL) {
        peer->after_free(peer);
        peer->after_free = NULL;
    }
    assert_int_equal(peer->memory.live, 0);
    free(hpack_table_memory(&peer->decoder.table));
    wire_octets(&peer->all_events, peer->log.data, peer->log.len);
    wire_text(&peer->all_events, "----\n");
    wire_free(&peer->in);
    wire_free(&peer->out);
    wire_free(&peer->log);
    peer->heard = 0;
    peer->log_read = 0;
    peer->last_stream = NULL;
    memset(peer->streams, 0, sizeof(peer->streams));
}

void peer_restart(struct fake_peer *peer)
{
    peer_stop(peer);
    peer_start(peer);
}

static void peer_end(struct fake_peer *peer)
{
    peer_stop(peer);
    free(peer->list.fields);
    free(peer->list.scratch);
    wire_free(&peer->headers);
}

static const struct travel travels[] = {
    { .piece = 0, .slices = false, .pull_limit = 1 << 20, .pull_pieces = 64 },
    { .piece = 1, .slices = false, .pull_limit = 1, .pull_pieces = 1 },
    { .piece = 7, .slices = false, .pull_limit = 100, .pull_pieces = 2 },
    { .piece = 0, .slices = true, .pull_limit = 5000, .pull_pieces = 3 },
    { .piece = 11, .slices = true, .pull_limit = 1 << 20, .pull_pieces = 64 },
    { .piece = 1000, .slices = false, .pull_limit = 1 << 20, .pull_pieces = 1 },
};

static void compare(const char *what, const struct travel *travel, const struct wire *first,
                    const struct wire *now)
{
    if (first->len == now->len && memcmp(first->data, now->data, now->len) == 0) {
        return;
    }
    fprintf(stderr, "%s differ with pieces of %zu octets%s\n", what, travel->piece,
            travel->slices ? " in slices" : "");
    if (strcmp(what, "events") == 0) {
        fprintf(stderr, "whole:\n%.*s\nnow:\n%.*s\n", (int)first->len, (const char *)first->data,
                (int)now->len, (const char *)now->data);
    }
    fail();
}

void scenario_test(void **state)
{
    struct wire events = { 0 };
    struct wire output = { 0 };

    for (size_t i = 0; i < HALO_ARRAY_LEN(travels); i++) {
        struct fake_peer *peer = calloc(1, sizeof(*peer));

        assert_non_null(peer);
        peer->scenario = *state;
        peer->travel = travels[i];
        list_memory_init(peer);
        peer_start(peer);
        peer->scenario->run(peer);
        peer_end(peer);
        if (i == 0) {
            events = peer->all_events;
            output = peer->all_output;
        } else {
            compare("events", &travels[i], &events, &peer->all_events);
            compare("octets sent", &travels[i], &output, &peer->all_output);
            wire_free(&peer->all_events);
            wire_free(&peer->all_output);
        }
        free(peer);
    }
    wire_free(&events);
    wire_free(&output);
}

/* ---- the log ------------------------------------------------------------------------------------- */

void peer_flush_log(struct fake_peer *peer)
{
    if (peer->data.pending) {
        peer->data.pending = false;
        wire_format(&peer->log, "DATA %u len=%zu hash=%08x%s\n", peer->data.id, peer->data.len,
                    peer->data.hash, peer->data.end ? " END" : "");
    }
}

static void log_data(struct fake_peer *peer, const struct halo_event *event)
{
    if (!peer->data.pending || peer->data.id != event->stream_id) {
        peer_flush_log(peer);
        peer->data.pending = true;
        peer->data.end = false;
        peer->data.id = event->stream_id;
        peer->data.len = 0;
        peer->data.hash = 2166136261u;
    }
    for (size_t i = 0; i < event->u.data.len; i++) {
        peer->data.hash = (peer->data.hash ^ event->u.data.data[i]) * 16777619u;
    }
    peer->data.len += event->u.data.len;
    peer->data.end |= (event->flags & HALO_END_STREAM) != 0;
}

static void log_headers(struct fake_peer *peer, const char *what, const struct halo_event *event)
{
    wire_format(&peer->log, "%s %u", what, event->stream_id);
    if (event->type != HALO_EVENT_PUSH && event->u.headers.status != 0) {
        wire_format(&peer->log, " status=%d", event->u.headers.status);
    }
    wire_text(&peer->log, (event->flags & HALO_END_STREAM) != 0 ? " END" : "");
    for (size_t i = 0; i < event->u.headers.count; i++) {
        const halo_header *at = &event->u.headers.fields[i];

        wire_text(&peer->log, " ");
        wire_octets(&peer->log, at->name.data, at->name.len);
        wire_text(&peer->log, "=");
        wire_octets(&peer->log, at->value.data, at->value.len);
    }
    wire_text(&peer->log, "\n");
}

static void log_closed(struct fake_peer *peer, const char *what, const struct halo_event *event)
{
    const struct halo_error *error = event->u.closed;

    wire_text(&peer->log, what);
    if (event->stream != NULL) {
        wire_format(&peer->log, " %u", event->stream_id);
    }
    if (error != NULL) {
        wire_format(&peer->log, " %s %s origin=%u processed=%u",
                    halo_status_name(error->status) + 7, halo_code_name(error->code), error->origin,
                    error->processed);
        assert_non_null(error->reason);
    }
    wire_text(&peer->log, "\n");
}

/* Each returns whether the event is one of its kind. */
static bool log_stream_event(struct fake_peer *peer, const struct halo_event *event)
{
    switch (event->type) {
    case HALO_EVENT_REQUEST:
        log_headers(peer, "REQUEST", event);
        break;
    case HALO_EVENT_RESPONSE:
        log_headers(peer, "RESPONSE", event);
        break;
    case HALO_EVENT_INFORMATION:
        log_headers(peer, "INFORMATION", event);
        break;
    case HALO_EVENT_TRAILERS:
        log_headers(peer, "TRAILERS", event);
        break;
    case HALO_EVENT_STREAM_CLOSED:
        log_closed(peer, "CLOSED", event);
        break;
    case HALO_EVENT_SESSION_CLOSED:
        log_closed(peer, "SESSION_CLOSED", event);
        break;
    case HALO_EVENT_WANT_TRAILERS:
        wire_format(&peer->log, "WANT_TRAILERS %u\n", event->stream_id);
        break;
    case HALO_EVENT_WRITABLE:
        wire_format(&peer->log, "WRITABLE %u\n", event->stream_id);
        break;
    case HALO_EVENT_READY:
        wire_format(&peer->log, "READY %u\n", event->stream_id);
        break;
    case HALO_EVENT_STREAM_TIMEOUT:
        wire_format(&peer->log, "STREAM_TIMEOUT %u\n", event->stream_id);
        break;
    case HALO_EVENT_FRAME_ERROR:
        wire_format(&peer->log, "FRAME_ERROR %u type=%u %s\n", event->stream_id,
                    event->u.frame_error.type, halo_status_name(event->u.frame_error.status) + 7);
        break;
    case HALO_EVENT_PUSH:
        wire_format(&peer->log, "ON %u ", halo_stream_id(event->u.push.parent));
        log_headers(peer, "PUSH", event);
        break;
    default:
        return false;
    }
    return true;
}

static bool log_session_event(struct fake_peer *peer, const struct halo_event *event)
{
    switch (event->type) {
    case HALO_EVENT_SETTINGS:
        wire_text(&peer->log, "SETTINGS\n");
        break;
    case HALO_EVENT_SETTINGS_ACK:
        wire_text(&peer->log, "SETTINGS_ACK\n");
        break;
    case HALO_EVENT_SETTINGS_CANCEL:
        wire_format(&peer->log, "SETTINGS_CANCEL present=%x\n",
                    event->u.settings.settings->present);
        break;
    case HALO_EVENT_PING:
        wire_format(&peer->log, "PING %.8s\n", (const char *)event->u.ping.payload);
        break;
    case HALO_EVENT_PING_ACK:
        wire_format(&peer->log, "PING_ACK %.8s %llu\n", (const char *)event->u.ping.payload,
                    (unsigned long long)event->u.ping.round_trip_ns);
        break;
    case HALO_EVENT_PING_CANCEL:
        wire_format(&peer->log, "PING_CANCEL %.8s\n", (const char *)event->u.ping.payload);
        break;
    case HALO_EVENT_GOAWAY:
        wire_format(&peer->log, "GOAWAY %s last=%u debug=%.*s\n",
                    halo_code_name(event->u.goaway.code), event->u.goaway.last_stream_id,
                    (int)event->u.goaway.debug_len, (const char *)event->u.goaway.debug_data);
        break;
    case HALO_EVENT_TIMEOUT:
        wire_text(&peer->log, "TIMEOUT\n");
        break;
    default:
        return false;
    }
    return true;
}

static bool log_extension_event(struct fake_peer *peer, const struct halo_event *event)
{
    switch (event->type) {
    case HALO_EVENT_PRIORITY:
        wire_format(&peer->log, "PRIORITY %u%s on=%u weight=%u exclusive=%u\n", event->stream_id,
                    event->stream == NULL ? " absent" : "", event->u.dependency.stream_id,
                    event->u.dependency.weight, event->u.dependency.exclusive);
        break;
    case HALO_EVENT_PRIORITY_UPDATE:
        wire_format(&peer->log, "PRIORITY_UPDATE %u%s u=%u i=%u\n", event->stream_id,
                    event->stream == NULL ? " absent" : "", event->u.priority.urgency,
                    event->u.priority.incremental);
        break;
    case HALO_EVENT_ALTSVC:
        wire_format(&peer->log, "ALTSVC %u origin=%.*s value=%.*s\n", event->u.altsvc.stream_id,
                    (int)event->u.altsvc.origin.len, event->u.altsvc.origin.data,
                    (int)event->u.altsvc.value.len, event->u.altsvc.value.data);
        break;
    case HALO_EVENT_ORIGIN:
        wire_text(&peer->log, "ORIGIN");
        for (size_t i = 0; i < event->u.origin.count; i++) {
            wire_text(&peer->log, " ");
            wire_octets(&peer->log, event->u.origin.origins[i].data,
                        event->u.origin.origins[i].len);
        }
        wire_text(&peer->log, "\n");
        break;
    case HALO_EVENT_FRAME:
        wire_format(&peer->log, "FRAME type=%u flags=%u stream=%u len=%zu %.*s\n",
                    event->u.frame.type, event->u.frame.flags, event->u.frame.stream_id,
                    event->u.frame.len, (int)(event->u.frame.len < 40 ? event->u.frame.len : 40),
                    (const char *)event->u.frame.payload);
        break;
    default:
        return false;
    }
    return true;
}

static void log_event(struct fake_peer *peer, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_DATA) {
        log_data(peer, event);
        return;
    }
    peer_flush_log(peer);
    if (!log_stream_event(peer, event) && !log_session_event(peer, event) &&
        !log_extension_event(peer, event)) {
        fail_msg("event of unknown type %u", event->type);
    }
}

/* ---- moving octets ---------------------------------------------------------------------------------- */

static void note_stream(struct fake_peer *peer, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_PRIORITY || event->type == HALO_EVENT_PRIORITY_UPDATE) {
        assert_int_not_equal(event->stream_id, 0);
        return;
    }
    if (event->type >= HALO_EVENT_SETTINGS) {
        assert_null(event->stream);
        assert_int_equal(event->stream_id, 0);
        return;
    }
    assert_non_null(event->stream);
    peer->last_stream = event->stream;
    if (event->stream_id != 0 && event->stream_id / 2 < PEER_STREAMS_MAX) {
        peer->streams[event->stream_id / 2] =
            event->type == HALO_EVENT_STREAM_CLOSED ? NULL : event->stream;
    }
}

void peer_poll(struct fake_peer *peer)
{
    struct halo_event event;

    while (halo_session_poll(peer->session, &event) != 0) {
        note_stream(peer, &event);
        log_event(peer, &event);
        if (peer->app != NULL) {
            peer->app(peer, &event);
        }
    }
}

void peer_pull(struct fake_peer *peer)
{
    struct iovec iov[64];
    int count;

    while ((count = halo_session_pull(peer->session, iov, peer->travel.pull_pieces,
                                      peer->travel.pull_limit)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            assert_true(iov[i].iov_len > 0);
            wire_octets(&peer->out, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        assert_true(len <= peer->travel.pull_limit);
        halo_session_sent(peer->session, len);
    }
}

/* Counts what the peer takes from its windows. What follows a broken frame does not matter. */
static void count_sent_data(struct fake_peer *peer)
{
    const struct wire *in = &peer->in;
    size_t at = in->len >= 24 && memcmp(in->data, "PRI * H", 7) == 0 ? 24 : 0;

    while (at + 9 <= in->len) {
        struct frame frame = frame_header_load(in->data + at);

        if (frame.type == T_DATA) {
            peer->connection_window -= frame.len;
        }
        at += 9 + (size_t)frame.len;
    }
}

/* A piece lies in memory of its own size, so that reading beyond it is found. */
static void hand_in(struct fake_peer *peer, const uint8_t *octets, size_t len)
{
    if (peer->travel.slices) {
        halo_slice slice;

        assert_int_equal(halo_slice_copy(&slice, octets, len), 0);
        assert_int_equal(halo_session_recv_slice(peer->session, &slice, peer->now_ns), 0);
        assert_null(slice.owner);
        peer_poll(peer);
    } else {
        uint8_t *copy = malloc(len);

        assert_non_null(copy);
        memcpy(copy, octets, len);
        assert_int_equal(halo_session_recv(peer->session, copy, len, peer->now_ns), 0);
        peer_poll(peer);
        memset(copy, 0xee, len);
        free(copy);
    }
}

void peer_go(struct fake_peer *peer)
{
    size_t piece = peer->travel.piece == 0 ? peer->in.len : peer->travel.piece;

    count_sent_data(peer);
    for (size_t at = 0; at < peer->in.len; at += piece) {
        hand_in(peer, peer->in.data + at, piece < peer->in.len - at ? piece : peer->in.len - at);
    }
    peer->in.len = 0;
    do {
        peer_poll(peer);
        peer_pull(peer);
        peer_poll(peer);
    } while (halo_session_wants_send(peer->session) != 0);
}

void peer_wait(struct fake_peer *peer, uint64_t ms)
{
    peer->now_ns += ms * 1000000u;
    halo_session_tick(peer->session, peer->now_ns);
    peer_go(peer);
}

void peer_open_with(struct fake_peer *peer, uint32_t identifier, uint32_t value)
{
    if (peer->scenario->role == HALO_SERVER) {
        put_preface(&peer->in);
    }
    put_settings(&peer->in, identifier, value, 0);
    put_settings_ack(&peer->in);
    peer_go(peer);
    expect_log(peer, "SETTINGS\nSETTINGS_ACK\n");
    skip_output(peer);
}

void peer_open(struct fake_peer *peer)
{
    peer_open_with(peer, 0, 0);
}

void app_respond(struct fake_peer *peer, const struct halo_event *event)
{
    (void)peer;
    if (event->type == HALO_EVENT_REQUEST) {
        assert_int_equal(halo_stream_respond(event->stream, 200, NULL, HALO_END_STREAM), 0);
    }
}

halo_stream *peer_stream(struct fake_peer *peer, uint32_t id)
{
    halo_stream *stream = peer->streams[id / 2];

    assert_non_null(stream);
    return stream;
}

halo_stream *peer_request(struct fake_peer *peer, const char *method, unsigned flags)
{
    struct halo_request request = { .method = halo_str(method),
                                    .authority = HALO_LIT("example.org") };
    halo_stream *stream = NULL;
    uint32_t id;

    assert_int_equal(halo_session_request(peer->session, &request, flags, NULL, &stream), 0);
    id = halo_stream_id(stream);
    if (id != 0 && id / 2 < PEER_STREAMS_MAX) {
        peer->streams[id / 2] = stream;
    }
    return stream;
}

halo_header test_field(const char *name, const char *value)
{
    return (halo_header){ .name = halo_str(name), .value = halo_str(value) };
}
