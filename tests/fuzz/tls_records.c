/*
 * Records of TLS 1.3 after the handshake: a peer that has the keys sends whatever the input says, of
 * any type, padding and content, cut into pieces, and octets without any key.
 *
 * Holds for every input: data comes out as it was sent, without a gap, and nothing else does; what a
 * peer may do is not refused silently and does not wait for ever; what is sent in return can be
 * read, and nothing follows an alert.
 */
#include <stdlib.h>
#include <string.h>

#include <halo/tls.h>

#include "core/base/wire.h"
#include "tls/limits.h"
#include "tls/records.h"
#include "tls/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HELD = 3, WRITE_MAX = 40000, UNREAD = 7 };

struct run {
    const uint8_t *in; /* the input that is left */
    size_t left;
    struct memory memory;
    uint64_t now_ns;
    struct transport *transport;
    enum transport_state state;
    const struct record_suite *suite;
    struct record_key ours; /* the peer's keys: of what it sends, and of what it gets */
    struct record_key theirs;
    uint64_t sent;
    uint64_t received;
    uint64_t written; /* by the application, and how much of it the peer has got */
    uint64_t got;
    bool raw;     /* octets without a key were fed */
    bool alerted; /* an alert was sent in return: nothing follows */
    bool shut_down;
    halo_slice held[HELD];
    uint64_t held_at[HELD];
    unsigned num_held;
};

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static uint8_t take(struct run *run)
{
    if (run->left == 0) {
        return 0;
    }
    run->left--;
    return *run->in++;
}

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) + 1);
}

/* ---- making ------------------------------------------------------------------------------ */

static halo_tls_context *the_context(void)
{
    static halo_tls_context *context;

    if (context == NULL) {
        struct halo_tls_options options;
        char why[256];

        halo_tls_options_init(&options);
        options.role = HALO_TLS_CLIENT;
        options.insecure = 1;
        CHECK(halo_tls_context_new(&context, &options, why, sizeof(why)) == 0);
    }
    return context;
}

static void make_key(struct record_key *key, const struct record_suite *suite, uint8_t seed)
{
    memset(key, 0, sizeof(*key));
    memset(key->secret, seed, sizeof(key->secret));
    CHECK(record_key_make(key, suite) == 0);
}

/* A transport as it is after a handshake, which is left out. */
static void open_transport(struct run *run, bool client)
{
    halo_tls_context *context = the_context();
    struct tls_transport *tls;

    memory_init(&run->memory, NULL);
    context->role = HALO_TLS_SERVER; /* makes no object of wolfSSL's */
    run->transport = tls_transport_new(&run->memory, context, NULL, &run->now_ns);
    context->role = client ? HALO_TLS_CLIENT : HALO_TLS_SERVER;
    CHECK(run->transport != NULL);
    tls = tls_of(run->transport);
    tls->records = memory_zalloc(&run->memory, sizeof(*tls->records));
    CHECK(tls->records != NULL);
    tls->records->suite = run->suite;
    tls->records->peer_alert = -1;
    tls->records->alert = -1;
    make_key(&tls->records->in, run->suite, 1);
    make_key(&tls->records->out, run->suite, 2);
    make_key(&run->ours, run->suite, 1);
    make_key(&run->theirs, run->suite, 2);
    tls->gate = GATE_OPEN;
    run->transport->state = run->state = TRANSPORT_OPEN;
}

/* ---- what comes out ---------------------------------------------------------------------- */

static void check_pattern(const halo_slice *slice, uint64_t at)
{
    for (size_t i = 0; i < slice->len; i++) {
        CHECK(slice->data[i] == pattern(at + i));
    }
}

static void release_held(struct run *run)
{
    for (unsigned i = 0; i < run->num_held; i++) {
        check_pattern(&run->held[i], run->held_at[i]);
        halo_slice_release(&run->held[i]);
    }
    run->num_held = 0;
}

