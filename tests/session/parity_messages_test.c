/*
 * Rows of Node's surface that concern messages: what is sent, what is refused, what is a secret, how streams end.
 * The rows are in the names.
 */
#include "fake_peer.h"

#include <string.h>

#include "core/proto/limits.h"

static halo_stream *get(struct fake_peer *peer, uint32_t id)
{
    put_get(&peer->in, id);
    peer_go(peer);
    skip_log(peer);
    return peer_stream(peer, id);
}

/* ---- both roles ---------------------------------------------------------------------------- */

/* The same objects, and the same calls, whatever the role. */
static void test_M02_T23_session_one_api_for_both_roles(struct fake_peer *peer)
{
    bool client = peer->scenario->role == HALO_CLIENT;
    struct halo_session_stats stats;
    halo_stream *stream;

    peer_open(peer);
    assert_int_equal(halo_session_role(peer->session), client ? HALO_CLIENT : HALO_SERVER);
    halo_session_get_stats(peer->session, &stats);
    assert_int_equal(stats.type, client ? HALO_CLIENT : HALO_SERVER);
    if (client) {
        stream = peer_request(peer, "POST", 0);
    } else {
        put_post(&peer->in, 1);
        peer_go(peer);
        stream = peer_stream(peer, 1);
        assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    }
    assert_ptr_equal(halo_stream_session(stream), peer->session);
    assert_int_equal(halo_stream_write(stream, "body", 4, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, F_END_STREAM, 4);
    skip_log(peer);
    if (client) {
        put_ok(&peer->in, 1, 0);
    }
    put_data(&peer->in, 1, F_END_STREAM, 10);
    peer_go(peer);
    expect_log(peer, client ? "RESPONSE 1 status=200 :status=200\nDATA 1 len=10 END\nCLOSED 1\n"
                            : "DATA 1 len=10 END\nCLOSED 1\n");
}

/* ---- requests ------------------------------------------------------------------------------ */

static void test_F15_session_request_defaults(struct fake_peer *peer)
{
    struct halo_request request = { .authority = HALO_LIT("example.org") };
    halo_stream *stream;

    peer_open(peer);
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM,
                   ":method: GET\n:scheme: https\n:path: /\n:authority: example.org\n");
}

static void test_F15_session_servers_make_no_requests(struct fake_peer *peer)
{
    struct halo_request request = { .authority = HALO_LIT("example.org") };
    halo_stream *stream;

    peer_open(peer);
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     HALO_E_WRONG_STATE);
    peer_go(peer);
    expect_nothing(peer);
}

