#include "tls/record_output.h"

#include "tls/allocator.h"
#include "tls/limits.h"

/* In place: what wolfSSL does was read in this release (BuildTls13Message, SendData, SendBuffered,
 * GrowOutputBuffer) and is what record_output.h says. With others all is copied, until they have
 * been read too; 5.7.2 asks for more room than a record needs. */
#if HALO_TLS_PRIVATE_WOLFSSL && LIBWOLFSSL_VERSION_HEX == 0x05009002 &&                            \
    (WOLFSSL_GENERAL_ALIGNMENT == 0 || WOLFSSL_GENERAL_ALIGNMENT == 16)
enum { IN_PLACE = 1 };
#else
enum { IN_PLACE = 0 };
#endif

_Static_assert(RECORD_START + TLS_RECORD_MAX + RECORD_OVERHEAD <= sizeof(((struct chunk *)0)->data),
               "a record fits a chunk");

enum { CHUNK_ROOM = sizeof(((struct chunk *)0)->data) };

/* ---- chunks ---------------------------------------------------------------------------- */

static bool add_chunk(struct tls_transport *tls)
{
    struct chunk *chunk = chunk_take(tls->base.memory);

    if (chunk == NULL) {
        return false;
    }
    chunk->used = RECORD_START;
    if (tls->tail == NULL) {
        tls->head = chunk;
        tls->head_start = RECORD_START;
    } else {
        tls->tail->next = chunk;
    }
    tls->tail = chunk;
    return true;
}

static size_t tail_room(const struct tls_transport *tls)
{
    return tls->tail == NULL ? 0 : CHUNK_ROOM - tls->tail->used;
}

bool record_output_accept(struct tls_transport *tls, const uint8_t *data, size_t len)
{
    if (tls->tail != NULL && data == tls->tail->data + tls->tail->used) {
        /* Built in place. */
        HALO_ASSERT(len <= tail_room(tls));
        tls->tail->used += (uint32_t)len;
        tls->base.output_len += len;
        return true;
    }
    while (len > 0) {
        size_t n;

        if (tail_room(tls) == 0 && !add_chunk(tls)) {
            return false;
        }
        n = min_size(len, tail_room(tls));
        memcpy(tls->tail->data + tls->tail->used, data, n);
        tls->tail->used += (uint32_t)n;
        tls->base.output_len += n;
        data += n;
        len -= n;
    }
    return true;
}

int record_output_pieces(const struct tls_transport *tls, struct iovec *iov, int max)
{
    uint32_t start = tls->head_start;
    int count = 0;

    for (struct chunk *chunk = tls->head; chunk != NULL && count < max; chunk = chunk->next) {
        if (chunk->used > start) {
            iov[count++] = (struct iovec){ chunk->data + start, chunk->used - start };
        }
        start = RECORD_START;
    }
    return count;
}

static void drop_head(struct tls_transport *tls)
{
    struct chunk *chunk = tls->head;

    tls->head = chunk->next;
    tls->head_start = RECORD_START;
    if (tls->head == NULL) {
        tls->tail = NULL;
    }
    chunk_unref(tls->base.memory, chunk);
}

void record_output_sent(struct tls_transport *tls, size_t len)
{
    HALO_ASSERT(len <= tls->base.output_len);
    tls->base.output_len -= len;
    while (tls->head != NULL) {
        size_t n = tls->head->used - tls->head_start;

        if (len < n) {
            tls->head_start += (uint32_t)len;
            return;
        }
        len -= n;
        drop_head(tls);
    }
    HALO_ASSERT(len == 0);
}

void record_output_clear(struct tls_transport *tls)
{
    while (tls->head != NULL) {
        drop_head(tls);
    }
    tls->base.output_len = 0;
}

/* ---- plaintext ------------------------------------------------------------------------- */

/* A place in an array of iovecs. */
struct reader {
    const struct iovec *iov;
    int count;
    size_t offset; /* in iov[0] */
};

static size_t in_piece(const struct reader *reader)
{
    return reader->iov->iov_len - reader->offset;
}

static void skip(struct reader *reader, size_t len)
{
    reader->offset += len;
    while (reader->count > 0 && in_piece(reader) == 0) {
        reader->iov++;
        reader->count--;
        reader->offset = 0;
    }
}

static void gather(struct reader *reader, uint8_t *out, size_t len)
{
    while (len > 0) {
        size_t n = min_size(len, in_piece(reader));

        memcpy(out, (const uint8_t *)reader->iov->iov_base + reader->offset, n);
        out += n;
        len -= n;
        skip(reader, n);
    }
}

/* Octets that are there, `max` at most. */
static size_t octets_of(const struct iovec *iov, int count, size_t max)
{
    size_t len = 0;

    for (int i = 0; i < count && len < max; i++) {
        len += iov[i].iov_len;
    }
    return min_size(len, max);
}

