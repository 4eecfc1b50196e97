/*
 * The dynamic table by itself: random insertions, evictions, resizes and moves against an array of
 * copies, in pieces of memory of all kinds of sizes. Names are often taken from the table.
 */
#include "support.h"

#include "hpack/octets.h"

enum {
    MODEL_MAX = 4096,
};

/* The entries as they should be, newest last. */
struct model {
    struct test_octets names[MODEL_MAX];
    struct test_octets values[MODEL_MAX];
    uint32_t first;
    uint32_t count; /* from the beginning of the arrays */
};

static void model_add(struct model *model, const char *name, size_t name_len, const char *value,
                      size_t value_len)
{
    assert_true(model->count < MODEL_MAX);
    model->names[model->count] = test_octets_copy(name, name_len);
    model->values[model->count] = test_octets_copy(value, value_len);
    model->count++;
}

static void model_expect(struct model *model, struct hpack_table *table)
{
    test_table_check(table);
    /* Eviction is known from the RFC's sizes. */
    uint32_t size = 0;
    uint32_t first = model->count;
    while (first > model->first) {
        uint32_t next = (uint32_t)(size + model->names[first - 1].len +
                                   model->values[first - 1].len + HPACK_ENTRY_OVERHEAD);
        if (next > table->size_max) {
            break;
        }
        size = next;
        first--;
    }
    model->first = first;
    assert_int_equal(table->count, model->count - first);
    assert_int_equal(table->size, size);
    for (uint32_t age = 0; age < table->count; age++) {
        const struct hpack_entry *entry = hpack_table_entry(table, age);
        const struct test_octets *name = &model->names[model->count - 1 - age];
        const struct test_octets *value = &model->values[model->count - 1 - age];
        assert_int_equal(entry->name_len, name->len);
        assert_memory_equal(entry->name, name->data, name->len);
        assert_int_equal(entry->value_len, value->len);
        assert_memory_equal(entry->value, value->data, value->len);
    }
}

static void model_free(struct model *model)
{
    for (uint32_t i = 0; i < model->count; i++) {
        test_octets_free(&model->names[i]);
        test_octets_free(&model->values[i]);
    }
    free(model);
}

struct counts {
    uint32_t rooms;
    uint32_t slides;
    uint32_t evicted_names;
};

static void insert(struct hpack_table *table, struct model *model, const char *name,
                   uint32_t name_len, const char *value, uint32_t value_len, uint16_t token,
                   struct counts *counts)
{
    struct hpack_plan plan;
    struct test_octets name_copy = test_octets_copy(name, name_len);
    uint64_t size = (uint64_t)name_len + value_len + HPACK_ENTRY_OVERHEAD;
    uint32_t stored = value_len + (token == 0 ? name_len : 0);
    size_t most = hpack_table_room_most(table->size_max, table->has_index);
    enum hpack_fit fit = hpack_table_plan(table, size, stored, &plan);
    if (fit == HPACK_FIT_ROOM) {
        /* The largest piece holds everything. */
        assert_true(hpack_table_memory_size(table) < most);
        counts->rooms++;
        test_octets_free(&name_copy);
        return;
    }
    model_add(model, name, name_len, value, value_len);
    if (fit == HPACK_FIT_NEVER) {
        assert_true(size > table->size_max);
        hpack_table_evict_all(table);
        model->first = model->count;
        test_octets_free(&name_copy);
        return;
    }
    counts->slides += plan.needs_slide;
    const char *source = name;
    struct hpack_entry *entry = hpack_table_insert(table, &plan, (uint32_t)size, stored, &source);
    assert_memory_equal(source, name_copy.data, name_len);
    bool is_stored_before = hpack_table_holds(table, source);
    for (uint32_t age = 1; age < table->count && is_stored_before; age++) {
        is_stored_before = hpack_table_entry(table, age)->name != source;
    }
    counts->evicted_names += is_stored_before;
    char *octets = (char *)(uintptr_t)entry->value;
    entry->name = token != 0 ? halo_name_text(token).data : octets;
    if (token == 0) {
        memmove(octets, source, name_len);
        octets += name_len;
    }
    memcpy(octets, value, value_len);
    *entry = (struct hpack_entry){ entry->name, octets, name_len, value_len, 0, token, 0 };
    test_octets_free(&name_copy);
}

static void move_table(struct hpack_table *table, size_t size)
{
    void *memory = malloc(size);
    assert_non_null(memory);
    memset(memory, 0xa5, size);
    free(hpack_table_move(table, memory, size));
}

