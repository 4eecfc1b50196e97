/*
 * The session's private face: what the files session_*.c share. The public one is <halo/session.h>.
 *
 *   session.c          making, options, freeing, getters
 *   session_fault.c    the one sink of faults; closing of streams and of the session
 *   session_recv.c     octets in: preface, frame headers, gathering, the order of events
 *   session_frames.c   one handler per frame type
 *   session_block.c    header blocks: HEADERS + CONTINUATION, HPACK, what a list means
 *   session_headers.c  calls that send responses and trailers
 *   session_request.c  calls that send requests, and those that wait
 *   session_body.c     calls that send bodies
 *   session_receive.c  received bodies handed out, held
 *   session_window.c   receive windows: credit, growth, the round trip
 *   session_memory.c   what the session holds, and its budget
 *   session_output.c   pull and sent: DATA by the scheduler, late
 *   session_progress.c request bodies that do not come
 *   session_waiting.c  requests while the server allows no streams
 *   session_schedule.c whose turn it is; what waits for windows, and for how long
 *   session_priority.c priorities: fields, frames
 *   session_settings.c SETTINGS, ours and the peer's
 *   session_control.c  PING, GOAWAY, graceful end, deadlines
 *   session_push.c, session_extension.c, session_origin.c: see session_extension.h
 *   session_options.c  Node's defaults, minima, switches
 *   session_timers.c   silence of the session and of streams that is to be told
 *   session_stats.c    what the session and its streams did
 *   session_sent.c     blocks that were sent, for who wants them kept
 *
 * The structs are in session_state.h. One rule keeps it simple: nothing in here calls user code
 * except done callbacks of borrowed memory and sources, both from the output side, and the frame
 * trace.
 */
#ifndef HALO_CORE_PROTO_SESSION_H
#define HALO_CORE_PROTO_SESSION_H

#include "core/proto/session_state.h"

/* `sessions`: how many of them memory is taken for at a time. */
int proto_env_init(struct proto_env *env, struct memory *memory, uint32_t sessions);
void proto_env_fini(struct proto_env *env);

/* A session whose memory is that of `env`: halo_session_new without a memory of its own. */
int session_new_in(struct halo_session **session, struct proto_env *env,
                   const struct halo_session_options *options, uint64_t now_ns);

/* The session gets its first stream: false when memory is out. */
bool session_take_lines(struct halo_session *session);
/* It has none any more. */
void session_give_lines(struct halo_session *session);

static inline void session_wake(struct halo_session *session)
{
    if (session->wake != NULL) {
        session->wake(session);
    }
}

/* Something is to be told about the session itself. */
static inline void session_note(struct halo_session *session, uint8_t note)
{
    session->own_notes |= note;
    if (!list_linked(&session->own_note)) {
        list_push_back(&session->notify, &session->own_note);
        session_wake(session);
    }
}

/* Memory that the event at hand points to: freed by the next poll. */
static inline void session_spend(struct halo_session *session, void *memory)
{
    memory_free(session->env->memory, session->spent_payload);
    session->spent_payload = memory;
}

/* ---- session_options.c, session_timers.c, session_stats.c, session_sent.c -------------- */

int session_check_options(const struct halo_session_options *options);
/* What sessions with these options share, with a reference; NULL when memory is out. */
struct session_config *session_config_take(struct proto_env *env,
                                           const struct halo_session_options *options);
void session_config_give(struct proto_env *env, struct session_config *config);
void session_apply_options(struct halo_session *session,
                           const struct halo_session_options *options);

/* When the next silence may have to be told; UINT64_MAX: none. */
uint64_t session_silence_deadline(const struct halo_session *session);
void session_tell_silence(struct halo_session *session);
void stream_timer_remove(struct halo_stream *stream);

uint64_t session_frames_received(const struct halo_session *session);
uint64_t session_frames_sent(const struct halo_session *session);
uint64_t session_received_of(const struct halo_session *session, uint8_t type);
/* Adds the counts of frames to the totals. */
void session_fold_frames(struct halo_session *session);

