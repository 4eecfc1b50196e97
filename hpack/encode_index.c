/*
 * The encoder's index: chains of fields with the same place (see encode_index.h).
 */
#include "hpack/encode_index.h"

uint32_t hpack_index_follow(const struct hpack_table *table, uint16_t number, uint32_t token,
                            uint32_t hash, halo_bytes name, halo_bytes value)
{
    const uint16_t *older = hpack_index_older(table);
    uint32_t age = hpack_index_age(table, number);
    for (uint32_t step = 0; step < HPACK_INDEX_STEPS && age < table->count; step++) {
        const struct hpack_entry *entry = hpack_table_entry(table, age);
        if (entry->hash == hash && hpack_index_is_name(entry, token, name) &&
            hpack_index_is_value(entry, value)) {
            return age;
        }
        /* A number that has come round leads astray, but not for more than these steps. */
        age = hpack_index_age(table, older[(table->inserted - 1 - age) & table->mask]);
    }
    return HPACK_AGE_NONE;
}

/* Makes the entry of this age known, the newest one of those that are known so far. */
static void add_entry(struct hpack_table *table, uint32_t age)
{
    const struct hpack_entry *entry = hpack_table_entry(table, age);
    uint32_t place = hpack_names[entry->token].place;
    if (entry->token == HALO_NAME_UNKNOWN) {
        place = hpack_index_place(table, hpack_name_key(entry->name, entry->name_len));
    }
    uint16_t number = (uint16_t)(table->inserted - age);
    table->index[place] = number;
    uint16_t *head = &hpack_index_heads(table)[entry->hash & table->mask];
    hpack_index_older(table)[(table->inserted - 1 - age) & table->mask] = *head;
    *head = number;
}

void hpack_index_add(struct hpack_table *table)
{
    add_entry(table, 0);
}

void hpack_index_rebuild(struct hpack_table *table)
{
    /* The insertion before the oldest entry: gone, and however many follow, not among the young. */
    uint16_t gone = (uint16_t)(table->inserted - table->count);
    size_t numbers = hpack_index_octets((size_t)table->mask + 1) / sizeof(uint16_t);
    for (size_t i = 0; i < numbers; i++) {
        table->index[i] = gone;
    }
    for (uint32_t age = table->count; age-- > 0;) {
        add_entry(table, age);
    }
}
