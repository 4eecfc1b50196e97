/* What hostile or broken peers do, and what happens when memory runs out at any place. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "hellos.inc"
#include "tls/limits.h"
#include "tls/records.h"
#include "tls/transport.h"

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

/* ---- the first flight -------------------------------------------------------------------- */

/* Feeds a server; checks the sentence, and the one alert that it answers (-1: nothing). */
static void check_first_flight(const void *data, size_t len, int status, const char *text,
                               int alert)
{
    for (size_t cut = 0; cut < 3; cut++) {
        struct pair pair;
        uint8_t *answer;
        size_t answer_len;

        pair_init(&pair, server, NULL, NULL);
        pair.cut = cut;
        end_feed(&pair, &pair.server, data, len);
        end_expect_failure(&pair.server, status, text);
        answer = end_take_output(&pair.server, &answer_len);
        if (alert < 0) {
            assert_int_equal(answer_len, 0);
        } else {
            const uint8_t record[] = { 21, 3, 3, 0, 2, 2, (uint8_t)alert };

            assert_int_equal(answer_len, sizeof(record));
            assert_memory_equal(answer, record, sizeof(record));
            assert_int_equal(pair.server.transport->error.tls_code, alert);
        }
        free(answer);
        pair_free(&pair);
    }
}

static void clients_without_tls(void **state)
{
    static const char h2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    static const char h1[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    (void)state;
    check_first_flight(h2, sizeof(h2) - 1, HALO_E_TLS, "the client speaks HTTP/2 without TLS", -1);
    check_first_flight(h1, sizeof(h1) - 1, HALO_E_TLS, "the client speaks HTTP/1 without TLS", -1);
    check_first_flight("\1\2\3\4\5\6", 6, HALO_E_TLS, "does not speak TLS", 10);
}

static void servers_without_tls(void **state)
{
    static const struct {
        const char *octets;
        const char *text;
    } cases[] = {
        { "HTTP/1.1 400 Bad Request\r\n\r\n", "the server speaks HTTP/1 without TLS on this port" },
        { "SSH-2.0-server\r\n", "the server does not speak TLS on this port" },
        { "\1\1\1\4\1\1\1\1\1", "the server does not speak TLS on this port" },
    };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        for (size_t cut = 0; cut < 3; cut++) {
            struct pair pair;

            pair_init(&pair, NULL, client, "localhost");
            pair.cut = cut;
            end_feed(&pair, &pair.client, cases[i].octets, strlen(cases[i].octets));
            end_expect_failure(&pair.client, HALO_E_TLS, cases[i].text);
            pair_free(&pair);
        }
    }
}

/* Finds octets in a hello; they must occur once. */
static size_t find(const uint8_t *hello, size_t len, const char *octets, size_t count)
{
    uint8_t *at = memmem(hello, len, octets, count);

    assert_non_null(at);
    assert_null(memmem(at + 1, len - (size_t)(at + 1 - hello), octets, count));
    return (size_t)(at - hello);
}

static void hellos_that_are_refused(void **state)
{
    uint8_t hello[sizeof(hello_openssl)];
    size_t alpn = find(hello_openssl, sizeof(hello_openssl), "\x00\x0c\x02h2\x08http/1.1", 14);
    size_t versions = find(hello_openssl, sizeof(hello_openssl), "\x00\x2b\x00\x09\x08", 5);

    (void)state;
    memcpy(hello, hello_openssl, sizeof(hello));
    hello[alpn + 2] = 0;
    check_first_flight(hello, sizeof(hello), HALO_E_TLS,
                       "bad ClientHello: its ALPN list is malformed", 50);

    memcpy(hello, hello_openssl, sizeof(hello));
    memcpy(hello + alpn,
           "\x00\x0c\x03"
           "ftp\x07"
           "a\nbcdef",
           14);
    check_first_flight(hello, sizeof(hello), HALO_E_ALPN, "the client offers ftp, a?bcdef", 120);

    memcpy(hello, hello_openssl, sizeof(hello));
    memcpy(hello + versions + 5, "\x03\x02\x03\x01\x03\x02\x03\x01", 8);
    check_first_flight(hello, sizeof(hello), HALO_E_TLS, "does not offer TLS 1.2 or 1.3", 70);
}

