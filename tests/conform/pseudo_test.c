/*
 * Pseudo-header fields and the authority (RFC 9113 8.3): every prefix and every misspelling of
 * each name, order, number, empty values, forbidden octets, userinfo, host beside :authority.
 * What is malformed is reset, and no request or response is told.
 */
#include "conform.h"

#include "core/base/base.h"

static const char *const names[] = { ":authority", ":method", ":path",
                                     ":scheme",    ":status", ":protocol" };

/* Four fields that make a request, and what can be put in their place. */
struct request_list {
    const char *name[4];
    const char *value[4];
};
static const struct request_list good = {
    { ":method", ":scheme", ":path", ":authority" },
    { "GET", "https", "/", "example.org" },
};

static void many_faults(struct halo_session_options *options)
{
    options->limits.faults = 1000000;
}

/* Sends a block on the next stream, which must be refused, or taken. */
static void play_block(struct fake_peer *peer, const struct wire *block, bool is_good)
{
    uint32_t id = (uint32_t)peer->counter;

    peer->counter += 2;
    put_headers(&peer->in, id, F_END_STREAM | F_END_HEADERS, block);
    peer_go(peer);
    peer_flush_log(peer);
    if (is_good) {
        assert_true(peer->log.len > peer->log_read);
        expect_answer(peer, id);
    } else {
        if (peer->log.len != peer->log_read) {
            print_error("%.*s", (int)(peer->log.len - peer->log_read),
                        (const char *)peer->log.data + peer->log_read);
            fail_msg("a malformed request was told");
        }
        expect_rst(peer, id, HALO_PROTOCOL_ERROR);
    }
    expect_nothing(peer);
    skip_log(peer);
}

static void put_list(struct wire *block, const struct request_list *list)
{
    for (size_t i = 0; i < 4; i++) {
        if (list->name[i] != NULL) {
            field(block, list->name[i], list->value[i]);
        }
    }
}

static void play_list(struct fake_peer *peer, const struct request_list *list, bool is_good)
{
    struct wire block = { 0 };

    put_list(&block, list);
    play_block(peer, &block, is_good);
    wire_free(&block);
}

/* A good request with one field more, in front (of the pseudo-header fields) or behind them. */
static void play_extra(struct fake_peer *peer, halo_bytes name, halo_bytes value, bool in_front,
                       bool is_good)
{
    struct wire block = { 0 };

    if (in_front) {
        field_octets(&block, name.data, name.len, value.data, value.len);
    }
    put_list(&block, &good);
    if (!in_front) {
        field_octets(&block, name.data, name.len, value.data, value.len);
    }
    play_block(peer, &block, is_good);
    wire_free(&block);
}

static void begin(struct fake_peer *peer)
{
    peer_open(peer);
    peer->app = app_respond;
    peer->counter = 1;
}

/* In the place of the field it is like, in front of all and behind all. */
static void play_name(struct fake_peer *peer, const char *like, halo_bytes name)
{
    struct wire block = { 0 };
    bool found = false;

    play_extra(peer, name, halo_str("x"), true, false);
    play_extra(peer, name, halo_str("x"), false, false);
    for (size_t i = 0; i < 4; i++) {
        bool same = strcmp(good.name[i], like) == 0;
        const char *value = good.value[i];

        found |= same;
        field_octets(&block, same ? name.data : good.name[i],
                     same ? name.len : strlen(good.name[i]), value, strlen(value));
    }
    if (found) {
        play_block(peer, &block, false);
    }
    wire_free(&block);
}

/* ":", ":a" ... ":authorit"; one octet more; each letter as a capital. */
static void test_C49_names_that_are_nearly_right(struct fake_peer *peer)
{
    begin(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(names); i++) {
        size_t len = strlen(names[i]);
        char name[16];

        for (size_t prefix = 1; prefix < len; prefix++) {
            play_name(peer, names[i], (halo_bytes){ names[i], prefix });
        }
        memcpy(name, names[i], len + 1);
        for (int more = 0; more < 4; more++) {
            name[len] = "s: \0"[more];
            play_name(peer, names[i], (halo_bytes){ name, len + 1 });
        }
        for (size_t at = 1; at < len; at++) {
            memcpy(name, names[i], len + 1);
            name[at] = (char)(name[at] - 0x20);
            play_name(peer, names[i], (halo_bytes){ name, len });
        }
        memcpy(name + 1, names[i], len);
        name[0] = ':'; /* two colons */
        play_name(peer, names[i], (halo_bytes){ name, len + 1 });
    }
    expect_alive(peer);
}

