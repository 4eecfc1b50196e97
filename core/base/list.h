/*
 * Intrusive doubly linked list. The head and every link are one type; a link that is in no list
 * points to itself, so that removing it twice does no harm.
 */
#ifndef HALO_CORE_BASE_LIST_H
#define HALO_CORE_BASE_LIST_H

#include "core/base/base.h"

struct list_link {
    struct list_link *next;
    struct list_link *prev;
};

#define LIST_ITEM(link, type, member) HALO_CONTAINER(link, type, member)

static inline void list_init(struct list_link *link)
{
    link->next = link;
    link->prev = link;
}

static inline bool list_empty(const struct list_link *head)
{
    return head->next == head;
}

/* Is this link in some list? */
static inline bool list_linked(const struct list_link *link)
{
    return link->next != link;
}

static inline void list_insert_before(struct list_link *place, struct list_link *link)
{
    link->next = place;
    link->prev = place->prev;
    place->prev->next = link;
    place->prev = link;
}

static inline void list_push_back(struct list_link *head, struct list_link *link)
{
    list_insert_before(head, link);
}

static inline void list_push_front(struct list_link *head, struct list_link *link)
{
    list_insert_before(head->next, link);
}

static inline void list_remove(struct list_link *link)
{
    link->next->prev = link->prev;
    link->prev->next = link->next;
    list_init(link);
}

static inline struct list_link *list_first(const struct list_link *head)
{
    return list_empty(head) ? NULL : head->next;
}

static inline struct list_link *list_pop_front(struct list_link *head)
{
    struct list_link *first = list_first(head);

    if (first != NULL) {
        list_remove(first);
    }
    return first;
}

/* Moves all links of `from` to the end of `to`. */
static inline void list_append_all(struct list_link *to, struct list_link *from)
{
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
