#include "server/serve_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    /* A rename somewhere in the path while it is looked at: the kernel asks to try again. */
    TRIES_MAX = 8,
    NAME_OCTETS_MAX = 255,
    /* Without O_NONBLOCK the open of a FIFO would wait for somebody to write to it. */
    OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
};

static int beneath(int root, const char *relative)
{
    const struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd;
    int tries = 0;

    do {
        fd = syscall(SYS_openat2, root, relative, &how, sizeof(how));
    } while (fd < 0 && (errno == EAGAIN || errno == EINTR) && ++tries < TRIES_MAX);
    return fd >= 0 ? (int)fd : -errno;
}

/* Segment by segment, without following any link. */
static int walk(int root, const char *relative)
{
    int directory = root;
    int fd;

    for (;;) {
        const char *slash = strchr(relative, '/');
        char name[NAME_OCTETS_MAX + 1];
        size_t len = slash != NULL ? (size_t)(slash - relative) : strlen(relative);

        if (len > NAME_OCTETS_MAX) {
            fd = -ENAMETOOLONG;
            break;
        }
        memcpy(name, relative, len);
        name[len] = '\0';
        fd = openat(directory, name,
                    slash != NULL ? O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
                                  : OPEN_FLAGS | O_NOFOLLOW);
        fd = fd >= 0 ? fd : -errno;
        if (fd < 0 || slash == NULL) {
            break;
        }
        if (directory != root) {
            close(directory);
        }
        directory = fd;
        relative = slash + 1;
    }
    if (directory != root) {
        close(directory);
    }
    return fd;
}

int serve_root_open(struct serve_root *root, const char *directory)
{
    int probe;

    root->walk = false;
    root->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0) {
        return errno;
    }
    /* Readable is not enough: names in it must be reachable. */
    if (faccessat(root->fd, ".", X_OK, AT_EACCESS) != 0) {
        int error = errno;

        close(root->fd);
        return error;
    }
    probe = beneath(root->fd, ".");
    root->walk = probe < 0;
    if (probe >= 0) {
        close(probe);
    }
    return 0;
}

void serve_root_close(struct serve_root *root)
{
    close(root->fd);
    root->fd = -1;
}

int serve_open(const struct serve_root *root, const char *relative, struct stat *info)
{
    const char *name = relative[0] != '\0' ? relative : ".";
    int fd = root->walk ? walk(root->fd, name) : beneath(root->fd, name);

    if (fd < 0) {
        return fd;
    }
    if (fstat(fd, info) != 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    if (S_ISREG(info->st_mode)) {
        fcntl(fd, F_SETFL,
              O_RDONLY); /* non-blocking reads of files are not what everybody means by it */
    }
    return fd;
}

int serve_open_status(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return 403;
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV: /* leads out of the root */
    case ENXIO: /* a socket, a device that is not there */
    case ENODEV:
        return 404;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return 503;
    default:
        return 500;
    }
}