/* RFC 9113 3.2: "h2c" is no protocol of TLS. */
static void test_trap_T35_no_h2c_over_tls(void **state)
{
    static uint8_t hello[sizeof(hello_openssl)];
    size_t alpn = find(hello_openssl, sizeof(hello_openssl), "\x00\x0c\x02h2\x08http/1.1", 14);

    (void)state;
    memcpy(hello, hello_openssl, sizeof(hello));
    memcpy(hello + alpn + 2, "\x03h2c\x07h2c-16x", 12);
    check_first_flight(hello, sizeof(hello), HALO_E_ALPN, "the client offers h2c, h2c-16x", 120);
}

/* A client without ALPN is let in; what to do with it is not decided here. */
static void client_without_alpn(void **state)
{
    static uint8_t hello[sizeof(hello_openssl)];
    size_t alpn = find(hello_openssl, sizeof(hello_openssl), "\x00\x10\x00\x0e\x00\x0c\x02h2", 9);
    struct pair pair;

    (void)state;
    memcpy(hello, hello_openssl, sizeof(hello));
    hello[alpn] = 0x3a; /* a type that nobody knows */
    hello[alpn + 1] = 0x3a;
    pair_init(&pair, server, NULL, NULL);
    end_feed(&pair, &pair.server, hello, sizeof(hello));
    assert_int_equal(pair.server.state, TRANSPORT_HANDSHAKE);
    assert_true(pair.server.transport->output_len > 500);
    pair_free(&pair);
}

/* Until a ClientHello is complete, a connection has cost no memory of wolfSSL's. */
static void waiting_costs_little(void **state)
{
    struct tls_heap before;
    struct tls_heap after;
    struct pair pair;

    (void)state;
    tls_heap_read(&before);
    pair_init(&pair, server, NULL, NULL);
    for (size_t i = 0; i < sizeof(hello_curl) - 1; i++) {
        end_feed(&pair, &pair.server, hello_curl + i, 1);
        assert_int_equal(pair.server.state, TRANSPORT_HANDSHAKE);
    }
    tls_heap_read(&after);
    assert_int_equal(after.live, before.live);
    assert_int_equal(pair.memory.chunks_in_use, 0);
    assert_int_equal(pair.memory.live, 2); /* the transport and the hello's memory */
    pair_free(&pair);
}

/* A hello in as many records as it has octets is fine; one that is padded to the utmost is not. */
static void hello_in_too_many_octets(void **state)
{
    uint8_t record[6] = { 22, 3, 1, 0, 1, 0 };
    struct pair pair;
    size_t fed = 0;

    (void)state;
    pair_init(&pair, server, NULL, NULL);
    for (size_t i = 0; pair.server.state == TRANSPORT_HANDSHAKE; i++) {
        static const uint8_t head[] = { 1, 0, 0x3f, 0xfc };

        record[5] = i < sizeof(head) ? head[i] : 0;
        end_feed(&pair, &pair.server, record, sizeof(record));
        fed += sizeof(record);
    }
    end_expect_failure(&pair.server, HALO_E_LIMIT, "the handshake is too long");
    assert_in_range(fed, TLS_HANDSHAKE_OCTETS_MAX, TLS_HANDSHAKE_OCTETS_MAX + 6);
    pair_free(&pair);
}

static void only_p384(struct halo_tls_options *options)
{
    options->groups = "P-384";
}

static void p256_then_p384(struct halo_tls_options *options)
{
    options->groups = "P-256:P-384";
}

