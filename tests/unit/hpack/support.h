/*
 * What the tests of hpack/ share: a list with its own memory, blocks given in hex, decoding in one
 * piece or in many, growth of table memory, a check of the table's inner order, random numbers.
 */
#ifndef HALO_TESTS_HPACK_SUPPORT_H
#define HALO_TESTS_HPACK_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hpack/hpack.h"

#define FIELD(name_text, value_text)                                                               \
    {                                                                                              \
        .name = HALO_LIT(name_text), .value = HALO_LIT(value_text)                                 \
    }
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum {
    TEST_FIELDS = 4096,
};

/* A list, its fields and its scratch area, which is of exactly the size that hpack.h asks for. */
struct test_list {
    struct hpack_list list;
    halo_header fields[TEST_FIELDS];
};

struct test_list *test_list_new(uint32_t size_max, uint32_t string_max);
void test_list_free(struct test_list *list);

/* A run of octets on the heap, so that reading past its end is noticed. */
struct test_octets {
    uint8_t *data;
    size_t len;
};

struct test_octets test_octets_copy(const void *data, size_t len);
/* Pairs of hex digits; spaces and line ends are skipped. */
struct test_octets test_octets_hex(const char *hex);
void test_octets_free(struct test_octets *octets);

/* Grows the table by one step, as the session does. */
void test_table_grow(struct hpack_table *table);
void test_table_free(struct hpack_table *table);
/* Asserts that sizes and counts add up and that no two entries share octets. */
void test_table_check(struct hpack_table *table);
/* Asserts the entries, newest first, as "name: value" texts ending with NULL, and the size. */
void test_table_expect(struct hpack_table *table, uint32_t size, ...);

/* Begins a block and decodes it, in parts that end at the given places (ascending, the block's
 * end left out). Octets behind a part cannot be read when the address sanitizer is there. */
enum hpack_result test_decode_parts(struct hpack_decoder *decoder, struct test_list *list,
                                    struct test_octets block, const size_t *ends, size_t num_ends);
enum hpack_result test_decode(struct hpack_decoder *decoder, struct test_list *list,
                              struct test_octets block);

/* Encodes a block on the heap, growing the table as wanted. */
struct test_octets test_encode(struct hpack_encoder *encoder, const halo_header *fields,
                               size_t count);

/* Asserts the kept fields' names and values. */
void test_list_expect(const struct test_list *list, const halo_header *fields, size_t count);

struct test_random {
    uint64_t state;
};

uint64_t test_random_next(struct test_random *random);
/* 0 to limit - 1. */
uint32_t test_random_below(struct test_random *random, uint32_t limit);

#endif
