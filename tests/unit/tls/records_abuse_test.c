/* What a peer may do after the handshake of TLS 1.3: every message and record that it can make with
 * the right key (RFC 8446 sections 4.6, 5 and 6), and what it can send without one. */
#include "records_support.h"

#include <stdio.h>
#include <string.h>

#define KEY_UPDATE         "\x18\0\0\1\0"
#define KEY_UPDATE_REQUEST "\x18\0\0\1\1"

/* One record of the client's, or of the server's, and what becomes of it. */
static void refused_from(bool client, uint8_t type, const void *content, size_t len,
                         const char *text, int alert)
{
    struct pair pair;
    struct end *from;

    records_open_ours(&pair);
    from = client ? &pair.client : &pair.server;
    record_send(&pair, from, type, content, len);
    expect_refusal(&pair, other_end(&pair, from), text, alert);
    pair_free(&pair);
}

static void refused(uint8_t type, const void *content, size_t len, const char *text, int alert)
{
    refused_from(true, type, content, len, text, alert);
    refused_from(false, type, content, len, text, alert);
}

/* After a key update by hand. */
static void next_key(struct end *end)
{
    assert_int_equal(record_key_update(&records_of(end)->out, records_of(end)->suite), 0);
}

/* ---- records ----------------------------------------------------------------------------- */

/* RFC 8446 section 5.4. */
static void padding_is_dropped(void **state)
{
    static const size_t lens[] = { 1, 2, 100 };
    struct record record;
    struct pair pair;

    (void)state;
    records_open_ours(&pair);
    for (size_t padding = 0; padding <= 255; padding++) {
        size_t len = lens[padding % 3];
        uint8_t *octets = octets_of_seed(len, (uint32_t)padding);

        octets[len - 1] = padding % 2 == 0 ? 0 : 23; /* not to be taken for padding or a type */
        record_make(&record, &pair.client, TYPE_DATA, octets, len, padding);
        end_feed(&pair, &pair.server, record.octets, record.len);
        end_expect(&pair.server, octets, len);
        free(octets);
    }
    record_make(&record, &pair.client, TYPE_DATA, "x", 1, TLS_RECORD_MAX - 1);
    assert_int_equal(record.len, RECORD_HEADER + TLS_RECORD_MAX + 1 + RECORD_TAG);
    end_feed(&pair, &pair.server, record.octets, record.len);
    end_expect(&pair.server, "x", 1);
    expect_alive(&pair);
    pair_free(&pair);
}

static void too_long_with_padding(void **state)
{
    struct record record;

    (void)state;
    for (int whole = 0; whole <= 1; whole++) {
        struct pair pair;

        records_open_ours(&pair);
        pair.cut = whole ? 0 : 1000;
        record_make(&record, &pair.client, TYPE_DATA, "x", 1, TLS_RECORD_MAX);
        end_feed(&pair, &pair.server, record.octets, record.len);
        expect_refusal(&pair, &pair.server, "wrong length", TLS_ALERT_RECORD_OVERFLOW);
        pair_free(&pair);
    }
}

/* Types that are not for encrypted records, and no type at all. */
static void inner_types(void **state)
{
    (void)state;
    for (int type = 1; type <= 255; type++) {
        if (type != TYPE_DATA && type != TYPE_HANDSHAKE && type != TYPE_ALERT &&
            (type < 30 || type > 250)) {
            refused_from(type % 2 == 0, (uint8_t)type, "text", 4, "unknown type",
                         TLS_ALERT_UNEXPECTED_MESSAGE);
        }
    }
    /* Nothing but zeros, RFC 8446 section 5.4: one, some, and as many as there may be. */
    refused(0, "", 0, "unknown type", TLS_ALERT_UNEXPECTED_MESSAGE);
    refused(0, "\0\0\0\0", 4, "unknown type", TLS_ALERT_UNEXPECTED_MESSAGE);
    for (size_t len = TLS_RECORD_MAX; len <= TLS_RECORD_MAX; len++) {
        uint8_t *zeros = calloc(1, len);

        assert_non_null(zeros);
        refused(0, zeros, len, "unknown type", TLS_ALERT_UNEXPECTED_MESSAGE);
        free(zeros);
    }
}

