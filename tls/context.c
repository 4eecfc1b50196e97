/* TLS contexts: made from options, immutable, counted. */
#include "tls/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/options.h"
#include "tls/accel.h"
#include "tls/library.h"
#include "tls/limits.h"
#include "tls/record_io.h"
#include "tls/verify.h"

#ifdef OPENSSL_EXTRA
/* WOLFSSL_MODE_AUTO_RETRY; older releases have it without the prefix. */
enum { MODE_AUTO_RETRY = 3 };
#endif

int tls_report(const struct tls_report *report, int status, const char *format, ...)
{
    va_list arguments;

    if (report->text != NULL && report->size > 0) {
        va_start(arguments, format);
        (void)vsnprintf(report->text, report->size, format, arguments);
        va_end(arguments);
    }
    return status;
}

static int read_options(struct halo_tls_options *options, const struct halo_tls_options *given,
                        const struct tls_report *report)
{
    halo_tls_options_init(options);
    if (given == NULL || options_take(options, sizeof(*options), given) != 0) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT,
                          "options were not initialised with halo_tls_options_init()");
    }
    return 0;
}

static int check_role(struct halo_tls_options *options, const struct tls_report *report)
{
    bool server = options->role == HALO_TLS_SERVER;

    if (!server && options->role != HALO_TLS_CLIENT) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT,
                          "role must be HALO_TLS_SERVER or HALO_TLS_CLIENT");
    }
    if (options->verify > HALO_TLS_VERIFY_REQUIRED) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT, "verify has an unknown value");
    }
    if (server) {
        if (options->insecure != 0) {
            return tls_report(report, HALO_E_INVALID_ARGUMENT, "insecure is for clients");
        }
        if (options->verify == HALO_TLS_VERIFY_DEFAULT) {
            options->verify = HALO_TLS_VERIFY_NONE;
        }
        return 0;
    }
    if (options->choose != NULL) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT, "choose is for servers");
    }
    if (options->verify == HALO_TLS_VERIFY_NONE || options->verify == HALO_TLS_VERIFY_OPTIONAL) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT,
                          "clients verify the server; to accept any certificate set insecure");
    }
    options->verify = options->insecure != 0 ? HALO_TLS_VERIFY_NONE : HALO_TLS_VERIFY_REQUIRED;
    return 0;
}

static int check_options(struct halo_tls_options *options, const struct tls_report *report)
{
    HALO_TRY(check_role(options, report));
    if ((options->version_min != HALO_TLS_1_2 && options->version_min != HALO_TLS_1_3) ||
        (options->version_max != HALO_TLS_1_2 && options->version_max != HALO_TLS_1_3) ||
        options->version_min > options->version_max) {
        return tls_report(
            report, HALO_E_INVALID_ARGUMENT,
            "version_min and version_max must be HALO_TLS_1_2 or HALO_TLS_1_3, in order");
    }
    if (options->alpn == 0 || options->alpn > (HALO_TLS_ALPN_H2 | HALO_TLS_ALPN_HTTP1)) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT,
                          "alpn must be HALO_TLS_ALPN_H2, HALO_TLS_ALPN_HTTP1 or both");
    }
    return 0;
}

static WOLFSSL_CTX *new_wolf(const struct halo_tls_options *options)
{
    bool server = options->role == HALO_TLS_SERVER;
    WOLFSSL_METHOD *method;

    /* wolfSSL frees the method with its context. */
    if (options->version_max == HALO_TLS_1_2) {
        method = server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
    } else if (options->version_min == HALO_TLS_1_3) {
        method = server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
    } else {
        method = server ? wolfSSLv23_server_method() : wolfSSLv23_client_method();
    }
    return method == NULL ? NULL : wolfSSL_CTX_new(method);
}

/* Everything that a context must say, since builds with OPENSSL_COMPATIBLE_DEFAULTS start from SSL
 * 3, anonymous ciphers and no verification. */
