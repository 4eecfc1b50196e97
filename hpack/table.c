/*
 * The dynamic table: layout of its memory, planning of insertions, eviction (see table.h).
 *
 * The arena's octets are in use from the oldest entry's first octet to `head`, in one part
 * ("straight") or, once an entry was put at the arena's beginning, in two ("wrapped"): the older
 * part ends somewhere before the arena does, the newer one is [0, head). When the free octets
 * would be enough, but not in one part, the older part is slid to the end of the arena. A slide
 * is made only when an eighth of the arena stays free. So the octets that it moves have been
 * paid for by an insertion of at least that many, and the largest piece has this eighth to spare.
 */
#include "hpack/table.h"

#include "hpack/encode_index.h"
#include "hpack/hpack.h"
#include "hpack/octets.h"

enum {
    /* The first piece. A decoder gets a larger one in the middle of a block when it has to; four
     * fields are what a simple client repeats. An encoder has to do with it for the whole first
     * block: seven fields of a usual response list fit. */
    DECODER_ROOM_FIRST = 256,
    ENCODER_ROOM_FIRST = 512,
};

/* How a piece of memory is divided. */
struct layout {
    size_t slots;
    size_t index_octets;
    size_t arena_octets;
};

static size_t slots_octets(size_t slots, bool has_index)
{
    return slots * sizeof(struct hpack_entry) + (has_index ? hpack_index_octets(slots) : 0);
}

/* As many slots as there can be entries, all of them being empty; a power of two. */
static size_t slots_most(uint32_t size_max)
{
    size_t slots = 1;
    while (slots < size_max / HPACK_ENTRY_OVERHEAD) {
        slots *= 2;
    }
    return slots;
}

/* Octets of entries are at most size_max - 32. A seventh of the arena on top makes slides rare. */
static size_t arena_most(uint32_t size_max)
{
    size_t octets = size_max < HPACK_ENTRY_OVERHEAD ? 0 : size_max - HPACK_ENTRY_OVERHEAD;
    return octets + octets / 6 + 16;
}

size_t hpack_table_room_most(uint32_t size_max, bool has_index)
{
    if (size_max < HPACK_ENTRY_OVERHEAD) {
        return 0;
    }
    return slots_octets(slots_most(size_max), has_index) + arena_most(size_max);
}

static struct layout plan_layout(const struct hpack_table *table, size_t memory_size)
{
    struct layout layout = { .slots = slots_most(table->size_max) };
    if (memory_size < hpack_table_room_most(table->size_max, table->has_index)) {
        /* Usual entries have about as many octets of their own as of overhead. */
        size_t slots_share = memory_size / 4 * 3;
        if (memory_size - slots_share < table->stored) {
            slots_share = memory_size - table->stored;
        }
        while (layout.slots > 1 && slots_octets(layout.slots, table->has_index) > slots_share) {
            layout.slots /= 2;
        }
    }
    layout.index_octets = table->has_index ? hpack_index_octets(layout.slots) : 0;
    size_t before = slots_octets(layout.slots, table->has_index);
    HPACK_ASSERT(memory_size >= before + table->stored && layout.slots >= table->count);
    layout.arena_octets = memory_size - before;
    return layout;
}

/* Before there is memory: places at which no entry is found. Never written to. */
static const uint16_t no_index[HPACK_INDEX_KNOWN + 1] = { 0 };

void hpack_table_init(struct hpack_table *table, uint32_t size_max, bool has_index)
{
    *table = (struct hpack_table){
        .index = (uint16_t *)(uintptr_t)no_index,
        .mask = UINT32_MAX,
        .size_max = size_max,
        .has_index = has_index,
    };
}

static uint32_t entry_stored(const struct hpack_entry *entry)
{
    return entry->value_len + (hpack_entry_stores_name(entry) ? entry->name_len : 0);
}

/* Where the octets of the entry of this age begin. */
static size_t entry_offset(const struct hpack_table *table, uint32_t age)
{
    return (size_t)(hpack_entry_octets(hpack_table_entry(table, age)) - table->arena);
}

