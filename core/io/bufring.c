#include "core/io/bufring.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <halo/error.h>

#include "core/io/loop.h"

/* A copy of received octets that somebody wanted to keep. */
struct copied_octets {
    struct halo_buffer buffer;
    struct halo_loop *loop;
    uint8_t octets[];
};

static void slot_release(struct halo_buffer *buffer);

static struct bufring_slot *slot_of(struct halo_buffer *buffer)
{
    return HALO_CONTAINER(buffer, struct bufring_slot, buffer);
}

/* ---- groups ---------------------------------------------------------------------------- */

/* One mapping holds the ring that is shared with the kernel, which must begin a page, then the
 * slots, then the octets, which begin a page too: a buffer that is never used costs no memory. */
static size_t page_round(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) & ~(page - 1);
}

static size_t group_entries_size(uint32_t count)
{
    return page_round(count * sizeof(struct ring_buffer_entry));
}

static size_t group_slots_size(uint32_t count)
{
    return page_round(count * sizeof(struct bufring_slot));
}

static size_t group_mapping_size(const struct bufring_group *group)
{
    return group_entries_size(group->count) + group_slots_size(group->count) +
           (size_t)group->count * group->bufring->size;
}

uint64_t bufring_memory_bound(uint32_t size, uint32_t count_max)
{
    uint64_t largest = (uint64_t)group_entries_size(count_max) + group_slots_size(count_max) +
                       (uint64_t)count_max * size + sizeof(struct bufring_group);

    return 2 * largest;
}

/* Writes a buffer into the ring behind the tail; the kernel sees it with the next commit. The tail
 * itself lies in the first entry and must not be touched. */
static void group_offer(struct bufring_group *group, uint32_t id)
{
    uint16_t place = (uint16_t)(group->tail + group->returned);
    struct ring_buffer_entry *entry = &group->entries[place & (group->count - 1)];

    HALO_ASSERT(group->returned < group->count);
    entry->address = (uintptr_t)(group->octets + (size_t)id * group->bufring->size);
    entry->length = group->bufring->size;
    entry->id = (uint16_t)id;
    group->returned++;
    group->bufring->dirty = true;
}

static void group_show(struct bufring_group *group)
{
    if (group->returned > 0) {
        group->tail = (uint16_t)(group->tail + group->returned);
        group->returned = 0;
        __atomic_store_n(&group->entries[0].tail, group->tail, __ATOMIC_RELEASE);
    }
}

static void group_free(struct bufring_group *group)
{
    struct bufring *bufring = group->bufring;

    list_remove(&group->link);
    munmap(group->entries, group_mapping_size(group));
    memory_free(&bufring->loop->memory, group);
}

/* Makes a group of `count` buffers, all with the kernel, and arms from it. 0 or a negative
 * errno. */
static int group_new(struct bufring *bufring, uint32_t count)
{
    struct halo_loop *loop = bufring->loop;
    struct bufring_group *group = memory_zalloc(&loop->memory, sizeof(*group));
    uint8_t *mapping;
    int error;

    if (group == NULL) {
        return -ENOMEM;
    }
    group->bufring = bufring;
    group->count = count;
    group->id = bufring->next_id;
    mapping = mmap(NULL, group_mapping_size(group), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        memory_free(&loop->memory, group);
        return -ENOMEM;
    }
    group->entries = (void *)mapping;
    group->slots = (void *)(mapping + group_entries_size(count));
    group->octets = mapping + group_entries_size(count) + group_slots_size(count);
    list_push_back(&bufring->groups, &group->link);

    error = loop->ring->ops->buffers_register(loop->ring, group->id, group->entries, count);
    if (error != 0) {
        group_free(group);
        return error;
    }
    for (uint32_t id = 0; id < count; id++) {
        group->slots[id].group = group;
        group->slots[id].id = id;
        group_offer(group, id);
    }
    group_show(group);
    bufring->next_id++;
    bufring->current = group;
    return 0;
}

/* Takes the group from the kernel. No receive operation may be armed on it. */
static void group_unregister(struct bufring_group *group)
{
    struct ring *ring = group->bufring->loop->ring;

    HALO_ASSERT(group->receivers == 0);
    (void)ring->ops->buffers_unregister(ring, group->id);
}

/* ---- the set --------------------------------------------------------------------------- */

void bufring_init(struct bufring *bufring, struct halo_loop *loop, uint32_t size, uint32_t count,
                  uint32_t count_max)
{
    *bufring = (struct bufring){
        .loop = loop,
        .size = size,
        .count_min = count,
        .count_max = count_max,
    };
    list_init(&bufring->groups);
    list_init(&bufring->starved);
}

int bufring_open(struct bufring *bufring)
{
    HALO_ASSERT(bufring->current == NULL);
    return group_new(bufring, bufring->count_min);
}

