/* Rows of Node's options of servers and clients, as far as they are a session's. */
#include "fake_peer.h"

#include <string.h>

static void small_send_block(struct halo_session_options *options)
{
    options->limits.send_block = 200;
}

static void test_O06_X01_session_block_too_long_is_told_by_the_call(struct fake_peer *peer)
{
    char value[201];
    halo_header field_ = { .name = HALO_LIT("x-long"), .value = { value, sizeof(value) } };
    halo_headers headers = { .fields = &field_, .count = 1 };

    memset(value, '~', sizeof(value));
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, &headers, 0),
                     HALO_E_HEADER_BLOCK_TOO_LONG);
    peer_go(peer);
    expect_nothing(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM), 0);
}

static void test_E04_T04_O06_session_frame_error_of_trailers(struct fake_peer *peer)
{
    halo_header sum = test_field("x-sum", "123456789");
    halo_headers trailers = { .fields = &sum, .count = 1 };

    peer_open_with(peer, 4, 3); /* the body has to wait */
    put_get(&peer->in, 1);
    peer_go(peer);
    skip_log(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "12345", 5, 0), 0);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 1), &trailers), 0);
    peer_go(peer);
    skip_output(peer);
    peer->session->config->limits.send_block = 5;
    put_window_update(&peer->in, 1, 100);
    peer_go(peer);
    expect_data(peer, 1, 0, 2);
    expect_rst(peer, 1, HALO_INTERNAL_ERROR);
    expect_log(peer, "FRAME_ERROR 1 type=1 HEADER_BLOCK_TOO_LONG\n"
                     "CLOSED 1 HEADER_BLOCK_TOO_LONG INTERNAL_ERROR origin=1 processed=0\n");
    expect_alive(peer);
}

static void test_E04_T04_session_frame_error_of_a_waiting_request(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open_with(peer, 3, 1);
    peer_request(peer, "GET", HALO_END_STREAM);
    stream = peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    skip_output(peer);
    assert_true(halo_stream_is_pending(stream));
    peer->session->config->limits.send_block = 5;
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_nothing(peer); /* no number was used: a reset would be of an idle stream */
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\n"
                     "FRAME_ERROR 0 type=1 HEADER_BLOCK_TOO_LONG\n"
                     "CLOSED 0 HEADER_BLOCK_TOO_LONG INTERNAL_ERROR origin=1 processed=1\n"
                     "FRAME_ERROR 0 type=1 HEADER_BLOCK_TOO_LONG\n"
                     "CLOSED 0 HEADER_BLOCK_TOO_LONG INTERNAL_ERROR origin=1 processed=1\n");
    peer->session->config->limits.send_block = 500;
    stream = peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    assert_false(halo_stream_is_pending(stream));
    expect_alive(peer);
}

static void three_invalid(struct halo_session_options *options)
{
    options->limits.invalid_frames = 3;
}

static void test_O12_X07_session_too_many_invalid_frames(struct fake_peer *peer)
{
    peer_open(peer);
    for (uint32_t i = 0; i < 4; i++) {
        put_fields(&peer->in, 1 + 4 * i, F_END_STREAM, ":method", "GET", "UPPER", "1", NULL);
        put_get(&peer->in, 3 + 4 * i); /* what is completed in between changes nothing */
    }
    peer->app = app_respond;
    peer_go(peer);
    skip_output(peer);
    assert_non_null(strstr((const char *)peer->log.data, "SESSION_CLOSED TOO_MANY_INVALID_FRAMES"
                                                         " ENHANCE_YOUR_CALM"));
    skip_log(peer);
    peer_restart(peer);
    peer_open(peer);
    for (uint32_t i = 0; i < 3; i++) {
        put_fields(&peer->in, 1 + 2 * i, F_END_STREAM, ":method", "GET", "UPPER", "1", NULL);
    }
    peer_go(peer);
    skip_output(peer);
    expect_alive(peer);
}

