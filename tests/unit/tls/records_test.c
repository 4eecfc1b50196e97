/* The record layer of TLS 1.3 in ordinary life, against itself and against wolfSSL's: data, key
 * updates and the end, in any pieces; and what is forged. What odd peers send is in
 * records_abuse_test.c, what becomes of secrets and memory in records_memory_test.c. */
#include "records_support.h"

#include <string.h>

/* Calls `check` for each suite with our record layer at either end, or at both. */
static void with_everyone(void (*check)(struct pair *pair))
{
    for (int suite = 0; suite < SUITES; suite++) {
        for (int who = 1; who <= 3; who++) {
            struct pair pair;

            records_open(&pair, suite, (who & 1) != 0, (who & 2) != 0);
            check(&pair);
            pair_free(&pair);
        }
    }
}

static void exchange(struct pair *pair, size_t len)
{
    uint8_t *up = octets_of_seed(len, (uint32_t)len);
    uint8_t *down = octets_of_seed(len, (uint32_t)len + 1);

    end_write(&pair->client, up, len);
    end_write(&pair->server, down, len);
    pair_run(pair);
    end_expect(&pair->server, up, len);
    end_expect(&pair->client, down, len);
    free(up);
    free(down);
}

/* ---- data -------------------------------------------------------------------------------- */

static void check_sizes(struct pair *pair)
{
    static const size_t sizes[] = { 4095, 4096, 4097, 16383, 16384, 16385, 100000 };

    for (size_t len = 1; len <= 300; len++) {
        exchange(pair, len);
    }
    /* Twice: in small records, and then in large ones. */
    for (size_t i = 0; i < 2 * HALO_ARRAY_LEN(sizes); i++) {
        exchange(pair, sizes[i % HALO_ARRAY_LEN(sizes)]);
    }
    pair->cut = 1;
    exchange(pair, 20);
    exchange(pair, 20000);
    pair->cut = 4000;
    exchange(pair, 100000);
}

static void data_of_all_sizes(void **state)
{
    (void)state;
    with_everyone(check_sizes);
}

/* ---- keys -------------------------------------------------------------------------------- */

/* By whoever makes the records of this end. */
static void update_keys(struct end *end)
{
    struct tls_transport *tls = tls_of(end->transport);

    if (tls->records != NULL) {
        assert_true(tls_records_update(tls, true));
    } else {
        tls->writing = true; /* it is no answer, which would be counted */
        assert_int_equal(wolfSSL_update_keys(tls->ssl), WOLFSSL_SUCCESS);
        tls->writing = false;
    }
}

static void check_key_updates(struct pair *pair)
{
    for (int row = 1; row <= 3; row++) {
        pair->now_ns += TLS_KEY_UPDATES_NS;
        for (int i = 0; i < row; i++) {
            update_keys(&pair->client);
        }
        exchange(pair, 5000);
        for (int i = 0; i < row; i++) {
            update_keys(&pair->server);
            end_write(&pair->server, "between", 7);
        }
        pair_run(pair);
        assert_int_equal(pair->client.received_len, 7 * row);
        pair->client.received_len = 0;
        exchange(pair, 5000);
    }
    /* Both at once, and cut to pieces. */
    pair->now_ns += TLS_KEY_UPDATES_NS;
    pair->cut = 3;
    update_keys(&pair->client);
    update_keys(&pair->server);
    exchange(pair, 500);
    exchange(pair, 500);
}

static void key_updates_of_either_side(void **state)
{
    (void)state;
    with_everyone(check_key_updates);
}

