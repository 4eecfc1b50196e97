#include "server/file_sender.h"

#include <errno.h>

#include "core/conn/conn.h"
#include "core/io/file.h"

enum {
    /* One read, and one send: 31 pages, and with the headers of eight DATA frames not more than a
     * send takes. Larger, chunk, file and socket would push each other out of the processor's
     * cache; smaller, there would be more calls and packets. */
    FILE_CHUNK_OCTETS = 124 * 1024,
    /* The same memory again for the next read, while it is in the cache. What the socket holds
     * bridges the time of a read. */
    FILE_CHUNKS_PER_STREAM = 1,
    /* What one connection can make us hold, however many streams it opens. Where sends do not copy,
     * chunks come back late, and a single stream may have all of them; with one left it is copied
     * again, so that nothing waits for the peer to acknowledge. */
    FILE_CHUNKS_PER_CONNECTION = 8,
    /* Kept by the loop when nobody needs them: as many as a busy connection takes. */
    FILE_CHUNKS_SPARE = 8,
};

struct file_chunk {
    struct halo_buffer
        buffer; /* the reference of a read, then of the octets in the stream and output */
    struct io_read read;
    struct file_env *env;
    struct file_lane *lane;
    struct file_sender *sender; /* NULL: gone */
    struct list_link link;      /* in sender->chunks */
    struct file_chunk *next;    /* spare */
    uint8_t data[FILE_CHUNK_OCTETS];
};

/* The chunks of one connection. Lives until the connection is gone and the last chunk has come
 * back. */
struct file_lane {
    struct conn_guest guest;
    struct file_env *env;
    struct list_link waiting; /* senders that found all chunks taken */
    uint32_t num_chunks;      /* taken, or granted to a sender that waited */
    bool left;                /* the connection is gone */
};

struct file_sender {
    struct file_env *env;
    struct file_lane *lane;
    struct halo_stream *stream; /* NULL: the stream does not need us any more */
    struct file_body body;
    struct file_chunk *reading; /* a read is under way */
    struct list_link chunks;    /* filled and not yet sent */
    uint32_t num_chunks;        /* of both kinds */
    struct list_link waiting;   /* in lane->waiting */
    bool announced;             /* octets follow as soon as they are read, or can be */
    bool granted;               /* a chunk of the lane is set aside for this sender */
    bool starved;               /* has its FILE_CHUNKS_PER_STREAM: asks again when one comes back */
};

/* What all file responses of a loop share. */
struct file_env {
    struct halo_loop *loop;
    struct slab senders;
    struct slab lanes;
    struct file_chunk *spare; /* last-in-first-out: the one used last is still in the cache */
    uint32_t num_spare;
};

static void on_read(struct io_read *read, int result);
static void release_chunk(struct halo_buffer *buffer);

/* ---- what a loop and a connection have ------------------------------------------------- */

static void free_env(struct halo_loop *loop, void *data)
{
    struct file_env *env = data;

    while (env->spare != NULL) {
        struct file_chunk *chunk = env->spare;

        env->spare = chunk->next;
        memory_free(&loop->memory, chunk);
    }
    slab_fini(&env->senders);
    slab_fini(&env->lanes);
    memory_free(&loop->memory, env);
}

static struct file_env *env_of(struct halo_loop *loop)
{
    struct file_env *env = loop->file_env.data;

    if (HALO_LIKELY(env != NULL)) {
        return env;
    }
    env = memory_zalloc(&loop->memory, sizeof(*env));
    if (env == NULL) {
        return NULL;
    }
    env->loop = loop;
    slab_init(&env->senders, &loop->memory, sizeof(struct file_sender), 16);
    slab_init(&env->lanes, &loop->memory, sizeof(struct file_lane), 16);
    loop->file_env = (struct loop_env){ .data = env, .free = free_env };
    return env;
}

static void free_lane_if_done(struct file_lane *lane)
{
    if (lane->left && lane->num_chunks == 0) {
        HALO_ASSERT(list_empty(&lane->waiting));
        slab_give(&lane->env->lanes, lane);
    }
}

static void on_connection_gone(struct conn_guest *guest)
{
    struct file_lane *lane = HALO_CONTAINER(guest, struct file_lane, guest);

    lane->left = true;
    free_lane_if_done(lane);
}

static struct file_lane *lane_of(struct file_env *env, struct conn *conn)
{
    struct file_lane *lane;

    if (conn->files != NULL) {
        return HALO_CONTAINER(conn->files, struct file_lane, guest);
    }
    lane = slab_take(&env->lanes);
    if (lane != NULL) {
        *lane = (struct file_lane){ .guest = { .leave = on_connection_gone }, .env = env };
        list_init(&lane->waiting);
        conn->files = &lane->guest;
    }
    return lane;
}

