#include "server/serve_path.h"

#include <stdint.h>
#include <string.h>

/* ---- reading --------------------------------------------------------------------------- */

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* One octet of the path at text[*at], decoded. Returns it, or minus the status to answer with. */
static int next_octet(halo_bytes text, size_t *at)
{
    unsigned char octet = (unsigned char)text.data[*at];
    int high;
    int low;

    if (octet != '%') {
        *at += 1;
        return octet;
    }
    if (text.len - *at < 3) {
        return -400;
    }
    high = hex_value(text.data[*at + 1]);
    low = hex_value(text.data[*at + 2]);
    if (high < 0 || low < 0) {
        return -400;
    }
    *at += 3;
    octet = (unsigned char)(high << 4 | low);
    return octet == '/' ? -404 : octet; /* no file has a slash in its name */
}

static bool is_hidden(const char *segment, size_t len, bool is_first)
{
    static const char well_known[] = ".well-known";

    if (segment[0] != '.') {
        return false;
    }
    return !is_first || len != sizeof(well_known) - 1 ||
           memcmp(segment, well_known, sizeof(well_known) - 1) != 0;
}

/* The segment from path->text + start on is complete. */
static int end_segment(struct serve_path *path, size_t start)
{
    size_t len = path->len - start;

    return len > 0 && is_hidden(path->text + start, len, start == 0) ? 404 : 0;
}

static int put_octet(struct serve_path *path, char octet)
{
    if (path->len == SERVE_PATH_MAX) {
        return 414;
    }
    path->text[path->len++] = octet;
    return 0;
}

/* An octet of a name. `start` is moved when it is the first one of its segment. */
static int read_octet(struct serve_path *path, halo_bytes text, size_t *at, size_t *start)
{
    int octet = next_octet(text, at);
    int status = 0;

    if (octet < 0) {
        return -octet;
    }
    if (octet < 0x20 || octet == 0x7f) {
        return 400;
    }
    if (octet == '\\') {
        return 404;
    }
    if (path->is_directory && path->len > 0) {
        status = put_octet(path, '/');
        *start = path->len;
    }
    path->is_directory = false;
    return status != 0 ? status : put_octet(path, (char)octet);
}

/* The path proper, up to the query. */
static int read_segments(struct serve_path *path, halo_bytes text)
{
    size_t start = 0; /* of the segment at hand, in path->text */
    size_t at = 1;
    int status = 0;

    path->is_directory = true;
    while (at < text.len && status == 0) {
        if (text.data[at] == '/') {
            status = end_segment(path, start);
            start = path->len;
            path->is_directory = true;
            at++;
        } else {
            status = read_octet(path, text, &at, &start);
        }
    }
    return status != 0 ? status : end_segment(path, start);
}

int serve_path_parse(struct serve_path *path, halo_bytes request)
{
    const char *query = memchr(request.data, '?', request.len);
    halo_bytes text = request;
    int status;

    path->len = 0;
    path->query = (halo_bytes){ 0 };
    if (request.len == 0 || request.data[0] != '/') {
        return 400;
    }
    if (query != NULL) {
        text.len = (size_t)(query - request.data);
        path->query = (halo_bytes){ query, request.len - text.len };
    }
    status = read_segments(path, text);
    path->text[path->len] = '\0';
    return status;
}

bool serve_path_add_index(struct serve_path *path)
{
    static const char index[] = "/index.html";
    const char *from = path->len == 0 ? index + 1 : index;
    size_t len = strlen(from);

    if (SERVE_PATH_MAX - path->len < len) {
        return false;
    }
    memcpy(path->text + path->len, from, len + 1);
    path->len += len;
    return true;
}

/* ---- writing --------------------------------------------------------------------------- */

/* What stands for itself in a path (RFC 3986 section 3.3), and the slash. */
static bool is_plain(char octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
           (octet >= '0' && octet <= '9') || (octet != '\0' && strchr("-._~!$&'()*+,;=:@/", octet));
}

size_t serve_path_location(const struct serve_path *path, char *out, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;

    if (size < 3 * path->len + 2 + path->query.len) {
        return 0;
    }
    out[len++] = '/';
    for (size_t i = 0; i < path->len; i++) {
        char octet = path->text[i];

        if (is_plain(octet)) {
            out[len++] = octet;
        } else {
            out[len++] = '%';
            out[len++] = digits[(unsigned char)octet >> 4];
            out[len++] = digits[(unsigned char)octet & 15];
        }
    }
    if (path->len > 0) {
        out[len++] = '/';
    }
    if (path->query.len > 0) {
        memcpy(out + len, path->query.data, path->query.len);
        len += path->query.len;
    }
    return len;
}