/* Outer types and lengths, which need no key. */
static void records_in_the_clear(void **state)
{
    static const struct {
        uint8_t type;
        uint16_t len;
        const char *text;
        int alert;
    } cases[] = {
        { 20, 1, "unknown type", 10 },          { 21, 2, "unknown type", 10 },
        { 22, 5, "unknown type", 10 },          { 24, 30, "unknown type", 10 },
        { 0, 0, "unknown type", 10 },           { 255, 100, "unknown type", 10 },
        { 23, 0, "forged or damaged", 20 },     { 23, 1, "forged or damaged", 20 },
        { 23, 15, "forged or damaged", 20 },    { 23, 16, "forged or damaged", 20 },
        { 23, 17, "forged or damaged", 20 },    { 23, 16384, "forged or damaged", 20 },
        { 23, 16401, "forged or damaged", 20 }, { 23, 16402, "wrong length", 22 },
        { 23, 16640, "wrong length", 22 },      { 23, 16641, "wrong length", 22 },
        { 23, 16850, "wrong length", 22 },      { 23, 20000, "wrong length", 22 },
        { 23, 65535, "wrong length", 22 },
    };
    static const size_t cuts[] = { 0, 1, 4096 };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        for (size_t cut = 0; cut < HALO_ARRAY_LEN(cuts); cut++) {
            uint8_t *record = calloc(1, 5 + (size_t)cases[i].len);
            struct pair pair;

            assert_non_null(record);
            record[0] = cases[i].type;
            record[1] = 3;
            record[2] = 3;
            record[3] = (uint8_t)(cases[i].len >> 8);
            record[4] = (uint8_t)cases[i].len;
            records_open_ours(&pair);
            pair.cut = cuts[cut];
            end_feed(&pair, &pair.server, record, 5 + (size_t)cases[i].len);
            expect_refusal(&pair, &pair.server, cases[i].text, cases[i].alert);
            free(record);
            pair_free(&pair);
        }
    }
}

/* What is wrong is seen as soon as the header is there, and costs no memory. */
static void headers_are_enough(void **state)
{
    static const char *const headers[] = { "\x17\x03\x03\xff\xff", "\x17\x03\x03\x00\x10",
                                           "\x15\x03\x03\x00\x02" };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(headers); i++) {
        struct pair pair;

        records_open_ours(&pair);
        end_feed(&pair, &pair.server, headers[i], 4);
        assert_int_equal(pair.server.state, TRANSPORT_OPEN);
        assert_int_equal(pair.memory.chunks_in_use, 0);
        end_feed(&pair, &pair.server, headers[i] + 4, 1);
        assert_int_equal(pair.server.state, TRANSPORT_FAILED);
        assert_int_equal(pair.memory.chunks_in_use, 1); /* the alert */
        pair_free(&pair);
    }
}

/* A record that comes slowly holds one chunk, and nothing of the receive buffers. */
static void slow_records_hold_a_chunk(void **state)
{
    struct record record;
    struct pair pair;
    uint8_t *octets = octets_of_seed(TLS_RECORD_MAX, 3);

    (void)state;
    records_open_ours(&pair);
    record_make(&record, &pair.client, TYPE_DATA, octets, TLS_RECORD_MAX, 0);
    for (size_t i = 0; i + 1 < record.len; i++) {
        end_feed(&pair, &pair.server, record.octets + i, 1);
        assert_in_range(pair.memory.chunks_in_use, 0, 1);
        assert_true(input_queue_empty(&tls_of(pair.server.transport)->input));
    }
    assert_int_equal(pair.server.received_len, 0);
    end_feed(&pair, &pair.server, record.octets + record.len - 1, 1);
    end_expect(&pair.server, octets, TLS_RECORD_MAX);
    assert_int_equal(pair.memory.chunks_in_use, 0);
    free(octets);
    pair_free(&pair);
}

/* Records without data are fine, but not for ever. */
static void empty_records_are_bounded(void **state)
{
    struct pair pair;

    (void)state;
    records_open_ours(&pair);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < TLS_BARREN_RECORDS_MAX; i++) {
            record_send(&pair, &pair.client, TYPE_DATA, "", 0);
        }
        record_send(&pair, &pair.client, TYPE_DATA, "x", 1);
        end_expect(&pair.server, "x", 1);
    }
    for (int i = 0; i < TLS_BARREN_RECORDS_MAX + 1; i++) {
        record_send(&pair, &pair.client, TYPE_DATA, "", 0);
        assert_int_equal(pair.server.state, TRANSPORT_OPEN);
    }
    record_send(&pair, &pair.client, TYPE_DATA, "", 0);
    expect_refusal(&pair, &pair.server, "records without data", TLS_ALERT_UNEXPECTED_MESSAGE);
    assert_int_equal(pair.server.transport->error.status, HALO_E_LIMIT);
    pair_free(&pair);
}

/* ---- alerts ------------------------------------------------------------------------------ */

