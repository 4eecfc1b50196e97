#include "core/proto/abuse.h"

#include "core/proto/limits.h"

static void bucket_init(struct bucket *bucket, uint32_t burst, uint32_t per_second, uint64_t now_ns)
{
    *bucket = (struct bucket){
        .tokens = burst, .burst = burst, .per_second = per_second, .refilled_ns = now_ns
    };
}

void abuse_init(struct abuse *abuse, const struct halo_limits *limits, uint64_t now_ns)
{
    *abuse = (struct abuse){ 0 };
    bucket_init(&abuse->resets, limits->resets, limits->resets_per_second, now_ns);
    bucket_init(&abuse->faults, limits->faults, 0, now_ns);
    bucket_init(&abuse->pings, limits->pings, limits->pings_per_second, now_ns);
    bucket_init(&abuse->settings, limits->settings_frames, limits->settings_per_second, now_ns);
    bucket_init(&abuse->glitches, limits->glitches, limits->glitches_per_second, now_ns);
}

static void bucket_refill(struct bucket *bucket, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns > bucket->refilled_ns ? now_ns - bucket->refilled_ns : 0;
    uint64_t tokens;

    if (bucket->per_second == 0) {
        return;
    }
    /* Long silence fills the bucket; the check keeps the product below in range. */
    if (elapsed_ns / 1000000000u > bucket->burst / bucket->per_second) {
        bucket->tokens = bucket->burst;
        bucket->refilled_ns = now_ns;
        return;
    }
    tokens = elapsed_ns * bucket->per_second / 1000000000u;
    if (tokens > 0) {
        bucket->tokens = (uint32_t)min_u64(bucket->burst, bucket->tokens + tokens);
        bucket->refilled_ns += tokens * 1000000000u / bucket->per_second;
    }
}

bool bucket_take(struct bucket *bucket, uint64_t now_ns)
{
    if (bucket->tokens < bucket->burst) {
        bucket_refill(bucket, now_ns);
    }
    if (bucket->tokens == 0) {
        return false;
    }
    if (bucket->tokens == bucket->burst) {
        bucket->refilled_ns = now_ns;
    }
    bucket->tokens--;
    return true;
}

bool bucket_take_worked(struct bucket *bucket, uint32_t *seen, uint64_t work, uint64_t now_ns)
{
    uint32_t given = (uint32_t)work - *seen;

    *seen = (uint32_t)work;
    bucket->tokens = (uint32_t)min_u64(bucket->burst, (uint64_t)bucket->tokens + given);
    return bucket_take(bucket, now_ns);
}

/* ---- streams that we reset ------------------------------------------------------------- */

enum {
    RESET_BLOCK = 32,
};

/* The block that is being written is two runs: what is new, and what is left of the oldest. */
static void put_in_block(uint32_t *ids, uint32_t place, uint32_t stream_id)
{
    uint32_t start = place - place % RESET_BLOCK;

    while (place > start && ids[place - 1] > stream_id) {
        ids[place] = ids[place - 1];
        place--;
    }
    ids[place] = stream_id;
}

static bool run_has(const uint32_t *ids, uint32_t len, uint32_t stream_id)
{
    for (uint32_t i = 0; i < len; i++) {
        if (ids[i] == stream_id) {
            return true;
        }
    }
    return false;
}

/* Of a whole block: the last that is not above `stream_id` would be it. */
static bool block_has(const uint32_t *ids, uint32_t stream_id)
{
    if (stream_id < ids[0] || stream_id > ids[RESET_BLOCK - 1]) {
        return false;
    }
    for (uint32_t step = RESET_BLOCK / 2; step > 0; step /= 2) {
        ids += ids[step] <= stream_id ? step : 0;
    }
    return *ids == stream_id;
}

void reset_memory_add(struct reset_memory *resets, struct memory *memory, uint32_t stream_id)
{
    if (resets->next == resets->cap && resets->cap < LIMIT_RESETS_REMEMBERED) {
        uint32_t cap = resets->cap == 0 ? 16 : resets->cap * 4;
        uint32_t *ids = memory_resize(memory, resets->ids, cap * sizeof(*ids));

        if (ids == NULL) {
            return; /* forgetting one is no harm worse than STREAM_CLOSED */
        }
        memset(ids + resets->cap, 0, (cap - resets->cap) * sizeof(*ids));
        resets->ids = ids;
        resets->cap = cap;
    }
    if (resets->next >= resets->cap) {
        resets->next = 0;
    }
    put_in_block(resets->ids, resets->next++, stream_id);
}

bool reset_memory_has(const struct reset_memory *resets, uint32_t stream_id)
{
    uint32_t written = resets->next - resets->next % RESET_BLOCK; /* the block in two runs */

    if (resets->cap == 0) {
        return false;
    }
    if (run_has(resets->ids + written, min_u32(RESET_BLOCK, resets->cap - written), stream_id)) {
        return true;
    }
    for (uint32_t i = 0; i + RESET_BLOCK <= resets->cap; i += RESET_BLOCK) {
        if (i != written && block_has(resets->ids + i, stream_id)) {
            return true;
        }
    }
    return false;
}
