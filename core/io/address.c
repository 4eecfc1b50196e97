#include "core/io/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include <halo/error.h>

#include "core/base/ascii.h"

static const char UNIX_PREFIX[] = "unix:";

enum { UNIX_PREFIX_LEN = sizeof(UNIX_PREFIX) - 1 };

/* A decimal number up to `max` that is all of the text. */
static bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;

    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (!ascii_is_digit(*text)) {
            return false;
        }
        value = value * 10 + (uint32_t)(*text - '0');
        if (value > max) {
            return false;
        }
    }
    *out = value;
    return true;
}

static int parse_unix(struct io_address *out, const char *path)
{
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(out->local.sun_path)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    *out = (struct io_address){
        .len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1),
    };
    out->local.sun_family = AF_UNIX;
    memcpy(out->local.sun_path, path, len + 1);
    return 0;
}

/* "fe80::1%eth0": the scope names an interface. */
static int parse_ipv6(struct io_address *out, const char *text, uint16_t port)
{
    const char *percent = strchr(text, '%');
    size_t len = percent != NULL ? (size_t)(percent - text) : strlen(text);
    char digits[INET6_ADDRSTRLEN];
    uint32_t scope = 0;

    *out = (struct io_address){ .len = sizeof(out->ipv6) };
    out->ipv6.sin6_family = AF_INET6;
    out->ipv6.sin6_port = htons(port);
    if (len >= sizeof(digits)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (percent != NULL && !parse_number(percent + 1, UINT32_MAX / 10 - 1, &scope)) {
        scope = if_nametoindex(percent + 1);
        if (scope == 0) {
            return HALO_E_INVALID_ARGUMENT;
        }
    }
    out->ipv6.sin6_scope_id = scope;
    return inet_pton(AF_INET6, digits, &out->ipv6.sin6_addr) == 1 ? 0 : HALO_E_INVALID_ARGUMENT;
}

int io_address_from_ip(struct io_address *out, const char *ip, uint16_t port)
{
    if (strchr(ip, ':') != NULL) {
        return parse_ipv6(out, ip, port);
    }
    *out = (struct io_address){ .len = sizeof(out->ipv4) };
    out->ipv4.sin_family = AF_INET;
    out->ipv4.sin_port = htons(port);
    return inet_pton(AF_INET, ip, &out->ipv4.sin_addr) == 1 ? 0 : HALO_E_INVALID_ARGUMENT;
}

int io_address_parse(struct io_address *out, const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *begin = text;
    char ip[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    uint32_t port;
    size_t len;

    if (strncmp(text, UNIX_PREFIX, UNIX_PREFIX_LEN) == 0) {
        return parse_unix(out, text + UNIX_PREFIX_LEN);
    }
    if (colon == NULL || !parse_number(colon + 1, UINT16_MAX, &port)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        begin = text + 1;
        len -= 2;
    } else if (memchr(text, ':', len) != NULL) {
        return HALO_E_INVALID_ARGUMENT; /* IPv6 without brackets: where would the port begin? */
    }
    if (len >= sizeof(ip)) {
        return HALO_E_INVALID_ARGUMENT;
    }
    memcpy(ip, begin, len);
    ip[len] = '\0';
    if (begin != text && strchr(ip, ':') == NULL) {
        return HALO_E_INVALID_ARGUMENT; /* brackets are for IPv6 */
    }
    return io_address_from_ip(out, ip, (uint16_t)port);
}

static void format_ipv6(const struct sockaddr_in6 *address, char out[IO_ADDRESS_TEXT_MAX])
{
    char digits[INET6_ADDRSTRLEN];
    char name[IF_NAMESIZE];
    uint32_t scope = address->sin6_scope_id;
    unsigned int port = ntohs(address->sin6_port);

    inet_ntop(AF_INET6, &address->sin6_addr, digits, sizeof(digits));
    if (scope == 0) {
        snprintf(out, IO_ADDRESS_TEXT_MAX, "[%s]:%u", digits, port);
    } else if (if_indextoname(scope, name) != NULL) {
        snprintf(out, IO_ADDRESS_TEXT_MAX, "[%s%%%s]:%u", digits, name, port);
    } else {
        snprintf(out, IO_ADDRESS_TEXT_MAX, "[%s%%%u]:%u", digits, scope, port);
    }
}

const char *io_address_format(const struct io_address *address, char out[IO_ADDRESS_TEXT_MAX])
{
    char digits[INET_ADDRSTRLEN];

    out[0] = '\0';
    if (address->len == 0) {
        return out;
    }
    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->ipv4.sin_addr, digits, sizeof(digits));
        snprintf(out, IO_ADDRESS_TEXT_MAX, "%s:%u", digits,
                 (unsigned int)ntohs(address->ipv4.sin_port));
        break;
    case AF_INET6:
        format_ipv6(&address->ipv6, out);
        break;
    case AF_UNIX:
        /* The peer of a listener often has no name: only the family comes back. */
        if (address->len > offsetof(struct sockaddr_un, sun_path)) {
            snprintf(out, IO_ADDRESS_TEXT_MAX, "%s%.*s", UNIX_PREFIX,
                     (int)(address->len - offsetof(struct sockaddr_un, sun_path)),
                     address->local.sun_path);
        } else {
            snprintf(out, IO_ADDRESS_TEXT_MAX, "%s", UNIX_PREFIX);
        }
        break;
    default:
        break;
    }
    return out;
}

uint16_t io_address_port(const struct io_address *address)
{
    if (address->len == 0) {
        return 0;
    }
    switch (address->any.sa_family) {
    case AF_INET:
        return ntohs(address->ipv4.sin_port);
    case AF_INET6:
        return ntohs(address->ipv6.sin6_port);
    default:
        return 0;
    }
}

int io_address_local(struct io_address *out, int fd)
{
    *out = (struct io_address){ 0 };
    out->len = sizeof(*out) - offsetof(struct io_address, any);
    return getsockname(fd, &out->any, &out->len) == 0 ? 0 : -errno;
}

int io_address_peer(struct io_address *out, int fd)
{
    *out = (struct io_address){ 0 };
    out->len = sizeof(*out) - offsetof(struct io_address, any);
    return getpeername(fd, &out->any, &out->len) == 0 ? 0 : -errno;
}
