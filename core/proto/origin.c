#include "core/proto/origin.h"

#include "core/base/ascii.h"

enum {
    PORT_MAX = 65535,
    GROUPS = 8, /* of an IPv6 address, 16 bits each */
};

static void put(struct origin *origin, char octet)
{
    HALO_ASSERT(origin->len < ORIGIN_TEXT_MAX);
    origin->text[origin->len++] = octet;
}

static void put_text(struct origin *origin, const char *text)
{
    while (*text != '\0') {
        put(origin, *text++);
    }
}

/* ---- IPv6 (RFC 4291 2.2, RFC 5952) ----------------------------------------------------- */

/* Four decimal numbers at the end of an address: two groups. */
static bool read_dotted(halo_bytes text, uint16_t *groups)
{
    uint32_t address = 0;
    size_t at = 0;

    for (int part = 0; part < 4; part++) {
        uint32_t number = 0;
        size_t start = at;

        while (at < text.len && ascii_is_digit(text.data[at]) && at - start < 3) {
            number = number * 10 + (uint32_t)(text.data[at++] - '0');
        }
        if (at == start || number > 255 || (text.data[start] == '0' && at - start > 1)) {
            return false;
        }
        address = address << 8 | number;
        if (part < 3 && (at == text.len || text.data[at++] != '.')) {
            return false;
        }
    }
    groups[0] = (uint16_t)(address >> 16);
    groups[1] = (uint16_t)address;
    return at == text.len;
}

/* Moves the groups behind "::" to the end. */
static bool expand(uint16_t groups[GROUPS], size_t count, size_t gap)
{
    size_t behind = count - gap;

    if (count == GROUPS) {
        return false; /* "::" stands for one group at least */
    }
    for (size_t i = 1; i <= behind; i++) {
        groups[GROUPS - i] = groups[count - i];
    }
    for (size_t i = gap; i < GROUPS - behind; i++) {
        groups[i] = 0;
    }
    return true;
}

static bool read_address(halo_bytes text, uint16_t groups[GROUPS])
{
    size_t count = 0;
    size_t gap = GROUPS + 1; /* none */
    size_t at = 0;

    if (text.len >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        gap = 0;
        at = 2;
    }
    while (at < text.len) {
        uint32_t value = 0;
        size_t start = at;

        if (count == GROUPS) {
            return false;
        }
        while (at < text.len && ascii_hex_value(text.data[at]) >= 0 && at - start < 4) {
            value = value << 4 | (uint32_t)ascii_hex_value(text.data[at++]);
        }
        if (at == start) {
            return false;
        }
        if (at < text.len && text.data[at] == '.') {
            halo_bytes rest = { text.data + start, text.len - start };

            if (count + 2 > GROUPS || !read_dotted(rest, groups + count)) {
                return false;
            }
            count += 2;
            break;
        }
        groups[count++] = (uint16_t)value;
        if (at == text.len) {
            break;
        }
        if (text.data[at++] != ':' || at == text.len) {
            return false;
        }
        if (text.data[at] == ':') {
            if (gap <= GROUPS) {
                return false;
            }
            gap = count;
            at++;
        }
    }
    return gap <= GROUPS ? expand(groups, count, gap) : count == GROUPS;
}

/* The longest run of zero groups, the first of equals, at least two (RFC 5952 4.2). */
static void find_gap(const uint16_t groups[GROUPS], size_t *from, size_t *to)
{
    *from = *to = GROUPS;
    for (size_t i = 0; i < GROUPS; i++) {
        size_t end = i;

        while (end < GROUPS && groups[end] == 0) {
            end++;
        }
        if (end - i >= 2 && end - i > *to - *from) {
            *from = i;
            *to = end;
        }
        i = end > i ? end - 1 : i;
    }
}

static void put_address(struct origin *origin, const uint16_t groups[GROUPS])
{
    static const char hex[] = "0123456789abcdef";
    size_t from;
    size_t to;

    find_gap(groups, &from, &to);
    put(origin, '[');
    for (size_t i = 0; i < GROUPS; i++) {
        int shift = 12;

        if (i == from) {
            put_text(origin, "::");
            i = to - 1;
            continue;
        }
        if (i > 0 && i != to) {
            put(origin, ':');
        }
        while (shift > 0 && groups[i] >> shift == 0) {
            shift -= 4;
        }
        for (; shift >= 0; shift -= 4) {
            put(origin, hex[groups[i] >> shift & 15]);
        }
    }
    put(origin, ']');
}

/* ---- the parts ------------------------------------------------------------------------- */