static void malformed_alerts(void **state)
{
    (void)state;
    refused(TYPE_ALERT, "", 0, "wrong length", TLS_ALERT_UNEXPECTED_MESSAGE);
    refused(TYPE_ALERT, "\1", 1, "malformed", TLS_ALERT_DECODE_ERROR);
    refused(TYPE_ALERT, "\1\0\1", 3, "malformed", TLS_ALERT_DECODE_ERROR);
    refused(TYPE_ALERT, "\1\0\1\0", 4, "malformed", TLS_ALERT_DECODE_ERROR);
}

/* All are fatal, whatever their level says (RFC 8446 section 6), and none is answered. */
static void alerts_end_the_connection(void **state)
{
    (void)state;
    for (int alert = 1; alert <= 255; alert++) {
        for (uint8_t level = 1; level <= 2; level++) {
            const uint8_t octets[2] = { level, (uint8_t)alert };
            struct pair pair;
            char text[48];

            if (alert == TLS_ALERT_USER_CANCELED || (alert > 120 && alert < 250)) {
                continue;
            }
            records_open_ours(&pair);
            record_send(&pair, &pair.client, TYPE_ALERT, octets, 2);
            (void)snprintf(text, sizeof(text), "the peer sent alert %d (", alert);
            end_expect_failure(&pair.server, alert == 120 ? HALO_E_ALPN : HALO_E_TLS, text);
            assert_int_equal(pair.server.transport->error.tls_code, alert);
            assert_int_equal(pair.server.transport->error.origin, HALO_ORIGIN_REMOTE);
            assert_int_equal(pair.server.transport->output_len, 0);
            pair_free(&pair);
        }
    }
}

static void warnings_do_not(void **state)
{
    struct pair pair;

    (void)state;
    records_open_ours(&pair);
    record_send(&pair, &pair.client, TYPE_ALERT, "\1\x5a", 2); /* user_canceled */
    expect_alive(&pair);
    for (int i = 0; i < TLS_BARREN_RECORDS_MAX + 2; i++) {
        record_send(&pair, &pair.client, TYPE_ALERT, "\1\x5a", 2);
    }
    expect_refusal(&pair, &pair.server, "records without data", TLS_ALERT_UNEXPECTED_MESSAGE);
    pair_free(&pair);
}

/* What comes behind close_notify is ignored (RFC 8446 section 6.1), in one feed and in two. */
static void nothing_comes_after_close_notify(void **state)
{
    for (int level = 0; level <= 2; level++) {
        const uint8_t close[2] = { (uint8_t)level, 0 };
        struct record end;
        struct record more;
        struct pair pair;
        uint8_t wire[200];

        (void)state;
        records_open_ours(&pair);
        record_make(&end, &pair.client, TYPE_ALERT, close, 2, 0);
        record_make(&more, &pair.client, TYPE_DATA, "more", 4, 0);
        memcpy(wire, end.octets, end.len);
        memcpy(wire + end.len, more.octets, more.len);
        end_feed(&pair, &pair.server, wire, end.len + more.len);
        assert_int_equal(pair.server.state, TRANSPORT_CLOSED);
        end_feed(&pair, &pair.server, more.octets, more.len);
        end_feed(&pair, &pair.server, "garbage", 7);
        assert_int_equal(pair.server.state, TRANSPORT_CLOSED);
        end_expect(&pair.server, "", 0);
        pair.server.transport->ops->shutdown(pair.server.transport);
        pair_run(&pair);
        assert_int_equal(pair.client.state, TRANSPORT_CLOSED);
        pair_free(&pair);
    }
}

/* ---- handshake messages ------------------------------------------------------------------ */

