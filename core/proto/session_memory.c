/*
 * What a session holds, and its budget. Memory is counted when it is held, not when it is promised,
 * in two figures:
 *
 *     bodies     octets of received bodies: data of paused streams, slices that the application
 *                keeps. The peer was given credit for each of them.
 *     overhead   what comes on top: what is empty in a chunk of a paused stream, what a short slice
 *                costs beside its octets, header lists that are kept
 *
 * Body octets alone cannot break the budget, since an honest peer that uploads to a paused stream
 * does only what it was allowed to; their bound is the connection's window. The overhead is what a
 * hostile peer can make large with few octets. So it is the overhead that refuses new streams, and
 * ends the session; both together make windows act as at their start, so that the promise shrinks
 * while much of it is used.
 *
 * What has a bound of its own and is the same for every session (tables, the block that is being
 * gathered, output, PINGs) is added up only when somebody asks.
 */
#include "core/proto/session.h"

#include "core/base/options.h"
#include "core/proto/limits.h"

void session_memory_grew(struct halo_session *session)
{
    struct session_memory *memory = &session->memory;

    memory->pressed = true;
    if (memory->overhead > memory->hard && session->state < SESSION_ENDING) {
        static const struct halo_error error = {
            .status = HALO_E_PROTOCOL,
            .code = HALO_ENHANCE_YOUR_CALM,
            .origin = HALO_ORIGIN_LIBRARY,
            .reason = "the session holds too much memory",
        };

        session_end(session, &error, true);
    }
}

/* Half of where the pressure begins: it does not come and go with every slice. */
void session_memory_fell(struct halo_session *session)
{
    struct session_memory *memory = &session->memory;

    if (memory->bodies + memory->overhead <= memory->hard / 4) {
        memory->pressed = false;
        session_credit_flush(session);
    }
}

uint64_t halo_session_memory(const halo_session *session)
{
    const struct session_memory *memory = &session->memory;
    uint64_t streams = (uint64_t)session->open_remote + session->open_local;

    return sizeof(*session) + streams * sizeof(struct halo_stream) + memory->bodies +
           memory->overhead + hpack_table_memory_size(&session->decoder.table) +
           hpack_table_memory_size(&session->encoder.table) + session->block.cap +
           (session->reader.payload != NULL ? session->reader.payload_size : 0) +
           session->output.len + session->pending_count * sizeof(struct pending_settings) +
           session->resets_sent.cap * sizeof(uint32_t) +
           (session->views != NULL ? sizeof(struct settings_views) : 0) +
           (session->frame_totals != NULL ? sizeof(struct frame_totals) : 0) +
           (session->pings != NULL ? LIMIT_OUTSTANDING_PINGS * sizeof(struct sent_ping) : 0) +
           (session->lines != &session->env->no_lines ? sizeof(struct session_lines) : 0);
}

/* ---- the bound ------------------------------------------------------------------------- */

static uint64_t streams_bound(const struct halo_session_options *options)
{
    uint64_t streams = options->settings.max_concurrent_streams;

    if ((options->settings.present & HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS)) ==
        0) {
        streams = LIMIT_STREAM_ID_MAX / 2; /* as many as there are numbers */
    }
    if (options->role == HALO_CLIENT) {
        streams = 0; /* they are the application's own */
    }
    /* The table of numbers has at most two places a stream, and its older half while it grows. The
     * size of a kept list is rounded up. */
    return streams * (sizeof(struct halo_stream) + 3 * sizeof(void *) + 1024) + 16 * sizeof(void *);
}

/* Bodies within the windows, and the overhead up to the limit and a step beyond, which ends the
 * session: one list, and one piece of a body that is kept while it is still in its chunk. */
static uint64_t held_bound(const struct halo_session_options *options, uint64_t windows)
{
    const struct halo_limits *limits = &options->limits;
    uint64_t list = limits->header_list_size +
                    ((uint64_t)limits->header_fields + LIMIT_COOKIE_CRUMBS) * sizeof(halo_header) +
                    sizeof(struct kept_list);

    return windows + options->memory_hard + list + 2 * sizeof(struct chunk);
}

static uint64_t headers_bound(const struct halo_limits *limits)
{
    /* A block that is gathered, twice while its memory is moved, and the frame that adds to it. */
    uint64_t frame = max_u64((uint64_t)limits->header_block + 261, LIMIT_CONTROL_PAYLOAD);

    return 2 * (uint64_t)limits->header_block + 2 * frame;
}

/* Chunks may be filled by half, since what is reserved must lie in one piece. */
static uint64_t output_bound(void)
{
    const uint64_t reply = FRAME_HEADER_LEN + 8;

    return 2 * (uint64_t)LIMIT_OUTPUT_SOFT + LIMIT_QUEUED_REPLIES_HARD * reply +
           4 * sizeof(struct chunk) + 2048 * sizeof(struct segment);
}

static uint64_t session_bound(const struct halo_session_options *options)
{
    return sizeof(struct halo_session) + sizeof(struct session_config) +
           sizeof(struct settings_views) + sizeof(struct frame_totals) +
           sizeof(struct session_lines) + LIMIT_OUTSTANDING_PINGS * sizeof(struct sent_ping) +
           ((uint64_t)options->limits.pending_settings + 1) * sizeof(struct pending_settings) +
           2 * LIMIT_RESETS_REMEMBERED * sizeof(uint32_t);
}

static uint64_t shared_bound(const struct halo_session_options *options)
{
    const struct halo_limits *limits = &options->limits;

    return HPACK_SCRATCH_SIZE(limits->header_list_size, limits_longest_string(limits)) +
           ((uint64_t)limits->header_fields + LIMIT_COOKIE_CRUMBS) * sizeof(halo_header) +
           CHUNKS_SPARE_MAX * sizeof(struct chunk) + memory_spare_max +
           64 * sizeof(struct halo_stream) + 32 * sizeof(struct halo_session) +
           32 * (sizeof(struct session_lines) + OUTPUT_SEGMENTS_MIN * sizeof(struct segment)) +
           128 * sizeof(struct write_block) + sizeof(struct memory) + sizeof(struct proto_env);
}

int halo_session_memory_bound(const struct halo_session_options *options,
                              struct halo_memory_bound *bound)
{
    struct halo_session_options all;
    uint32_t decoder_size = LIMIT_DECODER_TABLE;

    *bound = (struct halo_memory_bound){ 0 };
    if (options->role > HALO_CLIENT) {
        return HALO_E_INVALID_ARGUMENT;
    }
    halo_session_options_init(&all, (int)options->role);
    HALO_TRY(options_take(&all, sizeof(all), options));
    if ((all.settings.present & HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE)) != 0) {
        decoder_size = max_u32(decoder_size, all.settings.header_table_size);
    }
    bound->windows = max_u32(all.connection_window_size, all.connection_receive_window_max);
    bound->held = held_bound(&all, bound->windows);
    /* Both pieces are there while one is moved. */
    bound->tables = 2 * ((uint64_t)hpack_table_room_most(decoder_size, false) +
                         hpack_table_room_most(all.limits.encoder_table_size, true));
    bound->headers = headers_bound(&all.limits);
    bound->output = output_bound();
    bound->streams = streams_bound(&all);
    bound->session = session_bound(&all);
    bound->shared = shared_bound(&all);
    bound->total = bound->held + bound->tables + bound->headers + bound->output + bound->streams +
                   bound->session;
    return 0;
}
