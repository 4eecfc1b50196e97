/*
 * The encoder: what it puts into the table and what not, size updates, prepared lists, memory that
 * is not there. Blocks are decoded by the reference.
 */
#include "reference.h"
#include "support.h"

#include <stdio.h>

struct fixture {
    struct hpack_encoder encoder;
    struct reference reference;
};

static struct fixture fixture_new(void)
{
    struct fixture fixture;
    hpack_encoder_init(&fixture.encoder, HPACK_TABLE_SIZE_DEFAULT);
    reference_init(&fixture.reference, HPACK_TABLE_SIZE_DEFAULT);
    test_table_grow(&fixture.encoder.table);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    test_table_free(&fixture->encoder.table);
    reference_free(&fixture->reference);
}

/* Decodes a block and compares it with the fields, and the tables. */
static void check_block(struct fixture *fixture, struct test_octets block,
                        const halo_header *fields, size_t count)
{
    struct reference_list got = { NULL, 0 };
    assert_true(reference_decode(&fixture->reference, block, &got));
    assert_int_equal(got.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got.fields[i].name.len, fields[i].name.len);
        assert_memory_equal(got.fields[i].name.data, fields[i].name.data, fields[i].name.len);
        assert_int_equal(got.fields[i].value.len, fields[i].value.len);
        if (fields[i].value.len > 0) {
            assert_memory_equal(got.fields[i].value.data, fields[i].value.data,
                                fields[i].value.len);
        }
    }
    reference_list_free(&got);
    reference_expect_table(&fixture->reference, &fixture->encoder.table);
}

/* Encodes, checks, and returns the block's length and first octet. */
static size_t encode(struct fixture *fixture, const halo_header *fields, size_t count,
                     uint8_t *first)
{
    struct test_octets block = test_encode(&fixture->encoder, fields, count);
    check_block(fixture, block, fields, count);
    size_t len = block.len;
    if (first != NULL) {
        *first = block.len > 0 ? block.data[0] : 0;
    }
    test_octets_free(&block);
    return len;
}

static void expect_hex(struct fixture *fixture, const halo_header *fields, size_t count,
                       const char *hex)
{
    struct test_octets block = test_encode(&fixture->encoder, fields, count);
    struct test_octets expected = test_octets_hex(hex);
    assert_int_equal(block.len, expected.len);
    assert_memory_equal(block.data, expected.data, block.len);
    check_block(fixture, block, fields, count);
    test_octets_free(&block);
    test_octets_free(&expected);
}

/* ---- examples ------------------------------------------------------------------------------ */

