#include "io_fixture.h"

#include <netinet/tcp.h>

/* Sends a run of octets, as long as it takes; the peer reads with plain calls. */
struct writer {
    struct io_sender sender;
    struct halo_loop *loop;
    int fd;
    int peer;
    uint8_t *octets;
    uint32_t len;
    uint32_t sent;
    uint32_t one_send; /* octets per send at most */
    uint32_t pieces;
    uint32_t calls;
    uint32_t short_calls;
    int error;
    bool stop_when_done;
    bool once; /* no further send after the first */
};

static void send_next(struct writer *writer)
{
    struct iovec pieces[IO_SEND_PIECES_MAX];
    uint32_t left = min_u32(writer->len - writer->sent, writer->one_send);
    uint8_t *from = writer->octets + writer->sent;
    int count = 0;

    while (left > 0) {
        uint32_t len = min_u32(left, (uint32_t)count + 1 == writer->pieces ? left : 1 + left / 3);

        pieces[count++] = (struct iovec){ .iov_base = from, .iov_len = len };
        from += len;
        left -= len;
    }
    io_sender_send(&writer->sender, pieces, count);
}

static void on_sent(struct io_sender *sender, int result)
{
    struct writer *writer = HALO_CONTAINER(sender, struct writer, sender);
    uint32_t asked = min_u32(writer->len - writer->sent, writer->one_send);

    assert_true(io_sender_idle(sender));
    writer->calls++;
    if (result < 0) {
        writer->error = result;
    } else {
        assert_in_range(result, 0, asked);
        writer->short_calls += (uint32_t)result < asked;
        writer->sent += (uint32_t)result;
        if (writer->sent < writer->len && !writer->once) {
            send_next(writer);
            return;
        }
    }
    if (writer->stop_when_done) {
        halo_loop_stop(writer->loop);
    }
}

static void start_sending(void *ctx)
{
    send_next(ctx);
}

/* The octets are those of the pattern from `from` on. */
static void writer_open_from(struct writer *writer, struct halo_loop *loop, uint32_t from,
                             uint32_t len, uint32_t one_send, uint32_t pieces)
{
    const int small = 4096;
    int fds[2];

    *writer = (struct writer){
        .loop = loop, .len = len, .one_send = one_send, .pieces = pieces, .stop_when_done = true
    };
    fixture_pair(loop, fds);
    writer->fd = fds[0];
    writer->peer = fds[1];
    setsockopt(writer->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    writer->octets = malloc(len);
    fixture_fill(writer->octets, len, from);
    io_sender_init(&writer->sender, loop, writer->fd, on_sent);
    assert_int_equal(halo_loop_post(loop, start_sending, writer), 0);
}

static void writer_open(struct writer *writer, struct halo_loop *loop, uint32_t len,
                        uint32_t one_send, uint32_t pieces)
{
    writer_open_from(writer, loop, 0, len, one_send, pieces);
}

static void writer_close(struct writer *writer)
{
    assert_true(io_sender_idle(&writer->sender));
    io_close(writer->loop, writer->fd);
    if (writer->peer >= 0) {
        io_close(writer->loop, writer->peer);
    }
    free(writer->octets);
}

/* The peer reads everything that comes, in the turns of the loop. */
struct drain {
    struct io_read read;
    struct writer *writer;
    uint8_t octets[1500];
    uint32_t received;
};

static void on_drained(struct io_read *read, int result)
{
    struct drain *drain = HALO_CONTAINER(read, struct drain, read);

    assert_true(result > 0);
    fixture_check(drain->octets, (size_t)result, drain->received);
    drain->received += (uint32_t)result;
    if (drain->received < drain->writer->len) {
        io_read_start(read, drain->writer->peer, drain->octets, sizeof(drain->octets),
                      IO_READ_NO_OFFSET);
    } else if (!drain->writer->stop_when_done) {
        halo_loop_stop(read->loop);
    }
}

static void drain_start(struct drain *drain, struct writer *writer)
{
    drain->writer = writer;
    drain->received = 0;
    io_read_init(&drain->read, writer->loop, on_drained);
    io_read_start(&drain->read, writer->peer, drain->octets, sizeof(drain->octets),
                  IO_READ_NO_OFFSET);
}

static void send_all(uint32_t len, uint32_t one_send, uint32_t pieces, bool vectorized)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct writer writer;
    struct drain drain;

    fixture_run_turns(loop, 1);
    loop->ring->capabilities.send_vectorized &= vectorized;
    writer_open(&writer, loop, len, one_send, pieces);
    writer.stop_when_done = false;
    drain_start(&drain, &writer);
    fixture_run(loop);
    assert_int_equal(writer.sent, len);
    assert_int_equal(drain.received, len);
    assert_int_equal(writer.error, 0);
    writer_close(&writer);
    halo_loop_free(loop);
}

static void test_send_one_piece(void **state)
{
    (void)state;
    send_all(100, 100, 1, true);
    send_all(300000, 300000, 1, true); /* far more than the socket takes at once */
}

