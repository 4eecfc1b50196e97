/* The parser of ClientHellos: what clients send is understood, what is malformed is refused with
 * the right alert. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client_hello_fuzz.h"
#include "tls/client_hello.h"
#include "hellos.inc"

/* ---- what clients send ------------------------------------------------------------------- */

static bool parse_exactly(struct client_hello *hello, const uint8_t *message, size_t len)
{
    /* A copy of exactly this size, so that a sanitizer sees what is read beyond it. */
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    bool good;

    assert_non_null(copy);
    memcpy(copy, message, len);
    good = client_hello_parse(hello, copy, len);
    if (good) {
        /* The names are looked at as well. */
        halo_bytes rest = hello->alpn;

        while (client_hello_next_protocol(&rest).len > 0) {
        }
        (void)client_hello_offers(hello, "h2");
        hello->server_name = (halo_bytes){ 0 };
        hello->alpn = (halo_bytes){ 0 };
    } else {
        assert_non_null(hello->why);
        assert_true(hello->alert > 0);
    }
    free(copy);
    return good;
}

static void captured_hellos_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(captured); i++) {
        struct client_hello hello;

        assert_true(client_hello_parse(&hello, captured[i].data + 5, captured[i].len - 5));
        assert_true(halo_bytes_equal(hello.server_name, halo_str(captured[i].server_name)));
        assert_int_equal(client_hello_offers(&hello, "h2"), captured[i].h2);
        assert_int_equal(client_hello_offers(&hello, "http/1.1"), captured[i].http1);
        assert_false(client_hello_offers(&hello, "h"));
        assert_false(client_hello_offers(&hello, "h2c"));
        assert_int_equal(hello.offers_tls12, captured[i].tls12);
        assert_int_equal(hello.offers_tls13, captured[i].tls13);
        assert_int_equal(hello.has_alpn, captured[i].h2);
    }
}

/* Every truncation is refused: cut off, and cut off with the message's length set right. */
static void truncations_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(captured); i++) {
        size_t len = captured[i].len - 5;
        uint8_t message[2048];
        struct client_hello hello;

        for (size_t cut = 0; cut < len; cut++) {
            memcpy(message, captured[i].data + 5, cut);
            assert_false(parse_exactly(&hello, message, cut));
            if (cut >= 4) {
                size_t fixed = 4 + 2 + 32 + 1 + message[38];

                message[1] = 0;
                message[2] = (uint8_t)((cut - 4) >> 8);
                message[3] = (uint8_t)(cut - 4);
                if (parse_exactly(&hello, message, cut)) {
                    /* Only right behind the compression methods a hello may end. */
                    fixed += 2 + (size_t)(message[fixed] << 8) + message[fixed + 1];
                    fixed += 1 + message[fixed];
                    assert_int_equal(cut, fixed);
                }
            }
        }
    }
}

/* One octet changed: anything may come out, but nothing outside is read. */
static void changed_octets_do_no_harm(void **state)
{
    static const uint8_t values[] = { 0, 1, 2, 0x7f, 0x80, 0xff };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(captured); i++) {
        uint8_t message[2048];
        size_t len = captured[i].len - 5;

        memcpy(message, captured[i].data + 5, len);
        for (size_t at = 0; at < len; at++) {
            uint8_t old = message[at];
            struct client_hello hello;

            for (size_t v = 0; v < HALO_ARRAY_LEN(values); v++) {
                message[at] = values[v];
                (void)parse_exactly(&hello, message, len);
                message[at] = (uint8_t)(old + values[v]);
                (void)parse_exactly(&hello, message, len);
                (void)client_hello_fuzz(message, len);
            }
            message[at] = old;
        }
    }
}

/* ---- mutations --------------------------------------------------------------------------- */

struct extension {
    uint16_t type;
    const char *hex;
};

