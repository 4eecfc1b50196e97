/* Data after the handshake: octets come out as they went in, records have the right sizes, the end
 * is told from truncation, floods end, and nothing is allocated once it runs. */
#include "support.h"

#include <stdio.h>
#include <string.h>

static halo_tls_context *server;
static halo_tls_context *client;
static halo_tls_context *client12;

static int contexts_make(void **state)
{
    if (certificates_make(state) != 0) {
        return -1;
    }
    server = server_context("server", NULL);
    client = client_context(NULL);
    client12 = client_context(only_tls12);
    return 0;
}

static int contexts_free(void **state)
{
    halo_tls_context_free(server);
    halo_tls_context_free(client);
    halo_tls_context_free(client12);
    return certificates_remove(state);
}

static uint32_t seed = 1;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static uint8_t *pattern(size_t len)
{
    uint8_t *octets = malloc(len);

    assert_non_null(octets);
    for (size_t i = 0; i < len; i++) {
        octets[i] = (uint8_t)any(256);
    }
    return octets;
}

/* Writes octets in calls and pieces of all sizes, empty pieces too. */
static void write_in_pieces(struct end *end, const uint8_t *octets, size_t len)
{
    while (len > 0) {
        struct iovec iov[7];
        size_t total = 0;
        size_t max;
        int count = 0;

        while (count < 7) {
            static const uint32_t sizes[] = { 1, 9, 30, 200, 5000, 40000 };
            size_t n = min_size(any(sizes[any(6)]), len - total);

            iov[count++] = (struct iovec){ (void *)(uintptr_t)(octets + total), n };
            total += n;
        }
        max = any(4) == 0 ? total / 2 : total;
        assert_int_equal(end->transport->ops->write(end->transport, iov, count, max), max);
        octets += max;
        len -= max;
    }
}

static void exchange(halo_tls_context *from, size_t cut)
{
    enum { LEN = 1024 * 1024 };
    uint8_t *up = pattern(LEN);
    uint8_t *down = pattern(LEN);
    size_t up_done = 0;
    size_t down_done = 0;
    struct pair pair;

    pair_init(&pair, server, from, "localhost");
    pair_open(&pair);
    pair.cut = cut;
    while (up_done < LEN || down_done < LEN) {
        size_t n = min_size(any(100000), LEN - up_done);

        write_in_pieces(&pair.client, up + up_done, n);
        up_done += n;
        n = min_size(any(100000), LEN - down_done);
        write_in_pieces(&pair.server, down + down_done, n);
        down_done += n;
        pair_run(&pair);
    }
    end_expect(&pair.server, up, LEN);
    end_expect(&pair.client, down, LEN);
    pair_free(&pair);
    free(up);
    free(down);
}

static void octets_arrive_as_sent(void **state)
{
    static const size_t cuts[] = { 0, 1, 7, 1000, 8192, 16384 };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cuts); i++) {
        exchange(client, cuts[i]);
        exchange(client12, cuts[i]);
    }
}

/* The plaintext sizes of the records in some output, TLS 1.3. */
static size_t record_sizes(const uint8_t *octets, size_t len, size_t *sizes, size_t max)
{
    size_t count = 0;

    while (len > 0) {
        size_t n;

        assert_true(len > 5);
        n = (size_t)octets[3] << 8 | octets[4];
        assert_int_equal(octets[0], 23);
        assert_true(5 + n <= len);
        assert_true(count < max);
        sizes[count++] = n - 17;
        octets += 5 + n;
        len -= 5 + n;
    }
    return count;
}

static void expect_records(struct pair *pair, size_t len, size_t size)
{
    uint8_t *octets = pattern(len);
    size_t sizes[64];
    uint8_t *wire;
    size_t wire_len;
    size_t count;

    end_write(&pair->server, octets, len);
    wire = end_take_output(&pair->server, &wire_len);
    count = record_sizes(wire, wire_len, sizes, HALO_ARRAY_LEN(sizes));
    assert_int_equal(count, (len + size - 1) / size);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sizes[i], min_size(size, len - i * size));
    }
    end_feed(pair, &pair->client, wire, wire_len);
    end_expect(&pair->client, octets, len);
    free(wire);
    free(octets);
}

