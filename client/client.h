/*
 * The client's private face.
 *
 *   client.c       options, making, life and end
 *   connect.c      from the URL to a socket: names, addresses, TLS
 *   request.c      requests
 *   default_tls.c  the context of clients that were given none
 *   resolve.c      host names to addresses, on a helper thread
 *   dial.c         one of several addresses, in parallel
 *   url.c          URLs
 *
 * The session and its connection (core/conn) exist from the start, so that requests can be made at
 * once: they gather in the session, and the first send takes them all. The connection gets its
 * socket when there is one. So whatever goes wrong at any time takes the one way a connection ends:
 * streams are told, then the session, then the client.
 */
#ifndef HALO_CLIENT_CLIENT_H
#define HALO_CLIENT_CLIENT_H

#include <halo/client.h>

#include "client/dial.h"
#include "client/resolve.h"
#include "core/conn/conn.h"

struct halo_client {
    struct halo_loop *loop;
    struct loop_handle handle;
    halo_allocator
        allocator;     /* of the loop; its own copy, so that the client may be freed after it */
    struct conn *conn; /* NULL: gone */
    struct halo_session *session;
    halo_tls_context *tls; /* NULL: http */
    bool default_tls;      /* tls is the shared one */
    bool closed;           /* on_close was told, or is being told */
    bool telling;          /* in on_close */
    bool free_wanted;

    char *url_text; /* what the runs of `url` point into */
    struct halo_url url;
    char host[256];               /* the name, or the address without brackets */
    halo_bytes authority;         /* for requests: without the port when it is the scheme's */
    struct io_address connect_to; /* empty: resolve the host */
    struct conn_options conn_options;
    uint32_t connect_timeout_ms;
    uint64_t made_at_ns;

    /* Connecting. */
    struct resolve_lookup *lookup;
    struct dial *dial;
    struct timer timeout;

    char reason[DIAL_TEXT_SIZE]; /* why it failed */

    void (*on_connect)(halo_client *client, halo_session *session, void *user_data);
    void (*on_close)(halo_client *client, const struct halo_error *error, void *user_data);
    void *user_data;
};

/* ---- connect.c ------------------------------------------------------------------------- */

void client_init_connecting(struct halo_client *client);
/* Looks the host up and dials. 0, HALO_E_NOMEM, HALO_E_LIMIT. */
int client_connect(struct halo_client *client) HALO_MUST_USE;
/* Stops what client_connect() began, if it is not through. */
void client_stop_connecting(struct halo_client *client);

/* ---- default_tls.c --------------------------------------------------------------------- */

/* A reference to the context that trusts the system's certificates; NULL and *status when there is
 * none. */
halo_tls_context *client_default_tls_take(int *status);
void client_default_tls_give(void);

#endif