void bufring_close(struct bufring *bufring)
{
    struct list_link *link;

    while ((link = list_first(&bufring->groups)) != NULL) {
        struct bufring_group *group = LIST_ITEM(link, struct bufring_group, link);

        HALO_ASSERT(group->out == 0);
        group_unregister(group);
        group_free(group);
    }
    bufring->current = NULL;
    bufring->dirty = false;
}

struct bufring_group *bufring_arm(struct bufring *bufring)
{
    HALO_ASSERT(bufring->current != NULL);
    bufring->current->receivers++;
    return bufring->current;
}

void bufring_disarm(struct bufring_group *group)
{
    HALO_ASSERT(group->receivers > 0);
    group->receivers--;
    group->bufring->dirty = true;
}

static uint32_t group_available(const struct bufring_group *group)
{
    return group->count - group->out;
}

/* Doubles the set. Without memory it stays as it is: receivers wait. */
static void bufring_grow(struct bufring *bufring)
{
    uint32_t count = bufring->current->count;

    if (count < bufring->count_max) {
        (void)group_new(bufring, count * 2);
    }
}

/* Groups that nobody arms from any more go when nothing of them is in use. */
static void free_old_groups(struct bufring *bufring)
{
    struct list_link *link = bufring->groups.next;

    while (link != &bufring->groups) {
        struct bufring_group *group = LIST_ITEM(link, struct bufring_group, link);

        link = link->next;
        if (group != bufring->current && group->receivers == 0 && group->out == 0) {
            group_unregister(group);
            group_free(group);
        }
    }
}

uint32_t bufring_commit(struct bufring *bufring)
{
    struct bufring_group *current = bufring->current;

    if (bufring->dirty) {
        bufring->dirty = false;
        for (struct list_link *link = bufring->groups.next; link != &bufring->groups;
             link = link->next) {
            group_show(LIST_ITEM(link, struct bufring_group, link));
        }
        free_old_groups(bufring);
    }
    if (HALO_LIKELY(bufring->num_starved == 0) || current == NULL) {
        return 0;
    }
    /*
     * One receiver that alone took all buffers, which are back already, needs no larger set:
     * kernels before 6.8 let one busy socket take whatever there is. Several at a time, or buffers
     * that are held, do.
     */
    if (bufring->num_exhausted > 1 || group_available(current) < current->count / 2) {
        bufring_grow(bufring);
        current = bufring->current;
    }
    bufring->num_exhausted = 0;
    if (group_available(current) < current->count / 2) {
        return 0;
    }
    return min_u32(bufring->num_starved, group_available(current));
}

/* ---- buffers --------------------------------------------------------------------------- */

halo_slice bufring_take(struct bufring_group *group, uint32_t id, size_t len)
{
    struct bufring_slot *slot = &group->slots[id];

    HALO_ASSERT(id < group->count);
    HALO_ASSERT(len <= group->bufring->size);
    HALO_ASSERT(slot->buffer.refs == 0);
    buffer_init(&slot->buffer, slot_release);
    group->out++;
    group->bufring->loop->ledger.buffers++;
    return slice_of(&slot->buffer, group->octets + (size_t)id * group->bufring->size, len);
}

static void slot_release(struct halo_buffer *buffer)
{
    struct bufring_slot *slot = slot_of(buffer);
    struct bufring_group *group = slot->group;
    struct loop_ledger *ledger = &group->bufring->loop->ledger;

    HALO_ASSERT(group->out > 0 && ledger->buffers > 0);
    group->out--;
    ledger->buffers--;
    group_offer(group, slot->id);
}

bool bufring_owns(const halo_slice *slice)
{
    return slice->owner != NULL && slice->owner->release == slot_release;
}

bool bufring_scarce(const struct halo_loop *loop)
{
    const struct bufring_group *current = loop->bufring.current;

    return current != NULL && group_available(current) < current->count / 2;
}

static void copied_release(struct halo_buffer *buffer)
{
    struct copied_octets *copied = HALO_CONTAINER(buffer, struct copied_octets, buffer);
    struct halo_loop *loop = copied->loop;

    HALO_ASSERT(loop->ledger.buffers > 0);
    loop->ledger.buffers--;
    memory_free(&loop->memory, copied);
}

int bufring_copy_out(struct halo_loop *loop, halo_slice *slice)
{
    struct copied_octets *copied;
    size_t len = slice->len;

    if (!bufring_owns(slice)) {
        return 0;
    }
    copied = memory_alloc(&loop->memory, sizeof(*copied) + len);
    if (copied == NULL) {
        return HALO_E_NOMEM;
    }
    buffer_init(&copied->buffer, copied_release);
    copied->loop = loop;
    memcpy(copied->octets, slice->data, len);
    loop->ledger.buffers++;
    halo_slice_release(slice);
    *slice = slice_of(&copied->buffer, copied->octets, len);
    return 0;
}
