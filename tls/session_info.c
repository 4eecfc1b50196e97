/* What <halo/connection.h> tells about the TLS side of a session. */
#include "core/conn/conn.h"
#include "tls/tls.h"

int halo_session_tls_info(const halo_session *session, struct halo_tls_info *info)
{
    const struct conn *conn = session->driver;
    struct tls_facts facts;

    if (conn == NULL || conn->transport == NULL) {
        return HALO_E_NO_TLS;
    }
    tls_transport_facts(conn->transport, &facts);
    *info = (struct halo_tls_info){
        .version = facts.version,
        .cipher = facts.cipher,
        .server_name = facts.server_name,
        .peer_certificate = facts.peer_certificate,
    };
    return 0;
}
