/*
 * HTTP/1.1 as the protocol of a connection (core/conn/conn.h), and the choice between it and
 * HTTP/2 where no ALPN has made it: by the first octets, as soon as they differ from the preface of
 * HTTP/2 (RFC 9113 3.4) or are its first line.
 */
#include "core/conn/conn.h"
#include "server/http1.h"

enum { SNIFF_LEN = sizeof("PRI * HTTP/2.0") - 1 };

struct http1_conn {
    struct http1 http1;
    void (*ready)(struct conn *conn);
    bool sniffing;
    uint8_t sniffed_len;
    uint8_t sniffed[SNIFF_LEN];
};

static struct http1_conn *of(const struct conn *conn)
{
    return conn->protocol_data;
}

/* ---- the machine's view of the connection ---------------------------------------------- */

static void dispatch_session(struct http1 *http1)
{
    session_protocol.dispatch(http1->driver);
}

static void local_authority(struct http1 *http1, char *text, size_t size)
{
    if (halo_session_local_address(http1->session, text, size) != 0 || text[0] == '/') {
        memcpy(text, "localhost", sizeof("localhost")); /* a socket without an internet address */
    }
}

static int begin_http1(struct conn *conn)
{
    struct http1_conn *own = of(conn);

    own->sniffing = false;
    own->http1.now_ns = loop_now_ns(conn->loop);
    conn->http_version = "1.1";
    HALO_TRY(http1_init(&own->http1, conn->session));
    own->ready(conn);
    return 0;
}

/* ---- the choice ------------------------------------------------------------------------ */

static void free_own(struct conn *conn)
{
    struct http1_conn *own = of(conn);

    if (!own->sniffing) {
        http1_fini(&own->http1);
    }
    conn->protocol_data = NULL;
    memory_free(&conn->loop->memory, own);
}

static void replay(struct conn *conn, const uint8_t *octets, size_t len)
{
    halo_slice slice = { .data = octets, .len = len };

    if (len > 0) {
        conn->protocol->receive(conn, &slice);
    }
}

static void choose_http2(struct conn *conn)
{
    uint8_t sniffed[SNIFF_LEN];
    size_t len = of(conn)->sniffed_len;

    memcpy(sniffed, of(conn)->sniffed, len);
    of(conn)->ready(conn);
    free_own(conn);
    conn->protocol = &session_protocol;
    replay(conn, sniffed, len);
}

static void choose_http1(struct conn *conn)
{
    struct http1_conn *own = of(conn);

    if (begin_http1(conn) != 0) {
        session_out_of_memory(conn->session);
        return;
    }
    replay(conn, own->sniffed, own->sniffed_len);
}

/* Looks at the first octets. True when the protocol is known: the rest of the slice is for it. */
static bool sniff(struct conn *conn, halo_slice *slice)
{
    struct http1_conn *own = of(conn);

    while (slice->len > 0) {
        uint8_t octet = *slice->data;

        if (octet != (uint8_t)PREFACE[own->sniffed_len]) {
            choose_http1(conn);
            return true;
        }
        own->sniffed[own->sniffed_len++] = octet;
        slice->data++;
        slice->len--;
        if (own->sniffed_len == SNIFF_LEN) {
            choose_http2(conn);
            return true;
        }
    }
    return false;
}

/* ---- the protocol ---------------------------------------------------------------------- */

static void set_time(struct conn *conn)
{
    of(conn)->http1.now_ns = loop_now_ns(conn->loop);
}

static void http1_conn_receive(struct conn *conn, halo_slice *slice)
{
    if (of(conn)->sniffing) {
        if (sniff(conn, slice) && slice->len > 0) {
            conn->protocol->receive(conn, slice);
        } else {
            halo_slice_release(slice);
        }
        return;
    }
    set_time(conn);
    http1_receive(&of(conn)->http1, slice);
}