static void messages_that_do_not_belong_here(void **state)
{
    (void)state;
    refused(TYPE_HANDSHAKE, "", 0, "wrong length", TLS_ALERT_UNEXPECTED_MESSAGE);
    for (int type = 0; type <= 255; type++) {
        const uint8_t message[] = { (uint8_t)type, 0, 0, 1, 0 };

        if (type != 24 && type != 4 && (type < 30 || type > 250)) {
            refused(TYPE_HANDSHAKE, message, sizeof(message), "unknown handshake message",
                    TLS_ALERT_UNEXPECTED_MESSAGE);
        }
    }
    /* A ticket is for clients. Its header is enough. */
    refused_from(true, TYPE_HANDSHAKE, "\4\0\0\x20", 4, "unknown handshake message",
                 TLS_ALERT_UNEXPECTED_MESSAGE);
    /* Certificate, Finished as they are. */
    refused(TYPE_HANDSHAKE, "\x0b\0\0\4\0\0\0\0", 8, "unknown handshake message",
            TLS_ALERT_UNEXPECTED_MESSAGE);
    refused(TYPE_HANDSHAKE, "\x14\0\0\x20zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 36,
            "unknown handshake message", TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void malformed_key_updates(void **state)
{
    (void)state;
    refused(TYPE_HANDSHAKE, "\x18\0\0\0", 4, "malformed", TLS_ALERT_DECODE_ERROR);
    refused(TYPE_HANDSHAKE, "\x18\0\0\2\0\0", 6, "malformed", TLS_ALERT_DECODE_ERROR);
    refused(TYPE_HANDSHAKE, "\x18\1\0\1\0", 5, "malformed", TLS_ALERT_DECODE_ERROR);
    refused(TYPE_HANDSHAKE, "\x18\0\1\1\0", 5, "malformed", TLS_ALERT_DECODE_ERROR);
    refused(TYPE_HANDSHAKE, "\x18\0\0\1\2", 5, "malformed", TLS_ALERT_ILLEGAL_PARAMETER);
    refused(TYPE_HANDSHAKE, "\x18\0\0\1\xff", 5, "malformed", TLS_ALERT_ILLEGAL_PARAMETER);
    /* Nothing stands behind it with the old key (RFC 8446 section 5.1). */
    refused(TYPE_HANDSHAKE, KEY_UPDATE KEY_UPDATE, 10, "out of order",
            TLS_ALERT_UNEXPECTED_MESSAGE);
    refused(TYPE_HANDSHAKE, KEY_UPDATE "\x18", 6, "out of order", TLS_ALERT_UNEXPECTED_MESSAGE);
    refused(TYPE_HANDSHAKE, KEY_UPDATE_REQUEST "\0", 6, "out of order",
            TLS_ALERT_UNEXPECTED_MESSAGE);
}

/* An octet in each record, and every other way to cut it in two. */
static void key_updates_in_parts(void **state)
{
    struct pair pair;

    (void)state;
    records_open_ours(&pair);
    for (int i = 0; i < 5; i++) {
        record_send(&pair, &pair.client, TYPE_HANDSHAKE, &KEY_UPDATE_REQUEST[i], 1);
        assert_true((pair.server.transport->output_len > 0) == (i == 4));
    }
    next_key(&pair.client);
    expect_alive(&pair);
    for (size_t at = 1; at < 5; at++) {
        record_send(&pair, &pair.client, TYPE_HANDSHAKE, KEY_UPDATE, at);
        record_send(&pair, &pair.client, TYPE_HANDSHAKE, &KEY_UPDATE[at], 5 - at);
        next_key(&pair.client);
        expect_alive(&pair);
    }
    pair_free(&pair);
}

/* Between the parts of a message nothing else may stand (RFC 8446 section 5.1). */
static void messages_are_not_interrupted(void **state)
{
    static const struct {
        uint8_t type;
        const char *content;
        size_t len;
    } between[] = {
        { TYPE_DATA, "data", 4 },        { TYPE_DATA, "", 0 },
        { TYPE_ALERT, "\1\0", 2 },       { TYPE_ALERT, "\2\x28", 2 },
        { TYPE_CIPHER_CHANGE, "\1", 1 },
    };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(between); i++) {
        for (size_t at = 1; at <= 5; at++) {
            const char *message = at == 5 ? "\4\0\0\x50ticket" : KEY_UPDATE;
            struct pair pair;

            records_open_ours(&pair);
            record_send(&pair, &pair.server, TYPE_HANDSHAKE, message, at);
            record_send(&pair, &pair.server, between[i].type, between[i].content, between[i].len);
            expect_refusal(&pair, &pair.client, "out of order", TLS_ALERT_UNEXPECTED_MESSAGE);
            pair_free(&pair);
        }
    }
}

/* ---- tickets ----------------------------------------------------------------------------- */

static size_t make_ticket(uint8_t *out, size_t len)
{
    out[0] = 4;
    out[1] = (uint8_t)(len >> 16);
    out[2] = (uint8_t)(len >> 8);
    out[3] = (uint8_t)len;
    /* What looks like messages is none. */
    for (size_t i = 0; i < len; i++) {
        out[4 + i] = (uint8_t)(KEY_UPDATE_REQUEST[i % 5]);
    }
    return 4 + len;
}

/* Sends messages in records of `size`. */
static void send_cut(struct pair *pair, const uint8_t *octets, size_t len, size_t size)
{
    for (size_t at = 0; at < len; at += size) {
        record_send(pair, &pair->server, TYPE_HANDSHAKE, octets + at, min_size(size, len - at));
    }
}

static void tickets_are_skipped(void **state)
{
    static const size_t lens[] = { 0, 1, 2, 100, 255, 256, 500, 16380, 16381, 60000, 70000 };
    static uint8_t message[70016];
    struct pair pair;

    (void)state;
    records_open_ours(&pair);
    for (size_t i = 0; i < HALO_ARRAY_LEN(lens); i++) {
        size_t len = make_ticket(message, lens[i]);

        send_cut(&pair, message, len, len < 2000 ? (len + 7) / 8 : TLS_RECORD_MAX);
        expect_alive(&pair);
        send_cut(&pair, message, len, TLS_RECORD_MAX);
        expect_alive(&pair);
        /* Two, and a key update behind them, in the same records. */
        pair.now_ns += TLS_KEY_UPDATES_NS;
        if (len < 1000) {
            memcpy(message + len, message, len);
            memcpy(message + 2 * len, KEY_UPDATE, 5);
            send_cut(&pair, message, 2 * len + 5, 2 * len + 5);
            next_key(&pair.server);
            expect_alive(&pair);
        }
    }
    assert_int_equal(pair.memory.chunks_in_use, 0);
    pair_free(&pair);
}

/* A ticket of 16 MB in all its parts, and many small ones. */
static void tickets_are_bounded(void **state)
{
    static const uint8_t giant[TLS_RECORD_MAX] = { 4, 0xff, 0xff, 0xff };
    static const uint8_t more[TLS_RECORD_MAX];

    (void)state;
    for (int way = 0; way <= 1; way++) {
        struct pair pair;

        records_open_ours(&pair);
        for (int i = 0; i <= TLS_BARREN_RECORDS_MAX + 1; i++) {
            assert_int_equal(pair.client.state, TRANSPORT_OPEN);
            if (way == 0) {
                record_send(&pair, &pair.server, TYPE_HANDSHAKE, i == 0 ? giant : more,
                            TLS_RECORD_MAX);
            } else {
                record_send(&pair, &pair.server, TYPE_HANDSHAKE, "\4\0\0\1x", 5);
            }
            assert_in_range(pair.memory.chunks_in_use, 0, 1);
        }
        expect_refusal(&pair, &pair.client, "records without data", TLS_ALERT_UNEXPECTED_MESSAGE);
        pair_free(&pair);
    }
}

/* Within a minute there are so many key updates, of either kind; each that asks has one answer. */
static void key_updates_are_bounded(void **state)
{
    for (uint8_t request = 0; request <= 1; request++) {
        const uint8_t message[] = { 24, 0, 0, 1, request };
        struct pair pair;

        (void)state;
        records_open_ours(&pair);
        for (int i = 0; i < TLS_KEY_UPDATES_MAX; i++) {
            record_send(&pair, &pair.client, TYPE_HANDSHAKE, message, sizeof(message));
            next_key(&pair.client);
            assert_int_equal(pair.server.transport->output_len,
                             request * (i + 1) * (int)(5 + RECORD_OVERHEAD));
            assert_int_equal(pair.server.state, TRANSPORT_OPEN);
        }
        pair_run(&pair);
        record_send(&pair, &pair.client, TYPE_HANDSHAKE, message, sizeof(message));
        expect_refusal(&pair, &pair.server, "too many key updates", TLS_ALERT_UNEXPECTED_MESSAGE);
        assert_int_equal(pair.server.transport->error.status, HALO_E_LIMIT);
        pair_free(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding_is_dropped),
        cmocka_unit_test(too_long_with_padding),
        cmocka_unit_test(inner_types),
        cmocka_unit_test(records_in_the_clear),
        cmocka_unit_test(headers_are_enough),
        cmocka_unit_test(slow_records_hold_a_chunk),
        cmocka_unit_test(empty_records_are_bounded),
        cmocka_unit_test(malformed_alerts),
        cmocka_unit_test(alerts_end_the_connection),
        cmocka_unit_test(warnings_do_not),
        cmocka_unit_test(nothing_comes_after_close_notify),
        cmocka_unit_test(messages_that_do_not_belong_here),
        cmocka_unit_test(malformed_key_updates),
        cmocka_unit_test(key_updates_in_parts),
        cmocka_unit_test(messages_are_not_interrupted),
        cmocka_unit_test(tickets_are_skipped),
        cmocka_unit_test(tickets_are_bounded),
        cmocka_unit_test(key_updates_are_bounded),
    };
    return records_are_ours() ? cmocka_run_group_tests(tests, suites_make, suites_free)
                              : TEST_SKIPPED;
}
