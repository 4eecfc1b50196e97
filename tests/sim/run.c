/* One run: a stretch of chaos, then health, in which everything must come to its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum {
    HEALTHY_TURNS = 3000,
};

uint64_t sim_random(struct run *run)
{
    uint64_t value = run->random += 0x9e3779b97f4a7c15u;

    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

uint32_t sim_below(struct run *run, uint32_t n)
{
    return (uint32_t)((sim_random(run) >> 32) * n >> 32);
}

bool sim_percent(struct run *run, uint32_t percent)
{
    return sim_below(run, 100) < percent;
}

/* ---- beginning ------------------------------------------------------------------------- */

static void draw_options(struct endpoint *end, struct halo_session_options *options)
{
    static const uint32_t windows[] = { 0, 1, 50, 1000, 16384, 65535, 65535, 300000 };
    struct run *run = end->run;
    struct halo_settings *settings = &options->settings;

    if (sim_percent(run, 40)) {
        settings->initial_window_size = windows[sim_below(run, 8)];
        settings->present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    }
    end->initial_now = (settings->present & HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE))
                           ? settings->initial_window_size
                           : 65535;
    if (sim_percent(run, 20)) {
        settings->header_table_size = sim_below(run, 3) * 2000;
        settings->present |= HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE);
    }
    if (end->role == HALO_SERVER && sim_percent(run, 30)) {
        settings->max_concurrent_streams = sim_below(run, 5);
        settings->present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS);
    }
    options->connection_window_size = sim_percent(run, 50) ? 65535 : 65535 + sim_below(run, 200000);
    end->manual_credit = sim_percent(run, 25);
    options->manual_credit = end->manual_credit;
    options->peer_max_concurrent_streams = sim_percent(run, 30) ? sim_below(run, 6) : 100;
    options->stream_low_water = sim_percent(run, 30) ? sim_below(run, 3000) : 65536;
    options->goaway_timeout_ms = sim_percent(run, 20) ? 0 : 1000;
    options->limits.encoder_table_size = sim_percent(run, 20) ? sim_below(run, 5000) : 4096;
    options->limits.queued_replies = sim_percent(run, 10) ? 1 + sim_below(run, 4) : 64;
    options->limits.requests_queued = sim_percent(run, 10) ? sim_below(run, 4) : 4096;
    options->limits.pending_settings = sim_percent(run, 10) ? 1 + sim_below(run, 3) : 10;
    options->limits.outstanding_pings = sim_percent(run, 10) ? sim_below(run, 4) : 10;
    extras_options(end, options);
    if (run->time_jumps) {
        options->idle_timeout_ms = sim_percent(run, 50) ? 0 : 1 + sim_below(run, 60000);
    } else {
        options->idle_timeout_ms = 0;
    }
}

static void endpoint_begin(struct run *run, struct endpoint *end, int role)
{
    end->run = run;
    end->role = role;
    end->name = role == HALO_CLIENT ? "client" : "server";
    end->peer = role == HALO_CLIENT ? &run->server : &run->client;
    rules_init(&end->rules);
    end->settings_calls = 1;
    if (role == HALO_CLIENT) {
        end->sent_scanner.preface_left = 24;
    } else {
        end->got_scanner.preface_left = 24;
    }
}

static bool session_begin(struct endpoint *end)
{
    struct run *run = end->run;
    struct halo_session_options options;
    int status;

    sim_memory_init(&end->memory, run);
    if (run->memory_fails) {
        if (sim_percent(run, 50)) {
            end->memory.fail_at = 1 + sim_below(run, 200);
        } else {
            end->memory.fail_one_in = 20 + sim_below(run, 400);
        }
    }
    halo_session_options_init(&options, end->role);
    draw_options(end, &options);
    options.strict_single_value_fields = 0; /* fields are drawn from a few names */
    options.allocator = end->memory.allocator;
    end->session_now_ns = end->activity_ns = run->now_ns;
    status = halo_session_new(&end->session, &options, run->now_ns);
    if (status != 0) {
        if (status != HALO_E_NOMEM || !end->memory.failed) {
            sim_fail(run, "%s: session_new says %s", end->name, halo_status_name(status));
        }
        end->session = NULL;
        end->freed = true;
        end->out.finished = true;
        return false;
    }
    return true;
}

