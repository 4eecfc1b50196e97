/*
 * The decoder, field by field, for all that is not simple: long integers and strings, fields that
 * are not whole yet, limits, eviction, size updates, errors.
 *
 * The order of the steps: find the field's extent, check what can be told from the wire, decode
 * its strings to the scratch area behind what is used of it, check the limits, insert, emit. Until
 * the insertion nothing has changed, so that the field can be started over with more input or a
 * larger table.
 */
#include "hpack/decode_field.h"

#include "hpack/integer.h"

enum {
    UPDATES_MAX = 2,      /* RFC 7541 section 4.2: the smallest size and the last one */
    HUFFMAN_LONGEST = 30, /* bits of the longest code */

    /* To look through the list is dear when a block evicts many entries. */
    EVICTIONS_SEARCHED_MAX = 16,
    EVICTED_AT_ONCE_MAX = 2,
};

static enum hpack_result fail(struct hpack_decoder *decoder, enum hpack_result result,
                              const char *reason)
{
    decoder->reason = reason;
    return result;
}

/* ---- limits and emission ----------------------------------------------------------------- */

static enum hpack_result check_hard_limits(struct hpack_decoder *decoder,
                                           const struct hpack_list *list, uint64_t size)
{
    if (list->total >= list->fields_hard) {
        return fail(decoder, HPACK_OVER_LIMIT, "too many header fields");
    }
    if (list->size + size > list->size_hard) {
        return fail(decoder, HPACK_OVER_LIMIT, "header list too large");
    }
    return HPACK_OK;
}

static bool is_within_soft_limits(const struct hpack_list *list, uint32_t name_len,
                                  uint32_t value_len)
{
    uint64_t size = (uint64_t)name_len + value_len + HPACK_ENTRY_OVERHEAD;
    return list->count < list->fields_cap && list->size + size <= list->size_max &&
           name_len <= list->string_max && value_len <= list->string_max;
}

static void count_field(struct hpack_list *list, uint64_t size)
{
    list->total++;
    list->size += size;
}

/* ---- pinning ----------------------------------------------------------------------------- */

static const char *save_if_within(struct hpack_list *list, const char *octets, size_t len,
                                  uintptr_t start, size_t size)
{
    if (HPACK_LIKELY((uintptr_t)octets - start >= size)) {
        return octets;
    }
    HPACK_ASSERT(list->scratch_high - list->scratch_len >= len);
    list->scratch_high -= len;
    return memcpy(list->scratch + list->scratch_high, octets, len);
}

const char *hpack_decode_save(const struct hpack_decoder *decoder, struct hpack_list *list,
                              const char *octets, size_t len)
{
    const struct hpack_table *table = &decoder->table;
    return save_if_within(list, octets, len, (uintptr_t)table->arena, table->arena_size);
}

/* No field of this block points to the octets of this entry any more. */
static void save_fields_of(struct hpack_list *list, const struct hpack_entry *entry)
{
    uintptr_t start = (uintptr_t)hpack_entry_octets(entry);
    size_t size = (uintptr_t)entry->value + entry->value_len - start;
    for (uint32_t i = 0; i < list->count; i++) {
        halo_header *field = &list->fields[i];
        field->name.data = save_if_within(list, field->name.data, field->name.len, start, size);
        field->value.data = save_if_within(list, field->value.data, field->value.len, start, size);
    }
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
        field->name.data = hpack_decode_save(decoder, list, field->name.data, field->name.len);
        field->value.data = hpack_decode_save(decoder, list, field->value.data, field->value.len);
    }
}

/* ---- indexed fields (RFC 7541 section 6.1) ----------------------------------------------- */

static enum hpack_result decode_indexed(struct hpack_decoder *decoder, struct hpack_list *list,
                                        const uint8_t **at, const uint8_t *end)
{
    uint32_t index;
    enum hpack_integer got = hpack_integer_decode(at, end, HPACK_INDEXED_BITS, &index);
    if (got == HPACK_INTEGER_MORE) {
        return HPACK_MORE;
    }
    const struct hpack_entry *entry =
        got == HPACK_INTEGER_DONE ? hpack_decode_find(decoder, index) : NULL;
    if (entry == NULL) {
        return fail(decoder, HPACK_BROKEN, "index outside the tables");
    }
    uint64_t size = (uint64_t)entry->name_len + entry->value_len + HPACK_ENTRY_OVERHEAD;
    enum hpack_result result = check_hard_limits(decoder, list, size);
    if (result != HPACK_OK) {
        return result;
    }
    if (is_within_soft_limits(list, entry->name_len, entry->value_len)) {
        halo_header *field = &list->fields[list->count++];
        *field = (halo_header){
            .name = { entry->name, entry->name_len },
            .value = { entry->value, entry->value_len },
            .hash = entry->hash,
            .token = entry->token,
            .flags = entry->flags,
        };
        if (decoder->is_pinned) {
            field->name.data = hpack_decode_save(decoder, list, entry->name, entry->name_len);
            field->value.data = hpack_decode_save(decoder, list, entry->value, entry->value_len);
        }
    } else {
        list->dropped = true;
        list->easy_count = 0;
    }
    count_field(list, size);
    return HPACK_OK;
}

