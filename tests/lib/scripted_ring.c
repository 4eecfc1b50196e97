#include "scripted_ring.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    GROUPS_MAX = 32,
    GROUP_BUFFERS_MAX = 32768,
    PIECES_MAX = 64,
    /* Steps in which nothing happens before a wait is believed to be without end: delays pass in
     * that time. */
    QUIET_STEPS_MAX = 64,
};

struct fake_group {
    bool registered;
    uint16_t head;
    uint16_t seen; /* the tail up to which buffers were overwritten */
    uint32_t count;
    struct ring_buffer_entry *entries;
    bool *with_kernel;
};

struct fake_request {
    struct ring_request request;
    struct iovec pieces[PIECES_MAX]; /* of a send, copied in the enter */
    uint32_t num_pieces;
    uint8_t *octets; /* of a send without a copy, as they were in the enter */
    size_t done;     /* octets sent, or received of the budget */
    bool ending;     /* a cancel came too late: it ends by itself */
    bool finished;   /* its last completion was posted */
};

struct scripted_ring {
    struct ring ring;
    struct scripted_options options;
    uint64_t random;
    uint64_t now_ns;
    bool is_set_up;
    struct fake_sockets sockets;
    struct fake_group groups[GROUPS_MAX];
    uint32_t num_registered;
    struct ring_request *prepared;
    uint32_t num_prepared;
    struct fake_notes notes;
    struct fake_request **requests;
    uint32_t num_requests;
    uint32_t max_requests;
    struct ring_completion *completions;
    uint32_t num_completions;
    uint32_t first_completion;
    uint32_t max_completions;
};

static struct scripted_ring *self_of(const struct ring *ring)
{
    return HALO_CONTAINER(ring, struct scripted_ring, ring);
}

/* ---- chance ---- */

static uint64_t next_random(struct scripted_ring *self)
{
    self->random ^= self->random >> 12;
    self->random ^= self->random << 25;
    self->random ^= self->random >> 27;
    return self->random * UINT64_C(0x2545F4914F6CDD1D);
}

static uint32_t random_below(struct scripted_ring *self, uint32_t limit)
{
    return (uint32_t)((next_random(self) >> 32) % limit);
}

static bool happens(struct scripted_ring *self, uint16_t of_1000)
{
    return of_1000 != 0 && random_below(self, 1000) < of_1000;
}

/* Some of `len` octets, at least one. */
static size_t some_of(struct scripted_ring *self, size_t len)
{
    if (len > 1 && happens(self, self->options.faults.short_octets)) {
        return 1 + random_below(self, (uint32_t)min_size(len, UINT32_MAX) - 1);
    }
    return len;
}

uint64_t scripted_random(struct ring *ring)
{
    return next_random(self_of(ring));
}

/* ---- sockets ---- */

static struct fake_socket *socket_of(struct scripted_ring *self, int fd)
{
    return fake_socket_of(&self->sockets, fd);
}

static void socket_close(struct scripted_ring *self, int fd, bool reset)
{
    for (uint32_t i = 0; i < self->num_requests; i++) {
        /* The request would keep the descriptor open in the kernel. */
        HALO_ASSERT(self->requests[i]->finished || self->requests[i]->request.fd != fd);
    }
    fake_notes_closed(&self->notes, fd);
    fake_socket_close(&self->sockets, fd, reset);
}

/* ---- completions ---- */

static void post(struct scripted_ring *self, uint64_t user_data, int result, uint32_t flags)
{
    if (self->num_completions == self->max_completions) {
        self->max_completions = self->max_completions * 2 + 64;
        self->completions =
            realloc(self->completions, self->max_completions * sizeof(self->completions[0]));
        HALO_ASSERT(self->completions != NULL);
    }
    self->completions[self->num_completions++] = (struct ring_completion){
        .user_data = user_data,
        .result = result,
        .flags = flags,
    };
}

static void complete(struct scripted_ring *self, struct fake_request *request, int result,
                     uint32_t flags)
{
    HALO_ASSERT(!request->finished);
    request->finished = (flags & RING_MORE) == 0;
    post(self, request->request.user_data, result, flags);
}

