/*
 * Header fields: known names, the static table, validity of names and values, hashes.
 *
 * Validity is looked at once, when a literal is decoded. Sixteen octets are looked at in a step
 * where the machine can do that in every build (SSE2), else eight. Names are nearly always known
 * ones or made of letters, digits and '-', which is what the fast check accepts.
 */
#include "hpack/field.h"

#include "hpack/names_table.inc"

halo_bytes halo_name_text(uint16_t token)
{
    const struct hpack_name *known = &hpack_names[token < HALO_NAME_COUNT ? token : 0];
    return (halo_bytes){ known->text, known->len };
}

uint16_t halo_name_token(halo_bytes name)
{
    const struct hpack_name *known = hpack_name_candidate(hpack_name_key(name.data, name.len));
    bool is_known = name.len > 0 && hpack_is_name(known, name.data, name.len);
    return is_known ? (uint16_t)(known - hpack_names) : HALO_NAME_UNKNOWN;
}

uint32_t hpack_field_hash(halo_bytes name, halo_bytes value)
{
    return hpack_field_hash_from(hpack_name_hash(name.data, name.len), value);
}

/* ---- names ------------------------------------------------------------------------------- */

/* The octets of token (RFC 9110 5.6.2) without upper case (RFC 9113 8.2.1), as a set of bits. */
static const uint32_t name_octets[8] = {
    0x00000000, /* control octets */
    0x03ff6cfa, /* ! # $ % & ' * + - . 0-9 */
    0xc0000000, /* ^ _ */
    0x57ffffff, /* ` a-z | ~ */
    0,          0, 0, 0,
};

static bool is_name_octet(uint8_t octet)
{
    return (name_octets[octet / 32] >> (octet % 32) & 1) != 0;
}

/* Eight octets at once: all are letters, digits or '-', as nearly all are. All sums stay in their
 * octet. */
static inline bool is_plain_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = ones * 0x80;
    uint64_t low = word & ~highs;
    uint64_t letter = (low + ones * (0x80 - 'a')) & ~(low + ones * (0x7f - 'z'));
    uint64_t digit = (low + ones * (0x80 - '0')) & ~(low + ones * (0x7f - '9'));
    uint64_t dash = ~((low ^ ones * '-') + ones * 0x7f);
    return ((letter | digit | dash) & ~word & highs) == highs;
}

static bool is_plain_name(const char *data, size_t len)
{
    if (len < 8) {
        return len >= 4 &&
               is_plain_word((uint64_t)hpack_load32(data) << 32 | hpack_load32(data + len - 4));
    }
    for (size_t at = 0; at + 8 < len; at += 8) {
        if (!is_plain_word(hpack_load64(data + at))) {
            return false;
        }
    }
    return is_plain_word(hpack_load64(data + len - 8));
}

uint16_t hpack_name_flags(halo_bytes name)
{
    if (HPACK_LIKELY(is_plain_name(name.data, name.len))) {
        return 0;
    }
    size_t at = name.len > 1 && name.data[0] == ':' ? 1 : 0;
    if (name.len == 0) {
        return HPACK_FIELD_BAD_NAME;
    }
    for (; at < name.len; at++) {
        if (!is_name_octet((uint8_t)name.data[at])) {
            return HPACK_FIELD_BAD_NAME;
        }
    }
    return 0;
}

/* ---- values ------------------------------------------------------------------------------ */

/* Eight octets at once: one of them is a control octet other than HTAB. All sums stay in their
 * octet, so each one's high bit is right. */
static inline bool is_bad_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = ones * 0x80;
    uint64_t low = word & ~highs;
    uint64_t not_control = low + ones * (0x80 - 0x20);
    uint64_t not_tab = (low ^ ones * 0x09) + ones * 0x7f;
    uint64_t not_delete = (low ^ ones * 0x7f) + ones * 0x7f;
    return (~((not_control | ~not_tab) & not_delete) & ~word & highs) != 0;
}

#if defined(__SSE2__)
static inline bool is_bad_block(const char *data)
{
    __m128i octets = _mm_loadu_si128((const __m128i *)(const void *)data);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(octets, _mm_set1_epi8(0x1f)), octets);
    __m128i tab = _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x09));
    __m128i bad =
        _mm_or_si128(_mm_andnot_si128(tab, low), _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x7f)));
    return _mm_movemask_epi8(bad) != 0;
}
#else
static inline bool is_bad_block(const char *data)
{
    return is_bad_word(hpack_load64(data)) || is_bad_word(hpack_load64(data + 8));
}
#endif

/* The last block, or word, overlaps the one before. */
static bool has_bad_octet(const char *data, size_t len)
{
    if (len >= 16) {
        for (size_t at = 0; at + 16 < len; at += 16) {
            if (is_bad_block(data + at)) {
                return true;
            }
        }
        return is_bad_block(data + len - 16);
    }
    if (len >= 8) {
        return is_bad_word(hpack_load64(data)) || is_bad_word(hpack_load64(data + len - 8));
    }
    if (len >= 4) {
        return is_bad_word((uint64_t)hpack_load32(data) << 32 | hpack_load32(data + len - 4));
    }
    /* One to three octets; spaces, which are good, fill the word. */
    uint64_t word = UINT64_C(0x2020202020000000) | (uint64_t)(uint8_t)data[0] |
                    (uint64_t)(uint8_t)data[len / 2] << 8 | (uint64_t)(uint8_t)data[len - 1] << 16;
    return is_bad_word(word);
}

uint16_t hpack_value_flags(halo_bytes value)
{
    uint32_t flags = hpack_value_space(value.data, value.len);
    if (value.len > 0 && has_bad_octet(value.data, value.len)) {
        flags |= HPACK_FIELD_BAD_VALUE;
    }
    return (uint16_t)flags;
}
