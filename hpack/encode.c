/*
 * The encoder (RFC 7541 section 3): fields to representations.
 *
 * A field that repeats is found without a hash: its name, nearly always a known one, leads to the
 * newest entry with that name, and the values are compared. Only when that fails is the field
 * hashed, looked up among all entries, and, if it is new, given a place in the table or not:
 *
 *     FIRST    at first sight: names whose value repeats on a connection (server, user-agent)
 *     SECOND   at second sight: names whose value may repeat (:path, etag, date). A value that is
 *              different every time then never pushes others out of the table.
 *     unknown  at first sight when the name is not in the table either: then at least the name
 *              is a reference the next time; else at second sight
 *     never    what would take more than three quarters of the table, and what the caller or
 *              RFC 7541 section 7.1.3 exclude
 *
 * "Seen" is a sketch of sixteen 16-bit tags. It forgets at random, so that any number of values
 * that go round and round get in, after some rounds. A false "seen" costs a place in the table.
 */
#include "hpack/encode_index.h"
#include "hpack/field.h"
#include "hpack/huffman.h"
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
    NOT_INDEXED = 0x00,
    LITERAL_BITS = 4,
    HUFFMAN = 0x80,
    STRING_BITS = 7,

    /* Shorter secrets can be guessed, value by value, by watching the table (section 7.1.3). */
    COOKIE_INDEXED_MIN = 20,
    /* The longest string whose length takes one octet, coded or not. */
    STRING_SHORT_MAX = 126,
    STRING_HUFFMAN_MIN = 3, /* shorter ones cannot become shorter */
    NOT_TO_BE_INDEXED = HALO_HEADER_NEVER_INDEX | HALO_HEADER_NO_INDEX,
    /* Dynamic entries whose index is one octet long. */
    SHORT_AGES = (1 << INDEXED_BITS) - 1 - HPACK_DYNAMIC_FIRST,
};

static void forget_prepared(struct hpack_encoder *encoder)
{
    for (size_t i = 0; i < HPACK_PREPARED_SLOTS; i++) {
        encoder->prepared[i].identity = 0;
    }
}

void hpack_encoder_init(struct hpack_encoder *encoder, uint32_t size_max)
{
    *encoder = (struct hpack_encoder){
        .size_max = HPACK_TABLE_SIZE_DEFAULT,
        .size_lowest = HPACK_TABLE_SIZE_DEFAULT,
    };
    hpack_table_init(&encoder->table, HPACK_TABLE_SIZE_DEFAULT, true);
    hpack_encoder_set_max(encoder, size_max);
}

void hpack_encoder_set_max(struct hpack_encoder *encoder, uint32_t size_max)
{
    encoder->size_max = size_max < HPACK_ENCODER_SIZE_CAP ? size_max : HPACK_ENCODER_SIZE_CAP;
    if (encoder->size_max < encoder->size_lowest) {
        encoder->size_lowest = encoder->size_max;
    }
}

/* ---- sizes and strings ------------------------------------------------------------------- */

enum {
    /* First octet with an index, and two string lengths. */
    FIELD_OVERHEAD_MAX = 3 * (1 + 10),
    UPDATES_OVERHEAD_MAX = 2 * (1 + 10),
};

size_t hpack_encode_bound(const halo_header *fields, size_t count)
{
    size_t bound = UPDATES_OVERHEAD_MAX + HPACK_HUFFMAN_OVERRUN;
    for (size_t i = 0; i < count; i++) {
        bound += fields[i].name.len + fields[i].value.len + FIELD_OVERHEAD_MAX;
    }
    return bound;
}

static uint8_t *encode_raw_string(uint8_t *out, halo_bytes string)
{
    out = hpack_integer_encode(out, 0, STRING_BITS, string.len);
    hpack_octets_copy((char *)out, string.data, string.len);
    return out + string.len;
}

/* Longer than STRING_SHORT_MAX: the coded length, and so how many octets it takes itself, is known
 * only afterwards. Text shrinks by about a quarter; if the guess was wrong, the code is moved. */
