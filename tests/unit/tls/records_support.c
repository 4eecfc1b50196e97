#include "records_support.h"

#include <string.h>

static const char *const names[SUITES] = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
};

static halo_tls_context *server;
static halo_tls_context *clients[SUITES];
static int chosen;

static void choose(struct halo_tls_options *options)
{
    options->ciphers = names[chosen];
    options->version_min = HALO_TLS_1_3;
}

bool records_are_ours(void)
{
#if HALO_TLS_PRIVATE_WOLFSSL && defined(HAVE_SECRET_CALLBACK)
    return true;
#else
    return false;
#endif
}

int suites_make(void **state)
{
    if (certificates_make(state) != 0) {
        return -1;
    }
    server = server_context("server", NULL);
    for (chosen = 0; chosen < SUITES; chosen++) {
        clients[chosen] = client_context(choose);
    }
    return 0;
}

int suites_free(void **state)
{
    halo_tls_context_free(server);
    for (int i = 0; i < SUITES; i++) {
        halo_tls_context_free(clients[i]);
    }
    return certificates_remove(state);
}

/* No secrets are told from now on, and those that were are forgotten. */
static void keep_wolfssl(struct end *end)
{
    struct tls_transport *tls = tls_of(end->transport);

    assert_non_null(tls->ssl);
#ifdef HAVE_SECRET_CALLBACK
    assert_int_equal(wolfSSL_set_tls13_secret_cb(tls->ssl, NULL, NULL), WOLFSSL_SUCCESS);
#endif
    tls_records_free(tls);
}

static void expect_layer(struct end *end, bool ours)
{
    assert_true((tls_of(end->transport)->ssl == NULL) == ours);
    assert_true((records_of(end) != NULL) == ours);
}

void records_open(struct pair *pair, int suite, bool client_is_ours, bool server_is_ours)
{
    struct tls_facts facts;

    pair_init(pair, server, clients[suite], "localhost");
    if (!client_is_ours) {
        keep_wolfssl(&pair->client);
    }
    pair_move(pair, &pair->client, &pair->server);
    if (!server_is_ours) {
        keep_wolfssl(&pair->server);
    }
    pair_open(pair);
    expect_layer(&pair->client, client_is_ours);
    expect_layer(&pair->server, server_is_ours);
    tls_transport_facts(pair->client.transport, &facts);
    assert_string_equal(facts.version, "TLSv1.3");
    assert_string_equal(facts.cipher, names[suite]);
}

void records_open_ours(struct pair *pair)
{
    records_open(pair, 0, true, true);
}

uint8_t *octets_of_seed(size_t len, uint32_t seed)
{
    uint8_t *octets = malloc(len + 1);

    assert_non_null(octets);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        octets[i] = (uint8_t)(seed >> 24);
    }
    return octets;
}

/* ---- records ----------------------------------------------------------------------------- */

void record_of_inner(struct record *record, struct end *from, const void *inner, size_t len)
{
    uint8_t *text = record->octets + RECORD_HEADER;

    assert_true(len + RECORD_TAG <= 65535);
    record->octets[0] = TYPE_DATA;
    record->octets[1] = 3;
    record->octets[2] = 3;
    record->octets[3] = (uint8_t)((len + RECORD_TAG) >> 8);
    record->octets[4] = (uint8_t)(len + RECORD_TAG);
    memmove(text, inner, len);
    assert_int_equal(record_key_seal(&records_of(from)->out, record->octets, text, len), 0);
    record->len = RECORD_HEADER + len + RECORD_TAG;
}

void record_make(struct record *record, struct end *from, uint8_t type, const void *content,
                 size_t len, size_t padding)
{
    static uint8_t inner[65535];

    assert_true(len + 1 + padding + RECORD_TAG <= sizeof(inner));
    if (len > 0) {
        memcpy(inner, content, len);
    }
    inner[len] = type;
    memset(inner + len + 1, 0, padding);
    record_of_inner(record, from, inner, len + 1 + padding);
}

void record_send(struct pair *pair, struct end *from, uint8_t type, const void *content, size_t len)
{
    static struct record record;

    record_make(&record, from, type, content, len, 0);
    end_feed(pair, other_end(pair, from), record.octets, record.len);
}

void expect_refusal(struct pair *pair, struct end *end, const char *text, int alert)
{
    struct end *other = other_end(pair, end);

    assert_int_equal(end->received_len, 0);
    end_expect_failure(end, end->transport->error.status, text);
    assert_true(end->transport->error.status == HALO_E_TLS ||
                end->transport->error.status == HALO_E_LIMIT);
    if (alert < 0) {
        assert_int_equal(end->transport->output_len, 0);
        return;
    }
    assert_int_equal(end->transport->error.origin, HALO_ORIGIN_LIBRARY);
    assert_int_equal(other->state, TRANSPORT_OPEN);
    pair_move(pair, end, other);
    end_expect_failure(other, HALO_E_TLS, tls_alert_name(alert));
    assert_int_equal(other->transport->error.tls_code, alert);
    assert_int_equal(other->transport->error.origin, HALO_ORIGIN_REMOTE);
    assert_int_equal(other->transport->output_len, 0); /* alerts are not answered */
}

void expect_alive(struct pair *pair)
{
    end_write(&pair->client, "ping", 4);
    pair_run(pair);
    end_expect(&pair->server, "ping", 4);
    end_write(&pair->server, "pong", 4);
    pair_run(pair);
    end_expect(&pair->client, "pong", 4);
}

void end_feed_unread(struct end *end, const uint8_t *octets, size_t len)
{
    halo_slice slice;

    assert_int_equal(halo_slice_copy(&slice, octets, len), 0);
    end->transport->ops->feed(end->transport, &slice);
}
