/* Contexts: what can be loaded, and that every failure is told in a sentence that helps. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <pthread.h>

/* Options of a server that works. */
static void good_server(struct halo_tls_options *options)
{
    halo_tls_options_init(options);
    options->role = HALO_TLS_SERVER;
    options->certificate_file = certificate_path("server.pem");
    options->private_key_file = certificate_path("server.key");
}

static void good_client(struct halo_tls_options *options)
{
    halo_tls_options_init(options);
    options->role = HALO_TLS_CLIENT;
    options->ca_file = certificate_path("ca.pem");
}

static void expect_good(const struct halo_tls_options *options)
{
    halo_tls_context *context = NULL;
    char why[256] = "?";
    int status = halo_tls_context_new(&context, options, why, sizeof(why));

    if (status != 0) {
        fail_msg("%s: %s", halo_status_name(status), why);
    }
    assert_string_equal(why, "");
    assert_int_equal(halo_tls_context_role(context), options->role);
    halo_tls_context_free(context);
}

static void expect_bad(const struct halo_tls_options *options, int status, const char *text)
{
    halo_tls_context *context = (void *)&context;
    char why[256] = "?";
    int got = halo_tls_context_new(&context, options, why, sizeof(why));

    assert_null(context);
    if (got != status || strstr(why, text) == NULL) {
        fail_msg("got %s, \"%s\"; wanted %s, \"%s\"", halo_status_name(got), why,
                 halo_status_name(status), text);
    }
    /* Neither place nor sentence is needed, and a short place gets a short sentence. */
    assert_int_equal(halo_tls_context_new(&context, options, NULL, 0), status);
    memset(why, 'x', sizeof(why));
    assert_int_equal(halo_tls_context_new(&context, options, why, 5), status);
    assert_true(memchr(why, 0, 5) != NULL && why[5] == 'x');
}

static char *read_all(const char *name)
{
    FILE *file = fopen(certificate_path(name), "r");
    char *text = calloc(1, 65536);

    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) > 0);
    (void)fclose(file);
    return text;
}

static void identities_that_work(void **state)
{
    static const char *const keys[] = { "server.key", "both.pem" };
    char *certificate = read_all("chain.pem");
    char *key = read_all("chain.key");
    struct halo_tls_options options;

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(keys); i++) {
        good_server(&options);
        options.private_key_file = certificate_path(keys[i]);
        expect_good(&options);
    }
    good_server(&options);
    options.certificate_file = certificate_path("both.pem");
    options.private_key_file = certificate_path("both.pem");
    expect_good(&options);
    good_server(&options);
    options.certificate_file = certificate_path("rsa.pem");
    options.private_key_file = certificate_path("pkcs1.key");
    expect_good(&options);

    good_server(&options);
    options.certificate_file = NULL;
    options.private_key_file = NULL;
    options.certificate_pem = halo_str(certificate);
    options.private_key_pem = halo_str(key);
    expect_good(&options);
    free(certificate);
    free(key);
}

static void encrypted_keys(void **state)
{
    static const char *const files[] = { "locked.key", "locked128.key" };
    struct halo_tls_options options;

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(files); i++) {
        good_server(&options);
        options.private_key_file = certificate_path(files[i]);
        options.private_key_passphrase = "sesame";
        expect_good(&options);
        options.private_key_passphrase = "sesam";
        expect_bad(&options, HALO_E_TLS_CERTIFICATE, "passphrase is wrong");
        options.private_key_passphrase = "";
        expect_bad(&options, HALO_E_TLS_CERTIFICATE, "passphrase is wrong");
        options.private_key_passphrase = NULL;
        expect_bad(&options, HALO_E_TLS_CERTIFICATE, "private_key_passphrase is needed");
    }
    /* A passphrase that is not needed does no harm. */
    good_server(&options);
    options.private_key_passphrase = "sesame";
    expect_good(&options);

    good_server(&options);
    options.certificate_file = certificate_path("rsa.pem");
    options.private_key_file = certificate_path("old.key");
    options.private_key_passphrase = "sesame";
    if (library_is_recent()) {
        expect_bad(&options, HALO_E_TLS_CERTIFICATE, "openssl pkcs8 -topk8");
    }
}

