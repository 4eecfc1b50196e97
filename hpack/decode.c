/*
 * The decoder (RFC 7541 section 3): representations to borrowed fields.
 *
 * Here are blocks, and the fields that nearly all are: runs of indexed fields of one octet each,
 * which a repeated list is made of, and short literals, whole and far from limits. What is not so
 * simple is left to decode_field.c, field by field; a simple way that finds out so has changed
 * nothing.
 */
#include "hpack/decode_field.h"
#include "hpack/huffman.h"

enum {
    FIRST_DYNAMIC_OCTET = HPACK_INDEXED + HPACK_DYNAMIC_FIRST,
};

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
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
    list->easy_count = min_u32(list->fields_cap, list->fields_hard);
    list->easy_size = min_u32(list->size_max, list->size_hard);
    /* Such a string that this block brings to the table is dropped, and all behind it is not
     * simple any more. */
    decoder->has_long_strings =
        max_u32(decoder->table.size_max, HPACK_STATIC_LONGEST) > list->string_max;
    decoder->is_pinned = false;
    decoder->has_field = false;
    decoder->num_updates = 0;
    decoder->num_evictions = 0;
    decoder->reason = NULL;
}

/* ---- indexed fields (RFC 7541 section 6.1) ----------------------------------------------- */

static inline void emit_entry(halo_header *field, const struct hpack_entry *entry)
{
    field->name.data = entry->name;
    field->name.len = entry->name_len;
    field->value.data = entry->value;
    field->value.len = entry->value_len;
    /* Token and flags with it: one load, one store. */
    _Static_assert(sizeof(*entry) - offsetof(struct hpack_entry, hash) == sizeof(uint64_t) &&
                       sizeof(*field) - offsetof(halo_header, hash) == sizeof(uint64_t) &&
                       offsetof(struct hpack_entry, flags) - offsetof(struct hpack_entry, hash) ==
                           offsetof(halo_header, flags) - offsetof(halo_header, hash),
                   "the same three members end both");
    memcpy(&field->hash, &entry->hash, sizeof(uint64_t));
}

/* Decodes fields of one octet each as long as nothing can go wrong with them; the list has room for
 * all up to `end`. Returns where it stopped: at anything else, at the field that passes a limit, or
 * at the end. */
static inline const uint8_t *decode_indexed_run(const struct hpack_decoder *decoder,
                                                struct hpack_list *list, const uint8_t *at,
                                                const uint8_t *end)
{
    const struct hpack_table *table = &decoder->table;
    /* Dynamic entries whose octets may be borrowed: none when they must be copied. */
    uint32_t ages = HPACK_LIKELY(!decoder->is_pinned) ? min_u32(table->count, HPACK_SHORT_AGES) : 0;
    uint32_t newest = table->inserted - 1;
    uint32_t mask = table->mask;
    const struct hpack_entry *entries = table->entries;
    const struct hpack_entry *entry;
    const uint8_t *start = at;
    halo_header *field = list->fields + list->count;
    uint64_t size = list->size;
    for (; at < end; at++, field++) {
        uint32_t octet = *at;
        uint32_t age = octet - FIRST_DYNAMIC_OCTET;
        if (age < ages) {
            entry = &entries[(newest - age) & mask];
        } else if (octet > HPACK_INDEXED && octet < FIRST_DYNAMIC_OCTET) {
            entry = &hpack_static_entries[octet - HPACK_INDEXED];
        } else {
            break;
        }
        size += (uint64_t)entry->name_len + entry->value_len + HPACK_ENTRY_OVERHEAD;
        emit_entry(field, entry);
    }
    while (HPACK_UNLIKELY(size > list->easy_size)) {
        field--;
        at--;
        size -= field->name.len + field->value.len + HPACK_ENTRY_OVERHEAD;
    }
    list->count += (uint32_t)(at - start);
    list->size = size;
    return at;
}

/* ---- literal fields (RFC 7541 section 6.2) ----------------------------------------------- */

/* A string whose length is one octet. */
struct short_string {
    const uint8_t *octets;
    uint32_t len;
    bool is_huffman;
};

/* Returns the end of a short string, or NULL: it is longer, or not all there. */
static inline const uint8_t *scan_string(const uint8_t *at, const uint8_t *end,
                                         struct short_string *string)
{
    if (HPACK_UNLIKELY(at == end)) {
        return NULL;
    }
    uint32_t first = *at++;
    string->octets = at;
    string->len = first & (HPACK_HUFFMAN - 1u);
    string->is_huffman = (first & HPACK_HUFFMAN) != 0;
    bool is_short = string->len < HPACK_HUFFMAN - 1u && (size_t)(end - at) >= string->len;
    return HPACK_LIKELY(is_short) ? at + string->len : NULL;
}

/* Decodes to *scratch. */
static inline bool decode_string(const struct hpack_list *list, uint8_t **scratch,
                                 struct short_string *string, bool *is_plain)
{
    struct hpack_huffman_note note;
    int64_t len =
        hpack_huffman_decode_text(*scratch, list->string_max, string->octets, string->len, &note);
    if (HPACK_UNLIKELY(len < 0)) {
        return false;
    }
    *is_plain = note.is_plain;
    string->octets = *scratch;
    string->len = (uint32_t)len;
    *scratch += len;
    return true;
}

