#include "io_fixture.h"

static void test_address_round_trips(void **state)
{
    static const char *const texts[] = {
        "127.0.0.1:8080", "0.0.0.0:0",        "255.255.255.255:65535",
        "[::1]:0",        "[::]:443",         "[2001:db8::ff00:42:8329]:80",
        "[fe80::1%lo]:1", "unix:/run/x.sock", "unix:relative",
    };
    char out[IO_ADDRESS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(texts); i++) {
        struct io_address address;

        assert_int_equal(io_address_parse(&address, texts[i]), 0);
        assert_string_equal(io_address_format(&address, out), texts[i]);
    }
}

static void test_address_refuses(void **state)
{
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1:8o",
        "127.0.0.1: 80",
        "localhost:80",
        "example.org:443",
        "1.2.3:80",
        "1.2.3.4.5:80",
        "256.0.0.1:80",
        "::1:80",
        "[::1]",
        "[::1]:",
        "[::1:80",
        "::1]:80",
        "[127.0.0.1]:80",
        "[]:80",
        "[::g]:80",
        "[fe80::1%nosuchinterface]:1",
        "[fe80::1%]:1",
        "unix:",
        "127.0.0.1:99999999999999",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333:4444:5555:6666:7777]:80",
    };
    char too_long[200] = "unix:";

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(texts); i++) {
        struct io_address address;

        if (io_address_parse(&address, texts[i]) != HALO_E_INVALID_ARGUMENT) {
            fail_msg("'%s' was taken", texts[i]);
        }
    }
    memset(too_long + 5, 'p', 108);
    assert_int_equal(io_address_parse(&(struct io_address){ 0 }, too_long),
                     HALO_E_INVALID_ARGUMENT);
    too_long[5 + 107] = '\0';
    assert_int_equal(io_address_parse(&(struct io_address){ 0 }, too_long), 0);
}

static void test_address_from_ip(void **state)
{
    struct io_address address;
    char out[IO_ADDRESS_TEXT_MAX];

    (void)state;
    assert_int_equal(io_address_from_ip(&address, "10.1.2.3", 99), 0);
    assert_string_equal(io_address_format(&address, out), "10.1.2.3:99");
    assert_int_equal(io_address_port(&address), 99);
    assert_int_equal(io_address_from_ip(&address, "::2", 65535), 0);
    assert_string_equal(io_address_format(&address, out), "[::2]:65535");
    assert_int_equal(io_address_port(&address), 65535);
    assert_int_equal(io_address_from_ip(&address, "fe80::1%3", 1), 0);
    assert_int_equal(address.ipv6.sin6_scope_id, 3);
    assert_int_equal(io_address_from_ip(&address, "name", 1), HALO_E_INVALID_ARGUMENT);
    assert_int_equal(io_address_from_ip(&address, "", 1), HALO_E_INVALID_ARGUMENT);
}

static void test_address_empty(void **state)
{
    struct io_address address = { 0 };
    char out[IO_ADDRESS_TEXT_MAX] = "x";

    (void)state;
    assert_string_equal(io_address_format(&address, out), "");
    assert_int_equal(io_address_port(&address), 0);
    assert_int_equal(io_address_local(&address, -1), -EBADF);
    assert_int_equal(io_address_peer(&address, -1), -EBADF);
}

static void test_address_of_unnamed_unix_socket(void **state)
{
    struct io_address address;
    char out[IO_ADDRESS_TEXT_MAX];
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(io_address_peer(&address, fds[0]), 0);
    assert_string_equal(io_address_format(&address, out), "unix:");
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_round_trips),
        cmocka_unit_test(test_address_refuses),
        cmocka_unit_test(test_address_from_ip),
        cmocka_unit_test(test_address_empty),
        cmocka_unit_test(test_address_of_unnamed_unix_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
