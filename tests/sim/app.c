/*
 * Applications that receive: every event is held against the model, and acted upon.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static bool is_alike(const halo_header *got, const halo_header *wanted)
{
    return halo_bytes_equal(got->name, wanted->name) &&
           halo_bytes_equal(got->value, wanted->value) &&
           (got->flags & HALO_HEADER_NEVER_INDEX) == (wanted->flags & HALO_HEADER_NEVER_INDEX);
}

/* The fields behind `skip` pseudo-header fields: those of the set (when one was sent), then the
 * plan's. */
static void check_fields(struct endpoint *end, const struct halo_event *event,
                         const struct exchange *exchange, enum part part)
{
    struct run *run = end->run;
    struct field_list *expected = &run->expected;
    const halo_header *got = event->u.headers.fields;
    size_t left = event->u.headers.count;
    const halo_header *set = NULL;
    size_t set_count = 0;

    while (left > 0 && got->name.len > 0 && got->name.data[0] == ':') {
        got++;
        left--;
    }
    if (part == PART_REQUEST && exchange->priority_field) {
        extras_check_priority(end, event, exchange);
        got++;
        left--;
    }
    if (run->set != NULL && (part == PART_REQUEST || part == PART_RESPONSE)) {
        set = halo_header_set_fields(run->set, &set_count);
    }
    plan_fields(exchange, part, false, expected);
    if (left != set_count + expected->count) {
        sim_fail(run, "%s: exchange %u part %d has %zu fields, not %zu", end->name,
                 exchange->number, (int)part, left, set_count + expected->count);
    }
    for (size_t i = 0; i < left; i++) {
        const halo_header *wanted = i < set_count ? &set[i] : &expected->fields[i - set_count];

        if (!is_alike(&got[i], wanted)) {
            sim_fail(run, "%s: exchange %u part %d field %zu is wrong", end->name, exchange->number,
                     (int)part, i);
        }
    }
}

static void see_end(struct endpoint *end, struct exchange *exchange, bool trailers)
{
    struct side *side = side_of(end, exchange);
    bool client = end->role == HALO_CLIENT;
    uint64_t len = client ? (plan_has_body(exchange) ? exchange->down_len : 0) : exchange->up_len;
    bool with_trailers =
        client ? plan_has_body(exchange) && exchange->down_trailers : exchange->up_trailers;

    if (side->ended) {
        sim_fail(end->run, "%s: exchange %u ends twice", end->name, exchange->number);
    }
    side->ended = true;
    if (end->run->with_adversary) {
        return;
    }
    if (side->received != len || trailers != with_trailers) {
        sim_fail(end->run, "%s: exchange %u ended after %llu of %llu octets, trailers %d of %d",
                 end->name, exchange->number, (unsigned long long)side->received,
                 (unsigned long long)len, trailers, with_trailers);
    }
}

/* ---- bodies ---------------------------------------------------------------------------- */

static uint64_t sum_of(const uint8_t *octets, size_t len)
{
    uint64_t sum = len;

    for (size_t i = 0; i < len; i += 1 + len / 16) {
        sum = sum * 31 + octets[i];
    }
    return sum;
}

void app_release(struct endpoint *end, uint32_t index)
{
    struct kept *kept = &end->kept[index];

    if (sum_of(kept->slice.data, kept->slice.len) != kept->sum) {
        sim_fail(end->run, "%s: octets that were kept have changed", end->name);
    }
    halo_slice_release(&kept->slice);
    *kept = end->kept[--end->kept_count];
}

static void keep(struct endpoint *end)
{
    struct kept *kept = &end->kept[end->kept_count];
    int status = halo_session_keep_data(end->session, &kept->slice);

    if (status == 0) {
        end->kept_count++;
        kept->sum = sum_of(kept->slice.data, kept->slice.len);
        if (halo_session_keep_data(end->session, &(halo_slice){ 0 }) != HALO_E_WRONG_STATE) {
            sim_fail(end->run, "%s: octets are kept twice", end->name);
        }
    } else if (status != HALO_E_NOMEM || !end->memory.failed) {
        sim_fail(end->run, "%s: keep_data says %s", end->name, halo_status_name(status));
    }
}

