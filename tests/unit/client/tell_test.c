/*
 * What sessions on a loop tell beside requests and responses: <halo/connection.h>. Rows of
 * Node's surface are in the names.
 */
#include "tell_fixture.h"

#include "core/proto/session.h"

/* ---- cases ----------------------------------------------------------------------------- */

enum { AT_CLIENT, AT_SERVER };

/* What is done, and what the sides must have told of it then. */
struct tell_case {
    const char *name;
    void (*prepare)(struct duo *duo); /* options and hooks of the sides; NULL: none */
    void (*on_request)(struct duo *duo, halo_stream *stream);
    void (*on_connect)(struct duo *duo, halo_session *session);
    bool without_request;
    bool stay_open;
    struct {
        int side;
        const char *word; /* the lines that begin with it; NULL: the list is over */
        const char *lines;
    } expected[10];
    void (*check)(struct duo *duo); /* beyond the lines; NULL: nothing */
};

static void run_case(void **state)
{
    const struct tell_case *played = *state;
    struct duo duo;

    duo_init(&duo);
    duo.on_request = played->on_request;
    duo.on_connect = played->on_connect;
    duo.stay_open = played->stay_open;
    if (played->prepare != NULL) {
        played->prepare(&duo);
    }
    duo_start(&duo);
    if (!played->without_request) {
        duo_request(&duo, "/");
    }
    duo_run(&duo);
    for (size_t i = 0; i < HALO_ARRAY_LEN(played->expected) && played->expected[i].word; i++) {
        expect_lines(played->expected[i].side == AT_CLIENT ? &duo.at_client : &duo.at_server,
                     played->expected[i].word, played->expected[i].lines);
    }
    if (played->check != NULL) {
        played->check(&duo);
    }
}

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

static void want_pushes(struct duo *duo)
{
    duo->client_options.session.settings.enable_push = 1;
    duo->client_options.session.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
}

static void refuse_style(struct side *side, halo_stream *pushed)
{
    (void)side;
    if (halo_stream_id(pushed) == 2) {
        assert_int_equal(halo_stream_reset(pushed, HALO_CANCEL), 0);
    }
}

