#include "attack_play.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/base.h"
#include "test_memory.h"

struct play {
    const struct attack *attack;
    halo_session *session;
    struct test_memory memory;
    struct attack_cost *cost;
    uint64_t now_ns;
    uint32_t running;
};

void attack_feed(struct play *play, const struct wire *wire);

static int give_zeros(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    size_t *left = ctx;

    *len = cap < *left ? cap : *left;
    memset(out, 0, *len);
    *left -= *len;
    *end = *left == 0;
    return 0;
}

static void give_body(halo_stream *stream)
{
    struct halo_source source = { .read = give_zeros, .done = free };
    size_t *left = malloc(sizeof(*left));

    if (left == NULL || halo_stream_respond(stream, 200, NULL, 0) != 0) {
        free(left);
        return;
    }
    *left = 10 * 1024 * 1024;
    source.ctx = left;
    (void)halo_stream_set_source(stream, &source, 0);
}

static void handle(struct play *play, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_SESSION_CLOSED) {
        play->cost->ended = true;
        play->cost->code = event->u.closed != NULL ? event->u.closed->code : HALO_NO_ERROR;
        return;
    }
    if (event->type == HALO_EVENT_STREAM_CLOSED) {
        play->running--;
        return;
    }
    if (event->type != HALO_EVENT_REQUEST) {
        return;
    }
    play->cost->handlers++;
    play->running++;
    play->cost->most_handlers = max_u32(play->cost->most_handlers, play->running);
    switch (play->attack->handler) {
    case HANDLER_ANSWER:
        (void)halo_stream_respond(event->stream, 200, NULL, HALO_END_STREAM);
        break;
    case HANDLER_BODY:
        give_body(event->stream);
        break;
    case HANDLER_PAUSE:
        halo_stream_pause(event->stream);
        break;
    case HANDLER_RESET:
        halo_stream_reset(event->stream, HALO_CANCEL);
        break;
    default:
        break;
    }
}

/* Only this is counted by bench/attacks.sh. */
__attribute__((noinline)) void attack_feed(struct play *play, const struct wire *wire)
{
    struct halo_event event;
    struct iovec iov[16];
    int count;

    (void)halo_session_recv(play->session, wire->data, wire->len, play->now_ns);
    while (halo_session_poll(play->session, &event) != 0) {
        handle(play, &event);
    }
    if (play->attack->unread) {
        (void)halo_session_pull(play->session, iov, 16, 1 << 20); /* the socket takes nothing */
        return;
    }
    while ((count = halo_session_pull(play->session, iov, 16, 1 << 20)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            len += iov[i].iov_len;
        }
        play->cost->octets_out += len;
        halo_session_sent(play->session, len);
        while (halo_session_poll(play->session, &event) != 0) {
            handle(play, &event);
        }
    }
}

static void open_session(struct play *play)
{
    const struct attack *attack = play->attack;
    struct halo_session_options options;
    struct wire wire = { 0 };

    test_memory_init(&play->memory);
    halo_session_options_init(&options, HALO_SERVER);
    options.allocator = play->memory.allocator;
    if (halo_session_new(&play->session, &options, play->now_ns) != 0) {
        abort();
    }
    put_preface(&wire);
    put_settings(&wire, attack->setting, attack->setting_value, 0);
    put_settings_ack(&wire);
    attack_feed(play, &wire);
    wire_free(&wire);
}

static void begin(struct play *play)
{
    struct wire wire = { 0 };

    if (play->attack->begin != NULL) {
        play->attack->begin(&wire);
        attack_feed(play, &wire);
    }
    play->cost->octets_out = 0;
    wire_free(&wire);
}

void attack_play(const struct attack *attack, struct attack_cost *cost)
{
    struct play play = { .attack = attack, .cost = cost, .now_ns = 1000000 };
    struct wire wire = { 0 };
    size_t before;

    *cost = (struct attack_cost){ 0 };
    open_session(&play);
    before = play.memory.octets;
    play.memory.octets_peak = before;
    begin(&play);
    for (uint32_t i = 0; i < attack->frames && !cost->ended && !cost->stopped; i++) {
        wire.len = 0;
        attack->frame(&wire, i);
        if (attack->step_ms > 0) {
            play.now_ns += attack->step_ms * 1000000ull;
            halo_session_tick(play.session, play.now_ns);
        }
        attack_feed(&play, &wire);
        cost->octets_in += wire.len;
        cost->frames++;
        cost->session_memory = cost->session_memory > halo_session_memory(play.session)
                                   ? cost->session_memory
                                   : halo_session_memory(play.session);
        cost->stopped = halo_session_wants_recv(play.session) == 0;
    }
    cost->running = play.running;
    cost->memory = play.memory.octets_peak - before;
    halo_session_free(play.session);
    cost->left = play.memory.live;
    wire_free(&wire);
}