static void test_F18_session_request_waits_for_trailers(struct fake_peer *peer)
{
    halo_header sum = test_field("x-sum", "7");
    halo_headers trailers = { .fields = &sum, .count = 1 };
    halo_stream *stream;

    peer_open(peer);
    stream = peer_request(peer, "POST", HALO_WAIT_FOR_TRAILERS);
    assert_int_equal(halo_stream_write(stream, "body", 4, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    expect_data(peer, 1, 0, 4);
    expect_nothing(peer); /* not closed by itself */
    expect_log(peer, "WANT_TRAILERS 1\n");
    assert_int_equal(halo_stream_trailers(stream, &trailers), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, "x-sum: 7\n");
}

/* Whoever closes before a waiting request went out is told that it did not. */
static void test_K09_K10_session_closed_with_a_waiting_request(struct fake_peer *peer)
{
    peer_open_with(peer, 3, 1);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_nothing(peer); /* deferred */
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    peer_go(peer);
    expect_goaway(peer, HALO_NO_ERROR, 0);
    expect_nothing(peer);
    expect_log(peer, "CLOSED 1 STREAM_CANCEL NO_ERROR origin=1 processed=0\n"
                     "CLOSED 0 GOAWAY_SESSION NO_ERROR origin=1 processed=1\nSESSION_CLOSED\n");
}

/* ---- responses ----------------------------------------------------------------------------- */

static void test_V02_V08_V09_session_respond(struct fake_peer *peer)
{
    halo_header list[] = { test_field("date", "Tue, 15 Nov 1994 08:12:31 GMT"),
                           test_field("x", "y") };
    halo_headers headers = { .fields = list, .count = 2 };
    halo_stream *stream;

    peer_open(peer);
    stream = get(peer, 1);
    assert_int_equal(halo_stream_headers_sent(stream), 0);
    assert_int_equal(halo_stream_respond(stream, 200, &headers, 0), 0);
    assert_int_equal(halo_stream_headers_sent(stream), 1);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), HALO_E_HEADERS_SENT);
    peer_go(peer);
    /* A date that is given is kept. None is added: a session has no clock of that kind. */
    expect_headers(peer, 1, 0, ":status: 200\ndate: Tue, 15 Nov 1994 08:12:31 GMT\nx: y\n");
    expect_nothing(peer);
    stream = get(peer, 3);
    assert_int_equal(halo_stream_respond(stream, 404, NULL, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_headers_sent(stream), 1);
    assert_int_equal(halo_stream_write(stream, "x", 1, 0), HALO_E_INVALID_STREAM);
    peer_go(peer);
    expect_headers(peer, 3, F_END_STREAM, ":status: 404\n");
    expect_nothing(peer);
    expect_log(peer, "CLOSED 3\n");
}

/* ---- names and values ---------------------------------------------------------------------- */

static void test_H02_session_values_in_their_order(struct fake_peer *peer)
{
    halo_header list[] = { test_field("a", "1"), test_field("b", "x"), test_field("a", "2"),
                           test_field("a", "") };
    halo_headers headers = { .fields = list, .count = 4 };
    halo_header_list received;
    halo_bytes value;
    char merged[16];
    size_t at = 0;
    size_t len;

    peer_open(peer);
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "a", "a", "1", "b", "x", "a", "2", NULL);
    peer_go(peer);
    received = halo_stream_headers(peer_stream(peer, 1));
    assert_int_equal(halo_header_next(received, halo_str("a"), &at, &value), 1);
    assert_memory_equal(value.data, "1", 1);
    assert_int_equal(halo_header_next(received, halo_str("a"), &at, &value), 1);
    assert_memory_equal(value.data, "2", 1);
    assert_int_equal(halo_header_next(received, halo_str("a"), &at, &value), 0);
    assert_int_equal(halo_header_merged(received, halo_str("a"), merged, sizeof(merged), &len), 1);
    assert_int_equal(len, 4);
    assert_memory_equal(merged, "1, 2", 4);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, &headers, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\na: 1\nb: x\na: 2\na: \n");
}

static bool is_name_octet(int octet)
{
    return octet != 0 && strchr("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~", octet);
}

/* Of all octets; upper case is put in lower case in what is sent, and malformed in what comes. */
static void test_H10_H11_session_names_sent(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    stream = get(peer, 1);
    for (int octet = 0; octet < 256; octet++) {
        char name[2] = { 'x', (char)octet };
        halo_header header = { .name = { name, 2 }, .value = HALO_LIT("v") };
        halo_headers headers = { .fields = &header, .count = 1 };
        bool good = is_name_octet(octet) || (octet >= 'A' && octet <= 'Z');

        assert_int_equal(halo_stream_inform(stream, 103, &headers),
                         good ? 0 : HALO_E_INVALID_HEADER_NAME);
        peer_go(peer);
        if (good) {
            expect_headers(peer, 1, 0, NULL);
        }
        expect_nothing(peer);
    }
}

