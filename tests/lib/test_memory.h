/* An allocator for tests: counts what is live, and fails when it is told to. */
#ifndef HALO_TESTS_TEST_MEMORY_H
#define HALO_TESTS_TEST_MEMORY_H

#include <stdbool.h>

#include <halo/types.h>

struct test_memory {
    halo_allocator allocator; /* its ctx is this struct */
    size_t live;              /* pieces given out and not given back */
    size_t octets;            /* of the pieces that are live, as they were asked for */
    size_t octets_peak;
    size_t calls;    /* of alloc and resize */
    size_t fail_at;  /* the call (counted from 1) that fails; 0: none */
    bool fail_after; /* ... and all calls behind it */
    bool failed;     /* at least one call did */
};

void test_memory_init(struct test_memory *memory);

#endif
