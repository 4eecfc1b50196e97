/* The grammar of alternative services (RFC 7838 section 3), for <halo/check.h>. */
#include <halo/check.h>

#include "core/base/ascii.h"
#include "core/proto/origin.h"

/* What is left of the value. */
struct reader {
    const char *at;
    const char *end;
};

/* ---- octets ---------------------------------------------------------------------------- */

/* RFC 9110 section 5.6.2. */
static bool is_token_octet(char octet)
{
    return ascii_is_digit(octet) || ascii_is_letter(octet) ||
           (octet != '\0' && strchr("!#$%&'*+-.^_`|~", octet) != NULL);
}

static bool is_upper_hex(char octet)
{
    return ascii_is_digit(octet) || (octet >= 'A' && octet <= 'F');
}

static bool take(struct reader *reader, char octet)
{
    if (reader->at == reader->end || *reader->at != octet) {
        return false;
    }
    reader->at++;
    return true;
}

static void skip_space(struct reader *reader)
{
    while (take(reader, ' ') || take(reader, '\t')) {
    }
}

static bool read_token(struct reader *reader, halo_bytes *token)
{
    token->data = reader->at;
    while (reader->at < reader->end && is_token_octet(*reader->at)) {
        reader->at++;
    }
    token->len = (size_t)(reader->at - token->data);
    return token->len > 0;
}

/* RFC 9110 section 5.6.4. `text` is what stands between the quotes. */
static bool read_quoted(struct reader *reader, halo_bytes *text)
{
    if (!take(reader, '"')) {
        return false;
    }
    text->data = reader->at;
    for (; reader->at < reader->end; reader->at++) {
        char octet = *reader->at;

        if (octet == '"') {
            text->len = (size_t)(reader->at++ - text->data);
            return true;
        }
        if (octet == '\\' && ++reader->at == reader->end) {
            break;
        }
        octet = *reader->at;
        if (octet != '\t' && (octet < 0x20 || octet == 0x7f)) { /* ASCII is all that goes out */
            break;
        }
    }
    return false;
}

/* ---- parts ----------------------------------------------------------------------------- */

/* The name of a protocol as in ALPN. '%' is always the first of three: what is no octet of a token,
 * and '%' itself, is percent-encoded, and nothing else is asked of a sender. */
static bool protocol_ok(halo_bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '%') {
            if (name.len - i < 3 || !is_upper_hex(name.data[i + 1]) ||
                !is_upper_hex(name.data[i + 2])) {
                return false;
            }
            i += 2;
        }
    }
    return true;
}

/* [ uri-host ] ":" port */
static bool authority_ok(halo_bytes authority)
{
    static const halo_bytes https = HALO_LIT("https");
    size_t digits = 0;
    uint32_t port = 0;
    struct origin origin;

    while (digits < authority.len && ascii_is_digit(authority.data[authority.len - 1 - digits])) {
        digits++;
    }
    if (digits == 0 || digits > 5 || digits == authority.len ||
        authority.data[authority.len - 1 - digits] != ':') {
        return false;
    }
    for (size_t i = authority.len - digits; i < authority.len; i++) {
        port = port * 10 + (uint32_t)(authority.data[i] - '0');
    }
    if (port == 0 || port > 65535) {
        return false;
    }
    return digits + 1 == authority.len || origin_of_request(https, authority, &origin);
}

/* RFC 7838 section 3.1: what halo knows of must have the form that it has there. */
static bool parameter_ok(halo_bytes name, halo_bytes value)
{
    static const halo_bytes max_age = HALO_LIT("ma");
    static const halo_bytes persist = HALO_LIT("persist");

    if (halo_bytes_equal(name, max_age) != 0) {
        for (size_t i = 0; i < value.len; i++) {
            if (!ascii_is_digit(value.data[i])) {
                return false;
            }
        }
        return value.len > 0;
    }
    return halo_bytes_equal(name, persist) == 0 || (value.len == 1 && value.data[0] == '1');
}

/* ---- the whole ------------------------------------------------------------------------- */

static const char *read_parameters(struct reader *reader)
{
    struct reader behind = *reader;

    for (skip_space(&behind); take(&behind, ';'); skip_space(&behind)) {
        halo_bytes name;
        halo_bytes value;

        skip_space(&behind);
        if (!read_token(&behind, &name) || !take(&behind, '=') ||
            (!read_token(&behind, &value) && !read_quoted(&behind, &value))) {
            return "a parameter is no name=value";
        }
        if (!parameter_ok(name, value)) {
            return "ma is no number of seconds, or persist is not 1";
        }
        *reader = behind;
    }
    return NULL;
}

static const char *read_alternative(struct reader *reader)
{
    halo_bytes protocol;
    halo_bytes authority;

    if (!read_token(reader, &protocol) || !protocol_ok(protocol)) {
        return "an alternative does not begin with the name of a protocol";
    }
    if (!take(reader, '=') || !read_quoted(reader, &authority) || !authority_ok(authority)) {
        return "a protocol without \"host:port\" in quotes";
    }
    return read_parameters(reader);
}

static const char *read_list(struct reader *reader)
{
    do {
        const char *wrong;

        skip_space(reader);
        wrong = read_alternative(reader);
        if (wrong != NULL) {
            return wrong;
        }
        skip_space(reader);
    } while (take(reader, ','));
    return reader->at == reader->end ? NULL : "something stands behind an alternative";
}

int halo_altsvc_check(halo_bytes value, const char **reason)
{
    static const halo_bytes clear = HALO_LIT("clear");
    struct reader reader = { value.data, value.data + value.len };
    const char *wrong = NULL;

    if (value.len == 0) {
        wrong = "no alternative";
    } else if (halo_bytes_equal(value, clear) == 0) {
        wrong = read_list(&reader);
    }
    if (reason != NULL) {
        *reason = wrong != NULL ? wrong : "";
    }
    return wrong != NULL ? HALO_E_INVALID_HEADER_VALUE : 0;
}
