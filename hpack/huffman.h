/*
 * What the encoder needs of the Huffman code beyond hpack.h.
 */
#ifndef HALO_HPACK_HUFFMAN_H
#define HALO_HPACK_HUFFMAN_H

#include <stddef.h>
#include <stdint.h>

enum {
    /* How far behind out + len hpack_huffman_encode_shorter() may write before it gives up. */
    HPACK_HUFFMAN_OVERRUN = 48,
};

/* Encodes if that takes fewer octets than `len`. Returns the end, or NULL: out[0..len + OVERRUN)
 * may have been written to. */
uint8_t *hpack_huffman_encode_shorter(uint8_t *out, const uint8_t *in, size_t len);

#endif
