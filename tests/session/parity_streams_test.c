/* Rows of Node's streams and sessions: states, properties, ends, what was sent. */
#include "fake_peer.h"

#include <string.h>

static bool aborted;
static int64_t reset_code;

static void look(struct fake_peer *peer, const struct halo_event *event)
{
    (void)peer;
    if (event->type == HALO_EVENT_STREAM_CLOSED) {
        aborted = halo_stream_is_aborted(event->stream) != 0;
        reset_code = halo_stream_reset_code(event->stream);
        assert_true(halo_stream_is_closed(event->stream));
        assert_int_equal(halo_stream_reset(event->stream, HALO_CANCEL), HALO_E_INVALID_STREAM);
        assert_int_equal(halo_stream_write(event->stream, "", 0, HALO_END_STREAM),
                         HALO_E_INVALID_STREAM);
    }
}

static void test_T01_T10_L07_L12_T13_T14_T31_session_aborted(struct fake_peer *peer)
{
    peer->app = look;
    peer_open(peer);
    put_post(&peer->in, 1);
    put_rst_stream(&peer->in, 1, HALO_CANCEL); /* we had not ended our half */
    peer_go(peer);
    assert_true(aborted);
    assert_int_equal(reset_code, HALO_CANCEL);
    put_post(&peer->in, 3);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, NULL, HALO_END_STREAM), 0);
    put_rst_stream(&peer->in, 3, HALO_CANCEL); /* we had */
    peer_go(peer);
    assert_false(aborted);
    put_get(&peer->in, 5);
    peer_go(peer);
    assert_int_equal(halo_stream_reset_code(peer_stream(peer, 5)), -1);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 5), 200, NULL, HALO_END_STREAM), 0);
    peer_go(peer); /* in order */
    assert_false(aborted);
    assert_int_equal(reset_code, HALO_NO_ERROR);
    skip_output(peer);
    skip_log(peer);
}

static void test_T12_T19_X08_X09_session_codes_pass_through(struct fake_peer *peer)
{
    peer->app = look;
    peer_open(peer);
    put_post(&peer->in, 1);
    put_post(&peer->in, 3);
    put_rst_stream(&peer->in, 1, 0xdeadbeef);
    peer_go(peer);
    assert_int_equal(reset_code, 0xdeadbeef);
    assert_int_equal(halo_stream_reset(peer_stream(peer, 3), 0xfeedf00d), 0);
    peer_go(peer);
    assert_int_equal(reset_code, 0xfeedf00d);
    expect_rst(peer, 3, 0xfeedf00d);
    skip_log(peer);
    expect_alive(peer);
    put_goaway(&peer->in, 0, 0x12345678, "why");
    peer_go(peer);
    assert_int_equal(peer->session->error.code, 0x12345678);
    skip_log(peer);
    skip_output(peer);
}

static void test_T16_T17_T05_L04_L01_session_numbers_and_ready(struct fake_peer *peer)
{
    halo_stream *first;
    halo_stream *second;

    peer_open_with(peer, 3, 1);
    first = peer_request(peer, "GET", HALO_END_STREAM);
    second = peer_request(peer, "POST", 0);
    assert_int_equal(halo_stream_id(first), 1);
    assert_false(halo_stream_is_pending(first));
    assert_int_equal(halo_stream_id(second), 0);
    assert_true(halo_stream_is_pending(second));
    assert_int_equal(halo_stream_write(second, "early", 5, HALO_END_STREAM), 0);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\nREADY 3\n");
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_headers(peer, 3, 0, NULL);
    expect_data(peer, 3, F_END_STREAM, 5);
    assert_int_equal(halo_stream_id(second), 3);
    assert_false(halo_stream_is_pending(second));
}

static void test_L05_T15_T25_T26_T27_session_states(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open(peer);
    put_post(&peer->in, 1);
    put_get(&peer->in, 3);
    put_data(&peer->in, 1, 0, 100);
    peer_go(peer);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.state, HALO_STATE_OPEN);
    assert_int_equal(info.local_closed, 0);
    assert_int_equal(info.remote_closed, 0);
    assert_int_equal(info.local_window, 65435);
    assert_false(halo_stream_end_after_headers(peer_stream(peer, 1)));
    assert_true(halo_stream_end_after_headers(peer_stream(peer, 3)));
    halo_stream_get_info(peer_stream(peer, 3), &info);
    assert_int_equal(info.state, HALO_STATE_HALF_CLOSED_REMOTE);
    assert_int_equal(info.remote_closed, 1);
    assert_int_equal(info.local_closed, 0);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM), 0);
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.state, HALO_STATE_HALF_CLOSED_LOCAL);
    assert_int_equal(info.local_closed, 1);
    assert_true(halo_stream_session(peer_stream(peer, 1)) == peer->session);
    skip_log(peer);
    peer_go(peer);
    skip_output(peer);
}

static void keeps(struct halo_session_options *options)
{
    options->keep_sent_headers = 1;
}

static void expect_list(halo_header_list list, const char *text)
{
    char all[500] = "";

    for (size_t i = 0; i < list.count; i++) {
        strncat(all, list.fields[i].name.data, list.fields[i].name.len);
        strcat(all, "=");
        strncat(all, list.fields[i].value.data, list.fields[i].value.len);
        strcat(all, " ");
    }
    assert_string_equal(all, text);
}

