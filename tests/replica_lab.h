/* replica_lab.h -- real replicas over real logs on several nodes, over disks that forget and links that break, under a
 * controller that is a model: and a judge who knows what was ever committed.
 *
 * The controller's metadata is a history of states; each node has applied it up to some point, and may be cut off from
 * it. Rules C1 to C5 of docs/replication.md are here in their simplest form. */
#ifndef CHRONIK_TESTS_REPLICA_LAB_H
#define CHRONIK_TESTS_REPLICA_LAB_H

#define DISK_FILES 128

#include "codec/record_batch_builder.h"
#include "disk_model.h"
#include "log/logs.h"
#include "replica/replicas.h"
#include "replica_net.h"

enum {
    LAB_NODES = 5,
    LAB_PARTITIONS = 3,
    LAB_LOGS = 8,
    LAB_OFFSETS = 4096,
    LAB_STATES = 6000,
    LAB_PENDING = 4096,
    LAB_WISHES = 64,
    LAB_DELETIONS = 64,
    LAB_BATCH_MAX = 6000,
    LAB_EPOCHS = 2048,
    LAB_UNKNOWN = -2,
};

#define LAB_MS UINT64_C(1000000)

struct lab_config { /* of a partition; sets are bits by node id */
    int32_t replicas[LAB_NODES];
    uint8_t replica_count;
    uint32_t isr, elr, observers;
    int32_t leader, leader_epoch, partition_epoch, last_leader, last_unclean_epoch;
    bool recovering, relaxed;
    uint8_t isr_min;
};

struct lab_broker {
    int64_t epoch; /* -1: not registered */
    bool fenced, shutting_down;
};

struct lab_state {
    struct lab_config configs[LAB_PARTITIONS];
    struct lab_broker brokers[LAB_NODES + 1];
};

/* What one replica has, by offset. */
struct lab_shadow {
    int64_t start, end;
    int64_t judged; /* below here it was compared with what is committed */
    int32_t led_epoch;
    int64_t led_watermark;
    uint64_t ids[LAB_OFFSETS];
    int32_t epochs[LAB_OFFSETS];
};

struct lab_node {
    bool up, ready, cut_off; /* cut off: from the controller */
    bool stops;
    bool disk_stands; /* it answers nothing */
    uint32_t applied; /* states */
    uint32_t registered;
    struct disk *disk;
    void *logs_memory, *replicas_memory;
    struct logs *logs;
    struct replicas *replicas;
    struct peers peers;
    struct effects effects;
    bool has[LAB_PARTITIONS];
    struct lab_shadow shadows[LAB_PARTITIONS];
};

struct lab_pending {
    int32_t node, leader_epoch;
    uint32_t partition;
    int64_t last_offset;
    bool acks_all;
};

struct lab_deletion {
    int32_t node, leader_epoch;
    uint32_t partition;
    int64_t start;
};

struct lab_wish {
    int32_t node;
    uint32_t life;
    struct replica_wish wish;
    bool refused; /* on its way back */
    enum error error;
    uint64_t due_ns;
};

struct lab_judge {         /* of a partition */
    int64_t committed;     /* the highest high watermark ever shown */
    int32_t unclean_epoch; /* the last one that counts: what was committed before was what its leader had */
    uint64_t ids[LAB_OFFSETS];
    int64_t deleted; /* somebody was told that all below it is */
    int32_t led_by[LAB_EPOCHS];
    struct lab_made { /* batches, as leaders made them */
        int64_t base_offset;
        int32_t epoch, previous_epoch;
        uint64_t id;
    } made[LAB_OFFSETS];
    uint32_t made_count;
};

struct lab {
    struct prng prng;
    uint64_t seed;
    uint64_t mono_ns;
    uint32_t node_count, partition_count;
    bool unclean; /* elections may be */
    bool calm;
    bool unfences;     /* whoever is up is unfenced */
    bool keeps_wishes; /* nobody asks what a leader wishes */
    bool unjudged;     /* what happens is against the rules */
    bool slow;         /* links are, so that leaders are ahead of their followers */
    uint32_t throttle;
    uint32_t streams_max; /* of each node; 0: enough */
    struct net net;
    struct lab_node nodes[LAB_NODES + 1];
    struct lab_state *states;
    uint32_t state_count;
    struct lab_wish wishes[LAB_WISHES];
    uint32_t wish_count;
    struct lab_pending pending[LAB_PENDING];
    uint32_t pending_count;
    struct lab_deletion deletions[LAB_DELETIONS];
    uint32_t deletion_count;
    struct lab_judge judges[LAB_PARTITIONS];
    uint64_t next_id;
    int64_t next_broker_epoch;
    /* what happened, so that a test can see that it did */
    uint64_t appends, acked, crashes, elections, uncleans, grants, refusals, fences, breaks, steps, deleted;
    uint64_t resignations;
    struct replicas_counters counters; /* of all lives */
};

#define LAB_CHECK(condition)                                                                                           \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "seed %llu: %s:%d: %s\n", (unsigned long long)lab->seed, __FILE__, __LINE__, #condition);  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static inline bool lab_chance(struct lab *lab, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(&lab->prng, numerator, denominator);
}

static inline uint64_t lab_below(struct lab *lab, uint64_t bound)
{
    return prng_below(&lab->prng, bound);
}

static inline int32_t lab_any_node(struct lab *lab)
{
    return 1 + (int32_t)lab_below(lab, lab->node_count);
}

static inline struct lab_state *lab_newest(struct lab *lab)
{
    return &lab->states[lab->state_count - 1];
}

/* Each node has numbers of its own. */
static inline uint32_t lab_log(int32_t node, uint32_t partition)
{
    return (partition + (uint32_t)node) % LAB_LOGS;
}

static inline uint32_t lab_partition(int32_t node, uint32_t log)
{
    return (log + LAB_LOGS - (uint32_t)node % LAB_LOGS) % LAB_LOGS;
}

static inline int64_t lab_wall(const struct lab *lab)
{
    return 1700000000000 + (int64_t)(lab->mono_ns / LAB_MS);
}

#endif
