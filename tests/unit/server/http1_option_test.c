/* The option allow_http1 in builds with and without HTTP/1.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <halo/server.h>

static int make(const struct halo_server_options *options, halo_loop *loop)
{
    halo_server *server = NULL;
    int status = halo_server_new(&server, loop, options);

    if (status == 0) {
        halo_server_free(server);
    }
    return status;
}

static void test_O21_server_allow_http1_option(void **state)
{
    struct halo_server_options options;
    halo_loop *loop;

    (void)state;
    assert_int_equal(halo_loop_new(&loop, NULL), 0);
    halo_server_options_init(&options);
    assert_int_equal(options.allow_http1, 0);
    assert_int_equal(make(&options, loop), 0);
    options.allow_http1 = 1;
    assert_int_equal(make(&options, loop), HALO_HAVE_HTTP1 ? 0 : HALO_E_NOT_SUPPORTED);
    options.struct_size = offsetof(struct halo_server_options, allow_http1); /* an older caller */
    assert_int_equal(make(&options, loop), 0);
    halo_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_O21_server_allow_http1_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
