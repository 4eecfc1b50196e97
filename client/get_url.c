/* The connections of halo-get: one for each origin, used again as long as it takes requests. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/get.h"

static bool same_origin(const struct halo_url *a, const struct halo_url *b)
{
    return a->port == b->port && a->scheme.len == b->scheme.len && a->host.len == b->host.len &&
           strncasecmp(a->host.data, b->host.data, a->host.len) == 0;
}

static void on_connect(halo_client *client, halo_session *session, void *user_data)
{
    (void)client;
    get_trace_connected(user_data, session);
}

static void on_close(halo_client *client, const struct halo_error *error, void *user_data)
{
    struct get_connection *connection = user_data;

    get_trace_note(connection, "connection closed%s%s", error != NULL ? ": " : "",
                   error != NULL ? error->reason : "");
    connection->client = NULL;
    halo_client_free(client);
}

/* Connects to the origin of the URL. */
static int open_connection(struct get_connection **out, struct get *get,
                           const struct get_transfer *transfer)
{
    struct get_connection *connection = calloc(1, sizeof(*connection));
    struct halo_client_options options;
    int status;

    if (connection == NULL) {
        return HALO_E_NOMEM;
    }
    connection->get = get;
    connection->url = &transfer->url;
    connection->number = get->num_connections + 1;
    halo_client_options_init(&options);
    options.url = transfer->url_text;
    options.tls = get->tls;
    if (get->options.connect_timeout_ms > 0) {
        options.connect_timeout_ms = get->options.connect_timeout_ms;
        options.handshake_timeout_ms = get->options.connect_timeout_ms;
    }
    /* A window of one stream as large as the connection's: downloads are not held up by the way
     * there and back. */
    options.session.connection_window_size = 16 * 1024 * 1024;
    options.session.settings.initial_window_size = 16 * 1024 * 1024;
    options.session.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_INITIAL_WINDOW_SIZE);
    options.session.on_frame = get->options.verbose ? get_trace_frame : NULL;
    options.on_connect = on_connect;
    options.on_close = on_close;
    options.user_data = connection;
    status = halo_client_connect(&connection->client, get->loop, &options);
    if (status != 0) {
        free(connection);
        return status;
    }
    get->num_connections++;
    connection->next = get->connections;
    get->connections = connection;
    *out = connection;
    return 0;
}

int get_connection_find(struct get_connection **out, struct get *get,
                        const struct get_transfer *transfer, bool fresh)
{
    for (struct get_connection *at = get->connections; at != NULL && !fresh; at = at->next) {
        if (at->client != NULL && same_origin(at->url, &transfer->url) &&
            !halo_session_is_closed(halo_client_session(at->client))) {
            *out = at;
            return 0;
        }
    }
    return open_connection(out, get, transfer);
}

void get_connections_close(struct get *get)
{
    for (struct get_connection *at = get->connections; at != NULL; at = at->next) {
        if (at->client != NULL) {
            halo_client_close(at->client);
        }
    }
}

void get_connections_free(struct get *get)
{
    while (get->connections != NULL) {
        struct get_connection *first = get->connections;

        get->connections = first->next;
        free(first);
    }
}