/* ---- literal fields (RFC 7541 section 6.2): the wire ------------------------------------- */

/* A string as it is on the wire. */
struct wire_string {
    const uint8_t *octets;
    uint32_t len;
    bool is_huffman;
};

struct wire_literal {
    uint32_t name_index; /* 0: the name is on the wire */
    struct wire_string name;
    struct wire_string value;
    bool is_inserted;
    bool is_never_indexed;
};

/* The end of the input is inside a string. Nobody waits for the rest of one that is too large
 * anyway, by the least that it can decode to. */
static enum hpack_result wait_for_string(struct hpack_decoder *decoder,
                                         const struct hpack_list *list,
                                         const struct wire_string *string)
{
    uint64_t least = string->len;
    if (string->is_huffman) {
        least = least * 8 / HUFFMAN_LONGEST;
    }
    if (list->size + least > list->size_hard) {
        return fail(decoder, HPACK_OVER_LIMIT, "header list too large");
    }
    return HPACK_MORE;
}

static enum hpack_result scan_string(struct hpack_decoder *decoder, const struct hpack_list *list,
                                     const uint8_t **at, const uint8_t *end,
                                     struct wire_string *string)
{
    if (*at == end) {
        return HPACK_MORE;
    }
    string->is_huffman = (**at & HPACK_HUFFMAN) != 0;
    enum hpack_integer got = hpack_integer_decode(at, end, HPACK_STRING_BITS, &string->len);
    if (got != HPACK_INTEGER_DONE) {
        return got == HPACK_INTEGER_MORE ? HPACK_MORE
                                         : fail(decoder, HPACK_BROKEN, "bad string length");
    }
    if ((size_t)(end - *at) < string->len) {
        return wait_for_string(decoder, list, string);
    }
    string->octets = *at;
    *at += string->len;
    return HPACK_OK;
}

static enum hpack_result scan_literal(struct hpack_decoder *decoder, const struct hpack_list *list,
                                      const uint8_t **at, const uint8_t *end,
                                      struct wire_literal *wire)
{
    uint8_t first = **at;
    wire->is_inserted = (first & HPACK_INCREMENTAL) != 0;
    wire->is_never_indexed = !wire->is_inserted && (first & HPACK_NEVER_INDEXED) != 0;
    unsigned prefix_bits = wire->is_inserted ? HPACK_INCREMENTAL_BITS : HPACK_LITERAL_BITS;
    enum hpack_integer got = hpack_integer_decode(at, end, prefix_bits, &wire->name_index);
    if (got != HPACK_INTEGER_DONE) {
        return got == HPACK_INTEGER_MORE ? HPACK_MORE
                                         : fail(decoder, HPACK_BROKEN, "bad index integer");
    }
    if (wire->name_index == 0) {
        enum hpack_result result = scan_string(decoder, list, at, end, &wire->name);
        if (result != HPACK_OK) {
            return result;
        }
    }
    return scan_string(decoder, list, at, end, &wire->value);
}

/* ---- literal fields: strings ------------------------------------------------------------- */

/* Decodes a string to the scratch area behind *scratch_len, or leaves it in the input. Of one that
 * is too long only the length is found. False: bad Huffman code. */
static bool decode_string(struct hpack_list *list, size_t *scratch_len,
                          const struct wire_string *wire, struct hpack_string *string)
{
    *string = (struct hpack_string){ (const char *)wire->octets, wire->len, 0, NULL };
    if (!wire->is_huffman) {
        return true;
    }
    uint8_t *to = list->scratch + *scratch_len;
    bool is_too_long;
    int64_t len = hpack_huffman_decode(to, list->string_max, wire->octets, wire->len, &is_too_long);
    if (len >= 0) {
        *scratch_len += (size_t)len;
        string->octets = (const char *)to;
        string->len = (uint32_t)len;
        return true;
    }
    len = is_too_long ? hpack_huffman_decoded_len(wire->octets, wire->len) : -1;
    if (len < 0 || len > UINT32_MAX) {
        return false;
    }
    *string = (struct hpack_string){ NULL, (uint32_t)len, wire->len, wire->octets };
    return true;
}

