/* Handshakes between our client and our server: versions, certificates, names, ALPN, alerts. */
#include "support.h"

#include <stdio.h>
#include <string.h>

static halo_tls_context *server;
static halo_tls_context *client;

static int contexts_make(void **state)
{
    if (certificates_make(state) != 0) {
        return -1;
    }
    server = server_context("server", NULL);
    client = client_context(NULL);
    return 0;
}

static int contexts_free(void **state)
{
    halo_tls_context_free(server);
    halo_tls_context_free(client);
    return certificates_remove(state);
}

/* One handshake that succeeds, some data, and the end. */
static void check_good(halo_tls_context *from, halo_tls_context *to, const char *name,
                       const char *version)
{
    struct pair pair;
    struct tls_facts facts;

    pair_init(&pair, to, from, name);
    pair_open(&pair);
    tls_transport_facts(pair.client.transport, &facts);
    assert_string_equal(facts.version, version);
    assert_string_equal(pair.client.transport->alpn, "h2");
    assert_string_equal(pair.server.transport->alpn, "h2");

    end_write(&pair.client, "question", 8);
    end_write(&pair.server, "answer", 6);
    pair_run(&pair);
    end_expect(&pair.server, "question", 8);
    end_expect(&pair.client, "answer", 6);

    pair.client.transport->ops->shutdown(pair.client.transport);
    pair_run(&pair);
    assert_int_equal(pair.server.state, TRANSPORT_CLOSED);
    pair.server.transport->ops->shutdown(pair.server.transport);
    pair_run(&pair);
    assert_int_equal(pair.client.state, TRANSPORT_CLOSED);
    pair_free(&pair);
}

/* One handshake that fails: how each end sees it. NULL: not looked at. */
static void check_bad(halo_tls_context *from, halo_tls_context *to, const char *name,
                      int client_status, const char *client_text, int server_status,
                      const char *server_text)
{
    struct pair pair;

    pair_init(&pair, to, from, name);
    pair_run(&pair);
    if (client_text != NULL) {
        end_expect_failure(&pair.client, client_status, client_text);
    }
    if (server_text != NULL) {
        end_expect_failure(&pair.server, server_status, server_text);
    }
    pair_free(&pair);
}

static void tls13_is_the_default(void **state)
{
    (void)state;
    check_good(client, server, "localhost", "TLSv1.3");
}

static void tls12_works(void **state)
{
    halo_tls_context *old = client_context(only_tls12);
    halo_tls_context *old_server = server_context("rsa", only_tls12);

    (void)state;
    check_good(old, server, "localhost", "TLSv1.2");
    check_good(client, old_server, "localhost", "TLSv1.2");
    halo_tls_context_free(old);
    halo_tls_context_free(old_server);
}

static void all_kinds_of_keys_work(void **state)
{
    static const char *const names[] = { "rsa", "ed25519", "chain" };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(names); i++) {
        halo_tls_context *other = server_context(names[i], NULL);

        check_good(client, other, "localhost", "TLSv1.3");
        halo_tls_context_free(other);
    }
}

static void versions_without_overlap(void **state)
{
    halo_tls_context *old = client_context(only_tls12);
    halo_tls_context *new = server_context("server", only_tls13);
    halo_tls_context *old_server = server_context("server", only_tls12);
    halo_tls_context *new_client = client_context(only_tls13);

    (void)state;
    check_bad(old, new, "localhost", HALO_E_TLS, "alert 70 (protocol version)", HALO_E_TLS,
              "the client does not offer TLS 1.3");
    check_bad(new_client, old_server, "localhost", HALO_E_TLS, "alert 70 (protocol version)",
              HALO_E_TLS, "the client does not offer TLS 1.2");
    halo_tls_context_free(old);
    halo_tls_context_free(new);
    halo_tls_context_free(old_server);
    halo_tls_context_free(new_client);
}

/* ---- certificates ------------------------------------------------------------------------ */

