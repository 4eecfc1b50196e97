/*
 * halo-serve: the files of a directory over HTTP/2. Written on halo's public headers alone.
 *
 *   halo_serve.c        start and end
 *   serve_options.c     the command line
 *   serve_signals.c     SIGTERM and SIGINT
 *   serve_respond.c     from a request to its response
 *   serve_worker.c      what each serving thread has
 *   serve_cache.c       files that are ready to be sent
 *   serve_open.c        files beneath the root
 *   serve_path.c        what a request's path means
 *   serve_conditions.c  conditional requests and ranges
 *   serve_types.c       content types
 *   serve_date.c, serve_clock.c, serve_log.c
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <halo/halo.h>

#include "server/serve_options.h"
#include "server/serve_respond.h"
#include "server/serve_signals.h"
#include "server/serve_worker.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct program {
    struct serve_options options;
    struct serve_site site;
    halo_loop *loop;
    halo_server *server;
};

__attribute__((format(printf, 2, 3))) static int complain(int status, const char *format, ...)
{
    va_list arguments;

    fputs("halo-serve: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

/* ---- what the server tells ------------------------------------------------------------- */

static void on_worker_start(halo_server *server, uint32_t worker, halo_loop *loop, void *user_data)
{
    (void)server;
    (void)worker;
    serve_worker_start(user_data, loop); /* when memory is out, requests are refused */
}

static void on_worker_stop(halo_server *server, uint32_t worker, halo_loop *loop, void *user_data)
{
    (void)server;
    (void)worker;
    (void)loop;
    (void)user_data;
    serve_worker_stop();
}

/* The loop runs, so everything is ready. */
static void on_running(void *ctx)
{
    const struct program *program = ctx;

    for (uint32_t i = 0; i < program->options.num_listeners; i++) {
        char address[128];

        if (halo_server_address(program->server, i, address, sizeof(address)) == 0) {
            printf("listening %s %s\n", program->options.listeners[i].tls ? "h2" : "h2c", address);
        }
    }
    fflush(stdout);
}

/* ---- start ----------------------------------------------------------------------------- */

/* Each connection is a descriptor: as many as we may. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_root(struct program *program)
{
    const char *root = program->options.root;
    int error = serve_root_open(&program->site.root, root);

    if (error == 0) {
        return 0;
    }
    return complain(EXIT_USAGE, "--root %s: %s; give a directory that this user may read and enter",
                    root, error == ENOTDIR ? "not a directory" : strerror(error));
}

static int make_server(struct program *program)
{
    const struct serve_options *options = &program->options;
    struct halo_server_options server;
    int status;

    halo_server_options_init(&server);
    server.loop.zero_copy_min = options->zero_copy_min;
    /* A single worker is this thread. */
    server.workers = options->workers > 1 ? options->workers : 0;
    server.balance = options->balance;
    server.allow_http1 = options->http1;
    server.defer_accept_s = 1; /* browsers and tools all speak first */
    if (options->max_streams > 0) {
        server.session.settings.max_concurrent_streams = options->max_streams;
    }
    server.on_stream = serve_on_stream;
    server.on_worker_start = on_worker_start;
    server.on_worker_stop = on_worker_stop;
    if (!options->quiet) {
        server.on_session = serve_on_session;
        server.on_error = serve_on_error;
    }
    server.user_data = &program->site;
    status = halo_loop_new(&program->loop, &server.loop);
    if (status == 0) {
        status = halo_server_new(&program->server, program->loop, &server);
    }
    if (status == HALO_E_NOT_SUPPORTED) {
        return complain(EXIT_USAGE,
                        "--http1: this halo was built without HTTP/1.1; configure it with "
                        "-Dhttp1=enabled (it needs the package node-llhttp)");
    }
    return status == 0 ? 0 : complain(EXIT_FAILED, "%s", halo_status_text(status));
}