/* When all octets belong to entries without any, head == tail is an empty arena, else a full one. */
static bool is_wrapped(size_t head, size_t tail, uint32_t stored)
{
    return head < tail || (head == tail && stored > 0);
}

/* Finds a place for `stored` octets in front of which `count` entries remain. */
static inline enum hpack_fit plan_place(const struct hpack_table *table, uint32_t count,
                                        uint64_t stored, struct hpack_plan *plan)
{
    if (count >= table->mask + 1) {
        return HPACK_FIT_ROOM;
    }
    size_t tail = count > 0 ? entry_offset(table, count - 1) : 0;
    plan->at = count > 0 ? table->head : 0;
    plan->end = is_wrapped(plan->at, tail, plan->stored) ? tail : table->arena_size;
    if (stored <= plan->end - plan->at) {
        return HPACK_FIT_YES;
    }
    if (plan->end != tail && stored <= tail) {
        plan->at = 0;
        plan->end = tail;
        return HPACK_FIT_YES;
    }
    plan->needs_slide = true;
    size_t unused = table->arena_size - plan->stored;
    return unused >= stored + table->arena_size / 8 ? HPACK_FIT_YES : HPACK_FIT_ROOM;
}

enum hpack_fit hpack_table_plan(const struct hpack_table *table, uint64_t size, uint64_t stored,
                                struct hpack_plan *plan)
{
    uint32_t count = table->count;
    uint64_t size_left = table->size;
    uint32_t stored_left = table->stored;
    plan->needs_slide = false;
    if (HPACK_UNLIKELY(size > table->size_max)) {
        plan->evicted = count;
        return HPACK_FIT_NEVER;
    }
    while (size_left + size > table->size_max) {
        const struct hpack_entry *oldest = hpack_table_entry(table, --count);
        size_left -= hpack_entry_size(oldest);
        stored_left -= entry_stored(oldest);
    }
    plan->evicted = table->count - count;
    plan->size = (uint32_t)size_left;
    plan->stored = stored_left;
    return plan_place(table, count, stored, plan);
}

/* Moves the octets of the `num` oldest entries, [from, end), by `distance`; *name with them. */
static void slide_octets(struct hpack_table *table, uint32_t num, size_t from, size_t end,
                         ptrdiff_t distance, const char **name)
{
    char *octets = table->arena + from;
    if ((uintptr_t)*name - (uintptr_t)octets < end - from) {
        *name += distance;
    }
    memmove(octets + distance, octets, end - from);
    for (uint32_t i = 1; i <= num; i++) {
        struct hpack_entry *entry = hpack_table_entry(table, table->count - i);
        entry->value += distance;
        if (hpack_entry_stores_name(entry)) {
            entry->name += distance;
        }
    }
}

/* The number of entries in the older part of a wrapped arena, and where that part ends. */
static uint32_t measure_older_part(const struct hpack_table *table, size_t *end)
{
    uint32_t num = 0;
    size_t last = entry_offset(table, table->count - 1);
    while (num < table->count) {
        uint32_t age = table->count - 1 - num;
        size_t offset = entry_offset(table, age);
        if (offset < last) {
            break;
        }
        last = offset;
        *end = offset + entry_stored(hpack_table_entry(table, age));
        num++;
    }
    return num;
}

/* Makes all free octets one part, from head on. Entries that were just evicted lie before the
 * older part, or, in a straight arena, behind head. Live octets are slid the other way, so that
 * *name can be one of these. */
static void join_free_octets(struct hpack_table *table, const char **name)
{
    size_t tail = entry_offset(table, table->count - 1);
    size_t end = table->head;
    if (is_wrapped(table->head, tail, table->stored)) {
        uint32_t num = measure_older_part(table, &end);
        slide_octets(table, num, tail, end, (ptrdiff_t)(table->arena_size - end), name);
    } else if (hpack_table_holds(table, *name) && *name - table->arena >= (ptrdiff_t)end) {
        slide_octets(table, table->count, tail, end, -(ptrdiff_t)tail, name);
        table->head = end - tail;
    } else {
        slide_octets(table, table->count, tail, end, (ptrdiff_t)(table->arena_size - end), name);
        table->head = 0;
    }
}

