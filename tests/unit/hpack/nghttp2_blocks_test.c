/*
 * Blocks that nobody would send, read by libnghttp2 and by halo: both must find the same fields and
 * the same table, or both must refuse. The blocks are encoded by either library or made of random
 * representations, then changed, cut off or spliced; table sizes change between them; halo's lists
 * have limits on some connections.
 *
 * What halo refuses and nghttp2 takes is counted and has a reason (see enum difference). The
 * opposite does not happen.
 */
#include "support.h"

#include <stdio.h>

#include <nghttp2/nghttp2.h>

#include "hpack/integer.h"

enum {
    BLOCKS = 100000,
    BLOCKS_PER_CONNECTION = 40,
    BLOCK_MAX = 4096,
    FIELDS_MAX = 1024,
    TEXT_MAX = 1 << 18,
};

/* Rules that only one of the two has. */
enum difference {
    SAME,
    MORE_UPDATES, /* RFC 7541 4.2 has use for two size updates at the start of a block; halo takes no
                     third one, nghttp2 any number */
    DIFFERENCES,
};

struct end {
    struct test_random random;
    nghttp2_hd_inflater *inflater;
    struct hpack_decoder decoder;
    struct test_list *list;
    /* Two encoders whose blocks are the raw material. */
    nghttp2_hd_deflater *deflater;
    struct hpack_encoder encoder;
    uint32_t setting;
};

/* What nghttp2 read. */
struct fields {
    struct {
        size_t name;
        size_t name_len;
        size_t value;
        size_t value_len;
        bool is_never_indexed;
    } fields[FIELDS_MAX];
    size_t count;
    uint8_t text[TEXT_MAX];
    size_t text_len;
};

static struct fields foreign;

/* ---- blocks ---------------------------------------------------------------------------- */

static void put(struct test_octets *block, uint8_t octet)
{
    if (block->len < BLOCK_MAX) {
        block->data[block->len++] = octet;
    }
}

static void put_integer(struct test_octets *block, struct test_random *random, uint8_t kind,
                        unsigned bits, uint32_t value)
{
    uint8_t out[12];
    uint8_t *end = hpack_integer_encode(out, kind, bits, value);

    for (const uint8_t *at = out; at < end; at++) {
        put(block, *at);
    }
    if (end > out + 1 && test_random_below(random, 30) == 0) {
        /* Zeros that a number can be padded with (RFC 7541 5.1). */
        block->data[block->len - 1] |= 0x80;
        for (uint32_t n = test_random_below(random, 6); n > 0; n--) {
            put(block, 0x80);
        }
        put(block, 0);
    }
}

static void put_string(struct test_octets *block, struct test_random *random)
{
    static const char octets[] = "abcdefghijkl-:/ .%\x00\x7f\xffZ";
    char text[64];
    uint8_t coded[64 * 4 + HPACK_HUFFMAN_SLACK];
    size_t len = test_random_below(random, test_random_below(random, 6) == 0 ? 64 : 8);

    for (size_t i = 0; i < len; i++) {
        text[i] = octets[test_random_below(random, sizeof(octets) - 1)];
    }
    if (test_random_below(random, 2) == 0) {
        put_integer(block, random, 0, 7, (uint32_t)len);
        for (size_t i = 0; i < len; i++) {
            put(block, (uint8_t)text[i]);
        }
        return;
    }
    len = (size_t)(hpack_huffman_encode(coded, (const uint8_t *)text, len) - coded);
    put_integer(block, random, 0x80, 7, (uint32_t)len);
    for (size_t i = 0; i < len; i++) {
        put(block, coded[i]);
    }
}

