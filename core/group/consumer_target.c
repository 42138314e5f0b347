/* consumer_target.c -- who in a group is to have what?
 *
 * What the group's members subscribe to is put into tables of numbers, which is all that the assignors see (assign.h).
 * What they answer is each member's target. A group whose subscriptions are more than the tables have room for keeps
 * the target that it has. */
#include "base/check.h"
#include "base/hash.h"
#include "base/siphash.h"
#include "group/state.h"
#include "meta/image.h"

/* ---- tables ---- */

/* Members that say the same subscribe to the same. */
static bool subscribe_alike(const struct groups *groups, uint32_t a, uint32_t b)
{
    const struct consumer_member *one = &groups->members[a].consumer, *other = &groups->members[b].consumer;

    return one->pattern == other->pattern &&
           bytes_equal(kept_bytes(groups, &one->names), kept_bytes(groups, &other->names));
}

/* The set of a member's topics, which may be one that is there already. True: it is new. */
static bool set_of(struct groups *groups, uint32_t member, uint32_t *set)
{
    struct workshop *shop = &groups->workshop;
    const struct consumer_member *consumer = &groups->members[member].consumer;
    uint64_t cell = hash_bytes(groups->group_ids.seed ^ consumer->pattern, kept_bytes(groups, &consumer->names));

    for (;; cell++) {
        const uint32_t found = shop->set_table[cell & shop->table_mask];
        if (found == NONE) break;
        if (!subscribe_alike(groups, shop->set_user[found], member)) continue;
        *set = found;
        return false;
    }
    *set = shop->assign.set_count++;
    shop->set_table[cell & shop->table_mask] = *set;
    shop->set_user[*set] = member;
    return true;
}

/* Topics by their slots, once each. False: they are too many. */
static bool add_names(struct groups *groups, struct bytes names, uint32_t set)
{
    struct workshop *shop = &groups->workshop;
    struct bytes name;

    while (names_next(&names, &name)) {
        const uint32_t slot = image_topic_by_name(groups->rooms.image, name);
        if (slot == SLOT_NONE) continue;
        if (slot >= shop->topics_max || shop->set_first[set + 1] == shop->parts_max) return false;
        shop->set_topics[shop->set_first[set + 1]++] = slot;
        if (shop->topic_index[slot] != NONE) continue;
        shop->topic_index[slot] = 0; /* it will be sorted */
        shop->topic_slots[shop->assign.topic_count++] = slot;
    }
    return true;
}

static const struct uuid *topic_id(const struct groups *groups, uint32_t slot)
{
    return &image_topic(groups->rooms.image, slot)->id;
}

static bool topic_is_after(const struct groups *groups, uint32_t a, uint32_t b)
{
    return memcmp(topic_id(groups, a)->bytes, topic_id(groups, b)->bytes, sizeof(struct uuid)) > 0;
}

/* As range has it: static members first, by their instances, and then the others, by their ids. */
static bool member_is_after(const struct groups *groups, uint32_t a, uint32_t b)
{
    const struct member *one = &groups->members[groups->workshop.member_at[a]];
    const struct member *other = &groups->members[groups->workshop.member_at[b]];
    const bool is_static = one->instance.size > 0;

    if (is_static != (other->instance.size > 0)) return !is_static;
    const struct bytes x = kept_bytes(groups, is_static ? &one->instance : &one->id);
    const struct bytes y = kept_bytes(groups, is_static ? &other->instance : &other->id);
    const int order = memcmp(x.data, y.data, MIN(x.size, y.size));
    return order != 0 ? order > 0 : x.size > y.size;
}

enum sorted { SORT_TOPICS, SORT_MEMBERS, SORT_NUMBERS };

static bool is_after(const struct groups *groups, enum sorted what, uint32_t a, uint32_t b)
{
    switch (what) {
    case SORT_TOPICS: return topic_is_after(groups, a, b);
    case SORT_MEMBERS: return member_is_after(groups, a, b);
    case SORT_NUMBERS: break;
    }
    return a > b;
}

static void sift(const struct groups *groups, enum sorted what, uint32_t *heap, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && is_after(groups, what, heap[child + 1], heap[child])) child++;
        if (!is_after(groups, what, heap[child], heap[at])) return;
        const uint32_t swapped = heap[at];
        heap[at] = heap[child];
        heap[child] = swapped;
        at = child;
    }
}

static void sort(const struct groups *groups, enum sorted what, uint32_t *list, uint32_t count)
{
    for (uint32_t at = count / 2; at-- > 0;) sift(groups, what, list, count, at);
    while (count > 1) {
        const uint32_t last = list[--count];
        list[count] = list[0];
        list[0] = last;
        sift(groups, what, list, count, 0);
    }
}

