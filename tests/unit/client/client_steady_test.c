/*
 * Nothing is allocated per request on a connection that has warmed up: a server and a client on one
 * loop, over h2c and, where it is built, TLS. Every malloc of the process is counted: that of the
 * TLS library, too. Under sanitizers, which have a malloc of their own, the requests are made and
 * nothing is counted.
 */
#include "client_fixture.h"

#if HALO_HAVE_TLS
#include "../tls/support.h"
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OWN_MALLOC 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_MALLOC 1
#endif

enum {
    AT_ONCE = 9,
    WARM_UP = 400 * AT_ONCE, /* resets are remembered, up to a limit */
    COUNTED = 300 * AT_ONCE,
};

static size_t mallocs;

#if !defined(HAS_OWN_MALLOC)
void *__libc_malloc(size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_calloc(size_t count, size_t size);

void *malloc(size_t size)
{
    mallocs++;
    return __libc_malloc(size);
}

void *realloc(void *old, size_t size)
{
    mallocs++;
    return __libc_realloc(old, size);
}

void *calloc(size_t count, size_t size)
{
    mallocs++;
    return __libc_calloc(count, size);
}
#endif

static char upload[50000];

struct steady {
    struct world world;
    struct exchange exchanges[AT_ONCE];
    int made;
    int done;
    size_t mallocs_at_start;
    size_t mallocs_counted;
};

static struct steady *steady;

static void begin(struct exchange *exchange);

static void again(struct exchange *exchange)
{
    assert_int_equal(exchange->error, 0);
    assert_int_equal(exchange->status, 200);
    steady->done++;
    if (steady->done == WARM_UP) {
        steady->mallocs_at_start = mallocs;
    }
    if (steady->done == WARM_UP + COUNTED) {
        steady->mallocs_counted = mallocs - steady->mallocs_at_start;
    }
    if (steady->made < WARM_UP + COUNTED + AT_ONCE) {
        begin(exchange);
    } else {
        close_when_done(exchange);
    }
}

/* In turn: no body, a body that is echoed with its trailers, hints. */
static void begin(struct exchange *exchange)
{
    static const char *const paths[] = { "/", "/echo", "/hints" };
    const halo_header sum = { .name = HALO_LIT("x-sum"), .value = HALO_LIT("42") };
    const halo_headers trailers = { .fields = &sum, .count = 1 };
    const char *path = paths[steady->made % 3];
    bool has_body = strcmp(path, "/echo") == 0;

    *exchange = (struct exchange){ .on_close = again };
    steady->made++;
    world_request(&steady->world, exchange, has_body ? "POST" : "GET", path,
                  has_body ? 0 : HALO_END_STREAM);
    if (has_body) {
        assert_int_equal(halo_stream_write(exchange->stream, upload, 3000, 0), 0);
        assert_int_equal(
            halo_stream_write_borrow(exchange->stream, upload, sizeof(upload), 0, NULL, NULL), 0);
        assert_int_equal(halo_stream_trailers(exchange->stream, &trailers), 0);
    }
}

static void play(struct steady *made)
{
    steady = made;
    world_connect(&made->world);
    for (int i = 0; i < AT_ONCE; i++) {
        begin(&made->exchanges[i]);
    }
    world_run(&made->world);
    assert_int_equal(made->world.error, 0);
    assert_int_equal(made->done, made->made);
    assert_true(made->done >= WARM_UP + COUNTED);
    assert_int_equal(made->mallocs_counted, 0);
    world_fini(&made->world);
}

static void test_requests_over_h2c_allocate_nothing(void **state)
{
    struct steady made = { 0 };

    (void)state;
    world_init(&made.world, "127.0.0.1", NULL);
    play(&made);
}

#if HALO_HAVE_TLS
static void test_requests_over_tls_allocate_nothing(void **state)
{
    struct steady made = { 0 };
    halo_tls_context *server = server_context("server", NULL);

    (void)state;
    world_init(&made.world, "127.0.0.1", server);
    halo_tls_context_free(server);
    made.world.options.tls = client_context(NULL);
    play(&made);
    halo_tls_context_free(made.world.options.tls);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_over_h2c_allocate_nothing),
#if HALO_HAVE_TLS
        cmocka_unit_test(test_requests_over_tls_allocate_nothing),
#endif
    };

#if HALO_HAVE_TLS
    return cmocka_run_group_tests(tests, certificates_make, certificates_remove);
#else
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
