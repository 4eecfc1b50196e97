#include "siege.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/conn/conn.h"
#include "test_memory.h"
#include "tls/tls.h"

enum {
    LOOK_MS = 5,
    QUIET_LOOKS = 16, /* so many without anything new: all was handled */
    STUCK_MS = 300,   /* a send that does not get on: the server has stopped reading */
};

struct attacker {
    int fd;
    bool dead;
    struct transport *tls;
};

struct play {
    const struct siege *siege;
    struct siege_result *result;
    halo_loop *loop;
    halo_server *server;
    struct test_memory memory;
    struct halo_loop_options loop_options;
    struct halo_server_options options;
    uint16_t port;

    uint64_t base; /* in use before the first connection */
    uint64_t peak;
    uint64_t peak_seen;
    uint32_t quiet;
    bool sent_all; /* atomic */
    bool ending;
    bool closed;
    halo_slice *slices;
    size_t num_slices;
    size_t max_slices;

    /* the attackers' thread */
    pthread_t thread;
    sem_t leave;
    struct memory attackers_memory;
    uint64_t attackers_now;
    struct attacker attackers[SIEGE_CONNECTIONS];
};

/* ---- memory -------------------------------------------------------------------------------------- */

static uint64_t in_use(const struct play *play)
{
    const struct memory *memory = &play->loop->memory;
    struct tls_heap heap;

    tls_heap_read(&heap);
    return play->memory.octets - memory->chunks_spare * sizeof(struct chunk) +
           (uint64_t)play->loop->ledger.buffers * play->loop_options.receive_buffer_size +
           tls_heap_in_use(&heap);
}

static void look(struct play *play)
{
    uint64_t now = play->loop != NULL ? in_use(play) : 0;

    play->peak = now > play->peak ? now : play->peak;
}

static void *siege_alloc(size_t size, void *ctx)
{
    struct play *play = ctx;
    void *pointer = play->memory.allocator.alloc(size, &play->memory);

    look(play);
    return pointer;
}

static void *siege_resize(void *old, size_t size, void *ctx)
{
    struct play *play = ctx;
    void *pointer = play->memory.allocator.resize(old, size, &play->memory);

    look(play);
    return pointer;
}

static void siege_release(void *pointer, void *ctx)
{
    struct play *play = ctx;

    play->memory.allocator.release(pointer, &play->memory);
}

/* ---- the application ------------------------------------------------------------------------------ */

static void keep_data(halo_stream *stream, const uint8_t *data, size_t len, void *user_data)
{
    struct play *play = user_data;
    halo_slice slice;

    (void)data;
    (void)len;
    look(play);
    if (halo_session_keep_data(halo_stream_session(stream), &slice) == 0) {
        if (play->num_slices == play->max_slices) {
            play->max_slices = 2 * play->max_slices + 1024;
            play->slices = realloc(play->slices, play->max_slices * sizeof(halo_slice));
            assert_non_null(play->slices);
        }
        play->slices[play->num_slices++] = slice;
    }
    look(play);
}

static const struct halo_stream_callbacks keeping = { .on_data = keep_data };
static const struct halo_stream_callbacks nothing;

static int give_zeros(void *ctx, uint8_t *out, size_t cap, size_t *len, int *end)
{
    size_t *left = ctx;

    *len = cap < *left ? cap : *left;
    memset(out, 0, *len);
    *left -= *len;
    *end = *left == 0;
    return 0;
}

static void give_body(halo_stream *stream)
{
    struct halo_source source = { .read = give_zeros, .done = free };
    size_t *left = malloc(sizeof(*left));

    assert_non_null(left);
    *left = 10 * 1024 * 1024;
    source.ctx = left;
    if (halo_stream_respond(stream, 200, NULL, 0) != 0 ||
        halo_stream_set_source(stream, &source, 0) != 0) {
        free(left);
    }
}

static void on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data)
{
    struct play *play = user_data;
    uint8_t handler = play->siege->attack.handler;

    (void)headers;
    (void)flags;
    play->result->requests++;
    halo_stream_set_callbacks(stream, &nothing, NULL);
    if (handler >= HANDLER_KEEP && halo_stream_id(stream) == 1) {
        halo_stream_set_callbacks(stream, &keeping, play);
    }
    if (handler == HANDLER_ANSWER) {
        halo_stream_respond(stream, 200, NULL, HALO_END_STREAM);
    } else if (handler == HANDLER_BODY || handler == HANDLER_KEEP_BODY) {
        give_body(stream);
    } else if (handler == HANDLER_PAUSE) {
        halo_stream_pause(stream);
    } else if (handler == HANDLER_RESET) {
        halo_stream_reset(stream, HALO_CANCEL);
    }
}

