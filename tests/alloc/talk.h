/*
 * Conversations that are had again and again, each time with another allocation failing: the n-th
 * alone, or the n-th and all behind it, for every n until one goes through. Whatever fails, nothing
 * crashes and nothing leaks, done() is called exactly once, each stream that was told of is told to
 * be closed, once and before its session, and a connection that lives on answers.
 */
#ifndef HALO_TESTS_ALLOC_TALK_H
#define HALO_TESTS_ALLOC_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <halo/session.h>

#include "frames.h"
#include "test_memory.h"

enum {
    TALK_STREAMS_MAX = 100,
    TALK_KEPT_MAX = 64,
};

struct talk {
    halo_session *session;
    struct test_memory memory;
    int role;
    struct wire in;

    /* By their place in streams[]; NULL when closed. */
    halo_stream *streams[TALK_STREAMS_MAX];
    uint32_t opened;
    uint32_t closed;
    bool over;
    bool pong;
    uint64_t now_ns;
    uint32_t accepted; /* borrowed writes, slices and sources that halo took */
    uint32_t done;
    halo_slice kept[TALK_KEPT_MAX];
    size_t kept_count;
    uint32_t source_left; /* octets that the source still has */
    bool source_idle;

    /* Called for each event, behind the checks. */
    void (*app)(struct talk *talk, const struct halo_event *event);
    bool keeps; /* every DATA event is kept */
};

struct talk_case {
    int role;
    void (*run)(struct talk *talk);
    void (*options)(struct halo_session_options *options); /* NULL: the defaults */
};

/* A cmocka test; its state is a struct talk_case. */
void talk_test(void **state);

#define TALK_CASE(role_, function, options_)                                                       \
    {                                                                                              \
#function, talk_test, NULL, NULL, &(struct talk_case)                                      \
        {                                                                                          \
            .role = (role_), .run = (function), .options = (options_)                              \
        }                                                                                          \
    }

/* Hands in talk->in in pieces of that size, polls and pulls until nothing moves. */
void talk_go(struct talk *talk, size_t piece);
/* What a call said: 0, or, once memory has failed, what follows from that. True for 0. */
#define talk_took(talk, status) talk_judge(talk, status, __FILE__, __LINE__)
bool talk_judge(struct talk *talk, int status, const char *file, int line);

/* The stream of the n-th request; NULL when it is closed or never came. */
/* Time passes. */
void talk_wait(struct talk *talk, uint32_t milliseconds);
/* A stream of halo's own making, a pushed one: its close will be told. */
void talk_opened(struct talk *talk, halo_stream *stream);
halo_stream *talk_stream(struct talk *talk, uint32_t n);
halo_stream *talk_request(struct talk *talk, const char *method, const halo_headers *headers,
                          unsigned flags);
/* Octets for bodies: as many as 100000. */
const uint8_t *talk_body(void);
void talk_borrow(struct talk *talk, halo_stream *stream, size_t len, unsigned flags);
void talk_slice(struct talk *talk, halo_stream *stream, size_t len, unsigned flags);
void talk_source(struct talk *talk, halo_stream *stream, uint32_t len, unsigned flags);
void talk_release(struct talk *talk);

#endif
