/*
 * What sessions and streams did: the figures of Node's PerformanceEntry objects. The hot path adds
 * to a few counters that lie beside what it touches anyway; everything else is worked out here.
 */
#include "core/proto/session.h"

/* Without memory it is done the next time: there is room for many. */
void session_fold_frames(struct halo_session *session)
{
    struct frame_totals *totals = session->frame_totals;

    if (totals == NULL) {
        totals = memory_zalloc(session->env->memory, sizeof(*totals));
        if (totals == NULL) {
            return;
        }
        session->frame_totals = totals;
    }
    for (size_t i = 0; i < HALO_FRAME_COUNTS; i++) {
        totals->received[i] += session->frames_received_by_type[i];
        totals->sent[i] += session->frames_sent_by_type[i];
        session->frames_received_by_type[i] = 0;
        session->frames_sent_by_type[i] = 0;
    }
}

uint64_t session_received_of(const struct halo_session *session, uint8_t type)
{
    const struct frame_totals *totals = session->frame_totals;

    return session->frames_received_by_type[type] + (totals != NULL ? totals->received[type] : 0);
}

static uint64_t sent_of(const struct halo_session *session, uint8_t type)
{
    const struct frame_totals *totals = session->frame_totals;

    return session->frames_sent_by_type[type] + (totals != NULL ? totals->sent[type] : 0);
}

uint64_t session_frames_received(const struct halo_session *session)
{
    uint64_t total = 0;

    for (uint8_t i = 0; i < HALO_FRAME_COUNTS; i++) {
        total += session_received_of(session, i);
    }
    return total;
}

uint64_t session_frames_sent(const struct halo_session *session)
{
    uint64_t total = 0;

    for (uint8_t i = 0; i < HALO_FRAME_COUNTS; i++) {
        total += sent_of(session, i);
    }
    return total;
}

/* Most sessions never see a reset: the counters come with the first. Without memory it is not
 * counted. */
void session_count_reset(struct halo_session *session, bool sent, uint32_t code)
{
    uint32_t slot = min_u32(code, HALO_CODE_COUNTS - 1);

    if (session->resets == NULL) {
        session->resets = memory_zalloc(session->env->memory, sizeof(*session->resets));
        if (session->resets == NULL) {
            return;
        }
    }
    if (sent) {
        session->resets->sent[slot]++;
    } else {
        session->resets->received[slot]++;
    }
}

void halo_session_get_stats(const halo_session *session, struct halo_session_stats *stats)
{
    uint64_t end_ns = session->state >= SESSION_ENDING ? session->end_ns : session->now_ns;
    const struct list_link *link;
    uint64_t open = 0;

    for (link = session->streams.next; link != &session->streams; link = link->next) {
        open++;
    }

    *stats = (struct halo_session_stats){
        .type = session->role,
        .start_ns = session->start_ns,
        .duration_ns = end_ns - session->start_ns,
        .bytes_read = session->reader.bytes_received,
        .bytes_written = session->octets_sent,
        .frames_received = session_frames_received(session),
        .frames_sent = session_frames_sent(session),
        .max_concurrent_streams = session->store.count_max,
        .stream_count = session->streams_opened,
        .ping_rtt_ns = session->ping_rtt_ns,
    };
    if (session->streams_opened > open) {
        stats->stream_average_duration_ns =
            session->stream_time_ns / (session->streams_opened - open);
    }
    for (uint8_t i = 0; i < HALO_FRAME_COUNTS; i++) {
        stats->frames_received_by_type[i] = session_received_of(session, i);
        stats->frames_sent_by_type[i] = sent_of(session, i);
    }
    if (session->resets != NULL) {
        memcpy(stats->resets_received, session->resets->received, sizeof(stats->resets_received));
        memcpy(stats->resets_sent, session->resets->sent, sizeof(stats->resets_sent));
    }
}

/* From the stream's start to a moment that was noted, if it was. */
static int64_t since_start(const struct halo_stream *stream, bool happened, uint64_t at_ns)
{
    return happened ? (int64_t)(at_ns - stream->start_ns) : -1;
}

void halo_stream_get_stats(const halo_stream *stream, struct halo_stream_stats *stats)
{
    /* A stream of the peer begins with its first header block. */
    bool remote = (stream->flags & STREAM_LOCAL) == 0;

    *stats = (struct halo_stream_stats){
        .id = stream->id,
        .start_ns = stream->start_ns,
        .duration_ns = stream->session->now_ns - stream->start_ns,
        .bytes_read = stream->octets_received,
        .bytes_written = stream->octets_sent,
        .time_to_first_header_ns =
            remote ? 0
                   : since_start(stream, stream->first_header_ns != 0, stream->first_header_ns - 1),
        .time_to_first_byte_ns =
            since_start(stream, stream->octets_received > 0, stream->first_received_ns),
        .time_to_first_byte_sent_ns =
            since_start(stream, stream->octets_sent > 0, stream->first_sent_ns),
    };
}
