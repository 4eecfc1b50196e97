/*
 * Whose turn it is to send DATA, and what waits.
 *
 * Order (RFC 9218 section 10): lower urgency first, strictly. Within one urgency, streams that are
 * not incremental go one after the other, in the order of their numbers: the first is complete
 * before the second begins. Incremental ones take turns of a frame. Where an urgency has both, turns
 * alternate between the two kinds: the line of the ones, and the round of the others. So neither
 * starves, and a response that is needed whole gets half, however many are content with parts.
 *
 * In line are only streams that have octets to send and window for them; without window they are
 * in `blocked`, and with nothing to send in no list. None of them costs the others anything.
 *
 * Against dribbling (CVE-2019-9511): DATA that is short only because a window is small is held back
 * when a frame of that kind went out less than a second ago; so there is one in a second at most.
 * The time counts for the peer's stall all the same.
 */
#include "core/proto/schedule.h"

#include "core/proto/limits.h"

/* ---- room worth a frame ---------------------------------------------------------------- */

/* From how many octets on a frame is no dribble: what is there, or what the window can hold. */
static int64_t worth_sending(const struct halo_stream *stream)
{
    uint32_t window = stream->session->remote.initial_window_size;
    int64_t worth = min_u32(LIMIT_DATA_MIN, max_u32(window, LIMIT_DATA_MIN_SMALL));
    bool known = stream->source.read == NULL || (stream->flags & STREAM_SOURCE_IDLE) != 0;

    return known && stream->buffered < (size_t)worth ? (int64_t)stream->buffered : worth;
}

static uint64_t hold_end(uint64_t small_ns)
{
    return small_ns == 0 ? 0 : small_ns + LIMIT_DATA_HOLD_MS * (uint64_t)1000000;
}

bool schedule_stream_holds(const struct halo_stream *stream)
{
    int64_t window = stream_send_window(stream);

    if (HALO_LIKELY(window >= LIMIT_DATA_MIN)) {
        return false;
    }
    return window <= 0 ||
           (window < worth_sending(stream) && stream->session->now_ns < hold_end(stream->small_ns));
}

bool schedule_connection_holds(const struct halo_stream *stream)
{
    const struct halo_session *session = stream->session;
    int64_t window = session->send_window;

    if (HALO_LIKELY(window >= LIMIT_DATA_MIN)) {
        return false;
    }
    return window <= 0 || (window < stream_send_window(stream) && window < worth_sending(stream) &&
                           session->now_ns < hold_end(session->small_ns));
}

void schedule_note_small(struct halo_stream *stream, uint32_t room)
{
    struct halo_session *session = stream->session;

    if ((int64_t)room >= worth_sending(stream)) {
        return;
    }
    if (session->send_window < stream_send_window(stream)) {
        session->small_ns = max_u64(session->now_ns, 1);
    } else {
        stream->small_ns = max_u64(session->now_ns, 1);
    }
}

/* ---- the lists ------------------------------------------------------------------------- */

/* The list of blocked streams is in the order of their waits: first who has waited longest. */
static void put_in_blocked(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    struct list_link *place = session->lines->blocked.prev;

    stall_begin(&stream->stall, session->now_ns, stream->octets_sent);
    list_remove(&stream->queue);
    while (place != &session->lines->blocked &&
           LIST_ITEM(place, struct halo_stream, queue)->stall.since_ns > stream->stall.since_ns) {
        place = place->prev;
    }
    list_insert_before(place->next, &stream->queue);
    stream->flags |= STREAM_BLOCKED;
    stream_wait(stream, WAIT_STREAM_WINDOW);
}

static void put_in_ready(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    struct list_link *head = &session->lines->turns[stream->urgency];
    struct list_link *place = head;

    if ((session->ready_mask >> stream->urgency & 1) == 0) {
        list_init(&session->lines->ready[stream->urgency]);
        list_init(&session->lines->turns[stream->urgency]);
    }
    list_remove(&stream->queue);
    if ((stream->flags & STREAM_INCREMENTAL) == 0) {
        head = &session->lines->ready[stream->urgency];
        place = head;
        while (place->prev != head &&
               LIST_ITEM(place->prev, struct halo_stream, queue)->id > stream->id) {
            place = place->prev;
        }
    }
    list_insert_before(place, &stream->queue);
    session->ready_mask |= (uint8_t)(1u << stream->urgency);
    stream->flags &= ~(uint32_t)STREAM_BLOCKED;
}

