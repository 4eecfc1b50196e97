/*
 * Connections over the scripted ring: thousands of seeds, each another order of completions and
 * other mishaps. Whatever happens, octets arrive in order and unchanged as far as they arrive,
 * every connection comes to its end by the close protocol, and nothing is left in the ledger.
 *
 * HALO_SEEDS sets how many seeds are tried, HALO_SEED tries one.
 */
#include "io_fixture.h"

#include <signal.h>

#include "scripted_ring.h"

enum {
    CONNECTIONS = 12,
    OCTETS_MAX = 60000,
    HELD_MAX = 8,
    PORT = 4433,
    PORT_OUT = 4434,
    SEEDS = 400,
};

struct connection {
    struct io_receiver receiver;
    struct io_sender sender;
    struct io_connector connector;
    struct loop_deferred flush;
    struct loop_handle handle;
    struct timer timer; /* resumes, and lets go of held slices */
    struct sim *sim;
    int fd;
    int peer;
    uint32_t id;
    /* The loop's side. */
    uint32_t received;
    uint32_t sent;
    uint32_t to_send;
    halo_slice held[HELD_MAX];
    uint32_t num_held;
    bool open;
    bool ended;  /* the peer's end was received */
    bool failed; /* something went wrong on the way */
    bool closing;
    bool closed;
    /* The peer's side. */
    uint32_t peer_sent;
    uint32_t peer_to_send;
    uint32_t peer_received;
    bool peer_finished;
};

struct sim {
    struct halo_loop *loop;
    struct ring *ring;
    struct io_acceptor acceptor;
    struct timer acceptor_timer;
    struct loop_handle acceptor_handle;
    int listener;
    int listener_out;
    struct connection connections[CONNECTIONS];
    uint32_t num_connections; /* that have begun */
    uint32_t num_closed;
    uint32_t callers[CONNECTIONS]; /* the connections whose peers call, in their order */
    uint32_t num_callers;
    uint32_t num_accepted;
    uint32_t num_others; /* connections that did not come by the listener */
    bool acceptor_ended;
    bool with_faults;
    uint8_t out[OCTETS_MAX + 256]; /* what is sent, from a different place by each connection */
};

static uint64_t current_seed;

static void say_seed(int number)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "seed %llu\n", (unsigned long long)current_seed);

    (void)number;
    (void)!write(STDERR_FILENO, line, (size_t)len);
}

static uint32_t random_below(struct sim *sim, uint32_t limit)
{
    return (uint32_t)((scripted_random(sim->ring) >> 33) % limit);
}

static bool one_in(struct sim *sim, uint32_t count)
{
    return random_below(sim, count) == 0;
}

static void check(struct connection *connection, const uint8_t *octets, size_t len, uint32_t from)
{
    const uint8_t *expected = connection->sim->out + connection->id + from;

    if (memcmp(octets, expected, len) != 0) {
        fail_msg("seed %llu: octets of connection %u are wrong at %u",
                 (unsigned long long)current_seed, connection->id, from);
    }
}

/* ---- the loop's side ---- */

static void release_held(struct connection *connection)
{
    for (uint32_t i = 0; i < connection->num_held; i++) {
        halo_slice *slice = &connection->held[i];

        halo_slice_release(slice);
    }
    connection->num_held = 0;
}

static void try_finish(struct connection *connection)
{
    struct sim *sim = connection->sim;

    if (!connection->closing || connection->closed || !io_receiver_idle(&connection->receiver) ||
        !io_sender_idle(&connection->sender)) {
        return;
    }
    connection->closed = true;
    release_held(connection);
    loop_timer_clear(sim->loop, &connection->timer);
    loop_defer_cancel(&connection->flush);
    io_close(sim->loop, connection->fd);
    sim->num_closed++;
    loop_handle_remove(&connection->handle);
    loop_unref(sim->loop);
}

static void close_connection(struct connection *connection)
{
    struct sim *sim = connection->sim;

    if (connection->closing) {
        return;
    }
    connection->closing = true;
    if (one_in(sim, 2)) {
        (void)io_shutdown(sim->loop, connection->fd, SHUT_RDWR);
    }
    (void)io_receiver_stop(&connection->receiver);
    (void)io_sender_cancel(&connection->sender);
    loop_defer(sim->loop, &connection->flush);
}

