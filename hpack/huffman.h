/*
 * The Huffman code: what the encoder and the decoder need beyond hpack.h.
 */
#ifndef HALO_HPACK_HUFFMAN_H
#define HALO_HPACK_HUFFMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* How far behind out + len hpack_huffman_encode_shorter() may write before it gives up. */
    HPACK_HUFFMAN_OVERRUN = 48,
};

/* Encodes if that takes fewer octets than `len`. Returns the end, or NULL: out[0..len + OVERRUN)
 * may have been written to. */
uint8_t *hpack_huffman_encode_shorter(uint8_t *out, const uint8_t *in, size_t len);

struct hpack_huffman_note {
    bool is_too_long;
    /* All symbols had short codes, which control octets do not: there is none in the string. */
    bool is_plain;
};

/* hpack_huffman_decode() that tells a little more. */
int64_t hpack_huffman_decode_text(uint8_t *out, size_t cap, const uint8_t *in, size_t len,
                                  struct hpack_huffman_note *note);

#endif
