/*
 * content-length and what comes (RFC 9113 8.1.1, RFC 9110 8.6): each form of the field, with the
 * end of the stream on HEADERS, on the first or second DATA, and on trailers, in both roles. A
 * message that is malformed is reset before its end is told, and before its last octet wherever
 * that can be known.
 */
#include "conform.h"

#include "core/base/base.h"

enum { BODY = 5 };

enum end {
    END_HEADERS_,    /* no body: 0 octets */
    END_DATA,        /* one DATA frame */
    END_SECOND_DATA, /* two: 3 octets and 2 */
    END_EMPTY_DATA,  /* an empty DATA frame behind the body */
    END_TRAILERS,
    END_ONLY_TRAILERS, /* trailers, no body */
    END_COUNT,
};

/* What a value means: a number of octets, or: */
enum { ABSENT = -1, BAD = -2 };

static const struct form {
    const char *value;  /* NULL: no field */
    const char *second; /* another one */
    int length;
} forms[] = {
    { NULL, NULL, ABSENT },
    { "0", NULL, 0 },
    { "1", NULL, 1 },
    { "3", NULL, 3 },
    { "4", NULL, 4 },
    { "5", NULL, 5 },
    { "6", NULL, 6 },
    { "05", NULL, 5 },
    { "00000", NULL, 0 },
    { "999999999999999999", NULL, 1000 },
    { "", NULL, BAD },
    { "+5", NULL, BAD },
    { "-5", NULL, BAD },
    { "-0", NULL, BAD },
    { "5 ", NULL, BAD },
    { " 5", NULL, BAD },
    { "5,5", NULL, BAD },
    { "5, 5", NULL, BAD },
    { "5;", NULL, BAD },
    { "5.0", NULL, BAD },
    { "0x5", NULL, BAD },
    { "5e0", NULL, BAD },
    { "five", NULL, BAD },
    { "5\xc2\xb2", NULL, BAD },
    { "9223372036854775808", NULL, BAD },  /* 2^63 */
    { "18446744073709551616", NULL, BAD }, /* 2^64 */
    { "18446744073709551621", NULL, BAD }, /* 2^64 + 5 */
    { "99999999999999999999999999999999999999999999", NULL, BAD },
    /* A list of equal ones may be taken as one (RFC 9110 8.6) or refused: halo refuses. */
    { "5", "5", BAD },
    { "5", "6", BAD },
    { "0", "0", BAD },
};

static size_t body_of(enum end end)
{
    return end == END_HEADERS_ || end == END_ONLY_TRAILERS ? 0 : BODY;
}

/* HEADERS of a message: the pseudo-header fields of its role, and content-length. */
static void put_head(struct fake_peer *peer, uint32_t id, const struct form *form,
                     const char *first, unsigned flags)
{
    struct wire block = { 0 };

    if (peer->scenario->role == HALO_SERVER) {
        fields(&block, ":method", first, ":scheme", "https", ":path", "/", ":authority", "a", NULL);
    } else {
        fields(&block, ":status", first, NULL);
    }
    if (form->value != NULL) {
        field(&block, "content-length", form->value);
    }
    if (form->second != NULL) {
        field(&block, "content-length", form->second);
    }
    put_headers(&peer->in, id, flags | F_END_HEADERS, &block);
    wire_free(&block);
}

static void put_rest(struct fake_peer *peer, uint32_t id, enum end end)
{
    switch (end) {
    case END_DATA:
        put_data(&peer->in, id, F_END_STREAM, BODY);
        break;
    case END_SECOND_DATA:
        put_data(&peer->in, id, 0, 3);
        put_data(&peer->in, id, F_END_STREAM, BODY - 3);
        break;
    case END_EMPTY_DATA:
        put_data_padded(&peer->in, id, 0, BODY, 7);
        put_data(&peer->in, id, F_END_STREAM, 0);
        break;
    case END_TRAILERS:
        put_data(&peer->in, id, 0, BODY);
        put_fields(&peer->in, id, F_END_STREAM, "x-sum", "y", NULL);
        break;
    case END_ONLY_TRAILERS:
        put_fields(&peer->in, id, F_END_STREAM, "x-sum", "y", NULL);
        break;
    default:
        break;
    }
}

/* What was told of a message: whether it began, its octets, its end. */
struct told {
    size_t messages;
    size_t octets;
    bool end;
};

