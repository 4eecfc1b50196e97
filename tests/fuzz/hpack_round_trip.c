/*
 * The encoder, the decoder and the slow reference decoder of the unit tests against each other. The
 * input is a program: each octet chooses what is done next on one pair of tables.
 */
#include <stdlib.h>

#include "core/base/base.h"
#include "core/proto/message.h"
#include "tests/unit/hpack/reference.h"

#include <halo/check.h>

enum { FIELDS_MAX = 32, INPUT_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    const uint8_t *end;
};

static uint8_t next(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static halo_bytes next_run(struct input *input, size_t len)
{
    halo_bytes run = { (const char *)input->at, min_size(len, (size_t)(input->end - input->at)) };

    input->at += run.len;
    return run;
}

static halo_header next_field(struct input *input)
{
    uint8_t kind = next(input);
    halo_header field = { 0 };

    if (kind < HALO_NAME_COUNT && kind > 0) {
        field.name = halo_name_text(kind);
    } else {
        field.name = next_run(input, kind % 16u);
    }
    kind = next(input);
    field.value = next_run(input, kind % 64u);
    field.flags = (uint16_t)(kind >> 6); /* HALO_HEADER_NEVER_INDEX, HALO_HEADER_NO_INDEX */
    return field;
}

/* The rules of messages see in a decoded list what they see in its octets. */
static void check_rules(const struct test_list *list)
{
    static halo_header copy[TEST_FIELDS];
    struct message_limits limits = { .fields = UINT32_MAX };
    struct message message;
    const struct fault *fault =
        message_check_request(list->fields, list->list.count, &limits, &message);

    for (uint32_t i = 0; i < list->list.count; i++) {
        copy[i] = (halo_header){ .name = list->fields[i].name, .value = list->fields[i].value };
    }
    HALO_ASSERT((halo_check_request(copy, list->list.count, 0, NULL) == 0) == (fault == NULL));
    (void)message_check_response(list->fields, list->list.count, &limits, &message);
    (void)message_check_trailers(list->fields, list->list.count);
}

/* A list through the encoder and both decoders. */
static void round_trip(struct input *input, struct hpack_encoder *encoder,
                       struct hpack_decoder *decoder, struct reference *reference,
                       struct test_list *list)
{
    struct reference_list expected = { NULL, 0 };
    halo_header fields[FIELDS_MAX];
    size_t count = next(input) % FIELDS_MAX;
    struct test_octets block;
    size_t middle;

    for (size_t i = 0; i < count; i++) {
        fields[i] = next_field(input);
    }
    block = test_encode(encoder, fields, count);
    middle = block.len > 0 ? next(input) % block.len : 0;
    HALO_ASSERT(test_decode_parts(decoder, list, block, &middle, 1) == HPACK_OK);
    test_list_expect(list, fields, count);
    for (size_t i = 0; i < count; i++) {
        if ((fields[i].flags & HALO_HEADER_NEVER_INDEX) != 0) {
            HALO_ASSERT((list->fields[i].flags & HALO_HEADER_NEVER_INDEX) != 0);
        }
    }
    HALO_ASSERT(reference_decode(reference, block, &expected));
    reference_expect_list(&expected, list);
    reference_expect_table(reference, &encoder->table);
    reference_expect_table(reference, &decoder->table);
    check_rules(list);
    reference_list_free(&expected);
    test_octets_free(&block);
}

/* Any octets as a block: both decoders read the same, or both find it broken. */
static bool decode_any(struct input *input, struct hpack_decoder *decoder,
                       struct reference *reference, struct test_list *list)
{
    struct reference_list expected = { NULL, 0 };
    halo_bytes run = next_run(input, next(input));
    struct test_octets block = test_octets_copy(run.data, run.len);
    size_t middle = run.len > 0 ? next(input) % run.len : 0;
    bool is_update_due = decoder->is_update_due; /* a rule that the reference does not know */
    enum hpack_result result = test_decode_parts(decoder, list, block, &middle, 1);
    bool is_good = reference_decode(reference, block, &expected);

    HALO_ASSERT(result == HPACK_OK || result == HPACK_BROKEN);
    HALO_ASSERT(is_good == (result == HPACK_OK) || is_update_due);
    is_good = is_good && result == HPACK_OK;
    if (is_good) {
        reference_expect_list(&expected, list);
        reference_expect_table(reference, &decoder->table);
        check_rules(list);
    }
    reference_list_free(&expected);
    test_octets_free(&block);
    return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t sizes[] = { 0, 33, 64, 100, 256, 1000, 4096, 5000 };
    static struct test_list *list;
    struct input input = { data, data + min_size(size, INPUT_MAX) };
    struct hpack_encoder encoder;
    struct hpack_decoder decoder;
    struct reference reference;
    bool is_in_step = true; /* nothing but the encoder's blocks was decoded so far */
    bool is_good = true;

    if (list == NULL) {
        list = test_list_new(1 << 22, 1 << 16); /* no limits: the reference has none */
    }
    hpack_encoder_init(&encoder, HPACK_TABLE_SIZE_DEFAULT);
    hpack_decoder_init(&decoder, HPACK_TABLE_SIZE_DEFAULT);
    reference_init(&reference, HPACK_TABLE_SIZE_DEFAULT);
    while (input.at < input.end && is_good) {
        uint8_t what = next(&input);

        if (what % 8 == 0) {
            is_in_step = false;
            is_good = decode_any(&input, &decoder, &reference, list);
        } else if (what % 8 == 1 && is_in_step) {
            uint32_t setting = sizes[what >> 5];

            hpack_encoder_set_max(&encoder, setting);
            hpack_decoder_set_max(&decoder, setting);
            reference.setting = setting;
        } else if (is_in_step) {
            round_trip(&input, &encoder, &decoder, &reference, list);
        }
    }
    reference_free(&reference);
    test_table_free(&encoder.table);
    test_table_free(&decoder.table);
    return 0;
}