static int set_basics(struct halo_tls_context *context, const struct tls_report *report)
{
    WOLFSSL_CTX *wolf = context->wolf;
    bool server = context->role == HALO_TLS_SERVER;
    bool good = true;

    tls_accel_attach(wolf);
    if (context->version_min == HALO_TLS_1_2) {
        good = good && wolfSSL_CTX_SetMinVersion(wolf, WOLFSSL_TLSV1_2) == WOLFSSL_SUCCESS;
    }
    good = good && wolfSSL_CTX_SetMinRsaKey_Sz(wolf, TLS_RSA_BITS_MIN) == WOLFSSL_SUCCESS;
    good = good && wolfSSL_CTX_SetMinEccKey_Sz(wolf, TLS_ECC_BITS_MIN) == WOLFSSL_SUCCESS;
    if (server) {
        /* No resumption: neither session ids nor tickets. The return values only say "wrong
         * side". */
        (void)wolfSSL_CTX_NoTicketTLSv12(wolf);
        (void)wolfSSL_CTX_no_ticket_TLSv13(wolf);
    }
    (void)wolfSSL_CTX_set_session_cache_mode(wolf, WOLFSSL_SESS_CACHE_OFF);
    /* A flight in one piece: fewer calls of the send callback. */
    (void)wolfSSL_CTX_set_group_messages(wolf);
#ifdef OPENSSL_EXTRA
    /* Else a handshake asks ten times for input that is not there. */
    (void)wolfSSL_CTX_clear_mode(wolf, MODE_AUTO_RETRY);
#endif
    tls_record_io_install(wolf);
    if (!good) {
        return tls_report(report, HALO_E_TLS, "wolfSSL refuses the minimum version or key sizes");
    }
    return 0;
}

static void set_verify(struct halo_tls_context *context)
{
    int mode = WOLFSSL_VERIFY_NONE;
    /* Without verification the callback has nothing to do but to keep the certificate. */
    VerifyCallback call = context->keep_peer_certificate ? tls_verify_certificate : NULL;

    if (context->verify != HALO_TLS_VERIFY_NONE) {
        mode = WOLFSSL_VERIFY_PEER;
        call = tls_verify_certificate;
    }
    if (context->verify == HALO_TLS_VERIFY_REQUIRED) {
        mode |= WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    wolfSSL_CTX_set_verify(context->wolf, mode, call);
}

static int fill_context(struct halo_tls_context *context, const struct halo_tls_options *options,
                        const struct tls_report *report)
{
    context->role = options->role;
    context->verify = options->verify;
    context->version_min = options->version_min;
    context->version_max = options->version_max;
    context->alpn = options->alpn;
    context->keep_peer_certificate = options->keep_peer_certificate != 0;
    context->choose = options->choose;
    context->choose_ctx = options->choose_ctx;
    context->wolf = new_wolf(options);
    if (context->wolf == NULL) {
        return tls_report(report, HALO_E_NOMEM, "out of memory");
    }
    HALO_TRY(set_basics(context, report));
    HALO_TRY(tls_set_ciphers(context, options->ciphers, report));
    HALO_TRY(tls_set_groups(context, options->groups, report));
    HALO_TRY(tls_load_identity(context, options, report));
    HALO_TRY(tls_load_trust(context, options, report));
    /* After the CAs: loading them looks at the mode. */
    set_verify(context);
    return 0;
}

int halo_tls_context_new(halo_tls_context **out, const struct halo_tls_options *given, char *error,
                         size_t error_size)
{
    struct tls_report report = { error, error_size };
    struct halo_tls_options options;
    halo_tls_context *context;
    int status;

    *out = NULL;
    HALO_TRY(read_options(&options, given, &report));
    HALO_TRY(check_options(&options, &report));
    HALO_TRY(tls_library_start(&report));
    context = calloc(1, sizeof(*context));
    if (context == NULL) {
        return tls_report(&report, HALO_E_NOMEM, "out of memory");
    }
    context->refs = 1;
    status = fill_context(context, &options, &report);
    wolfssl_forget_errors();
    if (status != 0) {
        halo_tls_context_free(context);
        return status;
    }
    (void)tls_report(&report, 0, "%s", "");
    *out = context;
    return 0;
}

halo_tls_context *halo_tls_context_ref(halo_tls_context *context)
{
    __atomic_fetch_add(&context->refs, 1, __ATOMIC_RELAXED);
    return context;
}

void halo_tls_context_free(halo_tls_context *context)
{
    if (context == NULL || __atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    if (context->wolf != NULL) {
        tls_library_use_thread();
        wolfSSL_CTX_free(context->wolf);
    }
    free(context);
}

int halo_tls_context_role(const halo_tls_context *context)
{
    return (int)context->role;
}

size_t halo_tls_context_trusted(const halo_tls_context *context, size_t *skipped)
{
    if (skipped != NULL) {
        *skipped = context->skipped;
    }
    return context->trusted;
}
