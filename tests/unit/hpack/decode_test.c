/*
 * The decoder: input in parts, limits one below, at and one above, borrowed octets across
 * evictions, size updates, and what must be refused. The RFC's examples: decode_rfc_test.c.
 */
#include "decode_fixture.h"

/* ---- input in parts ------------------------------------------------------------------------ */

/* The list that three blocks on one connection end with, the last one in parts. */
static void decode_in_parts(const char *const blocks[3], const size_t *ends, size_t num_ends,
                            struct test_octets last, const struct test_list *expected)
{
    struct fixture fixture = fixture_new();
    hpack_decoder_set_max(&fixture.decoder, 256);
    assert_int_equal(decode_hex(&fixture, blocks[0]), HPACK_OK);
    assert_int_equal(decode_hex(&fixture, blocks[1]), HPACK_OK);
    assert_int_equal(test_decode_parts(&fixture.decoder, fixture.list, last, ends, num_ends),
                     HPACK_OK);
    test_list_expect(fixture.list, expected->fields, expected->list.count);
    assert_int_equal(fixture.list->list.size, expected->list.size);
    fixture_free(&fixture);
}

static void test_decode_parts_agree(void **state)
{
    (void)state;
    const char *const *all[] = { c5_blocks, c6_blocks };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct fixture fixture = fixture_new();
        struct test_octets last = test_octets_hex(all[i][2]);
        hpack_decoder_set_max(&fixture.decoder, 256);
        assert_int_equal(decode_hex(&fixture, all[i][0]), HPACK_OK);
        assert_int_equal(decode_hex(&fixture, all[i][1]), HPACK_OK);
        assert_int_equal(test_decode(&fixture.decoder, fixture.list, last), HPACK_OK);

        size_t every[256];
        for (size_t at = 0; at < last.len; at++) {
            every[at] = at;
            decode_in_parts(all[i], &at, 1, last, fixture.list);
        }
        decode_in_parts(all[i], every, last.len, last, fixture.list);
        test_octets_free(&last);
        fixture_free(&fixture);
    }
}

/* An empty block may be NULL. */
static void test_decode_nothing(void **state)
{
    (void)state;
    for (int last = 0; last < 2; last++) {
        struct fixture fixture = fixture_new();
        size_t consumed = 7;
        hpack_decode_begin(&fixture.decoder, &fixture.list->list);
        assert_int_equal(
            hpack_decode(&fixture.decoder, &fixture.list->list, NULL, 0, last != 0, &consumed),
            HPACK_OK);
        assert_int_equal(consumed, 0);
        assert_int_equal(fixture.list->list.count, 0);
        fixture_free(&fixture);
    }
}

