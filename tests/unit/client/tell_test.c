/*
 * What sessions on a loop tell beside requests and responses: <halo/connection.h>. Rows of Node's surface are
 * in the names.
 */
#include "tell_fixture.h"

#include "core/proto/session.h"

/* ---- push ------------------------------------------------------------------------------ */

static halo_stream *push(struct duo *duo, halo_stream *parent, const char *path)
{
    struct halo_request request = { .path = halo_str(path) };
    halo_stream *pushed;

    assert_int_equal(halo_stream_push(parent, &request, NULL, &pushed), 0);
    halo_stream_set_callbacks(pushed, &side_stream, &duo->at_server);
    return pushed;
}

/* /style and /script come with the page. */
static void page(struct duo *duo, halo_stream *stream)
{
    struct halo_request nested = { .path = HALO_LIT("/nested") };
    halo_stream *style = push(duo, stream, "/style");
    halo_stream *script = push(duo, stream, "/script");
    halo_stream *none;

    assert_int_equal(halo_stream_push(style, &nested, NULL, &none), HALO_E_NESTED_PUSH);
    assert_int_equal(halo_stream_respond(style, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(style, "style", 5, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_respond(script, 404, NULL, HALO_END_STREAM), 0);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(stream, "page", 4, HALO_END_STREAM), 0);
}

static void pushes_wanted(struct duo *duo)
{
    duo_init(duo);
    duo->on_request = page;
    duo->client_options.session.settings.enable_push = 1;
    duo->client_options.session.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
}

static void test_C03_C05_E10_L03_N06_client_pushed_responses(void **state)
{
    struct duo duo;

    (void)state;
    pushes_wanted(&duo);
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_client, "push", "push 2 of 1 /style\npush 4 of 1 /script\n");
    expect_lines(&duo.at_client, "data 2", "data 2 style\n");
    expect_lines(&duo.at_client, "end 2", "end 2\n");
    expect_lines(&duo.at_client, "close 2", "close 2 in order\n");
    expect_lines(&duo.at_client, "response 4", "response 4 404 END\n");
    expect_lines(&duo.at_client, "close 4", "close 4 in order\n");
    expect_lines(&duo.at_client, "data 1", "data 1 page\n");
    expect_lines(&duo.at_client, "session_close", "session_close in order\n");
}

static void test_L02_V04_V05_server_push(void **state)
{
    struct duo duo;

    (void)state;
    pushes_wanted(&duo);
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_server, "close 1", "close 1 in order\n");
    expect_lines(&duo.at_server, "close 2", "close 2 in order\n");
    expect_lines(&duo.at_server, "close 4", "close 4 in order\n");
    expect_lines(&duo.at_server, "end", "end 1\n"); /* of the request alone */
}

static void refuse_style(struct side *side, halo_stream *pushed)
{
    (void)side;
    if (halo_stream_id(pushed) == 2) {
        assert_int_equal(halo_stream_reset(pushed, HALO_CANCEL), 0);
    }
}

static void test_C05_client_refuses_a_push(void **state)
{
    struct duo duo;

    (void)state;
    pushes_wanted(&duo);
    duo.at_client.on_push = refuse_style;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_client, "response 2", "");
    expect_lines(&duo.at_client, "data 2", "");
    expect_lines(&duo.at_client, "close 2", "close 2 HALO_E_STREAM_CANCEL 8\n");
    expect_lines(&duo.at_client, "close 4", "close 4 in order\n");
}

/* Large enough that its end has not gone out when the reset comes. */
static void large_push(struct duo *duo, halo_stream *stream)
{
    static char block[1024 * 1024];
    halo_stream *pushed = push(duo, stream, "/large");

    assert_int_equal(halo_stream_respond(pushed, 200, NULL, 0), 0);
    assert_int_equal(
        halo_stream_write_borrow(pushed, block, sizeof(block), HALO_END_STREAM, NULL, NULL), 0);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, HALO_END_STREAM), 0);
}

