/* A client session against any octets. */
#include "session_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return session_fuzz(HALO_CLIENT, data, size);
}
