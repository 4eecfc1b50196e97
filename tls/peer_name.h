/*
 * Is a certificate for this address or name? Looks at the subject alternative names (RFC 9110
 * section 4.3.4, RFC 9525) and at nothing else. wolfSSL does the same for names that have a dot,
 * but not for addresses in the lean build, and not for names of one label ("backend").
 *
 * Pure: reads DER of which wolfSSL has already checked the signature, and bounds every step all the
 * same.
 */
#ifndef HALO_TLS_PEER_NAME_H
#define HALO_TLS_PEER_NAME_H

#include "core/base/base.h"

/* `ip` in network order, 4 or 16 octets. */
bool peer_name_is_ip(const uint8_t *certificate, size_t len, const uint8_t *ip, size_t ip_len);

/* Compares without regard to case; "*.rest" stands for one label in front of a rest of two labels
 * or more. */
bool peer_name_is_host(const uint8_t *certificate, size_t len, const char *host);

#endif
