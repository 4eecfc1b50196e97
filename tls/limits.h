/* Every limit of the TLS side, with the reason for its number. */
#ifndef HALO_TLS_LIMITS_H
#define HALO_TLS_LIMITS_H

/* A ClientHello with its 4 octets of header. Those of browsers have 300 to 2000 octets, large key
 * shares and tickets included; with 16 KiB it still fits one record, in which it is handed on. */
enum { TLS_CLIENT_HELLO_MAX = 16 * 1024 };

/* The first memory for a ClientHello, doubled as octets come in: a connection that sends little
 * holds little (16 384 announced octets would else cost as much as an established connection). */
enum { TLS_CLIENT_HELLO_START = 512 };

/* Extensions in a ClientHello. Browsers send about 20, RFCs define about 60. */
enum { TLS_CLIENT_HELLO_EXTENSIONS_MAX = 100 };

/* Octets received before the handshake is done, in records. Long certificate chains have 20 KiB. */
enum { TLS_HANDSHAKE_OCTETS_MAX = 64 * 1024 };

/* Records in a row that carry no application data: empty ones, key updates, tickets, warnings.
 * Servers send up to four tickets at once; 32 in a row serve nobody but a flood. */
enum { TLS_BARREN_RECORDS_MAX = 32 };

/* Key updates of the peer per minute. One is due after 2^24 records, which takes longer than a
 * minute at 100 Gbit/s; each costs us a key, and those that want an answer a record. */
enum { TLS_KEY_UPDATES_MAX = 8 };
#define TLS_KEY_UPDATES_NS UINT64_C(60000000000)

/* What we send of a handshake, certificates included: of those, wolfSSL takes so much. */
enum { TLS_FLIGHT_MAX = 64 * 1024 };

/* What wolfSSL allocates for one connection, at most at a time. Measured with 5.9.2 on 64 bits, in
 * octets that the C library gave: 29 KB in a handshake with RSA, 5 KB afterwards, 22 KB within a
 * record; 140 KB for a client's certificate that is made for it, of a thousand names and with another
 * behind it, in TLS 1.2 (tests/unit/tls/memory_test.c, which fails when this is passed). The rest is
 * reserve: for other releases, and for our own certificates, which count twice while they are sent.
 */
enum { TLS_LIBRARY_MEMORY_MAX = 256 * 1024 };

/* Plaintext in a record at most (RFC 8446 section 5.1). */
enum { TLS_RECORD_MAX = 16 * 1024 };

/* Small records while the congestion window is small: a receiver can use a record only when its
 * last octet is there, and 4 KiB are three segments. After 64 KiB the window has grown; after a
 * pause of one second the kernel shrinks it again. */
enum { TLS_RECORD_SMALL = 4 * 1024 };
enum { TLS_RECORD_WARM_UP = 64 * 1024 };
#define TLS_RECORD_PAUSE_NS UINT64_C(1000000000)

/* Shorter records are left to wolfSSL where there is an accelerator (accel.h), which expands the
 * key anew for each: with 1 KiB both take 0.23 us, with 2 KiB it takes 0.30 of wolfSSL's 0.43, and
 * what is not measured there, caches that its code and tables push others out of, costs too. */
enum { TLS_ACCEL_RECORD_MIN = 2 * 1024 };

/* Records with one key (RFC 8446 section 5.5 allows 2^24.5 full ones of AES-GCM): then a new one. */
enum { TLS_RECORDS_OF_KEY_MAX = 1 << 24 };

/* No more plaintext is put behind the last in a block when less room than this is left. */
enum { TLS_PACK_ROOM_MIN = 2 * 1024 };

/* A PEM file. Bundles of all public authorities have 250 KiB. */
enum { TLS_PEM_FILE_MAX = 4 * 1024 * 1024 };

/* Peers' keys: NIST SP 800-131A. */
enum { TLS_RSA_BITS_MIN = 2048 };
enum { TLS_ECC_BITS_MIN = 256 };

#endif
