#include "server/serve_conditions.h"

#include <string.h>
#include <strings.h>

#include "server/serve_date.h"

static bool equals(const char *data, size_t len, halo_bytes text)
{
    return len == text.len && memcmp(data, text.data, len) == 0;
}

static size_t skip_space(halo_bytes text, size_t at)
{
    while (at < text.len && (text.data[at] == ' ' || text.data[at] == '\t')) {
        at++;
    }
    return at;
}

/* ---- entity tags ----------------------------------------------------------------------- */

/* Is the tag in the list, which is "*" or tags with commas between them? Weak comparison takes
 * W/"x" for "x" (section 8.8.3.2). A list that breaks off counts up to there. */
static bool list_has(halo_bytes list, halo_bytes etag, bool weak)
{
    size_t at = skip_space(list, 0);

    if (equals(list.data, list.len, (halo_bytes)HALO_LIT("*"))) {
        return true;
    }
    while (at < list.len) {
        bool is_weak = list.len - at >= 2 && memcmp(list.data + at, "W/", 2) == 0;
        const char *end;
        size_t start;

        at += is_weak ? 2 : 0;
        start = at;
        if (at == list.len || list.data[at] != '"') {
            return false;
        }
        end = memchr(list.data + at + 1, '"', list.len - at - 1);
        if (end == NULL) {
            return false;
        }
        at = (size_t)(end - list.data) + 1;
        if ((weak || !is_weak) && equals(list.data + start, at - start, etag)) {
            return true;
        }
        at = skip_space(list, at);
        if (at < list.len && list.data[at] != ',') {
            return false;
        }
        at = skip_space(list, at + 1);
    }
    return false;
}

/* ---- preconditions --------------------------------------------------------------------- */

/* Was it modified after the date? A date that cannot be read is as good as none: false. */
static bool is_later(const struct serve_validators *validators, halo_bytes date, bool *readable)
{
    int64_t seconds;

    *readable = serve_date_parse(date, validators->now, &seconds);
    return *readable && validators->modified > seconds;
}

int serve_conditions_check(const struct serve_conditions *conditions,
                           const struct serve_validators *validators)
{
    bool readable;

    if (conditions->if_match.data != NULL) {
        if (!list_has(conditions->if_match, validators->etag, false)) {
            return 412;
        }
    } else if (conditions->if_unmodified_since.data != NULL &&
               is_later(validators, conditions->if_unmodified_since, &readable)) {
        return 412;
    }
    if (conditions->if_none_match.data != NULL) {
        return list_has(conditions->if_none_match, validators->etag, true) ? 304 : 0;
    }
    if (conditions->if_modified_since.data != NULL) {
        bool later = is_later(validators, conditions->if_modified_since, &readable);

        return readable && !later ? 304 : 0;
    }
    return 0;
}

/* ---- ranges ---------------------------------------------------------------------------- */

/* Digits at *at. False when there are none; a number too large for uint64_t is its largest. */
static bool take_number(halo_bytes text, size_t *at, uint64_t *value)
{
    size_t start = *at;

    *value = 0;
    while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9') {
        uint64_t digit = (uint64_t)(text.data[*at] - '0');

        *value = *value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *value * 10 + digit;
        *at += 1;
    }
    return *at > start;
}

struct range {
    uint64_t first;
    uint64_t last;
    bool has_first;
    bool has_last;
};

/* "bytes=0-499", "bytes=500-", "bytes=-500". */
static bool parse_range(halo_bytes text, struct range *range)
{
    size_t at = 6;

    if (text.len < at || strncasecmp(text.data, "bytes=", at) != 0) {
        return false;
    }
    at = skip_space(text, at);
    range->has_first = take_number(text, &at, &range->first);
    if (at == text.len || text.data[at] != '-') {
        return false;
    }
    at++;
    range->has_last = take_number(text, &at, &range->last);
    at = skip_space(text, at);
    if (at != text.len || (!range->has_first && !range->has_last)) {
        return false;
    }
    return !range->has_first || !range->has_last || range->first <= range->last;
}

/* Does the range still belong to what we have? (section 13.1.5: exact matches only) */
static bool if_range_holds(halo_bytes if_range, const struct serve_validators *validators)
{
    int64_t seconds;

    if (if_range.data == NULL) {
        return true;
    }
    if (if_range.len > 0 && (if_range.data[0] == '"' || if_range.data[0] == 'W')) {
        return equals(if_range.data, if_range.len, validators->etag);
    }
    return serve_date_parse(if_range, validators->now, &seconds) && seconds == validators->modified;
}

enum serve_range_result serve_range(const struct serve_conditions *conditions,
                                    const struct serve_validators *validators, uint64_t size,
                                    uint64_t *first, uint64_t *length)
{
    struct range range;

    if (conditions->range.data == NULL || !parse_range(conditions->range, &range) ||
        !if_range_holds(conditions->if_range, validators)) {
        return SERVE_RANGE_NONE;
    }
    if (!range.has_first) { /* the last octets */
        if (range.last == 0 || size == 0) {
            return SERVE_RANGE_UNSATISFIABLE;
        }
        *length = range.last < size ? range.last : size;
        *first = size - *length;
        return SERVE_RANGE_ONE;
    }
    if (range.first >= size) {
        return SERVE_RANGE_UNSATISFIABLE;
    }
    if (!range.has_last || range.last >= size) {
        range.last = size - 1;
    }
    *first = range.first;
    *length = range.last - range.first + 1;
    return SERVE_RANGE_ONE;
}