/* So many octets of one direction had gone by before, and so many now. */
static inline void session_count_octets(struct halo_session *session, uint64_t before, uint64_t now)
{
    if (HALO_UNLIKELY(before / FRAMES_FOLD_OCTETS != now / FRAMES_FOLD_OCTETS)) {
        session_fold_frames(session);
    }
}

void session_count_reset(struct halo_session *session, bool sent, uint32_t code);

static inline uint32_t frame_count_slot(uint8_t type)
{
    return min_u32(type, HALO_FRAME_COUNTS - 1);
}

/* Types are constants where frames are made, so this is one instruction. Whoever makes a frame
 * without frame_reserve() calls it. */
static inline void session_count_sent(struct halo_session *session, uint8_t type)
{
    session->frames_sent_by_type[frame_count_slot(type)]++;
}

enum sent_block {
    SENT_HEADERS,
    SENT_INFORMATION,
    SENT_TRAILERS,
};
/* Takes the list, NULL too. */
void stream_keep_sent(struct halo_stream *stream, enum sent_block kind, struct kept_list *list);
void stream_drop_sent(struct halo_stream *stream);

/* ---- session_fault.c ------------------------------------------------------------------- */

/* The sink: RST_STREAM and the stream's end, or GOAWAY and the session's. `stream_id` is that of
 * the frame (0: none), `stream` its stream when there is one. */
void session_fault(struct halo_session *session, const struct fault *fault, uint32_t stream_id,
                   struct halo_stream *stream);
/* Ends the session: every stream is told, then SESSION_CLOSED. `goaway` with error->code goes out
 * first. `error` status 0: in order. */
void session_end(struct halo_session *session, const struct halo_error *error, bool goaway);
/* Memory was out. */
void session_out_of_memory(struct halo_session *session);
/* Is there more to be sent than what was pulled last, and window for it? */
bool session_goes_on(struct halo_session *session);
/* A draining session without streams ends. */
void session_end_if_drained(struct halo_session *session);

struct halo_stream *stream_new(struct halo_session *session, bool local);
/* Takes back a stream of which nobody was told: it was never opened. What the caller has counted
 * (open and reserved streams, numbers of ours) the caller takes back. */
void stream_undo(struct halo_stream *stream);
/* The stream's end: drops its queues, remembers why, tells. */
void stream_close(struct halo_stream *stream, const struct halo_error *error);
/* Sends RST_STREAM (when the stream has a number and the peer needs it) and closes. */
void stream_reset(struct halo_stream *stream, uint32_t code, int status, uint8_t origin,
                  const char *reason);
/* Both halves are done: closes cleanly. */
void stream_close_if_done(struct halo_stream *stream);
/* A block that had waited for its turn cannot be sent: tells it and closes the stream. */
void stream_frame_error(struct halo_stream *stream, int status);
/* Frees a closed stream whose close was told. */
void stream_free(struct halo_stream *stream);
void stream_note(struct halo_stream *stream, uint8_t note);
/* Writes RST_STREAM and remembers it. */
void session_write_reset(struct halo_session *session, uint32_t stream_id, uint32_t code);

/* ---- session_recv.c, session_frames.c, session_block.c --------------------------------- */

const struct fault *session_frame(struct halo_session *session, const struct frame *frame,
                                  const uint8_t *payload, struct halo_event *event);
const struct fault *session_data_begin(struct halo_session *session);
const struct fault *session_headers_frame(struct halo_session *session, const struct frame *frame,
                                          const uint8_t *payload, struct halo_event *event);
const struct fault *session_continuation(struct halo_session *session, const struct frame *frame,
                                         const uint8_t *payload, struct halo_event *event);
void session_block_drop(struct halo_session *session);
/* A frame that is of no use takes from the budget for these. */
const struct fault *session_useless_frame(struct halo_session *session);
/* Decodes a whole header block into env->list. */
const struct fault *session_decode(struct halo_session *session, const uint8_t *block, size_t len);
/* A header block that begins and goes on in CONTINUATION frames. */
const struct fault *session_block_open(struct halo_session *session, const struct frame *frame,
                                       uint32_t promised_id, const uint8_t *fragment, uint32_t len);
