/* Opening beneath a root, and the cache of files that are ready to be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/serve_cache.h"
#include "server/serve_open.h"

static char directory[64];
static struct serve_root root;
static struct serve_clock clock_now;
static struct serve_cache *cache;
static struct serve_path path;

/* ---- the directory ------------------------------------------------------------------------- */

static const char *in_root(const char *name)
{
    static char full[512];

    snprintf(full, sizeof(full), "%s/%s", directory, name);
    return full;
}

static void put_file(const char *name, size_t len, int octet)
{
    FILE *file = fopen(in_root(name), "w");

    assert_non_null(file);
    for (size_t i = 0; i < len; i++) {
        putc(octet, file);
    }
    assert_int_equal(fclose(file), 0);
}

static char parent[64];

static int end_all(void **state)
{
    char command[128];

    (void)state;
    serve_cache_free(cache);
    serve_root_close(&root);
    snprintf(command, sizeof(command), "rm -rf %s", parent);
    return system(command);
}

static void make_files(void)
{
    char outside[80];

    assert_int_equal(mkdir(in_root("dir"), 0755), 0);
    assert_int_equal(mkdir(in_root("empty"), 0755), 0);
    put_file("index.html", 13, 'i');
    put_file("dir/index.html", 5, 'd');
    put_file("dir/a.txt", 7, 'a');
    put_file("nothing", 0, 0);
    put_file("limit", SERVE_BODY_MAX, 'l');
    put_file("large", SERVE_BODY_MAX + 1, 'L');
    assert_int_equal(symlink("dir/a.txt", in_root("inside")), 0);
    assert_int_equal(symlink("../index.html", in_root("dir/up")), 0);
    assert_int_equal(symlink("../outside", in_root("leave")), 0);
    snprintf(outside, sizeof(outside), "%s/outside", parent);
    assert_int_equal(symlink(outside, in_root("leave-absolute")), 0);
    assert_int_equal(symlink("..", in_root("parent")), 0);
    assert_int_equal(symlink("loop", in_root("loop")), 0);
    assert_int_equal(mkfifo(in_root("fifo"), 0644), 0);
}

/* Beside the root lies a file that must stay out of reach. */
static int make_all(void **state)
{
    (void)state;
    strcpy(parent, "/tmp/halo-serve-XXXXXX");
    if (mkdtemp(parent) == NULL) {
        return -1;
    }
    strcpy(directory, parent);
    put_file("outside", 3, 'o');
    strcat(directory, "/root");
    assert_int_equal(mkdir(directory, 0755), 0);
    make_files();
    if (serve_root_open(&root, directory) != 0) {
        return -1;
    }
    memset(&clock_now, 0, sizeof(clock_now));
    serve_clock_read(&clock_now, 0);
    cache = serve_cache_new(&root, &clock_now);
    return cache != NULL ? 0 : -1;
}

/* ---- opening ------------------------------------------------------------------------------- */

static void check_open(const char *name, int expected)
{
    struct stat info;
    int fd = serve_open(&root, name, &info);

    if ((fd >= 0 ? 0 : fd) != expected) {
        fail_msg("%s: %d, not %d", name, fd, expected);
    }
    if (fd >= 0) {
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        close(fd);
    }
}

static void test_serve_open_stays_beneath(void **state)
{
    (void)state;
    assert_false(root.walk);
    check_open("index.html", 0);
    check_open("dir/a.txt", 0);
    check_open("", 0);
    check_open("dir", 0);
    check_open("inside", 0);
    check_open("dir/up", 0);
    check_open("fifo", 0); /* does not wait for a writer */
    check_open("missing", -ENOENT);
    check_open("index.html/x", -ENOTDIR);
    check_open("leave", -EXDEV);
    check_open("leave-absolute", -EXDEV);
    check_open("parent/outside", -EXDEV);
    check_open("loop", -ELOOP);
    /* Nobody should ask for these; they lead nowhere either. */
    check_open("../outside", -EXDEV);
    check_open("/etc/passwd", -EXDEV);
}

