#include "core/proto/session.h"

#include "core/base/options.h"
#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

/* ---- what the sessions of a thread share ----------------------------------------------- */

enum {
    /* One list at the largest limits of both roles; see struct hpack_list for the sum. */
    LIST_FIELDS_CAP = LIMIT_HEADER_FIELDS_CLIENT + LIMIT_COOKIE_CRUMBS,
};

/* Makes the shared list large enough for a session's limits. */
static int env_fit_list(struct proto_env *env, const struct halo_limits *limits)
{
    size_t fields = (size_t)limits->header_fields + LIMIT_COOKIE_CRUMBS;
    size_t scratch = HPACK_SCRATCH_SIZE(limits->header_list_size, limits_longest_string(limits));

    if (fields > env->list.fields_cap) {
        halo_header *memory =
            memory_resize(env->memory, env->list.fields, fields * sizeof(halo_header));

        if (memory == NULL) {
            return HALO_E_NOMEM;
        }
        env->list.fields = memory;
        env->list.fields_cap = (uint32_t)fields;
    }
    if (scratch > env->list.scratch_cap) {
        uint8_t *memory = memory_resize(env->memory, env->list.scratch, scratch);

        if (memory == NULL) {
            return HALO_E_NOMEM;
        }
        env->list.scratch = memory;
        env->list.scratch_cap = scratch;
    }
    return 0;
}

static void lines_init(struct session_lines *lines)
{
    list_init(&lines->blocked);
    list_init(&lines->waiting);
    list_init(&lines->bodies);
    list_init(&lines->unsent);
}

bool session_take_lines(struct halo_session *session)
{
    struct session_lines *lines = slab_take(&session->env->lines);

    if (lines == NULL) {
        return false;
    }
    lines_init(lines);
    memset(lines->buckets, 0, sizeof(lines->buckets));
    stream_store_lend(&session->store, lines->buckets);
    session->lines = lines;
    return true;
}

void session_give_lines(struct halo_session *session)
{
    if (session->lines != &session->env->no_lines) {
        stream_store_fini(&session->store, session->env->memory);
        slab_give(&session->env->lines, session->lines);
        session->lines = &session->env->no_lines;
        session->ready_mask = 0;
    }
}

int proto_env_init(struct proto_env *env, struct memory *memory, uint32_t sessions)
{
    *env = (struct proto_env){ .memory = memory };
    slab_init(&env->sessions, memory, sizeof(struct halo_session), sessions);
    slab_init(&env->lines, memory, sizeof(struct session_lines), sessions);
    slab_init(&env->rings, memory, OUTPUT_SEGMENTS_MIN * sizeof(struct segment), sessions);
    lines_init(&env->no_lines);
    slab_init(&env->streams, memory, sizeof(struct halo_stream), 32);
    slab_init(&env->blocks, memory, sizeof(struct write_block), 64);
    return 0;
}

void proto_env_fini(struct proto_env *env)
{
    session_config_give(env, env->config);
    memory_free(env->memory, env->list.fields);
    memory_free(env->memory, env->list.scratch);
    slab_fini(&env->sessions);
    slab_fini(&env->lines);
    slab_fini(&env->rings);
    slab_fini(&env->streams);
    slab_fini(&env->blocks);
}

/* ---- options --------------------------------------------------------------------------- */

