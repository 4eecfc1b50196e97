/*
 * ORIGIN (RFC 8336): the server names the origins that this connection speaks for; the client
 * collects them in the origin set. The set is bounded in number and octets; what is beyond is left
 * out, which costs a connection more and nothing else.
 */
#include "core/proto/limits.h"
#include "core/proto/session_extension.h"

/* ---- the set --------------------------------------------------------------------------- */

static uint32_t find_origin(const struct session_extension *extension, const struct origin *origin)
{
    uint32_t i = 0;

    while (i < extension->origin_count &&
           halo_bytes_equal(extension->origins[i], origin_text(origin)) == 0) {
        i++;
    }
    return i;
}

static bool grow(struct halo_session *session)
{
    struct session_extension *extension = session->extension;
    uint32_t cap = extension->origin_cap == 0 ? 4 : extension->origin_cap * 2;
    halo_bytes *origins =
        memory_resize(session->env->memory, extension->origins, cap * sizeof(*origins));

    if (origins == NULL) {
        return false;
    }
    extension->origins = origins;
    extension->origin_cap = cap;
    return true;
}

/* Returns the place of the origin in the set, UINT32_MAX when it does not fit in, or HALO_E_NOMEM
 * in *status. */
static uint32_t add_origin(struct halo_session *session, const struct origin *origin, int *status)
{
    struct session_extension *extension = session->extension;
    uint32_t place = find_origin(extension, origin);
    char *text;

    if (place < extension->origin_count) {
        return place;
    }
    if (place >= session->config->limits.origins ||
        (uint64_t)extension->origin_octets + origin->len > session->config->limits.origin_octets) {
        return UINT32_MAX;
    }
    *status = HALO_E_NOMEM;
    if (place == extension->origin_cap && !grow(session)) {
        return UINT32_MAX;
    }
    text = memory_alloc(session->env->memory, origin->len);
    if (text == NULL) {
        return UINT32_MAX;
    }
    *status = 0;
    memcpy(text, origin->text, origin->len);
    extension->origins[place] = (halo_bytes){ text, origin->len };
    extension->origin_count++;
    extension->origin_octets += origin->len;
    return place;
}

static void remove_origin(struct halo_session *session, const struct origin *origin)
{
    struct session_extension *extension = session->extension;
    uint32_t place = find_origin(extension, origin);
    halo_bytes *entry;

    if (place == extension->origin_count) {
        return;
    }
    entry = &extension->origins[place];
    extension->origin_octets -= (uint32_t)entry->len;
    extension->origin_count--;
    memory_free(session->env->memory, (void *)(uintptr_t)entry->data);
    memmove(entry, entry + 1, (extension->origin_count - place) * sizeof(*entry));
}

int origin_set_init(struct halo_session *session, const struct halo_session_options *options)
{
    static const halo_bytes https = HALO_LIT("https");
    struct origin *own = &session->extension->own;
    int status = 0;

    if (options->server_name.len == 0) {
        return 0;
    }
    if (!origin_of_host(https, options->server_name, options->server_port, own)) {
        own->len = 0;
        return 0;
    }
    (void)add_origin(session, own, &status);
    return status;
}

void origin_set_fini(struct halo_session *session)
{
    struct session_extension *extension = session->extension;

    for (uint32_t i = 0; i < extension->origin_count; i++) {
        memory_free(session->env->memory, (void *)(uintptr_t)extension->origins[i].data);
    }
    memory_free(session->env->memory, extension->origins);
}

/* ---- receiving ------------------------------------------------------------------------- */

/* How many entries there are, or -1 when the last runs over the end. */
static int count_entries(const uint8_t *payload, uint32_t len)
{
    uint32_t at = 0;
    int count = 0;

    while (at < len) {
        if (len - at < 2 || load_u16(payload + at) > len - at - 2) {
            return -1;
        }
        at += 2 + (uint32_t)load_u16(payload + at);
        count++;
    }
    return count;
}

/* Adds the entries that are origins; `told` gets those that are in the set now. */
static int add_entries(struct halo_session *session, const uint8_t *payload, uint32_t len,
                       halo_bytes *told, size_t *count)
{
    size_t told_max = *count;
    int status = 0;

    *count = 0;
    for (uint32_t at = 0; at < len && status == 0 && *count < told_max;) {
        uint32_t entry_len = load_u16(payload + at);
        struct origin origin;

        /* RFC 8336 2.2: what cannot be parsed is left out. */
        if (origin_parse((halo_bytes){ (const char *)payload + at + 2, entry_len }, &origin)) {
            uint32_t place = add_origin(session, &origin, &status);

            if (place != UINT32_MAX) {
                told[(*count)++] = session->extension->origins[place];
            }
        }
        at += 2 + entry_len;
    }
    return status;
}

