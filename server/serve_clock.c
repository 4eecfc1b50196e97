#include "server/serve_clock.h"

#include <time.h>

void serve_clock_read(struct serve_clock *clock, uint64_t loop_now_ns)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    clock->next_ns = loop_now_ns + 1000000000u - (uint64_t)time.tv_nsec;
    clock->second++;
    clock->now = time.tv_sec;
    serve_date_format(clock->date, clock->now);
}
