#include "client/dial.h"

#include <errno.h>
#include <stdio.h>

#include "core/io/loop.h"

struct attempt {
    struct io_connector connector;
    struct dial *dial;
    int error; /* errno, when it has failed */
};

struct dial {
    struct halo_loop *loop;
    void (*done)(void *ctx, const struct dial_result *result); /* NULL: told, or called off */
    void *ctx;
    struct timer head_start;
    uint32_t count;
    uint32_t num_started;
    uint32_t num_ended;
    char *host;
    struct attempt attempts[];
};

/* ---- the order ------------------------------------------------------------------------- */

static const struct io_address *next_of(const struct io_address *addresses, uint32_t count,
                                        uint32_t *at, int family, bool same)
{
    while (*at < count) {
        const struct io_address *address = &addresses[(*at)++];

        if ((address->any.sa_family == family) == same) {
            return address;
        }
    }
    return NULL;
}

/* The resolver's order (RFC 6724) with the families in turn, so that one that leads nowhere costs
 * one head start and not one for each of its addresses. */
static void sort_attempts(struct dial *dial, const struct io_address *addresses)
{
    int first_family = addresses[0].any.sa_family;
    uint32_t at_same = 0;
    uint32_t at_other = 0;
    bool same = true;

    for (uint32_t i = 0; i < dial->count; i++, same = !same) {
        const struct io_address *address =
            next_of(addresses, dial->count, same ? &at_same : &at_other, first_family, same);

        if (address == NULL) {
            same = !same;
            address =
                next_of(addresses, dial->count, same ? &at_same : &at_other, first_family, same);
        }
        HALO_ASSERT(address != NULL);
        dial->attempts[i].connector.address = *address;
    }
}

/* ---- what went wrong ------------------------------------------------------------------- */

static const char *failure_text(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "refused";
    case ETIMEDOUT:
        return "timed out";
    case ENETUNREACH:
        return "failed: no route to this network";
    case EHOSTUNREACH:
        return "failed: no route to this host";
    case ENOENT:
        return "failed: there is no such socket";
    default:
        return NULL;
    }
}

static size_t put_failure(char *out, size_t size, const struct attempt *attempt)
{
    char address[IO_ADDRESS_TEXT_MAX];
    const char *text = failure_text(attempt->error);
    const char *before = text != NULL ? "" : "failed: ";
    int len;

    text = text != NULL ? text : strerrordesc_np(attempt->error);
    len = snprintf(out, size, "%s %s%s", io_address_format(&attempt->connector.address, address),
                   before, text != NULL ? text : "unknown error");
    return min_size(len > 0 ? (size_t)len : 0, size - 1);
}

/* "connection to 127.0.0.1:9 refused", or "no connection to HOST: [::1]:9 refused, 127.0.0.1:9
 * refused". */
static void explain(const struct dial *dial, char *out, size_t size)
{
    int len = dial->count == 1 ? snprintf(out, size, "connection to ")
                               : snprintf(out, size, "no connection to %s: ", dial->host);
    size_t used = min_size(len > 0 ? (size_t)len : 0, size - 1);

    for (uint32_t i = 0; i < dial->count; i++) {
        if (i > 0) {
            len = snprintf(out + used, size - used, ", ");
            used = min_size(used + (len > 0 ? (size_t)len : 0), size - 1);
        }
        used += put_failure(out + used, size - used, &dial->attempts[i]);
    }
}

/* ---- attempts -------------------------------------------------------------------------- */

static void start_next(struct dial *dial);

static void free_when_idle(struct dial *dial)
{
    if (dial->done == NULL && dial->num_ended == dial->num_started) {
        struct halo_loop *loop = dial->loop;

        loop_timer_clear(loop, &dial->head_start);
        memory_free(&loop->memory, dial->host);
        memory_free(&loop->memory, dial);
        loop_unref(loop);
    }
}

/* Calls off what is under way. */
static void stop(struct dial *dial)
{
    dial->done = NULL;
    loop_timer_clear(dial->loop, &dial->head_start);
    for (uint32_t i = 0; i < dial->num_started; i++) {
        /* The answer is not needed: the ends are counted as they come. */
        (void)io_connector_cancel(&dial->attempts[i].connector);
    }
}

static void tell(struct dial *dial, const struct dial_result *result)
{
    void (*done)(void *ctx, const struct dial_result *result) = dial->done;

    stop(dial);
    done(dial->ctx, result);
}

static void on_failed(struct dial *dial)
{
    struct dial_result result = { .fd = -1, .system_errno = dial->attempts[0].error };
    char reason[DIAL_TEXT_SIZE];

    if (dial->num_started < dial->count) {
        start_next(dial);
    } else if (dial->num_ended == dial->count) {
        explain(dial, reason, sizeof(reason));
        result.reason = reason;
        tell(dial, &result);
    }
}

static void on_connected(struct io_connector *connector, int connected)
{
    struct attempt *attempt = HALO_CONTAINER(connector, struct attempt, connector);
    struct dial *dial = attempt->dial;

    dial->num_ended++;
    if (connected >= 0 && dial->done != NULL) {
        struct dial_result result = { .fd = connected, .reason = "", .peer = &connector->address };

        tell(dial, &result);
    } else if (connected >= 0) {
        io_close(dial->loop, connected); /* two won at once */
    } else {
        attempt->error = -connected;
        if (dial->done != NULL) {
            on_failed(dial);
        }
    }
    free_when_idle(dial);
}

static void on_head_start_over(struct timer *timer)
{
    start_next(HALO_CONTAINER(timer, struct dial, head_start));
}

static void start_next(struct dial *dial)
{
    struct attempt *attempt = &dial->attempts[dial->num_started++];
    struct io_address address = attempt->connector.address;

    loop_timer_clear(dial->loop, &dial->head_start);
    attempt->dial = dial;
    io_connector_init(&attempt->connector, dial->loop, on_connected);
    io_connector_start(&attempt->connector, &address, NULL);
    if (dial->num_started < dial->count) {
        loop_timer_set(dial->loop, &dial->head_start, (uint64_t)DIAL_HEAD_START_MS * 1000000u);
    }
}

int dial_start(struct dial **out, struct halo_loop *loop, const char *host,
               const struct io_address *addresses, uint32_t count,
               void (*done)(void *ctx, const struct dial_result *result), void *ctx)
{
    size_t host_size = strlen(host) + 1;
    struct dial *dial;

    HALO_ASSERT(count > 0 && done != NULL);
    dial = memory_zalloc(&loop->memory, sizeof(*dial) + count * sizeof(struct attempt));
    if (dial == NULL) {
        return HALO_E_NOMEM;
    }
    dial->host = memory_alloc(&loop->memory, host_size);
    if (dial->host == NULL) {
        memory_free(&loop->memory, dial);
        return HALO_E_NOMEM;
    }
    memcpy(dial->host, host, host_size);
    dial->loop = loop;
    dial->done = done;
    dial->ctx = ctx;
    dial->count = count;
    timer_init(&dial->head_start, on_head_start_over);
    sort_attempts(dial, addresses);
    loop_ref(loop);
    start_next(dial);
    *out = dial;
    return 0;
}

void dial_cancel(struct dial *dial)
{
    HALO_ASSERT(dial->done != NULL);
    stop(dial);
    free_when_idle(dial);
}
