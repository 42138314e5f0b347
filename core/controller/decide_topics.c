/* decide_topics.c -- topics and partitions: made, grown, removed. */
#include "base/check.h"
#include "controller/decide.h"

/* Puts the records back as they were; for wishes that fail half way. */
static enum error refuse(struct decision *decision, const struct proposal *before, enum error error)
{
    *decision->records = *before;
    return error;
}

static enum error say(struct decision *decision, enum error error, const char *words)
{
    text_add(decision->message, words);
    return error;
}

/* ---- who gets replicas ---- */

static enum error say_broker(struct decision *decision, const char *before, int32_t broker, const char *after)
{
    text_add(decision->message, before);
    text_add_int(decision->message, broker);
    text_add(decision->message, after);
    return ERROR_INVALID_REPLICA_ASSIGNMENT;
}

enum error decide_assignment(struct decision *decision, const int32_t *ids, uint32_t count, uint32_t expected)
{
    if (count == 0) {
        return say(decision, ERROR_INVALID_REPLICA_ASSIGNMENT,
                   "The manual partition assignment includes an empty replica list.");
    }
    if (count > REPLICAS_MAX) {
        return say(decision, ERROR_INVALID_REPLICA_ASSIGNMENT,
                   "The manual partition assignment includes more replicas than a partition may have.");
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (ids[i] != ids[j]) continue;
            return say_broker(decision, "The manual partition assignment includes the broker ", ids[i],
                              " more than once.");
        }
        if (ids[i] < 0 || image_broker_by_id(decision->image, ids[i]) == SLOT_NONE) {
            return say_broker(decision, "The manual partition assignment includes broker ", ids[i],
                              ", but no such broker is registered.");
        }
        if (image_broker(decision->image, image_broker_by_id(decision->image, ids[i]))->leaving) {
            return say_broker(decision, "The manual partition assignment includes broker ", ids[i],
                              ", which is leaving the cluster.");
        }
        if (image_broker(decision->image, image_broker_by_id(decision->image, ids[i]))->observer) {
            return say_broker(decision, "The manual partition assignment includes broker ", ids[i],
                              ", which is an observer.");
        }
    }
    if (expected != 0 && count != expected) {
        text_add(decision->message, "The manual partition assignment includes a partition with ");
        text_add_int(decision->message, count);
        text_add(decision->message, " replica(s), but this is not consistent with previous partitions, which have ");
        text_add_int(decision->message, expected);
        return say(decision, ERROR_INVALID_REPLICA_ASSIGNMENT, " replica(s).");
    }
    return ERROR_NONE;
}

static bool can_lead(const struct image_broker *broker)
{
    return !broker->fenced && !broker->in_controlled_shutdown;
}

/* A partition that nobody could lead would have nobody to begin with. */
static enum error judge_alive(struct decision *decision, int32_t index, const int32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (can_lead(image_broker(decision->image, image_broker_by_id(decision->image, ids[i])))) return ERROR_NONE;
    }
    text_add(decision->message, "All brokers specified in the manual partition assignment for partition ");
    text_add_int(decision->message, index);
    return say(decision, ERROR_INVALID_REPLICA_ASSIGNMENT, " are fenced or in controlled shutdown.");
}

/* The first replica that can lead does; who cannot is not in sync. */
static void add_partition(struct decision *decision, const struct uuid *topic_id, int32_t index,
                          const int32_t *replicas, uint32_t count)
{
    int32_t isr[REPLICAS_MAX];
    struct metadata_partition_record record = { .topic_id = *topic_id,
                                                .index = index,
                                                .replicas = replicas,
                                                .replicas_count = count,
                                                .isr = isr,
                                                .leader = -1,
                                                .last_leader = -1 };

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t broker = image_broker_by_id(decision->image, replicas[i]);
        if (!can_lead(image_broker(decision->image, broker))) continue;
        if (record.leader == -1) record.leader = replicas[i];
        isr[record.isr_count++] = replicas[i];
    }
    if (record.isr_count == count) { /* null: the replicas */
        record.isr = NULL;
        record.isr_count = 0;
    }
    proposal_add_partition(decision->records, &record);
}

/* Partitions [first, end) of a topic, spread over the brokers. */
static void spread(struct decision *decision, const struct uuid *topic_id, uint32_t first, uint32_t end,
                   uint32_t replica_count)
{
    placement_begin(decision->placement, decision->start);
    for (uint32_t index = first; index < end && proposal_ok(decision->records); index++) {
        int32_t replicas[REPLICAS_MAX];
        placement_next(decision->placement, decision->image, index, replica_count, replicas);
        add_partition(decision, topic_id, (int32_t)index, replicas, replica_count);
    }
}

