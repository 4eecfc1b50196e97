/* The peer's certificate: what wolfSSL says about it, and the checks that it leaves to us. */
#ifndef HALO_TLS_VERIFY_H
#define HALO_TLS_VERIFY_H

#include "tls/transport.h"

/* wolfSSL's callback. */
int tls_verify_certificate(int good, WOLFSSL_X509_STORE_CTX *store);

/* Prepares a client's object for the host it connects to: SNI, and the check of the name. Returns
 * 0, or a status after tls_fail(). */
int tls_verify_prepare(struct tls_transport *tls, const char *host) HALO_MUST_USE;

#endif
