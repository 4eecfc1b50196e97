#include "receive_fixture.h"

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
        cmocka_unit_test(test_receive_shutdown_ends_it),
        cmocka_unit_test(test_receive_loop_is_freed_under_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
