/* Servers whose memory is out at every possible moment. */
#include "talk.h"

#include <string.h>

#include "core/base/base.h"

static void open_with_window(struct talk *talk, uint32_t window)
{
    put_settings(&talk->in, 4, window, 0);
    put_settings_ack(&talk->in);
    talk_go(talk, 1000);
}

static void put_windows(struct talk *talk, uint32_t streams)
{
    put_window_update(&talk->in, 0, 10000000);
    for (uint32_t i = 0; i < streams; i++) {
        put_window_update(&talk->in, 1 + 2 * i, 1000000);
    }
}

/* ---- answers --------------------------------------------------------------------------- */

static halo_header mixed_list[] = {
    { .name = HALO_LIT("X-Mixed"), .value = HALO_LIT("value of some length") },
    { .name = HALO_LIT("x-other"), .value = HALO_LIT("other") },
};
static const halo_headers mixed = { .fields = mixed_list, .count = 2 };

static bool respond(struct talk *talk, halo_stream *stream, unsigned flags)
{
    return stream != NULL && talk_took(talk, halo_stream_respond(stream, 200, &mixed, flags));
}

static void write_in_all_ways(struct talk *talk, const struct halo_event *event)
{
    halo_stream *stream = event->stream;

    if (event->type != HALO_EVENT_REQUEST) {
        return;
    }
    (void)talk_took(talk, halo_stream_inform(stream, 103, &mixed));
    if (!respond(talk, stream, 0)) {
        return;
    }
    (void)talk_took(talk, halo_stream_write(stream, talk_body(), 500, 0));
    (void)talk_took(talk, halo_stream_write(stream, talk_body(), 3000, 0));
    (void)talk_took(talk, halo_stream_write(stream, talk_body(), 40000, 0));
    talk_borrow(talk, stream, 40000, 0);
    talk_slice(talk, stream, 30000, 0);
    (void)talk_took(talk, halo_stream_trailers(stream, &mixed));
}

static void bodies_in_all_ways(struct talk *talk)
{
    talk->app = write_in_all_ways;
    open_with_window(talk, 30000);
    for (uint32_t id = 1; id <= 7; id += 2) {
        put_get(&talk->in, id);
    }
    talk_go(talk, 300);
    put_windows(talk, 4);
    talk_go(talk, 1000);
}

static void one_is_reset(struct talk *talk)
{
    talk->app = write_in_all_ways;
    open_with_window(talk, 100);
    put_get(&talk->in, 1);
    put_get(&talk->in, 3);
    put_rst_stream(&talk->in, 1, HALO_CANCEL);
    talk_go(talk, 7);
    if (talk_stream(talk, 1) != NULL) {
        (void)talk_took(talk, halo_stream_reset(talk_stream(talk, 1), HALO_CANCEL));
    }
    talk_go(talk, 7);
}

static void ask_for_trailers(struct talk *talk, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_REQUEST && respond(talk, event->stream, 0)) {
        talk_source(talk, event->stream, 50000, HALO_WAIT_FOR_TRAILERS);
    } else if (event->type == HALO_EVENT_WANT_TRAILERS) {
        (void)talk_took(talk, halo_stream_trailers(event->stream, &mixed));
    }
}

static void source_with_trailers(struct talk *talk)
{
    talk->app = ask_for_trailers;
    open_with_window(talk, 20000);
    put_get(&talk->in, 1);
    put_windows(talk, 1);
    talk_go(talk, 1000);
    for (int i = 0; i < 10; i++) {
        if (talk_stream(talk, 0) != NULL) {
            halo_stream_resume_source(talk_stream(talk, 0));
        }
        talk_go(talk, 1000);
    }
}

/* Blocks of several frames, new names each time, a prepared set. */
static void long_answers(struct talk *talk)
{
    static char value[9000];
    halo_header list[4];
    halo_headers headers = { .fields = list, .count = 4 };
    halo_header_set *set;

    memset(value, '~', sizeof(value));
    assert_int_equal(halo_header_set_new(&set, mixed_list, 2), 0);
    headers.set = set;
    open_with_window(talk, 20000);
    for (uint32_t id = 1; id <= 9; id += 2) {
        put_get(&talk->in, id);
    }
    talk_go(talk, 1000);
    for (uint32_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 4; j++) {
            char *name = value + 1000 * j;

            name[0] = 'a';
            name[1] = (char)('a' + i);
            list[j] =
                (halo_header){ .name = { name, 2 }, .value = { value + 4500, i < 3 ? 4000 : 300 } };
        }
        if (talk_stream(talk, i) != NULL) {
            (void)talk_took(talk, halo_stream_respond(talk_stream(talk, i), 200, &headers,
                                                      i < 4 ? HALO_END_STREAM : 0));
        }
    }
    talk_go(talk, 1000);
    halo_header_set_free(set);
}

