#include "reference.h"

#include "hpack/field.h"

/* ---- Huffman ----------------------------------------------------------------------------- */

/* RFC 7541 appendix B, the column "len in bits". */
static const uint8_t lengths[REFERENCE_SYMBOLS] = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,
    5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,
    7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,
    7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
};

uint32_t reference_length(uint32_t symbol)
{
    return lengths[symbol];
}

/* The code is canonical: ordered by length, then by symbol. */
uint32_t reference_code(uint32_t wanted)
{
    static uint32_t codes[REFERENCE_SYMBOLS];
    if (codes[REFERENCE_EOS] == 0) {
        uint32_t code = 0;
        for (uint32_t length = 1; length <= 30; length++) {
            code <<= 1;
            for (uint32_t symbol = 0; symbol < REFERENCE_SYMBOLS; symbol++) {
                if (lengths[symbol] == length) {
                    codes[symbol] = code++;
                }
            }
        }
        assert_int_equal(code, 1u << 30);
    }
    return codes[wanted];
}

/* The code as a tree: nodes 1 to 256 have two children each; symbols are written as ~symbol. */
static int32_t tree[REFERENCE_SYMBOLS][2];

static void build_tree(void)
{
    int32_t num_nodes = 1;
    for (uint32_t symbol = 0; symbol < REFERENCE_SYMBOLS; symbol++) {
        int32_t node = 0;
        for (uint32_t left = lengths[symbol] - 1u; left > 0; left--) {
            int32_t *child = &tree[node][reference_code(symbol) >> left & 1];
            if (*child == 0) {
                *child = num_nodes++;
            }
            node = *child;
        }
        tree[node][reference_code(symbol) & 1] = ~(int32_t)symbol;
    }
}

int64_t reference_huffman_decode(uint8_t *out, const uint8_t *in, size_t len)
{
    int64_t count = 0;
    int32_t node = 0;
    uint32_t length = 0;
    bool is_ones = true;
    if (tree[0][0] == 0) {
        build_tree();
    }
    for (size_t at = 0; at < 8 * len; at++) {
        uint32_t bit = in[at / 8] >> (7 - at % 8) & 1;
        node = tree[node][bit];
        is_ones = is_ones && bit == 1;
        length++;
        if (node >= 0) {
            continue;
        }
        if (~node == REFERENCE_EOS) {
            return -1;
        }
        out[count++] = (uint8_t)~node;
        node = 0;
        length = 0;
        is_ones = true;
    }
    return length <= 7 && is_ones ? count : -1;
}

/* ---- lists and the table ----------------------------------------------------------------- */

void reference_list_add(struct reference_list *list, const void *name, size_t name_len,
                        const void *value, size_t value_len, bool is_never_indexed)
{
    list->fields = realloc(list->fields, (list->count + 1) * sizeof(list->fields[0]));
    assert_non_null(list->fields);
    list->fields[list->count++] = (struct reference_field){
        .name = test_octets_copy(name, name_len),
        .value = test_octets_copy(value, value_len),
        .is_never_indexed = is_never_indexed,
    };
}

static void free_field(struct reference_field *field)
{
    test_octets_free(&field->name);
    test_octets_free(&field->value);
}

void reference_list_free(struct reference_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free_field(&list->fields[i]);
    }
    free(list->fields);
    *list = (struct reference_list){ NULL, 0 };
}

void reference_init(struct reference *reference, uint32_t size_max)
{
    *reference = (struct reference){ .size_max = size_max, .setting = size_max };
}

void reference_free(struct reference *reference)
{
    reference_list_free(&reference->table);
}

void reference_resize(struct reference *reference, uint32_t size_max)
{
    reference->size_max = size_max;
    while (reference->size > size_max) {
        struct reference_field *oldest = &reference->table.fields[--reference->table.count];
        reference->size -= oldest->name.len + oldest->value.len + 32;
        free_field(oldest);
    }
}

/* The name and value are copied before anything is evicted. */
static void insert(struct reference *reference, struct test_octets name, struct test_octets value)
{
    struct reference_field field = { test_octets_copy(name.data, name.len),
                                     test_octets_copy(value.data, value.len), false };
    size_t size = name.len + value.len + 32;
    uint32_t size_max = reference->size_max;
    reference_resize(reference, size > size_max ? 0 : size_max - (uint32_t)size);
    reference->size_max = size_max;
    if (size > size_max) {
        free_field(&field);
        return;
    }
    struct reference_list *table = &reference->table;
    table->fields = realloc(table->fields, (table->count + 1) * sizeof(table->fields[0]));
    memmove(table->fields + 1, table->fields, table->count * sizeof(table->fields[0]));
    table->fields[0] = field;
    table->count++;
    reference->size += size;
}

