#include "core/proto/message.h"

#include "core/base/ascii.h"
#include "core/base/header.h"
#include "core/proto/limits.h"
#include "hpack/hpack.h"

enum {
    HPACK_FIELD_BAD = HPACK_FIELD_BAD_NAME | HPACK_FIELD_BAD_VALUE | HPACK_FIELD_VALUE_SPACE,
    PSEUDO_LAST = HALO_NAME_PROTOCOL,
};

/* RFC 9113 8.1.1; `status` is what <halo/check.h> calls it. */
#define MALFORMED_AS(status, reason)                                                               \
    FAULT_WITH_STATUS(FAULT_STREAM, 0, status, HALO_PROTOCOL_ERROR, reason)
#define MALFORMED(reason) MALFORMED_AS(HALO_E_PROTOCOL, reason)

static bool is(halo_bytes value, const char *text, size_t len)
{
    return value.len == len && memcmp(value.data, text, len) == 0;
}
#define IS(value, literal) is((value), "" literal, sizeof(literal) - 1)

/* RFC 9110 8.6: digits only, and once. More than 2^63 octets nobody can send. */
static const struct fault *read_content_length(halo_bytes value, struct message *message)
{
    uint64_t length;

    if (message->content_length >= 0) {
        return MALFORMED_AS(HALO_E_CONTENT_LENGTH, "content-length given twice");
    }
    if (!ascii_decimal(value, &length)) {
        return MALFORMED_AS(HALO_E_CONTENT_LENGTH, "content-length is not a number");
    }
    message->content_length = (int64_t)length;
    return NULL;
}

/* Names that a rule asks about. All others only have to be made of good octets, which is known by
 * now. */
static const bool has_rule[HALO_NAME_COUNT] = {
    [HALO_NAME_UNKNOWN] = true, /* may be a pseudo-header field that nobody knows */
    [HALO_NAME_AUTHORITY] = true,  [HALO_NAME_METHOD] = true,
    [HALO_NAME_PATH] = true,       [HALO_NAME_SCHEME] = true,
    [HALO_NAME_STATUS] = true,     [HALO_NAME_PROTOCOL] = true,
    [HALO_NAME_CONNECTION] = true, [HALO_NAME_HTTP2_SETTINGS] = true,
    [HALO_NAME_KEEP_ALIVE] = true, [HALO_NAME_PROXY_CONNECTION] = true,
    [HALO_NAME_TE] = true,         [HALO_NAME_TRANSFER_ENCODING] = true,
    [HALO_NAME_UPGRADE] = true,    [HALO_NAME_CONTENT_LENGTH] = true,
    [HALO_NAME_COOKIE] = true,     [HALO_NAME_HOST] = true,
    [HALO_NAME_PRIORITY] = true,
};

/* RFC 9113 8.2.1. */
static const struct fault *bad_octets(const halo_header *field)
{
    if ((field->flags & HPACK_FIELD_BAD_NAME) != 0) {
        return MALFORMED_AS(HALO_E_INVALID_HEADER_NAME, "field name with a forbidden octet");
    }
    if ((field->flags & HPACK_FIELD_BAD_VALUE) != 0) {
        return MALFORMED_AS(HALO_E_INVALID_HEADER_VALUE, "field value with a forbidden octet");
    }
    return MALFORMED_AS(HALO_E_INVALID_HEADER_VALUE, "field value with white space at an end");
}

/* The pseudo-header fields of a list by token, NULL where there is none. */
struct pseudo_fields {
    const halo_header *by_token[PSEUDO_LAST + 1];
    const halo_header *host;
};

/* What requests, responses and trailers have in common, for the fields behind the pseudo-header
 * ones. `cookies` counts apart (RFC 9113 8.2.3). */
static inline const struct fault *check_regular(const halo_header *fields, size_t count,
                                                size_t first, uint32_t fields_max, bool te_allowed,
                                                struct message *message,
                                                struct pseudo_fields *pseudo)
{
    uint32_t cookies = 0;