static void names_of_the_certificate(void **state)
{
    static const char *const good[] = { "localhost",   "halo.test", "HALO.test",
                                        "halo.test.",  "single",    "127.0.0.1",
                                        "a.wild.test", "::1",       "0:0:0:0:0:0:0:1" };
    static const char *const bad[] = {
        "halo.tes",  "other",   "127.0.0.2",     "::2",
        "wild.test", "xsingle", "a.b.wild.test", "halo.test.example"
    };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(good); i++) {
        check_good(client, server, good[i], "TLSv1.3");
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "host name mismatch: the certificate is not for %s",
                       bad[i]);
        check_bad(client, server, bad[i], HALO_E_TLS_CERTIFICATE, text, HALO_E_TLS,
                  "alert 42 (bad certificate)");
    }
}

/* SNI has no final dot (RFC 6066 section 3), and arrives in lower case. */
static void names_that_are_asked_for(void **state)
{
    static const char *const names[][2] = {
        { "HALO.test.", "halo.test" }, { "127.0.0.1", "" }, { "::1", "" }, { "single", "single" }
    };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(names); i++) {
        struct tls_facts facts;
        struct pair pair;

        pair_init(&pair, server, client, names[i][0]);
        pair_open(&pair);
        tls_transport_facts(pair.server.transport, &facts);
        assert_string_equal(facts.server_name, names[i][1]);
        pair_free(&pair);
    }
}

static void names_that_are_none(void **state)
{
    static const char *const bad[] = { "", ".", "a..b", "a b", "a/b", "[::1]", "h\xc3\xa4lo" };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        check_bad(client, server, bad[i], HALO_E_INVALID_ARGUMENT, "neither a host name", 0, NULL);
    }
}

static void certificates_that_are_refused(void **state)
{
    static const struct {
        const char *name;
        const char *client_text;
        const char *server_text;
    } cases[] = {
        { "expired", "has expired", "alert 45 (certificate expired)" },
        { "future", "not valid yet", "alert 45 (certificate expired)" },
        { "self", "trusted", "alert" },
        { "client", "not for this role", "alert 42 (bad certificate)" },
        { "leaf", "not signed by a trusted CA", "alert 48 (unknown CA)" },
    };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        halo_tls_context *other = server_context(cases[i].name, NULL);
        /* Of its own: wolfSSL remembers intermediate certificates that it has verified. */
        halo_tls_context *fresh = client_context(NULL);

        check_bad(fresh, other, "localhost", HALO_E_TLS_CERTIFICATE, cases[i].client_text,
                  HALO_E_TLS, cases[i].server_text);
        halo_tls_context_free(fresh);
        halo_tls_context_free(other);
    }
}

static void trust_other_ca(struct halo_tls_options *options)
{
    options->ca_file = certificate_path("other-ca.pem");
}

static void be_insecure(struct halo_tls_options *options)
{
    options->ca_file = NULL;
    options->insecure = 1;
}

static void ca_that_is_not_trusted(void **state)
{
    halo_tls_context *stranger = client_context(trust_other_ca);

    (void)state;
    check_bad(stranger, server, "localhost", HALO_E_TLS_CERTIFICATE, "not signed by a trusted CA",
              HALO_E_TLS, "the peer sent alert 48 (unknown CA)");
    halo_tls_context_free(stranger);
}

static void insecure_accepts_all(void **state)
{
    static const char *const names[] = { "server", "expired", "self", "other", "leaf" };
    halo_tls_context *careless = client_context(be_insecure);

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(names); i++) {
        halo_tls_context *other = server_context(names[i], NULL);

        check_good(careless, other, "anything.example", "TLSv1.3");
        check_good(careless, other, "192.0.2.77", "TLSv1.3");
        halo_tls_context_free(other);
    }
    halo_tls_context_free(careless);
}

