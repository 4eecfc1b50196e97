/*
 * What the head of a request means (RFC 9112 3, 6.3, 9.3), and the list that it is in HTTP/2
 * (RFC 9113 8.3.1): the target becomes :scheme, :authority and :path, Host is :authority, and the
 * fields that are about the connection stay here.
 *
 * Three more choices than the RFC asks for: a target in absolute form must name the host that Host
 * names, and the scheme of the connection; CONNECT is answered 501 (a tunnel is the business of a
 * proxy); Transfer-Encoding in HTTP/1.0 is refused.
 */
#include "core/base/ascii.h"
#include "server/http1.h"

#define IS(bytes, text)                                                                            \
    ((bytes).len == sizeof(text) - 1 && memcmp((bytes).data, (text), sizeof(text) - 1) == 0)

#define REFUSE(status, why)                                                                        \
    do {                                                                                           \
        *reason = (why);                                                                           \
        return (status);                                                                           \
    } while (0)

/* The parts of a request line. */
struct request_line {
    halo_bytes method;
    halo_bytes target;
    halo_bytes scheme;    /* of a target in absolute form */
    halo_bytes authority; /* ... and its host; else empty */
    halo_bytes path;
};

/* The fields that decide about more than the application. */
struct special_fields {
    halo_bytes host;
    uint32_t hosts;
    uint32_t lengths;
    uint32_t encodings;
    bool chunked;
    bool close;
    bool keep_alive;
    bool expects;
    bool unknown_expectation;
    uint64_t length;
    bool bad_length;
};

/* ---- the request line ------------------------------------------------------------------ */

static int read_version(halo_bytes version, struct http1_request *request, const char **reason)
{
    bool well_formed = version.len == 8 && memcmp(version.data, "HTTP/", 5) == 0 &&
                       ascii_is_digit(version.data[5]) && version.data[6] == '.' &&
                       ascii_is_digit(version.data[7]);

    if (!well_formed) {
        REFUSE(400, "malformed request line");
    }
    if (version.data[5] != '1' || version.data[7] > '1') {
        REFUSE(505, "not HTTP/1.0 or HTTP/1.1");
    }
    request->minor = (uint8_t)(version.data[7] - '0');
    return 0;
}

/* Exactly one blank between the parts (RFC 9112 3). */
static int split_line(const struct http1_section *section, struct request_line *line,
                      struct http1_request *request, const char **reason)
{
    const char *at = (const char *)section->octets;
    const char *end = at + section->request_line - 1;
    const char *first = memchr(at, ' ', (size_t)(end - at));
    const char *second = first != NULL ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;

    if (second == NULL || first == at || second == first + 1) {
        REFUSE(400, "malformed request line");
    }
    line->method = (halo_bytes){ at, (size_t)(first - at) };
    line->target = (halo_bytes){ first + 1, (size_t)(second - first - 1) };
    for (size_t i = 0; i < line->method.len; i++) {
        if (!http1_is_token((uint8_t)line->method.data[i])) {
            REFUSE(400, "malformed method");
        }
    }
    return read_version((halo_bytes){ second + 1, (size_t)(end - second - 1) }, request, reason);
}

#define SAME(bytes, text) ascii_equal((bytes), (halo_bytes)HALO_LIT(text))

/* "http://host[:port][/path][?query]" (RFC 9112 3.2.2) */
static int read_absolute(struct request_line *line, const char **reason)
{
    const char *at = line->target.data;
    const char *end = at + line->target.len;
    const char *colon = memchr(at, ':', line->target.len);
    const char *host;
    const char *path;

    if (colon == NULL || end - colon < 3 || colon[1] != '/' || colon[2] != '/') {
        REFUSE(400, "malformed request target");
    }
    line->scheme = (halo_bytes){ at, (size_t)(colon - at) };
    host = colon + 3;
    for (path = host; path < end && *path != '/' && *path != '?'; path++) {
    }
    line->authority = (halo_bytes){ host, (size_t)(path - host) };
    line->path = (halo_bytes){ path, (size_t)(end - path) };
    if (line->authority.len == 0) {
        REFUSE(400, "request target without a host");
    }
    if (line->path.len == 0) {
        line->path =
            IS(line->method, "OPTIONS") ? (halo_bytes)HALO_LIT("*") : (halo_bytes)HALO_LIT("/");
    } else if (line->path.data[0] == '?') {
        /* A query right behind the host: nobody but attackers writes it. */
        REFUSE(400, "request target without a path");
    }
    return 0;
}