static void on_data(struct endpoint *end, const struct halo_event *event, struct exchange *exchange)
{
    struct run *run = end->run;
    struct side *side = side_of(end, exchange);
    size_t len = event->u.data.len;

    if (side->ended || (end->role == HALO_CLIENT && !side->headers_seen)) {
        sim_fail(run, "%s: DATA of exchange %u in the wrong place", end->name, exchange->number);
    }
    if (side->paused) {
        sim_fail(run, "%s: DATA of exchange %u, which is paused", end->name, exchange->number);
    }
    if (!run->with_adversary && len > 0 &&
        memcmp(event->u.data.data, plan_body(exchange, end->role == HALO_SERVER, side->received),
               len) != 0) {
        sim_fail(run, "%s: body of exchange %u is wrong after %llu octets", end->name,
                 exchange->number, (unsigned long long)side->received);
    }
    side->received += len;
    if ((event->flags & HALO_END_STREAM) != 0) {
        see_end(end, exchange, false);
    }
    if (end->manual_credit) {
        side->unconsumed += len;
        if (len > 0 && sim_percent(run, 60)) {
            size_t part = 1 + sim_below(run, (uint32_t)len);

            if (halo_stream_consume(event->stream, part) != 0) {
                sim_fail(run, "%s: consume of %zu of %zu fails", end->name, part, len);
            }
            side->unconsumed -= part;
        }
    }
    if (len > 0 && end->kept_count < KEPT_MAX && !run->healthy && sim_percent(run, 15)) {
        keep(end);
    }
}

/* ---- ends ------------------------------------------------------------------------------ */

/* What was told of a request that failed, against what is known of it. */
static void check_processed(struct endpoint *end, const struct exchange *exchange, uint32_t id,
                            const struct halo_error *error)
{
    struct run *run = end->run;
    const struct rules *rules = &end->rules;

    if (error->reason == NULL) {
        sim_fail(run, "%s: an error without a reason", end->name);
    }
    if (exchange->pushed) {
        if (error->processed != HALO_PROCESSED_UNKNOWN) {
            sim_fail(run, "client: says whether a promised request was processed");
        }
        return;
    }
    if (id == 0 && error->processed != HALO_PROCESSED_NO) {
        sim_fail(run, "%s: a request that was never sent may have been processed", end->name);
    }
    if (run->with_adversary) {
        bool known = id < WIRE_STREAMS_MAX;
        bool said = id == 0 || (rules->goaway_got && id > rules->goaway_got_last) ||
                    (known && rules->streams[id].got_refused) ||
                    (known && !rules->streams[id].block_sent); /* it never left */

        if (error->processed == HALO_PROCESSED_NO && !said) {
            sim_fail(run, "client: nobody said that stream %u was not processed", id);
        }
        return;
    }
    if (error->processed == HALO_PROCESSED_NO && exchange->server.opened &&
        !(exchange->server.reset_by_app && exchange->server.reset_code == HALO_REFUSED_STREAM)) {
        sim_fail(run, "client: false no about exchange %u (stream %u): %s", exchange->number, id,
                 error->reason);
    }
    if (error->processed == HALO_PROCESSED_YES && !exchange->server.opened) {
        sim_fail(run, "client: false yes about exchange %u", exchange->number);
    }
}

/* Between two sessions of halo there are no violations, and time is only up when it jumps. */
static void check_blame(struct endpoint *end, const struct halo_error *error, const char *what)
{
    struct run *run = end->run;

    if (run->with_adversary || error == NULL || run->memory_fails) {
        return;
    }
    if (run->memory_tight && error->code == HALO_ENHANCE_YOUR_CALM) {
        return;
    }
    /* A limit that was lowered holds at once, and the peer cannot know. */
    if (error->code == HALO_REFUSED_STREAM) {
        return;
    }
    if (error->status == HALO_E_PROTOCOL || (error->status == HALO_E_TIMEOUT && !run->time_jumps) ||
        (error->origin == HALO_ORIGIN_REMOTE && error->code == HALO_PROTOCOL_ERROR)) {
        sim_fail(run, "%s: %s ends by %s, %s: %s", end->name, what, halo_status_name(error->status),
                 halo_code_name(error->code), error->reason);
    }
}

