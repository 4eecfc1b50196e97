#include "tls/record_output.h"

#include "tls/allocator.h"
#include "tls/limits.h"
#include "tls/records.h"

_Static_assert(TLS_RECORD_MAX + RECORD_OVERHEAD <= sizeof(((struct chunk *)0)->data),
               "a record fits a chunk");

enum { CHUNK_ROOM = sizeof(((struct chunk *)0)->data) };

/* ---- chunks ---------------------------------------------------------------------------- */

static bool add_chunk(struct tls_transport *tls)
{
    struct chunk *chunk = chunk_take(tls->base.memory);

    if (chunk == NULL) {
        return false;
    }
    chunk->used = 0;
    if (tls->tail == NULL) {
        tls->head = chunk;
        tls->head_start = 0;
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

uint8_t *record_output_place(struct tls_transport *tls, size_t len)
{
    HALO_ASSERT(len <= CHUNK_ROOM);
    if (tail_room(tls) < len && !add_chunk(tls)) {
        return NULL;
    }
    return tls->tail->data + tls->tail->used;
}

void record_output_add(struct tls_transport *tls, size_t len)
{
    HALO_ASSERT(len <= tail_room(tls));
    tls->tail->used += (uint32_t)len;
    tls->base.output_len += len;
}

bool record_output_accept(struct tls_transport *tls, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n;

        if (tail_room(tls) == 0 && !add_chunk(tls)) {
            return false;
        }
        n = min_size(len, tail_room(tls));
        memcpy(tls->tail->data + tls->tail->used, data, n);
        record_output_add(tls, n);
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
        start = 0;
    }
    return count;
}

static void drop_head(struct tls_transport *tls)
{
    struct chunk *chunk = tls->head;

    tls->head = chunk->next;
    tls->head_start = 0;
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

static bool out_of_memory(struct tls_transport *tls)
{
    tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, 0, "out of memory");
    return false;
}

/* Puts the plaintext where the record is to be, and encrypts it there. */
static bool write_sealed(struct tls_transport *tls, struct reader *reader, size_t len)
{
    uint8_t *record;

    if (!tls_records_refresh_key(tls)) {
        return false;
    }
    record = record_output_place(tls, len + RECORD_OVERHEAD);
    if (record == NULL) {
        return out_of_memory(tls);
    }
    gather(reader, record + RECORD_HEADER, len);
    if (!tls_records_seal(tls, record, len, RECORD_DATA)) {
        return false;
    }
    record_output_add(tls, len + RECORD_OVERHEAD);
    return true;
}

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

/* Through wolfSSL's own buffer, out of which record_output_accept() copies. */
static bool write_copied(struct tls_transport *tls, struct reader *reader, size_t len)
{
    struct chunk *chunk;
    bool good;

    if (in_piece(reader) >= len) {
        const uint8_t *plain = (const uint8_t *)reader->iov->iov_base + reader->offset;

        skip(reader, len);
        return encrypt(tls, plain, len);
    }
    chunk = chunk_take(tls->base.memory);
    if (chunk == NULL) {
        return out_of_memory(tls);
    }
    gather(reader, chunk->data, len);
    good = encrypt(tls, chunk->data, len);
    chunk_unref(tls->base.memory, chunk);
    return good;
}

static bool write_record(struct tls_transport *tls, struct reader *reader, size_t len)
{
    bool good = HALO_LIKELY(tls->records != NULL) ? write_sealed(tls, reader, len)
                                                  : write_copied(tls, reader, len);

    tls->warm_octets += (uint32_t)len;
    return good;
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
