/*
 * A second opinion. Our own reading of a section is short and strict; llhttp is what Node reads
 * with, and has met everything. Both read the same octets, and a section on which they do not agree
 * (the method, the target, each name and value, the length of the body) is refused: what two
 * parsers read in two ways is what requests are smuggled with.
 */
#include <llhttp.h>

#include "server/http1.h"

struct confirm {
    llhttp_t parser; /* first: callbacks find the rest by it */
    const halo_header *fields;
    size_t count;
    size_t at;
    halo_bytes url;
    halo_bytes name;
    halo_bytes value;
};

static struct confirm *confirm_of(llhttp_t *parser)
{
    return HALO_CONTAINER(parser, struct confirm, parser);
}

/* Spans come in one piece or several that follow each other. */
static int append(halo_bytes *span, const char *at, size_t len)
{
    if (span->data == NULL) {
        *span = (halo_bytes){ at, len };
        return 0;
    }
    if (span->data + span->len != at) {
        return HPE_USER;
    }
    span->len += len;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    return append(&confirm_of(parser)->url, at, len);
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
    return append(&confirm_of(parser)->name, at, len);
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    return append(&confirm_of(parser)->value, at, len);
}

static int on_value_complete(llhttp_t *parser)
{
    struct confirm *confirm = confirm_of(parser);
    const halo_header *field = &confirm->fields[confirm->at];
    size_t len = confirm->value.len;

    /* llhttp leaves the blanks behind a value to its user. */
    while (len > 0 &&
           (confirm->value.data[len - 1] == ' ' || confirm->value.data[len - 1] == '\t')) {
        len--;
    }
    if (confirm->at++ >= confirm->count || confirm->name.data != field->name.data ||
        confirm->name.len != field->name.len || len != field->value.len ||
        (len > 0 && confirm->value.data != field->value.data)) {
        return -1;
    }
    confirm->name = (halo_bytes){ 0 };
    confirm->value = (halo_bytes){ 0 };
    return 0;
}

/* The body is not llhttp's business. */
static int on_headers_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
};

static bool same_request(struct confirm *confirm, const struct http1_section *section,
                         const struct http1_request *request)
{
    const char *line = (const char *)section->octets;
    const char *method = llhttp_method_name((llhttp_method_t)confirm->parser.method);
    size_t method_len = strlen(method);
    bool chunked = (confirm->parser.flags & F_CHUNKED) != 0;
    bool length = (confirm->parser.flags & F_CONTENT_LENGTH) != 0;

    if (strncmp(line, method, method_len) != 0 || line[method_len] != ' ' ||
        confirm->url.data != line + method_len + 1 || confirm->url.data[confirm->url.len] != ' ' ||
        confirm->parser.http_major != 1 || confirm->parser.http_minor != request->minor) {
        return false;
    }
    return chunked == (request->body == BODY_CHUNKED) && length == (request->body == BODY_LENGTH) &&
           (!length || confirm->parser.content_length == request->length);
}

bool http1_confirm(const struct http1_section *section, const halo_header *fields,
                   const struct http1_request *request)
{
    static const char before_trailers[] = "GET / HTTP/1.1\r\n";
    struct confirm confirm = { .fields = fields, .count = section->fields };

    llhttp_init(&confirm.parser, HTTP_REQUEST, &settings);
    if (request == NULL &&
        llhttp_execute(&confirm.parser, before_trailers, sizeof(before_trailers) - 1) != HPE_OK) {
        return false;
    }
    if (llhttp_execute(&confirm.parser, (const char *)section->octets, section->len) !=
        HPE_PAUSED) {
        return false;
    }
    return confirm.at == confirm.count &&
           (request == NULL || same_request(&confirm, section, request));
}