/* Does this multishot go on after a good completion? */
static uint32_t more(struct scripted_ring *self, const struct fake_request *request)
{
    bool goes_on = (request->request.flags & RING_MULTISHOT) != 0 && !request->ending &&
                   !happens(self, self->options.faults.end_multishot);

    return goes_on ? RING_MORE : 0;
}

/* ---- buffers ---- */

static struct fake_group *group_of(struct scripted_ring *self, uint16_t id)
{
    HALO_ASSERT(id < GROUPS_MAX && self->groups[id].registered);
    return &self->groups[id];
}

/* Buffers that came back belong to the kernel: nobody may count on what is in them. */
static void group_look(struct fake_group *group)
{
    uint16_t tail = __atomic_load_n(&group->entries[0].tail, __ATOMIC_ACQUIRE);

    while (group->seen != tail) {
        struct ring_buffer_entry *entry = &group->entries[group->seen & (group->count - 1)];

        HALO_ASSERT(entry->id < group->count && !group->with_kernel[entry->id]);
        group->with_kernel[entry->id] = true;
        memset((void *)(uintptr_t)entry->address, 0xDD, entry->length);
        group->seen++;
    }
}

/* ---- what each operation does; true when it got on ---- */

static bool play_receive(struct scripted_ring *self, struct fake_request *request)
{
    const struct scripted_faults *faults = &self->options.faults;
    struct fake_socket *socket = socket_of(self, request->request.fd);
    struct fake_group *group = group_of(self, request->request.group);
    struct ring_buffer_entry *entry;
    uint32_t flags;
    size_t len;

    group_look(group);
    if (socket->broken) {
        complete(self, request, -ECONNRESET, 0);
        return true;
    }
    if (socket->in_len == 0 && !socket->in_end) {
        return false;
    }
    if (happens(self, faults->again)) {
        complete(self, request, -EAGAIN, 0);
        return true;
    }
    if (group->head == group->seen || happens(self, faults->no_buffers)) {
        complete(self, request, -ENOBUFS, 0);
        return true;
    }
    if (socket->in_len == 0) {
        complete(self, request, 0, 0);
        return true;
    }
    entry = &group->entries[group->head++ & (group->count - 1)];
    group->with_kernel[entry->id] = false;
    len = fake_socket_take(socket, (void *)(uintptr_t)entry->address,
                           some_of(self, min_size(entry->length, socket->in_len)));
    flags = more(self, request);
    request->done += len;
    if (request->request.budget != 0 && request->done >= request->request.budget) {
        flags = 0;
    }
    complete(self, request, (int)len,
             flags | RING_BUFFER | (uint32_t)entry->id << RING_BUFFER_SHIFT);
    return true;
}

/* The next octets of a send, from where it stands. */
static struct iovec next_piece(const struct fake_request *request)
{
    size_t skip = request->done;

    for (uint32_t i = 0; i < request->num_pieces; i++) {
        if (skip < request->pieces[i].iov_len) {
            return (struct iovec){
                .iov_base = (uint8_t *)request->pieces[i].iov_base + skip,
                .iov_len = request->pieces[i].iov_len - skip,
            };
        }
        skip -= request->pieces[i].iov_len;
    }
    return (struct iovec){ 0 };
}

static bool is_send(const struct ring_request *request)
{
    return request->opcode == RING_SEND || request->opcode == RING_SENDMSG ||
           request->opcode == RING_SENDMSG_ZERO_COPY;
}

/* The result of a send. One without a copy goes on as a notification, or not. */
static void complete_send(struct scripted_ring *self, struct fake_request *request, int result)
{
    struct fake_notes *notes = &self->notes;
    const struct ring_request *wanted = &request->request;
    bool noted = result >= 0 ? !happens(self, notes->how.absent) : notes->how.noted;

    if (wanted->opcode != RING_SENDMSG_ZERO_COPY || !noted) {
        complete(self, request, result, 0);
        return;
    }
    complete(self, request, result, RING_MORE);
    request->finished = true;
    fake_note_add(notes, wanted->user_data, wanted->fd, request->pieces, request->num_pieces,
                  request->octets, request->done);
    request->octets = NULL;
}