/* A hello like those of browsers, GREASE included (RFC 8701). */
static const struct extension base[] = {
    { 0x0a0a, "" },
    { 0, "0009 00 0006 612e74657374" }, /* a.test */
    { 23, "" },
    { 0xff01, "00" },
    { 10, "0008 0a0a 001d 0017 0018" },
    { 11, "01 00" },
    { 16, "000c 02 6832 08 687474702f312e31" }, /* h2, http/1.1 */
    { 5, "01 0000 0000" },
    { 13, "0004 0403 0804" },
    { 51, "0010 0a0a 0001 00 001d 0007 01020304050607" },
    { 45, "01 01" },
    { 43, "06 0a0a 0304 0303" },
    { 0x1a1a, "00" },
};

enum { ADD, REPLACE, REMOVE };

static const struct mutation {
    const char *what;
    int how;
    struct extension extension;
    int alert; /* 0: accepted */
} mutations[] = {
    { "nothing", ADD, { 0x2a2a, "" }, 0 },
    { "an extension twice", ADD, { 23, "" }, 47 },
    { "an unknown extension twice", ADD, { 0x1a1a, "00" }, 47 },
    { "a second ALPN", ADD, { 16, "0003 02 6832" }, 47 },
    { "a second key_share", ADD, { 51, "0000" }, 47 },
    /* ALPN */
    { "ALPN: empty", REPLACE, { 16, "" }, 50 },
    { "ALPN: empty list", REPLACE, { 16, "0000" }, 50 },
    { "ALPN: empty name", REPLACE, { 16, "0001 00" }, 50 },
    { "ALPN: empty name behind a good one", REPLACE, { 16, "0004 02 6832 00" }, 50 },
    { "ALPN: name beyond the list", REPLACE, { 16, "0003 03 6832" }, 50 },
    { "ALPN: name beyond the list, within the extension", REPLACE, { 16, "0003 03 6832 33" }, 50 },
    { "ALPN: list beyond the extension", REPLACE, { 16, "0004 02 6832" }, 50 },
    { "ALPN: list of 65535 octets", REPLACE, { 16, "ffff 02 6832" }, 50 },
    { "ALPN: something behind the list", REPLACE, { 16, "0003 02 6832 00" }, 50 },
    { "ALPN: one octet", REPLACE, { 16, "00" }, 50 },
    { "ALPN: one name", REPLACE, { 16, "0003 02 6832" }, 0 },
    { "ALPN: none", REMOVE, { 16, "" }, 0 },
    /* key shares */
    { "key_share: a group twice", REPLACE, { 51, "000a 001d 0001 01 001d 0001 02" }, 47 },
    { "key_share: a group twice, not next to each other",
      REPLACE,
      { 51, "000f 001d 0001 01 0017 0001 02 001d 0001 03" },
      47 },
    { "key_share: three groups",
      REPLACE,
      { 51, "000f 001d 0001 01 0017 0001 02 0018 0001 03" },
      0 },
    { "key_share: empty list", REPLACE, { 51, "0000" }, 0 },
    { "key_share: empty key", REPLACE, { 51, "0004 001d 0000" }, 50 },
    { "key_share: key beyond the list", REPLACE, { 51, "0005 001d 0002 01" }, 50 },
    { "key_share: list beyond the extension", REPLACE, { 51, "0006 001d 0001 01" }, 50 },
    { "key_share: something behind the list", REPLACE, { 51, "0005 001d 0001 01 00" }, 50 },
    { "key_share: half a header", REPLACE, { 51, "0003 001d 00" }, 50 },
    { "key_share: empty", REPLACE, { 51, "" }, 50 },
    { "key_share: for a group that is not listed", REPLACE, { 51, "0005 0019 0001 01" }, 47 },
    { "key_share: none", REMOVE, { 51, "" }, 109 },
    /* names */
    { "server_name: empty", REPLACE, { 0, "" }, 50 },
    { "server_name: empty list", REPLACE, { 0, "0000" }, 50 },
    { "server_name: empty name", REPLACE, { 0, "0003 00 0000" }, 50 },
    { "server_name: name beyond the list", REPLACE, { 0, "0004 00 0002 61" }, 50 },
    { "server_name: two names", REPLACE, { 0, "0008 00 0001 61 00 0001 62" }, 47 },
    { "server_name: unknown type", REPLACE, { 0, "0004 01 0001 61" }, 47 },
    { "server_name: a zero in it", REPLACE, { 0, "0006 00 0003 610062" }, 47 },
    { "server_name: a line end in it", REPLACE, { 0, "0005 00 0002 610a" }, 47 },
    { "server_name: not ASCII", REPLACE, { 0, "0005 00 0002 c3a4" }, 47 },
    { "server_name: something behind the list", REPLACE, { 0, "0004 00 0001 61 00" }, 50 },
    { "server_name: none", REMOVE, { 0, "" }, 0 },
    /* versions */
    { "supported_versions: empty", REPLACE, { 43, "" }, 50 },
    { "supported_versions: empty list", REPLACE, { 43, "00" }, 50 },
    { "supported_versions: half a version", REPLACE, { 43, "03 0304 03" }, 50 },
    { "supported_versions: too long", REPLACE, { 43, "04 0304" }, 50 },
    { "supported_versions: something behind", REPLACE, { 43, "02 0304 00" }, 50 },
    { "supported_versions: only 1.2", REPLACE, { 43, "02 0303" }, 0 },
    /* groups and signatures */
    { "supported_groups: empty", REPLACE, { 10, "" }, 50 },
    { "supported_groups: empty list", REPLACE, { 10, "0000" }, 50 },
    { "supported_groups: half a group", REPLACE, { 10, "0003 001d 00" }, 50 },
    { "supported_groups: too long", REPLACE, { 10, "0004 001d" }, 50 },
    { "supported_groups: none", REMOVE, { 10, "" }, 109 },
    { "signature_algorithms: empty list", REPLACE, { 13, "0000" }, 50 },
    { "signature_algorithms: half a one", REPLACE, { 13, "0003 0403 08" }, 50 },
    { "signature_algorithms: none", REMOVE, { 13, "" }, 109 },
    /* pre-shared keys */
    { "pre_shared_key",
      ADD,
      { 41, "0007 0001 61 00000000"
            "0021 20 0000000000000000000000000000000000000000000000000000000000000000" },
      0 },
    { "pre_shared_key: more binders than identities",
      ADD,
      { 41, "0007 0001 61 00000000"
            "0042 20 0000000000000000000000000000000000000000000000000000000000000000"
            "20 0000000000000000000000000000000000000000000000000000000000000000" },
      47 },
    { "pre_shared_key: short binder",
      ADD,
      { 41, "0007 0001 61 00000000"
            "0020 1f 00000000000000000000000000000000000000000000000000000000000000" },
      50 },
    { "pre_shared_key: no identity",
      ADD,
      { 41, "0000 0021 20 0000000000000000000000000000000000000000000000000000000000000000" },
      50 },
    { "pre_shared_key: empty identity",
      ADD,
      { 41, "0006 0000 00000000"
            "0021 20 0000000000000000000000000000000000000000000000000000000000000000" },
      50 },
    { "pre_shared_key: empty", ADD, { 41, "" }, 50 },
    /* others */
    { "extended_master_secret: not empty", REPLACE, { 23, "00" }, 50 },
    { "renegotiation_info: not empty", REPLACE, { 0xff01, "01 00" }, 50 },
    { "renegotiation_info: nothing", REPLACE, { 0xff01, "" }, 50 },
    { "ec_point_formats: empty list", REPLACE, { 11, "00" }, 50 },
    { "ec_point_formats: too long", REPLACE, { 11, "02 00" }, 50 },
    { "status_request: empty", REPLACE, { 5, "" }, 50 },
    { "status_request: cut off", REPLACE, { 5, "01 0000 00" }, 50 },
    { "status_request: something behind", REPLACE, { 5, "01 0000 0000 00" }, 50 },
    { "status_request: unknown type", REPLACE, { 5, "02 1234" }, 0 },
    { "psk_key_exchange_modes: empty list", REPLACE, { 45, "00" }, 50 },
    { "max_fragment_length: two octets", ADD, { 1, "0101" }, 50 },
    { "max_fragment_length", ADD, { 1, "01" }, 0 },
    { "record_size_limit: one octet", ADD, { 28, "40" }, 50 },
    { "record_size_limit", ADD, { 28, "4001" }, 0 },
    { "early_data: not empty", ADD, { 42, "00" }, 50 },
    { "early_data", ADD, { 42, "" }, 0 },
    { "cookie: empty", ADD, { 44, "0000" }, 50 },
    { "cookie", ADD, { 44, "0001 00" }, 0 },
    { "certificate_authorities: empty name", ADD, { 47, "0002 0000" }, 50 },
    { "certificate_authorities", ADD, { 47, "0003 0001 00" }, 0 },
    { "post_handshake_auth: not empty", ADD, { 49, "00" }, 50 },
    { "signature_algorithms_cert: half a one", ADD, { 50, "0001 04" }, 50 },
};

