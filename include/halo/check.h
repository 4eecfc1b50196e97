/*
 * What HTTP/2 allows in header fields and lists (RFC 9113 section 8), as functions of their own. A
 * session checks all that it receives and sends; these are for lists from elsewhere: decoded by
 * <halo/hpack.h>, translated from another protocol, typed by a user.
 *
 *     const char *reason;
 *     int status = halo_check_request(list, count, 0, &reason);
 *     if (status != 0) {
 *         fprintf(stderr, "%s: %s\n", halo_status_name(status), reason);
 *     }
 *
 * All functions return 0 or a negative HALO_E_*, allocate nothing, and may be called by any thread.
 * `reason`, if not NULL, is set to a sentence for a log line, a constant; "" when all is well.
 */
#ifndef HALO_CHECK_H
#define HALO_CHECK_H

#include <halo/error.h>
#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Could a field of HTTP/2 have this name? A token in lower case (RFC 9113 8.2.1, RFC 9110 5.1), or
 * one of the six known pseudo-header fields (RFC 9113 8.3, RFC 8441). Returns 0,
 * HALO_E_INVALID_HEADER_NAME, HALO_E_INVALID_PSEUDOHEADER for an unknown one with a colon in front,
 * or HALO_E_INVALID_CONNECTION_HEADERS for those that belong to HTTP/1.1 (RFC 9113 8.2.2). */
HALO_API int halo_check_header_name(halo_bytes name, const char **reason);

/* Could a field of HTTP/2 have this value? No NUL, CR, LF (RFC 9113 8.2.1) or other control octet
 * but HTAB (RFC 9110 5.5), and no white space at an end. May be empty. Returns 0 or
 * HALO_E_INVALID_HEADER_VALUE. */
HALO_API int halo_check_header_value(halo_bytes value, const char **reason);

/* Flags of halo_check_request(). */
enum {
    /* We have sent SETTINGS_ENABLE_CONNECT_PROTOCOL: :protocol is allowed (RFC 8441). */
    HALO_CHECK_EXTENDED_CONNECT = 1u << 0,
};

/* Is this a request, a response, or trailers, as a session would accept them? The whole list is
 * looked at: names and values; pseudo-header fields, their order and that each is given once (RFC
 * 9113 8.3); no connection-specific fields (8.2.2); CONNECT (8.5, RFC 8441); :authority and host
 * that agree (8.3.1); one content-length, of digits (RFC 9110 8.6); a status of 100 to 999, but not
 * 101 (RFC 9113 8.6). `token` of each field is set, and the bits of `flags` that are halo's;
 * nothing else is changed. An empty list is good as trailers only.
 *
 * Returns 0, HALO_E_INVALID_HEADER_NAME, HALO_E_INVALID_HEADER_VALUE,
 * HALO_E_INVALID_CONNECTION_HEADERS, HALO_E_INVALID_PSEUDOHEADER (one that nobody knows),
 * HALO_E_PSEUDOHEADER_NOT_ALLOWED (not here, or not behind a regular field),
 * HALO_E_HEADER_SINGLE_VALUE (given twice), HALO_E_BAD_AUTHORITY, HALO_E_CONNECT_AUTHORITY, _PATH,
 * _SCHEME, _PROTOCOL, HALO_E_CONTENT_LENGTH, HALO_E_STATUS_INVALID, HALO_E_STATUS_101, HALO_E_LIMIT
 * (more than 32 trailers, or 256 cookies), or HALO_E_PROTOCOL for whatever else makes the message
 * malformed (RFC 9113 8.1.1). */
HALO_API int halo_check_request(halo_header *fields, size_t count, unsigned flags,
                                const char **reason);
HALO_API int halo_check_response(halo_header *fields, size_t count, const char **reason);
HALO_API int halo_check_trailers(halo_header *fields, size_t count, const char **reason);

/* Is this a value of the field Alt-Svc, or of an ALTSVC frame (RFC 7838 section 3): "clear", or
 * alternatives like `h2="example.org:81"; ma=60, h2=":82"`, with names of protocols as in ALPN, and
 * `ma` and `persist` in their form? halo_session_altsvc() sends, and on_altsvc tells, values that
 * are not. Stricter than a reader of HTTP in one thing: no empty members of the list. Returns 0 or
 * HALO_E_INVALID_HEADER_VALUE. */
HALO_API int halo_altsvc_check(halo_bytes value, const char **reason);

#ifdef __cplusplus
}
#endif
#endif
