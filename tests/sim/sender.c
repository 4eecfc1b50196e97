/* Applications that send: requests, answers, bodies in every way there is, trailers. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

bool sender_took(struct endpoint *end, struct exchange *exchange, int status, const char *call)
{
    struct side *side = side_of(end, exchange);

    if (status == 0) {
        return true;
    }
    if (status == HALO_E_NOMEM && end->memory.failed) {
        return false;
    }
    if (status == HALO_E_INVALID_STREAM && side->stream != NULL &&
        halo_stream_is_closed(side->stream)) {
        side->sender.done = true;
        return false;
    }
    if (status == HALO_E_LIMIT && exchange->pushed && end->role == HALO_SERVER) {
        if (end->run->healthy && sim_percent(end->run, 5)) {
            sender_reset(end, exchange, HALO_CANCEL);
        }
        return false; /* the client has lowered its limit: later, or never */
    }
    sim_fail(end->run, "%s: %s of exchange %u says %s", end->name, call, exchange->number,
             halo_status_name(status));
}

void sender_reset(struct endpoint *end, struct exchange *exchange, uint32_t code)
{
    struct side *side = side_of(end, exchange);

    if (side->stream == NULL || halo_stream_is_closed(side->stream)) {
        return;
    }
    sim_trace(end->run, "%s: resets exchange %u with %u", end->name, exchange->number, code);
    side->reset_by_app = true;
    side->reset_code = code;
    side->sender.done = true;
    end->resets++;
    if (halo_stream_reset(side->stream, code) != 0) {
        sim_fail(end->run, "%s: reset of an open stream is refused", end->name);
    }
}

/* ---- memory that is lent --------------------------------------------------------------- */

struct lent {
    struct endpoint *end;
    bool called;
    uint8_t octets[];
};

/* In callbacks applications do other things, too. */
static void act_in_callback(struct endpoint *end)
{
    struct run *run = end->run;
    struct exchange *exchange;

    if (!run->calls_in_done || run->healthy || end->freed || run->exchange_count == 0 ||
        !sim_percent(run, 20)) {
        return;
    }
    exchange = &run->exchanges[sim_below(run, run->exchange_count)];
    if (sim_percent(run, 50)) {
        sender_reset(end, exchange, HALO_CANCEL);
    } else {
        run->calls_in_done = false; /* no deeper */
        sender_step(end, exchange);
        run->calls_in_done = true;
    }
}

static void lent_done(void *ctx)
{
    struct lent *lent = ctx;
    struct endpoint *end = lent->end;

    if (lent->called || end->owed == 0) {
        sim_fail(end->run, "%s: done is called twice", end->name);
    }
    lent->called = true;
    end->owed--;
    free(lent);
    act_in_callback(end);
}

static struct lent *lend(struct endpoint *end, const uint8_t *octets, size_t len)
{
    struct lent *lent = malloc(sizeof(*lent) + len);

    if (lent == NULL) {
        abort();
    }
    lent->end = end;
    lent->called = false;
    if (len > 0) {
        memcpy(lent->octets, octets, len);
    }
    end->owed++;
    return lent;
}

/* ---- sources --------------------------------------------------------------------------- */

struct body_source {
    struct endpoint *end;
    struct exchange *exchange;
    bool called;
};

static int source_read(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end_of_body)
{
    struct body_source *source = ctx;
    struct run *run = source->end->run;
    struct side *side = side_of(source->end, source->exchange);
    struct sender *sender = &side->sender;
    uint64_t left = sender->total - sender->sent;
    size_t part = cap < left ? cap : (size_t)left;

    if (cap == 0) {
        sim_fail(run, "%s: a source is given no room", source->end->name);
    }
    if (!run->healthy && sim_percent(run, 30)) {
        sender->source_idle = true;
        return HALO_E_AGAIN;
    }
    if (!run->healthy && sim_below(run, 200) == 0) {
        side->reset_by_app = true;
        side->reset_code = HALO_INTERNAL_ERROR;
        return HALO_E_FILE;
    }
    if (part > 1 && sim_percent(run, 30)) {
        part = 1 + sim_below(run, (uint32_t)part);
    }
    if (part > 0) {
        memcpy(out, plan_body(source->exchange, source->end->role == HALO_CLIENT, sender->sent),
               part);
    }
    sender->sent += part;
    *len = part;
    /* The end comes with the last octets or behind them. */
    *end_of_body = sender->sent == sender->total && (part == 0 || sim_percent(run, 60));
    if (*end_of_body == 0 && part == 0) {
        sim_fail(run, "source: no octets and no end");
    }
    return 0;
}

