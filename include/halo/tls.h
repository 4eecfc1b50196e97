/*
 * TLS contexts: who we are, whom we trust, and which versions, ciphers and protocols are allowed.
 *
 * A context is made once from options, never changes, and is shared by any number of servers,
 * clients and threads. It is counted: who makes one holds one reference; servers and clients that
 * are given one take their own.
 *
 *     char why[256];
 *     halo_tls_context *tls;
 *     struct halo_tls_options options;
 *
 *     halo_tls_options_init(&options);
 *     options.role = HALO_TLS_SERVER;
 *     options.certificate_file = "server.pem";
 *     options.private_key_file = "server.key";
 *     if (halo_tls_context_new(&tls, &options, why, sizeof(why)) != 0) {
 *         fprintf(stderr, "%s\n", why);
 *     }
 *
 * What is fixed: TLS 1.2 and 1.3 only; in TLS 1.2 only the suites that RFC 9113 allows for HTTP/2
 * (ECDHE with AES-GCM or ChaCha20-Poly1305); RSA keys of peers have 2048 bits or more; no
 * compression, no renegotiation, no post-handshake authentication, no early data, and no session
 * resumption.
 */
#ifndef HALO_TLS_H
#define HALO_TLS_H

#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum halo_tls_role {
    HALO_TLS_SERVER = 1,
    HALO_TLS_CLIENT = 2,
};

/* The numbers of the wire. */
enum halo_tls_version {
    HALO_TLS_1_2 = 0x0303,
    HALO_TLS_1_3 = 0x0304,
};

/* What is done about the peer's certificate. */
enum halo_tls_verify {
    /* Clients: REQUIRED. Servers: NONE. */
    HALO_TLS_VERIFY_DEFAULT = 0,
    /* Servers: no certificate is asked for. Clients: see `insecure`. */
    HALO_TLS_VERIFY_NONE = 1,
    /* Servers only: a certificate is asked for; a client without one is let in, a bad one is
     * not. */
    HALO_TLS_VERIFY_OPTIONAL = 2,
    /* The handshake fails without a certificate that leads to a trusted one. */
    HALO_TLS_VERIFY_REQUIRED = 3,
};

/* Protocols for ALPN (RFC 7301), in the order of our preference. */
enum {
    HALO_TLS_ALPN_H2 = 1u << 0,
    HALO_TLS_ALPN_HTTP1 = 1u << 1,
};

/* Everything is copied or read by halo_tls_context_new(): nothing needs to outlive the call, except
 * choose_ctx. A file and its "_pem" twin exclude each other. */
struct halo_tls_options {
    size_t struct_size;
    /* HALO_TLS_SERVER or HALO_TLS_CLIENT. No default. */
    uint32_t role;
    /* HALO_TLS_VERIFY_*. */
    uint32_t verify;

    /* Who we are. Servers need both; clients need both or neither, for servers that ask. */
    /* Our certificate in PEM, followed by the intermediate ones in order (fullchain.pem). */
    const char *certificate_file;
    halo_bytes certificate_pem;
    /* Its private key in PEM: PKCS#8, SEC1 or PKCS#1. May be in the same file as the
     * certificate. */
    const char *private_key_file;
    halo_bytes private_key_pem;
    /* For an encrypted key: PKCS#8 ("ENCRYPTED PRIVATE KEY") with AES, as OpenSSL 3 makes it. */
    const char *private_key_passphrase;

    /* Whom we trust: needed when certificates are verified. What is given here replaces the
     * system's certificates, unless trust_system is set as well; the members add up. */
    const char *ca_file;      /* PEM, any number of certificates */
    const char *ca_directory; /* every regular file in it that holds PEM certificates */
    halo_bytes ca_pem;
    /* Not 0: trust the system's certificates too. Clients that are given no CA trust them anyway.
     * They are taken from the file that SSL_CERT_FILE names, else from the usual places
     * (/etc/ssl/certs/ca-certificates.crt and its kin on other systems). */
    uint32_t trust_system;
    /* Clients, not 0: accept any certificate for any name. Anybody on the way can then read and
     * change everything; for tests against self-signed servers. */
    uint32_t insecure;

