/*
 * From the first octet to TRANSPORT_OPEN.
 *
 * A server reads the ClientHello itself (hello_reader.h), checks it (client_hello.h), refuses what
 * cannot come to anything with an alert in the clear, and only then makes a WOLFSSL object, for the
 * context that fits the name asked for. So idle connections and port scanners cost next to nothing,
 * and wolfSSL never parses a ClientHello that is malformed.
 */
#include <stdio.h>

#include "core/base/ascii.h"
#include "tls/alert.h"
#include "tls/client_hello.h"
#include "tls/limits.h"
#include "tls/record_io.h"
#include "tls/record_output.h"
#include "tls/records.h"
#include "tls/transport.h"
#include "tls/verify.h"

static const char alpn_h2[] = "h2";
static const char alpn_http1[] = "http/1.1";

/* ---- the object ------------------------------------------------------------------------ */

static void out_of_memory(struct tls_transport *tls)
{
    tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, 0, "TLS handshake failed: out of memory");
}

static bool make_object(struct tls_transport *tls)
{
    tls->ssl = wolfSSL_new(tls->context->wolf);
    if (tls->ssl == NULL) {
        out_of_memory(tls);
        return false;
    }
    tls_record_io_attach(tls);
    tls_records_listen(tls);
    wolfSSL_SetCertCbCtx(tls->ssl, tls);
    return true;
}

static bool use_alpn(struct tls_transport *tls, const char *list)
{
    /* The list is only read. */
    char *names = (char *)(uintptr_t)list;

    if (wolfSSL_UseALPN(tls->ssl, names, (unsigned int)strlen(list),
                        WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS) {
        out_of_memory(tls);
        return false;
    }
    return true;
}

void tls_handshake_start_client(struct tls_transport *tls, const char *server_name)
{
    static const char *const lists[] = { "", "h2", "http/1.1", "h2,http/1.1" };
    const halo_tls_context *context = tls->context;

    if (!make_object(tls) || (server_name != NULL && tls_verify_prepare(tls, server_name) != 0) ||
        !use_alpn(tls, lists[context->alpn])) {
        return;
    }
    /* One share, for the first group; a server that wants another asks for it. */
    if (context->version_max >= HALO_TLS_1_3 &&
        wolfSSL_UseKeyShare(tls->ssl, (word16)context->groups[0]) != WOLFSSL_SUCCESS) {
        out_of_memory(tls);
        return;
    }
    tls_handshake_step(tls);
}

/* ---- a server and its first ClientHello ------------------------------------------------ */

static void refuse_hello(struct tls_transport *tls, int status, int alert, const char *format,
                         const char *detail)
{
    uint8_t record[TLS_ALERT_RECORD_LEN];

    if (alert >= 0) {
        tls_alert_record(record, (uint8_t)alert);
        /* Without memory for it there is just no alert. */
        (void)record_output_accept(tls, record, sizeof(record));
    }
    tls_fail(tls, status, HALO_ORIGIN_LIBRARY, alert < 0 ? 0 : alert, format, detail);
}

/* Remembers the name that the client asks for, in lower case (RFC 6066 section 3: not
 * case-sensitive). */
static bool keep_server_name(struct tls_transport *tls, halo_bytes name)
{
    if (name.len == 0) {
        return true;
    }
    tls->server_name = memory_alloc(tls->base.memory, name.len + 1);
    if (tls->server_name == NULL) {
        out_of_memory(tls);
        return false;
    }
    ascii_copy_lower(tls->server_name, name.data, name.len);
    tls->server_name[name.len] = '\0';
    return true;
}

static void choose_context(struct tls_transport *tls)
{
    halo_tls_context *mine = tls->context;
    halo_tls_context *other;

    if (mine->choose == NULL) {
        return;
    }
    other = mine->choose(halo_str(tls->server_name), mine->choose_ctx);
    if (other != NULL && other != mine && other->role == HALO_TLS_SERVER) {
        tls->context = halo_tls_context_ref(other);
        halo_tls_context_free(mine);
    }
}

/* Our preference decides (RFC 7301 section 3.2), not the client's order. NULL: nothing in
 * common. */
static const char *choose_protocol(uint32_t allowed, const struct client_hello *hello)
{
    if ((allowed & HALO_TLS_ALPN_H2) != 0 && client_hello_offers(hello, alpn_h2)) {
        return alpn_h2;
    }
    if ((allowed & HALO_TLS_ALPN_HTTP1) != 0 && client_hello_offers(hello, alpn_http1)) {
        return alpn_http1;
    }
    return NULL;
}

/* "ftp, imap", for a sentence. What a peer sent is cut, and made printable. */
static void list_protocols(const struct client_hello *hello, char *out, size_t size)
{
    halo_bytes rest = hello->alpn;
    size_t used = 0;

    out[0] = '\0';
    while (rest.len > 0 && used + 1 < size) {
        halo_bytes name = client_hello_next_protocol(&rest);
        int n = snprintf(out + used, size - used, "%s%.*s", used == 0 ? "" : ", ",
                         (int)min_size(name.len, 16), name.data);

        used += n < 0 ? 0 : (size_t)n;
    }
    for (char *c = out; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            *c = '?';
        }
    }
}