static void ask_for_certificate(struct halo_tls_options *options)
{
    options->verify = HALO_TLS_VERIFY_OPTIONAL;
    options->ca_file = certificate_path("ca.pem");
    options->keep_peer_certificate = 1;
}

static void require_certificate(struct halo_tls_options *options)
{
    ask_for_certificate(options);
    options->verify = HALO_TLS_VERIFY_REQUIRED;
}

static void require_certificate_tls12(struct halo_tls_options *options)
{
    require_certificate(options);
    options->version_max = HALO_TLS_1_2;
}

static void have_certificate(struct halo_tls_options *options)
{
    options->certificate_file = certificate_path("client.pem");
    options->private_key_file = certificate_path("client.key");
}

static void have_wrong_certificate(struct halo_tls_options *options)
{
    options->certificate_file = certificate_path("self.pem");
    options->private_key_file = certificate_path("self.key");
}

static void mutual_authentication(void **state)
{
    halo_tls_context *asking = server_context("server", ask_for_certificate);
    halo_tls_context *strict = server_context("server", require_certificate);
    halo_tls_context *strict12 = server_context("server", require_certificate_tls12);
    halo_tls_context *known = client_context(have_certificate);
    halo_tls_context *forged = client_context(have_wrong_certificate);
    struct tls_facts facts;
    struct pair pair;

    (void)state;
    check_good(client, asking, "localhost", "TLSv1.3");
    check_good(known, asking, "localhost", "TLSv1.3");
    check_good(known, strict, "localhost", "TLSv1.3");
    check_good(known, strict12, "localhost", "TLSv1.2");
    check_good(known, server, "localhost", "TLSv1.3");
    check_bad(client, strict, "localhost", 0, NULL, HALO_E_TLS_CERTIFICATE, "sent no certificate");
    check_bad(client, strict12, "localhost", HALO_E_TLS, library_is_recent() ? "alert" : NULL,
              HALO_E_TLS_CERTIFICATE, "sent no certificate");
    check_bad(forged, strict, "localhost", 0, NULL, HALO_E_TLS_CERTIFICATE, "trusted");
    check_bad(forged, asking, "localhost", 0, NULL, HALO_E_TLS_CERTIFICATE, "trusted");

    pair_init(&pair, strict, known, "localhost");
    pair_open(&pair);
    tls_transport_facts(pair.server.transport, &facts);
    assert_true(facts.peer_certificate.len > 200);
    assert_int_equal((uint8_t)facts.peer_certificate.data[0], 0x30);
    assert_string_equal(facts.server_name, "localhost");
    pair_free(&pair);

    halo_tls_context_free(asking);
    halo_tls_context_free(strict);
    halo_tls_context_free(strict12);
    halo_tls_context_free(known);
    halo_tls_context_free(forged);
}

static halo_tls_context *choose_other(halo_bytes name, void *ctx)
{
    return halo_bytes_equal(name, halo_str("elsewhere.test")) ? ctx : NULL;
}

static halo_tls_context *other_server;

static void choose_by_name(struct halo_tls_options *options)
{
    options->choose = choose_other;
    options->choose_ctx = other_server;
}

static void context_by_name(void **state)
{
    halo_tls_context *choosing;

    (void)state;
    other_server = server_context("other", NULL);
    choosing = server_context("server", choose_by_name);
    check_good(client, choosing, "halo.test", "TLSv1.3");
    check_good(client, choosing, "ELSEWHERE.test", "TLSv1.3");
    check_good(client, choosing, "127.0.0.1", "TLSv1.3");
    halo_tls_context_free(choosing);
    halo_tls_context_free(other_server);
}

/* ---- ALPN -------------------------------------------------------------------------------- */

static void alpn_both(struct halo_tls_options *options)
{
    options->alpn = HALO_TLS_ALPN_H2 | HALO_TLS_ALPN_HTTP1;
}

static void alpn_http1(struct halo_tls_options *options)
{
    options->alpn = HALO_TLS_ALPN_HTTP1;
}