static void on_session(halo_session *session, void *user_data)
{
    struct play *play = user_data;

    (void)session;
    play->result->opened++;
}

static void on_close(halo_server *server, void *user_data)
{
    struct play *play = user_data;

    (void)server;
    play->closed = true;
}

/* What put_data() has sent, be it held where it was received or copied: the alphabet, round and round. */
static void check_octets(const halo_slice *slice)
{
    for (size_t i = 0; i < slice->len; i++) {
        assert_in_range(slice->data[i], 'a', 'z');
        assert_true(i == 0 || slice->data[i] == slice->data[i - 1] + 1 ||
                    (slice->data[i] == 'a' && slice->data[i - 1] == 'z'));
    }
}

/* Ends it when all was sent and nothing new has come of it for a while. */
static void on_look(halo_timer *timer, void *ctx)
{
    struct play *play = ctx;

    look(play);
    play->quiet = play->peak == play->peak_seen ? play->quiet + 1 : 0;
    play->peak_seen = play->peak;
    if (!__atomic_load_n(&play->sent_all, __ATOMIC_ACQUIRE) || play->quiet < QUIET_LOOKS) {
        return;
    }
    halo_timer_stop(timer);
    play->ending = true;
    while (play->num_slices > 0) {
        halo_slice *slice = &play->slices[--play->num_slices];

        play->result->slices++;
        play->result->slice_octets += slice->len;
        check_octets(slice);
        halo_slice_release(slice);
    }
    halo_server_destroy(play->server);
}

/* ---- the attackers -------------------------------------------------------------------------------- */

static void send_octets(struct attacker *attacker, const uint8_t *data, size_t len)
{
    while (len > 0 && !attacker->dead) {
        ssize_t sent = send(attacker->fd, data, len, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            attacker->dead = true;
            return;
        }
        data += sent;
        len -= (size_t)sent;
    }
}

static void send_output(struct attacker *attacker)
{
    struct transport *tls = attacker->tls;

    while (tls->output_len > 0 && !attacker->dead) {
        struct iovec iov[4];
        int count = tls->ops->output(tls, iov, 4);
        size_t sent = 0;

        for (int i = 0; i < count; i++) {
            send_octets(attacker, iov[i].iov_base, iov[i].iov_len);
            sent += iov[i].iov_len;
        }
        tls->ops->sent(tls, sent);
    }
}

static void attacker_send(struct attacker *attacker, const struct wire *wire)
{
    if (attacker->dead || wire->len == 0) {
        return;
    }
    if (attacker->tls == NULL) {
        send_octets(attacker, wire->data, wire->len);
        return;
    }
    if (attacker->tls->state == TRANSPORT_OPEN) {
        struct iovec iov = { wire->data, wire->len };

        (void)attacker->tls->ops->write(attacker->tls, &iov, 1, wire->len);
        send_output(attacker);
    }
}

static void shake_hands(struct attacker *attacker)
{
    struct transport *tls = attacker->tls;
    uint8_t octets[4096];

    while (tls->state == TRANSPORT_HANDSHAKE) {
        halo_slice slice;
        ssize_t got = recv(attacker->fd, octets, sizeof(octets), 0);

        if (got <= 0 || halo_slice_copy(&slice, octets, (size_t)got) != 0) {
            attacker->dead = true;
            return;
        }
        tls->ops->feed(tls, &slice);
        while (tls->ops->read(tls, &slice) == TRANSPORT_OPEN && slice.len > 0) {
            halo_slice_release(&slice);
        }
        send_output(attacker);
    }
}

static void attacker_open(struct play *play, struct attacker *attacker)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(play->port) };
    struct timeval stuck = { .tv_usec = STUCK_MS * 1000 };
    const struct siege *siege = play->siege;
    int small = 4096;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    attacker->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (attacker->fd < 0 ||
        (siege->attack.unread &&
         setsockopt(attacker->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) != 0) ||
        connect(attacker->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(attacker->fd, SOL_SOCKET, SO_SNDTIMEO, &stuck, sizeof(stuck)) != 0) {
        abort();
    }
    if (siege->client != NULL && siege->raw == NULL) {
        attacker->tls = tls_transport_new(&play->attackers_memory, siege->client, "localhost",
                                          &play->attackers_now);
        if (attacker->tls == NULL) {
            abort();
        }
        send_output(attacker);
        if (!siege->hello_only) {
            shake_hands(attacker);
        }
    }
}

