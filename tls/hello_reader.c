#include "tls/hello_reader.h"

#include "core/base/ascii.h"
#include "core/base/wire.h"
#include "tls/alert.h"
#include "tls/limits.h"

enum { TYPE_CHANGE_CIPHER_SPEC = 20, TYPE_ALERT = 21, TYPE_HANDSHAKE = 22 };
enum { MESSAGE_HEADER = 4 };

void hello_reader_reset(struct hello_reader *reader, struct memory *memory, bool second)
{
    memory_free(memory, reader->record);
    *reader = (struct hello_reader){ .second = second };
}

static enum hello_status refuse(struct hello_reader *reader, int alert, const char *why)
{
    reader->alert = alert;
    reader->why = why;
    return HELLO_REFUSED;
}

/* Octets of a record header that make no record: what can be said about them? */
static enum hello_status refuse_cleartext(struct hello_reader *reader)
{
    const uint8_t *in = reader->header;

    if (memcmp(in, "PRI *", 5) == 0) {
        return refuse(reader, -1, "the client speaks HTTP/2 without TLS");
    }
    for (size_t i = 0; i < HELLO_RECORD_HEADER; i++) {
        /* "GET /", "POST ", "OPTIO": a method, perhaps the blank behind it, perhaps the target. */
        if (!ascii_is_upper((char)in[i]) && (i < 3 || (in[i] != ' ' && in[i - 1] != ' '))) {
            return refuse(reader, TLS_ALERT_UNEXPECTED_MESSAGE, "the client does not speak TLS");
        }
    }
    return refuse(reader, -1, "the client speaks HTTP/1 without TLS");
}

/* Five octets are there: is this a record that may come now? */
static enum hello_status check_header(struct hello_reader *reader)
{
    uint8_t type = reader->header[0];
    uint16_t len = load_u16(reader->header + 3);

    if (type == TYPE_ALERT && reader->header[1] == 3 && len == 2 && reader->message_len == 0) {
        reader->in_alert = true;
        reader->record_left = 2;
        return HELLO_MORE;
    }
    if (type == TYPE_CHANGE_CIPHER_SPEC && reader->second && !reader->seen_change_cipher_spec &&
        len == 1 && reader->message_len == 0) {
        /* For middleboxes, to be ignored (RFC 8446 appendix D.4). */
        reader->in_change_cipher_spec = true;
        reader->seen_change_cipher_spec = true;
        reader->record_left = 1;
        return HELLO_MORE;
    }
    if (type != TYPE_HANDSHAKE) {
        if (type >= TYPE_CHANGE_CIPHER_SPEC && type <= 24) {
            return refuse(reader, TLS_ALERT_UNEXPECTED_MESSAGE, "the client sent no ClientHello");
        }
        return refuse_cleartext(reader);
    }
    if (reader->header[1] != 3) {
        return refuse(reader, TLS_ALERT_PROTOCOL_VERSION, "the record's version is unknown");
    }
    if (len == 0) {
        /* RFC 8446 section 5.1 */
        return refuse(reader, TLS_ALERT_UNEXPECTED_MESSAGE, "a handshake record is empty");
    }
    if (len > TLS_RECORD_MAX) {
        return refuse(reader, TLS_ALERT_RECORD_OVERFLOW, "a record is too long");
    }
    reader->record_left = len;
    return HELLO_MORE;
}

static bool make_room(struct hello_reader *reader, struct memory *memory, size_t more)
{
    size_t need = HELLO_RECORD_HEADER + reader->message_len + more;
    size_t capacity = max_size(reader->capacity, TLS_CLIENT_HELLO_START);
    uint8_t *record;

    if (need <= reader->capacity) {
        return true;
    }
    while (capacity < need) {
        capacity *= 2;
    }
    capacity = min_size(capacity, HELLO_ROOM_MAX);
    HALO_ASSERT(need <= capacity); /* longer messages are refused by their header */
    record = memory_resize(memory, reader->record, capacity);
    if (record == NULL) {
        return false;
    }
    reader->record = record;
    reader->capacity = (uint32_t)capacity;
    return true;
}

/* The length that the message has in the end, or 0 while it is not known. */
static size_t final_len(const struct hello_reader *reader)
{
    if (reader->message_len < MESSAGE_HEADER) {
        return 0;
    }
    return MESSAGE_HEADER + (size_t)load_u24(hello_reader_message(reader) + 1);
}

/* Called when the message's header or its last octet has come. */
static enum hello_status check_message(struct hello_reader *reader)
{
    if (hello_reader_message(reader)[0] != 1) {
        return refuse(reader, TLS_ALERT_UNEXPECTED_MESSAGE, "the client sent no ClientHello");
    }
    if (final_len(reader) > TLS_CLIENT_HELLO_MAX) {
        return refuse(reader, TLS_ALERT_ILLEGAL_PARAMETER, "the ClientHello is too long");
    }
    if (reader->message_len < final_len(reader)) {
        return HELLO_MORE;
    }
    if (reader->record_left > 0) {
        /* Nothing may follow before our answer (RFC 8446 section 5.1). */
        return refuse(reader, TLS_ALERT_UNEXPECTED_MESSAGE,
                      "something follows the ClientHello in its record");
    }
    reader->record[0] = TYPE_HANDSHAKE;
    reader->record[1] = 3;
    reader->record[2] = reader->second ? 3 : 1; /* RFC 8446 section 5.1 */
    store_u16(reader->record + 3, (uint16_t)reader->message_len);
    return HELLO_COMPLETE;
}

/* Takes octets of the current record's content. */
static enum hello_status take_content(struct hello_reader *reader, struct memory *memory,
                                      const uint8_t *in, size_t len, size_t *taken)
{
    size_t end = final_len(reader);
    size_t n = min_size(len, reader->record_left);

    if (reader->in_alert) {
        /* The level, then the number. */
        reader->peer_alert = in[0];
        reader->record_left--;
        *taken = 1;
        return reader->record_left == 0 ? HELLO_ALERT : HELLO_MORE;
    }
    if (reader->in_change_cipher_spec) {
        if (in[0] != 1) {
            return refuse(reader, TLS_ALERT_UNEXPECTED_MESSAGE, "a ChangeCipherSpec is malformed");
        }
        reader->in_change_cipher_spec = false;
        reader->record_left = 0;
        *taken = 1;
        return HELLO_MORE;
    }
    /* First the header alone, so that no memory is taken for a message that is refused by it. */
    n = min_size(n, (end == 0 ? MESSAGE_HEADER : end) - reader->message_len);
    if (!make_room(reader, memory, n)) {
        return HELLO_NO_MEMORY;
    }
    memcpy(reader->record + HELLO_RECORD_HEADER + reader->message_len, in, n);
    reader->message_len += (uint32_t)n;
    reader->record_left = (uint16_t)(reader->record_left - n);
    *taken = n;
    return reader->message_len < MESSAGE_HEADER ? HELLO_MORE : check_message(reader);
}

enum hello_status hello_reader_take(struct hello_reader *reader, struct memory *memory,
                                    const uint8_t *in, size_t len, size_t *taken)
{
    enum hello_status status = HELLO_MORE;

    *taken = 0;
    while (*taken < len && status == HELLO_MORE) {
        if (reader->record_left > 0) {
            size_t n = 0;

            status = take_content(reader, memory, in + *taken, len - *taken, &n);
            *taken += n;
            continue;
        }
        reader->header[reader->header_len++] = in[(*taken)++];
        if (reader->header_len == HELLO_RECORD_HEADER) {
            reader->header_len = 0;
            status = check_header(reader);
        }
    }
    return status;
}
