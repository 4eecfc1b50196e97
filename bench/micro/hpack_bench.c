/*
 * One HPACK job, done many times by halo or by libnghttp2, to be counted by callgrind:
 *
 *     valgrind --tool=callgrind --collect-atstart=no hpack_bench halo|nghttp2 JOB LIST ROUNDS
 *
 *     JOB   decode-same    the same list again on one connection; blocks made by libnghttp2
 *           decode-own     the same with blocks made by halo's encoder
 *           decode-changed the list's changing values are new each time
 *           decode-first   the first list of a connection (setting up is not part of a round)
 *           encode-same, encode-changed, encode-first; encode-prepared (halo only)
 *           huffman-decode, huffman-encode: one field with a value of 4000 octets
 *     LIST  browser-request, api-request, browser-response, api-response
 *
 * Only the calls into the library are counted: not the making of lists and blocks, nor setting up
 * a connection. Prints the number of fields (huffman: octets of text) of one round, and a sum over
 * all rounds: octets of the blocks, or of the fields. Both decoders get the same blocks.
 * hpack_bench.py runs all and prints ratios.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>
#include <valgrind/callgrind.h>

#include "hpack/hpack.h"

enum {
    FIELDS_MAX = 32,
    TEXT_LEN = 4000,
    BLOCK_MAX = 16384,
    VALUE_MAX = 256,
    SETUP_ROUNDS = 8,
};

struct field {
    const char *name;
    const char *value; /* %u: the number of the round */
};

