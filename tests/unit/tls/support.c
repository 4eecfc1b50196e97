#include "support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- certificates ------------------------------------------------------------------------ */

static char directory[] = "/tmp/halo-tls-XXXXXX";

static const char script[] =
    "set -e\n"
    "exec >log 2>&1\n"
    "names='subjectAltName=DNS:localhost,DNS:halo.test,DNS:*.wild.test,DNS:single,IP:127.0.0.1,IP::"
    ":1'\n"
    "ec() { openssl ecparam -genkey -name prime256v1 -noout -out $1; }\n"
    "sign() { # name, CA, extensions, more arguments\n"
    "    printf '%s\\n' \"$3\" >$1.ext; shift_name=$1; ca=$2; shift 3\n"
    "    openssl req -new -key $shift_name.key -subj /CN=$shift_name -out $shift_name.csr\n"
    "    openssl x509 -req -in $shift_name.csr -CA $ca.pem -CAkey $ca.key -CAcreateserial \\\n"
    "        -extfile $shift_name.ext -out $shift_name.pem \"$@\"\n"
    "}\n"
    "authority() {\n"
    "    ec $1.key\n"
    "    openssl req -x509 -new -key $1.key -subj \"/CN=halo test $1\" -days 30 -out $1.pem \\\n"
    "        -addext basicConstraints=critical,CA:TRUE -addext "
    "keyUsage=critical,keyCertSign,cRLSign\n"
    "}\n"
    "authority ca; authority other-ca\n"
    "ec server.key; sign server ca \"$names\" -days 30\n"
    "openssl genrsa -out rsa.key 2048; sign rsa ca \"$names\" -days 30\n"
    "openssl genrsa -out weak.key 1024; sign weak ca \"$names\" -days 30\n"
    "ec other.key; sign other ca subjectAltName=DNS:elsewhere.test,IP:192.0.2.1 -days 30\n"
    "ec client.key\n"
    "sign client ca \"$(printf '%s\\nextendedKeyUsage=clientAuth' \"$names\")\" -days 30\n"
    "openssl genpkey -algorithm ed25519 -out ed25519.key; sign ed25519 ca \"$names\" -days 30\n"
    "ec self.key\n"
    "openssl req -x509 -new -key self.key -subj /CN=localhost -days 30 -addext \"$names\" -out "
    "self.pem\n"
    "ec middle.key\n"
    "sign middle ca \"$(printf "
    "'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign')\" -days 30\n"
    "ec leaf.key; sign leaf middle \"$names\" -days 30\n"
    "cat leaf.pem middle.pem >chain.pem; cp leaf.key chain.key\n"
    /* Dates in the past and in the future are the business of `openssl ca`. */
    "mkdir new; : >index; echo 01 >serial\n"
    "printf '%s\\n' '[ca]' default_ca=d '[d]' new_certs_dir=new database=index serial=serial \\\n"
    "    default_md=sha256 policy=p unique_subject=no '[p]' CN=supplied '[n]' \"$names\" >ca.conf\n"
    "dated() {\n"
    "    ec $1.key; openssl req -new -key $1.key -subj /CN=$1 -out $1.csr\n"
    "    openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in $1.csr -out $1.pem \\\n"
    "        -extensions n -startdate $2 -enddate $3 -notext\n"
    "}\n"
    "dated expired 200101000000Z 200201000000Z\n"
    "dated future 20450101000000Z 20460101000000Z\n"
    "openssl pkcs8 -topk8 -in server.key -passout pass:sesame -out locked.key\n"
    "openssl pkcs8 -topk8 -v2 aes-128-cbc -in server.key -passout pass:sesame -out locked128.key\n"
    "openssl rsa -in rsa.key -aes128 -passout pass:sesame -traditional -out old.key\n"
    "cat server.pem server.key >both.pem\n"
    "openssl ecparam -genkey -name prime256v1 -out parameters.key\n"
    "openssl rsa -in rsa.key -traditional -out pkcs1.key\n";