/* A block cut short is broken, unless the cut is between two fields. */
static void test_decode_truncated(void **state)
{
    (void)state;
    struct test_octets block = test_octets_hex(c6_blocks[0]);
    uint32_t num_good = 0;
    for (size_t len = 0; len <= block.len; len++) {
        struct fixture fixture = fixture_new();
        struct test_octets cut = test_octets_copy(block.data, len);
        enum hpack_result result = test_decode(&fixture.decoder, fixture.list, cut);
        if (result == HPACK_OK) {
            num_good++;
        } else {
            assert_int_equal(result, HPACK_BROKEN);
        }
        test_octets_free(&cut);
        fixture_free(&fixture);
    }
    assert_int_equal(num_good, 6); /* nothing, the update, and four fields */
    test_octets_free(&block);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void expect_broken(const char *hex)
{
    struct fixture fixture = fixture_new();
    assert_int_equal(decode_hex(&fixture, "400161 0162"), HPACK_OK); /* one dynamic entry */
    assert_int_equal(decode_hex(&fixture, hex), HPACK_BROKEN);
    fixture_free(&fixture);
}

static void test_decode_broken(void **state)
{
    (void)state;
    /* Indices. */
    expect_broken("80");           /* 0 */
    expect_broken("bf");           /* 63: one behind the last */
    expect_broken("fe");           /* 126 */
    expect_broken("ff00");         /* 127 */
    expect_broken("ff80ffffff0f"); /* 2^32 - 1 */
    expect_broken("ff81ffffff0f"); /* 2^32 */
    expect_broken("ffffffffffff0f");
    expect_broken("ff808080808001");
    expect_broken("7f00 0161"); /* as a name: 63 */
    expect_broken("0f30 0161");
    expect_broken("1f30 0161");
    expect_broken("7fffffffff0f 0161");
    expect_broken("0fffffffffff0f 0161");
    /* Lengths. */
    expect_broken("4001 61 ff81ffffff0f");
    expect_broken("40 ff80808080808001");
    expect_broken("4001 61 7f808080808000");
    /* Huffman code: zero padding, padding of eight bits, EOS. */
    expect_broken("4081 18 0161");
    expect_broken("4081 1f ff 0161");
    expect_broken("4001 61 81 18");
    expect_broken("4001 61 82 1fff");
    expect_broken("4001 61 84 ffffffff");
    expect_broken("4001 61 84 fffffffc");
    expect_broken("4001 61 81 ff");
    expect_broken("0001 61 82 ffff");
    expect_broken("1001 61 83 1fffff");
    /* Size updates. */
    expect_broken("82 20");          /* behind a field */
    expect_broken("20 20 20");       /* three */
    expect_broken("3fe21f");         /* 4097 */
    expect_broken("3fffffffff0f");   /* 2^32 + ... */
    expect_broken("3f808080808000"); /* too long */
    expect_broken("4001 61 01 62 3fe11f");
}

/* An integer may be padded with zeros up to six octets. */
static void test_decode_padded_integers(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    const halo_header field[] = { FIELD("a", "b") };
    for (int i = 0; i < 70; i++) {
        expect_fields(&fixture, "400161 0162", field, 1);
    }
    expect_fields(&fixture, "ff00", field, 1);
    expect_fields(&fixture, "ff8080808000", field, 1);
    expect_fields(&fixture, "7f8080808000 0162", field, 1);
    fixture_free(&fixture);
}

/* The lengths of strings that are not there yet: no waiting for what is too large anyway. */
static void test_decode_does_not_wait(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        enum hpack_result result;
    } cases[] = {
        { "00", HPACK_MORE },
        { "00 01 61", HPACK_MORE },
        { "00 01 61 7f", HPACK_MORE },
        { "00 01 61 7fe8 06 61", HPACK_MORE },           /* 999 octets */
        { "00 01 61 7fe9 06 61", HPACK_MORE },           /* 1000 */
        { "00 01 61 7fea 06 61", HPACK_OVER_LIMIT },     /* 1001 */
        { "00 7fea 06", HPACK_OVER_LIMIT },              /* as a name */
        { "00 01 61 ffa8 1c 61", HPACK_MORE },           /* 3751 octets: may be 1000 symbols */
        { "00 01 61 ffac 1c 61", HPACK_OVER_LIMIT },     /* 3755: 1001 at least */
        { "00 01 61 7f80 ffff ff0f", HPACK_OVER_LIMIT }, /* 2^32 - 1 */
        { "00 01 61 7f81 ffff ff0f", HPACK_BROKEN },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture fixture = fixture_new();
        fixture.list->list.size_hard = 1000;
        struct test_octets block = test_octets_hex(cases[i].hex);
        size_t consumed;
        hpack_decode_begin(&fixture.decoder, &fixture.list->list);
        assert_int_equal(hpack_decode(&fixture.decoder, &fixture.list->list, block.data, block.len,
                                      false, &consumed),
                         cases[i].result);
        assert_int_equal(consumed, 0);
        test_octets_free(&block);
        fixture_free(&fixture);
    }
}

/* ---- limits --------------------------------------------------------------------------------- */

/* Blocks that have a field of 32 + 10 octets each, in every kind of representation. */
static const char *const kinds[] = {
    "40 04 6e616d65 06 76616c756572", /* incremental */
    "00 04 6e616d65 06 76616c756572", /* not indexed */
    "10 04 6e616d65 06 76616c756572", /* never indexed */
    "be",                             /* indexed */
};

static void test_decode_size_limits(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
        /* The second field is the one at the limit. */
        struct test_octets block = test_octets_hex(kinds[kind]);
        for (uint32_t limit = 83; limit <= 85; limit++) {
            for (int is_hard = 0; is_hard < 2; is_hard++) {
                struct fixture fixture = fixture_new();
                struct hpack_list *list = &fixture.list->list;
                assert_int_equal(decode_hex(&fixture, kinds[0]), HPACK_OK);
                *(is_hard ? &list->size_hard : &list->size_max) = limit;
                uint8_t twice[64];
                memcpy(twice, block.data, block.len);
                memcpy(twice + block.len, block.data, block.len);
                struct test_octets both = test_octets_copy(twice, 2 * block.len);
                enum hpack_result result = test_decode(&fixture.decoder, fixture.list, both);
                assert_int_equal(result, is_hard && limit < 84 ? HPACK_OVER_LIMIT : HPACK_OK);
                if (result == HPACK_OK) {
                    assert_int_equal(list->total, 2);
                    assert_int_equal(list->size, 84);
                    assert_int_equal(list->count, limit < 84 ? 1 : 2);
                    assert_int_equal(list->dropped, limit < 84);
                    /* The table has what was dropped. */
                    assert_int_equal(fixture.decoder.table.count, kind == 0 ? 3 : 1);
                }
                test_octets_free(&both);
                fixture_free(&fixture);
            }
        }
        test_octets_free(&block);
    }
}

