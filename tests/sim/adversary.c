/*
 * A peer that writes frames: a conversation that makes sense, and among it every kind of frame that
 * does not. It hardly listens.
 */
#include <string.h>

#include "sim.h"

static void put(struct run *run, struct wire *wire)
{
    pipe_add(&run->subject->peer->out, wire->data, wire->len);
    wire_free(wire);
}

static bool is_client(const struct run *run)
{
    return run->subject->role == HALO_SERVER;
}

void adversary_open(struct run *run)
{
    struct adversary *adversary = &run->adversary;
    struct wire wire = { 0 };

    run->subject = sim_percent(run, 60) ? &run->server : &run->client;
    run->subject->peer->freed = true;
    run->subject->peer->session = NULL;
    adversary->next_id = 1;
    adversary->mischief = sim_percent(run, 40) ? 0 : 1 + sim_below(run, 20);
    if (is_client(run)) {
        put_preface(&wire);
        if (adversary->mischief > 0 && sim_percent(run, 2)) {
            wire.data[sim_below(run, (uint32_t)wire.len)] ^= 1;
        }
    }
    if (adversary->mischief == 0 || !sim_percent(run, 3)) {
        if (sim_percent(run, 50)) {
            put_settings(&wire, HALO_SETTINGS_INITIAL_WINDOW_SIZE, sim_below(run, 100000),
                         HALO_SETTINGS_MAX_CONCURRENT_STREAMS, sim_below(run, 20), 0);
        } else {
            put_settings(&wire, 0);
        }
    }
    put(run, &wire);
}

/* A number of a stream: most often one that exists. */
static uint32_t some_id(struct run *run)
{
    uint32_t last = is_client(run) ? run->adversary.next_id - 2 : run->subject->rules.last_opened;

    if (!is_client(run) && run->adversary.pushed_id > 0 && sim_percent(run, 25)) {
        uint32_t back = 2 * sim_below(run, 4);

        return run->adversary.pushed_id > back ? run->adversary.pushed_id - back : 2;
    }
    if (last == 0 || last > 0x7fffffff) {
        return 1;
    }
    return last - 2 * sim_below(run, (last + 1) / 2 < 8 ? (last + 1) / 2 : 8);
}

/* ---- good frames ----------------------------------------------------------------------- */

static void request_block(struct run *run, struct wire *block)
{
    static const char *const methods[] = { "GET", "POST", "HEAD", "CONNECT" };
    const char *method = methods[sim_below(run, sim_percent(run, 90) ? 3 : 4)];

    fields(block, ":method", method, NULL);
    if (method[0] != 'C') {
        fields(block, ":scheme", "https", ":path", "/", NULL);
    }
    fields(block, ":authority", "a", NULL);
    for (uint32_t i = sim_below(run, 6); i > 0; i--) {
        if (sim_percent(run, 50)) {
            field_indexed(block, "x-name", "some value that goes into the table");
        } else {
            field(block, "cookie", "a=b");
        }
    }
    if (sim_percent(run, 10)) {
        field(block, "content-length", "100");
    }
}

/* HEADERS, with or without CONTINUATION, padding and priority. */
static void put_block(struct run *run, struct wire *wire, uint32_t id, unsigned flags,
                      struct wire *block)
{
    if (sim_percent(run, 70)) {
        put_headers(wire, id, flags | F_END_HEADERS, block);
    } else if (sim_percent(run, 50)) {
        put_headers_full(wire, id, flags | F_END_HEADERS | F_PADDED | F_PRIORITY, block,
                         (uint8_t)sim_below(run, 256), 0);
    } else {
        size_t first = sim_below(run, (uint32_t)block->len + 1);

        put_frame(wire, T_HEADERS, flags, id, block->data, first);
        put_continuation(wire, id, F_END_HEADERS, block->data + first, block->len - first);
    }
}

static void good_headers(struct run *run, struct wire *wire)
{
    struct adversary *adversary = &run->adversary;
    struct wire block = { 0 };
    uint32_t id = some_id(run);
    unsigned flags = sim_percent(run, 50) ? F_END_STREAM : 0;

    if (is_client(run)) {
        id = adversary->next_id;
        adversary->next_id += sim_percent(run, 90) ? 2 : 4;
        request_block(run, &block);
    } else {
        fields(&block, ":status", sim_percent(run, 80) ? "200" : "103", "x", "y", NULL);
        if (run->subject->rules.last_opened == 0) {
            wire_free(&block);
            return;
        }
    }
    put_block(run, wire, id, flags, &block);
    wire_free(&block);
}

