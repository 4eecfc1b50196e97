#include "tls/records.h"

#include "core/base/wire.h"
#include "tls/alert.h"
#include "tls/limits.h"
#include "tls/record_io.h"
#include "tls/record_output.h"

enum { CONTENT_ALERT = 21, CONTENT_HANDSHAKE = 22 };

enum { MESSAGE_TICKET = 4, MESSAGE_KEY_UPDATE = 24 };
enum { MESSAGE_HEADER = 4 };

/* A record's plaintext and its content type (RFC 8446 section 5.2). */
enum { INNER_MAX = TLS_RECORD_MAX + 1 };

_Static_assert(INNER_MAX + RECORD_TAG <= sizeof(((struct chunk *)0)->data),
               "a record that comes in parts fits a chunk");

/* ---- taking over ----------------------------------------------------------------------- */

#if HALO_TLS_PRIVATE_WOLFSSL && defined(HAVE_SECRET_CALLBACK)

/* The first secret comes within the handshake; memory for both directions is taken then. */
static int on_secret(WOLFSSL *ssl, int id, const unsigned char *secret, int len, void *ctx)
{
    struct tls_transport *tls = ctx;
    bool is_server = tls->context->role == HALO_TLS_SERVER;
    struct record_key *key;

    (void)ssl;
    if ((id != CLIENT_TRAFFIC_SECRET && id != SERVER_TRAFFIC_SECRET) || len <= 0 ||
        len > RECORD_SECRET_MAX) {
        return 0;
    }
    if (tls->records == NULL) {
        tls->records = memory_zalloc(tls->base.memory, sizeof(*tls->records));
    }
    if (tls->records == NULL) {
        tls->memory_failed = true;
        return MEMORY_E;
    }
    tls->records->peer_alert = -1;
    tls->records->alert = -1;
    key = (id == CLIENT_TRAFFIC_SECRET) == is_server ? &tls->records->in : &tls->records->out;
    memcpy(key->secret, secret, (size_t)len);
    return 0;
}

void tls_records_listen(struct tls_transport *tls)
{
    (void)wolfSSL_set_tls13_secret_cb(tls->ssl, on_secret, tls);
}

#else

void tls_records_listen(struct tls_transport *tls)
{
    (void)tls;
}

#endif

/* Records that came with the end of the handshake and are in wolfSSL's hands already stay there. */
static const struct record_suite *suite_of(const struct tls_transport *tls)
{
    if (tls->records == NULL || wolfSSL_GetVersion(tls->ssl) != WOLFSSL_TLSV1_3 ||
        wolfSSL_has_pending(tls->ssl) != 0) {
        return NULL;
    }
    return record_suite_find((uint16_t)wolfSSL_get_current_cipher_suite(tls->ssl));
}

bool tls_records_take_over(struct tls_transport *tls)
{
    const struct record_suite *suite = suite_of(tls);
    struct tls_records *records = tls->records;

    if (suite == NULL) {
        tls_records_free(tls);
        return true;
    }
    records->suite = suite;
    records->cipher = wolfSSL_get_cipher(tls->ssl);
    if (record_key_make(&records->in, suite) != 0 || record_key_make(&records->out, suite) != 0) {
        tls_fail(tls, HALO_E_NOMEM, HALO_ORIGIN_SYSTEM, 0, "TLS handshake failed: out of memory");
        return false;
    }
    wolfSSL_free(tls->ssl);
    tls->ssl = NULL;
    return true;
}

void tls_records_free(struct tls_transport *tls)
{
    struct tls_records *records = tls->records;

    if (records == NULL) {
        return;
    }
    tls->records = NULL;
    record_key_wipe(&records->in);
    record_key_wipe(&records->out);
    if (records->partial != NULL) {
        chunk_unref(tls->base.memory, records->partial);
    }
    memory_free(tls->base.memory, records);
}

/* ---- writing --------------------------------------------------------------------------- */

static int seal(struct tls_transport *tls, uint8_t *record, size_t len, uint8_t type)
{
    uint8_t *text = record + RECORD_HEADER;

    record[0] = RECORD_DATA; /* as it looks; what it is stands behind the plaintext */
    store_u16(record + 1, 0x0303);
    store_u16(record + 3, (uint16_t)(len + 1 + RECORD_TAG));
    text[len] = type;
    return record_key_seal(&tls->records->out, record, text, len + 1);
}