/* The hard limit, when the soft one was passed before. */
static void test_decode_hard_limit_behind_soft(void **state)
{
    (void)state;
    static const char *const blocks[] = { "82 82 82", "82 00 04 6e616d65 06 76616c756572 82",
                                          "82 40 04 6e616d65 06 76616c756572 be" };
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        for (uint32_t limit = 125; limit <= 127; limit++) {
            struct fixture fixture = fixture_new();
            fixture.list->list.size_max = 50;
            fixture.list->list.size_hard = limit;
            assert_int_equal(decode_hex(&fixture, blocks[i]),
                             limit < 126 ? HPACK_OVER_LIMIT : HPACK_OK);
            fixture.list->list.size_hard = UINT32_MAX;
            fixture.list->list.fields_hard = limit - 123;
            assert_int_equal(decode_hex(&fixture, blocks[i]),
                             limit < 126 ? HPACK_OVER_LIMIT : HPACK_OK);
            fixture_free(&fixture);
        }
    }
}

static void test_decode_count_limits(void **state)
{
    (void)state;
    static const char *const three[] = {
        "82 82 82",
        "400161 0162 400161 0162 400161 0162",
        "000161 0162 be 82",
        "be be be",
    };
    for (size_t i = 0; i < COUNT_OF(three); i++) {
        for (uint32_t limit = 0; limit <= 4; limit++) {
            struct fixture fixture = fixture_new();
            assert_int_equal(decode_hex(&fixture, "40 01 61 01 62"), HPACK_OK);
            fixture.list->list.fields_cap = limit;
            assert_int_equal(decode_hex(&fixture, three[i]), HPACK_OK);
            assert_int_equal(fixture.list->list.total, 3);
            assert_int_equal(fixture.list->list.count, limit < 3 ? limit : 3);
            assert_int_equal(fixture.list->list.dropped, limit < 3);
            fixture.list->list.fields_cap = TEST_FIELDS;
            fixture.list->list.fields_hard = limit;
            assert_int_equal(decode_hex(&fixture, three[i]),
                             limit < 3 ? HPACK_OVER_LIMIT : HPACK_OK);
            fixture_free(&fixture);
        }
    }
}

/* Names and values of 9 to 11 octets with a limit of 10, plain, coded, and from the table. */
static void test_decode_string_limits(void **state)
{
    (void)state;
    for (size_t len = 9; len <= 11; len++) {
        for (int is_name = 0; is_name < 2; is_name++) {
            for (int is_coded = 0; is_coded < 2; is_coded++) {
                uint8_t text[16];
                uint8_t octets[64] = { 0x40 };
                size_t at = 1;
                memset(text, '0', sizeof(text));
                uint8_t coded[16 + HPACK_HUFFMAN_SLACK];
                size_t coded_len = (size_t)(hpack_huffman_encode(coded, text, len) - coded);
                if (!is_name) {
                    octets[at++] = 1;
                    octets[at++] = 'n';
                }
                octets[at++] = (uint8_t)(is_coded ? 0x80 | coded_len : len);
                memcpy(octets + at, is_coded ? coded : text, is_coded ? coded_len : len);
                at += is_coded ? coded_len : len;
                if (is_name) {
                    octets[at++] = 1;
                    octets[at++] = 'v';
                }
                octets[at++] = 0xbe; /* the same field from the table */
                octets[at++] = 0x7e; /* its name from the table */
                octets[at++] = 1;
                octets[at++] = 'v';

                struct fixture fixture = fixture_new();
                fixture.list->list.string_max = 10;
                struct test_octets block = test_octets_copy(octets, at);
                assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OK);
                bool is_long = len > 10;
                assert_int_equal(fixture.list->list.dropped, is_long);
                assert_int_equal(fixture.list->list.total, 3);
                assert_int_equal(fixture.list->list.count, !is_long ? 3 : is_name ? 0 : 1);
                /* In the table it is, complete and with its flags. */
                assert_int_equal(fixture.decoder.table.count, 2);
                const struct hpack_entry *entry = hpack_table_entry(&fixture.decoder.table, 1);
                assert_int_equal(is_name ? entry->name_len : entry->value_len, len);
                assert_memory_equal(is_name ? entry->name : entry->value, text, len);
                assert_int_equal(entry->flags, 0);
                /* And in a block where nothing was dropped before. */
                assert_int_equal(decode_hex(&fixture, "82 bf"), HPACK_OK);
                assert_int_equal(fixture.list->list.count, is_long ? 1 : 2);
                assert_int_equal(decode_hex(&fixture, "7f00 01 76"), HPACK_OK);
                assert_int_equal(fixture.list->list.count, is_long && is_name ? 0 : 1);
                test_octets_free(&block);
                fixture_free(&fixture);
            }
        }
    }
}