static void abort_connection(struct loop_handle *handle)
{
    struct connection *connection = HALO_CONTAINER(handle, struct connection, handle);

    connection->failed = true;
    close_connection(connection);
}

static void flush(struct loop_deferred *deferred)
{
    struct connection *connection = HALO_CONTAINER(deferred, struct connection, flush);
    struct sim *sim = connection->sim;
    struct iovec pieces[IO_SEND_PIECES_MAX];
    uint32_t count = 1 + random_below(sim, IO_SEND_PIECES_MAX);
    uint32_t offset = connection->sent;
    uint32_t used = 0;

    if (connection->closing) {
        try_finish(connection);
        return;
    }
    if (!io_sender_idle(&connection->sender)) {
        return;
    }
    if (connection->sent == connection->to_send) {
        if (connection->ended) {
            close_connection(connection);
        }
        return;
    }
    while (used < count && offset < connection->to_send) {
        uint32_t len = min_u32(1 + random_below(sim, 2000), connection->to_send - offset);

        pieces[used++] = (struct iovec){
            .iov_base = sim->out + connection->id + offset,
            .iov_len = len,
        };
        offset += len;
    }
    io_sender_send(&connection->sender, pieces, (int)used);
}

static void on_sent(struct io_sender *sender, int result)
{
    struct connection *connection = HALO_CONTAINER(sender, struct connection, sender);

    if (result < 0) {
        connection->failed = true;
        close_connection(connection);
    } else {
        connection->sent += (uint32_t)result;
        assert_true(connection->sent <= connection->to_send);
    }
    loop_defer(connection->sim->loop, &connection->flush);
}

static void keep(struct connection *connection, halo_slice *slice)
{
    struct sim *sim = connection->sim;

    if (connection->num_held == HELD_MAX || one_in(sim, 2)) {
        halo_slice_release(slice);
        return;
    }
    if (bufring_scarce(sim->loop)) {
        assert_int_equal(bufring_copy_out(sim->loop, slice), 0);
    }
    connection->held[connection->num_held++] = *slice;
    if (!timer_armed(&connection->timer)) {
        loop_timer_set(sim->loop, &connection->timer, 1000000);
    }
}

static void on_received(struct io_receiver *receiver, halo_slice *slice)
{
    struct connection *connection = HALO_CONTAINER(receiver, struct connection, receiver);
    struct sim *sim = connection->sim;

    assert_false(connection->closing);
    assert_true(connection->received + slice->len <= connection->peer_to_send);
    check(connection, slice->data, slice->len, connection->received);
    connection->received += (uint32_t)slice->len;
    keep(connection, slice);
    if (one_in(sim, 10)) {
        io_receiver_pause(receiver);
        if (one_in(sim, 3)) {
            io_receiver_resume(receiver);
        } else {
            loop_timer_set(sim->loop, &connection->timer, random_below(sim, 2000000));
        }
    }
    if (sim->with_faults && one_in(sim, 400)) {
        connection->failed = true;
        close_connection(connection);
    }
}

static void on_receive_end(struct io_receiver *receiver, int error)
{
    struct connection *connection = HALO_CONTAINER(receiver, struct connection, receiver);

    assert_false(connection->ended);
    connection->ended = true;
    if (error != 0 && !connection->closing) {
        connection->failed = true;
        close_connection(connection);
    }
    loop_defer(connection->sim->loop, &connection->flush);
}

static void timer_expired(struct timer *timer)
{
    struct connection *connection = HALO_CONTAINER(timer, struct connection, timer);

    for (uint32_t i = 0; i < connection->num_held; i++) {
        /* What is held stays as it was. */
        assert_true(connection->held[i].len > 0 && connection->held[i].data[0] != 0xDD);
    }
    release_held(connection);
    io_receiver_resume(&connection->receiver);
}

static void connection_begin(struct sim *sim, struct connection *connection, int fd)
{
    connection->fd = fd;
    connection->open = true;
    io_receiver_init(&connection->receiver, sim->loop, fd, on_received, on_receive_end);
    io_sender_init(&connection->sender, sim->loop, fd, on_sent);
    loop_deferred_init(&connection->flush, flush);
    timer_init(&connection->timer, timer_expired);
    loop_handle_remove(&connection->handle); /* while it was connecting */
    loop_handle_add(sim->loop, &connection->handle, abort_connection);
    io_receiver_start(&connection->receiver);
    loop_defer(sim->loop, &connection->flush);
}