static void http1_conn_receive_end(struct conn *conn, const struct halo_error *error)
{
    struct http1_conn *own = of(conn);

    conn_wake(conn);
    if (own->sniffing) {
        session_protocol.receive_end(conn, error);
        return;
    }
    set_time(conn);
    /* After close_notify TLS sends nothing more; a half-closed socket does. */
    if (error != NULL || conn->transport != NULL) {
        http1_lost(&own->http1, error);
    } else {
        http1_receive_end(&own->http1);
    }
}

static void http1_conn_dispatch(struct conn *conn)
{
    struct http1_conn *own = of(conn);

    session_protocol.dispatch(conn);
    if (own->sniffing) {
        if (conn->session->state == SESSION_DRAINING) { /* nothing was begun */
            halo_session_destroy(conn->session, HALO_NO_ERROR);
            session_protocol.dispatch(conn);
        }
        return;
    }
    set_time(conn);
    http1_advance(&own->http1);
    session_protocol.dispatch(conn);
}

static int http1_conn_pull(struct conn *conn, struct iovec *iov, int max, size_t limit)
{
    return of(conn)->sniffing ? 0 : http1_pull(&of(conn)->http1, iov, max, limit);
}

static void http1_conn_sent(struct conn *conn, size_t len)
{
    http1_sent(&of(conn)->http1, len);
}

static bool http1_conn_wants_receive(const struct conn *conn)
{
    return of(conn)->sniffing || http1_wants_receive(&of(conn)->http1);
}

static uint32_t http1_conn_held(const struct conn *conn)
{
    return session_protocol.held(conn) + of(conn)->http1.input_slices;
}

static uint64_t http1_conn_next_timeout(const struct conn *conn)
{
    uint64_t next = session_protocol.next_timeout(conn);

    return of(conn)->sniffing ? next : min_u64(next, http1_next_timeout(&of(conn)->http1));
}

static void http1_conn_tick(struct conn *conn, uint64_t now_ns)
{
    static const struct halo_error stalled = {
        .status = HALO_E_TIMEOUT,
        .origin = HALO_ORIGIN_LIBRARY,
        .reason = "the peer does not read what it is sent",
    };

    session_protocol.tick(conn, now_ns);
    if (!of(conn)->sniffing) {
        set_time(conn);
        if (http1_tick(&of(conn)->http1)) {
            conn_abort(conn, &stalled);
        }
    }
}

static bool http1_conn_over(const struct conn *conn)
{
    return session_protocol.over(conn);
}

static void http1_conn_close(struct conn *conn)
{
    free_own(conn);
    session_protocol.close(conn);
}

static const struct protocol_ops http1_protocol = {
    .receive = http1_conn_receive,
    .receive_end = http1_conn_receive_end,
    .dispatch = http1_conn_dispatch,
    .pull = http1_conn_pull,
    .sent = http1_conn_sent,
    .wants_receive = http1_conn_wants_receive,
    .held = http1_conn_held,
    .next_timeout = http1_conn_next_timeout,
    .tick = http1_conn_tick,
    .over = http1_conn_over,
    .close = http1_conn_close,
};

int http1_conn_start(struct conn *conn, struct halo_session *session, bool sniff_first,
                     void (*ready)(struct conn *conn))
{
    struct http1_conn *own = memory_zalloc(&conn->loop->memory, sizeof(*own));

    if (own == NULL) {
        halo_session_free(session);
        return HALO_E_NOMEM;
    }
    own->ready = ready;
    own->sniffing = true;
    own->http1.driver = conn;
    own->http1.dispatch = dispatch_session;
    own->http1.local_authority = local_authority;
    own->http1.secure = conn->transport != NULL;
    own->http1.version = &conn->http_version;
    conn_set_session(conn, session);
    conn->protocol = &http1_protocol;
    conn->protocol_data = own;
    if (!sniff_first && begin_http1(conn) != 0) {
        session_out_of_memory(session);
    }
    return 0;
}
