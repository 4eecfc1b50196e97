/*
 * What the program has for each thread that serves: the cache of files, the time, the log. Shared
 * by all is only the root directory, which never changes.
 */
#ifndef HALO_SERVER_SERVE_WORKER_H
#define HALO_SERVER_SERVE_WORKER_H

#include <halo/server.h>

#include "server/serve_cache.h"
#include "server/serve_log.h"

/* The user_data of the server's callbacks. */
struct serve_site {
    struct serve_root root;
    bool quiet;
};

struct serve_worker {
    const struct serve_site *site;
    halo_loop *loop;
    struct serve_clock clock;
    struct serve_cache *cache;
    struct serve_log *log;  /* NULL: quiet */
    struct serve_path path; /* scratch */
};

extern _Thread_local struct serve_worker *serve_this_worker;

/* Makes the worker of this thread; false when memory is out. */
bool serve_worker_start(const struct serve_site *site, halo_loop *loop);
/* The thread serves no more; its last response has ended. */
void serve_worker_stop(void);

#endif