static enum error say_too_many(struct decision *decision, const char *what, uint32_t left)
{
    text_add(decision->message, "This cluster has room for ");
    text_add_int(decision->message, left);
    text_add(decision->message, " more ");
    return say(decision, ERROR_POLICY_VIOLATION, what);
}

/* Room for so many partitions, in the cluster and in the request. */
static enum error take_partitions(struct decision *decision, uint32_t count)
{
    if (count > decision->request_partitions_left || !proposal_ok(decision->records)) {
        return say(decision, ERROR_POLICY_VIOLATION, "Excessively large number of partitions per request.");
    }
    if (count > decision->partitions_left) return say_too_many(decision, "partition(s).", decision->partitions_left);
    return ERROR_NONE;
}

/* ---- creation ---- */

/* How many partitions and replicas it will have, and is meant to have. */
struct extent {
    uint32_t partitions;
    uint32_t replicas;
    uint32_t target;
};

static enum error judge_manual(struct decision *decision, const struct create_topics_request_topic *topic,
                               struct extent *extent)
{
    const uint32_t count = topic->assignments_count;

    if (topic->replication_factor != -1) {
        return say(decision, ERROR_INVALID_REQUEST,
                   "A manual partition assignment was specified, but replication factor was not set to -1.");
    }
    if (topic->num_partitions != -1) {
        return say(decision, ERROR_INVALID_REQUEST,
                   "A manual partition assignment was specified, but numPartitions was not set to -1.");
    }
    extent->replicas = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct create_topics_request_assignment *given = &topic->assignments[i];
        if (given->partition_index < 0 || (uint32_t)given->partition_index >= count) {
            return say(decision, ERROR_INVALID_REPLICA_ASSIGNMENT,
                       "partitions should be a consecutive 0-based integer sequence");
        }
        const enum error error =
            decide_assignment(decision, given->broker_ids, given->broker_ids_count, extent->replicas);
        if (error != ERROR_NONE) return error;
        extent->replicas = given->broker_ids_count;
    }
    extent->partitions = count;
    extent->target = extent->replicas;
    return ERROR_NONE;
}

static enum error judge_counts(struct decision *decision, const struct create_topics_request_topic *topic,
                               struct extent *extent)
{
    const uint32_t brokers = placement_count(decision->placement);

    if (topic->replication_factor < -1 || topic->replication_factor == 0) {
        return say(decision, ERROR_INVALID_REPLICATION_FACTOR,
                   "Replication factor must be larger than 0, or -1 to use the default value.");
    }
    if (topic->num_partitions < -1 || topic->num_partitions == 0) {
        return say(decision, ERROR_INVALID_PARTITIONS,
                   "Number of partitions was set to an invalid non-positive value.");
    }
    extent->partitions = (uint32_t)topic->num_partitions;
    if (topic->num_partitions == -1) {
        extent->partitions = (uint32_t)broker_config_int(decision->image, CONFIG_NUM_PARTITIONS);
    }
    extent->target = (uint32_t)topic->replication_factor;
    if (topic->replication_factor == -1) {
        extent->target = (uint32_t)broker_config_int(decision->image, CONFIG_DEFAULT_REPLICATION_FACTOR);
    }
    extent->replicas = extent->target;
    /* The default is a target: fewer nodes, fewer replicas, until there are more. What is asked for is a demand. */
    if (topic->replication_factor == -1) extent->replicas = MIN(extent->target, brokers);
    const bool able = placement_able_count(decision->placement) > 0;
    if (able && extent->replicas <= MIN(brokers, (uint32_t)REPLICAS_MAX)) return ERROR_NONE;
    text_add(decision->message, "Unable to replicate the partition ");
    text_add_int(decision->message, extent->target);
    if (!able) return say(decision, ERROR_INVALID_REPLICATION_FACTOR, " time(s): All brokers are currently fenced.");
    text_add(decision->message, " time(s): The target replication factor of ");
    text_add_int(decision->message, extent->target);
    text_add(decision->message, " cannot be reached because only ");
    text_add_int(decision->message, brokers);
    return say(decision, ERROR_INVALID_REPLICATION_FACTOR, " broker(s) are registered.");
}

static enum error judge_name(struct decision *decision, struct bytes name)
{
    const enum error error = decide_name(name, decision->message);
    if (error != ERROR_NONE) return error;
    const uint32_t like = image_topic_like(decision->image, name);
    if (like == SLOT_NONE) return ERROR_NONE;

