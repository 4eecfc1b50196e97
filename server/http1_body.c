/*
 * Where a body begins and ends (RFC 9112 6, 7.1): a length, or chunks. Stricter than the grammar
 * where leniency has cost others dearly: a chunk's size is hexadecimal digits, then CRLF or a
 * semicolon at once; extensions are skipped, and bounded.
 */
#include "core/base/ascii.h"
#include "server/http1.h"

void http1_body_begin(struct http1_body *body, const struct http1_request *request)
{
    *body = (struct http1_body){ .kind = request->body };
    if (request->body == BODY_CHUNKED) {
        body->state = BODY_SIZE;
    } else {
        body->left = request->body == BODY_LENGTH ? request->length : 0;
        body->state = body->left > 0 ? BODY_DATA : BODY_END;
    }
}

static int take_size(struct http1_body *body, uint8_t octet)
{
    int digit = ascii_hex_value((char)octet);

    if (digit >= 0) {
        body->left = body->left << 4 | (uint64_t)digit;
        return ++body->digits > HTTP1_CHUNK_DIGITS ? 400 : HTTP1_MORE;
    }
    if (body->digits == 0 || (octet != '\r' && octet != ';')) {
        return 400;
    }
    body->state = octet == '\r' ? BODY_SIZE_LF : BODY_EXTENSION;
    return HTTP1_MORE;
}

static int take_extension(struct http1_body *body, uint8_t octet)
{
    if (octet == '\r') {
        body->state = BODY_SIZE_LF;
        return HTTP1_MORE;
    }
    if ((octet < 0x20 && octet != '\t') || octet == 0x7f) {
        return 400;
    }
    return ++body->extensions > HTTP1_CHUNK_EXTENSIONS ? 431 : HTTP1_MORE;
}

static int take_octet(struct http1_body *body, uint8_t octet)
{
    switch (body->state) {
    case BODY_SIZE:
        return take_size(body, octet);
    case BODY_EXTENSION:
        return take_extension(body, octet);
    case BODY_SIZE_LF:
        body->digits = 0;
        body->state = body->left > 0 ? BODY_DATA : BODY_END;
        return octet == '\n' ? HTTP1_MORE : 400;
    case BODY_DATA_CR:
        body->state = BODY_DATA_LF;
        return octet == '\r' ? HTTP1_MORE : 400;
    default: /* BODY_DATA_LF */
        body->state = BODY_SIZE;
        return octet == '\n' ? HTTP1_MORE : 400;
    }
}

int http1_body_take(struct http1_body *body, const uint8_t *data, size_t len, size_t *taken)
{
    int result = HTTP1_MORE;
    size_t i = 0;

    while (i < len && result == HTTP1_MORE && body->state != BODY_DATA && body->state != BODY_END) {
        result = take_octet(body, data[i++]);
    }
    *taken = i;
    return result;
}

void http1_body_took(struct http1_body *body, size_t len)
{
    HALO_ASSERT(body->state == BODY_DATA && len <= body->left);
    body->left -= len;
    if (body->left == 0) {
        body->state = body->kind == BODY_CHUNKED ? BODY_DATA_CR : BODY_END;
    }
}