/* The static table has long strings too. */
static void test_decode_static_string_limits(void **state)
{
    (void)state;
    for (uint32_t limit = 12; limit <= 28; limit++) {
        struct fixture fixture = fixture_new();
        fixture.list->list.string_max = limit;
        hpack_decoder_set_max(&fixture.decoder, 0);
        assert_int_equal(decode_hex(&fixture, "20 82 94 82"), HPACK_OK); /* 27 octets */
        assert_int_equal(fixture.list->list.count, limit < 27 ? 2 : 3);
        assert_int_equal(fixture.list->list.dropped, limit < 27);
        assert_int_equal(decode_hex(&fixture, "90"), HPACK_OK); /* 13 and 15 */
        assert_int_equal(fixture.list->list.count, limit < 15 ? 0 : 1);
        fixture_free(&fixture);
    }
}

/* A run of indexed fields up to the soft limit, for each place of the limit in it. */
static void test_decode_limit_in_run(void **state)
{
    (void)state;
    for (uint32_t limit = 0; limit < 700; limit++) {
        struct fixture fixture = fixture_new();
        fixture.list->list.size_max = limit;
        /* 42, 38, 43, 44 octets and so on. */
        assert_int_equal(decode_hex(&fixture, "82 84 86 87 88 82 84 86 87 88 82 84 86 87 88"),
                         HPACK_OK);
        uint32_t count = 0;
        uint64_t size = 0;
        for (; count < 15; count++) {
            static const uint8_t sizes[] = { 42, 38, 43, 44, 42 };
            if (size + sizes[count % 5] > limit) {
                break;
            }
            size += sizes[count % 5];
        }
        assert_int_equal(fixture.list->list.count, count);
        assert_int_equal(fixture.list->list.total, 15);
        assert_int_equal(fixture.list->list.size, 3 * 209);
        fixture_free(&fixture);
    }
}

/* A coded string too long for the scratch area goes into the table with the flags it has. */
static void test_decode_long_coded_strings(void **state)
{
    (void)state;
    static const struct {
        char last;
        uint16_t name_flags;
        uint16_t value_flags;
    } cases[] = {
        { 'x', 0, 0 },
        { ' ', HPACK_FIELD_BAD_NAME, HPACK_FIELD_VALUE_SPACE },
        { '\n', HPACK_FIELD_BAD_NAME, HPACK_FIELD_BAD_VALUE },
        { 'X', HPACK_FIELD_BAD_NAME, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t text[1000];
        uint8_t coded[1000 + HPACK_HUFFMAN_SLACK];
        memset(text, 'x', sizeof(text));
        text[999] = (uint8_t)cases[i].last;
        uint16_t coded_len = (uint16_t)(hpack_huffman_encode(coded, text, 1000) - coded);
        uint8_t octets[4096] = { 0x40 };
        size_t at = 1;
        for (int string = 0; string < 2; string++) {
            octets[at++] = 0xff;
            octets[at++] = (uint8_t)(0x80 | ((coded_len - 127) & 0x7f));
            octets[at++] = (uint8_t)((coded_len - 127) >> 7);
            memcpy(octets + at, coded, coded_len);
            at += coded_len;
        }
        octets[at++] = 0x82;
        struct fixture fixture = fixture_new();
        fixture.list->list.string_max = 999;
        struct test_octets block = test_octets_copy(octets, at);
        assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OK);
        assert_int_equal(fixture.list->list.count, 1); /* :method */
        assert_true(fixture.list->list.dropped);
        assert_int_equal(fixture.list->list.size, 2032 + 42);
        const struct hpack_entry *entry = hpack_table_entry(&fixture.decoder.table, 0);
        assert_memory_equal(entry->name, text, 1000);
        assert_memory_equal(entry->value, text, 1000);
        assert_int_equal(entry->flags, cases[i].name_flags | cases[i].value_flags);
        /* Damaged, it is found out too. */
        block.data[at - 3] = 0xff;
        block.data[at - 2] = 0xff;
        assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_BROKEN);
        test_octets_free(&block);
        fixture_free(&fixture);
    }
}