struct builder {
    uint8_t data[20000];
    size_t len;
};

static void put(struct builder *out, unsigned value, int octets)
{
    while (octets-- > 0) {
        out->data[out->len++] = (uint8_t)(value >> (8 * octets));
    }
}

static void put_hex(struct builder *out, const char *hex)
{
    while (*hex != '\0') {
        unsigned value;

        if (*hex == ' ') {
            hex++;
            continue;
        }
        assert_int_equal(sscanf(hex, "%2x", &value), 1);
        put(out, value, 1);
        hex += 2;
    }
}

static void put_extension(struct builder *out, const struct extension *extension)
{
    size_t at;

    put(out, extension->type, 2);
    at = out->len;
    put(out, 0, 2);
    put_hex(out, extension->hex);
    out->data[at] = (uint8_t)((out->len - at - 2) >> 8);
    out->data[at + 1] = (uint8_t)(out->len - at - 2);
}

/* The part before the extensions, and room for the message's length. */
static void begin(struct builder *out, const char *fixed)
{
    out->len = 0;
    put_hex(out, "01 000000");
    put_hex(out, fixed);
}

static void end(struct builder *out)
{
    out->data[1] = (uint8_t)((out->len - 4) >> 16);
    out->data[2] = (uint8_t)((out->len - 4) >> 8);
    out->data[3] = (uint8_t)(out->len - 4);
}

