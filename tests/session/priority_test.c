/* Priorities: the field and PRIORITY_UPDATE (RFC 9218), PRIORITY (RFC 7540, deprecated). */
#include "fake_peer.h"

#include "core/proto/limits.h"

static void with_events(struct halo_session_options *options)
{
    options->priority_events = 1;
}

#define expect_priority(peer, id, urgency, incremental)                                            \
    check_priority(peer, id, urgency, incremental, __FILE__, __LINE__)
static void check_priority(struct fake_peer *peer, uint32_t id, int urgency, int incremental,
                           const char *file, int line)
{
    struct halo_stream_info info;

    halo_stream_get_info(peer_stream(peer, id), &info);
    _assert_int_equal(info.urgency, (uint64_t)urgency, file, line);
    _assert_int_equal(info.incremental, (uint64_t)incremental, file, line);
}

static void put_get_with(struct fake_peer *peer, uint32_t id, const char *priority,
                         const char *second)
{
    put_fields(&peer->in, id, F_END_STREAM, ":method", "GET", ":scheme", "https", ":path", "/",
               ":authority", "a", "priority", priority, second != NULL ? "priority" : NULL, second,
               NULL);
}

/* ---- the field ---------------------------------------------------------------------------------- */

static void field_of_requests(struct fake_peer *peer)
{
    static const struct {
        const char *first, *second;
        int urgency, incremental;
    } cases[] = {
        { "u=1", NULL, 1, 0 }, { "i", NULL, 3, 1 },       { "u=7, i, x=\"y\"", NULL, 7, 1 },
        { "", NULL, 3, 0 },    { "u=1, ?", NULL, 3, 0 },  { "u=9", NULL, 3, 0 },
        { "u=1", "i", 1, 1 },  { "u=1, i", "u=2", 2, 1 }, { "u=1", "=", 3, 0 },
    };
    uint32_t id = 1;

    peer_open(peer);
    put_get(&peer->in, id);
    peer_go(peer);
    expect_priority(peer, id, 3, 0);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        id += 2;
        put_get_with(peer, id, cases[i].first, cases[i].second);
        peer_go(peer);
        expect_priority(peer, id, cases[i].urgency, cases[i].incremental);
    }
}

/* The field means nothing in a response or in trailers, and does no harm. */
static void field_elsewhere(struct fake_peer *peer)
{
    peer_open(peer);
    put_post(&peer->in, 1);
    put_fields(&peer->in, 1, F_END_STREAM, "priority", "u=1", NULL);
    peer_go(peer);
    expect_priority(peer, 1, 3, 0);
    expect_alive(peer);
}

/* ---- PRIORITY_UPDATE ----------------------------------------------------------------------------- */

static void update_of_open_streams(struct fake_peer *peer)
{
    peer_open(peer);
    put_get_with(peer, 1, "u=1, i", NULL);
    put_priority_update(&peer->in, 1, "u=5");
    peer_go(peer);
    expect_log(peer,
               "REQUEST 1 END :method=GET :scheme=https :path=/ :authority=a priority=u=1, i\n"
               "PRIORITY_UPDATE 1 u=5 i=0\n");
    expect_priority(peer, 1, 5, 0); /* what is left out has its default */
    put_priority_update(&peer->in, 0x80000001, "i");
    put_priority_update(&peer->in, 1, "u=1, (");
    peer_go(peer);
    expect_log(peer, "PRIORITY_UPDATE 1 u=3 i=1\n");
    expect_priority(peer, 1, 3, 1);
    put_priority_update(&peer->in, 1, "");
    peer_go(peer);
    expect_log(peer, "PRIORITY_UPDATE 1 u=3 i=0\n");
    halo_stream_reset(peer_stream(peer, 1), HALO_CANCEL);
    put_priority_update(&peer->in, 1, "u=0"); /* under way */
    peer_go(peer);
    expect_rst(peer, 1, HALO_CANCEL);
    expect_log(peer, "CLOSED 1 STREAM_CANCEL CANCEL origin=1 processed=0\n"
                     "PRIORITY_UPDATE 1 absent u=0 i=0\n");
    expect_alive(peer);
}

