/*
 * The ClientHello, checked before wolfSSL sees it.
 *
 * A ClientHello is the largest piece of input that a stranger can put to a server, and its parsers
 * have been the most frequent holes of TLS libraries (for wolfSSL: CVE-2026-3547, CVE-2025-11936,
 * CVE-2025-11933). This one is strict: every length must come out even, no extension may occur
 * twice, no list may be empty that must not be. What passes is well-formed; what it means (which
 * suite, which group) stays the library's business. It allocates nothing and knows nothing of
 * wolfSSL. On the way it picks up what a server needs to know before it spends memory: the name
 * that is asked for, the protocols and the versions offered.
 */
#ifndef HALO_TLS_CLIENT_HELLO_H
#define HALO_TLS_CLIENT_HELLO_H

#include <halo/types.h>

#include "core/base/base.h"

/* Points into the message. */
struct client_hello {
    halo_bytes server_name; /* as sent; empty when none is asked for */
    halo_bytes alpn;        /* names, each with an octet of length in front; empty when not sent */
    halo_bytes groups;      /* of supported_groups, two octets each */
    bool has_alpn;
    bool offers_tls12;
    bool offers_tls13;

    /* When it is refused: the alert, and why, as the rest of a sentence. */
    uint8_t alert;
    const char *why;
};

/* Checks one whole handshake message, header included. false: refused. */
bool client_hello_parse(struct client_hello *hello, const uint8_t *message,
                        size_t len) HALO_MUST_USE;

/* Does the client offer this protocol? */
bool client_hello_offers(const struct client_hello *hello, const char *protocol);

/* Does it list this group (a number of the registry)? */
bool client_hello_lists_group(const struct client_hello *hello, uint16_t group);

/* The next name of the list, "" at its end; for messages. `rest` starts as hello->alpn. */
halo_bytes client_hello_next_protocol(halo_bytes *rest);

#endif