static void protocols(void **state)
{
    halo_tls_context *both = server_context("server", alpn_both);
    halo_tls_context *old = server_context("server", alpn_http1);
    halo_tls_context *client_both = client_context(alpn_both);
    halo_tls_context *client_old = client_context(alpn_http1);
    struct pair pair;

    (void)state;
    check_good(client, both, "localhost", "TLSv1.3");
    check_good(client_both, both, "localhost", "TLSv1.3");
    check_good(client_both, server, "localhost", "TLSv1.3");

    pair_init(&pair, both, client_old, "localhost");
    pair_open(&pair);
    assert_string_equal(pair.client.transport->alpn, "http/1.1");
    assert_string_equal(pair.server.transport->alpn, "http/1.1");
    pair_free(&pair);

    check_bad(client_old, server, "localhost", HALO_E_ALPN, "alert 120 (no application protocol)",
              HALO_E_ALPN, "no common protocol (ALPN): the client offers http/1.1");
    check_bad(client, old, "localhost", HALO_E_ALPN, "alert 120", HALO_E_ALPN, "offers h2");

    halo_tls_context_free(both);
    halo_tls_context_free(old);
    halo_tls_context_free(client_both);
    halo_tls_context_free(client_old);
}

/* ---- pieces ------------------------------------------------------------------------------ */

static void handshake_in_pieces(void **state)
{
    static const size_t cuts[] = { 1, 2, 3, 4, 5, 6, 7, 11, 13, 50, 100, 333, 1000 };
    halo_tls_context *old = client_context(only_tls12);

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cuts); i++) {
        struct pair pair;

        for (int version = 0; version < 2; version++) {
            pair_init(&pair, server, version == 0 ? client : old, "localhost");
            pair.cut = cuts[i];
            pair_open(&pair);
            end_write(&pair.client, "in pieces", 9);
            pair_run(&pair);
            end_expect(&pair.server, "in pieces", 9);
            pair_free(&pair);
        }
    }
    halo_tls_context_free(old);
}

/* The first flight cut in two at every octet, and in records of every size. */
static void client_hello_split_everywhere(void **state)
{
    struct pair pair;
    uint8_t *hello;
    size_t len;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    len = pair.client.transport->output_len;
    pair_free(&pair);
    for (size_t at = 1; at < len; at++) {
        size_t now;

        pair_init(&pair, server, client, "localhost");
        hello = end_take_output(&pair.client, &now);
        assert_int_equal(now, len);
        end_feed(&pair, &pair.server, hello, at);
        assert_int_equal(pair.server.transport->output_len, 0);
        end_feed(&pair, &pair.server, hello + at, len - at);
        free(hello);
        pair_open(&pair);
        pair_free(&pair);
    }
    for (size_t size = 1; size < len; size += 1 + size / 8) {
        pair_init(&pair, server, client, "localhost");
        hello = end_take_output(&pair.client, &len);
        for (size_t at = 5; at < len; at += size) {
            size_t n = min_size(size, len - at);
            uint8_t record[5] = { 22, 3, 1, (uint8_t)(n >> 8), (uint8_t)n };

            end_feed(&pair, &pair.server, record, 5);
            end_feed(&pair, &pair.server, hello + at, n);
        }
        free(hello);
        pair_open(&pair);
        pair_free(&pair);
    }
}

static void only_p384(struct halo_tls_options *options)
{
    options->groups = "P-384";
}

static void p256_then_p384(struct halo_tls_options *options)
{
    options->groups = "P-256:P-384";
}

/* The server wants another group: HelloRetryRequest and a second ClientHello, in all pieces. */
static void hello_retry_request(void **state)
{
    halo_tls_context *wants = server_context("server", only_p384);
    halo_tls_context *offers = client_context(p256_then_p384);

    (void)state;
    for (size_t cut = 0; cut < 20; cut++) {
        struct pair pair;

        pair_init(&pair, wants, offers, "localhost");
        pair.cut = cut;
        pair_open(&pair);
        pair_free(&pair);
    }
    halo_tls_context_free(wants);
    halo_tls_context_free(offers);
}

