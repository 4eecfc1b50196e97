#include "core/base/slice.h"

#include <stdlib.h>

#include <halo/error.h>

struct wrapped_buffer {
    struct halo_buffer buffer;
    void (*release)(void *ctx);
    void *ctx;
};

static void wrapped_release(struct halo_buffer *buffer)
{
    struct wrapped_buffer *wrapped = HALO_CONTAINER(buffer, struct wrapped_buffer, buffer);

    wrapped->release(wrapped->ctx);
    free(wrapped);
}

static void copied_release(struct halo_buffer *buffer)
{
    free(buffer);
}

int halo_slice_wrap(halo_slice *out, const void *data, size_t len, void (*release)(void *ctx),
                    void *ctx)
{
    struct wrapped_buffer *wrapped = malloc(sizeof(*wrapped));

    if (wrapped == NULL) {
        return HALO_E_NOMEM;
    }
    buffer_init(&wrapped->buffer, wrapped_release);
    wrapped->buffer.shared = 1;
    wrapped->release = release;
    wrapped->ctx = ctx;
    *out = slice_of(&wrapped->buffer, data, len);
    return 0;
}

int halo_slice_copy(halo_slice *out, const void *data, size_t len)
{
    struct halo_buffer *buffer = malloc(sizeof(*buffer) + len);

    if (buffer == NULL) {
        return HALO_E_NOMEM;
    }
    buffer_init(buffer, copied_release);
    buffer->shared = 1;
    if (len > 0) {
        memcpy(buffer + 1, data, len);
    }
    *out = slice_of(buffer, (const uint8_t *)(buffer + 1), len);
    return 0;
}

halo_slice halo_slice_ref(halo_slice slice)
{
    if (slice.owner != NULL) {
        buffer_ref(slice.owner);
    }
    return slice;
}

void halo_slice_release(halo_slice *slice)
{
    halo_buffer *owner = slice->owner;

    *slice = (halo_slice){ 0 };
    if (owner != NULL) {
        buffer_unref(owner);
    }
}
