/*
 * Responses as HTTP/1.1 has them (RFC 9112 4, 6, 7). How the content is sent is decided by the
 * final head: not at all, by content-length, in chunks, or until the end of the connection.
 *
 * Whatever happens, nothing is sent that could be taken for the next response: content beyond
 * content-length is dropped, content that is short of it ends the connection, and the last chunk is
 * sent for a stream that ended well alone.
 */
#include <stdio.h>

#include "core/base/ascii.h"
#include "server/http1.h"

#define PUT(out, text) output_copy((out), (text), sizeof(text) - 1)

static void put_field(struct output *out, const halo_header *field)
{
    output_copy(out, field->name.data, field->name.len);
    PUT(out, ": ");
    output_copy(out, field->value.data, field->value.len);
    PUT(out, "\r\n");
}

/* ---- heads ----------------------------------------------------------------------------- */

struct response_head {
    int status;
    size_t first; /* of the fields behind :status */
    bool has_length;
    bool bad_length; /* no number, or two that differ */
    uint64_t length;
};

static struct response_head read_head(const halo_header *fields, size_t count)
{
    struct response_head head = { 0 };

    HALO_ASSERT(count > 0 && fields[0].token == HALO_NAME_STATUS && fields[0].value.len == 3);
    head.first = 1;
    for (size_t i = 0; i < 3; i++) {
        head.status = head.status * 10 + (fields[0].value.data[i] - '0');
    }
    for (size_t i = 1; i < count; i++) {
        uint64_t length = 0;

        if (fields[i].token != HALO_NAME_CONTENT_LENGTH) {
            continue;
        }
        head.bad_length |=
            !ascii_decimal(fields[i].value, &length) || (head.has_length && length != head.length);
        head.length = length;
        head.has_length = true;
    }
    head.has_length &= !head.bad_length;
    return head;
}

/* RFC 9110 8.6, 15.4.5: a length is told of what would be there, but not with 1xx and 204. */
static bool may_have_length(int status)
{
    return status >= 200 && status != 204;
}

static void put_length(struct output *out, uint64_t length)
{
    char text[48];
    int len = snprintf(text, sizeof(text), "content-length: %llu\r\n", (unsigned long long)length);

    output_copy(out, text, (size_t)len);
}

static void put_fields(struct output *out, const halo_header *fields, size_t count, size_t first)
{
    for (size_t i = first; i < count; i++) {
        if (fields[i].token != HALO_NAME_CONTENT_LENGTH) { /* written apart */
            put_field(out, &fields[i]);
        }
    }
}

static void write_information(struct http1 *http1, const struct response_head *head,
                              const halo_header *fields, size_t count)
{
    struct http1_exchange *exchange = &http1->exchange;

    if (exchange->minor == 0) {
        return; /* RFC 9110 15.2: HTTP/1.0 has none */
    }
    if (head->status == 100) {
        exchange->expects = false;
    }
    http1_write_status_line(&http1->out, head->status);
    put_fields(&http1->out, fields, count, head->first);
    PUT(&http1->out, "\r\n");
}

