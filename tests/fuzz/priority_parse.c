/* Values of the field `priority` (RFC 9218 section 4, a dictionary of RFC 8941). */
#include <stdlib.h>

#include <halo/error.h>
#include <halo/priority.h>

#include "core/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_range(const struct halo_priority *priority)
{
    HALO_ASSERT(priority->urgency <= HALO_URGENCY_LOWEST && priority->incremental <= 1);
}

/* What is read can be written, and is read the same; over every other value, too, as far as it differs
 * from the default. */
static void check_format(const struct halo_priority *priority)
{
    struct halo_priority again = { HALO_URGENCY_DEFAULT, 0 };
    char text[HALO_PRIORITY_TEXT_MAX];
    size_t len = halo_priority_format(priority, text);

    HALO_ASSERT(len <= sizeof(text));
    HALO_ASSERT(halo_priority_parse(&again, (halo_bytes){ text, len }) == 0);
    HALO_ASSERT(again.urgency == priority->urgency && again.incremental == priority->incremental);
}

/* Of a member that comes twice the last one counts (RFC 8941 section 3.2); blanks around do not. */
static void check_joined(const char *value, size_t size, const struct halo_priority *priority)
{
    static const char before[] = "u=0, i=?0, other=(1 2);q,";
    size_t len = sizeof(before) - 1;
    char *joined = malloc(len + size + 2);
    struct halo_priority base = { 0, 0 };
    struct halo_priority again = { HALO_URGENCY_LOWEST, 1 };
    struct halo_priority alone = base;

    HALO_ASSERT(joined != NULL && halo_priority_parse(&alone, (halo_bytes){ value, size }) == 0);
    memcpy(joined, before, len);
    memcpy(joined + len, value, size);
    joined[len + size] = ' ';
    if (strspn(value, " ") == size) {
        len--; /* nothing follows the comma: that is no list */
        joined[len] = ' ';
    }
    HALO_ASSERT(halo_priority_parse(&again, (halo_bytes){ joined, len + size + 1 }) == 0);
    HALO_ASSERT(again.urgency <= HALO_URGENCY_LOWEST);
    /* A member with a value of a wrong type is as if it had not been there: what is before it may hold. */
    HALO_ASSERT(again.urgency == alone.urgency || again.urgency == priority->urgency ||
                again.urgency == HALO_URGENCY_LOWEST);
    free(joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct halo_priority priority = { HALO_URGENCY_DEFAULT, 0 };
    struct halo_priority other = { HALO_URGENCY_HIGHEST, 1 };
    char *value = malloc(size + 1);
    halo_bytes octets = { value, size };
    int status;

    HALO_ASSERT(value != NULL);
    memcpy(value, data, size);
    value[size] = '\0';
    status = halo_priority_parse(&priority, octets);
    HALO_ASSERT(halo_priority_parse(&other, octets) == status);
    check_range(&priority);
    check_range(&other);
    if (status != 0) {
        HALO_ASSERT(status == HALO_E_INVALID_ARGUMENT);
        HALO_ASSERT(priority.urgency == HALO_URGENCY_DEFAULT && priority.incremental == 0);
        HALO_ASSERT(other.urgency == HALO_URGENCY_HIGHEST && other.incremental == 1);
    } else {
        /* Each member is the value's in both, or what was there before. */
        HALO_ASSERT(
            priority.urgency == other.urgency ||
            (priority.urgency == HALO_URGENCY_DEFAULT && other.urgency == HALO_URGENCY_HIGHEST));
        HALO_ASSERT(priority.incremental == other.incremental ||
                    (priority.incremental == 0 && other.incremental == 1));
        check_format(&priority);
        if (memchr(value, '\0', size) == NULL) {
            check_joined(value, size, &priority);
        }
    }
    free(value);
    return 0;
}
