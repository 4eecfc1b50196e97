/*
 * HTTP semantics of header lists (RFC 9113 section 8): which fields may be there, in which order,
 * and what they mean for the stream. Pure functions over a list; the decoder has looked at the
 * octets already and left its findings in the fields' flags and tokens.
 */
#ifndef HALO_CORE_PROTO_MESSAGE_H
#define HALO_CORE_PROTO_MESSAGE_H

#include <halo/header.h>

#include "core/proto/fault.h"

struct message {
    int status;             /* responses */
    bool head;              /* request: HEAD */
    bool connect;           /* request: CONNECT */
    bool extended_connect;  /* ... with :protocol (RFC 8441) */
    int64_t content_length; /* -1: none given */
    bool priority;          /* there is a field `priority` (RFC 9218) */
};

struct message_limits {
    uint32_t fields;       /* cookies apart, which have a limit of their own */
    bool extended_connect; /* we enabled it */
};

const struct fault *message_check_request(const halo_header *fields, size_t count,
                                          const struct message_limits *limits,
                                          struct message *message);
const struct fault *message_check_response(const halo_header *fields, size_t count,
                                           const struct message_limits *limits,
                                           struct message *message);
const struct fault *message_check_trailers(const halo_header *fields, size_t count);

/* Checks fields that are to be sent, without their pseudo-header fields. Returns 0 or a negative
 * HALO_E_*. *notes gets what enum header_note says of them. `checked`, if not NULL, has room for the
 * fields and gets them with their tokens, so that the encoder need not look for them again. */
int message_check_sent(halo_header *checked, const halo_header *fields, size_t count,
                       unsigned *notes);

/* Do all fields `host` of a list to be sent, with names in any case, name this authority? */
bool message_hosts_agree(halo_bytes authority, const halo_header *fields, size_t count);

/* Does a list to be sent have two fields of a name that allows one value? `tokens`: the fields carry
 * theirs, as message_check_sent() leaves them in `checked` for names in lower case. */
bool message_repeats_single(const halo_header *fields, size_t count, bool tokens);
/* Does one of `fields`, which carry tokens, repeat such a name of those before? */
bool message_repeats_before(const halo_header *before, size_t before_count,
                            const halo_header *fields, size_t count);

#endif
