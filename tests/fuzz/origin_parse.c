/* Origins, from URLs, from requests and from hosts: there is one form of each, and it is stable. */
#include <stdlib.h>

#include "core/proto/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static halo_bytes run(const char *data, size_t len)
{
    return (halo_bytes){ data, len };
}

static bool is_host_octet(char octet)
{
    return (octet >= '0' && octet <= '9') || (octet >= 'a' && octet <= 'z') ||
           strchr("-._~!$&'()*+,;=%", octet) != NULL;
}

/* Scheme, host, perhaps a port that is not the default; in small letters. */
static void check_text(const struct origin *origin)
{
    halo_bytes text = origin_text(origin);
    size_t at = memcmp(text.data, "https://", 8) == 0 ? 8 : 7;
    bool is_address;
    size_t host;

    HALO_ASSERT(text.len <= ORIGIN_TEXT_MAX && text.len > at);
    HALO_ASSERT(at == 8 || memcmp(text.data, "http://", 7) == 0);
    is_address = text.data[at] == '[';
    host = at;
    while (at < text.len && (is_address ? text.data[at] != ']' : text.data[at] != ':')) {
        HALO_ASSERT(text.data[at] != '\0');
        HALO_ASSERT(is_address ? strchr("[0123456789abcdef:.", text.data[at]) != NULL
                               : is_host_octet(text.data[at]));
        at++;
    }
    HALO_ASSERT(at > host && at - host <= ORIGIN_HOST_MAX);
    at += is_address;
    if (at < text.len) {
        long port = 0;

        HALO_ASSERT(text.data[at++] == ':' && text.len - at >= 1 && text.len - at <= 5);
        HALO_ASSERT(text.data[at] != '0');
        for (; at < text.len; at++) {
            HALO_ASSERT(text.data[at] >= '0' && text.data[at] <= '9');
            port = port * 10 + (text.data[at] - '0');
        }
        HALO_ASSERT(port <= 65535 && port != (text.data[4] == 's' ? 443 : 80));
    }
}

static void check_stable(const struct origin *origin)
{
    struct origin again;

    check_text(origin);
    HALO_ASSERT(origin_parse(origin_text(origin), &again) && origin_equal(origin, &again));
}

/* The same URL cut in its parts is the same origin. */
static void check_parts(halo_bytes url, const struct origin *origin)
{
    const char *colon = memchr(url.data, ':', url.len);
    halo_bytes scheme = run(url.data, (size_t)(colon - url.data));
    halo_bytes authority = run(colon + 3, url.len - scheme.len - 3);
    struct origin again;

    for (size_t i = 0; i < authority.len; i++) {
        if (authority.data[i] != '\0' && strchr("/?#", authority.data[i]) != NULL) {
            authority.len = i;
        }
    }
    HALO_ASSERT(origin_of_request(scheme, authority, &again) && origin_equal(origin, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct origin origin;
    struct origin url;
    uint32_t port;
    char *copy;

    if (size < 2) {
        return 0;
    }
    port = (uint32_t)(data[0] << 8 | data[1]);
    copy = malloc(size);
    HALO_ASSERT(copy != NULL);
    memcpy(copy, data + 2, size - 2);
    if (origin_of_url(run(copy, size - 2), &url)) {
        check_stable(&url);
        check_parts(run(copy, size - 2), &url);
    }
    if (origin_parse(run(copy, size - 2), &origin)) {
        check_stable(&origin);
        HALO_ASSERT(origin_of_url(run(copy, size - 2), &url) && origin_equal(&origin, &url));
    }
    if (origin_of_request(halo_str("https"), run(copy, size - 2), &origin)) {
        check_stable(&origin);
    }
    if (origin_of_host(halo_str("http"), run(copy, size - 2), port, &origin)) {
        check_stable(&origin);
    }
    free(copy);
    return 0;
}
