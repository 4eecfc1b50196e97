/* The decoder of <halo/hpack.h>: hpack/ with memory, a list of its own and gathered fragments. */
#include <halo/hpack.h>

#include "core/base/memory.h"
#include "core/base/options.h"
#include "core/proto/limits.h"
#include "hpack/hpack.h"

enum {
    FIELDS_MAX = 65536,
    OCTETS_MAX = 1 << 30, /* sums of a few of them stay in 32 bits */
};

struct halo_hpack_decoder {
    struct memory memory;
    struct hpack_decoder decoder;
    struct hpack_list list;
    uint8_t *block; /* fragments of the block in progress; NULL: no memory yet */
    size_t block_len;
    size_t block_cap;
    size_t block_max;
    bool in_block;      /* a fragment came and its last one did not */
    int failed;         /* HALO_E_*: for ever */
    const char *reason; /* of the last call; NULL: it was good */
};

/* ---- the object ------------------------------------------------------------------------ */

void halo_hpack_decoder_options_init_sized(struct halo_hpack_decoder_options *options,
                                           size_t struct_size)
{
    struct halo_hpack_decoder_options all = {
        .struct_size = struct_size,
        .table_size = HPACK_TABLE_SIZE_DEFAULT,
        .list_size = LIMIT_HEADER_LIST_SIZE_CLIENT,
        .fields = LIMIT_HEADER_FIELDS_CLIENT,
        .string = LIMIT_HEADER_STRING,
        .list_size_hard = LIMIT_HEADER_LIST_SIZE_CLIENT * LIMIT_HEADER_HARD_FACTOR,
        .fields_hard = LIMIT_HEADER_FIELDS_HARD,
        .block = LIMIT_HEADER_BLOCK,
    };

    options_fill(options, struct_size, &all, sizeof(all));
}

static bool options_ok(const struct halo_hpack_decoder_options *options)
{
    return options->table_size <= LIMIT_DECODER_TABLE_MAX && options->list_size <= OCTETS_MAX &&
           options->string <= OCTETS_MAX && options->fields >= 1 && options->fields <= FIELDS_MAX &&
           options->list_size_hard >= options->list_size && options->fields_hard >= options->fields;
}

static bool make_list(struct halo_hpack_decoder *decoder,
                      const struct halo_hpack_decoder_options *options)
{
    size_t scratch = HPACK_SCRATCH_SIZE(options->list_size, options->string);

    decoder->list = (struct hpack_list){
        .fields = memory_alloc(&decoder->memory, options->fields * sizeof(halo_header)),
        .fields_cap = options->fields,
        .size_max = options->list_size,
        .fields_hard = options->fields_hard,
        .size_hard = options->list_size_hard,
        .string_max = options->string,
        .scratch = memory_alloc(&decoder->memory, max_size(scratch, 1)),
        .scratch_cap = scratch,
    };
    return decoder->list.fields != NULL && decoder->list.scratch != NULL;
}