/* ---- chunks ---------------------------------------------------------------------------- */

/* Says whether octets follow what is in the stream: the connection does not push packets that are
 * not full meanwhile. Nobody knows when a pipe will have some. */
static void announce(struct file_sender *sender, bool follow)
{
    if (sender->announced != follow && sender->body.is_regular) {
        sender->announced = follow;
        if (follow) {
            sender->lane->guest.announced++;
        } else {
            sender->lane->guest.announced--;
        }
    }
}

static void count_chunks(struct file_lane *lane, int change)
{
    lane->num_chunks += (uint32_t)change;
    lane->guest.scarce = lane->num_chunks >= FILE_CHUNKS_PER_CONNECTION;
}

/* May the sender take a chunk now? Else it is asked again when its turn has come. */
static bool admit(struct file_sender *sender)
{
    struct file_lane *lane = sender->lane;
    const struct conn *conn = sender->stream->session->driver;
    uint32_t most =
        conn_sends_zero_copy(conn) ? FILE_CHUNKS_PER_CONNECTION : FILE_CHUNKS_PER_STREAM;

    if (sender->num_chunks >= most) {
        sender->starved = true;
        announce(sender, true);
        return false;
    }
    if (sender->granted) {
        sender->granted = false;
        return true;
    }
    if (lane->num_chunks >= FILE_CHUNKS_PER_CONNECTION || !list_empty(&lane->waiting)) {
        if (!list_linked(&sender->waiting)) {
            list_push_back(&lane->waiting, &sender->waiting);
        }
        return false;
    }
    count_chunks(lane, 1);
    return true;
}

/* A chunk is free again: for the sender that has waited longest. */
static void leave_lane(struct file_lane *lane)
{
    struct list_link *link = list_pop_front(&lane->waiting);

    HALO_ASSERT(lane->num_chunks > 0);
    if (link != NULL) {
        struct file_sender *sender = LIST_ITEM(link, struct file_sender, waiting);

        sender->granted = true; /* the count stays: it is this sender's now */
        halo_stream_resume_source(sender->stream);
        return;
    }
    count_chunks(lane, -1);
    free_lane_if_done(lane);
}

/* Room in the lane is taken already. */
static struct file_chunk *take_chunk(struct file_sender *sender)
{
    struct file_env *env = sender->env;
    struct file_chunk *chunk = env->spare;

    if (chunk != NULL) {
        env->spare = chunk->next;
        env->num_spare--;
    } else {
        chunk = memory_alloc(&env->loop->memory, sizeof(*chunk));
        if (chunk == NULL) {
            leave_lane(sender->lane);
            return NULL;
        }
        chunk->env = env;
        list_init(&chunk->link);
    }
    buffer_init(&chunk->buffer, release_chunk);
    io_read_init(&chunk->read, env->loop, on_read);
    chunk->lane = sender->lane;
    chunk->sender = sender;
    sender->num_chunks++;
    return chunk;
}

/* The last reference is gone: the read failed, or every octet was sent or dropped. */
static void release_chunk(struct halo_buffer *buffer)
{
    struct file_chunk *chunk = HALO_CONTAINER(buffer, struct file_chunk, buffer);
    struct file_sender *sender = chunk->sender;
    struct file_lane *lane = chunk->lane;
    struct file_env *env = chunk->env;

    list_remove(&chunk->link);
    if (env->num_spare < FILE_CHUNKS_SPARE) {
        chunk->next = env->spare;
        env->spare = chunk;
        env->num_spare++;
    } else {
        memory_free(&env->loop->memory, chunk);
    }
    if (sender != NULL) {
        sender->num_chunks--;
        if (sender->starved) {
            sender->starved = false;
            announce(sender, false);
            halo_stream_resume_source(sender->stream);
        }
    }
    leave_lane(lane);
}

/* ---- reading --------------------------------------------------------------------------- */

static uint32_t wanted_octets(const struct file_sender *sender)
{
    uint64_t wanted = min_u64(FILE_CHUNK_OCTETS, sender->body.left);
    int64_t window = stream_send_window(sender->stream);

    return (uint32_t)(window > 0 ? min_u64(wanted, (uint64_t)window) : wanted);
}

/* The scheduler asks: there is window, and nothing of this stream waits. The octets come later, by
 * stream_source_slice(). */