static void test_encode_c4(void **state)
{
    (void)state;
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
    expect_hex(&fixture, first, 4, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff");
    expect_hex(&fixture, second, 5, "8286 84be 5886 a8eb 1064 9cbf");
    expect_hex(&fixture, third, 5, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf");
    fixture_free(&fixture);
}

/* The file server's response: indexed fields only, after a few times. */
static void test_encode_repeated_response(void **state)
{
    (void)state;
    const halo_header fields[] = {
        FIELD(":status", "200"),         FIELD("content-type", "text/plain"),
        FIELD("content-length", "13"),   FIELD("last-modified", "Mon, 03 Oct 2022 10:00:00 GMT"),
        FIELD("etag", "\"633ab2a0-d\""), FIELD("date", "Tue, 04 Oct 2022 11:00:00 GMT"),
    };
    struct fixture fixture = fixture_new();
    encode(&fixture, fields, 6, NULL);
    encode(&fixture, fields, 6, NULL);
    assert_int_equal(encode(&fixture, fields, 6, NULL), 6);
    /* In 512 octets, the first piece. */
    assert_int_equal(hpack_table_memory_size(&fixture.encoder.table), 512);
    fixture_free(&fixture);

    /* Also when the places of the sketch and of the index are short: many different lists. */
    for (uint32_t list = 0; list < 500; list++) {
        char length[8];
        char etag[24];
        char modified[32];
        halo_header varied[6];
        memcpy(varied, fields, sizeof(varied));
        varied[2].value = (halo_bytes){ length, (size_t)snprintf(length, 8, "%u", list * 37) };
        varied[3].value = (halo_bytes){ modified, (size_t)snprintf(modified, 32, "Mon, %u", list) };
        varied[4].value =
            (halo_bytes){ etag, (size_t)snprintf(etag, 24, "\"%x-d\"", list * 77777) };
        fixture = fixture_new();
        size_t len = 0;
        for (int i = 0; i < 12; i++) {
            len = encode(&fixture, varied, 6, NULL);
        }
        assert_int_equal(len, 6);
        fixture_free(&fixture);
    }
}

/* Many files in turn: in the end all of them are in the table. */
static void test_encode_round_and_round(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    char etags[30][16];
    size_t len = 0;
    for (int round = 0; round < 200; round++) {
        len = 0;
        for (int file = 0; file < 30; file++) {
            halo_header field = FIELD("etag", "");
            field.value.data = etags[file];
            field.value.len = (size_t)snprintf(etags[file], 16, "\"tag-%d\"", file * 7919);
            len += encode(&fixture, &field, 1, NULL);
        }
    }
    assert_int_equal(len, 30);
    fixture_free(&fixture);
}

/* ---- what has a place in the table ------------------------------------------------------------- */

static void test_encode_policy(void **state)
{
    (void)state;
    static const struct {
        halo_header field;
        uint8_t kinds[3]; /* the first, second and third time: first octet without the index */
    } cases[] = {
        { FIELD("server", "halo"), { 0x40, 0x80, 0x80 } },
        { FIELD("date", "today"), { 0x00, 0x40, 0x80 } },
        { FIELD(":path", "/a"), { 0x00, 0x40, 0x80 } },
        { FIELD(":path", "/index.html"), { 0x80, 0x80, 0x80 } },
        { FIELD(":status", "404"), { 0x80, 0x80, 0x80 } },
        { FIELD(":status", "302"), { 0x40, 0x80, 0x80 } },
        { FIELD(":status", "20"), { 0x40, 0x80, 0x80 } },
        { FIELD(":method", "HEAD"), { 0x40, 0x80, 0x80 } },
        { FIELD("accept-encoding", "gzip, deflate"), { 0x80, 0x80, 0x80 } },
        { FIELD("accept-encoding", "gzip, deflatE"), { 0x40, 0x80, 0x80 } },
        { FIELD("accept-encoding", ""), { 0x40, 0x80, 0x80 } },
        { FIELD(":path", ""), { 0x00, 0x40, 0x80 } },
        { FIELD("accept", ""), { 0x80, 0x80, 0x80 } },
        { FIELD("etag", ""), { 0x80, 0x80, 0x80 } },
        { FIELD("dnt", ""), { 0x40, 0x80, 0x80 } },
        { FIELD("x-some-thing", "value"), { 0x40, 0x80, 0x80 } },
        { FIELD("authorization", "Basic abcdefghijklmnopqrstuvwxyz"), { 0x10, 0x10, 0x10 } },
        { FIELD("authorization", ""), { 0x10, 0x10, 0x10 } },
        { FIELD("proxy-authorization", "x"), { 0x10, 0x10, 0x10 } },
        { FIELD("cookie", "1234567890123456789"), { 0x10, 0x10, 0x10 } },
        { FIELD("cookie", "12345678901234567890"), { 0x40, 0x80, 0x80 } },
        { FIELD("set-cookie", "1234567890123456789"), { 0x10, 0x10, 0x10 } },
        { FIELD("set-cookie", "12345678901234567890"), { 0x00, 0x40, 0x80 } },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int with_token = 0; with_token < 2; with_token++) {
            struct fixture fixture = fixture_new();
            halo_header field = cases[i].field;
            field.token = with_token ? halo_name_token(field.name) : 0;
            for (int time = 0; time < 3; time++) {
                uint8_t first;
                encode(&fixture, &field, 1, &first);
                uint8_t kind = first & 0x80 ? 0x80 : first & 0x40 ? 0x40 : first & 0x10;
                assert_int_equal(kind, cases[i].kinds[time]);
            }
            fixture_free(&fixture);
        }
    }
}

static void test_encode_flags(void **state)
{
    (void)state;
    static const halo_header fields[] = { FIELD("server", "halo"), FIELD(":method", "GET"),
                                          FIELD("x-y", "z"), FIELD("accept", "") };
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct fixture fixture = fixture_new();
        halo_header field = fields[i];
        uint8_t first;
        encode(&fixture, &field, 1, NULL); /* it may be in the table */
        field.flags = HALO_HEADER_NEVER_INDEX;
        for (int time = 0; time < 3; time++) {
            struct test_octets block = test_encode(&fixture.encoder, &field, 1);
            struct reference_list got = { NULL, 0 };
            assert_true(reference_decode(&fixture.reference, block, &got));
            assert_true(got.fields[0].is_never_indexed);
            reference_list_free(&got);
            test_octets_free(&block);
        }
        field.flags = HALO_HEADER_NEVER_INDEX | HALO_HEADER_NO_INDEX;
        encode(&fixture, &field, 1, &first);
        assert_int_equal(first & 0xf0, 0x10);
        field.flags = HALO_HEADER_NO_INDEX;
        for (int time = 0; time < 3; time++) {
            encode(&fixture, &field, 1, &first);
            assert_int_equal(first & 0xf0, 0x00);
        }
        /* What the decoder notes is no matter. */
        field.flags = HPACK_FIELD_BAD_NAME | HPACK_FIELD_BAD_VALUE | HPACK_FIELD_VALUE_SPACE;
        assert_int_equal(encode(&fixture, &field, 1, NULL), 1);
        fixture_free(&fixture);
    }
}

