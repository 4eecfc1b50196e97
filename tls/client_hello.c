#include "tls/client_hello.h"

#include "core/base/wire.h"
#include "tls/alert.h"
#include "tls/limits.h"

/* The octets that are left of a vector. */
struct span {
    const uint8_t *data;
    size_t len;
};

enum extension_type {
    EXT_SERVER_NAME = 0,
    EXT_MAX_FRAGMENT_LENGTH = 1,
    EXT_STATUS_REQUEST = 5,
    EXT_SUPPORTED_GROUPS = 10,
    EXT_EC_POINT_FORMATS = 11,
    EXT_SIGNATURE_ALGORITHMS = 13,
    EXT_ALPN = 16,
    EXT_ENCRYPT_THEN_MAC = 22,
    EXT_EXTENDED_MASTER_SECRET = 23,
    EXT_RECORD_SIZE_LIMIT = 28,
    EXT_PRE_SHARED_KEY = 41,
    EXT_EARLY_DATA = 42,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_COOKIE = 44,
    EXT_PSK_KEY_EXCHANGE_MODES = 45,
    EXT_CERTIFICATE_AUTHORITIES = 47,
    EXT_POST_HANDSHAKE_AUTH = 49,
    EXT_SIGNATURE_ALGORITHMS_CERT = 50,
    EXT_KEY_SHARE = 51,
    EXT_RENEGOTIATION_INFO = 0xff01,
};

/* What is remembered of one hello while its extensions are read. */
struct parse {
    struct client_hello *hello;
    uint16_t legacy_version;
    struct span compression;
    struct span groups;
    struct span key_shares;
    bool has_versions, has_groups, has_key_share, has_signatures, has_psk, has_psk_modes;
};

/* ---- spans ----------------------------------------------------------------------------- */

static bool take(struct span *from, size_t len, struct span *out)
{
    if (from->len < len) {
        return false;
    }
    *out = (struct span){ from->data, len };
    from->data += len;
    from->len -= len;
    return true;
}

static bool take_u8(struct span *from, uint8_t *out)
{
    struct span octets;

    if (!take(from, 1, &octets)) {
        return false;
    }
    *out = octets.data[0];
    return true;
}

static bool take_u16(struct span *from, uint16_t *out)
{
    struct span octets;

    if (!take(from, 2, &octets)) {
        return false;
    }
    *out = load_u16(octets.data);
    return true;
}

/* A vector with its length in one or two octets. */
static bool take_vector8(struct span *from, struct span *out)
{
    uint8_t len;

    return take_u8(from, &len) && take(from, len, out);
}

static bool take_vector16(struct span *from, struct span *out)
{
    uint16_t len;

    return take_u16(from, &len) && take(from, len, out);
}

/* The whole of `body` is one vector, neither empty nor with half an item. */
static bool whole_vector8(struct span body, size_t item, struct span *out)
{
    return take_vector8(&body, out) && body.len == 0 && out->len > 0 && out->len % item == 0;
}

static bool whole_vector16(struct span body, size_t item, struct span *out)
{
    return take_vector16(&body, out) && body.len == 0 && out->len > 0 && out->len % item == 0;
}

static bool refuse(struct client_hello *hello, enum tls_alert alert, const char *why)
{
    hello->alert = (uint8_t)alert;
    hello->why = why;
    return false;
}

static bool has_u16(struct span list, uint16_t value)
{
    for (size_t i = 0; i + 1 < list.len; i += 2) {
        if (load_u16(list.data + i) == value) {
            return true;
        }
    }
    return false;
}

/* ---- extensions ------------------------------------------------------------------------ */

/* RFC 6066 section 3: a list of names, of which only host_name is defined, and once at most. */
static bool read_server_name(struct parse *parse, struct span body)
{
    struct client_hello *hello = parse->hello;
    struct span list;
    struct span name;
    uint8_t type;

    if (!whole_vector16(body, 1, &list)) {
        return refuse(hello, TLS_ALERT_DECODE_ERROR, "its server_name is malformed");
    }
    if (!take_u8(&list, &type) || !take_vector16(&list, &name) || name.len == 0) {
        return refuse(hello, TLS_ALERT_DECODE_ERROR, "its server_name is malformed");
    }
    if (type != 0 || list.len != 0 || name.len > 255) {
        return refuse(hello, TLS_ALERT_ILLEGAL_PARAMETER, "its server_name is not one host name");
    }
    for (size_t i = 0; i < name.len; i++) {
        /* Visible ASCII: nothing that could end a string or a log line early. */
        if (name.data[i] <= ' ' || name.data[i] > '~') {
            return refuse(hello, TLS_ALERT_ILLEGAL_PARAMETER, "its server_name is not a host name");
        }
    }
    hello->server_name = (halo_bytes){ (const char *)name.data, name.len };
    return true;
}

