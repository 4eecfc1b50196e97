/* The translation between HTTP/1.1 and the session: exchanges, responses, back-pressure. */
#include "http1_fixture.h"

/* ---- exchanges, in pieces of every kind ------------------------------------------------------ */

struct exchange {
    const char *octets;
    const char *out;
    const char *log;
};

static const struct exchange exchanges[] = {
    { "GET / HTTP/1.1\r\nHost: a.example:80\r\nX-Name: v\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
      ":method=GET :scheme=http :authority=a.example:80 :path=/ x-name=v\n" },
    /* Two at once, and then one of HTTP/1.0 that ends it. */
    { "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\nHEAD /b HTTP/1.1\r\nHost: a\r\n\r\nGET /c "
      "HTTP/1.0\r\n\r\nGET /d "
      "HTTP/1.1\r\nHost: a\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
      ":method=GET :scheme=http :authority=a :path=/a\n:method=HEAD :scheme=http :authority=a "
      ":path=/b\n"
      ":method=GET :scheme=http :authority=192.0.2.1:80 :path=/c\n" },
    { "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: "
      "a\r\nConnection: "
      "keep-alive, close\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
      ":method=POST :scheme=http :authority=a :path=/ content-length=5\nhello.\n"
      ":method=GET :scheme=http :authority=a :path=/\n" },
    { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
      "3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 7\r\nY:\r\n\r\nOPTIONS * "
      "HTTP/1.1\r\nHost: a\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
      ":method=POST :scheme=http :authority=a :path=/\nabc0123456789+ x-sum=7 y=\n"
      ":method=OPTIONS :scheme=http :authority=a :path=*\n" },
    { "GET http://a/x?y HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\nKeep-Alive: "
      "300\r\n\r\nGET / HTTP/1.0\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok"
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
      ":method=GET :scheme=http :authority=a :path=/x?y\n:method=GET :scheme=http "
      ":authority=192.0.2.1:80 "
      ":path=/\n" },
};

/* Content is told in the pieces that come; they follow each other, so the log is the same. */
static void check_exchange(const struct exchange *exchange, size_t first, size_t step)
{
    size_t len = strlen(exchange->octets);
    struct h1 *h1 = h1_new();
    size_t at = 0;

    while (at < len) {
        size_t part = at == 0 && first > 0 ? first : step;

        part = part < len - at ? part : len - at;
        h1_send(h1, exchange->octets + at, part);
        at += part;
    }
    h1_expect(h1, exchange->out);
    h1_expect_log(h1, exchange->log);
    h1_free(h1);
}

static void test_N08_server_http1_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
        check_exchange(&exchanges[i], 0, SIZE_MAX);
    }
}

static void test_N08_server_http1_octet_by_octet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
        check_exchange(&exchanges[i], 0, 1);
    }
}

static void test_N08_server_http1_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
        for (size_t at = 1; at < strlen(exchanges[i].octets); at++) {
            check_exchange(&exchanges[i], at, SIZE_MAX);
        }
    }
}

