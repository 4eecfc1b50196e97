#include "receive_fixture.h"

static void test_receive_one_socket_exhausts_a_tiny_ring_and_recovers(void **state)
{
    struct halo_loop *loop = fixture_loop(2, 2);
    struct reader reader;

    (void)state;
    reader_open(&reader, loop);
    io_receiver_start(&reader.receiver);
    peer_write(&reader, 0, 150000);
    reader.stop_at = 150000;
    fixture_run(loop);
    assert_int_equal(loop->bufring.current->count, 2);
    assert_int_equal(loop->bufring.num_starved, 0);
    reader_close(&reader);
    halo_loop_free(loop);
}

static void test_receive_held_buffers_starve_until_they_come_home(void **state)
{
    struct halo_loop *loop = fixture_loop(4, 4);
    struct reader hoarder;
    struct reader other;

    (void)state;
    reader_open(&hoarder, loop);
    reader_open(&other, loop);
    hoarder.hold = true;
    io_receiver_start(&hoarder.receiver);
    peer_write(&hoarder, 0, 4 * 4096);
    hoarder.stop_at = 4 * 4096;
    fixture_run(loop);
    assert_int_equal(loop->ledger.buffers, 4);
    assert_true(bufring_scarce(loop));

    io_receiver_start(&other.receiver);
    peer_write(&other, 0, 100);
    fixture_run_turns(loop, 5);
    assert_int_equal(other.calls, 0);
    assert_int_equal(loop->bufring.num_starved, 1);

    halo_slice_release(&hoarder.held[0]);
    fixture_run_turns(loop, 5);
    assert_int_equal(other.calls, 0); /* not half yet */
    halo_slice_release(&hoarder.held[1]);
    other.stop_at = 100;
    fixture_run(loop);
    assert_int_equal(loop->bufring.num_starved, 0);
    assert_false(bufring_scarce(loop));
    reader_close(&hoarder);
    reader_close(&other);
    halo_loop_free(loop);
}

static void test_receive_starved_may_pause_and_stop(void **state)
{
    struct halo_loop *loop = fixture_loop(2, 2);
    struct reader hoarder;
    struct reader paused;
    struct reader stopped;

    (void)state;
    reader_open(&hoarder, loop);
    reader_open(&paused, loop);
    reader_open(&stopped, loop);
    hoarder.hold = true;
    io_receiver_start(&hoarder.receiver);
    peer_write(&hoarder, 0, 2 * 4096);
    hoarder.stop_at = 2 * 4096;
    fixture_run(loop);
    io_receiver_start(&paused.receiver);
    io_receiver_start(&stopped.receiver);
    peer_write(&paused, 0, 10);
    peer_write(&stopped, 0, 10);
    fixture_run_turns(loop, 5);
    assert_int_equal(loop->bufring.num_starved, 2);

    io_receiver_pause(&paused.receiver);
    assert_true(io_receiver_stop(&stopped.receiver));
    assert_int_equal(loop->bufring.num_starved, 0);
    reader_release(&hoarder);
    fixture_run_turns(loop, 5);
    assert_int_equal(paused.calls, 0);
    assert_int_equal(stopped.calls, 0);
    io_receiver_resume(&paused.receiver);
    paused.stop_at = 10;
    fixture_run(loop);
    reader_close(&hoarder);
    reader_close(&paused);
    reader_close(&stopped);
    halo_loop_free(loop);
}

static uint32_t count_groups(struct halo_loop *loop)
{
    uint32_t count = 0;

    for (struct list_link *link = loop->bufring.groups.next; link != &loop->bufring.groups;
         link = link->next) {
        count++;
    }
    return count;
}

static void test_receive_ring_doubles_and_old_groups_go(void **state)
{
    enum { READERS = 8 };
    struct halo_loop *loop = fixture_loop(2, 16);
    struct reader readers[READERS];
    uint32_t total = 0;

    (void)state;
    for (int i = 0; i < READERS; i++) {
        reader_open(&readers[i], loop);
        readers[i].total = &total;
        readers[i].total_wanted = READERS * 65536;
        io_receiver_start(&readers[i].receiver);
    }
    fixture_run_turns(loop, 2);
    for (int i = 0; i < READERS; i++) {
        peer_write(&readers[i], 0, 65536);
    }
    fixture_run(loop);
    assert_int_equal(total, READERS * 65536);
    assert_int_equal(loop->bufring.current->count, 16);
    /* Receivers that ended are armed on the newest group only. */
    for (int i = 0; i < READERS; i++) {
        io_receiver_pause(&readers[i].receiver);
    }
    fixture_run_turns(loop, 3);
    assert_int_equal(count_groups(loop), 1);
    for (int i = 0; i < READERS; i++) {
        io_receiver_resume(&readers[i].receiver);
        readers[i].stop_at = 65537;
    }
    peer_write(&readers[3], 65536, 1);
    fixture_run(loop);
    for (int i = 0; i < READERS; i++) {
        reader_close(&readers[i]);
    }
    halo_loop_free(loop);
}

