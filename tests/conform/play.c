#include "play.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/base.h"
#include "hpack/hpack.h"

/* ---- events ---------------------------------------------------------------------------- */

static void flush_data(struct play *play)
{
    if (play->data.pending) {
        play->data.pending = false;
        wire_octet(&play->log, HALO_EVENT_DATA);
        wire_u32(&play->log, play->data.id);
        wire_u32(&play->log, (uint32_t)play->data.len);
        wire_u32(&play->log, play->data.hash);
        wire_octet(&play->log, play->data.end);
    }
}

static uint32_t hash_octets(uint32_t hash, const void *octets, size_t len)
{
    const uint8_t *at = octets;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * 16777619u;
    }
    return hash;
}

static void log_data(struct play *play, const struct halo_event *event)
{
    if (!play->data.pending || play->data.id != event->stream_id) {
        flush_data(play);
        play->data.pending = true;
        play->data.end = false;
        play->data.id = event->stream_id;
        play->data.len = 0;
        play->data.hash = 2166136261u;
    }
    play->data.hash = hash_octets(play->data.hash, event->u.data.data, event->u.data.len);
    play->data.len += event->u.data.len;
    play->data.end |= (event->flags & HALO_END_STREAM) != 0;
}

static void log_fields(struct play *play, const struct halo_event *event)
{
    const halo_header *fields = event->u.headers.fields;

    if (event->type == HALO_EVENT_PUSH) {
        fields = event->u.push.fields;
    }
    for (size_t i = 0; i < event->u.headers.count; i++) {
        wire_octets(&play->log, fields[i].name.data, fields[i].name.len);
        wire_octet(&play->log, '=');
        wire_octets(&play->log, fields[i].value.data, fields[i].value.len);
        wire_octet(&play->log, ';');
    }
}

/* What the event says, beyond its type and stream. */
static void log_details(struct play *play, const struct halo_event *event)
{
    switch (event->type) {
    case HALO_EVENT_REQUEST:
    case HALO_EVENT_RESPONSE:
    case HALO_EVENT_INFORMATION:
    case HALO_EVENT_TRAILERS:
    case HALO_EVENT_PUSH:
        log_fields(play, event);
        break;
    case HALO_EVENT_STREAM_CLOSED:
    case HALO_EVENT_SESSION_CLOSED:
        if (event->u.closed != NULL) {
            wire_u32(&play->log, (uint32_t)event->u.closed->status);
            wire_u32(&play->log, event->u.closed->code);
            wire_text(&play->log, event->u.closed->reason);
        }
        break;
    case HALO_EVENT_PING:
    case HALO_EVENT_PING_ACK:
    case HALO_EVENT_PING_CANCEL:
        wire_octets(&play->log, event->u.ping.payload, 8);
        break;
    case HALO_EVENT_GOAWAY:
        wire_u32(&play->log, event->u.goaway.code);
        wire_u32(&play->log, event->u.goaway.last_stream_id);
        wire_octets(&play->log, event->u.goaway.debug_data, event->u.goaway.debug_len);
        break;
    default:
        break;
    }
}

static void log_event(struct play *play, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_DATA) {
        log_data(play, event);
        return;
    }
    flush_data(play);
    wire_octet(&play->log, (uint8_t)event->type);
    wire_octet(&play->log, (uint8_t)event->flags);
    wire_u32(&play->log, event->stream_id);
    log_details(play, event);
    wire_octet(&play->log, '\n');
}

/* The life of a stream as the application sees it. */
static void check_life(struct play *play, const struct halo_event *event)
{
    uint8_t *life = &play->lives[event->stream_id % PLAY_IDS];
    bool end = (event->flags & HALO_END_STREAM) != 0;

    switch (event->type) {
    case HALO_EVENT_REQUEST:
        play->made++;
        assert_int_equal(*life, LIFE_NEW);
        *life = end ? LIFE_ENDED : LIFE_MESSAGE;
        break;
    case HALO_EVENT_PUSH:
        play->made++;
        assert_int_equal(*life, LIFE_NEW);
        break;
    case HALO_EVENT_INFORMATION:
        assert_int_equal(*life, LIFE_NEW);
        assert_false(end);
        break;
    case HALO_EVENT_RESPONSE:
        assert_int_equal(*life, LIFE_NEW);
        *life = end ? LIFE_ENDED : LIFE_MESSAGE;
        break;
    case HALO_EVENT_DATA:
        assert_int_equal(*life, LIFE_MESSAGE);
        assert_true(end || event->u.data.len > 0);
        *life = end ? LIFE_ENDED : LIFE_MESSAGE;
        break;
    case HALO_EVENT_TRAILERS:
        assert_int_equal(*life, LIFE_MESSAGE);
        assert_true(end);
        *life = LIFE_ENDED;
        break;
    case HALO_EVENT_STREAM_CLOSED:
        assert_int_not_equal(*life, LIFE_CLOSED);
        play->closed++;
        *life = event->stream_id == 0 ? LIFE_NEW : LIFE_CLOSED; /* 0: it never had a number */
        break;
    default:
        assert_int_not_equal(*life, LIFE_CLOSED);
        break;
    }
}