/* Each member's set. */
static bool tabulate_members(struct groups *groups, uint32_t group)
{
    struct workshop *shop = &groups->workshop;
    bool fits = true;

    for (uint32_t at = groups->groups[group].member_first; at != NONE && fits; at = groups->members[at].next) {
        const uint32_t number = shop->assign.member_count++;
        uint32_t set;
        shop->member_at[number] = at;
        shop->order[number] = number;
        if (set_of(groups, at, &set)) {
            const struct consumer_member *member = &groups->members[at].consumer;
            shop->set_first[set + 1] = shop->set_first[set];
            fits = add_names(groups, kept_bytes(groups, &member->names), set);
            if (fits && member->pattern != NONE) {
                fits = add_names(groups, kept_bytes(groups, &groups->patterns[member->pattern].topics), set);
            }
        }
        shop->member_set[number] = set;
    }
    return fits;
}

/* Topics get their numbers, by the order of their ids, and sets are of these. */
static bool tabulate_topics(struct groups *groups)
{
    struct workshop *shop = &groups->workshop;
    uint64_t partitions = 0, hash = shop->assign.topic_count;
    uint32_t kept = 0;

    sort(groups, SORT_TOPICS, shop->topic_slots, shop->assign.topic_count);
    for (uint32_t i = 0; i < shop->assign.topic_count; i++) {
        const struct image_topic *topic = image_topic(groups->rooms.image, shop->topic_slots[i]);
        shop->topic_index[shop->topic_slots[i]] = i;
        shop->topic_first[i] = (uint32_t)partitions;
        partitions += topic->partition_count;
        if (partitions > shop->parts_max) return false;
        const struct bytes id = { topic->id.bytes, sizeof topic->id.bytes };
        hash = siphash128(hash, topic->partition_count, id).low; /* the same on every node: it goes into the log */
    }
    shop->topic_first[shop->assign.topic_count] = (uint32_t)partitions;
    shop->hash = (int64_t)hash;
    for (uint32_t set = 0; set < shop->assign.set_count; set++) {
        const uint32_t from = shop->set_first[set], to = shop->set_first[set + 1], begin = kept;
        for (uint32_t i = from; i < to; i++) shop->set_topics[i] = shop->topic_index[shop->set_topics[i]];
        sort(groups, SORT_NUMBERS, shop->set_topics + from, to - from);
        for (uint32_t i = from; i < to; i++) { /* once each: by name, and by the expression */
            if (kept > begin && shop->set_topics[kept - 1] == shop->set_topics[i]) continue;
            shop->set_topics[kept++] = shop->set_topics[i];
        }
        shop->set_first[set] = begin;
    }
    shop->set_first[shop->assign.set_count] = kept;
    return true;
}

/* False: there is no room for all that. */
static bool tabulate(struct groups *groups, uint32_t group)
{
    struct workshop *shop = &groups->workshop;

    shop->assign = (struct assign){
        .topic_first = shop->topic_first,
        .member_set = shop->member_set,
        .set_first = shop->set_first,
        .set_topics = shop->set_topics,
        .order = shop->order,
        .owner = shop->owner,
        .scratch = shop->scratch,
    };
    shop->table_mask = 1;
    while (shop->table_mask / 2 < groups->groups[group].member_count) shop->table_mask = shop->table_mask * 2 + 1;
    for (uint32_t i = 0; i <= shop->table_mask; i++) shop->set_table[i] = NONE;
    for (uint32_t i = 0; i < shop->topics_max; i++) shop->topic_index[i] = NONE;
    shop->set_first[0] = 0;
    return tabulate_members(groups, group) && tabulate_topics(groups);
}

/* ---- the target ---- */

enum assignor group_assignor(const struct groups *groups, uint32_t group)
{
    uint32_t votes[ASSIGNOR_RANGE + 1] = { 0 };

    for (uint32_t at = groups->groups[group].member_first; at != NONE; at = groups->members[at].next) {
        votes[groups->members[at].consumer.assignor]++;
    }
    return votes[ASSIGNOR_RANGE] > votes[ASSIGNOR_UNIFORM] ? ASSIGNOR_RANGE : ASSIGNOR_UNIFORM;
}

