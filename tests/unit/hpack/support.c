#include "support.h"

#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifndef HAVE_ASAN
#define HAVE_ASAN 0
#endif

#if HAVE_ASAN
#include <sanitizer/asan_interface.h>
#endif

static void forbid_reading(const void *at, size_t len)
{
#if HAVE_ASAN
    ASAN_POISON_MEMORY_REGION(at, len);
#else
    (void)at;
    (void)len;
#endif
}

static void allow_reading(const void *at, size_t len)
{
#if HAVE_ASAN
    ASAN_UNPOISON_MEMORY_REGION(at, len);
#else
    (void)at;
    (void)len;
#endif
}

struct test_list *test_list_new(uint32_t size_max, uint32_t string_max)
{
    struct test_list *list = calloc(1, sizeof(*list));
    assert_non_null(list);
    size_t scratch_cap = HPACK_SCRATCH_SIZE(size_max, string_max);
    list->list = (struct hpack_list){
        .fields = list->fields,
        .fields_cap = TEST_FIELDS,
        .size_max = size_max,
        .fields_hard = UINT32_MAX,
        .size_hard = UINT32_MAX,
        .string_max = string_max,
        .scratch = malloc(scratch_cap == 0 ? 1 : scratch_cap),
        .scratch_cap = scratch_cap,
    };
    assert_non_null(list->list.scratch);
    return list;
}

void test_list_free(struct test_list *list)
{
    free(list->list.scratch);
    free(list);
}

struct test_octets test_octets_copy(const void *data, size_t len)
{
    struct test_octets octets = { malloc(len == 0 ? 1 : len), len };
    assert_non_null(octets.data);
    memcpy(octets.data, data, len);
    return octets;
}

static unsigned hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return (unsigned)(digit - '0');
    }
    assert_true(digit >= 'a' && digit <= 'f');
    return (unsigned)(digit - 'a' + 10);
}