/* Notifications come in any order. */
static bool play_notes(struct scripted_ring *self)
{
    struct fake_notes *notes = &self->notes;
    bool got_on = false;

    for (uint32_t i = notes->count; i > 0; i--) {
        const struct fake_note *note = &notes->all[i - 1];

        if (!note->closed && (notes->how.hold || happens(self, notes->how.late))) {
            continue;
        }
        post(self, note->user_data, notes->how.copied ? INT32_MIN : 0, RING_NOTIFICATION);
        fake_note_end(notes, i - 1);
        got_on = true;
    }
    return got_on;
}

static bool play_send(struct scripted_ring *self, struct fake_request *request)
{
    const struct scripted_faults *faults = &self->options.faults;
    struct fake_socket *socket = socket_of(self, request->request.fd);
    struct fake_socket *peer = fake_socket_peer(&self->sockets, socket);
    size_t before = request->done;
    bool cut = false;

    if (socket->broken || socket->out_end || peer == NULL) {
        int error = socket->broken ? -ECONNRESET : -EPIPE;

        complete_send(self, request, request->done > 0 ? (int)request->done : error);
        return true;
    }
    if (request->request.opcode == RING_SENDMSG_ZERO_COPY && self->notes.how.refuse != 0) {
        complete_send(self, request, self->notes.how.refuse);
        return true;
    }
    if (request->done == 0 && happens(self, faults->again)) {
        complete_send(self, request, -EAGAIN);
        return true;
    }
    if (happens(self, faults->reset)) {
        fake_socket_break(socket);
        fake_socket_break(peer);
        return play_send(self, request);
    }
    for (;;) {
        struct iovec piece = next_piece(request);
        size_t wanted = some_of(self, piece.iov_len);
        size_t put = wanted > 0 ? fake_socket_put(&self->sockets, peer, piece.iov_base, wanted) : 0;

        request->done += put;
        cut = put > 0 && wanted < piece.iov_len;
        if (put == 0 || cut) {
            break;
        }
    }
    if (next_piece(request).iov_len == 0 || cut) {
        complete_send(self, request, (int)request->done);
    }
    return request->finished || request->done > before;
}

static bool play_accept(struct scripted_ring *self, struct fake_request *request)
{
    static const int errors[] = { -EMFILE, -ENFILE, -ENOMEM, -ECONNABORTED, -EINVAL, -EPROTO };
    struct fake_socket *listener = socket_of(self, request->request.fd);
    int fd;

    if (happens(self, self->options.faults.accept_error)) {
        complete(self, request, errors[random_below(self, HALO_ARRAY_LEN(errors))], 0);
        return true;
    }
    fd = fake_listener_take(listener);
    if (fd < 0) {
        return false;
    }
    complete(self, request, fd, more(self, request));
    return true;
}

static bool play_connect(struct scripted_ring *self, struct fake_request *request)
{
    const struct sockaddr_in *address = request->request.address;
    struct fake_socket *listener = fake_listener_of(&self->sockets, ntohs(address->sin_port));

    if (ntohs(address->sin_port) == 1) {
        return false; /* nobody answers */
    }
    if (listener == NULL || !fake_listener_add(&self->sockets, listener, request->request.fd)) {
        complete(self, request, -ECONNREFUSED, 0);
        return true;
    }
    complete(self, request, 0, 0);
    return true;
}

/* Real descriptors. */
static bool play_read(struct scripted_ring *self, struct fake_request *request)
{
    const struct ring_request *wanted = &request->request;
    struct pollfd waiting = { .fd = wanted->fd, .events = POLLIN };
    ssize_t len;

    if (wanted->opcode == RING_READ && happens(self, self->options.faults.again)) {
        complete(self, request, -EAGAIN, 0);
        return true;
    }
    if (poll(&waiting, 1, 0) != 1) {
        return false;
    }
    if (wanted->opcode == RING_POLL_IN) {
        complete(self, request, POLLIN, 0);
        return true;
    }
    if (wanted->offset == RING_NO_OFFSET) {
        len = read(wanted->fd, (void *)(uintptr_t)wanted->address, wanted->length);
    } else {
        len = pread(wanted->fd, (void *)(uintptr_t)wanted->address, wanted->length,
                    (off_t)wanted->offset);
    }
    complete(self, request, len >= 0 ? (int)len : -errno, 0);
    return true;
}