static void limits_default(struct halo_limits *limits, int role)
{
    bool client = role == HALO_CLIENT;

    *limits = (struct halo_limits){
        .header_list_size = client ? LIMIT_HEADER_LIST_SIZE_CLIENT : LIMIT_HEADER_LIST_SIZE,
        .header_fields = client ? LIMIT_HEADER_FIELDS_CLIENT : LIMIT_HEADER_FIELDS,
        .header_string = LIMIT_HEADER_STRING,
        .header_block = LIMIT_HEADER_BLOCK,
        .continuation_frames = LIMIT_CONTINUATION_FRAMES,
        .settings_entries = LIMIT_SETTINGS_ENTRIES,
        .information_responses = LIMIT_INFORMATION_RESPONSES,
        .queued_replies = LIMIT_QUEUED_REPLIES,
        .outstanding_pings = LIMIT_OUTSTANDING_PINGS,
        .pending_settings = LIMIT_PENDING_SETTINGS,
        .encoder_table_size = LIMIT_ENCODER_TABLE,
        .send_block = LIMIT_SEND_BLOCK,
        .requests_queued = LIMIT_REQUESTS_QUEUED,
        .resets = LIMIT_RESETS,
        .resets_per_second = LIMIT_RESETS_PER_SECOND,
        .faults = LIMIT_FAULTS,
        .pings = LIMIT_PINGS,
        .pings_per_second = LIMIT_PINGS_PER_SECOND,
        .settings_frames = LIMIT_SETTINGS,
        .settings_per_second = LIMIT_SETTINGS_PER_SECOND,
        .glitches = LIMIT_GLITCHES,
        .glitches_per_second = LIMIT_GLITCHES_PER_SECOND,
        .extension_payload = LIMIT_EXTENSION_PAYLOAD,
        .origins = LIMIT_ORIGINS,
        .origin_octets = LIMIT_ORIGIN_OCTETS,
        .invalid_frames = LIMIT_INVALID_FRAMES,
        .refused_streams = LIMIT_REFUSED_STREAMS,
    };
}

void halo_session_options_init_sized(struct halo_session_options *options, int role,
                                     size_t struct_size)
{
    bool client = role == HALO_CLIENT;
    struct halo_session_options all = {
        .struct_size = struct_size,
        .role = (uint32_t)role,
        .connection_window_size = LIMIT_CONNECTION_WINDOW,
        .stream_receive_window_max = LIMIT_STREAM_WINDOW_MAX,
        .connection_receive_window_max = LIMIT_CONNECTION_WINDOW_MAX,
        .window_update_percent = LIMIT_WINDOW_UPDATE_PERCENT,
        .memory_soft = LIMIT_MEMORY_SOFT,
        .memory_hard = LIMIT_MEMORY_HARD,
        .peer_max_concurrent_streams = LIMIT_PEER_STREAMS_ASSUMED,
        .stream_low_water = LIMIT_STREAM_LOW_WATER,
        .max_reserved_remote_streams = LIMIT_RESERVED_STREAMS,
        .server_port = 443,
        .strict_field_whitespace = 1,
        .strict_single_value_fields = 1,
        .preface_timeout_ms = LIMIT_PREFACE_MS,
        .settings_ack_timeout_ms = LIMIT_SETTINGS_ACK_MS,
        .header_block_timeout_ms = LIMIT_HEADER_BLOCK_MS,
        .idle_timeout_ms = client ? 0 : LIMIT_IDLE_MS,
        .stall_timeout_ms = LIMIT_STALL_MS,
        .body_timeout_ms = client ? 0 : LIMIT_BODY_MS,
        .goaway_timeout_ms = LIMIT_GOAWAY_MS,
        .drain_timeout_ms = LIMIT_DRAIN_MS,
    };

    limits_default(&all.limits, role);
    halo_settings_default(&all.settings);
    all.settings.max_header_list_size = all.limits.header_list_size;
    all.settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_HEADER_LIST_SIZE);
    if (client) {
        /* Pushed responses are rarely wanted, and browsers gave them up. */
        all.settings.enable_push = 0;
        all.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
    } else {
        all.settings.max_concurrent_streams = LIMIT_CONCURRENT_STREAMS;
        all.settings.no_rfc7540_priorities = 1;
        all.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS) |
                                HALO_SETTINGS_BIT(HALO_SETTINGS_NO_RFC7540_PRIORITIES);
    }
    options_fill(options, struct_size, &all, sizeof(all));
}

/* ---- making and freeing ---------------------------------------------------------------- */

