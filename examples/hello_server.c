/* The smallest server: answers every request with a line of text, over cleartext HTTP/2.
 *
 *     hello_server [ADDRESS:PORT]        then: curl --http2-prior-knowledge http://127.0.0.1:8080/
 */
#include <stdio.h>

#include <halo/halo.h>

static void on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data)
{
    const halo_header fields[] = {
        { HALO_LIT("content-type"), HALO_LIT("text/plain"), 0, 0, 0 },
        { HALO_LIT("content-length"), HALO_LIT("13"), 0, 0, 0 },
    };
    const halo_headers response = { NULL, fields, 2 };

    (void)headers;
    (void)flags;
    (void)user_data;
    halo_stream_respond(stream, 200, &response, 0);
    halo_stream_write(stream, "Hello, world\n", 13, HALO_END_STREAM);
}

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    struct halo_server_options options;
    halo_server *server;
    halo_loop *loop;

    halo_server_options_init(&options);
    options.on_stream = on_stream;
    if (halo_loop_new(&loop, NULL) != 0 || halo_server_new(&server, loop, &options) != 0) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    if (halo_server_listen(server, address, NULL) != 0 || halo_server_start(server) != 0) {
        fprintf(stderr, "%s\n", halo_server_error(server));
        return 1;
    }
    printf("listening on http://%s/\n", address);
    fflush(stdout);
    if (halo_loop_run(loop) != 0) {
        fprintf(stderr, "%s\n", halo_loop_error(loop));
        return 1;
    }
    return 0;
}
