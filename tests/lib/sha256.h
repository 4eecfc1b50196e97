/*
 * SHA-256 (FIPS 180-4), for tests that compare bodies: small, and independent of the TLS library
 * under test.
 */
#ifndef HALO_TESTS_LIB_SHA256_H
#define HALO_TESTS_LIB_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_HEX_SIZE = 65 };

struct sha256 {
    uint32_t state[8];
    uint64_t octets;
    uint8_t block[64];
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t len);
/* The digest as text in lower case, with its terminating zero. Ends the computation. */
void sha256_hex(struct sha256 *hash, char hex[SHA256_HEX_SIZE]);

#endif