/* The second ClientHello goes through the same gate. */
static void second_hello_is_checked_too(void **state)
{
    halo_tls_context *wants = server_context("server", only_p384);
    halo_tls_context *offers = client_context(p256_then_p384);
    struct pair pair;
    uint8_t *flight;
    size_t len;
    uint8_t *alpn;

    (void)state;
    pair_init(&pair, wants, offers, "localhost");
    pair_move(&pair, &pair.client, &pair.server);
    assert_int_equal(pair.server.state, TRANSPORT_HANDSHAKE);
    pair_move(&pair, &pair.server, &pair.client);
    flight = end_take_output(&pair.client, &len);
    alpn = memmem(flight, len, "\x00\x10\x00\x05\x00\x03\x02h2", 9);
    assert_non_null(alpn);
    alpn[6] = 9;
    end_feed(&pair, &pair.server, flight, len);
    end_expect_failure(&pair.server, HALO_E_TLS, "bad ClientHello: its ALPN list is malformed");
    free(flight);
    flight = end_take_output(&pair.server, &len);
    assert_int_equal(len, 7);
    assert_int_equal(flight[6], 50);
    free(flight);
    pair_free(&pair);
    halo_tls_context_free(wants);
    halo_tls_context_free(offers);
}

/* ---- a server that does not know ALPN ---------------------------------------------------- */

struct raw_server {
    WOLFSSL *ssl;
    uint8_t in[8192];
    size_t in_len;
    size_t in_read;
    uint8_t out[8192];
    size_t out_len;
};

static int raw_receive(WOLFSSL *ssl, char *out, int len, void *ctx)
{
    struct raw_server *raw = ctx;
    size_t n = min_size((size_t)len, raw->in_len - raw->in_read);

    (void)ssl;
    memcpy(out, raw->in + raw->in_read, n);
    raw->in_read += n;
    return n == 0 ? WOLFSSL_CBIO_ERR_WANT_READ : (int)n;
}

static int raw_transmit(WOLFSSL *ssl, char *data, int len, void *ctx)
{
    struct raw_server *raw = ctx;

    (void)ssl;
    assert_true(raw->out_len + (size_t)len <= sizeof(raw->out));
    memcpy(raw->out + raw->out_len, data, (size_t)len);
    raw->out_len += (size_t)len;
    return len;
}

static void server_without_alpn(void **state)
{
    WOLFSSL_CTX *wolf = wolfSSL_CTX_new(wolfSSLv23_server_method());
    struct raw_server raw = { 0 };
    struct pair pair;
    uint8_t *flight;
    size_t len;

    (void)state;
    assert_non_null(wolf);
    assert_int_equal(wolfSSL_CTX_use_certificate_file(wolf, certificate_path("server.pem"),
                                                      WOLFSSL_FILETYPE_PEM),
                     WOLFSSL_SUCCESS);
    assert_int_equal(
        wolfSSL_CTX_use_PrivateKey_file(wolf, certificate_path("server.key"), WOLFSSL_FILETYPE_PEM),
        WOLFSSL_SUCCESS);
    wolfSSL_CTX_SetIORecv(wolf, raw_receive);
    wolfSSL_CTX_SetIOSend(wolf, raw_transmit);
    raw.ssl = wolfSSL_new(wolf);
    assert_non_null(raw.ssl);
    wolfSSL_SetIOReadCtx(raw.ssl, &raw);
    wolfSSL_SetIOWriteCtx(raw.ssl, &raw);

    pair_init(&pair, NULL, client, "localhost");
    flight = end_take_output(&pair.client, &len);
    assert_true(len <= sizeof(raw.in));
    memcpy(raw.in, flight, len);
    raw.in_len = len;
    free(flight);
    (void)wolfSSL_accept(raw.ssl);
    assert_true(raw.out_len > 0);
    end_feed(&pair, &pair.client, raw.out, raw.out_len);
    end_expect_failure(&pair.client, HALO_E_ALPN, "the server does not speak HTTP/2");
    pair_free(&pair);
    wolfSSL_free(raw.ssl);
    wolfSSL_CTX_free(wolf);
}

/* ---- floods ------------------------------------------------------------------------------ */

static void update_keys(struct end *end)
{
    assert_true(tls_records_update(tls_of(end->transport), true));
}