static struct connection *connection_new(struct sim *sim)
{
    struct connection *connection = &sim->connections[sim->num_connections];

    assert_true(sim->num_connections < CONNECTIONS);
    *connection = (struct connection){
        .sim = sim,
        .id = sim->num_connections++,
        .peer = -1,
        .to_send = random_below(sim, OCTETS_MAX),
        .peer_to_send = random_below(sim, OCTETS_MAX),
    };
    list_init(&connection->handle.link);
    loop_ref(sim->loop);
    return connection;
}

/* ---- accepting and connecting ---- */

static void on_accepted(struct io_acceptor *acceptor, int fd)
{
    struct sim *sim = HALO_CONTAINER(acceptor, struct sim, acceptor);

    assert_true(sim->num_accepted < sim->num_callers);
    connection_begin(sim, &sim->connections[sim->callers[sim->num_accepted++]], fd);
    if (one_in(sim, 3)) {
        io_acceptor_pause(acceptor);
        loop_timer_set(sim->loop, &sim->acceptor_timer, 500000);
    }
}

static void acceptor_timer_expired(struct timer *timer)
{
    struct sim *sim = HALO_CONTAINER(timer, struct sim, acceptor_timer);

    io_acceptor_resume(&sim->acceptor);
}

static void on_accept_end(struct io_acceptor *acceptor)
{
    struct sim *sim = HALO_CONTAINER(acceptor, struct sim, acceptor);

    assert_false(sim->acceptor_ended);
    sim->acceptor_ended = true;
    loop_handle_remove(&sim->acceptor_handle);
    loop_timer_clear(sim->loop, &sim->acceptor_timer);
    io_close(sim->loop, sim->listener);
    loop_unref(sim->loop);
}

static void abort_acceptor(struct loop_handle *handle)
{
    struct sim *sim = HALO_CONTAINER(handle, struct sim, acceptor_handle);

    if (io_acceptor_stop(&sim->acceptor, false)) {
        on_accept_end(&sim->acceptor);
    }
}

static void abort_connecting(struct loop_handle *handle)
{
    struct connection *connection = HALO_CONTAINER(handle, struct connection, handle);

    assert_false(io_connector_cancel(&connection->connector));
}

static void on_connected(struct io_connector *connector, int result)
{
    struct connection *connection = HALO_CONTAINER(connector, struct connection, connector);
    struct sim *sim = connection->sim;

    if (result < 0) {
        assert_true(result == -ECANCELED || (sim->with_faults && result == -ENOMEM));
        connection->failed = true;
        connection->closing = true;
        connection->closed = true;
        loop_handle_remove(&connection->handle);
        sim->num_closed++;
        loop_unref(sim->loop);
        return;
    }
    /* One at a time is connecting: the peer in the queue is this one's. */
    connection->peer = scripted_accept(sim->ring, sim->listener_out);
    assert_true(connection->peer >= 0);
    connection_begin(sim, connection, result);
}

/* ---- the peers ---- */

/* Does something, once in a while. */
static bool peer_step(struct sim *sim, struct connection *connection)
{
    uint8_t octets[3000];
    uint32_t wanted = 1 + random_below(sim, sizeof(octets));
    uint32_t len;
    bool busy = false;

    if (connection->peer < 0) {
        return false;
    }
    if (sim->with_faults && one_in(sim, 3000)) {
        scripted_close(sim->ring, connection->peer, one_in(sim, 2));
        connection->peer = -1;
        connection->failed = true;
        return true;
    }
    len = min_u32(wanted, connection->peer_to_send - connection->peer_sent);
    if (len > 0) {
        len = (uint32_t)scripted_write(sim->ring, connection->peer,
                                       sim->out + connection->id + connection->peer_sent, len);
        connection->peer_sent += len;
        busy |= len > 0;
    } else if (!connection->peer_finished) {
        scripted_finish(sim->ring, connection->peer);
        connection->peer_finished = true;
        busy = true;
    }
    len = (uint32_t)scripted_read(sim->ring, connection->peer, octets,
                                  1 + random_below(sim, sizeof(octets)));
    check(connection, octets, len, connection->peer_received);
    connection->peer_received += len;
    busy |= len > 0;
    if (len == 0 && scripted_ended(sim->ring, connection->peer) && connection->closed) {
        scripted_close(sim->ring, connection->peer, false);
        connection->peer = -1;
        busy = true;
    }
    return busy;
}

