/* What applications do unasked, in chaos and in health. */
#include <string.h>

#include "sim.h"

static struct exchange *any_exchange(struct endpoint *end)
{
    struct run *run = end->run;

    /* The latest are the likeliest to be alive. */
    if (run->exchange_count == 0) {
        return NULL;
    }
    if (sim_percent(run, 60)) {
        uint32_t back = sim_below(run, run->exchange_count < 6 ? run->exchange_count : 6);

        return &run->exchanges[run->exchange_count - 1 - back];
    }
    return &run->exchanges[sim_below(run, run->exchange_count)];
}

static void consume(struct endpoint *end, struct side *side, uint64_t len)
{
    if (!end->manual_credit || side->stream == NULL || len == 0 ||
        halo_stream_is_closed(side->stream)) {
        return;
    }
    if (halo_stream_consume(side->stream, (size_t)len) != 0) {
        sim_fail(end->run, "%s: consume of %llu of %llu fails", end->name, (unsigned long long)len,
                 (unsigned long long)side->unconsumed);
    }
    side->unconsumed -= len;
}

static void act_on_stream(struct endpoint *end)
{
    struct run *run = end->run;
    struct exchange *exchange = any_exchange(end);
    struct halo_stream_info info;
    struct side *side;

    if (exchange == NULL || (side = side_of(end, exchange))->stream == NULL) {
        return;
    }
    halo_stream_get_info(side->stream, &info);
    switch (sim_below(run, 18)) {
    case 16:
        extras_stream_act(end, exchange);
        break;
    case 17:
        if (end->role == HALO_SERVER && !run->with_adversary) {
            sender_push(end, exchange);
        }
        break;
    case 0:
        side->paused = true;
        halo_stream_pause(side->stream);
        break;
    case 1:
    case 2:
        side->paused = false;
        halo_stream_resume(side->stream);
        break;
    case 3:
        if (sim_percent(run, 15) && end->resets < 60) {
            static const uint32_t codes[] = { HALO_CANCEL, HALO_NO_ERROR, HALO_REFUSED_STREAM,
                                              HALO_INTERNAL_ERROR, 77 };

            sender_reset(end, exchange, codes[sim_below(run, 5)]);
        }
        break;
    case 4:
    case 5:
        if (side->unconsumed > 0) {
            consume(end, side, 1 + sim_below(run, (uint32_t)side->unconsumed));
        }
        break;
    case 6:
    case 7:
        if (end->role == HALO_SERVER && side->answer_later) {
            sender_answer(end, exchange);
        }
        break;
    default:
        sender_step(end, exchange);
        break;
    }
}

static bool is_refusal(const struct endpoint *end, int status)
{
    return (status == HALO_E_NOMEM && end->memory.failed) ||
           (status == HALO_E_INVALID_SESSION && halo_session_is_closed(end->session));
}

void acts_settings(struct endpoint *end, bool generous)
{
    static const uint32_t windows[] = { 0, 1, 100, 16384, 65535, 65536, 200000, 0x7fffffff };
    static const uint32_t tables[] = { 0, 32, 100, 4096, 4096, 10000 };
    struct run *run = end->run;
    struct halo_settings settings;
    int status;

    memset(&settings, 0, sizeof(settings));
    if (generous || sim_percent(run, 60)) {
        settings.initial_window_size = generous ? 100000 : windows[sim_below(run, 8)];
        settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    }
    if (sim_percent(run, 30)) {
        settings.header_table_size = tables[sim_below(run, 6)];
        settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE);
    }
    if (generous || sim_percent(run, 20)) {
        settings.max_concurrent_streams = generous ? 100 : sim_below(run, 8);
        settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS);
    }
    if (sim_percent(run, 20)) {
        settings.max_frame_size = 16384 + sim_below(run, 20000);
        settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_FRAME_SIZE);
    }
    if (sim_percent(run, 10)) { /* may not be taken back once it was said */
        settings.enable_connect_protocol = sim_below(run, 2);
        settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL);
    }
    if (sim_percent(run, 10)) { /* is fixed by the first SETTINGS */
        settings.no_rfc7540_priorities = sim_below(run, 2);
        settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_NO_RFC7540_PRIORITIES);
    }
    if (end->encrypted && !generous && sim_percent(run, 10)) {
        settings.enable_push = sim_below(run, 2);
        settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
    }
    if (sim_percent(run, 20)) {
        settings.custom[0].id = (uint16_t)(20 + sim_below(run, 1000));
        settings.custom[0].value = sim_below(run, 1000);
        settings.custom_count = 1;
    }
    status = halo_session_settings(end->session, &settings);
    if (status == 0) {
        end->settings_calls++;
        if ((settings.present & HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE)) != 0) {
            end->initial_now = settings.initial_window_size;
        }
    } else if (status != HALO_E_MAX_PENDING_SETTINGS_ACK && !is_refusal(end, status) &&
               status != HALO_E_INVALID_SETTING_VALUE) {
        sim_fail(run, "%s: settings says %s", end->name, halo_status_name(status));
    }
}