static uint8_t *encode_long_string(uint8_t *out, halo_bytes string)
{
    size_t guess = hpack_integer_octets(STRING_BITS, string.len - string.len / 4);
    const uint8_t *in = (const uint8_t *)string.data;
    uint8_t *end = hpack_huffman_encode_shorter(out + guess, in, string.len);
    if (end == NULL) {
        return encode_raw_string(out, string);
    }
    size_t coded_len = (size_t)(end - out) - guess;
    size_t prefix = hpack_integer_octets(STRING_BITS, coded_len);
    if (HPACK_UNLIKELY(prefix != guess)) {
        memmove(out + prefix, out + guess, coded_len);
    }
    return hpack_integer_encode(out, HUFFMAN, STRING_BITS, coded_len) + coded_len;
}

/* A string that is long, or does not become shorter by being coded. */
static __attribute__((noinline)) uint8_t *encode_other_string(uint8_t *out, halo_bytes string)
{
    return string.len > STRING_SHORT_MAX ? encode_long_string(out, string)
                                         : encode_raw_string(out, string);
}

/* A short string is coded behind its length octet without counting first. */
static inline uint8_t *encode_string(uint8_t *out, halo_bytes string)
{
    if (HPACK_LIKELY(string.len - STRING_HUFFMAN_MIN <= STRING_SHORT_MAX - STRING_HUFFMAN_MIN)) {
        const uint8_t *in = (const uint8_t *)string.data;
        uint8_t *end = hpack_huffman_encode_shorter(out + 1, in, string.len);
        if (HPACK_LIKELY(end != NULL)) {
            *out = (uint8_t)(HUFFMAN | (end - out - 1));
            return end;
        }
    }
    return encode_other_string(out, string);
}

static uint8_t *encode_index(uint8_t *out, uint32_t index)
{
    return hpack_integer_encode(out, INDEXED, INDEXED_BITS, index);
}

/* ---- policy ------------------------------------------------------------------------------ */

/* The high bit of each 16-bit lane that is 0: exact for the lowest such one, which is enough. */
static inline uint64_t zero_lanes(uint64_t lanes)
{
    const uint64_t ones = UINT64_C(0x0001000100010001);
    return (lanes - ones) & ~lanes & ones << 15;
}

/* Has this field been sent as a literal lately? From now on it has. */
static bool was_seen(struct hpack_encoder *encoder, uint32_t hash)
{
    uint64_t *set = &encoder->seen[hash % HPACK_SEEN_SETS];
    uint64_t tag = hash >> 16 | 1; /* never 0, which is an empty place */
    if (zero_lanes(*set ^ tag * UINT64_C(0x0001000100010001)) != 0) {
        return true;
    }
    uint64_t empty = zero_lanes(*set);
    encoder->seen_random = (uint8_t)(encoder->seen_random * 5 + 113);
    unsigned shift = 16u * (encoder->seen_random >> 6);
    if (empty != 0) {
        shift = (unsigned)__builtin_ctzll(empty) - 15;
    }
    *set = (*set & ~(UINT64_C(0xffff) << shift)) | tag << shift;
    return false;
}

static bool is_worth_a_place(struct hpack_encoder *encoder, uint32_t token, uint32_t hash,
                             bool is_name_found, uint64_t size)
{
    uint32_t size_max = encoder->table.size_max;
    if (size > size_max - size_max / 4) {
        return false;
    }
    uint8_t policy = hpack_names[token].policy;
    bool at_second_sight = policy == HPACK_POLICY_SECOND || policy == HPACK_POLICY_SET_COOKIE ||
                           (token == 0 && is_name_found);
    return !at_second_sight || was_seen(encoder, hash);
}

/* What must never be in a table, here or at any intermediary. */
static bool is_secret(const halo_header *field, uint8_t policy)
{
    if ((field->flags & HALO_HEADER_NEVER_INDEX) != 0 || policy == HPACK_POLICY_NEVER) {
        return true;
    }
    return (policy == HPACK_POLICY_COOKIE || policy == HPACK_POLICY_SET_COOKIE) &&
           field->value.len < COOKIE_INDEXED_MIN;
}

