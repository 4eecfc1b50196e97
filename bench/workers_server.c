/*
 * A server that tells which of its workers answered how many requests: what bench/shape.sh asks about
 * balance. halo-serve does not count, because nothing but this would read it.
 *
 *     workers_server WORKERS [balance]
 *
 * Listens on a free port of 127.0.0.1, prints "listening h2c ADDRESS" and answers every request with 13 octets.
 * SIGTERM ends it, and then it prints "worker INDEX connections N requests N" for each.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halo/halo.h>

enum { WORKERS_MAX = 64 };

/* Each written by its worker alone, on a cache line of its own, and read when all have ended. */
struct counts {
    _Alignas(64) uint64_t connections;
    uint64_t requests;
};

static struct counts counts[WORKERS_MAX];
static _Thread_local struct counts *mine;

static void on_worker_start(halo_server *server, uint32_t worker, halo_loop *loop, void *user_data)
{
    (void)server;
    (void)loop;
    (void)user_data;
    mine = &counts[worker];
}

static void on_session(halo_session *session, void *user_data)
{
    (void)session;
    (void)user_data;
    mine->connections++;
}

static void on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data)
{
    (void)headers;
    (void)flags;
    (void)user_data;
    mine->requests++;
    if (halo_stream_respond(stream, 200, NULL, 0) == 0) {
        halo_stream_write(stream, "Hello, world\n", 13, HALO_END_STREAM);
    }
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "workers_server: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
    return 1;
}

static int serve(halo_server *server, halo_loop *loop, const sigset_t *signals)
{
    char address[64];
    int number;

    if (halo_server_listen(server, "127.0.0.1:0", NULL) != 0 ||
        halo_server_address(server, 0, address, sizeof(address)) != 0 ||
        halo_server_start(server) != 0) {
        return fail("cannot serve", halo_server_error(server));
    }
    printf("listening h2c %s\n", address);
    fflush(stdout);
    sigwait(signals, &number);
    halo_server_close(server);
    return halo_loop_run(loop) == 0 ? 0 : fail("the loop failed", halo_loop_error(loop));
}

int main(int argc, char **argv)
{
    struct halo_server_options options;
    halo_server *server;
    halo_loop *loop;
    sigset_t signals;
    int status;

    halo_server_options_init(&options);
    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "balance") != 0) ||
        (options.workers = (uint32_t)strtoul(argv[1], NULL, 10)) < 1 ||
        options.workers > WORKERS_MAX) {
        fprintf(stderr, "usage: workers_server WORKERS [balance]\n");
        return 2;
    }
    options.balance = argc == 3;
    options.defer_accept_s = 1; /* as halo-serve */
    options.on_worker_start = on_worker_start;
    options.on_session = on_session;
    options.on_stream = on_stream;
    /* Blocked before threads are made, so that they inherit it. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (halo_loop_new(&loop, NULL) != 0 || halo_server_new(&server, loop, &options) != 0) {
        return fail("out of memory", "");
    }
    status = serve(server, loop, &signals);
    for (uint32_t i = 0; status == 0 && i < options.workers; i++) {
        printf("worker %u connections %llu requests %llu\n", i,
               (unsigned long long)counts[i].connections, (unsigned long long)counts[i].requests);
    }
    halo_server_free(server);
    halo_loop_free(loop);
    return status;
}
