/*
 * Octets between the two ends. What a session is given lies in memory of exactly that size, and is
 * gone when it was polled; what it has to send is pulled in pieces of every size.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

void pipe_add(struct pipe *pipe, const void *octets, size_t len)
{
    if (pipe->at == pipe->len) {
        pipe->at = 0;
        pipe->len = 0;
    }
    if (pipe->len + len > pipe->cap) {
        pipe->cap = (pipe->len + len) * 2 + 4096;
        pipe->octets = realloc(pipe->octets, pipe->cap);
        if (pipe->octets == NULL) {
            abort();
        }
    }
    if (len > 0) {
        memcpy(pipe->octets + pipe->len, octets, len);
    }
    pipe->len += len;
}

/* ---- events ---------------------------------------------------------------------------- */

void link_poll(struct endpoint *end)
{
    struct halo_event event;
    uint32_t polls = 0;

    while (!end->freed && halo_session_poll(end->session, &event) != 0) {
        end->handling = true;
        app_event(end, &event);
        end->handling = false;
        if (++polls > 20000) {
            sim_fail(end->run, "%s: polling has no end", end->name);
        }
    }
    if (!end->freed && polls > 0 && halo_session_poll(end->session, &event) != 0) {
        sim_fail(end->run, "%s: an event after there was none", end->name);
    }
}

/* ---- out ------------------------------------------------------------------------------- */

static size_t pull_limit(struct run *run)
{
    switch (sim_below(run, run->small_pieces ? 4 : 7)) {
    case 0:
        return 1 + sim_below(run, 20);
    case 1:
        return 1 + sim_below(run, 2000);
    case 2:
        return 16384;
    default:
        return 1 + sim_below(run, 100000);
    }
}

/* Pulls once. Returns how much was sent. */
static size_t pull_once(struct endpoint *end)
{
    struct run *run = end->run;
    struct iovec iov[16];
    int max = sim_percent(run, 25) ? 1 : 1 + (int)sim_below(run, 16);
    size_t limit = run->healthy ? 1u << 18 : pull_limit(run);
    bool wanted = halo_session_wants_send(end->session) != 0;
    int count = (sums_before_pull(end), halo_session_pull(end->session, iov, max, limit));
    size_t total = 0;
    size_t sent;

    sums_after_pull(end);
    if (count < 0 || count > max) {
        sim_fail(run, "%s: pull returned %d of %d", end->name, count, max);
    }
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len == 0) {
            sim_fail(run, "%s: an empty piece was pulled", end->name);
        }
        total += iov[i].iov_len;
    }
    if (total > limit || (total > 0 && !wanted)) {
        sim_fail(run, "%s: pulled %zu octets, limit %zu, wanted %d", end->name, total, limit,
                 wanted);
    }
    sent = total > 0 && !run->healthy && sim_percent(run, 30) ? sim_below(run, (uint32_t)total + 1)
                                                              : total;
    if (sent < total && sim_percent(run, 50)) { /* the same octets again */
        count = halo_session_pull(end->session, iov, max, limit);
    }
    for (size_t left = sent, i = 0; left > 0; i++) {
        size_t part = left < iov[i].iov_len ? left : iov[i].iov_len;

        scan(&end->sent_scanner, iov[i].iov_base, part, rules_sent, end);
        if (!end->ended && !end->out.finished) {
            pipe_add(&end->out, iov[i].iov_base, part);
        }
        left -= part;
    }
    end->octets_sent += sent;
    end->activity_ns = end->session_now_ns;
    end->silence_told = false;
    end->handling = true;
    halo_session_sent(end->session, sent);
    end->handling = false;
    return sent;
}

void link_pull(struct endpoint *end)
{
    struct run *run = end->run;
    size_t room = 200000;

    if (end->freed || (!run->healthy && end->out.len - end->out.at > room)) {
        return;
    }
    /* Drivers pull when there is something, and now and then anyhow. */
    if (halo_session_wants_send(end->session) || (!run->healthy && sim_percent(run, 20))) {
        uint32_t turns = run->healthy ? 64 : 1 + sim_below(run, 3);

        while (turns-- > 0 && pull_once(end) > 0 && halo_session_wants_send(end->session)) {
        }
        link_poll(end);
    }
    if (end->over && !end->freed && !halo_session_wants_send(end->session)) {
        end->out.finished = true;
    }
}

/* ---- in -------------------------------------------------------------------------------- */

