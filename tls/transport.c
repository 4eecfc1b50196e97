/* The operations of core/conn/transport.h by wolfSSL. */
#include "tls/transport.h"

#include "tls/alert.h"
#include "tls/allocator.h"
#include "tls/library.h"
#include "tls/limits.h"
#include "tls/record_io.h"
#include "tls/record_output.h"
#include "tls/records.h"
#include "tls/tls.h"

/* ---- plaintext blocks ------------------------------------------------------------------ */

_Static_assert((int)PLAIN_BLOCK_ROOM >= (int)TLS_RECORD_MAX + 1,
               "a record's plaintext and its type fit a block");

static void block_release(struct halo_buffer *buffer)
{
    struct plain_block *block = HALO_CONTAINER(buffer, struct plain_block, buffer);

    chunk_unref(block->memory, HALO_CONTAINER(block, struct chunk, data));
}

static struct plain_block *block_new(struct memory *memory)
{
    struct chunk *chunk = chunk_take(memory);
    struct plain_block *block;

    if (chunk == NULL) {
        return NULL;
    }
    block = (struct plain_block *)(void *)chunk->data;
    buffer_init(&block->buffer, block_release);
    block->memory = memory;
    block->used = 0;
    return block;
}

static void drop_block(struct tls_transport *tls)
{
    if (tls->block != NULL) {
        buffer_unref(&tls->block->buffer);
        tls->block = NULL;
    }
}

/* The block that the next plaintext goes to: the last one as long as it has room, so that what the
 * application holds is packed densely. */
static struct plain_block *ready_block(struct tls_transport *tls)
{
    size_t wanted = tls->records != NULL ? tls_records_room_wanted(tls) : TLS_PACK_ROOM_MIN;
    struct plain_block *block = tls->block;

    if (block != NULL && block->buffer.refs == 1) {
        block->used = 0;
    }
    if (block != NULL && PLAIN_BLOCK_ROOM - block->used < wanted) {
        drop_block(tls);
    }
    if (tls->block == NULL) {
        tls->block = block_new(tls->base.memory);
    }
    return tls->block;
}

/* ---- reading --------------------------------------------------------------------------- */

/* No plaintext is left: says what ended it, if anything has. */
static void finish_reading(struct tls_transport *tls)
{
    int code = tls->pending_error;

    /* A block of which nobody holds a part goes back; else its rest is used for what comes next. */
    if (tls->block != NULL && tls->block->buffer.refs == 1) {
        drop_block(tls);
    }
    if (code == 0) {
        return;
    }
    if (tls->records != NULL) {
        tls_records_end(tls);
    }
    tls->pending_error = 0;
    if (code == WOLFSSL_ERROR_ZERO_RETURN) {
        tls->base.state = TRANSPORT_CLOSED;
    } else {
        tls_fail_code(tls, code);
    }
}

static bool wolfssl_has_plaintext(const struct tls_transport *tls)
{
    return tls->ssl != NULL && wolfSSL_pending(tls->ssl) != 0;
}

/* Is there anything to be had without more input? */
static bool something_waits(const struct tls_transport *tls)
{
    return HALO_LIKELY(tls->records != NULL) ? tls_records_waiting(tls->records)
                                             : wolfssl_has_plaintext(tls);
}

/* Reads records into the block until it is full or the input is used up. */
static void read_wolfssl(struct tls_transport *tls, struct plain_block *block)
{
    while (tls->pending_error == 0 && PLAIN_BLOCK_ROOM - block->used >= TLS_PACK_ROOM_MIN) {
        int n = wolfSSL_read(tls->ssl, block->data + block->used,
                             (int)(PLAIN_BLOCK_ROOM - block->used));

        if (n > 0) {
            block->used += (uint32_t)n;
            tls->barren_records = 0;
            if (input_queue_empty(&tls->input) && !tls->input_ended &&
                !wolfssl_has_plaintext(tls)) {
                return;
            }
            continue;
        }
        n = wolfSSL_get_error(tls->ssl, n);
        if (n == WOLFSSL_ERROR_WANT_READ) {
            return;
        }
        tls->pending_error = n;
    }
}

static void read_plaintext(struct tls_transport *tls, halo_slice *out)
{
    struct plain_block *block;
    uint32_t start;

    if (tls->pending_error != 0 ||
        (input_queue_empty(&tls->input) && !tls->input_ended && !something_waits(tls))) {
        finish_reading(tls);
        return;
    }
    block = ready_block(tls);
    if (block == NULL) {
        tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, 0, "TLS failed: out of memory");
        return;
    }
    start = block->used;
    if (HALO_LIKELY(tls->records != NULL)) {
        tls_records_read(tls, block);
    } else {
        wolfssl_forget_errors();
        tls_allocator_records_begin();
        read_wolfssl(tls, block);
        tls_allocator_records_end();
    }
    if (block->used > start) {
        buffer_ref(&block->buffer);
        *out = slice_of(&block->buffer, block->data + start, block->used - start);
        return;
    }
    finish_reading(tls);
}

/* ---- operations ------------------------------------------------------------------------ */