static void attacker_begin(const struct attack *attack, struct attacker *attacker)
{
    struct wire wire = { 0 };

    put_preface(&wire);
    put_settings(&wire, attack->setting, attack->setting_value, 0);
    put_settings_ack(&wire);
    if (attack->begin != NULL) {
        attack->begin(&wire);
    }
    attacker_send(attacker, &wire);
    wire_free(&wire);
}

static void *attackers_main(void *ctx)
{
    struct play *play = ctx;
    const struct siege *siege = play->siege;
    struct wire wire = { 0 };

    memory_init(&play->attackers_memory, NULL);
    for (int i = 0; i < SIEGE_CONNECTIONS; i++) {
        attacker_open(play, &play->attackers[i]);
        if (siege->raw == NULL && !siege->hello_only) {
            attacker_begin(&siege->attack, &play->attackers[i]);
        }
    }
    for (uint32_t step = 0; step < siege->attack.frames; step++) {
        wire.len = 0;
        if (siege->raw != NULL) {
            siege->raw(&wire, step);
        } else {
            siege->attack.frame(&wire, step);
        }
        for (int i = 0; i < SIEGE_CONNECTIONS; i++) {
            attacker_send(&play->attackers[i], &wire);
        }
    }
    wire_free(&wire);
    __atomic_store_n(&play->sent_all, true, __ATOMIC_RELEASE);
    while (sem_wait(&play->leave) != 0) {
    }
    /* Here, since the TLS library's memory is counted by thread. */
    for (int i = 0; i < SIEGE_CONNECTIONS; i++) {
        if (play->attackers[i].tls != NULL) {
            play->attackers[i].tls->ops->free(play->attackers[i].tls);
        }
        close(play->attackers[i].fd);
    }
    memory_fini(&play->attackers_memory);
    return NULL;
}

/* ---- playing -------------------------------------------------------------------------------------- */

static void start_server(struct play *play)
{
    char address[64];

    test_memory_init(&play->memory);
    halo_loop_options_init(&play->loop_options);
    play->loop_options.allocator =
        (halo_allocator){ siege_alloc, siege_resize, siege_release, play };
    assert_int_equal(halo_loop_new(&play->loop, &play->loop_options), 0);
    halo_server_options_init(&play->options);
    play->options.on_stream = on_stream;
    play->options.on_session = on_session;
    play->options.on_close = on_close;
    play->options.user_data = play;
    if (play->siege->options != NULL) {
        play->siege->options(&play->options);
    }
    assert_int_equal(halo_connection_memory_bound(&play->options.session, &play->loop_options,
                                                  play->siege->server != NULL,
                                                  &play->result->bound),
                     0);
    assert_int_equal(halo_server_new(&play->server, play->loop, &play->options), 0);
    assert_int_equal(halo_server_listen(play->server, "127.0.0.1:0", play->siege->server), 0);
    assert_int_equal(halo_server_address(play->server, 0, address, sizeof(address)), 0);
    play->port = (uint16_t)atoi(strrchr(address, ':') + 1);
    assert_int_equal(halo_server_start(play->server), 0);
}

void siege_play(const struct siege *siege, struct siege_result *result)
{
    size_t spare = memory_spare_max;
    halo_timer *timer;
    struct play *play = calloc(1, sizeof(*play));

    assert_non_null(play);
    memory_spare_max = 0; /* whatever is freed goes back to the allocator */
    *result = (struct siege_result){ 0 };
    play->siege = siege;
    play->result = result;
    start_server(play);
    assert_non_null(conn_env_of(play->loop)); /* shared by all: not counted */
    play->base = in_use(play);
    assert_int_equal(sem_init(&play->leave, 0, 0), 0);
    assert_int_equal(halo_timer_start(&timer, play->loop, LOOK_MS, LOOK_MS, on_look, play), 0);
    assert_int_equal(pthread_create(&play->thread, NULL, attackers_main, play), 0);
    if (halo_loop_run(play->loop) != 0) {
        fail_msg("%s", halo_loop_error(play->loop));
    }
    assert_true(play->closed);
    result->most = (play->peak - play->base) / SIEGE_CONNECTIONS;
    sem_post(&play->leave);
    assert_int_equal(pthread_join(play->thread, NULL), 0);
    sem_destroy(&play->leave);
    halo_server_free(play->server);
    halo_loop_free(play->loop);
    assert_int_equal(play->memory.live, 0);
    memory_spare_max = spare;
    free(play->slices);
    free(play);
}
