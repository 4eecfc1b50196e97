/* RFC 7541: header blocks that cannot be decoded. All are connection errors of type
 * COMPRESSION_ERROR (RFC 9113 4.3). */
#include "conform.h"

/* A request whose block ends with these octets. */
static void put_block_end(struct fake_peer *peer, const char *octets, size_t len)
{
    struct wire block = { 0 };

    put_request_block(&block);
    wire_octets(&block, octets, len);
    put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
}
#define PUT_BLOCK_END(peer, octets) put_block_end(peer, octets, sizeof(octets) - 1)

static void put_block_start(struct fake_peer *peer, const char *octets, size_t len)
{
    struct wire block = { 0 };

    wire_octets(&block, octets, len);
    put_request_block(&block);
    put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
}
#define PUT_BLOCK_START(peer, octets) put_block_start(peer, octets, sizeof(octets) - 1)

static void test_server_hpack_2_3_3_indexed_beyond_the_tables(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\xc6"); /* 70, with nothing in the dynamic table */
}

static void test_server_hpack_2_3_3_name_beyond_the_tables(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\x7f\x07\x04test"); /* 70 */
}

static void test_server_hpack_4_2_size_update_at_the_end(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\x3f\xe1\x1f");
}

static void test_server_hpack_4_2_size_update_within(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\x20\x00\x01x\x01y");
}

static void test_server_hpack_5_1_integer_without_end(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\xff\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01");
}

static void test_server_hpack_5_1_integer_too_large(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\xff\xff\xff\xff\xff\x0f");
}

static void test_server_hpack_5_1_string_longer_than_the_block(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\x00\x01x\x7ey"); /* 126 octets */
}

/* 16 MiB: that there are not so many octets does not matter any more. */
static void test_server_hpack_5_1_string_far_beyond_the_limits(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\x00\x01x\x7f\xff\xff\xff\x07y");
}

/* "test" in 4 octets with 8 bits of padding more than there may be. */
static void test_server_hpack_5_2_padding_of_more_than_7_bits(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\x00\x85\x49\x50\x9f\xff\xff\x04test");
}

static void test_server_hpack_5_2_padding_of_zeros(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\x00\x83\x49\x50\x90\x04test"); /* "test" ends in 4 bits, then zeros */
}

static void test_server_hpack_5_2_end_of_string_symbol(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\x00\x88\x49\x50\x9f\xff\xff\xff\xff\xff\x04test");
}

static void test_server_hpack_6_1_index_0(struct fake_peer *peer)
{
    PUT_BLOCK_END(peer, "\x80");
}

static void test_server_hpack_6_3_size_update_beyond_our_setting(struct fake_peer *peer)
{
    PUT_BLOCK_START(peer, "\x3f\xe2\x1f"); /* 4097 */
}

/* RFC 7541 4.2: the smallest, then the last. More make no sense. */
static void test_server_hpack_4_2_three_size_updates(struct fake_peer *peer)
{
    PUT_BLOCK_START(peer, "\x20\x21\x22");
}

/* An entry larger than the table empties it, and is no error. */
static void test_server_hpack_4_4_entry_larger_than_the_table(struct fake_peer *peer)
{
    struct wire block = { 0 };
    char value[200];

    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    wire_octets(&block, "\x3f\x21", 2); /* 64 octets */
    put_request_block(&block);
    field_indexed(&block, "x", "y"); /* 34 */
    field_indexed(&block, "x-long", value);
    put_headers(&peer->in, 1, F_END_STREAM | F_END_HEADERS, &block);
    wire_free(&block);
    peer_go(peer);
    expect_answer(peer, 1);
}

/* ... and then there is nothing at 62. */
static void test_server_hpack_4_4_table_is_empty_behind_it(struct fake_peer *peer)
{
    test_server_hpack_4_4_entry_larger_than_the_table(peer);
    put_frame(&peer->in, T_HEADERS, F_END_STREAM | F_END_HEADERS, 3, "\xbe", 1);
}

static void test_client_hpack_6_1_index_0(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1, "\x88\x80", 2);
}

static void test_client_hpack_2_3_3_indexed_beyond_the_tables(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1, "\x88\xbe", 2);
}

static void test_client_hpack_6_3_size_update_beyond_our_setting(struct fake_peer *peer)
{
    put_frame(&peer->in, T_HEADERS, F_END_STREAM | F_END_HEADERS, 1, "\x3f\xe2\x1f\x88", 4);
}

static const struct conform_case cases[] = {
    SERVER_CASE(test_server_hpack_2_3_3_indexed_beyond_the_tables,
                CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_2_3_3_name_beyond_the_tables,
                CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_4_2_size_update_at_the_end, CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_4_2_size_update_within, CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_4_2_three_size_updates, REFUSED_BY_CHOICE(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_4_4_entry_larger_than_the_table, ACCEPTED, .answers = true),
    SERVER_CASE(test_server_hpack_4_4_table_is_empty_behind_it, CONNECTION_ERROR(COMPRESSION_ERROR),
                .answers = true),
    SERVER_CASE(test_server_hpack_5_1_integer_without_end, CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_5_1_integer_too_large, CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_5_1_string_longer_than_the_block,
                CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_5_1_string_far_beyond_the_limits,
                CONNECTION_ERROR(ENHANCE_YOUR_CALM)),
    SERVER_CASE(test_server_hpack_5_2_padding_of_more_than_7_bits,
                CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_5_2_padding_of_zeros, CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_5_2_end_of_string_symbol, CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_6_1_index_0, CONNECTION_ERROR(COMPRESSION_ERROR)),
    SERVER_CASE(test_server_hpack_6_3_size_update_beyond_our_setting,
                CONNECTION_ERROR(COMPRESSION_ERROR)),
    CLIENT_CASE(test_client_hpack_6_1_index_0, CONNECTION_ERROR(COMPRESSION_ERROR)),
    CLIENT_CASE(test_client_hpack_2_3_3_indexed_beyond_the_tables,
                CONNECTION_ERROR(COMPRESSION_ERROR)),
    CLIENT_CASE(test_client_hpack_6_3_size_update_beyond_our_setting,
                CONNECTION_ERROR(COMPRESSION_ERROR)),
};

CONFORM_GROUP(group_rfc7541, "rfc7541", cases);
