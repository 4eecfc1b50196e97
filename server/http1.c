/*
 * The machine: one exchange after the other. The next request is not looked at before the response
 * to the one at hand was handed to the connection; what the client sends meanwhile waits in
 * `input`, and reading stops.
 *
 *     HEAD -> BODY -> [TRAILERS ->] ANSWER -> HEAD ...      DONE: the end was decided
 */
#include <halo/connection.h>

#include "server/http1.h"

/* ---- ends ------------------------------------------------------------------------------ */

static void be_done(struct http1 *http1)
{
    http1->state = HTTP1_DONE;
    http1->muted = true;
    http1->section_deadline_ns = UINT64_MAX;
    http1->rest_deadline_ns = UINT64_MAX;
    http1_drop_input(http1);
}

static void end_session(struct http1 *http1, int status, const char *reason)
{
    struct halo_error error = {
        .status = status,
        .code = HALO_PROTOCOL_ERROR,
        .origin = HALO_ORIGIN_LIBRARY,
        .reason = reason,
    };

    session_end(http1->session, &error, false);
    session_wake(http1->session);
}

void http1_fail(struct http1 *http1, int status, const char *reason)
{
    if (http1->state == HTTP1_DONE) {
        return;
    }
    if (status != 0 && !http1->exchange.answered) {
        http1_write_error(&http1->out, status);
        http1->exchange.answered = true;
    }
    be_done(http1);
    end_session(http1, status == 408 ? HALO_E_TIMEOUT : HALO_E_PROTOCOL, reason);
}

void http1_finish(struct http1 *http1)
{
    if (http1->state == HTTP1_DONE) {
        return;
    }
    be_done(http1);
    halo_session_destroy(http1->session, HALO_NO_ERROR);
    session_wake(http1->session);
}

void http1_out_of_memory(struct http1 *http1)
{
    be_done(http1);
    session_out_of_memory(http1->session);
}

void http1_lost(struct http1 *http1, const struct halo_error *error)
{
    be_done(http1);
    halo_session_recv_end(http1->session, error);
    output_clear(&http1->out);
    session_wake(http1->session);
}

void http1_fail_with(struct http1 *http1, int result, const char *reason)
{
    if (result == HTTP1_NO_MEMORY) {
        http1_out_of_memory(http1);
    } else {
        http1_fail(http1, result, reason);
    }
}

/* ---- what the session has led to ------------------------------------------------------- */

bool http1_is_draining(const struct http1 *http1)
{
    return http1->session->state != SESSION_OPEN ||
           http1->session->goaway_local_id < LIMIT_STREAM_ID_MAX;
}

/* The application never saw the request: the session refused it (RFC 9113 8.1.1, 8.7). */
static bool was_refused(const struct http1 *http1)
{
    return http1->exchange.stream_id > http1->session->last_accepted_id;
}

static int status_of_code(uint32_t code)
{
    switch (code) {
    case HALO_ENHANCE_YOUR_CALM:
        return 431;
    case HALO_REFUSED_STREAM:
        return 503;
    case HALO_INTERNAL_ERROR:
        return 500;
    default:
        return 400;
    }
}

static void on_reset(struct http1 *http1)
{
    http1->reset = false;
    if (was_refused(http1)) {
        http1_fail(http1, status_of_code(http1->reset_code), "the request was refused");
    } else {
        http1_finish(http1); /* HTTP/1.1 has no other way to say it */
    }
}

/* The session was ended: by the application, by a deadline, by a request far beyond limits. */
static void on_session_end(struct http1 *http1)
{
    bool muted = http1->muted;

    if (http1->exchange.stream_id != 0 && was_refused(http1) && !http1->exchange.answered) {
        http1_write_error(&http1->out, status_of_code(http1->session->error.code));
        http1->exchange.answered = true;
        muted = true;
    }
    be_done(http1);
    http1->muted = muted; /* what was said before the end is still sent */
}

/* Is the exchange over, and what then? */
static void settle_exchange(struct http1 *http1)
{
    const struct http1_exchange *exchange = &http1->exchange;

    if (!exchange->complete) {
        return;
    }
    if (http1->state != HTTP1_ANSWER) { /* the request is still coming */
        if (exchange->expects) {
            http1_finish(http1);
        } else if (http1->rest_deadline_ns == UINT64_MAX) {
            http1->rest_deadline_ns =
                http1_after_ms(http1, http1->session->config->timeouts.idle_ms);
        }
        return;
    }
    if (!exchange->keep_alive) {
        http1_finish(http1);
    } else if (stream_store_find(&http1->session->store, exchange->stream_id) == NULL) {
        http1_begin_head(http1);
    }
}

