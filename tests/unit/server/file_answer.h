/*
 * How the tests of file responses answer: each request gets the file response that `answer` describes, and what came
 * of it is kept there.
 */
#ifndef HALO_TESTS_FILE_ANSWER_H
#define HALO_TESTS_FILE_ANSWER_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "served.h"

struct file_answer {
    /* The response. */
    int status;
    const halo_headers *headers;
    int fd;
    struct halo_file_options options;
    bool no_options;
    const char *path; /* not NULL: halo_stream_respond_file() */
    /* What came of it. */
    int result;
    int result_errno;
    int closes; /* on_close calls */
    int close_status;
    int close_errno;
    int wants;       /* on_want_trailers calls */
    int write_while; /* result of a write while the file is sent */
    halo_stream *stream;
};

extern struct file_answer answer;

/* Setup of each test: 200, all of the file, without closing it. */
int answer_setup(void **state);
/* For served_new(). A response that is refused becomes a 500. */
void answer_request(struct served *served, halo_stream *stream);

/* A file in memory of `len` octets of served_octet(). */
int file_of(uint64_t len);
/* The body is those octets from `from` on, and the stream ended well. */
void check_body(const struct fetched *fetched, uint64_t from, uint64_t len);
void check_fd_closed(int fd);
/* For served_run(): the first request has its response headers. */
bool has_headers(struct served *served);

#endif
