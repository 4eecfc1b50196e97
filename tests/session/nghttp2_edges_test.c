/*
 * libnghttp2 reads what is sent at the edges of sizes: bodies of 0 to 2^24 + 1 octets in all ways of
 * writing, all sizes of frames that it may allow, and header values up to what it takes, 64 KiB.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <halo/session.h>

#include <nghttp2/nghttp2.h>

#include "core/base/base.h"
#include "frames.h"

static uint8_t octets[(1 << 24) + 1];

struct foreign {
    nghttp2_session *session;
    uint64_t body;
    int errors;
    int closed;
};

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t len, void *ctx)
{
    struct foreign *foreign = ctx;

    (void)session;
    (void)flags;
    (void)stream_id;
    assert_true(foreign->body + len <= sizeof(octets));
    foreign->errors += memcmp(data, octets + foreign->body, len) != 0;
    foreign->body += len;
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int code, void *ctx)
{
    (void)session;
    (void)frame;
    (void)code;
    ((struct foreign *)ctx)->errors++;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *ctx)
{
    (void)session;
    (void)stream_id;
    ((struct foreign *)ctx)->errors += code != NGHTTP2_NO_ERROR;
    ((struct foreign *)ctx)->closed++;
    return 0;
}

static void foreign_begin(struct foreign *foreign, uint32_t frame_max)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x7fffffff },
        { NGHTTP2_SETTINGS_MAX_FRAME_SIZE, frame_max },
    };
#define FIELD(name, value)                                                                         \
    { (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1, 0 }
    nghttp2_nv fields[] = { FIELD(":method", "GET"), FIELD(":scheme", "https"), FIELD(":path", "/"),
                            FIELD(":authority", "example.org") };
    nghttp2_session_callbacks *callbacks;

    memset(foreign, 0, sizeof(*foreign));
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    assert_int_equal(nghttp2_session_client_new(&foreign->session, callbacks, foreign), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(foreign->session, 0, settings, 2), 0);
    assert_int_equal(nghttp2_session_set_local_window_size(foreign->session, 0, 0, 0x7fffffff), 0);
    assert_int_equal(nghttp2_submit_request(foreign->session, NULL, fields, 4, NULL, NULL), 1);
}

struct source {
    size_t at;
    size_t len;
};

static int source_read(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct source *source = ctx;

    *len = min_size(cap, source->len - source->at);
    memcpy(out, octets + source->at, *len);
    source->at += *len;
    *end = source->at == source->len;
    return 0;
}

static void answer(halo_stream *stream, int way, struct source *source)
{
    struct halo_source from = { .read = source_read, .ctx = source };

    assert_int_equal(halo_stream_respond(stream, 200, NULL, 0), 0);
    if (way == 0) {
        assert_int_equal(halo_stream_write(stream, octets, source->len, HALO_END_STREAM), 0);
    } else if (way == 1) {
        assert_int_equal(
            halo_stream_write_borrow(stream, octets, source->len, HALO_END_STREAM, NULL, NULL), 0);
    } else {
        assert_int_equal(halo_stream_set_source(stream, &from, 0), 0);
    }
}

static void to_own(struct foreign *foreign, halo_session *own, int way, struct source *source)
{
    struct halo_event event;
    const uint8_t *data;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(foreign->session, &data)) > 0) {
        assert_int_equal(halo_session_recv(own, data, (size_t)len, 1), 0);
        while (halo_session_poll(own, &event) != 0) {
            if (event.type == HALO_EVENT_REQUEST) {
                answer(event.stream, way, source);
            }
        }
    }
    assert_int_equal(len, 0);
}

/* Returns whether anything went. */
static bool to_foreign(struct foreign *foreign, halo_session *own)
{
    struct iovec iov[32];
    int count = halo_session_pull(own, iov, 32, 1 << 20);
    size_t sent = 0;

    for (int i = 0; i < count; i++) {
        assert_int_equal(
            nghttp2_session_mem_recv(foreign->session, iov[i].iov_base, iov[i].iov_len),
            iov[i].iov_len);
        sent += iov[i].iov_len;
    }
    halo_session_sent(own, sent);
    return sent > 0;
}

static void exchange(uint32_t frame_max, uint32_t size, int way)
{
    struct source source = { .len = size };
    struct halo_session_options options;
    struct foreign foreign;
    halo_session *own;

    halo_session_options_init(&options, HALO_SERVER);
    assert_int_equal(halo_session_new(&own, &options, 1), 0);
    foreign_begin(&foreign, frame_max);
    do {
        to_own(&foreign, own, way, &source);
    } while (to_foreign(&foreign, own));
    assert_true(foreign.body == size);
    assert_int_equal(foreign.errors, 0);
    assert_int_equal(foreign.closed, 1);
    nghttp2_session_del(foreign.session);
    halo_session_free(own);
}

