/*
 * The decoder (RFC 7541 section 3): representations to borrowed fields.
 *
 * Runs of indexed fields of one octet each, which is what a repeated list is made of, are decoded
 * in one tight loop. Everything else goes field by field: find its extent, check the sizes that
 * can be told from the wire, decode its strings to the scratch area, insert, emit. A field changes
 * nothing until all of it is there and the table has room, so it can be started over.
 */
#include "hpack/field.h"
#include "hpack/integer.h"

/* First octets (RFC 7541 section 6). */
enum {
    INDEXED = 0x80,
    INDEXED_BITS = 7,
    INCREMENTAL = 0x40,
    INCREMENTAL_BITS = 6,
    SIZE_UPDATE = 0x20,
    SIZE_UPDATE_BITS = 5,
    NEVER_INDEXED = 0x10,
    LITERAL_BITS = 4,
    HUFFMAN = 0x80,
    STRING_BITS = 7,

    UPDATES_MAX = 2,      /* RFC 7541 section 4.2: the smallest size and the last one */
    HUFFMAN_LONGEST = 30, /* bits of the longest code */

    /* Dynamic entries whose index is one octet long. */
    DYNAMIC_SHORT = (1 << INDEXED_BITS) - 1 - HPACK_DYNAMIC_FIRST,
};

/* A string: as it is on the wire, and decoded. */
struct string {
    const uint8_t *wire;
    uint32_t wire_len;
    bool is_huffman;
    bool is_coded; /* too long to be decoded anywhere but into the table: no octets */
    uint32_t len;
    const char *octets;
};

/* A literal field. */
struct literal {
    struct string name;
    struct string value;
    uint32_t name_index; /* 0: the name is on the wire */
    uint16_t token;
    uint16_t flags;
    bool is_inserted;
    bool is_kept;
};

static enum hpack_result fail(struct hpack_decoder *decoder, enum hpack_result result,
                              const char *reason)
{
    decoder->reason = reason;
    return result;
}

void hpack_decoder_init(struct hpack_decoder *decoder, uint32_t size_max)
{
    *decoder = (struct hpack_decoder){ .size_max = HPACK_TABLE_SIZE_DEFAULT };
    hpack_table_init(&decoder->table, HPACK_TABLE_SIZE_DEFAULT, false);
    hpack_decoder_set_max(decoder, size_max);
}

void hpack_decoder_set_max(struct hpack_decoder *decoder, uint32_t size_max)
{
    decoder->size_max = size_max;
    if (size_max < decoder->table.size_max &&
        (!decoder->is_update_due || size_max < decoder->size_due)) {
        decoder->is_update_due = true;
        decoder->size_due = size_max;
    }
}

void hpack_decode_begin(struct hpack_decoder *decoder, struct hpack_list *list)
{
    HPACK_ASSERT(list->scratch_cap >= HPACK_SCRATCH_SIZE(list->size_max, list->string_max));
    list->count = 0;
    list->total = 0;
    list->size = 0;
    list->dropped = false;
    list->scratch_len = 0;
    list->scratch_high = list->scratch_cap;
    decoder->is_pinned = false;
    decoder->has_field = false;
    decoder->num_updates = 0;
    decoder->reason = NULL;
}

/* ---- limits and emission ----------------------------------------------------------------- */

static enum hpack_result check_hard_limits(struct hpack_decoder *decoder,
                                           const struct hpack_list *list, uint64_t size)
{
    if (HPACK_UNLIKELY(list->total >= list->fields_hard)) {
        return fail(decoder, HPACK_OVER_LIMIT, "too many header fields");
    }
    if (HPACK_UNLIKELY(list->size + size > list->size_hard)) {
        return fail(decoder, HPACK_OVER_LIMIT, "header list too large");
    }
    return HPACK_OK;
}

static bool is_over_soft_limits(const struct hpack_list *list, uint64_t size)
{
    return list->count >= list->fields_cap || list->size + size > list->size_max;
}