static bool lookup(const struct reference *reference, uint64_t index, struct test_octets *name,
                   struct test_octets *value)
{
    if (index >= 1 && index <= HPACK_STATIC_COUNT) {
        const struct hpack_entry *entry = &hpack_static_entries[index];
        *name = (struct test_octets){ (uint8_t *)(uintptr_t)entry->name, entry->name_len };
        *value = (struct test_octets){ (uint8_t *)(uintptr_t)entry->value, entry->value_len };
        return true;
    }
    if (index < 62 || index - 62 >= reference->table.count) {
        return false;
    }
    *name = reference->table.fields[index - 62].name;
    *value = reference->table.fields[index - 62].value;
    return true;
}

/* ---- decoding ---------------------------------------------------------------------------- */

struct input {
    const uint8_t *data;
    size_t len;
    size_t at;
};

static bool take_integer(struct input *in, unsigned prefix_bits, uint64_t *value)
{
    if (in->at == in->len) {
        return false;
    }
    uint64_t max = (1u << prefix_bits) - 1;
    *value = in->data[in->at++] & max;
    if (*value < max) {
        return true;
    }
    for (unsigned i = 0; i < 5 && in->at < in->len; i++) {
        uint8_t octet = in->data[in->at++];
        *value += (uint64_t)(octet & 127) << 7 * i;
        if (octet < 128) {
            return *value <= UINT32_MAX;
        }
    }
    return false;
}

static bool take_string(struct input *in, struct test_octets *string)
{
    uint64_t len;
    bool is_huffman = in->at < in->len && (in->data[in->at] & 0x80) != 0;
    if (!take_integer(in, 7, &len) || len > in->len - in->at) {
        return false;
    }
    const uint8_t *octets = in->data + in->at;
    in->at += len;
    if (!is_huffman) {
        *string = test_octets_copy(octets, len);
        return true;
    }
    uint8_t *decoded = malloc(2 * len + 1);
    int64_t count = reference_huffman_decode(decoded, octets, len);
    if (count >= 0) {
        *string = test_octets_copy(decoded, (size_t)count);
    }
    free(decoded);
    return count >= 0;
}

static bool decode_literal(struct reference *reference, struct input *in,
                           struct reference_list *list)
{
    uint8_t first = in->data[in->at];
    bool is_inserted = (first & 0xc0) == 0x40;
    struct test_octets name = { 0 };
    struct test_octets value = { 0 };
    uint64_t index;
    if (!take_integer(in, is_inserted ? 6 : 4, &index)) {
        return false;
    }
    if (index == 0) {
        if (!take_string(in, &name)) {
            return false;
        }
    } else if (lookup(reference, index, &name, &value)) {
        name = test_octets_copy(name.data, name.len);
    } else {
        return false;
    }
    bool good = take_string(in, &value);
    if (good) {
        reference_list_add(list, name.data, name.len, value.data, value.len,
                           (first & 0xf0) == 0x10);
        if (is_inserted) {
            insert(reference, name, value);
        }
        test_octets_free(&value);
    }
    test_octets_free(&name);
    return good;
}

bool reference_decode(struct reference *reference, struct test_octets block,
                      struct reference_list *list)
{
    struct input in = { block.data, block.len, 0 };
    bool has_field = false;
    unsigned updates = 0;
    while (in.at < in.len) {
        uint8_t first = in.data[in.at];
        struct test_octets name = { 0 };
        struct test_octets value = { 0 };
        uint64_t number;
        if ((first & 0x80) != 0) {
            if (!take_integer(&in, 7, &number) || !lookup(reference, number, &name, &value)) {
                return false;
            }
            reference_list_add(list, name.data, name.len, value.data, value.len, false);
        } else if ((first & 0xe0) == 0x20) {
            if (!take_integer(&in, 5, &number) || number > reference->setting || has_field ||
                ++updates > 2) {
                return false;
            }
            reference_resize(reference, (uint32_t)number);
            continue;
        } else if (!decode_literal(reference, &in, list)) {
            return false;
        }
        has_field = true;
    }
    return true;
}

/* ---- encoding ---------------------------------------------------------------------------- */

struct output {
    uint8_t *data;
    size_t len;
    size_t cap;
};

static uint8_t *make_room(struct output *out, size_t len)
{
    if (out->cap - out->len < len) {
        out->cap = 2 * out->cap + len + 64;
        out->data = realloc(out->data, out->cap);
        assert_non_null(out->data);
    }
    return out->data + out->len;
}

static void put_integer(struct output *out, unsigned kind, unsigned prefix_bits, uint64_t value)
{
    uint8_t *at = make_room(out, 16);
    uint64_t max = (1u << prefix_bits) - 1;
    size_t len = 1;
    at[0] = (uint8_t)(kind | (value < max ? value : max));
    if (value >= max) {
        for (value -= max; value >= 128; value /= 128) {
            at[len++] = (uint8_t)(value % 128 + 128);
        }
        at[len++] = (uint8_t)value;
    }
    out->len += len;
}