const struct fault *session_origin_frame(struct halo_session *session, const struct frame *frame,
                                         const uint8_t *payload, struct halo_event *event)
{
    int entries = count_entries(payload, frame->len);
    halo_bytes *told = NULL;
    size_t count;

    FAULT_TRY(session_useless_frame(session));
    if (entries < 0) { /* RFC 9113 4.2 */
        return CONNECTION_FAULT(HALO_FRAME_SIZE_ERROR, "ORIGIN shorter than what is in it");
    }
    count = min_size((size_t)entries, session->config->limits.origins);
    if (count > 0) {
        told = memory_alloc(session->env->memory, count * sizeof(*told));
        session->spent_block = (uint8_t *)told; /* freed when the event is settled */
        if (told == NULL || add_entries(session, payload, frame->len, told, &count) != 0) {
            return CONNECTION_FAULT(HALO_INTERNAL_ERROR, "out of memory");
        }
    }
    event->type = HALO_EVENT_ORIGIN;
    event->u.origin.origins = told;
    event->u.origin.count = count;
    return NULL;
}

/* ---- what was requested ---------------------------------------------------------------- */

bool origin_of_list(const halo_header *fields, size_t count, struct origin *origin)
{
    halo_header_list list = { fields, count };
    halo_bytes scheme;
    halo_bytes authority;

    return halo_header_find_token(list, HALO_NAME_SCHEME, &scheme) != 0 &&
           (halo_header_find_token(list, HALO_NAME_AUTHORITY, &authority) != 0 ||
            halo_header_find_token(list, HALO_NAME_HOST, &authority) != 0) &&
           origin_of_request(scheme, authority, origin);
}

bool session_will_ask(const struct halo_session *session, const halo_header *fields, size_t count)
{
    static const halo_bytes https = HALO_LIT("https");
    const struct origin *own = session->extension != NULL ? &session->extension->own : NULL;
    halo_header_list list = { fields, count };
    const size_t scheme_len = sizeof("https://") - 1;
    struct origin origin;
    halo_bytes value;

    if (session->push_wanted) {
        return true;
    }
    /* Nearly all requests are of the session's own origin, in the same words. */
    if (halo_header_find_token(list, HALO_NAME_AUTHORITY, &value) != 0 &&
        value.len + scheme_len == own->len &&
        memcmp(value.data, own->text + scheme_len, value.len) == 0 &&
        halo_header_find_token(list, HALO_NAME_SCHEME, &value) != 0 &&
        halo_bytes_equal(value, https) != 0) {
        return false;
    }
    return origin_of_list(fields, count, &origin) && !origin_equal(&origin, own);
}

/* Node: a response with status 421 takes the request's origin out of the set (RFC 8336 2.3). What
 * was not kept was requested of the session's own origin. */
void session_misdirected(struct halo_stream *stream)
{
    struct halo_session *session = stream->session;
    struct origin origin;

    if (session->role != HALO_CLIENT || session->extension == NULL || !session->encrypted) {
        return;
    }
    if (stream->request == NULL) {
        origin = session->extension->own;
    } else if (!origin_of_list(stream->request->fields, stream->request->count, &origin)) {
        return;
    }
    remove_origin(session, &origin);
}

size_t halo_session_origin_count(const halo_session *session)
{
    return session->extension != NULL ? session->extension->origin_count : 0;
}

halo_bytes halo_session_origin_at(const halo_session *session, size_t index)
{
    return index < halo_session_origin_count(session) ? session->extension->origins[index]
                                                      : (halo_bytes){ 0 };
}

/* ---- sending --------------------------------------------------------------------------- */

int halo_session_origin(halo_session *session, const halo_bytes *origins, size_t count)
{
    struct origin origin;
    size_t len = 0;
    uint8_t *frame;
    uint8_t *at;

    if (session->role != HALO_SERVER) {
        return HALO_E_WRONG_STATE;
    }
    if (session->state >= SESSION_ENDING) {
        return HALO_E_INVALID_SESSION;
    }
    for (size_t i = 0; i < count; i++) {
        if (!origin_of_url(origins[i], &origin)) {
            return HALO_E_INVALID_ORIGIN;
        }
        len += 2 + (size_t)origin.len;
        if (len > LIMIT_FRAME_SIZE_MIN) {
            return HALO_E_ORIGIN_LENGTH;
        }
    }
    frame = frame_reserve(session, (uint32_t)len, FRAME_ORIGIN, 0, 0);
    if (frame == NULL) {
        return HALO_E_NOMEM;
    }
    at = frame + FRAME_HEADER_LEN;
    for (size_t i = 0; i < count; i++) {
        (void)origin_of_url(origins[i], &origin);
        store_u16(at, origin.len);
        memcpy(at + 2, origin.text, origin.len);
        at += 2 + origin.len;
    }
    frame_commit(session, frame, at);
    session_wake(session);
    return 0;
}
