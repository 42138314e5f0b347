/* places.c -- the partitions of __consumer_offsets that are led here: gained, loaded, lost.
 *
 *     ELSEWHERE -> READING -> SETTLING -> ARMING -> OPEN
 *                    |  ^
 *                    v  '-- tried again, after a while
 *                   FAILED
 *
 * From each of them back to ELSEWHERE, when the partition is lost: whoever waits is told so at once, and what was known
 * is dropped in pieces. It may be led here again before that is done; then it waits. */
#include "base/check.h"
#include "controller/controller.h"
#include "group/state.h"
#include "meta/image.h"
#include "replica/replicas.h"

enum { RETRY_MS_MIN = 1000, RETRY_MS_MAX = 60000 }; /* of a log that could not be loaded; doubled each time */

/* ---- where a group is ---- */

uint32_t place_of(const struct groups *groups, struct bytes group_id)
{
    const struct image *image = groups->rooms.image;
    const uint32_t topic = image_topic_by_name(image, OFFSETS_TOPIC);

    if (topic == SLOT_NONE || image_topic(image, topic)->partition_count == 0) return SLOT_NONE;
    const uint32_t count = image_topic(image, topic)->partition_count;
    return image_partition_slot(image, topic, (int32_t)group_partition(group_id, count));
}

bool place_is_open(const struct groups *groups, uint32_t place)
{
    const struct place *at = &groups->places[place];

    return at->state == PLACE_OPEN && replicas_leader_epoch(groups->rooms.replicas, place) == at->leader_epoch;
}

/* Whether it is a partition of the topic, and led here as far as the metadata log says. */
static bool is_ours(const struct groups *groups, uint32_t log)
{
    const struct image *image = groups->rooms.image;
    const uint32_t topic = image_topic_by_name(image, OFFSETS_TOPIC);

    if (topic == SLOT_NONE) return false;
    const struct image_partition *partition = image_partition(image, log);
    return partition->topic == topic && image_partition_slot(image, topic, partition->index) == log &&
           partition->leader == groups->config.node_id;
}

enum error groups_place(const struct groups *groups, struct bytes group_id)
{
    if (group_id.size == 0) return ERROR_INVALID_GROUP_ID;
    const uint32_t place = place_of(groups, group_id);
    if (place == SLOT_NONE || !is_ours(groups, place)) return ERROR_NOT_COORDINATOR;
    if (place_is_open(groups, place)) return ERROR_NONE;
    if (groups->places[place].state == PLACE_FAILED) return ERROR_COORDINATOR_NOT_AVAILABLE;
    return ERROR_COORDINATOR_LOAD_IN_PROGRESS;
}

void groups_hurry(struct groups *groups, struct bytes group_id)
{
    const uint32_t log = place_of(groups, group_id);

    if (log != SLOT_NONE && chain_has(&groups->loading, log)) chain_add(&groups->urgent, log);
}

bool groups_are_loading(const struct groups *groups)
{
    return groups->watched.count > 0 || groups->loading.count > 0;
}

/* ---- lost ---- */

void groups_on_removed(struct groups *groups, uint32_t log)
{
    struct place *place = &groups->places[log];

    chain_remove(&groups->watched, log);
    if (place->state == PLACE_ELSEWHERE) return;
    chain_remove(&groups->loading, log);
    chain_remove(&groups->urgent, log);
    chain_remove(&groups->failed, log);
    loading_forget(groups, log);
    place->state = PLACE_ELSEWHERE;
    place->dropping = true;
    chain_add(&groups->dropping, log);
    for (uint32_t number = 0; number < groups->config.waiters_max; number++) {
        struct wait *wait = &groups->waits[number];
        if (wait->kind == WAIT_FREE || wait->group == NONE || groups->groups[wait->group].place != log) continue;
        if (wait->member != NONE) member_tell(groups, wait->member, ERROR_NOT_COORDINATOR);
        else wait_end(groups, wait->waiter, ERROR_NOT_COORDINATOR);
        wait->group = NONE;
    }
}

void groups_on_lost(struct groups *groups, uint32_t log)
{
    groups_on_removed(groups, log);
    if (is_ours(groups, log)) chain_add(&groups->watched, log); /* in another epoch */
}

/* Takes a bounded number of things away. True: all are gone. */
static bool drop_some(struct groups *groups, uint32_t log, uint32_t *left)
{
    struct place *place = &groups->places[log];

    writes_drop(groups, log);
    while (place->group_first != NONE && *left > 0) {
        const uint32_t number = place->group_first;
        struct group *group = &groups->groups[number];
        while (group->offset_first != NONE && *left > 0) {
            offset_remove(groups, group->offset_first);
            --*left;
        }
        while (group->member_first != NONE && *left > 0) {
            member_free(groups, group->member_first);
            --*left;
        }
        if (group->offset_first != NONE || group->member_first != NONE || *left == 0) return false;
        group->pending_count = 0;
        group_discard(groups, number);
        --*left;
    }
    return place->group_first == NONE;
}

static void drop(struct groups *groups)
{
    uint32_t left = DROPS_PER_STEP_MAX;

    while (groups->dropping.count > 0) {
        const uint32_t log = groups->dropping.first;
        if (!drop_some(groups, log, &left)) {
            groups->due = true;
            return;
        }
        chain_remove(&groups->dropping, log);
        groups->places[log].dropping = false;
    }
}

