/* RFC 9113 section 8.1: requests and responses, in both roles, legal and illegal sequences. */
#include "fake_peer.h"

#include "core/proto/limits.h"

static void get_is_answered(struct fake_peer *peer)
{
    peer->app = app_respond;
    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\n");
    expect_headers(peer, 3, F_END_STREAM, ":status: 200\n");
    expect_nothing(peer);
    expect_log(peer, "REQUEST 1 END :method=GET :scheme=https :path=/ :authority=example.org\n"
                     "CLOSED 1\n"
                     "REQUEST 3 END :method=GET :scheme=https :path=/ :authority=example.org\n"
                     "CLOSED 3\n");
}

static void post_with_body_and_trailers(struct fake_peer *peer)
{
    halo_header sum = test_field("x-sum", "42");
    halo_headers trailers = { .fields = &sum, .count = 1 };

    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 100);
    put_data_padded(&peer->in, 1, 0, 50, 200);
    put_fields(&peer->in, 1, F_END_STREAM, "x-end", "yes", NULL);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 :method=POST :scheme=https :path=/ :authority=example.org\n"
                     "DATA 1 len=150\n"
                     "TRAILERS 1 END x-end=yes\n");
    assert_int_equal(halo_stream_headers(peer_stream(peer, 1)).count, 4);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "hello", 5, 0), 0);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 1), &trailers), 0);
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_data(peer, 1, 0, 5);
    expect_headers(peer, 1, F_END_STREAM, "x-sum: 42\n");
    expect_log(peer, "CLOSED 1\n");
}

/* RFC 9113 8.1: what may follow what in a request. */
static void request_sequences(struct fake_peer *peer)
{
    peer_open(peer);
    /* A second block without END_STREAM. */
    put_post(&peer->in, 1);
    put_fields(&peer->in, 1, 0, "x-end", "yes", NULL);
    peer_go(peer);
    expect_rst(peer, 1, HALO_PROTOCOL_ERROR);
    skip_log(peer);
    /* Trailers with a pseudo-header field. */
    put_post(&peer->in, 3);
    put_fields(&peer->in, 3, F_END_STREAM, ":path", "/", NULL);
    peer_go(peer);
    expect_rst(peer, 3, HALO_PROTOCOL_ERROR);
    skip_log(peer);
    expect_alive(peer);
    /* Anything after END_STREAM. */
    put_get(&peer->in, 5);
    put_data(&peer->in, 5, 0, 1);
    peer_go(peer);
    expect_dead(peer, HALO_STREAM_CLOSED);
    peer_restart(peer);
    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 1);
    peer_go(peer);
    expect_dead(peer, HALO_STREAM_CLOSED);
}

static void response_with_body_and_trailers(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM,
                   ":method: GET\n:scheme: https\n:path: /\n:authority: example.org\n");
    put_fields(&peer->in, 1, 0, ":status", "103", "link", "</a.css>", NULL);
    put_fields(&peer->in, 1, 0, ":status", "200", "x", "y", NULL);
    put_data(&peer->in, 1, 0, 10);
    put_data(&peer->in, 1, 0, 10);
    put_fields(&peer->in, 1, F_END_STREAM, "x-end", "yes", NULL);
    peer_go(peer);
    expect_log(peer, "INFORMATION 1 status=103 :status=103 link=</a.css>\n"
                     "RESPONSE 1 status=200 :status=200 x=y\n"
                     "DATA 1 len=20\n"
                     "TRAILERS 1 END x-end=yes\n"
                     "CLOSED 1\n");
    expect_nothing(peer);
}

/* What a server may not send on a stream: each resets it and leaves the connection alone. */
static void response_sequences(struct fake_peer *peer)
{
    peer_open(peer);
    for (int i = 0; i < 6; i++) {
        uint32_t id = 1 + 2 * (uint32_t)i;

        peer_request(peer, "GET", HALO_END_STREAM);
        switch (i) {
        case 0: /* DATA first */
            put_data(&peer->in, id, 0, 5);
            break;
        case 1: /* 1xx that ends */
            put_fields(&peer->in, id, F_END_STREAM, ":status", "100", NULL);
            break;
        case 2: /* two final responses */
            put_ok(&peer->in, id, 0);
            put_ok(&peer->in, id, 0);
            break;
        case 3: /* 1xx after the final one */
            put_ok(&peer->in, id, 0);
            put_fields(&peer->in, id, 0, ":status", "103", NULL);
            break;
        case 4: /* 101 */
            put_fields(&peer->in, id, 0, ":status", "101", NULL);
            break;
        default: /* DATA after 1xx */
            put_fields(&peer->in, id, 0, ":status", "100", NULL);
            put_data(&peer->in, id, F_END_STREAM, 5);
            break;
        }
        peer_go(peer);
        expect_headers(peer, id, F_END_STREAM, NULL);
        expect_rst(peer, id, HALO_PROTOCOL_ERROR);
        expect_alive(peer);
    }
}