/* A value that is different each time leaves the table alone, and a name that is unknown is a
 * reference from the second time on. */
static void test_encode_changing_values(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    const halo_header stable = FIELD("user-agent", "some agent");
    size_t first_len = 0;
    encode(&fixture, &stable, 1, NULL);
    for (int i = 0; i < 1000; i++) {
        char value[16];
        halo_header field = FIELD("x-request-id", "");
        field.value.data = value;
        field.value.len = (size_t)snprintf(value, sizeof(value), "%08x", (unsigned)i * 77777777u);
        size_t len = encode(&fixture, &field, 1, NULL);
        if (i == 0) {
            first_len = len;
        } else {
            assert_true(len <= first_len - 8);
        }
    }
    assert_true(fixture.encoder.table.count < 10); /* few false sights */
    assert_int_equal(encode(&fixture, &stable, 1, NULL), 1);
    fixture_free(&fixture);
}

static void test_encode_large_fields(void **state)
{
    (void)state;
    char value[4096];
    memset(value, 'v', sizeof(value));
    for (size_t size = 3070; size <= 3074; size++) {
        struct fixture fixture = fixture_new();
        halo_header field = FIELD("server", "");
        field.value = (halo_bytes){ value, size - 32 - 6 };
        encode(&fixture, &field, 1, NULL);
        encode(&fixture, &field, 1, NULL); /* more than the first piece of memory */
        for (int i = 0; i < 4; i++) {
            encode(&fixture, &field, 1, NULL);
        }
        /* Three quarters of 4096 at most. */
        assert_int_equal(fixture.encoder.table.count, size <= 3072 ? 1 : 0);
        fixture_free(&fixture);
    }
}

/* Lengths at which the length of the length changes, with text that shrinks and that does not. */
static void test_encode_string_lengths(void **state)
{
    (void)state;
    static const char fillers[] = { 'a', '0', 'Z', '~', '\x01' };
    char value[20000];
    for (size_t i = 0; i < COUNT_OF(fillers); i++) {
        memset(value, fillers[i], sizeof(value));
        for (size_t len = 0; len < 700; len++) {
            struct fixture fixture = fixture_new();
            halo_header field = FIELD("x", "");
            field.value = (halo_bytes){ value, len };
            field.flags = HALO_HEADER_NO_INDEX;
            encode(&fixture, &field, 1, NULL);
            field = (halo_header){ .name = { value, len }, .value = { value, len } };
            field.flags = HALO_HEADER_NEVER_INDEX;
            encode(&fixture, &field, 1, NULL);
            fixture_free(&fixture);
        }
        for (size_t len = 15800; len < 20000; len += 113) {
            struct fixture fixture = fixture_new();
            halo_header field = FIELD("server", "");
            field.value = (halo_bytes){ value, len };
            size_t got = encode(&fixture, &field, 1, NULL);
            assert_true(got <= len + 6);
            fixture_free(&fixture);
        }
    }
}