/* A name from the table, a known one, or a new one; a value of random length. */
static void insert_something(struct hpack_table *table, struct model *model,
                             struct test_random *random, uint32_t longest, struct counts *counts)
{
    char new_name[260];
    char value[2048];
    uint32_t value_len = test_random_below(random, longest);
    uint32_t name_len = test_random_below(random, 1 + longest / 8);
    const char *name = new_name;
    uint16_t token = 0;
    for (uint32_t i = 0; i < sizeof(new_name); i++) {
        new_name[i] = (char)('a' + test_random_below(random, 26));
    }
    for (uint32_t i = 0; i < value_len; i++) {
        value[i] = (char)test_random_next(random);
    }
    switch (test_random_below(random, 4)) {
    case 0:
        token = (uint16_t)(1 + test_random_below(random, HALO_NAME_COUNT - 1));
        name = halo_name_text(token).data;
        name_len = (uint32_t)halo_name_text(token).len;
        break;
    case 1:
    case 2:
        if (table->count > 0) {
            const struct hpack_entry *entry = hpack_table_entry(
                table, test_random_below(random, 3) == 0 ? test_random_below(random, table->count)
                                                         : table->count - 1);
            name = entry->name;
            name_len = entry->name_len;
            token = entry->token;
        }
        break;
    default:
        break;
    }
    insert(table, model, name, name_len, value, value_len, token, counts);
}

static void run_table(uint64_t seed, uint32_t size_max, uint32_t longest, bool has_index,
                      struct counts *counts)
{
    struct test_random random = { seed };
    struct hpack_table table;
    struct model *model = calloc(1, sizeof(*model));
    hpack_table_init(&table, size_max, has_index);
    assert_null(hpack_table_memory(&table));
    for (int round = 0; round < 1500; round++) {
        uint32_t rooms = counts->rooms;
        insert_something(&table, model, &random, longest, counts);
        model_expect(model, &table);
        if (counts->rooms != rooms) {
            size_t now = hpack_table_memory_size(&table);
            /* As asked for, or a little more than now, or the most there is. */
            size_t wanted = hpack_table_room_wanted(&table);
            assert_true(wanted > now);
            if (test_random_below(&random, 3) == 0) {
                wanted = now + wanted / 4 + 200;
            }
            move_table(&table, wanted);
            model_expect(model, &table);
        } else if (test_random_below(&random, 200) == 0) {
            hpack_table_resize(&table, test_random_below(&random, 2 * size_max));
            model_expect(model, &table);
        }
    }
    model_free(model);
    test_table_free(&table);
}

static void test_table_random(void **state)
{
    (void)state;
    struct counts counts = { 0, 0, 0 };
    static const uint32_t sizes[] = { 64, 100, 256, 1000, 4096, 4096, 16384 };
    for (uint64_t seed = 1; seed <= 42; seed++) {
        uint32_t size_max = sizes[seed % COUNT_OF(sizes)];
        uint32_t longest = seed % 3 == 0 ? size_max + 1 : seed % 3 == 1 ? 60 : size_max / 4;
        longest = longest > 2048 ? 2048 : longest;
        run_table(seed, size_max, longest, seed % 2 == 0, &counts);
    }
    /* The cases that this is about do happen. */
    assert_true(counts.rooms > 100);
    assert_true(counts.slides > 100);
    assert_true(counts.evicted_names > 100);
}

static void test_table_room(void **state)
{
    (void)state;
    struct hpack_table table;
    hpack_table_init(&table, 4096, false);
    size_t sizes[16];
    uint32_t steps = 0;
    while (hpack_table_room_wanted(&table) > hpack_table_memory_size(&table)) {
        sizes[steps] = hpack_table_room_wanted(&table);
        move_table(&table, sizes[steps++]);
    }
    assert_int_equal(sizes[0], 256);
    assert_int_equal(sizes[1], 512);
    assert_int_equal(sizes[steps - 1], hpack_table_room_most(4096, false));
    assert_true(sizes[steps - 1] < 9000);
    assert_true(steps <= 6);
    test_table_free(&table);

    hpack_table_init(&table, 0, false);
    assert_int_equal(hpack_table_room_wanted(&table), 0);
    hpack_table_init(&table, 31, true);
    assert_int_equal(hpack_table_room_wanted(&table), 0);
    hpack_table_init(&table, UINT32_MAX, false);
    assert_int_equal(hpack_table_room_wanted(&table), 256);
    assert_true(hpack_table_room_most(UINT32_MAX, false) > UINT32_MAX);
}

/* A piece that holds the contents may be smaller than the one before. */
static void test_table_moves_to_smaller(void **state)
{
    (void)state;
    struct hpack_table table;
    struct counts counts = { 0, 0, 0 };
    struct model *model = calloc(1, sizeof(*model));
    hpack_table_init(&table, 4096, true);
    move_table(&table, 8192);
    for (int i = 0; i < 300; i++) {
        insert(&table, model, "name", 4, "value", 5, 0, &counts);
    }
    hpack_table_resize(&table, 41 * 4);
    hpack_table_resize(&table, 4096);
    move_table(&table, 600);
    model->first = model->count - 4;
    model_expect(model, &table);
    model_free(model);
    test_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_random),
        cmocka_unit_test(test_table_room),
        cmocka_unit_test(test_table_moves_to_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
