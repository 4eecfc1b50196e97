/*
 * Priorities of streams.
 *
 * RFC 9218 is what halo schedules by: an urgency and whether a response is of use in parts. It
 * comes as the field `priority` of a request and in PRIORITY_UPDATE frames.
 *
 * The tree of RFC 7540 section 5.3 is deprecated (RFC 9113 section 5.3.2). halo takes its signals,
 * counts them, reports them on wish and sends them on wish, and keeps no tree: they change nothing.
 */
#ifndef HALO_PRIORITY_H
#define HALO_PRIORITY_H

#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- RFC 9218 -------------------------------------------------------------------------- */

enum {
    HALO_URGENCY_HIGHEST = 0,
    HALO_URGENCY_DEFAULT = 3,
    HALO_URGENCY_LOWEST = 7, /* what nobody waits for */
};

struct halo_priority {
    uint8_t urgency;     /* 0 ... 7, lower goes first (RFC 9218 section 4.1) */
    uint8_t incremental; /* 1: the response is of use in parts (section 4.2) */
};

/* Reads a value of the field `priority`: a dictionary of RFC 8941. Members that are there replace
 * those of *priority; unknown members, parameters, and values of a wrong type or out of range are
 * ignored (RFC 9218 section 4). So start with the defaults, { HALO_URGENCY_DEFAULT, 0 }. Returns 0,
 * or HALO_E_INVALID_ARGUMENT with *priority unchanged when the value is no dictionary at all. */
HALO_API int halo_priority_parse(struct halo_priority *priority, halo_bytes value);

/* Room for every value that halo_priority_format() writes. */
enum { HALO_PRIORITY_TEXT_MAX = 8 };

/* Writes the value of a field `priority`, "u=1, i" for instance, without a zero at its end.
 * Members with their default value are left out, so the default priority is the empty value, and
 * its field need not be sent. Returns its length. An urgency above 7 counts as 7. */
HALO_API size_t halo_priority_format(const struct halo_priority *priority,
                                     char text[HALO_PRIORITY_TEXT_MAX]);

/* Changes the priority of a stream.
 *
 * Server: changes the order in which halo sends. From then on this holds, whatever the client says
 * later: the application knows best (RFC 9218 section 8 leaves that to the server).
 *
 * Client: changes the order of request bodies, and sends PRIORITY_UPDATE when that is of use: the
 * response is not complete, something changes, and the server did not keep to RFC 7540 in its first
 * SETTINGS (section 2.1.1). For a request that waits for a place it is sent when the request is.
 *
 * Returns 0, HALO_E_INVALID_STREAM, HALO_E_INVALID_ARGUMENT (urgency above 7), HALO_E_NOMEM. */
HALO_API int halo_stream_set_priority(halo_stream *stream, const struct halo_priority *priority);

/* ---- RFC 7540 section 5.3, deprecated -------------------------------------------------- */

/* Node: NGHTTP2_DEFAULT_WEIGHT and its limits. */
enum {
    HALO_WEIGHT_MIN = 1,
    HALO_WEIGHT_DEFAULT = 16,
    HALO_WEIGHT_MAX = 256,
};

/* Node: the options parent, weight and exclusive. */
struct halo_dependency {
    uint32_t stream_id; /* on which it depends; 0: on none */
    uint16_t weight;    /* 1 ... 256, HALO_WEIGHT_DEFAULT */
    uint8_t exclusive;  /* 0 or 1 */
};

/* Notes the weight (struct halo_stream_info) and, from a client and without `silent`, sends a
 * PRIORITY frame, unless the server said SETTINGS_NO_RFC7540_PRIORITIES or the request still waits
 * for a place. Returns 0, HALO_E_INVALID_STREAM, HALO_E_STREAM_SELF_DEPENDENCY,
 * HALO_E_INVALID_ARGUMENT (weight out of range, a number above 2^31-1), HALO_E_NOMEM. Node:
 * stream.priority(). */
HALO_API int halo_stream_set_dependency(halo_stream *stream,
                                        const struct halo_dependency *dependency, int silent);

#ifdef __cplusplus
}
#endif
#endif
