/*
 * What goes beside the exchanges: ALTSVC, ORIGIN and frames of the applications, each told exactly
 * and in the order in which it was said; priorities; silence that is to be told; options.
 */
#include <stdio.h>
#include <string.h>

#include "pattern.h"
#include "sim.h"

enum { T_ALTSVC_FRAME = 0xa, T_ORIGIN_FRAME = 0xc };

/* ---- options --------------------------------------------------------------------------- */

static void windows_options(struct endpoint *end, struct halo_session_options *options)
{
    static const uint32_t most[] = { 0, 65535, 100000, 1048576, 4194304, 0x7fffffff };
    struct run *run = end->run;

    if (sim_percent(run, 50)) {
        options->stream_receive_window_max = most[sim_below(run, 6)];
        options->connection_receive_window_max = most[sim_below(run, 6)];
    }
    /* Less would be more WINDOW_UPDATE frames than a peer takes: applications here read in small
     * pieces. */
    options->window_update_percent = sim_percent(run, 30) ? 25 + sim_below(run, 76) : 50;
    if (run->memory_tight) {
        options->memory_soft = sim_below(run, 20000);
        options->memory_hard = 2000 + sim_below(run, 200000);
    }
}

static void timeout_options(struct endpoint *end, struct halo_session_options *options)
{
    struct run *run = end->run;

    end->timeout_ms = sim_percent(run, 30) ? 1 + sim_below(run, 50) : 0;
    options->timeout_ms = end->timeout_ms;
    if (run->time_jumps) {
        options->body_timeout_ms = sim_percent(run, 50) ? 30000 : 1 + sim_below(run, 3000);
        options->stall_timeout_ms = sim_percent(run, 50) ? 30000 : 1 + sim_below(run, 3000);
    }
}

void extras_options(struct endpoint *end, struct halo_session_options *options)
{
    static const uint8_t types[] = { OWN_FRAME, OWN_FRAME + 1 };
    static const halo_bytes name = HALO_LIT("sim.example");
    struct run *run = end->run;
    struct halo_memory_bound bound;

    windows_options(end, options);
    timeout_options(end, options);
    options->padding = sim_percent(run, 70) ? HALO_PADDING_NONE : sim_below(run, 3);
    options->priority_events = sim_percent(run, 30);
    end->keep_sent = sim_percent(run, 20);
    options->keep_sent_headers = end->keep_sent;
    end->wants_frames = sim_percent(run, 50);
    if (end->wants_frames) {
        options->frame_types = types;
        options->frame_type_count = 2;
    }
    if (sim_percent(run, 30)) {
        options->settings.no_rfc7540_priorities = 1;
        options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_NO_RFC7540_PRIORITIES);
    }
    if (end->role == HALO_CLIENT && sim_percent(run, 70)) {
        end->encrypted = true;
        options->encrypted = 1;
        options->server_name = name;
        if (sim_percent(run, 70)) {
            options->settings.enable_push = 1;
            options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
        }
        if (sim_percent(run, 20)) {
            options->max_reserved_remote_streams = sim_below(run, 4);
        }
        options->push_origin = sim_below(run, 2);
    }
    if (halo_session_memory_bound(options, &bound) != 0) {
        sim_fail(run, "%s: no bound of memory", end->name);
    }
    end->bound = bound.total;
    end->window_most = bound.windows;
}

/* ---- frames of extensions -------------------------------------------------------------- */

static const uint8_t *payload_of(const struct said *said)
{
    return pattern_at(said->draw % 50000);
}

static size_t altsvc_text(const struct said *said, char *text, size_t size)
{
    return (size_t)snprintf(text, size, "h2=\":%u\"; ma=%u", said->draw % 60000, said->draw);
}

static size_t origin_text(uint32_t draw, char *text, size_t size)
{
    return (size_t)snprintf(text, size, "https://origin-%u.example", draw % 30);
}

static int say_altsvc(struct endpoint *end, struct said *said)
{
    char text[64];
    size_t len = altsvc_text(said, text, sizeof(text));
    halo_bytes origin = HALO_LIT("https://sim.example");

    said->type = T_ALTSVC_FRAME;
    if (said->stream_id != 0) {
        origin.len = 0;
    }
    return halo_session_altsvc(end->session, said->stream_id, origin, (halo_bytes){ text, len });
}