static void on_stream_closed(struct endpoint *end, const struct halo_event *event,
                             struct exchange *exchange)
{
    struct run *run = end->run;
    struct side *side = side_of(end, exchange);
    const struct halo_error *error = event->u.closed;
    bool polite = side->reset_by_app && side->reset_code == HALO_NO_ERROR;

    side->closed = true;
    side->sender.done = true;
    if (end->role == HALO_CLIENT) {
        exchange->stream_id = event->stream_id;
    }
    sums_check_sent_headers(end, event, exchange);
    if (side->sender.source_live) {
        sim_fail(run, "%s: exchange %u is closed and its source lives", end->name,
                 exchange->number);
    }
    if (!halo_stream_is_closed(event->stream)) {
        sim_fail(run, "%s: a closed stream says it is not", end->name);
    }
    if (error == NULL && !polite && !side->ended &&
        !(end->role == HALO_SERVER && exchange->client.reset_by_app)) {
        sim_fail(run, "%s: exchange %u is closed without an end", end->name, exchange->number);
    }
    if (error != NULL) {
        sim_trace(run, "%s: exchange %u failed: %s, code %u, origin %u, processed %u: %s",
                  end->name, exchange->number, halo_status_name(error->status), error->code,
                  error->origin, error->processed, error->reason);
        if (end->role == HALO_CLIENT) {
            check_processed(end, exchange, event->stream_id, error);
        } else if (error->processed != HALO_PROCESSED_UNKNOWN) {
            sim_fail(run, "server: says a request was processed");
        }
        check_blame(end, error, "a stream");
    }
    side->stream = NULL;
}

static void on_session_closed(struct endpoint *end, const struct halo_event *event)
{
    struct run *run = end->run;
    const struct halo_error *error = event->u.closed;

    end->over = true;
    if (error != NULL) {
        end->over_status = error->status;
        end->over_code = error->code;
        sim_trace(run, "%s: session ends: %s, code %u: %s", end->name,
                  halo_status_name(error->status), error->code, error->reason);
        check_blame(end, error, "the session");
    }
    for (uint32_t i = 0; i < run->exchange_count; i++) {
        const struct side *side = side_of(end, &run->exchanges[i]);

        if (side->opened && !side->closed) {
            sim_fail(run, "%s: the session is closed before exchange %u", end->name, i);
        }
    }
    if (!halo_session_is_closed(end->session)) {
        sim_fail(run, "%s: a closed session says it is not", end->name);
    }
    sums_check_end(end);
}

/* ---- beginnings ------------------------------------------------------------------------ */

static struct exchange *exchange_of_request(struct endpoint *end, const struct halo_event *event)
{
    struct run *run = end->run;
    halo_header_list list = { event->u.headers.fields, event->u.headers.count };
    halo_bytes name = HALO_LIT("x-sim");
    halo_bytes value;
    uint32_t number = 0;

    if (run->with_adversary) {
        struct exchange *exchange;

        if (run->exchange_count == EXCHANGES_MAX) {
            return NULL;
        }
        exchange = &run->exchanges[run->exchange_count];
        memset(exchange, 0, sizeof(*exchange));
        exchange->number = run->exchange_count++;
        plan_exchange(run, exchange);
        exchange->head = halo_stream_is_head(event->stream) != 0;
        return exchange;
    }
    if (halo_header_find(list, name, &value)) {
        for (size_t i = 0; i < value.len; i++) {
            number = number * 10 + (uint32_t)(value.data[i] - '0');
        }
    } else { /* one of those that are alike: by the stream */
        if (!run->client.freed) {
            link_note_numbers(&run->client);
        }
        while (number < run->exchange_count &&
               (run->exchanges[number].pushed ||
                run->exchanges[number].stream_id != event->stream_id)) {
            number++;
        }
    }
    if (number >= run->exchange_count || run->exchanges[number].server.opened) {
        sim_fail(run, "server: request %u comes again, or was never made", number);
    }
    check_fields(end, event, &run->exchanges[number], PART_REQUEST);
    return &run->exchanges[number];
}

