/*
 * What most connections do not use, behind a narrow door: server push, and the frames of
 * extensions.
 *
 *   session_push.c       PUSH_PROMISE in both roles (RFC 9113 8.4)
 *   session_extension.c  frames of types beyond RFC 9113: ALTSVC (RFC 7838), the application's own
 *   session_origin.c     ORIGIN (RFC 8336) and the origin set
 *
 * A pushed stream is an ordinary stream whose request half is done from the start. Until its
 * response begins it is reserved (RFC 9113 5.1) and counts apart from open streams (5.1.2).
 */
#ifndef HALO_CORE_PROTO_SESSION_EXTENSION_H
#define HALO_CORE_PROTO_SESSION_EXTENSION_H

#include "core/proto/origin.h"
#include "core/proto/session.h"

/* What only sessions have that asked for it: a client over TLS, or frame_types. */
struct session_extension {
    uint32_t frame_types[8]; /* a bit per type */
    /* The origin set (RFC 8336 2.3), in the order in which they came. The text is memory of its
     * own. */
    halo_bytes *origins;
    uint32_t origin_count;
    uint32_t origin_cap;
    uint32_t origin_octets;
    struct origin own; /* of server_name and server_port; len 0: not known */
};

/* ---- making and freeing ---------------------------------------------------------------- */

/* Are these options good? Returns 0 or HALO_E_INVALID_ARGUMENT. */
int session_check_extension(const struct halo_session_options *options);
/* Makes session->extension when the options need it. Returns 0 or HALO_E_NOMEM. */
int session_extension_new(struct halo_session *session, const struct halo_session_options *options);
void session_extension_free(struct halo_session *session);
/* push_wanted has changed: session->keep_requests follows. */
void session_update_keeping(struct halo_session *session);

/* ---- session_push.c -------------------------------------------------------------------- */

const struct fault *session_promise_frame(struct halo_session *session, const struct frame *frame,
                                          const uint8_t *payload, struct halo_event *event);
/* The whole block of a promise. */
const struct fault *session_promise_block(struct halo_session *session, uint32_t stream_id,
                                          uint32_t promised_id, const uint8_t *block, size_t len,
                                          struct halo_event *event);
/* HEADERS came on a reserved stream. */
const struct fault *push_headers_received(struct halo_stream *stream);
/* The client has reset a stream that we promised; NULL: one that is gone. */
const struct fault *push_refused(struct halo_session *session, const struct halo_stream *stream);
/* May a response be sent on this stream, which is closed, reserved, or a request of ours? */
int push_check_open(const struct halo_stream *stream);
/* The response of a reserved stream has begun: it counts as open from now on. */
void push_open(struct halo_stream *stream);
/* A pushed stream goes: it counts no more. */
void push_uncount(struct halo_stream *stream);

/* ---- session_extension.c --------------------------------------------------------------- */

/* A frame of a type beyond the RFC's table: is it to be gathered and handled? */
bool session_wants_extension(const struct halo_session *session, const struct frame *frame);
/* ... and is it short enough for that? */
const struct fault *session_check_extension_len(const struct halo_session *session,
                                                const struct frame *frame);
const struct fault *session_extension_frame(struct halo_session *session, const struct frame *frame,
                                            const uint8_t *payload, struct halo_event *event);

/* ---- session_origin.c ------------------------------------------------------------------ */

/* Client over TLS: the set begins with the origin that was asked for. */
int origin_set_init(struct halo_session *session, const struct halo_session_options *options);
void origin_set_fini(struct halo_session *session);
const struct fault *session_origin_frame(struct halo_session *session, const struct frame *frame,
                                         const uint8_t *payload, struct halo_event *event);
/* Will it be asked later what these fields requested? Only called with keep_requests. */
bool session_will_ask(const struct halo_session *session, const halo_header *fields, size_t count);
/* The origin of a request list. */
bool origin_of_list(const halo_header *fields, size_t count, struct origin *origin);
/* A response with status 421: the server is not authoritative for the request's origin. */
void session_misdirected(struct halo_stream *stream);

#endif