void http1_advance(struct http1 *http1)
{
    do {
        if (http1->out.failed && http1->state != HTTP1_DONE) {
            http1_out_of_memory(http1);
        }
        if (http1->session->state >= SESSION_ENDING) {
            if (http1->state != HTTP1_DONE) {
                on_session_end(http1);
            }
            return;
        }
        http1_feed_owed(http1);
        if (http1->reset) {
            on_reset(http1);
        }
        settle_exchange(http1);
    } while (http1_step(http1));
}

/* ---- doors ----------------------------------------------------------------------------- */

int http1_init(struct http1 *http1, struct halo_session *session)
{
    http1->session = session;
    http1->memory = session->env->memory;
    http1->input_last = &http1->input;
    http1->section_deadline_ns = UINT64_MAX;
    output_init(&http1->out, &session->env->blocks, &session->env->rings);
    hpack_encoder_init(&http1->encoder, 0);
    hpack_decoder_init(&http1->decoder, HPACK_TABLE_SIZE_DEFAULT);
    http1_begin_head(http1);
    http1_feed_opening(http1);
    http1_read_output(http1, HTTP1_OUT_MAX);
    http1_feed_owed(http1);
    return http1->out.failed ? HALO_E_NOMEM : 0;
}

void http1_fini(struct http1 *http1)
{
    http1_drop_input(http1);
    http1_section_free(&http1->section, http1->memory);
    http1_frames_free(http1);
    output_fini(&http1->out);
}

void http1_receive(struct http1 *http1, halo_slice *slice)
{
    if (http1->state == HTTP1_DONE || slice->len == 0) {
        halo_slice_release(slice);
        return;
    }
    if (!http1_put_input(http1, slice)) {
        http1_out_of_memory(http1);
    } else if (http1->input_octets > HTTP1_INPUT_MAX) {
        http1_fail(http1, 0, "input beyond what was asked for");
    }
    http1_advance(http1);
}

void http1_receive_end(struct http1 *http1)
{
    http1->input_ended = true;
    http1_advance(http1);
}

bool http1_wants_receive(const struct http1 *http1)
{
    return http1->input == NULL;
}

/* The client waits for 100, and the application for the content: its callbacks are set, it has not
 * answered, and it has not paused the stream. What it said itself has been read by now. */
static void continue_if_wanted(struct http1 *http1)
{
    const struct halo_stream *stream;

    if (!http1->exchange.expects || http1->exchange.answered || http1->state != HTTP1_BODY) {
        return;
    }
    stream = stream_store_find(&http1->session->store, http1->exchange.stream_id);
    if (stream != NULL && (stream->flags & (STREAM_PAUSED | STREAM_HEADERS_SENT)) == 0 &&
        stream->callbacks != NULL && stream->callbacks->on_data != NULL) {
        http1_write_continue(http1);
    }
}

int http1_pull(struct http1 *http1, struct iovec *iov, int max, size_t limit)
{
    bool was_complete = http1->exchange.complete;
    int count;

    http1_read_output(http1, min_size(limit, HTTP1_OUT_MAX));
    continue_if_wanted(http1);
    if (http1->state != HTTP1_DONE &&
        (http1->exchange.complete != was_complete || http1->reset || http1->out.failed ||
         http1->settings_owed > 0 || http1->pings_owed > 0 || http1->credit >= HTTP1_CREDIT_STEP)) {
        session_wake(http1->session); /* there is something to do outside of this call */
    }
    count = output_describe(&http1->out, iov, max, limit);
    if (count > 0) {
        stall_begin(&http1->stall, http1->now_ns, http1->octets_sent);
    }
    return count;
}

void http1_sent(struct http1 *http1, size_t len)
{
    http1->octets_sent += len;
    output_sent(&http1->out, len);
    if (http1->out.len == 0) {
        http1->stall.since_ns = 0;
    }
}

static uint64_t stall_deadline(const struct http1 *http1)
{
    uint32_t stall_ms = http1->session->config->timeouts.stall_ms;

    return stall_ms == 0 || http1->stall.since_ns == 0
               ? UINT64_MAX
               : http1->stall.since_ns + (uint64_t)stall_ms * 1000000u;
}

uint64_t http1_next_timeout(const struct http1 *http1)
{
    uint64_t next = min_u64(http1->section_deadline_ns, http1->rest_deadline_ns);

    return min_u64(next, stall_deadline(http1));
}

bool http1_tick(struct http1 *http1)
{
    if (http1->now_ns >= http1->section_deadline_ns) {
        http1_fail(http1, 408, "header section not complete in time");
    }
    if (http1->now_ns >= http1->rest_deadline_ns) {
        http1_finish(http1);
    }
    return http1->now_ns >= stall_deadline(http1);
}
