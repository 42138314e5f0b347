/* queue.h -- what happens next? Simulated time is the smallest key of a heap.
 *
 * Keys are (time, sequence): what was queued first at one instant happens first, so a run has one order. */
#ifndef CHRONIK_SIM_QUEUE_H
#define CHRONIK_SIM_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

enum happening_kind {
    HAPPENS_DISK,     /* `a`: the order's slot, `b`: its generation */
    HAPPENS_ARRIVAL,  /* bytes for the node on link `a`, link generation `b` */
    HAPPENS_DELIVERY, /* bytes for the client of link `a`, generation `b` */
    HAPPENS_SENT,     /* the node's SEND on link `a` is done, generation `b` */
    HAPPENS_OPENED,   /* link `a` reaches the node, generation `b` */
    HAPPENS_CLOSED,   /* link `a` is closed for the node, generation `b` */
    HAPPENS_REFUSED,  /* nobody listens where link `a` was to go, in life `b` of the machine */
    HAPPENS_DEADLINE, /* `b`: the generation of the node's deadline */
    HAPPENS_CLIENT,   /* client `a` wakes up */
    HAPPENS_FAULT,    /* entry `a` of the schedule */
    HAPPENS_FAULT_END,
    HAPPENS_START, /* the node's process begins */
    HAPPENS_PHASE, /* the run goes on to its next phase */
};

struct happening {
    uint64_t time_ns;
    uint64_t sequence;
    enum happening_kind kind;
    uint32_t node;
    uint32_t a;
    uint32_t b;
};

struct queue {
    struct happening *heap;
    uint32_t count;
    uint32_t max;
    uint64_t sequence;
};

void queue_init(struct queue *queue);
void queue_free(struct queue *queue);
void queue_add(struct queue *queue, const struct happening *happening);

/* False: nothing will ever happen again. */
bool queue_next(struct queue *queue, struct happening *happening);

#endif
