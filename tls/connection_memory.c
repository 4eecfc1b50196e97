/* What a connection can hold at worst: the sum of what each layer says. */
#include "core/conn/conn.h"
#include "tls/tls.h"

int halo_connection_memory_bound(const struct halo_session_options *session,
                                 const struct halo_loop_options *loop, int tls,
                                 struct halo_memory_bound *bound)
{
    HALO_TRY(halo_session_memory_bound(session, bound));
    HALO_TRY(conn_memory_bound(loop, tls != 0, bound));
    if (tls == 0) {
        return 0;
    }
    bound->tls = tls_transport_memory_bound();
    if (bound->tls == 0) {
        return HALO_E_NO_TLS;
    }
    bound->shared += tls_thread_memory_bound();
    bound->total += bound->tls;
    return 0;
}
