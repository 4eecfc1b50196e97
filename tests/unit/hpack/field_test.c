/*
 * Names, validity of names and values, hashes; against plain loops over the rules.
 */
#include "support.h"

#include "hpack/field.h"

static halo_bytes bytes_of(struct test_octets octets)
{
    return (halo_bytes){ (const char *)octets.data, octets.len };
}

static void test_names_are_found(void **state)
{
    (void)state;
    static const char *const texts[] = { NULL,
#define NAME_TEXT(name, text) text,
                                         HALO_NAME_TABLE(NAME_TEXT)
#undef NAME_TEXT
    };
    for (uint16_t token = 1; token < HALO_NAME_COUNT; token++) {
        halo_bytes text = halo_name_text(token);
        assert_int_equal(text.len, strlen(texts[token]));
        assert_memory_equal(text.data, texts[token], text.len);
        struct test_octets copy = test_octets_copy(text.data, text.len);
        assert_int_equal(halo_name_token(bytes_of(copy)), token);
        assert_int_equal(hpack_name_flags(bytes_of(copy)), 0);
        /* Any octet changed, and one more or less, is another name. */
        for (size_t i = 0; i < copy.len; i++) {
            for (unsigned change = 1; change < 256; change++) {
                copy.data[i] ^= (uint8_t)change;
                uint16_t got = halo_name_token(bytes_of(copy));
                if (got != 0) {
                    assert_int_equal(halo_name_text(got).len, copy.len);
                    assert_memory_equal(halo_name_text(got).data, copy.data, copy.len);
                }
                assert_int_not_equal(got, token);
                copy.data[i] ^= (uint8_t)change;
            }
        }
        assert_int_not_equal(halo_name_token((halo_bytes){ text.data, text.len - 1 }), token);
        assert_int_not_equal(halo_name_token((halo_bytes){ text.data + 1, text.len - 1 }), token);
        test_octets_free(&copy);
    }
    assert_int_equal(halo_name_text(0).len, 0);
    assert_int_equal(halo_name_text(HALO_NAME_COUNT).len, 0);
    assert_int_equal(halo_name_text(UINT16_MAX).len, 0);
    assert_int_equal(halo_name_token((halo_bytes){ NULL, 0 }), 0);
    assert_int_equal(halo_name_token((halo_bytes){ "a", 1 }), 0);
}

static void test_static_table(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= HPACK_STATIC_COUNT; i++) {
        const struct hpack_entry *entry = &hpack_static_entries[i];
        halo_bytes name = { entry->name, entry->name_len };
        halo_bytes value = { entry->value, entry->value_len };
        assert_int_equal(strlen(entry->name), entry->name_len);
        assert_int_equal(strlen(entry->value), entry->value_len);
        assert_int_equal(halo_name_token(name), entry->token);
        assert_int_equal(entry->hash, hpack_field_hash(name, value));
        assert_int_equal(entry->flags, 0);
        assert_true(entry->name_len <= HPACK_STATIC_LONGEST);
        assert_true(entry->value_len <= HPACK_STATIC_LONGEST);
        const struct hpack_name *known = &hpack_names[entry->token];
        assert_true(known->static_index <= i);
        assert_true(known->static_index == i || i < known->static_index + known->static_values);
        assert_int_equal(hpack_name_hashes[entry->token], hpack_name_hash(name.data, name.len));
    }
    /* A few by heart (RFC 7541 appendix A). */
    assert_string_equal(hpack_static_entries[2].value, "GET");
    assert_string_equal(hpack_static_entries[14].value, "500");
    assert_string_equal(hpack_static_entries[16].value, "gzip, deflate");
    assert_string_equal(hpack_static_entries[38].name, "host");
    assert_string_equal(hpack_static_entries[61].name, "www-authenticate");
}

static bool is_good_name(halo_bytes name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    size_t from = name.len > 1 && name.data[0] == ':' ? 1 : 0;
    for (size_t i = from; i < name.len; i++) {
        char octet = name.data[i];
        if (!((octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') ||
              (octet != '\0' && strchr(others, octet) != NULL))) {
            return false;
        }
    }
    return name.len > 0;
}

static void expect_name(struct test_octets octets)
{
    assert_int_equal(hpack_name_flags(bytes_of(octets)),
                     is_good_name(bytes_of(octets)) ? 0 : HPACK_FIELD_BAD_NAME);
}

static void test_name_flags(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 70; len++) {
        struct test_octets octets = test_octets_copy(
            "x-0123456789-abcdefghijklmnopqrstuvwxyz_.!#$%&'*+^`|~-and-some-more-oct", len);
        expect_name(octets);
        for (size_t i = 0; i < len; i++) {
            uint8_t before = octets.data[i];
            for (unsigned octet = 0; octet < 256; octet++) {
                octets.data[i] = (uint8_t)octet;
                expect_name(octets);
            }
            octets.data[i] = before;
        }
        test_octets_free(&octets);
    }
    assert_int_equal(hpack_name_flags((halo_bytes)HALO_LIT(":")), HPACK_FIELD_BAD_NAME);
    assert_int_equal(hpack_name_flags((halo_bytes)HALO_LIT(":a")), 0);
    assert_int_equal(hpack_name_flags((halo_bytes)HALO_LIT("::a")), HPACK_FIELD_BAD_NAME);
}