static void read_all(struct run *run)
{
    for (;;) {
        halo_slice plain;

        run->state = run->transport->ops->read(run->transport, &plain);
        CHECK(run->state == run->transport->state && run->state != TRANSPORT_HANDSHAKE);
        if (plain.len == 0) {
            break;
        }
        CHECK(run->state == TRANSPORT_OPEN);
        check_pattern(&plain, run->received);
        if (run->num_held == HELD) {
            release_held(run);
        }
        run->held_at[run->num_held] = run->received;
        run->held[run->num_held++] = plain;
        run->received += plain.len;
    }
    CHECK(run->received <= run->sent);
    CHECK(run->state != TRANSPORT_OPEN || input_queue_empty(&tls_of(run->transport)->input));
}

/* A record of ours as the peer sees it. */
static void check_record(struct run *run, const uint8_t *record, size_t len)
{
    static uint8_t text[CHUNK_SIZE];

    CHECK(record[0] == 23 && len >= RECORD_OVERHEAD && len <= TLS_RECORD_MAX + RECORD_OVERHEAD);
    CHECK(!run->alerted);
    CHECK(record_key_open(&run->theirs, record, record + RECORD_HEADER, len - RECORD_HEADER,
                          text) == 0);
    len -= RECORD_OVERHEAD;
    if (text[len] == 23) {
        for (size_t i = 0; i < len; i++) {
            CHECK(text[i] == pattern(run->got++));
        }
        CHECK(run->got <= run->written);
    } else if (text[len] == 21) {
        CHECK(len == 2);
        run->alerted = true;
    } else {
        CHECK(text[len] == 22 && len == 5 && memcmp(text, "\x18\0\0\1", 4) == 0 && text[4] == 0);
        CHECK(record_key_update(&run->theirs, run->suite) == 0);
    }
}

static void take_output(struct run *run)
{
    static uint8_t wire[8 * WRITE_MAX];
    size_t len = run->transport->output_len;
    size_t at = 0;

    CHECK(len <= sizeof(wire));
    while (at < len) {
        struct iovec iov;

        CHECK(run->transport->ops->output(run->transport, &iov, 1) == 1);
        memcpy(wire + at, iov.iov_base, iov.iov_len);
        run->transport->ops->sent(run->transport, iov.iov_len);
        at += iov.iov_len;
    }
    for (at = 0; at < len;) {
        size_t record_len = RECORD_HEADER + (size_t)load_u16(wire + at + 3);

        CHECK(len - at >= RECORD_HEADER && len - at >= record_len);
        check_record(run, wire + at, record_len);
        at += record_len;
    }
    CHECK(run->got == run->written);
}

/* ---- what goes in ------------------------------------------------------------------------ */

/* The input says how large the pieces are, and whether each is read at once. */
static void feed(struct run *run, const uint8_t *octets, size_t len)
{
    uint8_t how = take(run);
    size_t piece = how < 100 ? len : (size_t)(how - 99) * (how % 2 == 0 ? 1 : 100);

    while (len > 0) {
        size_t n = min_size(piece, len);
        halo_slice slice;

        CHECK(halo_slice_copy(&slice, octets, n) == 0);
        run->transport->ops->feed(run->transport, &slice);
        if (how % 3 != 0) {
            read_all(run);
        }
        octets += n;
        len -= n;
    }
    if (how % 4 != 0) {
        read_all(run);
    }
}

/* The transport's key changes with a message that it has taken, and ours then. */
static void follow_keys(struct run *run)
{
    const struct tls_records *records = tls_of(run->transport)->records;

    if (run->state == TRANSPORT_OPEN &&
        memcmp(records->in.secret, run->ours.secret, run->suite->secret_len) != 0) {
        CHECK(record_key_update(&run->ours, run->suite) == 0);
        CHECK(memcmp(records->in.secret, run->ours.secret, run->suite->secret_len) == 0);
    }
}

