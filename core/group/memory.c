/* memory.c -- what this room gets. All of it is reserved; what is touched grows with what clients do. */
#include "group/state.h"

enum { CACHE_LINE = 64, MEMORY_SIZE_MIN = 64 << 10, BATCH_SIZE_MIN = 64 << 10 };

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
    void *texts, *group_pool, *group_ids, *member_pool, *member_ids, *offset_pool, *offset_keys, *topic_pool,
        *topic_names, *timers, *write_pool;
    void *owners, *pattern_pool;
    struct chain_hook *unresolved, *watched, *loading, *urgent, *dropping, *failed, *wanting, *dying, *expected, *ready,
        *awaited;
};

/* Every waiter has a write under way at most, every group its generation, and as many may be left by waiters that are
 * gone. Who finds none waits. */
static uint32_t writes_max(const struct groups_config *config)
{
    return 2 * config->waiters_max + config->groups_max;
}

/* Partitions of one group, and those that members of all groups own. */
static uint32_t parts_max(const struct groups_config *config)
{
    return MIN(config->offsets_max, (uint32_t)GROUP_PARTS_MAX);
}

/* Those that may be there, and as many on their way as make nothing new. */
static uint32_t offsets_slots(const struct groups_config *config)
{
    return config->offsets_max + MIN(config->offsets_max, (uint32_t)OFFSETS_RESERVE_MAX);
}

/* Patterns are no more than groups. */
static void carve_workshop(struct carver *carver, struct workshop *shop, const struct groups_config *config)
{
    const uint64_t members = config->members_max, topics = config->topics_max, parts = parts_max(config);

    shop->topics_max = config->topics_max;
    shop->parts_max = (uint32_t)parts;
    shop->member_at = carve(carver, sizeof(uint32_t) * members);
    shop->member_set = carve(carver, sizeof(uint32_t) * members);
    shop->order = carve(carver, sizeof(uint32_t) * members);
    shop->share_first = carve(carver, sizeof(uint32_t) * (members + 1));
    shop->set_first = carve(carver, sizeof(uint32_t) * (members + 1));
    shop->set_user = carve(carver, sizeof(uint32_t) * members);
    shop->set_topics = carve(carver, sizeof(uint32_t) * parts);
    shop->set_table = carve(carver, sizeof(uint32_t) * 4 * (members + 1));
    shop->topic_slots = carve(carver, sizeof(uint32_t) * topics);
    shop->topic_index = carve(carver, sizeof(uint32_t) * topics);
    shop->topic_first = carve(carver, sizeof(uint32_t) * (topics + 1));
    shop->owner = carve(carver, sizeof(uint32_t) * parts);
    shop->scratch = carve(carver, sizeof(uint32_t) * assign_scratch_count(members, topics, members, parts));
    shop->parts = carve(carver, sizeof(struct part) * parts);
    shop->owned = carve(carver, sizeof(struct part) * parts);
    shop->assigned = carve(carver, sizeof(struct part) * parts);
    shop->revoking = carve(carver, sizeof(struct part) * parts);
    shop->taken = carve(carver, sizeof(bool) * parts);
    shop->names = carve(carver, sizeof(struct bytes) * topics);
}

static struct parts carve_all(struct carver *carver, struct groups *groups, const struct groups_config *config)
{
    struct parts parts;

    parts.texts = carve(carver, texts_size(config->memory_size));
    groups->groups = carve(carver, sizeof(struct group) * (uint64_t)config->groups_max);
    parts.group_pool = carve(carver, pool_size(config->groups_max));
    parts.group_ids = carve(carver, text_map_size(config->groups_max));
    groups->members = carve(carver, sizeof(struct member) * (uint64_t)config->members_max);
    parts.member_pool = carve(carver, pool_size(config->members_max));
    parts.member_ids = carve(carver, text_map_size(config->members_max));
    groups->offsets = carve(carver, sizeof(struct offset) * (uint64_t)offsets_slots(config));
    parts.offset_pool = carve(carver, pool_size(offsets_slots(config)));
    parts.offset_keys = carve(carver, map_size(offsets_slots(config), MAP_KEY_ID));
    groups->topics = carve(carver, sizeof(struct topic) * (uint64_t)config->topics_max);
    parts.topic_pool = carve(carver, pool_size(config->topics_max));
    parts.topic_names = carve(carver, text_map_size(config->topics_max));
    parts.timers = carve(carver, timers_size(config->groups_max + config->members_max));
    groups->places = carve(carver, sizeof(struct place) * (uint64_t)config->logs_max);
    parts.watched = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->logs_max);
    parts.loading = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->logs_max);
    parts.urgent = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->logs_max);
    parts.failed = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->logs_max);
    parts.dropping = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->logs_max);
    groups->writes = carve(carver, sizeof(struct write) * (uint64_t)writes_max(config));
    parts.awaited = carve(carver, sizeof(struct chain_hook) * (uint64_t)writes_max(config));
    parts.write_pool = carve(carver, pool_size(writes_max(config)));
    parts.wanting = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->groups_max);
    parts.dying = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->groups_max);
    parts.expected = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->groups_max);
    groups->waits = carve(carver, sizeof(struct wait) * (uint64_t)config->waiters_max);
    parts.ready = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->waiters_max);
    parts.owners = carve(carver, map_size(parts_max(config), MAP_KEY_ID));
    groups->patterns = carve(carver, sizeof(struct pattern) * (uint64_t)config->groups_max);
    parts.pattern_pool = carve(carver, pool_size(config->groups_max));
    parts.unresolved = carve(carver, sizeof(struct chain_hook) * (uint64_t)config->groups_max);
    groups->matched = carve(carver, sizeof(struct bytes) * (uint64_t)config->topics_max);
    carve_workshop(carver, &groups->workshop, config);
    groups->batch_size = MAX(config->message_size_max, (uint32_t)BATCH_SIZE_MIN);
    groups->batch = carve(carver, groups->batch_size);
    groups->value = carve(carver, groups->batch_size);
    groups->reading.buffer_size = MAX(config->message_size_max, (uint32_t)BATCHES_READ_MAX);
    groups->reading.buffer = carve(carver, groups->reading.buffer_size);
    groups->unpack.output_size = UNPACK_SIZE;
    groups->unpack.output = carve(carver, UNPACK_SIZE);
    groups->unpack.scratch_size = DECOMPRESSION_SCRATCH_SIZE;
    groups->unpack.scratch = carve(carver, DECOMPRESSION_SCRATCH_SIZE);
    return parts;
}

