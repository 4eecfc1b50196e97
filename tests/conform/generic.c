/* What every HTTP/2 server and client must be able to take: each frame type and each form of
 * header field once, in good order. */
#include "conform.h"

/* ---- streams and frames ---------------------------------------------------------------- */

static void test_server_generic_1_preface(struct fake_peer *peer)
{
    put_preface(&peer->in);
    put_settings(&peer->in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 65535u, 0);
    peer_go(peer);
    expect_opening(peer);
}

static void test_server_generic_2_priority_on_idle(struct fake_peer *peer)
{
    put_priority(&peer->in, 1, 0, 255);
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_server_generic_2_window_update_on_half_closed(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_window_update(&peer->in, 1, 1);
    peer_go(peer);
    halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_server_generic_2_priority_on_half_closed(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_priority(&peer->in, 1, 0, 255);
    peer_go(peer);
    halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_server_generic_2_rst_stream_on_half_closed(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    peer_go(peer);
    expect_nothing(peer);
}

static void test_server_generic_2_priority_on_closed(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
    put_priority(&peer->in, 1, 0, 255);
}

static void test_server_generic_3_1_data(struct fake_peer *peer)
{
    put_data(&peer->in, 1, F_END_STREAM, 4);
    peer_go(peer);
    expect_log(peer, "DATA 1 len=4 END\n");
}

static void test_server_generic_3_1_several_data(struct fake_peer *peer)
{
    put_data(&peer->in, 1, 0, 4);
    put_data(&peer->in, 1, 0, 4);
    put_data(&peer->in, 1, F_END_STREAM, 4);
    peer_go(peer);
    expect_log(peer, "DATA 1 len=12 END\n");
}

static void test_server_generic_3_1_data_with_padding(struct fake_peer *peer)
{
    put_data_padded(&peer->in, 1, F_END_STREAM, 4, 255);
    peer_go(peer);
    expect_log(peer, "DATA 1 len=4 END\n");
}

static void test_server_generic_3_2_headers(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_answer(peer, 1);
}

/* HEADERS with padding or priority; `depends_on` with the exclusive bit. */
static void put_get_framed(struct fake_peer *peer, uint32_t id, unsigned flags, uint8_t padding,
                           uint32_t depends_on)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_headers_full(&peer->in, id, flags | F_END_STREAM | F_END_HEADERS, &block, padding,
                     depends_on);
    wire_free(&block);
    peer_go(peer);
    expect_answer(peer, id);
}

static void test_server_generic_3_2_headers_with_padding(struct fake_peer *peer)
{
    put_get_framed(peer, 1, F_PADDED, 8, 0);
    put_get_framed(peer, 3, F_PADDED, 0, 0);
    put_get_framed(peer, 5, F_PADDED, 255, 0);
}

static void test_server_generic_3_2_headers_with_priority(struct fake_peer *peer)
{
    put_get_framed(peer, 1, F_PRIORITY, 0, 0);
    put_get_framed(peer, 3, F_PRIORITY, 0, 0x80000001);
    put_get_framed(peer, 5, F_PRIORITY | F_PADDED, 9, 0x80000000);
}

/* PRIORITY frames, each of which opens nothing, and the request that comes then. */
struct signals {
    struct {
        uint32_t id; /* 0: no frame */
        uint32_t depends_on;
        uint8_t weight;
    } frames[2];
    uint32_t request_id;
};

static void take_signals(struct fake_peer *peer)
{
    const struct signals *signals = conform_data(peer);

    for (size_t i = 0; i < HALO_ARRAY_LEN(signals->frames) && signals->frames[i].id != 0; i++) {
        put_priority(&peer->in, signals->frames[i].id, signals->frames[i].depends_on,
                     signals->frames[i].weight);
    }
    put_get_framed(peer, signals->request_id, 0, 0, 0);
}

#define SIGNAL_ROW(test_, request_id_, ...)                                                        \
    CONFORM_ROW(                                                                                   \
        test_, take_signals,                                                                       \
        (&(const struct signals){ .frames = { __VA_ARGS__ }, .request_id = (request_id_) }),       \
        ACCEPTED, .answers = true)

static void test_server_generic_3_4_rst_stream(struct fake_peer *peer)
{
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    peer_go(peer);
    expect_log(peer, "CLOSED 1 STREAM_ERROR CANCEL origin=3 processed=0\n");
}

static void test_server_generic_3_5_settings(struct fake_peer *peer)
{
    put_settings(&peer->in, HALO_SETTINGS_MAX_CONCURRENT_STREAMS, 100u, 0);
    peer_go(peer);
    expect_settings_ack(peer);
}

static void test_server_generic_3_7_ping(struct fake_peer *peer)
{
    struct heard_frame heard;

    put_ping(&peer->in, 0, "h2 ping!");
    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_PING);
    assert_int_equal(heard.frame.flags, F_ACK);
    assert_memory_equal(heard.payload, "h2 ping!", 8);
}

static void test_server_generic_3_8_goaway(struct fake_peer *peer)
{
    put_goaway(&peer->in, 0, HALO_NO_ERROR, "that was it");
    peer_go(peer);
    expect_log(peer, "GOAWAY NO_ERROR last=0 debug=that was it\n");
}

static void test_server_generic_3_9_window_update_of_the_connection(struct fake_peer *peer)
{
    put_window_update(&peer->in, 0, 1);
}

static void test_server_generic_3_9_window_update_of_a_stream(struct fake_peer *peer)
{
    put_window_update(&peer->in, 1, 1);
}

static void test_server_generic_3_10_continuation(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_frame(&peer->in, T_HEADERS, F_END_STREAM, 1, block.data, 5);
    put_continuation(&peer->in, 1, F_END_HEADERS, block.data + 5, block.len - 5);
    wire_free(&block);
    peer_go(peer);
    expect_answer(peer, 1);
}

static void test_server_generic_3_10_several_continuations(struct fake_peer *peer)
{
    struct wire block = { 0 };

    put_request_block(&block);
    put_frame(&peer->in, T_HEADERS, F_END_STREAM, 1, block.data, 5);
    put_continuation(&peer->in, 1, 0, block.data + 5, 7);
    put_continuation(&peer->in, 1, 0, block.data + 12, 1);
    put_continuation(&peer->in, 1, F_END_HEADERS, block.data + 13, block.len - 13);
    wire_free(&block);
    peer_go(peer);
    expect_answer(peer, 1);
}

/* ---- exchanges ------------------------------------------------------------------------- */

static void test_server_generic_4_get(struct fake_peer *peer)
{
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "body", 4, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_data(peer, 1, F_END_STREAM, 4);
}

static void test_server_generic_4_head(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "HEAD", ":scheme", "https", ":path", "/",
               ":authority", "example.org", NULL);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "body", 4, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\n");
    expect_nothing(peer);
}