static void test_send_pieces(void **state)
{
    (void)state;
    send_all(1000, 1000, 16, true);
    send_all(300000, 50000, 16, true);
    send_all(300000, 50000, 2, true);
}

static void test_send_pieces_without_vectorized(void **state)
{
    (void)state;
    send_all(300000, 50000, 16, false);
}

static void test_send_more_at_once_than_the_loop_has_room_for(void **state)
{
    enum { WRITERS = 600 };
    struct halo_loop *loop = fixture_loop(8, 8);
    struct writer *writers = calloc(WRITERS, sizeof(*writers));
    char octets[64];

    (void)state;
    for (int i = 0; i < WRITERS; i++) {
        writer_open_from(&writers[i], loop, (uint32_t)i * 60, 60, 60, 5);
        writers[i].stop_when_done = i == WRITERS - 1;
    }
    fixture_run(loop);
    for (int i = 0; i < WRITERS; i++) {
        while (writers[i].sent < 60) {
            fixture_run_turns(loop, 1);
        }
        assert_int_equal(read(writers[i].peer, octets, sizeof(octets)), 60);
        fixture_check((uint8_t *)octets, 60, (uint32_t)i * 60);
        writer_close(&writers[i]);
    }
    halo_loop_free(loop);
    free(writers);
}

static void test_send_to_a_closed_peer(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct writer writer;

    (void)state;
    writer_open(&writer, loop, 100, 100, 1);
    io_close_now(loop, writer.peer);
    writer.peer = -1;
    fixture_run(loop); /* and no SIGPIPE */
    assert_int_equal(writer.error, -EPIPE);
    writer_close(&writer);
    halo_loop_free(loop);
}

static void test_send_cancel_reports_what_was_accepted(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct writer writer;
    uint8_t octets[4096];
    uint32_t received = 0;
    ssize_t len;

    (void)state;
    writer_open(&writer, loop, 1000000, 1000000, 4);
    writer.once = true;
    fixture_run_turns(loop, 3);
    assert_int_equal(writer.calls, 0); /* stuck: nobody reads */
    assert_false(io_sender_cancel(&writer.sender));
    assert_false(io_sender_cancel(&writer.sender));
    fixture_run(loop);
    assert_int_equal(writer.calls, 1);
    assert_true(io_sender_cancel(&writer.sender));
    while ((len = recv(writer.peer, octets, sizeof(octets), MSG_DONTWAIT)) > 0) {
        fixture_check(octets, (size_t)len, received);
        received += (uint32_t)len;
    }
    /* A short result, or an error when nothing had been accepted. */
    assert_int_equal(received, writer.error != 0 ? 0 : writer.sent);
    assert_in_range(received, 1, 999999);
    writer_close(&writer);
    halo_loop_free(loop);
}

static void test_send_shutdown_ends_a_stuck_send(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct writer writer;

    (void)state;
    writer_open(&writer, loop, 1000000, 1000000, 1);
    writer.once = true;
    fixture_run_turns(loop, 3);
    assert_int_equal(writer.calls, 0);
    assert_int_equal(io_shutdown(loop, writer.fd, SHUT_RDWR), 0);
    fixture_run(loop);
    assert_int_equal(writer.calls, 1);
    writer_close(&writer);
    halo_loop_free(loop);
}

static void test_send_loop_is_freed_under_it(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct writer writer;
    int fd;

    (void)state;
    writer_open(&writer, loop, 1000000, 1000000, 3);
    fixture_run_turns(loop, 3);
    fd = writer.fd;
    io_close(loop, writer.peer);
    io_fd_closed(loop, fd);
    halo_loop_free(loop);
    assert_true(writer.calls >= 1);
    assert_true(writer.error == -ECANCELED || writer.error == -EPIPE);
    close(fd);
    free(writer.octets);
}

static int cork_of(int fd)
{
    int value = -1;
    socklen_t len = sizeof(value);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, &len), 0);
    return value;
}

static void test_send_cork(void **state)
{
    struct io_sender sender;
    struct halo_loop *loop = fixture_loop(4, 4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    io_sender_init(&sender, loop, fd, on_sent);
    io_sender_cork(&sender, false);
    assert_int_equal(cork_of(fd), 0);
    io_sender_cork(&sender, true);
    assert_int_equal(cork_of(fd), 1);
    io_sender_cork(&sender, true);
    assert_true(sender.corked);
    io_sender_cork(&sender, false);
    assert_int_equal(cork_of(fd), 0);
    close(fd);
    halo_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_one_piece),
        cmocka_unit_test(test_send_pieces),
        cmocka_unit_test(test_send_pieces_without_vectorized),
        cmocka_unit_test(test_send_more_at_once_than_the_loop_has_room_for),
        cmocka_unit_test(test_send_to_a_closed_peer),
        cmocka_unit_test(test_send_cancel_reports_what_was_accepted),
        cmocka_unit_test(test_send_shutdown_ends_a_stuck_send),
        cmocka_unit_test(test_send_loop_is_freed_under_it),
        cmocka_unit_test(test_send_cork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