/* Asked for, it is ours too that changes; else only the peer's. */
static void key_updates_change_the_right_key(void **state)
{
    for (int request = 0; request <= 1; request++) {
        uint8_t in[RECORD_SECRET_MAX];
        uint8_t out[RECORD_SECRET_MAX];
        struct pair pair;

        (void)state;
        records_open_ours(&pair);
        memcpy(in, records_of(&pair.server)->in.secret, sizeof(in));
        memcpy(out, records_of(&pair.server)->out.secret, sizeof(out));
        assert_true(tls_records_update(tls_of(pair.client.transport), request == 1));
        pair_run(&pair);
        assert_memory_not_equal(records_of(&pair.server)->in.secret, in, 32);
        assert_true((memcmp(records_of(&pair.server)->out.secret, out, 32) != 0) == (request == 1));
        assert_memory_equal(records_of(&pair.server)->in.secret,
                            records_of(&pair.client)->out.secret, 32);
        assert_memory_equal(records_of(&pair.server)->out.secret,
                            records_of(&pair.client)->in.secret, 32);
        expect_alive(&pair);
        pair_free(&pair);
    }
}

/* A key makes so many records and not one more. */
static void key_is_renewed_in_time(void **state)
{
    (void)state;
    for (uint64_t before = 0; before <= 2; before++) {
        uint8_t old[RECORD_SECRET_MAX];
        struct pair pair;
        struct tls_records *client;

        records_open_ours(&pair);
        client = records_of(&pair.client);
        memcpy(old, client->out.secret, sizeof(old));
        client->out.sequence = TLS_RECORDS_OF_KEY_MAX - before;
        records_of(&pair.server)->in.sequence = client->out.sequence;
        for (uint64_t i = 0; i < before; i++) {
            end_write(&pair.client, "a", 1);
            assert_memory_equal(client->out.secret, old, 32);
        }
        assert_int_equal(client->out.sequence, TLS_RECORDS_OF_KEY_MAX);
        end_write(&pair.client, "a", 1);
        assert_memory_not_equal(client->out.secret, old, 32);
        assert_int_equal(client->out.sequence, 1);
        pair_run(&pair);
        end_expect(&pair.server, "aaa", before + 1);
        expect_alive(&pair);
        pair_free(&pair);
    }
}

/* ---- the end ----------------------------------------------------------------------------- */

static void check_close(struct pair *pair)
{
    end_write(&pair->client, "last words", 10);
    pair->client.transport->ops->shutdown(pair->client.transport);
    pair_run(pair);
    end_expect(&pair->server, "last words", 10);
    assert_int_equal(pair->server.state, TRANSPORT_CLOSED);
    assert_int_equal(pair->client.state, TRANSPORT_OPEN);
    pair->server.transport->ops->shutdown(pair->server.transport);
    pair_run(pair);
    assert_int_equal(pair->client.state, TRANSPORT_CLOSED);
}

static void check_close_of_both(struct pair *pair)
{
    end_write(&pair->server, "bye", 3);
    pair->server.transport->ops->shutdown(pair->server.transport);
    pair->client.transport->ops->shutdown(pair->client.transport);
    pair_run(pair);
    end_expect(&pair->client, "bye", 3);
    assert_int_equal(pair->client.state, TRANSPORT_CLOSED);
    assert_int_equal(pair->server.state, TRANSPORT_CLOSED);
}

static void close_notify_of_either_side(void **state)
{
    (void)state;
    with_everyone(check_close);
    with_everyone(check_close_of_both);
}

/* After our close_notify the peer may go on; nothing more is sent, whatever it asks or does. */
static void nothing_is_sent_after_close_notify(void **state)
{
    struct record record;
    struct pair pair;

    (void)state;
    records_open_ours(&pair);
    pair.server.transport->ops->shutdown(pair.server.transport);
    pair_run(&pair);
    assert_int_equal(pair.client.state, TRANSPORT_CLOSED);
    record_send(&pair, &pair.client, TYPE_DATA, "more", 4);
    end_expect(&pair.server, "more", 4);
    record_send(&pair, &pair.client, TYPE_HANDSHAKE, "\x18\0\0\1\1", 5);
    assert_int_equal(pair.server.transport->output_len, 0);
    assert_int_equal(
        record_key_update(&records_of(&pair.client)->out, records_of(&pair.client)->suite), 0);
    record_send(&pair, &pair.client, TYPE_DATA, "more", 4);
    end_expect(&pair.server, "more", 4);
    record_make(&record, &pair.client, 99, "", 0, 0);
    end_feed(&pair, &pair.server, record.octets, record.len);
    expect_refusal(&pair, &pair.server, "a record of an unknown type", -1);
    pair_free(&pair);
}