static void count_field(struct hpack_list *list, uint64_t size)
{
    list->total++;
    list->size += size;
}

static void emit(struct hpack_list *list, const char *name, uint32_t name_len, const char *value,
                 uint32_t value_len, uint16_t token, uint16_t flags, uint32_t hash)
{
    list->fields[list->count++] = (halo_header){
        .name = { name, name_len },
        .value = { value, value_len },
        .hash = hash,
        .token = token,
        .flags = flags,
    };
}

/* ---- pinning ----------------------------------------------------------------------------- */

/* Octets to the upper end of the scratch area. Kept fields have no more than size_max. */
static const char *save_octets(struct hpack_list *list, const char *octets, size_t len)
{
    HPACK_ASSERT(list->scratch_high - list->scratch_len >= len);
    list->scratch_high -= len;
    return memcpy(list->scratch + list->scratch_high, octets, len);
}

static const char *save_if_in_table(const struct hpack_decoder *decoder, struct hpack_list *list,
                                    const char *octets, size_t len)
{
    return hpack_table_holds(&decoder->table, octets) ? save_octets(list, octets, len) : octets;
}

/* From here on no field of this block points into the table's arena. */
static void pin_fields(struct hpack_decoder *decoder, struct hpack_list *list)
{
    if (decoder->is_pinned) {
        return;
    }
    decoder->is_pinned = true;
    for (uint32_t i = 0; i < list->count; i++) {
        halo_header *field = &list->fields[i];
        field->name.data = save_if_in_table(decoder, list, field->name.data, field->name.len);
        field->value.data = save_if_in_table(decoder, list, field->value.data, field->value.len);
    }
}

/* ---- indexed fields (RFC 7541 section 6.1) ----------------------------------------------- */

/* NULL: no such entry. */
static const struct hpack_entry *find_entry(const struct hpack_decoder *decoder, uint32_t index)
{
    if (index - 1 < HPACK_STATIC_COUNT) {
        return &hpack_static_entries[index];
    }
    uint32_t age = index - HPACK_DYNAMIC_FIRST;
    return index != 0 && age < decoder->table.count ? hpack_table_entry(&decoder->table, age)
                                                    : NULL;
}

/* Decodes fields of one octet each as long as nothing can go wrong with them. Returns where it
 * stopped: at anything else, at the end, or, when a limit is passed on the way, where it began. */
static const uint8_t *decode_indexed_run(const struct hpack_decoder *decoder,
                                         struct hpack_list *list, const uint8_t *at,
                                         const uint8_t *end)
{
    const struct hpack_table *table = &decoder->table;
    if (list->count >= list->fields_cap || list->total >= list->fields_hard) {
        return at;
    }
    size_t room = list->fields_cap - list->count;
    room = room < list->fields_hard - list->total ? room : list->fields_hard - list->total;
    const uint8_t *start = at;
    const uint8_t *stop = room < (size_t)(end - at) ? at + room : end;
    /* Borrowing must be possible, the index fit in the octet, and no string be too long. */
    uint32_t num_dynamic = table->count < DYNAMIC_SHORT ? table->count : DYNAMIC_SHORT;
    if (decoder->is_pinned || table->size > list->string_max) {
        num_dynamic = 0;
    }
    const struct hpack_entry *entries = table->entries;
    uint32_t mask = table->slots - 1;
    uint32_t newest = table->inserted - 1;
    uint64_t octets = 0;
    halo_header *field = list->fields + list->count;
    for (; at < stop; at++, field++) {
        uint32_t index = *at - (uint32_t)INDEXED;
        const struct hpack_entry *entry;
        if (index - 1 < HPACK_STATIC_COUNT) {
            entry = &hpack_static_entries[index];
        } else if (index - HPACK_DYNAMIC_FIRST < num_dynamic) {
            entry = &entries[(newest - (index - HPACK_DYNAMIC_FIRST)) & mask];
        } else {
            break;
        }
        octets += (uint64_t)entry->name_len + entry->value_len;
        field->name.data = entry->name;
        field->name.len = entry->name_len;
        field->value.data = entry->value;
        field->value.len = entry->value_len;
        field->hash = entry->hash;
        field->token = entry->token;
        field->flags = entry->flags;
    }
    uint32_t count = (uint32_t)(at - start);
    uint64_t size = list->size + octets + (uint64_t)count * HPACK_ENTRY_OVERHEAD;
    if (HPACK_UNLIKELY(size > list->size_max || size > list->size_hard)) {
        return start;
    }
    list->count += count;
    list->total += count;
    list->size = size;
    return at;
}