static void enter_ready(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    put_in_ready(stream);
    stream_wait(stream, WAIT_TURN);
    stream->waits.window_ns = window_clock_read(&session->window_clock, session->now_ns);
    if (session->send_window <= 0) {
        stall_begin(&session->stall, session->now_ns, session->data_sent);
        window_clock_set(&session->window_clock, true, session->now_ns);
    }
    session_wake(session);
}

/* Nothing is left but the end, which needs no window and waits for none. */
static void end_now(struct halo_stream *stream)
{
    list_remove(&stream->queue);
    stream->flags &= ~(uint32_t)STREAM_BLOCKED;
    if ((stream->flags & STREAM_WAIT_TRAILERS) == 0) {
        stream_write_now(stream, "", 0, true);
    } else if ((stream->flags & STREAM_TRAILERS_ASKED) == 0) {
        stream->flags |= STREAM_TRAILERS_ASKED;
        stream_note(stream, NOTE_WANT_TRAILERS);
    }
}

void stream_schedule(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    bool blocked = (stream->flags & STREAM_BLOCKED) != 0;

    if ((stream->flags & (STREAM_CLOSED | STREAM_WAITING)) != 0 || stream->send_half != HALF_BODY) {
        return;
    }
    if (!schedule_has_data(stream)) {
        if (stream->source.read == NULL && (stream->flags & STREAM_END_QUEUED) != 0) {
            end_now(stream);
        }
        return;
    }
    if (HALO_UNLIKELY(schedule_stream_holds(stream))) {
        if (!blocked) {
            put_in_blocked(stream);
        }
        if (stream_send_window(stream) > 0) {
            session->hold_deadline_ns =
                min_u64(session->hold_deadline_ns, hold_end(stream->small_ns));
        }
    } else if (blocked || !list_linked(&stream->queue)) {
        enter_ready(stream);
    }
}

void stream_prioritize(struct halo_stream *stream, const struct halo_priority *priority)
{
    const uint32_t elsewhere = STREAM_BLOCKED | STREAM_WAITING | STREAM_CLOSED;

    stream->urgency = (uint8_t)min_u32(priority->urgency, HALO_URGENCY_LOWEST);
    stream->flags &= ~(uint32_t)STREAM_INCREMENTAL;
    stream->flags |= priority->incremental != 0 ? STREAM_INCREMENTAL : 0;
    if ((stream->flags & elsewhere) == 0 && list_linked(&stream->queue)) {
        put_in_ready(stream);
    }
}

/* ---- turns ----------------------------------------------------------------------------- */

/* The first in line; bits of urgencies without a stream are dropped from *mask. */
static struct halo_stream *first_in_line(const struct halo_session *session, uint8_t *mask)
{
    while (*mask != 0) {
        int urgency = __builtin_ctz(*mask);
        const struct list_link *one = &session->lines->ready[urgency];
        const struct list_link *turn = &session->lines->turns[urgency];
        bool turn_is_next = (session->turns_mask >> urgency & 1) != 0;

        if (!list_empty(turn) && (turn_is_next || list_empty(one))) {
            return LIST_ITEM(turn->next, struct halo_stream, queue);
        }
        if (!list_empty(one)) {
            return LIST_ITEM(one->next, struct halo_stream, queue);
        }
        *mask &= (uint8_t) ~(1u << urgency);
    }
    return NULL;
}

struct halo_stream *schedule_next(struct halo_session *session)
{
    return first_in_line(session, &session->ready_mask);
}

/* After one of the line comes one of the round, and after that one of the line. */
static void pass_turn(const struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    uint8_t bit = (uint8_t)(1u << stream->urgency);

    if ((stream->flags & STREAM_INCREMENTAL) != 0) {
        session->turns_mask &= (uint8_t)~bit;
    } else {
        session->turns_mask |= bit;
    }
}

/* `stream` goes before the others of its urgency that are in line. */
static bool leads_urgency(const struct halo_stream *stream)
{
    const struct halo_session *session = stream->session;
    const struct list_link *one = &session->lines->ready[stream->urgency];
    const struct list_link *turn = &session->lines->turns[stream->urgency];
    bool turn_is_next = (session->turns_mask >> stream->urgency & 1) != 0;

    if ((session->ready_mask >> stream->urgency & 1) == 0) {
        return true; /* there are none */
    }
    if ((stream->flags & STREAM_INCREMENTAL) != 0) { /* it would be at the end of the round */
        return list_empty(turn) && (turn_is_next || list_empty(one));
    }
    return (list_empty(turn) || !turn_is_next) &&
           (list_empty(one) || LIST_ITEM(one->next, struct halo_stream, queue)->id > stream->id);
}

