/*
 * What may be on the wire, found out by a parser of its own. For each end there are the frames that
 * it sent, looked at when they were pulled, and the frames that it was given, looked at when they
 * were handed in. An end knows of a frame from the octet on that it builds after having worked
 * that frame off; what lies in its output already was built without that knowledge.
 */
#include <string.h>

#include "sim.h"

static uint32_t u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* ---- scanning -------------------------------------------------------------------------- */

static void begin_frame(struct scanner *scanner)
{
    const uint8_t *head = scanner->head;

    scanner->frame.len = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    scanner->frame.type = head[3];
    scanner->frame.flags = head[4];
    scanner->frame.id = u32(head + 5) & 0x7fffffff;
    scanner->frame.at = scanner->position - 9;
    scanner->got = 0;
}

void scan(struct scanner *scanner, const uint8_t *octets, size_t len,
          void (*on_frame)(struct endpoint *end, const struct scanned *frame), struct endpoint *end)
{
    while (len > 0) {
        size_t part = 1;

        if (scanner->preface_left > 0) {
            scanner->preface_left--;
        } else if (scanner->have < 9) {
            scanner->head[scanner->have++] = *octets;
        } else {
            part = scanner->frame.len - scanner->got;
            part = part < len ? part : len;
            if (scanner->got < SCAN_PAYLOAD) {
                size_t room = SCAN_PAYLOAD - scanner->got;

                memcpy(scanner->frame.payload + scanner->got, octets, part < room ? part : room);
            }
            scanner->got += (uint32_t)part;
        }
        octets += part;
        len -= part;
        scanner->position += part;
        if (scanner->have == 9) {
            if (scanner->got == 0) {
                begin_frame(scanner);
            }
            if (scanner->got == scanner->frame.len) {
                scanner->have = 0;
                scanner->got = 0;
                on_frame(end, &scanner->frame);
            }
        }
    }
}

static void show(struct endpoint *end, const struct scanned *frame, bool sent)
{
    static const char *const names[] = { "DATA",          "HEADERS",      "PRIORITY", "RST_STREAM",
                                         "SETTINGS",      "PUSH_PROMISE", "PING",     "GOAWAY",
                                         "WINDOW_UPDATE", "CONTINUATION" };
    struct run *run = end->run;
    struct shown_frame *shown = &run->shown[run->shown_count++ % FRAMES_SHOWN];

    shown->name = end->name;
    shown->sent = sent;
    shown->step = run->step;
    shown->frame.len = frame->len;
    shown->frame.id = frame->id;
    shown->frame.type = frame->type;
    shown->frame.flags = frame->flags;
    memcpy(shown->frame.payload, frame->payload, 8);
    if (run->trace) {
        sim_trace(run, "%s %s %s len %u flags %#x stream %u (%08x %08x)", end->name,
                  sent ? "sent" : "got", frame->type < 10 ? names[frame->type] : "?", frame->len,
                  frame->flags, frame->id, u32(frame->payload), u32(frame->payload + 4));
    }
}

/* ---- what an end sends ----------------------------------------------------------------- */

void rules_init(struct rules *rules)
{
    memset(rules, 0, sizeof(*rules));
    rules->window = 65535;
    rules->initial = 65535;
    rules->goaway_sent_last = 0x7fffffff;
    rules->goaway_got_last = 0x7fffffff;
    rules->goaway_got_at = UINT64_MAX;
    for (size_t i = 0; i < WIRE_STREAMS_MAX; i++) {
        rules->streams[i].got_end_at = UINT64_MAX;
        rules->streams[i].got_reset_at = UINT64_MAX;
    }
}

static uint32_t promised_id(const struct scanned *frame)
{
    return u32(frame->payload + ((frame->flags & F_PADDED) != 0 ? 1 : 0)) & 0x7fffffff;
}

static struct wire_stream *stream_of(struct rules *rules, uint32_t id)
{
    return id < WIRE_STREAMS_MAX ? &rules->streams[id] : NULL;
}

