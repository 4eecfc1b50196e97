/*
 * The encoder's index: finds entries of the dynamic table by name and by name and value.
 *
 * It lives in the table's piece of memory and holds only the low 16 bits of insertion numbers:
 *
 *     names [places]  the newest insertion whose name has this place
 *     heads [slots]   the newest insertion whose field hash has this place
 *     older [slots]   the insertion before it with the same place in heads
 *
 * An entry that is gone is recognised by its age, so eviction has nothing to do here. Whatever is
 * found is compared octet by octet: a stale or wrapped number costs a lookup, never a wrong result.
 * Chains are followed a bounded number of steps, so fields made to collide cost compression only.
 */
#ifndef HALO_HPACK_ENCODE_INDEX_H
#define HALO_HPACK_ENCODE_INDEX_H

#include "hpack/field.h"
#include "hpack/octets.h"
#include "hpack/table.h"

enum {
    HPACK_AGE_NONE = UINT32_MAX >> 1, /* not found; no table has so many entries */
    HPACK_INDEX_KNOWN = 32,           /* places for known names, before those for others */
    HPACK_INDEX_UNKNOWN_MIN = 16,     /* places for others, at least */
    HPACK_INDEX_STEPS = 16,
};

static inline size_t hpack_index_unknown(size_t slots)
{
    return 2 * slots < HPACK_INDEX_UNKNOWN_MIN ? HPACK_INDEX_UNKNOWN_MIN : 2 * slots;
}

static inline size_t hpack_index_octets(size_t slots)
{
    return (HPACK_INDEX_KNOWN + hpack_index_unknown(slots) + 2 * slots) * sizeof(uint16_t);
}

/* Known names have fixed places, see tools/gen_names.py; the others, one by their key. */
static inline uint32_t hpack_index_place(const struct hpack_table *table, uint32_t name_key)
{
    return HPACK_INDEX_KNOWN + (name_key >> 16 & table->unknown_mask);
}

static inline uint16_t *hpack_index_heads(const struct hpack_table *table)
{
    return table->index + HPACK_INDEX_KNOWN + table->unknown_mask + 1;
}

static inline uint16_t *hpack_index_older(const struct hpack_table *table)
{
    return hpack_index_heads(table) + table->mask + 1;
}

/* The age of an insertion from the low bits of its number; `count` or more: it is gone. */
static inline uint32_t hpack_index_age(const struct hpack_table *table, uint16_t number)
{
    return (uint16_t)(table->inserted - number);
}

/* The number of the newest insertion whose name has this place. */
static inline uint16_t hpack_index_newest(const struct hpack_table *table, uint32_t place)
{
    return table->index[place];
}

/* The entry with these low bits of its insertion number. */
static inline const struct hpack_entry *hpack_index_entry(const struct hpack_table *table,
                                                          uint16_t number)
{
    return &table->entries[(number - 1u) & table->mask];
}

static inline bool hpack_index_is_name(const struct hpack_entry *entry, uint32_t token,
                                       halo_bytes name)
{
    return entry->token == token &&
           (token != 0 ||
            (entry->name_len == name.len && hpack_octets_equal(entry->name, name.data, name.len)));
}

static inline __attribute__((always_inline)) bool hpack_index_is_value(
    const struct hpack_entry *entry, halo_bytes value)
{
    return entry->value_len == value.len && hpack_octets_equal(entry->value, value.data, value.len);
}

/* The age of an entry with this name and value, or HPACK_AGE_NONE; `number` is at the head of the
 * chain for this hash. */
uint32_t hpack_index_follow(const struct hpack_table *table, uint16_t number, uint32_t token,
                            uint32_t hash, halo_bytes name, halo_bytes value);

/* The same from the hash alone. */
static inline uint32_t hpack_index_find_field(const struct hpack_table *table, uint32_t token,
                                              uint32_t hash, halo_bytes name, halo_bytes value)
{
    if (table->count == 0) {
        return HPACK_AGE_NONE;
    }
    uint16_t number = hpack_index_heads(table)[hash & table->mask];
    if (hpack_index_age(table, number) >= table->count) {
        return HPACK_AGE_NONE;
    }
    return hpack_index_follow(table, number, token, hash, name, value);
}

/* Makes the newest entry known. */
void hpack_index_add(struct hpack_table *table);
/* Fills the index of a table that was moved. */
void hpack_index_rebuild(struct hpack_table *table);

#endif