/* RFC 9218 7: what comes before the stream is kept, and is newer than the stream's field. */
static void update_before_the_stream(struct fake_peer *peer)
{
    peer_open(peer);
    put_priority_update(&peer->in, 3, "u=1");
    put_priority_update(&peer->in, 5, "u=6");
    put_priority_update(&peer->in, 5, "u=2, i");
    put_priority_update(&peer->in, 9, "u=0");
    put_get(&peer->in, 1);
    put_get_with(peer, 3, "u=7", NULL);
    put_get(&peer->in, 5);
    put_get(&peer->in, 7);
    peer_go(peer);
    expect_priority(peer, 1, 3, 0);
    expect_priority(peer, 3, 1, 0);
    expect_priority(peer, 5, 2, 1);
    expect_priority(peer, 7, 3, 0);
    put_get(&peer->in, 9);
    peer_go(peer);
    expect_priority(peer, 9, 0, 0);
}

/* At most 16 are kept, the oldest goes. Numbers that were passed over are forgotten. */
static void updates_kept_are_bounded(struct fake_peer *peer)
{
    peer_open(peer);
    for (uint32_t i = 0; i < LIMIT_PRIORITY_UPDATES_KEPT + 1; i++) {
        put_priority_update(&peer->in, 3 + 2 * i, "u=1");
    }
    put_get(&peer->in, 3);
    put_get(&peer->in, 5);
    peer_go(peer);
    expect_priority(peer, 3, 3, 0);
    expect_priority(peer, 5, 1, 0);
    put_get(&peer->in, 35);
    peer_go(peer);
    expect_priority(peer, 35, 1, 0);
    for (uint32_t i = 0; i < LIMIT_PRIORITY_UPDATES_KEPT; i++) {
        put_priority_update(&peer->in, 37 + 2 * i, "u=2");
    }
    put_get(&peer->in, 37);
    peer_go(peer);
    expect_priority(peer, 37, 2, 0); /* none of 7 ... 33 took its place */
}

static void few_streams(struct halo_session_options *options)
{
    options->settings.max_concurrent_streams = 3;
}