static void find_head_end(struct hpack_table *table)
{
    table->head_end = table->arena_size;
    if (table->count > 0) {
        size_t tail = entry_offset(table, table->count - 1);
        if (is_wrapped(table->head, tail, table->stored)) {
            table->head_end = tail;
        }
    }
}

struct hpack_entry *hpack_table_insert(struct hpack_table *table, const struct hpack_plan *plan,
                                       uint32_t size, uint32_t stored, const char **name)
{
    HPACK_ASSERT(plan->evicted <= table->count);
    table->count -= plan->evicted;
    table->size = plan->size;
    table->stored = plan->stored;
    if (HPACK_UNLIKELY(plan->needs_slide)) {
        join_free_octets(table, name);
        find_head_end(table);
    } else {
        table->head = plan->at;
        table->head_end = plan->end;
    }
    struct hpack_entry *entry = hpack_table_append(table, size, stored);
    HPACK_ASSERT(entry != NULL);
    return entry;
}

void hpack_table_evict_all(struct hpack_table *table)
{
    table->count = 0;
    table->size = 0;
    table->stored = 0;
    table->head = 0;
    table->head_end = table->arena_size;
}

void hpack_table_resize(struct hpack_table *table, uint32_t size_max)
{
    table->size_max = size_max;
    while (table->size > size_max) {
        const struct hpack_entry *oldest = hpack_table_entry(table, table->count - 1);
        table->size -= hpack_entry_size(oldest);
        table->stored -= entry_stored(oldest);
        table->count--;
    }
    find_head_end(table);
}

/* Copies the entries, oldest first, to the beginning of the new arena. */
static void copy_entries(const struct hpack_table *from, struct hpack_table *to)
{
    to->head = 0;
    for (uint32_t age = from->count; age-- > 0;) {
        const struct hpack_entry *old = hpack_table_entry(from, age);
        struct hpack_entry *entry = hpack_table_entry(to, age);
        uint32_t stored = entry_stored(old);
        HPACK_ASSERT(stored <= to->arena_size - to->head);
        char *octets = to->arena + to->head;
        memcpy(octets, hpack_entry_octets(old), stored);
        *entry = *old;
        if (hpack_entry_stores_name(old)) {
            entry->name = octets;
            octets += old->name_len;
        }
        entry->value = octets;
        to->head += stored;
    }
    to->head_end = to->arena_size;
}

void *hpack_table_move(struct hpack_table *table, void *memory, size_t size)
{
    HPACK_ASSERT(size >= table->stored);
    struct layout layout = plan_layout(table, size);
    struct hpack_table moved = *table;
    moved.entries = memory;
    moved.mask = (uint32_t)(layout.slots - 1);
    moved.unknown_mask = (uint32_t)(hpack_index_unknown(layout.slots) - 1);
    moved.arena_size = layout.arena_octets;
    char *after = (char *)(moved.entries + layout.slots);
    moved.index = (uint16_t *)(void *)after;
    moved.arena = after + layout.index_octets;
    copy_entries(table, &moved);
    if (moved.has_index) {
        hpack_index_rebuild(&moved);
    }
    void *old = table->entries;
    *table = moved;
    return old;
}

size_t hpack_table_room_wanted(const struct hpack_table *table)
{
    size_t most = hpack_table_room_most(table->size_max, table->has_index);
    size_t now = hpack_table_memory_size(table);
    if (now >= most) {
        return now;
    }
    size_t first = table->has_index ? ENCODER_ROOM_FIRST : DECODER_ROOM_FIRST;
    size_t wanted = now == 0 ? first : 2 * now;
    /* Not two steps where one is little more. */
    return wanted + wanted / 4 >= most ? most : wanted;
}

void *hpack_table_memory(struct hpack_table *table)
{
    return table->entries;
}
