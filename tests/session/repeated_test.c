/*
 * Messages that come, or are sent, again. What was checked once is not checked again, so these look
 * for the cases in which "the same" is not the same: the table moved, another session decoded in
 * between, the application changed its memory.
 */
#include "fake_peer.h"

#include <stdio.h>
#include <string.h>

#include <halo/header.h>

/* :method GET, :scheme https, :path /, and the newest entry of the dynamic table. */
static const uint8_t get_newest[] = { 0x82, 0x87, 0x84, 0xbe };

static void put_block(struct wire *wire, uint32_t id, const void *octets, size_t len)
{
    put_frame(wire, T_HEADERS, F_END_HEADERS | F_END_STREAM, id, octets, len);
}

static void put_first(struct wire *wire, uint32_t id, const char *authority)
{
    struct wire block = { 0 };

    field_at(&block, 2);
    field_at(&block, 7);
    field_at(&block, 4);
    field_indexed(&block, ":authority", authority);
    put_headers(wire, id, F_END_HEADERS | F_END_STREAM, &block);
    wire_free(&block);
}

#define REQUEST(id, authority)                                                                     \
    "REQUEST " id " END :method=GET :scheme=https :path=/ :authority=" authority "\nCLOSED " id "\n"

static void requests_are_repeated(struct fake_peer *peer)
{
    peer->app = app_respond;
    peer_open(peer);
    put_first(&peer->in, 1, "one.example");
    for (uint32_t id = 3; id <= 9; id += 2) {
        put_block(&peer->in, id, get_newest, sizeof(get_newest));
    }
    peer_go(peer);
    expect_log(peer,
               REQUEST("1", "one.example") REQUEST("3", "one.example") REQUEST("5", "one.example")
                   REQUEST("7", "one.example") REQUEST("9", "one.example"));
}

/* The same octets, but the table has another entry in front now. */
static void same_octets_after_insertion(struct fake_peer *peer)
{
    peer->app = app_respond;
    peer_open(peer);
    put_first(&peer->in, 1, "one.example");
    put_block(&peer->in, 3, get_newest, sizeof(get_newest));
    put_block(&peer->in, 5, get_newest, sizeof(get_newest));
    put_first(&peer->in, 7, "two.example");
    put_block(&peer->in, 9, get_newest, sizeof(get_newest));
    put_block(&peer->in, 11, get_newest, sizeof(get_newest));
    peer_go(peer);
    expect_log(peer, REQUEST("1", "one.example") REQUEST("3", "one.example")
                         REQUEST("5", "one.example") REQUEST("7", "two.example")
                             REQUEST("9", "two.example") REQUEST("11", "two.example"));
}

/* The same octets, but a size update has emptied the table (RFC 7541 section 2.3.3). */
static void same_octets_after_eviction(struct fake_peer *peer)
{
    static const uint8_t empty_table[] = { 0x20, 0x82, 0x87, 0x84, 0x41, 0x01, 'x' };

    peer->app = app_respond;
    peer_open(peer);
    put_first(&peer->in, 1, "one.example");
    put_block(&peer->in, 3, get_newest, sizeof(get_newest));
    put_block(&peer->in, 5, get_newest, sizeof(get_newest));
    put_block(&peer->in, 7, empty_table, sizeof(empty_table));
    put_block(&peer->in, 9, get_newest, sizeof(get_newest));
    peer_go(peer);
    expect_dead(peer, HALO_COMPRESSION_ERROR);
}

/* Trailers of another stream use the list in between. */
static void repeated_around_trailers(struct fake_peer *peer)
{
    peer->app = app_respond;
    peer_open(peer);
    put_first(&peer->in, 1, "one.example");
    put_block(&peer->in, 3, get_newest, sizeof(get_newest));
    put_post(&peer->in, 5);
    put_block(&peer->in, 7, get_newest, sizeof(get_newest));
    put_fields(&peer->in, 5, F_END_STREAM, "x-end", "yes", NULL);
    put_block(&peer->in, 9, get_newest, sizeof(get_newest));
    peer_go(peer);
    expect_log(peer,
               REQUEST("1", "one.example") REQUEST(
                   "3", "one.example") "REQUEST 5 :method=POST :scheme=https :path=/ "
                                       ":authority=example.org\n" REQUEST(
                                           "7", "one.example") "TRAILERS 5 END x-end=yes\nCLOSED "
                                                               "5\n" REQUEST("9", "one.example"));
}

