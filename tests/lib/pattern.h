/*
 * The body that tests send: octet i is a function of i, so that any part of it can be made and
 * checked without keeping the rest. The drivers of tests/interop make the same one.
 */
#ifndef HALO_TESTS_LIB_PATTERN_H
#define HALO_TESTS_LIB_PATTERN_H

#include <stddef.h>
#include <stdint.h>

enum {
    /* A prime, so that no frame, record or buffer size divides it: a lost or doubled piece shows. */
    PATTERN_PERIOD = 65521,
    /* A run that pattern_at() promises from any position. */
    PATTERN_RUN = 256 * 1024,
};

/* Memory with the pattern from `offset` on, at least PATTERN_RUN octets of it; it lives for ever.
 * pattern_init() comes first, before there are threads. */
void pattern_init(void);
const uint8_t *pattern_at(uint64_t offset);

#endif
