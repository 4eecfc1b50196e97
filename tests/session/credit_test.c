/*
 * Credit is neither lost nor invented: random conversations, in which a peer that keeps its own accounts sends
 * bodies, and an application reads, pauses, keeps, consumes, resets and changes windows. After every event,
 * for the connection and for each stream,
 *
 *     size + withheld = available + unreturned + octets that are not done with
 *
 * and what the peer has counted from the frames alone is what the session takes for available. In the end all is
 * released, and the windows are whole.
 *
 *   session_credit [EVENTS [SEED]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/proto/session.h"
#include "frames.h"
#include "test_memory.h"

enum {
    STREAMS_MAX = 8,
    KEPT_MAX = 64,
    ROUND_EVENTS = 20000,
    ANSWERS_MAX = 64,
};

static uint64_t num_events = 10000000;
static uint64_t seed = 1;
static uint64_t state;

/* One stream as the peer and the application see it. */
struct body {
    uint32_t id;         /* 0: the place is free */
    halo_stream *handle; /* NULL: its close was told */
    bool opened;         /* the peer may send DATA */
    int64_t window;      /* the peer's account */
    uint64_t delivered;  /* octets of data that reached the session while the stream was open */
    uint64_t told;       /* of those, in events */
    uint64_t unconsumed; /* of those, manual credit that is not given */
    uint64_t kept;       /* of those, in slices */
    bool paused;
};

static struct world {
    halo_session *session;
    struct test_memory memory;
    int role;
    bool manual;
    bool lazy; /* the application reads late */
    bool ending;
    uint64_t now_ns;
    struct body bodies[STREAMS_MAX];
    struct {
        halo_slice slice;
        uint32_t id;
    } kept[KEPT_MAX];
    uint32_t num_kept;
    uint64_t kept_of_gone; /* octets kept of streams whose close was told */
    uint32_t next_id;
    int64_t window; /* of the connection, the peer's account */
    uint32_t initial;
    /* What the peer has heard and not answered: initial sizes of SETTINGS (UINT32_MAX: none), PINGs. */
    uint32_t settings[ANSWERS_MAX];
    uint32_t num_settings;
    struct wire in;
    struct wire out;
    uint64_t updates;
    uint64_t pings; /* of halo's own */
    uint64_t frames;
    uint64_t octets;
    uint64_t opened;
    uint64_t pressed; /* steps at which much was held */
} world;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static struct body *body_of(uint32_t id)
{
    for (int i = 0; i < STREAMS_MAX; i++) {
        if (id != 0 && world.bodies[i].id == id) {
            return &world.bodies[i];
        }
    }
    return NULL;
}

/* ---- the application ---------------------------------------------------------------------------- */

static void keep(struct body *body, uint64_t len)
{
    if (len == 0 || world.num_kept == KEPT_MAX || draw(3) != 0) {
        return;
    }
    assert_int_equal(halo_session_keep_data(world.session, &world.kept[world.num_kept].slice), 0);
    world.kept[world.num_kept++].id = body->id;
    body->kept += world.manual ? 0 : len;
}

static void release_one(uint32_t index)
{
    struct body *body = body_of(world.kept[index].id);
    uint64_t len = world.manual ? 0 : world.kept[index].slice.len;

    if (body != NULL) {
        body->kept -= len;
    } else {
        world.kept_of_gone -= len;
    }
    halo_slice_release(&world.kept[index].slice);
    world.kept[index] = world.kept[--world.num_kept];
}

static void reset(struct body *body)
{
    if (halo_stream_reset(body->handle, HALO_CANCEL) == 0) {
        body->delivered = body->told; /* what was held goes, with its credit */
        body->unconsumed = 0;
    }
}