static enum hpack_result decode_indexed(struct hpack_decoder *decoder, struct hpack_list *list,
                                        const uint8_t **at, const uint8_t *end)
{
    uint32_t index;
    enum hpack_integer got = hpack_integer_decode(at, end, INDEXED_BITS, &index);
    if (got != HPACK_INTEGER_DONE) {
        return got == HPACK_INTEGER_MORE ? HPACK_MORE
                                         : fail(decoder, HPACK_BROKEN, "bad index integer");
    }
    const struct hpack_entry *entry = find_entry(decoder, index);
    if (entry == NULL) {
        return fail(decoder, HPACK_BROKEN, "index outside the tables");
    }
    uint32_t size = hpack_entry_size(entry);
    enum hpack_result result = check_hard_limits(decoder, list, size);
    if (result != HPACK_OK) {
        return result;
    }
    if (is_over_soft_limits(list, size) || entry->name_len > list->string_max ||
        entry->value_len > list->string_max) {
        list->dropped = true;
    } else {
        const char *name = entry->name;
        const char *value = entry->value;
        if (decoder->is_pinned) {
            name = save_if_in_table(decoder, list, name, entry->name_len);
            value = save_if_in_table(decoder, list, value, entry->value_len);
        }
        emit(list, name, entry->name_len, value, entry->value_len, entry->token, entry->flags,
             entry->hash);
    }
    count_field(list, size);
    return HPACK_OK;
}

/* ---- literal fields (RFC 7541 section 6.2): the wire --------------------------------------- */

/* The end of the input is inside a string. Nobody waits for the rest of one that is too large
 * anyway, by the least that it can decode to. */
static enum hpack_result wait_for_string(struct hpack_decoder *decoder,
                                         const struct hpack_list *list,
                                         const struct string *string)
{
    uint64_t least = string->wire_len;
    if (string->is_huffman) {
        least = least * 8 / HUFFMAN_LONGEST;
    }
    if (list->size + least > list->size_hard) {
        return fail(decoder, HPACK_OVER_LIMIT, "header list too large");
    }
    return HPACK_MORE;
}

/* Finds the extent of a string. */
static inline enum hpack_result scan_string(struct hpack_decoder *decoder,
                                            const struct hpack_list *list, const uint8_t **at,
                                            const uint8_t *end, struct string *string)
{
    if (*at == end) {
        return HPACK_MORE;
    }
    string->is_huffman = (**at & HUFFMAN) != 0;
    enum hpack_integer got = hpack_integer_decode(at, end, STRING_BITS, &string->wire_len);
    if (HPACK_UNLIKELY(got != HPACK_INTEGER_DONE)) {
        return got == HPACK_INTEGER_MORE ? HPACK_MORE
                                         : fail(decoder, HPACK_BROKEN, "bad string length");
    }
    if (HPACK_UNLIKELY((size_t)(end - *at) < string->wire_len)) {
        return wait_for_string(decoder, list, string);
    }
    string->wire = *at;
    *at += string->wire_len;
    return HPACK_OK;
}