static const struct field browser_request[] = {
    { ":method", "GET" },
    { ":authority", "www.example.com" },
    { ":scheme", "https" },
    { ":path", "/assets/js/app.%08u.js?v=3" },
    { "sec-ch-ua",
      "\"Chromium\";v=\"118\", \"Google Chrome\";v=\"118\", \"Not=A?Brand\";v=\"99\"" },
    { "sec-ch-ua-mobile", "?0" },
    { "user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                    "Chrome/118.0.0.0 Safari/537.36" },
    { "sec-ch-ua-platform", "\"Linux\"" },
    { "accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
                "image/apng,*/*;q=0.8" },
    { "sec-fetch-site", "same-origin" },
    { "sec-fetch-mode", "no-cors" },
    { "sec-fetch-dest", "script" },
    { "referer", "https://www.example.com/articles/%08u/index.html" },
    { "accept-encoding", "gzip, deflate, br" },
    { "accept-language", "en-US,en;q=0.9" },
    { "cookie", "session=8f14e45fceea167a5a36dedd4bea2543" },
    { "cookie", "_ga=GA1.2.1234567890.%010u" },
    { "dnt", "1" },
};

static const struct field api_request[] = {
    { ":method", "POST" },
    { ":scheme", "https" },
    { ":authority", "api.example.com" },
    { ":path", "/v1/orders/%08u/items" },
    { "content-type", "application/json" },
    { "content-length", "%u" },
    { "accept", "application/json" },
    { "user-agent", "okhttp/4.12.0" },
    { "x-request-id", "7b3a1c9e-4f52-4d0b-9c1a-0000%08u" },
    { "accept-encoding", "gzip" },
};

static const struct field browser_response[] = {
    { ":status", "200" },
    { "server", "halo" },
    { "date", "Tue, 04 Oct 2022 %08u GMT" },
    { "content-type", "application/javascript; charset=utf-8" },
    { "content-length", "%u" },
    { "last-modified", "Mon, 03 Oct 2022 %08u GMT" },
    { "etag", "\"633ab2a0-%08x\"" },
    { "cache-control", "public, max-age=31536000, immutable" },
    { "accept-ranges", "bytes" },
    { "vary", "accept-encoding" },
    { "strict-transport-security", "max-age=63072000; includeSubDomains" },
    { "x-content-type-options", "nosniff" },
};

static const struct field api_response[] = {
    { ":status", "201" },
    { "date", "Tue, 04 Oct 2022 11:00:00 GMT" },
    { "content-type", "application/json; charset=utf-8" },
    { "content-length", "%u" },
    { "x-request-id", "7b3a1c9e-4f52-4d0b-9c1a-0000%08u" },
    { "cache-control", "no-store" },
    { "server", "halo" },
};

static const struct {
    const char *name;
    const struct field *fields;
    size_t count;
} lists[] = {
#define LIST(name, fields)                                                                         \
    {                                                                                              \
        name, fields, sizeof(fields) / sizeof((fields)[0])                                         \
    }
    LIST("browser-request", browser_request),
    LIST("api-request", api_request),
    LIST("browser-response", browser_response),
    LIST("api-response", api_response),
#undef LIST
};

/* A list with its numbers filled in, in the form that each library wants. */
struct filled {
    char values[FIELDS_MAX][VALUE_MAX];
    halo_header halo[FIELDS_MAX];
    nghttp2_nv nghttp2[FIELDS_MAX];
    size_t count;
};

static void fill(struct filled *filled, const struct field *fields, size_t count, unsigned number)
{
    filled->count = count;
    for (size_t i = 0; i < count; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(filled->values[i], VALUE_MAX, fields[i].value, number * 7919 + 13);
#pragma GCC diagnostic pop
        size_t name_len = strlen(fields[i].name);
        size_t value_len = strlen(filled->values[i]);
        filled->halo[i] = (halo_header){
            .name = { fields[i].name, name_len },
            .value = { filled->values[i], value_len },
        };
        filled->nghttp2[i] = (nghttp2_nv){
            .name = (uint8_t *)(uintptr_t)fields[i].name,
            .value = (uint8_t *)filled->values[i],
            .namelen = name_len,
            .valuelen = value_len,
        };
    }
}

/* One long field that is not indexed, so that hardly anything but its value counts. */
static void fill_text(struct filled *filled)
{
    static char text[TEXT_LEN + 1];
    static const char sample[] =
        "https://www.example.com/articles/2022/index.html?page=3 Mozilla/5.0 "
        "(X11; Linux x86_64) text/html,application/xhtml+xml;q=0.9 ";
    for (size_t i = 0; i < TEXT_LEN; i++) {
        text[i] = sample[i % (sizeof(sample) - 1)];
    }
    filled->count = 1;
    filled->halo[0] = (halo_header){ .name = HALO_LIT("referer"),
                                     .value = { text, TEXT_LEN },
                                     .flags = HALO_HEADER_NEVER_INDEX };
    filled->nghttp2[0] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t) "referer",
        .value = (uint8_t *)text,
        .namelen = 7,
        .valuelen = TEXT_LEN,
        .flags = NGHTTP2_NV_FLAG_NO_INDEX,
    };
}

/* ---- halo -------------------------------------------------------------------------------- */

static halo_header decoded_fields[FIELDS_MAX];
static uint8_t scratch[2 * 16384 + 65536];
static struct hpack_list list = {
    .fields = decoded_fields,
    .fields_cap = FIELDS_MAX,
    .size_max = 65536,
    .fields_hard = 1024,
    .size_hard = 2 * 65536,
    .string_max = 16384,
    .scratch = scratch,
    .scratch_cap = sizeof(scratch),
};

static void grow(struct hpack_table *table)
{
    size_t size = hpack_table_room_wanted(table);
    void *memory = malloc(size);
    if (memory == NULL) {
        abort();
    }
    free(hpack_table_move(table, memory, size));
}

/* As libnghttp2 has its table from the start. */
static void grow_fully(struct hpack_table *table)
{
    size_t before = 0;
    while (hpack_table_room_wanted(table) > before) {
        before = hpack_table_room_wanted(table);
        grow(table);
    }
}

