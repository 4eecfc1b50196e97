/* Inside of a TLS context; for tls/ only. */
#ifndef HALO_TLS_CONTEXT_H
#define HALO_TLS_CONTEXT_H

#include <halo/error.h>
#include <halo/tls.h>

#include "core/base/base.h"
#include "tls/wolfssl.h"

enum { TLS_GROUPS_MAX = 4 };

struct halo_tls_context {
    uint32_t refs; /* atomic */
    uint32_t role;
    uint32_t verify; /* HALO_TLS_VERIFY_*, never DEFAULT */
    uint32_t version_min;
    uint32_t version_max;
    uint32_t alpn;
    bool keep_peer_certificate;
    int groups[TLS_GROUPS_MAX];
    int num_groups;
    size_t trusted;
    size_t skipped;
    halo_tls_context *(*choose)(halo_bytes server_name, void *choose_ctx);
    void *choose_ctx;
    WOLFSSL_CTX *wolf;
};

/* Where the sentence about a failure goes. */
struct tls_report {
    char *text; /* may be NULL */
    size_t size;
};

/* Writes the sentence and returns `status`. */
int tls_report(const struct tls_report *report, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes the certificate, key and CAs of the options into context->wolf (certificates.c). */
int tls_load_identity(struct halo_tls_context *context, const struct halo_tls_options *options,
                      const struct tls_report *report) HALO_MUST_USE;
int tls_load_trust(struct halo_tls_context *context, const struct halo_tls_options *options,
                   const struct tls_report *report) HALO_MUST_USE;

/* Sets cipher suites and groups (ciphers.c). */
int tls_set_ciphers(struct halo_tls_context *context, const char *list,
                    const struct tls_report *report) HALO_MUST_USE;
int tls_set_groups(struct halo_tls_context *context, const char *list,
                   const struct tls_report *report) HALO_MUST_USE;

#endif
