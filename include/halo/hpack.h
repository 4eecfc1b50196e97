/*
 * HPACK (RFC 7541) on its own: the encoder and the decoder that halo's sessions use, for programs
 * that have header blocks but no session: analysers, proxies with a transport of their own, tests.
 *
 *     halo_hpack_encoder *encoder;
 *     halo_hpack_decoder *decoder;
 *     const halo_header fields[] = {
 *         { .name = HALO_LIT(":status"), .value = HALO_LIT("200") },
 *         { .name = HALO_LIT("server"), .value = HALO_LIT("halo") },
 *     };
 *     uint8_t block[256];
 *     size_t len, count;
 *     halo_header *list;
 *
 *     halo_hpack_encoder_new(&encoder, NULL);
 *     halo_hpack_decoder_new(&decoder, NULL);
 *     if (halo_hpack_encode(encoder, fields, 2, block, sizeof(block), &len) == 0 &&
 *         halo_hpack_decode(decoder, block, len, 1, &list, &count) == 0) {
 *         ... list[0..count) ...
 *     }
 *     halo_hpack_decoder_free(decoder);
 *     halo_hpack_encoder_free(encoder);
 *
 * One encoder and one decoder serve one direction of one connection, in the order of its blocks: a
 * block that is encoded must be sent, and one that is received must be decoded, or the tables of
 * the two ends differ from then on. Neither may be used by two threads at once.
 *
 * HPACK carries any octets. What HTTP allows in a name, a value or a list is the matter of
 * <halo/check.h>. Nothing here is needed to use a session, a server or a client.
 */
#ifndef HALO_HPACK_H
#define HALO_HPACK_H

#include <halo/error.h>
#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct halo_hpack_encoder halo_hpack_encoder;
typedef struct halo_hpack_decoder halo_hpack_decoder;

/* ---- encoding -------------------------------------------------------------------------- */

struct halo_hpack_encoder_options {
    size_t struct_size;
    /* Octets of the dynamic table that the peer allows: its SETTINGS_HEADER_TABLE_SIZE; default
     * 4096, which is what holds before its first SETTINGS (RFC 9113 6.5.2). */
    uint32_t table_size;
    /* The most octets that are used of what the peer allows; default 4096, at most 524288 (more
     * is taken for that). 0: no dynamic table. */
    uint32_t table_size_cap;
    /* Memory; all zero: malloc. Copied. */
    halo_allocator allocator;
};

/* Sets the defaults. Call it on every options struct before setting members. */
#define halo_hpack_encoder_options_init(options)                                                   \
    halo_hpack_encoder_options_init_sized((options), sizeof(struct halo_hpack_encoder_options))
HALO_API void halo_hpack_encoder_options_init_sized(struct halo_hpack_encoder_options *options,
                                                    size_t struct_size);

/* Makes an encoder; `options` NULL: the defaults. Table memory is allocated when the first field is
 * stored, and grows with the table. Returns 0, HALO_E_NOMEM or HALO_E_INVALID_ARGUMENT. */
HALO_API int halo_hpack_encoder_new(halo_hpack_encoder **encoder,
                                    const struct halo_hpack_encoder_options *options) HALO_MUST_USE;
/* Frees the encoder. NULL is allowed. */
HALO_API void halo_hpack_encoder_free(halo_hpack_encoder *encoder);

/* The peer's SETTINGS_HEADER_TABLE_SIZE is now `octets`. The next block begins with the dynamic
 * table size updates that this takes, the smallest of several sizes among them (RFC 7541 4.2). */
HALO_API void halo_hpack_encoder_set_table_size(halo_hpack_encoder *encoder, uint32_t octets);
/* Octets in the dynamic table as RFC 7541 4.1 counts them: name, value and 32 for each entry. */
HALO_API uint32_t halo_hpack_encoder_table_size(const halo_hpack_encoder *encoder);

/* The most octets that a block of these fields can take, size updates included. No encoder is
 * needed: the bound holds for all of them. */
HALO_API size_t halo_hpack_encode_bound(const halo_header *fields, size_t count);

/* Encodes a list as one block at out[0..size) and sets *len. All of out[0..bound) may be written
 * to, where `bound` is that of halo_hpack_encode_bound(), and `size` must be at least so much.
 * Names are sent as they are; put them in lower case first (RFC 9113 8.2.1). Fields with
 * HALO_HEADER_NEVER_INDEX, and those that halo takes for secrets (authorization, short cookies),
 * are never-indexed literals (RFC 7541 7.1.3). Returns 0; HALO_E_LIMIT when `size` is too small;
 * HALO_E_INVALID_ARGUMENT for a `token` that is none, or a name or value of 2^31 octets and more.
 * On an error nothing was encoded and the encoder is as before. Memory that cannot be had for the
 * table is no error: the table then holds less. */
HALO_API int halo_hpack_encode(halo_hpack_encoder *encoder, const halo_header *fields, size_t count,
                               uint8_t *out, size_t size, size_t *len) HALO_MUST_USE;

/* ---- decoding -------------------------------------------------------------------------- */

