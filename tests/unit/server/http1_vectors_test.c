/*
 * Requests that two parsers could read in two ways, and other broken ones: each with the status it gets. A request
 * that is refused is the last of its connection.
 */
#include "http1_fixture.h"

struct vector {
    const char *what;
    const char *octets;
    int status;
};

#define HOST   "Host: a\r\n"
#define POST   "POST / HTTP/1.1\r\n" HOST
#define CHUNKS POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct vector refused[] = {
    /* line ends (RFC 9112 2.2) */
    { "bare LF behind the request line", "GET / HTTP/1.1\n" HOST "\r\n", 400 },
    { "bare LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400 },
    { "bare LF as the empty line", "GET / HTTP/1.1\r\n" HOST "\n", 400 },
    { "bare CR in the request line", "GET /\rx HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "bare CR in a value", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400 },
    { "bare CR instead of CRLF", "GET / HTTP/1.1\rHost: a\r\r", 400 },
    { "CR CR LF", "GET / HTTP/1.1\r\n" HOST "X: y\r\r\n\r\n", 400 },
    { "CR CR LF as the empty line", "GET / HTTP/1.1\r\n" HOST "\r\r\n", 400 },
    { "too many empty lines in front", "\r\n\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "bare LF in front", "\nGET / HTTP/1.1\r\n" HOST "\r\n", 400 },
    /* field lines (RFC 9112 5) */
    { "folded with a blank", "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400 },
    { "folded with a tabulator", "GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n", 400 },
    { "blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400 },
    { "blank before the colon", POST "Content-Length : 3\r\n\r\nabc", 400 },
    { "tabulator before the colon", POST "Content-Length\t: 3\r\n\r\nabc", 400 },
    { "blank before the colon of Transfer-Encoding",
      POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400 },
    { "no colon", "GET / HTTP/1.1\r\n" HOST "nonsense\r\n\r\n", 400 },
    { "empty name", "GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400 },
    { "control octet in a name", "GET / HTTP/1.1\r\n" HOST "X\x01: y\r\n\r\n", 400 },
    { "vertical tabulator in a name", POST "\x0bTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
    { "control octet in a value", "GET / HTTP/1.1\r\n" HOST "X: \x0b\r\n\r\n", 400 },
    { "DEL in a value", "GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n", 400 },
    { "octet beyond ASCII in a name", "GET / HTTP/1.1\r\n" HOST "X\xc3\xa9: y\r\n\r\n", 400 },
    { "pseudo-header field", "GET / HTTP/1.1\r\n" HOST ":path: /admin\r\n\r\n", 400 },
    { "parenthesis in a name", "GET / HTTP/1.1\r\n" HOST "X(): y\r\n\r\n", 400 },
    /* framing (RFC 9112 6) */
    { "length and chunks", POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400 },
    { "chunks and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
      400 },
    { "two lengths that differ", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400 },
    { "two lengths that do not", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400 },
    { "a list of lengths", POST "Content-Length: 3, 3\r\n\r\nabc", 400 },
    { "negative length", POST "Content-Length: -3\r\n\r\nabc", 400 },
    { "signed length", POST "Content-Length: +3\r\n\r\nabc", 400 },
    { "hexadecimal length", POST "Content-Length: 0x3\r\n\r\nabc", 400 },
    { "length with a blank inside", POST "Content-Length: 1 0\r\n\r\nabc", 400 },
    { "empty length", POST "Content-Length:\r\n\r\n", 400 },
    { "length beyond 64 bits", POST "Content-Length: 18446744073709551619\r\n\r\nabc", 400 },
    { "quoted length", POST "Content-Length: \"3\"\r\n\r\nabc", 400 },
    { "two Transfer-Encodings",
      POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
    { "two that differ",
      POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400 },
    { "chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501 },
    { "gzip", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501 },
    { "chunked not last", POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501 },
    { "xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501 },
    { "identity", POST "Transfer-Encoding: identity\r\n\r\n", 501 },
    { "quoted chunked", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501 },
    { "chunked with a parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 501 },
    { "empty Transfer-Encoding", POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 501 },
    { "chunks in HTTP/1.0",
      "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
    /* chunks (RFC 9112 7.1) */
    { "size with a sign", CHUNKS "+3\r\nabc\r\n0\r\n\r\n", 400 },
    { "size with 0x", CHUNKS "0x3\r\nabc\r\n0\r\n\r\n", 400 },
    { "size with a blank behind", CHUNKS "3 \r\nabc\r\n0\r\n\r\n", 400 },
    { "size with a blank in front", CHUNKS " 3\r\nabc\r\n0\r\n\r\n", 400 },
    { "no size", CHUNKS "\r\nabc\r\n0\r\n\r\n", 400 },
    { "extension without a size", CHUNKS ";a\r\n\r\n", 400 },
    { "size behind a bare LF", CHUNKS "3\nabc\r\n0\r\n\r\n", 400 },
    { "bare LF in an extension", CHUNKS "3;a\nabc\r\n0\r\n\r\n", 400 },
    { "bare CR in an extension", CHUNKS "3;a\rb\r\nabc\r\n0\r\n\r\n", 400 },
    { "bare LF behind a chunk", CHUNKS "3\r\nabc\n0\r\n\r\n", 400 },
    { "another octet instead of CR", CHUNKS "3\r\nabcX\n0\r\n\r\n", 400 },
    { "chunk longer than its size", CHUNKS "3\r\nabcd\r\n0\r\n\r\n", 400 },
    { "chunk shorter than its size", CHUNKS "3\r\nab\r\n0\r\n\r\n", 400 },
    { "size beyond all bodies", CHUNKS "ffffffffffffffff1\r\nabc", 400 },
    { "size with many zeros", CHUNKS "0000000000000003\r\nabc\r\n0\r\n\r\n", 400 },
    { "size that is no number", CHUNKS "g\r\n\r\n", 400 },
    { "bare LF behind the last chunk", CHUNKS "0\n\r\n", 400 },
    { "bare LF behind the trailers", CHUNKS "0\r\nX: y\n\r\n", 400 },
    { "content-length as a trailer", CHUNKS "0\r\nContent-Length: 3\r\n\r\n", 400 },
    { "transfer-encoding as a trailer", CHUNKS "0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
    { "host as a trailer", CHUNKS "0\r\nHost: b\r\n\r\n", 400 },
    { "connection as a trailer", CHUNKS "0\r\nConnection: close\r\n\r\n", 400 },
    { "folded trailer", CHUNKS "0\r\nX: y\r\n z\r\n\r\n", 400 },
    { "blank before the colon of a trailer", CHUNKS "0\r\nX : y\r\n\r\n", 400 },
    /* Host (RFC 9112 3.2) */
    { "no Host", "GET / HTTP/1.1\r\n\r\n", 400 },
    { "two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
    { "two equal Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
    { "two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
    { "empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400 },
    { "Host with userinfo", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400 },
    { "Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400 },
    { "Host with a blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
    /* request lines (RFC 9112 3) */
    { "two blanks", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "blank in front", " GET / HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "blank behind", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400 },
    { "blank in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "tabulator", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "no version", "GET /\r\n" HOST "\r\n", 400 },
    { "HTTP/0.9", "GET / HTTP/0.9\r\n" HOST "\r\n", 505 },
    { "HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
    { "HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505 },
    { "HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", 400 },
    { "http/1.1", "GET / http/1.1\r\n" HOST "\r\n", 400 },
    { "ICY", "GET / ICY/1.1\r\n" HOST "\r\n", 400 },
    { "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
    { "unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n", 501 },
    { "method in lower case", "get / HTTP/1.1\r\n" HOST "\r\n", 501 },
    { "method of RTSP", "SETUP / HTTP/1.1\r\n" HOST "\r\n", 501 },
    { "method that is no token", "G@T / HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501 },
    { "authority as a target", "GET a:80 HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "target without a slash", "GET index.html HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "asterisk without OPTIONS", "GET * HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "absolute target of another host", "GET http://b/ HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "absolute target of another scheme", "GET https://a/ HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "absolute target of an unknown scheme", "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "absolute target without a host", "GET http:///x HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "absolute target with userinfo", "GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n", 400 },
    { "octet beyond ASCII in the target", "GET /\xff HTTP/1.1\r\n" HOST "\r\n", 400 },
    { "garbage", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400 },
    /* expectations (RFC 9110 10.1.1) */
    { "unknown expectation", POST "Expect: tea\r\nContent-Length: 1\r\n\r\nx", 417 },
    { "two expectations", POST "Expect: 100-continue, tea\r\nContent-Length: 1\r\n\r\nx", 417 },
};

static void check_refused(const struct vector *vector, bool octet_by_octet)
{
    static const char smuggled[] = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    size_t len = strlen(vector->octets);
    struct h1 *h1 = h1_new();

    h1->by_hand = true; /* no answer of the application's hides ours */
    for (size_t at = 0; at < len;) {
        size_t part = octet_by_octet ? 1 : len;

        h1_send(h1, vector->octets + at, part);
        at += part;
    }
    h1_say(h1, smuggled);
    if (h1_status(h1) != vector->status || !h1->over || strstr(h1->log.data, "/smuggled") != NULL ||
        h1->requests > 1 || strstr(h1->out.data + 1, "HTTP/1.1 ") != NULL ||
        strstr(h1->out.data, "connection: close\r\n") == NULL) {
        fail_msg("%s: expected %d, got \"%s\" and told \"%s\"", vector->what, vector->status,
                 h1->out.data, h1->log.data);
    }
    h1_free(h1);
}

static void test_O21_server_http1_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        check_refused(&refused[i], false);
    }
}

static void test_O21_server_http1_refused_octet_by_octet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        check_refused(&refused[i], true);
    }
}

/* What must not be refused for being unusual. */
static const struct vector accepted[] = {
    { "empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 200 },
    { "no blank behind the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", 200 },
    { "blanks around a value", "GET / HTTP/1.1\r\nHost: \t a \t \r\nX: \r\n\r\n", 200 },
    { "octets beyond ASCII in a value", "GET / HTTP/1.1\r\n" HOST "X: \xc3\xa9\r\n\r\n", 200 },
    { "absolute target", "GET http://A/x HTTP/1.1\r\n" HOST "\r\n", 200 },
    { "absolute target without a path", "GET http://a HTTP/1.1\r\n" HOST "\r\n", 200 },
    { "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 200 },
    { "OPTIONS of a whole server", "OPTIONS http://a HTTP/1.1\r\n" HOST "\r\n", 200 },
    { "HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 200 },
    { "Upgrade is ignored",
      "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: "
      "h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
      200 },
    { "websocket is ignored",
      "GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 200 },
    { "upper-case chunk sizes, extensions", CHUNKS "A;a=b;c=\"d\"\r\n0123456789\r\n00\r\n\r\n",
      200 },
    { "chunked in capital letters", POST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 200 },
    { "length with zeros", POST "Content-Length: 003\r\n\r\nabc", 200 },
    { "expectation in HTTP/1.0", "POST / HTTP/1.0\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx",
      200 },
    { "M-SEARCH", "M-SEARCH / HTTP/1.1\r\n" HOST "\r\n", 200 },
    { "DELETE with a body", "DELETE / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", 200 },
};

static void test_O21_server_http1_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        struct h1 *h1 = h1_new();

        h1_say(h1, accepted[i].octets);
        if (h1_status(h1) != 200) {
            fail_msg("%s: \"%s\"", accepted[i].what, h1->out.data);
        }
        h1_free(h1);
    }
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void check_long(const char *before, char octet, size_t count, const char *after, int status)
{
    size_t len = strlen(before) + count + strlen(after);
    char *octets = malloc(len + 1);
    struct h1 *h1 = h1_new();

    memcpy(octets, before, strlen(before));
    memset(octets + strlen(before), octet, count);
    memcpy(octets + strlen(before) + count, after, strlen(after) + 1);
    h1_send(h1, octets, len);
    assert_int_equal(h1_status(h1), status);
    assert_true(h1->over == (status != 200));
    h1_free(h1);
    free(octets);
}

static void test_O21_server_http1_limits(void **state)
{
    (void)state;
    check_long("GET /", 'a', 16000, " HTTP/1.1\r\n" HOST "\r\n", 200);
    check_long("GET /", 'a', 16384, " HTTP/1.1\r\n" HOST "\r\n", 431); /* as HTTP/2 says it */
    check_long("GET /", 'a', 17000, " HTTP/1.1\r\n" HOST "\r\n", 414);
    check_long("GET /", 'a', 1000000, "", 414);
    check_long("", 'A', 1000000, "", 414);
    check_long("GET / HTTP/1.1\r\n" HOST "X: ", 'a', 16000, "\r\n\r\n", 200);
    check_long("GET / HTTP/1.1\r\n" HOST "X: ", 'a', 17000, "\r\n\r\n", 431);
    check_long("GET / HTTP/1.1\r\n" HOST "X: ", 'a', 1000000, "", 431);
    check_long("GET / HTTP/1.1\r\n" HOST "X", 'a', 1000000, "", 431);
    check_long(CHUNKS "3;", 'a', 16000, "\r\nabc\r\n0\r\n\r\n", 200);
    h1_options.limits.header_list_size = 200;
    check_long("GET / HTTP/1.1\r\n" HOST "X: ", 'a', 100, "\r\n\r\n", 431);
    h1_options.limits.header_list_size = 400;
    check_long("GET / HTTP/1.1\r\n" HOST "X: ", 'a', 100, "\r\n\r\n", 200);
}

static void test_O21_server_http1_chunk_extensions_bounded(void **state)
{
    char extension[1024];
    struct h1 *h1 = h1_new();

    (void)state;
    h1->by_hand = true;
    memset(extension, 'a', sizeof(extension));
    h1_say(h1, CHUNKS);
    for (int i = 0; i < 17; i++) {
        h1_say(h1, "1;");
        h1_send(h1, extension, sizeof(extension));
        h1_say(h1, "\r\nx\r\n");
    }
    assert_int_equal(h1_status(h1), 431);
    assert_true(h1->over);
    h1_free(h1);
}

static void check_fields(uint32_t count, int status)
{
    struct h1 *h1 = h1_new();

    h1_say(h1, "GET / HTTP/1.1\r\n" HOST);
    for (uint32_t i = 1; i < count; i++) {
        h1_say(h1, "X: y\r\n");
    }
    h1_say(h1, "\r\n");
    assert_int_equal(h1_status(h1), status);
    h1_free(h1);
}

static void test_O21_server_http1_field_count(void **state)
{
    (void)state;
    check_fields(124, 200); /* and four of the request line */
    check_fields(129, 431);
    check_fields(5000, 431);
}

/* ---- the second opinion ---------------------------------------------------------------------- */

static bool confirm(const char *octets, halo_header *fields, const struct http1_request *request)
{
    const struct http1_section_limits limits = { 1000, 1000, 10 };
    struct http1_section section = { 0 };
    struct memory memory;
    size_t taken;
    bool same;

    memory_init(&memory, NULL);
    http1_section_begin(&section, request == NULL);
    assert_int_equal(http1_section_take(&section, &memory, &limits, (const uint8_t *)octets,
                                        strlen(octets), &taken),
                     HTTP1_COMPLETE);
    assert_int_equal(taken, strlen(octets));
    if (fields[0].name.len == 0) {
        http1_section_fields(&section, fields);
    } else { /* a reading that is off by one */
        http1_section_fields(&section, fields);
        fields[section.fields - 1].value.len--;
    }
    same = http1_confirm(&section, fields, request);
    http1_section_free(&section, &memory);
    memory_fini(&memory);
    return same;
}

static bool confirm_request(const char *octets, uint8_t body, uint64_t length, uint8_t minor,
                            bool off)
{
    const struct http1_request request = { .body = body, .length = length, .minor = minor };
    halo_header fields[10] = { { .name = { "x", off ? 1 : 0 } } };

    return confirm(octets, fields, &request);
}

/* Broken lines are refused by our own reader, whatever llhttp would say of them. */
static void test_O21_server_http1_first_opinion(void **state)
{
    const struct http1_section_limits limits = { 1000, 1000, 10 };
    size_t i = 0;

    (void)state;
    do {
        const char *octets = refused[i].octets;
        struct http1_section section = { 0 };
        struct memory memory;
        size_t taken;

        memory_init(&memory, NULL);
        http1_section_begin(&section, false);
        if (http1_section_take(&section, &memory, &limits, (const uint8_t *)octets, strlen(octets),
                               &taken) != 400) {
            fail_msg("%s", refused[i].what);
        }
        http1_section_free(&section, &memory);
        memory_fini(&memory);
    } while (strcmp(refused[i++].what, "parenthesis in a name") != 0);
}

/* What we read and llhttp reads otherwise, or not at all, is not confirmed. */
static void test_O21_server_http1_second_opinion(void **state)
{
    static const char length[] = POST "Content-Length: 3\r\n\r\n";
    halo_header fields[10] = { 0 };

    (void)state;
    assert_true(confirm_request(length, BODY_LENGTH, 3, 1, false));
    assert_false(confirm_request(length, BODY_LENGTH, 3, 1, true));
    assert_false(confirm_request(length, BODY_LENGTH, 4, 1, false));
    assert_false(confirm_request(length, BODY_LENGTH, 3, 0, false));
    assert_false(confirm_request(length, BODY_CHUNKED, 0, 1, false));
    assert_false(confirm_request(length, BODY_NONE, 0, 1, false));
    assert_false(confirm_request(CHUNKS, BODY_NONE, 0, 1, false));
    assert_true(confirm_request(CHUNKS, BODY_CHUNKED, 0, 1, false));
    assert_false(confirm_request("BREW / HTTP/1.1\r\n" HOST "\r\n", BODY_NONE, 0, 1, false));
    assert_true(confirm("A: b\r\nC:\r\n\r\n", fields, NULL));
}

/* ---- any octet replaced ---------------------------------------------------------------------- */

/* Nothing breaks, and whatever is made of it, each request has one answer at most. */
static void test_O21_server_http1_mutations(void **state)
{
    static const char good[] =
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n"
        "T: u\r\n\r\nPOST http://a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy"
        "GET / HTTP/1.0\r\nConnection: close\r\n\r\n";
    static const uint8_t octets[] = {
        0, '\n', '\r', '\t', ' ', ',', ':', '0', 'A', 'f', 0x7f, 0xff
    };

    (void)state;
    for (size_t at = 0; at < sizeof(good) - 1; at++) {
        for (size_t i = 0; i < sizeof(octets); i++) {
            char mutated[sizeof(good)];
            struct h1 *h1 = h1_new();
            uint32_t answers = 0;

            memcpy(mutated, good, sizeof(good));
            mutated[at] = (char)octets[i];
            h1_send(h1, mutated, sizeof(good) - 1);
            http1_receive_end(&h1->http1);
            h1_run(h1);
            for (const char *found = h1->out.data; (found = strstr(found, "HTTP/1.1 ")) != NULL;
                 found++) {
                answers++;
            }
            assert_true(h1->over && answers <= h1->requests + 1 && h1->requests <= 3);
            h1_free(h1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_O21_server_http1_refused, h1_setup),
        cmocka_unit_test_setup(test_O21_server_http1_refused_octet_by_octet, h1_setup),
        cmocka_unit_test_setup(test_O21_server_http1_accepted, h1_setup),
        cmocka_unit_test_setup(test_O21_server_http1_limits, h1_setup),
        cmocka_unit_test_setup(test_O21_server_http1_chunk_extensions_bounded, h1_setup),
        cmocka_unit_test_setup(test_O21_server_http1_field_count, h1_setup),
        cmocka_unit_test_setup(test_O21_server_http1_first_opinion, h1_setup),
        cmocka_unit_test_setup(test_O21_server_http1_second_opinion, h1_setup),
        cmocka_unit_test_setup(test_O21_server_http1_mutations, h1_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
