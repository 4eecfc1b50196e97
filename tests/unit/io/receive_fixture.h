/*
 * A receiver with its peer, for the tests of core/io/sock_receive.c and bufring.c.
 */
#ifndef HALO_TESTS_RECEIVE_FIXTURE_H
#define HALO_TESTS_RECEIVE_FIXTURE_H

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

static inline void on_received(struct io_receiver *receiver, halo_slice *slice)
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

static inline void on_receive_end(struct io_receiver *receiver, int error)
{
    struct reader *reader = HALO_CONTAINER(receiver, struct reader, receiver);

    assert_true(io_receiver_idle(receiver));
    reader->ends++;
    reader->error = error;
    if (reader->stop_at_end) {
        halo_loop_stop(reader->loop);
    }
}

static inline void reader_open(struct reader *reader, struct halo_loop *loop)
{
    int fds[2];

    *reader = (struct reader){ .loop = loop };
    fixture_pair(loop, fds);
    reader->fd = fds[0];
    reader->peer = fds[1];
    io_receiver_init(&reader->receiver, loop, reader->fd, on_received, on_receive_end);
    reader->receiver.is_local = true;
}

static inline void reader_release(struct reader *reader)
{
    for (uint32_t i = 0; i < reader->num_held; i++) {
        halo_slice_release(&reader->held[i]);
    }
    reader->num_held = 0;
}

/* Ends the receiver, if it did not end by itself, and closes. */
static inline void reader_close(struct reader *reader)
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

static inline void peer_write(struct reader *reader, uint32_t from, size_t len)
{
    uint8_t *octets = malloc(len);

    fixture_fill(octets, len, from);
    assert_int_equal(write(reader->peer, octets, len), len);
    free(octets);
}

#endif