static int say_origin(struct endpoint *end, struct said *said)
{
    char texts[3][40];
    halo_bytes origins[3];

    said->type = T_ORIGIN_FRAME;
    said->len = said->draw % 4;
    for (uint32_t i = 0; i < said->len; i++) {
        origins[i] =
            (halo_bytes){ texts[i], origin_text(said->draw + i * 7, texts[i], sizeof(texts[i])) };
    }
    return halo_session_origin(end->session, origins, said->len);
}

static int say_own(struct endpoint *end, struct said *said)
{
    struct run *run = end->run;

    said->type = (uint8_t)(OWN_FRAME + sim_below(run, 3)); /* the last is asked for by nobody */
    said->flags = (uint8_t)sim_below(run, 256);
    said->len = sim_below(run, sim_percent(run, 80) ? 300 : 16385);
    return halo_session_send_frame(end->session, said->type, said->flags, said->stream_id,
                                   payload_of(said), said->len);
}

/* Will the peer's application hear of it? */
static bool is_told(const struct endpoint *end, const struct said *said)
{
    switch (said->type) {
    case T_ALTSVC_FRAME:
        return true;
    case T_ORIGIN_FRAME:
        return end->peer->encrypted;
    default:
        return end->peer->wants_frames && said->type < OWN_FRAME + 2;
    }
}

void extras_act(struct endpoint *end)
{
    struct run *run = end->run;
    struct said said = { .draw = sim_below(run, 1000000) };
    bool server = end->role == HALO_SERVER;
    int status;

    if (end->said_count == SAID_MAX) {
        return;
    }
    if (sim_percent(run, 60) && run->exchange_count > 0) {
        struct side *side = side_of(end, &run->exchanges[sim_below(run, run->exchange_count)]);

        said.stream_id = side->stream != NULL ? halo_stream_id(side->stream) : 0;
    }
    switch (sim_below(run, 3)) {
    case 0:
        status = server ? say_altsvc(end, &said) : HALO_E_INVALID_STREAM;
        break;
    case 1:
        said.stream_id = 0;
        status = server ? say_origin(end, &said) : HALO_E_INVALID_STREAM;
        break;
    default:
        status = say_own(end, &said);
        break;
    }
    if (status == 0) {
        if (is_told(end, &said)) {
            end->said[end->said_count++] = said;
        }
    } else if (status != HALO_E_INVALID_STREAM && status != HALO_E_AGAIN &&
               !(status == HALO_E_INVALID_SESSION && halo_session_is_closed(end->session)) &&
               !(status == HALO_E_NOMEM && end->memory.failed)) {
        sim_fail(run, "%s: frame of type %u says %s", end->name, said.type,
                 halo_status_name(status));
    }
}

static bool is_altsvc(const struct said *said, const struct halo_event *event)
{
    char text[64];
    size_t len = altsvc_text(said, text, sizeof(text));
    halo_bytes origin = HALO_LIT("https://sim.example");

    origin.len = said->stream_id != 0 ? 0 : origin.len;
    return said->type == T_ALTSVC_FRAME && event->u.altsvc.stream_id == said->stream_id &&
           halo_bytes_equal(event->u.altsvc.origin, origin) != 0 &&
           halo_bytes_equal(event->u.altsvc.value, (halo_bytes){ text, len }) != 0;
}

