/*
 * A head or a trailer section, gathered whole and checked octet by octet (RFC 9112 2.2, 5). What
 * two parsers could read in two ways is refused: a line ends with CRLF and nothing else, a field
 * begins with a name that a colon follows at once, no line begins with a blank, and no octet is a
 * control but the tabulator in a value.
 */
#include "server/http1.h"

enum { FIRST_ROOM = 1024 };

/* RFC 9110 5.6.2 */
static const bool token_octets[256] = {
    ['!'] = true,         ['#' ... '\''] = true, ['*'] = true,         ['+'] = true,
    ['-'] = true,         ['.'] = true,          ['0' ... '9'] = true, ['A' ... 'Z'] = true,
    ['^' ... 'z'] = true, ['|'] = true,          ['~'] = true,
};

bool http1_is_token(uint8_t octet)
{
    return token_octets[octet];
}

void http1_section_begin(struct http1_section *section, bool trailers)
{
    section->len = 0;
    section->request_line = 0;
    section->fields = 0;
    section->line_start = 0;
    section->empty_lines = 0;
    section->trailers = trailers;
    section->state = trailers ? SECTION_LINE : SECTION_BEFORE;
}

void http1_section_free(struct http1_section *section, struct memory *memory)
{
    memory_free(memory, section->octets);
    section->octets = NULL;
    section->cap = 0;
}

/* ---- gathering ------------------------------------------------------------------------- */

static bool is_text(uint8_t octet)
{
    return (octet >= 0x20 && octet != 0x7f) || octet == '\t';
}

static int begin_field(struct http1_section *section, const struct http1_section_limits *limits,
                       uint8_t octet)
{
    if (octet == '\r') {
        section->state = SECTION_END_LF;
        return HTTP1_MORE;
    }
    if (!http1_is_token(octet)) {
        return 400; /* a folded line (RFC 9112 5.2), an empty name, a control octet */
    }
    section->state = SECTION_NAME;
    return ++section->fields > limits->fields ? 431 : HTTP1_MORE;
}

/* One octet that is already in place. */
static int check_octet(struct http1_section *section, const struct http1_section_limits *limits,
                       uint8_t octet)
{
    switch (section->state) {
    case SECTION_REQUEST_LINE:
        if (octet == '\r') {
            section->request_line = section->len + 1;
            section->state = SECTION_LF;
            return HTTP1_MORE;
        }
        if (section->len > limits->request_line) {
            return 414;
        }
        return octet >= 0x20 && octet < 0x7f ? HTTP1_MORE : 400;
    case SECTION_LF:
        section->state = SECTION_LINE;
        return octet == '\n' ? HTTP1_MORE : 400;
    case SECTION_LINE:
        return begin_field(section, limits, octet);
    case SECTION_NAME:
        if (octet == ':') {
            section->state = SECTION_VALUE;
            return HTTP1_MORE;
        }
        return http1_is_token(octet) ? HTTP1_MORE : 400;
    case SECTION_VALUE:
        if (octet == '\r') {
            section->state = SECTION_LF;
            return HTTP1_MORE;
        }
        return is_text(octet) ? HTTP1_MORE : 400;
    default: /* SECTION_END_LF */
        section->state = SECTION_COMPLETE;
        return octet == '\n' ? HTTP1_COMPLETE : 400;
    }
}

/* Empty lines in front of a request (RFC 9112 2.2) are not kept. Returns whether the octet is part
 * of one. */
static bool skip_before(struct http1_section *section, uint8_t octet, int *result)
{
    if (section->state == SECTION_BEFORE_LF) {
        section->state = SECTION_BEFORE;
        *result = octet == '\n' && ++section->empty_lines <= HTTP1_EMPTY_LINES ? HTTP1_MORE : 400;
        return true;
    }
    if (octet == '\r') {
        section->state = SECTION_BEFORE_LF;
        return true;
    }
    section->state = SECTION_REQUEST_LINE;
    return false;
}

static bool reserve(struct http1_section *section, struct memory *memory, size_t more)
{
    size_t cap = max_size(section->cap, FIRST_ROOM);
    uint8_t *octets;

    if (section->len + more <= section->cap) {
        return true;
    }
    while (cap < section->len + more) {
        cap *= 2;
    }
    octets = memory_resize(memory, section->octets, cap);
    if (octets == NULL) {
        return false;
    }
    section->octets = octets;
    section->cap = (uint32_t)cap;
    return true;
}

int http1_section_take(struct http1_section *section, struct memory *memory,
                       const struct http1_section_limits *limits, const uint8_t *data, size_t len,
                       size_t *taken)
{
    /* Never more than the limits let stay, however much is at hand. */
    size_t room = (size_t)limits->request_line + limits->octets + 8;
    size_t most = section->len < room ? room - section->len : 1;
    size_t i = 0;
    int result = HTTP1_MORE;

    *taken = 0;
    len = min_size(len, most);
    if (!reserve(section, memory, len)) {
        return HTTP1_NO_MEMORY;
    }
    while (i < len && result == HTTP1_MORE) {
        uint8_t octet = data[i++];

        if (section->state <= SECTION_BEFORE_LF && skip_before(section, octet, &result)) {
            continue;
        }
        result = check_octet(section, limits, octet);
        section->octets[section->len++] = octet;
        if (result == HTTP1_MORE && section->state >= SECTION_LINE &&
            section->len - section->request_line > limits->octets) {
            result = 431;
        }
    }
    *taken = i;
    return result;
}

/* ---- fields ---------------------------------------------------------------------------- */

static bool is_blank(char octet)
{
    return octet == ' ' || octet == '\t';
}

static halo_bytes trim(const char *from, const char *to)
{
    while (from < to && is_blank(*from)) {
        from++;
    }
    while (to > from && is_blank(to[-1])) {
        to--;
    }
    return (halo_bytes){ from, (size_t)(to - from) };
}

void http1_section_fields(const struct http1_section *section, halo_header *fields)
{
    const char *at = (const char *)section->octets;
    const char *end = at + section->len;

    HALO_ASSERT(section->state == SECTION_COMPLETE);
    at += section->trailers ? 0 : section->request_line + 1; /* its LF */
    for (uint32_t i = 0; i < section->fields; i++) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        const char *line_end = memchr(at, '\r', (size_t)(end - at));

        HALO_ASSERT(colon != NULL && line_end != NULL && colon < line_end);
        fields[i] = (halo_header){
            .name = { at, (size_t)(colon - at) },
            .value = trim(colon + 1, line_end),
        };
        at = line_end + 2;
    }
}
