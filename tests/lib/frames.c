#include "frames.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- octets -------------------------------------------------------------------------------------- */

void wire_free(struct wire *wire)
{
    free(wire->data);
    *wire = (struct wire){ 0 };
}

static uint8_t *wire_grow(struct wire *wire, size_t len)
{
    if (wire->len + len > wire->cap) {
        wire->cap = (wire->len + len) * 2;
        wire->data = realloc(wire->data, wire->cap);
        if (wire->data == NULL) {
            abort();
        }
    }
    wire->len += len;
    return wire->data + wire->len - len;
}

void wire_octets(struct wire *wire, const void *octets, size_t len)
{
    if (len > 0) {
        memcpy(wire_grow(wire, len), octets, len);
    }
}

void wire_octet(struct wire *wire, uint8_t octet)
{
    *wire_grow(wire, 1) = octet;
}

void wire_u32(struct wire *wire, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        wire_octet(wire, (uint8_t)(value >> shift));
    }
}

void wire_text(struct wire *wire, const char *text)
{
    wire_octets(wire, text, strlen(text));
}

void wire_format(struct wire *wire, const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    wire_text(wire, line);
}

void wire_fill(struct wire *wire, uint8_t octet, size_t len)
{
    if (len > 0) {
        memset(wire_grow(wire, len), octet, len);
    }
}

/* ---- frames -------------------------------------------------------------------------------------- */