static void test_server_generic_4_post(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":method", "POST", ":scheme", "https", ":path", "/", ":authority",
               "example.org", "content-length", "4", NULL);
    put_data(&peer->in, 1, F_END_STREAM, 4);
    peer_go(peer);
    expect_answer(peer, 1);
    expect_log(peer, "REQUEST 1 :method=POST :scheme=https :path=/ :authority=example.org "
                     "content-length=4\nDATA 1 len=4 END\nCLOSED 1\n");
}

static void test_server_generic_4_post_with_trailers(struct fake_peer *peer)
{
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 4);
    put_fields(&peer->in, 1, F_END_STREAM, "x-test", "ok", NULL);
    peer_go(peer);
    expect_answer(peer, 1);
    expect_log(peer, "REQUEST 1 :method=POST :scheme=https :path=/ :authority=example.org\n"
                     "DATA 1 len=4\nTRAILERS 1 END x-test=ok\nCLOSED 1\n");
}

/* ---- header fields --------------------------------------------------------------------- */

/* A form of field or of size update, and what it must come out as. */
struct form {
    const char *octets;
    size_t len;
    const char *text;
};

/* A request with one field more. */
static void take_field(struct fake_peer *peer)
{
    const struct form *form = conform_data(peer);
    struct wire block = { 0 };
    struct wire log = { 0 };

    put_request_block(&block);
    wire_octets(&block, form->octets, form->len);
    put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
    peer_go(peer);
    wire_format(&log,
                "REQUEST 1 END :method=GET :scheme=https :path=/ :authority=example.org %s\n"
                "CLOSED 1\n",
                form->text);
    wire_octet(&log, 0);
    expect_log(peer, (const char *)log.data);
    expect_answer(peer, 1);
    wire_free(&block);
    wire_free(&log);
}

/* A request behind updates of the table's size. */
static void take_updates(struct fake_peer *peer)
{
    const struct form *form = conform_data(peer);
    struct wire block = { 0 };

    wire_octets(&block, form->octets, form->len);
    put_request_block(&block);
    put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
    peer_go(peer);
    expect_answer(peer, 1);
}

#define FORM_ROW(test_, play_, octets_, text_)                                                     \
    CONFORM_ROW(test_, play_,                                                                      \
                (&(const struct form){                                                             \
                    .octets = (octets_), .len = sizeof(octets_) - 1, .text = (text_) }),           \
                ACCEPTED, .answers = true)
#define FIELD_ROW(test_, octets_, text_) FORM_ROW(test_, take_field, octets_, text_)
#define UPDATE_ROW(test_, octets_)       FORM_ROW(test_, take_updates, octets_, "")

/* "test" in the code of RFC 7541 appendix B. */
#define CODED_TEST "\x83\x49\x50\x9f"

/* ---- a client's exchanges -------------------------------------------------------------- */