/* wolfSSL asks for a group that the client does not have when there is none in common, so that the
 * client has to find out. */
static bool group_fits(const halo_tls_context *context, const struct client_hello *hello)
{
    for (int i = 0; i < context->num_groups; i++) {
        if (client_hello_lists_group(hello, (uint16_t)context->groups[i])) {
            return true;
        }
    }
    return false;
}

/* Versions, groups and protocols: what has nothing in common ends here. */
static bool check_offer(struct tls_transport *tls, const struct client_hello *hello,
                        const char **protocol)
{
    const halo_tls_context *context = tls->context;
    bool version_fits = (hello->offers_tls13 && context->version_max >= HALO_TLS_1_3) ||
                        (hello->offers_tls12 && context->version_min <= HALO_TLS_1_2);
    char offered[64];

    if (!version_fits) {
        refuse_hello(tls, HALO_E_TLS, TLS_ALERT_PROTOCOL_VERSION,
                     "TLS handshake failed: the client does not offer %s",
                     context->version_min == HALO_TLS_1_3   ? "TLS 1.3"
                     : context->version_max == HALO_TLS_1_2 ? "TLS 1.2"
                                                            : "TLS 1.2 or 1.3");
        return false;
    }
    if (hello->offers_tls13 && context->version_max >= HALO_TLS_1_3 &&
        !group_fits(context, hello)) {
        refuse_hello(tls, HALO_E_TLS, TLS_ALERT_HANDSHAKE_FAILURE, "TLS handshake failed: %s",
                     "there is no group in common");
        return false;
    }
    *protocol = choose_protocol(context->alpn | tls->alpn_more, hello);
    if (hello->has_alpn && *protocol == NULL) {
        list_protocols(hello, offered, sizeof(offered));
        refuse_hello(tls, HALO_E_ALPN, TLS_ALERT_NO_APPLICATION_PROTOCOL,
                     "TLS handshake failed: no common protocol (ALPN): the client offers %s",
                     offered);
        return false;
    }
    return true;
}

static void accept_hello(struct tls_transport *tls)
{
    struct client_hello hello;
    const char *protocol = NULL;

    if (!client_hello_parse(&hello, hello_reader_message(&tls->hello), tls->hello.message_len)) {
        refuse_hello(tls, HALO_E_TLS, hello.alert, "TLS handshake failed: bad ClientHello: %s",
                     hello.why);
        return;
    }
    tls->hello_read = 0;
    tls->gate = GATE_PASSING;
    if (tls->ssl != NULL) {
        /* The second one; what must not change between the two is wolfSSL's to compare. */
        return;
    }
    if (!keep_server_name(tls, hello.server_name)) {
        return;
    }
    choose_context(tls);
    if (!check_offer(tls, &hello, &protocol) || !make_object(tls)) {
        return;
    }
    if (protocol != NULL) {
        (void)use_alpn(tls, protocol);
    }
}