static int make_context(const struct serve_listener *listener, halo_tls_context **context)
{
    struct halo_tls_options tls;
    char why[512];

    halo_tls_options_init(&tls);
    tls.role = HALO_TLS_SERVER;
    tls.certificate_file = listener->certificate;
    tls.private_key_file = listener->key;
    if (halo_tls_context_new(context, &tls, why, sizeof(why)) != 0) {
        return complain(EXIT_USAGE, "--listen-tls %s: %s", listener->address, why);
    }
    return 0;
}

static int listen_on(struct program *program, const struct serve_listener *listener)
{
    halo_tls_context *context = NULL;
    const char *why;
    int status = listener->tls ? make_context(listener, &context) : 0;

    if (status != 0) {
        return status;
    }
    status = halo_server_listen(program->server, listener->address, context);
    halo_tls_context_free(context);
    if (status == 0) {
        return 0;
    }
    why = halo_server_error(program->server);
    return complain(EXIT_USAGE, "%s", why[0] != '\0' ? why : halo_status_text(status));
}

static int listen_on_all(struct program *program)
{
    for (uint32_t i = 0; i < program->options.num_listeners; i++) {
        int status = listen_on(program, &program->options.listeners[i]);

        if (status != 0) {
            return status;
        }
    }
    return 0;
}

/* What was built to be quicker and is not is worth a line. */
static void tell_accelerator(const struct program *program)
{
    bool tls = false;

    for (uint32_t i = 0; i < program->options.num_listeners; i++) {
        tls = tls || program->options.listeners[i].tls;
    }
    if (tls && !program->options.quiet && halo_tls_accelerator_off()[0] != '\0') {
        (void)complain(0, "%s", halo_tls_accelerator_off());
    }
}

/* ---- the run --------------------------------------------------------------------------- */

static int run(struct program *program)
{
    struct serve_signals signals;
    int status = halo_server_start(program->server);
    bool forced;

    if (status != 0) {
        const char *why = halo_server_error(program->server);

        return complain(EXIT_FAILED, "%s", why[0] != '\0' ? why : halo_status_text(status));
    }
    tell_accelerator(program);
    if (halo_loop_post(program->loop, on_running, program) != 0 ||
        !serve_signals_start(&signals, program->server)) {
        return complain(EXIT_FAILED, "no memory or no thread to start with");
    }
    status = halo_loop_run(program->loop);
    forced = serve_signals_stop(&signals);
    serve_worker_stop(); /* of a server without threads */
    if (status != 0) {
        return complain(EXIT_FAILED, "%s", halo_loop_error(program->loop));
    }
    halo_server_free(program->server);
    halo_loop_free(program->loop);
    return forced ? EXIT_FAILED : 0;
}

static int print_version(void)
{
    const char *library = halo_tls_library();
    const char *accelerator = halo_tls_accelerator();

    printf("halo-serve %s%s%s%s%s%s\n", halo_version(), library[0] != '\0' ? " (" : "", library,
           accelerator[0] != '\0' ? ", " : "", accelerator, library[0] != '\0' ? ")" : "");
    return 0;
}

int main(int argc, char **argv)
{
    static struct program program;
    char error[512];
    int status;

    switch (serve_options_parse(&program.options, argc, argv, error, sizeof(error))) {
    case SERVE_OPTIONS_HELP:
        fputs(serve_options_help, stdout);
        return 0;
    case SERVE_OPTIONS_VERSION:
        return print_version();
    case SERVE_OPTIONS_WRONG:
        return complain(EXIT_USAGE, "%s", error);
    case SERVE_OPTIONS_OK:
        break;
    }
    serve_signals_block();
    raise_descriptor_limit();
    program.site.quiet = program.options.quiet;
    status = open_root(&program);
    status = status != 0 ? status : make_server(&program);
    status = status != 0 ? status : listen_on_all(&program);
    status = status != 0 ? status : run(&program);
    serve_root_close(&program.site.root);
    return status;
}
