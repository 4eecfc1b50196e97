/*
 * Requests that wait while the server allows no streams at all: SETTINGS_MAX_CONCURRENT_STREAMS 0
 * should last for short times only (RFC 9113 6.5.2), and a client that waited for ever would tell
 * its user nothing.
 */
#include "core/proto/session.h"

uint64_t session_waiting_deadline(const struct halo_session *session)
{
    const struct halo_stream *first;

    if (HALO_LIKELY(session->waiting_count == 0) || session->remote.max_concurrent_streams > 0 ||
        session->config->timeouts.stall_ms == 0) {
        return UINT64_MAX;
    }
    first = HALO_CONTAINER((uintptr_t)session->lines->waiting.next, struct halo_stream, queue);
    return max_u64(session->no_streams_ns, first->start_ns) +
           (uint64_t)session->config->timeouts.stall_ms * 1000000u;
}

void session_check_waiting(struct halo_session *session)
{
    while (session_waiting_deadline(session) <= session->now_ns) {
        struct halo_stream *stream =
            LIST_ITEM(session->lines->waiting.next, struct halo_stream, queue);

        stream_reset(stream, HALO_CANCEL, HALO_E_TIMEOUT, HALO_ORIGIN_LIBRARY,
                     "the server allows no streams");
    }
}