static void information_limit(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    skip_output(peer);
    for (int i = 0; i < LIMIT_INFORMATION_RESPONSES; i++) {
        put_fields(&peer->in, 1, 0, ":status", "102", NULL);
        put_fields(&peer->in, 3, 0, ":status", "102", NULL);
    }
    put_fields(&peer->in, 1, 0, ":status", "102", NULL);
    put_ok(&peer->in, 3, F_END_STREAM);
    peer_go(peer);
    expect_rst(peer, 1, HALO_PROTOCOL_ERROR);
    expect_nothing(peer);
}

/* The limit may be larger than what a small counter holds. */
static void many_informations(struct halo_session_options *options)
{
    options->limits.information_responses = 300;
}

static void information_limit_large(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    skip_output(peer);
    for (int i = 0; i < 300; i++) {
        put_fields(&peer->in, 1, 0, ":status", "102", NULL);
    }
    peer_go(peer);
    expect_nothing(peer);
    put_fields(&peer->in, 1, 0, ":status", "102", NULL);
    peer_go(peer);
    expect_rst(peer, 1, HALO_PROTOCOL_ERROR);
}

/* A client that gets a response on a stream it never opened. */
static void response_on_other_streams(struct fake_peer *peer)
{
    static const uint32_t ids[] = { 3, 2, 0x7fffffff };

    for (size_t i = 0; i < HALO_ARRAY_LEN(ids); i++) {
        peer_open(peer);
        peer_request(peer, "GET", HALO_END_STREAM);
        put_ok(&peer->in, ids[i], 0);
        peer_go(peer);
        expect_dead(peer, HALO_PROTOCOL_ERROR);
        peer_restart(peer);
    }
}

/* ---- calls in a wrong order ------------------------------------------------------------------ */

static void calls_of_a_server(struct fake_peer *peer)
{
    halo_stream *stream;

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    stream = peer_stream(peer, 1);
    assert_int_equal(halo_stream_write(stream, "x", 1, 0), HALO_E_WRONG_STATE);
    assert_int_equal(halo_stream_trailers(stream, NULL), HALO_E_TRAILERS_NOT_READY);
    assert_int_equal(halo_stream_inform(stream, 200, NULL), HALO_E_INVALID_INFO_STATUS);
    assert_int_equal(halo_stream_inform(stream, 101, NULL), HALO_E_STATUS_101);
    assert_int_equal(halo_stream_inform(stream, 100, NULL), 0);
    assert_int_equal(halo_stream_inform(stream, 199, NULL), 0);
    assert_int_equal(halo_stream_respond(stream, 101, NULL, 0), HALO_E_STATUS_101);
    assert_int_equal(halo_stream_respond(stream, 199, NULL, 0), HALO_E_STATUS_INVALID);
    assert_int_equal(halo_stream_respond(stream, 600, NULL, 0), HALO_E_STATUS_INVALID);
    assert_int_equal(halo_stream_respond(stream, 599, NULL, 0), 0);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), HALO_E_HEADERS_SENT);
    assert_int_equal(halo_stream_inform(stream, 100, NULL), HALO_E_HEADERS_AFTER_RESPOND);
    assert_int_equal(halo_stream_write(stream, "x", 1, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_write(stream, "x", 1, 0), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), HALO_E_INVALID_STREAM);
    assert_true(halo_stream_is_closed(stream));
    peer_go(peer);
    expect_headers(peer, 1, 0, ":status: 100\n");
    expect_headers(peer, 1, 0, ":status: 199\n");
    expect_headers(peer, 1, 0, ":status: 599\n");
    expect_data(peer, 1, F_END_STREAM, 1);
    expect_nothing(peer);
}

