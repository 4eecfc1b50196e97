/*
 * The record path of TLS, for bench/micro.sh:
 *
 *     tls_bench seal|open OCTETS CERTIFICATE KEY ROUNDS
 *
 * A client's and a server's transport (core/conn/transport.h) stand against each other in memory, TLS 1.3
 * with AES-128-GCM, warm.
 *
 *   seal   the server encrypts so many octets and hands out the records
 *   open   the server takes the records of so many octets, as they come from a socket, and hands out the
 *          plaintext
 *
 * The unit is an octet of plaintext. Octets that memcpy and memmove carry meanwhile, halo's and the TLS
 * library's, are counted (the program is linked with --wrap); copies that the compiler makes of a few
 * octets in place are not.
 */
#include <string.h>
#include <sys/uio.h>

#include <halo/tls.h>
#include <halo/types.h>

#include "bench/micro/micro.h"
#include "tls/tls.h"

enum {
    PLAIN_MAX = 256 * 1024,
    WIRE_MAX = PLAIN_MAX + PLAIN_MAX / 16 + 4096,
    PIECES = 64,
    RECEIVE_LEN = 8 * 1024, /* a receive buffer of core/io */
    WARM_UP_ROUNDS = 64,
};

/* ---- copies ---------------------------------------------------------------------------- */

static uint64_t copied;
static int counting;

void *__real_memcpy(void *to, const void *from, size_t len);
void *__real_memmove(void *to, const void *from, size_t len);
void *__wrap_memcpy(void *to, const void *from, size_t len);
void *__wrap_memmove(void *to, const void *from, size_t len);

void *__wrap_memcpy(void *to, const void *from, size_t len)
{
    copied += counting ? len : 0;
    return __real_memcpy(to, from, len);
}

void *__wrap_memmove(void *to, const void *from, size_t len)
{
    copied += counting ? len : 0;
    return __real_memmove(to, from, len);
}

static void begin(int counted)
{
    if (counted) {
        counting = 1;
        micro_begin();
    }
}

static void end(int counted)
{
    if (counted) {
        micro_end();
        counting = 0;
    }
}

/* ---- two ends -------------------------------------------------------------------------- */

static struct memory memory;
static struct transport *client;
static struct transport *server;
static uint8_t plain[PLAIN_MAX];
static uint8_t wire[WIRE_MAX];

static struct transport *make_end(uint32_t role, char **files)
{
    struct halo_tls_options options;
    struct transport *transport;
    halo_tls_context *context;
    char why[256];

    halo_tls_options_init(&options);
    options.role = role;
    options.ciphers = "TLS_AES_128_GCM_SHA256";
    if (role == HALO_TLS_SERVER) {
        options.certificate_file = files[0];
        options.private_key_file = files[1];
    } else {
        options.insecure = 1;
    }
    micro_require(halo_tls_context_new(&context, &options, why, sizeof(why)) == 0, why);
    transport =
        tls_transport_new(&memory, context, role == HALO_TLS_SERVER ? NULL : "localhost", NULL);
    micro_require(transport != NULL, "tls_bench: no memory");
    halo_tls_context_free(context);
    return transport;
}

/* What is to be sent, as a driver asks for it; the copy into `wire` stands for the socket. */
static size_t take_output(struct transport *from, int counted)
{
    size_t len = 0;

    while (from->output_len > 0) {
        struct iovec iov[PIECES];
        size_t sent = 0;
        int count;

        begin(counted);
        count = from->ops->output(from, iov, PIECES);
        end(counted);
        for (int i = 0; i < count; i++) {
            micro_require(iov[i].iov_len <= WIRE_MAX - len, "tls_bench: too much output");
            __real_memcpy(wire + len, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
            sent += iov[i].iov_len;
        }
        begin(counted);
        from->ops->sent(from, sent);
        end(counted);
    }
    return len;
}

/* Feeds what is in `wire` in receive buffers; returns the octets of plaintext that came of it. */
static size_t give_input(struct transport *to, size_t len, int counted)
{
    size_t got = 0;

    for (size_t at = 0; at < len; at += RECEIVE_LEN) {
        size_t part = len - at < RECEIVE_LEN ? len - at : RECEIVE_LEN;
        halo_slice in;
        halo_slice out;

        micro_require(halo_slice_copy(&in, wire + at, part) == 0, "tls_bench: no memory");
        begin(counted);
        to->ops->feed(to, &in);
        for (;;) {
            enum transport_state state = to->ops->read(to, &out);

            if (state != TRANSPORT_OPEN && state != TRANSPORT_HANDSHAKE) {
                micro_require(0, "tls_bench: the connection failed");
            }
            if (out.len == 0) {
                break;
            }
            got += out.len;
            halo_slice_release(&out);
        }
        end(counted);
    }
    return got;
}

static void shake_hands(void)
{
    while (client->output_len > 0 || server->output_len > 0) {
        (void)give_input(server, take_output(client, 0), 0);
        (void)give_input(client, take_output(server, 0), 0);
    }
    micro_require(client->state == TRANSPORT_OPEN && server->state == TRANSPORT_OPEN,
                  "tls_bench: no handshake");
}

static void exchange(struct transport *from, struct transport *to, size_t len, int seal, int open)
{
    const struct iovec iov = { plain, len };
    size_t written;
    size_t wire_len;

    begin(seal);
    written = from->ops->write(from, &iov, 1, len);
    end(seal);
    micro_require(written == len, "tls_bench: not all was encrypted");
    wire_len = take_output(from, seal);
    micro_require(give_input(to, wire_len, open) == len, "tls_bench: not all was decrypted");
}

int main(int argc, char **argv)
{
    int is_seal = argc == 6 && strcmp(argv[1], "seal") == 0;
    int is_open = argc == 6 && strcmp(argv[1], "open") == 0;
    size_t len = argc == 6 ? strtoull(argv[2], NULL, 10) : 0;
    uint64_t rounds = argc == 6 ? strtoull(argv[5], NULL, 10) : 0;

    if ((!is_seal && !is_open) || len == 0 || len > PLAIN_MAX || rounds == 0) {
        fprintf(stderr,
                "usage: tls_bench seal|open OCTETS CERTIFICATE KEY ROUNDS (at most %d octets)\n",
                PLAIN_MAX);
        return 2;
    }
    memory_init(&memory, NULL);
    server = make_end(HALO_TLS_SERVER, argv + 3);
    client = make_end(HALO_TLS_CLIENT, argv + 3);
    shake_hands();
    for (uint64_t round = 0; round < WARM_UP_ROUNDS + rounds; round++) {
        int counted = round >= WARM_UP_ROUNDS;

        if (is_seal) {
            exchange(server, client, len, counted, 0);
        } else {
            exchange(client, server, len, 0, counted);
        }
    }
    micro_print(rounds * len, copied);
    client->ops->free(client);
    server->ops->free(server);
    memory_fini(&memory);
    return 0;
}