    text_add(decision->message, "Topic '");
    text_add_bytes(decision->message, name);
    if (image_topic_by_name(decision->image, name) != SLOT_NONE) {
        return say(decision, ERROR_TOPIC_ALREADY_EXISTS, "' already exists.");
    }
    text_add(decision->message, "' collides with existing topic: ");
    text_add_bytes(decision->message, image_topic_name(decision->image, like));
    return ERROR_INVALID_TOPIC_EXCEPTION;
}

static enum error judge_topic_settings(struct decision *decision, const struct create_topics_request_topic *topic,
                                       const struct uuid *id, struct topic_settings *settings)
{
    for (uint32_t i = 0; i < topic->configs_count; i++) {
        const struct create_topics_request_config *given = &topic->configs[i];
        const struct metadata_config_record record = {
            .resource_type = RESOURCE_TOPIC, .topic_id = *id, .name = given->name, .value = given->value
        };
        enum config_id config;
        int64_t value;
        const enum error error = decide_setting(decision, SCOPE_TOPIC, given->name, given->value, &config, &value);
        if (error != ERROR_NONE) return error;
        if ((settings->set >> config & 1) != 0) {
            return say(decision, ERROR_INVALID_REQUEST, "Error due to duplicate config keys");
        }
        settings->set |= (uint64_t)1 << config;
        settings->values[config] = value;
        proposal_add_config(decision->records, &record);
    }
    if (topic->configs_count > decision->settings_left) {
        return say_too_many(decision, "topic config(s).", decision->settings_left);
    }
    return ERROR_NONE;
}

/* Partitions in their order, whatever the order of the assignments. */
static enum error add_manual(struct decision *decision, const struct create_topics_request_topic *topic,
                             const struct uuid *id)
{
    enum { NOWHERE = UINT16_MAX };
    uint16_t places[REQUEST_PARTITIONS_MAX]; /* of each partition's assignment */

    CHECK(topic->assignments_count <= REQUEST_PARTITIONS_MAX);
    for (uint32_t i = 0; i < topic->assignments_count; i++) places[i] = NOWHERE;
    for (uint32_t i = 0; i < topic->assignments_count; i++) {
        const int32_t index = topic->assignments[i].partition_index; /* in range: judge_manual saw to it */
        if (places[index] != NOWHERE) {
            text_add(decision->message, "Found multiple manual partition assignments for partition ");
            text_add_int(decision->message, index);
            return ERROR_INVALID_REPLICA_ASSIGNMENT;
        }
        places[index] = (uint16_t)i;
    }
    for (uint32_t index = 0; index < topic->assignments_count; index++) {
        const struct create_topics_request_assignment *given = &topic->assignments[places[index]];
        const enum error error = judge_alive(decision, (int32_t)index, given->broker_ids, given->broker_ids_count);
        if (error != ERROR_NONE) return error;
        add_partition(decision, id, (int32_t)index, given->broker_ids, given->broker_ids_count);
    }
    return ERROR_NONE;
}

enum error decide_topic(struct decision *decision, const struct create_topics_request_topic *topic,
                        const struct uuid *id, struct topic_made *made)
{
    const struct proposal before = *decision->records;
    struct extent extent;
    enum error error = judge_name(decision, topic->name);
    if (error != ERROR_NONE) return error;
    error =
        topic->assignments_count > 0 ? judge_manual(decision, topic, &extent) : judge_counts(decision, topic, &extent);
    if (error != ERROR_NONE) return error;
    if (decision->topics_left == 0) return say_too_many(decision, "topic(s).", 0);
    error = take_partitions(decision, extent.partitions);
    if (error != ERROR_NONE) return error;

    *made = (struct topic_made){ .id = *id,
                                 .partition_count = (int32_t)extent.partitions,
                                 .replica_count = (int16_t)extent.replicas,
                                 .settings.replica_target = (uint8_t)extent.target };
    const struct metadata_topic_record record = { .name = topic->name,
                                                  .topic_id = *id,
                                                  .internal = topic_name_is_internal(topic->name),
                                                  .replica_target = (int8_t)extent.target };
    proposal_add_topic(decision->records, &record);
    error = judge_topic_settings(decision, topic, id, &made->settings);
    if (error == ERROR_NONE && topic->assignments_count > 0) error = add_manual(decision, topic, id);
    if (error != ERROR_NONE) return refuse(decision, &before, error);
    if (topic->assignments_count == 0) spread(decision, id, 0, extent.partitions, extent.replicas);
    if (!proposal_ok(decision->records)) {
        say(decision, ERROR_POLICY_VIOLATION, "Excessively large number of partitions per request.");
        return refuse(decision, &before, ERROR_POLICY_VIOLATION);
    }
    decision->topics_left--;
    decision->partitions_left -= extent.partitions;
    decision->request_partitions_left -= extent.partitions;
    decision->settings_left -= topic->configs_count;
    return ERROR_NONE;
}

