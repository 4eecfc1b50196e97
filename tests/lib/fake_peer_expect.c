/* What a peer must have heard: frames of the session's output, events of its log. */
#include "fake_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void equal(uint64_t is, uint64_t wanted, const char *file, int line)
{
    _assert_int_equal(is, wanted, file, line);
}

static void fail_at(const char *file, int line, const char *text)
{
    print_error("%s\n", text);
    _fail(file, line);
}

/* RFC 9113 3.4: a client's first octets are no frame. */
static void hear_preface(struct fake_peer *peer)
{
    if (peer->scenario->role == HALO_CLIENT && peer->heard == 0 && peer->out.len > 0) {
        assert_true(peer->out.len >= 24);
        assert_memory_equal(peer->out.data, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
        peer->heard = 24;
    }
}

bool peer_next_frame(struct fake_peer *peer, struct heard_frame *heard)
{
    hear_preface(peer);
    for (;;) {
        const uint8_t *at = peer->out.data + peer->heard;
        size_t left = peer->out.len - peer->heard;

        if (left == 0) {
            return false;
        }
        assert_true(left >= FRAME_HEADER_LEN);
        heard->frame = frame_header_load(at);
        heard->payload = at + FRAME_HEADER_LEN;
        assert_true(left >= FRAME_HEADER_LEN + (size_t)heard->frame.len);
        peer->heard += FRAME_HEADER_LEN + (size_t)heard->frame.len;
        if (heard->frame.type != T_WINDOW_UPDATE) {
            wire_octets(&peer->all_output, at, FRAME_HEADER_LEN + (size_t)heard->frame.len);
            return true;
        }
        assert_int_equal(heard->frame.len, 4);
        assert_int_not_equal(load_u32(heard->payload), 0);
        peer->updates_heard++;
        if (heard->frame.stream_id == 0) {
            peer->connection_window += load_u32(heard->payload);
        }
    }
}

static struct heard_frame need_frame(struct fake_peer *peer, uint8_t type, const char *file,
                                     int line)
{
    struct heard_frame heard;

    if (!peer_next_frame(peer, &heard)) {
        print_error("no frame where %s is expected\n", frame_type_name(type));
        _fail(file, line);
    }
    if (heard.frame.type != type) {
        char text[256];

        frame_describe(text, sizeof(text), &heard.frame, heard.payload, heard.frame.len);
        print_error("%s where %s is expected\n", text, frame_type_name(type));
        _fail(file, line);
    }
    return heard;
}

void peer_expect_frame(struct fake_peer *peer, uint8_t type, uint8_t flags, uint32_t id, size_t len,
                       const char *file, int line)
{
    struct heard_frame heard = need_frame(peer, type, file, line);

    equal(heard.frame.flags, flags, file, line);
    equal(heard.frame.stream_id, id, file, line);
    equal(heard.frame.len, len, file, line);
}

/* Decodes a block of the session into peer->headers. */
static void hear_block(struct fake_peer *peer, const struct wire *block, const char *file, int line)
{
    const uint8_t *at = block->data;
    size_t left = block->len;
    enum hpack_result result;

    hpack_decode_begin(&peer->decoder, &peer->list);
    do {
        size_t consumed = 0;

        result = hpack_decode(&peer->decoder, &peer->list, at, left, true, &consumed);
        at += consumed;
        left -= consumed;
        if (result == HPACK_ROOM) {
            size_t size = hpack_table_room_wanted(&peer->decoder.table);

            free(hpack_table_move(&peer->decoder.table, malloc(size), size));
        }
    } while (result == HPACK_ROOM);
    equal(result, HPACK_OK, file, line);
    peer->headers.len = 0;
    for (uint32_t i = 0; i < peer->list.count; i++) {
        const halo_header *header = &peer->list.fields[i];

        wire_octets(&peer->headers, header->name.data, header->name.len);
        wire_text(&peer->headers, ": ");
        wire_octets(&peer->headers, header->value.data, header->value.len);
        wire_text(&peer->headers, "\n");
    }
}

/* Takes the CONTINUATION frames of a block that HEADERS or PUSH_PROMISE began. */
static void hear_headers(struct fake_peer *peer, struct heard_frame heard, const char *file,
                         int line)
{
    struct wire block = { 0 };
    uint32_t id = heard.frame.stream_id;
    uint32_t skipped = heard.frame.type == T_PUSH_PROMISE ? 4 : 0; /* the promised stream */

    wire_octets(&block, heard.payload + skipped, heard.frame.len - skipped);
    while ((heard.frame.flags & F_END_HEADERS) == 0) {
        heard = need_frame(peer, T_CONTINUATION, file, line);
        equal(heard.frame.stream_id, id, file, line);
        wire_octets(&block, heard.payload, heard.frame.len);
    }
    hear_block(peer, &block, file, line);
    wire_free(&block);
}

void peer_expect_headers(struct fake_peer *peer, uint32_t id, uint8_t flags, const char *text,
                         const char *file, int line)
{
    struct heard_frame heard = need_frame(peer, T_HEADERS, file, line);

    equal(heard.frame.stream_id, id, file, line);
    equal(heard.frame.flags & F_END_STREAM, flags, file, line);
    equal(heard.frame.flags & 0xfau, 0, file, line);
    hear_headers(peer, heard, file, line);
    if (text != NULL) {
        wire_octet(&peer->headers, 0);
        _assert_string_equal((const char *)peer->headers.data, text, file, line);
    }
}

void peer_expect_promise(struct fake_peer *peer, uint32_t id, uint32_t promised, const char *text,
                         const char *file, int line)
{
    struct heard_frame heard = need_frame(peer, T_PUSH_PROMISE, file, line);

    equal(heard.frame.stream_id, id, file, line);
    equal(heard.frame.flags & 0xfbu, 0, file, line);
    equal(heard.frame.len >= 4, true, file, line);
    equal(load_u32(heard.payload), promised, file, line);
    hear_headers(peer, heard, file, line);
    if (text != NULL) {
        wire_octet(&peer->headers, 0);
        _assert_string_equal((const char *)peer->headers.data, text, file, line);
    }
}

void peer_expect_body(struct fake_peer *peer, uint32_t id, uint8_t flags, size_t len,
                      const char *file, int line)
{
    struct heard_frame heard;
    size_t got = 0;

    do {
        heard = need_frame(peer, T_DATA, file, line);
        equal(heard.frame.stream_id, id, file, line);
        got += heard.frame.len;
        if (got < len) {
            equal(heard.frame.flags, 0, file, line);
            equal(heard.frame.len > 0, true, file, line);
        }
    } while (got < len);
    equal(got, len, file, line);
    equal(heard.frame.flags, flags, file, line);
}

void peer_expect_rst(struct fake_peer *peer, uint32_t id, uint32_t code, const char *file, int line)
{
    struct heard_frame heard = need_frame(peer, T_RST_STREAM, file, line);

    equal(heard.frame.stream_id, id, file, line);
    equal(heard.frame.len, 4, file, line);
    equal(load_u32(heard.payload), code, file, line);
}

void peer_expect_goaway(struct fake_peer *peer, uint32_t code, uint32_t last_id, const char *file,
                        int line)
{
    struct heard_frame heard = need_frame(peer, T_GOAWAY, file, line);

    equal(heard.frame.stream_id, 0, file, line);
    equal(load_u32(heard.payload), last_id, file, line);
    _assert_string_equal(halo_code_name(load_u32(heard.payload + 4)), halo_code_name(code), file,
                         line);
}

void peer_expect_nothing(struct fake_peer *peer, const char *file, int line)
{
    struct heard_frame heard;

    if (peer_next_frame(peer, &heard)) {
        char text[256];

        frame_describe(text, sizeof(text), &heard.frame, heard.payload, heard.frame.len);
        print_error("%s where nothing is expected\n", text);
        _fail(file, line);
    }
}

void skip_output(struct fake_peer *peer)
{
    struct heard_frame heard;

    while (peer_next_frame(peer, &heard)) {
        if (heard.frame.type == T_HEADERS || heard.frame.type == T_PUSH_PROMISE) {
            hear_headers(peer, heard, __FILE__, __LINE__);
        }
    }
}

/* ---- events ---------------------------------------------------------------------------------------- */

void skip_log(struct fake_peer *peer)
{
    peer_flush_log(peer);
    peer->log_read = peer->log.len;
}

/* The hash of DATA is there for comparing runs; it is cut from the log before this comparison. */
void peer_expect_log(struct fake_peer *peer, const char *text, const char *file, int line)
{
    struct wire plain = { 0 };

    peer_flush_log(peer);
    while (peer->log_read < peer->log.len) {
        const char *at = (const char *)peer->log.data + peer->log_read;
        size_t left = peer->log.len - peer->log_read;

        if (left > 14 && memcmp(at, " hash=", 6) == 0) {
            peer->log_read += 14;
        } else {
            wire_octet(&plain, (uint8_t)*at);
            peer->log_read++;
        }
    }
    wire_octet(&plain, 0);
    if (strcmp((const char *)plain.data, text) != 0) {
        print_error("events:\n%s--- expected:\n%s", (const char *)plain.data, text);
        wire_free(&plain);
        fail_at(file, line, "other events than expected");
    }
    wire_free(&plain);
}

static bool log_has(struct fake_peer *peer, const char *text)
{
    bool found;

    peer_flush_log(peer);
    wire_octet(&peer->log, 0);
    peer->log.len--;
    found = strstr((const char *)peer->log.data + peer->log_read, text) != NULL;
    return found;
}

void peer_expect_dead(struct fake_peer *peer, uint32_t code, const char *file, int line)
{
    struct heard_frame heard = { 0 };
    bool goaway = false;
    char text[128];

    while (peer_next_frame(peer, &heard)) {
        if (heard.frame.type == T_HEADERS || heard.frame.type == T_PUSH_PROMISE) {
            hear_headers(peer, heard, file, line);
        }
        goaway = heard.frame.type == T_GOAWAY;
    }
    if (!goaway) {
        fail_at(file, line, "no GOAWAY at the end of the output");
    }
    _assert_string_equal(halo_code_name(load_u32(heard.payload + 4)), halo_code_name(code), file,
                         line);
    snprintf(text, sizeof(text), " %s origin=2", halo_code_name(code));
    if (!log_has(peer, "SESSION_CLOSED ") || !log_has(peer, text)) {
        fail_at(file, line, "SESSION_CLOSED with the code was not told");
    }
    skip_log(peer);
}

void peer_expect_alive(struct fake_peer *peer, const char *file, int line)
{
    struct heard_frame heard = { 0 };
    bool answered = false;

    skip_log(peer);
    put_ping(&peer->in, 0, "alive???");
    peer_go(peer);
    while (peer_next_frame(peer, &heard)) {
        if (heard.frame.type == T_HEADERS || heard.frame.type == T_PUSH_PROMISE) {
            hear_headers(peer, heard, file, line);
        }
        answered = heard.frame.type == T_PING && heard.frame.flags == F_ACK;
    }
    if (!answered) {
        wire_octet(&peer->log, 0);
        peer->log.len--;
        print_error("%s", (const char *)peer->log.data + peer->log_read);
        fail_at(file, line, "the connection does not answer PING");
    }
    skip_log(peer);
}