static bool is_possible(const struct groups_config *config)
{
    const bool some = config->groups_max > 0 && config->members_max > 0 && config->offsets_max > 0 &&
                      config->topics_max > 0 && config->logs_max > 0 && config->waiters_max > 0;
    const bool timed =
        (uint64_t)config->groups_max + config->members_max <= TIMERS_SLOTS_MAX && config->offsets_max <= UINT32_MAX / 2;
    const bool power = (config->memory_size & (config->memory_size - 1)) == 0;

    return some && timed && power && config->memory_size >= MEMORY_SIZE_MIN;
}

size_t groups_size(const struct groups_config *config)
{
    struct groups measured;
    struct carver carver = { 0 };

    if (!is_possible(config)) return 0;
    carve(&carver, sizeof(struct groups));
    carve_all(&carver, &measured, config);
    return carver.size;
}

static void init_chains(struct groups *groups, const struct parts *parts)
{
    chain_init(&groups->unresolved, parts->unresolved);
    chain_init(&groups->watched, parts->watched);
    chain_init(&groups->loading, parts->loading);
    chain_init(&groups->urgent, parts->urgent);
    chain_init(&groups->dropping, parts->dropping);
    chain_init(&groups->failed, parts->failed);
    chain_init(&groups->wanting, parts->wanting);
    chain_init(&groups->dying, parts->dying);
    chain_init(&groups->expected, parts->expected);
    chain_init(&groups->ready, parts->ready);
    chain_init(&groups->awaited, parts->awaited);
}

void groups_init(struct groups *groups, const struct groups_config *config, const struct groups_rooms *rooms)
{
    struct carver carver = { .memory = (uint8_t *)groups };

    CHECK((uintptr_t)groups % CACHE_LINE == 0);
    CHECK(is_possible(config));
    *groups = (struct groups){ .config = *config, .rooms = *rooms, .look_group = NONE, .look_offset = NONE };
    carve(&carver, sizeof(struct groups));
    const struct parts parts = carve_all(&carver, groups, config);
    prng_init(&groups->prng, config->seed[0], config->seed[1]);
    const uint64_t hash_seed = prng_next(&groups->prng);
    texts_init(&groups->texts, parts.texts, config->memory_size);
    pool_init(&groups->group_pool, parts.group_pool, config->groups_max);
    text_map_init(&groups->group_ids, parts.group_ids, config->groups_max, hash_seed);
    pool_init(&groups->member_pool, parts.member_pool, config->members_max);
    text_map_init(&groups->member_ids, parts.member_ids, config->members_max, hash_seed);
    pool_init(&groups->offset_pool, parts.offset_pool, offsets_slots(config));
    map_init(&groups->offset_keys, parts.offset_keys, offsets_slots(config), MAP_KEY_ID, hash_seed);
    pool_init(&groups->topic_pool, parts.topic_pool, config->topics_max);
    text_map_init(&groups->topic_names, parts.topic_names, config->topics_max, hash_seed);
    map_init(&groups->owners, parts.owners, parts_max(config), MAP_KEY_ID, hash_seed);
    pool_init(&groups->pattern_pool, parts.pattern_pool, config->groups_max);
    groups->resolving.pattern = NONE;
    timers_init(&groups->timers, parts.timers, config->groups_max + config->members_max);
    pool_init(&groups->write_pool, parts.write_pool, writes_max(config));
    init_chains(groups, &parts);
}