/* ---- removal ---- */

enum error decide_topic_removal(struct decision *decision, uint32_t topic)
{
    const struct proposal before = *decision->records;

    if (broker_config_int(decision->image, CONFIG_DELETE_TOPIC_ENABLE) == 0) {
        return say(decision, ERROR_TOPIC_DELETION_DISABLED, "Topic deletion is disabled.");
    }
    if (image_topic(decision->image, topic)->internal) {
        return say(decision, ERROR_INVALID_TOPIC_EXCEPTION, "An internal topic is not deleted.");
    }
    const struct metadata_topic_removal_record record = { .topic_id = image_topic(decision->image, topic)->id };
    proposal_add_topic_removal(decision->records, &record);
    if (proposal_ok(decision->records)) return ERROR_NONE;
    say(decision, ERROR_POLICY_VIOLATION, "Excessively large number of topics per request.");
    return refuse(decision, &before, ERROR_POLICY_VIOLATION);
}

/* ---- growth ---- */

static enum error judge_growth(struct decision *decision, const struct create_partitions_request_topic *wish,
                               const struct image_topic *topic)
{
    const int64_t added = (int64_t)wish->count - topic->partition_count;

    if (topic->internal) { /* which partition a group belongs to hangs on their number, and so do its offsets */
        return say(decision, ERROR_INVALID_TOPIC_EXCEPTION, "An internal topic keeps its number of partitions.");
    }
    if (added == 0) {
        text_add(decision->message, "Topic already has ");
        text_add_int(decision->message, wish->count);
        return say(decision, ERROR_INVALID_PARTITIONS, " partition(s).");
    }
    if (added < 0) {
        text_add(decision->message, "The topic ");
        text_add_bytes(decision->message, wish->name);
        text_add(decision->message, " currently has ");
        text_add_int(decision->message, topic->partition_count);
        text_add(decision->message, " partition(s); ");
        text_add_int(decision->message, wish->count);
        return say(decision, ERROR_INVALID_PARTITIONS, " would not be an increase.");
    }
    if (wish->assignments != NULL && (int64_t)wish->assignments_count != added) {
        text_add(decision->message, "Attempted to add ");
        text_add_int(decision->message, added);
        text_add(decision->message, " additional partition(s), but only ");
        text_add_int(decision->message, wish->assignments_count);
        return say(decision, ERROR_INVALID_REPLICA_ASSIGNMENT, " assignment(s) were specified.");
    }
    return ERROR_NONE;
}

enum error decide_partitions(struct decision *decision, const struct create_partitions_request_topic *wish)
{
    const struct proposal before = *decision->records;
    const uint32_t slot = image_topic_by_name(decision->image, wish->name);
    if (slot == SLOT_NONE) {
        return say(decision, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.");
    }
    const struct image_topic *topic = image_topic(decision->image, slot);
    enum error error = judge_growth(decision, wish, topic);
    if (error != ERROR_NONE) return error;
    const uint32_t added = (uint32_t)wish->count - topic->partition_count;
    error = take_partitions(decision, added);
    if (error != ERROR_NONE) return error;

    const uint32_t replicas = MIN((uint32_t)topic->replica_target, placement_count(decision->placement));
    if (wish->assignments == NULL && placement_able_count(decision->placement) == 0) {
        text_add(decision->message, "Unable to replicate the partition ");
        text_add_int(decision->message, topic->replica_target);
        return say(decision, ERROR_INVALID_REPLICATION_FACTOR, " time(s): All brokers are currently fenced.");
    }
    const uint32_t usual = image_partition(decision->image, topic->first_partition)->replica_count;
    for (uint32_t i = 0; i < wish->assignments_count; i++) {
        const struct create_partitions_request_assignment *given = &wish->assignments[i];
        error = decide_assignment(decision, given->broker_ids, given->broker_ids_count, usual);
        const int32_t index = (int32_t)(topic->partition_count + i);
        if (error == ERROR_NONE) error = judge_alive(decision, index, given->broker_ids, given->broker_ids_count);
        if (error != ERROR_NONE) return refuse(decision, &before, error);
        add_partition(decision, &topic->id, index, given->broker_ids, given->broker_ids_count);
    }
    if (wish->assignments == NULL) {
        spread(decision, &topic->id, topic->partition_count, (uint32_t)wish->count, replicas);
    }
    if (!proposal_ok(decision->records)) {
        say(decision, ERROR_POLICY_VIOLATION, "Excessively large number of partitions per request.");
        return refuse(decision, &before, ERROR_POLICY_VIOLATION);
    }
    decision->partitions_left -= added;
    decision->request_partitions_left -= added;
    return ERROR_NONE;
}