void put_preface(struct wire *wire)
{
    wire_text(wire, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

void put_frame_header(struct wire *wire, uint32_t len, uint8_t type, unsigned flags, uint32_t id)
{
    wire_octet(wire, (uint8_t)(len >> 16));
    wire_octet(wire, (uint8_t)(len >> 8));
    wire_octet(wire, (uint8_t)len);
    wire_octet(wire, type);
    wire_octet(wire, (uint8_t)flags);
    wire_u32(wire, id);
}

void put_frame(struct wire *wire, uint8_t type, unsigned flags, uint32_t id, const void *payload,
               size_t len)
{
    put_frame_header(wire, (uint32_t)len, type, flags, id);
    wire_octets(wire, payload, len);
}

static void put_letters(struct wire *wire, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        wire_octet(wire, (uint8_t)('a' + i % 26));
    }
}

void put_data(struct wire *wire, uint32_t id, unsigned flags, size_t len)
{
    put_frame_header(wire, (uint32_t)len, T_DATA, flags, id);
    put_letters(wire, len);
}

void put_data_padded(struct wire *wire, uint32_t id, unsigned flags, size_t len, uint8_t padding)
{
    put_frame_header(wire, (uint32_t)len + 1 + padding, T_DATA, flags | F_PADDED, id);
    wire_octet(wire, padding);
    put_letters(wire, len);
    wire_fill(wire, 0, padding);
}

void put_headers(struct wire *wire, uint32_t id, unsigned flags, const struct wire *block)
{
    put_frame(wire, T_HEADERS, flags, id, block->data, block->len);
}

void put_headers_full(struct wire *wire, uint32_t id, unsigned flags, const struct wire *block,
                      uint8_t padding, uint32_t depends_on)
{
    uint32_t len = (uint32_t)block->len;

    len += (flags & F_PADDED) != 0 ? 1u + padding : 0;
    len += (flags & F_PRIORITY) != 0 ? 5 : 0;
    put_frame_header(wire, len, T_HEADERS, flags, id);
    if ((flags & F_PADDED) != 0) {
        wire_octet(wire, padding);
    }
    if ((flags & F_PRIORITY) != 0) {
        wire_u32(wire, depends_on);
        wire_octet(wire, 15);
    }
    wire_octets(wire, block->data, block->len);
    if ((flags & F_PADDED) != 0) {
        wire_fill(wire, 0, padding);
    }
}

void put_continuation(struct wire *wire, uint32_t id, unsigned flags, const void *fragment,
                      size_t len)
{
    put_frame(wire, T_CONTINUATION, flags, id, fragment, len);
}

void put_priority(struct wire *wire, uint32_t id, uint32_t depends_on, uint8_t weight)
{
    put_frame_header(wire, 5, T_PRIORITY, 0, id);
    wire_u32(wire, depends_on);
    wire_octet(wire, weight);
}

void put_priority_update(struct wire *wire, uint32_t prioritized, const char *value)
{
    put_frame_header(wire, (uint32_t)(4 + strlen(value)), T_PRIORITY_UPDATE, 0, 0);
    wire_u32(wire, prioritized);
    wire_text(wire, value);
}

void put_rst_stream(struct wire *wire, uint32_t id, uint32_t code)
{
    put_frame_header(wire, 4, T_RST_STREAM, 0, id);
    wire_u32(wire, code);
}

void put_settings(struct wire *wire, ...)
{
    struct wire payload = { 0 };
    va_list pairs;
    unsigned identifier;

    va_start(pairs, wire);
    while ((identifier = va_arg(pairs, unsigned)) != 0) {
        wire_octet(&payload, (uint8_t)(identifier >> 8));
        wire_octet(&payload, (uint8_t)identifier);
        wire_u32(&payload, va_arg(pairs, uint32_t));
    }
    va_end(pairs);
    put_frame(wire, T_SETTINGS, 0, 0, payload.data, payload.len);
    wire_free(&payload);
}

void put_settings_ack(struct wire *wire)
{
    put_frame_header(wire, 0, T_SETTINGS, F_ACK, 0);
}

void put_push_promise(struct wire *wire, uint32_t id, unsigned flags, uint32_t promised,
                      const struct wire *block)
{
    put_frame_header(wire, (uint32_t)block->len + 4, T_PUSH_PROMISE, flags, id);
    wire_u32(wire, promised);
    wire_octets(wire, block->data, block->len);
}

void put_promise(struct wire *wire, uint32_t id, uint32_t promised)
{
    put_promise_of(wire, id, promised, ":method", "GET", ":scheme", "https", ":path", "/",
                   ":authority", "example.org", NULL);
}

void put_promise_of(struct wire *wire, uint32_t id, uint32_t promised, ...)
{
    struct wire block = { 0 };
    const char *name;
    va_list arguments;

    va_start(arguments, promised);
    while ((name = va_arg(arguments, const char *)) != NULL) {
        field(&block, name, va_arg(arguments, const char *));
    }
    va_end(arguments);
    put_push_promise(wire, id, F_END_HEADERS, promised, &block);
    wire_free(&block);
}

static void put_u16(struct wire *wire, size_t value)
{
    wire_octet(wire, (uint8_t)(value >> 8));
    wire_octet(wire, (uint8_t)value);
}

void put_altsvc(struct wire *wire, uint32_t id, const char *origin, const char *value)
{
    put_frame_header(wire, (uint32_t)(2 + strlen(origin) + strlen(value)), T_ALTSVC, 0, id);
    put_u16(wire, strlen(origin));
    wire_text(wire, origin);
    wire_text(wire, value);
}

void put_origin(struct wire *wire, ...)
{
    struct wire payload = { 0 };
    const char *origin;
    va_list arguments;

    va_start(arguments, wire);
    while ((origin = va_arg(arguments, const char *)) != NULL) {
        put_u16(&payload, strlen(origin));
        wire_text(&payload, origin);
    }
    va_end(arguments);
    put_frame(wire, T_ORIGIN, 0, 0, payload.data, payload.len);
    wire_free(&payload);
}

void put_ping(struct wire *wire, unsigned flags, const char payload[8])
{
    put_frame(wire, T_PING, flags, 0, payload, 8);
}

void put_goaway(struct wire *wire, uint32_t last_id, uint32_t code, const char *debug)
{
    put_frame_header(wire, 8 + (uint32_t)strlen(debug), T_GOAWAY, 0, 0);
    wire_u32(wire, last_id);
    wire_u32(wire, code);
    wire_text(wire, debug);
}

void put_window_update(struct wire *wire, uint32_t id, uint32_t increment)
{
    put_frame_header(wire, 4, T_WINDOW_UPDATE, 0, id);
    wire_u32(wire, increment);
}

/* ---- header blocks ----------------------------------------------------------------------------- */

/* An integer with a prefix of `bits` (RFC 7541 5.1); `first` holds the bits above. */
static void put_integer(struct wire *block, uint8_t first, int bits, size_t value)
{
    size_t limit = ((size_t)1 << bits) - 1;

    if (value < limit) {
        wire_octet(block, (uint8_t)(first | value));
        return;
    }
    wire_octet(block, (uint8_t)(first | limit));
    for (value -= limit; value >= 128; value >>= 7) {
        wire_octet(block, (uint8_t)(value | 0x80));
    }
    wire_octet(block, (uint8_t)value);
}

static void put_string(struct wire *block, const void *text, size_t len)
{
    put_integer(block, 0, 7, len);
    wire_octets(block, text, len);
}

void field_octets(struct wire *block, const void *name, size_t name_len, const void *value,
                  size_t value_len)
{
    wire_octet(block, 0x00);
    put_string(block, name, name_len);
    put_string(block, value, value_len);
}

void field(struct wire *block, const char *name, const char *value)
{
    field_octets(block, name, strlen(name), value, strlen(value));
}

void field_indexed(struct wire *block, const char *name, const char *value)
{
    wire_octet(block, 0x40);
    put_string(block, name, strlen(name));
    put_string(block, value, strlen(value));
}

void field_at(struct wire *block, uint32_t index)
{
    put_integer(block, 0x80, 7, index);
}

static void fields_list(struct wire *block, va_list pairs)
{
    const char *name;

    while ((name = va_arg(pairs, const char *)) != NULL) {
        field(block, name, va_arg(pairs, const char *));
    }
}

void fields(struct wire *block, ...)
{
    va_list pairs;

    va_start(pairs, block);
    fields_list(block, pairs);
    va_end(pairs);
}

void put_fields(struct wire *wire, uint32_t id, unsigned flags, ...)
{
    struct wire block = { 0 };
    va_list pairs;

    va_start(pairs, flags);
    fields_list(&block, pairs);
    va_end(pairs);
    put_headers(wire, id, flags | F_END_HEADERS, &block);
    wire_free(&block);
}

void put_get(struct wire *wire, uint32_t id)
{
    put_fields(wire, id, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "example.org", NULL);
}

void put_post(struct wire *wire, uint32_t id)
{
    put_fields(wire, id, 0, ":method", "POST", ":scheme", "https", ":path", "/", ":authority",
               "example.org", NULL);
}

void put_ok(struct wire *wire, uint32_t id, unsigned flags)
{
    put_fields(wire, id, flags, ":status", "200", NULL);
}