static void good_settings(struct run *run, struct wire *wire)
{
    const struct rules *rules = &run->subject->rules;

    if (rules->settings_sent > rules->acks_got && sim_percent(run, 70)) {
        put_settings_ack(wire);
    } else if (sim_percent(run, 20)) {
        put_settings(wire, HALO_SETTINGS_INITIAL_WINDOW_SIZE, sim_below(run, 70000),
                     HALO_SETTINGS_HEADER_TABLE_SIZE, sim_below(run, 5000), 0);
    }
}

static void good_promise(struct run *run, struct wire *wire)
{
    struct wire block = { 0 };
    struct wire payload = { 0 };
    uint32_t id = some_id(run);

    if (is_client(run)) {
        char text[] = "u=0, i";
        uint8_t update[10] = { 0, 0, (uint8_t)(id >> 8), (uint8_t)id };

        text[2] = (char)('0' + sim_below(run, 10));
        memcpy(update + 4, text, 6);
        put_frame(wire, 0x10, 0, 0, update, sim_percent(run, 90) ? 10 : 4 + sim_below(run, 6));
        return;
    }
    run->adversary.pushed_id += sim_percent(run, 90) ? 2 : 4;
    wire_octet(&payload, 0);
    wire_octet(&payload, 0);
    wire_octet(&payload, (uint8_t)(run->adversary.pushed_id >> 8));
    wire_octet(&payload, (uint8_t)run->adversary.pushed_id);
    request_block(run, &block);
    for (size_t i = 0; i < block.len; i++) {
        wire_octet(&payload, block.data[i]);
    }
    if (sim_percent(run, 60)) {
        put_frame(wire, T_PUSH_PROMISE, F_END_HEADERS, id, payload.data, payload.len);
    } else {
        size_t first = 4 + sim_below(run, (uint32_t)block.len + 1);

        put_frame(wire, T_PUSH_PROMISE, 0, id, payload.data, first);
        put_continuation(wire, id, F_END_HEADERS, payload.data + first, payload.len - first);
    }
    wire_free(&block);
    wire_free(&payload);
}

static void good_extension(struct run *run, struct wire *wire)
{
    uint32_t id = some_id(run);

    switch (sim_below(run, 3)) {
    case 0:
        put_frame(wire, 0xa, 0, id, "\0\0clear", sim_below(run, 8));
        break;
    case 1:
        put_frame(wire, 0xc, 0, 0, "\0\11https://a\0\11https://b", sim_below(run, 23));
        break;
    default:
        put_frame(wire, OWN_FRAME, sim_below(run, 256), id, "of the application",
                  sim_below(run, 19));
        break;
    }
}

static void good_frame(struct run *run, struct wire *wire)
{
    uint32_t id = some_id(run);

    switch (sim_below(run, 16)) {
    case 14:
        good_promise(run, wire);
        break;
    case 15:
        good_extension(run, wire);
        break;
    case 0:
    case 1:
    case 2:
    case 3:
        good_headers(run, wire);
        break;
    case 4:
    case 5:
        put_data(wire, id, sim_percent(run, 30) ? F_END_STREAM : 0, sim_below(run, 3000));
        break;
    case 6:
        put_data_padded(wire, id, 0, sim_below(run, 500), (uint8_t)sim_below(run, 256));
        break;
    case 7:
        put_window_update(wire, 0, 1 + sim_below(run, 50000));
        break;
    case 8:
        put_window_update(wire, id, 1 + sim_below(run, 50000));
        break;
    case 9:
        good_settings(run, wire);
        break;
    case 10:
        put_ping(wire, sim_percent(run, 80) ? 0 : F_ACK, "adversar");
        break;
    case 11:
        if (sim_percent(run, 40)) {
            put_rst_stream(wire, id, sim_below(run, 14));
        }
        break;
    case 12:
        put_priority(wire, id, 0, 7);
        break;
    default:
        if (sim_percent(run, 8)) {
            put_goaway(wire, sim_percent(run, 50) ? 0x7fffffff : id, HALO_NO_ERROR, "bye");
        } else {
            put_frame(wire, (uint8_t)(20 + sim_below(run, 200)), sim_below(run, 256), id, "unknown",
                      7);
        }
        break;
    }
}

/* ---- bad frames ------------------------------------------------------------------------ */

