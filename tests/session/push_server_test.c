/* RFC 9113 section 8.4: what a server promises. Rows of Node's surface: V03 to V07, L02, RS08, N06. */
#include "fake_peer.h"

#include "core/base/memory.h"
#include "core/proto/limits.h"

static const char promised_get[] = ":method: GET\n:scheme: https\n:path: /style.css\n"
                                   ":authority: example.org\n";

static halo_stream *push(struct fake_peer *peer, uint32_t parent, const char *method,
                         const char *path)
{
    struct halo_request request = { .method = halo_str(method), .path = halo_str(path) };
    halo_stream *pushed = NULL;
    uint32_t id;

    assert_int_equal(halo_stream_push(peer_stream(peer, parent), &request, &peer->counter, &pushed),
                     0);
    assert_ptr_equal(halo_stream_user_data(pushed), &peer->counter);
    id = halo_stream_id(pushed);
    peer->streams[id / 2] = pushed;
    return pushed;
}

static int try_push(halo_stream *parent, const char *method)
{
    struct halo_request request = { .method = halo_str(method), .path = HALO_LIT("/") };
    halo_stream *pushed = NULL;

    return halo_stream_push(parent, &request, NULL, &pushed);
}

static void open_request(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    peer_go(peer);
    skip_log(peer);
}

static uint32_t state_of(const halo_stream *stream)
{
    struct halo_stream_info info;

    halo_stream_get_info(stream, &info);
    return info.state;
}

static uint32_t open_streams(struct fake_peer *peer)
{
    struct halo_session_info info;

    halo_session_get_info(peer->session, &info);
    return info.open_streams;
}

