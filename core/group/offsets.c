/* offsets.c -- what groups have committed, and what is on its way to that. */
#include "base/check.h"
#include "group/state.h"

/* ---- topics ---- */

uint32_t topic_find(const struct groups *groups, struct bytes name)
{
    struct text_map_search search;

    for (uint32_t topic = text_map_first(&groups->topic_names, name, &search); topic != TEXT_MAP_NONE;
         topic = text_map_next(&groups->topic_names, &search)) {
        if (bytes_equal(kept_bytes(groups, &groups->topics[topic].name), name)) return topic;
    }
    return NONE;
}

static uint32_t topic_make(struct groups *groups, struct bytes name)
{
    struct kept kept;
    const uint32_t topic = pool_take(&groups->topic_pool);

    if (topic == POOL_NONE) return NONE;
    if (!texts_keep(&groups->texts, name, &kept)) {
        pool_give(&groups->topic_pool, topic);
        return NONE;
    }
    groups->topics[topic] = (struct topic){ .name = kept };
    CHECK(text_map_add(&groups->topic_names, name, topic) == MAP_ADDED);
    return topic;
}

static void topic_release(struct groups *groups, uint32_t number)
{
    struct topic *topic = &groups->topics[number];

    if (topic->users > 0) return;
    if (!topic->removed) {
        CHECK(text_map_remove(&groups->topic_names, kept_bytes(groups, &topic->name), number));
    }
    texts_give(&groups->texts, &topic->name);
    pool_give(&groups->topic_pool, number);
}

void groups_on_topic_removed(struct groups *groups, struct bytes name)
{
    const uint32_t topic = topic_find(groups, name);

    if (topic == NONE) return;
    CHECK(text_map_remove(&groups->topic_names, name, topic));
    groups->topics[topic].removed = true;
    groups->look_due_ns = groups->mono_ns; /* what was committed for it is to go, */
    groups->look_again = true;             /* though a search under way be past it */
}

/* ---- offsets ---- */

static struct map_key key_of(uint32_t group, uint32_t topic, int32_t partition)
{
    return (struct map_key){ { group, topic, (uint32_t)partition } };
}

uint32_t offset_find(const struct groups *groups, uint32_t group, uint32_t topic, int32_t partition)
{
    uint32_t offset;

    return map_get(&groups->offset_keys, key_of(group, topic, partition), &offset) ? offset : NONE;
}

bool offsets_have_room(const struct groups *groups, bool replayed)
{
    const uint32_t reserve = groups->offset_pool.slots_max - groups->config.offsets_max;

    /* A log may have a few more than were ever let in: what was deleted on its way while it was written again. */
    return groups->offset_pool.taken_count < groups->config.offsets_max + (replayed ? reserve / 2 : 0);
}

uint32_t offset_make_for(struct groups *groups, uint32_t group, uint32_t topic, int32_t partition,
                         const struct offset_value *value)
{
    const uint32_t number = pool_take(&groups->offset_pool);
    struct kept metadata;

    if (number == POOL_NONE) return NONE;
    if (!texts_keep(&groups->texts, value->metadata, &metadata)) {
        pool_give(&groups->offset_pool, number);
        return NONE;
    }
    groups->topics[topic].users++;
    groups->offsets[number] = (struct offset){
        .group = group,
        .topic = topic,
        .partition = partition,
        .leader_epoch = value->leader_epoch,
        .offset = value->offset,
        .commit_ms = value->commit_ms,
        .expire_ms = value->expire_ms,
        .metadata = metadata,
        .previous = NONE,
        .next = NONE,
    };
    return number;
}

uint32_t offset_make(struct groups *groups, uint32_t group, const struct record_key *key,
                     const struct offset_value *value)
{
    uint32_t topic = topic_find(groups, key->topic);

    if (topic == NONE) topic = topic_make(groups, key->topic);
    if (topic == NONE) return NONE;
    const uint32_t made = offset_make_for(groups, group, topic, key->partition, value);
    if (made == NONE) topic_release(groups, topic);
    return made;
}