static bool play(struct scripted_ring *self, struct fake_request *request)
{
    if (happens(self, self->options.faults.delay)) {
        return false;
    }
    switch ((enum ring_opcode)request->request.opcode) {
    case RING_RECV:
        return play_receive(self, request);
    case RING_SEND:
    case RING_SENDMSG:
    case RING_SENDMSG_ZERO_COPY:
        return play_send(self, request);
    case RING_ACCEPT:
        return play_accept(self, request);
    case RING_CONNECT:
        return play_connect(self, request);
    case RING_READ:
    case RING_POLL_IN:
        return play_read(self, request);
    case RING_CLOSE:
    case RING_CANCEL:
    case RING_CANCEL_ALL:
        break;
    }
    HALO_ASSERT(false);
    return false;
}

/* ---- submission ---- */

static void end_cancelled(struct scripted_ring *self, struct fake_request *request)
{
    if (request->finished) {
        return;
    }
    if (is_send(&request->request)) {
        complete_send(self, request, request->done > 0 ? (int)request->done : -ECANCELED);
    } else {
        complete(self, request, -ECANCELED, 0);
    }
}

static void cancel(struct scripted_ring *self, const struct ring_request *cancel_request)
{
    bool all = cancel_request->opcode == RING_CANCEL_ALL;
    int result = -ENOENT;

    for (uint32_t i = 0; i < self->num_requests; i++) {
        struct fake_request *request = self->requests[i];

        if (request->finished || (!all && request->request.user_data != cancel_request->target)) {
            continue;
        }
        if (happens(self, self->options.faults.cancel_late)) {
            request->ending = true;
            result = -EALREADY;
            continue;
        }
        result = 0;
        end_cancelled(self, request);
    }
    if (result != 0) {
        post(self, 0, result, 0);
    }
}

static void copy_pieces(struct fake_request *request)
{
    const struct ring_request *wanted = &request->request;
    const struct msghdr *message = wanted->address;

    if (wanted->opcode == RING_SENDMSG || wanted->opcode == RING_SENDMSG_ZERO_COPY) {
        HALO_ASSERT(message->msg_iovlen <= PIECES_MAX);
        request->num_pieces = (uint32_t)message->msg_iovlen;
        memcpy(request->pieces, message->msg_iov, message->msg_iovlen * sizeof(struct iovec));
    } else if ((wanted->flags & RING_VECTORIZED) != 0) {
        HALO_ASSERT(wanted->length <= PIECES_MAX);
        request->num_pieces = wanted->length;
        memcpy(request->pieces, wanted->address, wanted->length * sizeof(struct iovec));
    } else {
        request->num_pieces = 1;
        request->pieces[0] = (struct iovec){
            .iov_base = (void *)(uintptr_t)wanted->address,
            .iov_len = wanted->length,
        };
    }
}

static void add_request(struct scripted_ring *self, const struct ring_request *wanted)
{
    struct fake_request *request = calloc(1, sizeof(*request));

    HALO_ASSERT(request != NULL && wanted->user_data != 0);
    request->request = *wanted;
    for (uint32_t i = 0; i < self->num_requests; i++) {
        HALO_ASSERT(self->requests[i]->finished ||
                    self->requests[i]->request.user_data != wanted->user_data);
    }
    HALO_ASSERT(!fake_note_waits(&self->notes, wanted->user_data));
    if (is_send(wanted)) {
        copy_pieces(request);
    }
    if (wanted->opcode == RING_SENDMSG_ZERO_COPY) {
        HALO_ASSERT(self->ring.capabilities.send_zero_copy);
        request->octets = fake_octets_copy(request->pieces, request->num_pieces);
        self->notes.sends++;
    }
    if (self->num_requests == self->max_requests) {
        self->max_requests = self->max_requests * 2 + 64;
        self->requests = realloc(self->requests, self->max_requests * sizeof(self->requests[0]));
        HALO_ASSERT(self->requests != NULL);
    }
    self->requests[self->num_requests++] = request;
}

