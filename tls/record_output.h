/*
 * Output: records in chunks, one behind the other without gaps, so that a chunk is one piece for
 * the socket.
 *
 * A record of some size is built where it is sent from. Its plaintext is gathered into the last
 * chunk, five octets (a record header) behind the records that are there already; that place is
 * lent to wolfSSL's allocator, and wolfSSL, which asks for a buffer for the record, finds its
 * plaintext in place, and encrypts there. So a body is copied once on its way to the socket. Small
 * records, handshake flights and alerts are copied out of wolfSSL's own buffer; so is everything
 * with -Dwolfssl=system, and TLS 1.2.
 *
 * What this relies on is checked at every record: the size wolfSSL asks for, and the address it
 * hands to the send callback. A record for which they are not as expected is copied, or fails the
 * connection.
 */
#ifndef HALO_TLS_RECORD_OUTPUT_H
#define HALO_TLS_RECORD_OUTPUT_H

#include "tls/transport.h"

/* wolfSSL's buffers begin with a gap that aligns the plaintext behind the record header. The first
 * record of a chunk leaves that room, so that lent places lie inside the chunk. */
#if WOLFSSL_GENERAL_ALIGNMENT == 16
enum { RECORD_START = 11, RECORD_LOAN_EXTRA = 16 };
#else
enum { RECORD_START = 0, RECORD_LOAN_EXTRA = 0 };
#endif

/* TLS 1.3 around the plaintext: header 5 in front, content type 1 and tag 16 behind. */
enum { RECORD_HEADER = 5, RECORD_OVERHEAD = 22 };

/* wolfSSL sends: takes the octets. false: no memory. */
bool record_output_accept(struct tls_transport *tls, const uint8_t *data, size_t len);

size_t record_output_write(struct tls_transport *tls, const struct iovec *iov, int count,
                           size_t max);
int record_output_pieces(const struct tls_transport *tls, struct iovec *iov, int max);
void record_output_sent(struct tls_transport *tls, size_t len);
void record_output_clear(struct tls_transport *tls);

#endif