/* ---- fields ------------------------------------------------------------------------------ */

/* An insertion that evicts. NULL: the memory is not there. */
static __attribute__((noinline)) struct hpack_entry *
insert_and_evict(struct hpack_encoder *encoder, const char **name, uint32_t size, uint32_t stored)
{
    struct hpack_plan plan;
    if (hpack_table_plan(&encoder->table, size, stored, &plan) != HPACK_FIT_YES) {
        encoder->wants_room = true;
        return NULL;
    }
    return hpack_table_insert(&encoder->table, &plan, size, stored, name);
}

/* Puts the field into the table, if the memory is there. */
static inline bool insert_field(struct hpack_encoder *encoder, const halo_header *field,
                                uint32_t token, uint32_t hash)
{
    uint32_t name_len = (uint32_t)field->name.len;
    uint32_t value_len = (uint32_t)field->value.len;
    uint32_t size = name_len + value_len + HPACK_ENTRY_OVERHEAD;
    bool is_name_stored = token == HALO_NAME_UNKNOWN;
    uint32_t stored = value_len + (is_name_stored ? name_len : 0);
    const char *name = is_name_stored ? field->name.data : hpack_names[token].text;
    struct hpack_entry *entry = hpack_table_append(&encoder->table, size, stored);
    if (HPACK_UNLIKELY(entry == NULL)) {
        entry = insert_and_evict(encoder, &name, size, stored);
        if (entry == NULL) {
            return false;
        }
    }
    char *octets = (char *)(uintptr_t)entry->value;
    entry->name = name;
    if (is_name_stored) {
        hpack_octets_copy(octets, name, name_len);
        entry->name = octets;
        octets += name_len;
    }
    hpack_octets_copy(octets, field->value.data, value_len);
    entry->value = octets;
    entry->name_len = name_len;
    entry->value_len = value_len;
    entry->hash = hash;
    entry->token = (uint16_t)token;
    entry->flags = 0;
    hpack_index_add(&encoder->table);
    forget_prepared(encoder);
    return true;
}

static uint8_t *encode_literal(uint8_t *out, unsigned kind, unsigned prefix_bits,
                               uint32_t name_index, const halo_header *field)
{
    out = hpack_integer_encode(out, kind, prefix_bits, name_index);
    if (name_index == 0) {
        out = encode_string(out, field->name);
    }
    return encode_string(out, field->value);
}

/* The index of an entry with this name, or 0. */
static uint32_t find_name(const struct hpack_table *table, const halo_header *field,
                          uint32_t token)
{
    const struct hpack_name *known = &hpack_names[token];
    if (known->static_index != 0) {
        return known->static_index;
    }
    uint32_t place = known->place;
    if (token == HALO_NAME_UNKNOWN) {
        place = hpack_index_place(table, hpack_name_key(field->name.data, field->name.len));
    }
    uint16_t number = hpack_index_newest(table, place);
    uint32_t age = hpack_index_age(table, number);
    if (age >= table->count ||
        !hpack_index_is_name(hpack_index_entry(table, number), token, field->name)) {
        return 0;
    }
    return HPACK_DYNAMIC_FIRST + age;
}

/* A field that is not in the dynamic table, or must not be: then `hash` is 0. */
static inline uint8_t *encode_new(struct hpack_encoder *encoder, uint8_t *out,
                                  const halo_header *field, uint32_t token, uint32_t hash)
{
    const struct hpack_name *known = &hpack_names[token];
    uint32_t name_index = find_name(&encoder->table, field, token);
    if (is_secret(field, known->policy)) {
        return encode_literal(out, NEVER_INDEXED, LITERAL_BITS, name_index, field);
    }
    if (hash != 0) {
        if (field->value.len == 0 && known->static_index != 0 && known->static_values == 0) {
            return encode_index(out, name_index); /* most static entries have an empty value */
        }
        uint64_t size = (uint64_t)field->name.len + field->value.len + HPACK_ENTRY_OVERHEAD;
        if (is_worth_a_place(encoder, token, hash, name_index != 0, size) &&
            insert_field(encoder, field, token, hash)) {
            return encode_literal(out, INCREMENTAL, INCREMENTAL_BITS, name_index, field);
        }
    }
    return encode_literal(out, NOT_INDEXED, LITERAL_BITS, name_index, field);
}

