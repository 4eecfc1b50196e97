#include "client/client.h"

#include "core/base/options.h"
#include "core/proto/limits.h"
#include "tls/tls.h"

enum {
    CONNECT_TIMEOUT_MS = 10000,
    HANDSHAKE_TIMEOUT_MS = 10000,
    SEND_TIMEOUT_MS = 30000,
};

/* ---- options --------------------------------------------------------------------------- */

void halo_client_options_init_sized(struct halo_client_options *options, size_t struct_size)
{
    struct halo_client_options all = {
        .struct_size = struct_size,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS,
        .send_timeout_ms = SEND_TIMEOUT_MS,
    };

    halo_session_options_init(&all.session, HALO_CLIENT);
    options_fill(options, struct_size, &all, sizeof(all));
}

static int check_options(const struct halo_client *client,
                         const struct halo_client_options *options)
{
    halo_bytes https = HALO_LIT("https");
    bool wants_tls = halo_bytes_equal(client->url.scheme, https) != 0;

    if (client->url.host.len >= sizeof(client->host)) {
        return HALO_E_BAD_AUTHORITY;
    }
    if (wants_tls && !HALO_HAVE_TLS) {
        return HALO_E_NO_TLS;
    }
    if (options->tls != NULL && halo_tls_context_role(options->tls) != HALO_TLS_CLIENT) {
        return HALO_E_INVALID_ARGUMENT;
    }
    return 0;
}

/* The authority of requests: a port that is the scheme's goes without saying (RFC 9110 4.2.3). */
static halo_bytes authority_of(const struct halo_url *url)
{
    halo_bytes authority = url->authority;
    uint16_t usual = url->scheme.len == 5 ? 443 : 80;
    size_t host_len = url->host.len + (authority.data[0] == '[' ? 2 : 0);

    if (url->port == usual) {
        authority.len = host_len;
    }
    return authority;
}

static int copy_url(struct halo_client *client, const char *text)
{
    size_t size = strlen(text) + 1;

    client->url_text = client->allocator.alloc(size, client->allocator.ctx);
    if (client->url_text == NULL) {
        return HALO_E_NOMEM;
    }
    memcpy(client->url_text, text, size);
    return halo_url_parse(&client->url, client->url_text);
}

static int take_options(struct halo_client *client, const struct halo_client_options *options)
{
    int status = 0;

    if (options->url == NULL) {
        return HALO_E_INVALID_ARGUMENT;
    }
    HALO_TRY(copy_url(client, options->url));
    HALO_TRY(check_options(client, options));
    if (options->connect_to != NULL) {
        HALO_TRY(io_address_parse(&client->connect_to, options->connect_to));
    }
    memcpy(client->host, client->url.host.data, client->url.host.len);
    client->host[client->url.host.len] = '\0';
    client->authority = authority_of(&client->url);
    client->connect_timeout_ms = options->connect_timeout_ms;
    client->conn_options = (struct conn_options){
        .handshake_timeout_ns = (uint64_t)options->handshake_timeout_ms * 1000000u,
        .send_timeout_ns = (uint64_t)options->send_timeout_ms * 1000000u,
    };
    client->on_connect = options->on_connect;
    client->on_close = options->on_close;
    client->user_data = options->user_data;
    if (client->url.scheme.len != 5) {
        return 0;
    }
    client->default_tls = options->tls == NULL;
    client->tls = options->tls != NULL ? halo_tls_context_ref(options->tls)
                                       : client_default_tls_take(&status);
    return status;
}

/* ---- life ------------------------------------------------------------------------------ */

static void free_client(struct halo_client *client)
{
    halo_allocator allocator = client->allocator;

    HALO_ASSERT(client->conn == NULL && client->dial == NULL && client->lookup == NULL);
    if (client->tls != NULL) {
        if (client->default_tls) {
            client_default_tls_give();
        } else {
            halo_tls_context_free(client->tls);
        }
    }
    if (client->url_text != NULL) {
        allocator.release(client->url_text, allocator.ctx);
    }
    allocator.release(client, allocator.ctx);
}

/* The session's deadlines count from now on, and not from when it was made. */
static void start_clock(const struct halo_client *client)
{
    struct halo_session *session = client->session;
    uint64_t late_ns = loop_now_ns(client->loop) - client->made_at_ns;
    uint64_t *deadlines[] = {
        &session->preface_deadline_ns,
        &session->idle_deadline_ns,
        &session->drain_deadline_ns,
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(deadlines); i++) {
        *deadlines[i] += *deadlines[i] != UINT64_MAX ? late_ns : 0;
    }
    for (struct pending_settings *pending = session->pending_first; pending != NULL;
         pending = pending->next) {
        pending->deadline_ns += pending->deadline_ns != UINT64_MAX ? late_ns : 0;
    }
}

