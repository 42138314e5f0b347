/* wish_queue.h -- which wishes wait for this leader's decision, and whose turn is it?
 *
 * The leader's side. A wish that touches what is under way waits until that is applied; one that finds no room waits
 * for room. Meanwhile others may pass it, but none of the same origin: a node's wishes are decided in the order in
 * which it asked. All of it is lost with the leadership: the origins ask the next leader.
 *
 * Our own wishes lie where they were opened (wishes.h) and are looked up when their turn comes; those of other nodes
 * are copied here, in bounded memory. */
#ifndef CHRONIK_CONTROLLER_WISH_QUEUE_H
#define CHRONIK_CONTROLLER_WISH_QUEUE_H

#include "base/buddy.h"
#include "controller/wish.h"
#include "meta/wish_window.h"

enum {
    WISH_QUEUE_FOREIGN_MAX = 192,                              /* of other nodes at a time, */
    WISH_QUEUE_MAX = WISH_QUEUE_FOREIGN_MAX + WISHES_OPEN_MAX, /* and all that we can have open ourselves */
};

#define WISH_QUEUE_NONE UINT32_MAX

struct queued_wish {
    struct wish wish;    /* its body here, or of our own nowhere */
    uint64_t block;      /* that it lies in, or BUDDY_NONE */
    uint64_t wait_index; /* not before this index is applied */
    bool taken;
    uint32_t next, previous; /* in the order of arrival */
};

struct wish_queue {
    struct queued_wish entries[WISH_QUEUE_MAX];
    uint32_t first, last;
    uint32_t count, foreign_count;
    uint32_t fresh; /* no entry from here on was ever taken: where the search for a free one may end */
    bool idle;      /* whoever is there waits for an index above idle_index */
    uint64_t idle_index;
    struct buddy blocks;
    uint8_t *memory;
};

/* Bytes behind the struct, for foreign bodies of up to `size_max` each. */
size_t wish_queue_memory_size(uint32_t size_max);
void wish_queue_init(struct wish_queue *queue, void *memory, uint32_t size_max);

enum wish_queue_verdict {
    WISH_QUEUED,
    WISH_QUEUED_ALREADY, /* it is the same one, asked again: its last asking is what will be answered */
    WISH_QUEUE_FULL,
};
enum wish_queue_verdict wish_queue_add(struct wish_queue *queue, const struct wish *wish, bool own);

/* The one whose turn it is when so much is applied, or WISH_QUEUE_NONE. It stays until it is dropped or waits. */
uint32_t wish_queue_next(struct wish_queue *queue, uint64_t applied_index);
const struct wish *wish_queue_at(const struct wish_queue *queue, uint32_t entry);

/* Whether it came to its turn before, or was asked before: something may have come of that. */
bool wish_queue_is_again(const struct wish_queue *queue, uint32_t entry);

void wish_queue_wait(struct wish_queue *queue, uint32_t entry, uint64_t index);
void wish_queue_drop(struct wish_queue *queue, uint32_t entry);
void wish_queue_clear(struct wish_queue *queue);

/* Its origin has given it up. It may not be there. */
void wish_queue_withdraw(struct wish_queue *queue, int32_t broker_id, uint64_t sequence);

/* Whether wish_queue_next would find one. */
bool wish_queue_is_due(const struct wish_queue *queue, uint64_t applied_index);

void wish_queue_check(const struct wish_queue *queue);

#endif
