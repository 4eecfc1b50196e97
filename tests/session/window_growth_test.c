/*
 * Receive windows that grow, over a model of a link: so many octets a second, so long on the way, no loss.
 * Time is the model's; two sessions of halo speak over it.
 *
 *   window_growth_test -v     prints the figures
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <halo/session.h>

#include "core/base/base.h"

enum { MIB = 1024 * 1024, PIECE = 16 * 1024, BLOCK = MIB };

static const uint64_t ms = 1000000;
static bool verbose;
static uint8_t block[BLOCK];

/* Octets on their way in one direction. */
struct packet {
    struct packet *next;
    uint64_t arrives_ns;
    size_t len;
    uint8_t octets[];
};

struct side {
    halo_session *session;
    struct packet *first; /* on the way to this side */
    struct packet **last;
    uint64_t free_ns; /* when the wire to the other side is free again */
    uint64_t busy_to_ns;
};

struct link {
    struct side sides[2]; /* server, client */
    uint64_t now_ns;
    uint64_t delay_ns;
    uint64_t octets_per_second;
    size_t piece; /* octets that travel together */
    /* The transfer. */
    int receiver; /* whose */
    uint64_t wanted;
    uint64_t written;
    uint64_t received;
    uint64_t first_ns; /* first and last octet received */
    uint64_t last_ns;
    uint64_t idle_from_ns; /* from here on gaps count, after the first octet */
    uint64_t idle_ns;
    uint64_t previous_ns; /* arrival of the packet before */
    /* A reader that lags: pauses for so long after each piece of so many octets. */
    uint64_t pause_ns;
    uint64_t pause_every;
    uint64_t resume_ns; /* 0: is reading */
    uint64_t read_since_pause;
    halo_stream *stream; /* the receiver's */
    uint64_t held_peak;
    uint64_t window_peak;
    int pings_seen; /* events of PING on either side */
};

static void on_event(struct link *link, int at, const struct halo_event *event)
{
    if (event->type == HALO_EVENT_REQUEST && link->receiver == HALO_CLIENT) {
        assert_int_equal(halo_stream_respond(event->stream, 200, NULL, 0), 0);
    }
    if (event->type == HALO_EVENT_PING_ACK) {
        link->pings_seen++;
    }
    if (event->type != HALO_EVENT_DATA || at != link->receiver) {
        return;
    }
    if (link->first_ns == 0) {
        link->first_ns = link->now_ns;
    }
    link->stream = event->stream;
    link->last_ns = link->now_ns;
    link->received += event->u.data.len;
    link->read_since_pause += event->u.data.len;
    if (link->pause_ns > 0 && link->read_since_pause >= link->pause_every) {
        link->read_since_pause = 0;
        link->resume_ns = link->now_ns + link->pause_ns;
        halo_stream_pause(event->stream);
    }
}

/* The sender has always a block ready. */
static void write_more(struct link *link, halo_stream *stream)
{
    while (link->written < link->wanted && halo_stream_buffered(stream) < 4 * (size_t)BLOCK) {
        uint64_t part = min_u64(BLOCK, link->wanted - link->written);

        link->written += part;
        assert_int_equal(halo_stream_write_borrow(
                             stream, block, part,
                             link->written == link->wanted ? HALO_END_STREAM : 0, NULL, NULL),
                         0);
    }
}

static void poll_side(struct link *link, int at, halo_stream **sender)
{
    struct halo_event event;

    while (halo_session_poll(link->sides[at].session, &event) != 0) {
        on_event(link, at, &event);
        if (at != link->receiver && event.type == HALO_EVENT_REQUEST) {
            *sender = event.stream;
        }
        if (event.type == HALO_EVENT_STREAM_CLOSED) {
            link->stream = at == link->receiver ? NULL : link->stream;
            *sender = at != link->receiver ? NULL : *sender;
        }
    }
    if (*sender != NULL) {
        write_more(link, *sender);
    }
}

/* Puts what the wire takes now on its way. */
static void send_side(struct link *link, int at)
{
    struct side *side = &link->sides[at];
    struct side *other = &link->sides[1 - at];
    struct iovec iov[16];
    int count;

    while (side->free_ns <= link->now_ns &&
           (count = halo_session_pull(side->session, iov, 16, link->piece)) > 0) {
        struct packet *packet = malloc(sizeof(*packet) + PIECE);

        packet->next = NULL;
        packet->len = 0;
        for (int i = 0; i < count; i++) {
            memcpy(packet->octets + packet->len, iov[i].iov_base, iov[i].iov_len);
            packet->len += iov[i].iov_len;
        }
        halo_session_sent(side->session, packet->len);
        side->free_ns = max_u64(side->free_ns, link->now_ns);
        side->free_ns = link->now_ns + packet->len * 1000000000ull / link->octets_per_second;
        packet->arrives_ns = side->free_ns + link->delay_ns;
        *other->last = packet;
        other->last = &packet->next;
    }
}

