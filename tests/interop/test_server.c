/*
 * The server that tests talk to: the routes of routes.c on any number of addresses. It uses the
 * public headers alone.
 *
 *   test_server [option...]
 *     --listen ADDR:PORT       HTTP/2 without TLS; repeatable
 *     --listen-tls ADDR:PORT   over TLS; repeatable, needs --cert and --key
 *     --cert FILE --key FILE   PEM
 *     --workers N              threads (default 0: the main one)
 *     --http1                  HTTP/1.1 for clients without HTTP/2, too
 *     --balance                hand each connection to the worker with the fewest
 *     --max-streams N          streams at once on a connection (default: halo's)
 *     --drain-ms N             what a graceful end waits for open streams
 *     --resets N               budget of RST_STREAM (default: halo's)
 *     --block N                header blocks, lists and strings of N octets, in as many frames
 *     --report                 a line on stdout for each stream that ends with an error
 *     --echo                   every path is /echo
 *     --trace                  a line on stderr for each frame
 *
 * Prints "listening h2c 127.0.0.1:NNNN" or "listening tls ..." for each address, then "ready". SIGTERM and SIGINT
 * end it gracefully with status 0, a second one at once.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halo/halo.h>

#include "pattern.h"
#include "routes.h"

enum { ADDRESSES_MAX = 16 };

struct settings {
    struct halo_server_options server;
    const char *certificate;
    const char *key;
    const char *address[ADDRESSES_MAX];
    bool tls[ADDRESSES_MAX];
    uint32_t count;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "test_server: %s: %s\n", what, why);
    exit(2);
}

static void trace(halo_session *session, int sent, const char *line, void *user_data)
{
    (void)user_data;
    fprintf(stderr, "%p %s %s\n", (void *)session, sent ? "->" : "<-", line);
}

static void on_error(const char *address, const struct halo_error *error, void *user_data)
{
    (void)user_data;
    fprintf(stderr, "%s: %s: %s\n", address, halo_status_name(error->status), error->reason);
}

static void add_address(struct settings *settings, const char *address, bool tls)
{
    if (settings->count == ADDRESSES_MAX) {
        die(address, "too many addresses");
    }
    settings->address[settings->count] = address;
    settings->tls[settings->count++] = tls;
}

static void allow_blocks(struct halo_limits *limits, uint32_t octets)
{
    limits->header_block = octets;
    limits->header_list_size = octets;
    limits->header_string = octets;
    limits->continuation_frames = octets;
}

/* One option and its argument; false when it is unknown. */
static bool read_option(struct settings *settings, const char *name, const char *value)
{
    struct halo_server_options *server = &settings->server;

    if (strcmp(name, "--listen") == 0) {
        add_address(settings, value, false);
    } else if (strcmp(name, "--listen-tls") == 0) {
        add_address(settings, value, true);
    } else if (strcmp(name, "--cert") == 0) {
        settings->certificate = value;
    } else if (strcmp(name, "--key") == 0) {
        settings->key = value;
    } else if (strcmp(name, "--workers") == 0) {
        server->workers = (uint32_t)atoi(value);
    } else if (strcmp(name, "--max-streams") == 0) {
        server->session.settings.max_concurrent_streams = (uint32_t)atoi(value);
        server->session.settings.present |= HALO_SETTINGS_BIT(HALO_SETTINGS_MAX_CONCURRENT_STREAMS);
    } else if (strcmp(name, "--drain-ms") == 0) {
        server->session.drain_timeout_ms = (uint32_t)atoi(value);
    } else if (strcmp(name, "--resets") == 0) {
        server->session.limits.resets = (uint32_t)atoi(value);
    } else if (strcmp(name, "--block") == 0) {
        allow_blocks(&server->session.limits, (uint32_t)atoi(value));
    } else {
        return false;
    }
    return true;
}

static void read_options(struct settings *settings, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--http1") == 0) {
            settings->server.allow_http1 = 1;
        } else if (strcmp(argv[i], "--balance") == 0) {
            settings->server.balance = 1;
        } else if (strcmp(argv[i], "--report") == 0) {
            routes_report_ends(true);
        } else if (strcmp(argv[i], "--echo") == 0) {
            routes_echo_all(true);
        } else if (strcmp(argv[i], "--trace") == 0) {
            settings->server.session.on_frame = trace;
        } else if (i + 1 == argc || !read_option(settings, argv[i], argv[i + 1])) {
            die(argv[i], "unknown option, or without its argument");
        } else {
            i++;
        }
    }
}

static halo_tls_context *make_tls(const struct settings *settings)
{
    struct halo_tls_options options;
    halo_tls_context *context;
    char why[256];

    halo_tls_options_init(&options);
    options.role = HALO_TLS_SERVER;
    options.certificate_file = settings->certificate;
    options.private_key_file = settings->key;
    if (halo_tls_context_new(&context, &options, why, sizeof(why)) != 0) {
        die("TLS", why);
    }
    return context;
}

static void listen_all(halo_server *server, const struct settings *settings)
{
    halo_tls_context *tls = settings->certificate != NULL ? make_tls(settings) : NULL;

    for (uint32_t i = 0; i < settings->count; i++) {
        if (halo_server_listen(server, settings->address[i], settings->tls[i] ? tls : NULL) != 0) {
            die(settings->address[i], halo_server_error(server));
        }
    }
    halo_tls_context_free(tls);
}

static void print_addresses(const halo_server *server, const struct settings *settings)
{
    for (uint32_t i = 0; i < settings->count; i++) {
        char address[128];

        if (halo_server_address(server, i, address, sizeof(address)) != 0) {
            die(settings->address[i], "has no address");
        }
        printf("listening %s %s\n", settings->tls[i] ? "tls" : "h2c", address);
    }
    printf("ready\n");
    fflush(stdout);
}

/* ---- the end ---------------------------------------------------------------------------- */

static sigset_t signals;

/* A thread that takes the signals: halo_server_close() may be called from any thread, but not from
 * a signal handler. SIGUSR1 ends the thread. */
static void *take_signals(void *arg)
{
    halo_server *server = arg;
    int count = 0;

    for (;;) {
        int number;

        if (sigwait(&signals, &number) != 0 || number == SIGUSR1) {
            return NULL;
        }
        if (++count == 1) {
            halo_server_close(server);
        } else {
            halo_server_destroy(server);
        }
    }
}

static pthread_t start_signals(halo_server *server)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, take_signals, server) != 0) {
        die("signals", "no thread");
    }
    return thread;
}

static void block_signals(void)
{
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

int main(int argc, char **argv)
{
    struct settings settings = { 0 };
    halo_server *server = NULL;
    halo_loop *loop = NULL;
    pthread_t thread;
    int status = 0;

    block_signals();
    pattern_init();
    halo_server_options_init(&settings.server);
    settings.server.on_session = routes_on_session;
    settings.server.on_stream = routes_on_stream;
    settings.server.on_error = on_error;
    read_options(&settings, argc, argv);
    if (halo_loop_new(&loop, NULL) != 0 || halo_server_new(&server, loop, &settings.server) != 0) {
        die("start", "out of memory");
    }
    routes_set_server(server);
    listen_all(server, &settings);
    if (halo_server_start(server) != 0) {
        die("start", halo_server_error(server));
    }
    thread = start_signals(server);
    print_addresses(server, &settings);
    if (halo_loop_run(loop) != 0) {
        fprintf(stderr, "test_server: %s\n", halo_loop_error(loop));
        status = 1;
    }
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    halo_server_free(server);
    halo_loop_free(loop);
    return status;
}