static void op_feed(struct transport *transport, halo_slice *in)
{
    struct tls_transport *tls = tls_of(transport);

    if (transport->state >= TRANSPORT_CLOSED) {
        halo_slice_release(in);
        return;
    }
    if (!input_queue_push(&tls->input, transport->memory, in)) {
        tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, 0, "TLS failed: out of memory");
    }
}

static void op_feed_end(struct transport *transport)
{
    tls_of(transport)->input_ended = true;
}

static enum transport_state op_read(struct transport *transport, halo_slice *out)
{
    struct tls_transport *tls = tls_of(transport);

    *out = (halo_slice){ 0 };
    if (transport->state == TRANSPORT_HANDSHAKE) {
        tls_handshake_step(tls);
    }
    if (transport->state == TRANSPORT_OPEN) {
        read_plaintext(tls, out);
    }
    if (transport->state >= TRANSPORT_CLOSED) {
        input_queue_clear(&tls->input, transport->memory);
        drop_block(tls);
    }
    return transport->state;
}

static size_t op_write(struct transport *transport, const struct iovec *iov, int count, size_t max)
{
    struct tls_transport *tls = tls_of(transport);

    HALO_ASSERT(count >= 0);
    if (transport->state != TRANSPORT_OPEN || tls->close_queued) {
        return 0;
    }
    return record_output_write(tls, iov, count, max);
}

static int op_output(struct transport *transport, struct iovec *iov, int max)
{
    return record_output_pieces(tls_of(transport), iov, max);
}

static void op_sent(struct transport *transport, size_t len)
{
    record_output_sent(tls_of(transport), len);
}

static void op_shutdown(struct transport *transport)
{
    struct tls_transport *tls = tls_of(transport);

    if (tls->close_queued || (tls->ssl == NULL && tls->records == NULL) ||
        (transport->state != TRANSPORT_OPEN && transport->state != TRANSPORT_CLOSED)) {
        return;
    }
    tls->close_queued = true;
    if (tls->records != NULL) {
        tls_records_alert(tls, TLS_ALERT_CLOSE_NOTIFY);
        return;
    }
    wolfssl_forget_errors();
    /* Its result only tells whether the peer's close_notify has come as well. */
    (void)wolfSSL_shutdown(tls->ssl);
}

static void op_idle(struct transport *transport)
{
    drop_block(tls_of(transport));
}

static void op_free(struct transport *transport)
{
    struct tls_transport *tls = tls_of(transport);
    struct memory *memory = transport->memory;

    if (tls->ssl != NULL) {
        wolfSSL_free(tls->ssl);
    }
    tls_records_free(tls);
    input_queue_clear(&tls->input, memory);
    hello_reader_reset(&tls->hello, memory, false);
    drop_block(tls);
    record_output_clear(tls);
    memory_free(memory, tls->server_name);
    memory_free(memory, tls->peer_certificate);
    halo_tls_context_free(tls->context);
    memory_free(memory, tls);
}

static const struct transport_ops operations = {
    .feed = op_feed,
    .feed_end = op_feed_end,
    .read = op_read,
    .write = op_write,
    .output = op_output,
    .sent = op_sent,
    .shutdown = op_shutdown,
    .idle = op_idle,
    .free = op_free,
};

/* ---- the door -------------------------------------------------------------------------- */

struct transport *tls_transport_new(struct memory *memory, halo_tls_context *context,
                                    const char *server_name, const uint64_t *now_ns)
{
    struct tls_transport *tls = memory_zalloc(memory, sizeof(*tls));

    if (tls == NULL) {
        return NULL;
    }
    tls_library_use_thread();
    tls->base.ops = &operations;
    tls->base.memory = memory;
    tls->base.state = TRANSPORT_HANDSHAKE;
    tls->base.alpn = "";
    tls->base.error.reason = "";
    tls->context = halo_tls_context_ref(context);
    tls->now_ns = now_ns;
    input_queue_init(&tls->input);
    if (context->role == HALO_TLS_SERVER) {
        tls->gate = GATE_READING;
    } else {
        tls->gate = GATE_OPEN;
        tls_handshake_start_client(tls, server_name);
    }
    return &tls->base;
}

void tls_transport_allow(struct transport *transport, uint32_t alpn)
{
    tls_of(transport)->alpn_more |= (uint8_t)alpn;
}

void tls_transport_facts(const struct transport *transport, struct tls_facts *facts)
{
    const struct tls_transport *tls = HALO_CONTAINER(transport, const struct tls_transport, base);
    bool done = transport->state != TRANSPORT_HANDSHAKE;
    const char *version = "";
    const char *cipher = "";

    if (done && tls->ssl != NULL) {
        version = wolfSSL_get_version(tls->ssl);
        cipher = wolfSSL_get_cipher(tls->ssl);
    } else if (done && tls->records != NULL) {
        version = "TLSv1.3";
        cipher = tls->records->cipher;
    }
    *facts = (struct tls_facts){
        .version = version,
        .cipher = cipher,
        .server_name = tls->server_name == NULL ? "" : tls->server_name,
        .peer_certificate = { (const char *)tls->peer_certificate, tls->peer_certificate_len },
    };
}
