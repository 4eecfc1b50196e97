/*
 * The machine: one exchange after the other. The next request is not looked at before the response
 * to the one at hand was handed to the connection; what the client sends meanwhile waits in
 * `input`, and reading stops.
 *
 *     HEAD -> BODY -> [TRAILERS ->] ANSWER -> HEAD ...      DONE: the end was decided
 */
#include <halo/connection.h>

#include "server/http1.h"

enum { SECTION_OCTETS_MAX = 1 << 28, FRAME_PAYLOAD = LIMIT_FRAME_SIZE_MIN };

/* ---- input ----------------------------------------------------------------------------- */

static void take_input(struct http1 *http1, size_t len)
{
    struct http1_input *input = http1->input;

    input->at += len;
    http1->input_octets -= len;
    if (input->at < input->slice.len) {
        return;
    }
    http1->input = input->next;
    if (http1->input == NULL) {
        http1->input_last = &http1->input;
    }
    http1->input_slices--;
    halo_slice_release(&input->slice);
    memory_free(http1->memory, input);
}

static void drop_input(struct http1 *http1)
{
    while (http1->input != NULL) {
        take_input(http1, http1->input->slice.len - http1->input->at);
    }
}

static bool put_input(struct http1 *http1, halo_slice *slice)
{
    struct http1_input *input = memory_alloc(http1->memory, sizeof(*input));

    if (input == NULL) {
        halo_slice_release(slice);
        return false;
    }
    *input = (struct http1_input){ .slice = *slice };
    *slice = (halo_slice){ 0 };
    *http1->input_last = input;
    http1->input_last = &input->next;
    http1->input_slices++;
    http1->input_octets += input->slice.len;
    return true;
}

/* ---- ends ------------------------------------------------------------------------------ */

