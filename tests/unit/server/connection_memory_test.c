/*
 * halo_connection_memory_bound() under attack: whatever is sent over real sockets, in the clear and over TLS,
 * connections hold no more than the bound says, and for each of its members there is an attack that comes near,
 * so that it says something.
 *
 * HALO_SIEGE=1 in the environment prints the figures.
 */
#include "siege.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/base.h"
#include "core/base/memory.h"
#include "core/conn/conn.h"
#include "core/proto/limits.h"
#include "tls/limits.h"

#if HALO_HAVE_TLS
#include "../tls/support.h"
#endif

enum { KIB = 1024, MIB = 1024 * 1024 };

/* Objects are made by the block: those of the last one that are not in use, and what sends are prepared in. */
static uint64_t rounding(void)
{
    return 16 * sizeof(struct conn) + 64 * sizeof(struct halo_stream) +
           128 * sizeof(struct write_block) + io_send_slots_size();
}

/* Plays it. No connection held more than `most` (0: than the bound), nor less than `least`. */
static void play_between(const struct siege *siege, uint64_t least, uint64_t most)
{
    struct siege_result result;
    uint64_t bound;

    siege_play(siege, &result);
    bound = most != 0 ? most : result.bound.total;
    if (getenv("HALO_SIEGE") != NULL) {
        print_message(
            "%-50s %9llu of %9llu, at least %9llu; %u sessions, %u requests, %llu slices\n",
            siege->attack.name, (unsigned long long)result.most, (unsigned long long)bound,
            (unsigned long long)least, result.opened, result.requests,
            (unsigned long long)result.slices);
    }
    assert_true(result.most <= bound + rounding() / SIEGE_CONNECTIONS);
    assert_true(result.most >= least);
    assert_true(result.most <= result.bound.total + rounding() / SIEGE_CONNECTIONS);
}

static struct halo_memory_bound bound_of(void (*change)(struct halo_server_options *options),
                                         int tls)
{
    struct halo_server_options options;
    struct halo_memory_bound bound;

    halo_server_options_init(&options);
    if (change != NULL) {
        change(&options);
    }
    assert_int_equal(halo_connection_memory_bound(&options.session, NULL, tls, &bound), 0);
    return bound;
}

/* ---- what is sent -------------------------------------------------------------------------------- */

static void no_frame(struct wire *wire, uint32_t i)
{
    (void)wire;
    (void)i;
}

static void one_post(struct wire *wire)
{
    put_post(wire, 1);
}

static void hundred_gets(struct wire *wire)
{
    for (uint32_t id = 1; id < 2 * 100; id += 2) {
        put_get(wire, id);
    }
}

static void open_windows(struct wire *wire)
{
    put_window_update(wire, 0, 0x7fffffff - 65535);
    hundred_gets(wire);
}

/* Uploads that fill a window of 4 MiB: 64 of 65,536. */
static void upload(struct wire *wire, uint32_t i)
{
    put_post(wire, 1 + 2 * i);
    for (int part = 0; part < 4; part++) {
        put_data(wire, 1 + 2 * i, 0, 16384);
    }
}

/* One octet to be kept, and 8 KiB of what has no use. */
static void octet_and_chaff(struct wire *wire, uint32_t i)
{
    static uint8_t chaff[8192];

    (void)i;
    put_data(wire, 1, 0, 1);
    put_frame(wire, 0x42, 0, 0, chaff, sizeof(chaff));
}

/* DATA of an octet each. */
static void octets(struct wire *wire, uint32_t i)
{
    (void)i;
    for (int part = 0; part < 100; part++) {
        put_data(wire, 1, 0, 1);
    }
}

static void full_data(struct wire *wire, uint32_t i)
{
    (void)i;
    put_data(wire, 1, 0, 16384);
}