static void on_open(struct conn *conn)
{
    struct halo_client *client = conn->owner_data;
    struct halo_error refused = {
        .status = HALO_E_ALPN,
        .origin = HALO_ORIGIN_REMOTE,
        .reason = "the server does not speak HTTP/2 (ALPN)",
    };

    if (conn->transport != NULL && strcmp(conn->transport->alpn, "h2") != 0) {
        conn_refuse(conn, &refused);
        return;
    }
    client->session->goaway_remote_id = LIMIT_STREAM_ID_MAX;
    start_clock(client);
    if (client->on_connect != NULL && client->session->state < SESSION_ENDING) {
        client->on_connect(client, client->session, client->user_data);
    }
}

/* A server cannot open streams: push is not taken up. */
static void on_stream(struct conn *conn, halo_stream *stream, halo_header_list headers,
                      unsigned flags)
{
    (void)conn;
    (void)headers;
    (void)flags;
    halo_stream_reset(stream, HALO_REFUSED_STREAM);
}

static void on_closed(struct conn *conn)
{
    struct halo_client *client = conn->owner_data;
    const struct halo_error *error = conn->error.status != 0 ? &conn->error : NULL;

    client_stop_connecting(client);
    client->conn = NULL;
    client->session = NULL;
    client->closed = true;
    loop_handle_remove(&client->handle);
    loop_unref(client->loop);
    if (client->on_close != NULL) {
        client->telling = true;
        client->on_close(client, error, client->user_data);
        client->telling = false;
    }
    if (client->free_wanted) {
        free_client(client);
    }
}

static const struct conn_owner client_owner = {
    .on_open = on_open,
    .on_stream = on_stream,
    .on_closed = on_closed,
};

static void on_abort(struct loop_handle *handle)
{
    static const struct halo_error aborted = {
        .status = HALO_E_CANCELLED,
        .origin = HALO_ORIGIN_LOCAL,
        .reason = "the loop was freed",
    };
    struct halo_client *client = HALO_CONTAINER(handle, struct halo_client, handle);

    client_stop_connecting(client);
    conn_abort(client->conn, &aborted);
}

/* ---- making ---------------------------------------------------------------------------- */

static int make_session(struct halo_client *client, const struct halo_client_options *options)
{
    struct conn_env *env = conn_env_of(client->loop);
    struct halo_session_options session = options->session;

    if (env == NULL) {
        return HALO_E_NOMEM;
    }
    session.struct_size = sizeof(session);
    session.role = HALO_CLIENT;
    session.user_data = options->user_data;
    session.encrypted = client->tls != NULL;
    session.server_name = halo_str(client->host);
    session.server_port = client->url.port;
    client->made_at_ns = loop_now_ns(client->loop);
    HALO_TRY(session_new_in(&client->session, &env->proto, &session, client->made_at_ns));
    /* What ends before the connection is up was not processed by anybody, as if the server had said
     * so in a GOAWAY; on_open puts it right. */
    client->session->goaway_remote_id = 0;
    return 0;
}

static int make_conn(struct halo_client *client)
{
    client->conn = conn_new(client->loop, -1, NULL, &client_owner, client, &client->conn_options);
    if (client->conn == NULL) {
        return HALO_E_NOMEM;
    }
    conn_set_session(client->conn, client->session);
    loop_handle_add(client->loop, &client->handle, on_abort);
    loop_ref(client->loop);
    return 0;
}

static struct halo_client *new_client(struct halo_loop *loop)
{
    halo_allocator allocator = loop->memory.allocator;
    struct halo_client *client = allocator.alloc(sizeof(*client), allocator.ctx);

    if (client != NULL) {
        *client = (struct halo_client){ .loop = loop, .allocator = allocator };
        list_init(&client->handle.link);
        client_init_connecting(client);
    }
    return client;
}

/* The client, as far as it came, goes again; nothing has been called. */
static void undo(struct halo_client *client)
{
    client_stop_connecting(client);
    halo_session_free(client->session);
    free_client(client);
}

int halo_client_connect(halo_client **out, halo_loop *loop,
                        const struct halo_client_options *options)
{
    struct halo_client_options all;
    struct halo_client *client;
    int status;

    *out = NULL;
    halo_client_options_init(&all);
    HALO_TRY(options_take(&all, sizeof(all), options));
    client = new_client(loop);
    if (client == NULL) {
        return HALO_E_NOMEM;
    }
    status = take_options(client, &all);
    if (status == 0) {
        status = make_session(client, &all);
    }
    if (status == 0) {
        status = client_connect(client);
    }
    if (status == 0) {
        status = make_conn(client);
    }
    if (status != 0) {
        undo(client);
        return status;
    }
    *out = client;
    return 0;
}

/* ---- calls ----------------------------------------------------------------------------- */

halo_session *halo_client_session(const halo_client *client)
{
    return client->session;
}

void halo_client_close(halo_client *client)
{
    if (client->session != NULL) {
        halo_session_close(client->session);
    }
}

void halo_client_destroy(halo_client *client, uint32_t code)
{
    if (client->session != NULL) {
        halo_session_destroy(client->session, code);
        conn_hurry(client->conn);
    }
}

void halo_client_free(halo_client *client)
{
    if (client == NULL || client->free_wanted) {
        return;
    }
    if (client->closed && !client->telling) {
        free_client(client);
        return;
    }
    client->free_wanted = true;
    halo_client_destroy(client, HALO_NO_ERROR);
}
