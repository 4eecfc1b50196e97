#include "core/proto/stream.h"

enum { NO = HALF_NONE };

const uint8_t stream_half_table[HALF_DONE + 1][INPUT_COUNT] = {
    /* clang-format off */
    /*               1xx           HEADERS    HEADERS+END  DATA       DATA+END   TRAILERS   RESET */
    [HALF_HEADERS] = {HALF_HEADERS, HALF_BODY, HALF_DONE,   NO,        NO,        NO,        HALF_DONE},
    [HALF_BODY]    = {NO,           NO,        NO,          HALF_BODY, HALF_DONE, HALF_DONE, HALF_DONE},
    [HALF_DONE]    = {NO,           NO,        NO,          NO,        NO,        NO,        HALF_DONE},
    /* clang-format on */
};

uint32_t stream_state(const struct halo_stream *stream)
{
    if (stream_done(stream) || (stream->flags & STREAM_CLOSED) != 0) {
        return HALO_STATE_CLOSED;
    }
    if ((stream->flags & STREAM_WAITING) != 0) {
        return HALO_STATE_IDLE;
    }
    if ((stream->flags & STREAM_RESERVED) != 0) {
        return stream->recv_half == HALF_DONE ? HALO_STATE_RESERVED_LOCAL
                                              : HALO_STATE_RESERVED_REMOTE;
    }
    if (stream->send_half == HALF_DONE) {
        return HALO_STATE_HALF_CLOSED_LOCAL;
    }
    return stream->recv_half == HALF_DONE ? HALO_STATE_HALF_CLOSED_REMOTE : HALO_STATE_OPEN;
}

struct kept_list *kept_list_new(struct memory *memory, const halo_header *fields, size_t count)
{
    size_t size = sizeof(struct kept_list) + count * sizeof(halo_header);
    struct kept_list *list;
    char *text;

    for (size_t i = 0; i < count; i++) {
        size += fields[i].name.len + fields[i].value.len;
    }
    list = memory_alloc(memory, size);
    if (list == NULL) {
        return NULL;
    }
    list->count = count;
    list->size = size;
    text = (char *)(list->fields + count);
    for (size_t i = 0; i < count; i++) {
        halo_header *to = &list->fields[i];

        *to = fields[i];
        to->name.data = text;
        memcpy(text, fields[i].name.data, to->name.len);
        text += to->name.len;
        to->value.data = text;
        if (to->value.len > 0) {
            memcpy(text, fields[i].value.data, to->value.len);
        }
        text += to->value.len;
    }
    return list;
}

void stream_store_init(struct stream_store *store)
{
    *store = (struct stream_store){ 0 };
}

void stream_store_fini(struct stream_store *store, struct memory *memory)
{
    HALO_ASSERT(store->count == 0);
    if (!store->is_lent) {
        memory_free(memory, store->buckets);
    }
    store->buckets = NULL;
    store->is_lent = false;
}

void stream_store_lend(struct stream_store *store, struct halo_stream *buckets[STREAM_STORE_MIN])
{
    HALO_ASSERT(store->buckets == NULL);
    store->buckets = buckets;
    store->mask = STREAM_STORE_MIN - 1;
    store->is_lent = true;
}

static void bucket_push(struct stream_store *store, struct halo_stream *stream)
{
    struct halo_stream **bucket = &store->buckets[(stream->id >> 1) & store->mask];

    stream->next_in_bucket = *bucket;
    *bucket = stream;
}

/* Doubles the table when it is full, so chains stay short. */
static bool store_grow(struct stream_store *store, struct memory *memory)
{
    uint32_t old_count = store->buckets == NULL ? 0 : store->mask + 1;
    uint32_t new_count = old_count == 0 ? STREAM_STORE_MIN : old_count * 2;
    struct halo_stream **old = store->buckets;
    struct halo_stream **buckets = memory_zalloc(memory, new_count * sizeof(struct halo_stream *));

    if (buckets == NULL) {
        return false;
    }
    store->buckets = buckets;
    store->mask = new_count - 1;
    for (uint32_t i = 0; i < old_count; i++) {
        struct halo_stream *stream = old[i];

        while (stream != NULL) {
            struct halo_stream *next = stream->next_in_bucket;

            bucket_push(store, stream);
            stream = next;
        }
    }
    if (!store->is_lent) {
        memory_free(memory, old);
    }
    store->is_lent = false;
    return true;
}

bool stream_store_add(struct stream_store *store, struct memory *memory, struct halo_stream *stream)
{
    if ((store->buckets == NULL || store->count > store->mask) && !store_grow(store, memory)) {
        return false;
    }
    bucket_push(store, stream);
    if (++store->count > store->count_max) {
        store->count_max = store->count;
    }
    return true;
}

void stream_store_remove(struct stream_store *store, struct halo_stream *stream)
{
    struct halo_stream **place = &store->buckets[(stream->id >> 1) & store->mask];

    while (*place != stream) {
        HALO_ASSERT(*place != NULL);
        place = &(*place)->next_in_bucket;
    }
    *place = stream->next_in_bucket;
    stream->next_in_bucket = NULL;
    store->count--;
}