static void ping(struct endpoint *end)
{
    struct run *run = end->run;
    uint8_t payload[8] = { 'p', (uint8_t)end->ping_calls, (uint8_t)sim_below(run, 256) };
    int status = halo_session_ping(end->session, sim_percent(run, 70) ? payload : NULL);

    if (status == 0) {
        end->ping_calls++;
    } else if (status != HALO_E_PING_CANCEL && !is_refusal(end, status)) {
        sim_fail(run, "%s: ping says %s", end->name, halo_status_name(status));
    }
}

static void rare_act(struct endpoint *end)
{
    static const uint32_t windows[] = { 20000, 65535, 100000, 1048576, 0x7fffffff };
    struct run *run = end->run;
    uint32_t window;
    int status;

    switch (sim_below(run, 40)) {
    case 0:
        sim_trace(run, "%s: closes", end->name);
        halo_session_close(end->session);
        break;
    case 1:
        sim_trace(run, "%s: destroys", end->name);
        halo_session_destroy(end->session, sim_percent(run, 50) ? HALO_NO_ERROR : HALO_CANCEL);
        break;
    case 2:
        status = halo_session_goaway(end->session, HALO_NO_ERROR, 0, "bye", sim_below(run, 4));
        if (status != 0 && !is_refusal(end, status)) {
            sim_fail(run, "%s: goaway says %s", end->name, halo_status_name(status));
        }
        break;
    case 3:
        if (!end->handling && sim_percent(run, 30)) {
            sim_trace(run, "%s: is freed", end->name);
            run->broken = true;
            link_free_session(end);
        }
        break;
    case 4:
        if (!end->handling && sim_percent(run, 60) && !run->with_adversary) {
            sim_trace(run, "the connection breaks");
            link_break(run);
        }
        break;
    default:
        window = windows[sim_below(run, 5)];
        end->window_most = window > end->window_most ? window : end->window_most;
        sim_trace(run, "%s: sets the window to %u", end->name, window);
        status = halo_session_set_window(end->session, window);
        if (status != 0 && !is_refusal(end, status)) {
            sim_fail(run, "%s: set_window says %s", end->name, halo_status_name(status));
        }
        break;
    }
}

void acts_step(struct endpoint *end)
{
    struct run *run = end->run;
    uint32_t kind = sim_below(run, 103);

    if (end->freed || end->session == NULL) {
        return;
    }
    if (sim_below(run, run->rarely) == 0) {
        rare_act(end);
    } else if (kind < 14) {
        if (end->role == HALO_CLIENT && run->exchange_count < run->requests_wanted) {
            sender_request(end);
        }
    } else if (kind < 90) {
        act_on_stream(end);
    } else if (kind < 93) {
        if (end->settings_calls < 12) {
            acts_settings(end, false);
        }
    } else if (kind < 95) {
        if (end->ping_calls < 60) {
            ping(end);
        }
    } else if (kind >= 99) {
        extras_act(end);
    } else if (end->kept_count > 0) {
        app_release(end, sim_below(run, end->kept_count));
    }
}

void acts_behave(struct endpoint *end)
{
    struct run *run = end->run;

    while (end->kept_count > 0) {
        app_release(end, end->kept_count - 1);
    }
    if (end->freed) {
        return;
    }
    for (uint32_t i = 0; i < run->exchange_count && !end->freed; i++) {
        struct exchange *exchange = &run->exchanges[i];
        struct side *side = side_of(end, exchange);

        if (side->stream == NULL) {
            continue;
        }
        if (side->paused) {
            side->paused = false;
            halo_stream_resume(side->stream);
        }
        consume(end, side, side->unconsumed);
        if (end->role == HALO_SERVER && side->answer_later) {
            sender_answer(end, exchange);
        }
        sender_step(end, exchange);
    }
}