static void identities_that_do_not_work(void **state)
{
    struct halo_tls_options options;
    char text[200];

    (void)state;
    good_server(&options);
    options.certificate_file = certificate_path("missing.pem");
    (void)snprintf(text, sizeof(text), "cannot read certificate %s: No such file",
                   options.certificate_file);
    expect_bad(&options, HALO_E_FILE, text);

    good_server(&options);
    options.private_key_file = certificate_path("missing.key");
    (void)snprintf(text, sizeof(text), "cannot read private key %s: No such file",
                   options.private_key_file);
    expect_bad(&options, HALO_E_FILE, text);

    good_server(&options);
    options.certificate_file = certificate_path("");
    expect_bad(&options, HALO_E_FILE, "Is a directory");

    good_server(&options);
    options.private_key_file = certificate_path("rsa.key");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "does not belong to the certificate in");
    options.private_key_file = certificate_path("other.key");
    if (library_is_recent()) {
        expect_bad(&options, HALO_E_TLS_CERTIFICATE, "does not belong to the certificate in");
    }
    options.private_key_file = certificate_path("ed25519.key");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "does not belong to the certificate in");

    good_server(&options);
    options.certificate_file = certificate_path("server.key");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "holds no certificate in PEM");
    good_server(&options);
    options.private_key_file = certificate_path("server.pem");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "holds no private key in PEM");

    certificates_run("head -c 300 server.pem >cut.pem; head -c 100 server.key >cut.key");
    certificates_run("sed '2s/^..../AAAA/' server.pem >broken.pem");
    certificates_run("sed '2s/^..../AAAA/' server.key >broken.key");
    good_server(&options);
    options.certificate_file = certificate_path("cut.pem");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "cut.pem cannot be used");
    options.certificate_file = certificate_path("broken.pem");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "broken.pem cannot be used");
    good_server(&options);
    options.private_key_file = certificate_path("cut.key");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "cut.key cannot be used");
    options.private_key_file = certificate_path("broken.key");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "broken.key");

    good_server(&options);
    options.certificate_file = certificate_path("weak.pem");
    options.private_key_file = certificate_path("weak.key");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "RSA key too small");

    good_server(&options);
    options.private_key_file = NULL;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "a certificate is given without a private key");
    good_server(&options);
    options.certificate_file = NULL;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "a private key is given without a certificate");
    options.private_key_file = NULL;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "a server needs a certificate");
    good_server(&options);
    options.certificate_pem = halo_str("x");
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "certificate_file and certificate_pem");
}

static void options_that_contradict(void **state)
{
    struct halo_tls_options options;

    (void)state;
    expect_bad(NULL, HALO_E_INVALID_ARGUMENT, "halo_tls_options_init");
    memset(&options, 0, sizeof(options));
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "halo_tls_options_init");
    halo_tls_options_init(&options);
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "role must be");
    options.role = 3;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "role must be");

    good_server(&options);
    options.version_min = 0x0301;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "version_min");
    good_server(&options);
    options.version_max = HALO_TLS_1_2;
    options.version_min = HALO_TLS_1_3;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "in order");
    good_server(&options);
    options.alpn = 0;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "alpn");
    options.alpn = 7;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "alpn");
    good_server(&options);
    options.insecure = 1;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "insecure is for clients");
    good_server(&options);
    options.verify = 9;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "verify");
    options.verify = HALO_TLS_VERIFY_REQUIRED;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "needs a CA");
    good_server(&options);
    options.ca_file = certificate_path("ca.pem");
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "nothing is verified");
    good_client(&options);
    options.verify = HALO_TLS_VERIFY_NONE;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "set insecure");
    options.verify = HALO_TLS_VERIFY_OPTIONAL;
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "set insecure");
}

