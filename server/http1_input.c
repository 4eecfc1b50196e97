/*
 * What the client sends: the slices that wait, and the steps that make a request of them, each of
 * which does one thing and says whether there may be more to do.
 */
#include "server/http1.h"

enum { SECTION_OCTETS_MAX = 1 << 28, FRAME_PAYLOAD = LIMIT_FRAME_SIZE_MIN };

/* ---- the queue ------------------------------------------------------------------------- */

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

void http1_drop_input(struct http1 *http1)
{
    while (http1->input != NULL) {
        take_input(http1, http1->input->slice.len - http1->input->at);
    }
}

bool http1_put_input(struct http1 *http1, halo_slice *slice)
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

/* ---- sections -------------------------------------------------------------------------- */

void http1_begin_head(struct http1 *http1)
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
    const struct halo_limits *limits = &http1->session->config->limits;
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
        http1->section_deadline_ns =
            http1_after_ms(http1, http1->session->config->timeouts.header_block_ms);
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
        http1_fail_with(http1, result, section_reason(result));
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
        http1_fail_with(http1, status, "header section too long");
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
        http1_out_of_memory(http1);
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
        http1_out_of_memory(http1);
        return;
    }
    status = http1_trailers_read(&http1->section, fields, &reason);
    if (status == 0) {
        http1->state = HTTP1_ANSWER;
        status = http1_feed_headers(http1, fields, count, true);
        reason = "trailer section too long";
    }
    if (status != 0) {
        http1_fail_with(http1, status, reason);
    }
    memory_free(http1->memory, fields);
    http1_section_free(&http1->section, http1->memory);
}

/* ---- steps ----------------------------------------------------------------------------- */

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

/* A request that was begun cannot be served any more. */
static void refuse_to_begin(struct http1 *http1)
{
    http1_write_error(&http1->out, 503);
    http1_finish(http1);
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
        http1->rest_deadline_ns = http1_after_ms(http1, http1->session->config->timeouts.idle_ms);
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

bool http1_step(struct http1 *http1)
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
