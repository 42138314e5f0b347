#include "broker/broker.h"

#include "base/check.h"
#include "broker/state.h"
#include "group/groups.h"

enum {
    CACHE_LINE = 64,
    FRAME_BLOCK_MIN = 4 << 10,
    ARENA_SIZE_MIN = 1 << 20,
    ARENA_SIZE_MAX = 64 << 20,
    UNPACK_SIZE_MIN = 1 << 20,
    UNPACK_SIZE_MAX = 128 << 20,
    BUSY_LINKS_MIN = 16, /* so many fit into frame memory */
    UNPACK_FACTOR = 64,  /* a batch that grows more than this is taken for a bomb */
};

/* ---- memory ---- */

struct sizes {
    uint32_t nest_size;
    uint32_t answers_max;
    uint32_t waits_max;
    uint32_t scratch_size;
    uint32_t unpack_size;
    uint64_t arena_size;
    struct buddy_config frames;
    struct buddy_config answers;
};

static uint64_t power_up(uint64_t value)
{
    uint64_t power = 1;

    while (power < value) power <<= 1;
    return power;
}

static uint64_t power_down(uint64_t value)
{
    const uint64_t power = power_up(value);

    return power == value ? power : power / 2;
}

static uint64_t clamp(uint64_t value, uint64_t min, uint64_t max)
{
    return value < min ? min : MIN(value, max);
}

/* A quarter of the request memory is nests, half is frames that do not fit there, a quarter is answers. */
static bool sizes_of(const struct broker_config *config, struct sizes *sizes)
{
    const uint64_t quarter = config->request_memory_size / 4 / FRAME_BLOCK_MIN * FRAME_BLOCK_MIN;

    if (config->links_max == 0 || config->logs_max == 0 || config->request_size_max < FRAME_SIZE_MIN) return false;
    if (quarter == 0 || quarter / config->links_max < NEST_SIZE_MIN) return false;
    /* No power of two: those are what clients fill with a batch, and then the frame around it does not fit. */
    const uint64_t nest_size = quarter / config->links_max;
    sizes->nest_size = (uint32_t)MIN(nest_size / NEST_SIZE_MIN * NEST_SIZE_MIN, (uint64_t)NEST_SIZE_MAX);
    sizes->frames = (struct buddy_config){
        .range_size = 2 * quarter,
        .block_min = FRAME_BLOCK_MIN,
        .block_max =
            (uint32_t)MAX(power_up((uint64_t)config->request_size_max + FRAME_HEAD_SIZE), (uint64_t)FRAME_BLOCK_MIN),
    };
    if (sizes->frames.block_max > sizes->frames.range_size || config->request_size_max > INT32_MAX / 2) return false;
    sizes->answers = (struct buddy_config){
        .range_size = quarter,
        .block_min = ANSWER_BLOCK_MIN,
        .block_max = (uint32_t)MIN(power_down(quarter), (uint64_t)2 * ANSWER_SIZE_MAX),
    };
    sizes->scratch_size = (uint32_t)MIN((uint64_t)ANSWER_SIZE_MAX, (uint64_t)sizes->answers.block_max);
    sizes->answers_max = ANSWERS_MIN + ANSWERS_PER_LINK * config->links_max;
    sizes->waits_max = 2 * (ANSWERS_MIN + ANSWERS_PER_LINK * config->links_max + config->logs_max);
    sizes->arena_size = clamp((uint64_t)4 * config->request_size_max, ARENA_SIZE_MIN, ARENA_SIZE_MAX);
    sizes->unpack_size =
        (uint32_t)clamp((uint64_t)UNPACK_FACTOR * config->message_size_max, UNPACK_SIZE_MIN, UNPACK_SIZE_MAX);
    return true;
}

/* Walks over the block: with no memory it only measures. */
struct carver {
    uint8_t *memory;
    size_t size;
};

