/* groups_world.h -- coordinators of groups over logs that a test holds in its hand, with the image of a small cluster.
 *
 * A waiter is a number from 1 on: who asks. What is appended is committed at once, unless `slow` is set; then a test
 * says when (world_commit). world_run does what a node does at a step's end until nothing is left; time moves only
 * where world_pass moves it. */
#ifndef CHRONIK_TESTS_GROUPS_WORLD_H
#define CHRONIK_TESTS_GROUPS_WORLD_H

#include "fake_logs.h"
#include "fake_replicas.h"
#include "group/groups.h"
#include "group/records.h"
#include "meta/records.h"
#include "t.h"
#include <string.h>

enum { WAITERS_MAX = 1100, OFFSETS_PARTITIONS = 4 };
#define MS UINT64_C(1000000)

struct world {
    struct groups *groups;
    struct image *image;
    struct logs *logs;
    struct replicas replicas;
    struct effects effects;
    uint64_t now;
    int64_t wall_ms;
    bool slow;
    bool ready[WAITERS_MAX];
    uint32_t notes;
    bool disk_fails;
    uint64_t lives;
    uint32_t offsets_max; /* 0: plenty; for the next process */
    bool moved;           /* the disk answered */
    void *blocks[2];
};

static inline void *world_memory(size_t size, void **block)
{
    *block = calloc(1, size + 64);
    return (uint8_t *)*block + (64 - (uintptr_t)*block % 64);
}

static inline struct uuid world_id(const char *name)
{
    struct uuid id = { { 0xcc } };

    for (uint32_t i = 0; name[i] != '\0' && i < 15; i++) id.bytes[i + 1] = (uint8_t)name[i];
    return id;
}

static inline void world_apply(struct world *world, const struct proposal *proposal)
{
    struct bytes rest = proposal_bytes(proposal), record;
    struct image_change change;
    const uint64_t index = image_view(world->image).applied_index + 1;

    while (proposal_next(&rest, &record)) {
        CHECK(image_apply(world->image, index, record, &change) == APPLY_DONE);
        while (image_is_draining(world->image)) image_drain(world->image, &change);
    }
    image_advance(world->image, index, 1);
}

static inline void world_topic(struct world *world, const char *name, int32_t partitions)
{
    static uint8_t memory[64 << 10];
    const int32_t replicas[1] = { 1 };
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_topic(&proposal, &(struct metadata_topic_record){
                                      .name = text_of(name), .topic_id = world_id(name), .replica_target = 1 });
    for (int32_t i = 0; i < partitions; i++) {
        proposal_add_partition(&proposal, &(struct metadata_partition_record){ .topic_id = world_id(name),
                                                                               .index = i,
                                                                               .replicas = replicas,
                                                                               .replicas_count = 1,
                                                                               .leader = 1,
                                                                               .leader_epoch = 3,
                                                                               .partition_epoch = 3 });
    }
    world_apply(world, &proposal);
}

/* A setting of all brokers. */
static inline void world_config(struct world *world, const char *name, const char *value)
{
    uint8_t memory[1024];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_config(&proposal,
                        &(struct metadata_config_record){
                            .resource_type = 4, .broker_id = -1, .name = text_of(name), .value = text_of(value) });
    world_apply(world, &proposal);
}

static inline uint32_t world_log(const struct world *world, int32_t partition)
{
    return image_partition_slot(world->image, image_topic_by_name(world->image, OFFSETS_TOPIC), partition);
}

static inline uint32_t world_log_of(const struct world *world, const char *group)
{
    return world_log(world, (int32_t)group_partition(text_of(group), OFFSETS_PARTITIONS));
}