struct halo_hpack_decoder_options {
    size_t struct_size;
    /* Our SETTINGS_HEADER_TABLE_SIZE as acknowledged, octets, at most 1048576; default 4096. With
     * less than that the peer's first block must begin with a size update (RFC 7541 4.2). */
    uint32_t table_size;
    /* Soft limits: fields beyond them are left out of the list, but the block is decoded to its
     * end, so that the table stays that of the peer. */
    uint32_t list_size; /* octets, 32 more a field (RFC 9113 6.5.2), at most 2^30; default 65536 */
    uint32_t fields;    /* 1 ... 65536; default 256 */
    uint32_t string;    /* octets of one name or value, at most 2^30; default 16384 */
    /* Hard limits: a block beyond them is given up, and the decoder with it. */
    uint32_t list_size_hard; /* octets as above, at least list_size; default 131072 */
    uint32_t fields_hard;    /* at least `fields`; default 1024 */
    uint32_t block;          /* encoded octets of a block; default 65536 */
    /* Memory; all zero: malloc. Copied. */
    halo_allocator allocator;
};

/* Sets the defaults. Call it on every options struct before setting members. */
#define halo_hpack_decoder_options_init(options)                                                   \
    halo_hpack_decoder_options_init_sized((options), sizeof(struct halo_hpack_decoder_options))
HALO_API void halo_hpack_decoder_options_init_sized(struct halo_hpack_decoder_options *options,
                                                    size_t struct_size);

/* Makes a decoder; `options` NULL: the defaults. It allocates room for one list: 40 octets for each
 * of `fields`, `list_size`, and twice `string`. Returns 0, HALO_E_NOMEM or
 * HALO_E_INVALID_ARGUMENT. */
HALO_API int halo_hpack_decoder_new(halo_hpack_decoder **decoder,
                                    const struct halo_hpack_decoder_options *options) HALO_MUST_USE;
/* Frees the decoder and its list. NULL is allowed. */
HALO_API void halo_hpack_decoder_free(halo_hpack_decoder *decoder);

/* Our SETTINGS_HEADER_TABLE_SIZE of so many octets, at most 1048576, was acknowledged. When it is
 * less than what the peer uses, its next block must begin with a size update (RFC 7541 4.2).
 * Returns 0; HALO_E_INVALID_ARGUMENT; HALO_E_WRONG_STATE between the fragments of a block. */
HALO_API int halo_hpack_decoder_set_table_size(halo_hpack_decoder *decoder, uint32_t octets);
/* Octets in the dynamic table (RFC 7541 4.1). */
HALO_API uint32_t halo_hpack_decoder_table_size(const halo_hpack_decoder *decoder);

/* Decodes a block, or a fragment of one. With `last` 0 the octets are only gathered, copied, until
 * the fragment with `last` 1 comes (it may be empty); then, or when the whole block is handed in at
 * once, the list is set: fields in the order of the wire, with their tokens, and
 * HALO_HEADER_NEVER_INDEX where the peer used such a literal. They are valid until the next call on
 * this decoder, and, for a block handed in at once, no longer than in[0..len), which they may point
 * into. They may be changed. Returns 0, or
 *     HALO_E_HEADER_BLOCK_TOO_LONG  a soft limit was passed: list[0..*count) is a part of the list.
 *                                   The decoder goes on with the next block
 *     HALO_E_PROTOCOL               not HPACK: COMPRESSION_ERROR (RFC 9113 4.3)
 *     HALO_E_LIMIT                  a hard limit was passed: ENHANCE_YOUR_CALM
 *     HALO_E_NOMEM
 * After one of the last three the table is not the peer's any more, and each further call gives the
 * same answer: the connection is to be closed. Without a list *count is 0. */
HALO_API int halo_hpack_decode(halo_hpack_decoder *decoder, const void *in, size_t len, int last,
                               halo_header **list, size_t *count) HALO_MUST_USE;
/* Why the last call failed, in a few words; "" when it did not. A constant. */
HALO_API const char *halo_hpack_decoder_reason(const halo_hpack_decoder *decoder);

/* ---- the Huffman code (RFC 7541 5.2) --------------------------------------------------- */

/* How many octets the string takes when it is encoded. */
HALO_API size_t halo_huffman_encoded_len(const void *in, size_t len);
/* Encodes to out[0..size) and sets *len_out. Returns 0, or HALO_E_LIMIT when `size` is smaller than
 * halo_huffman_encoded_len() plus 8: so many octets behind the end may be written to. */
HALO_API int halo_huffman_encode(uint8_t *out, size_t size, const void *in, size_t len,
                                 size_t *len_out) HALO_MUST_USE;
/* Decodes to out[0..size) and sets *len_out; 8/5 of `len` is always enough. Returns 0;
 * HALO_E_PROTOCOL: EOS in the string, or padding that is longer than 7 bits or not all ones;
 * HALO_E_LIMIT: more than `size` octets. */
HALO_API int halo_huffman_decode(uint8_t *out, size_t size, const void *in, size_t len,
                                 size_t *len_out) HALO_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
