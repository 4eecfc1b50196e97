/*
 * Header lists: what calls that send fields take, prepared sets, and lists that were received.
 */
#ifndef HALO_HEADER_H
#define HALO_HEADER_H

#include <halo/names.h>
#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fields to be sent: a prepared set, plain fields, or both (the set's come first). Borrowed for the
 * call. Names may be in mixed case, they are sent in lower case (RFC 9113 section 8.2.1).
 * Pseudo-header fields are not part of it: status, method and path have arguments of their own. */
typedef struct halo_headers {
    const halo_header_set *set; /* NULL: none */
    const halo_header *fields;
    size_t count;
} halo_headers;

/* Makes a prepared header set from `count` fields: checked, put in lower case, and hashed once. The
 * set is read-only, may be used by any number of sessions and threads, and costs about a copy when
 * it is sent again on a connection. Returns 0, HALO_E_NOMEM, or what a send call would say:
 * HALO_E_INVALID_HEADER_NAME, HALO_E_INVALID_HEADER_VALUE, HALO_E_INVALID_CONNECTION_HEADERS,
 * HALO_E_PSEUDOHEADER_NOT_ALLOWED. */
HALO_API int halo_header_set_new(halo_header_set **set, const halo_header *fields,
                                 size_t count) HALO_MUST_USE;
/* Frees a set that no call is using any more. NULL is allowed. */
HALO_API void halo_header_set_free(halo_header_set *set);
/* The fields of the set, as they are sent. Valid as long as the set. */
HALO_API const halo_header *halo_header_set_fields(const halo_header_set *set, size_t *count);

/* A header list that was received. Pseudo-header fields come first, as on the wire. */
typedef struct halo_header_list {
    const halo_header *fields;
    size_t count;
} halo_header_list;

/* The value of the first field of that name (lower case). Returns 1 and *value, or 0. */
HALO_API int halo_header_find(halo_header_list list, halo_bytes name, halo_bytes *value);
/* The same by number (HALO_NAME_*), for names that halo knows. */
HALO_API int halo_header_find_token(halo_header_list list, uint16_t token, halo_bytes *value);

/* Is this a field name as RFC 9113 section 8.2.1 wants it (lower case, token characters)? 1 or
 * 0. */
HALO_API int halo_header_name_ok(halo_bytes name);
/* Is this a field value without NUL, CR, LF, other control octets, or white space at an end? */
HALO_API int halo_header_value_ok(halo_bytes value);

#ifdef __cplusplus
}
#endif
#endif
