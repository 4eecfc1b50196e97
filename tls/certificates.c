/*
 * Certificates, keys and CAs into a context.
 *
 * Files are read here and not by wolfSSL, so that an error can name the file and the cause. PEM is
 * cut into its blocks here too: one broken certificate in a bundle is then skipped and counted, and
 * a key may share a file with certificates or EC parameters.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/context.h"
#include "tls/limits.h"

/* The octets of a PEM source and what to call it in messages. */
struct pem {
    char *data; /* with a zero behind the last octet */
    size_t len;
    const char *name;
};

/* One block from "-----BEGIN" to the end of the "-----END" line. */
struct pem_block {
    const char *data;
    size_t len;
    char label[48]; /* "CERTIFICATE", "EC PRIVATE KEY" */
};

/* ---- reading --------------------------------------------------------------------------- */

static void pem_forget(struct pem *pem)
{
    if (pem->data != NULL) {
        explicit_bzero(pem->data, pem->len);
        free(pem->data);
    }
    *pem = (struct pem){ 0 };
}

static int file_error(const struct tls_report *report, const char *what, const char *path)
{
    return tls_report(report, HALO_E_FILE, "cannot read %s %s: %s", what, path, strerror(errno));
}

/* Reads to the end, since a pipe has no size. */
static int read_stream(struct pem *pem, FILE *file, const char *what, const char *path,
                       const struct tls_report *report)
{
    size_t capacity = 16 * 1024;

    pem->data = malloc(capacity + 1);
    while (pem->data != NULL) {
        char *larger;

        pem->len += fread(pem->data + pem->len, 1, capacity - pem->len, file);
        if (pem->len < capacity) {
            break;
        }
        if (capacity >= TLS_PEM_FILE_MAX) {
            return tls_report(report, HALO_E_FILE, "cannot read %s %s: it has more than %d MiB",
                              what, path, TLS_PEM_FILE_MAX / 1024 / 1024);
        }
        /* Not realloc: what it leaves behind may be half a private key. */
        larger = malloc(capacity * 2 + 1);
        if (larger != NULL) {
            memcpy(larger, pem->data, pem->len);
        }
        explicit_bzero(pem->data, pem->len);
        free(pem->data);
        pem->data = larger;
        capacity *= 2;
    }
    if (pem->data == NULL) {
        return tls_report(report, HALO_E_NOMEM, "out of memory");
    }
    if (ferror(file)) {
        return file_error(report, what, path);
    }
    pem->data[pem->len] = '\0';
    return 0;
}

static int read_file(struct pem *pem, const char *what, const char *path,
                     const struct tls_report *report)
{
    FILE *file = fopen(path, "re");
    int status;

    *pem = (struct pem){ .name = path };
    if (file == NULL) {
        return file_error(report, what, path);
    }
    /* A key must not linger in a stdio buffer. */
    (void)setvbuf(file, NULL, _IONBF, 0);
    status = read_stream(pem, file, what, path, report);
    (void)fclose(file);
    if (status != 0) {
        pem_forget(pem);
    }
    return status;
}

static int copy_memory(struct pem *pem, const char *what, halo_bytes given,
                       const struct tls_report *report)
{
    *pem = (struct pem){ .name = what, .len = given.len };
    pem->data = malloc(given.len + 1);
    if (pem->data == NULL) {
        return tls_report(report, HALO_E_NOMEM, "out of memory");
    }
    memcpy(pem->data, given.data, given.len);
    pem->data[given.len] = '\0';
    return 0;
}

/* From a file or from memory, but not from both. pem->data stays NULL when neither is given. */
static int read_source(struct pem *pem, const char *what, const char *member, const char *path,
                       halo_bytes given, const struct tls_report *report)
{
    *pem = (struct pem){ 0 };
    if (path != NULL && given.len > 0) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT, "%s_file and %s_pem are both set",
                          member, member);
    }
    if (path != NULL) {
        return read_file(pem, what, path, report);
    }
    return given.len > 0 ? copy_memory(pem, what, given, report) : 0;
}

