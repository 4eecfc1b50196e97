#include "io_fixture.h"

enum { HELD_MAX = 64 };

/* A receiver with its peer, and what the test wants of it. */
struct reader {
    struct io_receiver receiver;
    struct halo_loop *loop;
    int fd;
    int peer;
    uint32_t received;
    uint32_t stop_at; /* ends the run when so many octets are there */
    uint32_t calls;
    int ends;
    int error;
    bool stop_at_end;
    bool pause_in_callback;
    bool stop_in_callback;
    bool stop_answer;
    bool hold;
    halo_slice held[HELD_MAX];
    uint32_t num_held;
    uint32_t *total; /* of all readers */
    uint32_t total_wanted;
};

static void on_received(struct io_receiver *receiver, halo_slice *slice)
{
    struct reader *reader = HALO_CONTAINER(receiver, struct reader, receiver);

    assert_true(slice->len > 0);
    assert_true(bufring_owns(slice));
    fixture_check(slice->data, slice->len, reader->received);
    reader->received += (uint32_t)slice->len;
    reader->calls++;
    if (reader->total != NULL) {
        *reader->total += (uint32_t)slice->len;
        if (*reader->total == reader->total_wanted) {
            halo_loop_stop(reader->loop);
        }
    }
    if (reader->hold && reader->num_held < HELD_MAX) {
        reader->held[reader->num_held++] = *slice;
    } else {
        halo_slice_release(slice);
    }
    if (reader->pause_in_callback) {
        io_receiver_pause(receiver);
    }
    if (reader->stop_in_callback) {
        reader->stop_answer = io_receiver_stop(receiver);
    }
    if (reader->stop_at != 0 && reader->received >= reader->stop_at) {
        halo_loop_stop(reader->loop);
    }
}

static void on_receive_end(struct io_receiver *receiver, int error)
{
    struct reader *reader = HALO_CONTAINER(receiver, struct reader, receiver);

    assert_true(io_receiver_idle(receiver));
    reader->ends++;
    reader->error = error;
    if (reader->stop_at_end) {
        halo_loop_stop(reader->loop);
    }
}

static void reader_open(struct reader *reader, struct halo_loop *loop)
{
    int fds[2];

    *reader = (struct reader){ .loop = loop };
    fixture_pair(loop, fds);
    reader->fd = fds[0];
    reader->peer = fds[1];
    io_receiver_init(&reader->receiver, loop, reader->fd, on_received, on_receive_end);
    reader->receiver.is_local = true;
}

static void reader_release(struct reader *reader)
{
    for (uint32_t i = 0; i < reader->num_held; i++) {
        halo_slice_release(&reader->held[i]);
    }
    reader->num_held = 0;
}

/* Ends the receiver, if it did not end by itself, and closes. */
static void reader_close(struct reader *reader)
{
    reader_release(reader);
    if (!io_receiver_stop(&reader->receiver)) {
        reader->stop_at_end = true;
        fixture_run(reader->loop);
        assert_int_equal(reader->error, -ECANCELED);
    }
    assert_true(reader->ends <= 1);
    assert_true(io_receiver_idle(&reader->receiver));
    io_close(reader->loop, reader->fd);
    if (reader->peer >= 0) {
        io_close(reader->loop, reader->peer);
    }
}

static void peer_write(struct reader *reader, uint32_t from, size_t len)
{
    uint8_t *octets = malloc(len);

    fixture_fill(octets, len, from);
    assert_int_equal(write(reader->peer, octets, len), len);
    free(octets);
}

static void test_receive_octets_then_end(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;

    (void)state;
    reader_open(&reader, loop);
    io_receiver_start(&reader.receiver); /* before the loop has a ring */
    peer_write(&reader, 0, 10);
    reader.stop_at = 10;
    fixture_run(loop);
    peer_write(&reader, 10, 9000);
    reader.stop_at = 9010;
    fixture_run(loop);
    assert_int_equal(reader.received, 9010);
    assert_int_equal(reader.ends, 0);
    assert_int_equal(loop->ledger.buffers, 0);

    io_close(loop, reader.peer);
    reader.peer = -1;
    reader.stop_at_end = true;
    fixture_run(loop);
    assert_int_equal(reader.ends, 1);
    assert_int_equal(reader.error, 0);
    reader_close(&reader);
    halo_loop_free(loop);
}

static void test_receive_error(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;
    int not_socket[2];

    (void)state;
    reader_open(&reader, loop);
    assert_int_equal(pipe(not_socket), 0);
    assert_int_equal(write(not_socket[1], "x", 1), 1);
    reader.receiver.fd = not_socket[0];
    io_receiver_start(&reader.receiver);
    reader.stop_at_end = true;
    fixture_run(loop);
    assert_int_equal(reader.error, -ENOTSOCK);
    reader_close(&reader);
    close(not_socket[0]);
    close(not_socket[1]);
    halo_loop_free(loop);
}