static void test_C49_fields_given_twice_or_not_at_all(struct fake_peer *peer)
{
    begin(peer);
    for (size_t i = 0; i < 4; i++) {
        struct request_list list = good;

        list.name[i] = NULL;
        play_list(peer, &list, false);
        play_extra(peer, halo_str(good.name[i]), halo_str(good.value[i]), true, false);
        play_extra(peer, halo_str(good.name[i]), halo_str(good.value[i]), false, false);
        play_extra(peer, halo_str(good.name[i]), halo_str("POST"), true, false);
        list = good;
        list.value[i] = "";
        play_list(peer, &list, false);
    }
    play_extra(peer, halo_str(":status"), halo_str("200"), true, false);
    play_extra(peer, halo_str(":protocol"), halo_str("websocket"), true, false);
    expect_alive(peer);
}

/* Any order of the four is fine; none of them may come behind a regular field. */
static void test_C49_order(struct fake_peer *peer)
{
    begin(peer);
    for (int order = 0; order < 256; order++) {
        struct request_list list;
        unsigned seen = 0;

        for (unsigned i = 0; i < 4; i++) {
            unsigned which = (unsigned)order >> (2 * i) & 3u;

            seen |= 1u << which;
            list.name[i] = good.name[which];
            list.value[i] = good.value[which];
        }
        if (seen == 15) {
            play_list(peer, &list, true);
        }
    }
    for (size_t at = 0; at < 4; at++) {
        struct wire block = { 0 };

        for (size_t i = 0; i < 4; i++) {
            if (i == at) {
                field(&block, "x-regular", "y");
            }
            field(&block, good.name[i], good.value[i]);
        }
        play_block(peer, &block, false);
        wire_free(&block);
    }
    expect_alive(peer);
}

/* Is this octet fine within a value like "a.b"? Written down apart from the library. */
static bool octet_is_good(size_t which, unsigned octet)
{
    static const char token[] = "!#$%&'*+-.^_`|~";

    if (octet <= 0x20 || octet == 0x7f) {
        return false;
    }
    switch (which) {
    case 0: /* a method is a token */
        return (octet >= '0' && octet <= '9') || ((octet | 0x20) >= 'a' && (octet | 0x20) <= 'z') ||
               (octet < 0x80 && strchr(token, (int)octet) != NULL);
    case 1: /* RFC 3986 3.1 */
        return (octet >= '0' && octet <= '9') || ((octet | 0x20) >= 'a' && (octet | 0x20) <= 'z') ||
               octet == '+' || octet == '-' || octet == '.';
    case 2:
        return true; /* what a path may hold beyond this, the application says */
    default:
        return strchr("@/?#\\", (int)octet) == NULL;
    }
}

static void test_C49_octets_of_values(struct fake_peer *peer)
{
    begin(peer);
    for (size_t which = 0; which < 5; which++) {
        for (unsigned octet = 0; octet < 256; octet++) {
            char value[] = "/ab";
            struct wire block = { 0 };

            value[0] = which == 2 ? '/' : 'a';
            value[1] = (char)octet;
            for (size_t i = 0; i < (which == 4 ? 3u : 4u); i++) {
                field_octets(&block, good.name[i], strlen(good.name[i]),
                             i == which ? value : good.value[i],
                             i == which ? 3 : strlen(good.value[i]));
            }
            if (which == 4) {
                field_octets(&block, "host", 4, value, 3);
            }
            play_block(peer, &block, octet_is_good(which, octet));
            wire_free(&block);
        }
    }
    expect_alive(peer);
}