/* Without on_push nobody takes them: the server is told so. */
static void test_V04_server_push_is_refused(void **state)
{
    struct halo_session_callbacks deaf = side_session;
    struct duo duo;

    (void)state;
    deaf.on_push = NULL;
    pushes_wanted(&duo);
    duo.on_request = large_push;
    duo_start(&duo);
    halo_session_set_callbacks(halo_client_session(duo.client), &deaf, &duo.at_client);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_client, "push", "");
    expect_lines(&duo.at_client, "close", "close 1 in order\n");
    expect_lines(&duo.at_server, "close 2", "close 2 HALO_E_STREAM_ERROR 7\n");
}

static void push_in_vain(struct duo *duo, halo_stream *stream)
{
    struct halo_request request = { .path = HALO_LIT("/") };
    halo_stream *pushed;

    (void)duo;
    assert_int_equal(halo_stream_push_allowed(stream), 0);
    assert_int_equal(halo_stream_push(stream, &request, NULL, &pushed), HALO_E_PUSH_DISABLED);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, HALO_END_STREAM), 0);
}

static void test_V06_server_push_is_disabled(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = push_in_vain;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_client, "response", "response 1 200 END\n");
}

/* ---- SETTINGS and PING ----------------------------------------------------------------- */

static void set_window(halo_session *session, uint32_t octets)
{
    struct halo_settings settings;

    halo_settings_default(&settings);
    settings.initial_window_size = octets;
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    assert_int_equal(halo_session_settings(session, &settings), 0);
}

static void settings_and_ping(struct duo *duo, halo_session *session)
{
    (void)duo;
    set_window(session, 77777);
    assert_int_equal(halo_session_ping(session, (const uint8_t *)"12345678"), 0);
}

static void close_client(struct side *side, halo_session *session)
{
    (void)session;
    halo_client_close(side->duo->client);
}

/* The last thing to be answered is the PING: nothing is cancelled. */
static void test_E07_E08_F05_F10_client_answers(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_connect = settings_and_ping;
    duo.on_server_session = settings_and_ping;
    duo.at_client.on_ping_ack = close_client;
    duo_start(&duo);
    duo_run(&duo);
    expect_lines(&duo.at_client, "settings_ack",
                 "settings_ack window=65535\nsettings_ack window=77777\n");
    expect_lines(&duo.at_client, "ping_ack", "ping_ack 12345678\n");
    expect_lines(&duo.at_client, "ping", "ping 12345678\n");
    expect_lines(&duo.at_client, "settings", "settings window=65535\nsettings window=77777\n");
    expect_lines(&duo.at_server, "ping", "ping 12345678\n");
    expect_lines(&duo.at_server, "settings", "settings window=65535\nsettings window=77777\n");
    expect_lines(&duo.at_client, "ping_cancel", "");
    expect_lines(&duo.at_client, "settings_cancel", "");
}

static void ask_and_destroy(struct duo *duo, halo_session *session)
{
    settings_and_ping(duo, session);
    halo_client_destroy(duo->client, HALO_CANCEL);
}

static void test_F06_F11_client_unanswered(void **state)
{
    struct duo duo;
    const char *log = duo.at_client.log;

    (void)state;
    duo_init(&duo);
    duo.on_connect = ask_and_destroy;
    duo_start(&duo);
    duo_run(&duo);
    expect_lines(&duo.at_client, "settings_cancel", "settings_cancel window=77777\n");
    expect_lines(&duo.at_client, "ping_cancel", "ping_cancel 12345678\n");
    expect_lines(&duo.at_client, "settings_ack", "");
    assert_true(strstr(log, "session_close") > strstr(log, "settings_cancel"));
    assert_true(strstr(log, "session_close") > strstr(log, "ping_cancel"));
}

/* ---- GOAWAY and ends ------------------------------------------------------------------- */

