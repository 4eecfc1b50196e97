/*
 * What the path of a request means: percent-decoded, taken apart, and checked before any file is
 * touched.
 *
 * Refused are: segments that begin with a dot (".." above all, but hidden files too; ".well-known"
 * of RFC 8615 at the top is let through), backslashes, slashes that were percent-encoded, control
 * octets. Empty segments are left out: "//a" is "/a".
 */
#ifndef HALO_SERVER_SERVE_PATH_H
#define HALO_SERVER_SERVE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include <halo/types.h>

enum {
    SERVE_PATH_MAX = 4095, /* PATH_MAX without its zero */
    /* A path and its query, every octet of the path percent-encoded. */
    SERVE_LOCATION_MAX = 3 * SERVE_PATH_MAX + 2 + 16384,
};

struct serve_path {
    char text[SERVE_PATH_MAX + 1]; /* relative to the root: "a/b.html"; "" is the root */
    size_t len;
    bool is_directory; /* the request ends with a slash */
    halo_bytes query;  /* with its '?'; empty when there is none; points into the request */
};

/* Reads the value of :path. Returns 0, or the status to answer with: 400, 404, 414. */
int serve_path_parse(struct serve_path *path, halo_bytes request);

/* Appends "/index.html". False when that is too long. */
bool serve_path_add_index(struct serve_path *path);

/* Writes the path of a directory as it should have been asked for: encoded, with a slash at its
 * end, and the query behind it. It begins with exactly one slash, so that it never names another
 * host. Returns the length, or 0 when `size` is too small. */
size_t serve_path_location(const struct serve_path *path, char *out, size_t size);

#endif