static void want_script_alone(struct duo *duo)
{
    want_pushes(duo);
    duo->at_client.on_push = refuse_style;
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
    duo_init(&duo);
    want_pushes(&duo);
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

static void ask_at_both(struct duo *duo)
{
    duo->on_server_session = settings_and_ping;
    duo->at_client.on_ping_ack = close_client;
}

static void ask_and_destroy(struct duo *duo, halo_session *session)
{
    settings_and_ping(duo, session);
    halo_client_destroy(duo->client, HALO_CANCEL);
}

static void cancels_come_first(struct duo *duo)
{
    const char *log = duo->at_client.log;

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

static void destroy_with_code(struct duo *duo, halo_stream *stream)
{
    (void)duo;
    halo_session_destroy(halo_stream_session(stream), HALO_ENHANCE_YOUR_CALM);
}

/* Streams are told before their session. */
static void streams_come_first(struct duo *duo)
{
    const char *log = duo->at_client.log;

    assert_true(strstr(log, "session_close") > strstr(log, "\nclose 1"));
    assert_true(log[duo->at_client.len] == '\0' && strstr(log, "goaway 11") != NULL);
}

static void session_comes_last(struct duo *duo)
{
    assert_string_equal(strstr(duo->at_server.log, "session_close"),
                        "session_close HALO_E_SESSION_ERROR 11\n");
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

static void end_when_drained(struct duo *duo)
{
    duo->at_server.on_writable = end_it;
    duo->at_client.quiet = true;
}

static void all_has_come(struct duo *duo)
{
    assert_int_equal(duo->at_client.octets, 300 * 1000);
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

static void client_times_out(struct duo *duo)
{
    duo->client_options.session.timeout_ms = 30;
    duo->at_client.on_session_timeout = destroy_client;
}

static void destroy_session(struct side *side, halo_session *session)
{
    (void)side;
    halo_session_destroy(session, HALO_CANCEL);
}

static void server_times_out(struct duo *duo)
{
    duo->server_options.session.timeout_ms = 30;
    duo->at_server.on_session_timeout = destroy_session;
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

static void answer_in_time(struct duo *duo)
{
    duo->at_server.on_stream_timeout = answer;
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

static const char services[] = "altsvc 0 <https://example.org> h2=\":8000\"; ma=60\n"
                               "altsvc 1 <> no service which is none\n";

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
    duo->on_request = wait_a_moment;
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
    halo_stream_session(stream)->config->limits.send_block = 5; /* their turn has not come yet */
}

/* The body has to wait. */
static void small_window(struct duo *duo)
{
    duo->client_options.session.settings.initial_window_size = 3;
    duo->client_options.session.settings.present |=
        HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
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
        duo_init(&duo);
        want_pushes(&duo);
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

/* ---- the table ------------------------------------------------------------------------- */

static const struct tell_case cases[] = {
    {
        .name = "test_C03_C05_E10_L03_N06_client_pushed_responses",
        .prepare = want_pushes,
        .on_request = page,
        .expected = {
            { AT_CLIENT, "push", "push 2 of 1 /style\npush 4 of 1 /script\n" },
            { AT_CLIENT, "data 2", "data 2 style\n" },
            { AT_CLIENT, "end 2", "end 2\n" },
            { AT_CLIENT, "close 2", "close 2 in order\n" },
            { AT_CLIENT, "response 4", "response 4 404 END\n" },
            { AT_CLIENT, "close 4", "close 4 in order\n" },
            { AT_CLIENT, "data 1", "data 1 page\n" },
            { AT_CLIENT, "session_close", "session_close in order\n" },
        },
    },
    /* The server ends no stream but that of the request. */
    {
        .name = "test_L02_V04_V05_server_push",
        .prepare = want_pushes,
        .on_request = page,
        .expected = {
            { AT_SERVER, "close 1", "close 1 in order\n" },
            { AT_SERVER, "close 2", "close 2 in order\n" },
            { AT_SERVER, "close 4", "close 4 in order\n" },
            { AT_SERVER, "end", "end 1\n" },
        },
    },
    {
        .name = "test_C05_client_refuses_a_push",
        .prepare = want_script_alone,
        .on_request = page,
        .expected = {
            { AT_CLIENT, "response 2", "" },
            { AT_CLIENT, "data 2", "" },
            { AT_CLIENT, "close 2", "close 2 HALO_E_STREAM_CANCEL 8\n" },
            { AT_CLIENT, "close 4", "close 4 in order\n" },
        },
    },
    {
        .name = "test_V06_server_push_is_disabled",
        .on_request = push_in_vain,
        .expected = {
            { AT_CLIENT, "response", "response 1 200 END\n" },
        },
    },
    /* The last thing to be answered is the PING: nothing is cancelled. */
    {
        .name = "test_E07_E08_F05_F10_client_answers",
        .prepare = ask_at_both,
        .on_connect = settings_and_ping,
        .without_request = true,
        .expected = {
            { AT_CLIENT, "settings_ack", "settings_ack window=65535\nsettings_ack window=77777\n" },
            { AT_CLIENT, "ping_ack", "ping_ack 12345678\n" },
            { AT_CLIENT, "ping", "ping 12345678\n" },
            { AT_CLIENT, "settings", "settings window=65535\nsettings window=77777\n" },
            { AT_SERVER, "ping", "ping 12345678\n" },
            { AT_SERVER, "settings", "settings window=65535\nsettings window=77777\n" },
            { AT_CLIENT, "ping_cancel", "" },
            { AT_CLIENT, "settings_cancel", "" },
        },
    },
    {
        .name = "test_F06_F11_client_unanswered",
        .on_connect = ask_and_destroy,
        .without_request = true,
        .expected = {
            { AT_CLIENT, "settings_cancel", "settings_cancel window=77777\n" },
            { AT_CLIENT, "ping_cancel", "ping_cancel 12345678\n" },
            { AT_CLIENT, "settings_ack", "" },
        },
        .check = cancels_come_first,
    },
    /* NO_ERROR: what is open finishes. */
    {
        .name = "test_E01_E05_E06_client_goaway",
        .on_request = go_away,
        .expected = {
            { AT_CLIENT, "goaway", "goaway 0 last=1 soon\n" },
            { AT_CLIENT, "close", "close 1 in order\n" },
            { AT_CLIENT, "session_close", "session_close in order\n" },
        },
    },
    /* Another code: everything ends with it. */
    {
        .name = "test_E03_E06_E12_T03_client_goaway_in_error",
        .on_request = destroy_with_code,
        .stay_open = true,
        .expected = {
            { AT_CLIENT, "close", "close 1 HALO_E_SESSION_ERROR 11\n" },
            { AT_CLIENT, "session_close", "session_close HALO_E_SESSION_ERROR 11\n" },
        },
        .check = streams_come_first,
    },
    {
        .name = "test_E01_E03_F02_T02_T03_server_destroys",
        .on_request = destroy_with_code,
        .stay_open = true,
        .expected = {
            { AT_SERVER, "close", "close 1 HALO_E_SESSION_ERROR 11\n" },
            { AT_SERVER, "session_close", "session_close HALO_E_SESSION_ERROR 11\n" },
        },
        .check = session_comes_last,
    },
    {
        .name = "test_T09_server_drain",
        .prepare = end_when_drained,
        .on_request = send_much,
        .expected = {
            { AT_SERVER, "writable", "writable 1\n" },
            { AT_SERVER, "close", "close 1 in order\n" },
        },
        .check = all_has_come,
    },
    {
        .name = "test_C01_C02_C04_T02_T09_client_response",
        .prepare = end_when_drained,
        .on_request = send_much,
        .expected = {
            { AT_CLIENT, "information", "information 1 100\n" },
            { AT_CLIENT, "response", "response 1 200\n" },
            { AT_CLIENT, "end", "end 1\n" },
            { AT_CLIENT, "close", "close 1 in order\n" },
        },
        .check = all_has_come,
    },
    {
        .name = "test_E11_client_session_timeout",
        .prepare = client_times_out,
        .on_request = say_nothing,
        .stay_open = true,
        .expected = {
            { AT_CLIENT, "session_timeout", "session_timeout\n" },
            { AT_CLIENT, "close", "close 1 HALO_E_SESSION_ERROR 8\n" },
        },
    },
    {
        .name = "test_E11_server_session_timeout",
        .prepare = server_times_out,
        .on_request = say_nothing,
        .stay_open = true,
        .expected = {
            { AT_SERVER, "session_timeout", "session_timeout\n" },
            { AT_SERVER, "session_close", "session_close HALO_E_SESSION_ERROR 8\n" },
        },
    },
    {
        .name = "test_T06_server_stream_timeout",
        .prepare = answer_in_time,
        .on_request = wait_a_moment,
        .expected = {
            { AT_SERVER, "stream_timeout", "stream_timeout 1\n" },
            { AT_CLIENT, "response", "response 1 503 END\n" },
            { AT_CLIENT, "close", "close 1 in order\n" },
        },
    },
    {
        .name = "test_E13_client_altsvc",
        .on_request = name_services,
        .expected = {
            { AT_CLIENT, "altsvc", services },
        },
    },
    {
        .name = "test_F12_F13_server_altsvc",
        .on_request = name_services,
        .expected = {
            { AT_CLIENT, "altsvc", services },
        },
    },
    {
        .name = "test_E04_T04_server_frame_error",
        .prepare = small_window,
        .on_request = send_trailers,
        .expected = {
            { AT_SERVER, "frame_error", "frame_error 1 1 HALO_E_HEADER_BLOCK_TOO_LONG\n" },
            { AT_SERVER, "close", "close 1 HALO_E_HEADER_BLOCK_TOO_LONG 2\n" },
            { AT_CLIENT, "close", "close 1 HALO_E_STREAM_ERROR 2\n" },
        },
    },
};

enum { CASES = HALO_ARRAY_LEN(cases) };

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_V04_server_push_is_refused),
        cmocka_unit_test(test_T05_L04_client_ready),
        cmocka_unit_test(test_T06_client_stream_timeout),
        cmocka_unit_test(test_own_frames),
        cmocka_unit_test(test_E15_server_priorities),
        cmocka_unit_test(test_nobody_listens),
    };
    struct CMUnitTest tests[CASES + HALO_ARRAY_LEN(others)];

    memset(tests, 0, sizeof(tests));
    for (size_t i = 0; i < CASES; i++) {
        tests[i].name = cases[i].name;
        tests[i].test_func = run_case;
        tests[i].initial_state = (void *)(uintptr_t)&cases[i];
    }
    memcpy(tests + CASES, others, sizeof(others));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