/* Refuses a stream before anything was done for it: the peer may send it again (RFC 9113 8.7). */
const struct fault *session_refuse(struct halo_session *session);
/* What the application set as limits of messages it receives. */
struct message_limits session_message_limits(const struct halo_session *session);

enum stream_lookup {
    LOOKUP_FOUND,
    LOOKUP_IDLE,  /* never used */
    LOOKUP_RESET, /* we reset it a moment ago: what comes was under way */
    LOOKUP_CLOSED,
};
enum stream_lookup session_lookup(const struct halo_session *session, uint32_t stream_id,
                                  struct halo_stream **stream);
bool session_is_local_id(const struct halo_session *session, uint32_t stream_id);

/* ---- session_window.c ------------------------------------------------------------------ */

void session_window_init(struct halo_session *session, const struct halo_session_options *options);
/* Sets the size of the connection's window. */
void session_set_window(struct halo_session *session, uint32_t octets);
void stream_window_init(struct halo_stream *stream);
/* Our SETTINGS_INITIAL_WINDOW_SIZE holds. */
void session_resize_streams(struct halo_session *session, uint32_t size);
/* No stream's window would pass the maximum with this initial size (RFC 9113 6.9.2). */
bool session_windows_allow(const struct halo_session *session, uint32_t initial_window_size);
/* Octets of DATA are done with: credit to the connection and, while the peer may still send on it,
 * to the stream (NULL: gone). */
void session_credit(struct halo_session *session, struct halo_stream *stream, uint32_t len);
/* Less is held: credit that was not given meanwhile. */
void session_credit_flush(struct halo_session *session);
/* DATA has ended what was being measured of a window: perhaps it grows. */
void session_round_over(struct halo_session *session, struct halo_stream *stream);
/* SETTINGS or PING of ours were answered. `exact`: by the answer to a PING. */
void session_round_trip(struct halo_session *session, uint64_t sent_ns, bool exact);
/* PING ACK: is it the answer to one of halo's own? */
bool session_round_trip_ack(struct halo_session *session, const uint8_t *payload);

static inline bool session_is_round_over(const struct halo_session *session,
                                         const struct halo_stream *stream)
{
    return stream->receive.available < stream->receive.round_end ||
           session->receive.available < session->receive.round_end;
}

/* A frame without use. Streams give some back: Chrome may send a frame of a reserved type with each
 * request. False: too many. */
static inline bool session_take_glitch(struct halo_session *session)
{
    struct abuse *abuse = &session->abuse;

    return bucket_take_worked(&abuse->glitches, &abuse->glitches_seen, session->streams_opened,
                              session->now_ns);
}

/* The longest string that may be of use: limits.header_string is for all fields but cookies, whose
 * values clients send as they were given them, some in one piece. */
static inline uint32_t limits_longest_string(const struct halo_limits *limits)
{
    return max_u32(limits->header_string, limits->header_list_size);
}

/* ---- session_memory.c ------------------------------------------------------------------ */

/* The figures grew, or fell. */
void session_memory_grew(struct halo_session *session);
void session_memory_fell(struct halo_session *session);

static inline void session_memory_check(struct halo_session *session)
{
    const struct session_memory *memory = &session->memory;

    if (HALO_UNLIKELY(memory->bodies + memory->overhead > memory->hard / 2)) {
        session_memory_grew(session);
    }
}

/* The session holds more. It may end in here: streams are closed then, and drop what they hold. */
static inline void session_charge(struct halo_session *session, uint64_t bodies, uint64_t overhead)
{
    session->memory.bodies += bodies;
    session->memory.overhead += overhead;
    session_memory_check(session);
}

static inline void session_uncharge(struct halo_session *session, uint64_t bodies,
                                    uint64_t overhead)
{
    struct session_memory *memory = &session->memory;

    HALO_ASSERT(memory->bodies >= bodies && memory->overhead >= overhead);
    memory->bodies -= bodies;
    memory->overhead -= overhead;
    if (HALO_UNLIKELY(memory->pressed)) {
        session_memory_fell(session);
    }
}