static void records_grow_when_the_connection_is_warm(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    expect_records(&pair, 65536, 4096);
    expect_records(&pair, 100000, 16384);
    pair.now_ns += 999999999;
    expect_records(&pair, 100000, 16384);
    pair.now_ns += 1000000000;
    expect_records(&pair, 10000, 4096);
    expect_records(&pair, 55536, 4096);
    expect_records(&pair, 40000, 16384);
    pair_free(&pair);
}

/* A record that crosses the border of a small and a large one starts small. */
static void one_write_goes_from_small_to_large(void **state)
{
    uint8_t *octets = pattern(100000);
    size_t sizes[64];
    struct pair pair;
    uint8_t *wire;
    size_t len;
    size_t count;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    end_write(&pair.server, octets, 100000);
    wire = end_take_output(&pair.server, &len);
    count = record_sizes(wire, len, sizes, HALO_ARRAY_LEN(sizes));
    assert_int_equal(count, 16 + 3);
    assert_int_equal(sizes[15], 4096);
    assert_int_equal(sizes[16], 16384);
    assert_int_equal(sizes[18], 100000 - 65536 - 2 * 16384);
    free(wire);
    free(octets);
    pair_free(&pair);
}

/* ---- the end ----------------------------------------------------------------------------- */

static void close_notify_is_no_truncation(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    end_write(&pair.client, "last words", 10);
    pair.client.transport->ops->shutdown(pair.client.transport);
    pair.client.transport->ops->shutdown(pair.client.transport);
    assert_int_equal(
        pair.client.transport->ops->write(pair.client.transport,
                                          &(struct iovec){ (void *)(uintptr_t) "x", 1 }, 1, 1),
        0);
    pair_run(&pair);
    end_expect(&pair.server, "last words", 10);
    assert_int_equal(pair.server.state, TRANSPORT_CLOSED);
    pair.server.transport->ops->feed_end(pair.server.transport);
    end_read(&pair, &pair.server);
    assert_int_equal(pair.server.state, TRANSPORT_CLOSED);

    /* The other half is still open. */
    assert_int_equal(pair.client.state, TRANSPORT_OPEN);
    pair.server.transport->ops->shutdown(pair.server.transport);
    pair_run(&pair);
    assert_int_equal(pair.client.state, TRANSPORT_CLOSED);
    pair_free(&pair);
}

static void end_without_close_notify_is_truncation(void **state)
{
    (void)state;
    for (size_t keep = 0; keep <= 32; keep += 8) {
        struct pair pair;
        uint8_t *wire;
        size_t len;

        pair_init(&pair, server, client, "localhost");
        pair_open(&pair);
        end_write(&pair.client, "0123456789", 10);
        wire = end_take_output(&pair.client, &len);
        assert_int_equal(len, 32);
        end_feed(&pair, &pair.server, wire, keep);
        pair.server.transport->ops->feed_end(pair.server.transport);
        end_read(&pair, &pair.server);
        end_expect(&pair.server, "0123456789", keep == len ? 10 : 0);
        end_expect_failure(&pair.server, HALO_E_EOF, "without close_notify");
        assert_int_equal(pair.server.transport->error.origin, HALO_ORIGIN_REMOTE);
        free(wire);
        pair_free(&pair);
    }
}

