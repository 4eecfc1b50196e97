/* What halo-serve reads out of requests: dates, conditions, ranges, paths. */
#include "core/base/base.h"
#include "server/serve_conditions.h"
#include "server/serve_date.h"
#include "server/serve_path.h"

enum { NOW = 1700000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line of the input; data NULL when there is none. */
static halo_bytes next_line(halo_bytes *rest)
{
    halo_bytes line = *rest;
    const char *end = line.len > 0 ? memchr(line.data, '\n', line.len) : NULL;

    if (line.len == 0) {
        return (halo_bytes){ NULL, 0 };
    }
    if (end == NULL) {
        *rest = (halo_bytes){ line.data + line.len, 0 };
        return line;
    }
    line.len = (size_t)(end - line.data);
    *rest = (halo_bytes){ end + 1, rest->len - line.len - 1 };
    return line;
}

static void check_date(halo_bytes text)
{
    char written[SERVE_DATE_LEN];
    int64_t seconds;
    int64_t again;

    if (!serve_date_parse(text, NOW, &seconds)) {
        return;
    }
    serve_date_format(written, seconds);
    HALO_ASSERT(serve_date_parse((halo_bytes){ written, sizeof(written) }, NOW, &again));
    HALO_ASSERT(again == seconds);
}

static void check_conditions(halo_bytes input)
{
    static const uint64_t sizes[] = { 0, 1, 1000, UINT64_MAX / 2 };
    struct serve_validators validators = { .etag = HALO_LIT("\"abc\""),
                                           .modified = 784111777,
                                           .now = NOW };
    struct serve_conditions conditions = { 0 };
    int status;

    conditions.if_match = next_line(&input);
    conditions.if_none_match = next_line(&input);
    conditions.if_modified_since = next_line(&input);
    conditions.if_unmodified_since = next_line(&input);
    conditions.if_range = next_line(&input);
    conditions.range = next_line(&input);
    status = serve_conditions_check(&conditions, &validators);
    HALO_ASSERT(status == 0 || status == 304 || status == 412);
    for (size_t i = 0; i < HALO_ARRAY_LEN(sizes); i++) {
        uint64_t first;
        uint64_t length;

        if (serve_range(&conditions, &validators, sizes[i], &first, &length) == SERVE_RANGE_ONE) {
            HALO_ASSERT(length > 0 && first < sizes[i] && length <= sizes[i] - first);
        }
    }
}

/* Nothing outside the root, nothing hidden. */
static void check_path(halo_bytes request)
{
    static struct serve_path path;
    static char location[SERVE_LOCATION_MAX];
    int status = serve_path_parse(&path, request);

    if (status != 0) {
        HALO_ASSERT(status == 400 || status == 404 || status == 414);
        return;
    }
    HALO_ASSERT(path.len <= SERVE_PATH_MAX && path.text[path.len] == '\0');
    HALO_ASSERT(strlen(path.text) == path.len && path.text[0] != '/');
    for (const char *segment = path.text; segment != NULL; segment = strchr(segment, '/')) {
        segment += *segment == '/';
        HALO_ASSERT(segment[0] != '.' || strncmp(segment, ".well-known", 11) == 0);
    }
    if (request.len <= 16384) {
        size_t len = serve_path_location(&path, location, sizeof(location));

        HALO_ASSERT(len > 0 && location[0] == '/' && (len == 1 || location[1] != '/'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    halo_bytes input = { (const char *)data, size };
    halo_bytes rest = input;

    check_conditions(input);
    check_path(input);
    while (rest.len > 0) {
        check_date(next_line(&rest));
    }
    return 0;
}