/* Calls, as peer of a listener or by a connector of the loop. */
static bool begin_some(struct sim *sim)
{
    struct connection *connection;

    if (sim->num_connections == CONNECTIONS || loop_closing(sim->loop)) {
        return false;
    }
    if (!one_in(sim, 5)) {
        return true;
    }
    connection = connection_new(sim);
    if (one_in(sim, 4)) {
        int fd;

        scripted_pair(sim->ring, &fd, &connection->peer);
        io_fd_opened(sim->loop, fd);
        connection_begin(sim, connection, fd);
        sim->num_others++;
        return true;
    }
    connection->peer = scripted_connect(sim->ring, PORT);
    assert_true(connection->peer >= 0);
    sim->callers[sim->num_callers++] = connection->id;
    return true;
}

static bool step(struct ring *ring, void *ctx)
{
    struct sim *sim = ctx;
    bool busy = begin_some(sim);

    (void)ring;
    for (uint32_t i = 0; i < sim->num_connections; i++) {
        if (one_in(sim, 2)) {
            busy |= peer_step(sim, &sim->connections[i]);
        }
    }
    if (sim->num_connections == CONNECTIONS && sim->acceptor.state != IO_ACCEPTOR_STOPPING &&
        !sim->acceptor_ended) {
        loop_timer_clear(sim->loop, &sim->acceptor_timer);
        if (io_acceptor_stop(&sim->acceptor, true)) {
            on_accept_end(&sim->acceptor);
        }
        busy = true;
    }
    return busy;
}

/* ---- one seed ---- */

static struct scripted_options options_of(uint64_t seed, bool with_faults)
{
    uint64_t mixed = seed * UINT64_C(0x9E3779B97F4A7C15);
    struct scripted_options options = {
        .seed = seed,
        .entries = 1u << (mixed >> 61),
        .socket_buffer = 500u << (mixed >> 50 & 7),
        .capabilities =
            {
                .receive_multishot = (mixed >> 40 & 7) != 0,
                .receive_budget = (mixed >> 43 & 1) != 0,
                .receive_end = true,
                .accept_multishot = (mixed >> 44 & 3) != 0,
                .send_vectorized = (mixed >> 46 & 1) != 0,
            },
        .faults =
            {
                .delay = (uint16_t)(mixed >> 20 & 511),
                .short_octets = (uint16_t)(mixed >> 29 & 511),
                .cancel_late = (uint16_t)(mixed >> 10 & 511),
                .end_multishot = (uint16_t)(mixed >> 3 & 127),
                .no_buffers = (uint16_t)(mixed >> 8 & 127),
                .again = (uint16_t)(mixed >> 13 & 63),
            },
        .step = step,
    };

    if (with_faults) {
        options.faults.reset = (uint16_t)(mixed >> 5 & 7);
        options.faults.accept_error = (uint16_t)(mixed >> 17 & 127);
        options.faults.submit_error = (mixed >> 57 & 7) == 0 ? 300 : (uint16_t)(mixed >> 19 & 31);
        options.buffers_error = (mixed >> 55 & 3) == 0 ? -ENOMEM : 0;
    }
    return options;
}

static void sim_open(struct sim *sim, uint64_t seed, bool with_faults)
{
    struct scripted_options options = options_of(seed, with_faults);
    struct halo_loop_options loop_options;

    *sim = (struct sim){ .with_faults = with_faults };
    options.ctx = sim;
    halo_loop_options_init(&loop_options);
    loop_options.receive_buffers = 4u << (seed % 4);
    loop_options.receive_buffers_max = 64;
    loop_options.receive_buffer_size = 4096;
    sim->ring = scripted_ring_new(&options);
    assert_int_equal(loop_new_with_ring(&sim->loop, &loop_options, sim->ring), 0);
    for (size_t i = 0; i < sizeof(sim->out); i++) {
        sim->out[i] = (uint8_t)(i * 131 + (i >> 8) * 7);
        if (sim->out[i] == 0xDD) {
            sim->out[i] = 0;
        }
    }
    sim->listener = scripted_listener(sim->ring, PORT);
    io_fd_opened(sim->loop, sim->listener);
    sim->listener_out = scripted_listener(sim->ring, PORT_OUT);
    io_acceptor_init(&sim->acceptor, sim->loop, sim->listener, on_accepted, on_accept_end);
    timer_init(&sim->acceptor_timer, acceptor_timer_expired);
    io_acceptor_start(&sim->acceptor);
    loop_handle_add(sim->loop, &sim->acceptor_handle, abort_acceptor);
    loop_ref(sim->loop);
}