/* One entry of 4096 octets, named again and again: counted, not stored. */
static void test_decode_bomb(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    struct hpack_list *list = &fixture.list->list;
    uint8_t *octets = malloc(20000);
    size_t at = 0;
    octets[at++] = 0x40;
    octets[at++] = 1;
    octets[at++] = 'a';
    octets[at++] = 0x7f;
    octets[at++] = 0x80 | (3936 & 0x7f);
    octets[at++] = 3936 >> 7;
    memset(octets + at, 'b', 4063);
    at += 4063;
    memset(octets + at, 0xbe, 15000);
    at += 15000;
    struct test_octets block = test_octets_copy(octets, at);
    list->string_max = 4063;
    list->scratch = realloc(list->scratch, HPACK_SCRATCH_SIZE(16384, 4063));
    list->scratch_cap = HPACK_SCRATCH_SIZE(16384, 4063);
    assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OK);
    assert_int_equal(list->total, 15001);
    assert_int_equal(list->count, 4);
    assert_int_equal(list->size, 15001u * 4096);
    assert_true(list->dropped);
    list->size_hard = 2 * 16384;
    assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OVER_LIMIT);
    list->size_hard = UINT32_MAX;
    list->fields_hard = 1024;
    assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OVER_LIMIT);
    assert_int_equal(list->total, 1024);
    test_octets_free(&block);
    free(octets);
    fixture_free(&fixture);
}

/* ---- size updates ------------------------------------------------------------------------------ */

static void test_decode_size_updates(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    struct hpack_decoder *decoder = &fixture.decoder;
    assert_int_equal(decode_hex(&fixture, "400161 0162 400163 0164"), HPACK_OK);
    test_table_expect(&decoder->table, 68, "c: d", "a: b", NULL);
    assert_int_equal(decode_hex(&fixture, "3f25"), HPACK_OK); /* 68: all stay */
    test_table_expect(&decoder->table, 68, "c: d", "a: b", NULL);
    assert_int_equal(decode_hex(&fixture, "3f24 be"), HPACK_OK); /* 67 */
    test_table_expect(&decoder->table, 34, "c: d", NULL);
    assert_int_equal(decode_hex(&fixture, "20 3fe11f be"), HPACK_BROKEN); /* 0 emptied it */
    fixture_free(&fixture);
}

/* RFC 7541 section 4.2: a reduced setting must be answered by an update in the next block. */
static void test_decode_update_is_due(void **state)
{
    (void)state;
    static const struct {
        uint32_t settings[3];
        const char *hex;
        enum hpack_result result;
    } cases[] = {
        { { 100, 100, 100 }, "82", HPACK_BROKEN },
        { { 100, 100, 100 }, "3f45 82", HPACK_OK },     /* 100 */
        { { 100, 100, 100 }, "3f46 82", HPACK_BROKEN }, /* 101 */
        { { 100, 100, 100 }, "20 82", HPACK_OK },
        { { 100, 100, 100 }, "20 3f45 82", HPACK_OK },
        { { 100, 100, 100 }, "20 3f46 82", HPACK_BROKEN },
        /* Reduced and raised again: first the smallest. */
        { { 100, 4096, 4096 }, "82", HPACK_BROKEN },
        { { 100, 4096, 4096 }, "3fe11f 82", HPACK_BROKEN },
        { { 100, 4096, 4096 }, "3f45 82", HPACK_OK },
        { { 100, 4096, 4096 }, "3f45 3fe11f 82", HPACK_OK },
        { { 200, 100, 4096 }, "3f46 82", HPACK_BROKEN },
        { { 200, 100, 4096 }, "3f45 3fe11f 82", HPACK_OK },
        { { 100, 200, 4096 }, "3f46 82", HPACK_BROKEN },
        /* Raised only: nothing is due. */
        { { 8192, 8192, 8192 }, "82", HPACK_OK },
        { { 8192, 8192, 8192 }, "3fe13f 82", HPACK_OK },
        { { 8192, 8192, 8192 }, "3fe23f 82", HPACK_BROKEN },
        { { 8192, 4096, 4096 }, "82", HPACK_OK },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture fixture = fixture_new();
        for (size_t j = 0; j < 3; j++) {
            hpack_decoder_set_max(&fixture.decoder, cases[i].settings[j]);
        }
        /* An empty block is a block: it must not leave out what is due. */
        bool is_due = fixture.decoder.is_update_due;
        assert_int_equal(decode_hex(&fixture, ""), is_due ? HPACK_BROKEN : HPACK_OK);
        assert_int_equal(decode_hex(&fixture, cases[i].hex), cases[i].result);
        if (cases[i].result == HPACK_OK) {
            assert_int_equal(decode_hex(&fixture, "82"), HPACK_OK);
        }
        fixture_free(&fixture);
    }
}

/* ---- borrowed octets --------------------------------------------------------------------------- */

static void append(uint8_t *octets, size_t *at, const char *hex)
{
    struct test_octets part = test_octets_hex(hex);
    memcpy(octets + *at, part.data, part.len);
    *at += part.len;
    test_octets_free(&part);
}

/* Fields of a block that are evicted by later ones of the same block keep their octets, whether
 * few insertions do that or many, and however the memory is used. */