/* Data, close_notify and the end in one feed: data first. */
static void data_before_the_end_is_given_first(void **state)
{
    struct pair pair;
    halo_slice slice;
    halo_slice plain;
    uint8_t *wire;
    size_t len;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    end_write(&pair.client, "first", 5);
    end_write(&pair.client, "second", 6);
    pair.client.transport->ops->shutdown(pair.client.transport);
    wire = end_take_output(&pair.client, &len);
    assert_int_equal(halo_slice_copy(&slice, wire, len), 0);
    pair.server.transport->ops->feed(pair.server.transport, &slice);
    pair.server.transport->ops->feed_end(pair.server.transport);
    assert_int_equal(pair.server.transport->ops->read(pair.server.transport, &plain),
                     TRANSPORT_OPEN);
    assert_int_equal(plain.len, 11);
    assert_memory_equal(plain.data, "firstsecond", 11);
    halo_slice_release(&plain);
    assert_int_equal(pair.server.transport->ops->read(pair.server.transport, &plain),
                     TRANSPORT_CLOSED);
    assert_int_equal(plain.len, 0);
    free(wire);
    pair_free(&pair);
}

/* ---- forgery and floods ------------------------------------------------------------------ */

static void damaged_records_fail(void **state)
{
    halo_tls_context *const clients[] = { client, client12 };

    (void)state;
    for (size_t which = 0; which < 2; which++) {
        for (size_t at = 0; at < 40; at++) {
            struct pair pair;
            uint8_t *wire;
            size_t len;

            pair_init(&pair, server, clients[which], "localhost");
            pair_open(&pair);
            end_write(&pair.client, "0123456789012", 13);
            wire = end_take_output(&pair.client, &len);
            if (at >= len) {
                free(wire);
                pair_free(&pair);
                break;
            }
            wire[at] ^= 0x40;
            end_feed(&pair, &pair.server, wire, len);
            /* A longer length waits for more, which never comes. */
            pair.server.transport->ops->feed_end(pair.server.transport);
            end_read(&pair, &pair.server);
            end_expect(&pair.server, "", 0);
            assert_int_equal(pair.server.state, TRANSPORT_FAILED);
            assert_true(pair.server.transport->error.reason[0] != '\0');
            free(wire);
            pair_free(&pair);
        }
    }
}

static void garbage_fails(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        struct pair pair;
        uint8_t *noise = pattern(400);

        pair_init(&pair, server, client, "localhost");
        if (i % 3 == 1) {
            pair_open(&pair);
        } else if (i % 3 == 2) {
            memcpy(noise, "\x17\x03\x03\x00\x80", 5);
            pair_open(&pair);
        }
        end_feed(&pair, &pair.server, noise, 400);
        pair.server.transport->ops->feed_end(pair.server.transport);
        end_read(&pair, &pair.server);
        assert_int_equal(pair.server.state, TRANSPORT_FAILED);
        end_expect(&pair.server, "", 0);
        end_feed(&pair, &pair.client, noise, 400);
        pair.client.transport->ops->feed_end(pair.client.transport);
        end_read(&pair, &pair.client);
        assert_int_equal(pair.client.state, TRANSPORT_FAILED);
        end_expect(&pair.client, "", 0);
        free(noise);
        pair_free(&pair);
    }
}

/* ---- memory ------------------------------------------------------------------------------ */

/* Held slices keep their octets, share blocks, and may outlive the transport. */
static void held_slices_stay_valid(void **state)
{
    enum { COUNT = 200, LEN = 300 };
    uint8_t *octets = pattern((size_t)COUNT * LEN);
    halo_slice held[COUNT];
    struct pair pair;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    pair_open(&pair);
    for (int i = 0; i < COUNT; i++) {
        halo_slice slice;
        uint8_t *wire;
        size_t len;

        end_write(&pair.client, octets + (size_t)i * LEN, LEN);
        wire = end_take_output(&pair.client, &len);
        assert_int_equal(halo_slice_copy(&slice, wire, len), 0);
        free(wire);
        pair.server.transport->ops->feed(pair.server.transport, &slice);
        assert_int_equal(pair.server.transport->ops->read(pair.server.transport, &held[i]),
                         TRANSPORT_OPEN);
        assert_int_equal(held[i].len, LEN);
        assert_int_equal(pair.server.transport->ops->read(pair.server.transport, &slice),
                         TRANSPORT_OPEN);
        assert_int_equal(slice.len, 0);
    }
    /* 60 000 octets in blocks of 16 KiB. */
    assert_in_range(pair.memory.chunks_in_use, 4, 5);
    pair.server.transport->ops->free(pair.server.transport);
    pair.server.transport = NULL;
    for (int i = 0; i < COUNT; i++) {
        assert_memory_equal(held[i].data, octets + (size_t)i * LEN, LEN);
        halo_slice_release(&held[i]);
    }
    free(octets);
    pair_free(&pair);
}

