/*
 * Plays every frame to a session in every state, and compares what it does with the prediction
 * (sweep.h).
 */
#include "sweep.h"

#include <string.h>

#include "core/base/base.h"

static const uint32_t lengths[] = { 0, 1, 4, 5, 8, 16384, 16385 };

static const struct sweep_role *role;
static halo_session *session;
static bool play_all;
static uint8_t frame[9 + 16385];

static void poll_all(int state)
{
    struct halo_event event;

    while (halo_session_poll(session, &event) != 0) {
        role->on_event(&event, state);
    }
}

static void feed(const void *octets, size_t len, int state)
{
    assert_int_equal(halo_session_recv(session, octets, len, 1), 0);
    poll_all(state);
}

/* The last RST_STREAM's or GOAWAY's code in what was sent, as predicted ones are written. */
static int code_of(const uint8_t *octets, size_t len)
{
    int code = SWEEP_FINE;

    for (size_t at = 0; at < len;) {
        struct frame heard = frame_header_load(octets + at);
        const uint8_t *payload = octets + at + FRAME_HEADER_LEN;

        if (heard.type == T_GOAWAY) {
            code = (int)load_u32(payload + 4);
        } else if (heard.type == T_RST_STREAM) {
            code = SWEEP_STREAM + (int)load_u32(payload);
        }
        at += FRAME_HEADER_LEN + heard.len;
    }
    return code;
}

/* Drops what was built; returns the code in it. */
static int hear(void)
{
    struct iovec iov[64];
    uint8_t out[4096];
    size_t out_len = 0;
    int count;

    while ((count = halo_session_pull(session, iov, 64, 1 << 20)) > 0) {
        size_t len = 0;

        for (int i = 0; i < count; i++) {
            assert_true(iov[i].iov_len <= sizeof(out) - out_len - len);
            memcpy(out + out_len + len, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
        halo_session_sent(session, len);
        out_len += len;
    }
    return code_of(out, out_len);
}

static void begin(int state)
{
    static struct wire inputs[2][SWEEP_STATES_MAX];
    struct halo_session_options options;
    struct wire *in = &inputs[role->role == HALO_SERVER][state];

    if (in->len == 0) {
        role->opening(in, state);
    }
    halo_session_options_init(&options, role->role);
    if (role->options != NULL) {
        role->options(&options);
    }
    assert_int_equal(halo_session_new(&session, &options, 1), 0);
    if (role->prepare != NULL) {
        role->prepare(session, state);
    }
    feed(in->data, in->len, state);
    (void)hear();
}

static int react(const struct sweep_step *step)
{
    static struct wire header;

    header.len = 0;
    put_frame_header(&header, step->len, step->type, step->flags, role->stream_id(step->state));
    memcpy(frame, header.data, FRAME_HEADER_LEN);
    feed(frame, FRAME_HEADER_LEN + step->len, step->state);
    return hear();
}

static void play(const struct sweep_step *step)
{
    int wanted = role->predict(step);
    int happened;

    begin(step->state);
    happened = react(step);
    if (happened != wanted) {
        fail_msg("state %d type %u flags %02x length %u: %d, not %d", step->state, step->type,
                 step->flags, step->len, happened, wanted);
    }
    /* A connection that ended is over, another one goes on. */
    assert_int_equal(halo_session_is_closed(session), wanted >= 0 && wanted < SWEEP_STREAM);
    halo_session_free(session);
}

/* Frames of types that nobody knows: a client gets a quarter of the flags, unless all are asked for
 * (--all). Under a sanitizer each frame costs ten times as much: a 64th there, and a quarter of the
 * others. */
static bool is_left_out(unsigned type, unsigned flags)
{
    bool is_known = type <= T_PRIORITY_UPDATE;
    unsigned part = !is_known && role->role == HALO_CLIENT && !play_all ? 4 : 1;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    part = is_known ? 4 : 64;
#endif
    return flags % part != type % part;
}

static void sweep(const struct sweep_role *played)
{
    size_t frames = 0;

    role = played;
    for (int state = 0; state < role->states; state++) {
        for (unsigned type = 0; type < 256; type++) {
            for (unsigned flags = 0; flags < 256; flags++) {
                for (size_t i = 0; i < HALO_ARRAY_LEN(lengths); i++, frames++) {
                    struct sweep_step step = { state, (uint8_t)type, (uint8_t)flags, lengths[i] };

                    if (!is_left_out(type, flags)) {
                        play(&step);
                    }
                }
            }
        }
    }
    assert_int_equal(frames, (size_t)role->states * 256 * 256 * HALO_ARRAY_LEN(lengths));
}

/* 6 states: 2,752,512 frames. */
static void test_C04_server_every_frame_in_every_state(void **state)
{
    (void)state;
    sweep(&sweep_server);
}

/* 9 states: 4,128,768 frames, of which 1,237,824 are played, or all. */
static void test_C04_client_every_frame_in_every_state(void **state)
{
    (void)state;
    sweep(&sweep_client);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C04_server_every_frame_in_every_state),
        cmocka_unit_test(test_C04_client_every_frame_in_every_state),
    };

    play_all = argc > 1 && strcmp(argv[1], "--all") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
