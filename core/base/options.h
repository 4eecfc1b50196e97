/*
 * Structs of options begin with struct_size, their size where the caller was compiled: it may be
 * of an older version of the header (shorter) or of a newer one (longer).
 */
#ifndef HALO_CORE_BASE_OPTIONS_H
#define HALO_CORE_BASE_OPTIONS_H

#include <halo/error.h>

#include "core/base/base.h"

/* Puts the defaults, of `size` octets, into the caller's struct; what is longer in it becomes 0. */
static inline void options_fill(void *options, size_t struct_size, const void *defaults,
                                size_t size)
{
    memset(options, 0, struct_size);
    memcpy(options, defaults, min_size(struct_size, size));
}

/* Lays the caller's struct over `all`, which has `size` octets and holds the defaults. Returns 0,
 * or HALO_E_INVALID_ARGUMENT for a struct that was not initialized. */
static inline int options_take(void *all, size_t size, const void *options)
{
    size_t struct_size;

    memcpy(&struct_size, options, sizeof(struct_size));
    if (struct_size < sizeof(struct_size)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    memcpy(all, options, min_size(struct_size, size));
    return 0;
}

#endif