static void idle_connections_hold_no_blocks(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair, server, client, "localhost");
    assert_int_equal(pair.memory.chunks_in_use, 1); /* the client's first flight */
    pair_open(&pair);
    assert_int_equal(pair.memory.chunks_in_use, 0);
    end_write(&pair.client, "some", 4);
    pair_run(&pair);
    assert_int_equal(pair.memory.chunks_in_use, 0);
    pair.server.transport->ops->idle(pair.server.transport);
    end_write(&pair.client, "more", 4);
    pair_run(&pair);
    end_expect(&pair.server, "somemore", 8);
    pair_free(&pair);
}

static void warm_connection_allocates_nothing(halo_tls_context *with, bool by_wolfssl)
{
    uint8_t *octets = pattern(70000);
    struct tls_heap before;
    struct tls_heap after;
    struct pair pair;
    size_t allocations = 0;

    pair_init(&pair, server, with, "localhost");
    pair_open(&pair);
    /* As much as there is going to be at once, in small and then in large records. */
    for (int i = 0; i < 2; i++) {
        end_write(&pair.client, octets, 70000);
        end_write(&pair.server, octets, 70000);
        pair_run(&pair);
        end_expect(&pair.server, octets, 70000);
        end_expect(&pair.client, octets, 70000);
    }
    for (int round = 0; round < 3; round++) {
        if (round == 1) {
            tls_heap_read(&before);
            allocations = pair.memory.allocations;
        }
        /* Other sizes each time. */
        for (size_t len = 1 + (size_t)round; len <= 70000; len = len * 3 + 1) {
            end_write(&pair.client, octets, len);
            end_write(&pair.server, octets, len);
            pair_run(&pair);
            end_expect(&pair.server, octets, len);
            end_expect(&pair.client, octets, len);
        }
        tls_heap_read(&after);
    }
    assert_int_equal(after.mallocs, before.mallocs);
    assert_int_equal(pair.memory.allocations, allocations);
    assert_int_equal(after.live, before.live);
    if (after.mallocs > 0) {
        assert_true((after.allocations > before.allocations) == by_wolfssl);
        assert_in_range(after.cached, 1, 1024 * 1024);
    }
    pair_free(&pair);
    free(octets);
}

/* Records of TLS 1.3 are ours, those of TLS 1.2 are wolfSSL's. */
static void warm_connections_allocate_nothing(void **state)
{
    (void)state;
    warm_connection_allocates_nothing(client, false);
    warm_connection_allocates_nothing(client12, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(octets_arrive_as_sent),
        cmocka_unit_test(records_grow_when_the_connection_is_warm),
        cmocka_unit_test(one_write_goes_from_small_to_large),
        cmocka_unit_test(close_notify_is_no_truncation),
        cmocka_unit_test(end_without_close_notify_is_truncation),
        cmocka_unit_test(data_before_the_end_is_given_first),
        cmocka_unit_test(damaged_records_fail),
        cmocka_unit_test(garbage_fails),
        cmocka_unit_test(held_slices_stay_valid),
        cmocka_unit_test(idle_connections_hold_no_blocks),
        cmocka_unit_test(warm_connections_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, contexts_make, contexts_free);
}