static bool is_origin(const struct said *said, const struct halo_event *event)
{
    if (said->type != T_ORIGIN_FRAME || event->u.origin.count != said->len) {
        return false;
    }
    for (uint32_t i = 0; i < said->len; i++) {
        char text[40];
        size_t len = origin_text(said->draw + i * 7, text, sizeof(text));

        if (halo_bytes_equal(event->u.origin.origins[i], (halo_bytes){ text, len }) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_own(const struct said *said, const struct halo_event *event)
{
    return said->type == event->u.frame.type && said->flags == event->u.frame.flags &&
           said->stream_id == event->u.frame.stream_id && said->len == event->u.frame.len &&
           (said->len == 0 || memcmp(event->u.frame.payload, payload_of(said), said->len) == 0);
}

/* An ALTSVC of a request that is over for the client is ignored. */
static bool may_be_lost(const struct said *said)
{
    return said->type == T_ALTSVC_FRAME && said->stream_id != 0;
}

static void hear(struct endpoint *end, const struct halo_event *event)
{
    const struct endpoint *peer = end->peer;

    if (end->run->with_adversary) {
        return;
    }
    while (end->heard_count < peer->said_count) {
        const struct said *said = &peer->said[end->heard_count++];

        if (event->type == HALO_EVENT_ALTSVC   ? is_altsvc(said, event)
            : event->type == HALO_EVENT_ORIGIN ? is_origin(said, event)
                                               : is_own(said, event)) {
            return;
        }
        if (!may_be_lost(said)) {
            break;
        }
    }
    sim_fail(end->run, "%s: event %u is not what was said", end->name, event->type);
}

static bool holds(const struct endpoint *end)
{
    return !end->freed && !end->over && halo_session_is_closed(end->session) == 0;
}

void extras_check_heard(struct run *run)
{
    struct endpoint *ends[] = { &run->client, &run->server };

    for (uint32_t turn = 0; turn < 20; turn++) { /* what is under way comes in */
        for (size_t i = 0; i < 2; i++) {
            if (!ends[i]->freed) {
                link_poll(ends[i]);
                link_tick(ends[i]);
                link_pull(ends[i]);
            }
            link_deliver(ends[i]);
        }
    }
    if (run->broken || !holds(ends[0]) || !holds(ends[1])) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        for (uint32_t at = ends[i]->heard_count; at < ends[i]->peer->said_count; at++) {
            if (!may_be_lost(&ends[i]->peer->said[at])) {
                sim_fail(run, "%s: frame %u of type %u was not heard", ends[i]->name, at,
                         ends[i]->peer->said[at].type);
            }
        }
    }
}

/* ---- priorities ------------------------------------------------------------------------ */

static struct halo_priority draw_priority(struct run *run)
{
    return (struct halo_priority){ .urgency = (uint8_t)(sim_percent(run, 50) ? 2 + sim_below(run, 2)
                                                                             : sim_below(run, 8)),
                                   .incremental = (uint8_t)sim_below(run, 2) };
}

const struct halo_priority *extras_priority(struct run *run, struct exchange *exchange)
{
    if (!sim_percent(run, 40)) {
        exchange->priorities[0] = (struct halo_priority){ .urgency = HALO_URGENCY_DEFAULT };
        exchange->priority_count = 1;
        return NULL;
    }
    exchange->priorities[0] = draw_priority(run);
    exchange->priority_count = 1;
    exchange->priority_field = exchange->priorities[0].urgency != HALO_URGENCY_DEFAULT ||
                               exchange->priorities[0].incremental != 0;
    return &exchange->priorities[0];
}

static bool was_said(const struct exchange *exchange, uint8_t urgency, uint8_t incremental)
{
    for (uint32_t i = 0; i < exchange->priority_count; i++) {
        if (exchange->priorities[i].urgency == urgency &&
            exchange->priorities[i].incremental == incremental) {
            return true;
        }
    }
    return false;
}

void extras_check_priority(struct endpoint *end, const struct halo_event *event,
                           const struct exchange *exchange)
{
    char text[HALO_PRIORITY_TEXT_MAX];
    size_t len = halo_priority_format(&exchange->priorities[0], text);
    halo_header_list list = { event->u.headers.fields, event->u.headers.count };
    halo_bytes name = HALO_LIT("priority");
    halo_bytes value;
    struct halo_stream_info info;

    if (halo_header_find(list, name, &value) == 0 ||
        halo_bytes_equal(value, (halo_bytes){ text, len }) == 0) {
        sim_fail(end->run, "server: exchange %u has not its priority", exchange->number);
    }
    halo_stream_get_info(event->stream, &info);
    if (!was_said(exchange, info.urgency, info.incremental)) {
        sim_fail(end->run, "server: exchange %u has urgency %u, incremental %u", exchange->number,
                 info.urgency, info.incremental);
    }
}

static void set_priority(struct endpoint *end, struct exchange *exchange, struct side *side)
{
    struct halo_priority priority = draw_priority(end->run);
    int status;

    if (end->role == HALO_CLIENT && exchange->priority_count == PRIORITIES_MAX) {
        return;
    }
    status = halo_stream_set_priority(side->stream, &priority);
    if (end->role == HALO_CLIENT) {
        exchange->priorities[exchange->priority_count++] = priority;
    }
    exchange->priority_fixed |= end->role == HALO_SERVER;
    if (status != 0 && !sender_took(end, exchange, status, "set_priority")) {
        return;
    }
}

void extras_stream_act(struct endpoint *end, struct exchange *exchange)
{
    struct run *run = end->run;
    struct side *side = side_of(end, exchange);
    struct halo_dependency dependency = { .weight = (uint16_t)(1 + sim_below(run, 256)) };
    int status;

    if (side->stream == NULL || halo_stream_is_closed(side->stream)) {
        return;
    }
    switch (sim_below(run, 4)) {
    case 0:
    case 1:
        set_priority(end, exchange, side);
        break;
    case 2:
        side->timeout_ms = sim_percent(run, 20) ? 0 : 1 + sim_below(run, 30);
        side->silent_from_ns = end->session_now_ns;
        status = halo_stream_set_timeout(side->stream, side->timeout_ms);
        if (!sender_took(end, exchange, status, "set_timeout")) {
            side->timeout_ms = 0;
        }
        break;
    default:
        status = halo_stream_set_dependency(side->stream, &dependency, (int)sim_below(run, 2));
        (void)sender_took(end, exchange, status, "set_dependency");
        break;
    }
}

/* ---- events ---------------------------------------------------------------------------- */

static void on_stream_timeout(struct endpoint *end, struct exchange *exchange)
{
    struct side *side = side_of(end, exchange);
    uint64_t silence_ns = end->session_now_ns - side->silent_from_ns;

    if (side->timeout_ms == 0 || silence_ns < (uint64_t)side->timeout_ms * 1000000u) {
        sim_fail(end->run, "%s: exchange %u times out of %u ms after %llu ns", end->name,
                 exchange->number, side->timeout_ms, (unsigned long long)silence_ns);
    }
    side->silent_from_ns = end->session_now_ns;
}

static void on_timeout(struct endpoint *end)
{
    uint64_t silence_ns = end->session_now_ns - end->activity_ns;

    if (end->silence_told || end->timeout_ms == 0 ||
        silence_ns < (uint64_t)end->timeout_ms * 1000000u) {
        sim_fail(end->run, "%s: silence of %u ms is told after %llu ns", end->name, end->timeout_ms,
                 (unsigned long long)silence_ns);
    }
    end->silence_told = true;
}

static void on_priority_update(struct endpoint *end, const struct halo_event *event)
{
    struct exchange *exchange = event->stream != NULL ? halo_stream_user_data(event->stream) : NULL;

    if (end->run->with_adversary || exchange == NULL) {
        return;
    }
    if (!was_said(exchange, event->u.priority.urgency, event->u.priority.incremental)) {
        sim_fail(end->run, "server: a priority of exchange %u that nobody said", exchange->number);
    }
}

bool extras_event(struct endpoint *end, const struct halo_event *event)
{
    switch (event->type) {
    case HALO_EVENT_ALTSVC:
    case HALO_EVENT_ORIGIN:
    case HALO_EVENT_FRAME:
        hear(end, event);
        return true;
    case HALO_EVENT_TIMEOUT:
        on_timeout(end);
        return true;
    case HALO_EVENT_STREAM_TIMEOUT:
        on_stream_timeout(end, halo_stream_user_data(event->stream));
        return true;
    case HALO_EVENT_PRIORITY_UPDATE:
        on_priority_update(end, event);
        return true;
    case HALO_EVENT_PRIORITY:
        return true;
    case HALO_EVENT_FRAME_ERROR:
        return true;
    default:
        return false;
    }
}