static void test_scorecard_07_session_bodies_by_nghttp2(void **state)
{
    static const uint32_t sizes[] = {
        0, 1, (1 << 14) - 1, 1 << 14, (1 << 14) + 1, (1 << 24) - 1, 1 << 24, (1 << 24) + 1
    };
    static const uint32_t frames[] = { 1 << 14, (1 << 14) + 1, (1 << 24) - 1 };

    (void)state;
    for (size_t frame = 0; frame < HALO_ARRAY_LEN(frames); frame++) {
        for (size_t size = 0; size < HALO_ARRAY_LEN(sizes); size++) {
            for (int way = 0; way < 3; way++) {
                exchange(frames[frame], sizes[size], way);
            }
        }
    }
}

/* ---- header values --------------------------------------------------------------------- */

/* The blocks of HEADERS and CONTINUATION frames, in one. */
static void take_block(halo_session *session, struct wire *block)
{
    struct wire out = { 0 };
    struct iovec iov[64];
    int count;

    while ((count = halo_session_pull(session, iov, 64, 1 << 20)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            wire_octets(&out, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        halo_session_sent(session, len);
    }
    for (size_t at = 0; at < out.len;) {
        size_t len = (size_t)out.data[at] << 16 | (size_t)out.data[at + 1] << 8 | out.data[at + 2];

        if (out.data[at + 3] == T_HEADERS || out.data[at + 3] == T_CONTINUATION) {
            wire_octets(block, out.data + at + 9, len);
        }
        at += 9 + len;
    }
    wire_free(&out);
}

static void inflate_value(nghttp2_hd_inflater *inflater, const struct wire *block,
                          const char *value, size_t len)
{
    size_t at = 0;
    int found = 0;
    int flags = 0;

    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
        nghttp2_nv field;
        ssize_t read =
            nghttp2_hd_inflate_hd2(inflater, &field, &flags, block->data + at, block->len - at, 1);

        assert_true(read >= 0);
        at += (size_t)read;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && field.namelen == 6) {
            assert_int_equal(field.valuelen, len);
            assert_int_equal(memcmp(field.value, value, len), 0);
            found++;
        }
    }
    assert_int_equal(at, block->len);
    assert_int_equal(nghttp2_hd_inflate_end_headers(inflater), 0);
    assert_int_equal(found, 1);
}

static void send_value(const char *value, size_t len)
{
    halo_header field = { .name = HALO_LIT("x-long"), .value = { value, len } };
    halo_headers headers = { .fields = &field, .count = 1 };
    struct halo_session_options options;
    nghttp2_hd_inflater *inflater;
    struct halo_event event;
    halo_session *session;
    struct wire wire = { 0 };
    struct wire block = { 0 };
    int answered = 0;

    assert_int_equal(nghttp2_hd_inflate_new(&inflater), 0);
    halo_session_options_init(&options, HALO_SERVER);
    options.limits.send_block = 1 << 23;
    assert_int_equal(halo_session_new(&session, &options, 1), 0);
    put_preface(&wire);
    put_settings(&wire, 0);
    put_get(&wire, 1);
    put_get(&wire, 3);
    assert_int_equal(halo_session_recv(session, wire.data, wire.len, 1), 0);
    while (halo_session_poll(session, &event) != 0) {
        if (event.type == HALO_EVENT_REQUEST) {
            assert_int_equal(halo_stream_respond(event.stream, 200, &headers, HALO_END_STREAM), 0);
            block.len = 0;
            take_block(session, &block);
            inflate_value(inflater, &block, value, len);
            answered++;
        }
    }
    assert_int_equal(answered, 2);
    nghttp2_hd_inflate_del(inflater);
    halo_session_free(session);
    wire_free(&wire);
    wire_free(&block);
}

static void test_scorecard_07_session_header_values_by_nghttp2(void **state)
{
    static const uint32_t sizes[] = { (1 << 14) - 1, 1 << 14, (1 << 14) + 1, 65000 };
    char *value = malloc(65000);

    (void)state;
    assert_non_null(value);
    for (size_t size = 0; size < HALO_ARRAY_LEN(sizes); size++) {
        memset(value, 'a', sizes[size]);
        send_value(value, sizes[size]);
        memset(value, '|', sizes[size]);
        send_value(value, sizes[size]);
    }
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scorecard_07_session_bodies_by_nghttp2),
        cmocka_unit_test(test_scorecard_07_session_header_values_by_nghttp2),
    };

    for (size_t i = 0; i < sizeof(octets); i++) {
        octets[i] = (uint8_t)(i % 251);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
