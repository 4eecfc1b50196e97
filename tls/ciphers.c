/* Cipher suites and groups: the defaults, and the lists that a user may give instead. */
#include <string.h>

#include "tls/context.h"

/* RFC 9113 appendix A forbids everything in TLS 1.2 but ephemeral key exchange with AEAD. */
struct suite {
    const char *name;      /* wolfSSL's */
    const char *iana_name; /* the registry's, which it knows too */
    bool tls13;
};

static const struct suite suites[] = {
    { "TLS13-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256", true },
    { "TLS13-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384", true },
    { "TLS13-CHACHA20-POLY1305-SHA256", "TLS_CHACHA20_POLY1305_SHA256", true },
    { "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", false },
    { "ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", false },
    { "ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", false },
    { "ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", false },
    { "ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", false },
    { "ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", false },
};

/* A build without AES instructions runs ChaCha20 six times as fast as AES-GCM. */
#if defined(WOLFSSL_AESNI) || (defined(WOLFSSL_ARMASM) && !defined(WOLFSSL_ARMASM_NO_HW_CRYPTO))
static const char default_suites[] =
    "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
#else
static const char default_suites[] =
    "TLS13-CHACHA20-POLY1305-SHA256:TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
#endif

struct group {
    const char *name;
    const char *other_name;
    int number;
};

static const struct group groups[] = {
    { "X25519", "x25519", WOLFSSL_ECC_X25519 },
    { "P-256", "secp256r1", WOLFSSL_ECC_SECP256R1 },
    { "P-384", "secp384r1", WOLFSSL_ECC_SECP384R1 },
    { "P-521", "secp521r1", WOLFSSL_ECC_SECP521R1 },
};

/* X25519 first: the fastest, and in builds with a fixed-point cache P-256 costs 0.8 MiB a
 * thread. */
static const char default_groups[] = "X25519:P-256:P-384";

/* Takes the next name off a list separated by colons. */
static halo_bytes next_name(const char **list)
{
    halo_bytes name = { *list, strcspn(*list, ":") };

    *list += name.len;
    if (**list == ':') {
        (*list)++;
    }
    return name;
}

static bool is_name(halo_bytes given, const char *name)
{
    return given.len == strlen(name) && memcmp(given.data, name, given.len) == 0;
}

static const struct suite *find_suite(halo_bytes name)
{
    for (size_t i = 0; i < HALO_ARRAY_LEN(suites); i++) {
        if (is_name(name, suites[i].name) || is_name(name, suites[i].iana_name)) {
            return &suites[i];
        }
    }
    return NULL;
}

/* wolfSSL skips names that it does not know and is content with one that it does: a list is
 * checked name by name here, so that a misspelt name is an error. */
static int check_suites(const struct halo_tls_context *context, const char *list,
                        const struct tls_report *report)
{
    bool tls12 = false;
    bool tls13 = false;

    while (*list != '\0') {
        halo_bytes name = next_name(&list);
        const struct suite *suite = find_suite(name);

        if (suite == NULL) {
            return tls_report(
                report, HALO_E_INVALID_ARGUMENT,
                "ciphers: \"%.*s\" is unknown, or HTTP/2 forbids it (RFC 9113 appendix A)",
                (int)min_size(name.len, 64), name.data);
        }
        tls13 |= suite->tls13;
        tls12 |= !suite->tls13;
    }
    if (!tls13 && context->version_max >= HALO_TLS_1_3) {
        return tls_report(
            report, HALO_E_INVALID_ARGUMENT,
            "ciphers: no suite of TLS 1.3 is named; add one, or set version_max to TLS 1.2");
    }
    if (!tls12 && context->version_max < HALO_TLS_1_3) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT, "ciphers: no suite of TLS 1.2 is named");
    }
    return 0;
}

int tls_set_ciphers(struct halo_tls_context *context, const char *list,
                    const struct tls_report *report)
{
    if (list == NULL) {
        list = default_suites;
    }
    HALO_TRY(check_suites(context, list, report));
    if (wolfSSL_CTX_set_cipher_list(context->wolf, list) != WOLFSSL_SUCCESS) {
        return tls_report(report, HALO_E_TLS, "ciphers: wolfSSL accepts none of \"%.100s\"", list);
    }
    return 0;
}

static bool set_groups(const struct halo_tls_context *context)
{
    int list[TLS_GROUPS_MAX];

    if (context->version_max >= HALO_TLS_1_3) {
        memcpy(list, context->groups, sizeof(list));
        return wolfSSL_CTX_set_groups(context->wolf, list, context->num_groups) == WOLFSSL_SUCCESS;
    }
    /* Older releases have that for TLS 1.3 only. */
    for (int i = 0; i < context->num_groups; i++) {
        if (wolfSSL_CTX_UseSupportedCurve(context->wolf, (word16)context->groups[i]) !=
            WOLFSSL_SUCCESS) {
            return false;
        }
    }
    return true;
}

int tls_set_groups(struct halo_tls_context *context, const char *list,
                   const struct tls_report *report)
{
    if (list == NULL) {
        list = default_groups;
    }
    context->num_groups = 0;
    while (*list != '\0') {
        halo_bytes name = next_name(&list);
        size_t i = 0;

        while (i < HALO_ARRAY_LEN(groups) && !is_name(name, groups[i].name) &&
               !is_name(name, groups[i].other_name)) {
            i++;
        }
        if (i == HALO_ARRAY_LEN(groups)) {
            return tls_report(report, HALO_E_INVALID_ARGUMENT, "groups: \"%.*s\" is unknown",
                              (int)min_size(name.len, 64), name.data);
        }
        for (int j = 0; j < context->num_groups; j++) {
            if (context->groups[j] == groups[i].number) {
                return tls_report(report, HALO_E_INVALID_ARGUMENT, "groups: %s is named twice",
                                  groups[i].name);
            }
        }
        context->groups[context->num_groups++] = groups[i].number;
    }
    if (context->num_groups == 0) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT, "groups: the list is empty");
    }
    if (!set_groups(context)) {
        return tls_report(report, HALO_E_TLS, "groups: wolfSSL does not accept the list");
    }
    return 0;
}
