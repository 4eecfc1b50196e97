/*
 * Octets of HTTP/2 written by hand: frames with any header, and header blocks without compression.
 * Independent of the library: what a test sends is not what the library believes frames to be.
 */
#ifndef HALO_TESTS_FRAMES_H
#define HALO_TESTS_FRAMES_H

#include <stddef.h>
#include <stdint.h>

/* A run of octets that grows. All zero is empty. */
struct wire {
    uint8_t *data;
    size_t len;
    size_t cap;
};

void wire_free(struct wire *wire);
void wire_octets(struct wire *wire, const void *octets, size_t len);
void wire_octet(struct wire *wire, uint8_t octet);
void wire_u32(struct wire *wire, uint32_t value);
void wire_text(struct wire *wire, const char *text);
void wire_format(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Octets of one value. */
void wire_fill(struct wire *wire, uint8_t octet, size_t len);

/* ---- frames: RFC 9113 section 6 ---------------------------------------------------------------- */

enum {
    T_DATA = 0x0,
    T_HEADERS = 0x1,
    T_PRIORITY = 0x2,
    T_RST_STREAM = 0x3,
    T_SETTINGS = 0x4,
    T_PUSH_PROMISE = 0x5,
    T_PING = 0x6,
    T_GOAWAY = 0x7,
    T_WINDOW_UPDATE = 0x8,
    T_CONTINUATION = 0x9,
    T_PRIORITY_UPDATE = 0x10, /* RFC 9218 section 7.1 */
    T_ALTSVC = 0xa,
    T_ORIGIN = 0xc,

    F_END_STREAM = 0x1,
    F_ACK = 0x1,
    F_END_HEADERS = 0x4,
    F_PADDED = 0x8,
    F_PRIORITY = 0x20,
};

void put_preface(struct wire *wire);
/*  +-----------------------------------------------+
 *  |                 Length (24)                   |
 *  +---------------+---------------+---------------+
 *  |   Type (8)    |   Flags (8)   |
 *  +-+-------------+---------------+-------------------------------+
 *  |R|                 Stream Identifier (31)                      |
 *  +=+=============================================================+  `id` may have R set. */
void put_frame_header(struct wire *wire, uint32_t len, uint8_t type, unsigned flags, uint32_t id);
void put_frame(struct wire *wire, uint8_t type, unsigned flags, uint32_t id, const void *payload,
               size_t len);

/* DATA of `len` octets: 'a', 'b', ... 'z', 'a', ... */
void put_data(struct wire *wire, uint32_t id, unsigned flags, size_t len);
/* Pad length, data, `padding` zeros. */
void put_data_padded(struct wire *wire, uint32_t id, unsigned flags, size_t len, uint8_t padding);
void put_headers(struct wire *wire, uint32_t id, unsigned flags, const struct wire *block);
/* Pad length, priority (exclusive bit in `depends_on`), block, padding. `flags` say which are there. */
void put_headers_full(struct wire *wire, uint32_t id, unsigned flags, const struct wire *block,
                      uint8_t padding, uint32_t depends_on);
void put_continuation(struct wire *wire, uint32_t id, unsigned flags, const void *fragment,
                      size_t len);
void put_priority(struct wire *wire, uint32_t id, uint32_t depends_on, uint8_t weight);
void put_priority_update(struct wire *wire, uint32_t prioritized, const char *value);
void put_rst_stream(struct wire *wire, uint32_t id, uint32_t code);
/* Pairs of identifier and value, ended by identifier 0. */
void put_settings(struct wire *wire, ...);
void put_settings_ack(struct wire *wire);
void put_push_promise(struct wire *wire, uint32_t id, unsigned flags, uint32_t promised,
                      const struct wire *block);
/* PUSH_PROMISE of GET / of https://example.org, END_HEADERS. */
void put_promise(struct wire *wire, uint32_t id, uint32_t promised);
/* The same with other fields: names and values, ended by NULL. */
void put_promise_of(struct wire *wire, uint32_t id, uint32_t promised, ...)
    __attribute__((sentinel));
/* Origin length, origin, value. */
void put_altsvc(struct wire *wire, uint32_t id, const char *origin, const char *value);
/* Length and text of each origin, ended by NULL. */
void put_origin(struct wire *wire, ...) __attribute__((sentinel));
void put_ping(struct wire *wire, unsigned flags, const char payload[8]);
void put_goaway(struct wire *wire, uint32_t last_id, uint32_t code, const char *debug);
void put_window_update(struct wire *wire, uint32_t id, uint32_t increment);

/* ---- header blocks: RFC 7541 section 6 --------------------------------------------------------- */

/* Literal field without indexing, new name, no Huffman code: 0x00, name, value. */
void field(struct wire *block, const char *name, const char *value);
void field_octets(struct wire *block, const void *name, size_t name_len, const void *value,
                  size_t value_len);
/* Literal field with incremental indexing, new name: 0x40, name, value. */
void field_indexed(struct wire *block, const char *name, const char *value);
/* A field of the tables: 0x80 | index. */
void field_at(struct wire *block, uint32_t index);
/* Pairs of name and value, ended by NULL. */
void fields(struct wire *block, ...) __attribute__((sentinel));

/* HEADERS with END_HEADERS and the other flags of `flags`; names and values, ended by NULL. */
void put_fields(struct wire *wire, uint32_t id, unsigned flags, ...) __attribute__((sentinel));
/* GET / of https://example.org */
void put_get(struct wire *wire, uint32_t id);
/* POST / without END_STREAM. */
void put_post(struct wire *wire, uint32_t id);
/* :status 200 */
void put_ok(struct wire *wire, uint32_t id, unsigned flags);

#endif