    for (size_t i = first; i < count; i++) {
        const halo_header *field = &fields[i];

        if (HALO_UNLIKELY((field->flags & HPACK_FIELD_BAD) != 0)) {
            return bad_octets(field);
        }
        if (HALO_LIKELY(!has_rule[field->token])) {
            continue;
        }
        if (field->token == HALO_NAME_UNKNOWN) {
            if (HALO_UNLIKELY(field->name.data[0] == ':')) {
                return MALFORMED_AS(HALO_E_INVALID_PSEUDOHEADER, "unknown pseudo-header field");
            }
            continue;
        }
        if (HALO_UNLIKELY(field->token <= PSEUDO_LAST)) {
            return MALFORMED_AS(HALO_E_PSEUDOHEADER_NOT_ALLOWED,
                                "pseudo-header field behind a regular one, or in trailers");
        }
        if (HALO_UNLIKELY(header_check_token(field) != 0)) {
            return MALFORMED_AS(HALO_E_INVALID_CONNECTION_HEADERS,
                                "connection-specific header field");
        }
        if (field->token == HALO_NAME_TE && !te_allowed) { /* 8.2.2: in requests only */
            return MALFORMED_AS(HALO_E_INVALID_CONNECTION_HEADERS, "te outside of a request");
        }
        if (field->token == HALO_NAME_CONTENT_LENGTH) {
            FAULT_TRY(read_content_length(field->value, message));
        } else if (field->token == HALO_NAME_HOST) {
            if (pseudo->host != NULL) {
                return MALFORMED_AS(HALO_E_HEADER_SINGLE_VALUE, "host given twice");
            }
            pseudo->host = field;
        } else if (field->token == HALO_NAME_COOKIE) {
            cookies++;
        } else if (field->token == HALO_NAME_PRIORITY) {
            message->priority = true;
        }
    }
    if (count - cookies > fields_max || cookies > LIMIT_COOKIE_CRUMBS) {
        return STREAM_FAULT(HALO_ENHANCE_YOUR_CALM, "too many header fields");
    }
    return NULL;
}

/* Collects the leading pseudo-header fields; `allowed` is a bit mask of tokens. */
static inline const struct fault *read_pseudo(const halo_header *fields, size_t count,
                                              uint32_t allowed, struct pseudo_fields *pseudo,
                                              size_t *end)
{
    const halo_header *field = fields;

    for (; field < fields + count; field++) {
        uint32_t token = field->token;

        if (token == HALO_NAME_UNKNOWN || token > PSEUDO_LAST) {
            break;
        }
        if (HALO_UNLIKELY((allowed >> token & 1u) == 0)) {
            return pseudo->by_token[token] != NULL
                       ? MALFORMED_AS(HALO_E_HEADER_SINGLE_VALUE, "pseudo-header field given twice")
                       : MALFORMED_AS(HALO_E_PSEUDOHEADER_NOT_ALLOWED,
                                      "pseudo-header field not allowed here");
        }
        if (HALO_UNLIKELY((field->flags & HPACK_FIELD_BAD) != 0)) {
            return bad_octets(field);
        }
        pseudo->by_token[token] = field;
        allowed ^= 1u << token; /* once */
    }
    *end = (size_t)(field - fields);
    return NULL;
}

/* Octets that cannot be in a path or an authority: what would end a request line or change the
 * meaning of one when a request is passed on as HTTP/1.1. */
enum {
    NOT_IN_PATH = 1,
    NOT_IN_AUTHORITY = 2,
    NOT_IN_BOTH = NOT_IN_PATH | NOT_IN_AUTHORITY,
};

static const uint8_t forbidden[256] = {
    [0x00 ... 0x20] = NOT_IN_BOTH, [0x7f] = NOT_IN_BOTH,
    ['@'] = NOT_IN_AUTHORITY, /* userinfo is not allowed (RFC 9113 8.3.1) */
    ['/'] = NOT_IN_AUTHORITY,      ['?'] = NOT_IN_AUTHORITY,
    ['#'] = NOT_IN_AUTHORITY,      ['\\'] = NOT_IN_AUTHORITY,
};

/* Is the value not empty, and no octet of it forbidden? */
static inline bool octets_ok(halo_bytes value, uint8_t where)
{
    const uint8_t *at = (const uint8_t *)value.data;
    const uint8_t *end = at + value.len;
    uint8_t found = 0;

    while (at < end) {
        found |= forbidden[*at++];
    }
    return value.len > 0 && (found & where) == 0;
}

static bool authority_ok(halo_bytes value)
{
    return octets_ok(value, NOT_IN_AUTHORITY);
}