/* New streams of the peer are to be refused. */
static inline bool session_memory_short(const struct halo_session *session)
{
    return session->memory.overhead + session->output.len > session->memory.soft;
}

static inline void session_drop_list(struct halo_session *session, struct kept_list *list)
{
    if (list != NULL) {
        session_uncharge(session, 0, list->size);
        memory_free(session->env->memory, list);
    }
}

/* ---- session_receive.c, session_body.c ------------------------------------------------- */

/* Octets of a body are handed out with the next event. */
void session_lend_data(struct halo_session *session, struct halo_stream *stream,
                       const uint8_t *data, uint32_t len);
/* The application has had `len` octets: credit. */
void session_done_with(struct halo_session *session, struct halo_stream *stream, uint32_t len);
/* The session goes: held slices live on without it. */
void session_orphan_kept(struct halo_session *session);
/* Gathers octets for a paused stream. */
bool stream_hold(struct halo_stream *stream, const uint8_t *data, size_t len, bool end);
/* Gathers trailers for a paused stream. */
bool stream_hold_trailers(struct halo_stream *stream, const halo_header *fields, size_t count);
/* Tells the next thing that was held; false when nothing is left. */
bool stream_take_held(struct halo_stream *stream, struct halo_event *event);
void stream_drop_held(struct halo_stream *stream);
void stream_settle_held(struct halo_stream *stream);
void stream_drop_writes(struct halo_stream *stream);
/* For sources inside halo that answer HALO_E_AGAIN and get their octets by themselves: octets that
 * have come, sent without a copy, before the source is asked again. `end`: these were the last (the
 * slice may be empty). The slice is taken. 0 or HALO_E_NOMEM. */
int stream_source_slice(struct halo_stream *stream, halo_slice *slice, bool end);

/* ---- session_headers.c, session_request.c, block_parts.c ------------------------------- */

/* Gives numbers to waiting requests while the peer allows more streams. */
void session_start_waiting(struct halo_session *session);
/* A request with its defaults, checked, as a list to be sent. *head: its method is HEAD. Returns 0,
 * or what halo_session_request() says. */
int session_compose_request(struct halo_session *session, const struct halo_request *request,
                            struct kept_list **fields, bool *head);
/* Writes PUSH_PROMISE and its CONTINUATION frames. Returns 0 or HALO_E_NOMEM. */
int session_write_promise(struct halo_session *session, uint32_t stream_id, uint32_t promised_id,
                          const struct kept_list *fields);
/* Encodes queued trailers of a stream whose body is through. */
void stream_write_trailers(struct halo_stream *stream);

/* ---- session_output.c, session_schedule.c ---------------------------------------------- */

/* The stream has something to send, or its window grew: puts it where the scheduler finds it. A
 * stream of which nothing but the end is left is not in line: that is settled here. */
void stream_schedule(struct halo_stream *stream);
/* Puts DATA of one small piece into the output right away when nothing has to wait, and when no
 * stream that is in line goes before it. */
bool stream_write_now(struct halo_stream *stream, const void *data, size_t len, bool end);
/* END_STREAM went out in a frame that is in the output. */
void stream_sent_end(struct halo_stream *stream);
/* The stream's source has given everything: the end is queued behind it. */
void stream_finish_source(struct halo_stream *stream);
/* The stream's place in line changes. */
void stream_prioritize(struct halo_stream *stream, const struct halo_priority *priority);

/* When the peer has given no window for too long, or held back DATA goes out; UINT64_MAX: not in
 * sight. */
uint64_t session_output_deadline(const struct halo_session *session);
/* Does that for which the time has come: stalled streams are cancelled. */
void session_output_tick(struct halo_session *session);

/* Charges the time since the last change to what the stream has waited for. */
void stream_charge_wait(struct halo_stream *stream);
/* The stream's latest frame was put at the end of the output: until the socket has taken it, the
 * stream waits for that. */
void stream_note_unsent(struct halo_stream *stream);
/* The socket has taken octets: streams of which it has all. */
void session_unsent_taken(struct halo_session *session);

