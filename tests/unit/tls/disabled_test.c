/* A build without TLS says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <halo/error.h>
#include <halo/tls.h>

static void contexts_cannot_be_made(void **state)
{
    struct halo_tls_options options;
    halo_tls_context *context = (void *)&options;
    char why[128] = "";

    (void)state;
    halo_tls_options_init(&options);
    options.role = HALO_TLS_CLIENT;
    assert_int_equal(halo_tls_context_new(&context, &options, why, sizeof(why)), HALO_E_NO_TLS);
    assert_null(context);
    assert_non_null(strstr(why, "without TLS"));
    assert_int_equal(halo_tls_context_new(&context, &options, NULL, 0), HALO_E_NO_TLS);
    halo_tls_context_free(NULL);
    assert_string_equal(halo_tls_library(), "");
    assert_string_equal(halo_tls_library_holes(), "");
    assert_string_equal(halo_tls_accelerator(), "");
    assert_string_equal(halo_tls_accelerator_off(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_cannot_be_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
