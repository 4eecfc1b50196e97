/*
 * HPACK (RFC 7541): header compression for one direction of one connection.
 *
 * This layer knows libc, <halo/types.h> and <halo/names.h>. It allocates nothing: table memory is
 * handed in, may be moved to a larger piece, and is handed back by hpack_table_memory(). It keeps
 * no pointer into its input after a call.
 *
 * Decoding fills a list of borrowed fields. A field points into the static table, the dynamic
 * table, the input or the list's scratch area. It stays valid until the next block is begun on the
 * same table or on the same list, until the table is moved, or until the input goes away.
 * Before an insertion evicts an entry, fields of the block in progress that point to its octets are
 * moved to the scratch area. After many evictions in one block, and when the decoder asks for more
 * room, this is done for all table fields, once, and those that follow are copied ("pinned"). So
 * a block that evicts nothing copies nothing.
 *
 * Peer input never trips an assertion; misuse by the caller does.
 */
#ifndef HALO_HPACK_HPACK_H
#define HALO_HPACK_HPACK_H

#include <stdbool.h>

#include <halo/names.h>
#include <halo/types.h>

#include "hpack/table.h"

enum {
    HPACK_TABLE_SIZE_DEFAULT = 4096, /* RFC 9113 section 6.5.2 */
    HPACK_STATIC_COUNT = 61,         /* RFC 7541 appendix A */
    /* The most the encoder uses of a table size that it is allowed: its index is 16 bits wide. */
    HPACK_ENCODER_SIZE_CAP = 512 * 1024,
};

/* What the decoder found out about a field while it had its octets in hand. Kept with table
 * entries, so that an indexed field is not looked at again. They live in halo_header.flags above
 * the public bits. */
enum {
    /* Empty, or an upper-case letter, or an octet outside token (RFC 9113 8.2.1). A colon is
     * allowed only in front of at least one other octet. */
    HPACK_FIELD_BAD_NAME = 1u << 8,
    /* Holds NUL, CR or LF (RFC 9113 8.2.1), or another control octet than HTAB (RFC 9110 5.5). */
    HPACK_FIELD_BAD_VALUE = 1u << 9,
    /* Starts or ends with SP or HTAB (RFC 9113 8.2.1). */
    HPACK_FIELD_VALUE_SPACE = 1u << 10,
};

/* ---- fields ------------------------------------------------------------------------------ */

uint16_t hpack_name_flags(halo_bytes name); /* 0 or HPACK_FIELD_BAD_NAME */
uint16_t hpack_value_flags(
    halo_bytes value); /* of HPACK_FIELD_BAD_VALUE, HPACK_FIELD_VALUE_SPACE */
/* The hash that halo_header.hash holds; never 0. Long values are sampled: equal hashes do not
 * make equal fields. */
uint32_t hpack_field_hash(halo_bytes name, halo_bytes value);
/* halo_name_text() and halo_name_token() of <halo/names.h> are defined in this layer. */

/* ---- Huffman code (RFC 7541 section 5.2) ------------------------------------------------- */

enum {
    HPACK_HUFFMAN_SLACK = 8,
};

size_t hpack_huffman_encoded_len(const uint8_t *in, size_t len);
/* Encodes to hpack_huffman_encoded_len() octets; returns the end. Up to HPACK_HUFFMAN_SLACK octets
 * behind the end are written to as well. */
uint8_t *hpack_huffman_encode(uint8_t *out, const uint8_t *in, size_t len);
/* Decodes into out[0..cap). Returns the number of octets, or -1: EOS in the string, padding longer
 * than 7 bits or not all ones, or more than cap octets. *too_long tells the last case; what is
 * behind that point is not looked at. */
int64_t hpack_huffman_decode(uint8_t *out, size_t cap, const uint8_t *in, size_t len,
                             bool *too_long);
/* The number of octets that the string decodes to, or -1 when it is not valid. */
int64_t hpack_huffman_decoded_len(const uint8_t *in, size_t len);

/* ---- the decoder ------------------------------------------------------------------------- */

/* Where a block is decoded to. The caller owns all memory and sets everything above `count`. The
 * list may be shared by all sessions of a thread, since it is used only between two polls.
 * Soft limits drop fields, but go on decoding, so that the table stays in step with the peer's. */