/* All that the logs have is committed. */
static inline void world_commit(struct world *world)
{
    for (int32_t i = 0; i < OFFSETS_PARTITIONS; i++) {
        struct log_offsets *offsets = &world->logs->logs[world_log(world, i)].offsets;
        if (offsets->high_watermark == offsets->log_end_offset) continue;
        offsets->durable_offset = offsets->high_watermark = offsets->log_end_offset;
        groups_on_high_watermark(world->groups, world_log(world, i));
    }
}

static inline void world_step(struct world *world)
{
    uint64_t waiter;

    world->effects.count = 0;
    world->moved = false;
    groups_on_time(world->groups, world->now, world->wall_ms);
    groups_work(world->groups, &world->effects);
    if (!world->slow) world_commit(world);
    while ((waiter = groups_next_ready(world->groups)) != 0) world->ready[(uint32_t)waiter] = true;
    for (uint32_t i = 0; i < world->effects.count; i++) {
        const struct effect *effect = &world->effects.list[i];
        world->notes += effect->type == EFFECT_NOTE;
        if (effect->type != EFFECT_READ) continue;
        world->moved = true;
        memcpy(effect->read.into, (const void *)(uintptr_t)effect->read.position, effect->read.size);
        groups_on_disk(world->groups, &(struct event){ .type = EVENT_READ_DONE,
                                                       .disk = { .result = world->disk_fails ? DISK_FAILED : DISK_DONE,
                                                                 .size = effect->read.size } });
    }
    groups_check(world->groups);
}

/* What a node does until nothing is left; how many steps it took. */
static inline uint32_t world_run(struct world *world)
{
    uint32_t count = 1;

    world_step(world);
    for (; world->moved || groups_deadline_ns(world->groups) <= world->now; count++) {
        CHECK(count < 1000000); /* else it spins */
        world_step(world);
    }
    return count;
}

static inline void world_pass(struct world *world, uint64_t ms)
{
    const uint64_t until = world->now + ms * MS;

    world_run(world);
    while (groups_deadline_ns(world->groups) <= until) {
        const uint64_t at = MAX(groups_deadline_ns(world->groups), world->now);
        world->wall_ms += (int64_t)((at - world->now) / MS);
        world->now = at;
        world_run(world);
    }
    world->wall_ms += (int64_t)((until - world->now) / MS);
    world->now = until;
    world_run(world);
}

static inline void world_make_groups(struct world *world)
{
    const struct groups_config config = {
        .node_id = 1,
        .groups_max = 64,
        .members_max = 1200,
        .offsets_max = world->offsets_max == 0 ? 4096 : world->offsets_max,
        .memory_size = 1 << 20,
        .topics_max = 16,
        .logs_max = FAKE_LOGS_MAX,
        .waiters_max = WAITERS_MAX,
        .message_size_max = 1 << 20,
        .seed = { 1, ++world->lives }, /* each process its own */
    };
    const struct groups_rooms rooms = { world->logs, &world->replicas, world->image };

    free(world->blocks[1]);
    CHECK(groups_size(&config) > 0);
    world->groups = world_memory(groups_size(&config), &world->blocks[1]);
    groups_init(world->groups, &config, &rooms);
    for (int32_t i = 0; i < OFFSETS_PARTITIONS; i++) groups_on_partition(world->groups, world_log(world, i));
}

