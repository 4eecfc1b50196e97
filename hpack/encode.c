/*
 * The encoder (RFC 7541 section 3): blocks.
 *
 * Lists repeat, field by field. So for each place in a block the encoder remembers which entry was
 * sent there the last time, and looks first whether the field is that one again. A prepared list
 * that came out as indexed fields only is kept as octets until the table changes. All else is
 * left to encode_field.c.
 */
#include "hpack/encode_field.h"
#include "hpack/field.h"
#include "hpack/huffman.h"
#include "hpack/integer.h"
#include "hpack/representation.h"

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

/* ---- guesses ----------------------------------------------------------------------------- */

enum {
    GUESS_DYNAMIC = 0x80,
    GUESS_NUMBER = 0x7f, /* more than HPACK_SHORT_AGES */
};

/* The entry that was in this place of the last block, and its octet; NULL: out of reach. */
static inline const struct hpack_entry *find_guess(const struct hpack_table *table, uint32_t reach,
                                                   uint32_t guess, uint32_t *octet)
{
    if ((guess & GUESS_DYNAMIC) == 0) {
        *octet = HPACK_INDEXED | guess;
        return &hpack_static_entries[guess];
    }
    uint32_t age = (table->inserted - guess) & GUESS_NUMBER;
    *octet = HPACK_INDEXED + HPACK_DYNAMIC_FIRST + age;
    return HPACK_LIKELY(age < reach) ? hpack_table_entry(table, age) : NULL;
}

/* Ages that a guess may have. */
static inline uint32_t guess_reach(const struct hpack_table *table)
{
    return table->count < HPACK_SHORT_AGES ? table->count : HPACK_SHORT_AGES;
}

