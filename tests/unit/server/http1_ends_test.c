/* The HTTP/1.1 machine: deadlines, ends, what fails. */
#include "http1_fixture.h"

/* ---- deadlines and ends ---------------------------------------------------------------------- */

static void test_N08_server_http1_head_deadline(void **state)
{
    struct h1 *h1 = h1_new();

    (void)state;
    h1_wait_ms(h1, 50000);
    h1_say(h1, "GET / HT");
    h1_wait_ms(h1, 9000);
    h1_say(h1, "TP/1.1\r\nHo"); /* progress gives no more time */
    assert_false(h1->over);
    assert_true(http1_next_timeout(&h1->http1) != UINT64_MAX);
    h1_wait_ms(h1, 1001);
    h1_expect(h1, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_true(h1->over);
    assert_int_equal(h1->error, HALO_E_TIMEOUT);
    h1_free(h1);
}

static void test_N08_server_http1_idle_deadline(void **state)
{
    struct h1 *h1 = h1_new();

    (void)state;
    h1_say(h1, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    h1->out.len = 0;
    h1_wait_ms(h1, 59000);
    assert_false(h1->over);
    h1_wait_ms(h1, 1001);
    assert_true(h1->over);
    assert_int_equal(h1->out.len, 0);
    assert_int_equal(h1->error, 0);
    h1_free(h1);
}

/* A request that was answered, and whose rest does not come. */
static void test_N08_server_http1_rest_deadline(void **state)
{
    struct h1 *h1 = h1_new();

    (void)state;
    h1_say(h1, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    assert_int_equal(h1_status(h1), 200);
    h1_wait_ms(h1, 59000);
    h1_say(h1, "d");
    h1_wait_ms(h1, 59000);
    assert_false(h1->over);
    h1_wait_ms(h1, 1001);
    assert_true(h1->over);
    h1_free(h1);
}

static void test_N08_server_http1_stalled_peer(void **state)
{
    struct h1 *h1 = h1_ask("GET", 1);
    struct iovec iov[4];

    (void)state;
    assert_int_equal(halo_stream_respond(h1->stream, 200, NULL, HALO_END_STREAM), 0);
    assert_int_equal(http1_pull(&h1->http1, iov, 4, 65536), 1);
    h1->http1.now_ns += 29000000000u;
    http1_sent(&h1->http1, 5); /* hardly anything */
    assert_int_equal(http1_pull(&h1->http1, iov, 4, 65536), 1);
    assert_false(http1_tick(&h1->http1));
    h1->http1.now_ns += 1000000001u;
    assert_true(http1_tick(&h1->http1));
    h1_free(h1);
}

static void test_N08_server_http1_graceful(void **state)
{
    struct h1 *h1 = h1_ask("GET", 1); /* with a request under way */

    (void)state;
    halo_session_close(h1->session);
    h1_run(h1);
    assert_false(h1->over);
    h1_respond(h1, 200, "2", "ok");
    h1_expect(h1, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    assert_true(h1->over);
    h1_free(h1);

    h1 = h1_new(); /* without one */
    halo_session_close(h1->session);
    h1_run(h1);
    h1_expect(h1, "");
    assert_true(h1->over);
    h1_free(h1);

    h1 = h1_new(); /* with half of one */
    h1_say(h1, "GET /");
    halo_session_close(h1->session);
    h1_run(h1);
    h1_expect(h1,
              "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_int_equal(h1->error, 0);
    h1_free(h1);

    h1 = h1_ask("GET", 1); /* it takes too long */
    halo_session_close(h1->session);
    h1_run(h1);
    h1_wait_ms(h1, 1500);
    assert_false(h1->over);
    h1_wait_ms(h1, 30001);
    assert_true(h1->over);
    h1_free(h1);
}

/* What was answered before the session was destroyed is sent. */
static void test_N08_server_http1_destroyed(void **state)
{
    struct h1 *h1 = h1_ask("GET", 1);

    (void)state;
    halo_stream_respond(h1->stream, 204, NULL, 0);
    halo_session_destroy(h1->session, HALO_NO_ERROR);
    h1_run(h1);
    assert_int_equal(h1_status(h1), 204);
    assert_true(h1->over);
    h1_free(h1);
}

/* The client has said all it wants to say, and reads on. */
static void test_N08_server_http1_half_closed(void **state)
{
    struct h1 *h1 = h1_ask("GET", 1);

    (void)state;
    h1_say(h1, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    http1_receive_end(&h1->http1);
    h1_respond(h1, 200, "0", "");
    assert_false(h1->over);
    assert_int_equal(h1->requests, 2);
    h1->out.len = 0;
    h1_respond(h1, 200, "0", "");
    h1_expect(h1, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_true(h1->over);
    assert_int_equal(h1->error, 0);
    h1_free(h1);
}

static void test_N08_server_http1_cut(void **state)
{
    struct h1 *h1 = h1_new();

    (void)state;
    h1->by_hand = true;
    h1_say(h1, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    http1_receive_end(&h1->http1);
    h1_run(h1);
    assert_non_null(strstr(h1->log.data, "abcfailed\n")); /* and no end of the content */
    assert_int_equal(h1->error, HALO_E_EOF);
    h1_free(h1);
}

/* SETTINGS and PING of the application are answered by the machine. */
static void test_N08_server_http1_session_calls(void **state)
{
    struct h1 *h1 = h1_new();
    struct halo_settings settings;
    struct halo_session_info info;

    (void)state;
    halo_settings_default(&settings);
    settings.initial_window_size = 100000;
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    assert_int_equal(halo_session_settings(h1->session, &settings), 0);
    for (int i = 0; i < LIMIT_OUTSTANDING_PINGS; i++) {
        assert_int_equal(halo_session_ping(h1->session, NULL), 0);
    }
    h1_run(h1);
    halo_session_get_info(h1->session, &info);
    assert_int_equal(info.pending_settings, 0);
    assert_int_equal(h1->session->pings_count, 0);
    assert_int_equal(halo_session_local_settings(h1->session)->initial_window_size, 100000);
    h1_expect(h1, "");
    h1_free(h1);
}

/* Every allocation fails once: nothing leaks, nothing breaks, and nothing wrong is said. */
static void test_N08_server_http1_out_of_memory(void **state)
{
    int failures = 0;

    (void)state;
    for (int n = 1; n < 400; n++) {
        struct h1 *h1 = h1_new_failing(n);

        if (h1 == NULL) {
            failures++;
            continue;
        }
        h1_say(h1, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n");
        h1_say(h1, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        failures += h1->over ? 1 : 0;
        assert_true(h1->over || strstr(h1->out.data, "\r\n\r\nok") != NULL);
        h1_free(h1);
    }
    assert_true(failures > 10 && failures < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_N08_server_http1_head_deadline, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_idle_deadline, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_rest_deadline, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_stalled_peer, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_graceful, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_destroyed, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_half_closed, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_cut, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_session_calls, h1_setup),
        cmocka_unit_test_setup(test_N08_server_http1_out_of_memory, h1_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
