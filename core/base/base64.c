/* base64url (RFC 4648 section 5), for the HTTP2-Settings field. */
#include <halo/error.h>
#include <halo/settings.h>

#include "core/base/base.h"

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int halo_base64url_encode(char *out, size_t size, const void *in, size_t len, size_t *out_len)
{
    const uint8_t *from = in;
    size_t at = 0;

    *out_len = len / 3 * 4 + (len % 3 == 0 ? 0 : len % 3 + 1);
    if (*out_len > size) {
        return HALO_E_LIMIT;
    }
    for (size_t i = 0; i < len; i += 3) {
        size_t octets = min_size(3, len - i);
        uint32_t bits = (uint32_t)from[i] << 16 | (octets > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                        (octets > 2 ? from[i + 2] : 0u);

        for (size_t j = 0; j <= octets; j++) {
            out[at++] = alphabet[bits >> (18 - 6 * j) & 63];
        }
    }
    return 0;
}

/* The value of a digit; 64 for octets that are none. */
static uint32_t digit(uint8_t octet)
{
    if (octet >= 'A' && octet <= 'Z') {
        return octet - 'A';
    }
    if (octet >= 'a' && octet <= 'z') {
        return octet - 'a' + 26u;
    }
    if (octet >= '0' && octet <= '9') {
        return octet - '0' + 52u;
    }
    if (octet == '-' || octet == '_') {
        return octet == '-' ? 62 : 63;
    }
    return 64;
}

int halo_base64url_decode(void *out, size_t size, const char *in, size_t len, size_t *out_len)
{
    uint8_t *to = out;
    uint32_t bits = 0;
    size_t at = 0;

    *out_len = len / 4 * 3 + (len % 4 == 0 ? 0 : len % 4 - 1);
    if (len % 4 == 1) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (*out_len > size) {
        return HALO_E_LIMIT;
    }
    for (size_t i = 0; i < len; i++) {
        uint32_t value = digit((uint8_t)in[i]);

        if (value > 63) {
            return HALO_E_INVALID_ARGUMENT;
        }
        bits = bits << 6 | value;
        if (i % 4 != 0) {
            to[at++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
        }
    }
    /* What is left over of the last digit must be zero: one text for one run of octets. */
    if ((len % 4 == 2 && (bits & 0xf) != 0) || (len % 4 == 3 && (bits & 0x3) != 0)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    return 0;
}