static void submit_all(struct scripted_ring *self)
{
    for (uint32_t i = 0; i < self->num_prepared; i++) {
        const struct ring_request *wanted = &self->prepared[i];

        switch (wanted->opcode) {
        case RING_CLOSE:
            socket_close(self, wanted->fd, false);
            break;
        case RING_CANCEL:
        case RING_CANCEL_ALL:
            cancel(self, wanted);
            break;
        default:
            add_request(self, wanted);
            break;
        }
    }
    self->num_prepared = 0;
    self->ring.room = self->ring.entries;
}

static void forget_finished(struct scripted_ring *self)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < self->num_requests; i++) {
        if (self->requests[i]->finished) {
            free(self->requests[i]->octets);
            free(self->requests[i]);
        } else {
            self->requests[kept++] = self->requests[i];
        }
    }
    self->num_requests = kept;
}

/* Every operation gets a chance, in any order. */
static bool play_all(struct scripted_ring *self)
{
    bool got_on = false;

    for (uint32_t i = self->num_requests; i > 1; i--) {
        uint32_t other = random_below(self, i);
        struct fake_request *swapped = self->requests[i - 1];

        self->requests[i - 1] = self->requests[other];
        self->requests[other] = swapped;
    }
    for (uint32_t i = 0; i < self->num_requests; i++) {
        struct fake_request *request = self->requests[i];

        for (int shots = 0; shots < 8 && !request->finished && play(self, request); shots++) {
            got_on = true;
        }
        if (request->ending && !happens(self, self->options.faults.delay)) {
            end_cancelled(self, request);
            got_on = true;
        }
    }
    forget_finished(self);
    return play_notes(self) || got_on;
}

/* ---- the table ---- */

static int scripted_setup(struct ring *ring, const struct ring_options *options)
{
    struct scripted_ring *self = self_of(ring);

    (void)options;
    if (self->options.setup_error != 0) {
        return self->options.setup_error;
    }
    HALO_ASSERT(!self->is_set_up);
    self->is_set_up = true;
    ring->capabilities = self->options.capabilities;
    ring->entries = self->options.entries;
    ring->room = ring->entries;
    return 0;
}

static void scripted_exit(struct ring *ring)
{
    struct scripted_ring *self = self_of(ring);

    HALO_ASSERT(self->is_set_up && self->num_requests == 0 && self->num_prepared == 0);
    HALO_ASSERT(self->notes.count == 0);
    for (uint32_t i = 0; i < GROUPS_MAX; i++) {
        HALO_ASSERT(!self->groups[i].registered);
    }
    self->is_set_up = false;
}

static void scripted_free(struct ring *ring)
{
    struct scripted_ring *self = self_of(ring);

    HALO_ASSERT(!self->is_set_up);
    fake_sockets_fini(&self->sockets);
    fake_notes_fini(&self->notes);
    free(self->prepared);
    free(self->requests);
    free(self->completions);
    free(self);
}

static void scripted_attach(struct ring *ring)
{
    (void)ring;
}

static void scripted_prepare(struct ring *ring, const struct ring_request *request)
{
    struct scripted_ring *self = self_of(ring);

    HALO_ASSERT(ring->room > 0);
    ring->room--;
    self->prepared[self->num_prepared++] = *request;
}

static int scripted_submit(struct ring *ring)
{
    struct scripted_ring *self = self_of(ring);

    if (happens(self, self->options.faults.submit_error)) {
        return -EAGAIN;
    }
    submit_all(self);
    forget_finished(self);
    return 0;
}