static void send_record(struct run *run, uint8_t type)
{
    static uint8_t record[RECORD_HEADER + 20000 + RECORD_TAG];
    uint8_t *text = record + RECORD_HEADER;
    uint8_t short_len = take(run);
    size_t len = short_len < 128 ? short_len : (size_t)(short_len - 127) * 129;
    size_t padding = take(run);
    bool unread = type == 23 && padding == UNREAD;

    padding = padding < 128 ? padding / 8 : (padding - 127) * 10;
    for (size_t i = 0; i < len; i++) {
        /* Behind a type of 0, which is padding, the content would have the type. */
        text[i] = type == 23 ? pattern(run->sent + i) : type == 0 ? 0 : take(run);
    }
    text[len] = type;
    memset(text + len + 1, 0, padding);
    len += 1 + padding;
    record[0] = 23;
    store_u16(record + 1, 0x0303);
    store_u16(record + 3, (uint16_t)(len + RECORD_TAG));
    CHECK(record_key_seal(&run->ours, record, text, len) == 0);
    run->sent += type == 23 ? len - 1 - padding : 0;
    feed(run, record, RECORD_HEADER + len + RECORD_TAG);
    if (unread) {
        return; /* it is left there until the next one */
    }
    read_all(run);
    /* A record that is there is worked off without more input. */
    CHECK(run->raw || run->state != TRANSPORT_OPEN || run->received == run->sent);
    follow_keys(run);
}

static void send_raw(struct run *run)
{
    size_t len = take(run);
    uint8_t octets[256];

    len = min_size(len, run->left);
    memcpy(octets, run->in, len);
    run->in += len;
    run->left -= len;
    run->raw = run->raw || len > 0;
    feed(run, octets, len);
}

static void write_data(struct run *run)
{
    static uint8_t octets[WRITE_MAX];
    size_t len = (size_t)take(run) * 150;
    struct iovec iov = { octets, len };
    bool open = run->transport->state == TRANSPORT_OPEN && !run->shut_down;

    for (size_t i = 0; i < len; i++) {
        octets[i] = pattern(run->written + i);
    }
    CHECK(run->transport->ops->write(run->transport, &iov, 1, len) == (open ? len : 0));
    run->written += open ? len : 0;
}

static void step(struct run *run)
{
    static const uint8_t types[] = { 22, 22, 22, 21, 23, 23, 20, 24, 0 };
    uint8_t what = take(run);

    if (what < 200) {
        send_record(run, types[what % sizeof(types)]);
    } else if (what < 205) {
        send_record(run, take(run));
    } else if (what < 215) {
        send_raw(run);
    } else if (what < 230) {
        write_data(run);
    } else if (what < 240) {
        take_output(run);
    } else if (what < 245) {
        release_held(run);
    } else if (what < 250) {
        run->now_ns += UINT64_C(60000000000);
    } else if (what < 252) {
        run->transport->ops->idle(run->transport);
    } else if (what < 254) {
        run->transport->ops->shutdown(run->transport);
        run->shut_down = true;
    } else {
        run->transport->ops->feed_end(run->transport);
        read_all(run);
        CHECK(run->state >= TRANSPORT_CLOSED);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run = { .in = data, .left = size, .now_ns = UINT64_C(60000000000) };
    uint8_t how = take(&run);

    run.suite = record_suite_find((uint16_t)(0x1301 + how / 2 % 3));
    open_transport(&run, how % 2 == 0);
    while (run.left > 0) {
        step(&run);
        if (run.transport->output_len > WRITE_MAX) {
            take_output(&run);
        }
    }
    read_all(&run);
    take_output(&run);
    if (run.state == TRANSPORT_FAILED) {
        CHECK(run.transport->error.status == HALO_E_TLS ||
              run.transport->error.status == HALO_E_LIMIT ||
              run.transport->error.status == HALO_E_ALPN ||
              run.transport->error.status == HALO_E_EOF);
        CHECK(run.transport->error.reason[0] != '\0');
    }
    release_held(&run);
    run.transport->ops->free(run.transport);
    record_key_wipe(&run.ours);
    record_key_wipe(&run.theirs);
    memory_fini(&run.memory);
    return 0;
}