static void test_C49_values(struct fake_peer *peer)
{
    static const struct {
        size_t which; /* of the four fields */
        const char *value;
        bool good;
    } cases[] = {
        { 0, "G ET", false },
        { 0, "GET /", false },
        { 0, "GET\r\nx: y", false },
        { 0, ":GET", false },
        { 0, "get", true },
        { 0, "M-SEARCH", true },
        { 1, "http", true },
        { 1, "HTTPS", true },
        { 1, "coap+tcp", true },
        { 1, "http://evil/?", false },
        { 1, "1http", false },
        { 1, "https:", false },
        { 1, " https", false },
        { 2, "*", false },
        { 2, "a", false },
        { 2, "//evil.org/", true },
        { 2, "/?a=/../b", true },
        { 2, "/a b", false },
        { 2, "http://a/", false },
        { 2, "?a", false },
        { 2, "/ HTTP/1.1", false },
        { 2, "/\r\nhost: b", false },
        { 2, "/\t", false },
        { 3, "user@example.org", false },
        { 3, "user:word@example.org", false },
        { 3, "@", false },
        { 3, "a/b", false },
        { 3, "a?b", false },
        { 3, "a#b", false },
        { 3, "a\\b", false },
        { 3, "a b", false },
        { 3, " a", false },
        { 3, "a ", false },
        { 3, "a\r\nb: c", false },
        { 3, "example.org:8443", true },
        { 3, "[::1]:8443", true },
    };

    begin(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        struct request_list list = good;

        list.value[cases[i].which] = cases[i].value;
        play_list(peer, &list, cases[i].good);
    }
    expect_alive(peer);
}

/* RFC 9113 8.3.1: host may stand for :authority, or say the same. */
static void test_C49_host_beside_authority(struct fake_peer *peer)
{
    static const struct {
        const char *authority; /* NULL: none */
        const char *host[2];
        bool good;
    } cases[] = {
        { "example.org", { "example.org" }, true },
        { "example.org", { "EXAMPLE.org" }, true },
        { NULL, { "example.org" }, true },
        { "example.org", { "example.com" }, false },
        { "example.org", { "example.or" }, false },
        { "example.org", { "example.org." }, false },
        { "example.org", { "example.org:443" }, false },
        { "example.org", { "" }, false },
        { "example.org", { "user@example.org" }, false },
        { "example.org", { "example.org", "example.org" }, false },
        { "example.org", { "example.org", "example.com" }, false },
        { NULL, { "example.org", "example.org" }, false },
        { NULL, { "a", "b" }, false },
        { NULL, { "" }, false },
        { NULL, { NULL }, false },
        { "", { "example.org" }, false },
        { "", { "" }, false },
    };

    begin(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        struct request_list list = good;
        struct wire block = { 0 };

        list.name[3] = cases[i].authority != NULL ? ":authority" : NULL;
        list.value[3] = cases[i].authority;
        put_list(&block, &list);
        for (size_t k = 0; k < 2; k++) {
            if (cases[i].host[k] != NULL) {
                field(&block, "host", cases[i].host[k]);
            }
        }
        play_block(peer, &block, cases[i].good);
        wire_free(&block);
    }
    expect_alive(peer);
}

static void test_C49_connect(struct fake_peer *peer)
{
    static const struct {
        struct request_list list;
        bool good;
    } cases[] = {
        { { { ":method", ":authority" }, { "CONNECT", "a:443" } }, true },
        { { { ":method" }, { "CONNECT" } }, false },
        { { { ":method", ":authority" }, { "CONNECT", "" } }, false },
        { { { ":method", ":authority", ":path" }, { "CONNECT", "a:443", "/" } }, false },
        { { { ":method", ":authority", ":scheme" }, { "CONNECT", "a:443", "https" } }, false },
        { { { ":method", ":scheme", ":path", ":authority" }, { "CONNECT", "https", "/", "a" } },
          false },
        { { { ":method", ":authority", ":protocol" }, { "CONNECT", "a", "websocket" } }, false },
        { { { ":method", "host" }, { "CONNECT", "a:443" } }, false },
        { { { ":method", ":authority" }, { "CONNECT", "user@a:443" } }, false },
    };

    begin(peer);
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        play_list(peer, &cases[i].list, cases[i].good);
    }
    expect_alive(peer);
}

