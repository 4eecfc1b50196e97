/*
 * All ways of cutting an input in two and in three: the same events and the same output as whole.
 * Inputs: the kept inputs of the fuzz targets whose octets are frames (directories named by the
 * arguments), and a conversation for each role that holds every type of frame.
 */
#include "play.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "core/base/base.h"

enum {
    INPUT_MAX = 512,
    INPUTS_MAX = 256,
};

struct input {
    char name[64];
    uint8_t octets[INPUT_MAX];
    size_t len;
};

static struct input inputs[INPUTS_MAX];
static size_t input_count;
static int directory_count;
static char **directories;

/* ---- the inputs ------------------------------------------------------------------------ */

static void add_input(const char *name, const void *octets, size_t len)
{
    struct input *input = &inputs[input_count++];

    assert_true(input_count <= INPUTS_MAX && len <= INPUT_MAX);
    snprintf(input->name, sizeof(input->name), "%s", name);
    memcpy(input->octets, octets, len);
    input->len = len;
}

/* The first octet of a session's input says how it is to be cut. */
static void add_file(const char *directory, const char *name)
{
    bool session = strstr(directory, "session_") != NULL;
    uint8_t octets[INPUT_MAX + 2];
    char path[4096];
    FILE *file;
    size_t len;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    len = fread(octets, 1, sizeof(octets), file);
    fclose(file);
    if (len > session && len - session <= INPUT_MAX) {
        add_input(name, octets + session, len - session);
    }
}

static void add_directory(const char *directory)
{
    DIR *open = opendir(directory);
    struct dirent *entry;

    assert_non_null(open);
    while ((entry = readdir(open)) != NULL) {
        if (entry->d_name[0] != '.') {
            add_file(directory, entry->d_name);
        }
    }
    closedir(open);
}

static void put_around(struct wire *wire)
{
    put_settings(wire, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 70000, HALO_SETTINGS_HEADER_TABLE_SIZE,
                 100, 0);
    put_ping(wire, 0, "12345678");
    put_window_update(wire, 0, 1000);
    put_frame(wire, 0xbe, 0xff, 3, "ignored", 7);
}

static void put_to_server(struct wire *wire)
{
    struct wire get = { 0 };
    struct wire post = { 0 };

    field_at(&get, 2); /* GET, http, / */
    field_at(&get, 6);
    field_at(&get, 4);
    field_indexed(&get, ":authority", "a");
    field_indexed(&get, "x-a", "b");
    field_at(&post, 3);
    field_at(&post, 7);
    field_at(&post, 4);
    field_at(&post, 63); /* :authority */
    field_at(&post, 62); /* x-a */
    put_headers(wire, 1, F_END_STREAM | F_END_HEADERS, &get);
    put_frame(wire, T_HEADERS, 0, 3, post.data, 2);
    put_continuation(wire, 3, 0, NULL, 0);
    put_continuation(wire, 3, F_END_HEADERS, post.data + 2, post.len - 2);
    put_data_padded(wire, 3, 0, 9, 4);
    put_around(wire);
    put_data(wire, 3, 0, 20);
    put_fields(wire, 3, F_END_STREAM, "x-sum", "1", NULL);
    put_headers_full(wire, 5, F_END_HEADERS | F_PADDED | F_PRIORITY, &post, 3, 1);
    put_data(wire, 5, 0, 10);
    put_window_update(wire, 5, 7);
    put_priority(wire, 5, 3, 16);
    put_priority_update(wire, 5, "u=1, i");
    put_rst_stream(wire, 5, HALO_CANCEL);
    put_headers(wire, 7, F_END_HEADERS, &post); /* paused */
    put_data(wire, 7, F_END_STREAM, 12);
    put_headers(wire, 11, F_END_HEADERS, &post);
    put_data(wire, 11, 0, 0);
    put_data(wire, 11, F_END_STREAM, 9);
    put_headers(wire, 13, F_END_STREAM | F_END_HEADERS, &get); /* with a body that is answered */
    put_goaway(wire, 0, HALO_NO_ERROR, "bye");
    put_data(wire, 13, 0, 3); /* behind its end */
    wire_free(&get);
    wire_free(&post);
}