static struct exchange *exchange_of_promise(struct endpoint *end, const struct halo_event *event)
{
    struct run *run = end->run;
    struct exchange *exchange;
    struct halo_event fields = *event;
    halo_bytes name = HALO_LIT("x-sim");
    halo_bytes value;
    uint32_t number = 0;

    if (run->with_adversary) {
        if (run->exchange_count == EXCHANGES_MAX) {
            return NULL;
        }
        exchange = &run->exchanges[run->exchange_count];
        memset(exchange, 0, sizeof(*exchange));
        exchange->number = run->exchange_count++;
        plan_exchange(run, exchange);
        return exchange;
    }
    if (!halo_header_find((halo_header_list){ event->u.push.fields, event->u.push.count }, name,
                          &value)) {
        sim_fail(run, "client: a promise without its number");
    }
    for (size_t i = 0; i < value.len; i++) {
        number = number * 10 + (uint32_t)(value.data[i] - '0');
    }
    exchange = &run->exchanges[number];
    if (number >= run->exchange_count || !exchange->pushed || exchange->client.opened) {
        sim_fail(run, "client: promise %u comes again, or was never made", number);
    }
    fields.u.headers.fields = event->u.push.fields;
    fields.u.headers.count = event->u.push.count;
    check_fields(end, &fields, exchange, PART_REQUEST);
    return exchange;
}

static void on_push(struct endpoint *end, const struct halo_event *event)
{
    struct run *run = end->run;
    struct exchange *exchange = exchange_of_promise(end, event);
    struct side *side;

    if (event->u.push.parent == NULL || event->stream == NULL ||
        (halo_stream_is_closed(event->u.push.parent) != 0 &&
         halo_session_is_destroyed(end->session) == 0)) {
        sim_fail(run, "client: a promise without a parent");
    }
    if (exchange == NULL) {
        (void)halo_stream_reset(event->stream, HALO_REFUSED_STREAM);
        return;
    }
    exchange->pushed = true;
    side = &exchange->client;
    side->opened = true;
    side->stream = event->stream;
    side->sender.done = true;
    halo_stream_set_user_data(event->stream, exchange);
    sim_trace(run, "client: exchange %u is promised as stream %u", exchange->number,
              event->stream_id);
    if (sim_percent(run, 10)) {
        sender_reset(end, exchange, sim_percent(run, 50) ? HALO_CANCEL : HALO_REFUSED_STREAM);
    }
}

static void on_request(struct endpoint *end, const struct halo_event *event)
{
    struct run *run = end->run;
    struct exchange *exchange = exchange_of_request(end, event);
    struct side *side;

    if (exchange == NULL) {
        (void)halo_stream_reset(event->stream, HALO_REFUSED_STREAM);
        return;
    }
    side = &exchange->server;
    side->opened = true;
    side->stream = event->stream;
    halo_stream_set_user_data(event->stream, exchange);
    sim_trace(run, "server: exchange %u on stream %u", exchange->number, event->stream_id);
    if (halo_stream_is_head(event->stream) != exchange->head) {
        sim_fail(run, "server: HEAD is not known");
    }
    if ((event->flags & HALO_END_STREAM) != 0) {
        see_end(end, exchange, false);
    }
    side->answer_later = true;
    if (sim_percent(run, 50)) {
        sender_answer(end, exchange);
    } else if (sim_percent(run, 5)) {
        sender_reset(end, exchange, HALO_REFUSED_STREAM);
    }
}

static void on_headers(struct endpoint *end, const struct halo_event *event,
                       struct exchange *exchange)
{
    struct run *run = end->run;
    struct side *side = side_of(end, exchange);