/* A field that is not simply the newest one of its name. */
static __attribute__((noinline)) uint8_t *encode_other(struct hpack_encoder *encoder, uint8_t *out,
                                                       const halo_header *field, uint32_t token)
{
    uint32_t hash = 0;
    if ((field->flags & NOT_TO_BE_INDEXED) == 0) {
        hash = field->hash;
        if (hash == 0) {
            uint32_t name_hash = token != HALO_NAME_UNKNOWN
                                     ? hpack_name_hashes[token]
                                     : hpack_name_hash(field->name.data, field->name.len);
            hash = hpack_field_hash_from(name_hash, field->value);
        }
        uint32_t age =
            hpack_index_find_field(&encoder->table, token, hash, field->name, field->value);
        if (age != HPACK_AGE_NONE) {
            return encode_index(out, HPACK_DYNAMIC_FIRST + age);
        }
    }
    return encode_new(encoder, out, field, token, hash);
}

#define STATUS(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)

/* The indices of the statuses in the static table (RFC 7541 appendix A). */
static inline uint32_t find_static_status(halo_bytes value)
{
    if (HPACK_UNLIKELY(value.len != 3)) {
        return 0;
    }
    switch (STATUS(value.data[0], value.data[1], value.data[2])) {
    case STATUS('2', '0', '0'):
        return 8;
    case STATUS('2', '0', '4'):
        return 9;
    case STATUS('2', '0', '6'):
        return 10;
    case STATUS('3', '0', '4'):
        return 11;
    case STATUS('4', '0', '0'):
        return 12;
    case STATUS('4', '0', '4'):
        return 13;
    case STATUS('5', '0', '0'):
        return 14;
    default:
        return 0;
    }
}

/* The index of a static entry with this name and one of the few values that these have, or 0. */
static inline uint32_t find_static_value(const struct hpack_name *known, halo_bytes value)
{
    if (known->static_values > 2) {
        return find_static_status(value);
    }
    const struct hpack_entry *entry = &hpack_static_entries[known->static_index];
    if (hpack_index_is_value(entry, value)) {
        return known->static_index;
    }
    bool is_second = known->static_values == 2 && hpack_index_is_value(entry + 1, value);
    return is_second ? known->static_index + 1u : 0;
}

/* The index of the newest entry with this name, if it has this value and a short index; or 0. */
static inline uint32_t find_newest(const struct hpack_table *table, const struct hpack_name *known,
                                   halo_bytes value)
{
    uint16_t number = hpack_index_newest(table, known->place);
    uint32_t age = hpack_index_age(table, number);
    if (HPACK_UNLIKELY(age >= table->count || age >= SHORT_AGES)) {
        return 0;
    }
    /* Entries with a known name have its constant text. */
    const struct hpack_entry *entry = hpack_index_entry(table, number);
    bool is_same = entry->name == known->text && hpack_index_is_value(entry, value);
    return HPACK_LIKELY(is_same) ? HPACK_DYNAMIC_FIRST + age : 0;
}

/* The same for a name that is not a known one. */
static inline uint32_t find_newest_unknown(const struct hpack_table *table, uint32_t name_key,
                                           const halo_header *field)
{
    uint16_t number = hpack_index_newest(table, hpack_index_place(table, name_key));
    uint32_t age = hpack_index_age(table, number);
    if (HPACK_UNLIKELY(age >= table->count || age >= SHORT_AGES)) {
        return 0;
    }
    const struct hpack_entry *entry = hpack_index_entry(table, number);
    bool is_same = hpack_index_is_name(entry, HALO_NAME_UNKNOWN, field->name) &&
                   hpack_index_is_value(entry, field->value);
    return HPACK_LIKELY(is_same) ? HPACK_DYNAMIC_FIRST + age : 0;
}

