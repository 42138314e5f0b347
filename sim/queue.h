/* queue.h -- what happens next? Simulated time is the smallest key of a heap.
 *
 * Keys are (time, sequence): what was queued first at one instant happens first, so a run has one order. */
#ifndef CHRONIK_SIM_QUEUE_H
#define CHRONIK_SIM_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

enum happening_kind {
    /* of connections: `a` is the connection's number * 2 + which end, `b` its generation (net.h) */
    HAPPENS_KNOCK,   /* somebody dials: end 1 is where */
    HAPPENS_OPENED,  /* the node of end 1 learns of it */
    HAPPENS_DIALED,  /* end 0 learns what came of it */
    HAPPENS_ARRIVAL, /* something may have come for the end */
    HAPPENS_SENT,    /* the end's SEND may be done */
    HAPPENS_CLOSED,  /* the end's CLOSE_LINK is done */

    HAPPENS_DISK,     /* `a`: the order's slot, `b`: the life that gave it */
    HAPPENS_DEADLINE, /* `b`: the generation of the node's deadline */
    HAPPENS_START,    /* the node's process begins, or is asked to stop */
    HAPPENS_CLIENT,   /* client `a` wakes up */
    HAPPENS_FAULT,    /* entry `a` of the schedule */
    HAPPENS_FAULT_END,
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
