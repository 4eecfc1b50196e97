/* What a session holds: its budget, the bound that it promises, and peers that try to pass it. */
#include "fake_peer.h"

#include <stdlib.h>

#include "core/proto/limits.h"

enum { MIB = 1024 * 1024 };

/* ---- one session, driven without the scenario's comparisons: it is about sizes ---------------- */

struct attack {
    halo_session *session;
    struct test_memory memory;
    struct halo_session_options options;
    struct halo_memory_bound bound;
    struct wire in;
    uint64_t now_ns;
    bool pause; /* the application pauses every stream */
    bool keep;  /* it keeps all data */
    bool deaf;  /* the peer reads nothing */
    bool closed;
    uint32_t code;
    uint32_t requests;
    uint32_t resets; /* RST_STREAM heard */
    uint32_t reset_code;
    size_t sent;
    halo_slice *slices;
    size_t num_slices;
    halo_stream *streams[1024];
    uint64_t memory_peak; /* halo_session_memory() */
};

static void attack_poll(struct attack *attack)
{
    struct halo_event event;

    while (halo_session_poll(attack->session, &event) != 0) {
        if (event.type == HALO_EVENT_REQUEST) {
            attack->requests++;
            attack->streams[event.stream_id / 2 % 1024] = event.stream;
            if (attack->pause) {
                halo_stream_pause(event.stream);
            }
        } else if (event.type == HALO_EVENT_DATA && attack->keep && event.u.data.len > 0) {
            attack->slices = realloc(attack->slices, (attack->num_slices + 1) * sizeof(halo_slice));
            assert_int_equal(
                halo_session_keep_data(attack->session, &attack->slices[attack->num_slices]), 0);
            attack->num_slices++;
        } else if (event.type == HALO_EVENT_STREAM_CLOSED) {
            attack->streams[event.stream_id / 2 % 1024] = NULL;
        } else if (event.type == HALO_EVENT_SESSION_CLOSED) {
            attack->closed = true;
            attack->code = event.u.closed != NULL ? event.u.closed->code : 0;
        }
    }
}

