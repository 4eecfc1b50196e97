/*
 * Sends without a copy: what the kernel may still read is not touched before its notification has
 * come, whatever becomes of streams and connections, and none is lost where it cannot be had.
 *
 * HALO_RESETS sets how many streams are reset under way.
 */
#include "zero_copy_fixture.h"

enum {
    RESETS = 20000,
    SECOND_MS = 1000,
    BULK = 8 * 1024 * 1024,
    HELD_MAX = 1024 * 1024,
    LOOP_HELD_MAX = 64 * 1024 * 1024,
};

static uint64_t sends(const struct world *world)
{
    return scripted_zero_copy_sends(world->ring);
}

static bool is_held(const struct world *world)
{
    return scripted_notes_waiting(world->ring) > 0;
}

static void expect_gone(const struct world *world, int status)
{
    for (uint32_t i = 0; i < world->num_links; i++) {
        assert_null(world->links[i].conn);
        assert_int_equal(world->links[i].status, status);
    }
}

/* `count` bodies of one size on each connection, to the last octet. */
static void fetch(struct world *world, uint32_t count, size_t len)
{
    uint64_t completed = world->completed;
    uint64_t octets = world->octets;

    world->body_min = len;
    world->body_max = len;
    world->requests = count;
    world_run(world, world_is_quiet);
    assert_int_equal(world->completed - completed, count);
    assert_int_equal(world->octets - octets, count * (uint64_t)len);
}

/* ---- what arrives, and when it may be used again --------------------------------------- */

static void deliver(uint64_t seed)
{
    const struct world_options options = {
        .seed = seed,
        .socket_buffer = seed % 3 == 0 ? 65536 : 0,
        .faults = { .delay = 200, .short_octets = 200, .again = 50, .submit_error = 10 },
        .zero_copy = { .absent = 100, .late = (uint16_t)(seed % 2 * 700) },
    };
    struct world world;

    world_open(&world, &options, 2);
    world.at_once = 4;
    world.requests = 24;
    world.body_min = 1;
    world.body_max = 200000;
    world_run(&world, world_is_quiet);
    assert_int_equal(world.completed, 24);
    assert_true(sends(&world) > 10);
    world_leave(&world);
    expect_gone(&world, 0);
    world_close(&world);
}

static void test_zero_copy_delivers(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        deliver(seed);
    }
}

static uint64_t resets_wanted(void)
{
    const char *text = getenv("HALO_RESETS");

    return text != NULL ? strtoull(text, NULL, 10) : RESETS;
}

static uint64_t resets_before;

static bool enough_resets(struct world *world)
{
    world->requests = 1000;
    return world->resets >= resets_before || world->links[0].conn == NULL;
}

/* A thousand in each world: other orders, and mishaps. */
static void reset_streams(uint64_t seed, uint64_t count)
{
    struct world_options options = {
        .seed = seed,
        .socket_buffer = 256 * 1024,
        .faults = { .delay = 100, .short_octets = 100 },
        .zero_copy = { .absent = 20, .late = (uint16_t)(seed % 3 * 450) },
    };
    struct world world;

    world_open(&world, &options, 1);
    world.at_once = WORLD_STREAMS;
    world.body_min = 16000;
    world.body_max = 50000;
    world.reset_of_1000 = 800;
    resets_before = count;
    world_run(&world, enough_resets);
    assert_non_null(world.links[0].conn);
    assert_true(world.resets >= count && sends(&world) > count / 20);
    world.requests = 0;
    world_leave(&world);
    world_close(&world);
}

static void test_scorecard_56_zero_copy_resets(void **state)
{
    uint64_t left = resets_wanted();

    (void)state;
    for (uint64_t seed = 1; left > 0; seed++) {
        uint64_t count = min_u64(left, 1000);

        reset_streams(seed, count);
        left -= count;
    }
}

static int looks;

static bool is_stuck(struct world *world)
{
    return is_held(world) && ++looks > 50;
}