    if (side->ended) {
        sim_fail(run, "%s: headers of exchange %u behind its end", end->name, exchange->number);
    }
    switch (event->type) {
    case HALO_EVENT_INFORMATION:
        if (side->headers_seen) {
            sim_fail(run, "client: 1xx behind the response");
        }
        if (!run->with_adversary) {
            if (event->u.headers.status != 103 || ++side->informations > exchange->informations) {
                sim_fail(run, "client: a 1xx too many");
            }
            check_fields(end, event, exchange, PART_INFORMATION);
        }
        return;
    case HALO_EVENT_RESPONSE:
        if (side->headers_seen) {
            sim_fail(run, "client: exchange %u is answered twice", exchange->number);
        }
        side->headers_seen = true;
        if (!run->with_adversary) {
            if (event->u.headers.status != exchange->status ||
                side->informations != exchange->informations) {
                sim_fail(run, "client: exchange %u has status %d", exchange->number,
                         event->u.headers.status);
            }
            check_fields(end, event, exchange, PART_RESPONSE);
        }
        break;
    default:
        side->trailers_seen = true;
        if (side->paused) {
            sim_fail(run, "%s: trailers of a paused stream", end->name);
        }
        if (!run->with_adversary) {
            check_fields(end, event, exchange,
                         end->role == HALO_CLIENT ? PART_DOWN_TRAILERS : PART_UP_TRAILERS);
        }
        break;
    }
    if ((event->flags & HALO_END_STREAM) != 0) {
        see_end(end, exchange, event->type == HALO_EVENT_TRAILERS);
    }
}

static void on_stream_event(struct endpoint *end, const struct halo_event *event)
{
    struct run *run = end->run;
    struct exchange *exchange = halo_stream_user_data(event->stream);
    struct side *side;

    if (exchange == NULL && run->with_adversary) {
        return; /* one too many for the model, refused */
    }
    if (exchange == NULL) {
        sim_fail(run, "%s: event %u of an unknown stream", end->name, event->type);
    }
    side = side_of(end, exchange);
    if (side->closed || side->stream != event->stream) {
        sim_fail(run, "%s: event %u of exchange %u, which is closed", end->name, event->type,
                 exchange->number);
    }
    if (extras_event(end, event)) {
        return;
    }
    switch (event->type) {
    case HALO_EVENT_DATA:
        on_data(end, event, exchange);
        break;
    case HALO_EVENT_STREAM_CLOSED:
        on_stream_closed(end, event, exchange);
        break;
    case HALO_EVENT_WANT_TRAILERS:
        if (side->sender.asked || !side->sender.wait) {
            sim_fail(run, "%s: trailers of exchange %u are asked for again", end->name,
                     exchange->number);
        }
        side->sender.asked = true;
        break;
    case HALO_EVENT_WRITABLE:
        break;
    case HALO_EVENT_READY:
        if (side->ready || !side->waited || halo_stream_id(event->stream) == 0) {
            sim_fail(run, "client: exchange %u is ready again", exchange->number);
        }
        side->ready = true;
        break;
    default:
        on_headers(end, event, exchange);
        break;
    }
}

static void on_session_event(struct endpoint *end, const struct halo_event *event)
{
    switch (event->type) {
    case HALO_EVENT_SETTINGS:
        end->settings_events++;
        break;
    case HALO_EVENT_SETTINGS_ACK:
        if (++end->settings_acks > end->settings_calls) {
            sim_fail(end->run, "%s: more ACKs than SETTINGS", end->name);
        }
        break;
    case HALO_EVENT_PING_ACK:
        if (++end->ping_acks > end->ping_calls) {
            sim_fail(end->run, "%s: more answers than PINGs", end->name);
        }
        break;
    case HALO_EVENT_PING_CANCEL:
        end->ping_cancels++;
        break;
    case HALO_EVENT_SETTINGS_CANCEL:
        end->settings_cancels++;
        break;
    case HALO_EVENT_SESSION_CLOSED:
        on_session_closed(end, event);
        break;
    default:
        (void)extras_event(end, event);
        break;
    }
}

void app_event(struct endpoint *end, const struct halo_event *event)
{
    struct run *run = end->run;

    if (end->over) {
        sim_fail(run, "%s: event %u after the session's end", end->name, event->type);
    }
    if (event->stream != NULL && event->stream_id != halo_stream_id(event->stream)) {
        sim_fail(run, "%s: event with another stream's number", end->name);
    }
    if (event->type == HALO_EVENT_REQUEST) {
        on_request(end, event);
    } else if (event->type == HALO_EVENT_PUSH) {
        on_push(end, event);
    } else if (event->stream != NULL) {
        on_stream_event(end, event);
    } else {
        on_session_event(end, event);
    }
    /* Applications act in their handlers. */
    if (!run->healthy && !end->freed && sim_percent(run, run->busy / 4)) {
        acts_step(end);
    }
}
