/* What sessions over TLS tell: the origin set (RFC 8336). */
#include "../tls/support.h"
#include "tell_fixture.h"

#include "core/proto/origin.h"

static void name_origins(struct duo *duo, halo_session *session)
{
    const halo_bytes origins[] = { HALO_LIT("https://a.example/path"),
                                   HALO_LIT("https://b.example:8443") };
    const halo_bytes none = HALO_LIT("nonsense");

    (void)duo;
    assert_int_equal(halo_session_origin(session, origins, 2), 0);
    assert_int_equal(halo_session_origin(session, &none, 1), HALO_E_INVALID_ORIGIN);
}

/* The set begins with what the client connected to, and knows the new ones when they are told. */
static void request_when_up(struct duo *duo, halo_session *session)
{
    struct origin own;

    assert_int_equal(halo_session_origin_count(session), 1);
    assert_true(origin_of_url(halo_str(duo->url), &own));
    assert_true(halo_bytes_equal(halo_session_origin_at(session, 0), origin_text(&own)) != 0);
    duo_request(duo, "/");
}

static void run(struct duo *duo)
{
    duo_init(duo);
    duo->server_tls = server_context("server", NULL);
    duo->client_options.tls = client_context(NULL);
    duo->on_server_session = name_origins;
    duo->on_connect = request_when_up;
    duo_start(duo);
    halo_tls_context_free(duo->server_tls);
    halo_tls_context_free(duo->client_options.tls);
    duo_run(duo);
}

static void test_E14_P08_client_origins(void **state)
{
    struct duo duo;

    (void)state;
    run(&duo);
    expect_lines(&duo.at_client, "origin",
                 "origin 2 of 3\norigin https://a.example\norigin https://b.example:8443\n");
    expect_lines(&duo.at_client, "close", "close 1 in order\n");
}

static void test_F14_server_origins(void **state)
{
    struct duo duo;

    (void)state;
    run(&duo);
    expect_lines(&duo.at_client, "origin",
                 "origin 2 of 3\norigin https://a.example\norigin https://b.example:8443\n");
    expect_lines(&duo.at_server, "origin", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_E14_P08_client_origins),
        cmocka_unit_test(test_F14_server_origins),
    };

    return cmocka_run_group_tests(tests, certificates_make, certificates_remove);
}