/* RFC 9218 7.1: prioritized idle streams and open ones are within the limit together. */
static void updates_beyond_the_streams_allowed(struct fake_peer *peer)
{
    peer_open(peer);
    put_get(&peer->in, 1);
    put_priority_update(&peer->in, 3, "u=1");
    put_priority_update(&peer->in, 5, "u=1");
    put_priority_update(&peer->in, 5, "u=2");
    peer_go(peer);
    expect_alive(peer);
    put_get(&peer->in, 7); /* 3 and 5 can never come */
    put_priority_update(&peer->in, 9, "u=1");
    peer_go(peer);
    expect_alive(peer);
    put_priority_update(&peer->in, 11, "u=1");
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

static void updates_of_bad_form(struct fake_peer *peer)
{
    static const struct {
        uint32_t stream, prioritized;
        uint32_t len;
        int code;
    } cases[] = {
        { 0, 0, 4, HALO_PROTOCOL_ERROR },          { 0, 0x80000000, 7, HALO_PROTOCOL_ERROR },
        { 1, 1, 7, HALO_PROTOCOL_ERROR },          { 0, 1, 3, HALO_FRAME_SIZE_ERROR },
        { 0, 1, 0, HALO_FRAME_SIZE_ERROR },        { 0, 2, 7, HALO_PROTOCOL_ERROR },
        { 0, 0x7ffffffe, 7, HALO_PROTOCOL_ERROR },
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        struct wire payload = { 0 };

        peer_open(peer);
        put_get(&peer->in, 1);
        wire_u32(&payload, cases[i].prioritized);
        wire_text(&payload, "u=1");
        put_frame(&peer->in, T_PRIORITY_UPDATE, 0, cases[i].stream, payload.data, cases[i].len);
        wire_free(&payload);
        peer_go(peer);
        expect_dead(peer, (uint32_t)cases[i].code);
        peer_restart(peer);
    }
}

static void update_from_a_server(struct fake_peer *peer)
{
    peer_open(peer);
    peer_request(peer, "GET", HALO_END_STREAM);
    put_priority_update(&peer->in, 1, "u=1");
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

/* ---- budgets ------------------------------------------------------------------------------------- */

/* A1.8, A1.9: each stream gives so many more, and nothing else is kept. */
static void frame_budgets(struct fake_peer *peer)
{
    for (int updates = 0; updates < 2; updates++) {
        int burst = updates ? LIMIT_PRIORITY_UPDATES : LIMIT_PRIORITIES;
        int more = updates ? LIMIT_PRIORITY_UPDATES_PER_STREAM : LIMIT_PRIORITIES_PER_STREAM;
        uint64_t live = 0;

        peer_open(peer);
        for (int i = 0; i < burst + more; i++) {
            if (updates) {
                put_priority_update(&peer->in, 101 + 2 * (uint32_t)i, "u=1");
            } else {
                put_priority(&peer->in, 101 + 2 * (uint32_t)i, 1, 1);
            }
            if (i == burst / 2) {
                put_get(&peer->in, 1);
                peer_go(peer);
                live = peer->memory.live;
            }
        }
        peer_go(peer);
        assert_false(halo_session_is_closed(peer->session));
        assert_in_range(peer->memory.live, live, live + 2); /* no state grows; spares are kept */
        put_priority_update(&peer->in, 1, "u=1");
        put_priority(&peer->in, 1, 0, 1);
        peer_go(peer);
        expect_dead(peer, HALO_ENHANCE_YOUR_CALM);
        peer_restart(peer);
    }
}

/* ---- the application of a server ------------------------------------------------------------------- */

static void server_application_decides(struct fake_peer *peer)
{
    struct halo_priority priority = { .urgency = 0 };

    peer_open(peer);
    put_get_with(peer, 1, "u=5", NULL);
    peer_go(peer);
    assert_int_equal(halo_stream_set_priority(peer_stream(peer, 1), &priority), 0);
    expect_priority(peer, 1, 0, 0);
    put_priority_update(&peer->in, 1, "u=7, i");
    peer_go(peer);
    expect_priority(peer, 1, 0, 0);
    expect_nothing(peer); /* a server sends no PRIORITY_UPDATE */
    priority.urgency = 8;
    assert_int_equal(halo_stream_set_priority(peer_stream(peer, 1), &priority),
                     HALO_E_INVALID_ARGUMENT);
}

/* ---- clients ---------------------------------------------------------------------------------------- */

static halo_stream *request_with(struct fake_peer *peer, const struct halo_priority *priority,
                                 const struct halo_dependency *dependency, int expected)
{
    struct halo_request request = { .authority = HALO_LIT("a"),
                                    .priority = priority,
                                    .dependency = dependency };
    halo_stream *stream = NULL;

    assert_int_equal(halo_session_request(peer->session, &request, HALO_END_STREAM, NULL, &stream),
                     expected);
    return stream;
}

static void client_sends_the_field(struct fake_peer *peer)
{
    struct halo_priority priority = { .urgency = 1, .incremental = 1 };
    struct halo_stream_info info;
    halo_stream *stream;

    peer_open(peer);
    stream = request_with(peer, &priority, NULL, 0);
    halo_stream_get_info(stream, &info);
    assert_int_equal(info.urgency, 1);
    assert_int_equal(info.incremental, 1);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM,
                   ":method: GET\n:scheme: https\n:path: /\n:authority: a\npriority: u=1, i\n");
    priority = (struct halo_priority){ .urgency = HALO_URGENCY_DEFAULT };
    request_with(peer, &priority, NULL, 0);
    peer_go(peer);
    expect_headers(peer, 3, F_END_STREAM,
                   ":method: GET\n:scheme: https\n:path: /\n:authority: a\n");
    priority.urgency = 8;
    request_with(peer, &priority, NULL, HALO_E_INVALID_ARGUMENT);
}

static void expect_update(struct fake_peer *peer, uint32_t prioritized, const char *value)
{
    struct heard_frame heard;

    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_PRIORITY_UPDATE);
    assert_int_equal(heard.frame.stream_id, 0);
    assert_int_equal(heard.frame.flags, 0);
    assert_int_equal(heard.frame.len, 4 + strlen(value));
    assert_int_equal(load_u32(heard.payload), prioritized);
    assert_memory_equal(heard.payload + 4, value, strlen(value));
}

