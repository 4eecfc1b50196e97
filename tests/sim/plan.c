/*
 * What an exchange consists of. Both ends make it from the number alone, so whatever arrives is
 * compared with what must have been sent.
 */
#include <stdio.h>
#include <string.h>

#include "pattern.h"
#include "sim.h"

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static uint64_t body_len(struct run *run)
{
    uint32_t kind = sim_below(run, 100);

    if (kind < 25) {
        return 0;
    }
    if (kind < 70) {
        return 1 + sim_below(run, 2000);
    }
    if (kind < 92) {
        return 1 + sim_below(run, 20000);
    }
    return 1 + sim_below(run, kind < 99 ? 80000 : 250000);
}

void plan_exchange(struct run *run, struct exchange *exchange)
{
    static const uint16_t statuses[] = { 200, 200, 200, 200, 404, 500, 204, 304, 205, 599 };

    exchange->repeated = run->repeats && !run->with_adversary && sim_percent(run, 70);
    exchange->seed = exchange->repeated ? mix(run->seed * 1000 + sim_below(run, 3))
                                        : mix(run->seed * 1000 + exchange->number);
    exchange->head = sim_percent(run, 8);
    exchange->status = statuses[sim_below(run, 10)];
    exchange->informations = sim_percent(run, 20) ? 1 + sim_below(run, 3) : 0;
    exchange->up_len = exchange->head ? 0 : body_len(run);
    exchange->down_len = body_len(run);
    exchange->up_length = exchange->up_len > 0 && sim_percent(run, 30);
    exchange->down_length = sim_percent(run, 30);
    exchange->up_trailers = !exchange->head && sim_percent(run, 20);
    exchange->down_trailers = sim_percent(run, 20);
    if (exchange->repeated) {
        exchange->head = false;
        exchange->up_len = 0;
        exchange->up_length = exchange->up_trailers = false;
    }
}

bool plan_has_body(const struct exchange *exchange)
{
    return !exchange->head && exchange->status != 204 && exchange->status != 205 &&
           exchange->status != 304;
}

const uint8_t *plan_body(const struct exchange *exchange, bool up, uint64_t offset)
{
    return pattern_at(exchange->seed % 60000 + (up ? 7919 : 0) + offset);
}

static void add(struct field_list *list, const char *name, const char *value, size_t value_len,
                uint16_t flags)
{
    size_t name_len = strlen(name);
    char *text = list->text + list->used;

    memcpy(text, name, name_len);
    memcpy(text + name_len, value, value_len);
    list->used += name_len + value_len;
    list->fields[list->count++] = (halo_header){
        .name = { text, name_len },
        .value = { text + name_len, value_len },
        .flags = flags,
    };
}

static void add_number(struct field_list *list, const char *name, uint64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);

    add(list, name, digits, (size_t)len, 0);
}

/* Fields whose names and values come back now and then, so that tables are used. */
static void add_some(struct field_list *list, uint64_t seed, bool sent)
{
    static const char *const names[] = { "x-alpha",    "cookie-not", "accept",        "x-beta-name",
                                         "user-agent", "x-c",        "cache-control", "etag" };
    static const char *const mixed[] = { "X-Alpha",    "Cookie-Not", "Accept",        "X-beta-NAME",
                                         "User-Agent", "X-C",        "Cache-Control", "ETag" };
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/";
    bool huge = mix(seed + 77) % 50 == 0;
    uint32_t count = (uint32_t)(mix(seed) % 6) + (huge ? 6 : 0);
    bool mixed_case = sent && mix(seed + 5) % 3 == 0;
    char value[4000];

    for (uint32_t i = 0; i < count; i++) {
        uint64_t draw = mix(seed + 1000 + i);
        uint64_t value_seed = mix(draw % 40); /* of forty values */
        size_t len = huge ? 2500 : value_seed % (draw % 7 == 0 ? 300 : 30);

        if (draw % 4 == 0) {
            value_seed = draw;
        }
        for (size_t j = 0; j < len; j++) {
            value_seed = value_seed * 6364136223846793005u + 1442695040888963407u;
            value[j] = letters[value_seed >> 58];
        }
        add(list, mixed_case ? mixed[draw % 8] : names[draw % 8], value, len,
            draw % 11 == 0 ? HALO_HEADER_NEVER_INDEX : 0);
    }
}

void plan_fields(const struct exchange *exchange, enum part part, bool sent,
                 struct field_list *list)
{
    list->count = 0;
    list->used = 0;
    switch (part) {
    case PART_REQUEST:
        if (exchange->repeated) {
            return;
        }
        add_number(list, "x-sim", exchange->number);
        if (exchange->up_length) {
            add_number(list, "content-length", exchange->up_len);
        }
        break;
    case PART_RESPONSE:
        if (exchange->down_length && exchange->status != 204 && exchange->status != 205) {
            add_number(list, "content-length", exchange->down_len);
        }
        break;
    case PART_INFORMATION:
        break;
    default:
        add_number(list, "x-end", exchange->number);
        break;
    }
    add_some(list, exchange->seed * 8 + (uint64_t)part, sent);
}
