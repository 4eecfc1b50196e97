/*
 * Sums that must come out: whose turn it was to send, what a session holds against its bound, what
 * it counted against what the link saw, and who was told of what will not be answered.
 */
#include <string.h>

#include "sim.h"

enum {
    FRAME_MOST = 16384,
    WORTH = 1024, /* with less window DATA may be held back */
};

/* ---- turns ----------------------------------------------------------------------------- */

/* Octets to send, and window for them. */
static bool wants_turn(const struct side *side, const struct halo_stream_info *info)
{
    return info->remote_window >= WORTH && halo_stream_buffered(side->stream) > 0 &&
           side->sender.begun && !info->local_closed && halo_stream_id(side->stream) != 0;
}

void sums_before_pull(struct endpoint *end)
{
    struct run *run = end->run;

    for (uint32_t i = 0; i < run->exchange_count; i++) {
        struct side *side = side_of(end, &run->exchanges[i]);
        struct halo_stream_info info;

        side->wanted_turn = false;
        if (side->stream == NULL) {
            continue;
        }
        halo_stream_get_info(side->stream, &info);
        side->sent_before = info.octets_sent;
        if (halo_stream_is_closed(side->stream)) {
            continue;
        }
        side->wanted_turn = wants_turn(side, &info);
        if (info.urgency != side->urgency_before ||
            (info.incremental != 0) != side->incremental_before || !side->wanted_turn) {
            side->passed_octets = 0;
            side->rivals = 0;
        }
        side->urgency_before = info.urgency;
        side->incremental_before = info.incremental != 0;
    }
}

struct turns {
    uint64_t octets[8];
    uint32_t wanting[8];
    uint32_t first_of_line[8]; /* smallest number of those that go one after the other */
    uint32_t lowest;           /* the highest urgency number that was served */
};

static struct turns count_turns(struct endpoint *end)
{
    struct run *run = end->run;
    struct turns turns = { 0 };

    memset(turns.first_of_line, 0xff, sizeof(turns.first_of_line));
    for (uint32_t i = 0; i < run->exchange_count; i++) {
        struct side *side = side_of(end, &run->exchanges[i]);
        struct halo_stream_info info;
        uint32_t urgency = side->urgency_before;
        bool served;

        if (side->stream == NULL) {
            continue;
        }
        halo_stream_get_info(side->stream, &info);
        served = info.octets_sent > side->sent_before;
        if (served && !side->incremental_before &&
            halo_stream_id(side->stream) < turns.first_of_line[urgency]) {
            turns.first_of_line[urgency] = halo_stream_id(side->stream);
        }
        if (served) {
            turns.octets[urgency] += info.octets_sent - side->sent_before;
            turns.lowest = urgency > turns.lowest ? urgency : turns.lowest;
            side->passed_octets = 0;
            side->rivals = 0;
            side->wanted_turn = false;
        }
        if (halo_stream_is_closed(side->stream) || !wants_turn(side, &info)) {
            side->wanted_turn = false;
        }
        turns.wanting[urgency]++;
        if (side->wanted_turn && !side->incremental_before &&
            halo_stream_id(side->stream) < turns.first_of_line[urgency]) {
            turns.first_of_line[urgency] = halo_stream_id(side->stream);
        }
    }
    return turns;
}

void sums_after_pull(struct endpoint *end)
{
    struct run *run = end->run;
    struct turns turns;

    if (run->calls_in_done || halo_session_is_destroyed(end->session)) {
        return; /* callbacks have changed what is to be sent */
    }
    turns = count_turns(end);
    for (uint32_t i = 0; i < run->exchange_count; i++) {
        struct side *side = side_of(end, &run->exchanges[i]);
        uint32_t urgency = side->urgency_before;

        if (!side->wanted_turn) {
            continue;
        }
        if (turns.lowest > urgency) {
            sim_fail(run, "%s: stream %u of urgency %u waits, and urgency %u is served", end->name,
                     halo_stream_id(side->stream), urgency, turns.lowest);
        }
        side->passed_octets += turns.octets[urgency];
        side->rivals =
            turns.wanting[urgency] > side->rivals ? turns.wanting[urgency] : side->rivals;
        if (!side->incremental_before &&
            halo_stream_id(side->stream) > turns.first_of_line[urgency]) {
            side->passed_octets = 0; /* one after the other */
        }
        if (side->passed_octets > (2 * (uint64_t)side->rivals + 2) * FRAME_MOST) {
            sim_fail(run, "%s: stream %u of urgency %u is passed over: %llu octets of %u others",
                     end->name, halo_stream_id(side->stream), urgency,
                     (unsigned long long)side->passed_octets, side->rivals);
        }
    }
}

/* ---- counting -------------------------------------------------------------------------- */

