/* The reader that gathers a ClientHello from records: in all pieces, up to its last octet, and
 * nothing that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tls/alert.h"
#include "tls/hello_reader.h"
#include "tls/limits.h"
#include "hellos.inc"

struct reading {
    struct memory memory;
    struct hello_reader reader;
    enum hello_status status;
    size_t taken; /* of all octets */
};

static void reading_start(struct reading *reading, bool second)
{
    *reading = (struct reading){ .status = HELLO_MORE };
    memory_init(&reading->memory, NULL);
    hello_reader_reset(&reading->reader, &reading->memory, second);
}

static void reading_end(struct reading *reading)
{
    hello_reader_reset(&reading->reader, &reading->memory, false);
    memory_fini(&reading->memory);
}

/* Gives octets, `cut` at a time. */
static void reading_give(struct reading *reading, const uint8_t *data, size_t len, size_t cut)
{
    while (len > 0 && reading->status == HELLO_MORE) {
        size_t n = min_size(cut, len);
        size_t taken = 0;
        uint8_t *copy = malloc(n);

        assert_non_null(copy);
        memcpy(copy, data, n);
        reading->status = hello_reader_take(&reading->reader, &reading->memory, copy, n, &taken);
        free(copy);
        assert_true(taken <= n);
        if (reading->status == HELLO_MORE) {
            assert_int_equal(taken, n);
        }
        reading->taken += taken;
        data += n;
        len -= n;
    }
}

static void expect_message(const struct reading *reading, const uint8_t *record, size_t len,
                           uint8_t version)
{
    assert_int_equal(reading->status, HELLO_COMPLETE);
    assert_int_equal(reading->reader.message_len, len - 5);
    assert_memory_equal(hello_reader_message(&reading->reader), record + 5, len - 5);
    assert_int_equal(reading->reader.record[0], 22);
    assert_int_equal(reading->reader.record[1], 3);
    assert_int_equal(reading->reader.record[2], version);
    assert_memory_equal(reading->reader.record + 3, record + 3, 2);
}

static void reader_gathers_all_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(captured); i++) {
        for (size_t cut = 1; cut <= captured[i].len; cut++) {
            struct reading reading;

            reading_start(&reading, false);
            reading_give(&reading, captured[i].data, captured[i].len, cut);
            expect_message(&reading, captured[i].data, captured[i].len, 1);
            assert_int_equal(reading.taken, captured[i].len);
            reading_end(&reading);
        }
    }
}

static void reader_stops_behind_the_hello(void **state)
{
    uint8_t flight[2048];
    struct reading reading;

    (void)state;
    memcpy(flight, hello_curl, sizeof(hello_curl));
    memset(flight + sizeof(hello_curl), 0x17, 100);
    reading_start(&reading, false);
    reading_give(&reading, flight, sizeof(hello_curl) + 100, sizeof(flight));
    expect_message(&reading, hello_curl, sizeof(hello_curl), 1);
    assert_int_equal(reading.taken, sizeof(hello_curl));
    reading_end(&reading);
}

static void reader_joins_records(void **state)
{
    (void)state;
    for (size_t size = 1; size < sizeof(hello_openssl) - 5; size++) {
        struct reading reading;
        size_t cut = 1 + size % 7;

        reading_start(&reading, false);
        for (size_t at = 5; at < sizeof(hello_openssl); at += size) {
            size_t n = min_size(size, sizeof(hello_openssl) - at);
            uint8_t header[5] = { 22, 3, (uint8_t)(at % 4), (uint8_t)(n >> 8), (uint8_t)n };

            assert_int_equal(reading.status, HELLO_MORE);
            reading_give(&reading, header, 5, cut);
            reading_give(&reading, hello_openssl + at, n, cut);
        }
        expect_message(&reading, hello_openssl, sizeof(hello_openssl), 1);
        reading_end(&reading);
    }
}

static void second_hello_may_follow_change_cipher_spec(void **state)
{
    static const uint8_t ccs[] = { 20, 3, 3, 0, 1, 1 };

    (void)state;
    for (int count = 0; count < 3; count++) {
        for (size_t cut = 1; cut < 7; cut++) {
            struct reading reading;

            reading_start(&reading, true);
            for (int i = 0; i < count; i++) {
                reading_give(&reading, ccs, sizeof(ccs), cut);
            }
            reading_give(&reading, hello_openssl, sizeof(hello_openssl), cut);
            if (count < 2) {
                expect_message(&reading, hello_openssl, sizeof(hello_openssl), 3);
            } else {
                assert_int_equal(reading.status, HELLO_REFUSED);
                assert_int_equal(reading.reader.alert, TLS_ALERT_UNEXPECTED_MESSAGE);
            }
            reading_end(&reading);
        }
    }
}

