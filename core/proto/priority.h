/*
 * Priorities of a session (RFC 9218, and what is left of RFC 7540 section 5.3): state that only
 * those sessions have whose peer sends such frames, and the narrow door to it.
 */
#ifndef HALO_CORE_PROTO_PRIORITY_H
#define HALO_CORE_PROTO_PRIORITY_H

#include <halo/priority.h>

#include "core/proto/frame.h"
#include "core/proto/stream.h"

struct halo_event;
struct halo_request;

/* Frames that came; allocated with the first of them. */
struct priority_state;

/* ---- session_priority.c ---------------------------------------------------------------- */

/* 0 or HALO_E_NOMEM. Needed from the start when such events are wanted. */
int session_priorities_new(struct halo_session *session);
/* A request came with a field `priority`, or frames about priorities had come before it. */
void stream_take_priority(struct halo_stream *stream, bool has_field);

const struct fault *session_priority_frame(struct halo_session *session, const struct frame *frame,
                                           const uint8_t *payload, struct halo_event *event);
const struct fault *session_priority_update_frame(struct halo_session *session,
                                                  const struct frame *frame, const uint8_t *payload,
                                                  struct halo_event *event);
/* NOTE_PRIORITY: the event of what came with a HEADERS frame. */
void stream_tell_priority(struct halo_stream *stream, struct halo_event *event);

/* Client: the members of a request: checked, and its field added to `fields`; and when it has been
 * sent or queued. */
int session_request_priority(const struct halo_session *session, const struct halo_request *request,
                             halo_header *fields, size_t *count, char *text);
void stream_requested_priority(struct halo_stream *stream, const struct halo_request *request);
/* Client: a request that waited got its number. */
void stream_send_late_priority(struct halo_stream *stream);

#endif