bool schedule_take_turn(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    const struct halo_stream *first = schedule_next(session);

    if (first == NULL || first->urgency > stream->urgency) {
        return true;
    }
    if (first->urgency < stream->urgency || !leads_urgency(stream)) {
        return false;
    }
    pass_turn(stream);
    return true;
}

/* The source said "later", and "again" while it was being asked. It is asked in the next batch: in
 * this one it could go on like that for ever. */
static void ask_again(struct halo_stream *stream)
{
    if (stream->source.read == NULL || (stream->flags & STREAM_CLOSED) != 0) {
        return;
    }
    stream->flags &= ~(uint32_t)(STREAM_SOURCE_RESUMED | STREAM_SOURCE_IDLE);
    put_in_blocked(stream);
    stream_wait(stream, WAIT_APPLICATION);
    stream->session->recheck_blocked = true;
    session_wake(stream->session);
}

void schedule_had_turn(struct halo_stream *stream)
{
    pass_turn(stream);
    if (!schedule_has_data(stream) || (stream->flags & STREAM_CLOSED) != 0) {
        if (HALO_UNLIKELY((stream->flags & STREAM_SOURCE_RESUMED) != 0)) {
            ask_again(stream);
        }
        return;
    }
    if (HALO_UNLIKELY((stream->flags & STREAM_BLOCKED) != 0)) {
        return; /* done() wrote, and without window that waits already */
    }
    if (schedule_stream_holds(stream)) {
        list_remove(&stream->queue);
        stream_schedule(stream);
        return;
    }
    if ((stream->flags & STREAM_INCREMENTAL) != 0) {
        put_in_ready(stream);
    }
    stream_wait(stream, WAIT_TURN);
}

/* Blocked streams look again, once a build and not once a frame. */
static void recheck_blocked(struct halo_session *session)
{
    struct list_link blocked;
    struct list_link *link;

    session->recheck_blocked = false;
    session->hold_deadline_ns = UINT64_MAX;
    list_init(&blocked);
    list_append_all(&blocked, &session->lines->blocked);
    while ((link = list_pop_front(&blocked)) != NULL) {
        struct halo_stream *stream = LIST_ITEM(link, struct halo_stream, queue);

        stream->flags &= ~(uint32_t)STREAM_BLOCKED;
        stream_schedule(stream);
    }
}

void schedule_begin(struct halo_session *session)
{
    if (HALO_UNLIKELY(session->recheck_blocked)) {
        recheck_blocked(session);
    }
}

/* The first in line waits for the socket, all behind it for their turn. */
static void wait_for_socket(struct halo_session *session, struct halo_stream *first)
{
    uint32_t id = first != NULL ? first->id : 0;
    struct halo_stream *before;

    if (session->socket_waiter == id) {
        return;
    }
    before = stream_store_find(&session->store, session->socket_waiter);
    if (before != NULL && before->wait == WAIT_SOCKET) {
        stream_wait(before, WAIT_TURN);
    }
    session->socket_waiter = id;
    if (first != NULL) {
        stream_wait(first, WAIT_SOCKET);
    }
}

void schedule_settle(struct halo_session *session)
{
    struct halo_stream *first = schedule_next(session);
    bool holds = first != NULL && schedule_connection_holds(first);

    if (first == NULL) {
        session->stall.since_ns = 0;
    } else if (holds) {
        stall_begin(&session->stall, session->now_ns, session->data_sent);
        if (session->send_window > 0) {
            session->hold_deadline_ns =
                min_u64(session->hold_deadline_ns, hold_end(session->small_ns));
        }
    }
    window_clock_set(&session->window_clock, holds, session->now_ns);
    wait_for_socket(session, holds ? NULL : first);
}

/* ---- peers that give no window --------------------------------------------------------- */

static uint64_t stall_end(const struct halo_session *session, const struct stall *stall)
{
    return stall->since_ns + (uint64_t)session->config->timeouts.stall_ms * 1000000u;
}

static bool connection_stalls(const struct halo_session *session)
{
    uint8_t mask = session->ready_mask;
    const struct halo_stream *first;

    if (HALO_LIKELY(session->stall.since_ns == 0)) {
        return false;
    }
    first = first_in_line(session, &mask);
    return first != NULL && schedule_connection_holds(first);
}

static uint64_t stall_deadline(const struct halo_session *session)
{
    uint64_t deadline = UINT64_MAX;

    if (session->config->timeouts.stall_ms == 0) {
        return deadline;
    }
    if (connection_stalls(session)) {
        deadline = stall_end(session, &session->stall);
    }
    if (!list_empty(&session->lines->blocked)) {
        const struct halo_stream *stream =
            HALO_CONTAINER((uintptr_t)session->lines->blocked.next, struct halo_stream, queue);

        deadline = min_u64(deadline, stall_end(session, &stream->stall));
    }
    return deadline;
}