static inline __attribute__((always_inline)) uint8_t *
encode_known(struct hpack_encoder *encoder, uint8_t *out, const halo_header *field,
             const struct hpack_name *known)
{
    uint32_t index = 0;
    if (HPACK_LIKELY((field->flags & NOT_TO_BE_INDEXED) == 0)) {
        if (known->static_values != 0) {
            index = find_static_value(known, field->value);
        }
        if (index == 0) {
            index = find_newest(&encoder->table, known, field->value);
        }
    }
    if (HPACK_UNLIKELY(index == 0)) {
        return encode_other(encoder, out, field, (uint32_t)(known - hpack_names));
    }
    *out++ = (uint8_t)(INDEXED | index);
    return out;
}

static __attribute__((noinline)) uint8_t *encode_unknown(struct hpack_encoder *encoder,
                                                         uint8_t *out, const halo_header *field,
                                                         uint32_t name_key)
{
    uint32_t index = 0;
    if (HPACK_LIKELY((field->flags & NOT_TO_BE_INDEXED) == 0)) {
        index = find_newest_unknown(&encoder->table, name_key, field);
    }
    if (HPACK_UNLIKELY(index == 0)) {
        return encode_other(encoder, out, field, HALO_NAME_UNKNOWN);
    }
    *out++ = (uint8_t)(INDEXED | index);
    return out;
}

static __attribute__((noinline)) uint8_t *
encode_field(struct hpack_encoder *encoder, uint8_t *out, const halo_header *field)
{
    const struct hpack_name *known;
    if (field->token != HALO_NAME_UNKNOWN) {
        HPACK_ASSERT(field->token < HALO_NAME_COUNT);
        known = &hpack_names[field->token];
    } else {
        uint32_t name_key = hpack_name_key(field->name.data, field->name.len);
        known = hpack_name_candidate(name_key);
        if (!hpack_is_name(known, field->name.data, field->name.len)) {
            return encode_unknown(encoder, out, field, name_key);
        }
    }
    return encode_known(encoder, out, field, known);
}

/* ---- guesses ----------------------------------------------------------------------------- */

enum {
    GUESS_DYNAMIC = 0x80,
    GUESS_NUMBER = 0x7f, /* more than SHORT_AGES */
};

/* The octet that stands for the field, if the guess is right; else 0. */
static inline uint32_t try_guess(const struct hpack_table *table, uint32_t guess,
                                 const halo_header *field)
{
    const struct hpack_entry *entry;
    uint32_t octet = INDEXED | guess;
    if ((guess & GUESS_DYNAMIC) == 0) {
        entry = &hpack_static_entries[guess];
    } else {
        uint32_t age = (table->inserted - guess) & GUESS_NUMBER;
        if (HPACK_UNLIKELY(age >= table->count || age >= SHORT_AGES)) {
            return 0;
        }
        entry = hpack_table_entry(table, age);
        octet = INDEXED + HPACK_DYNAMIC_FIRST + age;
    }
    if (HPACK_UNLIKELY(entry->value_len != field->value.len ||
                       (field->flags & NOT_TO_BE_INDEXED) != 0)) {
        return 0;
    }
    if (entry->token != field->token || field->token == HALO_NAME_UNKNOWN) {
        /* A token need not be set. */
        if (HPACK_UNLIKELY(
                field->token != HALO_NAME_UNKNOWN || entry->name_len != field->name.len ||
                !hpack_octets_equal(entry->name, field->name.data, field->name.len))) {
            return 0;
        }
    }
    bool is_same = hpack_octets_equal(entry->value, field->value.data, field->value.len);
    return HPACK_LIKELY(is_same) ? octet : 0;
}

/* What to guess the next time, after a field was encoded as out[0..len). */
static uint8_t make_guess(const struct hpack_table *table, uint32_t inserted, const uint8_t *out,
                          size_t len)
{
    if (table->inserted != inserted) {
        return (uint8_t)(GUESS_DYNAMIC | table->inserted);
    }
    if (len != 1) {
        return 0;
    }
    uint32_t index = *out - (uint32_t)INDEXED;
    if (index < HPACK_DYNAMIC_FIRST) {
        return (uint8_t)index;
    }
    return (uint8_t)(GUESS_DYNAMIC | (inserted - (index - HPACK_DYNAMIC_FIRST)));
}

