/* isr_wishes.h -- what has this node wished of the ISRs of the partitions that it leads, and what became of that?
 *
 * Thousands of partitions may change at once: a broker is back, or falls behind everywhere. So what is wished for while
 * other wishes of this kind are under way gathers in a batch, which goes out as one wish (wishes.h) and comes back as
 * one entry of the metadata log, or as one answer. Each partition in it is judged alone.
 *
 *     free --the first is added--> filling --asked: there is a wish--> asked --done--> telling --all told--> free
 *
 * Invariants, numbered as in isr_wishes_check():
 *   (1) Only the batch that is being filled holds something that is not asked.
 *   (2) No more is told than was asked, and nothing before the wish is done. */
#ifndef CHRONIK_CONTROLLER_ISR_WISHES_H
#define CHRONIK_CONTROLLER_ISR_WISHES_H

#include "controller/controller.h"
#include "controller/wishes.h"

enum {
    ISR_BATCHES_MAX = 4,      /* one fills while others are on their way: more would not make it faster */
    ISR_BATCH_MAX = 256,      /* partitions in one: decided in some 100 us */
    ISR_BATCH_MEMBERS = 1024, /* of their ISRs, all together */
    ISR_HEAD_SIZE = 12,       /* bytes of a wish, of a partition in it, and of a member of that */
    ISR_PARTITION_SIZE = 31,
    ISR_MEMBER_SIZE = 13,
    ISR_WISH_SIZE = ISR_HEAD_SIZE + ISR_BATCH_MAX * ISR_PARTITION_SIZE + ISR_BATCH_MEMBERS * ISR_MEMBER_SIZE,
    ISR_ANSWER_SIZE = 4 + 2 * ISR_BATCH_MAX,
    ISR_WISH_PART = 4, /* a wish takes this part of what its records and its answer may take together, or less */
};

struct isr_batch {
    uint64_t wish; /* 0: it is being filled, or free */
    bool done;     /* errors holds what became of it */
    uint32_t count, member_count, size;
    uint32_t told; /* of the partitions */
    int16_t errors[ISR_BATCH_MAX];
    struct wish_isr_record_partition partitions[ISR_BATCH_MAX];
    struct wish_isr_record_member members[ISR_BATCH_MEMBERS];
};

struct isr_wishes {
    uint32_t size_max; /* of one wish */
    uint32_t filling;  /* a batch, or ISR_BATCHES_MAX: all of them are under way */
    struct isr_batch batches[ISR_BATCHES_MAX];
};

/* In zeroed memory. `size_max`: of the largest wish, and of what it may become. */
void isr_wishes_init(struct isr_wishes *isr_wishes, uint32_t size_max);

bool isr_wishes_have_room(const struct isr_wishes *isr_wishes);
bool isr_wishes_add(struct isr_wishes *isr_wishes, const struct isr_wish *wish);

/* Whether something has gathered. */
bool isr_wishes_have_some(const struct isr_wishes *isr_wishes);

/* Opens a wish for what has gathered, if there is room. The node is registered under this epoch. */
void isr_wishes_ask(struct isr_wishes *isr_wishes, int64_t broker_epoch, struct wishes *wishes);

/* A wish is done; perhaps it is one of these. */
void isr_wishes_on_done(struct isr_wishes *isr_wishes, struct wishes *wishes, uint64_t sequence);

/* The next partition whose wish came to nothing (controller.h). */
bool isr_wishes_next_answer(struct isr_wishes *isr_wishes, const struct image *image, struct isr_answer *answer);

/* Something is to be told, or could be asked. */
bool isr_wishes_are_due(const struct isr_wishes *isr_wishes, const struct wishes *wishes);

void isr_wishes_check(const struct isr_wishes *isr_wishes);

#endif
