/* Octets of the wire: integers in network byte order, read and written without alignment. */
#ifndef HALO_CORE_BASE_WIRE_H
#define HALO_CORE_BASE_WIRE_H

#include "core/base/base.h"

static inline uint16_t load_u16(const uint8_t *in)
{
    uint16_t value;

    memcpy(&value, in, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t load_u32(const uint8_t *in)
{
    uint32_t value;

    memcpy(&value, in, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t load_u64(const uint8_t *in)
{
    uint64_t value;

    memcpy(&value, in, sizeof(value));
    return __builtin_bswap64(value);
}

static inline uint32_t load_u24(const uint8_t *in)
{
    return (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
}

static inline void store_u16(uint8_t *out, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(out, &value, sizeof(value));
}

static inline void store_u32(uint8_t *out, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(out, &value, sizeof(value));
}

static inline void store_u64(uint8_t *out, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(out, &value, sizeof(value));
}

static inline void store_u24(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 16);
    out[1] = (uint8_t)(value >> 8);
    out[2] = (uint8_t)value;
}

#endif