static void count_idle(struct link *link, const struct packet *packet)
{
    uint64_t on_wire_ns = packet->len * 1000000000ull / link->octets_per_second;
    uint64_t begins_ns = packet->arrives_ns - on_wire_ns;

    if (link->first_ns != 0 && begins_ns > link->first_ns + link->idle_from_ns &&
        link->received < link->wanted) {
        uint64_t from = max_u64(link->previous_ns, link->first_ns + link->idle_from_ns);

        link->idle_ns += begins_ns > from ? begins_ns - from : 0;
    }
    link->previous_ns = packet->arrives_ns;
}

static void look(struct link *link)
{
    struct halo_session_info info;
    struct halo_stream_info stream_info;

    halo_session_get_info(link->sides[link->receiver].session, &info);
    link->held_peak = max_u64(link->held_peak, info.body_octets_held);
    if (link->stream != NULL) {
        halo_stream_get_info(link->stream, &stream_info);
        link->window_peak =
            max_u64(link->window_peak, (uint64_t)stream_info.effective_local_window);
    }
}

static void deliver(struct link *link, int at, halo_stream **sender)
{
    struct side *side = &link->sides[at];

    while (side->first != NULL && side->first->arrives_ns <= link->now_ns) {
        struct packet *packet = side->first;

        side->first = packet->next;
        side->last = side->first == NULL ? &side->first : side->last;
        if (at == link->receiver) {
            count_idle(link, packet);
        }
        assert_int_equal(
            halo_session_recv(side->session, packet->octets, packet->len, link->now_ns), 0);
        poll_side(link, at, sender);
        free(packet);
    }
}

static uint64_t next_time(const struct link *link)
{
    uint64_t next = link->resume_ns != 0 ? link->resume_ns : UINT64_MAX;

    for (int at = 0; at < 2; at++) {
        const struct side *side = &link->sides[at];

        next = side->first != NULL ? min_u64(next, side->first->arrives_ns) : next;
        next = side->free_ns > link->now_ns ? min_u64(next, side->free_ns) : next;
    }
    return next;
}

/* Until `wanted` octets have come, or nothing moves any more. */
static void run(struct link *link, halo_stream *sender)
{
    while (link->received < link->wanted) {
        uint64_t next;

        for (int at = 0; at < 2; at++) {
            deliver(link, at, &sender);
            poll_side(link, at, &sender);
            send_side(link, at);
        }
        look(link);
        next = next_time(link);
        if (next == UINT64_MAX || next > link->now_ns + 60000 * ms) {
            break;
        }
        link->now_ns = max_u64(link->now_ns, next);
        for (int at = 0; at < 2; at++) {
            halo_session_tick(link->sides[at].session, link->now_ns);
        }
        if (link->resume_ns != 0 && link->now_ns >= link->resume_ns) {
            link->resume_ns = 0;
            halo_stream_resume(link->stream);
        }
    }
}