static void note_told(struct fake_peer *peer, const struct halo_event *event)
{
    struct told *told = peer->ctx;

    told->messages += event->type == HALO_EVENT_REQUEST || event->type == HALO_EVENT_RESPONSE;
    told->octets += event->type == HALO_EVENT_DATA ? event->u.data.len : 0;
    told->end |= event->type < HALO_EVENT_STREAM_CLOSED && (event->flags & HALO_END_STREAM) != 0;
}

/* `length` is what the field says; `body` what comes. */
static void check_told(struct fake_peer *peer, uint32_t id, const struct form *form, int length,
                       enum end end, const struct told *told)
{
    size_t body = body_of(end);
    bool data_tells = end == END_DATA || end == END_SECOND_DATA;

    if (length == ABSENT || length == (int)body) {
        assert_int_equal(told->messages, 1);
        assert_int_equal(told->octets, body);
        assert_true(told->end);
        return;
    }
    expect_rst(peer, id, HALO_PROTOCOL_ERROR);
    assert_false(told->end);
    if (form->length == BAD || end == END_HEADERS_) {
        assert_int_equal(told->messages, 0);
    }
    /* Too much, or an end too early: the frame that breaks the promise is not handed out. */
    if (length == BAD || (size_t)length < body || data_tells) {
        assert_true(told->octets < body || body == 0);
    }
    assert_true(length == BAD || told->octets <= (size_t)length);
}

static void play(struct fake_peer *peer, const char *method, const char *first,
                 const struct form *form, int length, enum end end)
{
    struct told told = { 0 };
    uint32_t id = 1;

    peer_open(peer);
    if (peer->scenario->role == HALO_CLIENT) {
        peer_request(peer, method, HALO_END_STREAM);
        peer_go(peer);
        skip_output(peer);
    }
    peer->ctx = &told;
    peer->app = note_told;
    put_head(peer, id, form, first, end == END_HEADERS_ ? F_END_STREAM : 0);
    put_rest(peer, id, end);
    peer_go(peer);
    check_told(peer, id, form, length, end, &told);
    expect_nothing(peer);
    peer->app = NULL;
    expect_alive(peer);
    peer_restart(peer);
}

static void test_C48_content_length_of_requests(struct fake_peer *peer)
{
    for (size_t i = 0; i < HALO_ARRAY_LEN(forms); i++) {
        for (int end = 0; end < END_COUNT; end++) {
            play(peer, NULL, "POST", &forms[i], forms[i].length, (enum end)end);
        }
    }
}

static void test_C48_content_length_of_responses(struct fake_peer *peer)
{
    for (size_t i = 0; i < HALO_ARRAY_LEN(forms); i++) {
        for (int end = 0; end < END_COUNT; end++) {
            play(peer, "GET", "200", &forms[i], forms[i].length, (enum end)end);
        }
    }
}

/* No body whatever the field says; but a body that comes is one too many (RFC 9110 6.4.1, 8.6). */
static void test_C48_content_length_without_a_body(struct fake_peer *peer)
{
    static const struct {
        const char *method;
        const char *status;
    } cases[] = { { "HEAD", "200" }, { "GET", "204" }, { "GET", "304" }, { "HEAD", "404" } };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        for (size_t k = 0; k < HALO_ARRAY_LEN(forms); k++) {
            for (int end = 0; end < END_COUNT; end++) {
                play(peer, cases[i].method, cases[i].status, &forms[k],
                     forms[k].length == BAD ? BAD : 0, (enum end)end);
            }
        }
    }
}

/* Of a CONNECT that was taken up, and of its answer, what follows is no body (RFC 9110 9.3.6). */
static void test_C48_content_length_of_a_tunnel(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "CONNECT", 0);
    peer_go(peer);
    skip_output(peer);
    put_fields(&peer->in, 1, 0, ":status", "200", "content-length", "1", NULL);
    put_data(&peer->in, 1, 0, 100);
    peer_go(peer);
    expect_log(peer, "RESPONSE 1 status=200 :status=200 content-length=1\nDATA 1 len=100\n");
    expect_nothing(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(test_C48_content_length_of_requests),
        CLIENT(test_C48_content_length_of_responses),
        CLIENT(test_C48_content_length_without_a_body),
        CLIENT(test_C48_content_length_of_a_tunnel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