void http1_write_continue(struct http1 *http1)
{
    http1->exchange.expects = false;
    PUT(&http1->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

static void decide_framing(struct http1_exchange *exchange, struct response_head *head, bool end)
{
    if (exchange->head || head->status == 204 || head->status == 304) {
        exchange->framing = RESPONSE_NO_BODY;
        return;
    }
    if (end && !head->has_length) {
        head->has_length = true;
        head->length = 0;
    }
    if (head->has_length) {
        exchange->framing = RESPONSE_LENGTH;
        exchange->left = head->length;
    } else {
        exchange->framing = exchange->minor == 1 ? RESPONSE_CHUNKED : RESPONSE_UNTIL_CLOSE;
    }
}

/* A client that still waits for 100 may or may not send its content after this: nobody could tell
 * that from its next request (RFC 9110 10.1.1). */
static void decide_connection(struct http1 *http1)
{
    struct http1_exchange *exchange = &http1->exchange;

    exchange->keep_alive &= !http1_is_draining(http1) && !exchange->expects &&
                            !(http1->input_ended && http1->input == NULL) &&
                            exchange->framing != RESPONSE_UNTIL_CLOSE &&
                            exchange->stream_id < HTTP1_LAST_STREAM;
}

static void write_final(struct http1 *http1, struct response_head *head, const halo_header *fields,
                        size_t count, bool end)
{
    struct http1_exchange *exchange = &http1->exchange;
    struct output *out = &http1->out;

    decide_framing(exchange, head, end);
    decide_connection(http1);
    exchange->answered = true;
    http1_write_status_line(out, head->status);
    put_fields(out, fields, count, head->first);
    if (head->has_length && may_have_length(head->status)) {
        put_length(out, head->length);
    }
    if (exchange->framing == RESPONSE_CHUNKED) {
        PUT(out, "transfer-encoding: chunked\r\n");
    }
    if (!exchange->keep_alive) {
        PUT(out, "connection: close\r\n");
    } else if (exchange->minor == 0) {
        PUT(out, "connection: keep-alive\r\n");
    }
    PUT(out, "\r\n");
}

/* ---- content --------------------------------------------------------------------------- */

void http1_write_data(struct http1 *http1, const uint8_t *data, size_t len)
{
    struct http1_exchange *exchange = &http1->exchange;
    struct output *out = &http1->out;
    char size[20];

    if (http1->muted || len == 0 || exchange->complete) {
        return;
    }
    switch (exchange->framing) {
    case RESPONSE_LENGTH:
        if (len > exchange->left) {
            exchange->keep_alive = false;
            len = exchange->left;
        }
        exchange->left -= len;
        output_copy(out, data, len);
        break;
    case RESPONSE_CHUNKED:
        output_copy(out, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", len));
        output_copy(out, data, len);
        PUT(out, "\r\n");
        break;
    case RESPONSE_UNTIL_CLOSE:
        output_copy(out, data, len);
        break;
    default:
        break;
    }
}

static void complete(struct http1 *http1)
{
    struct http1_exchange *exchange = &http1->exchange;

    if (exchange->framing == RESPONSE_LENGTH && exchange->left > 0) {
        exchange->keep_alive = false; /* the client finds out by the end of the connection */
    }
    exchange->complete = true;
}

void http1_write_end(struct http1 *http1)
{
    if (http1->muted || http1->exchange.complete) {
        return;
    }
    if (http1->exchange.framing == RESPONSE_CHUNKED) {
        PUT(&http1->out, "0\r\n\r\n");
    }
    complete(http1);
}

/* Only chunks can be followed by trailers (RFC 9112 7.1.2); otherwise they are dropped, as the RFC
 * allows for any recipient. */
static void write_trailers(struct http1 *http1, const halo_header *fields, size_t count)
{
    if (http1->exchange.framing == RESPONSE_CHUNKED) {
        PUT(&http1->out, "0\r\n");
        put_fields(&http1->out, fields, count, 0);
        PUT(&http1->out, "\r\n");
    }
    complete(http1);
}

void http1_write_headers(struct http1 *http1, const halo_header *fields, size_t count, bool end)
{
    struct response_head head;

    /* Behind a block that memory was out for, nothing makes sense. */
    if (http1->muted || http1->exchange.complete || http1->out.failed) {
        return;
    }
    if (http1->exchange.answered) {
        write_trailers(http1, fields, count);
        return;
    }
    head = read_head(fields, count);
    if (head.status < 200) {
        write_information(http1, &head, fields, count);
        return;
    }
    write_final(http1, &head, fields, count, end);
    if (end) {
        if (http1->exchange.framing == RESPONSE_CHUNKED) {
            PUT(&http1->out, "0\r\n\r\n");
        }
        complete(http1);
    }
}