/* ---- requests -------------------------------------------------------------------------- */

static void request_block(struct wire *block, uint32_t number)
{
    char name[32] = "x-some-field-of-mine-a";

    name[21] = (char)('a' + number);
    fields(block, ":method", "POST", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
    for (int i = 0; i < 8; i++) {
        field_indexed(block, name, "a value that takes its place in the table");
    }
}

/* The peer fills its table, in one frame and in several, whole and in bits. */
static void table_grows(struct talk *talk)
{
    open_with_window(talk, 20000);
    for (uint32_t i = 0; i < 8; i++) {
        struct wire block = { 0 };

        request_block(&block, i);
        if (i % 2 == 0) {
            put_headers(&talk->in, 1 + 2 * i, F_END_HEADERS | F_END_STREAM, &block);
        } else {
            put_frame(&talk->in, T_HEADERS, F_END_STREAM, 1 + 2 * i, block.data, 100);
            put_continuation(&talk->in, 1 + 2 * i, 0, block.data + 100, 100);
            put_continuation(&talk->in, 1 + 2 * i, F_END_HEADERS, block.data + 200,
                             block.len - 200);
        }
        wire_free(&block);
        talk_go(talk, i < 4 ? 1000 : 11);
    }
}

static void pause_it(struct talk *talk, const struct halo_event *event)
{
    (void)talk;
    if (event->type == HALO_EVENT_REQUEST) {
        halo_stream_pause(event->stream);
    }
}

static void held_bodies_and_trailers(struct talk *talk)
{
    talk->app = pause_it;
    talk->keeps = true;
    open_with_window(talk, 20000);
    for (uint32_t id = 1; id <= 5; id += 2) {
        put_post(&talk->in, id);
        put_data(&talk->in, id, 0, 12000);
        put_data(&talk->in, id, id == 5 ? F_END_STREAM : 0, 9000);
    }
    put_fields(&talk->in, 1, F_END_STREAM, "x-end", "yes", NULL);
    put_rst_stream(&talk->in, 3, HALO_CANCEL);
    talk_go(talk, 800);
    for (uint32_t i = 0; i < 3; i++) {
        if (talk_stream(talk, i) != NULL) {
            halo_stream_resume(talk_stream(talk, i));
        }
    }
    talk_go(talk, 1000);
    if (talk_stream(talk, 0) != NULL) {
        (void)respond(talk, talk_stream(talk, 0), HALO_END_STREAM);
    }
    talk_go(talk, 1000);
}

static void kept_slices(struct talk *talk)
{
    talk->keeps = true;
    open_with_window(talk, 20000);
    put_post(&talk->in, 1);
    for (int i = 0; i < 6; i++) {
        put_data(&talk->in, 1, i == 5 ? F_END_STREAM : 0, 7000);
        talk_go(talk, 3000);
    }
    talk_release(talk);
    talk_go(talk, 1000);
}

static void few_streams(struct halo_session_options *options)
{
    options->settings.max_concurrent_streams = 60;
}

/* The table of streams grows; those beyond the limit are refused and remembered. */
static void many_streams(struct talk *talk)
{
    open_with_window(talk, 20000);
    for (uint32_t id = 1; id <= 161; id += 2) {
        put_post(&talk->in, id);
    }
    talk_go(talk, 1000);
    for (uint32_t i = 0; i < 60; i += 2) {
        if (talk_stream(talk, i) != NULL) {
            (void)talk_took(talk, halo_stream_reset(talk_stream(talk, i), HALO_CANCEL));
        }
    }
    talk_go(talk, 1000);
    for (uint32_t i = 1; i < 60; i += 2) {
        if (respond(talk, talk_stream(talk, i), 0)) {
            talk_borrow(talk, talk_stream(talk, i), 2000, HALO_END_STREAM);
        }
    }
    talk_go(talk, 1000);
}

/* ---- the connection -------------------------------------------------------------------- */

static void settings_pings_goaway(struct talk *talk)
{
    struct halo_settings settings = { .initial_window_size = 1000, .header_table_size = 100 };

    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE) |
                       HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE);
    open_with_window(talk, 20000);
    put_post(&talk->in, 1);
    put_data(&talk->in, 1, 0, 10000);
    talk_go(talk, 1000);
    for (int i = 0; i < 4; i++) {
        (void)talk_took(talk, halo_session_settings(talk->session, &settings));
        (void)talk_took(talk, halo_session_ping(talk->session, (const uint8_t *)"12345678"));
        (void)talk_took(talk, halo_session_set_window(talk->session, 70000 + 100000 * (uint32_t)i));
    }
    talk_go(talk, 1000);
    if (!talk->over && !talk->memory.failed) {
        for (int i = 0; i < 4; i++) {
            put_settings_ack(&talk->in);
            put_ping(&talk->in, F_ACK, "12345678");
        }
    }
    put_settings(&talk->in, 1, 0, 0);
    put_settings(&talk->in, 1, 8192, 4, 100, 0);
    put_ping(&talk->in, 0, "87654321");
    put_goaway(&talk->in, 0, HALO_NO_ERROR, "a long word about why I am leaving");
    talk_go(talk, 5);
    (void)talk_took(talk, halo_session_goaway(talk->session, HALO_NO_ERROR, 0, "me, too", 7));
    talk_go(talk, 1000);
}

