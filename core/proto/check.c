/* The rules of header fields and lists for callers without a session: <halo/check.h>. */
#include <halo/check.h>

#include "core/base/header.h"
#include "core/proto/message.h"
#include "hpack/hpack.h"

static int answer(int status, const char *text, const char **reason)
{
    if (reason != NULL) {
        *reason = text;
    }
    return status;
}

static int answer_fault(const struct fault *fault, const char **reason)
{
    if (fault == NULL) {
        return answer(0, "", reason);
    }
    if (fault->code == HALO_ENHANCE_YOUR_CALM) {
        return answer(HALO_E_LIMIT, fault->reason, reason);
    }
    return answer(fault->status != 0 ? fault->status : HALO_E_PROTOCOL, fault->reason, reason);
}

/* ---- one field ------------------------------------------------------------------------- */

static bool has_capital(halo_bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] >= 'A' && name.data[i] <= 'Z') {
            return true;
        }
    }
    return false;
}

int halo_check_header_name(halo_bytes name, const char **reason)
{
    halo_header field = { .name = name, .value = HALO_LIT("trailers") }; /* te may have no other */

    if (name.len == 0) {
        return answer(HALO_E_INVALID_HEADER_NAME, "field name is empty", reason);
    }
    if (hpack_name_flags(name) != 0) {
        return answer(HALO_E_INVALID_HEADER_NAME,
                      has_capital(name) ? "field name with an upper-case letter"
                                        : "field name with an octet that no token has",
                      reason);
    }
    field.token = halo_name_token(name);
    if (name.data[0] == ':') {
        return field.token != HALO_NAME_UNKNOWN
                   ? answer(0, "", reason)
                   : answer(HALO_E_INVALID_PSEUDOHEADER, "unknown pseudo-header field", reason);
    }
    if (header_check_token(&field) != 0) {
        return answer(HALO_E_INVALID_CONNECTION_HEADERS, "connection-specific header field",
                      reason);
    }
    return answer(0, "", reason);
}

int halo_check_header_value(halo_bytes value, const char **reason)
{
    uint16_t flags = hpack_value_flags(value);

    if ((flags & HPACK_FIELD_BAD_VALUE) != 0) {
        return answer(HALO_E_INVALID_HEADER_VALUE, "field value with a control octet", reason);
    }
    return flags != 0 ? answer(HALO_E_INVALID_HEADER_VALUE,
                               "field value with white space at an end", reason)
                      : answer(0, "", reason);
}

/* ---- lists ----------------------------------------------------------------------------- */

/* What the decoder finds out about the fields of a block, found out here. */
static void examine(halo_header *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        halo_header *field = &fields[i];
        uint32_t flags = field->flags & (HALO_HEADER_NEVER_INDEX | HALO_HEADER_NO_INDEX);

        field->token = halo_name_token(field->name);
        field->flags =
            (uint16_t)(flags | hpack_name_flags(field->name) | hpack_value_flags(field->value));
    }
}

int halo_check_request(halo_header *fields, size_t count, unsigned flags, const char **reason)
{
    struct message_limits limits = {
        .fields = UINT32_MAX,
        .extended_connect = (flags & HALO_CHECK_EXTENDED_CONNECT) != 0,
    };
    struct message message;

    examine(fields, count);
    return answer_fault(message_check_request(fields, count, &limits, &message), reason);
}

int halo_check_response(halo_header *fields, size_t count, const char **reason)
{
    struct message_limits limits = { .fields = UINT32_MAX };
    struct message message;

    examine(fields, count);
    return answer_fault(message_check_response(fields, count, &limits, &message), reason);
}

int halo_check_trailers(halo_header *fields, size_t count, const char **reason)
{
    examine(fields, count);
    return answer_fault(message_check_trailers(fields, count), reason);
}