static void check_event(struct play *play, const struct halo_event *event)
{
    assert_false(play->session_closed); /* the session's end is the last event */
    if (event->stream != NULL) {
        assert_int_equal(halo_stream_id(event->stream), event->stream_id);
        assert_true(event->stream_id < PLAY_IDS);
        check_life(play, event);
    } else {
        assert_true(event->type >= HALO_EVENT_SETTINGS);
    }
    if (event->type == HALO_EVENT_SESSION_CLOSED) {
        assert_int_equal(play->made, play->closed);
        play->session_closed = true;
    }
}

/* ---- octets ---------------------------------------------------------------------------- */

void play_poll(struct play *play)
{
    struct halo_event event;

    while (halo_session_poll(play->session, &event) != 0) {
        check_event(play, &event);
        log_event(play, &event);
        if (play->app != NULL) {
            play->app(play, &event);
        }
    }
}

void play_pull(struct play *play)
{
    struct iovec iov[64];
    int count;

    while ((count = halo_session_pull(play->session, iov, 64, 1 << 20)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            wire_octets(&play->out, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        halo_session_sent(play->session, len);
    }
}

void play_settle(struct play *play)
{
    do {
        play_poll(play);
        play_pull(play);
        play_poll(play);
    } while (halo_session_wants_send(play->session) != 0);
}

void play_feed(struct play *play, const uint8_t *octets, size_t len, size_t piece)
{
    size_t part;

    for (size_t at = 0; at < len; at += part) {
        part = piece == 0 ? len : min_size(piece, len - at);
        assert_int_equal(halo_session_recv(play->session, octets + at, part, play->now_ns), 0);
        play_poll(play);
    }
}

halo_stream *play_request(struct play *play, const char *method, unsigned flags)
{
    struct halo_request request = { .method = halo_str(method),
                                    .authority = HALO_LIT("example.org") };
    halo_stream *stream = NULL;

    assert_int_equal(halo_session_request(play->session, &request, flags, NULL, &stream), 0);
    play->made++;
    return stream;
}

/* ---- the beginning --------------------------------------------------------------------- */

void play_begin(struct play *play, int role, void (*options)(struct halo_session_options *options))
{
    struct halo_session_options chosen;

    memset(play, 0, sizeof(*play));
    test_memory_init(&play->memory);
    halo_session_options_init(&chosen, role);
    chosen.allocator = play->memory.allocator;
    chosen.stream_receive_window_max = 0;
    chosen.connection_receive_window_max = 0;
    if (options != NULL) {
        options(&chosen);
    }
    play->now_ns = 1000000;
    assert_int_equal(halo_session_new(&play->session, &chosen, play->now_ns), 0);
}

void play_open(struct play *play)
{
    static struct wire opening;

    if (opening.len == 0) {
        put_preface(&opening);
        put_settings(&opening, 0);
        put_settings_ack(&opening);
    }
    if (halo_session_role(play->session) == HALO_SERVER) {
        play_feed(play, opening.data, opening.len, 0);
    } else {
        play_feed(play, opening.data + 24, opening.len - 24, 0);
    }
    play_settle(play);
    play->log.len = 0;
    play->out.len = 0;
}

/* ---- what was sent --------------------------------------------------------------------- */

/* What a stream has sent, by number. */
enum { SENT_END = 1, SENT_RESET = 2, SENT_FINAL = 4, SENT_PROMISE = 8 };

struct hearing {
    struct play_heard heard;
    struct hpack_decoder decoder;
    uint8_t sent[PLAY_IDS];
    bool server;
    int last_goaway;
};

static struct hpack_list *block_list(void)
{
    enum { SIZE = 16384, STRING = 8192, COUNT = 64 };
    static halo_header fields[COUNT];
    static uint8_t scratch[HPACK_SCRATCH_SIZE(SIZE, STRING)];
    static struct hpack_list list = {
        .fields = fields,
        .fields_cap = COUNT,
        .size_max = SIZE,
        .fields_hard = COUNT,
        .size_hard = SIZE,
        .string_max = STRING,
        .scratch = scratch,
        .scratch_cap = sizeof(scratch),
    };

    return &list;
}

static void hear_block(struct hearing *hearing, const struct frame *frame, const uint8_t *block,
                       size_t len)
{
    struct hpack_list *list = block_list();
    uint8_t *sent = &hearing->sent[frame->stream_id % PLAY_IDS];
    enum hpack_result result;

    assert_true((frame->flags & F_END_HEADERS) != 0); /* no list here is that long */
    hpack_decode_begin(&hearing->decoder, list);
    do {
        size_t consumed = 0;

        result = hpack_decode(&hearing->decoder, list, block, len, true, &consumed);
        block += consumed;
        len -= consumed;
        if (result == HPACK_ROOM) {
            size_t room = hpack_table_room_wanted(&hearing->decoder.table);

            free(hpack_table_move(&hearing->decoder.table, malloc(room), room));
        }
    } while (result == HPACK_ROOM);
    assert_int_equal(result, HPACK_OK);
    if (frame->type == T_PUSH_PROMISE) {
        return;
    }
    if ((*sent & SENT_FINAL) != 0) { /* trailers */
        assert_true((frame->flags & F_END_STREAM) != 0);
        return;
    }
    assert_true(list->count > 0 && list->fields[0].name.data[0] == ':');
    if (!hearing->server || list->fields[0].value.data[0] != '1') {
        *sent |= SENT_FINAL;
    }
}

static void hear_stream_frame(struct hearing *hearing, const struct frame *frame,
                              const uint8_t *payload)
{
    uint8_t *sent = &hearing->sent[frame->stream_id % PLAY_IDS];

    assert_true(frame->stream_id != 0 && frame->stream_id < PLAY_IDS);
    assert_int_equal(*sent & SENT_RESET, 0); /* RST_STREAM is a stream's last frame */
    switch (frame->type) {
    case T_DATA:
        assert_int_equal(*sent & (SENT_FINAL | SENT_END), SENT_FINAL);
        break;
    case T_HEADERS:
        assert_int_equal(*sent & SENT_END, 0);
        hear_block(hearing, frame, payload, frame->len);
        break;
    case T_PUSH_PROMISE:
        assert_true(hearing->server && (*sent & SENT_END) == 0);
        hear_block(hearing, frame, payload + 4, frame->len - 4);
        break;
    case T_RST_STREAM:
        assert_int_equal(frame->len, 4);
        *sent |= SENT_RESET;
        break;
    default:
        fail_msg("frame of type %u", frame->type);
    }
    if ((frame->type == T_DATA || frame->type == T_HEADERS) && (frame->flags & F_END_STREAM) != 0) {
        *sent |= SENT_END;
    }
}

static void hear_frame(struct hearing *hearing, const struct frame *frame, const uint8_t *payload)
{
    /* After a GOAWAY with an error nothing more is said. */
    assert_true(hearing->heard.goaway <= 0);
    switch (frame->type) {
    case T_SETTINGS:
        assert_true(frame->stream_id == 0 && frame->len % 6 == 0);
        assert_true((frame->flags & F_ACK) == 0 || frame->len == 0);
        break;
    case T_PING:
        assert_true(frame->stream_id == 0 && frame->len == 8);
        break;
    case T_GOAWAY:
        assert_true(frame->stream_id == 0 && frame->len >= 8);
        hearing->heard.goaway = (int)load_u32(payload + 4);
        break;
    case T_WINDOW_UPDATE:
        assert_int_equal(frame->len, 4);
        assert_true(load_u32(payload) >= 1 && load_u32(payload) <= 0x7fffffff);
        break;
    default:
        hear_stream_frame(hearing, frame, payload);
        break;
    }
}

struct play_heard play_hear(const struct play *play, uint32_t id)
{
    struct hearing hearing = { .heard = { .goaway = -1, .reset = -1 } };

    hearing.server = halo_session_role(play->session) == HALO_SERVER;
    hpack_decoder_init(&hearing.decoder, HPACK_TABLE_SIZE_DEFAULT);
    for (size_t at = 0; at < play->out.len;) {
        struct frame frame;

        if (at == 0 && play->out.len >= 24 && memcmp(play->out.data, "PRI * H", 7) == 0) {
            at = 24;
            continue;
        }
        assert_true(play->out.len - at >= FRAME_HEADER_LEN);
        frame = frame_header_load(play->out.data + at);
        at += FRAME_HEADER_LEN;
        assert_true(frame.len <= 16384 && frame.len <= play->out.len - at);
        hear_frame(&hearing, &frame, play->out.data + at);
        if (frame.type == T_RST_STREAM && frame.stream_id == id) {
            hearing.heard.reset = (int)load_u32(play->out.data + at);
            hearing.heard.resets++;
        }
        hearing.heard.frames++;
        at += frame.len;
    }
    free(hpack_table_memory(&hearing.decoder.table));
    return hearing.heard;
}

/* Past WINDOW_UPDATE frames, to the next other one. */
static size_t next_frame(const struct wire *out, size_t *at)
{
    while (*at < out->len) {
        struct frame frame;
        size_t start = *at;

        if (start == 0 && out->len >= 24 && memcmp(out->data, "PRI * H", 7) == 0) {
            *at = 24;
            continue;
        }
        frame = frame_header_load(out->data + start);
        *at = start + FRAME_HEADER_LEN + frame.len;
        if (frame.type != T_WINDOW_UPDATE) {
            return start;
        }
    }
    return out->len;
}

bool play_same(const struct play *one, const struct play *other)
{
    size_t at_one = 0;
    size_t at_other = 0;

    if (one->log.len != other->log.len ||
        (one->log.len > 0 && memcmp(one->log.data, other->log.data, one->log.len) != 0)) {
        return false;
    }
    while (at_one < one->out.len || at_other < other->out.len) {
        size_t start_one = next_frame(&one->out, &at_one);
        size_t start_other = next_frame(&other->out, &at_other);
        size_t len = at_one - start_one;

        if (len != at_other - start_other ||
            memcmp(one->out.data + start_one, other->out.data + start_other, len) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- the end --------------------------------------------------------------------------- */

void play_check_credit(const struct play *play)
{
    const struct halo_session *session = play->session;
    const struct receive_window *window = &session->receive;
    const struct list_link *link;
    int64_t held = (int64_t)session->memory.bodies;

    if (session->state >= SESSION_ENDING || session->reader.mode == READ_DATA) {
        return; /* nobody cares any more; octets of a frame have not come yet */
    }
    assert_int_equal((int64_t)window->available + window->unreturned + held,
                     (int64_t)window->size + window->withheld);
    for (link = session->streams.next; link != &session->streams; link = link->next) {
        const struct halo_stream *stream = HALO_CONTAINER((uintptr_t)link, struct halo_stream, all);

        if (stream->recv_half != HALF_DONE && stream->id != 0 && held == 0) {
            assert_int_equal((int64_t)stream->receive.available + stream->receive.unreturned,
                             (int64_t)stream->receive.size -
                                 (int64_t)session->local.initial_window_size);
        }
    }
}

void play_end(struct play *play, const struct halo_error *error)
{
    const struct halo_session *session = play->session;

    halo_session_recv_end(play->session, error);
    play_poll(play);
    flush_data(play);
    assert_true(play->session_closed);
    assert_int_equal(session->store.count, 0);
    assert_int_equal(session->open_remote, 0);
    assert_int_equal(session->open_local, 0);
    assert_int_equal(session->reserved_streams, 0);
    assert_int_equal(session->waiting_count, 0);
    assert_true(list_empty(&session->streams));
    assert_true(list_empty(&session->notify));
    assert_int_equal(session->block.len, 0);
    if (session->kept_count == 0) { /* slices that the application holds count */
        assert_int_equal(session->memory.bodies, 0);
        assert_int_equal(session->memory.overhead, 0);
    }
    halo_session_free(play->session);
    play->session = NULL;
}

void play_free(struct play *play)
{
    assert_int_equal(play->memory.live, 0);
    wire_free(&play->log);
    wire_free(&play->out);
}
