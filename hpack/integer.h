/*
 * Integers with a prefix (RFC 7541 section 5.1).
 *
 * An integer has at most six octets: the prefix and five more, which is what 2^32 - 1 takes. That
 * bounds zero padding too (0xff 0x80 0x80 ...). Larger values than 2^32 - 1 are errors.
 */
#ifndef HALO_HPACK_INTEGER_H
#define HALO_HPACK_INTEGER_H

#include <stddef.h>
#include <stdint.h>

enum {
    HPACK_INTEGER_OCTETS = 6,
};

enum hpack_integer {
    HPACK_INTEGER_DONE,
    HPACK_INTEGER_MORE, /* the input ends inside the integer */
    HPACK_INTEGER_BAD,  /* too large or too long */
};

/* The part behind a prefix whose bits are all ones. */
static inline enum hpack_integer hpack_integer_decode_rest(const uint8_t **at, const uint8_t *end,
                                                           uint32_t prefix_max, uint32_t *value)
{
    const uint8_t *in = *at;
    uint64_t sum = prefix_max;
    for (unsigned shift = 0; shift < 7 * (HPACK_INTEGER_OCTETS - 1); shift += 7) {
        if (in == end) {
            return HPACK_INTEGER_MORE;
        }
        uint8_t octet = *in++;
        sum += (uint64_t)(octet & 0x7f) << shift;
        if ((octet & 0x80) == 0) {
            *at = in;
            *value = (uint32_t)sum;
            return sum <= UINT32_MAX ? HPACK_INTEGER_DONE : HPACK_INTEGER_BAD;
        }
    }
    return HPACK_INTEGER_BAD;
}

/* Decodes at *at, which is before end, and moves *at behind the integer when it is done. */
static inline enum hpack_integer hpack_integer_decode(const uint8_t **at, const uint8_t *end,
                                                      unsigned prefix_bits, uint32_t *value)
{
    uint32_t prefix_max = (1u << prefix_bits) - 1;
    uint32_t prefix = **at & prefix_max;
    (*at)++;
    if (prefix < prefix_max) {
        *value = prefix;
        return HPACK_INTEGER_DONE;
    }
    return hpack_integer_decode_rest(at, end, prefix_max, value);
}

/* How many octets the value takes. */
static inline size_t hpack_integer_octets(unsigned prefix_bits, uint64_t value)
{
    uint64_t prefix_max = (1u << prefix_bits) - 1;
    size_t octets = 1;
    if (value >= prefix_max) {
        octets++;
        for (value -= prefix_max; value >= 0x80; value >>= 7) {
            octets++;
        }
    }
    return octets;
}

/* Writes the value behind the high bits `kind` of the first octet; returns the end. */
static inline uint8_t *hpack_integer_encode(uint8_t *out, unsigned kind, unsigned prefix_bits,
                                            uint64_t value)
{
    uint64_t prefix_max = (1u << prefix_bits) - 1;
    if (value < prefix_max) {
        *out++ = (uint8_t)(kind | value);
        return out;
    }
    *out++ = (uint8_t)(kind | prefix_max);
    value -= prefix_max;
    while (value >= 0x80) {
        *out++ = (uint8_t)(0x80 | (value & 0x7f));
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

#endif
