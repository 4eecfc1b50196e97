/*
 * The few words that all of halo's code uses: assertions, minimum and maximum, branch hints.
 *
 * HALO_ASSERT states an invariant of our own code and stays on in release builds: carrying on with
 * broken state would be worse than stopping. What a peer sends is never asserted; it becomes a
 * fault.
 */
#ifndef HALO_CORE_BASE_BASE_H
#define HALO_CORE_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <halo/types.h>

#define HALO_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define HALO_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define HALO_ASSERT(condition)                                                                     \
    do {                                                                                           \
        if (HALO_UNLIKELY(!(condition))) {                                                         \
            halo__assert_failed(#condition, __FILE__, __LINE__);                                   \
        }                                                                                          \
    } while (0)

#define HALO_ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that holds `member` at `pointer`. */
#define HALO_CONTAINER(pointer, type, member)                                                      \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Returns the status of `expression` from the calling function when it is not 0. */
#define HALO_TRY(expression)                                                                       \
    do {                                                                                           \
        int halo_try_status = (expression);                                                        \
        if (HALO_UNLIKELY(halo_try_status != 0)) {                                                 \
            return halo_try_status;                                                                \
        }                                                                                          \
    } while (0)

/* A prefix for functions that other files of the library call but no user may. */
__attribute__((noreturn, cold)) void halo__assert_failed(const char *condition, const char *file,
                                                         int line);

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
