/*
 * Received bodies: what is handed out, slices that the application holds on to, data that waits for
 * a paused stream.
 *
 * Every octet of DATA payload has exactly one owner at a time and one return of credit: padding and
 * discarded data at once; data handed out when the event is settled; held slices when they are
 * released; data of a paused stream when it was handed out at last; manual credit when it is
 * consumed, or the stream closes.
 */
#include "core/proto/session.h"

#include "core/proto/limits.h"

/* ---- handed out ------------------------------------------------------------------------ */

static struct halo_stream *open_stream(struct halo_stream *stream)
{
    return (stream->flags & STREAM_CLOSED) != 0 ? NULL : stream;
}

void session_lend_data(struct halo_session *session, struct halo_stream *stream,
                       const uint8_t *data, uint32_t len)
{
    session->lent_stream = stream;
    session->lent_data = data;
    session->lent_len = len;
    session->lent_kept = false;
    /* With manual credit the octets are the application's to consume from now on, in the handler of
     * this very event, too. */
    session->credit_given = session->manual_credit;
    if (session->manual_credit) {
        stream->unconsumed += len;
    }
}

void session_done_with(struct halo_session *session, struct halo_stream *stream, uint32_t len)
{
    session_credit(session, open_stream(stream), len);
}

int halo_stream_consume(halo_stream *stream, size_t len)
{
    if (!stream->session->manual_credit) {
        return HALO_E_WRONG_STATE;
    }
    if (len > stream->unconsumed) {
        return HALO_E_INVALID_ARGUMENT;
    }
    stream->unconsumed -= (uint32_t)len;
    session_credit(stream->session, open_stream(stream), (uint32_t)len);
    session_wake(stream->session);
    return 0;
}

/* ---- slices that the application holds ------------------------------------------------- */

/* A reference to received octets; its release is the moment of credit. */
struct kept_data {
    struct halo_buffer buffer;
    struct list_link kept; /* session->kept */
    halo_slice inner; /* the input's buffer, or empty when the octets were copied behind this */
    struct halo_session *session; /* NULL: gone */
    halo_allocator allocator;     /* whence this came; it may outlive the session's memory */
    uint32_t stream_id;
    uint32_t len; /* credit that is due */
    uint32_t held;
};

/* What a slice costs beside its octets: the struct above, and a short one more than that. */
static uint32_t slice_overhead(uint32_t len)
{
    return max_u32(sizeof(struct kept_data),
                   len < LIMIT_HELD_CHARGE_MIN ? LIMIT_HELD_CHARGE_MIN - len : 0);
}

static void kept_release(struct halo_buffer *buffer)
{
    struct kept_data *kept = HALO_CONTAINER(buffer, struct kept_data, buffer);
    struct halo_session *session = kept->session;
    halo_allocator allocator = kept->allocator;

    halo_slice_release(&kept->inner);
    if (session == NULL) {
        memory_release_orphan(&allocator, kept);
        return;
    }
    list_remove(&kept->kept);
    session->kept_count--;
    session_uncharge(session, kept->held, slice_overhead(kept->held));
    session_credit(session, stream_store_find(&session->store, kept->stream_id), kept->len);
    session_wake(session);
    memory_free(session->env->memory, kept);
}

