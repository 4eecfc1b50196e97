/* Received header lists as Node's headers object shows them: one value a name. */
#include <string.h>

#include <halo/error.h>
#include <halo/header.h>

#include "core/base/base.h"

/* ---- the list as it came --------------------------------------------------------------- */

static bool has_name(const halo_header *field, halo_bytes name)
{
    return halo_bytes_equal(field->name, name) != 0;
}

size_t halo_header_count(halo_header_list list, halo_bytes name)
{
    size_t count = 0;

    for (size_t i = 0; i < list.count; i++) {
        count += has_name(&list.fields[i], name);
    }
    return count;
}

int halo_header_next(halo_header_list list, halo_bytes name, size_t *at, halo_bytes *value)
{
    for (; *at < list.count; ++*at) {
        if (has_name(&list.fields[*at], name)) {
            *value = list.fields[*at].value;
            ++*at;
            return 1;
        }
    }
    return 0;
}

int halo_header_next_sensitive(halo_header_list list, size_t *at, halo_bytes *name)
{
    for (; *at < list.count; ++*at) {
        if ((list.fields[*at].flags & HALO_HEADER_NEVER_INDEX) != 0) {
            *name = list.fields[*at].name;
            ++*at;
            return 1;
        }
    }
    return 0;
}

/* ---- merged ---------------------------------------------------------------------------- */

/* Node's list of fields of which the first counts and others are dropped. */
static const bool single[HALO_NAME_COUNT] = {
    [HALO_NAME_STATUS] = true,
    [HALO_NAME_METHOD] = true,
    [HALO_NAME_AUTHORITY] = true,
    [HALO_NAME_SCHEME] = true,
    [HALO_NAME_PATH] = true,
    [HALO_NAME_PROTOCOL] = true,
    [HALO_NAME_ACCESS_CONTROL_ALLOW_CREDENTIALS] = true,
    [HALO_NAME_ACCESS_CONTROL_MAX_AGE] = true,
    [HALO_NAME_ACCESS_CONTROL_REQUEST_METHOD] = true,
    [HALO_NAME_AGE] = true,
    [HALO_NAME_AUTHORIZATION] = true,
    [HALO_NAME_CONTENT_ENCODING] = true,
    [HALO_NAME_CONTENT_LANGUAGE] = true,
    [HALO_NAME_CONTENT_LENGTH] = true,
    [HALO_NAME_CONTENT_LOCATION] = true,
    [HALO_NAME_CONTENT_MD5] = true,
    [HALO_NAME_CONTENT_RANGE] = true,
    [HALO_NAME_CONTENT_TYPE] = true,
    [HALO_NAME_DATE] = true,
    [HALO_NAME_DNT] = true,
    [HALO_NAME_ETAG] = true,
    [HALO_NAME_EXPIRES] = true,
    [HALO_NAME_FROM] = true,
    [HALO_NAME_HOST] = true,
    [HALO_NAME_IF_MATCH] = true,
    [HALO_NAME_IF_MODIFIED_SINCE] = true,
    [HALO_NAME_IF_NONE_MATCH] = true,
    [HALO_NAME_IF_RANGE] = true,
    [HALO_NAME_IF_UNMODIFIED_SINCE] = true,
    [HALO_NAME_LAST_MODIFIED] = true,
    [HALO_NAME_LOCATION] = true,
    [HALO_NAME_MAX_FORWARDS] = true,
    [HALO_NAME_PROXY_AUTHORIZATION] = true,
    [HALO_NAME_RANGE] = true,
    [HALO_NAME_REFERER] = true,
    [HALO_NAME_RETRY_AFTER] = true,
    [HALO_NAME_TK] = true,
    [HALO_NAME_UPGRADE_INSECURE_REQUESTS] = true,
    [HALO_NAME_USER_AGENT] = true,
    [HALO_NAME_X_CONTENT_TYPE_OPTIONS] = true,
};

int halo_header_is_single(uint16_t token)
{
    return token < HALO_NAME_COUNT && single[token];
}

/* How the values of a name are put together; NULL: they are not, the first counts. */
static const char *separator(halo_bytes name)
{
    uint16_t token = halo_name_token(name);

    if (single[token] || token == HALO_NAME_SET_COOKIE) {
        return NULL;
    }
    return token == HALO_NAME_COOKIE ? "; " : ", ";
}

static size_t append(char *out, size_t size, size_t at, halo_bytes text)
{
    if (at < size && text.len > 0) {
        memcpy(out + at, text.data, min_size(text.len, size - at));
    }
    return at + text.len;
}

int halo_header_merged(halo_header_list list, halo_bytes name, char *out, size_t size, size_t *len)
{
    const char *between = separator(name);
    bool found = false;

    *len = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (!has_name(&list.fields[i], name)) {
            continue;
        }
        if (found) {
            *len = append(out, size, *len, (halo_bytes){ between, 2 });
        }
        *len = append(out, size, *len, list.fields[i].value);
        found = true;
        if (between == NULL) {
            break;
        }
    }
    if (!found) {
        return 0;
    }
    return *len > size ? HALO_E_LIMIT : 1;
}

int halo_header_status(halo_header_list list)
{
    halo_bytes value;

    if (!halo_header_find_token(list, HALO_NAME_STATUS, &value) || value.len != 3) {
        return 0;
    }
    return (value.data[0] - '0') * 100 + (value.data[1] - '0') * 10 + (value.data[2] - '0');
}