static void attack_pull(struct attack *attack)
{
    struct iovec iov[16];
    struct wire out = { 0 };
    int count;

    if (attack->deaf) {
        (void)halo_session_pull(attack->session, iov, 16, 65536); /* the socket takes nothing */
        return;
    }
    while ((count = halo_session_pull(attack->session, iov, 16, 65536)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            wire_octets(&out, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        halo_session_sent(attack->session, len);
    }
    for (size_t at = 0; at < out.len; at += 9 + frame_header_load(out.data + at).len) {
        if (out.data[at + 3] == T_RST_STREAM) {
            attack->resets++;
            attack->reset_code = load_u32(out.data + at + 9);
        }
    }
    wire_free(&out);
}

/* Hands in what was written, and looks at the memory. */
static void attack_go(struct attack *attack)
{
    uint64_t most = attack->bound.total + attack->bound.shared;

    if (!attack->closed) {
        assert_int_equal(
            halo_session_recv(attack->session, attack->in.data, attack->in.len, attack->now_ns), 0);
        attack_poll(attack);
        attack_pull(attack);
    }
    attack->sent += attack->in.len;
    attack->in.len = 0;
    attack->memory_peak = max_u64(attack->memory_peak, halo_session_memory(attack->session));
    assert_true(attack->memory.octets_peak <= most);
}

static struct attack *attack_begin(void (*options)(struct halo_session_options *options))
{
    struct attack *attack = calloc(1, sizeof(*attack));

    assert_non_null(attack);
    test_memory_init(&attack->memory);
    attack->now_ns = 1000000;
    halo_session_options_init(&attack->options, HALO_SERVER);
    attack->options.allocator = attack->memory.allocator;
    if (options != NULL) {
        options(&attack->options);
    }
    assert_int_equal(halo_session_memory_bound(&attack->options, &attack->bound), 0);
    assert_int_equal(halo_session_new(&attack->session, &attack->options, attack->now_ns), 0);
    put_preface(&attack->in);
    put_settings(&attack->in, 0);
    put_settings_ack(&attack->in);
    attack_go(attack);
    return attack;
}

static void attack_end(struct attack *attack)
{
    halo_session_free(attack->session);
    for (size_t i = 0; i < attack->num_slices; i++) {
        halo_slice_release(&attack->slices[i]);
    }
    assert_int_equal(attack->memory.live, 0);
    free(attack->slices);
    wire_free(&attack->in);
    free(attack);
}

/* Sends DATA of `len` octets as long as the windows allow it. Returns whether they did. */
static bool attack_data(struct attack *attack, uint32_t id, size_t len)
{
    struct halo_session_info info;
    struct halo_stream_info stream_info;
    halo_stream *stream = attack->streams[id / 2 % 1024];

    if (attack->closed || stream == NULL) {
        return false;
    }
    halo_session_get_info(attack->session, &info);
    halo_stream_get_info(stream, &stream_info);
    if (info.local_window < (int64_t)len || stream_info.local_window < (int64_t)len) {
        return false;
    }
    put_data(&attack->in, id, 0, len);
    attack_go(attack);
    return true;
}

static uint64_t fill_windows(struct attack *attack, uint32_t streams, size_t len)
{
    uint64_t sent = 0;

    for (uint32_t id = 1; id < 2 * streams; id += 2) {
        put_post(&attack->in, id);
        attack_go(attack);
        while (attack_data(attack, id, len)) {
            sent += len;
        }
    }
    return sent;
}

/* ---- tests ---------------------------------------------------------------------------------------- */

/* An honest upload to an application that has paused every stream: all that was granted may come. */
static void test_O03_session_paused_uploads_are_no_offence(void **state)
{
    struct attack *attack = attack_begin(NULL);
    struct halo_session_info info;

    (void)state;
    attack->pause = true;
    assert_true(fill_windows(attack, 100, 16000) > LIMIT_CONNECTION_WINDOW - 16000);
    assert_false(attack->closed);
    halo_session_get_info(attack->session, &info);
    assert_true(info.body_octets_held > LIMIT_CONNECTION_WINDOW - 16000);
    assert_true(info.memory > info.body_octets_held);
    attack_end(attack);
}

static void largest_windows(struct halo_session_options *options)
{
    options->connection_window_size = 4 * MIB;
    options->settings.initial_window_size = MIB;
    options->settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
}

/* ... with windows as large as they grow by default, and the bound holds. */
static void test_O03_session_paused_uploads_in_the_largest_windows(void **state)
{
    struct attack *attack = attack_begin(largest_windows);

    (void)state;
    attack->pause = true;
    assert_true(fill_windows(attack, 100, 16000) > 4 * MIB - 16000);
    assert_false(attack->closed);
    attack_end(attack);
}

/* One octet per DATA frame, kept: each costs 256, and the peer has only paid one. */
static void test_O03_session_short_slices_end_the_session(void **state)
{
    struct attack *attack = attack_begin(NULL);
    uint64_t sent;

    (void)state;
    attack->keep = true;
    sent = fill_windows(attack, 100, 1);
    assert_true(attack->closed);
    assert_int_equal(attack->code, HALO_ENHANCE_YOUR_CALM);
    assert_in_range(sent, LIMIT_MEMORY_HARD / 256, LIMIT_MEMORY_HARD / 256 + 100);
    attack_end(attack);
}

static void put_large_post(struct attack *attack, uint32_t id)
{
    static char value[16001];
    struct wire block = { 0 };

    memset(value, 'v', 16000);
    fields(&block, ":method", "POST", ":scheme", "https", ":path", "/", ":authority", "a", NULL);
    field(&block, "x-one", value);
    field(&block, "x-two", value);
    put_frame_header(&attack->in, 16384, T_HEADERS, 0, id);
    wire_octets(&attack->in, block.data, 16384);
    put_continuation(&attack->in, id, F_END_HEADERS, block.data + 16384, block.len - 16384);
    wire_free(&block);
}

/* Header lists of 32 KiB on streams that are never answered: new ones are refused above the soft limit. */
static void test_O03_session_new_streams_are_refused(void **state)
{
    struct attack *attack = attack_begin(NULL);
    uint32_t taken;

    (void)state;
    for (uint32_t id = 1; attack->resets == 0 && id < 200; id += 2) {
        put_large_post(attack, id);
        attack_go(attack);
    }
    assert_int_equal(attack->resets, 1);
    assert_int_equal(attack->reset_code, HALO_REFUSED_STREAM);
    assert_in_range(attack->requests, LIMIT_MEMORY_SOFT / 33000, LIMIT_MEMORY_SOFT / 32000 + 1);
    assert_false(attack->closed);
    /* Streams end, and new ones are taken. */
    taken = attack->requests;
    for (uint32_t id = 1; id < 20; id += 2) {
        halo_stream_reset(attack->streams[id / 2], HALO_CANCEL);
    }
    attack_go(attack);
    put_large_post(attack, 301);
    attack_go(attack);
    assert_int_equal(attack->requests, taken + 1);
    attack_end(attack);
}

static void no_soft_limit(struct halo_session_options *options)
{
    options->memory_soft = UINT32_MAX;
    options->memory_hard = 2 * MIB;
}

static void test_O03_session_header_lists_end_the_session(void **state)
{
    struct attack *attack = attack_begin(no_soft_limit);

    (void)state;
    for (uint32_t id = 1; !attack->closed && id < 256; id += 2) {
        put_large_post(attack, id);
        attack_go(attack);
    }
    assert_true(attack->closed);
    assert_int_equal(attack->code, HALO_ENHANCE_YOUR_CALM);
    assert_in_range(attack->requests, 2 * MIB / 33000, 2 * MIB / 32000 + 1);
    attack_end(attack);
}

/* Everything at once, in the order that costs most: header lists up to the soft limit, windows filled, a header
 * block and a payload that never end, PINGs and resets whose answers are not read. */
static void test_O03_session_bound_holds_in_every_dimension(void **state)
{
    struct attack *attack = attack_begin(largest_windows);
    struct wire zeros = { 0 };

    (void)state;
    attack->pause = true;
    attack->deaf = true;
    for (uint32_t id = 1; id < 63; id += 2) {
        put_large_post(attack, id);
        attack_go(attack);
    }
    for (uint32_t id = 1; id < 63; id += 2) {
        while (attack_data(attack, id, 9973)) {
        }
    }
    for (int i = 0; i < 150; i++) {
        put_ping(&attack->in, 0, "attack!!");
        attack_go(attack);
    }
    wire_fill(&zeros, 0x41, 16384);
    put_frame_header(&attack->in, 16384, T_HEADERS, 0, 401);
    wire_octets(&attack->in, zeros.data, zeros.len);
    attack_go(attack);
    for (int i = 0; i < 2; i++) {
        put_continuation(&attack->in, 401, 0, zeros.data, zeros.len);
        attack_go(attack);
    }
    put_frame_header(&attack->in, 16384, T_CONTINUATION, 0, 401);
    wire_octets(&attack->in, zeros.data, 16000);
    attack_go(attack);
    assert_false(attack->closed);
    assert_true(attack->memory_peak > 5 * (uint64_t)MIB);
    assert_true(attack->memory_peak <= attack->bound.total);
    wire_free(&zeros);
    attack_end(attack);
}

static void test_O03_session_memory_bound(void **state)
{
    struct halo_session_options options;
    struct halo_memory_bound bound;
    struct halo_memory_bound larger;

    (void)state;
    halo_session_options_init(&options, HALO_SERVER);
    assert_int_equal(halo_session_memory_bound(&options, &bound), 0);
    assert_int_equal(bound.windows, LIMIT_CONNECTION_WINDOW_MAX);
    assert_true(bound.held > bound.windows + LIMIT_MEMORY_HARD);
    assert_int_equal(bound.total, bound.held + bound.tables + bound.headers + bound.output +
                                      bound.streams + bound.session + bound.receive_buffers +
                                      bound.tls);
    assert_true(bound.total < 10 * MIB);
    options.connection_receive_window_max = 32 * MIB;
    assert_int_equal(halo_session_memory_bound(&options, &larger), 0);
    assert_int_equal(larger.total - bound.total, 28 * MIB);
    options.role = 2;
    assert_int_equal(halo_session_memory_bound(&options, &larger), HALO_E_INVALID_ARGUMENT);
}

static int64_t stream_window(const struct attack *attack, uint32_t id)
{
    struct halo_stream_info info;

    halo_stream_get_info(attack->streams[id / 2], &info);
    return info.local_window;
}

/* Much is held: windows that have grown get no credit beyond their first size, and all of it later. */
static void test_O03_session_credit_waits_while_much_is_held(void **state)
{
    struct attack *attack = attack_begin(NULL);
    struct halo_session_info info;
    int64_t before;

    (void)state;
    put_post(&attack->in, 101);
    attack_go(attack);
    for (int i = 0; i < 400; i++) { /* within no time: both windows grow to what they may */
        assert_true(attack_data(attack, 101, 16000));
    }
    halo_session_get_info(attack->session, &info);
    assert_int_equal(info.effective_local_window, LIMIT_CONNECTION_WINDOW_MAX);
    assert_true(stream_window(attack, 101) > LIMIT_STREAM_WINDOW_MAX - LIMIT_WINDOW_UPDATE_OCTETS);
    attack->keep = true;
    for (uint32_t id = 103; id < 183; id += 2) {
        put_post(&attack->in, id);
        attack_go(attack);
        while (attack_data(attack, id, 16000)) {
        }
    }
    halo_session_get_info(attack->session, &info);
    assert_true(info.body_octets_held > LIMIT_MEMORY_HARD / 2);
    attack->keep = false;
    before = stream_window(attack, 101);
    for (int i = 0; i < 40; i++) {
        assert_true(attack_data(attack, 101, 16000));
    }
    assert_int_equal(stream_window(attack, 101), before - 40 * 16000); /* not an octet came back */
    for (int i = 0; i < 400; i++) {                                    /* but nobody has to wait */
        assert_true(attack_data(attack, 101, 16000));
    }
    while (attack->num_slices > 0) {
        halo_slice_release(&attack->slices[--attack->num_slices]);
    }
    halo_session_get_info(attack->session, &info);
    assert_int_equal(info.body_octets_held, 0);
    assert_true(info.local_window > LIMIT_CONNECTION_WINDOW_MAX - LIMIT_WINDOW_UPDATE_OCTETS);
    assert_true(stream_window(attack, 101) > LIMIT_STREAM_WINDOW_MAX - LIMIT_WINDOW_UPDATE_OCTETS);
    attack_end(attack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_O03_session_paused_uploads_are_no_offence),
        cmocka_unit_test(test_O03_session_paused_uploads_in_the_largest_windows),
        cmocka_unit_test(test_O03_session_short_slices_end_the_session),
        cmocka_unit_test(test_O03_session_new_streams_are_refused),
        cmocka_unit_test(test_O03_session_header_lists_end_the_session),
        cmocka_unit_test(test_O03_session_bound_holds_in_every_dimension),
        cmocka_unit_test(test_O03_session_memory_bound),
        cmocka_unit_test(test_O03_session_credit_waits_while_much_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