static void ciphers_and_groups(void **state)
{
    static const char *const good[] = {
        "TLS13-AES128-GCM-SHA256", "TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES256-GCM-SHA384",
        "TLS13-CHACHA20-POLY1305-SHA256:TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    };
    static const struct {
        const char *list;
        const char *text;
    } bad[] = {
        { "", "no suite of TLS 1.3" },
        { "ECDHE-RSA-AES256-GCM-SHA384", "no suite of TLS 1.3" },
        { "TLS13-AES128-GCM-SHA256:AES128-SHA", "\"AES128-SHA\" is unknown, or HTTP/2 forbids it" },
        { "TLS13-AES128-GCM-SHA256::", "\"\" is unknown" },
        { "TLS13-AES128-GCM-SHA255", "\"TLS13-AES128-GCM-SHA255\" is unknown" },
        { "NULL-SHA256", "HTTP/2 forbids" },
        { "DHE-RSA-AES128-SHA", "HTTP/2 forbids" },
        { "ECDHE-RSA-AES128-SHA256", "HTTP/2 forbids" },
    };
    struct halo_tls_options options;

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(good); i++) {
        good_server(&options);
        options.ciphers = good[i];
        expect_good(&options);
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(bad); i++) {
        good_server(&options);
        options.ciphers = bad[i].list;
        expect_bad(&options, HALO_E_INVALID_ARGUMENT, bad[i].text);
    }
    good_server(&options);
    options.version_max = HALO_TLS_1_2;
    options.ciphers = "TLS13-AES128-GCM-SHA256";
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "no suite of TLS 1.2");
    options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    expect_good(&options);

    good_server(&options);
    options.groups = "P-256:x25519:secp384r1:P-521";
    expect_good(&options);
    options.groups = "P-256:P-257";
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "groups: \"P-257\" is unknown");
    options.groups = "X25519:x25519";
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "named twice");
    options.groups = "";
    expect_bad(&options, HALO_E_INVALID_ARGUMENT, "empty");
}

static size_t trusted(const struct halo_tls_options *options, size_t *skipped)
{
    halo_tls_context *context = NULL;
    char why[256] = "?";
    size_t count;

    if (halo_tls_context_new(&context, options, why, sizeof(why)) != 0) {
        fail_msg("%s", why);
    }
    count = halo_tls_context_trusted(context, skipped);
    halo_tls_context_free(context);
    return count;
}

static void authorities(void **state)
{
    char *one = read_all("ca.pem");
    struct halo_tls_options options;
    size_t skipped;

    (void)state;
    /* Key material, broken certificates and text between certificates do no harm in a bundle. */
    certificates_run("sed '2s/^..../AAAA/' server.pem >broken.pem");
    certificates_run(
        "{ cat ca.pem; echo text; cat server.key broken.pem other-ca.pem; } >bundle.pem");
    certificates_run("mkdir -p cas/sub; cp ca.pem cas/one.pem; cp other-ca.pem cas/0123abcd.0; "
                     "echo nothing >cas/readme; mkdir -p empty");
    good_client(&options);
    assert_int_equal(trusted(&options, NULL), 1);
    options.ca_file = certificate_path("bundle.pem");
    assert_int_equal(trusted(&options, &skipped), 2);
    assert_int_equal(skipped, 1);
    options.ca_directory = certificate_path("cas");
    options.ca_pem = halo_str(one);
    assert_int_equal(trusted(&options, NULL), 5);

    good_client(&options);
    options.ca_file = certificate_path("missing.pem");
    expect_bad(&options, HALO_E_FILE, "missing.pem: No such file");
    options.ca_file = certificate_path("server.key");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "holds no certificate in PEM");
    options.ca_file = certificate_path("broken.pem");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "can be used as a CA");
    options.ca_file = NULL;
    options.ca_pem = halo_str("rubbish");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "ca_pem holds no certificate");
    options.ca_pem = (halo_bytes){ 0 };
    options.ca_directory = certificate_path("nowhere");
    expect_bad(&options, HALO_E_FILE, "cannot read CA directory");
    options.ca_directory = certificate_path("empty");
    expect_bad(&options, HALO_E_TLS_CERTIFICATE, "no file in");
    free(one);
}