static inline struct world *world_new(void)
{
    static const struct image_config image_config = { .node_id = 1,
                                                      .topics_max = 64,
                                                      .partitions_max = FAKE_LOGS_MAX,
                                                      .brokers_max = 4,
                                                      .settings_max = 64,
                                                      .hash_seed = 7 };
    struct world *world = calloc(1, sizeof *world);
    uint8_t memory[1024];
    struct metadata_broker_record_endpoint endpoint = { 0, BYTES_LITERAL("here"), 9092 };
    struct proposal proposal = proposal_in(memory, sizeof memory);

    world->now = 1000 * MS;
    world->wall_ms = INT64_C(1700000000000);
    world->image = world_memory(image_size(&image_config), &world->blocks[0]);
    image_init(world->image, &image_config);
    world->logs = fake_logs_new();
    world->replicas = (struct replicas){ .node_id = 1, .image = world->image };
    proposal_add_cluster(&proposal, &(struct metadata_cluster_record){ .cluster_id = world_id("cluster") });
    proposal_add_feature(&proposal, &(struct metadata_feature_record){ BYTES_LITERAL("metadata.version"), 1 });
    proposal_add_broker(&proposal, &(struct metadata_broker_record){ .broker_id = 1,
                                                                     .epoch = -1,
                                                                     .incarnation = world_id("one"),
                                                                     .endpoints = &endpoint,
                                                                     .endpoints_count = 1 });
    world_apply(world, &proposal);
    world_topic(world, "__consumer_offsets", OFFSETS_PARTITIONS);
    world_topic(world, "t", 8);
    world_topic(world, "u", 8);
    world_config(world, "group.initial.rebalance.delay.ms", "0");
    world_make_groups(world);
    world_run(world);
    return world;
}

static inline void world_free(struct world *world)
{
    fake_logs_free(world->logs);
    free(world->blocks[0]);
    free(world->blocks[1]);
    free(world);
}

/* The node stops, and another process of it begins: all that is left is the log. */
static inline void world_restart(struct world *world)
{
    memset(world->ready, 0, sizeof world->ready);
    world_make_groups(world);
}

/* ---- members ---- */

struct asked {
    const char *group, *member, *instance, *protocol, *metadata;
    int16_t version;
    int32_t session_ms, rebalance_ms;
    struct bytes subscription; /* instead of `metadata` */
};

struct heard {
    enum error error;
    bool waits;
    int32_t generation;
    char member[128], leader[128], protocol[64], assignment[128];
    uint32_t members;
    bool skips;
};

static inline void world_say(char *to, size_t size, struct bytes text)
{
    CHECK(text.size < size);
    if (text.size > 0) memcpy(to, text.data, text.size);
    to[text.size] = 0;
}

static inline struct group_caller world_caller(uint64_t waiter, int16_t version)
{
    return (struct group_caller){ waiter, version, BYTES_LITERAL("client"), BYTES_LITERAL("/here") };
}

static inline struct heard world_heard(struct world *world, const struct group_joined *joined)
{
    struct heard heard = { .error = joined->error, .generation = joined->generation, .skips = joined->skip_assignment };
    struct member_view view;

    world_say(heard.member, sizeof heard.member, joined->member_id);
    world_say(heard.leader, sizeof heard.leader, joined->leader);
    world_say(heard.protocol, sizeof heard.protocol, joined->protocol);
    if (!joined->lists_members || joined->error != ERROR_NONE) return heard;
    for (uint32_t at = groups_next_member(world->groups, joined->group, GROUP_NONE, &view); at != GROUP_NONE;
         at = groups_next_member(world->groups, joined->group, at, &view)) {
        heard.members++;
    }
    return heard;
}

/* An answer was told already: what became of it. */
static inline enum error world_held(struct world *world, uint64_t waiter)
{
    if (!world->ready[waiter]) return ERROR_REQUEST_TIMED_OUT; /* nothing yet */
    const enum error error = groups_outcome(world->groups, waiter);
    groups_forget(world->groups, waiter);
    world->ready[waiter] = false;
    return error;
}

