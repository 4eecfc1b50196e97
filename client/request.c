/* Requests: what is left out is the URL's. */
#include "client/client.h"

/* ":path" of a URL that has a query and no path: RFC 9113 8.3.1 wants the '/'. */
static int put_slash(struct halo_client *client, struct halo_request *request, char **memory)
{
    halo_bytes path = request->path;

    *memory = NULL;
    if (path.len == 0 || path.data[0] != '?') {
        return 0;
    }
    *memory = memory_alloc(&client->loop->memory, path.len + 1);
    if (*memory == NULL) {
        return HALO_E_NOMEM;
    }
    (*memory)[0] = '/';
    memcpy(*memory + 1, path.data, path.len);
    request->path = (halo_bytes){ *memory, path.len + 1 };
    return 0;
}

int halo_client_request(halo_client *client, const struct halo_request *request, unsigned flags,
                        const struct halo_stream_callbacks *callbacks, void *user_data,
                        halo_stream **stream)
{
    static const halo_bytes connect = HALO_LIT("CONNECT");
    struct halo_request full = *request;
    char *path;
    int status;

    if (client->session == NULL) {
        return HALO_E_INVALID_SESSION;
    }
    /* A tunnel's authority is another host's, and it has no scheme (RFC 9113 8.5). */
    if (full.protocol.len > 0 || halo_bytes_equal(full.method, connect) == 0) {
        full.scheme = full.scheme.len > 0 ? full.scheme : client->url.scheme;
        full.authority = full.authority.len > 0 ? full.authority : client->authority;
    }
    HALO_TRY(put_slash(client, &full, &path));
    status = halo_session_request(client->session, &full, flags, user_data, stream);
    memory_free(&client->loop->memory, path);
    if (status == 0) {
        (*stream)->callbacks = callbacks;
    }
    return status;
}
