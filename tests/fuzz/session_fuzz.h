/* What the session targets share: a session fed with hostile octets by a handler that does a bit of
 * everything. */
#ifndef HALO_TESTS_SESSION_FUZZ_H
#define HALO_TESTS_SESSION_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include <halo/session.h>

/* The first octet chooses how the rest is cut into pieces. The opening of the peer (preface and
 * SETTINGS) is sent before it, so that the input is frames from its first octet on. */
int session_fuzz(int role, const uint8_t *data, size_t size);

#endif