/* How much plaintext the next record takes at most. */
static size_t record_limit(struct tls_transport *tls)
{
    uint64_t now = tls_now(tls);

    if (now - tls->written_at >= TLS_RECORD_PAUSE_NS) {
        tls->warm_octets = 0;
    }
    tls->written_at = now;
    if (tls->warm_octets < TLS_RECORD_WARM_UP) {
        return TLS_RECORD_SMALL;
    }
    tls->warm_octets = TLS_RECORD_WARM_UP; /* stays there, and cannot overflow */
    return TLS_RECORD_MAX;
}

/* ---- one record ------------------------------------------------------------------------ */

static bool encrypt(struct tls_transport *tls, const uint8_t *plain, size_t len)
{
    int n;

    wolfssl_forget_errors();
    tls->writing = true;
    tls_allocator_records_begin();
    n = wolfSSL_write(tls->ssl, plain, (int)len);
    tls_allocator_records_end();
    tls->writing = false;
    if (n == (int)len) {
        return true;
    }
    tls_fail_code(tls, wolfSSL_get_error(tls->ssl, n));
    return false;
}

static bool write_in_place(struct tls_transport *tls, struct reader *reader, size_t len)
{
    size_t before = tls->base.output_len;
    uint8_t *record;
    bool used;
    bool good;

    if (tail_room(tls) < len + RECORD_OVERHEAD && !add_chunk(tls)) {
        tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, 0, "out of memory");
        return false;
    }
    record = tls->tail->data + tls->tail->used;
    gather(reader, record + RECORD_HEADER, len);
    tls_allocator_lend(record - RECORD_START, len + RECORD_OVERHEAD + RECORD_LOAN_EXTRA);
    /* A failure frees the object, and with it the loan's last use, before the loan ends. */
    good = encrypt(tls, record + RECORD_HEADER, len);
    used = tls_allocator_take_back();
    if (good && used &&
        (tls->base.output_len - before != len + RECORD_OVERHEAD ||
         record + len + RECORD_OVERHEAD != tls->tail->data + tls->tail->used)) {
        /* wolfSSL used the place for something else than this record. */
        tls_fail(tls, HALO_E_TLS, HALO_ORIGIN_LIBRARY, 0,
                 "TLS failed: a record was not built in place");
        return false;
    }
    return good;
}

/* Through wolfSSL's own buffer, out of which record_output_accept() copies. */
static bool write_copied(struct tls_transport *tls, struct reader *reader, size_t len)
{
    uint8_t small[TLS_IN_PLACE_MIN];
    struct chunk *chunk;
    bool good;

    if (in_piece(reader) >= len) {
        const uint8_t *plain = (const uint8_t *)reader->iov->iov_base + reader->offset;

        skip(reader, len);
        return encrypt(tls, plain, len);
    }
    if (len <= sizeof(small)) {
        gather(reader, small, len);
        return encrypt(tls, small, len);
    }
    chunk = chunk_take(tls->base.memory);
    if (chunk == NULL) {
        tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, 0, "out of memory");
        return false;
    }
    gather(reader, chunk->data, len);
    good = encrypt(tls, chunk->data, len);
    chunk_unref(tls->base.memory, chunk);
    return good;
}

static bool can_build_in_place(const struct tls_transport *tls, size_t len)
{
    return IN_PLACE && len >= TLS_IN_PLACE_MIN && tls->records_of_key < TLS_IN_PLACE_RECORDS_MAX &&
           wolfSSL_GetVersion(tls->ssl) == WOLFSSL_TLSV1_3;
}

static bool write_record(struct tls_transport *tls, struct reader *reader, size_t len)
{
    size_t before = tls->base.output_len;

    if (can_build_in_place(tls, len)) {
        if (!write_in_place(tls, reader, len)) {
            return false;
        }
    } else if (!write_copied(tls, reader, len)) {
        return false;
    }
    tls->records_of_key++;
    if (tls->base.output_len - before > 2 * RECORD_OVERHEAD + len) {
        /* More than one record: wolfSSL has changed the key. */
        tls->records_of_key = 0;
    }
    tls->warm_octets += (uint32_t)len;
    return true;
}

size_t record_output_write(struct tls_transport *tls, const struct iovec *iov, int count,
                           size_t max)
{
    size_t left = octets_of(iov, count, max);
    size_t taken = 0;
    struct reader reader = { iov, count, 0 };

    skip(&reader, 0);
    while (left > 0) {
        size_t len = min_size(left, record_limit(tls));

        if (!write_record(tls, &reader, len)) {
            break;
        }
        left -= len;
        taken += len;
    }
    return taken;
}