static size_t piece_len(struct run *run, size_t at_hand)
{
    uint32_t len;

    if (run->healthy) {
        return at_hand;
    }
    switch (sim_below(run, run->small_pieces ? 3 : 8)) {
    case 0:
        len = 1;
        break;
    case 1:
        len = 1 + sim_below(run, 12);
        break;
    case 2:
        len = 1 + sim_below(run, 300);
        break;
    case 3:
        len = 1 + sim_below(run, 20000);
        break;
    default:
        len = UINT32_MAX;
        break;
    }
    return len < at_hand ? len : at_hand;
}

static void free_input(void *ctx)
{
    free(ctx);
}

static void give(struct endpoint *end, const uint8_t *octets, size_t len)
{
    struct run *run = end->run;
    uint8_t *input = malloc(len);
    halo_slice slice;
    int status;

    if (input == NULL) {
        abort();
    }
    memcpy(input, octets, len);
    scan(&end->got_scanner, input, len, rules_delivered, end);
    end->session_now_ns = run->now_ns;
    end->activity_ns = run->now_ns;
    end->silence_told = false;
    if (sim_percent(run, 50) && halo_slice_wrap(&slice, input, len, free_input, input) == 0) {
        status = halo_session_recv_slice(end->session, &slice, run->now_ns);
        input = NULL;
    } else {
        status = halo_session_recv(end->session, input, len, run->now_ns);
    }
    if (status != 0) {
        sim_fail(run, "%s: recv says %s", end->name, halo_status_name(status));
    }
    link_poll(end);
    free(input);
    if (!end->freed) {
        rules_settled(end);
        sums_check(end);
    }
}

void link_deliver(struct endpoint *end)
{
    struct run *run = end->run;
    struct pipe *in = &end->peer->out;

    if (end->freed || end->ended) {
        in->at = in->len;
        return;
    }
    if (in->stalled > 0 && !run->healthy) {
        in->stalled--;
        return;
    }
    for (uint32_t pieces = run->healthy ? 1 : 1 + sim_below(run, 12);
         pieces > 0 && in->at < in->len && !end->freed && !end->ended &&
         halo_session_wants_recv(end->session);
         pieces--) {
        size_t len = piece_len(run, in->len - in->at);

        in->at += len;
        give(end, in->octets + in->at - len, len);
    }
    if (in->finished && in->at == in->len && !end->freed && !end->ended) {
        end->ended = true;
        halo_session_recv_end(end->session, NULL);
        link_poll(end);
    }
    if (!run->healthy && sim_percent(run, 4)) {
        in->stalled = 1 + sim_below(run, 30);
    }
}

/* ---- time and ends --------------------------------------------------------------------- */

void link_tick(struct endpoint *end)
{
    uint64_t next;

    if (end->freed) {
        return;
    }
    next = halo_session_next_timeout(end->session);
    for (uint32_t turns = 0; next <= end->run->now_ns; turns++) {
        end->session_now_ns = end->run->now_ns;
        halo_session_tick(end->session, end->run->now_ns);
        link_poll(end);
        next = halo_session_next_timeout(end->session);
        if (turns > 8) {
            sim_fail(end->run, "%s: a deadline that tick does not move", end->name);
        }
    }
}

void link_break(struct run *run)
{
    struct endpoint *ends[] = { &run->client, &run->server };
    const struct halo_error error = {
        .status = HALO_E_IO,
        .origin = HALO_ORIGIN_SYSTEM,
        .system_errno = 104,
        .reason = "the connection broke",
    };

    run->broken = true;
    for (size_t i = 0; i < 2; i++) {
        struct endpoint *end = ends[i];
        struct pipe *out = &end->out;

        /* Some of what is under way still comes. */
        out->len = out->at + sim_below(run, (uint32_t)(out->len - out->at) + 1);
        out->finished = true;
        if (sim_percent(run, 50) && !end->freed && !end->ended && end->session != NULL) {
            end->ended = true;
            halo_session_recv_end(end->session, sim_percent(run, 50) ? &error : NULL);
            link_poll(end);
        }
    }
}

void link_note_numbers(struct endpoint *end)
{
    struct run *run = end->run;

    for (uint32_t i = 0; i < run->exchange_count && end->role == HALO_CLIENT; i++) {
        struct exchange *exchange = &run->exchanges[i];

        if (exchange->client.stream != NULL && halo_stream_id(exchange->client.stream) != 0) {
            exchange->stream_id = halo_stream_id(exchange->client.stream);
        }
    }
}

void link_free_session(struct endpoint *end)
{
    link_note_numbers(end);
    end->freed = true;
    end->out.finished = true;
    end->handling = true;
    halo_session_free(end->session);
    end->handling = false;
    end->session = NULL;
}
