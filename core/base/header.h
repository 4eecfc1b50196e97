/* Prepared header sets: the private part of <halo/header.h>. */
#ifndef HALO_CORE_BASE_HEADER_H
#define HALO_CORE_BASE_HEADER_H

#include <halo/header.h>

/* A number that no other set of this process has or had: encoders remember by it what they sent. */
uint64_t header_set_identity(const halo_header_set *set);

/* What hpack_encode_bound() says of its fields. */
size_t header_set_bound(const halo_header_set *set);

/* May a field with this token and value be part of a message? 0, HALO_E_INVALID_CONNECTION_HEADERS
 * (RFC 9113 8.2.2), or HALO_E_PSEUDOHEADER_NOT_ALLOWED. The name is lower case and not empty. */
int header_check_token(const halo_header *field);

#endif