static void on_data(struct body *body, const struct halo_event *event)
{
    body->told += event->u.data.len;
    if (world.manual) {
        body->unconsumed += event->u.data.len;
        if (draw(2) == 0) {
            uint64_t part = draw(event->u.data.len + 1);

            assert_int_equal(halo_stream_consume(event->stream, part), 0);
            body->unconsumed -= part;
        }
    }
    keep(body, event->u.data.len);
    if (draw(200) == 0) {
        reset(body);
    } else if (draw(50) == 0 && !world.ending) {
        body->paused = true;
        halo_stream_pause(event->stream);
    }
}

static void poll_all(void)
{
    struct halo_event event;

    while (halo_session_poll(world.session, &event) != 0) {
        struct body *body = body_of(event.stream_id);

        assert_int_not_equal(event.type, HALO_EVENT_SESSION_CLOSED);
        assert_int_not_equal(event.type, HALO_EVENT_PING_ACK); /* halo's own are its own business */
        if (event.type == HALO_EVENT_REQUEST) {
            body->handle = event.stream;
        } else if (event.type == HALO_EVENT_DATA) {
            on_data(body, &event);
        } else if (event.type == HALO_EVENT_STREAM_CLOSED) {
            world.kept_of_gone += body->kept;
            *body = (struct body){ 0 };
        }
    }
}

/* A closed stream gives back what was not consumed once nothing of it is held. */
static void note_closed(void)
{
    for (int i = 0; i < STREAMS_MAX; i++) {
        struct body *body = &world.bodies[i];

        if (body->handle != NULL && halo_stream_is_closed(body->handle)) {
            body->opened = false;
            body->unconsumed = body->delivered == body->told ? 0 : body->unconsumed;
        }
    }
}

/* ---- the peer ------------------------------------------------------------------------------------ */

static void hand_in(const uint8_t *octets, size_t len)
{
    world.now_ns += draw(100000);
    assert_int_equal(halo_session_recv(world.session, octets, len, world.now_ns), 0);
    poll_all();
    note_closed();
}

static void hand_in_wire(void)
{
    hand_in(world.in.data, world.in.len);
    world.in.len = 0;
}

static void hear(const struct frame *frame, const uint8_t *payload)
{
    struct body *body = body_of(frame->stream_id);

    if (frame->type == FRAME_WINDOW_UPDATE) {
        int64_t *window = frame->stream_id == 0 ? &world.window
                          : body != NULL        ? &body->window
                                                : NULL;

        world.updates++;
        assert_true(load_u32(payload) > 0);
        if (window != NULL) {
            *window += load_u32(payload);
            assert_true(*window <= LIMIT_WINDOW_MAX);
        }
    } else if (frame->type == FRAME_SETTINGS && (frame->flags & FLAG_ACK) == 0) {
        uint32_t initial = UINT32_MAX;

        for (uint32_t at = 0; at < frame->len; at += 6) {
            initial = load_u16(payload + at) == 4 ? load_u32(payload + at + 2) : initial;
        }
        assert_true(world.num_settings < ANSWERS_MAX);
        world.settings[world.num_settings++] = initial;
    } else if (frame->type == FRAME_PING && (frame->flags & FLAG_ACK) == 0) {
        put_ping(&world.in, F_ACK, (const char *)payload);
        world.pings++;
    } else if (frame->type == FRAME_GOAWAY) {
        fail_msg("GOAWAY %u", load_u32(payload + 4));
    }
}