static void graceful_end(struct talk *talk)
{
    open_with_window(talk, 20000);
    put_get(&talk->in, 1);
    talk_go(talk, 1000);
    halo_session_close(talk->session);
    talk_go(talk, 1000);
    put_ping(&talk->in, F_ACK, "halodrn\0");
    talk_go(talk, 1000);
    (void)respond(talk, talk_stream(talk, 0), HALO_END_STREAM);
    talk_go(talk, 1000);
}

static void sudden_end(struct talk *talk)
{
    talk->app = write_in_all_ways;
    talk->keeps = true;
    open_with_window(talk, 2000);
    put_post(&talk->in, 1);
    put_data(&talk->in, 1, 0, 3000);
    put_post(&talk->in, 3);
    put_data(&talk->in, 3, F_END_STREAM, 3000);
    talk_go(talk, 1000);
    halo_session_destroy(talk->session, HALO_NO_ERROR);
    talk_go(talk, 1000);
}

/* ---- pushes, priorities, frames of extensions, time ------------------------------------ */

static void everything(struct halo_session_options *options)
{
    options->padding = HALO_PADDING_ALIGNED;
    options->keep_sent_headers = 1;
    options->priority_events = 1;
    options->timeout_ms = 70;
    options->body_timeout_ms = 100;
    options->settings.initial_window_size = 2000;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    options->frame_types = (const uint8_t *)"\xee";
    options->frame_type_count = 1;
}

static void push_twice(struct talk *talk, const struct halo_event *event)
{
    static const char *const methods[] = { "GET", "HEAD" };

    if (event->type != HALO_EVENT_REQUEST) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        struct halo_request request = { .method = halo_str(methods[i]),
                                        .path = HALO_LIT("/pushed"),
                                        .headers = mixed };
        halo_stream *pushed;

        if (!talk_took(talk, halo_stream_push(event->stream, &request, NULL, &pushed))) {
            continue;
        }
        talk_opened(talk, pushed);
        if (!respond(talk, pushed, 0)) {
            continue;
        }
        if (i == 0) {
            talk_borrow(talk, pushed, 9000, 0);
            (void)talk_took(talk, halo_stream_trailers(pushed, &mixed));
        } else {
            (void)talk_took(talk, halo_stream_end(pushed));
        }
    }
    if (respond(talk, event->stream, 0)) {
        talk_borrow(talk, event->stream, 3000, HALO_END_STREAM);
    }
}

static void pushes(struct talk *talk)
{
    talk->app = push_twice;
    open_with_window(talk, 20000);
    for (uint32_t id = 1; id <= 15; id += 2) {
        put_get(&talk->in, id);
    }
    talk_go(talk, 500);
    if (!talk->memory.failed) { /* they were promised */
        put_rst_stream(&talk->in, 2, HALO_REFUSED_STREAM);
        put_rst_stream(&talk->in, 6, HALO_CANCEL);
    }
    put_windows(talk, 8);
    talk_go(talk, 1000);
}

/* Priorities of the client, for streams that are there and that are still to come. */
static void priorities(struct talk *talk)
{
    struct halo_priority priority = { .urgency = 1, .incremental = 1 };

    talk->app = write_in_all_ways;
    open_with_window(talk, 100);
    for (uint32_t id = 1; id <= 9; id += 2) {
        uint8_t update[10] = { 0, 0, 0, (uint8_t)(id + 4), 'u', '=', '1', ',', ' ', 'i' };

        put_frame(&talk->in, 0x10, 0, 0, update, sizeof(update));
        put_get(&talk->in, id);
        put_priority(&talk->in, id, 0, 99);
    }
    talk_go(talk, 50);
    for (uint32_t i = 0; i < 5; i++) {
        if (talk_stream(talk, i) != NULL) {
            (void)talk_took(talk, halo_stream_set_priority(talk_stream(talk, i), &priority));
        }
        priority.urgency++;
    }
    put_windows(talk, 5);
    talk_go(talk, 1000);
}

