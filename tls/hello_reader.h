/*
 * Gathers the ClientHello from the records of a client's first flight, however they are cut, up to
 * the last octet of the message and not one further. The message is then handed to wolfSSL in one
 * record of its own: records do not count in the handshake's transcript (RFC 8446 section 4.4.1),
 * so nobody can tell.
 *
 * The same is done for the second ClientHello, after a HelloRetryRequest.
 */
#ifndef HALO_TLS_HELLO_READER_H
#define HALO_TLS_HELLO_READER_H

#include "core/base/memory.h"
#include "tls/limits.h"

enum { HELLO_RECORD_HEADER = 5 };

/* What a reader may have allocated: the longest message, and what it was moved from. */
enum {
    HELLO_ROOM_MAX = HELLO_RECORD_HEADER + TLS_CLIENT_HELLO_MAX,
    HELLO_MEMORY_MAX = HELLO_ROOM_MAX + TLS_CLIENT_HELLO_MAX,
};

enum hello_status {
    HELLO_MORE,     /* all octets were taken, more are needed */
    HELLO_COMPLETE, /* record .. record + record_len holds the message in one record */
    HELLO_REFUSED,  /* see alert and why */
    HELLO_ALERT,    /* the client sent peer_alert instead */
    HELLO_NO_MEMORY,
};

struct hello_reader {
    uint8_t *record; /* room for a record header, then the message */
    uint32_t capacity;
    uint32_t message_len; /* octets of the message so far */
    uint16_t record_left; /* octets of the current record that are still to come */
    uint8_t header_len;   /* octets of the current record header so far */
    uint8_t header[HELLO_RECORD_HEADER];
    bool second; /* after a HelloRetryRequest: a ChangeCipherSpec may come first */
    bool in_change_cipher_spec;
    bool seen_change_cipher_spec;
    bool in_alert;
    /* HELLO_REFUSED: what to answer, an alert's number, or -1: nothing (the client does not speak
     * TLS and would not understand it, or has sent an alert itself); and a sentence. */
    int alert;
    const char *why;
    int peer_alert; /* HELLO_ALERT: its number */
};

/* Zero is a new reader. Makes it ready for another message; frees what it held. */
void hello_reader_reset(struct hello_reader *reader, struct memory *memory, bool second);

/* Takes octets of the wire. *taken says how many: all of them with HELLO_MORE. */
enum hello_status hello_reader_take(struct hello_reader *reader, struct memory *memory,
                                    const uint8_t *in, size_t len, size_t *taken) HALO_MUST_USE;

/* The message of a complete reader. */
static inline const uint8_t *hello_reader_message(const struct hello_reader *reader)
{
    return reader->record + HELLO_RECORD_HEADER;
}

#endif