static void init_members(struct halo_session *session, const struct halo_session_options *options,
                         uint64_t now_ns)
{
    struct halo_settings defaults;

    session->role = (uint8_t)options->role;
    session->now_ns = now_ns;
    session->user_data = options->user_data;
    session->manual_credit = options->manual_credit != 0;
    session->priority_events = options->priority_events != 0;
    session->on_frame = options->on_frame;
    session_apply_options(session, options);
    session->start_ns = now_ns;
    session->activity_ns = now_ns;
    session->ping_rtt_ns = -1;
    session->streams_max = options->settings.max_concurrent_streams;
    session->encrypted = options->encrypted != 0;
    session->push_origin = (uint8_t)options->push_origin;
    session->push_wanted =
        options->role == HALO_CLIENT; /* RFC 9113 6.5.2: unless we say otherwise */
    halo_settings_default(&defaults);
    memcpy(&session->local, &defaults, sizeof(session->local));
    session->remote = session->local;
    session->remote.max_concurrent_streams = options->peer_max_concurrent_streams;
    session->pending_last = &session->pending_first;
    session->next_local_id = options->role == HALO_CLIENT ? 1 : 2;
    session->goaway_local_id = LIMIT_STREAM_ID_MAX;
    session->goaway_remote_id = LIMIT_STREAM_ID_MAX;
    session_window_init(session, options);
    session->memory.soft = options->memory_soft;
    session->memory.hard = options->memory_hard;
    session->send_window = LIMIT_WINDOW_DEFAULT;
    session->reader.mode = options->role == HALO_SERVER ? READ_PREFACE : READ_FRAME_HEADER;
    session->preface_deadline_ns = session_after_ms(session, options->preface_timeout_ms);
    session->idle_deadline_ns = session_after_ms(session, options->idle_timeout_ms);
    session->goaway_deadline_ns = UINT64_MAX;
    session->drain_deadline_ns = UINT64_MAX;
    session->hold_deadline_ns = UINT64_MAX;
    session->block.deadline_ns = UINT64_MAX;
    list_init(&session->streams);
    list_init(&session->notify);
    list_init(&session->own_note);
    list_init(&session->kept);
}

/* RFC 9113 3.4: the client's preface, then the SETTINGS of either side, then the window of the
 * connection. */
static int write_opening(struct halo_session *session, uint32_t window)
{
    if (session->role == HALO_CLIENT) {
        output_copy(&session->output, PREFACE, PREFACE_LEN);
    }
    HALO_TRY(session_write_settings(session, &session->config->settings));
    if (window > LIMIT_WINDOW_DEFAULT) {
        session_set_window(session, window);
    }
    return session->output.failed ? HALO_E_NOMEM : 0;
}

int session_new_in(struct halo_session **session, struct proto_env *env,
                   const struct halo_session_options *options, uint64_t now_ns)
{
    struct session_config *config;
    struct halo_session *made;
    int status;

    HALO_TRY(session_check_options(options));
    HALO_TRY(env_fit_list(env, &options->limits));
    config = session_config_take(env, options);
    if (config == NULL) {
        return HALO_E_NOMEM;
    }
    made = slab_take_zeroed(&env->sessions);
    if (made == NULL) {
        session_config_give(env, config);
        return HALO_E_NOMEM;
    }
    made->config = config;
    made->env = env;
    output_init(&made->output, &env->blocks, &env->rings);
    hpack_decoder_init(&made->decoder, HPACK_TABLE_SIZE_DEFAULT);
    hpack_encoder_init(&made->encoder,
                       min_u32(HPACK_TABLE_SIZE_DEFAULT, options->limits.encoder_table_size));
    stream_store_init(&made->store);
    made->lines = &env->no_lines;
    init_members(made, options, now_ns);
    abuse_init(&made->abuse, &config->limits, now_ns);
    status = made->priority_events ? session_priorities_new(made) : 0;
    if (status == 0) {
        status = session_extension_new(made, options);
    }
    if (status == 0) {
        status = write_opening(made, options->connection_window_size);
    }
    if (status != 0) {
        halo_session_free(made);
        return status;
    }
    *session = made;
    return 0;
}

int halo_session_new(halo_session **session, const struct halo_session_options *options,
                     uint64_t now_ns)
{
    struct halo_session_options all;
    struct memory base;
    struct memory *memory;
    struct proto_env *env;
    int status;

    halo_session_options_init(&all, (int)options->role);
    HALO_TRY(options_take(&all, sizeof(all), options));
    /* Memory and env of a session that stands alone are made with the allocator they then wrap. */
    memory_init(&base, &all.allocator);
    memory = base.allocator.alloc(sizeof(*memory) + sizeof(*env), base.allocator.ctx);
    if (memory == NULL) {
        return HALO_E_NOMEM;
    }
    *memory = base;
    env = (struct proto_env *)(memory + 1);
    status = proto_env_init(env, memory, 1);
    if (status == 0) {
        status = session_new_in(session, env, &all, now_ns);
    }
    if (status != 0) {
        halo_allocator allocator = memory->allocator;

        proto_env_fini(env);
        memory_fini(memory);
        allocator.release(memory, allocator.ctx);
        return status;
    }
    (*session)->own_memory = memory;
    return 0;
}