void certificates_run(const char *command)
{
    char full[4096];

    (void)snprintf(full, sizeof(full), "cd %s && { %s; }", directory, command);
    assert_int_equal(system(full), 0);
}

int certificates_make(void **state)
{
    char path[64];
    FILE *file;

    (void)state;
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/make.sh", directory);
    file = fopen(path, "w");
    if (file == NULL || fputs(script, file) < 0 || fclose(file) != 0) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "cd %s && sh make.sh || { tail log; false; }", directory);
    return system(path) == 0 ? 0 : -1;
}

int certificates_remove(void **state)
{
    char command[64];

    (void)state;
    tls_thread_exit();
    (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command) == 0 ? 0 : -1;
}

const char *certificate_path(const char *name)
{
    static _Thread_local char paths[8][128];
    static _Thread_local unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

bool library_is_recent(void)
{
    return halo_tls_library_holes()[0] == '\0';
}

/* ---- contexts ---------------------------------------------------------------------------- */

halo_tls_context *server_context(const char *name, void (*change)(struct halo_tls_options *options))
{
    struct halo_tls_options options;
    halo_tls_context *context = NULL;
    char why[256] = "?";
    char file[64];

    halo_tls_options_init(&options);
    options.role = HALO_TLS_SERVER;
    (void)snprintf(file, sizeof(file), "%s.pem", name);
    options.certificate_file = certificate_path(file);
    (void)snprintf(file, sizeof(file), "%s.key", name);
    options.private_key_file = certificate_path(file);
    if (change != NULL) {
        change(&options);
    }
    if (halo_tls_context_new(&context, &options, why, sizeof(why)) != 0) {
        fail_msg("%s", why);
    }
    return context;
}

halo_tls_context *client_context(void (*change)(struct halo_tls_options *options))
{
    struct halo_tls_options options;
    halo_tls_context *context = NULL;
    char why[256] = "?";

    halo_tls_options_init(&options);
    options.role = HALO_TLS_CLIENT;
    options.ca_file = certificate_path("ca.pem");
    if (change != NULL) {
        change(&options);
    }
    if (halo_tls_context_new(&context, &options, why, sizeof(why)) != 0) {
        fail_msg("%s", why);
    }
    return context;
}

void only_tls12(struct halo_tls_options *options)
{
    options->version_max = HALO_TLS_1_2;
}

void only_tls13(struct halo_tls_options *options)
{
    options->version_min = HALO_TLS_1_3;
}

/* ---- pairs ------------------------------------------------------------------------------- */

void pair_init(struct pair *pair, halo_tls_context *server, halo_tls_context *client,
               const char *server_name)
{
    *pair = (struct pair){ .now_ns = 1000000000 };
    memory_init(&pair->memory, NULL);
    if (server != NULL) {
        pair->server.transport = tls_transport_new(&pair->memory, server, NULL, &pair->now_ns);
        assert_non_null(pair->server.transport);
        pair->server.state = pair->server.transport->state;
    }
    if (client != NULL) {
        pair->client.transport =
            tls_transport_new(&pair->memory, client, server_name, &pair->now_ns);
        assert_non_null(pair->client.transport);
        pair->client.state = pair->client.transport->state;
    }
}

static void end_free(struct end *end)
{
    if (end->transport != NULL) {
        end->transport->ops->free(end->transport);
    }
    free(end->received);
}

void pair_free(struct pair *pair)
{
    end_free(&pair->client);
    end_free(&pair->server);
    /* Asserts that nothing is in use. */
    memory_fini(&pair->memory);
}

static void keep(struct end *end, const halo_slice *plain)
{
    if (end->received_len + plain->len > end->received_room) {
        end->received_room = 2 * (end->received_len + plain->len);
        end->received = realloc(end->received, end->received_room);
        assert_non_null(end->received);
    }
    memcpy(end->received + end->received_len, plain->data, plain->len);
    end->received_len += plain->len;
}

void end_read(struct pair *pair, struct end *end)
{
    struct transport *transport = end->transport;

    (void)pair;
    for (;;) {
        halo_slice plain;

        end->state = transport->ops->read(transport, &plain);
        assert_int_equal(end->state, transport->state);
        if (plain.len == 0) {
            assert_null(plain.owner);
            return;
        }
        assert_int_equal(end->state, TRANSPORT_OPEN);
        keep(end, &plain);
        halo_slice_release(&plain);
    }
}

void end_feed(struct pair *pair, struct end *end, const void *data, size_t len)
{
    const uint8_t *octets = data;
    size_t cut = pair->cut == 0 ? len : pair->cut;

    while (len > 0) {
        size_t n = min_size(cut, len);
        halo_slice slice;

        assert_int_equal(halo_slice_copy(&slice, octets, n), 0);
        end->transport->ops->feed(end->transport, &slice);
        assert_null(slice.owner);
        end_read(pair, end);
        octets += n;
        len -= n;
    }
}

uint8_t *end_take_output(struct end *end, size_t *len)
{
    struct transport *transport = end->transport;
    uint8_t *all = malloc(transport->output_len + 1);
    size_t done = 0;

    assert_non_null(all);
    while (transport->output_len > 0) {
        struct iovec iov[3];
        int count = transport->ops->output(transport, iov, 3);
        size_t sent = 0;

        assert_in_range(count, 1, 3);
        for (int i = 0; i < count; i++) {
            assert_true(iov[i].iov_len > 0);
            memcpy(all + done + sent, iov[i].iov_base, iov[i].iov_len);
            sent += iov[i].iov_len;
        }
        /* The socket takes any part of it. */
        if (sent > 1 && done % 3 == 1) {
            sent -= sent / 3;
        }
        transport->ops->sent(transport, sent);
        done += sent;
    }
    *len = done;
    return all;
}

void pair_move(struct pair *pair, struct end *from, struct end *to)
{
    size_t len;
    uint8_t *octets = end_take_output(from, &len);

    end_feed(pair, to, octets, len);
    free(octets);
}

void pair_run(struct pair *pair)
{
    while (pair->client.transport->output_len > 0 || pair->server.transport->output_len > 0) {
        pair_move(pair, &pair->client, &pair->server);
        pair_move(pair, &pair->server, &pair->client);
    }
}

void pair_open(struct pair *pair)
{
    pair_run(pair);
    if (pair->client.state == TRANSPORT_FAILED) {
        fail_msg("client: %s", pair->client.transport->error.reason);
    }
    if (pair->server.state == TRANSPORT_FAILED) {
        fail_msg("server: %s", pair->server.transport->error.reason);
    }
    assert_int_equal(pair->client.state, TRANSPORT_OPEN);
    assert_int_equal(pair->server.state, TRANSPORT_OPEN);
}

void end_write(struct end *end, const void *data, size_t len)
{
    struct iovec iov = { (void *)(uintptr_t)data, len };

    assert_int_equal(end->transport->ops->write(end->transport, &iov, 1, len), len);
}

void end_expect(struct end *end, const void *data, size_t len)
{
    assert_int_equal(end->received_len, len);
    if (len > 0) {
        assert_memory_equal(end->received, data, len);
    }
    end->received_len = 0;
}

void end_expect_failure(const struct end *end, int status, const char *text)
{
    const struct transport *transport = end->transport;

    assert_int_equal(transport->state, TRANSPORT_FAILED);
    if (transport->error.status != status || strstr(transport->error.reason, text) == NULL) {
        fail_msg("got %s, \"%s\"; wanted %s, \"%s\"", halo_status_name(transport->error.status),
                 transport->error.reason, halo_status_name(status), text);
    }
}
