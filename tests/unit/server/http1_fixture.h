/*
 * The HTTP/1.1 machine without a connection: octets go in, what it answers and what the application was told are kept
 * as text.
 */
#ifndef HALO_TESTS_HTTP1_FIXTURE_H
#define HALO_TESTS_HTTP1_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <halo/connection.h>

#include "server/http1.h"

struct text {
    char *data;
    size_t len;
};

struct h1 {
    struct http1 http1;
    halo_session *session;
    struct text out;     /* octets for the client */
    struct text log;     /* what the application was told */
    halo_stream *stream; /* of the latest request, while it lives */
    bool over;           /* the session's end was told */
    int error;           /* HALO_E_* of it */
    uint32_t requests;
    bool by_hand; /* requests are logged and not answered */
    bool quiet;   /* content is not logged */
    int fail_in;  /* > 0: the so-manyth allocation is refused */
};

/* Options for the next h1_new(); reset to the defaults by it. */
extern struct halo_session_options h1_options;
/* Setup of each test. */
int h1_setup(void **state);

struct h1 *h1_new(void);
/* The same, with the so-manyth allocation refused; NULL when already the beginning failed. */
struct h1 *h1_new_failing(int fail_in);
void h1_free(struct h1 *h1);
/* Octets of the client; then everything that follows from them. */
void h1_send(struct h1 *h1, const char *octets, size_t len);
void h1_say(struct h1 *h1, const char *text);
/* Without pulling what is answered. */
void h1_send_only(struct h1 *h1, const char *octets, size_t len);
/* Lets everything happen that can. */
void h1_run(struct h1 *h1);
/* Time passes. */
void h1_wait_ms(struct h1 *h1, uint32_t ms);
/* The status of the first response; 0: none. */
int h1_status(const struct h1 *h1);
/* Fails when the output is not this; then forgets it. */
void h1_expect(struct h1 *h1, const char *out);
void h1_expect_log(struct h1 *h1, const char *log);
/* A machine that was asked for "/", and whose application has not answered: h1->stream waits. */
struct h1 *h1_ask(const char *method, int minor);
/* Answers it; `length` NULL: without content-length, `body` NULL: without an end. */
void h1_respond(struct h1 *h1, int status, const char *length, const char *body);
/* "name: value" as a header list of one. */
halo_headers h1_field(halo_header *field, const char *name, const char *value);

#endif
