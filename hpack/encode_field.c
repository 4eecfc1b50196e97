/*
 * The encoder, field by field (RFC 7541 sections 6 and 7.1).
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
#include "hpack/encode_field.h"

#include "hpack/encode_index.h"
#include "hpack/field.h"
#include "hpack/huffman.h"
#include "hpack/integer.h"
#include "hpack/representation.h"

enum {
    /* Shorter secrets can be guessed, value by value, by watching the table (section 7.1.3). */
    COOKIE_INDEXED_MIN = 20,
    /* The longest string whose length takes one octet, coded or not. */
    STRING_SHORT_MAX = 126,
    STRING_HUFFMAN_MIN = 3, /* shorter ones cannot become shorter */
};

/* ---- strings --------------------------------------------------------------------------- */

static uint8_t *encode_raw_string(uint8_t *out, halo_bytes string)
{
    out = hpack_integer_encode(out, 0, HPACK_STRING_BITS, string.len);
    hpack_octets_copy((char *)out, string.data, string.len);
    return out + string.len;
}

/* Longer than STRING_SHORT_MAX: the coded length, and so how many octets it takes itself, is known
 * only afterwards. Text shrinks by about a quarter; if the guess was wrong, the code is moved. */
static uint8_t *encode_long_string(uint8_t *out, halo_bytes string)
{
    size_t guess = hpack_integer_octets(HPACK_STRING_BITS, string.len - string.len / 4);
    const uint8_t *in = (const uint8_t *)string.data;
    uint8_t *end = hpack_huffman_encode_shorter(out + guess, in, string.len);
    if (end == NULL) {
        return encode_raw_string(out, string);
    }
    size_t coded_len = (size_t)(end - out) - guess;
    size_t prefix = hpack_integer_octets(HPACK_STRING_BITS, coded_len);
    if (HPACK_UNLIKELY(prefix != guess)) {
        memmove(out + prefix, out + guess, coded_len);
    }
    return hpack_integer_encode(out, HPACK_HUFFMAN, HPACK_STRING_BITS, coded_len) + coded_len;
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
            *out = (uint8_t)(HPACK_HUFFMAN | (end - out - 1));
            return end;
        }
    }
    return encode_other_string(out, string);
}

static uint8_t *encode_index(uint8_t *out, uint32_t index)
{
    return hpack_integer_encode(out, HPACK_INDEXED, HPACK_INDEXED_BITS, index);
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
static __attribute__((noinline)) struct hpack_entry *insert_and_evict(struct hpack_encoder *encoder,
                                                                      const char **name,
                                                                      uint32_t size,
                                                                      uint32_t stored)
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
    hpack_encode_forget_prepared(encoder);
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
static uint32_t find_name(const struct hpack_table *table, const halo_header *field, uint32_t token)
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
        return encode_literal(out, HPACK_NEVER_INDEXED, HPACK_LITERAL_BITS, name_index, field);
    }
    if (hash != 0) {
        if (field->value.len == 0 && known->static_index != 0 && known->static_values == 0) {
            return encode_index(out, name_index); /* most static entries have an empty value */
        }
        uint64_t size = (uint64_t)field->name.len + field->value.len + HPACK_ENTRY_OVERHEAD;
        if (is_worth_a_place(encoder, token, hash, name_index != 0, size) &&
            insert_field(encoder, field, token, hash)) {
            return encode_literal(out, HPACK_INCREMENTAL, HPACK_INCREMENTAL_BITS, name_index,
                                  field);
        }
    }
    return encode_literal(out, HPACK_NOT_INDEXED, HPACK_LITERAL_BITS, name_index, field);
}

/* A field that is not simply the newest one of its name. */
static __attribute__((noinline)) uint8_t *encode_other(struct hpack_encoder *encoder, uint8_t *out,
                                                       const halo_header *field, uint32_t token)
{
    uint32_t hash = 0;
    if ((field->flags & HPACK_NOT_TO_BE_INDEXED) == 0) {
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
    if (HPACK_UNLIKELY(age >= table->count || age >= HPACK_SHORT_AGES)) {
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
    if (HPACK_UNLIKELY(age >= table->count || age >= HPACK_SHORT_AGES)) {
        return 0;
    }
    const struct hpack_entry *entry = hpack_index_entry(table, number);
    bool is_same = hpack_index_is_name(entry, HALO_NAME_UNKNOWN, field->name) &&
                   hpack_index_is_value(entry, field->value);
    return HPACK_LIKELY(is_same) ? HPACK_DYNAMIC_FIRST + age : 0;
}

static inline __attribute__((always_inline)) uint8_t *encode_known(struct hpack_encoder *encoder,
                                                                   uint8_t *out,
                                                                   const halo_header *field,
                                                                   const struct hpack_name *known)
{
    uint32_t index = 0;
    if (HPACK_LIKELY((field->flags & HPACK_NOT_TO_BE_INDEXED) == 0)) {
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
    *out++ = (uint8_t)(HPACK_INDEXED | index);
    return out;
}

static __attribute__((noinline)) uint8_t *encode_unknown(struct hpack_encoder *encoder,
                                                         uint8_t *out, const halo_header *field,
                                                         uint32_t name_key)
{
    uint32_t index = 0;
    if (HPACK_LIKELY((field->flags & HPACK_NOT_TO_BE_INDEXED) == 0)) {
        index = find_newest_unknown(&encoder->table, name_key, field);
    }
    if (HPACK_UNLIKELY(index == 0)) {
        return encode_other(encoder, out, field, HALO_NAME_UNKNOWN);
    }
    *out++ = (uint8_t)(HPACK_INDEXED | index);
    return out;
}

uint8_t *hpack_encode_field(struct hpack_encoder *encoder, uint8_t *out, const halo_header *field)
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
