/* SETTINGS payloads: packing, reading, checking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <halo/error.h>
#include <halo/settings.h>

static void defaults(void **state)
{
    struct halo_settings settings;

    (void)state;
    memset(&settings, 0xff, sizeof(settings));
    halo_settings_default(&settings);
    assert_int_equal(settings.present, 0);
    assert_int_equal(settings.header_table_size, 4096);
    assert_int_equal(settings.enable_push, 1);
    assert_int_equal(settings.max_concurrent_streams, UINT32_MAX);
    assert_int_equal(settings.initial_window_size, 65535);
    assert_int_equal(settings.max_frame_size, 16384);
    assert_int_equal(settings.max_header_list_size, UINT32_MAX);
    assert_int_equal(settings.enable_connect_protocol, 0);
    assert_int_equal(settings.custom_count, 0);
    assert_int_equal(halo_settings_check(&settings), 0);
}

/* Node's example: getPackedSettings({enablePush: false}) is AAIAAAAA in base64. */
static void nodes_example(void **state)
{
    struct halo_settings settings;
    uint8_t out[6];
    size_t len;

    (void)state;
    halo_settings_default(&settings);
    settings.enable_push = 0;
    settings.present = HALO_SETTINGS_BIT(HALO_SETTINGS_ENABLE_PUSH);
    assert_int_equal(halo_settings_pack(&settings, out, sizeof(out), &len), 0);
    assert_int_equal(len, 6);
    assert_memory_equal(out, "\x00\x02\x00\x00\x00\x00", 6);
}

static void all_members_in_order(void **state)
{
    struct halo_settings settings = {
        .present = 0x37e,
        .header_table_size = 1,
        .enable_push = 1,
        .max_concurrent_streams = 3,
        .initial_window_size = 4,
        .max_frame_size = 0x4005,
        .max_header_list_size = 6,
        .enable_connect_protocol = 1,
        .no_rfc7540_priorities = 1,
        .custom = { { 0x1234, 0x56789abc }, { 7, 9 } },
        .custom_count = 2,
    };
    static const char wanted[] = "\0\1\0\0\0\1"
                                 "\0\2\0\0\0\1"
                                 "\0\3\0\0\0\3"
                                 "\0\4\0\0\0\4"
                                 "\0\5\0\0\x40\5"
                                 "\0\6\0\0\0\6"
                                 "\0\x8\0\0\0\1"
                                 "\0\x9\0\0\0\1"
                                 "\x12\x34\x56\x78\x9a\xbc"
                                 "\0\7\0\0\0\x9";
    struct halo_settings read;
    uint8_t out[100];
    size_t len;

    (void)state;
    assert_int_equal(halo_settings_pack(&settings, out, sizeof(out), &len), 0);
    assert_int_equal(len, 60);
    assert_memory_equal(out, wanted, 60);
    assert_int_equal(halo_settings_unpack(&read, out, len), 0);
    assert_memory_equal(&read, &settings, sizeof(read));
    memset(out, 0xee, sizeof(out));
    assert_int_equal(halo_settings_pack(&settings, out, 59, &len), HALO_E_LIMIT);
    assert_int_equal(len, 60);
    assert_int_equal(out[54], 0xee);
}

static void out_of_range(void **state)
{
    static const struct {
        unsigned id;
        uint32_t value;
        int status;
    } cases[] = {
        { 2, 2, HALO_E_INVALID_SETTING_VALUE },
        { 4, 0x80000000, HALO_E_INVALID_SETTING_VALUE },
        { 4, 0x7fffffff, 0 },
        { 5, 16383, HALO_E_INVALID_SETTING_VALUE },
        { 5, 16777216, HALO_E_INVALID_SETTING_VALUE },
        { 5, 16777215, 0 },
        { 8, 2, HALO_E_INVALID_SETTING_VALUE },
        { 9, 2, HALO_E_INVALID_SETTING_VALUE },
        { 1, UINT32_MAX, 0 },
        { 6, UINT32_MAX, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t value = cases[i].value;
        uint8_t in[6] = { 0,
                          (uint8_t)cases[i].id,
                          (uint8_t)(value >> 24),
                          (uint8_t)(value >> 16),
                          (uint8_t)(value >> 8),
                          (uint8_t)value };
        struct halo_settings settings;
        size_t len;

        assert_int_equal(halo_settings_unpack(&settings, in, 6), cases[i].status);
        assert_int_equal(halo_settings_check(&settings), cases[i].status);
        assert_int_equal(halo_settings_pack(&settings, in, 6, &len), cases[i].status);
        settings.present = 0; /* what is not present does not count */
        assert_int_equal(halo_settings_check(&settings), 0);
    }
}

static void odd_payloads(void **state)
{
    struct halo_settings settings;
    uint8_t in[6 * 12] = { 0 };

    (void)state;
    for (size_t len = 0; len < 30; len++) {
        assert_int_equal(halo_settings_unpack(&settings, in, len),
                         len % 6 == 0 ? 0 : HALO_E_PACKED_SETTINGS_LENGTH);
    }
    assert_int_equal(settings.custom_count, 0); /* identifier 0 means nothing */
    for (size_t i = 0; i < 12; i++) {
        in[i * 6] = 0x20;
    }
    assert_int_equal(halo_settings_unpack(&settings, in, sizeof(in)), 0);
    assert_int_equal(settings.custom_count, HALO_CUSTOM_SETTINGS_MAX);
    settings.custom_count++;
    assert_int_equal(halo_settings_check(&settings), HALO_E_TOO_MANY_CUSTOM_SETTINGS);
    settings.custom_count = 1;
    settings.custom[0].id = 0;
    assert_int_equal(halo_settings_check(&settings), HALO_E_INVALID_SETTING_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(nodes_example),
        cmocka_unit_test(all_members_in_order),
        cmocka_unit_test(out_of_range),
        cmocka_unit_test(odd_payloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