/* Finds the next block at or after *at. */
static bool next_block(const struct pem *pem, size_t *at, struct pem_block *block)
{
    static const char begin[] = "-----BEGIN ";
    const char *start = strstr(pem->data + *at, begin);
    char end[64 + sizeof(block->label)];
    const char *label;
    const char *stop;
    size_t len;

    if (start == NULL) {
        return false;
    }
    label = start + sizeof(begin) - 1;
    len = strcspn(label, "-\r\n");
    *at = (size_t)(label + len - pem->data);
    if (len >= sizeof(block->label)) {
        return next_block(pem, at, block);
    }
    memcpy(block->label, label, len);
    block->label[len] = '\0';
    (void)snprintf(end, sizeof(end), "-----END %s-----", block->label);
    stop = strstr(label, end);
    if (stop == NULL) {
        /* Cut off: let the parser say so. */
        stop = pem->data + pem->len;
    } else {
        stop += strlen(end);
        stop += strspn(stop, "\r\n");
    }
    block->data = start;
    block->len = (size_t)(stop - start);
    *at = (size_t)(stop - pem->data);
    return true;
}

static bool is_certificate(const struct pem_block *block)
{
    return strcmp(block->label, "CERTIFICATE") == 0;
}

static bool is_private_key(const struct pem_block *block)
{
    const char *suffix = "PRIVATE KEY";
    size_t len = strlen(block->label);

    return len >= strlen(suffix) && strcmp(block->label + len - strlen(suffix), suffix) == 0;
}

static size_t count_certificates(const struct pem *pem)
{
    struct pem_block block;
    size_t at = 0;
    size_t count = 0;

    while (next_block(pem, &at, &block)) {
        count += is_certificate(&block);
    }
    return count;
}

/* ---- who we are ------------------------------------------------------------------------ */

static const char *reason(int code)
{
    const char *text = wolfSSL_ERR_reason_error_string((unsigned long)code);

    return text != NULL && text[0] != '\0' ? text : "unknown error";
}

static int load_certificate(struct halo_tls_context *context, const struct pem *pem,
                            const struct tls_report *report)
{
    int code;

    if (count_certificates(pem) == 0) {
        return tls_report(report, HALO_E_TLS_CERTIFICATE, "%s holds no certificate in PEM",
                          pem->name);
    }
    code = wolfSSL_CTX_use_certificate_chain_buffer(context->wolf, (const unsigned char *)pem->data,
                                                    (long)pem->len);
    if (code == MEMORY_E) {
        return tls_report(report, HALO_E_NOMEM, "out of memory");
    }
    if (code != WOLFSSL_SUCCESS) {
        return tls_report(report, HALO_E_TLS_CERTIFICATE,
                          "the certificate in %s cannot be used: %s", pem->name, reason(code));
    }
    return 0;
}

/* wolfSSL asks for the passphrase while it reads the key. */
static int give_passphrase(char *out, int size, int writing, void *passphrase)
{
    size_t len = strlen(passphrase);

    (void)writing;
    if (size < 0 || len > (size_t)size) {
        return -1;
    }
    memcpy(out, passphrase, len);
    return (int)len;
}

static int refuse_key(const struct pem *pem, const struct pem_block *block, bool encrypted,
                      const char *passphrase, int code, const struct tls_report *report)
{
    if (code == MEMORY_E) {
        return tls_report(report, HALO_E_NOMEM, "out of memory");
    }
    if (!encrypted) {
        return tls_report(report, HALO_E_TLS_CERTIFICATE,
                          "the private key in %s cannot be used: %s", pem->name, reason(code));
    }
    if (passphrase == NULL) {
        return tls_report(report, HALO_E_TLS_CERTIFICATE,
                          "the private key in %s is encrypted: private_key_passphrase is needed",
                          pem->name);
    }
    if (strcmp(block->label, "ENCRYPTED PRIVATE KEY") != 0) {
        /* The old form derives its key with MD5, which is not compiled in. */
        return tls_report(report, HALO_E_TLS_CERTIFICATE,
                          "the private key in %s is encrypted in an old form: convert it with "
                          "openssl pkcs8 -topk8 -v2 aes256",
                          pem->name);
    }
    return tls_report(report, HALO_E_TLS_CERTIFICATE,
                      "the private key in %s cannot be decrypted: the passphrase is wrong, or the "
                      "encryption is not supported",
                      pem->name);
}

