/* URLs, addresses of sockets, and the authority of a request. */
#include <stdlib.h>

#include <halo/check.h>
#include <halo/client.h>

#include "core/base/base.h"
#include "core/io/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(halo_bytes part, halo_bytes whole)
{
    return part.data >= whole.data && part.len <= whole.len &&
           (size_t)(part.data - whole.data) <= whole.len - part.len;
}

static bool has_only(halo_bytes text, const char *extra)
{
    for (size_t i = 0; i < text.len; i++) {
        char octet = text.data[i];
        bool is_plain = (octet >= '0' && octet <= '9') || (octet >= 'a' && octet <= 'z') ||
                        (octet >= 'A' && octet <= 'Z') || octet == '-' || octet == '.';

        if (!is_plain && (octet == '\0' || strchr(extra, octet) == NULL)) {
            return false;
        }
    }
    return text.len > 0;
}

/* A URL that is taken makes a request that a session would take. */
static void check_request(const struct halo_url *url)
{
    halo_header fields[] = {
        { .name = HALO_LIT(":method"), .value = HALO_LIT("GET") },
        { .name = HALO_LIT(":scheme"), .value = url->scheme },
        { .name = HALO_LIT(":authority"), .value = url->authority },
        { .name = HALO_LIT(":path"), .value = HALO_LIT("/") },
    };

    if (url->path.data[0] == '/') {
        fields[3].value = url->path;
    }
    HALO_ASSERT(halo_check_request(fields, 4, 0, NULL) == 0);
}

static void parse_url(const char *text)
{
    struct halo_url url;
    struct halo_url again;
    halo_bytes whole = halo_str(text);
    int status = halo_url_parse(&url, text);
    char *copy;

    if (status != 0) {
        HALO_ASSERT(status == HALO_E_UNSUPPORTED_PROTOCOL || status == HALO_E_BAD_AUTHORITY ||
                    status == HALO_E_INVALID_ARGUMENT);
        return;
    }
    HALO_ASSERT(lies_in(url.authority, whole) && lies_in(url.host, url.authority));
    HALO_ASSERT(url.path.len > 0 && (url.path.data[0] == '/' || url.path.data[0] == '?'));
    HALO_ASSERT(has_only(url.host, "_~:") && has_only(url.authority, "_~:[]"));
    check_request(&url);

    /* The same parts again make the same URL. */
    copy = malloc(url.scheme.len + 3 + url.authority.len + 1);
    HALO_ASSERT(copy != NULL);
    memcpy(copy, url.scheme.data, url.scheme.len);
    memcpy(copy + url.scheme.len, "://", 3);
    memcpy(copy + url.scheme.len + 3, url.authority.data, url.authority.len);
    copy[url.scheme.len + 3 + url.authority.len] = '\0';
    HALO_ASSERT(halo_url_parse(&again, copy) == 0);
    HALO_ASSERT(halo_bytes_equal(again.host, url.host) && again.port == url.port);
    free(copy);
}

static void parse_address(const char *text)
{
    struct io_address address;

    if (io_address_parse(&address, text) == 0) {
        char written[IO_ADDRESS_TEXT_MAX];
        struct io_address again;

        HALO_ASSERT(io_address_parse(&again, io_address_format(&address, written)) == 0);
        HALO_ASSERT(again.len == address.len && memcmp(&again.any, &address.any, again.len) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    HALO_ASSERT(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    parse_url(text);
    parse_address(text);
    free(text);
    return 0;
}