static void test_decode_eviction_in_block(void **state)
{
    (void)state;
    static const uint32_t sizes[] = { 34 * 2, 34 * 3, 34 * 9, 34 * 20, 34 * 50 };
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (uint32_t num = 1; num < 60; num++) {
            struct fixture fixture = fixture_new();
            struct reference reference;
            reference_init(&reference, 4096);
            uint8_t octets[1024];
            size_t at = 0;
            /* Fill the table: x0, x1, ... */
            hpack_decoder_set_max(&fixture.decoder, sizes[i]);
            reference.setting = sizes[i];
            at += (size_t)(sizes[i] < 127 ? 2 : 3);
            octets[0] = 0x3f;
            octets[1] = (uint8_t)(at == 2 ? sizes[i] - 31 : 0x80 | ((sizes[i] - 31) & 0x7f));
            octets[2] = (uint8_t)((sizes[i] - 31) >> 7);
            for (uint8_t n = 0; n < 64; n++) {
                append(octets, &at, "40 01 78 01");
                octets[at++] = n;
            }
            struct test_octets fill = test_octets_copy(octets, at);
            struct reference_list ignored = { NULL, 0 };
            assert_int_equal(test_decode(&fixture.decoder, fixture.list, fill), HPACK_OK);
            assert_true(reference_decode(&reference, fill, &ignored));
            test_octets_free(&fill);
            reference_list_free(&ignored);

            /* All entries, then `num` insertions, with the oldest's name or a new one, and after
             * each of them the newest and the oldest entry again. */
            at = 0;
            uint32_t count = fixture.decoder.table.count;
            for (uint32_t n = 0; n < count; n++) {
                octets[at++] = (uint8_t)(0xbe + n);
            }
            for (uint8_t n = 0; n < num; n++) {
                if (n % 3 == 0) {
                    octets[at++] = 0x7f;
                    octets[at++] = (uint8_t)(61 + count - 63);
                } else {
                    append(octets, &at, "40 01 79");
                }
                octets[at++] = 1;
                octets[at++] = (uint8_t)(0x40 + n);
                octets[at++] = 0xbe;
                octets[at++] = (uint8_t)(0xbe + count - 1);
            }
            struct test_octets block = test_octets_copy(octets, at);
            struct reference_list expected = { NULL, 0 };
            assert_true(reference_decode(&reference, block, &expected));
            assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OK);
            reference_expect_list(&expected, fixture.list);
            reference_expect_table(&reference, &fixture.decoder.table);
            reference_list_free(&expected);
            reference_free(&reference);
            test_octets_free(&block);
            fixture_free(&fixture);
        }
    }
}

/* RFC 7541 section 4.4: the name of the entry that this very insertion evicts. */
static void test_decode_name_of_evicted_entry(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    hpack_decoder_set_max(&fixture.decoder, 60);
    const halo_header first[] = { FIELD("custom-name", "1234567890") };
    expect_fields(&fixture, "3f1d 400b 6375 7374 6f6d 2d6e 616d 65 0a 3132 3334 3536 3738 3930",
                  first, 1);
    test_table_expect(&fixture.decoder.table, 53, "custom-name: 1234567890", NULL);
    const halo_header second[] = { FIELD("custom-name", "abcdefghijklmnopq") };
    expect_fields(&fixture, "7e 11 6162 6364 6566 6768 696a 6b6c 6d6e 6f70 71", second, 1);
    test_table_expect(&fixture.decoder.table, 60, "custom-name: abcdefghijklmnopq", NULL);
    /* Both twice in one block. */
    const halo_header both[] = { FIELD("custom-name", "abcdefghijklmnopq"),
                                 FIELD("custom-name", "1"), FIELD("custom-name", "22") };
    expect_fields(&fixture, "be 7e 01 31 7e 02 3232", both, 3);
    test_table_expect(&fixture.decoder.table, 45, "custom-name: 22", NULL);
    /* One octet too many: the table is emptied, the field is there. */
    const halo_header third[] = { FIELD("custom-name", "abcdefghijklmnopqr") };
    expect_fields(&fixture, "7e 12 6162 6364 6566 6768 696a 6b6c 6d6e 6f70 7172", third, 1);
    test_table_expect(&fixture.decoder.table, 0, NULL);
    fixture_free(&fixture);
}

/* The same in a small arena, over and over, so that the new octets overlap the old name in every
 * way, and are moved before. */
