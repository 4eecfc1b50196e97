/* The encoder and the Huffman code of <halo/hpack.h>: hpack/ with memory around it. */
#include <halo/hpack.h>

#include "core/base/memory.h"
#include "core/base/options.h"
#include "core/proto/limits.h"
#include "hpack/hpack.h"

enum { STRING_LEN_MAX = 0x7fffffff };

struct halo_hpack_encoder {
    struct memory memory;
    struct hpack_encoder encoder;
    uint32_t table_size_cap;
};

/* ---- the object ------------------------------------------------------------------------ */

void halo_hpack_encoder_options_init_sized(struct halo_hpack_encoder_options *options,
                                           size_t struct_size)
{
    struct halo_hpack_encoder_options all = {
        .struct_size = struct_size,
        .table_size = HPACK_TABLE_SIZE_DEFAULT,
        .table_size_cap = LIMIT_ENCODER_TABLE,
    };

    options_fill(options, struct_size, &all, sizeof(all));
}

int halo_hpack_encoder_new(halo_hpack_encoder **encoder,
                           const struct halo_hpack_encoder_options *options)
{
    struct halo_hpack_encoder_options all;
    struct halo_hpack_encoder *made;
    struct memory memory;

    halo_hpack_encoder_options_init(&all);
    if (options != NULL) {
        HALO_TRY(options_take(&all, sizeof(all), options));
    }
    memory_init(&memory, &all.allocator);
    made = memory_zalloc(&memory, sizeof(*made));
    if (made == NULL) {
        return HALO_E_NOMEM;
    }
    made->memory = memory;
    made->table_size_cap = min_u32(all.table_size_cap, HPACK_ENCODER_SIZE_CAP);
    hpack_encoder_init(&made->encoder, min_u32(all.table_size, made->table_size_cap));
    *encoder = made;
    return 0;
}

void halo_hpack_encoder_free(halo_hpack_encoder *encoder)
{
    if (encoder != NULL) {
        struct memory memory = encoder->memory;

        memory_free(&memory, hpack_table_memory(&encoder->encoder.table));
        memory_free(&memory, encoder);
        memory_fini(&memory);
    }
}

void halo_hpack_encoder_set_table_size(halo_hpack_encoder *encoder, uint32_t octets)
{
    hpack_encoder_set_max(&encoder->encoder, min_u32(octets, encoder->table_size_cap));
}

uint32_t halo_hpack_encoder_table_size(const halo_hpack_encoder *encoder)
{
    return encoder->encoder.table.size;
}

/* ---- blocks ---------------------------------------------------------------------------- */

static bool can_be_encoded(const halo_header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].token >= HALO_NAME_COUNT || fields[i].name.len > STRING_LEN_MAX ||
            fields[i].value.len > STRING_LEN_MAX) {
            return false;
        }
    }
    return true;
}

/* The block before left an insertion out since the table's memory is small. */
static void grow_table(struct halo_hpack_encoder *encoder)
{
    struct hpack_table *table = &encoder->encoder.table;
    size_t size = hpack_table_room_wanted(table);
    void *piece = memory_alloc(&encoder->memory, size);

    if (piece != NULL) {
        memory_free(&encoder->memory, hpack_table_move(table, piece, size));
    }
}

size_t halo_hpack_encode_bound(const halo_header *fields, size_t count)
{
    return hpack_encode_bound(fields, count);
}

int halo_hpack_encode(halo_hpack_encoder *encoder, const halo_header *fields, size_t count,
                      uint8_t *out, size_t size, size_t *len)
{
    *len = 0;
    if (!can_be_encoded(fields, count)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (size < hpack_encode_bound(fields, count)) {
        return HALO_E_LIMIT;
    }
    *len = (size_t)(hpack_encode(&encoder->encoder, out, true, fields, count) - out);
    if (encoder->encoder.wants_room) {
        grow_table(encoder);
    }
    return 0;
}

/* ---- the Huffman code ------------------------------------------------------------------ */

size_t halo_huffman_encoded_len(const void *in, size_t len)
{
    return hpack_huffman_encoded_len(in, len);
}

int halo_huffman_encode(uint8_t *out, size_t size, const void *in, size_t len, size_t *len_out)
{
    *len_out = 0;
    if (size < hpack_huffman_encoded_len(in, len) + HPACK_HUFFMAN_SLACK) {
        return HALO_E_LIMIT;
    }
    *len_out = (size_t)(hpack_huffman_encode(out, in, len) - out);
    return 0;
}

int halo_huffman_decode(uint8_t *out, size_t size, const void *in, size_t len, size_t *len_out)
{
    bool too_long = false;
    int64_t decoded = hpack_huffman_decode(out, size, in, len, &too_long);

    *len_out = decoded >= 0 ? (size_t)decoded : 0;
    if (decoded >= 0) {
        return 0;
    }
    return too_long ? HALO_E_LIMIT : HALO_E_PROTOCOL;
}