/* ---- gained ---- */

void groups_on_partition(struct groups *groups, uint32_t log)
{
    if (groups->places[log].state != PLACE_ELSEWHERE) {
        if (!is_ours(groups, log)) groups_on_removed(groups, log);
    } else if (is_ours(groups, log)) {
        chain_add(&groups->watched, log);
    } else {
        chain_remove(&groups->watched, log);
    }
}

static void gain(struct groups *groups, uint32_t log, int32_t leader_epoch, uint32_t failures)
{
    const struct log_offsets offsets = log_offsets(groups->rooms.logs, log);

    groups->places[log] = (struct place){
        .state = PLACE_READING,
        .leader_epoch = leader_epoch,
        .failures = failures,
        .next_offset = offsets.log_start_offset,
        .end_offset = MUTANT(group_loads_to_the_watermark) ? offsets.high_watermark : offsets.log_end_offset,
        .group_first = NONE,
        .write_first = NONE,
        .write_last = NONE,
    };
    groups->counters.loads++;
    chain_add(&groups->loading, log);
}

/* What is to be led here is led from the step on in which its log is ready for that. */
static void gain_all(struct groups *groups)
{
    uint32_t next;

    for (uint32_t log = groups->watched.first; log != CHAIN_NONE; log = next) {
        next = groups->watched.hooks[log].next;
        const int32_t leader_epoch = replicas_leader_epoch(groups->rooms.replicas, log);
        if (leader_epoch < 0 || groups->places[log].dropping) continue;
        chain_remove(&groups->watched, log);
        gain(groups, log, leader_epoch, 0);
    }
}

/* ---- failed ---- */

/* What was loaded is not all there is, and makes room for other logs. */
void place_fail(struct groups *groups, uint32_t log, struct effects *effects)
{
    struct place *place = &groups->places[log];
    const uint64_t retry_ms = (uint64_t)RETRY_MS_MIN << MIN(place->failures, 16U);

    chain_remove(&groups->loading, log);
    chain_remove(&groups->urgent, log);
    place->state = PLACE_FAILED;
    place->failures++;
    place->retry_ns = groups->mono_ns + MIN(retry_ms, (uint64_t)RETRY_MS_MAX) * NS_PER_MS;
    place->dropping = true;
    chain_add(&groups->dropping, log);
    chain_add(&groups->failed, log);
    groups->counters.load_failures++;
    groups->due = true;
    NOTE(effects, GROUPS_UNREADABLE, image_partition(groups->rooms.image, log)->index, groups->places[log].next_offset);
}

/* What could not be read may be readable by now, and what did not fit may fit. */
static void retry_all(struct groups *groups)
{
    uint32_t next;

    for (uint32_t log = groups->failed.first; log != CHAIN_NONE; log = next) {
        const struct place *place = &groups->places[log];
        next = groups->failed.hooks[log].next;
        if (place->dropping || groups->mono_ns < place->retry_ns) continue;
        chain_remove(&groups->failed, log);
        gain(groups, log, place->leader_epoch, place->failures);
    }
}

uint64_t places_deadline_ns(const struct groups *groups)
{
    uint64_t deadline_ns = UINT64_MAX;

    for (uint32_t log = groups->failed.first; log != CHAIN_NONE; log = groups->failed.hooks[log].next) {
        deadline_ns = MIN(deadline_ns, groups->places[log].retry_ns);
    }
    return deadline_ns;
}

/* ---- open ---- */

/* Members get their time from now on: nobody could have heard them before. */
static void arm(struct groups *groups, uint32_t log)
{
    struct place *place = &groups->places[log];

    for (uint32_t count = 0; place->arm_next != NONE; count++) {
        const struct group *group = &groups->groups[place->arm_next];
        if (count == LOOKS_PER_STEP_MAX) {
            groups->due = true;
            return;
        }
        if (group->consumer.is) consumer_settle(groups, place->arm_next);
        for (uint32_t member = group->member_first; member != NONE && !group->consumer.is;
             member = groups->members[member].next) {
            timer_set_member(groups, member);
        }
        place->arm_next = group->next;
    }
    place->state = PLACE_OPEN;
    place->failures = 0;
    chain_remove(&groups->loading, log);
    chain_remove(&groups->urgent, log);
}

static void settle_all(struct groups *groups)
{
    uint32_t next;

    for (uint32_t log = groups->loading.first; log != CHAIN_NONE; log = next) {
        struct place *place = &groups->places[log];
        next = groups->loading.hooks[log].next;
        if (place->state == PLACE_SETTLING) {
            const bool guesses = MUTANT(group_serves_uncommitted);
            if (!guesses && log_offsets(groups->rooms.logs, log).high_watermark < place->end_offset) continue;
            place->state = PLACE_ARMING;
            place->arm_next = place->group_first;
        }
        if (place->state == PLACE_ARMING) arm(groups, log);
    }
}

void places_work(struct groups *groups, struct effects *effects)
{
    if (groups->dropping.count > 0) drop(groups);
    if (groups->watched.count > 0) gain_all(groups);
    if (groups->failed.count > 0) retry_all(groups);
    if (groups->loading.count == 0) return;
    loading_work(groups, effects);
    settle_all(groups);
}