/* The octet that stands for the field, if the guess is right; else 0. */
static inline uint32_t try_guess(const struct hpack_table *table, uint32_t guess,
                                 const halo_header *field)
{
    uint32_t octet;
    const struct hpack_entry *entry = find_guess(table, guess_reach(table), guess, &octet);
    if (HPACK_UNLIKELY(entry == NULL)) {
        return 0;
    }
    if (HPACK_UNLIKELY(entry->value_len != field->value.len ||
                       (field->flags & HPACK_NOT_TO_BE_INDEXED) != 0)) {
        return 0;
    }
    if (entry->token != field->token || field->token == HALO_NAME_UNKNOWN) {
        /* A token need not be set. */
        if (HPACK_UNLIKELY(field->token != HALO_NAME_UNKNOWN ||
                           entry->name_len != field->name.len ||
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
    uint32_t index = *out - (uint32_t)HPACK_INDEXED;
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
    hpack_encode_forget_prepared(encoder);
    if (encoder->size_lowest < table->size_max) {
        out = hpack_integer_encode(out, HPACK_SIZE_UPDATE, HPACK_SIZE_UPDATE_BITS,
                                   encoder->size_lowest);
        hpack_table_resize(table, encoder->size_lowest);
    }
    if (encoder->size_max != table->size_max) {
        out =
            hpack_integer_encode(out, HPACK_SIZE_UPDATE, HPACK_SIZE_UPDATE_BITS, encoder->size_max);
        hpack_table_resize(table, encoder->size_max);
    }
    encoder->size_lowest = encoder->size_max;
    return out;
}

static inline bool is_update_due(const struct hpack_encoder *encoder)
{
    return encoder->size_lowest < encoder->table.size_max ||
           encoder->size_max != encoder->table.size_max;
}

static inline uint8_t *begin_block(struct hpack_encoder *encoder, uint8_t *out)
{
    encoder->wants_room = false;
    encoder->guess_at = 0;
    if (HPACK_UNLIKELY(is_update_due(encoder))) {
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
    for (; count > 0; count--, fields++) {
        if (HPACK_UNLIKELY(at >= HPACK_GUESSES)) {
            out = hpack_encode_field(encoder, out, fields);
            continue;
        }
        uint32_t guess = encoder->guesses[at];
        uint32_t octet = guess != 0 ? try_guess(&encoder->table, guess, fields) : 0;
        if (HPACK_LIKELY(octet != 0)) {
            *out++ = (uint8_t)octet;
        } else {
            uint32_t inserted = encoder->table.inserted;
            uint8_t *start = out;
            out = hpack_encode_field(encoder, out, fields);
            encoder->guesses[at] =
                make_guess(&encoder->table, inserted, start, (size_t)(out - start));
        }
        at++;
    }
    encoder->guess_at = (uint8_t)at;
    return out;
}

uint8_t *hpack_encode_repeated_status(struct hpack_encoder *encoder, uint8_t *out,
                                      const char digits[3])
{
    const struct hpack_table *table = &encoder->table;
    uint32_t guess = encoder->guesses[0];
    uint32_t octet;
    if (HPACK_UNLIKELY(is_update_due(encoder) || guess == 0)) {
        return NULL;
    }
    const struct hpack_entry *entry = find_guess(table, guess_reach(table), guess, &octet);
    if (HPACK_UNLIKELY(entry == NULL || entry->token != HALO_NAME_STATUS || entry->value_len != 3 ||
                       entry->value[0] != digits[0] || entry->value[1] != digits[1] ||
                       entry->value[2] != digits[2])) {
        return NULL;
    }
    encoder->wants_room = false;
    encoder->guess_at = 1;
    *out++ = (uint8_t)octet;
    return out;
}

/* Tokens count only where they come with a hash, so names are compared. */
static inline bool is_regular_entry(const struct hpack_entry *entry, const halo_header *field)
{
    return entry->value_len == field->value.len && entry->name_len == field->name.len &&
           (field->flags & HPACK_NOT_TO_BE_INDEXED) == 0 && entry->name[0] != ':' &&
           hpack_octets_equal(entry->value, field->value.data, field->value.len) &&
           hpack_octets_equal(entry->name, field->name.data, field->name.len);
}

uint8_t *hpack_encode_repeated(struct hpack_encoder *encoder, uint8_t *out,
                               const halo_header *fields, size_t count, size_t *done)
{
    const struct hpack_table *table = &encoder->table;
    const uint8_t *guess = encoder->guesses + encoder->guess_at;
    const uint8_t *guesses_end = encoder->guesses + HPACK_GUESSES;
    uint32_t reach = guess_reach(table);
    size_t i = 0;
    for (; i < count && guess < guesses_end && *guess != 0; i++, guess++) {
        uint32_t octet;
        const struct hpack_entry *entry = find_guess(table, reach, *guess, &octet);
        if (HPACK_UNLIKELY(entry == NULL || !is_regular_entry(entry, &fields[i]))) {
            break;
        }
        out[i] = (uint8_t)octet;
    }
    encoder->guess_at = (uint8_t)(guess - encoder->guesses);
    *done = i;
    return out + i;
}

/* ---- prepared lists ---------------------------------------------------------------------- */

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

uint8_t *hpack_encode_kept(struct hpack_encoder *encoder, uint8_t *out, uint64_t identity)
{
    for (size_t i = 0; i < HPACK_PREPARED_SLOTS; i++) {
        const struct hpack_prepared *slot = &encoder->prepared[i];
        if (slot->identity == identity) {
            size_t at = encoder->guess_at + (size_t)slot->len;
            encoder->guess_at = (uint8_t)(at < HPACK_GUESSES ? at : HPACK_GUESSES);
            memcpy(out, slot->octets, HPACK_PREPARED_MAX);
            return out + slot->len;
        }
    }
    return NULL;
}

uint8_t *hpack_encode_prepared(struct hpack_encoder *encoder, uint8_t *out, bool first,
                               const halo_header *fields, size_t count, uint64_t identity)
{
    HPACK_ASSERT(identity != 0);
    if (first) {
        out = begin_block(encoder, out);
    }
    uint8_t *kept_end = hpack_encode_kept(encoder, out, identity);
    if (HPACK_LIKELY(kept_end != NULL)) {
        return kept_end;
    }
    uint8_t *end = hpack_encode(encoder, out, false, fields, count);
    keep_prepared(encoder, identity, out, (size_t)(end - out), count);
    return end;
}
