/*
 * The dynamic table (RFC 7541 sections 2.3.2 and 4) in one handed-in piece of memory.
 *
 *     piece:  [ entries: a ring of 32-octet slots | encoder's index | arena: a ring of octets ]
 *
 * Entries hold pointers into the arena, so that an indexed field is taken out with a few loads.
 * The octets of an entry (its name, unless it is a known one, whose text is constant, then its
 * value) lie in one run; a run that does not fit at the end of the arena starts at its beginning.
 * The n-th insertion lives in slot n & mask; eviction is counting down.
 *
 * An insertion is planned first, which changes nothing, and then carried out. So the decoder can
 * ask for a larger piece before it has consumed the field, and can save borrowed octets before an
 * eviction frees them. In the largest piece (hpack_table_room_wanted) every plan is carried out.
 *
 * The struct is open only to be embedded. No file outside hpack/ reads its members.
 */
#ifndef HALO_HPACK_TABLE_H
#define HALO_HPACK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HPACK_ENTRY_OVERHEAD = 32, /* RFC 7541 section 4.1 */
    HPACK_DYNAMIC_FIRST = 62,  /* index of the newest dynamic entry (RFC 7541 section 2.3.3) */
};

/* As large as what RFC 7541 section 4.1 charges for an entry. */
struct hpack_entry {
    const char *name;
    const char *value;
    uint32_t name_len;
    uint32_t value_len;
    uint32_t hash; /* of static and encoder's entries; else 0 */
    uint16_t token;
    uint16_t flags; /* HPACK_FIELD_* */
};

struct hpack_table {
    struct hpack_entry *entries; /* the piece of memory; NULL: none yet */
    /* The encoder's index (encode_index.h), between entries and arena. */
    uint16_t *index;
    char *arena;
    size_t arena_size;
    size_t head;           /* where the next octets go */
    size_t head_end;       /* where the free octets that begin there end */
    uint32_t stored;       /* octets in the arena that belong to entries */
    uint32_t mask;         /* slots - 1; so UINT32_MAX when there are none */
    uint32_t inserted;     /* insertions so far; the newest entry is number inserted - 1 */
    uint32_t count;        /* entries */
    uint32_t size;         /* RFC 7541 section 4.1 */
    uint32_t size_max;     /* RFC 7541 section 4.2: the size in force */
    uint32_t unknown_mask; /* places for names in the index that are not known ones - 1 */
    bool has_index;
};

/* What an insertion takes. */
struct hpack_plan {
    uint32_t evicted; /* entries that go */
    uint32_t size;    /* of the table without them */
    uint32_t stored;  /* octets in the arena without them */
    bool needs_slide; /* the free octets are in two parts: live ones must be moved */
    size_t at;        /* where the new octets go, unless some are moved */
    size_t end;       /* where the free octets that begin there end */
};

enum hpack_fit {
    HPACK_FIT_YES,
    HPACK_FIT_NEVER, /* larger than the table: it empties it (RFC 7541 section 4.4) */
    HPACK_FIT_ROOM,  /* not in this piece of memory */
};

void hpack_table_init(struct hpack_table *table, uint32_t size_max, bool has_index);
/* Plans the insertion of an entry of `size` octets (with the overhead), `stored` of them in the
 * arena. For HPACK_FIT_NEVER the plan is to evict everything. */
enum hpack_fit hpack_table_plan(const struct hpack_table *table, uint64_t size, uint64_t stored,
                                struct hpack_plan *plan);
/* Evicts as planned and makes a newest entry with room for `stored` octets, at its `value`; the
 * rest of the entry is the caller's to fill in. *name, if it points into the arena, still points
 * to the same octets afterwards, even when their entry is evicted: they are where they were (the
 * new entry's octets may be there too, so the name is moved with memmove, and first) or were
 * moved, and *name with them. */
struct hpack_entry *hpack_table_insert(struct hpack_table *table, const struct hpack_plan *plan,
                                       uint32_t size, uint32_t stored, const char **name);
void hpack_table_evict_all(struct hpack_table *table);
/* Dynamic table size update: evicts until the size is at most this (RFC 7541 section 4.3). */
void hpack_table_resize(struct hpack_table *table, uint32_t size_max);
/* The size of a piece that never needs to grow for this size of the table. */
size_t hpack_table_room_most(uint32_t size_max, bool has_index);

/* The entry of age 0 (newest) to count - 1. */
static inline struct hpack_entry *hpack_table_entry(const struct hpack_table *table, uint32_t age)
{
    return &table->entries[(table->inserted - 1 - age) & table->mask];
}

/* Octets of the piece in use. */
static inline size_t hpack_table_memory_size(const struct hpack_table *table)
{
    return (size_t)((uintptr_t)table->arena - (uintptr_t)table->entries) + table->arena_size;
}

/* The name is not the constant text of a known one: its octets are in the arena. */
static inline bool hpack_entry_stores_name(const struct hpack_entry *entry)
{
    return entry->token == 0;
}

/* Where the octets of the entry begin. */
static inline const char *hpack_entry_octets(const struct hpack_entry *entry)
{
    return hpack_entry_stores_name(entry) ? entry->name : entry->value;
}

static inline uint32_t hpack_entry_size(const struct hpack_entry *entry)
{
    return entry->name_len + entry->value_len + HPACK_ENTRY_OVERHEAD;
}

/* Points into the arena. */
static inline bool hpack_table_holds(const struct hpack_table *table, const char *octets)
{
    return (uintptr_t)octets - (uintptr_t)table->arena < table->arena_size;
}

/* Makes a newest entry as hpack_table_insert() does, if nothing has to be evicted or moved; else
 * NULL. */
static inline struct hpack_entry *hpack_table_append(struct hpack_table *table, uint64_t size,
                                                     uint64_t stored)
{
    if (size > table->size_max - table->size || table->count >= table->mask + 1 ||
        stored > table->head_end - table->head) {
        return NULL;
    }
    struct hpack_entry *entry = &table->entries[table->inserted & table->mask];
    entry->value = table->arena + table->head;
    table->head += stored;
    table->stored += (uint32_t)stored;
    table->size += (uint32_t)size;
    table->count++;
    table->inserted++;
    return entry;
}

#endif