static void key_updates_work(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    /* Within a minute, and again in the next ones. */
    for (int minute = 0; minute < 4; minute++) {
        for (int i = 0; i < TLS_KEY_UPDATES_MAX; i++) {
            update_keys(&pair.client);
            end_write(&pair.client, "a", 1);
            pair_run(&pair);
            end_write(&pair.server, "b", 1);
            pair_run(&pair);
            end_expect(&pair.server, "a", 1);
            end_expect(&pair.client, "b", 1);
            assert_int_equal(pair.server.state, TRANSPORT_OPEN);
        }
        pair.now_ns += TLS_KEY_UPDATES_NS;
    }
    pair_free(&pair);
}

static void key_update_flood_ends(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    for (int i = 0; i < TLS_KEY_UPDATES_MAX + 1; i++) {
        assert_int_equal(pair.server.state, TRANSPORT_OPEN);
        update_keys(&pair.client);
        end_write(&pair.client, "a", 1);
        pair_run(&pair);
    }
    end_expect_failure(&pair.server, HALO_E_LIMIT, "too many key updates");
    pair_free(&pair);
}

/* Records without data. They are key updates, one a minute, so that only their number in a row
 * counts. */
static void send_barren_records(struct pair *pair, int count)
{
    for (int i = 0; i < count; i++) {
        update_keys(&pair->client);
        pair_move(pair, &pair->client, &pair->server);
        pair->now_ns += TLS_KEY_UPDATES_NS;
    }
}

static void barren_record_flood_ends(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    for (int round = 0; round < 3; round++) {
        send_barren_records(&pair, TLS_BARREN_RECORDS_MAX);
        end_write(&pair.client, "a", 1);
        pair_move(&pair, &pair.client, &pair.server);
        end_expect(&pair.server, "a", 1);
        assert_int_equal(pair.server.state, TRANSPORT_OPEN);
    }
    send_barren_records(&pair, TLS_BARREN_RECORDS_MAX + 1);
    assert_int_equal(pair.server.state, TRANSPORT_OPEN);
    send_barren_records(&pair, 1);
    end_expect_failure(&pair.server, HALO_E_LIMIT, "records without data");
    pair_free(&pair);
}

/* What is queued is worked off before the end of input is told, also when it was never read
 * before. */
static void many_feeds_before_a_read(void **state)
{
    struct pair pair;
    uint8_t octets[1000];
    uint8_t *wire;
    size_t len;

    (void)state;
    memset(octets, 'x', sizeof(octets));
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    end_write(&pair.client, octets, sizeof(octets));
    wire = end_take_output(&pair.client, &len);
    for (size_t i = 0; i < len; i++) {
        halo_slice slice;

        assert_int_equal(halo_slice_copy(&slice, wire + i, 1), 0);
        pair.server.transport->ops->feed(pair.server.transport, &slice);
    }
    end_read(&pair, &pair.server);
    end_expect(&pair.server, octets, sizeof(octets));
    free(wire);
    pair_free(&pair);
}

/* ---- no memory --------------------------------------------------------------------------- */

struct failing {
    size_t left; /* allocations that still succeed */
};

static void *failing_alloc(size_t size, void *ctx)
{
    struct failing *failing = ctx;

    if (failing->left == 0) {
        return NULL;
    }
    failing->left--;
    return malloc(size);
}

static void *failing_resize(void *old, size_t size, void *ctx)
{
    struct failing *failing = ctx;

    if (failing->left == 0) {
        return NULL;
    }
    failing->left--;
    return realloc(old, size);
}

static void failing_release(void *memory, void *ctx)
{
    (void)ctx;
    free(memory);
}

/* Moves octets without expecting anything, and without memory of the pair's. */
static void run_anyhow(struct pair *pair)
{
    for (int i = 0; i < 10; i++) {
        pair_move(pair, &pair->client, &pair->server);
        pair_move(pair, &pair->server, &pair->client);
    }
}