/* Fields made to share one place in the index cost compression only. */
static void test_encode_collisions(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    while (hpack_table_memory_size(&fixture.encoder.table) < hpack_table_room_most(4096, true)) {
        test_table_grow(&fixture.encoder.table);
    }
    uint32_t found = 0;
    for (uint32_t i = 0; found < 120; i++) {
        char value[16];
        halo_header field = FIELD("server", "");
        field.value.data = value;
        field.value.len = (size_t)snprintf(value, sizeof(value), "%u", i);
        if (hpack_field_hash(field.name, field.value) % 128 != 77) {
            continue;
        }
        found++;
        encode(&fixture, &field, 1, NULL);
        assert_int_equal(encode(&fixture, &field, 1, NULL), 1);
    }
    fixture_free(&fixture);
}

/* Long values are hashed in part only: these have one hash. */
static void test_encode_same_hashes(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    char values[5][100];
    halo_header fields[5];
    for (size_t i = 0; i < 5; i++) {
        memset(values[i], 'v', 100);
        values[i][20] = (char)('0' + i);
        fields[i] = (halo_header){ .name = HALO_LIT("x-name"), .value = { values[i], 100 } };
        assert_int_equal(hpack_field_hash(fields[i].name, fields[i].value),
                         hpack_field_hash(fields[0].name, fields[0].value));
    }
    for (int round = 0; round < 40; round++) {
        /* Each in turn is not the newest, and not where the guess is. */
        for (size_t i = 0; i < 5; i++) {
            encode(&fixture, &fields[i], 1, NULL);
        }
        encode(&fixture, fields, 5, NULL);
    }
    assert_int_equal(fixture.encoder.table.count, 5);
    fixture_free(&fixture);
}

/* ---- sizes -------------------------------------------------------------------------------------- */

static void test_encode_size_updates(void **state)
{
    (void)state;
    static const struct {
        uint32_t settings[4];
        const char *hex;
    } cases[] = {
        { { 4096, 4096, 4096, 4096 }, "82" },
        { { 0, 0, 0, 0 }, "20 82" },
        { { 0, 4096, 4096, 4096 }, "20 3fe11f 82" },
        { { 100, 200, 4096, 4096 }, "3f45 3fe11f 82" },
        { { 4095, 4095, 4095, 4095 }, "3fe01f 82" },
        { { 200, 100, 300, 150 }, "3f45 3f77 82" },
        { { 100, 300, 150, 100 }, "3f45 82" },
        { { 8192, 8192, 8192, 8192 }, "3fe13f 82" },
        { { 8192, 4096, 4096, 4096 }, "82" },
        { { 8192, 100, 8192, 8192 }, "3f45 3fe13f 82" },
        { { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX }, "3fe1ff1f 82" }, /* 512 KiB */
    };
    const halo_header field[] = { FIELD(":method", "GET") };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture fixture = fixture_new();
        fixture.reference.setting = UINT32_MAX;
        for (size_t j = 0; j < 4; j++) {
            hpack_encoder_set_max(&fixture.encoder, cases[i].settings[j]);
        }
        expect_hex(&fixture, field, 1, cases[i].hex);
        expect_hex(&fixture, field, 1, "82");
        fixture_free(&fixture);
    }
    /* Less than the default from the start. */
    struct fixture fixture = fixture_new();
    test_table_free(&fixture.encoder.table);
    hpack_encoder_init(&fixture.encoder, 100);
    expect_hex(&fixture, field, 1, "3f45 82");
    fixture_free(&fixture);
}

static void test_encode_size_storm(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    const halo_header fields[] = { FIELD("server", "halo"), FIELD("x-a", "b") };
    encode(&fixture, fields, 2, NULL);
    for (int i = 0; i < 100000; i++) {
        hpack_encoder_set_max(&fixture.encoder, 4096);
        hpack_encoder_set_max(&fixture.encoder, 0);
    }
    hpack_encoder_set_max(&fixture.encoder, 4096);
    encode(&fixture, fields, 2, NULL);
    assert_int_equal(fixture.encoder.table.count, 2);
    assert_int_equal(encode(&fixture, fields, 2, NULL), 2);
    fixture_free(&fixture);
}