int halo_session_keep_data(halo_session *session, halo_slice *slice)
{
    const halo_slice *input = &session->reader.slice;
    bool held = session->lent == LENT_HELD && session->lent_data != NULL;
    bool copied = input->owner == NULL || held;
    struct memory *memory = session->env->memory;
    struct kept_data *kept;

    if ((session->lent != LENT_DATA && !held) || session->lent_kept) {
        return HALO_E_WRONG_STATE;
    }
    kept = memory_alloc(memory, sizeof(*kept) + (copied ? session->lent_len : 0));
    if (kept == NULL) {
        return HALO_E_NOMEM;
    }
    *kept = (struct kept_data){
        .session = session,
        .allocator = memory->allocator,
        .stream_id = session->lent_stream->id,
        .len = session->lent_len,
        .held = session->lent_len,
    };
    buffer_init(&kept->buffer, kept_release);
    list_push_back(&session->kept, &kept->kept);
    session->kept_count++;
    if (copied) {
        memcpy(kept + 1, session->lent_data, session->lent_len);
        session->copied_in += session->lent_len;
        *slice = slice_of(&kept->buffer, (const uint8_t *)(kept + 1), session->lent_len);
    } else {
        kept->inner = halo_slice_ref(*input);
        *slice = slice_of(&kept->buffer, session->lent_data, session->lent_len);
    }
    session->lent_kept = true;
    session->credit_given = true;
    if (session->manual_credit) {
        kept->len = 0; /* consuming is the credit, whoever holds the octets */
    }
    session_charge(session, kept->held, slice_overhead(kept->held));
    return 0;
}

void session_orphan_kept(struct halo_session *session)
{
    struct list_link *link;

    while ((link = list_pop_front(&session->kept)) != NULL) {
        LIST_ITEM(link, struct kept_data, kept)->session = NULL;
        memory_orphan(session->env->memory);
    }
}

/* ---- paused streams -------------------------------------------------------------------- */

/* What came while the stream was paused: octets in chunks, then perhaps trailers or just the end.
 * Bounded by the stream's window, since no credit is given for it. */
struct held_data {
    struct chunk *first;
    struct chunk *last;
    struct kept_list *trailers;
    bool end;
    bool lent; /* the first chunk, or the trailers, were handed out and are to be settled */
};

static struct held_data *held_of(struct halo_stream *stream)
{
    if (stream->held == NULL) {
        stream->held = memory_zalloc(stream->session->env->memory, sizeof(struct held_data));
        if (stream->held != NULL && (stream->flags & STREAM_PAUSED) == 0) {
            stream_note(stream, NOTE_HELD);
        }
    }
    return stream->held;
}

/* A chunk is charged with all of its memory: the octets in it, and what is not filled. */
static uint32_t chunk_overhead(const struct chunk *chunk)
{
    return (uint32_t)sizeof(*chunk) - chunk->used;
}

static void drop_chunk(struct halo_session *session, struct chunk *chunk)
{
    session_uncharge(session, chunk->used, chunk_overhead(chunk));
    chunk_unref(session->env->memory, chunk);
}

/* Adds to the chunks; the figures are checked by the caller, since that may end the session. */
static bool gather_held(struct halo_session *session, struct held_data *held, const uint8_t *data,
                        size_t len)
{
    while (len > 0) {
        struct chunk *chunk = held->last;
        size_t part;

        if (chunk == NULL || chunk->used == CHUNK_ROOM || (held->lent && chunk == held->first)) {
            chunk = chunk_take(session->env->memory);
            if (chunk == NULL) {
                return false;
            }
            session->memory.overhead += chunk_overhead(chunk);
            if (held->last != NULL) {
                held->last->next = chunk;
            } else {
                held->first = chunk;
            }
            held->last = chunk;
        }
        part = min_size(len, CHUNK_ROOM - chunk->used);
        memcpy(chunk->data + chunk->used, data, part);
        chunk->used += (uint32_t)part;
        session->memory.bodies += part;
        session->memory.overhead -= part;
        data += part;
        len -= part;
    }
    return true;
}

bool stream_hold(struct halo_stream *stream, const uint8_t *data, size_t len, bool end)
{
    struct halo_session *session = stream->session;
    struct held_data *held = held_of(stream);

    if (held == NULL) {
        return false;
    }
    held->end |= end;
    session->copied_in += len;
    if (!gather_held(session, held, data, len)) {
        return false;
    }
    session_memory_check(session);
    return true;
}