/* Finds the extents of a field's parts. */
static inline enum hpack_result scan_literal(struct hpack_decoder *decoder,
                                             const struct hpack_list *list, const uint8_t **at,
                                             const uint8_t *end, struct literal *literal)
{
    uint8_t first = **at;
    literal->is_inserted = (first & INCREMENTAL) != 0;
    literal->flags = 0;
    unsigned prefix_bits = INCREMENTAL_BITS;
    if (!literal->is_inserted) {
        prefix_bits = LITERAL_BITS;
        literal->flags = (first & NEVER_INDEXED) != 0 ? HALO_HEADER_NEVER_INDEX : 0;
    }
    enum hpack_integer got = hpack_integer_decode(at, end, prefix_bits, &literal->name_index);
    if (HPACK_UNLIKELY(got != HPACK_INTEGER_DONE)) {
        return got == HPACK_INTEGER_MORE ? HPACK_MORE
                                         : fail(decoder, HPACK_BROKEN, "bad index integer");
    }
    if (literal->name_index == 0) {
        enum hpack_result result = scan_string(decoder, list, at, end, &literal->name);
        if (HPACK_UNLIKELY(result != HPACK_OK)) {
            return result;
        }
    }
    return scan_string(decoder, list, at, end, &literal->value);
}

/* ---- literal fields: strings --------------------------------------------------------------- */

/* What hpack_huffman_decode() could not decode: not valid, or longer than string_max. Of such a
 * string only the length is found. */
static bool measure_coded_string(struct string *string, bool is_too_long)
{
    int64_t len = is_too_long ? hpack_huffman_decoded_len(string->wire, string->wire_len) : -1;
    if (len < 0 || len > UINT32_MAX) {
        return false;
    }
    string->is_coded = true;
    string->octets = NULL;
    string->len = (uint32_t)len;
    return true;
}

/* Decodes a string to the scratch area behind *scratch_len, or leaves it in the input. */
static inline bool decode_string(struct hpack_list *list, size_t *scratch_len,
                                 struct string *string)
{
    string->is_coded = false;
    if (!string->is_huffman) {
        string->octets = (const char *)string->wire;
        string->len = string->wire_len;
        return true;
    }
    uint8_t *to = list->scratch + *scratch_len;
    bool is_too_long;
    int64_t len = hpack_huffman_decode(to, list->string_max, string->wire, string->wire_len,
                                       &is_too_long);
    if (HPACK_UNLIKELY(len < 0)) {
        return measure_coded_string(string, is_too_long);
    }
    *scratch_len += (size_t)len;
    string->octets = (const char *)to;
    string->len = (uint32_t)len;
    return true;
}

static inline bool decode_name(struct hpack_decoder *decoder, struct hpack_list *list,
                               size_t *scratch_len, struct literal *literal)
{
    struct string *name = &literal->name;
    if (literal->name_index != 0) {
        const struct hpack_entry *entry = find_entry(decoder, literal->name_index);
        if (HPACK_UNLIKELY(entry == NULL)) {
            decoder->reason = "index outside the tables";
            return false;
        }
        name->octets = entry->name;
        name->len = entry->name_len;
        name->is_coded = false;
        literal->token = entry->token;
        literal->flags |= entry->flags & HPACK_FIELD_BAD_NAME;
        return true;
    }
    literal->token = HALO_NAME_UNKNOWN;
    if (HPACK_UNLIKELY(!decode_string(list, scratch_len, name))) {
        decoder->reason = "bad Huffman code in a name";
        return false;
    }
    if (HPACK_UNLIKELY(name->is_coded)) {
        return true;
    }
    halo_bytes octets = { name->octets, name->len };
    literal->token = halo_name_token(octets);
    if (literal->token == HALO_NAME_UNKNOWN) {
        literal->flags |= hpack_name_flags(octets);
    } else {
        name->octets = hpack_names[literal->token].text;
    }
    return true;
}

static inline bool decode_value(struct hpack_decoder *decoder, struct hpack_list *list,
                                size_t *scratch_len, struct literal *literal)
{
    struct string *value = &literal->value;
    if (HPACK_UNLIKELY(!decode_string(list, scratch_len, value))) {
        decoder->reason = "bad Huffman code in a value";
        return false;
    }
    if (HPACK_LIKELY(!value->is_coded)) {
        literal->flags |= hpack_value_flags((halo_bytes){ value->octets, value->len });
    }
    return true;
}

