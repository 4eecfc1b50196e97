/*
 * The records of TLS 1.3 once the handshake is done (RFC 8446 section 5).
 *
 * wolfSSL does the handshake. Then its traffic secrets are taken over, its object is freed, and
 * records are made and read here, with wolfCrypt's ciphers: straight from the receive buffers and
 * straight into the output, and a connection holds two keys instead of all that a handshake needs.
 * For small records that is a third of the instructions, for large ones one copy less each way
 * (docs/performance.md). What else may come after a handshake is little: key updates, tickets
 * (which are skipped: halo does not resume) and alerts.
 *
 * TLS 1.2, and a wolfSSL that is not halo's own, keep all records in wolfSSL.
 */
#ifndef HALO_TLS_RECORDS_H
#define HALO_TLS_RECORDS_H

#include "tls/record_key.h"
#include "tls/transport.h"

/* TLS 1.3 around the plaintext: header 5 in front, content type 1 and tag 16 behind. */
enum { RECORD_OVERHEAD = RECORD_HEADER + 1 + RECORD_TAG };

enum { RECORD_DATA = 23 }; /* content type application_data */

struct tls_records {
    const struct record_suite *suite;
    const char *cipher; /* its name; wolfSSL's constant */
    struct record_key in;
    struct record_key out;

    /* A record that is not all there yet: its header, then its octets in a chunk. */
    uint8_t header[RECORD_HEADER];
    uint8_t header_len;
    struct chunk *partial;

    /* A message that is not all there yet: type and length, and the octet of a key update. */
    uint8_t message[5];
    uint8_t message_len;
    uint32_t message_skip; /* octets of a ticket still to come */

    int16_t peer_alert; /* the alert that ended it; -1: none has come */
    int16_t alert;      /* to be sent when the end is told; -1: none */
};

/* Before the handshake: has wolfSSL tell the traffic secrets. */
void tls_records_listen(struct tls_transport *tls);
/* After it: takes over, if the connection is one whose records can be made here. Else wolfSSL goes
 * on. False: no memory for it, or no key; the transport is failed. */
bool tls_records_take_over(struct tls_transport *tls);
void tls_records_free(struct tls_transport *tls);

/* How many octets of a block the next record may need, before it is known to be short. */
size_t tls_records_room_wanted(const struct tls_transport *tls);
/* Decrypts what is there into the block, as long as it has room for it. What ends the connection is
 * left in tls->pending_error. */
void tls_records_read(struct tls_transport *tls, struct plain_block *block);
/* The end is told now: the peer is told as well, if it is to blame. */
void tls_records_end(struct tls_transport *tls);

/* Is there a whole record for which the last block had no room? */
static inline bool tls_records_waiting(const struct tls_records *records)
{
    const struct chunk *partial = records->partial;

    return partial != NULL &&
           partial->used == (uint32_t)(records->header[3] << 8 | records->header[4]);
}

/* Makes a record of `len` octets, which are at record + RECORD_HEADER already; RECORD_OVERHEAD
 * octets more are its. False: the transport is failed. */
bool tls_records_seal(struct tls_transport *tls, uint8_t *record, size_t len, uint8_t type);
/* Before each record: changes the key when it has made many. False: the transport is failed. */
bool tls_records_refresh_key(struct tls_transport *tls);
/* Asks for new keys in both directions, or says that ours is new (RFC 8446 section 4.6.3). */
bool tls_records_update(struct tls_transport *tls, bool request);
/* Sends an alert: a warning (close_notify), or what ends the connection. Without memory or a key
 * for it there is none. */
void tls_records_alert(struct tls_transport *tls, uint8_t alert);

#endif
