/*
 * Budgets for what a peer may do without use: token buckets that refill with time and, more
 * important, with completed streams, so that honest clients at any rate never see them. A frame
 * that finds its bucket empty ends the connection with ENHANCE_YOUR_CALM.
 */
#ifndef HALO_CORE_PROTO_ABUSE_H
#define HALO_CORE_PROTO_ABUSE_H

#include <halo/session.h>

#include "core/base/base.h"
#include "core/base/memory.h"

struct bucket {
    uint32_t tokens;
    uint32_t burst;
    uint32_t per_second;
    uint64_t refilled_ns;
};

struct abuse {
    struct bucket resets; /* RST_STREAM from the peer */
    struct bucket faults; /* streams that the peer made us reset */
    struct bucket pings;
    struct bucket settings;
    struct bucket glitches;
    uint32_t refused; /* streams refused, given back by completed ones */
    uint32_t empty_frames;
    uint32_t pings_seen;    /* low bits of data_frames_sent at the last PING */
    uint32_t glitches_seen; /* of the session's streams_opened at the last glitch */
    uint64_t window_updates;
    uint64_t data_frames_sent;
};

void abuse_init(struct abuse *abuse, const struct halo_limits *limits, uint64_t now_ns);

/* Takes one token. Returns false when there is none. */
bool bucket_take(struct bucket *bucket, uint64_t now_ns);
/* The same when the work done since the last time (a count that grows, and what it was then) gives
 * tokens back, one each. */
bool bucket_take_worked(struct bucket *bucket, uint32_t *seen, uint64_t work, uint64_t now_ns);

/* A stream was completed: pays back one of each that honest work may have cost. */
static inline void abuse_stream_completed(struct abuse *abuse)
{
    abuse->resets.tokens += abuse->resets.tokens < abuse->resets.burst;
    abuse->faults.tokens += abuse->faults.tokens < abuse->faults.burst;
    abuse->refused -= abuse->refused > 0;
    abuse->empty_frames -= abuse->empty_frames > 0;
}

/* Numbers of streams that we reset lately: a ring that grows to LIMIT_RESETS_REMEMBERED, in blocks
 * each of which is sorted. Streams are reset in the order of their numbers, more or less: blocks
 * hardly overlap, and looking for a number takes a glance at each and a search in one. Where the
 * order is another, the search is in more of them, and of a block that is written anew the lowest
 * number is forgotten first. */
struct reset_memory {
    uint32_t *ids;
    uint32_t cap;
    uint32_t next;
};

void reset_memory_add(struct reset_memory *resets, struct memory *memory, uint32_t stream_id);
bool reset_memory_has(const struct reset_memory *resets, uint32_t stream_id);

#endif
