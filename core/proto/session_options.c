/*
 * Options of a session: what Node's documentation says, and what each side allows at least.
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

void halo_session_options_node_defaults(struct halo_session_options *options)
{
    struct halo_session_options all;
    size_t size = options->struct_size;
    uint32_t bits = HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_HEADER_LIST_SIZE);

    memcpy(&all, options, min_size(size, sizeof(all)));
    halo_settings_default(&all.settings);
    all.settings.max_header_list_size = NODE_HEADER_LIST_SIZE;
    all.settings.present = bits;
    all.limits.header_list_size = NODE_HEADER_LIST_SIZE;
    all.limits.header_fields = NODE_HEADER_LIST_PAIRS;
    all.limits.settings_entries = NODE_SETTINGS;
    all.limits.outstanding_pings = NODE_OUTSTANDING_PINGS;
    all.limits.encoder_table_size = LIMIT_ENCODER_TABLE;
    all.limits.send_block = NODE_SEND_BLOCK;
    all.limits.invalid_frames = NODE_INVALID_FRAMES;
    all.limits.faults = NODE_INVALID_FRAMES + 1; /* that limit must be within reach */
    all.limits.refused_streams = NODE_REJECTED_STREAMS;
    all.limits.resets = NODE_RESET_BURST;
    all.limits.resets_per_second = NODE_RESET_RATE;
    all.connection_window_size = LIMIT_WINDOW_DEFAULT;
    all.stream_receive_window_max = 0; /* fixed */
    all.connection_receive_window_max = 0;
    all.memory_soft = NODE_SESSION_MEMORY;
    all.memory_hard = max_u32(all.memory_hard, 2 * NODE_SESSION_MEMORY);
    all.max_reserved_remote_streams = NODE_RESERVED_STREAMS;
    all.peer_max_concurrent_streams = NODE_PEER_STREAMS;
    all.padding = HALO_PADDING_NONE;
    all.strict_field_whitespace = 1;
    all.strict_single_value_fields = 1;
    all.remote_custom_count = 0;
    all.idle_timeout_ms = 0;
    all.timeout_ms = 0;
    memcpy(options, &all, min_size(size, sizeof(all)));
}

int session_check_options(const struct halo_session_options *options)
{
    if (options->role > HALO_CLIENT || options->connection_window_size < LIMIT_WINDOW_DEFAULT ||
        options->connection_window_size > LIMIT_WINDOW_MAX ||
        options->stream_receive_window_max > LIMIT_WINDOW_MAX ||
        options->connection_receive_window_max > LIMIT_WINDOW_MAX ||
        options->window_update_percent > 100 || options->padding > HALO_PADDING_MAX) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (options->remote_custom_count > HALO_CUSTOM_SETTINGS_MAX) {
        return HALO_E_TOO_MANY_CUSTOM_SETTINGS;
    }
    for (uint32_t i = 0; i < options->remote_custom_count; i++) {
        if (options->remote_custom_ids[i] == 0) {
            return HALO_E_INVALID_SETTING_VALUE;
        }
    }
    HALO_TRY(session_check_extension(options));
    return session_check_settings((int)options->role, &options->settings);
}

/* ---- what sessions share --------------------------------------------------------------- */

static void take_limits(struct halo_limits *limits, const struct halo_session_options *options)
{
    /* A request has at least four fields, a response one. */
    uint32_t fields_min = options->role == HALO_SERVER ? 4 : 1;

    *limits = options->limits;
    limits->header_fields = max_u32(limits->header_fields, fields_min);
    limits->settings_entries = max_u32(limits->settings_entries, 1);
    if (options->stream_reset_burst > 0 && options->stream_reset_rate > 0) {
        limits->resets = options->stream_reset_burst;
        limits->resets_per_second = options->stream_reset_rate;
    }
}

/* Everything is set, padding too: configurations are compared octet by octet. */
static void config_fill(struct session_config *config, const struct halo_session_options *options)
{
    memset(config, 0, sizeof(*config));
    take_limits(&config->limits, options);
    memcpy(&config->settings, &options->settings, sizeof(struct known_settings));
    for (uint32_t i = 0; i < options->settings.custom_count; i++) {
        config->settings.custom[i].id = options->settings.custom[i].id;
        config->settings.custom[i].value = options->settings.custom[i].value;
    }
    config->settings.custom_count = options->settings.custom_count;
    config->stream_window_max = options->stream_receive_window_max;
    config->window_update_percent = options->window_update_percent;
    config->stream_low_water = options->stream_low_water;
    config->reserved_max = options->max_reserved_remote_streams;
    config->timeouts.settings_ack_ms = options->settings_ack_timeout_ms;
    config->timeouts.header_block_ms = options->header_block_timeout_ms;
    config->timeouts.idle_ms = options->idle_timeout_ms;
    config->timeouts.stall_ms = options->stall_timeout_ms;
    config->timeouts.body_ms = options->role == HALO_SERVER ? options->body_timeout_ms : 0;
    config->timeouts.goaway_ms = options->goaway_timeout_ms;
    config->timeouts.drain_ms = options->drain_timeout_ms;
    config->custom_count = options->remote_custom_count;
    memcpy(config->custom_ids, options->remote_custom_ids, sizeof(config->custom_ids));
}

struct session_config *session_config_take(struct proto_env *env,
                                           const struct halo_session_options *options)
{
    struct session_config *latest = env->config;
    struct session_config wanted;

    config_fill(&wanted, options);
    if (latest != NULL) {
        wanted.refs = latest->refs;
        if (memcmp(&wanted, latest, sizeof(wanted)) == 0) {
            latest->refs++;
            return latest;
        }
    }
    latest = memory_alloc(env->memory, sizeof(*latest));
    if (latest == NULL) {
        return NULL;
    }
    memcpy(latest, &wanted, sizeof(*latest));
    latest->refs = 2;
    session_config_give(env, env->config);
    env->config = latest;
    return latest;
}

void session_config_give(struct proto_env *env, struct session_config *config)
{
    if (config != NULL && --config->refs == 0) {
        memory_free(env->memory, config);
    }
}

void session_apply_options(struct halo_session *session, const struct halo_session_options *options)
{
    session->padding = (uint8_t)options->padding;
    session->loose_whitespace = options->strict_field_whitespace == 0;
    session->loose_single_value = options->strict_single_value_fields == 0;
    session->keep_sent = options->keep_sent_headers != 0;
    session->short_way_max =
        session->keep_sent || session->padding != HALO_PADDING_NONE ? -1 : LIMIT_SHORT_WAY;
    session->timeout_ns = (uint64_t)options->timeout_ms * 1000000u;
    session->told_ns = UINT64_MAX;
}
