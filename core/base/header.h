/* Prepared header sets: the private part of <halo/header.h>. */
#ifndef HALO_CORE_BASE_HEADER_H
#define HALO_CORE_BASE_HEADER_H

#include <halo/header.h>

/* A number that no other set of this process has or had: encoders remember by it what they sent. */
uint64_t header_set_identity(const halo_header_set *set);

/* What hpack_encode_bound() says of its fields. */
size_t header_set_bound(const halo_header_set *set);

/* What is worth knowing of a list that is to be sent. */
enum header_note {
    HEADER_MIXED_CASE = 1u << 0, /* names are to be put in lower case */
    HEADER_HAS_TE = 1u << 1,
    HEADER_HAS_HOST = 1u << 2,
};
/* The notes that a field of this token makes. */
static inline unsigned header_note(uint16_t token)
{
    return (token == HALO_NAME_TE ? HEADER_HAS_TE : 0u) |
           (token == HALO_NAME_HOST ? HEADER_HAS_HOST : 0u);
}
/* Those of a prepared set. */
unsigned header_set_notes(const halo_header_set *set);

/* May a field with this token and value be part of a message? 0, HALO_E_INVALID_CONNECTION_HEADERS
 * (RFC 9113 8.2.2), or HALO_E_PSEUDOHEADER_NOT_ALLOWED. The name is lower case and not empty. */
int header_check_token(const halo_header *field);

#endif