static void test_receive_old_group_lives_while_a_slice_of_it_does(void **state)
{
    struct halo_loop *loop = fixture_loop(2, 4);
    struct reader hoarder;
    struct reader other;

    (void)state;
    reader_open(&hoarder, loop);
    reader_open(&other, loop);
    hoarder.hold = true;
    io_receiver_start(&hoarder.receiver);
    peer_write(&hoarder, 0, 2 * 4096);
    hoarder.stop_at = 2 * 4096;
    fixture_run(loop);
    io_receiver_start(&other.receiver);
    peer_write(&other, 0, 10);
    other.stop_at = 10;
    fixture_run(loop); /* needs a second group, since all of the first are held */
    assert_int_equal(loop->bufring.current->count, 4);
    io_receiver_pause(&hoarder.receiver);
    fixture_run_turns(loop, 3);
    assert_int_equal(count_groups(loop), 2);
    fixture_check(hoarder.held[0].data, hoarder.held[0].len, 0);
    reader_release(&hoarder);
    fixture_run_turns(loop, 2);
    assert_int_equal(count_groups(loop), 1);
    reader_close(&hoarder);
    reader_close(&other);
    halo_loop_free(loop);
}

/* Who is still armed on an old group and finds it empty moves over; the set need not grow for
 * that. */
static void test_receive_old_group_empty_is_no_reason_to_grow(void **state)
{
    enum { LATE = 3 };
    struct halo_loop *loop = fixture_loop(2, 64);
    struct reader hoarder;
    struct reader other;
    struct reader late[LATE];
    uint32_t total = 0;

    (void)state;
    reader_open(&hoarder, loop);
    reader_open(&other, loop);
    hoarder.hold = true;
    io_receiver_start(&hoarder.receiver);
    for (int i = 0; i < LATE; i++) {
        reader_open(&late[i], loop);
        late[i].total = &total;
        late[i].total_wanted = LATE * 10;
        io_receiver_start(&late[i].receiver);
    }
    fixture_run_turns(loop, 2); /* all are armed on the first group */
    peer_write(&hoarder, 0, 2 * 4096);
    hoarder.stop_at = 2 * 4096;
    fixture_run(loop);
    io_receiver_start(&other.receiver);
    peer_write(&other, 0, 10);
    other.stop_at = 10;
    fixture_run(loop);
    assert_int_equal(loop->bufring.current->count, 4);
    for (int i = 0; i < LATE; i++) {
        peer_write(&late[i], 0, 10);
    }
    fixture_run(loop);
    assert_int_equal(total, LATE * 10);
    assert_int_equal(loop->bufring.current->count, 4);
    reader_close(&hoarder);
    reader_close(&other);
    for (int i = 0; i < LATE; i++) {
        reader_close(&late[i]);
    }
    halo_loop_free(loop);
}

static void test_receive_copy_out(void **state)
{
    struct halo_loop *loop = fixture_loop(2, 2);
    struct reader reader;
    halo_slice borrowed = { .data = (const uint8_t *)"x", .len = 1 };
    halo_slice half;

    (void)state;
    reader_open(&reader, loop);
    reader.hold = true;
    io_receiver_start(&reader.receiver);
    peer_write(&reader, 0, 3000);
    reader.stop_at = 3000;
    fixture_run(loop);
    assert_int_equal(reader.num_held, 1);
    assert_int_equal(loop->bufring.current->out, 1);

    half = halo_slice_ref(reader.held[0]);
    half.data += 1000;
    half.len = 500;
    assert_int_equal(bufring_copy_out(loop, &half), 0);
    assert_false(bufring_owns(&half));
    assert_int_equal(loop->ledger.buffers, 2);
    assert_int_equal(bufring_copy_out(loop, &reader.held[0]), 0);
    assert_int_equal(loop->bufring.current->out, 0);
    assert_int_equal(bufring_copy_out(loop, &reader.held[0]), 0);
    assert_int_equal(bufring_copy_out(loop, &borrowed), 0);
    fixture_check(reader.held[0].data, reader.held[0].len, 0);
    fixture_check(half.data, half.len, 1000);
    halo_slice_release(&half);
    reader_close(&reader);
    assert_int_equal(loop->ledger.buffers, 0);
    halo_loop_free(loop);
}

