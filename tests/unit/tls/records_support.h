/*
 * What the tests of the TLS 1.3 record layer share: connections of which either end keeps wolfSSL's
 * record layer, as the one to compare with, and records made by hand with an end's own key.
 */
#ifndef HALO_TESTS_TLS_RECORDS_SUPPORT_H
#define HALO_TESTS_TLS_RECORDS_SUPPORT_H

#include "support.h"

#include "tls/alert.h"
#include "tls/limits.h"
#include "tls/records.h"

/* Content types. */
enum {
    TYPE_CIPHER_CHANGE = 20,
    TYPE_ALERT = 21,
    TYPE_HANDSHAKE = 22,
    TYPE_DATA = 23,
};

enum { SUITES = 3 };

enum { TEST_SKIPPED = 77 }; /* meson's */

/* Can this build make records at all? Else there is nothing to test. */
bool records_are_ours(void);

/* Contexts for each suite; for a group's setup and teardown. */
int suites_make(void **state);
int suites_free(void **state);

/* A connection of this suite. Whose records are whose: ours, or wolfSSL's. */
void records_open(struct pair *pair, int suite, bool client_is_ours, bool server_is_ours);
/* The usual one: the first suite, both ends ours. */
void records_open_ours(struct pair *pair);

/* len octets that differ from those of other seeds; the caller frees them. */
uint8_t *octets_of_seed(size_t len, uint32_t seed);

/* ---- records ---- */

struct record {
    uint8_t octets[RECORD_HEADER + 65535];
    size_t len;
};

/* The next record of `from`: any plaintext, its type and padding included. */
void record_of_inner(struct record *record, struct end *from, const void *inner, size_t len);
/* The same of its parts. */
void record_make(struct record *record, struct end *from, uint8_t type, const void *content,
                 size_t len, size_t padding);
/* Makes it and feeds it to the other end. */
void record_send(struct pair *pair, struct end *from, uint8_t type, const void *content,
                 size_t len);

/* Feeds octets, and leaves them there. */
void end_feed_unread(struct end *end, const uint8_t *octets, size_t len);

/* `end` has refused what came: with this sentence, and the other end learns of this alert. (-1: of
 * none.) Nothing was handed out. */
void expect_refusal(struct pair *pair, struct end *end, const char *text, int alert);
/* Data goes both ways. */
void expect_alive(struct pair *pair);

static inline struct end *other_end(struct pair *pair, struct end *end)
{
    return end == &pair->client ? &pair->server : &pair->client;
}

static inline struct tls_records *records_of(struct end *end)
{
    return tls_of(end->transport)->records;
}

#endif
