/* Clients whose memory is out at every possible moment. */
#include "talk.h"

#include <string.h>

static halo_header mixed_list[] = {
    { .name = HALO_LIT("X-Name"), .value = HALO_LIT("a value of mine") },
    { .name = HALO_LIT("content-type"), .value = HALO_LIT("text/plain") },
};
static const halo_headers mixed = { .fields = mixed_list, .count = 2 };

static void open_with_streams(struct talk *talk, uint32_t streams)
{
    put_settings(&talk->in, 3, streams, 0);
    put_settings_ack(&talk->in);
    talk_go(talk, 1000);
}

/* Answers to all requests that were sent: 1xx, response, body, trailers. */
static void put_answers(struct talk *talk, uint32_t count)
{
    struct halo_session_info info;

    for (uint32_t i = 0; i < count; i++) {
        halo_session_get_info(talk->session, &info);
        if (1 + 2 * i >= info.next_stream_id) { /* not sent: memory was out */
            return;
        }
        put_fields(&talk->in, 1 + 2 * i, 0, ":status", "103", "x-early", "hint", NULL);
        put_fields(&talk->in, 1 + 2 * i, 0, ":status", "200", "x", "y", NULL);
        put_data(&talk->in, 1 + 2 * i, i % 2 == 0 ? F_END_STREAM : 0, 5000);
        if (i % 2 == 1) {
            put_fields(&talk->in, 1 + 2 * i, F_END_STREAM, "x-end", "yes", NULL);
        }
        talk_go(talk, 300);
    }
}

/* Three at a time; the others wait, with bodies and trailers of their own. */
static void requests_that_wait(struct talk *talk)
{
    open_with_streams(talk, 3);
    for (int i = 0; i < 9; i++) {
        halo_stream *stream = talk_request(talk, "POST", &mixed, 0);

        if (stream == NULL) {
            continue;
        }
        (void)talk_took(talk, halo_stream_write(stream, talk_body(), 3000, 0));
        talk_borrow(talk, stream, 2000, 0);
        talk_slice(talk, stream, 2000, 0);
        (void)talk_took(talk, halo_stream_trailers(stream, &mixed));
    }
    talk_go(talk, 1000);
    put_answers(talk, 9);
    talk_go(talk, 1000);
}

static void ask_for_trailers(struct talk *talk, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_WANT_TRAILERS) {
        (void)talk_took(talk, halo_stream_trailers(event->stream, &mixed));
    }
}

static void source_that_waits(struct talk *talk)
{
    talk->app = ask_for_trailers;
    open_with_streams(talk, 1);
    (void)talk_request(talk, "GET", NULL, HALO_END_STREAM);
    talk_source(talk, talk_request(talk, "PUT", &mixed, 0), 40000, HALO_WAIT_FOR_TRAILERS);
    talk_go(talk, 1000);
    put_answers(talk, 1);
    for (int i = 0; i < 10; i++) {
        if (talk_stream(talk, 1) != NULL) {
            halo_stream_resume_source(talk_stream(talk, 1));
        }
        talk_go(talk, 1000);
    }
    put_answers(talk, 0);
}

static void long_requests(struct talk *talk)
{
    static char value[9000];
    halo_header list[4];
    halo_headers headers = { .fields = list, .count = 4 };

    memset(value, '~', sizeof(value));
    for (size_t i = 0; i < 4; i++) {
        list[i] = (halo_header){ .name = HALO_LIT("x-long"), .value = { value + i, 5000 } };
    }
    open_with_streams(talk, 100);
    for (int i = 0; i < 40; i++) {
        (void)talk_request(talk, "GET", i % 10 == 0 ? &headers : &mixed, HALO_END_STREAM);
    }
    talk_go(talk, 1000);
    put_answers(talk, 40);
}

static void held_response(struct talk *talk)
{
    halo_stream *stream;

    talk->keeps = true;
    open_with_streams(talk, 100);
    stream = talk_request(talk, "GET", NULL, HALO_END_STREAM);
    if (stream != NULL) {
        halo_stream_pause(stream);
    }
    talk_go(talk, 1000);
    put_fields(&talk->in, 1, 0, ":status", "200", NULL);
    put_data(&talk->in, 1, 0, 10000);
    put_data(&talk->in, 1, 0, 10000);
    put_fields(&talk->in, 1, F_END_STREAM, "x-end", "yes", NULL);
    if (stream == NULL) {
        talk->in.len = 0; /* there is no such stream */
    }
    talk_go(talk, 900);
    if (talk_stream(talk, 0) != NULL) {
        halo_stream_resume(talk_stream(talk, 0));
    }
    talk_go(talk, 1000);
}

static void peer_goes_away(struct talk *talk)
{
    open_with_streams(talk, 2);
    for (int i = 0; i < 5; i++) {
        talk_borrow(talk, talk_request(talk, "POST", &mixed, 0), 90000, HALO_END_STREAM);
    }
    (void)talk_took(talk, halo_session_ping(talk->session, NULL));
    talk_go(talk, 1000);
    put_settings(&talk->in, 1, 0, 4, 100, 0);
    put_goaway(&talk->in, 1, HALO_NO_ERROR, "bye");
    talk_go(talk, 13);
}

