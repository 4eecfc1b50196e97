/* The functions of TLS in a build without it. */
#include <stdio.h>

#include <halo/error.h>

#include "tls/tls.h"

int halo_tls_context_new(halo_tls_context **context, const struct halo_tls_options *options,
                         char *error, size_t error_size)
{
    (void)options;
    *context = NULL;
    if (error != NULL && error_size > 0) {
        (void)snprintf(error, error_size, "this halo was built without TLS (-Dtls=disabled)");
    }
    return HALO_E_NO_TLS;
}

halo_tls_context *halo_tls_context_ref(halo_tls_context *context)
{
    return context;
}

void halo_tls_context_free(halo_tls_context *context)
{
    HALO_ASSERT(context == NULL);
}

int halo_tls_context_role(const halo_tls_context *context)
{
    (void)context;
    return 0;
}

size_t halo_tls_context_trusted(const halo_tls_context *context, size_t *skipped)
{
    (void)context;
    if (skipped != NULL) {
        *skipped = 0;
    }
    return 0;
}

const char *halo_tls_library(void)
{
    return "";
}

const char *halo_tls_library_holes(void)
{
    return "";
}

const char *halo_tls_accelerator(void)
{
    return "";
}

const char *halo_tls_accelerator_off(void)
{
    return "";
}

struct transport *tls_transport_new(struct memory *memory, halo_tls_context *context,
                                    const char *server_name, const uint64_t *now_ns)
{
    (void)memory;
    (void)context;
    (void)server_name;
    (void)now_ns;
    return NULL;
}

void tls_transport_allow(struct transport *transport, uint32_t alpn)
{
    (void)transport;
    (void)alpn;
}

void tls_transport_facts(const struct transport *transport, struct tls_facts *facts)
{
    (void)transport;
    *facts = (struct tls_facts){ .version = "", .cipher = "", .server_name = "" };
}

void tls_thread_exit(void)
{
}

void tls_heap_read(struct tls_heap *heap)
{
    *heap = (struct tls_heap){ 0 };
}

void tls_heap_forget_peak(void)
{
}

uint64_t tls_transport_memory_bound(void)
{
    return 0;
}

uint64_t tls_thread_memory_bound(void)
{
    return 0;
}

void tls_heap_fail(size_t n, bool forever)
{
    (void)n;
    (void)forever;
}
