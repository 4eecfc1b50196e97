/*
 * Receive windows: credit that goes back, and windows that grow to what the way to the peer holds.
 *
 * A peer sends without a pause when what is left of its window, when a WINDOW_UPDATE is sent, lasts
 * for a round trip or longer. It learns of the update half a round trip later, so an octet beyond
 * what was left cannot be here sooner than a round trip after the update; and if it is here not
 * much later than that, the peer was waiting for it, or nearly. Then the window grows fourfold, at
 * once, and the same is measured again:
 *
 *     we:    update, `available` octets left    octet beyond: one round trip later? grow    ...
 *             |                                       ^
 *     peer:   +------> learns of it, and sends -------+
 *
 * The first measurement of a window is half of it, from the first octet on. A window does not grow
 * when the application lags behind, when the body ends within it, or when the session holds much.
 *
 * The round trip itself is known from our first SETTINGS and their ACK, and from PINGs of the
 * application. For a window that could grow, halo sends a PING of its own, at most one at a time
 * and one in ten seconds: there is none on connections that are quiet or carry small bodies, and
 * DATA came before each. So peers that count PINGs have no reason to complain (gRPC allows two
 * without DATA of its own in between).
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"

static void write_window_update(struct halo_session *session, uint32_t stream_id,
                                uint32_t increment)
{
    uint8_t *frame = frame_reserve(session, 4, FRAME_WINDOW_UPDATE, 0, stream_id);

    if (frame != NULL) {
        store_u32(frame + FRAME_HEADER_LEN, increment);
        frame_commit(session, frame, frame + FRAME_HEADER_LEN + 4);
        session_wake(session);
    }
}

/* ---- one window ------------------------------------------------------------------------ */

static struct receive_window *window_of(struct halo_session *session, struct halo_stream *stream)
{
    return stream != NULL ? &stream->receive : &session->receive;
}

/* What is to be added to `available`: a stream's is the difference to the initial size. */
static int64_t base_of(const struct halo_session *session, const struct halo_stream *stream)
{
    return stream != NULL ? (int64_t)session->local.initial_window_size : 0;
}

static void set_size(const struct halo_session *session, struct receive_window *window,
                     int64_t size)
{
    window->size = (int32_t)size;
    window->batch = (uint32_t)(size * session->config->window_update_percent / 100);
    window->batch = max_u32(1, min_u32(window->batch, LIMIT_WINDOW_UPDATE_OCTETS));
}

static bool can_grow(const struct halo_session *session, const struct halo_stream *stream)
{
    const struct receive_window *window = stream != NULL ? &stream->receive : &session->receive;
    uint32_t max =
        stream != NULL ? session->config->stream_window_max : session->tuning.connection_max;

    return (int64_t)window->size < (int64_t)max;
}

/* Gives `credit` octets, and begins to measure when the window could grow. */
static void give(struct halo_session *session, struct halo_stream *stream, uint32_t credit)
{
    struct receive_window *window = window_of(session, stream);

    window->available += (int32_t)credit;
    if (window->round_end != ROUND_NONE && window->round_start_ns != 0) {
        window->round_end += (int32_t)credit;
    } else if (can_grow(session, stream)) {
        window->round_start_ns = max_u64(session->now_ns, 1);
        window->round_end = (int32_t)((int64_t)credit - base_of(session, stream));
    } else {
        window->round_end = ROUND_NONE;
    }
    write_window_update(session, stream != NULL ? stream->id : 0, credit);
}

/* Peers count WINDOW_UPDATE frames against the streams and DATA frames of theirs (Envoy: 5 + 2 x
 * (streams + 10 x DATA)) and end the connection. So those of less than half a window, which the
 * option window_update_percent asks for, are two for each DATA frame at most, one for the stream and
 * one for the connection; and while a frame is coming in, they wait for its end. */