    /* HALO_TLS_1_2 (default minimum) and HALO_TLS_1_3 (default maximum). */
    uint32_t version_min;
    uint32_t version_max;
    /* HALO_TLS_ALPN_*; default HALO_TLS_ALPN_H2. A server takes the first of ours that the client
     * offers, and refuses the handshake when there is none; a client that offers nothing at all is
     * let in, and its connection has no ALPN. A client refuses a server that chooses nothing. */
    uint32_t alpn;

    /* Cipher suites of both versions in order of preference, separated by ':'; NULL: the default,
     * AES first where the processor has instructions for it, else ChaCha20. Names as in
     * "TLS13-AES128-GCM-SHA256" or "TLS_AES_128_GCM_SHA256", and "ECDHE-ECDSA-AES128-GCM-SHA256". A
     * list that allows TLS 1.3 must name one of its suites. Suites that HTTP/2 forbids are
     * refused. */
    const char *ciphers;
    /* Groups for the key exchange in order of preference, separated by ':'; NULL:
     * "X25519:P-256:P-384". Known: X25519, P-256, P-384, P-521. */
    const char *groups;

    /* Servers: picks another context by the name that the client asks for (SNI), which is
     * lower-case and empty when it asks for none. Called on the thread of the connection, before
     * the handshake. Returns a server context (borrowed: it must stay valid during the call; the
     * connection takes its own reference), or NULL for this one. NULL: always this one. */
    halo_tls_context *(*choose)(halo_bytes server_name, void *choose_ctx);
    void *choose_ctx;

    /* Not 0: the peer's certificate (DER) is kept with the connection, at the cost of its size. */
    uint32_t keep_peer_certificate;
    uint32_t reserved; /* 0 */
};

/* Sets the defaults. Call it on every options struct before setting members. */
#define halo_tls_options_init(options)                                                             \
    halo_tls_options_init_sized((options), sizeof(struct halo_tls_options))
HALO_API void halo_tls_options_init_sized(struct halo_tls_options *options, size_t struct_size);

/* Makes a context; reads the files, so it may block. Returns 0 and *context, or
 *   HALO_E_INVALID_ARGUMENT  the options contradict each other or name something unknown
 *   HALO_E_FILE              a file or directory cannot be read
 *   HALO_E_TLS_CERTIFICATE   a certificate or key is broken, locked, or they do not match
 *   HALO_E_NOMEM, HALO_E_TLS, HALO_E_NO_TLS (built without TLS)
 * On failure *context is NULL, and when `error` is not NULL a sentence for the user is written
 * there: it names the file and the cause, is cut to error_size - 1 octets and always terminated. On
 * success it is "". */
HALO_API int halo_tls_context_new(halo_tls_context **context,
                                  const struct halo_tls_options *options, char *error,
                                  size_t error_size) HALO_MUST_USE;

/* One more reference. Any thread. Returns its argument. */
HALO_API halo_tls_context *halo_tls_context_ref(halo_tls_context *context);
/* Gives one reference back; the last one frees the context. Any thread. NULL is allowed. */
HALO_API void halo_tls_context_free(halo_tls_context *context);

/* What was made: HALO_TLS_SERVER or HALO_TLS_CLIENT. */
HALO_API int halo_tls_context_role(const halo_tls_context *context);
/* How many CA certificates it trusts, and how many were skipped because they cannot be parsed.
 * `skipped` may be NULL. */
HALO_API size_t halo_tls_context_trusted(const halo_tls_context *context, size_t *skipped);

/* The TLS library in use: "wolfSSL 5.9.2"; "" when halo was built without TLS. Static. */
HALO_API const char *halo_tls_library(void);
/* Known holes of that library that its version suggests, with what halo does about them, as
 * sentences for the user; "" when none is known. Static. */
HALO_API const char *halo_tls_library_holes(void);

/* What encrypts and decrypts long records of AES-GCM in place of that library: "ipsec-mb 1.3.0";
 * "" when nothing does. Builds with -Daccel=ipsec-mb have it where the processor has VAES and
 * AVX-512 and known answers came out right. The first call, or the first context, tests that. Any
 * thread. Static. */
HALO_API const char *halo_tls_accelerator(void);
/* Why an accelerator that halo was built with is off, as a sentence for the user; "" when it is on,
 * or halo was built without. Any thread. Static. */
HALO_API const char *halo_tls_accelerator_off(void);

#ifdef __cplusplus
}
#endif
#endif