/* A list near the limit, on a stream that is never answered. */
static void large_list(struct wire *wire, uint32_t i)
{
    static char value[16001];
    struct wire block = { 0 };

    memset(value, 'v', 16000);
    fields(&block, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", NULL);
    field(&block, "x-one", value);
    field(&block, "x-two", value);
    put_frame_header(wire, 16384, T_HEADERS, F_END_STREAM, 1 + 2 * i);
    wire_octets(wire, block.data, 16384);
    put_continuation(wire, 1 + 2 * i, F_END_HEADERS, block.data + 16384, block.len - 16384);
    wire_free(&block);
}

/* A header block that never ends, up to an octet below its limit. */
static void endless_block(struct wire *wire, uint32_t i)
{
    struct wire zeros = { 0 };

    wire_fill(&zeros, 0x41, 16384);
    if (i == 0) {
        put_frame(wire, T_HEADERS, 0, 1, zeros.data, 16384);
    } else {
        put_continuation(wire, 1, 0, zeros.data, i == 3 ? 16383 : 16384);
    }
    wire_free(&zeros);
}

/* Fills a table of 64 KiB with entries that are as short as can be. */
static void fill_table(struct wire *wire, uint32_t i)
{
    struct wire block = { 0 };

    if (i == 0) {
        wire_octets(&block, "\x3f\xe1\xff\x03", 4); /* the table has 65,536 octets */
    }
    fields(&block, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", NULL);
    for (int part = 0; part < 120; part++) {
        field_indexed(&block, "x", "");
    }
    put_headers(wire, 1 + 2 * i, F_END_HEADERS | F_END_STREAM, &block);
    wire_free(&block);
}

static void one_get(struct wire *wire, uint32_t i)
{
    put_get(wire, 1 + 2 * i);
}

/* ---- options ------------------------------------------------------------------------------------- */

static void largest_windows(struct halo_server_options *options)
{
    options->session.connection_window_size = 4 * MIB;
    options->session.settings.initial_window_size = MIB;
    options->session.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
}

static void no_soft_limit(struct halo_server_options *options)
{
    options->session.memory_soft = UINT32_MAX;
}

static void large_table(struct halo_server_options *options)
{
    options->session.settings.header_table_size = 64 * KIB;
    options->session.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_HEADER_TABLE_SIZE);
}

/* ---- each member ----------------------------------------------------------------------------------- */

/* Nothing but connections: what they cost without an attack. */
static void test_O03_server_bound_of_idle_connections(void **state)
{
    const struct siege siege = {
        .attack = { .name = "idle", .frame = no_frame, .frames = 1 },
    };

    (void)state;
    play_between(&siege, sizeof(struct conn), 48 * KIB);
}

static const struct attack paused_uploads = {
    .name = "uploads to paused streams",
    .frame = upload,
    .frames = 64,
    .handler = HANDLER_PAUSE,
};

/* `windows`: all that was granted comes, and is held. */
static void test_O03_server_bound_of_windows(void **state)
{
    const struct siege siege = { .attack = paused_uploads, .options = largest_windows };

    (void)state;
    play_between(&siege, bound_of(largest_windows, 0).windows, 0);
}

static const struct attack chaff = {
    .name = "kept octets, each in a buffer of its own",
    .begin = one_post,
    .frame = octet_and_chaff,
    .frames = 900,
    .handler = HANDLER_KEEP,
};

/* `receive_buffers`: those that are held, and no more. Each of 900 octets kept its buffer once. */
static void test_O03_server_bound_of_receive_buffers(void **state)
{
    const struct siege siege = { .attack = chaff };
    uint64_t buffers = bound_of(NULL, 0).receive_buffers;

    (void)state;
    play_between(&siege, buffers / 2, buffers + 900 * 256 + 128 * KIB);
}

/* A body of which all is kept, some of it where it was received and most of it copied: whole and unchanged, and
 * at the cost of its octets. */
static void keep_whole_bodies(halo_tls_context *server, halo_tls_context *client)
{
    const struct siege siege = {
        .attack = { .name = "kept uploads",
                    .begin = one_post,
                    .frame = full_data,
                    .frames = 63,
                    .handler = HANDLER_KEEP },
        .server = server,
        .client = client,
        .options = largest_windows,
    };
    struct siege_result result;

    siege_play(&siege, &result);
    assert_int_equal(result.slice_octets, SIEGE_CONNECTIONS * 63 * 16384);
    assert_true(result.slices > SIEGE_CONNECTIONS * 63);
    assert_in_range(result.most, 63 * 16384, 63 * 16384 * 5 / 4 + 256 * KIB);
}

static void test_O03_server_bound_of_kept_bodies(void **state)
{
    (void)state;
    keep_whole_bodies(NULL, NULL);
}

/* `held`: a session that ends for all the short slices that the application keeps. */
static void test_O03_server_bound_of_short_slices(void **state)
{
    const struct siege siege = {
        .attack = { .name = "kept DATA of an octet",
                    .begin = one_post,
                    .frame = octets,
                    .frames = 170,
                    .handler = HANDLER_KEEP },
    };

    (void)state;
    play_between(&siege, LIMIT_MEMORY_HARD / 2, 0);
}

/* ... and for header lists. */
static void test_O03_server_bound_of_header_lists(void **state)
{
    const struct siege siege = {
        .attack = { .name = "header lists", .frame = large_list, .frames = 140 },
        .options = no_soft_limit,
    };

    (void)state;
    play_between(&siege, LIMIT_MEMORY_HARD * 3 / 4, 0);
}

static void test_O03_server_bound_of_header_blocks(void **state)
{
    const struct siege siege = {
        .attack = { .name = "a block without an end", .frame = endless_block, .frames = 4 },
    };
    uint64_t headers = bound_of(NULL, 0).headers;

    (void)state;
    play_between(&siege, headers / 4, headers + 32 * KIB);
}

static void test_O03_server_bound_of_tables(void **state)
{
    const struct siege siege = {
        .attack = { .name = "a dynamic table of short entries",
                    .frame = fill_table,
                    .frames = 20,
                    .handler = HANDLER_ANSWER },
        .options = large_table,
    };
    uint64_t tables = bound_of(large_table, 0).tables;

    (void)state;
    play_between(&siege, tables / 8, tables + 64 * KIB);
}

static const struct attack unread_bodies = {
    .name = "100 bodies of 10 MiB, nothing is read",
    .begin = open_windows,
    .frame = no_frame,
    .frames = 1,
    .handler = HANDLER_BODY,
    .unread = true,
    .setting = HALO_SETTINGS_INITIAL_WINDOW_SIZE,
    .setting_value = 0x7fffffff,
};

/* `output`: what is built, and not what the streams could say. */
static void test_O03_server_bound_of_unread_bodies(void **state)
{
    const struct siege siege = { .attack = unread_bodies };

    (void)state;
    play_between(&siege, bound_of(NULL, 0).output / 8, 1536 * KIB);
}

static void test_O03_server_bound_of_streams(void **state)
{
    const struct siege siege = {
        .attack = { .name = "128 requests without an answer", .frame = one_get, .frames = 128 },
    };

    (void)state;
    play_between(&siege, bound_of(NULL, 0).streams / 8, bound_of(NULL, 0).streams + 64 * KIB);
}

/* ---- TLS ------------------------------------------------------------------------------------------- */

#if HALO_HAVE_TLS

/* A stream that is kept, and others that are answered with bodies. */
static void post_and_windows(struct wire *wire)
{
    put_window_update(wire, 0, 0x7fffffff - 65535);
    put_post(wire, 1);
    for (uint32_t id = 3; id < 2 * 100; id += 2) {
        put_get(wire, id);
    }
}

/* 16 KiB of ClientHello are announced; all but the last octets come, 97 at a time. */
static void dribbled_hello(struct wire *wire, uint32_t i)
{
    if (i == 0) {
        wire_octets(wire, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc", 9);
    }
    wire_fill(wire, 0, 97);
}

static void play_tls(struct siege siege, uint64_t least, uint64_t most)
{
    siege.server = server_context("rsa", NULL);
    siege.client = client_context(NULL);
    play_between(&siege, least, most);
    halo_tls_context_free(siege.server);
    halo_tls_context_free(siege.client);
}

static void test_O03_server_bound_of_windows_over_tls(void **state)
{
    const struct siege siege = { .attack = paused_uploads, .options = largest_windows };

    (void)state;
    play_tls(siege, bound_of(largest_windows, 1).windows, 0);
}

static void test_O03_server_bound_of_kept_bodies_over_tls(void **state)
{
    halo_tls_context *server = server_context("rsa", NULL);
    halo_tls_context *client = client_context(NULL);

    (void)state;
    keep_whole_bodies(server, client);
    halo_tls_context_free(server);
    halo_tls_context_free(client);
}

/* A block of plaintext is no more dear than a buffer. */
static void test_O03_server_bound_of_plaintext(void **state)
{
    const struct siege siege = { .attack = chaff };

    (void)state;
    play_tls(siege, (CONN_HELD_BUFFERS_MAX - 4) * sizeof(struct chunk),
             (CONN_HELD_BUFFERS_MAX + 2) * sizeof(struct chunk) + 900 * 256 + 256 * KIB);
}

/* `tls`: plaintext is held and records are not read at the same time. */
static void test_O03_server_bound_of_tls(void **state)
{
    struct siege siege = { .attack = unread_bodies };

    (void)state;
    siege.attack.name = "unread bodies, and kept octets";
    siege.attack.begin = post_and_windows;
    siege.attack.frame = octet_and_chaff;
    siege.attack.frames = 100;
    siege.attack.handler = HANDLER_KEEP_BODY;
    play_tls(siege, bound_of(NULL, 1).tls / 4, 1536 * KIB);
}

/* The handshake: a ClientHello that never ends takes its own size, and what it was moved from. */
static void test_O03_server_bound_of_a_dribbled_hello(void **state)
{
    const struct siege siege = {
        .attack = { .name = "a ClientHello that never ends", .frames = 168 },
        .raw = dribbled_hello,
    };

    (void)state;
    play_tls(siege, TLS_CLIENT_HELLO_MAX, 2 * TLS_CLIENT_HELLO_MAX + 8 * KIB);
}

/* ... and one whose answer nobody wants takes a library's object. */
static void test_O03_server_bound_of_an_unfinished_handshake(void **state)
{
    const struct siege siege = {
        .attack = { .name = "a handshake that never ends", .frame = no_frame, .frames = 1 },
        .hello_only = true,
    };

    (void)state;
    play_tls(siege, 4 * KIB, 64 * KIB);
}

#endif

/* ---- all recipes ----------------------------------------------------------------------------------- */

static bool takes_long(const struct attack *attack)
{
    return attack->frames > 20000;
}

static void play_recipes(void (*play)(struct siege siege, uint64_t least, uint64_t most))
{
    for (size_t i = 0; i < attack_count; i++) {
        struct siege siege = { .attack = attacks[i] };

        siege.attack.frames = min_u32(siege.attack.frames, takes_long(&attacks[i]) ? 20000 : 5000);
        play(siege, 4 * KIB, 0);
    }
}

static void play_cleartext(struct siege siege, uint64_t least, uint64_t most)
{
    play_between(&siege, least, most);
}

static void test_O03_server_bound_in_every_recipe(void **state)
{
    (void)state;
    play_recipes(play_cleartext);
}

/* ---- the figures ----------------------------------------------------------------------------------- */

static void test_O03_server_bound_adds_up(void **state)
{
    struct halo_session_options session;
    struct halo_loop_options loop;
    struct halo_memory_bound alone;
    struct halo_memory_bound clear;
    struct halo_memory_bound tls;

    (void)state;
    halo_session_options_init(&session, HALO_SERVER);
    halo_loop_options_init(&loop);
    assert_int_equal(halo_session_memory_bound(&session, &alone), 0);
    assert_int_equal(halo_connection_memory_bound(&session, NULL, 0, &clear), 0);
    assert_int_equal(alone.connection, 0);
    assert_int_equal(clear.connection, sizeof(struct conn) + sizeof(struct io_address));
    assert_int_equal(clear.tls, 0);
    assert_int_equal(clear.total, alone.total + clear.connection + clear.receive_buffers);
    assert_int_equal(clear.windows, alone.windows);
    assert_in_range(clear.receive_buffers, 8 * 8192, 10 * 8192);
    assert_true(clear.shared > (uint64_t)loop.receive_buffers_max * loop.receive_buffer_size);
    if (HALO_HAVE_TLS) {
        assert_int_equal(halo_connection_memory_bound(&session, NULL, 1, &tls), 0);
        assert_true(tls.tls > TLS_LIBRARY_MEMORY_MAX);
        assert_int_equal(tls.total, clear.total + tls.tls);
        assert_true(tls.total < 11 * MIB);
    } else {
        assert_int_equal(halo_connection_memory_bound(&session, NULL, 1, &tls), HALO_E_NO_TLS);
    }
    loop.receive_buffer_size = 16384;
    assert_int_equal(halo_connection_memory_bound(&session, &loop, 0, &tls), 0);
    assert_int_equal(tls.receive_buffers, 2 * clear.receive_buffers);
    loop.receive_buffer_size = 5000;
    assert_int_equal(halo_connection_memory_bound(&session, &loop, 0, &tls),
                     HALO_E_INVALID_ARGUMENT);
    session.role = 2;
    assert_int_equal(halo_connection_memory_bound(&session, NULL, 0, &tls),
                     HALO_E_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_O03_server_bound_adds_up),
        cmocka_unit_test(test_O03_server_bound_of_idle_connections),
        cmocka_unit_test(test_O03_server_bound_of_windows),
        cmocka_unit_test(test_O03_server_bound_of_receive_buffers),
        cmocka_unit_test(test_O03_server_bound_of_kept_bodies),
        cmocka_unit_test(test_O03_server_bound_of_short_slices),
        cmocka_unit_test(test_O03_server_bound_of_header_lists),
        cmocka_unit_test(test_O03_server_bound_of_header_blocks),
        cmocka_unit_test(test_O03_server_bound_of_tables),
        cmocka_unit_test(test_O03_server_bound_of_unread_bodies),
        cmocka_unit_test(test_O03_server_bound_of_streams),
        cmocka_unit_test(test_O03_server_bound_in_every_recipe),
#if HALO_HAVE_TLS
        cmocka_unit_test(test_O03_server_bound_of_windows_over_tls),
        cmocka_unit_test(test_O03_server_bound_of_kept_bodies_over_tls),
        cmocka_unit_test(test_O03_server_bound_of_plaintext),
        cmocka_unit_test(test_O03_server_bound_of_tls),
        cmocka_unit_test(test_O03_server_bound_of_a_dribbled_hello),
        cmocka_unit_test(test_O03_server_bound_of_an_unfinished_handshake),
#endif
    };

#if HALO_HAVE_TLS
    return cmocka_run_group_tests(tests, certificates_make, certificates_remove);
#else
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