static void check_order(struct endpoint *end, const struct scanned *frame)
{
    /* RFC 9113 section 6, by type */
    static const unsigned allowed[] = {
        F_END_STREAM | F_PADDED,
        F_END_STREAM | F_END_HEADERS | F_PADDED | F_PRIORITY,
        0,
        0,
        F_ACK,
        F_END_HEADERS | F_PADDED,
        F_ACK,
        0,
        0,
        F_END_HEADERS,
    };
    struct rules *rules = &end->rules;

    if (!rules->opened && (frame->type != T_SETTINGS || (frame->flags & F_ACK) != 0)) {
        sim_fail(end->run, "%s: the first frame is not SETTINGS", end->name);
    }
    rules->opened = true;
    if (rules->block_id != 0 && (frame->type != T_CONTINUATION || frame->id != rules->block_id)) {
        sim_fail(end->run, "%s: a header block is interrupted", end->name);
    }
    if (frame->type == T_CONTINUATION && rules->block_id == 0) {
        sim_fail(end->run, "%s: CONTINUATION without a header block", end->name);
    }
    if (frame->type < 10 && (frame->flags & ~allowed[frame->type]) != 0) {
        sim_fail(end->run, "%s: frame of type %u with flags %#x", end->name, frame->type,
                 frame->flags);
    }
    if (frame->len > 16384) {
        sim_fail(end->run, "%s: a frame of %u octets", end->name, frame->len);
    }
}

static void sent_settings(struct endpoint *end, const struct scanned *frame)
{
    struct rules *rules = &end->rules;
    int64_t initial;

    if ((frame->flags & F_ACK) == 0) {
        rules->settings_sent++;
        return;
    }
    if (rules->settings_acked == rules->settings_got) {
        sim_fail(end->run, "%s: SETTINGS acknowledged that did not come", end->name);
    }
    initial = rules->initial_waiting[rules->settings_acked++ % 128];
    if (initial >= 0) {
        rules->initial = initial;
    }
}

static void sent_ping(struct endpoint *end, const struct scanned *frame)
{
    struct rules *rules = &end->rules;

    if ((frame->flags & F_ACK) == 0) {
        return;
    }
    if (rules->pings_acked == rules->pings_got ||
        memcmp(rules->pings[rules->pings_acked % 1024], frame->payload, 8) != 0) {
        sim_fail(end->run, "%s: answer to a PING that did not come", end->name);
    }
    rules->pings_acked++;
}

static void sent_goaway(struct endpoint *end, const struct scanned *frame)
{
    uint32_t last = u32(frame->payload) & 0x7fffffff;

    if (last > end->rules.goaway_sent_last) {
        sim_fail(end->run, "%s: GOAWAY grows from %u to %u", end->name, end->rules.goaway_sent_last,
                 last);
    }
    end->rules.goaway_sent_last = last;
    end->rules.goaway_sent = true;
}

/* A stream that this end opens. */
static void sent_opening(struct endpoint *end, const struct scanned *frame, uint32_t id)
{
    struct rules *rules = &end->rules;

    if (id % 2 != (end->role == HALO_CLIENT) || id <= rules->last_opened) {
        sim_fail(end->run, "%s: opens stream %u after %u", end->name, id, rules->last_opened);
    }
    if (frame->at >= rules->goaway_got_at) {
        sim_fail(end->run, "%s: opens stream %u after GOAWAY", end->name, id);
    }
    rules->last_opened = id;
}

/* RFC 9113 6.6, 8.4 */
static void sent_promise(struct endpoint *end, const struct scanned *frame)
{
    uint32_t id = promised_id(frame);
    struct wire_stream *promised = stream_of(&end->rules, id);

    if (end->role != HALO_SERVER || frame->id % 2 == 0) {
        sim_fail(end->run, "%s: promise on stream %u", end->name, frame->id);
    }
    sent_opening(end, frame, id);
    if (promised != NULL) { /* the half of the request is done */
        promised->known = true;
        promised->got_end = true;
        promised->got_end_at = 0;
    }
}

static void check_closed(struct endpoint *end, const struct wire_stream *stream,
                         const struct scanned *frame)
{
    bool message =
        frame->type == T_DATA || frame->type == T_HEADERS || frame->type == T_PUSH_PROMISE;

    if (stream->sent_reset) {
        sim_fail(end->run, "%s: frame on stream %u behind its RST_STREAM", end->name, frame->id);
    }
    if (message && stream->sent_end) {
        sim_fail(end->run, "%s: message on stream %u behind END_STREAM", end->name, frame->id);
    }
    if (frame->at >= stream->got_reset_at) {
        sim_fail(end->run, "%s: frame on stream %u that the peer reset", end->name, frame->id);
    }
    if (stream->sent_end && frame->at >= stream->got_end_at) {
        sim_fail(end->run, "%s: frame on stream %u that is closed", end->name, frame->id);
    }
}