static void test_serve_open_without_openat2(void **state)
{
    static char long_name[300];

    (void)state;
    root.walk = true;
    check_open("index.html", 0);
    check_open("dir/a.txt", 0);
    check_open("", 0);
    check_open("dir", 0);
    check_open("inside", -ELOOP); /* no links at all */
    check_open("leave", -ELOOP);
    check_open("leave-absolute", -ELOOP);
    check_open("parent/outside", -ENOTDIR);
    check_open("missing", -ENOENT);
    check_open("missing/x", -ENOENT);
    check_open("index.html/x", -ENOTDIR);
    memset(long_name, 'n', sizeof(long_name) - 1);
    check_open(long_name, -ENAMETOOLONG);
}

static void test_serve_root_errors(void **state)
{
    struct serve_root other;

    (void)state;
    assert_int_equal(serve_root_open(&other, in_root("missing")), ENOENT);
    assert_int_equal(serve_root_open(&other, in_root("index.html")), ENOTDIR);
}

/* ---- the cache ----------------------------------------------------------------------------- */

static struct serve_file *get(const char *request)
{
    struct serve_file *file = NULL;

    assert_int_equal(serve_cache_get(cache, halo_str(request), &path, &file), 0);
    assert_non_null(file);
    return file;
}

static void check_status(const char *request, int expected)
{
    struct serve_file *file = NULL;

    assert_int_equal(serve_cache_get(cache, halo_str(request), &path, &file), expected);
}

static void next_second(void)
{
    serve_clock_read(&clock_now, 0);
}

static void check_field(const struct serve_file *file, const char *name, const char *value)
{
    halo_header_list list;
    halo_bytes found;

    list.fields = halo_header_set_fields(file->set, &list.count);
    assert_int_equal(halo_header_find(list, halo_str(name), &found), 1);
    assert_int_equal(found.len, strlen(value));
    assert_memory_equal(found.data, value, found.len);
}

static void test_serve_cache_small_file(void **state)
{
    struct serve_file *file = get("/");
    char date[SERVE_DATE_LEN + 1] = "";

    (void)state;
    assert_non_null(file->body);
    assert_int_equal(file->fd, -1);
    assert_int_equal(file->size, 13);
    assert_memory_equal(file->body, "iiiiiiiiiiiii", 13);
    check_field(file, "content-type", "text/html; charset=utf-8");
    check_field(file, "content-length", "13");
    memcpy(date, clock_now.date, SERVE_DATE_LEN);
    check_field(file, "date", date);
    memcpy(date, file->modified_text, SERVE_DATE_LEN);
    check_field(file, "last-modified", date);
    assert_true(file->etag[0] == '"' && file->etag[file->etag_len - 1] == '"');
    /* The same entry again, whatever the query. */
    assert_ptr_equal(get("/"), file);
    assert_ptr_equal(get("/?query"), file);
    assert_ptr_not_equal(get("/index.html"), file);
    assert_int_equal(get("/dir/")->size, 5);
    assert_int_equal(get("/nothing")->size, 0);
}

static void test_serve_cache_large_file(void **state)
{
    struct serve_file *file = get("/large");

    (void)state;
    assert_null(file->body);
    assert_true(file->fd >= 0);
    assert_int_equal(file->size, SERVE_BODY_MAX + 1);
    file = get("/limit");
    assert_non_null(file->body);
    assert_int_equal(file->body[SERVE_BODY_MAX - 1], 'l');
}

static void test_serve_cache_problems(void **state)
{
    (void)state;
    check_status("/missing", 404);
    check_status("/dir", 301);
    assert_string_equal(path.text, "dir");
    check_status("/empty/", 404);
    check_status("/empty", 301);
    check_status("/leave", 404);
    check_status("/parent/outside", 404);
    check_status("/parent", 404);
    check_status("/fifo", 404);
    check_status("/index.html/", 404);
    check_status("/../outside", 404);
    check_status("/%", 400);
    check_status("x", 400);
}

