/*
 * A server that takes bodies and drops them: what the rows of bench/peers.sh about POST measure of halo.
 *
 *     upload_server [CERTIFICATE KEY]
 *
 * Listens on free ports of 127.0.0.1, prints "listening post-h2c ADDRESS" (and "listening post-tls ADDRESS"),
 * and answers every request, once all of its body has come, with the number of octets that it had.
 */
#include <stdio.h>

#include <halo/halo.h>

/* The body is handed to an application, which has no use for it. */
static void on_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    (void)stream;
    (void)data;
    (void)len;
    (void)user_data;
}

static void on_end(halo_stream *stream, void *user_data)
{
    struct halo_stream_info info;
    char text[32];
    size_t len;

    (void)user_data;
    halo_stream_get_info(stream, &info);
    len = (size_t)snprintf(text, sizeof(text), "%llu\n", (unsigned long long)info.octets_received);
    halo_stream_respond(stream, 200, NULL, 0);
    halo_stream_write(stream, text, len, HALO_END_STREAM);
}

static const struct halo_stream_callbacks callbacks = { .on_data = on_data, .on_end = on_end };

static void on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data)
{
    (void)headers;
    (void)user_data;
    if ((flags & HALO_END_STREAM) != 0) {
        on_end(stream, NULL);
    } else {
        halo_stream_set_callbacks(stream, &callbacks, NULL);
    }
}

static int listen_on(halo_server *server, uint32_t index, halo_tls_context *tls)
{
    char address[64];

    if (halo_server_listen(server, "127.0.0.1:0", tls) != 0 ||
        halo_server_address(server, index, address, sizeof(address)) != 0) {
        fprintf(stderr, "upload_server: %s\n", halo_server_error(server));
        return 1;
    }
    printf("listening %s %s\n", tls == NULL ? "post-h2c" : "post-tls", address);
    return 0;
}

static int listen_tls(halo_server *server, char **files)
{
    struct halo_tls_options options;
    halo_tls_context *tls;
    char why[256];
    int status;

    halo_tls_options_init(&options);
    options.role = HALO_TLS_SERVER;
    options.certificate_file = files[0];
    options.private_key_file = files[1];
    if (halo_tls_context_new(&tls, &options, why, sizeof(why)) != 0) {
        fprintf(stderr, "upload_server: %s\n", why);
        return 1;
    }
    status = listen_on(server, 1, tls);
    halo_tls_context_free(tls);
    return status;
}

int main(int argc, char **argv)
{
    struct halo_server_options options;
    halo_server *server;
    halo_loop *loop;

    if (argc != 1 && argc != 3) {
        fprintf(stderr, "usage: upload_server [CERTIFICATE KEY]\n");
        return 2;
    }
    halo_server_options_init(&options);
    options.on_stream = on_stream;
    if (halo_loop_new(&loop, NULL) != 0 || halo_server_new(&server, loop, &options) != 0) {
        fprintf(stderr, "upload_server: out of memory\n");
        return 1;
    }
    if (listen_on(server, 0, NULL) != 0 || (argc == 3 && listen_tls(server, argv + 1) != 0)) {
        return 1;
    }
    if (halo_server_start(server) != 0) {
        fprintf(stderr, "upload_server: %s\n", halo_server_error(server));
        return 1;
    }
    fflush(stdout);
    return halo_loop_run(loop) != 0;
}
