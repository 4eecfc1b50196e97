/*
 * Origins (RFC 6454): scheme, host and port, read from URLs and from :authority, written in one
 * form, so that equal origins are equal octets:
 *
 *     HTTPS://Example.org:443/path  ->  https://example.org
 *     https://[2001:DB8:0::1]:8443  ->  https://[2001:db8::1]:8443
 *
 * Only http and https have origins here. Names beyond ASCII must come as A-labels. Pure: no
 * allocation, no session.
 */
#ifndef HALO_CORE_PROTO_ORIGIN_H
#define HALO_CORE_PROTO_ORIGIN_H

#include <halo/types.h>

#include "core/base/base.h"

enum {
    ORIGIN_HOST_MAX = 255, /* a name of the DNS */
    /* "https://" host ":65535" */
    ORIGIN_TEXT_MAX = 8 + ORIGIN_HOST_MAX + 6,
};

/* The text of an origin in its one form (RFC 6454 6.2). */
struct origin {
    uint16_t len;
    char text[ORIGIN_TEXT_MAX];
};

static inline halo_bytes origin_text(const struct origin *origin)
{
    return (halo_bytes){ origin->text, origin->len };
}

/* Reads an origin as it is written on the wire: scheme, "://", host, perhaps a port; nothing
 * behind. False when it is none. */
bool origin_parse(halo_bytes text, struct origin *origin);
/* The origin of a URL: a path, a query or a fragment may follow and do not matter. User
 * information makes it invalid. */
bool origin_of_url(halo_bytes url, struct origin *origin);
/* The origin of a request: ":scheme" and ":authority". */
bool origin_of_request(halo_bytes scheme, halo_bytes authority, struct origin *origin);
/* The origin of a host, as in SNI or as the text of an address (IPv6 with or without brackets), and
 * a port. */
bool origin_of_host(halo_bytes scheme, halo_bytes host, uint32_t port, struct origin *origin);

static inline bool origin_equal(const struct origin *a, const struct origin *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

#endif