static void test_client_generic_information_body_and_trailers(struct fake_peer *peer)
{
    put_fields(&peer->in, 1, 0, ":status", "103", "link", "</a>", NULL);
    put_fields(&peer->in, 1, 0, ":status", "200", "content-length", "4", NULL);
    put_data_padded(&peer->in, 1, 0, 4, 3);
    put_fields(&peer->in, 1, F_END_STREAM, "x-test", "ok", NULL);
    peer_go(peer);
    expect_log(peer, "INFORMATION 1 status=103 :status=103 link=</a>\n"
                     "RESPONSE 1 status=200 :status=200 content-length=4\n"
                     "DATA 1 len=4\nTRAILERS 1 END x-test=ok\nCLOSED 1\n");
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_generic_1_preface, ACCEPTED, .before = NOTHING),
    SERVER_CASE(test_server_generic_2_priority_on_idle, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_generic_2_window_update_on_half_closed, ACCEPTED),
    SERVER_CASE(test_server_generic_2_priority_on_half_closed, ACCEPTED),
    SERVER_CASE(test_server_generic_2_rst_stream_on_half_closed, ACCEPTED),
    SERVER_CASE(test_server_generic_2_priority_on_closed, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_generic_3_1_data, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_generic_3_1_several_data, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_generic_3_1_data_with_padding, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_generic_3_2_headers, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_generic_3_2_headers_with_padding, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_generic_3_2_headers_with_priority, ACCEPTED, .answers = true),
    SIGNAL_ROW(test_server_generic_3_3_priority_of_weight_1, 1, { 1, 0, 0 }),
    SIGNAL_ROW(test_server_generic_3_3_priority_of_weight_256, 1, { 1, 0, 255 }),
    SIGNAL_ROW(test_server_generic_3_3_priority_with_dependency, 1, { 1, 0, 255 }, { 3, 1, 255 }),
    SIGNAL_ROW(test_server_generic_3_3_priority_exclusive, 1, { 1, 0x80000000, 255 },
               { 3, 0x80000001, 255 }),
    SIGNAL_ROW(test_server_generic_3_3_priority_of_a_later_stream, 3, { 5, 0, 255 }),
    SERVER_CASE(test_server_generic_3_4_rst_stream, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_generic_3_5_settings, ACCEPTED),
    SERVER_CASE(test_server_generic_3_7_ping, ACCEPTED),
    SERVER_CASE(test_server_generic_3_8_goaway, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_generic_3_9_window_update_of_the_connection, ACCEPTED),
    SERVER_CASE(test_server_generic_3_9_window_update_of_a_stream, ACCEPTED, .before = POSTED),
    SERVER_CASE(test_server_generic_3_10_continuation, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_generic_3_10_several_continuations, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_generic_4_get, ACCEPTED),
    SERVER_CASE(test_server_generic_4_head, ACCEPTED),
    SERVER_CASE(test_server_generic_4_post, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_generic_4_post_with_trailers, ACCEPTED, .answers = true),
    FIELD_ROW(test_server_generic_5_indexed, "\x90", "accept-encoding=gzip, deflate"),
    FIELD_ROW(test_server_generic_5_indexing_known_name, "\x7a\x04test", "user-agent=test"),
    FIELD_ROW(test_server_generic_5_indexing_known_name_coded, "\x7a" CODED_TEST,
              "user-agent=test"),
    FIELD_ROW(test_server_generic_5_indexing_new_name, "\x40\x04test\x04test", "test=test"),
    FIELD_ROW(test_server_generic_5_indexing_new_name_coded, "\x40" CODED_TEST CODED_TEST,
              "test=test"),
    FIELD_ROW(test_server_generic_5_literal_known_name, "\x0f\x2b\x04test", "user-agent=test"),
    FIELD_ROW(test_server_generic_5_literal_known_name_coded, "\x0f\x2b" CODED_TEST,
              "user-agent=test"),
    FIELD_ROW(test_server_generic_5_literal_new_name, "\x00\x04test\x04test", "test=test"),
    FIELD_ROW(test_server_generic_5_literal_new_name_coded, "\x00" CODED_TEST CODED_TEST,
              "test=test"),
    FIELD_ROW(test_server_generic_5_never_indexed_known_name, "\x1f\x2b\x04test",
              "user-agent=test"),
    FIELD_ROW(test_server_generic_5_never_indexed_known_name_coded, "\x1f\x2b" CODED_TEST,
              "user-agent=test"),
    FIELD_ROW(test_server_generic_5_never_indexed_new_name, "\x10\x04test\x04test", "test=test"),
    FIELD_ROW(test_server_generic_5_never_indexed_new_name_coded, "\x10" CODED_TEST CODED_TEST,
              "test=test"),
    /* 4096; 0, then 4096 */
    UPDATE_ROW(test_server_generic_5_size_update, "\x3f\xe1\x1f"),
    UPDATE_ROW(test_server_generic_5_two_size_updates, "\x20\x3f\xe1\x1f"),
    CLIENT_CASE(test_client_generic_information_body_and_trailers, ACCEPTED),
};

CONFORM_GROUP(group_generic, "generic", cases);