static void only_p521(struct halo_tls_options *options)
{
    options->groups = "P-521";
}

static void nothing_in_common(void **state)
{
    halo_tls_context *wants = server_context("server", only_p384);
    halo_tls_context *offers = client_context(only_p521);

    (void)state;
    check_bad(offers, wants, "localhost", HALO_E_TLS, "alert 40 (handshake failure)", HALO_E_TLS,
              "there is no group in common");
    halo_tls_context_free(wants);
    halo_tls_context_free(offers);
}

/* ---- the end ----------------------------------------------------------------------------- */

static void transports_freed_at_any_stage(void **state)
{
    (void)state;
    for (size_t limit = 0;; limit++) {
        struct pair pair;
        size_t moved = 0;
        bool done;

        pair_init(&pair, server, client, "localhost");
        pair.cut = 1;
        while (moved < limit &&
               (pair.client.transport->output_len > 0 || pair.server.transport->output_len > 0)) {
            struct end *from = pair.client.transport->output_len > 0 ? &pair.client : &pair.server;
            struct end *to = from == &pair.client ? &pair.server : &pair.client;
            struct iovec iov;
            uint8_t octets[16];
            size_t n;

            assert_int_equal(from->transport->ops->output(from->transport, &iov, 1), 1);
            n = min_size(iov.iov_len, sizeof(octets));
            memcpy(octets, iov.iov_base, n);
            from->transport->ops->sent(from->transport, n);
            end_feed(&pair, to, octets, n);
            moved++;
        }
        done = moved < limit;
        pair_free(&pair);
        if (done) {
            break;
        }
    }
}

static void end_of_input_in_the_handshake(void **state)
{
    struct pair pair;

    (void)state;
    for (int stage = 0; stage < 4; stage++) {
        pair_init(&pair, server, client, "localhost");
        if (stage == 1) {
            end_feed(&pair, &pair.server, "\x16\x03\x01", 3);
        }
        if (stage >= 2) {
            pair_move(&pair, &pair.client, &pair.server);
        }
        if (stage >= 3) {
            pair_move(&pair, &pair.server, &pair.client);
            assert_int_equal(pair.client.state, TRANSPORT_OPEN);
        }
        pair.server.transport->ops->feed_end(pair.server.transport);
        end_read(&pair, &pair.server);
        end_expect_failure(&pair.server, HALO_E_EOF, "closed the connection");
        pair.client.transport->ops->feed_end(pair.client.transport);
        end_read(&pair, &pair.client);
        end_expect_failure(&pair.client, HALO_E_EOF, "closed the connection");
        pair_free(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls13_is_the_default),
        cmocka_unit_test(tls12_works),
        cmocka_unit_test(all_kinds_of_keys_work),
        cmocka_unit_test(versions_without_overlap),
        cmocka_unit_test(names_of_the_certificate),
        cmocka_unit_test(names_that_are_asked_for),
        cmocka_unit_test(names_that_are_none),
        cmocka_unit_test(certificates_that_are_refused),
        cmocka_unit_test(ca_that_is_not_trusted),
        cmocka_unit_test(insecure_accepts_all),
        cmocka_unit_test(mutual_authentication),
        cmocka_unit_test(context_by_name),
        cmocka_unit_test(protocols),
        cmocka_unit_test(handshake_in_pieces),
        cmocka_unit_test(client_hello_split_everywhere),
        cmocka_unit_test(hello_retry_request),
        cmocka_unit_test(nothing_in_common),
        cmocka_unit_test(transports_freed_at_any_stage),
        cmocka_unit_test(end_of_input_in_the_handshake),
    };
    return cmocka_run_group_tests(tests, contexts_make, contexts_free);
}
