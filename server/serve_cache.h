/*
 * The files that one worker serves, ready to be sent: what is asked for again costs neither a
 * system call nor an allocation.
 *
 * An entry belongs to a request path. It holds the octets of small files and the open descriptor of
 * large ones, and the header fields of its response, with the date, as a prepared set. In every
 * second in which it is asked for, it is compared with the file system once, and its set is made
 * anew for the new date.
 *
 * Entries are counted: one reference is the cache's, each response under way holds one, so a file
 * that was replaced goes on being sent as it was. Places, octets and descriptors are limited; what
 * was not asked for lately goes first.
 */
#ifndef HALO_SERVER_SERVE_CACHE_H
#define HALO_SERVER_SERVE_CACHE_H

#include <sys/stat.h>

#include <halo/header.h>

#include "server/serve_clock.h"
#include "server/serve_open.h"
#include "server/serve_path.h"

enum {
    /* Larger files are read while they are sent. */
    SERVE_BODY_MAX = 64 * 1024,
    SERVE_ETAG_MAX = 40,
};

struct serve_file {
    const halo_header_set *set; /* fields of a 200, with the date */
    const uint8_t *body;        /* NULL: use fd */
    uint64_t size;
    uint32_t refs;
    uint32_t second; /* clock->second of the set and of the last look at the file */
    int fd;          /* -1: use body */

    uint64_t hash;
    halo_bytes key;       /* the path of the request, without a query */
    const char *relative; /* the file's path beneath the root */
    bool asked;           /* since the last search for room */
    halo_header_set *own_set;
    struct stat info;
    int64_t modified; /* what last-modified says */
    char modified_text[SERVE_DATE_LEN];
    char etag[SERVE_ETAG_MAX];
    size_t etag_len;
    size_t octets; /* of this entry */
};

struct serve_cache;

/* `root` and `clock` must outlive it. NULL when memory is out. */
struct serve_cache *serve_cache_new(const struct serve_root *root, const struct serve_clock *clock);
/* No response may be under way. */
void serve_cache_free(struct serve_cache *cache);

/* Finds the file of a request path (the value of :path). Returns 0 and *file, which stays valid as
 * long as nothing else is asked for, or longer with a reference; or the status to answer with: 301
 * (a directory; *path says which), 400, 403, 404, 414, 500, 503. `path` is scratch memory. */
int serve_cache_get(struct serve_cache *cache, halo_bytes request, struct serve_path *path,
                    struct serve_file **file);

static inline void serve_file_ref(struct serve_file *file)
{
    file->refs++;
}

void serve_file_unref(struct serve_file *file);

#endif
