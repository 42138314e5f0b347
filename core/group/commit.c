/* commit.c -- offsets on their way into the log: OffsetCommit, OffsetDelete, and what is deleted for being too old.
 *
 * What belongs together is one batch, is committed together, and is answered then. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

/* ---- who may ---- */

enum { FIRST_VERSION_WITH_EPOCHS = 9 };

/* A member of the newer protocol, in its epoch. */
static enum error judge_consumer(const struct groups *groups, const struct group_committer *committer)
{
    const enum error error =
        groups_consumer_judge(groups, committer->group_id, committer->member_id, committer->generation);
    const uint32_t member = member_find(groups, group_find(groups, committer->group_id), committer->member_id);

    if (member == NONE || groups->members[member].consumer.classic) return error;
    return committer->version < FIRST_VERSION_WITH_EPOCHS ? ERROR_UNSUPPORTED_VERSION : error;
}

enum error groups_may_commit(struct groups *groups, const struct group_committer *committer)
{
    const enum error placed = groups_place(groups, committer->group_id);
    const uint32_t number = placed == ERROR_NONE ? group_find(groups, committer->group_id) : NONE;
    const bool is_member =
        committer->generation >= 0 || committer->member_id.size > 0 || committer->instance_id.size > 0;
    uint32_t member;

    if (placed != ERROR_NONE) return placed;
    if (number == NONE) return committer->generation < 0 ? ERROR_NONE : ERROR_ILLEGAL_GENERATION;
    const struct group *group = &groups->groups[number];
    if (group->state == GROUP_DEAD) return ERROR_COORDINATOR_NOT_AVAILABLE;
    if (committer->generation < 0 && group->state == GROUP_EMPTY) return ERROR_NONE; /* it manages its own reading */
    if (!is_member) return ERROR_UNKNOWN_MEMBER_ID;
    if (group->consumer.is) return judge_consumer(groups, committer);
    const enum error error = member_judge(groups, number, committer->member_id, committer->instance_id,
                                          MAX(committer->generation, 0), &member);
    if (error != ERROR_NONE) return error;
    if (group->state == GROUP_COMPLETING) return ERROR_REBALANCE_IN_PROGRESS;
    timer_set_member(groups, member);
    return ERROR_NONE;
}

/* ---- one batch ---- */

void commit_begin(struct groups *groups, uint32_t group)
{
    struct committing *committing = &groups->committing;

    CHECK(!committing->open);
    *committing = (struct committing){ .open = true, .group = group, .first = NONE, .last = NONE };
    record_batch_builder_init(&committing->builder, groups->batch, groups->batch_size);
}

enum error groups_begin_commit(struct groups *groups, struct bytes group_id, uint32_t count)
{
    uint32_t group = group_find(groups, group_id);

    if (count > groups->offset_pool.slots_max - groups->offset_pool.taken_count) {
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    if (group == NONE && groups_are_crowded(groups)) return ERROR_COORDINATOR_NOT_AVAILABLE;
    if (group == NONE) group = group_make(groups, place_of(groups, group_id), group_id);
    if (group == NONE) return ERROR_COORDINATOR_NOT_AVAILABLE;
    commit_begin(groups, group);
    return ERROR_NONE;
}

static bool add_record(struct groups *groups, const struct record_key *key, const struct offset_value *value)
{
    struct committing *committing = &groups->committing;
    struct writer writer = writer_of(groups->value, groups->batch_size);
    struct record_input record = { .timestamp = groups->wall_ms };

    record_key_write(&writer, key);
    if (!writer_ok(&writer)) return false;
    record.key = writer_written(&writer);
    if (value != NULL) {
        offset_value_write(&writer, value);
        if (!writer_ok(&writer)) return false;
        record.value = (struct bytes){ record.key.data + record.key.size, (uint32_t)writer.size - record.key.size };
    }
    return record_batch_builder_add(&committing->builder, &record);
}

/* Behind the others of this commit. */
static enum error append(struct groups *groups, uint32_t offset, const struct record_key *key,
                         const struct offset_value *value)
{
    struct committing *committing = &groups->committing;

    CHECK(committing->open);
    if (!add_record(groups, key, value)) {
        offset_free(groups, offset);
        return ERROR_INVALID_COMMIT_OFFSET_SIZE;
    }
    groups->offsets[offset].deletes = value == NULL;
    if (committing->last == NONE) committing->first = offset;
    else groups->offsets[committing->last].next = offset;
    committing->last = offset;
    committing->count++;
    return ERROR_NONE;
}

static struct record_key key_of(const struct groups *groups, struct bytes topic, int32_t partition)
{
    return (struct record_key){
        .kind = RECORD_OFFSET,
        .group_id = kept_bytes(groups, &groups->groups[groups->committing.group].id),
        .topic = topic,
        .partition = partition,
    };
}

/* One more partition, or another offset for one that has some. */
static bool is_let_in(const struct groups *groups, const struct record_key *key)
{
    const uint32_t topic = topic_find(groups, key->topic);
    const bool known = topic != NONE && offset_find(groups, groups->committing.group, topic, key->partition) != NONE;

    return known || (offsets_have_room(groups, false) && !groups_are_crowded(groups));
}

enum error groups_add_commit(struct groups *groups, const struct group_offset *offset)
{
    const struct record_key key = key_of(groups, offset->topic, offset->partition);
    const struct offset_value value = {
        .offset = offset->offset,
        .leader_epoch = offset->leader_epoch,
        .metadata = offset->metadata,
        .commit_ms = groups->wall_ms,
        .expire_ms = offset->expire_ms < 0 ? NO_EXPIRY : offset->expire_ms,
    };