static int read_source(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    struct file_sender *sender = ctx;
    const struct file_body *body = &sender->body;
    struct file_chunk *chunk;

    (void)out;
    (void)cap;
    *len = 0;
    *end = 0;
    if (sender->reading != NULL || !admit(sender)) {
        return HALO_E_AGAIN;
    }
    chunk = take_chunk(sender);
    if (chunk == NULL) {
        return HALO_E_NOMEM;
    }
    sender->reading = chunk;
    announce(sender, true);
    io_read_start(&chunk->read, body->fd, chunk->data, wanted_octets(sender),
                  body->is_regular ? body->offset : IO_READ_NO_OFFSET);
    return HALO_E_AGAIN;
}

static void read_failed(struct file_sender *sender, int error)
{
    struct halo_stream *stream = sender->stream;
    const char *reason =
        error != 0 ? "the file could not be read" : "the file became shorter while it was sent";

    stream_reset(stream, HALO_INTERNAL_ERROR, HALO_E_FILE, HALO_ORIGIN_SYSTEM, reason);
    stream->error.system_errno = error;
}

static void take_octets(struct file_sender *sender, struct file_chunk *chunk, uint32_t len)
{
    struct file_body *body = &sender->body;
    struct halo_stream *stream = sender->stream;
    halo_slice slice = slice_of(&chunk->buffer, chunk->data, len);

    list_push_back(&sender->chunks, &chunk->link);
    body->offset += len;
    body->left -= len;
    if (stream_source_slice(stream, &slice, body->left == 0) != 0) {
        session_out_of_memory(stream->session);
    }
}

static void finish(struct file_sender *sender)
{
    if (sender->body.close_fd) {
        io_close(sender->env->loop, sender->body.fd);
    }
    file_sender_free(sender);
}

static void on_read(struct io_read *read, int result)
{
    struct file_chunk *chunk = HALO_CONTAINER(read, struct file_chunk, read);
    struct file_sender *sender = chunk->sender;
    struct halo_stream *stream = sender->stream;

    sender->reading = NULL;
    announce(sender, false);
    if (result > 0 && stream != NULL) {
        take_octets(sender, chunk, (uint32_t)result);
        return;
    }
    chunk->sender = NULL; /* which may be gone in a moment */
    sender->num_chunks--;
    if (stream == NULL) {
        finish(sender);
    } else if (result == 0 && !sender->body.is_regular) {
        halo_slice none = { 0 };
        int status = stream_source_slice(stream, &none, true);

        HALO_ASSERT(status == 0); /* an end takes no memory */
    } else {
        read_failed(sender, -result);
    }
    buffer_unref(&chunk->buffer);
}

/* ---- life ------------------------------------------------------------------------------ */

int file_sender_new(struct file_sender **made, halo_stream *stream, const struct file_body *body)
{
    struct conn *conn = stream->session->driver;
    struct file_env *env = env_of(conn->loop);
    struct file_lane *lane = env != NULL ? lane_of(env, conn) : NULL;
    struct file_sender *sender = lane != NULL ? slab_take(&env->senders) : NULL;

    if (sender == NULL) {
        return HALO_E_NOMEM;
    }
    *sender = (struct file_sender){ .env = env, .lane = lane, .stream = stream, .body = *body };
    list_init(&sender->chunks);
    list_init(&sender->waiting);
    *made = sender;
    return 0;
}

void file_sender_free(struct file_sender *sender)
{
    HALO_ASSERT(sender->reading == NULL && list_empty(&sender->chunks));
    HALO_ASSERT(!list_linked(&sender->waiting) && !sender->granted);
    slab_give(&sender->env->senders, sender);
}

/* Everything was read, or the stream is closed. */
static void on_source_done(void *ctx)
{
    struct file_sender *sender = ctx;
    struct list_link *link;

    sender->stream = NULL;
    announce(sender, false);
    while ((link = list_pop_front(&sender->chunks)) != NULL) {
        LIST_ITEM(link, struct file_chunk, link)->sender = NULL;
    }
    list_remove(&sender->waiting);
    if (sender->granted) {
        sender->granted = false;
        leave_lane(sender->lane);
    }
    if (sender->reading == NULL) {
        finish(sender);
        return;
    }
    /* The application may close its descriptor soon, and its number may come to mean another file:
     * the kernel has to have the request before that. */
    if (!sender->body.close_fd) {
        io_op_flush(sender->env->loop);
    }
    io_read_cancel(&sender->reading->read);
}

void file_sender_start(struct file_sender *sender, unsigned flags)
{
    const struct halo_source source = {
        .read = read_source,
        .done = on_source_done,
        .ctx = sender,
    };
    int status = halo_stream_set_source(sender->stream, &source, flags);

    HALO_ASSERT(status == 0); /* the response headers went out in the same breath */
}