#define RANDOM "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
static const char usual[] = "0303" RANDOM "00 0006 0a0a 1301 c02b 01 00";

static void build(struct builder *out, const char *fixed, const struct mutation *mutation)
{
    size_t at;

    begin(out, fixed);
    at = out->len;
    put(out, 0, 2);
    for (size_t i = 0; i < HALO_ARRAY_LEN(base); i++) {
        bool hit =
            mutation != NULL && mutation->how != ADD && mutation->extension.type == base[i].type;

        if (!hit) {
            put_extension(out, &base[i]);
        } else if (mutation->how == REPLACE) {
            put_extension(out, &mutation->extension);
        }
    }
    if (mutation != NULL && mutation->how == ADD) {
        put_extension(out, &mutation->extension);
    }
    out->data[at] = (uint8_t)((out->len - at - 2) >> 8);
    out->data[at + 1] = (uint8_t)(out->len - at - 2);
    end(out);
}

static void expect(const struct builder *built, int alert, const char *what)
{
    struct client_hello hello;
    bool good = parse_exactly(&hello, built->data, built->len);

    if (good ? alert != 0 : hello.alert != alert) {
        fail_msg("%s: got %d (%s), wanted %d", what, good ? 0 : hello.alert, good ? "" : hello.why,
                 alert);
    }
}

static void mutated_extensions(void **state)
{
    static struct builder built;

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(mutations); i++) {
        build(&built, usual, &mutations[i]);
        expect(&built, mutations[i].alert, mutations[i].what);
    }
}