/* peer_stream() looks at id / 2: 2 and 3 share a place, so parents are 1, 5, 9 here. */
static void test_V03_V04_V07_L02_session_push(struct fake_peer *peer)
{
    halo_header list = test_field("X-Mixed", "yes");
    struct halo_request request = { .path = HALO_LIT("/style.css"),
                                    .headers = { .fields = &list, .count = 1 } };
    halo_bytes path = HALO_LIT(":path");
    halo_stream *parent;
    halo_stream *pushed;
    halo_bytes value;

    open_request(peer);
    parent = peer_stream(peer, 1);
    assert_int_equal(halo_stream_push_allowed(parent), 1);
    assert_int_equal(halo_stream_promise(parent).count, 0);
    assert_int_equal(halo_stream_push(parent, &request, NULL, &pushed), 0);
    assert_int_equal(halo_stream_id(pushed), 2);
    assert_int_equal(state_of(pushed), HALO_STATE_RESERVED_LOCAL);
    assert_int_equal(open_streams(peer), 1);
    assert_true(halo_header_find(halo_stream_headers(pushed), path, &value));
    assert_int_equal(halo_stream_promise(pushed).count, 5);
    assert_int_equal(halo_stream_write(pushed, "x", 1, 0), HALO_E_WRONG_STATE);
    /* DATA that refers to the promise comes behind it. */
    assert_int_equal(halo_stream_respond(parent, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(parent, "see style.css", 13, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_respond(pushed, 200, NULL, 0), 0);
    assert_int_equal(state_of(pushed), HALO_STATE_HALF_CLOSED_REMOTE);
    assert_int_equal(halo_stream_write(pushed, "p {}", 4, 0), 0);
    list = test_field("x-end", "yes");
    assert_int_equal(halo_stream_trailers(pushed, &request.headers), 0);
    peer_go(peer);
    expect_promise(peer, 1, 2,
                   ":method: GET\n:scheme: https\n:path: /style.css\n:authority: example.org\n"
                   "x-mixed: yes\n");
    expect_headers(peer, 1, 0, ":status: 200\n");
    expect_data(peer, 1, F_END_STREAM, 13);
    expect_headers(peer, 2, 0, ":status: 200\n");
    expect_data(peer, 2, 0, 4);
    expect_headers(peer, 2, F_END_STREAM, "x-end: yes\n");
    expect_log(peer, "CLOSED 1\nCLOSED 2\n");
    assert_int_equal(open_streams(peer), 0);
}

/* In the handler of the request, when its list was not copied yet. */
static void push_in_handler(struct fake_peer *peer, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_REQUEST) {
        struct halo_request request = { .path = HALO_LIT("/style.css") };
        halo_stream *pushed;

        assert_int_equal(halo_stream_push(event->stream, &request, NULL, &pushed), 0);
        assert_int_equal(halo_stream_respond(pushed, 200, NULL, HALO_END_STREAM), 0);
        assert_int_equal(halo_stream_respond(event->stream, 200, NULL, HALO_END_STREAM), 0);
        peer->counter++;
    }
}

static void test_RS08_session_push_in_handler(struct fake_peer *peer)
{
    peer->app = push_in_handler;
    peer_open(peer);
    put_get(&peer->in, 1);
    put_fields(&peer->in, 3, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/a",
               "host", "example.org", NULL);
    peer_go(peer);
    expect_promise(peer, 1, 2, promised_get);
    expect_headers(peer, 2, F_END_STREAM, NULL);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_promise(peer, 3, 4, promised_get);
    expect_headers(peer, 4, F_END_STREAM, NULL);
    expect_headers(peer, 3, F_END_STREAM, NULL);
    assert_int_equal(peer->counter, 2);
    peer->counter = 0;
}

static void test_V07_session_push_of_HEAD(struct fake_peer *peer)
{
    halo_stream *pushed;

    open_request(peer);
    pushed = push(peer, 1, "HEAD", "/a");
    assert_int_equal(halo_stream_is_head(pushed), 1);
    assert_int_equal(halo_stream_respond(pushed, 200, NULL, 0), 0);
    peer_go(peer);
    expect_promise(peer, 1, 2, NULL);
    expect_headers(peer, 2, F_END_STREAM, NULL);
    expect_log(peer, "CLOSED 2\n");
}

static void test_V05_V06_session_push_refused(struct fake_peer *peer)
{
    halo_header length = test_field("Content-Length", "5");
    struct halo_request request = { .path = HALO_LIT("/"),
                                    .headers = { .fields = &length, .count = 1 } };
    halo_stream *parent;
    halo_stream *pushed;

    open_request(peer);
    parent = peer_stream(peer, 1);
    assert_int_equal(try_push(parent, "POST"), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(try_push(parent, "OPTIONS"), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(try_push(parent, "CONNECT"), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(halo_stream_push(parent, &request, NULL, &pushed), HALO_E_INVALID_ARGUMENT);
    length = test_field("connection", "close");
    assert_int_equal(halo_stream_push(parent, &request, NULL, &pushed),
                     HALO_E_INVALID_CONNECTION_HEADERS);
    length = test_field("host", "other.example");
    assert_int_equal(halo_stream_push(parent, &request, NULL, &pushed),
                     HALO_E_INVALID_HEADER_VALUE);
    length = test_field("content-length", "0");
    request.path = halo_str("/a b");
    assert_int_equal(halo_stream_push(parent, &request, NULL, &pushed),
                     HALO_E_INVALID_HEADER_VALUE);
    request.path = halo_str("/");
    request.protocol = halo_str("websocket");
    assert_int_equal(halo_stream_push(parent, &request, NULL, &pushed), HALO_E_INVALID_ARGUMENT);
    request.protocol = halo_str("");
    expect_nothing(peer);
    assert_int_equal(halo_stream_push(parent, &request, NULL, &pushed), 0); /* number 2 after all */
    assert_int_equal(halo_stream_id(pushed), 2);
    assert_int_equal(try_push(pushed, "GET"), HALO_E_NESTED_PUSH);
    peer_go(peer);
    expect_promise(peer, 1, 2, NULL);
    /* A parent that has ended. */
    assert_int_equal(halo_stream_respond(parent, 200, NULL, HALO_END_STREAM), 0);
    assert_int_equal(try_push(parent, "GET"), HALO_E_INVALID_STREAM);
    put_post(&peer->in, 5);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(peer_stream(peer, 5), 200, NULL, HALO_END_STREAM), 0);
    assert_int_equal(try_push(peer_stream(peer, 5), "GET"), HALO_E_INVALID_STREAM);
    put_settings(&peer->in, 2, 0, 0);
    put_get(&peer->in, 9);
    peer_go(peer);
    assert_int_equal(try_push(peer_stream(peer, 9), "GET"), HALO_E_PUSH_DISABLED);
    assert_int_equal(halo_stream_push_allowed(peer_stream(peer, 9)), 0);
    expect_alive(peer);
}

static void no_push_after_goaway(struct fake_peer *peer)
{
    open_request(peer);
    put_goaway(&peer->in, 0, HALO_NO_ERROR, "");
    peer_go(peer);
    assert_int_equal(try_push(peer_stream(peer, 1), "GET"), HALO_E_GOAWAY_SESSION);
    peer_restart(peer);
    open_request(peer);
    halo_session_close(peer->session);
    assert_int_equal(try_push(peer_stream(peer, 1), "GET"), HALO_E_GOAWAY_SESSION);
    halo_session_destroy(peer->session, HALO_NO_ERROR);
    assert_int_equal(try_push(peer_stream(peer, 1), "GET"), HALO_E_INVALID_SESSION);
}

/* RFC 9113 6.8: pushes above the client's GOAWAY are gone, requests of the client go on. */
static void goaway_refuses_pushes(struct fake_peer *peer)
{
    open_request(peer);
    push(peer, 1, "GET", "/a");
    push(peer, 1, "GET", "/b");
    peer_go(peer);
    skip_output(peer);
    put_goaway(&peer->in, 2, HALO_NO_ERROR, "");
    peer_go(peer);
    expect_log(peer, "GOAWAY NO_ERROR last=2 debug=\n"
                     "CLOSED 4 GOAWAY_SESSION REFUSED_STREAM origin=3 processed=0\n");
    halo_stream_respond(peer_stream(peer, 1), 200, NULL, HALO_END_STREAM);
    halo_stream_respond(peer_stream(peer, 2), 200, NULL, HALO_END_STREAM);
    peer_go(peer);
    expect_log(peer, "CLOSED 1\nCLOSED 2\nSESSION_CLOSED\n");
}

/* The client's MAX_CONCURRENT_STREAMS: at the limit, and one more. Promised streams count here. */
static void limit_of_the_client(struct fake_peer *peer)
{
    halo_stream *first;

    peer_open_with(peer, 3, 2);
    put_get(&peer->in, 1);
    peer_go(peer);
    first = push(peer, 1, "GET", "/a");
    push(peer, 1, "GET", "/b");
    assert_int_equal(try_push(peer_stream(peer, 1), "GET"), HALO_E_LIMIT);
    assert_int_equal(halo_stream_respond(first, 200, NULL, 0), 0);
    assert_int_equal(try_push(peer_stream(peer, 1), "GET"), HALO_E_LIMIT);
    assert_int_equal(halo_stream_end(first), 0);
    peer_go(peer);
    push(peer, 1, "GET", "/c");
    assert_int_equal(try_push(peer_stream(peer, 1), "GET"), HALO_E_LIMIT);
    expect_alive(peer);
}

/* The client lowers its limit while promises are out: they wait, or are given up. */
static void limit_is_lowered(struct fake_peer *peer)
{
    halo_stream *first;
    halo_stream *second;

    open_request(peer);
    first = push(peer, 1, "GET", "/a");
    second = push(peer, 1, "GET", "/b");
    put_settings(&peer->in, 3, 1, 0);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(first, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_respond(second, 200, NULL, 0), HALO_E_LIMIT);
    assert_int_equal(halo_stream_inform(second, 103, NULL), HALO_E_LIMIT);
    assert_int_equal(state_of(second), HALO_STATE_RESERVED_LOCAL);
    halo_stream_end(first);
    peer_go(peer);
    assert_int_equal(halo_stream_respond(second, 200, NULL, HALO_END_STREAM), 0);
    expect_alive(peer);
}

/* h2#936: a 1xx opens the stream, the final response does not do so again. */
static void test_trap_T19_informational_counts_once(struct fake_peer *peer)
{
    halo_stream *pushed;

    peer_open_with(peer, 3, 1);
    put_get(&peer->in, 1);
    peer_go(peer);
    for (int round = 0; round < 3; round++) {
        pushed = push(peer, 1, "GET", "/a");
        assert_int_equal(open_streams(peer), 1);
        assert_int_equal(halo_stream_inform(pushed, 103, NULL), 0);
        assert_int_equal(state_of(pushed), HALO_STATE_HALF_CLOSED_REMOTE);
        assert_int_equal(open_streams(peer), 2);
        assert_int_equal(halo_stream_inform(pushed, 103, NULL), 0);
        assert_int_equal(halo_stream_respond(pushed, 200, NULL, 0), 0);
        assert_int_equal(open_streams(peer), 2);
        assert_int_equal(halo_stream_end(pushed), 0);
        peer_go(peer);
        assert_int_equal(open_streams(peer), 1);
    }
    expect_alive(peer);
}

/* A stream that was reset says nothing more, and one whose promise never went out says nothing at
 * all. */
static void test_trap_T18_nothing_behind_a_reset(struct fake_peer *peer)
{
    halo_stream *pushed;

    open_request(peer);
    pushed = push(peer, 1, "GET", "/a");
    assert_int_equal(halo_stream_reset(pushed, HALO_CANCEL), 0);
    assert_int_equal(halo_stream_respond(pushed, 200, NULL, 0), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_inform(pushed, 103, NULL), HALO_E_INVALID_STREAM);
    assert_int_equal(halo_stream_write(pushed, "x", 1, 0), HALO_E_INVALID_STREAM);
    peer_go(peer);
    expect_promise(peer, 1, 2, NULL);
    expect_rst(peer, 2, HALO_CANCEL);
    expect_nothing(peer);
    expect_log(peer, "CLOSED 2 STREAM_CANCEL CANCEL origin=1 processed=0\n");
    halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
    assert_int_equal(try_push(peer_stream(peer, 1), "GET"), HALO_E_INVALID_STREAM);
    peer_go(peer);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_nothing(peer);
}

/* RFC 9113 5.1: what a client may send on a stream that we promised, before and after the response
 * has begun. */
static void frames_on_pushed_streams(struct fake_peer *peer)
{
    static const struct {
        uint8_t type;
        int reserved; /* GOAWAY's code; -1: fine */
        int open;
    } cases[] = {
        { T_DATA, HALO_PROTOCOL_ERROR, HALO_STREAM_CLOSED },
        { T_HEADERS, HALO_PROTOCOL_ERROR, HALO_STREAM_CLOSED },
        { T_PRIORITY, -1, -1 },
        { T_RST_STREAM, -1, -1 },
        { T_PUSH_PROMISE, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR },
        { T_WINDOW_UPDATE, -1, -1 },
        { T_CONTINUATION, HALO_PROTOCOL_ERROR, HALO_PROTOCOL_ERROR },
        { T_ALTSVC, -1, -1 },
        { T_ORIGIN, -1, -1 },
        { 0xee, -1, -1 },
    };

    for (size_t i = 0; i < 2 * HALO_ARRAY_LEN(cases); i++) {
        int outcome = i % 2 == 0 ? cases[i / 2].reserved : cases[i / 2].open;
        halo_stream *pushed;

        open_request(peer);
        pushed = push(peer, 1, "GET", "/a");
        if (i % 2 == 1) {
            halo_stream_respond(pushed, 200, NULL, 0);
        }
        peer_go(peer);
        switch (cases[i / 2].type) {
        case T_DATA:
            put_data(&peer->in, 2, 0, 10);
            break;
        case T_HEADERS:
            put_fields(&peer->in, 2, F_END_STREAM, "x", "y", NULL);
            break;
        case T_PUSH_PROMISE:
            put_promise(&peer->in, 2, 4);
            break;
        case T_PRIORITY:
            put_priority(&peer->in, 2, 0, 1);
            break;
        default: /* four octets: RST_STREAM with code 10, increment 10 */
            put_frame(&peer->in, cases[i / 2].type, 0, 2, "\0\0\0\12", 4);
            break;
        }
        peer_go(peer);
        if (outcome < 0) {
            expect_alive(peer);
        } else {
            expect_dead(peer, (uint32_t)outcome);
        }
        peer_restart(peer);
    }
}

/* A client that has it all in its cache: as many refusals as promises, which never count as abuse;
 * on streams that are gone they do. */
static void refusals_of_the_client(struct fake_peer *peer)
{
    open_request(peer);
    for (uint32_t i = 0; i < 3 * LIMIT_RESETS; i++) {
        push(peer, 1, "GET", "/a");
        put_rst_stream(&peer->in, 2 + 2 * i, i % 2 == 0 ? HALO_CANCEL : HALO_REFUSED_STREAM);
        peer_go(peer);
    }
    expect_alive(peer);
    for (uint32_t i = 0; i < LIMIT_GLITCHES; i++) {
        put_rst_stream(&peer->in, 2, HALO_CANCEL);
    }
    peer_go(peer);
    expect_alive(peer);
    put_rst_stream(&peer->in, 2, HALO_CANCEL);
    peer_go(peer);
    expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
}

/* A promise longer than a frame: CONTINUATION right behind, nothing in between. */
static void long_promise(struct fake_peer *peer)
{
    enum { LEN = 30000 };
    static char text[LEN + 1];
    halo_header list = { .name = HALO_LIT("x-long"), .value = { text, LEN } };
    struct halo_request request = { .path = HALO_LIT("/"),
                                    .headers = { .fields = &list, .count = 1 } };
    struct heard_frame heard;
    halo_stream *pushed;
    size_t len = 0;

    memset(text, 0xff, LEN); /* longer with Huffman's code than without */
    open_request(peer);
    assert_int_equal(halo_stream_push(peer_stream(peer, 1), &request, NULL, &pushed), 0);
    peer_go(peer);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_PUSH_PROMISE);
    assert_int_equal(heard.frame.flags, 0);
    assert_int_equal(heard.frame.len, 16384);
    len = heard.frame.len - 4;
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_CONTINUATION);
    assert_int_equal(heard.frame.flags, F_END_HEADERS);
    assert_int_equal(heard.frame.stream_id, 1);
    assert_true(len + heard.frame.len > LEN);
    expect_nothing(peer);
    list.value.len = 0;
    request.headers.count = 1;
    assert_int_equal(halo_stream_push(peer_stream(peer, 1), &request, NULL, &pushed), 0);
    list.value.len = LEN;
    request.headers.fields = (halo_header[]){ list, list, list };
    request.headers.count = 3;
    assert_int_equal(halo_stream_push(peer_stream(peer, 1), &request, NULL, &pushed),
                     HALO_E_HEADER_BLOCK_TOO_LONG);
    expect_alive(peer);
}

/* Windows hold for pushed streams like for all others. */
static void windows_of_pushed_streams(struct fake_peer *peer)
{
    static char body[300];
    halo_stream *pushed;

    peer_open_with(peer, 4, 100);
    put_get(&peer->in, 1);
    peer_go(peer);
    pushed = push(peer, 1, "GET", "/a");
    put_window_update(&peer->in, 2, 50); /* allowed on reserved streams */
    peer_go(peer);
    assert_int_equal(halo_stream_respond(pushed, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(pushed, body, sizeof(body), HALO_END_STREAM), 0);
    peer_go(peer);
    expect_promise(peer, 1, 2, NULL);
    expect_headers(peer, 2, 0, NULL);
    expect_body(peer, 2, 0, 150);
    expect_nothing(peer);
    put_window_update(&peer->in, 2, 150);
    peer_go(peer);
    expect_body(peer, 2, F_END_STREAM, 150);
}

static void keep_line(halo_session *session, int sent, const char *line, void *user_data)
{
    struct fake_peer *peer = user_data;

    (void)session;
    if (sent != 0 && strstr(line, "PUSH_PROMISE") != NULL) {
        assert_non_null(strstr(line, "PUSH_PROMISE stream=1 len="));
        assert_non_null(strstr(line, " flags=END_HEADERS promised=2"));
        peer->counter++;
    }
}

static void traced(struct halo_session_options *options)
{
    options->on_frame = keep_line;
}

static void promise_in_the_trace(struct fake_peer *peer)
{
    open_request(peer);
    peer->counter = 0;
    push(peer, 1, "GET", "/a");
    assert_int_equal(peer->counter, 1);
}

static uint64_t streams_opened(struct fake_peer *peer)
{
    struct halo_session_info info;

    halo_session_get_info(peer->session, &info);
    return info.streams_opened;
}

/* A promise for which there is no memory was never made: it is not counted as an opened stream. */
static void push_short_of_memory(struct fake_peer *peer)
{
    size_t spare_max = memory_spare_max;
    int status = HALO_E_NOMEM;
    size_t n;

    memory_spare_max = 0;
    for (n = 1; status != 0; n++) {
        uint64_t opened;

        assert_true(n < 50);
        peer_open(peer);
        for (uint32_t id = 1; id <= 31; id += 2) { /* the next makes the table of streams grow */
            put_get(&peer->in, id);
        }
        peer_go(peer);
        opened = streams_opened(peer);
        peer->memory.fail_at = peer->memory.calls + n;
        status = try_push(peer_stream(peer, 1), "GET");
        peer->memory.fail_at = 0;
        assert_true(status == 0 || status == HALO_E_NOMEM);
        assert_int_equal(streams_opened(peer), opened + (status == 0));
        peer_restart(peer);
    }
    assert_true(n > 3); /* list, table and more */
    memory_spare_max = spare_max;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(test_V03_V04_V07_L02_session_push),
        SERVER(test_RS08_session_push_in_handler),
        SERVER(test_V07_session_push_of_HEAD),
        SERVER(test_V05_V06_session_push_refused),
        SERVER(no_push_after_goaway),
        SERVER(goaway_refuses_pushes),
        SERVER(limit_of_the_client),
        SERVER(limit_is_lowered),
        SERVER(test_trap_T19_informational_counts_once),
        SERVER(test_trap_T18_nothing_behind_a_reset),
        SERVER(frames_on_pushed_streams),
        SERVER(refusals_of_the_client),
        SERVER(long_promise),
        SERVER(windows_of_pushed_streams),
        SERVER_WITH(promise_in_the_trace, traced),
        SERVER(push_short_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