/* ---- literal fields: insertion ------------------------------------------------------------- */

/* Fills in a string of a new entry. A name may come from the same arena. */
static inline void fill_string(char *to, const struct string *string)
{
    if (HPACK_LIKELY(!string->is_coded)) {
        memmove(to, string->octets, string->len);
        return;
    }
    bool is_too_long;
    int64_t len = hpack_huffman_decode((uint8_t *)to, string->len, string->wire,
                                       string->wire_len, &is_too_long);
    HPACK_ASSERT(len == string->len);
}

static inline void fill_entry(struct hpack_entry *entry, const struct literal *literal)
{
    char *octets = (char *)(uintptr_t)entry->value;
    entry->name = literal->name.octets;
    entry->flags = literal->flags;
    if (literal->token == HALO_NAME_UNKNOWN) {
        fill_string(octets, &literal->name);
        entry->name = octets;
        octets += literal->name.len;
    }
    fill_string(octets, &literal->value);
    entry->value = octets;
    entry->name_len = literal->name.len;
    entry->value_len = literal->value.len;
    entry->hash = 0;
    entry->token = literal->token;
    if (HPACK_UNLIKELY(literal->name.is_coded)) {
        entry->flags |= hpack_name_flags((halo_bytes){ entry->name, entry->name_len });
    }
    if (HPACK_UNLIKELY(literal->value.is_coded)) {
        entry->flags |= hpack_value_flags((halo_bytes){ entry->value, entry->value_len });
    }
}

/* Inserts a field that needs others to be evicted, or is too large, or needs more memory. */
static __attribute__((noinline)) enum hpack_result
insert_and_evict(struct hpack_decoder *decoder, struct hpack_list *list, struct literal *literal,
                 uint64_t size, uint64_t stored)
{
    struct hpack_table *table = &decoder->table;
    struct hpack_plan plan;
    enum hpack_fit fit = hpack_table_plan(table, size, (uint32_t)stored, &plan);
    pin_fields(decoder, list);
    if (fit == HPACK_FIT_ROOM) {
        return HPACK_ROOM;
    }
    const char *emitted_name = literal->name.octets;
    if (literal->is_kept) {
        emitted_name = save_if_in_table(decoder, list, literal->name.octets, literal->name.len);
    }
    if (fit == HPACK_FIT_NEVER) {
        hpack_table_evict_all(table);
    } else {
        struct hpack_entry *entry = hpack_table_insert(table, &plan, (uint32_t)size,
                                                       (uint32_t)stored, &literal->name.octets);
        fill_entry(entry, literal);
    }
    literal->name.octets = emitted_name;
    return HPACK_OK;
}

static inline enum hpack_result insert_literal(struct hpack_decoder *decoder,
                                               struct hpack_list *list, struct literal *literal,
                                               uint64_t size)
{
    uint64_t stored = literal->value.len;
    if (literal->token == HALO_NAME_UNKNOWN) {
        stored += literal->name.len;
    }
    struct hpack_entry *entry = hpack_table_append(&decoder->table, size, stored);
    if (HPACK_UNLIKELY(entry == NULL)) {
        return insert_and_evict(decoder, list, literal, size, stored);
    }
    fill_entry(entry, literal);
    return HPACK_OK;
}