static void test_H10_H11_session_names_received(struct fake_peer *peer)
{
    uint32_t id = 1;

    peer->app = app_respond;
    peer_open(peer);
    peer->session->config->limits.faults = UINT32_MAX;
    for (int octet = 0; octet < 256; octet += octet == 'M' ? 1 : 3, id += 2) {
        struct wire block = { 0 };
        char name[2] = { 'x', (char)octet };

        fields(&block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
        field_octets(&block, name, 2, "v", 1);
        put_headers(&peer->in, id, F_END_HEADERS | F_END_STREAM, &block);
        peer_go(peer);
        if (is_name_octet(octet)) {
            expect_headers(peer, id, F_END_STREAM, ":status: 200\n");
        } else {
            expect_rst(peer, id, HALO_PROTOCOL_ERROR);
        }
        wire_free(&block);
        if (id % 60 == 59) { /* what is spent on faults comes back with a new connection */
            peer_restart(peer);
            peer_open(peer);
            id = (uint32_t)-1;
        }
    }
    skip_log(peer);
}

/* In C a value that is not there has no octets, and so has its field. */
static void test_H17_session_value_of_nothing(struct fake_peer *peer)
{
    halo_header list[] = { { .name = HALO_LIT("x"), .value = halo_str(NULL) },
                           { .name = halo_str(NULL), .value = HALO_LIT("v") } };
    halo_headers headers = { .fields = list, .count = 1 };

    peer_open(peer);
    (void)get(peer, 1);
    assert_int_equal(halo_stream_inform(peer_stream(peer, 1), 103, &headers), 0);
    headers.count = 2;
    assert_int_equal(halo_stream_inform(peer_stream(peer, 1), 103, &headers),
                     HALO_E_INVALID_HEADER_NAME);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 103\nx: \n");
    expect_nothing(peer);
}

/* ---- secrets ------------------------------------------------------------------------------- */

/* How the field arrived: never-indexed? */
static bool was_secret(const struct fake_peer *peer, const char *name)
{
    for (size_t i = 0; i < peer->list.count; i++) {
        if (halo_bytes_equal(peer->list.fields[i].name, halo_str(name)) != 0) {
            return (peer->list.fields[i].flags & HALO_HEADER_NEVER_INDEX) != 0;
        }
    }
    fail_msg("no %s", name);
    return false;
}

static void test_H18_H19_session_secrets(struct fake_peer *peer)
{
    halo_header list[] = {
        test_field("x-plain", "a value that may be kept"),
        test_field("x-secret", "a value that may not be kept"),
        test_field("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        test_field("proxy-authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        test_field("cookie", "short=1"),
        test_field("x-after", "1"),
    };
    halo_header cookie = test_field("cookie", "long=01234567890123456789");
    halo_headers headers = { .fields = list, .count = HALO_ARRAY_LEN(list) };
    struct halo_request request = { .authority = HALO_LIT("a"), .headers = headers };
    halo_stream *stream;

    peer_open(peer);
    list[1].flags = HALO_HEADER_NEVER_INDEX;
    for (uint32_t id = 1; id <= 5; id += 2) { /* a repeated secret is one, too */
        assert_int_equal(
            halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream), 0);
        peer_go(peer);
        expect_headers(peer, id, F_END_STREAM, NULL);
        assert_false(was_secret(peer, "x-plain"));
        assert_true(was_secret(peer, "x-secret"));
        assert_true(was_secret(peer, "authorization"));
        assert_true(was_secret(peer, "proxy-authorization"));
        assert_true(was_secret(peer, "cookie"));
        assert_false(was_secret(peer, "x-after"));
    }
    request.headers = (halo_headers){ .fields = &cookie, .count = 1 };
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    peer_go(peer);
    expect_headers(peer, 7, F_END_STREAM, NULL);
    assert_false(was_secret(peer, "cookie"));
}

/* ---- :authority and host ------------------------------------------------------------------- */

static void put_hosts(struct fake_peer *peer, uint32_t id, const char *authority, const char *host)
{
    struct wire block = { 0 };

    fields(&block, ":method", "GET", ":scheme", "https", ":path", "/", NULL);
    if (authority != NULL) {
        field(&block, ":authority", authority);
    }
    if (host != NULL) {
        field(&block, "host", host);
    }
    put_headers(&peer->in, id, F_END_HEADERS | F_END_STREAM, &block);
    peer_go(peer);
    wire_free(&block);
}

static void test_H21_H22_session_authority_and_host(struct fake_peer *peer)
{
    static const struct {
        const char *authority, *host, *found;
    } cases[] = {
        { "a.example", NULL, "a.example" },        { NULL, "b.example", "b.example" },
        { "a.example", "a.example", "a.example" }, { "a.example", "A.example", "a.example" },
        { "a.example", "b.example", NULL },        { NULL, NULL, NULL },
    };

    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        uint32_t id = 1 + 2 * (uint32_t)i;
        halo_bytes authority;

        put_hosts(peer, id, cases[i].authority, cases[i].host);
        if (cases[i].found == NULL) {
            expect_rst(peer, id, HALO_PROTOCOL_ERROR);
            continue;
        }
        assert_int_equal(
            halo_header_authority(halo_stream_headers(peer_stream(peer, id)), &authority), 1);
        assert_true(halo_bytes_equal(authority, halo_str(cases[i].found)) != 0);
    }
    skip_log(peer);
    expect_alive(peer);
}