/* What is answered in chunks depends on the pieces; trailers and the end do not. */
static void test_N08_server_http1_echo(void **state)
{
    struct h1 *h1 = h1_new();

    (void)state;
    h1_say(h1, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    h1_expect(h1, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    h1_say(h1, "4\r\nab");
    h1_expect(h1, "2\r\nab\r\n");
    h1_say(h1, "cd\r\n");
    h1_expect(h1, "2\r\ncd\r\n");
    h1_say(h1, "0\r\nSum: 4\r\n\r\n");
    h1_expect(h1, "0\r\nsum: 4\r\n\r\n");
    h1_say(h1, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz");
    h1_expect(h1, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n");
    h1_say(h1, "POST /echo HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nxyz");
    h1_expect(h1, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nxyz");
    assert_true(h1->over);
    assert_int_equal(h1->error, 0);
    h1_free(h1);
}

/* ---- responses ------------------------------------------------------------------------------- */

static void check_response(const char *method, int minor, int status, const char *length,
                           const char *body, const char *out, bool over)
{
    struct h1 *h1 = h1_ask(method, minor);

    h1_respond(h1, status, length, body);
    h1_expect(h1, out);
    assert_int_equal(h1->over, over);
    assert_int_equal(h1->error, 0);
    h1_free(h1);
}

static void test_N08_server_http1_framing(void **state)
{
    (void)state;
    check_response("GET", 1, 200, NULL, "abc",
                   "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                   false);
    check_response("GET", 0, 200, NULL, "abc", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc",
                   true);
    check_response("GET", 1, 200, "3", "abc", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
                   false);
    check_response("GET", 1, 404, "0", "", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
                   false);
    check_response("GET", 1, 599, "0", "", "HTTP/1.1 599 \r\ncontent-length: 0\r\n\r\n", false);
    check_response("HEAD", 1, 200, "3", NULL, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n",
                   false);
    check_response("HEAD", 1, 200, NULL, NULL, "HTTP/1.1 200 OK\r\n\r\n", false);
    check_response("GET", 1, 204, NULL, NULL, "HTTP/1.1 204 No Content\r\n\r\n", false);
    check_response("GET", 1, 204, "0", NULL, "HTTP/1.1 204 No Content\r\n\r\n", false);
    check_response("GET", 1, 304, "7", NULL,
                   "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", false);
    check_response("GET", 1, 205, NULL, NULL,
                   "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n", false);
    /* Nothing that could be taken for the next response. */
    check_response("GET", 1, 200, "3", "abcdef", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
                   true);
    check_response("GET", 1, 200, "6", "abc", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc",
                   true);
    check_response("GET", 1, 200, "x", "abc",
                   "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                   false);
}

static void test_N08_server_http1_two_lengths(void **state)
{
    const halo_header fields[] = { { .name = HALO_LIT("content-length"), .value = HALO_LIT("3") },
                                   { .name = HALO_LIT("content-length"), .value = HALO_LIT("4") } };
    const halo_headers headers = { .fields = fields, .count = 2 };
    struct h1 *h1;

    (void)state;
    h1 = h1_ask("GET", 1);
    assert_int_equal(halo_stream_respond(h1->stream, 200, &headers, 0), HALO_E_HEADER_SINGLE_VALUE);
    h1_free(h1);
    h1_options.strict_single_value_fields = 0;
    h1 = h1_ask("GET", 1);
    assert_int_equal(halo_stream_respond(h1->stream, 200, &headers, 0), 0);
    halo_stream_write(h1->stream, "abc", 3, HALO_END_STREAM);
    h1_run(h1);
    h1_expect(h1, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    h1_free(h1);
    h1_options.strict_single_value_fields = 1;
}

static void test_N08_server_http1_information(void **state)
{
    for (int minor = 0; minor < 2; minor++) {
        struct h1 *h1 = h1_ask("GET", minor);
        halo_header field;
        halo_headers headers = h1_field(&field, "link", "</a>");

        assert_int_equal(halo_stream_inform(h1->stream, 103, &headers), 0);
        h1_run(h1);
        h1_expect(h1, minor == 0 ? "" : "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        h1_respond(h1, 200, "0", "");
        assert_int_equal(h1_status(h1), 200);
        h1_free(h1);
    }
    (void)state;
}

static void check_trailers(int minor, const char *length, const char *out)
{
    struct h1 *h1 = h1_ask("GET", minor);
    halo_header field;
    halo_headers trailers = h1_field(&field, "Sum", "7");

    h1_respond(h1, 200, length, NULL);
    halo_stream_write(h1->stream, "abc", 3, 0);
    assert_int_equal(halo_stream_trailers(h1->stream, &trailers), 0);
    h1_run(h1);
    h1_expect(h1, out);
    h1_free(h1);
}

static void test_N08_server_http1_trailers(void **state)
{
    (void)state;
    check_trailers(
        1, NULL,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nsum: 7\r\n\r\n");
    check_trailers(1, "3", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
    check_trailers(0, NULL, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
}

static void test_N08_server_http1_reset(void **state)
{
    static const uint32_t codes[] = { HALO_CANCEL, HALO_NO_ERROR, HALO_INTERNAL_ERROR };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct h1 *h1 = h1_ask("GET", 1);

        h1_respond(h1, 200, NULL, NULL);
        halo_stream_write(h1->stream, "abc", 3, 0);
        h1_run(h1);
        h1_expect(h1, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
        halo_stream_reset(h1->stream, codes[i]);
        h1_run(h1);
        h1_expect(h1, ""); /* no last chunk: the client sees that it is cut */
        assert_true(h1->over);
        h1_free(h1);
    }
}

static int later_read(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    uint64_t *left = ctx;

    *len = *left < cap ? (size_t)*left : cap;
    memset(out, 'x', *len);
    *left -= *len;
    *end = *left == 0;
    return 0;
}

/* More than windows and buffers hold, and the client does not read meanwhile. */
static void test_N08_server_http1_large_response(void **state)
{
    const uint64_t length = 3000000;
    uint64_t left = length;
    const struct halo_source source = { .read = later_read, .ctx = &left };
    struct h1 *h1 = h1_ask("GET", 1);
    struct iovec iov[8];

    (void)state;
    h1_respond(h1, 200, "3000000", NULL);
    h1->out.len = 0;
    assert_int_equal(halo_stream_set_source(h1->stream, &source, 0), 0);
    for (int i = 0; i < 50; i++) {
        assert_true(http1_pull(&h1->http1, iov, 8, 1 << 20) > 0);
    }
    assert_true(h1->http1.out.len < 2 * HTTP1_OUT_MAX && left > length / 2);
    h1_run(h1);
    assert_int_equal(h1->out.len, length);
    assert_false(h1->over);
    h1_free(h1);
}

/* ---- content that the application does not take yet ------------------------------------------- */

static void test_N08_server_http1_paused(void **state)
{
    static char content[100000];
    struct h1 *h1 = h1_new();

    (void)state;
    memset(content, 'c', sizeof(content));
    h1->by_hand = true;
    h1->quiet = true;
    h1_say(h1, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    halo_stream_pause(h1->stream);
    h1_send(h1, content, sizeof(content));
    assert_false(http1_wants_receive(&h1->http1)); /* 65,535 of them are in the stream */
    assert_int_equal(h1->http1.input_octets, 100000 - 65535);
    h1_say(h1, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    h1_respond(h1, 200, "0", "");
    assert_int_equal(h1->requests, 1);
    halo_stream_resume(h1->stream);
    h1_run(h1);
    assert_int_equal(h1->requests, 2);
    assert_true(http1_wants_receive(&h1->http1));
    h1_free(h1);
}

/* The next request waits until the one before is answered. */
static void test_N08_server_http1_pipeline_waits(void **state)
{
    struct h1 *h1 = h1_ask("GET", 1);

    (void)state;
    h1_say(h1, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(h1->requests, 1);
    assert_false(http1_wants_receive(&h1->http1));
    h1_respond(h1, 200, "0", "");
    assert_int_equal(h1->requests, 2);
    assert_true(http1_wants_receive(&h1->http1));
    h1_free(h1);
}

/* ---- expect: 100-continue -------------------------------------------------------------------- */

#define EXPECT   "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static struct h1 *expecting(bool pause)
{
    struct h1 *h1 = h1_new();

    h1->by_hand = true;
    h1_send_only(h1, EXPECT, sizeof(EXPECT) - 1);
    if (pause) {
        halo_stream_pause(h1->stream);
    }
    return h1;
}

static void test_N08_server_http1_continue(void **state)
{
    struct h1 *h1 = expecting(false); /* wanted at once */

    (void)state;
    h1_run(h1);
    h1_expect(h1, CONTINUE);
    h1_say(h1, "abc");
    h1_respond(h1, 200, "0", "");
    h1_expect(h1, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    h1_free(h1);

    h1 = expecting(true); /* wanted later */
    h1_run(h1);
    h1_expect(h1, "");
    halo_stream_resume(h1->stream);
    h1_run(h1);
    h1_expect(h1, CONTINUE);
    h1_free(h1);

    h1 = expecting(false); /* said by the application */
    assert_int_equal(halo_stream_inform(h1->stream, 100, NULL), 0);
    h1_run(h1);
    h1_expect(h1, CONTINUE);
    h1_free(h1);

    h1 = expecting(true); /* the client did not wait */
    h1_say(h1, "abc");
    halo_stream_resume(h1->stream);
    h1_run(h1);
    h1_expect(h1, "");
    h1_free(h1);
}

/* Nobody knows whether what follows is the content or the next request: the connection ends. */
static void test_N08_server_http1_not_continued(void **state)
{
    struct h1 *h1 = expecting(true);

    (void)state;
    h1_respond(h1, 413, "0", "");
    h1_expect(h1,
              "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_true(h1->over);
    h1_free(h1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_N08_server_http1_whole, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_octet_by_octet, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_every_split, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_echo, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_framing, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_two_lengths, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_information, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_trailers, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_reset, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_large_response, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_paused, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_pipeline_waits, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_continue, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_not_continued, h1_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