void offset_free(struct groups *groups, uint32_t number)
{
    struct offset *offset = &groups->offsets[number];
    const uint32_t topic = offset->topic;

    CHECK(groups->topics[topic].users > 0);
    groups->topics[topic].users--;
    texts_give(&groups->texts, &offset->metadata);
    pool_give(&groups->offset_pool, number);
    topic_release(groups, topic);
}

void offset_remove(struct groups *groups, uint32_t number)
{
    struct offset *offset = &groups->offsets[number];
    struct group *group = &groups->groups[offset->group];

    CHECK(map_remove(&groups->offset_keys, key_of(offset->group, offset->topic, offset->partition)));
    if (offset->previous == NONE) group->offset_first = offset->next;
    else groups->offsets[offset->previous].next = offset->next;
    if (offset->next != NONE) groups->offsets[offset->next].previous = offset->previous;
    group->offset_count--;
    if (groups->look_offset == number) groups->look_offset = offset->next;
    offset_free(groups, number);
}

void offset_commit(struct groups *groups, uint32_t number)
{
    struct offset *offset = &groups->offsets[number];
    struct group *group = &groups->groups[offset->group];
    const uint32_t before = offset_find(groups, offset->group, offset->topic, offset->partition);

    if (before != NONE) offset_remove(groups, before);
    if (offset->deletes) {
        offset_free(groups, number);
        return;
    }
    offset->previous = NONE;
    offset->next = group->offset_first;
    if (offset->next != NONE) groups->offsets[offset->next].previous = number;
    group->offset_first = number;
    group->offset_count++;
    CHECK(map_put(&groups->offset_keys, key_of(offset->group, offset->topic, offset->partition), number) == MAP_ADDED);
}

/* ---- what is told ---- */

static const struct group_offset nothing = { .offset = -1, .leader_epoch = -1, .expire_ms = -1 };

static struct group_offset told(const struct groups *groups, uint32_t number)
{
    const struct offset *offset = &groups->offsets[number];

    return (struct group_offset){
        .topic = kept_bytes(groups, &groups->topics[offset->topic].name),
        .partition = offset->partition,
        .offset = offset->offset,
        .leader_epoch = offset->leader_epoch,
        .metadata = kept_bytes(groups, &offset->metadata),
        .expire_ms = offset->expire_ms,
    };
}

struct group_offset groups_offset(const struct groups *groups, struct bytes group_id, struct bytes topic,
                                  int32_t partition)
{
    const uint32_t group = group_find(groups, group_id);
    const uint32_t slot = topic_find(groups, topic);

    if (group == NONE || slot == NONE || groups->groups[group].state == GROUP_DEAD) return nothing;
    const uint32_t offset = offset_find(groups, group, slot, partition);
    return offset == NONE ? nothing : told(groups, offset);
}

uint32_t groups_next_offset(const struct groups *groups, struct bytes group_id, uint32_t after,
                            struct group_offset *offset)
{
    uint32_t next;

    if (after == GROUP_NONE) {
        const uint32_t group = group_find(groups, group_id);
        if (group == NONE || groups->groups[group].state == GROUP_DEAD) return GROUP_NONE;
        next = groups->groups[group].offset_first;
    } else {
        next = groups->offsets[after].next;
    }
    while (next != NONE && groups->topics[groups->offsets[next].topic].removed) next = groups->offsets[next].next;
    if (next != NONE) *offset = told(groups, next);
    return next;
}

struct group_offset groups_offset_at(const struct groups *groups, uint32_t offset)
{
    return told(groups, offset);
}

uint32_t groups_offset_count(const struct groups *groups, struct bytes group_id)
{
    const uint32_t group = group_find(groups, group_id);

    return group == NONE ? 0 : groups->groups[group].offset_count;
}

uint32_t groups_offset_topic(const struct groups *groups, uint32_t offset)
{
    return groups->offsets[offset].topic;
}
