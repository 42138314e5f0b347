#include "log/producers.h"

#include "base/check.h"

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

size_t producers_size(uint32_t producers_max, uint32_t logs_max)
{
    return rounded(pool_size(producers_max)) + rounded(map_size(producers_max, MAP_KEY_ID)) +
           rounded(producers_max * sizeof(struct producer)) + rounded(logs_max * sizeof(uint32_t));
}

void producers_init(struct producers *producers, void *memory, uint32_t producers_max, uint32_t logs_max,
                    int64_t expiration_ms, uint64_t hash_seed)
{
    uint8_t *at = memory;

    *producers = (struct producers){
        .logs_max = logs_max, .expiration_ms = expiration_ms, .oldest = PRODUCER_NONE, .newest = PRODUCER_NONE
    };
    pool_init(&producers->pool, at, producers_max);
    at += rounded(pool_size(producers_max));
    map_init(&producers->map, at, producers_max, MAP_KEY_ID, hash_seed);
    at += rounded(map_size(producers_max, MAP_KEY_ID));
    producers->producers = (struct producer *)(void *)at;
    at += rounded(producers_max * sizeof(struct producer));
    producers->first_of_log = (uint32_t *)(void *)at; /* one more than the number: fresh memory says none */
}

static struct map_key key_of(uint32_t log, int64_t id)
{
    return (struct map_key){ { (uint64_t)id, log, 0 } };
}

static uint32_t find(const struct producers *producers, uint32_t log, int64_t id)
{
    uint32_t slot;

    return map_get(&producers->map, key_of(log, id), &slot) ? slot : PRODUCER_NONE;
}

/* ---- lists ---- */

static void age_unlink(struct producers *producers, uint32_t slot)
{
    const struct producer *producer = &producers->producers[slot];

    if (producer->older == PRODUCER_NONE) producers->oldest = producer->newer;
    else producers->producers[producer->older].newer = producer->newer;
    if (producer->newer == PRODUCER_NONE) producers->newest = producer->older;
    else producers->producers[producer->newer].older = producer->older;
}

static void age_append(struct producers *producers, uint32_t slot)
{
    struct producer *producer = &producers->producers[slot];

    producer->older = producers->newest;
    producer->newer = PRODUCER_NONE;
    if (producers->newest == PRODUCER_NONE) producers->oldest = slot;
    else producers->producers[producers->newest].newer = slot;
    producers->newest = slot;
}

static void forget(struct producers *producers, uint32_t slot)
{
    const struct producer *producer = &producers->producers[slot];

    if (producer->previous_of_log == PRODUCER_NONE) {
        producers->first_of_log[producer->log] = producer->next_of_log + 1;
    } else {
        producers->producers[producer->previous_of_log].next_of_log = producer->next_of_log;
    }
    if (producer->next_of_log != PRODUCER_NONE) {
        producers->producers[producer->next_of_log].previous_of_log = producer->previous_of_log;
    }
    age_unlink(producers, slot);
    CHECK(map_remove(&producers->map, key_of(producer->log, producer->id)));
    pool_give(&producers->pool, slot);
}

static uint32_t make(struct producers *producers, uint32_t log, int64_t id)
{
    const uint32_t slot = pool_take(&producers->pool);
    if (slot == POOL_NONE) return PRODUCER_NONE;

    const uint32_t first = producers_first_of_log(producers, log);
    producers->producers[slot] =
        (struct producer){ .id = id, .log = log, .next_of_log = first, .previous_of_log = PRODUCER_NONE };
    if (first != PRODUCER_NONE) producers->producers[first].previous_of_log = slot;
    producers->first_of_log[log] = slot + 1;
    age_append(producers, slot);
    CHECK(map_put(&producers->map, key_of(log, id), slot) == MAP_ADDED);
    return slot;
}

/* ---- judging ---- */

static bool is_expired(const struct producers *producers, const struct producer *producer, int64_t wall_ms)
{
    /* A checkpoint may name any time, and the difference of two is exact without a sign. */
    const uint64_t unused_ms = (uint64_t)wall_ms - (uint64_t)producer->used_ms;
    return wall_ms > producer->used_ms && unused_ms >= (uint64_t)producers->expiration_ms;
}

