/*
 * Octets of ASCII: what the protocols classify and compare without case. The locale has no say in
 * it, which is why <ctype.h> and strcasecmp() are not used. Octets outside ASCII are nothing of it
 * and equal only themselves.
 */
#ifndef HALO_CORE_BASE_ASCII_H
#define HALO_CORE_BASE_ASCII_H

#include "core/base/base.h"

static inline bool ascii_is_digit(char octet)
{
    return octet >= '0' && octet <= '9';
}

static inline bool ascii_is_upper(char octet)
{
    return octet >= 'A' && octet <= 'Z';
}

static inline bool ascii_is_lower(char octet)
{
    return octet >= 'a' && octet <= 'z';
}

static inline bool ascii_is_letter(char octet)
{
    return (octet | 0x20) >= 'a' && (octet | 0x20) <= 'z';
}

/* A capital letter as a small one; every other octet as it is. */
static inline char ascii_lower(char octet)
{
    return ascii_is_upper(octet) ? (char)(octet | 0x20) : octet;
}

/* What a hexadecimal digit of either case stands for; -1 for every other octet. */
static inline int ascii_hex_value(char octet)
{
    if (ascii_is_digit(octet)) {
        return octet - '0';
    }
    octet = (char)(octet | 0x20);
    return octet >= 'a' && octet <= 'f' ? octet - 'a' + 10 : -1;
}

/* A decimal number, digits and nothing else, as in content-length (RFC 9110 8.6): 18 of them at most,
 * which fit into 63 bits and are more than anybody can send. */
static inline bool ascii_decimal(halo_bytes text, uint64_t *value)
{
    uint64_t sum = 0;

    if (text.len == 0 || text.len > 18) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.data[i])) {
            return false;
        }
        sum = sum * 10 + (uint64_t)(text.data[i] - '0');
    }
    *value = sum;
    return true;
}

/* Copies in lower case; `to` may be `from`. */
static inline void ascii_copy_lower(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        to[i] = ascii_lower(from[i]);
    }
}

/* Are they equal but for case? */
static inline bool ascii_equal(halo_bytes a, halo_bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

#endif
