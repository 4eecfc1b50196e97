/*
 * Silence that the application wants to hear of: setTimeout of sessions and streams. Nothing ends by
 * it.
 *
 * Activity only stores the time. The streams that have a timeout stand in a heap by the earliest
 * moment at which they can be due; one that was active meanwhile is put back when its turn comes. So
 * a frame costs nothing here, and a tick looks at those alone that may be due.
 */
#include "core/proto/session.h"

enum { NO_TIMER = 0 };

static uint64_t nanoseconds(uint32_t timeout_ms)
{
    return (uint64_t)timeout_ms * 1000000u;
}

/* ---- the heap: stream->timer_place is the index + 1, NO_TIMER for none ----------------- */

static void put_at(struct stream_timers *timers, uint32_t index, struct stream_timer timer)
{
    timers->heap[index] = timer;
    timer.stream->timer_place = index + 1;
}

static void sift_up(struct stream_timers *timers, uint32_t index, struct stream_timer timer)
{
    while (index > 0 && timers->heap[(index - 1) / 2].due_ns > timer.due_ns) {
        put_at(timers, index, timers->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    put_at(timers, index, timer);
}

static void sift_down(struct stream_timers *timers, uint32_t index, struct stream_timer timer)
{
    for (;;) {
        uint32_t child = index * 2 + 1;

        if (child + 1 < timers->count &&
            timers->heap[child + 1].due_ns < timers->heap[child].due_ns) {
            child++;
        }
        if (child >= timers->count || timers->heap[child].due_ns >= timer.due_ns) {
            break;
        }
        put_at(timers, index, timers->heap[child]);
        index = child;
    }
    put_at(timers, index, timer);
}

static bool grow(struct halo_session *session)
{
    struct stream_timers *timers = &session->timers;
    uint32_t cap = timers->cap == 0 ? 16 : timers->cap * 2;
    struct stream_timer *heap =
        memory_resize(session->env->memory, timers->heap, cap * sizeof(*heap));

    if (heap == NULL) {
        return false;
    }
    timers->heap = heap;
    timers->cap = cap;
    return true;
}

void stream_timer_remove(struct halo_stream *stream)
{
    struct stream_timers *timers = &stream->session->timers;
    uint32_t index = stream->timer_place - 1;
    struct stream_timer last;

    if (stream->timer_place == NO_TIMER) {
        return;
    }
    stream->timer_place = NO_TIMER;
    last = timers->heap[--timers->count];
    if (index == timers->count) {
        return;
    }
    if (index > 0 && timers->heap[(index - 1) / 2].due_ns > last.due_ns) {
        sift_up(timers, index, last);
    } else {
        sift_down(timers, index, last);
    }
}

/* ---- streams --------------------------------------------------------------------------- */

int halo_stream_set_timeout(halo_stream *stream, uint32_t timeout_ms)
{
    struct halo_session *session = stream->session;
    struct stream_timers *timers = &session->timers;

    if ((stream->flags & STREAM_CLOSED) != 0) {
        return HALO_E_INVALID_STREAM;
    }
    stream_timer_remove(stream);
    stream->timeout_ms = timeout_ms;
    if (timeout_ms == 0) {
        return 0;
    }
    if (timers->count == timers->cap && !grow(session)) {
        stream->timeout_ms = 0;
        return HALO_E_NOMEM;
    }
    stream->activity_ns = session->now_ns;
    stream->told_ns = UINT64_MAX;
    stream->flags |= STREAM_EXTRAS;
    sift_up(timers, timers->count++,
            (struct stream_timer){ session->now_ns + nanoseconds(timeout_ms), stream });
    session_wake(session);
    return 0;
}

static void look_at_streams(struct halo_session *session)
{
    struct stream_timers *timers = &session->timers;

    while (timers->count > 0 && timers->heap[0].due_ns <= session->now_ns) {
        struct halo_stream *stream = timers->heap[0].stream;
        uint64_t timeout_ns = nanoseconds(stream->timeout_ms);
        uint64_t due_ns = stream->activity_ns + timeout_ns;

        if (due_ns <= session->now_ns) {
            /* Once for each silence, and not behind its end. */
            if (stream->told_ns != stream->activity_ns && (stream->flags & STREAM_CLOSED) == 0) {
                stream->told_ns = stream->activity_ns;
                stream_note(stream, NOTE_TIMEOUT);
            }
            due_ns = session->now_ns + timeout_ns;
        }
        sift_down(timers, 0, (struct stream_timer){ due_ns, stream });
    }
}

/* ---- the session ----------------------------------------------------------------------- */

void halo_session_set_timeout(halo_session *session, uint32_t timeout_ms)
{
    session->timeout_ns = nanoseconds(timeout_ms);
    session->activity_ns = session->now_ns;
    session->told_ns = UINT64_MAX;
    session_wake(session);
}

static uint64_t session_due(const struct halo_session *session)
{
    return session->timeout_ns == 0 || session->told_ns == session->activity_ns
               ? UINT64_MAX
               : session->activity_ns + session->timeout_ns;
}

uint64_t session_silence_deadline(const struct halo_session *session)
{
    uint64_t due_ns = session_due(session);

    return session->timers.count > 0 ? min_u64(due_ns, session->timers.heap[0].due_ns) : due_ns;
}

void session_tell_silence(struct halo_session *session)
{
    if (session_due(session) <= session->now_ns) {
        session->told_ns = session->activity_ns;
        session_note(session, OWN_NOTE_TIMEOUT);
    }
    look_at_streams(session);
}