static void mutated_fixed_parts(void **state)
{
    static const struct {
        const char *what;
        const char *fixed;
        int alert;
    } cases[] = {
        { "usual", "0303" RANDOM "00 0002 1301 01 00", 0 },
        { "session id", "0303" RANDOM "20" RANDOM "0002 1301 01 00", 0 },
        { "session id of 33 octets", "0303" RANDOM "21" RANDOM "00 0002 1301 01 00", 50 },
        { "no suites", "0303" RANDOM "00 0000 01 00", 50 },
        { "half a suite", "0303" RANDOM "00 0003 130113 01 00", 50 },
        { "no compression methods", "0303" RANDOM "00 0002 1301 00", 50 },
        { "only compression", "0303" RANDOM "00 0002 1301 01 01", 47 },
        { "compression with TLS 1.3", "0303" RANDOM "00 0002 1301 02 00 01", 47 },
        { "legacy version 1.0", "0301" RANDOM "00 0002 1301 01 00", 70 },
        { "legacy version 3.4", "0304" RANDOM "00 0002 1301 01 00", 0 },
    };
    static struct builder built;

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        build(&built, cases[i].fixed, NULL);
        expect(&built, cases[i].alert, cases[i].what);
    }
}

static void hellos_of_tls12(void **state)
{
    static struct builder built;
    struct client_hello hello;

    (void)state;
    /* It may end behind the compression methods, or have an empty list. */
    begin(&built, "0303" RANDOM "00 0002 c02b 02 00 01");
    end(&built);
    assert_true(client_hello_parse(&hello, built.data, built.len));
    assert_true(hello.offers_tls12);
    assert_false(hello.offers_tls13);
    put(&built, 0, 2);
    end(&built);
    expect(&built, 0, "an empty list of extensions");
    put(&built, 0, 1);
    end(&built);
    expect(&built, 50, "something behind the extensions");

    begin(&built, "0302" RANDOM "00 0002 c02b 01 00");
    end(&built);
    assert_true(client_hello_parse(&hello, built.data, built.len));
    assert_false(hello.offers_tls12);
    assert_false(hello.offers_tls13);
}

static void psk_must_be_last(void **state)
{
    static const struct extension psk = {
        41, "0007 0001 61 00000000"
            "0021 20 0000000000000000000000000000000000000000000000000000000000000000"
    };
    static struct builder built;
    size_t at;

    (void)state;
    begin(&built, usual);
    at = built.len;
    put(&built, 0, 2);
    put_extension(&built, &psk);
    for (size_t i = 0; i < HALO_ARRAY_LEN(base); i++) {
        put_extension(&built, &base[i]);
    }
    built.data[at] = (uint8_t)((built.len - at - 2) >> 8);
    built.data[at + 1] = (uint8_t)(built.len - at - 2);
    end(&built);
    expect(&built, 47, "pre_shared_key first");
}

static void many_extensions(void **state)
{
    static struct builder built;

    (void)state;
    for (unsigned extra = 80; extra <= 2000; extra += 1920) {
        size_t at;

        begin(&built, usual);
        at = built.len;
        put(&built, 0, 2);
        for (size_t i = 0; i < HALO_ARRAY_LEN(base); i++) {
            put_extension(&built, &base[i]);
        }
        for (unsigned i = 0; i < extra; i++) {
            put_extension(&built, &(struct extension){ (uint16_t)(20000 + i), "" });
        }
        built.data[at] = (uint8_t)((built.len - at - 2) >> 8);
        built.data[at + 1] = (uint8_t)(built.len - at - 2);
        end(&built);
        expect(&built, extra == 80 ? 0 : 47, "many extensions");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_hellos_are_understood),
        cmocka_unit_test(truncations_are_refused),
        cmocka_unit_test(changed_octets_do_no_harm),
        cmocka_unit_test(mutated_extensions),
        cmocka_unit_test(mutated_fixed_parts),
        cmocka_unit_test(hellos_of_tls12),
        cmocka_unit_test(psk_must_be_last),
        cmocka_unit_test(many_extensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