/* The peer stops reading, the streams are reset, and others have their memory. */
static void test_scorecard_56_zero_copy_resets_of_a_peer_that_stalls(void **state)
{
    struct world_options options = {
        .socket_buffer = 300 * 1024,
        .zero_copy = { .hold = true },
    };
    struct world world;

    (void)state;
    for (options.seed = 1; options.seed <= 20; options.seed++) {
        world_open(&world, &options, 1);
        fetch(&world, 1, 1);
        world.at_once = WORLD_STREAMS;
        world.requests = WORLD_STREAMS;
        world.body_min = world.body_max = 60000;
        world.stalled = true;
        looks = 0;
        world_run(&world, is_stuck);
        for (uint32_t id = 3; id < 3 + 2 * WORLD_STREAMS; id += 2) {
            halo_stream *stream = stream_store_find(&world.links[0].conn->session->store, id);

            if (stream != NULL) {
                halo_stream_reset(stream, HALO_INTERNAL_ERROR);
            }
        }
        world.stalled = false;
        world_run(&world, world_is_quiet);
        fetch(&world, WORLD_STREAMS, 60000);
        scripted_set_zero_copy(world.ring, &(struct scripted_zero_copy){ 0 });
        world_leave(&world);
        world_close(&world);
    }
}

/* Everything is read and nothing acknowledged: so much is held and no more, the rest is copied. */
static void test_zero_copy_bound_of_a_connection(void **state)
{
    struct world_options options = { .seed = 1, .zero_copy = { .hold = true } };
    struct world world;
    struct scripted_zero_copy released = { 0 };

    (void)state;
    for (; options.seed <= BODY_KINDS; options.seed++) { /* streams 1, 3 ...: all kinds of bodies */
        world_open(&world, &options, 1);
        for (uint64_t i = 1; i < options.seed; i++) {
            fetch(&world, 1, 1);
        }
        fetch(&world, 1, BULK);
        assert_true(world_held(&world) <= HELD_MAX);
        assert_true(world_held(&world) > HELD_MAX - 200 * 1024);
        assert_int_equal(scripted_notes_waiting(world.ring), sends(&world));
        assert_true(world.loop->memory.chunks_in_use > 0); /* of frame headers */
        scripted_set_zero_copy(world.ring, &released);
        fetch(&world, 1, 100000);
        world_leave(&world);
        world_close(&world);
    }
}

/* What files are read into comes back late: nobody waits for it. */
static void test_zero_copy_files_do_not_wait(void **state)
{
    const struct world_options options = { .seed = 8, .zero_copy = { .hold = true } };
    struct world world;

    (void)state;
    for (uint32_t at_once = 1; at_once <= WORLD_STREAMS; at_once *= 4) {
        world_open(&world, &options, 1);
        world.only_files = true;
        world.at_once = at_once;
        fetch(&world, 40, 30000);
        assert_true(is_held(&world));
        scripted_set_zero_copy(world.ring, &(struct scripted_zero_copy){ 0 });
        world_leave(&world);
        world_close(&world);
    }
}

static void test_zero_copy_bound_of_a_loop(void **state)
{
    const struct world_options options = { .seed = 2, .zero_copy = { .hold = true } };
    struct world *world = malloc(sizeof(*world));
    struct scripted_zero_copy released = { 0 };

    (void)state;
    world_open(world, &options, 72);
    fetch(world, 72, 2 * 1024 * 1024);
    assert_true(world_held(world) <= LOOP_HELD_MAX);
    assert_true(world_held(world) > LOOP_HELD_MAX - 200 * 1024);
    scripted_set_zero_copy(world->ring, &released);
    world_leave(world);
    world_close(world);
    free(world);
}

/* ---- where it is not to be had --------------------------------------------------------- */

static void refuse(int error, bool noted, uint32_t first, uint32_t later)
{
    const struct world_options options = {
        .seed = 3,
        .zero_copy = { .refuse = error, .noted = noted },
    };
    struct world world;

    world_open(&world, &options, 2);
    fetch(&world, 2, 500000);
    assert_int_equal(sends(&world), first);
    scripted_pass_ns(world.ring, UINT64_C(1100) * 1000000);
    fetch(&world, 2, 500000);
    assert_int_equal(sends(&world), first + later);
    world_leave(&world);
    expect_gone(&world, 0);
    world_close(&world);
}

static void test_zero_copy_refused(void **state)
{
    (void)state;
    for (int noted = 0; noted < 2; noted++) {
        refuse(-EOPNOTSUPP, noted, 2, 0); /* by each socket */
        refuse(-EINVAL, noted, 2, 0);     /* both were on their way */
        refuse(-ENOMEM, noted, 2, 2);     /* tried again after a second */
        refuse(-ENOBUFS, noted, 2, 2);
    }
}

static void test_zero_copy_refused_for_the_loop(void **state)
{
    const struct world_options options = { .seed = 3, .zero_copy = { .refuse = -EINVAL } };
    struct world world;

    (void)state;
    world_open(&world, &options, 2);
    world.links[1].left = true; /* makes no request yet */
    fetch(&world, 1, 500000);
    assert_int_equal(sends(&world), 1);
    world.links[1].left = false;
    world.links[0].left = true;
    fetch(&world, 1, 500000);
    assert_int_equal(sends(&world), 1);
    world_leave(&world);
    world_close(&world);
}