static void test_receive_stop(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;

    (void)state;
    reader_open(&reader, loop);
    assert_true(io_receiver_stop(&reader.receiver)); /* never started */
    io_receiver_start(&reader.receiver);
    assert_true(io_receiver_stop(&reader.receiver)); /* waits for the ring */
    io_receiver_start(&reader.receiver);
    fixture_run_turns(loop, 2);
    assert_false(io_receiver_stop(&reader.receiver));
    peer_write(&reader, 0, 100); /* dropped */
    assert_false(io_receiver_stop(&reader.receiver));
    reader.stop_at_end = true;
    fixture_run(loop);
    assert_int_equal(reader.ends, 1);
    assert_int_equal(reader.error, -ECANCELED);
    assert_int_equal(reader.calls, 0);
    assert_int_equal(loop->ledger.buffers, 0);
    reader_close(&reader);
    halo_loop_free(loop);
}

static void test_receive_stop_in_callback(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;

    (void)state;
    reader_open(&reader, loop);
    reader.stop_in_callback = true;
    reader.stop_at_end = true;
    io_receiver_start(&reader.receiver);
    peer_write(&reader, 0, 20000); /* more completions of the batch must be dropped */
    fixture_run(loop);
    assert_false(reader.stop_answer);
    assert_int_equal(reader.calls, 1);
    assert_int_equal(reader.ends, 1);
    reader_close(&reader);
    halo_loop_free(loop);
}

/* The end of the operation may be the very completion whose callback stops the receiver. */
static void test_receive_stop_in_callback_of_single_shot(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;

    (void)state;
    fixture_run_turns(loop, 1);
    loop->ring->capabilities.receive_multishot = false;
    reader_open(&reader, loop);
    reader.stop_in_callback = true;
    reader.stop_at_end = true;
    io_receiver_start(&reader.receiver);
    peer_write(&reader, 0, 100);
    fixture_run(loop);
    assert_false(reader.stop_answer);
    assert_int_equal(reader.calls, 1);
    assert_int_equal(reader.ends, 1);
    assert_int_equal(reader.error, -ECANCELED);
    reader_close(&reader);
    halo_loop_free(loop);
}

static void test_receive_single_shot(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;

    (void)state;
    fixture_run_turns(loop, 1);
    loop->ring->capabilities.receive_multishot = false;
    reader_open(&reader, loop);
    io_receiver_start(&reader.receiver);
    peer_write(&reader, 0, 50000);
    reader.stop_at = 50000;
    fixture_run(loop);
    shutdown(reader.peer, SHUT_WR);
    reader.stop_at_end = true;
    fixture_run(loop);
    assert_int_equal(reader.error, 0);
    reader_close(&reader);
    halo_loop_free(loop);
}

/* ---- pause ---- */

static void test_receive_pause_and_resume(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;

    (void)state;
    reader_open(&reader, loop);
    io_receiver_start(&reader.receiver);
    fixture_run_turns(loop, 2);
    io_receiver_pause(&reader.receiver);
    io_receiver_pause(&reader.receiver);
    fixture_run_turns(loop, 2);
    peer_write(&reader, 0, 100);
    shutdown(reader.peer, SHUT_WR);
    fixture_run_turns(loop, 5);
    assert_int_equal(reader.calls, 0);
    assert_int_equal(reader.ends, 0); /* the end is not noticed either */
    assert_false(io_receiver_idle(&reader.receiver));

    io_receiver_resume(&reader.receiver);
    reader.stop_at_end = true;
    fixture_run(loop);
    assert_int_equal(reader.received, 100);
    assert_int_equal(reader.error, 0);
    reader_close(&reader);
    halo_loop_free(loop);
}

static void test_receive_pause_in_callback_limits_what_comes(void **state)
{
    struct halo_loop *loop = fixture_loop(32, 32);
    struct reader reader;
    uint32_t before;

    (void)state;
    reader_open(&reader, loop);
    reader.pause_in_callback = true;
    io_receiver_start(&reader.receiver);
    peer_write(&reader, 0, 100000);
    fixture_run_turns(loop, 3);
    /* What lay in the completion queue: one budget, where the kernel knows budgets. */
    assert_true(reader.received > 0);
    if (loop->ring->capabilities.receive_budget) {
        assert_true(reader.received <= IO_RECEIVE_BUDGET);
    }
    before = reader.received;
    fixture_run_turns(loop, 10);
    assert_int_equal(reader.received, before);
    assert_int_equal(loop->ledger.operations, 0);

    reader.pause_in_callback = false;
    io_receiver_resume(&reader.receiver);
    reader.stop_at = 100000;
    fixture_run(loop);
    reader_close(&reader);
    halo_loop_free(loop);
}