static int load_key(struct halo_tls_context *context, const struct pem *pem, const char *passphrase,
                    const struct tls_report *report)
{
    struct pem_block block;
    bool encrypted;
    size_t at = 0;
    int code;

    do {
        if (!next_block(pem, &at, &block)) {
            return tls_report(report, HALO_E_TLS_CERTIFICATE, "%s holds no private key in PEM",
                              pem->name);
        }
    } while (!is_private_key(&block));
    encrypted = strcmp(block.label, "ENCRYPTED PRIVATE KEY") == 0 ||
                memmem(block.data, block.len, "Proc-Type: 4,ENCRYPTED", 22) != NULL;
    if (encrypted && passphrase == NULL) {
        return refuse_key(pem, &block, encrypted, passphrase, 0, report);
    }
    if (encrypted) {
        wolfSSL_CTX_set_default_passwd_cb(context->wolf, give_passphrase);
        /* Only used inside the next call. */
        wolfSSL_CTX_set_default_passwd_cb_userdata(context->wolf, (void *)(uintptr_t)passphrase);
    }
    code = wolfSSL_CTX_use_PrivateKey_buffer(context->wolf, (const unsigned char *)block.data,
                                             (long)block.len, WOLFSSL_FILETYPE_PEM);
    wolfSSL_CTX_set_default_passwd_cb(context->wolf, NULL);
    wolfSSL_CTX_set_default_passwd_cb_userdata(context->wolf, NULL);
    if (code != WOLFSSL_SUCCESS) {
        return refuse_key(pem, &block, encrypted, passphrase, code, report);
    }
    return 0;
}

static int load_pair(struct halo_tls_context *context, const struct pem *certificate,
                     const struct pem *key, const char *passphrase, const struct tls_report *report)
{
    int code;

    HALO_TRY(load_certificate(context, certificate, report));
    HALO_TRY(load_key(context, key, passphrase, report));
    code = wolfSSL_CTX_check_private_key(context->wolf);
    if (code == MEMORY_E) {
        return tls_report(report, HALO_E_NOMEM, "out of memory");
    }
    if (code != WOLFSSL_SUCCESS) {
        return tls_report(report, HALO_E_TLS_CERTIFICATE,
                          "the private key in %s does not belong to the certificate in %s",
                          key->name, certificate->name);
    }
    return 0;
}

int tls_load_identity(struct halo_tls_context *context, const struct halo_tls_options *options,
                      const struct tls_report *report)
{
    struct pem certificate;
    struct pem key = { 0 };
    int status = read_source(&certificate, "certificate", "certificate", options->certificate_file,
                             options->certificate_pem, report);

    if (status == 0) {
        status = read_source(&key, "private key", "private_key", options->private_key_file,
                             options->private_key_pem, report);
    }
    if (status == 0 && (certificate.data == NULL) != (key.data == NULL)) {
        status = tls_report(report, HALO_E_INVALID_ARGUMENT, "a %s is given without a %s",
                            key.data == NULL ? "certificate" : "private key",
                            key.data == NULL ? "private key" : "certificate");
    }
    if (status == 0 && certificate.data != NULL) {
        status = load_pair(context, &certificate, &key, options->private_key_passphrase, report);
    } else if (status == 0 && context->role == HALO_TLS_SERVER) {
        status = tls_report(report, HALO_E_INVALID_ARGUMENT,
                            "a server needs a certificate and a private key");
    }
    pem_forget(&certificate);
    pem_forget(&key);
    return status;
}

/* ---- whom we trust --------------------------------------------------------------------- */

/* Adds every certificate of `pem`; those that wolfSSL cannot read are counted and skipped. */
static int add_authorities(struct halo_tls_context *context, const struct pem *pem,
                           const struct tls_report *report)
{
    struct pem_block block;
    size_t at = 0;

    while (next_block(pem, &at, &block)) {
        int code;

        if (!is_certificate(&block)) {
            continue;
        }
        /* An authority that has expired is kept: what it signed is refused when it is used. */
        code = wolfSSL_CTX_load_verify_buffer_ex(context->wolf, (const unsigned char *)block.data,
                                                 (long)block.len, WOLFSSL_FILETYPE_PEM, 0,
                                                 WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY);
        if (code == MEMORY_E) {
            return tls_report(report, HALO_E_NOMEM, "out of memory");
        }
        if (code == WOLFSSL_SUCCESS) {
            context->trusted++;
        } else {
            context->skipped++;
        }
        wolfssl_forget_errors();
    }
    return 0;
}