static void check_counts(struct endpoint *end, const struct halo_session_info *info)
{
    struct run *run = end->run;
    struct halo_session_stats stats;

    halo_session_get_stats(end->session, &stats);
    if (stats.bytes_written != end->octets_sent || stats.bytes_read != end->got_scanner.position) {
        sim_fail(run, "%s: counts %llu octets out, %llu in, not %llu, %llu", end->name,
                 (unsigned long long)stats.bytes_written, (unsigned long long)stats.bytes_read,
                 (unsigned long long)end->octets_sent,
                 (unsigned long long)end->got_scanner.position);
    }
    if (end->got_scanner.have == 0 && stats.frames_received != end->rules.frames_got) {
        sim_fail(run, "%s: counts %llu frames in, not %llu", end->name,
                 (unsigned long long)stats.frames_received,
                 (unsigned long long)end->rules.frames_got);
    }
    if (info->output_octets > 0) {
        return;
    }
    for (size_t i = 0; i < HALO_FRAME_COUNTS; i++) {
        if (stats.frames_sent_by_type[i] != end->rules.frames_sent[i]) {
            sim_fail(run, "%s: counts %llu frames of type %zu out, not %llu", end->name,
                     (unsigned long long)stats.frames_sent_by_type[i], i,
                     (unsigned long long)end->rules.frames_sent[i]);
        }
    }
}

/* ---- memory ---------------------------------------------------------------------------- */

static void check_memory(struct endpoint *end, const struct halo_session_info *info)
{
    /* Streams of a client, and what a server pushes, are the applications' own. */
    uint64_t own = (uint64_t)EXCHANGES_MAX * 4096;

    if (end->manual_credit) {
        return;
    }
    if (info->body_octets_held > end->window_most) {
        sim_fail(end->run, "%s: holds %llu octets of bodies, with windows of %llu", end->name,
                 (unsigned long long)info->body_octets_held, (unsigned long long)end->window_most);
    }
    if (info->memory > end->bound + end->window_most + own) {
        sim_fail(end->run, "%s: holds %llu octets, with a bound of %llu", end->name,
                 (unsigned long long)info->memory, (unsigned long long)end->bound);
    }
}

void sums_check(struct endpoint *end)
{
    struct halo_session_info info;

    if (end->freed || end->session == NULL || halo_session_is_destroyed(end->session)) {
        return;
    }
    halo_session_get_info(end->session, &info);
    check_counts(end, &info);
    check_memory(end, &info);
}

/* ---- ends ------------------------------------------------------------------------------ */

void sums_check_end(struct endpoint *end)
{
    uint32_t settings = end->settings_acks + end->settings_cancels;

    if (end->run->memory_fails) {
        return;
    }
    if (end->ping_acks + end->ping_cancels != end->ping_calls) {
        sim_fail(end->run, "%s: %u PINGs, %u answers, %u cancels", end->name, end->ping_calls,
                 end->ping_acks, end->ping_cancels);
    }
    /* Nobody asked for the first, so nobody is told that it is not answered. */
    if (settings + (end->settings_acks == 0) != end->settings_calls) {
        sim_fail(end->run, "%s: %u SETTINGS, %u ACKs, %u cancels", end->name, end->settings_calls,
                 end->settings_acks, end->settings_cancels);
    }
}

void sums_check_sent_headers(struct endpoint *end, const struct halo_event *event,
                             const struct exchange *exchange)
{
    struct run *run = end->run;
    const struct side *side = end->role == HALO_CLIENT ? &exchange->client : &exchange->server;
    enum part part = end->role == HALO_CLIENT ? PART_REQUEST : PART_RESPONSE;
    halo_header_list list = halo_stream_sent_headers(event->stream);
    size_t set_count = 0;
    size_t at = 0;

    if (run->set != NULL) {
        (void)halo_header_set_fields(run->set, &set_count);
    }
    if (!end->keep_sent) {
        if (list.count > 0) {
            sim_fail(run, "%s: sent headers are kept unasked", end->name);
        }
        return;
    }
    if (!side->sender.begun || run->memory_fails || run->with_adversary || event->stream_id == 0) {
        return;
    }
    while (at < list.count && list.fields[at].name.data[0] == ':') {
        at++;
    }
    at += set_count + (part == PART_REQUEST && exchange->priority_field);
    plan_fields(exchange, part, false, &run->expected);
    if (list.count != at + run->expected.count) {
        sim_fail(run, "%s: %zu sent fields of exchange %u are kept, not %zu", end->name, list.count,
                 exchange->number, at + run->expected.count);
    }
    for (size_t i = 0; i < run->expected.count; i++) {
        if (halo_bytes_equal(list.fields[at + i].name, run->expected.fields[i].name) == 0 ||
            halo_bytes_equal(list.fields[at + i].value, run->expected.fields[i].value) == 0) {
            sim_fail(run, "%s: a kept field of exchange %u is wrong", end->name, exchange->number);
        }
    }
}