bool tls_records_seal(struct tls_transport *tls, uint8_t *record, size_t len, uint8_t type)
{
    int error = seal(tls, record, len, type);

    if (HALO_UNLIKELY(error != 0)) {
        /* What broke the key may be known already, and not told yet. */
        tls_fail_code(tls, tls->pending_error != 0 ? tls->pending_error : error);
    }
    return error == 0;
}

/* A short record that is not data. 0 or wolfSSL's code; the transport goes on in any case. */
static int send_short(struct tls_transport *tls, uint8_t type, const uint8_t *octets, size_t len)
{
    uint8_t *record = record_output_place(tls, len + RECORD_OVERHEAD);
    int error;

    if (record == NULL) {
        return MEMORY_E;
    }
    memcpy(record + RECORD_HEADER, octets, len);
    error = seal(tls, record, len, type);
    if (error == 0) {
        record_output_add(tls, len + RECORD_OVERHEAD);
    }
    return error;
}

static int send_update(struct tls_transport *tls, bool request)
{
    const uint8_t message[5] = { MESSAGE_KEY_UPDATE, 0, 0, 1, request };
    int error = send_short(tls, CONTENT_HANDSHAKE, message, sizeof(message));

    return error != 0 ? error : record_key_update(&tls->records->out, tls->records->suite);
}

bool tls_records_update(struct tls_transport *tls, bool request)
{
    int error = send_update(tls, request);

    if (error != 0) {
        tls_fail_code(tls, error);
    }
    return error == 0;
}

bool tls_records_refresh_key(struct tls_transport *tls)
{
    return HALO_LIKELY(tls->records->out.sequence < TLS_RECORDS_OF_KEY_MAX) ||
           tls_records_update(tls, false);
}

void tls_records_alert(struct tls_transport *tls, uint8_t alert)
{
    const uint8_t octets[2] = { alert == TLS_ALERT_CLOSE_NOTIFY ? 1 : 2, alert };

    (void)send_short(tls, CONTENT_ALERT, octets, sizeof(octets));
}

/* ---- what is not data ------------------------------------------------------------------ */

/* What came before is told first, then this: the alert too waits until then, for the application
 * may answer what came before, and after an alert nothing is sent (RFC 8446 section 6.2). The code
 * stands for the sentence, see failure.c. */
static void refuse(struct tls_transport *tls, uint8_t alert, int code)
{
    tls->records->alert = alert;
    tls->pending_error = code;
}

void tls_records_end(struct tls_transport *tls)
{
    struct tls_records *records = tls->records;

    if (records->alert >= 0 && !tls->close_queued) {
        tls_records_alert(tls, (uint8_t)records->alert);
    }
    records->alert = -1;
}

static void refuse_too_much(struct tls_transport *tls, const char *sentence)
{
    tls->violation = sentence;
    tls->violation_status = HALO_E_LIMIT;
    refuse(tls, TLS_ALERT_UNEXPECTED_MESSAGE, FATAL_ERROR);
}

/* RFC 8446 section 4.6.3. `is_last`: it ends its record, as what comes before a new key must
 * (section 5.1). */
static void take_key_update(struct tls_transport *tls, uint8_t request, bool is_last)
{
    struct tls_records *records = tls->records;
    int error;

    if (request > 1) {
        refuse(tls, TLS_ALERT_ILLEGAL_PARAMETER, PARSE_ERROR);
        return;
    }
    if (!is_last) {
        refuse(tls, TLS_ALERT_UNEXPECTED_MESSAGE, OUT_OF_ORDER_E);
        return;
    }
    if (!tls_key_update_allowed(tls)) {
        refuse_too_much(tls, "the peer asks for too many key updates");
        return;
    }
    error = record_key_update(&records->in, records->suite);
    if (error == 0 && request == 1 && !tls->close_queued) {
        error = send_update(tls, false);
    }
    tls->pending_error = error;
}