static int allowed;

static void *counted_alloc(size_t size, void *ctx)
{
    (void)ctx;
    return allowed-- > 0 ? malloc(size) : NULL;
}

static void *counted_resize(void *memory, size_t size, void *ctx)
{
    (void)ctx;
    return allowed-- > 0 ? realloc(memory, size) : NULL;
}

static void counted_release(void *memory, void *ctx)
{
    (void)ctx;
    free(memory);
}

/* Without memory the set does not grow, and a slice stays what it is. */
static void test_receive_without_memory(void **state)
{
    struct halo_loop_options options;
    struct halo_loop *loop;
    struct reader hoarder;
    struct reader other;

    (void)state;
    memory_spare_max = 0;
    halo_loop_options_init(&options);
    options.receive_buffers = 2;
    options.receive_buffer_size = 4096;
    options.allocator = (halo_allocator){ counted_alloc, counted_resize, counted_release, NULL };
    allowed = 1000;
    assert_int_equal(halo_loop_new(&loop, &options), 0);
    reader_open(&hoarder, loop);
    reader_open(&other, loop);
    hoarder.hold = true;
    io_receiver_start(&hoarder.receiver);
    peer_write(&hoarder, 0, 2 * 4096);
    hoarder.stop_at = 2 * 4096;
    fixture_run(loop);

    io_receiver_start(&other.receiver);
    peer_write(&other, 0, 100);
    other.stop_at = 100;
    allowed = 1; /* the watchdog of the run */
    fixture_run_turns(loop, 5);
    assert_int_equal(other.calls, 0);
    assert_int_equal(loop->bufring.current->count, 2);
    assert_int_equal(bufring_copy_out(loop, &hoarder.held[0]), HALO_E_NOMEM);
    assert_true(bufring_owns(&hoarder.held[0]));
    fixture_check(hoarder.held[0].data, hoarder.held[0].len, 0);
    allowed = 1000;
    fixture_run(loop); /* grows now */
    assert_int_equal(loop->bufring.current->count, 4);
    reader_close(&hoarder);
    reader_close(&other);
    halo_loop_free(loop);
}

static void test_receive_from_1000_sockets(void **state)
{
    enum { READERS = 1000, OCTETS = 5000 };
    struct halo_loop *loop = fixture_loop(16, 512);
    struct reader *readers = calloc(READERS, sizeof(*readers));
    uint32_t total = 0;

    (void)state;
    for (int i = 0; i < READERS; i++) {
        reader_open(&readers[i], loop);
        readers[i].total = &total;
        readers[i].total_wanted = READERS * OCTETS;
        io_receiver_start(&readers[i].receiver);
        peer_write(&readers[i], 0, OCTETS);
    }
    fixture_run(loop);
    assert_int_equal(total, READERS * OCTETS);
    assert_int_equal(loop->ledger.buffers, 0);
    for (int i = 0; i < READERS; i++) {
        /* The peer goes, and every receiver hears of it. */
        io_close(loop, readers[i].peer);
        readers[i].peer = -1;
    }
    for (int i = 0; i < READERS; i++) {
        readers[i].stop_at_end = true;
        while (readers[i].ends == 0) {
            fixture_run(loop);
        }
        assert_int_equal(readers[i].error, 0);
        reader_close(&readers[i]);
    }
    halo_loop_free(loop);
    free(readers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receive_one_socket_exhausts_a_tiny_ring_and_recovers),
        cmocka_unit_test(test_receive_held_buffers_starve_until_they_come_home),
        cmocka_unit_test(test_receive_starved_may_pause_and_stop),
        cmocka_unit_test(test_receive_ring_doubles_and_old_groups_go),
        cmocka_unit_test(test_receive_old_group_lives_while_a_slice_of_it_does),
        cmocka_unit_test(test_receive_old_group_empty_is_no_reason_to_grow),
        cmocka_unit_test(test_receive_copy_out),
        cmocka_unit_test(test_receive_without_memory),
        cmocka_unit_test(test_receive_from_1000_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