static int read_target(struct request_line *line, bool secure, const char **reason)
{
    if (IS(line->method, "CONNECT")) {
        REFUSE(501, "CONNECT over HTTP/1.1");
    }
    if (memchr(line->target.data, '#', line->target.len) != NULL) {
        REFUSE(400, "request target with a fragment");
    }
    line->path = line->target;
    if (line->target.data[0] == '/') {
        return 0;
    }
    if (IS(line->target, "*")) {
        if (!IS(line->method, "OPTIONS")) {
            REFUSE(400, "\"*\" is a target for OPTIONS only");
        }
        return 0;
    }
    HALO_TRY(read_absolute(line, reason));
    if (!(secure ? SAME(line->scheme, "https") : SAME(line->scheme, "http"))) {
        REFUSE(400, "the scheme of the request target is not that of the connection");
    }
    return 0;
}

/* ---- the fields ------------------------------------------------------------------------ */

/* The next element of a list (RFC 9110 5.6.1); false at the end. */
static bool next_element(halo_bytes *rest, halo_bytes *element)
{
    while (rest->len > 0) {
        const char *comma = memchr(rest->data, ',', rest->len);
        size_t len = comma != NULL ? (size_t)(comma - rest->data) : rest->len;
        size_t skip = comma != NULL ? len + 1 : len;

        *element = (halo_bytes){ rest->data, len };
        rest->data += skip;
        rest->len -= skip;
        while (element->len > 0 && (*element->data == ' ' || *element->data == '\t')) {
            element->data++;
            element->len--;
        }
        while (element->len > 0 && (element->data[element->len - 1] == ' ' ||
                                    element->data[element->len - 1] == '\t')) {
            element->len--;
        }
        if (element->len > 0) {
            return true;
        }
    }
    return false;
}

static void read_connection(halo_bytes value, struct special_fields *special)
{
    halo_bytes element;

    while (next_element(&value, &element)) {
        special->close |= SAME(element, "close");
        special->keep_alive |= SAME(element, "keep-alive");
    }
}

static void read_expect(halo_bytes value, struct special_fields *special)
{
    if (SAME(value, "100-continue")) {
        special->expects = true;
    } else {
        special->unknown_expectation = true;
    }
}

/* Digits alone, and no list of them (RFC 9112 6.3 lets equal ones pass; we do not). */
static void read_length(halo_bytes value, struct special_fields *special)
{
    special->lengths++;
    special->bad_length |= !ascii_decimal(value, &special->length);
}

/* Reads a field that is about the connection or the framing. Returns whether it is kept for the
 * application. */
static bool read_field(const halo_header *field, struct special_fields *special)
{
    switch (field->token) {
    case HALO_NAME_HOST:
        special->hosts++;
        special->host = field->value;
        return false; /* it becomes :authority */
    case HALO_NAME_CONTENT_LENGTH:
        read_length(field->value, special);
        return true;
    case HALO_NAME_TRANSFER_ENCODING:
        special->encodings++;
        special->chunked = SAME(field->value, "chunked");
        return false;
    case HALO_NAME_CONNECTION:
        read_connection(field->value, special);
        return false;
    case HALO_NAME_EXPECT:
        read_expect(field->value, special);
        return true;
    case HALO_NAME_KEEP_ALIVE:
    case HALO_NAME_PROXY_CONNECTION:
    case HALO_NAME_TE:
    case HALO_NAME_UPGRADE: /* RFC 9110 7.8: a server may ignore it */
    case HALO_NAME_HTTP2_SETTINGS:
        return false;
    default:
        return true;
    }
}

static void lower_name(halo_header *field)
{
    char *name = (char *)(uintptr_t)field->name.data; /* it lies in the section's memory */

    ascii_copy_lower(name, name, field->name.len);
    field->token = halo_name_token(field->name);
}

/* RFC 9112 6: how long is the body? Whatever is not plain is refused. */
static int decide_body(const struct special_fields *special, struct http1_request *request,
                       const char **reason)
{
    if (special->encodings > 0 && special->lengths > 0) {
        REFUSE(400, "content-length together with transfer-encoding");
    }
    if (special->lengths > 1 || special->bad_length) {
        REFUSE(400, "content-length given twice, or not a number");
    }
    if (special->encodings > 1) {
        REFUSE(400, "transfer-encoding given twice");
    }
    if (special->encodings == 1) {
        if (!special->chunked) {
            REFUSE(501, "transfer-encoding other than chunked");
        }
        if (request->minor == 0) {
            REFUSE(400, "transfer-encoding in HTTP/1.0");
        }
        request->body = BODY_CHUNKED;
    } else if (special->lengths == 1) {
        request->body = BODY_LENGTH;
        request->length = special->length;
    }
    return 0;
}