static void draw_run(struct run *run)
{
    static const halo_header fields[] = {
        { .name = HALO_LIT("Server-Or-Not"), .value = HALO_LIT("halo simulator") },
        { .name = HALO_LIT("vary"), .value = HALO_LIT("accept-encoding") },
    };

    run->now_ns = 1000000000u + sim_random(run) % 1000000000u;
    run->with_adversary = sim_percent(run, 25);
    run->memory_fails = sim_percent(run, 20);
    run->time_jumps = sim_percent(run, 15);
    run->small_pieces = sim_percent(run, 25);
    run->calls_in_done = sim_percent(run, 30);
    run->memory_tight = sim_percent(run, 10);
    run->repeats = sim_percent(run, 30);
    run->rarely = sim_percent(run, 50) ? 100 : 1000;
    run->busy = 20 + sim_below(run, 80);
    run->requests_wanted = 1 + sim_below(run, sim_percent(run, 40) ? EXCHANGES_MAX : 12);
    if (run->steps == 0) {
        run->steps = 20 + sim_below(run, sim_percent(run, 25) ? 1500 : 200);
    }
    if (sim_percent(run, 30) && halo_header_set_new(&run->set, fields, 2) != 0) {
        abort();
    }
}

/* ---- steps ----------------------------------------------------------------------------- */

static void pass_time(struct run *run)
{
    run->now_ns += sim_below(run, 2000000);
    if (run->time_jumps && sim_percent(run, 3)) {
        run->now_ns += (uint64_t)sim_below(run, 40000) * 1000000u;
    }
}

static void step_end(struct endpoint *end)
{
    struct run *run = end->run;

    if (end->freed) {
        link_deliver(end);
        return;
    }
    link_tick(end);
    if (sim_percent(run, 80)) {
        link_deliver(end);
    }
    if (!end->freed) {
        sums_check(end);
    }
    for (uint32_t i = 0; i < 4 && !end->freed && sim_percent(run, run->busy); i++) {
        acts_step(end);
    }
    if (!end->freed) {
        link_poll(end);
    }
    if (sim_percent(run, 80)) {
        link_pull(end);
    }
}

static void chaos(struct run *run)
{
    for (run->step = 0; run->step < run->steps; run->step++) {
        pass_time(run);
        if (run->with_adversary) {
            step_end(run->subject);
            adversary_step(run);
        } else {
            step_end(&run->client);
            step_end(&run->server);
        }
        if (run->client.over && run->server.over) {
            break;
        }
    }
}

/* ---- health ---------------------------------------------------------------------------- */

static bool is_all_closed(const struct run *run)
{
    for (uint32_t i = 0; i < run->exchange_count; i++) {
        const struct exchange *exchange = &run->exchanges[i];

        if ((exchange->client.opened && !exchange->client.closed && !run->client.freed) ||
            (exchange->server.opened && !exchange->server.closed && !run->server.freed)) {
            return false;
        }
    }
    return true;
}

/* Windows that were closed are opened; what is wanted again and again cannot fail for ever. */
static void be_generous(struct endpoint *end)
{
    if (end->freed || end->over || halo_session_is_closed(end->session)) {
        if (end->freed || end->over || end->initial_now >= 100000) {
            return;
        }
    }
    if (end->initial_now < 100000 || end->run->step % 50 == 1) {
        if (end->settings_calls < 20) {
            acts_settings(end, true);
        }
    }
    end->window_most = end->window_most > 1048576 ? end->window_most : 1048576;
    (void)halo_session_set_window(end->session, 1048576);
}

static void healthy_turn(struct run *run, struct endpoint *end)
{
    acts_behave(end);
    if (!end->freed) {
        link_poll(end);
        link_tick(end);
    }
    link_pull(end);
    link_deliver(end);
    run->now_ns += 200000;
}

static void show_stream(const struct exchange *exchange, const struct side *side)
{
    struct halo_stream_info info;

    if (side->stream == NULL) {
        return;
    }
    halo_stream_get_info(side->stream, &info);
    fprintf(stderr,
            "exchange %u, stream %u: state %u, windows %lld and %lld of %lld, %zu octets wait, "
            "%llu of %llu written, paused %d, unconsumed %llu\n",
            exchange->number, halo_stream_id(side->stream), info.state,
            (long long)info.remote_window, (long long)info.local_window,
            (long long)info.effective_local_window, halo_stream_buffered(side->stream),
            (unsigned long long)side->sender.sent, (unsigned long long)side->sender.total,
            side->paused, (unsigned long long)side->unconsumed);
}