static inline struct heard world_join(struct world *world, uint64_t waiter, const struct asked *asked)
{
    struct join_group_request_protocol protocols[4];
    struct join_group_request request = {
        .group_id = text_of(asked->group == NULL ? "g" : asked->group),
        .session_timeout_ms = asked->session_ms == 0 ? 10000 : asked->session_ms,
        .rebalance_timeout_ms = asked->rebalance_ms == 0 ? 60000 : asked->rebalance_ms,
        .member_id = text_of(asked->member == NULL ? "" : asked->member),
        .protocol_type = BYTES_LITERAL("consumer"),
        .protocols = protocols,
    };
    const char *names = asked->protocol == NULL ? "range" : asked->protocol; /* with commas between them */
    const struct group_caller caller = world_caller(waiter, asked->version == 0 ? 3 : asked->version);
    struct group_joined joined;

    if (asked->instance != NULL) request.group_instance_id = text_of(asked->instance);
    while (*names != 0) {
        uint32_t size = 0;
        while (names[size] != 0 && names[size] != ',') size++;
        protocols[request.protocols_count++] =
            (struct join_group_request_protocol){ { (const uint8_t *)names, size },
                                                  asked->subscription.size > 0
                                                      ? asked->subscription
                                                      : text_of(asked->metadata == NULL ? "m" : asked->metadata) };
        names += names[size] == ',' ? size + 1 : size;
    }
    world->ready[waiter] = false;
    const enum group_verdict verdict = groups_join(world->groups, &caller, &request, &joined);
    if (verdict == GROUP_WAITS) {
        world_run(world);
        return (struct heard){ .waits = true };
    }
    struct heard heard = world_heard(world, &joined);
    world_run(world);
    if (verdict == GROUP_HELD) heard.error = world_held(world, waiter);
    return heard;
}

static inline struct heard world_joined(struct world *world, uint64_t waiter, int16_t version)
{
    const struct group_caller caller = world_caller(waiter, version);
    struct group_joined joined;

    if (!world->ready[waiter]) return (struct heard){ .waits = true };
    groups_joined(world->groups, waiter, &caller, &joined);
    const struct heard heard = world_heard(world, &joined);
    groups_forget(world->groups, waiter);
    world->ready[waiter] = false;
    return heard;
}

/* Joins a group that has room, and hears of the generation. */
static inline struct heard world_enter(struct world *world, uint64_t waiter, const struct asked *asked)
{
    const struct heard heard = world_join(world, waiter, asked);

    return heard.waits ? world_joined(world, waiter, asked->version == 0 ? 3 : asked->version) : heard;
}

static inline struct heard world_synced(struct world *world, uint64_t waiter)
{
    struct group_synced synced;
    struct heard heard = { 0 };

    if (!world->ready[waiter]) return (struct heard){ .waits = true };
    groups_synced(world->groups, waiter, &synced);
    heard.error = synced.error;
    world_say(heard.assignment, sizeof heard.assignment, synced.assignment);
    groups_forget(world->groups, waiter);
    world->ready[waiter] = false;
    return heard;
}

/* A leader assigns to each of `count` members its own number. */
static inline struct heard world_sync(struct world *world, uint64_t waiter, const char *member, int32_t generation,
                                      const char *const *members, uint32_t count)
{
    static const char *const shares[] = { "0", "1", "2", "3" };
    struct sync_group_request_assignment assignments[4];
    const struct sync_group_request request = {
        .group_id = BYTES_LITERAL("g"),
        .generation_id = generation,
        .member_id = text_of(member),
        .assignments = assignments,
        .assignments_count = count,
    };
    const struct group_caller caller = world_caller(waiter, 3);
    struct group_synced synced;
    struct heard heard = { 0 };

    for (uint32_t i = 0; i < count; i++) {
        assignments[i] = (struct sync_group_request_assignment){ text_of(members[i]), text_of(shares[i]) };
    }
    world->ready[waiter] = false;
    if (groups_sync(world->groups, &caller, &request, &synced) == GROUP_WAITS) {
        world_run(world);
        return world_synced(world, waiter);
    }
    heard.error = synced.error;
    world_say(heard.assignment, sizeof heard.assignment, synced.assignment);
    world_run(world);
    return heard;
}

static inline enum error world_beat(struct world *world, const char *member, int32_t generation)
{
    const struct heartbeat_request request = { .group_id = BYTES_LITERAL("g"),
                                               .generation_id = generation,
                                               .member_id = text_of(member) };
    const enum error error = groups_heartbeat(world->groups, &request);

    world_run(world);
    return error;
}