/* A prepared block and the update in front of it. */
static void test_encode_update_before_prepared(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    halo_header fields[] = { FIELD(":status", "200"), FIELD("server", "halo") };
    uint8_t out[256];
    for (int i = 0; i < 3; i++) {
        uint8_t *end = hpack_encode_prepared(&fixture.encoder, out, true, fields, 2, 1);
        struct test_octets block = test_octets_copy(out, (size_t)(end - out));
        check_block(&fixture, block, fields, 2);
        test_octets_free(&block);
    }
    hpack_encoder_set_max(&fixture.encoder, 0);
    hpack_encoder_set_max(&fixture.encoder, 4096);
    for (int i = 0; i < 3; i++) {
        uint8_t *end = hpack_encode_prepared(&fixture.encoder, out, true, fields, 2, 1);
        struct test_octets block = test_octets_copy(out, (size_t)(end - out));
        assert_int_equal(block.data[0], i == 0 ? 0x20 : 0x88);
        check_block(&fixture, block, fields, 2);
        test_octets_free(&block);
    }
    fixture_free(&fixture);
}

/* ---- memory ------------------------------------------------------------------------------------- */

static void test_encode_without_memory(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    test_table_free(&fixture.encoder.table);
    hpack_encoder_init(&fixture.encoder, 4096);
    const halo_header fields[] = { FIELD("server", "halo"), FIELD("x-a", "b") };
    uint8_t out[256];
    for (int i = 0; i < 4; i++) {
        uint8_t *end = hpack_encode(&fixture.encoder, out, true, fields, 2);
        struct test_octets block = test_octets_copy(out, (size_t)(end - out));
        check_block(&fixture, block, fields, 2);
        assert_true(fixture.encoder.wants_room);
        test_octets_free(&block);
    }
    test_table_grow(&fixture.encoder.table);
    encode(&fixture, fields, 2, NULL);
    assert_false(fixture.encoder.wants_room);
    assert_int_equal(encode(&fixture, fields, 2, NULL), 2);
    fixture_free(&fixture);
}

/* Memory that never grows: what does not fit is not indexed, all else goes on. */
static void test_encode_with_little_memory(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    struct test_random random = { 6 };
    uint8_t out[512];
    for (int i = 0; i < 3000; i++) {
        char value[40];
        halo_header field = FIELD("user-agent", "");
        field.value.data = value;
        field.value.len = (size_t)snprintf(value, sizeof(value), "agent number %u with a name",
                                           test_random_below(&random, 30));
        uint8_t *end = hpack_encode(&fixture.encoder, out, true, &field, 1);
        struct test_octets block = test_octets_copy(out, (size_t)(end - out));
        check_block(&fixture, block, &field, 1);
        test_octets_free(&block);
    }
    assert_true(fixture.encoder.table.count > 2);
    assert_int_equal(hpack_table_memory_size(&fixture.encoder.table), 512);
    fixture_free(&fixture);
}

/* A large table: indices of two and three octets, insertion numbers that come round. */
static void test_encode_large_table(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    struct test_random random = { 7 };
    fixture.reference.setting = UINT32_MAX;
    hpack_encoder_set_max(&fixture.encoder, 40000);
    for (uint32_t i = 0; i < 70000; i++) {
        char value[16];
        halo_header field = FIELD("server", "");
        /* Mostly new values; now and then one of the last thousand. */
        uint32_t number = i % 7 == 6 && i > 1000 ? i - 1 - test_random_below(&random, 900) : i;
        field.value.data = value;
        field.value.len = (size_t)snprintf(value, sizeof(value), "%u", number);
        struct test_octets block = test_encode(&fixture.encoder, &field, 1);
        struct reference_list got = { NULL, 0 };
        assert_true(reference_decode(&fixture.reference, block, &got));
        assert_int_equal(got.fields[0].value.len, field.value.len);
        assert_memory_equal(got.fields[0].value.data, value, field.value.len);
        reference_list_free(&got);
        test_octets_free(&block);
    }
    reference_expect_table(&fixture.reference, &fixture.encoder.table);
    assert_true(fixture.encoder.table.count > 900);
    fixture_free(&fixture);
}