static __attribute__((noinline, cold)) bool may_give_early(struct halo_session *session,
                                                           const struct halo_stream *stream)
{
    const struct receive_window *window = stream != NULL ? &stream->receive : &session->receive;
    const struct reader *reader = &session->reader;
    uint32_t half = (uint32_t)((int64_t)window->size * LIMIT_WINDOW_UPDATE_PERCENT / 100);

    if (window->unreturned >= min_u32(half, LIMIT_WINDOW_UPDATE_OCTETS)) {
        return true;
    }
    if (reader->mode == READ_DATA && (stream == NULL || stream == reader->data_stream)) {
        return false;
    }
    if (session->tuning.early_updates >= 2 * session_received_of(session, FRAME_DATA)) {
        return false;
    }
    session->tuning.early_updates++;
    return true;
}

/* Gives all credit that has been collected, or as much as the window had at its start. */
static void give_collected(struct halo_session *session, struct halo_stream *stream)
{
    struct receive_window *window = window_of(session, stream);
    uint32_t credit = window->unreturned;

    if (HALO_UNLIKELY(session->memory.pressed)) {
        int64_t start = stream != NULL ? (int64_t)session->local.initial_window_size
                                       : (int64_t)session->tuning.connection_start;
        int64_t available = window->available + base_of(session, stream);

        if (available > start / 2) {
            return;
        }
        credit = (uint32_t)min_u64(credit, (uint64_t)(start - available));
    }
    if (credit > 0 &&
        (HALO_LIKELY(session->config->window_update_percent >= LIMIT_WINDOW_UPDATE_PERCENT) ||
         may_give_early(session, stream))) {
        window->unreturned -= credit;
        give(session, stream, credit);
    }
}

void session_credit(struct halo_session *session, struct halo_stream *stream, uint32_t len)
{
    if (len == 0 || session->state >= SESSION_ENDING) {
        return;
    }
    if (receive_window_return(&session->receive, len)) {
        give_collected(session, NULL);
    }
    /* A stream that ended needs no more. */
    if (stream != NULL && stream->recv_half != HALF_DONE &&
        receive_window_return(&stream->receive, len)) {
        give_collected(session, stream);
    }
}

static void give_due(struct halo_session *session, struct halo_stream *stream)
{
    const struct receive_window *window = window_of(session, stream);

    if (window->unreturned >= window->batch) {
        give_collected(session, stream);
    }
}

static bool is_receiving(const struct halo_stream *stream)
{
    return stream->id != 0 && stream->recv_half != HALF_DONE &&
           (stream->flags & STREAM_CLOSED) == 0;
}

void session_credit_flush(struct halo_session *session)
{
    struct list_link *link;

    if (session->state >= SESSION_ENDING) {
        return;
    }
    give_due(session, NULL);
    for (link = session->streams.next; link != &session->streams; link = link->next) {
        struct halo_stream *stream = LIST_ITEM(link, struct halo_stream, all);

        if (is_receiving(stream)) {
            give_due(session, stream);
        }
    }
}

/* ---- sizes ----------------------------------------------------------------------------- */

void session_window_init(struct halo_session *session, const struct halo_session_options *options)
{
    struct window_tuning *tuning = &session->tuning;

    tuning->connection_max = options->connection_receive_window_max;
    tuning->connection_start = options->connection_window_size;
    session->receive.available = LIMIT_WINDOW_DEFAULT;
    session->receive.round_end = ROUND_NONE;
    set_size(session, &session->receive, LIMIT_WINDOW_DEFAULT);
}

void stream_window_init(struct halo_stream *stream)
{
    const struct halo_session *session = stream->session;

    set_size(session, &stream->receive, session->local.initial_window_size);
    /* The first octet begins the first measurement. */
    stream->receive.round_end = can_grow(session, stream) ? 0 : ROUND_NONE;
}

void session_set_window(struct halo_session *session, uint32_t octets)
{
    struct receive_window *window = &session->receive;
    uint32_t old = (uint32_t)window->size;
    uint32_t part;

    set_size(session, window, octets);
    if (octets > old) {
        /* What is still withheld was never taken from the peer: giving that up is giving it. */
        part = min_u32(octets - old, window->withheld);
        window->withheld -= part;
        part = octets - old - part;
        window->available += (int32_t)part;
        if (part > 0) {
            write_window_update(session, 0, part);
        }
    } else {
        /* Credit that was given cannot be taken back; it is withheld from what comes. */
        part = min_u32(old - octets, window->unreturned);
        window->unreturned -= part;
        window->withheld += old - octets - part;
    }
    window->round_start_ns = 0;
    window->round_end = can_grow(session, NULL) ? window->available : ROUND_NONE;
}

