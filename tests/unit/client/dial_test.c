/* Lookups and dials by themselves. */
#include "client_fixture.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/dial.h"

struct outcome {
    struct halo_loop *loop;
    int calls;
    int fd;
    int system_errno;
    char reason[DIAL_TEXT_SIZE];
    char peer[IO_ADDRESS_TEXT_MAX];
};

static void on_dialed(void *ctx, const struct dial_result *result)
{
    struct outcome *outcome = ctx;

    outcome->calls++;
    outcome->fd = result->fd;
    outcome->system_errno = result->system_errno;
    snprintf(outcome->reason, sizeof(outcome->reason), "%s", result->reason);
    if (result->fd >= 0) {
        io_address_format(result->peer, outcome->peer);
        io_close(outcome->loop, result->fd);
    }
}

static void address_of(struct io_address *address, const char *text)
{
    assert_int_equal(io_address_parse(address, text), 0);
}

/* Dials; returns the milliseconds it took. */
static unsigned dial(struct outcome *outcome, const char *const *texts, uint32_t count)
{
    struct io_address addresses[RESOLVE_ADDRESSES_MAX];
    struct dial *dial;
    uint64_t start;

    *outcome = (struct outcome){ 0 };
    assert_int_equal(halo_loop_new(&outcome->loop, NULL), 0);
    for (uint32_t i = 0; i < count; i++) {
        address_of(&addresses[i], texts[i]);
    }
    start = halo_loop_now_ns(outcome->loop);
    assert_int_equal(
        dial_start(&dial, outcome->loop, "host.test", addresses, count, on_dialed, outcome), 0);
    assert_int_equal(halo_loop_run(outcome->loop), 0);
    start = halo_loop_now_ns(outcome->loop) - start;
    assert_int_equal(outcome->calls, 1);
    assert_int_equal(outcome->loop->ledger.operations, 0);
    assert_int_equal(outcome->loop->ledger.descriptors, 0);
    halo_loop_free(outcome->loop);
    return (unsigned)(start / 1000000u);
}

static void dead_address(char text[64], const char *host)
{
    snprintf(text, 64, "%s:%u", host, (unsigned int)dead_port());
}

static void test_dial_second_alive(void **state)
{
    struct outcome outcome;
    struct deaf deaf;
    char dead[64];
    const char *texts[] = { dead, NULL };

    (void)state;
    deaf_init(&deaf, false);
    dead_address(dead, "127.0.0.1");
    texts[1] = deaf.address;
    /* No waiting: the next attempt starts when one has failed. */
    assert_in_range(dial(&outcome, texts, 2), 0, DIAL_HEAD_START_MS - 1);
    assert_true(outcome.fd >= 0);
    assert_string_equal(outcome.peer, deaf.address);
    deaf_fini(&deaf);
}

static void test_dial_second_faster(void **state)
{
    struct outcome outcome;
    struct deaf hanging;
    struct deaf alive;
    const char *texts[2];
    unsigned ms;

    (void)state;
    deaf_init(&hanging, true);
    deaf_init(&alive, false);
    texts[0] = hanging.address;
    texts[1] = alive.address;
    ms = dial(&outcome, texts, 2);
    assert_in_range(ms, DIAL_HEAD_START_MS, 20 * DIAL_HEAD_START_MS);
    assert_string_equal(outcome.peer, alive.address);
    deaf_fini(&hanging);
    deaf_fini(&alive);
}

static void test_dial_all_dead(void **state)
{
    struct outcome outcome;
    char one[64];
    char two[64];
    char expected[256];
    const char *texts[] = { one, two };

    (void)state;
    dead_address(one, "[::1]");
    dead_address(two, "127.0.0.1");
    dial(&outcome, texts, 2);
    assert_int_equal(outcome.fd, -1);
    assert_int_equal(outcome.system_errno, ECONNREFUSED);
    snprintf(expected, sizeof(expected), "no connection to host.test: %s refused, %s refused", one,
             two);
    assert_string_equal(outcome.reason, expected);
    dial(&outcome, texts, 1);
    snprintf(expected, sizeof(expected), "connection to %s refused", one);
    assert_string_equal(outcome.reason, expected);
}

/* The families take turns, whatever the order in the list: the sentence tells the order of
 * attempts. */
static void test_dial_order(void **state)
{
    static const char *const texts[] = {
        "[::1]:1", "[::1]:2", "[::1]:3", "127.0.0.1:4", "127.0.0.1:5",
    };
    static const char *const order[] = {
        "[::1]:1 ", "127.0.0.1:4 ", "[::1]:2 ", "127.0.0.1:5 ", "[::1]:3 ",
    };
    struct outcome outcome;
    const char *at;

    (void)state;
    dial(&outcome, texts, 5);
    at = outcome.reason;
    for (size_t i = 0; i < 5; i++) {
        at = strstr(at, order[i]);
        if (at == NULL) {
            fail_msg("%s is not where it should be in: %s", order[i], outcome.reason);
        }
    }
}

/* As many as there may be, and a sentence that is cut and not overrun. */
static void test_dial_many_dead(void **state)
{
    struct outcome outcome;
    char text[RESOLVE_ADDRESSES_MAX][64];
    const char *texts[RESOLVE_ADDRESSES_MAX];

    (void)state;
    for (size_t i = 0; i < RESOLVE_ADDRESSES_MAX; i++) {
        dead_address(text[i], "127.0.0.1");
        texts[i] = text[i];
    }
    dial(&outcome, texts, RESOLVE_ADDRESSES_MAX);
    assert_int_equal(outcome.fd, -1);
    assert_true(strlen(outcome.reason) < DIAL_TEXT_SIZE);
}

