/*
 * A second HPACK implementation, as slow and plain as can be, to compare with: the table is an
 * array that is shifted, Huffman codes are matched bit by bit. It knows no limits except those of
 * integers and size updates. Its encoder chooses representations at random.
 */
#ifndef HALO_TESTS_HPACK_REFERENCE_H
#define HALO_TESTS_HPACK_REFERENCE_H

#include "support.h"

enum {
    REFERENCE_EOS = 256,
    REFERENCE_SYMBOLS = 257,
};

uint32_t reference_code(uint32_t symbol);
uint32_t reference_length(uint32_t symbol);
/* -1: not valid. `out` has room for 8/5 of the input. */
int64_t reference_huffman_decode(uint8_t *out, const uint8_t *in, size_t len);

struct reference_field {
    struct test_octets name;
    struct test_octets value;
    bool is_never_indexed;
};

struct reference_list {
    struct reference_field *fields;
    size_t count;
};

struct reference {
    struct reference_list table; /* newest first */
    size_t size;
    uint32_t size_max;
    uint32_t setting;
};

void reference_init(struct reference *reference, uint32_t size_max);
void reference_free(struct reference *reference);
void reference_list_add(struct reference_list *list, const void *name, size_t name_len,
                        const void *value, size_t value_len, bool is_never_indexed);
void reference_list_free(struct reference_list *list);
void reference_resize(struct reference *reference, uint32_t size_max);

/* Appends to the list; false: COMPRESSION_ERROR. */
bool reference_decode(struct reference *reference, struct test_octets block,
                      struct reference_list *list);
/* Encodes the list with representations, names by reference and Huffman coding chosen at random;
 * updates is the number of size updates to begin with. */
struct test_octets reference_encode(struct reference *reference, struct test_random *random,
                                    const struct reference_list *list, uint32_t updates);

/* Asserts that the table is the reference's. */
void reference_expect_table(const struct reference *reference, struct hpack_table *table);
/* Asserts that the decoded list is this one, flags included. */
void reference_expect_list(const struct reference_list *expected, const struct test_list *list);

#endif
