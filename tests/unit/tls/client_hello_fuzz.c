#include "client_hello_fuzz.h"

#include "core/base/memory.h"
#include "tls/client_hello.h"
#include "tls/hello_reader.h"
#include "tls/limits.h"
#include "tls/peer_name.h"

static void parse(const uint8_t *message, size_t len)
{
    struct client_hello hello;
    halo_bytes rest;

    if (!client_hello_parse(&hello, message, len)) {
        HALO_ASSERT(hello.alert != 0 && hello.why != NULL);
        return;
    }
    /* What passes is whole: the lists end where they say. */
    rest = hello.alpn;
    while (rest.len > 0) {
        HALO_ASSERT(client_hello_next_protocol(&rest).len > 0);
    }
    HALO_ASSERT(hello.server_name.len <= 255);
    for (size_t i = 0; i < hello.server_name.len; i++) {
        HALO_ASSERT(hello.server_name.data[i] > ' ');
    }
}

static void read_flight(const uint8_t *data, size_t size, size_t cut, bool second)
{
    struct memory memory;
    struct hello_reader reader = { 0 };
    enum hello_status status = HELLO_MORE;

    memory_init(&memory, NULL);
    hello_reader_reset(&reader, &memory, second);
    while (size > 0 && status == HELLO_MORE) {
        size_t n = min_size(cut, size);
        size_t taken;

        status = hello_reader_take(&reader, &memory, data, n, &taken);
        HALO_ASSERT(taken <= n && (status != HELLO_MORE || taken == n));
        data += taken;
        size -= taken;
    }
    if (status == HELLO_COMPLETE) {
        HALO_ASSERT(reader.message_len <= TLS_CLIENT_HELLO_MAX);
        parse(hello_reader_message(&reader), reader.message_len);
    }
    hello_reader_reset(&reader, &memory, false);
    memory_fini(&memory);
}

int client_hello_fuzz(const uint8_t *data, size_t size)
{
    static const uint8_t ip[16] = { 127, 0, 0, 1 };
    size_t cut = size == 0 ? 1 : 1 + data[size - 1] % 64u;

    parse(data, size);
    read_flight(data, size, size + 1, false);
    read_flight(data, size, cut, true);
    (void)peer_name_is_ip(data, size, ip, 4);
    (void)peer_name_is_host(data, size, "halo.test");
    return 0;
}