/* RFC 7301 section 3.1: names of 1 to 255 octets that fill the list exactly. */
static bool read_alpn(struct parse *parse, struct span body)
{
    struct span list;
    struct span names;

    if (!whole_vector16(body, 1, &list)) {
        return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "its ALPN list is malformed");
    }
    names = list;
    while (names.len > 0) {
        struct span name;

        if (!take_vector8(&names, &name) || name.len == 0) {
            return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "its ALPN list is malformed");
        }
    }
    parse->hello->has_alpn = true;
    parse->hello->alpn = (halo_bytes){ (const char *)list.data, list.len };
    return true;
}

/* RFC 8446 section 4.2.8: at most one share per group, none empty; the list itself may be empty. */
static bool read_key_share(struct parse *parse, struct span body)
{
    struct span list;
    struct span shares;

    if (!take_vector16(&body, &list) || body.len != 0) {
        return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "its key_share is malformed");
    }
    parse->has_key_share = true;
    parse->key_shares = list;
    shares = list;
    while (shares.len > 0) {
        struct span earlier = { list.data, list.len - shares.len };
        struct span key;
        uint16_t group;

        if (!take_u16(&shares, &group) || !take_vector16(&shares, &key) || key.len == 0) {
            return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "its key_share is malformed");
        }
        while (earlier.len > 0) {
            uint16_t other;
            struct span ignored;

            if (!take_u16(&earlier, &other) || !take_vector16(&earlier, &ignored)) {
                return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "its key_share is malformed");
            }
            if (other == group) {
                return refuse(parse->hello, TLS_ALERT_ILLEGAL_PARAMETER,
                              "it has two key shares for one group");
            }
        }
    }
    return true;
}

static bool read_supported_versions(struct parse *parse, struct span body)
{
    struct span list;

    if (!whole_vector8(body, 2, &list)) {
        return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "its supported_versions is malformed");
    }
    parse->has_versions = true;
    parse->hello->offers_tls12 = has_u16(list, 0x0303);
    parse->hello->offers_tls13 = has_u16(list, 0x0304);
    return true;
}

/* RFC 8446 section 4.2.11: as many binders as identities. */
static bool read_pre_shared_key(struct parse *parse, struct span body)
{
    struct span identities;
    struct span binders;
    size_t num_identities = 0;
    size_t num_binders = 0;

    parse->has_psk = true;
    if (!take_vector16(&body, &identities) || identities.len == 0 ||
        !take_vector16(&body, &binders) || binders.len == 0 || body.len != 0) {
        return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "its pre_shared_key is malformed");
    }
    while (identities.len > 0) {
        struct span identity;
        struct span age;

        if (!take_vector16(&identities, &identity) || identity.len == 0 ||
            !take(&identities, 4, &age)) {
            return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "its pre_shared_key is malformed");
        }
        num_identities++;
    }
    while (binders.len > 0) {
        struct span binder;

        if (!take_vector8(&binders, &binder) || binder.len < 32) {
            return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "its pre_shared_key is malformed");
        }
        num_binders++;
    }
    if (num_identities != num_binders) {
        return refuse(parse->hello, TLS_ALERT_ILLEGAL_PARAMETER,
                      "its pre_shared_key has not as many binders as identities");
    }
    return true;
}

/* RFC 6066 section 8: the type, and for OCSP a list of responders and a list of extensions. */
static bool status_request_ok(struct span body)
{
    struct span part;
    uint8_t type;

    if (!take_u8(&body, &type)) {
        return false;
    }
    return type != 1 ||
           (take_vector16(&body, &part) && take_vector16(&body, &part) && body.len == 0);
}

/* RFC 8446 section 4.2.4: names of 1 octet or more. */
static bool authorities_ok(struct span body)
{
    struct span list;
    struct span name;

    if (!whole_vector16(body, 1, &list)) {
        return false;
    }
    while (list.len > 0) {
        if (!take_vector16(&list, &name) || name.len == 0) {
            return false;
        }
    }
    return true;
}