static void test_decode_name_of_evicted_entries(void **state)
{
    (void)state;
    struct test_random random = { 11 };
    for (uint32_t size_max = 100; size_max < 300; size_max += 7) {
        struct fixture fixture = fixture_new();
        struct reference reference;
        reference_init(&reference, 4096);
        reference.setting = size_max;
        hpack_decoder_set_max(&fixture.decoder, size_max);
        for (int round = 0; round < 300; round++) {
            uint8_t octets[512];
            size_t at = 0;
            if (round == 0) {
                octets[at++] = 0x3f;
                octets[at++] = (uint8_t)(0x80 | ((size_max - 31) & 0x7f));
                octets[at++] = (uint8_t)((size_max - 31) >> 7);
            }
            for (int field = 0; field < 4; field++) {
                uint32_t count = fixture.decoder.table.count;
                uint32_t index = field == 0 && count > 0 ? 61 + count : 0;
                if (index == 0) {
                    octets[at++] = 0x40;
                    octets[at++] = (uint8_t)(20 + test_random_below(&random, 20));
                    memset(octets + at, 'a' + round % 26, octets[at - 1]);
                    octets[at] = (uint8_t)('0' + field);
                    at += octets[at - 1];
                } else if (index < 63) {
                    octets[at++] = (uint8_t)(0x40 + index);
                } else {
                    octets[at++] = 0x7f;
                    octets[at++] = (uint8_t)(index - 63);
                }
                octets[at++] = (uint8_t)test_random_below(&random, 30);
                memset(octets + at, 'A' + round % 26, octets[at - 1]);
                at += octets[at - 1];
            }
            struct test_octets block = test_octets_copy(octets, at);
            struct reference_list expected = { NULL, 0 };
            assert_true(reference_decode(&reference, block, &expected));
            assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OK);
            reference_expect_list(&expected, fixture.list);
            reference_expect_table(&reference, &fixture.decoder.table);
            reference_list_free(&expected);
            test_octets_free(&block);
        }
        reference_free(&reference);
        fixture_free(&fixture);
    }
}

/* A table that asks for memory in the middle of a block: what was borrowed is saved. */
static void test_decode_room_in_block(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    uint8_t octets[8192];
    size_t at = 0;
    for (uint8_t n = 0; n < 100; n++) {
        append(octets, &at, "40 03 61 62 63 01");
        octets[at++] = n;
        octets[at++] = 0xbe;
        octets[at++] = (uint8_t)(n < 60 ? 0xbe + n : 0xbe);
        append(octets, &at, "0f 2f 01 64"); /* name of the newest */
    }
    struct test_octets block = test_octets_copy(octets, at);
    struct reference reference;
    struct reference_list expected = { NULL, 0 };
    reference_init(&reference, 4096);
    assert_true(reference_decode(&reference, block, &expected));
    assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OK);
    reference_expect_list(&expected, fixture.list);
    reference_expect_table(&reference, &fixture.decoder.table);
    /* The same again without growth. */
    size_t memory = hpack_table_memory_size(&fixture.decoder.table);
    reference_list_free(&expected);
    assert_true(reference_decode(&reference, block, &expected));
    assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OK);
    reference_expect_list(&expected, fixture.list);
    assert_true(hpack_table_memory_size(&fixture.decoder.table) >= memory);
    reference_list_free(&expected);
    reference_free(&reference);
    test_octets_free(&block);
    fixture_free(&fixture);
}

/* A block without evictions copies nothing: fields are in the tables or in the input. */
static void test_decode_borrows(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    assert_int_equal(decode_hex(&fixture, "400161 0162"), HPACK_OK);
    struct test_octets block = test_octets_hex("82 be 000163 0164 400165 0166");
    assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OK);
    const halo_header *fields = fixture.list->fields;
    const struct hpack_entry *entry = hpack_table_entry(&fixture.decoder.table, 1);
    assert_ptr_equal(fields[1].name.data, entry->name);
    assert_ptr_equal(fields[1].value.data, entry->value);
    assert_ptr_equal(fields[2].name.data, block.data + 4);
    assert_ptr_equal(fields[2].value.data, block.data + 6);
    assert_ptr_equal(fields[3].value.data, block.data + 11);
    assert_int_equal(fixture.list->list.scratch_len, 0);
    assert_int_equal(fixture.list->list.scratch_high, fixture.list->list.scratch_cap);
    test_octets_free(&block);
    fixture_free(&fixture);
}

