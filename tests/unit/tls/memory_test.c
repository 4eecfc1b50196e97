/*
 * What the TLS library allocates for one connection: never more than the constant that the bound of a
 * connection promises (TLS_LIBRARY_MEMORY_MAX), in the handshake and afterwards, in both roles. Each end is
 * measured alone, although both are on one thread. With -Dwolfssl=system nothing is measured.
 *
 * HALO_TLS_MEMORY=1 in the environment prints the figures.
 */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "tls/limits.h"
#include "tls/records.h"
#include "tls/transport.h"

/* ---- measuring ----------------------------------------------------------------------------------- */

struct measured {
    size_t in_use;
    size_t peak;
};

struct play {
    struct pair pair;
    struct measured client;
    struct measured server;
    size_t before; /* what was in use when the measured step began */
};

static size_t in_use(void)
{
    struct tls_heap heap;

    tls_heap_read(&heap);
    return tls_heap_in_use(&heap);
}

static void step_begin(struct play *play)
{
    play->before = in_use();
    tls_heap_forget_peak();
}

static void step_end(struct play *play, struct measured *end)
{
    struct tls_heap heap;

    tls_heap_read(&heap);
    end->peak = max_size(end->peak, end->in_use + heap.peak - play->before);
    end->in_use = end->in_use + tls_heap_in_use(&heap) - play->before;
}

static void measured_move(struct play *play, struct end *from, struct end *to, struct measured *at)
{
    size_t len;
    uint8_t *octets = end_take_output(from, &len);

    step_begin(play);
    end_feed(&play->pair, to, octets, len);
    step_end(play, at);
    free(octets);
}

static void measured_run(struct play *play)
{
    struct pair *pair = &play->pair;

    while (pair->client.transport->output_len > 0 || pair->server.transport->output_len > 0) {
        measured_move(play, &pair->client, &pair->server, &play->server);
        measured_move(play, &pair->server, &pair->client, &play->client);
    }
}

static void measured_write(struct play *play, struct end *end, struct measured *at, size_t len)
{
    static uint8_t octets[64 * 1024];

    step_begin(play);
    end_write(end, octets, len);
    step_end(play, at);
}

static void open_measured(struct play *play, halo_tls_context *server, halo_tls_context *client,
                          size_t cut)
{
    *play = (struct play){ 0 };
    step_begin(play);
    pair_init(&play->pair, server, client, "localhost"); /* the server's end has nothing yet */
    play->pair.cut = cut;
    step_end(play, &play->client);
    measured_run(play);
    if (play->pair.client.state == TRANSPORT_FAILED ||
        play->pair.server.state == TRANSPORT_FAILED) {
        fail_msg("%s / %s", play->pair.client.transport->error.reason,
                 play->pair.server.transport->error.reason);
    }
    assert_int_equal(play->pair.client.state, TRANSPORT_OPEN);
    assert_int_equal(play->pair.server.state, TRANSPORT_OPEN);
}

/* Both peaks are within the bound; the larger one is not negligible. */
static void check(const struct play *play, const char *what)
{
    size_t most = max_size(play->client.peak, play->server.peak);

    if (getenv("HALO_TLS_MEMORY") != NULL) {
        print_message("%s: client %zu, then %zu; server %zu, then %zu\n", what, play->client.peak,
                      play->client.in_use, play->server.peak, play->server.in_use);
    }
    assert_true(most <= TLS_LIBRARY_MEMORY_MAX);
    assert_true(in_use() == 0 || most > 4096);
}

static void end_measured(struct play *play, halo_tls_context *server, halo_tls_context *client)
{
    pair_free(&play->pair);
    halo_tls_context_free(server);
    halo_tls_context_free(client);
}

/* Records of all sizes, and many at once, in both directions. */
static void talk(struct play *play)
{
    static const size_t sizes[] = { 1, 500, 4000, 16384, 65536 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int round = 0; round < 3; round++) {
            measured_write(play, &play->pair.client, &play->client, sizes[i]);
            measured_write(play, &play->pair.server, &play->server, sizes[i]);
            measured_run(play);
        }
    }
    play->pair.client.received_len = 0;
    play->pair.server.received_len = 0;
}