static void test_serve_cache_looks_again_each_second(void **state)
{
    struct serve_file *file = get("/dir/a.txt");
    char etag[SERVE_ETAG_MAX];

    (void)state;
    memcpy(etag, file->etag, SERVE_ETAG_MAX);
    put_file("dir/a.txt", 9, 'b');
    assert_ptr_equal(get("/dir/a.txt"), file); /* not yet */
    serve_file_ref(file);                      /* a response is under way */
    next_second();
    assert_ptr_not_equal(get("/dir/a.txt"), file);
    assert_int_equal(get("/dir/a.txt")->size, 9);
    assert_string_not_equal(get("/dir/a.txt")->etag, etag);
    assert_memory_equal(file->body, "aaaaaaa", 7); /* and goes on being sent */
    serve_file_unref(file);

    file = get("/dir/a.txt");
    next_second();
    assert_ptr_equal(get("/dir/a.txt"), file); /* the same file: the entry stays, with a new date */
    assert_int_equal(file->second, clock_now.second);

    assert_int_equal(remove(in_root("dir/a.txt")), 0);
    next_second();
    check_status("/dir/a.txt", 404);
    put_file("dir/a.txt", 1, 'c');
    assert_int_equal(get("/dir/a.txt")->size, 1);
    /* A directory in its place. */
    assert_int_equal(remove(in_root("dir/a.txt")), 0);
    assert_int_equal(mkdir(in_root("dir/a.txt"), 0755), 0);
    next_second();
    check_status("/dir/a.txt", 301);
}

static void test_serve_cache_future_file(void **state)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = clock_now.now + 5000 } };

    (void)state;
    assert_int_equal(utimensat(AT_FDCWD, in_root("index.html"), times, 0), 0);
    assert_true(get("/")->modified == clock_now.now); /* RFC 9110 8.8.2.1 */
}

/* More files than there are places, and more large ones than descriptors may be open. */
static void test_serve_cache_limits(void **state)
{
    char name[64];
    struct serve_file *held = get("/index.html");
    int before = dup(0);
    int after;

    (void)state;
    serve_file_ref(held);
    close(before);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "many-%d", i);
        put_file(name, 10, 'm');
        snprintf(name, sizeof(name), "/many-%d", i);
        assert_int_equal(get(name)->size, 10);
        assert_int_equal(get("/")->size, 13);
    }
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "large-%d", i);
        put_file(name, SERVE_BODY_MAX + 1, 'm');
        snprintf(name, sizeof(name), "/large-%d", i);
        assert_true(get(name)->fd >= 0);
    }
    after = dup(0);
    close(after);
    assert_true(after - before <= 64);
    for (int i = 0; i < 800; i++) { /* 50 MiB */
        snprintf(name, sizeof(name), "big-%d", i);
        put_file(name, SERVE_BODY_MAX, 'b');
        snprintf(name, sizeof(name), "/big-%d", i);
        assert_non_null(get(name)->body);
    }
    assert_memory_equal(held->body, "iiiiiiiiiiiii", 13);
    serve_file_unref(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_serve_open_stays_beneath, make_all, end_all),
        cmocka_unit_test_setup_teardown(test_serve_open_without_openat2, make_all, end_all),
        cmocka_unit_test_setup_teardown(test_serve_root_errors, make_all, end_all),
        cmocka_unit_test_setup_teardown(test_serve_cache_small_file, make_all, end_all),
        cmocka_unit_test_setup_teardown(test_serve_cache_large_file, make_all, end_all),
        cmocka_unit_test_setup_teardown(test_serve_cache_problems, make_all, end_all),
        cmocka_unit_test_setup_teardown(test_serve_cache_looks_again_each_second, make_all,
                                        end_all),
        cmocka_unit_test_setup_teardown(test_serve_cache_future_file, make_all, end_all),
        cmocka_unit_test_setup_teardown(test_serve_cache_limits, make_all, end_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