/* Representations of every kind, most of them well-formed. */
static void make_representations(struct end *end, struct test_octets *block)
{
    static const struct {
        uint8_t kind;
        uint8_t bits;
    } literals[] = { { 0x40, 6 }, { 0x40, 6 }, { 0, 4 }, { 0x10, 4 } };
    struct test_random *random = &end->random;
    uint32_t updates = test_random_below(random, 12) == 0 ? 1 + test_random_below(random, 3) : 0;
    bool is_hostile = test_random_below(random, 8) == 0;
    uint32_t index_max = HPACK_STATIC_COUNT + end->decoder.table.count + is_hostile;

    for (; updates > 0; updates--) {
        put_integer(block, random, 0x20, 5, test_random_below(random, end->setting + 2));
    }
    for (uint32_t count = test_random_below(random, 20); count > 0; count--) {
        uint32_t what = test_random_below(random, is_hostile ? 100 : 98);

        if (what < 50) {
            put_integer(block, random, 0x80, 7, 1 + test_random_below(random, index_max));
        } else if (what < 98) {
            uint32_t kind = test_random_below(random, COUNT_OF(literals));
            uint32_t index = test_random_below(random, 2) * test_random_below(random, index_max);

            put_integer(block, random, literals[kind].kind, literals[kind].bits, index);
            if (index == 0) {
                put_string(block, random);
            }
            put_string(block, random);
        } else if (what < 99) {
            put_integer(block, random, 0x20, 5, test_random_below(random, 5000));
        } else {
            put(block, (uint8_t)test_random_next(random));
        }
    }
}

/* A list as an encoder would send it. Its own table goes its own way after a block was changed. */
static void make_encoded(struct end *end, struct test_octets *block)
{
    static char text[64];
    struct test_random *random = &end->random;
    halo_header fields[12];
    nghttp2_nv pairs[12];
    size_t count = test_random_below(random, 12);

    for (size_t i = 0; i < count; i++) {
        uint16_t token = (uint16_t)(1 + test_random_below(random, HALO_NAME_COUNT - 1));
        size_t len = test_random_below(random, 40);

        memset(text, 'v', sizeof(text));
        fields[i] = (halo_header){ .name = halo_name_text(token),
                                   .value = { text + test_random_below(random, 8), len } };
        pairs[i] = (nghttp2_nv){ .name = (uint8_t *)fields[i].name.data,
                                 .namelen = fields[i].name.len,
                                 .value = (uint8_t *)fields[i].value.data,
                                 .valuelen = len };
    }
    if (test_random_below(random, 2) == 0) {
        ssize_t len = nghttp2_hd_deflate_hd(end->deflater, block->data, BLOCK_MAX, pairs, count);

        assert_true(len >= 0);
        block->len = (size_t)len;
    } else {
        struct test_octets made = test_encode(&end->encoder, fields, count);

        assert_true(made.len <= BLOCK_MAX);
        memcpy(block->data, made.data, made.len);
        block->len = made.len;
        test_octets_free(&made);
    }
}

static void change(struct test_random *random, struct test_octets *block)
{
    uint32_t at = test_random_below(random, (uint32_t)block->len + 1);

    switch (test_random_below(random, 4)) {
    case 0: /* a bit */
        if (at < block->len) {
            block->data[at] ^= (uint8_t)(1u << test_random_below(random, 8));
        }
        break;
    case 1: /* an octet */
        if (at < block->len) {
            block->data[at] = (uint8_t)test_random_next(random);
        }
        break;
    case 2: /* the end */
        block->len = at;
        break;
    default: /* a part of itself behind it */
        for (uint32_t i = at; i < at + 16 && i < block->len; i++) {
            put(block, block->data[i]);
        }
        break;
    }
}

static struct test_octets make_block(struct end *end)
{
    static uint8_t octets[BLOCK_MAX];
    struct test_octets block = { octets, 0 };

    if (test_random_below(&end->random, 3) == 0) {
        make_encoded(end, &block);
    } else {
        make_representations(end, &block);
    }
    if (test_random_below(&end->random, 10) == 0) {
        change(&end->random, &block);
    }
    return test_octets_copy(block.data, block.len);
}

/* ---- reading --------------------------------------------------------------------------- */

static size_t keep_text(const uint8_t *text, size_t len)
{
    size_t at = foreign.text_len;

    assert_true(len <= TEXT_MAX - at);
    memcpy(foreign.text + at, text, len);
    foreign.text_len += len;
    return at;
}