static void sent_on_stream(struct endpoint *end, const struct scanned *frame)
{
    struct rules *rules = &end->rules;
    struct wire_stream *stream = stream_of(rules, frame->id);

    if (frame->id == 0) {
        sim_fail(end->run, "%s: frame of type %u on stream 0", end->name, frame->type);
    }
    if (stream == NULL) {
        return;
    }
    if (frame->type == T_HEADERS || frame->type == T_CONTINUATION) {
        stream->block_sent |= (frame->flags & F_END_HEADERS) != 0;
    }
    if (frame->type == T_CONTINUATION) {
        return;
    }
    if (!stream->known) {
        if (frame->type != T_HEADERS) {
            sim_fail(end->run, "%s: frame on idle stream %u", end->name, frame->id);
        }
        sent_opening(end, frame, frame->id);
        stream->known = true;
    }
    if (frame->type >= 10) { /* of the applications, who may say what they like of a stream */
        return;
    }
    if (frame->type == T_PRIORITY) { /* in any state */
        return;
    }
    check_closed(end, stream, frame);
    if (frame->type == T_PUSH_PROMISE) {
        sent_promise(end, frame);
    }
    stream->headers_sent |= frame->type == T_HEADERS;
    stream->sent_reset |= frame->type == T_RST_STREAM;
    if (frame->type == T_DATA) {
        if (!stream->headers_sent) {
            sim_fail(end->run, "%s: DATA before HEADERS on stream %u", end->name, frame->id);
        }
        rules->window -= frame->len;
        stream->credit -= frame->len;
        if (frame->len > 0 && (rules->window < 0 || rules->initial + stream->credit < 0)) {
            sim_fail(end->run,
                     "%s: DATA beyond a window on stream %u: connection %lld, stream %lld",
                     end->name, frame->id, (long long)rules->window,
                     (long long)(rules->initial + stream->credit));
        }
    }
    if (frame->type == T_DATA || frame->type == T_HEADERS) {
        stream->sent_end |= (frame->flags & F_END_STREAM) != 0;
    }
}

/* RFC 9113 6.1, 6.2: padding is shorter than the payload, and zeros. */
static void check_padding(struct endpoint *end, const struct scanned *frame)
{
    uint32_t padding;

    if (frame->type >= 10 || (frame->flags & F_PADDED) == 0) {
        return;
    }
    padding = frame->len > 0 ? frame->payload[0] : 0;
    if (frame->len == 0 || padding + 1 > frame->len) {
        sim_fail(end->run, "%s: padding beyond the frame", end->name);
    }
    for (uint32_t at = frame->len - padding; at < frame->len && at < SCAN_PAYLOAD; at++) {
        if (frame->payload[at] != 0) {
            sim_fail(end->run, "%s: padding that is not zero", end->name);
        }
    }
}

void rules_sent(struct endpoint *end, const struct scanned *frame)
{
    show(end, frame, true);
    check_order(end, frame);
    check_padding(end, frame);
    end->rules
        .frames_sent[frame->type < HALO_FRAME_COUNTS - 1 ? frame->type : HALO_FRAME_COUNTS - 1]++;
    if (frame->type == T_HEADERS || frame->type == T_CONTINUATION ||
        frame->type == T_PUSH_PROMISE) {
        end->rules.block_id = (frame->flags & F_END_HEADERS) != 0 ? 0 : frame->id;
    }
    switch (frame->type) {
    case T_SETTINGS:
        sent_settings(end, frame);
        break;
    case T_PING:
        sent_ping(end, frame);
        break;
    case T_GOAWAY:
        sent_goaway(end, frame);
        break;
    case T_WINDOW_UPDATE:
        if ((u32(frame->payload) & 0x7fffffff) == 0) {
            sim_fail(end->run, "%s: WINDOW_UPDATE of 0", end->name);
        }
        if (frame->id != 0) {
            sent_on_stream(end, frame);
        }
        break;
    default:
        if (frame->type < 10 || frame->id != 0) {
            sent_on_stream(end, frame);
        }
        break;
    }
}

/* ---- what an end was given ------------------------------------------------------------- */

static void got_settings(struct rules *rules, const struct scanned *frame)
{
    int64_t initial = -1;

    if ((frame->flags & F_ACK) != 0) {
        rules->acks_got++;
        return;
    }
    for (uint32_t at = 0; at + 6 <= frame->len && at + 6 <= SCAN_PAYLOAD; at += 6) {
        if (frame->payload[at] == 0 && frame->payload[at + 1] == 4) {
            initial = u32(frame->payload + at + 2);
        }
    }
    rules->initial_waiting[rules->settings_got++ % 128] = initial;
}

