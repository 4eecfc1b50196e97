/*
 * What all files of this layer use: assertions, and loads, comparison and copying of short runs of
 * octets. Header names and values are short, so these are written out with overlapping loads
 * instead of calls into libc. Nothing here reads or writes outside [data, data + len).
 */
#ifndef HALO_HPACK_OCTETS_H
#define HALO_HPACK_OCTETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* For our own invariants, never for what a peer sent. */
#define HPACK_ASSERT(condition)                                                                    \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)

#define HPACK_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define HPACK_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* In front of a loop with a constant number of rounds. */
#if defined(__clang__)
#define HPACK_UNROLL(rounds) _Pragma("clang loop unroll(full)")
#else
#define HPACK_PRAGMA(text)   _Pragma(#text)
#define HPACK_UNROLL(rounds) HPACK_PRAGMA(GCC unroll rounds)
#endif

static inline uint32_t hpack_load32(const void *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint64_t hpack_load64(const void *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* The first octet in the low bits, whatever the machine: hashes are in generated tables. */
static inline uint32_t hpack_load16_le(const void *at)
{
    uint16_t word;
    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap16(word);
#endif
    return word;
}

static inline uint64_t hpack_load32_le(const void *at)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap32(hpack_load32(at));
#else
    return hpack_load32(at);
#endif
}

static inline uint64_t hpack_load64_le(const void *at)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(hpack_load64(at));
#else
    return hpack_load64(at);
#endif
}

static inline uint32_t hpack_load32_be(const void *at)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return hpack_load32(at);
#else
    return __builtin_bswap32(hpack_load32(at));
#endif
}

static inline uint64_t hpack_load64_be(const void *at)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return hpack_load64(at);
#else
    return __builtin_bswap64(hpack_load64(at));
#endif
}

static inline void hpack_store64_be(void *at, uint64_t word)
{
#if __BYTE_ORDER__ != __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(at, &word, sizeof(word));
}

static inline void hpack_store16_le(void *at, uint16_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap16(word);
#endif
    memcpy(at, &word, sizeof(word));
}

/* Sixteen octets twice. */
#if defined(__SSE2__)
static inline bool hpack_blocks_equal(const char *a1, const char *b1, const char *a2,
                                      const char *b2)
{
    __m128i first = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)a1),
                                   _mm_loadu_si128((const __m128i *)(const void *)b1));
    __m128i second = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)a2),
                                    _mm_loadu_si128((const __m128i *)(const void *)b2));
    return _mm_movemask_epi8(_mm_and_si128(first, second)) == 0xffff;
}
#else
static inline bool hpack_blocks_equal(const char *a1, const char *b1, const char *a2,
                                      const char *b2)
{
    uint64_t first = hpack_load64(a1) ^ hpack_load64(b1);
    uint64_t second = hpack_load64(a2) ^ hpack_load64(b2);
    first |= hpack_load64(a1 + 8) ^ hpack_load64(b1 + 8);
    second |= hpack_load64(a2 + 8) ^ hpack_load64(b2 + 8);
    return (first | second) == 0;
}
#endif

/* memcmp() == 0 for short runs. */
static inline __attribute__((always_inline)) bool hpack_octets_equal(const char *a, const char *b,
                                                                     size_t len)
{
    if (len > 16) {
        /* In steps of 32, the last one up to the end. */
        size_t i = 0;
        for (; HPACK_UNLIKELY(i + 32 < len); i += 32) {
            if (!hpack_blocks_equal(a + i, b + i, a + i + 16, b + i + 16)) {
                return false;
            }
        }
        size_t last = len - 16;
        i = i < last ? i : last;
        if (!hpack_blocks_equal(a + i, b + i, a + last, b + last)) {
            return false;
        }
    } else if (len >= 8) {
        uint64_t first = hpack_load64(a) ^ hpack_load64(b);
        if ((first | (hpack_load64(a + len - 8) ^ hpack_load64(b + len - 8))) != 0) {
            return false;
        }
    } else if (len >= 4) {
        uint32_t first = hpack_load32(a) ^ hpack_load32(b);
        if ((first | (hpack_load32(a + len - 4) ^ hpack_load32(b + len - 4))) != 0) {
            return false;
        }
    } else if (len > 0) {
        /* First, middle and last octet are all. */
        if (a[0] != b[0] || a[len / 2] != b[len / 2] || a[len - 1] != b[len - 1]) {
            return false;
        }
    }
    return true;
}

/* memcpy for short runs that do not overlap. */
static inline void hpack_octets_copy(char *to, const char *from, size_t len)
{
    if (len >= 8) {
        uint64_t last = hpack_load64(from + len - 8);
        if (len > 64) {
            memcpy(to, from, len);
            return;
        }
        for (size_t i = 0; i + 8 < len; i += 8) {
            memcpy(to + i, from + i, 8);
        }
        memcpy(to + len - 8, &last, 8);
    } else if (len >= 4) {
        uint32_t last = hpack_load32(from + len - 4);
        memcpy(to, from, 4);
        memcpy(to + len - 4, &last, 4);
    } else if (len > 0) {
        char middle = from[len / 2];
        char last = from[len - 1];
        to[0] = from[0];
        to[len / 2] = middle;
        to[len - 1] = last;
    }
}

#endif
