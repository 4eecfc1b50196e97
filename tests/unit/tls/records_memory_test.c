/* What becomes of the secrets of TLS 1.3 records, and what happens when memory or a key is wanting. */
#include "records_support.h"

#include <string.h>

static const struct tls_records *watched;
static int wiped;

static bool all_zero(const void *at, size_t len)
{
    const uint8_t *octets = at;

    for (size_t i = 0; i < len; i++) {
        if (octets[i] != 0) {
            return false;
        }
    }
    return true;
}

static void watching_release(void *memory, void *ctx)
{
    const uint8_t *at = memory;

    (void)ctx;
    /* The memory layer may have a header of its own. */
    if (watched != NULL && (const uint8_t *)watched >= at && (const uint8_t *)watched < at + 64) {
        assert_true(all_zero(&watched->in, sizeof(watched->in)));
        assert_true(all_zero(&watched->out, sizeof(watched->out)));
        watched = NULL;
        wiped++;
    }
    free(memory);
}

static void secrets_are_wiped(void **state)
{
    size_t spare_max = memory_spare_max;

    (void)state;
    memory_spare_max = 0;
    for (int suite = 0; suite < SUITES; suite++) {
        struct pair pair;

        records_open(&pair, suite, true, true);
        expect_alive(&pair);
        pair.memory.allocator.release = watching_release;
        watched = records_of(&pair.server);
        assert_false(all_zero(watched->in.secret, 32));
        assert_false(all_zero(watched->out.secret, 32));
        pair.server.transport->ops->free(pair.server.transport);
        pair.server.transport = NULL;
        pair_free(&pair);
        assert_int_equal(wiped, suite + 1);
    }
    memory_spare_max = spare_max;
}

static void *no_memory(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return NULL;
}

/* Leaves `count` chunks, and no other memory. */
static struct chunk *exhaust(struct memory *memory, int count)
{
    struct chunk *taken = NULL;
    struct chunk *chunk;

    for (int i = 0; i < 4; i++) {
        chunk = chunk_take(memory);
        assert_non_null(chunk);
        chunk->next = taken;
        taken = chunk;
    }
    memory->allocator.alloc = no_memory;
    while ((chunk = chunk_take(memory)) != NULL) {
        chunk->next = taken;
        taken = chunk;
    }
    while (count-- > 0) {
        chunk = taken;
        taken = chunk->next;
        chunk_unref(memory, chunk);
    }
    return taken;
}

/* Data, and a key update that wants an answer, cut in the middle: needs a block, a chunk for the
 * record that is not all there, and one for the answer. */
static void memory_may_be_short(void **state)
{
    (void)state;
    for (int chunks = 0; chunks <= 3; chunks++) {
        struct pair pair;
        struct chunk *taken;
        uint8_t *wire;
        size_t len;

        records_open_ours(&pair);
        end_write(&pair.client, "a", 1);
        assert_true(tls_records_update(tls_of(pair.client.transport), true));
        end_write(&pair.client, "b", 1);
        wire = end_take_output(&pair.client, &len);
        end_feed_unread(&pair.server, wire, 30);
        end_feed_unread(&pair.server, wire + 30, len - 30);
        taken = exhaust(&pair.memory, chunks);
        end_read(&pair, &pair.server);
        if (chunks < 3) {
            end_expect_failure(&pair.server, HALO_E_NOMEM, "out of memory");
            end_expect(&pair.server, "a", chunks == 0 ? 0 : 1);
        } else {
            assert_int_equal(pair.server.state, TRANSPORT_OPEN);
            end_expect(&pair.server, "ab", 2);
        }
        while (taken != NULL) {
            struct chunk *chunk = taken;

            taken = chunk->next;
            chunk_unref(&pair.memory, chunk);
        }
        free(wire);
        pair_free(&pair);
    }
}

/* The answer's key cannot be made: no octet is sealed with the old one, whatever is tried. */
static void failed_update_seals_nothing(void **state)
{
    static const struct record_suite broken = { 0x1303, RECORD_CHACHA20_POLY1305, 32, 32,
                                                WC_HASH_TYPE_NONE };
    struct iovec iov = { (void *)(uintptr_t) "answer", 6 };
    struct pair pair;
    size_t sent;

    (void)state;
    records_open(&pair, 2, true, true);
    records_of(&pair.server)->suite = &broken;
    assert_false(tls_records_update(tls_of(pair.server.transport), false));
    assert_int_equal(pair.server.transport->state, TRANSPORT_FAILED);
    sent = pair.server.transport->output_len;
    assert_int_equal(pair.server.transport->ops->write(pair.server.transport, &iov, 1, 6), 0);
    pair.server.transport->ops->shutdown(pair.server.transport);
    tls_records_alert(tls_of(pair.server.transport), TLS_ALERT_INTERNAL_ERROR);
    assert_int_equal(pair.server.transport->output_len, sent);
    pair_free(&pair);
}

/* An alert or data without a key: nothing goes out, and data fails the transport. */
static void without_a_key_nothing_goes_out(void **state)
{
    struct iovec iov = { (void *)(uintptr_t) "answer", 6 };

    (void)state;
    for (int suite = 0; suite < SUITES; suite++) {
        struct pair pair;

        records_open(&pair, suite, true, true);
        record_key_wipe(&records_of(&pair.server)->out);
        tls_records_alert(tls_of(pair.server.transport), TLS_ALERT_INTERNAL_ERROR);
        assert_int_equal(pair.server.transport->state, TRANSPORT_OPEN);
        assert_int_equal(pair.server.transport->ops->write(pair.server.transport, &iov, 1, 6), 0);
        assert_int_equal(pair.server.transport->state, TRANSPORT_FAILED);
        assert_int_equal(pair.server.transport->output_len, 0);
        pair_free(&pair);
    }
}

/* Freed in the middle of a record. */
static void partial_records_are_freed(void **state)
{
    struct record record;
    struct pair pair;

    (void)state;
    records_open_ours(&pair);
    record_make(&record, &pair.client, TYPE_DATA, "text", 4, 0);
    end_feed(&pair, &pair.server, record.octets, 10);
    assert_non_null(records_of(&pair.server)->partial);
    pair_free(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_wiped),
        cmocka_unit_test(memory_may_be_short),
        cmocka_unit_test(failed_update_seals_nothing),
        cmocka_unit_test(without_a_key_nothing_goes_out),
        cmocka_unit_test(partial_records_are_freed),
    };
    return records_are_ours() ? cmocka_run_group_tests(tests, suites_make, suites_free)
                              : TEST_SKIPPED;
}
