/*
 * Counted buffers. A halo_buffer is embedded in whatever holds the octets (a receive buffer, a
 * block of decrypted data, the application's memory); its release function runs when the last
 * reference goes.
 */
#ifndef HALO_CORE_BASE_SLICE_H
#define HALO_CORE_BASE_SLICE_H

#include "core/base/base.h"

struct halo_buffer {
    uint32_t refs;
    uint32_t shared; /* counted atomically: references may be given back by any thread */
    void (*release)(struct halo_buffer *buffer);
};

static inline void buffer_init(struct halo_buffer *buffer,
                               void (*release)(struct halo_buffer *buffer))
{
    buffer->refs = 1;
    buffer->shared = 0;
    buffer->release = release;
}

static inline void buffer_ref(struct halo_buffer *buffer)
{
    if (buffer->shared != 0) {
        __atomic_fetch_add(&buffer->refs, 1, __ATOMIC_RELAXED);
    } else {
        buffer->refs++;
    }
}

static inline void buffer_unref(struct halo_buffer *buffer)
{
    uint32_t left;

    if (buffer->shared != 0) {
        left = __atomic_sub_fetch(&buffer->refs, 1, __ATOMIC_ACQ_REL);
    } else {
        HALO_ASSERT(buffer->refs > 0);
        left = --buffer->refs;
    }
    if (left == 0) {
        buffer->release(buffer);
    }
}

static inline halo_slice slice_of(struct halo_buffer *owner, const uint8_t *data, size_t len)
{
    return (halo_slice){ .data = data, .len = len, .owner = owner };
}

#endif