int32_t producer_last_sequence(const struct producer_stamp *stamp)
{
    const uint32_t last = (uint32_t)stamp->first_sequence + (uint32_t)stamp->record_count - 1;
    return (int32_t)(last & INT32_MAX);
}

const struct producer_batch *producer_batch(const struct producer *producer, uint32_t age)
{
    if (age >= producer->batch_count) return NULL;
    return &producer->batches[(producer->batch_end - 1 - age) % PRODUCER_BATCHES_KEPT];
}

static const struct producer_batch *duplicate_of(const struct producer *producer, const struct producer_stamp *stamp)
{
    const uint32_t judged = MUTANT(producer_remembers_one_batch) ? 1 : PRODUCER_BATCHES_JUDGED;

    for (uint32_t age = 0; age < judged; age++) {
        const struct producer_batch *batch = producer_batch(producer, age);
        if (batch == NULL) return NULL;
        if (batch->epoch == stamp->epoch && batch->first_sequence == stamp->first_sequence &&
            batch->last_sequence == producer_last_sequence(stamp)) {
            return batch;
        }
    }
    return NULL;
}

static bool make_room(struct producers *producers, int64_t wall_ms)
{
    if (producers->pool.taken_count < producers->pool.slots_max) return true;
    if (producers->oldest == PRODUCER_NONE) return false;
    if (!is_expired(producers, &producers->producers[producers->oldest], wall_ms)) return false;
    forget(producers, producers->oldest);
    return true;
}

enum producer_verdict producers_judge(struct producers *producers, uint32_t log, const struct producer_stamp *stamp,
                                      int64_t wall_ms, struct producer_batch *batch)
{
    CHECK(log < producers->logs_max && stamp->record_count >= 1);
    uint32_t slot = find(producers, log, stamp->id);
    if (slot != PRODUCER_NONE && is_expired(producers, &producers->producers[slot], wall_ms)) {
        forget(producers, slot);
        slot = PRODUCER_NONE;
    }
    /* Of one that we do not know, any sequence is the next: its state expired, or its records were deleted. */
    if (slot == PRODUCER_NONE) return make_room(producers, wall_ms) ? PRODUCER_NEXT : PRODUCER_TABLE_FULL;

    const struct producer *producer = &producers->producers[slot];
    const struct producer_batch *found = duplicate_of(producer, stamp);
    if (found != NULL) {
        *batch = *found;
        return PRODUCER_DUPLICATE;
    }
    const struct producer_batch *last = producer_batch(producer, 0);
    if (stamp->epoch < last->epoch) return PRODUCER_FENCED;
    const int32_t wanted = stamp->epoch > last->epoch ? 0 : (int32_t)(((uint32_t)last->last_sequence + 1) & INT32_MAX);
    return stamp->first_sequence == wanted ? PRODUCER_NEXT : PRODUCER_OUT_OF_ORDER;
}

/* ---- recording ---- */

static bool add_batch(struct producers *producers, uint32_t log, int64_t id, int64_t used_ms,
                      const struct producer_batch *batch)
{
    uint32_t slot = find(producers, log, id);
    if (slot == PRODUCER_NONE) slot = make(producers, log, id);
    if (slot == PRODUCER_NONE) return false;

    struct producer *producer = &producers->producers[slot];
    const struct producer_batch *last = producer_batch(producer, 0);
    if (last != NULL && last->base_offset >= batch->base_offset) return true; /* a checkpoint knew it already */
    producer->batches[producer->batch_end++ % PRODUCER_BATCHES_KEPT] = *batch;
    if (producer->batch_count < PRODUCER_BATCHES_KEPT) producer->batch_count++;
    else producer->older_lost = true;
    producer->used_ms = used_ms;
    age_unlink(producers, slot);
    age_append(producers, slot);
    return true;
}