static void be_done(struct http1 *http1)
{
    http1->state = HTTP1_DONE;
    http1->muted = true;
    http1->section_deadline_ns = UINT64_MAX;
    http1->rest_deadline_ns = UINT64_MAX;
    drop_input(http1);
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

/* A request that was begun cannot be served any more. */
static void refuse_to_begin(struct http1 *http1)
{
    http1_write_error(&http1->out, 503);
    http1_finish(http1);
}

static void out_of_memory(struct http1 *http1)
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

static void fail_with(struct http1 *http1, int result, const char *reason)
{
    if (result == HTTP1_NO_MEMORY) {
        out_of_memory(http1);
    } else {
        http1_fail(http1, result, reason);
    }
}

/* ---- sections -------------------------------------------------------------------------- */

static uint64_t after_ms(const struct http1 *http1, uint32_t ms)
{
    return ms == 0 ? UINT64_MAX : http1->now_ns + (uint64_t)ms * 1000000u;
}

static void begin_head(struct http1 *http1)
{
    http1->exchange = (struct http1_exchange){ 0 };
    http1->state = HTTP1_HEAD;
    http1->rest_deadline_ns = UINT64_MAX;
    http1_section_begin(&http1->section, false);
}

static void begin_trailers(struct http1 *http1)
{
    http1->state = HTTP1_TRAILERS;
    http1_section_begin(&http1->section, true);
}

static const char *section_reason(int result)
{
    switch (result) {
    case 414:
        return "request line too long";
    case 431:
        return "too many header fields, or too long ones";
    default:
        return "malformed header section";
    }
}

/* Gathers from what is at hand. True when the section is complete. */
static bool gather(struct http1 *http1)
{
    const struct halo_limits *limits = &http1->session->limits;
    struct http1_section_limits section = {
        .request_line =
            min_u32(limits->header_string, SECTION_OCTETS_MAX) + HTTP1_REQUEST_LINE_EXTRA,
        .octets = min_u32(limits->header_list_size, SECTION_OCTETS_MAX),
        .fields = http1->section.trailers ? LIMIT_TRAILER_FIELDS : limits->header_fields,
    };
    const struct http1_input *input = http1->input;
    size_t taken;
    int result;

    if (http1->section_deadline_ns == UINT64_MAX) {
        http1->section_deadline_ns = after_ms(http1, http1->session->timeouts.header_block_ms);
        session_idle_update(http1->session); /* it is not idle */
    }
    result =
        http1_section_take(&http1->section, http1->memory, &section, input->slice.data + input->at,
                           input->slice.len - input->at, &taken);
    take_input(http1, taken);
    if (result == HTTP1_MORE) {
        return false;
    }
    http1->section_deadline_ns = UINT64_MAX;
    if (result != HTTP1_COMPLETE) {
        fail_with(http1, result, section_reason(result));
        return false;
    }
    return true;
}

/* ---- requests -------------------------------------------------------------------------- */

static void tell_version(const struct http1 *http1)
{
    if (http1->version != NULL) {
        *http1->version = http1->exchange.minor == 0 ? "1.0" : "1.1";
    }
}

static void open_stream(struct http1 *http1, const struct http1_request *request)
{
    bool end = request->body == BODY_NONE || (request->body == BODY_LENGTH && request->length == 0);
    int status;

    http1->last_id += http1->last_id == 0 ? 1 : 2;
    http1->exchange = (struct http1_exchange){
        .stream_id = http1->last_id,
        .minor = request->minor,
        .head = request->head,
        .keep_alive = request->keep_alive,
        .expects = request->expects,
    };
    tell_version(http1);
    http1_body_begin(&http1->body, request);
    http1->state = end ? HTTP1_ANSWER : HTTP1_BODY;
    status = http1_feed_headers(http1, request->list, request->count, end);
    if (status != 0) {
        fail_with(http1, status, "header section too long");
    }
}

static void on_head(struct http1 *http1)
{
    uint32_t count = http1->section.fields;
    size_t room = 2 * (size_t)count + HTTP1_PSEUDO_FIELDS;
    halo_header *fields = memory_alloc(http1->memory, room * sizeof(*fields));
    struct http1_request request;
    char authority[128] = "";
    const char *reason = "";
    int status;

    if (fields == NULL) {
        out_of_memory(http1);
        return;
    }
    if (http1->section.octets[http1->section.request_line - 2] == '0') {
        http1->local_authority(http1, authority, sizeof(authority));
    }
    status = http1_request_read(&http1->section, fields, fields + count, http1->secure,
                                halo_str(authority), &request, &reason);
    if (status != 0) {
        http1_fail(http1, status, reason);
    } else {
        open_stream(http1, &request);
    }
    memory_free(http1->memory, fields);
    http1_section_free(&http1->section, http1->memory);
}

static void on_trailers(struct http1 *http1)
{
    uint32_t count = http1->section.fields;
    halo_slice nothing = { 0 };
    const char *reason = "";
    halo_header *fields;
    int status;

    if (count == 0) {
        http1->state = HTTP1_ANSWER;
        http1_feed_data(http1, &nothing, true);
        return;
    }
    fields = memory_alloc(http1->memory, count * sizeof(*fields));
    if (fields == NULL) {
        out_of_memory(http1);
        return;
    }
    status = http1_trailers_read(&http1->section, fields, &reason);
    if (status == 0) {
        http1->state = HTTP1_ANSWER;
        status = http1_feed_headers(http1, fields, count, true);
        reason = "trailer section too long";
    }
    if (status != 0) {
        fail_with(http1, status, reason);
    }
    memory_free(http1->memory, fields);
    http1_section_free(&http1->section, http1->memory);
}

/* ---- steps: each does one thing, and says whether there may be more to do ------------------ */

/* The input is used up. */
static bool at_end(struct http1 *http1)
{
    if (!http1->input_ended) {
        return false;
    }
    if (http1->state == HTTP1_HEAD) {
        http1_finish(http1);
    } else {
        http1_lost(http1, NULL); /* within a request */
    }
    return false;
}

static bool step_head(struct http1 *http1)
{
    if (http1_is_draining(http1)) {
        if (http1->section.state == SECTION_BEFORE) {
            http1_finish(http1);
        } else {
            refuse_to_begin(http1);
        }
        return false;
    }
    if (http1->input == NULL) {
        return at_end(http1);
    }
    if (gather(http1)) {
        on_head(http1);
    }
    return true;
}

static bool feed_content(struct http1 *http1)
{
    struct http1_input *input = http1->input;
    size_t len = min_size(input->slice.len - input->at, http1_window(http1));
    halo_slice part;
    bool end;

    len = min_size(len, FRAME_PAYLOAD);
    len = (size_t)min_u64(len, http1->body.left);
    if (len == 0) {
        return false; /* until the application has taken some */
    }
    part = halo_slice_ref(input->slice);
    part.data += input->at;
    part.len = len;
    take_input(http1, len);
    http1_body_took(&http1->body, len);
    http1->exchange.expects = false;
    if (http1->rest_deadline_ns != UINT64_MAX) {
        http1->rest_deadline_ns = after_ms(http1, http1->session->timeouts.idle_ms);
    }
    end = http1->body.state == BODY_END;
    http1->state = end ? HTTP1_ANSWER : http1->state;
    http1_feed_data(http1, &part, end);
    halo_slice_release(&part);
    return true;
}

static bool step_body(struct http1 *http1)
{
    size_t taken;
    int result;

    if (http1->body.state == BODY_END) {
        begin_trailers(http1);
        return true;
    }
    if (http1->input == NULL) {
        return at_end(http1);
    }
    if (http1->body.state == BODY_DATA) {
        return feed_content(http1);
    }
    result = http1_body_take(&http1->body, http1->input->slice.data + http1->input->at,
                             http1->input->slice.len - http1->input->at, &taken);
    take_input(http1, taken);
    http1->exchange.expects = false;
    if (result != HTTP1_MORE) {
        http1_fail(http1, result, "malformed chunk");
    }
    return true;
}

static bool step_trailers(struct http1 *http1)
{
    if (http1->input == NULL) {
        return at_end(http1);
    }
    if (gather(http1)) {
        on_trailers(http1);
    }
    return true;
}

static bool step(struct http1 *http1)
{
    switch (http1->state) {
    case HTTP1_HEAD:
        return step_head(http1);
    case HTTP1_BODY:
        return step_body(http1);
    case HTTP1_TRAILERS:
        return step_trailers(http1);
    default:
        return false;
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
            http1->rest_deadline_ns = after_ms(http1, http1->session->timeouts.idle_ms);
        }
        return;
    }
    if (!exchange->keep_alive) {
        http1_finish(http1);
    } else if (stream_store_find(&http1->session->store, exchange->stream_id) == NULL) {
        begin_head(http1);
    }
}

void http1_advance(struct http1 *http1)
{
    do {
        if (http1->out.failed && http1->state != HTTP1_DONE) {
            out_of_memory(http1);
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
    } while (step(http1));
}

/* ---- doors ----------------------------------------------------------------------------- */

int http1_init(struct http1 *http1, struct halo_session *session)
{
    http1->session = session;
    http1->memory = session->env->memory;
    http1->input_last = &http1->input;
    http1->section_deadline_ns = UINT64_MAX;
    output_init(&http1->out, http1->memory, &session->env->blocks);
    hpack_encoder_init(&http1->encoder, 0);
    hpack_decoder_init(&http1->decoder, HPACK_TABLE_SIZE_DEFAULT);
    begin_head(http1);
    http1_feed_opening(http1);
    http1_read_output(http1, HTTP1_OUT_MAX);
    http1_feed_owed(http1);
    return http1->out.failed ? HALO_E_NOMEM : 0;
}

void http1_fini(struct http1 *http1)
{
    drop_input(http1);
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
    if (!put_input(http1, slice)) {
        out_of_memory(http1);
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
    uint32_t stall_ms = http1->session->timeouts.stall_ms;

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