static inline enum error world_leave(struct world *world, const char *member, const char *instance)
{
    struct group_leaver leaver = { .member_id = text_of(member) };

    if (instance != NULL) leaver.instance_id = text_of(instance);
    const enum error error = groups_leave(world->groups, BYTES_LITERAL("g"), &leaver);
    world_run(world);
    return error;
}

static inline const char *world_state(const struct world *world, const char *group)
{
    const uint32_t found = groups_find(world->groups, text_of(group));

    return found == GROUP_NONE ? "none" : groups_view(world->groups, found).state;
}

/* Two members at rest. */
struct pair {
    struct heard one, two;
    int32_t generation;
};

static inline struct pair pair_at_rest(struct world *world, const struct asked *asked_one,
                                       const struct asked *asked_two)
{
    struct pair pair = { .one = world_enter(world, 1, asked_one) };
    struct asked again = *asked_one;
    const char *names[2];

    EXPECT("the second waits for the first", world_join(world, 2, asked_two).waits);
    again.member = pair.one.member;
    pair.one = world_enter(world, 1, &again);
    pair.two = world_joined(world, 2, 3);
    pair.generation = pair.one.generation;
    EXPECT_EQ("one generation", pair.generation, pair.two.generation);
    EXPECT_EQ("the leader knows both", 2, pair.one.members);
    EXPECT_EQ("the other one none", 0, pair.two.members);
    names[0] = pair.one.member;
    names[1] = pair.two.member;
    EXPECT("a follower waits for the leader", world_sync(world, 2, pair.two.member, pair.generation, NULL, 0).waits);
    EXPECT("the leader has its share",
           strcmp(world_sync(world, 1, pair.one.member, pair.generation, names, 2).assignment, "0") == 0);
    EXPECT("and the follower", strcmp(world_synced(world, 2).assignment, "1") == 0);
    return pair;
}

/* ---- offsets ---- */

struct commit {
    const char *group, *member;
    int32_t generation;
    const char *topic;
    int32_t partition;
    int64_t offset;
};

/* Begins it; what becomes of it is told by world_outcome. */
static inline enum error world_send_commit(struct world *world, uint64_t waiter, const struct commit *commit)
{
    const struct group_committer committer = { .group_id = text_of(commit->group),
                                               .member_id = text_of(commit->member),
                                               .generation = commit->generation };
    const struct group_offset offset = { .topic = text_of(commit->topic),
                                         .partition = commit->partition,
                                         .offset = commit->offset,
                                         .leader_epoch = 7,
                                         .metadata = BYTES_LITERAL("why"),
                                         .expire_ms = -1 };
    enum error error = groups_may_commit(world->groups, &committer);

    if (error != ERROR_NONE) return error;
    world->ready[waiter] = false;
    error = groups_begin_commit(world->groups, committer.group_id, 1);
    if (error != ERROR_NONE) return error;
    const enum error added = groups_add_commit(world->groups, &offset);
    groups_end_commit(world->groups, waiter, &error);
    world_run(world);
    return added != ERROR_NONE ? added : error;
}

static inline enum error world_outcome(struct world *world, uint64_t waiter)
{
    const enum error error = groups_outcome(world->groups, waiter);

    CHECK(world->ready[waiter]);
    groups_forget(world->groups, waiter);
    return error;
}

static inline enum error world_commits(struct world *world, const struct commit *commit)
{
    enum { WAITER = WAITERS_MAX - 1 };
    const enum error error = world_send_commit(world, WAITER, commit);

    return error == ERROR_NONE ? world_outcome(world, WAITER) : error;
}

static inline int64_t world_offset(const struct world *world, const char *group, const char *topic, int32_t partition)
{
    return groups_offset(world->groups, text_of(group), text_of(topic), partition).offset;
}

#endif
