#include "pattern.h"

static uint8_t memory[PATTERN_PERIOD + PATTERN_RUN];

void pattern_init(void)
{
    for (size_t i = 0; i < sizeof(memory); i++) {
        size_t position = i % PATTERN_PERIOD;

        memory[i] = (uint8_t)(position * 31 + (position >> 8));
    }
}

const uint8_t *pattern_at(uint64_t offset)
{
    return memory + offset % PATTERN_PERIOD;
}
