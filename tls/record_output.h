/*
 * Output: records in chunks, one behind the other without gaps, so that a chunk is one piece for
 * the socket. Those of TLS 1.3 are made where they are sent from (records.h): a body is copied once
 * on its way to the socket. What wolfSSL makes is copied out of its buffer.
 */
#ifndef HALO_TLS_RECORD_OUTPUT_H
#define HALO_TLS_RECORD_OUTPUT_H

#include "tls/transport.h"

/* A place for `len` octets in one piece, behind what is there. NULL: no memory. Then so many octets
 * at it are sent. */
uint8_t *record_output_place(struct tls_transport *tls, size_t len);
void record_output_add(struct tls_transport *tls, size_t len);

/* wolfSSL sends: takes the octets. false: no memory. */
bool record_output_accept(struct tls_transport *tls, const uint8_t *data, size_t len);

size_t record_output_write(struct tls_transport *tls, const struct iovec *iov, int count,
                           size_t max);
int record_output_pieces(const struct tls_transport *tls, struct iovec *iov, int max);
void record_output_sent(struct tls_transport *tls, size_t len);
void record_output_clear(struct tls_transport *tls);

#endif