static void free_streams(struct halo_session *session)
{
    struct list_link *link;

    while ((link = list_first(&session->streams)) != NULL) {
        struct halo_stream *stream = LIST_ITEM(link, struct halo_stream, all);

        if ((stream->flags & STREAM_CLOSED) == 0) {
            stream_close(stream, &session->error);
        }
        stream_settle_held(stream); /* what a handler was lent when it freed us */
        stream_free(stream);
    }
}

void halo_session_free(halo_session *session)
{
    struct memory *memory;
    struct memory *own;
    struct proto_env *env;

    if (session == NULL) {
        return;
    }
    memory = session->env->memory;
    own = session->own_memory;
    env = session->env;
    session->state = SESSION_OVER;
    session->wake = NULL;
    free_streams(session);
    session_orphan_kept(session);
    output_fini(&session->output);
    halo_slice_release(&session->reader.slice);
    memory_free(memory, session->reader.payload);
    memory_free(memory, session->spent_payload);
    memory_free(memory, session->spent_block);
    session_block_drop(session);
    session_extension_free(session);
    while (session->pending_first != NULL) {
        struct pending_settings *pending = session->pending_first;

        session->pending_first = pending->next;
        memory_free(memory, pending);
    }
    session_give_lines(session);
    memory_free(memory, session->pings);
    memory_free(memory, session->resets_sent.ids);
    memory_free(memory, session->priorities);
    memory_free(memory, session->timers.heap);
    memory_free(memory, session->resets);
    memory_free(memory, hpack_table_memory(&session->decoder.table));
    memory_free(memory, hpack_table_memory(&session->encoder.table));
    memory_free(memory, session->views);
    memory_free(memory, session->frame_totals);
    session_config_give(env, session->config);
    slab_give(&env->sessions, session);
    slab_trim(&env->sessions);
    slab_trim(&env->lines);
    slab_trim(&env->rings);
    slab_trim(&env->streams);
    slab_trim(&env->blocks);
    if (own != NULL) {
        halo_allocator allocator = own->allocator;

        proto_env_fini(env);
        memory_fini(own);
        allocator.release(own, allocator.ctx);
    }
}

/* ---- getters --------------------------------------------------------------------------- */

void halo_session_set_user_data(halo_session *session, void *user_data)
{
    session->user_data = user_data;
}

void *halo_session_user_data(const halo_session *session)
{
    return session->user_data;
}

int halo_session_role(const halo_session *session)
{
    return session->role;
}

int halo_session_is_closed(const halo_session *session)
{
    return session->state != SESSION_OPEN;
}

int halo_session_is_destroyed(const halo_session *session)
{
    return session->state >= SESSION_ENDING;
}

int halo_session_settings_pending(const halo_session *session)
{
    return session->pending_count > 0;
}

void halo_session_get_info(const halo_session *session, struct halo_session_info *info)
{
    *info = (struct halo_session_info){
        .local_window = session->receive.available,
        .remote_window = session->send_window,
        .next_stream_id = session->next_local_id,
        .last_remote_stream_id = session->last_accepted_id,
        .open_streams = session->open_remote + session->open_local,
        .waiting_requests = session->waiting_count,
        .output_octets = session->output.len,
        .output_pieces = session->output.count,
        .encoder_table_octets = session->encoder.table.size,
        .decoder_table_octets = session->decoder.table.size,
        .frames_received = session_frames_received(session),
        .frames_sent = session_frames_sent(session),
        .streams_opened = session->streams_opened,
        .octets_copied_in = session->copied_in,
        .octets_copied_out = session->copied_out,
        .pending_settings = session->pending_count,
        .effective_local_window = session->receive.size,
        .effective_received_octets =
            (int64_t)session->receive.size + session->receive.withheld - session->receive.available,
        .round_trip_ns = session->tuning.round_trip_ns,
        .body_octets_held = session->memory.bodies,
        .memory = halo_session_memory(session),
    };
}
