/* Header lists and prepared sets: what needs no session. */
#include "core/base/header.h"

#include <stdlib.h>

#include <halo/error.h>

#include "core/base/ascii.h"
#include "core/base/base.h"
#include "hpack/hpack.h"

struct halo_header_set {
    uint64_t identity;
    size_t bound;
    size_t count;
    unsigned notes; /* enum header_note */
    halo_header fields[];
};

uint64_t header_set_identity(const halo_header_set *set)
{
    return set->identity;
}

size_t header_set_bound(const halo_header_set *set)
{
    return set->bound;
}

unsigned header_set_notes(const halo_header_set *set)
{
    return set->notes;
}

const halo_header *halo_header_set_fields(const halo_header_set *set, size_t *count)
{
    *count = set->count;
    return set->fields;
}

void halo_header_set_free(halo_header_set *set)
{
    free(set);
}

static char *copy_text(char *to, halo_bytes from, bool lower)
{
    if (lower) {
        ascii_copy_lower(to, from.data, from.len);
    } else if (from.len > 0) {
        memcpy(to, from.data, from.len);
    }
    return to + from.len;
}

int header_check_token(const halo_header *field)
{
    switch (field->token) {
    case HALO_NAME_CONNECTION:
    case HALO_NAME_KEEP_ALIVE:
    case HALO_NAME_PROXY_CONNECTION:
    case HALO_NAME_TRANSFER_ENCODING:
    case HALO_NAME_UPGRADE:
    case HALO_NAME_HTTP2_SETTINGS:
        return HALO_E_INVALID_CONNECTION_HEADERS;
    case HALO_NAME_TE: {
        halo_bytes trailers = HALO_LIT("trailers");

        return halo_bytes_equal(field->value, trailers) ? 0 : HALO_E_INVALID_CONNECTION_HEADERS;
    }
    default:
        return field->name.data[0] == ':' ? HALO_E_PSEUDOHEADER_NOT_ALLOWED : 0;
    }
}

static int prepare(halo_header *field)
{
    if (hpack_name_flags(field->name) != 0) {
        return HALO_E_INVALID_HEADER_NAME;
    }
    if (hpack_value_flags(field->value) != 0) {
        return HALO_E_INVALID_HEADER_VALUE;
    }
    field->token = halo_name_token(field->name);
    field->hash = hpack_field_hash(field->name, field->value);
    return header_check_token(field);
}

int halo_header_set_new(halo_header_set **set, const halo_header *fields, size_t count)
{
    static uint64_t identities;
    size_t size = sizeof(struct halo_header_set) + count * sizeof(halo_header);
    struct halo_header_set *made;
    char *text;

    for (size_t i = 0; i < count; i++) {
        size += fields[i].name.len + fields[i].value.len;
    }
    made = malloc(size);
    if (made == NULL) {
        return HALO_E_NOMEM;
    }
    made->identity = __atomic_add_fetch(&identities, 1, __ATOMIC_RELAXED);
    made->count = count;
    made->notes = 0;
    text = (char *)(made->fields + count);
    for (size_t i = 0; i < count; i++) {
        halo_header *to = &made->fields[i];
        int status;

        *to = (halo_header){ .name = { text, fields[i].name.len },
                             .flags = fields[i].flags &
                                      (HALO_HEADER_NEVER_INDEX | HALO_HEADER_NO_INDEX) };
        text = copy_text(text, fields[i].name, true);
        to->value = (halo_bytes){ text, fields[i].value.len };
        text = copy_text(text, fields[i].value, false);
        status = prepare(to);
        if (status != 0) {
            free(made);
            return status;
        }
        made->notes |= header_note(to->token);
    }
    made->bound = hpack_encode_bound(made->fields, count);
    *set = made;
    return 0;
}

/* ---- lists ----------------------------------------------------------------------------- */

int halo_header_find(halo_header_list list, halo_bytes name, halo_bytes *value)
{
    for (size_t i = 0; i < list.count; i++) {
        if (halo_bytes_equal(list.fields[i].name, name)) {
            *value = list.fields[i].value;
            return 1;
        }
    }
    return 0;
}

int halo_header_find_token(halo_header_list list, uint16_t token, halo_bytes *value)
{
    for (size_t i = 0; i < list.count; i++) {
        if (list.fields[i].token == token && token != HALO_NAME_UNKNOWN) {
            *value = list.fields[i].value;
            return 1;
        }
    }
    return 0;
}

int halo_header_authority(halo_header_list list, halo_bytes *value)
{
    return halo_header_find_token(list, HALO_NAME_AUTHORITY, value) != 0 ||
           halo_header_find_token(list, HALO_NAME_HOST, value) != 0;
}

int halo_header_name_ok(halo_bytes name)
{
    return name.len > 0 && name.data[0] != ':' && hpack_name_flags(name) == 0;
}

int halo_header_value_ok(halo_bytes value)
{
    return hpack_value_flags(value) == 0;
}

halo_bytes halo_str(const char *text)
{
    return (halo_bytes){ text, text != NULL ? strlen(text) : 0 };
}

int halo_bytes_equal(halo_bytes a, halo_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