static bool is_http(halo_bytes scheme)
{
    return IS(scheme, "http") || IS(scheme, "https");
}

static bool scheme_ok(halo_bytes value)
{
    if (HALO_LIKELY(is_http(value))) {
        return true;
    }
    if (value.len == 0 || !ascii_is_letter(value.data[0])) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        char octet = value.data[i];

        if (!ascii_is_letter(octet) && !ascii_is_digit(octet) && octet != '+' && octet != '-' &&
            octet != '.') {
            return false;
        }
    }
    return true;
}

/* :authority and host name one origin (RFC 9113 8.3.1): two that differ are how requests are
 * smuggled. */
static inline const struct fault *check_authority(const struct pseudo_fields *pseudo, bool needed)
{
    const halo_header *authority = pseudo->by_token[HALO_NAME_AUTHORITY];

    if (authority != NULL && !authority_ok(authority->value)) {
        return MALFORMED_AS(HALO_E_BAD_AUTHORITY, "malformed :authority");
    }
    if (pseudo->host != NULL && !authority_ok(pseudo->host->value)) {
        return MALFORMED_AS(HALO_E_BAD_AUTHORITY, "malformed host");
    }
    if (authority != NULL && pseudo->host != NULL &&
        !ascii_equal(authority->value, pseudo->host->value)) {
        return MALFORMED_AS(HALO_E_BAD_AUTHORITY, ":authority and host differ");
    }
    if (authority == NULL && pseudo->host == NULL && needed) {
        return MALFORMED_AS(HALO_E_BAD_AUTHORITY, "neither :authority nor host");
    }
    return NULL;
}

/* The same in any case (RFC 3986 3.1). */
static __attribute__((noinline)) bool is_http_in_any_case(halo_bytes scheme)
{
    static const halo_bytes http = HALO_LIT("http");
    static const halo_bytes https = HALO_LIT("https");

    return ascii_equal(scheme, http) || ascii_equal(scheme, https);
}

static inline const struct fault *check_path(const halo_header *path,
                                             const struct pseudo_fields *pseudo)
{
    halo_bytes scheme = pseudo->by_token[HALO_NAME_SCHEME]->value;

    if (!scheme_ok(scheme)) {
        return MALFORMED("malformed :scheme");
    }
    if (!octets_ok(path->value, NOT_IN_PATH)) {
        return MALFORMED("malformed :path");
    }
    if (path->value.data[0] == '/') {
        return NULL;
    }
    if (IS(path->value, "*") && IS(pseudo->by_token[HALO_NAME_METHOD]->value, "OPTIONS")) {
        return NULL;
    }
    return is_http_in_any_case(scheme) ? MALFORMED(":path without a slash in front") : NULL;
}

/* CONNECT (RFC 9113 8.5) and its extended form (RFC 8441 section 4). */
static const struct fault *check_connect(const struct pseudo_fields *pseudo,
                                         const struct message_limits *limits,
                                         struct message *message)
{
    const halo_header *scheme = pseudo->by_token[HALO_NAME_SCHEME];
    const halo_header *path = pseudo->by_token[HALO_NAME_PATH];

    if (pseudo->by_token[HALO_NAME_AUTHORITY] == NULL) {
        return MALFORMED_AS(HALO_E_CONNECT_AUTHORITY, "CONNECT without :authority");
    }
    message->connect = true;
    if (pseudo->by_token[HALO_NAME_PROTOCOL] == NULL) {
        if (scheme != NULL) {
            return MALFORMED_AS(HALO_E_CONNECT_SCHEME, "CONNECT with :scheme");
        }
        return path != NULL ? MALFORMED_AS(HALO_E_CONNECT_PATH, "CONNECT with :path") : NULL;
    }
    if (!limits->extended_connect) {
        return MALFORMED_AS(HALO_E_CONNECT_PROTOCOL, ":protocol, which was not enabled");
    }
    message->extended_connect = true;
    if (scheme == NULL || path == NULL) {
        return MALFORMED("extended CONNECT without :scheme or :path");
    }
    return check_path(path, pseudo);
}