/* The header of a message is complete. False: it does not belong here. */
static bool begin_message(struct tls_transport *tls)
{
    struct tls_records *records = tls->records;
    uint32_t len = load_u24(records->message + 1);

    if (records->message[0] == MESSAGE_TICKET && tls->context->role == HALO_TLS_CLIENT) {
        records->message_skip = len;
        records->message_len = 0;
        return true;
    }
    if (records->message[0] != MESSAGE_KEY_UPDATE) {
        refuse(tls, TLS_ALERT_UNEXPECTED_MESSAGE, UNKNOWN_HANDSHAKE_TYPE);
        return false;
    }
    if (len != 1) {
        refuse(tls, TLS_ALERT_DECODE_ERROR, BUFFER_ERROR);
        return false;
    }
    return true;
}

/* Messages may be cut anywhere, and several may be in a record. */
static void take_handshake(struct tls_transport *tls, const uint8_t *at, size_t len)
{
    struct tls_records *records = tls->records;

    if (len == 0) {
        refuse(tls, TLS_ALERT_UNEXPECTED_MESSAGE, LENGTH_ERROR); /* RFC 8446 section 5.4 */
        return;
    }
    while (len > 0 && tls->pending_error == 0) {
        size_t skip = min_size(len, records->message_skip);

        records->message_skip -= (uint32_t)skip;
        at += skip;
        len -= skip;
        if (len == 0) {
            return;
        }
        records->message[records->message_len++] = *at++;
        len--;
        if (records->message_len == MESSAGE_HEADER && !begin_message(tls)) {
            return;
        }
        if (records->message_len == sizeof(records->message)) {
            records->message_len = 0;
            take_key_update(tls, records->message[MESSAGE_HEADER], len == 0);
        }
    }
}

/* RFC 8446 section 6; none is empty (section 5.4). */
static void take_alert(struct tls_transport *tls, const uint8_t *octets, size_t len)
{
    if (len == 0) {
        refuse(tls, TLS_ALERT_UNEXPECTED_MESSAGE, LENGTH_ERROR);
    } else if (len != 2) {
        refuse(tls, TLS_ALERT_DECODE_ERROR, BUFFER_ERROR);
    } else if (octets[1] == TLS_ALERT_CLOSE_NOTIFY) {
        tls->pending_error = WOLFSSL_ERROR_ZERO_RETURN;
    } else if (octets[1] != TLS_ALERT_USER_CANCELED) {
        tls->records->peer_alert = octets[1];
        tls->pending_error = FATAL_ERROR;
    }
}

static void take_content(struct tls_transport *tls, struct plain_block *block,
                         const uint8_t *octets, size_t len, uint8_t type)
{
    const struct tls_records *records = tls->records;
    bool in_message = records->message_len > 0 || records->message_skip > 0;

    if (HALO_LIKELY(type == RECORD_DATA && !in_message)) {
        block->used += (uint32_t)len;
        tls->barren_records = len > 0 ? 0 : tls->barren_records;
    } else if (type == CONTENT_HANDSHAKE) {
        take_handshake(tls, octets, len);
    } else if (type == CONTENT_ALERT && !in_message) {
        take_alert(tls, octets, len);
    } else {
        refuse(tls, TLS_ALERT_UNEXPECTED_MESSAGE,
               in_message ? OUT_OF_ORDER_E : UNKNOWN_RECORD_TYPE);
    }
}

/* ---- reading --------------------------------------------------------------------------- */

/* What is wrong with a record can be seen by its header. */
static bool header_is_good(struct tls_transport *tls, const uint8_t header[RECORD_HEADER])
{
    size_t len = load_u16(header + 3);

    if (tls->barren_records++ > TLS_BARREN_RECORDS_MAX) {
        refuse_too_much(tls, "the peer sends records without data");
    } else if (header[0] != RECORD_DATA) {
        refuse(tls, TLS_ALERT_UNEXPECTED_MESSAGE, UNKNOWN_RECORD_TYPE);
    } else if (len > INNER_MAX + RECORD_TAG) {
        refuse(tls, TLS_ALERT_RECORD_OVERFLOW, LENGTH_ERROR);
    } else if (len < 1 + RECORD_TAG) {
        refuse(tls, TLS_ALERT_BAD_RECORD_MAC, VERIFY_MAC_ERROR); /* no room for a tag */
    } else {
        return true;
    }
    return false;
}