static void pull_all(void)
{
    struct iovec iov[16];
    size_t at = 0;
    int count;

    while ((count = halo_session_pull(world.session, iov, 16, 65536)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            wire_octets(&world.out, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        halo_session_sent(world.session, len);
    }
    if (world.out.len >= 24 && memcmp(world.out.data, "PRI ", 4) == 0) {
        at = 24;
    }
    while (at < world.out.len) {
        struct frame frame = frame_header_load(world.out.data + at);

        hear(&frame, world.out.data + at + 9);
        at += 9 + (size_t)frame.len;
    }
    world.out.len = 0;
    if (world.in.len > 0) {
        hand_in_wire();
    }
}

/* The peer's answer to the oldest SETTINGS: they hold on both sides from here on. */
static void answer_settings(void)
{
    uint32_t initial = world.settings[0];

    if (world.num_settings == 0) {
        return;
    }
    memmove(world.settings, world.settings + 1, --world.num_settings * sizeof(uint32_t));
    if (initial != UINT32_MAX) {
        for (int i = 0; i < STREAMS_MAX; i++) {
            world.bodies[i].window += (int64_t)initial - world.initial;
        }
        world.initial = initial;
    }
    put_settings_ack(&world.in);
    hand_in_wire();
}

static void open_one(void)
{
    struct body *body = NULL;

    for (int i = 0; i < STREAMS_MAX && body == NULL; i++) {
        body = world.bodies[i].id == 0 ? &world.bodies[i] : NULL;
    }
    if (body == NULL) {
        return;
    }
    *body = (struct body){ .id = world.next_id, .window = world.initial, .opened = true };
    world.next_id += 2;
    world.opened++;
    if (world.role == HALO_SERVER) {
        put_post(&world.in, body->id);
    } else {
        struct halo_request request = { .method = HALO_LIT("POST"), .authority = HALO_LIT("a") };

        assert_int_equal(halo_session_request(world.session, &request, 0, NULL, &body->handle), 0);
        assert_int_equal(halo_stream_id(body->handle), body->id);
        put_ok(&world.in, body->id, 0);
    }
    hand_in_wire();
}

static uint64_t part_of(uint64_t at, uint64_t from, uint64_t len)
{
    return at <= from ? 0 : at - from < len ? at - from : len;
}

static void act(void);

/* A DATA frame, perhaps padded, perhaps in two pieces with something between them. */
static void send_data(struct body *body)
{
    static uint8_t frame[9 + 1 + 16384 + 255];
    bool padded = draw(4) == 0;
    uint8_t padding = padded ? (uint8_t)draw(256) : 0;
    uint64_t around = padded ? 1u + padding : 0;
    uint64_t len = 1 + draw(draw(8) == 0 ? 16000 : 1500);
    int64_t room = body->window < world.window ? body->window : world.window;
    bool end = draw(100) == 0;
    uint64_t before = padded ? 10 : 9;
    uint64_t at;
    uint32_t id = body->id;

    if (room < (int64_t)(around + 1)) {
        return;
    }
    len = min_u64(len, (uint64_t)room - around);
    frame_header_store(frame, (uint32_t)(len + around), FRAME_DATA,
                       (uint8_t)((padded ? FLAG_PADDED : 0) | (end ? FLAG_END_STREAM : 0)), id);
    frame[9] = padding;
    world.frames++;
    world.octets += len + around;
    body->window -= (int64_t)(len + around);
    world.window -= (int64_t)(len + around);
    body->opened = body->opened && !end;
    at = draw(10) == 0 ? 1 + draw(9 + len + around) : 9 + len + around;
    for (uint64_t from = 0; from < 9 + len + around;) {
        uint64_t part = part_of(at, before, len) - part_of(from, before, len);

        if (from > 0 && draw(2) == 0) {
            act(); /* within a frame */
        }
        body = body_of(id);
        if (body != NULL && body->handle != NULL && !halo_stream_is_closed(body->handle)) {
            body->delivered += part;
        }
        hand_in(frame + from, at - from);
        from = at;
        at = 9 + len + around;
    }
}

/* ---- events --------------------------------------------------------------------------------------- */

static struct body *any_body(void)
{
    struct body *body = &world.bodies[draw(STREAMS_MAX)];

    return body->handle != NULL ? body : NULL;
}

/* Something that the application does. */
static void act(void)
{
    struct body *body = any_body();

    switch (draw(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (world.num_kept > 0) {
            release_one((uint32_t)draw(world.num_kept));
        }
        break;
    case 4:
    case 5:
        if (body != NULL && body->unconsumed > 0 && !halo_stream_is_closed(body->handle)) {
            uint64_t part = draw(body->unconsumed + 1);

            assert_int_equal(halo_stream_consume(body->handle, part), 0);
            body->unconsumed -= part;
        }
        break;
    case 6:
        if (body != NULL && draw(4) == 0) {
            body->paused = true;
            halo_stream_pause(body->handle);
        }
        break;
    case 7:
    case 8:
        if (body != NULL && (!world.lazy || draw(30) == 0)) {
            body->paused = false;
            halo_stream_resume(body->handle);
        }
        break;
    case 9:
        if (body != NULL && draw(20) == 0) {
            reset(body);
        }
        break;
    case 10:
        if (draw(200) == 0) {
            uint32_t size = (uint32_t)draw(2) == 0 ? (uint32_t)draw(1 << 21) : 65535;

            assert_int_equal(halo_session_set_window(world.session, size), 0);
        }
        break;
    default:
        if (draw(50) == 0 && world.num_settings < 4) {
            struct halo_settings settings = {
                .present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE),
                .initial_window_size = (uint32_t)draw(200000),
            };

            (void)halo_session_settings(world.session, &settings);
        }
        break;
    }
}

static void step(void)
{
    struct body *body = &world.bodies[draw(STREAMS_MAX)];

    switch (draw(16)) {
    case 0:
        pull_all();
        break;
    case 1:
        if (draw(4) == 0) {
            pull_all();
            answer_settings();
        }
        break;
    case 2:
        if (body->id == 0) {
            pull_all();
            open_one();
        } else if (draw(50) == 0 && body->opened) {
            body->opened = false;
            put_rst_stream(&world.in, body->id, HALO_CANCEL);
            hand_in_wire();
        }
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        act();
        break;
    case 8:
        world.now_ns += draw(50000000);
        halo_session_tick(world.session, world.now_ns);
        break;
    default:
        if (body->opened) {
            send_data(body);
        }
        break;
    }
    poll_all();
    note_closed();
}

/* ---- the accounts ----------------------------------------------------------------------------------- */

static void check_sums(void)
{
    const struct receive_window *window = &world.session->receive;
    uint64_t owed = world.kept_of_gone;

    for (int i = 0; i < STREAMS_MAX; i++) {
        const struct body *body = &world.bodies[i];
        uint64_t here = body->delivered - body->told + body->unconsumed + body->kept;

        owed += here;
        if (body->handle != NULL && body->handle->recv_half != HALF_DONE) {
            const struct receive_window *at = &body->handle->receive;

            if ((int64_t)at->size + at->withheld !=
                (int64_t)world.session->local.initial_window_size + at->available + at->unreturned +
                    (int64_t)here) {
                fail_msg("stream %u: size %d, available %d, unreturned %u, owed %llu", body->id,
                         at->size, at->available, at->unreturned, (unsigned long long)here);
            }
        }
    }
    if ((int64_t)window->size + window->withheld !=
        (int64_t)window->available + window->unreturned + (int64_t)owed) {
        fail_msg("connection: size %d, withheld %u, available %d, unreturned %u, owed %llu",
                 window->size, window->withheld, window->available, window->unreturned,
                 (unsigned long long)owed);
    }
}

/* What the peer counted, when it has heard everything. */
static void check_peer(void)
{
    pull_all();
    assert_int_equal(world.window, world.session->receive.available);
    for (int i = 0; i < STREAMS_MAX; i++) {
        const struct body *body = &world.bodies[i];

        if (body->handle != NULL && body->handle->recv_half != HALF_DONE) {
            assert_int_equal(body->window, (int64_t)world.session->local.initial_window_size +
                                               body->handle->receive.available);
        }
    }
}

static void begin(void)
{
    struct halo_session_options options;

    memset(&world, 0, sizeof(world));
    test_memory_init(&world.memory);
    world.role = (int)draw(2);
    world.manual = draw(3) == 0;
    world.lazy = draw(2) == 0;
    world.window = 65535;
    world.initial = 65535;
    world.next_id = 1;
    world.now_ns = 1000000;
    halo_session_options_init(&options, world.role);
    options.allocator = world.memory.allocator;
    options.manual_credit = world.manual;
    options.window_update_percent = draw(3) == 0 ? (uint32_t)draw(101) : 50;
    options.connection_window_size = draw(2) == 0 ? 65535 : 1 << 20;
    options.connection_receive_window_max = draw(4) == 0 ? 0 : 4 << 20;
    options.stream_receive_window_max = draw(4) == 0 ? 0 : 1 << 20;
    options.memory_hard = world.lazy ? 250000 : 4 << 20; /* windows under pressure, too */
    options.limits.resets = 1 << 30;
    options.limits.glitches = 1 << 30;
    options.idle_timeout_ms = 0;
    options.settings_ack_timeout_ms = 0;
    assert_int_equal(halo_session_new(&world.session, &options, world.now_ns), 0);
    if (world.role == HALO_SERVER) {
        put_preface(&world.in);
    }
    put_settings(&world.in, 0);
    hand_in_wire();
    pull_all();
}

static void end(void)
{
    world.ending = true;
    for (int i = 0; i < STREAMS_MAX; i++) {
        if (world.bodies[i].handle != NULL) {
            halo_stream_resume(world.bodies[i].handle);
        }
    }
    poll_all();
    note_closed();
    while (world.num_kept > 0) {
        release_one(world.num_kept - 1);
    }
    for (int i = 0; i < STREAMS_MAX; i++) {
        struct body *body = &world.bodies[i];

        if (body->unconsumed > 0 && !halo_stream_is_closed(body->handle)) {
            assert_int_equal(halo_stream_consume(body->handle, body->unconsumed), 0);
            body->unconsumed = 0;
        }
        if (body->handle != NULL) {
            reset(body);
        }
    }
    while (world.num_kept > 0) {
        release_one(world.num_kept - 1);
    }
    poll_all();
    check_peer();
    assert_int_equal((int64_t)world.session->receive.available + world.session->receive.unreturned,
                     (int64_t)world.session->receive.size + world.session->receive.withheld);
    assert_int_equal(world.session->memory.bodies, 0);
    assert_int_equal(world.session->memory.overhead, 0);
    halo_session_free(world.session);
    assert_int_equal(world.memory.live, 0);
    wire_free(&world.in);
    wire_free(&world.out);
}

static void test_credit_is_conserved(void **unused)
{
    uint64_t updates = 0;
    uint64_t pings = 0;
    uint64_t frames = 0;
    uint64_t octets = 0;
    uint64_t opened = 0;
    uint64_t pressed = 0;

    (void)unused;
    for (uint64_t done = 0; done < num_events; done += ROUND_EVENTS) {
        state = (seed + done) * 0x9e3779b97f4a7c15ull | 1;
        begin();
        for (int i = 0; i < ROUND_EVENTS; i++) {
            step();
            check_sums();
            world.pressed += world.session->memory.pressed;
            if (i % 64 == 0) {
                check_peer();
            }
        }
        updates += world.updates;
        pings += world.pings;
        frames += world.frames;
        octets += world.octets;
        opened += world.opened;
        pressed += world.pressed;
        end();
    }
    printf("%llu events: %llu streams, %llu DATA frames of %llu octets, %llu WINDOW_UPDATEs, %llu "
           "PINGs, "
           "%llu under pressure\n",
           (unsigned long long)num_events, (unsigned long long)opened, (unsigned long long)frames,
           (unsigned long long)octets, (unsigned long long)updates, (unsigned long long)pings,
           (unsigned long long)pressed);
    /* The conversations did not run dry. */
    assert_true(frames > num_events / 20 && opened > num_events / 2000);
    assert_true(updates > num_events / 2000 && pings > 0 && pressed > num_events / 200);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_credit_is_conserved) };

#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
    num_events = 1000000;
#endif
    num_events = argc > 1 ? strtoull(argv[1], NULL, 10) : num_events;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
