/* What strangers send first: the reader and the parser of ClientHellos, and names of certificates. */
#include "tests/unit/tls/client_hello_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return client_hello_fuzz(data, size);
}
