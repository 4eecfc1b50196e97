/* What went wrong: wolfSSL's codes and the peer's alerts as a status and a sentence. */
#include <stdarg.h>
#include <stdio.h>

#include "tls/alert.h"
#include "tls/records.h"
#include "tls/transport.h"

struct known_code {
    int code;
    int status;
    const char *text;
};

static const struct known_code known_codes[] = {
    /* the peer's certificate */
    { ASN_AFTER_DATE_E, HALO_E_TLS_CERTIFICATE, "the certificate has expired" },
    { ASN_BEFORE_DATE_E, HALO_E_TLS_CERTIFICATE, "the certificate is not valid yet" },
    { ASN_NO_SIGNER_E, HALO_E_TLS_CERTIFICATE, "the certificate is not signed by a trusted CA" },
    { ASN_SELF_SIGNED_E, HALO_E_TLS_CERTIFICATE, "the certificate is self-signed and not trusted" },
    { ASN_SIG_CONFIRM_E, HALO_E_TLS_CERTIFICATE, "the certificate's signature is wrong" },
    { ASN_NAME_INVALID_E, HALO_E_TLS_CERTIFICATE,
      "the certificate breaks a CA's name constraints" },
    { ASN_PARSE_E, HALO_E_TLS_CERTIFICATE, "the certificate cannot be read" },
    { ASN_VERSION_E, HALO_E_TLS_CERTIFICATE, "the certificate is not of version 3" },
    { KEYUSE_SIGNATURE_E, HALO_E_TLS_CERTIFICATE,
      "the certificate is not for signatures (key usage)" },
    { EXTKEYUSE_AUTH_E, HALO_E_TLS_CERTIFICATE,
      "the certificate is not for this role (extended key usage)" },
    { RSA_KEY_SIZE_E, HALO_E_TLS_CERTIFICATE, "the certificate's RSA key has less than 2048 bits" },
    { ECC_KEY_SIZE_E, HALO_E_TLS_CERTIFICATE, "the certificate's EC key has less than 256 bits" },
    { NO_PEER_CERT, HALO_E_TLS_CERTIFICATE, "the peer sent no certificate" },
    { MAX_CHAIN_ERROR, HALO_E_TLS_CERTIFICATE, "the certificate chain is too long" },
    { CRL_CERT_REVOKED, HALO_E_TLS_CERTIFICATE, "the certificate is revoked" },
    { VERIFY_CERT_ERROR, HALO_E_TLS_CERTIFICATE, "the certificate was not accepted" },
    /* the handshake */
    { MATCH_SUITE_ERROR, HALO_E_TLS, "there is no cipher suite in common" },
    { VERSION_ERROR, HALO_E_TLS, "there is no TLS version in common" },
    { UNSUPPORTED_SUITE, HALO_E_TLS, "there is no cipher suite in common" },
    { ECC_CURVE_ERROR, HALO_E_TLS, "there is no group in common" },
    { BAD_KEY_SHARE_DATA, HALO_E_TLS, "there is no group in common" },
    { UNKNOWN_ALPN_PROTOCOL_NAME_E, HALO_E_ALPN, "there is no protocol in common (ALPN)" },
    { VERIFY_FINISHED_ERROR, HALO_E_TLS, "the handshake was tampered with" },
    { OUT_OF_ORDER_E, HALO_E_TLS, "the peer's messages are out of order" },
    { DUPLICATE_MSG_E, HALO_E_TLS, "the peer sent a message twice" },
    { UNKNOWN_RECORD_TYPE, HALO_E_TLS, "the peer sent a record of an unknown type" },
    { UNKNOWN_HANDSHAKE_TYPE, HALO_E_TLS, "the peer sent an unknown handshake message" },
    { LENGTH_ERROR, HALO_E_TLS, "the peer sent a record of a wrong length" },
    { BUFFER_ERROR, HALO_E_TLS, "the peer sent a malformed message" },
    { PARSE_ERROR, HALO_E_TLS, "the peer sent a message that is malformed or out of place" },
    { UNKNOWN_MAX_FRAG_LEN_E, HALO_E_TLS, "the peer asks for an unknown fragment length" },
    /* records */
    { VERIFY_MAC_ERROR, HALO_E_TLS, "a record is forged or damaged" },
    { DECRYPT_ERROR, HALO_E_TLS, "a record is forged or damaged" },
    { AES_GCM_AUTH_E, HALO_E_TLS, "a record is forged or damaged" },
    { MAC_CMP_FAILED_E, HALO_E_TLS, "a record is forged or damaged" },
    { ALERT_COUNT_E, HALO_E_TLS, "the peer sends too many alerts" },
};

static const char *stage(const struct tls_transport *tls)
{
    return tls->base.state == TRANSPORT_HANDSHAKE ? "TLS handshake failed" : "TLS failed";
}