struct hpack_list {
    halo_header *fields;
    uint32_t fields_cap;  /* fields kept; later ones are counted and dropped */
    uint32_t size_max;    /* soft limit of the list size (RFC 9113 6.5.2): later fields dropped */
    uint32_t fields_hard; /* beyond: HPACK_OVER_LIMIT */
    uint32_t size_hard;   /* beyond: HPACK_OVER_LIMIT */
    uint32_t string_max;  /* a field with a longer name or value is dropped (not kept out of the
                             table, though: the peer has it there) */
    uint8_t *scratch;     /* at least HPACK_SCRATCH_SIZE(size_max, string_max) octets */
    size_t scratch_cap;

    uint32_t count; /* fields kept in fields[] */
    uint32_t total; /* fields seen, the dropped ones too */
    uint64_t size;  /* list size of all fields seen: name + value + 32 each */
    bool dropped;   /* a soft limit was passed: fields[] is not the whole list */
    /* The scratch area fills from both ends: decoded strings from below, octets that had to leave
     * the table from above. Between them is room for the field in progress. */
    size_t scratch_len;
    size_t scratch_high;
    /* Up to these no limit is passed. */
    uint32_t easy_count; /* 0 when `dropped` */
    uint32_t easy_size;
};

/* Kept fields take at most size_max octets of the scratch area, a field in progress two strings. */
#define HPACK_SCRATCH_SIZE(size_max, string_max) ((size_t)(size_max) + 2 * (size_t)(string_max))

enum hpack_result {
    HPACK_OK = 0,     /* all input decoded; with `last`, the block is complete */
    HPACK_MORE,       /* the input ends inside a field (only when not `last`) */
    HPACK_ROOM,       /* the table needs a larger piece of memory: hpack_table_move(), then go on */
    HPACK_OVER_LIMIT, /* a hard limit of the list was passed; the block cannot be used */
    HPACK_BROKEN,     /* COMPRESSION_ERROR; decoder->reason says why */
};

struct hpack_decoder {
    struct hpack_table table;
    uint32_t size_max;     /* the largest size update that is allowed: our acknowledged setting */
    uint32_t size_due;     /* the next block must start with an update to at most this size */
    bool is_update_due;    /* ... if this is set */
    bool has_long_strings; /* a table may hold strings above the list's string_max */
    /* Of the block in progress, all 0 at its beginning. */
    bool is_pinned;        /* its fields may not point into the table any more */
    bool has_field;        /* no more size updates */
    uint8_t num_updates;   /* size updates */
    uint8_t num_evictions; /* insertions that evicted entries, up to a limit */
    const char *reason;    /* set with HPACK_BROKEN and HPACK_OVER_LIMIT; a constant */
};

/* size_max is HPACK_TABLE_SIZE_DEFAULT until a setting of ours is acknowledged. */
void hpack_decoder_init(struct hpack_decoder *decoder, uint32_t size_max);
/* Our SETTINGS_HEADER_TABLE_SIZE was acknowledged. When it is below the table's size, the next
 * block must start with a size update (RFC 7541 4.2), else HPACK_BROKEN. Several changes between
 * two blocks: the first update must be at most the smallest of them. */
void hpack_decoder_set_max(struct hpack_decoder *decoder, uint32_t size_max);
/* Starts a block: empties the list. */
void hpack_decode_begin(struct hpack_decoder *decoder, struct hpack_list *list);
/* Decodes as many whole fields as in[0..len) holds. *consumed octets are done with. After
 * HPACK_MORE and HPACK_ROOM the caller comes back with the rest (and more). Fields that point into
 * the input stay so: a caller whose input goes away between two calls gathers it first.
 * HPACK_OVER_LIMIT and HPACK_BROKEN end the connection: the table is no longer the peer's.
 * An incomplete field whose octets alone would pass a hard limit is HPACK_OVER_LIMIT at once. */
enum hpack_result hpack_decode(struct hpack_decoder *decoder, struct hpack_list *list,
                               const uint8_t *in, size_t len, bool last, size_t *consumed);

/* ---- the encoder ------------------------------------------------------------------------- */

enum {
    HPACK_PREPARED_SLOTS = 2,
    HPACK_PREPARED_MAX = 23,
    HPACK_SEEN_SETS = 4,
    HPACK_GUESSES = 22,
};