static void play_all(const char *what, halo_tls_context *server, halo_tls_context *client)
{
    static const size_t cuts[] = { 0, 1400, 1 };
    struct play play;

    for (size_t i = 0; i < 3; i++) {
        open_measured(&play, server, client, cuts[i]);
        talk(&play);
        check(&play, what);
        pair_free(&play.pair);
    }
    halo_tls_context_free(server);
    halo_tls_context_free(client);
}

/* ---- tests --------------------------------------------------------------------------------------- */

static void test_library_memory_of_handshakes(void **state)
{
    (void)state;
    play_all("ecdsa", server_context("server", NULL), client_context(NULL));
    play_all("rsa", server_context("rsa", NULL), client_context(NULL));
    play_all("ed25519", server_context("ed25519", NULL), client_context(NULL));
    play_all("chain", server_context("chain", NULL), client_context(NULL));
    play_all("tls 1.2", server_context("rsa", only_tls12), client_context(NULL));
}

static void keep_certificate(struct halo_tls_options *options)
{
    options->keep_peer_certificate = 1;
}

static void asks_for_certificate(struct halo_tls_options *options)
{
    options->verify = HALO_TLS_VERIFY_REQUIRED;
    options->ca_file = certificate_path("ca.pem");
    keep_certificate(options);
}

static void has_big_certificate(struct halo_tls_options *options)
{
    options->certificate_file = certificate_path("big.pem");
    options->private_key_file = certificate_path("big.key");
    keep_certificate(options);
}

static void asks_in_tls12(struct halo_tls_options *options)
{
    asks_for_certificate(options);
    only_tls12(options);
}

/* Certificates as large as they can be, of both ends: RSA 4096, a hundred names, a comment of 8 KiB, and six
 * authorities behind them. */
static void test_library_memory_of_big_certificates(void **state)
{
    (void)state;
    certificates_run(
        "exec >biglog 2>&1; names=DNS:localhost; i=0; "
        "while [ $i -lt 100 ]; do names=$names,DNS:a-rather-long-name-number-$i.halo.test; "
        "i=$((i+1)); done; "
        "openssl genrsa -out big.key 4096; "
        "openssl req -new -key big.key -subj /CN=big -out big.csr; "
        "{ echo subjectAltName=$names; printf nsComment=; head -c 8000 /dev/zero | tr '\\0' c; "
        "echo; } "
        ">big.ext; "
        "openssl x509 -req -in big.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile big.ext "
        "-days 30 -out bigleaf.pem; "
        "cat bigleaf.pem middle.pem middle.pem middle.pem middle.pem middle.pem ca.pem >big.pem");
    play_all("big", server_context("big", asks_for_certificate),
             client_context(has_big_certificate));
    play_all("big, tls 1.2", server_context("big", asks_in_tls12),
             client_context(has_big_certificate));
}

/* The handshake may fail, and does with some; what counts is what it takes. */
static void play_hostile(const char *what, const char *script,
                         void (*server_change)(struct halo_tls_options *options))
{
    halo_tls_context *server;
    halo_tls_context *client;
    struct play play = { 0 };

    certificates_run(script);
    server = server_context("server", server_change);
    client = client_context(has_big_certificate);
    step_begin(&play);
    pair_init(&play.pair, server, client, "localhost");
    step_end(&play, &play.client);
    measured_run(&play);
    check(&play, what);
    end_measured(&play, server, client);
}

#define SIGN_BIG                                                                                   \
    "openssl x509 -req -in big.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile big.ext "     \
    "-days 30 -out big.pem"

/* A client's certificate that is made to cost memory: hundreds of short names, the longest comment, many
 * certificates. */
