/*
 * Single mishaps on the scripted ring, which a kernel brings too seldom to wait for.
 */
#include "io_fixture.h"

#include "scripted_ring.h"

static struct halo_loop *scripted_loop(struct scripted_options options)
{
    struct halo_loop_options loop_options;
    struct halo_loop *loop;

    halo_loop_options_init(&loop_options);
    loop_options.receive_buffers = 4;
    assert_int_equal(loop_new_with_ring(&loop, &loop_options, scripted_ring_new(&options)), 0);
    return loop;
}

struct reading {
    struct io_read read;
    struct halo_loop *loop;
    char octets[100];
    int calls;
    int result;
};

static void on_read(struct io_read *read, int result)
{
    struct reading *reading = HALO_CONTAINER(read, struct reading, read);

    reading->calls++;
    reading->result = result;
    loop_unref(reading->loop);
}

static void reading_start(struct reading *reading, struct halo_loop *loop, int fd)
{
    *reading = (struct reading){ .loop = loop };
    io_read_init(&reading->read, loop, on_read);
    io_read_start(&reading->read, fd, reading->octets, sizeof(reading->octets), IO_READ_NO_OFFSET);
    loop_ref(loop);
}

static void test_mishap_wait_for_nothing_is_an_error(void **state)
{
    struct halo_loop *loop = scripted_loop((struct scripted_options){ .seed = 1 });

    (void)state;
    loop_ref(loop);
    assert_int_equal(halo_loop_run(loop), HALO_E_IO);
    assert_string_equal(halo_loop_error(loop), "The ring failed: Resource deadlock avoided.");
    loop_unref(loop);
    halo_loop_free(loop);
}

static void test_mishap_read_that_must_poll(void **state)
{
    struct halo_loop *loop =
        scripted_loop((struct scripted_options){ .seed = 3, .faults = { .again = 700 } });
    struct reading reading;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "hello", 5), 5);
    reading_start(&reading, loop, fds[0]);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_int_equal(reading.calls, 1);
    assert_int_equal(reading.result, 5);

    /* Called off while it waits for octets, which takes no attempts. */
    scripted_set_faults(loop->ring, &(struct scripted_faults){ .again = 1000 });
    reading_start(&reading, loop, fds[0]);
    fixture_run_turns(loop, 6);
    assert_int_equal(reading.calls, 0);
    assert_true(reading.read.polling);
    io_read_cancel(&reading.read);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_int_equal(reading.result, -ECANCELED);
    close(fds[0]);
    close(fds[1]);
    halo_loop_free(loop);
}

static void test_mishap_no_room_and_no_memory_in_the_kernel(void **state)
{
    struct halo_loop *loop = scripted_loop((struct scripted_options){ .seed = 1, .entries = 2 });
    struct reading readings[4];
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    reading_start(&readings[0], loop, fds[0]);
    reading_start(&readings[1], loop, fds[0]);
    fixture_run_turns(loop, 2);
    scripted_set_faults(loop->ring, &(struct scripted_faults){ .submit_error = 1000 });
    reading_start(&readings[2], loop, fds[0]);
    io_read_cancel(&readings[0].read); /* takes the last place */
    io_read_cancel(&readings[1].read); /* has to be asked again */
    io_read_cancel(&readings[1].read); /* is asked for already */
    reading_start(&readings[3], loop, fds[0]);
    assert_ptr_equal(loop->cancels, &readings[1].read.op);
    assert_int_equal(readings[3].read.op.state, IO_OP_FAILED);
    fixture_run_turns(loop, 3);
    assert_null(loop->cancels);
    assert_int_equal(readings[0].result, -ECANCELED);
    assert_int_equal(readings[1].result, -ECANCELED);
    assert_int_equal(readings[2].calls, 0);
    assert_int_equal(readings[3].result, -ENOMEM);

    scripted_set_faults(loop->ring, &(struct scripted_faults){ 0 });
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_int_equal(readings[2].result, 1);
    close(fds[0]);
    close(fds[1]);
    halo_loop_free(loop);
}

/* The operation ends while its cancel waits for room. */
static void test_mishap_cancel_that_is_not_needed_any_more(void **state)
{
    struct halo_loop *loop = scripted_loop((struct scripted_options){ .seed = 1, .entries = 1 });
    struct reading first;
    struct reading second;
    int fds[2];
    int others[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pipe(others), 0);
    reading_start(&first, loop, fds[0]);
    fixture_run_turns(loop, 2);
    scripted_set_faults(loop->ring, &(struct scripted_faults){ .submit_error = 1000 });
    reading_start(&second, loop, others[0]); /* takes the only place */
    io_read_cancel(&first.read);
    assert_ptr_equal(loop->cancels, &first.read.op);
    io_op_complete(loop, &first.read.op, -EINTR, 0);
    assert_null(loop->cancels);
    assert_int_equal(first.result, -ECANCELED);
    /* The ring still has it: its completion must not come. */
    scripted_forget(loop->ring, &first.read.op);
    io_read_cancel(&second.read);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_int_equal(second.result, -ECANCELED);
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(others[i]);
    }
    halo_loop_free(loop);
}

/* More sends of several pieces than there is room for their iovecs, while nothing can be
 * submitted. */
struct sending {
    struct io_sender sender;
    int fd;
    int peer;
    int calls;
    int result;
    uint8_t octets[30];
};

static struct sending sendings[LOOP_SEND_SLOTS + 1];