/* The same octets, but trailers of another stream have put an entry in front. */
static void same_octets_after_trailers(struct fake_peer *peer)
{
    struct wire block = { 0 };

    peer->app = app_respond;
    peer_open(peer);
    put_first(&peer->in, 1, "one.example");
    put_block(&peer->in, 3, get_newest, sizeof(get_newest));
    put_post(&peer->in, 5);
    put_block(&peer->in, 7, get_newest, sizeof(get_newest));
    field_indexed(&block, "x-end", "yes");
    put_headers(&peer->in, 5, F_END_HEADERS | F_END_STREAM, &block);
    wire_free(&block);
    peer_go(peer);
    for (uint32_t id = 1; id <= 7; id += 2) {
        expect_headers(peer, id, F_END_STREAM, ":status: 200\n");
    }
    put_block(&peer->in, 9, get_newest, sizeof(get_newest)); /* x-end, and no :authority */
    peer_go(peer);
    expect_rst(peer, 9, HALO_PROTOCOL_ERROR);
    skip_log(peer);
    expect_alive(peer);
}

/* A handler that does not answer at once still has the list after the next request. */
static void repeated_lists_are_kept(struct fake_peer *peer)
{
    halo_header_list list;

    peer_open(peer);
    put_first(&peer->in, 1, "one.example");
    put_block(&peer->in, 3, get_newest, sizeof(get_newest));
    put_block(&peer->in, 5, get_newest, sizeof(get_newest));
    put_first(&peer->in, 7, "two.example");
    peer_go(peer);
    list = halo_stream_headers(peer_stream(peer, 5));
    assert_int_equal(list.count, 4);
    assert_memory_equal(list.fields[3].value.data, "one.example", 11);
}

/* What belongs to the message and not to its octets is looked at each time. */
static void repeated_with_another_end(struct fake_peer *peer)
{
    static const uint8_t octets[] = { 0x82, 0x87, 0x84, 0xbf, 0xbe };
    struct wire block = { 0 };

    peer->app = app_respond;
    peer_open(peer);
    field_at(&block, 2);
    field_at(&block, 7);
    field_at(&block, 4);
    field_indexed(&block, ":authority", "example.org");
    field_indexed(&block, "content-length", "2");
    put_headers(&peer->in, 1, F_END_HEADERS, &block);
    wire_free(&block);
    put_data(&peer->in, 1, F_END_STREAM, 2);
    put_frame(&peer->in, T_HEADERS, F_END_HEADERS, 3, octets, sizeof(octets));
    put_data(&peer->in, 3, F_END_STREAM, 2);
    put_frame(&peer->in, T_HEADERS, F_END_HEADERS, 5, octets, sizeof(octets));
    put_data(&peer->in, 5, F_END_STREAM, 3);
    put_frame(&peer->in, T_HEADERS, F_END_HEADERS | F_END_STREAM, 7, octets, sizeof(octets));
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\n");
    expect_headers(peer, 3, F_END_STREAM, ":status: 200\n");
    expect_headers(peer, 5, F_END_STREAM, ":status: 200\n");
    expect_rst(peer, 5, HALO_PROTOCOL_ERROR);
    expect_rst(peer, 7, HALO_PROTOCOL_ERROR);
    skip_log(peer);
    expect_alive(peer);
}

/* Too many streams: refused whatever was known of the request. */
static void options_two_streams(struct halo_session_options *options)
{
    options->settings.max_concurrent_streams = 2;
}

static void repeated_above_the_limit(struct fake_peer *peer)
{
    peer_open(peer);
    put_first(&peer->in, 1, "one.example");
    put_block(&peer->in, 3, get_newest, sizeof(get_newest));
    put_block(&peer->in, 5, get_newest, sizeof(get_newest));
    put_block(&peer->in, 7, get_newest, sizeof(get_newest));
    peer_go(peer);
    expect_rst(peer, 5, HALO_REFUSED_STREAM);
    expect_rst(peer, 7, HALO_REFUSED_STREAM);
    skip_log(peer);
    expect_alive(peer);
}

/* A size update is done each time, although the fields behind it are known: here the table has to be
 * too small for what is inserted at last. */