static void two_refused(struct halo_session_options *options)
{
    options->settings.max_concurrent_streams = 1;
    options->limits.refused_streams = 2;
}

static void test_O13_session_too_many_refused_streams(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_post(&peer->in, 3);
    put_post(&peer->in, 5);
    peer_go(peer);
    expect_rst(peer, 3, HALO_REFUSED_STREAM);
    expect_rst(peer, 5, HALO_REFUSED_STREAM);
    put_post(&peer->in, 7);
    peer_go(peer);
    skip_log(peer);
    expect_goaway(peer, HALO_ENHANCE_YOUR_CALM, 1);
}

static void reset_pair(struct halo_session_options *options)
{
    options->stream_reset_burst = 2;
    options->stream_reset_rate = 1;
}

static void reset_half(struct halo_session_options *options)
{
    options->stream_reset_burst = 2;
}

static void three_resets(struct fake_peer *peer)
{
    peer_open(peer);
    for (uint32_t id = 1; id <= 5; id += 2) {
        if (peer->scenario->role == HALO_SERVER) {
            put_post(&peer->in, id);
        } else {
            peer_request(peer, "POST", 0);
        }
        put_rst_stream(&peer->in, id, HALO_CANCEL);
    }
    peer_go(peer);
    skip_log(peer);
}

static void test_O15_O24_K01_session_reset_burst_and_rate(struct fake_peer *peer)
{
    three_resets(peer);
    skip_output(peer);
    assert_int_equal(peer->session->error.code, HALO_ENHANCE_YOUR_CALM);
    assert_true(halo_session_is_destroyed(peer->session));
}

/* They end requests of ours; on streams that are gone they are useless. */
static void test_O15_session_servers_may_reset_what_we_asked(struct fake_peer *peer)
{
    three_resets(peer);
    assert_false(halo_session_is_closed(peer->session));
    put_rst_stream(&peer->in, 1, HALO_CANCEL);
    put_rst_stream(&peer->in, 3, HALO_CANCEL);
    peer_go(peer);
    assert_false(halo_session_is_closed(peer->session));
    put_rst_stream(&peer->in, 5, HALO_CANCEL);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

static void test_O15_session_reset_burst_alone_has_no_effect(struct fake_peer *peer)
{
    three_resets(peer);
    skip_output(peer);
    expect_alive(peer);
}

static void peer_allows_two(struct halo_session_options *options)
{
    options->peer_max_concurrent_streams = 2;
}

static void test_O11_K01_session_peer_max_concurrent_streams(struct fake_peer *peer)
{
    for (int i = 0; i < 3; i++) {
        peer_request(peer, "GET", HALO_END_STREAM);
    }
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 12);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    expect_nothing(peer);
    put_settings(&peer->in, 3, 3, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    expect_headers(peer, 5, F_END_STREAM, NULL);
}

static void loose(struct halo_session_options *options)
{
    options->strict_field_whitespace = 0;
    options->strict_single_value_fields = 0;
}

static void test_O25_session_white_space_around_values(struct fake_peer *peer)
{
    peer_open(peer);
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "a", "x", " y\t", NULL);
    peer_go(peer);
    expect_rst(peer, 1, HALO_PROTOCOL_ERROR);
    expect_log(peer, "");
}

static void test_O25_session_white_space_is_let_through(struct fake_peer *peer)
{
    peer_open(peer);
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "a", "x", " y\t", NULL);
    peer_go(peer);
    expect_nothing(peer);
    expect_log(peer, "REQUEST 1 END :method=GET :scheme=https :path=/ :authority=a x= y\t\n");
}

