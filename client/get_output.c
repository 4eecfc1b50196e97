/*
 * Where bodies go: to stdout (or a file), whole, and in the order of the URLs.
 *
 * The first output that has not ended is written through. What comes for a later one waits: a
 * little in memory, the rest in one temporary file without a name, which all of them share. So
 * memory is bounded whatever the order in which the server answers, and no stream has to be held
 * up, which would hold up the others by the connection's window.
 *
 * Writes block: that stops the loop, and with it the receiving, so a slow reader of stdout slows
 * the server down.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/get.h"

enum {
    /* What waits in memory for one output, and the unit of the temporary file. */
    PIECE_SIZE = 16 * 1024,
};

/* A run of the temporary file. */
struct extent {
    int64_t offset;
    size_t len;
};

struct get_output {
    uint8_t *piece; /* PIECE_SIZE octets; NULL: none yet */
    size_t piece_len;
    struct extent *extents;
    size_t num_extents;
    bool ended;
};

struct get_outputs {
    struct get_output *list;
    size_t count;
    size_t turn; /* whose octets are written through */
    int fd;
    const char *name;
    int spill_fd; /* -1: none yet */
    int64_t spill_len;
    bool is_file;
    bool created;   /* the file was not there before */
    bool truncated; /* something was written to it, or is to be */
    bool broken;
};

/* ---- writing --------------------------------------------------------------------------- */

static void break_off(struct get_outputs *outputs, const char *what, int error)
{
    if (!outputs->broken) {
        get_say("%s: %s", what, strerror(error));
    }
    outputs->broken = true;
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, data, len);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0 && errno == EAGAIN) { /* somebody made stdout non-blocking */
            usleep(1000);
            continue;
        }
        if (written < 0) {
            return false;
        }
        data += written;
        len -= (size_t)written;
    }
    return true;
}

/* The old content of a file goes when there is a new one, and not before. */
static bool make_empty(struct get_outputs *outputs)
{
    if (!outputs->is_file || outputs->truncated) {
        return true;
    }
    outputs->truncated = true;
    return ftruncate(outputs->fd, 0) == 0 || errno == EINVAL; /* EINVAL: a pipe or device */
}

static void write_out(struct get_outputs *outputs, const uint8_t *data, size_t len)
{
    if (!outputs->broken && (!make_empty(outputs) || !write_all(outputs->fd, data, len))) {
        break_off(outputs, outputs->name, errno);
    }
}

/* ---- waiting --------------------------------------------------------------------------- */

static int open_spill(void)
{
    const char *directory = getenv("TMPDIR");
    char path[4096];
    int fd;

    directory = directory != NULL && *directory != '\0' ? directory : "/tmp";
    fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) {
        return fd;
    }
    snprintf(path, sizeof(path), "%s/halo-get-XXXXXX", directory);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    return fd;
}

static bool write_piece(struct get_outputs *outputs, struct get_output *output)
{
    struct extent *extents = realloc(output->extents, (output->num_extents + 1) * sizeof(*extents));

    if (extents == NULL) {
        errno = ENOMEM;
        return false;
    }
    output->extents = extents;
    if (outputs->spill_fd < 0) {
        outputs->spill_fd = open_spill();
    }
    if (outputs->spill_fd < 0 || !write_all(outputs->spill_fd, output->piece, output->piece_len)) {
        return false;
    }
    extents[output->num_extents++] =
        (struct extent){ .offset = outputs->spill_len, .len = output->piece_len };
    outputs->spill_len += (int64_t)output->piece_len;
    output->piece_len = 0;
    return true;
}

static void keep(struct get_outputs *outputs, struct get_output *output, const uint8_t *data,
                 size_t len)
{
    if (output->piece == NULL) {
        output->piece = malloc(PIECE_SIZE);
        if (output->piece == NULL) {
            break_off(outputs, "what waits for its turn cannot be kept", ENOMEM);
            return;
        }
    }
    while (len > 0) {
        size_t room = PIECE_SIZE - output->piece_len;
        size_t part = len < room ? len : room;

        memcpy(output->piece + output->piece_len, data, part);
        output->piece_len += part;
        data += part;
        len -= part;
        if (output->piece_len == PIECE_SIZE && !write_piece(outputs, output)) {
            break_off(outputs, "a temporary file cannot be written", errno);
            return;
        }
    }
}