/* ---- prepared lists and parts ---------------------------------------------------------------------- */

static size_t encode_prepared(struct fixture *fixture, const halo_header *fields, size_t count,
                              uint64_t identity)
{
    if (fixture->encoder.wants_room) {
        test_table_grow(&fixture->encoder.table);
    }
    uint8_t *out = malloc(hpack_encode_bound(fields, count));
    uint8_t *end = hpack_encode_prepared(&fixture->encoder, out, true, fields, count, identity);
    struct test_octets block = test_octets_copy(out, (size_t)(end - out));
    check_block(fixture, block, fields, count);
    size_t len = block.len;
    test_octets_free(&block);
    free(out);
    return len;
}

static bool is_kept(const struct fixture *fixture, uint64_t identity)
{
    for (size_t i = 0; i < HPACK_PREPARED_SLOTS; i++) {
        if (fixture->encoder.prepared[i].identity == identity) {
            return true;
        }
    }
    return false;
}

static void prepare(halo_header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fields[i].token = halo_name_token(fields[i].name);
        fields[i].hash = hpack_field_hash(fields[i].name, fields[i].value);
    }
}

static void test_encode_prepared_lists(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    halo_header a[] = { FIELD(":status", "200"), FIELD("server", "halo"), FIELD("x-a", "b") };
    halo_header b[] = { FIELD(":status", "404"), FIELD("server", "halo"), FIELD("vary", "x") };
    halo_header secret[] = { FIELD(":status", "200"), FIELD("authorization", "x") };
    prepare(a, 3);
    prepare(b, 3);
    prepare(secret, 2);
    assert_true(encode_prepared(&fixture, a, 3, 1) > 3);
    assert_false(is_kept(&fixture, 1));
    assert_int_equal(encode_prepared(&fixture, a, 3, 1), 3);
    assert_true(is_kept(&fixture, 1));
    assert_int_equal(encode_prepared(&fixture, a, 3, 1), 3);
    /* An insertion shifts all indices. */
    assert_true(encode_prepared(&fixture, b, 3, 2) > 3);
    assert_false(is_kept(&fixture, 1));
    assert_int_equal(encode_prepared(&fixture, a, 3, 1), 3);
    assert_int_equal(encode_prepared(&fixture, b, 3, 2), 3);
    assert_true(is_kept(&fixture, 1) && is_kept(&fixture, 2));
    assert_int_equal(encode_prepared(&fixture, a, 3, 1), 3);
    /* One with a literal is never kept. */
    for (int i = 0; i < 3; i++) {
        assert_true(encode_prepared(&fixture, secret, 2, 3) > 2);
        assert_false(is_kept(&fixture, 3));
    }
    assert_true(is_kept(&fixture, 1) && is_kept(&fixture, 2));
    fixture_free(&fixture);
}

static void test_encode_prepared_length(void **state)
{
    (void)state;
    for (size_t count = 0; count <= HPACK_PREPARED_MAX + 2; count++) {
        struct fixture fixture = fixture_new();
        halo_header fields[HPACK_PREPARED_MAX + 2];
        for (size_t i = 0; i < count; i++) {
            fields[i] = (halo_header)FIELD("accept-ranges", "bytes");
        }
        prepare(fields, count);
        for (int i = 0; i < 3; i++) {
            encode_prepared(&fixture, fields, count, 9);
        }
        assert_int_equal(is_kept(&fixture, 9), count > 0 && count <= HPACK_PREPARED_MAX);
        fixture_free(&fixture);
    }
}

