#include "tls/record_io.h"

#include "core/base/wire.h"
#include "tls/limits.h"
#include "tls/record_output.h"

/* ---- input ----------------------------------------------------------------------------- */

static void violate(struct tls_transport *tls, int status, const char *sentence)
{
    if (tls->violation == NULL) {
        tls->violation = sentence;
        tls->violation_status = status;
    }
}

/* Called when a record's header is complete. That those before it were barren is sure only now. */
static void count_record(struct tls_transport *tls)
{
    if (tls->base.state == TRANSPORT_OPEN && tls->barren_records++ > TLS_BARREN_RECORDS_MAX) {
        violate(tls, HALO_E_LIMIT, "the peer sends records without data");
    }
    /* Known at the first record; the server's own gate has looked at it already. */
    if (tls->base.state == TRANSPORT_HANDSHAKE && tls->context->role == HALO_TLS_CLIENT &&
        (tls->meter.header[0] < 20 || tls->meter.header[0] > 24 || tls->meter.header[1] != 3)) {
        violate(tls, HALO_E_TLS,
                memcmp(tls->meter.header, "HTTP/", 5) == 0
                    ? "the server speaks HTTP/1 without TLS on this port"
                    : "the server does not speak TLS on this port");
    }
}

/* Follows the borders of records through octets that wolfSSL has read. */
static void meter_octets(struct tls_transport *tls, const uint8_t *in, size_t len)
{
    struct record_meter *meter = &tls->meter;

    while (len > 0) {
        if (meter->left > 0) {
            size_t n = min_size(len, meter->left);

            meter->left = (uint16_t)(meter->left - n);
            in += n;
            len -= n;
            continue;
        }
        meter->header[meter->header_len++] = *in++;
        len--;
        if (meter->header_len == sizeof(meter->header)) {
            meter->header_len = 0;
            meter->left = load_u16(meter->header + 3);
            count_record(tls);
        }
    }
}

static size_t read_hello(struct tls_transport *tls, uint8_t *out, size_t len)
{
    size_t left = HELLO_RECORD_HEADER + tls->hello.message_len - tls->hello_read;
    size_t n = min_size(len, left);

    memcpy(out, tls->hello.record + tls->hello_read, n);
    tls->hello_read += (uint32_t)n;
    if (n == left) {
        hello_reader_reset(&tls->hello, tls->base.memory, false);
        tls->gate = GATE_OPEN;
    }
    return n;
}

static size_t read_queue(struct tls_transport *tls, uint8_t *out, size_t len)
{
    size_t n = input_queue_read(&tls->input, out, len);

    meter_octets(tls, out, n);
    if (tls->base.state == TRANSPORT_HANDSHAKE) {
        tls->handshake_octets += (uint32_t)n;
        if (tls->handshake_octets > TLS_HANDSHAKE_OCTETS_MAX) {
            violate(tls, HALO_E_LIMIT, "the handshake is too long");
        }
    }
    return n;
}

static int receive(WOLFSSL *ssl, char *out, int len, void *ctx)
{
    struct tls_transport *tls = ctx;
    size_t n;

    (void)ssl;
    HALO_ASSERT(len >= 0);
    if (tls->violation != NULL) {
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    if (tls->gate == GATE_READING) {
        return WOLFSSL_CBIO_ERR_WANT_READ;
    }
    if (tls->gate == GATE_PASSING) {
        return (int)read_hello(tls, (uint8_t *)out, (size_t)len);
    }
    n = read_queue(tls, (uint8_t *)out, (size_t)len);
    if (tls->violation != NULL) {
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    if (n == 0) {
        return tls->input_ended ? WOLFSSL_CBIO_ERR_CONN_CLOSE : WOLFSSL_CBIO_ERR_WANT_READ;
    }
    return (int)n;
}

/* ---- output ---------------------------------------------------------------------------- */

/* RFC 8446 section 4.1.3: a ServerHello with this random asks for another ClientHello. */
static bool is_hello_retry_request(const uint8_t *record, size_t len)
{
    static const uint8_t random[32] = {
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
        0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
        0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    };

    /* record header 5, message header 4, legacy_version 2, random */
    return len >= 43 && record[0] == 22 && record[5] == 2 && memcmp(record + 11, random, 32) == 0;
}

bool tls_key_update_allowed(struct tls_transport *tls)
{
    uint64_t now = tls_now(tls);

    if (now - tls->key_updates_since >= TLS_KEY_UPDATES_NS) {
        tls->key_updates = 0;
        tls->key_updates_since = now;
    }
    return ++tls->key_updates <= TLS_KEY_UPDATES_MAX;
}

static int transmit(WOLFSSL *ssl, char *data, int len, void *ctx)
{
    struct tls_transport *tls = ctx;
    const uint8_t *record = (const uint8_t *)data;

    (void)ssl;
    HALO_ASSERT(len >= 0);
    if (tls->base.state == TRANSPORT_HANDSHAKE && tls->context->role == HALO_TLS_SERVER &&
        tls->gate == GATE_OPEN && is_hello_retry_request(record, (size_t)len)) {
        hello_reader_reset(&tls->hello, tls->base.memory, true);
        tls->gate = GATE_READING;
    }
    /* wolfSSL sends by itself while it reads only when it answers a key update. */
    if (tls->base.state == TRANSPORT_OPEN && !tls->writing && !tls->close_queued &&
        !tls_key_update_allowed(tls)) {
        violate(tls, HALO_E_LIMIT, "the peer asks for too many key updates");
    }
    if (!record_output_accept(tls, record, (size_t)len)) {
        tls->memory_failed = true;
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    return len;
}

void tls_record_io_install(WOLFSSL_CTX *wolf)
{
    wolfSSL_CTX_SetIORecv(wolf, receive);
    wolfSSL_CTX_SetIOSend(wolf, transmit);
}

void tls_record_io_attach(struct tls_transport *tls)
{
    wolfSSL_SetIOReadCtx(tls->ssl, tls);
    wolfSSL_SetIOWriteCtx(tls->ssl, tls);
}