/* What was found out about a literal stays with the entry. */
static void test_decode_flags(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        uint16_t flags;
    } cases[] = {
        { "40 01 61 01 62", 0 },
        { "40 01 41 01 62", HPACK_FIELD_BAD_NAME }, /* A: b */
        { "40 00 01 62", HPACK_FIELD_BAD_NAME },    /* : b */
        { "40 83 85 ff ff 01 62", 0xffff },         /* broken */
        { "40 01 61 00", 0 },
        { "40 01 61 02 20 62", HPACK_FIELD_VALUE_SPACE },
        { "40 01 61 02 62 09", HPACK_FIELD_VALUE_SPACE },
        { "40 01 61 03 62 0a 62", HPACK_FIELD_BAD_VALUE },
        { "40 01 61 03 62 00 62", HPACK_FIELD_BAD_VALUE },
        { "40 01 61 03 62 09 62", 0 },
        { "40 01 61 03 62 7f 62", HPACK_FIELD_BAD_VALUE },
        { "40 01 41 02 20 00",
          HPACK_FIELD_BAD_NAME | HPACK_FIELD_BAD_VALUE | HPACK_FIELD_VALUE_SPACE },
        { "40 01 61 84 fffffff3", HPACK_FIELD_BAD_VALUE }, /* LF, coded */
        { "40 01 61 82 ffc7", HPACK_FIELD_BAD_VALUE },     /* NUL, coded */
        { "40 01 61 82 5147", 0xffff },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture fixture = fixture_new();
        if (cases[i].flags == 0xffff) {
            assert_int_equal(decode_hex(&fixture, cases[i].hex), HPACK_BROKEN);
            fixture_free(&fixture);
            continue;
        }
        assert_int_equal(decode_hex(&fixture, cases[i].hex), HPACK_OK);
        assert_int_equal(fixture.list->fields[0].flags, cases[i].flags);
        assert_int_equal(decode_hex(&fixture, "be 7e 01 63 0f 2f 01 63"), HPACK_OK);
        assert_int_equal(fixture.list->fields[0].flags, cases[i].flags);
        assert_int_equal(fixture.list->fields[1].flags, cases[i].flags & HPACK_FIELD_BAD_NAME);
        assert_int_equal(fixture.list->fields[2].flags, cases[i].flags & HPACK_FIELD_BAD_NAME);
        fixture_free(&fixture);
    }
}

/* An oversized block leaves the table as the peer's encoder has it. */
static void test_decode_dropped_block_keeps_step(void **state)
{
    (void)state;
    struct test_random random = { 5 };
    struct fixture fixture = fixture_new();
    struct reference peer;
    struct reference reference;
    struct hpack_list *list = &fixture.list->list;
    reference_init(&peer, 4096);
    reference_init(&reference, 4096);
    for (int round = 0; round < 2000; round++) {
        struct reference_list sent = { NULL, 0 };
        struct reference_list got = { NULL, 0 };
        for (uint32_t i = test_random_below(&random, 12); i > 0; i--) {
            char text[600];
            size_t name_len = 1 + test_random_below(&random, 3);
            size_t value_len = test_random_below(&random, i == 3 ? 600 : 30);
            memset(text, (int)('a' + test_random_below(&random, 5)), sizeof(text));
            reference_list_add(&sent, text, name_len, text, value_len, false);
        }
        list->size_max = 100 + test_random_below(&random, 1000);
        list->fields_cap = 1 + test_random_below(&random, 12);
        list->string_max = 2 + test_random_below(&random, 500);
        struct test_octets block = reference_encode(&peer, &random, &sent, 0);
        assert_true(reference_decode(&reference, block, &got));
        assert_int_equal(test_decode(&fixture.decoder, fixture.list, block), HPACK_OK);
        assert_int_equal(list->total, sent.count);
        reference_expect_table(&reference, &fixture.decoder.table);
        if (!list->dropped) {
            reference_expect_list(&sent, fixture.list);
        }
        test_octets_free(&block);
        reference_list_free(&sent);
        reference_list_free(&got);
    }
    reference_free(&peer);
    reference_free(&reference);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_parts_agree),
        cmocka_unit_test(test_decode_nothing),
        cmocka_unit_test(test_decode_truncated),
        cmocka_unit_test(test_decode_broken),
        cmocka_unit_test(test_decode_padded_integers),
        cmocka_unit_test(test_decode_does_not_wait),
        cmocka_unit_test(test_decode_size_limits),
        cmocka_unit_test(test_decode_hard_limit_behind_soft),
        cmocka_unit_test(test_decode_count_limits),
        cmocka_unit_test(test_decode_string_limits),
        cmocka_unit_test(test_decode_static_string_limits),
        cmocka_unit_test(test_decode_limit_in_run),
        cmocka_unit_test(test_decode_long_coded_strings),
        cmocka_unit_test(test_decode_bomb),
        cmocka_unit_test(test_decode_size_updates),
        cmocka_unit_test(test_decode_update_is_due),
        cmocka_unit_test(test_decode_eviction_in_block),
        cmocka_unit_test(test_decode_name_of_evicted_entry),
        cmocka_unit_test(test_decode_name_of_evicted_entries),
        cmocka_unit_test(test_decode_room_in_block),
        cmocka_unit_test(test_decode_borrows),
        cmocka_unit_test(test_decode_flags),
        cmocka_unit_test(test_decode_dropped_block_keeps_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
