/* The entry for fuzzing what strangers send first. */
#ifndef HALO_TESTS_CLIENT_HELLO_FUZZ_H
#define HALO_TESTS_CLIENT_HELLO_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Reads the octets as the first flight of a client, in pieces, and parses the hello that comes out;
 * parses them as a message, and as a certificate whose names are asked for. Returns 0. */
int client_hello_fuzz(const uint8_t *data, size_t size);

#endif
