/*
 * Decoding of any single field, and insertion that evicts: what decode.c leaves to decode_field.c.
 */
#ifndef HALO_HPACK_DECODE_FIELD_H
#define HALO_HPACK_DECODE_FIELD_H

#include "hpack/field.h"
#include "hpack/hpack.h"
#include "hpack/representation.h"

/* A decoded string; or, if it is too long for the scratch area, a measured one. */
struct hpack_string {
    const char *octets; /* NULL: still coded, `len` octets when decoded */
    uint32_t len;
    uint32_t coded_len;
    const uint8_t *coded;
};

/* A literal field. */
struct hpack_literal {
    struct hpack_string name;
    struct hpack_string value;
    uint16_t token;
    uint16_t flags;
    bool is_inserted;
    bool is_kept; /* within the soft limits: it will be emitted */
};

/* One field or size update of any kind at **at. Unless it returns HPACK_OK, nothing has changed
 * (but that fields were pinned). */
enum hpack_result hpack_decode_any(struct hpack_decoder *decoder, struct hpack_list *list,
                                   const uint8_t **at, const uint8_t *end);

/* Inserts with all that it can take: eviction, moving octets, asking for memory. A name in the
 * table that the field is to be emitted with is saved, if need be. */
enum hpack_result hpack_decode_insert(struct hpack_decoder *decoder, struct hpack_list *list,
                                      struct hpack_literal *literal);

/* The octets themselves, or, if they are in the dynamic table, a copy of them. For the strings of
 * fields that are kept only: the scratch area has room for these. */
const char *hpack_decode_save(const struct hpack_decoder *decoder, struct hpack_list *list,
                              const char *octets, size_t len);

/* NULL: no such entry. */
static inline const struct hpack_entry *hpack_decode_find(const struct hpack_decoder *decoder,
                                                          uint32_t index)
{
    if (index - 1 < HPACK_STATIC_COUNT) {
        return &hpack_static_entries[index];
    }
    uint32_t age = index - HPACK_DYNAMIC_FIRST;
    return index != 0 && age < decoder->table.count ? hpack_table_entry(&decoder->table, age)
                                                    : NULL;
}

#endif