static void go_away(struct duo *duo, halo_stream *stream)
{
    (void)duo;
    assert_int_equal(halo_session_goaway(halo_stream_session(stream), HALO_NO_ERROR, 0, "soon", 4),
                     0);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, HALO_END_STREAM), 0);
}

/* NO_ERROR: what is open finishes. */
static void test_E01_E05_E06_client_goaway(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = go_away;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_client, "goaway", "goaway 0 last=1 soon\n");
    expect_lines(&duo.at_client, "close", "close 1 in order\n");
    expect_lines(&duo.at_client, "session_close", "session_close in order\n");
}

static void destroy_with_code(struct duo *duo, halo_stream *stream)
{
    (void)duo;
    halo_session_destroy(halo_stream_session(stream), HALO_ENHANCE_YOUR_CALM);
}

/* Another code: everything ends with it, and streams are told before their session. */
static void test_E03_E06_E12_T03_client_goaway_in_error(void **state)
{
    struct duo duo;
    const char *log = duo.at_client.log;

    (void)state;
    duo_init(&duo);
    duo.on_request = destroy_with_code;
    duo.stay_open = true;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_client, "close", "close 1 HALO_E_SESSION_ERROR 11\n");
    expect_lines(&duo.at_client, "session_close", "session_close HALO_E_SESSION_ERROR 11\n");
    assert_true(strstr(log, "session_close") > strstr(log, "\nclose 1"));
    assert_true(log[duo.at_client.len] == '\0' && strstr(log, "goaway 11") != NULL);
}

static void test_E01_E03_F02_T02_T03_server_destroys(void **state)
{
    struct duo duo;
    const char *log = duo.at_server.log;

    (void)state;
    duo_init(&duo);
    duo.on_request = destroy_with_code;
    duo.stay_open = true;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_server, "close", "close 1 HALO_E_SESSION_ERROR 11\n");
    expect_lines(&duo.at_server, "session_close", "session_close HALO_E_SESSION_ERROR 11\n");
    assert_string_equal(strstr(log, "session_close"),
                        "session_close HALO_E_SESSION_ERROR 11\n"); /* and last */
}

/* The server takes one at a time: the second waits for its number. */
static void test_T05_L04_client_ready(void **state)
{
    struct duo duo;
    halo_stream *second;

    (void)state;
    duo_init(&duo);
    duo.client_options.session.peer_max_concurrent_streams = 1;
    duo_start(&duo);
    duo_request(&duo, "/");
    second = duo_request(&duo, "/");
    assert_int_equal(halo_stream_id(second), 0);
    assert_true(halo_stream_is_pending(second));
    duo_run(&duo);
    expect_lines(&duo.at_client, "ready", "ready 3\n");
    expect_lines(&duo.at_client, "response", "response 1 200 END\nresponse 3 200 END\n");
}

/* More than the low-water mark, then the end when it drained. */
static void send_much(struct duo *duo, halo_stream *stream)
{
    static char block[300 * 1000];

    (void)duo;
    assert_int_equal(halo_stream_inform(stream, 100, NULL), 0);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    memset(block, '.', sizeof(block));
    assert_int_equal(halo_stream_write_borrow(stream, block, sizeof(block), 0, NULL, NULL), 0);
}

static void end_it(struct side *side, halo_stream *stream)
{
    (void)side;
    assert_int_equal(halo_stream_end(stream), 0);
}

static void test_T09_server_drain(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = send_much;
    duo.at_server.on_writable = end_it;
    duo.at_client.quiet = true;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_server, "writable", "writable 1\n");
    expect_lines(&duo.at_server, "close", "close 1 in order\n");
    assert_int_equal(duo.at_client.octets, 300 * 1000);
}