static const struct fault *check_method(halo_bytes method)
{
    if (IS(method, "GET")) {
        return NULL;
    }
    /* A method is a token; so is a field name, but for its case. */
    for (size_t i = 0; i < method.len; i++) {
        char octet = method.data[i];
        char lower = ascii_lower(octet);

        if (octet == ':' || hpack_name_flags((halo_bytes){ &lower, 1 }) != 0) {
            return MALFORMED("malformed :method");
        }
    }
    return method.len == 0 ? MALFORMED("empty :method") : NULL;
}

const struct fault *message_check_request(const halo_header *fields, size_t count,
                                          const struct message_limits *limits,
                                          struct message *message)
{
    enum {
        ALLOWED = 1u << HALO_NAME_AUTHORITY | 1u << HALO_NAME_METHOD | 1u << HALO_NAME_PATH |
                  1u << HALO_NAME_SCHEME | 1u << HALO_NAME_PROTOCOL,
    };
    struct pseudo_fields pseudo = { 0 };
    const halo_header *method;
    size_t regular = 0;

    *message = (struct message){ .content_length = -1 };
    FAULT_TRY(read_pseudo(fields, count, ALLOWED, &pseudo, &regular));
    FAULT_TRY(check_regular(fields, count, regular, limits->fields, true, message, &pseudo));
    method = pseudo.by_token[HALO_NAME_METHOD];
    if (method == NULL) {
        return MALFORMED("request without :method");
    }
    FAULT_TRY(check_method(method->value));
    if (IS(method->value, "CONNECT")) {
        FAULT_TRY(check_connect(&pseudo, limits, message));
        return check_authority(&pseudo, true);
    }
    if (pseudo.by_token[HALO_NAME_PROTOCOL] != NULL) {
        return MALFORMED_AS(HALO_E_CONNECT_PROTOCOL, ":protocol without CONNECT");
    }
    if (pseudo.by_token[HALO_NAME_SCHEME] == NULL || pseudo.by_token[HALO_NAME_PATH] == NULL) {
        return MALFORMED("request without :scheme or :path");
    }
    message->head = IS(method->value, "HEAD");
    FAULT_TRY(check_path(pseudo.by_token[HALO_NAME_PATH], &pseudo));
    return check_authority(&pseudo, pseudo.by_token[HALO_NAME_PATH]->value.data[0] == '/');
}

const struct fault *message_check_response(const halo_header *fields, size_t count,
                                           const struct message_limits *limits,
                                           struct message *message)
{
    struct pseudo_fields pseudo = { 0 };
    const halo_header *status;
    size_t regular = 0;

    *message = (struct message){ .content_length = -1 };
    FAULT_TRY(read_pseudo(fields, count, 1u << HALO_NAME_STATUS, &pseudo, &regular));
    FAULT_TRY(check_regular(fields, count, regular, limits->fields, false, message, &pseudo));
    status = pseudo.by_token[HALO_NAME_STATUS];
    if (status == NULL) {
        return MALFORMED("response without :status");
    }
    if (status->value.len != 3 || status->value.data[0] < '1' || status->value.data[0] > '9') {
        return MALFORMED_AS(HALO_E_STATUS_INVALID, "malformed :status");
    }
    for (size_t i = 0; i < 3; i++) {
        if (status->value.data[i] < '0' || status->value.data[i] > '9') {
            return MALFORMED_AS(HALO_E_STATUS_INVALID, "malformed :status");
        }
        message->status = message->status * 10 + (status->value.data[i] - '0');
    }
    if (message->status == 101) {
        return MALFORMED_AS(HALO_E_STATUS_101,
                            "status 101 does not exist in HTTP/2"); /* RFC 9113 8.6 */
    }
    return NULL;
}

const struct fault *message_check_trailers(const halo_header *fields, size_t count)
{
    struct message message = { .content_length = -1 };
    struct pseudo_fields pseudo = { 0 };

    FAULT_TRY(check_regular(fields, count, 0, LIMIT_TRAILER_FIELDS, false, &message, &pseudo));
    if (message.content_length >= 0) {
        return MALFORMED_AS(HALO_E_CONTENT_LENGTH, "content-length in trailers");
    }
    return NULL;
}

/* Does the name hold capital letters and is fine otherwise? */
static bool name_ok_in_lower_case(halo_bytes name)
{
    bool capital = false;

    for (size_t i = 0; i < name.len; i++) {
        char octet = name.data[i];

        if (ascii_is_upper(octet)) {
            capital = true;
        } else if (hpack_name_flags((halo_bytes){ &octet, 1 }) != 0) {
            return false;
        }
    }
    return capital;
}

