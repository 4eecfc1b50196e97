/*
 * The octets that were received and not yet read: a short queue of counted slices. Usually there is
 * one, and it is read at once; the queue grows when a connection is fed without being read.
 */
#ifndef HALO_TLS_INPUT_QUEUE_H
#define HALO_TLS_INPUT_QUEUE_H

#include "core/base/memory.h"
#include "core/base/slice.h"

enum { INPUT_QUEUE_INLINE = 2 };

struct input_queue {
    halo_slice *slices; /* `few`, or a ring on the heap */
    uint32_t capacity;
    uint32_t first;
    uint32_t count;
    halo_slice few[INPUT_QUEUE_INLINE];
};

void input_queue_init(struct input_queue *queue);
/* Takes the slice in any case. false: no memory, and the slice is gone. */
bool input_queue_push(struct input_queue *queue, struct memory *memory, halo_slice *slice);
/* Copies up to `len` octets and removes them. */
size_t input_queue_read(struct input_queue *queue, uint8_t *out, size_t len);
/* The octets at the front, of one slice; then removes `len` of them. */
halo_slice input_queue_peek(const struct input_queue *queue);
void input_queue_skip(struct input_queue *queue, size_t len);
/* Releases all slices and the memory. */
void input_queue_clear(struct input_queue *queue, struct memory *memory);

static inline bool input_queue_empty(const struct input_queue *queue)
{
    return queue->count == 0;
}

#endif
