/*
 * Blocks that were sent, kept for the application that asked for it (option keep_sent_headers). The
 * memory is the stream's and comes with its first block.
 */
#include "core/proto/session.h"

enum {
    /* As many 1xx as a client of halo takes. More are sent and not kept. */
    SENT_INFORMATION_MAX = LIMIT_INFORMATION_RESPONSES,
};

struct sent_blocks {
    struct kept_list *headers;
    struct kept_list *trailers;
    uint32_t information_count;
    struct kept_list *information[SENT_INFORMATION_MAX];
};

void stream_keep_sent(struct halo_stream *stream, enum sent_block kind, struct kept_list *list)
{
    struct memory *memory = stream->session->env->memory;
    struct kept_list **place;

    if (list == NULL) {
        return; /* no memory: a convenience is missing, nothing more */
    }
    if (stream->sent == NULL) {
        stream->sent = memory_zalloc(memory, sizeof(*stream->sent));
        stream->flags |= STREAM_EXTRAS;
    }
    if (stream->sent == NULL ||
        (kind == SENT_INFORMATION && stream->sent->information_count == SENT_INFORMATION_MAX)) {
        memory_free(memory, list);
        return;
    }
    place = kind == SENT_HEADERS ? &stream->sent->headers : &stream->sent->trailers;
    if (kind == SENT_INFORMATION) {
        place = &stream->sent->information[stream->sent->information_count++];
    }
    memory_free(memory, *place);
    *place = list;
}

void stream_drop_sent(struct halo_stream *stream)
{
    struct memory *memory = stream->session->env->memory;

    if (stream->sent == NULL) {
        return;
    }
    memory_free(memory, stream->sent->headers);
    memory_free(memory, stream->sent->trailers);
    for (uint32_t i = 0; i < stream->sent->information_count; i++) {
        memory_free(memory, stream->sent->information[i]);
    }
    memory_free(memory, stream->sent);
    stream->sent = NULL;
}

static halo_header_list list_of(const struct kept_list *kept)
{
    return kept == NULL ? (halo_header_list){ 0 }
                        : (halo_header_list){ .fields = kept->fields, .count = kept->count };
}

halo_header_list halo_stream_sent_headers(const halo_stream *stream)
{
    return list_of(stream->sent == NULL ? NULL : stream->sent->headers);
}

halo_header_list halo_stream_sent_trailers(const halo_stream *stream)
{
    return list_of(stream->sent == NULL ? NULL : stream->sent->trailers);
}

halo_header_list halo_stream_sent_information(const halo_stream *stream, size_t index)
{
    return list_of(stream->sent == NULL || index >= stream->sent->information_count
                       ? NULL
                       : stream->sent->information[index]);
}