static void begin_connecting(struct sim *sim)
{
    struct connection *connection = connection_new(sim);
    struct io_connect_options options = { .timeout_ns = UINT64_C(60000000000) };
    struct io_address address;

    assert_int_equal(io_address_from_ip(&address, "127.0.0.1", PORT_OUT), 0);
    io_connector_init(&connection->connector, sim->loop, on_connected);
    io_connector_start(&connection->connector, &address, &options);
    loop_handle_add(sim->loop, &connection->handle, abort_connecting);
    sim->num_others++;
    if (one_in(sim, 8)) {
        (void)io_connector_cancel(&connection->connector);
    }
}

static void check_result(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->num_connections; i++) {
        struct connection *connection = &sim->connections[i];

        if (!sim->with_faults && connection->open) {
            assert_false(connection->failed);
            assert_int_equal(connection->received, connection->peer_to_send);
            assert_int_equal(connection->sent, connection->to_send);
            assert_true(connection->closed);
        }
        if (connection->peer >= 0) {
            scripted_close(sim->ring, connection->peer, false);
        }
    }
    scripted_close(sim->ring, sim->listener_out, false);
}

static void run_seed(uint64_t seed, bool with_faults)
{
    static struct sim sim;
    int status;

    current_seed = seed;
    sim_open(&sim, seed, with_faults);
    begin_connecting(&sim);
    status = halo_loop_run(sim.loop);
    if (status != 0) {
        fail_msg("seed %llu: %d %s", (unsigned long long)seed, status, halo_loop_error(sim.loop));
    }
    assert_true(sim.acceptor_ended);
    assert_int_equal(sim.num_closed, CONNECTIONS);
    assert_int_equal(sim.loop->ledger.operations, 0);
    assert_int_equal(sim.loop->ledger.buffers, 0);
    assert_int_equal(sim.loop->ledger.descriptors, 0);
    assert_int_equal(sim.loop->bufring.num_starved, 0);
    assert_int_equal(scripted_in_flight(sim.ring), 0);
    check_result(&sim);
    assert_int_equal(scripted_open_sockets(sim.ring), 0);
    halo_loop_free(sim.loop);
}

/* Frees the loop in the middle of everything. */
static void run_and_free(uint64_t seed)
{
    static struct sim sim;

    current_seed = seed;
    sim_open(&sim, seed, true);
    begin_connecting(&sim);
    for (int turns = (int)(seed % 50) + 1; turns > 0 && sim.loop->refs > 0; turns--) {
        struct fixture_turns over = { .loop = sim.loop, .left = 1 };

        loop_post(sim.loop, &over.posted, fixture_turn_over);
        assert_int_equal(halo_loop_run(sim.loop), 0);
    }
    halo_loop_free(sim.loop);
    assert_true(sim.acceptor_ended);
    assert_int_equal(sim.num_closed, sim.num_accepted + sim.num_others);
}

static uint64_t first_seed(void)
{
    const char *text = getenv("HALO_SEED");

    return text != NULL ? strtoull(text, NULL, 10) : 1;
}

static uint64_t num_seeds(void)
{
    const char *text = getenv("HALO_SEEDS");

    return getenv("HALO_SEED") != NULL ? 1 : text != NULL ? strtoull(text, NULL, 10) : SEEDS;
}

static void test_scripted_orderly(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < num_seeds(); i++) {
        run_seed(first_seed() + i, false);
    }
}

static void test_scripted_with_faults(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < num_seeds(); i++) {
        run_seed(first_seed() + i, true);
    }
}

static void test_scripted_freed_in_between(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < num_seeds(); i++) {
        run_and_free(first_seed() + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripted_orderly),
        cmocka_unit_test(test_scripted_with_faults),
        cmocka_unit_test(test_scripted_freed_in_between),
    };

    signal(SIGABRT, say_seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