/* The octets that a prepared list was last encoded to; dropped when the table changes. */
struct hpack_prepared {
    uint64_t identity; /* 0: empty */
    uint8_t len;
    uint8_t octets[HPACK_PREPARED_MAX];
};

struct hpack_encoder {
    struct hpack_table table;
    uint32_t size_max;     /* what the peer allows, capped by our option */
    uint32_t size_lowest;  /* the smallest size_max since the last block */
    bool wants_room;       /* the latest block left out an insertion, since the memory is small:
                              move the table before the next one */
    uint8_t prepared_next; /* the slot of `prepared` to use next */
    uint8_t seen_random;   /* which of a set's four tags is forgotten next */
    uint8_t guess_at;      /* number of the block's next field */
    /* By number of the field in its block: what it was in the last block, static index, or 0x80 and
     * the low bits of an insertion's number, or 0. Lists repeat, so that is looked at first. */
    uint8_t guesses[HPACK_GUESSES];
    /* Four sets of four 16-bit tags: hashes of fields that were sent as literals lately. */
    uint64_t seen[HPACK_SEEN_SETS];
    struct hpack_prepared prepared[HPACK_PREPARED_SLOTS];
};

/* With less than HPACK_TABLE_SIZE_DEFAULT the first block says so. */
void hpack_encoder_init(struct hpack_encoder *encoder, uint32_t size_max);
/* The peer's SETTINGS_HEADER_TABLE_SIZE, already capped. Coalesced: the next block starts with the
 * smallest and the last of the sizes since the block before (RFC 7541 4.2). */
void hpack_encoder_set_max(struct hpack_encoder *encoder, uint32_t size_max);
/* An upper bound of what the fields can take when encoded, size updates included. */
size_t hpack_encode_bound(const halo_header *fields, size_t count);
/* Encodes at out, which has room for hpack_encode_bound() octets; returns the end. All of that
 * room may be written to. Names must be lower case and checked. A block may be encoded in several
 * calls: `first` is true for its first one, which writes the size updates that are due. */
uint8_t *hpack_encode(struct hpack_encoder *encoder, uint8_t *out, bool first,
                      const halo_header *fields, size_t count);
/* The same for a prepared list: every field has its token and hash set. `identity` is a number
 * other than 0 that is never reused in this process. While the table has not changed since the
 * list was last sent here and it came out as indexed fields only, this is a copy of its octets. */
uint8_t *hpack_encode_prepared(struct hpack_encoder *encoder, uint8_t *out, bool first,
                               const halo_header *fields, size_t count, uint64_t identity);

/* Blocks that are much like the last one. A field that is just what the last block had in its place
 * was checked then, so it need not be now. Nothing but `guess_at` changes, so the octets may still
 * be thrown away. First the field :status, whose value is three digits; NULL: it is not as before,
 * or a size update is due. */
uint8_t *hpack_encode_repeated_status(struct hpack_encoder *encoder, uint8_t *out,
                                      const char digits[3]);
/* Then regular fields, until one is not as before; tokens and hashes need not be set. *done: how
 * many were. */
uint8_t *hpack_encode_repeated(struct hpack_encoder *encoder, uint8_t *out,
                               const halo_header *fields, size_t count, size_t *done);
/* A prepared list that is kept as octets, as it nearly always is; not the first call of a block.
 * NULL: hpack_encode_prepared() has to do it. At `out` is room for HPACK_PREPARED_MAX octets. */
uint8_t *hpack_encode_kept(struct hpack_encoder *encoder, uint8_t *out, uint64_t identity);

/* ---- table memory ------------------------------------------------------------------------ */

/* Moves the table into a larger (or first) piece of memory of `size` octets, aligned as malloc's.
 * The contents must fit, as they do in any piece that is not smaller. Returns the piece used
 * before (NULL: none), which is the caller's to free. A decoder's table is moved between blocks
 * or after HPACK_ROOM. */
void *hpack_table_move(struct hpack_table *table, void *memory, size_t size);
/* How large a piece the table should have next: doubles from 512 octets up to what its size needs.
 * Not more than it has when it has all that it can use. */
size_t hpack_table_room_wanted(const struct hpack_table *table);
void *hpack_table_memory(struct hpack_table *table); /* the piece in use, for freeing */

#endif