int halo_session_set_window(halo_session *session, uint32_t octets)
{
    if (session->state >= SESSION_ENDING) {
        return HALO_E_INVALID_SESSION;
    }
    if (octets > LIMIT_WINDOW_MAX) {
        return HALO_E_INVALID_ARGUMENT;
    }
    session->tuning.connection_max = 0;
    session->tuning.connection_start = octets;
    session_set_window(session, octets);
    return 0;
}

/* What streams give back, and when, goes by the initial size. Credit that had been collected up to
 * half the old size may be due by the new one. */
void session_resize_streams(struct halo_session *session, uint32_t size)
{
    int64_t difference = (int64_t)size - session->local.initial_window_size;
    struct list_link *link;

    session->local.initial_window_size = size;
    for (link = session->streams.next; link != &session->streams; link = link->next) {
        struct halo_stream *stream = LIST_ITEM(link, struct halo_stream, all);
        struct receive_window *window = &stream->receive;

        set_size(session, window, window->size + difference);
        if (window->round_start_ns != 0) {
            window->round_end = ROUND_NONE; /* the next update begins anew */
        }
        if (is_receiving(stream)) {
            give_due(session, stream);
        }
    }
}

bool session_windows_allow(const struct halo_session *session, uint32_t initial_window_size)
{
    const struct list_link *link;

    for (link = session->streams.next; link != &session->streams; link = link->next) {
        const struct halo_stream *stream = HALO_CONTAINER((uintptr_t)link, struct halo_stream, all);
        int64_t grown = (int64_t)stream->receive.size - session->local.initial_window_size;

        if (initial_window_size + grown > LIMIT_WINDOW_MAX) {
            return false;
        }
    }
    return true;
}

/* ---- the round trip -------------------------------------------------------------------- */

static const char own_ping[7] = "halortt";

static bool is_measured(const struct halo_session *session)
{
    const struct window_tuning *tuning = &session->tuning;

    return tuning->measured &&
           session->now_ns - tuning->measured_ns < LIMIT_ROUND_TRIP_FRESH_MS * 1000000ull;
}

/* The smallest figure counts: what is longer was waiting for something else, an ACK behind DATA for
 * instance. When the ways have become longer, an old figure follows step by step. */
void session_round_trip(struct halo_session *session, uint64_t sent_ns, bool exact)
{
    struct window_tuning *tuning = &session->tuning;
    uint64_t round_trip_ns = max_u64(session->now_ns - sent_ns, 1);

    if (tuning->round_trip_ns == 0 || round_trip_ns < tuning->round_trip_ns) {
        tuning->round_trip_ns = round_trip_ns;
    } else if (tuning->measured && !is_measured(session)) {
        tuning->round_trip_ns = min_u64(round_trip_ns, 2 * tuning->round_trip_ns);
    }
    if (exact) {
        tuning->measured = true;
        tuning->measured_ns = session->now_ns;
    }
}

static void measure_round_trip(struct halo_session *session)
{
    struct window_tuning *tuning = &session->tuning;
    uint8_t payload[8];

    if (tuning->ping_out || is_measured(session)) {
        return;
    }
    memcpy(payload, own_ping, sizeof(own_ping));
    payload[7] = ++tuning->ping_number;
    tuning->ping_out = session_write_ping(session, payload, 0);
    tuning->ping_sent_ns = session->now_ns;
}

bool session_round_trip_ack(struct halo_session *session, const uint8_t *payload)
{
    struct window_tuning *tuning = &session->tuning;

    if (!tuning->ping_out || memcmp(payload, own_ping, sizeof(own_ping)) != 0 ||
        payload[7] != tuning->ping_number) {
        return false;
    }
    tuning->ping_out = false;
    session_round_trip(session, tuning->ping_sent_ns, true);
    return true;
}

