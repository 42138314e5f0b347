/* cluster_world.h -- one image, one topic "t" of one partition, and deeds in words: what happened to brokers, what
 * somebody wants of the partition. Tests are rows of a deed and what the partition says then. */
#ifndef CHRONIK_TESTS_CLUSTER_WORLD_H
#define CHRONIK_TESTS_CLUSTER_WORLD_H

#include "meta/image_state.h"
#include "t.h"

#include <stdlib.h>

struct cluster {
    struct image *image;
    uint64_t index;
    uint32_t changes; /* of the partition, by the last deed */
    bool unclean;     /* one of them was an election that may lose records */
};

struct deed_row {
    const char *why;
    const char *deed;
    const char *said;
};

static inline struct cluster cluster_new(void)
{
    const struct image_config config = {
        .node_id = 9, .topics_max = 4, .partitions_max = 16, .brokers_max = 8, .settings_max = 8, .hash_seed = 5
    };
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct cluster cluster = { .image = aligned_alloc(64, size) };

    memset(cluster.image, 0, size);
    image_init(cluster.image, &config);
    return cluster;
}

static inline struct uuid cluster_topic_id(void)
{
    return (struct uuid){ { 't', [15] = 1 } };
}

static inline const struct image_partition *cluster_partition(const struct cluster *cluster)
{
    const uint32_t topic = image_topic_by_name(cluster->image, BYTES_LITERAL("t"));

    return image_partition(cluster->image, image_partition_slot(cluster->image, topic, 0));
}

static inline void cluster_apply(struct cluster *cluster, const struct proposal *proposal)
{
    struct bytes rest = proposal_bytes(proposal), record;
    struct image_change change;

    cluster->changes = 0;
    cluster->unclean = false;
    cluster->index++;
    while (proposal_next(&rest, &record)) {
        const enum apply_verdict verdict = image_apply(cluster->image, cluster->index, record, &change);
        EXPECT("a good record", verdict == APPLY_DONE || verdict == APPLY_SKIPPED);
        for (;;) {
            cluster->changes += change.kind == CHANGE_PARTITION_CHANGED;
            cluster->unclean |= change.unclean;
            if (!image_is_draining(cluster->image)) break;
            image_drain(cluster->image, &change);
        }
    }
    image_advance(cluster->image, cluster->index, 1);
    image_check(cluster->image);
}

/* "1,2,3" */
static inline uint32_t cluster_ids(const char *text, int32_t ids[REPLICAS_MAX])
{
    uint32_t count = 0;

    while (*text != 0 && *text != ' ') {
        ids[count++] = (int32_t)strtol(text, (char **)(uintptr_t)&text, 10);
        if (*text == ',') text++;
    }
    return count;
}

static inline void cluster_register_as(struct cluster *cluster, int32_t id, bool fenced, bool unclean, bool observer)
{
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct uuid incarnation = { { [15] = 2 } };

    store_u64(incarnation.bytes, cluster->index);
    proposal_add_broker(&proposal, &(struct metadata_broker_record){ .broker_id = id,
                                                                     .incarnation = incarnation,
                                                                     .epoch = -1,
                                                                     .fenced = fenced,
                                                                     .unclean = unclean,
                                                                     .unfenced_epoch = -1,
                                                                     .observer = observer });
    cluster_apply(cluster, &proposal);
}

static inline void cluster_register(struct cluster *cluster, int32_t id, bool fenced, bool unclean)
{
    cluster_register_as(cluster, id, fenced, unclean, false);
}

static inline int64_t cluster_epoch(const struct cluster *cluster, int32_t id)
{
    return image_broker(cluster->image, image_broker_by_id(cluster->image, id))->epoch;
}

static inline void cluster_change_broker(struct cluster *cluster, struct metadata_broker_change_record record)
{
    uint8_t memory[64];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    record.epoch = cluster_epoch(cluster, record.broker_id);
    proposal_add_broker_change(&proposal, &record);
    cluster_apply(cluster, &proposal);
}

static inline void cluster_create(struct cluster *cluster, const char *replicas)
{
    uint8_t memory[512];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct metadata_partition_record record = metadata_partition_record_default;
    int32_t ids[REPLICAS_MAX];

    record.topic_id = cluster_topic_id();
    record.replicas = ids;
    record.replicas_count = cluster_ids(replicas, ids);
    record.leader = ids[0];
    proposal_add_topic(&proposal, &(struct metadata_topic_record){ .name = BYTES_LITERAL("t"),
                                                                   .topic_id = cluster_topic_id(),
                                                                   .replica_target = (int8_t)record.replicas_count });
    proposal_add_partition(&proposal, &record);
    cluster_apply(cluster, &proposal);
}

static inline void cluster_set(struct cluster *cluster, const char *name, const char *value)
{
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_config(&proposal, &(struct metadata_config_record){ .resource_type = 2,
                                                                     .topic_id = cluster_topic_id(),
                                                                     .name = text_of(name),
                                                                     .value = text_of(value) });
    cluster_apply(cluster, &proposal);
}

static inline struct metadata_partition_change_record cluster_change(const struct cluster *cluster)
{
    const struct image_partition *partition = cluster_partition(cluster);
    struct metadata_partition_change_record record = metadata_partition_change_record_default;

    record.topic_id = cluster_topic_id();
    record.leader_epoch = partition->leader_epoch;
    record.partition_epoch = partition->partition_epoch;
    return record;
}

static inline void cluster_change_partition(struct cluster *cluster,
                                            const struct metadata_partition_change_record *record)
{
    uint8_t memory[512];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_partition_change(&proposal, record);
    cluster_apply(cluster, &proposal);
}

