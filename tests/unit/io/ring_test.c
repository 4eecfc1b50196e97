#include "io_fixture.h"

#include <sys/resource.h>

#include "scripted_ring.h"

static char text[512];

static const char *explained(int error, int disabled)
{
    struct ring_environment environment = { .disabled = disabled,
                                            .release = "5.10.1-x",
                                            .open_files = 77 };

    ring_explain(text, sizeof(text), error, &environment);
    return text;
}

static void expect(const char *what)
{
    if (strstr(text, what) == NULL) {
        fail_msg("'%s' lacks '%s'", text, what);
    }
}

static void test_ring_explains_enosys(void **state)
{
    (void)state;
    explained(-ENOSYS, 0);
    expect("CONFIG_IO_URING");
    expect("5.10.1-x");
}

static void test_ring_explains_eperm(void **state)
{
    (void)state;
    explained(-EPERM, 0);
    expect("seccomp");
    expect("--security-opt seccomp=");
    expect("io_uring_setup, io_uring_enter and io_uring_register");
    explained(-EPERM, -1);
    expect("seccomp");
    explained(-EPERM, 1);
    expect("kernel.io_uring_disabled is 1");
    expect("kernel.io_uring_group");
    explained(-EPERM, 2);
    expect("kernel.io_uring_disabled is 2");
    assert_null(strstr(text, "seccomp"));
}

static void test_ring_explains_the_rest(void **state)
{
    (void)state;
    explained(-EINVAL, 0);
    expect("5.10.1-x");
    expect("6.1 or newer");
    explained(-ENOMEM, 0);
    expect("RLIMIT_MEMLOCK");
    expect("cgroup");
    explained(-EMFILE, 0);
    expect("RLIMIT_NOFILE is 77");
    explained(-ENFILE, 0);
    expect("RLIMIT_NOFILE");
    explained(-EIO, 0);
    expect("Input/output error");
    explained(EIO, 0);
    expect("Input/output error");
}

static void test_ring_environment(void **state)
{
    struct ring_environment environment;

    (void)state;
    ring_environment_read(&environment);
    assert_in_range(environment.disabled + 1, 0, 3);
    assert_true(strlen(environment.release) >= 3);
    assert_true(environment.open_files > 0);
}

/* A loop whose ring cannot be set up says why, can be asked again, and can be freed. */
static void test_ring_error_reaches_the_user(void **state)
{
    static const struct {
        int error;
        const char *says;
    } cases[] = {
        { -ENOSYS, "CONFIG_IO_URING" }, { -EPERM, "not permitted" },  { -EINVAL, "6.1 or newer" },
        { -ENOMEM, "RLIMIT_MEMLOCK" },  { -EMFILE, "RLIMIT_NOFILE" },
    };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(cases); i++) {
        const struct scripted_options options = { .seed = 1, .setup_error = cases[i].error };
        struct halo_loop *loop;

        assert_int_equal(loop_new_with_ring(&loop, NULL, scripted_ring_new(&options)), 0);
        loop_ref(loop);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(halo_loop_run(loop), HALO_E_IO_URING);
            assert_non_null(strstr(halo_loop_error(loop), cases[i].says));
        }
        loop_unref(loop);
        halo_loop_free(loop);
    }
}

static void test_ring_loop_without_descriptors(void **state)
{
    struct halo_loop *loop = fixture_loop(8, 8);
    struct rlimit before;
    struct rlimit none;
    int highest = dup(STDERR_FILENO);

    (void)state;
    close(highest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (rlim_t allowed = 0; allowed < 2; allowed++) {
        none = before;
        none.rlim_cur = (rlim_t)highest + allowed;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_int_equal(halo_loop_run(loop), HALO_E_IO_URING);
        assert_non_null(strstr(halo_loop_error(loop), "RLIMIT_NOFILE"));
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    }
    assert_int_equal(halo_loop_run(loop), 0);
    assert_string_equal(halo_loop_error(loop), "");
    halo_loop_free(loop);
}

static void test_ring_probe_answers_alike(void **state)
{
    struct ring_capabilities first;
    struct ring_capabilities second;

    (void)state;
    assert_int_equal(ring_probe(&first), 0);
    assert_int_equal(ring_probe(&second), 0);
    assert_int_equal(first.receive_multishot, second.receive_multishot);
    assert_int_equal(first.receive_budget, second.receive_budget);
    /* The floor: 6.1 has it. */
    assert_true(first.receive_multishot);
    assert_int_equal(first.send_zero_copy, second.send_zero_copy);
    print_message("multishot receive %d, its end %d, budget %d, vectorized send %d, send without a "
                  "copy %d, multishot accept %d\n",
                  first.receive_multishot, first.receive_end, first.receive_budget,
                  first.send_vectorized, first.send_zero_copy, first.accept_multishot);
}

static void test_ring_releases_with_the_accept_bug(void **state)
{
    static const char *const with[] = { "6.2.0",  "6.3.1-arch", "6.5.13", "6.6.0",
                                        "6.6.16", "6.7.0-1",    "6.7.4",  "6.2" };
    static const char *const without[] = { "6.1.176", "6.6.17",         "6.7.5",
                                           "6.8.0",   "6.12.107-amd64", "5.19.0",
                                           "7.2.1",   "6.18.44",        "",
                                           "x" };

    (void)state;
    for (size_t i = 0; i < HALO_ARRAY_LEN(with); i++) {
        assert_true(ring_release_accept_bug(with[i]));
    }
    for (size_t i = 0; i < HALO_ARRAY_LEN(without); i++) {
        assert_false(ring_release_accept_bug(without[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: the probe has not run yet. */
        cmocka_unit_test(test_ring_loop_without_descriptors),
        cmocka_unit_test(test_ring_explains_enosys),
        cmocka_unit_test(test_ring_explains_eperm),
        cmocka_unit_test(test_ring_explains_the_rest),
        cmocka_unit_test(test_ring_environment),
        cmocka_unit_test(test_ring_error_reaches_the_user),
        cmocka_unit_test(test_ring_probe_answers_alike),
        cmocka_unit_test(test_ring_releases_with_the_accept_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