static void source_done(void *ctx)
{
    struct body_source *source = ctx;
    struct endpoint *end = source->end;
    struct sender *sender = &side_of(end, source->exchange)->sender;

    if (!sender->source_live || end->owed == 0) {
        sim_fail(end->run, "%s: done of a source is called twice", end->name);
    }
    sender->source_live = false;
    if (!sender->wait) {
        sender->done = true;
    }
    end->owed--;
    free(source);
    act_in_callback(end);
}

static void start_source(struct endpoint *end, struct exchange *exchange)
{
    struct side *side = side_of(end, exchange);
    struct sender *sender = &side->sender;
    struct body_source *source = malloc(sizeof(*source));
    bool waited = sender->wait;
    unsigned flags = 0;
    int status;

    if (source == NULL) {
        abort();
    }
    *source = (struct body_source){ .end = end, .exchange = exchange };
    if (sender->trailers || waited) {
        flags = HALO_WAIT_FOR_TRAILERS;
        sender->wait = true;
    }
    sender->source_live = true;
    sender->source_idle = false;
    end->owed++;
    status = halo_stream_set_source(
        side->stream, &(struct halo_source){ source_read, source_done, source }, flags);
    if (!sender_took(end, exchange, status, "set_source")) {
        sender->source_live = false;
        sender->wait = waited;
        end->owed--;
        free(source);
        return;
    }
    sender->end_called = true;
}

/* ---- bodies ---------------------------------------------------------------------------- */

static int write_part(struct endpoint *end, struct exchange *exchange, enum way way, size_t len,
                      unsigned flags)
{
    struct side *side = side_of(end, exchange);
    const uint8_t *octets = plan_body(exchange, end->role == HALO_CLIENT, side->sender.sent);
    struct lent *lent;
    halo_slice slice;
    int status;

    switch (way) {
    case WAY_BORROW:
        lent = lend(end, octets, len);
        status = halo_stream_write_borrow(side->stream, lent->octets, len, flags, lent_done, lent);
        if (status != 0) {
            end->owed--;
            free(lent);
        }
        return status;
    case WAY_SLICE:
        lent = lend(end, octets, len);
        if (halo_slice_wrap(&slice, lent->octets, len, lent_done, lent) != 0) {
            abort();
        }
        return halo_stream_write_slice(side->stream, &slice, flags);
    default:
        return halo_stream_write(side->stream, octets, len, flags);
    }
}

static void write_some(struct endpoint *end, struct exchange *exchange)
{
    struct run *run = end->run;
    struct side *side = side_of(end, exchange);
    struct sender *sender = &side->sender;
    uint64_t left = sender->total - sender->sent;
    enum way way = sender->way == WAY_MIXED ? sim_below(run, WAY_SOURCE + 1) : sender->way;
    size_t len = (size_t)left;
    unsigned flags = 0;

    if (way == WAY_SOURCE) {
        start_source(end, exchange);
        return;
    }
    if (!run->healthy && sim_percent(run, 50)) {
        len = sim_percent(run, 50) ? 1 + sim_below(run, (uint32_t)left)
                                   : 1 + sim_below(run, left < 3000 ? (uint32_t)left : 3000);
    }
    if (len == left && (!sender->trailers || sender->wait) && sim_percent(run, 50)) {
        flags = sender->wait ? HALO_END_STREAM | HALO_WAIT_FOR_TRAILERS : HALO_END_STREAM;
        if (sender->wait && sim_percent(run, 50)) {
            flags = HALO_END_STREAM;
        }
    }
    sender->busy = true;
    if (sender_took(end, exchange, write_part(end, exchange, way, len, flags), "write")) {
        sender->sent += len;
        sender->end_called |= flags != 0;
        sender->done |= flags != 0 && !sender->wait;
    }
    sender->busy = false;
}

static void send_trailers(struct endpoint *end, struct exchange *exchange)
{
    struct side *side = side_of(end, exchange);
    bool up = end->role == HALO_CLIENT;
    halo_headers headers;
    int status;

    plan_fields(exchange, up ? PART_UP_TRAILERS : PART_DOWN_TRAILERS, true, &end->run->list);
    headers = (halo_headers){ .fields = end->run->list.fields, .count = end->run->list.count };
    status = halo_stream_trailers(side->stream, &headers);
    if (status == HALO_E_WRONG_STATE && end->run->with_adversary) {
        sender_reset(end, exchange, HALO_CANCEL); /* its CONNECT made a tunnel */
    } else if (sender_took(end, exchange, status, "trailers")) {
        side->sender.done = true;
    }
}

