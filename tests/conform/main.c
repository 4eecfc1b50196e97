/*
 * Runs all cases of conformance.
 *
 * usage: conform [--list]
 *
 * The common conformance suite has 147 cases for servers and 57 for clients. For each there is
 * one of our own here, and more; the last test counts them.
 */
#include <stdio.h>
#include <string.h>

#include "conform.h"
#include "core/base/base.h"

extern const struct conform_group group_generic;
extern const struct conform_group group_rfc9113_3_4_format;
extern const struct conform_group group_rfc9113_5_states;
extern const struct conform_group group_rfc9113_6_streams;
extern const struct conform_group group_rfc9113_6_connection;
extern const struct conform_group group_rfc9113_8_messages;
extern const struct conform_group group_rfc9113_8_push;
extern const struct conform_group group_rfc7541;
extern const struct conform_group group_rfc8441;
extern const struct conform_group group_rfc9218;
extern const struct conform_group group_extensions;

enum { SUITE_SERVER_CASES = 147, SUITE_CLIENT_CASES = 57 };

static const struct conform_group *const groups[] = {
    &group_generic,
    &group_rfc9113_3_4_format,
    &group_rfc9113_5_states,
    &group_rfc9113_6_streams,
    &group_rfc9113_6_connection,
    &group_rfc9113_8_messages,
    &group_rfc9113_8_push,
    &group_rfc7541,
    &group_rfc8441,
    &group_rfc9218,
    &group_extensions,
};

static void test_conform_count(void **state)
{
    size_t counts[2] = { 0, 0 };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(groups); i++) {
        for (size_t k = 0; k < groups[i]->count; k++) {
            const struct conform_case *counted = &groups[i]->cases[k];
            bool server = strncmp(counted->name, "test_server_", 12) == 0;

            assert_true(server || strncmp(counted->name, "test_client_", 12) == 0);
            assert_int_equal(counted->scenario.role, server ? HALO_SERVER : HALO_CLIENT);
            counts[counted->scenario.role]++;
        }
    }
    printf("%zu cases for servers, %zu for clients\n", counts[HALO_SERVER], counts[HALO_CLIENT]);
    assert_true(counts[HALO_SERVER] >= SUITE_SERVER_CASES);
    assert_true(counts[HALO_CLIENT] >= SUITE_CLIENT_CASES);
}

static void list(void)
{
    for (size_t i = 0; i < HALO_ARRAY_LEN(groups); i++) {
        for (size_t k = 0; k < groups[i]->count; k++) {
            puts(groups[i]->cases[k].name);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest count[] = { cmocka_unit_test(test_conform_count) };
    int failed = 0;

    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(groups); i++) {
        failed += conform_run(groups[i]);
    }
    failed += cmocka_run_group_tests_name("count", count, NULL, NULL);
    return failed != 0;
}