struct test_octets test_octets_hex(const char *hex)
{
    uint8_t *data = malloc(strlen(hex) / 2 + 1);
    size_t len = 0;
    assert_non_null(data);
    while (*hex != '\0') {
        if (*hex == ' ' || *hex == '\n') {
            hex++;
            continue;
        }
        data[len++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
        hex += 2;
    }
    struct test_octets octets = test_octets_copy(data, len);
    free(data);
    return octets;
}

void test_octets_free(struct test_octets *octets)
{
    free(octets->data);
    *octets = (struct test_octets){ NULL, 0 };
}

void test_table_grow(struct hpack_table *table)
{
    size_t size = hpack_table_room_wanted(table);
    assert_true(size > hpack_table_memory_size(table));
    void *memory = malloc(size);
    assert_non_null(memory);
    memset(memory, 0xa5, size);
    free(hpack_table_move(table, memory, size));
    test_table_check(table);
}

void test_table_free(struct hpack_table *table)
{
    free(hpack_table_memory(table));
    table->entries = NULL;
}

void test_table_check(struct hpack_table *table)
{
    uint64_t size = 0;
    uint64_t stored = 0;
    uint8_t *is_taken = calloc(1, table->arena_size + 1);
    assert_non_null(is_taken);
    assert_true(table->count == 0 || table->count <= table->mask + 1);
    for (uint32_t age = 0; age < table->count; age++) {
        const struct hpack_entry *entry = hpack_table_entry(table, age);
        uint32_t len = entry->value_len;
        size += (uint64_t)entry->name_len + entry->value_len + HPACK_ENTRY_OVERHEAD;
        if (entry->token == 0) {
            len += entry->name_len;
            assert_ptr_equal(entry->name + entry->name_len, entry->value);
        } else {
            assert_ptr_equal(entry->name, halo_name_text(entry->token).data);
        }
        stored += len;
        size_t at = (size_t)(hpack_entry_octets(entry) - table->arena);
        assert_true(at <= table->arena_size && len <= table->arena_size - at);
        for (uint32_t i = 0; i < len; i++) {
            assert_int_equal(is_taken[at + i], 0);
            is_taken[at + i] = 1;
        }
    }
    assert_int_equal(size, table->size);
    assert_int_equal(stored, table->stored);
    assert_true(table->size <= table->size_max);
    /* The free octets at head are free indeed. */
    assert_true(table->head <= table->head_end && table->head_end <= table->arena_size);
    for (size_t at = table->head; at < table->head_end; at++) {
        assert_int_equal(is_taken[at], 0);
    }
    free(is_taken);
}

void test_table_expect(struct hpack_table *table, uint32_t size, ...)
{
    va_list texts;
    va_start(texts, size);
    uint32_t age = 0;
    for (const char *text = va_arg(texts, const char *); text != NULL;
         text = va_arg(texts, const char *)) {
        assert_true(age < table->count);
        const struct hpack_entry *entry = hpack_table_entry(table, age++);
        const char *colon = strstr(text, ": ");
        assert_non_null(colon);
        assert_int_equal(entry->name_len, colon - text);
        assert_memory_equal(entry->name, text, entry->name_len);
        assert_int_equal(entry->value_len, strlen(colon + 2));
        assert_memory_equal(entry->value, colon + 2, entry->value_len);
    }
    va_end(texts);
    assert_int_equal(table->count, age);
    assert_int_equal(table->size, size);
    test_table_check(table);
}

enum hpack_result test_decode_parts(struct hpack_decoder *decoder, struct test_list *list,
                                    struct test_octets block, const size_t *ends, size_t num_ends)
{
    size_t done = 0;
    enum hpack_result result = HPACK_OK;
    hpack_decode_begin(decoder, &list->list);
    for (size_t i = 0; i <= num_ends; i++) {
        bool last = i == num_ends;
        size_t end = last ? block.len : ends[i];
        forbid_reading(block.data + end, block.len - end);
        do {
            size_t consumed;
            result =
                hpack_decode(decoder, &list->list, block.data + done, end - done, last, &consumed);
            assert_true(consumed <= end - done);
            done += consumed;
            if (result == HPACK_ROOM) {
                test_table_grow(&decoder->table);
            }
        } while (result == HPACK_ROOM);
        allow_reading(block.data + end, block.len - end);
        if (result == HPACK_OVER_LIMIT || result == HPACK_BROKEN) {
            assert_non_null(decoder->reason);
            break;
        }
        assert_true(result == HPACK_OK ? done == end : (result == HPACK_MORE && !last));
    }
    test_table_check(&decoder->table);
    return result;
}

enum hpack_result test_decode(struct hpack_decoder *decoder, struct test_list *list,
                              struct test_octets block)
{
    return test_decode_parts(decoder, list, block, NULL, 0);
}

struct test_octets test_encode(struct hpack_encoder *encoder, const halo_header *fields,
                               size_t count)
{
    if (encoder->wants_room) {
        test_table_grow(&encoder->table);
    }
    size_t bound = hpack_encode_bound(fields, count);
    uint8_t *out = malloc(bound);
    assert_non_null(out);
    uint8_t *end = hpack_encode(encoder, out, true, fields, count);
    assert_true((size_t)(end - out) <= bound);
    struct test_octets block = test_octets_copy(out, (size_t)(end - out));
    free(out);
    test_table_check(&encoder->table);
    return block;
}

void test_list_expect(const struct test_list *list, const halo_header *fields, size_t count)
{
    assert_int_equal(list->list.count, count);
    for (size_t i = 0; i < count; i++) {
        const halo_header *got = &list->fields[i];
        assert_int_equal(got->name.len, fields[i].name.len);
        assert_memory_equal(got->name.data, fields[i].name.data, got->name.len);
        assert_int_equal(got->value.len, fields[i].value.len);
        assert_memory_equal(got->value.data, fields[i].value.data, got->value.len);
        assert_int_equal(got->token, halo_name_token(fields[i].name));
    }
}

uint64_t test_random_next(struct test_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = random->state;
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

uint32_t test_random_below(struct test_random *random, uint32_t limit)
{
    return (uint32_t)((test_random_next(random) >> 32) * limit >> 32);
}