/* A field that is being put together. */
struct field {
    const char *name;
    const char *value;
    uint32_t name_len;
    uint32_t value_len;
    uint16_t token;
    uint16_t flags;
};

static inline bool take_indexed_name(const struct hpack_decoder *decoder, uint32_t index,
                                     struct field *field)
{
    const struct hpack_entry *entry;
    if (index <= HPACK_STATIC_COUNT) {
        entry = &hpack_static_entries[index];
    } else {
        uint32_t age = index - HPACK_DYNAMIC_FIRST;
        if (HPACK_UNLIKELY(age >= decoder->table.count || decoder->is_pinned)) {
            return false;
        }
        entry = hpack_table_entry(&decoder->table, age);
    }
    field->name = entry->name;
    field->name_len = entry->name_len;
    field->token = entry->token;
    field->flags = entry->flags & HPACK_FIELD_BAD_NAME;
    return true;
}

static inline bool take_new_name(const struct hpack_list *list, uint8_t **scratch,
                                 struct short_string *string, struct field *field)
{
    bool is_plain;
    if (string->is_huffman && HPACK_UNLIKELY(!decode_string(list, scratch, string, &is_plain))) {
        return false;
    }
    halo_bytes name = { (const char *)string->octets, string->len };
    field->name = name.data;
    field->name_len = string->len;
    field->token = halo_name_token(name);
    field->flags = 0;
    if (field->token != HALO_NAME_UNKNOWN) {
        field->name = hpack_names[field->token].text;
    } else {
        field->flags = hpack_name_flags(name);
    }
    return true;
}

static inline bool take_value(const struct hpack_list *list, uint8_t **scratch,
                              struct short_string *string, struct field *field)
{
    bool is_plain = false;
    if (string->is_huffman && HPACK_UNLIKELY(!decode_string(list, scratch, string, &is_plain))) {
        return false;
    }
    halo_bytes value = { (const char *)string->octets, string->len };
    field->value = value.data;
    field->value_len = string->len;
    field->flags |= is_plain ? hpack_value_space(value.data, value.len) : hpack_value_flags(value);
    return true;
}

/* An insertion that is not simple. Returns the name to emit; NULL: the table needs more memory. */
static __attribute__((noinline)) const char *insert_slowly(struct hpack_decoder *decoder,
                                                           struct hpack_list *list,
                                                           uint8_t *scratch, struct field field)
{
    struct hpack_literal literal = {
        .name = { field.name, field.name_len, 0, NULL },
        .value = { field.value, field.value_len, 0, NULL },
        .token = field.token,
        .flags = field.flags,
        .is_kept = true,
    };
    size_t scratch_len = list->scratch_len;
    /* Saved octets must stay clear of this field's. */
    list->scratch_len = (size_t)(scratch - list->scratch);
    if (hpack_decode_insert(decoder, list, &literal) != HPACK_OK) {
        list->scratch_len = scratch_len;
        return NULL;
    }
    return literal.name.octets;
}

/* Returns the name to emit; NULL: the table needs more memory. */
static inline const char *insert_field(struct hpack_decoder *decoder, struct hpack_list *list,
                                       uint8_t *scratch, const struct field *field)
{
    bool is_name_stored = field->token == HALO_NAME_UNKNOWN;
    uint64_t octets = (uint64_t)field->name_len + field->value_len;
    struct hpack_entry *entry = hpack_table_append(&decoder->table, octets + HPACK_ENTRY_OVERHEAD,
                                                   is_name_stored ? octets : field->value_len);
    if (HPACK_UNLIKELY(entry == NULL)) {
        return insert_slowly(decoder, list, scratch, *field);
    }
    char *stored = (char *)(uintptr_t)entry->value;
    entry->name = field->name;
    if (is_name_stored) {
        hpack_octets_copy(stored, field->name, field->name_len);
        entry->name = stored;
        stored += field->name_len;
    }
    hpack_octets_copy(stored, field->value, field->value_len);
    entry->value = stored;
    entry->name_len = field->name_len;
    entry->value_len = field->value_len;
    entry->hash = 0;
    entry->token = field->token;
    entry->flags = field->flags;
    return field->name;
}

/* The strings of a literal field from the wire, decoded behind *scratch. Returns the field's end,
 * or NULL: not simple. */
static inline const uint8_t *decode_strings(const struct hpack_decoder *decoder,
                                            const struct hpack_list *list, const uint8_t *at,
                                            const uint8_t *end, uint32_t name_index,
                                            uint8_t **scratch, struct field *field)
{
    struct short_string name = { NULL, 0, false };
    struct short_string value;
    if (name_index == 0) {
        at = scan_string(at, end, &name);
        if (HPACK_UNLIKELY(at == NULL)) {
            return NULL;
        }
    }
    at = scan_string(at, end, &value);
    if (HPACK_UNLIKELY(at == NULL)) {
        return NULL;
    }
    bool is_good = name_index == 0 ? take_new_name(list, scratch, &name, field)
                                   : take_indexed_name(decoder, name_index, field);
    return HPACK_LIKELY(is_good && take_value(list, scratch, &value, field)) ? at : NULL;
}