static int respond_twice(struct fake_peer *peer, uint32_t id, const char *first, const char *second,
                         size_t others)
{
    halo_header list[20];
    halo_headers headers = { .fields = list, .count = others + 2 };

    list[0] = test_field(first, "1");
    for (size_t i = 0; i < others; i++) {
        list[1 + i] = test_field("x-other", "2");
    }
    list[others + 1] = test_field(second, "3");
    put_get(&peer->in, id);
    peer_go(peer);
    return halo_stream_respond(peer_stream(peer, id), 200, &headers, HALO_END_STREAM);
}

static void test_O26_H16_X07_session_single_values(struct fake_peer *peer)
{
    halo_header one = test_field("etag", "1");
    halo_headers first = { .fields = &one, .count = 1 };

    peer_open(peer);
    assert_int_equal(respond_twice(peer, 1, "etag", "etag", 0), HALO_E_HEADER_SINGLE_VALUE);
    assert_int_equal(respond_twice(peer, 3, "ETag", "etag", 0), HALO_E_HEADER_SINGLE_VALUE);
    assert_int_equal(respond_twice(peer, 5, "etag", "etag", 18), HALO_E_HEADER_SINGLE_VALUE);
    assert_int_equal(respond_twice(peer, 7, "etag", "date", 0), 0);
    assert_int_equal(respond_twice(peer, 9, "set-cookie", "set-cookie", 0), 0);
    assert_int_equal(respond_twice(peer, 11, "x-mine", "x-mine", 3), 0);
    /* The first field is as in the block before, the second new. */
    for (uint32_t id = 13; id <= 17; id += 2) {
        put_get(&peer->in, id);
        peer_go(peer);
        assert_int_equal(halo_stream_respond(peer_stream(peer, id), 200, &first, HALO_END_STREAM),
                         0);
        peer_go(peer);
    }
    assert_int_equal(respond_twice(peer, 19, "etag", "etag", 0), HALO_E_HEADER_SINGLE_VALUE);
    peer_go(peer);
    skip_output(peer);
    skip_log(peer);
}

static void test_O26_session_single_values_are_let_through(struct fake_peer *peer)
{
    peer_open(peer);
    assert_int_equal(respond_twice(peer, 1, "etag", "etag", 0), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\netag: 1\netag: 3\n");
}

static void no_fields(struct halo_session_options *options)
{
    options->limits.header_fields = 0;
}

static void test_O04_session_server_takes_at_least_four_fields(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_nothing(peer);
    put_fields(&peer->in, 3, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "a", "x", "y", NULL);
    peer_go(peer);
    expect_rst(peer, 3, HALO_ENHANCE_YOUR_CALM);
    skip_log(peer);
}

static void test_K02_session_client_takes_at_least_one_field(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    put_ok(&peer->in, 1, F_END_STREAM);
    put_fields(&peer->in, 3, F_END_STREAM, ":status", "200", "x", "y", NULL);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\n"
                     "CLOSED 3 PROTOCOL ENHANCE_YOUR_CALM origin=2 processed=0\n");
    skip_output(peer);
}

static void test_O01_O14_session_initial_settings_and_encoder_table(struct fake_peer *peer)
{
    struct halo_session_info info;

    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 6);
    put_preface(&peer->in);
    put_settings(&peer->in, 1, 100000, 0); /* the peer offers a large table */
    put_get(&peer->in, 1);
    peer_go(peer);
    for (int i = 0; i < 40; i++) {
        char text[40] = "value-that-takes-some-room-in-the-table";
        halo_header one = test_field("x-field", text);
        halo_headers headers = { .fields = &one, .count = 1 };

        text[0] = (char)('a' + i % 26);
        text[1] = (char)('a' + i / 26);
        assert_int_equal(halo_stream_inform(peer_stream(peer, 1), 103, &headers), 0);
        assert_int_equal(halo_stream_inform(peer_stream(peer, 1), 103, &headers), 0);
    }
    halo_session_get_info(peer->session, &info);
    assert_true(info.encoder_table_octets > 0);
    assert_true(info.encoder_table_octets <= 200);
    skip_log(peer);
}