/* ---- growth ---------------------------------------------------------------------------- */

static void grow_to(struct halo_session *session, struct halo_stream *stream, int64_t size)
{
    struct receive_window *window = window_of(session, stream);
    uint32_t credit = window->unreturned + (uint32_t)(size - window->size);

    set_size(session, window, size);
    window->unreturned = 0;
    window->round_end = ROUND_NONE;
    give(session, stream, credit);
}

/* How large a stream's window may be so that no SETTINGS of ours under way push it over the maximum
 * when they hold (RFC 9113 6.9.2). */
static int64_t size_allowed(const struct halo_session *session)
{
    const uint32_t bit = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    const struct pending_settings *pending;
    uint32_t initial = session->local.initial_window_size;

    for (pending = session->pending_first; pending != NULL; pending = pending->next) {
        if ((pending->settings.present & bit) != 0) {
            initial = max_u32(initial, pending->settings.initial_window_size);
        }
    }
    return (int64_t)LIMIT_WINDOW_MAX - initial + session->local.initial_window_size;
}

static void grow(struct halo_session *session, struct halo_stream *stream)
{
    const struct window_tuning *tuning = &session->tuning;
    int64_t max = stream != NULL ? session->config->stream_window_max : tuning->connection_max;
    int64_t size = (int64_t)window_of(session, stream)->size * LIMIT_WINDOW_GROWTH;

    size = size < max ? size : max;
    if (stream != NULL && session->pending_first != NULL) {
        size = size < size_allowed(session) ? size : size_allowed(session);
    }
    if (size <= window_of(session, stream)->size) {
        return;
    }
    grow_to(session, stream, size);
    if (stream != NULL && can_grow(session, NULL) && session->receive.size < 2 * size) {
        /* One stream alone is not to wait for the connection, whose credit comes in halves. */
        size = 2 * size < tuning->connection_max ? 2 * size : (int64_t)tuning->connection_max;
        grow_to(session, NULL, size);
    }
}

/* Would a larger window be used? */
static bool is_worth_growing(const struct halo_session *session, const struct halo_stream *stream)
{
    const struct receive_window *window = stream != NULL ? &stream->receive : &session->receive;
    int64_t available = window->available + base_of(session, stream);
    int64_t not_done = (int64_t)window->size + window->withheld - available - window->unreturned;

    /* What came before this frame had a round trip's time to be done with. */
    not_done -= session->reader.frame.len;
    if (session->memory.pressed || window->withheld > 0 || not_done > window->size / 8) {
        return false;
    }
    return stream == NULL || stream->content_left < 0 || stream->content_left > available;
}

static void round_over(struct halo_session *session, struct halo_stream *stream)
{
    struct receive_window *window = window_of(session, stream);
    uint64_t round_trip_ns = session->tuning.round_trip_ns;
    bool first = window->round_start_ns == 0;
    uint64_t elapsed_ns = session->now_ns - window->round_start_ns;

    if (!can_grow(session, stream)) {
        window->round_end = ROUND_NONE;
        return;
    }
    if (first) {
        window->round_start_ns = max_u64(session->now_ns, 1);
        window->round_end = (int32_t)(window->size - window->size / 2 - base_of(session, stream));
        return;
    }
    window->round_end = ROUND_NONE;
    measure_round_trip(session);
    /* Not known: our first SETTINGS were not answered, so less than a round trip has passed. A
     * quarter more: clocks, and octets that wait for their turn. */
    if ((round_trip_ns == 0 || elapsed_ns <= round_trip_ns + round_trip_ns / 4) &&
        is_worth_growing(session, stream)) {
        grow(session, stream);
    }
}

void session_round_over(struct halo_session *session, struct halo_stream *stream)
{
    bool ends = (session->reader.frame.flags & FLAG_END_STREAM) != 0;

    if (stream->receive.available < stream->receive.round_end && !ends) {
        round_over(session, stream);
    }
    if (session->receive.available < session->receive.round_end) {
        round_over(session, NULL);
    }
}
