/* The limits of header blocks (docs/limits.md), each at its edge. */
#include "limit_rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/proto/limits.h"

/* ---- blocks -------------------------------------------------------------------------------------------- */

/* The pseudo-header fields of a message from the peer; returns their size as RFC 9113 6.5.2 counts it. */
static uint32_t message_fields(const struct fake_peer *peer, struct wire *block)
{
    if (peer->scenario->role == HALO_SERVER) {
        fields(block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
        return 10 + 12 + 6 + 11 + 4 * 32;
    }
    fields(block, ":status", "200", NULL);
    return 10 + 32;
}

static uint32_t pseudo_count(const struct fake_peer *peer)
{
    return peer->scenario->role == HALO_SERVER ? 4 : 1;
}

static void field_of(struct wire *block, uint32_t name_len, uint32_t value_len)
{
    char *octets = malloc((size_t)name_len + value_len);

    assert_non_null(octets);
    memset(octets, 'x', (size_t)name_len + value_len);
    field_octets(block, octets, name_len, octets + name_len, value_len);
    free(octets);
}

/* Sends the block as the message of stream 1, in frames of 16384 octets. */
static void deliver(struct fake_peer *peer, const struct wire *block, bool end)
{
    size_t at = 0;

    while (at == 0 || at < block->len) {
        size_t len = block->len - at > 16384 ? 16384 : block->len - at;
        unsigned flags = at + len == block->len ? F_END_HEADERS : 0;

        if (at == 0) {
            put_frame(&peer->in, T_HEADERS, flags | (end ? F_END_STREAM : 0), 1, block->data, len);
        } else {
            put_continuation(&peer->in, 1, flags, block->data + at, len);
        }
        at += len;
    }
    peer_go(peer);
}

static void begin(struct fake_peer *peer)
{
    peer_open(peer);
    if (peer->scenario->role == HALO_CLIENT) {
        peer_request(peer, "GET", HALO_END_STREAM);
        peer_go(peer);
    }
}

/* ---- lists --------------------------------------------------------------------------------------------- */

/* A list of n octets. */
static void reach_list_size(struct fake_peer *peer, uint32_t n)
{
    struct wire block = { 0 };
    uint32_t left;

    begin(peer);
    left = n - message_fields(peer, &block);
    for (; left > 9000; left -= 8000) {
        field_of(&block, 4, 8000 - 36);
    }
    field_of(&block, 4, left - 36);
    deliver(peer, &block, true);
    wire_free(&block);
}

static void change_list_size(struct halo_session_options *options, uint32_t value)
{
    options->limits.header_list_size = value;
}

/* The block as such is no matter. */
static void long_blocks(struct halo_session_options *options)
{
    options->limits.header_block = 1000000;
    options->limits.continuation_frames = 100;
}

/* A list of n fields, pseudo-header fields with them. */
static void reach_fields(struct fake_peer *peer, uint32_t n)
{
    struct wire block = { 0 };

    begin(peer);
    message_fields(peer, &block);
    for (uint32_t i = pseudo_count(peer); i < n; i++) {
        field(&block, "x", "");
    }
    deliver(peer, &block, true);
    wire_free(&block);
}

static void change_fields(struct halo_session_options *options, uint32_t value)
{
    options->limits.header_fields = value;
}

static void long_lists(struct halo_session_options *options)
{
    options->limits.header_list_size = 200000;
}

static void reach_cookies(struct fake_peer *peer, uint32_t n)
{
    struct wire block = { 0 };

    begin(peer);
    message_fields(peer, &block);
    for (uint32_t i = 0; i < n; i++) {
        field(&block, "cookie", "a=b");
    }
    deliver(peer, &block, true);
    wire_free(&block);
}

static void reach_name(struct fake_peer *peer, uint32_t n)
{
    struct wire block = { 0 };

    begin(peer);
    message_fields(peer, &block);
    field_of(&block, n, 1);
    deliver(peer, &block, true);
    wire_free(&block);
}

static void reach_value(struct fake_peer *peer, uint32_t n)
{
    struct wire block = { 0 };

    begin(peer);
    message_fields(peer, &block);
    field_of(&block, 1, n);
    deliver(peer, &block, true);
    wire_free(&block);
}

static void change_string(struct halo_session_options *options, uint32_t value)
{
    options->limits.header_string = value;
}

/* ---- encoded ------------------------------------------------------------------------------------------- */

static void reach_block(struct fake_peer *peer, uint32_t n)
{
    struct wire block = { 0 };
    struct wire last = { 0 };

    begin(peer);
    message_fields(peer, &block);
    while (n - block.len > 6000) {
        field_of(&block, 4, 5000);
    }
    for (uint32_t value = n - (uint32_t)block.len - 12;;
         value++) { /* what its lengths take varies */
        last.len = 0;
        field_of(&last, 4, value);
        if (block.len + last.len >= n) {
            break;
        }
    }
    wire_octets(&block, last.data, last.len);
    assert_int_equal(block.len, n);
    deliver(peer, &block, true);
    wire_free(&block);
    wire_free(&last);
}

static void change_block(struct halo_session_options *options, uint32_t value)
{
    options->limits.header_block = value;
}

static void put_continuations(struct fake_peer *peer, uint32_t n, size_t len)
{
    struct wire block = { 0 };
    size_t first = len == 0 ? 0 : 1;

    begin(peer);
    message_fields(peer, &block);
    put_frame(&peer->in, T_HEADERS, F_END_STREAM, 1, block.data, first);
    for (uint32_t i = 0; i + 1 < n; i++) {
        put_continuation(&peer->in, 1, 0, block.data + first, len);
        first += len;
    }
    put_continuation(&peer->in, 1, F_END_HEADERS, block.data + first, block.len - first);
    peer_go(peer);
    wire_free(&block);
}

static void reach_continuations(struct fake_peer *peer, uint32_t n)
{
    put_continuations(peer, n, 1);
}

static void change_continuations(struct halo_session_options *options, uint32_t value)
{
    options->limits.continuation_frames = value;
}

static void reach_empty_continuations(struct fake_peer *peer, uint32_t n)
{
    put_continuations(peer, n + 1, 0); /* and the one with the block */
}

static void reach_size_updates(struct fake_peer *peer, uint32_t n)
{
    struct wire block = { 0 };

    begin(peer);
    for (uint32_t i = 0; i < n; i++) {
        wire_octet(&block, (uint8_t)(0x20 + i));
    }
    message_fields(peer, &block);
    deliver(peer, &block, true);
    wire_free(&block);
}

/* ---- trailers ------------------------------------------------------------------------------------------ */

static void begin_body(struct fake_peer *peer)
{
    peer_open(peer);
    if (peer->scenario->role == HALO_SERVER) {
        put_post(&peer->in, 1);
    } else {
        peer_request(peer, "GET", HALO_END_STREAM);
        put_ok(&peer->in, 1, 0);
    }
    peer_go(peer);
}

static void reach_trailers(struct fake_peer *peer, uint32_t n)
{
    struct wire block = { 0 };

    begin_body(peer);
    for (uint32_t i = 0; i < n; i++) {
        field(&block, "checksum", "0");
    }
    deliver(peer, &block, true);
    wire_free(&block);
}

/* ---- the table ----------------------------------------------------------------------------------------- */

#define CALM       .beyond = ENDS, .code = HALO_ENHANCE_YOUR_CALM
#define RESET_CALM .beyond = RESETS, .code = HALO_ENHANCE_YOUR_CALM
#define BOTH(name, reach, server, client, ...)                                                     \
    { name, HALO_SERVER, reach, server, __VA_ARGS__ },                                             \
    {                                                                                              \
        name, HALO_CLIENT, reach, client, __VA_ARGS__                                              \
    }
#define WITH(f, v) .change = (f), .value = (v), .changed_limit = (v)

static const struct limit_row rows[] = {
    BOTH("list", reach_list_size, LIMIT_HEADER_LIST_SIZE, LIMIT_HEADER_LIST_SIZE_CLIENT, RESET_CALM,
         WITH(change_list_size, 1000), .prepare = long_blocks),
    BOTH("list, hard", reach_list_size, LIMIT_HEADER_HARD_FACTOR *LIMIT_HEADER_LIST_SIZE,
         LIMIT_HEADER_HARD_FACTOR *LIMIT_HEADER_LIST_SIZE_CLIENT, CALM, .within = RESETS,
         .change = change_list_size, .value = 1000,
         .changed_limit = LIMIT_HEADER_HARD_FACTOR * 1000, .prepare = long_blocks),
    BOTH("fields", reach_fields, LIMIT_HEADER_FIELDS, LIMIT_HEADER_FIELDS_CLIENT, RESET_CALM,
         WITH(change_fields, 10)),
    BOTH("fields, hard", reach_fields, LIMIT_HEADER_FIELDS_HARD, LIMIT_HEADER_FIELDS_HARD, CALM,
         .within = RESETS, .prepare = long_lists),
    BOTH("cookies", reach_cookies, LIMIT_COOKIE_CRUMBS, LIMIT_COOKIE_CRUMBS, RESET_CALM),
    BOTH("name", reach_name, LIMIT_HEADER_STRING, LIMIT_HEADER_STRING, RESET_CALM,
         WITH(change_string, 100)),
    BOTH("value", reach_value, LIMIT_HEADER_STRING, LIMIT_HEADER_STRING, RESET_CALM,
         WITH(change_string, 100)),
    BOTH("block", reach_block, LIMIT_HEADER_BLOCK, LIMIT_HEADER_BLOCK, CALM,
         WITH(change_block, 500), .prepare = long_lists),
    BOTH("CONTINUATION", reach_continuations, LIMIT_CONTINUATION_FRAMES, LIMIT_CONTINUATION_FRAMES,
         CALM, WITH(change_continuations, 3)),
    BOTH("empty CONTINUATION", reach_empty_continuations, LIMIT_CONTINUATION_EMPTY,
         LIMIT_CONTINUATION_EMPTY, CALM),
    BOTH("size updates", reach_size_updates, 2, 2, .beyond = ENDS, .code = HALO_COMPRESSION_ERROR),
    BOTH("trailers", reach_trailers, LIMIT_TRAILER_FIELDS, LIMIT_TRAILER_FIELDS, RESET_CALM),
};

int main(void)
{
    return limit_rows_run("limits of header blocks", rows, HALO_ARRAY_LEN(rows));
}