static void size_updates_are_not_skipped(struct fake_peer *peer)
{
    static const uint8_t small[] = { 0x3f, 0x09, 0x82, 0x87, 0x84, 0x01, 0x01, 'x' };
    static const uint8_t large[] = { 0x3f, 0xe1, 0x1f, 0x00, 0x01, 'a', 0x01, 'b' };

    peer->app = app_respond;
    peer_open(peer);
    put_block(&peer->in, 1, small, sizeof(small));
    put_post(&peer->in, 3);
    put_block(&peer->in, 5, small, sizeof(small));
    put_block(&peer->in, 3, large, sizeof(large)); /* trailers */
    put_block(&peer->in, 7, small, sizeof(small));
    put_first(&peer->in, 9, "one.example");
    put_block(&peer->in, 11, get_newest, sizeof(get_newest));
    peer_go(peer);
    expect_dead(peer, HALO_COMPRESSION_ERROR);
}

/* ---- sessions that share a list ---------------------------------------------------------------- */

static void poll_all(halo_session *session, char *text, size_t size)
{
    struct halo_event event;
    size_t at = 0;

    text[0] = 0;
    while (halo_session_poll(session, &event)) {
        if (event.type == HALO_EVENT_REQUEST) {
            const halo_header *field = &event.u.headers.fields[event.u.headers.count - 1];

            at += (size_t)snprintf(text + at, size - at, "%.*s=%.*s ", (int)field->name.len,
                                   field->name.data, (int)field->value.len, field->value.data);
            assert_int_equal(halo_stream_respond(event.stream, 204, NULL, 0), 0);
        }
    }
}

/* Two sessions of one environment. */
struct two {
    struct test_memory memory;
    struct memory pool;
    struct proto_env env;
    halo_session *sessions[2];
};

static void two_begin(struct two *two)
{
    struct halo_session_options options;

    halo_session_options_init(&options, HALO_SERVER);
    test_memory_init(&two->memory);
    options.allocator = two->memory.allocator;
    memory_init(&two->pool, &options.allocator);
    assert_int_equal(proto_env_init(&two->env, &two->pool, 2), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(session_new_in(&two->sessions[i], &two->env, &options, 1), 0);
    }
}

static void two_end(struct two *two)
{
    halo_session_free(two->sessions[0]);
    halo_session_free(two->sessions[1]);
    proto_env_fini(&two->env);
    memory_fini(&two->pool);
    assert_int_equal(two->memory.live, 0);
}

/* Requests in memory that is gone when the next comes; `expected`: the values of their last field. */
static void two_request(halo_session *session, uint32_t id, const void *block, size_t len,
                        const char *expected)
{
    struct wire in = { 0 };
    char text[200];

    if (id == 1) {
        put_preface(&in);
        put_settings(&in, 0);
    }
    if (id % 4 == 1) {
        put_ping(&in, 0, "12345678"); /* the next block does not lie where this one did */
    }
    put_block(&in, id, block, len);
    assert_int_equal(halo_session_recv(session, in.data, in.len, 1), 0);
    poll_all(session, text, sizeof(text));
    assert_string_equal(text, expected);
    memset(in.data, 0xdd, in.len);
    wire_free(&in);
}

/* Literals that the table does not take, as most clients send paths: Huffman-coded ones are where
 * they were decoded to, others where they were received. */
static void test_literals_come_again(void **state)
{
    static const uint8_t coded[] = { 0x82, 0x87, 0x84, 0x01, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5,
                                     0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff };
    static const uint8_t plain[] = { 0x82, 0x87, 0x84, 0x01, 0x05, 'p', 'l', 'a', 'i', 'n' };
    static const uint8_t named[] = { 0x82, 0x87, 0x84, 0x01, 0x82, 0xf1, 0xe3,
                                     0x00, 0x02, 'x',  'y',  0x82, 0xf1, 0xe3 };
    struct two two;
    uint32_t id = 1;

    (void)state;
    two_begin(&two);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++, id += 2) {
            /* In turns, and then twice in a row. */
            two_request(two.sessions[0], id, coded, sizeof(coded), ":authority=www.example.com ");
            two_request(two.sessions[1], id, plain, sizeof(plain), ":authority=plain ");
        }
        for (int i = 0; i < 3; i++, id += 2) {
            two_request(two.sessions[0], id, plain, sizeof(plain), ":authority=plain ");
        }
        for (uint32_t more = id - 6, i = 0; i < 3; i++, more += 2) {
            two_request(two.sessions[1], more, coded, sizeof(coded), ":authority=www.example.com ");
        }
        for (int i = 0; i < 3; i++, id += 2) {
            two_request(two.sessions[0], id, named, sizeof(named), "xy=ww ");
        }
        for (uint32_t more = id - 6, i = 0; i < 3; i++, more += 2) {
            two_request(two.sessions[1], more, named, sizeof(named), "xy=ww ");
        }
    }
    two_end(&two);
}