static void test_H22_session_host_is_sent(struct fake_peer *peer)
{
    halo_header host = test_field("host", "a.example");
    struct halo_request request = { .headers = { .fields = &host, .count = 1 } };
    halo_stream *stream;

    peer_open(peer);
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    request.authority = halo_str("a.example");
    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM,
                   ":method: GET\n:scheme: https\n:path: /\nhost: a.example\n");
    expect_headers(
        peer, 3, F_END_STREAM,
        ":method: GET\n:scheme: https\n:path: /\n:authority: a.example\nhost: a.example\n");
}

/* ---- ends ---------------------------------------------------------------------------------- */

/* What the session had received before the call is told; then the one error, and nothing else. */
static void test_L08_L09_L10_T02_T03_session_order_of_the_end(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "POST", 0);
    put_ok(&peer->in, 1, 0);
    put_data(&peer->in, 1, 0, 100);
    peer_go(peer);
    expect_headers(peer, 1, 0, NULL);
    assert_int_equal(halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL), 0);
    put_data(&peer->in, 1, F_END_STREAM, 100);
    peer_go(peer);
    expect_rst(peer, 1, HALO_CANCEL); /* our half was open */
    expect_log(peer, "RESPONSE 1 status=200 :status=200\nDATA 1 len=100\n"
                     "CLOSED 1 STREAM_CANCEL CANCEL origin=1 processed=2\n");
    peer_request(peer, "GET", HALO_END_STREAM);
    put_ok(&peer->in, 3, F_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    expect_nothing(peer); /* a clean end needs no reset */
    expect_log(peer, "RESPONSE 3 status=200 END :status=200\nCLOSED 3\n");
    peer_request(peer, "POST", 0);
    put_rst_stream(&peer->in, 5, HALO_INTERNAL_ERROR);
    peer_go(peer);
    expect_headers(peer, 5, 0, NULL);
    expect_nothing(peer);
    expect_log(peer, "CLOSED 5 STREAM_ERROR INTERNAL_ERROR origin=3 processed=0\n");
}

/* A body that nobody reads any more does not cost the connection its window. */
static void test_L13_session_unread_body_is_credited(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    put_post(&peer->in, 1);
    peer_go(peer);
    stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    for (int i = 0; i < 300; i++) { /* nearly three windows of the connection */
        put_data(&peer->in, 1, i == 299 ? F_END_STREAM : 0u, 10000);
        peer_go(peer);
    }
    expect_nothing(peer);
    peer_flush_log(peer);
    assert_non_null(strstr((const char *)peer->log.data, "CLOSED 1\n"));
    skip_log(peer);
    expect_alive(peer);
}

static void test_E12_session_broken_connection(struct fake_peer *peer)
{
    static const struct halo_error broken = { .status = HALO_E_IO,
                                              .origin = HALO_ORIGIN_SYSTEM,
                                              .reason = "connection reset by peer" };

    peer_open(peer);
    put_post(&peer->in, 1);
    put_post(&peer->in, 3);
    peer_go(peer);
    skip_log(peer);
    halo_session_recv_end(peer->session, &broken);
    peer_go(peer);
    expect_log(peer, "CLOSED 1 IO NO_ERROR origin=4 processed=0\n"
                     "CLOSED 3 IO NO_ERROR origin=4 processed=0\n"
                     "SESSION_CLOSED IO NO_ERROR origin=4 processed=0\n");
}