static void fields_that_are_refused(struct fake_peer *peer)
{
    static const struct {
        const char *name;
        const char *value;
        int status;
    } cases[] = {
        { "", "x", HALO_E_INVALID_HEADER_NAME },
        { "a b", "x", HALO_E_INVALID_HEADER_NAME },
        { "a:", "x", HALO_E_INVALID_HEADER_NAME },
        { "a", "x\ny", HALO_E_INVALID_HEADER_VALUE },
        { "a", "x\ry", HALO_E_INVALID_HEADER_VALUE },
        { "a", " x", HALO_E_INVALID_HEADER_VALUE },
        { "a", "x\t", HALO_E_INVALID_HEADER_VALUE },
        { ":status", "200", HALO_E_PSEUDOHEADER_NOT_ALLOWED },
        { ":x", "200", HALO_E_PSEUDOHEADER_NOT_ALLOWED },
        { "connection", "close", HALO_E_INVALID_CONNECTION_HEADERS },
        { "Connection", "close", HALO_E_INVALID_CONNECTION_HEADERS },
        { "Transfer-Encoding", "chunked", HALO_E_INVALID_CONNECTION_HEADERS },
        { "upgrade", "h2c", HALO_E_INVALID_CONNECTION_HEADERS },
        { "keep-alive", "1", HALO_E_INVALID_CONNECTION_HEADERS },
        { "proxy-connection", "1", HALO_E_INVALID_CONNECTION_HEADERS },
        { "http2-settings", "1", HALO_E_INVALID_CONNECTION_HEADERS },
        { "te", "gzip", HALO_E_INVALID_CONNECTION_HEADERS },
    };

    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        halo_header header = test_field(cases[i].name, cases[i].value);
        halo_headers headers = { .fields = &header, .count = 1 };
        halo_header_set *set;

        assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, &headers, 0),
                         cases[i].status);
        assert_int_equal(halo_header_set_new(&set, &header, 1), cases[i].status);
    }
    peer_go(peer);
    expect_nothing(peer); /* no trace of all that */
    expect_alive(peer);
}

/* RFC 9113 8.2.2: te is for requests. As a field, behind one that was sent before, prepared, in
 * capitals, in trailers. */
static void te_is_not_sent_by_servers(struct fake_peer *peer)
{
    halo_header list[] = { test_field("x-first", "1"), test_field("te", "trailers") };
    halo_headers headers = { .fields = list, .count = 1 };
    halo_header_set *set;

    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 5);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, &headers, HALO_END_STREAM), 0);
    headers.count = 2;
    for (int capital = 0; capital < 2; capital++) {
        list[1] = test_field(capital != 0 ? "TE" : "te", "trailers");
        assert_int_equal(halo_stream_respond(peer_stream(peer, 5), 200, &headers, 0),
                         HALO_E_INVALID_CONNECTION_HEADERS);
        assert_int_equal(halo_stream_inform(peer_stream(peer, 5), 103, &headers),
                         HALO_E_INVALID_CONNECTION_HEADERS);
    }
    assert_int_equal(halo_header_set_new(&set, list, 2), 0);
    headers = (halo_headers){ .set = set };
    assert_int_equal(halo_stream_respond(peer_stream(peer, 5), 200, &headers, 0),
                     HALO_E_INVALID_CONNECTION_HEADERS);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 5), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 5), &headers),
                     HALO_E_INVALID_CONNECTION_HEADERS);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 5), NULL), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\nx-first: 1\n");
    expect_headers(peer, 5, 0, ":status: 200\n");
    expect_data(peer, 5, F_END_STREAM, 0);
    expect_nothing(peer);
    halo_header_set_free(set);
}

static void names_are_sent_in_lower_case(struct fake_peer *peer)
{
    halo_header list[] = { test_field("X-Mixed-Name", "Kept As Is"), test_field("x-set", "it is") };
    halo_headers headers = { .fields = list, .count = 2 };
    halo_header_set *set;

    peer_open(peer);
    put_get(&peer->in, 1);
    put_get(&peer->in, 3);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, &headers, HALO_END_STREAM), 0);
    assert_int_equal(halo_header_set_new(&set, list, 2), 0);
    headers.set = set;
    headers.count = 1;
    assert_int_equal(halo_stream_respond(peer_stream(peer, 3), 200, &headers, HALO_END_STREAM), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\nx-mixed-name: Kept As Is\nx-set: it is\n");
    expect_headers(
        peer, 3, F_END_STREAM,
        ":status: 200\nx-mixed-name: Kept As Is\nx-set: it is\nx-mixed-name: Kept As Is\n");
    halo_header_set_free(set);
}

/* ---- responses without a body ------------------------------------------------------------------ */