static void closes_with_requests_open(struct talk *talk)
{
    open_with_streams(talk, 2);
    for (int i = 0; i < 4; i++) {
        (void)talk_request(talk, "GET", &mixed, HALO_END_STREAM);
    }
    talk_go(talk, 1000);
    halo_session_close(talk->session);
    talk_go(talk, 1000);
    put_answers(talk, 4);
    talk_go(talk, 1000);
}

/* ---- pushes, priorities, frames of extensions ------------------------------------------ */

static void everything(struct halo_session_options *options)
{
    options->settings.enable_push = 1;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
    options->encrypted = 1;
    options->server_name = halo_str("a");
    options->padding = HALO_PADDING_MAX;
    options->keep_sent_headers = 1;
    options->frame_types = (const uint8_t *)"\xee";
    options->frame_type_count = 1;
}

static void promised(struct talk *talk)
{
    struct halo_session_info info;

    open_with_streams(talk, 100);
    (void)talk_request(talk, "GET", &mixed, HALO_END_STREAM);
    (void)talk_request(talk, "GET", &mixed, HALO_END_STREAM);
    talk_go(talk, 1000);
    halo_session_get_info(talk->session, &info);
    if (info.next_stream_id != 5) {
        return; /* not sent: memory was out */
    }
    for (uint32_t id = 2; id <= 8; id += 2) {
        put_promise_of(&talk->in, id <= 4 ? 1 : 3, id, ":method", id == 4 ? "HEAD" : "GET",
                       ":scheme", "https", ":path", "/", ":authority", "a", NULL);
    }
    put_fields(&talk->in, 2, 0, ":status", "200", NULL);
    put_data(&talk->in, 2, 0, 5000);
    put_fields(&talk->in, 2, F_END_STREAM, "x-end", "yes", NULL);
    put_fields(&talk->in, 4, F_END_STREAM, ":status", "200", NULL);
    talk_go(talk, 200);
    if (talk_stream(talk, 4) != NULL) {
        (void)talk_took(talk, halo_stream_reset(talk_stream(talk, 4), HALO_CANCEL));
    }
    put_fields(&talk->in, 3, F_END_STREAM, ":status", "421", NULL);
    put_rst_stream(&talk->in, 8, HALO_INTERNAL_ERROR);
    talk_go(talk, 200);
}

static void origins_and_altsvc(struct talk *talk)
{
    open_with_streams(talk, 100);
    put_origin(&talk->in, "https://a", "https://b", "https://c", "https://d", "https://e", NULL);
    put_altsvc(&talk->in, 0, "https://a", "clear");
    put_frame(&talk->in, 0xee, 7, 0, "a frame of the application", 26);
    talk_go(talk, 9);
    put_origin(&talk->in, "https://f", "https://a", NULL);
    talk_go(talk, 1000);
}

/* Set before and after the request was sent. */
static void priorities_and_times(struct talk *talk)
{
    const struct halo_priority priority = { .urgency = 1, .incremental = 1 };
    const struct halo_dependency dependency = { .weight = 99 };

    open_with_streams(talk, 2);
    for (int i = 0; i < 4; i++) {
        halo_stream *stream = talk_request(talk, "POST", &mixed, 0);

        if (stream == NULL) {
            continue;
        }
        (void)talk_took(talk, halo_stream_set_priority(stream, &priority));
        (void)talk_took(talk, halo_stream_set_dependency(stream, &dependency, 0));
        (void)talk_took(talk, halo_stream_set_timeout(stream, 5));
        talk_borrow(talk, stream, 9000, 0);
        (void)talk_took(talk, halo_stream_trailers(stream, &mixed));
    }
    talk_go(talk, 1000);
    talk_wait(talk, 6);
    put_answers(talk, 4);
    talk_wait(talk, 6);
}

/* The end comes with PING and SETTINGS of ours unanswered. */
static void cancels(struct talk *talk)
{
    struct halo_settings settings = { .header_table_size = 100 };

    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE);
    open_with_streams(talk, 100);
    for (int i = 0; i < 3; i++) {
        (void)talk_took(talk, halo_session_settings(talk->session, &settings));
        (void)talk_took(talk, halo_session_ping(talk->session, NULL));
        (void)talk_request(talk, "GET", &mixed, HALO_END_STREAM);
    }
    talk_go(talk, 1000);
    halo_session_destroy(talk->session, HALO_NO_ERROR);
    talk_go(talk, 1000);
    assert_true(talk->over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TALK_CASE(HALO_CLIENT, requests_that_wait, NULL),
        TALK_CASE(HALO_CLIENT, source_that_waits, NULL),
        TALK_CASE(HALO_CLIENT, long_requests, NULL),
        TALK_CASE(HALO_CLIENT, held_response, NULL),
        TALK_CASE(HALO_CLIENT, peer_goes_away, NULL),
        TALK_CASE(HALO_CLIENT, closes_with_requests_open, NULL),
        TALK_CASE(HALO_CLIENT, requests_that_wait, everything),
        TALK_CASE(HALO_CLIENT, promised, everything),
        TALK_CASE(HALO_CLIENT, origins_and_altsvc, everything),
        TALK_CASE(HALO_CLIENT, priorities_and_times, everything),
        TALK_CASE(HALO_CLIENT, cancels, everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
