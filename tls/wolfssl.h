/* wolfSSL's headers, in the one order that works, and what differs between builds of it. */
#ifndef HALO_TLS_WOLFSSL_H
#define HALO_TLS_WOLFSSL_H

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "tls/config.h"

#if !defined(HAVE_ALPN) || !defined(HAVE_SNI) || !defined(WOLFSSL_TLS13)
#error "this wolfSSL is built without ALPN, SNI or TLS 1.3: HTTP/2 needs them"
#endif

/* The queue of errors exists only with the OpenSSL layer; what is left in it would spoil the next
 * connection's diagnosis. */
static inline void wolfssl_forget_errors(void)
{
#ifdef OPENSSL_EXTRA
    wolfSSL_ERR_clear_error();
#endif
}

#endif