/* Extensions of which only the form matters here. */
static bool form_ok(uint16_t type, struct span body)
{
    struct span list;

    switch (type) {
    case EXT_MAX_FRAGMENT_LENGTH:
        return body.len == 1;
    case EXT_STATUS_REQUEST:
        return status_request_ok(body);
    case EXT_EC_POINT_FORMATS:
    case EXT_PSK_KEY_EXCHANGE_MODES:
        return whole_vector8(body, 1, &list);
    case EXT_SIGNATURE_ALGORITHMS_CERT:
        return whole_vector16(body, 2, &list);
    case EXT_ENCRYPT_THEN_MAC:
    case EXT_EXTENDED_MASTER_SECRET:
    case EXT_EARLY_DATA:
    case EXT_POST_HANDSHAKE_AUTH:
        return body.len == 0;
    case EXT_RECORD_SIZE_LIMIT:
        return body.len == 2;
    case EXT_COOKIE:
        return whole_vector16(body, 1, &list);
    case EXT_CERTIFICATE_AUTHORITIES:
        return authorities_ok(body);
    case EXT_RENEGOTIATION_INFO:
        /* RFC 5746 section 3.4: empty in the first handshake, and there is no other. */
        return body.len == 1 && body.data[0] == 0;
    default:
        return true;
    }
}

static bool read_extension(struct parse *parse, uint16_t type, struct span body)
{
    struct span list;

    switch (type) {
    case EXT_SERVER_NAME:
        return read_server_name(parse, body);
    case EXT_ALPN:
        return read_alpn(parse, body);
    case EXT_KEY_SHARE:
        return read_key_share(parse, body);
    case EXT_SUPPORTED_VERSIONS:
        return read_supported_versions(parse, body);
    case EXT_PRE_SHARED_KEY:
        return read_pre_shared_key(parse, body);
    case EXT_SUPPORTED_GROUPS:
        parse->has_groups = true;
        if (!whole_vector16(body, 2, &parse->groups)) {
            return refuse(parse->hello, TLS_ALERT_DECODE_ERROR,
                          "its supported_groups is malformed");
        }
        parse->hello->groups = (halo_bytes){ (const char *)parse->groups.data, parse->groups.len };
        return true;
    case EXT_SIGNATURE_ALGORITHMS:
        parse->has_signatures = true;
        if (!whole_vector16(body, 2, &list)) {
            return refuse(parse->hello, TLS_ALERT_DECODE_ERROR,
                          "its signature_algorithms is malformed");
        }
        return true;
    default:
        parse->has_psk_modes |= type == EXT_PSK_KEY_EXCHANGE_MODES;
        if (!form_ok(type, body)) {
            return refuse(parse->hello, TLS_ALERT_DECODE_ERROR, "an extension is malformed");
        }
        return true;
    }
}

static bool read_extensions(struct parse *parse, struct span rest)
{
    struct client_hello *hello = parse->hello;
    uint16_t seen[TLS_CLIENT_HELLO_EXTENSIONS_MAX];
    size_t num_seen = 0;

    while (rest.len > 0) {
        struct span body;
        uint16_t type;

        if (!take_u16(&rest, &type) || !take_vector16(&rest, &body)) {
            return refuse(hello, TLS_ALERT_DECODE_ERROR, "an extension is cut off");
        }
        if (num_seen == HALO_ARRAY_LEN(seen)) {
            return refuse(hello, TLS_ALERT_ILLEGAL_PARAMETER, "it has too many extensions");
        }
        /* RFC 8446 section 4.2: not more than one extension of a type. */
        for (size_t i = 0; i < num_seen; i++) {
            if (seen[i] == type) {
                return refuse(hello, TLS_ALERT_ILLEGAL_PARAMETER, "it has an extension twice");
            }
        }
        seen[num_seen++] = type;
        if (parse->has_psk) {
            /* RFC 8446 section 4.2.11 */
            return refuse(hello, TLS_ALERT_ILLEGAL_PARAMETER,
                          "pre_shared_key is not its last extension");
        }
        if (!read_extension(parse, type, body)) {
            return false;
        }
    }
    return true;
}

/* ---- the message ----------------------------------------------------------------------- */

