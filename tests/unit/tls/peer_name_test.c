/* The names in a certificate: made by hand, since no CA would sign some of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tls/peer_name.h"

struct der_text {
    uint8_t data[2048];
    size_t len;
};

/* Wraps all that is there into an element. */
static void wrap(struct der_text *text, uint8_t tag)
{
    size_t header = text->len < 0x80 ? 2 : 4;

    memmove(text->data + header, text->data, text->len);
    text->data[0] = tag;
    if (header == 2) {
        text->data[1] = (uint8_t)text->len;
    } else {
        text->data[1] = 0x82;
        text->data[2] = (uint8_t)(text->len >> 8);
        text->data[3] = (uint8_t)text->len;
    }
    text->len += header;
}

static void put_in_front(struct der_text *text, const void *data, size_t len)
{
    memmove(text->data + len, text->data, text->len);
    memcpy(text->data, data, len);
    text->len += len;
}

/* A certificate with one name of this kind behind `padding` others, as far as names are
 * concerned. */
static void build(struct der_text *text, uint8_t tag, const void *name, size_t len, size_t padding)
{
    static const uint8_t alternative_names[] = { 6, 3, 0x55, 0x1d, 0x11, 1, 1, 0xff };
    static const uint8_t other_extension[] = { 0x30, 9, 6, 3, 0x55, 0x1d, 0x0f, 4, 2, 3, 0 };
    static const uint8_t before[] = {
        0xa0, 3, 2, 1, 2, 2, 1, 1, 0x30, 0, 0x30, 0, 0x30, 0, 0x30, 0
    };
    static const uint8_t other_name[] = { 0x82, 5, 'o', 't', 'h', 'e', 'r' };

    text->len = 0;
    put_in_front(text, name, len);
    wrap(text, tag);
    for (size_t i = 0; i < padding; i++) {
        put_in_front(text, other_name, sizeof(other_name));
    }
    wrap(text, 0x30);
    wrap(text, 4);
    put_in_front(text, alternative_names, sizeof(alternative_names));
    wrap(text, 0x30);
    put_in_front(text, other_extension, sizeof(other_extension));
    wrap(text, 0x30);
    wrap(text, 0xa3);
    put_in_front(text, before, sizeof(before));
    wrap(text, 0x30);
    wrap(text, 0x30);
}

static bool host_matches(const char *pattern, const char *host)
{
    struct der_text text;

    build(&text, 0x82, pattern, strlen(pattern), 3);
    return peer_name_is_host(text.data, text.len, host);
}

static void host_names(void **state)
{
    (void)state;
    assert_true(host_matches("halo.test", "halo.test"));
    assert_true(host_matches("HALO.test", "halo.TEST"));
    assert_true(host_matches("single", "single"));
    assert_true(host_matches("*.halo.test", "a.halo.test"));
    assert_true(host_matches("*.halo.test", "A-1.HALO.test"));

    assert_false(host_matches("halo.test", "halo.tes"));
    assert_false(host_matches("halo.test", "halo.test.example"));
    assert_false(host_matches("halo.test", "xhalo.test"));
    assert_false(host_matches("halo.test", ""));
    assert_false(host_matches("", ""));
    assert_false(host_matches("*.halo.test", "halo.test"));
    assert_false(host_matches("*.halo.test", "a.b.halo.test"));
    assert_false(host_matches("*.halo.test", ".halo.test"));
    assert_false(host_matches("*.test", "halo.test"));
    assert_false(host_matches("*", "halo"));
    assert_false(host_matches("*.", "halo."));
    assert_false(host_matches("a*.halo.test", "ab.halo.test"));
    assert_false(host_matches("a.*.test", "a.halo.test"));
    assert_false(host_matches("**.halo.test", "a.halo.test"));
}

static void names_with_a_zero(void **state)
{
    struct der_text text;

    (void)state;
    build(&text, 0x82, "halo.test\0.evil", 15, 0);
    assert_false(peer_name_is_host(text.data, text.len, "halo.test"));
    build(&text, 0x82, "halo.test\0", 10, 0);
    assert_false(peer_name_is_host(text.data, text.len, "halo.test"));
    build(&text, 0x82, "*\0halo.test", 11, 0);
    assert_false(peer_name_is_host(text.data, text.len, "a.halo.test"));
}

static void addresses(void **state)
{
    static const uint8_t four[] = { 192, 0, 2, 1 };
    static const uint8_t sixteen[16] = { 192, 0, 2, 1 };
    struct der_text text;

    (void)state;
    build(&text, 0x87, four, 4, 2);
    assert_true(peer_name_is_ip(text.data, text.len, four, 4));
    assert_false(peer_name_is_ip(text.data, text.len, sixteen, 16));
    assert_false(peer_name_is_ip(text.data, text.len, (const uint8_t[]){ 192, 0, 2, 2 }, 4));
    build(&text, 0x87, sixteen, 16, 2);
    assert_true(peer_name_is_ip(text.data, text.len, sixteen, 16));
    assert_false(peer_name_is_ip(text.data, text.len, four, 4));
    /* Neither an address as a name, nor a name as an address. */
    build(&text, 0x82, "192.0.2.1", 9, 0);
    assert_false(peer_name_is_ip(text.data, text.len, four, 4));
    build(&text, 0x82, four, 4, 0);
    assert_false(peer_name_is_ip(text.data, text.len, four, 4));
    build(&text, 0x87, "halo", 4, 0);
    assert_false(peer_name_is_host(text.data, text.len, "halo"));
    build(&text, 0x86, "halo", 4, 0); /* a URI */
    assert_false(peer_name_is_host(text.data, text.len, "halo"));
}

static void long_certificates(void **state)
{
    struct der_text text;

    (void)state;
    build(&text, 0x82, "halo.test", 9, 200);
    assert_true(text.len > 1000);
    assert_true(peer_name_is_host(text.data, text.len, "halo.test"));
    assert_true(peer_name_is_host(text.data, text.len, "other"));
}

/* Cut off or changed anywhere, it finds nothing beyond the end. */
static void malformed_certificates(void **state)
{
    struct der_text text;

    (void)state;
    build(&text, 0x82, "halo.test", 9, 20);
    for (size_t len = 0; len < text.len; len++) {
        uint8_t *copy = malloc(len + 1);

        assert_non_null(copy);
        memcpy(copy, text.data, len);
        assert_false(peer_name_is_host(copy, len, "halo.test"));
        free(copy);
    }
    for (size_t at = 0; at < text.len; at++) {
        for (unsigned value = 0; value < 256; value += 15) {
            uint8_t *copy = malloc(text.len);

            assert_non_null(copy);
            memcpy(copy, text.data, text.len);
            copy[at] = (uint8_t)value;
            (void)peer_name_is_host(copy, text.len, "halo.test");
            (void)peer_name_is_ip(copy, text.len, (const uint8_t[]){ 1, 2, 3, 4 }, 4);
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_names),
        cmocka_unit_test(names_with_a_zero),
        cmocka_unit_test(addresses),
        cmocka_unit_test(long_certificates),
        cmocka_unit_test(malformed_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