static void extension_frames(struct talk *talk)
{
    const halo_bytes origins[] = { HALO_LIT("https://a.example"), HALO_LIT("https://b.example") };
    halo_bytes none = { 0 };
    halo_bytes value = HALO_LIT("h2=\":443\"");

    open_with_window(talk, 20000);
    put_post(&talk->in, 1);
    for (int i = 0; i < 5; i++) {
        put_frame(&talk->in, 0xee, 7, 1, "a frame of the application", 26);
        talk_go(talk, i < 3 ? 1000 : 10);
        (void)talk_took(talk, halo_session_altsvc(talk->session, 0, origins[0], value));
        (void)talk_took(talk, halo_session_origin(talk->session, origins, 2));
        (void)talk_took(talk,
                        halo_session_send_frame(talk->session, 0xef, 1, 0, talk_body(), 9000));
        if (talk_stream(talk, 0) != NULL) {
            (void)talk_took(talk, halo_session_altsvc(talk->session, 1, none, value));
        }
    }
    talk_go(talk, 1000);
}

/* Windows grow while a body comes quickly. */
static void growing_windows(struct talk *talk)
{
    open_with_window(talk, 20000);
    put_post(&talk->in, 1);
    for (int i = 0; i < 20; i++) {
        put_data(&talk->in, 1, 0, 1000);
        talk_go(talk, 5000);
    }
    talk_release(talk);
    talk_go(talk, 1000);
}

/* Time-outs are told, a body that does not come ends its stream. */
static void time_passes(struct talk *talk)
{
    open_with_window(talk, 20000);
    for (uint32_t id = 1; id <= 39; id += 2) { /* the heap of timers grows */
        put_post(&talk->in, id);
    }
    talk_go(talk, 1000);
    for (uint32_t i = 0; i < 20; i++) {
        if (talk_stream(talk, i) != NULL) {
            (void)talk_took(talk, halo_stream_set_timeout(talk_stream(talk, i), 10 + i));
        }
    }
    (void)respond(talk, talk_stream(talk, 3), 0);
    for (int i = 0; i < 12; i++) {
        talk_wait(talk, 11);
    }
}

/* Small budgets: what is held presses, and new streams are refused. */
static void small_budget(struct halo_session_options *options)
{
    options->memory_soft = 3000;
    options->memory_hard = 400000;
}

static void refuses_for_memory(struct talk *talk)
{
    talk->app = pause_it;
    open_with_window(talk, 20000);
    for (uint32_t id = 1; id <= 31; id += 2) {
        put_post(&talk->in, id);
        if (id == 1) {
            put_data(&talk->in, id, 0, 20);
        }
    }
    talk_go(talk, 1000);
    for (uint32_t i = 0; i < talk->opened; i++) {
        if (talk_stream(talk, i) != NULL) {
            halo_stream_resume(talk_stream(talk, i));
        }
    }
    talk_go(talk, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TALK_CASE(HALO_SERVER, bodies_in_all_ways, NULL),
        TALK_CASE(HALO_SERVER, one_is_reset, NULL),
        TALK_CASE(HALO_SERVER, source_with_trailers, NULL),
        TALK_CASE(HALO_SERVER, long_answers, NULL),
        TALK_CASE(HALO_SERVER, table_grows, NULL),
        TALK_CASE(HALO_SERVER, held_bodies_and_trailers, NULL),
        TALK_CASE(HALO_SERVER, kept_slices, NULL),
        TALK_CASE(HALO_SERVER, many_streams, few_streams),
        TALK_CASE(HALO_SERVER, settings_pings_goaway, NULL),
        TALK_CASE(HALO_SERVER, graceful_end, NULL),
        TALK_CASE(HALO_SERVER, sudden_end, NULL),
        TALK_CASE(HALO_SERVER, bodies_in_all_ways, everything),
        TALK_CASE(HALO_SERVER, pushes, everything),
        TALK_CASE(HALO_SERVER, priorities, everything),
        TALK_CASE(HALO_SERVER, extension_frames, everything),
        TALK_CASE(HALO_SERVER, growing_windows, everything),
        TALK_CASE(HALO_SERVER, time_passes, everything),
        TALK_CASE(HALO_SERVER, refuses_for_memory, small_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