/* ---- settings ------------------------------------------------------------------------------ */

static void test_M09_session_default_settings(void **state)
{
    struct halo_settings one;
    struct halo_settings two;

    (void)state;
    halo_settings_default(&one);
    one.initial_window_size = 1; /* each has its own */
    halo_settings_default(&two);
    assert_int_equal(two.initial_window_size, 65535);
    assert_int_equal(two.header_table_size, 4096);
    assert_int_equal(two.max_frame_size, 16384);
    assert_int_equal(two.enable_push, 1);
    assert_int_equal(two.present, 0);
}

/* Members that take every number; but no peer gets more than a mebibyte of memory for its table. G07
 * is the second name of G06. */
static void test_G01_G05_G06_G07_session_whole_range(struct fake_peer *peer)
{
    static const uint32_t values[] = { 0, 1, 4096, 0x7fffffff, 0x80000000, UINT32_MAX };
    const struct halo_settings *remote = halo_session_remote_settings(peer->session);

    peer_open(peer);
    assert_int_equal(remote->header_table_size, 4096);
    assert_int_equal(remote->max_concurrent_streams, UINT32_MAX);
    assert_int_equal(remote->max_header_list_size, UINT32_MAX);
    for (size_t i = 0; i < HALO_ARRAY_LEN(values); i++) {
        struct halo_settings ours = {
            .present = HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE) |
                       HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS) |
                       HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_HEADER_LIST_SIZE),
            .header_table_size = (uint32_t)min_size(values[i], LIMIT_DECODER_TABLE_MAX),
            .max_concurrent_streams = values[i],
            .max_header_list_size = values[i],
        };

        put_settings(&peer->in, 1, values[i], 3, values[i], 6, values[i], 0);
        assert_int_equal(halo_session_settings(peer->session, &ours), 0);
        peer_go(peer);
        put_settings_ack(&peer->in);
        peer_go(peer);
        assert_int_equal(remote->header_table_size, values[i]);
        assert_int_equal(remote->max_concurrent_streams, values[i]);
        assert_int_equal(remote->max_header_list_size, values[i]);
        assert_int_equal(halo_session_local_settings(peer->session)->max_concurrent_streams,
                         values[i]);
        assert_int_equal(halo_session_local_settings(peer->session)->max_header_list_size,
                         values[i]);
        assert_int_equal(halo_session_local_settings(peer->session)->header_table_size,
                         ours.header_table_size);
    }
    skip_output(peer);
    skip_log(peer);
    expect_alive(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(test_M02_T23_session_one_api_for_both_roles),
        CLIENT(test_M02_T23_session_one_api_for_both_roles),
        CLIENT(test_F15_session_request_defaults),
        SERVER(test_F15_session_servers_make_no_requests),
        CLIENT(test_F18_session_request_waits_for_trailers),
        CLIENT(test_K09_K10_session_closed_with_a_waiting_request),
        SERVER(test_V02_V08_V09_session_respond),
        SERVER(test_H02_session_values_in_their_order),
        SERVER(test_H10_H11_session_names_sent),
        SERVER(test_H10_H11_session_names_received),
        SERVER(test_H17_session_value_of_nothing),
        CLIENT(test_H18_H19_session_secrets),
        SERVER(test_H21_H22_session_authority_and_host),
        CLIENT(test_H22_session_host_is_sent),
        CLIENT(test_L08_L09_L10_T02_T03_session_order_of_the_end),
        SERVER(test_L13_session_unread_body_is_credited),
        SERVER(test_E12_session_broken_connection),
        cmocka_unit_test(test_M09_session_default_settings),
        SERVER(test_G01_G05_G06_G07_session_whole_range),
        CLIENT(test_G01_G05_G06_G07_session_whole_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