static void test_library_memory_of_hostile_certificates(void **state)
{
    (void)state;
    play_hostile(
        "names",
        "exec >biglog 2>&1; names=DNS:localhost; i=0; while [ $i -lt 1000 ]; do "
        "names=$names,DNS:a; i=$((i+1)); done; { echo subjectAltName=$names; printf nsComment=; "
        "head -c 4000 /dev/zero | tr '\\0' c; echo; } >big.ext; " SIGN_BIG "; cp big.pem names.pem",
        asks_for_certificate);
    play_hostile(
        "comment",
        "exec >biglog 2>&1; { printf nsComment=; head -c 14000 /dev/zero | tr '\\0' c; echo; } "
        ">big.ext; " SIGN_BIG,
        asks_in_tls12);
    play_hostile("chain of comments",
                 "exec >biglog 2>&1; cp big.pem one.pem; cat one.pem one.pem >>big.pem",
                 asks_for_certificate);
    play_hostile("chain of names",
                 "exec >biglog 2>&1; cp names.pem big.pem; for i in 1; do "
                 "cat names.pem >>big.pem; done",
                 asks_for_certificate);
    play_hostile("chain of names, tls 1.2", "true", asks_in_tls12);
}

static void only_p521(struct halo_tls_options *options)
{
    options->groups = "P-521";
}

static void p256_then_p521(struct halo_tls_options *options)
{
    options->groups = "P-256:P-521";
}

/* A second ClientHello, and the largest group. */
static void test_library_memory_of_a_retry(void **state)
{
    (void)state;
    play_all("retry", server_context("rsa", only_p521), client_context(p256_then_p521));
}

static void test_library_memory_of_key_updates(void **state)
{
    halo_tls_context *server = server_context("rsa", NULL);
    halo_tls_context *client = client_context(NULL);
    struct play play;

    (void)state;
    open_measured(&play, server, client, 0);
    for (int i = 0; i < TLS_KEY_UPDATES_MAX; i++) {
        step_begin(&play);
        assert_true(tls_records_update(tls_of(play.pair.client.transport), true));
        step_end(&play, &play.client);
        talk(&play);
    }
    check(&play, "key updates");
    end_measured(&play, server, client);
}

/* Half a record of the largest size, and no end of it. */
static void test_library_memory_of_an_unfinished_record(void **state)
{
    halo_tls_context *server = server_context("rsa", NULL);
    halo_tls_context *client = client_context(only_tls12); /* else no octet is wolfSSL's */
    struct play play;
    uint8_t *octets;
    size_t len;

    (void)state;
    open_measured(&play, server, client, 0);
    talk(&play); /* full records from here on */
    measured_write(&play, &play.pair.client, &play.client, 16384);
    octets = end_take_output(&play.pair.client, &len);
    assert_true(len > 16384);
    step_begin(&play);
    end_feed(&play.pair, &play.pair.server, octets, len - 1);
    step_end(&play, &play.server);
    assert_int_equal(play.pair.server.received_len, 0);
    assert_true(in_use() == 0 || play.server.in_use > 16384);
    check(&play, "unfinished record");
    free(octets);
    end_measured(&play, server, client);
}

/* What the cache of a thread holds is within its bound, too. */
static void test_library_memory_of_the_thread(void **state)
{
    struct tls_heap heap;

    (void)state;
    tls_heap_read(&heap);
    assert_true(heap.cached <= tls_thread_memory_bound());
    assert_int_equal(tls_heap_in_use(&heap), heap.live > 0 ? tls_heap_in_use(&heap) : 0);
    tls_thread_exit();
    tls_heap_read(&heap);
    assert_int_equal(heap.cached, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_library_memory_of_handshakes),
        cmocka_unit_test(test_library_memory_of_big_certificates),
        cmocka_unit_test(test_library_memory_of_hostile_certificates),
        cmocka_unit_test(test_library_memory_of_a_retry),
        cmocka_unit_test(test_library_memory_of_key_updates),
        cmocka_unit_test(test_library_memory_of_an_unfinished_record),
        cmocka_unit_test(test_library_memory_of_the_thread),
    };
    return cmocka_run_group_tests(tests, certificates_make, certificates_remove);
}