/* Moves `len` octets in one stream to the side `receiver`. */
static void transfer(struct link *link, int receiver, uint64_t len, uint32_t stream_max,
                     uint32_t connection_max)
{
    struct halo_request request = { .method = HALO_LIT("POST"), .authority = HALO_LIT("a") };
    halo_stream *stream;

    link->receiver = receiver;
    link->wanted = len;
    link->now_ns = 1000 * ms;
    for (int at = 0; at < 2; at++) {
        struct halo_session_options options;

        halo_session_options_init(&options, at);
        options.stream_receive_window_max = stream_max;
        options.connection_receive_window_max = connection_max;
        link->sides[at].last = &link->sides[at].first;
        assert_int_equal(halo_session_new(&link->sides[at].session, &options, link->now_ns), 0);
    }
    assert_int_equal(halo_session_request(link->sides[HALO_CLIENT].session, &request,
                                          receiver == HALO_CLIENT ? HALO_END_STREAM : 0, NULL,
                                          &stream),
                     0);
    run(link, receiver == HALO_SERVER ? stream : NULL);
    assert_int_equal(link->received, link->wanted);
    assert_int_equal(link->pings_seen, 0);
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static void finish(struct link *link, const char *what)
{
    struct halo_session_info info;

    halo_session_get_info(link->sides[link->receiver].session, &info);
    if (verbose) {
        double took = seconds(link->last_ns - link->first_ns);

        printf("%-28s %-8s %6.1f MiB in %.4f s, %7.2f MiB/s, idle %.3f ms, stream window %llu, "
               "connection window %lld, held %llu, round trip %.3f ms, frames out %llu\n",
               what, link->receiver == HALO_CLIENT ? "download" : "upload",
               (double)link->received / MIB, took, (double)link->received / MIB / took,
               seconds(link->idle_ns) * 1e3, (unsigned long long)link->window_peak,
               (long long)info.effective_local_window, (unsigned long long)link->held_peak,
               seconds(info.round_trip_ns) * 1e3, (unsigned long long)info.frames_sent);
    }
    for (int at = 0; at < 2; at++) {
        struct side *side = &link->sides[at];

        while (side->first != NULL) {
            struct packet *packet = side->first;

            side->first = packet->next;
            free(packet);
        }
        halo_session_free(side->session);
    }
}

static struct link link_of(uint64_t delay_ms, uint64_t megabit)
{
    return (struct link){ .delay_ns = delay_ms * ms,
                          .octets_per_second = megabit * 125000,
                          .piece = megabit < 100 ? 1400 : PIECE };
}

/* 100 MiB over 100 ms there and back, 1 Gbit/s (12.5 MB on the way): 0.84 s of pure sending. */
static void test_window_fills_a_long_fast_link(void **state)
{
    (void)state;
    for (int receiver = 0; receiver < 2; receiver++) {
        struct link link = link_of(50, 1000);

        link.idle_from_ns = 401 * ms; /* four round trips behind the first octet */
        transfer(&link, receiver, 100 * (uint64_t)MIB, 32 * MIB, 32 * MIB);
        finish(&link, "windows up to 32 MiB");
        assert_true(link.last_ns - link.first_ns <= 1250 * ms);
        assert_int_equal(link.idle_ns, 0);
    }
}

static void test_window_rate_with_the_default_limits(void **state)
{
    (void)state;
    for (int receiver = 0; receiver < 2; receiver++) {
        struct link link = link_of(50, 1000);
        double rate;

        transfer(&link, receiver, 100 * (uint64_t)MIB, MIB, 4 * MIB);
        rate = (double)link.received / seconds(link.last_ns - link.first_ns);
        finish(&link, "default limits");
        assert_int_equal(link.window_peak, MIB);
        assert_true(rate >= 0.95 * MIB / 0.1);
        assert_true(rate <= 1.01 * MIB / 0.1);
    }
}

/* A window is not larger than it is good for: five quarters of what is on the way, times the last step. */
static void test_window_stops_at_what_the_link_holds(void **state)
{
    struct link link = link_of(5, 100); /* 125,000 octets on the way */

    (void)state;
    transfer(&link, HALO_SERVER, 20 * (uint64_t)MIB, 32 * MIB, 32 * MIB);
    finish(&link, "10 ms, 100 Mbit/s");
    assert_in_range(link.window_peak, 2 * 125000, 10 * 125000);
    assert_true(link.last_ns - link.first_ns <= 1720 * ms); /* 1.678 s of pure sending */
}

static void test_window_of_a_slow_sender_stays(void **state)
{
    struct link link = link_of(5, 5); /* 6,250 octets on the way */

    (void)state;
    transfer(&link, HALO_CLIENT, 2 * (uint64_t)MIB, 32 * MIB, 32 * MIB);
    finish(&link, "10 ms, 5 Mbit/s");
    assert_int_equal(link.window_peak, 65535);
}

static void test_window_fixed(void **state)
{
    struct link link = link_of(50, 1000);

    (void)state;
    transfer(&link, HALO_CLIENT, 1 * (uint64_t)MIB, 0, 0);
    finish(&link, "fixed");
    assert_int_equal(link.window_peak, 65535);
}

/* A reader that pauses for most of the time: its window does not run away, and what is held stays within it. */
static void test_window_of_a_reader_that_lags(void **state)
{
    (void)state;
    for (int receiver = 0; receiver < 2; receiver++) {
        struct link link = link_of(50, 1000);

        link.pause_every = 64 * 1024;
        link.pause_ns = 300 * ms;
        transfer(&link, receiver, 8 * (uint64_t)MIB, 32 * MIB, 32 * MIB);
        finish(&link, "reader that lags");
        assert_true(link.window_peak <= MIB);
        assert_true(link.held_peak <= link.window_peak + 16384);
        assert_true(link.held_peak <= 2 * MIB); /* half of memory_hard */
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_fills_a_long_fast_link),
        cmocka_unit_test(test_window_rate_with_the_default_limits),
        cmocka_unit_test(test_window_stops_at_what_the_link_holds),
        cmocka_unit_test(test_window_of_a_slow_sender_stays),
        cmocka_unit_test(test_window_fixed),
        cmocka_unit_test(test_window_of_a_reader_that_lags),
    };

    verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