static void test_zero_copy_unknown_to_the_kernel(void **state)
{
    const struct world_options options = { .seed = 4, .unable = true };
    struct world world;

    (void)state;
    world_open(&world, &options, 1);
    fetch(&world, 4, 500000);
    assert_int_equal(sends(&world), 0);
    world_leave(&world);
    world_close(&world);
}

/* The kernel copies all the same: after eight in a row no more, and one that was not copied counts
 * from the beginning. */
static void test_zero_copy_copied_all_the_same(void **state)
{
    const struct world_options options = { .seed = 5, .zero_copy = { .copied = true } };
    struct world world;

    (void)state;
    for (int interrupted = 0; interrupted < 2; interrupted++) {
        world_open(&world, &options, 1);
        fetch(&world, 7, 20000);
        assert_int_equal(sends(&world), 7);
        if (interrupted != 0) {
            scripted_set_zero_copy(world.ring, &(struct scripted_zero_copy){ 0 });
            fetch(&world, 1, 20000);
            scripted_set_zero_copy(world.ring, &options.zero_copy);
            fetch(&world, 7, 20000);
            assert_int_equal(sends(&world), 15);
        }
        fetch(&world, 9, 20000);
        assert_int_equal(sends(&world), interrupted != 0 ? 16 : 8);
        world_leave(&world);
        world_close(&world);
    }
}

static void test_zero_copy_only_large_sends(void **state)
{
    const struct world_options options = { .seed = 6, .zero_copy_min = 65536 };
    struct world world;

    (void)state;
    world_open(&world, &options, 1);
    fetch(&world, 8, 65000);
    assert_int_equal(sends(&world), 0);
    fetch(&world, 8, 66000);
    assert_int_equal(sends(&world), 8);
    world_leave(&world);
    world_close(&world);
}

static void test_zero_copy_option(void **state)
{
    static const struct {
        uint32_t min;
        int status;
    } cases[] = { { 0, 0 }, { 16384, 0 }, { 131072, 0 }, { 1, -1 }, { 16383, -1 }, { 131073, -1 } };
    struct halo_memory_bound without;
    struct halo_memory_bound with;
    struct halo_session_options session;
    struct halo_loop_options options;

    (void)state;
    halo_session_options_init(&session, HALO_SERVER);
    assert_int_equal(halo_connection_memory_bound(&session, NULL, 0, &without), 0);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        int status = cases[i].status != 0 ? HALO_E_INVALID_ARGUMENT : 0;

        halo_loop_options_init(&options);
        assert_int_equal(options.zero_copy_min, 0);
        options.zero_copy_min = cases[i].min;
        assert_int_equal(halo_connection_memory_bound(&session, &options, 0, &with), status);
        if (status == 0) {
            assert_int_equal(with.output - without.output, cases[i].min != 0 ? HELD_MAX : 0);
            assert_int_equal(with.total - without.total,
                             with.output - without.output + with.connection - without.connection);
        }
    }
}

/* ---- ends ------------------------------------------------------------------------------ */

static uint64_t began_ns;
static uint64_t passed_ms;

static bool all_gone(struct world *world)
{
    for (uint32_t i = 0; i < world->num_links; i++) {
        if (world->links[i].conn != NULL) {
            return false;
        }
    }
    return true;
}

static void begin_clock(struct world *world)
{
    began_ns = world->ring->ops->clock_ns(world->ring);
}

static void stop_clock(struct world *world)
{
    passed_ms = (world->ring->ops->clock_ns(world->ring) - began_ns) / 1000000;
    assert_int_equal(world->lent, 0);
    assert_int_equal(scripted_notes_waiting(world->ring), 0);
}

/* A connection with octets that its peer has read and does not acknowledge. */
static void open_held(struct world *world)
{
    const struct world_options options = {
        .seed = 7,
        .faults = { .cancel_late = 1000 }, /* the receiver ends later than it is told to */
        .zero_copy = { .hold = true },
    };

    world_open(world, &options, 1);
    fetch(world, 1, 1); /* the next body is a copy, the one behind it a slice */
    fetch(world, 1, 1);
    fetch(world, 1, 300000);
    assert_true(is_held(world));
    assert_int_equal(world->lent, 1);
    begin_clock(world);
}

static bool end_is_seen(struct world *world)
{
    return world->links[0].closed_seen;
}

