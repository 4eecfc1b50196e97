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

    UPDATES_MAX = 2,    /* RFC 7541 section 4.2: the smallest size and the last one */
    HUFFMAN_LONGEST = 30, /* bits of the longest code */
};

/* A string as it is on the wire. */
struct wire_string {
    const uint8_t *octets;
    uint32_t len;
    bool is_huffman;
};

/* A literal field: as it is on the wire, then what it decodes to. */
struct literal {
    uint32_t name_index; /* 0: wire_name */
    struct wire_string wire_name;
    struct wire_string wire_value;
    bool is_inserted;

    const char *name;
    const char *value;
    uint32_t name_len;
    uint32_t value_len;
    uint16_t token;
    uint16_t flags;
    bool is_name_coded; /* too long to be decoded anywhere but into the table */
    bool is_value_coded;
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

/* ---- literal fields (RFC 7541 section 6.2) ----------------------------------------------- */

/* Finds the extent of a string. It is checked against the hard limit already here, by the least
 * that it can decode to: no one waits for the rest of a string that is too large anyway. */
static enum hpack_result scan_string(struct hpack_decoder *decoder, const struct hpack_list *list,
                                     const uint8_t **at, const uint8_t *end,
                                     struct wire_string *string)
{
    if (*at == end) {
        return HPACK_MORE;
    }
    string->is_huffman = (**at & HUFFMAN) != 0;
    enum hpack_integer got = hpack_integer_decode(at, end, STRING_BITS, &string->len);
    if (got != HPACK_INTEGER_DONE) {
        return got == HPACK_INTEGER_MORE ? HPACK_MORE
                                         : fail(decoder, HPACK_BROKEN, "bad string length");
    }
    uint64_t least = string->is_huffman ? (uint64_t)string->len * 8 / HUFFMAN_LONGEST : string->len;
    if (list->size + least > list->size_hard) {
        return fail(decoder, HPACK_OVER_LIMIT, "header list too large");
    }
    if ((size_t)(end - *at) < string->len) {
        return HPACK_MORE;
    }
    string->octets = *at;
    *at += string->len;
    return HPACK_OK;
}

static enum hpack_result scan_literal(struct hpack_decoder *decoder, const struct hpack_list *list,
                                      const uint8_t **at, const uint8_t *end,
                                      struct literal *literal)
{
    uint8_t first = **at;
    literal->is_inserted = (first & INCREMENTAL) != 0;
    literal->flags = !literal->is_inserted && (first & NEVER_INDEXED) != 0
                         ? HALO_HEADER_NEVER_INDEX
                         : 0;
    enum hpack_integer got =
        hpack_integer_decode(at, end, literal->is_inserted ? INCREMENTAL_BITS : LITERAL_BITS,
                             &literal->name_index);
    if (got != HPACK_INTEGER_DONE) {
        return got == HPACK_INTEGER_MORE ? HPACK_MORE
                                         : fail(decoder, HPACK_BROKEN, "bad index integer");
    }
    if (literal->name_index == 0) {
        enum hpack_result result = scan_string(decoder, list, at, end, &literal->wire_name);
        if (result != HPACK_OK) {
            return result;
        }
    }
    return scan_string(decoder, list, at, end, &literal->wire_value);
}

/* Decodes a string to the scratch area behind *scratch_len, or leaves it in the input. One that is
 * longer than string_max stays coded, and only its length is found. */
static bool decode_string(struct hpack_list *list, const struct wire_string *string,
                          size_t *scratch_len, const char **octets, uint32_t *len, bool *is_coded)
{
    *is_coded = false;
    if (!string->is_huffman) {
        *octets = (const char *)string->octets;
        *len = string->len;
        return true;
    }
    uint8_t *to = list->scratch + *scratch_len;
    HPACK_ASSERT(list->scratch_high - *scratch_len >= list->string_max);
    bool is_too_long;
    int64_t got =
        hpack_huffman_decode(to, list->string_max, string->octets, string->len, &is_too_long);
    if (HPACK_UNLIKELY(got < 0)) {
        got = is_too_long ? hpack_huffman_decoded_len(string->octets, string->len) : -1;
        if (got < 0 || got > UINT32_MAX) {
            return false;
        }
        *is_coded = true;
        *octets = NULL;
        *len = (uint32_t)got;
        return true;
    }
    *scratch_len += (size_t)got;
    *octets = (const char *)to;
    *len = (uint32_t)got;
    return true;
}

/* Decodes the name, unless it is indexed, and the value. */
static enum hpack_result decode_strings(struct hpack_decoder *decoder, struct hpack_list *list,
                                        struct literal *literal, size_t *scratch_len)
{
    if (literal->name_index != 0) {
        const struct hpack_entry *entry = find_entry(decoder, literal->name_index);
        if (entry == NULL) {
            return fail(decoder, HPACK_BROKEN, "index outside the tables");
        }
        literal->name = entry->name;
        literal->name_len = entry->name_len;
        literal->token = entry->token;
        literal->flags |= entry->flags & HPACK_FIELD_BAD_NAME;
        literal->is_name_coded = false;
    } else {
        if (!decode_string(list, &literal->wire_name, scratch_len, &literal->name,
                           &literal->name_len, &literal->is_name_coded)) {
            return fail(decoder, HPACK_BROKEN, "bad Huffman code in a name");
        }
        literal->token = 0;
        if (!literal->is_name_coded) {
            halo_bytes name = { literal->name, literal->name_len };
            literal->token = halo_name_token(name);
            if (literal->token == 0) {
                literal->flags |= hpack_name_flags(name);
            } else {
                literal->name = hpack_names[literal->token].text;
            }
        }
    }
    if (!decode_string(list, &literal->wire_value, scratch_len, &literal->value,
                       &literal->value_len, &literal->is_value_coded)) {
        return fail(decoder, HPACK_BROKEN, "bad Huffman code in a value");
    }
    if (!literal->is_value_coded) {
        literal->flags |= hpack_value_flags((halo_bytes){ literal->value, literal->value_len });
    }
    return HPACK_OK;
}

/* Fills in a string of a new entry. The name may come from an entry of the same arena. */
static void fill_string(char *to, const char *octets, uint32_t len, bool is_coded,
                        const struct wire_string *string)
{
    if (!is_coded) {
        memmove(to, octets, len);
        return;
    }
    bool is_too_long;
    int64_t got = hpack_huffman_decode((uint8_t *)to, len, string->octets, string->len,
                                       &is_too_long);
    HPACK_ASSERT(got == len);
}

static void fill_entry(struct hpack_entry *entry, struct literal *literal)
{
    char *octets = (char *)(uintptr_t)entry->value;
    entry->name = literal->name;
    if (literal->token == 0) {
        fill_string(octets, literal->name, literal->name_len, literal->is_name_coded,
                    &literal->wire_name);
        entry->name = octets;
        octets += literal->name_len;
    }
    fill_string(octets, literal->value, literal->value_len, literal->is_value_coded,
                &literal->wire_value);
    entry->value = octets;
    entry->name_len = literal->name_len;
    entry->value_len = literal->value_len;
    entry->hash = 0;
    entry->token = literal->token;
    entry->flags = literal->flags;
    if (HPACK_UNLIKELY(literal->is_name_coded)) {
        entry->flags |= hpack_name_flags((halo_bytes){ entry->name, entry->name_len });
    }
    if (HPACK_UNLIKELY(literal->is_value_coded)) {
        entry->flags |= hpack_value_flags((halo_bytes){ entry->value, entry->value_len });
    }
}

/* Puts the field into the table. scratch_len is behind its strings. */
static enum hpack_result insert_literal(struct hpack_decoder *decoder, struct hpack_list *list,
                                        struct literal *literal, uint64_t size, bool is_kept)
{
    struct hpack_table *table = &decoder->table;
    struct hpack_plan plan;
    uint64_t stored = size - HPACK_ENTRY_OVERHEAD - (literal->token == 0 ? 0 : literal->name_len);
    enum hpack_fit fit = hpack_table_plan(table, size, (uint32_t)stored, &plan);
    if (HPACK_UNLIKELY(fit == HPACK_FIT_ROOM)) {
        pin_fields(decoder, list);
        return HPACK_ROOM;
    }
    const char *emitted_name = literal->name;
    if (plan.evicted > 0 || plan.needs_slide) {
        pin_fields(decoder, list);
    }
    if (decoder->is_pinned && is_kept) {
        emitted_name = save_if_in_table(decoder, list, literal->name, literal->name_len);
    }
    if (HPACK_UNLIKELY(fit == HPACK_FIT_NEVER)) {
        hpack_table_evict_all(table);
        literal->name = emitted_name;
        return HPACK_OK;
    }
    struct hpack_entry *entry =
        hpack_table_insert(table, &plan, (uint32_t)size, (uint32_t)stored, &literal->name);
    fill_entry(entry, literal);
    literal->name = emitted_name;
    return HPACK_OK;
}

static enum hpack_result decode_literal(struct hpack_decoder *decoder, struct hpack_list *list,
                                        const uint8_t **at, const uint8_t *end)
{
    struct literal literal;
    enum hpack_result result = scan_literal(decoder, list, at, end, &literal);
    if (result != HPACK_OK) {
        return result;
    }
    size_t scratch_len = list->scratch_len;
    result = decode_strings(decoder, list, &literal, &scratch_len);
    if (result != HPACK_OK) {
        return result;
    }
    uint64_t size = (uint64_t)literal.name_len + literal.value_len + HPACK_ENTRY_OVERHEAD;
    result = check_hard_limits(decoder, list, size);
    if (result != HPACK_OK) {
        return result;
    }
    bool is_kept = !is_over_soft_limits(list, size) && literal.name_len <= list->string_max &&
                   literal.value_len <= list->string_max;
    if (literal.is_inserted) {
        result = insert_literal(decoder, list, &literal, size, is_kept);
        if (result != HPACK_OK) {
            return result;
        }
    } else if (decoder->is_pinned && is_kept) {
        literal.name = save_if_in_table(decoder, list, literal.name, literal.name_len);
    }
    if (is_kept) {
        list->scratch_len = scratch_len;
        emit(list, literal.name, literal.name_len, literal.value, literal.value_len, literal.token,
             literal.flags, 0);
    } else {
        list->dropped = true;
    }
    count_field(list, size);
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