/* The number of a partition in the tables; NONE: it is not in there. */
static uint32_t number_of(const struct groups *groups, const struct part *part)
{
    const struct workshop *shop = &groups->workshop;
    const uint32_t slot = image_topic_by_id(groups->rooms.image, &part->topic);

    if (slot == SLOT_NONE || slot >= shop->topics_max || shop->topic_index[slot] == NONE) return NONE;
    const uint32_t first = shop->topic_first[shop->topic_index[slot]];
    const uint32_t count = shop->topic_first[shop->topic_index[slot] + 1] - first;
    return part->index >= 0 && (uint32_t)part->index < count ? first + (uint32_t)part->index : NONE;
}

/* Who was to have it until now. */
static void fill_owners(struct groups *groups)
{
    struct workshop *shop = &groups->workshop;

    for (uint32_t i = 0; i < shop->topic_first[shop->assign.topic_count]; i++) shop->owner[i] = ASSIGN_NOBODY;
    for (uint32_t i = 0; i < shop->assign.member_count; i++) {
        const struct part_list target = member_target(groups, shop->member_at[i]);
        for (uint32_t j = 0; j < target.count; j++) {
            const uint32_t number = number_of(groups, &target.list[j]);
            if (number != NONE) shop->owner[number] = i;
        }
    }
}

/* The partitions, member by member, in order. */
static void deal(struct groups *groups)
{
    struct workshop *shop = &groups->workshop;
    const uint32_t members = shop->assign.member_count;

    for (uint32_t i = 0; i <= members; i++) shop->share_first[i] = 0;
    for (uint32_t i = 0; i < shop->topic_first[shop->assign.topic_count]; i++) {
        if (shop->owner[i] != ASSIGN_NOBODY) shop->share_first[shop->owner[i] + 1]++;
    }
    for (uint32_t i = 0; i < members; i++) shop->share_first[i + 1] += shop->share_first[i];
    for (uint32_t topic = 0; topic < shop->assign.topic_count; topic++) {
        const struct uuid *id = topic_id(groups, shop->topic_slots[topic]);
        for (uint32_t i = shop->topic_first[topic]; i < shop->topic_first[topic + 1]; i++) {
            if (shop->owner[i] == ASSIGN_NOBODY) continue;
            shop->parts[shop->share_first[shop->owner[i]]++] =
                (struct part){ *id, (int32_t)(i - shop->topic_first[topic]) };
        }
    }
    for (uint32_t i = members; i > 0; i--) shop->share_first[i] = shop->share_first[i - 1];
    shop->share_first[0] = 0;
}

/* False: there is no room for it; what was done so far is repeated with the rest. */
static bool keep_targets(struct groups *groups)
{
    struct workshop *shop = &groups->workshop;

    for (uint32_t i = 0; i < shop->assign.member_count; i++) {
        struct member *member = &groups->members[shop->member_at[i]];
        const uint32_t first = shop->share_first[i];
        const struct bytes share =
            parts_bytes((struct part_list){ shop->parts + first, shop->share_first[i + 1] - first });
        if (texts_equal(&groups->texts, &member->consumer.target, share)) continue;
        if (!texts_replace(&groups->texts, &member->consumer.target, share)) return false;
        member->consumer.dirty |= TARGET;
    }
    return true;
}

void target_refresh(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];
    const uint64_t seen = image_view(groups->rooms.image).topic_changes + 1;
    const bool looks = group->consumer.topics_seen != seen;

    if (!looks && group->generation == group->consumer.target_epoch) return;
    if (group->consumer.target_epoch > 0 && groups->mono_ns < group->consumer.target_after_ns) return; /* later */
    if (group->member_count == 0 || !tabulate(groups, number)) return;
    group->consumer.topics_seen = seen;
    if (group->consumer.topics_hash != groups->workshop.hash) {
        group->consumer.topics_hash = groups->workshop.hash;
        /* Whoever changed the subscription has raised the epoch already. */
        if (group->generation == group->consumer.target_epoch) consumer_bump(groups, number);
        group->consumer.epoch_dirty = true;
    }
    if (group->generation == group->consumer.target_epoch) return;
    fill_owners(groups);
    if (group_assignor(groups, number) == ASSIGNOR_RANGE) {
        sort(groups, SORT_MEMBERS, groups->workshop.order, groups->workshop.assign.member_count);
        assign_range(&groups->workshop.assign);
    } else {
        assign_uniform(&groups->workshop.assign);
    }
    deal(groups);
    const uint32_t partitions = groups->workshop.topic_first[groups->workshop.assign.topic_count];
    group->consumer.target_after_ns = groups->mono_ns + assign_pause_ms(group->member_count, partitions) * NS_PER_MS;
    write_want(groups, number);
    if (!keep_targets(groups)) return;
    group->consumer.target_epoch = group->generation;
    group->consumer.target_dirty = true;
}