/* ---- pieces ------------------------------------------------------------------------------ */

/* Data, a key update, data with the new key. */
static size_t make_wire(struct pair *pair, uint8_t *wire)
{
    size_t len;
    uint8_t *octets;

    pair->now_ns += TLS_KEY_UPDATES_NS;
    end_write(&pair->client, "hello", 5);
    assert_true(tls_records_update(tls_of(pair->client.transport), false));
    end_write(&pair->client, ", ", 2);
    end_write(&pair->client, "world", 5);
    octets = end_take_output(&pair->client, &len);
    memcpy(wire, octets, len);
    free(octets);
    return len;
}

static void records_cut_anywhere(void **state)
{
    uint8_t wire[256];
    struct pair pair;

    (void)state;
    records_open_ours(&pair);
    for (int read_between = 0; read_between <= 1; read_between++) {
        size_t len = 2;

        for (size_t one = 0; one < len; one++) {
            for (size_t two = one; two < len; two += 3) {
                len = make_wire(&pair, wire);
                end_feed_unread(&pair.server, wire, one);
                if (read_between == 1) {
                    end_read(&pair, &pair.server);
                }
                end_feed_unread(&pair.server, wire + one, two - one);
                if (read_between == 1) {
                    end_read(&pair, &pair.server);
                }
                end_feed_unread(&pair.server, wire + two, len - two);
                end_read(&pair, &pair.server);
                end_expect(&pair.server, "hello, world", 12);
            }
        }
    }
    assert_int_equal(pair.memory.chunks_in_use, 0);
    pair_free(&pair);
}

/* The record behind one that fills a block, cut, and all of it fed before anything is read: it comes
 * without more input. */
static void record_that_finds_no_room_comes_next(void **state)
{
    static const size_t sizes[] = { 1, 100, 400, 430, 440, 450, 500, 5000, 16384 };
    struct pair pair;

    (void)state;
    records_open_ours(&pair);
    for (size_t i = 0; i < HALO_ARRAY_LEN(sizes); i++) {
        size_t len = 16384 + sizes[i];
        uint8_t *octets = octets_of_seed(len, (uint32_t)i);
        struct record first;
        struct record second;
        uint8_t *wire = malloc(40000);

        assert_non_null(wire);
        record_make(&first, &pair.client, TYPE_DATA, octets, 16384, 0);
        record_make(&second, &pair.client, TYPE_DATA, octets + 16384, sizes[i], 0);
        memcpy(wire, first.octets, first.len);
        memcpy(wire + first.len, second.octets, second.len);
        end_feed_unread(&pair.server, wire, first.len + 10);
        end_feed_unread(&pair.server, wire + first.len + 10, second.len - 10);
        end_read(&pair, &pair.server);
        end_expect(&pair.server, octets, len);
        free(wire);
        free(octets);
    }
    pair_free(&pair);
}

/* More than a block has room for, in one feed, while the application holds all it gets. */
static void held_blocks_are_not_written_over(void **state)
{
    static const size_t sizes[] = { 16384, 16384, 1, 8000, 8000, 8000, 300, 400, 16384, 5 };
    static uint8_t wire[100000];
    struct record record;
    halo_slice held[16];
    struct pair pair;
    uint8_t *octets = octets_of_seed(100000, 7);
    size_t wire_len = 0;
    size_t len = 0;
    size_t count = 0;
    size_t done = 0;

    (void)state;
    records_open_ours(&pair);
    for (size_t i = 0; i < HALO_ARRAY_LEN(sizes); i++) {
        record_make(&record, &pair.client, TYPE_DATA, octets + len, sizes[i], 0);
        memcpy(wire + wire_len, record.octets, record.len);
        wire_len += record.len;
        len += sizes[i];
    }
    end_feed_unread(&pair.server, wire, wire_len);
    for (;;) {
        halo_slice plain;

        assert_int_equal(pair.server.transport->ops->read(pair.server.transport, &plain),
                         TRANSPORT_OPEN);
        if (plain.len == 0) {
            break;
        }
        assert_true(count < HALO_ARRAY_LEN(held));
        held[count++] = plain;
    }
    assert_in_range(count, 5, HALO_ARRAY_LEN(sizes));
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(held[i].data, octets + done, held[i].len);
        done += held[i].len;
        halo_slice_release(&held[i]);
    }
    assert_int_equal(done, len);
    free(octets);
    pair_free(&pair);
}