uint64_t session_output_deadline(const struct halo_session *session)
{
    return min_u64(stall_deadline(session), session->hold_deadline_ns);
}

static void reset_stalled(struct halo_stream *stream)
{
    stream_reset(stream, HALO_CANCEL, HALO_E_TIMEOUT, HALO_ORIGIN_LIBRARY,
                 "the peer gave no window");
}

/* All that waited for the window of the connection. */
static void reset_ready(struct halo_session *session)
{
    struct list_link ready;
    struct list_link *link;

    session->stall.since_ns = 0;
    list_init(&ready);
    for (size_t i = 0; i < HALO_ARRAY_LEN(session->lines->ready); i++) {
        if ((session->ready_mask >> i & 1) == 0) {
            continue;
        }
        list_append_all(&ready, &session->lines->ready[i]);
        list_append_all(&ready, &session->lines->turns[i]);
    }
    while ((link = list_pop_front(&ready)) != NULL) {
        reset_stalled(LIST_ITEM(link, struct halo_stream, queue));
    }
}

void session_output_tick(struct halo_session *session)
{
    if (session->hold_deadline_ns <= session->now_ns) {
        session->hold_deadline_ns = UINT64_MAX;
        session->recheck_blocked = true;
        session_wake(session);
    }
    if (stall_deadline(session) > session->now_ns) {
        return;
    }
    if (connection_stalls(session) && stall_end(session, &session->stall) <= session->now_ns) {
        reset_ready(session);
    }
    while (stall_deadline(session) <= session->now_ns) {
        reset_stalled(LIST_ITEM(session->lines->blocked.next, struct halo_stream, queue));
    }
}

/* ---- where the time goes --------------------------------------------------------------- */

void stream_charge_wait(struct halo_stream *stream)
{
    const struct halo_session *session = stream->session;
    struct waits *waits = &stream->waits;
    uint64_t spent_ns = session->now_ns - waits->since_ns;

    bool unsent = (stream->flags & STREAM_UNSENT) != 0;

    if (stream->wait == WAIT_TURN || stream->wait == WAIT_SOCKET) {
        uint64_t clock_ns = window_clock_read(&session->window_clock, session->now_ns);
        uint64_t window_ns = unsent ? 0 : min_u64(clock_ns - waits->window_ns, spent_ns);

        waits->window_ns = clock_ns;
        waits->spent_ns[WAIT_CONNECTION_WINDOW] += window_ns;
        spent_ns -= window_ns;
    }
    waits->spent_ns[unsent ? WAIT_SOCKET : stream->wait] += spent_ns;
    waits->since_ns = session->now_ns;
}

void stream_note_unsent(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;

    stream_wait(stream, stream->wait);
    if ((stream->flags & STREAM_UNSENT) != 0) {
        list_remove(&stream->unsent);
    }
    stream->flags |= STREAM_UNSENT;
    stream->unsent_end = session->octets_sent + session->output.len;
    list_push_back(&session->lines->unsent, &stream->unsent);
}

void session_unsent_taken(struct halo_session *session)
{
    struct list_link *link;

    while ((link = list_first(&session->lines->unsent)) != NULL) {
        struct halo_stream *stream = LIST_ITEM(link, struct halo_stream, unsent);

        if (stream->unsent_end > session->octets_sent) {
            return;
        }
        if ((stream->flags & STREAM_CLOSED) == 0) {
            stream_wait(stream, stream->wait);
        }
        stream->flags &= ~(uint32_t)STREAM_UNSENT;
        list_remove(&stream->unsent);
    }
}

void halo_stream_get_stalls(const halo_stream *stream, struct halo_stream_stalls *stalls)
{
    struct halo_stream now = *stream;
    const uint64_t *spent_ns = now.waits.spent_ns;

    if ((stream->flags & STREAM_CLOSED) == 0) {
        stream_charge_wait(&now);
    }
    *stalls = (struct halo_stream_stalls){
        .application_ns = spent_ns[WAIT_APPLICATION],
        .stream_window_ns = spent_ns[WAIT_STREAM_WINDOW],
        .connection_window_ns = spent_ns[WAIT_CONNECTION_WINDOW],
        .place_ns = spent_ns[WAIT_PLACE],
        .turn_ns = spent_ns[WAIT_TURN],
        .socket_ns = spent_ns[WAIT_SOCKET],
        .peer_ns = spent_ns[WAIT_PEER],
    };
}