static void note_fresh(struct rules *rules, uint32_t id)
{
    if (rules->fresh_count < 64) {
        rules->fresh[rules->fresh_count++] = id;
    }
}

static void got_on_stream(struct rules *rules, const struct scanned *frame)
{
    struct wire_stream *stream = stream_of(rules, frame->id);

    if (stream == NULL) {
        return;
    }
    if (frame->type == T_HEADERS) {
        stream->known = true;
    }
    if (frame->type == T_PUSH_PROMISE) { /* the promised stream may be reset */
        struct wire_stream *promised = stream_of(rules, promised_id(frame));

        if (promised != NULL) {
            promised->known = true;
            promised->sent_end = true; /* the client never sends a message on it */
        }
        rules->got_block_end = false;
    }
    /* The end of a header block in several frames comes with the last of them. */
    if (frame->type == T_HEADERS) {
        rules->got_block_end = (frame->flags & F_END_STREAM) != 0;
    }
    if ((frame->type == T_DATA && (frame->flags & F_END_STREAM) != 0) ||
        ((frame->type == T_HEADERS || frame->type == T_CONTINUATION) && rules->got_block_end &&
         (frame->flags & F_END_HEADERS) != 0)) {
        stream->got_end = true;
        note_fresh(rules, frame->id);
    }
    if (frame->type == T_RST_STREAM) {
        stream->got_reset = true;
        stream->got_refused |= u32(frame->payload) == HALO_REFUSED_STREAM;
        note_fresh(rules, frame->id);
    }
    if (frame->type == T_WINDOW_UPDATE) {
        stream->credit += u32(frame->payload) & 0x7fffffff;
    }
}

/* The peer never gives more than the largest window it had. A frame of which a part is under way is
 * paid for by who receives it, and counted here when it is whole. */
static void check_window(struct endpoint *end)
{
    const struct scanner *sent = &end->sent_scanner;
    int64_t window = end->rules.window;

    if (sent->have == 9 && sent->frame.type == T_DATA) {
        window -= sent->frame.len;
    }
    if (!end->run->with_adversary && window > (int64_t)end->peer->window_most) {
        sim_fail(end->run, "%s: is given a window of %lld, of %llu", end->name, (long long)window,
                 (unsigned long long)end->peer->window_most);
    }
}

void rules_delivered(struct endpoint *end, const struct scanned *frame)
{
    struct rules *rules = &end->rules;

    show(end, frame, false);
    rules->frames_got++;
    if (frame->type == T_SETTINGS) {
        got_settings(rules, frame);
    } else if (frame->type == T_PING) {
        if ((frame->flags & F_ACK) == 0) {
            memcpy(rules->pings[rules->pings_got++ % 1024], frame->payload, 8);
        }
    } else if (frame->type == T_GOAWAY) {
        uint32_t last = u32(frame->payload) & 0x7fffffff;

        rules->goaway_got = true;
        rules->goaway_got_new = true;
        rules->goaway_got_last = last < rules->goaway_got_last ? last : rules->goaway_got_last;
    } else if (frame->type == T_WINDOW_UPDATE && frame->id == 0) {
        rules->window += u32(frame->payload) & 0x7fffffff;
        check_window(end);
    } else {
        got_on_stream(rules, frame);
    }
}

void rules_settled(struct endpoint *end)
{
    struct rules *rules = &end->rules;
    struct halo_session_info info;
    uint64_t position;

    if (rules->fresh_count == 0 && !rules->goaway_got_new) {
        return;
    }
    halo_session_get_info(end->session, &info);
    position = end->octets_sent + info.output_octets;
    for (uint32_t i = 0; i < rules->fresh_count; i++) {
        struct wire_stream *stream = stream_of(rules, rules->fresh[i]);

        if (stream->got_end && stream->got_end_at == UINT64_MAX) {
            stream->got_end_at = position;
        }
        if (stream->got_reset && stream->got_reset_at == UINT64_MAX) {
            stream->got_reset_at = position;
        }
    }
    rules->fresh_count = 0;
    if (rules->goaway_got_new && rules->goaway_got_at == UINT64_MAX) {
        rules->goaway_got_at = position;
    }
    rules->goaway_got_new = false;
}
