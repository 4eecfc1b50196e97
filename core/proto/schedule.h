/*
 * Between session_output.c, which builds DATA frames, and session_schedule.c, which says whose.
 */
#ifndef HALO_CORE_PROTO_SCHEDULE_H
#define HALO_CORE_PROTO_SCHEDULE_H

#include "core/proto/session.h"

/* Octets that are there, or a source that may have some. */
static inline bool schedule_has_data(const struct halo_stream *stream)
{
    return stream->write_first != NULL ||
           (stream->source.read != NULL && (stream->flags & STREAM_SOURCE_IDLE) == 0);
}

/* The stream whose turn it is; NULL: none is ready. */
struct halo_stream *schedule_next(struct halo_session *session);
/* Would the stream, which is not in line, be the first if it were? Then this was its turn. */
bool schedule_take_turn(struct halo_stream *stream);
/* Its window leaves no room worth a frame. */
bool schedule_stream_holds(const struct halo_stream *stream);
/* That of the connection leaves none. Then none of the others gets it either: order is order, and
 * it is for a second at most. */
bool schedule_connection_holds(const struct halo_stream *stream);
/* A frame of `room` octets at most goes out: is that what the second is counted from? */
void schedule_note_small(struct halo_stream *stream, uint32_t room);
/* The stream had its turn and has more. */
void schedule_had_turn(struct halo_stream *stream);
/* Before a batch of frames is built, and after it. */
void schedule_begin(struct halo_session *session);
void schedule_settle(struct halo_session *session);

#endif