static void head_and_empty_statuses(struct fake_peer *peer)
{
    static const int statuses[] = { 204, 205, 304 };
    uint32_t id = 1;

    peer_open(peer);
    put_fields(&peer->in, 1, F_END_STREAM, ":method", "HEAD", ":scheme", "https", ":path", "/",
               ":authority", "a", NULL);
    peer_go(peer);
    assert_true(halo_stream_is_head(peer_stream(peer, 1)));
    assert_int_equal(halo_stream_respond(peer_stream(peer, 1), 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(peer_stream(peer, 1), "body", 4, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_trailers(peer_stream(peer, 1), NULL), 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, ":status: 200\n");
    expect_nothing(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(statuses); i++) {
        halo_stream *stream;

        id += 2;
        put_get(&peer->in, id);
        peer_go(peer);
        stream = peer_stream(peer, id);
        assert_int_equal(halo_stream_respond(stream, statuses[i], NULL, 0), 0);
        assert_int_equal(halo_stream_write(stream, "body", 4, 0), HALO_E_PAYLOAD_FORBIDDEN);
        peer_go(peer);
        expect_headers(peer, id, F_END_STREAM, NULL);
        expect_nothing(peer);
    }
}

/* RFC 9113 8.1.1: content-length and what comes. Trailers: 0 none, 1 after the data. */
static void content_length_of_requests(struct fake_peer *peer)
{
    static const struct {
        const char *length;
        int data; /* octets of DATA; -1: END_STREAM on HEADERS */
        bool trailers;
        bool good;
    } cases[] = {
        { "0", -1, false, true },   { "1", -1, false, false },
        { "0", 0, false, true },    { "0", 1, false, false },
        { "5", 5, false, true },    { "5", 4, false, false },
        { "5", 6, false, false },   { "5", 5, true, true },
        { "5", 4, true, false },    { "5", 6, true, false },
        { "5", 0, true, false },    { "0", 0, true, true },
        { "+5", 5, false, false },  { "05", 5, false, true },
        { "5,5", 5, false, false }, { "-1", 5, false, false },
        { "", 5, false, false },    { "18446744073709551621", 5, false, false },
        { "5 ", 5, false, false },  { "0x5", 5, false, false },
    };

    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        uint32_t id = 1 + 2 * (uint32_t)i;

        put_fields(&peer->in, id, cases[i].data < 0 ? F_END_STREAM : 0u, ":method", "POST",
                   ":scheme", "https", ":path", "/", ":authority", "a", "content-length",
                   cases[i].length, NULL);
        if (cases[i].data >= 0) {
            put_data(&peer->in, id, cases[i].trailers ? 0u : F_END_STREAM, (size_t)cases[i].data);
        }
        if (cases[i].trailers) {
            put_fields(&peer->in, id, F_END_STREAM, "x", "y", NULL);
        }
        peer_go(peer);
        if (!cases[i].good) {
            expect_rst(peer, id, HALO_PROTOCOL_ERROR);
        }
        expect_nothing(peer);
        skip_log(peer);
    }
}

static void content_length_of_responses(struct fake_peer *peer)
{
    static const struct {
        const char *method;
        const char *status;
        int data;
        bool good;
    } cases[] = {
        { "GET", "200", 5, true },   { "GET", "200", 4, false },  { "GET", "200", -1, false },
        { "HEAD", "200", -1, true }, { "HEAD", "200", 5, false }, { "HEAD", "200", 0, true },
        { "GET", "204", -1, true },  { "GET", "304", -1, true },  { "GET", "304", 5, false },
        { "GET", "500", 6, false },
    };

    peer_open(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        uint32_t id = 1 + 2 * (uint32_t)i;

        peer_request(peer, cases[i].method, HALO_END_STREAM);
        peer_go(peer);
        skip_output(peer);
        put_fields(&peer->in, id, cases[i].data < 0 ? F_END_STREAM : 0u, ":status", cases[i].status,
                   "content-length", "5", NULL);
        if (cases[i].data >= 0) {
            put_data(&peer->in, id, F_END_STREAM, (size_t)cases[i].data);
        }
        peer_go(peer);
        if (!cases[i].good) {
            expect_rst(peer, id, HALO_PROTOCOL_ERROR);
        }
        expect_nothing(peer);
        skip_log(peer);
    }
}

/* A header says that DATA without octets is only told when it ends the stream. */
static void empty_data_is_not_told(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_data(&peer->in, 1, 0, 0);
    put_data_padded(&peer->in, 1, 0, 0, 20);
    peer_go(peer);
    expect_log(peer, "REQUEST 1 :method=POST :scheme=https :path=/ :authority=example.org\n");
    put_data(&peer->in, 1, F_END_STREAM, 0);
    peer_go(peer);
    expect_log(peer, "DATA 1 len=0 END\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(get_is_answered),
        SERVER(post_with_body_and_trailers),
        SERVER(request_sequences),
        CLIENT(response_with_body_and_trailers),
        CLIENT(response_sequences),
        CLIENT(information_limit),
        CLIENT_WITH(information_limit_large, many_informations),
        CLIENT(response_on_other_streams),
        SERVER(calls_of_a_server),
        SERVER(fields_that_are_refused),
        SERVER(te_is_not_sent_by_servers),
        SERVER(names_are_sent_in_lower_case),
        SERVER(head_and_empty_statuses),
        SERVER(content_length_of_requests),
        CLIENT(content_length_of_responses),
        SERVER(empty_data_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