/* ---- responses and trailers ------------------------------------------------------------ */

static void play_response(struct fake_peer *peer, const struct wire *block, bool is_good)
{
    uint32_t id = (uint32_t)peer->counter;

    peer->counter += 2;
    peer_request(peer, "GET", HALO_END_STREAM);
    peer_go(peer);
    skip_output(peer);
    put_headers(&peer->in, id, F_END_STREAM | F_END_HEADERS, block);
    peer_go(peer);
    if (is_good) {
        expect_nothing(peer);
        skip_log(peer);
        return;
    }
    expect_rst(peer, id, HALO_PROTOCOL_ERROR);
    peer_flush_log(peer);
    assert_memory_equal(peer->log.data + peer->log_read, "CLOSED ", 7); /* and no RESPONSE */
    skip_log(peer);
}

static void test_C49_responses(struct fake_peer *peer)
{
    static const struct {
        const char *fields[4];
        bool good;
    } cases[] = {
        { { ":status", "200" }, true },
        { { ":status", "999" }, true },
        { { ":status", "200", "x", "y" }, true },
        { { "x", "y" }, false },
        { { "x", "y", ":status", "200" }, false },
        { { ":status", "200", ":status", "200" }, false },
        { { ":status", "200", ":method", "GET" }, false },
        { { ":status", "200", ":path", "/" }, false },
        { { ":status", "200", ":scheme", "https" }, false },
        { { ":status", "200", ":authority", "a" }, false },
        { { ":status", "200", ":protocol", "a" }, false },
        { { ":status", "200", ":x", "a" }, false },
        { { ":statu", "200" }, false },
        { { ":s", "200" }, false },
        { { ":", "200" }, false },
        { { ":statuss", "200" }, false },
        { { ":Status", "200" }, false },
        { { ":status", "" }, false },
        { { ":status", "2" }, false },
        { { ":status", "20" }, false },
        { { ":status", "2000" }, false },
        { { ":status", "099" }, false },
        { { ":status", "000" }, false },
        { { ":status", "+20" }, false },
        { { ":status", "20 " }, false },
        { { ":status", " 20" }, false },
        { { ":status", "2e1" }, false },
        { { ":status", "200 OK" }, false },
        { { ":status", "abc" }, false },
        { { ":status", "101" }, false },
    };

    peer_open(peer);
    peer->counter = 1;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        struct wire block = { 0 };

        field(&block, cases[i].fields[0], cases[i].fields[1]);
        if (cases[i].fields[2] != NULL) {
            field(&block, cases[i].fields[2], cases[i].fields[3]);
        }
        play_response(peer, &block, cases[i].good);
        wire_free(&block);
    }
    expect_alive(peer);
}

static void test_C49_trailers(struct fake_peer *peer)
{
    peer_open(peer);
    for (size_t i = 0; i <= HALO_ARRAY_LEN(names); i++) {
        uint32_t id = 1 + 2 * (uint32_t)i;

        put_post(&peer->in, id);
        peer_go(peer);
        skip_log(peer);
        put_fields(&peer->in, id, F_END_STREAM, i < HALO_ARRAY_LEN(names) ? names[i] : ":x", "/",
                   NULL);
        peer_go(peer);
        expect_rst(peer, id, HALO_PROTOCOL_ERROR);
        peer_flush_log(peer);
        assert_memory_equal(peer->log.data + peer->log_read, "CLOSED ", 7); /* and no TRAILERS */
    }
    expect_alive(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_WITH(test_C49_names_that_are_nearly_right, many_faults),
        SERVER_WITH(test_C49_fields_given_twice_or_not_at_all, many_faults),
        SERVER_WITH(test_C49_order, many_faults),
        SERVER_WITH(test_C49_octets_of_values, many_faults),
        SERVER_WITH(test_C49_values, many_faults),
        SERVER_WITH(test_C49_host_beside_authority, many_faults),
        SERVER_WITH(test_C49_connect, many_faults),
        CLIENT_WITH(test_C49_responses, many_faults),
        SERVER_WITH(test_C49_trailers, many_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