/* More than a block, and the end behind it, before anything is read: all of it comes, then the end. */
static void the_end_comes_behind_the_data(void **state)
{
    (void)state;
    for (int closed = 0; closed <= 1; closed++) {
        uint8_t *octets = octets_of_seed(60000, 9);
        struct pair pair;
        uint8_t *wire;
        size_t len;

        records_open_ours(&pair);
        end_write(&pair.client, octets, 60000);
        if (closed == 1) {
            pair.client.transport->ops->shutdown(pair.client.transport);
        }
        wire = end_take_output(&pair.client, &len);
        end_feed_unread(&pair.server, wire, len);
        pair.server.transport->ops->feed_end(pair.server.transport);
        end_read(&pair, &pair.server);
        end_expect(&pair.server, octets, 60000);
        if (closed == 1) {
            assert_int_equal(pair.server.state, TRANSPORT_CLOSED);
        } else {
            end_expect_failure(&pair.server, HALO_E_EOF, "without close_notify");
        }
        assert_int_equal(pair.server.transport->output_len, 0);
        free(wire);
        free(octets);
        pair_free(&pair);
    }
}

/* ---- forgery ----------------------------------------------------------------------------- */

static void each_octet_counts(void **state)
{
    static const uint8_t more[600];

    (void)state;
    for (int suite = 0; suite < SUITES; suite++) {
        size_t len = 1;

        for (size_t at = 0; at < len; at++) {
            struct record record;
            struct pair pair;

            records_open(&pair, suite, true, true);
            record_make(&record, &pair.client, TYPE_DATA, "secret text", 11, 3);
            len = record.len;
            record.octets[at] ^= (uint8_t)(1 << (at % 8));
            if (at == 3) {
                record.octets[at] = 1; /* of length, not too long */
            }
            end_feed_unread(&pair.server, record.octets, record.len);
            end_feed_unread(&pair.server, more, sizeof(more)); /* for a length that has grown */
            end_read(&pair, &pair.server);
            if (at == 0) {
                expect_refusal(&pair, &pair.server, "unknown type", TLS_ALERT_UNEXPECTED_MESSAGE);
            } else {
                expect_refusal(&pair, &pair.server, "forged", TLS_ALERT_BAD_RECORD_MAC);
            }
            pair_free(&pair);
        }
        assert_int_equal(len, 5 + 11 + 1 + 3 + 16);
    }
}

/* Long records may be another implementation's business. */
static void long_records_are_checked(void **state)
{
    static const size_t places[] = { 5, 8000, 5 + 16384, 5 + 16384 + 1, 5 + 16384 + 16 };
    uint8_t *octets = octets_of_seed(TLS_RECORD_MAX, 1);

    (void)state;
    for (int suite = 0; suite < SUITES; suite++) {
        for (size_t i = 0; i < HALO_ARRAY_LEN(places); i++) {
            struct record record;
            struct pair pair;

            records_open(&pair, suite, true, true);
            record_make(&record, &pair.client, TYPE_DATA, octets, TLS_RECORD_MAX, 0);
            record.octets[places[i]] ^= 0x80;
            end_feed(&pair, &pair.server, record.octets, record.len);
            expect_refusal(&pair, &pair.server, "forged or damaged", TLS_ALERT_BAD_RECORD_MAC);
            pair_free(&pair);
        }
    }
    free(octets);
}