static void expect_end(struct run *run, const char *what)
{
    for (uint32_t i = 0; i < run->exchange_count; i++) {
        const struct exchange *exchange = &run->exchanges[i];
        const struct side *sides[] = { &exchange->client, &exchange->server };

        for (size_t j = 0; j < 2; j++) {
            if (sides[j]->opened && !sides[j]->closed) {
                show_stream(exchange, &exchange->client);
                show_stream(exchange, &exchange->server);
                sim_fail(run,
                         "%s: %s: exchange %u is still open: up %llu of %llu, down %llu of %llu",
                         what, j == 0 ? "client" : "server", i,
                         (unsigned long long)exchange->server.received,
                         (unsigned long long)exchange->up_len,
                         (unsigned long long)exchange->client.received,
                         (unsigned long long)exchange->down_len);
            }
        }
    }
    sim_fail(run, "%s: client over %d, server over %d", what, run->client.over, run->server.over);
}

/* With a healthy link and applications that behave, all exchanges end. */
static void recover(struct run *run)
{
    uint32_t turns = 0;

    run->healthy = true;
    run->client.memory.fail_at = run->server.memory.fail_at = 0;
    run->client.memory.fail_one_in = run->server.memory.fail_one_in = 0;
    while (!is_all_closed(run)) {
        run->step++;
        be_generous(&run->client);
        be_generous(&run->server);
        healthy_turn(run, &run->client);
        healthy_turn(run, &run->server);
        if (++turns > HEALTHY_TURNS) {
            expect_end(run, "no end of exchanges");
        }
    }
}

static void end_sessions(struct run *run)
{
    struct endpoint *first = sim_percent(run, 50) ? &run->client : &run->server;
    uint32_t turns = 0;

    if (!first->freed) {
        halo_session_close(first->session);
    }
    if (!first->peer->freed && sim_percent(run, 50)) {
        halo_session_close(first->peer->session);
    }
    while (!(run->client.over || run->client.freed) || !(run->server.over || run->server.freed)) {
        run->step++;
        healthy_turn(run, &run->client);
        healthy_turn(run, &run->server);
        if (++turns > HEALTHY_TURNS * 4) {
            expect_end(run, "no end of sessions");
        }
    }
}

/* What must hold when nothing cut the run short. */
static void check_pings(struct endpoint *end)
{
    const struct rules *rules = &end->rules;

    if (end->freed || end->over_status != 0 || end->run->broken || end->run->memory_fails ||
        end->run->with_adversary) {
        return;
    }
    if (rules->settings_acked > rules->settings_got) {
        sim_fail(end->run, "%s: SETTINGS and ACKs do not match", end->name);
    }
}

static void finish_end(struct endpoint *end)
{
    bool late = sim_percent(end->run, 50);

    check_pings(end);
    if (!late) {
        while (end->kept_count > 0) {
            app_release(end, end->kept_count - 1);
        }
    }
    if (!end->freed && end->session != NULL) {
        link_free_session(end);
    }
    if (end->owed != 0) {
        sim_fail(end->run, "%s: done was not called %u times", end->name, end->owed);
    }
    while (end->kept_count > 0) {
        app_release(end, end->kept_count - 1);
    }
    if (end->memory.live != 0) {
        sim_fail(end->run, "%s: %llu pieces of memory are lost", end->name,
                 (unsigned long long)end->memory.live);
    }
}

void run_clean(struct run *run)
{
    free(run->client.out.octets);
    free(run->server.out.octets);
    halo_header_set_free(run->set);
}

static void run_adversary(struct run *run)
{
    struct endpoint *subject;

    adversary_open(run);
    subject = run->subject;
    if (session_begin(subject)) {
        chaos(run);
    }
    if (!subject->freed) {
        run->healthy = true;
        halo_session_destroy(subject->session, HALO_NO_ERROR);
        link_poll(subject);
        link_pull(subject);
        if (!subject->freed && !subject->over) {
            sim_fail(run, "%s: destroyed and not over", subject->name);
        }
    }
    finish_end(subject);
}

void run_seed(struct run *run)
{
    bool begun;

    run->random = run->seed * 0x2545f4914f6cdd1du + 1;
    draw_run(run);
    endpoint_begin(run, &run->client, HALO_CLIENT);
    endpoint_begin(run, &run->server, HALO_SERVER);
    if (run->with_adversary) {
        run_adversary(run);
        return;
    }
    begun = session_begin(&run->client);
    begun = session_begin(&run->server) && begun;
    if (begun) {
        chaos(run);
        recover(run);
        extras_check_heard(run);
        end_sessions(run);
    }
    finish_end(&run->client);
    finish_end(&run->server);
}