static void put_to_client(struct wire *wire)
{
    struct wire ok = { 0 };

    field_at(&ok, 8);
    field_indexed(&ok, "x-a", "b");
    put_fields(wire, 1, 0, ":status", "103", NULL);
    put_headers(wire, 1, F_END_HEADERS, &ok);
    put_data_padded(wire, 1, 0, 9, 4);
    put_fields(wire, 1, F_END_STREAM, "x-sum", "1", NULL);
    put_around(wire);
    put_frame(wire, T_HEADERS, F_END_STREAM, 3, ok.data, 2);
    put_continuation(wire, 3, F_END_HEADERS, ok.data + 2, ok.len - 2);
    put_altsvc(wire, 0, "https://a", "h2");
    put_headers(wire, 5, F_END_HEADERS, &ok);
    put_data(wire, 5, 0, 20);
    put_data(wire, 5, 0, 0);
    put_data(wire, 5, F_END_STREAM, 6);
    put_headers(wire, 7, F_END_HEADERS, &ok);
    put_data(wire, 7, 0, 20);
    put_rst_stream(wire, 7, HALO_INTERNAL_ERROR);
    put_goaway(wire, 7, HALO_NO_ERROR, "bye");
    put_push_promise(wire, 7, F_END_HEADERS, 2, &ok); /* which was switched off */
    wire_free(&ok);
}

static void add_conversations(void)
{
    struct wire wire = { 0 };

    put_to_server(&wire);
    add_input("to a server", wire.data, wire.len);
    wire.len = 0;
    put_to_client(&wire);
    add_input("to a client", wire.data, wire.len);
    wire_free(&wire);
}

/* ---- playing --------------------------------------------------------------------------- */

static void app(struct play *play, const struct halo_event *event)
{
    static const char body[3000];

    (void)play;
    if (event->type != HALO_EVENT_REQUEST) {
        return;
    }
    if (event->stream_id % 16 == 5) {
        (void)halo_stream_inform(event->stream, 103, NULL);
    } else if (event->stream_id % 16 == 7) {
        halo_stream_pause(event->stream);
    } else {
        assert_int_equal(halo_stream_respond(event->stream, 200, NULL, 0), 0);
        assert_int_equal(halo_stream_write(event->stream, body, sizeof(body), HALO_END_STREAM), 0);
    }
}

/* Returns the code of the GOAWAY that was said, or -1. */
static int play_pieces(struct play *play, int role, const struct input *input, size_t first,
                       size_t second)
{
    int goaway;

    play_begin(play, role, NULL);
    play->app = app;
    play_open(play);
    if (role == HALO_CLIENT) {
        for (int i = 0; i < 4; i++) {
            (void)play_request(play, "GET", i % 2 == 0 ? HALO_END_STREAM : 0);
        }
    }
    play_feed(play, input->octets, first, 0);
    play_feed(play, input->octets + first, second - first, 0);
    play_feed(play, input->octets + second, input->len - second, 0);
    play_settle(play);
    play_check_credit(play);
    goaway = play_hear(play, 0).goaway;
    play_end(play, NULL);
    return goaway;
}

/* Every step-th third piece; 1: all. */
static size_t cut(int role, const struct input *input, size_t step)
{
    struct play whole;
    size_t cuts = 0;

    (void)play_pieces(&whole, role, input, 0, 0);
    for (size_t first = 0; first < input->len; first++) {
        for (size_t second = first + 1; second <= input->len; second += step, cuts++) {
            struct play pieces;

            (void)play_pieces(&pieces, role, input, first, second);
            if (!play_same(&whole, &pieces)) {
                fail_msg("%s, role %d: cut at %zu and %zu differs", input->name, role, first,
                         second);
            }
            play_free(&pieces);
        }
    }
    play_free(&whole);
    return cuts;
}

/* They are read to their last frame, which is an error. */
static void check_conversations(void)
{
    struct play play;

    assert_int_equal(play_pieces(&play, HALO_SERVER, &inputs[0], 0, 0), HALO_STREAM_CLOSED);
    play_free(&play);
    assert_int_equal(play_pieces(&play, HALO_CLIENT, &inputs[1], 0, 0), HALO_PROTOCOL_ERROR);
    play_free(&play);
}

static void test_C05_all_cuts_in_two_and_three(void **state)
{
    size_t cuts = 0;
    size_t longest = 0;
    size_t step = 1;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    step = 31;
#endif
    (void)state;
    add_conversations();
    check_conversations();
    for (int i = 0; i < directory_count; i++) {
        add_directory(directories[i]);
    }
    for (size_t i = 0; i < input_count; i++) {
        cuts += cut(HALO_SERVER, &inputs[i], step);
        cuts += cut(HALO_CLIENT, &inputs[i], step);
        longest = max_size(longest, inputs[i].len);
    }
    print_message("%zu inputs, the longest of %zu octets: %zu cuts\n", input_count, longest, cuts);
    assert_true(directory_count == 0 || input_count > 40);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_C05_all_cuts_in_two_and_three) };

    directory_count = argc - 1;
    directories = argv + 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
