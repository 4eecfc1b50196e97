/*
 * The kinds of representations and how they begin (RFC 7541 section 6).
 */
#ifndef HALO_HPACK_REPRESENTATION_H
#define HALO_HPACK_REPRESENTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "hpack/table.h"

/* First octets (RFC 7541 section 6). */
enum {
    HPACK_INDEXED = 0x80,
    HPACK_INDEXED_BITS = 7,
    HPACK_INCREMENTAL = 0x40,
    HPACK_INCREMENTAL_BITS = 6,
    HPACK_SIZE_UPDATE = 0x20,
    HPACK_SIZE_UPDATE_BITS = 5,
    HPACK_NEVER_INDEXED = 0x10,
    HPACK_NOT_INDEXED = 0x00,
    HPACK_LITERAL_BITS = 4,
    HPACK_HUFFMAN = 0x80,
    HPACK_STRING_BITS = 7,

    /* Dynamic entries whose index is one octet long. */
    HPACK_SHORT_AGES = (1 << HPACK_INDEXED_BITS) - 1 - HPACK_DYNAMIC_FIRST,
};

/* Not a size update, which is the one thing that is no field. */
static inline bool hpack_is_field(uint8_t first)
{
    return (first & 0xe0) != HPACK_SIZE_UPDATE;
}

#endif