/* A literal that the table takes is taken each time. */
static void test_insertions_come_again(void **state)
{
    static const uint8_t insert[] = { 0x82, 0x87, 0x84, 0x41, 0x81, 0x37 }; /* "i" */
    static const uint8_t fifth[] = { 0x82, 0x87, 0x84, 0xc2 };
    struct two two;

    (void)state;
    two_begin(&two);
    for (uint32_t id = 1; id <= 9; id += 2) {
        two_request(two.sessions[0], id, insert, sizeof(insert), ":authority=i ");
    }
    two_request(two.sessions[0], 11, fifth, sizeof(fifth), ":authority=i ");
    two_end(&two);
}

static void test_sessions_in_turns(void **state)
{
    const char *authorities[2] = { "one.example", "two.example" };
    struct two two;
    halo_session **sessions = two.sessions;
    char text[200];

    (void)state;
    two_begin(&two);
    for (size_t i = 0; i < 2; i++) {
        struct wire in = { 0 };

        put_preface(&in);
        put_settings(&in, 0);
        put_first(&in, 1, authorities[i]);
        put_block(&in, 3, get_newest, sizeof(get_newest));
        assert_int_equal(halo_session_recv(sessions[i], in.data, in.len, 1), 0);
        poll_all(sessions[i], text, sizeof(text));
        wire_free(&in);
    }
    for (uint32_t id = 5; id < 40; id += 4) {
        for (size_t i = 0; i < 2; i++) {
            struct wire in = { 0 };
            char expected[80];

            put_block(&in, id, get_newest, sizeof(get_newest));
            put_block(&in, id + 2, get_newest, sizeof(get_newest));
            assert_int_equal(halo_session_recv(sessions[i], in.data, in.len, 1), 0);
            poll_all(sessions[i], text, sizeof(text));
            snprintf(expected, sizeof(expected), ":authority=%s :authority=%s ", authorities[i],
                     authorities[i]);
            assert_string_equal(text, expected);
            wire_free(&in);
        }
    }
    two_end(&two);
}

/* ---- responses --------------------------------------------------------------------------------- */

/* Answers the next request with one field; returns what halo_stream_respond() said. */
static int answer(struct fake_peer *peer, uint32_t id, halo_header field)
{
    halo_headers headers = { .fields = &field, .count = 1 };

    put_get(&peer->in, id);
    peer_go(peer);
    return halo_stream_respond(peer_stream(peer, id), 200, &headers, HALO_END_STREAM);
}

/* The application reuses its memory for another value: the new one is checked like any. */
static void values_change_in_place(struct fake_peer *peer)
{
    char value[] = "good";

    peer_open(peer);
    for (uint32_t id = 1; id <= 7; id += 2) {
        assert_int_equal(answer(peer, id, test_field("x-name", value)), 0);
        peer_go(peer);
        expect_headers(peer, id, F_END_STREAM, ":status: 200\nx-name: good\n");
    }
    value[1] = '\n';
    assert_int_equal(answer(peer, 9, test_field("x-name", value)), HALO_E_INVALID_HEADER_VALUE);
    peer_go(peer);
    expect_nothing(peer);
    value[1] = 'r';
    assert_int_equal(answer(peer, 11, test_field("x-name", value)), 0);
    peer_go(peer);
    expect_headers(peer, 11, F_END_STREAM, ":status: 200\nx-name: grod\n");
}