static int scripted_submit_and_wait(struct ring *ring, uint32_t count, int64_t timeout_ns)
{
    struct scripted_ring *self = self_of(ring);
    uint64_t begin_ns = self->now_ns;
    uint32_t quiet = 0;

    /* Those that a submit has brought meanwhile. */
    self->num_completions -= self->first_completion;
    if (self->num_completions > 0) {
        memmove(self->completions, self->completions + self->first_completion,
                self->num_completions * sizeof(self->completions[0]));
    }
    self->first_completion = 0;
    self->now_ns += 1000 + random_below(self, 50000);
    submit_all(self);
    for (;;) {
        bool busy = self->options.step != NULL && self->options.step(ring, self->options.ctx);

        busy |= play_all(self);
        if (timeout_ns == 0 || self->num_completions >= count) {
            return 0;
        }
        quiet = busy ? 0 : quiet + 1;
        if (quiet > QUIET_STEPS_MAX && timeout_ns < 0) {
            return -EDEADLK;
        }
        if (quiet > QUIET_STEPS_MAX) {
            self->now_ns = max_u64(self->now_ns, begin_ns + (uint64_t)timeout_ns);
        }
        if (timeout_ns > 0 && self->now_ns - begin_ns >= (uint64_t)timeout_ns) {
            return 0;
        }
        self->now_ns += 1000;
    }
}

static uint32_t scripted_reap(struct ring *ring, struct ring_completion *out, uint32_t max)
{
    struct scripted_ring *self = self_of(ring);
    uint32_t count = min_u32(max, self->num_completions - self->first_completion);

    if (count > 0) {
        memcpy(out, &self->completions[self->first_completion], count * sizeof(out[0]));
    }
    self->first_completion += count;
    return count;
}

static int scripted_buffers_register(struct ring *ring, uint16_t id,
                                     struct ring_buffer_entry *entries, uint32_t count)
{
    struct scripted_ring *self = self_of(ring);
    struct fake_group *group = &self->groups[id];

    if (self->num_registered > 0 && self->options.buffers_error != 0) {
        return self->options.buffers_error;
    }
    HALO_ASSERT(id < GROUPS_MAX && !group->registered && count <= GROUP_BUFFERS_MAX);
    *group = (struct fake_group){ .registered = true, .count = count, .entries = entries };
    group->with_kernel = calloc(count, sizeof(bool));
    HALO_ASSERT(group->with_kernel != NULL);
    self->num_registered++;
    return 0;
}

static int scripted_buffers_unregister(struct ring *ring, uint16_t id)
{
    struct scripted_ring *self = self_of(ring);
    struct fake_group *group = group_of(self, id);

    for (uint32_t i = 0; i < self->num_requests; i++) {
        HALO_ASSERT(self->requests[i]->request.opcode != RING_RECV ||
                    self->requests[i]->request.group != id);
    }
    free(group->with_kernel);
    *group = (struct fake_group){ 0 };
    return 0;
}

static uint64_t scripted_clock_ns(struct ring *ring)
{
    return self_of(ring)->now_ns;
}

static int scripted_socket(struct ring *ring, int family)
{
    (void)family;
    return fake_socket_new(&self_of(ring)->sockets);
}

static int scripted_shutdown(struct ring *ring, int fd, int how)
{
    fake_socket_shutdown(&self_of(ring)->sockets, fd, how);
    return 0;
}

static int scripted_accept_now(struct ring *ring, int fd)
{
    int accepted = fake_listener_take(socket_of(self_of(ring), fd));

    return accepted >= 0 ? accepted : -EAGAIN;
}

static void scripted_close_now(struct ring *ring, int fd)
{
    socket_close(self_of(ring), fd, false);
}

static const struct ring_ops scripted_ops = {
    .setup = scripted_setup,
    .exit = scripted_exit,
    .free = scripted_free,
    .attach = scripted_attach,
    .detach = scripted_attach,
    .prepare = scripted_prepare,
    .submit = scripted_submit,
    .submit_and_wait = scripted_submit_and_wait,
    .reap = scripted_reap,
    .buffers_register = scripted_buffers_register,
    .buffers_unregister = scripted_buffers_unregister,
    .clock_ns = scripted_clock_ns,
    .socket = scripted_socket,
    .shutdown = scripted_shutdown,
    .accept_now = scripted_accept_now,
    .close_now = scripted_close_now,
};