/* Writes "http://" or "https://" and gives the scheme's port. */
static bool put_scheme(struct origin *origin, halo_bytes scheme, uint32_t *default_port)
{
    origin->len = 0;
    if (ascii_equal(scheme, (halo_bytes)HALO_LIT("https"))) {
        *default_port = 443;
        put_text(origin, "https://");
    } else if (ascii_equal(scheme, (halo_bytes)HALO_LIT("http"))) {
        *default_port = 80;
        put_text(origin, "http://");
    } else {
        return false;
    }
    return true;
}

static bool put_name(struct origin *origin, halo_bytes host)
{
    if (host.len == 0 || host.len > ORIGIN_HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        char octet = ascii_lower(host.data[i]);

        if (!ascii_is_lower(octet) && !ascii_is_digit(octet) && octet != '-' && octet != '.' &&
            octet != '_') {
            return false;
        }
        put(origin, octet);
    }
    return true;
}

static bool put_host(struct origin *origin, halo_bytes host)
{
    uint16_t groups[GROUPS];

    if (host.len < 2 || host.data[0] != '[') {
        return put_name(origin, host);
    }
    if (host.data[host.len - 1] != ']' ||
        !read_address((halo_bytes){ host.data + 1, host.len - 2 }, groups)) {
        return false;
    }
    put_address(origin, groups);
    return true;
}

static void put_port(struct origin *origin, uint32_t port, uint32_t default_port)
{
    uint32_t power = 10000;

    if (port == default_port) {
        return;
    }
    put(origin, ':');
    while (power > port) {
        power /= 10;
    }
    for (; power > 0; power /= 10) {
        put(origin, (char)('0' + port / power % 10));
    }
}

/* What is behind the host's ':'. Nothing there stands for the default (RFC 3986 6.2.3). */
static bool read_port(halo_bytes text, uint32_t default_port, uint32_t *port)
{
    *port = 0;
    if (text.len == 0) {
        *port = default_port;
        return true;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.data[i]) || *port > PORT_MAX) {
            return false;
        }
        *port = *port * 10 + (uint32_t)(text.data[i] - '0');
    }
    return *port > 0 && *port <= PORT_MAX;
}

static bool put_authority(struct origin *origin, halo_bytes authority, uint32_t default_port)
{
    halo_bytes host = authority;
    uint32_t port = default_port;
    size_t end = 0;

    /* The colons of an address are between brackets. */
    if (authority.len > 0 && authority.data[0] == '[') {
        while (end < authority.len && authority.data[end] != ']') {
            end++;
        }
    }
    while (end < authority.len && authority.data[end] != ':') {
        end++;
    }
    host.len = end;
    if (end < authority.len &&
        !read_port((halo_bytes){ authority.data + end + 1, authority.len - end - 1 }, default_port,
                   &port)) {
        return false;
    }
    if (!put_host(origin, host)) {
        return false;
    }
    put_port(origin, port, default_port);
    return true;
}

/* ---- origins --------------------------------------------------------------------------- */

/* Splits "scheme://authority rest". */
static bool split(halo_bytes text, halo_bytes *scheme, halo_bytes *authority, halo_bytes *rest)
{
    size_t at = 0;
    size_t end;

    while (at < text.len && text.data[at] != ':') {
        at++;
    }
    if (text.len - at < 3 || memcmp(text.data + at, "://", 3) != 0) {
        return false;
    }
    *scheme = (halo_bytes){ text.data, at };
    at += 3;
    end = at;
    while (end < text.len && text.data[end] != '/' && text.data[end] != '?' &&
           text.data[end] != '#') {
        end++;
    }
    *authority = (halo_bytes){ text.data + at, end - at };
    *rest = (halo_bytes){ text.data + end, text.len - end };
    return true;
}

bool origin_of_request(halo_bytes scheme, halo_bytes authority, struct origin *origin)
{
    uint32_t default_port;

    return put_scheme(origin, scheme, &default_port) &&
           put_authority(origin, authority, default_port);
}

bool origin_of_url(halo_bytes url, struct origin *origin)
{
    halo_bytes scheme;
    halo_bytes authority;
    halo_bytes rest;

    return split(url, &scheme, &authority, &rest) && origin_of_request(scheme, authority, origin);
}

bool origin_parse(halo_bytes text, struct origin *origin)
{
    halo_bytes scheme;
    halo_bytes authority;
    halo_bytes rest;

    return split(text, &scheme, &authority, &rest) && rest.len == 0 &&
           origin_of_request(scheme, authority, origin);
}

bool origin_of_host(halo_bytes scheme, halo_bytes host, uint32_t port, struct origin *origin)
{
    uint16_t groups[GROUPS];
    uint32_t default_port;

    if (port == 0 || port > PORT_MAX || !put_scheme(origin, scheme, &default_port)) {
        return false;
    }
    if (read_address(host, groups)) {
        put_address(origin, groups);
    } else if (!put_host(origin, host)) {
        return false;
    }
    put_port(origin, port, default_port);
    return true;
}
