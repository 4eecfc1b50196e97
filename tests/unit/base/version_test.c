#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <halo/version.h>

static void library_and_header_agree(void **state)
{
    (void)state;
    assert_string_equal(halo_version(), HALO_VERSION_STRING);
    assert_int_equal(halo_version_number(), HALO_VERSION_NUMBER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_and_header_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
