/*
 * Opening files beneath a directory, and never outside of it: symbolic links may lead anywhere
 * within the root by relative paths, and one that leads out of it is as good as none.
 */
#ifndef HALO_SERVER_SERVE_OPEN_H
#define HALO_SERVER_SERVE_OPEN_H

#include <stdbool.h>
#include <sys/stat.h>

struct serve_root {
    int fd;
    bool walk; /* the kernel or a filter has no openat2: links are then not followed at all */
};

/* Returns 0 or a positive errno: ENOENT, ENOTDIR, EACCES, ... */
int serve_root_open(struct serve_root *root, const char *directory);
void serve_root_close(struct serve_root *root);

/* Opens for reading what `relative` names: no "..", no slash in front; "" is the root itself.
 * Returns a descriptor and *info, or a negative errno. */
int serve_open(const struct serve_root *root, const char *relative, struct stat *info);

/* The status that tells a client of this errno: 403, 404, 503 or 500. */
int serve_open_status(int error);

#endif