static void put_string(struct output *out, struct test_random *random, struct test_octets string)
{
    bool is_huffman = test_random_below(random, 2) == 0;
    uint64_t bits = 0;
    for (size_t i = 0; i < string.len; i++) {
        bits += lengths[string.data[i]];
    }
    size_t len = is_huffman ? (size_t)(bits + 7) / 8 : string.len;
    put_integer(out, is_huffman ? 0x80 : 0, 7, len);
    uint8_t *at = make_room(out, len + 1);
    out->len += len;
    if (!is_huffman) {
        memcpy(at, string.data, string.len);
        return;
    }
    memset(at, 0xff, len);
    size_t bit = 0;
    for (size_t i = 0; i < string.len; i++) {
        uint32_t code = reference_code(string.data[i]);
        for (uint32_t left = lengths[string.data[i]]; left-- > 0; bit++) {
            if ((code >> left & 1) == 0) {
                at[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
            }
        }
    }
}

static bool is_same(struct test_octets a, struct test_octets b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* An index with the same name, and the same value if wanted; the choice is random. 0: none. */
static uint64_t choose_index(const struct reference *reference, struct test_random *random,
                             const struct reference_field *field, bool with_value)
{
    uint64_t chosen = 0;
    uint32_t num_found = 0;
    for (uint64_t index = 1; index < 62 + reference->table.count; index++) {
        struct test_octets name = { 0 };
        struct test_octets value = { 0 };
        assert_true(lookup(reference, index, &name, &value));
        if (is_same(name, field->name) && (!with_value || is_same(value, field->value)) &&
            test_random_below(random, ++num_found) == 0) {
            chosen = index;
        }
    }
    return chosen;
}

struct test_octets reference_encode(struct reference *reference, struct test_random *random,
                                    const struct reference_list *list, uint32_t updates)
{
    struct output out = { NULL, 0, 0 };
    while (updates-- > 0) {
        uint32_t size = test_random_below(random, 3) == 0
                            ? reference->setting
                            : test_random_below(random, reference->setting + 1);
        put_integer(&out, 0x20, 5, size);
        reference_resize(reference, size);
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct reference_field *field = &list->fields[i];
        uint64_t index = choose_index(reference, random, field, true);
        if (index != 0 && !field->is_never_indexed && test_random_below(random, 8) != 0) {
            put_integer(&out, 0x80, 7, index);
            continue;
        }
        uint64_t name_index = choose_index(reference, random, field, false);
        if (test_random_below(random, 8) == 0) {
            name_index = 0;
        }
        bool is_inserted = !field->is_never_indexed && test_random_below(random, 4) != 0;
        put_integer(&out,
                    is_inserted               ? 0x40
                    : field->is_never_indexed ? 0x10
                                              : 0,
                    is_inserted ? 6 : 4, name_index);
        if (name_index == 0) {
            put_string(&out, random, field->name);
        }
        put_string(&out, random, field->value);
        if (is_inserted) {
            insert(reference, field->name, field->value);
        }
    }
    struct test_octets block =
        test_octets_copy(out.len == 0 ? (const void *)"" : out.data, out.len);
    free(out.data);
    return block;
}

/* ---- comparison -------------------------------------------------------------------------- */

static void expect_octets(struct test_octets expected, const char *data, size_t len)
{
    assert_int_equal(expected.len, len);
    assert_memory_equal(expected.data, data, len);
}

void reference_expect_table(const struct reference *reference, struct hpack_table *table)
{
    assert_int_equal(table->count, reference->table.count);
    assert_int_equal(table->size, reference->size);
    for (uint32_t age = 0; age < table->count; age++) {
        const struct hpack_entry *entry = hpack_table_entry(table, age);
        expect_octets(reference->table.fields[age].name, entry->name, entry->name_len);
        expect_octets(reference->table.fields[age].value, entry->value, entry->value_len);
    }
}

void reference_expect_list(const struct reference_list *expected, const struct test_list *list)
{
    assert_int_equal(list->list.count, expected->count);
    for (size_t i = 0; i < expected->count; i++) {
        const halo_header *got = &list->fields[i];
        expect_octets(expected->fields[i].name, got->name.data, got->name.len);
        expect_octets(expected->fields[i].value, got->value.data, got->value.len);
        assert_int_equal(got->token, halo_name_token(got->name));
        unsigned flags = hpack_name_flags(got->name) | hpack_value_flags(got->value);
        if (expected->fields[i].is_never_indexed) {
            flags |= HALO_HEADER_NEVER_INDEX;
        }
        assert_int_equal(got->flags, flags);
    }
}