/* What must hold between the parts of a hello that offers TLS 1.3. */
static bool check_tls13(struct parse *parse)
{
    struct client_hello *hello = parse->hello;
    struct span shares = parse->key_shares;

    /* RFC 8446 section 4.1.2: compression is null and nothing else. */
    if (parse->compression.len != 1) {
        return refuse(hello, TLS_ALERT_ILLEGAL_PARAMETER, "it offers compression with TLS 1.3");
    }
    /* RFC 8446 section 9.2. */
    if (parse->has_groups != parse->has_key_share) {
        return refuse(hello, TLS_ALERT_MISSING_EXTENSION,
                      "it has only one of supported_groups and key_share");
    }
    if (!parse->has_psk && (!parse->has_groups || !parse->has_signatures)) {
        return refuse(hello, TLS_ALERT_MISSING_EXTENSION,
                      "supported_groups or signature_algorithms is missing");
    }
    /* RFC 8446 section 4.2.9 */
    if (parse->has_psk && !parse->has_psk_modes) {
        return refuse(hello, TLS_ALERT_MISSING_EXTENSION, "psk_key_exchange_modes is missing");
    }
    /* RFC 8446 section 4.2.8: shares only for groups that the list has. */
    while (shares.len > 0) {
        struct span key;
        uint16_t group;

        if (!take_u16(&shares, &group) || !take_vector16(&shares, &key) ||
            !has_u16(parse->groups, group)) {
            return refuse(hello, TLS_ALERT_ILLEGAL_PARAMETER,
                          "it has a key share for a group that it does not list");
        }
    }
    return true;
}

/* Everything before the extensions; `rest` is what follows the message's header. */
static bool read_fixed_part(struct parse *parse, struct span *rest)
{
    struct client_hello *hello = parse->hello;
    struct span random;
    struct span session_id;
    struct span suites;

    if (!take_u16(rest, &parse->legacy_version) || !take(rest, 32, &random) ||
        !take_vector8(rest, &session_id) || session_id.len > 32 || !take_vector16(rest, &suites) ||
        suites.len == 0 || suites.len % 2 != 0 || !take_vector8(rest, &parse->compression) ||
        parse->compression.len == 0) {
        return refuse(hello, TLS_ALERT_DECODE_ERROR, "it is malformed");
    }
    if (memchr(parse->compression.data, 0, parse->compression.len) == NULL) {
        return refuse(hello, TLS_ALERT_ILLEGAL_PARAMETER, "it insists on compression");
    }
    return true;
}

bool client_hello_parse(struct client_hello *hello, const uint8_t *message, size_t len)
{
    struct span rest = { message, len };
    struct span header;
    struct span extensions = { 0 };
    struct parse parse = { .hello = hello };

    *hello = (struct client_hello){ 0 };
    if (!take(&rest, 4, &header) || header.data[0] != 1 || load_u24(header.data + 1) != rest.len) {
        return refuse(hello, TLS_ALERT_DECODE_ERROR, "its length is wrong");
    }
    if (!read_fixed_part(&parse, &rest)) {
        return false;
    }
    /* Before TLS 1.3 a hello may end here (RFC 5246 section 7.4.1.2). */
    if (rest.len > 0 && (!take_vector16(&rest, &extensions) || rest.len != 0)) {
        return refuse(hello, TLS_ALERT_DECODE_ERROR, "its extensions do not fill it");
    }
    if (!read_extensions(&parse, extensions)) {
        return false;
    }
    if (!parse.has_versions) {
        hello->offers_tls12 = parse.legacy_version >= 0x0303;
    } else if (parse.legacy_version < 0x0303 && hello->offers_tls13) {
        /* RFC 8446 section 4.1.2: legacy_version is TLS 1.2 then. */
        return refuse(hello, TLS_ALERT_PROTOCOL_VERSION, "its legacy_version is too old");
    }
    return !hello->offers_tls13 || check_tls13(&parse);
}

bool client_hello_lists_group(const struct client_hello *hello, uint16_t group)
{
    return has_u16((struct span){ (const uint8_t *)hello->groups.data, hello->groups.len }, group);
}

halo_bytes client_hello_next_protocol(halo_bytes *rest)
{
    halo_bytes name = { 0 };

    if (rest->len > 0) {
        /* Lengths were checked when the list was read. */
        name.len = (uint8_t)rest->data[0];
        HALO_ASSERT(name.len < rest->len);
        name.data = rest->data + 1;
        rest->data += 1 + name.len;
        rest->len -= 1 + name.len;
    }
    return name;
}

bool client_hello_offers(const struct client_hello *hello, const char *protocol)
{
    halo_bytes rest = hello->alpn;
    size_t len = strlen(protocol);

    while (rest.len > 0) {
        halo_bytes name = client_hello_next_protocol(&rest);

        if (name.len == len && memcmp(name.data, protocol, len) == 0) {
            return true;
        }
    }
    return false;
}