static void test_receive_resume_overtakes_the_cancel_of_pause(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;

    (void)state;
    reader_open(&reader, loop);
    io_receiver_start(&reader.receiver);
    fixture_run_turns(loop, 2);
    for (int i = 0; i < 5; i++) {
        io_receiver_pause(&reader.receiver);
        io_receiver_resume(&reader.receiver);
    }
    peer_write(&reader, 0, 100);
    reader.stop_at = 100;
    fixture_run(loop);
    reader_close(&reader);
    halo_loop_free(loop);
}

static void test_receive_paused_before_start(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;

    (void)state;
    reader_open(&reader, loop);
    io_receiver_pause(&reader.receiver);
    io_receiver_start(&reader.receiver);
    peer_write(&reader, 0, 100);
    fixture_run_turns(loop, 3);
    assert_int_equal(reader.calls, 0);
    assert_true(io_receiver_stop(&reader.receiver));
    io_receiver_start(&reader.receiver);
    io_receiver_resume(&reader.receiver);
    reader.stop_at = 100;
    fixture_run(loop);
    reader_close(&reader);
    halo_loop_free(loop);
}

/* ---- fairness ---- */

static void test_receive_budget_gives_others_their_turn(void **state)
{
    struct halo_loop *loop = fixture_loop(128, 128);
    struct reader flood;
    struct reader quiet;

    (void)state;
    reader_open(&flood, loop);
    reader_open(&quiet, loop);
    io_receiver_start(&flood.receiver);
    io_receiver_start(&quiet.receiver);
    fixture_run_turns(loop, 2);
    if (!loop->ring->capabilities.receive_budget) {
        print_message("no receive budget on this kernel\n");
    } else {
        peer_write(&flood, 0, 180000);
        peer_write(&quiet, 0, 10);
        quiet.stop_at = 10;
        fixture_run(loop);
        assert_in_range(flood.received, 0, IO_RECEIVE_BUDGET);
        flood.stop_at = 180000;
        fixture_run(loop);
    }
    reader_close(&flood);
    reader_close(&quiet);
    halo_loop_free(loop);
}

/* ---- buffers ---- */

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

static void test_receive_shutdown_ends_it(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader reader;

    (void)state;
    reader_open(&reader, loop);
    io_receiver_start(&reader.receiver);
    fixture_run_turns(loop, 2);
    assert_int_equal(io_shutdown(loop, reader.fd, SHUT_RDWR), 0);
    reader.stop_at_end = true;
    fixture_run(loop);
    assert_int_equal(reader.error, 0);
    reader_close(&reader);
    halo_loop_free(loop);
}

static void test_receive_loop_is_freed_under_it(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct reader readers[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        reader_open(&readers[i], loop);
        io_receiver_start(&readers[i].receiver);
    }
    fixture_run_turns(loop, 2);
    for (int i = 0; i < 3; i++) {
        io_close(loop, readers[i].peer);
        io_fd_closed(loop, readers[i].fd); /* the loop must not use it any more */
    }
    halo_loop_free(loop);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(readers[i].ends, 1);
        assert_int_equal(readers[i].error, -ECANCELED);
        close(readers[i].fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receive_octets_then_end),
        cmocka_unit_test(test_receive_error),
        cmocka_unit_test(test_receive_stop),
        cmocka_unit_test(test_receive_stop_in_callback),
        cmocka_unit_test(test_receive_stop_in_callback_of_single_shot),
        cmocka_unit_test(test_receive_single_shot),
        cmocka_unit_test(test_receive_pause_and_resume),
        cmocka_unit_test(test_receive_pause_in_callback_limits_what_comes),
        cmocka_unit_test(test_receive_resume_overtakes_the_cancel_of_pause),
        cmocka_unit_test(test_receive_paused_before_start),
        cmocka_unit_test(test_receive_budget_gives_others_their_turn),
        cmocka_unit_test(test_receive_one_socket_exhausts_a_tiny_ring_and_recovers),
        cmocka_unit_test(test_receive_held_buffers_starve_until_they_come_home),
        cmocka_unit_test(test_receive_starved_may_pause_and_stop),
        cmocka_unit_test(test_receive_ring_doubles_and_old_groups_go),
        cmocka_unit_test(test_receive_old_group_lives_while_a_slice_of_it_does),
        cmocka_unit_test(test_receive_copy_out),
        cmocka_unit_test(test_receive_without_memory),
        cmocka_unit_test(test_receive_from_1000_sockets),
        cmocka_unit_test(test_receive_shutdown_ends_it),
        cmocka_unit_test(test_receive_loop_is_freed_under_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