static void certificates_of_the_system(void **state)
{
    struct halo_tls_options options;

    (void)state;
    certificates_run("cat ca.pem other-ca.pem >system.pem");
    assert_int_equal(setenv("SSL_CERT_FILE", certificate_path("system.pem"), 1), 0);
    good_client(&options);
    options.ca_file = NULL;
    assert_int_equal(trusted(&options, NULL), 2);
    options.ca_file = certificate_path("ca.pem");
    assert_int_equal(trusted(&options, NULL), 1);
    options.trust_system = 1;
    assert_int_equal(trusted(&options, NULL), 3);

    assert_int_equal(setenv("SSL_CERT_FILE", certificate_path("gone.pem"), 1), 0);
    expect_bad(&options, HALO_E_FILE, "gone.pem");
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);

    /* Whatever this machine has: none, or a good many. */
    options.ca_file = NULL;
    options.insecure = 1;
    assert_int_equal(trusted(&options, NULL), 0);
}

/* Options of a caller with a shorter or longer struct. */
static void other_versions_of_the_struct(void **state)
{
    struct {
        struct halo_tls_options options;
        uint64_t more[4];
    } newer;
    struct halo_tls_options older;
    halo_tls_context *context;

    (void)state;
    memset(&newer, 0xff, sizeof(newer));
    halo_tls_options_init_sized(&newer.options, sizeof(newer));
    assert_int_equal(newer.more[3], 0);
    newer.options.role = HALO_TLS_SERVER;
    newer.options.certificate_file = certificate_path("server.pem");
    newer.options.private_key_file = certificate_path("server.key");
    assert_int_equal(halo_tls_context_new(&context, &newer.options, NULL, 0), 0);
    halo_tls_context_free(context);

    memset(&older, 0xff, sizeof(older));
    halo_tls_options_init_sized(&older, offsetof(struct halo_tls_options, choose));
    older.role = HALO_TLS_SERVER;
    older.certificate_file = certificate_path("server.pem");
    older.private_key_file = certificate_path("server.key");
    assert_int_equal(halo_tls_context_new(&context, &older, NULL, 0), 0);
    halo_tls_context_free(context);
}

static void *use_context(void *context)
{
    for (int i = 0; i < 20; i++) {
        struct pair pair;
        halo_tls_context *client = client_context(NULL);

        pair_init(&pair, context, client, "localhost");
        pair_open(&pair);
        pair_free(&pair);
        halo_tls_context_free(client);
        halo_tls_context_free(halo_tls_context_ref(context));
    }
    /* One thread cleans up, the others leave it to the end of the thread. */
    return NULL;
}

static void contexts_are_shared_by_threads(void **state)
{
    halo_tls_context *context = server_context("server", NULL);
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_context, context), 0);
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    halo_tls_context_free(context);
    halo_tls_context_free(NULL);
}

/* A context that is freed while connections use it lives as long as they. */
static void connections_hold_their_context(void **state)
{
    halo_tls_context *server = server_context("server", NULL);
    halo_tls_context *client = client_context(NULL);
    struct pair pair;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    halo_tls_context_free(server);
    halo_tls_context_free(client);
    pair_open(&pair);
    pair_free(&pair);
}

static void library_is_named(void **state)
{
    (void)state;
    assert_true(strncmp(halo_tls_library(), "wolfSSL 5.", 10) == 0);
    if (strcmp(halo_tls_library(), "wolfSSL 5.9.2") == 0) {
        assert_string_equal(halo_tls_library_holes(), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_that_work),
        cmocka_unit_test(encrypted_keys),
        cmocka_unit_test(identities_that_do_not_work),
        cmocka_unit_test(options_that_contradict),
        cmocka_unit_test(ciphers_and_groups),
        cmocka_unit_test(authorities),
        cmocka_unit_test(certificates_of_the_system),
        cmocka_unit_test(other_versions_of_the_struct),
        cmocka_unit_test(contexts_are_shared_by_threads),
        cmocka_unit_test(connections_hold_their_context),
        cmocka_unit_test(library_is_named),
    };
    return cmocka_run_group_tests(tests, certificates_make, certificates_remove);
}
