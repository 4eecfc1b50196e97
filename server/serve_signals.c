#include "server/serve_signals.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { FORCED_END_NS = 250 * 1000 * 1000 };

static void set_of(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

void serve_signals_block(void)
{
    sigset_t set;

    set_of(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    /* A reader of the log or of standard output that goes away is no reason to stop serving. */
    signal(SIGPIPE, SIG_IGN);
}

static void *wait_for_signals(void *ctx)
{
    const struct timespec moment = { .tv_nsec = FORCED_END_NS };
    struct serve_signals *signals = ctx;
    bool draining = false;
    sigset_t set;

    set_of(&set);
    for (;;) {
        int number;

        if (sigwait(&set, &number) != 0) {
            continue;
        }
        if (__atomic_load_n(&signals->ending, __ATOMIC_ACQUIRE) != 0) {
            return NULL;
        }
        if (draining) {
            break;
        }
        draining = true;
        halo_server_close(signals->server);
    }
    __atomic_store_n(&signals->forced, 1, __ATOMIC_RELEASE);
    halo_server_destroy(signals->server);
    /* Connections still say goodbye, which takes as long as their peers like: they get a moment. */
    sigtimedwait(&set, NULL, &moment);
    if (__atomic_load_n(&signals->ending, __ATOMIC_ACQUIRE) == 0) {
        _exit(1);
    }
    return NULL;
}

bool serve_signals_start(struct serve_signals *signals, halo_server *server)
{
    *signals = (struct serve_signals){ .server = server };
    return pthread_create(&signals->thread, NULL, wait_for_signals, signals) == 0;
}

bool serve_signals_stop(struct serve_signals *signals)
{
    __atomic_store_n(&signals->ending, 1, __ATOMIC_RELEASE);
    pthread_kill(signals->thread, SIGTERM); /* to this thread alone */
    pthread_join(signals->thread, NULL);
    return __atomic_load_n(&signals->forced, __ATOMIC_ACQUIRE) != 0;
}