static size_t halo_decode(struct hpack_decoder *decoder, const uint8_t *block, size_t len)
{
    size_t sum = 0;
    size_t consumed;
    enum hpack_result result;
    hpack_decode_begin(decoder, &list);
    while ((result = hpack_decode(decoder, &list, block, len, true, &consumed)) == HPACK_ROOM) {
        block += consumed;
        len -= consumed;
        grow(&decoder->table);
    }
    if (result != HPACK_OK) {
        abort();
    }
    for (size_t i = 0; i < list.count; i++) {
        sum += list.fields[i].name.len + list.fields[i].value.len;
    }
    return sum;
}

static uint8_t *halo_encode(struct hpack_encoder *encoder, uint8_t *out,
                            const struct filled *filled)
{
    uint8_t *end = hpack_encode(encoder, out, true, filled->halo, filled->count);
    if (encoder->wants_room) {
        grow(&encoder->table);
    }
    return end;
}

/* ---- libnghttp2 -------------------------------------------------------------------------- */

static size_t nghttp2_decode(nghttp2_hd_inflater *inflater, const uint8_t *block, size_t len)
{
    size_t sum = 0;
    for (;;) {
        nghttp2_nv nv;
        int flags;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, block, len, 1);
        if (used < 0) {
            abort();
        }
        block += used;
        len -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            sum += nv.namelen + nv.valuelen;
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            nghttp2_hd_inflate_end_headers(inflater);
            return sum;
        }
    }
}

static size_t nghttp2_encode(nghttp2_hd_deflater *deflater, uint8_t *out,
                             const struct filled *filled)
{
    ssize_t len = nghttp2_hd_deflate_hd(deflater, out, BLOCK_MAX, filled->nghttp2, filled->count);
    if (len < 0) {
        abort();
    }
    return (size_t)len;
}

/* ---- jobs -------------------------------------------------------------------------------- */

struct job {
    bool is_halo;
    bool is_decode;
    bool is_changed;
    bool is_first;
    bool is_prepared;
    bool is_text;
    bool is_own;
    const struct field *fields;
    size_t count;
    unsigned rounds;
};

/* Blocks and lists are made for all rounds before the first one. */
struct block {
    uint8_t *data;
    size_t len;
};

static nghttp2_hd_deflater *new_deflater(void)
{
    nghttp2_hd_deflater *deflater;
    if (nghttp2_hd_deflate_new(&deflater, 4096) != 0) {
        abort();
    }
    return deflater;
}

static nghttp2_hd_inflater *new_inflater(void)
{
    nghttp2_hd_inflater *inflater;
    if (nghttp2_hd_inflate_new(&inflater) != 0) {
        abort();
    }
    return inflater;
}

static void *make_all(size_t count, size_t size)
{
    void *all = calloc(count, size);
    if (all == NULL) {
        abort();
    }
    return all;
}

static void fill_round(const struct job *job, struct filled *filled, unsigned round)
{
    if (job->is_text) {
        fill_text(filled);
    } else {
        fill(filled, job->fields, job->count, job->is_changed ? round : 0);
    }
}

/* The first rounds bring the tables into their steady state. */
static void toggle_counting(unsigned round)
{
    if (round >= SETUP_ROUNDS) {
        CALLGRIND_TOGGLE_COLLECT;
    }
}