static enum hpack_result decode_name(struct hpack_decoder *decoder, struct hpack_list *list,
                                     const struct wire_literal *wire, size_t *scratch_len,
                                     struct hpack_literal *literal)
{
    struct hpack_string *name = &literal->name;
    if (wire->name_index != 0) {
        const struct hpack_entry *entry = hpack_decode_find(decoder, wire->name_index);
        if (entry == NULL) {
            return fail(decoder, HPACK_BROKEN, "index outside the tables");
        }
        *name = (struct hpack_string){ entry->name, entry->name_len, 0, NULL };
        literal->token = entry->token;
        literal->flags = entry->flags & HPACK_FIELD_BAD_NAME;
        return HPACK_OK;
    }
    if (!decode_string(list, scratch_len, &wire->name, name)) {
        return fail(decoder, HPACK_BROKEN, "bad Huffman code in a name");
    }
    literal->token = HALO_NAME_UNKNOWN;
    literal->flags = 0;
    if (name->octets != NULL) {
        halo_bytes octets = { name->octets, name->len };
        literal->token = halo_name_token(octets);
        literal->flags = literal->token == HALO_NAME_UNKNOWN ? hpack_name_flags(octets) : 0;
    }
    if (literal->token != HALO_NAME_UNKNOWN) {
        name->octets = hpack_names[literal->token].text;
    }
    return HPACK_OK;
}

static enum hpack_result decode_strings(struct hpack_decoder *decoder, struct hpack_list *list,
                                        const struct wire_literal *wire, size_t *scratch_len,
                                        struct hpack_literal *literal)
{
    HPACK_ASSERT(list->scratch_high - *scratch_len >= 2 * (size_t)list->string_max);
    enum hpack_result result = decode_name(decoder, list, wire, scratch_len, literal);
    if (result != HPACK_OK) {
        return result;
    }
    struct hpack_string *value = &literal->value;
    if (!decode_string(list, scratch_len, &wire->value, value)) {
        return fail(decoder, HPACK_BROKEN, "bad Huffman code in a value");
    }
    if (value->octets != NULL) {
        literal->flags |= hpack_value_flags((halo_bytes){ value->octets, value->len });
    }
    if (wire->is_never_indexed) {
        literal->flags |= HALO_HEADER_NEVER_INDEX;
    }
    return HPACK_OK;
}

/* ---- literal fields: insertion ----------------------------------------------------------- */

/* Fills in a string of a new entry. A name may come from the same arena. */
static void fill_string(char *to, const struct hpack_string *string)
{
    if (string->octets != NULL) {
        memmove(to, string->octets, string->len);
        return;
    }
    bool is_too_long;
    int64_t len = hpack_huffman_decode((uint8_t *)to, string->len, string->coded, string->coded_len,
                                       &is_too_long);
    HPACK_ASSERT(len == string->len);
}

static void fill_entry(struct hpack_entry *entry, const struct hpack_literal *literal)
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
    if (literal->name.octets == NULL) {
        entry->flags |= hpack_name_flags((halo_bytes){ entry->name, entry->name_len });
    }
    if (literal->value.octets == NULL) {
        entry->flags |= hpack_value_flags((halo_bytes){ entry->value, entry->value_len });
    }
}

/* Makes sure that no field of this block points to octets that this insertion overwrites. */
static void save_fields(struct hpack_decoder *decoder, struct hpack_list *list,
                        const struct hpack_plan *plan)
{
    const struct hpack_table *table = &decoder->table;
    if (decoder->is_pinned || (plan->evicted == 0 && !plan->needs_slide)) {
        return;
    }
    decoder->num_evictions++;
    if (plan->needs_slide || plan->evicted > EVICTED_AT_ONCE_MAX ||
        decoder->num_evictions > EVICTIONS_SEARCHED_MAX) {
        pin_fields(decoder, list);
        return;
    }
    for (uint32_t i = 1; i <= plan->evicted; i++) {
        save_fields_of(list, hpack_table_entry(table, table->count - i));
    }
}

