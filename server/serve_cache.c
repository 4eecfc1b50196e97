#include "server/serve_cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/serve_types.h"

enum {
    /* Places: a path has WAYS of them to be in, so that no choice of paths makes a search long. */
    SETS = 256,
    WAYS = 4,
    PLACES = SETS * WAYS,
    OCTETS_MAX = 32 * 1024 * 1024,
    DESCRIPTORS_MAX = 64,
};

struct serve_cache {
    const struct serve_root *root;
    const struct serve_clock *clock;
    struct serve_file *places[PLACES];
    struct serve_file *latest; /* what was found last: clients ask for the same in a row */
    uint32_t hand;             /* where the search for something to drop goes on */
    uint32_t num_descriptors;
    size_t octets;
};

/* ---- entries --------------------------------------------------------------------------- */

static void free_file(struct serve_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    halo_header_set_free(file->own_set);
    free(file);
}

void serve_file_unref(struct serve_file *file)
{
    if (--file->refs == 0) {
        free_file(file);
    }
}

/* Makes the header fields anew, with the date of this second. */
static bool make_set(struct serve_file *file, const struct serve_clock *clock)
{
    char length[24];
    halo_header_set *set;
    int digits = snprintf(length, sizeof(length), "%llu", (unsigned long long)file->size);
    const halo_header fields[] = {
        { .name = HALO_LIT("content-type"), .value = serve_content_type(file->relative) },
        { .name = HALO_LIT("content-length"), .value = { length, (size_t)digits } },
        { .name = HALO_LIT("last-modified"), .value = { file->modified_text, SERVE_DATE_LEN } },
        { .name = HALO_LIT("etag"), .value = { file->etag, file->etag_len } },
        { .name = HALO_LIT("accept-ranges"), .value = HALO_LIT("bytes") },
        { .name = HALO_LIT("date"), .value = serve_clock_date(clock) },
    };

    if (halo_header_set_new(&set, fields, sizeof(fields) / sizeof(fields[0])) != 0) {
        return false;
    }
    halo_header_set_free(file->own_set);
    file->own_set = set;
    file->set = set;
    file->second = clock->second;
    return true;
}

/* Time and size tell versions of a file apart, as far as the clock of the file system does. */
static void describe(struct serve_file *file, const struct stat *info, int64_t now)
{
    int len;

    file->info = *info;
    file->size = (uint64_t)info->st_size;
    /* A date ahead of ours would be a lie (RFC 9110 section 8.8.2.1). */
    file->modified = info->st_mtim.tv_sec < now ? info->st_mtim.tv_sec : now;
    serve_date_format(file->modified_text, file->modified);
    len = snprintf(file->etag, sizeof(file->etag), "\"%llx%08lx-%llx\"",
                   (unsigned long long)info->st_mtim.tv_sec, (unsigned long)info->st_mtim.tv_nsec,
                   (unsigned long long)info->st_size);
    file->etag_len = (size_t)len;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Reads all of a small file. This waits for the disk, once for each version of the file. */
static bool read_body(int fd, uint8_t *body, size_t size)
{
    size_t at = 0;

    while (at < size) {
        ssize_t got = pread(fd, body + at, size - at, (off_t)at);

        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return false; /* also when it has become shorter meanwhile */
        }
        at += got > 0 ? (size_t)got : 0;
    }
    return true;
}

/* Makes an entry of an open file; the descriptor is taken. NULL: it cannot be read, or memory is
 * out. */
static struct serve_file *load(const struct serve_cache *cache, halo_bytes key, uint64_t hash,
                               const struct serve_path *path, int fd, const struct stat *info)
{
    bool in_memory = info->st_size <= SERVE_BODY_MAX;
    size_t body_len = in_memory ? (size_t)info->st_size : 0;
    size_t octets = sizeof(struct serve_file) + body_len + key.len + path->len + 1;
    struct serve_file *file = malloc(octets);
    uint8_t *body;
    char *text;

    if (file == NULL) {
        close(fd);
        return NULL;
    }
    body = (uint8_t *)(file + 1);
    text = (char *)body + body_len;
    memcpy(text, key.data, key.len);
    memcpy(text + key.len, path->text, path->len + 1);
    *file = (struct serve_file){
        .body = in_memory ? body : NULL,
        .fd = fd,
        .refs = 1,
        .hash = hash,
        .key = { text, key.len },
        .relative = text + key.len,
        .octets = octets,
    };
    describe(file, info, cache->clock->now);
    if ((in_memory && !read_body(fd, body, body_len)) || !make_set(file, cache->clock)) {
        free_file(file);
        return NULL;
    }
    if (in_memory) {
        close(fd);
        file->fd = -1;
    }
    return file;
}

/* ---- places ---------------------------------------------------------------------------- */

static uint64_t hash_of(halo_bytes key)
{
    const uint64_t factor = 0x9e3779b97f4a7c15u;
    uint64_t hash = key.len * factor;
    size_t at = 0;

    while (key.len - at >= 8) {
        uint64_t word;

        memcpy(&word, key.data + at, 8);
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
        at += 8;
    }
    while (at < key.len) {
        hash = (hash ^ (uint8_t)key.data[at++]) * factor;
    }
    return hash ^ hash >> 32;
}

static struct serve_file **places_of(struct serve_cache *cache, uint64_t hash)
{
    return &cache->places[hash % SETS * WAYS];
}

static void drop(struct serve_cache *cache, struct serve_file **place)
{
    struct serve_file *file = *place;

    *place = NULL;
    if (cache->latest == file) {
        cache->latest = NULL;
    }
    cache->octets -= file->octets;
    cache->num_descriptors -= file->fd >= 0 ? 1 : 0;
    serve_file_unref(file);
}