/* Whoever finds it out, the other one is told in a way that it understands. */
static void check_forgery(struct pair *pair)
{
    uint8_t *wire;
    size_t len;

    expect_alive(pair);
    end_write(&pair->client, "forged", 6);
    wire = end_take_output(&pair->client, &len);
    wire[len - 1] ^= 1;
    end_feed(pair, &pair->server, wire, len);
    expect_refusal(pair, &pair->server, "forged or damaged", TLS_ALERT_BAD_RECORD_MAC);
    free(wire);
}

static void forgery_is_told(void **state)
{
    (void)state;
    with_everyone(check_forgery);
}

/* 0: replayed, 1: dropped, 2: swapped, 3: sent back to its sender */
static void order_counts(void **state)
{
    (void)state;
    for (int suite = 0; suite < SUITES; suite++) {
        for (int way = 0; way <= 3; way++) {
            struct record first;
            struct record second;
            struct pair pair;

            records_open(&pair, suite, true, true);
            record_make(&first, &pair.client, TYPE_DATA, "one", 3, 0);
            record_make(&second, &pair.client, TYPE_DATA, "two", 3, 0);
            if (way == 0) {
                end_feed(&pair, &pair.server, first.octets, first.len);
                end_expect(&pair.server, "one", 3);
                end_feed(&pair, &pair.server, first.octets, first.len);
            } else if (way < 3) {
                end_feed(&pair, &pair.server, second.octets, second.len);
                end_feed(&pair, &pair.server, first.octets, first.len);
            } else {
                end_feed(&pair, &pair.client, first.octets, first.len);
                end_expect_failure(&pair.client, HALO_E_TLS, "forged");
            }
            if (way < 3) {
                expect_refusal(&pair, &pair.server, "forged", TLS_ALERT_BAD_RECORD_MAC);
            }
            pair_free(&pair);
        }
    }
}

/* What came before is handed out, and may be answered; the alert comes behind the answer. */
static void alert_waits_for_the_answer(void **state)
{
    struct record record;
    struct pair pair;
    halo_slice plain;
    uint8_t wire[200];
    size_t len;

    (void)state;
    records_open_ours(&pair);
    record_make(&record, &pair.client, TYPE_DATA, "question", 8, 0);
    memcpy(wire, record.octets, record.len);
    len = record.len;
    record_make(&record, &pair.client, TYPE_DATA, "forged", 6, 0);
    record.octets[10] ^= 1;
    memcpy(wire + len, record.octets, record.len);
    end_feed_unread(&pair.server, wire, len + record.len);
    assert_int_equal(pair.server.transport->ops->read(pair.server.transport, &plain),
                     TRANSPORT_OPEN);
    assert_int_equal(plain.len, 8);
    halo_slice_release(&plain);
    assert_int_equal(pair.server.transport->output_len, 0);
    end_write(&pair.server, "answer", 6);
    end_read(&pair, &pair.server);
    end_expect_failure(&pair.server, HALO_E_TLS, "forged");
    pair_run(&pair);
    end_expect(&pair.client, "answer", 6);
    end_expect_failure(&pair.client, HALO_E_TLS, "bad record MAC");
    pair_free(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_of_all_sizes),
        cmocka_unit_test(key_updates_of_either_side),
        cmocka_unit_test(key_updates_change_the_right_key),
        cmocka_unit_test(key_is_renewed_in_time),
        cmocka_unit_test(close_notify_of_either_side),
        cmocka_unit_test(nothing_is_sent_after_close_notify),
        cmocka_unit_test(records_cut_anywhere),
        cmocka_unit_test(record_that_finds_no_room_comes_next),
        cmocka_unit_test(held_blocks_are_not_written_over),
        cmocka_unit_test(the_end_comes_behind_the_data),
        cmocka_unit_test(each_octet_counts),
        cmocka_unit_test(long_records_are_checked),
        cmocka_unit_test(forgery_is_told),
        cmocka_unit_test(order_counts),
        cmocka_unit_test(alert_waits_for_the_answer),
    };
    return records_are_ours() ? cmocka_run_group_tests(tests, suites_make, suites_free)
                              : TEST_SKIPPED;
}