static int check_mixed_case_field(const halo_header *field, unsigned *notes)
{
    char lower[32]; /* longer than every name that is forbidden */
    halo_header same = *field;

    if (field->name.len > sizeof(lower)) {
        return 0;
    }
    ascii_copy_lower(lower, field->name.data, field->name.len);
    same.name.data = lower;
    same.token = halo_name_token(same.name);
    *notes |= header_note(same.token);
    return header_check_token(&same);
}

/* A field whose token is not known yet, and is found here. */
static int check_new_field(halo_header *field, unsigned *notes)
{
    field->token = halo_name_token(field->name);
    /* A name that halo knows is a good one. */
    if (HALO_UNLIKELY(field->token == HALO_NAME_UNKNOWN && hpack_name_flags(field->name) != 0)) {
        if (!name_ok_in_lower_case(field->name)) {
            return HALO_E_INVALID_HEADER_NAME;
        }
        *notes |= HEADER_MIXED_CASE;
        HALO_TRY(check_mixed_case_field(field, notes));
    }
    return HALO_UNLIKELY(hpack_value_flags(field->value) != 0) ? HALO_E_INVALID_HEADER_VALUE : 0;
}

static inline int check_sent_token(const halo_header *field, unsigned *notes)
{
    if (HALO_LIKELY(field->token == HALO_NAME_UNKNOWN)) {
        return field->name.data[0] == ':' ? HALO_E_PSEUDOHEADER_NOT_ALLOWED : 0;
    }
    *notes |= header_note(field->token);
    return header_check_token(field);
}

int message_check_sent(halo_header *checked, const halo_header *fields, size_t count,
                       unsigned *notes)
{
    *notes = 0;
    for (size_t i = 0; i < count; i++) {
        halo_header scrap;
        halo_header *field = checked != NULL ? &checked[i] : &scrap;

        *field = fields[i];
        /* Fields that halo handed out carry a hash: their octets were checked when they came. */
        if (field->hash == 0 || field->token >= HALO_NAME_COUNT) {
            HALO_TRY(check_new_field(field, notes));
        }
        if (HALO_UNLIKELY(has_rule[field->token])) {
            HALO_TRY(check_sent_token(field, notes));
        }
    }
    return 0;
}

/* The number of a name in any case. */
static uint16_t token_of(halo_bytes name)
{
    char lower[40]; /* longer than every name that halo knows */

    if (name.len > sizeof(lower)) {
        return HALO_NAME_UNKNOWN;
    }
    ascii_copy_lower(lower, name.data, name.len);
    return halo_name_token((halo_bytes){ lower, name.len });
}

bool message_hosts_agree(halo_bytes authority, const halo_header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (token_of(fields[i].name) == HALO_NAME_HOST &&
            !ascii_equal(authority, fields[i].value)) {
            return false;
        }
    }
    return true;
}

static bool repeats_single(const halo_header *fields, size_t count)
{
    bool seen[HALO_NAME_COUNT] = { false };

    for (size_t i = 0; i < count; i++) {
        uint16_t token = token_of(fields[i].name);

        if (seen[token] && halo_header_is_single(token)) {
            return true;
        }
        seen[token] = true;
    }
    return false;
}

bool message_repeats_single(const halo_header *fields, size_t count, bool tokens)
{
    uint64_t seen = 0;
    uint64_t again = 0;

    if (HALO_UNLIKELY(!tokens)) {
        return repeats_single(fields, count);
    }
    /* One bit for several names: a list without a repeated bit has no repeated name. */
    for (size_t i = 0; i < count; i++) {
        uint64_t bit = 1ull << (fields[i].token & 63u);

        again |= seen & bit;
        seen |= bit;
    }
    return HALO_UNLIKELY(again != 0) && repeats_single(fields, count);
}

bool message_repeats_before(const halo_header *before, size_t before_count,
                            const halo_header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!halo_header_is_single(fields[i].token)) {
            continue;
        }
        for (size_t j = 0; j < before_count; j++) {
            if (halo_bytes_equal(fields[i].name, before[j].name)) {
                return true;
            }
        }
    }
    return false;
}