void tls_fail(struct tls_transport *tls, int status, enum halo_origin origin, int tls_code,
              const char *format, ...)
{
    va_list arguments;

    if (tls->base.state == TRANSPORT_FAILED) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(tls->base.reason, sizeof(tls->base.reason), format, arguments);
    va_end(arguments);
    tls->base.error = (struct halo_error){
        .status = status,
        .code = HALO_NO_ERROR,
        .origin = (uint8_t)origin,
        .processed = HALO_PROCESSED_UNKNOWN,
        .tls_code = tls_code,
        .reason = tls->base.reason,
    };
    tls->base.state = TRANSPORT_FAILED;
    /* What is left to send is in the output; nothing else needs the object. */
    if (tls->ssl != NULL) {
        wolfSSL_free(tls->ssl);
        tls->ssl = NULL;
    }
    wolfssl_forget_errors();
}

/* The alert that the peer sent last, or -1. */
static int received_alert(const struct tls_transport *tls)
{
    WOLFSSL_ALERT_HISTORY history;

    if (tls->ssl == NULL && tls->records != NULL) {
        return tls->records->peer_alert;
    }
    if (tls->ssl == NULL || wolfSSL_get_alert_history(tls->ssl, &history) != WOLFSSL_SUCCESS) {
        return -1;
    }
    return history.last_rx.level < 0 ? -1 : history.last_rx.code;
}

void tls_fail_alert(struct tls_transport *tls, int alert)
{
    int status = alert == TLS_ALERT_NO_APPLICATION_PROTOCOL ? HALO_E_ALPN : HALO_E_TLS;

    tls_fail(tls, status, HALO_ORIGIN_REMOTE, alert, "%s: the peer sent alert %d (%s)", stage(tls),
             alert, tls_alert_name(alert));
}

static void fail_with_eof(struct tls_transport *tls)
{
    if (tls->base.state == TRANSPORT_HANDSHAKE) {
        tls_fail(tls, HALO_E_EOF, HALO_ORIGIN_REMOTE, 0,
                 "TLS handshake failed: the peer closed the connection");
    } else {
        tls_fail(tls, HALO_E_EOF, HALO_ORIGIN_REMOTE, 0,
                 "the peer closed the connection without close_notify (RFC 8446 section 6.1)");
    }
}

static void fail_with_certificate(struct tls_transport *tls, int code)
{
    if (code == DOMAIN_NAME_MISMATCH || code == IPADDR_MISMATCH) {
        tls_fail(tls, HALO_E_TLS_CERTIFICATE, HALO_ORIGIN_LIBRARY, code,
                 "host name mismatch: the certificate is not for %.100s",
                 tls->server_name == NULL ? "this host" : tls->server_name);
        return;
    }
    tls_fail_code(tls, code);
}

/* What is known better than by the code that wolfSSL_get_error() gave. */
static bool fail_with_own_reason(struct tls_transport *tls, int code)
{
    if (code == MEMORY_E || tls->memory_failed || tls->verify_error == MEMORY_E) {
        tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, code, "%s: out of memory", stage(tls));
        return true;
    }
    if (tls->violation != NULL) {
        tls_fail(tls, tls->violation_status, HALO_ORIGIN_LIBRARY, 0, "%s: %s", stage(tls),
                 tls->violation);
        return true;
    }
    if (tls->verify_error != 0) {
        int verify_error = tls->verify_error;

        tls->verify_error = 0;
        fail_with_certificate(tls, verify_error);
        return true;
    }
    return false;
}

void tls_fail_code(struct tls_transport *tls, int code)
{
    int alert = received_alert(tls);

    if (fail_with_own_reason(tls, code)) {
        return;
    }
    if (code == FATAL_ERROR && alert > TLS_ALERT_CLOSE_NOTIFY) {
        tls_fail_alert(tls, alert);
        return;
    }
    if (code == SOCKET_PEER_CLOSED_E || code == SOCKET_ERROR_E || code == WOLFSSL_ERROR_SYSCALL ||
        code == WOLFSSL_ERROR_ZERO_RETURN) {
        fail_with_eof(tls);
        return;
    }
    if (code == DOMAIN_NAME_MISMATCH || code == IPADDR_MISMATCH) {
        fail_with_certificate(tls, code);
        return;
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(known_codes); i++) {
        if (known_codes[i].code == code) {
            tls_fail(tls, known_codes[i].status, HALO_ORIGIN_LIBRARY, code, "%s: %s", stage(tls),
                     known_codes[i].text);
            return;
        }
    }
    tls_fail(tls, HALO_E_TLS, HALO_ORIGIN_LIBRARY, code, "%s: %s (wolfSSL %d)", stage(tls),
             wolfSSL_ERR_reason_error_string((unsigned long)code), code);
}
