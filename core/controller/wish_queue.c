#include "controller/wish_queue.h"

#include "base/check.h"

enum { BLOCK_MIN = 1 << 10, LARGEST_AT_A_TIME = 8 };

static struct buddy_config blocks_of(uint32_t size_max)
{
    struct buddy_config config = { .block_min = BLOCK_MIN, .block_max = BLOCK_MIN };

    while (config.block_max < size_max) config.block_max *= 2;
    config.range_size = (uint64_t)config.block_max * LARGEST_AT_A_TIME;
    return config;
}

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

size_t wish_queue_memory_size(uint32_t size_max)
{
    const struct buddy_config blocks = blocks_of(size_max);

    return rounded(buddy_size(&blocks)) + blocks.range_size;
}

void wish_queue_init(struct wish_queue *queue, void *memory, uint32_t size_max)
{
    const struct buddy_config blocks = blocks_of(size_max);

    *queue = (struct wish_queue){ .first = WISH_QUEUE_NONE, .last = WISH_QUEUE_NONE };
    buddy_init(&queue->blocks, memory, &blocks);
    queue->memory = (uint8_t *)memory + rounded(buddy_size(&blocks));
}

static bool is_same(const struct wish *a, const struct wish *b)
{
    return a->broker_id == b->broker_id && a->sequence == b->sequence && uuid_equal(&a->incarnation, &b->incarnation);
}

static uint32_t find_free(struct wish_queue *queue)
{
    uint32_t entry = 0;

    while (entry < queue->fresh && queue->entries[entry].taken) entry++;
    if (entry == WISH_QUEUE_MAX) return WISH_QUEUE_NONE;
    if (entry == queue->fresh) queue->fresh++;
    return entry;
}

enum wish_queue_verdict wish_queue_add(struct wish_queue *queue, const struct wish *wish, bool own)
{
    uint64_t block = BUDDY_NONE;

    for (uint32_t at = queue->first; at != WISH_QUEUE_NONE; at = queue->entries[at].next) {
        struct wish *known = &queue->entries[at].wish;
        if (!is_same(known, wish)) continue;
        known->attempt = wish->attempt;
        known->first_open = MAX(known->first_open, wish->first_open);
        return WISH_QUEUED_ALREADY;
    }
    if (!own) {
        if (queue->foreign_count == WISH_QUEUE_FOREIGN_MAX) return WISH_QUEUE_FULL;
        if (wish->body.size > queue->blocks.config.block_max) return WISH_QUEUE_FULL;
        block = buddy_take(&queue->blocks, MAX(wish->body.size, 1U));
        if (block == BUDDY_NONE) return WISH_QUEUE_FULL;
    }
    const uint32_t entry = find_free(queue);
    CHECK(entry != WISH_QUEUE_NONE); /* we cannot have more open ourselves */
    struct queued_wish *queued = &queue->entries[entry];
    *queued = (struct queued_wish){
        .wish = *wish, .block = block, .taken = true, .next = WISH_QUEUE_NONE, .previous = queue->last
    };
    queued->wish.body = (struct bytes){ 0 };
    if (!own) {
        if (wish->body.size > 0) memcpy(queue->memory + block, wish->body.data, wish->body.size);
        queued->wish.body = (struct bytes){ queue->memory + block, wish->body.size };
    }
    if (queue->last == WISH_QUEUE_NONE) queue->first = entry;
    else queue->entries[queue->last].next = entry;
    queue->last = entry;
    queue->count++;
    queue->foreign_count += !own;
    queue->idle = false;
    return WISH_QUEUED;
}

/* Whether one of the same origin is before it. */
static bool has_elder(const struct wish_queue *queue, uint32_t entry)
{
    const int32_t origin = queue->entries[entry].wish.broker_id;
    uint32_t at = queue->first;

    while (at != entry && queue->entries[at].wish.broker_id != origin) at = queue->entries[at].next;
    return at != entry;
}

bool wish_queue_is_due(const struct wish_queue *queue, uint64_t applied_index)
{
    return queue->count > 0 && (!queue->idle || applied_index > queue->idle_index);
}

uint32_t wish_queue_next(struct wish_queue *queue, uint64_t applied_index)
{
    if (!wish_queue_is_due(queue, applied_index)) return WISH_QUEUE_NONE;
    for (uint32_t at = queue->first; at != WISH_QUEUE_NONE; at = queue->entries[at].next) {
        if (queue->entries[at].wait_index > applied_index) continue;
        if (!has_elder(queue, at) || MUTANT(wish_overtakes_its_elder)) return at;
    }
    queue->idle = true;
    queue->idle_index = applied_index;
    return WISH_QUEUE_NONE;
}

const struct wish *wish_queue_at(const struct wish_queue *queue, uint32_t entry)
{
    CHECK(entry < WISH_QUEUE_MAX && queue->entries[entry].taken);
    return &queue->entries[entry].wish;
}

bool wish_queue_is_again(const struct wish_queue *queue, uint32_t entry)
{
    CHECK(entry < WISH_QUEUE_MAX && queue->entries[entry].taken);
    return queue->entries[entry].wait_index > 0 || queue->entries[entry].wish.attempt > 1;
}

void wish_queue_wait(struct wish_queue *queue, uint32_t entry, uint64_t index)
{
    CHECK(queue->entries[entry].taken);
    queue->entries[entry].wait_index = index;
}

void wish_queue_drop(struct wish_queue *queue, uint32_t entry)
{
    struct queued_wish *gone = &queue->entries[entry];

    CHECK(gone->taken);
    if (gone->previous == WISH_QUEUE_NONE) queue->first = gone->next;
    else queue->entries[gone->previous].next = gone->next;
    if (gone->next == WISH_QUEUE_NONE) queue->last = gone->previous;
    else queue->entries[gone->next].previous = gone->previous;
    if (gone->block != BUDDY_NONE) {
        buddy_give(&queue->blocks, gone->block);
        queue->foreign_count--;
    }
    queue->count--;
    *gone = (struct queued_wish){ .block = BUDDY_NONE };
    queue->idle = false; /* whoever stood behind it */
}

void wish_queue_clear(struct wish_queue *queue)
{
    while (queue->first != WISH_QUEUE_NONE) wish_queue_drop(queue, queue->first);
}

void wish_queue_withdraw(struct wish_queue *queue, int32_t broker_id, uint64_t sequence)
{
    for (uint32_t at = queue->first; at != WISH_QUEUE_NONE; at = queue->entries[at].next) {
        const struct wish *wish = &queue->entries[at].wish;
        if (wish->broker_id != broker_id || wish->sequence != sequence) continue;
        wish_queue_drop(queue, at);
        return;
    }
}

void wish_queue_check(const struct wish_queue *queue)
{
    uint32_t count = 0, foreign = 0, previous = WISH_QUEUE_NONE;

    for (uint32_t at = queue->first; at != WISH_QUEUE_NONE; at = queue->entries[at].next) {
        CHECK(queue->entries[at].taken && queue->entries[at].previous == previous);
        foreign += queue->entries[at].block != BUDDY_NONE;
        previous = at;
        CHECK(count++ < WISH_QUEUE_MAX);
    }
    CHECK(previous == queue->last && count == queue->count && foreign == queue->foreign_count);
    buddy_check(&queue->blocks);
}
