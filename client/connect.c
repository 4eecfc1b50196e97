/*
 * From the URL to a connection: the host's addresses, one socket, and TLS on it. Failures end in
 * conn_abort(), which tells everybody.
 */
#include <stdio.h>

#include "client/client.h"
#include "tls/tls.h"

/* The connection cannot come up. `reason` is copied. */
static void fail(struct halo_client *client, int status, int system_errno, const char *reason)
{
    struct halo_error error = {
        .status = status,
        .origin = HALO_ORIGIN_SYSTEM,
        .system_errno = system_errno,
        .reason = client->reason,
    };

    client_stop_connecting(client);
    if (reason != client->reason) {
        snprintf(client->reason, sizeof(client->reason), "%s", reason);
    }
    conn_abort(client->conn, &error);
}

void client_stop_connecting(struct halo_client *client)
{
    loop_timer_clear(client->loop, &client->timeout);
    if (client->lookup != NULL) {
        resolve_cancel(client->lookup);
        client->lookup = NULL;
    }
    if (client->dial != NULL) {
        dial_cancel(client->dial);
        client->dial = NULL;
    }
}

static void on_timeout(struct timer *timer)
{
    struct halo_client *client = HALO_CONTAINER(timer, struct halo_client, timeout);
    uint32_t ms = client->connect_timeout_ms;

    if (client->lookup != NULL) {
        snprintf(client->reason, sizeof(client->reason), "host name %s not resolved within %u ms",
                 client->host, ms);
    } else {
        snprintf(client->reason, sizeof(client->reason), "no connection to %.*s within %u ms",
                 (int)client->url.authority.len, client->url.authority.data, ms);
    }
    fail(client, HALO_E_TIMEOUT, 0, client->reason);
}

/* TLS compares the certificate's name and the one we ask for; neither ends in a dot (RFC 6066). */
static struct transport *make_transport(struct halo_client *client)
{
    char name[sizeof(client->host)];
    size_t len = strlen(client->host);

    memcpy(name, client->host, len + 1);
    if (len > 1 && name[len - 1] == '.') {
        name[len - 1] = '\0';
    }
    return tls_transport_new(&client->loop->memory, client->tls, name, &client->loop->now_ns);
}

static void on_dialed(void *ctx, const struct dial_result *result)
{
    struct halo_client *client = ctx;
    struct transport *transport = NULL;

    client->dial = NULL;
    if (result->fd < 0) {
        fail(client, HALO_E_CONNECT, result->system_errno, result->reason);
        return;
    }
    loop_timer_clear(client->loop, &client->timeout);
    if (client->tls != NULL) {
        transport = make_transport(client);
        if (transport == NULL) {
            io_close(client->loop, result->fd);
            fail(client, HALO_E_NOMEM, 0, "out of memory");
            return;
        }
    }
    conn_set_peer(client->conn, result->peer);
    conn_attach(client->conn, result->fd, transport, &client->conn_options);
    client->conn->receiver.is_local = result->peer->any.sa_family == AF_UNIX;
    conn_start(client->conn);
}

static int dial(struct halo_client *client, const struct io_address *addresses, uint32_t count)
{
    return dial_start(&client->dial, client->loop, client->host, addresses, count, on_dialed,
                      client);
}

static void on_resolved(void *ctx, const struct resolve_result *result)
{
    struct halo_client *client = ctx;

    client->lookup = NULL;
    if (result->error != 0) {
        resolve_explain(client->reason, sizeof(client->reason), client->host, result);
        fail(client, HALO_E_RESOLVE, result->system_errno, client->reason);
    } else if (dial(client, result->addresses, result->count) != 0) {
        fail(client, HALO_E_NOMEM, 0, "out of memory");
    }
}

void client_init_connecting(struct halo_client *client)
{
    timer_init(&client->timeout, on_timeout);
}

int client_connect(struct halo_client *client)
{
    struct io_address address = client->connect_to;
    int status;

    if (address.len != 0 || io_address_from_ip(&address, client->host, client->url.port) == 0) {
        status = dial(client, &address, 1);
    } else {
        status = resolve_start(&client->lookup, client->loop, client->host, client->url.port,
                               on_resolved, client);
    }
    if (status == 0 && client->connect_timeout_ms > 0) {
        loop_timer_set(client->loop, &client->timeout,
                       (uint64_t)client->connect_timeout_ms * 1000000u);
    }
    return status;
}
