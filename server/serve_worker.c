#include "server/serve_worker.h"

#include <stdlib.h>
#include <unistd.h>

_Thread_local struct serve_worker *serve_this_worker;

bool serve_worker_start(const struct serve_site *site, halo_loop *loop)
{
    struct serve_worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL) {
        return false;
    }
    worker->site = site;
    worker->loop = loop;
    worker->cache = serve_cache_new(&site->root, &worker->clock);
    worker->log = site->quiet ? NULL : serve_log_new(loop, STDERR_FILENO);
    serve_this_worker = worker;
    if (worker->cache == NULL || (worker->log == NULL && !site->quiet)) {
        serve_worker_stop();
        return false;
    }
    return true;
}

void serve_worker_stop(void)
{
    struct serve_worker *worker = serve_this_worker;

    if (worker == NULL) {
        return;
    }
    serve_this_worker = NULL;
    if (worker->log != NULL) {
        serve_log_free(worker->log);
    }
    if (worker->cache != NULL) {
        serve_cache_free(worker->cache);
    }
    free(worker);
}