/* A literal field. Returns its end, or NULL: not simple. */
static inline const uint8_t *decode_short_literal(struct hpack_decoder *decoder,
                                                  struct hpack_list *list, const uint8_t *at,
                                                  const uint8_t *end)
{
    uint32_t first = *at;
    uint32_t name_index = first - HPACK_INCREMENTAL;
    uint32_t name_index_max = HPACK_INCREMENTAL - 1;
    if (first < HPACK_INCREMENTAL) {
        name_index_max = HPACK_NEVER_INDEXED - 1;
        name_index = first & name_index_max;
    }
    if (HPACK_UNLIKELY(!hpack_is_field(*at))) {
        return NULL;
    }
    const uint8_t *strings = at + 1;
    if (HPACK_UNLIKELY(name_index == name_index_max)) {
        if (strings == end || *strings >= 0x80) {
            return NULL;
        }
        name_index += *strings++;
    }
    struct field field;
    uint8_t *scratch = list->scratch + list->scratch_len;
    const uint8_t *stopped =
        decode_strings(decoder, list, strings, end, name_index, &scratch, &field);
    if (HPACK_UNLIKELY(stopped == NULL)) {
        return NULL;
    }
    uint64_t octets = (uint64_t)field.name_len + field.value_len;
    uint64_t size = list->size + octets + HPACK_ENTRY_OVERHEAD;
    if (HPACK_UNLIKELY(size > list->easy_size || octets > list->string_max)) {
        return NULL;
    }
    if (first >= HPACK_INCREMENTAL) {
        field.name = insert_field(decoder, list, scratch, &field);
        if (HPACK_UNLIKELY(field.name == NULL)) {
            return NULL;
        }
    } else if (first >= HPACK_NEVER_INDEXED) {
        field.flags |= HALO_HEADER_NEVER_INDEX;
    }
    list->scratch_len = (size_t)(scratch - list->scratch);
    list->fields[list->count++] = (halo_header){
        .name = { field.name, field.name_len },
        .value = { field.value, field.value_len },
        .token = field.token,
        .flags = field.flags,
    };
    list->size = size;
    return stopped;
}

/* ---- blocks ------------------------------------------------------------------------------ */

/* Decodes fields as long as they are simple; returns where it stopped. */
static inline const uint8_t *decode_simple_fields(struct hpack_decoder *decoder,
                                                  struct hpack_list *list, const uint8_t *at,
                                                  const uint8_t *end)
{
    if (HPACK_UNLIKELY(list->count >= list->easy_count || decoder->has_long_strings)) {
        return at;
    }
    /* A field takes an octet at least. What is behind `stop` gets a turn of its own. */
    size_t room = list->easy_count - list->count;
    const uint8_t *stop = HPACK_LIKELY((size_t)(end - at) <= room) ? end : at + room;
    while (at < stop) {
        const uint8_t *stopped;
        if (*at >= HPACK_INDEXED) {
            stopped = decode_indexed_run(decoder, list, at, stop);
            if (HPACK_UNLIKELY(stopped == at)) {
                break;
            }
        } else {
            stopped = decode_short_literal(decoder, list, at, end);
            if (HPACK_UNLIKELY(stopped == NULL)) {
                break;
            }
        }
        at = stopped;
    }
    /* None was dropped. */
    list->total = list->count;
    return at;
}

static enum hpack_result fail_at_end(struct hpack_decoder *decoder, const char *reason)
{
    decoder->reason = reason;
    return HPACK_BROKEN;
}

enum hpack_result hpack_decode(struct hpack_decoder *decoder, struct hpack_list *list,
                               const uint8_t *in, size_t len, bool last, size_t *consumed)
{
    if (len == 0) { /* `in` may be NULL */
        *consumed = 0;
        return last && decoder->is_update_due ? fail_at_end(decoder, "table size update missing")
                                              : HPACK_OK;
    }
    const uint8_t *at = in;
    const uint8_t *end = in + len;
    while (at < end) {
        if (HPACK_LIKELY(!decoder->is_update_due)) {
            const uint8_t *stopped = decode_simple_fields(decoder, list, at, end);
            if (HPACK_LIKELY(stopped != at)) {
                decoder->has_field = true;
                at = stopped;
                continue;
            }
        }
        const uint8_t *next = at;
        enum hpack_result result = hpack_decode_any(decoder, list, &next, end);
        if (HPACK_UNLIKELY(result != HPACK_OK)) {
            *consumed = (size_t)(at - in);
            return result == HPACK_MORE && last
                       ? fail_at_end(decoder, "header block ends inside a field")
                       : result;
        }
        at = next;
    }
    *consumed = len;
    return HPACK_OK;
}
