/*
 * One header block on its way out: its parts, and how they get into the output. The calls that send
 * blocks (session_headers.c, session_request.c, session_push.c) are written on this.
 */
#ifndef HALO_CORE_PROTO_BLOCK_PARTS_H
#define HALO_CORE_PROTO_BLOCK_PARTS_H

#include "core/proto/limits.h"
#include "core/proto/session.h"

/* The parts of one block, in order. */
struct block_parts {
    const halo_header *pseudo;
    size_t pseudo_count;
    const halo_header *prepared;
    size_t prepared_count;
    uint64_t prepared_identity;
    size_t prepared_bound;
    const halo_header *fields;
    size_t fields_count;
};

enum {
    /* A plain list up to this is copied with what the check finds out about its names; a longer one
     * is used as it is, and the encoder finds out again. */
    CHECKED_MAX = LIMIT_SHORT_WAY,
};

/* Splits the user's headers into parts and checks the plain ones. `checked` is room for CHECKED_MAX
 * fields. *notes: what enum header_note says of them. */
int parts_take(const struct halo_session *session, struct block_parts *parts,
               const halo_headers *headers, halo_header *checked, unsigned *notes);
/* All parts as one list, names in lower case. */
struct kept_list *parts_keep(struct memory *memory, const struct block_parts *parts);
size_t parts_bound(const struct block_parts *parts);
/* Writes HEADERS and, if need be, CONTINUATION. 0, HALO_E_HEADER_BLOCK_TOO_LONG or HALO_E_NOMEM. */
int parts_write(struct halo_session *session, uint32_t stream_id, bool end_stream,
                const struct block_parts *parts, unsigned notes);
/* The same for a list of checked fields in lower case. */
int parts_write_list(struct halo_session *session, uint32_t stream_id, bool end_stream,
                     const struct kept_list *list);
/* A block is in the output. */
void parts_written(struct halo_session *session);
/* Option keep_sent_headers. */
void parts_keep_sent(struct halo_stream *stream, enum sent_block kind,
                     const struct block_parts *parts);

#endif