static void test_C01_C02_C04_T02_T09_client_response(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = send_much;
    duo.at_server.on_writable = end_it;
    duo.at_client.quiet = true;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_client, "information", "information 1 100\n");
    expect_lines(&duo.at_client, "response", "response 1 200\n");
    expect_lines(&duo.at_client, "end", "end 1\n");
    expect_lines(&duo.at_client, "close", "close 1 in order\n");
    assert_int_equal(duo.at_client.octets, 300 * 1000);
}

/* ---- silence --------------------------------------------------------------------------- */

static void say_nothing(struct duo *duo, halo_stream *stream)
{
    (void)duo;
    (void)stream;
}

static void destroy_client(struct side *side, halo_session *session)
{
    (void)session;
    halo_client_destroy(side->duo->client, HALO_CANCEL);
}

static void test_E11_client_session_timeout(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = say_nothing;
    duo.stay_open = true;
    duo.client_options.session.timeout_ms = 30;
    duo.at_client.on_session_timeout = destroy_client;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_client, "session_timeout", "session_timeout\n");
    expect_lines(&duo.at_client, "close", "close 1 HALO_E_SESSION_ERROR 8\n");
}

static void destroy_session(struct side *side, halo_session *session)
{
    (void)side;
    halo_session_destroy(session, HALO_CANCEL);
}

static void test_E11_server_session_timeout(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = say_nothing;
    duo.stay_open = true;
    duo.server_options.session.timeout_ms = 30;
    duo.at_server.on_session_timeout = destroy_session;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_server, "session_timeout", "session_timeout\n");
    expect_lines(&duo.at_server, "session_close", "session_close HALO_E_SESSION_ERROR 8\n");
}

static void reset_stream(struct side *side, halo_stream *stream)
{
    (void)side;
    assert_int_equal(halo_stream_reset(stream, HALO_CANCEL), 0);
}

static void test_T06_client_stream_timeout(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = say_nothing;
    duo.at_client.on_stream_timeout = reset_stream;
    duo_start(&duo);
    assert_int_equal(halo_stream_set_timeout(duo_request(&duo, "/"), 30), 0);
    duo_run(&duo);
    expect_lines(&duo.at_client, "stream_timeout", "stream_timeout 1\n");
    expect_lines(&duo.at_client, "close", "close 1 HALO_E_STREAM_CANCEL 8\n");
    expect_lines(&duo.at_server, "close", "close 1 HALO_E_STREAM_ERROR 8\n");
}

static void wait_a_moment(struct duo *duo, halo_stream *stream)
{
    (void)duo;
    assert_int_equal(halo_stream_set_timeout(stream, 30), 0);
}

static void answer(struct side *side, halo_stream *stream)
{
    (void)side;
    assert_int_equal(halo_stream_respond(stream, 503, NULL, HALO_END_STREAM), 0);
}

static void test_T06_server_stream_timeout(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = wait_a_moment;
    duo.at_server.on_stream_timeout = answer;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_server, "stream_timeout", "stream_timeout 1\n");
    expect_lines(&duo.at_client, "response", "response 1 503 END\n");
    expect_lines(&duo.at_client, "close", "close 1 in order\n");
}

/* ---- extensions ------------------------------------------------------------------------ */

static void name_services(struct duo *duo, halo_stream *stream)
{
    halo_session *session = halo_stream_session(stream);
    const halo_bytes nothing = { 0 };

    (void)duo;
    assert_int_equal(halo_session_altsvc(session, 0, halo_str("https://example.org/x"),
                                         halo_str("h2=\":8000\"; ma=60")),
                     0);
    assert_int_equal(halo_session_altsvc(session, 1, nothing, halo_str("no service")), 0);
    assert_int_equal(halo_session_altsvc(session, 0, halo_str("nonsense"), halo_str("clear")),
                     HALO_E_ALTSVC_INVALID_ORIGIN);
    assert_int_equal(halo_stream_respond(stream, 200, NULL, HALO_END_STREAM), 0);
}

