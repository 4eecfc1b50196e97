/* The decoder against the examples of RFC 7541, appendix C, with the table after each. */
#include "decode_fixture.h"

/* ---- RFC 7541 appendix C ------------------------------------------------------------------- */

static void test_decode_c2(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    const halo_header custom[] = { FIELD("custom-key", "custom-header") };
    expect_fields(&fixture, "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
                  custom, 1);
    test_table_expect(&fixture.decoder.table, 55, "custom-key: custom-header", NULL);
    fixture_free(&fixture);

    fixture = fixture_new();
    const halo_header path[] = { FIELD(":path", "/sample/path") };
    expect_fields(&fixture, "040c 2f73 616d 706c 652f 7061 7468", path, 1);
    test_table_expect(&fixture.decoder.table, 0, NULL);

    const halo_header password[] = { FIELD("password", "secret") };
    expect_fields(&fixture, "1008 7061 7373 776f 7264 0673 6563 7265 74", password, 1);
    assert_int_equal(fixture.list->fields[0].flags, HALO_HEADER_NEVER_INDEX);
    test_table_expect(&fixture.decoder.table, 0, NULL);

    const halo_header method[] = { FIELD(":method", "GET") };
    expect_fields(&fixture, "82", method, 1);
    assert_int_equal(fixture.list->fields[0].hash,
                     hpack_field_hash(method[0].name, method[0].value));
    fixture_free(&fixture);
}

static void expect_requests(const char *const blocks[3])
{
    const halo_header first[] = { FIELD(":method", "GET"), FIELD(":scheme", "http"),
                                  FIELD(":path", "/"), FIELD(":authority", "www.example.com") };
    const halo_header second[] = { FIELD(":method", "GET"), FIELD(":scheme", "http"),
                                   FIELD(":path", "/"), FIELD(":authority", "www.example.com"),
                                   FIELD("cache-control", "no-cache") };
    const halo_header third[] = { FIELD(":method", "GET"), FIELD(":scheme", "https"),
                                  FIELD(":path", "/index.html"),
                                  FIELD(":authority", "www.example.com"),
                                  FIELD("custom-key", "custom-value") };
    struct fixture fixture = fixture_new();
    struct hpack_table *table = &fixture.decoder.table;
    expect_fields(&fixture, blocks[0], first, 4);
    test_table_expect(table, 57, ":authority: www.example.com", NULL);
    expect_fields(&fixture, blocks[1], second, 5);
    test_table_expect(table, 110, "cache-control: no-cache", ":authority: www.example.com", NULL);
    expect_fields(&fixture, blocks[2], third, 5);
    test_table_expect(table, 164, "custom-key: custom-value", "cache-control: no-cache",
                      ":authority: www.example.com", NULL);
    fixture_free(&fixture);
}

static void test_decode_c3_c4(void **state)
{
    (void)state;
    const char *const plain[] = {
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    };
    const char *const coded[] = {
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    };
    expect_requests(plain);
    expect_requests(coded);
}

/* The examples have a table of 256 octets, which the encoder has to say (3fe101). */
static void expect_responses(const char *const blocks[3])
{
#define DATE_1   "Mon, 21 Oct 2013 20:13:21 GMT"
#define DATE_2   "Mon, 21 Oct 2013 20:13:22 GMT"
#define LOCATION "https://www.example.com"
#define COOKIE   "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
    const halo_header first[] = { FIELD(":status", "302"), FIELD("cache-control", "private"),
                                  FIELD("date", DATE_1), FIELD("location", LOCATION) };
    const halo_header second[] = { FIELD(":status", "307"), FIELD("cache-control", "private"),
                                   FIELD("date", DATE_1), FIELD("location", LOCATION) };
    const halo_header third[] = {
        FIELD(":status", "200"),     FIELD("cache-control", "private"), FIELD("date", DATE_2),
        FIELD("location", LOCATION), FIELD("content-encoding", "gzip"), FIELD("set-cookie", COOKIE)
    };
    struct fixture fixture = fixture_new();
    struct hpack_table *table = &fixture.decoder.table;
    hpack_decoder_set_max(&fixture.decoder, 256);
    expect_fields(&fixture, blocks[0], first, 4);
    test_table_expect(table, 222, "location: " LOCATION, "date: " DATE_1, "cache-control: private",
                      ":status: 302", NULL);
    expect_fields(&fixture, blocks[1], second, 4);
    test_table_expect(table, 222, ":status: 307", "location: " LOCATION, "date: " DATE_1,
                      "cache-control: private", NULL);
    expect_fields(&fixture, blocks[2], third, 6);
    test_table_expect(table, 215, "set-cookie: " COOKIE, "content-encoding: gzip", "date: " DATE_2,
                      NULL);
    fixture_free(&fixture);
}

static void test_decode_c5_c6(void **state)
{
    (void)state;
    expect_responses(c5_blocks);
    expect_responses(c6_blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_c2),
        cmocka_unit_test(test_decode_c3_c4),
        cmocka_unit_test(test_decode_c5_c6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