bool stream_hold_trailers(struct halo_stream *stream, const halo_header *fields, size_t count)
{
    struct held_data *held = held_of(stream);

    if (held == NULL) {
        return false;
    }
    held->trailers = kept_list_new(stream->session->env->memory, fields, count);
    held->end = true;
    if (held->trailers == NULL) {
        return false;
    }
    session_charge(stream->session, 0, held->trailers->size);
    return true;
}

bool stream_take_held(struct halo_stream *stream, struct halo_event *event)
{
    struct halo_session *session = stream->session;
    struct held_data *held = stream->held;

    if (held == NULL || (stream->flags & STREAM_PAUSED) != 0) {
        return false;
    }
    session->lent = LENT_HELD;
    session->lent_stream = stream;
    session->lent_data = NULL;
    held->lent = true;
    if (held->first == NULL && held->trailers != NULL) {
        event->type = HALO_EVENT_TRAILERS;
        event->flags = HALO_END_STREAM;
        event->u.headers.fields = held->trailers->fields;
        event->u.headers.count = held->trailers->count;
        event->u.headers.status = 0;
        return true;
    }
    event->type = HALO_EVENT_DATA;
    event->u.data.data = held->first != NULL ? held->first->data : (const uint8_t *)"";
    event->u.data.len = held->first != NULL ? held->first->used : 0;
    session_lend_data(session, stream, event->u.data.data, (uint32_t)event->u.data.len);
    if (held->first == held->last && held->end && held->trailers == NULL) {
        event->flags = HALO_END_STREAM;
    }
    return true;
}

__attribute__((noinline, cold)) static void drop_held(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    struct held_data *held = stream->held;

    if (held != NULL) {
        /* What the application was handed stays until it is settled. */
        struct chunk **from = held->lent && held->first != NULL ? &held->first->next : &held->first;
        bool trailers_lent = held->lent && held->first == NULL;

        while (*from != NULL) {
            struct chunk *chunk = *from;

            *from = chunk->next;
            session_credit(session, NULL, chunk->used);
            drop_chunk(session, chunk);
        }
        held->last = held->first;
        if (!trailers_lent) {
            session_drop_list(session, held->trailers);
            held->trailers = NULL;
        }
        if (!held->lent) {
            memory_free(session->env->memory, held);
            stream->held = NULL;
        }
    }
    if (stream->unconsumed > 0) {
        session_credit(session, NULL, stream->unconsumed);
        stream->unconsumed = 0;
    }
}

void stream_drop_held(struct halo_stream *stream)
{
    if (HALO_UNLIKELY(stream->held != NULL || stream->unconsumed > 0)) {
        drop_held(stream);
    }
}

/* The piece that was handed out is done with: on to the next, or the stream goes on as usual. */
void stream_settle_held(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    struct held_data *held = stream->held;

    if (held == NULL || !held->lent) {
        return;
    }
    held->lent = false;
    if (held->first != NULL) {
        struct chunk *chunk = held->first;

        held->first = chunk->next;
        held->last = held->first == NULL ? NULL : held->last;
        if (!session->credit_given) {
            session_done_with(session, stream, chunk->used);
        }
        drop_chunk(session, chunk);
        if (held->first != NULL || held->trailers != NULL) {
            stream_note(stream, NOTE_HELD);
            return;
        }
    }
    session_drop_list(session, held->trailers);
    memory_free(session->env->memory, held);
    stream->held = NULL;
    if ((stream->flags & STREAM_CLOSED) != 0) {
        stream_note(stream, NOTE_CLOSED); /* reset by the peer behind this data */
    } else {
        stream_close_if_done(stream);
    }
}

void halo_stream_pause(halo_stream *stream)
{
    stream->flags |= STREAM_PAUSED;
}

void halo_stream_resume(halo_stream *stream)
{
    stream->flags &= ~(uint32_t)STREAM_PAUSED;
    if (stream->held != NULL && !stream->held->lent) {
        stream_note(stream, NOTE_HELD);
    }
}
