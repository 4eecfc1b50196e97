/* What <halo/connection.h> tells about sessions on a loop. */
#include "core/conn/conn.h"

void halo_stream_set_callbacks(halo_stream *stream, const struct halo_stream_callbacks *callbacks,
                               void *user_data)
{
    stream->callbacks = callbacks;
    stream->user_data = user_data;
}

void halo_session_set_callbacks(halo_session *session,
                                const struct halo_session_callbacks *callbacks, void *user_data)
{
    session->callbacks = callbacks;
    session->user_data = user_data;
}

static const struct conn *conn_of(const halo_session *session)
{
    return session->driver;
}

halo_loop *halo_session_loop(const halo_session *session)
{
    return session->driver != NULL ? conn_of(session)->loop : NULL;
}

const char *halo_session_alpn(const halo_session *session)
{
    if (session->driver == NULL || conn_of(session)->phase < CONN_OPEN) {
        return NULL;
    }
    if (conn_of(session)->http_version[0] == '1') {
        return "http/1.1";
    }
    return conn_of(session)->transport != NULL ? "h2" : "h2c";
}

const char *halo_session_http_version(const halo_session *session)
{
    return session->driver != NULL ? conn_of(session)->http_version : "2.0";
}

int halo_session_encrypted(const halo_session *session)
{
    return session->driver != NULL && conn_of(session)->transport != NULL;
}

void conn_set_peer(struct conn *conn, const struct io_address *address)
{
    struct conn_peer *peer = &conn->peer;

    HALO_ASSERT(peer->len == 0);
    if (address->len > sizeof(peer->ip)) {
        peer->local = memory_alloc(&conn->loop->memory, sizeof(*address));
        if (peer->local == NULL) {
            return;
        }
        *peer->local = *address;
        peer->is_local = true;
    } else {
        memcpy(&peer->ip, &address->any, address->len);
    }
    peer->len = address->len;
}

void conn_get_peer(const struct conn *conn, struct io_address *address)
{
    const struct conn_peer *peer = &conn->peer;

    if (peer->is_local) {
        *address = *peer->local;
        return;
    }
    *address = (struct io_address){ .len = peer->len };
    memcpy(&address->any, &peer->ip, peer->len);
}

static int address_text(const halo_session *session, char *text, size_t size, bool peer)
{
    char full[IO_ADDRESS_TEXT_MAX];
    struct io_address address;

    if (size < 64) {
        return HALO_E_INVALID_ARGUMENT;
    }
    if (session->driver == NULL || conn_of(session)->fd < 0) {
        return HALO_E_SOCKET_UNBOUND;
    }
    if ((peer ? io_address_peer(&address, conn_of(session)->fd)
              : io_address_local(&address, conn_of(session)->fd)) != 0) {
        return HALO_E_SOCKET_UNBOUND;
    }
    io_address_format(&address, full);
    full[min_size(size, sizeof(full)) - 1] = '\0';
    memcpy(text, full, strlen(full) + 1);
    return 0;
}

int halo_session_peer_address(const halo_session *session, char *text, size_t size)
{
    return address_text(session, text, size, true);
}

int halo_session_local_address(const halo_session *session, char *text, size_t size)
{
    return address_text(session, text, size, false);
}
