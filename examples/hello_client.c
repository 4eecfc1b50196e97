/* The smallest client: fetches one URL and prints its body.
 *
 *     hello_client http://127.0.0.1:8080/
 */
#include <stdio.h>

#include <halo/halo.h>

static int exit_status = 1;

static void on_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    (void)stream;
    (void)user_data;
    fwrite(data, 1, len, stdout);
}

/* The stream's last callback: the response is complete, or it failed. */
static void on_stream_close(halo_stream *stream, const struct halo_error *error, void *user_data)
{
    (void)stream;
    if (error != NULL) {
        fprintf(stderr, "hello_client: %s\n", error->reason);
    } else {
        exit_status = 0;
    }
    halo_client_close(user_data);
}

static const struct halo_stream_callbacks callbacks = {
    .on_data = on_data,
    .on_close = on_stream_close,
};

static void on_client_close(halo_client *client, const struct halo_error *error, void *user_data)
{
    (void)error;
    (void)user_data;
    halo_client_free(client);
}

int main(int argc, char **argv)
{
    struct halo_client_options options;
    struct halo_request request = { .method = HALO_LIT("GET") };
    struct halo_url url;
    halo_client *client;
    halo_stream *stream;
    halo_loop *loop;
    int status;

    if (argc != 2 || halo_url_parse(&url, argv[1]) != 0) {
        fprintf(stderr, "usage: hello_client http://HOST[:PORT]/PATH\n");
        return 2;
    }
    halo_client_options_init(&options);
    options.url = argv[1];
    options.on_close = on_client_close;
    request.path = url.path;
    if (halo_loop_new(&loop, NULL) != 0) {
        fprintf(stderr, "hello_client: out of memory\n");
        return 1;
    }
    status = halo_client_connect(&client, loop, &options);
    if (status == 0) {
        status =
            halo_client_request(client, &request, HALO_END_STREAM, &callbacks, client, &stream);
    }
    if (status != 0) {
        fprintf(stderr, "hello_client: %s\n", halo_status_text(status));
        return 1;
    }
    if (halo_loop_run(loop) != 0) {
        fprintf(stderr, "hello_client: %s\n", halo_loop_error(loop));
        return 1;
    }
    halo_loop_free(loop);
    return exit_status;
}