/* Moves input into the hello reader. Leaves the gate in GATE_READING when more is needed. */
static void read_hello(struct tls_transport *tls)
{
    while (tls->gate == GATE_READING && tls->base.state == TRANSPORT_HANDSHAKE) {
        halo_slice in = input_queue_peek(&tls->input);
        enum hello_status status;
        size_t taken;

        if (in.len == 0) {
            if (tls->input_ended) {
                tls_fail_code(tls, SOCKET_PEER_CLOSED_E);
            }
            return;
        }
        status = hello_reader_take(&tls->hello, tls->base.memory, in.data, in.len, &taken);
        input_queue_skip(&tls->input, taken);
        tls->handshake_octets += (uint32_t)taken;
        if (status == HELLO_COMPLETE) {
            accept_hello(tls);
        } else if (status == HELLO_REFUSED) {
            refuse_hello(tls, HALO_E_TLS, tls->hello.alert, "TLS handshake failed: %s",
                         tls->hello.why);
        } else if (status == HELLO_ALERT) {
            tls_fail_alert(tls, tls->hello.peer_alert);
        } else if (status == HELLO_NO_MEMORY) {
            out_of_memory(tls);
        } else if (tls->handshake_octets > TLS_HANDSHAKE_OCTETS_MAX) {
            refuse_hello(tls, HALO_E_LIMIT, TLS_ALERT_ILLEGAL_PARAMETER, "TLS handshake failed: %s",
                         "the handshake is too long");
        }
    }
}

/* ---- the end --------------------------------------------------------------------------- */

/* Which protocol was agreed on? */
static void finish_alpn(struct tls_transport *tls)
{
    char *name = NULL;
    unsigned short len = 0;

    tls->base.alpn = "";
    if (wolfSSL_ALPN_GetProtocol(tls->ssl, &name, &len) == WOLFSSL_SUCCESS && name != NULL) {
        if (len == sizeof(alpn_h2) - 1 && memcmp(name, alpn_h2, len) == 0) {
            tls->base.alpn = alpn_h2;
        } else if (len == sizeof(alpn_http1) - 1 && memcmp(name, alpn_http1, len) == 0) {
            tls->base.alpn = alpn_http1;
        }
    }
}

static void finish(struct tls_transport *tls)
{
    bool client = tls->context->role == HALO_TLS_CLIENT;

    finish_alpn(tls);
    if (client && tls->base.alpn[0] == '\0') {
        tls_fail(tls, HALO_E_ALPN, HALO_ORIGIN_LIBRARY, 0,
                 "the server does not speak %s (no common protocol by ALPN)",
                 tls->context->alpn == HALO_TLS_ALPN_HTTP1 ? "HTTP/1.1" : "HTTP/2");
        return;
    }
    if (client && tls->check != CHECK_NONE && tls->context->verify != HALO_TLS_VERIFY_NONE &&
        !tls->peer_checked) {
        /* A wolfSSL that does not call back for good certificates: nobody has compared the name. */
        tls_fail(tls, HALO_E_TLS_CERTIFICATE, HALO_ORIGIN_LIBRARY, 0,
                 "this wolfSSL cannot check that the certificate is for %.100s", tls->server_name);
        return;
    }
    if (!tls_records_take_over(tls)) {
        return;
    }
    tls->base.state = TRANSPORT_OPEN;
    tls->written_at = tls_now(tls);
}

void tls_handshake_step(struct tls_transport *tls)
{
    while (tls->base.state == TRANSPORT_HANDSHAKE) {
        int result;
        int code;

        if (tls->gate == GATE_READING) {
            read_hello(tls);
            if (tls->base.state != TRANSPORT_HANDSHAKE || tls->gate == GATE_READING) {
                return;
            }
        }
        wolfssl_forget_errors();
        result = tls->context->role == HALO_TLS_SERVER ? wolfSSL_accept(tls->ssl)
                                                       : wolfSSL_connect(tls->ssl);
        if (result == WOLFSSL_SUCCESS) {
            finish(tls);
            return;
        }
        code = wolfSSL_get_error(tls->ssl, result);
        if (code != WOLFSSL_ERROR_WANT_READ) {
            tls_fail_code(tls, code);
            return;
        }
        if (tls->gate != GATE_READING) {
            return;
        }
        /* A HelloRetryRequest was sent; the answer may be here already. */
    }
}