static size_t run_decode(const struct job *job)
{
    unsigned total = job->rounds + SETUP_ROUNDS;
    struct block *blocks = make_all(total, sizeof(*blocks));
    static struct filled filled;
    uint8_t out[BLOCK_MAX];
    nghttp2_hd_deflater *deflater = new_deflater();
    struct hpack_encoder encoder;
    hpack_encoder_init(&encoder, 4096);
    grow_fully(&encoder.table);
    for (unsigned round = 0; round < total; round++) {
        fill_round(job, &filled, round);
        if (job->is_first) {
            nghttp2_hd_deflate_del(deflater);
            deflater = new_deflater();
        }
        blocks[round].len = job->is_own ? (size_t)(halo_encode(&encoder, out, &filled) - out)
                                        : nghttp2_encode(deflater, out, &filled);
        blocks[round].data = make_all(1, blocks[round].len);
        memcpy(blocks[round].data, out, blocks[round].len);
    }

    struct hpack_decoder decoder;
    hpack_decoder_init(&decoder, 4096);
    nghttp2_hd_inflater *inflater = new_inflater();
    size_t sum = 0;
    for (unsigned round = 0; round < total; round++) {
        if (job->is_first) {
            free(hpack_table_memory(&decoder.table));
            hpack_decoder_init(&decoder, 4096);
            grow_fully(&decoder.table);
            nghttp2_hd_inflate_del(inflater);
            inflater = new_inflater();
        }
        toggle_counting(round);
        if (job->is_halo) {
            sum += halo_decode(&decoder, blocks[round].data, blocks[round].len);
        } else {
            sum += nghttp2_decode(inflater, blocks[round].data, blocks[round].len);
        }
        toggle_counting(round);
    }
    return sum;
}

static size_t run_encode(const struct job *job)
{
    unsigned total = job->rounds + SETUP_ROUNDS;
    struct filled *filled = make_all(job->is_changed ? total : 1, sizeof(*filled));
    for (unsigned round = 0; round < (job->is_changed ? total : 1); round++) {
        fill_round(job, &filled[round], round);
    }
    halo_header prepared[FIELDS_MAX];
    memcpy(prepared, filled->halo, sizeof(prepared));
    for (size_t i = 0; i < filled->count; i++) {
        prepared[i].token = halo_name_token(prepared[i].name);
        prepared[i].hash = hpack_field_hash(prepared[i].name, prepared[i].value);
    }

    uint8_t out[BLOCK_MAX];
    struct hpack_encoder encoder;
    hpack_encoder_init(&encoder, 4096);
    grow(&encoder.table);
    nghttp2_hd_deflater *deflater = new_deflater();
    size_t sum = 0;
    for (unsigned round = 0; round < total; round++) {
        const struct filled *now = &filled[job->is_changed ? round : 0];
        if (job->is_first) {
            free(hpack_table_memory(&encoder.table));
            hpack_encoder_init(&encoder, 4096);
            grow_fully(&encoder.table);
            nghttp2_hd_deflate_del(deflater);
            deflater = new_deflater();
        }
        toggle_counting(round);
        if (job->is_prepared) {
            uint8_t *end = hpack_encode_prepared(&encoder, out, true, prepared, now->count, 1);
            if (encoder.wants_room) {
                grow(&encoder.table);
            }
            sum += (size_t)(end - out);
        } else if (job->is_halo) {
            sum += (size_t)(halo_encode(&encoder, out, now) - out);
        } else {
            sum += nghttp2_encode(deflater, out, now);
        }
        toggle_counting(round);
    }
    return sum;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: hpack_bench halo|nghttp2 JOB LIST ROUNDS\n");
        return 2;
    }
    struct job job = {
        .is_halo = strcmp(argv[1], "halo") == 0,
        .is_decode = strncmp(argv[2], "decode", 6) == 0 || ends_with(argv[2], "-decode"),
        .is_changed = ends_with(argv[2], "-changed"),
        .is_first = ends_with(argv[2], "-first"),
        .is_prepared = ends_with(argv[2], "-prepared"),
        .is_own = ends_with(argv[2], "-own"),
        .is_text = strncmp(argv[2], "huffman", 7) == 0,
        .rounds = (unsigned)strtoul(argv[4], NULL, 10),
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcmp(argv[3], lists[i].name) == 0) {
            job.fields = lists[i].fields;
            job.count = lists[i].count;
        }
    }
    if (job.fields == NULL) {
        fprintf(stderr, "hpack_bench: no list %s\n", argv[3]);
        return 2;
    }
    size_t sum = job.is_decode ? run_decode(&job) : run_encode(&job);
    printf("%zu %zu\n", job.is_text ? (size_t)TEXT_LEN : job.count, sum);
    return 0;
}
