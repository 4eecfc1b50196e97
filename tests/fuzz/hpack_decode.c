/* The header block decoder against any octets: several blocks on one table. */
#include <stdlib.h>

#include "hpack/hpack.h"

enum { FIELDS = 64, LIST_SIZE = 4096, STRING_MAX = 1024 };

static enum hpack_result decode_block(struct hpack_decoder *decoder, struct hpack_list *list,
                                      const uint8_t *block, size_t len)
{
    enum hpack_result result;

    hpack_decode_begin(decoder, list);
    for (;;) {
        size_t consumed = 0;

        result = hpack_decode(decoder, list, block, len, true, &consumed);
        block += consumed;
        len -= consumed;
        if (result == HPACK_ROOM) {
            size_t size = hpack_table_room_wanted(&decoder->table);

            free(hpack_table_move(&decoder->table, malloc(size), size));
            continue;
        }
        return result;
    }
}

/* Every octet that a field points to is there: a sanitizer would say so. */
static uint32_t touch(const struct hpack_list *list)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        for (size_t j = 0; j < list->fields[i].name.len; j++) {
            sum += (uint8_t)list->fields[i].name.data[j];
        }
        for (size_t j = 0; j < list->fields[i].value.len; j++) {
            sum += (uint8_t)list->fields[i].value.data[j];
        }
    }
    return sum;
}

static volatile uint32_t touched; /* so that reading is not left out */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Blocks are one octet of length and so many octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static halo_header fields[FIELDS];
    static uint8_t scratch[LIST_SIZE + 2 * STRING_MAX];
    struct hpack_list list = {
        .fields = fields,
        .fields_cap = FIELDS,
        .size_max = LIST_SIZE,
        .fields_hard = 256,
        .size_hard = 4 * LIST_SIZE,
        .string_max = STRING_MAX,
        .scratch = scratch,
        .scratch_cap = sizeof(scratch),
    };
    struct hpack_decoder decoder;
    enum hpack_result result = HPACK_OK;

    hpack_decoder_init(&decoder, 256);
    while (size > 0 && result == HPACK_OK) {
        size_t len = data[0] < size ? data[0] : size - 1;

        result = decode_block(&decoder, &list, data + 1, len);
        if (result == HPACK_OK) {
            touched += touch(&list);
        }
        data += 1 + len;
        size -= 1 + len;
    }
    free(hpack_table_memory(&decoder.table));
    return 0;
}
