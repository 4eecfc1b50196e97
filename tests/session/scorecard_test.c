/* Rows of a scorecard of attacks that concern one session alone and are no other test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <halo/hpack.h>
#include <halo/session.h>

#include "core/base/base.h"
#include "frames.h"

enum {
    STREAMS = 1024,
    STACK = 64 * 1024,
    STACK_OF_THREADS = 256 * 1024, /* sanitizers need more than a stack may have otherwise */
    NAMES = 1000000,
};

/* ---- 28: many streams that end at once ------------------------------------------------- */

struct mass {
    struct wire in;
    int closed;
    size_t stack_used;
};

static size_t poll_all(halo_session *session, struct mass *mass)
{
    struct halo_event event;
    size_t count = 0;

    while (halo_session_poll(session, &event) != 0) {
        mass->closed += event.type == HALO_EVENT_STREAM_CLOSED;
        count++;
    }
    return count;
}

static void *close_many(void *ctx)
{
    struct mass *mass = ctx;
    struct halo_session_options options;
    halo_session *session;

    halo_session_options_init(&options, HALO_SERVER);
    options.settings.max_concurrent_streams = STREAMS;
    if (halo_session_new(&session, &options, 1) != 0) {
        return NULL;
    }
    (void)halo_session_recv(session, mass->in.data, mass->in.len, 1);
    poll_all(session, mass);
    halo_session_destroy(session, HALO_CANCEL);
    poll_all(session, mass);
    halo_session_free(session);
    return NULL;
}

/* The end of one stream does not call the end of the next: the stack is that of one. */
static void test_scorecard_28_session_mass_close(void **state)
{
    static uint8_t stack[STACK_OF_THREADS] __attribute__((aligned(4096)));
    struct mass mass = { .closed = 0 };
    pthread_attr_t attributes;
    pthread_t thread;
    size_t untouched = 0;

    (void)state;
    put_preface(&mass.in);
    put_settings(&mass.in, 0);
    for (uint32_t id = 1; id < 2 * STREAMS; id += 2) {
        put_post(&mass.in, id);
    }
    memset(stack, 0x5a, sizeof(stack));
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, sizeof(stack)), 0);
    assert_int_equal(pthread_create(&thread, &attributes, close_many, &mass), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    assert_int_equal(mass.closed, STREAMS);
    while (untouched < sizeof(stack) && stack[untouched] == 0x5a) {
        untouched++;
    }
    print_message("%zu octets of stack\n", sizeof(stack) - untouched);
    assert_true(sizeof(stack) - untouched <= STACK);
    wire_free(&mass.in);
}

/* ---- 39: names that never come again --------------------------------------------------- */

static size_t live;

static void *count_alloc(size_t size, void *ctx)
{
    size_t *piece = malloc(size + 16);

    (void)ctx;
    if (piece == NULL) {
        return NULL;
    }
    *piece = size;
    live += size;
    return piece + 2;
}

static void count_release(void *memory, void *ctx)
{
    size_t *piece = (size_t *)memory - 2;

    (void)ctx;
    live -= *piece;
    free(piece);
}

static void *count_resize(void *memory, size_t size, void *ctx)
{
    void *piece = count_alloc(size, ctx);

    if (piece != NULL) {
        memcpy(piece, memory, min_size(size, ((size_t *)memory)[-2]));
        count_release(memory, ctx);
    }
    return piece;
}

/* A million names, none twice: both tables keep their size, and so does the memory. */
static void test_scorecard_39_hpack_distinct_names(void **state)
{
    const halo_allocator allocator = { count_alloc, count_resize, count_release, NULL };
    struct halo_hpack_encoder_options encoder_options;
    struct halo_hpack_decoder_options decoder_options;
    halo_hpack_encoder *encoder;
    halo_hpack_decoder *decoder;
    size_t settled = 0;

    (void)state;
    halo_hpack_encoder_options_init(&encoder_options);
    halo_hpack_decoder_options_init(&decoder_options);
    encoder_options.allocator = decoder_options.allocator = allocator;
    assert_int_equal(halo_hpack_encoder_new(&encoder, &encoder_options), 0);
    assert_int_equal(halo_hpack_decoder_new(&decoder, &decoder_options), 0);
    for (uint32_t i = 0; i < NAMES; i++) {
        char name[16] = "x-";
        halo_header field = { .name = { name, 10 }, .value = HALO_LIT("v") };
        uint8_t block[128];
        size_t len;
        size_t count;
        halo_header *list;

        for (int digit = 0; digit < 8; digit++) {
            name[2 + digit] = "0123456789abcdef"[i >> 4 * digit & 15];
        }
        assert_int_equal(halo_hpack_encode(encoder, &field, 1, block, sizeof(block), &len), 0);
        assert_int_equal(halo_hpack_decode(decoder, block, len, 1, &list, &count), 0);
        assert_int_equal(count, 1);
        assert_memory_equal(list[0].name.data, name, 10);
        settled = i == 1000 ? live : settled;
        assert_true(i <= 1000 || live == settled);
    }
    assert_true(halo_hpack_decoder_table_size(decoder) <= 4096);
    halo_hpack_encoder_free(encoder);
    halo_hpack_decoder_free(decoder);
    assert_int_equal(live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scorecard_28_session_mass_close),
        cmocka_unit_test(test_scorecard_39_hpack_distinct_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