static void client_sends_updates_where_they_are_of_use(struct fake_peer *peer)
{
    struct halo_priority priority = { .urgency = 6 };
    halo_stream *stream;

    stream = request_with(peer, NULL, NULL, 0); /* before any SETTINGS: nobody knows */
    assert_int_equal(halo_stream_set_priority(stream, &priority), 0);
    assert_int_equal(halo_stream_set_priority(stream, &priority), 0); /* no change */
    peer_go(peer);
    expect_frame(peer, T_SETTINGS, 0, 0, 12);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_update(peer, 1, "u=6");
    put_settings(&peer->in, 9, 1, 0);
    peer_go(peer);
    expect_settings_ack(peer);
    priority = (struct halo_priority){ .urgency = HALO_URGENCY_DEFAULT };
    assert_int_equal(halo_stream_set_priority(stream, &priority), 0);
    peer_go(peer);
    expect_update(peer, 1, "");
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    peer_restart(peer);

    peer_open(peer); /* a server that keeps to RFC 7540 */
    stream = request_with(peer, NULL, NULL, 0);
    peer_go(peer);
    skip_output(peer);
    priority.urgency = 0;
    assert_int_equal(halo_stream_set_priority(stream, &priority), 0);
    peer_go(peer);
    expect_nothing(peer);
}

/* The change of a request that waits for a place goes out behind it. */
static void client_priority_of_a_waiting_request(struct fake_peer *peer)
{
    struct halo_priority priority = { .urgency = 1 };
    halo_stream *stream;

    put_settings(&peer->in, 9, 1, 3, 1, 0);
    peer_go(peer);
    request_with(peer, NULL, NULL, 0);
    stream = request_with(peer, &priority, NULL, 0);
    priority.urgency = 2;
    assert_int_equal(halo_stream_set_priority(stream, &priority), 0);
    peer_go(peer);
    skip_output(peer);
    put_ok(&peer->in, 1, F_END_STREAM);
    peer_go(peer);
    expect_headers(peer, 3, F_END_STREAM,
                   ":method: GET\n:scheme: https\n:path: /\n:authority: a\npriority: u=1\n");
    expect_update(peer, 3, "u=2");
    expect_nothing(peer);
}

/* ---- RFC 7540 ----------------------------------------------------------------------------------------- */

/* Node's 'priority': a frame of its own, or a part of HEADERS. */
static void test_E15_session_priority_is_told(struct fake_peer *peer)
{
    struct halo_stream_info info;
    struct wire block = { 0 };

    peer_open(peer);
    put_priority(&peer->in, 7, 0x80000005, 200);
    peer_go(peer);
    expect_log(peer, "PRIORITY 7 absent on=5 weight=201 exclusive=1\n");
    fields(&block, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
    put_headers_full(&peer->in, 1, F_PRIORITY | F_PADDED | F_END_STREAM | F_END_HEADERS, &block, 3,
                     0x80000009);
    put_priority(&peer->in, 1, 0, 255);
    peer_go(peer);
    skip_output(peer);
    expect_log(peer, "REQUEST 1 END :method=GET :scheme=https :path=/ :authority=a\n"
                     "PRIORITY 1 on=9 weight=16 exclusive=1\n"
                     "PRIORITY 1 on=0 weight=256 exclusive=0\n");
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.weight, 256);
    expect_priority(peer, 1, 3, 0); /* nothing follows */
    put_headers_full(&peer->in, 3, F_PRIORITY | F_END_STREAM, &block, 0, 5);
    put_continuation(&peer->in, 3, F_END_HEADERS, NULL, 0);
    put_get(&peer->in, 5);
    peer_go(peer);
    expect_log(peer, "REQUEST 3 END :method=GET :scheme=https :path=/ :authority=a\n"
                     "PRIORITY 3 on=5 weight=16 exclusive=0\n"
                     "REQUEST 5 END :method=GET :scheme=https :path=/ :authority=example.org\n");
    wire_free(&block);
}

/* Without the option nothing is told, and nothing is held. */
static void test_E15_session_priority_is_not_told(struct fake_peer *peer)
{
    struct halo_stream_info info;

    peer_open(peer);
    put_get(&peer->in, 1);
    put_priority(&peer->in, 1, 0, 255);
    put_priority_update(&peer->in, 3, "u=1");
    peer_go(peer);
    expect_log(peer, "REQUEST 1 END :method=GET :scheme=https :path=/ :authority=example.org\n");
    halo_stream_get_info(peer_stream(peer, 1), &info);
    assert_int_equal(info.weight, HALO_WEIGHT_DEFAULT);
}