/* An output has its turn: what waited goes out. */
static void write_kept(struct get_outputs *outputs, struct get_output *output)
{
    uint8_t piece[PIECE_SIZE];

    for (size_t i = 0; i < output->num_extents && !outputs->broken; i++) {
        const struct extent *extent = &output->extents[i];

        if (pread(outputs->spill_fd, piece, extent->len, extent->offset) != (ssize_t)extent->len) {
            break_off(outputs, "a temporary file cannot be read", errno);
            return;
        }
        write_out(outputs, piece, extent->len);
    }
    if (output->piece_len > 0) {
        write_out(outputs, output->piece, output->piece_len);
    }
    free(output->piece);
    free(output->extents);
    *output = (struct get_output){ .ended = output->ended };
}

/* ---- the door -------------------------------------------------------------------------- */

void get_output_write(struct get_outputs *outputs, size_t index, const void *data, size_t len)
{
    if (outputs->broken || len == 0) {
        return;
    }
    if (index == outputs->turn) {
        write_out(outputs, data, len);
    } else {
        keep(outputs, &outputs->list[index], data, len);
    }
}

void get_output_end(struct get_outputs *outputs, size_t index)
{
    outputs->list[index].ended = true;
    while (outputs->turn < outputs->count && outputs->list[outputs->turn].ended) {
        outputs->turn++;
        if (outputs->turn < outputs->count) {
            write_kept(outputs, &outputs->list[outputs->turn]);
        }
    }
}

bool get_outputs_broken(const struct get_outputs *outputs)
{
    return outputs->broken;
}

void get_outputs_begin(struct get_outputs *outputs)
{
    if (!outputs->broken && !make_empty(outputs)) {
        break_off(outputs, outputs->name, errno);
    }
}

static int open_file(struct get_outputs *outputs, const char *file)
{
    outputs->is_file = true;
    outputs->name = file;
    outputs->fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    outputs->created = outputs->fd >= 0;
    if (outputs->fd < 0 && errno == EEXIST) {
        outputs->fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    }
    if (outputs->fd < 0) {
        get_say("option -o: %s cannot be written: %s", file, strerror(errno));
        return EXIT_USAGE;
    }
    return 0;
}

int get_outputs_open(struct get_outputs **out, const char *file, size_t count)
{
    struct get_outputs *outputs = calloc(1, sizeof(*outputs));
    int status = 0;

    *out = outputs;
    if (outputs == NULL || (outputs->list = calloc(count, sizeof(*outputs->list))) == NULL) {
        get_say("out of memory");
        free(outputs);
        *out = NULL;
        return EXIT_INCOMPLETE;
    }
    outputs->count = count;
    outputs->fd = STDOUT_FILENO;
    outputs->name = "stdout";
    outputs->spill_fd = -1;
    if (file != NULL && strcmp(file, "-") != 0) {
        status = open_file(outputs, file);
    }
    if (status != 0) {
        outputs->broken = true;
        get_outputs_close(outputs);
        *out = NULL;
    }
    return status;
}

bool get_outputs_close(struct get_outputs *outputs)
{
    bool good;

    /* A full disk may be told only now. */
    if (outputs->fd >= 0 && close(outputs->fd) != 0 && errno != EBADF) {
        break_off(outputs, outputs->name, errno);
    }
    if (outputs->created && !outputs->truncated) {
        unlink(outputs->name); /* nothing came that it could hold */
    }
    good = !outputs->broken;
    if (outputs->spill_fd >= 0) {
        close(outputs->spill_fd);
    }
    for (size_t i = 0; i < outputs->count; i++) {
        free(outputs->list[i].piece);
        free(outputs->list[i].extents);
    }
    free(outputs->list);
    free(outputs);
    return good;
}