static void finish(struct endpoint *end, struct exchange *exchange)
{
    struct side *side = side_of(end, exchange);
    struct sender *sender = &side->sender;

    if (sender->wait && !sender->asked) {
        if (!sender->end_called &&
            sender_took(end, exchange, halo_stream_end(side->stream), "end to be asked")) {
            sender->end_called = true;
        }
        return; /* HALO_EVENT_WANT_TRAILERS is awaited */
    }
    if (sender->trailers) {
        send_trailers(end, exchange);
    } else if (sender_took(end, exchange, halo_stream_end(side->stream), "end")) {
        sender->done = true;
    }
}

void sender_step(struct endpoint *end, struct exchange *exchange)
{
    struct side *side = side_of(end, exchange);
    struct sender *sender = &side->sender;

    if (side->stream == NULL || !sender->begun || sender->done || sender->busy) {
        return;
    }
    if (halo_stream_is_closed(side->stream)) {
        sender->done = true;
        return;
    }
    if (sender->source_live) {
        if (sender->source_idle) {
            sender->source_idle = false;
            halo_stream_resume_source(side->stream);
        }
        return;
    }
    if (sender->sent < sender->total) {
        write_some(end, exchange);
    } else {
        finish(end, exchange);
    }
}

/* ---- header blocks --------------------------------------------------------------------- */

static void begin(struct run *run, struct sender *sender, uint64_t total, bool trailers)
{
    sender->total = total;
    sender->trailers = trailers;
    sender->way = (uint8_t)sim_below(run, WAYS);
    sender->begun = true;
}

void sender_request(struct endpoint *end)
{
    struct run *run = end->run;
    struct exchange *exchange = &run->exchanges[run->exchange_count];
    struct side *side = &exchange->client;
    struct halo_request request = { .authority = HALO_LIT("sim.example") };
    halo_bytes head = HALO_LIT("HEAD");
    halo_bytes post = HALO_LIT("POST");
    bool whole;
    unsigned flags = 0;
    int status;

    if (run->exchange_count == EXCHANGES_MAX || end->freed || end->session == NULL) {
        return;
    }
    memset(exchange, 0, sizeof(*exchange));
    exchange->number = run->exchange_count;
    plan_exchange(run, exchange);
    whole = exchange->up_len == 0 && !exchange->up_trailers;
    if (exchange->head) {
        request.method = head;
    } else if (!whole || sim_percent(run, 20)) {
        request.method = post;
    }
    if (whole && sim_percent(run, 70)) {
        flags = HALO_END_STREAM;
    } else if (sim_percent(run, 30)) {
        flags = HALO_WAIT_FOR_TRAILERS;
    }
    if (exchange->repeated) {
        flags = HALO_END_STREAM;
        request.method = (halo_bytes){ 0 };
    }
    request.priority = extras_priority(run, exchange);
    plan_fields(exchange, PART_REQUEST, true, &run->list);
    request.headers =
        (halo_headers){ .fields = run->list.fields, .count = run->list.count, .set = run->set };
    begin(run, &side->sender, exchange->up_len, exchange->up_trailers);
    side->sender.wait = flags == HALO_WAIT_FOR_TRAILERS;
    side->sender.done = flags == HALO_END_STREAM;
    status = halo_session_request(end->session, &request, flags, exchange, &side->stream);
    if (status != 0) {
        bool closed = halo_session_is_closed(end->session) != 0;

        side->stream = NULL;
        if ((status == HALO_E_NOMEM && end->memory.failed) || status == HALO_E_LIMIT ||
            (status == HALO_E_INVALID_SESSION && closed) ||
            (status == HALO_E_GOAWAY_SESSION && (closed || end->rules.goaway_got))) {
            return;
        }
        sim_fail(run, "request says %s", halo_status_name(status));
    }
    side->opened = true;
    side->waited = halo_stream_id(side->stream) == 0;
    run->exchange_count++;
    sim_trace(run, "%s: exchange %u is stream %u, up %llu down %llu", end->name, exchange->number,
              halo_stream_id(side->stream), (unsigned long long)exchange->up_len,
              (unsigned long long)exchange->down_len);
    if (sim_percent(run, 40)) {
        sender_step(end, exchange);
    }
}