static inline enum hpack_result decode_literal(struct hpack_decoder *decoder,
                                               struct hpack_list *list, const uint8_t **at,
                                               const uint8_t *end)
{
    struct literal literal;
    enum hpack_result result = scan_literal(decoder, list, at, end, &literal);
    if (HPACK_UNLIKELY(result != HPACK_OK)) {
        return result;
    }
    size_t scratch_len = list->scratch_len;
    HPACK_ASSERT(list->scratch_high - scratch_len >= 2 * (size_t)list->string_max);
    if (HPACK_UNLIKELY(!decode_name(decoder, list, &scratch_len, &literal) ||
                       !decode_value(decoder, list, &scratch_len, &literal))) {
        return HPACK_BROKEN;
    }
    uint64_t size = (uint64_t)literal.name.len + literal.value.len + HPACK_ENTRY_OVERHEAD;
    result = check_hard_limits(decoder, list, size);
    if (HPACK_UNLIKELY(result != HPACK_OK)) {
        return result;
    }
    literal.is_kept = !is_over_soft_limits(list, size) && literal.name.len <= list->string_max &&
                      literal.value.len <= list->string_max;
    if (literal.is_inserted) {
        result = insert_literal(decoder, list, &literal, size);
        if (HPACK_UNLIKELY(result != HPACK_OK)) {
            return result;
        }
    }
    count_field(list, size);
    if (HPACK_UNLIKELY(!literal.is_kept)) {
        list->dropped = true;
        return HPACK_OK;
    }
    if (HPACK_UNLIKELY(decoder->is_pinned)) {
        literal.name.octets =
            save_if_in_table(decoder, list, literal.name.octets, literal.name.len);
    }
    list->scratch_len = scratch_len;
    emit(list, literal.name.octets, literal.name.len, literal.value.octets, literal.value.len,
         literal.token, literal.flags, 0);
    return HPACK_OK;
}

/* ---- size updates (RFC 7541 section 6.3) ------------------------------------------------- */

static enum hpack_result decode_size_update(struct hpack_decoder *decoder, const uint8_t **at,
                                            const uint8_t *end)
{
    uint32_t size;
    enum hpack_integer got = hpack_integer_decode(at, end, SIZE_UPDATE_BITS, &size);
    if (got == HPACK_INTEGER_MORE) {
        return HPACK_MORE;
    }
    if (got == HPACK_INTEGER_BAD) {
        return fail(decoder, HPACK_BROKEN, "bad table size integer");
    }
    if (decoder->has_field) {
        return fail(decoder, HPACK_BROKEN, "table size update behind a field");
    }
    if (decoder->num_updates == UPDATES_MAX) {
        return fail(decoder, HPACK_BROKEN, "too many table size updates");
    }
    if (size > decoder->size_max || (decoder->is_update_due && size > decoder->size_due)) {
        return fail(decoder, HPACK_BROKEN, "table size update above the setting");
    }
    decoder->num_updates++;
    decoder->is_update_due = false;
    hpack_table_resize(&decoder->table, size);
    return HPACK_OK;
}

/* ---- blocks ------------------------------------------------------------------------------ */

/* One field or size update at **at. */
static enum hpack_result decode_one(struct hpack_decoder *decoder, struct hpack_list *list,
                                    const uint8_t **at, const uint8_t *end)
{
    uint8_t first = **at;
    if ((first & 0xe0) == SIZE_UPDATE) {
        return decode_size_update(decoder, at, end);
    }
    if (decoder->is_update_due) {
        return fail(decoder, HPACK_BROKEN, "table size update missing");
    }
    decoder->has_field = true;
    return (first & INDEXED) != 0 ? decode_indexed(decoder, list, at, end)
                                  : decode_literal(decoder, list, at, end);
}

enum hpack_result hpack_decode(struct hpack_decoder *decoder, struct hpack_list *list,
                               const uint8_t *in, size_t len, bool last, size_t *consumed)
{
    const uint8_t *at = in;
    const uint8_t *end = in + len;
    enum hpack_result result = HPACK_OK;
    while (at < end) {
        if ((*at & INDEXED) != 0 && !decoder->is_update_due) {
            const uint8_t *stopped = decode_indexed_run(decoder, list, at, end);
            if (stopped != at) {
                decoder->has_field = true;
                at = stopped;
                continue;
            }
        }
        const uint8_t *next = at;
        result = decode_one(decoder, list, &next, end);
        if (result != HPACK_OK) {
            break;
        }
        at = next;
    }
    *consumed = (size_t)(at - in);
    if (result == HPACK_MORE && last) {
        return fail(decoder, HPACK_BROKEN, "header block ends inside a field");
    }
    return result;
}