/* A source that the user named must give at least one. */
static int add_named(struct halo_tls_context *context, const struct pem *pem,
                     const struct tls_report *report)
{
    size_t before = context->trusted;

    if (count_certificates(pem) == 0) {
        return tls_report(report, HALO_E_TLS_CERTIFICATE, "%s holds no certificate in PEM",
                          pem->name);
    }
    HALO_TRY(add_authorities(context, pem, report));
    if (context->trusted == before) {
        return tls_report(report, HALO_E_TLS_CERTIFICATE,
                          "no certificate in %s can be used as a CA", pem->name);
    }
    return 0;
}

static int add_directory_entry(struct halo_tls_context *context, const char *path,
                               const struct tls_report *report)
{
    struct pem pem;
    struct stat info;
    int status;

    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return 0;
    }
    HALO_TRY(read_file(&pem, "CA certificate", path, report));
    status = add_authorities(context, &pem, report);
    pem_forget(&pem);
    return status;
}

static int add_directory(struct halo_tls_context *context, const char *path,
                         const struct tls_report *report)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    size_t before = context->trusted;
    int status = 0;

    if (directory == NULL) {
        return file_error(report, "CA directory", path);
    }
    while (status == 0 && (entry = readdir(directory)) != NULL) {
        char name[4096];
        int len = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);

        if (entry->d_name[0] != '.' && len > 0 && (size_t)len < sizeof(name)) {
            status = add_directory_entry(context, name, report);
        }
    }
    (void)closedir(directory);
    if (status == 0 && context->trusted == before) {
        return tls_report(report, HALO_E_TLS_CERTIFICATE,
                          "no file in %s holds a certificate that can be used as a CA", path);
    }
    return status;
}

static int add_system(struct halo_tls_context *context, const struct tls_report *report)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Arch, Alpine */
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, Red Hat */
        "/etc/ssl/ca-bundle.pem",                            /* SUSE */
        "/etc/pki/tls/certs/ca-bundle.crt",                  /* older Red Hat */
        "/etc/ssl/cert.pem",                                 /* Alpine, BSD */
    };
    const char *path = secure_getenv("SSL_CERT_FILE");
    struct pem pem;
    int status;

    for (size_t i = 0; (path == NULL || path[0] == '\0') && i < HALO_ARRAY_LEN(places); i++) {
        struct stat info;

        if (stat(places[i], &info) == 0) {
            path = places[i];
        }
    }
    if (path == NULL || path[0] == '\0') {
        return tls_report(report, HALO_E_FILE,
                          "the system's CA certificates were not found (looked for %s and others): "
                          "install the package ca-certificates, or name a ca_file",
                          places[0]);
    }
    HALO_TRY(read_file(&pem, "the system's CA certificates", path, report));
    status = add_named(context, &pem, report);
    pem_forget(&pem);
    return status;
}

int tls_load_trust(struct halo_tls_context *context, const struct halo_tls_options *options,
                   const struct tls_report *report)
{
    struct pem pem;
    bool named =
        options->ca_file != NULL || options->ca_directory != NULL || options->ca_pem.len > 0;
    int status = 0;

    if (context->verify == HALO_TLS_VERIFY_NONE) {
        if (context->role == HALO_TLS_SERVER && (named || options->trust_system != 0)) {
            return tls_report(report, HALO_E_INVALID_ARGUMENT,
                              "CA certificates are given, but nothing is verified (set verify)");
        }
        return 0;
    }
    if (context->role == HALO_TLS_SERVER && !named && options->trust_system == 0) {
        return tls_report(report, HALO_E_INVALID_ARGUMENT,
                          "verifying clients needs a CA: set ca_file, ca_directory or ca_pem");
    }
    if (options->ca_file != NULL) {
        HALO_TRY(read_file(&pem, "CA certificates", options->ca_file, report));
        status = add_named(context, &pem, report);
        pem_forget(&pem);
    }
    if (status == 0 && options->ca_pem.len > 0) {
        HALO_TRY(copy_memory(&pem, "ca_pem", options->ca_pem, report));
        status = add_named(context, &pem, report);
        pem_forget(&pem);
    }
    if (status == 0 && options->ca_directory != NULL) {
        status = add_directory(context, options->ca_directory, report);
    }
    if (status == 0 && (options->trust_system != 0 || !named)) {
        status = add_system(context, report);
    }
    return status;
}