enum hpack_result hpack_decode_insert(struct hpack_decoder *decoder, struct hpack_list *list,
                                      struct hpack_literal *literal)
{
    struct hpack_table *table = &decoder->table;
    struct hpack_plan plan;
    uint64_t stored = literal->value.len;
    if (literal->token == HALO_NAME_UNKNOWN) {
        stored += literal->name.len;
    }
    uint64_t size = (uint64_t)literal->name.len + literal->value.len + HPACK_ENTRY_OVERHEAD;
    enum hpack_fit fit = hpack_table_plan(table, size, stored, &plan);
    if (HPACK_UNLIKELY(fit == HPACK_FIT_ROOM)) {
        pin_fields(decoder, list);
        return HPACK_ROOM;
    }
    save_fields(decoder, list, &plan);
    /* The name may come from an entry that this insertion evicts (RFC 7541 section 4.4). */
    const char *emitted_name = literal->name.octets;
    if (literal->is_kept) {
        emitted_name = hpack_decode_save(decoder, list, emitted_name, literal->name.len);
    }
    if (HPACK_UNLIKELY(fit == HPACK_FIT_NEVER)) {
        hpack_table_evict_all(table);
    } else {
        struct hpack_entry *entry = hpack_table_insert(table, &plan, (uint32_t)size,
                                                       (uint32_t)stored, &literal->name.octets);
        fill_entry(entry, literal);
    }
    literal->name.octets = emitted_name;
    return HPACK_OK;
}

static enum hpack_result decode_literal(struct hpack_decoder *decoder, struct hpack_list *list,
                                        const uint8_t **at, const uint8_t *end)
{
    struct wire_literal wire;
    struct hpack_literal literal;
    size_t scratch_len = list->scratch_len;
    enum hpack_result result = scan_literal(decoder, list, at, end, &wire);
    if (result == HPACK_OK) {
        result = decode_strings(decoder, list, &wire, &scratch_len, &literal);
    }
    if (result != HPACK_OK) {
        return result;
    }
    uint32_t name_len = literal.name.len;
    uint32_t value_len = literal.value.len;
    uint64_t size = (uint64_t)name_len + value_len + HPACK_ENTRY_OVERHEAD;
    result = check_hard_limits(decoder, list, size);
    if (result != HPACK_OK) {
        return result;
    }
    literal.is_kept = is_within_soft_limits(list, name_len, value_len);
    if (wire.is_inserted) {
        result = hpack_decode_insert(decoder, list, &literal);
        if (result != HPACK_OK) {
            return result;
        }
    }
    if (literal.is_kept) {
        list->scratch_len = scratch_len;
        if (decoder->is_pinned) {
            literal.name.octets = hpack_decode_save(decoder, list, literal.name.octets, name_len);
        }
        list->fields[list->count++] = (halo_header){
            .name = { literal.name.octets, name_len },
            .value = { literal.value.octets, value_len },
            .token = literal.token,
            .flags = literal.flags,
        };
    } else {
        list->dropped = true;
        list->easy_count = 0;
    }
    count_field(list, size);
    return HPACK_OK;
}

/* ---- size updates (RFC 7541 section 6.3) ------------------------------------------------- */

static enum hpack_result decode_size_update(struct hpack_decoder *decoder, const uint8_t **at,
                                            const uint8_t *end)
{
    uint32_t size;
    if (decoder->has_field) {
        return fail(decoder, HPACK_BROKEN, "table size update behind a field");
    }
    if (decoder->num_updates == UPDATES_MAX) {
        return fail(decoder, HPACK_BROKEN, "too many table size updates");
    }
    enum hpack_integer got = hpack_integer_decode(at, end, HPACK_SIZE_UPDATE_BITS, &size);
    if (got == HPACK_INTEGER_MORE) {
        return HPACK_MORE;
    }
    if (got == HPACK_INTEGER_BAD || size > decoder->size_max ||
        (decoder->is_update_due && size > decoder->size_due)) {
        return fail(decoder, HPACK_BROKEN, "table size update above the setting");
    }
    decoder->num_updates++;
    decoder->is_update_due = false;
    hpack_table_resize(&decoder->table, size);
    return HPACK_OK;
}

enum hpack_result hpack_decode_any(struct hpack_decoder *decoder, struct hpack_list *list,
                                   const uint8_t **at, const uint8_t *end)
{
    uint8_t first = **at;
    if (!hpack_is_field(first)) {
        return decode_size_update(decoder, at, end);
    }
    if (decoder->is_update_due) {
        return fail(decoder, HPACK_BROKEN, "table size update missing");
    }
    decoder->has_field = true;
    return (first & HPACK_INDEXED) != 0 ? decode_indexed(decoder, list, at, end)
                                        : decode_literal(decoder, list, at, end);
}