static void test_E13_client_altsvc(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = name_services;
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_client, "altsvc",
                 "altsvc 0 <https://example.org> h2=\":8000\"; ma=60\n"
                 "altsvc 1 <> no service which is none\n");
}

static void test_F12_F13_server_altsvc(void **state)
{
    test_E13_client_altsvc(state);
}

static void answer_frame(struct side *side, halo_session *session)
{
    (void)side;
    assert_int_equal(halo_session_send_frame(session, 0x78, 2, 0, "and back", 8), 0);
}

static void send_frame(struct duo *duo, halo_session *session)
{
    (void)duo;
    assert_int_equal(halo_session_send_frame(session, 0x77, 1, 0, "there", 5), 0);
    assert_int_equal(halo_session_send_frame(session, 0x79, 1, 0, "ignored", 7), 0);
}

static void close_on_frame(struct side *side, halo_session *session)
{
    close_client(side, session);
}

/* The list of types need not outlive the call that makes server or client. */
static void test_own_frames(void **state)
{
    uint8_t server_types[3] = { 0x77, 0x80, 0x77 };
    uint8_t client_types[1] = { 0x78 };
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_connect = send_frame;
    duo.server_options.session.frame_types = server_types;
    duo.server_options.session.frame_type_count = 3;
    duo.client_options.session.frame_types = client_types;
    duo.client_options.session.frame_type_count = 1;
    duo.at_server.on_extension_frame = answer_frame;
    duo.at_client.on_extension_frame = close_on_frame;
    duo_start(&duo);
    memset(server_types, 0x79, sizeof(server_types));
    memset(client_types, 0x79, sizeof(client_types));
    duo_run(&duo);
    expect_lines(&duo.at_server, "frame", "frame type=119 flags=1 stream=0 there\n");
    expect_lines(&duo.at_client, "frame", "frame type=120 flags=2 stream=0 and back\n");
}

/* ---- priorities ------------------------------------------------------------------------ */

static void answer_nothing_yet(struct duo *duo, halo_stream *stream)
{
    (void)duo;
    assert_int_equal(halo_stream_set_timeout(stream, 30), 0);
}

static void reprioritize(struct duo *duo, halo_session *session)
{
    const struct halo_priority urgent = { .urgency = 1, .incremental = 1 };
    const struct halo_dependency dependency = { .stream_id = 7, .weight = 42, .exclusive = 1 };
    halo_stream *stream = duo_request(duo, "/");

    (void)session;
    assert_int_equal(halo_stream_set_priority(stream, &urgent), 0);
    assert_int_equal(halo_stream_set_dependency(stream, &dependency, 0), 0);
}

static void run_priorities(struct duo *duo, uint32_t events)
{
    duo_init(duo);
    duo->on_connect = reprioritize;
    duo->on_request = answer_nothing_yet;
    duo->at_server.on_stream_timeout = answer;
    duo->server_options.session.priority_events = events;
    duo_start(duo);
    duo_run(duo);
}

static void test_E15_server_priorities(void **state)
{
    struct duo duo;

    (void)state;
    run_priorities(&duo, 1);
    expect_lines(&duo.at_server, "priority", "priority 1 on 7 weight=42 exclusive=1\n");
    expect_lines(&duo.at_server, "priority_update", "priority_update 1 u=1 i=1\n");
    run_priorities(&duo, 0);
    expect_lines(&duo.at_server, "priority", "");
    expect_lines(&duo.at_server, "priority_update", "");
}

/* ---- what cannot be sent --------------------------------------------------------------- */

static void send_trailers(struct duo *duo, halo_stream *stream)
{
    halo_header sum = { .name = HALO_LIT("x-sum"), .value = HALO_LIT("123456789") };
    const halo_headers trailers = { .fields = &sum, .count = 1 };

    (void)duo;
    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    assert_int_equal(halo_stream_write(stream, "body", 4, 0), 0);
    assert_int_equal(halo_stream_trailers(stream, &trailers), 0);
    halo_stream_session(stream)->limits.send_block = 5; /* their turn has not come yet */
}