/* Node's deprecated options of request() and stream.priority(). */
static void test_F17_T18_T28_session_dependency(struct fake_peer *peer)
{
    struct halo_dependency dependency = { .stream_id = 1, .weight = 100, .exclusive = 1 };
    struct halo_stream_info info;
    struct heard_frame heard;
    halo_stream *stream;

    peer_open(peer);
    request_with(peer, NULL, &dependency, HALO_E_STREAM_SELF_DEPENDENCY);
    dependency.stream_id = 0;
    stream = request_with(peer, NULL, &dependency, 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    assert_true(peer_next_frame(peer, &heard));
    assert_int_equal(heard.frame.type, T_PRIORITY);
    assert_int_equal(heard.frame.stream_id, 1);
    assert_memory_equal(heard.payload, "\x80\0\0\0\x63", 5);
    halo_stream_get_info(stream, &info);
    assert_int_equal(info.weight, 100);

    dependency = (struct halo_dependency){ .stream_id = 1, .weight = 16 };
    assert_int_equal(halo_stream_set_dependency(stream, &dependency, 0),
                     HALO_E_STREAM_SELF_DEPENDENCY);
    dependency.stream_id = 3;
    dependency.weight = 256;
    assert_int_equal(halo_stream_set_dependency(stream, &dependency, 1), 0); /* silent */
    peer_go(peer);
    expect_nothing(peer);
    halo_stream_get_info(stream, &info);
    assert_int_equal(info.weight, 256);
    dependency.weight = 257;
    assert_int_equal(halo_stream_set_dependency(stream, &dependency, 0), HALO_E_INVALID_ARGUMENT);
    dependency.weight = 0;
    request_with(peer, NULL, &dependency, HALO_E_INVALID_ARGUMENT);
    peer_restart(peer);

    peer_open_with(peer, 9, 1); /* the server has no use for it */
    dependency.weight = 1;
    stream = request_with(peer, NULL, &dependency, 0);
    peer_go(peer);
    expect_headers(peer, 1, F_END_STREAM, NULL);
    expect_nothing(peer);
}

/* RFC 9218 2.1: the first SETTINGS fix it. */
static void no_rfc7540_priorities_is_fixed(struct fake_peer *peer)
{
    for (uint32_t first = 0; first < 2; first++) {
        peer_open_with(peer, 9, first);
        put_settings(&peer->in, 9, first, 0);
        peer_go(peer);
        expect_alive(peer);
        put_settings(&peer->in, 9, 1 - first, 0);
        peer_go(peer);
        expect_dead(peer, HALO_PROTOCOL_ERROR);
        peer_restart(peer);
    }
    peer_open(peer); /* not said is 0 */
    put_settings(&peer->in, 9, 1, 0);
    peer_go(peer);
    expect_dead(peer, HALO_PROTOCOL_ERROR);
}

static void no_rfc7540_priorities_of_ours_is_fixed(struct fake_peer *peer)
{
    struct halo_settings settings = {
        .present = HALO_SETTINGS_BIT(HALO_SETTINGS_NO_RFC7540_PRIORITIES),
        .no_rfc7540_priorities = 1,
    };

    peer_open(peer);
    assert_int_equal(halo_session_settings(peer->session, &settings), 0);
    settings.no_rfc7540_priorities = 0;
    assert_int_equal(halo_session_settings(peer->session, &settings), HALO_E_INVALID_SETTING_VALUE);
    put_settings_ack(&peer->in);
    peer_go(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(field_of_requests),
        SERVER(field_elsewhere),
        SERVER_WITH(update_of_open_streams, with_events),
        SERVER(update_before_the_stream),
        SERVER(updates_kept_are_bounded),
        SERVER_WITH(updates_beyond_the_streams_allowed, few_streams),
        SERVER(updates_of_bad_form),
        CLIENT(update_from_a_server),
        SERVER(frame_budgets),
        SERVER(server_application_decides),
        CLIENT(client_sends_the_field),
        CLIENT(client_sends_updates_where_they_are_of_use),
        CLIENT(client_priority_of_a_waiting_request),
        SERVER_WITH(test_E15_session_priority_is_told, with_events),
        SERVER(test_E15_session_priority_is_not_told),
        CLIENT(test_F17_T18_T28_session_dependency),
        SERVER(no_rfc7540_priorities_is_fixed),
        CLIENT(no_rfc7540_priorities_is_fixed),
        SERVER(no_rfc7540_priorities_of_ours_is_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