static const struct {
    const char *what;
    const char *octets;
    size_t len;
    int alert; /* -1: none is sent */
    const char *why;
} refused[] = {
    { "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, -1, "HTTP/2 without TLS" },
    { "GET", "GET / HTTP/1.1\r\n", 16, -1, "HTTP/1 without TLS" },
    { "POST", "POST /x HTTP/1.1\r\n", 18, -1, "HTTP/1 without TLS" },
    { "OPTIONS", "OPTIONS * HTTP/1.1\r\n", 20, -1, "HTTP/1 without TLS" },
    { "SSH", "SSH-2.0-x\r\n", 11, 10, "does not speak TLS" },
    { "zeros", "\0\0\0\0\0\0", 6, 10, "does not speak TLS" },
    { "SSL 2", "\x80\x2e\x01\x03\x01", 5, 10, "does not speak TLS" },
    { "application data", "\x17\x03\x03\x00\x10", 5, 10, "no ClientHello" },
    { "ChangeCipherSpec", "\x14\x03\x03\x00\x01\x01", 6, 10, "no ClientHello" },
    { "SSL 4", "\x16\x04\x01\x00\x10", 5, 70, "version" },
    { "an empty record", "\x16\x03\x01\x00\x00", 5, 10, "empty" },
    { "a record that is too long", "\x16\x03\x01\x40\x01", 5, 22, "too long" },
    { "a ServerHello", "\x16\x03\x01\x00\x10\x02\x00\x00\x0c", 9, 10, "no ClientHello" },
    { "a hello that is too long", "\x16\x03\x01\x00\x10\x01\x00\x40\x00", 9, 47, "too long" },
    { "something behind", "\x16\x03\x01\x00\x06\x01\x00\x00\x01\xaa\xbb", 11, 10, "follows" },
    { "an alert that is too long", "\x15\x03\x01\x00\x03\x02\x28\x00", 8, 10, "no ClientHello" },
};

static void reader_refuses_what_is_no_hello(void **state)
{
    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(refused); i++) {
        for (size_t cut = 1; cut <= refused[i].len; cut++) {
            struct reading reading;

            reading_start(&reading, false);
            reading_give(&reading, (const uint8_t *)refused[i].octets, refused[i].len, cut);
            if (reading.status != HELLO_REFUSED || reading.reader.alert != refused[i].alert ||
                strstr(reading.reader.why, refused[i].why) == NULL) {
                fail_msg("%s: status %d, alert %d, %s", refused[i].what, reading.status,
                         reading.reader.alert, reading.reader.why);
            }
            reading_end(&reading);
        }
    }
}

static void reader_reports_the_clients_alert(void **state)
{
    static const uint8_t alert[] = { 21, 3, 1, 0, 2, 2, 48 };

    (void)state;
    for (size_t cut = 1; cut <= sizeof(alert); cut++) {
        struct reading reading;

        reading_start(&reading, cut % 2 == 0);
        reading_give(&reading, alert, sizeof(alert), cut);
        assert_int_equal(reading.status, HELLO_ALERT);
        assert_int_equal(reading.reader.peer_alert, 48);
        reading_end(&reading);
    }
}

/* A client that announces much and sends little makes us hold little. */
static void reader_memory_grows_with_what_comes(void **state)
{
    struct reading reading;
    uint8_t octets[TLS_CLIENT_HELLO_MAX + 5] = { 22, 3, 1, 0x40, 0x00, 1, 0, 0x3f, 0xfc };

    (void)state;
    reading_start(&reading, false);
    reading_give(&reading, octets, 100, 100);
    assert_int_equal(reading.status, HELLO_MORE);
    assert_int_equal(reading.reader.capacity, TLS_CLIENT_HELLO_START);
    reading_give(&reading, octets + 100, 2000, 2000);
    assert_true(reading.reader.capacity <= 4096);
    reading_give(&reading, octets + 2100, sizeof(octets) - 2100, 4096);
    assert_int_equal(reading.status, HELLO_COMPLETE);
    assert_int_equal(reading.reader.message_len, TLS_CLIENT_HELLO_MAX);
    reading_end(&reading);
}

static void *no_memory(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return NULL;
}

static void *no_memory_again(void *old, size_t size, void *ctx)
{
    (void)old;
    (void)size;
    (void)ctx;
    return NULL;
}

static void nothing_to_release(void *memory, void *ctx)
{
    (void)memory;
    (void)ctx;
}

static void reader_without_memory(void **state)
{
    const halo_allocator allocator = { no_memory, no_memory_again, nothing_to_release, NULL };
    struct reading reading = { 0 };

    (void)state;
    memory_init(&reading.memory, &allocator);
    reading_give(&reading, hello_curl, sizeof(hello_curl), 5);
    assert_int_equal(reading.status, HELLO_NO_MEMORY);
    reading_end(&reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_gathers_all_pieces),
        cmocka_unit_test(reader_stops_behind_the_hello),
        cmocka_unit_test(reader_joins_records),
        cmocka_unit_test(second_hello_may_follow_change_cipher_spec),
        cmocka_unit_test(reader_refuses_what_is_no_hello),
        cmocka_unit_test(reader_reports_the_clients_alert),
        cmocka_unit_test(reader_memory_grows_with_what_comes),
        cmocka_unit_test(reader_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