static uint16_t flags_of_value(halo_bytes value)
{
    uint16_t flags = 0;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t octet = (uint8_t)value.data[i];
        if ((octet < 0x20 && octet != '\t') || octet == 0x7f) {
            flags |= HPACK_FIELD_BAD_VALUE;
        }
        if ((i == 0 || i == value.len - 1) && (octet == ' ' || octet == '\t')) {
            flags |= HPACK_FIELD_VALUE_SPACE;
        }
    }
    return flags;
}

static void test_value_flags(void **state)
{
    (void)state;
    struct test_random random = { 3 };
    for (size_t len = 0; len <= 70; len++) {
        for (int variant = 0; variant < 3; variant++) {
            uint8_t filler[70];
            for (size_t i = 0; i < len; i++) {
                /* Plain text, tabs, and octets with the high bit. */
                filler[i] = variant == 0   ? 'v'
                            : variant == 1 ? (uint8_t)(test_random_below(&random, 2) ? '\t' : ' ')
                                           : (uint8_t)(0x80 | test_random_below(&random, 128));
            }
            struct test_octets octets = test_octets_copy(filler, len);
            assert_int_equal(hpack_value_flags(bytes_of(octets)), flags_of_value(bytes_of(octets)));
            for (size_t i = 0; i < len; i++) {
                uint8_t before = octets.data[i];
                for (unsigned octet = 0; octet < 256; octet++) {
                    octets.data[i] = (uint8_t)octet;
                    assert_int_equal(hpack_value_flags(bytes_of(octets)),
                                     flags_of_value(bytes_of(octets)));
                }
                octets.data[i] = before;
            }
            test_octets_free(&octets);
        }
    }
}

/* Fields that differ in one octet have different hashes: up to 32 octets wherever it is. */
static void test_hashes_differ(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 32; len++) {
        struct test_octets octets = test_octets_copy("abcdefghijklmnopqrstuvwxyz012345", len);
        halo_bytes name = HALO_LIT("name");
        uint32_t hash = hpack_field_hash(name, bytes_of(octets));
        assert_int_not_equal(hash, 0);
        assert_int_equal(hash, hpack_field_hash(name, bytes_of(octets)));
        assert_int_not_equal(hash, hpack_field_hash(bytes_of(octets), name));
        for (size_t i = 0; i < len; i++) {
            octets.data[i] ^= 1;
            assert_int_not_equal(hash, hpack_field_hash(name, bytes_of(octets)));
            octets.data[i] ^= 1;
        }
        test_octets_free(&octets);
    }
    for (size_t len = 0; len <= 200; len++) { /* reads only its octets */
        struct test_octets octets = test_octets_copy((const char[200]){ 0 }, len);
        assert_int_not_equal(hpack_field_hash(bytes_of(octets), bytes_of(octets)), 0);
        test_octets_free(&octets);
    }
}

static void test_octets_helpers(void **state)
{
    (void)state;
    struct test_random random = { 4 };
    for (size_t len = 0; len <= 150; len++) {
        uint8_t source[150] = { 0 };
        for (size_t i = 0; i < len; i++) {
            source[i] = (uint8_t)test_random_next(&random);
        }
        struct test_octets a = test_octets_copy(source, len);
        struct test_octets b = test_octets_copy((const uint8_t[150]){ 0 }, len);
        hpack_octets_copy((char *)b.data, (const char *)a.data, len);
        assert_memory_equal(a.data, b.data, len);
        assert_true(hpack_octets_equal((const char *)a.data, (const char *)b.data, len));
        for (size_t i = 0; i < len; i++) {
            b.data[i] ^= 0x10;
            assert_false(hpack_octets_equal((const char *)a.data, (const char *)b.data, len));
            b.data[i] ^= 0x10;
        }
        test_octets_free(&a);
        test_octets_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found), cmocka_unit_test(test_static_table),
        cmocka_unit_test(test_name_flags),      cmocka_unit_test(test_value_flags),
        cmocka_unit_test(test_hashes_differ),   cmocka_unit_test(test_octets_helpers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