/* Drops what was not asked for since the hand came by last, until all is within its limits. */
static void shrink(struct serve_cache *cache, const struct serve_file *newest)
{
    while (cache->octets > OCTETS_MAX || cache->num_descriptors > DESCRIPTORS_MAX) {
        struct serve_file **place = &cache->places[cache->hand++ % PLACES];
        struct serve_file *file = *place;

        if (file == NULL || file == newest || (cache->octets <= OCTETS_MAX && file->fd < 0)) {
            continue;
        }
        if (file->asked) {
            file->asked = false;
        } else {
            drop(cache, place);
        }
    }
}

/* A place for a new entry: an empty one, or that of one that was not asked for lately. */
static struct serve_file **make_place(struct serve_cache *cache, uint64_t hash)
{
    struct serve_file **places = places_of(cache, hash);
    uint32_t victim = (uint32_t)(hash >> 32) % WAYS;

    for (uint32_t i = 0; i < WAYS; i++) {
        if (places[i] == NULL) {
            return &places[i];
        }
    }
    for (uint32_t i = 0; i < WAYS; i++) {
        if (!places[i]->asked) {
            victim = i;
        }
        places[i]->asked = false;
    }
    drop(cache, &places[victim]);
    return &places[victim];
}

static void insert(struct serve_cache *cache, struct serve_file *file)
{
    struct serve_file **place = make_place(cache, file->hash);

    *place = file;
    cache->octets += file->octets;
    cache->num_descriptors += file->fd >= 0 ? 1 : 0;
    file->asked = true;
    shrink(cache, file);
}

/* ---- finding --------------------------------------------------------------------------- */

/* Makes an entry of what was opened. */
static int add(struct serve_cache *cache, halo_bytes key, uint64_t hash,
               const struct serve_path *path, int fd, const struct stat *info,
               struct serve_file **file)
{
    if (!S_ISREG(info->st_mode)) {
        close(fd);
        return 404;
    }
    *file = load(cache, key, hash, path, fd, info);
    if (*file == NULL) {
        return 503;
    }
    insert(cache, *file);
    return 0;
}

static int find_new(struct serve_cache *cache, halo_bytes request, halo_bytes key, uint64_t hash,
                    struct serve_path *path, struct serve_file **file)
{
    int status = serve_path_parse(path, request);
    struct stat info;
    int fd;

    if (status != 0) {
        return status;
    }
    if (path->is_directory && !serve_path_add_index(path)) {
        return 404;
    }
    fd = serve_open(cache->root, path->text, &info);
    if (fd < 0) {
        return serve_open_status(-fd);
    }
    if (S_ISDIR(info.st_mode) && !path->is_directory) {
        close(fd);
        return 301;
    }
    return add(cache, key, hash, path, fd, &info, file);
}

/* Without descriptors or memory we cannot know: what we have is as good as any answer. */
static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* A new second: is the file still what we have? */
static int look_again(struct serve_cache *cache, struct serve_file **place, halo_bytes request,
                      struct serve_path *path, struct serve_file **found)
{
    struct serve_file *file = *place;
    struct stat info;
    int fd = serve_open(cache->root, file->relative, &info);
    bool same = fd >= 0 ? is_same(&info, &file->info) : is_shortage(-fd);

    if (fd >= 0) {
        close(fd);
    }
    if (!same) {
        halo_bytes key = { request.data, file->key.len };
        uint64_t hash = file->hash;

        drop(cache, place);
        return find_new(cache, request, key, hash, path, found);
    }
    *found = file;
    return make_set(file, cache->clock) ? 0 : 503;
}

static bool has_key(const struct serve_file *file, halo_bytes key)
{
    return file->key.len == key.len && memcmp(file->key.data, key.data, key.len) == 0;
}

static int find(struct serve_cache *cache, halo_bytes request, struct serve_path *path,
                struct serve_file **file)
{
    const char *query = memchr(request.data, '?', request.len);
    halo_bytes key = { request.data, query != NULL ? (size_t)(query - request.data) : request.len };
    uint64_t hash = hash_of(key);
    struct serve_file **places = places_of(cache, hash);

    for (uint32_t i = 0; i < WAYS; i++) {
        struct serve_file *found = places[i];

        if (found != NULL && found->hash == hash && has_key(found, key)) {
            found->asked = true;
            if (__builtin_expect(found->second != cache->clock->second, 0)) {
                return look_again(cache, &places[i], request, path, file);
            }
            *file = found;
            cache->latest = found;
            return 0;
        }
    }
    return find_new(cache, request, key, hash, path, file);
}

int serve_cache_get(struct serve_cache *cache, halo_bytes request, struct serve_path *path,
                    struct serve_file **file)
{
    struct serve_file *latest = cache->latest;

    if (latest != NULL && latest->second == cache->clock->second && has_key(latest, request)) {
        latest->asked = true;
        *file = latest;
        return 0;
    }
    return find(cache, request, path, file);
}

/* ---- life ------------------------------------------------------------------------------ */

struct serve_cache *serve_cache_new(const struct serve_root *root, const struct serve_clock *clock)
{
    struct serve_cache *cache = calloc(1, sizeof(*cache));

    if (cache != NULL) {
        cache->root = root;
        cache->clock = clock;
    }
    return cache;
}

void serve_cache_free(struct serve_cache *cache)
{
    for (uint32_t i = 0; i < PLACES; i++) {
        if (cache->places[i] != NULL) {
            drop(cache, &cache->places[i]);
        }
    }
    free(cache);
}
