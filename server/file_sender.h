/*
 * The body of a stream from a descriptor: read by io_uring into chunks, which are sent without a
 * copy.
 *
 *     scheduler asks the source -> one read into a chunk -> the chunk is queued in the stream
 *     last octet sent -> the chunk goes back, and whoever waits for one has its turn
 *
 * The scheduler asks only when the stream has nothing left to send and has window, and a read asks
 * for no more than the window takes: a stream that the peer holds back holds no memory. A sender
 * has FILE_CHUNKS_PER_STREAM chunks at most, one of which may be read into; all streams of a
 * connection have FILE_CHUNKS_PER_CONNECTION, and beyond take turns.
 *
 * While octets follow without the peer doing anything, the connection is told so (conn_guest):
 * packets that are not full then wait for them.
 *
 * A read owns its chunk until it completes, whatever becomes of the stream or the connection.
 */
#ifndef HALO_SERVER_FILE_SENDER_H
#define HALO_SERVER_FILE_SENDER_H

#include <halo/server.h>

#include "core/base/base.h"

struct file_sender;

struct file_body {
    int fd;
    bool close_fd;   /* io_fd_opened() has counted it */
    bool is_regular; /* `offset` and `left` count; else a pipe or socket, until its end */
    uint64_t offset;
    uint64_t left;
};

/* Makes a sender for a stream that runs on a loop. 0 or HALO_E_NOMEM; then the descriptor is the
 * caller's. */
int file_sender_new(struct file_sender **sender, halo_stream *stream,
                    const struct file_body *body) HALO_MUST_USE;
/* Becomes the stream's source, after its response headers: from here on it ends by itself, and
 * takes the descriptor with it. `flags`: HALO_WAIT_FOR_TRAILERS. */
void file_sender_start(struct file_sender *sender, unsigned flags);
/* Undoes file_sender_new(); the descriptor is the caller's. */
void file_sender_free(struct file_sender *sender);

#endif