/* Decrypts one record behind what the block holds. */
static void open_record(struct tls_transport *tls, struct plain_block *block,
                        const uint8_t header[RECORD_HEADER], const uint8_t *text)
{
    size_t len = load_u16(header + 3);
    uint8_t *out = block->data + block->used;

    if (record_key_open(&tls->records->in, header, text, len, out) != 0) {
        refuse(tls, TLS_ALERT_BAD_RECORD_MAC, VERIFY_MAC_ERROR);
        return;
    }
    len -= RECORD_TAG;
    while (len > 0 && out[len - 1] == 0) {
        len--; /* padding (RFC 8446 section 5.4) */
    }
    if (len == 0) {
        refuse(tls, TLS_ALERT_UNEXPECTED_MESSAGE, UNKNOWN_RECORD_TYPE);
        return;
    }
    take_content(tls, block, out, len - 1, out[len - 1]);
}

/* A record that is too long is refused before it needs any: it has as much as the longest one. */
static bool has_room(const struct plain_block *block, const uint8_t header[RECORD_HEADER])
{
    size_t len = min_size(load_u16(header + 3), INNER_MAX + RECORD_TAG);

    return block->used + len <= PLAIN_BLOCK_ROOM + RECORD_TAG;
}

/* Octets for the record that has begun: first its header, then the rest. Nothing of it stays in the
 * receive buffers, of which a peer could else hold many by sending little. False: not all there. */
static bool gather(struct tls_transport *tls)
{
    struct tls_records *records = tls->records;
    size_t wanted;

    records->header_len +=
        (uint8_t)input_queue_read(&tls->input, records->header + records->header_len,
                                  sizeof(records->header) - records->header_len);
    if (records->header_len < sizeof(records->header)) {
        return false;
    }
    if (records->partial == NULL) {
        if (!header_is_good(tls, records->header)) {
            return false;
        }
        records->partial = chunk_take(tls->base.memory);
        if (records->partial == NULL) {
            tls->pending_error = MEMORY_E;
            return false;
        }
        records->partial->used = 0;
    }
    wanted = load_u16(records->header + 3) - records->partial->used;
    records->partial->used += (uint32_t)input_queue_read(
        &tls->input, records->partial->data + records->partial->used, wanted);
    return records->partial->used == load_u16(records->header + 3);
}

/* The record that was gathered. */
static void open_partial(struct tls_transport *tls, struct plain_block *block)
{
    struct tls_records *records = tls->records;
    struct chunk *chunk = records->partial;

    records->partial = NULL;
    records->header_len = 0;
    open_record(tls, block, records->header, chunk->data);
    chunk_unref(tls->base.memory, chunk);
}

/* A record that lies in one receive buffer is read where it is. False: there is none. */
static bool open_in_place(struct tls_transport *tls, struct plain_block *block, bool *full)
{
    halo_slice in = input_queue_peek(&tls->input);
    size_t len;

    if (tls->records->header_len > 0 || in.len < RECORD_HEADER) {
        return false;
    }
    len = RECORD_HEADER + (size_t)load_u16(in.data + 3);
    if (in.len < len) {
        return false;
    }
    *full = !has_room(block, in.data);
    if (!*full && header_is_good(tls, in.data)) {
        open_record(tls, block, in.data, in.data + RECORD_HEADER);
        input_queue_skip(&tls->input, len);
    }
    return true;
}

size_t tls_records_room_wanted(const struct tls_transport *tls)
{
    const struct tls_records *records = tls->records;
    halo_slice in = input_queue_peek(&tls->input);
    size_t len = INNER_MAX;

    if (records->header_len == sizeof(records->header)) {
        len = load_u16(records->header + 3);
    } else if (records->header_len == 0 && in.len >= RECORD_HEADER) {
        len = load_u16(in.data + 3);
    }
    return min_size(len, INNER_MAX);
}

void tls_records_read(struct tls_transport *tls, struct plain_block *block)
{
    struct tls_records *records = tls->records;
    bool full = false;

    while (tls->pending_error == 0 && !full) {
        if (open_in_place(tls, block, &full)) {
            continue;
        }
        if (!gather(tls)) {
            break;
        }
        full = !has_room(block, records->header);
        if (!full) {
            open_partial(tls, block);
        }
    }
    if (tls->pending_error == 0 && !full && tls->input_ended) {
        tls->pending_error = SOCKET_PEER_CLOSED_E;
    }
}
