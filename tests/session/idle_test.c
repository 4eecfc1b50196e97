/*
 * What sessions without streams hold, and what those of one thread share.
 */
#include "fake_peer.h"

#include <string.h>

#include "core/proto/session.h"

struct world {
    struct test_memory counting;
    struct memory memory;
    struct proto_env env;
    struct halo_session_options options;
};

static void world_init(struct world *world)
{
    test_memory_init(&world->counting);
    memory_init(&world->memory, &world->counting.allocator);
    halo_session_options_init(&world->options, HALO_SERVER);
    assert_int_equal(proto_env_init(&world->env, &world->memory, 4), 0);
}

static void world_fini(struct world *world)
{
    proto_env_fini(&world->env);
    memory_fini(&world->memory);
    assert_int_equal(world->counting.live, 0);
}

static halo_session *make(struct world *world)
{
    halo_session *session;

    assert_int_equal(session_new_in(&session, &world->env, &world->options, 1), 0);
    return session;
}

static void poll_all(halo_session *session)
{
    struct halo_event event;

    while (halo_session_poll(session, &event)) {
    }
}

/* Requests with these numbers; they are not answered. */
static void ask(halo_session *session, uint32_t from, uint32_t to)
{
    struct wire in = { 0 };

    if (from == 1) {
        put_preface(&in);
        put_settings(&in, 0);
    }
    for (uint32_t id = from; id <= to; id += 2) {
        put_get(&in, id);
    }
    assert_int_equal(halo_session_recv(session, in.data, in.len, 1), 0);
    poll_all(session);
    wire_free(&in);
}

static void send_all(halo_session *session)
{
    struct iovec iov[16];
    int count;

    while ((count = halo_session_pull(session, iov, 16, SIZE_MAX)) > 0) {
        for (int i = 0; i < count; i++) {
            halo_session_sent(session, iov[i].iov_len);
        }
    }
}

static void answer(halo_session *session, uint32_t from, uint32_t to)
{
    for (uint32_t id = from; id <= to; id += 2) {
        halo_stream *stream = stream_store_find(&session->store, id);

        assert_non_null(stream);
        assert_int_equal(halo_stream_respond(stream, 204, NULL, 0), 0);
    }
    poll_all(session);
}

static void test_lines_while_there_are_streams(void **state)
{
    struct world world;
    halo_session *one;
    halo_session *two;

    (void)state;
    world_init(&world);
    one = make(&world);
    two = make(&world);
    assert_ptr_equal(one->lines, &world.env.no_lines);
    for (uint32_t turn = 0; turn < 2; turn++) {
        uint32_t from = 1 + 100 * turn;

        ask(one, from, from + 80); /* more than the first buckets are for */
        ask(two, from, from);
        assert_int_equal(world.env.lines.in_use, 2);
        answer(one, from + 2, from + 80);
        assert_int_equal(world.env.lines.in_use, 2);
        answer(one, from, from);
        assert_ptr_equal(one->lines, &world.env.no_lines);
        answer(two, from, from);
        assert_int_equal(world.env.lines.in_use, 0);
        assert_int_equal(world.env.rings.in_use, 2);
        send_all(one);
        assert_int_equal(world.env.rings.in_use, 1);
        send_all(two);
        assert_int_equal(world.env.rings.in_use, 0);
        assert_int_equal(world.memory.chunks_in_use, 0);
    }
    ask(one, 301, 301);
    halo_session_free(one);
    halo_session_free(two);
    assert_int_equal(world.env.lines.in_use, 0);
    world_fini(&world);
}

static void test_streams_in_line_for_the_window(void **state)
{
    static const char body[40000];
    struct world world;
    halo_session *session;
    struct wire in = { 0 };

    (void)state;
    world_init(&world);
    session = make(&world);
    for (uint32_t id = 1; id <= 5; id += 4) { /* lines that were given back are as new */
        ask(session, id, id + 2);
        for (uint32_t at = id; at <= id + 2; at += 2) {
            halo_stream *stream = stream_store_find(&session->store, at);

            assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
            assert_int_equal(halo_stream_write(stream, body, sizeof(body), HALO_END_STREAM), 0);
        }
        send_all(session);
        assert_int_equal(session->open_remote, 2); /* the connection's window is used up */
        put_window_update(&in, 0, 80000);
        assert_int_equal(halo_session_recv(session, in.data, in.len, 1), 0);
        poll_all(session);
        send_all(session);
        poll_all(session);
        assert_int_equal(session->open_remote, 0);
        assert_int_equal(world.env.lines.in_use, 0);
        wire_free(&in);
        session->send_window = 65535;
    }
    halo_session_free(session);
    world_fini(&world);
}

static void test_configuration_is_shared(void **state)
{
    struct world world;
    halo_session *sessions[4];

    (void)state;
    world_init(&world);
    sessions[0] = make(&world);
    sessions[1] = make(&world);
    assert_ptr_equal(sessions[0]->config, sessions[1]->config);
    assert_int_equal(sessions[0]->config->refs, 3);
    world.options.limits.pings++;
    sessions[2] = make(&world);
    assert_ptr_not_equal(sessions[2]->config, sessions[0]->config);
    assert_int_equal(sessions[0]->config->refs, 2);
    world.options.user_data = &world; /* is each session's own */
    sessions[3] = make(&world);
    assert_ptr_equal(sessions[3]->config, sessions[2]->config);
    halo_session_free(sessions[0]);
    assert_int_equal(sessions[1]->config->limits.pings + 1, sessions[2]->config->limits.pings);
    for (size_t i = 1; i < 4; i++) {
        halo_session_free(sessions[i]);
    }
    world_fini(&world);
}

/* A look at the settings keeps them, and they follow. */
static void test_settings_that_are_looked_at(void **state)
{
    const struct halo_settings *remote;
    struct world world;
    halo_session *session;
    struct wire in = { 0 };

    (void)state;
    world_init(&world);
    session = make(&world);
    ask(session, 1, 1);
    assert_null(session->views);
    remote = halo_session_remote_settings(session);
    assert_int_equal(remote->initial_window_size, 65535);
    put_settings(&in, HALO_SETTINGS_INITIAL_WINDOW_SIZE, 3000, 0);
    assert_int_equal(halo_session_recv(session, in.data, in.len, 1), 0);
    poll_all(session);
    assert_int_equal(remote->initial_window_size, 3000);
    assert_ptr_equal(halo_session_remote_settings(session), remote);
    wire_free(&in);
    halo_session_free(session);
    world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_while_there_are_streams),
        cmocka_unit_test(test_streams_in_line_for_the_window),
        cmocka_unit_test(test_configuration_is_shared),
        cmocka_unit_test(test_settings_that_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
