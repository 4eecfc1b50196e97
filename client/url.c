/*
 * URLs of the schemes http and https, taken apart (RFC 3986, RFC 9110 4.2).
 *
 * Strict on purpose: what different programs read differently is refused, for one of them may be
 * the one that decided whether we may go there. So a host is a name of letters, digits, '-', '.',
 * '_' and '~', an IPv4 address of four decimal numbers, or an IPv6 address in brackets; never
 * percent-encoded, and never a number like 0x7f.1.
 */
#include <arpa/inet.h>
#include <string.h>

#include <halo/client.h>

#include "core/base/ascii.h"

enum {
    PORT_HTTP = 80,
    PORT_HTTPS = 443,
    HOST_LEN_MAX = 253, /* of a name in the DNS, without its final dot */
    LABEL_LEN_MAX = 63,
};

/* Does `text` begin with `prefix`, which is in lower case? */
static bool begins_with(const char *text, const char *prefix)
{
    for (; *prefix != '\0'; text++, prefix++) {
        if (ascii_lower(*text) != *prefix) {
            return false;
        }
    }
    return true;
}

/* An address of the family, all of the run. */
static bool is_address(int family, halo_bytes host)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t octets[16];

    if (host.len >= sizeof(text) || memchr(host.data, '\0', host.len) != NULL) {
        return false;
    }
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    return inet_pton(family, text, octets) == 1;
}

/* Would some resolvers take this label, the last one, for a part of an IPv4 address? */
static bool is_number(const char *label, size_t len)
{
    if (len >= 2 && label[0] == '0' && ascii_lower(label[1]) == 'x') {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (!ascii_is_digit(label[i])) {
            return false;
        }
    }
    return true;
}

/* A name, or an IPv4 address. */
static bool name_ok(halo_bytes host)
{
    size_t len = host.len > 0 && host.data[host.len - 1] == '.' ? host.len - 1 : host.len;
    size_t label = 0;

    if (len == 0 || len > HOST_LEN_MAX) {
        return false;
    }
    for (size_t i = 0; i <= len; i++) {
        char c = i < len ? host.data[i] : '.';

        if (c == '.') {
            if (i == label || i - label > LABEL_LEN_MAX) {
                return false;
            }
            if (i < len) {
                label = i + 1;
            }
        } else if (!ascii_is_letter(c) && !ascii_is_digit(c) && strchr("-_~", c) == NULL) {
            return false;
        }
    }
    return !is_number(host.data + label, len - label) || is_address(AF_INET, host);
}

/* The port behind a colon; none written is the scheme's. */
static bool read_port(halo_bytes digits, uint16_t *port)
{
    uint32_t value = 0;

    if (digits.len == 0) {
        return true;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (!ascii_is_digit(digits.data[i])) {
            return false;
        }
        value = value * 10 + (uint32_t)(digits.data[i] - '0');
        if (value > UINT16_MAX) {
            return false;
        }
    }
    *port = (uint16_t)value;
    return value != 0;
}

/* "host", "host:port", "[v6]", "[v6]:port"; the URL's authority without userinfo. */
static bool read_authority(struct halo_url *url, halo_bytes text)
{
    const char *end = text.data + text.len;
    const char *host_end;
    const char *colon;

    url->authority = text;
    if (text.len > 0 && text.data[0] == '[') {
        host_end = memchr(text.data, ']', text.len);
        if (host_end == NULL) {
            return false;
        }
        url->host = (halo_bytes){ text.data + 1, (size_t)(host_end - text.data) - 1 };
        colon = host_end + 1;
        if (!is_address(AF_INET6, url->host) || (colon < end && *colon != ':')) {
            return false;
        }
        colon = colon < end ? colon : NULL;
    } else {
        colon = memchr(text.data, ':', text.len);
        url->host = (halo_bytes){ text.data, (size_t)((colon != NULL ? colon : end) - text.data) };
        if (!name_ok(url->host)) {
            return false;
        }
    }
    if (colon == NULL) {
        return true;
    }
    if (colon + 1 == end) {
        url->authority.len--; /* a colon with nothing behind it says nothing */
    }
    return read_port((halo_bytes){ colon + 1, (size_t)(end - colon) - 1 }, &url->port);
}

/* Octets that no URL holds: white space, control octets, everything outside ASCII. */
static bool octets_ok(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f) {
            return false;
        }
    }
    return true;
}

int halo_url_parse(struct halo_url *url, const char *text)
{
    static const halo_bytes http = HALO_LIT("http");
    static const halo_bytes https = HALO_LIT("https");
    static const halo_bytes slash = HALO_LIT("/");
    const char *authority;
    const char *path;
    const char *at;

    *url = (struct halo_url){ 0 };
    if (begins_with(text, "http://")) {
        url->scheme = http;
        url->port = PORT_HTTP;
    } else if (begins_with(text, "https://")) {
        url->scheme = https;
        url->port = PORT_HTTPS;
    } else {
        return HALO_E_UNSUPPORTED_PROTOCOL;
    }
    authority = text + url->scheme.len + 3;
    if (!octets_ok(authority)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    path = authority + strcspn(authority, "/?#");
    at = memrchr(authority, '@', (size_t)(path - authority));
    authority = at != NULL ? at + 1 : authority;
    if (!read_authority(url, (halo_bytes){ authority, (size_t)(path - authority) })) {
        return HALO_E_BAD_AUTHORITY;
    }
    url->path = (halo_bytes){ path, strcspn(path, "#") };
    if (url->path.len == 0) {
        url->path = slash;
    }
    return 0;
}
