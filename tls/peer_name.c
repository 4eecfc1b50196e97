#include "tls/peer_name.h"

#include "core/base/ascii.h"

enum {
    DER_BOOLEAN = 0x01,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_SEQUENCE = 0x30,
    DER_EXTENSIONS = 0xa3, /* [3] of TBSCertificate */
    DER_DNS_NAME = 0x82,   /* [2] of GeneralName */
    DER_IP_ADDRESS = 0x87, /* [7] of GeneralName */
};

struct der {
    const uint8_t *data;
    size_t len;
};

/* Takes the next element; false at the end, and when it does not fit. */
static bool next_element(struct der *from, uint8_t *tag, struct der *content)
{
    size_t len;
    size_t header = 2;

    if (from->len < header) {
        return false;
    }
    *tag = from->data[0];
    len = from->data[1];
    if (len >= 0x80) {
        size_t octets = len & 0x7f;

        /* Neither the indefinite form nor lengths above 16 MiB occur in certificates. */
        if (octets == 0 || octets > 3 || from->len < header + octets) {
            return false;
        }
        len = 0;
        for (size_t i = 0; i < octets; i++) {
            len = len << 8 | from->data[header + i];
        }
        header += octets;
    }
    if (from->len - header < len) {
        return false;
    }
    *content = (struct der){ from->data + header, len };
    from->data += header + len;
    from->len -= header + len;
    return true;
}

static bool enter(struct der *from, uint8_t wanted, struct der *content)
{
    uint8_t tag;

    return next_element(from, &tag, content) && tag == wanted;
}

/* Finds the content of the subjectAltName extension: a sequence of GeneralName. */
static bool find_alternative_names(struct der certificate, struct der *names)
{
    static const uint8_t wanted[] = { 0x55, 0x1d, 0x11 }; /* 2.5.29.17 */
    struct der outer;
    struct der tbs;
    struct der element;
    struct der extensions;
    struct der extension;
    uint8_t tag = 0;

    if (!enter(&certificate, DER_SEQUENCE, &outer) || !enter(&outer, DER_SEQUENCE, &tbs)) {
        return false;
    }
    do {
        if (!next_element(&tbs, &tag, &element)) {
            return false;
        }
    } while (tag != DER_EXTENSIONS);
    if (!enter(&element, DER_SEQUENCE, &extensions)) {
        return false;
    }
    while (enter(&extensions, DER_SEQUENCE, &extension)) {
        struct der oid;
        struct der value;

        if (!enter(&extension, DER_OID, &oid) || !next_element(&extension, &tag, &value)) {
            return false;
        }
        if (tag == DER_BOOLEAN && !next_element(&extension, &tag, &value)) {
            return false;
        }
        if (oid.len == sizeof(wanted) && memcmp(oid.data, wanted, sizeof(wanted)) == 0) {
            return tag == DER_OCTET_STRING && enter(&value, DER_SEQUENCE, names);
        }
    }
    return false;
}

bool peer_name_is_ip(const uint8_t *certificate, size_t len, const uint8_t *ip, size_t ip_len)
{
    struct der names;
    struct der name;
    uint8_t tag;

    HALO_ASSERT(ip_len == 4 || ip_len == 16);
    if (!find_alternative_names((struct der){ certificate, len }, &names)) {
        return false;
    }
    while (next_element(&names, &tag, &name)) {
        if (tag == DER_IP_ADDRESS && name.len == ip_len && memcmp(name.data, ip, ip_len) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_name(const uint8_t *pattern, size_t len, const char *host, size_t host_len)
{
    /* All of it counts: a name with a zero in it is nobody's. */
    return ascii_equal((halo_bytes){ (const char *)pattern, len }, (halo_bytes){ host, host_len });
}

static bool name_matches(struct der name, const char *host)
{
    const char *dot = strchr(host, '.');

    if (same_name(name.data, name.len, host, strlen(host))) {
        return true;
    }
    /* RFC 9525 section 6.3: a wildcard is the whole left-most label. "*.com" is too much. */
    if (name.len < 2 || name.data[0] != '*' || name.data[1] != '.' || dot == NULL || dot == host ||
        strchr(dot + 1, '.') == NULL) {
        return false;
    }
    return same_name(name.data + 1, name.len - 1, dot, strlen(dot));
}

bool peer_name_is_host(const uint8_t *certificate, size_t len, const char *host)
{
    struct der names;
    struct der name;
    uint8_t tag;

    if (host[0] == '\0' || !find_alternative_names((struct der){ certificate, len }, &names)) {
        return false;
    }
    while (next_element(&names, &tag, &name)) {
        if (tag == DER_DNS_NAME && name_matches(name, host)) {
            return true;
        }
    }
    return false;
}