    if (offset->metadata.size > setting(groups, CONFIG_OFFSET_METADATA_MAX_BYTES)) {
        return ERROR_OFFSET_METADATA_TOO_LARGE;
    }
    if (!is_let_in(groups, &key)) return ERROR_COORDINATOR_NOT_AVAILABLE;
    const uint32_t made = offset_make(groups, groups->committing.group, &key, &value);
    return made == NONE ? ERROR_COORDINATOR_NOT_AVAILABLE : append(groups, made, &key, &value);
}

enum error commit_add_deletion(struct groups *groups, uint32_t number)
{
    const struct offset_value none = { .expire_ms = NO_EXPIRY };
    const struct offset *offset = &groups->offsets[number];
    const struct record_key key =
        key_of(groups, kept_bytes(groups, &groups->topics[offset->topic].name), offset->partition);
    if (groups->committing.count > 0 && groups->committing.builder.size > DELETIONS_SIZE) {
        return ERROR_INVALID_COMMIT_OFFSET_SIZE; /* any topic takes such a batch */
    }
    const uint32_t made = offset_make_for(groups, groups->committing.group, offset->topic, offset->partition, &none);

    return made == NONE ? ERROR_COORDINATOR_NOT_AVAILABLE : append(groups, made, &key, NULL);
}

enum error groups_add_deletion(struct groups *groups, struct bytes topic, int32_t partition)
{
    const uint32_t slot = topic_find(groups, topic);
    const uint32_t offset = slot == NONE ? NONE : offset_find(groups, groups->committing.group, slot, partition);

    return offset == NONE ? ERROR_NONE : commit_add_deletion(groups, offset);
}

static void give_back(struct groups *groups)
{
    struct committing *committing = &groups->committing;

    while (committing->first != NONE) {
        const uint32_t offset = committing->first;
        committing->first = groups->offsets[offset].next;
        offset_free(groups, offset);
    }
    group_discard_if_nothing(groups, committing->group);
}

enum group_verdict groups_end_commit(struct groups *groups, uint64_t waiter, enum error *error)
{
    struct committing *committing = &groups->committing;
    const struct write write = {
        .kind = WRITE_OFFSETS,
        .offset_first = committing->first,
        .offset_last = committing->last,
        .waiter = waiter,
    };
    enum append_outcome outcome = APPEND_REFUSED;

    CHECK(committing->open);
    committing->open = false;
    *error = ERROR_NONE;
    if (committing->count > 0) {
        const struct bytes batch = record_batch_builder_end(&committing->builder);
        outcome = write_append(groups, committing->group, batch, &write, error);
    }
    if (outcome != APPENDED) {
        give_back(groups);
        return outcome == APPEND_LATER ? GROUP_NO_ROOM : GROUP_ANSWERED;
    }
    if (waiter == NOBODY) return GROUP_WAITS;
    wait_begin(groups, waiter, WAIT_COMMIT)->group = committing->group;
    if (MUTANT(group_answers_before_commit)) wait_end(groups, waiter, ERROR_NONE);
    return GROUP_WAITS;
}