static void cancel_dial(halo_timer *timer, void *ctx)
{
    (void)timer;
    dial_cancel(ctx);
}

static void test_dial_cancel(void **state)
{
    struct outcome outcome = { 0 };
    struct io_address addresses[2];
    struct dial *dial;
    struct deaf hanging;

    (void)state;
    deaf_init(&hanging, true);
    for (int delay = 0; delay < 3; delay++) {
        assert_int_equal(halo_loop_new(&outcome.loop, NULL), 0);
        address_of(&addresses[0], hanging.address);
        address_of(&addresses[1], hanging.address);
        assert_int_equal(
            dial_start(&dial, outcome.loop, "host.test", addresses, 2, on_dialed, &outcome), 0);
        if (delay == 0) {
            dial_cancel(dial); /* before the loop has a ring */
        } else {
            assert_int_equal(halo_timer_start(NULL, outcome.loop,
                                              delay == 1 ? 20 : DIAL_HEAD_START_MS + 20, 0,
                                              cancel_dial, dial),
                             0);
        }
        assert_int_equal(halo_loop_run(outcome.loop), 0);
        assert_int_equal(outcome.calls, 0);
        assert_int_equal(outcome.loop->ledger.descriptors, 0);
        halo_loop_free(outcome.loop);
    }
    deaf_fini(&hanging);
}

/* ---- lookups --------------------------------------------------------------------------- */

struct found {
    struct halo_loop *loop;
    struct resolve_result result;
    int calls;
    int wanted;
};

static void on_resolved(void *ctx, const struct resolve_result *result)
{
    struct found *found = ctx;

    found->result = *result;
    if (++found->calls == found->wanted) {
        loop_unref(found->loop);
    }
}

static void test_resolve_localhost(void **state)
{
    struct found found = { .wanted = 1 };
    struct resolve_lookup *lookup;

    (void)state;
    assert_int_equal(halo_loop_new(&found.loop, NULL), 0);
    loop_ref(found.loop);
    assert_int_equal(resolve_start(&lookup, found.loop, "localhost", 4711, on_resolved, &found), 0);
    assert_int_equal(halo_loop_run(found.loop), 0);
    assert_int_equal(found.result.error, 0);
    assert_true(found.result.count >= 1);
    assert_int_equal(io_address_port(&found.result.addresses[0]), 4711);
    halo_loop_free(found.loop);
}

/* More than there are threads: all are answered. */
static void test_resolve_many(void **state)
{
    enum { COUNT = 100 };
    struct found found = { .wanted = COUNT };
    struct resolve_lookup *lookup;

    (void)state;
    assert_int_equal(halo_loop_new(&found.loop, NULL), 0);
    loop_ref(found.loop);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(resolve_start(&lookup, found.loop, "localhost", 1, on_resolved, &found),
                         0);
    }
    assert_int_equal(halo_loop_run(found.loop), 0);
    assert_int_equal(found.calls, COUNT);
    halo_loop_free(found.loop);
}

/* Lookups that nobody waits for any more: their loop may go at once. */
static void test_resolve_cancel(void **state)
{
    enum { COUNT = 50 };
    struct found found = { 0 };
    struct resolve_lookup *lookups[COUNT];

    (void)state;
    for (int round = 0; round < 20; round++) {
        assert_int_equal(halo_loop_new(&found.loop, NULL), 0);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(
                resolve_start(&lookups[i], found.loop, "halo.invalid", 1, on_resolved, &found), 0);
        }
        usleep((useconds_t)round * 100);
        for (int i = 0; i < COUNT; i++) {
            resolve_cancel(lookups[i]);
        }
        halo_loop_free(found.loop);
    }
    assert_int_equal(found.calls, 0);
}

static void test_resolve_explain(void **state)
{
    struct resolve_result result = { .error = EAI_NONAME };
    char text[256];

    (void)state;
    resolve_explain(text, sizeof(text), "a.test", &result);
    assert_string_equal(text, "host name a.test not found");
    result.error = EAI_AGAIN;
    resolve_explain(text, sizeof(text), "a.test", &result);
    assert_string_equal(text, "host name a.test not found: no answer from the name servers");
    result = (struct resolve_result){ .error = EAI_SYSTEM, .system_errno = EMFILE };
    resolve_explain(text, sizeof(text), "a.test", &result);
    assert_string_equal(text, "host name a.test not found: Too many open files");
    result.error = EAI_FAIL;
    resolve_explain(text, sizeof(text), "a.test", &result);
    assert_non_null(strstr(text, "host name a.test not found: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dial_second_alive), cmocka_unit_test(test_dial_second_faster),
        cmocka_unit_test(test_dial_all_dead),     cmocka_unit_test(test_dial_order),
        cmocka_unit_test(test_dial_many_dead),    cmocka_unit_test(test_dial_cancel),
        cmocka_unit_test(test_resolve_localhost), cmocka_unit_test(test_resolve_many),
        cmocka_unit_test(test_resolve_cancel),    cmocka_unit_test(test_resolve_explain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