static void test_T20_T21_T22_session_sent_headers_are_kept(struct fake_peer *peer)
{
    halo_header link = test_field("Link", "</a>");
    halo_header mine = test_field("X-Mine", "1");
    halo_headers hint = { .fields = &link, .count = 1 };
    halo_headers headers = { .fields = &mine, .count = 1 };
    halo_stream *stream;

    peer_open(peer);
    for (uint32_t id = 1; id <= 7; id += 2) { /* the short way of repeated blocks, too */
        put_get(&peer->in, id);
        peer_go(peer);
        stream = peer_stream(peer, id);
        expect_list(halo_stream_sent_headers(stream), "");
        assert_int_equal(halo_stream_inform(stream, 103, &hint), 0);
        assert_int_equal(halo_stream_inform(stream, 103, &headers), 0);
        assert_int_equal(halo_stream_respond(stream, 200, &headers, 0), 0);
        assert_int_equal(halo_stream_trailers(stream, &hint), 0);
        expect_list(halo_stream_sent_headers(stream), ":status=200 x-mine=1 ");
        expect_list(halo_stream_sent_information(stream, 0), ":status=103 link=</a> ");
        expect_list(halo_stream_sent_information(stream, 1), ":status=103 x-mine=1 ");
        expect_list(halo_stream_sent_information(stream, 2), "");
        expect_list(halo_stream_sent_trailers(stream), "link=</a> ");
        peer_go(peer);
    }
    skip_output(peer);
    skip_log(peer);
}

static void test_T20_session_sent_headers_of_requests(struct fake_peer *peer)
{
    halo_stream *second;

    peer_open_with(peer, 3, 1);
    expect_list(halo_stream_sent_headers(peer_request(peer, "GET", HALO_END_STREAM)),
                ":method=GET :scheme=https :path=/ :authority=example.org ");
    second = peer_request(peer, "HEAD", HALO_END_STREAM);
    expect_list(halo_stream_sent_headers(second), "");
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_list(halo_stream_sent_headers(second),
                ":method=HEAD :scheme=https :path=/ :authority=example.org ");
    skip_output(peer);
    skip_log(peer);
}

static void test_T20_session_nothing_is_kept_by_default(struct fake_peer *peer)
{
    peer_open(peer);
    expect_list(halo_stream_sent_headers(peer_request(peer, "GET", HALO_END_STREAM)), "");
    peer_go(peer);
    skip_output(peer);
}

static void test_E01_E03_F02_P02_P04_X05_session_destroyed_with_an_error(struct fake_peer *peer)
{
    static const struct halo_error mine = { .reason = "mine" };

    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    skip_log(peer);
    assert_false(halo_session_is_closed(peer->session));
    assert_false(halo_session_is_destroyed(peer->session));
    halo_session_destroy_error(peer->session, &mine);
    assert_true(halo_session_is_closed(peer->session));
    assert_true(halo_session_is_destroyed(peer->session));
    peer_go(peer);
    expect_goaway(peer, HALO_INTERNAL_ERROR, 1);
    expect_log(peer, "CLOSED 1 SESSION_ERROR INTERNAL_ERROR origin=1 processed=0\n"
                     "SESSION_CLOSED SESSION_ERROR INTERNAL_ERROR origin=1 processed=0\n");
    peer_go(peer);
    expect_log(peer, ""); /* once */
}

static void test_F01_F02_P02_P04_F22_session_closed_and_destroyed(struct fake_peer *peer)
{
    struct halo_request request = { .authority = HALO_LIT("a") };
    halo_stream *stream;

    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    halo_session_close(peer->session);
    assert_true(halo_session_is_closed(peer->session));
    assert_false(halo_session_is_destroyed(peer->session));
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream),
                     HALO_E_GOAWAY_SESSION);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 END :status=200\nCLOSED 1\nSESSION_CLOSED\n");
    assert_true(halo_session_is_destroyed(peer->session));
    assert_int_equal(halo_session_request(peer->session, &request, 0, NULL, &stream),
                     HALO_E_INVALID_SESSION);
    skip_output(peer);
}

static void test_P15_P17_P19_P20_P21_P10_session_state(struct fake_peer *peer)
{
    struct halo_session_info info;

    peer_open(peer);
    assert_int_equal(halo_session_role(peer->session), HALO_SERVER);
    put_fields(&peer->in, 7, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "a", NULL);
    {
        struct wire block = { 0 };

        fields(&block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
        field_indexed(&block, "x-a", "b");
        put_headers(&peer->in, 9, F_END_HEADERS | F_END_STREAM, &block);
        wire_free(&block);
    }
    peer_go(peer);
    halo_session_get_info(peer->session, &info);
    assert_int_equal(info.last_remote_stream_id, 9);
    assert_int_equal(info.next_stream_id, 2);
    assert_int_equal(info.decoder_table_octets, 32 + 4);
    assert_int_equal(info.encoder_table_octets, 0);
    assert_int_equal(info.output_pieces, 0);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 7), 200, NULL, 0), 0);
    halo_session_get_info(peer->session, &info);
    assert_int_equal(info.output_pieces, 1);
    assert_int_equal(info.output_octets, 10);
    peer_go(peer);
    skip_output(peer);
    skip_log(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(test_T01_T10_L07_L12_T13_T14_T31_session_aborted),
        SERVER(test_T12_T19_X08_X09_session_codes_pass_through),
        CLIENT(test_T16_T17_T05_L04_L01_session_numbers_and_ready),
        SERVER(test_L05_T15_T25_T26_T27_session_states),
        SERVER_WITH(test_T20_T21_T22_session_sent_headers_are_kept, keeps),
        CLIENT_WITH(test_T20_session_sent_headers_of_requests, keeps),
        CLIENT(test_T20_session_nothing_is_kept_by_default),
        SERVER(test_E01_E03_F02_P02_P04_X05_session_destroyed_with_an_error),
        CLIENT(test_F01_F02_P02_P04_F22_session_closed_and_destroyed),
        SERVER(test_P15_P17_P19_P20_P21_P10_session_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