/* An orderly end: for the peer the connection is closed at once, and it has its time. */
static void test_zero_copy_end_waits(void **state)
{
    struct world world;

    (void)state;
    open_held(&world);
    scripted_finish(world.ring, world.links[0].peer);
    world_run(&world, end_is_seen);
    assert_non_null(world.links[0].conn);
    assert_int_equal(world.lent, 1);
    scripted_set_zero_copy(world.ring, &(struct scripted_zero_copy){ 0 });
    world_run(&world, NULL);
    stop_clock(&world);
    assert_true(passed_ms < 100);
    expect_gone(&world, 0);
    world_close(&world);
}

static void test_zero_copy_end_does_not_wait_for_ever(void **state)
{
    struct world world;

    (void)state;
    open_held(&world);
    world_leave(&world);
    stop_clock(&world);
    assert_in_range(passed_ms, 29900, 30100);
    expect_gone(&world, 0);
    world_close(&world);
}

/* Half a minute without an acknowledgement ends a connection that is open. */
static void test_zero_copy_peer_that_acknowledges_nothing(void **state)
{
    struct world world;

    (void)state;
    open_held(&world);
    world_run(&world, NULL);
    stop_clock(&world);
    assert_in_range(passed_ms, 29900, 30100);
    expect_gone(&world, HALO_E_TIMEOUT);
    world_close(&world);
}

static void test_zero_copy_abort_waits_a_moment(void **state)
{
    const struct halo_error error = { .status = HALO_E_IO, .origin = HALO_ORIGIN_LOCAL };
    struct world world;

    (void)state;
    open_held(&world);
    conn_abort(world.links[0].conn, &error);
    world_run(&world, all_gone);
    stop_clock(&world);
    assert_in_range(passed_ms, 90, 200);
    world_close(&world);
}

/* In a hurry only after a while. */
static void test_zero_copy_hurry(void **state)
{
    struct world world;

    (void)state;
    open_held(&world);
    scripted_finish(world.ring, world.links[0].peer);
    world_run(&world, end_is_seen);
    assert_non_null(world.links[0].conn);
    conn_hurry(world.links[0].conn);
    world_run(&world, NULL);
    stop_clock(&world);
    assert_in_range(passed_ms, 90, 200);
    world_close(&world);
}

/* The peer resets the connection: the kernel drops what it has. */
static void test_zero_copy_reset_by_the_peer(void **state)
{
    struct world world;

    (void)state;
    open_held(&world);
    scripted_close(world.ring, world.links[0].peer, true);
    world.links[0].peer = -1;
    world_run(&world, NULL);
    stop_clock(&world);
    assert_true(passed_ms < 200);
    world_close(&world);
}

static void test_zero_copy_loop_freed(void **state)
{
    struct world world;

    (void)state;
    open_held(&world);
    world.links[0].left = true;
    scripted_finish(world.ring, world.links[0].peer);
    world_run(&world, end_is_seen);
    assert_non_null(world.links[0].conn);
    scripted_close(world.ring, world.links[0].peer, false);
    world.links[0].peer = -1;
    halo_session_free(world.links[0].client);
    halo_loop_free(world.loop);
    assert_int_equal(world.lent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_copy_delivers),
        cmocka_unit_test(test_scorecard_56_zero_copy_resets),
        cmocka_unit_test(test_scorecard_56_zero_copy_resets_of_a_peer_that_stalls),
        cmocka_unit_test(test_zero_copy_bound_of_a_connection),
        cmocka_unit_test(test_zero_copy_files_do_not_wait),
        cmocka_unit_test(test_zero_copy_bound_of_a_loop),
        cmocka_unit_test(test_zero_copy_refused),
        cmocka_unit_test(test_zero_copy_refused_for_the_loop),
        cmocka_unit_test(test_zero_copy_unknown_to_the_kernel),
        cmocka_unit_test(test_zero_copy_copied_all_the_same),
        cmocka_unit_test(test_zero_copy_only_large_sends),
        cmocka_unit_test(test_zero_copy_option),
        cmocka_unit_test(test_zero_copy_end_waits),
        cmocka_unit_test(test_zero_copy_end_does_not_wait_for_ever),
        cmocka_unit_test(test_zero_copy_peer_that_acknowledges_nothing),
        cmocka_unit_test(test_zero_copy_abort_waits_a_moment),
        cmocka_unit_test(test_zero_copy_hurry),
        cmocka_unit_test(test_zero_copy_reset_by_the_peer),
        cmocka_unit_test(test_zero_copy_loop_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
