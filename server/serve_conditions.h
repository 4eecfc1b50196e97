/* Conditional requests and ranges (RFC 9110 sections 13 and 14). */
#ifndef HALO_SERVER_SERVE_CONDITIONS_H
#define HALO_SERVER_SERVE_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <halo/types.h>

/* The fields of a request that make it conditional; data NULL: not there. */
struct serve_conditions {
    halo_bytes if_match;
    halo_bytes if_none_match;
    halo_bytes if_modified_since;
    halo_bytes if_unmodified_since;
    halo_bytes if_range;
    halo_bytes range;
};

/* What they are compared with. The etag is a strong one, with its quotes. */
struct serve_validators {
    halo_bytes etag;
    int64_t modified; /* seconds since 1970 */
    int64_t now;
};

/* 0: go on; 304: the client has it already; 412: it is not what the client thinks. In the order of
 * RFC 9110 section 13.2.2, for GET and HEAD. */
int serve_conditions_check(const struct serve_conditions *conditions,
                           const struct serve_validators *validators);

enum serve_range_result {
    SERVE_RANGE_NONE,          /* there is none that counts: the whole */
    SERVE_RANGE_ONE,           /* *first and *length */
    SERVE_RANGE_UNSATISFIABLE, /* 416 */
};

/* What of `size` octets a GET asks for. Several ranges at once, units other than bytes and what
 * cannot be parsed are the whole, as section 14.2 allows; so is a range whose If-Range does not
 * match. */
enum serve_range_result serve_range(const struct serve_conditions *conditions,
                                    const struct serve_validators *validators, uint64_t size,
                                    uint64_t *first, uint64_t *length);

#endif