/* From now on the stream waits for this. */
static inline void stream_wait(struct halo_stream *stream, enum wait wait)
{
    if (HALO_UNLIKELY(stream->waits.since_ns != stream->session->now_ns)) {
        stream_charge_wait(stream);
    }
    stream->wait = (uint8_t)wait;
}

static inline int64_t stream_send_window(const struct halo_stream *stream)
{
    return (int64_t)stream->session->remote.initial_window_size + stream->send_credit;
}

/* ---- session_progress.c ---------------------------------------------------------------- */

/* The stream's body is to come. */
void stream_watch_body(struct halo_stream *stream);
void stream_forget_body(struct halo_stream *stream);
uint64_t session_body_deadline(const struct halo_session *session);
/* Cancels the requests whose body came too slowly. */
void session_check_bodies(struct halo_session *session);

/* ---- session_waiting.c ----------------------------------------------------------------- */

uint64_t session_waiting_deadline(const struct halo_session *session);
/* Fails the requests that waited too long for the server to allow a stream. */
void session_check_waiting(struct halo_session *session);

/* ---- session_settings.c, session_control.c --------------------------------------------- */

/* A moment so much later than now; timeout 0: never. */
static inline uint64_t session_after_ms(const struct halo_session *session, uint32_t timeout_ms)
{
    return timeout_ms == 0 ? UINT64_MAX : session->now_ns + (uint64_t)timeout_ms * 1000000u;
}
/* The frame that was committed last is an answer; a fault when nobody reads them. */
const struct fault *session_count_answer(struct halo_session *session);

const struct fault *session_settings_frame(struct halo_session *session, const struct frame *frame,
                                           const uint8_t *payload, struct halo_event *event);
const struct fault *session_ping_frame(struct halo_session *session, const struct frame *frame,
                                       const uint8_t *payload, struct halo_event *event);
const struct fault *session_goaway_frame(struct halo_session *session, const struct frame *frame,
                                         const uint8_t *payload, struct halo_event *event);
/* The oldest PINGs of ours are answered, or never will be. */
void session_drop_pings(struct halo_session *session, uint32_t count);
bool session_write_ping(struct halo_session *session, const uint8_t *payload, uint8_t flags);
/* May this role send these settings? Returns 0 or HALO_E_INVALID_SETTING_VALUE. */
int session_check_settings(int role, const struct halo_settings *settings);
int session_write_settings(struct halo_session *session, const struct halo_settings *settings);
void session_write_goaway(struct halo_session *session, uint32_t last_stream_id, uint32_t code,
                          const void *debug_data, size_t debug_len);
/* The session is ending: tells the next PING or SETTINGS of ours that will not be answered. */
bool session_tell_cancelled(struct halo_session *session, struct halo_event *event);
/* Streams came or went: starts or stops the idle deadline. */
void session_idle_update(struct halo_session *session);

/* ---- frames out ------------------------------------------------------------------------ */

/* Room for a frame of `len` payload octets with its header written; *payload is where it goes. The
 * frame is settled by frame_commit(). NULL when memory is out. */
static inline uint8_t *frame_reserve(struct halo_session *session, uint32_t len, uint8_t type,
                                     uint8_t flags, uint32_t stream_id)
{
    uint8_t *out = output_reserve(&session->output, FRAME_HEADER_LEN + (size_t)len);

    if (HALO_LIKELY(out != NULL)) {
        frame_header_store(out, len, type, flags, stream_id);
        session_count_sent(session, type);
    }
    return out;
}

void session_trace_sent(struct halo_session *session, const uint8_t *frame, size_t len);

/* The frame that was committed last answers one of the peer. */
static inline void session_count_reply(struct halo_session *session)
{
    session->replies_queued++;
    session->replies_end = session->octets_sent + session->output.len;
}

static inline void frame_commit(struct halo_session *session, uint8_t *start, const uint8_t *end)
{
    output_commit(&session->output, start, end);
    if (HALO_UNLIKELY(session->on_frame != NULL)) {
        session_trace_sent(session, start, (size_t)(end - start));
    }
}

#endif
