/*
 * The TLS context of clients that were given none. Reading the system's certificates takes some
 * milliseconds and a megabyte, so all clients of the process share one; it goes with the last of
 * them.
 */
#include <pthread.h>

#include "client/client.h"

static struct {
    pthread_mutex_t mutex;
    halo_tls_context *context;
    uint32_t num_users;
} shared = { .mutex = PTHREAD_MUTEX_INITIALIZER };

halo_tls_context *client_default_tls_take(int *status)
{
    struct halo_tls_options options;
    halo_tls_context *context;

    *status = 0;
    pthread_mutex_lock(&shared.mutex);
    if (shared.num_users == 0) {
        halo_tls_options_init(&options);
        options.role = HALO_TLS_CLIENT;
        *status = halo_tls_context_new(&shared.context, &options, NULL, 0);
    }
    shared.num_users += *status == 0;
    context = *status == 0 ? shared.context : NULL;
    pthread_mutex_unlock(&shared.mutex);
    return context;
}

void client_default_tls_give(void)
{
    pthread_mutex_lock(&shared.mutex);
    HALO_ASSERT(shared.num_users > 0);
    if (--shared.num_users == 0) {
        halo_tls_context_free(shared.context);
        shared.context = NULL;
    }
    pthread_mutex_unlock(&shared.mutex);
}
