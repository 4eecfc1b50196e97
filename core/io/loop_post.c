/*
 * The mailbox: calls that other threads hand to the loop. Posters push onto a stack with one atomic
 * exchange of its head; the loop takes the whole stack at once and turns it round, so calls are
 * made in the order of posting.
 */
#include <stdlib.h>

#include "core/io/loop.h"

struct posted_call {
    struct loop_posted posted;
    void (*call)(void *ctx);
    void *ctx;
};

void loop_post(struct halo_loop *loop, struct loop_posted *posted,
               void (*call)(struct loop_posted *posted))
{
    struct loop_posted *head;

    /* What is posted may be the loop's last work: it must not be freed while we are still here. */
    loop_enter_visitor(loop);
    head = __atomic_load_n(&loop->mailbox, __ATOMIC_RELAXED);
    posted->call = call;
    do {
        posted->next = head;
    } while (!__atomic_compare_exchange_n(&loop->mailbox, &head, posted, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    loop_wake(loop);
    loop_leave_visitor(loop);
}

void loop_open_mail(struct halo_loop *loop)
{
    struct loop_posted *newest = __atomic_exchange_n(&loop->mailbox, NULL, __ATOMIC_SEQ_CST);
    struct loop_posted *oldest = NULL;

    while (newest != NULL) {
        struct loop_posted *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct loop_posted *next = oldest->next;

        oldest->call(oldest); /* its memory may be gone now */
        oldest = next;
    }
}

static void make_call(struct loop_posted *posted)
{
    struct posted_call *self = HALO_CONTAINER(posted, struct posted_call, posted);
    void (*call)(void *ctx) = self->call;
    void *ctx = self->ctx;

    free(self);
    call(ctx);
}

/* The application's allocator belongs to the loop's thread; this is any thread, so malloc it is. */
int halo_loop_post(halo_loop *loop, void (*call)(void *ctx), void *ctx)
{
    struct posted_call *self = malloc(sizeof(*self));

    if (self == NULL) {
        return HALO_E_NOMEM;
    }
    self->call = call;
    self->ctx = ctx;
    loop_post(loop, &self->posted, make_call);
    return 0;
}