static void test_E04_T04_server_frame_error(void **state)
{
    struct duo duo;

    (void)state;
    duo_init(&duo);
    duo.on_request = send_trailers;
    duo.client_options.session.settings.initial_window_size = 3; /* the body has to wait */
    duo.client_options.session.settings.present |=
        HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    duo_start(&duo);
    duo_request(&duo, "/");
    duo_run(&duo);
    expect_lines(&duo.at_server, "frame_error", "frame_error 1 1 HALO_E_HEADER_BLOCK_TOO_LONG\n");
    expect_lines(&duo.at_server, "close", "close 1 HALO_E_HEADER_BLOCK_TOO_LONG 2\n");
    expect_lines(&duo.at_client, "close", "close 1 HALO_E_STREAM_ERROR 2\n");
}

/* ---- nobody listens -------------------------------------------------------------------- */

static void forget_callbacks(struct duo *duo, halo_session *session)
{
    (void)duo;
    halo_session_set_callbacks(session, NULL, NULL);
}

static void everything(struct duo *duo, halo_stream *stream)
{
    static const struct halo_stream_callbacks none;
    halo_session *session = halo_stream_session(stream);

    halo_stream_set_callbacks(stream, &none, NULL);
    assert_int_equal(halo_session_send_frame(session, 0x78, 0, 0, "", 0), 0);
    settings_and_ping(duo, session);
    name_services(duo, stream);
}

/* Neither no struct nor an empty one is in the way of anything. */
static void test_nobody_listens(void **state)
{
    static const struct halo_session_callbacks none;
    uint8_t types[1] = { 0x78 };
    struct duo duo;

    (void)state;
    for (int round = 0; round < 2; round++) {
        pushes_wanted(&duo);
        duo.on_request = everything;
        duo.on_server_session = forget_callbacks;
        duo.client_options.session.frame_types = types;
        duo.client_options.session.frame_type_count = 1;
        duo_start(&duo);
        halo_session_set_callbacks(halo_client_session(duo.client), round == 0 ? NULL : &none,
                                   NULL);
        duo_request(&duo, "/");
        duo_run(&duo);
        expect_lines(&duo.at_client, "response", "response 1 200 END\n");
        expect_lines(&duo.at_client, "session_close", "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C03_C05_E10_L03_N06_client_pushed_responses),
        cmocka_unit_test(test_L02_V04_V05_server_push),
        cmocka_unit_test(test_C05_client_refuses_a_push),
        cmocka_unit_test(test_V04_server_push_is_refused),
        cmocka_unit_test(test_V06_server_push_is_disabled),
        cmocka_unit_test(test_E07_E08_F05_F10_client_answers),
        cmocka_unit_test(test_F06_F11_client_unanswered),
        cmocka_unit_test(test_E01_E05_E06_client_goaway),
        cmocka_unit_test(test_E03_E06_E12_T03_client_goaway_in_error),
        cmocka_unit_test(test_E01_E03_F02_T02_T03_server_destroys),
        cmocka_unit_test(test_T05_L04_client_ready),
        cmocka_unit_test(test_T09_server_drain),
        cmocka_unit_test(test_C01_C02_C04_T02_T09_client_response),
        cmocka_unit_test(test_E11_client_session_timeout),
        cmocka_unit_test(test_E11_server_session_timeout),
        cmocka_unit_test(test_T06_client_stream_timeout),
        cmocka_unit_test(test_T06_server_stream_timeout),
        cmocka_unit_test(test_E13_client_altsvc),
        cmocka_unit_test(test_F12_F13_server_altsvc),
        cmocka_unit_test(test_own_frames),
        cmocka_unit_test(test_E15_server_priorities),
        cmocka_unit_test(test_E04_T04_server_frame_error),
        cmocka_unit_test(test_nobody_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