bool producers_record(struct producers *producers, uint32_t log, const struct producer_stamp *stamp,
                      int64_t base_offset, int64_t timestamp, int64_t wall_ms)
{
    CHECK(log < producers->logs_max && stamp->record_count >= 1);
    const struct producer_batch batch = { base_offset, timestamp, stamp->first_sequence, producer_last_sequence(stamp),
                                          stamp->epoch };
    if (add_batch(producers, log, stamp->id, wall_ms, &batch)) return true;
    const bool expired = make_room(producers, wall_ms);
    if (!expired) forget(producers, producers->oldest);
    const bool added = add_batch(producers, log, stamp->id, wall_ms, &batch);
    CHECK(added);
    return expired;
}

bool producers_restore(struct producers *producers, uint32_t log, int64_t id, int64_t used_ms, bool older_lost,
                       const struct producer_batch *batch)
{
    CHECK(log < producers->logs_max);
    if (!add_batch(producers, log, id, used_ms, batch)) return false;
    producers->producers[find(producers, log, id)].older_lost |= older_lost;
    return true;
}

/* ---- taking back ---- */

/* False: what is left does not tell all that a log with these records would know. */
static bool take_back(struct producers *producers, uint32_t slot, int64_t end_offset)
{
    struct producer *producer = &producers->producers[slot];

    while (producer->batch_count > 0 && producer_batch(producer, 0)->base_offset >= end_offset) {
        producer->batch_count--;
        producer->batch_end--;
    }
    if (producer->older_lost && producer->batch_count < PRODUCER_BATCHES_JUDGED) return false;
    if (producer->batch_count == 0) forget(producers, slot);
    return true;
}

bool producers_truncate(struct producers *producers, uint32_t log, int64_t end_offset)
{
    uint32_t next;

    for (uint32_t slot = producers_first_of_log(producers, log); slot != PRODUCER_NONE; slot = next) {
        next = producers->producers[slot].next_of_log;
        if (take_back(producers, slot, end_offset)) continue;
        producers_forget_log(producers, log);
        return false;
    }
    return true;
}

/* ---- forgetting ---- */

bool producers_expire(struct producers *producers, int64_t wall_ms, uint32_t count_max)
{
    while (producers->oldest != PRODUCER_NONE &&
           is_expired(producers, &producers->producers[producers->oldest], wall_ms)) {
        if (count_max-- == 0) return true;
        forget(producers, producers->oldest);
    }
    return false;
}

bool producers_need(const struct producers *producers, uint32_t log, int64_t id, int64_t base_offset,
                    int64_t high_watermark)
{
    const uint32_t slot = find(producers, log, id);
    uint32_t committed = 0;
    if (slot == PRODUCER_NONE) return false;
    const struct producer *producer = &producers->producers[slot];

    for (uint32_t age = 0; age < producer->batch_count; age++) {
        const struct producer_batch *batch = producer_batch(producer, age);
        committed += batch->base_offset < high_watermark;
        if (committed == PRODUCER_BATCHES_JUDGED) return base_offset >= batch->base_offset;
    }
    return true; /* which ones they are is not known */
}

void producers_forget_log(struct producers *producers, uint32_t log)
{
    for (uint32_t slot; (slot = producers_first_of_log(producers, log)) != PRODUCER_NONE;) forget(producers, slot);
}

uint32_t producers_first_of_log(const struct producers *producers, uint32_t log)
{
    CHECK(log < producers->logs_max);
    return producers->first_of_log[log] - 1;
}

uint32_t producers_next_of_log(const struct producers *producers, uint32_t producer)
{
    return producers->producers[producer].next_of_log;
}

void producers_check(const struct producers *producers)
{
    uint32_t count = 0, previous = PRODUCER_NONE;

    for (uint32_t slot = producers->oldest; slot != PRODUCER_NONE; slot = producers->producers[slot].newer) {
        const struct producer *producer = &producers->producers[slot];
        CHECK(producer->older == previous);
        CHECK(find(producers, producer->log, producer->id) == slot); /* (1) */
        CHECK(producer->batch_count >= 1);                           /* (2) */
        for (uint32_t age = 1; age < producer->batch_count; age++) {
            CHECK(producer_batch(producer, age)->base_offset <
                  producer_batch(producer, age - 1)->base_offset); /* (2) */
        }
        previous = slot;
        count++;
    }
    CHECK(previous == producers->newest);
    CHECK(count == producers->pool.taken_count && count == producers->map.count); /* (1) */
}
