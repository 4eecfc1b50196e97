#include "client/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/list.h"
#include "core/io/loop.h"

struct resolve_lookup {
    struct list_link waiting;
    struct loop_posted posted;
    struct halo_loop *loop; /* NULL: nobody wants it any more */
    void (*done)(void *ctx, const struct resolve_result *result);
    void *ctx;
    uint16_t port;
    struct resolve_result result;
    char host[];
};

/* The threads of the process. They end when there is nothing to do: a lookup takes much longer than
 * making a thread. One lock guards everything that they and the loops share. */
static struct {
    pthread_mutex_t mutex;
    struct list_link waiting;
    uint32_t num_waiting;
    uint32_t num_threads;
} pool = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .waiting = { &pool.waiting, &pool.waiting },
};

/* ---- looking up ------------------------------------------------------------------------ */

static void add_address(struct resolve_result *result, const struct addrinfo *info)
{
    struct io_address *address = &result->addresses[result->count];

    if (result->count == RESOLVE_ADDRESSES_MAX ||
        (info->ai_family != AF_INET && info->ai_family != AF_INET6)) {
        return;
    }
    *address = (struct io_address){ .len = info->ai_addrlen };
    memcpy(&address->any, info->ai_addr, info->ai_addrlen);
    result->count++;
}

static void look_up(struct resolve_lookup *lookup)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV,
    };
    struct addrinfo *list = NULL;
    struct resolve_result *result = &lookup->result;
    char port[8];

    snprintf(port, sizeof(port), "%u", (unsigned int)lookup->port);
    result->error = getaddrinfo(lookup->host, port, &hints, &list);
    if (result->error != 0) {
        result->system_errno = result->error == EAI_SYSTEM ? errno : 0;
        return;
    }
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        add_address(result, info);
    }
    freeaddrinfo(list);
    if (result->count == 0) {
        result->error = EAI_NONAME;
    }
}

/* On the loop's thread, where resolve_cancel() is called, too. */
static void deliver(struct loop_posted *posted)
{
    struct resolve_lookup *lookup = HALO_CONTAINER(posted, struct resolve_lookup, posted);

    if (lookup->loop != NULL) {
        lookup->done(lookup->ctx, &lookup->result);
    }
    free(lookup);
}

static void *work(void *ctx)
{
    struct list_link *link;

    (void)ctx;
    pthread_mutex_lock(&pool.mutex);
    while ((link = list_pop_front(&pool.waiting)) != NULL) {
        struct resolve_lookup *lookup = LIST_ITEM(link, struct resolve_lookup, waiting);

        pool.num_waiting--;
        pthread_mutex_unlock(&pool.mutex);
        look_up(lookup);
        pthread_mutex_lock(&pool.mutex);
        /* Under the lock the loop cannot forget the lookup, and so it cannot go away. */
        if (lookup->loop != NULL) {
            loop_post(lookup->loop, &lookup->posted, deliver);
        } else {
            free(lookup);
        }
    }
    pool.num_threads--;
    pthread_mutex_unlock(&pool.mutex);
    return NULL;
}

/* ---- asking ---------------------------------------------------------------------------- */

/* Signals are for the threads of the application. */
static int start_thread(void)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, work, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* With the lock held. A thread that cannot be made is no harm while another will come by. */
static int put_in_line(struct resolve_lookup *lookup)
{
    if (pool.num_waiting >= RESOLVE_WAITING_MAX) {
        return HALO_E_LIMIT;
    }
    if (pool.num_threads < RESOLVE_THREADS_MAX) {
        if (start_thread() == 0) {
            pool.num_threads++;
        } else if (pool.num_threads == 0) {
            return HALO_E_NOMEM;
        }
    }
    list_push_back(&pool.waiting, &lookup->waiting);
    pool.num_waiting++;
    return 0;
}

int resolve_start(struct resolve_lookup **out, struct halo_loop *loop, const char *host,
                  uint16_t port, void (*done)(void *ctx, const struct resolve_result *result),
                  void *ctx)
{
    size_t host_size = strlen(host) + 1;
    /* The thread may outlive the loop and its allocator: plain memory. */
    struct resolve_lookup *lookup = calloc(1, sizeof(*lookup) + host_size);
    int status;

    if (lookup == NULL) {
        return HALO_E_NOMEM;
    }
    lookup->loop = loop;
    lookup->done = done;
    lookup->ctx = ctx;
    lookup->port = port;
    memcpy(lookup->host, host, host_size);
    list_init(&lookup->waiting);
    pthread_mutex_lock(&pool.mutex);
    status = put_in_line(lookup);
    pthread_mutex_unlock(&pool.mutex);
    if (status != 0) {
        free(lookup);
        return status;
    }
    *out = lookup;
    return 0;
}

void resolve_cancel(struct resolve_lookup *lookup)
{
    bool unused;

    pthread_mutex_lock(&pool.mutex);
    HALO_ASSERT(lookup->loop != NULL);
    lookup->loop = NULL;
    unused = list_linked(&lookup->waiting); /* no thread has taken it yet */
    if (unused) {
        list_remove(&lookup->waiting);
        pool.num_waiting--;
    }
    pthread_mutex_unlock(&pool.mutex);
    if (unused) {
        free(lookup);
    }
}

void resolve_explain(char *out, size_t size, const char *host, const struct resolve_result *result)
{
    switch (result->error) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        snprintf(out, size, "host name %s not found", host);
        break;
    case EAI_AGAIN:
        snprintf(out, size, "host name %s not found: no answer from the name servers", host);
        break;
    case EAI_SYSTEM:
        snprintf(out, size, "host name %s not found: %s", host,
                 strerrordesc_np(result->system_errno));
        break;
    default:
        snprintf(out, size, "host name %s not found: %s", host, gai_strerror(result->error));
        break;
    }
}