/* A handshake and some data, in which things may fail; then everything must be freed. Returns
 * whether all went well. */
static bool try_connection(struct failing *failing, size_t heap_fails_at, bool forever)
{
    const halo_allocator allocator = { failing_alloc, failing_resize, failing_release, failing };
    static uint8_t octets[20000];
    struct iovec iov = { octets, sizeof(octets) };
    struct pair pair = { 0 };
    bool good = false;

    memory_init(&pair.memory, &allocator);
    tls_heap_fail(heap_fails_at, forever);
    pair.server.transport = tls_transport_new(&pair.memory, server, NULL, NULL);
    pair.client.transport = tls_transport_new(&pair.memory, client, "localhost", NULL);
    if (pair.server.transport != NULL && pair.client.transport != NULL) {
        run_anyhow(&pair);
        (void)pair.client.transport->ops->write(pair.client.transport, &iov, 1, sizeof(octets));
        (void)pair.server.transport->ops->write(pair.server.transport, &iov, 1, sizeof(octets));
        run_anyhow(&pair);
        pair.client.transport->ops->shutdown(pair.client.transport);
        run_anyhow(&pair);
        good = pair.server.state == TRANSPORT_CLOSED &&
               pair.server.received_len == sizeof(octets) &&
               pair.client.received_len == sizeof(octets);
        if (heap_fails_at == 0 && pair.server.transport->state == TRANSPORT_FAILED) {
            end_expect_failure(&pair.server, HALO_E_NOMEM, "out of memory");
        }
        if (heap_fails_at == 0 && pair.client.transport->state == TRANSPORT_FAILED) {
            end_expect_failure(&pair.client, HALO_E_NOMEM, "out of memory");
        }
    }
    tls_heap_fail(0, false);
    pair_free(&pair);
    return good;
}

static void each_allocation_of_ours_fails(void **state)
{
    size_t count = 0;

    (void)state;
    for (;; count++) {
        struct failing failing = { count };

        if (try_connection(&failing, 0, false)) {
            break;
        }
    }
    assert_in_range(count, 5, 100);
}

static void each_allocation_of_wolfssl_fails(void **state)
{
    struct tls_heap before;
    struct tls_heap after;
    size_t count;

    (void)state;
    /* What wolfSSL keeps for ever it has by now. */
    assert_true(try_connection(&(struct failing){ SIZE_MAX }, 0, false));
    tls_heap_read(&before);
    if (before.mallocs == 0) {
        skip(); /* wolfSSL's allocator is not ours */
    }
    count = before.allocations;
    assert_true(try_connection(&(struct failing){ SIZE_MAX }, 0, false));
    tls_heap_read(&before);
    count = before.allocations - count;
    assert_in_range(count, 100, 5000);
    /* Some are not missed: then the connection works. */
    for (size_t n = 1; n <= count; n++) {
        (void)try_connection(&(struct failing){ SIZE_MAX }, n, false);
        assert_false(try_connection(&(struct failing){ SIZE_MAX }, n, true));
        tls_heap_read(&after);
        assert_int_equal(after.live, before.live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_without_tls),
        cmocka_unit_test(servers_without_tls),
        cmocka_unit_test(hellos_that_are_refused),
        cmocka_unit_test(test_trap_T35_no_h2c_over_tls),
        cmocka_unit_test(client_without_alpn),
        cmocka_unit_test(waiting_costs_little),
        cmocka_unit_test(hello_in_too_many_octets),
        cmocka_unit_test(second_hello_is_checked_too),
        cmocka_unit_test(server_without_alpn),
        cmocka_unit_test(key_updates_work),
        cmocka_unit_test(key_update_flood_ends),
        cmocka_unit_test(barren_record_flood_ends),
        cmocka_unit_test(many_feeds_before_a_read),
        cmocka_unit_test(each_allocation_of_ours_fails),
        cmocka_unit_test(each_allocation_of_wolfssl_fails),
    };
    return cmocka_run_group_tests(tests, contexts_make, contexts_free);
}
