/*
 * Differential test with libnghttp2, in both directions: random lists, sizes of the table that
 * change, flags. Built when the library's header is there.
 */
#include "support.h"

#include <nghttp2/nghttp2.h>

enum {
    FIELDS_MAX = 24,
    POOL = 60,
    BLOCKS = 400,
};

struct text {
    char name[40];
    char value[400];
    size_t name_len;
    size_t value_len;
    bool is_never_indexed;
};

static void random_text(struct test_random *random, struct text *text)
{
    static const char octets[] = "abcdefghijklmnopqrstuvwxyz0123456789 -./:=?&%_ABCXYZ~|\x01\xff";
    halo_bytes known =
        halo_name_text((uint16_t)(1 + test_random_below(random, HALO_NAME_COUNT - 1)));
    memset(text, 0, sizeof(*text));
    memcpy(text->name, known.data, known.len);
    text->name_len = known.len;
    if (test_random_below(random, 2) == 0) {
        text->name_len = 1 + test_random_below(random, 30);
        for (size_t i = 0; i < text->name_len; i++) {
            text->name[i] = (char)('a' + test_random_below(random, 26));
        }
    }
    text->value_len = test_random_below(random, test_random_below(random, 8) == 0 ? 400 : 30);
    for (size_t i = 0; i < text->value_len; i++) {
        text->value[i] = octets[test_random_below(random, sizeof(octets) - 1)];
    }
    text->is_never_indexed = test_random_below(random, 10) == 0;
}

/* A list as both libraries want it. */
struct lists {
    halo_header halo[FIELDS_MAX];
    nghttp2_nv nghttp2[FIELDS_MAX];
    size_t count;
};

static void draw_lists(struct test_random *random, struct text *pool, struct lists *lists)
{
    lists->count = test_random_below(random, FIELDS_MAX + 1);
    for (size_t i = 0; i < lists->count; i++) {
        struct text *text = &pool[test_random_below(random, POOL)];
        if (test_random_below(random, 6) == 0) {
            random_text(random, text);
        }
        lists->halo[i] = (halo_header){
            .name = { text->name, text->name_len },
            .value = { text->value, text->value_len },
            .flags = text->is_never_indexed ? HALO_HEADER_NEVER_INDEX : 0,
        };
        lists->nghttp2[i] = (nghttp2_nv){
            .name = (uint8_t *)text->name,
            .value = (uint8_t *)text->value,
            .namelen = text->name_len,
            .valuelen = text->value_len,
            .flags = text->is_never_indexed ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
        };
    }
}

/* The settings between two blocks; both ends are told. */
static uint32_t random_setting(struct test_random *random)
{
    static const uint32_t settings[] = { 0, 32, 100, 500, 1000, 4096, 4096, 10000 };
    return settings[test_random_below(random, COUNT_OF(settings))];
}

static void inflate_block(nghttp2_hd_inflater *inflater, struct test_octets block,
                          const struct lists *lists)
{
    const uint8_t *in = block.data;
    size_t len = block.len;
    size_t count = 0;
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, in, len, 1);
        assert_true(used >= 0);
        in += used;
        len -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            assert_true(count < lists->count);
            const halo_header *expected = &lists->halo[count++];
            assert_int_equal(nv.namelen, expected->name.len);
            assert_memory_equal(nv.name, expected->name.data, nv.namelen);
            assert_int_equal(nv.valuelen, expected->value.len);
            assert_memory_equal(nv.value, expected->value.data, nv.valuelen);
            if ((expected->flags & HALO_HEADER_NEVER_INDEX) != 0) {
                assert_int_not_equal(nv.flags & NGHTTP2_NV_FLAG_NO_INDEX, 0);
            }
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            break;
        }
    }
    assert_int_equal(len, 0);
    assert_int_equal(count, lists->count);
    assert_int_equal(nghttp2_hd_inflate_end_headers(inflater), 0);
}

static void test_halo_to_nghttp2(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct test_random random = { seed };
        struct hpack_encoder encoder;
        nghttp2_hd_inflater *inflater;
        static struct text pool[POOL];
        static struct lists lists;
        for (size_t i = 0; i < POOL; i++) {
            random_text(&random, &pool[i]);
        }
        hpack_encoder_init(&encoder, 4096);
        assert_int_equal(nghttp2_hd_inflate_new(&inflater), 0);
        for (int i = 0; i < BLOCKS; i++) {
            for (uint32_t n = test_random_below(&random, 30) == 0 ? 3 : 0; n > 0; n--) {
                uint32_t setting = random_setting(&random);
                hpack_encoder_set_max(&encoder, setting);
                assert_int_equal(nghttp2_hd_inflate_change_table_size(inflater, setting), 0);
            }
            draw_lists(&random, pool, &lists);
            struct test_octets block = test_encode(&encoder, lists.halo, lists.count);
            inflate_block(inflater, block, &lists);
            assert_int_equal(nghttp2_hd_inflate_get_dynamic_table_size(inflater),
                             encoder.table.size);
            assert_int_equal(nghttp2_hd_inflate_get_num_table_entries(inflater),
                             encoder.table.count + HPACK_STATIC_COUNT);
            test_octets_free(&block);
        }
        nghttp2_hd_inflate_del(inflater);
        test_table_free(&encoder.table);
    }
}

static void test_nghttp2_to_halo(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct test_random random = { seed };
        struct hpack_decoder decoder;
        nghttp2_hd_deflater *deflater;
        struct test_list *list = test_list_new(1 << 20, 1 << 12);
        static struct text pool[POOL];
        static struct lists lists;
        for (size_t i = 0; i < POOL; i++) {
            random_text(&random, &pool[i]);
        }
        hpack_decoder_init(&decoder, 4096);
        assert_int_equal(nghttp2_hd_deflate_new(&deflater, 65536), 0);
        for (int i = 0; i < BLOCKS; i++) {
            for (uint32_t n = test_random_below(&random, 30) == 0 ? 3 : 0; n > 0; n--) {
                uint32_t setting = random_setting(&random);
                hpack_decoder_set_max(&decoder, setting);
                assert_int_equal(nghttp2_hd_deflate_change_table_size(deflater, setting), 0);
            }
            draw_lists(&random, pool, &lists);
            uint8_t out[32768];
            ssize_t len =
                nghttp2_hd_deflate_hd(deflater, out, sizeof(out), lists.nghttp2, lists.count);
            assert_true(len >= 0);
            struct test_octets block = test_octets_copy(out, (size_t)len);
            size_t middle = test_random_below(&random, (uint32_t)len + 1);
            assert_int_equal(test_decode_parts(&decoder, list, block, &middle, 1), HPACK_OK);
            test_list_expect(list, lists.halo, lists.count);
            for (size_t j = 0; j < lists.count; j++) {
                if ((lists.halo[j].flags & HALO_HEADER_NEVER_INDEX) != 0) {
                    assert_true((list->fields[j].flags & HALO_HEADER_NEVER_INDEX) != 0);
                }
            }
            assert_int_equal(nghttp2_hd_deflate_get_dynamic_table_size(deflater),
                             decoder.table.size);
            test_octets_free(&block);
        }
        nghttp2_hd_deflate_del(deflater);
        test_table_free(&decoder.table);
        test_list_free(list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halo_to_nghttp2),
        cmocka_unit_test(test_nghttp2_to_halo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