/* ---- blocks ------------------------------------------------------------------------------ */

/* RFC 7541 section 4.2: the smallest size since the last block, if it is below the one in force,
 * and the last one. */
static uint8_t *encode_size_updates(struct hpack_encoder *encoder, uint8_t *out)
{
    struct hpack_table *table = &encoder->table;
    forget_prepared(encoder);
    if (encoder->size_lowest < table->size_max) {
        out = hpack_integer_encode(out, SIZE_UPDATE, SIZE_UPDATE_BITS, encoder->size_lowest);
        hpack_table_resize(table, encoder->size_lowest);
    }
    if (encoder->size_max != table->size_max) {
        out = hpack_integer_encode(out, SIZE_UPDATE, SIZE_UPDATE_BITS, encoder->size_max);
        hpack_table_resize(table, encoder->size_max);
    }
    encoder->size_lowest = encoder->size_max;
    return out;
}

static inline uint8_t *begin_block(struct hpack_encoder *encoder, uint8_t *out)
{
    encoder->wants_room = false;
    encoder->guess_at = 0;
    if (HPACK_UNLIKELY(encoder->size_lowest < encoder->table.size_max ||
                       encoder->size_max != encoder->table.size_max)) {
        return encode_size_updates(encoder, out);
    }
    return out;
}

uint8_t *hpack_encode(struct hpack_encoder *encoder, uint8_t *out, bool first,
                      const halo_header *fields, size_t count)
{
    if (first) {
        out = begin_block(encoder, out);
    }
    uint32_t at = encoder->guess_at;
    for (const halo_header *end = fields + count; fields < end; fields++) {
        if (HPACK_UNLIKELY(at >= HPACK_GUESSES)) {
            out = encode_field(encoder, out, fields);
            continue;
        }
        uint32_t guess = encoder->guesses[at];
        uint32_t octet = guess != 0 ? try_guess(&encoder->table, guess, fields) : 0;
        if (HPACK_LIKELY(octet != 0)) {
            *out++ = (uint8_t)octet;
        } else {
            uint32_t inserted = encoder->table.inserted;
            uint8_t *start = out;
            out = encode_field(encoder, out, fields);
            encoder->guesses[at] =
                make_guess(&encoder->table, inserted, start, (size_t)(out - start));
        }
        at++;
    }
    encoder->guess_at = (uint8_t)at;
    return out;
}

/* Keeps the octets of a list that came out as indexed fields only. */
static void keep_prepared(struct hpack_encoder *encoder, uint64_t identity, const uint8_t *octets,
                          size_t len, size_t count)
{
    /* As many octets as fields: no literal among them, which takes two at least. */
    if (len != count || len == 0 || len > HPACK_PREPARED_MAX) {
        return;
    }
    struct hpack_prepared *slot = &encoder->prepared[encoder->prepared_next];
    encoder->prepared_next = (uint8_t)((encoder->prepared_next + 1) % HPACK_PREPARED_SLOTS);
    slot->identity = identity;
    slot->len = (uint8_t)len;
    memcpy(slot->octets, octets, len);
}

uint8_t *hpack_encode_prepared(struct hpack_encoder *encoder, uint8_t *out, bool first,
                               const halo_header *fields, size_t count, uint64_t identity)
{
    HPACK_ASSERT(identity != 0);
    if (first) {
        out = begin_block(encoder, out);
    }
    for (size_t i = 0; i < HPACK_PREPARED_SLOTS; i++) {
        const struct hpack_prepared *slot = &encoder->prepared[i];
        if (slot->identity == identity) {
            memcpy(out, slot->octets, slot->len);
            return out + slot->len;
        }
    }
    uint8_t *end = hpack_encode(encoder, out, false, fields, count);
    keep_prepared(encoder, identity, out, (size_t)(end - out), count);
    return end;
}
