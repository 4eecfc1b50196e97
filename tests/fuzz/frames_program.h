/*
 * The program that the target session_frames runs: its state, and the reading of its octets.
 */
#ifndef HALO_TESTS_FRAMES_PROGRAM_H
#define HALO_TESTS_FRAMES_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include <halo/hpack.h>
#include <halo/session.h>

#include "core/base/base.h"
#include "core/proto/frame.h"

enum {
    PAYLOAD_MAX = 20000,
    STREAMS_MAX = 64,
    STEPS_MAX = 400,
    KEPT_MAX = 16,
    OUTPUT_MAX = 70000,
    DEPTH_MAX = 8
};

struct program {
    const uint8_t *at;
    const uint8_t *end;
    halo_session *session;
    halo_hpack_encoder *encoder; /* the peer's */
    halo_hpack_decoder *decoder;
    int role;
    uint64_t now_ns;
    uint32_t next_id; /* that the peer would open next */
    halo_stream *streams[STREAMS_MAX];
    size_t streams_count;
    halo_slice kept[KEPT_MAX];
    size_t borrowed;
    size_t given_back;
    bool closed;
    bool freeing; /* the session is: calls are over */
    int depth;    /* of calls from within done() */
    /* What the session sent, as far as it is not a whole frame yet. */
    uint8_t output[OUTPUT_MAX];
    size_t output_len;
    bool seen_preface;
    uint32_t block_of; /* stream of the header block that is not complete */
    uint32_t frame_max;
};

static inline uint32_t program_next(struct program *program)
{
    return program->at < program->end ? *program->at++ : 0;
}

/* One of a few numbers, the last octet of the choice left over. */
static inline uint32_t program_pick(struct program *program, const uint32_t *numbers, size_t count)
{
    return numbers[program_next(program) % count];
}
#define PICK(program, ...)                                                                         \
    program_pick((program), (const uint32_t[]){ __VA_ARGS__ },                                     \
                 sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static inline halo_stream *program_pick_stream(struct program *program)
{
    uint32_t number = program_next(program);

    return program->streams_count > 0 ? program->streams[number % program->streams_count] : NULL;
}

/* The application of the session; poll() tells it what happened. */
void program_poll(struct program *program);
void program_act_on_stream(struct program *program, halo_stream *stream);
void program_act_on_session(struct program *program);
/* Sends, at most so much, and checks that it is frames. */
void program_send(struct program *program, size_t limit);

#endif