static bool inflate(nghttp2_hd_inflater *inflater, struct test_octets block, size_t middle)
{
    size_t at = 0;

    foreign.count = 0;
    foreign.text_len = 0;
    for (;;) {
        nghttp2_nv pair;
        int flags = 0;
        size_t until = at < middle ? middle : block.len;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &pair, &flags, block.data + at, until - at,
                                              until == block.len);

        if (used < 0) {
            return false;
        }
        at += (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            assert_true(foreign.count < FIELDS_MAX);
            foreign.fields[foreign.count].name = keep_text(pair.name, pair.namelen);
            foreign.fields[foreign.count].name_len = pair.namelen;
            foreign.fields[foreign.count].value = keep_text(pair.value, pair.valuelen);
            foreign.fields[foreign.count].value_len = pair.valuelen;
            foreign.fields[foreign.count].is_never_indexed =
                (pair.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0;
            foreign.count++;
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            assert_int_equal(at, block.len);
            return nghttp2_hd_inflate_end_headers(inflater) == 0;
        }
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && at == until && until == block.len) {
            return false; /* it wants more */
        }
    }
}

/* Is this field of halo's the one that nghttp2 read? */
static bool is_same(const halo_header *field, size_t number)
{
    return field->name.len == foreign.fields[number].name_len &&
           field->value.len == foreign.fields[number].value_len &&
           memcmp(field->name.data, foreign.text + foreign.fields[number].name, field->name.len) ==
               0 &&
           memcmp(field->value.data, foreign.text + foreign.fields[number].value,
                  field->value.len) == 0 &&
           ((field->flags & HALO_HEADER_NEVER_INDEX) != 0) ==
               foreign.fields[number].is_never_indexed;
}

/* The list is what nghttp2 read, but for the fields that are beyond a limit. */
static void compare_lists(const struct test_list *list)
{
    const struct hpack_list *limits = &list->list;
    uint64_t size = 0;
    uint32_t kept = 0;
    bool is_dropped = false;

    for (size_t i = 0; i < foreign.count; i++) {
        size_t name_len = foreign.fields[i].name_len;
        size_t value_len = foreign.fields[i].value_len;

        size += name_len + value_len + HPACK_ENTRY_OVERHEAD;
        if (i >= limits->fields_cap || size > limits->size_max || name_len > limits->string_max ||
            value_len > limits->string_max) {
            is_dropped = true;
        } else if (kept < limits->count && is_same(&list->fields[kept], i)) {
            kept++;
        } else {
            assert_true(is_dropped); /* nothing is missing in front of the first one beyond */
        }
    }
    assert_int_equal(kept, limits->count);
    assert_int_equal(limits->total, foreign.count);
    assert_int_equal(limits->size, size);
    assert_int_equal(limits->dropped, is_dropped);
}

static void compare_tables(struct end *end)
{
    struct hpack_table *table = &end->decoder.table;

    assert_int_equal(nghttp2_hd_inflate_get_dynamic_table_size(end->inflater), table->size);
    assert_int_equal(nghttp2_hd_inflate_get_num_table_entries(end->inflater),
                     table->count + HPACK_STATIC_COUNT);
    for (uint32_t age = 0; age < table->count; age++) {
        const nghttp2_nv *pair =
            nghttp2_hd_inflate_get_table_entry(end->inflater, HPACK_DYNAMIC_FIRST + age);
        const struct hpack_entry *entry = hpack_table_entry(table, age);

        assert_non_null(pair);
        assert_int_equal(pair->namelen, entry->name_len);
        assert_int_equal(pair->valuelen, entry->value_len);
        assert_memory_equal(pair->name, entry->name, entry->name_len);
        assert_memory_equal(pair->value, entry->value, entry->value_len);
    }
}

/* ---- connections ----------------------------------------------------------------------- */

enum { LIMITS = 5 };

static struct test_list *lists[LIMITS]; /* used again by the connections that follow */