/* A block from several calls, on some of which fields are prepared. */
static void test_encode_block_in_parts(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    halo_header fields[] = {
        FIELD(":status", "200"), FIELD("server", "halo"), FIELD("content-type", "text/plain"),
        FIELD("date", "today"),  FIELD("x-a", "b"),       FIELD("content-length", "7")
    };
    prepare(fields + 1, 2);
    size_t len = 0;
    for (int i = 0; i < 5; i++) {
        uint8_t out[512];
        uint8_t *end = hpack_encode(&fixture.encoder, out, true, fields, 1);
        end = hpack_encode_prepared(&fixture.encoder, end, false, fields + 1, 2, 5);
        end = hpack_encode(&fixture.encoder, end, false, fields + 3, 3);
        end = hpack_encode(&fixture.encoder, end, false, NULL, 0);
        len = (size_t)(end - out);
        struct test_octets block = test_octets_copy(out, len);
        check_block(&fixture, block, fields, 6);
        test_octets_free(&block);
    }
    assert_int_equal(len, 6);
    fixture_free(&fixture);
}

/* An empty run of octets may be NULL. */
static void test_encode_null_values(void **state)
{
    (void)state;
    static const char *const names[] = { "server", ":path", "accept", "x-a", "cookie", ":status" };
    for (uint16_t flags = 0; flags < 4; flags++) {
        struct fixture fixture = fixture_new();
        for (int i = 0; i < 3 * (int)COUNT_OF(names); i++) {
            const char *name = names[i % (int)COUNT_OF(names)];
            halo_header field = { .name = { name, strlen(name) }, .flags = flags };
            encode(&fixture, &field, 1, NULL);
        }
        encode(&fixture, NULL, 0, NULL);
        fixture_free(&fixture);
    }
}

/* Guesses from the last block that are wrong in every way. */
static void test_encode_wrong_guesses(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    struct test_random random = { 8 };
    static const halo_header pool[] = {
        FIELD("server", "halo"),
        FIELD("server", "hala"),
        FIELD("server", "hal"),
        FIELD("x-serve", "halo"),
        FIELD("x-server", "halo"),
        FIELD("x-servet", "halo"),
        FIELD(":status", "200"),
        FIELD(":status", "201"),
        FIELD("via", "halo"),
        FIELD("accept-ranges", "bytes"),
        FIELD("", ""),
        FIELD("a", ""),
        FIELD("accept", ""),
    };
    for (int round = 0; round < 5000; round++) {
        halo_header fields[HPACK_GUESSES + 4];
        size_t count = test_random_below(&random, COUNT_OF(fields) + 1);
        for (size_t i = 0; i < count; i++) {
            uint32_t choice = test_random_below(&random, 4) == 0
                                  ? test_random_below(&random, COUNT_OF(pool))
                                  : (uint32_t)i % COUNT_OF(pool);
            fields[i] = pool[choice];
            if (test_random_below(&random, 2) == 0) {
                prepare(&fields[i], 1);
            }
            if (test_random_below(&random, 20) == 0) {
                fields[i].flags = (uint16_t)(1 + test_random_below(&random, 3));
            }
        }
        encode(&fixture, fields, count, NULL);
        if (test_random_below(&random, 50) == 0) {
            hpack_encoder_set_max(&fixture.encoder, test_random_below(&random, 4097));
        }
    }
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_c4),
        cmocka_unit_test(test_encode_repeated_response),
        cmocka_unit_test(test_encode_round_and_round),
        cmocka_unit_test(test_encode_policy),
        cmocka_unit_test(test_encode_flags),
        cmocka_unit_test(test_encode_changing_values),
        cmocka_unit_test(test_encode_large_fields),
        cmocka_unit_test(test_encode_string_lengths),
        cmocka_unit_test(test_encode_collisions),
        cmocka_unit_test(test_encode_same_hashes),
        cmocka_unit_test(test_encode_size_updates),
        cmocka_unit_test(test_encode_size_storm),
        cmocka_unit_test(test_encode_update_before_prepared),
        cmocka_unit_test(test_encode_without_memory),
        cmocka_unit_test(test_encode_with_little_memory),
        cmocka_unit_test(test_encode_large_table),
        cmocka_unit_test(test_encode_prepared_lists),
        cmocka_unit_test(test_encode_prepared_length),
        cmocka_unit_test(test_encode_block_in_parts),
        cmocka_unit_test(test_encode_null_values),
        cmocka_unit_test(test_encode_wrong_guesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
