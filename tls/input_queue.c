#include "tls/input_queue.h"

#include "core/base/base.h"

void input_queue_init(struct input_queue *queue)
{
    *queue = (struct input_queue){ .slices = queue->few, .capacity = INPUT_QUEUE_INLINE };
}

static halo_slice *slice_at(const struct input_queue *queue, uint32_t i)
{
    return &queue->slices[(queue->first + i) & (queue->capacity - 1)];
}

static bool grow(struct input_queue *queue, struct memory *memory)
{
    halo_slice *slices = memory_alloc(memory, 2 * queue->capacity * sizeof(*slices));

    if (slices == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < queue->count; i++) {
        slices[i] = *slice_at(queue, i);
    }
    if (queue->slices != queue->few) {
        memory_free(memory, queue->slices);
    }
    queue->slices = slices;
    queue->capacity *= 2;
    queue->first = 0;
    return true;
}

bool input_queue_push(struct input_queue *queue, struct memory *memory, halo_slice *slice)
{
    if (slice->len == 0) {
        halo_slice_release(slice);
        return true;
    }
    if (queue->count == queue->capacity && !grow(queue, memory)) {
        halo_slice_release(slice);
        return false;
    }
    *slice_at(queue, queue->count++) = *slice;
    *slice = (halo_slice){ 0 };
    return true;
}

halo_slice input_queue_peek(const struct input_queue *queue)
{
    return queue->count == 0 ? (halo_slice){ 0 } : *slice_at(queue, 0);
}

void input_queue_skip(struct input_queue *queue, size_t len)
{
    halo_slice *slice;

    if (len == 0) {
        return;
    }
    slice = slice_at(queue, 0);
    HALO_ASSERT(queue->count > 0 && len <= slice->len);
    slice->data += len;
    slice->len -= len;
    if (slice->len == 0) {
        halo_slice_release(slice);
        queue->first = (queue->first + 1) & (queue->capacity - 1);
        queue->count--;
    }
}

size_t input_queue_read(struct input_queue *queue, uint8_t *out, size_t len)
{
    size_t done = 0;

    while (done < len && queue->count > 0) {
        halo_slice slice = input_queue_peek(queue);
        size_t n = min_size(slice.len, len - done);

        memcpy(out + done, slice.data, n);
        input_queue_skip(queue, n);
        done += n;
    }
    return done;
}

void input_queue_clear(struct input_queue *queue, struct memory *memory)
{
    while (queue->count > 0) {
        input_queue_skip(queue, input_queue_peek(queue).len);
    }
    if (queue->slices != queue->few) {
        memory_free(memory, queue->slices);
    }
    input_queue_init(queue);
}