static void small_table(struct halo_session_options *options)
{
    options->limits.encoder_table_size = 200;
    halo_settings_default(&options->settings);
    options->settings.initial_window_size = 70000;
    options->settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
}

static void test_O01_O02_O04_O05_O06_O12_O13_O15_K01_K02_session_node_defaults(void **state)
{
    (void)state;
    for (int role = HALO_SERVER; role <= HALO_CLIENT; role++) {
        struct halo_session_options options;
        halo_session *session;

        halo_session_options_init(&options, role);
        halo_session_options_node_defaults(&options);
        assert_int_equal(options.limits.encoder_table_size, 4096);
        assert_int_equal(options.limits.settings_entries, 32);
        assert_int_equal(options.limits.header_fields, 128);
        assert_int_equal(options.limits.outstanding_pings, 10);
        assert_int_equal(options.limits.send_block, 65536);
        assert_int_equal(options.limits.invalid_frames, 1000);
        assert_int_equal(options.limits.refused_streams, 100);
        assert_int_equal(options.limits.resets, 1000);
        assert_int_equal(options.limits.resets_per_second, 33);
        assert_int_equal(options.peer_max_concurrent_streams, 100);
        assert_int_equal(options.padding, HALO_PADDING_NONE);
        assert_int_equal(options.settings.max_header_list_size, 65535);
        assert_int_equal(options.settings.max_concurrent_streams, UINT32_MAX);
        assert_int_equal(options.settings.initial_window_size, 65535);
        assert_int_equal(options.settings.enable_push, 1);
        assert_int_equal(halo_session_new(&session, &options, 1), 0);
        halo_session_free(session);
    }
}

static void test_X01_session_options_are_checked(void **state)
{
    struct halo_session_options options;
    halo_session *session;

    (void)state;
    halo_session_options_init(&options, HALO_SERVER);
    options.padding = 3;
    assert_int_equal(halo_session_new(&session, &options, 1), HALO_E_INVALID_ARGUMENT);
    halo_session_options_init(&options, HALO_SERVER);
    options.remote_custom_count = 11;
    assert_int_equal(halo_session_new(&session, &options, 1), HALO_E_TOO_MANY_CUSTOM_SETTINGS);
    options.remote_custom_count = 1;
    assert_int_equal(halo_session_new(&session, &options, 1), HALO_E_INVALID_SETTING_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_WITH(test_O06_X01_session_block_too_long_is_told_by_the_call, small_send_block),
        SERVER(test_E04_T04_O06_session_frame_error_of_trailers),
        CLIENT(test_E04_T04_session_frame_error_of_a_waiting_request),
        SERVER_WITH(test_O12_X07_session_too_many_invalid_frames, three_invalid),
        SERVER_WITH(test_O13_session_too_many_refused_streams, two_refused),
        SERVER_WITH(test_O15_O24_K01_session_reset_burst_and_rate, reset_pair),
        CLIENT_WITH(test_O15_session_servers_may_reset_what_we_asked, reset_pair),
        SERVER_WITH(test_O15_session_reset_burst_alone_has_no_effect, reset_half),
        CLIENT_WITH(test_O11_K01_session_peer_max_concurrent_streams, peer_allows_two),
        SERVER(test_O25_session_white_space_around_values),
        SERVER_WITH(test_O25_session_white_space_is_let_through, loose),
        SERVER(test_O26_H16_X07_session_single_values),
        SERVER_WITH(test_O26_session_single_values_are_let_through, loose),
        SERVER_WITH(test_O04_session_server_takes_at_least_four_fields, no_fields),
        CLIENT_WITH(test_K02_session_client_takes_at_least_one_field, no_fields),
        SERVER_WITH(test_O01_O14_session_initial_settings_and_encoder_table, small_table),
        cmocka_unit_test(test_O01_O02_O04_O05_O06_O12_O13_O15_K01_K02_session_node_defaults),
        cmocka_unit_test(test_X01_session_options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