/* "replicas 3,4,1 adding 3,4 removing 1" */
static inline void cluster_reassign(struct cluster *cluster, const char *words)
{
    struct metadata_partition_change_record record = cluster_change(cluster);
    int32_t replicas[REPLICAS_MAX], adding[REPLICAS_MAX], removing[REPLICAS_MAX];
    const char *adds = strstr(words, "adding "), *removes = strstr(words, "removing ");

    record.replicas = replicas;
    record.replicas_count = cluster_ids(words + strlen("replicas "), replicas);
    record.adding = adding;
    if (adds != NULL) record.adding_count = cluster_ids(adds + strlen("adding "), adding);
    record.removing = removing;
    if (removes != NULL) record.removing_count = cluster_ids(removes + strlen("removing "), removing);
    cluster_change_partition(cluster, &record);
}

static inline void cluster_remove(struct cluster *cluster, int32_t id)
{
    uint8_t memory[64];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_broker_removal(&proposal, &(struct metadata_broker_removal_record){ id, cluster_epoch(cluster, id) });
    cluster_apply(cluster, &proposal);
}

static inline bool cluster_do_to_broker(struct cluster *cluster, const char *verb, int32_t id, const char *how)
{
    struct metadata_broker_change_record change = metadata_broker_change_record_default;
    const bool unclean = strcmp(how, "unclean") == 0;

    change.broker_id = id;
    change.unclean = unclean;
    change.crashed = strcmp(how, "crashed") == 0;
    if (strcmp(verb, "broker") == 0) cluster_register(cluster, id, false, false);
    else if (strcmp(verb, "register") == 0) cluster_register(cluster, id, true, unclean);
    else if (strcmp(verb, "restart") == 0) cluster_register(cluster, id, false, unclean);
    else if (strcmp(verb, "remove") == 0) cluster_remove(cluster, id);
    else if (strcmp(verb, "fence") == 0) change.fenced = 1, cluster_change_broker(cluster, change);
    else if (strcmp(verb, "unfence") == 0) change.fenced = 0, cluster_change_broker(cluster, change);
    else if (strcmp(verb, "shutdown") == 0) change.in_controlled_shutdown = 1, cluster_change_broker(cluster, change);
    else if (strcmp(verb, "observer") == 0) cluster_register_as(cluster, id, false, false, true);
    else if (strcmp(verb, "promote") == 0) change.observer = 0, cluster_change_broker(cluster, change);
    else if (strcmp(verb, "leave") == 0) change.leaving = 1, cluster_change_broker(cluster, change);
    else return false;
    return true;
}

static inline void cluster_do(struct cluster *cluster, const char *deed)
{
    struct metadata_partition_change_record record;
    int32_t ids[REPLICAS_MAX];
    char verb[32], word[32] = "";
    int id = 0;

    sscanf(deed, "%31s %d %31s", verb, &id, word);
    if (cluster_do_to_broker(cluster, verb, id, word)) return;
    if (strcmp(verb, "create") == 0) cluster_create(cluster, strchr(deed, ' ') + 1);
    else if (strcmp(verb, "replicas") == 0) cluster_reassign(cluster, deed);
    else if (strchr(verb, '=') != NULL) {
        *strchr(verb, '=') = 0;
        cluster_set(cluster, verb, strchr(deed, '=') + 1);
    } else {
        record = cluster_change(cluster);
        if (strcmp(verb, "isr") == 0) record.isr = ids, record.isr_count = cluster_ids(strchr(deed, ' ') + 1, ids);
        else if (strcmp(verb, "recovered") == 0) record.recovering = 0;
        else if (strcmp(verb, "observers") == 0) {
            record.observers = ids;
            record.observers_count = cluster_ids(strchr(deed, ' ') + 1, ids);
        } else if (strcmp(verb, "elect-preferred") == 0) record.election = ELECT_PREFERRED;
        else if (strcmp(verb, "elect-anybody") == 0) record.election = ELECT_ANYBODY;
        else CHECK(false);
        cluster_change_partition(cluster, &record);
    }
}

/* The partition in one line. */
static inline const char *cluster_said(const struct cluster *cluster)
{
    static char words[8192];
    struct text text = text_in(words, sizeof words - 1);

    image_format(cluster->image, &text);
    words[text.size] = 0;
    char *line = strstr(words, "\n  0 leader=");
    if (line == NULL) return "nothing";
    line += strlen("\n  0 ");
    line[strcspn(line, "\n")] = 0;
    return line;
}

static inline void cluster_play(const struct deed_row *rows, size_t count)
{
    struct cluster cluster = cluster_new();
    int32_t unclean_epoch = 0;

    for (const struct deed_row *row = rows; row < rows + count; row++) {
        char before[512];
        snprintf(before, sizeof before, "%s", cluster_said(&cluster));
        const uint32_t partitions = image_view(cluster.image).partition_count;
        cluster_do(&cluster, row->deed);
        EXPECT_TEXT(row->why, row->said, cluster_said(&cluster));
        if (partitions == 0) continue;
        EXPECT_EQ("whoever listens is told when it changed", strcmp(before, cluster_said(&cluster)) != 0,
                  cluster.changes);
        const int32_t epoch = cluster_partition(&cluster)->last_unclean_leader_epoch;
        EXPECT_EQ("and when records may be lost", epoch != unclean_epoch, cluster.unclean);
        unclean_epoch = epoch;
    }
    free(cluster.image);
}

#define PLAY(rows) cluster_play((rows), sizeof(rows) / sizeof((rows)[0]))

#endif
