/*
 * Encoding of any single field: what encode.c leaves to encode_field.c.
 */
#ifndef HALO_HPACK_ENCODE_FIELD_H
#define HALO_HPACK_ENCODE_FIELD_H

#include "hpack/hpack.h"

enum {
    HPACK_NOT_TO_BE_INDEXED = HALO_HEADER_NEVER_INDEX | HALO_HEADER_NO_INDEX,
};

/* Writes one representation, and may insert the field; returns the end. */
uint8_t *hpack_encode_field(struct hpack_encoder *encoder, uint8_t *out, const halo_header *field);

/* Indices have changed: kept octets are of no use any more. */
static inline void hpack_encode_forget_prepared(struct hpack_encoder *encoder)
{
    for (size_t i = 0; i < HPACK_PREPARED_SLOTS; i++) {
        encoder->prepared[i].identity = 0;
    }
}

#endif