static void *carve(struct carver *carver, uint64_t size)
{
    uint8_t *at = carver->memory == NULL ? NULL : carver->memory + carver->size;

    carver->size += (size_t)((size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    return at;
}

struct parts {
    void *timers, *frames, *answers, *answer_pool, *waits;
};

static struct parts carve_all(struct carver *carver, struct broker *broker, const struct broker_config *config,
                              const struct sizes *sizes)
{
    struct parts parts;

    broker->links = carve(carver, sizeof(struct link) * (uint64_t)config->links_max);
    broker->answers = carve(carver, sizeof(struct answer) * (uint64_t)sizes->answers_max);
    broker->answer_users = carve(carver, sizes->answers.range_size / ANSWER_BLOCK_MIN * sizeof(uint32_t));
    parts.timers = carve(carver, timers_size(config->links_max));
    parts.frames = carve(carver, buddy_size(&sizes->frames));
    parts.answers = carve(carver, buddy_size(&sizes->answers));
    parts.answer_pool = carve(carver, pool_size(sizes->answers_max));
    parts.waits = carve(carver, waits_size(config->logs_max, sizes->waits_max));
    broker->nests = carve(carver, (uint64_t)config->links_max * sizes->nest_size);
    broker->frame_memory = carve(carver, sizes->frames.range_size);
    broker->answer_memory = carve(carver, sizes->answers.range_size);
    broker->scratch = carve(carver, sizes->scratch_size);
    broker->unpack.output = carve(carver, sizes->unpack_size);
    broker->unpack.scratch = carve(carver, DECOMPRESSION_SCRATCH_SIZE);
    broker->arena.memory = carve(carver, sizes->arena_size);
    return parts;
}

size_t broker_size(const struct broker_config *config)
{
    struct sizes sizes;
    struct broker measured;
    struct carver carver = { 0 };

    if (!sizes_of(config, &sizes)) return 0;
    carve(&carver, sizeof(struct broker));
    carve_all(&carver, &measured, config, &sizes);
    return carver.size;
}

void broker_init(struct broker *broker, const struct broker_config *config, const struct broker_rooms *rooms)
{
    struct sizes sizes;
    struct carver carver = { .memory = (uint8_t *)broker };

    CHECK((uintptr_t)broker % CACHE_LINE == 0);
    CHECK(sizes_of(config, &sizes));
    *broker = (struct broker){ .config = *config, .rooms = *rooms };
    carve(&carver, sizeof(struct broker));
    const struct parts parts = carve_all(&carver, broker, config, &sizes);
    broker->nest_size = sizes.nest_size;
    broker->busy_size = (uint32_t)MIN(power_down(sizes.frames.range_size / BUSY_LINKS_MIN), (uint64_t)BUSY_SIZE_MAX);
    broker->scratch_size = sizes.scratch_size;
    broker->unpack.output_size = sizes.unpack_size;
    broker->unpack.scratch_size = DECOMPRESSION_SCRATCH_SIZE;
    broker->queue = (struct link_ends){ LINK_NONE, LINK_NONE };
    for (uint32_t i = 0; i < LIST_COUNT; i++) broker->lists[i] = (struct link_ends){ LINK_NONE, LINK_NONE };
    timers_init(&broker->timers, parts.timers, config->links_max);
    buddy_init(&broker->frames, parts.frames, &sizes.frames);
    buddy_init(&broker->answer_blocks, parts.answers, &sizes.answers);
    pool_init(&broker->answer_pool, parts.answer_pool, sizes.answers_max);
    waits_init(&broker->waits, parts.waits, config->logs_max, sizes.waits_max);
    arena_init(&broker->arena, broker->arena.memory, sizes.arena_size);
}

/* ---- from open to stopped ---- */

void broker_open(struct broker *broker)
{
    CHECK(!broker->open);
    broker->open = true;
    for (uint32_t number = 0; number < broker->config.links_max; number++) {
        if (broker->links[number].state != LINK_FREE) link_queue(broker, &broker->links[number]);
    }
}

void broker_stop(struct broker *broker)
{
    broker->stopping = true;
    for (uint32_t number = 0; number < broker->config.links_max; number++) {
        struct link *link = &broker->links[number];
        if (link->state == LINK_FREE) continue;
        answers_hurry(broker, link, broker->mono_ns + STOP_NS); /* where replicas are missing, their time may be long */
        if (link->wish != 0) { /* it was asked; but where nobody leads, its time may be long */
            link->wait.deadline_ns = MIN(link->wait.deadline_ns, broker->mono_ns + STOP_NS);
        } else if (link->suspended && !link->held) { /* a long poll ends now */
            link->timed_out = true;
            link_wake(broker, link);
        }
        link_queue(broker, link);
    }
}

bool broker_is_stopped(const struct broker *broker)
{
    return broker->stopping && broker->links_open == 0;
}

/* ---- facts ---- */

void broker_on_time(struct broker *broker, uint64_t mono_ns, int64_t wall_ms)
{
    CHECK(broker->mono_ns <= mono_ns);
    broker->mono_ns = mono_ns;
    broker->wall_ms = wall_ms;
    broker->step_size = 0;
    if (!MUTANT(terms_outlive_the_settings)) broker->terms.topic = SLOT_NONE;
}

void broker_on_link_opened(struct broker *broker, const struct event_link_opened *opened)
{
    link_open(broker, opened);
}

void broker_on_link_closed(struct broker *broker, uint32_t link)
{
    link_forget(broker, link);
}

void broker_on_received(struct broker *broker, const struct event_received *received, struct effects *effects)
{
    struct link *link = link_at(broker, received->link);

    CHECK(link->state != LINK_FREE && received->size > 0);
    link_received(broker, link, received);
    link_run(broker, link, effects);
}

void broker_on_sent(struct broker *broker, uint32_t number)
{
    struct link *link = link_at(broker, number);

    CHECK(link->state != LINK_FREE);
    link->active_ns = broker->mono_ns;
    answers_sent(broker, link);
    link_queue(broker, link);
}

/* Those who wait for what other replicas have deleted of it look again. */
static void wake_deleting(struct broker *broker, uint32_t log)
{
    for (uint32_t at = broker->lists[LIST_START].first, next; at != LINK_NONE; at = next) {
        struct link *link = link_at(broker, at);
        next = link->list_next;
        if (link->wait.value == log) link_wake(broker, link);
    }
}

void broker_on_high_watermark(struct broker *broker, uint32_t log)
{
    /* Asked once: what is durable and what is committed must be of one moment. */
    const struct log_offsets offsets = log_offsets(broker->rooms.logs, log);

    produce_progress(broker, log, offsets.durable_offset, offsets.high_watermark);
    fetch_progress(broker, log, offsets.high_watermark);
    wake_deleting(broker, log);
}

void broker_on_log_lost(struct broker *broker, uint32_t log)
{
    produce_lost(broker, QUEUE_DURABLE, log, ERROR_UNKNOWN_TOPIC_OR_PARTITION); /* the client looks for it anew */
    produce_lost(broker, QUEUE_COMMITTED, log, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    fetch_lost(broker, log);
    wake_deleting(broker, log);
}

void broker_on_leadership_lost(struct broker *broker, uint32_t log)
{
    if (MUTANT(broker_deposed_waits_on)) return;
    produce_lost(broker, QUEUE_DURABLE, log, ERROR_NOT_LEADER_OR_FOLLOWER);
    produce_lost(broker, QUEUE_COMMITTED, log, ERROR_NOT_LEADER_OR_FOLLOWER);
    fetch_lost(broker, log);
    wake_deleting(broker, log);
}

void broker_on_min_isr_lost(struct broker *broker, uint32_t log)
{
    produce_lost(broker, QUEUE_COMMITTED, log, ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
}

void broker_on_ready(struct broker *broker, uint64_t waiter)
{
    const uint32_t number = (uint32_t)waiter;

    if (number >= broker->config.links_max) return;
    struct link *link = link_at(broker, number);
    /* Of a request that is gone by now: then nobody waits. */
    if (link->state == LINK_FREE || request_waiter(broker, link) != waiter) return;
    if (link->suspended && link->wait.what == WAIT_READ) link_wake(broker, link);
}

void broker_on_group(struct broker *broker, uint64_t waiter)
{
    struct link *link = link_at(broker, (uint32_t)waiter);

    /* Of a request that is gone by now: then nobody waits. */
    if (link->state == LINK_FREE || !link->in_group || request_waiter(broker, link) != waiter) return;
    /* What a held answer says has not come true: another one takes its place. */
    if (link->held && groups_outcome(broker->rooms.groups, waiter) != ERROR_NONE) link->timed_out = true;
    link_wake(broker, link);
}

/* ---- the step's end ---- */

static bool step_has_room(const struct broker *broker, const struct effects *effects)
{
    return effects_space(effects) > ORDERS_KEPT + ORDERS_OF_LINK && broker->step_size < STEP_SIZE_MAX;
}

/* Lets those who wait for memory try, the oldest first; false: the oldest has still not enough. */
static bool retry(struct broker *broker, enum link_list list, struct effects *effects)
{
    while (broker->lists[list].first != LINK_NONE && step_has_room(broker, effects)) {
        struct link *link = link_at(broker, broker->lists[list].first);
        link_list_remove(broker, link);
        link->awake = link->suspended;
        link_run(broker, link, effects);
        if (link->list != list) continue;
        link_list_remove(broker, link); /* it has lost nothing by trying */
        link_list_add_first(broker, link, list);
        return false;
    }
    return true;
}

static void retry_all(struct broker *broker, struct effects *effects)
{
    while (broker->lists[LIST_DURABLE].first != LINK_NONE) {
        struct link *link = link_at(broker, broker->lists[LIST_DURABLE].first);
        if (!logs_is_durable(broker->rooms.logs, link->wait.value)) break;
        link_wake(broker, link);
    }
    if (logs_has_room(broker->rooms.logs)) retry(broker, LIST_APPEND, effects);
    if (broker->answers_freed) {
        broker->answers_freed = false;
        if (retry(broker, LIST_ANSWER, effects) && broker->lists[LIST_ANSWER].first != LINK_NONE) {
            broker->answers_freed = true; /* the step is full */
        }
    }
    if (broker->wishes_freed) {
        broker->wishes_freed = false;
        if (retry(broker, LIST_WISH_ROOM, effects) && broker->lists[LIST_WISH_ROOM].first != LINK_NONE) {
            broker->wishes_freed = true;
        }
    }
    if (broker->frames_freed) {
        broker->frames_freed = false;
        if (retry(broker, LIST_FRAME, effects) && broker->lists[LIST_FRAME].first != LINK_NONE) {
            broker->frames_freed = true;
        }
    }
}

void broker_work(struct broker *broker, struct effects *effects)
{
    if (!MUTANT(terms_outlive_the_settings)) broker->terms.topic = SLOT_NONE; /* the image may be another by now */
    while (effects_space(effects) > ORDERS_KEPT + ORDERS_OF_LINK) {
        const uint32_t due = timers_pop_due(&broker->timers, broker->mono_ns);
        if (due == TIMERS_NO_SLOT) break;
        link_expire(broker, link_at(broker, due), effects);
    }
    retry_all(broker, effects);
    while (broker->queue.first != LINK_NONE && step_has_room(broker, effects)) {
        struct link *link = link_at(broker, broker->queue.first);
        broker->queue.first = link->queue_next;
        if (broker->queue.first == LINK_NONE) broker->queue.last = LINK_NONE;
        link->queued = false;
        link_run(broker, link, effects);
    }
}

uint64_t broker_deadline_ns(const struct broker *broker)
{
    const bool answers = broker->answers_freed && broker->lists[LIST_ANSWER].first != LINK_NONE;
    const bool frames = broker->frames_freed && broker->lists[LIST_FRAME].first != LINK_NONE;
    const bool wishes = broker->wishes_freed && broker->lists[LIST_WISH_ROOM].first != LINK_NONE;

    if (broker->queue.first != LINK_NONE || answers || frames || wishes) return broker->mono_ns;
    return timers_next(&broker->timers);
}

/* ---- status ---- */

const struct broker_counters *broker_counters(const struct broker *broker)
{
    return &broker->counters;
}

struct broker_usage broker_usage(const struct broker *broker)
{
    return (struct broker_usage){
        .links = broker->links_open,
        .links_waiting = broker->links_suspended,
        .fetches_waiting = broker->fetches_waiting,
        .answers_waiting = broker->answers_unready + broker->wishes_waiting,
        .frames_size = broker->frames.taken_size,
        .answers_size = broker->answer_blocks.taken_size,
        .pinned_size = broker->pinned_size,
    };
}

void broker_check(const struct broker *broker)
{
    uint32_t open = 0, suspended = 0, fetches = 0, unready = 0, wishes = 0;

    for (uint32_t number = 0; number < broker->config.links_max; number++) {
        const struct link *link = &broker->links[number];
        if (link->state == LINK_FREE) continue;
        link_check(broker, number);
        open++;
        suspended += link->suspended;
        fetches += link->suspended && link->wait.what == WAIT_FETCH;
        unready += link->unready_count;
        wishes += link->wish != 0;
    }
    CHECK(wishes == broker->wishes_waiting);
    CHECK(open == broker->links_open);
    CHECK(suspended == broker->links_suspended);
    CHECK(fetches == broker->fetches_waiting);
    CHECK(unready == broker->answers_unready);
    buddy_check(&broker->frames);
    buddy_check(&broker->answer_blocks);
    pool_check(&broker->answer_pool);
    timers_check(&broker->timers);
    waits_check(&broker->waits);
}