static void bad_block(struct run *run, struct wire *wire)
{
    struct wire block = { 0 };
    uint32_t id = some_id(run);

    if (is_client(run)) {
        id = run->adversary.next_id;
        run->adversary.next_id += 2;
    }
    switch (sim_below(run, 6)) {
    case 0:
        fields(&block, ":method", "GET", "Upper", "x", NULL);
        break;
    case 1:
        fields(&block, "x", "y", ":status", "200", NULL);
        break;
    case 2:
        fields(&block, ":method", "GET", ":scheme", "https", ":path", "/", "connection", "close",
               NULL);
        break;
    case 3:
        wire_octet(&block, 0xff); /* an index that never ends */
        wire_fill(&block, 0xff, sim_below(run, 20));
        break;
    case 4:
        request_block(run, &block);
        for (int i = 0; i < 300; i++) {
            field_indexed(&block, "x-many", "fields");
        }
        break;
    default:
        break; /* empty */
    }
    put_block(run, wire, id, sim_percent(run, 50) ? F_END_STREAM : 0, &block);
    wire_free(&block);
}

static void noise(struct run *run, struct wire *wire)
{
    uint32_t len = sim_below(run, 40);

    put_frame_header(wire, sim_percent(run, 90) ? len : sim_below(run, 1u << 24),
                     (uint8_t)sim_below(run, 12), sim_below(run, 256),
                     sim_percent(run, 50) ? some_id(run) : sim_below(run, 100));
    while (len-- > 0) {
        wire_octet(wire, (uint8_t)sim_below(run, 256));
    }
}

static void flood(struct run *run, struct wire *wire)
{
    uint32_t id = some_id(run);
    uint32_t kind = sim_below(run, 5);

    for (uint32_t i = 50 + sim_below(run, 400); i > 0; i--) {
        switch (kind) {
        case 0:
            put_ping(wire, 0, "floodfld");
            break;
        case 1:
            put_settings(wire, 0);
            break;
        case 2:
            put_data(wire, id, 0, 0);
            break;
        case 3:
            put_window_update(wire, id, 1);
            break;
        default:
            if (is_client(run)) {
                put_get(wire, run->adversary.next_id);
                put_rst_stream(wire, run->adversary.next_id, HALO_CANCEL);
                run->adversary.next_id += 2;
            }
            break;
        }
    }
}

static void bad_frame(struct run *run, struct wire *wire)
{
    uint32_t id = some_id(run);

    switch (sim_below(run, 16)) {
    case 0:
        put_window_update(wire, sim_percent(run, 50) ? 0 : id, 0);
        break;
    case 1:
        put_window_update(wire, sim_percent(run, 50) ? 0 : id, 0x7fffffff);
        break;
    case 2:
        put_settings(wire, HALO_SETTINGS_INITIAL_WINDOW_SIZE,
                     sim_percent(run, 50) ? 0x7fffffffu : 0x80000000u, 0);
        break;
    case 3:
        put_frame(wire, T_SETTINGS, sim_below(run, 2), sim_below(run, 2), "odd", 3);
        break;
    case 4:
        put_settings_ack(wire);
        break;
    case 5:
        put_data(wire, id + sim_below(run, 4), 0, sim_below(run, 16384));
        break;
    case 6:
        put_rst_stream(wire, id + sim_below(run, 6), HALO_CANCEL);
        break;
    case 7:
        put_goaway(wire, sim_below(run, 100), sim_below(run, 3), "go");
        break;
    case 8:
        put_continuation(wire, id, F_END_HEADERS, "x", 1);
        break;
    case 9:
        put_frame(wire, T_HEADERS, F_PADDED | F_END_HEADERS, id, "\xff", 1);
        break;
    case 10:
        put_priority(wire, id, id, 1);
        break;
    case 11:
        put_frame(wire, T_PUSH_PROMISE, F_END_HEADERS, id, "\0\0\0\2", 4);
        break;
    case 12:
        flood(run, wire);
        break;
    case 13:
        noise(run, wire);
        break;
    default:
        bad_block(run, wire);
        break;
    }
}

/* ---- a step ---------------------------------------------------------------------------- */

void adversary_step(struct run *run)
{
    struct endpoint *subject = run->subject;
    struct wire wire = { 0 };

    /* What the subject sends is taken, or lies there for a while. */
    if (sim_percent(run, 80)) {
        subject->out.at = subject->out.len;
    }
    for (uint32_t i = sim_below(run, 4); i > 0; i--) {
        if (sim_percent(run, run->adversary.mischief)) {
            bad_frame(run, &wire);
        } else {
            good_frame(run, &wire);
        }
    }
    put(run, &wire);
    if (sim_below(run, 300) == 0) {
        subject->peer->out.finished = true;
    }
}
