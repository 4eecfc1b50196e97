/* What the tests of the decoder share. */
#ifndef HALO_TESTS_HPACK_DECODE_FIXTURE_H
#define HALO_TESTS_HPACK_DECODE_FIXTURE_H

#include "reference.h"
#include "support.h"

/* A decoder with its list and a peer's encoder. */
struct fixture {
    struct hpack_decoder decoder;
    struct test_list *list;
};

static inline struct fixture fixture_new(void)
{
    struct fixture fixture = { .list = test_list_new(16384, 4096) };
    hpack_decoder_init(&fixture.decoder, HPACK_TABLE_SIZE_DEFAULT);
    return fixture;
}

static inline void fixture_free(struct fixture *fixture)
{
    test_table_free(&fixture->decoder.table);
    test_list_free(fixture->list);
}

static inline enum hpack_result decode_hex(struct fixture *fixture, const char *hex)
{
    struct test_octets block = test_octets_hex(hex);
    enum hpack_result result = test_decode(&fixture->decoder, fixture->list, block);
    test_octets_free(&block);
    return result;
}

/* Decodes and compares before the input goes away. */
static inline void expect_fields(struct fixture *fixture, const char *hex,
                                 const halo_header *fields, size_t count)
{
    struct test_octets block = test_octets_hex(hex);
    assert_int_equal(test_decode(&fixture->decoder, fixture->list, block), HPACK_OK);
    test_list_expect(fixture->list, fields, count);
    test_octets_free(&block);
}

/* The responses of the examples: a table of 256 octets, without and with the Huffman code. */
static const char *const c5_blocks[] = {
    "3fe1 01 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032"
    "303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "4803 3330 37c1 c0bf",
    "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04"
    "677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49"
    "553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
};

static const char *const c6_blocks[] = {
    "3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b"
    "ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    "4883 640e ffc1 c0bf",
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7"
    "821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed"
    "4ee5 b106 3d50 07",
};

#endif
