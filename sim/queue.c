#include "sim/queue.h"

#include <stdlib.h>

void queue_init(struct queue *queue)
{
    *queue = (struct queue){ .max = 1024, .heap = malloc(1024 * sizeof(struct happening)) };
}

void queue_free(struct queue *queue)
{
    free(queue->heap);
}

static bool earlier(const struct happening *a, const struct happening *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->sequence < b->sequence;
}

void queue_add(struct queue *queue, const struct happening *happening)
{
    if (queue->count == queue->max) {
        queue->max *= 2;
        queue->heap = realloc(queue->heap, queue->max * sizeof *queue->heap);
    }
    struct happening added = *happening;
    added.sequence = queue->sequence++;
    uint32_t at = queue->count++;
    while (at > 0 && earlier(&added, &queue->heap[(at - 1) / 2])) {
        queue->heap[at] = queue->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->heap[at] = added;
}

/* Bottom up: the hole sinks along the smaller children to a leaf, and the last element rises from there. One compare
 * per level instead of two, and it is almost always right. */
bool queue_next(struct queue *queue, struct happening *happening)
{
    if (queue->count == 0) return false;
    *happening = queue->heap[0];
    const struct happening last = queue->heap[--queue->count];
    uint32_t hole = 0;

    for (uint32_t child = 1; child < queue->count; child = 2 * hole + 1) {
        if (child + 1 < queue->count && earlier(&queue->heap[child + 1], &queue->heap[child])) child++;
        queue->heap[hole] = queue->heap[child];
        hole = child;
    }
    while (hole > 0 && earlier(&last, &queue->heap[(hole - 1) / 2])) {
        queue->heap[hole] = queue->heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    if (queue->count > 0) queue->heap[hole] = last;
    return true;
}