static int decide_rest(const struct special_fields *special, struct http1_request *request,
                       const char **reason)
{
    bool has_body = request->body == BODY_CHUNKED || request->length > 0;

    if (special->hosts > 1 || (special->hosts == 0 && request->minor == 1)) {
        REFUSE(400, "not exactly one Host"); /* RFC 9112 3.2 */
    }
    request->keep_alive = !special->close && (request->minor == 1 || special->keep_alive);
    if (request->minor == 1) { /* RFC 9110 10.1.1: HTTP/1.0 does not know it */
        if (special->unknown_expectation) {
            REFUSE(417, "an expectation other than 100-continue");
        }
        request->expects = special->expects && has_body;
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------- */

static void add_pseudo(struct http1_request *request, halo_bytes value, uint16_t token)
{
    request->list[request->count++] =
        (halo_header){ .name = halo_name_text(token), .value = value, .token = token };
}

/* What the application gets of the fields. */
static void make_list(const struct http1_section *section, halo_header *fields,
                      struct http1_request *request)
{
    struct special_fields scrap = { 0 };

    for (uint32_t i = 0; i < section->fields; i++) {
        if (read_field(&fields[i], &scrap)) {
            request->list[request->count++] = fields[i];
        }
    }
}

static int read_line(const struct http1_section *section, bool secure, struct request_line *line,
                     struct http1_request *request, const char **reason)
{
    HALO_TRY(split_line(section, line, request, reason));
    HALO_TRY(read_target(line, secure, reason));
    request->head = IS(line->method, "HEAD");
    return 0;
}

/* Methods that llhttp does not know are tokens by now, and nothing but unknown. */
static bool known_to_llhttp(halo_bytes method)
{
    static const char *const known[] = {
        "GET",    "HEAD",     "POST",       "PUT",         "DELETE", "OPTIONS",   "TRACE",
        "PATCH",  "COPY",     "LOCK",       "MKCOL",       "MOVE",   "PROPFIND",  "PROPPATCH",
        "SEARCH", "UNLOCK",   "BIND",       "REBIND",      "UNBIND", "ACL",       "REPORT",
        "MERGE",  "CHECKOUT", "MKACTIVITY", "M-SEARCH",    "NOTIFY", "SUBSCRIBE", "PURGE",
        "LINK",   "UNLINK",   "MKCALENDAR", "UNSUBSCRIBE",
    };

    for (size_t i = 0; i < HALO_ARRAY_LEN(known); i++) {
        if (method.len == strlen(known[i]) && memcmp(method.data, known[i], method.len) == 0) {
            return true;
        }
    }
    return false;
}

int http1_request_read(struct http1_section *section, halo_header *fields, halo_header *list,
                       bool secure, halo_bytes authority, struct http1_request *request,
                       const char **reason)
{
    struct special_fields special = { 0 };
    struct request_line line = { 0 };

    *request = (struct http1_request){ .list = list };
    HALO_TRY(read_line(section, secure, &line, request, reason));
    http1_section_fields(section, fields);
    for (uint32_t i = 0; i < section->fields; i++) {
        lower_name(&fields[i]);
        read_field(&fields[i], &special);
    }
    HALO_TRY(decide_body(&special, request, reason));
    HALO_TRY(decide_rest(&special, request, reason));
    if (!known_to_llhttp(line.method)) {
        REFUSE(501, "a method that is not known");
    }
    if (!http1_confirm(section, fields, request)) {
        REFUSE(400, "malformed request");
    }
    if (line.authority.len > 0 && special.hosts == 1 &&
        !ascii_equal(special.host, line.authority)) {
        REFUSE(400, "Host is not the host of the request target");
    }
    if (line.authority.len == 0) {
        line.authority = special.hosts == 1 ? special.host : authority;
    }
    add_pseudo(request, line.method, HALO_NAME_METHOD);
    add_pseudo(request, secure ? (halo_bytes)HALO_LIT("https") : (halo_bytes)HALO_LIT("http"),
               HALO_NAME_SCHEME);
    add_pseudo(request, line.authority, HALO_NAME_AUTHORITY);
    add_pseudo(request, line.path, HALO_NAME_PATH);
    make_list(section, fields, request);
    return 0;
}

int http1_trailers_read(struct http1_section *section, halo_header *list, const char **reason)
{
    http1_section_fields(section, list);
    for (uint32_t i = 0; i < section->fields; i++) {
        struct special_fields scrap = { 0 };

        lower_name(&list[i]);
        /* RFC 9110 6.5.1: nothing that framing, routing or the connection depend on. */
        if (!read_field(&list[i], &scrap) || scrap.lengths > 0 ||
            list[i].token == HALO_NAME_TRAILER || list[i].token == HALO_NAME_EXPECT) {
            REFUSE(400, "a field that cannot be a trailer");
        }
    }
    if (!http1_confirm(section, list, NULL)) {
        REFUSE(400, "malformed trailers");
    }
    return 0;
}