/* Names that are not allowed are found behind fields that were sent before, and nothing is sent. */
static void bad_fields_behind_good_ones(struct fake_peer *peer)
{
    static const struct {
        const char *name;
        int status;
    } bad[] = {
        { ":path", HALO_E_PSEUDOHEADER_NOT_ALLOWED },
        { "connection", HALO_E_INVALID_CONNECTION_HEADERS },
        { "x name", HALO_E_INVALID_HEADER_NAME },
        { "", HALO_E_INVALID_HEADER_NAME },
    };
    halo_header list[3] = { test_field("server", "halo"), test_field("x-a", "b") };
    halo_headers headers = { .fields = list, .count = 2 };
    uint32_t id = 1;

    peer_open(peer);
    for (; id <= 5; id += 2) {
        put_get(&peer->in, id);
        peer_go(peer);
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, &headers, 0), 0);
        peer_go(peer);
        expect_headers(peer, id, 0, ":status: 200\nserver: halo\nx-a: b\n");
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++, id += 2) {
        list[2] = test_field(bad[i].name, "/");
        headers.count = 3;
        put_get(&peer->in, id);
        peer_go(peer);
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, &headers, 0),
                         bad[i].status);
        peer_go(peer);
        expect_nothing(peer);
        headers.count = 2;
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, &headers, 0), 0);
        peer_go(peer);
        expect_headers(peer, id, 0, ":status: 200\nserver: halo\nx-a: b\n");
    }
}

/* A request of ours put ":path: /" in the fourth place; a response may not have it there. */
static void pseudo_field_in_a_known_place(struct fake_peer *peer)
{
    halo_header list[3] = { test_field(":method", "GET"), test_field(":scheme", "https"),
                            test_field(":path", "/") };
    struct halo_request request = { .authority = HALO_LIT("example.org") };
    halo_stream *stream;

    peer_open(peer);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream), 0);
    }
    request.headers = (halo_headers){ .fields = list, .count = 3 };
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     HALO_E_PSEUDOHEADER_NOT_ALLOWED);
    peer_go(peer);
}

/* The same field, now said to be secret: it may not be an index any more (RFC 7541 section 7.1.3). */
static void repeated_field_becomes_secret(struct fake_peer *peer)
{
    halo_header field = test_field("x-token", "0123456789");
    struct heard_frame heard;

    peer_open(peer);
    for (uint32_t id = 1; id <= 5; id += 2) {
        assert_int_equal(answer(peer, id, field), 0);
        peer_go(peer);
        expect_headers(peer, id, F_END_STREAM, ":status: 200\nx-token: 0123456789\n");
    }
    field.flags = HALO_HEADER_NEVER_INDEX;
    assert_int_equal(answer(peer, 7, field), 0);
    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.payload[0], 0x88);
    assert_int_equal(heard.payload[1] & 0xf0, 0x10); /* never indexed */
}

/* A peer that shrinks the encoder's table is told, before what was there is named again. */
static void table_shrinks_between_responses(struct fake_peer *peer)
{
    halo_header field = test_field("x-name", "value");

    peer_open(peer);
    for (uint32_t id = 1; id <= 13; id += 2) {
        if (id == 5) {
            put_settings(&peer->in, HALO_SETTINGS_HEADER_TABLE_SIZE, 0, 0);
            peer_go(peer);
            expect_settings_ack(peer);
        }
        if (id == 9) {
            put_settings(&peer->in, HALO_SETTINGS_HEADER_TABLE_SIZE, 4096, 0);
            peer_go(peer);
            expect_settings_ack(peer);
        }
        assert_int_equal(answer(peer, id, field), 0);
        peer_go(peer);
        expect_headers(peer, id, F_END_STREAM, ":status: 200\nx-name: value\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(requests_are_repeated),
        SERVER(same_octets_after_insertion),
        SERVER(same_octets_after_eviction),
        SERVER(repeated_around_trailers),
        SERVER(same_octets_after_trailers),
        SERVER(repeated_lists_are_kept),
        SERVER(repeated_with_another_end),
        SERVER_WITH(repeated_above_the_limit, options_two_streams),
        SERVER(size_updates_are_not_skipped),
        cmocka_unit_test(test_literals_come_again),
        cmocka_unit_test(test_insertions_come_again),
        cmocka_unit_test(test_sessions_in_turns),
        SERVER(values_change_in_place),
        SERVER(bad_fields_behind_good_ones),
        CLIENT(pseudo_field_in_a_known_place),
        SERVER(repeated_field_becomes_secret),
        SERVER(table_shrinks_between_responses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