void sender_push(struct endpoint *end, struct exchange *parent)
{
    struct run *run = end->run;
    struct exchange *exchange = &run->exchanges[run->exchange_count];
    struct side *side = &exchange->server;
    struct halo_request request = { 0 };
    halo_bytes head = HALO_LIT("HEAD");
    halo_bytes authority = HALO_LIT("sim.example");
    halo_stream *pushed = NULL;
    int status;

    if (run->exchange_count >= EXCHANGES_MAX - 1 || parent->server.stream == NULL) {
        return;
    }
    memset(exchange, 0, sizeof(*exchange));
    exchange->number = run->exchange_count;
    plan_exchange(run, exchange);
    exchange->pushed = true;
    exchange->priorities[0] = (struct halo_priority){ .urgency = HALO_URGENCY_DEFAULT };
    exchange->priority_count = 1;
    exchange->repeated = false;
    exchange->up_len = 0;
    exchange->up_length = exchange->up_trailers = false;
    request.method = exchange->head ? head : request.method;
    request.authority = sim_percent(run, 50) ? authority : request.authority;
    plan_fields(exchange, PART_REQUEST, true, &run->list);
    request.headers =
        (halo_headers){ .fields = run->list.fields, .count = run->list.count, .set = run->set };
    status = halo_stream_push(parent->server.stream, &request, exchange, &pushed);
    if (status != 0) {
        bool expected = status == HALO_E_PUSH_DISABLED || status == HALO_E_INVALID_STREAM ||
                        status == HALO_E_GOAWAY_SESSION || status == HALO_E_INVALID_SESSION ||
                        status == HALO_E_LIMIT ||
                        (status == HALO_E_NESTED_PUSH && parent->pushed) ||
                        (status == HALO_E_NOMEM && end->memory.failed);

        if (!expected) {
            sim_fail(run, "push says %s", halo_status_name(status));
        }
        return;
    }
    if (parent->pushed) {
        sim_fail(run, "a promise within a promise");
    }
    run->exchange_count++;
    side->stream = pushed;
    side->opened = true;
    side->ended = true;
    side->answer_later = true;
    sim_trace(run, "server: exchange %u is pushed as stream %u on %u", exchange->number,
              halo_stream_id(pushed), halo_stream_id(parent->server.stream));
    if (sim_percent(run, 40)) {
        sender_answer(end, exchange);
    }
}

void sender_answer(struct endpoint *end, struct exchange *exchange)
{
    struct run *run = end->run;
    struct side *side = &exchange->server;
    struct sender *sender = &side->sender;
    halo_headers headers = { 0 };
    bool empty = !plan_has_body(exchange);
    bool whole = exchange->down_len == 0 && !exchange->down_trailers;
    unsigned flags = 0;

    if (side->stream == NULL || sender->begun) {
        return;
    }
    while (exchange->informations > side->informations) {
        plan_fields(exchange, PART_INFORMATION, true, &run->list);
        headers = (halo_headers){ .fields = run->list.fields, .count = run->list.count };
        if (!sender_took(end, exchange, halo_stream_inform(side->stream, 103, &headers),
                         "inform")) {
            return;
        }
        side->informations++;
    }
    plan_fields(exchange, PART_RESPONSE, true, &run->list);
    headers =
        (halo_headers){ .fields = run->list.fields, .count = run->list.count, .set = run->set };
    if (!empty && whole && sim_percent(run, 50)) {
        flags = HALO_END_STREAM;
    } else if (sim_percent(run, 30)) {
        flags = HALO_WAIT_FOR_TRAILERS;
    }
    if (!sender_took(end, exchange,
                     halo_stream_respond(side->stream, exchange->status, &headers, flags),
                     "respond")) {
        return;
    }
    side->answer_later = false;
    begin(run, sender, exchange->down_len, exchange->down_trailers);
    sender->wait = !empty && flags == HALO_WAIT_FOR_TRAILERS;
    if (exchange->head) { /* goes nowhere */
        int status = halo_stream_write(side->stream, "x", 1, 0);

        if (status != 0) {
            sim_fail(run, "write behind HEAD says %s", halo_status_name(status));
        }
    }
    if (empty || flags == HALO_END_STREAM) {
        sender->done = true;
    } else if (sim_percent(run, 60)) {
        sender_step(end, exchange);
    }
}
