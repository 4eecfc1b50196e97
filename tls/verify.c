#include "tls/verify.h"

#include <arpa/inet.h>

#include "core/base/ascii.h"
#include "tls/peer_name.h"

static bool name_is_right(const struct tls_transport *tls, const WOLFSSL_BUFFER_INFO *certificate)
{
    switch (tls->check) {
    case CHECK_IP:
        return peer_name_is_ip(certificate->buffer, certificate->length, tls->ip, tls->ip_len);
    case CHECK_HOST:
        return peer_name_is_host(certificate->buffer, certificate->length, tls->server_name);
    default:
        return true;
    }
}

static bool keep_certificate(struct tls_transport *tls, const WOLFSSL_BUFFER_INFO *certificate)
{
    if (tls->peer_certificate != NULL || certificate->length == 0) {
        return true;
    }
    tls->peer_certificate = memory_alloc(tls->base.memory, certificate->length);
    if (tls->peer_certificate == NULL) {
        return false;
    }
    memcpy(tls->peer_certificate, certificate->buffer, certificate->length);
    tls->peer_certificate_len = certificate->length;
    return true;
}

/* Called for every certificate that is wrong, and for the peer's own (depth 0) also when it is
 * right. What it returns is final: 0 makes wolfSSL send an alert and fail. */
int tls_verify_certificate(int good, WOLFSSL_X509_STORE_CTX *store)
{
    struct tls_transport *tls = store->userCtx;

    HALO_ASSERT(tls != NULL);
    if (!good && tls->context->verify != HALO_TLS_VERIFY_NONE) {
        /* With the OpenSSL layer this is a number of OpenSSL's; then wolfSSL_get_error() knows
         * better. */
        if (tls->verify_error == 0 && store->error < 0) {
            tls->verify_error = store->error;
        }
        return 0;
    }
    if (store->error_depth != 0 || store->certs == NULL || store->totalCerts < 1) {
        return 1;
    }
    if (tls->context->verify != HALO_TLS_VERIFY_NONE && !name_is_right(tls, &store->certs[0])) {
        tls->verify_error = DOMAIN_NAME_MISMATCH;
        return 0;
    }
    tls->peer_checked = true;
    if (tls->context->keep_peer_certificate && !keep_certificate(tls, &store->certs[0])) {
        tls->verify_error = MEMORY_E;
        return 0;
    }
    return 1;
}

/* Letters, digits, '-', '_' and '.', as in names that a resolver knows. Other scripts come as
 * A-labels. */
static bool is_host_name(const char *host)
{
    size_t len = strlen(host);

    if (len == 0 || len > 253 || host[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        bool fine = ascii_is_letter(c) || ascii_is_digit(c) || c == '-' || c == '_' ||
                    (c == '.' && host[i + 1] != '.');

        if (!fine) {
            return false;
        }
    }
    return true;
}

static bool read_ip(struct tls_transport *tls, const char *host)
{
    if (inet_pton(AF_INET, host, tls->ip) == 1) {
        tls->ip_len = 4;
    } else if (inet_pton(AF_INET6, host, tls->ip) == 1) {
        tls->ip_len = 16;
    }
    return tls->ip_len > 0;
}

static int copy_name(struct tls_transport *tls, const char *host)
{
    size_t len = strlen(host);

    /* "example.com." is the same host, but no certificate says so (RFC 6066 section 3: no final
     * dot). */
    if (len > 1 && host[len - 1] == '.') {
        len--;
    }
    tls->server_name = memory_alloc(tls->base.memory, len + 1);
    if (tls->server_name == NULL) {
        tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, 0, "out of memory");
        return HALO_E_NOMEM;
    }
    memcpy(tls->server_name, host, len);
    tls->server_name[len] = '\0';
    return 0;
}

int tls_verify_prepare(struct tls_transport *tls, const char *host)
{
    HALO_TRY(copy_name(tls, host));
    if (read_ip(tls, tls->server_name)) {
        /* RFC 6066 section 3: no SNI for addresses. */
        tls->check = CHECK_IP;
        return 0;
    }
    if (!is_host_name(tls->server_name)) {
        tls_fail(tls, HALO_E_INVALID_ARGUMENT, HALO_ORIGIN_LOCAL, 0,
                 "\"%.80s\" is neither a host name nor an IP address", host);
        return HALO_E_INVALID_ARGUMENT;
    }
    if (wolfSSL_UseSNI(tls->ssl, WOLFSSL_SNI_HOST_NAME, tls->server_name,
                       (unsigned short)strlen(tls->server_name)) != WOLFSSL_SUCCESS) {
        tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, 0, "out of memory");
        return HALO_E_NOMEM;
    }
    if (tls->context->verify == HALO_TLS_VERIFY_NONE) {
        return 0;
    }
    /* wolfSSL takes only names that look public, with a dot; the others are compared here. */
    if (wolfSSL_check_domain_name(tls->ssl, tls->server_name) != WOLFSSL_SUCCESS) {
        tls->check = CHECK_HOST;
    }
    return 0;
}