static void on_sent(struct io_sender *sender, int result)
{
    struct sending *sending = HALO_CONTAINER(sender, struct sending, sender);

    sending->calls++;
    sending->result = result;
}

static void send_everything(void *ctx)
{
    struct halo_loop *loop = ctx;

    scripted_set_faults(loop->ring, &(struct scripted_faults){ .submit_error = 1000 });
    for (uint32_t i = 0; i <= LOOP_SEND_SLOTS; i++) {
        struct sending *sending = &sendings[i];
        struct iovec pieces[3];

        for (int k = 0; k < 3; k++) {
            pieces[k] = (struct iovec){ .iov_base = sending->octets + 10 * k, .iov_len = 10 };
        }
        io_sender_send(&sending->sender, pieces, 3);
    }
}

static void send_without_room(bool vectorized)
{
    struct halo_loop *loop = scripted_loop((struct scripted_options){
        .seed = 1, .entries = 256, .capabilities = { .send_vectorized = vectorized } });

    for (uint32_t i = 0; i <= LOOP_SEND_SLOTS; i++) {
        struct sending *sending = &sendings[i];

        *sending = (struct sending){ 0 };
        scripted_pair(loop->ring, &sending->fd, &sending->peer);
        io_fd_opened(loop, sending->fd);
        io_sender_init(&sending->sender, loop, sending->fd, on_sent);
        fixture_fill(sending->octets, sizeof(sending->octets), i * 30);
    }
    assert_int_equal(halo_loop_post(loop, send_everything, loop), 0);
    fixture_run_turns(loop, 5);
    for (uint32_t i = 0; i <= LOOP_SEND_SLOTS; i++) {
        struct sending *sending = &sendings[i];
        uint8_t octets[40];

        assert_int_equal(sending->calls, 1);
        assert_int_equal(sending->result, i == LOOP_SEND_SLOTS ? -ENOMEM : 30);
        assert_int_equal(scripted_read(loop->ring, sending->peer, octets, sizeof(octets)),
                         i == LOOP_SEND_SLOTS ? 0 : 30);
        fixture_check(octets, i == LOOP_SEND_SLOTS ? 0 : 30, i * 30);
        io_close_now(loop, sending->fd);
        scripted_close(loop->ring, sending->peer, false);
    }
    halo_loop_free(loop);
}

static void test_mishap_no_room_for_pieces(void **state)
{
    (void)state;
    send_without_room(true);
    send_without_room(false);
}

/* A turn that takes long does not make the next timer late by as much. */
static void work_4_ms(void *ctx)
{
    struct halo_loop *loop = ctx;

    scripted_pass_ns(loop->ring, 4000000);
}

static void note_call(halo_timer *timer, void *ctx)
{
    (void)timer;
    *(bool *)ctx = true;
}

static void test_mishap_long_turn_and_near_timer(void **state)
{
    struct halo_loop *loop = scripted_loop((struct scripted_options){ .seed = 1 });
    uint64_t begin = loop_now_ns(loop);
    bool called = false;

    (void)state;
    assert_int_equal(halo_timer_start(NULL, loop, 6, 0, note_call, &called), 0);
    assert_int_equal(halo_loop_post(loop, work_4_ms, loop), 0);
    assert_int_equal(halo_loop_run(loop), 0);
    assert_true(called);
    assert_in_range(loop_now_ns(loop) - begin, 6000000, 6500000);
    halo_loop_free(loop);
}

struct connecting {
    struct io_connector connector;
    struct halo_loop *loop;
    int result;
};

static void on_connected(struct io_connector *connector, int result)
{
    struct connecting *connecting = HALO_CONTAINER(connector, struct connecting, connector);

    connecting->result = result;
    loop_unref(connecting->loop);
}

static void test_mishap_connect_refused_and_timed_out(void **state)
{
    struct halo_loop *loop = scripted_loop((struct scripted_options){ .seed = 1 });
    struct io_connect_options options = { .timeout_ns = UINT64_C(3000000000) };
    struct connecting connecting[2];
    struct io_address address;
    uint64_t since = loop_now_ns(loop);

    (void)state;
    for (int i = 0; i < 2; i++) {
        connecting[i] = (struct connecting){ .loop = loop };
        io_connector_init(&connecting[i].connector, loop, on_connected);
        /* Nobody listens on port 2; port 1 does not answer. */
        assert_int_equal(io_address_from_ip(&address, "127.0.0.1", (uint16_t)(2 - i)), 0);
        io_connector_start(&connecting[i].connector, &address, &options);
        loop_ref(loop);
    }
    assert_int_equal(halo_loop_run(loop), 0);
    assert_int_equal(connecting[0].result, -ECONNREFUSED);
    assert_int_equal(connecting[1].result, -ETIMEDOUT);
    assert_true(loop_now_ns(loop) - since >= options.timeout_ns);
    assert_int_equal(scripted_open_sockets(loop->ring), 0);
    halo_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mishap_wait_for_nothing_is_an_error),
        cmocka_unit_test(test_mishap_read_that_must_poll),
        cmocka_unit_test(test_mishap_no_room_and_no_memory_in_the_kernel),
        cmocka_unit_test(test_mishap_cancel_that_is_not_needed_any_more),
        cmocka_unit_test(test_mishap_no_room_for_pieces),
        cmocka_unit_test(test_mishap_long_turn_and_near_timer),
        cmocka_unit_test(test_mishap_connect_refused_and_timed_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
