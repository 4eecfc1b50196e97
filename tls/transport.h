/*
 * The inside of a TLS transport; for tls/ only.
 *
 *   tls.h            how a transport is made
 *   transport.c      the operations of core/conn/transport.h, and reading
 *   handshake.c      from the first octet to TRANSPORT_OPEN; the gate for ClientHellos
 *   record_io.c      wolfSSL's callbacks: octets in, octets out
 *   records.c        the records of TLS 1.3 after the handshake, without wolfSSL's record layer
 *   record_key.c     their keys and ciphers
 *   record_output.c  writing: records into chunks
 *   verify.c         the peer's certificate
 *   failure.c        what went wrong, as a status and a sentence
 */
#ifndef HALO_TLS_TRANSPORT_H
#define HALO_TLS_TRANSPORT_H

#include "core/conn/transport.h"
#include "tls/context.h"
#include "tls/hello_reader.h"
#include "tls/input_queue.h"
#include "tls/wolfssl.h"

/* Who reads the input of a server at the moment. */
enum hello_gate {
    GATE_OPEN,    /* wolfSSL; always so for clients */
    GATE_READING, /* the hello reader: wolfSSL gets nothing */
    GATE_PASSING, /* wolfSSL is reading the checked ClientHello out of the reader */
};

/* What the name of the peer's certificate is compared with by us. */
enum peer_check { CHECK_NONE, CHECK_IP, CHECK_HOST };

/* Follows the records in the octets that wolfSSL reads. */
struct record_meter {
    uint8_t header[5];
    uint8_t header_len;
    uint16_t left; /* octets of the current record that are still to come */
};

/* A block of plaintext; it lies at the front of a chunk. */
struct plain_block {
    struct halo_buffer buffer;
    struct memory *memory;
    uint32_t used;
    uint8_t data[];
};

enum { PLAIN_BLOCK_ROOM = sizeof(((struct chunk *)0)->data) - sizeof(struct plain_block) };

struct tls_records;

struct tls_transport {
    struct transport base; /* first: transports are told apart by nobody else */
    halo_tls_context *context;
    /* NULL until a ClientHello is complete, after a failure, and when the records are ours. */
    WOLFSSL *ssl;
    struct tls_records *records; /* in use when ssl is NULL */
    const uint64_t *now_ns;

    /* input */
    struct input_queue input;
    struct record_meter meter;
    struct hello_reader hello;
    uint32_t hello_read; /* octets of hello.record that wolfSSL has read */
    uint8_t gate;        /* enum hello_gate */
    uint8_t alpn_more;   /* HALO_TLS_ALPN_* beside those of the context */
    bool input_ended;
    bool close_queued;
    bool writing;          /* inside wolfSSL_write */
    bool memory_failed;    /* a callback of wolfSSL's found no memory */
    const char *violation; /* found inside a callback, which then fails */
    int violation_status;
    int pending_error; /* wolfSSL's code, to be told when the data before it has been read */
    uint32_t handshake_octets;
    uint32_t barren_records; /* since the last plaintext */
    uint32_t key_updates;    /* since key_updates_since */
    uint64_t key_updates_since;
    struct plain_block *block; /* one reference is ours */

    /* output: chunks, of which the first is sent from head_start on */
    struct chunk *head;
    struct chunk *tail;
    uint32_t head_start;
    uint32_t warm_octets; /* sent since the handshake or the last pause */
    uint64_t written_at;

    /* the peer */
    char *server_name; /* asked for (servers), connected to (clients); NULL when there is none */
    uint8_t *peer_certificate;
    size_t peer_certificate_len;
    int verify_error; /* what the verify callback said no to */
    uint8_t check;    /* enum peer_check */
    bool peer_checked;
    uint8_t ip_len;
    uint8_t ip[16];
};

static inline struct tls_transport *tls_of(struct transport *transport)
{
    return HALO_CONTAINER(transport, struct tls_transport, base);
}

static inline uint64_t tls_now(const struct tls_transport *tls)
{
    return tls->now_ns == NULL ? 0 : *tls->now_ns;
}

/* ---- handshake.c ----------------------------------------------------------------------- */

/* A client's object and first flight; the state says when that failed. */
void tls_handshake_start_client(struct tls_transport *tls, const char *server_name);
/* Goes as far as the input allows. */
void tls_handshake_step(struct tls_transport *tls);

/* ---- failure.c ------------------------------------------------------------------------- */

/* Ends the transport: TRANSPORT_FAILED, and the WOLFSSL object is freed. Not inside a callback of
 * wolfSSL. */
void tls_fail(struct tls_transport *tls, int status, enum halo_origin origin, int tls_code,
              const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same for a code of wolfSSL's, which is put into words. */
void tls_fail_code(struct tls_transport *tls, int code);
/* The same for an alert of the peer's. */
void tls_fail_alert(struct tls_transport *tls, int alert);

#endif
