/* wolfSSL's callbacks: it reads from the input queue and writes into the output, and never
 * waits. */
#ifndef HALO_TLS_RECORD_IO_H
#define HALO_TLS_RECORD_IO_H

#include "tls/transport.h"

/* For all objects of a context. */
void tls_record_io_install(WOLFSSL_CTX *wolf);
/* Ties an object to its transport. */
void tls_record_io_attach(struct tls_transport *tls);

/* Counts a key update of the peer, which costs us more than it costs the peer. False: these are too
 * many in a short time. */
bool tls_key_update_allowed(struct tls_transport *tls);

#endif