static void begin(struct end *end, uint64_t seed)
{
    static const struct {
        uint32_t size_max;
        uint32_t fields;
        uint32_t string_max;
    } limits[LIMITS] = {
        { 1 << 20, TEST_FIELDS, 1 << 16 }, { 1 << 20, TEST_FIELDS, 1 << 16 },
        { 300, TEST_FIELDS, 1 << 16 },     { 1 << 20, 5, 1 << 16 },
        { 1 << 20, TEST_FIELDS, 12 },
    };
    uint32_t which;

    *end = (struct end){ .random = { seed }, .setting = HPACK_TABLE_SIZE_DEFAULT };
    which = test_random_below(&end->random, LIMITS);
    if (lists[which] == NULL) {
        lists[which] = test_list_new(limits[which].size_max, limits[which].string_max);
        lists[which]->list.fields_cap = limits[which].fields;
    }
    end->list = lists[which];
    hpack_decoder_init(&end->decoder, end->setting);
    hpack_encoder_init(&end->encoder, end->setting);
    assert_int_equal(nghttp2_hd_inflate_new(&end->inflater), 0);
    assert_int_equal(nghttp2_hd_deflate_new(&end->deflater, end->setting), 0);
}

static void finish(struct end *end)
{
    nghttp2_hd_inflate_del(end->inflater);
    nghttp2_hd_deflate_del(end->deflater);
    test_table_free(&end->decoder.table);
    test_table_free(&end->encoder.table);
}

static void change_settings(struct end *end)
{
    static const uint32_t sizes[] = { 0, 32, 100, 500, 1000, 4096, 10000 };

    for (uint32_t n = 1 + test_random_below(&end->random, 3); n > 0; n--) {
        end->setting = sizes[test_random_below(&end->random, COUNT_OF(sizes))];
        hpack_decoder_set_max(&end->decoder, end->setting);
        assert_int_equal(nghttp2_hd_inflate_change_table_size(end->inflater, end->setting), 0);
        hpack_encoder_set_max(&end->encoder, end->setting);
        assert_int_equal(nghttp2_hd_deflate_change_table_size(end->deflater, end->setting), 0);
    }
}

static enum difference explain(const struct end *end)
{
    return strstr(end->decoder.reason, "size update") != NULL && end->decoder.num_updates >= 2
               ? MORE_UPDATES
               : SAME;
}

static void print_block(struct test_octets block)
{
    for (size_t i = 0; i < block.len; i++) {
        print_message("%02x", block.data[i]);
    }
    print_message("\n");
}

/* True when the connection goes on. */
static bool compare(struct end *end, size_t counts[static DIFFERENCES], size_t *refused)
{
    struct test_octets block = make_block(end);
    size_t middle = test_random_below(&end->random, (uint32_t)block.len + 1);
    enum hpack_result result = test_decode_parts(&end->decoder, end->list, block, &middle, 1);
    bool is_good = inflate(end->inflater, block, middle);

    assert_true(result == HPACK_OK || result == HPACK_BROKEN);
    *refused += result == HPACK_BROKEN;
    if (is_good != (result == HPACK_OK)) {
        enum difference difference = is_good ? explain(end) : SAME;

        if (difference == SAME) {
            print_block(block);
            fail_msg("halo: %s, nghttp2: %s", result == HPACK_OK ? "good" : end->decoder.reason,
                     is_good ? "good" : "refused");
        }
        counts[difference]++;
    } else if (is_good) {
        compare_lists(end->list);
        compare_tables(end);
    }
    test_octets_free(&block);
    return is_good && result == HPACK_OK;
}

static void test_blocks_against_nghttp2(void **state)
{
    size_t counts[DIFFERENCES] = { 0 };
    size_t refused = 0;
    size_t blocks = 0;

    (void)state;
    for (uint64_t seed = 1; blocks < BLOCKS; seed++) {
        struct end end;
        bool is_open = true;

        begin(&end, seed);
        for (int i = 0; i < BLOCKS_PER_CONNECTION && is_open; i++) {
            if (test_random_below(&end.random, 12) == 0) {
                change_settings(&end);
            }
            is_open = compare(&end, counts, &refused);
            blocks++;
        }
        finish(&end);
    }
    for (size_t i = 0; i < LIMITS; i++) {
        test_list_free(lists[i]);
    }
    print_message("%zu blocks, %zu refused by both, %zu by halo alone (third size update)\n",
                  blocks, refused - counts[MORE_UPDATES], counts[MORE_UPDATES]);
    assert_true(refused > blocks / 100 && refused < blocks / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_against_nghttp2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
