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
/* Whom a request is for: its :authority, else its host field (a session hands out none with two
 * that differ, RFC 9113 section 8.3.1). Returns 1 and *value, or 0. Node: req.authority. */
HALO_API int halo_header_authority(halo_header_list list, halo_bytes *value);

/* How many fields have that name (lower case). */
HALO_API size_t halo_header_count(halo_header_list list, halo_bytes name);
/* Goes through the values of a name in their order: *at begins with 0 and belongs to halo in
 * between. Returns 1 and *value, or 0 at the end. */
HALO_API int halo_header_next(halo_header_list list, halo_bytes name, size_t *at,
                              halo_bytes *value);
/* The same for the names of fields that came never-indexed (HALO_HEADER_NEVER_INDEX), a name as
 * often as it came. Node: headers[http2.sensitiveHeaders]. */
HALO_API int halo_header_next_sensitive(halo_header_list list, size_t *at, halo_bytes *name);

/* The one value of a name as Node's headers object shows it, written to `out`: of fields that have
 * a single value the first, cookies joined by "; " (RFC 9113 section 8.2.3), others joined by
 * ", ". Of set-cookie the first: halo_header_next() gives them all. *len is what was, or would be,
 * needed. Returns 1; 0 when there is no such field; HALO_E_LIMIT when `size` is too small. */
HALO_API int halo_header_merged(halo_header_list list, halo_bytes name, char *out, size_t size,
                                size_t *len);
/* 1 for names of which Node keeps the first value and drops others, else 0. */
HALO_API int halo_header_is_single(uint16_t token);
/* The status of a response's list as a number; 0 for lists without. */
HALO_API int halo_header_status(halo_header_list list);

/* Is this a field name as RFC 9113 section 8.2.1 wants it (lower case, token characters)? 1 or
 * 0. */
HALO_API int halo_header_name_ok(halo_bytes name);
/* Is this a field value without NUL, CR, LF, other control octets, or white space at an end? */
HALO_API int halo_header_value_ok(halo_bytes value);

#ifdef __cplusplus
}
#endif
#endif
