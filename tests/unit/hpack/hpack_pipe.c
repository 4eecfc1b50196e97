/*
 * An encoder and a decoder behind stdin and stdout, for tests in other languages (python_test.py).
 * All numbers are of 32 bits, big-endian.
 *
 *     'S' octets                     the encoder's table size
 *     'R' octets                     the decoder's
 *     'E' count, fields              -> length, block, size of the table
 *     'D' length, block              -> status, count, fields, size of the table
 *
 * A field is: 1 if it is never to be indexed, length, name, length, value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halo/hpack.h>

enum { FIELDS_MAX = 1024, STRING_MAX = 1 << 23 };

static void die(const char *reason)
{
    fprintf(stderr, "hpack_pipe: %s\n", reason);
    exit(1);
}

static void get(void *out, size_t len)
{
    if (len > 0 && fread(out, 1, len, stdin) != len) {
        die("the input ends within a command");
    }
}

static uint32_t get_number(void)
{
    uint8_t octets[4];

    get(octets, sizeof(octets));
    return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 |
           octets[3];
}

static void put(const void *octets, size_t len)
{
    if (len > 0 && fwrite(octets, 1, len, stdout) != len) {
        die("the output is gone");
    }
}

static void put_number(uint32_t number)
{
    const uint8_t octets[] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16),
                               (uint8_t)(number >> 8), (uint8_t)number };

    put(octets, sizeof(octets));
}

/* Memory of its own, so that a sanitizer sees what is read beyond it. */
static char *get_string(size_t *len)
{
    char *string;

    *len = get_number();
    if (*len > STRING_MAX) {
        die("a string is too long");
    }
    string = malloc(*len + (*len == 0));
    if (string == NULL) {
        die("no memory");
    }
    get(string, *len);
    return string;
}

static void encode(halo_hpack_encoder *encoder)
{
    static halo_header fields[FIELDS_MAX];
    size_t count = get_number();
    size_t len = 0;
    size_t size;
    uint8_t *block;

    if (count > FIELDS_MAX) {
        die("too many fields");
    }
    for (size_t i = 0; i < count; i++) {
        fields[i] = (halo_header){ .flags = get_number() != 0 ? HALO_HEADER_NEVER_INDEX : 0 };
        fields[i].name.data = get_string(&fields[i].name.len);
        fields[i].value.data = get_string(&fields[i].value.len);
    }
    size = halo_hpack_encode_bound(fields, count);
    block = malloc(size);
    if (block == NULL || halo_hpack_encode(encoder, fields, count, block, size, &len) != 0) {
        die("a list cannot be encoded");
    }
    put_number((uint32_t)len);
    put(block, len);
    put_number(halo_hpack_encoder_table_size(encoder));
    free(block);
    for (size_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)fields[i].name.data);
        free((char *)(uintptr_t)fields[i].value.data);
    }
}

static void decode(halo_hpack_decoder *decoder)
{
    halo_header *list = NULL;
    size_t count = 0;
    size_t len;
    char *block = get_string(&len);

    put_number((uint32_t)halo_hpack_decode(decoder, block, len, 1, &list, &count));
    put_number((uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        put_number((list[i].flags & HALO_HEADER_NEVER_INDEX) != 0);
        put_number((uint32_t)list[i].name.len);
        put(list[i].name.data, list[i].name.len);
        put_number((uint32_t)list[i].value.len);
        put(list[i].value.data, list[i].value.len);
    }
    put_number(halo_hpack_decoder_table_size(decoder));
    free(block);
}

int main(void)
{
    struct halo_hpack_encoder_options encoder_options;
    struct halo_hpack_decoder_options decoder_options;
    halo_hpack_encoder *encoder;
    halo_hpack_decoder *decoder;
    int command;

    halo_hpack_encoder_options_init(&encoder_options);
    encoder_options.table_size_cap = 65536;
    halo_hpack_decoder_options_init(&decoder_options);
    if (halo_hpack_encoder_new(&encoder, &encoder_options) != 0 ||
        halo_hpack_decoder_new(&decoder, &decoder_options) != 0) {
        die("no memory");
    }
    while ((command = getchar()) != EOF) {
        switch (command) {
        case 'S':
            halo_hpack_encoder_set_table_size(encoder, get_number());
            break;
        case 'R':
            if (halo_hpack_decoder_set_table_size(decoder, get_number()) != 0) {
                die("the table size is refused");
            }
            break;
        case 'E':
            encode(encoder);
            break;
        case 'D':
            decode(decoder);
            break;
        default:
            die("a command that is not known");
        }
        fflush(stdout);
    }
    halo_hpack_encoder_free(encoder);
    halo_hpack_decoder_free(decoder);
    return 0;
}