/* ---- for tests ---- */

struct ring *scripted_ring_new(const struct scripted_options *options)
{
    struct scripted_ring *self = calloc(1, sizeof(*self));

    HALO_ASSERT(self != NULL);
    self->ring.ops = &scripted_ops;
    self->options = *options;
    self->options.entries = options->entries != 0 ? options->entries : 64;
    self->random = options->seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    self->now_ns = UINT64_C(1) << 40;
    fake_sockets_init(&self->sockets, options->socket_buffer != 0 ? options->socket_buffer : 4096);
    self->prepared = calloc(self->options.entries, sizeof(self->prepared[0]));
    HALO_ASSERT(self->prepared != NULL);
    return &self->ring;
}

void scripted_pair(struct ring *ring, int *fd, int *peer)
{
    struct fake_sockets *sockets = &self_of(ring)->sockets;

    *fd = fake_socket_new(sockets);
    *peer = fake_socket_new(sockets);
    fake_socket_join(sockets, *fd, *peer);
}

int scripted_listener(struct ring *ring, uint16_t port)
{
    int fd = fake_socket_new(&self_of(ring)->sockets);

    socket_of(self_of(ring), fd)->port = port;
    return fd;
}

int scripted_connect(struct ring *ring, uint16_t port)
{
    struct fake_sockets *sockets = &self_of(ring)->sockets;
    struct fake_socket *listener = fake_listener_of(sockets, port);
    int peer = fake_socket_new(sockets);

    if (listener == NULL || !fake_listener_add(sockets, listener, peer)) {
        fake_socket_close(sockets, peer, false);
        return -1;
    }
    return peer;
}

int scripted_accept(struct ring *ring, int listener)
{
    return fake_listener_take(socket_of(self_of(ring), listener));
}

size_t scripted_write(struct ring *ring, int peer, const void *octets, size_t len)
{
    struct scripted_ring *self = self_of(ring);
    struct fake_socket *socket = socket_of(self, peer);
    struct fake_socket *other = fake_socket_peer(&self->sockets, socket);

    if (other == NULL || other->in_end || socket->out_end) {
        return 0;
    }
    return fake_socket_put(&self->sockets, other, octets, len);
}

size_t scripted_read(struct ring *ring, int peer, void *octets, size_t len)
{
    return fake_socket_take(socket_of(self_of(ring), peer), octets, len);
}

void scripted_finish(struct ring *ring, int peer)
{
    (void)scripted_shutdown(ring, peer, SHUT_WR);
}

void scripted_close(struct ring *ring, int peer, bool reset)
{
    socket_close(self_of(ring), peer, reset);
}

bool scripted_ended(struct ring *ring, int peer)
{
    return socket_of(self_of(ring), peer)->in_end;
}

void scripted_pass_ns(struct ring *ring, uint64_t ns)
{
    self_of(ring)->now_ns += ns;
}

void scripted_set_faults(struct ring *ring, const struct scripted_faults *faults)
{
    self_of(ring)->options.faults = *faults;
}

void scripted_forget(struct ring *ring, const void *operation)
{
    struct scripted_ring *self = self_of(ring);

    for (uint32_t i = 0; i < self->num_requests; i++) {
        if (self->requests[i]->request.user_data == (uintptr_t)operation) {
            self->requests[i]->finished = true;
        }
    }
    forget_finished(self);
}

uint32_t scripted_open_sockets(const struct ring *ring)
{
    return self_of(ring)->sockets.num_open;
}

uint32_t scripted_in_flight(const struct ring *ring)
{
    return self_of(ring)->num_requests;
}

void scripted_set_zero_copy(struct ring *ring, const struct scripted_zero_copy *how)
{
    self_of(ring)->notes.how = *how;
}

uint32_t scripted_notes_waiting(const struct ring *ring)
{
    return self_of(ring)->notes.count;
}

uint64_t scripted_zero_copy_sends(const struct ring *ring)
{
    return self_of(ring)->notes.sends;
}