int halo_hpack_decoder_new(halo_hpack_decoder **decoder,
                           const struct halo_hpack_decoder_options *options)
{
    struct halo_hpack_decoder_options all;
    struct halo_hpack_decoder *made;
    struct memory memory;

    halo_hpack_decoder_options_init(&all);
    if (options != NULL) {
        HALO_TRY(options_take(&all, sizeof(all), options));
    }
    if (!options_ok(&all)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    memory_init(&memory, &all.allocator);
    made = memory_zalloc(&memory, sizeof(*made));
    if (made == NULL) {
        return HALO_E_NOMEM;
    }
    made->memory = memory;
    made->block_max = all.block;
    hpack_decoder_init(&made->decoder, all.table_size);
    if (!make_list(made, &all)) {
        halo_hpack_decoder_free(made);
        return HALO_E_NOMEM;
    }
    *decoder = made;
    return 0;
}

void halo_hpack_decoder_free(halo_hpack_decoder *decoder)
{
    if (decoder != NULL) {
        struct memory memory = decoder->memory;

        memory_free(&memory, hpack_table_memory(&decoder->decoder.table));
        memory_free(&memory, decoder->list.fields);
        memory_free(&memory, decoder->list.scratch);
        memory_free(&memory, decoder->block);
        memory_free(&memory, decoder);
        memory_fini(&memory);
    }
}

int halo_hpack_decoder_set_table_size(halo_hpack_decoder *decoder, uint32_t octets)
{
    if (octets > LIMIT_DECODER_TABLE_MAX) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (decoder->in_block) {
        return HALO_E_WRONG_STATE;
    }
    hpack_decoder_set_max(&decoder->decoder, octets);
    return 0;
}

uint32_t halo_hpack_decoder_table_size(const halo_hpack_decoder *decoder)
{
    return decoder->decoder.table.size;
}

const char *halo_hpack_decoder_reason(const halo_hpack_decoder *decoder)
{
    return decoder->reason != NULL ? decoder->reason : "";
}

/* ---- blocks ---------------------------------------------------------------------------- */

static int fail(struct halo_hpack_decoder *decoder, int status, const char *reason)
{
    decoder->failed = status;
    decoder->reason = reason;
    return status;
}

/* Appends a fragment. */
static int gather(struct halo_hpack_decoder *decoder, const void *in, size_t len)
{
    size_t needed = decoder->block_len + len;

    if (needed > decoder->block_cap) {
        size_t cap = max_size(needed, min_size(decoder->block_cap * 2, decoder->block_max));
        uint8_t *block = memory_resize(&decoder->memory, decoder->block, cap);

        if (block == NULL) {
            return fail(decoder, HALO_E_NOMEM, "out of memory");
        }
        decoder->block = block;
        decoder->block_cap = cap;
    }
    if (len > 0) {
        memcpy(decoder->block + decoder->block_len, in, len);
        decoder->block_len = needed;
    }
    return 0;
}

static int grow_table(struct halo_hpack_decoder *decoder)
{
    struct hpack_table *table = &decoder->decoder.table;
    size_t size = hpack_table_room_wanted(table);
    void *piece = memory_alloc(&decoder->memory, size);

    if (piece == NULL) {
        return fail(decoder, HALO_E_NOMEM, "out of memory");
    }
    memory_free(&decoder->memory, hpack_table_move(table, piece, size));
    return 0;
}

static int decode_block(struct halo_hpack_decoder *decoder, const uint8_t *block, size_t len)
{
    hpack_decode_begin(&decoder->decoder, &decoder->list);
    for (;;) {
        size_t consumed = 0;
        enum hpack_result result =
            hpack_decode(&decoder->decoder, &decoder->list, block, len, true, &consumed);

        block += consumed;
        len -= consumed;
        if (result == HPACK_OK) {
            break;
        }
        if (result != HPACK_ROOM) {
            return fail(decoder, result == HPACK_OVER_LIMIT ? HALO_E_LIMIT : HALO_E_PROTOCOL,
                        decoder->decoder.reason);
        }
        HALO_TRY(grow_table(decoder));
    }
    if (decoder->list.dropped) {
        decoder->reason = "header list beyond the limits";
        return HALO_E_HEADER_BLOCK_TOO_LONG;
    }
    return 0;
}

int halo_hpack_decode(halo_hpack_decoder *decoder, const void *in, size_t len, int last,
                      halo_header **list, size_t *count)
{
    const uint8_t *block = in;
    int status;

    *list = decoder->list.fields;
    *count = 0;
    if (decoder->failed != 0) {
        return decoder->failed;
    }
    decoder->reason = NULL;
    if (len > decoder->block_max - decoder->block_len) {
        return fail(decoder, HALO_E_LIMIT, "header block too long");
    }
    if (decoder->in_block || !last) {
        decoder->in_block = true;
        HALO_TRY(gather(decoder, in, len));
        if (!last) {
            return 0;
        }
        block = decoder->block;
        len = decoder->block_len;
    }
    status = decode_block(decoder, len > 0 ? block : (const uint8_t *)"", len);
    decoder->in_block = false;
    decoder->block_len = 0;
    *count = decoder->failed == 0 ? decoder->list.count : 0;
    return status;
}
